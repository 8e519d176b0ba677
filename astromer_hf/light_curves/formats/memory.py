# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables in memory as raw tables: pandas, polars, pyarrow, astropy, numpy records, dictionaries of columns, `datasets.Dataset`.

Before this file stand objects of these packages, none of which is imported here; after it `roles.py`, which sees the same table
whichever it came as.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ...model.ragged_astromer import to_numpy
from ..columns import COLUMN_GUESSES, TableError
from .base import RawTable, one_line, table_in_memory
from .hub import is_dataset, table_of_dataset
from .nested import flat_fields, flatten_column


def table_of(source: Any, name: str | None = None, *, split: str | None = None, **options: Any) -> RawTable | None:
    """A table in memory as a raw table; None of what is no table of named columns.

    Raises:
        TableError: its columns cannot be put into a table, or it has no such split.
    """
    if is_dataset(source):
        return table_of_dataset(source, split)
    kind = name or type(source).__name__
    if split is not None:
        raise TableError(f"A split is one of a dataset, and this is a {kind}: leave the split out.")
    if hasattr(source, "__arrow_c_stream__"):
        try:
            table = pa.table(_without_mixed_columns(source))
        except (pa.ArrowException, TypeError, OverflowError) as error:
            raise TableError(f"The {kind} cannot be read as a table: {one_line(error)}.") from error
        return _of_arrow(kind, table, **options)
    if hasattr(source, "colnames"):
        return _of_columns(kind, {str(column): source[column] for column in source.colnames}, _star_of(source), **options)
    if (names := getattr(getattr(source, "dtype", None), "names", None)) is not None:
        return _of_columns(kind, {column: source[column] for column in names}, None, **options)
    if isinstance(source, Mapping):
        return _of_columns(kind, {str(column): values for column, values in source.items()}, None, **options)
    return None


def _without_mixed_columns(source: Any) -> Any:
    """A pandas table whose columns of numbers and words, such as 16.1 and ">17", are words; anything else as it is."""
    if not hasattr(source, "select_dtypes"):
        return source
    import pandas as pd

    def is_missing(value: Any) -> bool:
        return np.ndim(value) == 0 and bool(pd.isna(value))  # a light curve in a cell is an array or a list

    changed = {}
    for name in (name for name, kind in source.dtypes.items() if getattr(kind, "kind", "") == "O"):
        kinds = {type(value) for value in source[name] if not is_missing(value)}
        if (str in kinds and len(kinds) > 1) or (int in kinds and any(map(_is_beyond_int64, source[name]))):
            changed[name] = source[name].map(lambda value: None if is_missing(value) else str(value))
    return source.assign(**changed) if changed else source


def _is_beyond_int64(value: Any) -> bool:
    """Whether this is a whole number for which Arrow would take a float, or nothing."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _of_arrow(kind: str, table: pa.Table, **options: Any) -> RawTable:
    names = table.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise TableError(f"There is more than one column {twice[0]!r}; drop one.")
    if any(pa.types.is_nested(field.type) for field in table.schema):
        table = table.combine_chunks()
        flat: dict[str, pa.Array] = {}
        for name in names:
            column = table[name]
            array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
            flat |= flatten_column(name, array)
        known = [inner.name for field in table.schema for inner in flat_fields(field)]
        table = pa.table({name: flat[name] for name in known if name in flat})
    if table.column_names == [str(i) for i in range(table.num_columns)]:  # of a file without a header
        table = table.rename_columns([str(i + 1) for i in range(table.num_columns)])
        options["has_header"] = False
    return table_in_memory(kind, "table", table, **{"star": kind, **options})


def _of_columns(kind: str, columns: Mapping[str, Any], named: str | None, **options: Any) -> RawTable:
    arrays: dict[str, pa.Array] = {}
    units: dict[str, str] = {}
    for name, values in columns.items():
        array, unit = _as_arrow(values, name)
        if array is not None:
            arrays[name] = array
            if unit:
                units[name] = unit
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        raise TableError(f"The columns of the {kind} differ in length: {', '.join(map(str, sorted(lengths)))}.")
    return table_in_memory(kind, "table", pa.table(arrays), **{"star": named or kind, "units": units, **options})


def _as_arrow(values: Any, name: str) -> tuple[pa.Array | None, str | None]:
    """A column of any kind as an Arrow array, and its unit; None of what is no column."""
    try:
        values = to_numpy(values, "mjd" if name.lower() in COLUMN_GUESSES["mjd"] else name)
    except ValueError as error:
        raise TableError(str(error)) from error
    if hasattr(values, "mjd"):  # astropy's Time
        values = values.mjd
    unit = str(getattr(values, "unit", None) or "") or None
    mask = None
    if hasattr(values, "unmasked"):  # astropy's Masked
        mask, values = np.asarray(values.mask), np.asarray(getattr(values.unmasked, "value", values.unmasked))
    elif np.ma.isMaskedArray(values):
        mask, values = np.ma.getmaskarray(values), np.asarray(values.data)
    if hasattr(values, "__arrow_array__") or hasattr(values, "__arrow_c_array__"):
        return pa.array(values), unit
    try:
        array = np.asarray(getattr(values, "value", values))
        if array.ndim == 0:
            return None, None
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8", "replace")
        if array.dtype.kind in "fiu" and not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        if array.ndim > 1:
            rows = [np.ma.filled(np.ma.array(row.astype(float)), np.nan).tolist() for row in array.reshape(len(array), -1)]
            is_short = array.dtype.kind == "f" and array.dtype.itemsize < 8  # the type tells how precise times are
            return pa.array(rows, pa.list_(pa.from_numpy_dtype(array.dtype)) if is_short else None), unit
        if array.dtype.kind == "U":
            array = np.char.strip(array)
        if array.dtype.kind == "M":
            array = array.astype("datetime64[ns]")
        values = array.tolist() if array.dtype.kind in "OU" else array
        if array.dtype.kind == "O" and any(map(_is_beyond_int64, values)):
            values = [None if value is None else str(value) for value in values]
        return pa.array(values, mask=mask if mask is None or mask.ndim == 1 else None, from_pandas=True), unit
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise TableError(f"The column {name!r} must hold numbers or words: {one_line(error)}.") from error


def _star_of(source: Any) -> str | None:
    """The name of the star that the header of an astropy table gives."""
    meta = getattr(source, "meta", None)
    if not isinstance(meta, Mapping):
        return None
    lower = {str(key).lower(): value for key, value in meta.items()}
    names = ("object", "snid", "star", "targname", "name", "objname", "label")
    found = next((lower[name] for name in names if isinstance(lower.get(name), str) and lower[name].strip()), None)
    return found.strip() if found else None
