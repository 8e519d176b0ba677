# Copyright 2026 The astromer_hf developers. MIT licence.
"""ASTROMER for Hugging Face Transformers. Importing the package registers its Auto classes and pipelines.

The names below are what a user needs first. They are imported when they are first used, so that loading a model imports no
reader of tables, no trainer and no plotting.
"""

import sys
from importlib import import_module
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hub.check import check_checkpoint
    from .hub.conversion import convert_tf_checkpoint
    from .hub.load import default_classifier_folder, default_model_folder, load_model
    from .hub.push import push_checkpoint
    from .inference.classification import classify_light_curves, classify_multiband_light_curves, classify_table
    from .inference.embedding import embed_light_curves, embed_multiband_light_curves, embed_table
    from .inference.neighbors import Embeddings, find_neighbors
    from .light_curves.in_memory import read_light_curve
    from .light_curves.simulation import simulate_light_curve, simulate_light_curves
    from .light_curves.source import LightCurveSource, iter_light_curves
    from .model.configuration_astromer import AstromerConfig
    from .model.feature_extraction_astromer import AstromerFeatureExtractor, LightCurveWindows, RaggedLightCurves
    from .model.modeling_astromer import (
        AstromerForMaskedReconstruction,
        AstromerForSequenceClassification,
        AstromerModel,
    )
    from .model.pretraining_astromer import AstromerForPreTraining
    from .training.data_collator import DataCollatorForLightCurveClassification, DataCollatorForMaskedLightCurves
    from .training.table_classifier import train_table_classifier

__version__ = "0.1.0"

_MODULES = {  # of the names above
    "AstromerConfig": "model.configuration_astromer",
    "AstromerFeatureExtractor": "model.feature_extraction_astromer",
    "AstromerForMaskedReconstruction": "model.modeling_astromer",
    "AstromerForPreTraining": "model.pretraining_astromer",
    "AstromerForSequenceClassification": "model.modeling_astromer",
    "AstromerModel": "model.modeling_astromer",
    "DataCollatorForLightCurveClassification": "training.data_collator",
    "DataCollatorForMaskedLightCurves": "training.data_collator",
    "Embeddings": "inference.neighbors",
    "LightCurveSource": "light_curves.source",
    "LightCurveWindows": "model.feature_extraction_astromer",
    "RaggedLightCurves": "model.feature_extraction_astromer",
    "check_checkpoint": "hub.check",
    "classify_light_curves": "inference.classification",
    "classify_multiband_light_curves": "inference.classification",
    "classify_table": "inference.classification",
    "convert_tf_checkpoint": "hub.conversion",
    "default_classifier_folder": "hub.load",
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
    "AstromerForPreTraining",
    "AstromerForSequenceClassification",
    "AstromerModel",
    "DataCollatorForLightCurveClassification",
    "DataCollatorForMaskedLightCurves",
    "Embeddings",
    "LightCurveSource",
    "LightCurveWindows",
    "RaggedLightCurves",
    "check_checkpoint",
    "classify_light_curves",
    "classify_multiband_light_curves",
    "classify_table",
    "convert_tf_checkpoint",
    "default_classifier_folder",
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


def _is_command() -> bool:
    """Whether this process was started as `astromer-hf`, `python -m astromer_hf` or `python -m astromer_hf.cli`.

    While `-m` looks for its module, `sys.argv[0]` is `-m`, and `sys.orig_argv` has the module's name.
    """
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    if program == "-m":
        return not {("-m", __name__), ("-m", f"{__name__}.cli")}.isdisjoint(pairwise(sys.orig_argv))
    return PurePath(program).name.lower().removesuffix(".exe") in ("astromer-hf", "astromer-hf-script.py")


# `import astromer_hf` registers the Auto classes by importing `astromer_hf.model`, which imports torch and transformers. That
# takes seconds. The command must parse its arguments first, and importing it imports this file. So only in the process of the
# command the registration waits until something imports `astromer_hf.model`, which every use of a model does. A process that is
# not recognised as the command is only slower.
if not _is_command():
    import_module(".model", __name__)
