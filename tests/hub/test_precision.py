# Copyright 2026 The astromer_hf developers. MIT licence.
"""`dtype="auto"` takes bfloat16 where it is faster and changes embeddings by no more than it states."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from astromer_hf import default_model_folder, load_model
from astromer_hf.cli.main import main
from astromer_hf.hub import precision
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table


def load(**options: Any) -> Any:
    return load_model(str(default_model_folder()), **options)[0]


@pytest.mark.parametrize(("is_fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_shipped_model_takes_bfloat16_where_the_device_is_faster_in_it(
    is_fast: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(precision, "is_fast_in_bfloat16", lambda device: is_fast)
    model = load(dtype="auto")
    assert model.dtype == dtype
    expected = load(dtype=str(dtype).removeprefix("torch."))
    for (name, found), weight in zip(model.state_dict().items(), expected.state_dict().values(), strict=True):
        assert torch.equal(found, weight), name


def test_a_model_whose_embeddings_change_more_than_the_tolerance_stays_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "is_fast_in_bfloat16", lambda device: True)
    model, extractor = load_model(str(default_model_folder()))
    change = precision.change_of_embeddings(model, extractor, torch.bfloat16)
    assert 1e-4 < change < precision.TOLERANCE
    assert precision.change_of_embeddings(model, extractor, torch.float32) == 0
    monkeypatch.setattr(precision, "TOLERANCE", change / 2)
    assert precision.fastest_precision(model, extractor) == torch.float32


def test_a_table_of_embeddings_names_the_precision_that_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pq.write_table(to_table(simulate_light_curves(3)), tmp_path / "curves.parquet")
    monkeypatch.setattr(precision, "is_fast_in_bfloat16", lambda device: True)
    output = tmp_path / "embeddings.parquet"
    assert main(["embed", str(tmp_path / "curves.parquet"), "-o", str(output), "--dtype", "auto", "--quiet"]) == 0
    assert pq.read_schema(output).metadata[b"astromer_hf.dtype"] == b"bfloat16"
