# Copyright 2026 The astromer_hf developers. MIT licence.
"""The period of a light curve, its significance and its alternatives: `find_period`, the one period search on the CPU.

It is in this room, below `light_curves/` and `baselines/`, because `baselines/`, `inference/` and `cli/` use its parts and it
needs nothing but arrays. It judges candidates by the series of `fourier_series.py`. The periodogram that travels with the
weights, `model/folding_astromer.py`, is for batches on a GPU inside the network; a test compares the two.

The periodogram is that of `astropy.timeseries.LombScargle`, a test compares them. Astropy's fast method takes 0.3 to 0.7 s for
the 140 000 to 210 000 frequencies of a light curve of eight years; the matrix product below takes a tenth of that.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, hyp2f1

from .fourier_series import FourierFits, evaluate_series

MIN_PERIOD_DAYS = 0.04
MIN_OBSERVATIONS = 8
STEPS_PER_RESOLUTION = 4  # of the frequency grid, in units of 1 / span
MAX_STEPS = 2**19  # of the grid, so that long spans need no more memory
HARMONIC_SUMS = (1, 2, 4)  # periodograms whose peaks are tried: an eclipse has its power in harmonics
NUM_PEAKS = 8  # of each, tried with their halves, doubles and daily aliases
MAX_HARMONICS = 8
OBSERVATIONS_PER_HARMONIC = 6  # at least, so that a series does not fit the noise
MAX_WAVES = 2**15  # frequencies x observations fitted at once, to fit into the processor's cache
NUM_PHASES = 400  # at which the fitted curve is searched for its extremes
NIGHTLY = 0.3  # concentration of the times of day, from 0 to 1, above which a trend looks like a period near 1, 1/2, ... days
FEW_NIGHTS = 10  # in which most frequencies agree with whole cycles a day
SIGNIFICANT = 1e-3  # false-alarm probability


class NoPeriodError(ValueError):
    """A light curve cannot have a period; the message says why."""


@dataclass(frozen=True)
class Alternative:
    """Another period that the observations may have.

    Args:
        kind (`str`): `"half"` or `"double"` of the period; `"alias +1"`, `"alias -1"`: its frequency a cycle a day higher or
            lower; `"near a day"`: a period that fits better and was left out, because a slow trend of a star that is observed
            at one time of the night looks the same, see `find_period`.
        period (`float`): days.
        explained (`float`): fraction of the variance that the best Fourier series at this period explains.
    """

    kind: str
    period: float
    explained: float


@dataclass(frozen=True)
class Period:
    """A period and the Fourier series at it.

    Args:
        period (`float`): days.
        false_alarm_probability (`float`): probability that the same magnitudes in random order have a period that explains as
            much, 0 to 1. It says that the star varies coherently, not that the period is none of its `alternatives`.
        significance (`float`): −log10 of it, which does not underflow.
        amplitude (`float`): from brightest to faintest of the series, magnitudes.
        epoch_of_maximum, epoch_of_minimum (`float`): first times in the light curve at which the series is brightest and
            faintest, in the unit of the times given (MJD). An eclipsing binary is usually phased from its minimum.
        explained (`float`): fraction of the variance that the series explains.
        num_harmonics (`int`): of the series.
        alternatives (`tuple` of [`Alternative`]): half, double and daily aliases that lie in the range searched, and the period
            that was left out, if it fits better.
    """

    period: float
    false_alarm_probability: float
    significance: float
    amplitude: float
    epoch_of_maximum: float
    epoch_of_minimum: float
    explained: float
    num_harmonics: int
    alternatives: tuple[Alternative, ...]

    @property
    def is_significant(self) -> bool:
        """The false-alarm probability is below 0.1 %."""
        return self.false_alarm_probability < SIGNIFICANT


@dataclass(frozen=True)
class Spectrum:
    """A periodogram, `power` (K,) from 0 to 1, at frequencies 0, `step`, 2·`step`, ... in cycles a day."""

    power: np.ndarray
    step: float
    width: int  # grid steps between peaks that are not lobes of one
    first: int  # grid step of the lowest frequency that the span can distinguish from a constant

    def sum_harmonics(self, count: int) -> "Spectrum":
        """The sum of the powers at 1, ..., `count` times a frequency: approximately what a Fourier series explains."""
        length = (len(self.power) - 1) // count
        total = np.zeros(length)
        for harmonic in range(1, count + 1):
            # A peak is as wide at every harmonic, but the grid is `harmonic` times as coarse: take the largest power nearby.
            near = self.power[: length * harmonic : harmonic].copy()
            for shift in range(1, harmonic // 2 + 1):
                np.maximum(near, self.power[shift : shift + length * harmonic : harmonic][:length], out=near)
                np.maximum(near[1:], self.power[harmonic - shift : length * harmonic - shift : harmonic], out=near[1:])
            total += near
        total[: self.first] = 0
        return Spectrum(total, self.step, self.width, self.first)

    def peaks(self, count: int) -> np.ndarray:
        """Grid steps of the highest peaks, in descending order and without their side lobes; possibly fewer than requested."""
        power = self.power
        maxima = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
        most = min(40 * count, len(maxima))
        maxima = maxima[np.argpartition(power[maxima], len(maxima) - most)[len(maxima) - most :]] if most else maxima
        chosen: list[int] = []
        for peak in maxima[np.argsort(-power[maxima], kind="stable")]:
            if all(abs(peak - other) > self.width for other in chosen):
                chosen.append(int(peak))
            if len(chosen) == count:
                break
        return np.array(chosen, dtype=np.int64)


def find_period(
    mjd: np.ndarray,
    mag: np.ndarray,
    magerr: np.ndarray | None = None,
    *,
    min_period: float = MIN_PERIOD_DAYS,
    max_period: float | None = None,
) -> Period:
    """The period of one light curve in one band.

    The highest peaks of the generalised Lomb-Scargle periodogram and of its sums over harmonics, with their halves, doubles and
    daily aliases, are refitted by Fourier series of up to 8 harmonics. The Bayesian criterion selects a period and a number of
    harmonics. Where the observations are at one time of the night, periods are left out of which a harmonic agrees with whole
    cycles a day over the span, because a slow trend looks the same. If one of them fits better than the period returned, it is
    among the alternatives.

    Args:
        mjd (`np.ndarray` of shape `(L,)`): times in days, in any order.
        mag (`np.ndarray` of shape `(L,)`): magnitudes.
        magerr (`np.ndarray` of shape `(L,)`, *optional*): their errors. Observations with an error above the median count less.
            Smaller errors than the median do not count more, since they are often wrong. Unknown ones (NaN) are the median.
        min_period, max_period (`float`): range in days; by default from 0.04 to the span of the observations.

    Returns:
        The most likely [`Period`], significant or not: look at `is_significant`.

    Raises:
        NoPeriodError: fewer than 8 observations are finite, all are equal in time or in magnitude, or the span is too short.
        ValueError: shapes or periods do not fit.
    """
    times, magnitudes, weights = _prepare(mjd, mag, magerr)
    start, span = times[0], times[-1] - times[0]
    longest = span if max_period is None else min(max_period, 2 * span)
    if not min_period > 0:
        raise ValueError(f"min_period must be above 0, got {min_period}.")
    if longest <= min_period:
        raise NoPeriodError(f"No period fits: the range is from {min_period:g} to {longest:g} days, the span is {span:g} days.")
    times = times - times.mean()
    lowest, highest = 1 / longest, 1 / min_period
    spectrum = periodogram(times, magnitudes, weights, highest)
    candidates = _candidates(spectrum, lowest, highest)
    most = int(np.clip(len(times) // OBSERVATIONS_PER_HARMONIC, 1, MAX_HARMONICS))
    trends = _like_trends(times, candidates)
    candidates, left_out = candidates[~trends], candidates[trends]
    if not len(candidates):
        candidates = np.array([lowest])  # the trend
    frequency, num_harmonics, criterion = _choose(times, magnitudes, weights, candidates, most, spectrum.step)
    near_day: float | None = None
    if len(left_out):
        near_day, _, of_left_out = _choose(times, magnitudes, weights, left_out, most, spectrum.step)
        near_day = near_day if of_left_out < criterion else None

    fit = FourierFits(times, magnitudes, np.array([frequency]), num_harmonics, weights)
    explained = float(fit.explained[0, -1])
    log_probability = _log_false_alarm(magnitudes, explained, num_harmonics, span * (highest - lowest))
    phases = np.arange(NUM_PHASES) / NUM_PHASES
    curve = evaluate_series(fit.coefficients(0, num_harmonics), phases)
    origin = frequency * times[0]

    def epoch(phase: float) -> float:
        return float(start + (phase - origin) % 1.0 / frequency)

    return Period(
        period=1 / frequency,
        false_alarm_probability=float(np.exp(log_probability)),
        significance=float(-log_probability / np.log(10)),
        amplitude=float(np.ptp(curve)),
        epoch_of_maximum=epoch(phases[curve.argmin()]),
        epoch_of_minimum=epoch(phases[curve.argmax()]),
        explained=explained,
        num_harmonics=num_harmonics,
        alternatives=_alternatives(times, magnitudes, weights, frequency, near_day, most, lowest, highest),
    )


def _prepare(mjd: np.ndarray, mag: np.ndarray, magerr: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Finite observations in order of time, magnitudes with weighted mean 0, and weights with mean 1 if there are errors."""
    times, magnitudes = np.asarray(mjd, dtype=np.float64), np.asarray(mag, dtype=np.float64)
    errors = None if magerr is None else np.asarray(magerr, dtype=np.float64)
    shapes = [part.shape for part in (times, magnitudes, errors) if part is not None]
    if times.ndim != 1 or len(set(shapes)) != 1:
        raise ValueError(f"A light curve needs times, magnitudes and errors of one length, got the shapes {shapes}.")
    finite = np.isfinite(times) & np.isfinite(magnitudes)
    if finite.sum() < MIN_OBSERVATIONS:
        raise NoPeriodError(f"A period needs {MIN_OBSERVATIONS} observations or more, this light curve has {finite.sum()}.")
    order = np.flatnonzero(finite)[np.argsort(times[finite], kind="stable")]
    times, magnitudes = times[order], magnitudes[order]
    if np.ptp(times) == 0:
        raise NoPeriodError(f"All {len(times)} observations have the same time: there is no period.")
    if np.ptp(magnitudes) == 0:
        raise NoPeriodError(f"All {len(times)} magnitudes are equal: the star is constant and has no period.")
    if errors is None:
        return times, magnitudes - magnitudes.mean(), None
    errors = errors[order]
    known = np.isfinite(errors) & (errors > 0)
    if not known.any():
        return times, magnitudes - magnitudes.mean(), None
    median = np.median(errors[known])
    weights = np.where(known, np.maximum(errors, median), median) ** -2.0
    weights /= weights.mean()
    return times, magnitudes - np.average(magnitudes, weights=weights), weights


