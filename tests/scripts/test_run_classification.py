# Copyright 2026 The astromer_hf developers. MIT licence.
"""Fine-tuning on a labelled survey goes from a prepared folder and a pre-trained model to a classifier that can be loaded."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import hub_client
import numpy as np
import pyarrow.parquet as pq
import pytest
import run_classification
import torch
import yaml
from conftest import ACCOUNTS, TINY_EXTENDED
from datasets import Dataset
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.evaluation.classification_metrics import score_classes
from astromer_hf.inference.classification import LightCurveClassifier, classify_table
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.labelled import load_labelled
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training.data_collator import DataCollatorForLightCurveClassification, InMemoryLightCurves
from astromer_hf.training.trainer import load_labelled_split, take_per_class

SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=40, max_points=80, noise_floor=0.005, noise_at_faint_end=0.01)
CLASSES = ("Constant", "LPV", "RRab")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of three classes that differ in amplitude, and a few of a fourth and without a label."""
    folder = tmp_path_factory.mktemp("prepared") / "simulated"
    folder.mkdir()
    for seed, (split, count) in enumerate({"train": 90, "validation": 30, "test": 30}.items()):
        curves = simulate_light_curves(count, seed=seed, survey=SURVEY, classes=CLASSES)
        curves += simulate_light_curves(3, seed=10 + seed, survey=SURVEY, classes=["DSCT"])
        table = to_table(curves)
        labels = [*table["label"].to_pylist()[:-1], None]
        table = table.set_column(table.column_names.index("label"), "label", [labels])
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    config = AstromerConfig(**TINY_EXTENDED, classifier_hidden_sizes=[32])
    AstromerForMaskedReconstruction(config).save_pretrained(folder)
    AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same light curves as `stars.csv`, a row a measurement, and `stars.parquet`, a row an object; four have no class."""
    folder = tmp_path_factory.mktemp("tables")
    curves = simulate_light_curves(100, seed=0, survey=SURVEY, classes=CLASSES)
    table = to_table(curves)
    classes = [*table["label"].to_pylist()[:-4], None, "", "NaN", " "]
    amplitudes = [float(np.log10(np.std(curve.mag))) for curve in curves]
    table = (
        table.drop_columns(["label"])
        .append_column("kind", [classes])
        .append_column("temperature", [5000 + 400 * np.array(amplitudes)])
    )
    pq.write_table(table, folder / "stars.parquet")
    rows = table.select(["object_id", "mjd", "mag", "kind"]).to_pandas().explode(["mjd", "mag"])
    rows.to_csv(folder / "stars.csv", index=False)
    return folder


def run(dataset: Path, pretrained: Path, output: Path, **fields: object) -> dict[str, float]:
    config = output.parent / f"{output.name}.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "dataset": str(dataset),
                "model": str(pretrained),
                "output_dir": str(output),
                "per_device_train_batch_size": 16,
                "learning_rate": 1e-2,
                "disable_tqdm": True,
                "report_to": "none",
                **fields,
            }
        )
    )
    return run_classification.main(*run_classification.parse_args([str(config)]))


# --- Classification ---


@pytest.fixture(scope="module")
def fine_tuned(prepared: Path, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    output = tmp_path_factory.mktemp("runs") / "run"
    return output, run(prepared, pretrained, output, num_train_epochs=15, drop_rare_classes=True)


def test_a_fine_tuned_classifier_tells_classes_of_unlike_amplitude_apart(fine_tuned):
    output, metrics = fine_tuned
    assert metrics["test_objects"] == 30
    assert 0 <= metrics["test_calibration_error"] < 0.5
    assert 0 <= metrics["test_calibration_error_as_trained"] < 0.5
    assert metrics["test_macro_f1"] > 0.7  # 0.17 for one class, 0.33 by chance
    model = AutoModelForSequenceClassification.from_pretrained(output)
    assert model.config.id2label == dict(enumerate(CLASSES))


def test_the_scores_and_what_they_were_measured_on_lie_beside_the_model(fine_tuned):
    output, metrics = fine_tuned
    scores = json.loads((output / "scores.json").read_text())
    assert {name: scores[name] for name in metrics} == metrics
    assert scores["light_curves"] == {"train": 90, "validation": 30, "test": 30}
    assert scores["left_out"] == {"without a label": 3, "of class DSCT, which is rare": 6}
    assert scores["classes"]["RRab"].keys() == {"precision", "recall", "f1-score", "support"}
    assert json.loads((output / "preprocessor_config.json").read_text())["window_size"] == 20
    assert "RRab" in (output / "classification_report.txt").read_text()
    assert (output / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_the_score_is_that_of_the_classes_that_the_saved_model_gives_a_table(fine_tuned, prepared: Path, tmp_path: Path):
    output, metrics = fine_tuned
    model = AutoModelForSequenceClassification.from_pretrained(output)
    classify_table(next(prepared.glob("test-*.parquet")), tmp_path / "classes.parquet", model, show_progress=False)
    rows = pq.read_table(tmp_path / "classes.parquet").to_pandas()
    rows = rows[rows["label"].isin(CLASSES)]
    assert (rows["label"] == rows["predicted_label"]).mean() == pytest.approx(metrics["test_accuracy"])


def test_validation_during_training_scores_light_curves_as_the_test_does(fine_tuned, prepared: Path, pretrained: Path):
    output, _ = fine_tuned
    history = json.loads((output / "trainer_state.json").read_text())["log_history"]
    best = min((entry for entry in history if "eval_loss" in entry), key=lambda entry: entry["eval_loss"])
    curves, labels = load_labelled_split(prepared, "validation")
    model = AutoModelForSequenceClassification.from_pretrained(output)
    chosen = np.flatnonzero(np.isin(labels, CLASSES))
    predicted = LightCurveClassifier(model).predict(curves.select(chosen)).values.argmax(1)
    expected = score_classes(np.searchsorted(CLASSES, labels[chosen]), predicted, 3)
    assert best["eval_macro_f1"] == pytest.approx(expected["macro_f1"])


def test_how_many_light_curves_of_each_class_go_where_is_told(tables: Path):
    arguments = ["--dataset", str(tables / "stars.parquet"), "--label_column", "kind", "--output_dir", "unused"]
    data, _, _ = run_classification.parse_args([*arguments, "--max_per_class", "15"])
    lines = run_classification.describe(run_classification.load_data(data, seed=0)[0], data).splitlines()
    assert lines[0].endswith("light curves: 45 train, 21 validation, 18 test")
    assert [line.split() for line in lines[1:6]] == [
        ["train", "validation", "test"],
        ["class"],
        ["Constant", "15", "7", "6"],
        ["LPV", "15", "7", "6"],
        ["RRab", "15", "7", "6"],
    ]
    assert lines[6:] == ["left out: 4 without a label", "left out: 12 beyond the number that was asked for"]


def test_a_csv_and_a_parquet_table_of_ones_own_make_the_same_classifier(tables: Path, pretrained: Path, tmp_path: Path):
    fields = {"label_column": "kind", "num_train_epochs": 6}
    scores = [run(tables / f"stars.{kind}", pretrained, tmp_path / kind, **fields) for kind in ("csv", "parquet")]
    weights = [(tmp_path / kind / "model.safetensors").read_bytes() for kind in ("csv", "parquet")]
    assert weights[0] == weights[1]
    assert scores[0] == scores[1]
    assert scores[0]["test_objects"] == 18
    assert scores[0]["test_accuracy"] > 0.6  # one in three by chance


def test_a_frozen_encoder_stays_as_it_was(prepared: Path, pretrained: Path, tmp_path: Path):
    run(prepared, pretrained, tmp_path / "run", max_steps=3, freeze_encoder=True, drop_rare_classes=True)
    before = AstromerForMaskedReconstruction.from_pretrained(pretrained).model.state_dict()
    after = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_options_choose_the_head_and_the_others_are_the_pretrained_models(tables: Path, pretrained: Path, tmp_path: Path):
    head = {
        "classifier_pooling": "mean_std",
        "classifier_hidden_sizes": [8, 4],
        "classifier_dropout": 0.5,
        "use_weighted_layer_sum": True,
    }
    run(tables / "stars.parquet", pretrained, tmp_path / "run", label_column="kind", max_steps=1, **head)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    assert {name: getattr(model.config, name) for name in head} == head
    assert [layer.out_features for layer in model.classifier.modules() if isinstance(layer, torch.nn.Linear)] == [8, 4, 3]
    arguments = ["--dataset", "x", "--output_dir", "x", "--classifier_head", "lstm", "--classifier_lstm_sizes", "8"]
    _, head, _ = run_classification.parse_args(arguments)
    assert head.fields == {"classifier_head": "lstm", "classifier_lstm_sizes": [8], "classifier_dropout": 0.2}


@pytest.fixture(scope="module")
def short_stars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 constant and 36 variable stars to train on, each of a single window, so that nothing is drawn."""
    file = tmp_path_factory.mktemp("short") / "stars.parquet"
    short = replace(SURVEY, min_points=16, max_points=20)
    curves = simulate_light_curves(20, seed=0, survey=short, classes=["Constant"])
    curves += simulate_light_curves(60, seed=1, survey=short, classes=["LPV"])
    table = to_table(curves).set_column(0, "object_id", [[str(i) for i in range(80)]])
    deviations = [float(np.std(curve.mag)) for curve in curves]
    pq.write_table(table.append_column("deviation", [deviations]), file)
    return file


