# Copyright 2026 The astromer_hf developers. MIT licence.
"""An uploaded file: its columns, as recognised or as the user chose them, its light curves, and the account of its points.

Nothing of the page comes before this file; after it `stars.py`, which looks at the light curves, and `page.py`, which shows the
choosers.
"""

import lzma
import re
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from astromer_hf.light_curves.columns import COLUMN_GUESSES, FLUX_GUESSES, MissingColumnsError, ReadingOptions, TableError
from astromer_hf.light_curves.formats.folders import Catalogue, find_files, is_archive, unpack, unpacked_size
from astromer_hf.light_curves.formats.text import is_compressed, open_decompressed
from astromer_hf.light_curves.ledger import Ledger
from astromer_hf.light_curves.roles import Roles
from astromer_hf.light_curves.source import LightCurveSource
from astromer_hf.light_curves.time_systems import time_system_of

MAX_UPLOADED = 500  # light curves of a file that are offered
MAX_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 4 * MAX_BYTES  # a table as text is compressed to a third or so
MAX_POINTS = 20_000  # of a light curve, which bounds the time of a look
NO_COLUMN = "none"
AS_RECOGNISED = "as recognised"  # where a role is played by several columns, such as one for each band
MAGNITUDES, FLUXES = "magnitudes", "fluxes"

LightCurve = dict[str, Any]  # `object_id`, `mjd`, `mag`, `magerr`, and `band` where it has one


@dataclass(frozen=True)
class Columns:
    """Which column is what; `NO_COLUMN` where there is none.

    Args:
        object_id, time, value, error, band (`str`): names of columns.
        kind (`str`): of the values, `MAGNITUDES` or `FLUXES`.
    """

    object_id: str = NO_COLUMN
    time: str = NO_COLUMN
    value: str = NO_COLUMN
    kind: str = MAGNITUDES
    error: str = NO_COLUMN
    band: str = NO_COLUMN

    @classmethod
    def of(cls, roles: Roles) -> "Columns":
        """Those that were recognised."""
        several = len(roles.values) > 1
        first = roles.values[0]
        return cls(
            object_id=roles.object_id or NO_COLUMN,
            time=AS_RECOGNISED if several and any(value.mjd for value in roles.values) else roles.mjd,
            value=AS_RECOGNISED if several else first.column,
            kind=FLUXES if roles.is_flux else MAGNITUDES,
            error=AS_RECOGNISED if several else first.error or NO_COLUMN,
            band=AS_RECOGNISED if several else roles.band or NO_COLUMN,
        )

    @classmethod
    def like(cls, available: Sequence[str]) -> "Columns":
        """Those whose names are usual, of a table that was not recognised."""
        lower = {name.lower(): name for name in reversed(available)}

        def find(guesses: Sequence[str]) -> str:
            return next((lower[guess] for guess in guesses if guess in lower), NO_COLUMN)

        magnitude, flux = find(COLUMN_GUESSES["mag"]), find(FLUX_GUESSES["flux"])
        is_flux = magnitude == NO_COLUMN and flux != NO_COLUMN
        return cls(
            object_id=find(COLUMN_GUESSES["object_id"]),
            time=find(COLUMN_GUESSES["mjd"]),
            value=flux if is_flux else magnitude,
            kind=FLUXES if is_flux else MAGNITUDES,
            error=find(FLUX_GUESSES["flux_err"] if is_flux else COLUMN_GUESSES["magerr"]),
            band=find(COLUMN_GUESSES["band"]),
        )

    def given(self, recognised: "Columns | None") -> dict[str, str | None]:
        """Role -> column for the reader: only what differs from what it recognises by itself, with all that it knows of it.

        Raises:
            TableError: no column of times or of values is chosen.
        """
        if self == recognised:
            return {}
        for role, what in (("time", "times"), ("value", "magnitudes or fluxes")):
            if getattr(self, role) == NO_COLUMN:
                raise TableError(f"Choose the column of the {what}.")
        before = recognised or Columns(kind="")
        value, error = ("flux", "flux_err") if self.kind == FLUXES else ("mag", "magerr")
        changed: dict[str, tuple[Any, Any]] = {
            "object_id": (self.object_id, before.object_id),
            "mjd": (self.time, before.time),
            value: ((self.kind, self.value), (before.kind, before.value)),
            error: ((self.kind, self.error), (before.kind, before.error)),
            "band": (self.band, before.band),
        }
        names = {role: now[1] if isinstance(now, tuple) else now for role, (now, then) in changed.items() if now != then}
        return {role: name for role, name in names.items() if name != AS_RECOGNISED}


