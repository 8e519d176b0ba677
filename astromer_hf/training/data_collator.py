# Copyright 2026 The astromer_hf developers. MIT licence.
"""`DataCollatorForMaskedLightCurves`: the masks of ASTROMER's pre-training task, drawn for a whole batch at once.

Before it stands a `datasets.Dataset` of light curves, after it `AstromerForMaskedReconstruction`. Masking follows the paper's
Sect. 4.3 as the released code counts it: of n observations floor(n·probed) are probed; of the probed ceil(20 %) are shown
with their own magnitude, then ceil(20 %) of the remaining with the magnitude of a random observation of the window, and the
rest is hidden. All probed observations are scored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ..model.feature_extraction_astromer import (
    AstromerFeatureExtractor,
    LightCurveWindows,
    RaggedLightCurves,
    WindowKind,
    cut_windows,
)


@dataclass(frozen=True)
class Masks:
    """Masks of B windows of L columns: masked_positions ⊆ loss_mask ⊆ observations, and randomised in their difference.

    Args:
        loss_mask: `(B, L)` bool, probed and hence scored.
        masked_positions: `(B, L)` bool, hidden from the encoder.
        randomised: `(R,)` int64, probed observations that are shown with another one's magnitude, as indices into the flattened
            windows.
        donors: `(R,)` int64, the observations of the same windows that lend it, likewise.
    """

    loss_mask: np.ndarray
    masked_positions: np.ndarray
    randomised: np.ndarray
    donors: np.ndarray

    def shown(self, magnitudes: np.ndarray) -> np.ndarray:
        """A copy of `magnitudes` (B, L) in which the randomised observations have their donors' magnitudes."""
        shown = magnitudes.copy()
        np.put(shown, self.randomised, np.take(magnitudes, self.donors))
        return shown


def draw_masks(
    lengths: np.ndarray,
    width: int,
    generator: np.random.Generator,
    probed_fraction: float = 0.5,
    random_fraction: float = 0.2,
    same_fraction: float = 0.2,
) -> Masks:
    """Draw the masks of B windows of `width` columns, of which the first `lengths` (B,) hold observations.

    Every observation gets a random key; those with the smallest keys of their window are probed. The column number in its low
    bits makes a key unique; padding, and one column more, have the largest.
    """
    column_bits = width.bit_length()
    dtype: type[np.unsignedinteger] = np.uint32 if column_bits <= 12 else np.uint64
    largest = np.iinfo(dtype).max
    columns = np.arange(width + 1, dtype=dtype)
    keys = generator.integers(0, largest, size=(len(lengths), width + 1), dtype=dtype)
    keys = np.where(columns < lengths[:, None].astype(dtype), keys >> column_bits << column_bits | columns, dtype(largest))
    sorted_keys = np.sort(keys, axis=1)

    def is_among_first(counts: np.ndarray) -> np.ndarray:
        return keys[:, :width] < sorted_keys[np.arange(len(counts)), counts][:, None]

    # Rounded first: 0.2 * 35 is 7.000000000000001.
    num_probed = np.floor(np.round(lengths * probed_fraction, 6)).astype(np.int64)
    num_same = np.ceil(np.round(num_probed * same_fraction, 6)).astype(np.int64)
    num_random = np.ceil(np.round((num_probed - num_same) * random_fraction, 6)).astype(np.int64)
    probed, shown = is_among_first(num_probed), is_among_first(num_same + num_random)

    randomised = np.flatnonzero(shown & ~is_among_first(num_same))
    window, column = np.divmod(randomised, width)
    others = lengths[window] - 1
    step = 1 + (generator.random(len(window)) * others).astype(np.int64)  # on to another observation, if there is one
    donors = window * width + (column + step) % lengths[window]
    return Masks(probed, probed & ~shown, randomised, donors)


