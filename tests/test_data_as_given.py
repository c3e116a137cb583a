"""Data as people have them: columns go by their names, rows by their labels; nothing is zipped that does not belong."""

# ruff: noqa: E501 - in a table of cases, one case is one line

import itertools
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes.data import read, times
from em_vs_bayes.data.intake import take
from em_vs_bayes.report import states

RNG = np.random.default_rng(11)
N = 60
Y = np.vstack([RNG.normal(0, 1, (30, 2)), RNG.normal([4, -3], 1, (30, 2))])
FRAME = pd.DataFrame(Y, columns=["short", "long"])
QUIET = {"progressbar": False, "seed": 1}
X = pd.DataFrame({"one": 1.0, "u": RNG.normal(size=N), "v": RNG.normal(size=N)})
LINE = pd.Series(2 * X["u"] - X["v"] + 0.3 * RNG.normal(size=N))
MODELS = {
    "mixture": evb.GaussianMixture(2).fit(FRAME, **QUIET),
    "chain": evb.GaussianHMM(2).fit(FRAME, **QUIET),
    "exog": evb.HMM(e.LinearRegression(), 2).fit(LINE, exog=X, **QUIET),
}


# --- columns by name ------------------------------------------------------------------------------------------------


def polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def xarray(frame):
    return pytest.importorskip("xarray").DataArray(
        frame.to_numpy(), dims=("row", "column"), coords={"column": list(frame.columns)}
    )


@pytest.mark.parametrize("kind", [lambda f: f, polars, xarray], ids=["pandas", "polars", "xarray"])
@pytest.mark.parametrize("what", ["predict", "predict_proba", "score_samples"])
@pytest.mark.parametrize("name", ["mixture", "chain"])
def test_columns_in_another_order_are_the_same_data(name, what, kind):
    fit = MODELS[name]
    ask = getattr(fit, what)
    np.testing.assert_array_equal(ask(kind(FRAME[["long", "short"]])), ask())
    np.testing.assert_array_equal(ask(FRAME.to_numpy()), ask())  # nameless: by position
    np.testing.assert_array_equal(ask(pd.DataFrame(Y)), ask())


def test_sequences_and_forecasts_match_names_too():
    fit = MODELS["chain"]
    np.testing.assert_array_equal(fit.filtered_proba([FRAME[["long", "short"]]]), fit.filtered_proba())
    pd.testing.assert_frame_equal(fit.forecast(3, y=FRAME[["long", "short"]]), fit.forecast(3))
    who = FRAME.assign(who="a")[["who", "long", "short"]]
    np.testing.assert_array_equal(fit.predict(who, lengths="who"), fit.predict())


