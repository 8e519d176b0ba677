# Copyright 2026 The astromer_hf developers. MIT licence.
"""Parquet: one file, or a folder of them: shards, partitions `name=value/`, HATS catalogues. Read a batch at a time.

Before this file stands a path; after it `roles.py`. Row groups are read page by page, so that memory stays bounded.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import TableError
from .base import RawTable, naming, one_line, stem_of
from .nested import flat_fields, flatten_batch

HATS_PARTITIONS = frozenset({"Norder", "Dir", "Npix"})  # say where on the sky, nothing about a star


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is parquet, by its name or its first bytes."""
    return path.name.lower().endswith((".parquet", ".pq", ".parq")) or head[:4] == b"PAR1"


def open_parquet(file: Path) -> pq.ParquetFile:
    """Open a file, buffered.

    Raises:
        TableError: it is not complete.
    """
    try:
        # Buffered, so that a large row group is read page by page and not as a whole.
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file} is not a complete parquet file: {one_line(error)}. Copy or make it again.") from error


def row_group_sizes(file: str | Path) -> list[int]:
    """Rows of every row group of a parquet file, read off its footer."""
    metadata = open_parquet(Path(file)).metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def find_parquet_files(folder: Path) -> list[Path]:
    """The parquet files of a folder, in the order of their names, without those that begin with `.` or `_`.

    Those that stand in it directly are shards; only where there are none, the folders in it are searched.
    """
    for pattern in ("*", "**/*"):
        files = [
            file
            for file in sorted(folder.glob(pattern))
            if file.name.lower().endswith((".parquet", ".pq", ".parq"))
            and file.is_file()
            and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
        ]
        if files:
            return files
    return []


def read(path: Path) -> RawTable:
    """One file."""
    return read_files([path], path.name)


def read_folder(folder: Path, files: Sequence[Path]) -> RawTable:
    """The parquet files of a folder as one table; `name=value` in their paths becomes a column."""
    partitions = [
        {
            name: value
            for name, separator, value in (part.partition("=") for part in file.relative_to(folder).parts[:-1])
            if separator and name not in HATS_PARTITIONS
        }
        for file in files
    ]
    return read_files(files, folder.name if len(files) > 1 else files[0].name, partitions)


def read_files(files: Sequence[Path], name: str, partitions: Sequence[dict[str, str]] | None = None) -> RawTable:
    """Shards of one table, whose columns are those of the first."""
    constants = dict(zip(files, partitions or [{}] * len(files), strict=True))
    schema = _flat_schema(files[0], constants[files[0]])

    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(columns))
        for file in files:
            handle = open_parquet(file)
            with naming(file):
                own = schema if file is files[0] else _flat_schema(file, constants[file])
                if lacking := [column for column in wanted if column not in own.names]:
                    raise TableError(
                        f"{files[0].name} and {file.name} differ in their columns: {lacking[0]!r} is in the first alone, which "
                        f"has {', '.join(schema.names)}; the other has {', '.join(own.names)}."
                    )
                stored = [column for column in wanted if column not in constants[file]]
                tops = list(dict.fromkeys(_top_of(handle.schema_arrow, column) for column in stored))
                for batch in handle.iter_batches(rows, columns=tops):
                    flat = flatten_batch(batch, stored)
                    arrays = {
                        column: pa.repeat(pa.scalar(constants[file][column], pa.string()), len(batch))
                        if column in constants[file]
                        else flat[column]
                        for column in wanted
                    }
                    yield pa.RecordBatch.from_pydict(arrays)

    return RawTable(
        name, "parquet", schema, batches, star=stem_of(files[0]), files=tuple(files), parquet=not any(partitions or ())
    )


def batches_of_rows(file: Path, rows: range, batch_size: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The given rows of a parquet file, from the row groups that hold them."""
    handle = open_parquet(file)
    bounds = np.cumsum([0, *row_group_sizes(file)])
    groups = np.flatnonzero((bounds[:-1] < rows.stop) & (bounds[1:] > rows.start))
    if not len(groups):
        return
    wanted = list(dict.fromkeys(columns))
    tops = list(dict.fromkeys(_top_of(handle.schema_arrow, column) for column in wanted))
    with naming(file):
        first = int(bounds[groups[0]])
        for batch in handle.iter_batches(batch_size, row_groups=groups.tolist(), columns=tops):
            own = range(max(rows.start - first, 0), min(rows.stop - first, len(batch)))
            if own:
                yield flatten_batch(batch.slice(own.start, len(own)), wanted)
            first += len(batch)
            if first >= rows.stop:
                return


def _flat_schema(file: Path, constants: dict[str, str]) -> pa.Schema:
    fields = [inner for field in open_parquet(file).schema_arrow for inner in flat_fields(field)]
    return pa.schema([field for field in fields if field.name not in constants] + [(name, pa.string()) for name in constants])


def _top_of(schema: pa.Schema, column: str) -> str:
    """The column of the file that a flat column comes from."""
    if column in schema.names:
        return column
    parts = column.split(".")
    return next(name for name in (".".join(parts[:i]) for i in range(len(parts) - 1, 0, -1)) if name in schema.names)
