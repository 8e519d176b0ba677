# Copyright 2026 The astromer_hf developers. MIT licence.
"""A model over the windows of many light curves, batched by length, and a table of light curves into a table of results.

Before it stand `light_curve_dataset.py` and the feature extractor; after it `embedding.py` and `classification.py`, which say
what is taken from the model's outputs and what becomes of an object's windows.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tqdm.auto import tqdm

from .feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, cut_windows
from .light_curve_dataset import LightCurveChunk, TableError, count_light_curves, iter_light_curves

DEFAULT_BATCH_SIZE = 32


@dataclass
class WindowRunner:
    """A model ready to run over windows: where it runs and in which batches.

    Args:
        model: an ASTROMER model; it is switched to evaluation mode.
        feature_extractor ([`AstromerFeatureExtractor`], *optional*): one with the model's `window_size` when absent.
        batch_size (`int`, defaults to 32): windows a forward pass; a CPU gains nothing from more, a GPU does.
    """

    model: Any
    feature_extractor: AstromerFeatureExtractor | None = None
    batch_size: int = DEFAULT_BATCH_SIZE

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {self.batch_size}.")
        self.model.eval()
        self.extractor = self.feature_extractor or AstromerFeatureExtractor(window_size=self.model.config.window_size)

    def cut(self, curves: RaggedLightCurves) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sequential windows of clean light curves: `(object_index, start, length)`, see `cut_windows`."""
        return cut_windows(curves.lengths, self.extractor.window_size, "sequential")

    @torch.inference_mode()
    def iter_outputs(
        self, curves: RaggedLightCurves, windows: tuple[np.ndarray, np.ndarray, np.ndarray], **options: Any
    ) -> Iterator[tuple[np.ndarray, Any]]:
        """Run over all windows: the numbers of a batch's windows, and the model's outputs for them; `options` are passed on.

        Windows of like length share a batch, so that next to nothing is padded. Upstream pads all to the full window, and its
        attention sees the padding.
        """
        object_index, start, length = windows
        padded_length = None
        if self.model.config.masking_scheme == "additive_padding":
            padded_length = self.extractor.window_size
        by_length = np.argsort(length, kind="stable")
        for low in range(0, len(by_length), self.batch_size):
            batch = by_length[low : low + self.batch_size]
            features = self.extractor.gather(curves, object_index[batch], start[batch], length[batch], padded_length)
            features.pop("magnitude_errors", None)  # the encoder never sees the errors
            yield batch, self.model(**features.convert_to_tensors("pt").to(self.model.device), **options)

    def check_finite(self, values: np.ndarray, object_index: np.ndarray, what: str) -> None:
        """Refuse outputs (W, D) that are not finite.

        Raises:
            ValueError: names the first light curve whose output is not.
        """
        if len(bad := object_index[~np.isfinite(values).all(1)]):
            raise ValueError(
                f"The model's {what} of light curve {bad[0]} is not finite: its weights are damaged or too large for "
                f"{self.model.dtype}. Load it anew in float32, or download it again."
            )


def mean_over_windows(values: np.ndarray, object_index: np.ndarray, length: np.ndarray, num_objects: int) -> np.ndarray:
    """Mean of `values` (W, D) over the windows of each object, weighted by their observations.

    Args:
        values: of every window, `(W, D)`.
        object_index: the object of every window, `(W,)`, rising.
        length: observations of every window, `(W,)`.
        num_objects: N.

    Returns:
        `(N, D)` float32; NaN for an object without a window.
    """
    means = np.full((num_objects, values.shape[1]), np.nan, dtype=np.float32)
    if len(length):
        present, first = np.unique(object_index, return_index=True)
        weights = length.astype(np.float64)
        totals = np.add.reduceat(values * weights[:, None], first, axis=0)
        means[present] = totals / np.add.reduceat(weights, first)[:, None]
    return means


@dataclass
class TableReport:
    """What `map_table` did: light curves written, the ids of those without a result, observations dropped."""

    num_objects: int = 0
    num_windows: int = 0
    num_points: int = 0
    dropped_points: int = 0
    without_result: list[str] = field(default_factory=list)


def map_table(
    source: str | Path,
    output: str | Path,
    process: Callable[[RaggedLightCurves], dict[str, pa.Array]],
    *,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    show_progress: bool = True,
    description: Mapping[str, str] | None = None,
    rows: range | None = None,
) -> TableReport:
    """Turn a table of light curves into a parquet table of results, in its order and in bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them) and those of `process`, one row a
    light curve. It is written beside its final name and appears complete or not at all.

    Args:
        source: parquet or CSV, see `iter_light_curves`.
        output: a `.parquet` file; replaced if it exists.
        process: from light curves as they stand in the table to columns, `num_points`, `num_windows` and `dropped_points` among
            them.
        objects_per_chunk: light curves held in memory at a time.
        columns: names of the source's columns where guessing is not enough.
        show_progress: draw a progress bar.
        description: entries for the output's schema metadata, such as the model's name.
        rows: these rows of the source only, see `iter_light_curves`.

    Raises:
        FileNotFoundError: no such source, or no folder for the output.
        TableError: the source holds no light curves that can be read, or `process` refuses one.
        ValueError: the output cannot be a new parquet file.
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise ValueError(f"The output must be a .parquet file, got {output.name}.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent} for the output.")
    if output.is_dir() or (output.exists() and Path(source).exists() and output.samefile(source)):
        raise ValueError(f"The output {output} must be a new file, not {'a folder' if output.is_dir() else 'the source'}.")
    report = TableReport()
    writer: pq.ParquetWriter | None = None
    handle, partial = tempfile.mkstemp(prefix=f".{output.name}-", suffix=".partial", dir=output.absolute().parent)
    os.close(handle)
    try:
        total = len(rows) if rows is not None else count_light_curves(source) if Path(source).exists() else None
        with tqdm(total=total, unit=" curves", disable=None if show_progress else True) as progress:
            for chunk in iter_light_curves(source, objects_per_chunk=objects_per_chunk, columns=columns, rows=rows):
                table = _process_chunk(chunk, process, report)
                if writer is None:
                    metadata = {f"astromer_hf.{key}": value for key, value in (description or {}).items()}
                    writer = pq.ParquetWriter(partial, table.schema.with_metadata(metadata))
                writer.write_table(table)
                progress.update(len(chunk))
        if writer is None:
            raise TableError(f"{source} holds no light curve.")
        writer.close()
        os.chmod(partial, 0o644)
        os.replace(partial, output)
    finally:
        try:
            if writer is not None:
                writer.close()
        finally:  # on a full disk closing fails too
            if os.path.exists(partial):
                os.unlink(partial)
    return report


def _process_chunk(
    chunk: LightCurveChunk, process: Callable[[RaggedLightCurves], dict[str, pa.Array]], report: TableReport
) -> pa.Table:
    """The rows of a chunk, which are counted into the report."""
    try:
        columns = process(chunk.curves)
    except ValueError as error:
        message = re.sub(r"light curve (\d+)", lambda found: f"object {chunk.object_ids[int(found[1])].as_py()!r}", str(error))
        raise TableError(message) from error
    num_points, num_windows, dropped = (columns[name].to_numpy() for name in ("num_points", "num_windows", "dropped_points"))
    report.num_objects += len(chunk)
    report.num_points += int(num_points.sum())
    report.num_windows += int(num_windows.sum())
    report.dropped_points += int(dropped.sum())
    report.without_result += chunk.object_ids.filter(pa.array(num_points == 0)).fill_null("(no id)").to_pylist()
    return pa.table({"object_id": chunk.object_ids, **chunk.annotations, **columns})
