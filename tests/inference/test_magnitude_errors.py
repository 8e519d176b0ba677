# Copyright 2026 The astromer_hf developers. MIT licence.
"""Photometric errors reach a model that sees them through every door, and change nothing in one that does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from transformers import pipeline

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.hub.check import check_test_vector, make_test_vector
from astromer_hf.inference.classification import classify_light_curves, classify_multiband_light_curves, classify_table
from astromer_hf.inference.embedding import embed_light_curves, embed_multiband_light_curves, embed_table
from astromer_hf.light_curves.bands import BandCombination, MultibandLightCurves
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.data_collator import DataCollatorForLightCurveClassification, InMemoryLightCurves
from astromer_hf.training.few_shot import FrozenStates, LabelledCurves
from astromer_hf.training.heads import classify_states

LABELS = np.arange(6) % 3
CURVES = simulate_light_curves(6, seed=5)
MJD, MAG, MAGERR = ([getattr(curve, name)[:50] for curve in CURVES] for name in ("mjd", "mag", "magerr"))
MAGERR = [np.where(np.arange(50) % 7, errors, np.nan) for errors in MAGERR]  # some are unknown
SEES = {**TINY_EXTENDED, "use_magnitude_errors": True, "num_labels": 3, "classifier_head": "linear"}
CLOSE = {"rtol": 0, "atol": 2e-5}


def tiny(model_class: Any, **fields: Any) -> Any:
    torch.manual_seed(0)
    return model_class(AstromerConfig(**{**SEES, **fields})).eval()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of the light curves with their errors, in one band."""
    names = {"object_id": [curve.object_id for curve in CURVES], "band": ["R"] * 6}
    pq.write_table(pa.table({**names, "mjd": MJD, "mag": MAG, "magerr": MAGERR}), tmp_path / "curves.parquet")
    return tmp_path / "curves.parquet"


@pytest.fixture
def labelled() -> LabelledCurves:
    curves = RaggedLightCurves.from_arrays(MJD, MAG, MAGERR)
    return LabelledCurves(curves, LABELS, ("a", "b", "c"), np.zeros(6, dtype=bool))


def light_curves() -> list[dict[str, Any]]:
    return [{"mjd": t, "mag": m, "magerr": e} for t, m, e in zip(MJD, MAG, MAGERR, strict=True)]


def test_embeddings_with_errors_differ_from_those_without_only_in_a_model_that_sees_errors():
    model, blind = tiny(AstromerModel), tiny(AstromerModel, use_magnitude_errors=False)
    seen, unseen = (embed_light_curves(model, MJD, MAG, errors).object_embeddings for errors in (MAGERR, None))
    assert np.abs(seen - unseen).max() > 1e-3
    unknown = [np.full(50, np.nan)] * 6
    np.testing.assert_array_equal(embed_light_curves(model, MJD, MAG, unknown).object_embeddings, unseen)
    seen, unseen = (embed_light_curves(blind, MJD, MAG, errors).object_embeddings for errors in (MAGERR, None))
    np.testing.assert_array_equal(seen, unseen)


def test_embeddings_with_errors_are_the_same_through_every_door(table: Path, labelled: LabelledCurves):
    model = tiny(AstromerModel)
    expected = embed_light_curves(model, MJD, MAG, MAGERR).object_embeddings
    embed_table(table, table.with_name("out.parquet"), model, show_progress=False)
    found = {"table": np.stack(pq.read_table(table.with_name("out.parquet"))["embedding"].to_numpy())}
    embed = pipeline("light-curve-embedding", model=model, feature_extractor=AstromerFeatureExtractor(20))
    found["pipeline"] = np.stack([result["embedding"] for result in embed(light_curves(), return_numpy=True)])
    found["states"] = FrozenStates.compute(model, labelled, np.arange(6)).object_embeddings(np.arange(6))
    multiband = embed_multiband_light_curves(model, [*"abcdef"], ["R"] * 6, MJD, MAG, MAGERR, combine_bands="mean")
    found["bands"] = multiband.object_embeddings
    for door, embeddings in found.items():
        np.testing.assert_allclose(embeddings, expected, **CLOSE, err_msg=door)


