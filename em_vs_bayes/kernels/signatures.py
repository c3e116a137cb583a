"""Types of what kernels that are called by address take, and of what they return."""

import numpy as np
from numba import typeof, types

from em_vs_bayes.kernels.stream_block import Work
from em_vs_bayes.kernels.stream_missing import Conditionals
from em_vs_bayes.kernels.tables import (
    Blocks,
    Data,
    Plan,
    Prior,
    Scratch,
    Streams,
)

INT, FLOAT, FLAG = types.int64, types.float64, types.boolean
_floats, _ints, _table = np.empty(0), np.empty(0, np.int64), np.empty((0, 0))
FLOATS, INTS = typeof(_floats), typeof(_ints)
DATA = typeof(Data(_table, _floats, _floats, _floats, _ints, _ints, np.empty((0, 0), np.bool_), _ints, _floats, _ints))
STREAMS = typeof(Streams(_ints, _ints, _ints, _ints, _ints, np.empty((0, 0), np.int64)))
WORK = typeof(Work(**dict.fromkeys(Work._fields, _floats) | {"columns": _table, "ahead": _ints}))
CONDITIONALS = typeof(Conditionals(_ints, _ints, _table, _ints, _floats))
BLOCKS = typeof(Blocks(*(_ints for _ in Blocks._fields)))
PRIOR = typeof(Prior(_floats, _ints, _ints, _table, _floats, np.empty(0, np.bool_), _floats))
PLAN = typeof(Plan(*(_ints for _ in Plan._fields)))
SCRATCH = typeof(Scratch(*(_floats for _ in Scratch._fields)))
RNG = typeof(np.random.default_rng(0))

# --- of a kind of stream, for a block of rows; see `streams` --------------------------------------------------------
#   add       pot, its offset o, first column, size, K, rows, work
#   sum       data, pot, o, first column, size, K, stream s, first row, rows, work, drawn, stats, offset in stats
#   missing   data, streams, s, pot, K, first row, rows, work, conditionals; then stats (fill), rng and z (draw)
ADD_TYPES = types.void(FLOATS, INT, INT, INT, INT, INT, WORK)
SUM_TYPES = types.void(DATA, FLOATS, INT, INT, INT, INT, INT, INT, INT, WORK, FLAG, FLOATS, INT)
MISSING_TYPES = types.void(DATA, STREAMS, INT, FLOATS, INT, INT, INT, WORK, CONDITIONALS)
FILL_TYPES = types.void(*MISSING_TYPES.args, FLOATS)
DRAW_TYPES = types.void(*MISSING_TYPES.args, RNG, INTS)

# --- of a latent structure; see `latent` ----------------------------------------------------------------------------
#   expect    data, streams, pot, K, first and last unit, stats, memory -> log evidence
#   draw      data, streams, pot, K, rng, z, stats -> log evidence
EXPECT_TYPES = FLOAT(DATA, STREAMS, FLOATS, INT, INT, INT, FLOATS, FLOATS)
DRAW_ALL_TYPES = FLOAT(DATA, STREAMS, FLOATS, INT, RNG, INTS, FLOATS)

# --- of Gibbs sampling; see `gibbs` -----------------------------------------------------------------------------------
#   step      blocks, prior, block b, element, below, above, theta, stats, rng, work -> False where it is improper
#   sweeps    address of the draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, thin, out -> sweeps
STEP_TYPES = FLAG(BLOCKS, PRIOR, INT, INT, INT, INT, FLOATS, FLOATS, RNG, SCRATCH)
SWEEPS_TYPES = INT(
    INT, DATA, STREAMS, BLOCKS, PRIOR, PLAN, INT, RNG, FLOATS, FLOATS, FLOATS, INTS, INT, typeof(np.empty((0, 0)))
)
