# Copyright 2026 The astromer_hf developers. MIT licence.
"""What is unlike the training set: the reference states of a classifier, and light curves of a kind that it must not know.

Before it stand the states of `variable_stars.py`; after it `AstromerNovelty` in the model, whose numbers are fitted here, and
`scripts/train_variable_stars.py`, which states how many of these light curves are marked.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans

from ..model.feature_extraction_astromer import RaggedLightCurves, mean_over_windows
from ..model.heads_astromer import AstromerNovelty
from ..model.modeling_astromer import AstromerForSequenceClassification
from .variable_stars import UNKNOWN_ERROR, LeafStates

NUM_REFERENCES = 256
NUM_DIRECTIONS = 32  # of the largest variance, in which distances are measured: directions of less tell surveys apart
SMALLEST_VARIANCE = 1e-4  # of a direction, relative to the largest: below it, states in float16 are rounded away
MARKED = 0.025  # of validation light curves of surveys left out


# --- Reference states ---


def fit_references(states: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions and references of `AstromerNovelty` for the states (W, D) of a training set.

    The states are whitened by their principal components, of which the largest are kept, and grouped by k-means. There are
    fewer references where there are fewer states.
    """
    center = states.mean(0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(states, rowvar=False, dtype=np.float64))
    kept = np.argsort(-values)[:NUM_DIRECTIONS]
    directions = vectors[:, kept] / np.sqrt(values[kept] + SMALLEST_VARIANCE * values.max())
    whitened = (states - center) @ directions
    seed = int(rng.integers(2**31))
    groups = MiniBatchKMeans(min(NUM_REFERENCES, len(states)), n_init=1, random_state=seed).fit(whitened)
    references = groups.cluster_centers_ + center @ directions
    return torch.from_numpy(directions).float(), torch.from_numpy(references).float()


def set_references(model: AstromerForSequenceClassification, states: np.ndarray, rng: np.random.Generator) -> None:
    """Write directions and references of the training set with these states (W, D) into a model that has room for them."""
    assert model.novelty is not None
    directions, references = fit_references(states, rng)
    model.novelty.directions.copy_(directions)
    model.novelty.references.copy_(references)


def last_block(states: LeafStates) -> np.ndarray:
    """Means of the last block's output of all windows, (W, D) float32: what `pooler_output` is."""
    return states.pooled[:, -1, : states.pooled.shape[2] // 2].astype(np.float32)


@torch.inference_mode()
def novelty_of(novelty: AstromerNovelty, states: LeafStates) -> np.ndarray:
    """Distances (N,) of light curves: the mean over their windows, by their numbers of observations."""
    distances = novelty(torch.from_numpy(last_block(states))).numpy()[:, None]
    return mean_over_windows(distances, states.object_index, states.length, len(states))[:, 0]


def fit_unlike(novelty: np.ndarray, weights: np.ndarray) -> float:
    """`unlike_above` of a classifier: the novelty (N,) that a fraction `MARKED` of these light curves exceeds, by `weights`.

    They are validation light curves of surveys left out: what is like the training set but comes from another survey.
    """
    order = np.argsort(novelty)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(novelty[order[np.searchsorted(reached, 1 - MARKED)]])


# --- Light curves of kinds that no survey of the training set names ---


def _supernova(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A galaxy that does not vary, with the rise of weeks and the decline of months of a supernova in it."""
    days = times - rng.choice(times)
    rise, decline = rng.uniform(12, 22), rng.uniform(20, 40)
    after = np.maximum(days, 0)
    flux = np.where(
        days < 0, np.clip(1 + days / rise, 0, 1) ** 2, 0.75 * np.exp(-after / decline) + 0.25 * np.exp(-after / 110)
    )
    return -2.5 * np.log10(1 + 10 ** rng.uniform(0, 1.2) * flux)


def _microlensing(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A constant star magnified once (Paczyński 1986, ApJ 304, 1)."""
    square = rng.uniform(0.05, 0.5) ** 2 + ((times - rng.choice(times)) / rng.uniform(10, 60)) ** 2
    return -2.5 * np.log10((square + 2) / np.sqrt(square * (square + 4)))


def _active_galaxy(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A damped random walk (Kelly et al. 2009, ApJ 698, 895), of 50 to 500 days."""
    scale, scatter = 10 ** rng.uniform(1.7, 2.7), rng.uniform(0.1, 0.4)
    magnitudes = np.empty(len(times))
    magnitudes[0] = scatter * rng.standard_normal()
    kept = np.exp(-np.diff(times) / scale)
    for i, factor in enumerate(kept, 1):
        magnitudes[i] = factor * magnitudes[i - 1] + scatter * np.sqrt(1 - factor**2) * rng.standard_normal()
    return magnitudes


def _dwarf_nova(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Outbursts of some magnitudes, days long, at irregular times."""
    outbursts = times[0] + np.cumsum(rng.uniform(0.5, 1.5, 2000) * rng.uniform(20, 100))
    last = np.searchsorted(outbursts, times) - 1
    days = np.where(last >= 0, times - outbursts[last], np.inf)
    return -rng.uniform(2, 4) * np.exp(-((days / rng.uniform(5, 12)) ** 2))


# From times, which rise, to magnitudes.
SOURCES: Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "supernova": _supernova,
    "microlensing": _microlensing,
    "active galaxy": _active_galaxy,
    "dwarf nova": _dwarf_nova,
}
# The span, in days, of real light curves whose times are scaled.
SPANS = {"all within an hour": 1 / 24, "spread over 200 years": 73_000.0}
STRAY = "every fifth observation stray"
KINDS_UNLIKE = (*SOURCES, *SPANS, STRAY)


def make_unlike(curves: RaggedLightCurves, kind: str, rng: np.random.Generator) -> RaggedLightCurves:
    """Light curves of a kind of `KINDS_UNLIKE`, at the times and with the errors of real, clean ones."""
    first = np.repeat(curves.times[curves.offsets[:-1]], curves.lengths)
    if kind in SPANS:
        spans = np.repeat(curves.times[curves.offsets[1:] - 1] - curves.times[curves.offsets[:-1]], curves.lengths)
        return replace(curves, times=(curves.times - first) * SPANS[kind] / np.maximum(spans, 1e-3))
    if kind == STRAY:
        stray = rng.random(len(curves.times)) < 0.2
        return replace(curves, magnitudes=curves.magnitudes + stray * rng.uniform(-3, 3, len(curves.times)))
    parts = [SOURCES[kind](times, rng) for times in np.split(curves.times, curves.offsets[1:-1])]
    errors = np.full(len(first), np.nan) if curves.magnitude_errors is None else curves.magnitude_errors
    noise = np.where(np.isfinite(errors), errors, UNKNOWN_ERROR) * rng.standard_normal(len(errors))
    return replace(curves, magnitudes=16 + np.concatenate(parts) + noise)
