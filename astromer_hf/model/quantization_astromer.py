# Copyright 2026 The astromer_hf developers. MIT licence.
"""What lets a quantised model run: layers that stay as they are, and the type of a layer's input.

`modeling_astromer.py` and `folding_astromer.py` use it. Embeddings of a model in 8 bits differ by some percent, see
`docs/scale.md`.
"""

import copy
from typing import Any

import torch
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear


class AstromerMeasurementLinear(NonDynamicallyQuantizableLinear):
    """A linear layer on one or two measured numbers. torch's and torchao's quantisation leaves it as it is.

    There is next to nothing to save, and 8 bits would round the magnitudes themselves.
    """


# Layers whose input is not a multiple of bitsandbytes's blocks of 64, and heads.
KEPT_MODULES = ["magnitude_embedding", "scale_embedding", "error_embedding", "folding.projection", "decoder", "classifier"]


def keep_small_layers(quantization_config: Any) -> Any:
    """A configuration of bitsandbytes that names no modules to keep, with `KEPT_MODULES`; any other as it is."""
    if getattr(quantization_config, "llm_int8_skip_modules", KEPT_MODULES) is not None:
        return quantization_config
    quantization_config = copy.deepcopy(quantization_config)
    quantization_config.llm_int8_skip_modules = list(KEPT_MODULES)
    return quantization_config


def input_dtype(layer: Any) -> torch.dtype:
    """The type that a linear layer reads: that of its weight, or, if the weight is quantised, that of its bias."""
    tensors = (layer.weight, layer.bias)  # methods of torch's own quantised layers
    weight, bias = (tensor if isinstance(tensor, torch.Tensor) else tensor() for tensor in tensors)
    return weight.dtype if weight.dtype.is_floating_point else bias.dtype


__all__ = ["AstromerMeasurementLinear", "input_dtype", "keep_small_layers"]
