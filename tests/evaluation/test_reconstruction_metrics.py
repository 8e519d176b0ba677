# Copyright 2026 The astromer_hf developers. MIT licence.
"""The scores are what their definitions say, in one batch or many, by hand, through `Trainer` and through `evaluate`."""

import evaluate
import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from transformers import Trainer, TrainingArguments

from astromer_hf import AstromerFeatureExtractor, AstromerForMaskedReconstruction, RaggedLightCurves
from astromer_hf.evaluation import reconstruction_metrics as metrics
from astromer_hf.evaluation.reconstruction_metrics import (
    MaskedReconstruction,
    ReconstructionMetrics,
    WindowScores,
    compute_reconstruction_metrics,
    keep_reconstruction,
    score_windows,
)
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.losses_astromer import masked_rmse
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves

WINDOWS, LENGTH = 40, 30


@pytest.fixture
def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reconstruction, labels and loss mask of windows of very different amplitude."""
    rng = np.random.default_rng(0)
    labels = (rng.normal(size=(WINDOWS, LENGTH)) * rng.uniform(0.05, 3, (WINDOWS, 1))).astype(np.float32)
    reconstruction = (labels + 0.3 * rng.normal(size=labels.shape)).astype(np.float32)
    return reconstruction, labels, rng.random(labels.shape) < 0.5


def test_masked_rmse_is_the_loss_of_the_model(example):
    expected = masked_rmse(*map(torch.from_numpy, example))
    assert score_windows(*example).summarize()["masked_rmse"] == pytest.approx(float(expected), rel=1e-6)


def test_r2_of_a_window_is_that_of_scikit_learn(example):
    reconstruction, labels, scored = example
    expected = [r2_score(*pair) for pair in _scored_pairs(*example)]
    for i in range(WINDOWS):
        of_window = score_windows(reconstruction[[i]], labels[[i]], scored[[i]]).summarize()
        assert of_window["r2"] == of_window["median_r2"] == pytest.approx(expected[i])
    assert score_windows(*example).summarize()["median_r2"] == pytest.approx(np.median(expected))


def test_pooled_r2_is_that_of_scikit_learn_after_centring_every_window(example):
    pairs = [(true - true.mean(), predicted - true.mean()) for true, predicted in _scored_pairs(*example)]
    true, predicted = map(np.concatenate, zip(*pairs, strict=True))
    assert score_windows(*example).summarize()["r2"] == pytest.approx(r2_score(true, predicted))


def _scored_pairs(reconstruction, labels, scored):
    rows = zip(labels.astype(np.float64), reconstruction.astype(np.float64), scored, strict=True)
    return [(true[mask], predicted[mask]) for true, predicted, mask in rows]


def test_predicting_the_mean_of_each_window_has_an_r2_of_zero_and_the_truth_of_one(example):
    _, labels, scored = example
    means = np.broadcast_to((labels * scored).sum(1, keepdims=True) / scored.sum(1, keepdims=True), labels.shape)
    of_means = score_windows(means, labels, scored).summarize()
    assert of_means["r2"] == pytest.approx(0, abs=1e-6)
    assert of_means["median_r2"] == pytest.approx(0, abs=1e-6)
    assert score_windows(labels, labels, scored).summarize() == {"masked_rmse": 0, "r2": 1, "median_r2": 1}


def test_one_wild_window_spoils_the_pooled_r2_and_not_the_median(example):
    reconstruction, labels, scored = example
    before = score_windows(*example).summarize()
    reconstruction[0] += 1000
    after = score_windows(reconstruction, labels, scored).summarize()
    assert after["r2"] < -100
    assert after["median_r2"] == pytest.approx(before["median_r2"], abs=0.1)


def test_what_stands_outside_the_loss_mask_does_not_matter(example):
    reconstruction, labels, scored = example
    expected = score_windows(reconstruction, labels, scored).summarize()
    reconstruction[~scored], labels[~scored] = np.nan, np.inf
    assert score_windows(reconstruction, labels, scored).summarize() == expected


def test_batches_add_up(example):
    whole = score_windows(*example)
    parts = [score_windows(*(array[rows] for array in example)) for rows in np.array_split(np.arange(WINDOWS), 7)]
    assert WindowScores.concatenate(parts).summarize() == whole.summarize()


def test_windows_without_a_scored_observation_do_not_count(example):
    reconstruction, labels, scored = example
    scored[::2] = False
    half = score_windows(*(array[1::2] for array in example)).summarize()
    assert score_windows(reconstruction, labels, scored).summarize() == half


def test_r2_is_nan_where_the_labels_do_not_vary():
    labels = np.zeros((2, 5))
    scores = score_windows(labels + 0.1, labels, labels == 0).summarize()
    assert scores["masked_rmse"] == pytest.approx(0.1)
    assert np.isnan([scores["r2"], scores["median_r2"]]).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_of_any_precision_are_scored(example, dtype):
    reconstruction, labels, scored = (torch.from_numpy(array) for array in example)
    scores = score_windows(reconstruction.to(dtype), labels, scored).summarize()
    assert scores["masked_rmse"] == pytest.approx(score_windows(*example).summarize()["masked_rmse"], rel=1e-2)


def test_nothing_scored_and_unequal_shapes_are_refused(example):
    reconstruction, labels, scored = example
    with pytest.raises(ValueError, match="No observation is scored"):
        score_windows(reconstruction, labels, np.zeros_like(scored)).summarize()
    with pytest.raises(ValueError, match=r"one shape .* got \(40, 29\), \(40, 30\) and \(40, 30\)"):
        score_windows(reconstruction[:, 1:], labels, scored)


# --- Trainer and evaluate ---

BATCH_SIZE = 4


@pytest.fixture
def dataset() -> InMemoryLightCurves:
    """Light curves of 5 to 21 observations, so that batches differ in width, and the last one is not full."""
    curves = simulate_light_curves(17)
    columns = ([getattr(curve, name)[: 5 + i] for i, curve in enumerate(curves)] for name in ("mjd", "mag"))
    return InMemoryLightCurves(RaggedLightCurves.from_arrays(*columns))


def make_trainer(
    model, dataset, folder, *, batch_eval_metrics=False, label_names=("labels", "loss_mask"), **settings
) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_eval_batch_size=BATCH_SIZE,
        label_names=list(label_names),
        remove_unused_columns=False,
        batch_eval_metrics=batch_eval_metrics,
        report_to=[],
        use_cpu=True,
    )
    settings = {
        "compute_metrics": ReconstructionMetrics() if batch_eval_metrics else compute_reconstruction_metrics,
        "preprocess_logits_for_metrics": keep_reconstruction,
        **settings,
    }
    collator = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(), windows="sequential")
    return Trainer(model, arguments, data_collator=collator, eval_dataset=dataset, **settings)


@pytest.mark.parametrize("batch_eval_metrics", [False, True])
def test_trainer_reports_the_scores_of_all_windows_whatever_the_width_of_their_batch(
    tiny_config, dataset, tmp_path, batch_eval_metrics
):
    model = AstromerForMaskedReconstruction(tiny_config).eval()
    trainer = make_trainer(model, dataset, tmp_path, batch_eval_metrics=batch_eval_metrics)
    parts = []
    for batch in trainer.get_eval_dataloader():
        with torch.no_grad():
            parts.append(score_windows(model(**batch).reconstruction, batch["labels"], batch["loss_mask"]))
    assert len(parts[-1].counts) < BATCH_SIZE
    expected = WindowScores.concatenate(parts).summarize()
    for _ in range(2):  # nothing is left over from one evaluation to the next
        reported = trainer.evaluate()
        assert {name: reported[f"eval_{name}"] for name in expected} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "settings", [{"preprocess_logits_for_metrics": None}, {"label_names": ("labels",)}], ids=["outputs", "labels"]
)
def test_a_trainer_without_the_settings_that_the_metrics_need_is_told_them(tiny_config, dataset, tmp_path, settings):
    trainer = make_trainer(AstromerForMaskedReconstruction(tiny_config), dataset, tmp_path, **settings)
    with pytest.raises(ValueError, match=r"preprocess_logits_for_metrics=keep_reconstruction.*label_names="):
        trainer.evaluate()


def test_the_metric_of_evaluate_gives_the_same_from_batches_of_unequal_width(example, tmp_path):
    metric = MaskedReconstruction(cache_dir=str(tmp_path))
    reconstruction, labels, scored = example
    scored[:20, 25:] = False
    for rows, width in ((slice(20), 25), (slice(20, None), LENGTH)):
        metric.add_batch(
            predictions=reconstruction[rows, :width], references=labels[rows, :width], loss_mask=scored[rows, :width]
        )
    assert metric.compute() == pytest.approx(score_windows(reconstruction, labels, scored).summarize())


def test_evaluate_loads_the_metric_from_its_file_offline(example, tmp_path):
    metric = evaluate.load(metrics.__file__, cache_dir=str(tmp_path))
    reconstruction, labels, scored = example
    scores = metric.compute(predictions=reconstruction, references=labels, loss_mask=scored)
    assert scores == pytest.approx(score_windows(*example).summarize())
