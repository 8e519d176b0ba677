# Copyright 2026 The astromer_hf developers. MIT licence.
"""Simulated light curves repeat from their seed, and have the cadence, noise, periods and shapes that their records state."""

import ast
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from astromer_hf.light_curves import simulation
from astromer_hf.light_curves.simulation import (
    DAYS_PER_YEAR,
    SIMULATED_SURVEYS,
    VARIABLE_CLASSES,
    LightCurve,
    simulate_light_curve,
    simulate_light_curves,
    to_table,
)

NOISELESS = replace(SIMULATED_SURVEYS["macho_like"], noise_floor=1e-9, noise_at_faint_end=1e-9)
PERIODIC = [name for name, variable in VARIABLE_CLASSES.items() if variable.period_range_days]
PHASES = np.linspace(0, 1, 2000, endpoint=False)


def same(first: LightCurve, second: LightCurve) -> bool:
    names = ("object_id", "band", "label")
    numbers = ("mjd", "mag", "magerr", "period_days")
    return all(getattr(first, name) == getattr(second, name) for name in names) and all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True) for name in numbers
    )


def folded_scatter(curve: LightCurve, period_days: float) -> float:
    """Abbe value of the folded curve: near 1 for pure scatter, near 0 for a smooth curve."""
    steps = np.diff(curve.mag[np.argsort(curve.mjd / period_days % 1)])
    return float(np.mean(steps**2) / (2 * np.var(curve.mag)))


def test_the_same_seed_gives_the_same_curves():
    first, second = (simulate_light_curves(14, seed=3) for _ in range(2))
    assert all(same(*pair) for pair in zip(first, second, strict=True))


def test_another_seed_gives_other_curves():
    for first, second in zip(simulate_light_curves(7, seed=3), simulate_light_curves(7, seed=4), strict=True):
        assert not np.array_equal(first.mjd[:50], second.mjd[:50])
        assert not np.array_equal(first.mag[:50], second.mag[:50])


def test_an_object_does_not_depend_on_how_many_are_made():
    few, many = simulate_light_curves(5, seed=1), simulate_light_curves(20, seed=1)
    assert all(same(*pair) for pair in zip(few, many[:5], strict=True))


def test_objects_of_one_class_differ_from_each_other():
    curves = simulate_light_curves(10, classes=["RRab"])
    assert len({curve.period_days for curve in curves}) == len({curve.mag[0] for curve in curves}) == 10
    assert len({curve.object_id for curve in curves}) == 10


def test_all_randomness_comes_from_the_generator_passed_in():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (simulate_light_curve("LPV", np.random.default_rng(5)) for _ in range(2))
    assert same(first, second)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_classes_come_in_turn_and_balanced():
    labels = [curve.label for curve in simulate_light_curves(21)]
    assert labels == list(VARIABLE_CLASSES) * 3
    assert [curve.label for curve in simulate_light_curves(3, classes=["LPV", "RRc"])] == ["LPV", "RRc", "LPV"]


def test_the_wanted_classes_and_surveys_exist():
    assert set(VARIABLE_CLASSES) == {"RRab", "RRc", "Cepheid", "EclipsingBinary", "LPV", "DSCT", "Constant"}
    assert {"macho_like", "asas_like", "catalina_like", "ztf_like"} <= set(SIMULATED_SURVEYS)
    assert all(name == record.name for records in (VARIABLE_CLASSES, SIMULATED_SURVEYS) for name, record in records.items())


@pytest.mark.parametrize("survey", SIMULATED_SURVEYS.values(), ids=SIMULATED_SURVEYS)
def test_curves_are_sorted_finite_and_within_the_bounds_of_their_survey(survey):
    for curve in simulate_light_curves(70, survey=survey.name):
        assert curve.mjd.dtype == curve.mag.dtype == curve.magerr.dtype == np.float64
        assert curve.mjd.shape == curve.mag.shape == curve.magerr.shape
        assert survey.min_points <= len(curve.mjd) <= survey.max_points
        assert np.all(np.diff(curve.mjd) > 0)
        assert survey.mjd_start <= curve.mjd[0] < curve.mjd[-1] < survey.mjd_start + survey.duration_days + 1
        assert np.isfinite(curve.mag).all()
        assert np.isfinite(curve.magerr).all()
        assert (curve.magerr > 0).all()
        assert (curve.band, curve.object_id.startswith(survey.name)) == (survey.band, True)


def test_numbers_of_points_fill_their_range():
    lengths = [len(curve.mjd) for curve in simulate_light_curves(400, survey="macho_like")]
    assert min(lengths) < 220
    assert max(lengths) > 1100
    assert 440 < np.median(lengths) < 560  # log-uniform: sqrt(200 * 1200) = 490


