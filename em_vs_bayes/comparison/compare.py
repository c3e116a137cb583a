"""Fits of one model to one data set, side by side: labels aligned, estimates, intervals, elpd, findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from em_vs_bayes.common import align
from em_vs_bayes.common.arguments import brief, fraction, one_of, yes_or_no
from em_vs_bayes.common.atomic import destination, write_text
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.common.status import Status

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.comparison.findings import Finding
    from em_vs_bayes.fit.diagnosis import Remark
    from em_vs_bayes.fit.modes import Mode
    from em_vs_bayes.fit.results import Fit

__all__ = ["Comparison", "compare"]

METHODS = ("em", "vi", "gibbs", "nuts")
FAILURES = (ValueError, TypeError, ArithmeticError, RuntimeError)  # refusals, and what numbers do to a method
CHAINS = ("gibbs", "nuts")  # methods whose draws come from Markov chains and want rhat, ess and mcse
COLUMNS = ("estimate", "sd", "lower", "upper", "rhat", "ess_bulk", "mcse")
LABEL_DIMS = ("component", "component_to", "state", "state_to")  # dims that relabelling permutes


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
) -> "Comparison":
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
    from em_vs_bayes.fit.driver import make_method
    from em_vs_bayes.fit.modes import from_modes
    from em_vs_bayes.methods import METHODS as EVERY_METHOD

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


def _of_kind(fits: "Sequence[Fit]", kind: str | None) -> "tuple[Fit, ...]":
    if kind is not None:
        for fit in fits:
            one_of("log_likelihood", kind, tuple(fit.program.latent.pointwise_kinds))
    return tuple(fits) if kind is None else tuple(fit.with_log_likelihood(kind) for fit in fits)


@dataclass(frozen=True)
class Aligned:
    """One fit in the labels of the reference."""

    name: str
    fit: "Fit"
    order: np.ndarray  # (K,): the fit's own label of each reference component
    params: Mapping[str, np.ndarray]
    sample: Any  # xarray.Dataset of draws (chain, draw, ...), or None for a point estimate

    @property
    def is_chain(self) -> bool:
        return self.fit.method in CHAINS

    @cached_property
    def raw_labels(self) -> np.ndarray | None:
        """(chain, draw, K): raw label of each component at each draw, or None if nothing was relabelled."""
        return self._statistic("permutation")

    @cached_property
    def log_likelihood(self) -> np.ndarray | None:
        """(chain, draw): log-likelihood of the whole data at each draw, or None without draws."""
        return None if self.sample is None else self._statistic("log_likelihood_total")

    @cached_property
    def log_joint(self) -> np.ndarray | None:
        """(chain, draw): log-likelihood plus log prior, at the estimate where there are no draws; None if not known."""
        return self._statistic("log_joint")

    @cached_property
    def errors(self) -> Mapping[str, np.ndarray] | str:
        """Standard errors from the observed information, or why there are none."""
        try:
            return in_labels(self.fit, self.order, self.fit.std_errors("observed"))
        except ValueError as reason:
            return str(reason)

    def limits(self, level: float) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]] | str:
        """Lower and upper ends of intervals from those errors, or why there are none."""
        try:
            ends = self.fit.confint(level, "observed")
        except ValueError as reason:
            return str(reason)
        cuts = np.cumsum([v.size for v in self.fit.params.values()])[:-1]
        lower, upper = (
            {n: part.reshape(v.shape) for (n, v), part in zip(self.fit.params.items(), parts, strict=True)}
            for parts in (np.split(ends[column].to_numpy(), cuts) for column in ("lower", "upper"))
        )
        return in_labels(self.fit, self.order, lower), in_labels(self.fit, self.order, upper)

    def _statistic(self, name: str) -> np.ndarray | None:
        stats = self.fit.idata["sample_stats"].dataset
        return np.asarray(stats[name]) if name in stats else None


@dataclass(frozen=True, repr=False)
class Comparison:
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

    fits: tuple["Fit", ...]
    level: float = 0.95
    seed: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fits:
            raise ValueError("fits is empty; compare wants at least one fit")
        first = self.fits[0]
        for number, fit in enumerate(self.fits[1:], start=1):
            if fit.spec != first.spec:
                raise ValueError(
                    f"fits[{number}] is of another spec: {fit.spec} against {first.spec}; wants fits of one spec"
                )
            if not _same_data(first, fit):
                raise ValueError(
                    f"fits[{number}] is of other data than fits[0]; wants fits of the same data, lengths, weights and "
                    "labels"
                )
            if fit.log_likelihood_kind != first.log_likelihood_kind:
                raise ValueError(
                    f"fits[{number}] has log-likelihood terms of kind {fit.log_likelihood_kind!r}, fits[0] of kind "
                    f"{first.log_likelihood_kind!r}, which do not compare; choose one by log_likelihood="
                )
        if first.log_likelihood_kind == "predictive":
            raise ValueError(
                "log_likelihood='predictive': importance sampling cannot leave out a row with all that come after it, "
                "so these terms give no elpd; choose 'loo' or 'sequence'"
            )

    @cached_property
    def reference(self) -> "Fit":
        """The fit whose labels all others take."""
        return next((fit for fit in self.fits if fit.method == "em"), self.fits[0])

    @cached_property
    def aligned(self) -> tuple[Aligned, ...]:
        methods = [fit.method for fit in self.fits]
        seen = [methods[:i].count(m) + 1 for i, m in enumerate(methods)]
        names = [m if i == 1 else f"{m} {i}" for m, i in zip(methods, seen, strict=True)]
        return tuple(to_labels_of(self.reference, fit, name) for fit, name in zip(self.fits, names, strict=True))

    @cached_property
    def cells(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Where each row of ``table`` lies: label -> (parameter, index)."""
        from em_vs_bayes.comparison import tables

        return dict(tables.scalars(self.fits[0]))

    @cached_property
    def table(self) -> "pd.DataFrame":
        from em_vs_bayes.comparison import tables

        return tables.parameters(self.aligned, self.level, self.diagnostics)

    @cached_property
    def modes(self) -> "tuple[Mode, ...]":
        """The maxima with a share of the posterior mass in which the starts of em ended."""
        from em_vs_bayes.fit.modes import modes

        return modes(self.reference) if self.reference.options.get("objective") == "mle" else ()

    @cached_property
    def visits(self) -> dict[str, np.ndarray]:
        """Name of each method with draws -> the share of its draws about each of ``modes``."""
        from em_vs_bayes.fit.modes import visits

        if len(self.modes) < 2:
            return {}
        return {a.name: visits(a.fit, self.modes) for a in self.aligned if a.fit.draws is not None}

    @cached_property
    def diagnostics(self) -> "pd.DataFrame":
        from em_vs_bayes.comparison import tables

        return tables.diagnostics(self.aligned)

    @cached_property
    def remarks(self) -> "dict[str, tuple[Remark, ...]]":
        """What the diagnostics of chains say: name of the method -> remarks."""
        from em_vs_bayes.comparison import tables
        from em_vs_bayes.fit import diagnosis

        return {
            a.name: tuple(diagnosis.remarks(tables.chains(a), self.diagnostics[a.name], a.fit.sample_stats))
            if a.is_chain and a.sample is not None
            else ()
            for a in self.aligned
        }

    @cached_property
    def elpd(self) -> "pd.DataFrame":
        from em_vs_bayes.comparison import tables

        return tables.elpd(self.aligned)

    @cached_property
    def timing(self) -> "pd.DataFrame":
        from em_vs_bayes.comparison import tables

        return tables.timing(self.aligned, self.table)

    @cached_property
    def findings(self) -> "tuple[Finding, ...]":
        from em_vs_bayes.comparison.findings import gather

        return gather(self)

    def report(self, path: str | PathLike[str], *, progressbar: bool = True) -> Path:
        """Write one self-contained HTML page to ``path``; it needs no network."""
        from em_vs_bayes.report import page

        yes_or_no("progressbar", progressbar)
        destination(path)  # refused before all is drawn
        write_text(path, page.render(self, progressbar=progressbar))
        return Path(path)

    def __repr__(self) -> str:
        return f"Comparison({', '.join(a.name for a in self.aligned)}; {self.fits[0].spec})"

    def __str__(self) -> str:
        from em_vs_bayes.comparison import terminal

        return terminal.text(self)

    def _repr_html_(self) -> str:
        from em_vs_bayes.report import page

        return page.fragment(self)


