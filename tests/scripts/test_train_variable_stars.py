# Copyright 2026 The astromer_hf developers. MIT licence.
"""The classifier of all surveys in miniature: trained, scored on surveys that were left out, calibrated, saved, and used."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import evaluate_upsilon
import pandas as pd
import pyarrow.parquet as pq
import pytest
import train_variable_stars
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.cli.main import main
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.light_curves.taxonomy import LEAF_NAMES, PARENT_OF

LABELS = {
    "crts_css": {"RRab": "RRab", "EclipsingBinary": "EA"},
    "asas_acvs": {"RRab": "RR Lyrae, Fundamental Mode", "EclipsingBinary": "Detached"},
}

# The spectra of the features are as long as the survey.
SHORT = replace(SIMULATED_SURVEYS["macho_like"], duration_days=300.0, min_points=60, max_points=120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run on two simulated surveys with the names and classes of real ones."""
    root = tmp_path_factory.mktemp("variable_stars")
    for seed, (survey, labels) in enumerate(LABELS.items()):
        (root / survey).mkdir()
        for split, count in {"train": 16, "validation": 12, "test": 12}.items():
            curves = [
                curve for name in labels for curve in simulate_light_curves(count, seed=seed, classes=[name], survey=SHORT)
            ]
            frame = to_table(curves).to_pandas()
            frame = frame.assign(object_id=[f"{split}{i}" for i in range(len(frame))], label=frame["label"].map(labels))
            frame.to_parquet(root / survey / f"{split}-00000-of-00001.parquet", index=False)
    encoder = AstromerForMaskedReconstruction(AstromerConfig(**TINY))
    encoder.save_pretrained(root / "encoder")
    AstromerFeatureExtractor(window_size=encoder.config.window_size).save_pretrained(root / "encoder")
    argv = [str(root), "--encoder", str(root / "encoder"), "-o", str(root / "out"), "--surveys", *LABELS, "--max-epochs", "2"]
    argv += ["--folds", "1", "--jobs", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_variable_stars, "random_forest", partial(train_variable_stars.random_forest, num_trees=50))
        train_variable_stars.main(train_variable_stars.parse_args(argv))
    return root


def test_each_survey_is_left_out_and_scored_beside_the_forest_and_its_own_labels(trained: Path):
    table = (trained / "out" / "leave_one_survey_out.md").read_text(encoding="utf-8")
    assert "| Catalina | RRab EA | 24 |" in table
    assert "| ASAS | RRab EA | 24 |" in table
    assert "both Catalinas" not in table  # of which one is not here
    predictions = pd.read_parquet(trained / "out" / "leave_one_survey_out.parquet")
    counts = predictions.groupby(["left_out", "split"]).size().to_dict()
    assert counts == {(survey, split): 24 for survey in ("Catalina", "ASAS") for split in ("validation", "test")}
    assert {group.split(" ")[0] for group in predictions.loc[predictions["left_out"] == "ASAS", "group"]} == {"asas_acvs"}


def test_a_run_that_was_stopped_computes_only_the_missing_states(trained: Path, capsys: pytest.CaptureFixture[str]):
    files = {file: file.stat().st_mtime_ns for file in (trained / "out" / "states").iterdir()}
    assert len(files) == 2 * 3 * 3 + 2 + 7  # surveys, splits, kinds of copies; copies in the other; kinds unlike
    lost = trained / "out" / "states" / "asas_acvs-test-short.npz"
    before = lost.read_bytes()
    lost.unlink()
    argv = [str(trained), "--encoder", str(trained / "encoder"), "-o", str(trained / "out"), "--surveys", *LABELS]
    args = train_variable_stars.parse_args(argv)
    encoder, _ = train_variable_stars.load_encoder(args.encoder, None, "auto", "float32")
    train_variable_stars.compute_states(args, encoder)
    assert capsys.readouterr().out.strip().endswith("asas_acvs-test-short: 24 light curves")
    assert lost.read_bytes() == before  # the copies are drawn from the seed
    assert all(file.stat().st_mtime_ns == time for file, time in files.items() if file != lost)


