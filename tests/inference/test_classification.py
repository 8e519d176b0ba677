# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every light curve gets the mean of its own windows' probabilities, in its place, under the names of the classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY
from test_source import CURVES, LAYOUTS

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForSequenceClassification, RaggedLightCurves
from astromer_hf.inference.classification import LightCurveClassifier, classify_light_curves, classify_table
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

NAMES = {0: "EC", 1: "RRab", 2: "LPV"}


def build(**fields: object) -> AstromerForSequenceClassification:
    torch.manual_seed(0)
    return AstromerForSequenceClassification(AstromerConfig(**{**TINY, "id2label": NAMES, **fields})).eval()


def of_windows(model: AstromerForSequenceClassification, mjd: np.ndarray, mag: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    windows = AstromerFeatureExtractor(TINY["window_size"])(mjd, mag, return_tensors="pt")
    with torch.no_grad():
        return model(**windows).logits, windows.window_length


@pytest.mark.parametrize(
    ("problem_type", "activation"),
    [
        ("single_label_classification", lambda logits: logits.softmax(-1)),
        (None, lambda logits: logits.softmax(-1)),
        ("multi_label_classification", torch.sigmoid),
        ("regression", lambda logits: logits),
    ],
)
def test_a_prediction_is_the_mean_over_windows_weighted_by_their_observations(problem_type, activation):
    model = build(problem_type=problem_type)
    mjd, mag = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]
    result = classify_light_curves(model, mjd, mag)
    assert result.num_windows.max() > 1
    for i, values in enumerate(result.values):
        logits, length = of_windows(model, mjd[i], mag[i])
        expected = np.average(activation(logits).numpy(), axis=0, weights=length)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_a_light_curve_without_observations_has_no_prediction():
    result = classify_light_curves(build(), [[1.0, 2.0, 3.0], []], [[15.0, 15.1, 15.2], []])
    assert np.isfinite(result.values[0]).all()
    assert np.isnan(result.values[1]).all()
    assert result.num_points.tolist() == [3, 0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return LAYOUTS["lists"](tmp_path, to_table(CURVES))


def test_a_table_gets_labels_and_probabilities_by_name(source: Path, tmp_path: Path):
    model = build()
    report = classify_table(source, tmp_path / "out.parquet", model, show_progress=False)
    table = pq.read_table(tmp_path / "out.parquet")
    expected = classify_light_curves(model, [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]).values
    assert table["object_id"].to_pylist() == [curve.object_id for curve in CURVES]
    assert table["predicted_label"].to_pylist() == [NAMES[i] for i in expected.argmax(1)]
    probabilities = np.stack([table[f"probability_{name}"].to_numpy() for name in NAMES.values()], axis=1)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(table["probability"].to_numpy(), expected.max(1), rtol=1e-6)
    assert (report.num_objects, report.without_result) == (len(CURVES), [])


def test_a_regression_predicts_numbers_under_their_names(source: Path, tmp_path: Path):
    model = build(problem_type="regression", id2label={0: "log_period"})
    classify_table(source, tmp_path / "out.parquet", model, show_progress=False)
    table = pq.read_table(tmp_path / "out.parquet")
    assert "predicted_log_period" in table.column_names
    assert not {"predicted_label", "probability"} & set(table.column_names)


def test_rows_without_observations_keep_their_place_with_nulls(tmp_path: Path):
    table = to_table(CURVES[:2])
    empty = table.slice(0, 1).set_column(table.column_names.index("mag"), "mag", [[[float("nan")] * len(CURVES[0].mag)]])
    pq.write_table(pa.concat_tables([empty.cast(table.schema), table]), tmp_path / "in.parquet")
    report = classify_table(tmp_path / "in.parquet", tmp_path / "out.parquet", build(), show_progress=False)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(rows) == 3
    assert rows[0]["predicted_label"] is rows[0]["probability"] is rows[0]["probability_EC"] is None
    assert rows[1]["predicted_label"] in NAMES.values()
    assert len(report.without_result) == 1


def test_weights_that_give_no_numbers_are_named_with_the_object(source: Path, tmp_path: Path):
    model = build()
    with torch.no_grad():
        model.classifier.head.layers[-1].bias.fill_(float("nan"))
    with pytest.raises(ValueError, match=f"prediction of object '{CURVES[0].object_id}' is not finite"):
        classify_table(source, tmp_path / "out.parquet", model, show_progress=False)
    assert not (tmp_path / "out.parquet").exists()


def test_calibration_finds_the_temperature_that_the_labels_were_drawn_at_and_predictions_follow_it():
    curves = simulate_light_curves(300, seed=4, survey=replace(SIMULATED_SURVEYS["macho_like"], min_points=20, max_points=20))
    ragged = RaggedLightCurves.from_arrays([curve.mjd for curve in curves], [curve.mag for curve in curves])
    torch.manual_seed(0)
    classifier = LightCurveClassifier(AstromerForSequenceClassification(AstromerConfig(**TINY, num_labels=3)))
    with torch.no_grad():  # a new head is sure of nothing
        classifier.runner.model.classifier.head.layers[-1].weight *= 30
    confident = classifier.predict(ragged).values
    config = classifier.runner.model.config
    config.classifier_temperature = 4.0  # what the labels are drawn at, and the calibration is not told
    uniform = np.random.default_rng(0).random((len(ragged), 1))
    labels = (classifier.predict(ragged).values.cumsum(1) < uniform).sum(1).clip(max=2)
    assert classifier.calibrate(ragged, labels) == config.classifier_temperature == pytest.approx(4, rel=0.35)
    assert classifier.predict(ragged).values.max(1).mean() < confident.max(1).mean()


@pytest.mark.parametrize(
    ("fields", "curve", "message"),
    [
        (
            {"problem_type": "regression", "num_labels": 1},
            [15.0],
            "of single classes can be calibrated; this model's problem is regression",
        ),
        ({"num_labels": 3}, [float("nan")], "Light curve 0 has no usable observation"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(fields, curve, message):
    classifier = LightCurveClassifier(AstromerForSequenceClassification(AstromerConfig(**TINY, **fields)))
    with pytest.raises(ValueError, match=message):
        classifier.calibrate(RaggedLightCurves.from_arrays([1.0], curve), np.zeros(1, dtype=int))


def test_a_table_may_have_the_spread_of_passes_with_dropout(tmp_path):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    model = build(classifier_dropout=0.5, classifier_hidden_sizes=[16])
    for output, options in (("plain", {}), ("spread", {"dropout_passes": 20})):
        classify_table(source, tmp_path / f"{output}.parquet", model, show_progress=False, **options)
    plain, spread = (pq.read_table(tmp_path / f"{output}.parquet") for output in ("plain", "spread"))
    added = [f"spread_{name}" for name in NAMES.values()]
    assert spread.column_names == [*plain.column_names, *added]
    assert spread.select(plain.column_names).equals(plain)
    assert all(0 < value < 0.5 for name in added for value in spread[name].to_pylist())
