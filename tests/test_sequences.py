"""Sequences however they come: lengths, lists, a column of names. What does not fit together is refused in words."""

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes.data.intake import take
from em_vs_bayes.program.compile import compile as compile_program


def split(y, lengths):
    given = take(y, sequential=True, univariate=False, lengths=lengths)
    return given.y, given.starts


RNG = np.random.default_rng(5)
X = np.r_[RNG.normal(0, 1, 20), RNG.normal(5, 1, 20)]
Y = np.column_stack([X, RNG.normal(0, 1, 40)])
FRAME = pd.DataFrame({"u": X, "v": Y[:, 1], "who": ["ann"] * 15 + ["bob"] * 25})
NORMAL, GAUSS = evb.HMM(e.Normal(), 2), evb.GaussianHMM(2)
AT = {
    "initial": [0.3, 0.7],
    "transition": [[0.9, 0.1], [0.2, 0.8]],
    "means": [[0.0, 0.0], [4.0, 1.0]],
    "covariances": [np.eye(2)] * 2,
}


# --- one meaning, many ways -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "lengths"),
    [
        (Y, [15, 25]),
        (Y, np.array([15, 25])),
        (Y, (15.0, 25.0)),
        (Y, pd.Series([15, 25])),
        (Y.tolist(), [15, 25]),
        (pd.DataFrame(Y), [15, 25]),
        ([Y[:15], Y[15:]], None),
        ((Y[:15], Y[15:]), None),
        ([pd.DataFrame(Y[:15]), pd.DataFrame(Y[15:])], None),
        (FRAME, "who"),
        ([FRAME[["u", "v"]][:15], FRAME[["v", "u"]][15:]], None),
        (FRAME.assign(who=[3.0] * 15 + [1.0] * 25), "who"),
        (FRAME.assign(who=pd.Categorical(FRAME["who"])), "who"),
        (FRAME.assign(who=[7] * 15 + ["x"] * 25), "who"),
    ],
)
def test_the_same_sequences(y, lengths):
    rows, starts = split(y, lengths)
    np.testing.assert_array_equal(starts, [0, 15, 40])
    assert starts.dtype == np.int64
    np.testing.assert_array_equal(np.asarray(rows, float), Y)
    parts = sum(GAUSS.log_likelihood(part, AT) for part in (Y[:15], Y[15:]))
    assert GAUSS.log_likelihood(y, AT, lengths=lengths) == pytest.approx(parts, rel=1e-12)


@pytest.mark.parametrize("lengths", [None, 40, [40], np.int64(40)])
def test_one_sequence(lengths):
    np.testing.assert_array_equal(split(Y, lengths)[1], [0, 40])


def test_polars_frames():
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(FRAME)
    rows, starts = split(frame, "who")
    np.testing.assert_array_equal(starts, [0, 15, 40])
    assert list(rows.columns) == ["u", "v"]
    rows, starts = split([frame[:15].drop("who"), frame[15:].drop("who")], None)
    np.testing.assert_array_equal(rows.to_numpy(), Y)


@pytest.mark.parametrize("kind", [np.asarray, pd.Series])
def test_a_list_of_vectors_is_a_list_of_sequences(kind):
    """Series too: as rows of a table they would be two observations of twenty features."""
    rows, starts = split([kind(X[:20]), kind(X[20:])], None)
    np.testing.assert_array_equal(starts, [0, 20, 40])
    np.testing.assert_array_equal(rows, X)


def test_a_list_of_numbers_or_rows_is_one_sequence():
    np.testing.assert_array_equal(split(X.tolist(), None)[1], [0, 40])
    np.testing.assert_array_equal(split(list(X), None)[1], [0, 40])  # numpy scalars
    np.testing.assert_array_equal(split(Y.tolist(), None)[1], [0, 40])


def test_a_dict_of_streams_with_lengths():
    spec = evb.HMM(e.Product(u=e.Normal(), v=e.Normal()), 2)
    program = compile_program(spec, {"u": X, "v": Y[:, 1]}, lengths=[15, 25])
    np.testing.assert_array_equal(program.data.starts, [0, 15, 40])
    other = compile_program(spec, FRAME, lengths="who")
    np.testing.assert_array_equal(other.data.y, program.data.y)


# --- what does not fit ----------------------------------------------------------------------------------------------

NOT_WHOLE = "lengths must be positive whole numbers, one per sequence; got"


@pytest.mark.parametrize(
    ("lengths", "match"),
    [
        ([20, 10], "lengths sum to 30; y has 40 rows"),
        ([40, 40], "lengths sum to 80; y has 40 rows"),
        ([], "lengths sum to 0; y has 40 rows"),
        ([40, 0], NOT_WHOLE),
        ([50, -10], NOT_WHOLE),
        ([20.5, 19.5], NOT_WHOLE),
        ([np.nan, 40], NOT_WHOLE),
        ([np.inf], NOT_WHOLE),
        ([None, 40], NOT_WHOLE),
        (["20", "20"], NOT_WHOLE),
        ([True] * 40, NOT_WHOLE),
        ([[20, 20]], NOT_WHOLE),
        ([[20], [10, 10]], NOT_WHOLE),
        ("who", "lengths='who' names a column of y; y is ndarray"),
    ],
)
def test_lengths(lengths, match):
    with pytest.raises(ValueError, match=match):
        NORMAL.fit(X, lengths=lengths, progressbar=False)
    with pytest.raises(ValueError, match=match):
        NORMAL.log_likelihood(X, {}, lengths=lengths)


