# Copyright 2026 The astromer_hf developers. MIT licence.
"""Few-shot classification (paper, Sects. 6 and 7): few labels a class, several draws, and the methods to compare.

A draw splits labelled light curves into a training, a validation and a test set. A method turns a draw into class probabilities
of its test set. Methods differ in what they are trained on: the states of a frozen encoder, computed once for all draws; the
windows themselves, with or without an encoder that is trained too; or hand-crafted features.
`heads.py` trains heads on frozen states. `scripts/run_few_shot_benchmark.py` makes the table of scores, and
`table_classifier.py` a classifier for `astromer-hf`.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments, set_seed

from ..inference.classification import LightCurveClassifier
from ..inference.runner import WindowRunner, pool_states
from ..light_curves.bands import MultibandLightCurves
from ..light_curves.surveys import FEW_SHOT_TEST_SAMPLES, FEW_SHOT_TRAINING_FRACTION
from ..model.configuration_astromer import DECISIONS, AstromerConfig
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, mean_over_windows
from ..model.modeling_astromer import AstromerForSequenceClassification, AstromerModel
from .data_collator import DataCollatorForLightCurveClassification, DataCollatorForMaskedLightCurves, InMemoryLightCurves
from .trainer import WeightedCrossEntropy, cut_sequentially, load_labelled_split

TRAINING_FRACTION = FEW_SHOT_TRAINING_FRACTION
TEST_PER_CLASS = FEW_SHOT_TEST_SAMPLES
LEAST_KEPT = 0.4  # smallest fraction of observations that a thinned light curve keeps
MIN_THINNED_POINTS = 10


# --- Labelled light curves and draws of them ---


@dataclass(frozen=True)
class LabelledCurves:
    """N labelled light curves of C classes, or N labelled objects in several bands.

    Args:
        curves ([`RaggedLightCurves`] or [`MultibandLightCurves`]): clean, with at least one observation each.
        labels (`np.ndarray` of shape `(N,)`, int64): class ids.
        classes (`tuple[str, ...]`): their names, C of them.
        held_out (`np.ndarray` of shape `(N,)`, bool): True for those that are only used for testing.
    """

    curves: Any
    labels: np.ndarray
    classes: tuple[str, ...]
    held_out: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Draw:
    """Sorted indices of the light curves of the training, validation and test sets."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Light curves whose labels a method may use: the training and the validation set."""
        return np.concatenate((self.train, self.validation))


def load_labelled_survey(
    folder: str | Path, *, min_points: int = 20, min_train: int = 100, test_per_class: int = TEST_PER_CLASS
) -> LabelledCurves:
    """The labelled light curves of a prepared dataset, of the classes that are large enough.

    Light curves of the training split are used for training. Those of the validation and test splits are used for testing,
    since no pre-training on the training split has seen them.

    Args:
        folder: written by `scripts/prepare_dataset.py`.
        min_points: light curves with fewer observations are left out.
        min_train, test_per_class: classes with fewer light curves to train on or to test on are left out.

    Raises:
        FileNotFoundError: there is no such dataset.
        ValueError: fewer than two classes are large enough.
    """
    training, names = load_labelled_split(folder, "train", min_points=min_points)
    parts = [load_labelled_split(folder, split, min_points=min_points) for split in ("validation", "test")]
    tested = np.concatenate([labels for _, labels in parts])
    counts = {name: (int(np.sum(names == name)), int(np.sum(tested == name))) for name in np.unique(names).tolist()}
    classes = tuple(name for name, (train, test) in counts.items() if train >= min_train and test >= test_per_class)
    if len(classes) < 2:
        raise ValueError(
            f"At least two classes of {min_train} light curves to train on and {test_per_class} to test on are needed; "
            f"{folder} has {counts}: lower these numbers."
        )
    curves = RaggedLightCurves.concatenate([training, *(part for part, _ in parts)])
    names = np.concatenate((names, tested))
    chosen = np.flatnonzero(np.isin(names, classes))
    return LabelledCurves(curves.select(chosen), np.searchsorted(classes, names[chosen]), classes, chosen >= len(training))


