"""Run all sections, or those named: ``python -m benchmarks [em] [vi] [gibbs] [nuts] [hmm] [pymc_hmm] [tobit] ...``."""

import sys

from benchmarks import threads  # before numpy: BLAS reads its thread count when it loads

SECTIONS = ("em", "vi", "gibbs", "nuts", "hmm", "pymc_hmm", "tobit", "whole", "imports", "memory")


def main(names: list[str]) -> int:
    """Print the tables of the named sections; 2 if a name is unknown."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"Unknown section(s) {', '.join(unknown)}; there are {', '.join(SECTIONS)}.", file=sys.stderr)
        return 2
    from importlib import import_module

    with threads.limited():
        for name in names or SECTIONS:
            import_module(f"benchmarks.{name}").run()
    return 0


sys.exit(main(sys.argv[1:]))
