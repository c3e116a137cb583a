"""Command line: what it prints, writes and refuses."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import em_vs_bayes as evb
from em_vs_bayes.cli import app
from em_vs_bayes.cli.commands import counts
from em_vs_bayes.cli.models import build
from em_vs_bayes.cli.options import EmissionName, Model
from em_vs_bayes.cli.table import Source, read

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
        (["fit", "pyproject.toml"], "neither .csv, .tsv nor .parquet"),
        (["fit", "faithful", "--columns", "height"], "has no column height; it has eruptions, waiting"),
        (["fit", "faithful", "-k", "0"], "n_components"),
        (["fit", "faithful", "--model", "mixture"], "wants one column"),
        (["fit", "faithful", "--method", "magic"], "magic"),
        (["compare", "faithful", "--methods", "em,magic"], "magic"),
        (["compare", "faithful", "--report", "no/such/place/r.html"], "there is no directory"),
        (["fit", "faithful", "--output", "a" * 400], "--output aaa"),
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


def test_a_column_with_a_comma_in_its_name(tmp_path):
    path = tmp_path / "s.csv"
    pd.DataFrame({"x, y": [1.0, 2.0, 9.0, 8.0], "z": [1e30, 2e30, 4e30, 3e30]}).to_csv(path, index=False)
    y, _ = read(Source(str(path)), "x, y", None, None, one=Model.gmm)
    assert list(y.columns) == ["x, y"]
    path.write_text(f"a\n{10**25}\n{3 * 10**25}\n")  # whole numbers of more than 64 bits
    assert read(Source(str(path)), None, None, None, one=Model.gmm)[0]["a"].tolist() == [1e25, 3e25]


def test_words_where_numbers_are_wanted(table):
    out = run("fit", table)
    assert out.exit_code == 2 and "name holds no numbers" in out.stderr


@pytest.mark.parametrize("model", [Model.mixture, Model.hmm])
def test_every_emission_is_built(table, model):
    y, weights = read(Source(str(table)), "count", None, None, one=model)
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


# --- tables as people have them -------------------------------------------------------------------------------------

EMPTY, SHORT = "", "a,b\n"
TABLES = {
    "semicolons": ("s.csv", "a;b\n1,5;2\n2,5;3\n1,0;4\n", [], "no comma in the first line, but 1 semicolon"),
    "tabs": ("s.csv", "a\tb\n1\t2\n2\t3\n", [], "give --sep tab"),
    "wrong --sep": ("s.csv", "a,b\n1,2\n2,3\n", ["--sep", ";"], "no semicolon in the first line, but 1 comma"),
    "decimal commas": ("s.csv", "a;b\n1,5;2\n2,5;3\n", ["--sep", ";"], "a has numbers such as 1,5; give --decimal ','"),
    "quoted commas": ("s.csv", 'a,b\n"1,5",2\n"2,5",3\n', [], "give --decimal ','"),
    "decimal points": ("s.csv", "a;b\n1.5;2\n2.5;3\n", ["--sep", ";", "--decimal", ","], "give --decimal '.'"),
    "one column": ("s.csv", "a\n1,5\n2,5\n", [], "line 2 has 2 fields, the first line 1"),
    "row names": ("s.csv", "a,b\nx,1,2\ny,2,3\n", [], "is a name missing there"),
    "no header": ("s.csv", "1.5,2\n2.5,3\n3,3\n", [], "where names of columns are wanted"),
    "empty": ("s.csv", EMPTY, [], "s.csv is empty"),
    "blank": ("s.csv", "\n \n", [], "s.csv is empty"),
    "no rows": ("s.csv", SHORT, [], "names of columns but no rows"),
    "twice": ("s.csv", "a,a\n1,2\n2,3\n", [], "several columns named a"),
    "both signs": ("s.csv", "a,b\n1,2\n", ["--decimal", ","], "separates the fields, too"),
    "long sep": ("s.csv", "a,b\n1,2\n", ["--sep", "ab"], "--sep 'ab' must be one sign"),
    "a letter": ("s.csv", "a,b\n1,2\n", ["--decimal", "x"], "--decimal 'x' must be '.' or ','"),
    "zeros": ("s.csv", "a,b\n1,\0\n", [], "is no text"),
    "no Parquet": ("s.parquet", "a,b\n1,2\n", [], "cannot be read as Parquet"),
    "sep of Parquet": ("s.parquet", "a,b\n1,2\n", ["--sep", ";"], "--sep ; is for text files"),
    "short row": ("s.csv", "a,b\n1,2\n2\n3,4\n", [], "line 3 has 1 field(s), the first line 2"),
    "spaces": ("s.csv", "a b\n1 2\n2 3\n", [], "2 words in every line; give --sep ' '"),
    "thousands": ("s.csv", 'a,b\n"1,234.5",2\n"2,345.6",3\n', [], "thousands are grouped ('1,234.5')"),
    "units": ("s.csv", "a,b\n5 %,2\n6 %,3\n", [], "a holds no numbers but numbers with signs around them ('5 %')"),
    "a question": ("s.csv", "a,b\n5,2\n?,3\n", [], "a holds no numbers but numbers as text ('5', but also '?')"),
    "dates": ("s.csv", "a,b\n2020-01-02,2\n2020-02-02,3\n", [], "dates as text ('2020-01-02')"),
    "packed": ("s.csv.zip", "PK", [], "is compressed; unpack it first"),
    "packed badly": ("s.csv.gz", "a,b\n", [], "s.csv.gz cannot be unpacked"),
    "unknown encoding": ("s.csv", "a,b\n1,2\n", ["--encoding", "klingon"], "--encoding 'klingon' is none"),
    "no text encoding": ("s.csv", "a,b\n1,2\n", ["--encoding", "base64"], "--encoding 'base64' is none"),
    "encoding of Parquet": ("s.parquet", "a,b\n1,2\n", ["--encoding", "utf-8"], "--encoding utf-8 is for text files"),
    "unnamed": ("s.csv", ",b\n7,2\n3,4\n5,1\n", [], "the first column has no name"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_do_not_fit_are_said(case, tmp_path, monkeypatch):
    name, text, arguments, words = TABLES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    out = run("fit", name, *arguments, "--quiet")
    assert out.exit_code == 2, out.output
    assert words in out.stderr
    assert len(out.stderr.strip().splitlines()) == 1


ROWS = np.random.default_rng(3).normal(size=(30, 2)) + np.repeat([[0.0, 0.0], [9.0, 9.0]], 15, axis=0)


def written(sep=",", decimal=".", index=False, header=True, **options):
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    return frame.to_csv(sep=sep, decimal=decimal, index=index, header=header, **options)


@pytest.mark.parametrize(
    ("name", "text", "arguments", "note"),
    [
        ("s.csv", written(), [], ""),
        ("s.tsv", written("\t"), [], ""),
        ("s.csv", written(";", ","), ["--sep", ";", "--decimal", ","], ""),
        ("s.csv", written(",", ",", quoting=2), ["--decimal", ","], ""),
        ("s.csv", written().replace("\n", ",\n"), [], "(column 3) has neither a name nor a value; it is left out"),
        ("s.csv", written("\t"), ["--sep", "tab"], ""),
        ("s.csv", "\ufeff" + written(), [], ""),
        ("s.csv", written(index=True), [], "has no name and says which row it is; it is left out"),
        ("s.csv", written(index=True, index_label="row"), ["--columns", "a,b"], "row counts the rows"),
        ("s.csv", written(header=False), ["--no-header"], ""),
    ],
)
def test_tables_are_read(name, text, arguments, note, tmp_path):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    out = run("fit", path, *arguments, "--json")
    assert out.exit_code == 0, out.output
    assert note in out.stderr and (note or not out.stderr)
    want = evb.GaussianMixture(2).fit(ROWS, seed=1, progressbar=False)
    assert json.loads(out.stdout)["log_likelihood"] == pytest.approx(want.log_likelihood, abs=1e-6)


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_tables_are_read(packed, tmp_path):
    name = {gzip: "s.tsv.gz", bz2: "s.tsv.bz2", lzma: "s.tsv.xz"}[sys.modules[packed.__module__]]
    (tmp_path / name).write_bytes(packed(written("\t").encode()))
    out = run("fit", tmp_path / name, "--json")
    assert out.exit_code == 0 and json.loads(out.stdout)["converged"], out.output
    (tmp_path / name).write_bytes(packed(written("\t").encode())[:-9])
    assert "cannot be unpacked" in run("fit", tmp_path / name).stderr


def test_other_encodings_are_named_and_read(tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes(written().replace("a,b", "größe,b").encode("cp1252"))
    refused = run("fit", path)
    assert refused.exit_code == 2 and "is no UTF-8 text (byte 2); give its --encoding" in refused.stderr
    out = run("fit", path, "--encoding", "cp1252", "--columns", "größe", "--quiet")
    assert out.exit_code == 0, out.output


def test_years_may_be_names(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(written().replace("a,b", "2019,2020"))
    assert run("fit", path, "--quiet").exit_code == 2
    assert "means[0, 1]" in run("fit", path, "--header", "--quiet").stdout


def test_a_table_from_stdin():
    out = CliRunner().invoke(app, ["fit", "-", "--json"], input=written())
    assert out.exit_code == 0 and json.loads(out.stdout)["converged"]


def test_version_and_level(tmp_path):
    assert run("--version").stdout.strip() == f"em-vs-bayes {evb.__version__}"
    wide, narrow = (run("fit", "faithful", "--quiet", "--level", level).stdout for level in (0.99, 0.5))
    fit = evb.GaussianMixture(2).fit(evb.datasets.load("faithful"), seed=1, progressbar=False)
    assert fit.summary(level=0.5).to_string() in narrow and fit.summary(level=0.99).to_string() in wide
    assert run("fit", "faithful", "--level", "95").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "faithful", "-o", "."], "--output . is a directory"),
        (["fit", "faithful", "-o", "no/such/fit.evb"], "--output no/such/fit.evb: there is no directory"),
        (["fit", "faithful", "-o", "/dev/full"], "--output /dev/full is no plain file"),
        (["select", "faithful", "-o", "."], "--output . is a directory"),
        (["compare", "faithful", "--report", "."], "--report . is a directory"),
        (["select", "faithful", "-k", "1-1000000000"], "-k 1-1000000000 asks for too many"),
        (["select", "faithful", "-k", "1000000"], "asks for too many"),
        (["select", "faithful", "-k", "1e3"], "wants numbers of components"),
        (["select", "faithful", "--method", "magic"], "--method magic is unknown"),
        (["fit", "."], ". is a directory"),
        (["fit", "faithful", "--sep", ";"], "--sep ; is for text files"),
    ],
)
def test_refused_before_anything_is_fitted(arguments, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evb.GaussianMixture, "fit", lambda *a, **k: pytest.fail("fitted"))
    out = run(*arguments, "--quiet")
    assert out.exit_code == 2, out.output
    assert words in out.stderr
    assert len(out.stderr.strip().splitlines()) == 1


def test_compare_leaves_out_what_a_model_cannot_have(sequences):
    arguments = ["--model", "hmm", "--emission", "poisson", "--lengths-column", "id", "--columns", "count"]
    out = run("compare", sequences, *arguments, "--initial", "stationary", "--json", *QUICK[:-1])
    assert out.exit_code == 0, out.output
    assert set(json.loads(out.stdout)["table"]) == {"em", "gibbs", "nuts"}
    asked = run("compare", sequences, *arguments, "--initial", "stationary", "--methods", "em,vi", "--quiet")
    assert asked.exit_code == 0 and "vi is left out" in asked.output
    alone = run("compare", sequences, *arguments, "--initial", "stationary", "--methods", "vi", "--quiet")
    assert alone.exit_code == 2 and "no conjugate update" in alone.stderr
