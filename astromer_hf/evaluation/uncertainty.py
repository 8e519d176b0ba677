# Copyright 2026 The astromer_hf developers. MIT licence.
"""How sure a model is: probabilities that are calibrated, and the spread of predictions under Monte-Carlo dropout.

Before it stands a trained model; after it `table_classifier.py`, which calibrates the classifier that it makes, and whoever
asks for error bars. A temperature is one number and changes how sure a classifier is of its classes; dropout at inference
(Gal & Ghahramani 2016, ICML) gives a distribution of predictions, of a model that has dropout layers.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from .classification_metrics import expected_calibration_error

TEMPERATURES = (0.05, 20.0)  # between which one is looked for


def fit_temperature(probabilities_at: Callable[[float], np.ndarray], labels: np.ndarray) -> float:
    """The temperature by which logits must be divided for probabilities to say how often a class is right.

    It maximises the likelihood of the true classes of objects that did not train the classifier (Guo et al. 2017, ICML). A
    prior, a normal distribution of its logarithm with a standard deviation of 1, keeps it from running away where all of a few
    objects are classified rightly; with hundreds of objects it does not show. A few surprising labels may ask for less
    confidence than the others bear out: a temperature that does not lower the calibration error of the same objects as well is
    not taken, and 1 stays.

    Args:
        probabilities_at: from a temperature to the objects' probabilities `(N, C)`, see `few_shot.classify_states`.
        labels: class ids, `(N,)`.
    """
    rows = np.arange(len(labels))

    def loss(logarithm: float) -> float:
        likelihoods = probabilities_at(math.exp(logarithm))[rows, labels].astype(np.float64)
        return float(-np.log(np.maximum(likelihoods, 1e-30)).sum() + logarithm**2 / 2)

    found = minimize_scalar(loss, bounds=tuple(map(math.log, TEMPERATURES)), method="bounded", options={"xatol": 1e-4})
    temperature = math.exp(found.x)
    before, after = (expected_calibration_error(labels, probabilities_at(value)) for value in (1.0, temperature))
    return temperature if after < before else 1.0


@dataclass(frozen=True)
class DropoutSpread:
    """Predictions of several passes with dropout.

    Args:
        samples (`np.ndarray` of shape `(passes, ...)`): what every pass gave.
    """

    samples: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over passes, in the shape of one prediction."""
        return self.samples.mean(0)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation over passes, in the shape of one prediction."""
        return self.samples.std(0, ddof=1)


def sample_with_dropout(model: nn.Module, predict: Callable[[], Any], *, num_passes: int = 20, seed: int = 0) -> DropoutSpread:
    """Repeat a prediction with the model's dropout layers switched on, and nothing else of its training mode.

    Everything that runs the model can be repeated: `lambda: classifier.predict(curves).values` of a [`LightCurveClassifier`],
    or `lambda: pipe(light_curve, seed=0)["reconstruction"]` of a reconstruction pipeline. Of weights that never knew dropout in
    their training, such as the released ones of ASTROMER 1, the spread is no measure of doubt.

    Args:
        model: that `predict` runs, or any module around it.
        predict: gives an array of the same shape every time; it must not switch the model to evaluation mode.
        num_passes: how often, at least 2.
        seed: of dropout; the global random state of torch is left as it is.

    Raises:
        ValueError: fewer than two passes, or a model without dropout, whose passes would all be the same.
    """
    if num_passes < 2:
        raise ValueError(f"`num_passes` must be at least 2, got {num_passes}.")
    devices = sorted({parameter.device.index or 0 for parameter in model.parameters() if parameter.device.type == "cuda"})
    with switched_on_dropout(model), torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        return DropoutSpread(np.stack([np.asarray(predict()) for _ in range(num_passes)]))


@contextmanager
def switched_on_dropout(model: nn.Module) -> Iterator[None]:
    """Dropout layers as in training, and as they were afterwards; batch statistics and all else stay in evaluation mode.

    Raises:
        ValueError: no layer of the model drops anything.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout) and module.p > 0]
    if not layers:
        config = getattr(model, "config", None)
        fields = {name: getattr(config, name, None) for name in ("hidden_dropout_prob", "classifier_dropout")}
        raise ValueError(
            "Monte-Carlo dropout needs a model that was trained with dropout, and this one has no layer that drops anything "
            f"({', '.join(f'`{name}` {value}' for name, value in fields.items())}). Train it with a `hidden_dropout_prob` "
            "above 0, or a classifier with a `classifier_dropout`, as astromer-hf fit does."
        )
    before = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.train()
        yield
    finally:
        for layer, mode in zip(layers, before, strict=True):
            layer.train(mode)
