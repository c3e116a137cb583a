"""Models of the user's own: they agree with the library's, keep its manners, and break the laws only when they do."""

import copy
import pickle

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

import em_vs_bayes as evb

QUIET = {"progressbar": False}
COUNTS = np.r_[np.random.default_rng(3).poisson(2.0, 60), np.random.default_rng(4).poisson(9.0, 40)].astype(float)


class Counts(evb.Model):
    """A mixture of two Poissons, written down by hand."""

    weights = evb.params.Simplex(2)
    rates = evb.params.Rate(2, dim="part")

    def _joint(self, y, weights, rates):
        return weights.log + y[:, None] * rates.log - rates.mean - gammaln(y + 1.0)[:, None]

    def expect(self, y, weights, rates):
        joint = self._joint(y, weights, rates)
        rows = logsumexp(joint, axis=1)
        return rows, self._sums(y, np.exp(joint - rows[:, None]))

    def draw(self, y, weights, rates, rng):
        joint = self._joint(y, weights, rates)
        first = rng.random(len(y)) < 1.0 / (1.0 + np.exp(joint[:, 1] - joint[:, 0]))
        return self._sums(y, np.column_stack([first, ~first]).astype(float))

    def simulate(self, params, rng):
        z = rng.choice(2, 100, p=params["weights"])
        return rng.poisson(params["rates"][z]).astype(float)

    def start(self, y):
        return {"weights": [0.5, 0.5], "rates": [0.5 * y.mean(), 1.5 * y.mean()]}

    @staticmethod
    def _sums(y, r):
        return {"weights": r.sum(axis=0), "rates": np.column_stack([y @ r, r.sum(axis=0)])}


class Two(evb.Model):
    """A mixture of two normals."""

    share = evb.params.Probability()
    part = evb.params.Normal(2)

    def expect(self, y, share, part):
        joint = np.array([share.log, share.log1m]) + part.log_density(y[:, None])
        rows = logsumexp(joint, axis=1)
        r = np.exp(joint - rows[:, None])
        n = r.sum(axis=0)
        return rows, {"share": n, "part": np.column_stack([n, y @ r, y**2 @ r])}

    def start(self, y):
        low, high = np.quantile(y, [0.25, 0.75])
        return {"share": 0.5, "part_means": [low, high], "part_sigmas": [1.0, 1.0]}


def library(priors):
    return evb.Mixture(evb.emissions.Poisson(), 2, priors=priors)


PRIORS = {"weights": evb.priors.Dirichlet([2.0, 3.0]), "rates": evb.priors.Gamma([2.0, 3.0], [1.0, 0.5])}


