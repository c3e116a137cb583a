"""Every argument of every public call, given what it cannot be: success, or a line that names it."""

from __future__ import annotations

import signal
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.common.arguments import as_floats
from em_vs_bayes.methods import METHODS

RNG = np.random.default_rng(0)
Y = np.r_[RNG.normal(0, 1, 20), RNG.normal(6, 1, 20)]
X = np.column_stack([np.ones(40), RNG.normal(size=40)])
QUIET = {"seed": 1, "progressbar": False}


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


class Unreadable:
    """What NumPy cannot read."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")


class Endless:
    def __len__(self):
        return 10**9

    def __getitem__(self, i):
        raise RuntimeError("nothing here")


BAD = (
    *(None, "x", "", -1, 0, 1.5, np.nan, np.inf, 10**12, -(10**12), True, 1j, b"x", "\x00\x1b[31m", "9" * 500),
    *([], {}, (1, 2), {1, 2}, [None, None], ["a", "b"], [[1, [2, 3]]], {"a": 1}, range(3), object(), type),
    *(10**400, 2**64, Decimal("sNaN"), np.timedelta64(3, "D"), np.datetime64("2020"), np.ma.masked, pd.NA),
    *(bytearray(b"x"), range(10**12), np.array("em"), np.array(None), Unreadable(), Endless(), "\ud800", "x" * 5000),
    *([10**400], [[1, 2], [3]], pd.DataFrame(), np.zeros((0, 0)), np.ma.masked_all(40), np.zeros(3, [("a", float)])),
    Unprintable(),
    *(np.zeros((2, 3, 4)), np.array(["a"]), np.empty(0), pd.DataFrame({"a": ["u"]}), pd.Timestamp("2020"), lambda: 1),
)  # fmt: skip
MIX, HMM = evb.Mixture(e.Normal(), 2), evb.HMM(e.Normal(), 2)
AT = {"weights": [0.5, 0.5], "means": [0.0, 6.0], "sigmas": [1.0, 1.0]}
CHAIN = {"initial": [0.5, 0.5], "transition": [[0.9, 0.1], [0.1, 0.9]], "means": [0.0, 6.0], "sigmas": [1.0, 1.0]}
TWO, SILENT, HALF = {"n_components": 2}, {"progressbar": False}, MIX.to_dict()


def options(name):
    """A method and its options, checked when it is made."""
    return METHODS[name], dict.fromkeys(METHODS[name].__dataclass_fields__)


def calls():
    """Name -> (callable, arguments to spoil, the others)."""
    mix, hmm = MIX.fit(Y, n_init=1, **QUIET), HMM.at(Y, CHAIN)
    tobit = evb.Tobit().fit(np.maximum(Y, 0.0), exog=X, **QUIET)
    draws = MIX.fit(Y, "gibbs", draws=10, tune=10, chains=2, **QUIET)
    quick = {"max_iter": 2, "n_init": 1, **QUIET}
    return {
        "GaussianMixture": (evb.GaussianMixture, ("n_components", "covariance", "priors", "fixed", "ordered"), TWO),
        "HMM": (evb.HMM, ("emission", "n_states", "initial"), {"emission": e.Normal(), "n_states": 2}),
        "Tobit": (evb.Tobit, ("formula", "lower", "upper", "df", "priors", "fixed"), {}),
        "Categorical": (e.Categorical, ("n_categories",), {}),
        "StudentT": (e.StudentT, ("df",), {}),
        "Normal": (p.Normal, ("mean", "sd"), {"mean": 0.0, "sd": 1.0}),
        "InverseWishart": (p.InverseWishart, ("df", "scale"), {"df": 3.0, "scale": np.eye(2)}),
        "Dirichlet": (p.Dirichlet, ("alpha",), {}),
        **{name: (options(name)[0], tuple(options(name)[1]), {}) for name in METHODS},
        "fit": (MIX.fit, ("y", "method", "weights", "labels", "seed", "init", "progressbar"), {"y": Y, **quick}),
        "fit chain": (HMM.fit, ("lengths",), {"y": Y, **quick}),
        "fit tobit": (evb.Tobit().fit, ("exog",), {"y": np.maximum(Y, 0.0), "max_iter": 2, **QUIET}),
        "at": (HMM.at, ("y", "params", "lengths"), {"y": Y, "params": CHAIN}),
        "log_prior": (MIX.log_prior, ("params", "y"), {"params": AT, "y": Y}),
        "from_json": (evb.Mixture.from_json, ("text",), {}),
        "score_samples": (mix.score_samples, ("y", "kind", "exog", "lengths"), {}),
        "predict": (tobit.predict, ("exog", "kind", "level", "draws"), {"exog": X}),
        "margins": (tobit.margins, ("at", "kind", "level", "vcov"), {}),
        "residuals": (tobit.residuals, ("kind", "seed"), {"kind": "quantile"}),
        "simulate": (mix.simulate, ("n", "seed"), {"n": 3}),
        "vcov": (mix.vcov, ("kind", "clusters", "progressbar"), {"progressbar": False}),
        "bootstrap": (mix.vcov, ("n_boot", "seed", "clusters"), {"kind": "bootstrap", "n_boot": 2} | SILENT),
        "confint": (draws.confint, ("level",), {}),
        "summary": (draws.summary, ("level",), {}),
        "resume": (draws.resume, ("draws", "chains"), {"progressbar": False}),
        "sample_states": (hmm.sample_states, ("n", "seed"), {"n": 2}),
        "forecast": (hmm.forecast, ("steps", "level", "draws"), {"steps": 2}),
        "pseudo_residuals": (hmm.pseudo_residuals, ("kind",), {}),
        "compare": (evb.compare, ("fits", "level", "log_likelihood"), {"fits": [mix]}),
        "compare spec": (evb.compare, ("methods", "options"), {"fits": MIX, "y": Y, "methods": ["em"], **QUIET}),
        "select": (evb.select, ("spec", "criterion", "method"), {"spec": MIX, "y": Y, "n_components": [1], **quick}),
        "select numbers": (evb.select, ("n_components",), {"spec": MIX, "y": Y, **quick}),
        "datasets.load": (evb.datasets.load, ("name", "as_frame"), {"name": "faithful"}),
        "load": (evb.load, ("path",), {}),
    }  # fmt: skip


OTHER_NAMES = {"params": "'", "fits": "y ", "y": "", "exog": "", "text": "", "alpha": "", "n_boot": "", "means": ""}


def test_numbers_of_any_kind_are_taken():
    two = (2, np.int8(2), np.uint64(2), np.array(2), 2.0, np.float32(2), np.array(2.0), Fraction(2), Decimal(2))
    for value in two:
        assert evb.Tobit(lower=value).lower == 2.0 and e.StudentT(df=value).df == 2.0
        np.testing.assert_array_equal(p.Normal(value, [value, value]).sd, 2.0)
    assert np.isnan(as_floats(np.ma.masked_equal([1.0, 2.0], 2.0))).tolist() == [False, True]


def stop(*_):
    raise TimeoutError("over half a minute")


def test_every_argument_is_refused_by_name():
    wrong, table = [], calls()
    before = signal.signal(signal.SIGALRM, stop)
    try:
        for name, (call, arguments, others) in table.items():
            for argument in arguments:
                for bad in BAD:
                    signal.alarm(30)
                    try:
                        with warnings.catch_warnings():
                            warnings.simplefilter("ignore")
                            call(**{**others, argument: bad})
                    except (ValueError, TypeError, FileNotFoundError) as refusal:
                        said = str(refusal)
                        named = argument in said or OTHER_NAMES.get(argument, argument) in said
                        if len(said) > 330 or not named or not said.isprintable():
                            wrong.append((name, argument, type(bad).__name__, said[:90]))
                    except BaseException as other:  # a crash, a hang, an allocation
                        wrong.append((name, argument, type(bad).__name__, repr(other)[:90]))
                    finally:
                        signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not wrong, f"{len(wrong)}: {wrong[:12]}"


@pytest.mark.parametrize("field", ["emission", "n_components", "priors", "fixed", "ordered", "spec"])
def test_a_file_with_nonsense_is_refused(field):
    import json

    allowed = {"priors": ({},), "fixed": ({},), "ordered": (None, [], "")}.get(field, ())
    for bad in (None, "x", -1, 1.5, [], {}, True, [[1, [2]]], {"a": 1}, "9" * 500):
        if bad in allowed:
            continue
        with pytest.raises((ValueError, TypeError)) as refusal:
            evb.Mixture.from_json(json.dumps(HALF | {field: bad}))
        assert len(str(refusal.value)) < 330
