# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables as text: CSV, TSV, white space and any other delimiter, with or without a header, compressed or not.

Before this file stands a path; after it `roles.py`. A first look at the file gives its dialect; then Arrow's reader streams it,
or pandas' where columns are separated by white space. All columns come as text, so that an id keeps its zeros and `>14.95` its
sign; `numbers.py` makes numbers of them.
"""

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ..columns import TableError
from .base import RawTable, naming, one_line, stem_of

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".mjd", ".phot", ".lc", ".asc", ".ascii", ".tab", ".data", ".time", ".curve", "")
COMMENT_MARKS = ("#", "\\", "%", "!")
HEAD_BYTES = 1 << 16
BAND_IN_NAME = re.compile(r"^(?P<star>.+)\.(?P<band>[UBVRIugrizyJHK])$")  # OGLE's STAR.I.dat
_NUMBER = re.compile(r"^[<>~]?[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?$")
_MISSING = frozenset({"", "nan", "none", "null", "\\n", "-", "--", "---", "na", "n/a", "inf", "-inf"})
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))


@dataclass(frozen=True)
class Dialect:
    """How a text is to be read.

    Args:
        delimiter (`str`): one character, or `" "` for any white space.
        names (`tuple[str, ...]`): of the columns.
        has_header (`bool`): whether the file names them.
        skipped (`int`): lines before the first line of data.
        drops_comments (`bool`): whether lines of comment may follow between the data.
        trims (`bool`): whether blanks stand around the values.
        escapes (`bool`): whether quotes within quotes are written as `\\"`.
    """

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    skipped: int
    drops_comments: bool = False
    escapes: bool = False
    trims: bool = False


def open_decompressed(path: Path) -> IO[bytes]:
    """A file's bytes, decompressed if need be, which its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(8)
    opener: Any = next((opener for magic, opener in _OPENERS if head.startswith(magic)), open)
    return opener(path, "rb")


def read_head(path: Path, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file, decompressed; of a file that cannot be decompressed, as many as can."""
    try:
        with open_decompressed(path) as file:
            return file.read(size)
    except (OSError, EOFError, lzma.LZMAError):
        return b""


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is text."""
    return b"\x00" not in head


def sniff(head: str, *, complete: bool, name: str = "") -> Dialect:
    """The dialect of a text by its beginning.

    Args:
        head: the beginning, without a byte order mark.
        complete: whether it is all of the text; else its last line may be cut.

    Raises:
        TableError: there is no line of data.
    """
    lines = head.splitlines()
    if not complete and len(lines) > 1:
        lines = lines[:-1]
    is_comment = [line.lstrip().startswith(COMMENT_MARKS) for line in lines]
    filled = [i for i, line in enumerate(lines) if line.strip() and not is_comment[i]]
    if not filled:
        raise TableError(f"{name} cannot be read as a table of light curves: it has no line of data.")
    first = filled[0]
    delimiter = _delimiter_of(lines[first], lines[filled[1]] if len(filled) > 1 else None)
    fields = _split(lines[first], delimiter)
    options = {
        "drops_comments": any(is_comment[first:]),
        "escapes": '\\"' in head,
        "trims": any(f"{delimiter} " in lines[i] or f" {delimiter}" in lines[i] for i in filled[:20]),
    }
    if _is_data(fields):
        # A header may stand in the last comment that has as many words as there are columns.
        for i in range(first - 1, -1, -1):
            words = lines[i].lstrip().lstrip("".join(COMMENT_MARKS)).strip() if is_comment[i] else ""
            for mark in dict.fromkeys((delimiter, ",", " ", "\t", "|")):
                header = _split(words, mark)
                if len(header) == len(fields) and not _is_data(header) and len(set(header)) == len(header):
                    return Dialect(delimiter, tuple(header), True, first, **options)
        return Dialect(delimiter, tuple(str(i + 1) for i in range(len(fields))), False, first, **options)
    skipped = first + 1
    header_fields = fields
    if len(filled) > 1:  # a header with another delimiter than the data, as of ZTF's forced photometry
        second = lines[filled[1]]
        data_delimiter = _delimiter_of(second, lines[filled[2]] if len(filled) > 2 else None)
        if data_delimiter != delimiter and len(_split(second, data_delimiter)) == len(fields):
            delimiter = data_delimiter
    for i in filled[1:3]:  # VizieR: units, then a line of dashes
        if re.fullmatch(r"[-\s|;,\t=]*-{2,}[-\s|;,\t=]*", lines[i]):
            skipped = i + 1
    return Dialect(delimiter, tuple(header_fields), True, skipped, **options)


def _delimiter_of(line: str, following: str | None) -> str:
    """The delimiter by a header or first line, checked by the next one."""
    for mark in ("\t", ";", "|", ","):
        if mark in line and (following is None or line.count(mark) <= following.count(mark) + 1 or mark == ","):
            if mark == "," and following is not None and "," not in following:
                continue
            return mark
    if "," not in line and ";" not in line and (re.search(r"\s", line.strip()) or "\t" in line):
        return " "
    return ","


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    fields = next(iter(split_quoted(line, delimiter)), [])
    stripped = [field.strip().strip('"').strip() for field in fields]
    if delimiter == "|" and stripped and not stripped[0] and not stripped[-1]:
        stripped = stripped[1:-1]
    return stripped


def split_quoted(line: str, delimiter: str) -> Iterator[list[str]]:
    """The fields of a line of delimited text, quotes understood."""
    yield from csv.reader([line], delimiter=delimiter, skipinitialspace=True)


def _is_data(fields: Sequence[str]) -> bool:
    """Whether fields are values and no names: half of those that are not missing are numbers."""
    present = [field for field in fields if field.lower() not in _MISSING]
    numbers = [field for field in present if _NUMBER.match(field)]
    return bool(present) and (2 * len(numbers) >= len(present) or sum("." in field for field in numbers) >= 2)


def read(path: Path) -> RawTable:
    """A text file, compressed or not.

    Raises:
        TableError: there is no table in it.
    """
    with naming(path), open_decompressed(path) as file:
        head = file.read(HEAD_BYTES)
    encoding = "utf-8"
    if head.startswith(b"\xef\xbb\xbf"):
        head = head[3:]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        encoding = "utf-8" if error.start > len(head) - 4 else "latin-1"
        text = head.decode(encoding, errors="ignore")
    dialect = sniff(text, complete=len(head) < HEAD_BYTES - 3, name=path.name)
    names = [name.lstrip("#").strip() or name for name in dialect.names]
    schema = pa.schema([(name, pa.string()) for name in names])

    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(columns))
        if twice := [name for name in wanted if names.count(name) > 1]:
            raise TableError(f"There is more than one column {twice[0]!r}; drop one. There are: {', '.join(names)}.")
        stream = _iter_white_space if dialect.delimiter == " " else _iter_delimited
        with naming(path):
            yield from stream(path, dialect, names, wanted, encoding)

    star, band = stem_of(path), None
    if found := BAND_IN_NAME.match(star):
        star, band = found["star"], found["band"]
    formats = {",": "CSV", "\t": "TSV", " ": "white-space text"}
    return RawTable(
        path.name,
        formats.get(dialect.delimiter, f"text delimited by {dialect.delimiter!r}"),
        schema,
        batches,
        star=star,
        band=band,
        has_header=dialect.has_header,
        files=(path,),
        as_text=True,
    )