def test_exog_is_matched_by_name_too():
    fit = MODELS["exog"]
    want = fit.predict_proba()
    for exog in (X[["v", "one", "u"]], X.to_numpy(), pd.DataFrame(X.to_numpy()), polars(X[["u", "v", "one"]])):
        np.testing.assert_array_equal(fit.predict_proba(LINE.to_numpy(), exog=exog), want)
    plain = evb.Tobit(lower=-50).fit(LINE.to_numpy(), exog=X.to_numpy(), progressbar=False)
    np.testing.assert_array_equal(plain.predict(exog=X), plain.predict())  # the model knows no names
    tobit = evb.Tobit(lower=-50).fit(LINE, exog=X, progressbar=False)
    np.testing.assert_array_equal(tobit.predict(exog=X[["v", "u", "one"]]), tobit.predict())
    np.testing.assert_array_equal(tobit.predict(exog=X.to_numpy()), tobit.predict())
    with pytest.raises(
        ValueError, match=r"exog has column\(s\) \['one', 'u'\].*fitted to \['one', 'u', 'v'\]; it lacks"
    ):
        tobit.predict(exog=X[["one", "u"]])


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda: MODELS["mixture"].predict(FRAME.rename(columns={"long": "wide"})), r"y has column\(s\) \['short', 'wide'\]; the model was fitted to \['short', 'long'\]; it lacks \['long'\]; unknown \['wide'\]"),
        (lambda: MODELS["mixture"].predict_proba(FRAME.assign(w=1.0)), r"unknown \['w'\]"),
        (lambda: MODELS["chain"].score_samples(FRAME[["long"]]), r"it lacks \['short'\]"),
        (lambda: MODELS["chain"].predict(Y[:, :1]), r"y has 1 column\(s\); the model was fitted to 2: \['short', 'long'\]"),
        (lambda: MODELS["exog"].predict(LINE, exog=X.rename(columns={"u": "w"})), r"exog has column\(s\) \['one', 'w', 'v'\]"),
        (lambda: MODELS["exog"].predict(LINE, exog=X.to_numpy()[:, :2]), r"exog has 2 column\(s\); the model was fitted to 3"),
        (lambda: MODELS["exog"].predict(LINE), r"exog is missing: .* \['one', 'u', 'v'\]"),
        (lambda: evb.GaussianMixture(2).fit(FRAME.set_axis(["a", "a"], axis=1)), "y has 2 columns named 'a'"),
        (lambda: evb.Tobit(lower=-9).fit(LINE, exog=X.set_axis(["a", "b", "a"], axis=1)), "exog has 2 columns named 'a'"),
        (lambda: evb.Tobit("y ~ x", lower=-9).fit(pd.DataFrame(np.ones((9, 3)), columns=["y", "x", "x"])), "y has 2 columns named 'x'"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_matched(ask, match):
    with pytest.raises(ValueError, match=match):
        ask()


def test_a_fit_to_other_columns_is_no_start():
    with pytest.raises(ValueError, match=r"init is a fit to y with columns .* in another order"):
        evb.GaussianMixture(2).fit(FRAME[["long", "short"]], init=MODELS["mixture"], **QUIET)
    assert evb.GaussianMixture(2).fit(FRAME, init=MODELS["mixture"], **QUIET).converged


# --- rows by label --------------------------------------------------------------------------------------------------

DATES = pd.date_range("2020-01-01", periods=N)
SHUFFLED = np.random.default_rng(3).permutation(N)
TOBIT = evb.Tobit(lower=-50)


def coefficients(y, **rest):
    return TOBIT.fit(y, progressbar=False, **rest).params["coefficients"]


BEST = coefficients(LINE.to_numpy(), exog=X.to_numpy())


@pytest.mark.parametrize(
    ("y", "exog"),
    [
        (LINE.iloc[SHUFFLED], X),
        (LINE, X.iloc[SHUFFLED]),
        (LINE.set_axis(DATES), X.set_axis(DATES).iloc[SHUFFLED]),
        (LINE.set_axis([f"r{i}" for i in range(N)]).iloc[SHUFFLED], X.set_axis([f"r{i}" for i in range(N)])),
        (LINE.set_axis(DATES), X.to_numpy()),
        (LINE.to_numpy(), X.set_axis(DATES)),
        (LINE.set_axis(["a"] * N), X.set_axis(["a"] * N)),  # the same labels, though repeated
    ],
)
def test_rows_go_by_their_labels(y, exog):
    np.testing.assert_allclose(coefficients(y, exog=exog), BEST, rtol=1e-8)


def test_numbered_rows_beside_labelled_ones_are_taken_in_order_and_that_is_said():
    fit = TOBIT.fit(LINE.set_axis(DATES), exog=X, progressbar=False)
    np.testing.assert_allclose(fit.params["coefficients"], BEST)
    assert any("The rows of exog are numbered, those of y have labels" in note for note in fit.notes)
    assert not any("rows" in note for note in TOBIT.fit(LINE, exog=X, progressbar=False).notes)
    moved = TOBIT.fit(LINE, exog=X.iloc[SHUFFLED], progressbar=False)
    assert any("The rows of exog were put in the order of y by their labels" in note for note in moved.notes)


def test_weights_and_labels_go_by_label():
    weights = pd.Series(RNG.integers(1, 4, N), dtype=float)
    want = coefficients(LINE, exog=X, weights=weights.to_numpy())
    np.testing.assert_allclose(coefficients(LINE, exog=X, weights=weights.iloc[SHUFFLED]), want, rtol=1e-8)
    labels = pd.Series(np.repeat([1, 0], 30))
    known = evb.GaussianMixture(2).fit(FRAME, labels=labels.iloc[SHUFFLED], **QUIET)
    np.testing.assert_array_equal(known.predict(), labels)
    clusters = pd.Series(np.arange(N) // 5)
    fit = TOBIT.fit(LINE, exog=X, progressbar=False)
    pd.testing.assert_frame_equal(
        fit.vcov("clustered", clusters=clusters.iloc[SHUFFLED]), fit.vcov("clustered", clusters=clusters.to_numpy())
    )


def test_streams_of_a_dict_go_by_label():
    spec = evb.Mixture(e.Product(u=e.Normal(), v=e.Normal()), 2)
    want = spec.fit({"u": Y[:, 0], "v": Y[:, 1]}, **QUIET).log_likelihood
    given = {"u": FRAME["short"], "v": FRAME["long"].iloc[SHUFFLED]}
    assert spec.fit(given, **QUIET).log_likelihood == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"exog": X.set_axis(np.arange(1, N + 1))}, r"exog and y have different indexes \(exog has the label 60"),
        ({"exog": X.set_axis(DATES), "weights": pd.Series(1.0, DATES + pd.Timedelta("1D"))}, "weights and exog have different indexes"),
        ({"weights": pd.Series(1.0, [*range(N - 1), 77])}, r"weights and y have different indexes \(weights has the label 77"),
        ({"weights": pd.Series(1.0, [*range(N - 1), 0])}, r"weights and y .*y has the label 59 that weights has not"),
    ],
)  # fmt: skip
def test_labels_that_do_not_match_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        TOBIT.fit(LINE, progressbar=False, **arguments)