def test_classes_with_errors_are_the_same_through_every_door(table: Path, labelled: LabelledCurves):
    model = tiny(AstromerForSequenceClassification)
    expected = classify_light_curves(model, MJD, MAG, MAGERR).values
    assert np.abs(expected - classify_light_curves(model, MJD, MAG).values).max() > 1e-3
    classify_table(table, table.with_name("out.parquet"), model, show_progress=False)
    written = pq.read_table(table.with_name("out.parquet"))
    found = {"table": np.stack([written[f"probability_{model.config.id2label[i]}"].to_numpy() for i in range(3)], 1)}
    classify = pipeline("light-curve-classification", model=model, feature_extractor=AstromerFeatureExtractor(20))
    found["pipeline"] = np.array([[*result["probabilities"].values()] for result in classify(light_curves())])
    states = FrozenStates.compute(model.model, labelled, np.arange(6))
    found["states"] = classify_states(model, states, LABELS, np.arange(6))(1.0)
    multiband = classify_multiband_light_curves(model, [*"abcdef"], ["R"] * 6, MJD, MAG, MAGERR, combine_bands="mean")
    found["bands"] = multiband.values
    for door, probabilities in found.items():
        np.testing.assert_allclose(probabilities, expected, **CLOSE, err_msg=door)


def test_a_classifier_trains_on_the_errors_that_it_will_see():
    collator = DataCollatorForLightCurveClassification(AstromerFeatureExtractor(20), windows="sequential")
    curves = InMemoryLightCurves(RaggedLightCurves.from_arrays(MJD, MAG, MAGERR), LABELS)
    batch = collator(curves.__getitems__(range(6)))
    windows = AstromerFeatureExtractor(20)(MJD, MAG, MAGERR, return_tensors="pt")
    assert batch.keys() == {*windows.keys(), "labels"}
    assert all(torch.equal(batch[name].nan_to_num(9), windows[name].nan_to_num(9)) for name in windows)
    model = tiny(AstromerForSequenceClassification)
    with torch.no_grad():
        seen = model(**batch).logits
        batch.pop("magnitude_errors")
        assert not torch.allclose(seen, model(**batch).logits)


@pytest.mark.parametrize("num_bands", [1, 2])
def test_a_classifier_of_concatenated_bands_sees_the_errors_of_each(num_bands: int):
    bands = ["g", "r"][:num_bands]
    model = tiny(AstromerForSequenceClassification, bands=bands, band_combination="concat")
    ids, names = [f"star {i // num_bands}" for i in range(6)], bands * (6 // num_bands)
    arguments = (model, ids, names, MJD, MAG)
    found = classify_multiband_light_curves(*arguments, MAGERR).values
    assert np.abs(found - classify_multiband_light_curves(*arguments).values).max() > 1e-3
    short = [[array[:20] for array in arrays] for arrays in (MJD, MAG, MAGERR)]
    windows = AstromerFeatureExtractor(20)(*short, return_tensors="pt")
    stacked = {name: tensor.unflatten(0, (6 // num_bands, num_bands)) for name, tensor in windows.items()}
    with torch.no_grad():
        whole = model(**stacked).logits.softmax(-1).numpy()
    np.testing.assert_allclose(classify_multiband_light_curves(model, ids, names, *short).values, whole, **CLOSE)


def test_objects_in_several_bands_keep_their_errors():
    combination = BandCombination("mean", ("g",))
    curves = MultibandLightCurves.from_arrays([*"abcdef"], ["g"] * 6, MJD, MAG, combination, MAGERR)
    np.testing.assert_array_equal(curves.light_curves.magnitude_errors, np.concatenate(MAGERR))


@pytest.mark.parametrize("hidden_fraction", [0.0, 0.5])
def test_a_reconstruction_uses_the_errors_only_where_nothing_is_hidden(hidden_fraction: float):
    model = tiny(AstromerForMaskedReconstruction)
    reconstruct = pipeline("light-curve-reconstruction", model=model, feature_extractor=AstromerFeatureExtractor(20))
    options = {"return_numpy": True, "hidden_fraction": hidden_fraction}
    with_errors = reconstruct(light_curves(), **options)
    without = reconstruct([{name: one[name] for name in ("mjd", "mag")} for one in light_curves()], **options)
    for one, other in zip(with_errors, without, strict=True):
        np.testing.assert_array_equal(one["hidden"], other["hidden"])
        difference = np.abs(one["reconstruction"] - other["reconstruction"]).max()
        assert difference == 0 if hidden_fraction else difference > 1e-3


@pytest.mark.parametrize("sees_errors", [False, True])
def test_the_test_vector_of_a_model_that_sees_errors_has_errors(sees_errors: bool):
    model = tiny(AstromerForMaskedReconstruction, use_magnitude_errors=sees_errors)
    extractor = AstromerFeatureExtractor(TINY["window_size"])
    vector = make_test_vector(model, extractor)
    assert ("magerr" in vector) is sees_errors
    assert check_test_vector(model, extractor, vector) == []
    if sees_errors:
        vector["magerr"] = vector["magerr"][::-1].copy()
        assert any(problem.startswith("pooler_output departs") for problem in check_test_vector(model, extractor, vector))