def draw_few_shot(
    labelled: LabelledCurves, samples_per_class: int, fold: int, *, test_per_class: int = TEST_PER_CLASS, seed: int = 0
) -> Draw:
    """Draw `samples_per_class` light curves of each class, 80 % for training and 20 % for validation, and the test set.

    A class with fewer light curves gives all it has. The test set depends only on `seed`, so it is the same in every fold and
    for every number of samples. The smaller draws of a fold are subsets of its larger ones.

    Raises:
        ValueError: fewer than two samples of a class; training and validation need one each.
    """
    if samples_per_class < 2:
        raise ValueError(
            f"At least 2 samples a class are needed, one for training and one for validation, got {samples_per_class}."
        )
    train, validation, test = [], [], []
    for label in range(len(labelled.classes)):
        of_class = labelled.labels == label
        training, testing = (np.flatnonzero(of_class & (labelled.held_out == kind)) for kind in (False, True))
        test.append(np.random.default_rng([seed, label]).permutation(testing)[:test_per_class])
        drawn = np.random.default_rng([seed, label, 1 + fold]).permutation(training)[:samples_per_class]
        if len(drawn) < 2 or not len(test[-1]):
            raise ValueError(
                f"Class {labelled.classes[label]!r} has {len(training)} light curves to train on and {len(testing)} to test "
                "on; at least 2 and 1 are needed. Leave it out, or merge it with another class."
            )
        cut = min(round(TRAINING_FRACTION * len(drawn)), len(drawn) - 1)
        train.append(drawn[:cut])
        validation.append(drawn[cut:])
    return Draw(*(np.sort(np.concatenate(part)) for part in (train, validation, test)))


