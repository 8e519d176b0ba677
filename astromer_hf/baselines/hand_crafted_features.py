# Copyright 2026 The astromer_hf developers. MIT licence.
"""Hand-crafted features and a random forest: the classical alternative to embeddings for the classification of variable stars.

The input is clean light curves of whole objects; the features suit any scikit-learn classifier. Statistics of the magnitudes
come from the package `light-curve`. Period and shape of the folded light curve distinguish variable stars best, so most of this
file finds a period. The highest peaks of the Lomb-Scargle periodogram and of its sums over harmonics, with their halves and
doubles, are refitted by Fourier series, and the Bayesian criterion selects one. `evaluation/periods.py` has grown out of this
search and shares its parts. The search here stays as it was, without errors, aliases and shorter periods than 1/16 d, because
the published scores of the forest depend on its values.

By default no feature depends on the brightness of a star, since the embedding does not either. Features that compare magnitudes
with their errors (`chi2`, `stetson_K`, ...) remain. If the embedding does not see errors, omit them (`magnitude_errors=None`)
to compare both on the same information.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from tqdm import tqdm

from ..evaluation.fourier_series import FourierFits, evaluate_series
from ..evaluation.periods import Spectrum
from ..extras import install_line
from ..model.feature_extraction_astromer import RaggedLightCurves

if TYPE_CHECKING:
    import light_curve

MAX_FREQUENCY = 16.0  # cycles a day
MAX_SECOND_FREQUENCY = 5.0  # of the residuals of the first period: second modes of RR Lyrae, modulations, long trends
STEPS_PER_RESOLUTION = 4  # at least, of the frequency grid, in units of 1 / span
HARMONIC_SUMS = (1, 2, 4)  # periodograms whose peaks are tried: an eclipse has its power in harmonics
NUM_PEAKS = 8  # of each, tried with their halves and doubles
MAX_HARMONICS = 8
OBSERVATIONS_PER_HARMONIC = 6  # at least, so that a series does not fit the noise
SHAPE_HARMONICS = 4  # of the series that Fourier parameters are read from
NUM_PHASES = 100  # at which fitted curves are evaluated
MIN_OBSERVATIONS = 8  # for a period
MAX_WAVES = 2**15  # frequencies x observations fitted at once, to fit into the processor's cache
CURVES_PER_TASK = 16


def extract_features(
    curves: RaggedLightCurves, *, with_brightness: bool = False, num_processes: int = 1, show_progress: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Features of every light curve.

    They do not change when all times are shifted, nor, without `with_brightness`, when all magnitudes are. Periods are in days,
    slopes in magnitudes a day, amplitudes in magnitudes, phase differences in radians of a sine series from 0 to 2π. `folded_`
    features describe the light curve folded on its period, `folded_twice_` on twice that period, `second_` the periodic part of
    the residuals. A curve of some hundred observations takes about 25 ms on one core.

    Args:
        curves (`RaggedLightCurves`): N light curves; they are cleaned, see `RaggedLightCurves.clean`. Unknown errors are
            replaced by the median of the curve's known ones, or by its standard deviation if none is known.
        with_brightness (`bool`): include features that depend on the zero point of magnitudes, such as the mean.
        num_processes (`int`): number of processes; -1 for one per core.
        show_progress (`bool`): draw a progress bar.

    Returns:
        The features, float64 `(N, F)`, and their F names. Undefined features are NaN, never infinite: for example the period of
        fewer than 8 observations or of equal magnitudes, or the skewness of two. `random_forest` accepts NaN.

    Raises:
        ImportError: the package `light-curve` is missing.
        ValueError: the times cannot be days.
    """
    _light_curve()
    curves, _ = curves.clean()
    names = feature_names(with_brightness)
    parts = np.split(np.arange(len(curves)), range(CURVES_PER_TASK, len(curves), CURVES_PER_TASK))
    tasks = (joblib.delayed(_extract_chunk)(curves.select(part), with_brightness) for part in parts)
    rows: list[np.ndarray] = []
    with tqdm(total=len(curves), unit=" curves", disable=None if show_progress else True) as progress:
        for values in joblib.Parallel(num_processes, return_as="generator")(tasks):
            rows.append(values)
            progress.update(len(values))
    return np.concatenate(rows), names