ONE_BATCH = {
    "max_steps": 1,
    "per_device_train_batch_size": 48,
    "logging_steps": 1,
    "freeze_encoder": True,
    "classifier_dropout": 0.0,
    "min_points": 16,
}


def first_loss(output: Path) -> float:
    history = json.loads((output / "trainer_state.json").read_text())["log_history"]
    return next(entry["loss"] for entry in history if "loss" in entry)


def test_the_loss_is_the_mean_over_light_curves_and_with_balanced_weights_the_mean_over_classes(
    short_stars: Path, pretrained: Path, tmp_path: Path
):
    """By a model that has next to no step to take."""
    for weights in ("none", "balanced"):
        run(short_stars, pretrained, tmp_path / weights, class_weights=weights, **{**ONE_BATCH, "learning_rate": 1e-12})
    plain, balanced = (first_loss(tmp_path / weights) for weights in ("none", "balanced"))
    labelled = load_labelled(short_stars)
    train = labelled.members("train")
    assert np.unique(labelled.labels[train], return_counts=True)[1].tolist() == [12, 36]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "none", classifier_temperature=1.0)
    probabilities = LightCurveClassifier(model).predict(labelled.curves.select(train)).values
    surprise = -np.log(probabilities[range(48), np.searchsorted(["Constant", "LPV"], labelled.labels[train])])
    of_constant, of_variable = (surprise[labelled.labels[train] == name].mean() for name in ("Constant", "LPV"))
    assert plain == pytest.approx((12 * of_constant + 36 * of_variable) / 48, rel=1e-3)
    assert balanced == pytest.approx((of_constant + of_variable) / 2, rel=1e-3)
    assert abs(plain - balanced) > 0.01


