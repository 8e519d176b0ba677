# Copyright 2026 The astromer_hf developers. MIT licence.
"""Folders of files, catalogues of files, patterns and archives: which tables a path stands for.

Before this file stands a path; after it `source.py`. A folder is, in this order: parquet (shards, partitions, HATS); a
catalogue with a column of paths; or a file a star.
"""

import glob
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...model.feature_extraction_astromer import RaggedLightCurves
from ..chunk import LightCurveChunk
from ..columns import BAND_WORDS, COLUMN_GUESSES, FLUX_GUESSES, TableError
from ..numbers import to_ids, to_text
from . import may_be_table, parquet, read_file
from .base import RawTable, one_line, stem_of
from .nested import is_list

PATH_NAMES = ("path", "file", "filename", "file_name", "filepath", "file_path", "lightcurve", "lc_file", "lc_path", "fname")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# `RuntimeError` of an encrypted zip; of it is `NotImplementedError`, of an unknown compression.
_DAMAGED = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)
_LABELS = ("band", "label", "identity")
_FILES_TRIED = 64  # of a catalogue, before it is given up


@dataclass(frozen=True)
class Found:
    """The tables that a path stands for, and what the user should know."""

    tables: list[RawTable]
    notes: list[str] = field(default_factory=list)
    unreadable: dict[Path, TableError] = field(default_factory=dict)  # files that should be tables as the others are


def is_archive(path: Path) -> bool:
    """Whether the name of a file is that of an archive of files."""
    return path.name.lower().endswith(_ARCHIVES)


def unpack(path: Path) -> "tempfile.TemporaryDirectory[str] | None":
    """An archive of files in a temporary folder, which lives as long as the result; None of what is no archive.

    Raises:
        TableError: the archive is damaged, encrypted, or leads out of itself.
    """
    if not is_archive(path) or not path.is_file():
        return None
    folder = tempfile.TemporaryDirectory(prefix="astromer-")
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder.name)
        else:
            with tarfile.open(path) as archive:
                archive.extractall(folder.name, filter="data")
    except _DAMAGED as error:
        folder.cleanup()
        told = one_line(error).replace(f"{folder.name}/", "")
        raise TableError(f"{path.name} cannot be unpacked: {told}. Copy or make it again.") from error
    root = Path(folder.name)
    if outside := next((file for file in root.rglob("*") if not _is_within(file, root)), None):
        told = str(outside.relative_to(root))
        folder.cleanup()
        raise TableError(f"{path.name} cannot be unpacked: {told} leads out of it. Make it again without links.")
    return folder


def unpacked_size(path: Path) -> int:
    """Bytes that an archive says it unpacks to; a compressed tar is decompressed for it, into nothing.

    Raises:
        TableError: the archive is damaged.
    """
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                return sum(member.file_size for member in archive.infolist())  # more is not unpacked
        with tarfile.open(path) as archive:
            return sum(member.size for member in archive)
    except _DAMAGED as error:
        raise TableError(f"{path.name} cannot be unpacked: {one_line(error)}. Copy or make it again.") from error


def _is_within(file: Path, root: Path) -> bool:
    """Whether a file lies below a folder, after links and `..`; not so where that cannot be known."""
    try:
        return file.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # such as a loop of links
        return False


def find_files(
    path: Path, given: Mapping[str, str | None], name: str | None = None, root: Path | None = None
) -> "Found | Catalogue":
    """What stands at a path.

    Args:
        path: of a file or folder, or a pattern.
        given: role -> column.
        name: for messages, where the path is that of an unpacked archive.
        root: a folder that the paths of a catalogue must not leave, such as that of an unpacked archive.

    Raises:
        FileNotFoundError: there is nothing.
        TableError: there is nothing that can be read.
    """
    if not path.exists():
        if files := [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]:
            return _read_all([file for file in files if file.is_file()], path.name, path.parent, given, are_named=True)
        raise FileNotFoundError(f"There is no file {path}.")
    if not path.is_dir():
        table = read_file(path)
        return find_catalogue(path, table, given, root) or Found([table])
    if files := parquet.find_parquet_files(path):
        return Found([parquet.read_folder(path, files)])
    return _read_folder(path, given, name or path.name, root)


