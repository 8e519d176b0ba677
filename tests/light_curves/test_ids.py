# Copyright 2026 The astromer_hf developers. MIT licence.
"""The ids of objects come back as they were, whatever type and whatever table they came in, or their column is named."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.inference.embedding import embed_multiband_light_curves, embed_table
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.source import LightCurveSource

HUGE = 2**63 + 5  # beyond int64, and odd beyond float64
UUIDS = [uuid.UUID(int=2**100 + number) for number in range(3)]
POINTS = {"mjd": [[1.0, 2.0]] * 3, "mag": [[15.0, 16.0]] * 3}
ARROW: dict[str, tuple[Any, pa.DataType, list[str | None]]] = {
    "whole floats": ([1.0, 2.0, 30.0], pa.float64(), ["1", "2", "30"]),
    "whole floats among others": ([1.0, 2.5, None], pa.float64(), ["1", "2.5", None]),
    "half floats": ([1.0, 2.0, 3.0], pa.float16(), ["1", "2", "3"]),
    "unsigned": ([HUGE, HUGE + 1, HUGE + 2], pa.uint64(), [str(HUGE), str(HUGE + 1), str(HUGE + 2)]),
    "integers with nulls": ([2**62 + 1, None, 3], pa.int64(), [str(2**62 + 1), None, "3"]),
    "UUIDs": ([one.bytes for one in UUIDS], pa.uuid(), [str(one) for one in UUIDS]),
    "binary text": ([b"a", b"b c", None], pa.binary(), ["a", "b c", None]),
    "binary text of a fixed length": ([b"a\0\0", b"bcd", b"ef\0"], pa.binary(3), ["a", "bcd", "ef"]),
    "decimals": ([1, 2, 3], pa.decimal128(20, 0), ["1", "2", "3"]),
    "a dictionary": (["x", "y", "x"], pa.dictionary(pa.int32(), pa.string()), ["x", "y", "x"]),
}


def ids_of(source: Any) -> list[str | None]:
    return [object_id for chunk in LightCurveSource.open(source).chunks() for object_id in chunk.object_ids.to_pylist()]


@pytest.mark.parametrize("kind", ARROW)
def test_ids_of_an_arrow_table_and_of_the_embeddings_are_those_that_came(kind, tmp_path: Path):
    values, arrow_type, expected = ARROW[kind]
    table = pa.table({"object_id": pa.array(values, arrow_type), **POINTS})
    assert ids_of(table) == expected
    pq.write_table(table, tmp_path / "curves.parquet")
    model = AstromerModel(AstromerConfig(**TINY)).eval()
    embed_table(tmp_path / "curves.parquet", tmp_path / "out.parquet", model, show_progress=False)
    assert pq.read_table(tmp_path / "out.parquet")["object_id"].to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "arrow_type", "reason"),
    [
        ([b"\xff\xfe", b"a", b"b"], pa.binary(), "binary, and its values have no text"),
        ([one.bytes for one in UUIDS], pa.binary(16), r"fixed_size_binary\[16\], and its values have no text"),
        ([1e17, 2.0, 3.0], pa.float64(), r"double, in which a number as large as 1e\+17 has lost its last digits"),
        ([2.0**24, 2.0, 3.0], pa.float32(), "float, in which a number as large as 16777216 has lost its last digits"),
        ([[1], [2], [3]], pa.list_(pa.int64()), "and its values have no text"),
    ],
    ids=["binary", "16 bytes", "large floats", "large short floats", "lists"],
)
def test_ids_that_cannot_come_back_are_an_error_that_names_their_column(values, arrow_type, reason):
    with pytest.raises(TableError, match=f"'object_id'.* {reason}"):
        ids_of(pa.table({"object_id": pa.array(values, arrow_type), **POINTS}))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (UUIDS, [str(one) for one in UUIDS]),
        (np.array([HUGE, HUGE + 1, 7], dtype=np.uint64), [str(HUGE), str(HUGE + 1), "7"]),
        (pd.Series([2**70, 1, 2], dtype=object), [str(2**70), "1", "2"]),
        ([b"a", b"b", b"c"], ["a", "b", "c"]),
        ([1.0, 2.0, np.nan], ["1", "2", None]),
        ([1, "b", 2.5], ["1", "b", "2.5"]),
    ],
    ids=["UUIDs", "unsigned", "beyond 64 bits", "bytes", "floats", "mixed"],
)
def test_ids_of_a_pandas_table_are_those_that_came(values, expected):
    assert ids_of(pd.DataFrame({"object_id": values, **POINTS})) == expected


@pytest.mark.parametrize(
    "words", [["0012", "012"], ["1e5", "1E5"], ["+1", "1"], [str(HUGE), str(HUGE + 1)], ["2020-01-01", "x"]]
)
def test_ids_in_a_text_file_are_the_words_that_stand_there(words, tmp_path: Path):
    (tmp_path / "t.csv").write_text("object_id,mjd,mag\n" + "".join(f"{word},1,15\n" for word in words))
    assert ids_of(tmp_path / "t.csv") == words


def test_a_batch_of_whole_floats_is_written_as_others_are(tmp_path: Path):
    values = [1.0, 2.0, 3.0, 4.5, 5.0]
    columns = {"object_id": values, "mjd": [[1.0, 2.0]] * 5, "mag": [[15.0, 16.0]] * 5}
    chunks = LightCurveSource.open(pa.table(columns)).chunks(2)
    assert [chunk.object_ids.to_pylist() for chunk in chunks] == [["1", "2"], ["3", "4.5"], ["5"]]


@pytest.mark.parametrize(
    ("values", "expected"), [([b"a", b"a", b"b"], ["a", "b"]), ([1.0, 1.0, 2.0], ["1", "2"]), ([UUIDS[0]] * 3, [str(UUIDS[0])])]
)
def test_ids_in_memory_have_the_text_that_a_column_of_them_has(values, expected):
    model = AstromerModel(AstromerConfig(**TINY)).eval()
    bands = ["g", "r", "g"] if len(expected) > 1 else ["g", "r", "i"]
    result = embed_multiband_light_curves(model, values, bands, POINTS["mjd"], POINTS["mag"], combine_bands="mean")
    assert result.object_ids == expected
