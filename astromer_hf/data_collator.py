# Copyright 2026 The astromer_hf developers. MIT licence.
"""`DataCollatorForMaskedLightCurves`: the masks of ASTROMER's pre-training task, drawn for a whole batch at once.

Before it stands a `datasets.Dataset` of light curves, after it `AstromerForMaskedReconstruction`. Masking follows the paper's
Sect. 3.3 as the released code counts it: of n observations floor(n·probed) are probed; of the probed ceil(20 %) are shown
with their own magnitude, then ceil(20 %) of the remaining with the magnitude of a random observation of the window, and the
rest is hidden. All probed observations are scored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from .feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, WindowKind, cut_windows


@dataclass(frozen=True)
class Masks:
    """Masks of a batch of windows, each (B, L) bool; masked_positions ⊆ loss_mask ⊆ valid.

    Args:
        loss_mask: probed, hence scored.
        masked_positions: hidden from the encoder.
        randomised: probed, and shown with the magnitude of another observation.
        donor: `(B, L)` int64, the observation that lends its magnitude (meaningful where `randomised`).
    """

    loss_mask: np.ndarray
    masked_positions: np.ndarray
    randomised: np.ndarray
    donor: np.ndarray


def draw_masks(
    lengths: np.ndarray,
    width: int,
    generator: np.random.Generator,
    probed_fraction: float = 0.5,
    random_fraction: float = 0.2,
    same_fraction: float = 0.2,
) -> Masks:
    """Draw the masks of B windows of `width` columns, of which the first `lengths` (B,) hold observations.

    One sort shuffles every window: keys are random high bits over the column number in the low bits, so that the sorted low
    bits are a random permutation; padding carries the largest keys and comes last.
    """
    batch = len(lengths)
    column_bits = max(int(width - 1).bit_length(), 1)
    dtype = np.uint32 if column_bits <= 12 else np.uint64
    keys = generator.integers(0, np.iinfo(dtype).max, size=(batch, width), dtype=dtype, endpoint=True)
    columns = np.arange(width, dtype=dtype)
    low = dtype((1 << column_bits) - 1)
    keys = (keys & ~low) | columns
    padding_bit = dtype(1 << (np.iinfo(dtype).bits - 1))
    keys = np.where(columns < lengths[:, None], keys & ~padding_bit, keys | padding_bit)
    keys.sort(axis=1)
    shuffled = (keys & low).astype(np.int64)

    probed = np.floor(lengths * probed_fraction).astype(np.int64)
    same = np.ceil(probed * same_fraction).astype(np.int64)
    randomised = np.ceil((probed - same) * random_fraction).astype(np.int64)
    # 0: not probed, 1: shown as it is, 2: shown with another's magnitude, 3: hidden; by rank in the shuffled order
    rank = np.arange(width)
    roles = np.zeros((batch, width), dtype=np.int8)
    roles += rank < probed[:, None]
    roles += (rank >= same[:, None]) & (rank < probed[:, None])
    roles += (rank >= (same + randomised)[:, None]) & (rank < probed[:, None])
    role = np.empty_like(roles)
    np.put_along_axis(role, shuffled, roles, axis=1)
    donor = (generator.random((batch, width), dtype=np.float32) * lengths[:, None]).astype(np.int64)
    return Masks(role > 0, role == 3, role == 2, donor)


@dataclass
class DataCollatorForMaskedLightCurves:
    """Cut windows out of a batch of light curves and mask them.

    The generator of a batch is seeded by `seed` and by the light curves in it, in their order. Nothing is remembered between
    batches, so the masks are the same whatever the number of dataloader workers or processes and after a resumed run; they are
    the same at every evaluation, and new in every epoch of a shuffled training set.

    Args:
        feature_extractor (`AstromerFeatureExtractor`): cuts, centres and pads.
        windows (`str`, defaults to `"random"`): `"random"` for training: one window a light curve at a random place.
            `"sequential"` for evaluation: every window of every light curve.
        window_size (`int`, *optional*): observations in a full window instead of the extractor's own.
        probed_fraction, random_fraction, same_fraction (`float`): see `draw_masks`.
        padding (`str`, defaults to `"longest"`): `"max_length"` gives every batch the same width (for `torch.compile`).
        seed (`int`, defaults to 0): of windows and masks.

    Returns (when called with clean light curves, as a `LightCurveBatch` or as a list of rows with `mjd`, `mag` and perhaps
    `magerr`):
        `dict[str, torch.Tensor]`, each of shape (B, L): `magnitudes` as shown to the encoder, `times` (float32),
        `attention_mask` (int64), `masked_positions`, `loss_mask` (bool), `labels` (float32, the true centred magnitudes) and
        `magnitude_errors` where the light curves have them.

    Raises:
        ValueError: a fraction outside [0, 1]; rows without `mjd` and `mag`; light curves without a usable observation.
    """

    feature_extractor: AstromerFeatureExtractor
    windows: WindowKind = "random"
    window_size: int | None = None
    probed_fraction: float = 0.5
    random_fraction: float = 0.2
    same_fraction: float = 0.2
    padding: Literal["longest", "max_length"] = "longest"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("probed_fraction", "random_fraction", "same_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must lie in [0, 1], got {getattr(self, name)}.")

    def __call__(self, features: "LightCurveBatch | Sequence[dict[str, Any]]") -> dict[str, torch.Tensor]:
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
        data = self.feature_extractor.gather(batch.curves, batch.indices[nth], start, length, padded_length)

        labels = data["magnitudes"]
        fractions = (self.probed_fraction, self.random_fraction, self.same_fraction)
        masks = draw_masks(length, labels.shape[1], generator, *fractions)
        shown = np.where(masks.randomised, np.take_along_axis(labels, masks.donor, axis=1), labels)
        arrays = {
            **data,
            "magnitudes": shown,
            "labels": labels,
            "masked_positions": masks.masked_positions,
            "loss_mask": masks.loss_mask,
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def batch_generator(self, batch: "LightCurveBatch") -> np.random.Generator:
        """A generator that depends on `seed` and on the batch's light curves and their order alone."""
        first = batch.curves.offsets[batch.indices]
        fingerprint = hashlib.blake2b(batch.curves.times[first].tobytes(), digest_size=16)
        fingerprint.update(batch.curves.magnitudes[first].tobytes())
        fingerprint.update(batch.lengths.tobytes())
        return np.random.default_rng([self.seed, int.from_bytes(fingerprint.digest(), "little")])


