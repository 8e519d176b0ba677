# Copyright 2026 The astromer_hf developers. MIT licence.
"""Masks of windows: which observations exist, which are hidden, and which attend to which (paper, Sect. 4.3, Eq. 6).

`modeling_astromer.py` uses them. Polarity: True marks an observation, or a hidden one.

Shapes: B windows, L observations a window, H heads.
"""

from typing import cast

import torch
from transformers.masking_utils import create_bidirectional_mask

from .configuration_astromer import AstromerConfig


def resolve_masks(
    magnitudes: torch.Tensor,
    times: torch.Tensor,
    attention_mask: torch.Tensor | None,
    masked_positions: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boolean (observed, masked), both (B, L), with the defaults filled in and masked ⊆ observed."""
    for name, tensor in (("times", times), ("attention_mask", attention_mask), ("masked_positions", masked_positions)):
        if (tensor is not None and tensor.shape != magnitudes.shape) or magnitudes.ndim != 2:
            raise ValueError(
                f"`magnitudes` and `{name}` must both have the shape (windows, length), got {tuple(magnitudes.shape)} and "
                f"{None if tensor is None else tuple(tensor.shape)}. `AstromerFeatureExtractor` makes such tensors."
            )
    observed = torch.ones_like(magnitudes, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    masked = torch.zeros_like(observed) if masked_positions is None else masked_positions.bool() & observed
    return observed, masked


def attention_mask_of(
    config: AstromerConfig, hidden_states: torch.Tensor, observed: torch.Tensor, masked: torch.Tensor, visible: torch.Tensor
) -> torch.Tensor | None:
    """The mask for `config.masking_scheme`, broadcastable to (B, H, L, L), or None where all observations attend to all."""
    scheme = config.masking_scheme
    mask = None
    if scheme != "additive_padding":
        # Where nothing is visible, attend to all observations (their magnitudes are 0): softmax needs a key.
        attended = torch.where(visible.any(1, keepdim=True), visible, observed)
        # A tensor, since flex attention and its block masks are not supported.
        mask = cast("torch.Tensor | None", create_bidirectional_mask(config, hidden_states, attended))
    if scheme == "hidden":
        return mask
    raised = masked if scheme == "additive" else masked | ~observed
    return add_to_mask(mask, (raised[:, None, :, None] | raised[:, None, None, :]).to(hidden_states.dtype))


def add_to_mask(attention_mask: torch.Tensor | None, bias: torch.Tensor) -> torch.Tensor:
    """Add a bias to an attention mask, which is None, boolean (True attends) or additive."""
    if attention_mask is None:
        return bias
    if attention_mask.dtype == torch.bool:
        return torch.where(attention_mask, bias, torch.finfo(bias.dtype).min)
    return attention_mask + bias