@pytest.mark.parametrize(
    ("y", "lengths", "error", "match"),
    [
        ([Y[:20], Y[20:]], [20, 20], ValueError, "lengths and a list of sequences exclude each other"),
        ([Y[:20], Y[:0]], None, ValueError, "y: sequence 1 is empty"),
        ([Y[:20], X[20:]], None, ValueError, "y: the sequences have different numbers of columns"),
        ([FRAME, FRAME.rename(columns={"v": "w"})], None, ValueError, r"different columns: .*'v'.*sequence 1 .*'w'"),
        ([FRAME, Y], None, TypeError, "y: some sequences are frames and some are arrays"),
        ([Y, FRAME], None, TypeError, "y: some sequences are frames and some are arrays"),
        (FRAME[["u", "who"]].iloc[::-1], "whom", ValueError, r"lengths='whom' names a column.*\['u', 'who'\]"),
        (FRAME.iloc[np.arange(40) * 7 % 40], "who", ValueError, "rows of sequence 'ann' are not consecutive.*Sort y"),
        (FRAME.assign(who=np.r_[np.ones(39), np.nan]), "who", ValueError, "lengths='who': row 39 has no name"),
        (FRAME.assign(who=["a"] * 39 + [None]), "who", ValueError, "lengths='who': row 39 has no name"),
        (FRAME.assign(who=["a"] * 39 + [pd.NA]), "who", ValueError, "lengths='who': row 39 has no name"),
        ({"u": X, "who": [1] * 40}, "who", ValueError, "lengths='who' names a column of y; y is dict"),
    ],
)  # fmt: skip
def test_sequences(y, lengths, error, match):
    with pytest.raises(error, match=match):
        GAUSS.fit(y, lengths=lengths, progressbar=False)


# --- sequences in a fit ---------------------------------------------------------------------------------------------


def test_the_order_of_sequences_does_not_matter():
    one = GAUSS.log_likelihood([Y[:15], Y[15:]], AT)
    assert GAUSS.log_likelihood([Y[15:], Y[:15]], AT) == pytest.approx(one, rel=1e-12)
    assert GAUSS.log_likelihood(Y, AT) != pytest.approx(one, rel=1e-6)


def test_new_data_bring_their_own_sequences():
    fit = GAUSS.at([Y[:15], Y[15:]], AT)
    whole = fit.predict_proba()
    np.testing.assert_allclose(np.vstack([fit.predict_proba(Y[:15]), fit.predict_proba(Y[15:])]), whole, rtol=1e-9)
    np.testing.assert_allclose(fit.predict_proba(Y, lengths=[15, 25]), whole, rtol=1e-9)
    np.testing.assert_array_equal(fit.predict([Y[:15], Y[15:]]), fit.predict())
    assert fit.score_samples(kind="sequence").shape == (2,)
    assert fit.score_samples(kind="sequence").sum() == pytest.approx(fit.log_likelihood, rel=1e-12)
    assert fit.score_samples(kind="predictive").sum() == pytest.approx(fit.log_likelihood, rel=1e-12)
    with pytest.raises(ValueError, match="lengths goes with new data"):
        fit.predict(lengths=[15, 25])
    with pytest.raises(ValueError, match="lengths sum to 3; y has 40 rows"):
        fit.predict(Y, lengths=[3])


def test_simulated_sequences():
    fit = GAUSS.at([Y[:15], Y[15:]], AT)
    assert fit.simulate(seed=1).shape == (40, 2)
    assert fit.simulate(7, seed=1).shape == (7, 2)
    starts = fit.simulate(seed=1, lengths=[1] * 4000)
    share = (starts[:, 0] > 2.0).mean()  # 0.7 from N(4, 1), 0.3 from N(0, 1), symmetric about 2
    want = 0.7 * 0.97725 + 0.3 * 0.02275
    assert abs(share - want) < 4 * np.sqrt(want * (1 - want) / 4000)
    with pytest.raises(ValueError, match="n and lengths exclude each other"):
        fit.simulate(3, lengths=[3])


@pytest.mark.parametrize("lengths", [[0, 5], [-3, 5], [2.5]])
def test_simulated_lengths_are_checked(lengths):
    with pytest.raises(ValueError, match="lengths must be positive whole numbers"):
        GAUSS.at(Y, AT).simulate(lengths=lengths)


def test_a_weight_of_two_is_the_sequence_twice():
    weights = np.repeat([2.0, 1.0], [15, 25])
    options = {"init": AT, "seed": 1, "progressbar": False}
    weighted = GAUSS.fit(Y, lengths=[15, 25], weights=weights, **options)
    copied = GAUSS.fit(np.vstack([Y[:15], Y]), lengths=[15, 15, 25], **options)
    assert weighted.log_likelihood == pytest.approx(copied.log_likelihood, rel=1e-10)
    for name, value in weighted.params.items():
        np.testing.assert_allclose(value, copied.params[name], rtol=1e-4, atol=1e-5)
    repeated = compile_program(GAUSS, Y, lengths=[15, 25], weights=weights).copies
    np.testing.assert_array_equal(repeated.data.starts, [0, 15, 30, 55])
    np.testing.assert_array_equal(repeated.data.y, np.vstack([Y[:15], Y]))


def test_a_weight_of_zero_leaves_the_sequence_out():
    weights = np.repeat([0.0, 1.0], [15, 25])
    program = compile_program(GAUSS, Y, lengths=[15, 25], weights=weights)
    alone = GAUSS.log_likelihood(Y[15:], AT)
    assert program.log_likelihood(program.theta_of(AT)) == pytest.approx(alone, rel=1e-12)
    np.testing.assert_array_equal(program.copies.data.starts, [0, 25])


def test_gibbs_wants_whole_weights_of_sequences():
    with pytest.raises(ValueError, match=r"weights must be whole numbers for method='gibbs'.*1\.5"):
        GAUSS.fit(Y, "gibbs", lengths=[15, 25], weights=np.repeat([1.5, 1.0], [15, 25]), progressbar=False)
