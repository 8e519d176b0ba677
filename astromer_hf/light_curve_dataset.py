# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables of light curves, read a chunk at a time in the order of the file and in bounded memory.

Before this file stands a table on disk, parquet or CSV, in one of two layouts: one row an object with list columns, or one row
a measurement. After it stand `RaggedLightCurves`, ready for the feature extractor.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from .feature_extraction_astromer import RaggedLightCurves

logger = logging.getLogger(__name__)

# Guesses for each catalogue column, best first; compared in lower case.
_COLUMN_GUESSES: Mapping[str, tuple[str, ...]] = {
    "object_id": ("object_id", "id", "objectid", "oid", "source_id", "star_id", "name"),
    "mjd": ("mjd", "hjd", "bjd", "jd", "time", "times", "t"),
    "mag": ("mag", "magnitude", "magnitudes", "mags", "magpsf", "psfmag", "m"),
    "magerr": ("magerr", "mag_err", "err", "error", "errors", "magnitude_error", "e_mag", "sigmapsf", "mag_error"),
    "band": ("band", "filter", "passband"),
    "label": ("label", "class", "type", "label_name"),
}
_ROWS_OF_MEASUREMENTS = 1 << 20


class TableError(ValueError):
    """A table that cannot be read as light curves: what was expected, what came, what to do next."""


@dataclass(frozen=True)
class ColumnNames:
    """The names under which a table holds the catalogue columns; None where it has no such column."""

    object_id: str
    mjd: str
    mag: str
    magerr: str | None = None
    band: str | None = None
    label: str | None = None

    @classmethod
    def guess(cls, available: Sequence[str], **given: str | None) -> "ColumnNames":
        """Match `available` column names; a name in `given` (`mjd="hjd"`) is taken as it is.

        Raises:
            TableError: a required column is not found, or a given one does not exist.
        """
        lower = {name.lower(): name for name in reversed(available)}
        found: dict[str, str] = {}
        for role, guesses in _COLUMN_GUESSES.items():
            if wanted := given.get(role):
                if wanted not in available:
                    raise TableError(f"There is no column {wanted!r} for {role}; there are: {', '.join(available)}.")
                found[role] = wanted
            elif match := next((lower[guess] for guess in guesses if guess in lower), None):
                found[role] = match
        if missing := [role for role in ("object_id", "mjd", "mag") if role not in found]:
            options = ", ".join(f"--{role.replace('_', '-')}-column" for role in missing)
            raise TableError(
                f"Expected columns for object_id, mjd and mag and found none for {', '.join(missing)}; there are: "
                f"{', '.join(available)}. Name them ({options} on the command line)."
            )
        if twice := [name for name in found.values() if available.count(name) > 1]:
            raise TableError(f"There is more than one column {twice[0]!r}; drop one. There are: {', '.join(available)}.")
        return cls(**found)

    @property
    def used(self) -> list[str]:
        """The table's columns to read."""
        return [name for name in (getattr(self, field.name) for field in fields(self)) if name is not None]


@dataclass(frozen=True)
class LightCurveChunk:
    """Consecutive light curves of a table.

    Args:
        object_ids (`pa.Array` of strings, N entries): in the order of the table.
        curves ([`RaggedLightCurves`]): as they stand in the table, not cleaned.
        annotations (`dict[str, pa.Array]`): `band` and `label`, where the table has them.
    """

    object_ids: pa.Array
    curves: RaggedLightCurves
    annotations: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.object_ids)


