"""Command line: ``em-vs-bayes compare faithful --report report.html``, and ``fit``, ``datasets``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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


class EmissionName(StrEnum):
    """Distribution of a row within its component, for ``--model mixture``."""

    normal = "normal"
    poisson = "poisson"
    exponential = "exponential"
    bernoulli = "bernoulli"
    categorical = "categorical"


class Covariance(StrEnum):
    """Structure of the covariances, for ``--model gmm``."""

    full = "full"
    tied = "tied"
    diag = "diag"
    spherical = "spherical"


Data = Annotated[str, typer.Argument(help="A shipped data set (see `datasets`), or the path of a CSV or Parquet file.")]
ModelOption = Annotated[Model, typer.Option(help="gmm: Gaussian mixture; mixture: of any --emission.")]
EmissionOption = Annotated[EmissionName, typer.Option(help="Distribution within a component (--model mixture).")]
Components = Annotated[int, typer.Option("--components", "-k", help="Number of components.")]
CovarianceOption = Annotated[Covariance, typer.Option(help="Structure of the covariances (--model gmm).")]
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
    emission: EmissionOption = EmissionName.normal,
    components: Components = 2,
    covariance: CovarianceOption = Covariance.full,
    columns: Columns = None,
    weights_column: WeightsColumn = None,
    methods: Annotated[str, typer.Option(help="Methods, with commas.")] = "em,vi,gibbs,nuts",
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
        y, weights = read(data, columns, weights_column, one=model is Model.mixture)
        spec = build(model, emission, components, covariance, y)
        if report is not None and not report.resolve().parent.is_dir():
            raise ValueError(f"--report {report}: there is no directory {report.resolve().parent}")
        from em_vs_bayes.compare import compare as compare_fits

        names = tuple(split(methods))
        settings = given(draws=draws, tune=tune, chains=chains)
        options = {name: settings for name in names if name in ("gibbs", "nuts")}
        result = compare_fits(
            spec,
            y,
            methods=names,
            seed=seed,
            weights=weights,
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
    emission: EmissionOption = EmissionName.normal,
    components: Components = 2,
    covariance: CovarianceOption = Covariance.full,
    columns: Columns = None,
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
        y, weights = read(data, columns, weights_column, one=model is Model.mixture)
        spec = build(model, emission, components, covariance, y)
        done = spec.fit(
            y,
            method,
            seed=seed,
            weights=weights,
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
        if output is not None:
            done.save(output)
            typer.echo(f"saved: {output}", err=as_json)


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
        typer.echo(f"error: {words}", err=True)
        raise typer.Exit(2) from refusal


def read(data: str, columns: str | None, weights_column: str | None, *, one: bool) -> tuple[pd.DataFrame, Any]:
    """The columns to fit and the case weights (or None), all numbers; ``one`` asks for a single column."""
    frame = _table(data)
    chosen = split(columns) if columns else [c for c in frame.columns if c != weights_column]
    wanted = [*chosen, *([weights_column] if weights_column else [])]
    if absent := [c for c in wanted if c not in frame.columns]:
        raise ValueError(f"{data} has no column {', '.join(absent)}; it has {', '.join(map(str, frame.columns))}")
    if words := [c for c in wanted if frame[c].dtype.kind not in "biuf"]:
        raise ValueError(
            f"{data}: {', '.join(map(str, words))} holds no numbers; choose by --columns "
            f"among {', '.join(map(str, frame.columns))}"
        )
    if one and len(chosen) != 1:
        raise ValueError(f"--model mixture wants one column; {data} gives {', '.join(chosen)}; choose by --columns")
    return frame[chosen], frame[weights_column].to_numpy(float) if weights_column else None


def build(model: Model, emission: EmissionName, components: int, covariance: Covariance, y: pd.DataFrame) -> Spec:
    """The spec that the options name."""
    import em_vs_bayes as evb

    if model is Model.gmm:
        return evb.GaussianMixture(components, covariance=covariance.value)
    column = y.iloc[:, 0]
    emissions: dict[EmissionName, Callable[[], Any]] = {
        EmissionName.normal: evb.emissions.Normal,
        EmissionName.poisson: evb.emissions.Poisson,
        EmissionName.exponential: evb.emissions.Exponential,
        EmissionName.bernoulli: evb.emissions.Bernoulli,
        EmissionName.categorical: lambda: evb.emissions.Categorical(int(column.max()) + 1),
    }
    return evb.Mixture(emissions[emission](), components)


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
        if path.exists():
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
