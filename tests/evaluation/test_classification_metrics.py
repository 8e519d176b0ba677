# Copyright 2026 The astromer_hf developers. MIT licence.
"""Macro-F1 counts every class the same, also those that a fold lacks, and `evaluate` gives the same without a network."""

import evaluate
import numpy as np
import pytest

from astromer_hf.evaluation import classification_metrics
from astromer_hf.evaluation.classification_metrics import MacroF1, bin_confidences, expected_calibration_error, score_classes

TRUE, PREDICTED = [0, 0, 1, 1, 2], [0, 1, 1, 1, 0]


def test_the_scores_are_what_their_definitions_say():
    # F1 = 2·hits / (true + predicted): 2/4, 4/5, 0
    scores = score_classes(TRUE, PREDICTED, 3)
    assert scores == {"macro_f1": pytest.approx((0.5 + 0.8 + 0) / 3), "accuracy": pytest.approx(3 / 5)}


def test_a_class_that_is_nowhere_counts_as_zero():
    assert score_classes([0, 1], [0, 1], 4) == {"macro_f1": 0.5, "accuracy": 1.0}


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 1], [0], "of one length, got shapes"),
        ([], [], "of one length, got shapes"),
        ([0, 3], [0, 1], "Expected class ids from 0 to 2, got 0 to 3"),
        ([0, -1], [0, 1], "got -1 to 1"),
    ],
)
def test_impossible_ids_are_refused(true: list[int], predicted: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        score_classes(true, predicted, 3)


def test_evaluate_gives_the_same_batch_by_batch_and_from_the_file(tmp_path):
    expected = score_classes(TRUE, PREDICTED, 3)
    metric = MacroF1(keep_in_memory=True)
    metric.add_batch(predictions=PREDICTED[:2], references=TRUE[:2])
    metric.add_batch(predictions=np.array(PREDICTED[2:]), references=np.array(TRUE[2:]))
    assert metric.compute(num_classes=3) == expected
    loaded = evaluate.load(classification_metrics.__file__, cache_dir=str(tmp_path))
    assert loaded.compute(predictions=PREDICTED, references=TRUE, num_classes=3) == expected


# --- Calibration ---

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.95, 0.0, 0.05], [0.2, 0.5, 0.3], [0.1, 0.55, 0.35], [1.0, 0.0, 0.0]])


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy_weighted_by_the_objects_of_a_bin():
    confidence, accuracy, counts = bin_confidences([0, 1, 1, 1, 0], PROBABILITIES, 5)
    np.testing.assert_allclose(confidence, [(0.5 + 0.55) / 2, (0.9 + 0.95 + 1) / 3])
    np.testing.assert_allclose(accuracy, [1, 2 / 3])
    assert counts.tolist() == [2, 3]
    expected = (2 * abs(1 - 0.525) + 3 * abs(2 / 3 - 0.95)) / 5
    assert expected_calibration_error([0, 1, 1, 1, 0], PROBABILITIES, 5) == pytest.approx(expected)


def test_a_classifier_that_is_right_as_often_as_it_says_has_no_calibration_error():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.5] * 4, 200_000)
    true = (probabilities.cumsum(1) < rng.random((len(probabilities), 1))).sum(1)
    assert expected_calibration_error(true, probabilities) < 0.005
    assert expected_calibration_error((true + 1) % 4, probabilities) > 0.3


@pytest.mark.parametrize(("true", "probabilities"), [([0, 1], PROBABILITIES), ([], np.empty((0, 3))), ([0], [0.5])])
def test_probabilities_that_do_not_belong_to_the_classes_are_refused(true, probabilities):
    with pytest.raises(ValueError, match=r"Expected N class ids and \(N, C\) probabilities, got shapes"):
        expected_calibration_error(true, probabilities)
