"""Parameter blocks: each ties parameters, prior, statistics and potentials, for EM, CAVI and the samplers alike."""

from em_vs_bayes.blocks.gaussian_diagonal import DiagonalGaussianBlock
from em_vs_bayes.blocks.gaussian_full import FullGaussianBlock
from em_vs_bayes.blocks.probabilities import ProbabilityRows
from em_vs_bayes.blocks.regression import RegressionBlock
from em_vs_bayes.blocks.renamed import Renamed
from em_vs_bayes.blocks.scalars import ProbabilityBlock, RateBlock
from em_vs_bayes.blocks.stationary import StationaryRows
from em_vs_bayes.blocks.student import StudentBlock

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