@pytest.mark.parametrize("objective", ["mle", "map"])
def test_em_is_that_of_the_library(objective):
    own = Counts(priors=PRIORS).fit(COUNTS, objective=objective, **QUIET)
    theirs = library(PRIORS).fit(COUNTS, objective=objective, init=own.params, **QUIET)
    assert own.converged
    for name in ("weights", "rates"):
        np.testing.assert_allclose(own.params[name], theirs.params[name], rtol=1e-6)
        np.testing.assert_allclose(own.std_errors()[name], theirs.std_errors()[name], rtol=1e-5)
    there = library(PRIORS).at(COUNTS, own.params)
    assert own.log_likelihood == pytest.approx(there.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(own.score_samples(), there.score_samples(), rtol=1e-12)


def test_variational_inference_is_that_of_the_library():
    own = Counts(priors=PRIORS).fit(COUNTS, "vi", seed=1, **QUIET)
    theirs = library(PRIORS).fit(COUNTS, "vi", seed=1, init=own.params, **QUIET)
    assert own.elbo == pytest.approx(theirs.elbo, abs=1e-7)
    np.testing.assert_allclose(own.params["rates"], theirs.params["rates"], rtol=1e-5)


def test_normal_means_and_variances_are_those_of_the_library():
    y = np.r_[np.random.default_rng(0).normal(0, 1, 50), np.random.default_rng(1).normal(5, 2, 70)]
    own = Two().fit(y, **QUIET)
    init = {"weights": [0.4, 0.6], "means": own.params["part_means"], "sigmas": own.params["part_sigmas"]}
    theirs = evb.Mixture(evb.emissions.Normal(), 2).fit(y, init=init, **QUIET)
    np.testing.assert_allclose(own.params["part_means"], theirs.params["means"], rtol=1e-6)
    np.testing.assert_allclose(own.params["part_sigmas"], theirs.params["sigmas"], rtol=1e-6)
    assert own.params["share"] == pytest.approx(theirs.params["weights"][0], rel=1e-6)


def test_posterior_density_is_that_of_the_library():
    from em_vs_bayes.program.compile import compile

    own = compile(Counts(priors=PRIORS), COUNTS)
    theirs = compile(library(PRIORS), COUNTS)
    params = {"weights": np.array([0.3, 0.7]), "rates": np.array([1.5, 8.0])}
    a, b = own.theta_of(params), theirs.theta_of(params)
    for powers in ((1.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0)):
        here, slope = own.density(a, *powers)(own.unconstrain(a))
        there, other = theirs.density(b, *powers)(theirs.unconstrain(b))
        assert here == pytest.approx(there, rel=1e-12)
        np.testing.assert_allclose(slope, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", ["gibbs", "nuts"])
def test_draws_have_the_moments_of_the_library_s(method):
    own = Counts(priors=PRIORS).fit(COUNTS, method, seed=1, draws=1000, tune=200, chains=2, **QUIET)
    theirs = library(PRIORS).fit(COUNTS, "nuts", seed=2, draws=2000, tune=300, **QUIET)
    table, other = own.summary(), theirs.summary()
    for name, row in table.iterrows():
        near = other.loc[name]
        assert abs(row["estimate"] - near["estimate"]) < 5.0 * np.hypot(row["mcse"], near["mcse"]), name
        assert row["sd"] == pytest.approx(near["sd"], rel=0.15), name


def test_dims_summaries_and_files(tmp_path):
    fit = Counts().fit(COUNTS, "vi", seed=1, **QUIET)
    posterior = fit.idata["posterior"]
    assert posterior["rates"].dims[2:] == ("part",) and posterior["weights"].dims[2:] == ("weights_dim_0",)
    assert fit.idata["log_likelihood"]["y"].shape[2:] == (100,)
    path = tmp_path / "fit"
    fit.save(path)
    for model in (Counts, Counts()):
        np.testing.assert_array_equal(evb.load(path, model=model).params["rates"], fit.params["rates"])
    for other in (pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)):
        np.testing.assert_array_equal(other.params["rates"], fit.params["rates"])
    with pytest.raises(ValueError, match=r"of the class .*Counts, a user's own: give it as model="):
        evb.load(path)
    with pytest.raises(ValueError, match=r"model= gives .*Two"):
        evb.load(path, model=Two)
    with pytest.raises(ValueError, match=r"model must be a subclass of evb\.Model"):
        evb.load(path, model=3)


class Ignoring(Counts):
    """Of which the first row says nothing."""

    def expect(self, y, weights, rates):
        rows, stats = super().expect(y[1:], weights, rates)
        return np.r_[0.0, rows], stats


@pytest.mark.parametrize("method", ["vi", "laplace"])
def test_rows_that_say_nothing_have_no_share_in_elpd(method):
    whole = evb.compare([Counts(priors=PRIORS).fit(COUNTS[1:], method, seed=1, **QUIET)])
    part = evb.compare([Ignoring(priors=PRIORS).fit(COUNTS, method, seed=1, **QUIET)])
    assert part.elpd.loc[method, "elpd"] == pytest.approx(whole.elpd.loc[method, "elpd"], rel=1e-6)
    assert part.elpd.loc[method, "worst_khat"] == pytest.approx(whole.elpd.loc[method, "worst_khat"], rel=1e-3)


def test_fixed_elements_stay():
    fit = Counts(fixed={"rates": [2.0, np.nan]}).fit(COUNTS, **QUIET)
    assert fit.params["rates"][0] == 2.0 and fit.n_parameters == 2


def test_equality_and_json():
    assert Counts() == Counts() and Counts() != Counts(priors=PRIORS)
    assert '"class"' in Counts().to_json()


class Nothing(evb.Model):
    p = evb.params.Probability()


def returning(value):
    class Odd(evb.Model):
        p = evb.params.Probability()

        def expect(self, y, p):
            return value

    return Odd()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3.0, r"Odd\.expect must return \(log evidence, dict of statistics\); got 3\.0"),
        ((0.0, [1.0, 2.0]), r"Odd\.expect must return statistics as a dict with \['p'\]; got \[1\.0, 2\.0\]"),
        ((0.0, {"q": [1.0, 2.0]}), r"must return statistics of \['p'\]; got those of \['q'\]"),
        (
            (0.0, {"p": [1.0, 2.0, 3.0]}),
            r"statistics\['p'\] must be expected numbers .* of shape \(2,\); got shape \(3,\)",
        ),
        ((0.0, {"p": [1.0, np.nan]}), r"statistics\['p'\] must be finite"),
        ((0.0, {"p": "many"}), r"statistics\['p'\] must be expected numbers of successes and of failures"),
        ((np.nan, {"p": [1.0, 2.0]}), "the log evidence must not be NaN"),
        (([0.0, 0.0], {"p": [1.0, 2.0]}), r"one number, or one per row of y \(3\)"),
    ],
)
def test_what_expect_must_not_return(value, words):
    with pytest.raises((TypeError, ValueError), match=words):
        returning(value).fit(np.arange(3.0), **QUIET)


