# Copyright 2026 The astromer_hf developers. MIT licence.
"""A model whose weights were quantised embeds within a few percent of what it embedded before."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY_EXTENDED
from torch import nn
from transformers import AutoModel

from astromer_hf import AstromerConfig, AstromerForSequenceClassification, default_model_folder
from astromer_hf.inference.classification import classify_light_curves
from astromer_hf.inference.embedding import embed_light_curves
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.quantization_astromer import KEPT_MODULES, input_dtype, keep_small_layers

CURVES = simulate_light_curves(4, seed=0)
COLUMNS = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES], [curve.magerr for curve in CURVES]


def largest_error(model: Any, quantised: Any) -> float:
    """Of the embeddings, relative to their length."""
    expected, found = (embed_light_curves(one, *COLUMNS).object_embeddings for one in (model, quantised))
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def quantise(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will move this to torchao
        return torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {nn.Linear, nn.LSTM}, dtype=dtype)


@pytest.fixture(scope="module")
def shipped() -> Any:
    return AutoModel.from_pretrained(default_model_folder())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.qint8, 0.05), (torch.float16, 0.005)])
def test_the_shipped_model_with_dynamic_quantisation(shipped: Any, dtype: torch.dtype, tolerance: float):
    quantised = quantise(shipped, dtype)
    assert type(quantised.layers[0].mlp.fc1) is not nn.Linear
    assert 0 < largest_error(shipped, quantised) < tolerance


@pytest.mark.parametrize("head", ["mlp", "lstm"])
def test_every_option_and_head_with_dynamic_quantisation(head: str):
    torch.manual_seed(0)
    config = AstromerConfig(**TINY_EXTENDED, num_labels=3, use_magnitude_errors=True, classifier_head=head)
    model = AstromerForSequenceClassification(config).eval()
    quantised = quantise(model, torch.qint8)
    assert 0 < largest_error(model, quantised) < 0.1
    expected, found = (classify_light_curves(one, *COLUMNS).values for one in (model, quantised))
    np.testing.assert_allclose(found, expected, atol=0.05)
    windows = torch.randn(2, 20), torch.arange(20.0).expand(2, 20) - 9.5
    assert quantised(*windows, masked_positions=torch.ones(2, 20) > 0).logits.isfinite().all()


def test_the_shipped_model_with_torchao(shipped: Any):
    quantization = pytest.importorskip("torchao.quantization")
    quantised = copy.deepcopy(shipped)
    quantization.quantize_(quantised, quantization.Int8WeightOnlyConfig())
    assert 0 < largest_error(shipped, quantised) < 0.05


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.05), (4, 0.2)])
def test_the_shipped_model_with_bitsandbytes(shipped: Any, bits: int, tolerance: float):
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(**{f"load_in_{bits}bit": True})
    quantised = AutoModel.from_pretrained(default_model_folder(), quantization_config=config)
    assert not quantised.layers[0].mlp.fc1.weight.is_floating_point()
    assert 0 < largest_error(shipped, quantised) < tolerance


def test_layers_of_measurements_are_kept_unless_the_user_names_others():
    from transformers import BitsAndBytesConfig

    given = BitsAndBytesConfig(load_in_8bit=True)
    assert keep_small_layers(given).llm_int8_skip_modules == KEPT_MODULES
    assert given.llm_int8_skip_modules is None
    named = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["decoder"])
    assert keep_small_layers(named) is named
    assert keep_small_layers(None) is None
    assert input_dtype(nn.Linear(2, 2).bfloat16()) == torch.bfloat16
