"""``python -m em_vs_bayes.cli``."""

from em_vs_bayes.cli.commands import main

main()
