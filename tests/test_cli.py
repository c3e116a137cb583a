"""Command line: what it prints, writes and refuses."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import em_vs_bayes as evb
from em_vs_bayes.cli import Covariance, EmissionName, Model, app, build, read

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
    for command in ("compare", "fit", "datasets"):
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


def test_every_emission_is_built(table):
    y, weights = read(str(table), "count", None, one=True)
    assert weights is None
    for emission in EmissionName:
        spec = build(Model.mixture, emission, 2, Covariance.full, y)
        assert type(spec.emission).__name__.lower() == emission.value
