# Copyright 2026 The astromer_hf developers. MIT licence.
"""Macro-F1 (paper, Eqs. 7 and 8), accuracy and calibration, for arrays and, the first two, for the `evaluate` library, offline.

All classes have the same weight in macro-F1, even one that is absent from a fold. `evaluate.load` runs this file as a script,
so it imports nothing of the package.
"""

from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, f1_score


def score_classes(true: Any, predicted: Any, num_classes: int) -> dict[str, float]:
    """Scores of N predicted class ids.

    Args:
        true, predicted (array of shape `(N,)`): class ids in [0, `num_classes`).

    Returns:
        `macro_f1`, the mean over classes of each one's F1 (0 for a class that is never predicted), and `accuracy`.

    Raises:
        ValueError: the arrays differ in length, are empty, or hold an id out of range.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.shape != predicted.shape or true.ndim != 1 or not len(true):
        raise ValueError(f"Expected true and predicted class ids of one length, got shapes {true.shape} and {predicted.shape}.")
    ids = np.concatenate((true, predicted))
    if ids.min() < 0 or ids.max() >= num_classes:
        raise ValueError(f"Expected class ids from 0 to {num_classes - 1}, got {ids.min()} to {ids.max()}.")
    macro_f1 = f1_score(true, predicted, labels=range(num_classes), average="macro", zero_division=0)
    return {"macro_f1": float(macro_f1), "accuracy": float(accuracy_score(true, predicted))}


def bin_confidences(true: Any, probabilities: Any, num_bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy against confidence, in equal bins of the confidence in [0, 1]; empty bins are left out.

    Args:
        true (array of shape `(N,)`): class ids.
        probabilities (array of shape `(N, C)`): of the classes.
        num_bins: number of bins.

    Returns:
        Mean confidence, accuracy and number of objects of every bin that is not empty, each `(B,)`.

    Raises:
        ValueError: the arrays do not match, or are empty.
    """
    true, probabilities = np.asarray(true), np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or true.shape != probabilities.shape[:1] or not len(true):
        raise ValueError(f"Expected N class ids and (N, C) probabilities, got shapes {true.shape} and {probabilities.shape}.")
    confidence, right = probabilities.max(1), probabilities.argmax(1) == true
    bins = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    filled = counts > 0
    means = [np.bincount(bins, values, num_bins)[filled] / counts[filled] for values in (confidence, right)]
    return means[0], means[1], counts[filled]


def expected_calibration_error(true: Any, probabilities: Any, num_bins: int = 15) -> float:
    """Mean over objects of their bin's |accuracy - confidence| (Guo et al. 2017, ICML); 0 is perfect. See `bin_confidences`."""
    confidence, accuracy, counts = bin_confidences(true, probabilities, num_bins)
    return float(np.average(np.abs(accuracy - confidence), weights=counts))


class MacroF1(evaluate.Metric):
    """Macro-F1 as a metric of the `evaluate` library: `evaluate.load` of this file, or the class itself."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Mean over classes of the F1 score; classes without a true or predicted member count as 0.",
            citation="Donoso-Oliva et al. 2023, A&A 670, A54",
            inputs_description="predictions, references: class ids; num_classes: how many there are.",
            features=datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}),
        )

    def _compute(self, predictions: Any, references: Any, num_classes: int) -> dict[str, float]:
        return score_classes(references, predictions, num_classes)
