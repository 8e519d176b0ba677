# Copyright 2026 The astromer_hf developers. MIT licence.
"""Intervals of reconstructions are fitted to validation stars, scored on test stars, and change nothing but one field."""

import json
from dataclasses import replace
from pathlib import Path

import calibrate_reconstruction as calibrate
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY_EXTENDED

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

SHORT = replace(SIMULATED_SURVEYS["macho_like"], min_points=60, max_points=120)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    for survey, splits in {"north": ("validation", "test"), "south": ("test",)}.items():
        (folder / survey).mkdir()
        for number, split in enumerate(splits):
            table = to_table(simulate_light_curves(24, seed=number, survey=SHORT, classes=["RRab", "Constant"]))
            pq.write_table(table, folder / survey / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "tiny"
    AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED)).save_pretrained(folder)
    AstromerFeatureExtractor(TINY_EXTENDED["window_size"]).save_pretrained(folder)
    return folder


def run(data: Path, model: Path, output: Path, *others: str) -> pd.DataFrame:
    arguments = [f"{data}", "--model", f"{model}", "--surveys", "north", "south", "-o", f"{output}", *others]
    calibrate.main(calibrate.parse_args(arguments))
    return pd.read_csv(output)


def test_the_coverage_of_stars_like_those_of_the_fit_is_what_was_promised(data, model, tmp_path, capsys):
    before = {file.name: file.read_bytes() for file in model.iterdir()}
    rows = run(data, model, tmp_path / "intervals.csv", "--write")
    after = {file.name: file.read_bytes() for file in model.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"config.json"}
    old, new = (json.loads(files["config.json"]) for files in (before, after))
    quantiles = new.pop("reconstruction_quantiles")
    old.pop("reconstruction_quantiles")
    assert old == new
    assert AstromerConfig.from_pretrained(model).reconstruction_quantiles == quantiles

    assert rows["survey"].tolist() == ["north", "south"] * 3
    assert rows["hidden"].tolist() == [0.5, 0.5, 0.2, 0.2, 0.8, 0.8]
    half = rows[rows["hidden"] == 0.5]
    for name, coverage in (("68", 0.68), ("90", 0.90)):
        assert half[f"coverage_{name}"].tolist() == pytest.approx([coverage] * 2, abs=0.06)
    assert (rows["half_width_90"] > rows["half_width_68"]).all()
    table = (tmp_path / "intervals.md").read_text()
    assert f"{quantiles[0]:.3f} at 68%" in table
    assert table in capsys.readouterr().out
    again = run(data, model, tmp_path / "again.csv", "--score-only", "--hidden", "0.5")
    pd.testing.assert_frame_equal(again, rows[rows["hidden"] == 0.5], atol=2e-3)  # quantiles are stored with four digits


def test_without_write_the_model_stays_as_it_is(data, model, tmp_path):
    before = (model / "config.json").read_bytes()
    run(data, model, tmp_path / "intervals.csv", "--objects", "12", "--hidden", "0.5")
    assert (model / "config.json").read_bytes() == before


def test_a_score_is_a_mean_over_stars_and_tells_where_it_fails():
    good = calibrate.Star(np.array([0.5] * 9 + [3.0]), np.ones(10), np.arange(10.0))  # the faintest is outside
    bad = calibrate.Star(np.array([0.5, 3.0]), np.ones(2), np.array([1.0, 0.0]))
    lost = calibrate.Star(np.ones(3), np.full(3, np.nan), np.ones(3))
    row = calibrate.score("north", 0.5, [good, bad, lost], [1.0, 2.0])
    assert (row["stars"], row["without_scale"]) == (2, 1)
    assert row["coverage_90"] == pytest.approx((0.9 + 0.5) / 2)
    assert row["half_width_90"] == 2.0
    assert row["missed_stars"] == 0.5
    assert row["faintest_tenth_90"] == pytest.approx((0.0 + 1.0) / 2)


def test_only_quantiles_that_are_there_can_be_scored(data, model, tmp_path):
    with pytest.raises(SystemExit, match="has no quantiles yet"):
        run(data, model, tmp_path / "intervals.csv", "--score-only")


def test_a_survey_that_is_not_there_is_an_error(data, model, tmp_path):
    with pytest.raises(SystemExit, match=r"no survey .*west"):
        calibrate.main(calibrate.parse_args([f"{data}", "--model", f"{model}", "--surveys", "west"]))
