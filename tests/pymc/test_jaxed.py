"""Our Ops in PyTensor's JAX backend: in JAX itself where it is installed, else in a stand-in for the calls we make."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import singledispatch
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import JAX
from pytensor.graph.fg import FunctionGraph

import em_vs_bayes as evb
from em_vs_bayes.model.symbolic.whiten import InverseCholesky
from em_vs_bayes.pymc import jaxed
from em_vs_bayes.pymc.chain import ChainTerms, ChainWalk
from em_vs_bayes.pymc.marginal import LogMarginal

INSTALLED = importlib.util.find_spec("jax") is not None
NUMPY = ("where", "isneginf", "exp", "log", "linalg", "broadcast_to", "eye")
RNG = np.random.default_rng(0)
Y = np.r_[RNG.normal(0, 1, 15), RNG.normal(4, 1, 15)]


class WithDerivative:
    def __init__(self, function):
        self.function = function

    def __call__(self, *inputs):
        return self.function(*inputs)

    def defvjp(self, forward, back):
        self.forward, self.back = forward, back


def triangular(root, right, lower):
    assert lower
    return np.linalg.solve(root, right)


@pytest.fixture
def conversions(monkeypatch):
    """What PyTensor's table holds after a graph has been made ready for JAX, NumPy in the place of JAX."""
    table = singledispatch(lambda op, **_: None)
    fake = SimpleNamespace(
        numpy=SimpleNamespace(**{name: getattr(np, name) for name in NUMPY}),
        custom_vjp=WithDerivative,
        ShapeDtypeStruct=lambda shape, dtype: (shape, np.dtype(dtype)),
        dtypes=SimpleNamespace(float0=np.dtype([("float0", "V")])),
        scipy=SimpleNamespace(linalg=SimpleNamespace(solve_triangular=triangular)),
    )

    def pure_callback(call, shapes, *inputs, vmap_method):
        for array in (inputs := [np.array(x) for x in inputs]):
            array.flags.writeable = False  # as JAX's are
        out = call(*inputs)
        assert vmap_method == "sequential"
        assert [(x.shape, x.dtype) for x in out] == list(shapes)
        return out

    fake.pure_callback = pure_callback
    monkeypatch.setitem(sys.modules, "jax", fake)
    monkeypatch.setitem(sys.modules, "jax.numpy", fake.numpy)
    monkeypatch.setitem(sys.modules, "pytensor.link.jax.dispatch", SimpleNamespace(jax_funcify=table))
    jaxed.register.cache_clear()
    x = pt.dmatrix()
    JAX.optimizer.rewrite(FunctionGraph([x], [LogMarginal()(x)[0]], clone=True))
    yield lambda op: table(op, node=None, storage_map=None)
    jaxed.register.cache_clear()


@pytest.mark.skipif(INSTALLED, reason="JAX itself is there")
@np.errstate(divide="ignore")  # of which JAX says nothing
def test_the_conversions_are_what_the_operators_are(conversions):
    joint = np.log(RNG.random((5, 3)))
    joint[1] = -np.inf  # a row that cannot be
    evidence, r = conversions(LogMarginal())(joint)
    np.testing.assert_allclose(evidence, np.log(np.exp(joint).sum(1)), rtol=1e-14)
    np.testing.assert_allclose(r.sum(1), [1, 0, 1, 1, 1])
    marginal = conversions(LogMarginal())
    np.testing.assert_allclose(marginal.back(r, (np.ones(5), 0.0 * r))[0], r)
    weighting = RNG.random((5, 3))
    slope = marginal.back(r, (np.zeros(5), weighting))[0]
    moved = marginal(joint + 1e-6 * np.arange(3))[1] - marginal(joint - 1e-6 * np.arange(3))[1]
    np.testing.assert_allclose((slope * np.arange(3)).sum(), (weighting * moved).sum() / 2e-6, rtol=1e-6)

    initial, transition = np.array([[0.3, 0.7]]), np.array([[[0.9, 0.1], [0.0, 1.0]]])
    emission, starts = RNG.normal(size=(6, 2)), np.array([0, 6])
    chain = conversions(ChainTerms())
    total = lambda *inputs: chain(*inputs, starts)[0].sum()  # noqa: E731
    outputs, kept = chain.forward(initial, transition, emission, starts)
    own = np.exp(emission[0]) * initial[0]
    np.testing.assert_allclose(outputs[0][0], np.log(own.sum()))
    own = own @ transition[0] / own.sum() * np.exp(emission[1])
    np.testing.assert_allclose(outputs[0][1], np.log(own.sum()))
    *slopes, nothing = chain.back(kept, (np.ones(6), None, None, None))
    assert nothing.shape == (2,)
    for slot, slope in enumerate(slopes):
        inputs = [initial, transition, emission]
        step = 1e-6 * RNG.random(slope.shape) * (inputs[slot] != 0.0)
        ends = [total(*(x + sign * step if i == slot else x for i, x in enumerate(inputs))) for sign in (1, -1)]
        np.testing.assert_allclose((slope * step).sum(), (ends[0] - ends[1]) / 2.0, rtol=1e-5)
    path = conversions(ChainWalk())(initial, transition, starts, np.full(6, 0.5))
    assert path.tolist() == [1] * 6

    covariances = np.array([[[2.0, 0.5], [0.5, 1.0]]])
    w = conversions(InverseCholesky())(covariances)
    np.testing.assert_allclose(w @ covariances @ w.swapaxes(1, 2), np.eye(2)[None], atol=1e-14)


def test_nothing_of_jax_is_imported_before_its_mode_is_used():
    code = "import sys, em_vs_bayes.pymc; print([m for m in sys.modules if m.partition('.')[0] == 'jax'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]


@pytest.mark.skipif(not INSTALLED, reason="wants JAX")
@pytest.mark.parametrize("kind", ["HMM", "Mixture", "Rows", "GaussianHMM", "Tobit"])
def test_models_have_the_same_density_and_gradient_in_jax(kind):
    import jax
    from pymc.sampling.jax import get_jaxified_logp

    if kind in ("GaussianHMM", "Tobit"):
        model = {"GaussianHMM": evb.GaussianHMM(2), "Tobit": evb.Tobit("y ~ 1")}[kind].to_pymc(
            {"y": np.maximum(Y, 0.0)} if kind == "Tobit" else np.c_[Y, Y[::-1]]
        )
    else:
        given = {
            "HMM": {"initial": [0.5, 0.5], "transition": [[0.8, 0.2], [0.0, 1.0]]},
            "Mixture": {"weights": [0.3, 0.7]},
            "Rows": {},
        }[kind]
        with pm.Model() as model:
            mu = pm.Normal("mu", [0.0, 4.0], 3.0, shape=2)
            density = lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.0), y[:, None])  # noqa: E731
            one = "log_density" if kind == "Rows" else "emission_logp"
            function = (lambda y, mu: density(y, mu)[:, 0]) if kind == "Rows" else density
            getattr(evb.pymc, kind)("y", mu, observed=Y, **{one: function}, **given)
    point = model.initial_point()
    inputs = [point[v.name] for v in model.value_vars]
    height = get_jaxified_logp(model, negative_logp=False)
    slope = jax.grad(lambda x: -height(x))(inputs)
    np.testing.assert_allclose(-height(inputs), model.compile_logp()(point), rtol=1e-12)
    np.testing.assert_allclose(np.concatenate([np.ravel(v) for v in slope]), model.compile_dlogp()(point), 1e-9, 1e-9)