@dataclass(frozen=True)
class Upload:
    """What is known of an uploaded file.

    Args:
        path (`Path`): where it lies on the server, which users are not told.
        available (`tuple[str, ...]`): names of its columns; empty where they cannot be chosen, as in a catalogue of files.
        recognised ([`Columns`], *optional*): by the reader itself; None where it could not decide.
        columns ([`Columns`]): by which the light curves were read.
        light_curves: by a name of its own each.
        ledger ([`Ledger`], *optional*): of the points that were read.
        time_system (`str`, *optional*): of the times, such as "MJD".
        truncated (`bool`): whether the file holds more light curves.
        problem (`str`): why there is no light curve.
    """

    path: Path
    available: tuple[str, ...] = ()
    recognised: Columns | None = None
    columns: Columns = Columns()
    light_curves: Mapping[str, LightCurve] = field(default_factory=dict)
    ledger: Ledger | None = None
    time_system: str | None = None
    truncated: bool = False
    problem: str = ""

    @property
    def account(self) -> str:
        """What was read and what was left out, by reason, in Markdown."""
        if self.ledger is None:
            return f"⚠️ {self.problem}"
        ledger = self.ledger
        counted = f"{ledger.num_stars} star{'s' * (ledger.num_stars != 1)}"
        light_curves = f"{ledger.num_light_curves} light curve{'s' * (ledger.num_light_curves != 1)}"
        bands = f" in the band{'s' * (len(ledger.bands) > 1)} {', '.join(sorted(ledger.bands))}" if ledger.bands else ""
        lines = [
            f"**{ledger.name}**, read as {ledger.read_as}: {counted}, {light_curves}{bands}; "
            f"{ledger.points_used} of {ledger.points_read} points used."
        ]
        if self.truncated:
            lines.insert(0, f"⚠️ The file holds more: these are its first {len(self.light_curves)} light curves.")
        if ledger.dropped:
            lines.append(
                "Left out: " + ", ".join(f"{number} {reason}" for reason, number in ledger.dropped.most_common()) + "."
            )
        if ledger.far_points:
            lines.append(f"⚠️ {ledger.far_points} used points are more than 10 mag from the median of their star.")
        if ledger.without_band:
            lines.append(f"{ledger.without_band} points have no band, and are light curves of their own.")
        if ledger.unreadable:
            first, reason = next(iter(ledger.unreadable.items()))
            told = replace(ledger, unreadable={**ledger.unreadable, first: explain(TableError(reason), self.path)})
            lines.append(f"⚠️ {told.unreadable_line}.")
        lines += [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in ledger.notes]
        if self.problem:
            lines.append(f"⚠️ {self.problem}")
        return "\n\n".join(lines)


def read_upload(file: str | Path, columns: Columns | None = None, before: Upload | None = None) -> Upload:
    """Read an uploaded file of any format, such as `astromer-hf embed` reads.

    Args:
        file: its path.
        columns: which column is what; as recognised when absent.
        before: what a first look at the file has found.

    Returns:
        Its light curves, or the problem, with the columns to choose from.
    """
    path = Path(file)
    upload = before or _look_at(path)
    if upload.problem and (columns is None or not upload.available):
        return upload
    chosen = columns or upload.columns
    try:
        return _read(path, upload, chosen)
    except (ValueError, OSError) as error:
        return Upload(path, upload.available, upload.recognised, chosen, problem=explain(error, path))


def _look_at(path: Path) -> Upload:
    """The columns of a file, and what the reader makes of them."""
    available: tuple[str, ...] = ()
    try:
        check(path)
        if not is_archive(path):
            available = _columns_of(path)
        roles = LightCurveSource.open(path).roles
    except (ValueError, OSError) as error:
        return Upload(path, available, None, Columns.like(available), problem=explain(error, path))
    recognised = Columns.of(roles)
    return Upload(path, available, recognised, recognised)


