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
    """Whether a column is a struct of structs that all have lists of the same names."""
    if not pa.types.is_struct(kind) or not kind.num_fields:
        return False
    children = [kind.field(i).type for i in range(kind.num_fields)]
    return all(pa.types.is_struct(child) and any(is_list(field.type) for field in child) for child in children)


def flat_fields(field: pa.Field) -> list[pa.Field]:
    """The plain columns that a column becomes."""
    kind = field.type
    if is_struct_of_bands(kind):
        first = kind.field(0).type
        lists = [child for child in first if is_list(child.type)]
        return [pa.field(f"{field.name}.{child.name}", child.type) for child in lists] + [
            pa.field(f"{field.name}.band", pa.list_(pa.string()))
        ]
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
    bands = [column.type.field(i).name for i in range(column.type.num_fields)]
    structs = [dict(zip([f.name for f in kind.type], part.flatten(), strict=True)) for kind, part in _children(column)]
    fields = [child.name for child in column.type.field(0).type if is_list(child.type)]
    # Every list is joined by its own lengths: whoever uses two together compares them. The band goes with the times.
    joined: dict[str, pa.Array] = {}
    for field in fields:
        order, offsets, _ = _row_by_row(np.array([list_lengths(struct[field]) for struct in structs]))
        values = pa.concat_arrays([struct[field].flatten() for struct in structs])
        joined[f"{name}.{field}"] = pa.ListArray.from_arrays(offsets, values.take(order))
    timed = next((field for guess in COLUMN_GUESSES["mjd"] for field in fields if field.lower() == guess), fields[0])
    _, offsets, owner = _row_by_row(np.array([list_lengths(struct[timed]) for struct in structs]))
    return joined | {f"{name}.band": pa.ListArray.from_arrays(offsets, pa.array(bands, pa.string()).take(owner))}


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


def _children(column: pa.Array) -> list[tuple[pa.Field, pa.Array]]:
    return list(zip(column.type, column.flatten(), strict=True))
