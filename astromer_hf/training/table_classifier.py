# Copyright 2026 The astromer_hf developers. MIT licence.
"""Train a classifier on a labelled table of light curves in minutes: a head on the embeddings of a frozen encoder.

`light_curves/labelled.py` splits the table by star and `heads.py` trains the head. `astromer-hf classify` and transformers'
`AutoModelForSequenceClassification` load the result. To train the encoder too, see `scripts/run_classification.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..evaluation.classification_metrics import expected_calibration_error, score_classes
from ..inference.embedding import choose_bands_to_embed
from ..light_curves.bands import CombinationKind
from ..light_curves.labelled import load_labelled
from ..model.feature_extraction_astromer import AstromerFeatureExtractor
from ..model.modeling_astromer import AstromerForSequenceClassification, AstromerModel
from .few_shot import Draw, FrozenStates, LabelledCurves, Outcome, Recipe, build_classifier
from .heads import classify_states, train_head
from .trainer import balanced_class_weights, take_per_class

# The best head on frozen embeddings of few light curves: few weights with small initial values, much dropout, and standardised
# features of all blocks; beside it a linear discriminant on the embedding itself.
SMALL_MLP: dict[str, Any] = {
    "classifier_head": "mlp",
    "classifier_hidden_sizes": [256],
    "classifier_pooling": "mean_std",
    "classifier_batch_norm": True,
    "classifier_dropout": 0.5,
    "classifier_initializer_range": 0.02,
    "concatenate_layers": True,
    "classifier_shortcut": True,
}
THINNED_COPIES = 4  # of every training light curve, added to the training set


def default_recipe(combine_bands: CombinationKind | None = None, max_epochs: int = 100) -> Recipe:
    """The training of `SMALL_MLP`. Batches are smaller where a row is an object in all of its bands: there are fewer rows."""
    return Recipe(learning_rate=3e-4, batch_size=16 if combine_bands == "concat" else 64, max_epochs=max_epochs)


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier and its scores on light curves of held-out stars.

    Args:
        model ([`AstromerForSequenceClassification`]): the given encoder with a trained head, in evaluation mode. Its
            probabilities are calibrated, see `uncertainty.fit_temperature`.
        counts (`pd.DataFrame`): light curves of each class (rows) in the training, validation and test split (columns).
        left_out (`Counter[str]`): reason -> number of light curves of the table that were not used.
        scores (`dict[str, float]`): `macro_f1`, `accuracy` and `calibration_error` on the test split.
        true, predicted (`list[str]`): classes of the T light curves of the test split.
        outcome ([`Outcome`]): probabilities of the test split and the losses of every epoch.
        uncalibrated (`np.ndarray` of shape `(T, C)`): probabilities of the test split before calibration.
    """

    model: AstromerForSequenceClassification
    counts: pd.DataFrame
    left_out: Counter[str]
    scores: dict[str, float]
    true: list[str]
    predicted: list[str]
    outcome: Outcome
    uncalibrated: np.ndarray

    @property
    def true_ids(self) -> np.ndarray:
        """Ids of the true classes of the test split, `(T,)`."""
        return np.searchsorted(sorted(self.counts.index), self.true)

    def save(self, folder: str | Path) -> None:
        """Write a model folder that `astromer-hf classify` and every Auto class can load."""
        self.model.save_pretrained(folder)
        AstromerFeatureExtractor(window_size=self.model.config.window_size).save_pretrained(folder)


