# Copyright 2026 The astromer_hf developers. MIT licence.
"""Simulated single-band light curves with the cadence and noise of a survey, for tests, the demo and teaching.

Before this file stands nothing: it needs numpy and pyarrow only. After it stand catalogue tables (`object_id, band, mjd, mag,
magerr, label`) that everything reading real tables reads too. A new survey or class is one record below, not new code.

The curves are simpler than the sky: Gaussian noise as large as `magerr` says, no outliers, blends or trends, and one shape a
class. A model that tells the classes apart here has shown that the code runs, not that it knows astronomy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Shape = Callable[[FloatArray], FloatArray]

DAYS_PER_YEAR = 365.25
_PHASE_GRID = np.linspace(0.0, 1.0, 1025)  # both ends, so that interpolation needs no wrapping
_Record = TypeVar("_Record")


@dataclass(frozen=True)
class SimulatedSurvey:
    """When and how well a survey observes: its cadence and its noise.

    An object has one season a year, at its own time of the year, is observed on random nights of it, and on each of them
    `visits_per_night` times. The error at magnitude m is √(`noise_floor`² + (`noise_at_faint_end` · 10^(`noise_slope` · (m −
    faint end)))²), times a log-normal `noise_scatter` for the conditions of each visit.

    Args:
        name (`str`): its key in `SIMULATED_SURVEYS`, and the start of the object ids.
        band (`str`): the one band.
        mjd_start (`float`): first night, MJD in days.
        duration_days (`float`): from the first night to the last.
        season_length_days (`float`): the part of every 365.25 days in which an object is observed.
        min_points, max_points (`int`): range of points an object, drawn log-uniformly, both ends included.
        mag_range (`tuple[float, float]`): bright and faint end, in magnitudes.
        noise_floor (`float`): error of the brightest objects, in magnitudes.
        noise_at_faint_end (`float`): growing part of the error at the faint end, in magnitudes.
        noise_slope (`float`): its growth, in dex a magnitude: 0.2 where photons of the object limit, 0.4 where the sky does.
        noise_scatter (`float`): scatter of the errors between visits, in ln.
        visits_per_night (`int`): visits on an observed night.
        visit_gap_days (`float`): between two visits of a night.
        night_length_days (`float`): span in which the first visit of a night falls, around midnight.

    Raises:
        ValueError: the numbers contradict each other, or the seasons hold too few nights for `max_points`.
    """

    name: str
    band: str
    mjd_start: float
    duration_days: float
    season_length_days: float
    min_points: int
    max_points: int
    mag_range: tuple[float, float]
    noise_floor: float
    noise_at_faint_end: float
    noise_slope: float = 0.3
    noise_scatter: float = 0.15
    visits_per_night: int = 1
    visit_gap_days: float = 10 / 1440
    night_length_days: float = 0.3

    def __post_init__(self) -> None:
        needed = -(-self.max_points // self.visits_per_night) if self.visits_per_night > 0 else 0
        night_days = self.night_length_days + self.visits_per_night * self.visit_gap_days
        checks = {
            f"1 <= min_points <= max_points, got {self.min_points} and {self.max_points}": (
                1 <= self.min_points <= self.max_points
            ),
            f"visits_per_night >= 1, got {self.visits_per_night}": self.visits_per_night >= 1,
            f"a positive visit_gap_days, got {self.visit_gap_days}": self.visit_gap_days > 0,
            f"a night and its visits within one day, got {night_days:g} days": 0 <= self.night_length_days < night_days < 1,
            f"a season_length_days of up to {DAYS_PER_YEAR}, got {self.season_length_days}": (
                0 < self.season_length_days <= DAYS_PER_YEAR
            ),
            f"mag_range as (bright, faint), got {self.mag_range}": self.mag_range[0] <= self.mag_range[1],
            f"positive noise_floor and noise_at_faint_end, got {self.noise_floor} and {self.noise_at_faint_end}": (
                self.noise_floor > 0 and self.noise_at_faint_end > 0
            ),
            f"{needed} nights in season for max_points={self.max_points}, got {self.min_season_nights}: raise duration_days, "
            "season_length_days or visits_per_night": needed <= self.min_season_nights,
        }
        if failed := next((text for text, holds in checks.items() if not holds), None):
            raise ValueError(f"The simulated survey {self.name!r} needs {failed}.")

    @property
    def min_season_nights(self) -> int:
        """Nights in season that an object has at least, whenever in the year its season falls."""
        years, rest_days = divmod(self.duration_days, DAYS_PER_YEAR)
        in_rest = max(0.0, rest_days - (DAYS_PER_YEAR - self.season_length_days))
        # The start and the end of the survey may each cut a season, and each cut may lose one night to rounding.
        return int(years) * int(self.season_length_days) + int(in_rest) - 2

    def typical_error(self, mag: FloatArray) -> FloatArray:
        """The error at a magnitude in median conditions, in magnitudes."""
        growing = self.noise_at_faint_end * 10.0 ** (self.noise_slope * (mag - self.mag_range[1]))
        return np.hypot(self.noise_floor, growing)

    def draw_times(self, rng: np.random.Generator) -> FloatArray:
        """Sorted times of the visits of one object, MJD in days, shape (points,)."""
        low, high = np.log((self.min_points, self.max_points + 1))
        num_points = min(int(np.exp(rng.uniform(low, high))), self.max_points)
        nights = np.arange(self.duration_days)
        nights = nights[(nights + rng.uniform(0.0, DAYS_PER_YEAR)) % DAYS_PER_YEAR < self.season_length_days]
        num_nights = -(-num_points // self.visits_per_night)
        observed = np.sort(rng.choice(nights, num_nights, replace=False, shuffle=False))
        starts = observed + rng.uniform(0.0, self.night_length_days, num_nights)
        # (nights, visits) -> (points,); the last night may miss visits. A visit is up to a tenth of a gap late.
        late = rng.uniform(0.0, 0.1, (num_nights, self.visits_per_night))
        visits = starts[:, None] + self.visit_gap_days * (np.arange(self.visits_per_night) + late)
        return self.mjd_start + visits.ravel()[:num_points]


@dataclass(frozen=True)
class VariableClass:
    """A class of variable stars: how long, how strongly and in what shape its members vary.

    Args:
        name (`str`): its key in `VARIABLE_CLASSES`, and the label.
        shape (`Shape`): phase in [0, 1) -> magnitude from 0 (brightest) to 1 (faintest).
        period_range_days (`tuple[float, float]`, *optional*): drawn log-uniformly; None for what does not vary.
        amplitude_range (`tuple[float, float]`): from brightest to faintest in magnitudes, drawn uniformly.
        cycle_length_scatter (`float`): relative scatter of the length from cycle to cycle.
        cycle_height_scatter (`float`): a maximum is up to this fraction of the amplitude fainter than the brightest one.
    """

    name: str
    shape: Shape
    period_range_days: tuple[float, float] | None
    amplitude_range: tuple[float, float]
    cycle_length_scatter: float = 0.0
    cycle_height_scatter: float = 0.0

    def draw_period_days(self, rng: np.random.Generator) -> float:
        """A period in days; NaN where nothing varies."""
        if self.period_range_days is None:
            return float("nan")
        return float(np.exp(rng.uniform(*np.log(self.period_range_days))))

    def relative_magnitudes(self, days: FloatArray, period_days: float, rng: np.random.Generator) -> FloatArray:
        """Magnitudes from 0 to 1 at `days` >= 0 since the first night, from a random phase on."""
        if self.period_range_days is None:
            return np.zeros_like(days)
        cycles = days / period_days + rng.uniform()
        if not (self.cycle_length_scatter or self.cycle_height_scatter):
            return self.shape(cycles % 1.0)
        # Every cycle has its own length, and every maximum, at whole cycles, its own height. Lengths are cut at 3σ and
        # floored, so that time never runs backwards.
        num_cycles = int(cycles[-1]) + 1
        scatter = self.cycle_length_scatter * np.clip(rng.standard_normal(num_cycles), -3, 3)
        ends = np.concatenate([[0.0], np.cumsum(np.maximum(1.0 + scatter, 0.1))])
        counts = np.arange(num_cycles + 1.0)
        cycles = np.interp(cycles, ends * (num_cycles / ends[-1]), counts)  # `period_days` stays the mean
        heights = 1.0 - self.cycle_height_scatter * rng.uniform(size=num_cycles + 1)
        return 1.0 - np.interp(cycles, counts, heights) * (1.0 - self.shape(cycles % 1.0))


@dataclass(frozen=True, eq=False)
class LightCurve:
    """One light curve as a catalogue holds it.

    Args:
        object_id, band, label (`str`): who, in which band, of which class.
        mjd (`np.ndarray` of float64, shape (points,)): strictly rising, in days.
        mag, magerr (`np.ndarray` of float64, shape (points,)): magnitudes and their positive 1σ errors.
        period_days (`float`): the true period, the mean one where cycles are irregular; NaN where nothing varies.
    """

    object_id: str
    band: str
    mjd: FloatArray
    mag: FloatArray
    magerr: FloatArray
    label: str
    period_days: float


@dataclass(frozen=True, eq=False)
class TabulatedShape:
    """The shape that interpolates magnitudes given at `_PHASE_GRID`, scaled to [0, 1]; faster than a series at each call."""

    magnitudes: FloatArray

    def __post_init__(self) -> None:
        scaled = (self.magnitudes - self.magnitudes.min()) / np.ptp(self.magnitudes)
        object.__setattr__(self, "magnitudes", scaled)

    def __call__(self, phase: FloatArray) -> FloatArray:
        """Phase in [0, 1) -> magnitude from 0 to 1, of the same shape."""
        return np.interp(phase, _PHASE_GRID, self.magnitudes)


def fourier_shape(amplitude_ratios: Sequence[float], phase_differences: Sequence[float]) -> TabulatedShape:
    """Σ_k R_k1 sin(2πk·phase + φ_k1) in magnitudes, brightest at phase 0.

    Args:
        amplitude_ratios: R21, R31, ... as in the literature on pulsating stars.
        phase_differences: φ21, φ31, ... in radians, of the sine series; a cosine series has φ21 larger by π/2, φ31 by π.
            At π, 0, π, 0, ... the curve fades evenly and rises at once.
    """
    order = np.arange(1, len(amplitude_ratios) + 2)[:, None]
    ratios = np.array([1.0, *amplitude_ratios])[:, None]
    phases = np.array([0.0, *phase_differences])[:, None]

    def series(grid: FloatArray) -> FloatArray:
        return np.asarray((ratios * np.sin(2 * np.pi * order * grid + phases)).sum(0))

    return TabulatedShape(series(_PHASE_GRID + _PHASE_GRID[np.argmin(series(_PHASE_GRID))]))


def eclipse_shape(width: float, secondary_depth: float) -> TabulatedShape:
    """Flat, with the primary eclipse of depth 1 at phase 0 and the secondary at 0.5.

    An eclipse is exp(1 − cosh(Δphase / `width`)), the profile of Mikulášek (2015, A&A 584, A8) for Γ = 1, and lasts
    about 6 widths.
    """

    def eclipse(center: float) -> FloatArray:
        distance = np.abs((_PHASE_GRID - center + 0.5) % 1.0 - 0.5)
        return np.asarray(np.exp(1.0 - np.cosh(np.minimum(distance / width, 6.0))))  # exp(-200) by then; no overflow

    return TabulatedShape(eclipse(0.0) + secondary_depth * eclipse(0.5))


# Spans, points and errors follow the light curves that the surveys published, rounded.
SIMULATED_SURVEYS: dict[str, SimulatedSurvey] = {
    survey.name: survey
    for survey in (
        SimulatedSurvey(
            name="macho_like",
            band="R",
            mjd_start=48823.0,
            duration_days=2710.0,
            season_length_days=300.0,
            min_points=200,
            max_points=1200,
            mag_range=(14.0, 20.0),
            noise_floor=0.01,
            noise_at_faint_end=0.15,
        ),
        SimulatedSurvey(
            name="asas_like",
            band="V",
            mjd_start=51868.0,
            duration_days=2660.0,
            season_length_days=270.0,
            min_points=150,
            max_points=900,
            mag_range=(8.0, 14.0),
            noise_floor=0.03,
            noise_at_faint_end=0.08,
        ),
        SimulatedSurvey(
            name="catalina_like",
            band="V",
            mjd_start=53464.0,
            duration_days=2850.0,
            season_length_days=220.0,
            min_points=180,
            max_points=300,
            mag_range=(13.0, 19.0),
            noise_floor=0.05,
            noise_at_faint_end=0.25,
            noise_slope=0.2,
            visits_per_night=4,
        ),
        SimulatedSurvey(
            name="ztf_like",
            band="r",
            mjd_start=58194.0,
            duration_days=2000.0,
            season_length_days=240.0,
            min_points=100,
            max_points=1000,
            mag_range=(14.0, 20.5),
            noise_floor=0.012,
            noise_at_faint_end=0.15,
        ),
    )
}

# Shapes and ranges are typical of the class in V or R, rounded; for the Fourier parameters of Cepheids see Simon & Lee (1981),
# for those of RRab Jurcsik & Kovács (1996).
VARIABLE_CLASSES: dict[str, VariableClass] = {
    variable.name: variable
    for variable in (
        VariableClass(
            name="RRab",
            shape=fourier_shape((0.48, 0.35, 0.23, 0.15, 0.09, 0.06), (2.4, 5.1, 1.6, 4.5, 1.0, 3.9)),
            period_range_days=(0.42, 0.9),
            amplitude_range=(0.3, 1.1),
        ),
        VariableClass(
            name="RRc",
            shape=fourier_shape((0.12, 0.06), (3.0, 5.9)),
            period_range_days=(0.22, 0.45),
            amplitude_range=(0.2, 0.5),
        ),
        VariableClass(
            name="Cepheid",
            shape=fourier_shape((0.42, 0.22, 0.11), (2.75, 5.5, 2.0)),
            period_range_days=(1.5, 50.0),
            amplitude_range=(0.25, 1.0),
        ),
        VariableClass(
            name="EclipsingBinary",
            shape=eclipse_shape(width=0.03, secondary_depth=0.45),
            period_range_days=(0.7, 20.0),
            amplitude_range=(0.25, 1.2),
        ),
        VariableClass(
            name="LPV",
            shape=fourier_shape((0.12, 0.04), (2.6, 5.5)),
            period_range_days=(120.0, 500.0),
            amplitude_range=(1.5, 5.0),
            cycle_length_scatter=0.04,
            cycle_height_scatter=0.35,
        ),
        VariableClass(
            name="DSCT",
            shape=fourier_shape((0.28, 0.1), (2.4, 4.9)),
            period_range_days=(0.045, 0.2),
            amplitude_range=(0.1, 0.6),
        ),
        VariableClass(name="Constant", shape=np.zeros_like, period_range_days=None, amplitude_range=(0.0, 0.0)),
    )
}


def _look_up(kind: str, wanted: str | _Record, records: Mapping[str, _Record]) -> _Record:
    """A record as it is, or by its name; a `ValueError` that names what exists."""
    if not isinstance(wanted, str):
        return wanted
    if wanted not in records:
        raise ValueError(f"There is no {kind} {wanted!r}; there are: {', '.join(records)}. A record of your own works too.")
    return records[wanted]


def simulate_light_curve(
    variable_class: str | VariableClass,
    rng: np.random.Generator,
    survey: str | SimulatedSurvey = "macho_like",
    *,
    object_id: str = "simulated",
) -> LightCurve:
    """One star of a class, as a survey sees it.

    Args:
        variable_class (`str` or [`VariableClass`]): a name in `VARIABLE_CLASSES` or a record.
        rng (`np.random.Generator`): where all randomness comes from.
        survey (`str` or [`SimulatedSurvey`]): a name in `SIMULATED_SURVEYS` or a record.
        object_id (`str`): the id to give it.

    Raises:
        ValueError: there is no class or survey of that name.
    """
    variable = _look_up("variable class", variable_class, VARIABLE_CLASSES)
    observer = _look_up("simulated survey", survey, SIMULATED_SURVEYS)
    period_days = variable.draw_period_days(rng)
    amplitude = rng.uniform(*variable.amplitude_range)
    mag_bright, mag_faint = observer.mag_range
    mjd = observer.draw_times(rng)
    # The whole curve lies between the bright and the faint end, where they leave room for its amplitude.
    brightest = rng.uniform(mag_bright, max(mag_bright, mag_faint - amplitude))
    true_mag = brightest + amplitude * variable.relative_magnitudes(mjd - observer.mjd_start, period_days, rng)
    conditions = np.exp(observer.noise_scatter * rng.standard_normal(len(mjd)))
    magerr = observer.typical_error(true_mag) * conditions
    return LightCurve(
        object_id=object_id,
        band=observer.band,
        mjd=mjd,
        mag=true_mag + magerr * rng.standard_normal(len(mjd)),
        magerr=magerr,
        label=variable.name,
        period_days=period_days,
    )


def simulate_light_curves(
    num_objects: int,
    *,
    seed: int = 0,
    survey: str | SimulatedSurvey = "macho_like",
    classes: Sequence[str | VariableClass] | None = None,
) -> list[LightCurve]:
    """Stars of all classes in turn. Object i depends on `seed`, `survey`, `classes` and i, not on `num_objects`.

    Args:
        num_objects (`int`): how many.
        seed (`int`): a non-negative integer.
        survey (`str` or [`SimulatedSurvey`]): a name in `SIMULATED_SURVEYS` or a record.
        classes (sequence of `str` or [`VariableClass`], *optional*): names in `VARIABLE_CLASSES` or records; all by default.

    Raises:
        ValueError: there is no class or survey of that name, no class at all, or `num_objects` is negative.
    """
    if num_objects < 0:
        raise ValueError(f"Expected num_objects of 0 or more, got {num_objects}.")
    if isinstance(classes, str):
        raise ValueError(f"Expected a sequence of classes, got the string {classes!r}; write [{classes!r}].")
    observer = _look_up("simulated survey", survey, SIMULATED_SURVEYS)
    wanted = VARIABLE_CLASSES if classes is None else classes
    variables = [_look_up("variable class", variable, VARIABLE_CLASSES) for variable in wanted]
    if not variables:
        raise ValueError(f"Expected at least one class, got none; there are: {', '.join(VARIABLE_CLASSES)}.")
    return [
        simulate_light_curve(
            variables[index % len(variables)],
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,))),
            observer,
            object_id=f"{observer.name}-{seed}-{index:06d}",
        )
        for index in range(num_objects)
    ]


def to_table(light_curves: Sequence[LightCurve]) -> pa.Table:
    """Light curves as a catalogue table, one row an object; `period_days` is null where nothing varies."""
    lengths = [len(curve.mjd) for curve in light_curves]
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), pa.int32())

    def measurements(column: str) -> pa.ListArray:
        values = [getattr(curve, column) for curve in light_curves]
        return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate([np.empty(0), *values]), pa.float64()))

    return pa.table(
        {
            "object_id": pa.array([curve.object_id for curve in light_curves], pa.string()),
            "band": pa.array([curve.band for curve in light_curves], pa.string()),
            "mjd": measurements("mjd"),
            "mag": measurements("mag"),
            "magerr": measurements("magerr"),
            "label": pa.array([curve.label for curve in light_curves], pa.string()),
            "period_days": pa.array([curve.period_days for curve in light_curves], pa.float64(), from_pandas=True),
        }
    )
