# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pre-training means the same on one process, two, and under accumulation, and a killed run ends as an unbroken one."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run_pretraining
import torch
import yaml
from conftest import TINY, TINY_EXTENDED
from forks import Forked, launch_ranks
from safetensors.torch import load_file

from astromer_hf import AstromerConfig, AstromerForSequenceClassification, RaggedLightCurves
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training.trainer import (
    ScriptArguments,
    WeightedCrossEntropy,
    balanced_class_weights,
    cut_sequentially,
    last_complete_checkpoint,
    load_split,
    mix,
    read_learning_curves,
    rescale_predictions,
)

SCRIPT = Path(run_pretraining.__file__)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
STREAMED = """
import json, sys
import datasets
import torch
from transformers import Trainer, TrainingArguments
from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForSequenceClassification
from astromer_hf.training.data_collator import DataCollatorForLightCurveClassification

torch.manual_seed(0)
model = AstromerForSequenceClassification(AstromerConfig(**json.loads(sys.argv[3])))
rows = datasets.load_dataset("parquet", data_files=sys.argv[1], split="train", streaming=True)
arguments = TrainingArguments(
    sys.argv[2], max_steps=3, per_device_train_batch_size=2, use_cpu=True, save_strategy="no", remove_unused_columns=False,
    disable_tqdm=True, logging_steps=1, optim="sgd", max_grad_norm=0.0, report_to=[],
)
collator = DataCollatorForLightCurveClassification(AstromerFeatureExtractor(60))
trainer = Trainer(model, arguments, data_collator=collator, train_dataset=rows)
trainer.train()
if trainer.is_world_process_zero():
    print("losses", json.dumps([entry["loss"] for entry in trainer.state.log_history if "loss" in entry]))
"""
SURVEY = replace(SIMULATED_SURVEYS["ztf_like"], min_points=30, max_points=60)
# Adam would blow up the rounding errors of parameters whose gradient is zero.
PLAIN_DESCENT = {"optim": "sgd", "learning_rate": 0.02}
# Every observation is scored and shown as it is, and fits one window: nothing is drawn, so that batches of any size agree.
NOTHING_DRAWN = {"probed_fraction": 1.0, "same_fraction": 1.0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of simulated light curves."""
    folder = tmp_path_factory.mktemp("prepared") / "simulated"
    folder.mkdir()
    for seed, (split, count) in enumerate({"train": 64, "validation": 16}.items()):
        table = to_table(simulate_light_curves(count, seed=seed, survey=SURVEY))
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


def write_config(path: Path, prepared: Path, output: Path, **fields: object) -> Path:
    model = dict(fields.pop("model", {**TINY, "window_size": 60, "hidden_dropout_prob": 0.0}))
    config = {
        "datasets": [str(prepared)],
        "model": model,
        "output_dir": str(output),
        "max_steps": 4,
        "per_device_train_batch_size": 16,
        "max_eval_objects": 8,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "weight_decay": 0.0,
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        **fields,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def run_here(config: Path) -> dict[str, torch.Tensor]:
    """Run the script and return the weights that it saved."""
    data, training = run_pretraining.parse_args([str(config)])
    run_pretraining.main(data, training)
    return load_file(Path(training.output_dir) / "model.safetensors")


def largest_difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_two_processes_and_accumulation_end_with_the_weights_of_one_process(prepared: Path, tmp_path: Path):
    fields = NOTHING_DRAWN | PLAIN_DESCENT
    one = run_here(write_config(tmp_path / "one.yaml", prepared, tmp_path / "one", **fields))
    accumulated = run_here(
        write_config(
            tmp_path / "accumulated.yaml",
            prepared,
            tmp_path / "accumulated",
            per_device_train_batch_size=4,
            gradient_accumulation_steps=4,
            **fields,
        )
    )
    two_config = write_config(
        tmp_path / "two.yaml", prepared, tmp_path / "two", per_device_train_batch_size=8, ddp_backend="gloo", **fields
    )
    done = launch_ranks(2, SCRIPT, two_config)
    assert done.returncode == 0, done.stderr[-3000:]
    two = load_file(tmp_path / "two" / "model.safetensors")

    untrained = run_here(write_config(tmp_path / "none.yaml", prepared, tmp_path / "none", **fields | {"learning_rate": 0.0}))
    assert largest_difference(one, untrained) > 0.01
    assert largest_difference(one, accumulated) < 2e-6
    assert largest_difference(one, two) < 2e-6


def test_a_killed_run_resumes_to_the_weights_of_an_unbroken_one(prepared: Path, tmp_path: Path):
    fields = {
        "model": {**TINY_EXTENDED, "hidden_dropout_prob": 0.1},
        "max_steps": 30,
        "save_strategy": "steps",
        "save_steps": 5,
        "save_total_limit": 2,
        "lr_scheduler_type": "cosine",
        "per_device_train_batch_size": 8,
    }
    unbroken = run_here(write_config(tmp_path / "unbroken.yaml", prepared, tmp_path / "unbroken", **fields))

    config, output = write_config(tmp_path / "killed.yaml", prepared, tmp_path / "killed", **fields), tmp_path / "killed"
    process = Forked(SCRIPT, config)
    deadline = time.monotonic() + 120
    while last_complete_checkpoint(output) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (output / "model.safetensors").exists(), "it was killed too late to show anything"
    # What a kill in the middle of saving leaves: a newer checkpoint without its last files.
    newest = Path(last_complete_checkpoint(output) or "")
    half_written = output / "checkpoint-29"
    shutil.copytree(newest, half_written)
    (half_written / "trainer_state.json").unlink()

    assert largest_difference(unbroken, run_here(config)) == 0.0


@pytest.mark.parametrize("steps", [6, 8])  # of four an epoch
@pytest.mark.parametrize("best", [False, True])
def test_a_run_that_has_made_all_of_its_steps_is_left_as_it_is(prepared: Path, tmp_path: Path, steps: int, best: bool):
    fields = {"max_steps": steps, "save_strategy": "steps", "save_steps": 1, "load_best_model_at_end": best}
    if best:  # that of the first step: the second would undo what it learned
        fields |= {"eval_strategy": "steps", "eval_steps": 1, "learning_rate": 3.0}
    config = write_config(tmp_path / "run.yaml", prepared, tmp_path / "run", **fields)
    first = run_here(config)
    curves = (tmp_path / "run" / "learning_curves.png").read_bytes()
    again = run_here(config)
    assert largest_difference(first, again) == 0.0
    assert json.loads((tmp_path / "run" / "trainer_state.json").read_text())["global_step"] == steps
    assert (tmp_path / "run" / "learning_curves.png").read_bytes() == curves
    last = load_file(tmp_path / "run" / f"checkpoint-{steps}" / "model.safetensors")
    assert (largest_difference(first, last) > 0) == best


@pytest.mark.parametrize("damage", ["trainer_state.json", "model.safetensors", "optimizer.pt", "scheduler.pt"])
@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_half_written_checkpoint_is_passed_over(prepared: Path, tmp_path: Path, checkpoints: Path, damage: str, how: str):
    output = tmp_path / "run"
    shutil.copytree(checkpoints, output)
    assert last_complete_checkpoint(output) == str(output / "checkpoint-4")
    damaged = output / "checkpoint-4" / damage
    if how == "missing":
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    assert last_complete_checkpoint(output) == str(output / "checkpoint-2")


@pytest.fixture(scope="module")
def checkpoints(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four steps that was saved twice."""
    output = tmp_path_factory.mktemp("run") / "output"
    fields = {"model": TINY_EXTENDED, "save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2}
    run_here(write_config(output.parent / "config.yaml", prepared, output, **fields))
    return output


def test_a_run_leaves_a_model_metrics_and_a_picture(checkpoints: Path):
    from transformers import AutoFeatureExtractor, AutoModelForPreTraining

    assert AutoModelForPreTraining.from_pretrained(checkpoints).config.num_folding_periods == 2
    assert AutoFeatureExtractor.from_pretrained(checkpoints).window_size == TINY_EXTENDED["window_size"]
    metrics = yaml.safe_load((checkpoints / "eval_results.json").read_text())
    assert 0 < metrics["eval_simulated_masked_rmse"] < 5
    assert metrics["eval_simulated_r2"] < 1
    assert (checkpoints / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


def test_no_checkpoint_in_an_empty_or_absent_folder(tmp_path: Path):
    assert last_complete_checkpoint(tmp_path) is None
    assert last_complete_checkpoint(tmp_path / "nothing") is None


def test_a_missing_split_says_which_script_makes_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"train-\*\.parquet.*prepare_dataset"):
        load_split(tmp_path, "train")


def test_a_split_is_read_in_order_without_short_light_curves(prepared: Path):
    table = pq.read_table(prepared / "train-00000-of-00001.parquet")
    whole = load_split(prepared, "train")
    assert len(whole) == table.num_rows
    np.testing.assert_array_equal(whole.magnitudes[: whole.lengths[0]], table["mag"][0].as_py())
    limit = int(np.median(whole.lengths))
    long = load_split(prepared, "train", min_points=limit)
    np.testing.assert_array_equal(long.lengths, whole.lengths[whole.lengths >= limit])


def test_a_loss_that_cannot_be_weighted_for_want_of_errors_is_said(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in prepared.glob("*.parquet"):
        table = pq.read_table(file)
        column = table.column_names.index("magerr")  # NaN throughout, as scripts/prepare_dataset.py writes it
        missing = [[float("nan")] * len(errors) for errors in table["magerr"].to_pylist()]
        pq.write_table(table.set_column(column, table.schema.field(column), [missing]), bare / file.name)
    model = {**TINY, "window_size": 60, "weight_loss_by_errors": True}
    config = write_config(tmp_path / "run.yaml", prepared, tmp_path / "run", model=model, max_steps=1)
    run_here(config)
    assert "not weighted" not in caplog.text
    fields = yaml.safe_load(config.read_text()) | {"datasets": [str(prepared), str(bare)]}
    config.write_text(yaml.safe_dump(fields))
    run_here(config)
    assert f"{bare} has no photometric errors: its loss is not weighted by them" in caplog.text
    assert caplog.text.count("not weighted") == 1


def test_a_limit_takes_a_random_sample_in_order(prepared: Path):
    whole = load_split(prepared, "train")
    samples = [load_split(prepared, "train", max_objects=5, seed=seed) for seed in (0, 0, 1)]
    firsts = [sample.times[sample.offsets[:-1]] for sample in samples]
    of_whole = whole.times[whole.offsets[:-1]]
    assert [len(sample) for sample in samples] == [5, 5, 5]
    places = np.searchsorted(np.sort(of_whole), firsts[0])
    np.testing.assert_array_equal(np.sort(of_whole)[places], firsts[0])
    np.testing.assert_array_equal(firsts[0], firsts[1])
    assert not np.array_equal(firsts[0], firsts[2])
    assert not np.array_equal(firsts[0], of_whole[:5])


def test_the_exact_loss_refuses_to_be_clipped(prepared: Path, tmp_path: Path):
    with pytest.raises(ValueError, match=r"set `max_grad_norm` to 0, got 1\.0"):
        run_here(write_config(tmp_path / "clipped.yaml", prepared, tmp_path / "clipped", max_grad_norm=1.0))


def test_patience_survives_a_resumed_run(prepared: Path, tmp_path: Path):
    """After two evaluations without improvement, the run stops at the third, though it was stopped in between."""
    fields = {
        "learning_rate": 0.0,  # nothing improves
        "early_stopping_patience": 3,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
    }
    output = tmp_path / "run"
    run_here(write_config(tmp_path / "first.yaml", prepared, output, max_steps=3, **fields))
    run_here(write_config(tmp_path / "second.yaml", prepared, output, max_steps=20, **fields))
    state = yaml.safe_load((output / "trainer_state.json").read_text())
    assert state["global_step"] == 4  # the first evaluation is the best; the second to fourth are no better


def curves_of_lengths(*lengths: int) -> RaggedLightCurves:
    times = [np.arange(length, dtype=float) for length in lengths]
    return RaggedLightCurves.from_arrays(times, [np.full(length, i % 50.0) for i, length in enumerate(lengths)])


@pytest.mark.parametrize(("power", "shares"), [(1.0, [100, 300]), (0.0, [200, 200]), (0.5, [146, 254])])
def test_surveys_are_mixed_by_the_power_of_their_size(power: float, shares: list[int]):
    small, large = curves_of_lengths(*[2] * 100), curves_of_lengths(*[3] * 300)
    mixture = mix([small, large], power, seed=0)
    lengths = np.concatenate([mixture[i].lengths for i in range(len(mixture))])
    assert [int(np.sum(lengths == 2)), int(np.sum(lengths == 3))] == shares
    assert len(set(mixture.indices)) == min(100, shares[0]) + min(300, shares[1])
    assert mix([small, large], power, seed=0).indices == mixture.indices


def test_windows_for_evaluation_hold_every_observation():
    curves = curves_of_lengths(7, 20, 45)
    windows, owner = cut_sequentially(curves, 20)
    np.testing.assert_array_equal(owner, [0, 1, 2, 2, 2])
    np.testing.assert_array_equal(windows.lengths, [7, 20, 20, 20, 20])
    np.testing.assert_array_equal(windows.times[-20:], np.arange(25, 45))
    assert {(t, m) for t, m in zip(windows.times, windows.magnitudes, strict=True)} == {
        (t, m) for t, m in zip(curves.times, curves.magnitudes, strict=True)
    }


def test_learning_curves_are_read_per_quantity():
    history = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4, "epoch": 1.0}, {"step": 2, "eval_loss": float("nan")}]
    curves = read_learning_curves(history)
    assert list(curves) == ["loss"]
    np.testing.assert_array_equal(curves["loss"], [[1, 2], [0.5, 0.4]])


def test_without_an_accelerator_the_cpu_is_taken_and_bfloat16_is_not_refused(tmp_path: Path):
    arguments = ScriptArguments(str(tmp_path), bf16=True)
    assert arguments.use_cpu
    assert arguments.device.type == "cpu"


def test_balanced_weights_let_every_class_count_the_same():
    labels = np.array([0, 0, 0, 1])
    weights = balanced_class_weights(labels, 2)
    assert weights == pytest.approx([2 / 3, 2])
    logits = torch.randn(4, 2)
    each = torch.nn.functional.cross_entropy(logits, torch.tensor(labels), reduction="none")
    loss = WeightedCrossEntropy(weights)({"logits": logits}, torch.tensor(labels))
    assert loss.item() == pytest.approx(((each[:3].mean() + each[3]) / 2).item())
    with pytest.raises(ValueError, match=r"Classes \[1\] have no light curve"):
        balanced_class_weights(np.array([0, 2]), 3)


@pytest.mark.parametrize(("head", "shortcut"), [("mlp", False), ("mlp", True), ("linear", False), ("lstm", False)])
def test_a_regression_that_learned_standardised_numbers_predicts_numbers(head: str, shortcut: bool):
    fields = {"classifier_hidden_sizes": [8], "classifier_lstm_sizes": [8], "classifier_shortcut": shortcut}
    config = AstromerConfig(**TINY, **fields, classifier_head=head, num_labels=1, problem_type="regression")
    model = AstromerForSequenceClassification(config).eval()
    inputs = {"magnitudes": torch.randn(3, 20), "times": torch.randn(3, 20).sort().values}
    with torch.no_grad():
        before = model(**inputs).logits
        rescale_predictions(model, 5000.0, 40.0)
        torch.testing.assert_close(model(**inputs).logits, 5000 + 40 * before)


# --- Streamed datasets ---


def test_two_processes_train_on_streamed_light_curves_of_unequal_length(tmp_path: Path):
    """The stock Trainer and the collator's defaults. accelerate joins the batches of both, of which one knows no error."""
    curves = simulate_light_curves(12, seed=3)
    lengths = [10, 45, 20, 33, 8, 60, 25, 17, 50, 12, 40, 30]
    columns = {name: [getattr(c, name)[:n].tolist() for c, n in zip(curves, lengths, strict=True)] for name in ("mjd", "mag")}
    errors = [None, None, *([0.02] * n for n in lengths[2:])]
    labels = [i % 3 for i in range(12)]
    kind = pa.list_(pa.float64())
    table = pa.table({**columns, "magerr": pa.array(errors, kind), "label": labels})
    pq.write_table(table, tmp_path / "curves.parquet")
    (tmp_path / "train.py").write_text(STREAMED)
    config = json.dumps({**TINY, "window_size": 60, "hidden_dropout_prob": 0.0, "num_labels": 3})
    arguments = (tmp_path / "train.py", tmp_path / "curves.parquet", tmp_path / "out", config)
    done = launch_ranks(2, *arguments, environment=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-3000:]
    losses = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("losses")).removeprefix("losses"))
    assert len(losses) == 3
    assert np.isfinite(losses).all()
