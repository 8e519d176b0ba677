# Copyright 2026 The astromer_hf developers. MIT licence.
"""Periods of all light curves of a source: one row a star and band, on several processes.

`evaluation/periods.py` finds the period of one light curve; this file runs it over a `LightCurveSource` and writes a table.
`embedding.py` and `classification.py` add the same columns to theirs by `period_columns`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..evaluation.periods import NoPeriodError, Period, find_period
from ..light_curves.bands import NO_LIGHT_CURVE, MultibandLightCurves
from ..light_curves.chunk import LightCurveChunk
from ..light_curves.source import LightCurveSource
from ..model.feature_extraction_astromer import RaggedLightCurves
from .output_files import complete_or_absent

CURVES_PER_TASK = 32
FEW_CURVES = 100  # are searched sooner by one process than a second one starts, which imports torch
ALTERNATIVES = {
    "half": "period_half",
    "double": "period_double",
    "alias +1": "period_alias_plus",
    "alias -1": "period_alias_minus",
    "near a day": "period_near_day",
}
COLUMNS = (
    "period",
    "false_alarm_probability",
    "period_significance",
    "period_is_significant",
    "amplitude",
    "epoch_of_maximum",
    "epoch_of_minimum",
    "period_explained",
    *ALTERNATIVES.values(),
)


@dataclass
class PeriodsReport:
    """What was found.

    Args:
        num_light_curves, num_significant (`int`): of all, and with a significant period.
        without_period (`dict[str, str]`): id -> why no period could be searched.
    """

    num_light_curves: int = 0
    num_significant: int = 0
    without_period: dict[str, str] = field(default_factory=dict)


def find_periods(
    source: Any,
    output: str | Path,
    *,
    columns: Any = None,
    num_processes: int = -1,
    show_progress: bool = True,
) -> PeriodsReport:
    """Write the period of every light curve of a source, one row each: a star in several bands has a row for each band.

    Bands are never mixed, since amplitude and zero point differ between them. Compare the rows of a star: a period that
    several bands share is more certain than its significance in one of them.

    Args:
        source, columns: see `LightCurveSource.open`.
        output: parquet file.
        num_processes (`int`): -1 for one per core, or a single one for few light curves.

    Returns:
        A [`PeriodsReport`]. A light curve that cannot have a period has nulls and its reason in the column `period_problem`.
    """
    opened = LightCurveSource.open(source, columns=columns)
    report = PeriodsReport()
    with complete_or_absent(Path(output)) as partial:
        writer: pq.ParquetWriter | None = None
        try:
            for table in _tables(opened, report, num_processes, show_progress):
                writer = writer or pq.ParquetWriter(partial, table.schema)
                writer.write_table(table)
            if writer is None:
                pq.write_table(_table([], [], None), partial)
        finally:
            if writer is not None:
                writer.close()
    return report


def _tables(opened: LightCurveSource, report: PeriodsReport, num_processes: int, show_progress: bool) -> Iterator[pa.Table]:
    chunks, are_few = _look_ahead(opened.chunks())
    if num_processes == -1 and are_few:
        num_processes = 1
    with (
        joblib.Parallel(num_processes, return_as="generator") as parallel,
        tqdm(total=opened.num_light_curves, unit=" curves", disable=None if show_progress else True) as progress,
    ):
        for chunk in chunks:
            curves, _ = chunk.curves.clean()
            found: list[Period | str] = []
            for part in parallel(_tasks(curves)):
                found += part
                progress.update(len(part))
            _count(report, chunk, found)
            yield _table(found, curves.lengths.tolist(), chunk)


def _look_ahead(chunks: Iterator[LightCurveChunk]) -> tuple[Iterator[LightCurveChunk], bool]:
    """The same chunks, and whether they hold `FEW_CURVES` light curves at the most.

    Most formats tell their number only when all is read, and a folder has a chunk for each of its files: so chunks are read
    ahead until they hold more.
    """
    first: list[LightCurveChunk] = []
    for chunk in chunks:
        first.append(chunk)
        if sum(map(len, first)) > FEW_CURVES:
            return itertools.chain(first, chunks), False
    return iter(first), True


def period_columns(
    curves: RaggedLightCurves | MultibandLightCurves, *, num_processes: int | None = None
) -> dict[str, pa.Array]:
    """The periods of light curves as columns, `COLUMNS` and `period_problem`; one row each, or one row an object.

    The bands of an object are searched one by one. Its row has the band whose period is the most significant, named in
    `period_band`: the values are those that `find_periods` has for that band.

    Args:
        curves: N light curves as they stand in the table, or N objects in several bands.
        num_processes (`int`, *optional*): by default as many as torch has threads, or one where light curves are few.
    """
    clean, _ = curves.clean()
    single = clean if isinstance(clean, RaggedLightCurves) else clean.light_curves
    if num_processes is None:
        num_processes = torch.get_num_threads() if len(single) > CURVES_PER_TASK else 1
    parts = joblib.Parallel(num_processes)(_tasks(single))
    found: list[Period | str] = [one for part in parts for one in part]
    if isinstance(clean, RaggedLightCurves):
        return _as_columns(found)
    chosen: list[int | None] = [None] * len(clean)
    for number, owner in enumerate(clean.object_index.tolist()):
        before = chosen[owner]
        if before is None or _significance(found[number]) > _significance(found[before]):
            chosen[owner] = number
    bands = [None if number is None else clean.combination.bands[clean.band_index[number]] for number in chosen]
    columns = _as_columns([NO_LIGHT_CURVE if number is None else found[number] for number in chosen])
    has_period = columns["period"].is_valid().to_numpy(zero_copy_only=False)
    return {"period_band": pa.array(bands, pa.string(), mask=~has_period), **columns}


def _significance(found: Period | str) -> float:
    return -1.0 if isinstance(found, str) else found.significance


def _tasks(curves: RaggedLightCurves) -> Iterator[Any]:
    """Searches of some clean light curves each, for `joblib.Parallel`."""
    for start in range(0, len(curves), CURVES_PER_TASK):
        yield joblib.delayed(_search)(curves.select(np.arange(start, min(start + CURVES_PER_TASK, len(curves)))))


def _search(curves: RaggedLightCurves) -> list[Period | str]:
    """The period of each clean light curve, or why there is none."""
    found: list[Period | str] = []
    with threadpool_limits(1):  # threads of numpy wait for each other longer than these small products take
        for start, stop in zip(curves.offsets[:-1], curves.offsets[1:], strict=True):
            errors = None if curves.magnitude_errors is None else curves.magnitude_errors[start:stop]
            try:
                found.append(find_period(curves.times[start:stop], curves.magnitudes[start:stop], errors))
            except NoPeriodError as error:
                found.append(str(error))
    return found


def _count(report: PeriodsReport, chunk: LightCurveChunk, found: list[Period | str]) -> None:
    bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
    report.num_light_curves += len(found)
    for number, one in enumerate(found):
        if isinstance(one, str):
            report.without_period[", ".join(str(part) for part in (chunk.id_of(number), bands[number]) if part)] = one
        else:
            report.num_significant += one.is_significant


def _table(found: list[Period | str], num_points: list[int], chunk: LightCurveChunk | None) -> pa.Table:
    strings = pa.string()
    columns: dict[str, pa.Array] = {
        "object_id": pa.array([], strings) if chunk is None else chunk.object_ids.cast(strings),
    }
    if chunk is not None:
        columns |= {role: chunk.annotations[role] for role in ("band", "label") if role in chunk.annotations}
    columns["num_points"] = pa.array(num_points, pa.int64())
    return pa.table(columns | _as_columns(found))


def _as_columns(found: list[Period | str]) -> dict[str, pa.Array]:
    rows = [None if isinstance(one, str) else describe(one) for one in found]
    columns: dict[str, pa.Array] = {}
    for name in COLUMNS:
        kind = pa.bool_() if name == "period_is_significant" else pa.float64()
        columns[name] = pa.array([None if row is None else row[name] for row in rows], kind)
    columns["period_problem"] = pa.array([one if isinstance(one, str) else None for one in found], pa.string())
    return columns


def describe(period: Period) -> dict[str, float | bool | None]:
    """A period as columns of a table, `COLUMNS`; alternatives that were out of range, or are not there, are None."""
    alternatives = {one.kind: one.period for one in period.alternatives}
    return {
        "period": period.period,
        "false_alarm_probability": period.false_alarm_probability,
        "period_significance": period.significance,
        "period_is_significant": period.is_significant,
        "amplitude": period.amplitude,
        "epoch_of_maximum": period.epoch_of_maximum,
        "epoch_of_minimum": period.epoch_of_minimum,
        "period_explained": period.explained,
        **{column: alternatives.get(kind) for kind, column in ALTERNATIVES.items()},
    }
