# Copyright 2026 The astromer_hf developers. MIT licence.
"""A labelled table becomes a classifier that is scored on stars it never saw and labels new light curves by name."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY_EXTENDED
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction, AstromerModel
from astromer_hf.cli.fit import describe_calibration
from astromer_hf.cli.main import main
from astromer_hf.evaluation.classification_metrics import expected_calibration_error
from astromer_hf.inference.classification import classify_light_curves
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training.few_shot import FrozenStates, Recipe, build_classifier
from astromer_hf.training.table_classifier import TrainedClassifier, train_table_classifier

SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=40, max_points=80, noise_floor=0.005, noise_at_faint_end=0.01)
CLASSES = ["Constant", "LPV", "RRab"]  # they differ in amplitude and time scale
RECIPE = Recipe(learning_rate=5e-3, batch_size=64, max_epochs=25)
CONFIG = AstromerConfig(**TINY_EXTENDED, classifier_hidden_sizes=[32])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Light curves of three classes, three of a fourth, and two without a label."""
    curves = simulate_light_curves(120, survey=SURVEY, classes=CLASSES)
    curves += simulate_light_curves(3, seed=1, survey=SURVEY, classes=["DSCT"])
    curves += simulate_light_curves(2, seed=2, survey=SURVEY, classes=["RRab"])
    rows = to_table(curves)
    ids = [f"star {i}" for i in range(len(curves))]
    labels = [*rows["label"].to_pylist()[:-2], None, ""]
    rows = rows.set_column(rows.column_names.index("label"), "label", [labels])
    rows = rows.set_column(rows.column_names.index("object_id"), "object_id", [ids])
    path = tmp_path_factory.mktemp("tables") / "labelled.parquet"
    pq.write_table(rows, path)
    return path


@pytest.fixture(scope="module")
def encoder() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(CONFIG).eval()


@pytest.fixture(scope="module")
def trained(table: Path, encoder: AstromerModel) -> TrainedClassifier:
    return train_table_classifier(table, encoder, drop_rare_classes=True, recipe=RECIPE)


def test_it_tells_classes_of_unlike_amplitude_apart(trained: TrainedClassifier):
    assert trained.scores["macro_f1"] > 0.6  # chance is a third
    assert trained.scores["accuracy"] == np.mean([a == b for a, b in zip(trained.true, trained.predicted, strict=True)])
    assert trained.model.config.id2label == dict(enumerate(CLASSES))


def test_its_probabilities_are_calibrated_on_stars_that_did_not_train_it(trained: TrainedClassifier):
    temperature = trained.model.config.classifier_temperature
    sharpened = np.log(trained.uncalibrated) / temperature  # exact for light curves of one window
    single = np.abs(torch.from_numpy(sharpened).softmax(-1).numpy() - trained.outcome.probabilities).max(1)
    assert np.median(single) < 0.05
    assert trained.scores["calibration_error"] == expected_calibration_error(trained.true_ids, trained.outcome.probabilities)
    assert [CLASSES[i] for i in trained.true_ids] == trained.true


def test_a_new_classifier_on_the_encoder_of_a_calibrated_one_starts_from_temperature_1(trained: TrainedClassifier):
    config = replace(trained.model.config, classifier_temperature=3.0)
    assert build_classifier(config, CLASSES, 0).config.classifier_temperature == 1


def test_the_encoder_stays_as_it_was(trained: TrainedClassifier, encoder: AstromerModel):
    for name, weights in trained.model.model.state_dict().items():
        torch.testing.assert_close(weights, encoder.state_dict()[name], rtol=0, atol=0)


def test_what_was_left_out_is_counted(trained: TrainedClassifier):
    assert trained.left_out["without a label"] == 2
    assert sum(count for reason, count in trained.left_out.items() if "DSCT" in reason) == 3
    assert trained.counts.to_numpy().sum() == 120


