"""Geweke's joint-distribution test of Gibbs for censored and truncated regressions (see `test_geweke_hmm`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kernels.gibbs_helpers import z_scores
from science import censored_studies as studies

from em_vs_bayes.program.compile import compile as compile_program

CASES = {
    "tobit, two limits": studies.TOBIT,
    "tobit, independent priors": studies.TOBIT_APART,
    "intervals": studies.CELLS,
    "truncated, two limits": studies.TRUNCATED,
    "truncated, one limit": studies.ONE_SIDE,
    "mixture": studies.MIXTURE,
    "hidden Markov": studies.HMM,
    "tobit, t errors": studies.ROBUST,
    "intervals, t errors": studies.ROBUST_CELLS,
    "mixture, t errors": studies.ROBUST_MIXTURE,
}


def functions(params, z, known):
    """Light-tailed functions of parameters (T, ...), components (T, n) and data, their squares and products."""
    pieces = []
    for name, value in params.items():
        form = np.arctan if name == "coefficients" else np.log if name.startswith("sigma") else np.asarray
        pieces.append(form(value))
    pieces += [z == 0, (z[:, 1:] == z[:, :-1]).mean(axis=1), np.tanh(known)]
    g = np.hstack([np.reshape(piece, (len(z), -1)).astype(float) for piece in pieces])
    spread = np.log(params["sigmas"][:, :1] if "sigmas" in params else params["sigma"][:, None])
    return np.hstack([g, g**2, g[:, :1] * g[:, 1:], spread * g])


def geweke(study, seed, draws, sampler=None, *, moving=False):
    """z-scores of every function that varies; ``sampler`` (tables) -> tables sweeps with the wrong ones.

    ``moving`` sweeps move on the marginal posterior too, about a place that has nothing to do with it.
    """
    rng = np.random.default_rng(seed)
    marginal = []
    for _ in range(draws):
        params = study.draw(rng)
        z = study.components(params, rng)
        marginal.append((params, z, study.known(params, z, rng)))
    params, z, known = marginal[0]
    program = compile_program(study.spec, study.response(known), **study.arguments)
    theta, z, p = program.theta_of(params), z.astype(np.int64), study.design.shape[1]
    program = program if sampler is None else replace(program, tables=sampler(program.tables))
    chain, centre = [], program.unconstrain(theta) if moving else np.empty(0)
    root = 0.4 * np.eye(len(centre)) + 0.1 * np.tri(len(centre))
    for _ in range(draws):
        known = study.known(program.public(theta), z, rng)
        held = program.data.columns
        columns = np.vstack([held[:p], known.T, held[p + known.shape[1] :]])  # the last: degrees of freedom
        sweeper = replace(program, data=program.data.changed(columns=columns))
        pot = program.potentials(theta)
        assert len(sweeper.gibbs_sweeps(rng, theta, pot, z, 1, 1, centre, root)) == 1
        chain.append((program.public(theta.copy()), z.copy(), known))
    values = []
    for side in (marginal, chain):
        params = {name: np.array([one[0][name] for one in side]) for name in side[0][0]}
        seen = np.array([np.nan_to_num(one[2], nan=0.0) for one in side])
        values.append(functions(params, np.array([one[1] for one in side]), seen))
    moves = (values[0].std(axis=0) > 1e-9) | (values[1].std(axis=0) > 1e-9)
    difference = (values[1] - values[0])[:, moves]
    return z_scores(difference, np.zeros(moves.sum()))


@pytest.mark.parametrize("name", CASES)
def test_gibbs_keeps_the_joint_distribution(name):
    scores = geweke(CASES[name], seed=1, draws=5000)
    assert len(scores) > 20
    assert np.abs(scores).max() < 4.5, scores.round(1)


@pytest.mark.parametrize("name", CASES)
def test_moves_on_the_marginal_posterior_keep_the_joint_distribution(name):
    scores = geweke(CASES[name], seed=2, draws=4000, moving=True)
    assert np.abs(scores).max() < 4.5, scores.round(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_gibbs_keeps_the_joint_distribution_in_full(name):
    scores = geweke(CASES[name], seed=2, draws=60_000)
    assert np.abs(scores).max() < 4.5, scores.round(1)


@pytest.mark.parametrize("name", ["tobit, two limits", "truncated, two limits", "mixture"])
def test_a_wrong_prior_is_seen(name):
    """A sampler that believes in larger variances is found out."""

    def wider(tables):
        hyper = tables.prior.hyper.copy()
        hyper[-1] *= 1.5
        return replace(tables, prior=tables.prior._replace(hyper=hyper))

    scores = geweke(CASES[name], seed=1, draws=5000, sampler=wider)
    assert np.abs(scores).max() > 6.0


def test_tails_that_are_not_there_are_seen():
    """A sampler that believes in t errors where they are normal is found out: the tails matter in these cases."""
    normal = replace(CASES["intervals, t errors"], df=None)
    assert np.abs(geweke(normal, seed=1, draws=5000)).max() > 6.0


def test_a_limit_that_is_forgotten_is_seen():
    """A sampler that takes responses at the limits as exact is found out: the censoring matters in these cases."""
    study = CASES["tobit, two limits"]
    exact = replace(study, ends=lambda y: np.column_stack([np.clip(y, 0.0, 2.0)] * 2))
    scores = geweke(exact, seed=1, draws=5000)
    assert np.abs(scores).max() > 6.0
