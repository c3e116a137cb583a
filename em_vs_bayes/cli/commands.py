"""The commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from em_vs_bayes.cli.models import Line, build, fits_together
from em_vs_bayes.cli.options import (
    Chains,
    Columns,
    Components,
    CovarianceOption,
    Criterion,
    Data,
    DecimalOption,
    Draws,
    EmissionOption,
    EncodingOption,
    FormulaOption,
    HeaderOption,
    InitialOption,
    Json,
    LengthsColumn,
    Level,
    LowerOption,
    Model,
    ModelOption,
    Quiet,
    Seed,
    SepOption,
    Sizes,
    Tune,
    UpperOption,
    WeightsColumn,
)
from em_vs_bayes.cli.table import (
    Source,
    check_writable,
    read,
    read_frame,
    split,
)
from em_vs_bayes.common import printable

MOST_SIZES, LARGEST_SIZE = 100, 10_000  # numbers of components that one command tries

app = typer.Typer(
    help="Fit a latent-variable model by EM, variational Bayes, Gibbs and NUTS, and see where they agree.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(asked: bool) -> None:
    if asked:
        from em_vs_bayes import __version__

        typer.echo(f"em-vs-bayes {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Fit a latent-variable model by EM, variational Bayes, Gibbs and NUTS, and see where they agree."""


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
    sep: SepOption = None,
    decimal: DecimalOption = None,
    header: HeaderOption = None,
    encoding: EncodingOption = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Methods, with commas. Default: em,vi,gibbs,nuts, or those of them that the model can have."),
    ] = None,
    level: Level = 0.95,
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
        names = None if methods is None else known_methods("--methods", split(methods))
        check_level(level)
        check_writable("--report", report)
        source = Source(data, sep, decimal, header, encoding)
        fits_together(model, emission, covariance, initial, lengths_column)
        line = Line(formula, lower, upper)
        line.fits_together(model, components, columns)
        y, weights = _read_for(model, source, columns, weights_column, lengths_column)
        spec = _spec(model, line, emission, components, covariance, initial, y)
        from em_vs_bayes.comparison.compare import compare as compare_fits

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
            level=level,
            progressbar=not (quiet or as_json),
        )
        if as_json:
            typer.echo(json.dumps(_comparison_json(result), indent=1))
        else:
            from rich.console import Console

            from em_vs_bayes.comparison import terminal

            terminal.show(result, result.findings, Console())
        if report is not None:
            result.report(report, progressbar=not (quiet or as_json))
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
    sep: SepOption = None,
    decimal: DecimalOption = None,
    header: HeaderOption = None,
    encoding: EncodingOption = None,
    level: Level = 0.95,
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
        known_methods("--method", [method])
        check_level(level)
        check_writable("--output", output)
        source = Source(data, sep, decimal, header, encoding)
        fits_together(model, emission, covariance, initial, lengths_column)
        line = Line(formula, lower, upper)
        line.fits_together(model, components, columns)
        y, weights = _read_for(model, source, columns, weights_column, lengths_column)
        spec = _spec(model, line, emission, components, covariance, initial, y)
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
            typer.echo(done.summary(level=level).to_string())
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
    sizes: Sizes = "1-7",
    covariance: CovarianceOption = None,
    initial: InitialOption = None,
    columns: Columns = None,
    lengths_column: LengthsColumn = None,
    weights_column: WeightsColumn = None,
    sep: SepOption = None,
    decimal: DecimalOption = None,
    header: HeaderOption = None,
    encoding: EncodingOption = None,
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
        if method is not None:
            known_methods("--method", [method])
        check_writable("--output", output)
        numbers = counts(sizes)
        source = Source(data, sep, decimal, header, encoding)
        if model.regression:
            raise ValueError(f"select chooses a number of components or states; --model {model} has neither")
        fits_together(model, emission, covariance, initial, lengths_column)
        y, weights = read(source, columns, weights_column, lengths_column, one=model)
        from em_vs_bayes.comparison.select import select as select_size

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


def _read_for(
    model: Model, source: Source, columns: str | None, weights_column: str | None, lengths_column: str | None
) -> tuple[Any, Any]:
    """The data that a model reads, and case weights: a whole frame for a regression's formula."""
    if model.regression:
        return read_frame(source, weights_column)
    return read(source, columns, weights_column, lengths_column, one=model)


def _spec(
    model: Model,
    line: Line,
    emission: Any,
    components: int | None,
    covariance: Any,
    initial: Any,
    y: Any,
) -> Any:
    """The spec that the options describe; two components or states where nobody says how many."""
    if model.regression:
        return line.build(model)
    return build(model, emission, 2 if components is None else components, covariance, initial, y)


def counts(words: str) -> list[int]:
    """``"1-3, 5"`` as ``[1, 2, 3, 5]``."""
    numbers: set[int] = set()
    for word in split(words):
        first, _, last = (part.strip() for part in word.partition("-"))
        last = last or first
        if not (first.isdecimal() and last.isdecimal() and len(first) < 16 and len(last) < 16):
            numbers.add(0)
            break
        a, b = int(first), int(last)
        if b - a >= MOST_SIZES or b > LARGEST_SIZE:
            raise ValueError(
                f"-k {words} asks for too many; at most {MOST_SIZES} numbers up to {LARGEST_SIZE:,} are tried"
            )
        numbers.update(range(a, b + 1))
    if not numbers or min(numbers) < 1:
        raise ValueError(f"-k {words[:60]} wants numbers of components such as 1-7 or 2,3,5")
    if len(numbers) > MOST_SIZES:
        raise ValueError(f"-k asks for {len(numbers)} numbers; at most {MOST_SIZES} are tried")
    return sorted(numbers)


@app.command()
def datasets() -> None:
    """List the data sets that come with the package."""
    from em_vs_bayes.data import datasets as shipped

    table = shipped.available()
    width = table["name"].str.len().max()
    for row in table.itertuples():
        typer.echo(f"{row.name:{width}}  {row.rows:>5} rows  {row.description}  [{row.columns}]")


def main() -> None:
    """Entry point of ``em-vs-bayes``."""
    app()


@contextmanager
def said() -> Iterator[None]:
    """Turn what the package refuses, and files that cannot be read or written, into one line and exit code 2."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, TypeError, KeyError, NotImplementedError, OSError) as refusal:
        words = " ".join(str(refusal.args[0] if isinstance(refusal, KeyError) else refusal).split())
        typer.echo(f"error: {printable.name(words)}", err=True)
        raise typer.Exit(2) from refusal


def known_methods(option: str, names: list[str]) -> tuple[str, ...]:
    """The names of methods; unknown ones are refused before anything is read."""
    from em_vs_bayes.methods import METHODS

    for name in names:
        if name not in METHODS:
            raise ValueError(f"{option} {name} is unknown; wants {', '.join(METHODS)}")
    if not names:
        raise ValueError(f"{option} names no method; wants some of {', '.join(METHODS)}")
    return tuple(names)


def check_level(level: float) -> None:
    """Refuse a level that is no probability."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"--level {level:g} must be between 0 and 1, such as 0.95")


def given(**options: Any) -> dict[str, Any]:
    """The options that were set."""
    return {name: value for name, value in options.items() if value is not None}


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
