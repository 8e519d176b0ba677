# Copyright 2026 The astromer_hf developers. MIT licence.
"""Masked RMSE and R² of reconstructed magnitudes, for `Trainer`, for the `evaluate` library and for arrays.

Only three sums per window are kept of a batch, so an evaluation set of any size fits into memory. `evaluate.load` runs this
file as a script, so it imports nothing of the package.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import datasets
import evaluate
import numpy as np
import torch
from transformers import EvalPrediction

PADDING_OF_TRAINER = -100  # Trainer pads narrow batches of labels and reconstructions with it


class WindowScores(NamedTuple):
    """Sums over the scored observations of each window, `(W,)` each; windows without scored observations are left out.

    Args:
        counts: scored observations.
        residual_squares: Σ (label - reconstruction)², mag².
        total_squares: Σ (label - mean of the window's scored labels)², mag².
    """

    counts: np.ndarray
    residual_squares: np.ndarray
    total_squares: np.ndarray

    @classmethod
    def concatenate(cls, parts: Iterable["WindowScores"]) -> "WindowScores":
        """The windows of all `parts`, one after the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def summarize(self) -> dict[str, float]:
        """Scores of all windows together.

        Returns:
            `masked_rmse`: root of the mean over windows of each window's mean squared error (paper, Eq. 5), in magnitudes.
            `r2`: 1 - Σ residual_squares / Σ total_squares over all windows; 0 means predicting each window's mean. Windows of
            large amplitude dominate it.
            `median_r2`: the median over windows of each window's own R², which a few Miras do not dominate.
            Both R² are NaN if the scored labels of no window vary.

        Raises:
            ValueError: no observation is scored.
        """
        if not len(self.counts):
            raise ValueError("No observation is scored: `loss_mask` is False everywhere. Probe more, or give longer windows.")
        varies = self.total_squares > 0
        residual, total = self.residual_squares[varies], self.total_squares[varies]
        return {
            "masked_rmse": float(np.sqrt(np.mean(self.residual_squares / self.counts))),
            "r2": float(1 - self.residual_squares.sum() / total.sum()) if len(total) else float("nan"),
            "median_r2": float(np.median(1 - residual / total)) if len(total) else float("nan"),
        }


def score_windows(reconstruction: Any, labels: Any, loss_mask: Any) -> WindowScores:
    """Score windows, in float64.

    Args:
        reconstruction, labels (array or tensor of shape `(W, L)`): magnitudes.
        loss_mask (array or tensor of shape `(W, L)`): True where a magnitude is scored. Other values are ignored, also NaN.

    Raises:
        ValueError: shapes differ.
    """
    reconstruction, labels, loss_mask = (_as_numpy(values) for values in (reconstruction, labels, loss_mask))
    if not reconstruction.shape == labels.shape == loss_mask.shape or labels.ndim != 2:
        raise ValueError(
            "`reconstruction`, `labels` and `loss_mask` must have one shape (windows, length), got "
            f"{reconstruction.shape}, {labels.shape} and {loss_mask.shape}."
        )
    scored = loss_mask.astype(bool)
    window = np.nonzero(scored)[0]
    true = labels[scored].astype(np.float64)
    counts = np.bincount(window, minlength=len(labels))
    means = np.bincount(window, true, len(labels)) / np.maximum(counts, 1)
    residual_squares = np.bincount(window, (true - reconstruction[scored]) ** 2, len(labels))
    total_squares = np.bincount(window, (true - means[window]) ** 2, len(labels))
    any_scored = counts > 0
    return WindowScores(counts[any_scored], residual_squares[any_scored], total_squares[any_scored])


def _as_numpy(values: Any) -> np.ndarray:
    """Convert an array or a tensor of any device and dtype (numpy has no bfloat16) to an array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def keep_reconstruction(outputs: Any, labels: Any) -> torch.Tensor:
    """`preprocess_logits_for_metrics` of a Trainer: drop the embeddings before they fill the memory."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


class ReconstructionMetrics:
    """`compute_metrics` of a Trainer with `batch_eval_metrics=True`: scores each batch when it is ready."""

    def __init__(self) -> None:
        self._parts: list[WindowScores] = []

    def __call__(self, prediction: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        """Score a batch; with `compute_result`, summarise all batches since the last summary."""
        if isinstance(prediction.predictions, tuple) or not isinstance(prediction.label_ids, tuple):
            raise ValueError(
                "Expected the reconstruction alone as predictions and (labels, loss_mask) as label ids. Give the Trainer "
                '`preprocess_logits_for_metrics=keep_reconstruction` and its arguments `label_names=["labels", "loss_mask"]`.'
            )
        labels, loss_mask = (_as_numpy(values) for values in prediction.label_ids)
        # The boolean mask is padded with -100 too, which is True.
        scored = loss_mask.astype(bool) & (labels != PADDING_OF_TRAINER)
        self._parts.append(score_windows(prediction.predictions, labels, scored))
        if not compute_result:
            return {}
        scores, self._parts = WindowScores.concatenate(self._parts), []
        return scores.summarize()


def compute_reconstruction_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """`compute_metrics` of a Trainer: `masked_rmse`, `r2` and `median_r2`, see `WindowScores.summarize`.

    Args:
        prediction (`transformers.EvalPrediction`): `predictions` is the reconstruction (`keep_reconstruction`), `label_ids`
            is `(labels, loss_mask)` (`label_names=["labels", "loss_mask"]`).
    """
    return ReconstructionMetrics()(prediction)


class MaskedReconstruction(evaluate.Metric):
    """The same scores as a metric of the `evaluate` library; `evaluate.load(reconstruction_metrics.__file__)` works offline."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Masked RMSE and R² of reconstructed magnitudes.",
            citation="Donoso-Oliva et al. 2023, A&A 670, A54",
            inputs_description="predictions, references, loss_mask: one list of each a window, of one length.",
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float32")),
                    "references": datasets.List(datasets.Value("float32")),
                    "loss_mask": datasets.List(datasets.Value("bool")),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any, loss_mask: Any) -> dict[str, float]:
        padded = (
            torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in column], batch_first=True)
            for column in (predictions, references, loss_mask)
        )
        return score_windows(*padded).summarize()
