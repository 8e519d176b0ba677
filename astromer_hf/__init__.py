# Copyright 2026 The astromer_hf developers. MIT licence.
"""ASTROMER for Hugging Face Transformers. Importing the package registers its Auto classes and pipelines."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from .configuration_astromer import AstromerConfig
from .data_collator import DataCollatorForMaskedLightCurves
from .feature_extraction_astromer import AstromerFeatureExtractor, LightCurveWindows, RaggedLightCurves
from .modeling_astromer import (
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from .pipelines import register_pipelines

__version__ = "0.1.0"

__all__ = [
    "AstromerConfig",
    "AstromerFeatureExtractor",
    "AstromerForMaskedReconstruction",
    "AstromerForSequenceClassification",
    "AstromerModel",
    "DataCollatorForMaskedLightCurves",
    "LightCurveWindows",
    "RaggedLightCurves",
]

AutoConfig.register("astromer", AstromerConfig, exist_ok=True)
AutoModel.register(AstromerConfig, AstromerModel, exist_ok=True)
AutoModelForPreTraining.register(AstromerConfig, AstromerForMaskedReconstruction, exist_ok=True)
AutoModelForSequenceClassification.register(AstromerConfig, AstromerForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(AstromerConfig, AstromerFeatureExtractor, exist_ok=True)
register_pipelines()
