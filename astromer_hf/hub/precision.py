# Copyright 2026 The astromer_hf developers. MIT licence.
"""The precision of `dtype="auto"`: the fastest that leaves a model's embeddings as they are within a stated tolerance.

`load.py` uses it. The embeddings are compared, not the model's size or name: some weights stand bfloat16 better than others.
"""

import copy

import torch
from transformers import PreTrainedModel

from ..light_curves.simulation import simulate_light_curves
from ..model.feature_extraction_astromer import AstromerFeatureExtractor

TOLERANCE = 0.01  # largest change of an embedding, relative to its length
NUM_CURVES = 8  # simulated ones, whose embeddings are compared


def fastest_precision(model: PreTrainedModel, feature_extractor: AstromerFeatureExtractor | None = None) -> torch.dtype:
    """bfloat16 where the model's device computes faster in it and no embedding changes by more than `TOLERANCE`, else float32.

    Args:
        model: in float32, on the device that it will run on.
        feature_extractor: of the model.
    """
    if not is_fast_in_bfloat16(model.device):
        return torch.float32
    found = change_of_embeddings(model, feature_extractor, torch.bfloat16)
    return torch.bfloat16 if found <= TOLERANCE else torch.float32


@torch.inference_mode()
def change_of_embeddings(
    model: PreTrainedModel, feature_extractor: AstromerFeatureExtractor | None, dtype: torch.dtype
) -> float:
    """The largest change of an embedding of simulated windows in another precision, relative to its length."""
    curves = simulate_light_curves(NUM_CURVES, seed=0)
    columns = [curve.mjd for curve in curves], [curve.mag for curve in curves], [curve.magerr for curve in curves]
    extractor = feature_extractor or AstromerFeatureExtractor(window_size=model.config.window_size)
    windows = extractor(*columns, windows="first", return_tensors="pt").to(model.device)
    expected, found = (
        one(**windows).pooler_output.float() for one in (model.base_model, copy.deepcopy(model.base_model).to(dtype))
    )
    return float(((found - expected).norm(dim=1) / expected.norm(dim=1)).max())


def is_fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a CPU (AVX512-BF16 or AMX) or a GPU has units for bfloat16; without them it is slower than float32."""
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