def random_forest(seed: int = 0, *, num_trees: int = 500, n_jobs: int | None = None) -> RandomForestClassifier:
    """A forest for these features. It accepts NaN, and weights classes by the inverse of their frequency.

    Other numbers of features per split, larger leaves and extremely randomised trees were not better in cross-validation on 100
    training objects per class of three surveys.
    """
    return RandomForestClassifier(num_trees, class_weight="balanced_subsample", random_state=seed, n_jobs=n_jobs)


def _light_curve() -> Any:
    try:
        import light_curve
    except ImportError as error:
        raise ImportError("Hand-crafted features need: " + install_line("baselines")) from error
    return light_curve


@cache
def _statistics() -> "light_curve.Extractor":
    """Statistics of the magnitudes, and of their order in time, without a period."""
    lc = _light_curve()
    return lc.Extractor(
        lc.Amplitude(),
        lc.AndersonDarlingNormal(),
        lc.BeyondNStd(1.0),
        lc.BeyondNStd(2.0),
        lc.BeyondNStd(3.0),
        lc.Cusum(),
        lc.Eta(),
        lc.EtaE(),
        lc.InterPercentileRange(0.02),
        lc.InterPercentileRange(0.1),
        lc.InterPercentileRange(0.25),
        lc.Kurtosis(),
        lc.LinearFit(),
        lc.LinearTrend(),
        lc.MagnitudePercentageRatio(0.4, 0.05),
        lc.MagnitudePercentageRatio(0.2, 0.05),
        lc.MagnitudePercentageRatio(0.25, 0.1),
        lc.MedianAbsoluteDeviation(),
        lc.MedianBufferRangePercentage(0.1),
        lc.MedianBufferRangePercentage(0.2),
        lc.OtsuSplit(),
        lc.PercentAmplitude(),
        lc.ReducedChi2(),
        lc.Roms(),
        lc.Skew(),
        lc.StandardDeviation(),
        lc.StetsonK(),
    )


@cache
def _slope() -> "light_curve.MaximumSlope":
    """Separate from the others, because it panics if all times are equal."""
    return _light_curve().MaximumSlope()


@cache
def _brightness() -> "light_curve.Extractor":
    """Features that depend on the zero point of magnitudes; relative variations are divided by a mean or median magnitude."""
    lc = _light_curve()
    return lc.Extractor(
        lc.Mean(),
        lc.Median(),
        lc.WeightedMean(),
        lc.ExcessVariance(),
        lc.MeanVariance(),
        lc.PercentDifferenceMagnitudePercentile(0.05),
        lc.PercentDifferenceMagnitudePercentile(0.1),
    )


@cache
def _folded_statistics() -> "light_curve.Extractor":
    """Smoothness of the magnitudes in the order of their phase."""
    lc = _light_curve()
    return lc.Extractor(lc.Cusum(), lc.Eta(), lc.LaflerKinmanStringLength())


@cache
def feature_names(with_brightness: bool) -> tuple[str, ...]:
    """Names of all features, from a curve that defines every one."""
    times = np.arange(64) * 1.234
    magnitudes = 15 + np.sin(times) + 0.1 * np.cos(times**2)
    return tuple(_features(times, magnitudes, np.full(64, 0.1), with_brightness))


def _extract_chunk(curves: RaggedLightCurves, with_brightness: bool) -> np.ndarray:
    """Features of clean curves, `(N, F)`."""
    names = feature_names(with_brightness)
    values = np.full((len(curves), len(names)), np.nan)
    for i in np.flatnonzero(curves.lengths):
        part = slice(curves.offsets[i], curves.offsets[i + 1])
        magnitudes = curves.magnitudes[part]
        errors = _fill_errors(magnitudes, None if curves.magnitude_errors is None else curves.magnitude_errors[part])
        features = _features(curves.times[part], magnitudes, errors, with_brightness)
        values[i] = [features.get(name, np.nan) for name in names]
    values[~np.isfinite(values)] = np.nan
    return values


def _fill_errors(magnitudes: np.ndarray, errors: np.ndarray | None) -> np.ndarray:
    known = np.isfinite(errors) if errors is not None else np.zeros(len(magnitudes), dtype=bool)
    if errors is None or not known.any():
        return np.full(len(magnitudes), magnitudes.std() or 1.0)
    return np.where(known, errors, np.median(errors[known]))


def _evaluate(evaluator: Any, times: np.ndarray, magnitudes: np.ndarray, errors: np.ndarray) -> dict[str, float]:
    values = evaluator(times, magnitudes, errors, sorted=True, fill_value=np.nan)
    return dict(zip(evaluator.names, values.tolist(), strict=True))