@pytest.mark.parametrize("survey", SIMULATED_SURVEYS.values(), ids=SIMULATED_SURVEYS)
def test_every_year_has_its_seasonal_gap(survey):
    gap_days = DAYS_PER_YEAR - survey.season_length_days
    years = survey.duration_days / DAYS_PER_YEAR
    for curve in simulate_light_curves(20, survey=survey):
        # Three days of slack: whole nights, and the hours within them.
        gaps = np.flatnonzero(np.diff(curve.mjd) > gap_days - 3)
        assert years - 2 < len(gaps) < years + 1
        # All points of all years fall into one season: the day of year is empty over one gap, and only there.
        day_of_year = np.sort(curve.mjd % DAYS_PER_YEAR)
        empty = np.diff(np.append(day_of_year, day_of_year[0] + DAYS_PER_YEAR))
        assert empty.max() > gap_days - 3
        assert np.sort(empty)[-2] < gap_days / 2


def test_a_survey_without_seasons_has_no_gaps():
    survey = replace(SIMULATED_SURVEYS["macho_like"], season_length_days=DAYS_PER_YEAR)
    assert all(np.diff(curve.mjd).max() < 90 for curve in simulate_light_curves(20, survey=survey))


def test_seasons_fall_at_another_time_of_the_year_for_each_object():
    starts = []
    for curve in simulate_light_curves(40, survey="catalina_like"):
        day_of_year = np.sort(curve.mjd % DAYS_PER_YEAR)
        starts.append(np.roll(day_of_year, -1)[np.argmax(np.diff(np.append(day_of_year, day_of_year[0] + DAYS_PER_YEAR)))])
    assert np.ptp(starts) > 200


def test_catalina_visits_an_object_four_times_a_night_ten_minutes_apart():
    curve = simulate_light_curves(1, survey="catalina_like")[0]
    nights, visits = np.unique(np.floor(curve.mjd), return_counts=True)
    assert (visits[:-1] == 4).all()
    assert visits[-1] == (len(curve.mjd) - 1) % 4 + 1
    minutes = 1440 * np.diff(curve.mjd)
    assert np.allclose(minutes[minutes < 720], 10, atol=1.1)
    assert (minutes < 720).sum() == len(curve.mjd) - len(nights)


@pytest.mark.parametrize("survey", SIMULATED_SURVEYS)
def test_constant_stars_scatter_as_much_as_their_errors_say(survey):
    chi2 = []
    for curve in simulate_light_curves(100, survey=survey, classes=["Constant"]):
        weights = curve.magerr**-2
        residuals = curve.mag - np.average(curve.mag, weights=weights)
        chi2.append(np.sum(weights * residuals**2) / (len(residuals) - 1))
        assert 0.6 < chi2[-1] < 1.5
        assert np.isnan(curve.period_days)
    assert abs(np.mean(chi2) - 1) < 0.03


@pytest.mark.parametrize("name", PERIODIC)
def test_variables_scatter_more_than_their_errors_say(name):
    for curve in simulate_light_curves(20, survey=NOISELESS, classes=[name]):
        assert curve.mag.std() > 100 * np.median(curve.magerr)


@pytest.mark.parametrize("survey", SIMULATED_SURVEYS.values(), ids=SIMULATED_SURVEYS)
def test_errors_grow_from_the_floor_to_the_faint_end(survey):
    mag = np.linspace(*survey.mag_range, 50)
    errors = survey.typical_error(mag)
    assert np.all(np.diff(errors) > 0)
    assert survey.noise_floor <= errors[0] < 1.25 * survey.noise_floor
    assert errors[-1] == pytest.approx(np.hypot(survey.noise_floor, survey.noise_at_faint_end))
    for curve in simulate_light_curves(20, survey=survey, classes=["Constant"]):
        assert np.median(curve.magerr) == pytest.approx(survey.typical_error(np.median(curve.mag)), rel=0.15)


@pytest.mark.parametrize("name", ["RRab", "RRc", "Cepheid", "EclipsingBinary", "DSCT"])
def test_folding_on_the_period_leaves_little_scatter(name):
    survey = replace(SIMULATED_SURVEYS["macho_like"], noise_floor=0.005, noise_at_faint_end=0.005, min_points=600)
    for curve in simulate_light_curves(20, survey=survey, classes=[name]):
        assert folded_scatter(curve, curve.period_days) < 0.1
        assert folded_scatter(curve, 1.0371 * curve.period_days) > 0.5


