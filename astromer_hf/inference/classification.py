# Copyright 2026 The astromer_hf developers. MIT licence.
"""Classify light curves: probabilities of the classes, or predicted numbers, of every object.

An object's probabilities are the mean over its windows, weighted by their numbers of observations. An object in several bands
gets the mean over its bands, or the result of one classification of the embeddings of all bands, see `light_curves/bands.py`.
`runner.py` runs the model, a fine-tuned `AstromerForSequenceClassification`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..evaluation.uncertainty import fit_temperature, sample_with_dropout
from ..light_curves.bands import (
    BandCombination,
    CombinationKind,
    MultibandLightCurves,
    choose_bands,
    list_bands,
    names_of_bands,
)
from ..light_curves.numbers import name_of
from ..light_curves.source import LightCurveSource
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, mean_over_windows
from ..model.heads_astromer import activate, problem_type_of
from ..model.inference_astromer import in_evaluation_mode, unwrap
from .decisions import decide, find_remarks, likely_set_threshold, remarks_of_objects, usable_bands
from .period_tables import period_columns
from .runner import TableReport, WindowRunner, map_table, pool_states


@dataclass(frozen=True)
class LightCurvePredictions:
    """Predictions for N light curves in input order, or for N objects in several bands.

    Args:
        values (`np.ndarray` of shape `(N, C)`, float32): probabilities of the classes, or the numbers that a regression
            predicts; NaN for light curves without a usable observation.
        num_points, num_windows, dropped_points (`np.ndarray` of shape `(N,)`), bands, has_band, object_ids: as in
            `LightCurveEmbeddings`.
        remarks (`np.ndarray` of shape `(N,)`, *optional*): why an object gets no class, or None, see `find_remarks`.
        novelty (`np.ndarray` of shape `(N,)`, float32, *optional*): how unlike the training set, see `AstromerNovelty`, as a
            mean over windows and bands; NaN where `values` are. None for a classifier without references.
    """

    values: np.ndarray
    num_points: np.ndarray
    num_windows: np.ndarray
    dropped_points: np.ndarray
    bands: tuple[str, ...] | None = None
    has_band: np.ndarray | None = None
    object_ids: list[str] | None = None
    remarks: np.ndarray | None = None
    novelty: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)


class LightCurveClassifier:
    """A classifier prepared for prediction.

    Args:
        model ([`AstromerForSequenceClassification`]): it runs in evaluation mode, and is left as it is.
        feature_extractor, batch_size: see `WindowRunner`.
    """

    def __init__(self, model: Any, feature_extractor: AstromerFeatureExtractor | None = None, batch_size: int | None = None):
        self.runner = WindowRunner(model, feature_extractor, batch_size)

    def predict(self, curves: RaggedLightCurves) -> LightCurvePredictions:
        """Classify light curves: clean, cut, batch by length, and return results in input order.

        Raises:
            ValueError: the model's classifier concatenates bands.
        """
        if self.runner.model.config.band_combination == "concat":
            raise ValueError(
                f"This classifier needs the light curves of an object in {', '.join(self.runner.model.config.bands)} together: "
                "use `classify_multiband_light_curves`, or a table with a column of bands."
            )
        curves, dropped = curves.clean()
        logits, distances, object_index, length = self._run(curves)
        values = activate(logits, self.runner.model.config).numpy()
        return LightCurvePredictions(
            values=mean_over_windows(values, object_index, length, len(curves)),
            novelty=None if distances is None else mean_over_windows(distances, object_index, length, len(curves))[:, 0],
            num_points=curves.lengths,
            num_windows=np.bincount(object_index, minlength=len(curves)),
            dropped_points=dropped,
            remarks=find_remarks(curves, self.runner.model.config),
        )

    def predict_objects(self, curves: MultibandLightCurves) -> LightCurvePredictions:
        """Classify objects by their light curves in several bands.

        Raises:
            ValueError: the bands are not combined as the classifier needs them.
        """
        config, combination = self.runner.model.config, curves.combination
        resolve_combination(config, combination.kind, combination.bands)
        light_curves, dropped = curves.light_curves.clean()
        remarks = find_remarks(light_curves, config)
        novelty = None
        if combination.kind == "mean":
            logits, distances, light_curve, length = self._run(light_curves)
            counts = usable_bands(remarks, curves.object_index, len(light_curves))[light_curve]  # in the mean over bands
            values = curves.combine(activate(logits, config).numpy()[counts], light_curve[counts], length[counts])
            if distances is not None:
                novelty = curves.combine(distances[counts], light_curve[counts], length[counts])[:, 0]
        else:
            windows = self.runner.cut(light_curves)
            light_curve = windows[0]
            values = self._classify_concatenated(curves, light_curves, windows)
        return LightCurvePredictions(
            values=values,
            num_points=curves.sum_per_object(light_curves.lengths),
            num_windows=curves.sum_per_object(np.bincount(light_curve, minlength=len(light_curves))),
            dropped_points=curves.sum_per_object(dropped),
            bands=combination.bands,
            has_band=curves.has_band(light_curves.lengths),
            remarks=None if remarks is None else remarks_of_objects(remarks, curves.object_index, len(curves)),
            novelty=novelty,
        )

    def _classify_concatenated(
        self, curves: MultibandLightCurves, light_curves: RaggedLightCurves, windows: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Probabilities (N, C) from the pooled states of clean light curves; NaN for objects without observations."""
        model = in_evaluation_mode(self.runner.model)
        light_curve, _, length = windows
        encoder = replace(self.runner, model=model.base_model)
        num_states = model.config.num_hidden_layers + 1 if model.config.reads_all_layers else 1
        pooled = np.empty((len(length), num_states, model.config.pooled_size // len(curves.combination.bands)), np.float32)
        for batch, outputs in encoder.iter_outputs(light_curves, windows, output_hidden_states=num_states > 1):
            states = outputs.hidden_states if num_states > 1 else (outputs.last_hidden_state,)
            pooled[batch] = pool_states(states, length[batch], model.config.classifier_pooling)
        encoder.check_finite(pooled[:, -1], light_curve, "embedding")
        states, known = curves.concatenate_states(pooled, light_curve, length)
        values = np.full((len(curves), model.config.num_labels), np.nan, np.float32)
        with torch.inference_mode():
            tensors = torch.from_numpy(states).to(model.device, model.dtype)
            logits = model.classifier.classify_pooled(tensors.flatten(2).unbind(1)) / model.config.classifier_temperature
            values[known] = activate(logits, model.config).cpu().numpy()
        return values

    def calibrate(self, curves: RaggedLightCurves, labels: np.ndarray) -> float:
        """Fit the model's `classifier_temperature` to held-out light curves, and set it.

        Args:
            curves: with at least one usable observation each, not used in training.
            labels (`np.ndarray` of shape `(N,)`): their class ids.

        Returns:
            The temperature, see `fit_temperature`.

        Raises:
            ValueError: the model does not predict single classes, or a light curve has no usable observation.
        """
        config = self.runner.model.config
        if (problem := problem_type_of(config)) != "single_label_classification":
            raise ValueError(f"Only the probabilities of single classes can be calibrated; this model's problem is {problem}.")
        curves, _ = curves.clean()
        if not curves.lengths.all():
            raise ValueError(f"Light curve {np.argmin(curves.lengths)} has no usable observation: remove it.")
        config.classifier_temperature = 1.0
        config.uncertain_below = config.likely_set_thresholds = None  # they are of another temperature
        logits, _, object_index, length = self._run(curves)

        def probabilities_at(temperature: float) -> np.ndarray:
            return mean_over_windows((logits / temperature).softmax(-1).numpy(), object_index, length, len(curves))

        config.classifier_temperature = fit_temperature(probabilities_at, labels)
        return config.classifier_temperature

    def _run(self, curves: RaggedLightCurves) -> tuple[torch.Tensor, np.ndarray | None, np.ndarray, np.ndarray]:
        """Logits (W, C) of the windows of clean light curves, float32, their novelty (W, 1) and the object and length of each.

        The novelty is None for a classifier without references.
        """
        windows = self.runner.cut(curves)
        object_index, _, length = windows
        model = self.runner.model
        logits = torch.empty(len(length), model.config.num_labels)
        distances = np.empty((len(length), 1), np.float32) if model.config.novelty_references else None
        options = {} if distances is None else {"output_hidden_states": [model.config.num_hidden_layers]}
        for batch, outputs in self.runner.iter_outputs(curves, windows, **options):
            logits[torch.from_numpy(batch)] = outputs.logits.float().cpu()
            if distances is not None:
                pooled = torch.from_numpy(pool_states(outputs.hidden_states[-1:], length[batch], "mean")[:, 0])
                with torch.inference_mode():
                    distances[batch, 0] = model.novelty(pooled.to(model.device)).cpu().numpy()
        self.runner.check_finite(logits.numpy(), object_index, "prediction")
        return logits, distances, object_index, length


def classify_light_curves(
    model: Any,
    mjd: Any,
    mag: Any,
    magerr: Any = None,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
) -> LightCurvePredictions:
    """Classify one light curve or a list of them; arguments and errors as of `embed_light_curves`."""
    return LightCurveClassifier(model, feature_extractor, batch_size).predict(RaggedLightCurves.from_arrays(mjd, mag, magerr))


def classify_multiband_light_curves(
    model: Any,
    object_id: Sequence[Any],
    band: Sequence[str],
    mjd: Sequence[Any],
    mag: Sequence[Any],
    magerr: Sequence[Any] | None = None,
    *,
    combine_bands: CombinationKind | None = None,
    bands: Sequence[str] | None = None,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
) -> LightCurvePredictions:
    """Classify objects by their light curves in several bands; arguments as of `embed_multiband_light_curves`.

    If the classifier's configuration defines how bands are combined, and in which order, that is the default.

    Returns:
        [`LightCurvePredictions`] of the objects, in the order in which their ids first appear.

    Raises:
        ValueError: as `embed_multiband_light_curves`; or the classifier combines bands in another way, or has no such setting.
    """
    model = unwrap(model)
    kind, bands = resolve_combination(model.config, combine_bands, bands)
    if kind is None:
        raise ValueError('This classifier has no setting for combining bands: pass `combine_bands="mean"`.')
    combination = BandCombination(kind, tuple(names_of_bands(band) if bands is None else bands))
    curves = MultibandLightCurves.from_arrays(object_id, band, mjd, mag, combination, magerr)
    result = LightCurveClassifier(model, feature_extractor, batch_size).predict_objects(curves)
    return replace(result, object_ids=list(dict.fromkeys(map(name_of, object_id))))


def resolve_combination(
    config: Any, kind: CombinationKind | None = None, bands: Sequence[str] | None = None
) -> tuple[CombinationKind | None, Sequence[str] | None]:
    """How a classifier combines bands, and which: the arguments, or else its configuration.

    Raises:
        ValueError: `bands` is given without a way to combine them, or the classifier has no weights for it.
    """
    kind = kind or config.band_combination
    if kind is None:
        if bands is not None:
            raise ValueError("`bands` needs `combine_bands`, which defines how they are combined.")
        return None, None
    bands = config.bands if bands is None else bands
    if config.band_combination == "concat" and (kind != "concat" or list(bands) != config.bands):
        raise ValueError(
            f"This classifier concatenates the bands {', '.join(config.bands)}, in this order: got {kind} of "
            f"{', '.join(bands)}. Omit `combine_bands` and `bands`."
        )
    if kind == "concat" and config.band_combination != "concat":
        raise ValueError(
            "This classifier reads light curves one by one and has no weights for a concatenation: combine by the mean, or "
            "train one with astromer-hf fit --combine-bands concat."
        )
    return kind, bands


def classify_table(
    source: Any,
    output: str | Path,
    model: Any,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
    dropout_passes: int | None = None,
    seed: int = 0,
    combine_bands: CombinationKind | None = None,
    bands: Sequence[str] | None = None,
    split: str | None = None,
    coverage: float | None = None,
    periods: bool = False,
    **options: Any,
) -> TableReport:
    """Classify a table of light curves into a parquet table, in the same order and with bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them), `num_points`, `num_windows` and
    `dropped_points`, then `predicted_label`, `probability` (of that class) and `probability_<class>` for every class of
    `config.id2label`. A multi-label classifier gives only the latter, a regression one column per predicted number. A light
    curve without a usable observation keeps its row, with nulls. A classifier whose configuration has the numbers for them
    adds `parent_label`, `parent_probability`, `is_uncertain`, `is_unlike_training` with the `novelty` that it is judged by, and
    `remark` where an object gets no class, see `decide`.

    If bands are combined, by the classifier's configuration or by `combine_bands`, there is one row per object, and the column
    `bands` lists its bands, see `embed_table`.

    Args:
        source, output, options: as for `map_table`.
        model, feature_extractor, batch_size: as for [`LightCurveClassifier`].
        dropout_passes: add `spread_<class>`, the standard deviation over this number of passes with dropout, see
            `sample_with_dropout`; none by default.
        seed: of these passes.
        combine_bands: `"mean"`: the mean of the probabilities in the bands of an object, each with the same weight; `"concat"`,
            for a classifier that was trained this way. The default is the classifier's own setting.
        bands: to combine by the mean; all by default.
        split: of a dataset that has several.
        coverage: add `likely_labels`, the classes among which the true one is so often, from 0.5 to 0.99.
        periods: add the columns of `period_columns`, the period of every row and its significance.

    Raises:
        FileNotFoundError, TableError, ValueError: as `map_table`; or the model has no dropout, no weights for this
            combination, or no calibration for sets of classes.
    """
    model = unwrap(model)
    if coverage is not None:
        likely_set_threshold(model.config, coverage)
    classifier = LightCurveClassifier(model, feature_extractor, batch_size)
    kind, bands = resolve_combination(model.config, combine_bands, bands)
    if split is not None:
        source = LightCurveSource.open(source, columns=options.get("columns"), split=split)
    combination = None
    if kind is not None:
        combination = choose_bands(source, kind, bands, columns=options.get("columns"))
        options["description"] = {**(options.get("description") or {}), **combination.description}
    predict: Any = classifier.predict if combination is None else classifier.predict_objects

    def process(curves: Any) -> dict[str, pa.Array]:
        columns = _as_columns(predict(curves), model.config, coverage)
        if dropout_passes is not None:
            spread = sample_with_dropout(model, lambda: predict(curves).values, num_passes=dropout_passes, seed=seed).std
            missing = columns["num_points"].to_numpy() == 0
            if "remark" in columns:
                missing = missing | columns["remark"].is_valid().to_numpy(zero_copy_only=False)
            for i in range(model.config.num_labels):
                columns[f"spread_{model.config.id2label[i]}"] = pa.array(spread[:, i].copy(), pa.float32(), mask=missing)
        return columns | (period_columns(curves) if periods else {})

    return map_table(source, output, process, combination=combination, runner=classifier.runner, **options)


def _as_columns(result: LightCurvePredictions, config: Any, coverage: float | None = None) -> dict[str, pa.Array]:
    """Predictions as Arrow columns, one row per object."""
    problem = problem_type_of(config)
    missing = result.num_points == 0
    if result.remarks is not None:
        missing = missing | np.array([remark is not None for remark in result.remarks], dtype=bool)
    names = [config.id2label[i] for i in range(config.num_labels)]
    columns = list_bands(result.bands, result.has_band)
    columns |= {name: pa.array(getattr(result, name), pa.int32()) for name in ("num_points", "num_windows", "dropped_points")}
    if problem == "single_label_classification":
        values = np.where(missing[:, None], 0, result.values)
        columns["predicted_label"] = pa.array(np.array(names, dtype=object)[values.argmax(1)], pa.string(), mask=missing)
        columns["probability"] = pa.array(values.max(1), pa.float32(), mask=missing)
        columns |= decide(values, missing, config, coverage, result.novelty)
    if result.remarks is not None:
        columns["remark"] = pa.array(result.remarks, pa.string())
    prefix = "predicted_" if problem == "regression" else "probability_"
    for name, values in zip(names, result.values.T, strict=True):
        columns[prefix + name] = pa.array(np.ascontiguousarray(values), pa.float32(), mask=missing)
    return columns