INDEXES = [
    pd.RangeIndex(6),
    pd.date_range("2020", periods=6),
    pd.date_range("2020", periods=6, tz="UTC"),
    pd.Index(pd.date_range("2020", periods=6).date),
    pd.period_range("2020", periods=6),
    pd.Index(list("abcdef")),
    pd.Index(list("abcdef"), dtype=object),
    pd.MultiIndex.from_product([["a", "b"], range(3)]),
    pd.interval_range(0, 6),
    pd.CategoricalIndex(list("abcdef")),
    pd.Index([1.5, 2, 3, 4, 5, 6]),
    pd.Index([4, 2, 0, 1, 3, 5]),
    pd.Index([1, "a", 2, 3, 4, 5]),
    pd.Index(pd.array(range(6), dtype="Int64")),
    pd.Index([True, False] * 3),
]


def test_any_two_indexes_are_aligned_or_refused_in_words():
    """Where both have the same labels, pandas' own reindexing says what is right."""
    values = pd.Series(np.arange(6.0))
    for one, two in itertools.product(INDEXES, INDEXES):
        turned = values.set_axis(two).iloc[::-1]
        try:
            given = take(values.set_axis(one), sequential=False, exog=turned).exog
        except ValueError as refusal:
            given = str(refusal)
        if isinstance(given, str):
            assert "have different indexes" in given
            assert not (one is two and one.is_unique)
        elif one is two and one.is_unique:
            np.testing.assert_array_equal(given, turned.reindex(one))


# --- how numbers and categories are stored ----------------------------------------------------------------------------

TABLE = pd.DataFrame({"x": X["u"].round(3), "g": np.repeat(["a", "b", "c"], 20), "k": np.arange(N) % 3})
TABLE["y"] = np.maximum(TABLE["x"] + (TABLE["g"] == "b") + 0.5 * RNG.normal(size=N), 0).round(3)
FORMULA = evb.Tobit("y ~ x + g + C(k)")


def arrow(frame):
    return pytest.importorskip("pyarrow").Table.from_pandas(frame)


def decimals(column):
    return [Decimal(str(v)) for v in column]


