"""Information and scores at a point estimate: by differences, or exact.

Exact they are for censored and truncated regressions with normal errors.

Either is taken in coordinates in which standard errors are near 1, and carried to the user's parameters by the delta
method: at a maximum the information transforms as a tensor, so this is the information in any. By differences these
are directions of unconstrained coordinates, elements on the boundary held there (`boundary`); those regressions have
theirs along an orthonormal basis of the design.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.fit.boundary import Held, held
from em_vs_bayes.fit.record import Record
from em_vs_bayes.model.regressions import Regression
from em_vs_bayes.program.coordinates import jacobian
from em_vs_bayes.program.differences import STEP, Information, information, of_program

DEPENDENT = 1e-13  # the part of a column of length 1 that is none of the others', below which there is none
NOT_DEFINITE = (
    "The observed information is not positive definite at this estimate: it is not an interior maximum, or a parameter "
    "is not identified. Check status, or refit with a smaller tol."
)


@dataclass(frozen=True)
class Curvature(ABC):
    """Of the log-likelihood of a fit along D free directions; of likelihood times prior where the estimate is a MAP.

    Implement these.

    Attributes
    ----------
    jacobian : ndarray (Q, D)
        Derivatives of the user's scalars along the directions.
    """

    fit: Record

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


def curvature(fit: Record) -> Curvature:
    """The curvature of a fit."""
    closed = isinstance(fit.spec, Regression) and fit.spec.degrees is None
    return ClosedForm(fit) if closed else Differences(fit)


@final
@dataclass(frozen=True)
class ClosedForm(Curvature):
    """Of a regression, along an orthonormal basis of the free columns of its design, and sigma as a multiple."""

    @cached_property
    def _free(self) -> Any:
        """Which of the coefficients are free, and whether sigma is."""
        program = self.fit.program
        fixed = program.tables.theta.unpack(program.tables.fixed)
        return np.isnan(np.ravel(fixed["coefficients"])), bool(np.isnan(np.ravel(fixed["sigma"]))[0])

    @cached_property
    def _fitted(self) -> Any:
        from em_vs_bayes.fit.fitted import regression_of

        return regression_of(self.fit, "The information")

    @cached_property
    def _basis(self) -> tuple[Any, Array]:
        """The regression on the basis (its line and sigma as before), and what takes its coefficients to the user's."""
        fitted, (free, _) = self._fitted, self._free
        design = fitted.design[:, free]
        lengths = np.linalg.norm(design, axis=0)
        basis, triangle = np.linalg.qr(design / np.where(lengths > 0, lengths, 1.0))
        if (np.abs(np.diag(triangle)) < DEPENDENT).any():
            raise ValueError(NOT_DEFINITE)
        back = np.zeros((len(fitted.names), basis.shape[1]))
        back[free] = np.linalg.inv(triangle) / lengths[:, None]
        return fitted.along(basis), back

    @cached_property
    def jacobian(self) -> Array:
        turned, back = self._basis
        p, d = back.shape
        whole = np.zeros((p + 1, d + 1))
        whole[:p, :d], whole[p, d] = back, 1.0
        return turned.sigma * whole[:, self._kept]

    @property
    def _kept(self) -> Any:
        """Which of the basis, and of sigma, are free."""
        free, sigma = self._free
        return np.flatnonzero(np.append(np.ones(int(free.sum()), dtype=bool), sigma))

    @property
    def _where(self) -> Any:
        """The same among the columns of the regression on the basis, its line being the last."""
        return np.where(self._kept < self._basis[1].shape[1], self._kept, self._kept + 1)

    def observed(self) -> Array:
        from em_vs_bayes.fit import information

        return self._whole(information.observed(self._basis[0]))

    def louis(self) -> Array:
        from em_vs_bayes.fit import information

        complete, missing = information.louis(self._basis[0])
        return self._whole(complete - missing)

    def _whole(self, own: Array) -> Array:
        """In units of sigma, the prior's where it counts."""
        kept = self._where
        own = own[np.ix_(kept, kept)] * self._basis[0].sigma ** 2
        return own + self._prior() if self.with_prior else own

    def scores(self) -> Array:
        from em_vs_bayes.fit import information

        turned = self._basis[0]
        return np.asarray(information.scores(turned)[:, self._where] * turned.sigma)

    def _prior(self) -> Array:
        """Minus the Hessian of the log prior: differences of its exact gradient."""
        program, theta = self.fit.program, self.fit.theta
        program.require_known_priors("objective='map'")
        from em_vs_bayes.kernels.block_priors import log_prior

        own = self.jacobian.T
        ends = [program.internal({"coefficients": v[:, :-1], "sigma": v[:, -1]}) for v in (own, np.zeros_like(own))]
        turn = ends[0] - ends[1]  # theta moves as they do, in a linear way

        def prior(u: Array) -> tuple[float, Array]:
            moved, gradient = theta + u @ turn, np.zeros_like(theta)
            return log_prior(program.tables.blocks, program.tables.prior, moved, gradient), turn @ gradient

        return information(prior, np.zeros(len(turn))).matrix


@final
@dataclass(frozen=True)
class Differences(Curvature):
    """Of any other model, along directions of unconstrained coordinates, by central differences.

    Attributes
    ----------
    held : Held
        The program whose coordinates they are.
    directions : ndarray (D, D)
        In its coordinates, one per column.
    """

    @cached_property
    def held(self) -> Held:
        return held(self.fit)

    @property
    def directions(self) -> Array:
        return self._information.root

    @cached_property
    def _x(self) -> Array:
        x = self.held.program.unconstrain(self.held.theta)
        if not np.isfinite(x).all():
            raise ValueError(
                "The estimate lies on the edge of the parameter space (a singular covariance, elements that an order "
                "keeps apart): its standard errors do not exist. Use objective='map', or fix the element."
            )
        return x

    @cached_property
    def _information(self) -> Information:
        density = self.held.program.density(self.held.theta, prior=float(self.with_prior), jacobian=0.0)
        return of_program(density, self._x)

    def observed(self) -> Array:
        return self._information.inner

    def louis(self) -> Array:
        raise ValueError(
            "kind='louis' is worked out for Tobit, CensoredRegression and TruncatedRegression with normal errors "
            "(no df); here it would be the number that kind='observed' gives."
        )

    def scores(self) -> Array:
        program, theta = self.held.program, self.held.theta
        kind = "predictive" if program.latent.sequential else None  # terms that add up to the log-likelihood
        columns = []
        for direction in self.directions.T:
            high, low = (
                program.pointwise(program.constrain(self._x + step * direction, theta), kind) for step in (STEP, -STEP)
            )
            columns.append((high - low) / (2.0 * STEP))
        return np.column_stack(columns) if columns else np.zeros((program.n, 0))

    @cached_property
    def jacobian(self) -> Array:
        program, theta = self.held.program, self.held.theta
        moves = (jacobian(program.tables.coordinates, self._x, theta) @ self.directions).T
        high, low = (_flat(program.public(theta + step * moves)) for step in (STEP, -STEP))
        return ((high - low) / (2.0 * STEP)).T


def _flat(public: Params) -> Array:
    """Rows (D, Q) of the user's scalars."""
    return np.concatenate([v.reshape(len(v), prod(v.shape[1:])) for v in public.values()], axis=1)
