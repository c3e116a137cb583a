"""A hidden Markov model in a user's own PyMC model: `evb.pymc.HMM` beside the forward recursion by `pytensor.scan`."""

from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

import em_vs_bayes as evb
from benchmarks.measure import seconds
from benchmarks.show import at_least, ms, table
from em_vs_bayes.common.contract import Array

T, K = 1000, 3
MEANS, SDS = np.array([-2.0, 0.0, 2.0]), np.array([0.7, 0.5, 0.9])
TRANSITION = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]])
OPTIONS = {"draws": 300, "tune": 300, "chains": 2, "cores": 1, "nuts_sampler": "pymc", "random_seed": 1} | {
    "progressbar": False,
    "quiet": True,
    "compute_convergence_checks": False,
}


def data() -> Array:
    rng = np.random.default_rng(1)
    z = np.zeros(T, dtype=int)
    for t in range(1, T):
        z[t] = rng.choice(K, p=TRANSITION[z[t - 1]])
    return rng.normal(MEANS[z], SDS[z])


def parameters() -> tuple[Any, Any, Any]:
    transition = pm.Dirichlet("transition", np.ones((K, K)))
    mu = pm.Normal("mu", [-1.0, 0.0, 1.0], 5.0, transform=pm.distributions.transforms.ordered)
    return transition, mu, pm.HalfNormal("sigma", 2.0, shape=K)


def ours(y: Array) -> pm.Model:
    with pm.Model() as model:
        transition, mu, sigma = parameters()
        evb.pymc.HMM(
            "y",
            mu,
            sigma,
            initial=np.full(K, 1 / K),
            transition=transition,
            emission_logp=lambda y, mu, sigma: pm.logp(pm.Normal.dist(mu, sigma), y[:, None]),
            observed=y,
        )
    return model


def scan(y: Array) -> pm.Model:
    """In logarithms, differentiated by PyTensor."""
    with pm.Model() as model:
        transition, mu, sigma = parameters()
        density = pm.logp(pm.Normal.dist(mu, sigma), y[:, None])

        def forward(row: Any, alpha: Any, log_transition: Any) -> Any:
            return pt.logsumexp(alpha[:, None] + log_transition, axis=0) + row

        alpha = pytensor.scan(
            forward,
            sequences=[density[1:]],
            outputs_info=[density[0] - np.log(K)],
            non_sequences=[pt.log(transition)],
            return_updates=False,
        )
        pm.Potential("y", pt.logsumexp(alpha[-1]))
    return model


def run() -> None:
    y, took, values = data(), {}, {}
    for name, make in {"evb.pymc.HMM": ours, "pytensor.scan": scan}.items():
        model = make(y)
        compiling, function = seconds(lambda model=model: _gradient(model))
        again, _ = seconds(lambda make=make: _gradient(make(y)))
        gradient = min(seconds(lambda f=function: [f() for _ in range(200)])[0] for _ in range(7)) / 200
        values[name] = function()
        whole, trace = seconds(lambda model=model: pm.sample(model=model, **OPTIONS))
        ess = float(az.ess(trace["posterior"].to_dataset()).to_array().min())
        took[name] = compiling, again, gradient, whole, (whole - again) * 400.0 / ess
    mine, theirs = values.values()
    if not np.allclose(mine[0], theirs[0], rtol=1e-8) or not np.allclose(mine[1], theirs[1], rtol=1e-6, atol=1e-6):
        raise RuntimeError("The two models differ.")
    faster = took["pytensor.scan"][2] / took["evb.pymc.HMM"][2]
    verdicts = {"evb.pymc.HMM": f", {at_least(faster, 5.0)}", "pytensor.scan": ""}
    rows = [
        (name, f"{first:.1f} s", f"{again:.1f} s", ms(each) + verdicts[name], f"{whole:.1f} s", f"{enough:.1f} s")
        for name, (first, again, each, whole, enough) in took.items()
    ]
    table(
        f"A PyMC model of {T} rows and {K} states",
        (
            "states summed out by",
            "compiling",
            "again",
            "log density and gradient",
            "pm.sample, 600 draws",
            "to ESS 400",
        ),
        rows,
        "Processor time. The first compilation may find some of it in PyTensor's cache. To ESS 400: sampling alone.",
    )


def _gradient(model: pm.Model) -> Any:
    """The log density and its gradient, compiled and called once."""
    function = model.logp_dlogp_function(ravel_inputs=True)
    function.set_extra_values({})
    x = pm.blocking.DictToArrayBijection.map(model.initial_point(0))
    function(x)
    return lambda: function(x)