STORED = {
    "string": lambda t: t.astype({"g": "string"}),
    "object": lambda t: t.astype({"g": object, "x": object, "y": object, "k": object}),
    "category": lambda t: t.assign(g=t["g"].astype("string").astype("category")),
    "nullable": lambda t: t.convert_dtypes(),
    "Arrow": lambda t: t.convert_dtypes(dtype_backend="pyarrow"),
    "Arrow table": arrow,
    "polars": polars,
    "xarray": lambda t: pytest.importorskip("xarray").Dataset.from_dataframe(t),
    "Decimal": lambda t: t.assign(x=decimals(t["x"]), y=decimals(t["y"])),
    "records": lambda t: t.to_records(index=False),
    "dict": lambda t: {name: t[name].tolist() for name in t},
    "unused": lambda t: t.assign(
        when=DATES, within=pd.cut(t["x"], 3), what=[{"a": 1}] * N, if_=pd.array([True, None] * 30, dtype="boolean")
    ),
}


@pytest.mark.parametrize("kind", STORED)
def test_how_a_column_is_stored_does_not_matter(kind, tmp_path):
    want = FORMULA.fit(TABLE, progressbar=False)
    frame = STORED[kind](TABLE)
    fit = FORMULA.fit(frame, progressbar=False)
    np.testing.assert_allclose(fit.params["coefficients"], want.params["coefficients"], rtol=1e-9)
    assert fit.program.predictors == want.program.predictors
    np.testing.assert_allclose(want.predict(frame), want.predict())
    assert fit.idata["observed_data"].sizes["obs"] == N
    if kind != "unused":
        fit.save(tmp_path / "fit")
        np.testing.assert_allclose(evb.load(tmp_path / "fit").predict(TABLE), fit.predict())


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.0, None, 3.0], dtype="Float64"),
        pd.Series([1, None, 3], dtype=object),
        pd.Series([Decimal(1), None, Decimal(3)]),
        [1, None, Fraction(3)],
        np.ma.masked_array([1.0, 9.0, 3.0], [0, 1, 0]),
        pd.Series([1, pd.NA, 3], dtype="category"),
    ],
    ids=lambda v: f"{type(v).__name__} {getattr(v, 'dtype', '')}",
)
def test_missing_is_missing_however_it_is_written(values):
    np.testing.assert_array_equal(read.matrix(values)[:, 0], [1, np.nan, 3])
    np.testing.assert_array_equal(read.matrix(pd.DataFrame({"a": values}))[:, 0], [1, np.nan, 3])


def assigned(**columns):
    return lambda: FORMULA.fit(TABLE.assign(**columns), progressbar=False)


def test_whole_numbers_of_more_than_64_bits_are_numbers():
    large = [10**30 * i for i in range(1, N + 1)]
    fits = [evb.Tobit("y ~ x").fit(TABLE.assign(x=x), progressbar=False) for x in (large, np.array(large, dtype=float))]
    assert fits[0].log_likelihood == fits[1].log_likelihood


def test_words_with_digits_in_them_are_words():
    from em_vs_bayes.data.texts import really

    for words in (
        ["18-25", "26-35", "36+"],
        ["a1", "b2"],
        ["Q1", "Q2", "3"],
        ["m", "f", "1"],
        ["<5", "5-9"],
        [""],
        ["1st", "2nd"],
    ):
        assert really(words) is None


