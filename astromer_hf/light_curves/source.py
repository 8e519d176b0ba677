# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables of light curves, read a chunk at a time in bounded memory.

Before this file stands a table on disk, parquet or CSV, in one of three layouts: one row an object with list columns, one row a
measurement, or one row an object with the path of its file. After it stand `cleaning.py`, `bands.py`
and everything that reads light curves.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ..model.feature_extraction_astromer import RaggedLightCurves
from .chunk import LightCurveChunk
from .columns import COLUMN_GUESSES, ColumnNames, TableError

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)

_ROWS_OF_MEASUREMENTS = 1 << 20
SCATTERED = "The rows of an object do not stand together: grouping in memory. Sort the table by id to stream it."


def table_files(path: str | Path) -> list[Path]:
    """The files of a table: itself, or the parquet shards of a folder in the order of their names.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: a folder without a parquet file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise TableError(f"The folder {path} holds no .parquet file.")
    return files


def iter_light_curves(
    path: str | Path,
    *,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    rows: range | None = None,
) -> Iterator[LightCurveChunk]:
    """Read a parquet or CSV table of light curves, or a folder of parquet shards (one table, in the order of their names).

    Args:
        path: the table. List columns (one row an object) and scalar columns (one row a measurement) are told apart by their
            type. In a table of measurements the band, where there is one, separates light curves of the same object. A CSV
            table with a column of paths and none of times lists one file an object, see `_iter_files`.
        objects_per_chunk: light curves a chunk at the most (list columns, files), which bounds the memory.
        columns: names for some of the columns of [`ColumnNames`], and for `path`; the others are guessed.
        rows: these rows only of one parquet file with list columns; row groups without any of them are not read.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: no light curves can be read from it.
    """
    files = table_files(path)
    if objects_per_chunk < 1:
        raise ValueError(f"`objects_per_chunk` must be at least 1, got {objects_per_chunk}.")
    if files[0].name.endswith(".parquet"):
        yield from _iter_parquet(files, objects_per_chunk, columns or {}, rows)
    elif files[0].name.endswith((".csv", ".csv.gz")):
        yield from _iter_csv(files[0], objects_per_chunk, columns or {})
    else:
        raise TableError(f"Expected a .parquet, .csv or .csv.gz file, got {files[0].name}.")


def iter_by_object(
    path: str | Path,
    *,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    rows: range | None = None,
) -> Iterator[LightCurveChunk]:
    """Read a table as `iter_light_curves` does, with all light curves of an object, one for each band, in the same chunk.

    Where the rows of an object stand together in the table, chunks are small; else all of it is one chunk in memory. The ids
    are read once before, to know.

    Args:
        path, objects_per_chunk, columns: as for `iter_light_curves`; a chunk holds one object more at the most.
        rows: as there, of whole objects.

    Raises:
        FileNotFoundError, TableError: as `iter_light_curves`.
    """
    chunks = iter_light_curves(path, objects_per_chunk=objects_per_chunk, columns=columns, rows=rows)
    if not rows_stand_together(path, columns=columns, rows=rows):
        parts = list(chunks)
        if len(parts) > 1:  # else the reader has said it, or they are few
            logger.warning(SCATTERED)
        yield LightCurveChunk.concatenate(parts)
        return
    carried: LightCurveChunk | None = None
    for chunk in chunks:
        if not len(chunk):
            continue
        whole = chunk if carried is None else LightCurveChunk.concatenate([carried, chunk])
        last_start = int(_run_starts(whole.object_ids)[-1])
        if last_start:
            yield whole.select(np.arange(last_start))
        carried = whole.select(np.arange(last_start, len(whole)))
    if carried is not None:
        yield carried


def rows_stand_together(
    path: str | Path, *, columns: Mapping[str, str | None] | None = None, rows: range | None = None
) -> bool:
    """Whether the rows of every object of a table follow each other; nothing but the ids is read.

    `rows`, as of `iter_light_curves`, are looked at alone.

    Raises:
        FileNotFoundError, TableError: as `iter_text_columns`.
    """
    if rows is not None:
        (file,) = table_files(path)
        name = ColumnNames.guess(_open_parquet(file).schema_arrow.names, **(columns or {})).object_id
        return _rows_stand_together(_batches_of_rows(file, rows, _ROWS_OF_MEASUREMENTS, [name]), name)
    return _rows_stand_together(iter_text_columns(path, ("object_id",), columns=columns), "object_id")


def object_starts(path: str | Path, *, columns: Mapping[str, str | None] | None = None) -> np.ndarray:
    """Rows of a table at which another object begins than that of the row before, the first among them; of several files the
    rows are counted on.

    Raises:
        FileNotFoundError, TableError: as `iter_text_columns`.
    """
    starts = [np.empty(0, dtype=np.int64)]
    num_rows, last = 0, object()
    for batch in iter_text_columns(path, ("object_id",), columns=columns):
        ids = batch["object_id"]
        if len(ids):
            own = _run_starts(ids)
            starts.append(num_rows + own[int(ids[0].as_py() == last) :])
            num_rows, last = num_rows + len(ids), ids[-1].as_py()
    return np.concatenate(starts)


def iter_text_columns(
    path: str | Path, roles: Sequence[str], *, columns: Mapping[str, str | None] | None = None
) -> Iterator[pa.RecordBatch]:
    """Read nothing of a table but the columns for `roles`, such as `"band"`, as strings under the names of the roles.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: it cannot be read, or has no such column of one value a row.
    """
    for file in table_files(path):
        with _naming(file):
            if file.suffix == ".parquet":
                handle = _open_parquet(file)
                names = ColumnNames.guess(handle.schema_arrow.names, **(columns or {}))
                wanted = _name_roles(file, names, roles)
                batches: Iterable[pa.RecordBatch] = handle.iter_batches(_ROWS_OF_MEASUREMENTS, columns=list(wanted.values()))
            else:
                with pa.csv.open_csv(file) as reader:
                    available = reader.schema.names
                # Times and magnitudes may stand in other files.
                names = ColumnNames.guess(list(dict.fromkeys([*available, "mjd", "mag"])), **(columns or {}))
                wanted = _name_roles(file, names, roles)
                options = pa.csv.ConvertOptions(
                    include_columns=list(wanted.values()), column_types=dict.fromkeys(wanted.values(), pa.string())
                )
                batches = pa.csv.open_csv(file, convert_options=options)
            for batch in batches:
                if listed := [name for name in wanted.values() if _is_list(batch[name].type)]:
                    raise TableError(
                        f"Column {listed[0]!r} of {file.name} holds lists; expected one value a light curve: make it a table "
                        "of one row a measurement."
                    )
                yield pa.RecordBatch.from_pydict({role: pc.cast(batch[name], pa.string()) for role, name in wanted.items()})


def _name_roles(file: Path, names: ColumnNames, roles: Sequence[str]) -> dict[str, str]:
    found = {role: getattr(names, role) for role in roles}
    if missing := [role for role, name in found.items() if name is None]:
        option = f"--{missing[0].replace('_', '-')}-column"
        raise TableError(f"{file.name} has no column for {missing[0]}, and none that looks like one: name it ({option}).")
    return found


def read_chunk(source: Any, columns: Mapping[str, str | None] | None = None) -> LightCurveChunk | None:
    """Read a table in memory (pyarrow, pandas, polars: whatever has Arrow's interface) as `iter_light_curves` reads a file.

    Returns:
        Its light curves; None where it has no column of object ids, so that it is one light curve at most.

    Raises:
        TableError: no light curves can be read from it.
    """
    table, given = pa.table(source), columns or {}
    if not given.get("object_id") and {name.lower() for name in table.column_names}.isdisjoint(COLUMN_GUESSES["object_id"]):
        return None
    names = ColumnNames.guess(table.column_names, **given)
    table = table.select(names.used).combine_chunks()
    if not _is_list(table.schema.field(names.mag).type):
        return _group_measurements(table, names)
    batch = next(iter(table.to_batches()), pa.RecordBatch.from_pylist([], table.schema))
    return _chunk_of_lists(batch, names)


def find_light_curves(
    path: str | Path, object_ids: Sequence[str], *, columns: Mapping[str, str | None] | None = None
) -> LightCurveChunk:
    """The light curves of some objects of a table, in its order; an object has one for each of its bands.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: no light curves can be read from it, or an object is not among them.
    """
    wanted = pa.array(list(dict.fromkeys(object_ids)), pa.string())
    parts = []
    for chunk in iter_light_curves(path, columns=columns):
        if len(found := np.flatnonzero(pc.is_in(chunk.object_ids, wanted).to_numpy(zero_copy_only=False))):
            parts.append(chunk.select(found))
    known = {object_id for part in parts for object_id in part.object_ids.to_pylist()}
    if missing := [object_id for object_id in wanted.to_pylist() if object_id not in known]:
        first = next(iter_light_curves(path, columns=columns)).object_ids[:3].to_pylist()
        raise TableError(f"There is no object {missing[0]!r} in {Path(path).name}; the first are {', '.join(map(str, first))}.")
    return LightCurveChunk.concatenate(parts)


def summarize_light_curves(path: str | Path, *, columns: Mapping[str, str | None] | None = None) -> dict[str, np.ndarray]:
    """What a survey's light curves are like: `num_points` of each, all `mag`, and all `gaps` in days, float32.

    Raises:
        FileNotFoundError, TableError: as `iter_light_curves`.
    """
    parts: dict[str, list[np.ndarray]] = {"num_points": [], "mag": [], "gaps": []}
    for chunk in iter_light_curves(path, columns=columns):
        curves, _ = chunk.curves.clean()
        parts["num_points"].append(curves.lengths)
        parts["mag"].append(curves.magnitudes.astype(np.float32))
        parts["gaps"].append(np.diff(curves.times)[np.diff(curves.object_index) == 0].astype(np.float32))
    if not sum(map(len, parts["mag"])):
        raise TableError(f"{path} holds no usable observation.")
    return {name: np.concatenate(values) for name, values in parts.items()}


def iter_split(
    dataset: str | Path, split: str, *, columns: Mapping[str, str | None] | None = None
) -> Iterator[LightCurveChunk]:
    """Read a split of a prepared dataset, `<dataset>/<split>-*.parquet`, as `iter_light_curves` reads a table.

    Raises:
        FileNotFoundError: there is no such split.
        TableError: no light curves can be read from it.
    """
    shards = sorted(Path(dataset).glob(f"{split}-*.parquet"))
    if not shards:
        raise FileNotFoundError(f"There is no {split}-*.parquet in {dataset}: scripts/prepare_dataset.py makes such a folder.")
    for shard in shards:
        yield from iter_light_curves(shard, columns=columns)


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


def _iter_parquet(
    files: Sequence[Path], objects_per_chunk: int, given: Mapping[str, str | None], rows: range | None = None
) -> Iterator[LightCurveChunk]:
    """Read shards of one table, whose names and layout are those of the first."""
    schema = _open_parquet(files[0]).schema_arrow
    names = ColumnNames.guess(schema.names, **given)

    def batches(file: Path, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with _naming(file):
            handle = _open_parquet(file)
            if (others := ColumnNames.guess(handle.schema_arrow.names, **given)) != names:
                raise TableError(f"{files[0].name} and {file.name} differ in their columns: {names.used} and {others.used}.")
            yield from handle.iter_batches(rows, columns=columns)

    if rows is not None:
        assert len(files) == 1
        assert _is_list(schema.field(names.mag).type)
        for batch in _batches_of_rows(files[0], rows, objects_per_chunk, names.used):
            with _naming(files[0]):
                chunk = _chunk_of_lists(batch, names)
            yield chunk
    elif _is_list(schema.field(names.mag).type):
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


def _batches_of_rows(file: Path, rows: range, batch_size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The given rows of a parquet file, from the row groups that hold them."""
    handle = _open_parquet(file)
    bounds = np.cumsum([0, *row_group_sizes(file)])
    groups = np.flatnonzero((bounds[:-1] < rows.stop) & (bounds[1:] > rows.start))
    if not len(groups):
        return
    with _naming(file):
        first = int(bounds[groups[0]])
        for batch in handle.iter_batches(batch_size, row_groups=groups.tolist(), columns=columns):
            own = range(max(rows.start - first, 0), min(rows.stop - first, len(batch)))
            if own:
                yield batch.slice(own.start, len(own))
            first += len(batch)
            if first >= rows.stop:
                return


def row_group_sizes(file: str | Path) -> list[int]:
    """Rows of every row group of a parquet file, read off its footer."""
    metadata = _open_parquet(Path(file)).metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def _iter_csv(file: Path, objects_per_chunk: int, given: Mapping[str, str | None]) -> Iterator[LightCurveChunk]:
    with _naming(file):
        with pa.csv.open_csv(file) as reader:
            available = reader.schema.names
        path_column = given.get("path") or next((name for name in available if name.lower() == "path"), None)
        if path_column and path_column in available and not any(name.lower() in COLUMN_GUESSES["mjd"] for name in available):
            names = ColumnNames.guess(list(dict.fromkeys([*available, "mjd", "mag"])), **given)  # the two stand in the files
            yield from _iter_files(file, path_column, names, objects_per_chunk)
            return
        names = ColumnNames.guess(available, **given)
        numbers = {name: pa.float64() for name in (names.mjd, names.mag, names.magerr) if name}
        strings = {name: pa.string() for name in (names.object_id, names.band, names.label, names.identity) if name}

        def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
            options = pa.csv.ConvertOptions(include_columns=columns, column_types=numbers | strings)
            return iter(pa.csv.open_csv(file, convert_options=options))

        yield from _chunks_of_measurements(batches, names)


def _iter_files(table: Path, path_column: str, names: ColumnNames, objects_per_chunk: int) -> Iterator[LightCurveChunk]:
    """One row an object, whose measurements stand in a file of their own, as in the releases of ASTROMER's authors.

    A file has lines of time, magnitude and perhaps error, separated by commas or white space, under a header or none. Its
    path is relative to the table, or it stands in the folder `LCs` beside the table.
    """
    for rows in pd.read_csv(table, chunksize=objects_per_chunk, dtype="string"):
        curves = [_read_photometry(_find_photometry(table.parent, str(path))) for path in rows[path_column]]
        columns = [[curve[:, column] for curve in curves] for column in range(3)]
        chunk = pa.Table.from_pandas(rows, preserve_index=False).combine_chunks()
        annotations = {role: array.combine_chunks() for role, array in _annotations(chunk, names).items()}
        object_ids = pc.cast(chunk[names.object_id], pa.string()).combine_chunks()
        yield LightCurveChunk(object_ids, RaggedLightCurves.from_arrays(*columns), annotations)


def _find_photometry(folder: Path, path: str) -> Path:
    candidates = [folder / path, folder / "LCs" / Path(path).name]
    if found := next((candidate for candidate in candidates if candidate.is_file()), None):
        return found
    raise TableError(f"There is no light curve {path!r}; looked for {' and '.join(str(path) for path in candidates)}.")


def _read_photometry(file: Path) -> np.ndarray:
    """Times, magnitudes and errors, `(points, 3)`; NaN for errors that are not there."""
    with file.open(encoding="utf-8") as lines:
        first = lines.readline()
    try:
        numbers = pd.read_csv(
            file,
            sep="," if "," in first else r"\s+",
            header=None,
            skiprows=0 if re.match(r"\s*[-+.\d]", first) else 1,
            dtype=np.float64,
        ).to_numpy()
    except pd.errors.EmptyDataError:
        return np.empty((0, 3))
    except ValueError as error:
        raise TableError(f"{file} is not a light curve of times, magnitudes and errors: {error}") from error
    if numbers.shape[1] < 2:
        raise TableError(f"{file} needs columns of times and magnitudes, it has {numbers.shape[1]}.")
    return np.column_stack([numbers, np.full(len(numbers), np.nan)])[:, :3]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Turn what Arrow raises into a `TableError` that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file.name} cannot be read as a table of light curves: {_one_line(error)}") from error


