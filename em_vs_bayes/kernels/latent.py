"""Which functions a latent structure has for all data: what posteriors and samplers call, by their addresses."""

from typing import Any

import numpy as np

from em_vs_bayes.kernels import chain, mixture, single
from em_vs_bayes.kernels.addresses import address, by_address, calls
from em_vs_bayes.kernels.jit import inlined
from em_vs_bayes.kernels.signatures import DRAW_ALL_TYPES, EXPECT_TYPES
from em_vs_bayes.kernels.tables import CHAIN, MIXTURE, SINGLE

EXPECT: dict[int, Any] = {MIXTURE: mixture.expect, CHAIN: chain.expect, SINGLE: single.expect}
DRAW: dict[int, Any] = {MIXTURE: mixture.draw, CHAIN: chain.draw, SINGLE: single.draw}


def expect_code(latent: int) -> int:
    """The address of the structure's E-step."""
    return address(EXPECT[latent], EXPECT_TYPES)


def draw_code(latent: int) -> int:
    """The address of its draw of everything latent."""
    return address(DRAW[latent], DRAW_ALL_TYPES)


@calls
def _expect(typing, code, data, streams, pot, K, first, last, stats, memory):
    return by_address(EXPECT_TYPES)


@calls
def draw(typing, code, data, streams, pot, K, rng, z, stats):
    """Draw all latent categories into ``z``, and missing values; their statistics are written to ``stats``."""
    return by_address(DRAW_ALL_TYPES)


@inlined
def expect(code, data, streams, pot, K, stats):
    """Log evidence of all data, sequences if there are any, rows else; their statistics are written to ``stats``."""
    units = data.starts.size - 1 if data.starts.size > 0 else data.columns.shape[1]
    return _expect(code, data, streams, pot, K, 0, units, stats, np.empty(0))
