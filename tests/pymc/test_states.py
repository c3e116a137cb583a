"""`HiddenStates` and the step that draws them: enumeration of every path, and parameters along with paths."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from naive import chain as naive
from scipy import stats

import em_vs_bayes as evb

from .conftest import PYTHON

KWARGS = {"mode": PYTHON}
RNG = np.random.default_rng(61)
INITIAL = np.array([0.6, 0.4, 0.0])
MATRIX = np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3], [0.0, 0.4, 0.6]])
MEANS = np.array([-1.0, 0.5, 2.0])
Y = np.array([-0.5, 0.8, 1.2, 0.1, 0.3])
BY_ROW = RNG.dirichlet(np.ones(3), (5, 3))
MATRICES = {"one": MATRIX, "by sequence": np.stack([MATRIX, MATRIX[::-1, ::-1]]), "by row": BY_ROW}


def fixed_model(transition, lengths=(3, 2)):
    with pm.Model() as m:
        z = evb.pymc.HiddenStates("z", initial=INITIAL, transition=transition, lengths=lengths)
        pm.Normal("y", pt.as_tensor(MEANS)[z], 1.0, observed=Y)
    return m


def posterior_of_paths(transition, lengths=(3, 2)):
    """Paths of each sequence and their probabilities given its rows; matrices of one sequence may differ by row."""
    out, at = [], 0
    density = stats.norm.pdf(Y[:, None], MEANS, 1.0)
    for s, length in enumerate(lengths):
        paths, weights = [], []
        for path in np.ndindex((3,) * length):
            p = INITIAL[path[0]] * density[at, path[0]]
            for t in range(1, length):
                a = transition if transition.ndim == 2 else transition[s if len(transition) == 2 else at + t]
                p *= a[path[t - 1], path[t]] * density[at + t, path[t]]
            paths.append(path)
            weights.append(p)
        out.append((np.array(paths), np.array(weights) / sum(weights)))
        at += length
    return out


@pytest.mark.parametrize("kind", MATRICES)
def test_draws_have_the_posterior_of_paths(kind):
    """Given the parameters every step is an independent draw: counts of whole paths against enumeration."""
    draws = 3000
    with fixed_model(MATRICES[kind]) as m:
        step = evb.pymc.FFBS([m["z"]], rng=1, compile_kwargs=KWARGS)
    point, got = m.initial_point(0), []
    for _ in range(draws):
        point, stat = step.step(point)
        got.append(point["z"])
    assert set(stat[0]) == {"tune", "changed"}
    got, at = np.array(got), 0
    for paths, p in posterior_of_paths(MATRICES[kind]):
        length = paths.shape[1]
        counts = np.bincount(got[:, at : at + length] @ 3 ** np.arange(length)[::-1], minlength=len(p))
        assert (counts[p == 0.0] == 0).all()
        assert (np.abs(counts - draws * p) < 5.0 * (np.sqrt(draws * p * (1 - p)) + 0.2)).all()
        at += length


@pytest.mark.parametrize("kind", MATRICES)
def test_log_density_of_paths(kind):
    m, transition = fixed_model(MATRICES[kind]), MATRICES[kind]
    f = m.compile_logp(vars=[m["z"]], mode=PYTHON)
    for z in (
        np.array([0, 1, 1, 0, 1]),
        np.array([1, 1, 0, 1, 0]),
        np.array([2, 1, 0, 0, 1]),
        np.array([0, 1, 3, 0, 0]),
    ):
        p, at = 1.0, 0
        for s, length in enumerate((3, 2)):
            path = z[at : at + length]
            p = p * INITIAL[path[0]] if path.max() < 3 else 0.0
            for t in range(1, length) if p else ():
                a = transition if transition.ndim == 2 else transition[s if len(transition) == 2 else at + t]
                p *= a[path[t - 1], path[t]]
            at += length
        with np.errstate(divide="ignore"):
            assert f({"z": z}) == pytest.approx(np.log(p), abs=1e-12)


def test_starts_on_a_possible_path_and_draws_from_the_prior():
    """A left-to-right chain whose first state is the last number: a start of zeros would be impossible."""
    upper = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    with pm.Model() as m:
        evb.pymc.HiddenStates("z", initial=[0.0, 0.0, 1.0], transition=upper, lengths=6)
        prior = pm.sample_prior_predictive(200, random_seed=1, compile_kwargs=KWARGS)["prior"]["z"].values[0]
    z = m.initial_point(0)["z"]
    assert z.dtype == np.int64
    assert np.isfinite(m.compile_logp(mode=PYTHON)({"z": z}))
    assert (prior[:, 0] == 2).all()
    assert (np.diff(prior, axis=1) <= 0).all()
    assert (prior[:, 1] == 2).mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 200))


def test_with_nuts_on_the_rest_agrees_with_the_states_summed_out():
    """One parameter, its posterior by quadrature over the marginal likelihood; FFBS and NUTS take turns."""
    grid = np.linspace(-4.0, 5.0, 400)
    log_post = [
        np.log(sum(p for _, p in naive.paths(INITIAL[:2], MATRIX_2, stats.norm.pdf(Y[:, None], [-1.0, mu], 1.0))))
        + stats.norm.logpdf(mu, 1.0, 1.5)
        for mu in grid
    ]
    weight = np.exp(log_post - np.max(log_post))
    mean = (weight * grid).sum() / weight.sum()
    with pm.Model():
        mu = pm.Normal("mu", 1.0, 1.5)
        z = evb.pymc.HiddenStates("z", initial=INITIAL[:2], transition=MATRIX_2, lengths=5)
        pm.Normal("y", pm.math.switch(pm.math.eq(z, 0), -1.0, mu), 1.0, observed=Y)
        trace = pm.sample(
            800,
            tune=200,
            chains=2,
            cores=1,
            step=evb.pymc.FFBS([z], compile_kwargs=KWARGS),
            init="adapt_diag",
            random_seed=4,
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
            compile_kwargs=KWARGS,
        )
    draws = trace["posterior"]["mu"].values
    assert trace["posterior"]["z"].dtype == np.int64
    assert 0.0 < trace["sample_stats"]["changed"].mean() < 1.0
    error = draws.std() / np.sqrt(1600 / 10)  # at least one effective draw in ten
    assert abs(draws.mean() - mean) < 4.5 * error


MATRIX_2 = np.array([[0.7, 0.3], [0.4, 0.6]])


def test_chosen_for_its_own_variables_only():
    with pm.Model() as m:
        z = evb.pymc.HiddenStates("z", initial=INITIAL, transition=MATRIX, lengths=5)
        b = pm.Bernoulli("b", 0.5)
        for given in ([b], [z, b]):
            with pytest.raises(ValueError, match=r"FFBS draws HiddenStates variables; got \['b'\]"):
                evb.pymc.FFBS(given, compile_kwargs=KWARGS)
    assert evb.pymc.FFBS.competence(m["z"], False) > evb.pymc.FFBS.competence(m["b"], False)


def test_pymc_chooses_it_by_itself():
    with pm.Model():
        z = evb.pymc.HiddenStates("z", initial=INITIAL, transition=MATRIX, lengths=5)
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu + pt.as_tensor(MEANS)[z], 1.0, observed=Y)
        trace = pm.sample(
            5,
            tune=5,
            chains=1,
            cores=1,
            random_seed=1,
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
            compile_kwargs=KWARGS,
        )
    assert "changed" in trace["sample_stats"]


def test_two_chains_drawn_in_turn_have_their_joint_posterior():
    """Rows that add up the states of two chains: a factorial model, whose pairs of paths can be enumerated."""
    y, draws = np.array([0.2, 1.1, 1.6]), 4000
    with pm.Model() as m:
        both = [
            evb.pymc.HiddenStates(name, initial=INITIAL[:2], transition=matrix, lengths=3)
            for name, matrix in {"a": MATRIX_2, "b": MATRIX_2[::-1]}.items()
        ]
        pm.Normal("y", both[0] + 0.5 * both[1], 0.5, observed=y)
        step = evb.pymc.FFBS(both, rng=2, compile_kwargs=KWARGS)
    paths = np.array(list(np.ndindex((2,) * 3)))

    def prior(matrix):
        return INITIAL[paths[:, 0]] * matrix[paths[:, 0], paths[:, 1]] * matrix[paths[:, 1], paths[:, 2]]

    density = stats.norm.pdf(y, paths[:, None] + 0.5 * paths[None], 0.5).prod(axis=2)
    p = prior(MATRIX_2)[:, None] * prior(MATRIX_2[::-1])[None] * density
    p = (p / p.sum()).ravel()
    point, codes = m.initial_point(0), []
    for _ in range(draws):
        point, _ = step.step(point)
        codes.append(point["a"] @ [32, 16, 8] + point["b"] @ [4, 2, 1])
    counts = np.bincount(codes, minlength=64)
    # the chain of draws has a memory: errors from means of fifty batches
    shares = np.array([np.bincount(batch, minlength=64) / 80 for batch in np.reshape(codes, (50, 80))])
    batches = shares.std(axis=0, ddof=1) / np.sqrt(50)
    error = np.maximum(batches, np.sqrt(p / draws))  # rare pairs: that of independent draws
    assert (np.abs(counts / draws - p) < 5.0 * error).all()
    assert (p > 5.0 * error).sum() > 5  # there is something to see


def test_rows_that_depend_on_other_rows_states_are_refused():
    with pm.Model():
        z = evb.pymc.HiddenStates("z", initial=INITIAL, transition=MATRIX, lengths=5)
        before = pm.math.concatenate([z[:1], z[:-1]])
        pm.Normal("y", 1.0 * z + 0.5 * before, 1.0, observed=Y)
        with pytest.raises(ValueError, match="to depend on 'z' of that row alone"):
            evb.pymc.FFBS([z], compile_kwargs=KWARGS)
    with pm.Model():
        z = evb.pymc.HiddenStates("z", initial=INITIAL, transition=MATRIX, lengths=5)
        pm.Normal("total", z.sum(), 1.0, observed=3.0)
        with pytest.raises(ValueError, match="one value for each of the 5 rows of 'z'; the log density of 'total'"):
            evb.pymc.FFBS([z], compile_kwargs=KWARGS)


def test_lengths_are_checked():
    with pm.Model(), pytest.raises(ValueError, match="lengths must be positive whole numbers"):
        evb.pymc.HiddenStates("z", initial=INITIAL, transition=MATRIX, lengths=[2, 0])
