"""Information and scores at a point estimate: by differences, or exact.

Exact they are for censored and truncated regressions with normal errors.

By differences, curvature is taken in unconstrained coordinates, where nothing is on a boundary, and carried to the
user's parameters by the delta method: at a maximum the information transforms as a tensor, so this is the information
in either. Those regressions have it in their own free parameters, in closed form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.regressions import Regression

if TYPE_CHECKING:
    from em_vs_bayes.results import Fit


@dataclass(frozen=True)
class Curvature(ABC):
    """Of the log-likelihood of a fit in D free coordinates; of likelihood times prior where the estimate is a MAP.

    Implement these.

    Attributes
    ----------
    jacobian : ndarray (Q, D)
        Derivatives of the user's scalars by the coordinates.
    """

    fit: Fit

    @property
    @abstractmethod
    def jacobian(self) -> Array: ...

    @abstractmethod
    def observed(self) -> Array:
        """Minus the Hessian (D, D)."""

    @abstractmethod
    def louis(self) -> Array:
        """The same as complete-data less missing information (Louis 1982)."""

    @abstractmethod
    def scores(self) -> Array:
        """Derivatives (n, D) of the rows' terms of the log-likelihood, case weights and prior left out."""

    @property
    def with_prior(self) -> bool:
        """Whether the estimate maximises likelihood times prior."""
        return bool(self.fit.options.get("objective") == "map")


def curvature(fit: Fit) -> Curvature:
    """The curvature of a fit; ValueError in words where the estimate lies on a boundary."""
    closed = isinstance(fit.spec, Regression) and fit.spec.degrees is None
    return ClosedForm(fit) if closed else Differences(fit)


@final
@dataclass(frozen=True)
class ClosedForm(Curvature):
    """Of a regression, in its free coefficients and sigma."""

    @cached_property
    def _free(self) -> Any:
        """Where the free ones lie in (coefficients, sigma)."""
        program = self.fit.program
        fixed = program.tables.theta.unpack(program.tables.fixed)
        return np.flatnonzero(np.isnan(np.append(fixed["coefficients"], fixed["sigma"])))

    @cached_property
    def _fitted(self) -> Any:
        from em_vs_bayes.regression.fitted import regression_of

        return regression_of(self.fit, "The information")

    @property
    def jacobian(self) -> Array:
        return np.eye(len(self._fitted.names) + 1)[:, self._free]

    def observed(self) -> Array:
        from em_vs_bayes.regression import information

        return self._kept(information.observed(self._fitted))

    def louis(self) -> Array:
        from em_vs_bayes.regression import information

        complete, missing = information.louis(self._fitted)
        return self._kept(complete - missing)

    def _kept(self, information: Array) -> Array:
        whole = information + self._prior() if self.with_prior else information
        return np.asarray(whole[np.ix_(self._free, self._free)])

    def scores(self) -> Array:
        from em_vs_bayes.regression import information

        return np.asarray(information.scores(self._fitted)[:, self._free])

    def _prior(self) -> Array:
        """Minus the Hessian of the log prior: central differences of its exact gradient."""
        program, theta = self.fit.program, self.fit.theta
        program.require_known_priors("objective='map'")
        from em_vs_bayes.kernels.block_priors import log_prior

        layout = program.tables.theta
        where = np.r_[tuple(at for name, at, _ in layout.items() if name in ("coefficients", "sigma"))]
        hessian = np.zeros((len(where), len(where)))
        for j in self._free:
            h = 1e-5 * max(abs(theta[where[j]]), 1e-3 * self._fitted.sigma)
            slopes = []
            for step in (h, -h):
                moved, gradient = theta.copy(), np.zeros_like(theta)
                moved[where[j]] += step
                log_prior(program.tables.blocks, program.tables.prior, moved, gradient)
                slopes.append(gradient[where])
            hessian[j] = (slopes[0] - slopes[1]) / (2.0 * h)
        return -0.5 * (hessian + hessian.T)


@final
@dataclass(frozen=True)
class Differences(Curvature):
    """Of any other model, in unconstrained coordinates, by central differences."""

    @cached_property
    def _x(self) -> Array:
        x = self.fit.program.unconstrain(self.fit.theta)
        if not np.isfinite(x).all():
            raise ValueError(
                "The estimate lies on the boundary of the parameter space (a weight or probability of 0 or 1): its "
                "standard errors do not exist. Use objective='map', or fix the element."
            )
        return x

    def observed(self) -> Array:
        from em_vs_bayes.methods.mode import information

        density = self.fit.program.density(self.fit.theta, prior=float(self.with_prior), jacobian=0.0)
        return information(density, self._x)

    def louis(self) -> Array:
        raise ValueError(
            "kind='louis' is worked out for Tobit, CensoredRegression and TruncatedRegression with normal errors "
            "(no df); here it would be the number that kind='observed' gives."
        )

    def scores(self) -> Array:
        program = self.fit.program
        kind = "predictive" if program.latent.sequential else None  # terms that add up to the log-likelihood
        return self._slopes(lambda theta: program.pointwise(theta, kind), 1e-5)

    @cached_property
    def jacobian(self) -> Array:
        program = self.fit.program
        return self._slopes(lambda theta: np.concatenate([v.ravel() for v in program.public(theta).values()]), 1e-6)

    def _slopes(self, function: Any, step: float) -> Array:
        """Derivatives (..., D) of a vector-valued function of theta."""
        x, program, columns = self._x, self.fit.program, []
        for j in range(len(x)):
            h = step * max(1.0, abs(x[j]))
            up, down = x.copy(), x.copy()
            up[j] += h
            down[j] -= h
            high, low = (function(program.constrain(v, self.fit.theta)) for v in (up, down))
            columns.append((high - low) / (up[j] - down[j]))
        return np.column_stack(columns) if columns else np.zeros((len(function(self.fit.theta)), 0))