@dataclass(frozen=True)
class LightCurveBatch:
    """Some of many clean light curves, by their index, without copying them."""

    curves: RaggedLightCurves
    indices: np.ndarray

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]]) -> "LightCurveBatch":
        """Gather and clean rows of a dataset with the columns `mjd`, `mag` and perhaps `magerr`."""
        if missing := [name for name in ("mjd", "mag") if name not in rows[0]]:
            raise ValueError(
                f"Rows need the columns `mjd` and `mag`, {missing} is missing; there are {sorted(rows[0])}. With Trainer, set "
                "`remove_unused_columns=False`."
            )
        magerr = [row["magerr"] for row in rows] if rows[0].get("magerr") is not None else None
        curves = RaggedLightCurves.from_arrays([row["mjd"] for row in rows], [row["mag"] for row in rows], magerr)
        return cls(curves.clean()[0], np.arange(len(rows)))

    @property
    def lengths(self) -> np.ndarray:
        """Observations of each light curve, `(B,)`."""
        return self.curves.offsets[self.indices + 1] - self.curves.offsets[self.indices]

    def __len__(self) -> int:
        return len(self.indices)


class InMemoryLightCurves(torch.utils.data.Dataset[LightCurveBatch]):
    """Clean light curves as a map-style dataset whose batches are views: the fast way into the collator.

    A dataloader asks for a whole batch at once (`__getitems__`) and gets a `LightCurveBatch`.
    """

    def __init__(self, curves: RaggedLightCurves):
        self.curves, _ = curves.clean()
        if empty := int(np.sum(self.curves.lengths == 0)):
            raise ValueError(f"{empty} of {len(curves)} light curves have no usable observation: leave them out.")

    def __len__(self) -> int:
        return len(self.curves)

    def __getitem__(self, index: int) -> LightCurveBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> LightCurveBatch:
        return LightCurveBatch(self.curves, np.asarray(indices, dtype=np.int64))
