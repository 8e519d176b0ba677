# Copyright 2026 The astromer_hf developers. MIT licence.
"""Baselines see visible magnitudes only, follow their units and zero points, and are as good as their kind can be."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score

from astromer_hf.baselines.reconstruction_baselines import BASELINES, find_frequency, interpolate_linearly, predict_mean
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves

SURVEY = replace(
    SIMULATED_SURVEYS["macho_like"],
    duration_days=500.0,
    min_points=160,
    max_points=300,
    noise_floor=0.02,
    noise_at_faint_end=0.02,
)
Window = tuple[np.ndarray, np.ndarray, np.ndarray]

every_baseline = pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)


def simulate_windows(variable_class: str, count: int, seed: int = 0) -> list[tuple[Window, float]]:
    """Windows of 160 observations, half of them visible, and the true period in days."""
    rng = np.random.default_rng(seed)
    windows = []
    for curve in simulate_light_curves(count, seed=seed, survey=SURVEY, classes=[variable_class]):
        visible = np.zeros(160, dtype=bool)
        visible[rng.permutation(160)[:80]] = True
        windows.append(((curve.mjd[:160] - curve.mjd[0], curve.mag[:160], visible), curve.period_days))
    return windows


def r2_of_hidden(name: str, windows: list[tuple[Window, float]]) -> float:
    """The median over windows."""
    return float(np.median([r2_score(window[1][~window[2]], BASELINES[name](*window)[~window[2]]) for window, _ in windows]))


@pytest.fixture(scope="module")
def window() -> Window:
    return tuple(array[:80] for array in simulate_windows("RRab", 1)[0][0])


@every_baseline
def test_hidden_magnitudes_are_not_read(baseline, window):
    times, magnitudes, visible = window
    expected = baseline(times, magnitudes, visible)
    assert expected.shape == times.shape
    assert np.isfinite(expected).all()
    assert np.array_equal(baseline(times, np.where(visible, magnitudes, np.nan), visible), expected)


@every_baseline
def test_predictions_follow_the_zero_points_and_the_unit_of_magnitudes(baseline, window):
    times, magnitudes, visible = window
    expected = 3 * baseline(times, magnitudes, visible) - 7
    assert np.allclose(baseline(times + 1000, 3 * magnitudes - 7, visible), expected, atol=1e-2)


@every_baseline
@pytest.mark.parametrize("num_visible", [1, 2, 5, 30])
def test_few_and_equal_magnitudes_are_predicted_everywhere(baseline, num_visible):
    times = np.sort(np.random.default_rng(0).uniform(0, 50, 60))
    visible = np.arange(60) % 60 < num_visible
    assert baseline(times, np.full(60, 14.5), visible) == pytest.approx(14.5)


@every_baseline
def test_repeated_times_do_no_harm(baseline):
    times = np.repeat([0.0, 1.0, 2.5, 7.0, 7.5, 9.0], 10)
    magnitudes = np.random.default_rng(0).normal(size=60)
    prediction = baseline(times, magnitudes, np.arange(60) % 2 == 0)
    assert np.abs(prediction).max() < 3


def test_the_mean_is_that_of_the_visible_magnitudes():
    visible = np.array([True, False, True])
    assert np.array_equal(predict_mean(np.arange(3.0), np.array([1.0, 100.0, 3.0]), visible), [2, 2, 2])


def test_linear_interpolation_is_in_time_and_flat_beyond_the_ends():
    times = np.array([0.0, 1.0, 4.0, 5.0, 9.0])
    visible = np.array([False, True, False, True, False])
    assert np.array_equal(interpolate_linearly(times, times, visible), [1, 1, 4, 5, 5])


@pytest.mark.parametrize("variable_class", ["RRab", "RRc"])
def test_the_true_period_is_found(variable_class):
    for (times, magnitudes, visible), period in simulate_windows(variable_class, 4):
        frequency, _ = find_frequency(times[visible], magnitudes[visible])
        assert abs(frequency - 1 / period) * np.ptp(times) < 0.1  # cycles lost from the first observation to the last


def test_an_eclipsing_binary_is_folded_on_its_whole_period():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 200, 80))
    phases = 2 * np.pi * times / 0.8
    magnitudes = 0.3 * np.cos(2 * phases) + 0.05 * np.cos(phases) + 0.02 * rng.normal(size=80)  # eclipses of unequal depth
    assert find_frequency(times, magnitudes)[0] == pytest.approx(1 / 0.8, abs=1e-3)


def test_noise_has_no_period():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 100, (20, 80)))
    assert sum(find_frequency(row, rng.normal(size=80)) is not None for row in times) <= 2


def test_each_baseline_has_its_kind_of_star():
    short, long = simulate_windows("RRab", 2), simulate_windows("LPV", 2)
    of_short, of_long = ({name: r2_of_hidden(name, windows) for name in BASELINES} for windows in (short, long))
    assert all(of_short[name] > 0.9 for name in ("lomb_scargle", "periodic_gaussian_process"))
    assert all(of_short[name] < 0.1 for name in ("mean", "linear", "gaussian_process"))
    assert all(of_long[name] > 0.98 for name in BASELINES if name != "mean")
    assert of_long["gaussian_process"] > of_long["linear"]
