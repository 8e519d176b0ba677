# Copyright 2026 The astromer_hf developers. MIT licence.
"""Attention by batched products has the value of attention, and replaces the fused kernel where that is slow, not elsewhere."""

import pytest
import torch
from conftest import TINY
from tiny_models import SCHEMES, build, masked_batch
from torch import nn

from astromer_hf import AstromerConfig, AstromerModel, default_model_folder
from astromer_hf.model import attention_astromer
from astromer_hf.model.attention_astromer import MAX_LENGTH, batched_attention_forward, choose_attention
from astromer_hf.model.masks_astromer import attention_mask_of
from astromer_hf.model.modeling_astromer import eager_attention_forward

SHAPE = (3, 4, 50, 16)  # windows, heads, observations, width


def masks() -> dict[str, torch.Tensor | None]:
    torch.manual_seed(1)
    observed = torch.arange(50) < torch.tensor([50, 31, 7])[:, None]
    return {"none": None, "boolean": observed[:, None, None, :], "additive": torch.randn(3, 4, 50, 50).bfloat16()}


@pytest.mark.parametrize("kind", ["none", "boolean", "additive"])
def test_batched_products_are_attention_within_the_precision_of_bfloat16(kind: str):
    torch.manual_seed(0)
    mask = masks()[kind]
    query, key, value = (torch.randn(SHAPE).bfloat16() for _ in range(3))
    found, weights = batched_attention_forward(nn.Identity(), query, key, value, mask, scaling=0.25)
    assert weights is None
    wide = torch.where(mask, 0.0, -torch.inf) if mask is not None and mask.dtype == torch.bool else mask
    exact, _ = eager_attention_forward(
        nn.Identity(), query.double(), key.double(), value.double(), None if wide is None else wide.double(), scaling=0.25
    )
    fused = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.25).transpose(1, 2)
    assert found.shape == exact.shape == fused.shape
    error, error_of_fused = ((one - exact).square().mean().sqrt() for one in (found, fused))
    assert error < 0.003 * exact.square().mean().sqrt() + 2 * error_of_fused


def test_gradients_pass_through_batched_products():
    torch.manual_seed(0)
    inputs = [torch.randn(SHAPE).bfloat16().requires_grad_() for _ in range(3)]
    found, _ = batched_attention_forward(nn.Identity(), *inputs, masks()["boolean"], scaling=0.25)
    gradients = torch.autograd.grad(found.float().square().sum(), inputs)
    wide = [one.detach().double().requires_grad_() for one in inputs]
    additive = torch.where(masks()["boolean"], 0.0, -torch.inf).double()
    exact, _ = eager_attention_forward(nn.Identity(), *wide, additive, scaling=0.25)
    for gradient, expected in zip(gradients, torch.autograd.grad(exact.square().sum(), wide), strict=True):
        assert (gradient - expected).norm() < 0.02 * expected.norm()


def test_the_fused_kernel_is_replaced_in_bfloat16_on_a_cpu_with_such_products_only(monkeypatch: pytest.MonkeyPatch):
    def choice(name: str = "sdpa", dtype: torch.dtype = torch.bfloat16, length: int = 200, device: str = "cpu") -> bool:
        query = torch.empty(1, 1, length, 4, dtype=dtype, device=device)
        return choose_attention(name, query, eager_attention_forward) is batched_attention_forward

    monkeypatch.setattr(attention_astromer, "has_bfloat16_products", lambda: True)
    assert choice()
    assert choose_attention("eager", torch.empty(1, 1, 2, 4), eager_attention_forward) is eager_attention_forward
    others = [{"name": "eager"}, {"dtype": torch.float32}, {"dtype": torch.float16}, {"length": MAX_LENGTH + 1}]
    assert not any(choice(**other) for other in [*others, {"device": "meta"}])
    monkeypatch.setattr(attention_astromer, "has_bfloat16_products", lambda: False)
    assert not choice()


@pytest.mark.parametrize("shipped", [False, True])
def test_a_model_in_bfloat16_is_as_near_to_float32_with_batched_products(shipped: bool, monkeypatch: pytest.MonkeyPatch):
    model = AstromerModel.from_pretrained(default_model_folder()) if shipped else build(AstromerModel, AstromerConfig(**TINY))
    model = model.eval()
    generator = torch.Generator().manual_seed(4)
    times = (torch.rand(4, 60, generator=generator, dtype=torch.float64) * 900).sort(-1).values
    windows = {
        "magnitudes": torch.sin(2.1 * times).float() + 0.1 * torch.randn(4, 60, generator=generator),
        "times": times - times.mean(1, keepdim=True),
        "attention_mask": torch.arange(60) < torch.tensor([60, 60, 40, 9])[:, None],
    }
    errors = []
    with torch.inference_mode():
        expected = model(**windows).pooler_output
        half = model.to(torch.bfloat16)
        for is_fast in (False, True):
            monkeypatch.setattr(attention_astromer, "has_bfloat16_products", lambda is_fast=is_fast: is_fast)
            found = half(**windows).pooler_output
            errors.append(((found - expected).norm(dim=1) / expected.norm(dim=1)).max())
    assert errors[1] < 1.5 * errors[0] + 1e-3
    assert errors[1] < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_hiding_nothing_and_naming_nothing_to_hide_are_the_same_to_the_bit(scheme: str, dtype: torch.dtype):
    model = build(AstromerModel, AstromerConfig(**TINY), masking_scheme=scheme).to(dtype)
    windows = {name: masked_batch()[name] for name in ("magnitudes", "times", "attention_mask")}
    with torch.inference_mode():
        found = model(**windows).pooler_output
        expected = model(**windows, masked_positions=torch.zeros_like(windows["magnitudes"], dtype=torch.bool)).pooler_output
    assert torch.equal(found, expected)


def test_full_windows_in_which_nothing_is_hidden_need_no_mask():
    config = build(AstromerModel, AstromerConfig(**TINY), masking_scheme="additive").config
    observed = torch.ones(2, 20, dtype=torch.bool)
    states = torch.zeros(2, 20, config.hidden_size)
    assert attention_mask_of(config, states, observed, None, observed) is None
    assert attention_mask_of(config, states, observed, ~observed, observed) is not None


def test_the_attention_of_a_loaded_model_can_be_changed_and_eager_attention_returns_its_weights():
    model = AstromerModel(AstromerConfig(**TINY)).eval()
    windows = {name: torch.arange(8.0)[None] for name in ("magnitudes", "times")}
    expected = model(**windows).last_hidden_state
    model.set_attn_implementation("eager")
    outputs = model(**windows, output_attentions=True)
    assert [weights.shape for weights in outputs.attentions] == [(1, 4, 8, 8)] * TINY["num_hidden_layers"]
    torch.testing.assert_close(outputs.last_hidden_state, expected)
