"""How many components or states: fit a spec with several numbers of them and choose by a criterion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from em_vs_bayes.common.arguments import brief, one_of, positive_integer
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.values import plain

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.fit.results import Fit

__all__ = ["Selection", "select"]

CRITERIA = ("bic", "aic", "icl", "loo")
MOST = 1_000  # numbers that one call tries


def select(
    spec: Any,
    y: Any,
    n_components: Sequence[int] | None = None,
    *,
    n_states: Sequence[int] | None = None,
    criterion: str = "bic",
    method: str | None = None,
    seed: int | None = None,
    **options: Any,
) -> "Selection":
    """Fit ``spec`` with each number of components (states of a hidden Markov model) and choose the best.

    Parameters
    ----------
    spec : Spec
        Its own number does not matter. Priors and fixed values must suit every number.
    y : data
    n_components, n_states : sequence of int
        Numbers to try, 1 to 7 by default; the one of the two that the spec has.
    criterion : {"bic", "aic", "icl", "loo"}
        The smallest BIC (Schwarz 1978), AIC (Akaike 1973) or ICL (Biernacki, Celeux & Govaert 2000) at the maximum of
        the likelihood; or the greatest elpd by leave-one-out from posterior draws (Vehtari, Gelman & Gabry 2017).
    method : str, optional
        "em" by default; for "loo" a method with draws, by default "gibbs".
    seed : int, optional
        Given to every fit.
    **options
        To ``spec.fit``: ``lengths``, ``weights``, options of the method.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        Where a number, the criterion and the method do not go together.

    Notes
    -----
    Ctrl-C ends it with the fits that were finished; `Selection.not_fitted` has the other numbers.
    """
    from em_vs_bayes.methods import METHODS
    from em_vs_bayes.model.spec import Spec

    one_of("criterion", criterion, CRITERIA)
    if method is not None:
        one_of("method", method, tuple(METHODS))
    if not isinstance(spec, Spec):
        raise TypeError(f"spec must be a spec, such as GaussianMixture(2); got {brief(spec)}.")
    if not spec.leading:
        raise ValueError(
            f"{spec!r} has no number of components or states to choose. Compare its formulas by compare([fit]).elpd, "
            "aic or bic."
        )
    name, other = ("n_states", "n_components") if spec.leading == "state" else ("n_components", "n_states")
    given = {"n_components": n_components, "n_states": n_states}
    if given[other] is not None:
        raise ValueError(f"{other} does not apply to {type(spec).__name__}; give {name}.")
    asked = given[name]
    sizes = _sizes(name, range(1, 8) if asked is None else asked)
    method = method or ("gibbs" if criterion == "loo" else "em")
    if (criterion == "loo") == (method == "em"):
        why = "needs posterior draws" if criterion == "loo" else "is defined at the maximum of the likelihood"
        wanted = "'gibbs', 'nuts', 'vi' or 'laplace'" if criterion == "loo" else "'em', or criterion='loo'"
        raise ValueError(f"criterion={brief(criterion)} {why}; method={brief(method)} does not give it. Use {wanted}.")
    specs = [replace(spec, **{name: size}) for size in sizes]  # type: ignore[type-var]
    fits: list[Fit] = []
    shown = options.pop("progressbar", True)
    with Watch() as watch, Progress(f"select by {criterion}", shown=shown) as bar:
        for own in specs:
            bar.show(len(fits) / len(specs), f"{name}={own.size}, {len(fits)} of {len(specs)} done")
            try:
                fit = own.fit(y, method, seed=seed, progressbar=False, **options)
            except KeyboardInterrupt:
                break
            if fit.ended is not Status.INTERRUPTED:
                fits.append(fit)
            if watch.pressed:
                break
    if not fits:
        raise KeyboardInterrupt(f"Interrupted before a fit was finished: {name} {sizes} were to be tried.")
    return Selection(tuple(fits), criterion, tuple(sizes[len(fits) :]))


def _sizes(name: str, asked: Any) -> list[int]:
    """The numbers to try, each once."""
    asked = plain(asked)
    if isinstance(asked, (str, bytes, Mapping)) or not isinstance(asked, Iterable):
        raise TypeError(f"{name} must be a list of numbers to try, such as range(1, 8); got {brief(asked)}.")
    sizes: list[int] = []
    for size in asked:
        positive_integer(name, size)
        if len(sizes) == MOST:
            raise ValueError(f"{name} has more than {MOST} numbers to try; got {brief(asked)}.")
        sizes += [int(size)] if size not in sizes else []
    if not sizes:
        raise ValueError(f"{name} is empty; it wants numbers to try.")
    return sizes


@dataclass(frozen=True, repr=False)
class Selection:
    """Fits that differ in their number of components or states.

    Attributes
    ----------
    fits : tuple of Fit
    criterion : str
    table : DataFrame
        One row per number: log-likelihood, free parameters and criteria (or elpd as in `Comparison.elpd`), and how the
        fit ended.
    best : Fit
        The best by ``criterion`` of those that ended well.
    not_fitted : tuple of int
        Numbers that were to be tried when Ctrl-C ended it.
    """

    fits: Sequence["Fit"]
    criterion: str
    not_fitted: tuple[int, ...] = ()

    @cached_property
    def table(self) -> "pd.DataFrame":
        import pandas as pd

        index = pd.Index([fit.spec.size for fit in self.fits], name=f"{self.fits[0].spec.leading}s")
        table = self._elpd() if self.criterion == "loo" else self._criteria()
        table = table.set_axis(index)
        table["converged"] = [fit.converged for fit in self.fits]
        table["status"] = [fit.status.name.lower() for fit in self.fits]
        return table

    @cached_property
    def best(self) -> "Fit":
        score = -self.table["elpd"] if self.criterion == "loo" else self.table[self.criterion]
        eligible = score[self.table["converged"]].dropna()
        if eligible.empty and self.table["converged"].any():
            raise ValueError(
                f"No fit that ended well has an elpd: {self.fits[0].method!r} is too far from the posterior for one. "
                "Use method='gibbs' or 'nuts'."
            )
        if eligible.empty:
            ended = ", ".join(f"{fit.spec.size}: {fit.status.name.lower()}" for fit in self.fits)
            raise ValueError(f"No fit ended well ({ended}), so none is best; the status of each of fits says more.")
        return next(fit for fit in self.fits if fit.spec.size == eligible.idxmin())

    def _criteria(self) -> "pd.DataFrame":
        import pandas as pd

        names = ("log_likelihood", "n_parameters", "bic", "aic", "icl")
        return pd.DataFrame([{name: getattr(fit, name) for name in names} for fit in self.fits])

    def _elpd(self) -> "pd.DataFrame":
        from em_vs_bayes.comparison import tables
        from em_vs_bayes.comparison.aligned import to_labels_of

        names = [str(fit.spec.size) for fit in self.fits]
        table = tables.elpd([to_labels_of(fit, fit, name) for fit, name in zip(self.fits, names, strict=True)])
        return table.loc[names].drop(columns="good_khat_limit")

    def __str__(self) -> str:
        what = "elpd (loo)" if self.criterion == "loo" else self.criterion.upper()
        leading = self.fits[0].spec.leading
        try:
            said = f"best by {what}: {self.best.spec.size} {leading}{'' if self.best.spec.size == 1 else 's'}"
        except ValueError as reason:
            said = str(reason)
        shown = self.table.to_string(float_format=lambda x: f"{x:,.2f}")
        rest = f"\ninterrupted: not fitted {', '.join(map(str, self.not_fitted))}" if self.not_fitted else ""
        return f"{said}\n{shown}{rest}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        html: str = self.table.to_html(float_format=lambda x: f"{x:,.2f}")
        return html