def plain(y, **rest):
    return lambda: evb.GaussianMixture(2).fit(y, progressbar=False, **rest)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (assigned(x=DATES), TypeError, r"Predictor 'x' holds dates \(2020-01-01.*Convert them to numbers first"),
        (assigned(x=DATES.to_period("D")), TypeError, "Predictor 'x' holds dates"),
        (assigned(x=DATES - DATES[0]), TypeError, "Predictor 'x' holds durations"),
        (assigned(x=TABLE["x"].astype(str)), TypeError, r"Predictor 'x' holds numbers as text \('.*'\): convert it by astype"),
        (assigned(x=[*TABLE["x"].astype(str)[1:], "?"]), TypeError, "Predictor 'x' holds numbers as text .*but also '\\?'"),
        (assigned(x=TABLE["x"].round(3).astype(str).str.replace(".", ",")), TypeError, "holds numbers with decimal commas"),
        (assigned(x=DATES.strftime("%d.%m.%Y")), TypeError, "holds dates as text .*: convert them to numbers, or write C"),
        (assigned(g=[1, *TABLE["g"][1:]]), TypeError, r"Predictor 'g' mixes numbers \(1\) and text \('a'\)"),
        (assigned(x=[{"a": 1}] * N), TypeError, r"Predictor 'x' holds values of type dict"),
        (assigned(x=X["u"] + 1j), TypeError, "Predictor 'x' holds complex numbers"),
        (assigned(g=pd.array([None, *TABLE["g"][1:]], dtype="string")), ValueError, r"Predictor 'g' is missing in 1 row\(s\) \(first: row 0\)"),
        (lambda: evb.Tobit("y ~ poly(x, 2)").fit(TABLE.assign(x=[np.nan, *TABLE["x"][1:]])), ValueError, "Predictor 'x' is missing in 1"),
        (assigned(y=TABLE["y"].astype(str)), TypeError, r"y\['y'\], the response.* must hold numbers; got text"),
        (assigned(y=DATES), TypeError, r"y\['y'\], the response.* must hold numbers; got dates"),
        (assigned(y=np.nan), ValueError, "y has no observed value"),
        (plain(pd.DataFrame({"a": X["u"], "b": X["v"].astype("string")})), TypeError, "whose column 'b' holds text"),
        (plain(pd.DataFrame({"a": X["u"], "b": DATES})), TypeError, "whose column 'b' holds dates"),
        (plain(pd.DataFrame({"a": [[1, 2]] * N})), TypeError, "whose column 'a' holds rows of different lengths, or lists"),
        (plain([[1.0, 2.0], [3.0]]), TypeError, "y must hold numbers; got a list whose rows have different lengths"),
        (plain(i for i in range(9)), TypeError, "y must be an array, a frame or a list; got a generator"),
        (plain({1.0, 2.0}), TypeError, "y must be an array, a frame or a list; got a set"),
        (plain("faithful"), TypeError, "y must be an array, a frame or a list; got a str"),
        (lambda: FORMULA.fit({"y": [1.0, 2.0], "x": [1.0], "g": ["a"], "k": 1}), ValueError, "The columns of y must have one length"),
        (plain(csr_array(Y)), TypeError, r"y is a sparse matrix; give y.toarray\(\)"),
        (plain([10**400, 1]), TypeError, "y must hold numbers that a float can hold"),
        (plain(Y, weights=pd.Series(["1"] * N)), TypeError, "weights must hold numbers; got text"),
        (plain(Y, labels=DATES), TypeError, "labels must hold numbers; got dates"),
        (lambda: evb.GaussianHMM(2).fit(RNG.normal(size=(1, 50))), ValueError, "y is one row of 50 columns; did you mean a column"),
        (lambda: evb.HMM(e.Normal(), 2).fit(RNG.normal(size=(1, 50))), ValueError, "one row of 50 columns; did you mean a column"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_refused_in_one_line(call, error, match):
    with pytest.raises(error, match=match) as refused:
        call()
    assert len(str(refused.value)) < 250 and "\n" not in str(refused.value)


# --- sequences ------------------------------------------------------------------------------------------------------

CHAIN = evb.HMM(e.Normal(), 2)
PIECES = [Y[:20, 0], Y[20:, 0]]
LABELS = [np.zeros(20, int), np.r_[np.zeros(10, int), np.ones(30, int)]]
JOINED = {"lengths": [20, 40], "labels": np.concatenate(LABELS)}


@pytest.mark.parametrize(
    ("y", "rest"),
    [
        (PIECES, {"labels": LABELS}),
        ([p.tolist() for p in PIECES], {"labels": [own.tolist() for own in LABELS]}),
        (tuple(tuple(p) for p in PIECES), {"labels": np.concatenate(LABELS)}),
        ([PIECES[0], PIECES[1].tolist()], {"labels": tuple(LABELS)}),
        ([pd.Series(p) for p in PIECES], {"labels": [pd.Series(own) for own in LABELS]}),
        (np.array(PIECES, dtype=object), {"labels": LABELS}),
        (Y[:, 0], {"lengths": [20, 40], "labels": LABELS}),
        (PIECES, {"labels": LABELS, "weights": [1.0, 1.0]}),
        (PIECES, {"labels": LABELS, "weights": [np.ones(20), np.ones(40)]}),
    ],
)
def test_sequences_and_what_belongs_to_them(y, rest):
    want = CHAIN.fit(Y[:, 0], **JOINED, **QUIET)
    assert CHAIN.fit(y, **rest, **QUIET).log_likelihood == pytest.approx(want.log_likelihood, rel=1e-12)


def test_lists_of_lists_of_equal_length():
    """Of single numbers they are sequences; of vectors rows, or sequences if they are nested once more."""
    np.testing.assert_array_equal(CHAIN.fit([[1.0, 2, 4], [2.0, 5, 3]], **QUIET).program.data.starts, [0, 3, 6])
    nested = [Y[:20].tolist(), Y[20:40].tolist()]
    np.testing.assert_array_equal(evb.GaussianHMM(2).fit(nested, **QUIET).program.data.starts, [0, 20, 40])
    spec = evb.HMM(e.Product(u=e.Normal(), v=e.Normal()), 2)
    streams = [{"u": Y[:20, 0], "v": Y[:20, 1]}, {"v": Y[20:, 1].tolist(), "u": Y[20:, 0].tolist()}]
    want = spec.fit(FRAME.set_axis(["u", "v"], axis=1), lengths=[20, 40], **QUIET).log_likelihood
    assert spec.fit(streams, **QUIET).log_likelihood == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(
    ("rest", "match"),
    [
        ({"labels": LABELS[::-1]}, r"labels has sequences of \[40, 20\] rows; y of \[20, 40\]"),
        ({"weights": [np.ones(20)]}, r"weights has sequences of \[20\] rows; y of \[20, 40\]"),
        ({"weights": [1.0, 1.0, 1.0]}, r"weights has 3 value\(s\); y has 60 row\(s\)"),
    ],
)
def test_sequences_that_do_not_belong_together(rest, match):
    with pytest.raises(ValueError, match=match):
        CHAIN.fit(PIECES, **rest, **QUIET)


# --- scalars --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (evb.Tobit("y ~ x", lower=TABLE["k"].min(), df=np.int64(9)), {"max_iter": np.int64(99), "tol": np.float32(1e-9)}),
        (evb.Tobit(np.str_("y ~ x"), lower=np.array(0)), {"method": np.str_("vi"), "draws": np.int64(50)}),
        (evb.Tobit("y ~ x", lower=Decimal(0), upper=Fraction(100)), {"objective": np.str_("map")}),
        (evb.Mixture(e.LinearRegression("y ~ x", df=Decimal(5)), np.uint8(2), priors={"sigmas": evb.Prior("HalfNormal", sigma=Decimal(2))}), {}),
        (evb.HMM(e.LinearRegression("y ~ x"), np.array(2), initial=np.str_("uniform"), ordered=np.str_("sigmas")), {}),
    ],
)  # fmt: skip
def test_scalars_of_numpy_are_python_s_own(spec, options, tmp_path):
    fit = spec.fit(TABLE, **options, **QUIET)
    assert hash(type(spec).from_json(spec.to_json())) == hash(spec)
    assert str(evb.compare([fit])) and fit.idata.posterior.attrs["spec"] == spec.to_json()
    fit.save(tmp_path / "fit")
    assert evb.load(tmp_path / "fit").spec == spec


