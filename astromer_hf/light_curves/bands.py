# Copyright 2026 The astromer_hf developers. MIT licence.
"""Objects that were observed in several bands: their light curves together, and one result of what a model makes of each.

Before this file stand tables whose light curves have a band, `source.py`; after it `inference/` and everything
that runs a model. ASTROMER reads the light curve of one band. Its results are combined afterwards: their mean, in which every
band weighs the same however often it was observed, or one after the other in a fixed order, where a band that an object lacks
is zeros.
"""

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..model.feature_extraction_astromer import RaggedLightCurves, mean_over_windows
from .chunk import LightCurveChunk
from .columns import TableError
from .numbers import name_of
from .source import LightCurveSource

logger = logging.getLogger(__name__)

CombinationKind = Literal["mean", "concat"]
NO_LIGHT_CURVE = "no light curve in these bands"  # why an object has no result


@dataclass(frozen=True)
class BandCombination:
    """How the light curves of an object become one result.

    Args:
        kind (`"mean"` or `"concat"`): the mean over the bands that an object has, or one band after the other.
        bands (`tuple[str, ...]`): K bands, in this order; light curves of others are left out.

    Raises:
        ValueError: there is no such kind, or the bands are none, empty or repeated.
    """

    kind: CombinationKind
    bands: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(CombinationKind):
            raise ValueError(f'Bands are combined by "mean" or "concat", got {self.kind!r}.')
        if not self.bands or not all(self.bands) or len(set(self.bands)) < len(self.bands):
            raise ValueError(
                f"The bands to combine must be unlike names that are not empty, got {', '.join(self.bands) or 'none'}."
            )

    def absent_from(self, found: Collection[str]) -> list[str]:
        """Those of the bands that are not among the `found`."""
        return [band for band in self.bands if band not in found]

    @property
    def description(self) -> dict[str, str]:
        """What an output says of it."""
        return {"band_combination": self.kind, "bands": json.dumps(self.bands)}


def find_bands(path: Any, *, columns: Mapping[str, str | None] | None = None) -> tuple[str, ...]:
    """The bands of a table, in alphabetical order; nothing but their column is read, where there is one.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: it has no column of bands, or rows without one.
    """
    return LightCurveSource.open(path, columns=columns).bands


def names_of_bands(band: Sequence[Any]) -> list[str]:
    """The bands of light curves in memory, in alphabetical order; those of no band are for `group_bands` to refuse."""
    return sorted({str(name) for name in band if not pd.isna(name) and name != ""})


def choose_bands(
    path: Any,
    kind: CombinationKind,
    bands: Sequence[str] | None = None,
    *,
    columns: Mapping[str, str | None] | None = None,
) -> BandCombination:
    """How the bands of a table are combined: those of `bands`, or for a mean all that there are.

    What is asked for and not there, or there and not asked for, is said in a warning.

    Raises:
        FileNotFoundError, TableError: as `find_bands`; or the table has none of the bands, or there is nothing to concatenate
            them by.
        ValueError: as [`BandCombination`].
    """
    source = LightCurveSource.open(path, columns=columns)
    found = source.bands
    if bands is None and kind == "concat":
        raise TableError(
            f"Bands are concatenated in an order, and none is given: name it (--bands). {source.name} has the bands "
            f"{', '.join(found)}."
        )
    combination = BandCombination(kind, found if bands is None else tuple(bands))
    absent = combination.absent_from(found)
    if len(absent) == len(combination.bands):
        raise TableError(f"{source.name} has no light curve in {' or '.join(absent)}; its bands are {', '.join(found)}.")
    if absent:
        logger.warning("%s has no light curve in %s; its bands are %s.", source.name, ", ".join(absent), ", ".join(found))
    if others := [band for band in found if band not in combination.bands]:
        logger.warning("Light curves in %s are left out: %s are combined.", ", ".join(others), ", ".join(combination.bands))
    return combination


