"""`Fit`: what every method returns, whatever the method.

Long, for it is the one list of what can be asked of a fit; what answers lies in the modules it imports when asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import brief, one_of
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit import persist
from em_vs_bayes.fit.datatree import datatree
from em_vs_bayes.fit.diagnosis import diagnose, notes
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.simulation import simulate
from em_vs_bayes.program.program import Program

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure


OF_CHAINS = {
    "dwell_times",
    "filtered_proba",
    "forecast",
    "plot_pseudo_residuals",
    "predicted_proba",
    "pseudo_residuals",
    "sample_states",
    "state_summary",
    "stationary_distribution",
}
OF_REGRESSIONS = {"margins", "residuals"}


@final
@dataclass(frozen=True, eq=False)
class Fit(Record):
    """A fitted model.

    Attributes
    ----------
    spec : Spec
    method : str
    theta : ndarray (P,)
        The point estimate in internal coordinates; `params` is the same in the user's.
    ended : Status
        How the method itself ended; `status` has looked at the draws too.
    remarks : tuple of str
        What the method itself remarked; `notes` adds the diagnostics.
    history : dict of ndarray
        Per iteration, ``"objective"`` first.
    draws, raw_draws : ndarray (chain, draw, P) or None
        Posterior draws after and before relabelling.
    permutation : ndarray (chain, draw, K) or None
        The relabelling.
    seconds : dict of float
    options : dict
        The method's options as used.
    attrs : dict
        What else there is to know: ``seed`` and ``init`` as they were given, what the method adds.
    """

    @property
    def status(self) -> Status:
        """How the fit ended, a sentence. Samplers: R-hat, ESS and k-hat have been looked at."""
        return diagnose(self)[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings in words."""
        return notes(self)

    @property
    def converged(self) -> bool:
        """Whether the fit did what it set out to do; `status` says more."""
        return self.status.good

    @property
    def n_iter(self) -> int:
        """Iterations of the fit (kept draws per chain, for samplers)."""
        if self.draws is not None and self.lower_bound is None:
            return int(self.draws.shape[1])
        return max(len(self.history.get("objective", ())) - 1, 0)

    @property
    def icl(self) -> float:
        """Integrated completed likelihood (Biernacki et al. 2000, as mclust): BIC at the most probable assignment."""
        complete, _ = self.program.decode(self.program.potentials(self.theta))
        return self.bic - 2.0 * (complete - self.log_likelihood)

    @property
    def elbo(self) -> float:
        """Evidence lower bound: of log p(y | fixed values). Only variational fits have one.

        Where components fix different features of their means under a tied covariance that is free, the bound is on
        log p(y, fixed means): the difference has no closed form.
        """
        if self.lower_bound is None:
            raise ValueError(f"elbo belongs to method='vi' or 'advi'; this fit is by {self.method!r}.")
        return self.lower_bound

    # --- data, old and new --------------------------------------------------------------------------------------

    def _program(self, y: Any, exog: Any = None, lengths: Any = None) -> Program:
        if y is None:
            for name, value in (("exog", exog), ("lengths", lengths)):
                if value is not None:
                    raise ValueError(f"{name} goes with new data: give y too.")
            return self.program
        from em_vs_bayes.program.compile import compile as compile_program

        return compile_program(self.spec, y, exog=exog, lengths=lengths, like=self.program)

    def score_samples(self, y: Any = None, *, exog: Any = None, lengths: Any = None, kind: str | None = None) -> Array:
        """Log predictive density terms at `params`.

        Parameters
        ----------
        y, exog, lengths
            New data; by default those fitted.
        kind : str, optional
            Mixtures: "row", log p(y_i) (n,). Hidden Markov models: "loo", log p(y_t | all other rows of its sequence)
            (n,); "predictive", log p(y_t | rows before it) (n,); "sequence", log p(y_s) (sequences,). Default:
            the first.
        """
        return self._program(y, exog, lengths).pointwise(self.theta, kind)

    def predict_proba(self, y: Any = None, *, exog: Any = None, lengths: Any = None) -> Array:
        """Responsibilities of components, or smoothed probabilities of states (n, K).

        A regression has neither and refuses; `predict` has its probabilities of a censored response. Rows of
        probability zero are refused too (ValueError): given them there is nothing to say. `score_samples` shows them.
        """
        if not self.spec.leading:
            raise ValueError(
                f"predict_proba is about components or states; {self.spec!r} has none. The probability of a censored "
                "response is predict(kind='probability')."
            )
        from em_vs_bayes.program.feasible import require_answers

        program = self._program(y, exog, lengths)
        probabilities = program.probabilities(self.theta)
        require_answers(program, self.theta, "predict_proba", probabilities.any(axis=1))
        return probabilities

    def predict(
        self,
        y: Any = None,
        *,
        exog: Any = None,
        lengths: Any = None,
        kind: str | None = None,
        level: float | None = None,
        draws: int | None = None,
    ) -> Any:
        """Most probable component of each row, or most probable (Viterbi) path; of a regression, what is expected.

        Parameters
        ----------
        y, exog, lengths
            New data; by default those fitted. Of a regression with a formula, ``y`` is a frame that need not have the
            response; without one, new rows are ``exog`` alone.
        kind : str, optional
            Regressions only. "latent" (default): E[y*]. "observed": E[y] of the response cut off at the limits
            (`Tobit`), or E[y] within them (`TruncatedRegression`). "probability": of a censored response (`Tobit`).
            Student t errors with df <= 1 have no mean, but between two limits.
        level : float, optional
            Regressions only: of intervals for the expectation (not for a new response): by the delta method about the
            estimate, between the limits as `confint`'s are, or equal-tailed posterior ones where there are draws.
        draws : int, optional
            Regressions only: at most so many posterior draws, evenly thinned, are averaged over; 1000 by default.

        Returns
        -------
        ndarray (n,) or DataFrame
            Mixtures and hidden Markov models: integers. Regressions: numbers, at `params` or averaged over the
            posterior draws; with ``level``, a frame with columns ``mean``, ``lower``, ``upper``. Probabilities at two
            limits are the columns ``below`` and ``above`` of a frame, or with ``level`` ``below_mean``, ...

        Raises
        ------
        ValueError
            For a kind that the model does not have, and where a row has probability zero, in words.
        """
        if not self.spec.leading:
            if lengths is not None:
                raise ValueError(f"lengths does not apply to {type(self.spec).__name__}: its rows are independent.")
            from em_vs_bayes.fit.regression.predictions import predict

            return predict(self, y, exog, kind, level, 1000 if draws is None else draws)
        for name, value in (("kind", kind), ("level", level), ("draws", draws)):
            if value is not None:
                raise ValueError(
                    f"{name}={brief(value)} is for Tobit, CensoredRegression and TruncatedRegression; predict of "
                    f"{self.spec!r} is the most probable {self.spec.leading} of each row."
                )
        from em_vs_bayes.program.feasible import require_answers

        program = self._program(y, exog, lengths)
        best = program.assign(self.theta)
        require_answers(program, self.theta, "predict", best >= 0)
        return best

    def margins(
        self,
        at: Any = "mean",
        kind: str = "observed",
        level: float = 0.95,
        *,
        vcov: Any = None,
        draws: int = 1000,
    ) -> pd.DataFrame:
        """Marginal effects of the predictors of a censored or truncated regression (McDonald & Moffitt 1980).

        Parameters
        ----------
        at : {"mean", "each"}, frame or exog
            At the means of the design's columns (as censReg's margEff); averaged over the rows; or at rows of their
            own. Case weights count.
        kind : {"observed", "latent", "probability", "conditional"}
            On E[y] of the response cut off at the limits (of a truncated one, within them); on E[y*]; on
            P(uncensored); on E[y | uncensored]. Student t errors with df <= 1 have no mean, but between two limits.
        level : float
        vcov : str or matrix (p + 1, p + 1), optional
            A kind of `vcov`, or the covariance of (coefficients, sigma) itself, for the delta method.
        draws : int
            At most so many posterior draws, evenly thinned.

        Returns
        -------
        DataFrame
            One row per column of the design that varies, by name (several rows in ``at``: by ``row`` and
            ``predictor``); ``estimate``, ``sd``, ``z``, ``p`` (normal), ``lower``, ``upper``. With posterior draws:
            their mean, standard deviation and equal-tailed interval, no z and p.

        Notes
        -----
        Derivatives are by the columns of the design, as if they were free of each other: a factor's column, x and
        ``I(x**2)`` have an effect each.
        """
        from em_vs_bayes.fit.regression.margins import margins

        return margins(self, at, kind, level, vcov, draws)

    def residuals(self, kind: str = "response", *, seed: int | np.random.Generator | None = None) -> Array:
        """Residuals (n,) of a censored or truncated regression at `params`.

        Parameters
        ----------
        kind : {"response", "deviance", "quantile"}
            "response": y - x'b, y at its limit where censored, in the middle of an interval (as survreg and crch).
            "deviance": root of twice the log-likelihood that the row could gain, signed as its score (as survreg: minus
            where left-censored, plus where right-censored; not of a truncated regression).
            "quantile": normal quantile of the distribution function at y, drawn within what a censored response may
            be: standard normal if the model is right (Dunn & Smyth 1996).
        seed : int or Generator, optional
            Of the draws.
        """
        from em_vs_bayes.fit.regression.residuals import residuals

        return residuals(self, kind, seed)

    # --- states of hidden Markov models -------------------------------------------------------------------------

    def filtered_proba(self, y: Any = None, *, exog: Any = None, lengths: Any = None) -> Array:
        """Probabilities of the states at each row given the rows up to and including it (n, K): no look-ahead."""
        from em_vs_bayes.fit.states import filtered

        return filtered(self._program(y, exog, lengths), self.theta)

    def predicted_proba(self, y: Any = None, *, exog: Any = None, lengths: Any = None) -> Array:
        """Probabilities of the states at each row given the rows before it (n, K): one step ahead."""
        from em_vs_bayes.fit.states import predicted

        return predicted(self._program(y, exog, lengths), self.theta)

    def sample_states(self, n: int = 1, seed: int | np.random.Generator | None = None) -> NDArray[np.int64]:
        """Paths of states drawn from their posterior (n, T), by forward filtering, backward sampling (Chib 1996).

        Each path is drawn at a posterior draw of the parameters chosen at random (a different one each, while they
        last), or at `params` where there are no draws. ValueError where a row has probability zero.
        """
        from em_vs_bayes.fit.states import sample_states

        return sample_states(self, n, seed)

    @property
    def stationary_distribution(self) -> Array:
        """The distribution of the state in the long run at `params` (K,); `state_summary` has intervals."""
        from em_vs_bayes.fit.states import stationary_distribution, transition

        return stationary_distribution(transition(self, "stationary_distribution"))

    @property
    def dwell_times(self) -> Array:
        """Expected number of rows that a visit to each state lasts, at `params` (K,)."""
        from em_vs_bayes.fit.states import dwell_times, transition

        return dwell_times(transition(self, "dwell_times"))

    def state_summary(
        self, level: float = 0.95, *, draws: int = 200, seed: int | np.random.Generator | None = 0
    ) -> pd.DataFrame:
        """One row per state: ``stationary`` probability, expected ``dwell_time``, and ``share`` of rows by Viterbi.

        Parameters
        ----------
        level : float
            Of the equal-tailed posterior intervals, columns ``..._lower`` and ``..._upper``, where there are draws.
        draws : int
            Paths sampled for the interval of the share.
        seed : int or Generator, optional
            Of these paths.
        """
        from em_vs_bayes.fit.states import state_summary

        return state_summary(self, level, draws, seed)

    def forecast(
        self, steps: int, level: float = 0.9, draws: int = 1000, *, y: Any = None, lengths: Any = None
    ) -> pd.DataFrame:
        """The rows after the last one of each sequence, with the states behind them.

        Parameters
        ----------
        steps : int
            How many rows ahead.
        level : float
            Of the equal-tailed predictive interval.
        draws : int
            At most so many posterior draws, evenly thinned, are averaged over; without draws, the model at `params`.
        y, lengths
            New sequences to go on from; by default those fitted.

        Returns
        -------
        DataFrame
            Index ``step``, or (``sequence``, ``step``) with several sequences; where the index of y says how it goes on
            (dates or periods of one frequency, numbers evenly spaced), its labels in place of ``step``. Columns
            ``mean``, ``median``, ``lower``, ``upper`` (after the column's name and ``_`` where there are several; of
            categories, ``prob_0``, ...) and
            ``state_0``, ... They are those of the predictive mixture itself: nothing is simulated.
        """
        from em_vs_bayes.fit.forecast import forecast

        return forecast(self, self._program(y, lengths=lengths), steps, level, draws)

    def pseudo_residuals(self, kind: str = "ordinary") -> pd.DataFrame:
        """Normal pseudo-residuals at `params`: standard normal if the model is right (Zucchini et al. 2016, ch. 6).

        Parameters
        ----------
        kind : {"ordinary", "forecast"}
            Of each row given all other rows of its sequence, or given the rows before it (then independent as well).

        Returns
        -------
        DataFrame (n, 3)
            ``lower``, ``mid``, ``upper``: for counts and categories the ends of the segment that the row's probability
            fills, and the normal quantile of its middle; three times the same for continuous data. NaN where missing.
            Rows are labelled by the index of y.
            Several streams or features, each by its marginal, stand side by side under their names.
        """
        from em_vs_bayes.fit.residuals import pseudo_residuals

        return pseudo_residuals(self, kind)

    def plot_pseudo_residuals(self, kind: str = "ordinary", *, response: str | None = None, ax: Any = None) -> Figure:
        """Index plot, histogram, normal quantiles and autocorrelation of the pseudo-residuals.

        Parameters
        ----------
        kind : {"ordinary", "forecast"}
        response : str, optional
            Which stream or feature, where there are several; by default the first.
        ax : four matplotlib axes, optional
            By default those of a new figure, which is in no way tied to pyplot.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from em_vs_bayes.fit.residuals import plot

        return plot(self, kind, response, ax)

    # --- simulation ---------------------------------------------------------------------------------------------

    def simulate(
        self, n: int | None = None, seed: int | np.random.Generator | None = None, *, lengths: Any = None
    ) -> Any:
        """New observations at `params`, of the type the emission reads.

        Parameters
        ----------
        n : int, optional
            Rows (of one sequence); by default as the data, sequence by sequence, as regressions must be.
        seed : int or Generator, optional
        lengths : array_like of int, optional
            Of the sequences, in place of ``n``.
        """
        return simulate(self, n, seed, lengths)

    # --- uncertainty --------------------------------------------------------------------------------------------

    def vcov(
        self,
        kind: str | None = None,
        *,
        clusters: Any = None,
        n_boot: int | None = None,
        seed: int | np.random.Generator | None = None,
        progressbar: bool = True,
    ) -> pd.DataFrame:
        """Covariance matrix of the parameters, labelled.

        Parameters
        ----------
        kind : str, optional
            By default "posterior" where there are draws, else "observed".

            - "observed": inverse observed information (prior included where ``objective="map"``); in closed form for
              censored and truncated regressions.
            - "louis": the same number as complete-data less missing information (Louis 1982); for those regressions.
            - "opg": inverse outer product of the scores of rows (Berndt et al. 1974).
            - "sandwich": observed, outer product, observed (Huber 1967; R's sandwich).
            - "clustered": the sandwich with scores summed over clusters, times G / (G - 1) for G clusters (CR1; as
              Stata's vce(cluster) of a maximum likelihood estimate; sandwich::vcovCL with type HC0).
            - "bootstrap": covariance of estimates from rows drawn with replacement, or clusters, or sequences; of one
              sequence from data simulated at the estimate (the parametric bootstrap).
            - "posterior": covariance of the posterior draws.
        clusters : array_like (n,) or str, optional
            Labels of the rows, or the column of the fitted frame that has them.
        n_boot : int, optional
            Bootstrap fits, 200 by default; limits by percentiles want more.
        seed : int or Generator, optional
            Of the bootstrap.
        progressbar : bool

        Returns
        -------
        DataFrame (Q, Q)
            Zeros where a parameter is fixed.

        Raises
        ------
        ValueError
            Where the errors do not exist, or the kind does not apply; the message says why.
        """
        from em_vs_bayes.fit.uncertainty import Asked, vcov

        return vcov(self, Asked(kind, clusters, n_boot, seed, progressbar))

    def std_errors(
        self,
        kind: str | None = None,
        *,
        clusters: Any = None,
        n_boot: int | None = None,
        seed: int | np.random.Generator | None = None,
        progressbar: bool = True,
    ) -> Params:
        """Standard errors (or posterior standard deviations) under the parameters' names and shapes.

        Arguments are those of `vcov`.
        """
        from em_vs_bayes.fit.uncertainty import Asked, std_errors

        return std_errors(self, Asked(kind, clusters, n_boot, seed, progressbar))

    def confint(
        self,
        level: float = 0.95,
        kind: str | None = None,
        *,
        clusters: Any = None,
        n_boot: int | None = None,
        seed: int | np.random.Generator | None = None,
        progressbar: bool = True,
    ) -> pd.DataFrame:
        """Confidence limits of each parameter, or equal-tailed posterior intervals.

        Arguments are those of `vcov`; the limits of the bootstrap are the percentiles of its estimates. Those from
        standard errors are symmetric for real parameters, for logarithms of positive ones (variances too) and for log
        odds of probabilities, and carried back: they stay within the parameter space. An element on its boundary is
        held there: its error is 0, its interval the estimate, and `notes` say so. NaN where the data say nothing, of a
        component without weight.
        """
        from em_vs_bayes.fit.uncertainty import Asked, confint

        return confint(self, level, Asked(kind, clusters, n_boot, seed, progressbar))

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """One row per scalar parameter: estimate, sd, interval and, for samplers, R-hat, ESS and MCSE.

        Parameters
        ----------
        level : float
            Of the interval, as in `confint`.
        """
        from em_vs_bayes.fit.describe import summary

        return summary(self, level)

    # --- leaving ------------------------------------------------------------------------------------------------

    @property
    def idata(self) -> xr.DataTree:
        """ArviZ DataTree: the same names and dims for every method."""
        return datatree(self)

    def with_log_likelihood(self, kind: str) -> Fit:
        """The same fit, whose `idata` holds log-likelihood terms of another kind.

        Parameters
        ----------
        kind : str
            As in `score_samples`. Of a hidden Markov model "loo" (the default; for leaving out one row by importance
            sampling), "predictive", or "sequence" (for leaving out one sequence; dim ``sequence``).
        """
        kinds = self.program.latent.pointwise_kinds
        one_of("kind", kind, tuple(kinds))
        return replace(self, attrs={**self.attrs, "log_likelihood_kind": kind})

    def resume(self, *, progressbar: bool = True, **options: Any) -> Fit:
        """Go on where this fit stopped, as if it had not.

        Parameters
        ----------
        progressbar : bool
        **options
            Changed options of the method: a larger ``max_iter``, or ``draws`` (the new total per chain).

        Returns
        -------
        Fit
            EM and Gibbs: the very run that would not have been stopped. VI too, with conjugate priors. What was stopped
            while starts were screened begins again.

        Raises
        ------
        ValueError
            For methods that keep no checkpoint (nuts, laplace, advi).
        """
        from em_vs_bayes.fit.resuming import resume

        return resume(self, progressbar, options)

    def save(self, path: str | Path) -> None:
        """Write the fit to one file: a zip of JSON and plain arrays, nothing that runs when loaded."""
        persist.save(self, path)

    def __dir__(self) -> list[str]:
        """What applies to this fit; asking for the rest says in words why not."""
        chain, parts = self.program.latent.sequential, bool(self.spec.leading)
        regression = not parts and self.spec.model_emission.takes_exog
        hidden = (set() if chain else OF_CHAINS) | (set() if regression else OF_REGRESSIONS)
        return sorted({*super().__dir__()} - hidden - (set() if parts else {"predict_proba"}))

    def __repr__(self) -> str:
        from em_vs_bayes.fit.printing import text

        return text(self)

    def _repr_html_(self) -> str:
        from em_vs_bayes.fit.printing import html

        return html(self)


def load(path: str | Path, *, model: Any = None) -> Fit:
    """The fit that `Fit.save` wrote.

    Parameters
    ----------
    path : str or Path
    model : type or Model, optional
        Of a fit of a user's model its class, or an instance of it: a file has the name of the class alone, and nothing
        that a file names is imported or run.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it is no whole fit; the message says why.
    """
    return persist.load(Fit, path, model)
