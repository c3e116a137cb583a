"""The shapes that cross from Python into compiled code: a model is data, and every kernel reads the same tables.

A program lives in four flat float64 vectors; the tables below say where each piece lies in them.

``theta``   the parameters in natural coordinates (weights, means minus the data centre, covariances, rates, ...)
``pot``     the potentials the E-step reads: the latent structure's first, then one group per stream
``stats``   the expected statistics the E-step returns: the latent structure's counts first, then one group per stream
``hyper``   the hyperparameters of the prior blocks

Compiled once, the kernels serve every model, because codes and offsets are arguments, not types.
"""

from typing import NamedTuple

import numpy as np

# --- latent structures: what the first potentials and statistics are -------------------------------------------
MIXTURE = 0  # log weights (K,); counts (K,)
SINGLE = 2  # one component, its regression censored: log weight 0; its count. The data are those of `single.condense`
CHAIN = 1  # log initial (K,), log transition (K, K); expected starts (K,) and transitions (K, K)

# --- kinds of stream: how a group of columns of y turns a potential into a log density -------------------------
GAUSS_FULL = 0  # c_k - 0.5 |W_k (x - m_k)|^2, W_k lower triangular
GAUSS_DIAG = 1  # c_k - 0.5 sum_j (w_kj (x_j - m_kj))^2 + (missing dims are left out; constants are per dimension)
LINEAR = 2  # sum_q T_q(y) eta_kq; the columns hold T(y), zero where y is missing
LOOKUP = 3  # eta_k[code]; the column holds the category as a float, -1 where missing
REGRESSION = 4  # c_k - 0.5 |W_k (x, y)|^2, columns x_1 ... x_p, y, the last row of W_k being (-w b', w)
STUDENT = 5  # c_k - h_k log(1 + (v_k (x - m_k))^2), one column
CENSORED = 6  # REGRESSION whose y is known to lie in an interval: columns x_1 ... x_p, lower, upper
TRUNCATED = 7  # REGRESSION of rows that are there only if y lies in an interval: x_1 ... x_p, y, lower, upper
ROBUST = 8  # CENSORED with Student t errors: x_1 ... x_p, lower, upper, degrees of freedom
COUNTS = 9  # excess_k - deviance(y, rate_k), see `saddle`; columns y and 1, both zero where y is missing
REGRESSIONS = (REGRESSION, CENSORED, TRUNCATED, ROBUST)  # x_1 ... x_p, then what is known of the response

# --- codes of parameter blocks: the conjugate family that ties theta, pot, stats and hyper --------------------
DIRICHLET = 0  # rows of probabilities (R, C)
GAMMA = 1  # rates (K,)
BETA = 2  # probabilities (K,)
GAUSS = 3  # means (K, d) with covariances
STATIONARY = 4  # rows of transition probabilities (K, K), whose stationary distribution is the initial one
COEFFICIENTS = 5  # regression coefficients (K, p) with standard deviations (K,)

# --- covariance structures of a GAUSS block: what theta holds ---------------------------------------------------
FULL = 0  # (K, d, d)
TIED = 1  # (d, d)
DIAG = 2  # variances (K, d)
SPHERICAL = 3  # variances (K,)
SIGMA = 4  # standard deviations (K,), d = 1: the univariate Normal
STUDENT_SIGMA = 5  # scales (K,) of a Student t, d = 1; then the degrees of freedom (K,), always fixed

# --- potentials of a GAMMA block --------------------------------------------------------------------------------
NATURAL = 0  # log rate, -rate: of a LINEAR stream
RATE_EXCESS = 1  # rate, and what is added to the log density where the rate is expected: of a COUNTS stream

# --- what prior the mean and the spread of a GAUSS block have ---------------------------------------------------
FLAT = 0  # constant density in the block's own parameters
JOINT = 1  # mean | covariance ~ N(m, covariance / kappa) (normal-inverse-Wishart or -gamma)
INDEPENDENT = 2  # mean ~ N(m, sd^2) elementwise; covariance ~ inverse-Wishart or variance ~ inverse-gamma
ELEMENTWISE = 3  # densities from the elementwise table (no conjugate update: slice steps)

# --- elementwise densities known to the compiled roads; parameters in columns a, b, c -----------------------------
DENSITY = {
    "Flat": 0,  # constant
    "Normal": 1,  # a = mu, b = sigma
    "HalfNormal": 2,  # a = sigma
    "Gamma": 3,  # a = shape, b = rate
    "InverseGamma": 4,  # a = shape, b = rate
    "Beta": 5,  # a, b
    "Exponential": 6,  # a = rate
    "StudentT": 7,  # a = df, b = mu, c = sigma
    "HalfStudentT": 8,  # a = df, b = sigma
    "Cauchy": 9,  # a = location, b = scale
    "HalfCauchy": 10,  # a = scale
    "LogNormal": 11,  # a = mu, b = sigma
    "Uniform": 12,  # a = lower, b = upper
    "Laplace": 13,  # a = mu, b = scale
    "TruncatedNormal": 15,  # a = mu, b = sigma, c = log P(x > 0); x > 0
    "InverseGammaOnSquare": 14,  # theta = sigma, sigma^2 ~ InverseGamma(a, b); density in sigma
}

# --- unconstrained coordinates ------------------------------------------------------------------------------------
IDENTITY = 0
LOG = 1  # theta = exp(x)
LOGIT = 2  # theta = 1 / (1 + exp(-x))
SIMPLEX = 3  # stick-breaking (Stan reference manual), scaled to the free mass
SPD = 4  # theta = L L', L lower triangular with diag exp(x); x packed row by row (lower triangle)
INTERVAL = 5  # theta = a + (b - a) / (1 + exp(-x))


