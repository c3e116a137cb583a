"""Parameters of a model of the user's own: each a block of the library with its conjugate prior."""

from em_vs_bayes.model.params.base import Param, Potentials
from em_vs_bayes.model.params.families import Normal, Probability, Rate, Simplex

__all__ = ["Normal", "Param", "Potentials", "Probability", "Rate", "Simplex"]