def _read_folder(folder: Path, given: Mapping[str, str | None], name: str, root: Path | None) -> "Found | Catalogue":
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    ]
    tables = [file for file in files if may_be_table(file)]
    if not tables:
        raise TableError(
            f"{name} holds no .parquet file, and no other table that can be read"
            + (
                f", but {', '.join(file.name for file in files[:3])}: unpack or convert what is in it."
                if files
                else "; it is empty."
            )
        )
    for file in (file for file in tables if len(file.relative_to(folder).parts) <= 2):
        if len(files) < 2:
            break
        try:
            if catalogue := find_catalogue(file, read_file(file), given, root):
                return catalogue
        except TableError:
            continue
    if given.get("path"):
        raise TableError(f"No table of {name} has a column {given['path']!r} with the paths of light curves.")
    return _read_all(tables, name, folder, given, [file for file in files if file not in tables])


def _read_all(
    files: Sequence[Path],
    name: str,
    root: Path,
    given: Mapping[str, str | None],
    others: Sequence[Path] = (),
    *,
    are_named: bool = False,
) -> Found:
    """A table of every file. What is no table of light curves, such as a README or a list of stars, is passed over and told.

    Args:
        files, others: that may be tables, and that are none.
        name: of the folder.
        root: that they stand in.
        given: role -> column.
        are_named: whether the user named the files, so that all of them must be read.

    Raises:
        TableError: there is no table.
    """
    if len(files) == 1:
        return Found([read_file(files[0])])
    tables: dict[Path, RawTable] = {}
    refused: dict[Path, TableError] = {}
    known: set[Any] = set()
    for file in files:
        if any(file in table.files for table in list(tables.values())[-1:]):  # the other one of a pair
            continue
        try:
            table = read_file(file)
            if (kind := (table.format, table.has_header, *table.names)) not in known:
                _check_is_light_curve(table, given)
                known.add(kind)
            tables[file] = table
        except TableError as error:
            refused[file] = error
    kinds = {(file.parent, file.suffix.lower()) for file in tables}
    unreadable: dict[Path, TableError] = {}
    for file, problem in list(refused.items()):
        is_other = "readme" in file.name.lower() or file.stat().st_size == 0 or (file.parent, file.suffix.lower()) not in kinds
        if are_named or not is_other:
            unreadable[file] = refused.pop(file)
            if not tables:
                raise problem
    if not tables:
        raise TableError(f"{name} holds no table that can be read. {next(iter(refused.values()), '')}".strip())
    passed = [file.name for file in (*refused, *others)]
    shown = ", ".join(passed[:5]) + (", ..." if len(passed) > 5 else "")
    notes = [f"{len(passed)} other file{'s are' if len(passed) > 1 else ' is'} passed over: {shown}"] if passed else []
    return Found(_told_apart(tables, root), notes, unreadable)


def _check_is_light_curve(table: RawTable, given: Mapping[str, str | None]) -> None:
    """Raise a `TableError` for a table without times and magnitudes."""
    from ..roles import resolve_roles

    named = {role: column for role, column in given.items() if column in table.names}
    resolve_roles(table, named, getattr(given, "survey", None))


def _told_apart(tables: Mapping[Path, RawTable], root: Path) -> list[RawTable]:
    """Tables whose folder is named after a band have that band; files of one name in several folders are several stars."""
    are_bands = {file.parent.name for file in tables} <= BAND_WORDS
    named = {
        file: replace(table, band=file.parent.name) if are_bands and table.band is None else table
        for file, table in tables.items()
    }
    counts = Counter((stem_of(file), table.band) for file, table in named.items())
    return [
        replace(table, star=str(file.relative_to(root).parent / stem_of(file)))
        if counts[stem_of(file), table.band] > 1 and table.star == stem_of(file) and file.is_relative_to(root)
        else table
        for file, table in named.items()
    ]


# --- Catalogues ---


