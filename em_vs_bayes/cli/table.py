"""Tables out of files: what does not fit is noticed and said, never guessed."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from em_vs_bayes.cli.options import Model
from em_vs_bayes.data import texts

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
UNPACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED = (*UNPACKED, ".zip", ".zst")
DEFAULTS = {".csv": ",", ".tsv": "\t", ".txt": ",", "": ","}
LOOKED_AT = 50  # lines from which the form of a file is judged
WITH_COMMA = re.compile(r"^\s*[+-]?\d[\d.]*,\d+\s*$")
WITH_POINT = re.compile(r"^\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*$")


@dataclass(frozen=True, slots=True)
class Source:
    """A data set or file, and how its text is written (None: as is usual)."""

    data: str
    sep: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None

    def frame(self) -> pd.DataFrame:
        """The table; ValueError in words where it is none."""
        from em_vs_bayes.data import datasets as shipped

        path, suffix, packing = Path(self.data), self._suffix, self._packing
        if self.data == "-":
            return self._of_text(self._decoded(sys.stdin.buffer.read()))
        if path.is_dir():
            raise ValueError(f"{self.data} is a directory; wants a .csv, .tsv or .parquet file")
        if packing and path.exists() and (packing not in UNPACKED or suffix not in DEFAULTS):
            raise ValueError(
                f"{self.data} is compressed; unpack it first ({', '.join(UNPACKED)} of a text file is read)"
            )
        if suffix not in (".csv", ".tsv", ".txt", ".parquet"):
            if path.exists():
                raise ValueError(f"{self.data} is neither .csv, .tsv nor .parquet")
            self._no_text_options("a shipped data set")
            return shipped.load(self.data)
        if not path.exists():
            raise ValueError(f"there is no file {self.data}")
        if path.stat().st_size == 0:
            raise ValueError(f"{self.data} is empty")
        if suffix == ".parquet":
            self._no_text_options("a .parquet file")
            return self._parquet(path)
        return self._of_text(self._decoded(self._bytes(path)))

    @property
    def _packing(self) -> str:
        """How the file is compressed, by its name, or ""."""
        last = Path(self.data).suffix.lower()
        return last if last in PACKED else ""

    @property
    def _suffix(self) -> str:
        """What says how the fields are separated: .csv of x.csv.gz."""
        path = Path(self.data)
        return (path.with_suffix("") if self._packing else path).suffix.lower()

    def _bytes(self, path: Path) -> bytes:
        if not self._packing:
            return path.read_bytes()
        try:
            with UNPACKED[self._packing](path) as file:
                return bytes(file.read())
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError) as error:
            raise ValueError(f"{self.data} cannot be unpacked: {' '.join(str(error).split())[:150]}") from None

    def _decoded(self, content: bytes) -> str:
        encoding = self.encoding or "utf-8"
        try:
            return content.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
        except UnicodeDecodeError as error:
            hint = f"is no {encoding.upper()} text (byte {error.start})"
            raise ValueError(
                f"{self.data} {hint}; give its --encoding, such as cp1252 (Windows), latin-1 or utf-16 (Excel's "
                "Unicode text), or save it as CSV in UTF-8"
            ) from None
        except (LookupError, ValueError, UnicodeError):
            raise ValueError(
                f"--encoding {self.encoding!r} is none that Python can read text in; such as utf-8, cp1252, latin-1"
            ) from None

    def _no_text_options(self, what: str) -> None:
        for option, value in (
            ("--sep", self.sep),
            ("--decimal", self.decimal),
            ("--header", self.header),
            ("--encoding", self.encoding),
        ):
            if value is not None:
                raise ValueError(f"{option} {value} is for text files; {self.data} is {what}")

    def _parquet(self, path: Path) -> pd.DataFrame:
        import pandas as pd

        try:
            return pd.read_parquet(path)
        except Exception as error:  # the reader's own kinds are not ours to name
            raise ValueError(f"{self.data} cannot be read as Parquet: {' '.join(str(error).split())[:150]}") from None

    # --- text -------------------------------------------------------------------------------------------------------

    @property
    def _sep(self) -> str:
        if self.sep is None:
            return DEFAULTS[self._suffix]
        named = {name: sign for sign, name in SEPARATORS.items()} | {"\\t": "\t"}
        sep = named.get(self.sep, self.sep)
        if len(sep) != 1 or sep.isalnum() or sep in "\"'\n\r":
            raise ValueError(f"--sep {self.sep!r} must be one sign, such as ';', or the word tab")
        return sep

    def _of_text(self, text: str) -> pd.DataFrame:
        import pandas as pd

        sep, decimal = self._sep, self.decimal or "."
        if decimal not in (".", ","):
            raise ValueError(f"--decimal {self.decimal!r} must be '.' or ','")
        if decimal == sep and '"' not in text[:10_000]:
            raise ValueError(f"--decimal {decimal!r} separates the fields, too; give another --sep, such as ';'")
        if not text.strip():
            raise ValueError(f"{self.data} is empty")
        if "\0" in text[:100_000]:
            raise ValueError(f"{self.data} is no text: it has bytes of zero")
        named = self.header is not False
        names = self._names(text, sep, named)
        try:
            frame = pd.read_csv(
                io.StringIO(text), sep=sep, decimal=decimal, header=0 if named else None, names=names,
                index_col=False, skipinitialspace=True,
            )  # fmt: skip
        except (pd.errors.ParserError, OverflowError, RecursionError) as error:
            raise ValueError(f"{self.data} is no table: {' '.join(str(error).split())[:150]}") from None
        if not len(frame):
            raise ValueError(f"{self.data} has names of columns but no rows")
        frame = self._without_nothing(frame)
        self._check_decimals(frame, decimal)
        return self._without_index(frame)

    def _names(self, text: str, sep: str, named: bool) -> list[str]:
        """Names of the columns. Refuses another separator, rows longer than the header, and numbers for names."""
        lines = [line for line in text[:200_000].splitlines()[: LOOKED_AT + 1] if line.strip()]
        rows = list(csv.reader(lines, delimiter=sep, skipinitialspace=True))
        others = {
            sign: lines[0].count(sign)
            for sign in SEPARATORS
            if sign != sep and lines[0].count(sign) and all(line.count(sign) == lines[0].count(sign) for line in lines)
        }
        if len(rows[0]) == 1 and others:
            sign = max(others, key=lambda s: others[s])
            raise ValueError(
                f"{self.data}: no {_called(sep)} in the first line, but {others[sign]} {_called(sign)}(s) in every "
                f"line; give --sep {_called(sign) if sign == chr(9) else repr(sign)}"
                + (", and --decimal ',' where numbers have decimal commas" if sign == ";" else "")
            )
        width, words = len(rows[0]), len(lines[0].split())
        if width == 1 and words > 1 and all(len(line.split()) == words for line in lines) and len(lines) > 1:
            raise ValueError(
                f"{self.data}: no {_called(sep)} in the first line, but {words} words in every line; give --sep ' '"
            )
        longer = next((i for i, row in enumerate(rows) if len(row) > width), None)
        if longer is not None:
            raise ValueError(
                f"{self.data}: line {longer + 1} has {len(rows[longer])} fields, the first line {width}; is a name "
                "missing there, or do numbers have decimal commas (--sep ';' --decimal ',')?"
            )
        for i, row in enumerate(csv.reader(io.StringIO(text), delimiter=sep, skipinitialspace=True)):
            if 0 < len(row) < width and not (width > 1 and len(row) == 1 and not row[0].strip()):
                raise ValueError(
                    f"{self.data}: line {i + 1} has {len(row)} field(s), the first line {width}; is it whole?"
                )
        if not named:
            return [f"x{j}" for j in range(width)]
        names = [name.strip() for name in rows[0]]
        if self.header is None and all(texts.is_number(name) for name in names):
            raise ValueError(
                f"{self.data}: the first line has numbers ({', '.join(names)[:60]}) where names of columns are wanted; "
                "add a line of names, or give --no-header (--header: these are the names)"
            )
        if twice := [name for name in dict.fromkeys(names) if name and names.count(name) > 1]:
            raise ValueError(f"{self.data} has several columns named {', '.join(twice)}")
        return [name or f"(column {j + 1})" for j, name in enumerate(names)]

    def _check_decimals(self, frame: pd.DataFrame, decimal: str) -> None:
        """Refuse columns of numbers with another decimal sign than was said."""
        wrong, right = (WITH_COMMA, ",") if decimal == "." else (WITH_POINT, ".")
        for name in frame.columns:
            if frame[name].dtype.kind in "biufM":
                continue
            seen = [str(value) for value in frame[name].dropna().head(LOOKED_AT)]
            if any(wrong.match(v) for v in seen) and all(wrong.match(v) or texts.is_number(v) for v in seen):
                example = next(v for v in seen if wrong.match(v))
                raise ValueError(
                    f"{self.data}: {name} has numbers such as {example.strip()}; give --decimal '{right}' if that is "
                    "their decimal sign; signs between thousands have to go"
                )

    def _without_nothing(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Without columns that have neither a name nor a value, as separators at the ends of lines make them."""
        nothing = [name for name in frame.columns if name.startswith("(column ") and frame[name].isna().all()]
        if nothing:
            _note(f"{self.data}: {', '.join(nothing)} has neither a name nor a value; it is left out")
        return frame.drop(columns=nothing)

    def _without_index(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Without a first column that has no name and says what the row is: numbers from 0 or 1 on, or words."""
        first = frame.columns[0]
        if first != "(column 1)" or frame.shape[1] == 1:
            if frame.shape[1] > 1 and _counts(frame[first]):
                _note(f"{self.data}: {first} counts the rows ({frame[first].iloc[0]}, ...); it is taken as data")
            return frame
        if not (_counts(frame[first]) or frame[first].dtype.kind not in "biuf"):
            raise ValueError(f"{self.data}: the first column has no name; give it one")
        _note(f"{self.data}: the first column has no name and says which row it is; it is left out")
        return frame.drop(columns=first)


def _called(sign: str) -> str:
    return SEPARATORS.get(sign, repr(sign))


def _counts(column: Any) -> bool:
    """Whether values are 0, 1, 2, ... or 1, 2, 3, ..."""
    if column.dtype.kind not in "iu" or len(column) < 3 or column.iloc[0] not in (0, 1):
        return False
    return bool((column.diff().iloc[1:] == 1).all())


def _note(words: str) -> None:
    typer.echo(f"note: {words}", err=True)


def read_frame(source: Source, weights_column: str | None) -> tuple[pd.DataFrame, Any]:
    """All columns, of which a formula takes what it wants, and the case weights (or None)."""
    frame, data = source.frame(), source.data
    if weights_column is None:
        return frame, None
    if weights_column not in frame.columns:
        raise ValueError(f"{data} has no column {weights_column}; it has {', '.join(map(str, frame.columns))}")
    if frame[weights_column].dtype.kind not in "biuf":
        said = _held(frame[weights_column])
        raise ValueError(f"{data}: {weights_column} holds no numbers{said}; --weights-column wants some")
    return frame, frame[weights_column].to_numpy(float)


def read(
    source: Source, columns: str | None, weights_column: str | None, lengths_column: str | None, *, one: Model
) -> tuple[pd.DataFrame, Any]:
    """The columns to fit, all numbers, with that of the sequences last, and the case weights (or None)."""
    frame, data = source.frame(), source.data
    apart = [c for c in (lengths_column, weights_column) if c is not None]
    whole = columns in frame.columns  # a name with a comma in it
    chosen = (
        [columns] if whole and columns else split(columns) if columns else [c for c in frame.columns if c not in apart]
    )
    wanted = [*chosen, *apart]
    if absent := [c for c in wanted if c not in frame.columns]:
        raise ValueError(f"{data} has no column {', '.join(absent)}; it has {', '.join(map(str, frame.columns))}")
    if lengths_column in chosen:
        raise ValueError(f"--lengths-column {lengths_column} is among --columns {columns}; it says whose each row is")
    for name in wanted:
        frame[name] = _whole(frame[name])
    if words := [c for c in wanted if c != lengths_column and frame[c].dtype.kind not in "biuf"]:
        raise ValueError(
            f"{data}: {', '.join(map(str, words))} holds no numbers{_held(frame[words[0]])}; choose by --columns "
            f"among {', '.join(map(str, frame.columns))}"
        )
    if not one.gaussian and len(chosen) != 1:
        raise ValueError(f"--model {one} wants one column; {data} gives {', '.join(chosen)}; choose by --columns")
    weights = frame[weights_column].to_numpy(float) if weights_column else None
    return frame[[*chosen, *([lengths_column] if lengths_column else [])]], weights


def _held(column: Any) -> str:
    """What a column holds in place of numbers, with an example: the end of a sentence."""
    known = [str(value) for value in column.dropna()]
    return f" but {texts.really(known) or f'text ({known[0][:40]!r})'}" if known else ""


def _whole(column: Any) -> Any:
    """Whole numbers beyond 64 bits as floats."""
    large = column.dtype == object and column.map(lambda value: isinstance(value, int)).all()
    return column.astype(float) if large else column


def split(words: str) -> list[str]:
    """``"a, b"`` as ``["a", "b"]``."""
    return [word.strip() for word in words.split(",") if word.strip()]


def check_writable(option: str, path: Path | None) -> None:
    """Refuse a file that cannot be written before there is anything to write."""
    import tempfile

    if path is None:
        return
    try:
        kept, is_folder = path.exists(), path.is_dir()
    except OSError as error:  # a name of a thousand characters
        raise ValueError(f"{option} {str(path)[:60]}... cannot be written: {error.strerror}") from None
    parent = path.resolve().parent
    if is_folder:
        raise ValueError(f"{option} {path} is a directory; wants the path of a file")
    if not parent.is_dir():
        raise ValueError(f"{option} {path}: there is no directory {parent}")
    if kept and not path.is_file():
        raise ValueError(f"{option} {path} is no plain file")
    try:
        with tempfile.TemporaryFile(dir=parent) as trial:
            trial.write(b"0")
        if kept:
            path.open("ab").close()
    except OSError as error:
        raise ValueError(f"{option} {path} cannot be written: {error.strerror}") from None