def test_the_classifier_is_calibrated_and_states_classes_of_a_table(trained: Path, tmp_path: Path):
    config = AstromerConfig.from_pretrained(trained / "out" / "model")
    assert tuple(config.id2label.values()) == LEAF_NAMES
    assert config.label_parents == PARENT_OF
    assert config.fewest_points == 20
    assert config.classifier_temperature != 1
    frame = to_table(simulate_light_curves(4, seed=9)).to_pandas().drop(columns="label")
    frame.to_parquet(tmp_path / "curves.parquet", index=False)
    output = tmp_path / "classes.parquet"
    model = str(trained / "out" / "model")
    assert main(["classify", str(tmp_path / "curves.parquet"), "-o", str(output), "--model", model, "--coverage", "0.9"]) == 0
    found = pq.read_table(output).to_pandas()
    assert set(found["predicted_label"]) <= set(LEAF_NAMES)
    assert found["likely_labels"].map(len).ge(1).all()
    assert set(found["parent_label"]) <= set(PARENT_OF.values())


# --- UPSILoN beside it ---

# UPSILoN needs versions that this package does not run with. This stands in for its four calls: it goes by the skewness.
STAND_IN = """
import numpy as np

class ExtractFeatures:
    def __init__(self, date, mag, err=None, n_threads=4):
        self.mag = mag
    def run(self):
        pass
    def get_features(self):
        return {"skewness": np.mean((self.mag - self.mag.mean()) ** 3)}

def load_rf_model():
    return None

def predict(forest, features):
    return ("EB_ED" if features["skewness"] > 0 else "RRL_ab"), 0.75, 0
"""


@pytest.fixture
def upsilon(tmp_path: Path) -> Path:
    """A Python that has UPSILoN's calls."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "upsilon.py").write_text(STAND_IN)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/modules exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def test_upsilon_is_scored_on_the_same_stars_and_goes_on_where_it_stopped(trained: Path, upsilon: Path, tmp_path: Path):
    argv = [str(trained), str(trained / "out"), "--upsilon", str(upsilon), "-o", str(tmp_path / "scores.md")]
    argv += ["--per-class", "11"]
    evaluate_upsilon.main(evaluate_upsilon.parse_args(argv))
    table = (tmp_path / "scores.md").read_text(encoding="utf-8")
    rows = {row[1]: row[2:] for row in ([cell.strip() for cell in line.split("|")] for line in table.splitlines())}
    assert rows["Catalina"][:2] == rows["ASAS"][:2] == ["RRab EA", "22"]
    assert 0 < float(rows["Catalina"][2]) < 1  # of 60 to 120 points
    assert rows["Catalina"][3] == "0.000"
    assert min(float(rows[survey][4]) for survey in ("Catalina", "ASAS")) > 0.9  # eclipses are dips, RR Lyrae stars rise
    # The other columns are of the same stars: perfect predictions have perfect scores there.
    predictions = pd.read_parquet(trained / "out" / "leave_one_survey_out.parquet")
    assert not predictions.duplicated(["left_out", "split", "number"]).any()
    leaf_of = {"RRab": "RRab", "EA": "EA", "RR Lyrae, Fundamental Mode": "RRab", "Detached": "EA"}
    leaves = predictions["group"].str.partition(" ")[2].map(leaf_of)
    for name in LEAF_NAMES:
        predictions[name] = (leaves == name).astype(float)
    (tmp_path / "perfect").mkdir()
    predictions.to_parquet(tmp_path / "perfect" / "leave_one_survey_out.parquet")
    evaluate_upsilon.main(evaluate_upsilon.parse_args([argv[0], str(tmp_path / "perfect"), *argv[2:]]))
    perfect = (tmp_path / "scores.md").read_text(encoding="utf-8")
    assert [line.split("|")[-3:-1] for line in perfect.splitlines()[2:]] == [[" 1.000 ", " 1.000 "]] * 2
    with pytest.raises(SystemExit, match="other stars"):
        evaluate_upsilon.main(evaluate_upsilon.parse_args([*argv, "--test-per-class", "5"]))
    evaluate_upsilon.main(evaluate_upsilon.parse_args(argv))

    answers = tmp_path / "scores" / "crts_css.jsonl"
    before = answers.read_text().splitlines(keepends=True)
    kept = [before[0].replace("0.75", "0.5"), *before[1:-1]]
    answers.write_text("".join(kept) + before[-1][:9])  # killed while it wrote
    evaluate_upsilon.main(evaluate_upsilon.parse_args(argv))
    assert answers.read_text().splitlines(keepends=True) == [*kept, before[-1]]
    assert (tmp_path / "scores.md").read_text(encoding="utf-8") == table
    # Answers for other stars are not taken for these.
    evaluate_upsilon.main(evaluate_upsilon.parse_args([*argv[:-1], "10"]))
    renewed = answers.read_text().splitlines()
    assert len(renewed) == 20
    assert "0.5" not in renewed[0]
