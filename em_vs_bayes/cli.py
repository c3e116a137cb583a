"""Command line: ``em-vs-bayes compare faithful --report report.html``, and ``fit``, ``select``, ``datasets``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_vs_bayes import printable

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.spec import Spec

app = typer.Typer(
    help="Fit a latent-variable model by EM, variational Bayes, Gibbs and NUTS, and see where they agree.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Model(StrEnum):
    """Which spec."""

    gmm = "gmm"
    mixture = "mixture"
    ghmm = "ghmm"
    hmm = "hmm"
    tobit = "tobit"
    censored = "censored"
    truncated = "truncated"

    @property
    def regression(self) -> bool:
        """One regression of a frame's columns, by a formula."""
        return self in REGRESSIONS

    @property
    def gaussian(self) -> bool:
        """Vectors with covariances, and not one column with an emission."""
        return self in (Model.gmm, Model.ghmm)

    @property
    def sequential(self) -> bool:
        """Hidden Markov."""
        return self in (Model.ghmm, Model.hmm)


REGRESSIONS = (Model.tobit, Model.censored, Model.truncated)


class EmissionName(StrEnum):
    """Distribution of a row within its component or state, for ``--model mixture`` and ``hmm``; studentt has df = 4."""

    normal = "normal"
    studentt = "studentt"
    poisson = "poisson"
    exponential = "exponential"
    bernoulli = "bernoulli"
    categorical = "categorical"


class Covariance(StrEnum):
    """Structure of the covariances, for ``--model gmm`` and ``ghmm``."""

    full = "full"
    tied = "tied"
    diag = "diag"
    spherical = "spherical"


class Initial(StrEnum):
    """Distribution of the first state, for ``--model hmm`` and ``ghmm``."""

    free = "free"
    uniform = "uniform"
    stationary = "stationary"


class Criterion(StrEnum):
    """What `select` chooses by."""

    bic = "bic"
    aic = "aic"
    icl = "icl"
    loo = "loo"