def test_mira_cycles_are_irregular_around_their_mean_period():
    irregular, regular = (
        VARIABLE_CLASSES["LPV"],
        replace(VARIABLE_CLASSES["LPV"], cycle_length_scatter=0.0, cycle_height_scatter=0.0),
    )
    for index in range(10):
        curve, control = (
            simulate_light_curve(variable, np.random.default_rng(index), NOISELESS) for variable in (irregular, regular)
        )
        assert curve.period_days == control.period_days
        assert folded_scatter(control, control.period_days) < 0.01
        assert 0.01 < folded_scatter(curve, curve.period_days) < 0.5
        # Smooth in time all the same: a cycle does not begin with a jump.
        steps = np.abs(np.diff(curve.mag)) / np.diff(curve.mjd).clip(0.5)
        assert steps.max() < 5 * np.pi * np.ptp(curve.mag) / curve.period_days


def test_irregular_cycles_never_run_backwards_and_keep_their_mean_length():
    sawtooth = replace(
        VARIABLE_CLASSES["LPV"],
        shape=lambda phase: phase,
        period_range_days=(10.0, 10.0),
        cycle_length_scatter=0.6,
        cycle_height_scatter=0.0,
    )
    days = np.arange(0.0, 1000.0, 0.05)
    steps = np.diff(sawtooth.relative_magnitudes(days, 10.0, np.random.default_rng(0)))
    ends = np.flatnonzero(steps < 0)
    assert (steps[ends] < -0.9).all()  # the magnitude falls only where a new cycle begins
    assert 99 <= len(ends) <= 101
    assert np.std(np.diff(ends) * 0.05) > 3


@pytest.mark.parametrize("name", PERIODIC)
def test_periods_and_amplitudes_stay_in_their_ranges_and_fill_them(name):
    variable = VARIABLE_CLASSES[name]
    curves = simulate_light_curves(150, survey=NOISELESS, classes=[name])
    amplitudes = np.array([np.ptp(curve.mag) for curve in curves])
    periods = np.array([curve.period_days for curve in curves])
    low, high = variable.amplitude_range
    shortest, longest = variable.period_range_days
    assert amplitudes.max() <= high + 1e-6
    assert amplitudes.min() >= (1 - variable.cycle_height_scatter) * low * 0.85  # few points miss the extremes
    assert np.quantile(amplitudes, 0.9) > low + 0.7 * (high - low)
    assert np.quantile(amplitudes, 0.1) < low + 0.3 * (high - low)
    assert shortest <= periods.min() <= periods.max() <= longest
    assert np.log(periods.max() / periods.min()) > 0.9 * np.log(longest / shortest)
    # Whole curves lie within the magnitudes of the survey.
    assert min(curve.mag.min() for curve in curves) >= NOISELESS.mag_range[0] - 1e-6
    assert max(curve.mag.max() for curve in curves) <= NOISELESS.mag_range[1] + 1e-6


@pytest.mark.parametrize("name", PERIODIC)
def test_shapes_run_from_zero_to_one_without_a_jump_at_the_end_of_a_cycle(name):
    shape = VARIABLE_CLASSES[name].shape
    magnitudes = shape(PHASES)
    assert magnitudes.min() == pytest.approx(0, abs=1e-4)
    assert magnitudes.max() == pytest.approx(1, abs=1e-4)
    assert shape(np.array([0.0]))[0] == pytest.approx(shape(np.array([1 - 1e-9]))[0], abs=1e-3)


def test_pulsating_stars_brighten_faster_the_more_sawtooth_they_are():
    rise = {name: 1 - PHASES[VARIABLE_CLASSES[name].shape(PHASES).argmax()] for name in ("RRab", "Cepheid", "RRc")}
    assert 0.1 < rise["RRab"] < 0.2 < rise["Cepheid"] < 0.3 < rise["RRc"] < 0.5
    powers = {name: np.abs(np.fft.rfft(VARIABLE_CLASSES[name].shape(PHASES)))[1:] ** 2 for name in rise}
    sinusoidal = {name: power[0] / power.sum() for name, power in powers.items()}
    assert sinusoidal["RRab"] < 0.75 < sinusoidal["Cepheid"] < 0.9 < 0.95 < sinusoidal["RRc"]


def test_an_eclipsing_binary_is_flat_but_for_two_eclipses_of_different_depth():
    magnitudes = VARIABLE_CLASSES["EclipsingBinary"].shape(PHASES)
    inside = [(PHASES < 0.1) | (PHASES > 0.9), np.abs(PHASES - 0.5) < 0.1]
    assert magnitudes[0] == magnitudes.max() == 1
    assert 0.2 < magnitudes[inside[1]].max() == magnitudes[PHASES == 0.5][0] < 0.8
    assert magnitudes[~(inside[0] | inside[1])].max() < 0.001


