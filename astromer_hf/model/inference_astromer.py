# Copyright 2026 The astromer_hf developers. MIT licence.
"""A model as inference needs it: out of its wrappers, and in evaluation mode without a change of the model itself.

Pipelines, `inference/` and whatever else runs a model of the user call `unwrap` once and `in_evaluation_mode` at every run.
Those that classify ask `find_remarks` which light curves get no class, and why.
"""

import copy
import itertools
from typing import Any

import numpy as np
from torch import nn

from .feature_extraction_astromer import RaggedLightCurves


def unwrap(model: Any) -> Any:
    """The ASTROMER model inside `DataParallel`, `DistributedDataParallel`, `torch.compile` and PEFT, in any order.

    The adapters of PEFT stay active: it puts them into the layers of the model. An `OnnxEncoder` is returned as it is.

    Raises:
        ValueError: there is no ASTROMER model in it.
    """
    inner = model
    while True:
        if isinstance(inner, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = inner.module
        elif (compiled := getattr(inner, "_orig_mod", None)) is not None:
            inner = compiled
        elif callable(base := getattr(inner, "get_base_model", None)):
            inner = base()
        else:
            break
    is_ours = getattr(getattr(inner, "config", None), "model_type", None) == "astromer"
    stands_for_one = not isinstance(inner, nn.Module) and (hasattr(inner, "config") or hasattr(inner, "base_model"))
    if not is_ours and not stands_for_one:
        kind = type(model).__name__ if inner is model else f"{type(model).__name__} around {type(inner).__name__}"
        raise ValueError(
            f"An ASTROMER model is needed, got {kind}: pass the model itself, or its encoder, as `load_model` gives it."
        )
    return inner


def in_evaluation_mode(model: Any) -> Any:
    """The model in evaluation mode: itself where it is, else a copy that shares all parameters, buffers and the configuration.

    The mode of a model belongs to whoever trains it, and another thread may be using it. So it is not changed. Where the model
    is in evaluation mode and only its dropout layers are not, somebody wants samples with dropout, and they stay as they are.
    """
    if not (isinstance(model, nn.Module) and model.training):
        return model
    shared: dict[int, Any] = {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())}
    shared[id(model.config)] = model.config
    return copy.deepcopy(model, shared).eval()


def find_remarks(curves: RaggedLightCurves, config: Any) -> np.ndarray | None:
    """Why clean light curves get no class, `(N,)` strings or None; None for a classifier that classifies all."""
    if not config.fewest_points:
        return None
    remarks = np.full(len(curves), None, dtype=object)
    filled = np.flatnonzero(curves.lengths)
    starts = curves.offsets[filled]
    if len(filled):
        extremes = (function.reduceat(curves.magnitudes, starts) for function in (np.maximum, np.minimum))
        remarks[filled[np.subtract(*extremes) == 0]] = "all magnitudes are equal"
    remarks[curves.lengths < config.fewest_points] = f"fewer than {config.fewest_points} observations"
    return remarks


__all__ = ["find_remarks", "in_evaluation_mode", "unwrap"]