Data = Annotated[str, typer.Argument(help="A shipped data set (see `datasets`), or the path of a CSV or Parquet file.")]
ModelOption = Annotated[
    Model,
    typer.Option(
        help="gmm: Gaussian mixture; mixture: of any --emission; ghmm: Gaussian hidden Markov model; hmm: with any "
        "--emission; tobit, censored, truncated: a regression by --formula whose response is cut off at --lower and "
        "--upper, lies in intervals, or is seen within the limits alone."
    ),
]
EmissionOption = Annotated[
    EmissionName | None,
    typer.Option(help="Distribution within a component or state (--model mixture, hmm). Default: normal."),
]
Components = Annotated[
    int | None, typer.Option("--components", "--states", "-k", help="Number of components or states. Default: 2.")
]
Sizes = Annotated[str, typer.Option("--components", "--states", "-k", help="Numbers to try: 1-7, or 2,3,5.")]
CovarianceOption = Annotated[
    Covariance | None, typer.Option(help="Structure of the covariances (--model gmm, ghmm). Default: full.")
]
InitialOption = Annotated[
    Initial | None, typer.Option(help="Distribution of the first state (--model hmm, ghmm). Default: free.")
]
LengthsColumn = Annotated[
    str | None, typer.Option(help="Column that says which sequence a row belongs to (--model hmm, ghmm).")
]
FormulaOption = Annotated[
    str | None,
    typer.Option(
        help='Of the regressions: "y ~ x1 + C(group)"; with --model censored "censored(lower, upper) ~ x1", by the '
        "columns that hold the ends of each row's interval."
    ),
]
LowerOption = Annotated[
    float | None,
    typer.Option(help="Lower limit (--model tobit, truncated). Default: 0 for tobit, unless --upper is given alone."),
]
UpperOption = Annotated[float | None, typer.Option(help="Upper limit (--model tobit, truncated). Default: none.")]
Columns = Annotated[str | None, typer.Option(help="Columns to use, with commas. Default: all.")]
WeightsColumn = Annotated[str | None, typer.Option(help="Column of case weights.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Draws = Annotated[int | None, typer.Option(help="Draws of each chain to keep.")]
Tune = Annotated[int | None, typer.Option(help="Draws of each chain to tune on and discard.")]
Chains = Annotated[int | None, typer.Option(help="Number of chains.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


@app.command()
def compare(
    data: Data,
    model: ModelOption = Model.gmm,
    emission: EmissionOption = None,
    components: Components = None,
    covariance: CovarianceOption = None,
    initial: InitialOption = None,
    formula: FormulaOption = None,
    lower: LowerOption = None,
    upper: UpperOption = None,
    columns: Columns = None,
    lengths_column: LengthsColumn = None,
    weights_column: WeightsColumn = None,
    methods: Annotated[
        str, typer.Option(help="Methods, with commas. [default: those of em,vi,gibbs,nuts it can have]")
    ] = "",
    seed: Seed = 1,
    draws: Draws = None,
    tune: Tune = None,
    chains: Chains = None,
    report: Annotated[Path | None, typer.Option(help="Write one HTML page here.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit one model by several methods and say where they agree and where not."""
    with said():
        fits_together(model, emission, covariance, initial, lengths_column)
        line = Line(formula, lower, upper)
        line.fits_together(model, components, columns)
        if model.regression:
            y, weights = read_frame(data, weights_column)
            spec: Spec = line.build(model)
        else:
            y, weights = read(data, columns, weights_column, lengths_column, one=model)
            spec = build(model, emission, 2 if components is None else components, covariance, initial, y)
        if report is not None and not report.resolve().parent.is_dir():
            raise ValueError(f"--report {report}: there is no directory {report.resolve().parent}")
        from em_vs_bayes.compare import compare as compare_fits

        names = tuple(split(methods)) if methods else None
        settings = given(draws=draws, tune=tune, chains=chains)
        options = {name: settings for name in names or ("gibbs", "nuts") if name in ("gibbs", "nuts")}
        result = compare_fits(
            spec,
            y,
            methods=names,
            seed=seed,
            weights=weights,
            lengths=lengths_column,
            options=options,
            progressbar=not (quiet or as_json),
        )
        if as_json:
            typer.echo(json.dumps(_comparison_json(result), indent=1))
        else:
            from rich.console import Console

            from em_vs_bayes.report import terminal

            terminal.show(result, Console())
        if report is not None:
            result.report(report)
            typer.echo(f"report: {report}", err=as_json)


@app.command()
def fit(
    data: Data,
    method: Annotated[str, typer.Option(help="em, vi, gibbs, nuts, laplace or advi.")] = "em",
    model: ModelOption = Model.gmm,
    emission: EmissionOption = None,
    components: Components = None,
    covariance: CovarianceOption = None,
    initial: InitialOption = None,
    formula: FormulaOption = None,
    lower: LowerOption = None,
    upper: UpperOption = None,
    columns: Columns = None,
    lengths_column: LengthsColumn = None,
    weights_column: WeightsColumn = None,
    seed: Seed = 1,
    draws: Draws = None,
    tune: Tune = None,
    chains: Chains = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the fit here.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit one model by one method; print its estimates, and save it."""
    with said():
        fits_together(model, emission, covariance, initial, lengths_column)
        line = Line(formula, lower, upper)
        line.fits_together(model, components, columns)
        if model.regression:
            y, weights = read_frame(data, weights_column)
            spec: Spec = line.build(model)
        else:
            y, weights = read(data, columns, weights_column, lengths_column, one=model)
            spec = build(model, emission, 2 if components is None else components, covariance, initial, y)
        done = spec.fit(
            y,
            method,
            seed=seed,
            weights=weights,
            lengths=lengths_column,
            progressbar=not (quiet or as_json),
            **given(draws=draws, tune=tune, chains=chains),
        )
        if as_json:
            content = {
                "spec": spec.to_dict(),
                "method": done.method,
                "status": str(done.status),
                "converged": bool(done.converged),
                "log_likelihood": float(done.log_likelihood),
                "params": {name: value.tolist() for name, value in done.params.items()},
            }
            typer.echo(json.dumps(content, indent=1))
        else:
            typer.echo(f"{spec}\n{method}: {done.status}\nlog-likelihood {done.log_likelihood:,.3f}\n")
            typer.echo(done.summary().to_string())
            if model.sequential:
                typer.echo(f"\n{done.state_summary().to_string()}")
        if output is not None:
            done.save(output)
            typer.echo(f"saved: {output}", err=as_json)


@app.command()
def select(
    data: Data,
    model: ModelOption = Model.gmm,
    emission: EmissionOption = None,
    sizes: Annotated[
        str, typer.Option("--components", "--states", "-k", help="Numbers to try: 1-7, or 2,3,5.")
    ] = "1-7",
    covariance: CovarianceOption = None,
    initial: InitialOption = None,
    columns: Columns = None,
    lengths_column: LengthsColumn = None,
    weights_column: WeightsColumn = None,
    criterion: Annotated[Criterion, typer.Option(help="Smallest bic, aic or icl; greatest elpd for loo.")] = (
        Criterion.bic
    ),
    method: Annotated[str | None, typer.Option(help="em, or for --criterion loo one with draws.")] = None,
    seed: Seed = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the best fit here.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a model with several numbers of components or states and say which is best."""
    with said():
        if model.regression:
            raise ValueError(f"select chooses a number of components or states; --model {model} has neither")
        fits_together(model, emission, covariance, initial, lengths_column)
        y, weights = read(data, columns, weights_column, lengths_column, one=model)
        from em_vs_bayes.select import select as select_size

        numbers = counts(sizes)
        name = "n_states" if model.sequential else "n_components"
        chosen = select_size(
            build(model, emission, numbers[0], covariance, initial, y),
            y,
            criterion=criterion.value,
            method=method,
            seed=seed,
            weights=weights,
            lengths=lengths_column,
            progressbar=not (quiet or as_json),
            **{name: numbers},
        )
        if as_json:
            table = json.loads(chosen.table.to_json(orient="index"))
            typer.echo(
                json.dumps({"criterion": criterion.value, "best": chosen.best.spec.size, "table": table}, indent=1)
            )
        else:
            typer.echo(str(chosen))
        if output is not None:
            chosen.best.save(output)
            typer.echo(f"saved: {output}", err=as_json)


def counts(words: str) -> list[int]:
    """``"1-3, 5"`` as ``[1, 2, 3, 5]``."""
    try:
        numbers: list[int] = []
        for word in split(words):
            first, _, last = word.partition("-")
            numbers += range(int(first), int(last or first) + 1)
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise ValueError(f"-k {words} wants numbers of components such as 1-7 or 2,3,5")
    return sorted(set(numbers))


@app.command()
def datasets() -> None:
    """List the data sets that come with the package."""
    from em_vs_bayes import datasets as shipped

    table = shipped.available()
    width = table["name"].str.len().max()
    for row in table.itertuples():
        typer.echo(f"{row.name:{width}}  {row.rows:>5} rows  {row.description}  [{row.columns}]")


def main() -> None:
    """Entry point of ``em-vs-bayes``."""
    app()


@contextmanager
def said() -> Iterator[None]:
    """Turn what the package refuses into one line and exit code 2."""
    try:
        yield
    except (ValueError, TypeError, KeyError, NotImplementedError, FileNotFoundError) as refusal:
        words = " ".join(str(refusal.args[0] if isinstance(refusal, KeyError) else refusal).split())
        typer.echo(f"error: {printable.name(words)}", err=True)
        raise typer.Exit(2) from refusal


def fits_together(
    model: Model,
    emission: EmissionName | None,
    covariance: Covariance | None,
    initial: Initial | None,
    lengths_column: str | None,
) -> None:
    """Refuse options that the model has no use for: nothing given is ignored."""
    for option, value, models in (
        ("--emission", emission, (Model.mixture, Model.hmm)),
        ("--covariance", covariance, (Model.gmm, Model.ghmm)),
        ("--initial", initial, (Model.hmm, Model.ghmm)),
        ("--lengths-column", lengths_column, (Model.hmm, Model.ghmm)),
    ):
        _refuse(option, value, models, model)


def _refuse(option: str, value: Any, models: tuple[Model, ...], model: Model) -> None:
    if value is not None and model not in models:
        wanted = " or ".join(f"--model {m}" for m in models)
        raise ValueError(f"{option} {value} goes with {wanted}; got --model {model}")


@dataclass(frozen=True, slots=True)
class Line:
    """What the options say of a regression."""

    formula: str | None
    lower: float | None
    upper: float | None

    def fits_together(self, model: Model, components: int | None, columns: str | None) -> None:
        """Refuse what the model has no use for, and a regression without a formula."""
        given_limits = (("--lower", self.lower), ("--upper", self.upper))
        for option, value, models in (
            ("--formula", self.formula, REGRESSIONS),
            *((option, value, (Model.tobit, Model.truncated)) for option, value in given_limits),
        ):
            _refuse(option, value, models, model)
        if not model.regression:
            return
        if components is not None:
            raise ValueError(f"-k {components} goes with mixtures and hidden Markov models; got --model {model}")
        if columns is not None:
            raise ValueError(f"--columns {columns}: --model {model} takes its columns from --formula")
        if self.formula is None:
            raise ValueError(f'--model {model} wants --formula, such as "{EXAMPLES[model]}"')

    def build(self, model: Model) -> Spec:
        """The spec."""
        import em_vs_bayes as evb

        if model is Model.censored:
            return evb.CensoredRegression(self.formula)
        if model is Model.truncated:
            return evb.TruncatedRegression(self.formula, self.lower, self.upper)
        lower = 0.0 if self.lower is None and self.upper is None else self.lower
        return evb.Tobit(self.formula, lower, self.upper)


EXAMPLES = {
    Model.tobit: "y ~ x",
    Model.censored: "censored(lower, upper) ~ x",
    Model.truncated: "y ~ x",
}


def read_frame(data: str, weights_column: str | None) -> tuple[pd.DataFrame, Any]:
    """All columns, of which a formula takes what it wants, and the case weights (or None)."""
    frame = _table(data)
    if weights_column is None:
        return frame, None
    if weights_column not in frame.columns:
        raise ValueError(f"{data} has no column {weights_column}; it has {', '.join(map(str, frame.columns))}")
    if frame[weights_column].dtype.kind not in "biuf":
        raise ValueError(f"{data}: {weights_column} holds no numbers; --weights-column wants some")
    return frame, frame[weights_column].to_numpy(float)


def read(
    data: str, columns: str | None, weights_column: str | None, lengths_column: str | None, *, one: Model
) -> tuple[pd.DataFrame, Any]:
    """The columns to fit, all numbers, with that of the sequences last, and the case weights (or None)."""
    frame = _table(data)
    apart = [c for c in (lengths_column, weights_column) if c is not None]
    chosen = split(columns) if columns else [c for c in frame.columns if c not in apart]
    wanted = [*chosen, *apart]
    if absent := [c for c in wanted if c not in frame.columns]:
        raise ValueError(f"{data} has no column {', '.join(absent)}; it has {', '.join(map(str, frame.columns))}")
    if lengths_column in chosen:
        raise ValueError(f"--lengths-column {lengths_column} is among --columns {columns}; it says whose each row is")
    if words := [c for c in wanted if c != lengths_column and frame[c].dtype.kind not in "biuf"]:
        raise ValueError(
            f"{data}: {', '.join(map(str, words))} holds no numbers; choose by --columns "
            f"among {', '.join(map(str, frame.columns))}"
        )
    if not one.gaussian and len(chosen) != 1:
        raise ValueError(f"--model {one} wants one column; {data} gives {', '.join(chosen)}; choose by --columns")
    weights = frame[weights_column].to_numpy(float) if weights_column else None
    return frame[[*chosen, *([lengths_column] if lengths_column else [])]], weights


def build(
    model: Model,
    emission: EmissionName | None,
    components: int,
    covariance: Covariance | None,
    initial: Initial | None,
    y: pd.DataFrame,
) -> Spec:
    """The spec that the options name."""
    import em_vs_bayes as evb

    structure, first = (covariance or Covariance.full).value, (initial or Initial.free).value
    if model is Model.gmm:
        return evb.GaussianMixture(components, covariance=structure)
    if model is Model.ghmm:
        return evb.GaussianHMM(components, covariance=structure, initial=first)
    column = y.iloc[:, 0]
    emissions: dict[EmissionName, Callable[[], Any]] = {
        EmissionName.normal: evb.emissions.Normal,
        EmissionName.studentt: evb.emissions.StudentT,
        EmissionName.poisson: evb.emissions.Poisson,
        EmissionName.exponential: evb.emissions.Exponential,
        EmissionName.bernoulli: evb.emissions.Bernoulli,
        EmissionName.categorical: lambda: evb.emissions.Categorical(int(column.max()) + 1),
    }
    made = emissions[emission or EmissionName.normal]()
    return evb.HMM(made, components, initial=first) if model is Model.hmm else evb.Mixture(made, components)


def split(words: str) -> list[str]:
    """``"a, b"`` as ``["a", "b"]``."""
    return [word.strip() for word in words.split(",") if word.strip()]


def given(**options: Any) -> dict[str, Any]:
    """The options that were set."""
    return {name: value for name, value in options.items() if value is not None}


def _table(data: str) -> pd.DataFrame:
    import pandas as pd

    from em_vs_bayes import datasets as shipped

    path = Path(data)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix.lower() not in readers:
        if path.is_file():
            raise ValueError(f"{data} is neither .csv nor .parquet")
        return shipped.load(data)
    if not path.exists():
        raise ValueError(f"there is no file {data}")
    return readers[path.suffix.lower()](path)


def _comparison_json(result: Any) -> dict[str, Any]:
    """Table, elpd, timing and findings; what is not a number is null."""
    return {
        "spec": result.fits[0].spec.to_dict(),
        "level": result.level,
        "table": {name: json.loads(result.table[name].to_json(orient="index")) for name in
                  result.table.columns.get_level_values(0).unique()},
        "elpd": json.loads(result.elpd.to_json(orient="index")),
        "timing": json.loads(result.timing.to_json(orient="index")),
        "findings": [
            {"kind": f.kind, "parameter": f.parameter, "figure": f.figure, "sentence": f.sentence}
            for f in result.findings
        ],
    }  # fmt: skip


if __name__ == "__main__":
    main()