# --- rows that are times ----------------------------------------------------------------------------------------------

COUNTS = evb.datasets.load("quakes")["count"].to_numpy()
LENGTH = len(COUNTS)
POISSON = evb.HMM(e.Poisson(), 2)
STARTS = np.array([0, LENGTH])
TIMES = {
    "years": pd.date_range("1900", periods=LENGTH, freq="YS", name="year"),
    "numbers": pd.Index(range(1900, 1900 + LENGTH), name="year"),
    "months": pd.date_range("1990", periods=LENGTH, freq="ME"),
    "last working days": pd.date_range("1990", periods=LENGTH, freq="BME"),
    "periods": pd.period_range("1990", periods=LENGTH, freq="Q"),
    "weeks": pd.date_range("1990", periods=LENGTH, freq="W"),
    "days over a change of clocks": pd.date_range("2020-03-01", periods=LENGTH, tz="Europe/Berlin"),
    "working days": pd.bdate_range("2020", periods=LENGTH),
    "hours over a change of clocks": pd.date_range("2020-03-28", periods=LENGTH, freq="h", tz="Europe/Berlin"),
    "months of a file": pd.to_datetime([f"{1990 + i // 12}-{i % 12 + 1:02}-15" for i in range(LENGTH)]),
    "tenths": pd.Index(np.arange(LENGTH) * 0.1),
}
CUT = slice(30, 60)