def iter_light_curves(
    path: str | Path, *, objects_per_chunk: int = 2048, columns: Mapping[str, str | None] | None = None
) -> Iterator[LightCurveChunk]:
    """Read a parquet or CSV table of light curves, or a folder of parquet shards (one table, in the order of their names).

    Args:
        path: the table. List columns (one row an object) and scalar columns (one row a measurement) are told apart by their
            type. In a table of measurements the band, where there is one, separates light curves of the same object.
        objects_per_chunk: light curves a chunk at the most (list columns), which bounds the memory.
        columns: names for some of the columns of [`ColumnNames`]; the others are guessed.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: no light curves can be read from it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise TableError(f"The folder {path} holds no .parquet file.")
    if objects_per_chunk < 1:
        raise ValueError(f"`objects_per_chunk` must be at least 1, got {objects_per_chunk}.")
    if files[0].name.endswith(".parquet"):
        yield from _iter_parquet(files, objects_per_chunk, columns or {})
    elif files[0].name.endswith((".csv", ".csv.gz")):
        yield from _iter_csv(files[0], columns or {})
    else:
        raise TableError(f"Expected a .parquet, .csv or .csv.gz file, got {files[0].name}.")


def count_light_curves(path: str | Path) -> int | None:
    """Rows of a table with list columns, read off its footer; None where only reading it all would tell."""
    path = Path(path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not all(file.suffix == ".parquet" for file in files):
        return None
    num_rows = 0
    for file in files:
        handle = _open_parquet(file)
        if not any(_is_list(field.type) for field in handle.schema_arrow):
            return None
        num_rows += handle.metadata.num_rows
    return num_rows if files else None


def _iter_parquet(files: Sequence[Path], objects_per_chunk: int, given: Mapping[str, str | None]) -> Iterator[LightCurveChunk]:
    """Read shards of one table, whose names and layout are those of the first."""
    schema = _open_parquet(files[0]).schema_arrow
    names = ColumnNames.guess(schema.names, **given)

    def batches(file: Path, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with _naming(file):
            handle = _open_parquet(file)
            if (others := ColumnNames.guess(handle.schema_arrow.names, **given)) != names:
                raise TableError(f"{files[0].name} and {file.name} differ in their columns: {names.used} and {others.used}.")
            yield from handle.iter_batches(rows, columns=columns)

    if _is_list(schema.field(names.mag).type):
        for file in files:
            for batch in batches(file, objects_per_chunk, names.used):
                with _naming(file):
                    chunk = _chunk_of_lists(batch, names)
                yield chunk
    else:
        with _naming(files[0].parent if len(files) > 1 else files[0]):
            yield from _chunks_of_measurements(
                lambda columns: (batch for file in files for batch in batches(file, _ROWS_OF_MEASUREMENTS, columns)), names
            )


def _iter_csv(file: Path, given: Mapping[str, str | None]) -> Iterator[LightCurveChunk]:
    with _naming(file):
        with pa.csv.open_csv(file) as reader:
            names = ColumnNames.guess(reader.schema.names, **given)
        numbers = {name: pa.float64() for name in (names.mjd, names.mag, names.magerr) if name}
        strings = {name: pa.string() for name in (names.object_id, names.band, names.label) if name}

        def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
            options = pa.csv.ConvertOptions(include_columns=columns, column_types=numbers | strings)
            return iter(pa.csv.open_csv(file, convert_options=options))

        yield from _chunks_of_measurements(batches, names)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Turn what Arrow raises into a `TableError` that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file.name} cannot be read as a table of light curves: {error}") from error


def _open_parquet(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file} is not a complete parquet file: {error}") from error


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _chunk_of_lists(batch: pa.RecordBatch, names: ColumnNames) -> LightCurveChunk:
    """One row an object: list columns to flat arrays."""
    object_ids = pc.cast(batch[names.object_id], pa.string())
    for name in (names.mjd, names.mag):
        if not _is_list(batch[name].type):
            raise TableError(f"Column {name!r} must hold lists as the magnitudes do, it holds {batch[name].type}.")
    lengths = {name: _list_lengths(batch[name]) for name in (names.mjd, names.mag)}
    wrong = np.flatnonzero(lengths[names.mjd] != lengths[names.mag])
    if len(wrong):
        i = int(wrong[0])
        raise TableError(
            f"Object {object_ids[i].as_py()!r} has {lengths[names.mjd][i]} values in {names.mjd!r} and "
            f"{lengths[names.mag][i]} in {names.mag!r}."
        )
    errors = None
    if names.magerr and _is_list(batch[names.magerr].type):
        errors = _flat_errors(batch[names.magerr], names.magerr, lengths[names.mag])
    curves = RaggedLightCurves(
        _flat_float64(batch[names.mjd], names.mjd),
        _flat_float64(batch[names.mag], names.mag),
        errors,
        np.concatenate(([0], np.cumsum(lengths[names.mag]))),
    )
    return LightCurveChunk(object_ids, curves, _annotations(batch, names))


def _list_lengths(lists: pa.Array) -> np.ndarray:
    """Length of every list; a null list is empty."""
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _flat_float64(lists: pa.Array, name: str) -> np.ndarray:
    """All values of the lists one after the other; null values become NaN."""
    values = lists.flatten()  # skips null lists and honours slices
    try:
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise TableError(f"Column {name!r} must hold lists of numbers, it holds {lists.type}: {error}") from error


def _flat_errors(lists: pa.Array, name: str, lengths: np.ndarray) -> np.ndarray:
    """Errors aligned with the magnitudes; NaN for objects whose list is null or of another length."""
    own = _list_lengths(lists)
    values, aligned = _flat_float64(lists, name), np.full(lengths.sum(), np.nan)
    aligned[np.repeat(own == lengths, lengths)] = values[np.repeat(own == lengths, own)]
    return aligned


def _annotations(table: pa.RecordBatch | pa.Table, names: ColumnNames) -> dict[str, pa.Array]:
    wanted = {"band": names.band, "label": names.label}
    return {role: pc.cast(table[name], pa.string()) for role, name in wanted.items() if name and not _is_list(table[name].type)}


def _chunks_of_measurements(batches, names: ColumnNames) -> Iterator[LightCurveChunk]:  # type: ignore[no-untyped-def]
    """One row a measurement: stream where the rows of each object stand together, else group in memory.

    `batches(columns)` opens the table anew and iterates over its record batches.
    """
    if not _rows_stand_together(batches([names.object_id]), names.object_id):
        logger.warning("The rows of an object do not stand together: grouping in memory. Sort the table by id to stream it.")
        whole = list(batches(names.used))
        yield _group_measurements(pa.Table.from_batches(whole), names)
        return
    carried: pa.Table | None = None
    for batch in batches(names.used):
        table = pa.Table.from_batches([batch])
        table = table if carried is None else pa.concat_tables([carried, table])
        last_start = _run_starts(table[names.object_id])[-1] if len(table) else 0
        if last_start:
            yield _group_measurements(table.slice(0, last_start), names)
        carried = table.slice(last_start)
    if carried is not None and len(carried):
        yield _group_measurements(carried, names)


def _run_starts(ids: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Rows at which the id differs from the row before."""
    text = pc.cast(ids, pa.string()).to_pandas()  # pandas would turn integers to floats where one is null
    codes = pd.factorize(text, use_na_sentinel=False)[0]
    return np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))


