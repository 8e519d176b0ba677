# Copyright 2026 The astromer_hf developers. MIT licence.
"""Temperatures undo what makes a classifier over- or underconfident; dropout at inference is on where it should be alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, AstromerForSequenceClassification, RaggedLightCurves
from astromer_hf.evaluation.classification_metrics import expected_calibration_error
from astromer_hf.evaluation.uncertainty import (
    TEMPERATURES,
    conformal_quantiles,
    dropout_enabled,
    fit_temperature,
    sample_with_dropout,
)
from astromer_hf.inference.classification import LightCurveClassifier, classify_light_curves
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.pipelines_astromer import LightCurveReconstructionPipeline

CURVES = simulate_light_curves(4, seed=1)
RAGGED = RaggedLightCurves.from_arrays([curve.mjd for curve in CURVES], [curve.mag for curve in CURVES])


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(-1).numpy()


def draw(logits: np.ndarray, seed: int) -> np.ndarray:
    """Classes that come as often as the logits say."""
    uniform = np.random.default_rng(seed).random((len(logits), 1))
    return (softmax(logits).cumsum(1) < uniform).sum(1)


@pytest.fixture
def classifier() -> AstromerForSequenceClassification:
    config = AstromerConfig(**TINY, num_labels=3, classifier_hidden_sizes=[16], classifier_dropout=0.5, hidden_dropout_prob=0.0)
    return AstromerForSequenceClassification(config).eval()


# --- Temperature ---


@pytest.mark.parametrize("exaggeration", [0.4, 1.0, 3.0])
def test_the_temperature_is_what_the_logits_were_exaggerated_by(exaggeration):
    logits = np.random.default_rng(0).normal(scale=2, size=(4000, 5))
    labels = draw(logits, 1)
    temperature = fit_temperature(lambda t: softmax(exaggeration * logits / t), labels)
    assert temperature == pytest.approx(exaggeration, rel=0.05)


def test_calibration_lowers_the_error_on_objects_it_was_not_fitted_on():
    logits = np.random.default_rng(2).normal(scale=2, size=(4000, 4))
    labels = draw(logits, 3)
    temperature = fit_temperature(lambda t: softmax(4 * logits[:1000] / t), labels[:1000])
    before, after = (expected_calibration_error(labels[1000:], softmax(4 * logits[1000:] / t)) for t in (1, temperature))
    assert before > 0.15
    assert after < 0.03


def test_a_temperature_by_which_a_few_surprises_spoil_the_calibration_of_all_others_is_not_taken():
    """Well calibrated up to 3 % of wrong labels, for the sake of which the likelihood alone would doubt everything."""
    logits = np.random.default_rng(4).normal(scale=6, size=(2000, 3))
    labels = draw(logits, 5)
    for_sure = np.flatnonzero(softmax(logits).max(1) > 0.999)[:60]
    labels[for_sure] = (labels[for_sure] + 1) % 3

    def losses(temperature: float) -> tuple[float, float]:
        probabilities = softmax(logits / temperature)
        surprise = -np.log(probabilities[np.arange(2000), labels]).mean()
        return surprise, expected_calibration_error(labels, probabilities)

    (surprise, error), (less_surprise, larger_error) = losses(1.0), losses(2.2)
    assert less_surprise < surprise
    assert larger_error > error
    assert fit_temperature(lambda t: softmax(logits / t), labels) == 1


def test_a_few_objects_that_are_all_classified_rightly_do_not_make_a_classifier_certain():
    labels = np.arange(6) % 3
    logits = 4.0 * np.eye(3)[labels]
    temperature = fit_temperature(lambda t: softmax(logits / t), labels)
    assert temperature > 2 * TEMPERATURES[0]
    assert softmax(logits / temperature).max() < 1


def test_the_temperature_of_the_config_divides_the_logits_and_comes_back_from_disk(classifier, tmp_path):
    magnitudes, times = torch.randn(2, 20), torch.arange(20.0).expand(2, -1)
    plain = classifier(magnitudes, times).logits
    classifier.config.classifier_temperature = 2.5
    torch.testing.assert_close(classifier(magnitudes, times).logits, plain / 2.5)
    classifier.save_pretrained(tmp_path)
    loaded = AstromerForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(magnitudes, times).logits, plain / 2.5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(Exception, match="`classifier_temperature` must be positive and finite"):
        AstromerConfig(classifier_temperature=temperature)


def test_a_regression_has_no_temperature():
    with pytest.raises(Exception, match="no probabilities to calibrate"):
        AstromerConfig(classifier_temperature=2.0, problem_type="regression", num_labels=1)


# --- Dropout ---


def test_passes_with_dropout_spread_about_the_prediction_without_it(classifier):
    runner = LightCurveClassifier(classifier)
    without = runner.predict(RAGGED).values
    spread = sample_with_dropout(classifier, lambda: runner.predict(RAGGED).values, num_passes=50)
    assert spread.samples.shape == (50, *without.shape)
    assert (spread.std > 0).all()
    np.testing.assert_allclose(spread.mean, without, atol=0.1)
    np.testing.assert_allclose(spread.samples.sum(2), 1, atol=1e-5)
    np.testing.assert_array_equal(runner.predict(RAGGED).values, without)


def test_a_seed_gives_the_same_passes_and_leaves_the_global_random_state_alone(classifier):
    runner = LightCurveClassifier(classifier)
    state = torch.get_rng_state()
    first, again, other = (
        sample_with_dropout(classifier, lambda: runner.predict(RAGGED).values, num_passes=3, seed=seed).samples
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    torch.testing.assert_close(torch.get_rng_state(), state)


def test_reconstructions_spread_where_the_encoder_has_dropout():
    model = AstromerForMaskedReconstruction(AstromerConfig(**TINY, hidden_dropout_prob=0.2))
    pipe = LightCurveReconstructionPipeline(model, task="light-curve-reconstruction", device="cpu")
    curve = {"mjd": CURVES[0].mjd, "mag": CURVES[0].mag}
    spread = sample_with_dropout(model, lambda: pipe(curve)["reconstruction"], num_passes=5)
    assert spread.mean.shape == CURVES[0].mag.shape
    assert (spread.std > 0).mean() > 0.9


def test_dropout_does_not_touch_the_model_and_ends_with_its_block_and_after_an_error(classifier):
    inputs = torch.ones(4, 20), torch.arange(20.0).expand(4, 20) - 9.5
    with torch.no_grad():
        without = classifier(*inputs).logits
        with pytest.raises(KeyError), dropout_enabled(classifier):  # noqa: PT012
            assert not torch.equal(classifier(*inputs).logits, without)
            assert not any(module.training for module in classifier.modules())
            raise KeyError
        assert torch.equal(classifier(*inputs).logits, without)


@pytest.mark.parametrize("by_hand", [False, True])
def test_classify_light_curves_spreads_inside_a_block_and_with_layers_switched_by_hand(classifier, by_hand):
    def predict() -> np.ndarray:
        return classify_light_curves(classifier, [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]).values

    if by_hand:
        for module in classifier.modules():
            if isinstance(module, torch.nn.Dropout):
                module.train()
        samples = [predict() for _ in range(5)]
    else:
        samples = sample_with_dropout(classifier, predict, num_passes=5).samples
    assert (np.std(samples, axis=0) > 1e-3).all()


def test_two_threads_have_a_dropout_of_their_own(classifier):
    """One samples while the other predicts; both run the same model at the same time."""
    expected = LightCurveClassifier(classifier).predict(RAGGED).values
    alone = sample_with_dropout(
        classifier, lambda: LightCurveClassifier(classifier).predict(RAGGED).values, num_passes=5
    ).samples
    steps = threading.Barrier(2, timeout=60)

    def sample() -> np.ndarray:
        def predict() -> np.ndarray:
            steps.wait()
            return LightCurveClassifier(classifier).predict(RAGGED).values

        return sample_with_dropout(classifier, predict, num_passes=5).samples

    def predict() -> list[np.ndarray]:
        results = []
        for _ in range(5):
            steps.wait()
            results.append(LightCurveClassifier(classifier).predict(RAGGED).values)
        return results

    with ThreadPoolExecutor(2) as pool:
        sampling, predicting = pool.submit(sample), pool.submit(predict)
        np.testing.assert_array_equal(sampling.result(), alone)
        for result in predicting.result():
            np.testing.assert_array_equal(result, expected)


def test_a_model_without_dropout_is_refused_and_told_why():
    model = AstromerForMaskedReconstruction(AstromerConfig(**TINY, hidden_dropout_prob=0.0))
    with pytest.raises(ValueError, match=r"no layer that drops anything \(`hidden_dropout_prob` 0.0, .*astromer-hf fit"):
        sample_with_dropout(model, lambda: np.zeros(1))


def test_one_pass_has_no_spread(classifier):
    with pytest.raises(ValueError, match="at least 2, got 1"):
        sample_with_dropout(classifier, lambda: np.zeros(1), num_passes=1)


def test_conformal_quantiles_hold_on_stars_like_those_they_were_fitted_to():
    generator = np.random.default_rng(0)
    ratios = [np.abs(generator.normal(size=generator.integers(5, 60))) * generator.lognormal(0, 0.3) for _ in range(1500)]
    fitted, others = ratios[:500], ratios[500:]
    quantiles = conformal_quantiles(fitted, (0.68, 0.90))
    for coverage, quantile in zip((0.68, 0.90), quantiles, strict=True):
        assert np.mean([np.mean(star <= quantile) for star in others]) == pytest.approx(coverage, abs=0.015)


def test_every_star_counts_the_same_and_what_has_no_scale_does_not_count():
    many, few = np.full(1000, 5.0), [np.full(2, 1.0) for _ in range(99)]
    (quantile,) = conformal_quantiles([many, *few, np.full(3, np.nan), np.array([])], [0.9])
    assert quantile == 1.0


def test_an_infinite_ratio_is_outside_of_any_interval():
    stars = [np.array([1.0, 2.0, 3.0, np.inf])] * 100
    assert conformal_quantiles(stars, [0.3, 0.7]) == [2.0, 3.0]  # of four, not of the three finite ones
    with pytest.raises(ValueError, match=r"No finite interval holds 90%.* 100 of 400 have a scale of 0"):
        conformal_quantiles(stars, [0.68, 0.9])


def test_a_handful_of_stars_promises_no_high_coverage():
    with pytest.raises(ValueError, match=r"5 stars .* too few for a coverage of 90%"):
        conformal_quantiles([np.ones(10)] * 5, (0.68, 0.90))
