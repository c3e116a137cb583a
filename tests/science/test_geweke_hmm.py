"""Geweke's joint-distribution test of the Gibbs sampler for hidden Markov models (Geweke 2004, JASA 99, 799-804).

If every sweep keeps p(states, theta | y), then alternating sweeps with new data y ~ p(y | states, theta) keeps the
joint distribution p(y, states, theta), whose theta and states can be drawn directly. Means of many functions are
compared.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kernels.gibbs_helpers import z_scores
from science import hmm_studies as studies
from science.hmm_studies import Study, without

from em_vs_bayes import emissions as e
from em_vs_bayes.common.contract import Context
from em_vs_bayes.program.compile import compile as compile_program

CASES = {
    "poisson, stationary": replace(studies.POISSON, lengths=(4, 3)),
    "exponential, stationary, forbidden moves": studies.EXPONENTIAL,
    "normal, left to right": replace(studies.NORMAL, lengths=(5, 2, 3), missing=without(2, 5)),
    "plane, values missing": replace(studies.PLANE, lengths=(4, 3), missing=without(3, cells=((1, 0), (5, 1)))),
    "streams": studies.STREAMS,
    "truncating order": studies.TRUNCATED,
}


class Simulator:
    """A program whose observations are drawn anew in place."""

    def __init__(self, study: Study, rng: np.random.Generator):
        self.study, self.spec = study, study.spec
        params, k = study.draw(rng), study.spec.n_states
        z = np.arange(sum(study.lengths)) % k
        self.program = compile_program(self.spec, study.observations(params, z, rng), lengths=study.lengths)
        own = self.spec.parameter_dims().keys() - {"initial", "transition"}
        priors = {name: prior for name, prior in self.program.order.priors.items() if name in own | {"emission"}}
        self.context = Context(priors=priors, leading="state", like=self.program.centre)

    def renew(self, theta, z, rng):
        """y ~ p(y | z, theta); the same values are missing."""
        params = self.program.public(theta)
        y, emission = self.study.observations(params, z, rng), self.spec.model_emission
        if isinstance(emission, (e.Normal, e.MvNormal)):  # the columns are y itself; streams() would say so, slowly
            self.program.data.y[...] = np.reshape(y, self.program.data.y.shape)
            return
        streams = emission.streams(y, self.spec.n_states, self.context)
        self.program.data.y[...] = np.hstack([s.columns for s in streams])

    def joint(self, rng):
        """theta and states from p(states | theta) p(theta)."""
        params = self.study.draw(rng)
        return self.program.with_fixed(self.program.internal(params)), self.study.states(params, rng)


def functions(params, z, starts):
    """Light-tailed functions of parameters (T, ...) and states (T, n), their squares, and products."""
    pieces = [params["transition"], params["initial"]]
    for name, value in params.items():
        if name.endswith("means"):
            pieces.append(np.arctan(value))
        elif name.endswith(("rates", "sigmas")):
            pieces.append(np.log(value))
        elif name.endswith("probs"):
            pieces.append(value)
        elif name == "covariances":
            scale = np.log(np.diagonal(value, axis1=-2, axis2=-1))
            pieces += [scale, value[..., 0, 1] * np.exp(-0.5 * scale.sum(-1))]
    same = z[:, 1:] == z[:, :-1]
    same[:, starts[1:-1] - 1] = False
    pieces += [z == 0, z == 1, same]
    g = np.hstack([np.reshape(piece, (len(z), -1)).astype(float) for piece in pieces])
    stay, begins = params["transition"][:, 0, :1], params["initial"][:, :1]
    begun = begins * (z[:, starts[:-1]] == 0).sum(axis=1, keepdims=True)
    return np.hstack([g, g**2, stay * g, g[:, -1:] * g, begun])


def geweke(study, seed, draws, sampler=None, spoil=None):
    """z-scores of every function that varies.

    ``sampler`` (tables) -> tables sweeps with the wrong priors, ``spoil`` (theta, z, rng) overwrites theta after each
    sweep: to be found out.
    """
    rng = np.random.default_rng(seed)
    simulator = Simulator(study, rng)
    program = simulator.program
    marginal = [simulator.joint(rng) for _ in range(draws)]
    theta, z = marginal[0][0].copy(), marginal[0][1].astype(np.int64)
    sweeper = program if sampler is None else replace(program, tables=sampler(program.tables))
    chain = []
    for _ in range(draws):
        simulator.renew(theta, z, rng)
        pot = program.potentials(theta)
        assert len(sweeper.gibbs_sweeps(rng, theta, pot, z, 1, 1)) == 1
        if spoil is not None:
            spoil(theta, z, rng)
        chain.append((theta.copy(), z.copy()))
    values = [
        functions(program.public(np.array([t for t, _ in side])), np.array([z for _, z in side]), program.data.starts)
        for side in (marginal, chain)
    ]
    moves = (values[0].std(axis=0) > 1e-9) | (values[1].std(axis=0) > 1e-9)
    difference = (values[1] - values[0])[:, moves]
    return z_scores(difference, np.zeros(moves.sum()))


@pytest.mark.parametrize("name", CASES)
def test_gibbs_keeps_the_joint_distribution(name):
    scores = geweke(CASES[name], seed=1, draws=4000)
    assert len(scores) > 20
    assert np.abs(scores).max() < 4.5, scores.round(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_gibbs_keeps_the_joint_distribution_in_full(name):
    scores = geweke(CASES[name], seed=2, draws=60_000)
    assert np.abs(scores).max() < 4.5, scores.round(1)


def test_a_wrong_prior_is_seen():
    """A sampler that believes in somewhat stickier chains is found out."""

    def sticky(tables):
        hyper = tables.prior.hyper.copy()
        hyper[0] += 1.5
        return replace(tables, prior=tables.prior._replace(hyper=hyper))

    scores = geweke(CASES["poisson, stationary"], seed=1, draws=3000, sampler=sticky)
    assert np.abs(scores).max() > 6.0


def test_a_start_that_is_ignored_is_seen():
    """Rows drawn from the Dirichlet of their transitions alone, the starts of sequences forgotten: found out.

    This is the sampler without its Metropolis correction.
    """
    study = replace(studies.POISSON, lengths=(2, *[1] * 8))

    def forgetful(theta, z, rng):
        for k in range(2):  # the only transition is from row 0 to row 1
            theta[2 * k : 2 * k + 2] = rng.dirichlet(studies.STICKY[k] + (z[0] == k) * (z[1] == np.arange(2)))

    scores = geweke(study, seed=1, draws=3000, spoil=forgetful)
    assert np.abs(scores).max() > 6.0
    right = geweke(study, seed=1, draws=3000)
    assert np.abs(right).max() < 4.5, right.round(1)
