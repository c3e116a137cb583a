"""Design matrices: an array or frame as it is, or what a formula makes of a frame (by formulaic), checked in words."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.data import kinds as columns
from em_vs_bayes.data import read
from em_vs_bayes.model.emissions import formula as formulas
from em_vs_bayes.model.priors import regression_normal_inverse_gamma

# A column this close to the span of those before it, relative to its length, adds nothing; or it leaves too few digits,
# since the statistics X'X square the ratio.
DEPENDENT, NEARLY = 1e-10, 1e-5
SURE = 1e-3  # farther than this even X'X, with half of the digits, is sure that it is not near


@dataclass(frozen=True, slots=True)
class Design:
    """The columns of a design matrix, and how a frame became them.

    Parameters
    ----------
    names : tuple of str
    encoding : ModelSpec or None
        formulaic's record of a formula's right-hand side: levels, knots, centres. None for a matrix that was given.
    """

    names: tuple[str, ...]
    encoding: Any = None


def from_exog(exog: Any, n: int, name: str) -> tuple[Array, Design]:
    """A matrix used as it is; none is an intercept alone."""
    if exog is None:
        return np.ones((n, 1)), Design(("Intercept",))
    matrix = read.matrix(exog, name, finite=False)  # refused with the columns' names, by `check_finite`
    if len(matrix) != n:
        raise ValueError(f"{name} has {len(matrix)} row(s); y has {n}.")
    columns = getattr(exog, "columns", None)
    names = [f"x{j}" for j in range(matrix.shape[1])] if columns is None else [str(c) for c in columns]
    return matrix, Design(tuple(names))


def from_formula(formula: str, y: Any, like: Design | None, *, finite: bool = True) -> tuple[Array, Array, Design]:
    """Response (n,), design (n, p) and its encoding; ``like`` encodes a new frame as the fitted one.

    NaN in the response is left in, infinity where it need not be ``finite``; a missing predictor is refused.
    """
    from formulaic import Formula

    frame = _frame(y)
    sides = Formula(formula)
    frame = _columns(sides, frame, formula, ("lhs", "rhs"))
    formulas.check_width(sides.rhs, frame, formula)
    left, right = _matrices((sides.lhs, sides.rhs if like is None else like.encoding), frame, formula)
    response = left.drop(columns="Intercept", errors="ignore")  # formulaic adds one to a side on its own
    if response.shape[1] != 1:
        raise ValueError(f"formula={formula!r}: the response must be one number per row; got {list(response.columns)}.")
    matrix = np.ascontiguousarray(right.to_numpy(dtype=float))
    values = read.matrix(response, "y", finite=finite)[:, 0]
    return values, matrix, Design(tuple(right.columns), right.model_spec)


def right_side(formula: str, y: Any, like: Design) -> tuple[Array, Design]:
    """Design (m, p) of a new frame, encoded as the fitted one; it needs no response."""
    from formulaic import Formula

    frame = _frame(y)
    frame = _columns(Formula(formula), frame, formula, ("rhs",))
    (right,) = _matrices((like.encoding,), frame, formula)
    return np.ascontiguousarray(right.to_numpy(dtype=float)), Design(tuple(right.columns), right.model_spec)


def _matrices(recipes: tuple[Any, ...], frame: Any, formula: str) -> tuple[Any, ...]:
    """What formulaic makes of each side, its complaints in words."""
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    options: Any = {"na_action": "ignore", "context": {}, "output": "pandas"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = tuple(model_matrix(recipe, frame, **options) for recipe in recipes)
        except (FormulaicError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"formula={brief(formula)} fails: {' '.join(str(error).split())[:200]}") from None
    for warning in caught:
        if "categories outside" in str(warning.message):
            levels = re.search(r"\{.*?\}", str(warning.message))
            raise ValueError(f"y has categories that the fitted frame did not have: {levels and levels.group()}.")
    return made


def _frame(y: Any) -> Any:
    import pandas as pd

    if callable(getattr(y, "to_pandas", None)):
        return y.to_pandas()
    if isinstance(y, dict) and y and all(np.ndim(value) == 0 for value in y.values()):
        return pd.DataFrame([y])  # one row
    if isinstance(y, dict):
        lengths = {name: len(values) if np.ndim(values) else 0 for name, values in y.items()}
        if len(set(lengths.values())) > 1 or not all(np.ndim(values) == 1 for values in y.values()):
            raise ValueError(f"The columns of y must have one length and one number or category a row; got {lengths}.")
    if isinstance(y, (pd.DataFrame, dict)):
        try:
            return pd.DataFrame(y)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y is no frame ({error}); got {brief(y)}.") from None
    raise TypeError(f"With a formula, y is the frame that has its columns; got {type(y).__name__}.")


def _columns(sides: Any, frame: Any, formula: str, used: tuple[str, ...]) -> Any:
    """The columns that the formula uses, checked, in plain types."""
    names = [str(c) for c in frame.columns]
    wanted = {side: formulas.columns_of(getattr(sides, side)) for side in used}
    lacks = sorted(set().union(*wanted.values()) - set(names))
    if lacks:
        raise ValueError(f"formula={formula!r} wants column(s) {lacks}; y has {names}.")
    formulas.check_arithmetic_of_text([getattr(sides, side) for side in used], frame, formula)
    frame = columns.plain(frame, wanted.get("lhs", set()), wanted["rhs"], formulas.categories_of(sides.rhs))
    for column in sorted(wanted["rhs"]):
        missing = np.flatnonzero(frame[column].isna())
        if missing.size:
            raise ValueError(
                f"Predictor {column!r} is missing in {missing.size} row(s) (first: row {missing[0]}): only the "
                "response may be missing. Drop the rows or impute them."
            )
    return frame


def check_finite(matrix: Array, names: tuple[str, ...], name: str) -> None:
    """Refuse NaN and infinity in a design, naming the columns."""
    bad = [names[j] for j in np.flatnonzero(~np.isfinite(matrix).all(axis=0))]
    if bad:
        raise ValueError(f"{name} must be finite; column(s) {bad} have missing or infinite values.")


def well_conditioned(second: Array, least: float = SURE) -> bool:
    """Whether X'X says for sure that no column is near the span of those before it."""
    lengths = np.sqrt(np.diagonal(second))
    if not (np.isfinite(second).all() and (lengths > 0).all()):
        return False
    return regression_normal_inverse_gamma.well_conditioned(second / lengths / lengths[:, None], least)


