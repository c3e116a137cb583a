"""Parameter blocks: each ties parameters, prior, statistics and potentials, for EM, CAVI and the samplers alike."""

from em_vs_bayes.model.blocks.gaussian_diagonal import DiagonalGaussianBlock
from em_vs_bayes.model.blocks.gaussian_full import FullGaussianBlock
from em_vs_bayes.model.blocks.probabilities import ProbabilityRows
from em_vs_bayes.model.blocks.regression import RegressionBlock
from em_vs_bayes.model.blocks.renamed import Renamed
from em_vs_bayes.model.blocks.scalars import ProbabilityBlock, RateBlock
from em_vs_bayes.model.blocks.stationary import StationaryRows
from em_vs_bayes.model.blocks.student import StudentBlock

__all__ = [
    "DiagonalGaussianBlock",
    "FullGaussianBlock",
    "ProbabilityBlock",
    "ProbabilityRows",
    "RateBlock",
    "RegressionBlock",
    "Renamed",
    "StationaryRows",
    "StudentBlock",
]
