# Copyright 2026 The astromer_hf developers. MIT licence.
"""Least-squares Fourier series of a light curve at many frequencies, with the evidence for each number of harmonics.

`periods.py` judges candidate periods by them; `baselines/hand_crafted_features.py` reads the shape of a light curve from them.
"""

import numpy as np

ROUGHNESS_PENALTY = 1e-3  # times harmonic²; keeps high harmonics from overshooting where no phase is observed


class FourierFits:
    """Fourier series, a constant and up to H harmonics, at each of C frequencies.

    The normal equations need no (C, L, 2H + 1) matrix of waves, because products of waves are waves of the sums and differences
    of their frequencies. The Cholesky factor of all harmonics contains those of fewer, so one solution scores every number.

    Args:
        times, magnitudes (`np.ndarray` of shape `(L,)`): days and magnitudes, the latter with (weighted) mean 0.
        frequencies (`np.ndarray` of shape `(C,)`): cycles a day.
        num_harmonics (`int`): H.
        weights (`np.ndarray` of shape `(L,)`, *optional*): of the observations, with mean 1.
    """

    def __init__(
        self,
        times: np.ndarray,
        magnitudes: np.ndarray,
        frequencies: np.ndarray,
        num_harmonics: int,
        weights: np.ndarray | None = None,
    ):
        self.frequencies, self.num_harmonics = frequencies, num_harmonics
        weighted = magnitudes if weights is None else weights * magnitudes
        self.count, self.variance = len(times), weighted @ magnitudes
        base = np.exp(2j * np.pi * frequencies[:, None] * times)  # (C, L)
        count = len(frequencies)
        waves = np.empty((2 * num_harmonics + 1, count), dtype=complex)  # Σ exp(i·h·angle)
        projections = np.empty((num_harmonics + 1, count), dtype=complex)  # Σ magnitude · exp(i·h·angle)
        waves[0], projections[0] = len(times), weighted.sum()
        wave = base.copy()
        for harmonic in range(1, 2 * num_harmonics + 1):
            waves[harmonic] = wave.sum(1) if weights is None else wave @ weights
            if harmonic <= num_harmonics:
                projections[harmonic] = wave @ weighted
            if harmonic < 2 * num_harmonics:
                wave *= base

        order = np.arange(num_harmonics + 1)
        sums, lags = waves[order[:, None] + order], order[:, None] - order
        differences = waves[np.abs(lags)]
        differences = np.where(lags[..., None] < 0, differences.conj(), differences)
        size = 2 * num_harmonics + 1  # constant, cosine, sine, cosine of twice the angle, ...
        normal, self.projections = np.empty((count, size, size)), np.empty((count, size))
        cosine, sine = np.concatenate([[0], np.arange(1, size, 2)]), np.arange(2, size, 2)
        mixed = (sums.imag - differences.imag)[:, 1:] / 2
        normal[:, cosine[:, None], cosine] = (sums.real + differences.real).transpose(2, 0, 1) / 2
        normal[:, sine[:, None], sine] = (differences.real - sums.real)[1:, 1:].transpose(2, 0, 1) / 2
        normal[:, cosine[:, None], sine] = mixed.transpose(2, 0, 1)
        normal[:, sine[:, None], cosine] = mixed.transpose(2, 1, 0)
        penalty = np.concatenate([[1e-6], np.repeat(order[1:] ** 2 * ROUGHNESS_PENALTY, 2)]) * len(times)
        normal[:, np.arange(size), np.arange(size)] += penalty
        self.factor = np.linalg.cholesky(normal)
        self.projections[:, cosine], self.projections[:, sine] = projections.real.T, projections.imag[1:].T
        self.solved = np.linalg.solve(self.factor, self.projections[..., None])[..., 0]

    @property
    def explained(self) -> np.ndarray:
        """The fraction of the variance that 1, ..., H harmonics explain, `(C, H)`."""
        return np.cumsum(self.solved**2, axis=1)[:, 2::2] / self.variance

    @property
    def criterion(self) -> np.ndarray:
        """The Bayesian criterion of 1, ..., H harmonics against a constant, `(C, H)`; lower is better."""
        order = np.arange(1, self.num_harmonics + 1)
        return self.count * np.log(np.maximum(1 - self.explained, 1e-6)) + 2 * order * np.log(self.count)

    def coefficients(self, index: int, num_harmonics: int) -> np.ndarray:
        """The constant and the complex harmonics c_h in Re Σ c_h exp(−i·h·angle), `(1 + num_harmonics,)`."""
        size = 2 * num_harmonics + 1
        flat = np.linalg.solve(self.factor[index, :size, :size].T, self.solved[index, :size])
        return np.concatenate([flat[:1], flat[1::2] + 1j * flat[2::2]])


def evaluate_series(coefficients: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Magnitudes of a fitted series at `phases`, in cycles."""
    return (np.exp(-2j * np.pi * phases[:, None] * np.arange(len(coefficients))) @ coefficients).real
