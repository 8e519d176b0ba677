# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves of whatever the user gave: opened once, asked many times, read in bounded memory.

Before this file stand `formats/` (tables as they are), `roles.py` (which column is what) and `measurements.py` (points); after
it everything that reads light curves: cleaning, bands, training, every verb of the command line.
"""

import glob
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..model.feature_extraction_astromer import RaggedLightCurves
from .chunk import LightCurveChunk
from .columns import ReadingOptions, TableError
from .formats import RawTable, hub
from .formats.base import naming, stem_of
from .formats.folders import Catalogue, find_files, unpack
from .formats.memory import table_of
from .formats.nested import is_list
from .formats.parquet import batches_of_rows, row_group_sizes
from .layouts import Layout
from .ledger import Ledger
from .measurements import ANNOTATIONS, Interpreter
from .names import units_of
from .numbers import to_ids, to_text
from .positions import same_star
from .reading import MagnitudeKind
from .roles import Roles, resolve_roles
from .runs import of_one_schema, run_starts, stand_together

logger = logging.getLogger(__name__)

_ROWS_OF_MEASUREMENTS = 1 << 20
_MAX_NOTES = 8  # of the files of a folder
_FILES_LOOKED_AT = 64  # of a catalogue, to know which annotations its files have
_ROLES_OF_POINTS = ("mjd", "mag", "magerr", "flux", "flux_err", "band")
SCATTERED = "The rows of an object do not stand together: grouping in memory. Sort the table by id to stream it."


class LightCurveSource:
    """Light curves in a file, a folder, an archive or a table in memory. Open one by `LightCurveSource.open`.

    Attributes:
        name (`str`): of the file or table.
        path (`Path`, *optional*): where it is.
        options ([`ReadingOptions`]): how it is read.
        ledger ([`Ledger`]): of the last complete pass over it.
        tables (`list[RawTable]`): that it consists of; of a catalogue only the first.
    """

    def __init__(
        self,
        name: str,
        path: Path | None,
        options: ReadingOptions,
        tables: Sequence[RawTable],
        catalogue: Catalogue | None = None,
    ):
        self.name, self.path, self.options, self.catalogue = name, path, options, catalogue
        self.tables = list(tables)
        self._roles: dict[int, Roles] = {}
        self.ledger = Ledger(name)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # --- Opening ---

    @classmethod
    def open(
        cls,
        source: Any,
        *,
        columns: Mapping[str, str | None] | None = None,
        survey: str | bool | None = None,
        keep_flagged: bool = False,
        magnitudes: MagnitudeKind = "pogson",
        split: str | None = None,
        subset: str | None = None,
    ) -> "LightCurveSource":
        """Open a source; nothing but its beginning is read.

        Args:
            source: a path of a file, folder or archive, or a pattern such as `"curves/*.csv"`; a dataset of the Hub,
                `"hf://datasets/ORG/NAME"` or `"ORG/NAME"`, which is streamed; a table of pandas, polars, pyarrow, astropy or
                numpy; an object of `datasets`; or a source that is open already.
            columns: role -> column, or [`ReadingOptions`], which hold the rest too.
            survey, keep_flagged, magnitudes, split, subset: see [`ReadingOptions`].

        Raises:
            FileNotFoundError: there is no such file or dataset.
            TableError: no light curves can be read from it.
            ValueError: there is no such survey.
        """
        if isinstance(source, LightCurveSource):
            if (split or source.options.split, subset or source.options.subset) != (
                source.options.split,
                source.options.subset,
            ):
                raise TableError(f"{source.name} is open already, without this split or subset: name them where it is opened.")
            return source
        options = columns if isinstance(columns, ReadingOptions) else ReadingOptions(columns)
        given = {"survey": survey, "keep_flagged": keep_flagged or None, "split": split, "subset": subset}
        given["magnitudes"] = magnitudes if magnitudes != "pogson" else None
        if changes := {name: value for name, value in given.items() if value is not None}:
            options = options.copy()
            vars(options).update(changes)
        if not isinstance(source, (str, Path)):
            table = table_of(source, split=options.split)
            if table is None:
                raise TableError(f"A path or a table of light curves is needed, got a {type(source).__name__}.")
            opened = cls(table.name, None, options, [table])
        elif address := hub.find_address(source, options.split, options.subset):
            table = hub.open_address(address, options.split, options.subset)
            opened = cls(table.name, None, options, [table])
        else:
            opened = cls._open_path(Path(source), options)
        opened.roles  # noqa: B018  # what cannot be read is known now
        if opened._unreadable and opened.roles.object_id is not None:  # such a file may hold any number of stars
            raise next(iter(opened._unreadable.values()))
        options.sources.append(opened)
        return opened

    @classmethod
    def _open_path(cls, path: Path, options: ReadingOptions) -> "LightCurveSource":
        if path.is_dir() and (options.split or options.subset or hub.is_saved(path)):
            table = hub.open_folder(path, options.split, options.subset)
            return cls(table.name, path, options, [table])
        if (options.split or options.subset) and (path.exists() or glob.has_magic(str(path))):
            raise TableError(f"A split or subset is one of a dataset, and {path.name} is none: leave it out.")
        folder = unpack(path)
        root = Path(folder.name) if folder else None  # an archive never leads out of itself
        found = find_files(root or path, options, path.name, root)
        opened = cls(path.name, path, options, [] if isinstance(found, Catalogue) else found.tables)
        opened._folder = folder
        if isinstance(found, Catalogue):
            opened.catalogue = found
        else:
            opened.ledger.notes += found.notes
            opened._unreadable = found.unreadable
        opened._notes = list(opened.ledger.notes)
        return opened

    _notes: list[str] = []  # noqa: RUF012  # replaced, never changed
    _unreadable: Mapping[Path, TableError] = {}  # files of a folder

    def at(self, path: Path) -> "LightCurveSource":
        """One of the files of a folder, read as the folder is."""
        return LightCurveSource.open(path, columns=self.options.copy())

    # --- What it is ---

    @property
    def roles(self) -> Roles:
        """The columns of the (first) table by what they are; of a catalogue those of its first file."""
        return self.roles_of(0)

    def roles_of(self, number: int) -> Roles:
        """The columns of a table by what they are."""
        if number not in self._roles:
            self._roles[number] = self._resolve(self._table(number))
        return self._roles[number]

    def _table(self, number: int) -> RawTable:
        if self.catalogue is not None and not self.tables:
            self.tables.append(self.catalogue.first_table(self._resolve))
        if not self.tables:
            raise TableError(f"{self.name} holds no light curve.")
        return self.tables[number]

    @property
    def format(self) -> str:
        """Of the files, in a word or two."""
        if self.catalogue is not None:
            return "catalogue of files"
        kind = self._table(0).format
        return kind if len(self.tables) == 1 else f"{len(self.tables)} files of {kind}"

    @property
    def layout(self) -> Layout | None:
        """The survey that was recognised."""
        return self.roles.layout

    @property
    def files(self) -> list[Path]:
        """The files behind it, in order."""
        if self.catalogue is not None:
            return [self.catalogue.file]
        return [file for table in self.tables for file in table.files]

    @property
    def origin(self) -> str:
        """Of a dataset of the Hub its address, with the commit; else empty."""
        return self.tables[0].origin if self.tables else ""

    @property
    def has_lists(self) -> bool:
        """Whether a row is an object with lists of points, in every table."""
        if self.catalogue is not None:
            return False
        return all(is_list(table.schema.field(self.roles_of(i).mjd).type) for i, table in enumerate(self.tables))

    @property
    def has_addressed_rows(self) -> bool:
        """Whether every row is one light curve that can be read alone: parquet with lists and at most one band a row."""
        if self.options.join_arcsec is not None:
            return False
        if len(self.tables) != 1 or self.catalogue is not None or not self._table(0).parquet or not self.has_lists:
            return False
        roles, schema = self.roles, self._table(0).schema
        band_is_list = roles.band is not None and is_list(schema.field(roles.band).type)
        return not band_is_list and len(roles.values) == 1

    @property
    def num_light_curves(self) -> int | None:
        """Read off footers; None where only reading it all would tell."""
        if not self.has_addressed_rows:
            return None
        return sum(sum(row_group_sizes(file)) for file in self.files)

    def row_group_sizes(self, file: Path) -> list[int]:
        """Rows of every row group of one of its parquet files."""
        return row_group_sizes(file)

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands, in alphabetical order; empty where none is known. Reads their column, or all of it.

        Raises:
            TableError: there are rows without a band, among others that have one.
        """
        found: set[str] = set()
        missing = 0
        for bands in self._iter_bands():
            bands = pc.fill_null(bands, "")
            missing += pc.sum(pc.equal(bands, "")).as_py() or 0
            found.update(pc.unique(bands).to_pylist())
        if missing:
            raise TableError(f"{missing} rows of {self.name} have no band: drop them, or say which they are in.")
        return tuple(sorted(found))

    def _iter_bands(self) -> Iterator[pa.Array]:
        roles = self.roles
        if self._has_column(roles.band) and not (roles.layout and roles.layout.bands):
            yield from (batch["band"] for batch in self.text_columns(("band",)))
            return
        if "band" not in self._annotation_roles():
            raise TableError(f"{self.name} has no column for band, and none that looks like one: name it (--band-column).")
        for chunk in self.chunks():
            yield chunk.annotations["band"]

    def _has_column(self, name: str | None) -> bool:
        """Whether there is one table with such a column of one value a row."""
        return (
            name is not None
            and self.catalogue is None
            and len(self.tables) == 1
            and not is_list(self._table(0).schema.field(name).type)
        )

    def describe(self) -> str:
        """What it was recognised as."""
        return self.layout.title if self.layout else self.format

    # --- Reading ---

    def chunks(self, objects_per_chunk: int = 2048, *, rows: range | None = None) -> Iterator[LightCurveChunk]:
        """Its light curves, in the order of the table.

        Args:
            objects_per_chunk: light curves a chunk at the most (list columns, files), which bounds the memory.
            rows: these rows only of one parquet file with list columns.

        Raises:
            TableError: no light curves can be read from it.
        """
        if objects_per_chunk < 1:
            raise ValueError(f"`objects_per_chunk` must be at least 1, got {objects_per_chunk}.")
        self.ledger = Ledger(self.name, self.describe(), notes=[*self._notes, *self.roles.notes])
        if self.catalogue is not None:
            yield from self._iter_catalogue(self.catalogue, objects_per_chunk)
        else:
            wanted = self._annotation_roles()
            for chunk in self._iter_tables(objects_per_chunk, rows):
                yield chunk.with_annotations(wanted)
        if rows is None and self.ledger.unreadable and not self.ledger.points_used:  # not one of the objects, but the table
            raise TableError(next(iter(self.ledger.unreadable.values())))

    def rows(self, rows: range, objects_per_chunk: int = 2048) -> Iterator[LightCurveChunk]:
        """The light curves of these rows of a parquet file with list columns."""
        yield from self.chunks(objects_per_chunk, rows=rows)

    def objects(self, objects_per_chunk: int = 2048, *, rows: range | None = None) -> Iterator[LightCurveChunk]:
        """As `chunks`, with all light curves of an object, one for each band, in the same chunk.

        Where the rows of an object stand together, chunks are small; else all is one chunk in memory. The ids are read once
        before, to know.

        Args:
            objects_per_chunk: a chunk holds one object more at the most.
            rows: as of `chunks`, of whole objects.

        Raises:
            TableError: as `chunks`.
        """
        if not self.rows_stand_together(rows):
            parts = list(self.chunks(objects_per_chunk, rows=rows))
            if len(parts) > 1:  # else the reader has said it, or they are few
                logger.warning(SCATTERED)
            yield LightCurveChunk.concatenate(parts)
            return
        carried: LightCurveChunk | None = None
        for chunk in self.chunks(objects_per_chunk, rows=rows):
            if not len(chunk):
                continue
            whole = chunk if carried is None else LightCurveChunk.concatenate([carried, chunk])
            last_start = int(run_starts(whole.object_ids)[-1])
            if last_start:
                yield whole.select(np.arange(last_start))
            carried = whole.select(np.arange(last_start, len(whole)))
        if carried is not None:
            yield carried

    def find(self, object_ids: Sequence[str]) -> LightCurveChunk:
        """The light curves of some objects, in the order of the table; an object has one for each of its bands.

        Raises:
            TableError: an object is not among them.
        """
        wanted = pa.array(list(dict.fromkeys(object_ids)), pa.string())
        parts: list[LightCurveChunk] = []
        firsts: list[str | None] = []
        for chunk in self.chunks():
            firsts += chunk.object_ids[: 3 - len(firsts)].to_pylist() if len(firsts) < 3 else []
            if len(found := np.flatnonzero(pc.is_in(chunk.object_ids, wanted).to_numpy(zero_copy_only=False))):
                parts.append(chunk.select(found))
        known = {object_id for part in parts for object_id in part.object_ids.to_pylist()}
        if missing := [object_id for object_id in wanted.to_pylist() if object_id not in known]:
            shown = ", ".join(map(str, firsts))
            raise TableError(f"There is no object {missing[0]!r} in {self.name}; the first are {shown}.")
        return LightCurveChunk.concatenate(parts)

    def summary(self) -> dict[str, np.ndarray]:
        """What the light curves are like: `num_points` of each, all `mag`, and all `gaps` in days, float32.

        Raises:
            TableError: there is no usable observation.
        """
        parts: dict[str, list[np.ndarray]] = {"num_points": [], "mag": [], "gaps": []}
        for chunk in self.chunks():
            curves, _ = chunk.curves.clean()
            parts["num_points"].append(curves.lengths)
            parts["mag"].append(curves.magnitudes.astype(np.float32))
            parts["gaps"].append(np.diff(curves.times)[np.diff(curves.object_index) == 0].astype(np.float32))
        if not sum(map(len, parts["mag"])):
            raise TableError(f"{self.path or self.name} holds no usable observation. {self.ledger.line}")
        return {name: np.concatenate(values) for name, values in parts.items()}

    def text_columns(self, roles: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Nothing but the columns for `roles`, such as `"band"`, as strings under the names of the roles.

        Raises:
            TableError: there is no such column of one value a row.
        """
        raw, own = self._table(0), self.roles
        wanted = {role: getattr(own, role) for role in roles}
        if missing := [role for role, name in wanted.items() if name is None]:
            option = f"--{missing[0].replace('_', '-')}-column"
            raise TableError(f"{self.name} has no column for {missing[0]}, and none that looks like one: name it ({option}).")
        if listed := [name for name in wanted.values() if is_list(raw.schema.field(name).type)]:
            raise TableError(
                f"Column {listed[0]!r} of {self.name} holds lists; expected one value a light curve: make it a table of one "
                "row a measurement."
            )
        for batch in raw.batches(list(wanted.values()), _ROWS_OF_MEASUREMENTS):
            with naming(self.name):
                yield pa.RecordBatch.from_pydict(
                    {
                        role: to_ids(batch[name], name) if role == "object_id" else to_text(batch[name], name)
                        for role, name in wanted.items()
                    }
                )

    def rows_stand_together(self, rows: range | None = None) -> bool:
        """Whether the rows of every object follow each other; nothing but the ids is read, where they have a column."""
        if self._has_column(self.roles.object_id) and self.options.join_arcsec is None:
            name = self.roles.object_id
            assert name is not None
            if rows is not None:
                return stand_together(batches_of_rows(self.files[0], rows, _ROWS_OF_MEASUREMENTS, [name]), name)
            return stand_together(self.text_columns(("object_id",)), "object_id")
        ids = (pa.RecordBatch.from_pydict({"object_id": chunk.object_ids}) for chunk in self.chunks())
        return stand_together(ids, "object_id")

    def object_starts(self) -> np.ndarray:
        """Rows at which another object begins than that of the row before, the first among them; of several files the rows are
        counted on.
        """
        starts = [np.empty(0, dtype=np.int64)]
        num_rows, last = 0, object()
        for batch in self.text_columns(("object_id",)):
            ids = batch["object_id"]
            if len(ids):
                own = run_starts(ids)
                starts.append(num_rows + own[int(ids[0].as_py() == last) :])
                num_rows, last = num_rows + len(ids), ids[-1].as_py()
        return np.concatenate(starts)

    # --- Inside ---

    def _annotation_roles(self) -> list[str]:
        """Annotations that all chunks have, with nulls where a table lacks them."""
        if self.catalogue is not None:
            return self.catalogue.annotation_roles(self._interpreter, _FILES_LOOKED_AT)
        found = {
            role for i, table in enumerate(self.tables) for role in self._interpreter(table, self.roles_of(i)).annotation_roles
        }
        return [role for role in ANNOTATIONS if role in found]

    def _resolve(self, raw: RawTable) -> Roles:
        given: Mapping[str, str | None] = self.options
        if self.catalogue is not None:  # names of the catalogue's own columns are none of its files
            given = {role: name for role, name in given.items() if name in raw.names and role in _ROLES_OF_POINTS}
        return resolve_roles(raw, given, self.options.survey)

    def _interpreter(self, raw: RawTable, roles: Roles | None = None) -> Interpreter:
        return Interpreter(
            roles or self._resolve(raw),
            raw.name,
            raw.star,
            raw.band,
            units_of(raw.names, raw.units),
            self.options.keep_flagged,
            self.options.magnitudes,
            self.ledger,
        )

    def _iter_tables(self, objects_per_chunk: int, rows: range | None) -> Iterator[LightCurveChunk]:
        """All tables, in the order of their files. A file of one star that cannot be read is that star without points."""
        broken = dict(self._unreadable)
        empty: list[str] = []
        for number, table in enumerate(self.tables):
            for file in [file for file in broken if table.files and file < table.files[0]]:
                yield self._without_points(stem_of(file), broken.pop(file))
            before = self.ledger.num_light_curves
            try:
                yield from self._iter_table(number, objects_per_chunk, rows)
                if self.ledger.num_light_curves == before:
                    empty.append(self._table(number).name)
            except TableError as error:
                if len(self.tables) + len(self._unreadable) == 1 or table.star is None or self.roles_of(number).object_id:
                    raise
                yield self._without_points(table.star, error)
            if len(self.ledger.notes) < _MAX_NOTES:
                self.ledger.notes += [note for note in self.roles_of(number).notes if note not in self.ledger.notes]
        if len(self.tables) > 1:
            self.ledger.tell_empty(empty)
        for file, reason in broken.items():
            yield self._without_points(stem_of(file), reason)

    def _without_points(self, star: str, error: TableError) -> LightCurveChunk:
        """A star that cannot be read; the ledger gets the reason."""
        self.ledger.refuse(star, str(error))
        self.ledger.count_stars([star])
        curves = RaggedLightCurves(np.empty(0), np.empty(0), None, np.zeros(2, dtype=np.int64))
        return LightCurveChunk(pa.array([star], pa.string()), curves, {})

    def _iter_table(self, number: int, objects_per_chunk: int, rows: range | None) -> Iterator[LightCurveChunk]:
        raw, roles = self._table(number), self.roles_of(number)
        interpreter = self._interpreter(raw, roles)
        interpreter.same_star = same_star(raw, roles.object_id, self.options.join_arcsec)
        if rows is not None:
            assert self.has_addressed_rows
            (file,) = raw.files
            for batch in batches_of_rows(file, rows, objects_per_chunk, roles.used):
                with naming(file):
                    yield interpreter.read_lists(batch)
            return
        if any(is_list(raw.schema.field(name).type) for name in (roles.mjd, roles.values[0].column)):
            for batch in raw.batches(roles.used, objects_per_chunk):
                with naming(raw.name):
                    yield interpreter.read_lists(batch)
            return
        yield from self._iter_measurements(raw, roles, interpreter)

    def _iter_measurements(self, raw: RawTable, roles: Roles, interpreter: Interpreter) -> Iterator[LightCurveChunk]:
        """One row a measurement: stream where the rows of each object stand together, else group in memory."""

        def read(table: pa.Table) -> LightCurveChunk:
            with naming(raw.name):
                try:
                    return interpreter.read_rows(table)
                except TableError as error:
                    if "of the data holds" not in str(error):
                        raise
                    raise TableError(f"{raw.name} cannot be read as a table of light curves: {error}") from error

        one_star = roles.object_id is None or bool(interpreter.same_star or (roles.layout and roles.layout.one_star))
        if not one_star:
            assert roles.object_id is not None
            ids = raw.batches([roles.object_id], _ROWS_OF_MEASUREMENTS)
            if not stand_together(ids, roles.object_id, trims=True):
                logger.warning(SCATTERED)
                one_star = True
        if one_star:
            whole = [batch for batch in raw.batches(roles.used, _ROWS_OF_MEASUREMENTS) if len(batch)]
            if whole:
                yield read(pa.Table.from_batches(of_one_schema(whole)))
            return
        carried: pa.Table | None = None
        for batch in raw.batches(roles.used, _ROWS_OF_MEASUREMENTS):
            table = pa.Table.from_batches([batch])
            table = table if carried is None else pa.concat_tables([carried, table], promote_options="permissive")
            last_start = run_starts(table[roles.object_id], trims=True)[-1] if len(table) else 0
            if last_start:
                yield read(table.slice(0, last_start))
            carried = table.slice(last_start)
        if carried is not None and len(carried):
            yield read(carried)

    def _iter_catalogue(self, catalogue: Catalogue, objects_per_chunk: int) -> Iterator[LightCurveChunk]:
        """One row an object, whose measurements stand in a file of their own."""
        wanted = self._annotation_roles()
        parts: list[LightCurveChunk] = []
        for entry in catalogue.entries():
            try:
                chunk = entry.read(self._interpreter)
            except (TableError, OSError) as error:
                self.ledger.refuse(entry.object_id, str(error))
                chunk = entry.without_points()
                self.ledger.count_stars([entry.object_id])
            parts.append(chunk.with_annotations(wanted))
            if sum(map(len, parts)) >= objects_per_chunk:
                yield LightCurveChunk.concatenate(parts)
                parts = []
        if parts:
            yield LightCurveChunk.concatenate(parts)


def iter_light_curves(
    path: Any,
    *,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    rows: range | None = None,
) -> Iterator[LightCurveChunk]:
    """The light curves of a file, folder, archive or table in memory; short for `LightCurveSource.open(...).chunks(...)`.

    Args:
        path, columns: see `LightCurveSource.open`. In a table of measurements the band, where there is one, separates light
            curves of the same object.
        objects_per_chunk, rows: see `LightCurveSource.chunks`.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: no light curves can be read from it.
    """
    yield from LightCurveSource.open(path, columns=columns).chunks(objects_per_chunk, rows=rows)


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
