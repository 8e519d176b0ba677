# Copyright 2026 The astromer_hf developers. MIT licence.
"""Periods of simulated stars are found more often than by a plain periodogram, and noise has none."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.timeseries import LombScargle
from evaluate_periods import GAIA

from astromer_hf import AstromerConfig
from astromer_hf.evaluation.periods import NoPeriodError, Period, find_period, periodogram
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, LightCurve, simulate_light_curves
from astromer_hf.model.folding_astromer import AstromerPeriodogram

PERIODIC = ["RRab", "RRc", "Cepheid", "EclipsingBinary", "DSCT"]
CADENCES = {
    "nightly": replace(SIMULATED_SURVEYS["asas_like"], min_points=100, max_points=300, duration_days=1000.0),
    "Catalina South": replace(SIMULATED_SURVEYS["catalina_like"], min_points=60, max_points=200),
    "Gaia": GAIA,
}


def find(curve: LightCurve) -> Period:
    return find_period(curve.mjd, curve.mag, curve.magerr)


def sinusoid(period: float = 0.61, count: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mjd = np.sort(58000 + rng.uniform(0, 300, count))
    mag = 15 - 0.2 * np.cos(2 * np.pi * (mjd - 58010.1) / period) + rng.normal(0, 0.02, count)
    return mjd, mag, np.full(count, 0.02)


def strongest(curve: LightCurve) -> float:
    """The period of the highest peak of the plain periodogram, which another test compares with astropy's."""
    mag = curve.mag - np.average(curve.mag, weights=curve.magerr**-2)
    weights = curve.magerr**-2 / np.mean(curve.magerr**-2)
    spectrum = periodogram(curve.mjd - curve.mjd.mean(), mag, weights, max_frequency=25.0)
    lowest = math.ceil(1 / np.ptp(curve.mjd) / spectrum.step)
    return float(1 / (spectrum.step * (lowest + spectrum.power[lowest:].argmax())))


@pytest.mark.parametrize("cadence", CADENCES)
def test_more_periods_are_right_than_by_a_plain_periodogram(cadence: str):
    curves = simulate_light_curves(20, survey=CADENCES[cadence], classes=PERIODIC, seed=1)
    truth = np.array([curve.period_days for curve in curves])

    def right(found: list[float], multiples: tuple[float, ...] = (1,)) -> float:
        return float(np.any([np.abs(np.array(found) * k / truth - 1) < 0.01 for k in multiples], axis=0).mean())

    ours, plain = [find(curve).period for curve in curves], [strongest(curve) for curve in curves]
    assert right(ours) > right(plain)
    assert right(ours, (1, 2, 0.5)) >= right(plain, (1, 2, 0.5))
    assert right(ours) >= {"nightly": 0.95, "Catalina South": 0.5, "Gaia": 0.75}[cadence]


def test_period_amplitude_and_epochs_are_those_of_a_sinusoid():
    mjd, mag, magerr = sinusoid()
    order = np.random.default_rng(1).permutation(len(mjd))
    found = find_period(mjd[order], mag[order], magerr[order])
    assert found.period == pytest.approx(0.61, rel=1e-4)
    assert found.amplitude == pytest.approx(0.4, abs=0.02)
    assert found.num_harmonics == 1
    assert found.is_significant
    assert found.false_alarm_probability == pytest.approx(10**-found.significance, rel=1e-6, abs=1e-300)
    for epoch, expected in ((found.epoch_of_maximum, 58010.1), (found.epoch_of_minimum, 58010.1 + 0.61 / 2)):
        assert mjd[0] <= epoch < mjd[0] + found.period
        assert abs((epoch - expected) / 0.61 - round((epoch - expected) / 0.61)) < 0.03
    frequencies = {one.kind: 1 / one.period for one in found.alternatives}
    own = 1 / found.period
    assert frequencies == pytest.approx({"half": 2 * own, "double": own / 2, "alias +1": own + 1, "alias -1": own - 1})
    explained = {one.kind: one.explained for one in found.alternatives}
    assert explained["half"] < 0.5 < found.explained
    assert explained["double"] > 0.9  # two cycles of it


def test_a_binary_with_unequal_eclipses_has_its_whole_period():
    rng = np.random.default_rng(0)
    mjd = np.sort(rng.uniform(0, 200, 120))
    phases = 2 * np.pi * mjd / 0.8
    mag = 0.3 * np.cos(2 * phases) + 0.05 * np.cos(phases) + 0.02 * rng.normal(size=120)
    found = find_period(mjd, mag)
    assert found.period == pytest.approx(0.8, rel=1e-3)
    assert found.epoch_of_minimum % 0.8 == pytest.approx(0.0, abs=0.02) or found.epoch_of_minimum % 0.8 > 0.78


@pytest.mark.parametrize("cadence", CADENCES)
def test_the_false_alarm_probability_is_that_of_magnitudes_shuffled_in_time(cadence: str):
    rng = np.random.default_rng(2)
    probabilities = []
    for curve in simulate_light_curves(70, survey=CADENCES[cadence], seed=3):
        order = rng.permutation(len(curve.mjd))
        probabilities.append(find_period(curve.mjd, curve.mag[order], curve.magerr[order]).false_alarm_probability)
    found = np.sort(probabilities)
    for level in (0.05, 0.2, 0.5):  # at most so often, up to two standard deviations of 70 draws; and not never
        assert (found < level).mean() <= level + 2 * np.sqrt(level * (1 - level) / len(found))
    assert (found < 0.5).mean() > 0.1
    assert found[0] > 1e-3


