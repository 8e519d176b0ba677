# Copyright 2026 The astromer_hf developers. MIT licence.
"""Run a model over the windows of many light curves, batched by length, and turn a table of light curves into one of results.

`embedding.py` and `classification.py` build on it: they select the model's outputs and combine the windows of an object.
"""

import itertools
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn
from tqdm.auto import tqdm

from ..evaluation.uncertainty import dropout_is_enabled
from ..light_curves.bands import BandCombination, MultibandChunk, iter_objects
from ..light_curves.chunk import LightCurveChunk
from ..light_curves.columns import TableError
from ..light_curves.ledger import Ledger
from ..light_curves.source import LightCurveSource
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, cut_windows
from ..model.heads_astromer import pool_observed
from ..model.inference_astromer import in_evaluation_mode, unwrap
from .output_files import complete_or_absent

CPU_BATCH_OBSERVATIONS = 1600  # whose states fit into the caches of a core
DEFAULT_BATCH_SIZE = 256  # full windows, of accelerators
MAX_SHORT_WINDOWS = 4  # times the batch size, since part of a window's cost does not depend on its length


class LightCurveError(ValueError):
    """Some of several light curves have no result; `reasons` says of each, by its number, why."""

    def __init__(self, reasons: dict[int, str]):
        super().__init__(next(iter(reasons.values())))
        self.reasons = reasons