@pytest.mark.parametrize("kind", TIMES)
def test_order_and_gaps_of_times(kind):
    index = TIMES[kind]
    assert times.remarks(index, STARTS) == ()
    unit = {"years": "years", "months": "months", "last working days": "months", "periods": "quarters"}.get(kind)
    unit = unit or {"working days": "working days", "weeks": "rows", "numbers": "rows", "tenths": "rows"}.get(kind)
    (gaps,) = times.remarks(index.delete(CUT), np.array([0, LENGTH - 30]))
    assert f"30 {unit or kind.split()[0]} are missing between" in gaps and "insert rows of NaN" in gaps
    (disorder,) = times.remarks(index[::-1], STARTS)
    assert "is in disorder" in disorder and "nothing is sorted" in disorder
    (twice,) = times.remarks(index.insert(7, index[7]), np.array([0, LENGTH + 1]))
    assert "1 label(s) more than once" in twice
    several = index.delete(CUT).append(index)  # sequences begin anew
    assert len(times.remarks(several, np.array([0, 30, LENGTH - 30, 2 * LENGTH - 30]))) == 0


@pytest.mark.parametrize(
    "index",
    [
        None,
        pd.Index([f"r{i}" for i in range(9)]),
        pd.bdate_range("2020", periods=10).delete(4),  # a holiday
        pd.RangeIndex(5, 23, 2),
        pd.date_range("2020-01-31", periods=9, freq="ME"),
        pd.Index(np.arange(9) + np.array([0, 1, 0, -1, 0, 1, 1, 0, 0]) * 0.01),  # jitter
        pd.DatetimeIndex(["2001-05-03", "2002-04-28", "2003-05-09", "2004-05-01", *pd.date_range("2005", periods=5, freq="YE")]),
    ],
    ids=str,
)  # fmt: skip
def test_times_that_are_as_they_should_be(index):
    assert times.remarks(index, np.array([0, 9])) == ()


def test_uneven_times_are_said():
    (said,) = times.remarks(pd.Index([0.0, 1.0, 1.3, 7.9, 9.0]), np.array([0, 5]))
    assert "unevenly spaced (least between 1 and 1.3, most between 1.3 and 7.9)" in said


def test_a_chain_says_what_is_odd_about_its_times(tmp_path):
    series = pd.Series(COUNTS, TIMES["years"])
    assert POISSON.fit(series, **QUIET).notes == POISSON.fit(COUNTS, **QUIET).notes
    cut = POISSON.fit(series.drop(series.index[CUT]), **QUIET)
    assert any("30 years are missing between 1929-01-01 and 1960-01-01" in note for note in cut.notes)
    cut.save(tmp_path / "cut")
    assert evb.load(tmp_path / "cut").notes == cut.notes
    filled = POISSON.fit(series.where(~series.index.isin(series.index[CUT])), **QUIET)
    assert not any("index of y" in note for note in filled.notes)
    independent = evb.Mixture(e.Poisson(), 2).fit(series.drop(series.index[CUT]), **QUIET)
    assert not any("index of y" in note for note in independent.notes)


