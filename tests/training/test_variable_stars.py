# Copyright 2026 The astromer_hf developers. MIT licence.
"""Copies of light curves, the loss for labels of any depth, and a classifier over surveys of different classes."""

import numpy as np
import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.light_curves.surveys import SURVEYS
from astromer_hf.light_curves.taxonomy import LEAF_NAMES
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.few_shot import Recipe, build_classifier
from astromer_hf.training.variable_stars import (
    LeafStates,
    choose_points,
    fit_leaf_temperature,
    fit_likely_sets,
    fit_uncertainty,
    label_light_curves,
    leaf_logits,
    leaf_probabilities,
    partial_label_loss,
    shuffle_in_time,
    thin_evenly_in_logarithm,
    train_leaf_head,
    weigh_groups,
)


@pytest.fixture
def curves() -> RaggedLightCurves:
    rng = np.random.default_rng(0)
    lengths = [30, 200, 12, 500]
    times = [np.sort(rng.uniform(0, 1000, n)) for n in lengths]
    magnitudes = [15 + 0.3 * np.sin(time) + number for number, time in enumerate(times)]
    return RaggedLightCurves.from_arrays(times, magnitudes, [np.linspace(0.01, 0.02, n) for n in lengths])


def test_chosen_points_are_a_part_of_each_light_curve_in_order(curves: RaggedLightCurves):
    chosen = choose_points(curves, 50, np.random.default_rng(1))
    assert chosen.lengths.tolist() == [30, 50, 12, 50]
    for one in range(len(curves)):
        whole, part = (set(c.times[c.offsets[one] : c.offsets[one + 1]]) for c in (curves, chosen))
        assert part <= whole
        assert np.all(np.diff(chosen.times[chosen.offsets[one] : chosen.offsets[one + 1]]) > 0)


def test_thinned_copies_have_numbers_of_points_even_in_their_logarithm(curves: RaggedLightCurves):
    many = RaggedLightCurves.concatenate([curves.select(np.array([3]))] * 400)
    lengths = thin_evenly_in_logarithm(many, np.random.default_rng(2)).lengths
    assert lengths.min() >= 20
    assert np.median(lengths) == pytest.approx(np.sqrt(20 * 500), rel=0.15)
    assert thin_evenly_in_logarithm(curves, np.random.default_rng(3)).lengths[2] == 12  # has fewer than 20


def test_shuffled_copies_keep_times_and_either_the_magnitudes_or_the_scatter_of_the_errors(curves: RaggedLightCurves):
    shuffled = shuffle_in_time(curves, np.random.default_rng(4))
    np.testing.assert_array_equal(shuffled.times, curves.times)
    kinds = set()
    for first, last in zip(curves.offsets, curves.offsets[1:], strict=False):
        before, after = curves.magnitudes[first:last], shuffled.magnitudes[first:last]
        assert not np.array_equal(before, after)
        if np.array_equal(np.sort(before), np.sort(after)):
            kinds.add("shuffled")
            order = np.argsort(before)[np.argsort(np.argsort(after))]  # each magnitude takes its error along
            np.testing.assert_array_equal(shuffled.magnitude_errors[first:last], curves.magnitude_errors[first:last][order])
        else:
            kinds.add("constant")
            assert after.std() == pytest.approx(0.015, rel=0.8)
            assert after.mean() == pytest.approx(before.mean(), abs=0.02)
    assert kinds == {"shuffled", "constant"}


def test_the_loss_of_one_allowed_class_is_the_cross_entropy():
    logits, target = torch.randn(7, 5), torch.randint(5, (7,))
    allowed = torch.nn.functional.one_hot(target, 5).bool()
    torch.testing.assert_close(partial_label_loss(logits, allowed), torch.nn.functional.cross_entropy(logits, target))


def test_the_loss_of_several_allowed_classes_sums_their_probabilities():
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    allowed = torch.tensor([[True, True, False], [True, True, True]])
    expected = -torch.stack((logits.softmax(1)[0, :2].sum().log(), torch.tensor(0.0)))
    torch.testing.assert_close(partial_label_loss(logits, allowed), expected.mean())
    weighted = partial_label_loss(logits, allowed, weights=torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(weighted, (3 * expected[0] + expected[1]) / 4)


def test_classes_that_a_survey_does_not_have_play_no_part_in_its_loss():
    logits = torch.tensor([[0.0, 1.0, 9.0]], requires_grad=True)
    loss = partial_label_loss(logits, torch.tensor([[True, False, False]]), torch.tensor([[True, True, False]]))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits[:, :2], torch.tensor([0])))
    loss.backward()
    assert logits.grad[0, 2] == 0


def test_groups_weigh_as_the_root_of_their_number():
    weights = weigh_groups(np.array(["a"] * 4 + ["b"]))
    assert weights[:4].sum() / weights[4] == pytest.approx(2.0)
    assert weights.mean() == pytest.approx(1.0)