@pytest.mark.parametrize(
    "fields",
    [{}, {"class_weights": "balanced"}, {"problem_type": "regression", "label_column": "deviation"}],
    ids=["classes", "balanced", "regression"],
)
def test_accumulated_batches_teach_what_one_batch_teaches(short_stars: Path, pretrained: Path, tmp_path: Path, fields):
    plain_descent = {"optim": "sgd", "learning_rate": 0.1, "max_grad_norm": 0.0}
    options = {**ONE_BATCH, **plain_descent, **fields}
    run(short_stars, pretrained, tmp_path / "whole", **options)
    parts = {"per_device_train_batch_size": 12, "gradient_accumulation_steps": 4}
    run(short_stars, pretrained, tmp_path / "parts", **{**options, **parts})
    whole, accumulated = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    for name in whole:
        torch.testing.assert_close(accumulated[name], whole[name], rtol=1e-4, atol=1e-6)
    assert first_loss(tmp_path / "parts") == pytest.approx(first_loss(tmp_path / "whole"), rel=1e-3)


# --- Regression ---


def test_a_regression_learns_in_the_units_of_its_column(tables: Path, pretrained: Path, tmp_path: Path):
    """Temperatures of some thousand kelvin, which the amplitude tells."""
    source, output = tables / "stars.parquet", tmp_path / "run"
    fields = {"label_column": "temperature", "problem_type": "regression", "num_train_epochs": 10}
    metrics = run(source, pretrained, output, **fields)
    assert metrics["test_objects"] == 20
    assert metrics["test_r2"] > 0.5
    model = AutoModelForSequenceClassification.from_pretrained(output)
    assert (model.config.problem_type, model.config.id2label) == ("regression", {0: "temperature"})
    classify_table(source, tmp_path / "numbers.parquet", model, show_progress=False)
    true = pq.read_table(source)["temperature"].to_numpy()
    predicted = pq.read_table(tmp_path / "numbers.parquet")["predicted_temperature"].to_numpy()
    data, _, _ = run_classification.parse_args([str(output.parent / "run.yaml")])
    labelled, _ = run_classification.load_data(data, seed=42)
    ids = pq.read_table(source)["object_id"].to_pylist()
    test = [ids.index(star) for star in labelled.stars[labelled.members("test")]]
    rmse = float(np.sqrt(np.mean((true - predicted)[test] ** 2)))
    assert rmse == pytest.approx(metrics["test_rmse"], rel=1e-4)
    assert not (output / "confusion_matrix.png").exists()
    assert run(source, pretrained, output, **fields) == metrics, "started again, a finished run must stay as it is"
    assert json.loads((output / "scores.json").read_text())["test_rmse"] == metrics["test_rmse"]


