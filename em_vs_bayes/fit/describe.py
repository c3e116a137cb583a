"""Tables for people: parameter summaries and the priors in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common.arguments import fraction
from em_vs_bayes.fit.mixing import diagnostics
from em_vs_bayes.fit.names import scalar_names
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.uncertainty import Asked, confint, std_errors
from em_vs_bayes.model.spec import Spec
from em_vs_bayes.program.compile import compile as compile_program

if TYPE_CHECKING:
    import pandas as pd


def summary(fit: Record, level: float = 0.95) -> pd.DataFrame:
    """See `Fit.summary`."""
    import pandas as pd

    fraction("level", level)

    names = scalar_names(fit)
    estimate = np.concatenate([np.ravel(v) for v in fit.params.values()])
    table = pd.DataFrame({"estimate": estimate}, index=names)
    try:
        table["sd"] = np.concatenate([np.ravel(v) for v in std_errors(fit, Asked()).values()])
        limits = confint(fit, level, Asked())
        table["lower"], table["upper"] = limits["lower"].to_numpy(), limits["upper"].to_numpy()
    except ValueError:  # no standard errors here; Fit.std_errors() says why
        table[["sd", "lower", "upper"]] = np.nan
    if fit.draws is not None and fit.draws.shape[0] > 1:
        table = table.join(diagnostics(fit))
    return table


def describe_priors(spec: Spec, y: Any, exog: Any = None) -> pd.DataFrame:
    """See `Spec.describe_priors`."""
    import pandas as pd

    program = compile_program(spec, y, exog=exog)
    rows, default = [], "default, scaled to the data" if spec.model_emission.dims() else "default"
    for placed in program.placed:
        for names, prior in placed.block.describe():
            if any(placed.prefix + name not in spec.parameter_dims() for name in names):
                continue  # the weight of an only component
            own = [name for name in names if placed.prefix + name in spec.priors]
            whose = "given" if own or placed.prefix + spec.joint_prior in spec.priors else default
            rows.append((", ".join(placed.prefix + name for name in names), repr(prior), whose))
    return pd.DataFrame(rows, columns=["parameters", "prior", "source"])
