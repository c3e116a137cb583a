"""Command line: ``em-vs-bayes compare faithful --report report.html``, and ``fit``, ``select``, ``datasets``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

from em_vs_bayes.cli.commands import app, main

__all__ = ["app", "main"]
