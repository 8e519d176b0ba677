# Copyright 2026 The astromer_hf developers. MIT licence.
"""One classifier of variable stars for all surveys: copies of light curves, a loss for labels of any depth, and its training.

Before it stand prepared datasets with their records (`light_curves/surveys.py`, `light_curves/taxonomy.py`) and a pre-trained
encoder; after it `scripts/train_variable_stars.py`, which trains, tests and saves the classifier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn
from torch.utils.data import Dataset

from ..inference.runner import WindowRunner, pool_states
from ..light_curves.surveys import SURVEYS, Survey
from ..light_curves.taxonomy import LEAF_NAMES, allowed_leaves, possible_leaves
from ..model.configuration_astromer import LIKELY_SET_COVERAGES
from ..model.feature_extraction_astromer import RaggedLightCurves, mean_over_windows
from ..model.modeling_astromer import AstromerForSequenceClassification, AstromerModel
from .few_shot import Recipe, fit

FEWEST_POINTS = 20  # of a thinned copy
UNKNOWN_ERROR = 0.05  # mag: the scatter of a constant star without photometric errors


def thin_evenly_in_logarithm(curves: RaggedLightCurves, rng: np.random.Generator) -> RaggedLightCurves:
    """Copies with n observations chosen at random, ln(n) even between those of 20 observations and of all."""
    most = np.maximum(curves.lengths, FEWEST_POINTS)
    wanted = np.rint(FEWEST_POINTS * (most / FEWEST_POINTS) ** rng.random(len(curves)))
    return choose_points(curves, wanted, rng)


def choose_points(curves: RaggedLightCurves, wanted: np.ndarray | int, rng: np.random.Generator) -> RaggedLightCurves:
    """Copies with `wanted` observations each, chosen at random; all of those that have no more."""
    owner = curves.object_index
    keys = rng.random(len(owner))
    order = np.lexsort((keys, owner))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = np.arange(len(owner)) - curves.offsets[owner[order]]
    return curves.keep(rank < np.broadcast_to(wanted, len(curves))[owner])


def shuffle_in_time(curves: RaggedLightCurves, rng: np.random.Generator) -> RaggedLightCurves:
    """Copies that vary without any order in time: every magnitude, with its error, at the time of another.

    In a random half of them the magnitudes are replaced by a constant plus noise of the photometric errors, because the scatter
    of a constant star is as large as its errors.
    """
    owner = curves.object_index
    order = np.lexsort((rng.random(len(owner)), owner))
    magnitudes = curves.magnitudes[order]
    errors = None if curves.magnitude_errors is None else curves.magnitude_errors[order]
    noise = np.full(len(owner), UNKNOWN_ERROR) if errors is None else np.where(np.isfinite(errors), errors, UNKNOWN_ERROR)
    constant = np.repeat(np.add.reduceat(magnitudes, curves.offsets[:-1]) / curves.lengths, curves.lengths)
    is_constant = (rng.random(len(curves)) < 0.5)[owner]
    magnitudes = np.where(is_constant, constant + noise * rng.standard_normal(len(owner)), magnitudes)
    return replace(curves, magnitudes=magnitudes, magnitude_errors=errors)


@dataclass(frozen=True)
class LeafStates:
    """States of a frozen encoder for N light curves or copies of them, one row a window, and the leaves that each may have.

    Args:
        pooled (`np.ndarray` of shape `(W, S, 2D)`, float16): as in `few_shot.FrozenStates`.
        object_index, length (`np.ndarray` of shape `(W,)`): the light curve and the number of observations of each window.
        allowed (`np.ndarray` of shape `(N, number of leaves)`, bool): by the labels of the survey.
        groups (`np.ndarray` of shape `(N,)`): survey and label, for the weights of the training.
    """

    pooled: np.ndarray
    object_index: np.ndarray
    length: np.ndarray
    allowed: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.allowed)

    @classmethod
    def compute(
        cls,
        encoder: AstromerModel,
        curves: RaggedLightCurves,
        allowed: np.ndarray,
        groups: np.ndarray,
        batch_size: int | None = None,
    ) -> "LeafStates":
        """Run the encoder over all windows of clean light curves."""
        runner = WindowRunner(encoder, batch_size=batch_size)
        windows = runner.cut(curves)
        light_curve, _, length = windows
        config = encoder.config
        pooled = np.empty((len(length), config.num_hidden_layers + 1, 2 * config.hidden_size), dtype=np.float16)
        for batch, outputs in runner.iter_outputs(curves, windows, output_hidden_states=True):
            pooled[batch] = pool_states(outputs.hidden_states, length[batch], "mean_std")
        runner.check_finite(pooled[:, -1], light_curve, "embedding")
        return cls(pooled, light_curve, length, allowed, groups)

    def select(self, objects: np.ndarray) -> "LeafStates":
        """The states of the light curves with these sorted indices, which are numbered anew."""
        rows = np.flatnonzero(np.isin(self.object_index, objects))
        owner = np.searchsorted(objects, self.object_index[rows])
        return LeafStates(self.pooled[rows], owner, self.length[rows], self.allowed[objects], self.groups[objects])

    @classmethod
    def concatenate(cls, parts: "list[LeafStates]") -> "LeafStates":
        """The light curves of all parts, one after the other."""
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        return cls(
            np.concatenate([part.pooled for part in parts]),
            np.concatenate([part.object_index + start for part, start in zip(parts, starts, strict=True)]),
            np.concatenate([part.length for part in parts]),
            np.concatenate([part.allowed for part in parts]),
            np.concatenate([part.groups for part in parts]),
        )


def not_variable(count: int) -> np.ndarray:
    """The leaves of `count` copies that do not vary."""
    return np.tile(np.array(LEAF_NAMES) == "NOT_VARIABLE", (count, 1))


def label_light_curves(survey: Survey, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Light curves whose class has a leaf: their indices, allowed leaves, and groups "survey label"."""
    allowed = allowed_leaves(survey, labels.tolist())
    known = np.flatnonzero(allowed.any(1))
    groups = np.array([f"{survey.name} {label}" for label in labels[known]], dtype=str)
    return known, allowed[known], groups


