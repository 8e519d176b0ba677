# Copyright 2026 The astromer_hf developers. MIT licence.
"""Many light curves of unequal length as flat arrays, from any form in which people have them, and cleaned.

After it stands `feature_extraction_astromer.py`, which cuts windows of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .times_astromer import check_time_precision

MAX_ABS_MAGNITUDE = 90.0  # surveys mark missing magnitudes by 99, 99.999, -99, ...; no star is that bright or faint
MAX_TIME_SPAN_DAYS = 100_000.0  # 270 years; photographic archives span about 130
MAX_ABS_TIME_DAYS = 1e8  # a Julian date is 2.5e6, Unix time in seconds 1.7e9


@dataclass(frozen=True)
class RaggedLightCurves:
    """Many light curves of unequal length as flat arrays; curve i is the slice `offsets[i]:offsets[i + 1]`.

    Args:
        times (`np.ndarray` of shape `(P,)`, float64): days; the zero point is free.
        magnitudes (`np.ndarray` of shape `(P,)`, float64): magnitudes.
        magnitude_errors (`np.ndarray` of shape `(P,)`, float64, *optional*): one standard deviation, magnitudes.
        offsets (`np.ndarray` of shape `(N + 1,)`, int64): where each curve starts, and the total.
    """

    times: np.ndarray
    magnitudes: np.ndarray
    magnitude_errors: np.ndarray | None
    offsets: np.ndarray

    @classmethod
    def from_arrays(cls, mjd: Any, mag: Any, magerr: Any = None) -> "RaggedLightCurves":
        """Gather one curve (1-d arrays) or several (a list of them, or a 2-d array) into flat float64 arrays.

        Raises:
            ValueError: curves or columns of unequal length, or values that are not numbers.
        """
        columns = {"mjd": _as_curves(mjd, "mjd"), "mag": _as_curves(mag, "mag")}
        lengths = np.array([len(curve) for curve in columns["mjd"]], dtype=np.int64)
        if isinstance(magerr, (list, tuple)) and len(magerr) == len(lengths):  # a curve without errors may come as None
            magerr = [np.full(length, np.nan) if own is None else own for length, own in zip(lengths, magerr, strict=True)]
        if magerr is not None:
            columns["magerr"] = _as_curves(magerr, "magerr")
        for name, curves in columns.items():
            if len(curves) != len(lengths):
                raise ValueError(f"`mjd` holds {len(lengths)} light curves and `{name}` {len(curves)}: give one for each.")
            other = np.array([len(curve) for curve in curves], dtype=np.int64)
            if len(wrong := np.flatnonzero(other != lengths)):
                i = wrong[0]
                raise ValueError(
                    f"Light curve {i} has {lengths[i]} values in `mjd` and {other[i]} in `{name}`: give one for each time."
                )
        flat = {name: np.concatenate(curves) if curves else np.empty(0) for name, curves in columns.items()}
        return cls(flat["mjd"], flat["mag"], flat.get("magerr"), np.concatenate(([0], np.cumsum(lengths))))

    @property
    def lengths(self) -> np.ndarray:
        """Observations of each curve, `(N,)`."""
        return np.diff(self.offsets)

    @property
    def object_index(self) -> np.ndarray:
        """The curve that each observation belongs to, `(P,)`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def clean(self) -> tuple["RaggedLightCurves", np.ndarray]:
        """Drop observations without a usable time or magnitude and sort the rest by time.

        NaN and infinite times and magnitudes are dropped, and so are the surveys' markers of a missing magnitude (|mag| > 90).
        Repeated times are kept. A missing or non-positive error becomes NaN; its observation is kept.

        Returns:
            The clean curves (curve i stays curve i, possibly without observations), and the number of observations that each
            curve lost, `(N,)`.

        Raises:
            ValueError: the times cannot be days.
        """
        keep = self.usable
        curves, dropped = self, np.zeros(len(self), dtype=np.int64)
        if not keep.all():
            curves = self.keep(keep)
            dropped = self.lengths - curves.lengths
        owner = curves.object_index
        unsorted = (np.diff(curves.times) < 0) & (np.diff(owner) == 0)
        if unsorted.any():
            curves = curves._take(np.lexsort((curves.times, owner)), curves.offsets)
        if wrong := curves.find_not_days():
            raise ValueError(next(iter(wrong.values())))
        if curves.magnitude_errors is not None:
            with np.errstate(invalid="ignore"):
                usable = np.isfinite(curves.magnitude_errors) & (curves.magnitude_errors > 0)
            errors = np.where(usable, curves.magnitude_errors, np.nan)
            curves = RaggedLightCurves(curves.times, curves.magnitudes, errors, curves.offsets)
        return curves, dropped

    @classmethod
    def concatenate(cls, parts: Sequence["RaggedLightCurves"]) -> "RaggedLightCurves":
        """All curves of `parts`, one after the other; errors are NaN for parts without errors."""
        errors = None
        if any(part.magnitude_errors is not None for part in parts):
            known = (part.magnitude_errors for part in parts)
            errors = np.concatenate(
                [np.full(part.offsets[-1], np.nan) if own is None else own for part, own in zip(parts, known, strict=True)]
            )
        lengths = np.concatenate([part.lengths for part in parts])
        times, magnitudes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("times", "magnitudes"))
        return cls(times, magnitudes, errors, np.concatenate(([0], np.cumsum(lengths))))

    def slices(self, start: np.ndarray, length: np.ndarray) -> "RaggedLightCurves":
        """New curves: `length` observations from `start` (an index into the flat arrays), both `(M,)`."""
        offsets = np.concatenate(([0], np.cumsum(length)))
        return self._take(np.repeat(start - offsets[:-1], length) + np.arange(offsets[-1]), offsets)

    def keep(self, points: np.ndarray) -> "RaggedLightCurves":
        """The same curves with only the observations where `points` (P,) is True; a curve may end up empty."""
        return self._take(points, np.concatenate(([0], np.cumsum(points)))[self.offsets])

    def select(self, indices: np.ndarray) -> "RaggedLightCurves":
        """The curves with these indices, in their order."""
        return self.slices(self.offsets[indices], self.lengths[indices])

    def _take(self, index: np.ndarray, offsets: np.ndarray) -> "RaggedLightCurves":
        errors = None if self.magnitude_errors is None else self.magnitude_errors[index]
        return RaggedLightCurves(self.times[index], self.magnitudes[index], errors, offsets)

    @property
    def usable(self) -> np.ndarray:
        """Observations with a time and a magnitude that is no marker of a missing one, `(P,)` bool."""
        with np.errstate(invalid="ignore"):
            return np.isfinite(self.times) & (np.abs(self.magnitudes) <= MAX_ABS_MAGNITUDE)

    def find_not_days(self) -> dict[int, str]:
        """The curves whose times cannot be days, and what is wrong with them."""
        filled = np.flatnonzero(self.lengths)
        if not len(filled):
            return {}
        usable, starts = self.usable, self.offsets[filled]
        first = np.minimum.reduceat(np.where(usable, self.times, np.inf), starts)
        last = np.maximum.reduceat(np.where(usable, self.times, -np.inf), starts)
        bad = (last - first > MAX_TIME_SPAN_DAYS) | (np.maximum(np.abs(first), np.abs(last)) > MAX_ABS_TIME_DAYS)
        return {
            int(filled[i]): f"Times must be days (MJD, HJD or JD; any zero point), but light curve {filled[i]} runs from "
            f"{first[i]:.6g} to {last[i]:.6g}. If these are seconds, divide them by 86400."
            for i in np.flatnonzero(bad & (first <= last))
        }

    def without_points_of(self, numbers: Sequence[int]) -> "RaggedLightCurves":
        """The same curves; of those with these numbers no observation has a magnitude, so that all are dropped and counted."""
        refused = np.isin(self.object_index, list(numbers))
        return RaggedLightCurves(self.times, np.where(refused, np.nan, self.magnitudes), self.magnitude_errors, self.offsets)