def test_the_saved_folder_gives_the_probabilities_of_the_test_stars(trained: TrainedClassifier, table: Path, tmp_path: Path):
    trained.save(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert AutoFeatureExtractor.from_pretrained(tmp_path / "model").window_size == CONFIG.window_size
    rows = pq.read_table(table)
    result = classify_light_curves(model, rows["mjd"].to_pylist(), rows["mag"].to_pylist())
    # Of all light curves those of the test stars, in the table's order.
    matches = [np.abs(result.values - values).max(1).min() for values in trained.outcome.probabilities]
    assert max(matches) < 1e-4
    assert len(matches) == len(trained.true)


def test_a_rare_class_is_refused_unless_it_is_dropped(table: Path, encoder: AstromerModel):
    with pytest.raises(TableError, match=r"'DSCT' has .*--drop-rare-classes"):
        train_table_classifier(table, encoder, recipe=RECIPE)


def test_a_class_has_at_most_max_per_class_training_light_curves(table: Path, encoder: AstromerModel):
    few = train_table_classifier(table, encoder, drop_rare_classes=True, max_per_class=5, recipe=replace(RECIPE, max_epochs=1))
    assert len(few.outcome.history) == 1
    assert few.counts["train"].tolist() == [5, 5, 5]
    assert len(few.true) == few.counts["test"].sum()


def count_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    asked = []
    compute_thinned = FrozenStates.compute_thinned

    def watched(*positional: Any, copies: int, **options: Any) -> FrozenStates:
        asked.append(copies)
        return compute_thinned(*positional, copies=copies, **options)

    monkeypatch.setattr(FrozenStates, "compute_thinned", watched)
    return asked


LSTM = {"classifier_head": "lstm", "classifier_lstm_sizes": [8]}


@pytest.mark.parametrize(
    ("head", "augment", "expected"),
    [
        (None, None, [4]),
        (None, 2, [2]),
        (None, 0, []),
        ({"classifier_head": "linear"}, None, [4]),
        (LSTM, None, []),
        (LSTM, 0, []),
    ],
)
def test_the_head_learns_from_copies_of_the_training_light_curves_unless_it_is_an_lstm(
    table: Path, encoder: AstromerModel, monkeypatch: pytest.MonkeyPatch, head: Any, augment: int | None, expected: list[int]
):
    asked = count_copies(monkeypatch)
    recipe = replace(RECIPE, max_epochs=1)
    few = train_table_classifier(
        table, encoder, drop_rare_classes=True, max_per_class=5, recipe=recipe, head=head, augment=augment
    )
    assert asked == expected
    assert few.counts["train"].tolist() == [5, 5, 5]  # copies are not counted


@pytest.mark.parametrize(("head", "augment", "message"), [(None, -1, "at least 0, got -1"), (LSTM, 1, "must be 0 for an LSTM")])
def test_impossible_copies_are_refused_before_anything_is_read(encoder: AstromerModel, head: Any, augment: int, message: str):
    with pytest.raises(ValueError, match=message):
        train_table_classifier("absent.parquet", encoder, head=head, augment=augment)


# --- The command ---


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    AstromerForMaskedReconstruction(CONFIG).save_pretrained(folder)
    AstromerFeatureExtractor(window_size=CONFIG.window_size).save_pretrained(folder)
    return folder


def test_two_commands_go_from_labelled_to_newly_classified_light_curves(
    table: Path, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder, output = tmp_path / "mine", tmp_path / "classes.parquet"
    arguments = ["fit", table, "-o", folder, "--model", pretrained, "--drop-rare-classes", "--max-epochs", 3]
    assert main([str(argument) for argument in [*arguments, "--width", "column"]]) == 0
    printed = capsys.readouterr().out
    assert "2 light curves left out: without a label" in printed
    assert "macro-F1" in printed
    calibrated = (
        r"calibrated by a temperature of \d\.\d+, which makes.*as trained: expected calibration error|no temperature calibrates"
    )
    assert re.search(calibrated, printed, re.DOTALL)
    assert {"classification_report.txt", "confusion_matrix.png", "reliability.png"} <= {path.name for path in folder.iterdir()}
    for name in ("confusion_matrix.pdf", "reliability.pdf"):
        size = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", (folder / name).read_bytes())
        assert size
        assert float(size[1]) == pytest.approx(88 * 72 / 25.4, rel=0.01)
    new = to_table(simulate_light_curves(7, seed=9, survey=SURVEY, classes=CLASSES)).drop_columns(["label"])
    pq.write_table(new, tmp_path / "new.parquet")
    arguments = ["classify", str(tmp_path / "new.parquet"), "-o", str(output), "--model", str(folder), "--quiet", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["num_objects"] == 7
    assert set(pq.read_table(output)["predicted_label"].to_pylist()) <= set(CLASSES)


def test_an_output_that_is_there_already_is_not_overwritten(table: Path, pretrained: Path, tmp_path: Path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    arguments = ["fit", table, "-o", tmp_path / "mine", "--model", pretrained]
    assert main([str(argument) for argument in arguments]) == 1
    assert "exists already: name a new or empty folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_what_a_temperature_does_is_said_and_one_of_1_is_none():
    scores = {"expected_calibration_error": 0.1, "log_loss": 0.4, "macro_f1": 0.8}
    stages = {"as trained": scores, "calibrated": scores | {"log_loss": 0.3}}
    (line,) = describe_calibration(1.0, stages)
    assert "no temperature" in line
    assert "log loss 0.400" in line
    assert "1.000" not in line
    for temperature, effect in ((1.5, "less sure"), (0.7, "surer")):
        lines = describe_calibration(temperature, stages)
        assert f"temperature of {temperature:.3f}, which makes the probabilities {effect}" in lines[0]
        assert len(lines) == 3