def mean_of_visible(magnitudes: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """What to centre masked windows (B, L) on, `(B, 1)`; 0 where nothing is visible.

    The mean of all observations, which the extractor subtracts, would tell the mean of the hidden ones.
    """
    counts = visible.sum(1, keepdims=True, dtype=np.float32)
    return (magnitudes * visible).sum(1, keepdims=True) / np.maximum(counts, 1)


@dataclass
class _WindowCollator:
    """Cut one window out of each light curve of a batch, or all of them, and centre and pad it.

    The generator of a batch is seeded by `seed` and by the light curves in it, in their order. Nothing is remembered between
    batches, so a batch comes out the same whatever the number of dataloader workers or processes and after a resumed run, the
    same at every evaluation, and new in every epoch of a training set that is shuffled into batches of several.
    """

    feature_extractor: AstromerFeatureExtractor
    windows: WindowKind = "random"
    window_size: int | None = None
    padding: Literal["longest", "max_length"] = "longest"
    seed: int = 0

    def cut(
        self, features: "LightCurveBatch | Sequence[dict[str, Any]]"
    ) -> tuple[LightCurveWindows, "LightCurveBatch", np.random.Generator]:
        """The windows of a batch, whose `object_index` counts light curves of the batch, the batch, and its generator."""
        batch = features if isinstance(features, LightCurveBatch) else LightCurveBatch.from_rows(features)
        if not batch.lengths.all():
            raise ValueError(
                f"{np.sum(batch.lengths == 0)} light curves of this batch have no usable observation: drop them when the "
                "dataset is prepared."
            )
        generator = self.batch_generator(batch)
        size = self.feature_extractor.window_size if self.window_size is None else self.window_size
        nth, start, length = cut_windows(batch.lengths, size, self.windows, generator)
        padded_length = size if self.padding == "max_length" else None
        windows = self.feature_extractor.gather(batch.curves, batch.indices[nth], start, length, padded_length)
        windows.object_index = nth
        return windows, batch, generator

    def batch_generator(self, batch: "LightCurveBatch") -> np.random.Generator:
        """A generator that depends on `seed` and on the batch's light curves and their order alone."""
        first = batch.curves.offsets[batch.indices]
        fingerprint = hashlib.blake2b(batch.curves.times[first].tobytes(), digest_size=16)
        fingerprint.update(batch.curves.magnitudes[first].tobytes())
        fingerprint.update(batch.lengths.tobytes())
        return np.random.default_rng([self.seed, int.from_bytes(fingerprint.digest(), "little")])


@dataclass
class DataCollatorForMaskedLightCurves(_WindowCollator):
    """Cut windows out of a batch of light curves and mask them; reproducible as `_WindowCollator` says.

    Args:
        feature_extractor (`AstromerFeatureExtractor`): cuts, centres and pads.
        windows (`str`, defaults to `"random"`): `"random"` for training: one window a light curve at a random place.
            `"sequential"` for evaluation: every window of every light curve. (Trainer's evaluation loses windows of its last
            batch where a light curve makes several: give it light curves that `training.cut_sequentially` cut.)
        window_size (`int`, *optional*): observations in a full window instead of the extractor's own.
        padding (`str`, defaults to `"longest"`): `"max_length"` gives every batch the same width (for `torch.compile`).
        seed (`int`, defaults to 0): of windows and masks.
        probed_fraction, random_fraction, same_fraction (`float`): see `draw_masks`.

    Raises:
        ValueError: a fraction outside [0, 1].
    """

    probed_fraction: float = 0.5
    random_fraction: float = 0.2
    same_fraction: float = 0.2

    def __post_init__(self) -> None:
        for name in ("probed_fraction", "random_fraction", "same_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must lie in [0, 1], got {getattr(self, name)}.")

    def __call__(self, features: "LightCurveBatch | Sequence[dict[str, Any]]") -> dict[str, torch.Tensor]:
        """Cut and mask windows of light curves: a `LightCurveBatch`, or rows with `mjd`, `mag` and perhaps `magerr`.

        Returns:
            Tensors of shape (B, L): `magnitudes` as shown to the encoder, `times` (float32), `attention_mask` (int64),
            `masked_positions`, `loss_mask` (bool), `labels` (float32, the true magnitudes) and `magnitude_errors` where the
            light curves have them. Magnitudes and labels are relative to the mean that the encoder can see.

        Raises:
            ValueError: rows without `mjd` and `mag`; light curves without a usable observation.
        """
        windows, _, generator = self.cut(features)
        magnitudes = windows["magnitudes"]
        fractions = (self.probed_fraction, self.random_fraction, self.same_fraction)
        masks = draw_masks(windows.window_length, magnitudes.shape[1], generator, *fractions)
        shown = masks.shown(magnitudes)
        observed = windows["attention_mask"] == 1
        visible_mean = mean_of_visible(shown, observed & ~masks.masked_positions)
        arrays = {
            **windows,
            "magnitudes": (shown - visible_mean) * observed,
            "labels": (magnitudes - visible_mean) * observed,
            "masked_positions": masks.masked_positions,
            "loss_mask": masks.loss_mask,
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


@dataclass
class DataCollatorForLightCurveClassification(_WindowCollator):
    """Cut windows out of a batch of labelled light curves; every window has its light curve's label.

    Args:
        feature_extractor, windows, window_size, padding, seed: as for `DataCollatorForMaskedLightCurves`.
    """

    def __call__(self, features: "LightCurveBatch | Sequence[dict[str, Any]]") -> dict[str, torch.Tensor]:
        """Cut windows of a `LightCurveBatch` with labels, or of rows with `mjd`, `mag` and `label` (a class id or a target).

        Returns:
            `magnitudes`, `times` (B, L) float32, `attention_mask` (B, L) int64, `labels` (B,), int64 or float32, and
            `magnitude_errors` (B, L) float32 where the light curves have them.

        Raises:
            ValueError: rows without one of the columns; light curves without a usable observation.
        """
        windows, batch, _ = self.cut(features)
        if batch.labels is None:
            raise ValueError("These light curves have no labels: rows need the column `label`, a class id or a target.")
        labels = torch.from_numpy(batch.labels[windows.object_index])
        tensors = {name: torch.from_numpy(array) for name, array in windows.items()}
        return {**tensors, "labels": labels.float() if labels.is_floating_point() else labels.long()}


@dataclass(frozen=True)
class LightCurveBatch:
    """Some of many clean light curves, by their index, without copying them, and their labels, `(B,)`, where they have them."""

    curves: RaggedLightCurves
    indices: np.ndarray
    labels: np.ndarray | None = None

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]]) -> "LightCurveBatch":
        """Gather and clean rows of a dataset with the columns `mjd`, `mag` and perhaps `magerr` and `label`."""
        if not len(rows):
            raise ValueError("A batch needs at least one light curve, got none.")
        if missing := [name for name in ("mjd", "mag") if name not in rows[0]]:
            raise ValueError(
                f"Rows need the columns `mjd` and `mag`, {missing} is missing; there are {sorted(rows[0])}. With Trainer, set "
                "`remove_unused_columns=False`."
            )
        if any(str(getattr(row["mjd"], "dtype", "")).endswith("float32") for row in rows):
            raise ValueError(
                "`mjd` came as float32, in which one step at MJD 58000 is 5.6 minutes. datasets formats so by default: use "
                '`dataset.with_format(None)` or `dataset.with_format("numpy", dtype=np.float64)`.'
            )
        magerr = None
        if any(row.get("magerr") is not None for row in rows):
            magerr = [np.full(len(row["mjd"]), np.nan) if row.get("magerr") is None else row["magerr"] for row in rows]
        curves = RaggedLightCurves.from_arrays([row["mjd"] for row in rows], [row["mag"] for row in rows], magerr)
        numbers = all(isinstance(row.get("label"), (int, float, np.number)) for row in rows)
        return cls(curves.clean()[0], np.arange(len(rows)), np.array([row["label"] for row in rows]) if numbers else None)

    @property
    def lengths(self) -> np.ndarray:
        """Observations of each light curve, `(B,)`."""
        return self.curves.offsets[self.indices + 1] - self.curves.offsets[self.indices]

    def __len__(self) -> int:
        return len(self.indices)


