# Copyright 2026 The astromer_hf developers. MIT licence.
"""Heads on the states of a frozen encoder: a perceptron or an LSTM trained by gradients, and a discriminant in closed form.

`few_shot.py` computes the states and has the methods of scikit-learn; `table_classifier.py` trains a head on a labelled table.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..evaluation.uncertainty import fit_temperature
from ..model.configuration_astromer import AstromerConfig
from ..model.modeling_astromer import AstromerForSequenceClassification
from .few_shot import Draw, FrozenStates, Outcome, Recipe, fit, linear_discriminant


class StatesOfWindows(Dataset[Any]):
    """Rows of `FrozenStates` with their labels, as batches for `HeadOnStates`."""

    def __init__(self, states: FrozenStates, windows: np.ndarray, labels: np.ndarray, config: AstromerConfig):
        self.states, self.windows, self.labels = states, windows, labels
        self.reads_observations = config.classifier_head == "lstm"
        if self.reads_observations and (states.observations is None or config.use_weighted_layer_sum):
            raise ValueError(
                "An LSTM reads the last block's output at every observation: compute the states with `with_observations=True`, "
                "and leave `use_weighted_layer_sum` off."
            )
        self.pooled_size = config.hidden_size * (2 if config.classifier_pooling == "mean_std" else 1)  # in one band

    def __len__(self) -> int:
        return len(self.windows)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """`labels` (B,) and `pooled` (B, S, P); for a head that reads observations, `observations` (B, L, D) and `observed`."""
        rows = self.windows[indices]
        labels = torch.from_numpy(self.labels[self.states.object_index[rows]])
        if not self.reads_observations:
            pooled = self.states.pooled[rows][..., : self.pooled_size]
            return {"labels": labels, "pooled": torch.from_numpy(pooled.reshape(*pooled.shape[:2], -1))}
        assert self.states.observations is not None
        length = self.states.length[rows]
        observations = self.states.observations[rows, : length.max()].astype(np.float32)
        observed = np.arange(length.max()) < length[:, None]
        return {"labels": labels, "observations": torch.from_numpy(observations), "observed": torch.from_numpy(observed)}


class HeadOnStates(nn.Module):
    """The head of a classifier without its encoder; the encoder's states are its input."""

    def __init__(self, model: AstromerForSequenceClassification):
        super().__init__()
        self.classifier = model.classifier

    def forward(
        self,
        labels: torch.Tensor | None = None,  # Trainer withholds it where it has a `compute_loss_func`
        pooled: torch.Tensor | None = None,
        observations: torch.Tensor | None = None,
        observed: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Logits for a batch of `StatesOfWindows`, and their loss if there are labels."""
        if pooled is not None:
            logits = self.classifier.classify_pooled(pooled.unbind(1))
        else:
            logits = self.classifier((observations,), observed)
        if labels is None:
            return {"logits": logits}
        return {"loss": nn.functional.cross_entropy(logits.float(), labels), "logits": logits}


def train_head(
    model: AstromerForSequenceClassification,
    states: FrozenStates,
    labels: np.ndarray,
    draw: Draw,
    recipe: Recipe,
    seed: int,
    class_weights: Sequence[float] | None = None,
    thinned: FrozenStates | None = None,
) -> Outcome:
    """Train the head of `model`, in place, on the states of its frozen encoder, and calibrate it on the validation set.

    The training set also includes the states of `thinned` copies, if given. The validation and test sets do not. A shortcut is
    not trained by gradients: `fit_shortcut` sets it after the perceptron, from the validation set as well, since it needs none
    to stop at.
    """
    head = HeadOnStates(model)
    shortcut = model.classifier.shortcut
    if shortcut is not None:
        _set_to_zero(shortcut)
        shortcut.requires_grad_(False)

    def windows_of(states: FrozenStates, objects: np.ndarray) -> StatesOfWindows:
        return StatesOfWindows(states, states.windows_of(objects), labels, model.config)

    training = states if thinned is None else FrozenStates.concatenate((states, thinned))
    train, validation = windows_of(training, draw.train), windows_of(states, draw.validation)
    history = fit(head, train, validation, _identity, recipe, seed, class_weights)
    priors = np.bincount(labels[draw.train]) * (1.0 if class_weights is None else np.asarray(class_weights))
    priors = priors / priors.sum()  # of the training set: the validation set may have other proportions
    model.config.classifier_temperature = _calibrate(model, states, labels, draw, seed, priors)
    if shortcut is not None:
        fit_shortcut(model, states, labels, draw.labelled, priors)
        shortcut.requires_grad_(True)
    return Outcome(classify_states(model, states, labels, draw.test)(model.config.classifier_temperature), history)


def _calibrate(
    model: AstromerForSequenceClassification,
    states: FrozenStates,
    labels: np.ndarray,
    draw: Draw,
    seed: int,
    priors: np.ndarray,
) -> float:
    """The temperature that calibrates the validation set. Each fifth of it is classified by a shortcut fitted without it."""
    order = np.random.default_rng(seed).permutation(draw.validation)
    folds = [order] if model.classifier.shortcut is None else np.array_split(order, min(5, len(order)))
    folds = [np.sort(fold) for fold in folds]
    probabilities_at = []
    for fold in folds:
        if model.classifier.shortcut is not None:
            fit_shortcut(model, states, labels, np.setdiff1d(draw.labelled, fold), priors)
        probabilities_at.append(classify_states(model, states, labels, fold))
    return fit_temperature(
        lambda temperature: np.concatenate([of_fold(temperature) for of_fold in probabilities_at]),
        labels[np.concatenate(folds)],
    )


def fit_shortcut(
    model: AstromerForSequenceClassification,
    states: FrozenStates,
    labels: np.ndarray,
    objects: np.ndarray,
    priors: np.ndarray | None = None,
) -> None:
    """Set the linear layer beside the perceptron by linear discriminant analysis of the windows of these light curves.

    The classes are Gaussian with one covariance: the mean of their covariances, each shrunk as Ledoit and Wolf (2004, J.
    Multivar. Anal. 88, 365) do. The sum of its logits and the perceptron's is the logarithm of the product of both
    probabilities, up to a constant. `results/README.md` compares it with what gradients find.

    The layer is zero where every class has a single window: there is no variance within a class.

    Args:
        model: a classifier with a shortcut.
        states, labels: of all light curves.
        objects: those to fit it to; of every class one or more.
        priors (`np.ndarray` of shape `(C,)`): probabilities of the classes; by default how frequent they are among the windows.
    """
    shortcut = model.classifier.shortcut
    assert shortcut is not None
    windows = StatesOfWindows(states, states.windows_of(objects), labels, model.config)
    batch = windows.__getitems__(range(len(windows)))
    values = model.classifier.mean_of_last(batch["pooled"].unbind(1)).numpy()
    if len(values) == shortcut.out_features:
        _set_to_zero(shortcut)
        return
    scaler, discriminant = linear_discriminant(priors).fit(values, batch["labels"].numpy())
    assert len(discriminant.classes_) == shortcut.out_features
    slopes, constants = discriminant.coef_, discriminant.intercept_
    if shortcut.out_features == 2:  # scikit-learn has one logit then, of the second class
        slopes, constants = np.concatenate((-slopes, slopes)) / 2, np.concatenate((-constants, constants)) / 2
    slopes = slopes / scaler.scale_
    with torch.no_grad():
        shortcut.weight.copy_(torch.from_numpy(slopes))
        shortcut.bias.copy_(torch.from_numpy(constants - slopes @ scaler.mean_))


@torch.inference_mode()
def classify_states(
    model: AstromerForSequenceClassification, states: FrozenStates, labels: np.ndarray, objects: np.ndarray
) -> Callable[[float], np.ndarray]:
    """A function from a temperature to the probabilities (N, C) that the head of `model` gives these (sorted) objects."""
    head = HeadOnStates(model)
    device = next(head.parameters()).device  # where Trainer left the head
    model.to(device).eval()  # type: ignore[arg-type]
    asked = StatesOfWindows(states, states.windows_of(objects), labels, model.config)
    loader = DataLoader(asked, 256, collate_fn=_identity)
    batches = ({name: tensor.to(device) for name, tensor in batch.items()} for batch in loader)
    logits = torch.cat([head(**batch)["logits"].float().cpu() for batch in batches])
    return lambda temperature: states.mean_over_windows((logits / temperature).softmax(-1).numpy(), asked.windows)


def _set_to_zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def _identity(batch: Any) -> Any:
    return batch