def _features(times: np.ndarray, magnitudes: np.ndarray, errors: np.ndarray, with_brightness: bool) -> dict[str, float]:
    """Features of one curve with at least one observation; undefined features may be missing, NaN or infinite."""
    absolute = _evaluate(_brightness(), times, magnitudes, errors) if with_brightness else {}
    times, magnitudes = times - times.mean(), magnitudes - magnitudes.mean()
    span = times[-1] - times[0]
    features = _evaluate(_statistics(), times, magnitudes, errors)
    if span > 0:
        features |= _evaluate(_slope(), times, magnitudes, errors)
    if len(times) >= MIN_OBSERVATIONS and span * MAX_FREQUENCY >= 1 and np.ptp(magnitudes) > 0:
        features |= _periodic_features(times, magnitudes)
    return features | absolute


def _spectrum(times: np.ndarray, magnitudes: np.ndarray, max_frequency: float) -> Spectrum:
    span = np.ptp(times)
    exponent = max(int(np.ceil(np.log2(STEPS_PER_RESOLUTION * span * max_frequency))), 6)
    step = max_frequency / 2**exponent
    power = _periodogram(max_frequency, exponent).power(times, magnitudes)
    first = int(np.ceil(0.5 / span / step))
    power[:first] = 0
    return Spectrum(power, step, int(2 / span / step), first)


@cache
def _periodogram(max_frequency: float, exponent: int) -> "light_curve.Periodogram":
    """A periodogram of 2^`exponent` + 1 frequencies: a fixed set of grids; the fast algorithm takes no other numbers."""
    frequencies = np.linspace(0, 2 * np.pi * max_frequency, 2**exponent + 1)
    return _light_curve().Periodogram(freqs=frequencies, fast=True, normalization="standard")


def _periodic_features(times: np.ndarray, magnitudes: np.ndarray) -> dict[str, float]:
    """Features of the period, from centred times and magnitudes that vary."""
    spectrum = _spectrum(times, magnitudes, MAX_FREQUENCY)
    fit, num_harmonics = _find_period(times, magnitudes, spectrum)
    frequency = float(fit.frequencies[0])
    coefficients = fit.coefficients(0, num_harmonics)
    residuals = magnitudes - evaluate_series(coefficients, times * frequency)
    explained = fit.explained[0]
    features = {
        "period": 1 / frequency,
        "period_num_harmonics": float(num_harmonics),
        "period_criterion": float(fit.criterion[0, num_harmonics - 1]) / len(times),
        "period_explained": float(explained[num_harmonics - 1]),
        "period_explained_by_sine": float(explained[0]),
        "period_residual": float(residuals.std()),
        "period_residual_mad_ratio": float(np.median(np.abs(residuals)) / (np.median(np.abs(magnitudes)) or np.nan)),
    }
    features |= _peak_features(spectrum)
    features |= _fourier_parameters(fit.coefficients(0, min(SHAPE_HARMONICS, fit.num_harmonics)))
    features |= _folded_features(times, magnitudes, frequency, coefficients, "folded")
    twice = FourierFits(times, magnitudes, np.array([frequency / 2]), fit.num_harmonics)
    best = int(twice.criterion[0].argmin()) + 1
    features["folded_twice_explained"] = float(twice.explained[0, best - 1] - explained[num_harmonics - 1])
    features["folded_twice_criterion"] = float(twice.criterion[0, best - 1] - fit.criterion[0, num_harmonics - 1])
    features |= _folded_features(times, magnitudes, frequency / 2, twice.coefficients(0, best), "folded_twice")
    if np.ptp(residuals) > 0:
        features |= _second_period_features(times, residuals, frequency)
    return features


