# Copyright 2026 The astromer_hf developers. MIT licence.
"""One taxonomy of variable stars for all surveys: leaves, their parents, and what the labels of each survey allow.

Surveys name classes at different depths. A label is a set of allowed leaves (`SurveyClass.leaves` in `surveys.py`): the
class "cepheid" of a survey may be of either mode, while "RRab" is one leaf. Before this file stand the records of the surveys;
after it `training/variable_stars.py`, which trains a classifier on all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .surveys import Survey


@dataclass(frozen=True)
class Leaf:
    """A class of the taxonomy: its name, the parent it belongs to, and what it holds."""

    name: str
    parent: str
    description: str


LEAVES: tuple[Leaf, ...] = (
    Leaf("RRab", "pulsating", "RR Lyrae, fundamental mode"),
    Leaf("RRc", "pulsating", "RR Lyrae, first overtone"),
    Leaf("RRd", "pulsating", "RR Lyrae, two modes"),
    Leaf("CEP_F", "pulsating", "classical Cepheid, fundamental mode"),
    Leaf("CEP_1O", "pulsating", "classical Cepheid, first overtone, alone or as the main mode"),
    Leaf("CEP_II", "pulsating", "type II or anomalous Cepheid"),
    Leaf("DSCT", "pulsating", "delta Scuti"),
    Leaf("EA", "eclipsing", "detached eclipsing binary"),
    Leaf("EW_EB", "eclipsing", "contact or semi-detached eclipsing binary"),
    Leaf("ROT", "rotating", "spotted, chemically peculiar or ellipsoidal star"),
    Leaf("LPV", "long-period", "Mira, semi-regular or other long-period variable"),
    Leaf("OTHER", "other", "a variable of another kind"),
    Leaf("NOT_VARIABLE", "not variable", "scatter without any order in time"),
)
LEAF_NAMES = tuple(leaf.name for leaf in LEAVES)
PARENT_OF = {leaf.name: leaf.parent for leaf in LEAVES}


def allowed_leaves(survey: Survey, labels: Sequence[str]) -> np.ndarray:
    """Which leaves the classes of a survey allow, `(N, number of leaves)` bool; no leaf for classes that have none.

    Raises:
        ValueError: the record of the survey lacks a class, or a class names a leaf that does not exist.
    """
    records = {record.name: record.leaves for record in survey.classes}
    allowed = np.zeros((len(labels), len(LEAF_NAMES)), dtype=bool)
    for label in set(labels):
        if label not in records:
            raise ValueError(f"The record of {survey.name} has no class {label!r}; it has {', '.join(records)}.")
        if unknown := set(records[label]) - set(LEAF_NAMES):
            raise ValueError(f"Class {label!r} of {survey.name} names {', '.join(sorted(unknown))}, which is no leaf.")
        allowed[np.asarray(labels) == label] = np.isin(LEAF_NAMES, records[label])
    return allowed


def possible_leaves(survey: Survey) -> np.ndarray:
    """The leaves that a star of a survey may have by the survey's classes, and NOT_VARIABLE, `(number of leaves,)` bool."""
    allowed = allowed_leaves(survey, [record.name for record in survey.classes])
    return allowed.any(0) | (np.array(LEAF_NAMES) == "NOT_VARIABLE")
