"""Specs of one regression whose response is censored or truncated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from em_vs_bayes.common.contract import Emission, Latent
from em_vs_bayes.common.values import plain_fields
from em_vs_bayes.model.emissions import CensoredRegression as CensoredEmission
from em_vs_bayes.model.emissions import Single
from em_vs_bayes.model.emissions import TruncatedRegression as TruncatedEmission
from em_vs_bayes.model.emissions.degrees import checked_df, given_df
from em_vs_bayes.model.latents import Censoring
from em_vs_bayes.model.spec import Spec


class Regression(Spec, ABC):
    """One regression for all rows: parameters ``coefficients (predictor)`` and ``sigma``.

    Without a formula the design is ``exog``, used as it is; without either it is an intercept alone.
    """

    @property
    def size(self) -> int:
        return 1

    @property
    def leading(self) -> str:
        return ""

    @property
    def joint_prior(self) -> str:
        return "regression"

    @property
    def latent_dims(self) -> dict[str, tuple[str, ...]]:
        return {}

    @property
    def latent(self) -> Latent:
        return Censoring(truncated=self.truncated, robust=self.degrees is not None)

    @property
    @abstractmethod
    def truncated(self) -> bool:
        """Whether rows beyond the limits are missing from the sample."""

    @property
    @abstractmethod
    def degrees(self) -> float | None:
        """Degrees of freedom of Student t errors; None where errors are normal."""

    def _shown(self) -> dict[str, Any]:
        return {name: value for name, value in self._arguments().items() if value is not None}


@final
@dataclass(frozen=True, eq=False, repr=False)
class Tobit(Regression):
    """Tobit regression: y* ~ N(x'b, sigma^2), of which y = min(max(y*, lower), upper) is seen (Tobin 1958).

    Parameters
    ----------
    formula : str, optional
        ``"y ~ x1 + C(group)"``; y is then the frame.
    lower : float, optional
        Lower limit; None: none. A value at a limit is censored there; values beyond are too, with a warning.
    upper : float, optional
        Upper limit; None: none. One of the two is wanted.
    priors : dict, optional
        ``"coefficients"``, ``"sigma"``, or ``"regression"`` for a joint one -> prior.
    fixed : dict, optional
        Parameter name -> value; NaN marks free elements.
    df : float, optional
        Degrees of freedom of Student t errors, from 0.1 to 1e6: far responses count for less (Lange, Little & Taylor
        1989). ``sigma`` is then the scale, not the standard deviation. None: normal errors.
    """

    formula: str | None = None
    lower: float | None = 0.0
    upper: float | None = None
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    df: float | None = None
    ordered: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        if self.lower is None and self.upper is None:
            raise ValueError("Tobit wants a limit: lower= or upper=. Intervals per row are CensoredRegression's.")
        object.__setattr__(self, "df", checked_df(self.df))
        self._check()

    @property
    def model_emission(self) -> Emission:
        return Single(CensoredEmission(self.formula, self.lower, self.upper, self.df))

    @property
    def truncated(self) -> bool:
        return False

    @property
    def degrees(self) -> float | None:
        return self.df

    def _arguments(self) -> dict[str, Any]:
        return {"formula": self.formula, "lower": self.lower, "upper": self.upper} | given_df(self.df)


@final
@dataclass(frozen=True, eq=False, repr=False)
class CensoredRegression(Regression):
    """Censored regression: y* ~ N(x'b, sigma^2), each response known to lie in an interval of its own.

    Parameters
    ----------
    formula : str, optional
        ``"censored(lower, upper) ~ x1 + C(group)"``, with the columns that hold the ends; y is then the frame. Without
        one, y is (n, 2). Equal ends are an exact response, an infinite end is no limit.
    priors : dict, optional
    fixed : dict, optional
    df : float, optional
        These as in `Tobit`.
    """

    formula: str | None = None
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    df: float | None = None
    ordered: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        object.__setattr__(self, "df", checked_df(self.df))
        self._check()

    @property
    def model_emission(self) -> Emission:
        return Single(CensoredEmission(self.formula, df=self.df))

    @property
    def truncated(self) -> bool:
        return False

    @property
    def degrees(self) -> float | None:
        return self.df

    def _arguments(self) -> dict[str, Any]:
        return {"formula": self.formula} | given_df(self.df)


@final
@dataclass(frozen=True, eq=False, repr=False)
class TruncatedRegression(Regression):
    """Truncated regression: y ~ N(x'b, sigma^2) in a sample that only has the rows with lower < y < upper.

    Parameters
    ----------
    formula : str, optional
    lower : float, optional
        Lower limit of the sample; None: none.
    upper : float, optional
        Upper limit; None: none. One of the two is wanted.
    priors : dict, optional
    fixed : dict, optional
        These as in `Tobit`.
    """

    formula: str | None = None
    lower: float | None = None
    upper: float | None = None
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ordered: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        self._check()

    @property
    def model_emission(self) -> Emission:
        return Single(TruncatedEmission(self.formula, self.lower, self.upper))

    @property
    def truncated(self) -> bool:
        return True

    @property
    def degrees(self) -> None:
        return None

    def _arguments(self) -> dict[str, Any]:
        return {"formula": self.formula, "lower": self.lower, "upper": self.upper}
