# Copyright 2026 The astromer_hf developers. MIT licence.
"""Fine-tuning on a labelled survey goes from a prepared folder and a pre-trained model to a classifier that can be loaded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import run_classification
import torch
import yaml
from conftest import TINY_EXTENDED
from datasets import Dataset

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.data_collator import DataCollatorForLightCurveClassification, InMemoryLightCurves
from astromer_hf.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training import load_labelled_split, take_per_class

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


def run(prepared: Path, pretrained: Path, output: Path, **fields: object) -> dict[str, float]:
    config = output.parent / f"{output.name}.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "dataset": str(prepared),
                "model": str(pretrained),
                "min_per_class": 20,
                "output_dir": str(output),
                "per_device_train_batch_size": 16,
                "learning_rate": 1e-2,
                "use_cpu": True,
                "disable_tqdm": True,
                "report_to": "none",
                "save_strategy": "no",
                **fields,
            }
        )
    )
    return run_classification.main(*run_classification.parse_args([str(config)]))


def test_a_fine_tuned_classifier_tells_classes_of_unlike_amplitude_apart(prepared: Path, pretrained: Path, tmp_path: Path):
    metrics = run(prepared, pretrained, tmp_path / "run", num_train_epochs=15)
    assert metrics["test_objects"] == 30
    assert metrics["test_macro_f1"] > 0.7  # 0.17 for one class, 0.33 by chance

    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    assert model.config.id2label == dict(enumerate(CLASSES))
    assert (tmp_path / "run" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert "RRab" in (tmp_path / "run" / "classification_report.txt").read_text()


def test_a_frozen_encoder_stays_as_it_was(prepared: Path, pretrained: Path, tmp_path: Path):
    run(prepared, pretrained, tmp_path / "run", max_steps=3, freeze_encoder=True)
    before = AstromerForMaskedReconstruction.from_pretrained(pretrained).model.state_dict()
    from transformers import AutoModelForSequenceClassification

    after = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_too_few_labels_say_what_to_lower(prepared: Path, pretrained: Path, tmp_path: Path):
    with pytest.raises(ValueError, match=r"'LPV': 30.*lower --min_per_class"):
        run(prepared, pretrained, tmp_path / "run", min_per_class=1000)


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
    assert of_rows.keys() == {"magnitudes", "times", "attention_mask", "labels"} == in_memory.keys()
    assert all(torch.equal(of_rows[name], in_memory[name]) for name in of_rows)
    windows_of_each = [-(-len(curve.mjd) // 20) for curve in curves]
    assert of_rows["labels"].tolist() == np.repeat([0, 1, 2, 0, 1, 2], windows_of_each).tolist()
    with pytest.raises(ValueError, match="no labels"):
        collator(InMemoryLightCurves(memory.curves).__getitems__([0]))