class _Filtered(io.RawIOBase):
    """The lines of a file after the first `skipped`, without comments where they are dropped."""

    def __init__(self, file: IO[bytes], skipped: int, drops_comments: bool):
        self.file, self.drops_comments, self.rest = file, drops_comments, b""
        for _ in range(skipped):
            file.readline()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.rest:
            block = self.file.read(1 << 18)
            if not block:
                return 0
            if self.drops_comments:
                block += self.file.readline()
                block = re.sub(rb"(?m)^[ \t]*[#\\%!].*(?:\n|\Z)", b"", block)
            self.rest = block
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count


def _iter_delimited(
    path: Path, dialect: Dialect, names: Sequence[str], wanted: Sequence[str], encoding: str
) -> Iterator[pa.RecordBatch]:
    """Stream by Arrow's reader."""
    unique = list(names) if len(set(names)) == len(names) else [f"{i}\x00{name}" for i, name in enumerate(names)]
    included = {name: unique[list(names).index(name)] for name in wanted}
    with open_decompressed(path) as file:
        lines = io.BufferedReader(_Filtered(file, dialect.skipped, dialect.drops_comments), 1 << 20)
        if not lines.peek(1):
            yield pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in wanted})
            return
        reader = pa.csv.open_csv(
            pa.PythonFile(lines, mode="r"),
            read_options=pa.csv.ReadOptions(column_names=unique, encoding=encoding, block_size=1 << 20),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.delimiter, escape_char="\\" if dialect.escapes else False, newlines_in_values=False
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(included.values()), column_types=dict.fromkeys(included.values(), pa.string())
            ),
        )
        for batch in reader:
            arrays = [batch[included[name]] for name in wanted]
            if dialect.trims:
                arrays = [pc.utf8_trim_whitespace(array) for array in arrays]
            yield pa.RecordBatch.from_arrays(arrays, names=list(wanted))


def _iter_white_space(
    path: Path, dialect: Dialect, names: Sequence[str], wanted: Sequence[str], encoding: str
) -> Iterator[pa.RecordBatch]:
    """Stream by pandas' reader, which knows runs of white space."""
    places = [list(names).index(name) for name in wanted]
    with open_decompressed(path) as file:
        lines: Any = io.BufferedReader(_Filtered(file, dialect.skipped, dialect.drops_comments), 1 << 20)
        if not lines.peek(1):
            yield pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in wanted})
            return
        try:
            chunks = pd.read_csv(
                lines,
                sep=r"\s+",
                header=None,
                names=list(range(len(names))),
                index_col=False,
                dtype=str,
                keep_default_na=False,
                chunksize=1 << 16,
                encoding=encoding,
                on_bad_lines="error",
            )
            for chunk in chunks:
                if len(short := chunk.index[chunk.iloc[:, -1].isna() | (chunk.iloc[:, -1] == "")]):
                    raise TableError(
                        f"{path.name} cannot be read as a table of light curves: row {short[0] + 1} has fewer than "
                        f"{len(names)} values. Write - for a missing value, or separate the columns by commas."
                    )
                yield pa.RecordBatch.from_pydict(
                    {
                        name: pa.Array.from_pandas(chunk[place], type=pa.string())
                        for name, place in zip(wanted, places, strict=True)
                    }
                )
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            message = one_line(error).replace("Error tokenizing data. C error: ", "")
            raise TableError(f"{path.name} cannot be read as a table of light curves: {message}.") from error
