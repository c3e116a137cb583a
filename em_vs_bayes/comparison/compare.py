"""Fits of one model to one data set, side by side: tables, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from em_vs_bayes.common import door
from em_vs_bayes.common.arguments import brief, fraction, one_of, yes_or_no
from em_vs_bayes.common.atomic import destination, write_text
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.common.status import Status
from em_vs_bayes.comparison import terminal
from em_vs_bayes.comparison.aligned import CHAINS
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings import Finding, gather
from em_vs_bayes.comparison.spread import from_modes
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.methods import METHODS as EVERY_METHOD
from em_vs_bayes.methods.driving import make_method

__all__ = ["Comparison", "compare"]

METHODS = ("em", "vi", "gibbs", "nuts")
FAILURES = (ValueError, TypeError, ArithmeticError, RuntimeError)  # refusals, and what numbers do to a method


@runtime_checkable
class Fitted(Protocol):
    """What is asked of a fit before anything else."""

    spec: Any
    method: str
    log_likelihood_kind: str


@runtime_checkable
class Described(Protocol):
    """What is asked of a spec."""

    def parameter_dims(self) -> Any:
        """Parameter name -> dims."""


@dataclass(frozen=True, repr=False)
class Comparison(Compared):
    """Fits of one model to one data set, in one labelling.

    Attributes
    ----------
    fits : tuple of Fit, as given
    level : probability of the intervals
    seed : what every method was seeded with, where the comparison did the fitting
    left_out : method that would have been run -> why the model or the data cannot have it
    aligned : tuple of fits in the labels of the reference
    table : DataFrame, scalar parameters x (method, quantity)
    diagnostics : DataFrame, scalar parameters x (method, R-hat, bulk and tail ESS, MCSE of the mean)
    findings : tuple of Finding: what the numbers say, most important first
    elpd : DataFrame, methods x (elpd, se, ...): leave-one-out predictive density by Pareto-smoothed
    importance sampling, of rows or of sequences as the kind of the log-likelihood terms says
    timing : DataFrame, methods x seconds
    """

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return gather(self)

    def report(self, path: str | PathLike[str], *, progressbar: bool = True) -> Path:
        """Write one self-contained HTML page to ``path``; it needs no network."""
        yes_or_no("progressbar", progressbar)
        destination(path)  # refused before all is drawn
        write_text(path, door.page(self, progressbar=progressbar))
        return Path(path)

    def __repr__(self) -> str:
        return f"Comparison({', '.join(a.name for a in self.aligned)}; {self.fits[0].spec})"

    def __str__(self) -> str:
        return terminal.text(self, self.findings)

    def _repr_html_(self) -> str:
        return door.fragment(self)


def compare(
    fits: Any,
    y: Any = None,
    *,
    methods: Sequence[str] | None = None,
    seed: int | None = None,
    progressbar: bool = True,
    exog: Any = None,
    lengths: Any = None,
    weights: Any = None,
    labels: Any = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    level: float = 0.95,
    log_likelihood: str | None = None,
) -> Comparison:
    """Compare fits of one spec to one data set, or fit it by several methods and compare those.

    Parameters
    ----------
    fits : list of Fit, or a spec
        With a spec, ``y`` and the keywords down to ``options`` go to ``spec.fit``. EM runs first, whatever
        the order of ``methods``, and its estimate starts the Markov chains unless their options name another
        ``init``; where EM's starts ended in several maxima with a share of the mass, chains are spread over them.
    y : data, with a spec only
    methods : names of methods
        By default em, vi, gibbs and nuts. A method that the model or the data cannot have, or that fails, is left out;
        `Comparison.left_out` and a finding say why.
    seed : int
        Given to every method.
    progressbar : bool
    exog : array_like (n, p) or frame, optional
    lengths : array_like of int, or str, optional
    weights : array_like (n,), optional
    labels : array_like (n,) of int, optional
        These as in `Spec.fit`.
    options : method -> options of that method, as ``{"nuts": {"draws": 2000}}``
    level : probability of the intervals
        From the observed information for a point estimate, as `Fit.confint`; equal-tailed ones for draws.
    log_likelihood : kind of the terms that elpd leaves out one by one
        Of hidden Markov models "loo" (one row, the rest of its sequence known; the default) or "sequence" (a whole
        sequence). By default that of the fits.

    Returns
    -------
    Comparison
        With the components of every fit in the order of the EM fit, or of the first fit if there is none.

    Raises
    ------
    ValueError
        If there is nothing to compare, no method could be fitted, the fits differ in spec, data or kind of
        log-likelihood terms, or nothing can be left out by these terms.
    """
    fraction("level", level)
    yes_or_no("progressbar", progressbar)
    if isinstance(fits, (list, tuple)) and all(isinstance(fit, Fitted) for fit in fits):
        if y is not None:
            raise ValueError("y was given with a list of fits, which hold their data; give a spec, or leave y out")
        return Comparison(_of_kind(fits, log_likelihood), level)
    if not isinstance(fits, Described):
        raise TypeError(f"fits must be a list of fits, or a spec with y; got {brief(fits)}.")
    if y is None:
        raise ValueError("y got None; a spec wants the data to fit")
    if methods is not None and (
        isinstance(methods, (str, bytes)) or not isinstance(methods, Sequence) or not len(methods)
    ):
        raise TypeError(f"methods must be a list of names of methods; got {brief(methods)}.")
    for method in methods or ():
        one_of("methods", method, tuple(EVERY_METHOD))
    if options is not None and not (
        isinstance(options, Mapping) and all(isinstance(own, Mapping) for own in options.values())
    ):
        raise TypeError(f"options must be a dict of method -> dict of its options; got {brief(options)}.")
    spec: Any = fits
    options, asked = dict(options or {}), METHODS if methods is None else tuple(methods)
    if strangers := set(options) - set(asked):
        raise ValueError(f"options names {sorted(strangers)}, not among methods {list(asked)}")
    for method in asked:  # before anything is fitted
        make_method(method, {name: value for name, value in options.get(method, {}).items() if name != "init"})
    shared = {"exog": exog, "lengths": lengths, "weights": weights, "labels": labels, "seed": seed}
    done: dict[str, Fit] = {}
    left_out: dict[str, str] = {}
    first: Exception | None = None
    with Watch() as watch:
        for method in sorted(dict.fromkeys(asked), key=lambda m: m != "em"):
            own = dict(options.get(method, {}))
            begins = "init" not in own and method in CHAINS and "em" in done and done["em"].converged
            try:
                if watch.pressed:
                    raise KeyboardInterrupt
                if begins:
                    fit = from_modes(spec, y, done["em"], method, own, {"progressbar": progressbar, **shared})
                else:
                    fit = spec.fit(y, method=method, progressbar=progressbar, **shared, **own)
                if fit.ended is Status.INTERRUPTED and (method not in CHAINS or fit.draws is None):
                    raise KeyboardInterrupt
                done[method] = fit
            except KeyboardInterrupt:
                watch.pressed, left_out[method] = True, "Interrupted before it was fitted."
            except FAILURES as failure:  # the other fits may have taken hours
                first, left_out[method] = first or failure, _in_words(failure)
    if watch.pressed and not done:
        raise KeyboardInterrupt("Interrupted before a fit was finished.")
    if first is not None and not done:
        raise first
    fitted = _of_kind([done[method] for method in dict.fromkeys(asked) if method in done], log_likelihood)
    with Watch(holds=True), Progress("log-likelihood of draws", shown=progressbar) as bar:
        for number, fit in enumerate(fitted):
            bar.show(number / len(fitted), fit.method)
            _ = fit.idata  # made here, where it can be seen, and where Ctrl-C does not cost what was fitted
        return Comparison(fitted, level, seed, left_out)


def _in_words(failure: Exception) -> str:
    """Its message; with its kind where it is no refusal of ours, nor its message a sentence."""
    said = str(failure)
    return (
        said if type(failure) in (ValueError, TypeError, NotImplementedError) else f"{type(failure).__name__}: {said}"
    )


def _of_kind(fits: Sequence[Fit], kind: str | None) -> tuple[Fit, ...]:
    if kind is not None:
        for fit in fits:
            one_of("log_likelihood", kind, tuple(fit.program.latent.pointwise_kinds))
    return tuple(fits) if kind is None else tuple(fit.with_log_likelihood(kind) for fit in fits)
