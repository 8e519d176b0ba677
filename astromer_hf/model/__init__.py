# Copyright 2026 The astromer_hf developers. MIT licence.
"""What travels to the Hub with the weights: configuration, feature extractor, model, heads, losses and pipelines.

A push copies the other files of this folder flat beside the weights: they import torch, numpy, transformers, huggingface_hub
and each other alone. This file registers the Auto classes and the pipelines, for whoever imports any of them from the package.
"""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from .configuration_astromer import AstromerConfig
from .feature_extraction_astromer import AstromerFeatureExtractor
from .modeling_astromer import (
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from .pipelines_astromer import register_pipelines

AutoConfig.register("astromer", AstromerConfig, exist_ok=True)
AutoModel.register(AstromerConfig, AstromerModel, exist_ok=True)
AutoModelForPreTraining.register(AstromerConfig, AstromerForMaskedReconstruction, exist_ok=True)
AutoModelForSequenceClassification.register(AstromerConfig, AstromerForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(AstromerConfig, AstromerFeatureExtractor, exist_ok=True)
register_pipelines()
