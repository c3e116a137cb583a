"""Formulas: read and bounded before anything of them is evaluated.

A formula may come out of a stranger's file, and formulaic evaluates Python: here it is only parsed. Let through are
columns, numbers, arithmetic and the transforms in `FUNCTIONS`; how many terms, how long, how deep and how large a power
is bounded, so that nothing that passes takes long.
"""

from __future__ import annotations

import ast
import re
from itertools import accumulate
from typing import Any

from em_vs_bayes.common.arguments import brief

FUNCTIONS = (
    *("C", "I", "log", "log10", "log2", "exp", "exp2", "exp10", "poly", "bs", "cr", "cc", "cs"),
    *("center", "scale", "standardize", "Treatment", "Sum", "Helmert", "Diff", "Poly"),
    *(f"contr.{name}" for name in ("treatment", "sum", "helmert", "diff", "poly")),
    *(f"np.{name}" for name in ("log", "log1p", "log10", "log2", "exp", "expm1", "sqrt", "cbrt", "square", "abs")),
    *(f"np.{name}" for name in ("sign", "floor", "ceil", "round", "maximum", "minimum", "clip", "where")),
    *(f"np.{name}" for name in ("sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh")),
)
SYNTAX = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.List, ast.Tuple),
    *(ast.BinOp, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr, ast.BitXor),
)
LONGEST = 20_000  # characters
DEEPEST = 100  # parentheses within each other
TERMS = 10_000  # that the operators of a formula may make
POWER = 10  # of a sum of terms: (a + b)**2
EXPONENT = 20  # of a column: x**2
COUNT = 1_000  # of knots, degrees, degrees of freedom
COLUMNS, CELLS = 10_000, 2**30  # of a design: 8 GiB


def check_length(formula: Any) -> None:
    """Refuse what is no string, or one that nobody wrote."""
    if not isinstance(formula, str):
        raise TypeError(f"formula must be a string such as 'y ~ x1 + C(group)'; got {brief(formula)}.")
    if len(formula) > LONGEST:
        raise ValueError(
            f"formula has {len(formula):,} characters; at most {LONGEST:,} are read. For a design with so many columns "
            "give the matrix as exog."
        )
    depths = accumulate((sign in "([{") - (sign in ")]}") for sign in formula)
    if (deepest := max(depths, default=0)) > DEEPEST:
        raise ValueError(f"formula has {deepest:,} parentheses within each other; at most {DEEPEST} are read.")


def check_formula(formula: Any) -> None:
    """Refuse what is no formula with one response, what is not bounded, and Python beyond transforms of columns."""
    check_length(formula)
    from formulaic import Formula
    from formulaic.formula import SimpleFormula, StructuredFormula
    from formulaic.parser import DefaultFormulaParser

    try:
        tree = DefaultFormulaParser().get_ast(formula)
        _check_terms(tree, formula)
        parsed = Formula(formula)
    except _Refused as refusal:
        raise ValueError(str(refusal)) from None
    except RecursionError:
        raise ValueError(f"formula={brief(formula)} is nested too deeply.") from None
    except Exception as error:  # formulaic's own errors, and what a parser says of other nonsense
        plain = " ".join(re.sub("\x1b\\[[0-9;]*m|[⧛⧚]", "", str(error)).split())
        plain = "".join(c for c in plain if c.isprintable())
        raise ValueError(f"formula={brief(formula)} does not parse: {plain[:150]}") from None
    sides = (parsed.lhs, parsed.rhs) if isinstance(parsed, StructuredFormula) else ()
    if not sides or not all(isinstance(side, SimpleFormula) for side in sides) or len(sides[0]) != 1:
        raise ValueError(f"formula={brief(formula)} wants one response and one right-hand side: 'y ~ x1 + C(group)'.")
    if not len(sides[1]):
        raise ValueError(
            f"formula={brief(formula)} has nothing on the right; wants a predictor, or 1 for an intercept alone."
        )


class _Refused(Exception):
    """A refusal in words, told apart from what a parser raises."""


