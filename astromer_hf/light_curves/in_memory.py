# Copyright 2026 The astromer_hf developers. MIT licence.
"""One light curve from whatever an astronomer holds it in, as times in days, magnitudes and perhaps their errors; or all.

Before it stands a file, an astropy `TimeSeries`, `Table` or FITS record array, a lightkurve object, or a table of pandas,
polars or pyarrow; after it the feature extractor and the pipelines. Tables are read by `source.py`, as files are. Objects with
attributes are known by what they offer; their package is not imported.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..model.ragged_astromer import RaggedLightCurves, to_numpy
from ..model.times_astromer import check_time_precision
from .chunk import LightCurveChunk
from .columns import COLUMN_GUESSES, NONE, MissingColumnsError, TableError
from .fluxes import magnitudes_of
from .formats.base import RawTable
from .formats.hub import is_dataset
from .formats.memory import table_of
from .source import LightCurveSource

FLUX_NAMES = ("flux", "pdcsap_flux", "sap_flux")
FLUX_ERROR_NAMES = ("flux_err", "flux_error", "fluxerr", "pdcsap_flux_err", "sap_flux_err")
_MJD_OF_UNIX_EPOCH = 40587.0


def read_light_curve(
    source: Any, columns: Mapping[str, str | None] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Read one light curve.

    Times of astropy become MJD in their own scale, quantities of time days, dates MJD; plain numbers stay as they are. Masked
    and missing values become NaN, which whatever comes next drops and counts. Where there is a flux and no magnitude, as in a
    lightkurve object, it becomes -2.5 log10(flux), a magnitude of arbitrary zero point, which ASTROMER does not see; flux that
    is not positive becomes NaN.

    Args:
        source: a mapping, table, record array or object with columns or attributes of a time and a magnitude or flux;
            numbers of shape `(n, 2)` or `(n, 3)`; or the path of a file, or whatever else `LightCurveSource.open` reads, of one
            light curve.
        columns: names for `mjd`, `mag` (or `flux`), `magerr` (or `flux_err`) where they cannot be guessed.

    Returns:
        `(mjd, mag, magerr)`, each `(n,)` float64; `magerr` is None where there is none.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: no light curve can be read from it, or several.
    """
    if isinstance(source, bytes):
        raise TableError(f"A light curve or the path of one is needed, got bytes, {source[:20]!r}: decode them first.")
    if isinstance(source, (str, Path)) or is_dataset(source):
        return _only_light_curve(LightCurveSource.open(source, columns=columns), type(source).__name__)
    source = to_numpy(row_of(source), "mjd")
    if isinstance(source, (np.ndarray, Sequence)) and getattr(getattr(source, "dtype", None), "names", None) is None:
        return _from_numbers(source)
    names, get = _open(source)
    given = columns or {}
    if unknown := [name for name in given.values() if name is not None and name not in names and name.lower() != NONE]:
        raise TableError(f"There is no column {unknown[0]!r} in the {type(source).__name__}; there are: {', '.join(names)}.")
    if (table := table_of(source)) is not None:
        return _from_table(source, table, given)

    def find(role: str, guesses: Sequence[str]) -> str | None:
        lower = {name.lower(): name for name in reversed(names)}
        return given.get(role) or next((lower[guess] for guess in guesses if guess in lower), None)

    time, magnitude = (find(role, COLUMN_GUESSES[role]) for role in ("mjd", "mag"))
    flux = find("flux", FLUX_NAMES) if magnitude is None or given.get("flux") else None
    if time is None or (magnitude is None and flux is None):
        lacking = "a time" if time is None else "a magnitude or flux"
        raise _no_light_curve(type(source).__name__, lacking, names)
    mjd = _as_days(get(time), time)
    if flux is None:
        error = find("magerr", COLUMN_GUESSES["magerr"])
        magerr = None if error is None else _in_unit(get(error), "mag", error)
        result = mjd, _in_unit(get(str(magnitude)), "mag", str(magnitude)), magerr
    else:
        error = find("flux_err", FLUX_ERROR_NAMES)
        result = mjd, *magnitudes_of(_as_numbers(get(flux), flux), None if error is None else _as_numbers(get(error), error))
    lengths = {len(column) for column in result if column is not None}
    if len(lengths) > 1:
        raise TableError(
            f"The columns of the {type(source).__name__} differ in length: {', '.join(map(str, sorted(lengths)))}."
        )
    return result