@pytest.mark.parametrize(
    ("value", "message"),
    [("hot", "such as 'hot' of object"), ("nan", "such as 'nan' of object"), ("inf", "such as 'inf' of object")],
)
def test_a_target_that_is_no_finite_number_is_refused(tables: Path, pretrained: Path, tmp_path: Path, value, message):
    table = pq.read_table(tables / "stars.parquet")
    temperatures = [value, *map(str, table["temperature"].to_pylist()[1:])]
    pq.write_table(
        table.set_column(table.column_names.index("temperature"), "temperature", [temperatures]), tmp_path / "x.parquet"
    )
    with pytest.raises(TableError, match=f"finite numbers for labels; 1 of 100 are none, {message}"):
        run(tmp_path / "x.parquet", pretrained, tmp_path / "run", label_column="temperature", problem_type="regression")


def test_an_unknown_target_is_left_out_and_targets_that_are_all_the_same_are_refused(tables: Path):
    table = pq.read_table(tables / "stars.parquet")
    arguments = ["--problem_type", "regression", "--label_column", "temperature", "--output_dir", "unused"]
    same = table.set_column(table.column_names.index("temperature"), "temperature", [[None] + [4000.0] * 99])
    pq.write_table(same, tables / "same.parquet")
    data, _, _ = run_classification.parse_args(["--dataset", str(tables / "same.parquet"), *arguments])
    assert load_labelled(data.dataset, columns=data.columns, unlabelled={""}).left_out["without a label"] == 1
    with pytest.raises(TableError, match="training light curves have the target 4000: nothing is to be learned"):
        run_classification.load_data(data, seed=0)


# --- Errors before the work ---


def test_too_few_labels_say_what_to_lower(prepared: Path, pretrained: Path, tmp_path: Path):
    with pytest.raises(
        TableError, match=r"10 light curves to train on.*'DSCT' has 2 \+ 2 \+ 2.*lower --min-per-class.*--drop-rare"
    ):
        run(prepared, pretrained, tmp_path / "run")


def test_options_that_contradict_each_other_are_refused_before_the_work(tables: Path, pretrained: Path, tmp_path: Path):
    source, output = tables / "stars.parquet", tmp_path / "run"
    with pytest.raises(ValueError, match="no classes to weigh"):
        run(source, pretrained, output, problem_type="regression", class_weights="balanced")
    with pytest.raises(ValueError, match="give its id, --base_model organisation/name"):
        run(source, pretrained, output, push_to_hub=True)
    push = {"push_to_hub": True, "base_model": "astromer/tiny", "hub_strategy": "every_save"}
    with pytest.raises(ValueError, match="--hub_strategy end"):
        run(source, pretrained, output, problem_type="regression", **push)