@dataclass
class WindowRunner:
    """A model with the batches and the feature extractor to run it over windows.

    Args:
        model: an ASTROMER model, in wrappers or not, or an `OnnxEncoder`. It runs in evaluation mode, and is left as it is.
        feature_extractor ([`AstromerFeatureExtractor`], *optional*): one with the model's `window_size` when absent.
        batch_size (`int`, *optional*): full windows in a forward pass, or up to four times as many short ones. The default is
            256 on a GPU, and on a CPU what holds 1600 observations: 8 windows of 200, 4 of 400.
        on_progress (*optional*): called after each batch with the fraction of the windows that is done.
    """

    model: Any
    feature_extractor: AstromerFeatureExtractor | None = None
    batch_size: int | None = None
    on_progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        self.model = unwrap(self.model)
        if self.batch_size is None:
            own = max(CPU_BATCH_OBSERVATIONS // self.model.config.window_size, 1)
            self.batch_size = own if self.model.device.type == "cpu" else DEFAULT_BATCH_SIZE
        if self.batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {self.batch_size}.")
        self.extractor = self.feature_extractor or AstromerFeatureExtractor(window_size=self.model.config.window_size)

    def cut(self, curves: RaggedLightCurves) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sequential windows of clean light curves: `(object_index, start, length)`, see `cut_windows`."""
        return cut_windows(curves.lengths, self.extractor.window_size, "sequential")

    def iter_outputs(
        self, curves: RaggedLightCurves, windows: tuple[np.ndarray, np.ndarray, np.ndarray], **options: Any
    ) -> Iterator[tuple[np.ndarray, Any]]:
        """Run over all windows. Yields the indices of a batch's windows and the model's outputs; `options` go to the model.

        Windows of similar length share a batch, so there is hardly any padding. (Upstream pads all windows to full length, and
        its attention sees the padding.) On a CPU every core runs its own batches. This scales better than sharing each matrix
        product, and gives the same numbers on any number of cores.
        """
        object_index, start, length = windows
        model = in_evaluation_mode(self.model)
        padded_length = None
        if model.config.masking_scheme == "additive_padding":
            padded_length = self.extractor.window_size

        @torch.inference_mode()
        def run(batch: np.ndarray) -> tuple[np.ndarray, Any]:
            features = self.extractor.gather(curves, object_index[batch], start[batch], length[batch], padded_length)
            if not model.config.use_magnitude_errors:
                features.pop("magnitude_errors", None)
            return batch, model(**features.convert_to_tensors("pt").to(model.device), **options)

        batches = self._batches(length if padded_length is None else np.full_like(length, padded_length))
        done = 0
        for batch, outputs in map_on_cores(run, batches) if self._may_share_cores(model) else map(run, batches):
            yield batch, outputs
            done += len(batch)
            if self.on_progress is not None:
                self.on_progress(done / len(length))

    @staticmethod
    def _may_share_cores(model: Any) -> bool:
        """Not on a GPU; not for ONNX Runtime, which has its own threads; not with dropout, whose draws depend on the order."""
        if model.device.type != "cpu" or not isinstance(model, nn.Module) or dropout_is_enabled():
            return False
        return not any(module.training for module in model.modules())

    def _batches(self, length: np.ndarray) -> Iterator[np.ndarray]:
        """Indices of windows of similar `length` (W,), the longest first."""
        assert self.batch_size is not None
        order = np.argsort(-length, kind="stable")
        low = 0
        while low < len(order):
            fit = self.batch_size * self.extractor.window_size // int(length[order[low]])
            high = low + min(max(fit, 1), MAX_SHORT_WINDOWS * self.batch_size)
            yield order[low:high]
            low = high

    def check_finite(self, values: np.ndarray, object_index: np.ndarray, what: str) -> None:
        """Check that outputs (W, D) are finite.

        Raises:
            ValueError: names the first light curve whose output is not finite; a [`LightCurveError`] where others are.
        """
        bad = np.unique(object_index[~np.isfinite(values).all(1)]).tolist()
        if not bad:
            return
        reasons = {
            number: f"The model's {what} of light curve {number} is not finite: its weights are damaged or too large for "
            f"{self.model.dtype}. Load it in float32, or download it again."
            for number in bad
        }
        raise ValueError(reasons[bad[0]]) if len(bad) == len(np.unique(object_index)) else LightCurveError(reasons)


def pool_states(states: tuple[torch.Tensor, ...], length: np.ndarray, pooling: str) -> np.ndarray:
    """Hidden states of windows, S times (B, L, D), pooled for a head, `(B, S, P)` float32, see `pool_observed`.

    `length` (B,) is the number of observations of each window; padding follows them.
    """
    observed = torch.from_numpy(np.arange(states[0].shape[1]) < length[:, None]).to(states[0].device)
    return torch.stack([pool_observed(state, observed, pooling) for state in states], dim=1).float().cpu().numpy()


def map_on_cores(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Apply `function` to every item, in order, on as many threads as torch may use. Each thread computes on its own.

    At most two items per thread are in progress.
    """
    num_threads = torch.get_num_threads()
    if num_threads == 1:
        yield from map(function, items)
        return
    under_way: deque[Future[Any]] = deque()
    items = iter(items)
    with ThreadPoolExecutor(num_threads, "astromer", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            under_way.extend(pool.submit(function, item) for item in itertools.islice(items, 2 * num_threads))
            while under_way:
                result = under_way.popleft().result()
                under_way.extend(pool.submit(function, item) for item in itertools.islice(items, 1))
                yield result
        finally:
            for future in under_way:
                future.cancel()
            torch.set_num_threads(num_threads)  # a thread's own setting also applies to later threads


@dataclass
class TableReport:
    """Counts of `map_table`: light curves written, ids of those without a result, observations dropped by reason.

    `unreadable` says of objects that could not be read or computed why; they are among those without a result.
    """

    num_objects: int = 0
    num_windows: int = 0
    num_points: int = 0
    dropped_points: int = 0
    without_result: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)


@dataclass
class _Share:
    """The part of a progress bar that is a chunk's; a second pass over the chunk does not move it back."""

    progress: Any
    total: int
    done: int = 0

    def reach(self, fraction: float) -> None:
        """Move the bar to this fraction of the chunk."""
        moved = int(fraction * self.total) - self.done
        if moved > 0:
            self.progress.update(moved)
            self.done += moved


def map_table(
    source: Any,
    output: str | Path,
    process: Callable[[Any], dict[str, pa.Array]],
    *,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    show_progress: bool = True,
    description: Mapping[str, str] | None = None,
    rows: range | None = None,
    combination: BandCombination | None = None,
    runner: WindowRunner | None = None,
) -> TableReport:
    """Turn a table of light curves into a parquet table of results, in the same order and with bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them) and those of `process`. It has one
    row per light curve, or one per object where bands are combined. It is written to a temporary name and renamed when
    complete. If two processes write the same output, the second raises an error.

    Args:
        source: a path, a table in memory or an open source, see `LightCurveSource.open`.
        output: a `.parquet` file; overwritten if it exists.
        process: maps light curves, as they are in the table, to columns. The columns must include `num_points`, `num_windows`
            and `dropped_points`. The argument is a `MultibandLightCurves` where bands are combined, else a `RaggedLightCurves`.
        objects_per_chunk: light curves in memory at a time.
        columns: names of the source's columns that cannot be guessed.
        show_progress: draw a progress bar.
        description: entries for the output's schema metadata, such as the model's name.
        rows: read only these rows of the source, see `LightCurveSource.chunks`; where bands are combined, see `objects`.
        combination: how to combine the bands of an object.
        runner: that `process` uses, so that the progress bar moves with its batches.

    Raises:
        FileNotFoundError: there is no such source, or no folder for the output.
        TableError: the source has no light curves that can be read, or `process` rejects one.
        ValueError: the output cannot be a new parquet file.
        OutputInUseError: another process is writing it.
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise ValueError(f"The output must be a .parquet file, got {output.name}.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent} for the output: create it first.")
    path = source.path if isinstance(source, LightCurveSource) else Path(source) if isinstance(source, (str, Path)) else None
    if output.is_dir() or (output.exists() and path is not None and path.exists() and output.samefile(path)):
        raise ValueError(f"The output {output} must be a new file, not {'a folder' if output.is_dir() else 'the source'}.")
    report = TableReport()
    writer: pq.ParquetWriter | None = None
    with complete_or_absent(output) as partial:
        try:
            opened = LightCurveSource.open(source, columns=columns)
            total = len(rows) if rows is not None else opened.num_light_curves
            with tqdm(total=total, unit=" curves", disable=None if show_progress else True) as progress:
                for chunk in _iter_chunks(opened, combination, objects_per_chunk, rows):
                    share = _Share(progress, chunk.num_light_curves)
                    if runner is not None:
                        runner.on_progress = share.reach
                    table = _process_chunk(chunk, process, report, opened.ledger)
                    if writer is None:
                        metadata = {f"astromer_hf.{key}": value for key, value in (description or {}).items()}
                        schema = table.schema.with_metadata(metadata)
                        writer = pq.ParquetWriter(partial, schema, write_page_checksum=True)
                    writer.write_table(table)
                    share.reach(1.0)
            report.ledger = opened.ledger
            report.unreadable = dict(opened.ledger.unreadable)
            if writer is None:
                raise TableError(f"{opened.path or opened.name} holds no light curve.")
            writer.add_key_value_metadata({"astromer_hf.ledger": json.dumps(report.ledger.to_dict())})
        finally:
            if writer is not None:
                writer.close()  # this fails too on a full disk
    return report


def _iter_chunks(
    source: LightCurveSource, combination: BandCombination | None, objects_per_chunk: int, rows: range | None
) -> Iterator[LightCurveChunk | MultibandChunk]:
    if combination is None:
        return source.chunks(objects_per_chunk, rows=rows)
    return iter_objects(source, combination, objects_per_chunk=objects_per_chunk, rows=rows)


def _process_chunk(
    chunk: LightCurveChunk | MultibandChunk,
    process: Callable[[Any], dict[str, pa.Array]],
    report: TableReport,
    ledger: Ledger,
) -> pa.Table:
    """The rows of a chunk; their counts are added to the report. What has no result keeps its row; the ledger knows why."""

    def name_object(message: str) -> str:
        return re.sub(r"light curve (\d+)", lambda found: f"object {chunk.id_of(int(found[1]))!r}", message)

    curves: Any = chunk.curves
    try:
        try:
            columns = process(curves)
        except LightCurveError as error:
            single = curves if isinstance(curves, RaggedLightCurves) else curves.light_curves
            for number, reason in error.reasons.items():
                own = slice(single.offsets[number], single.offsets[number + 1])
                ledger.refuse(chunk.id_of(number), name_object(reason), int(single.usable[own].sum()))
            single = single.without_points_of([*error.reasons])
            columns = process(single if isinstance(curves, RaggedLightCurves) else replace(curves, light_curves=single))
    except ValueError as error:
        raise TableError(name_object(str(error))) from error
    num_points, num_windows, dropped = (columns[name].to_numpy() for name in ("num_points", "num_windows", "dropped_points"))
    report.num_objects += len(chunk)
    report.num_points += int(num_points.sum())
    report.num_windows += int(num_windows.sum())
    report.dropped_points += int(dropped.sum())
    report.without_result += chunk.object_ids.filter(pa.array(num_points == 0)).fill_null("(no id)").to_pylist()
    return pa.table({"object_id": chunk.object_ids, **chunk.annotations, **columns})