def partial_label_loss(
    logits: torch.Tensor, allowed: torch.Tensor, possible: torch.Tensor | None = None, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Negative logarithm of the summed probability of the `allowed` classes (B, C), a mean over the batch.

    It is the likelihood of a label that names several classes (Cour et al. 2011, JMLR 12, 1501), and the cross-entropy where
    one class is allowed. Where `possible` (B, C) is given, the probability is the one among these classes.
    """
    logits = logits.float()
    of_allowed = logits.masked_fill(~allowed, -torch.inf).logsumexp(1)
    among = logits if possible is None else logits.masked_fill(~possible, -torch.inf)
    losses = among.logsumexp(1) - of_allowed
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()


# --- Training of the head ---


class RowsOfStates(Dataset[Any]):
    """Windows of `LeafStates` as batches for `LeafHead`. The windows of a light curve share its weight, see `weigh_groups`."""

    def __init__(self, states: LeafStates):
        self.states = states
        num_windows = np.bincount(states.object_index, minlength=len(states))
        self.weights = (weigh_groups(states.groups) / np.maximum(num_windows, 1)).astype(np.float32)
        surveys, number = np.unique([group.partition(" ")[0] for group in states.groups], return_inverse=True)
        self.possible = np.array([possible_leaves(SURVEYS[survey]) for survey in surveys])[number]

    def __len__(self) -> int:
        return len(self.states.length)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """`pooled` (B, S, P), float32; allowed leaves, `labels` (B, C), and `possible` ones, (B, C), bool; `weights` (B,)."""
        owner = self.states.object_index[indices]
        return {
            "pooled": torch.from_numpy(self.states.pooled[indices].astype(np.float32)),
            "labels": torch.from_numpy(self.states.allowed[owner]),
            "possible": torch.from_numpy(self.possible[owner]),
            "weights": torch.from_numpy(self.weights[owner]),
        }


class LeafHead(nn.Module):
    """The head of a classifier on states that are already pooled, with the loss for labels of any depth.

    Args:
        model: whose head is trained.
        within_survey: 1: a star's leaf is only told from the other leaves that its survey names. 0: from all leaves. A head
            that is told from all learns which survey has which classes, and takes a star of a new survey that looks alike for
            one of these. A head of 1 learns nothing of leaves that no survey has together. In between, both losses are mixed.
    """

    def __init__(self, model: AstromerForSequenceClassification, within_survey: float = 0.9):
        super().__init__()
        self.classifier, self.within_survey = model.classifier, within_survey

    def forward(
        self, pooled: torch.Tensor, labels: torch.Tensor, possible: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Logits (B, C) and the loss for a batch of `RowsOfStates`."""
        logits = self.classifier.classify_pooled(pooled[..., : self.classifier.pooled_size].unbind(1))
        within = partial_label_loss(logits, labels, possible, weights)
        loss = self.within_survey * within + (1 - self.within_survey) * partial_label_loss(logits, labels, None, weights)
        return {"loss": loss, "logits": logits}


def weigh_groups(groups: np.ndarray) -> np.ndarray:
    """Weights (N,) of mean 1 by which a class of a survey with n light curves counts as √n."""
    _, group, count = np.unique(groups, return_inverse=True, return_counts=True)
    weights = count[group] ** -0.5
    return weights / weights.mean()


def train_leaf_head(
    model: AstromerForSequenceClassification,
    training: LeafStates,
    validation: LeafStates,
    recipe: Recipe,
    seed: int,
    within_survey: float = 0.9,
) -> list[dict[str, float]]:
    """Train the head of `model`, in place, on states of its frozen encoder; the losses of every epoch. See `LeafHead`."""
    head = LeafHead(model, within_survey)
    return fit(head, RowsOfStates(training), RowsOfStates(validation), lambda batch: batch, recipe, seed)


@torch.inference_mode()
def leaf_logits(model: AstromerForSequenceClassification, states: LeafStates) -> torch.Tensor:
    """Logits (W, C) of all windows, float32."""
    model.eval()
    rows = (
        torch.from_numpy(states.pooled[first : first + 1024].astype(np.float32)) for first in range(0, len(states.length), 1024)
    )
    size = model.config.pooled_size
    return torch.cat([model.classifier.classify_pooled(pooled[..., :size].unbind(1)).float() for pooled in rows])


def leaf_probabilities(states: LeafStates, logits: torch.Tensor, temperature: float = 1.0) -> np.ndarray:
    """Probabilities (N, C): the mean over the windows of each light curve, by their numbers of observations."""
    return mean_over_windows((logits / temperature).softmax(-1).numpy(), states.object_index, states.length, len(states))


# --- Calibration ---


def fit_leaf_temperature(states: LeafStates, logits: torch.Tensor) -> float:
    """The temperature at which the allowed leaves of validation light curves are most likely; groups weigh as in training."""
    weights = weigh_groups(states.groups)

    def loss(logarithm: float) -> float:
        allowed = (leaf_probabilities(states, logits, float(np.exp(logarithm))) * states.allowed).sum(1)
        return float(-(weights * np.log(np.maximum(allowed, 1e-30))).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def fit_likely_sets(probabilities: np.ndarray, allowed: np.ndarray, surveys: np.ndarray) -> list[float]:
    """`likely_set_thresholds` of a classifier that hold on every survey by itself.

    Split conformal prediction: of n validation light curves, the true leaf of all but a fraction 1 - c has at least the
    probability of rank floor((n + 1)·(1 - c)). Each survey has its own such probability, and the smallest of them counts. A
    label of several leaves counts as the most probable of them.

    Args:
        probabilities, allowed: of the validation light curves, `(N, C)`.
        surveys: of each, `(N,)`.
    """
    of_label = np.where(allowed, probabilities, 0).max(1)
    thresholds = []
    for coverage in LIKELY_SET_COVERAGES:
        of_surveys = []
        for survey in np.unique(surveys):
            scores = np.sort(of_label[surveys == survey])
            rank = int(np.floor(round((len(scores) + 1) * (1 - coverage), 9)))  # 100 · (1 - 0.9) is not quite 10
            of_surveys.append(scores[rank - 1] if rank else 0.0)
        thresholds.append(float(min(of_surveys)))
    return thresholds


def fit_uncertainty(probability: np.ndarray, right: np.ndarray, weights: np.ndarray, accuracy: float = 0.95) -> float:
    """The smallest probability of the predicted class from which on a fraction `accuracy` of the predictions is right.

    Args:
        probability, right, weights: of predictions for surveys that the classifier has not seen, `(N,)`.
        accuracy: of those that are at least so probable.
    """
    order = np.argsort(-probability)
    reached = np.cumsum((right * weights)[order]) / np.cumsum(weights[order])
    enough = np.flatnonzero(reached >= accuracy)
    return float(probability[order[enough[-1]]]) if len(enough) else 1.0
