# Copyright 2026 The astromer_hf developers. MIT licence.
"""Collators: windows of a whole batch of light curves, masked for pre-training or labelled for classification.

The input is a `datasets.Dataset` of light curves or `InMemoryLightCurves`; the output goes to `AstromerForMaskedReconstruction`
or `AstromerForSequenceClassification`. Masking follows the paper's Sect. 4.3 as the released code counts it. Of n observations,
floor(n·probed) are probed. Of the probed, ceil(20 %) are shown with their own magnitude; then ceil(20 %) of the remaining are
shown with the magnitude of a random observation of the window; the rest is hidden. All probed observations are scored.
"""

import hashlib
import os
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
from ..model.times_astromer import check_time_precision


@dataclass(frozen=True)
class Masks:
    """Masks of B windows of L columns: masked_positions ⊆ loss_mask ⊆ observations. Randomised ones are in their difference.

    Args:
        loss_mask: `(B, L)` bool, probed and therefore scored.
        masked_positions: `(B, L)` bool, hidden from the encoder.
        randomised: `(R,)` int64, probed observations that are shown with the magnitude of another one, as indices into the
            flattened windows.
        donors: `(R,)` int64, indices of the observations of the same windows whose magnitudes are shown instead.
    """

    loss_mask: np.ndarray
    masked_positions: np.ndarray
    randomised: np.ndarray
    donors: np.ndarray

    def shown(self, magnitudes: np.ndarray) -> np.ndarray:
        """A copy of `magnitudes` (B, L) in which the randomised observations have the magnitudes of their donors."""
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
    """Draw the masks of B windows of `width` columns. The first `lengths` (B,) columns hold observations.

    Every observation gets a random key. The observations with the smallest keys of their window are probed. The low bits of a
    key are the column number, which makes keys unique. Padding, and one extra column, have the largest keys.
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
    step = 1 + (generator.random(len(window)) * others).astype(np.int64)  # the next or a later observation, if there is one
    donors = window * width + (column + step) % lengths[window]
    return Masks(probed, probed & ~shown, randomised, donors)


def mean_of_visible(magnitudes: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The mean on which masked windows (B, L) are centred, `(B, 1)`; 0 where nothing is visible.

    The mean of all observations, which the extractor subtracts, would reveal the mean of the hidden ones.
    """
    counts = visible.sum(1, keepdims=True, dtype=np.float32)
    return (magnitudes * visible).sum(1, keepdims=True) / np.maximum(counts, 1)


def has_several_processes() -> bool:
    """Whether this process is one of several that torchrun or accelerate has started."""
    is_group = torch.distributed.is_available() and torch.distributed.is_initialized()
    return (torch.distributed.get_world_size() if is_group else int(os.environ.get("WORLD_SIZE", "1"))) > 1


@dataclass
class _WindowCollator:
    """Cut one window out of each light curve of a batch, or all windows, and centre and pad them.

    The generator of a batch is seeded by `seed` and by the light curves of the batch, in their order. No state is kept between
    batches. A batch is therefore the same for any number of dataloader workers or processes, after a resumed run, and at every
    evaluation. In training it changes from epoch to epoch, because the set is shuffled into batches of several light curves.
    """

    feature_extractor: AstromerFeatureExtractor
    windows: WindowKind = "random"
    window_size: int | None = None
    padding: Literal["auto", "longest", "max_length"] = "auto"
    seed: int = 0

    def cut(
        self, features: "LightCurveBatch | Sequence[dict[str, Any]]"
    ) -> tuple[LightCurveWindows, "LightCurveBatch", np.random.Generator]:
        """The windows of a batch, whose `object_index` counts light curves of the batch; the batch; and its generator."""
        given = isinstance(features, LightCurveBatch)
        batch = features if isinstance(features, LightCurveBatch) else LightCurveBatch.from_rows(features)
        if not batch.lengths.all():
            raise ValueError(
                f"{np.sum(batch.lengths == 0)} light curves of this batch have no usable observation: drop them when the "
                "dataset is prepared."
            )
        generator = self.batch_generator(batch)
        size = self.feature_extractor.window_size if self.window_size is None else self.window_size
        nth, start, length = cut_windows(batch.lengths, size, self.windows, generator)
        has_one_width = self.padding == "max_length" or (self.padding == "auto" and not given and has_several_processes())
        padded_length = size if has_one_width else None
        windows = self.feature_extractor.gather(batch.curves, batch.indices[nth], start, length, padded_length)
        windows.object_index = nth
        return windows, batch, generator

    def batch_generator(self, batch: "LightCurveBatch") -> np.random.Generator:
        """A generator that depends only on `seed` and on the batch's light curves and their order."""
        first = batch.curves.offsets[batch.indices]
        fingerprint = hashlib.blake2b(batch.curves.times[first].tobytes(), digest_size=16)
        fingerprint.update(batch.curves.magnitudes[first].tobytes())
        fingerprint.update(batch.lengths.tobytes())
        return np.random.default_rng([self.seed, int.from_bytes(fingerprint.digest(), "little")])