def _check_terms(tree: Any, formula: str) -> None:
    """Bound the terms that operators make, node by node from the leaves, and check every leaf that is Python."""
    from formulaic.parser.types import ASTNode

    waiting, made = [(tree, False)], []
    while waiting:
        node, ready = waiting.pop()
        if not isinstance(node, ASTNode):
            if node.kind.value == "python":
                _check_python(str(node), formula)
            made.append((1, node))
        elif not ready:
            waiting += [(node, True), *((argument, False) for argument in reversed(node.args))]
        else:
            count = len(node.args)
            arguments = made[len(made) - count :] if count else []
            del made[len(made) - count :]
            total = _terms(str(node.operator), arguments, formula)
            if total > TERMS:
                raise _Refused(
                    f"formula={brief(formula)} multiplies out to {total:,} terms; at most {TERMS:,} are made."
                )
            made.append((total, None))


def _terms(operator: str, arguments: list[tuple[int, Any]], formula: str) -> int:
    """How many terms an operator makes of those of its arguments, at most."""
    counts = [count for count, _ in arguments]
    match operator, counts:
        case (("**" | "^"), [base, _]):
            written = str(arguments[1][1])
            if not written.isdigit() or not 1 <= int(written[:9]) <= POWER:
                raise _Refused(f"formula={brief(formula)}: terms to the power {brief(written)}; wants 1 to {POWER}.")
            return base ** int(written)
        case "*", [left, right]:
            return left + right + left * right
        case (("/" | ":" | "in"), [left, right]):
            return left + left * right
    return sum(counts)


def _sign(operator: ast.AST, tree: ast.AST) -> str:
    """What an operator stands in: alone it has no text."""
    return next((ast.unparse(node) for node in ast.walk(tree) if operator in ast.iter_child_nodes(node)), "")


