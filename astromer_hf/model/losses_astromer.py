# Copyright 2026 The astromer_hf developers. MIT licence.
"""Losses: of reconstructions over scored observations, weighted by photometric errors, and of classifiers and regressions.

The models in `modeling_astromer.py` use them.

Shapes: B windows, L observations a window.
"""

from typing import Any

import torch
from torch import nn

from .heads_astromer import problem_type_of


def inverse_error_weights(magnitude_errors: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Weights (B, L) of observations: 1/error, scaled to [0, 1] over the `observed` of each window, plus 0.001 (Astromer 2).

    An unknown error (NaN, 0) gets the weight of the window's largest error. Where all errors of a window are unknown or equal,
    all weights are 1; the original formula would give 0.001.
    """
    known = observed & magnitude_errors.isfinite() & (magnitude_errors > 0)
    precisions = torch.where(known, 1 / torch.where(known, magnitude_errors, 1.0), torch.inf).float()
    lowest = precisions.amin(1, keepdim=True)
    precisions = torch.where(known, precisions, lowest)
    spread = precisions.amax(1, keepdim=True) - lowest
    weights = (precisions - lowest) / spread + 1e-3
    return torch.where(spread > 0, weights, 1.0)  # the spread of a window without errors is NaN, so not above 0


def masked_mean_squared_errors(
    reconstruction: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, weights: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (weighted) squared error of each window over its scored observations, and whether it has any; both (B,)."""
    squares = torch.where(loss_mask, reconstruction.float() - labels.float(), 0.0).square()
    counts = loss_mask.sum(1)
    total = (squares if weights is None else squares * weights).sum(1)
    return total / counts.clamp(min=1), counts > 0


def masked_rmse(
    reconstruction: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Root of the mean over windows of each window's mean squared error over scored observations (paper, Eq. 5).

    The paper prints a sum over observations and N - 1 windows; the released code takes these two means. Windows without a
    scored observation do not count. A small floor keeps the gradient of the root finite at a perfect fit.
    """
    errors, scored = masked_mean_squared_errors(reconstruction, labels, loss_mask, weights)
    return (errors.sum() / scored.sum().clamp(min=1)).clamp(min=1e-12).sqrt()


def relative_squared_error(
    reconstruction: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over windows of each window's mean squared error divided by its mean squared magnitude. Not in the paper.

    All windows have the same weight, whatever their amplitude: one Mira of 5 mag does not outweigh a hundred Cepheids. The
    denominator has an offset of 0.003 mag² (0.055 mag), about the photometric noise, below which there is nothing to
    reconstruct. As a mean over windows, the loss adds up over devices and accumulation steps of equal size. `weights` apply to
    both means.
    """
    errors, scored = masked_mean_squared_errors(reconstruction, labels, loss_mask, weights)
    powers, _ = masked_mean_squared_errors(torch.zeros_like(labels), labels, loss_mask, weights)
    return (errors / (powers + 0.003)).sum() / scored.sum().clamp(min=1)


def sequence_classification_loss(
    labels: torch.Tensor, pooled_logits: torch.Tensor, config: Any, num_items_in_batch: Any = None, **kwargs: Any
) -> torch.Tensor:
    """Cross-entropy of classes, binary cross-entropy of several labels, or mean squared error of a regression.

    As the loss of transformers, but all three honour `num_items_in_batch`, by which Trainer makes the loss and its gradient
    independent of accumulation steps and processes; transformers' own honours it for classes alone.

    Args:
        labels: class ids `(B,)`; 0 and 1 `(B, C)`, or -100 for a label that does not count; or numbers `(B,)` or `(B, C)`.
        pooled_logits: `(B, C)`.
        config: its `problem_type` is derived from `labels` and set, where it is None.
        num_items_in_batch: labels other than -100 of the whole step, by which a sum is divided; the mean if None.

    Raises:
        ValueError: labels and logits differ in shape.
    """
    if config.problem_type is None:
        are_indicators = config.num_labels > 1 and (labels.is_floating_point() or labels.shape == pooled_logits.shape)
        config.problem_type = "multi_label_classification" if are_indicators else problem_type_of(config)
    labels, logits = labels.to(pooled_logits.device), pooled_logits.float()
    if config.problem_type == "single_label_classification":
        losses = nn.functional.cross_entropy(logits, labels.reshape(-1).long(), reduction="none")
        counted = labels.reshape(-1) != -100
    else:
        labels = labels.float()
        labels = labels.reshape(-1, 1) if logits.shape[1] == 1 else labels
        if labels.shape != logits.shape:
            raise ValueError(
                f"A {config.problem_type} with {logits.shape[1]} labels needs `labels` of shape {tuple(logits.shape)}, got "
                f"{tuple(labels.shape)}."
            )
        counted = torch.ones_like(labels, dtype=torch.bool)
        if config.problem_type == "regression":
            losses = (logits - labels).square()
        else:
            counted = labels != -100
            losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    total = torch.where(counted, losses, 0.0).sum()
    items = counted.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
    return total / (items.to(total.device) if isinstance(items, torch.Tensor) else items)


RECONSTRUCTION_LOSSES = {"rmse": masked_rmse, "relative": relative_squared_error}