def thin_light_curves(curves: Any, rng: np.random.Generator) -> Any:
    """Copies of light curves with observations removed at random, as if they had been observed less often.

    For each light curve a probability between 40 % and 1 is drawn; each observation is kept with this probability. A light
    curve that would keep fewer than 10 observations is not thinned.

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

    A positive `max_steps` replaces `max_epochs`: a network that learns slowly then gets as many steps from few samples as from
    many.
    """

    learning_rate: float = 1e-3
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 10
    max_steps: int = -1
    bf16: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of a method on a draw.

    Args:
        probabilities (`np.ndarray` of shape `(T, C)`): of the test light curves, in the draw's order.
        history (`list[dict]`): `epoch`, `loss` and `eval_loss` of every epoch; empty for methods without iterations.
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
    """Train `model` with transformers' `Trainer`, restore its best weights, and return the losses of every epoch.

    Args:
        model: any module whose outputs have a `loss`; with `class_weights`, `logits` for inputs without labels instead.
        train, validation, collator: as Trainer takes them.
        recipe: see `Recipe`.
        seed: of the order of batches and of dropout.
        class_weights: of the cross-entropy, one per class.
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


# --- States of a frozen encoder ---


@dataclass(frozen=True)
class FrozenStates:
    """The outputs of a frozen encoder for some light curves, one row per window, on which heads are trained.

    For objects in several bands a row is a window in one band, or, where bands are concatenated, the whole object.

    Args:
        pooled (`np.ndarray` of shape `(W, S, 2D)`, float32): means and standard deviations over observations of the input
            embedding and every block's output, S = `num_hidden_layers` + 1; `(W, S, K, 2D)` for K concatenated bands.
        observations (`np.ndarray` of shape `(W, L, D)`, float16, *optional*): the last block's output at every observation.
        object_index (`np.ndarray` of shape `(W,)`): the light curve of each window.
        length (`np.ndarray` of shape `(W,)`): its number of observations.
        weight (`np.ndarray` of shape `(W,)`, *optional*): of each window in the mean over an object; `length` when absent.
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
        on_progress: Callable[[float], None] | None = None,
    ) -> "FrozenStates":
        """Run the encoder over all windows of the light curves with these indices, which keep their numbers."""
        runner = WindowRunner(encoder, batch_size=batch_size, on_progress=on_progress)
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
        on_progress: Callable[[float], None] | None = None,
    ) -> "FrozenStates":
        """States of `copies` (at least one) thinned copies of the light curves with these indices, see `thin_light_curves`.

        A copy depends only on `seed`, its own number and that of its light curve.
        """
        parts: list[FrozenStates] = []

        def add(done: float) -> None:
            if on_progress is not None:
                on_progress((len(parts) + done) / copies)

        for copy in range(copies):
            thinned = replace(labelled, curves=thin_light_curves(labelled.curves, np.random.default_rng([seed, copy])))
            parts.append(cls.compute(encoder, thinned, objects, batch_size=batch_size, on_progress=add))
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
        """Mean of `values`, one row for each of `windows`, over each object, in the order of the object numbers."""
        present, position = np.unique(self.object_index[windows], return_inverse=True)
        weight = self.length if self.weight is None else self.weight
        return mean_over_windows(values, position, weight[windows], len(present))

    def object_embeddings(self, objects: np.ndarray) -> np.ndarray:
        """Embeddings of light curves, `(N, D)`, as `embed_light_curves` gives them; `objects` are sorted."""
        windows = self.windows_of(objects)
        return self.mean_over_windows(self.pooled[windows, -1, : self.pooled.shape[2] // 2], windows)


# --- Methods on embeddings or features of objects ---


def fit_linear_probe(features: np.ndarray, labels: np.ndarray, draw: Draw, seed: int) -> Outcome:
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


def linear_discriminant(priors: np.ndarray | None = None) -> Any:
    """Linear discriminant analysis of standardised features, whose covariance within a class is shrunk (Ledoit & Wolf 2004)."""
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
    return make_pipeline(StandardScaler(), analysis)


def fit_linear_discriminant(features: np.ndarray, labels: np.ndarray, draw: Draw, seed: int) -> Outcome:
    """Linear discriminant analysis of `features` (N, F) of objects. There is nothing to choose."""
    return fit_and_predict(linear_discriminant(), features, labels, draw)


def fit_nearest_neighbors(features: np.ndarray, labels: np.ndarray, draw: Draw, seed: int) -> Outcome:
    """The vote of the training objects of the smallest angles; their number is chosen on the validation set."""
    counts = (min(count, len(draw.train)) for count in (3, 5, 10, 20))
    return _choose_and_refit(
        [make_pipeline(StandardScaler(), KNeighborsClassifier(count, weights="distance", metric="cosine")) for count in counts],
        features,
        labels,
        draw,
    )


def _choose_and_refit(candidates: Sequence[Any], features: np.ndarray, labels: np.ndarray, draw: Draw) -> Outcome:
    """The candidate with the best validation accuracy, fitted on all labelled samples."""

    def accuracy(candidate: Any) -> float:
        candidate.fit(features[draw.train], labels[draw.train])
        return float(candidate.score(features[draw.validation], labels[draw.validation]))

    best = max(candidates, key=accuracy)
    return fit_and_predict(best, features, labels, draw)


def fit_and_predict(estimator: Any, features: np.ndarray, labels: np.ndarray, draw: Draw) -> Outcome:
    """Fit a scikit-learn classifier, which needs no validation set, on all labelled samples."""
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
    """Train a whole classifier, in place.

    An epoch has one random window of every training light curve. Validation and test use all windows.
    """
    extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    train = InMemoryLightCurves(labelled.curves.select(draw.train), labelled.labels[draw.train])
    cut, owner = cut_sequentially(labelled.curves.select(draw.validation), extractor.window_size)
    validation = InMemoryLightCurves(cut, labelled.labels[draw.validation][owner])
    collator = DataCollatorForLightCurveClassification(extractor, seed=seed)
    history = fit(model, train, validation, collator, recipe, seed, class_weights)
    classifier = LightCurveClassifier(model, extractor, batch_size=recipe.batch_size)
    return Outcome(classifier.predict(labelled.curves.select(draw.test)).values, history)


def adapt_encoder(model: Any, curves: RaggedLightCurves, validation: RaggedLightCurves, recipe: Recipe, seed: int) -> None:
    """Continue the pre-training of an `AstromerForMaskedReconstruction`, in place, on light curves of a survey."""
    extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    collator = DataCollatorForMaskedLightCurves(extractor, seed=seed)
    cut, _ = cut_sequentially(validation, extractor.window_size)
    fit(model, InMemoryLightCurves(curves), InMemoryLightCurves(cut), collator, recipe, seed)


def build_classifier(
    config: AstromerConfig, classes: Sequence[str], seed: int, **head: Any
) -> AstromerForSequenceClassification:
    """A classifier of `classes` with a new head, and an untrained encoder whose weights are loaded afterwards."""
    set_seed(seed)
    names = dict(enumerate(classes))
    fields = {
        **config.to_dict(),
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
        "problem_type": "single_label_classification",
        # Defaults of the new head, whatever head the encoder came with:
        "classifier_shortcut": False,
        "classifier_initializer_range": None,
        "use_weighted_layer_sum": False,
        "concatenate_layers": False,
        "band_combination": None,
        **DECISIONS,
        **head,
    }
    return AstromerForSequenceClassification(AstromerConfig.from_dict(fields))