class InMemoryLightCurves(torch.utils.data.Dataset[LightCurveBatch]):
    """Clean light curves as a map-style dataset whose batches are views: the fast way into the collator.

    A dataloader asks for a whole batch at once (`__getitems__`) and gets a `LightCurveBatch`.

    Args:
        curves ([`RaggedLightCurves`]): N light curves.
        labels (`np.ndarray` of shape `(N,)`, *optional*): class ids or targets.

    Raises:
        ValueError: light curves without a usable observation, or not one label for each.
    """

    def __init__(self, curves: RaggedLightCurves, labels: np.ndarray | None = None):
        self.curves, _ = curves.clean()
        self.labels = labels
        if labels is not None and len(labels) != len(curves):
            raise ValueError(f"There are {len(curves)} light curves and {len(labels)} labels: give one for each.")
        if empty := int(np.sum(self.curves.lengths == 0)):
            raise ValueError(f"{empty} of {len(curves)} light curves have no usable observation: leave them out.")

    @classmethod
    def from_table(cls, table: pa.Table | datasets.Dataset) -> "InMemoryLightCurves":
        """Take the list columns `mjd`, `mag` and perhaps `magerr` of a table, in its order.

        Nothing is looped over, and of a table in one chunk, sorted and without missing values, nothing but errors is copied.

        Raises:
            ValueError: a column is missing, or a light curve's lists differ in length.
        """
        if isinstance(table, datasets.Dataset):
            table = table.with_format("arrow")[:]
        names = [name for name in ("mjd", "mag", "magerr") if name in table.column_names]
        if names[:2] != ["mjd", "mag"]:
            raise ValueError(f"The table needs the list columns `mjd` and `mag`; there are {table.column_names}.")
        lengths = {name: pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy() for name in names}
        for name in names:
            if len(wrong := np.flatnonzero(lengths[name] != lengths["mjd"])):
                i = wrong[0]
                raise ValueError(f"Row {i} has {lengths['mjd'][i]} values in `mjd` and {lengths[name][i]} in `{name}`.")
        flat = {name: pc.list_flatten(table[name]).cast(pa.float64()).to_numpy() for name in names}
        offsets = np.concatenate(([0], np.cumsum(lengths["mjd"], dtype=np.int64)))
        return cls(RaggedLightCurves(flat["mjd"], flat["mag"], flat.get("magerr"), offsets))

    def __len__(self) -> int:
        return len(self.curves)

    def __getitem__(self, index: int) -> LightCurveBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> LightCurveBatch:
        numbers = np.asarray(indices, dtype=np.int64)
        return LightCurveBatch(self.curves, numbers, None if self.labels is None else self.labels[numbers])
