# Copyright 2026 The astromer_hf developers. MIT licence.
"""Masks of windows: which observations exist, which are hidden, and which attend to which (paper, Sect. 4.3, Eq. 6).

And the centre of their times, which is that of what exists.

`modeling_astromer.py` uses them. Polarity: True marks an observation, or a hidden one.

Shapes: B windows, L observations a window, H heads.
"""

import warnings
from typing import cast

import torch
from transformers.masking_utils import create_bidirectional_mask

from .configuration_astromer import AstromerConfig
from .times_astromer import MAX_STEP_DAYS, time_step_days

CENTERED_DAYS = 0.1


def resolve_masks(
    magnitudes: torch.Tensor,
    times: torch.Tensor,
    attention_mask: torch.Tensor | None,
    masked_positions: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boolean (observed, masked), both (B, L), with the defaults filled in and masked ⊆ observed.

    Raises:
        ValueError: shapes differ, or there is no window or no column.
    """
    for name, tensor in (("times", times), ("attention_mask", attention_mask), ("masked_positions", masked_positions)):
        if (tensor is not None and tensor.shape != magnitudes.shape) or magnitudes.ndim != 2:
            raise ValueError(
                f"`magnitudes` and `{name}` must both have the shape (windows, length), got {tuple(magnitudes.shape)} and "
                f"{None if tensor is None else tuple(tensor.shape)}. `AstromerFeatureExtractor` makes such tensors."
            )
    if magnitudes.shape[0] == 0 or magnitudes.shape[1] == 0:
        raise ValueError(
            f"A batch needs at least one window of at least one column, got the shape {tuple(magnitudes.shape)}. A light curve "
            "without observations has no window: leave it out."
        )
    observed = torch.ones_like(magnitudes, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    masked = torch.zeros_like(observed) if masked_positions is None else masked_positions.bool() & observed
    return observed, masked


def center_times(times: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Times (B, L) relative to the mean of each window's `observed` ones, and 0 elsewhere; float64 stays, the rest is float32.

    Windows of the feature extractor are centred, and keep every bit. So do those within 0.1 days of it, which upstream's
    float32 arithmetic leaves. Others are centred in float64. Without this the 0 of padding would count as a time: it would
    lengthen the span of a window, and so change the frequencies of the periodogram.

    On a CPU a window whose type has lost more than a minute of its times is told in a warning.
    """
    wide = times.float() if times.device.type == "mps" else times.double()  # which mps lacks
    wide = torch.where(observed, wide, torch.zeros_like(wide))
    mean = wide.sum(1, keepdim=True) / observed.sum(1, keepdim=True).clamp(min=1)
    off = torch.where(mean.abs() > CENTERED_DAYS, mean, torch.zeros_like(mean))
    if times.device.type == "cpu" and not torch.compiler.is_compiling():
        step = time_step_days(float(off.abs().amax()), times.dtype)
        if step > MAX_STEP_DAYS:
            warnings.warn(
                f"`times` came as {times.dtype} around {float(off.flatten()[off.abs().argmax()]):.6g}, where one step is "
                f"{1440 * step:.2g} minutes: pass float64, or subtract each window's mean in float64 first, as "
                "`AstromerFeatureExtractor` does.",
                stacklevel=2,
            )
    return torch.where(observed, wide - off, torch.zeros_like(wide)).to(torch.promote_types(times.dtype, torch.float32))


def attention_mask_of(
    config: AstromerConfig,
    hidden_states: torch.Tensor,
    observed: torch.Tensor,
    masked: torch.Tensor | None,
    visible: torch.Tensor,
) -> torch.Tensor | None:
    """The mask for `config.masking_scheme`, broadcastable to (B, H, L, L), or None where all observations attend to all.

    `masked` is None where nothing can be hidden, as in embedding: then the additive scheme adds nothing.
    """
    scheme = config.masking_scheme
    mask = None
    if scheme != "additive_padding":
        # Where nothing is visible, attend to all observations (their magnitudes are 0): softmax needs a key.
        attended = torch.where(visible.any(1, keepdim=True), visible, observed)
        # A tensor, since flex attention and its block masks are not supported.
        mask = cast("torch.Tensor | None", create_bidirectional_mask(config, hidden_states, attended))
    if scheme == "hidden" or (scheme == "additive" and masked is None):
        return mask
    masked = torch.zeros_like(observed) if masked is None else masked
    raised = masked if scheme == "additive" else masked | ~observed
    return add_to_mask(mask, (raised[:, None, :, None] | raised[:, None, None, :]).to(hidden_states.dtype))


def add_to_mask(attention_mask: torch.Tensor | None, bias: torch.Tensor) -> torch.Tensor:
    """Add a bias to an attention mask, which is None, boolean (True attends) or additive."""
    if attention_mask is None:
        return bias
    if attention_mask.dtype == torch.bool:
        return torch.where(attention_mask, bias, torch.finfo(bias.dtype).min)
    return attention_mask + bias