def _rows_stand_together(batches: Iterator[pa.RecordBatch], name: str) -> bool:
    seen: set[str | None] = set()
    last: object = object()
    for batch in batches:
        ids = pc.cast(batch[name], pa.string())
        if not len(ids):
            continue
        runs = ids.take(pa.array(_run_starts(ids))).to_pylist()
        if runs[0] == last:
            runs = runs[1:]
        if len(set(runs)) < len(runs) or not seen.isdisjoint(runs):
            return False
        seen.update(runs)
        last = ids[-1].as_py()
    return True


def _group_measurements(table: pa.Table, names: ColumnNames) -> LightCurveChunk:
    """Measurements to light curves, one for each id (and band), in the order of their first appearance."""
    keys = [pc.cast(table[name], pa.string()).to_pandas() for name in (names.object_id, names.band) if name]
    codes = pd.DataFrame(dict(enumerate(keys))).groupby(list(range(len(keys))), sort=False, dropna=False).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    lengths = np.bincount(codes)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    firsts = pa.array(order[offsets[:-1]])

    def column(name: str) -> np.ndarray:
        try:
            return table[name].cast(pa.float64()).to_numpy()[order]
        except pa.ArrowException as error:
            raise TableError(f"Column {name!r} must hold numbers, it holds {table[name].type}: {error}") from error

    errors = column(names.magerr) if names.magerr else None
    curves = RaggedLightCurves(column(names.mjd), column(names.mag), errors, offsets)
    heads = table.take(firsts).combine_chunks()
    annotations = {role: array.combine_chunks() for role, array in _annotations(heads, names).items()}
    return LightCurveChunk(pc.cast(heads[names.object_id], pa.string()).combine_chunks(), curves, annotations)
