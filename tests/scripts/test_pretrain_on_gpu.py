# Copyright 2026 The astromer_hf developers. MIT licence.
"""The command for a GPU in miniature, on the CPU: features, pack, throughput, two runs, and a run that starts from another."""

import json
import re
from dataclasses import replace
from pathlib import Path

import calibrate_periods
import extract_features
import joblib
import numpy as np
import pack_light_curves
import pandas as pd
import pretrain_on_gpu
import pytest
import run_pretraining
import torch
import yaml
from conftest import TINY_EXTENDED

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, AstromerForPreTraining
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training.stars import load_stars

MODEL = {**TINY_EXTENDED, "hidden_dropout_prob": 0.0, "projection_hidden_size": 16, "projection_size": 8, "window_size": 40}
# The spectra of the features are as long as the survey; some light curves are longer than what a pack holds of one.
SHORT = replace(SIMULATED_SURVEYS["macho_like"], duration_days=800.0, min_points=60, max_points=600)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe over two small simulated surveys, of which one has the name of a survey of the benchmark."""
    root = tmp_path_factory.mktemp("surveys")
    for seed, (survey, classes) in enumerate(
        {"crts_css": ["RRab", "EclipsingBinary"], "asas_acvs": ["Cepheid", "DSCT"]}.items()
    ):
        (root / survey).mkdir()
        for split, count in {"train": 20, "validation": 4}.items():
            curves = [one for name in classes for one in simulate_light_curves(count, seed=seed, survey=SHORT, classes=[name])]
            frame = to_table(curves).to_pandas()
            frame = frame.assign(object_id=[f"{split}{i}" for i in range(len(frame))], band="V")
            frame.to_parquet(root / survey / f"{split}-00000-of-00001.parquet", index=False)
    config = {
        "datasets": [str(root / "crts_css"), str(root / "asas_acvs")],
        "features": str(root / "features"),
        "objective": "views",
        "views": {"length": 40, "local_length": 16, "num_transplanted_views": 1},
        "model": MODEL,
        "max_steps": 4,
        "per_device_train_batch_size": 6,
        "max_eval_objects": 4,
        "learning_rate": 1e-3,
        "max_grad_norm": 1.0,
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "steps",
        "save_steps": 2,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "logging_steps": 1,
        "report_to": "none",
    }
    file = root / "recipe.yaml"
    file.write_text(yaml.safe_dump(config))
    extract_features.main(extract_features.parse_args([str(file), "-o", str(root / "features")]))
    return file


def test_a_pack_holds_the_light_curves_to_its_stated_precision(recipe: Path, tmp_path: Path):
    pack = tmp_path / "pack.npz"
    pack_light_curves.main(pack_light_curves.parse_args([str(recipe), "-o", str(pack), "--min-points", "20"]))
    curves, packed = pretrain_on_gpu.unpack(pack, pretrain_on_gpu.import_model())
    config = yaml.safe_load(recipe.read_text())
    expected = load_stars(config["datasets"], "train", min_points=20, features=config["features"], with_variations=True)
    lengths = expected.curves.offsets.diff()
    assert lengths.max() > 450
    assert curves.offsets.diff().tolist() == lengths.clamp(max=450).tolist()
    whole = int(np.flatnonzero(lengths <= 450)[0])
    own, true = (slice(*(int(part.offsets[whole + i]) for i in (0, 1))) for part in (curves, expected.curves))
    times = expected.curves.times[true] - expected.curves.times[true][0]
    assert (curves.times[own] - times).abs().max() <= 1e-5
    magnitudes = expected.curves.magnitudes[true].double()
    centred = magnitudes - magnitudes.mean()
    assert (curves.magnitudes[own].double() - curves.magnitudes[own].double().mean() - centred).abs().max() < 6e-4
    ratio = curves.errors[own] / expected.curves.errors[true]
    assert ratio.nan_to_num(1).sub(1).abs().max() < 0.02
    np.testing.assert_allclose(packed["features"], expected.features, atol=2e-3)
    assert packed["labels"].tolist() == expected.labels.tolist()
    variations = pretrain_on_gpu.unpack_variations(packed, pretrain_on_gpu.import_model())
    assert (expected.variations.rms > 0).any()
    for name, tensor in vars(expected.variations).items():
        torch.testing.assert_close(getattr(variations, name), tensor, atol=5e-4 if name == "coefficients" else 0.0, rtol=0)


def test_an_extraction_that_was_stopped_adds_only_what_is_missing(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = Path(yaml.safe_load(recipe.read_text())["features"])
    complete = {file.name: pd.read_parquet(file) for file in sorted(source.glob("*.parquet"))}
    cut = next(iter(complete))
    for name, table in complete.items():
        (table.iloc[:-3] if name == cut else table).to_parquet(tmp_path / name, index=False)
    extract_features.main(extract_features.parse_args([str(recipe), "-o", str(tmp_path)]))
    told = capsys.readouterr().out
    for name, table in complete.items():
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), table)
        assert f"{3 if name == cut else 0} light curves added to {tmp_path / name}, which has {len(table)}" in told


def test_runs_are_trained_scored_and_saved_and_one_starts_from_another(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pack, output = tmp_path / "pack.npz", tmp_path / "runs"
    pack_light_curves.main(pack_light_curves.parse_args([str(recipe), "-o", str(pack)]))
    monkeypatch.setattr(pretrain_on_gpu, "LEAST_OF_CLASS", 5)
    monkeypatch.setattr(pretrain_on_gpu, "NUM_TREES", 10)
    monkeypatch.setattr(pretrain_on_gpu, "SECONDS_MEASURED", 0.01)
    runs = [
        {"name": "first", "seconds": 0.2, "views": {"local_length": 20}},
        {"name": "second", "seconds": 0.1, "start": str(output / "first" / "pretraining"), "exclude": ["asas_acvs"]},
        {"name": "third", "seconds": 1e6},
    ]
    options = ["--stars", "6", "--no-compile", "--throughput", "--deadline", "60", "--held-out", "0.5"]
    options += ["--runs", json.dumps(runs[:2])]
    with joblib.parallel_config("threading"):  # probes, in place of processes that import scikit-learn
        pretrain_on_gpu.main(pretrain_on_gpu.parse_args([str(pack), "-o", str(output), *options]))
    log = (output / "log.txt").read_text()
    assert "embedding" in log
    assert "windows/s" in log
    assert "probe crts_css" in log
    assert "features, forest, crts_css" in log
    assert min(int(steps) for steps in re.findall(r"^  (\d+) steps", log, flags=re.MULTILINE)) >= 2
    torch.manual_seed(0)  # as the script: the model before any step
    fresh = AstromerForPreTraining(AstromerForPreTraining.config_class.from_pretrained(output / "first" / "pretraining"))
    first, second = (
        AstromerForPreTraining.from_pretrained(output / name / "pretraining").decoder.weight for name in ("first", "second")
    )
    moved = (first - fresh.decoder.weight).norm()
    assert moved > 0
    assert 0 < (second - first).norm() < (second - fresh.decoder.weight).norm()
    kept = AstromerForMaskedReconstruction.from_pretrained(output / "second")
    assert not any(name.startswith(("projector", "feature_head")) for name in kept.state_dict())
    assert isinstance(AstromerForPreTraining.from_pretrained(output / "second" / "pretraining"), AstromerForPreTraining)
    late = pretrain_on_gpu.parse_args([str(pack), "-o", str(output), "--deadline", "0", "--runs", json.dumps(runs[2:])])
    pretrain_on_gpu.main(late)
    assert "no time is left" in (output / "log.txt").read_text()
    assert not (output / "third").exists()


def test_a_run_starts_from_a_shared_checkpoint_and_trains_on_all_stars(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pack, output, shared = tmp_path / "pack.npz", tmp_path / "runs", tmp_path / "shared"
    pack_light_curves.main(pack_light_curves.parse_args([str(recipe), "-o", str(pack)]))
    fields = yaml.safe_load(recipe.read_text())["model"]
    torch.manual_seed(1)
    start = AstromerForMaskedReconstruction(AstromerConfig(**fields))
    start.save_pretrained(shared)
    run = {"name": "on", "seconds": 0.1, "start": str(shared), "learning_rate": 1e-5, "model": {"unambiguous_folding": True}}
    options = ["--stars", "6", "--no-compile", "--held-out", "0", "--runs", json.dumps([run])]
    pretrain_on_gpu.main(pretrain_on_gpu.parse_args([str(pack), "-o", str(output), *options]))
    printed = capsys.readouterr().out
    assert f", {len(np.load(pack)['labels'])} stars\n" in printed
    assert "probe" not in printed  # no star is held out
    whole = AstromerForPreTraining.from_pretrained(output / "on" / "pretraining")
    assert whole.feature_head is not None  # of the pack's features, though the checkpoint has none
    assert whole.config.unambiguous_folding
    moved = max(float((whole.state_dict()[name] - weight).abs().max()) for name, weight in start.state_dict().items())
    assert 0 < moved < 1e-2


def test_a_run_does_not_start_from_what_is_not_its_model(recipe: Path, tmp_path: Path):
    names, shared = pretrain_on_gpu.import_model(), tmp_path / "shared"
    config = AstromerConfig(**yaml.safe_load(recipe.read_text())["model"])
    AstromerForMaskedReconstruction(config).save_pretrained(shared)
    for layers in (1, 3):
        with pytest.raises(RuntimeError, match="layers"):
            pretrain_on_gpu.build_model({"start": str(shared), "model": {"num_hidden_layers": layers}}, {}, names)
    weights = bytearray((shared / "model.safetensors").read_bytes())
    weights[-1] ^= 64
    (shared / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match="checksum"):
        pretrain_on_gpu.build_model({"start": str(shared)}, {}, names)
    AstromerForPreTraining(AstromerConfig(**MODEL, num_target_features=5)).save_pretrained(tmp_path / "whole")
    with pytest.raises(SystemExit, match="the pack has none"):
        pretrain_on_gpu.build_model({"start": str(tmp_path / "whole")}, {}, names)


def test_trainer_trains_the_same_recipe_and_goes_on_where_it_stopped(recipe: Path, tmp_path: Path):
    def run(output: Path, **fields: object) -> dict[str, float]:
        options = [word for name, value in fields.items() for word in (f"--{name}", str(value))]
        return run_pretraining.main(*run_pretraining.parse_args([str(recipe), "--output_dir", str(output), *options]))

    whole = run(tmp_path / "whole")
    assert {"eval_crts_css_r2", "eval_asas_acvs_r2"} <= whole.keys()
    history = json.loads((tmp_path / "whole" / "trainer_state.json").read_text())["log_history"]
    parts = {"loss", "reconstruction_loss", "invariance_loss", "regularization_loss", "feature_loss"}
    assert parts <= history[0].keys()
    assert any("eval_loss" in entry for entry in history)
    run(tmp_path / "parted", max_steps=2, lr_scheduler_type="constant")
    run(tmp_path / "parted", lr_scheduler_type="constant")
    run(tmp_path / "unbroken", lr_scheduler_type="constant")
    first, second = (
        AstromerForMaskedReconstruction.from_pretrained(tmp_path / name).state_dict() for name in ("parted", "unbroken")
    )
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-6


def test_the_trust_in_periods_is_calibrated_on_training_stars(recipe: Path, capsys: pytest.CaptureFixture[str]):
    data = Path(yaml.safe_load(recipe.read_text())["datasets"][0]).parent
    calibrate_periods.main(calibrate_periods.parse_args([str(data), "--config", str(recipe), "--points", "60"]))
    printed = capsys.readouterr().out
    assert "| crts_css |" in printed
    assert "slope" in printed
