# Copyright 2026 The astromer_hf developers. MIT licence.
"""What every reader of a format gives: a table as it stands in the file, whose columns nobody has interpreted yet.

A reader is an entry of `formats.READERS`: `matches(path, head)` says whether a file is of its format, and `read(path)` gives a
[`RawTable`]. Which column is the star, the time or the magnitude is decided later, in `roles.py`, in the same way for all
formats and for tables in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..columns import TableError

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz")
Batches = Callable[[Sequence[str], int], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class RawTable:
    """A table as its reader gives it.

    Args:
        name (`str`): of the file or of the kind of object, for messages.
        format (`str`): in a word or two, such as "CSV".
        schema (`pa.Schema`): names and types of the columns; structs are flattened, see `nested.py`.
        batches: `(columns, rows)` opens the table anew and iterates over record batches of at most so many rows.
        star (`str`, *optional*): name of the star where the table has no ids: from a header, or the name of the file.
        band (`str`, *optional*): of all rows, where the name of the file says it.
        units (`Mapping[str, str]`): of columns, where the file says them.
        has_header (`bool`): whether the columns have names; else they are called "1", "2", ...
        files (`tuple[Path, ...]`): the files behind it.
        parquet (`bool`): whether rows can be counted and addressed.
        as_text (`bool`): whether all columns come as text.
        notes (`tuple[str, ...]`): for the user.
        origin (`str`): of a dataset of the Hub its address, with the commit, by which its content is known.
    """

    name: str
    format: str
    schema: pa.Schema
    batches: Batches
    star: str | None = None
    band: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    has_header: bool = True
    files: tuple[Path, ...] = ()
    parquet: bool = False
    as_text: bool = False
    notes: tuple[str, ...] = ()
    origin: str = ""

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)


@dataclass(frozen=True)
class Reader:
    """A format: how it is recognised, how it is read, and what the documentation says about it.

    Args:
        name (`str`): of the format.
        suffixes (`tuple[str, ...]`): usual endings of its files, in lower case.
        matches: `(path, head)` -> whether the file is of the format; `head` is its first bytes, decompressed.
        read: `(path)` -> [`RawTable`].
        description (`str`): for the documentation.
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[Path, bytes], bool]
    read: Callable[[Path], RawTable]
    description: str


def stem_of(path: Path) -> str:
    """The name of a file without its ending, and without that of its compression."""
    name = path.name
    if path.suffix.lower() in COMPRESSED_SUFFIXES:
        name = name[: -len(path.suffix)]
    return Path(name).stem


def suffix_of(path: Path) -> str:
    """The ending of a file in lower case, without that of its compression."""
    name = path.name[: -len(path.suffix)] if path.suffix.lower() in COMPRESSED_SUFFIXES else path.name
    return Path(name).suffix.lower()


def table_in_memory(name: str, format: str, table: pa.Table, **options: Any) -> RawTable:
    """A table that was read whole."""

    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        chosen = table.select(list(dict.fromkeys(columns))).combine_chunks()
        yield from (
            chosen.to_batches(max_chunksize=rows) if len(chosen) else [pa.RecordBatch.from_pylist([], schema=chosen.schema)]
        )

    return RawTable(name, format, table.schema, batches, **options)


def one_line(error: BaseException) -> str:
    """An error's message without line breaks and its last full stop."""
    return " ".join(str(error).split()).rstrip(".")


@contextmanager
def naming(file: Path | str) -> Iterator[None]:
    """Turn what Arrow raises into a `TableError` that names the file."""
    try:
        yield
    except TableError:
        raise
    except (pa.ArrowException, OSError, EOFError) as error:
        name = file.name if isinstance(file, Path) else file
        raise TableError(f"{name} cannot be read as a table of light curves: {one_line(error)}.") from error
