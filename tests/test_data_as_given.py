"""Data as people have them: columns go by their names, rows by their labels; nothing is zipped that does not belong."""

# ruff: noqa: E501 - in a table of cases, one case is one line

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

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
    assert not TOBIT.fit(LINE, exog=X, progressbar=False).notes


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
        ({"weights": pd.Series(1.0, [*range(N - 1), 0])}, r"weights and y .*labels are repeated"),
    ],
)  # fmt: skip
def test_labels_that_do_not_match_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        TOBIT.fit(LINE, progressbar=False, **arguments)
