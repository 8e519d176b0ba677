# Copyright 2026 The astromer_hf developers. MIT licence.
"""Which observations and light curves are kept, with a count of why the rest goes, and a survey's table as clean tables.

Before this file stand the readers of `source.py` and a survey's record; after it `preparation.py`, which writes clean and split
light curves to disk, and `datasets` for training.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..model.feature_extraction_astromer import RaggedLightCurves
from .columns import PREPARED_SCHEMA, TableError
from .ledger import BEYOND_LIMIT, FLAGGED, LIMIT, NOT_POSITIVE
from .source import LightCurveSource
from .surveys import Survey

if TYPE_CHECKING:
    import datasets


NOT_FINITE = "no finite time and magnitude"
READERS_REASONS = (LIMIT, NOT_POSITIVE, BEYOND_LIMIT, FLAGGED)


@dataclass(frozen=True)
class VariabilityFilter:
    """The paper's filter (Sect. 5.1): a light curve goes where all three moments of its magnitudes exceed their thresholds.

    The paper discards |kurtosis| > 10, |skewness| > 1 and standard deviation > 0.1: curves that a few outliers rule.

    Args:
        max_kurtosis (`float`, defaults to 10): of the absolute excess kurtosis.
        max_skewness (`float`, defaults to 1): of the absolute skewness.
        max_std (`float`, defaults to 0.1): of the standard deviation, in magnitudes.
    """

    max_kurtosis: float = 10.0
    max_skewness: float = 1.0
    max_std: float = 0.1

    def discards(self, curves: RaggedLightCurves) -> np.ndarray:
        """Which of N clean light curves go, `(N,)` bool."""
        owner, count = curves.object_index, len(curves)

        def mean(values: np.ndarray) -> np.ndarray:
            return np.bincount(owner, values, minlength=count) / curves.lengths

        with np.errstate(invalid="ignore", divide="ignore"):  # empty and constant curves have no moments, and stay
            deviations = curves.magnitudes - mean(curves.magnitudes)[owner]
            variance, third, fourth = (mean(deviations**power) for power in (2, 3, 4))
            return (
                (np.abs(fourth / variance**2 - 3.0) > self.max_kurtosis)
                & (np.abs(third / variance**1.5) > self.max_skewness)
                & (np.sqrt(variance) > self.max_std)
            )


@dataclass(frozen=True)
class CleaningReport:
    """What came, what stayed and why the rest went; `read = kept + dropped`, for objects and for points."""

    objects_read: int = 0
    objects_kept: int = 0
    points_read: int = 0
    points_kept: int = 0
    objects_dropped: Counter[str] = field(default_factory=Counter)
    points_dropped: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "CleaningReport") -> "CleaningReport":
        return CleaningReport(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})


@dataclass(frozen=True)
class Cleaning:
    """Which observations and light curves a prepared dataset keeps, beyond what `RaggedLightCurves.clean` drops.

    Args:
        max_error (`float`, defaults to 1): largest error of an observation in magnitudes, as ASTROMER's authors set it;
            unknown errors pass.
        min_points (`int`, defaults to 5): observations that a light curve needs.
        variability ([`VariabilityFilter`], *optional*): the paper's filter; none by default.
    """

    max_error: float = 1.0
    min_points: int = 5
    variability: VariabilityFilter | None = None

    def __call__(self, raw: RaggedLightCurves) -> tuple[RaggedLightCurves, np.ndarray, CleaningReport]:
        """The clean curves (curve i stays curve i, with known or NaN errors), which of them stay, `(N,)` bool, and counts."""
        curves, unusable = raw.clean()
        errors = np.full(len(curves.times), np.nan) if curves.magnitude_errors is None else curves.magnitude_errors
        precise = ~(errors > self.max_error)
        curves = RaggedLightCurves(curves.times, curves.magnitudes, errors, curves.offsets).keep(precise)

        stays = curves.lengths >= self.min_points
        objects_dropped = {f"fewer than {self.min_points} points": int(np.sum(~stays))}
        if self.variability:
            discarded = stays & self.variability.discards(curves)
            objects_dropped["moments over the thresholds"] = int(discarded.sum())
            stays &= ~discarded
        points_kept = int(curves.lengths[stays].sum())
        points_dropped = {
            NOT_FINITE: int(unusable.sum()),
            f"error over {self.max_error:g} mag": int(np.sum(~precise)),
            "object dropped": len(curves.times) - points_kept,
        }
        report = CleaningReport(
            len(raw), int(stays.sum()), len(raw.times), points_kept, Counter(objects_dropped), Counter(points_dropped)
        )
        return curves, stays, report


def iter_clean_tables(
    path: Any, survey: Survey, cleaning: Cleaning | None = None, *, objects_per_chunk: int = 2048
) -> Iterator[tuple[pa.Table, CleaningReport]]:
    """Read a survey's table, in any of its raw layouts, as clean tables of `PREPARED_SCHEMA`, a chunk at a time.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: no light curves can be read from it, or an object has no id.
    """
    cleaning = cleaning or Cleaning()
    source = LightCurveSource.open(path, columns=survey.columns)
    before: Counter[str] = Counter()
    for chunk in source.chunks(objects_per_chunk):
        curves, stays, report = cleaning(chunk.curves)
        # What the reader dropped for a reason of its own is not without a time and magnitude.
        own = {reason: number - before[reason] for reason, number in source.ledger.dropped.items() if reason in READERS_REASONS}
        before = Counter(source.ledger.dropped)
        report.points_dropped[NOT_FINITE] -= sum(own.values())
        report.points_dropped.update({reason: number for reason, number in own.items() if number})
        object_ids = chunk.object_ids.to_pylist()
        if not all(object_ids):
            raise TableError(f"{source.name} has objects without an id; every light curve needs one to be split by star.")
        unknown = pa.nulls(len(chunk), pa.string())
        identities, labels = (chunk.annotations.get(role, unknown).to_pylist() for role in ("identity", "label"))
        offsets = pa.array(curves.offsets, pa.int32())
        table = pa.table(
            {
                "object_id": object_ids,
                "identity": [identity or object_id for identity, object_id in zip(identities, object_ids, strict=True)],
                "survey": pa.repeat(survey.name, len(chunk)),
                "band": chunk.annotations.get("band", unknown),
                "label": [survey.class_of(label) for label in labels],
                "mjd": pa.ListArray.from_arrays(offsets, pa.array(curves.times)),
                "mag": pa.ListArray.from_arrays(offsets, pa.array(curves.magnitudes)),
                "magerr": pa.ListArray.from_arrays(offsets, pa.array(curves.magnitude_errors)),
            },
            PREPARED_SCHEMA,
        )
        yield table.filter(pa.array(stays)), report


def load_light_curves(
    path: str | Path, survey: Survey, cleaning: Cleaning | None = None, *, streaming: bool = False, **kwargs: Any
) -> "datasets.Dataset | datasets.IterableDataset":
    """A survey's raw table as a clean dataset of `PREPARED_SCHEMA`, memory-mapped or streamed.

    Args:
        path, survey, cleaning: see `iter_clean_tables`.
        streaming (`bool`, defaults to `False`): read the table anew at every pass instead of once into the cache.
        kwargs: for `datasets.Dataset.from_generator` or `IterableDataset.from_generator`.
    """
    import datasets

    path = Path(path)
    kind = datasets.IterableDataset if streaming else datasets.Dataset
    if not streaming:  # the cache must know one content of the file from another
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        key = repr((stats, survey, cleaning))
        kwargs.setdefault("fingerprint", hashlib.blake2b(key.encode(), digest_size=8).hexdigest())
    return kind.from_generator(
        _iter_rows,
        features=datasets.Features.from_arrow_schema(PREPARED_SCHEMA),
        gen_kwargs={"path": path, "survey": survey, "cleaning": cleaning},
        **kwargs,
    )


def _iter_rows(path: Path, survey: Survey, cleaning: Cleaning | None) -> Iterator[dict[str, Any]]:
    for table, _ in iter_clean_tables(path, survey, cleaning):
        scalars = table.drop_columns(["mjd", "mag", "magerr"]).to_pylist()
        measured = (table[name].combine_chunks() for name in ("mjd", "mag", "magerr"))
        for row, *values in zip(scalars, *measured, strict=True):
            arrays = (value.values.to_numpy(zero_copy_only=False) for value in values)
            yield row | dict(zip(("mjd", "mag", "magerr"), arrays, strict=True))