def check_rank(matrix: Array, names: tuple[str, ...], name: str, *, turned: bool) -> None:
    """Refuse columns that are linear combinations of those before them, naming them.

    Those that nearly are need coordinates of their own (`basis`): ``turned`` says that they get them.
    """
    n, p = matrix.shape
    lengths = np.sqrt((matrix**2).sum(axis=0))
    unit = matrix / np.where(lengths > 0, lengths, 1.0)
    diagonal = np.abs(np.diagonal(np.linalg.qr(unit, mode="r")))
    diagonal = np.concatenate([diagonal, np.zeros(p - len(diagonal))])  # fewer rows than columns
    dependent, nearly = ([names[j] for j in np.flatnonzero(diagonal < limit)] for limit in (DEPENDENT, NEARLY))
    if nearly and not dependent and not turned:
        raise ValueError(
            f"{name} has column(s) {nearly} that are linear combinations of those before them but for "
            f"{diagonal.min():.1g} of their length: too few digits are left. Centre the predictors (powers: poly())."
        )
    if empty := [names[j] for j in np.flatnonzero(lengths == 0.0)] if n else []:
        raise ValueError(
            f"{name} has column(s) {empty} that are 0 in every row with a response: their coefficients are not "
            "determined. A level of a category that no row has must go (x.cat.remove_unused_categories()), and so must "
            "a predictor that is always 0."
        )
    if dependent and (unused := _without_reference(matrix, names)):
        raise ValueError(
            f"{name}: no row with a response has the level that the others of {unused} are compared with, so that "
            "their coefficients are not determined. Take it off the categories (x.cat.remove_unused_categories())."
        )
    if dependent:
        raise ValueError(
            f"{name} has {n} row(s) with a response and {p} column(s), of which {dependent} are linear combinations "
            "of those before them: their coefficients are not determined. Drop them."
        )


def _without_reference(matrix: Array, names: tuple[str, ...]) -> str:
    """The category whose dummies (``C(x)[T.level]``) leave no row to the level that has none; else ""."""
    whole = [name.partition("[T.")[0] if name.endswith("]") and name.count("[T.") == 1 else "" for name in names]
    for term in dict.fromkeys(term for term in whole if term and ":" not in term):
        if (matrix[:, [own == term for own in whole]].sum(axis=1) == 1.0).all():
            return term
    return ""