_UNITS = {"mjd": "day", "mag": "mag", "magerr": "mag"}


def _as_curves(values: Any, name: str) -> list[np.ndarray]:
    """Any accepted form of a column, as a list of 1-d native float64 arrays."""
    kind = type(values).__name__
    if type(values).__module__.startswith("astropy.time"):
        raise ValueError(f"`{name}` must be numbers of {_UNITS[name]}s, got an astropy {kind}: give its `.mjd`.")
    values = to_numpy(values, name)
    if not isinstance(values, (list, tuple)):
        try:
            values = np.asanyarray(values)  # keeps the mask of a masked array
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ValueError(f"`{name}` must be numbers of {_UNITS[name]}s, got a {kind}: {_one_line(error)}.") from error
        if values.ndim not in (1, 2):
            raise ValueError(f"`{name}` must be one light curve (1-d) or a list of them, got {values.ndim}-d {kind}.")
    first = next((value for value in values if value is not None), 0.0)
    curves = [values] if np.ndim(first) == 0 else values
    return [_as_float64(curve, name, i) for i, curve in enumerate(curves)]


def to_numpy(values: Any, name: str) -> Any:
    """A tensor of torch, of any precision and device, as a numpy array; anything else as it is.

    Raises:
        ValueError: it holds no numbers, or times of too few digits.
    """
    if not (hasattr(values, "detach") and hasattr(values, "cpu")):
        return values
    own = str(values.dtype).removeprefix("torch.")
    if own == "bfloat16" and name == "mjd":
        raise ValueError("`mjd` in bfloat16 has 8 binary digits, in which an hour of a month is lost: give times in float64.")
    try:
        values = values.detach().cpu()
        values = values.to_dense() if str(values.layout) != "torch.strided" else values
        return (values.float() if own == "bfloat16" else values.resolve_conj()).numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ValueError(f"`{name}` is a tensor whose numbers cannot be read: {_one_line(error)}.") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _as_float64(values: Any, name: str, i: int) -> np.ndarray:
    """One curve's column as a 1-d float64 array, in its unit where it has one; masked entries and None become NaN."""
    values = to_numpy(values, name)
    kind = getattr(getattr(values, "dtype", None), "kind", "f")
    if kind in "mMcV":  # numpy would cast dates to counts and complex numbers to their real part
        raise ValueError(
            f"`{name}` of light curve {i} must be numbers of {_UNITS[name]}s, got {values.dtype}: convert them first."
        )
    unit: Any = getattr(values, "unit", None)  # astropy's
    try:
        array = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan) if np.ma.isMaskedArray(values) else values
        array = np.asarray(array, dtype=np.float64)
        if (
            hasattr(unit, "to") and not hasattr(unit, "function_unit") and str(unit)
        ):  # a magnitude with any zero point is accepted
            array = np.asarray(unit.to(_UNITS[name], array), dtype=np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"`{name}` of light curve {i} must be numbers of {_UNITS[name]}s: {_one_line(error)}.") from error
    if array.ndim != 1:
        raise ValueError(f"`{name}` of light curve {i} must be 1-d, got shape {array.shape}.")
    if name == "mjd" and len(array):
        own = values if hasattr(values, "dtype") else values[0]
        check_time_precision(array, getattr(own, "dtype", None), f"`mjd` of light curve {i}")
    return array