def test_constant_stars_have_no_significant_period_and_variable_ones_have():
    constant = simulate_light_curves(15, survey=CADENCES["nightly"], classes=["Constant"], seed=4)
    assert not any(find(curve).is_significant for curve in constant)
    assert all(find(curve).is_significant for curve in simulate_light_curves(15, survey=CADENCES["nightly"], classes=PERIODIC))


def test_a_trend_over_nights_is_no_period_of_a_day_or_its_parts():
    mjd = 53000.5 + np.arange(30)
    for times in (mjd, mjd + np.random.default_rng(0).uniform(0, 0.05, 30)):
        found = find_period(times, np.linspace(15, 16, 30))
        assert not found.is_significant or found.period > 5


def test_a_period_that_is_left_out_as_a_trend_is_named_if_it_fits_better():
    rng = np.random.default_rng(0)
    mjd = 53000.5 + np.arange(200) + rng.uniform(0, 0.1, 200)
    for period in (0.9965, 0.4991):  # less than a cycle out of step with the nights after the whole span
        mag = 15 + 0.3 * np.sin(2 * np.pi * mjd / period) + rng.normal(0, 0.01, 200)
        found = find_period(mjd, mag)
        left_out = {one.kind: one for one in found.alternatives}["near a day"]
        assert left_out.period == pytest.approx(period, rel=1e-3)
        assert left_out.explained > found.explained
    mag = 15 + 0.3 * np.sin(2 * np.pi * mjd / 0.50001) + rng.normal(0, 0.01, 200)  # hardly a trend
    found = find_period(mjd, mag)
    assert not found.is_significant
    assert next(one.explained for one in found.alternatives if one.kind == "near a day") > 0.9
    other = 15 + 0.3 * np.sin(2 * np.pi * mjd / 0.61) + rng.normal(0, 0.01, 200)
    assert "near a day" not in {one.kind for one in find_period(mjd, other).alternatives}


def test_a_doubtful_observation_counts_less():
    mjd, mag, magerr = sinusoid()
    mag[::10] += np.random.default_rng(3).normal(0, 3, len(mag[::10]))
    magerr[::10] = 3
    assert find_period(mjd, mag, magerr).explained > 0.9
    assert find_period(mjd, mag).explained < 0.6
    magerr[1] = np.nan  # unknown: as the median
    assert find_period(mjd, mag, magerr).period == pytest.approx(0.61, rel=1e-4)


def test_zero_points_of_time_and_magnitude_change_nothing():
    mjd, mag, magerr = sinusoid()
    first, second = find_period(mjd, mag, magerr), find_period(mjd - 58000, mag + 3, magerr)
    assert second.period == pytest.approx(first.period, rel=1e-8)
    assert second.epoch_of_maximum + 58000 == pytest.approx(first.epoch_of_maximum, abs=1e-6)
    assert second.significance == pytest.approx(first.significance, rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_periodogram_is_astropys(weighted: bool):
    mjd, mag, magerr = sinusoid()
    magerr = magerr * np.random.default_rng(1).uniform(1, 2, len(mjd))
    weights = magerr**-2 / np.mean(magerr**-2.0) if weighted else None
    spectrum = periodogram(mjd - mjd.mean(), mag - np.average(mag, weights=weights), weights, max_frequency=5.0)
    grid = np.arange(len(spectrum.power)) * spectrum.step
    used = slice(spectrum.first, None)
    power = LombScargle(mjd, mag, magerr if weighted else None).power(grid[used], method="slow")
    np.testing.assert_allclose(spectrum.power[used], power, atol=2e-4)


def test_the_periodogram_of_the_network_finds_the_same_periods():
    """Of light curves that fit into a window, with what the network's grid can resolve."""
    config = AstromerConfig(num_folding_periods=1, num_candidate_periods=16, num_frequencies=16384, max_frequency=10.0)
    survey = replace(SIMULATED_SURVEYS["ztf_like"], duration_days=400.0, min_points=150, max_points=190)
    curves = simulate_light_curves(16, survey=survey, classes=["RRab", "RRc", "Cepheid"], seed=2)
    same = 0
    for curve in curves:
        times = torch.tensor(curve.mjd - curve.mjd.mean(), dtype=torch.float32)[None]
        magnitudes = torch.tensor(curve.mag - curve.mag.mean(), dtype=torch.float32)[None]
        folded = AstromerPeriodogram(config)(magnitudes, times, torch.ones_like(times, dtype=torch.bool))
        same += abs(float(folded.frequencies[0, 0]) * find_period(curve.mjd, curve.mag, min_period=0.1).period - 1) < 0.01
    assert same >= 14


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mjd": slice(7)}, "needs 8 observations or more, this light curve has 7"),
        ({"mag": np.nan}, "needs 8 observations or more, this light curve has 0"),
        ({"mag": 15.0}, "All 120 magnitudes are equal: the star is constant and has no period"),
        ({"mjd": 58000.0}, "All 120 observations have the same time"),
        ({"max_period": 0.01}, "No period fits: the range is from 0.04 to 0.01 days"),
    ],
)
def test_what_cannot_have_a_period_is_said(change: dict, message: str):
    mjd, mag, magerr = sinusoid()
    options = {}
    for name, value in change.items():
        if isinstance(value, slice):
            mjd, mag, magerr = mjd[value], mag[value], magerr[value]
        elif name == "mag":
            mag = np.full(len(mag), value)
        elif name == "mjd":
            mjd = np.full(len(mjd), value)
        else:
            options[name] = value
    with pytest.raises(NoPeriodError, match=message):
        find_period(mjd, mag, magerr, **options)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"of one length, got the shapes \[\(3,\), \(4,\)\]"):
        find_period(np.arange(3), np.arange(4))
    with pytest.raises(ValueError, match="min_period must be above 0"):
        find_period(*sinusoid(), min_period=0.0)