def _open_parquet(file: Path) -> pq.ParquetFile:
    try:
        # Buffered, so that a large row group is read page by page and not as a whole.
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file} is not a complete parquet file: {_one_line(error)}. Copy or make it again.") from error


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
            f"{lengths[names.mag][i]} in {names.mag!r}: every time needs its magnitude."
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
    wanted = {"band": names.band, "label": names.label, "identity": names.identity}
    return {role: pc.cast(table[name], pa.string()) for role, name in wanted.items() if name and not _is_list(table[name].type)}


def _chunks_of_measurements(batches, names: ColumnNames) -> Iterator[LightCurveChunk]:  # type: ignore[no-untyped-def]
    """One row a measurement: stream where the rows of each object stand together, else group in memory.

    `batches(columns)` opens the table anew and iterates over its record batches.
    """
    if not _rows_stand_together(batches([names.object_id]), names.object_id):
        logger.warning(SCATTERED)
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
    """Whether no id comes again after another one. Of every run of an id 8 bytes are kept."""
    runs: list[Any] = []
    last: object = object()
    for batch in batches:
        ids = pc.cast(batch[name], pa.string())
        if not len(ids):
            continue
        firsts = ids.take(pa.array(_run_starts(ids)))
        runs.append(pd.util.hash_pandas_object(firsts.slice(int(firsts[0].as_py() == last)).to_pandas(), index=False))
        last = ids[-1].as_py()
    return not runs or pd.concat(runs).is_unique


def _group_measurements(table: pa.Table, names: ColumnNames) -> LightCurveChunk:
    """Measurements to light curves, one for each id (and band), in the order of their first appearance."""
    nameless = pc.sum(pc.fill_null(pc.equal(pc.cast(table[names.object_id], pa.string()), ""), True)).as_py()
    if nameless:
        raise TableError(f"{nameless} rows of measurements have no {names.object_id!r}: drop them, or say whose they are.")
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
