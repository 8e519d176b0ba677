# Copyright 2026 The astromer_hf developers. MIT licence.
"""Few-shot classification (paper, Sects. 6 and 7): few labels a class, several draws of them, and the methods to compare.

Before it stand labelled light curves and pre-trained encoders; after it `scripts/run_few_shot_benchmark.py`, which makes the
table, and `astromer-hf fit`, which makes a classifier. A draw decides which light curves teach, which stop the training
and which test. A method turns a draw into probabilities of its test light curves. Methods differ in what they learn from: the
states of a frozen encoder, computed once for all draws; the windows themselves, with an encoder that is trained along or
without one; hand-crafted features.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments, set_seed

from ..inference.classification import LightCurveClassifier
from ..inference.runner import WindowRunner, pool_states
from ..light_curves.bands import MultibandLightCurves
from ..light_curves.surveys import FEW_SHOT_TEST_SAMPLES, FEW_SHOT_TRAINING_FRACTION
from ..model.configuration_astromer import AstromerConfig
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, mean_over_windows
from ..model.modeling_astromer import AstromerForSequenceClassification, AstromerModel
from .data_collator import DataCollatorForLightCurveClassification, DataCollatorForMaskedLightCurves, InMemoryLightCurves
from .trainer import WeightedCrossEntropy, cut_sequentially, load_labelled_split

TRAINING_FRACTION = FEW_SHOT_TRAINING_FRACTION
TEST_PER_CLASS = FEW_SHOT_TEST_SAMPLES
LEAST_KEPT = 0.4  # of the observations of a light curve that is thinned
MIN_THINNED_POINTS = 10


# --- Labelled light curves and draws of them ---


@dataclass(frozen=True)
class LabelledCurves:
    """N labelled light curves of C classes, or N labelled objects in several bands.

    Args:
        curves ([`RaggedLightCurves`] or [`MultibandLightCurves`]): clean, with at least one observation each.
        labels (`np.ndarray` of shape `(N,)`, int64): class ids.
        classes (`tuple[str, ...]`): their names, C of them.
        held_out (`np.ndarray` of shape `(N,)`, bool): True for those that may test and must not teach.
    """

    curves: Any
    labels: np.ndarray
    classes: tuple[str, ...]
    held_out: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Draw:
    """Numbers of the light curves that teach, that stop the training and that test, each rising."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Those whose labels a method may use."""
        return np.concatenate((self.train, self.validation))


def load_labelled_survey(
    folder: str | Path, *, min_points: int = 20, min_train: int = 100, test_per_class: int = TEST_PER_CLASS
) -> LabelledCurves:
    """The labelled light curves of a prepared dataset, of the classes that are large enough.

    Those of the training split teach. Those of the validation and the test split test, which no pre-training on the training
    split has seen.

    Args:
        folder: that `scripts/prepare_dataset.py` wrote.
        min_points: light curves with fewer observations are left out.
        min_train, test_per_class: a class with fewer light curves to teach or to test is left out.

    Raises:
        FileNotFoundError: there is no such dataset.
        ValueError: fewer than two classes are large enough.
    """
    teaching, names = load_labelled_split(folder, "train", min_points=min_points)
    parts = [load_labelled_split(folder, split, min_points=min_points) for split in ("validation", "test")]
    tested = np.concatenate([labels for _, labels in parts])
    counts = {name: (int(np.sum(names == name)), int(np.sum(tested == name))) for name in np.unique(names).tolist()}
    classes = tuple(name for name, (taught, test) in counts.items() if taught >= min_train and test >= test_per_class)
    if len(classes) < 2:
        raise ValueError(
            f"At least two classes of {min_train} light curves to teach and {test_per_class} to test are needed; {folder} has "
            f"{counts}: lower these numbers."
        )
    curves = RaggedLightCurves.concatenate([teaching, *(part for part, _ in parts)])
    names = np.concatenate((names, tested))
    chosen = np.flatnonzero(np.isin(names, classes))
    return LabelledCurves(curves.select(chosen), np.searchsorted(classes, names[chosen]), classes, chosen >= len(teaching))


