# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables as text: CSV, TSV, white space and any other delimiter, with or without a header, compressed or not.

Before this file stand a path and `dialects.py`, which looks at its beginning; after it `roles.py`. Arrow's reader streams it,
or pandas' where columns are separated by white space. All columns come as text, so that an id keeps its zeros and `>14.95`
its sign; `numbers.py` makes numbers of them.
"""

import bz2
import gzip
import io
import lzma
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ..columns import TableError
from .base import RawTable, naming, one_line, stem_of
from .dialects import DECIMAL_COMMA, Dialect, sniff

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".mjd", ".phot", ".lc", ".asc", ".ascii", ".tab", ".data", ".time", ".curve", "")
HEAD_BYTES = 1 << 16
BAND_IN_NAME = re.compile(r"^(?P<star>.+)\.(?P<band>[UBVRIugrizyJHK])$")  # OGLE's STAR.I.dat
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_WRONG_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)")
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))


def open_decompressed(path: Path) -> IO[bytes]:
    """A file's bytes, decompressed if need be, which its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(8)
    opener: Any = next((opener for magic, opener in _OPENERS if head.startswith(magic)), open)
    return opener(path, "rb")


def is_compressed(head: bytes) -> bool:
    """Whether first bytes are those of a file that `open_decompressed` decompresses."""
    return any(head.startswith(magic) for magic, _ in _OPENERS)


def read_head(path: Path, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file, decompressed; of a file that cannot be decompressed, as many as can."""
    try:
        with open_decompressed(path) as file:
            return file.read(size)
    except (OSError, EOFError, lzma.LZMAError):
        return b""


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is text."""
    return b"\x00" not in head or _is_utf16(head)


def read(path: Path) -> RawTable:
    """A text file, compressed or not.

    Raises:
        TableError: there is no table in it.
    """
    with naming(path), open_decompressed(path) as file:
        head = file.read(HEAD_BYTES)
    encoding, recoded = _encoding_of(head)
    if recoded:  # read whole: Arrow's reader knows ASCII's line ends only
        with naming(path), open_decompressed(path) as file:
            head = file.read().decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n").encode()
        whole, encoding = head, "utf-8"
    text = head.decode(encoding, "ignore").removeprefix("\ufeff")
    dialect = sniff(text, complete=recoded or len(head) < HEAD_BYTES, name=path.name)
    names = [name.strip("#<>").strip() or name for name in dialect.names]
    schema = pa.schema([(name, pa.list_(pa.string()) if name in dialect.lists else pa.string()) for name in names])

    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(columns))
        if twice := [name for name in wanted if names.count(name) > 1]:
            raise TableError(f"There is more than one column {twice[0]!r}; drop one. There are: {', '.join(names)}.")
        stream = _iter_white_space if dialect.delimiter == " " else _iter_delimited
        with naming(path), io.BytesIO(whole) if recoded else open_decompressed(path) as file:
            for batch in stream(file, path.name, dialect, names, wanted, encoding):
                yield _with_cells(batch, dialect)

    star, band = stem_of(path), None
    if found := BAND_IN_NAME.match(star):
        star, band = found["star"], found["band"]
    formats = {",": "CSV", "\t": "TSV", " ": "white-space text"}
    return RawTable(
        path.name,
        formats.get(dialect.delimiter, f"text delimited by {dialect.delimiter!r}"),
        schema,
        batches,
        star=dialect.star or star,
        band=band,
        units=dialect.units,
        has_header=dialect.has_header,
        files=(path,),
        as_text=True,
    )


def _encoding_of(head: bytes) -> tuple[str, bool]:
    """The encoding of a text by its beginning, and whether its line ends or its encoding are no reader's."""
    if _is_utf16(head):
        return ("utf-16" if head[:2] in _UTF16_MARKS else "utf-16-be" if head[:1] == b"\x00" else "utf-16-le"), True
    encoding = "utf-8"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        encoding = "utf-8" if error.start > len(head) - 4 else "latin-1"
    return encoding, b"\r" in head and b"\n" not in head


def _is_utf16(head: bytes) -> bool:
    """Whether every second byte of the beginning is zero, as in UTF-16 of plain text."""
    own = head[2:402] if head[:2] in _UTF16_MARKS else head[:400]
    return len(own) > 3 and (own[::2].strip(b"\x00") == b"" or own[1::2].strip(b"\x00") == b"")