def periodogram(
    times: np.ndarray, magnitudes: np.ndarray, weights: np.ndarray | None = None, max_frequency: float = 1 / MIN_PERIOD_DAYS
) -> Spectrum:
    """The generalised Lomb-Scargle periodogram (Zechmeister & Kürster 2009, A&A 496, 577).

    With frequencies (M·a + b)·step, the exponential exp(2πi f t) is a product of one that depends on a and one that depends on
    b. The sums over observations are therefore matrix products of (A, L) and (L, M) matrices.

    Args:
        times, magnitudes, weights: `(L,)`; days, magnitudes of (weighted) mean 0, weights of mean 1.
        max_frequency (`float`): cycles a day.
    """
    span = np.ptp(times)
    num_steps = int(min(np.ceil(STEPS_PER_RESOLUTION * span * max_frequency), MAX_STEPS)) + 1
    step = max_frequency / (num_steps - 1)
    per_row = int(np.ceil(np.sqrt(num_steps)))
    cycles = times * step
    coarse, fine = _waves(-(-num_steps // per_row), per_row * cycles), _waves(per_row, cycles).T
    share = (np.full(len(times), 1.0) if weights is None else weights) / len(times)

    def sums(rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        product = (rows * values.astype(np.float32)) @ columns
        return np.asarray(product.ravel()[:num_steps])

    of_magnitudes, window = sums(coarse, fine, share * magnitudes), sums(coarse, fine, share)
    window_twice = sums(coarse**2, fine**2, share)
    cosines, sines = of_magnitudes.real, of_magnitudes.imag
    cosine_cosine = (1 + window_twice.real) / 2 - window.real**2
    sine_sine = (1 - window_twice.real) / 2 - window.imag**2
    cosine_sine = window_twice.imag / 2 - window.real * window.imag
    determinant = cosine_cosine * sine_sine - cosine_sine**2
    power = sine_sine * cosines**2 + cosine_cosine * sines**2 - 2 * cosine_sine * cosines * sines
    power = power / np.maximum(determinant, 1e-3) / (share @ magnitudes**2)
    first = int(np.ceil(0.5 / span / step))
    power[:first] = 0
    return Spectrum(np.clip(power, 0, 1).astype(np.float64), step, int(2 / span / step), first)


def _waves(count: int, cycles: np.ndarray) -> np.ndarray:
    """exp(2πi·n·cycles) for n = 0 to `count` - 1, `(count, L)` complex64: products of few exponentials, which take long."""
    per_row = int(np.ceil(np.sqrt(count)))
    fine, coarse = (
        np.exp(2j * np.pi * (np.arange(per_row)[:, None] * angle % 1.0)).astype(np.complex64)
        for angle in (cycles, per_row * cycles)
    )
    return np.asarray((coarse[:, None] * fine).reshape(-1, len(cycles))[:count])


def _candidates(spectrum: Spectrum, lowest: float, highest: float) -> np.ndarray:
    """Frequencies to be judged."""
    peaks = [spectrum.sum_harmonics(count).peaks(NUM_PEAKS) for count in HARMONIC_SUMS]
    found = np.concatenate(peaks) * spectrum.step
    strongest = np.concatenate([one[:2] for one in peaks]) * spectrum.step
    aliases = np.abs(np.concatenate([strongest - 1, strongest + 1, strongest / 2 - 1, strongest / 2 + 1]))
    found = np.concatenate([found, found / 2, found * 2, aliases])
    found = np.unique(found[(found >= lowest) & (found <= highest)])
    if not len(found):
        found = np.array([lowest])
    near = (found[:, None] + np.linspace(-0.5, 0.5, 5) * spectrum.step).ravel()
    return np.clip(near, lowest, highest)


def _like_trends(times: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Whether each candidate looks the same as a slow trend, `(C,)` bool.

    It does if all observations are at one time of the night, and one of its first harmonics agrees with whole cycles a day
    over the span.
    """
    if abs(np.exp(2j * np.pi * times).mean()) <= NIGHTLY:
        return np.zeros(len(candidates), dtype=bool)
    harmonics = candidates[:, None] * np.arange(1, 5)
    cycles = np.round(harmonics)
    trends = ((cycles >= 1) & (np.abs(harmonics - cycles) * np.ptp(times) < 1.001)).any(1)
    return trends & (np.ptp(times) > FEW_NIGHTS or not trends.all())


def _choose(
    times: np.ndarray, magnitudes: np.ndarray, weights: np.ndarray | None, candidates: np.ndarray, most: int, step: float
) -> tuple[float, int, float]:
    """The most likely of some frequencies, refined; its number of harmonics, up to `most`; and its criterion, the lowest."""
    parts = np.split(candidates, range(block := max(1, MAX_WAVES // len(times)), len(candidates), block))
    criterion = np.concatenate([FourierFits(times, magnitudes, part, most, weights).criterion for part in parts])
    criterion += 2 * np.log(candidates)[:, None]  # periods are as frequent in every octave
    # A series repeats what was seen before: of few cycles it must not describe the trends within one.
    criterion[np.arange(1, most + 1) > np.maximum(np.ptp(times) * candidates, 1)[:, None]] = np.inf
    best, order = np.unravel_index(criterion.argmin(), criterion.shape)
    num_harmonics = int(order) + 1
    frequency = _refine(times, magnitudes, weights, candidates[best], num_harmonics, step)
    return frequency, num_harmonics, float(criterion[best, order])


def _refine(
    times: np.ndarray,
    magnitudes: np.ndarray,
    weights: np.ndarray | None,
    frequency: float,
    num_harmonics: int,
    step: float,
) -> float:
    for half_width in (0.25, 0.06, 0.015):
        near = frequency + np.linspace(-half_width, half_width, 9) * step
        near = near[near > 0]
        frequency = float(near[FourierFits(times, magnitudes, near, num_harmonics, weights).explained[:, -1].argmax()])
    return frequency


def _alternatives(
    times: np.ndarray,
    magnitudes: np.ndarray,
    weights: np.ndarray | None,
    frequency: float,
    near_day: float | None,
    num_harmonics: int,
    lowest: float,
    highest: float,
) -> tuple[Alternative, ...]:
    named = {} if near_day is None else {"near a day": near_day}
    named |= {
        "half": 2 * frequency,
        "double": frequency / 2,
        "alias +1": frequency + 1,
        "alias -1": abs(frequency - 1),
    }
    named = {kind: value for kind, value in named.items() if lowest <= value <= highest}
    if not named:
        return ()
    fits = FourierFits(times, magnitudes, np.array(list(named.values())), num_harmonics, weights)
    best = fits.criterion.argmin(1)
    return tuple(
        Alternative(kind, 1 / value, float(fits.explained[i, best[i]])) for i, (kind, value) in enumerate(named.items())
    )


def _log_false_alarm(magnitudes: np.ndarray, explained: float, num_harmonics: int, trials: float) -> float:
    """ln of the false-alarm probability of the best of many frequencies and numbers of harmonics.

    At one frequency the fraction that noise leaves unexplained has a Beta distribution. The number of maxima above a height
    grows with the range of frequencies times the span (`trials`) and the root of the height (Baluev 2008, MNRAS 385, 1279). The
    growth with the number of harmonics was fitted to light curves whose magnitudes were shuffled in time. So was the count
    of observations: where few of them make most of the variance, as in eclipses, chance aligns those few more easily.
    """
    kurtosis = (magnitudes**4).mean() / (magnitudes**2).mean() ** 2
    count = len(magnitudes) * min(1.0, 3.0 / kurtosis)
    shape, parameters = (count - 2 - 2 * num_harmonics) / 2, float(num_harmonics)
    if shape <= 0:
        return 0.0
    left = min(max(1 - explained, 1e-9), 1 - 1e-9)
    # The regularised incomplete beta function, in a form that does not underflow.
    log_single = shape * np.log(left) + parameters * np.log(1 - left) - np.log(shape) - betaln(shape, parameters)
    log_single += np.log(hyp2f1(shape + parameters, 1, shape + 1, left))
    height = max(-np.log(left) * count / 2, 1.0)
    log_expected = float(log_single + np.log(max(trials, 1.0)) + np.log(height) / 2 + np.log(1.5) + 2.5 * np.log(num_harmonics))
    # Probability of at least one, from the expected number.
    return float(np.log(-np.expm1(-np.exp(min(log_expected, 5.0))))) if log_expected > -30 else log_expected
