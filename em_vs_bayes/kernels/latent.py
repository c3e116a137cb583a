"""Which latent structure a program has is a number: the one place in compiled code where it is looked at."""

import numpy as np

from em_vs_bayes.kernels import chain, mixture, single
from em_vs_bayes.kernels.jit import kernel
from em_vs_bayes.kernels.tables import CHAIN, MIXTURE, SINGLE


@kernel
def expect(latent, data, streams, pot, K, stats):
    """Log evidence of all data; the expected statistics are written to ``stats``."""
    if latent == MIXTURE:
        return mixture.expect(data, streams, pot, K, 0, data.y.shape[0], stats)
    if latent == CHAIN:
        return chain.expect(data, streams, pot, K, 0, data.starts.size - 1, stats, np.empty(0))
    if latent == SINGLE:
        return single.expect(data, streams, pot, 0, data.y.shape[0], stats)
    raise ValueError("latent: want MIXTURE, CHAIN or SINGLE")


@kernel
def draw(latent, data, streams, pot, K, rng, z, stats):
    """Draw all latent categories into ``z``, and missing values; their statistics are written to ``stats``."""
    if latent == MIXTURE:
        return mixture.draw(data, streams, pot, K, rng, z, stats)
    if latent == CHAIN:
        return chain.draw(data, streams, pot, K, rng, z, stats)
    if latent == SINGLE:
        return single.draw(data, streams, pot, rng, stats)
    raise ValueError("latent: want MIXTURE, CHAIN or SINGLE")
