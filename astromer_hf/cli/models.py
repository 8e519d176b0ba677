# Copyright 2026 The astromer_hf developers. MIT licence.
"""The model that a verb runs. Verbs call this in their bodies: torch and transformers are imported here, not before."""

from typing import Any


def open_encoder(model: str | None, revision: str | None, device: str = "cpu", dtype: str = "float32") -> tuple[Any, Any]:
    """The encoder that the command line names, or the package's own, and its feature extractor."""
    from ..hub.load import load_encoder

    quiet_transformers()
    return load_encoder(model_or_default(model), revision, device, dtype)


def model_or_default(model: str | None) -> str:
    """The model that the command line names, or the folder of the package's own."""
    from ..hub.load import default_model_folder

    return model or str(default_model_folder())


def quiet_transformers() -> None:
    """Leave the screen to our own messages and progress bar."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    hub_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
