"""Blocked Gibbs sampling: allocations or states given the parameters, parameters given those.

Diebolt & Robert (1994), "Estimation of finite mixture distributions through Bayesian sampling", JRSS B 56.
The whole sweep is compiled, and it is data: the plan's rows say what is drawn, in what order, and by what function.
"""

from math import nan
from typing import Any

import numpy as np

from em_vs_bayes.kernels.addresses import (
    UNKNOWN,
    address,
    by_address,
    calls,
    known,
)
from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import complete_log_likelihood, potentials
from em_vs_bayes.kernels.conditionals import draw_block, draw_means, draw_spread, workspace
from em_vs_bayes.kernels.draws import from_density
from em_vs_bayes.kernels.jit import (
    inner,
    kernel,
    lean,
    lean_kernel,
    lean_unit,
)
from em_vs_bayes.kernels.latent import draw as draw_latent
from em_vs_bayes.kernels.signatures import STEP_TYPES
from em_vs_bayes.kernels.slice import draw_element
from em_vs_bayes.kernels.tables import (
    COEFFICIENTS,
    DIRICHLET,
    ELEMENTWISE,
    GAUSS,
    JOINT,
    STATIONARY,
    TIED,
    Plan,
)

# --- codes of steps -----------------------------------------------------------------------------------------
CONJUGATE = 0  # a whole block given the statistics: spreads with JOINT means integrated out, then means
MEANS = 1  # the means of a GAUSS block given its spreads
SPREAD = 2  # the spreads of a GAUSS block given its means
SLICE = 3  # one element by slice sampling

PARTIAL = 100  # steps of the chain that draws a covariance from its prior given part of a mean


@lean_unit
def _conjugate(blocks, prior, b, element, below, above, theta, stats, rng, work):
    return draw_block(blocks, prior, b, theta, stats, rng, work)


@lean_unit
def _means(blocks, prior, b, element, below, above, theta, stats, rng, work):
    return draw_means(blocks, prior, b, theta, stats, rng, work)


@lean_unit
def _spread(blocks, prior, b, element, below, above, theta, stats, rng, work):
    return draw_spread(blocks, prior, b, False, theta, stats, rng, work)


@lean_unit
def _slice(blocks, prior, b, element, below, above, theta, stats, rng, work):
    return draw_element(blocks, prior, b, element, below, above, theta, stats, rng)


STEPS = {CONJUGATE: _conjugate, MEANS: _means, SPREAD: _spread, SLICE: _slice}


def plan(rows: Any) -> Plan:
    """The plan of a sweep from (step, block, element, below, above) of each, without addresses."""
    columns = np.array([*rows], dtype=np.int64).reshape(-1, 5).T.copy()
    if unknown := set(columns[0].tolist()) - set(STEPS):
        raise ValueError(f"plan.step: want CONJUGATE, MEANS, SPREAD or SLICE; got {sorted(unknown)}")
    return Plan(*columns, np.full(columns.shape[1], UNKNOWN))  # type: ignore[call-arg]  # five columns


def address_steps(plan: Plan) -> Plan:
    """The same plan, able to be followed."""
    plan.code[:] = [address(STEPS[int(step)], STEP_TYPES) for step in plan.step]
    return plan


@calls
def _step(typing, code, blocks, prior, b, element, below, above, theta, stats, rng, work):
    return by_address(STEP_TYPES)


@lean_kernel
def draw_parameters(blocks, prior, plan, theta, stats, rng, work):
    """Every step of the plan, given the statistics. False at the first that is improper or not finite."""
    for i in range(plan.code.size):
        b, element, below, above = plan.block[i], plan.element[i], plan.below[i], plan.above[i]
        if not _step(known(plan.code[i]), blocks, prior, b, element, below, above, theta, stats, rng, work):
            return False
    return True


@lean
def _sweeps(draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, thin, out, work):
    """`sweeps` when memory has been found."""
    if not potentials(blocks, theta, pot):
        return 0
    completed = 0
    for i in range(out.shape[0]):
        for _ in range(thin):
            draw_latent(draw, data, streams, pot, K, rng, z, stats)
            if not draw_parameters(blocks, prior, plan, theta, stats, rng, work):
                return completed
            if not potentials(blocks, theta, pot):
                return completed
            completed += 1
        for j in range(theta.size):
            out[i, j] = theta[j]
    return completed


