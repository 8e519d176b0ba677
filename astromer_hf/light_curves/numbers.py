# Copyright 2026 The astromer_hf developers. MIT licence.
"""Columns of any type as float64: text with markers of missing values and limits, dates, units.

Before this file stand raw columns as a reader gives them; after it `measurements.py`. A value that is no number is an error
that names its row and column; a value that is missing is NaN.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..model.times_astromer import check_time_precision
from .columns import TableError
from .formats.base import one_line

MISSING_WORDS = pa.array(
    [
        *("", "nan", "none", "null", "\\n", "-", "--", "---", "...", "na", "n/a", "#n/a", "<na>", "masked", "*"),
        *("inf", "+inf", "-inf", "-nan", "+nan", "nat", "indef", "missing", "nodata", "?", "#div/0!", "#value!", "1.#qnan"),
    ],
    pa.string(),
)
# Values by which surveys mark what is missing; in a column of numbers they repeat.
MARKERS = np.array([99.0, 99.9, 99.99, 99.999, 99.9999, 999.0, 999.9, 999.99, 999.999, 9999.0, 99999.0])
ERROR_MARKERS = np.array([9.9, 9.99, 9.999, 9.9999])
_MJD_OF_UNIX_EPOCH = 40587.0
_DAYS = {"s": 1 / 86400, "sec": 1 / 86400, "second": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "hour": 1 / 24, "yr": 365.25}
_LIMIT = r"^[<>~\[]"  # the bracket is that of visual observers: [13.5


@dataclass(frozen=True)
class Numbers:
    """A column as numbers: `values` `(P,)` float64 with NaN for what is missing, and which are limits, `(P,)` bool."""

    values: np.ndarray
    is_limit: np.ndarray


def to_numbers(column: pa.Array | pa.ChunkedArray, name: str, first_row: int = 0) -> Numbers:
    """A column of any type as numbers.

    Args:
        column: of P values.
        name: for the message of an error.
        first_row: number of the column's first row in the table, counted from 0.

    Raises:
        TableError: a value is no number; names its row.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    no_limit = np.zeros(len(column), dtype=bool)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or _is_view(column.type)):
        try:
            return Numbers(column.cast(pa.float64()).to_numpy(zero_copy_only=False), no_limit)
        except pa.ArrowException as error:
            raise TableError(f"The column {name!r} must hold numbers, it holds {column.type}: {one_line(error)}.") from error
    column = column.cast(pa.string())
    try:
        return Numbers(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), no_limit)
    except pa.ArrowException:
        pass
    trimmed = pc.utf8_trim_whitespace(column)
    trimmed = pc.if_else(pc.is_in(pc.utf8_lower(trimmed), MISSING_WORDS), pa.scalar(None, pa.string()), trimmed)
    limits = pc.fill_null(pc.match_substring_regex(trimmed, _LIMIT), False).to_numpy(zero_copy_only=False)
    trimmed = pc.utf8_trim_whitespace(pc.replace_substring_regex(trimmed, r"^[<>~]|^\[([^\[\],]*)\]?$", r"\1"))
    trimmed = pc.replace_substring_regex(trimmed, r"^[+]", "")
    trimmed = pc.replace_substring_regex(trimmed, r"^([-+]?[0-9]*[.]?[0-9]+)[dD]([-+]?[0-9]+)$", r"\1e\2")
    try:
        return Numbers(pc.cast(trimmed, pa.float64()).to_numpy(zero_copy_only=False), limits)
    except pa.ArrowException:
        words = trimmed.to_pandas()
        booleans = words.str.lower().map({"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0, "yes": 1.0, "no": 0.0})
        if (booleans.isna() == words.isna()).all():
            return Numbers(booleans.to_numpy(float), limits)
        bad = int(np.flatnonzero(pd.to_numeric(words, errors="coerce").isna() & words.notna())[0])
        has_commas = re.match(r"^[\d.]+,[\d,.]+$", words[bad])
        hint = " Write points as decimal signs, and no commas between thousands." if has_commas else ""
        found = column[bad].as_py()
        raise TableError(
            f"The column {name!r} must hold numbers, and row {first_row + bad + 1} of the data holds {found!r}.{hint}"
        ) from None


def to_days(column: pa.Array | pa.ChunkedArray, name: str, unit: str | None, first_row: int = 0) -> np.ndarray:
    """A column of times in days, `(P,)`; dates become MJD.

    Raises:
        TableError: as `to_numbers`.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_temporal(column.type) and not pa.types.is_time(column.type) and not pa.types.is_duration(column.type):
        return _mjd_of(column.cast(pa.timestamp("us"), safe=False).to_pandas())
    try:
        days = to_numbers(column, name, first_row).values
    except TableError:
        words = column.cast(pa.string()).to_pandas()
        if words.str.match(r"^\s*\d{1,2}/\d{1,2}/\d{4}").any():
            raise TableError(
                f"The column {name!r} holds dates such as {words.dropna().iloc[0]!r}, in which the day cannot be told from the "
                "month: write them as 2020-01-31, or as MJD."
            ) from None
        dates = pd.to_datetime(words, errors="coerce", format="ISO8601", utc=True)
        if dates.isna().sum() > words.isin(MISSING_WORDS.to_pylist()).sum() + words.isna().sum():
            raise
        return _mjd_of(dates)
    if (dates := _compact_dates(days)) is not None:
        return dates
    per_unit = _days_per(unit, name)
    check_times(days, column.type, name, per_unit)
    return days * per_unit


def check_times(times: np.ndarray, kind: pa.DataType, name: str, days_per_unit: float = 1.0) -> None:
    """Refuse a column of times `(P,)` whose type has lost more than a minute, see `check_time_precision`.

    Raises:
        TableError: it has.
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    try:
        check_time_precision(times, kind, f"The column {name!r}", days_per_unit)
    except ValueError as error:
        raise TableError(str(error)) from error


def _compact_dates(days: np.ndarray) -> np.ndarray | None:
    """Dates that are written as 20180131, as MJD; None of numbers that are no such dates, as those of days are below 1e7."""
    known = np.isfinite(days)
    values = days[known]
    if not len(values) or np.any((values < 1.85e7) | (values > 2.1e7) | (values != np.round(values))):
        return None
    dates = pd.to_datetime(pd.Series(values.astype(np.int64).astype(str)), format="%Y%m%d", errors="coerce")
    if dates.isna().any():
        return None
    result = np.full(len(days), np.nan)
    result[known] = _mjd_of(dates)
    return result


def _days_per(unit: str | None, name: str) -> float:
    """Days of a unit of time; 1 for what is no unit, such as `BJD - 2457000, days`.

    Raises:
        TableError: it is a unit of something else.
    """
    if not unit or unit.strip().lower() in ("d", "day", "days", "mjd", "jd", "hjd", "bjd"):
        return 1.0
    if (factor := _DAYS.get(unit.strip().lower())) is not None:
        return factor
    from astropy import units

    try:
        own = units.Unit(unit)
    except (ValueError, TypeError):
        return 1.0
    try:
        return float(own.to(units.day))
    except units.UnitConversionError as error:
        raise TableError(f"The column {name!r} must be in units of day, it is in {unit}: {one_line(error)}.") from error


def _mjd_of(dates: pd.Series) -> np.ndarray:
    """Dates as MJD; those with a time zone in UTC."""
    if getattr(dates.dt, "tz", None) is not None:
        dates = dates.dt.tz_convert(None)
    moments = dates.to_numpy(dtype="datetime64[ns]")
    days = (moments - np.datetime64(0, "ns")) / np.timedelta64(1, "D") + _MJD_OF_UNIX_EPOCH
    return np.where(np.isnat(moments), np.nan, days)


def _is_view(kind: pa.DataType) -> bool:
    return pa.types.is_string_view(kind)


def to_text(column: pa.Array | pa.ChunkedArray, name: str = "", *, trims: bool = False) -> pa.Array:
    """A column as text; whole numbers that came as floats without `.0`, UUIDs in their usual form.

    Args:
        column: of any type.
        name: of the column, for the error.
        trims: leave blanks around the words out.

    Raises:
        TableError: its values have no text; names the column.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == pa.uuid():
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
        with np.errstate(invalid="ignore"):
            is_whole = np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**53)
        whole = pa.array(np.where(is_whole, values, 0).astype(np.int64)).cast(pa.string())
        return pc.if_else(pa.array(is_whole), whole, column.cast(pa.string()))
    try:
        if not any(is_binary(column.type) for is_binary in _ARE_BINARY):
            text = pc.cast(column, pa.string())
            return pc.utf8_trim_whitespace(text) if trims else text
        text = pc.utf8_rtrim(pc.cast(column.cast(pa.binary()), pa.string()), characters="\0")  # padding to a fixed length
        if not pc.all(pc.utf8_is_printable(text)).as_py() and len(text) > text.null_count:
            raise TableError("they are no text")
        return pc.utf8_trim_whitespace(text) if trims else text
    except (pa.ArrowException, TableError) as error:
        what = f"The column {name!r}" if name else "A column of names"
        raise TableError(
            f"{what} holds {column.type}, and its values have no text ({one_line(error)}): convert them to text, such as "
            "hexadecimal digits."
        ) from error


_ARE_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)


def name_of(value: Any) -> str:
    """An id or a band of Python's or NumPy's types as the text that a column of them has."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(int(value) if isinstance(value, (float, np.floating)) and float(value).is_integer() else value)


def to_ids(column: pa.Array | pa.ChunkedArray, name: str, *, trims: bool = False) -> pa.Array:
    """A column of ids as text, each as it was.

    Raises:
        TableError: as `to_text`; or they are numbers so large that a float has lost their last digits, so that several objects
            may have become one.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        digits = {2: 11, 4: 24, 8: 53}[column.type.bit_width // 8]
        largest = pc.max(pc.abs(column.cast(pa.float64()))).as_py()
        if largest is not None and 2**digits <= largest < float("inf"):
            raise TableError(
                f"The ids in the column {name!r} are {column.type}, in which a number as large as {largest:.17g} has lost its "
                "last digits: read or write them as integers or as text."
            )
    return to_text(column, name, trims=trims)
