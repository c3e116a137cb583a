"""Out of a crawl: where EM's rate nears one, a quasi-Newton method takes the climb for a while.

EM gives value and gradient of its objective (Fisher's identity), and L-BFGS makes steps of them whose convergence does
not depend on how much of the data is missing (Jamshidian & Jennrich 1997, JRSS B 59). Its coordinates are in units of
the errors that completed data would have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.methods.maximum import errors
from em_vs_bayes.program.program import Program

STEPS, MEMORY = 100, 20
FAR = 3.0  # in those units: other maxima, and places where the likelihood has no bound, are not to be jumped to
BEYOND = 1e300  # stands for infinity, with which line searches cannot count


def leapt(program: Program, theta: Array, stats: Array, *, prior: bool) -> Array | None:
    """theta after an ascent from there, boundary elements held; None where there is no way to go.

    Parameters
    ----------
    stats : ndarray
        Expected at ``theta``.
    prior : bool
        Whether the objective has the prior in it.
    """
    from scipy.optimize import minimize  # a fifth of a second that only a crawl pays for

    held = program.held(theta)
    x = held.unconstrain(theta)
    if not (held.ndim and np.isfinite(x).all()):
        return None

    def completed(at: Array) -> Array:
        return held.slope(at, theta, stats, prior=prior, jacobian=False)

    unit = errors(completed, x, held.groups())
    unit = np.where(unit > 0.0, unit, np.median(unit[unit > 0.0]) if unit.any() else 1.0)
    density = held.density(theta, 1.0, float(prior), 0.0)

    def fall(u: Any) -> Any:
        value, gradient = density(x + unit * u)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return BEYOND, np.zeros_like(u)
        return -value, -unit * gradient

    options: Any = {"maxiter": STEPS, "maxcor": MEMORY, "ftol": 1e-16, "gtol": 1e-9}
    with np.errstate(all="ignore"):
        bounds = [(-FAR, FAR)] * len(x)
        found = minimize(fall, np.zeros_like(x), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return held.constrain(x + unit * found.x, theta) if found.fun < BEYOND else None
