# Copyright 2026 The astromer_hf developers. MIT licence.
"""What a classifier states of an object beyond its probabilities: wider classes, uncertainty, novelty, sets of likely classes.

`classification.py` adds these columns to its table. The numbers behind them are fields of the classifier's configuration, which
`scripts/train_variable_stars.py` fits to validation stars: of the surveys it is trained on, and for `uncertain_below` and
`unlike_above` of surveys left out. On surveys that are unlike all of these they promise nothing.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from ..light_curves.bands import NO_LIGHT_CURVE
from ..model.configuration_astromer import LIKELY_SET_COVERAGES
from ..model.inference_astromer import find_remarks

__all__ = ["decide", "find_remarks", "likely_set_threshold", "remarks_of_objects", "usable_bands"]


def usable_bands(remarks: np.ndarray | None, object_index: np.ndarray, count: int) -> np.ndarray:
    """The light curves `(count,)`, bool, that count for their object: those without a remark, or all where none is without.

    `remarks` are of the light curves, `object_index` is the object of each.
    """
    if remarks is None:
        return np.ones(count, dtype=bool)
    good = np.array([remark is None for remark in remarks], dtype=bool)
    return good | ~np.isin(object_index, object_index[good])


def remarks_of_objects(remarks: np.ndarray, object_index: np.ndarray, num_objects: int) -> np.ndarray:
    """Remarks of objects `(num_objects,)`: the one of their first light curve where all have one, else None.

    An object without a light curve has `NO_LIGHT_CURVE`.
    """
    found = np.full(num_objects, NO_LIGHT_CURVE, dtype=object)
    good = np.array([remark is None for remark in remarks], dtype=bool)
    first, place = np.unique(object_index, return_index=True)
    found[first] = remarks[place]
    found[object_index[good]] = None
    return found


def decide(
    probabilities: np.ndarray,
    missing: np.ndarray,
    config: Any,
    coverage: float | None = None,
    novelty: np.ndarray | None = None,
) -> dict[str, pa.Array]:
    """Columns of N objects: those that the configuration has the numbers for.

    Args:
        probabilities (`np.ndarray` of shape `(N, C)`): of the classes.
        missing (`np.ndarray` of shape `(N,)`, bool): objects without a class, which get nulls.
        config: of the classifier.
        coverage: how often `likely_labels` shall hold the true class, from 0.5 to 0.99; no such column by default.
        novelty (`np.ndarray` of shape `(N,)`, *optional*): how unlike the training set they are.

    Returns:
        `parent_label` and `parent_probability`, the most probable wider class; `is_uncertain`; `is_unlike_training` and
        `novelty`; `likely_labels`, lists of class names, the most probable first.

    Raises:
        ValueError: the classifier was not calibrated for sets, or the coverage is out of range.
    """
    names = np.array([config.id2label[i] for i in range(config.num_labels)], dtype=object)
    columns: dict[str, pa.Array] = {}
    if config.label_parents is not None:
        of_class = np.array([config.label_parents[name] for name in names], dtype=object)
        parents = np.array(list(dict.fromkeys(of_class)), dtype=object)
        sums = probabilities @ (of_class[:, None] == parents)
        columns["parent_label"] = pa.array(parents[sums.argmax(1)], pa.string(), mask=missing)
        columns["parent_probability"] = pa.array(sums.max(1), pa.float32(), mask=missing)
    if config.uncertain_below is not None:
        columns["is_uncertain"] = pa.array(probabilities.max(1) < config.uncertain_below, pa.bool_(), mask=missing)
    if novelty is not None and config.unlike_above is not None:
        unknown = missing | np.isnan(novelty)  # a classifier whose references were never set
        columns["is_unlike_training"] = pa.array(novelty > config.unlike_above, pa.bool_(), mask=unknown)
        columns["novelty"] = pa.array(novelty, pa.float32(), mask=unknown)
    if coverage is not None:
        threshold = likely_set_threshold(config, coverage)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        likely = [
            None if absent else [names[i] for i in ranked if i == ranked[0] or row[i] >= threshold]
            for row, ranked, absent in zip(probabilities, order, missing, strict=True)
        ]
        columns["likely_labels"] = pa.array(likely, pa.list_(pa.string()))
    return columns


def likely_set_threshold(config: Any, coverage: float) -> float:
    """The probability from which on classes are in the set of likely ones.

    Raises:
        ValueError: the classifier was not calibrated for sets, or the coverage is out of range.
    """
    if config.likely_set_thresholds is None:
        raise ValueError("This classifier was not calibrated for sets of likely classes: leave the coverage out.")
    first, last = LIKELY_SET_COVERAGES[0], LIKELY_SET_COVERAGES[-1]
    if not first <= coverage <= last:
        raise ValueError(f"The coverage must lie between {first} and {last}, got {coverage}.")
    return config.likely_set_thresholds[int(np.searchsorted(LIKELY_SET_COVERAGES, coverage - 1e-9))]
