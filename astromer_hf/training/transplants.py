# Copyright 2026 The astromer_hf developers. MIT licence.
"""Copies of stars as another survey would have seen them: the same variation, at the times and with the noise of its stars.

Every survey has its own classes, times and errors, and a classifier of several learns the survey in place of the star. A star
that is copied to the other surveys keeps its class in each of them. Before this file stand hand-crafted features, which have
the periods; after it `scripts/train_variable_stars.py`, which copies stars, and `stars.py`, for views of them in other surveys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from ..baselines.hand_crafted_features import feature_names
from ..evaluation.fourier_series import FourierFits, evaluate_series
from ..model.feature_extraction_astromer import RaggedLightCurves
from .views import LARGEST_ERROR, LONGEST_SHIFT, SIGNAL_TO_NOISE, Variations

LEAST_EVIDENCE = 20.0  # of the period, by the Bayesian criterion: less is no variation that can be copied
SECOND_EVIDENCE = 10.0  # of a period in the residuals, such as the second mode of an RR Lyrae
NOISE_OF_ERRORS = (0.8, 1.5)  # range of the scatter about a star's period in units of its errors; more of it is variation
NOISE_WITHOUT_ERRORS = (0.01, 0.1)  # range of that scatter, mag, where there are no errors
MEAN_MAGNITUDE = 15.0


@dataclass(frozen=True)
class Variation:
    """A star's variation: Fourier series at one period or two.

    Args:
        periods: days.
        coefficients: of the series at each period, see `FourierFits.coefficients`.
    """

    periods: tuple[float, ...]
    coefficients: tuple[np.ndarray, ...]

    @property
    def rms(self) -> float:
        """Root-mean-square of the first series, magnitudes."""
        return float(np.sqrt((np.abs(self.coefficients[0][1:]) ** 2).sum() / 2))

    def at(self, days: np.ndarray) -> np.ndarray:
        """Magnitudes about the mean at these times."""
        series = zip(self.periods, self.coefficients, strict=True)
        return np.sum([evaluate_series(coefficients, days / period) for period, coefficients in series], axis=0)


@dataclass(frozen=True)
class SurveyStars:
    """Stars of a survey, for copies of them and as the times and errors of copies.

    Args:
        curves: clean light curves.
        features: hand-crafted features of them, see `extract_features`, in the order of `feature_names`.
    """

    curves: RaggedLightCurves
    features: np.ndarray

    def feature(self, name: str) -> np.ndarray:
        """A feature of all stars, `(N,)`."""
        return self.features[:, feature_names(with_brightness=False).index(name)]

    def noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each star its typical error (N,), and the scatter about its period in units of the errors, (N,), limited."""
        scatter = self.feature("period_residual")
        errors, ratios = np.empty(len(scatter)), np.ones(len(scatter))
        for star, residual in enumerate(scatter):
            own = slice(self.curves.offsets[star], self.curves.offsets[star + 1])
            known = None if self.curves.magnitude_errors is None else self.curves.magnitude_errors[own]
            if known is None or not np.isfinite(known).any():
                errors[star] = np.clip(residual if np.isfinite(residual) else 0.05, *NOISE_WITHOUT_ERRORS)
            else:
                errors[star] = np.nanmedian(known)
                ratios[star] = np.clip(residual / errors[star] if np.isfinite(residual) else 1, *NOISE_OF_ERRORS)
        return errors, ratios

    def variation(self, star: int) -> Variation | None:
        """The variation of a star, None where it has no clear period."""
        own = slice(self.curves.offsets[star], self.curves.offsets[star + 1])
        times, magnitudes = self.curves.times[own], self.curves.magnitudes[own]
        times, magnitudes = times - times.mean(), magnitudes - magnitudes.mean()
        period = self.feature("period")[star]
        if not np.isfinite(period) or self.feature("period_criterion")[star] * len(times) > -LEAST_EVIDENCE:
            return None
        order = int(self.feature("period_num_harmonics")[star])
        first = FourierFits(times, magnitudes, np.array([1 / period]), order).coefficients(0, order)
        residuals = magnitudes - evaluate_series(first, times / period)
        second = self.feature("second_1_period")[star]
        if np.isfinite(second):
            fits = FourierFits(times, residuals, np.array([1 / second]), 2)
            best = int(fits.criterion[0].argmin())
            if fits.criterion[0, best] < -SECOND_EVIDENCE:
                return Variation((float(period), float(second)), (first, fits.coefficients(0, best + 1)))
        return Variation((float(period),), (first,))