class Data(NamedTuple):
    """One data set as kernels see it. Absent pieces are arrays of length 0, so types never change."""

    columns: np.ndarray  # (p, n) float64: those of y, side by side; NaN where a Gaussian value is missing
    centre: np.ndarray  # (p,) subtracted from each column as it is read (0 for non-Gaussian columns)
    base: np.ndarray  # (n,) or (0,): log base measure h(y), added to each row's evidence
    weights: np.ndarray  # (n,) or (0,): case weights
    labels: np.ndarray  # (n,) or (0,) int64: known component, -1 unknown
    pattern: np.ndarray  # (n,) or (0,) int64: missingness pattern of the row, 0 = complete
    observed: np.ndarray  # (P, p) bool: which columns pattern i observes; row 0 all true
    starts: np.ndarray = np.empty(0, np.int64)  # (S + 1,) int64: where sequences start, and n; (0,) without sequences
    known: np.ndarray = np.empty(0)  # sums over rows, in y no longer or already at hand, or (0,): see `single`
    parts: np.ndarray = np.empty(0, np.int64)  # where rows of each kind end, or (0,): see `single`

    def changed(self, **pieces):
        """With other rows or case weights: what was summed over the old ones goes."""
        return self._replace(known=np.empty(0), **pieces)

    @property
    def y(self) -> np.ndarray:
        """(n, p), the same memory. Arrays that kernels are given have one order, so that each is compiled once."""
        return self.columns.T


class Streams(NamedTuple):
    """Column groups of y. All int64 (S,), but for ``code``. Made by `streams.table`."""

    kind: np.ndarray
    col: np.ndarray  # first column in y
    # d (Gaussian), statistics q (LINEAR, COUNTS), categories (LOOKUP), p + 1 (REGRESSION and kin), 1 (STUDENT)
    size: np.ndarray
    pot: np.ndarray  # offset in pot
    stat: np.ndarray  # offset in stats
    code: np.ndarray  # (roles, S): addresses of the kind's functions, see `streams`


class Blocks(NamedTuple):
    """Parameter blocks. All int64 (B,). See DIRICHLET ... GAUSS for what each column means for a code."""

    code: np.ndarray
    rows: np.ndarray  # R (DIRICHLET), K (others)
    size: np.ndarray  # C (DIRICHLET), d (GAUSS), p (COEFFICIENTS), 1
    theta: np.ndarray  # offset in theta of the block's first parameter (GAUSS: the means)
    theta2: np.ndarray  # GAUSS, COEFFICIENTS: offset of the covariance parameter or of sigma; else 0
    pot: np.ndarray  # offset in pot
    stat: np.ndarray  # offset in stats
    hyper: np.ndarray  # offset in hyper
    covariance: np.ndarray  # GAUSS: FULL ... STUDENT_SIGMA; GAMMA: NATURAL, RATE_EXCESS
    # GAUSS, COEFFICIENTS: FLAT, JOINT, INDEPENDENT, ELEMENTWISE; others: FLAT, JOINT (conjugate), ELEMENTWISE
    mean_prior: np.ndarray
    spread_prior: np.ndarray  # GAUSS: FLAT, JOINT, INDEPENDENT (IW / IG without the mean term), ELEMENTWISE


class Coordinates(NamedTuple):
    """How an unconstrained x makes theta. One row per unit; fixed elements of theta have no coordinate."""

    code: np.ndarray  # (U,) int64
    x: np.ndarray  # (U,) int64 offset in x
    nx: np.ndarray  # (U,) int64 coordinates used
    first: np.ndarray  # (U,) int64 offset in `where`
    ntheta: np.ndarray  # (U,) int64 elements of theta written
    ordered: np.ndarray  # (U,) int64: 1 if the elements increase (x is made increasing before IDENTITY, LOG, LOGIT)
    a: np.ndarray  # (U,) float64: SIMPLEX free mass; INTERVAL lower end
    b: np.ndarray  # (U,) float64: INTERVAL upper end
    where: np.ndarray  # int64 positions in theta, unit after unit


class Prior(NamedTuple):
    """The prior's numbers: hyperparameters of blocks, elementwise densities, what is fixed."""

    hyper: np.ndarray  # float64
    element: np.ndarray  # (E,) int64 positions in theta with an elementwise density
    density: np.ndarray  # (E,) int64 code from DENSITY
    abc: np.ndarray  # (E, 3) float64
    shift: np.ndarray  # (P,) float64: what to add to theta to get the user's value (the data centre for means)
    free: np.ndarray  # (P,) bool: False where the user fixed the element
    constant: np.ndarray  # (1,) float64 added to the log prior (log K! for an ordered exchangeable prior)


class Plan(NamedTuple):
    """The steps of a Gibbs sweep after the latent draw, in order. All int64 (S,). Made by `gibbs.plan`."""

    step: np.ndarray  # CONJUGATE ... SLICE
    block: np.ndarray
    element: np.ndarray  # SLICE: row of prior.element, or ~position in theta where no elementwise density is in force
    below: np.ndarray  # SLICE: position in theta of the next smaller ordered parameter, -1 for none
    above: np.ndarray  # SLICE: of the next larger, -1 for none
    code: np.ndarray  # address of the step's function


class Scratch(NamedTuple):
    """Vectors for drawing parameters, each long enough for a d x d matrix or a row of probabilities."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    h: np.ndarray