def read_chunk(
    source: Any, columns: Mapping[str, str | None] | None = None, split: str | None = None
) -> LightCurveChunk | None:
    """All light curves of a file, a dataset of the Hub or a table in memory.

    Returns:
        Its light curves; None where it is a table in memory of one light curve without an id, or no table.

    Raises:
        FileNotFoundError: there is no such file or dataset.
        TableError: no light curves can be read from it.
    """
    is_named = isinstance(source, (str, Path))
    table = None if is_named else table_of(source, split=split)
    if table is None and not is_named:
        return None
    lower = {name.rpartition(".")[2].lower() for name in table.names} if table else set()
    has_ids = is_named or bool((columns or {}).get("object_id")) or not lower.isdisjoint(COLUMN_GUESSES["object_id"])
    try:
        opened = LightCurveSource.open(source, columns=columns, split=split)
    except MissingColumnsError:
        if has_ids:
            raise
        return None  # whoever asked for one light curve says what is missing
    chunks = list(opened.chunks())
    if not is_named and opened.roles.object_id is None and sum(map(len, chunks)) <= 1:
        return None
    if not chunks:
        nothing = pa.array([], pa.string())
        curves = RaggedLightCurves(np.empty(0), np.empty(0), None, np.zeros(1, dtype=np.int64))
        return LightCurveChunk(nothing, curves, {})
    return LightCurveChunk.concatenate(chunks)


def row_of(source: Any) -> Any:
    """The row of a table of light curves, as pandas gives it, as a mapping; anything else but a column as it is.

    Raises:
        TableError: it is a column, which lacks the times or the magnitudes.
    """
    if hasattr(source, "_asdict"):  # of `itertuples`
        return source._asdict()
    is_column = getattr(source, "ndim", None) == 1 or type(source).__name__.endswith(("Series", "Array"))
    if not is_column or hasattr(source, "detach") or isinstance(source, np.ndarray) or hasattr(source, "colnames"):
        return source
    index = getattr(source, "index", None)
    names = [name for name in index if isinstance(name, str)] if index is not None and not callable(index) else []
    if names:
        return {name: source[name] for name in names}
    raise TableError(
        f"A light curve needs times and magnitudes, and a {type(source).__name__} of {len(source)} values holds one of them: "
        'give {"mjd": days, "mag": magnitudes}.'
    )


