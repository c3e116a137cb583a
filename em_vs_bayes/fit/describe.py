"""Tables for people: parameter summaries and the priors in force."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common import printable
from em_vs_bayes.common.arguments import fraction
from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.fit.results import Fit


def scalar_names(fit: Fit) -> list[str]:
    """``means[0, 1]``, ``coefficients[age]`` and so on, in the order of the flattened parameters.

    Predictors go by their names, where a formula or a frame gave them any.
    """
    names, named = [], named_predictors(fit)
    for name, value in fit.params.items():
        dims = fit.spec.parameter_dims()[name]
        ticks = [named.get(dim, range(length)) for dim, length in zip(dims, value.shape, strict=True)]
        names += [f"{name}[{', '.join(map(str, where))}]" if where else name for where in product(*ticks)]
    return [printable.name(label) for label in names]


def named_predictors(fit: Fit) -> dict[str, list[str]]:
    """Dims of predictors that a formula or a frame gave names."""
    return {
        dim: names for dim, names in fit.program.predictors.items() if names != [f"x{j}" for j in range(len(names))]
    }


def summary(fit: Fit, level: float = 0.95) -> pd.DataFrame:
    """See `Fit.summary`."""
    import pandas as pd

    fraction("level", level)

    names = scalar_names(fit)
    estimate = np.concatenate([np.ravel(v) for v in fit.params.values()])
    table = pd.DataFrame({"estimate": estimate}, index=names)
    try:
        table["sd"] = np.concatenate([np.ravel(v) for v in fit.std_errors().values()])
        limits = fit.confint(level)
        table["lower"], table["upper"] = limits["lower"].to_numpy(), limits["upper"].to_numpy()
    except ValueError:  # no standard errors here; Fit.std_errors() says why
        table[["sd", "lower", "upper"]] = np.nan
    if fit.draws is not None and fit.draws.shape[0] > 1:
        table = table.join(diagnostics(fit))
    return table


def scalar_draws(fit: Fit) -> dict[str, Array]:
    """Label of each public scalar -> its draws (chain, draw)."""
    assert fit.draws is not None
    public = fit.program.public(fit.draws)
    values = np.concatenate([v.reshape(*fit.draws.shape[:2], -1) for v in public.values()], axis=2)
    return dict(zip(scalar_names(fit), np.moveaxis(values, 2, 0), strict=True))


def diagnostics(fit: Fit) -> pd.DataFrame:
    """R-hat, bulk and tail ESS and MCSE of the mean of every public scalar (Vehtari et al. 2021)."""
    import pandas as pd

    rows = {name: mixing(draws) for name, draws in scalar_draws(fit).items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["rhat", "ess_bulk", "ess_tail", "mcse"])


def mixing(draws: Array) -> tuple[float, float, float, float]:
    """R-hat, bulk and tail ESS and the mean's Monte-Carlo standard error of one scalar (chain, draw); NaN if fixed."""
    from arviz_stats.base import array_stats

    if np.ptp(draws) == 0:
        return np.nan, np.nan, np.nan, np.nan
    return (
        float(array_stats.rhat(draws, chain_axis=0, draw_axis=1)),
        float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="bulk")),
        float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))),
        float(array_stats.mcse(draws, chain_axis=0, draw_axis=1, method="mean")),
    )


def describe_priors(spec: Spec, y: Any, exog: Any = None) -> pd.DataFrame:
    """See `Spec.describe_priors`."""
    import pandas as pd

    from em_vs_bayes.program.compile import compile as compile_program

    program = compile_program(spec, y, exog=exog)
    rows = []
    for placed in program.placed:
        for names, prior in placed.block.describe():
            if any(placed.prefix + name not in spec.parameter_dims() for name in names):
                continue  # the weight of an only component
            own = [name for name in names if placed.prefix + name in spec.priors]
            whose = "given" if own or placed.prefix + spec.joint_prior in spec.priors else "default, scaled to the data"
            rows.append((", ".join(placed.prefix + name for name in names), repr(prior), whose))
    return pd.DataFrame(rows, columns=["parameters", "prior", "source"])