@dataclass(frozen=True)
class Entry:
    """One object of a catalogue: its id, its annotations and its file, which lies below `root` where there is one."""

    object_id: str | None
    annotations: dict[str, str | None]
    catalogue_folder: Path
    path: str | None
    root: Path | None = None

    @property
    def file(self) -> Path:
        """Its file, where there is one; else where it should be.

        Raises:
            TableError: it lies outside the archive of the catalogue.
        """
        places = _places(self.catalogue_folder, self.path, self.root)
        found = next((place for place in places if place.is_file()), None)
        if found is None and len(places) < len(_places(self.catalogue_folder, self.path)):
            raise TableError(
                f"The light curve {str(self.path)!r} lies outside the archive of its catalogue: put it in, and give its path "
                "from the catalogue."
            )
        return found or places[0]

    def table(self) -> RawTable:
        """The raw table of its file."""
        table = read_file(self.file)
        if table.has_header and len(table.names) in (2, 3) and not _has_points(table.names):
            table = _without_names(table)
        return replace(table, star=self.object_id or stem_of(self.file))

    def read(self, interpreter_of: Callable[[RawTable], Any]) -> LightCurveChunk:
        """Its light curves: one for each band of its file.

        Raises:
            TableError: the file is no light curve.
        """
        if self.is_empty:
            return self.without_points()
        try:
            table = self.table()
            interpreter = interpreter_of(table)
            interpreter.roles = replace(interpreter.roles, object_id=None)
            batches = [batch for batch in table.batches(interpreter.roles.used, 1 << 20) if len(batch)]
            rows = pa.Table.from_batches(batches) if batches else table.schema.empty_table()
            if not len(rows):
                return self.without_points()
            chunk = interpreter.read_rows(rows)
        except TableError as error:
            raise TableError(f"{self.file} is not a light curve of times, magnitudes and errors: {error}") from error
        own = {role: pa.repeat(pa.scalar(value, pa.string()), len(chunk)) for role, value in self.annotations.items()}
        if "band" in chunk.annotations:
            own.pop("band", None)
        ids = pa.repeat(pa.scalar(self.object_id, pa.string()), len(chunk))
        return LightCurveChunk(ids, chunk.curves, {**chunk.annotations, **own})

    @property
    def is_empty(self) -> bool:
        """Whether its file has no content.

        Raises:
            TableError: there is no such file.
        """
        if not self.file.is_file():
            places = _places(self.catalogue_folder, self.path, self.root)
            raise TableError(f"There is no light curve {str(self.path)!r}; looked for {' and '.join(map(str, places))}.")
        return not self.file.stat().st_size

    def without_points(self) -> LightCurveChunk:
        """An object whose file is empty or cannot be read."""
        annotations = {role: pa.array([value], pa.string()) for role, value in self.annotations.items()}
        curves = RaggedLightCurves(np.empty(0), np.empty(0), np.empty(0), np.zeros(2, dtype=np.int64))
        return LightCurveChunk(pa.array([self.object_id], pa.string()), curves, annotations)


