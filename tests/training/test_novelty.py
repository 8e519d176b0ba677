# Copyright 2026 The astromer_hf developers. MIT licence.
"""Novelty: its references, the light curves that it is tried on, and the mark in a table of classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY
from transformers import pipeline

from astromer_hf import AstromerConfig, AstromerForSequenceClassification, AstromerModel
from astromer_hf.inference.classification import LightCurveClassifier, classify_table
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.model.configuration_astromer import DECISIONS
from astromer_hf.model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves
from astromer_hf.model.heads_astromer import AstromerNovelty
from astromer_hf.training.novelty import (
    KINDS_UNLIKE,
    SOURCES,
    SPANS,
    fit_references,
    fit_unlike,
    last_block,
    make_unlike,
    novelty_of,
    set_references,
)
from astromer_hf.training.variable_stars import LeafStates, not_variable

CLASSES = {"id2label": {0: "RRab", 1: "EA"}, "label2id": {"RRab": 0, "EA": 1}}


def curves_of(number: int, seed: int = 0) -> RaggedLightCurves:
    stars = simulate_light_curves(number, seed=seed, survey="macho_like")
    columns = [[getattr(star, name)[:45] for star in stars] for name in ("mjd", "mag", "magerr")]
    return RaggedLightCurves.from_arrays(*columns).clean()[0]


def classifier_with_references(
    states: LeafStates, encoder: AstromerModel, **fields: object
) -> AstromerForSequenceClassification:
    sizes = {"novelty_references": len(states.length), "novelty_directions": 8}  # as few as there are here
    model = AstromerForSequenceClassification(AstromerConfig(**TINY, **CLASSES, **sizes, **fields)).eval()
    model.model.load_state_dict(encoder.state_dict())
    set_references(model, last_block(states), np.random.default_rng(0))
    return model


@pytest.fixture(scope="module")
def encoder() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(AstromerConfig(**TINY)).eval()


@pytest.fixture(scope="module")
def states(encoder: AstromerModel) -> LeafStates:
    return LeafStates.compute(encoder, curves_of(60), not_variable(60), np.full(60, "a"))


def test_novelty_is_the_distance_to_the_nearest_reference():
    novelty = AstromerNovelty(AstromerConfig(**TINY, novelty_references=5, novelty_directions=3))
    generator = torch.Generator().manual_seed(0)
    novelty.directions.normal_(generator=generator)
    novelty.references.normal_(generator=generator)
    pooled = torch.randn(7, 16, generator=generator)
    whitened, references = (pooled @ novelty.directions).numpy(), novelty.references.numpy()
    expected = np.sqrt(((whitened[:, None] - references) ** 2).sum(2)).min(1)
    np.testing.assert_allclose(novelty(pooled).numpy(), expected, rtol=1e-5)
    torch.testing.assert_close(novelty(pooled[2:3]), novelty(pooled)[2:3], rtol=0, atol=0)  # whatever else is in the batch


def test_the_training_set_has_unit_variance_and_is_nearer_than_what_is_far_from_it():
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    training = (rng.standard_normal((3000, 8)) * np.arange(1, 9) @ turned + 100).astype(np.float32)
    directions, references = fit_references(training, rng)
    assert references.shape == (256, 8)
    np.testing.assert_allclose(np.cov(training @ directions.numpy(), rowvar=False), np.eye(8), atol=0.02)
    novelty = AstromerNovelty(AstromerConfig(**{**TINY, "hidden_size": 8}, novelty_references=256, novelty_directions=8))
    novelty.directions.copy_(directions)
    novelty.references.copy_(references)
    distances = novelty(torch.from_numpy(training)).numpy()
    far = training + 10 * training.std(0)
    assert novelty(torch.from_numpy(far)).numpy().min() > np.quantile(distances, 0.99)


def test_the_threshold_marks_a_fortieth_of_the_weights():
    novelty = np.random.default_rng(0).permutation(400).astype(float)
    assert (novelty > fit_unlike(novelty, np.ones(400))).sum() == 10
    weights = np.where(novelty < 200, 1.0, 3.0)  # the upper half counts thrice
    threshold = fit_unlike(novelty, weights)
    assert weights[novelty > threshold].sum() / weights.sum() == pytest.approx(0.025, abs=0.004)


@pytest.mark.parametrize("kind", KINDS_UNLIKE)
def test_a_light_curve_of_another_kind_keeps_times_or_magnitudes_of_the_real_one(kind: str):
    curves = curves_of(8)
    other = make_unlike(curves, kind, np.random.default_rng(1)).clean()[0]
    assert other.lengths.tolist() == curves.lengths.tolist()
    if kind in SPANS:
        spans = other.times[other.offsets[1:] - 1] - other.times[other.offsets[:-1]]
        np.testing.assert_allclose(spans, SPANS[kind], rtol=1e-6)
        np.testing.assert_array_equal(other.magnitudes, curves.magnitudes)
    else:
        np.testing.assert_array_equal(other.times, curves.times)
        changed = other.magnitudes != curves.magnitudes
        assert changed.all() if kind in SOURCES else 0.1 < changed.mean() < 0.3
        for one in range(len(curves)):  # more than the errors
            own = slice(curves.offsets[one], curves.offsets[one + 1])
            assert other.magnitudes[own].std() > np.median(curves.magnitude_errors[own])


def test_a_light_curve_without_errors_gets_the_noise_of_unknown_ones():
    curves = curves_of(4)
    bare = RaggedLightCurves(curves.times, curves.magnitudes, None, curves.offsets)
    assert np.isfinite(make_unlike(bare, "supernova", np.random.default_rng(1)).magnitudes).all()


def test_novelty_of_states_is_that_of_the_light_curves(encoder: AstromerModel, states: LeafStates):
    model = classifier_with_references(states, encoder)
    found = LightCurveClassifier(model).predict(curves_of(60)).novelty
    kept = novelty_of(model.novelty, states)  # of states in float16, to which those of a tiny encoder are nearly equal
    assert np.corrcoef(found, kept)[0, 1] > 0.98
    assert np.abs(found - kept).max() < found.std()


def test_a_saved_classifier_marks_what_is_unlike_its_training_set(encoder: AstromerModel, states: LeafStates, tmp_path: Path):
    model = classifier_with_references(states, encoder)
    typical = novelty_of(model.novelty, states)
    model.config.unlike_above = float(np.quantile(typical, 0.9))
    model.save_pretrained(tmp_path / "model")
    loaded = AstromerForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    torch.testing.assert_close(loaded.novelty.references, model.novelty.references, rtol=0, atol=0)
    to_table(simulate_light_curves(20, seed=3)).to_pandas().to_parquet(tmp_path / "curves.parquet")
    classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", loaded)
    table = pq.read_table(tmp_path / "classes.parquet").to_pandas()
    marked = table["novelty"] > model.config.unlike_above
    assert marked.tolist() == table["is_unlike_training"].tolist()


def test_the_encoder_and_a_new_head_are_loaded_from_a_classifier_with_references(
    encoder: AstromerModel, states: LeafStates, tmp_path: Path
):
    classifier_with_references(states, encoder, unlike_above=1.0).save_pretrained(tmp_path)
    again = AstromerModel.from_pretrained(tmp_path)
    torch.testing.assert_close(again.state_dict(), encoder.state_dict(), rtol=0, atol=0)
    new = AstromerForSequenceClassification.from_pretrained(tmp_path, **DECISIONS)
    assert new.novelty is None
    plain = AstromerForSequenceClassification(AstromerConfig(**TINY, **CLASSES))
    plain.save_pretrained(tmp_path / "plain")
    with pytest.raises(RuntimeError, match=r"novelty\.references"):
        AstromerForSequenceClassification.from_pretrained(tmp_path / "plain", novelty_references=5)


def test_the_encoder_of_a_classifier_keeps_nothing_that_a_new_head_could_be_judged_by(
    encoder: AstromerModel, states: LeafStates, tmp_path: Path
):
    classifier_with_references(states, encoder, unlike_above=1.0).save_pretrained(tmp_path / "classifier")
    AstromerModel.from_pretrained(tmp_path / "classifier").save_pretrained(tmp_path / "encoder")
    new = AstromerForSequenceClassification.from_pretrained(tmp_path / "encoder")
    assert new.head_is_new
    assert new.novelty is None
    assert new.config.unlike_above is None
    assert new.config.novelty_references == 0


def test_references_that_were_never_set_judge_nothing(tmp_path: Path):
    config = AstromerConfig(**TINY, **CLASSES, novelty_references=4, novelty_directions=3, unlike_above=1.0)
    model = AstromerForSequenceClassification(config).eval()
    to_table(simulate_light_curves(3)).to_pandas().to_parquet(tmp_path / "curves.parquet")
    classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", model)
    table = pq.read_table(tmp_path / "classes.parquet")
    assert table["is_unlike_training"].null_count == table["novelty"].null_count == 3
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(RuntimeError, match=r"not finite: novelty\.directions"):
        AstromerForSequenceClassification.from_pretrained(tmp_path / "model")


def test_the_pipeline_says_of_novelty_what_the_table_says(encoder: AstromerModel, states: LeafStates, tmp_path: Path):
    model = classifier_with_references(states, encoder, unlike_above=1.0)
    stars = simulate_light_curves(12, seed=3)
    to_table(stars).to_pandas().to_parquet(tmp_path / "curves.parquet")
    columns = ([getattr(star, name) for star in stars] for name in ("mjd", "mag", "magerr"))
    novelty = (
        LightCurveClassifier(model, AstromerFeatureExtractor(window_size=20))
        .predict(RaggedLightCurves.from_arrays(*columns))
        .novelty
    )
    model.config.unlike_above = float(np.median(novelty))
    classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", model)
    table = pq.read_table(tmp_path / "classes.parquet").to_pandas()
    pipe = pipeline("light-curve-classification", model=model, feature_extractor=AstromerFeatureExtractor(window_size=20))
    found = pd.DataFrame(pipe(str(tmp_path / "curves.parquet")))
    np.testing.assert_allclose(found["novelty"], table["novelty"], rtol=1e-4)
    assert found["is_unlike_training"].tolist() == table["is_unlike_training"].tolist()
    assert found["is_unlike_training"].nunique() == 2
    np.testing.assert_allclose(found["score"], table["probability"], rtol=1e-4)


def test_a_classifier_without_references_has_no_mark(tmp_path: Path):
    model = AstromerForSequenceClassification(AstromerConfig(**TINY, **CLASSES)).eval()
    assert model.novelty is None
    assert LightCurveClassifier(model).predict(curves_of(3)).novelty is None
    to_table(simulate_light_curves(3)).to_pandas().to_parquet(tmp_path / "curves.parquet")
    classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", model)
    assert not {"novelty", "is_unlike_training"} & set(pq.read_table(tmp_path / "classes.parquet").column_names)


def test_an_object_in_several_bands_has_the_mean_novelty_of_its_usable_bands(
    encoder: AstromerModel, states: LeafStates, tmp_path: Path
):
    model = classifier_with_references(states, encoder, unlike_above=1.0, fewest_points=20)
    rng = np.random.default_rng(0)
    rows = [
        (star, band, float(t), 15 + rng.normal())
        for star, band, n in (("a", "g", 40), ("a", "r", 30), ("b", "g", 40), ("b", "r", 5))
        for t in range(n)
    ]
    table = pd.DataFrame(rows, columns=["object_id", "band", "mjd", "mag"])

    def classify(**options: object) -> pd.DataFrame:
        table.to_parquet(tmp_path / "curves.parquet", index=False)
        classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", model, **options)
        return pq.read_table(tmp_path / "classes.parquet").to_pandas()

    alone, both = classify().set_index(["object_id", "band"]), classify(combine_bands="mean").set_index("object_id")
    assert both.loc["a", "novelty"] == pytest.approx(alone.loc["a", "novelty"].mean(), rel=1e-5)
    assert both.loc["b", "novelty"] == pytest.approx(alone.loc[("b", "g"), "novelty"], rel=1e-5)
    assert np.isnan(alone.loc[("b", "r"), "novelty"])  # too few observations: no class, no mark


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unlike_above": 1.0}, "needs `novelty_references`"),
        ({"unlike_above": -1.0, "novelty_references": 5}, "a distance from 0 on"),
        ({"novelty_references": -1}, "must not be negative"),
        ({"novelty_references": 2**20}, "must be at most"),
        ({"novelty_references": 5, "novelty_directions": 0}, "must be at least 1"),
        ({"novelty_references": 5, "bands": ["g", "r"], "band_combination": "concat"}, "leave `novelty_references` at 0"),
    ],
)
def test_settings_of_novelty_that_contradict_each_other_are_refused(fields: dict[str, object], message: str):
    with pytest.raises(Exception, match=message):
        AstromerConfig(**TINY, **fields)
