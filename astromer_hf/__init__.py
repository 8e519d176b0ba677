# Copyright 2026 The astromer_hf developers. MIT licence.
"""ASTROMER for Hugging Face Transformers. Importing the package registers its Auto classes and pipelines.

The names below are what a user needs first. Those of the model are there at once; the others are imported when they are first
used, so that loading a model imports no reader of tables, no trainer and no plotting.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from .model.configuration_astromer import AstromerConfig
from .model.feature_extraction_astromer import AstromerFeatureExtractor, LightCurveWindows, RaggedLightCurves
from .model.modeling_astromer import (
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from .model.pipelines_astromer import register_pipelines

if TYPE_CHECKING:
    from .hub.check import check_checkpoint
    from .hub.conversion import convert_tf_checkpoint
    from .hub.load import default_model_folder, load_model
    from .hub.push import push_checkpoint
    from .inference.classification import classify_light_curves, classify_multiband_light_curves, classify_table
    from .inference.embedding import embed_light_curves, embed_multiband_light_curves, embed_table
    from .inference.neighbors import Embeddings, find_neighbors
    from .light_curves.in_memory import read_light_curve
    from .light_curves.simulation import simulate_light_curve, simulate_light_curves
    from .light_curves.source import iter_light_curves
    from .training.data_collator import DataCollatorForLightCurveClassification, DataCollatorForMaskedLightCurves
    from .training.table_classifier import train_table_classifier

__version__ = "0.1.0"

_MODULES = {  # of the names that are imported when they are first used
    "DataCollatorForLightCurveClassification": "training.data_collator",
    "DataCollatorForMaskedLightCurves": "training.data_collator",
    "Embeddings": "inference.neighbors",
    "check_checkpoint": "hub.check",
    "classify_light_curves": "inference.classification",
    "classify_multiband_light_curves": "inference.classification",
    "classify_table": "inference.classification",
    "convert_tf_checkpoint": "hub.conversion",
    "default_model_folder": "hub.load",
    "embed_light_curves": "inference.embedding",
    "embed_multiband_light_curves": "inference.embedding",
    "embed_table": "inference.embedding",
    "find_neighbors": "inference.neighbors",
    "iter_light_curves": "light_curves.source",
    "load_model": "hub.load",
    "push_checkpoint": "hub.push",
    "read_light_curve": "light_curves.in_memory",
    "simulate_light_curve": "light_curves.simulation",
    "simulate_light_curves": "light_curves.simulation",
    "train_table_classifier": "training.table_classifier",
}

__all__ = [
    "AstromerConfig",
    "AstromerFeatureExtractor",
    "AstromerForMaskedReconstruction",
    "AstromerForSequenceClassification",
    "AstromerModel",
    "DataCollatorForLightCurveClassification",
    "DataCollatorForMaskedLightCurves",
    "Embeddings",
    "LightCurveWindows",
    "RaggedLightCurves",
    "check_checkpoint",
    "classify_light_curves",
    "classify_multiband_light_curves",
    "classify_table",
    "convert_tf_checkpoint",
    "default_model_folder",
    "embed_light_curves",
    "embed_multiband_light_curves",
    "embed_table",
    "find_neighbors",
    "iter_light_curves",
    "load_model",
    "push_checkpoint",
    "read_light_curve",
    "simulate_light_curve",
    "simulate_light_curves",
    "train_table_classifier",
]


def __getattr__(name: str) -> Any:
    """Import one of the names above when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


AutoConfig.register("astromer", AstromerConfig, exist_ok=True)
AutoModel.register(AstromerConfig, AstromerModel, exist_ok=True)
AutoModelForPreTraining.register(AstromerConfig, AstromerForMaskedReconstruction, exist_ok=True)
AutoModelForSequenceClassification.register(AstromerConfig, AstromerForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(AstromerConfig, AstromerFeatureExtractor, exist_ok=True)
register_pipelines()