@pytest.mark.parametrize("kind", TIMES)
def test_results_are_labelled_by_the_index_and_forecasts_go_on_from_it(kind, tmp_path):
    index = TIMES[kind]
    start = POISSON.fit(COUNTS, **QUIET)
    fit = POISSON.fit(pd.Series(COUNTS[:-2], index[:-2]), init=start.params, max_iter=3, **QUIET)
    observed = fit.idata["observed_data"].dataset
    if isinstance(index, pd.PeriodIndex):
        assert observed["obs"].to_index().equals(index[:-2].to_timestamp())
    elif kind.endswith("clocks"):
        assert observed["obs"].to_index().equals(index[:-2].tz_convert(None))
    else:
        assert observed["obs"].to_index().equals(index[:-2])
    assert fit.idata["log_likelihood"].dataset["obs"].equals(observed["obs"])
    observed.to_netcdf(tmp_path / "observed.nc", engine="scipy")
    ahead = fit.forecast(2)
    if kind == "tenths":
        np.testing.assert_allclose(ahead.index, index[-2:])
    else:
        assert ahead.index.equals(index[-2:])
    assert ahead.index.name == (index.name or "obs")
    np.testing.assert_array_equal(ahead["mean"], POISSON.at(COUNTS[:-2], fit.params).forecast(2)["mean"])
    assert fit.pseudo_residuals().index.equals(index[:-2])
    fit.save(tmp_path / "fit")
    assert evb.load(tmp_path / "fit").program.index.equals(index[:-2])
    assert evb.load(tmp_path / "fit").forecast(2).index.equals(ahead.index)


@pytest.mark.parametrize("kind", ["object", "string"])
def test_dates_in_text_are_times(kind):
    days = pd.date_range("1990-02-27", periods=LENGTH)
    text = pd.Series(COUNTS, pd.Index([str(day.date()) for day in days], dtype=kind))
    fit = POISSON.fit(text, **QUIET)
    assert fit.idata["observed_data"].dataset["obs"].to_index().equals(days.as_unit("us"))
    assert fit.forecast(2).index[0] == days[-1] + pd.Timedelta(days=1)
    cut = POISSON.fit(text.drop(text.index[CUT]), **QUIET)
    assert any("30 days are missing between" in note for note in cut.notes)
    wrong = POISSON.fit(pd.Series(COUNTS[:3], ["2020-01-01", "2020-02-30", "2020-03-01"]), **QUIET)  # no such day
    assert "2020-02-30" in list(wrong.idata["observed_data"]["obs"].to_numpy())


def test_labels_that_are_no_times():
    names = [f"r{i}" for i in range(LENGTH)]
    fit = POISSON.fit(pd.Series(COUNTS, names), **QUIET)
    assert list(fit.idata["observed_data"]["obs"].to_numpy()) == names
    assert list(fit.forecast(3).index) == [1, 2, 3]
    twice = POISSON.fit(pd.Series(COUNTS, ["a"] * LENGTH), **QUIET)
    np.testing.assert_array_equal(twice.idata["observed_data"]["obs"], np.arange(LENGTH))
    panel = pd.MultiIndex.from_product([["a"], TIMES["years"]])
    assert fit.forecast(2, y=pd.Series(COUNTS, panel)).index.name == "step"
    several = fit.forecast(
        2, y=[pd.Series(COUNTS[:50], TIMES["numbers"][:50]), pd.Series(COUNTS[50:], TIMES["numbers"][50:])]
    )
    assert list(several.index) == [(0, 1950), (0, 1951), (1, 2007), (1, 2008)]


def test_figures_show_the_labels():
    fit = POISSON.fit(pd.Series(COUNTS, TIMES["years"]), **QUIET)
    comparison = evb.compare([fit])
    for figure in (states.paths(comparison), states.ahead(comparison), fit.plot_pseudo_residuals()):
        figure.draw_without_rendering()
        labels = [tick.get_text() for ax in figure.axes for tick in ax.get_xticklabels()]
        assert any(label.endswith("-01-01") for label in labels)
