"""Undo label switching: one permutation of the components per posterior draw.

Every function returns ``permutation`` (draws, K) of int64 with one meaning:

    aligned[s, k] = raw[s, permutation[s, k]]

so ``permutation[s, k]`` is the raw label of what the reference calls component ``k``. Each method builds a
(draws, K, K) table of costs, ``cost[s, j, k]`` for calling raw component ``k`` by the reference's name ``j``,
and solves the assignment problems together.

Sources: M. Stephens (2000), JRSS B 62, 795-809, Algorithm 2; P. Papastamoulis and G. Iliopoulos (2010), JCGS
19, 313-331 (equivalence classes representatives, ECR).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import numpy as np

__all__ = ["apply", "ecr", "even_rows", "hungarian_by_parameters", "invert", "stephens"]

ROWS = 512  # rows of data that carry the labels of a draw well enough
BLOCK = 1 << 22  # elements of a temporary array


def even_rows(n: int, at_most: int = ROWS) -> np.ndarray:
    """Indices of at most ``at_most`` rows out of ``n``, evenly spread, first and last included."""
    return np.arange(n) if n <= at_most else np.linspace(0, n - 1, at_most).round().astype(np.int64)


def ecr(allocations: np.ndarray, reference: np.ndarray, n_components: int) -> np.ndarray:
    """Relabel each draw so that its allocations agree with the reference on as many rows as possible (ECR).

    Parameters
    ----------
    allocations : (draws, n) int
        Component of each row in each draw.
    reference : (n,) int
        The pivot allocation.
    n_components : int

    Returns
    -------
    (draws, K) int64

    Raises
    ------
    ValueError
        If the shapes disagree or a label lies outside 0..K-1.
    """
    allocations, reference = np.atleast_2d(np.asarray(allocations)), np.asarray(reference)
    draws, n = allocations.shape
    if reference.shape != (n,):
        raise ValueError(f"reference has shape {reference.shape}; allocations {allocations.shape} want ({n},)")
    for name, labels in (("allocations", allocations), ("reference", reference)):
        if labels.size and (labels.min() < 0 or labels.max() >= n_components):
            raise ValueError(f"{name} holds labels {labels.min()} to {labels.max()}; wants 0 to {n_components - 1}")
    cells = n_components**2
    agreement = np.empty((draws, n_components, n_components))
    step = max(1, BLOCK // max(n, 1))
    for start in range(0, draws, step):
        block = allocations[start : start + step]
        cell = np.arange(len(block))[:, None] * cells + reference * n_components + block
        counts = np.bincount(cell.ravel(), minlength=len(block) * cells)
        agreement[start : start + step] = counts.reshape(-1, n_components, n_components)
    return _assign(-agreement)


def stephens(
    probabilities: np.ndarray | Callable[[int], np.ndarray],
    reference: np.ndarray,
    *,
    draws: int | None = None,
    max_iter: int = 1,
    max_rows: int = ROWS,
) -> np.ndarray:
    """Relabel each draw so that its responsibilities lie nearest the reference's by Kullback-Leibler.

    The cost of calling raw component k by the name j is sum_i p_ik log(p_ik / q_ij), with p the draw's
    responsibilities and q the reference's (Stephens 2000, Algorithm 2, step 2). With ``max_iter`` > 1 the
    reference becomes the mean of the relabelled draws and the step is repeated until no label changes.

    Parameters
    ----------
    probabilities : (draws, n, K) array, or callable
        Responsibilities. A callable takes the index of a draw and gives that draw's (n', K) array on the very
        rows of ``reference``, so that nothing of size draws x n is ever held.
    reference : (n, K)
        Responsibilities that fix the labels. An array ``probabilities`` is read on at most ``max_rows``
        evenly chosen rows; with a callable, choose them yourself by ``even_rows``.
    draws : int
        Number of draws; needed with a callable alone.

    Returns
    -------
    (draws, K) int64

    Raises
    ------
    ValueError
        If the shapes disagree, ``draws`` is missing or a probability is not finite.
    """
    q = np.asarray(reference, dtype=np.float64)
    if callable(probabilities):
        if draws is None:
            raise ValueError("draws got None; a callable probabilities wants the number of draws")
        one, count = probabilities, draws
    else:
        p = np.asarray(probabilities, dtype=np.float64)
        if p.ndim != 3 or p.shape[1:] != q.shape:
            raise ValueError(f"probabilities has shape {p.shape}; reference {q.shape} wants (draws, n, K)")
        rows = even_rows(len(q), max_rows)
        p, q = p[:, rows], q[rows]
        one, count = p.__getitem__, len(p)

    permutation = np.tile(np.arange(q.shape[1]), (count, 1))
    for _ in range(max_iter):
        before = permutation
        permutation = _assign(_divergences(one, q, count))
        if max_iter == 1 or np.array_equal(permutation, before):
            break
        q = sum((one(s)[:, permutation[s]] for s in range(count)), start=np.zeros_like(q)) / count
    return permutation


def hungarian_by_parameters(draws: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> np.ndarray:
    """Relabel each draw so that its parameters lie nearest the reference's, each in units of its own spread.

    For models whose responsibilities are not at hand; parameters that overlap mislead it where ``stephens``
    is not.

    Parameters
    ----------
    draws : name -> (draws, K, ...)
    reference : name -> (K, ...)
        Same names; a name missing here is not used.

    Returns
    -------
    (draws, K) int64

    Raises
    ------
    ValueError
        If no name is shared or shapes disagree.
    """
    names = [name for name in reference if name in draws]
    if not names:
        raise ValueError(f"reference holds {list(reference)}; wants a name among {list(draws)}")
    cost: np.ndarray | float = 0.0
    for name in names:
        x, centre = np.asarray(draws[name], dtype=np.float64), np.asarray(reference[name], dtype=np.float64)
        if x.shape[1:] != centre.shape:
            raise ValueError(f"{name} of reference has shape {centre.shape}; draws {x.shape} want {x.shape[1:]}")
        x, centre = x.reshape(*x.shape[:2], -1), centre.reshape(len(centre), -1)
        scale = x.std(axis=(0, 1))  # over draws and labels: the same whatever the labels are
        scale[scale == 0] = 1.0
        x, centre = x / scale, centre / scale
        squares = (x**2).sum(-1)[:, None, :] + (centre**2).sum(-1)[:, None]
        cost = cost + squares - 2 * np.matmul(centre, x.swapaxes(1, 2))
    return _assign(np.asarray(cost))


def apply(
    permutation: np.ndarray, arrays: Mapping[str, np.ndarray], axes: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """Relabel ``arrays``: every axis named in ``axes`` is a component axis and is permuted draw by draw.

    Parameters
    ----------
    permutation : (..., K) int
        Leading dims are those of the draws, such as (draws,) or (chain, draw), or none.
    arrays : name -> (..., parameter dims)
    axes : name -> axes of the array that run over components
        A transition matrix has two. A name that is missing here is returned as it is.

    Raises
    ------
    ValueError
        If an axis has not length K or leading dims disagree.
    """
    permutation = np.asarray(permutation)
    lead, k = permutation.shape[:-1], permutation.shape[-1]
    out = {}
    for name, array in arrays.items():
        for axis in axes.get(name, ()):
            if array.shape[: len(lead)] != lead or array.shape[axis] != k:
                raise ValueError(
                    f"{name} has shape {array.shape}; wants leading dims {lead} and length {k} on axis {axis}"
                )
            shape = list(lead) + [1] * (array.ndim - len(lead))
            shape[axis] = k
            array = np.take_along_axis(array, permutation.reshape(shape), axis=axis)
        out[name] = array
    return out


def invert(permutation: np.ndarray) -> np.ndarray:
    """Inverse of each permutation in (..., K): the reference's name of each raw component."""
    return np.argsort(permutation, axis=-1)


