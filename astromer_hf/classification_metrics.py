# Copyright 2026 The astromer_hf developers. MIT licence.
"""Macro-F1 and accuracy of predicted classes, for plain arrays and for the `evaluate` library, without a network.

Before this file stand class ids, after it few-shot tables and `compute_metrics`. All classes count the same in macro-F1, also
one that a fold lacks. The file is a script for `evaluate.load` as well, which is why it imports nothing of the package.
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
