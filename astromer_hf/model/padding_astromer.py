# Copyright 2026 The astromer_hf developers. MIT licence.
"""Batches of windows in the forms that `AstromerFeatureExtractor.pad` takes, before they are padded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers.utils import is_torch_tensor

# Entries of a window that have one value for each observation, besides `labels` of a reconstruction.
PER_OBSERVATION = ("times", "magnitude_errors", "attention_mask", "masked_positions", "loss_mask", "band_ids")


def entry_to_numpy(value: Any) -> np.ndarray:
    """An entry of any kind as an array."""
    if is_torch_tensor(value):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.itemsize < 4 else value  # numpy has no bfloat16
    return np.asarray(value)


def windows_by_entry(features: Any) -> dict[str, Sequence[Any]]:
    """A batch of windows, in any form that `AstromerFeatureExtractor.pad` takes, as the entries of all windows by name."""
    if not isinstance(features, Mapping):
        rows: Sequence[Mapping[str, Any]] = features
        if not len(rows):
            raise ValueError("A batch needs at least one window, got none.")
        if other := next((row for row in rows if row.keys() != rows[0].keys()), None):
            raise ValueError(f"All windows of a batch need the same entries, got {sorted(rows[0])} and {sorted(other)}.")
        features = {name: [row[name] for row in rows] for name in rows[0]}
    columns = {name: features[name] for name in features}
    if "magnitudes" not in columns:
        raise ValueError(f"Windows need `magnitudes`, got {sorted(columns)}. `AstromerFeatureExtractor` makes them.")
    if not len(columns["magnitudes"]):
        raise ValueError("A batch needs at least one window, got none.")
    if np.ndim(columns["magnitudes"][0]) != 1:
        raise ValueError("`magnitudes` must be a list of windows, each 1-d: for one window pass a list that holds it.")
    for name, values in columns.items():
        if len(values) != len(columns["magnitudes"]):
            raise ValueError(f"There are {len(columns['magnitudes'])} windows, and `{name}` has {len(values)} entries.")
    return columns


__all__ = ["PER_OBSERVATION", "entry_to_numpy", "windows_by_entry"]