def test_refusals():
    with pytest.raises(ValueError, match=r"Nothing has no method expect\(self, y, p\)"):
        Nothing().fit(np.arange(3.0), **QUIET)
    with pytest.raises(TypeError, match="declares no parameter"):
        type("Empty", (evb.Model,), {})()
    with pytest.raises(ValueError, match=r"Two has no method draw\(self, y, share, part, rng\)"):
        Two().fit(COUNTS, "gibbs", **QUIET)
    with pytest.raises(ValueError, match=r"Two has no method simulate\(self, params, rng\)"):
        Two().fit(COUNTS, **QUIET).simulate()
    with pytest.raises(ValueError, match="weights does not apply to Two"):
        Two().fit(COUNTS, weights=np.ones(100), **QUIET)
    with pytest.raises(ValueError, match="known by its expected statistics"):
        Two().to_pymc(COUNTS)
    with pytest.raises(ValueError, match="no most probable assignment"):
        Two().fit(COUNTS, algorithm="hard", **QUIET)
    with pytest.raises(ValueError, match="shape must be a positive integer"):
        evb.params.Rate(-1)
    with pytest.raises(ValueError, match=r"Reads reads values of its parameters"):
        type("Reads", (Two,), {"reads": "values"})().fit(COUNTS, "vi", **QUIET)
    with pytest.raises(AttributeError, match="potentials have no 'value'; they have log, log1m"):
        type("Asks", (Nothing,), {"expect": lambda self, y, p: (p.value, {})})().fit(COUNTS, **QUIET)


def test_clean_models_break_no_law():
    for model, y in ((Counts(), COUNTS), (Two(), COUNTS), (Counts(), {"weights": [0.4, 0.6], "rates": [2.0, 7.0]})):
        checked = evb.check(model, y, seed=5)
        assert checked.passed, checked
    assert "not checked" in repr(evb.check(Two(), COUNTS))


class WrongStatistics(Counts):
    def expect(self, y, weights, rates):
        evidence, stats = super().expect(y, weights, rates)
        return evidence, stats | {"weights": stats["weights"] * [1.0, 1.02]}


class WrongEvidence(Counts):
    def expect(self, y, weights, rates):
        evidence, stats = super().expect(y, weights, rates)
        return evidence + 0.02 * rates.log[0], stats


class WrongDraws(Counts):
    def draw(self, y, weights, rates, rng):
        return self._sums(y, np.column_stack([y < 5, y >= 5]).astype(float))


class WrongData(Counts):
    def simulate(self, params, rng):
        return super().simulate(params, rng) + 1.0


@pytest.mark.parametrize(
    ("model", "law"),
    [
        (WrongStatistics, "gradient"),
        (WrongEvidence, "gradient"),
        (WrongDraws, "draws"),
        (WrongData, "score"),
        (WrongData, "ratios"),
    ],
)
def test_planted_faults_are_found(model, law):
    checked = evb.check(model(), COUNTS)
    assert not checked.passed
    assert any(law in found.name and found.holds is False for found in checked.laws), checked
