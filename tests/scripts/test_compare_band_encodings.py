# Copyright 2026 The astromer_hf developers. MIT licence.
"""The experiment gives every encoding the same observations and the same masks, and hides what it scores."""

from pathlib import Path

import compare_band_encodings as experiment
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY_EXTENDED

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves

BANDS = ["R", "B"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six stars in R, and four of them in B as well, at other times, 10 mag fainter and of half the amplitude."""
    folder = tmp_path_factory.mktemp("data") / "two_bands"
    folder.mkdir()
    rows = []
    for i, curve in enumerate(simulate_light_curves(6, classes=["RRab"])):
        rows.append({"object_id": f"star-{i}", "band": "R", "mjd": curve.mjd[:30], "mag": curve.mag[:30]})
        if i < 4:
            mag = 10 + curve.mag[:21] / 2
            rows.append({"object_id": f"star-{i}", "band": "B", "mjd": curve.mjd[:21] + 0.01, "mag": mag})
    for split in ("train", "test"):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000-of-00001.parquet")
    return folder


def test_objects_in_all_bands_are_joined_in_the_order_of_their_times(dataset: Path):
    joint = experiment.load_joint(dataset, "train", BANDS)
    assert list(joint.lengths) == [51] * 4
    for curve in range(4):
        part = slice(joint.offsets[curve], joint.offsets[curve + 1])
        assert (np.diff(joint.times[part]) >= 0).all()
        assert sorted(joint.magnitude_errors[part]) == [1.0] * 30 + [2.0] * 21
        faint = joint.magnitudes[part][joint.magnitude_errors[part] == 2]
        assert faint.mean() > joint.magnitudes[part][joint.magnitude_errors[part] == 1].mean()
    with pytest.raises(SystemExit, match=r"no object of .* has all of the bands R, I"):
        experiment.load_joint(dataset, "train", ["R", "I"])


def collate(dataset: Path, splits: bool) -> dict[str, torch.Tensor]:
    curves = InMemoryLightCurves(experiment.load_joint(dataset, "test", BANDS))
    hide = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(window_size=20), "sequential", seed=3)
    return experiment.JointCollator(hide, 2, splits)(curves.__getitems__(range(4)))


def test_every_band_is_centred_on_its_own_visible_mean(dataset: Path):
    batch = collate(dataset, splits=False)
    observed = batch["attention_mask"] == 1
    for row in range(len(observed)):
        for band in (0, 1):
            visible = observed[row] & (batch["band_ids"][row] == band) & ~batch["masked_positions"][row]
            assert visible.any()
            assert abs(float(batch["magnitudes"][row][visible].mean())) < 1e-5
    assert float(batch["labels"].abs().max()) < 3  # the bands are 10 mag apart


def test_a_window_split_into_its_bands_has_the_same_observations_and_masks(dataset: Path):
    whole, split = collate(dataset, splits=False), collate(dataset, splits=True)
    assert len(split["times"]) == 2 * len(whole["times"])
    for band in (0, 1):
        rows = [
            {name: tensor[(batch["attention_mask"] == 1) & (batch["band_ids"] == band)] for name, tensor in batch.items()}
            for batch in (whole, split)
        ]
        for name in ("times", "magnitudes", "labels", "masked_positions", "loss_mask"):
            assert torch.equal(rows[0][name], rows[1][name]), name


def test_one_command_trains_and_scores_all_encodings(dataset: Path, tmp_path: Path):
    AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED)).save_pretrained(tmp_path / "model")
    options = ["--bands", *BANDS, "--model", str(tmp_path / "model"), "--max-steps", "2", "--batch-size", "2"]
    table = experiment.main(experiment.parse_args([str(dataset), *options, "-o", str(tmp_path / "bands.csv")]))
    assert list(table["encoding"].drop_duplicates()) == list(experiment.ENCODINGS)
    assert list(table["band"]) == BANDS * 3
    assert table.groupby("band")["windows"].nunique().eq(1).all()
    assert np.isfinite(table[["masked_rmse", "r2", "median_r2"]]).all(axis=None)
    assert len(pd.read_csv(tmp_path / "bands.csv")) == 6


def test_a_band_embedding_starts_by_saying_nothing(dataset: Path, tmp_path: Path):
    AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED)).save_pretrained(tmp_path / "model")
    args = experiment.parse_args([str(dataset), "--bands", *BANDS, "--model", str(tmp_path / "model")])
    batch = collate(dataset, splits=False)
    plain, told = (experiment.score(experiment.build_model(args, name), [batch]) for name in experiment.ENCODINGS[1:])
    assert all(np.array_equal(plain[band].residual_squares, told[band].residual_squares) for band in (0, 1))
