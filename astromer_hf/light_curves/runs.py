# Copyright 2026 The astromer_hf developers. MIT licence.
"""Runs of equal ids in a column, by which a table is known to be readable star by star.

Before this file stand record batches of any table; after it `source.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .numbers import to_text


def of_one_schema(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Batches whose types of numbers differ, as those of the files of one folder may, cast to those that hold all."""
    if all(batch.schema.equals(batches[0].schema) for batch in batches):
        return list(batches)
    table = pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="permissive")
    return table.to_batches()


def run_starts(ids: pa.ChunkedArray | pa.Array, *, trims: bool = False) -> np.ndarray:
    """Rows at which the id differs from the row before; `trims` leaves blanks around it out."""
    text = to_text(ids, trims=trims).to_pandas()  # pandas would turn integers to floats where one is null
    codes = pd.factorize(text, use_na_sentinel=False)[0]
    return np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))


def stand_together(batches: Iterable[pa.RecordBatch], name: str, *, trims: bool = False) -> bool:
    """Whether no id comes again after another one. Of every run of an id 8 bytes are kept; `trims` is as of `run_starts`."""
    runs: list[Any] = []
    last: object = object()
    for batch in batches:
        ids = to_text(batch[name], name, trims=trims)
        if not len(ids):
            continue
        firsts = ids.take(pa.array(run_starts(ids)))
        runs.append(pd.util.hash_pandas_object(firsts.slice(int(firsts[0].as_py() == last)).to_pandas(), index=False))
        last = ids[-1].as_py()
    return not runs or pd.concat(runs).is_unique
