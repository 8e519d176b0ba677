# Copyright 2026 The astromer_hf developers. MIT licence.
"""Classification heads: pooling of the encoder's states, perceptron, LSTM, novelty, and logits to probabilities.

`AstromerForSequenceClassification` in `modeling_astromer.py` uses them. Pipelines and classifiers turn its logits into
probabilities by `activate`.

Shapes: B windows, L observations a window, D = `hidden_size`.
"""

import itertools
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from .configuration_astromer import AstromerConfig


class AstromerHeadLinear(nn.Linear):
    """A linear layer of a head. Its weights may be initialised differently from those of the encoder."""

    def __init__(self, in_features: int, out_features: int, config: AstromerConfig):
        super().__init__(in_features, out_features)
        self.initializer_range = config.classifier_initializer_range


class AstromerMLPHead(nn.Module):
    """Multilayer perceptron on the pooled observations of a window (paper, Sect. 7, Fig. 10)."""

    def __init__(self, config: AstromerConfig):
        super().__init__()
        hidden_sizes = [] if config.classifier_head == "linear" else config.classifier_hidden_sizes
        self.batch_norm = nn.BatchNorm1d(config.head_input_size, affine=False) if config.classifier_batch_norm else None
        widths = [config.head_input_size, *hidden_sizes]
        blocks = [
            nn.Sequential(AstromerHeadLinear(wide, narrow, config), nn.ReLU(), nn.Dropout(config.classifier_dropout))
            for wide, narrow in itertools.pairwise(widths)
        ]
        self.layers = nn.Sequential(*blocks, AstromerHeadLinear(widths[-1], cast(int, config.num_labels), config))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_labels) for `pooled` (B, `config.head_input_size`)."""
        if (norm := self.batch_norm) is not None:
            by_batch = self.training and len(pooled) > 1  # a single window has no variance of its own
            pooled = nn.functional.batch_norm(pooled, norm.running_mean, norm.running_var, training=by_batch, eps=norm.eps)
        return self.layers(pooled)


class AstromerLSTMHead(nn.Module):
    """LSTM layers, a layer norm on each output, and a linear layer on the last observation (paper, Sect. 7, Fig. 10)."""

    def __init__(self, config: AstromerConfig, input_size: int | None = None):
        super().__init__()
        widths = [input_size or config.hidden_size, *config.classifier_lstm_sizes]
        self.lstms = nn.ModuleList(nn.LSTM(wide, narrow, batch_first=True) for wide, narrow in itertools.pairwise(widths))
        self.layer_norms = nn.ModuleList(nn.LayerNorm(width, eps=config.layer_norm_eps) for width in widths[1:])
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.output = nn.Linear(widths[-1], cast(int, config.num_labels))

    def forward(self, hidden_states: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_labels) for `hidden_states` (B, L, D). Only the `observed` (B, L) are read, in their order."""
        # Move observations to the front, wherever padding is. Outputs after the last observation are not used.
        order = (~observed).long().argsort(dim=1, stable=True)[..., None]
        states = hidden_states.take_along_dim(order, dim=1) * observed.take_along_dim(order[..., 0], dim=1)[..., None]
        for lstm, layer_norm in zip(self.lstms, self.layer_norms, strict=True):
            states = self.dropout(layer_norm(lstm(states)[0]))
        last = (observed.sum(1, keepdim=True) - 1).clamp(min=0)[..., None]
        return self.output(states.take_along_dim(last, dim=1).squeeze(1))


