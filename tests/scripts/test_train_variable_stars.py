# Copyright 2026 The astromer_hf developers. MIT licence.
"""The classifier of all surveys in miniature: trained, scored on surveys that were left out, calibrated, saved, and used."""

from dataclasses import replace
from functools import partial
from pathlib import Path

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