def _divergences(one: Callable[[int], np.ndarray], q: np.ndarray, count: int) -> np.ndarray:
    """Stephens' costs (draws, K, K), less the term sum p log p, which no relabelling changes."""
    names = -np.log(np.maximum(q, np.finfo(np.float64).tiny)).T  # a reference of exactly 0 costs much, not infinity
    cost = np.empty((count, q.shape[1], q.shape[1]))
    for s in range(count):
        p = one(s)
        if p.shape != q.shape:
            raise ValueError(f"probabilities of draw {s} have shape {p.shape}; reference has {q.shape}")
        cost[s] = names @ p
    if not np.isfinite(cost).all():
        raise ValueError(f"probabilities of draw {np.isfinite(cost).all((1, 2)).argmin()} are not finite")
    return cost


def _assign(cost: np.ndarray) -> np.ndarray:
    """Cheapest permutation of each table of ``cost`` (draws, K, K); ties keep the labels as they are."""
    k = cost.shape[1]
    if k <= 3:
        every = np.array(list(permutations(range(k))))  # the identity comes first
        return every[cost[:, np.arange(k), every].sum(-1).argmin(-1)]
    cheapest = cost.argmin(axis=2)
    diagonal = np.diagonal(cost, axis1=1, axis2=2)
    cheapest = np.where(diagonal <= cost.min(axis=2), np.arange(k), cheapest)
    # Where each name has its own cheapest component, that is the answer; the solver is for the rest.
    settled = (np.sort(cheapest, axis=1) == np.arange(k)).all(axis=1)
    if settled.all():
        return cheapest
    from scipy.optimize import linear_sum_assignment  # half a second to import, and seldom wanted

    for s in np.flatnonzero(~settled):
        cheapest[s] = linear_sum_assignment(cost[s])[1]
    return cheapest
