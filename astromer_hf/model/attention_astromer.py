# Copyright 2026 The astromer_hf developers. MIT licence.
"""Which function computes attention, and one for bfloat16 on a CPU, where torch's fused kernel is slow.

`modeling_astromer.py` asks `choose_attention` in every block. Windows are short, so that the weights of all pairs of
observations fit into memory, and two batched products with a softmax between them use the CPU's bfloat16 units better than the
fused kernel does.

Shapes: B windows, H heads, L observations a window, D = `hidden_size`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

MAX_LENGTH = 512  # of windows whose weights of all pairs are kept: 4 MiB a window with 8 heads


def choose_attention(name: str, query: torch.Tensor, usual: Callable[..., Any]) -> Callable[..., Any]:
    """The usual function of transformers' attention `name`, or for `"sdpa"` maybe `batched_attention_forward`.

    Args:
        name: `config._attn_implementation`.
        query (`torch.Tensor` of shape `(B, H, L, D/H)`): its type, device and length decide.
        usual: what transformers has registered under the name, or the model's own function.
    """
    is_slow = query.dtype == torch.bfloat16 and query.device.type == "cpu" and query.shape[2] <= MAX_LENGTH
    if name == "sdpa" and not torch.compiler.is_compiling() and is_slow and has_bfloat16_products():
        return batched_attention_forward
    return usual


@cache
def has_bfloat16_products() -> bool:
    """Whether this CPU multiplies vectors in bfloat16 (AVX512-BF16). With AMX the fused kernel has tiles and is kept."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16")) and not capabilities.get("amx_bf16")


def batched_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Softmax(QKᵀ·scaling + mask) V, as (B, L, H, D/H), without the weights; query, key, value are (B, H, L, D/H).

    Products are summed in float32 and rounded to bfloat16. So are the logits, to which the mask is added, and the weights; the
    softmax itself is computed in float32.
    """
    assert not dropout, "the paper has no dropout of attention weights"
    batch, heads, length, width = query.shape
    query, key, value = ((query * scaling).flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1))
    logits = torch.bmm(query, key.transpose(1, 2)).view(batch, heads, length, length)
    if attention_mask is not None and attention_mask.dtype == torch.bool:  # True attends
        logits = logits.masked_fill(~attention_mask, torch.finfo(logits.dtype).min)
    elif attention_mask is not None:
        logits = logits + attention_mask
    weights = logits.softmax(-1).view(-1, length, length)
    return torch.bmm(weights, value).view(batch, heads, length, width).transpose(1, 2), None


__all__ = ["batched_attention_forward", "choose_attention", "has_bfloat16_products"]
