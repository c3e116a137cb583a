"""Command line: what it prints, writes and refuses."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import em_vs_bayes as evb
from em_vs_bayes.cli import EmissionName, Model, app, build, counts, read

QUICK = ["--draws", "60", "--tune", "60", "--chains", "2", "--quiet"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "count": rng.poisson(np.where(rng.random(40) < 0.5, 2.0, 12.0)),
            "times": rng.integers(1, 4, 40),
            "name": ["a"] * 40,
        }
    )
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return path


def test_help_is_fast_and_loads_nothing_heavy():
    code = (
        "import sys; from em_vs_bayes import cli\n"
        "heavy = {'pandas', 'pymc', 'arviz_stats', 'matplotlib', 'jinja2', 'nutpie'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert run("--help").exit_code == 0
    for command in ("compare", "fit", "select", "datasets"):
        assert run(command, "--help").exit_code == 0


def test_datasets_are_listed():
    out = run("datasets").stdout
    for name in evb.datasets.available()["name"]:
        assert name in out


def test_fit_prints_what_the_package_gives():
    out = run("fit", "faithful", "--columns", "waiting", "--json")
    assert out.exit_code == 0
    told = json.loads(out.stdout)
    frame = evb.datasets.load("faithful")[["waiting"]]
    want = evb.GaussianMixture(2).fit(frame, method="em", seed=1, progressbar=False)
    assert told["log_likelihood"] == pytest.approx(want.log_likelihood, abs=1e-9)
    assert told["converged"] is True
    np.testing.assert_allclose(told["params"]["means"], want.params["means"])


def test_fit_is_saved_and_loaded(tmp_path):
    path = tmp_path / "faithful.fit"
    out = run("fit", "faithful", "-k", "3", "--covariance", "tied", "-o", path, "--quiet")
    assert out.exit_code == 0, out.output
    assert "log-likelihood" in out.stdout
    assert evb.load(path).spec == evb.GaussianMixture(3, covariance="tied")


def test_weights_are_copies_of_rows(table):
    """A case weight of three is three rows, for EM as for the command line."""
    mixture = ["--model", "mixture", "--emission", "poisson", "--json"]
    weighted = run("fit", table, "--columns", "count", "--weights-column", "times", *mixture)
    frame = pd.read_csv(table)
    copies = table.with_name("copies.parquet")
    frame.loc[frame.index.repeat(frame["times"]), ["count"]].to_parquet(copies)
    whole = run("fit", copies, *mixture)
    a, b = (json.loads(out.stdout) for out in (weighted, whole))
    assert a["log_likelihood"] == pytest.approx(b["log_likelihood"], abs=1e-6)
    np.testing.assert_allclose(sorted(a["params"]["rates"]), sorted(b["params"]["rates"]), rtol=1e-4)


def test_compare_writes_the_report(tmp_path):
    path = tmp_path / "report.html"
    out = run("compare", "faithful", "--report", path, *QUICK)
    assert out.exit_code == 0, out.output
    for name in ("em", "vi", "gibbs", "nuts", "means[component 1, feature waiting]"):
        assert name in out.stdout
    assert "means[component 1, feature waiting]" in path.read_text(encoding="utf-8")


def test_compare_as_json(table):
    out = run(
        *("compare", table, "--columns", "count", "--model", "mixture", "--emission", "poisson"),
        *("--methods", "em, vi", "--json"),
    )
    assert out.exit_code == 0, out.output
    told = json.loads(out.stdout)
    assert set(told["table"]) == {"em", "vi"}
    assert told["table"]["em"]["rates[component 0]"]["rhat"] is None
    assert told["findings"][0]["sentence"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "no_such_data"], "no_such_data"),
        (["fit", "missing.csv"], "there is no file missing.csv"),
        (["fit", "pyproject.toml"], "neither .csv nor .parquet"),
        (["fit", "faithful", "--columns", "height"], "has no column height; it has eruptions, waiting"),
        (["fit", "faithful", "-k", "0"], "n_components"),
        (["fit", "faithful", "--model", "mixture"], "wants one column"),
        (["fit", "faithful", "--method", "magic"], "magic"),
        (["compare", "faithful", "--methods", "em,magic"], "magic"),
        (["compare", "faithful", "--report", "no/such/place/r.html"], "there is no directory"),
    ],
)
def test_refusals_are_one_line(arguments, words, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    out = run(*arguments)
    assert out.exit_code == 2
    assert words in out.stderr
    assert len(out.stderr.strip().splitlines()) == 1
    assert "Traceback" not in out.output


def test_words_where_numbers_are_wanted(table):
    out = run("fit", table)
    assert out.exit_code == 2 and "name holds no numbers" in out.stderr


@pytest.mark.parametrize("model", [Model.mixture, Model.hmm])
def test_every_emission_is_built(table, model):
    y, weights = read(str(table), "count", None, None, one=model)
    assert weights is None
    for emission in EmissionName:
        spec = build(model, emission, 2, None, None, y)
        assert type(spec.emission).__name__.lower() == emission.value


# --- hidden Markov models -------------------------------------------------------------------------------------------


@pytest.fixture
def sequences(tmp_path):
    """Counts of three sequences, one after the other, named by a column of words."""
    rng = np.random.default_rng(1)
    rates = np.repeat([2.0, 12.0, 2.0, 12.0, 2.0, 12.0], 15)
    frame = pd.DataFrame({"id": np.repeat(["a", "b", "c"], 30), "count": rng.poisson(rates), "x": rng.normal(rates)})
    path = tmp_path / "sequences.csv"
    frame.to_csv(path, index=False)
    return path


def test_fit_a_hidden_markov_model(sequences, tmp_path):
    arguments = ["--model", "hmm", "--emission", "poisson", "-k", "2", "--lengths-column", "id"]
    path = tmp_path / "chain.fit"
    out = run("fit", sequences, *arguments, "--columns", "count", "--initial", "stationary", "-o", path, "--quiet")
    assert out.exit_code == 0, out.output
    for word in ("transition[0, 1]", "dwell_time", "stationary"):
        assert word in out.stdout
    back = evb.load(path)
    assert back.spec == evb.HMM(evb.emissions.Poisson(), 2, initial="stationary")
    assert np.diff(back.program.data.starts).tolist() == [30, 30, 30]


def test_a_gaussian_one_takes_several_columns(sequences):
    out = run(
        "fit", sequences, "--model", "ghmm", "--states", "2", "--lengths-column", "id", "--covariance", "diag", "--json"
    )
    assert out.exit_code == 0, out.output
    assert np.shape(json.loads(out.stdout)["params"]["means"]) == (2, 2)


def test_compare_hidden_markov_models(sequences):
    arguments = ["--model", "hmm", "--emission", "poisson", "--lengths-column", "id", "--columns", "count"]
    out = run("compare", sequences, *arguments, "--methods", "em,vi", "--json")
    assert out.exit_code == 0, out.output
    assert json.loads(out.stdout)["spec"]["spec"] == "HMM"


def test_select_says_the_best(sequences):
    arguments = ["--model", "hmm", "--emission", "poisson", "--lengths-column", "id", "--columns", "count", "-k", "1-3"]
    out = run("select", sequences, *arguments, "--initial", "stationary", "--quiet")
    assert out.exit_code == 0, out.output
    assert "best by BIC: 2 states" in out.stdout
    told = json.loads(run("select", sequences, *arguments, "--initial", "stationary", "--json").stdout)
    assert told["best"] == 2 and set(told["table"]) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "gmm", "--emission", "poisson"], "--emission poisson goes with --model mixture or --model hmm"),
        (["--model", "hmm", "--covariance", "diag"], "--covariance diag goes with --model gmm or --model ghmm"),
        (["--model", "mixture", "--initial", "free"], "--initial free goes with --model hmm or --model ghmm"),
        (["--lengths-column", "id"], "--lengths-column id goes with --model hmm or --model ghmm; got --model gmm"),
        (["--model", "hmm", "--lengths-column", "who"], "has no column who"),
        (["--model", "hmm"], "id holds no numbers"),
        (["--model", "hmm", "--lengths-column", "id"], "--model hmm wants one column"),
        (["--model", "hmm", "--lengths-column", "count", "--columns", "count"], "is among --columns"),
        (["--model", "hmm", "--lengths-column", "x", "--columns", "count"], None),
    ],
)
def test_wrong_combinations_are_said(sequences, arguments, words):
    """The last one is no mistake: every value of x is a sequence of its own."""
    out = run("fit", sequences, *arguments, "--quiet")
    assert out.exit_code == (2 if words else 0), out.output
    assert (words or "") in " ".join(out.stderr.split())


def test_rows_of_a_sequence_stay_together(sequences):
    frame = pd.read_csv(sequences)
    frame.iloc[::-2].to_csv(sequences, index=False)  # still in one piece each
    arguments = ["--model", "hmm", "--emission", "poisson", "--lengths-column", "id", "--columns", "count", "--quiet"]
    assert run("fit", sequences, *arguments).exit_code == 0
    pd.concat([frame, frame]).to_csv(sequences, index=False)
    out = run("fit", sequences, *arguments)
    assert out.exit_code == 2 and "are not consecutive" in out.stderr


def test_numbers_of_components():
    assert counts("1-3, 5") == [1, 2, 3, 5]
    for words in ("0-2", "two", "3-1", ""):
        with pytest.raises(ValueError, match="wants numbers of components such as 1-7 or 2,3,5"):
            counts(words)


# --- censored and truncated regressions -----------------------------------------------------------------------------

FAIR = "affairs ~ age + yearsmarried + religiousness + occupation + rating"


def test_fit_a_tobit_regression(tmp_path):
    path = tmp_path / "tobit.fit"
    out = run("fit", "affairs", "--model", "tobit", "--formula", FAIR, "-o", path, "--quiet")
    assert out.exit_code == 0, out.output
    assert "log-likelihood -705.576" in out.stdout  # as R's AER prints, to more digits
    assert "coefficients[religiousness]" in out.stdout and "-1.686" in out.stdout
    assert evb.load(path).spec == evb.Tobit(FAIR, lower=0.0)


def test_limits_are_those_that_were_said():
    """Nothing said is 0 from below; an upper limit alone is alone."""
    for arguments, spec in (
        ([], evb.Tobit("durable ~ age", lower=0.0)),
        (["--upper", "20"], evb.Tobit("durable ~ age", lower=None, upper=20.0)),
        (["--lower", "-1", "--upper", "20"], evb.Tobit("durable ~ age", lower=-1.0, upper=20.0)),
    ):
        out = run("fit", "tobin", "--model", "tobit", "--formula", "durable ~ age", "--json", *arguments)
        assert out.exit_code == 0, out.output
        assert json.loads(out.stdout)["spec"] == spec.to_dict()


def test_intervals_and_weights(tmp_path):
    """Classes of heights with their counts; the mean and spread of the latent normal, by R's maximum likelihood."""
    arguments = ["--model", "censored", "--formula", "censored(lower, upper) ~ 1", "--weights-column", "count"]
    out = run("fit", "crimtab", *arguments, "--json")
    assert out.exit_code == 0, out.output
    told = json.loads(out.stdout)
    d = evb.datasets.load("crimtab")
    middle = np.average((d["lower"] + d["upper"]) / 2, weights=d["count"])
    assert told["params"]["coefficients"][0] == pytest.approx(middle, abs=0.05)
    assert told["spec"]["spec"] == "CensoredRegression"


