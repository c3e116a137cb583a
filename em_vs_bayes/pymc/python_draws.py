"""Variables whose draws are a Python function: PyTensor's numba code calls it as it is, without a warning each time.

PyMC makes a class for every such variable and tells its own tables of it. A pickle holds the class, but not what the
tables say: it is told again where a variable arrives.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numba
import numpy as np
from pymc.distributions.custom import CustomDistRV
from pymc.distributions.distribution import _support_point
from pymc.logprob.abstract import _logcdf, _logprob
from pymc.step_methods import STEP_METHODS
from pytensor.graph.basic import Apply
from pytensor.link.numba.dispatch.basic import get_numba_type, numba_njit
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify
from pytensor.tensor.random.op import custom_rng_deepcopy

objmode: Any = numba.objmode
TABLES = (_logprob, _logcdf, _support_point)  # what PyMC asks by the class of a variable
CONTENT = ("name", "inplace", "ndim_supp", "ndims_params", "signature", "dtype", "_print_name", "_random_fn")


class Undrawn:
    """What ``random`` returns where there is nothing to draw with: a shape, for graphs of models ask for that alone."""

    def __init__(self, shape: tuple[int, ...], missing: str) -> None:
        self.shape, self._missing = shape, missing

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(self._missing)


def draw_in_python(variable: Any, random: Any, step: Any = None) -> Any:
    """The random variable of a `pymc.CustomDist`, its ``random`` made known to PyTensor's numba backend.

    `pymc.CustomDist` makes a class of its own for every variable, so that this speaks for one variable alone. Batches
    become loops over draws, which ``random`` need not know.

    Parameters
    ----------
    variable : tensor
        What ``pymc.CustomDist(..., random=random)`` returned.
    random : callable (*inputs, rng, size) -> ndarray
        Called with the inputs of one draw and a size of None.
    step : type, optional
        A step method of ours that ``pymc.sample`` is to choose from.

    Returns
    -------
    tensor
        ``variable``.
    """
    _speak_for(type(variable.owner.op), random, step)
    return variable


def _speak_for(kind: Any, random: Any, step: Any) -> None:
    """Let PyTensor draw variables of this class, and pickles carry it."""

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

    def perform(op: Any, node: Apply, inputs: Any, outputs: Any) -> None:
        rng, size, *given = inputs
        rng = rng if op.inplace else custom_rng_deepcopy(rng)
        drawn = op.rng_fn(rng, *given, None if size is None else tuple(size))
        outputs[0][0] = rng
        outputs[1][0] = drawn if isinstance(drawn, Undrawn) else np.asarray(drawn, dtype=op.dtype)

    def carried(op: Any) -> tuple[Any, ...]:
        told = [table.dispatch(kind) for table in TABLES]
        content = {name: getattr(kind, name) for name in CONTENT}
        return _arrived, (kind.__name__, content, told, random, step), vars(op)

    numba_core_rv_funcify.register(kind)(core)
    kind.__reduce__, kind.perform = carried, perform
    if step is not None and step not in STEP_METHODS:  # else pymc.sample takes what it knows
        STEP_METHODS.append(step)


def _arrived(name: str, content: dict[str, Any], told: list[Any], random: Any, step: Any) -> Any:
    """A variable's operator, of a class made anew that PyMC's tables know."""
    kind = type(name, (CustomDistRV,), content)
    for table, function in zip(TABLES, told, strict=True):
        table.register(kind)(function)
    _speak_for(kind, random, step)
    return kind()