@dataclass
class DataCollatorForMaskedLightCurves(_WindowCollator):
    """Cut windows out of a batch of light curves and mask them; reproducible as `_WindowCollator` describes.

    Args:
        feature_extractor (`AstromerFeatureExtractor`): cuts, centres and pads.
        windows (`str`, defaults to `"random"`): `"random"` for training: one window per light curve at a random position.
            `"sequential"` for evaluation: every window of every light curve. (Trainer's evaluation drops windows of its last
            batch if a light curve gives several: pass it light curves that `training.cut_sequentially` has cut.)
        window_size (`int`, *optional*): observations in a full window; the extractor's own when absent.
        padding (`str`, defaults to `"auto"`): `"longest"`: to the longest window of a batch; `"max_length"`: to a full window,
            so that every batch has the same width (for `torch.compile`). `"auto"` is `"longest"`, but `"max_length"` for rows
            in a training of several processes: if the rows are streamed, accelerate joins the batches of all processes.
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
        """Cut and mask windows of light curves: a `LightCurveBatch`, or rows with `mjd`, `mag` and optionally `magerr`.

        Returns:
            Tensors of shape (B, L): `magnitudes` as the encoder sees them, `times` (float32), `attention_mask` (int64),
            `masked_positions`, `loss_mask` (bool), `labels` (float32, the true magnitudes), and `magnitude_errors` if the light
            curves have errors. Magnitudes and labels are relative to the mean of the visible observations.

        Raises:
            ValueError: rows lack `mjd` or `mag`; a light curve has no usable observation.
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
    """Cut windows out of a batch of labelled light curves. Every window has the label of its light curve.

    Args:
        feature_extractor, windows, window_size, padding, seed: as for `DataCollatorForMaskedLightCurves`.
    """

    def __call__(self, features: "LightCurveBatch | Sequence[dict[str, Any]]") -> dict[str, torch.Tensor]:
        """Cut windows of a `LightCurveBatch` with labels, or of rows with `mjd`, `mag` and `label` (a class id or a target).

        Returns:
            `magnitudes`, `times` (B, L) float32, `attention_mask` (B, L) int64, `labels` (B,), int64 or float32, and
            `magnitude_errors` (B, L) float32 if the light curves have errors.

        Raises:
            ValueError: rows lack one of the columns; a light curve has no usable observation.
        """
        windows, batch, _ = self.cut(features)
        if batch.labels is None:
            raise ValueError("These light curves have no labels: rows need the column `label`, a class id or a target.")
        labels = torch.from_numpy(batch.labels[windows.object_index])
        tensors = {name: torch.from_numpy(array) for name, array in windows.items()}
        return {**tensors, "labels": labels.float() if labels.is_floating_point() else labels.long()}


@dataclass(frozen=True)
class LightCurveBatch:
    """Some of many clean light curves, by index, without copying them, and their labels, `(B,)`, if they have any."""

    curves: RaggedLightCurves
    indices: np.ndarray
    labels: np.ndarray | None = None

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]]) -> "LightCurveBatch":
        """Gather and clean rows of a dataset with the columns `mjd`, `mag` and optionally `magerr` and `label`."""
        if not len(rows):
            raise ValueError("A batch needs at least one light curve, got none.")
        if missing := [name for name in ("mjd", "mag") if name not in rows[0]]:
            raise ValueError(
                f"Rows need the columns `mjd` and `mag`, {missing} is missing; there are {sorted(rows[0])}. With Trainer, set "
                "`remove_unused_columns=False`."
            )
        magerr = None
        # Batches of several processes are joined, so that all need the same entries, whatever their rows know.
        if any(row.get("magerr") is not None for row in rows) or ("magerr" in rows[0] and has_several_processes()):
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
    """Clean light curves as a map-style dataset whose batches are views: the fast input of the collators.

    A dataloader requests a whole batch at once (`__getitems__`) and gets a `LightCurveBatch`.

    Args:
        curves ([`RaggedLightCurves`]): N light curves.
        labels (`np.ndarray` of shape `(N,)`, *optional*): class ids or targets.

    Raises:
        ValueError: a light curve has no usable observation, or the number of labels differs from N.
    """

    def __init__(self, curves: RaggedLightCurves, labels: np.ndarray | None = None):
        self.curves, _ = curves.clean()
        self.labels = labels
        if labels is not None and len(labels) != len(curves):
            raise ValueError(f"There are {len(curves)} light curves and {len(labels)} labels: pass one for each.")
        if empty := int(np.sum(self.curves.lengths == 0)):
            raise ValueError(f"{empty} of {len(curves)} light curves have no usable observation: remove them.")

    @classmethod
    def from_table(cls, table: pa.Table | datasets.Dataset) -> "InMemoryLightCurves":
        """Take the list columns `mjd`, `mag` and optionally `magerr` of a table, in its order.

        There is no loop over rows. A table in one chunk that is sorted and has no missing values is not copied, except its
        errors.

        Raises:
            ValueError: a column is missing, or the lists of a light curve differ in length.
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
        check_time_precision(flat["mjd"], table.schema.field("mjd").type.value_type, "The column `mjd`")
        offsets = np.concatenate(([0], np.cumsum(lengths["mjd"], dtype=np.int64)))
        return cls(RaggedLightCurves(flat["mjd"], flat["mag"], flat.get("magerr"), offsets))

    def __len__(self) -> int:
        return len(self.curves)

    def __getitem__(self, index: int) -> LightCurveBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> LightCurveBatch:
        numbers = np.asarray(indices, dtype=np.int64)
        return LightCurveBatch(self.curves, numbers, None if self.labels is None else self.labels[numbers])