def _with_cells(batch: pa.RecordBatch, dialect: Dialect) -> pa.RecordBatch:
    """A batch with decimal points, and with lists where cells hold lists."""
    arrays = batch.columns
    if dialect.decimal_comma:
        arrays = [pc.replace_substring_regex(array, DECIMAL_COMMA, r"\1.\2") for array in arrays]
    if dialect.lists:
        arrays = [
            _lists_of(array, name) if name in dialect.lists else array
            for name, array in zip(batch.schema.names, arrays, strict=True)
        ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _lists_of(cells: pa.Array, name: str) -> pa.Array:
    """Cells such as `[1.0, 2.0]`, `(1.0, 2.0)` or NumPy's `[1. 2.]` as lists of words.

    Raises:
        TableError: NumPy has left out values of a long list.
    """
    inner = pc.utf8_trim(pc.utf8_trim_whitespace(cells), "[]()")
    if pc.any(pc.match_substring(inner, "...")).as_py():
        raise TableError(f"The cells of the column {name!r} are cut, as '[1.0 2.0 ... 9.0]': write the lists out, or parquet.")
    inner = pc.utf8_trim_whitespace(pc.replace_substring_regex(inner, r"['\"]", ""))
    lists = pc.split_pattern_regex(inner, r"\s*,\s*|\s+")
    return pc.if_else(pc.equal(pc.fill_null(inner, ""), ""), pa.scalar([], pa.list_(pa.string())), lists)


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
    file: IO[bytes], name: str, dialect: Dialect, names: Sequence[str], wanted: Sequence[str], encoding: str
) -> Iterator[pa.RecordBatch]:
    """Stream by Arrow's reader."""
    unique = list(names) if len(set(names)) == len(names) else [f"{i}\x00{name}" for i, name in enumerate(names)]
    included = {name: unique[list(names).index(name)] for name in wanted}
    lines = io.BufferedReader(_Filtered(file, dialect.skipped, dialect.drops_comments), 1 << 20)
    if not lines.peek(1):
        yield pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in wanted})
        return
    try:
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
    except pa.ArrowInvalid as error:
        if found := _WRONG_ROW.search(one_line(error)):
            raise _uneven(name, int(found[1]), found[3], int(found[2]), found[4]) from error
        raise


def _iter_white_space(
    file: IO[bytes], name: str, dialect: Dialect, names: Sequence[str], wanted: Sequence[str], encoding: str
) -> Iterator[pa.RecordBatch]:
    """Stream by pandas' reader, which knows runs of white space."""
    places = [list(names).index(name) for name in wanted]
    lines: Any = io.BufferedReader(_Filtered(file, dialect.skipped, dialect.drops_comments), 1 << 20)
    if not lines.peek(1):
        yield pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in wanted})
        return
    try:
        chunks = pd.read_csv(
            lines,
            sep=r"\s+",
            header=None,
            names=list(range(len(names) + 1)),  # the last takes what a row has too much
            index_col=False,
            dtype=str,
            keep_default_na=False,
            chunksize=1 << 16,
            encoding=encoding,
            on_bad_lines="error",
        )
        for chunk in chunks:
            is_filled = chunk.notna() & (chunk != "")
            if len(short := chunk.index[~is_filled.iloc[:, -2]]):
                raise _uneven(name, short[0] + 1, f"fewer than {len(names)}", len(names))
            if len(long := chunk.index[is_filled.iloc[:, -1]]):
                raise _uneven(name, long[0] + 1, f"more than {len(names)}", len(names))
            columns = {
                name: pa.Array.from_pandas(chunk[place], type=pa.string()) for name, place in zip(wanted, places, strict=True)
            }
            yield pa.RecordBatch.from_pydict(columns)
    except pd.errors.ParserError as error:
        if found := re.search(r"Expected \d+ fields in line (\d+), saw (\d+)", one_line(error)):
            raise _uneven(name, int(found[1]), found[2], len(names)) from error
        raise TableError(f"{name} cannot be read as a table of light curves: {one_line(error)}.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{name} cannot be read as a table of light curves: {one_line(error)}.") from error


def _uneven(name: str, row: int, values: str, columns: int, shown: str = "") -> TableError:
    """A row with more or fewer values than there are columns."""
    found = f" ({shown[:80]})" if shown else ""
    if row == 1:
        return TableError(
            f"{name} cannot be read as a table of light curves: its header names {columns} columns, and the first row has "
            f"{values} values{found}. Give every column one name, without blanks where they separate the columns."
        )
    return TableError(
        f"{name} cannot be read as a table of light curves: row {row} of the data has {values} values{found}, and there are "
        f"{columns} columns. Mend that row; write - for a missing value, and quotes around a text with the delimiter in it."
    )
