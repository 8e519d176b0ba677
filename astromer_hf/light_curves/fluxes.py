# Copyright 2026 The astromer_hf developers. MIT licence.
"""Fluxes to magnitudes, and how a column that holds fluxes is told from one that holds magnitudes.

Nothing comes before this file; `measurements.py` and `in_memory.py` use it. ASTROMER sees differences of magnitudes, so that
the zero point is free.
"""

import itertools

import numpy as np

POGSON = 2.5 / np.log(10)
# Zero points of AB magnitudes, by unit in lower case.
ZERO_POINTS = {"njy": 31.4, "ujy": 23.9, "microjy": 23.9, "µjy": 23.9, "mjy": 16.4, "jy": 8.9, "nmgy": 22.5, "nanomaggy": 22.5}
MAGNITUDE_UNITS = ("mag", "mmag", "mag(ab)", "mag(st)", "abmag", "vegamag")
FLUX_UNITS = (*ZERO_POINTS, "e-/s", "electron/s", "electron / s", "e / s", "'electron'.s**-1", "adu", "adu/s", "counts", "ct")


def unit_ratio(own: str, other: str) -> float:
    """How many of the `other` unit of flux the `own` one is; 1 where either is unknown."""
    if not own or not other or own == other:
        return 1.0
    from astropy import units

    spelt = {"ujy": "uJy", "µjy": "uJy", "njy": "nJy", "mjy": "mJy", "jy": "Jy", "microjy": "uJy"}
    try:
        first, second = (units.Unit(spelt.get(unit.strip().lower(), unit.strip())) for unit in (own, other))
        return float(first.to(second))
    except (ValueError, TypeError, units.UnitConversionError):
        return 1.0


def magnitudes_of(
    flux: np.ndarray, error: np.ndarray | None, zero_point: float | np.ndarray = 0.0
) -> tuple[np.ndarray, np.ndarray | None]:
    """`zero_point` - 2.5 log10(flux), and to first order its error; NaN where the flux is not positive. All `(P,)`."""
    with np.errstate(invalid="ignore"):
        positive = np.where(flux > 0, flux, np.nan)
    return zero_point - 2.5 * np.log10(positive), None if error is None else POGSON * error / positive


def asinh_magnitudes_of(
    flux: np.ndarray, error: np.ndarray | None, offsets: np.ndarray, zero_point: float | np.ndarray = 0.0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Asinh magnitudes (Lupton et al. 1999, AJ 118, 1406), which are finite for fluxes around and below zero.

    m = zero_point - 2.5/ln 10 (asinh(f / 2b) + ln b), where the softening b of a light curve is the median of its errors, or
    without errors a tenth of the median of |f|.

    Args:
        flux, error: `(P,)`; the light curves are the slices of `offsets`, `(N + 1,)`.

    Returns:
        Magnitudes and errors, `(P,)`.
    """
    softening = np.ones(len(flux))
    for start, stop in itertools.pairwise(offsets):
        own = np.abs(flux[start:stop]) / 10 if error is None else error[start:stop]
        own = own[np.isfinite(own) & (own > 0)]
        softening[start:stop] = np.median(own) if len(own) else 1.0
    magnitudes = zero_point - POGSON * (np.arcsinh(flux / (2 * softening)) + np.log(softening))
    return magnitudes, None if error is None else POGSON * error / np.hypot(flux, 2 * softening)


def looks_like_flux(values: np.ndarray, errors: np.ndarray | None) -> str | None:
    """Why a column that was taken for magnitudes, `(P,)`, is plainly none; None where it may well hold magnitudes.

    A marker of a missing magnitude, such as 99.999, repeats; fluxes beyond 90 differ from each other.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 5:
        return None
    large = finite[np.abs(finite) > 90]
    if len(large) > len(finite) / 4 and len(np.unique(large)) > max(3, len(large) / 2):
        return f"{len(large)} of {len(finite)} values are beyond 90, and they differ"
    usable = finite[np.abs(finite) <= 90]
    if len(usable) >= 8 and 0.5 < np.mean(usable < 0) < 1 and np.ptp(usable) > 15:
        return f"{np.sum(usable < 0)} of {len(usable)} values are negative, and they span {np.ptp(usable):.3g}"
    if errors is not None:
        known = errors[np.isfinite(errors) & (errors > 0) & (np.abs(values) <= 90)]
        known = known[known < 9]  # 9.999 and 99.99 mark missing errors
        total = int(np.sum(np.isfinite(values) & (np.abs(values) <= 90)))
        if total >= 3 and np.sum(known > 1) > total / 2:
            return f"{np.sum(known > 1)} of {total} errors are above 1"
    return None
