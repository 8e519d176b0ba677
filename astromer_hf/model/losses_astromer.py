# Copyright 2026 The astromer_hf developers. MIT licence.
"""Reconstruction losses over scored observations, and weights of observations from photometric errors.

`AstromerForMaskedReconstruction` in `modeling_astromer.py` uses them.

Shapes: B windows, L observations a window.
"""

import torch


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


RECONSTRUCTION_LOSSES = {"rmse": masked_rmse, "relative": relative_squared_error}
