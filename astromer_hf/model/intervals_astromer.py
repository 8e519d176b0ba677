# Copyright 2026 The astromer_hf developers. MIT licence.
"""Intervals around reconstructed magnitudes, by split conformal prediction with a scale of each hidden observation.

How well a model knows a hidden magnitude differs between stars: it depends on the noise, on the period, and on what was seen.
So the visible observations are hidden in turn as well, in `NUM_FOLDS` folds, and the residuals of these reconstructions give a
scale (`residual_scales`). The quantiles of |residual| / scale on held-out stars, `config.reconstruction_quantiles`, turn a
scale into an interval (locally weighted: Lei et al. 2018, JASA 113, 1094). Nothing hidden enters the scale.

Errors of magnitudes do not enter the scale, so one star's observations of unlike precision share it. Where half of them are
3 times as noisy, the 90 % interval holds 0.98 of the precise and 0.70 to 0.73 of the noisy ones, even if `magerr` tells them
apart.

The pipeline of reconstructions uses it; `scripts/calibrate_reconstruction.py` fits the quantiles and measures the coverage.
"""

import numpy as np

NUM_FOLDS = 4
NEAREST = 25  # visible observations of a similar reconstructed magnitude: eclipses are known less well than what is between
FEWEST_VISIBLE = 8  # of which a scale can be told
NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation


def deal_folds(hidden: np.ndarray, seed: int) -> np.ndarray:
    """The fold in which each visible observation is hidden as well, `(n,)`; -1 where `hidden` (n,) bool is True."""
    folds = np.full(len(hidden), -1)
    visible = np.flatnonzero(~hidden)
    folds[np.random.default_rng([seed, 1]).permutation(visible)] = np.arange(len(visible)) % NUM_FOLDS
    return folds


def residual_scales(residuals: np.ndarray, around: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The scale of the residuals at hidden observations of one light curve, `(m,)` magnitudes.

    It is the root mean square of two medians of absolute residuals, in standard deviations of a normal distribution: that of
    all visible observations, and that of the `NEAREST` ones in reconstructed magnitude. Single outliers do not move medians.

    Args:
        residuals: `(n,)`, of visible observations when they are hidden as well.
        around: `(n,)`, their reconstructed magnitudes.
        at: `(m,)`, the reconstructed magnitudes of the hidden observations.

    Returns:
        NaN where there are fewer than `FEWEST_VISIBLE` residuals.
    """
    if len(residuals) < FEWEST_VISIBLE:
        return np.full(len(at), np.nan)
    sizes = np.abs(residuals)
    order = np.argsort(around)
    width, ranked = min(NEAREST, len(order)), around[order]
    runs = np.lib.stride_tricks.sliding_window_view(sizes[order], width)
    # The nearest in magnitude are a run of the ranked ones, the first whose next member is farther than its own first.
    nearest = np.searchsorted((ranked[:-width] + ranked[width:]) / 2, at)
    return NORMAL * np.sqrt((np.median(runs, axis=1)[nearest] ** 2 + np.median(sizes) ** 2) / 2)


__all__ = ["FEWEST_VISIBLE", "NUM_FOLDS", "deal_folds", "residual_scales"]
