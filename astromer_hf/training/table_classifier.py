# Copyright 2026 The astromer_hf developers. MIT licence.
"""A labelled table of light curves to a classifier of one's own, in minutes: a head on the embeddings of a frozen encoder.

Before it stand `light_curves/labelled.py`, which splits the table by star, and `few_shot.py`, which trains the head; after it
`astromer-hf classify`, or transformers' `AutoModelForSequenceClassification`. To train the encoder along, see
`scripts/run_classification.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..evaluation.classification_metrics import expected_calibration_error, score_classes
from ..evaluation.uncertainty import fit_temperature
from ..inference.embedding import choose_bands_to_embed
from ..light_curves.bands import CombinationKind
from ..light_curves.labelled import load_labelled
from ..model.feature_extraction_astromer import AstromerFeatureExtractor
from ..model.modeling_astromer import AstromerForSequenceClassification, AstromerModel
from .few_shot import Draw, FrozenStates, LabelledCurves, Outcome, Recipe, build_classifier, classify_states, train_head
from .trainer import balanced_class_weights, take_per_class

# The head that did best on frozen embeddings of few light curves: few weights, which start small, much dropout, standardised
# features of all blocks.
SMALL_MLP: dict[str, Any] = {
    "classifier_head": "mlp",
    "classifier_hidden_sizes": [256],
    "classifier_pooling": "mean_std",
    "classifier_batch_norm": True,
    "classifier_dropout": 0.5,
    "classifier_initializer_range": 0.02,
    "concatenate_layers": True,
}
THINNED_COPIES = 4  # of every training light curve, which the head learns from as well


def default_recipe(combine_bands: CombinationKind | None = None, max_epochs: int = 100) -> Recipe:
    """A training for `SMALL_MLP`; in smaller batches where a row is an object in all of its bands, of which there are fewer."""
    return Recipe(learning_rate=3e-4, batch_size=16 if combine_bands == "concat" else 64, max_epochs=max_epochs)


@dataclass(frozen=True)
class TaughtClassifier:
    """A classifier and how it does on light curves of stars that it never saw.

    Args:
        model ([`AstromerForSequenceClassification`]): the given encoder with a trained head, in evaluation mode.
            Its probabilities are calibrated, see `uncertainty.fit_temperature`.
        counts (`pd.DataFrame`): light curves of each class (rows) that taught, stopped the training and tested (columns).
        left_out (`Counter[str]`): reason -> how many light curves of the table were not used.
        scores (`dict[str, float]`): `macro_f1`, `accuracy` and `calibration_error` on the test split.
        true, predicted (`list[str]`): classes of the T light curves of the test split.
        outcome ([`Outcome`]): probabilities of the test split and the losses of every epoch.
        uncalibrated (`np.ndarray` of shape `(T, C)`): probabilities of the test split before they were calibrated.
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
        """Ids of the classes of the test split, `(T,)`."""
        return np.searchsorted(sorted(self.counts.index), self.true)

    def save(self, folder: str | Path) -> None:
        """Write a model folder that `astromer-hf classify` and every Auto class read."""
        self.model.save_pretrained(folder)
        AstromerFeatureExtractor(window_size=self.model.config.window_size).save_pretrained(folder)


def teach_classifier(
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
) -> TaughtClassifier:
    """Train a head on the labelled light curves of a table, calibrate it, and score it on a fifth of their stars.

    The head learns from the light curves and from thinned copies of them. A fifth of the stars stops the training and
    calibrates the probabilities. With `combine_bands` it classifies objects in several bands: the counts, and the scores,
    are of objects.

    Args:
        table: labelled parquet or CSV table, see `iter_light_curves`, or a prepared dataset with its own splits.
        encoder: pre-trained; it stays as it is.
        columns: names of the table's columns where guessing is not enough.
        min_points: light curves with fewer observations are left out.
        min_per_class: training light curves that a class needs.
        max_per_class: training light curves of a class at the most, chosen at random.
        drop_rare_classes: leave rare classes out instead of refusing them.
        balance_classes: let every class count the same in the loss.
        head: fields of `AstromerConfig` that choose the head; `SMALL_MLP` by default.
        recipe: of the training; `default_recipe` by default.
        batch_size: windows a forward pass of the encoder.
        seed: of the splits, the sample and the training.
        combine_bands: `"mean"`: the head learns from the windows of all bands, and an object has the mean of its bands'
            probabilities; `"concat"`: the head learns from the pooled embeddings of all bands together. The classifier
            keeps it.
        bands: to combine, in this order; as for `embed_table`.
        augment: copies of every training light curve to learn from beside itself, in which observations are left out at
            random, see `thin_light_curves`; 4 when absent, and none for an LSTM, whose inputs would fill memory.

    Raises:
        FileNotFoundError, TableError: no labelled light curves can be read, or a class is too rare.
        ValueError: an LSTM is to read concatenated bands or copies.
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
    states = FrozenStates.compute(encoder, curves, needed, with_observations=is_lstm, batch_size=batch_size)
    thinned = None
    if augment:
        thinned = FrozenStates.compute_thinned(encoder, curves, draw.train, copies=augment, seed=seed, batch_size=batch_size)
    counts = labelled.count_classes()
    counts["train"] = counts["train"].clip(upper=max_per_class)
    weights = balanced_class_weights(ids[draw.train], len(classes)) if balance_classes else None
    outcome = train_head(model, states, ids, draw, recipe or default_recipe(combine_bands), seed, weights, thinned)
    temperature = fit_temperature(classify_states(model, states, ids, draw.validation), ids[draw.validation])
    model.config.classifier_temperature = temperature
    calibrated = classify_states(model, states, ids, draw.test)(temperature)

    true, predicted = ids[draw.test], calibrated.argmax(1)
    return TaughtClassifier(
        model=model.eval(),
        counts=counts,
        left_out=labelled.left_out,
        scores=score_classes(true, predicted, len(classes))
        | {"calibration_error": expected_calibration_error(true, calibrated)},
        true=[classes[i] for i in true],
        predicted=[classes[i] for i in predicted],
        outcome=replace(outcome, probabilities=calibrated),
        uncalibrated=outcome.probabilities,
    )
