"""What the command line can be asked: names of models, emissions and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


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


Data = Annotated[
    str,
    typer.Argument(
        help="A shipped data set (see `datasets`), the path of a .csv, .tsv or .parquet file, or - for stdin. Text may "
        "be compressed (.csv.gz, .bz2, .xz)."
    ),
]
SepOption = Annotated[
    str | None, typer.Option("--sep", help="What separates the fields of a text file. Default: a comma, in .tsv a tab.")
]
DecimalOption = Annotated[
    str | None, typer.Option("--decimal", help="The decimal sign of a text file. Default: a point.")
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="How a text file is encoded, such as cp1252. Default: UTF-8.")
]
HeaderOption = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header", help="Whether the first line of a text file has the names of columns. Default: yes."
    ),
]
Level = Annotated[float, typer.Option(help="Probability of the intervals.")]
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
