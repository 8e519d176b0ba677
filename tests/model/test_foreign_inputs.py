# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves in the types of other packages are understood, or refused by one `ValueError` of ours, at every door."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerModel, embed_light_curves, read_light_curve
from astromer_hf.model.pipelines_astromer import LightCurveEmbeddingPipeline

TIMES = np.arange(30) * 2.5 + 58_000
MAGNITUDES = 15 + 0.3 * np.sin(TIMES)
FRAME = pd.DataFrame({"object_id": ["a", "b"], "mjd": [TIMES, TIMES[:9]], "mag": [MAGNITUDES, MAGNITUDES[:9]]})


@pytest.fixture(scope="module")
def model() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(AstromerConfig(**TINY)).eval()


@pytest.fixture(scope="module")
def pipe(model: AstromerModel) -> Any:
    return LightCurveEmbeddingPipeline(model, feature_extractor=AstromerFeatureExtractor(window_size=20), device="cpu")


@pytest.fixture(scope="module")
def expected(pipe: Any) -> list[list[float]]:
    return [one["embedding"] for one in pipe([{"mjd": TIMES, "mag": MAGNITUDES}, {"mjd": TIMES[:9], "mag": MAGNITUDES[:9]}])]


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=float), np.asarray(expected), atol=1e-5)


# --- Rows and tables ---


def test_a_frame_applies_a_pipeline_row_by_row(pipe, expected):
    for frame in (FRAME, FRAME[["mag", "mjd"]]):
        results = frame.apply(pipe, axis=1)
        close([result["embedding"] for result in results], expected)
    assert [result["object_id"] for result in FRAME.apply(pipe, axis=1)] == ["a", "b"]


@pytest.mark.parametrize(
    "rows",
    [
        lambda: [row for _, row in FRAME.iterrows()],
        lambda: list(FRAME.itertuples(index=False)),
        lambda: FRAME.to_dict("records"),
        lambda: pl.from_pandas(FRAME).to_dicts(),
        lambda: pa.Table.from_pandas(FRAME).to_pylist(),
        lambda: [FRAME.iloc[[0]], FRAME.iloc[[1]]],
        lambda: [pa.Table.from_pandas(FRAME)[:1], pl.from_pandas(FRAME)[1:]],
    ],
    ids=["iterrows", "itertuples", "records", "polars", "arrow", "frames of one row", "tables of one row"],
)
def test_rows_of_a_table_are_light_curves(rows, pipe, expected):
    results = pipe(rows())
    close([result["embedding"] for result in results], expected)
    assert [result["object_id"] for result in results] == ["a", "b"]
    close(pipe(rows()[0])["embedding"] if not hasattr(rows()[0], "columns") else pipe(rows()[0])[0]["embedding"], expected[0])


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "numpy", "torch", None])
def test_rows_of_a_dataset_are_light_curves_whatever_its_format(kind, pipe, expected):
    exact: dict[str | None, dict[str, Any]] = {"numpy": {"dtype": np.float64}, "torch": {"dtype": torch.float64}}
    dataset = datasets.Dataset.from_pandas(FRAME).with_format(kind, **exact.get(kind, {}))
    for rows in (dataset, [dataset[0], dataset[1]], list(dataset), (row for row in dataset)):
        close([result["embedding"] for result in pipe(rows)], expected)


# --- Arrays ---