def _find_period(times: np.ndarray, magnitudes: np.ndarray, spectrum: Spectrum) -> tuple[FourierFits, int]:
    """The Fourier series at the best frequency, and its best number of harmonics."""
    lowest = spectrum.first * spectrum.step
    candidates = np.concatenate([spectrum.sum_harmonics(count).peaks(NUM_PEAKS) for count in HARMONIC_SUMS]) * spectrum.step
    if not len(candidates):
        candidates = np.array([lowest])
    candidates = np.concatenate([candidates, candidates / 2, candidates * 2])
    candidates = np.unique(candidates[(candidates >= lowest) & (candidates <= MAX_FREQUENCY)])
    candidates = (candidates[:, None] + np.linspace(-0.5, 0.5, 5) * spectrum.step).ravel()
    num_harmonics = int(np.clip(len(times) // OBSERVATIONS_PER_HARMONIC, 1, MAX_HARMONICS))
    parts = np.split(candidates, range(block := max(1, MAX_WAVES // len(times)), len(candidates), block))
    criterion = np.concatenate([FourierFits(times, magnitudes, part, num_harmonics).criterion for part in parts])
    best, order = np.unravel_index(criterion.argmin(), criterion.shape)
    frequency = candidates[best]
    for half_width in (0.25, 0.06):
        near = frequency + np.linspace(-half_width, half_width, 9) * spectrum.step
        frequency = near[FourierFits(times, magnitudes, near, int(order) + 1).explained[:, -1].argmax()]
    return FourierFits(times, magnitudes, np.array([frequency]), num_harmonics), int(order) + 1


def _peak_features(spectrum: Spectrum, count: int = 3) -> dict[str, float]:
    """Period and height of the highest peaks, also in standard deviations of the power above its mean."""
    mean, deviation = spectrum.power.mean(), spectrum.power.std()
    features = {}
    for nth, peak in enumerate(spectrum.peaks(count), 1):
        power = float(spectrum.power[peak])
        features[f"peak_{nth}_period"] = 1 / (peak * spectrum.step)
        features[f"peak_{nth}_power"] = power
        features[f"peak_{nth}_signal_to_noise"] = float((power - mean) / deviation)
    return features


def _fourier_parameters(coefficients: np.ndarray) -> dict[str, float]:
    """Amplitudes, ratios R_h1 and phase differences φ_h1 of the sine series Σ A_h sin(h·angle + φ_h)."""
    # Re c·exp(−iφ) = |c|·cos(φ − arg c) = |c|·sin(φ + π/2 − arg c)
    amplitudes, phases = np.abs(coefficients[1:]), np.pi / 2 - np.angle(coefficients[1:])
    features = {"fourier_amplitude": float(amplitudes[0])}
    for nth in range(2, len(amplitudes) + 1):
        features[f"fourier_r{nth}1"] = float(amplitudes[nth - 1] / amplitudes[0])
        features[f"fourier_phi{nth}1"] = float((phases[nth - 1] - nth * phases[0]) % (2 * np.pi))
    return features


def _folded_features(
    times: np.ndarray, magnitudes: np.ndarray, frequency: float, coefficients: np.ndarray, prefix: str
) -> dict[str, float]:
    """The shape of the fitted curve, and the smoothness of the observations in the order of their phase."""
    curve = evaluate_series(coefficients, np.arange(NUM_PHASES) / NUM_PHASES)
    curve = np.roll(curve, -int(curve.argmax()))  # faintest first
    height = np.ptp(curve) or np.nan
    curve = (curve - curve.min()) / height  # 0 where brightest, 1 where faintest
    half, opposite = NUM_PHASES // 2, slice(int(0.35 * NUM_PHASES), int(0.65 * NUM_PHASES))
    phases = times * frequency % 1.0
    order = np.argsort(phases, kind="stable")
    features = {
        "height": height,
        "rise": curve.argmin() / NUM_PHASES,  # from faintest to brightest
        "faint_part": (curve > 0.5).mean(),
        "skew": ((curve - curve.mean()) ** 3).mean() / curve.std() ** 3,
        "second_depth": curve[opposite].max(),  # at the other eclipse of a binary
        "maxima_difference": abs(curve[:half].min() - curve[half:].min()),
    }
    features |= _evaluate(_folded_statistics(), phases[order], magnitudes[order], np.ones(len(times)))
    return {f"{prefix}_{name}": float(value) for name, value in features.items()}


def _second_period_features(times: np.ndarray, residuals: np.ndarray, frequency: float) -> dict[str, float]:
    """The periodic part of the residuals of the first period."""
    spectrum = _spectrum(times, residuals - residuals.mean(), MAX_SECOND_FREQUENCY)
    features = {}
    for nth, peak in enumerate(spectrum.peaks(2), 1):
        second = peak * spectrum.step
        features[f"second_{nth}_period"] = 1 / second
        features[f"second_{nth}_ratio"] = second / frequency
        features[f"second_{nth}_power"] = float(spectrum.power[peak])
    return features


__all__ = ["extract_features", "random_forest"]
