"""Variables whose draws are a Python function: PyTensor's numba code calls it as it is, without a warning each time."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from pytensor.graph.basic import Apply
from pytensor.link.numba.dispatch.basic import get_numba_type, numba_njit
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify

objmode: Any = numba.objmode


def draw_in_python(variable: Any, random: Any) -> Any:
    """The random variable of a `pymc.CustomDist`, its ``random`` made known to PyTensor's numba backend.

    `pymc.CustomDist` makes a class of its own for every variable, so that this speaks for one variable alone. Batches
    become loops over draws, which ``random`` need not know.

    Parameters
    ----------
    variable : tensor
        What ``pymc.CustomDist(..., random=random)`` returned.
    random : callable (*inputs, rng, size) -> ndarray
        Called with the inputs of one draw and a size of None.

    Returns
    -------
    tensor
        ``variable``.
    """

    def core(op: Any, node: Apply) -> tuple[Any, None]:
        out = node.outputs[1].type
        core_type = get_numba_type(out.clone(shape=out.shape[out.ndim - op.ndim_supp :]))
        if op.ndim_supp == 0:
            core_type = core_type.dtype

        def draw(rng: np.random.Generator, inputs: Any) -> Any:
            return np.asarray(random(*map(np.asarray, inputs), rng=rng, size=None), dtype=out.dtype)[()]

        def by_object_mode(rng, *inputs):  # type: ignore[no-untyped-def]  # compiled as it stands
            with objmode(values=core_type):
                values = draw(rng, inputs)
            return values  # noqa: RET504  # objmode allows no return within

        return numba_njit(by_object_mode), None  # nothing to cache: Python functions have no key

    numba_core_rv_funcify.register(type(variable.owner.op))(core)
    return variable
