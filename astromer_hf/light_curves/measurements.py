# Copyright 2026 The astromer_hf developers. MIT licence.
"""Rows of measurements, or rows of lists, to light curves: numbers, flags, limits and fluxes, with an account of every point.

Before this file stand raw columns and their roles; after it `source.py`. A point that is not used keeps its place with a NaN
magnitude, which `RaggedLightCurves.clean` drops and counts for its light curve; the ledger knows the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..model.ragged_astromer import MAX_ABS_MAGNITUDE, MAX_ABS_TIME_DAYS, RaggedLightCurves
from .chunk import LightCurveChunk
from .columns import TableError
from .fluxes import POGSON, asinh_magnitudes_of, looks_like_flux, magnitudes_of, unit_ratio
from .formats.nested import is_list, list_lengths
from .layouts import FLAG_TESTS, Flag
from .ledger import (
    BEYOND_LIMIT,
    FLAGGED,
    LIMIT,
    MARKER,
    NO_FLUX,
    NO_TIME,
    NO_VALUE,
    NO_ZERO_POINT,
    NOT_POSITIVE,
    PADDING,
    REASONS,
    TOO_LARGE,
    Ledger,
)
from .numbers import ERROR_MARKERS, MARKERS, check_times, to_days, to_ids, to_numbers, to_text
from .reading import MagnitudeKind
from .roles import Roles, Value

ANNOTATIONS = ("band", "label", "identity")
FAR_MAGNITUDES = 10.0
_DATES = 10000.0  # times beyond are days of MJD or JD and no time since a first point
_UNIT_FACTORS = {"mmag": 1e-3, "millimag": 1e-3}


@dataclass
class Interpreter:
    """How the points of one source are read.

    Args:
        roles ([`Roles`]): of its columns.
        name (`str`): of the source, for messages.
        star (`str`, *optional*): the star of a table without ids.
        band (`str`, *optional*): of a table without a column of bands.
        units (`Mapping[str, str]`): of columns.
        keep_flagged (`bool`): use flagged points as well.
        magnitudes (`str`): what becomes of fluxes: `"pogson"`, or `"asinh"`, which keeps those around zero.
        ledger ([`Ledger`]): is filled.
        same_star (`dict[str, str]`): id -> that of the same star by which it goes.
    """

    roles: Roles
    name: str
    star: str | None = None
    band: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    keep_flagged: bool = False
    magnitudes: MagnitudeKind = "pogson"
    ledger: Ledger = field(default_factory=Ledger)
    rows_read: int = 0
    lists_read: int = 0
    spellings: dict[str, str] = field(default_factory=dict)
    same_star: dict[str, str] = field(default_factory=dict)
    checked: bool = False

    @property
    def annotation_roles(self) -> list[str]:
        """Annotations that every chunk has."""
        has_band = self.roles.band or self.band or any(value.band for value in self.roles.values)
        there = {"band": has_band, "label": self.roles.label, "identity": self.roles.identity}
        return [role for role in ANNOTATIONS if there[role]]

    # --- Rows of measurements ---

    def read_rows(self, table: pa.Table) -> LightCurveChunk:
        """Measurements to light curves, one for each star (and band), in the order of their first appearance.

        Args:
            table: one row a measurement, with the columns of the roles.

        Raises:
            TableError: a row has no id, or a value is no number.
        """
        chunk, _ = self._group(table, self._ids(table), None)
        return self._count(chunk)

    def _group(self, table: pa.Table, ids: pa.Array, keys: np.ndarray | None) -> tuple[LightCurveChunk, np.ndarray | None]:
        """Light curves by id, band and, where there are any, `keys` `(rows,)`; and the key of each light curve."""
        annotations = {
            role: to_text(table[name], name, trims=True)
            for role, name in (("band", self.roles.band), ("label", self.roles.label), ("identity", self.roles.identity))
            if name
        }
        if "band" in annotations:
            annotations["band"] = self._band_names(annotations["band"])
        parts = [self._read_value(table, value) for value in self.roles.values]
        self.rows_read += len(table)
        if len(parts) > 1:  # bands with columns of their own: row by row, so that a star's rows stand together
            order = np.arange(len(parts) * len(table)).reshape(len(parts), len(table)).T.ravel()
            times, values, errors, reasons, zero_points = (np.concatenate(part)[order] for part in zip(*parts, strict=True))
            rows = pa.array(np.repeat(np.arange(len(table)), len(parts)))
            annotations = {role: array.take(rows) for role, array in annotations.items()}
            bands = np.tile([value.band for value in self.roles.values], len(table)).astype(object)
            annotations["band"] = pa.array(bands, pa.string())
            ids, keys = ids.take(rows), None if keys is None else np.repeat(keys, len(parts))
        else:
            times, values, errors, reasons, zero_points = parts[0]
            if self.roles.values[0].band or ("band" not in annotations and self.band):
                annotations["band"] = pa.repeat(pa.scalar(self.roles.values[0].band or self.band, pa.string()), len(ids))
        groups = [ids.to_pandas(), *([annotations["band"].to_pandas()] if "band" in annotations else [])]
        groups += [] if keys is None else [pd.Series(keys)]
        frame = pd.DataFrame(dict(enumerate(groups)))
        codes = frame.groupby(list(frame), sort=False, dropna=False).ngroup().to_numpy()
        order = np.argsort(codes, kind="stable")
        offsets = np.concatenate(([0], np.cumsum(np.bincount(codes)))).astype(np.int64)
        firsts = order[offsets[:-1]]
        has_errors = any(value.error for value in self.roles.values) or self.roles.snr is not None
        curves = self._finish(
            times[order], values[order], errors[order] if has_errors else None, reasons[order], zero_points[order], offsets
        )
        annotations = {role: array.take(pa.array(firsts)) for role, array in annotations.items()}
        return LightCurveChunk(ids.take(pa.array(firsts)), curves, annotations), None if keys is None else keys[firsts]

    def _ids(self, table: pa.Table) -> pa.Array:
        name = self.roles.object_id
        if name is None:
            return pa.repeat(pa.scalar(self.star or self.name, pa.string()), len(table))
        ids = to_ids(table[name], name, trims=True)
        if self.roles.has_whole_ids:
            ids = pc.replace_substring_regex(ids, r"^(-?\d+)\.0$", r"\1")
        nameless = pc.sum(pc.fill_null(pc.equal(ids, ""), True)).as_py()
        if nameless:
            raise TableError(f"{nameless} rows of measurements have no {name!r}: drop them, or say whose they are.")
        if self.same_star:
            ids = pa.array([self.same_star.get(name, name) for name in ids.to_pylist()], pa.string())
        if self.roles.layout is not None and self.roles.layout.one_star:
            for spelling in pc.unique(ids).to_pylist():
                self.spellings.setdefault(spelling.strip().casefold(), spelling.strip())
            ids = pa.array([self.spellings[spelling.strip().casefold()] for spelling in ids.to_pylist()], pa.string())
        return ids

    def _band_names(self, bands: pa.Array) -> pa.Array:
        """Bands as the survey names them."""
        known = self.roles.layout.bands if self.roles.layout else {}
        if not known:
            return bands
        return pa.array([band if band is None else known.get(band, band) for band in bands.to_pylist()], pa.string())

    def _read_value(self, table: pa.Table, value: Value) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Times, values, errors, reasons and zero points of a column of values, each `(rows,)`."""
        roles, layout, first = self.roles, self.roles.layout, self.rows_read
        time_name = value.mjd or roles.mjd
        times = to_days(table[time_name], time_name, self.units.get(time_name), first)
        numbers = to_numbers(table[value.column], value.column, first)
        values = numbers.values * _UNIT_FACTORS.get(self.units.get(value.column, ""), 1.0)
        errors = np.full(len(values), np.nan)
        if value.error is not None:
            errors = to_numbers(table[value.error], value.error, first).values
            own, other = self.units.get(value.error, ""), self.units.get(value.column, "")
            errors = errors * (unit_ratio(own, other) if roles.is_flux else _UNIT_FACTORS.get(own, 1.0))
        elif roles.snr is not None:
            ratio = to_numbers(table[roles.snr], roles.snr, first).values
            errors = POGSON / np.where(ratio > 0, ratio, np.nan)
        zero_points = np.full(len(values), roles.fixed_zero_point)
        if roles.zero_point is not None:
            zero_points = to_numbers(table[roles.zero_point], roles.zero_point, first).values
        is_padding = (times == 0) & (values == 0) & (layout is not None and layout.is_padded)
        holds: list[tuple[str, np.ndarray]] = [(PADDING, is_padding), (NO_TIME, ~np.isfinite(times)), (LIMIT, numbers.is_limit)]
        if roles.upper_limit is not None:
            holds.append((LIMIT, self._is_bad(table, roles.upper_limit)))
        holds.append((NO_FLUX if roles.is_flux else NO_VALUE, ~np.isfinite(values)))
        holds.append((NO_ZERO_POINT, ~np.isfinite(zero_points)))
        if layout is not None and layout.markers:
            holds.append((MARKER, np.isin(np.round(values, 6), layout.markers)))
        if not roles.is_flux and layout is not None and layout.negative_is_flux:
            holds.append((NOT_POSITIVE, values <= 0))
        if roles.limit is not None:
            limits = to_numbers(table[roles.limit], roles.limit, first).values
            with np.errstate(invalid="ignore"):
                is_known = (np.abs(limits) <= MAX_ABS_MAGNITUDE) & (values <= MAX_ABS_MAGNITUDE)
                holds.append((BEYOND_LIMIT, is_known & (values > limits)))
        flagged = np.zeros(len(values), dtype=bool)
        for flag in (*roles.flags, *value.flags):
            flagged |= self._is_bad(table, flag)
        holds.append((FLAGGED, flagged))
        reasons = np.zeros(len(values), dtype=np.int8)
        for reason, mask in holds:
            reasons[(reasons == 0) & mask] = REASONS.index(reason)
        return times, values, errors, reasons, zero_points

    @staticmethod
    def _is_bad(table: pa.Table, flag: Flag) -> np.ndarray:
        return np.asarray(FLAG_TESTS[flag.test](to_text(table[flag.column]).to_pandas(), flag.value), dtype=bool)

    # --- Rows of lists ---

    def read_lists(self, batch: pa.RecordBatch) -> LightCurveChunk:
        """One row an object: its lists to light curves.

        Raises:
            TableError: lists differ in length, or hold no numbers.
        """
        roles = self.roles
        first = roles.values[0].column
        band_is_list = roles.band is not None and is_list(batch[roles.band].type)
        are_numbers = all(is_list(kind) and _is_number(kind.value_type) for kind in (batch[roles.mjd].type, batch[first].type))
        if roles.are_plain and not band_is_list and not self.units and (are_numbers or not is_list(batch[first].type)):
            return self._read_plain_lists(batch)
        ids = self._ids_of_lists(batch)
        errors_of_points = {value.error for value in roles.values}
        batch = self._without_unequal(batch, ids, [name for name in roles.used if name not in errors_of_points])
        lengths = list_lengths(batch[roles.mjd])
        rows = np.repeat(np.arange(len(batch)), lengths)
        columns: dict[str, Any] = {}
        for name in roles.used:
            column = batch[name]
            if is_list(column.type):
                is_aligned = np.array_equal(list_lengths(column), lengths)  # errors of another length are unknown
                columns[name] = column.flatten() if is_aligned else pa.array(_flat_errors(column, name, lengths))
            else:
                columns[name] = column.take(pa.array(rows))
        chunk, own_rows = self._group(pa.table(columns), ids.take(pa.array(rows)), rows)
        assert own_rows is not None
        if len(empty := np.flatnonzero(lengths == 0)):  # an object without points keeps its row
            absent = {
                role: to_text(batch[name]).take(pa.array(empty))
                if (name := getattr(self.roles, role)) and not is_list(batch[name].type)
                else pa.nulls(len(empty), pa.string())
                for role in chunk.annotations
            }
            errors = None if chunk.curves.magnitude_errors is None else np.empty(0)
            curves = RaggedLightCurves(np.empty(0), np.empty(0), errors, np.zeros(len(empty) + 1, dtype=np.int64))
            chunk = LightCurveChunk.concatenate([chunk, LightCurveChunk(ids.take(pa.array(empty)), curves, absent)])
            chunk = chunk.select(np.argsort(np.concatenate((own_rows, empty)), kind="stable"))
        return self._count(chunk)

    def _ids_of_lists(self, batch: pa.RecordBatch) -> pa.Array:
        if self.roles.object_id is not None:
            ids = to_ids(batch[self.roles.object_id], self.roles.object_id)
            return (
                pa.array([self.same_star.get(name, name) for name in ids.to_pylist()], pa.string()) if self.same_star else ids
            )
        first, self.lists_read = self.lists_read, self.lists_read + len(batch)
        return pa.array([f"{self.star or self.name}-{first + i + 1}" for i in range(len(batch))], pa.string())

    def _without_unequal(self, batch: pa.RecordBatch, ids: pa.Array, names: Sequence[str]) -> pa.RecordBatch:
        """Null lists for objects whose lists differ in length from that of their times; the ledger gets them and the reason."""
        of_times = self.roles.mjd
        lengths = list_lengths(batch[of_times])
        wrong = np.zeros(len(batch), dtype=bool)
        for name in (name for name in names if is_list(batch[name].type)):
            own = list_lengths(batch[name])
            for i in np.flatnonzero((own != lengths) & ~wrong):
                object_id = ids[int(i)].as_py()
                self.ledger.refuse(
                    object_id,
                    f"Object {object_id!r} has {lengths[i]} values in {of_times!r} and {own[i]} in {name!r}: every time needs "
                    "its magnitude.",
                )
            wrong |= own != lengths
        if not wrong.any():
            return batch
        kept = pa.array(np.arange(len(batch)), mask=wrong)
        columns = {name: batch[name].take(kept) if is_list(batch[name].type) else batch[name] for name in batch.schema.names}
        return pa.RecordBatch.from_pydict(columns)

    def _read_plain_lists(self, batch: pa.RecordBatch) -> LightCurveChunk:
        """Lists of magnitudes as they stand, without a loop over objects or points."""
        roles = self.roles
        value = roles.values[0]
        ids = self._ids_of_lists(batch)
        for name in (roles.mjd, value.column):
            if not is_list(batch[name].type):
                raise TableError(
                    f"Columns {roles.mjd!r} and {value.column!r} must both hold lists; {name!r} holds {batch[name].type}."
                )
        batch = self._without_unequal(batch, ids, [value.column])
        own = list_lengths(batch[value.column])
        errors = None
        if value.error and is_list(batch[value.error].type):
            errors = _flat_errors(batch[value.error], value.error, own)
        times, values = _flat_float64(batch[roles.mjd], roles.mjd), _flat_float64(batch[value.column], value.column)
        check_times(times, batch[roles.mjd].type.value_type, roles.mjd)
        reasons = np.zeros(len(values), dtype=np.int8)
        reasons[~np.isfinite(values)] = REASONS.index(NO_VALUE)
        reasons[~np.isfinite(times)] = REASONS.index(NO_TIME)
        curves = self._finish(times, values, errors, reasons, np.zeros(1), np.concatenate(([0], np.cumsum(own))))
        annotations = {
            role: to_text(batch[name], name)
            for role in ANNOTATIONS
            if (name := getattr(roles, role)) and not is_list(batch[name].type)
        }
        if "band" not in annotations and self.band:
            annotations["band"] = pa.repeat(pa.scalar(self.band, pa.string()), len(ids))
        return self._count(LightCurveChunk(ids, curves, annotations))

    # --- Points ---

    def _finish(
        self,
        times: np.ndarray,
        values: np.ndarray,
        errors: np.ndarray | None,
        reasons: np.ndarray,
        zero_points: np.ndarray,
        offsets: np.ndarray,
    ) -> RaggedLightCurves:
        """Values to magnitudes, NaN for points that are not used; every point is counted. All `(P,)`, light curves in a row."""
        roles = self.roles
        if not roles.is_flux and not self.checked and len(values):
            self.checked = True
            is_place = roles.values[0].column.isdigit()  # of a file without a header
            if why := looks_like_flux(np.where(reasons == 0, values, np.nan), errors):
                raise TableError(
                    f"The column {roles.values[0].column!r} of {self.name} was taken for magnitudes and is plainly flux: "
                    f"{why}. Give --flux-column {roles.values[0].column}"
                    + (", or, where columns stand in another order, --mjd-column and --mag-column." if is_place else ".")
                )
        reasons[(reasons == 0) & _are_no_dates(times, offsets)] = REASONS.index(NO_TIME)
        free = reasons == 0
        if roles.is_flux:
            markers = np.concatenate((-MARKERS, MARKERS[(MARKERS % 1 != 0) | (MARKERS > 9000)]))
            is_marker = free & np.isin(values, markers)
            if np.sum(is_marker) > 1:  # a marker repeats
                is_marker = _repeats(values, is_marker)
                reasons[is_marker] = REASONS.index(MARKER)
                values = np.where(is_marker, np.nan, values)
            if self.magnitudes == "asinh":
                magnitudes, errors = asinh_magnitudes_of(np.where(reasons == 0, values, np.nan), errors, offsets, zero_points)
            else:
                with np.errstate(invalid="ignore"):
                    reasons[(reasons == 0) & (values <= 0)] = REASONS.index(NOT_POSITIVE)
                magnitudes, errors = magnitudes_of(values, errors, zero_points)
        else:
            magnitudes = values
            with np.errstate(invalid="ignore"):
                large = free & (np.abs(values) > MAX_ABS_MAGNITUDE)
            if large.any():
                is_marker = large & (np.isin(np.abs(values), MARKERS) | _repeats(values, large))
                reasons[large] = REASONS.index(TOO_LARGE)
                reasons[is_marker] = REASONS.index(MARKER)
            is_far = _far_from_median(np.where(reasons == 0, values, np.nan), offsets)
            if np.sum(is_far) > 1:  # 0, -1 and 50 are markers where they repeat far from all other points
                reasons[_repeats(values, is_far)] = REASONS.index(MARKER)
            if errors is not None and not roles.are_plain:
                errors = np.where(np.isin(errors, ERROR_MARKERS) | np.isin(errors, MARKERS), np.nan, errors)
        if self.keep_flagged:
            is_flagged = reasons == REASONS.index(FLAGGED)
            self.ledger.kept_flagged += int(is_flagged.sum())
            reasons[is_flagged] = 0
        removed = reasons > 0
        if removed.any():  # what `clean` drops by itself stays as it stands
            with np.errstate(invalid="ignore"):
                seems_usable = np.isfinite(times) & (np.abs(magnitudes) <= MAX_ABS_MAGNITUDE)
            magnitudes = np.where(removed & seems_usable, np.nan, magnitudes)
        counts = np.bincount(reasons, minlength=len(REASONS))
        self.ledger.count(dict(zip(REASONS, counts.tolist(), strict=True)))
        used = np.where(removed, np.nan, magnitudes)
        self.ledger.far_points += int(np.sum(_far_from_median(used, offsets)))
        self.ledger.repeated_points += _count_repeated(times, used, offsets)
        return RaggedLightCurves(times, magnitudes, errors, offsets)

    def _count(self, chunk: LightCurveChunk) -> LightCurveChunk:
        if wrong := chunk.curves.find_not_days():
            usable = chunk.curves.usable
            for number, reason in wrong.items():
                own = slice(chunk.curves.offsets[number], chunk.curves.offsets[number + 1])
                named = reason.replace(f"light curve {number}", f"object {chunk.id_of(number)!r}")
                self.ledger.refuse(chunk.id_of(number), named, int(usable[own].sum()))
            chunk = replace(chunk, curves=chunk.curves.without_points_of([*wrong]))
        bands = chunk.annotations.get("band")
        if bands is not None:
            is_nameless = pc.fill_null(pc.equal(bands, ""), True).to_numpy(zero_copy_only=False)
            self.ledger.without_band += int(chunk.curves.lengths[is_nameless].sum())
        self.ledger.count_stars(chunk.object_ids.to_pylist(), pc.unique(bands).to_pylist() if bands is not None else ())
        return chunk


