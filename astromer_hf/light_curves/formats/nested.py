# Copyright 2026 The astromer_hf developers. MIT licence.
"""Structs in Arrow tables as plain columns: `lc: struct<mjd: list, mag: list>` becomes the list columns `lc.mjd` and `lc.mag`.

Before this file stand `parquet.py` and tables in memory; after it `roles.py`, which sees lists and single values only. Three
layouts of the field are flattened: a struct of lists (nested-pandas, HATS), a list of structs, and a struct of bands, each of
which is a struct of lists; the last becomes parallel lists with one more list, `<column>.band`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..columns import COLUMN_GUESSES


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds a list in every row."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def list_lengths(lists: pa.Array) -> np.ndarray:
    """Length of every list; a null list is empty."""
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def is_struct_of_bands(kind: pa.DataType) -> bool:
    """Whether a column is a struct of structs that have lists of the same names; one without any value is of type null."""
    if not pa.types.is_struct(kind):
        return False
    known = [child.type for child in kind if not pa.types.is_null(child.type)]
    return bool(known) and all(map(pa.types.is_struct, known)) and bool(_lists_of_bands(kind))


def _lists_of_bands(kind: pa.DataType) -> dict[str, pa.DataType]:
    """Name -> type of the values, of the lists that all bands of a struct of bands have."""
    types: dict[str, list[pa.DataType]] = {}
    known = [child.type for child in kind if pa.types.is_struct(child.type)]
    for band in known:
        for child in band:
            if is_list(child.type):
                types.setdefault(child.name, []).append(child.type.value_type)
    return {name: _common(own) for name, own in types.items() if len(own) == len(known)}


def _common(types: Sequence[pa.DataType]) -> pa.DataType:
    """One type for values of several: that of all, or that of floating point numbers."""
    own = [kind for kind in types if not pa.types.is_null(kind)]
    if not own or all(kind == own[0] for kind in own):
        return own[0] if own else types[0]
    return pa.string() if any(map(pa.types.is_string, own)) else pa.float64()


def flat_fields(field: pa.Field) -> list[pa.Field]:
    """The plain columns that a column becomes."""
    kind = field.type
    if is_struct_of_bands(kind):
        lists = {**_lists_of_bands(kind), "band": pa.string()}
        return [pa.field(f"{field.name}.{name}", pa.list_(values)) for name, values in lists.items()]
    if pa.types.is_struct(kind):
        return [inner for child in kind for inner in flat_fields(child.with_name(f"{field.name}.{child.name}"))]
    if is_list(kind) and pa.types.is_struct(kind.value_type):
        return [pa.field(f"{field.name}.{child.name}", pa.list_(child.type)) for child in kind.value_type]
    return [field]


def flatten_column(name: str, column: pa.Array) -> dict[str, pa.Array]:
    """The plain columns of a column of a record batch."""
    kind = column.type
    if is_struct_of_bands(kind):
        return _join_bands(name, column)
    if pa.types.is_struct(kind):
        flat = column.flatten()  # takes the struct's own nulls into its children
        return {
            inner: values
            for child, child_column in zip(kind, flat, strict=True)
            for inner, values in flatten_column(f"{name}.{child.name}", child_column).items()
        }
    if is_list(kind) and pa.types.is_struct(kind.value_type):
        offsets = pa.array(np.concatenate(([0], np.cumsum(list_lengths(column)))), pa.int32())
        children = column.flatten().flatten()
        return {
            f"{name}.{child.name}": pa.ListArray.from_arrays(offsets, values)
            for child, values in zip(kind.value_type, children, strict=True)
        }
    return {name: column}


def flatten_batch(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """Those plain columns of a record batch that are asked for."""
    if not any(pa.types.is_nested(field.type) for field in batch.schema):
        return batch.select(list(dict.fromkeys(columns)))
    flat: dict[str, pa.Array] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        flat |= flatten_column(field.name, column)
    return pa.RecordBatch.from_pydict({name: flat[name] for name in dict.fromkeys(columns)})


def _join_bands(name: str, column: pa.Array) -> dict[str, pa.Array]:
    """Lists of all bands of a row, one band after the other, and the band of each time."""
    fields = _lists_of_bands(column.type)
    bands = {
        field.name: dict(zip([child.name for child in field.type], part.flatten(), strict=True))
        for field, part in zip(column.type, column.flatten(), strict=True)
        if pa.types.is_struct(field.type)
    }
    # Every list is joined by its own lengths: whoever uses two together compares them. The band goes with the times.
    joined: dict[str, pa.Array] = {}
    for field, kind in fields.items():
        order, offsets, _ = _row_by_row(np.array([list_lengths(lists[field]) for lists in bands.values()]))
        values = pa.concat_arrays([lists[field].flatten().cast(kind) for lists in bands.values()])
        joined[f"{name}.{field}"] = pa.ListArray.from_arrays(offsets, values.take(order))
    timed = next((field for guess in COLUMN_GUESSES["mjd"] for field in fields if field.lower() == guess), next(iter(fields)))
    _, offsets, owner = _row_by_row(np.array([list_lengths(lists[timed]) for lists in bands.values()]))
    return joined | {f"{name}.band": pa.ListArray.from_arrays(offsets, pa.array([*bands], pa.string()).take(owner))}


def _row_by_row(lengths: np.ndarray) -> tuple[pa.Array, pa.Array, pa.Array]:
    """How the lists of K bands become one list a row, from their lengths `(K, rows)`.

    Returns:
        `order` `(P,)` of all bands' values, `offsets` `(rows + 1,)`, and the band of each value, `(P,)`.
    """
    starts = (np.cumsum(lengths.ravel()) - lengths.ravel()).reshape(lengths.shape)
    flat_lengths, flat_starts = lengths.T.ravel(), starts.T.ravel()
    before = np.cumsum(flat_lengths) - flat_lengths
    order = np.repeat(flat_starts - before, flat_lengths) + np.arange(flat_lengths.sum())
    offsets = np.concatenate(([0], np.cumsum(lengths.sum(0))))
    owner = np.repeat(np.tile(np.arange(len(lengths)), lengths.shape[1]), flat_lengths)
    return pa.array(order), pa.array(offsets, pa.int32()), pa.array(owner)
