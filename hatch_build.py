"""Compile the kernels while a wheel is built, as a package in C would: ``pip install`` then leaves none to compile."""

import os
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledKernels(BuildHookInterface):
    """Fills ``em_vs_bayes/kernels/compiled`` and lets it travel with the wheel, which is then one platform's."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; without success the wheel is built all the same, and kernels are compiled when they are first used.

        Editable installations compile in place, when they are told to: ``python -m em_vs_bayes.program.warm``.
        """
        if self.target_name != "wheel" or version == "editable":
            return
        here = os.environ | {"PYTHONPATH": os.pathsep.join([self.root, *sys.path])}  # pip's build environment is a path
        if subprocess.run([sys.executable, "-m", "em_vs_bayes.program.warm"], env=here, check=False).returncode:
            self.app.display_warning("The kernels could not be compiled now; they will be when they are first used.")
            return
        build_data["artifacts"] += ["em_vs_bayes/kernels/compiled/*"]
        build_data["infer_tag"], build_data["pure_python"] = True, False