def measure_variations(stars: SurveyStars, show_progress: bool = False) -> Variations:
    """The variation and the noise of every star, for views of them in other surveys. About 2 ms a star on one core."""
    errors, ratios = stars.noise()
    numbers = tqdm(range(len(stars.curves)), desc="variations", unit=" stars", disable=not show_progress)
    found = [stars.variation(star) for star in numbers]
    longest = max((len(one) for variation in found if variation for one in variation.coefficients), default=2)
    frequencies = np.zeros((len(found), 2))
    coefficients = np.zeros((len(found), 2, longest - 1), dtype=np.complex64)
    rms = np.zeros(len(found), dtype=np.float32)
    for star, variation in enumerate(found):
        if variation is None:
            continue
        rms[star] = variation.rms
        for number, (period, series) in enumerate(zip(variation.periods, variation.coefficients, strict=True)):
            frequencies[star, number] = 1 / period
            coefficients[star, number, : len(series) - 1] = series[1:]
    noise = (errors.astype(np.float32), ratios.astype(np.float32))
    return Variations(*(torch.from_numpy(array) for array in (frequencies, coefficients, rms, *noise)))


def transplant(
    stars: SurveyStars,
    chosen: Sequence[int],
    others: Mapping[str, SurveyStars],
    copies: int,
    longest: int,
    rng: np.random.Generator,
) -> tuple[RaggedLightCurves, np.ndarray, np.ndarray]:
    """Copies of stars in other surveys.

    A copy has the times and errors of a random star of a random other survey, or of `longest` observations of it that follow
    each other. It has noise of these errors, times the ratio of scatter and errors of that star. Only stars are taken whose
    noise is small enough for the variation to be seen.

    Args:
        stars: of the survey.
        chosen: the stars that are copied.
        others: the other surveys.
        copies: of each star, each in another survey.
        longest: observations of a copy.
        rng: draws everything.

    Returns:
        Clean light curves, the star of each, `(M,)`, and the survey that it is copied to, `(M,)` strings. Stars without a clear
        period have no copy, and there are fewer where no star of a survey has so little noise.
    """
    noise = {name: other.noise() for name, other in others.items()}
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    sources, surveys = [], []
    for star in chosen:
        if (variation := stars.variation(star)) is None:
            continue
        for name in rng.choice(list(others), copies, replace=False):
            curves, (errors, ratios) = others[name].curves, noise[name]
            quiet = np.flatnonzero(errors * ratios < variation.rms / SIGNAL_TO_NOISE)
            if len(quiet) < 5:
                continue
            seen = int(rng.choice(quiet))
            first, last = curves.offsets[seen], curves.offsets[seen + 1]
            if last - first > longest:
                first = rng.integers(first, last - longest + 1)
                last = first + longest
            times = curves.times[first:last]
            magnitudes = variation.at(times - times.mean() + rng.uniform(0, LONGEST_SHIFT))
            own = np.full(len(times), np.nan) if curves.magnitude_errors is None else curves.magnitude_errors[first:last]
            scatter = np.minimum(np.where(np.isfinite(own) & (own > 0), own, errors[seen]), LARGEST_ERROR) * ratios[seen]
            magnitudes = magnitudes + scatter * rng.standard_normal(len(times))
            columns.append((times, magnitudes + MEAN_MAGNITUDE, own))
            sources.append(star)
            surveys.append(str(name))
    if not columns:
        empty = RaggedLightCurves(np.empty(0), np.empty(0), np.empty(0), np.zeros(1, np.int64))
        return empty, np.empty(0, np.int64), np.empty(0, dtype="<U1")
    mjd, mag, magerr = ([column[i] for column in columns] for i in range(3))
    return RaggedLightCurves.from_arrays(mjd, mag, magerr).clean()[0], np.array(sources), np.array(surveys)