def draw_few_shot(
    labelled: LabelledCurves, samples_per_class: int, fold: int, *, test_per_class: int = TEST_PER_CLASS, seed: int = 0
) -> Draw:
    """Draw `samples_per_class` light curves of each class to learn from, 80 % to teach and 20 % to stop, and the test set.

    A class with fewer gives all it has. The test set depends on `seed` alone, so that it is the same in every fold and for
    every number of samples; the smaller draws of a fold are part of its larger ones.

    Raises:
        ValueError: fewer than two samples of each class, of which one teaches and one stops.
    """
    if samples_per_class < 2:
        raise ValueError(f"At least 2 samples a class are needed, one to teach and one to stop, got {samples_per_class}.")
    train, validation, test = [], [], []
    for label in range(len(labelled.classes)):
        of_class = labelled.labels == label
        teaching, testing = (np.flatnonzero(of_class & (labelled.held_out == kind)) for kind in (False, True))
        test.append(np.random.default_rng([seed, label]).permutation(testing)[:test_per_class])
        drawn = np.random.default_rng([seed, label, 1 + fold]).permutation(teaching)[:samples_per_class]
        if len(drawn) < 2 or not len(test[-1]):
            raise ValueError(
                f"Class {labelled.classes[label]!r} has {len(teaching)} light curves to learn from and {len(testing)} to test; "
                "at least 2 and 1 are needed. Leave it out, or merge it with another."
            )
        cut = min(round(TRAINING_FRACTION * len(drawn)), len(drawn) - 1)
        train.append(drawn[:cut])
        validation.append(drawn[cut:])
    return Draw(*(np.sort(np.concatenate(part)) for part in (train, validation, test)))


def thin_light_curves(curves: Any, rng: np.random.Generator) -> Any:
    """Copies of light curves in which observations are left out at random, as if they had been observed less often.

    For each a probability is drawn, between 40 % and 1, with which each of its observations stays. One that would be left with
    fewer than 10 stays whole.

    Args:
        curves ([`RaggedLightCurves`] or [`MultibandLightCurves`]): N light curves, or objects in several bands.
        rng: of the draws.
    """
    if isinstance(curves, MultibandLightCurves):
        return replace(curves, light_curves=thin_light_curves(curves.light_curves, rng))
    owner = curves.object_index
    kept = rng.random(len(owner)) < rng.uniform(LEAST_KEPT, 1, len(curves))[owner]
    is_short = np.bincount(owner, kept, len(curves)) < MIN_THINNED_POINTS
    return curves.keep(kept | is_short[owner])