def _from_table(
    source: Any, table: RawTable, given: Mapping[str, str | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The light curve of a table, read as one in a file is."""
    kind = type(source).__name__
    try:
        opened = LightCurveSource.open(source, columns=given)
    except MissingColumnsError as error:
        lacking = "a time" if "mjd" in error.missing else "a magnitude or flux"
        raise _no_light_curve(kind, lacking, table.names) from error
    return _only_light_curve(opened, kind)


def _only_light_curve(opened: LightCurveSource, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The light curve of a source that has one.

    Raises:
        TableError: there are several.
    """
    kind = f"This {kind}" if opened.path is None and not opened.origin else opened.name
    chunks = [chunk for chunk in opened.chunks() if len(chunk)]
    if sum(map(len, chunks)) > 1:
        whole = LightCurveChunk.concatenate(chunks)
        bands = whole.annotations["band"].to_pylist() if "band" in whole.annotations else [None] * len(whole)
        named = [
            ", ".join(str(part) for part in pair if part) for pair in zip(whole.object_ids.to_pylist(), bands, strict=True)
        ]
        shown = "; ".join(named[:5]) + ("; ..." if len(named) > 5 else "")
        raise TableError(
            f"{kind} holds {len(whole)} light curves ({shown}), and one is wanted: select one, or read all by "
            "LightCurveSource.open(table).chunks()."
        )
    if not chunks:
        return np.empty(0), np.empty(0), None
    curves = chunks[0].curves
    return curves.times, curves.magnitudes, curves.magnitude_errors


def _no_light_curve(kind: str, lacking: str, names: Sequence[str]) -> TableError:
    return TableError(
        f"A light curve needs a time and a magnitude or flux; this {kind} has no column that looks like {lacking}; there are: "
        f"{', '.join(names) or 'none'}. Name the columns, or give "
        '{"mjd": days, "mag": magnitudes}.'
    )


def _open(source: Any) -> tuple[list[str], Callable[[str], Any]]:
    """The names of a source's columns, and what gives one."""
    if (names := getattr(getattr(source, "dtype", None), "names", None)) is not None:  # numpy's and FITS's records
        return list(names), source.__getitem__
    if isinstance(source, Mapping) or hasattr(source, "colnames"):  # astropy's tables, among them lightkurve's objects
        return list(source.keys() if isinstance(source, Mapping) else source.colnames), source.__getitem__
    if hasattr(source, "__arrow_c_stream__"):
        try:
            table = pa.table(source)
        except (pa.ArrowException, TypeError) as error:
            raise TableError(f"The {type(source).__name__} cannot be read as a table: {error}") from error
        if twice := [name for name in table.column_names if table.column_names.count(name) > 1]:
            raise TableError(f"There is more than one column {twice[0]!r}; drop one.")
        return table.column_names, lambda name: table[name].to_pandas()
    known = {name for guesses in COLUMN_GUESSES.values() for name in guesses} | {*FLUX_NAMES, *FLUX_ERROR_NAMES}
    attributes = [name for name in sorted(known) if getattr(source, name, None) is not None]
    return attributes, lambda name: getattr(source, name)


def _from_numbers(source: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Numbers in two or three columns."""
    try:
        values = np.asarray(source, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(f"A light curve must be numbers, got a {type(source).__name__}: {error}.") from error
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise TableError(
            "Numbers without names must have the shape (n, 2) or (n, 3), of times, magnitudes and perhaps errors, got "
            f"{values.shape}."
        )
    check_time_precision(values[:, 0], getattr(source, "dtype", None), "The column of times")
    return values[:, 0], values[:, 1], values[:, 2] if values.shape[1] == 3 else None


def _as_days(values: Any, name: str) -> np.ndarray:
    """Times of any kind in days."""
    if hasattr(values, "mjd"):  # astropy's Time
        return _as_numbers(values.mjd, name)
    if getattr(getattr(values, "dtype", None), "kind", "") == "M":  # dates; of those with a time zone, in UTC
        dates = np.asarray(values, dtype="datetime64[ns]")
        days = (dates - np.datetime64(0, "ns")) / np.timedelta64(1, "D") + _MJD_OF_UNIX_EPOCH
        return np.where(np.isnat(dates), np.nan, days)
    days = _in_unit(values, "day", name)
    check_time_precision(days, getattr(values, "dtype", None), f"The column {name!r}")
    return days


def _in_unit(values: Any, unit: str, name: str) -> np.ndarray:
    """A column's numbers in a unit, where it has one that astropy knows; `mag` of any zero point is `mag`."""
    numbers = _as_numbers(values, name)
    own: Any = getattr(values, "unit", None)
    is_known = own is not None and hasattr(own, "to") and type(own).__name__ != "UnrecognizedUnit"
    if not is_known or str(own) == "" or (unit == "mag" and hasattr(own, "function_unit")):
        return numbers
    try:
        return np.asarray(own.to(unit, numbers), dtype=np.float64)
    except (TypeError, ValueError) as error:  # astropy's UnitConversionError is both
        raise TableError(f"The column {name!r} must be in units of {unit}, it is in {own}: {error}.") from error


def _as_numbers(values: Any, name: str) -> np.ndarray:
    """A column as float64; masked and missing values become NaN, and units are left behind."""
    try:
        values = to_numpy(values, "mjd" if name.lower() in COLUMN_GUESSES["mjd"] else name)
        if hasattr(values, "unmasked"):  # astropy's Masked
            values = np.ma.array(np.asarray(values.unmasked), mask=np.asarray(values.mask))
        array = np.ma.filled(np.ma.asarray(getattr(values, "value", values)).astype(np.float64), np.nan)
    except (TypeError, ValueError, OverflowError) as error:
        raise TableError(f"The column {name!r} must hold numbers: {' '.join(str(error).split()).rstrip('.')}.") from error
    if array.ndim != 1:
        raise TableError(f"The column {name!r} must be 1-d, got the shape {array.shape}: this is no table of one light curve.")
    return array