def train_table_classifier(
    table: str | Path,
    encoder: AstromerModel,
    *,
    columns: Mapping[str, str | None] | None = None,
    min_points: int = 20,
    min_per_class: int = 10,
    max_per_class: int | None = None,
    drop_rare_classes: bool = False,
    balance_classes: bool = False,
    head: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    combine_bands: CombinationKind | None = None,
    bands: Sequence[str] | None = None,
    augment: int | None = None,
    show_progress: bool = True,
) -> TrainedClassifier:
    """Train a head on the labelled light curves of a table, calibrate it, and score it on a fifth of the stars.

    The head is trained on the light curves and on thinned copies of them. Another fifth of the stars is the validation set: it
    stops the training and calibrates the probabilities. With `combine_bands` the head classifies objects in several bands;
    counts and scores are then those of objects.

    Args:
        table: labelled parquet or CSV table, see `iter_light_curves`, or a prepared dataset with its own splits.
        encoder: pre-trained; it is not changed.
        columns: names of the table's columns that cannot be guessed.
        min_points: light curves with fewer observations are left out.
        min_per_class: training light curves that a class needs.
        max_per_class: largest number of training light curves of a class, chosen at random.
        drop_rare_classes: leave out classes with too few light curves instead of raising an error.
        balance_classes: give every class the same weight in the loss.
        head: fields of `AstromerConfig` that define the head; `SMALL_MLP` by default.
        recipe: of the training; `default_recipe` by default.
        batch_size: windows in a forward pass of the encoder.
        seed: of the splits, the sample and the training.
        combine_bands: `"mean"`: the head is trained on the windows of all bands, and an object gets the mean probability of
            its bands; `"concat"`: the head is trained on the pooled embeddings of all bands together. The setting is saved
            with the classifier.
        bands: to combine, in this order; as for `embed_table`.
        augment: number of copies of every training light curve with observations removed at random, see `thin_light_curves`.
            The default is 4, and 0 for an LSTM, whose inputs would fill the memory.
        show_progress: draw a progress bar.

    Raises:
        FileNotFoundError, TableError: no labelled light curves can be read, or a class has too few.
        ValueError: an LSTM with concatenated bands or with copies.
    """
    head = SMALL_MLP if head is None else head
    is_lstm = head.get("classifier_head", encoder.config.classifier_head) == "lstm"
    if augment is None:
        augment = 0 if is_lstm else THINNED_COPIES
    if augment < 0 or (augment and is_lstm):
        raise ValueError(f"`augment` must be {'0 for an LSTM' if is_lstm else 'at least 0'}, got {augment}.")
    combination = choose_bands_to_embed(table, encoder, combine_bands, bands, columns=columns)
    if combination is not None:
        keeps_bands = combine_bands == "concat" or bands is not None
        head = {**head, "band_combination": combine_bands, "bands": list(combination.bands) if keeps_bands else None}
        if combine_bands == "concat" and is_lstm:
            raise ValueError(
                "An LSTM reads the observations of one light curve, and bands are concatenated after pooling: choose the head "
                "mlp or linear, or combine bands by the mean."
            )
    labelled = load_labelled(table, columns=columns, min_points=min_points, seed=seed, combination=combination)
    labelled = labelled.keep_classes(min_per_class, drop_rare_classes)
    classes = tuple(sorted(set(labelled.labels.tolist())))
    ids = np.searchsorted(classes, labelled.labels)
    train = labelled.members("train")
    train = train[take_per_class(labelled.labels[train], classes, max_per_class, seed)]
    draw = Draw(train, labelled.members("validation"), labelled.members("test"))

    curves = LabelledCurves(labelled.curves, ids, classes, np.isin(np.arange(len(labelled)), draw.test))
    model = build_classifier(encoder.config, classes, seed, **head)
    model.model.load_state_dict(encoder.state_dict())
    needed = np.concatenate((draw.labelled, draw.test))
    num_copies = augment * len(draw.train)
    thinned = None
    bar: dict[str, Any] = {"bar_format": "{l_bar}{bar}| {elapsed}<{remaining}", "disable": None if show_progress else True}
    with tqdm(total=len(needed) + num_copies, desc="embedding", **bar) as progress:

        def reach(count: float) -> None:
            progress.update(count - progress.n)

        states = FrozenStates.compute(
            encoder,
            curves,
            needed,
            with_observations=is_lstm,
            batch_size=batch_size,
            on_progress=lambda done: reach(done * len(needed)),
        )
        if augment:
            thinned = FrozenStates.compute_thinned(
                encoder,
                curves,
                draw.train,
                copies=augment,
                seed=seed,
                batch_size=batch_size,
                on_progress=lambda done: reach(len(needed) + done * num_copies),
            )
    counts = labelled.count_classes()
    counts["train"] = counts["train"].clip(upper=max_per_class)
    weights = balanced_class_weights(ids[draw.train], len(classes)) if balance_classes else None
    outcome = train_head(model, states, ids, draw, recipe or default_recipe(combine_bands), seed, weights, thinned)

    true, predicted = ids[draw.test], outcome.probabilities.argmax(1)
    return TrainedClassifier(
        model=model.eval(),
        counts=counts,
        left_out=labelled.left_out,
        scores=score_classes(true, predicted, len(classes))
        | {"calibration_error": expected_calibration_error(true, outcome.probabilities)},
        true=[classes[i] for i in true],
        predicted=[classes[i] for i in predicted],
        outcome=outcome,
        uncalibrated=classify_states(model, states, ids, draw.test)(1.0),
    )