def _check_python(expression: str, formula: str) -> None:
    try:
        tree = _tree(expression)
    except SyntaxError:
        raise _Refused(f"formula={brief(formula)}: {brief(expression)} is not an expression.") from None
    called = {id(node.func): node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inside = {id(child) for function in called.values() for child in ast.walk(function)}
    strange = [ast.unparse(f) for f in called.values() if ast.unparse(f) not in FUNCTIONS]
    nodes = [node for node in ast.walk(tree) if id(node) not in inside]
    strange += [ast.unparse(node) or _sign(node, tree) for node in nodes if not _plain(node)]
    if strange:
        raise _Refused(
            f"formula={brief(formula, 60)} uses {brief(strange[0], 60)}; it may use columns, numbers, arithmetic and "
            f"transforms such as C, I, log, exp, poly, bs, center, scale, np.sqrt (the list is FUNCTIONS in "
            "em_vs_bayes.model.emissions.formula)."
        )
    for node in nodes:
        if isinstance(node, ast.BinOp):
            _check_arithmetic(node, formula)
        if isinstance(node, ast.Call):
            _check_counts(node, formula)


def _tree(expression: str) -> ast.Expression:
    """Python without the quotes of formulas: in place of `my column` stands a name whose ``id`` is my column."""
    quoted: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        return quoted.setdefault(found[1], f"quoted_{len(quoted)}_")

    tree = ast.parse(re.sub("`([^`]*)`", stand_in, expression), mode="eval")
    back = {short: name for name, short in quoted.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = back.get(node.id, node.id)
    return tree


def _plain(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is None or isinstance(value, (str, bool, int, float))
        case ast.Name(id=name):
            return not name.startswith("__")
        case ast.keyword(arg=None):
            return False
    return isinstance(node, SYNTAX)


def _check_arithmetic(node: ast.BinOp, formula: str) -> None:
    """Numbers and columns alone, and powers with small exponents: of constants a power could have any length."""
    for side in (node.left, node.right):
        if isinstance(side, (ast.List, ast.Tuple)) or (
            isinstance(side, ast.Constant) and not isinstance(side.value, (int, float))
        ):
            raise _Refused(f"formula={brief(formula)}: {brief(ast.unparse(node))} is no arithmetic with numbers.")
    if not isinstance(node.op, ast.Pow):
        return
    columns = [{n.id for n in ast.walk(side) if isinstance(n, ast.Name)} for side in (node.left, node.right)]
    power = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    small = isinstance(power, ast.Constant) and abs(power.value) <= EXPONENT  # type: ignore[arg-type]
    if not columns[1] and not (columns[0] and small):
        raise _Refused(
            f"formula={brief(formula)}: {brief(ast.unparse(node))} is a power that is not let through; wants a column "
            f"to a number of at most {EXPONENT}, and plain numbers in place of powers of numbers."
        )


def _check_counts(node: ast.Call, formula: str) -> None:
    """Numbers given to the makers of many columns: degrees, degrees of freedom."""
    if ast.unparse(node.func) not in ("poly", "bs", "cr", "cc", "cs"):
        return
    for given in (*node.args[1:], *(keyword.value for keyword in node.keywords)):
        if isinstance(given, ast.Constant) and isinstance(given.value, int) and abs(given.value) > COUNT:
            raise _Refused(f"formula={brief(formula)}: {brief(ast.unparse(node))} asks for more than {COUNT} columns.")


def columns_of(side: Any) -> set[str]:
    """The columns of the frame that the terms of a side use. A name may have dots in it, as R's have."""
    names: set[str] = set()
    for factor in (factor for term in side for factor in term.factors):
        expression, method = str(factor.expr), factor.eval_method.value
        if method == "lookup":
            names.add(expression)
        elif method == "python":
            tree = _tree(expression)
            functions = {id(n) for c in ast.walk(tree) if isinstance(c, ast.Call) for n in ast.walk(c.func)}
            names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in functions}
    return names


def categories_of(side: Any) -> set[str]:
    """The columns that the terms of a side say are categories, by ``C(...)``."""
    names: set[str] = set()
    for factor in (factor for term in side for factor in term.factors if factor.eval_method.value == "python"):
        calls = (node for node in ast.walk(_tree(str(factor.expr))) if isinstance(node, ast.Call))
        arguments = (a for call in calls if ast.unparse(call.func) == "C" for a in call.args[:1])
        names |= {n.id for argument in arguments for n in ast.walk(argument) if isinstance(n, ast.Name)}
    return names


def check_width(side: Any, frame: Any, formula: str) -> None:
    """Refuse a right-hand side that would make more columns than fit, before any is made."""
    columns = 0
    for term in side:
        width = 1
        for factor in term.factors:
            width *= _levels(str(factor.expr), factor.eval_method.value, frame)
        columns += width
    if columns > COLUMNS or columns * len(frame) > CELLS:
        raise ValueError(
            f"formula={brief(formula)} makes about {columns:,} columns for {len(frame):,} row(s); at most {COLUMNS:,} "
            "fit. Is a column with a value of its own in every row taken for a category?"
        )


def _levels(expression: str, method: str, frame: Any) -> int:
    """Columns that a factor makes, at most: its categories; one of numbers."""
    if method == "lookup":
        kind = frame[expression].dtype.kind if expression in frame else "f"
        return 1 if kind in "biufcmM" else int(frame[expression].nunique())
    if method != "python":
        return 1
    tree: Any = _tree(expression).body
    if not isinstance(tree, ast.Call) or ast.unparse(tree.func) != "C":
        return 1
    names = [n.id for a in tree.args[:1] for n in ast.walk(a) if isinstance(n, ast.Name) and n.id in frame]
    return max((int(frame[name].nunique()) for name in names), default=1)


def check_arithmetic_of_text(sides: Any, frame: Any, formula: str) -> None:
    """Refuse arithmetic with columns of words: Python would repeat them."""
    from pandas.api.types import infer_dtype

    for term in (term for side in sides for term in side):
        for factor in term.factors:
            if factor.eval_method.value != "python":
                continue
            for node in ast.walk(_tree(str(factor.expr))):
                used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)] if isinstance(node, ast.BinOp) else []
                for name in used:
                    if name in frame and infer_dtype(frame[name], skipna=True) in ("string", "mixed", "bytes"):
                        raise TypeError(f"formula={brief(formula)} does arithmetic with y[{name!r}], which holds text.")
