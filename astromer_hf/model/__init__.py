# Copyright 2026 The astromer_hf developers. MIT licence.
"""What travels to the Hub with the weights: configuration, feature extractor, model, heads, losses and pipelines.

A push copies the other files of this folder flat beside the weights: they import torch, numpy, transformers, huggingface_hub
and each other alone. This file registers the Auto classes and the pipelines, for whoever imports any of them from the package.
"""

from pathlib import Path

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from .configuration_astromer import AstromerConfig
from .feature_extraction_astromer import AstromerFeatureExtractor
from .modeling_astromer import (
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from .pipelines_astromer import NoTokenizer, register_pipelines

OWN_MODEL = "astromer-surveys-small"
OWN_CLASSIFIER = "astromer-variable-stars"
MODEL_FOLDERS = tuple(root / "model_cards" for root in (Path(__file__).parents[1], Path(__file__).parents[2]))


def own_folder(name: str) -> Path:
    """The folder of a model that comes with the package: inside it if installed from a wheel, beside it in a source checkout.

    Where it is in neither place, that inside of the package, which does not exist.
    """
    found = (folder / name for folder in MODEL_FOLDERS if (folder / name / "model.safetensors").is_file())
    return next(found, MODEL_FOLDERS[0] / name)


AutoConfig.register("astromer", AstromerConfig, exist_ok=True)
AutoModel.register(AstromerConfig, AstromerModel, exist_ok=True)
AutoModelForPreTraining.register(AstromerConfig, AstromerForMaskedReconstruction, exist_ok=True)
AutoModelForSequenceClassification.register(AstromerConfig, AstromerForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(AstromerConfig, AstromerFeatureExtractor, exist_ok=True)
AutoTokenizer.register(AstromerConfig, NoTokenizer, exist_ok=True)
register_pipelines(
    {
        "light-curve-embedding": str(own_folder(OWN_MODEL)),
        "light-curve-reconstruction": str(own_folder(OWN_MODEL)),
        "light-curve-classification": str(own_folder(OWN_CLASSIFIER)),
    }
)