@kernel
def sweeps(draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, thin, out):
    """Run ``thin * len(out)`` sweeps in place; row i of ``out`` is theta after sweep ``thin * (i + 1)``.

    Parameters
    ----------
    draw : int
        Address of the draw of what is latent, see `latent.draw_code`; ``streams`` must be able to play DRAW.
    rng : numpy.random.Generator
    theta : array, shape (P,)
        Where the chain is: read, then overwritten.
    pot, stats, z : array
        Potentials, statistics and allocations of the last sweep; what they hold on entry is not read.
    thin : int
    out : array, shape (draws, P)

    Returns
    -------
    int
        Sweeps completed. Fewer than asked only if a conditional was improper (a flat prior and an empty
        component), a covariance was not positive definite, or theta left floating point; theta is then where
        that happened.
    """
    work = workspace(blocks)
    return _sweeps(draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, thin, out, work)


@kernel
def complete_data_log_posterior(blocks, prior, theta, stats):
    """log p(y, z | theta) + log p(theta) for hard statistics, up to the base measure of y."""
    total = log_prior(blocks, prior, theta, np.zeros(theta.size))
    for b in range(blocks.code.size):
        total += complete_log_likelihood(blocks, b, theta, stats)
    return total


# --- the prior ----------------------------------------------------------------------------------------------


@kernel
def prior_draw(blocks, prior, K, rng, theta):
    """Draw theta from its prior, given the fixed elements, which theta must hold. Orderings are not imposed.

    A covariance matrix with a JOINT prior and a mean fixed in part has no closed form: it comes from a Gibbs
    chain of ``PARTIAL`` steps, whose error shrinks geometrically (by about 1 / (df + 1) a step).

    Returns
    -------
    bool
        False if the prior is improper.
    """
    for i in range(theta.size):
        if prior.free[i]:
            theta[i] = nan  # what no prior draws stays so
    work, stats = workspace(blocks), np.zeros(_statistics_size(blocks, K))
    for e in range(prior.element.size):
        at, abc = prior.element[e], prior.abc[e]
        if prior.free[at]:
            theta[at] = from_density(rng, prior.density[e], abc[0], abc[1], abc[2]) - prior.shift[at]
    for b in range(blocks.code.size):
        for _ in range(_start_means(blocks, prior, b, theta)):
            if not draw_block(blocks, prior, b, theta, stats, rng, work):
                return False
    return not np.isnan(theta).any()


@inner
def _start_means(blocks, prior, b, theta):
    """Free means start at their prior's, since spreads are drawn first. Returns the steps the block needs."""
    if blocks.code[b] not in (GAUSS, COEFFICIENTS) or blocks.mean_prior[b] == ELEMENTWISE:
        return 1
    d, joint, partial = blocks.size[b], blocks.mean_prior[b] == JOINT, False
    for k in range(blocks.rows[b]):
        n_free = 0
        for j in range(k * d, (k + 1) * d):
            if prior.free[blocks.theta[b] + j]:
                theta[blocks.theta[b] + j] = prior.hyper[blocks.hyper[b] + j] if joint else 0.0
                n_free += 1
        partial = partial or 0 < n_free < d
    matrix = blocks.code[b] == GAUSS and blocks.covariance[b] <= TIED
    return PARTIAL if partial and joint and matrix else 1


@inner
def _statistics_size(blocks, K):
    size = K
    for b in range(blocks.code.size):
        rows, d = blocks.rows[b], blocks.size[b]
        length = 2 * rows
        if blocks.code[b] == DIRICHLET:
            length = rows * d
        elif blocks.code[b] == STATIONARY:
            length = rows * (d + 1)
        elif blocks.code[b] == GAUSS:
            length = rows * (1 + d + d * d) if blocks.covariance[b] <= TIED else 4 * rows * d
        elif blocks.code[b] == COEFFICIENTS:
            length = rows * (1 + (d + 1) * (d + 1))
        size = max(size, blocks.stat[b] + length)
    return size