def _same_data(a: "Fit", b: "Fit") -> bool:
    mine, theirs = a.program.data, b.program.data
    if not all(np.array_equal(getattr(mine, n), getattr(theirs, n)) for n in ("starts", "weights", "labels")):
        return False
    one, other = a.idata["observed_data"].dataset, b.idata["observed_data"].dataset
    designs = a.program.exogs, b.program.exogs
    if designs[0].keys() != designs[1].keys() or not all(
        np.array_equal(x, designs[1][n]) for n, x in designs[0].items()
    ):
        return False
    return set(one.data_vars) == set(other.data_vars) and all(
        one[name].shape == other[name].shape
        and np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in one.data_vars
    )


def in_labels(fit: "Fit", order: np.ndarray, arrays: Mapping[str, Any], lead: int = 0) -> dict[str, np.ndarray]:
    """Arrays shaped as parameters of ``fit``, after ``lead`` dims of draws, with components in ``order``."""
    dims = fit.spec.parameter_dims()
    axes = {n: [lead + i for i, d in enumerate(dims[n]) if d in LABEL_DIMS] for n in dims}
    return align.apply(order, {n: np.asarray(v) for n, v in arrays.items()}, axes)


def to_labels_of(reference: "Fit", fit: "Fit", name: str) -> Aligned:
    """Relabel a whole fit by one permutation; its draws already agree among themselves."""
    order = np.arange(fit.spec.size)
    if fit is not reference and fit.spec.size > 1:
        order = align.stephens(fit.predict_proba()[None], reference.predict_proba())[0]
    params = in_labels(fit, order, fit.params)
    posterior = fit.idata["posterior"].dataset
    if posterior.sizes["chain"] * posterior.sizes["draw"] == 1:
        return Aligned(name, fit, order, params, None)
    # Values move, coordinates stay: component 0 of every fit is what the reference calls component 0.
    sample = posterior[list(params)]
    moved = in_labels(fit, order, {parameter: sample[parameter] for parameter in params}, lead=2)
    return Aligned(name, fit, order, params, sample.copy(data=moved))