def _are_no_dates(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which times, `(P,)` bool, are markers such as 0 and -999 in a light curve whose other times are MJD or JD."""
    is_marker = np.zeros(len(times), dtype=bool)
    filled = np.flatnonzero(np.diff(offsets))
    if not len(filled) or not np.any(times <= 0):
        return is_marker
    known = np.isfinite(times)
    first = np.minimum.reduceat(np.where(known, times, np.inf), offsets[filled])
    last = np.maximum.reduceat(np.where(known, times, -np.inf), offsets[filled])
    for i in filled[(first <= 0) & (last > _DATES)]:
        own = slice(offsets[i], offsets[i + 1])
        if _DATES < np.nanmedian(times[own]) <= MAX_ABS_TIME_DAYS:
            is_marker[own] = times[own] <= 0
    return is_marker


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)


def _repeats(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Which of the chosen values, `(P,)` bool, occur more than once among them."""
    found, counts = np.unique(values[chosen], return_counts=True)
    return chosen & np.isin(values, found[counts > 1])


def _far_from_median(magnitudes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which points are more than 10 mag from the median of their light curve, `(P,)` bool."""
    is_far = np.zeros(len(magnitudes), dtype=bool)
    filled = np.flatnonzero(np.diff(offsets))
    if not len(filled):
        return is_far
    starts = offsets[filled]
    known = np.isfinite(magnitudes)
    spans = np.maximum.reduceat(np.where(known, magnitudes, -np.inf), starts) - np.minimum.reduceat(
        np.where(known, magnitudes, np.inf), starts
    )
    for i in filled[spans > FAR_MAGNITUDES]:
        own = slice(offsets[i], offsets[i + 1])
        is_far[own] = np.abs(magnitudes[own] - np.nanmedian(magnitudes[own])) > FAR_MAGNITUDES
    return is_far


def _count_repeated(times: np.ndarray, magnitudes: np.ndarray, offsets: np.ndarray) -> int:
    """How many points have the time and magnitude of another one of their light curve, the first of them not counted.

    Tables that were joined from several files may hold a point twice. Two points of one time are no error by themselves.
    """
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    if not (used := np.isfinite(times) & np.isfinite(magnitudes)).all():
        owner, times, magnitudes = owner[used], times[used], magnitudes[used]
    if np.any((np.diff(times) < 0) & (np.diff(owner) == 0)):
        order = np.lexsort((times, owner))
        times, magnitudes = times[order], magnitudes[order]
    is_next = (np.diff(times) == 0) & (np.diff(owner) == 0)
    if not is_next.any():
        return 0
    alike = np.flatnonzero(np.append(is_next, False) | np.append(False, is_next))
    rows = np.stack((owner[alike], times[alike], magnitudes[alike]), axis=1)
    return len(rows) - len(np.unique(rows, axis=0))


def _flat_float64(lists: pa.Array, name: str) -> np.ndarray:
    """All values of the lists one after the other; null values become NaN."""
    values = lists.flatten()  # skips null lists and honours slices
    try:
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise TableError(f"The column {name!r} must hold lists of numbers, it holds {lists.type}: {error}") from error


def _flat_errors(lists: pa.Array, name: str, lengths: np.ndarray) -> np.ndarray:
    """Errors aligned with the magnitudes; NaN for objects whose list is null or of another length."""
    own = list_lengths(lists)
    values, aligned = _flat_float64(lists, name), np.full(lengths.sum(), np.nan)
    aligned[np.repeat(own == lengths, lengths)] = values[np.repeat(own == lengths, own)]
    return aligned