@dataclass(frozen=True)
class Catalogue:
    """A table with the path of a file for every object, as in the releases of ASTROMER's authors.

    Args:
        file (`Path`): of the table. Paths are relative to its folder, or files stand in the folder `LCs` beside it.
        table ([`RawTable`]): the catalogue.
        path_column, object_id (`str`): its columns.
        annotations (`dict[str, str]`): role -> column, of `band`, `label` and `identity`.
        root (`Path`, *optional*): a folder that the paths must not leave.
    """

    file: Path
    table: RawTable
    path_column: str
    object_id: str | None
    annotations: dict[str, str]
    root: Path | None = None

    def entries(self) -> Iterator[Entry]:
        """Its objects, in order.

        Raises:
            TableError: the catalogue cannot be read.
        """
        columns = [self.path_column, *([self.object_id] if self.object_id else []), *self.annotations.values()]
        for batch in self.table.batches(columns, 2048):
            paths = to_text(batch[self.path_column]).to_pylist()
            ids = (
                to_ids(batch[self.object_id], self.object_id).to_pylist()
                if self.object_id
                else [stem_of(Path(path)) for path in paths]
            )
            values = {role: to_text(batch[name]).to_pylist() for role, name in self.annotations.items()}
            for i, path in enumerate(paths):
                yield Entry(ids[i], {role: own[i] for role, own in values.items()}, self.file.parent, path, self.root)

    def first_table(self, resolve: Callable[[RawTable], Any]) -> RawTable:
        """The raw table of the first file that can be read and is not empty; `resolve` refuses a table by a `TableError`.

        Raises:
            TableError: there is no such file; the reason of the first that cannot be read.
        """
        first = TableError(f"{self.file.name} names no file with a light curve.")
        refused = 0
        for entry in self.entries():
            try:
                if not entry.is_empty:
                    table = entry.table()
                    resolve(table)
                    return table
            except TableError as error:
                first, refused = first if refused else error, refused + 1
            if refused == _FILES_TRIED:
                break
        raise first

    def annotation_roles(self, interpreter_of: Callable[[RawTable], Any], files: int) -> list[str]:
        """Annotations of the catalogue, and those of its first files."""
        found = set(self.annotations)
        for _, entry in zip(range(files), self.entries(), strict=False):
            with suppress(TableError):
                if "band" not in found and not entry.is_empty:
                    found.update(set(interpreter_of(entry.table()).annotation_roles) & {"band"})
        return [role for role in _LABELS if role in found]


def find_catalogue(file: Path, table: RawTable, given: Mapping[str, str | None], root: Path | None = None) -> Catalogue | None:
    """A table as a catalogue of files, where it has a column of paths; None of any other.

    A table that has times and magnitudes too is a catalogue only where the first path is that of a file. Its paths do not leave
    `root`, where there is one.
    """
    lower = {name.lower(): name for name in reversed(table.names)}
    column = given.get("path")
    if column is not None and column not in table.names:
        return None
    if column is None:
        candidates = [lower[name] for name in PATH_NAMES if name in lower]
        column = next((name for name in candidates if not is_list(table.schema.field(name).type)), None)
        if column is None or not table.has_header:
            return None
        if _has_points(table.names):
            first = next((batch for batch in table.batches([column], 64) if len(batch)), None)
            path = None if first is None else to_text(first[column])[0].as_py()
            if path is None or not any(candidate.is_file() for candidate in _places(file.parent, path, root)):
                return None

    def find(role: str) -> str | None:
        if name := given.get(role):
            if name not in table.names:
                raise TableError(f"There is no column {name!r} for {role}; there are: {', '.join(table.names)}.")
            return name
        return next((lower[name] for name in COLUMN_GUESSES[role] if name in lower and lower[name] != column), None)

    annotations = {role: name for role in _LABELS if (name := find(role))}
    return Catalogue(file, table, column, find("object_id"), annotations, root)


def _has_points(names: Sequence[str]) -> bool:
    """Whether columns of times and of magnitudes or fluxes are there, by their names."""
    own = {name.rpartition(".")[2].lower() for name in names}
    values = {*COLUMN_GUESSES["mag"], *FLUX_GUESSES["flux"]}
    return not own.isdisjoint(COLUMN_GUESSES["mjd"]) and not own.isdisjoint(values)


def _without_names(table: RawTable) -> RawTable:
    """A table of two or three columns whose names say nothing, taken by their places."""
    names = [str(i + 1) for i in range(len(table.names))]
    own = dict(zip(names, table.names, strict=True))

    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(columns))
        for batch in table.batches([own[name] for name in wanted], rows):
            yield pa.RecordBatch.from_arrays(batch.columns, names=wanted)

    schema = pa.schema([field.with_name(name) for field, name in zip(table.schema, names, strict=True)])
    return replace(table, schema=schema, batches=batches, has_header=False)


def _places(folder: Path, path: str | None, root: Path | None = None) -> list[Path]:
    """Where a file of a catalogue may be; only what is below `root`, where there is one."""
    places = [folder / str(path), folder / "LCs" / Path(str(path)).name]
    return places if root is None else [place for place in places if _is_within(place, root)]
