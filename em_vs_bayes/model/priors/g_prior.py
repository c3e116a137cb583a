"""Zellner's g-prior: regression coefficients whose prior covariance is g times that of least squares."""

from dataclasses import dataclass
from typing import final

import numpy as np

from em_vs_bayes.model.priors.base import Array, Value, Values
from em_vs_bayes.model.priors.checks import finite, positive
from em_vs_bayes.model.priors.normal_inverse_gamma import NormalInverseGamma


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GPrior(Value):
    r"""sigma^2 ~ IG(shape, rate), b | sigma^2 ~ N(mean, g sigma^2 (X'X)^{-1}) (Zellner, 1986).

    With g = n it holds as much information as one row (Kass & Wasserman, 1995). X'X is that of the rows with a
    response, censored ones included, case weights counted.

    Parameters
    ----------
    g : float
        Positive.
    mean : float or array (p,)
    shape : float
        Positive.
    rate : float, optional
        Positive; by default the residual variance of least squares.
    """

    g: Values
    mean: Values = 0.0
    shape: Values = 2.0
    rate: Values = np.nan

    def _check(self) -> None:
        positive("g", self.g)
        finite("mean", self.mean)
        positive("shape", self.shape)
        if not np.isnan(self.rate).all():
            positive("rate", self.rate)
        if self.g.ndim or self.shape.ndim or self.rate.ndim:
            raise ValueError("g, shape and rate: want one number each")

    def at(self, products: Array, variance: float) -> NormalInverseGamma:
        """The prior for a design with X'X = ``products`` (p, p) and the residual variance of its least squares."""
        rate = variance if np.isnan(self.rate) else self.rate
        return NormalInverseGamma(mean=self.mean, kappa=products / self.g, shape=self.shape, rate=rate)