def test_compare_truncated_regressions(tmp_path):
    frame = evb.datasets.load("affairs").query("affairs > 0")
    data, page = tmp_path / "some.csv", tmp_path / "r.html"
    frame.to_csv(data, index=False)
    arguments = ["--model", "truncated", "--formula", "affairs ~ age + rating", "--lower", "0"]
    out = run("compare", data, *arguments, "--methods", "em,vi", "--report", page, "--quiet")
    assert out.exit_code == 0, out.output
    assert "coefficients[rating]" in out.stdout
    assert 'id="margins"' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "tobit"], '--model tobit wants --formula, such as "y ~ x"'),
        (["--model", "censored"], '"censored(lower, upper) ~ x"'),
        (["--formula", "affairs ~ age"], "--formula affairs ~ age goes with --model tobit or --model censored"),
        (["--lower", "0"], "--lower 0.0 goes with --model tobit or --model truncated; got --model gmm"),
        (["--model", "censored", "--formula", "censored(age, rating) ~ 1", "--upper", "3"], "--upper 3.0 goes with"),
        (["--model", "censored", "--formula", "affairs ~ 1"], "wants the response censored(lower, upper)"),
        (["--model", "tobit", "--formula", "affairs ~ age", "-k", "2"], "-k 2 goes with mixtures"),
        (["--model", "tobit", "--formula", "affairs ~ age", "--columns", "age"], "takes its columns from --formula"),
        (["--model", "tobit", "--formula", "affairs ~ height"], "height"),
        (["--model", "tobit", "--formula", "affairs ~ age", "--weights-column", "many"], "has no column many"),
        (["--model", "tobit", "--formula", "affairs ~ age", "--emission", "normal"], "--emission normal goes with"),
        (["--model", "truncated", "--formula", "affairs ~ age"], "limit"),
        (["--model", "truncated", "--formula", "affairs ~ age", "--lower", "1"], "451 value(s) outside"),
    ],
)
def test_what_a_regression_is_not_given(arguments, words):
    out = run("fit", "affairs", *arguments, "--quiet")
    assert out.exit_code == 2, out.output
    assert words in " ".join(out.stderr.split())
    assert len(out.stderr.strip().splitlines()) == 1


def test_select_has_nothing_to_choose_of_a_regression():
    out = run("select", "affairs", "--model", "tobit")
    assert out.exit_code == 2
    assert "select chooses a number of components or states; --model tobit has neither" in out.stderr