def _columns_of(path: Path) -> tuple[str, ...]:
    """Names of the columns of a file.

    Raises:
        TableError: it is a catalogue, whose paths would be those of the server.
    """
    found = find_files(path, ReadingOptions())
    if isinstance(found, Catalogue):
        raise TableError(f"{path.name} is a list of files: upload an archive of them, with the list in it.")
    return tuple(found.tables[0].names) if len(found.tables) == 1 else ()


def check(path: Path) -> None:
    """Refuse a file that is too large for the server, as it is or unpacked.

    Raises:
        TableError: it is, or it cannot be unpacked.
    """
    if not path.is_file():
        raise TableError(f"{path.name} is no file.")
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB: upload a part of it.")
    too_large = TableError(f"{path.name} unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB: upload a part of it.")
    size = _size_of([path], path.name)  # of a compressed tar, before anything walks through it
    if size <= MAX_UNPACKED_BYTES and is_archive(path):
        size = unpacked_size(path)
    if size > MAX_UNPACKED_BYTES:
        raise too_large
    if is_archive(path) and (folder := unpack(path)):
        with folder as name:
            if _size_of([file for file in sorted(Path(name).rglob("*")) if file.is_file()], path.name) > MAX_UNPACKED_BYTES:
                raise too_large


def _size_of(files: Sequence[Path], name: str) -> int:
    """Bytes of files, decompressed where they are compressed, counted up to `MAX_UNPACKED_BYTES` and a little more.

    Raises:
        TableError: one is damaged, or compressed twice.
    """
    size = 0
    try:
        for file in files:
            with file.open("rb") as raw, open_decompressed(file) as opened:
                block = opened.read(1 << 20)
                if is_compressed(raw.read(8)) and is_compressed(block[:8]):
                    raise TableError(f"{name} is compressed twice: compress the table once.")
                while block and size <= MAX_UNPACKED_BYTES:
                    size += len(block)
                    block = opened.read(1 << 20)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise TableError(f"{name} cannot be unpacked: {error}. Copy or make it again.") from error
    return size


def _read(path: Path, upload: Upload, columns: Columns) -> Upload:
    """The light curves of a file.

    Raises:
        ValueError, OSError: it cannot be read so.
    """
    given = columns.given(upload.recognised)
    try:
        source = LightCurveSource.open(path, columns=given)
    except TableError:
        if upload.recognised is not None or not given:
            raise
        source = LightCurveSource.open(path, columns=given, survey=False)  # what the user chose settles a doubtful survey
    light_curves: list[LightCurve] = []
    for chunk in source.chunks(MAX_UPLOADED + 1):
        light_curves += chunk.light_curves()
        if len(light_curves) > MAX_UPLOADED:
            break
    if not light_curves:
        raise TableError(f"{path.name} holds no light curve.")
    named: dict[str, LightCurve] = {}
    for one in light_curves[:MAX_UPLOADED]:
        name = ", ".join(str(part) for part in (one["object_id"], one.get("band")) if part)
        several = sum(other == name or other.startswith(f"{name} (") for other in named)  # of one id, such as after a gap
        named[f"{name} ({several + 1})" if several else name] = one
    return replace(
        upload,
        columns=columns,
        light_curves=named,
        ledger=source.ledger,
        time_system=time_system_of(source),
        truncated=len(light_curves) > MAX_UPLOADED,
        problem="" if source.ledger.points_used else "No point could be used. Are the columns the right ones?",
    )


def explain(error: Exception, path: Path) -> str:
    """A reader's message for somebody who sees a page: without options of the command line, and without the server's paths."""
    if isinstance(error, MissingColumnsError):
        missing = [{"mjd": "the times", "mag": "the magnitudes or fluxes"}.get(role, role) for role in error.missing]
        return f"The column of {' and of '.join(missing)} was not recognised in {path.name}: choose it below."
    text = str(error).replace(f"{path.parent}/", "")
    text = re.sub(rf"{re.escape(tempfile.gettempdir())}/astromer-[^/\s]+/", "", text)  # where an archive was unpacked
    text = re.sub(r"\s*\([^()]*--[^()]*\)", "", text)
    sentences = re.split(r"(?<=[.!?:;])\s+", text)
    kept = [sentence for sentence in sentences if "--" not in sentence and "astromer-hf " not in sentence]
    if len(kept) == len(sentences) or not kept:
        return text
    return f"{' '.join(kept).rstrip(':; ')} Choose the columns below."