def test_a_table_has_the_catalogue_columns_and_every_number_of_the_curves():
    curves = simulate_light_curves(8)
    table = to_table(curves)
    assert table.schema == pa.schema(
        {
            "object_id": pa.string(),
            "band": pa.string(),
            "mjd": pa.list_(pa.float64()),
            "mag": pa.list_(pa.float64()),
            "magerr": pa.list_(pa.float64()),
            "label": pa.string(),
            "period_days": pa.float64(),
        }
    )
    table.validate(full=True)
    for curve, row in zip(curves, table.to_pylist(), strict=True):
        period_days = float("nan") if row["period_days"] is None else row["period_days"]
        assert (row["period_days"] is None) == (curve.label == "Constant")
        arrays = {name: np.array(row[name]) for name in ("mjd", "mag", "magerr")}
        assert same(curve, LightCurve(row["object_id"], row["band"], **arrays, label=row["label"], period_days=period_days))


def test_no_curves_make_an_empty_table_of_the_same_schema():
    assert simulate_light_curves(0) == []
    assert to_table([]).num_rows == 0
    assert to_table([]).schema == to_table(simulate_light_curves(1)).schema


@pytest.mark.parametrize(
    "call", [lambda name: simulate_light_curves(2, classes=[name]), lambda name: simulate_light_curve(name, None)]
)
def test_an_unknown_class_is_refused_with_the_names_of_those_there_are(call):
    with pytest.raises(ValueError, match=r"no variable class 'RRx'; there are: RRab, RRc, .*Constant"):
        call("RRx")


@pytest.mark.parametrize(
    "call",
    [
        lambda name: simulate_light_curves(0, survey=name),
        lambda name: simulate_light_curve("RRab", np.random.default_rng(), name),
    ],
)
def test_an_unknown_survey_is_refused_with_the_names_of_those_there_are(call):
    with pytest.raises(ValueError, match=r"no simulated survey 'lsst'; there are: macho_like, .*ztf_like"):
        call("lsst")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_objects": -1}, "0 or more, got -1"),
        ({"num_objects": 1, "classes": []}, "at least one class.*RRab"),
        ({"num_objects": 1, "classes": "RRab"}, r"write \['RRab'\]"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_light_curves(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_points": 0}, "min_points"),
        ({"min_points": 1300}, "min_points <= max_points, got 1300 and 1200"),
        ({"visits_per_night": 0}, "visits_per_night >= 1, got 0"),
        ({"visit_gap_days": 0.0}, "positive visit_gap_days"),
        ({"visits_per_night": 200}, "within one day"),
        ({"season_length_days": 400.0}, "season_length_days"),
        ({"mag_range": (20.0, 14.0)}, "bright, faint"),
        ({"noise_floor": 0.0}, "positive noise_floor"),
        ({"season_length_days": 100.0}, "1200 nights in season for max_points=1200, got 698: raise duration_days"),
    ],
)
def test_a_survey_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=f"'macho_like' needs .*{message}"):
        replace(SIMULATED_SURVEYS["macho_like"], **changes)


@pytest.mark.parametrize("duration_days", [40.0, 200.3, 365.25, 500.0, 1111.7])
@pytest.mark.parametrize("season_length_days", [365.25, 340.0, 181.6])
def test_the_nights_that_a_survey_counts_on_are_there_whenever_its_season_falls(duration_days, season_length_days):
    small = replace(
        SIMULATED_SURVEYS["macho_like"],
        min_points=1,
        max_points=1,
        duration_days=max(duration_days, DAYS_PER_YEAR - season_length_days + 10),
        season_length_days=season_length_days,
    )
    full = replace(small, min_points=small.min_season_nights, max_points=small.min_season_nights)
    for seed in range(300):
        times = full.draw_times(np.random.default_rng(seed))
        assert len(times) == small.min_season_nights
        assert np.all(np.diff(times) > 0)


def test_records_survive_a_process_boundary():
    for records in (VARIABLE_CLASSES, SIMULATED_SURVEYS):
        pickle.loads(pickle.dumps(records))
    curve = pickle.loads(pickle.dumps(VARIABLE_CLASSES["RRab"]))
    assert np.array_equal(curve.shape(PHASES), VARIABLE_CLASSES["RRab"].shape(PHASES))


def test_the_module_needs_numpy_and_pyarrow_only():
    tree = ast.parse(Path(simulation.__file__).read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {"." * node.level + (node.module or "") for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in modules} == {"collections", "dataclasses", "typing", "numpy", "pyarrow"}
