# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tiny models and masked windows, for the tests of `astromer_hf/model/`."""

from typing import Any

import numpy as np
import torch

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.modeling_astromer import AstromerPreTrainedModel

Batch = dict[str, torch.Tensor]
MODELS = [AstromerModel, AstromerForMaskedReconstruction, AstromerForSequenceClassification]
SCHEMES = ["hidden", "additive", "additive_padding"]
INPUTS = ("magnitudes", "times", "attention_mask", "masked_positions", "magnitude_errors")
EXACT = {"rtol": 0.0, "atol": 1e-6}
SUMMED = {"rtol": 1e-5, "atol": 1e-5}  # float32 sums taken in another order


def masked_batch(lengths: tuple[int, ...] = (20, 13, 20, 7), seed: int = 0) -> Batch:
    """Simulated windows of these lengths. About a half of the observations is scored, a third is hidden."""
    curves = simulate_light_curves(len(lengths), seed=seed)
    columns = ([getattr(c, name)[:n] for c, n in zip(curves, lengths, strict=True)] for name in ("mjd", "mag", "magerr"))
    windows = AstromerFeatureExtractor(window_size=max(lengths))(*columns, return_tensors="pt")
    draw = torch.rand(windows["times"].shape, generator=torch.Generator().manual_seed(seed))
    observed = windows["attention_mask"].bool()
    return {
        **windows,
        "masked_positions": observed & (draw < 0.35),
        "loss_mask": observed & (draw < 0.5),
        "labels": windows["magnitudes"].clone(),
    }


def build(model_class: type[AstromerPreTrainedModel], config: AstromerConfig, **fields: Any) -> Any:
    """A model in evaluation mode. Its weights depend on the config alone; its attention is as sharp as if it were trained."""
    torch.manual_seed(1)
    model = model_class(AstromerConfig.from_dict({**config.to_dict(), **fields})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("q_proj.weight"):
                parameter.mul_(10)
    return model


def outputs_of(model: Any, batch: Batch, **options: Any) -> dict[str, Any]:
    with torch.no_grad():
        return dict(model(**batch, **options))


def assert_same_outputs(first: dict[str, Any], second: dict[str, Any], **tolerance: float) -> None:
    assert first.keys() == second.keys()
    torch.testing.assert_close(first, second, **(tolerance or EXACT))


def centred_curves(name: str, count: int) -> tuple[Batch, np.ndarray]:
    """The first 200 observations of simulated stars of a class, and their true frequencies."""
    curves = simulate_light_curves(count, seed=4, classes=[name], survey="macho_like")
    windows = AstromerFeatureExtractor()(
        [curve.mjd for curve in curves], [curve.mag for curve in curves], windows="first", return_tensors="pt"
    )
    return dict(windows), np.array([1 / curve.period_days for curve in curves])