def test_the_command_says_in_a_line_what_is_wrong_with_a_table(
    monkeypatch: pytest.MonkeyPatch, pretrained: Path, tmp_path: Path
):
    arguments = ["--dataset", "nowhere.csv", "--model", str(pretrained), "--output_dir", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", [run_classification.__file__, *arguments])
    with pytest.raises(SystemExit, match=r"error: There is no file nowhere.csv\."):
        runpy.run_path(run_classification.__file__, run_name="__main__")


# --- Sharing ---


def test_a_pushed_classifier_has_a_finished_card_of_what_is_known(tables: Path, pretrained: Path, client, hub, tmp_path: Path):
    output = tmp_path / "stars"
    arguments = ["--dataset", str(tables / "stars.csv"), "--label_column", "kind", "--model", str(pretrained)]
    arguments += ["--base_model", "astromer/tiny", "--push_to_hub", "--hub_model_id", "astromer/stars", "--max_steps", "2"]
    arguments += ["--output_dir", str(output), "--disable_tqdm", "true", "--report_to", "none"]
    client(hub_client.run_script, "run_classification", *arguments, token=next(iter(ACCOUNTS)))
    card = ModelCard(hub.read("astromer/stars", "README.md").decode())
    measured = json.loads((output / "scores.json").read_text())
    assert card.data.base_model == "astromer/tiny"
    assert card.data.datasets == ["stars"]
    assert "variable stars: Constant, LPV, RRab." in card.text
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        "accuracy": round(measured["test_accuracy"], 4),
        "f1": round(measured["test_macro_f1"], 4),
    }
    assert len(hub.repo("astromer/stars").titles) == 2  # the empty repository, and one push
    assert not [name for name in hub.list_files("astromer/stars") if name.endswith(".bin")]


# --- Reading and batching ---


def test_unlabelled_light_curves_are_left_out(prepared: Path):
    curves, labels = load_labelled_split(prepared, "train")
    assert len(curves) == len(labels) == 92
    assert set(labels) == {*CLASSES, "DSCT"}


def test_up_to_so_many_of_each_class_are_taken_in_order():
    labels = np.array(["b", "a", "b", "c", "a", "b"])
    taken = take_per_class(labels, ["a", "b"], 2, seed=0)
    assert sorted(labels[taken]) == ["a", "a", "b", "b"]
    assert list(taken) == sorted(taken)
    np.testing.assert_array_equal(take_per_class(labels, ["a", "b"], None, seed=0), [0, 1, 2, 4, 5])


def test_rows_of_a_dataset_and_light_curves_in_memory_make_the_same_labelled_windows():
    curves = simulate_light_curves(6, survey=SURVEY)
    dataset = Dataset(to_table(curves)).remove_columns("label").add_column("label", [0, 1, 2, 0, 1, 2])
    collator = DataCollatorForLightCurveClassification(AstromerFeatureExtractor(20), windows="sequential")
    of_rows = collator([dataset[i] for i in range(6)])
    memory = InMemoryLightCurves(InMemoryLightCurves.from_table(dataset).curves, np.array([0, 1, 2, 0, 1, 2]))
    in_memory = collator(memory.__getitems__(range(6)))
    assert of_rows.keys() == {"magnitudes", "times", "attention_mask", "magnitude_errors", "labels"} == in_memory.keys()
    assert all(torch.equal(of_rows[name], in_memory[name]) for name in of_rows)
    windows_of_each = [-(-len(curve.mjd) // 20) for curve in curves]
    assert of_rows["labels"].tolist() == np.repeat([0, 1, 2, 0, 1, 2], windows_of_each).tolist()
    with pytest.raises(ValueError, match="no labels"):
        collator(InMemoryLightCurves(memory.curves).__getitems__([0]))
