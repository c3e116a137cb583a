"""spec + data -> a PyMC model of the same posterior, the latent components or states summed out."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.data import read
from em_vs_bayes.data.intake import all_column_names
from em_vs_bayes.data.times import coordinate
from em_vs_bayes.model.spec import Spec
from em_vs_bayes.program.compile import compile as compile_program
from em_vs_bayes.program.program import Program
from em_vs_bayes.pymc.hmm import HMM
from em_vs_bayes.pymc.mixture import Mixture
from em_vs_bayes.pymc.priors import add
from em_vs_bayes.pymc.rows import Rows
from em_vs_bayes.pymc.variables import Read, Variables


def to_pymc(
    spec: Spec, y: Any, *, exog: Any = None, lengths: Any = None, weights: Any = None, labels: Any = None
) -> pm.Model:
    """A PyMC model that a user can read, extend and sample.

    Parameters
    ----------
    spec : Spec
    y : array_like, frame or dict
        As in `Spec.fit`.
    exog : array_like (n, p), optional
        Design matrix of a regression.
    lengths : array_like of int, or str, optional
        Of consecutive sequences, as in `Spec.fit`.
    weights : array_like (n,), optional
        Case weights: powers of each row's likelihood (of each sequence's, where the model has sequences).
    labels : array_like (n,), optional
        Known components or states, -1 where unknown.

    Returns
    -------
    pymc.Model
        Parameters under their public names and dims, as random variables where they are free throughout, as
        Deterministics where some elements are fixed (the free ones are ``NAME_free``), and where the prior is on
        something smaller: ``variances`` behind diagonal and spherical ``covariances``, ``covariance`` behind tied
        ones. The observed variable is ``y``, of intervals the two ends; its log-likelihood has one term per row: with
        sequences, that of the row given those before it (see `HMM`).

    Notes
    -----
    PyMC starts every component at its prior mean, where they are all alike. Give ``pymc.sample`` a start:
    ``initvals=evb.pymc.initial_values(spec, y, params)``.
    """
    return build(compile_program(spec, y, exog=exog, lengths=lengths, weights=weights, labels=labels)).model


@dataclass(frozen=True, slots=True)
class Built:
    """A model, and how to read the values of its free random variables from public parameters."""

    model: pm.Model
    start: dict[str, Read]

    def values(self, params: Params) -> dict[str, Array]:
        """Free random variables at given public parameters."""
        arrays = {name: np.asarray(value, dtype=float) for name, value in params.items()}
        return {name: np.array(value(arrays)) for name, value in self.start.items()}


def initial_values(spec: Spec, y: Any, params: Params, *, exog: Any = None, lengths: Any = None) -> dict[str, Array]:
    """Values of the free random variables of ``to_pymc(spec, y)`` at ``params``: the ``initvals`` of `pymc.sample`.

    Parameters
    ----------
    spec, y, exog, lengths
        As given to `to_pymc`.
    params : dict of arrays
        Public parameters, such as ``fit.params``.
    """
    program = compile_program(spec, y, exog=exog, lengths=lengths)
    return build(program).values(program.public(program.theta_of(params)))


def build(program: Program) -> Built:
    """The PyMC model of a compiled program."""
    spec, emission = program.spec, program.spec.model_emission
    hidden = bool(spec.latent_dims)  # components or states
    if not emission.dims():  # a user's model, known by expected statistics alone: it says so
        emission.symbolic_log_density(program.y, {}, program.k)
    variables = Variables(spec.parameter_dims(), program.order.names)
    seen = _observed(program)
    with pm.Model(coords=_coords(program, seen), model=None) as model:
        for placed in program.placed[0 if hidden else program.n_latent :]:
            add(placed.block, placed.prefix, variables)
        if program.order.exchangeable:  # K! labellings folded into one
            pm.Potential("labelling", pt.as_tensor(lgamma(program.k + 1.0)))
        names = list(emission.dims())
        allowed = _allowed(program)

        def log_density(_: Any, *params: Any) -> Any:
            named = dict(zip(names, params, strict=True)) | program.exogs
            density = emission.symbolic_log_density(program.y, named, program.k)
            return density if allowed is None else density + allowed

        def simulate(rng: np.random.Generator, z: Any, *params: Array) -> Array:
            labels = program.data.labels
            z = np.where(labels >= 0, labels, z) if labels.size else z
            named = dict(zip(names, params, strict=True)) | program.exogs
            return _table(emission.simulate(named, z, rng)).reshape(seen.shape)

        shared: dict[str, Any] = {
            "observed": seen,
            "simulate": simulate,
            "case_weights": program.data.weights if program.data.weights.size else None,
            "dims": ("obs", "end" if emission.ends else "column")[: seen.ndim],
        }
        parameters = [variables.public[name] for name in names]
        if program.latent.sequential:
            chain = {name: variables.public[name] for name in ("initial", "transition")}
            density = log_density(None, *parameters)  # as a tensor: labels hold in rows without values, too
            HMM("y", *parameters, **chain, emission_logp=density, lengths=np.diff(program.data.starts), **shared)
        elif hidden:
            Mixture("y", *parameters, weights=variables.public["weights"], emission_logp=log_density, **shared)
        else:
            everyone = np.zeros(program.n, dtype=np.int64)
            shared["simulate"] = lambda rng, *params: simulate(rng, everyone, *params)
            Rows("y", *parameters, log_density=lambda y, *params: log_density(y, *params)[:, 0], **shared)
    return Built(model, variables.start)


def _observed(program: Program) -> Array:
    """y as the user sees it: (n,) for one column, (n, columns) for more."""
    table = _table(program.spec.model_emission.observed(program.y))
    return table[:, 0] if table.shape[1] == 1 else table


def _table(y: Any) -> Array:
    """The streams of a dict side by side."""
    if isinstance(y, dict):
        return np.hstack([read.matrix(values, finite=False) for values in y.values()])
    return read.matrix(y, finite=False)  # ends of intervals may be infinite


def _allowed(program: Program) -> Array | None:
    """Log indicator (n, K) of the components or states that known labels leave possible."""
    labels = program.data.labels
    if not (labels >= 0).any():
        return None
    possible = (labels[:, None] < 0) | (labels[:, None] == np.arange(program.k))
    return np.where(possible, 0.0, -np.inf)


def _coords(program: Program, seen: Array) -> dict[str, Any]:
    """Labels of every dim: column names of a frame, or numbers."""
    names = all_column_names(program.y)
    coords: dict[str, Any] = {"obs": coordinate(program.index, program.n)}
    ends = program.spec.model_emission.ends
    if ends:
        coords["end"] = list(ends)
    elif seen.ndim == 2:
        coords["column"] = names if names is not None and len(names) == seen.shape[1] else np.arange(seen.shape[1])
    params = program.public(program.neutral())
    for name, dims in program.spec.parameter_dims().items():
        for dim, length in zip(dims, params[name].shape, strict=True):
            named = dim in ("feature", "feature_to") and names is not None and len(names) == length
            coords[dim] = program.predictors.get(dim) or (names if named else np.arange(length))
    return coords
