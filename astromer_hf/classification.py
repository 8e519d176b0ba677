# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves + classifier -> probabilities of the classes, or predicted numbers, of every object.

Before it stand `inference.py` and a fine-tuned `AstromerForSequenceClassification`; after it a table for the astronomer. An
object's probabilities are the mean of its windows', weighted by their observations, as its embedding is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from .feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, mean_over_windows
from .inference import DEFAULT_BATCH_SIZE, TableReport, WindowRunner, map_table
from .modeling_astromer import activate, problem_type_of
from .uncertainty import fit_temperature, sample_with_dropout


@dataclass(frozen=True)
class LightCurvePredictions:
    """Predictions for N light curves in input order.

    Args:
        values (`np.ndarray` of shape `(N, C)`, float32): probabilities of the classes, or for a regression the predicted
            numbers; NaN for light curves without a usable observation.
        num_points, num_windows, dropped_points (`np.ndarray` of shape `(N,)`): as in `LightCurveEmbeddings`.
    """

    values: np.ndarray
    num_points: np.ndarray
    num_windows: np.ndarray
    dropped_points: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


class LightCurveClassifier:
    """A classifier ready to predict.

    Args:
        model ([`AstromerForSequenceClassification`]): it is switched to evaluation mode.
        feature_extractor, batch_size: see `WindowRunner`.
    """

    def __init__(
        self, model: Any, feature_extractor: AstromerFeatureExtractor | None = None, batch_size: int = DEFAULT_BATCH_SIZE
    ):
        self.runner = WindowRunner(model, feature_extractor, batch_size)

    def predict(self, curves: RaggedLightCurves) -> LightCurvePredictions:
        """Classify light curves as they come: cleaned, cut, batched by length and put back into their order."""
        curves, dropped = curves.clean()
        logits, object_index, length = self._run(curves)
        values = activate(logits, self.runner.model.config).numpy()
        return LightCurvePredictions(
            values=mean_over_windows(values, object_index, length, len(curves)),
            num_points=curves.lengths,
            num_windows=np.bincount(object_index, minlength=len(curves)),
            dropped_points=dropped,
        )

    def calibrate(self, curves: RaggedLightCurves, labels: np.ndarray) -> float:
        """Fit the model's `classifier_temperature` to light curves that did not train it, and set it.

        Args:
            curves: with at least one usable observation each.
            labels (`np.ndarray` of shape `(N,)`): their class ids.

        Returns:
            The temperature, see `fit_temperature`.

        Raises:
            ValueError: the model is none of single classes, or a light curve has no usable observation.
        """
        config = self.runner.model.config
        if (problem := problem_type_of(config)) != "single_label_classification":
            raise ValueError(f"Probabilities are calibrated of a classifier of single classes, this model's are {problem}.")
        curves, _ = curves.clean()
        if not curves.lengths.all():
            raise ValueError(f"Light curve {np.argmin(curves.lengths)} has no usable observation: leave it out.")
        config.classifier_temperature = 1.0
        logits, object_index, length = self._run(curves)

        def probabilities_at(temperature: float) -> np.ndarray:
            return mean_over_windows((logits / temperature).softmax(-1).numpy(), object_index, length, len(curves))

        config.classifier_temperature = fit_temperature(probabilities_at, labels)
        return config.classifier_temperature

    def _run(self, curves: RaggedLightCurves) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
        """Logits (W, C) of the windows of clean light curves, float32, and the object and the length of each."""
        windows = self.runner.cut(curves)
        object_index, _, length = windows
        logits = torch.empty(len(length), self.runner.model.config.num_labels)
        for batch, outputs in self.runner.iter_outputs(curves, windows):
            logits[torch.from_numpy(batch)] = outputs.logits.float().cpu()
        self.runner.check_finite(logits.numpy(), object_index, "prediction")
        return logits, object_index, length


def classify_light_curves(
    model: Any,
    mjd: Any,
    mag: Any,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> LightCurvePredictions:
    """Classify one light curve or a list of them; arguments and errors as of `embed_light_curves`."""
    return LightCurveClassifier(model, feature_extractor, batch_size).predict(RaggedLightCurves.from_arrays(mjd, mag))


def classify_table(
    source: str | Path,
    output: str | Path,
    model: Any,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    dropout_passes: int | None = None,
    seed: int = 0,
    **options: Any,
) -> TableReport:
    """Classify a table of light curves into a parquet table, in its order and in bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them), `num_points`, `num_windows`,
    `dropped_points`, then `predicted_label` and `probability` (of the likeliest class) and `probability_<class>` for every
    class of `config.id2label`; for several labels at a time the last alone, for a regression one column a predicted number. A
    light curve without a usable observation keeps its row, with nulls.

    Args:
        source, output, options: as for `map_table`.
        model, feature_extractor, batch_size: as for [`LightCurveClassifier`].
        dropout_passes: add `spread_<class>`, the standard deviation over so many passes with dropout, see
            `sample_with_dropout`; none by default.
        seed: of these passes.

    Raises:
        FileNotFoundError, TableError, ValueError: as `map_table` does; or there is no dropout in the model.
    """
    classifier = LightCurveClassifier(model, feature_extractor, batch_size)

    def process(curves: RaggedLightCurves) -> dict[str, pa.Array]:
        columns = _as_columns(classifier.predict(curves), model.config)
        if dropout_passes is not None:
            spread = sample_with_dropout(
                model, lambda: classifier.predict(curves).values, num_passes=dropout_passes, seed=seed
            ).std
            missing = columns["num_points"].to_numpy() == 0
            for i in range(model.config.num_labels):
                columns[f"spread_{model.config.id2label[i]}"] = pa.array(spread[:, i].copy(), pa.float32(), mask=missing)
        return columns

    return map_table(source, output, process, **options)


def _as_columns(result: LightCurvePredictions, config: Any) -> dict[str, pa.Array]:
    """Predictions as Arrow columns, a row an object."""
    problem = problem_type_of(config)
    missing = result.num_points == 0
    names = [config.id2label[i] for i in range(config.num_labels)]
    columns = {name: pa.array(getattr(result, name), pa.int32()) for name in ("num_points", "num_windows", "dropped_points")}
    if problem == "single_label_classification":
        values = np.where(missing[:, None], 0, result.values)
        columns["predicted_label"] = pa.array(np.array(names, dtype=object)[values.argmax(1)], pa.string(), mask=missing)
        columns["probability"] = pa.array(values.max(1), pa.float32(), mask=missing)
    prefix = "predicted_" if problem == "regression" else "probability_"
    for name, values in zip(names, result.values.T, strict=True):
        columns[prefix + name] = pa.array(np.ascontiguousarray(values), pa.float32(), mask=missing)
    return columns
