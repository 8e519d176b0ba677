# Copyright 2026 The astromer_hf developers. MIT licence.
"""Uncertainty of predictions: calibrated probabilities, intervals, and the spread under Monte-Carlo dropout.

`table_classifier.py` calibrates the classifiers that it trains. A temperature is one number that scales the confidence of a
classifier. Dropout at inference (Gal & Ghahramani 2016, ICML) gives a distribution of predictions of a model with dropout
layers.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

TEMPERATURES = (0.05, 20.0)  # bounds of the search


def fit_temperature(probabilities_at: Callable[[float], np.ndarray], labels: np.ndarray) -> float:
    """The temperature that calibrates probabilities when logits are divided by it.

    It maximises the likelihood of the true classes of held-out objects (Guo et al. 2017, ICML). The prior on its logarithm is
    normal with a standard deviation of 1. It keeps the temperature finite if all of a few objects are classified correctly, and
    has no effect with hundreds of objects. A few surprising labels can lower the fitted confidence too much. So a temperature
    that does not also lower the calibration error of the same objects is rejected, and 1 is returned.

    scikit-learn's `CalibratedClassifierCV(method="temperature")` fits the same number, but to the logits of an estimator. Here
    an object's probabilities are the mean over its windows *after* the softmax, so a temperature acts before that mean, and
    there are no logits of objects that scikit-learn could scale.

    Args:
        probabilities_at: a function from a temperature to the objects' probabilities `(N, C)`, see `heads.classify_states`.
        labels: class ids, `(N,)`.
    """
    # Imported here: whatever embeds needs this file for dropout, and scipy and scikit-learn take a second.
    from scipy.optimize import minimize_scalar

    from .classification_metrics import expected_calibration_error

    rows = np.arange(len(labels))

    def loss(logarithm: float) -> float:
        likelihoods = probabilities_at(math.exp(logarithm))[rows, labels].astype(np.float64)
        return float(-np.log(np.maximum(likelihoods, 1e-30)).sum() + logarithm**2 / 2)

    found = minimize_scalar(loss, bounds=tuple(map(math.log, TEMPERATURES)), method="bounded", options={"xatol": 1e-4})
    temperature = math.exp(found.x)
    before, after = (expected_calibration_error(labels, probabilities_at(value)) for value in (1.0, temperature))
    return temperature if after < before else 1.0


def conformal_quantiles(ratios: Sequence[np.ndarray], coverages: Sequence[float]) -> list[float]:
    """The quantiles of absolute residuals in units of their scale, which make intervals of these coverages.

    Every star counts the same, however many of its observations were hidden. The coverage promised for a new star like these is
    raised by one part in their number (Lei et al. 2018, JASA 113, 1094, Sect. 2.2, for stars in place of observations).

    Args:
        ratios: |residual| / scale of the hidden observations of each star. NaN, of what has no scale, is left
            out. Infinity, of a residual beside a scale of 0, lies outside of every interval.
        coverages: between 0 and 1.

    Raises:
        ValueError: there are too few stars for such a coverage, or too many infinite ratios.
    """
    stars = [star[~np.isnan(star)] for star in ratios]
    stars = [star for star in stars if len(star)]
    if not stars or max(coverages) * (1 + 1 / len(stars)) > 1:
        raise ValueError(f"{len(stars)} stars with hidden observations are too few for a coverage of {max(coverages):.0%}.")
    values = np.concatenate(stars)
    weights = np.concatenate([np.full(len(star), 1 / len(star)) for star in stars]) / len(stars)
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    places = np.searchsorted(below, np.asarray(coverages) * (1 + 1 / len(stars)) - 1e-12)
    quantiles = values[order][places.clip(max=len(values) - 1)]
    if not np.isfinite(quantiles).all():
        raise ValueError(
            f"No finite interval holds {max(coverages):.0%} of the hidden observations: {np.isinf(values).sum()} of "
            f"{len(values)} have a scale of 0."
        )
    return quantiles.tolist()


@dataclass(frozen=True)
class DropoutSpread:
    """Predictions of several passes with dropout.

    Args:
        samples (`np.ndarray` of shape `(passes, ...)`): the result of every pass.
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
    """Repeat a prediction with the model's dropout layers active; everything else stays in evaluation mode.

    Anything that runs the model in this thread can be repeated: `lambda: classify_light_curves(model, mjd, mag).values`, or
    `lambda: pipe(light_curve, seed=0)["reconstruction"]` of a reconstruction pipeline. If the weights were trained without
    dropout, such as the released ones of ASTROMER 1, the spread does not measure uncertainty.

    Args:
        model: the model that `predict` runs, or a module that contains it.
        predict: returns an array of the same shape every time.
        num_passes: number of passes, at least 2.
        seed: of dropout; torch's global random state is not changed.

    Raises:
        ValueError: fewer than two passes, or a model without dropout, whose passes would all be equal.
    """
    if num_passes < 2:
        raise ValueError(f"`num_passes` must be at least 2, got {num_passes}.")
    with dropout_enabled(model, seed):
        return DropoutSpread(np.stack([np.asarray(predict()) for _ in range(num_passes)]))


@contextmanager
def dropout_enabled(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """Let dropout layers drop for the duration of the block, in this thread.

    The model is not changed, so that other threads may use it at the same time. Batch statistics and everything else stay in
    evaluation mode.

    Args:
        model: whose dropout is wanted; in the block every dropout layer that this thread runs is active.
        seed: of what is dropped; torch's global random state when absent.

    Raises:
        ValueError: the model has no dropout.
    """
    if not any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        config = getattr(model, "config", None)
        fields = {name: getattr(config, name, None) for name in ("hidden_dropout_prob", "classifier_dropout")}
        has_intervals = getattr(config, "reconstruction_quantiles", None) is not None
        raise ValueError(
            "Monte-Carlo dropout needs a model that was trained with dropout, and this one has no layer that drops anything "
            f"({', '.join(f'`{name}` {value}' for name, value in fields.items())}). Train it with a `hidden_dropout_prob` "
            "above 0, or a classifier with a `classifier_dropout`, as astromer-hf fit does."
            + has_intervals
            * " Its reconstructions have intervals without dropout: see `intervals` of the pipeline."
        )
    before, _this_thread.drops = dropout_is_enabled(), True
    try:
        with _ActiveDropout(seed):
            yield
    finally:
        _this_thread.drops = before


def dropout_is_enabled() -> bool:
    """Whether this thread is inside `dropout_enabled`; what it starts in other threads would not drop anything."""
    return getattr(_this_thread, "drops", False)


_this_thread = threading.local()


class _ActiveDropout(TorchFunctionMode):
    """Drops in every dropout layer, whatever its mode. torch keeps such a mode for each thread."""

    def __init__(self, seed: int | None):
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return self.drop(*args, **kwargs) if func is nn.functional.dropout else func(*args, **kwargs)

    def drop(self, input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        """`nn.functional.dropout` in training mode, by a generator of this block."""
        if p == 0:
            return input
        if self.seed is not None and input.device not in self.generators:
            self.generators[input.device] = torch.Generator(input.device).manual_seed(self.seed)
        kept = torch.empty_like(input).bernoulli_(1 - p, generator=self.generators.get(input.device))
        return input * kept / (1 - p)