# --- Training ---


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: Adam at a constant rate until the validation loss has not fallen for `patience` epochs.

    `max_steps` stands in place of `max_epochs` where it is positive: a network that is slow to learn then gets as many steps
    from few samples as from many.
    """

    learning_rate: float = 1e-3
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 10
    max_steps: int = -1
    bf16: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a method made of a draw.

    Args:
        probabilities (`np.ndarray` of shape `(T, C)`): of the test light curves, in the draw's order.
        history (`list[dict]`): `epoch`, `loss` and `eval_loss` of every epoch of the training; empty where nothing iterates.
    """

    probabilities: np.ndarray
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were kept."""
        return int(min(self.history, key=lambda entry: entry["eval_loss"])["epoch"]) if self.history else None


def fit(
    model: nn.Module,
    train: Dataset[Any],
    validation: Dataset[Any],
    collator: Callable[[Any], dict[str, torch.Tensor]],
    recipe: Recipe,
    seed: int,
    class_weights: Sequence[float] | None = None,
) -> list[dict[str, float]]:
    """Train `model` by transformers' `Trainer`, leave it with its best weights and return the losses of every epoch.

    Args:
        model: any whose outputs have a `loss`; with `class_weights`, `logits` for inputs without labels instead.
        train, validation, collator: as Trainer takes them.
        recipe: see `Recipe`.
        seed: of the order of batches and of dropout.
        class_weights: of the cross-entropy, one a class.
    """
    with tempfile.TemporaryDirectory(prefix="astromer-fit-") as folder:
        trainer = Trainer(
            model,
            TrainingArguments(
                folder,
                per_device_train_batch_size=recipe.batch_size,
                per_device_eval_batch_size=recipe.batch_size,
                num_train_epochs=recipe.max_epochs,
                max_steps=recipe.max_steps,
                learning_rate=recipe.learning_rate,
                lr_scheduler_type="constant",
                eval_strategy="epoch",
                save_strategy="epoch",
                logging_strategy="epoch",
                save_total_limit=1,
                save_only_model=True,
                load_best_model_at_end=True,
                metric_for_best_model="eval_loss",
                prediction_loss_only=True,
                remove_unused_columns=False,
                label_names=["labels"],
                bf16=recipe.bf16,
                use_cpu=not torch.cuda.is_available(),
                dataloader_pin_memory=torch.cuda.is_available(),
                report_to="none",
                disable_tqdm=True,
                seed=seed,
            ),
            data_collator=collator,
            train_dataset=train,
            eval_dataset=validation,
            callbacks=[EarlyStoppingCallback(recipe.patience)],
            compute_loss_func=None if class_weights is None else WeightedCrossEntropy(class_weights),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    losses: dict[int, dict[str, float]] = {}
    for entry in trainer.state.log_history:
        of_epoch = losses.setdefault(math.ceil(entry["epoch"]), {})  # `max_steps` may cut the last
        of_epoch |= {name: entry[name] for name in ("loss", "eval_loss") if name in entry}
    return [{"epoch": epoch, **kept} for epoch, kept in losses.items() if "eval_loss" in kept]


# --- Methods on the states of a frozen encoder ---


@dataclass(frozen=True)
class FrozenStates:
    """What a frozen encoder makes of some light curves, a row a window; for heads to be trained on.

    Of objects in several bands a row is a window of any of them, or, where bands are concatenated, all of the object.

    Args:
        pooled (`np.ndarray` of shape `(W, S, 2D)`, float32): means over observations, and standard deviations, of the input
            embedding and every block's output, S = `num_hidden_layers` + 1; of K concatenated bands `(W, S, K, 2D)`.
        observations (`np.ndarray` of shape `(W, L, D)`, float16, *optional*): the last block's output at every observation.
        object_index (`np.ndarray` of shape `(W,)`): the light curve of each window.
        length (`np.ndarray` of shape `(W,)`): its observations.
        weight (`np.ndarray` of shape `(W,)`, *optional*): of each window in the mean over an object's; `length` when absent.
    """

    pooled: np.ndarray
    observations: np.ndarray | None
    object_index: np.ndarray
    length: np.ndarray
    weight: np.ndarray | None = None

    @classmethod
    def compute(
        cls,
        encoder: AstromerModel,
        labelled: LabelledCurves,
        objects: np.ndarray,
        *,
        with_observations: bool = False,
        batch_size: int | None = None,
    ) -> "FrozenStates":
        """Run the encoder over all windows of the light curves of these numbers, which it leaves as they are numbered."""
        runner = WindowRunner(encoder, batch_size=batch_size)
        objects = np.sort(objects)
        chosen = labelled.curves.select(objects)
        curves = chosen.light_curves if isinstance(chosen, MultibandLightCurves) else chosen
        windows = runner.cut(curves)
        light_curve, _, length = windows
        config = encoder.config
        pooled = np.empty((len(length), config.num_hidden_layers + 1, 2 * config.hidden_size), dtype=np.float32)
        observations = None
        if with_observations:
            observations = np.zeros((len(length), length.max(), config.hidden_size), dtype=np.float16)
        for batch, outputs in runner.iter_outputs(curves, windows, output_hidden_states=True):
            pooled[batch] = pool_states(outputs.hidden_states, length[batch], "mean_std")
            if observations is not None:
                last = outputs.last_hidden_state
                observations[batch, : last.shape[1]] = last.half().cpu().numpy()
        runner.check_finite(pooled[:, -1], light_curve, "embedding")
        if not isinstance(chosen, MultibandLightCurves):
            return cls(pooled, observations, objects[light_curve], length)
        if chosen.combination.kind == "mean":
            owners = objects[chosen.object_index[light_curve]]
            return cls(pooled, observations, owners, length, chosen.window_weights(light_curve, length))
        joined, known = chosen.concatenate_states(pooled, light_curve, length)
        return cls(joined, None, objects[known], np.ones(len(known)))

    @classmethod
    def compute_thinned(
        cls,
        encoder: AstromerModel,
        labelled: LabelledCurves,
        objects: np.ndarray,
        *,
        copies: int,
        seed: int,
        batch_size: int | None = None,
    ) -> "FrozenStates":
        """Of so many copies, at least one, of the light curves of these numbers, see `thin_light_curves`.

        A copy depends on `seed`, its number and its light curve's, and not on which others are asked for.
        """
        parts = []
        for copy in range(copies):
            thinned = replace(labelled, curves=thin_light_curves(labelled.curves, np.random.default_rng([seed, copy])))
            parts.append(cls.compute(encoder, thinned, objects, batch_size=batch_size))
        return cls.concatenate(parts)

    @classmethod
    def concatenate(cls, parts: Sequence["FrozenStates"]) -> "FrozenStates":
        """All rows of `parts`, one after the other, without the states of observations."""
        return cls(
            np.concatenate([part.pooled for part in parts]),
            None,
            np.concatenate([part.object_index for part in parts]),
            np.concatenate([part.length for part in parts]),
            np.concatenate([part.length if part.weight is None else part.weight for part in parts]),
        )

    def windows_of(self, objects: np.ndarray) -> np.ndarray:
        """The rows of these light curves."""
        return np.flatnonzero(np.isin(self.object_index, objects))

    def mean_over_windows(self, values: np.ndarray, windows: np.ndarray) -> np.ndarray:
        """Mean of `values`, a row for each of `windows`, over every object that they are of, in the order of their numbers."""
        present, position = np.unique(self.object_index[windows], return_inverse=True)
        weight = self.length if self.weight is None else self.weight
        return mean_over_windows(values, position, weight[windows], len(present))

    def object_embeddings(self, objects: np.ndarray) -> np.ndarray:
        """Embeddings of light curves, `(N, D)`, as `embed_light_curves` gives them; `objects` rise."""
        windows = self.windows_of(objects)
        return self.mean_over_windows(self.pooled[windows, -1, : self.pooled.shape[2] // 2], windows)


class StatesOfWindows(Dataset[Any]):
    """Rows of `FrozenStates` with their labels, as batches for the `HeadOnStates` of a classifier's configuration."""

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
        """`labels` (B,) and `pooled` (B, S, P); for a head that reads observations `observations` (B, L, D) and `observed`."""
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
    """The head of a classifier without its encoder, whose states come as input."""

    def __init__(self, model: AstromerForSequenceClassification):
        super().__init__()
        self.classifier = model.classifier

    def forward(
        self,
        labels: torch.Tensor | None = None,  # kept back by Trainer where it has a `compute_loss_func`
        pooled: torch.Tensor | None = None,
        observations: torch.Tensor | None = None,
        observed: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Logits for a batch of `StatesOfWindows`, and their loss where there are labels."""
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
    """Train the head of `model`, in place, on the states that its frozen encoder gave.

    It learns from those of `thinned` copies of the light curves that teach as well, where there are any; what stops the
    training and what tests are whole light curves.
    """
    head = HeadOnStates(model)

    def windows_of(states: FrozenStates, objects: np.ndarray) -> StatesOfWindows:
        return StatesOfWindows(states, states.windows_of(objects), labels, model.config)

    taught = states if thinned is None else FrozenStates.concatenate((states, thinned))
    train, validation = windows_of(taught, draw.train), windows_of(states, draw.validation)
    history = fit(head, train, validation, _as_it_is, recipe, seed, class_weights)
    return Outcome(classify_states(model, states, labels, draw.test)(1.0), history)


@torch.inference_mode()
def classify_states(
    model: AstromerForSequenceClassification, states: FrozenStates, labels: np.ndarray, objects: np.ndarray
) -> Callable[[float], np.ndarray]:
    """From a temperature to the probabilities (N, C) that the head of `model` gives objects, whose numbers rise."""
    head = HeadOnStates(model)
    device = next(head.parameters()).device  # where Trainer left the head
    model.to(device).eval()  # type: ignore[arg-type]
    asked = StatesOfWindows(states, states.windows_of(objects), labels, model.config)
    loader = DataLoader(asked, 256, collate_fn=_as_it_is)
    batches = ({name: tensor.to(device) for name, tensor in batch.items()} for batch in loader)
    logits = torch.cat([head(**batch)["logits"].float().cpu() for batch in batches])
    return lambda temperature: states.mean_over_windows((logits / temperature).softmax(-1).numpy(), asked.windows)


def _as_it_is(batch: Any) -> Any:
    return batch


def probe_linearly(features: np.ndarray, labels: np.ndarray, draw: Draw, seed: int) -> Outcome:
    """Logistic regression on standardised `features` (N, F) of objects; its penalty is chosen on the validation set."""
    return _choose_and_refit(
        [
            make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000, random_state=seed))
            for strength in (0.001, 0.01, 0.1, 1.0)
        ],
        features,
        labels,
        draw,
    )


def ask_neighbors(features: np.ndarray, labels: np.ndarray, draw: Draw, seed: int) -> Outcome:
    """The vote of the nearest objects; how many, of as many as teach at most, is chosen on the validation set."""
    counts = (min(count, len(draw.train)) for count in (3, 5, 10, 20))
    return _choose_and_refit(
        [make_pipeline(StandardScaler(), KNeighborsClassifier(count, weights="distance")) for count in counts],
        features,
        labels,
        draw,
    )


def _choose_and_refit(candidates: Sequence[Any], features: np.ndarray, labels: np.ndarray, draw: Draw) -> Outcome:
    """The candidate of the best validation accuracy, fitted on all labelled samples."""

    def accuracy(candidate: Any) -> float:
        candidate.fit(features[draw.train], labels[draw.train])
        return float(candidate.score(features[draw.validation], labels[draw.validation]))

    best = max(candidates, key=accuracy)
    return fit_and_predict(best, features, labels, draw)


def fit_and_predict(estimator: Any, features: np.ndarray, labels: np.ndarray, draw: Draw) -> Outcome:
    """A scikit-learn classifier, which needs no validation set, on all labelled samples."""
    estimator.fit(features[draw.labelled], labels[draw.labelled])
    return Outcome(estimator.predict_proba(features[draw.test]))


# --- Methods on the windows themselves ---


def train_on_windows(
    model: Any,
    labelled: LabelledCurves,
    draw: Draw,
    recipe: Recipe,
    seed: int,
    class_weights: Sequence[float] | None = None,
) -> Outcome:
    """Train a whole classifier, in place: a random window of every light curve an epoch, all windows to stop and to test."""
    extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    train = InMemoryLightCurves(labelled.curves.select(draw.train), labelled.labels[draw.train])
    cut, owner = cut_sequentially(labelled.curves.select(draw.validation), extractor.window_size)
    validation = InMemoryLightCurves(cut, labelled.labels[draw.validation][owner])
    collator = DataCollatorForLightCurveClassification(extractor, seed=seed)
    history = fit(model, train, validation, collator, recipe, seed, class_weights)
    classifier = LightCurveClassifier(model, extractor, batch_size=recipe.batch_size)
    return Outcome(classifier.predict(labelled.curves.select(draw.test)).values, history)


def adapt_encoder(model: Any, curves: RaggedLightCurves, validation: RaggedLightCurves, recipe: Recipe, seed: int) -> None:
    """Go on with the pre-training of an `AstromerForMaskedReconstruction`, in place, on light curves of a survey."""
    extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    collator = DataCollatorForMaskedLightCurves(extractor, seed=seed)
    cut, _ = cut_sequentially(validation, extractor.window_size)
    fit(model, InMemoryLightCurves(curves), InMemoryLightCurves(cut), collator, recipe, seed)


def build_classifier(
    config: AstromerConfig, classes: Sequence[str], seed: int, **head: Any
) -> AstromerForSequenceClassification:
    """A classifier of `classes` with a new head, and a new encoder that waits for weights."""
    set_seed(seed)
    names = dict(enumerate(classes))
    fields = {
        **config.to_dict(),
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
        "problem_type": "single_label_classification",
        # The new head's own, whatever head the encoder came with:
        "classifier_temperature": 1.0,
        "classifier_initializer_range": None,
        "use_weighted_layer_sum": False,
        "concatenate_layers": False,
        "band_combination": None,
        **head,
    }
    return AstromerForSequenceClassification(AstromerConfig.from_dict(fields))