def test_a_head_learns_leaves_from_labels_of_different_depth():
    """One survey names both modes of Cepheids, the other only says that a star is one of them."""
    config = AstromerConfig(**TINY)
    rng = np.random.default_rng(5)
    kinds = np.repeat([0, 1], 60)  # fundamental, first overtone
    pooled = rng.normal(size=(120, 3, 2 * config.hidden_size)) + (2.0 * kinds - 1.0)[:, None, None]
    _, told, _ = label_light_curves(SURVEYS["macho_lmc_cepheids_noerr"], np.array(["Cep_0", "Cep_1"])[kinds])
    known, vague, groups = label_light_curves(SURVEYS["sss_catalina_south"], np.array(["LMC-Cep"] * 120))
    assert len(known) == 120
    allowed = np.where((np.arange(120) % 3 == 0)[:, None], vague, told)
    states = LeafStates(pooled.astype(np.float16), np.arange(120), np.full(120, 30), allowed, groups)
    model = build_classifier(
        config, LEAF_NAMES, 0, concatenate_layers=True, classifier_pooling="mean_std", classifier_head="linear"
    )
    history = train_leaf_head(model, states, states.select(np.arange(0, 120, 2)), Recipe(1e-2, 32, max_epochs=20), 0)
    assert history[-1]["loss"] < history[0]["loss"]
    probabilities = leaf_probabilities(states, leaf_logits(model, states))
    modes = [LEAF_NAMES.index("CEP_F"), LEAF_NAMES.index("CEP_1O")]
    assert np.mean(np.array(modes)[kinds] == probabilities.argmax(1)) > 0.95
    assert probabilities[:, modes].sum(1).min() > 0.5


def test_states_of_light_curves_are_those_of_the_encoder(curves: RaggedLightCurves):
    encoder = AstromerModel(AstromerConfig(**TINY)).eval()
    allowed = np.ones((4, len(LEAF_NAMES)), dtype=bool)
    states = LeafStates.compute(encoder, curves, allowed, np.array(list("abcd")))
    assert states.pooled.shape == (len(states.length), 3, 32)
    assert np.bincount(states.object_index).tolist() == [2, 10, 1, 25]  # windows of 20
    both = LeafStates.concatenate([states, states])
    again = both.select(np.arange(4, 8))
    np.testing.assert_array_equal(again.pooled, states.pooled)
    np.testing.assert_array_equal(again.object_index, states.object_index)


def test_the_temperature_of_logits_that_are_too_sure_is_theirs():
    rng = np.random.default_rng(6)
    logits = torch.from_numpy(rng.normal(size=(4000, len(LEAF_NAMES)), scale=1.5)).float()
    drawn = torch.multinomial(logits.softmax(1), 1, generator=torch.Generator().manual_seed(0))[:, 0].numpy()
    allowed = np.eye(len(LEAF_NAMES), dtype=bool)[drawn]
    states = LeafStates(np.zeros((4000, 1, 2), np.float16), np.arange(4000), np.full(4000, 30), allowed, np.full(4000, "a"))
    assert fit_leaf_temperature(states, 3 * logits) == pytest.approx(3, rel=0.08)


def test_likely_sets_hold_the_true_class_as_often_as_they_promise_on_each_survey():
    rng = np.random.default_rng(7)

    def sample(count: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        logits = rng.normal(size=(count, 5), scale=scale)
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        true = (probabilities.cumsum(1) > rng.random((count, 1))).argmax(1)
        return probabilities, np.eye(5, dtype=bool)[true]

    sharp, vague = sample(3000, 4.0), sample(3000, 0.5)
    surveys = np.repeat(["sharp", "vague"], 3000)
    thresholds = fit_likely_sets(np.concatenate((sharp[0], vague[0])), np.concatenate((sharp[1], vague[1])), surveys)
    assert thresholds == sorted(thresholds, reverse=True)
    for scale in (4.0, 0.5):
        probabilities, true = sample(3000, scale)
        assert (probabilities[true] >= thresholds[40]).mean() >= 0.9 - 0.02


def test_the_threshold_of_a_likely_set_is_the_probability_of_the_conformal_rank():
    of_true = np.arange(1, 100) / 100  # of 99 light curves
    probabilities = np.stack((of_true, 1 - of_true), axis=1)
    allowed = np.tile([True, False], (99, 1))
    thresholds = fit_likely_sets(probabilities, allowed, np.full(99, "a"))
    assert thresholds[40] == 0.10  # the tenth smallest: (99 + 1) · (1 - 0.9)
    assert thresholds[0] == 0.50


def test_predictions_above_the_threshold_of_uncertainty_are_right_as_often_as_asked():
    rng = np.random.default_rng(8)
    probability = rng.uniform(0.2, 1, 5000)
    right = rng.random(5000) < probability
    threshold = fit_uncertainty(probability, right, np.ones(5000))
    assert right[probability >= threshold].mean() == pytest.approx(0.95, abs=0.002)
    assert threshold == pytest.approx(0.9, abs=0.04)
    assert fit_uncertainty(probability, np.zeros(5000), np.ones(5000)) == 1.0