class AstromerClassificationHead(nn.Module):
    """From the encoder's hidden states to logits: the last block, all blocks or their mixture, pooled, then the head.

    The mixture (layer-skip pooling) weights the input embedding and every block's output by a softmax.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.pooling = config.classifier_pooling
        self.concatenates, self.pooled_size = config.band_combination == "concat", config.pooled_size
        self.concatenates_layers = config.concatenate_layers
        num_states = config.num_hidden_layers + 1
        self.layer_weights = nn.Parameter(torch.empty(num_states)) if config.use_weighted_layer_sum else None
        self.reads_observations = config.classifier_head == "lstm"
        self.head = AstromerLSTMHead(config) if self.reads_observations else AstromerMLPHead(config)
        self.hidden_size, self.num_bands = config.hidden_size, config.num_concatenated_bands
        shortcut_size = self.hidden_size * self.num_bands
        num_labels = cast(int, config.num_labels)
        self.shortcut = AstromerHeadLinear(shortcut_size, num_labels, config) if config.classifier_shortcut else None

    def forward(self, hidden_states: tuple[torch.Tensor, ...], observed: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_labels) for the embeddings and every block's output, each (B, L, D).

        Where K bands are concatenated, B · K windows give B rows. The windows of an object follow each other in the order of
        the bands. A window without observations counts as zeros.
        """
        if self.reads_observations:
            return self.head(self.mix(hidden_states), observed)
        pooled = tuple(pool_observed(state, observed, self.pooling) for state in hidden_states)
        if self.concatenates:
            is_there = observed.any(1, keepdim=True)
            pooled = tuple(torch.where(is_there, state, 0.0).reshape(-1, self.pooled_size) for state in pooled)
        return self.classify_pooled(pooled)

    def classify_pooled(self, pooled: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Logits for the states as `pool_observed` gives them, each (B, P)."""
        logits = self.head(self.mix(pooled))
        return logits if self.shortcut is None else logits + self.shortcut(self.mean_of_last(pooled))

    def mean_of_last(self, pooled: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """What the shortcut reads of the states: the mean of the last block's output, (B, D), or (B, K · D) in K bands."""
        return pooled[-1].unflatten(-1, (self.num_bands, -1))[..., : self.hidden_size].flatten(-2)

    def mix(self, states: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """What the head reads: a weighted mean of the states, or all states side by side."""
        if self.concatenates_layers:
            return torch.cat(states, dim=-1)
        if self.layer_weights is None:
            return states[-1]
        weights = self.layer_weights.softmax(dim=0)
        return torch.stack([weight * state for weight, state in zip(weights, states, strict=True)]).sum(0)


class AstromerNovelty(nn.Module):
    """How far the embedding of a window is from those of the training set: the distance to the nearest of K references.

    Distances are Euclidean in R directions in which the training set has unit variance: Mahalanobis distances, to the nearest
    reference in place of the mean (Lee et al. 2018, arXiv:1807.03888). Nothing of it is trained by gradients.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        # NaN until they are set
        self.directions = nn.Buffer(torch.full((config.hidden_size, config.novelty_directions), torch.nan))
        self.references = nn.Buffer(torch.full((config.novelty_references, config.novelty_directions), torch.nan))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Distances (B,), float32, of mean embeddings (B, D), `pooler_output` of the encoder."""
        whitened = pooled.float() @ self.directions.float()
        # Without a matrix product, whose rounding would depend on the other windows of the batch.
        distances = torch.cdist(whitened, self.references.float(), compute_mode="donot_use_mm_for_euclid_dist")
        return distances.amin(1)


def problem_type_of(config: Any) -> str:
    """The problem type of a classifier: the one in its config, or the one that transformers derives from `num_labels`."""
    return config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")


def activate(logits: torch.Tensor, config: Any) -> torch.Tensor:
    """Logits (B, C) to probabilities, float32. The outputs of a regression stay as they are."""
    problem = problem_type_of(config)
    if problem == "regression":
        return logits.float()
    return logits.float().softmax(-1) if problem == "single_label_classification" else logits.float().sigmoid()


def flatten_bands(
    bands: Sequence[str], magnitudes: torch.Tensor, times: torch.Tensor, *others: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Magnitudes, times, masks and errors of windows in K bands, (B, K, L), as (B · K, L)."""
    if magnitudes.ndim != 3 or magnitudes.shape[1] != len(bands):
        raise ValueError(
            f"This classifier concatenates the bands {', '.join(bands)}: `magnitudes` must have the shape (objects, "
            f"{len(bands)}, length), got {tuple(magnitudes.shape)}. `astromer-hf classify` classifies tables, and "
            "`classify_multiband_light_curves` light curves in memory."
        )
    tensors = (magnitudes, times, *others)
    return cast(Any, tuple(None if tensor is None else tensor.flatten(0, -2) for tensor in tensors))


def select_states(states: tuple[torch.Tensor, ...] | None, wanted: bool | Sequence[int] | None) -> Any:
    """The hidden states that `output_hidden_states` asks for: all, those of a list of layers and None for others, or none."""
    if states is None or wanted is None or wanted is False:
        return None
    if wanted is True:
        return states
    kept = {layer % len(states) for layer in wanted}
    return tuple(state if layer in kept else None for layer, state in enumerate(states))


def mean_over_observed(hidden_states: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Mean of (B, L, D) over the observations of each window, summed in float32; zeros for a window without observations."""
    weights = observed[..., None].float()
    total = (hidden_states.float() * weights).sum(1)
    return (total / weights.sum(1).clamp(min=1)).to(hidden_states.dtype)


def pool_observed(hidden_states: torch.Tensor, observed: torch.Tensor, pooling: str) -> torch.Tensor:
    """Mean of (B, L, D) over observations, `"mean"`: (B, D); with the standard deviation appended, `"mean_std"`: (B, 2D)."""
    mean = mean_over_observed(hidden_states, observed)
    if pooling == "mean":
        return mean
    variance = mean_over_observed((hidden_states - mean[:, None]).square(), observed)
    return torch.cat((mean, (variance + 1e-6).sqrt()), dim=-1)
