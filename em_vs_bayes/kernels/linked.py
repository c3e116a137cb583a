"""Compiling functions that are only ever part of others: as far as LLVM's intermediate code, and no further.

Numba takes every function all the way: it links what the function calls into it, optimises the whole, and makes machine
code of it. For functions that nobody calls but other kernels that is done once more at each level of calls, and thrown
away. A `Part` stops before: its callers link it as it is, and it is optimised and turned into machine code with them.

The classes say where numba's own compiler differs; they lean on its pipeline (numba.core.compiler) and on its libraries
of code (numba.core.codegen).
"""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import AnnotateTypes


class _NoMachineCode:
    """In place of the engine that machine code is loaded into."""

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing: there is no machine code yet that could read its environment."""


class Part(JITCodeLibrary):
    """Intermediate code that is waiting for a caller. It has no addresses, and numba cannot cache it."""

    @property
    def codegen(self) -> Any:
        """What numba, once it has compiled a function, asks to load the function's environment."""
        return _NoMachineCode()

    def _optimize_final_module(self) -> None:
        """Nothing: it is optimised inside its callers."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=False, analysis_only=True)
class _IntoPart(LoweringPass):
    """Has the code that follows written into a `Part`."""

    _name = "em_vs_bayes_into_part"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        state.library = Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return False  # the function is as it was


class PartCompiler(CompilerBase):
    """Numba's pipeline, but for where the code goes."""

    def define_pipelines(self) -> list[Any]:
        """Numba's passes in their order, and ours before the code is made."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_IntoPart, AnnotateTypes)
        passes.finalize()
        return [passes]
