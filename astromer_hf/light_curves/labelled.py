# Copyright 2026 The astromer_hf developers. MIT licence.
"""Labelled light curves to learn from: of a prepared dataset or of a table of one's own, in splits that share no star.

Before it stand the readers and splits of `source.py` and `splits.py`; after it `training/`, which fits models to them, and
`scripts/run_classification.py`. Labels stay as they are written until somebody asks for classes or numbers. Nothing goes
silently: what is left out is counted, under its reason.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..model.feature_extraction_astromer import RaggedLightCurves
from .bands import BandCombination, MultibandChunk, MultibandLightCurves, group_bands
from .chunk import LightCurveChunk
from .columns import TableError
from .source import LightCurveSource, iter_split
from .splits import FRACTIONS, SPLITS, assign_splits

UNLABELLED = frozenset({"", "nan", "none", "null", "<na>"})  # how tables spell that there is no label, in lower case


@dataclass(frozen=True)
class LabelledLightCurves:
    """N labelled light curves, or N labelled objects in several bands.

    Args:
        curves ([`RaggedLightCurves`] or [`MultibandLightCurves`]): clean, each with observations.
        labels (`np.ndarray` of shape `(N,)`): strings, as they are written, without white space around them.
        stars (`np.ndarray` of shape `(N,)`): the identity of the star of each, or else its object id.
        splits (`np.ndarray` of shape `(N,)`, *optional*): `"train"`, `"validation"` or `"test"`.
        left_out (`Counter[str]`): reason -> how many light curves of the source are not among them.
    """

    curves: RaggedLightCurves | MultibandLightCurves
    labels: np.ndarray
    stars: np.ndarray
    splits: np.ndarray | None = None
    left_out: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def concatenate(cls, parts: Sequence["LabelledLightCurves"]) -> "LabelledLightCurves":
        """The light curves of all `parts`, one after the other."""
        splits = [part.splits for part in parts if part.splits is not None]
        curves: Any = [part.curves for part in parts]
        return cls(
            type(curves[0]).concatenate(curves),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.stars for part in parts]),
            np.concatenate(splits) if splits else None,
            sum((part.left_out for part in parts), Counter()),
        )

    def select(self, chosen: np.ndarray, **left_out: int) -> "LabelledLightCurves":
        """Those of these numbers; a reason and its count for the others."""
        return LabelledLightCurves(
            self.curves.select(chosen),
            self.labels[chosen],
            self.stars[chosen],
            None if self.splits is None else self.splits[chosen],
            self.left_out + Counter(left_out),
        )

    def members(self, split: str) -> np.ndarray:
        """Numbers of the light curves of a split."""
        return np.flatnonzero(self.splits == split)

    def count_classes(self) -> pd.DataFrame:
        """Light curves of each class (rows, in alphabetical order) in each split (columns)."""
        counts = pd.crosstab(self.labels.astype(str), np.asarray(self.splits, dtype=str))
        return counts.reindex(columns=list(SPLITS), fill_value=0).rename_axis(index="class", columns=None)

    def keep_classes(self, min_per_class: int, drop_rare_classes: bool = False) -> "LabelledLightCurves":
        """Keep the classes that can be learned and scored: enough light curves to train on, one to validate, one to test.

        Labels that no light curve of the training split has are left out and counted.

        Args:
            min_per_class: training light curves that a class needs.
            drop_rare_classes: leave out and count the classes that have too few, instead of refusing them.

        Raises:
            TableError: a class has too few light curves, or there are not two classes.
        """
        counts = self.count_classes()
        unseen = set(counts.index[counts["train"] == 0])
        is_rare = (counts["train"] < min_per_class) | (counts["validation"] < 1) | (counts["test"] < 1)
        rare = counts[is_rare & ~counts.index.isin(unseen)]
        needed = f"{min_per_class} light curves to train on, 1 to validate and 1 to test"
        if len(rare) and not drop_rare_classes:
            rows = zip(rare.index, rare.to_numpy().tolist(), strict=True)
            found = ", ".join(f"{name!r} has {' + '.join(map(str, row))}" for name, row in rows)
            raise TableError(
                f"Every class needs {needed}: {found}. Give more of it, merge it with another class, lower --min-per-class, or "
                "leave such classes out by --drop-rare-classes."
            )
        classes = set(counts.index) - unseen - set(rare.index)
        if len(classes) < 2:
            raise TableError(
                f"At least two classes of {needed} are needed, found {', '.join(sorted(classes)) or 'none'} among "
                f"{counts.sum(axis=1).to_dict()}. Lower --min-per-class, or name another column of labels."
            )
        reasons = {f"of class {name}, which no training light curve has": counts.loc[name].sum() for name in sorted(unseen)}
        reasons |= {f"of class {name}, which is rare": counts.loc[name].sum() for name in sorted(rare.index)}
        chosen = np.flatnonzero(np.isin(self.labels, sorted(classes)))
        return self.select(chosen, **{reason: int(count) for reason, count in reasons.items()})

    def to_numbers(self) -> np.ndarray:
        """The labels as finite numbers, `(N,)` float64.

        Raises:
            TableError: names the first light curve whose label is none.
        """
        numbers = pd.to_numeric(pd.Series(self.labels), errors="coerce").to_numpy(dtype=float)
        if len(bad := np.flatnonzero(~np.isfinite(numbers))):
            raise TableError(
                f"A regression needs finite numbers for labels; {len(bad)} of {len(self)} are none, such as "
                f"{str(self.labels[bad[0]])!r} of object {str(self.stars[bad[0]])!r}. Leave the cell empty where the number is "
                "not known, or name another column (--label-column)."
            )
        return numbers


def read_labelled(
    chunks: Iterable[LightCurveChunk | MultibandChunk], *, min_points: int = 1, unlabelled: Collection[str] = UNLABELLED
) -> LabelledLightCurves:
    """Those of a table's light curves that have a label and enough observations, and a count of the others.

    Args:
        chunks: as `iter_light_curves` or `iter_objects` reads them.
        min_points: light curves with fewer observations are left out; objects that have fewer in every band.
        unlabelled: what means that there is no label, in lower case; a null always does.

    Raises:
        TableError: there is no column of labels, or a light curve has no id.
    """
    parts = []
    for chunk in chunks:
        if "label" not in chunk.annotations:
            raise TableError("There is no column of labels, and none that looks like one: name it (--label-column).")
        curves, _ = chunk.curves.clean()
        stars = np.array(chunk.annotations.get("identity", chunk.object_ids).fill_null("").to_pylist(), dtype=object)
        stars = np.where(stars == "", np.array(chunk.object_ids.to_pylist(), dtype=object), stars)
        if not all(stars):
            raise TableError("There are light curves without an id; every one needs it to be split by star.")
        labels = np.array([label.strip() for label in chunk.annotations["label"].fill_null("").to_pylist()], dtype=object)
        has_label = np.array([bool(label) and label.lower() not in unlabelled for label in labels], dtype=bool)
        is_long = curves.lengths >= max(min_points, 1)
        left_out = {
            "without a label": int(np.sum(~has_label)),
            f"with fewer than {min_points} observations": int(np.sum(has_label & ~is_long)),
        }
        parts.append(LabelledLightCurves(curves, labels, stars).select(np.flatnonzero(has_label & is_long), **left_out))
    if not sum(map(len, parts)):
        reasons = ", ".join(f"{count} {reason}" for reason, count in sum((part.left_out for part in parts), Counter()).items())
        raise TableError(f"No labelled light curve is left of this table: {reasons or 'it is empty'}.")
    whole = LabelledLightCurves.concatenate(parts)
    return replace(whole, labels=whole.labels.astype(str))


def load_labelled(
    dataset: Any,
    *,
    columns: Mapping[str, str | None] | None = None,
    min_points: int = 1,
    unlabelled: Collection[str] = UNLABELLED,
    stratify: bool = True,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    combination: BandCombination | None = None,
) -> LabelledLightCurves:
    """The labelled light curves of a prepared dataset, in its splits, or of any table, split here by star.

    Args:
        dataset: folder that `scripts/prepare_dataset.py` wrote; or a table, see `iter_light_curves`.
        columns: names of its columns where guessing is not enough.
        min_points, unlabelled: see `read_labelled`.
        stratify: split every class of a table in the same fractions; else all of its light curves.
        fractions, seed: of the splits of a table, see `assign_splits`.
        combination: of the bands of an object, which make it one of several light curves; none by default.

    Raises:
        FileNotFoundError: there is no such dataset, or it lacks a split.
        TableError: no labelled light curves can be read from it.
    """

    def read(chunks: Iterable[LightCurveChunk]) -> LabelledLightCurves:
        grouped: Iterable[LightCurveChunk | MultibandChunk] = chunks
        if combination is not None and (parts := list(chunks)):
            grouped = [group_bands(LightCurveChunk.concatenate(parts), combination)]
        return read_labelled(grouped, min_points=min_points, unlabelled=unlabelled)

    is_folder = isinstance(dataset, (str, Path)) and Path(dataset).is_dir() and not getattr(columns, "split", None)
    if is_folder and next(Path(dataset).glob("train-*.parquet"), None):
        parts = {split: read(iter_split(dataset, split, columns=columns)) for split in SPLITS}
        return LabelledLightCurves.concatenate(
            [replace(part, splits=np.full(len(part), split)) for split, part in parts.items()]
        )
    labelled = read(LightCurveSource.open(dataset, columns=columns).chunks())
    strata = labelled.labels.tolist() if stratify else [""] * len(labelled)
    return replace(labelled, splits=assign_splits(labelled.stars.tolist(), fractions=fractions, seed=seed, labels=strata))