@dataclass(frozen=True)
class MultibandLightCurves:
    """N objects and their R light curves in K bands.

    Args:
        light_curves ([`RaggedLightCurves`]): those of an object next to each other, in the order of the bands. An object may
            have several in a band, as of two telescopes; their windows count as those of one.
        object_index (`np.ndarray` of shape `(R,)`): the object of each, rising.
        band_index (`np.ndarray` of shape `(R,)`): the band of each, a number in `combination.bands`.
        num_objects (`int`): N; some may have no light curve.
        combination ([`BandCombination`]): how their results are combined.
    """

    light_curves: RaggedLightCurves
    object_index: np.ndarray
    band_index: np.ndarray
    num_objects: int
    combination: BandCombination

    def __len__(self) -> int:
        return self.num_objects

    @classmethod
    def from_arrays(
        cls,
        object_id: Sequence[Any],
        band: Sequence[str],
        mjd: Any,
        mag: Any,
        combination: BandCombination,
        magerr: Any = None,
    ) -> "MultibandLightCurves":
        """Gather R light curves in memory; objects come in the order in which their ids first appear.

        Args:
            object_id, band: of every light curve.
            mjd, mag: R arrays each, see `RaggedLightCurves.from_arrays`.
            combination: of the bands.
            magerr: errors of the magnitudes, *optional*.

        Raises:
            ValueError: unequal lengths, values that are not numbers, or light curves without an id or a band.
        """
        curves = RaggedLightCurves.from_arrays(mjd, mag, magerr)
        if not len(object_id) == len(band) == len(curves):
            raise ValueError(
                f"Every light curve needs an object and a band: got {len(object_id)} ids, {len(band)} bands and {len(curves)} "
                "light curves."
            )
        ids, bands = (
            pa.array([None if pd.isna(name) else name_of(name) for name in names], pa.string()) for names in (object_id, band)
        )
        found = names_of_bands(band)
        if not found:
            raise ValueError("No light curve has a band: give one for each.")
        if absent := combination.absent_from(found):
            if len(absent) == len(combination.bands):
                raise ValueError(f"No light curve is in {' or '.join(absent)}; their bands are {', '.join(found)}.")
            logger.warning("No light curve is in %s; their bands are %s.", ", ".join(absent), ", ".join(found))
        return group_bands(LightCurveChunk(ids, curves, {"band": bands}), combination).curves

    @classmethod
    def concatenate(cls, parts: Sequence["MultibandLightCurves"]) -> "MultibandLightCurves":
        """The objects of all `parts`, one after the other, which are combined in the same way."""
        firsts = np.cumsum([0, *(len(part) for part in parts)])
        assert len({part.combination for part in parts}) == 1
        return cls(
            RaggedLightCurves.concatenate([part.light_curves for part in parts]),
            np.concatenate([part.object_index + first for part, first in zip(parts, firsts, strict=False)]),
            np.concatenate([part.band_index for part in parts]),
            int(firsts[-1]),
            parts[0].combination,
        )

    def select(self, objects: np.ndarray) -> "MultibandLightCurves":
        """The objects of these numbers, in their order."""
        bounds = np.searchsorted(self.object_index, np.arange(self.num_objects + 1))
        counts = np.diff(bounds)[objects]
        before = np.cumsum(counts) - counts
        chosen = np.repeat(bounds[objects] - before, counts) + np.arange(counts.sum())
        owners = np.repeat(np.arange(len(objects)), counts)
        return MultibandLightCurves(
            self.light_curves.select(chosen), owners, self.band_index[chosen], len(objects), self.combination
        )

    def clean(self) -> tuple["MultibandLightCurves", np.ndarray]:
        """As `RaggedLightCurves.clean`; how many observations each object lost, `(N,)`."""
        light_curves, dropped = self.light_curves.clean()
        clean = MultibandLightCurves(light_curves, self.object_index, self.band_index, self.num_objects, self.combination)
        return clean, self.sum_per_object(dropped)

    @property
    def lengths(self) -> np.ndarray:
        """Observations of each object in the band that has most, `(N,)`."""
        most = np.zeros(self.num_objects, dtype=np.int64)
        np.maximum.at(most, self.object_index, self.light_curves.lengths)
        return most

    def concatenate_states(
        self, states: np.ndarray, light_curve: np.ndarray, length: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """States (W, S, P) of windows to those of objects, for a head that reads all bands.

        `light_curve` and `length` as for `window_weights`.

        Returns:
            `(M, S, K, P)` float32 for the M objects that have any window, with zeros for a band that one lacks; and the numbers
            of these objects, `(M,)`, rising.
        """
        by_band = self.mean_by_band(states.reshape(len(states), -1), light_curve, length)
        known = np.flatnonzero(~np.isnan(by_band[:, :, 0]).all(1))
        by_band = np.nan_to_num(by_band[known]).reshape(len(known), by_band.shape[1], *states.shape[1:])
        return by_band.transpose(0, 2, 1, 3), known

    def sum_per_object(self, counts: np.ndarray) -> np.ndarray:
        """Sums over the light curves (R,) of each object, `(N,)` int64."""
        return np.bincount(self.object_index, counts, self.num_objects).astype(np.int64)

    def has_band(self, num_points: np.ndarray) -> np.ndarray:
        """Which bands each object has, `(N, K)` bool, where light curves have so many usable observations, `(R,)`."""
        has = np.zeros((self.num_objects, len(self.combination.bands)), dtype=bool)
        usable = num_points > 0
        has[self.object_index[usable], self.band_index[usable]] = True
        return has

    def window_weights(self, light_curve: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Weights of windows in a mean over all windows of an object, by which every band that it has weighs the same.

        Args:
            light_curve: the light curve of every window, `(W,)`, rising.
            length: its observations, `(W,)`.
        """
        place = self._places[light_curve]
        return length / np.bincount(place, length)[place]

    def mean_by_band(self, values: np.ndarray, light_curve: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Mean of `values` (W, D) over the windows of each object in each band, `(N, K, D)`; NaN where it has none.

        `light_curve` and `length` as for `window_weights`; windows weigh by their observations.
        """
        num_bands = len(self.combination.bands)
        means = mean_over_windows(values, self._places[light_curve], length, self.num_objects * num_bands)
        return means.reshape(self.num_objects, num_bands, values.shape[1])

    def combine(self, values: np.ndarray, light_curve: np.ndarray, length: np.ndarray) -> np.ndarray:
        """`values` (W, D) of windows to one row an object, `(N, D)`, or `(N, K·D)` concatenated, float32.

        `light_curve` and `length` as for `window_weights`. NaN for objects without a window.
        """
        by_band = self.mean_by_band(values, light_curve, length)
        is_there = ~np.isnan(by_band[:, :, :1])
        filled = np.where(is_there, by_band, 0)
        if self.combination.kind == "concat":
            combined = filled.reshape(self.num_objects, by_band.shape[1] * by_band.shape[2])
        else:
            combined = filled.sum(1) / np.maximum(is_there.sum(1), 1)
        return np.where(is_there.any(1), combined, np.nan).astype(np.float32)

    @property
    def _places(self) -> np.ndarray:
        """Of each light curve, its object and band as one number, `(R,)`, rising."""
        return self.object_index * len(self.combination.bands) + self.band_index


@dataclass(frozen=True)
class MultibandChunk:
    """Consecutive objects of a table.

    Args:
        object_ids (`pa.Array` of strings, N entries): in the order of their first appearance in the table.
        curves ([`MultibandLightCurves`]): as they stand in the table, not cleaned.
        annotations (`dict[str, pa.Array]`): `label` and `identity`, where the table has them: what the light curves of an
            object agree in, null where they do not.
        num_light_curves (`int`): read for it, with those of bands that are left out.
    """

    object_ids: pa.Array
    curves: MultibandLightCurves
    annotations: dict[str, pa.Array]
    num_light_curves: int

    def __len__(self) -> int:
        return len(self.object_ids)

    def id_of(self, number: int) -> str | None:
        """The object of a light curve."""
        return self.object_ids[int(self.curves.object_index[number])].as_py()


def group_bands(chunk: LightCurveChunk, combination: BandCombination) -> MultibandChunk:
    """Put the light curves of each object together, whatever their order.

    Raises:
        TableError: there is no column of bands, or a light curve has no id or no band.
    """
    if "band" not in chunk.annotations:
        raise TableError("There is no column of bands, and none that looks like one: name it (--band-column).")
    for values, what in ((chunk.object_ids, "id"), (chunk.annotations["band"], "band")):
        if without := pc.sum(pc.fill_null(pc.equal(values, ""), True)).as_py():
            raise TableError(f"{without} light curves have no {what}, and bands are put together by it: drop or name them.")
    codes, _ = pd.factorize(chunk.object_ids.to_pandas())
    firsts = np.unique(codes, return_index=True)[1]
    numbers = {band: number for number, band in enumerate(combination.bands)}
    bands = np.array([numbers.get(band, -1) for band in chunk.annotations["band"].to_pylist()], dtype=np.int64)
    kept = np.flatnonzero(bands >= 0)
    order = kept[np.lexsort((bands[kept], codes[kept]))]
    curves = MultibandLightCurves(chunk.curves.select(order), codes[order], bands[order], len(firsts), combination)
    ids = chunk.object_ids.take(pa.array(firsts))
    annotations = {
        role: _agreed(values, codes, ids, role) for role, values in chunk.annotations.items() if role in ("label", "identity")
    }
    return MultibandChunk(ids, curves, annotations, len(chunk))


def _agreed(values: pa.Array, codes: np.ndarray, object_ids: pa.Array, role: str) -> pa.Array:
    """The one value that the light curves of each object have where they have any, `(N,)`; null where they have several."""
    pairs = pd.DataFrame({"object": codes, "value": values.to_pandas()}).replace({"value": ""}, None).dropna()
    known = pairs.drop_duplicates().set_index("object")["value"]
    differing = known.index[known.index.duplicated()].unique()
    if len(differing):
        logger.warning(
            "%d objects, such as %s, have another %s in one band than in another: it is left open.",
            *(len(differing), object_ids[int(differing[0])].as_py(), role),
        )
    agreed = known.drop(index=differing).reindex(range(len(object_ids)))
    return pa.Array.from_pandas(agreed, type=pa.string())


def list_bands(bands: Sequence[str] | None, has_band: np.ndarray | None) -> dict[str, pa.Array]:
    """The column `bands`: those that each object has, (N, K) bool, in their order; no column where none are combined."""
    if bands is None or has_band is None:
        return {}
    offsets = np.concatenate(([0], np.cumsum(has_band.sum(1))))
    names = pa.array(bands, pa.string()).take(pa.array(np.nonzero(has_band)[1]))
    return {"bands": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names)}


def iter_objects(
    path: Any,
    combination: BandCombination,
    *,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    rows: range | None = None,
) -> Iterator[MultibandChunk]:
    """Read a table object by object; arguments and errors as of `LightCurveSource.objects` and `group_bands`."""
    for chunk in LightCurveSource.open(path, columns=columns).objects(objects_per_chunk, rows=rows):
        yield group_bands(chunk, combination)
