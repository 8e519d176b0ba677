# Copyright 2026 The astromer_hf developers. MIT licence.
"""Copies of stars as another survey would have seen them."""

import numpy as np
import pytest

from astromer_hf.baselines.hand_crafted_features import extract_features
from astromer_hf.evaluation.periods import find_period
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.transplants import SurveyStars, transplant

PERIOD = 0.57


def survey(number: int, points: int, span: float, error: float | None, amplitude: float = 0.0, seed: int = 0) -> SurveyStars:
    """Stars of one period, or constant ones."""
    rng = np.random.default_rng(seed)
    times = [np.sort(rng.uniform(0, span, points)) for _ in range(number)]
    noise = 0.02 if error is None else error
    waves = [np.cos(2 * np.pi * time / PERIOD) + 0.3 * np.cos(4 * np.pi * time / PERIOD) for time in times]
    magnitudes = [12 + amplitude * wave + noise * rng.standard_normal(points) for wave in waves]
    curves = RaggedLightCurves.from_arrays(times, magnitudes, None if error is None else [np.full(points, error)] * number)
    return SurveyStars(curves, extract_features(curves)[0])


@pytest.fixture(scope="module")
def stars() -> SurveyStars:
    return survey(6, 150, 900.0, 0.02, amplitude=0.3)


@pytest.fixture(scope="module")
def others() -> dict[str, SurveyStars]:
    return {"precise": survey(8, 90, 2000.0, 0.004, seed=1), "noisy": survey(8, 60, 300.0, 0.1, seed=2)}


def test_a_copy_has_the_period_of_the_star_and_the_times_and_errors_of_another_survey(
    stars: SurveyStars, others: dict[str, SurveyStars]
):
    curves, sources, seen_by = transplant(stars, range(6), others, 2, 400, np.random.default_rng(0))
    assert sources.tolist() == [star for star in range(6) for _ in range(2)]
    assert {tuple(sorted(pair)) for pair in seen_by.reshape(6, 2)} == {("noisy", "precise")}
    for one, name in enumerate(seen_by):
        own = slice(curves.offsets[one], curves.offsets[one + 1])
        other = others[str(name)].curves
        seen = [i for i in range(8) if np.isin(curves.times[own], other.times[other.offsets[i] : other.offsets[i + 1]]).all()]
        assert len(seen) == 1
        np.testing.assert_array_equal(curves.magnitude_errors[own], {"precise": 0.004, "noisy": 0.1}[str(name)])
        period = find_period(curves.times[own], curves.magnitudes[own]).period
        assert period == pytest.approx(PERIOD, rel=1e-3)


def test_a_copy_scatters_about_its_period_by_the_errors_of_the_survey(stars: SurveyStars, others: dict[str, SurveyStars]):
    curves, _, seen_by = transplant(stars, range(6), others, 2, 400, np.random.default_rng(0))
    residuals = extract_features(curves)[0]
    scatter = SurveyStars(curves, residuals).feature("period_residual")
    assert np.median(scatter[seen_by == "precise"]) == pytest.approx(0.004, rel=0.6)
    assert np.median(scatter[seen_by == "noisy"]) == pytest.approx(0.1, rel=0.4)


def test_a_copy_of_a_long_light_curve_is_of_observations_that_follow_each_other(
    stars: SurveyStars, others: dict[str, SurveyStars]
):
    curves, _, _ = transplant(stars, range(6), {"precise": others["precise"]}, 1, 30, np.random.default_rng(0))
    assert curves.lengths.tolist() == [30] * 6
    for times in np.split(curves.times, curves.offsets[1:-1]):
        own = next(
            whole
            for whole in np.split(others["precise"].curves.times, others["precise"].curves.offsets[1:-1])
            if np.isin(times, whole).all()
        )
        first = np.searchsorted(own, times[0])
        np.testing.assert_array_equal(own[first : first + 30], times)


def test_stars_without_a_period_and_surveys_without_quiet_stars_give_no_copies(others: dict[str, SurveyStars]):
    constant = survey(3, 100, 900.0, 0.02, seed=4)
    assert len(transplant(constant, range(3), others, 2, 400, np.random.default_rng(0))[0]) == 0
    faint = survey(3, 300, 900.0, 0.01, amplitude=0.03, seed=5)
    _, sources, seen_by = transplant(faint, range(3), others, 2, 400, np.random.default_rng(0))
    assert set(seen_by) == {"precise"}  # in the noisy one they would not be seen
    assert sources.tolist() == [0, 1, 2]


def test_a_survey_without_errors_gives_copies_without_errors_and_with_its_scatter(stars: SurveyStars):
    bare = survey(8, 90, 2000.0, None, amplitude=0.3, seed=6)
    curves, _, _ = transplant(stars, range(6), {"bare": bare}, 1, 400, np.random.default_rng(0))
    assert np.isnan(curves.magnitude_errors).all()
    scatter = SurveyStars(curves, extract_features(curves)[0]).feature("period_residual")
    assert np.median(scatter) == pytest.approx(0.02, rel=0.6)


def test_two_modes_of_a_star_are_both_copied():
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 900, 300))
    modes = 0.3 * np.cos(2 * np.pi * times / 0.41) + 0.1 * np.cos(2 * np.pi * times / 0.551)
    curves = RaggedLightCurves.from_arrays([times], [12 + modes + 0.01 * rng.standard_normal(300)], [np.full(300, 0.01)])
    variation = SurveyStars(curves, extract_features(curves)[0]).variation(0)
    assert variation is not None
    assert variation.periods == pytest.approx((0.41, 0.551), rel=1e-3)
    np.testing.assert_allclose(variation.at(times - times.mean()), modes - modes.mean(), atol=0.03)
    assert variation.rms == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
