# Copyright 2026 The astromer_hf developers. MIT licence.
"""Features find periods and shapes, ignore zero points, and are NaN, never an exception, where a curve does not define them."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from forks import forked_workers
from sklearn.metrics import f1_score

from astromer_hf import RaggedLightCurves
from astromer_hf.baselines.hand_crafted_features import MAX_FREQUENCY, extract_features, random_forest
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, LightCurve, simulate_light_curves

BRIGHTNESS = {"mean", "median", "weighted_mean"}


def gather(curves: list[LightCurve]) -> RaggedLightCurves:
    mjd, mag, magerr = ([getattr(curve, name) for curve in curves] for name in ("mjd", "mag", "magerr"))
    return RaggedLightCurves.from_arrays(mjd, mag, magerr)


def extract(mjd, mag, magerr=None, **kwargs) -> dict[str, float]:
    """The features of one curve by name."""
    values, names = extract_features(RaggedLightCurves.from_arrays(mjd, mag, magerr), **kwargs)
    assert values.shape == (1, len(names))
    return dict(zip(names, values[0], strict=True))


def irregular_times(count: int = 200, span: float = 500.0) -> np.ndarray:
    return np.sort(np.random.default_rng(0).uniform(0, span, count))


@pytest.fixture(scope="module")
def curves() -> list[LightCurve]:
    return simulate_light_curves(7, survey="catalina_like")


def test_every_simulated_curve_defines_every_feature(curves):
    values, names = extract_features(gather(curves), with_brightness=True)
    assert values.shape == (7, len(names))
    assert values.dtype == np.float64
    assert len(set(names)) == len(names)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("period", [1.1 / MAX_FREQUENCY, 0.31, 2.7, 45.0])
def test_the_period_and_amplitude_of_a_sinusoid_are_found(period):
    mjd = irregular_times()
    noise = np.random.default_rng(1).normal(0, 0.05, len(mjd))
    features = extract(mjd, 14 + 0.3 * np.sin(2 * np.pi * mjd / period) + noise)
    assert abs(1 / features["period"] - 1 / period) * np.ptp(mjd) < 0.1  # cycles lost from the first observation to the last
    assert features["fourier_amplitude"] == pytest.approx(0.3, abs=0.02)
    assert features["period_num_harmonics"] == 1


def test_fourier_parameters_are_those_of_the_sine_series():
    mjd, period = irregular_times(), 0.57
    angles = 2 * np.pi * mjd / period + 1.0
    mag = 15 + 0.4 * np.sin(angles) + 0.2 * np.sin(2 * angles + 2.4) + 0.1 * np.sin(3 * angles + 5.1)
    features = extract(mjd, mag + np.random.default_rng(1).normal(0, 0.01, len(mjd)))
    assert features["period"] == pytest.approx(period, rel=1e-4)
    expected = {"fourier_r21": 0.5, "fourier_r31": 0.25, "fourier_phi21": 2.4, "fourier_phi31": 5.1}
    for name, value in expected.items():
        assert features[name] == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize("variable_class", ["RRab", "RRc", "DSCT"])
def test_the_true_periods_of_pulsating_stars_are_found(variable_class):
    stars = simulate_light_curves(6, seed=1, survey="macho_like", classes=[variable_class])
    values, names = extract_features(gather(stars))
    truth = np.array([star.period_days for star in stars])
    found = values[:, names.index("period")]
    assert np.abs(found / truth - 1)[truth > 1 / MAX_FREQUENCY] == pytest.approx(0, abs=1e-3)


def test_an_eclipsing_binary_shows_both_eclipses_on_its_period_or_half_of_it():
    stars = simulate_light_curves(6, seed=1, survey="macho_like", classes=["EclipsingBinary"])
    values, names = extract_features(gather(stars))
    ratios = np.array([star.period_days for star in stars]) / values[:, names.index("period")]
    assert np.abs(ratios / np.round(ratios) - 1).max() < 1e-3
    assert set(np.round(ratios)) <= {1, 2}


def test_the_second_mode_of_a_star_is_found():
    mjd = irregular_times()
    mag = 15 + 0.3 * np.sin(2 * np.pi * mjd / 0.4) + 0.1 * np.sin(2 * np.pi * mjd / (0.4 / 0.744))
    features = extract(mjd, mag + np.random.default_rng(1).normal(0, 0.02, len(mjd)))
    assert features["period"] == pytest.approx(0.4, rel=1e-3)
    assert features["second_1_ratio"] == pytest.approx(0.744, abs=0.01)


def test_eclipses_of_unequal_depth_are_told_apart_on_twice_the_period():
    mjd = irregular_times(400)
    phases = mjd / 3.3 % 1
    primary, secondary = (np.exp(-0.5 * (np.abs((phases - at + 0.5) % 1 - 0.5) / 0.04) ** 2) for at in (0.0, 0.5))
    features = extract(mjd, 12 + 0.5 * primary + 0.25 * secondary + np.random.default_rng(1).normal(0, 0.01, 400))
    fold = "folded" if features["period"] > 2 else "folded_twice"
    assert features[f"{fold}_second_depth"] == pytest.approx(0.5, abs=0.1)
    assert features[f"{fold}_skew"] > 1


def test_shifts_of_time_and_the_order_of_observations_change_nothing(curves):
    expected, _ = extract_features(gather(curves))
    shuffled = []
    for curve in curves:
        order = np.random.default_rng(0).permutation(len(curve.mjd))
        shuffled.append([column[order] for column in (curve.mjd + 4096, curve.mag, curve.magerr)])
    values, _ = extract_features(RaggedLightCurves.from_arrays(*map(list, zip(*shuffled, strict=True))))
    assert np.allclose(values, expected, rtol=1e-4, atol=1e-6)


def test_without_brightness_a_fainter_star_has_the_same_features(curves):
    bright = gather(curves)
    faint = RaggedLightCurves(bright.times, bright.magnitudes + 2, bright.magnitude_errors, bright.offsets)
    assert np.allclose(extract_features(bright)[0], extract_features(faint)[0], rtol=1e-4, atol=1e-6)


def test_brightness_is_left_out_unless_asked_for(curves):
    (without, names), (with_it, all_names) = (
        extract_features(gather(curves), with_brightness=asked) for asked in (False, True)
    )
    assert not BRIGHTNESS & set(names)
    assert set(all_names) >= BRIGHTNESS
    assert all_names[: len(names)] == names
    assert np.array_equal(with_it[:, : len(names)], without)
    assert with_it[:, all_names.index("mean")] == pytest.approx([curve.mag.mean() for curve in curves])


@pytest.mark.parametrize("with_brightness", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9, 12, 30])
@pytest.mark.parametrize("kind", ["varying", "constant", "at one time", "at two times"])
def test_short_and_degenerate_curves_give_no_exception(kind, count, with_brightness):
    rng = np.random.default_rng(0)
    mjd = np.sort(rng.uniform(0, 50, count))
    if kind.startswith("at"):
        mjd = np.where(np.arange(count) < (count // 2 if kind == "at two times" else 0), 5.0, 6.0)
    mag = np.full(count, 14.3) if kind == "constant" else 14.3 + rng.normal(size=count)
    features = extract([mjd], [mag], with_brightness=with_brightness)
    assert not np.isinf(list(features.values())).any()
    assert np.isfinite(features["amplitude"]) == (count > 0)
    assert np.isfinite(features["period"]) == (count >= 8 and kind in ("varying", "at two times"))


def test_missing_errors_are_filled_with_one_error_for_the_curve(curves):
    curve = curves[0]
    errors = np.where(np.arange(len(curve.mjd)) % 2, 0.1, np.nan)
    assert extract(curve.mjd, curve.mag, errors) == extract(curve.mjd, curve.mag, np.full(len(errors), 0.1))
    none, unknown = extract(curve.mjd, curve.mag), extract(curve.mjd, curve.mag, np.full(len(errors), np.nan))
    assert none == unknown
    assert none["linear_fit_reduced_chi2"] == pytest.approx(1, abs=0.1)
    assert all(np.isfinite(value) for value in none.values())


def test_only_features_of_the_errors_change_with_them(curves):
    curve = curves[0]
    first, second = extract(curve.mjd, curve.mag, curve.magerr), extract(curve.mjd, curve.mag)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"chi2", "roms", "stetson_K", "linear_fit_slope", "linear_fit_slope_sigma", "linear_fit_reduced_chi2"}


def test_processes_share_the_work_and_keep_the_order():
    curves = gather(simulate_light_curves(20, survey="catalina_like"))
    with forked_workers():
        shared, _ = extract_features(curves, num_processes=2)
    assert np.array_equal(shared, extract_features(curves)[0])


def test_no_curves_give_no_rows(curves):
    values, names = extract_features(gather(curves).select(np.arange(0)))
    assert values.shape == (0, len(names))


# A periodogram takes as long as the span of the observations, of which long periods need three years.
SURVEY = replace(SIMULATED_SURVEYS["catalina_like"], min_points=150, max_points=250, duration_days=1000.0)


def test_the_forest_separates_simulated_classes():
    classes = ["RRab", "RRc", "EclipsingBinary", "LPV"]
    (train, labels), (test, truth) = (
        (extract_features(gather(stars))[0], [star.label for star in stars])
        for stars in (simulate_light_curves(40, seed=seed, survey=SURVEY, classes=classes) for seed in (0, 1))
    )
    predicted = random_forest(0, num_trees=100).fit(train, labels).predict(test)
    assert f1_score(truth, predicted, average="macro") > 0.9
    assert np.array_equal(random_forest(0, num_trees=100).fit(train, labels).predict(test), predicted)


def test_the_forest_accepts_missing_features():
    values = np.array([[0.0, np.nan], [0.1, 1.0], [5.0, np.nan], [5.1, 1.0]] * 5)
    labels = ["low", "low", "high", "high"] * 5
    assert list(random_forest(0, num_trees=20).fit(values, labels).predict([[np.nan, np.nan], [5.0, np.nan]]))[1] == "high"


def test_without_light_curve_the_error_gives_the_pip_line(curves, monkeypatch):
    monkeypatch.setitem(sys.modules, "light_curve", None)
    with pytest.raises(ImportError, match=r"pip install 'light-curve"):
        extract_features(gather(curves))