UNDERSTOOD: dict[str, Callable[[np.ndarray], Any]] = {
    "a tensor": torch.tensor,
    "a tensor with a gradient": lambda values: torch.tensor(values, requires_grad=True),
    "a result of a computation": lambda values: torch.tensor(values, requires_grad=True) * 1,
    "a sparse tensor": lambda values: torch.tensor(values).to_sparse(),
    "a list of tensors": lambda values: [torch.tensor(value) for value in values],
    "objects": lambda values: values.astype(object),
    "a Series": pd.Series,
    "a Series of objects": lambda values: pd.Series(values.astype(object)),
    "a nullable array": lambda values: pd.array(values, dtype="Float64"),
    "a polars Series": pl.Series,
    "an Arrow array": pa.array,
    "a chunked array": lambda values: pa.chunked_array([values[:5], values[5:]]),
    "decimals": lambda values: [Decimal(value) for value in values.tolist()],
    "words": lambda values: [str(value) for value in values.tolist()],
    "a tuple": tuple,
}
REFUSED: dict[str, Callable[[np.ndarray], Any]] = {
    "nothing": lambda values: None,
    "a word": lambda values: "abc",
    "words that are no numbers": lambda values: ["a"] * len(values),
    "a number": lambda values: values[0],
    "a tensor of one number": lambda values: torch.tensor(values[0]),
    "a tensor without numbers": lambda values: torch.tensor(values).to("meta"),
    "complex numbers": lambda values: values + 0j,
    "complex tensors": lambda values: torch.tensor(values) + 0j,
    "a dictionary": lambda values: {"x": values},
    "a generator": iter,
    "objects of several kinds": lambda values: np.array([object()] * len(values)),
    "a number beyond float64": lambda values: [10**400] * len(values),
}
ELSEWHERE = {  # what such a thing means at that door
    ("nothing", "a list for embed_light_curves"): "None in a list is a light curve without observations",
    ("a number", "a list for embed_light_curves"): "a list of numbers is a light curve",
    ("a tensor of one number", "a list for embed_light_curves"): "a list of numbers is a light curve",
    ("a number beyond float64", "read_light_curve"): "it is infinite, as in a file of text, and dropped",
}
DOORS: dict[str, Callable[..., Any]] = {
    "the pipeline": lambda model, pipe, mjd, mag: pipe({"mjd": mjd, "mag": mag})["embedding"],
    "embed_light_curves": lambda model, pipe, mjd, mag: embed_light_curves(model, mjd, mag).object_embeddings[0],
    "a list for embed_light_curves": lambda model, pipe, mjd, mag: embed_light_curves(model, [mjd], [mag]).object_embeddings[0],
    "read_light_curve": lambda model, pipe, mjd, mag: pipe(
        dict(zip(("mjd", "mag"), read_light_curve({"time": mjd, "magnitude": mag}), strict=False))
    )["embedding"],
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", UNDERSTOOD)
def test_numbers_in_the_types_of_other_packages_are_understood(kind, door, model, pipe, expected):
    convert = UNDERSTOOD[kind]
    close(DOORS[door](model, pipe, convert(TIMES), convert(MAGNITUDES)), expected[0])


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_list_of_numbers_is_one_error_of_ours(kind, door, model, pipe):
    convert = REFUSED[kind]
    if reason := ELSEWHERE.get((kind, door)):
        pytest.skip(reason)
    with pytest.raises(ValueError, match=r"must|needs|cannot be read") as raised:
        DOORS[door](model, pipe, convert(TIMES), convert(MAGNITUDES))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("door", DOORS)
def test_magnitudes_in_bfloat16_are_understood_and_times_in_it_are_refused(door, model, pipe):
    magnitudes = torch.tensor(MAGNITUDES).bfloat16()
    expected = pipe({"mjd": TIMES, "mag": magnitudes.float().numpy()})["embedding"]
    close(DOORS[door](model, pipe, TIMES, magnitudes), expected)
    with pytest.raises(ValueError, match="in bfloat16 has 8 binary digits"):
        DOORS[door](model, pipe, torch.tensor(TIMES - 58_000).bfloat16(), magnitudes)


@pytest.mark.parametrize(
    "source",
    [
        pd.Series(MAGNITUDES),
        pl.Series(MAGNITUDES),
        pa.array(MAGNITUDES),
        MAGNITUDES,
        torch.tensor(MAGNITUDES),
        5,
        None,
        {},
    ],
    ids=["Series", "polars", "arrow", "numpy", "torch", "number", "None", "empty"],
)
def test_one_column_is_no_light_curve_and_says_so(source, pipe):
    with pytest.raises(ValueError, match=r"light curve.* (needs|needed)|must have the shape"):
        pipe(source)


@pytest.mark.parametrize("grad", [False, True])
def test_a_tensor_of_two_columns_is_a_light_curve(grad, pipe, expected):
    close(pipe(torch.tensor(np.c_[TIMES, MAGNITUDES], requires_grad=grad))["embedding"], expected[0])
