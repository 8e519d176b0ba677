# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves + model -> one embedding an object, batched by length, streamed from table to table.

Before it stand `light_curve_dataset.py` and the feature extractor; after it whatever uses embeddings: a classifier, a map, a
search. An object's embedding is the mean of its windows' `pooler_output`, weighted by their observations.
"""

import os
import re
import tempfile
from collections.abc import Mapping
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
from .modeling_astromer import AstromerModel

DEFAULT_MODEL = "astromer-surveys-small"
DEFAULT_BATCH_SIZE = 32
_MODEL_FOLDERS = tuple(root / "model_cards" for root in (Path(__file__).parent, Path(__file__).parents[1]))


def default_model_folder() -> Path:
    """The model that comes with the package: inside it when installed from a wheel, beside it in a source checkout.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    for folder in _MODEL_FOLDERS:
        if (folder / DEFAULT_MODEL / "model.safetensors").is_file():
            return folder / DEFAULT_MODEL
    raise FileNotFoundError(
        f"The default model {DEFAULT_MODEL} does not come with this installation (expected in "
        f"{' or '.join(map(str, _MODEL_FOLDERS))}); name another model, --model on the command line."
    )


@dataclass(frozen=True)
class LightCurveEmbeddings:
    """Embeddings of N light curves in input order.

    Args:
        object_embeddings (`np.ndarray` of shape `(N, D)`, float32): NaN for light curves without a usable observation.
        num_points (`np.ndarray` of shape `(N,)`): usable observations of each.
        num_windows (`np.ndarray` of shape `(N,)`): windows they were cut into.
        dropped_points (`np.ndarray` of shape `(N,)`): observations left out (no finite time or magnitude).
        window_embeddings (`np.ndarray` of shape `(W, D)`, float32, *optional*): of every window, objects in order.
        window_object (`np.ndarray` of shape `(W,)`, *optional*): the light curve of each window.
        observation_embeddings (`list[np.ndarray]`, *optional*): `(num_points, D)` float32 for each light curve, sorted by
            time, every usable observation once.
    """

    object_embeddings: np.ndarray
    num_points: np.ndarray
    num_windows: np.ndarray
    dropped_points: np.ndarray
    window_embeddings: np.ndarray | None = None
    window_object: np.ndarray | None = None
    observation_embeddings: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.object_embeddings)


@dataclass
class LightCurveEmbedder:
    """A model ready to embed: where it runs and in which batches.

    Args:
        model ([`AstromerModel`]): or a model with a head, whose encoder is taken; it is switched to evaluation mode.
        feature_extractor ([`AstromerFeatureExtractor`], *optional*): one with the model's `window_size` when absent.
        batch_size (`int`, defaults to 32): windows a forward pass; a CPU gains nothing from more, a GPU does.
    """

    model: Any
    feature_extractor: AstromerFeatureExtractor | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    encoder: AstromerModel = field(init=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {self.batch_size}.")
        self.encoder = self.model.base_model.eval()
        if self.feature_extractor is None:
            self.feature_extractor = AstromerFeatureExtractor(window_size=self.encoder.config.window_size)

    def embed(
        self, curves: RaggedLightCurves, *, return_windows: bool = False, return_observations: bool = False
    ) -> LightCurveEmbeddings:
        """Embed light curves as they come: cleaned, cut, batched by length and put back into their order."""
        assert self.feature_extractor is not None
        curves, dropped = curves.clean()
        window_object, start, length = cut_windows(curves.lengths, self.feature_extractor.window_size, "sequential")
        width = self.encoder.config.hidden_size
        pooled = np.empty((len(length), width), dtype=np.float32)
        per_observation = np.empty((curves.offsets[-1], width), dtype=np.float32) if return_observations else None

        # Windows of like length share a batch, so that next to nothing is padded. Upstream pads all to the full window, and
        # its attention sees the padding.
        padded_length = None
        if self.encoder.config.masking_scheme == "additive_padding":
            padded_length = self.feature_extractor.window_size
        by_length = np.argsort(length, kind="stable")
        for low in range(0, len(by_length), self.batch_size):
            batch = by_length[low : low + self.batch_size]
            outputs = self._forward(curves, window_object[batch], start[batch], length[batch], padded_length)
            pooled[batch] = outputs.pooler_output.float().cpu().numpy()
            if per_observation is not None:
                hidden = outputs.last_hidden_state.float().cpu().numpy()
                valid = np.arange(hidden.shape[1]) < length[batch][:, None]
                first = curves.offsets[window_object[batch]] + start[batch]
                per_observation[(first[:, None] + np.arange(hidden.shape[1]))[valid]] = hidden[valid]

        if len(bad := window_object[~np.isfinite(pooled).all(1)]):
            raise ValueError(
                f"The model's embedding of light curve {bad[0]} is not finite: its weights are damaged or too large for "
                f"{self.encoder.dtype}. Load it anew in float32, or download it again."
            )
        return LightCurveEmbeddings(
            object_embeddings=_mean_over_windows(pooled, window_object, length, len(curves)),
            num_points=curves.lengths,
            num_windows=np.bincount(window_object, minlength=len(curves)),
            dropped_points=dropped,
            window_embeddings=pooled if return_windows else None,
            window_object=window_object if return_windows else None,
            observation_embeddings=None if per_observation is None else np.split(per_observation, curves.offsets[1:])[:-1],
        )

    @torch.inference_mode()
    def _forward(self, curves: RaggedLightCurves, *windows: Any) -> Any:
        assert self.feature_extractor is not None
        features = self.feature_extractor.gather(curves, *windows)
        features.pop("magnitude_errors", None)  # the encoder never sees the errors
        return self.encoder(**features.convert_to_tensors("pt").to(self.encoder.device))


def embed_light_curves(
    model: Any,
    mjd: Any,
    mag: Any,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    return_windows: bool = False,
    return_observations: bool = False,
) -> LightCurveEmbeddings:
    """Embed one light curve or a list of them.

    Args:
        model: an ASTROMER model, with or without a head, on any device and in any dtype.
        mjd: observation times in days: a 1-d array, or a list of them.
        mag: magnitudes, likewise.
        feature_extractor: cuts the windows; one with the model's `window_size` when absent.
        batch_size: windows a forward pass.
        return_windows: also return the embedding of every window.
        return_observations: also return the embedding of every observation.

    Returns:
        [`LightCurveEmbeddings`]; a light curve without a usable observation has NaN there and `num_points` 0.

    Raises:
        ValueError: unequal lengths, values that are not numbers, times that cannot be days, or a model whose output is not
            finite.
    """
    embedder = LightCurveEmbedder(model, feature_extractor, batch_size)
    curves = RaggedLightCurves.from_arrays(mjd, mag)
    return embedder.embed(curves, return_windows=return_windows, return_observations=return_observations)


@dataclass
class EmbeddingReport:
    """What `embed_table` did: light curves written, the ids of those without an embedding, observations dropped."""

    num_objects: int = 0
    num_windows: int = 0
    num_points: int = 0
    dropped_points: int = 0
    not_embedded: list[str] = field(default_factory=list)


def embed_table(
    source: str | Path,
    output: str | Path,
    model: Any,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    level: str = "object",
    show_progress: bool = True,
    description: Mapping[str, str] | None = None,
) -> EmbeddingReport:
    """Embed a table of light curves into a parquet table, in its order and in bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them), `num_points`, `num_windows`,
    `dropped_points` and `embedding` (D float32 values; null for a light curve without a usable observation, which is never left
    out). It is written beside its final name and appears complete or not at all.

    Args:
        source: parquet or CSV, see `iter_light_curves`.
        output: a `.parquet` file; replaced if it exists.
        model: an ASTROMER model.
        feature_extractor, batch_size: as for `embed_light_curves`.
        objects_per_chunk: light curves held in memory at a time.
        columns: names of the source's columns where guessing is not enough.
        level: `"object"`; `"window"` adds the column `window_embeddings`, `"observation"` the column
            `observation_embeddings`, lists of embeddings.
        show_progress: draw a progress bar.
        description: entries for the output's schema metadata, such as the model's name.

    Raises:
        FileNotFoundError: no such source, or no folder for the output.
        TableError: the source holds no light curves that can be read.
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise ValueError(f"The output must be a .parquet file, got {output.name}.")
    if level not in ("object", "window", "observation"):
        raise ValueError(f'`level` must be "object", "window" or "observation", got {level!r}.')
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent} for the output.")
    if output.is_dir() or (output.exists() and Path(source).exists() and output.samefile(source)):
        raise ValueError(f"The output {output} must be a new file, not {'a folder' if output.is_dir() else 'the source'}.")
    embedder = LightCurveEmbedder(model, feature_extractor, batch_size)
    report = EmbeddingReport()
    writer: pq.ParquetWriter | None = None
    handle, partial = tempfile.mkstemp(prefix=f".{output.name}-", suffix=".partial", dir=output.absolute().parent)
    os.close(handle)
    try:
        total = count_light_curves(source) if Path(source).exists() else None
        with tqdm(total=total, unit=" curves", disable=None if show_progress else True) as progress:
            for chunk in iter_light_curves(source, objects_per_chunk=objects_per_chunk, columns=columns):
                table = _embed_chunk(embedder, chunk, level, report)
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


def _embed_chunk(embedder: LightCurveEmbedder, chunk: LightCurveChunk, level: str, report: EmbeddingReport) -> pa.Table:
    """Embed a chunk and count it into the report."""
    try:
        result = embedder.embed(chunk.curves, return_windows=level == "window", return_observations=level == "observation")
    except ValueError as error:
        message = re.sub(r"light curve (\d+)", lambda found: f"object {chunk.object_ids[int(found[1])].as_py()!r}", str(error))
        raise TableError(message) from error
    report.num_objects += len(chunk)
    report.num_windows += int(result.num_windows.sum())
    report.num_points += int(result.num_points.sum())
    report.dropped_points += int(result.dropped_points.sum())
    report.not_embedded += chunk.object_ids.filter(pa.array(result.num_points == 0)).fill_null("(no id)").to_pylist()

    width = result.object_embeddings.shape[1]
    columns = {
        "object_id": chunk.object_ids,
        **chunk.annotations,
        "num_points": pa.array(result.num_points, pa.int32()),
        "num_windows": pa.array(result.num_windows, pa.int32()),
        "dropped_points": pa.array(result.dropped_points, pa.int32()),
        "embedding": _vectors(result.object_embeddings, width, missing=result.num_points == 0),
    }
    if result.window_embeddings is not None:
        columns["window_embeddings"] = _lists(result.num_windows, _vectors(result.window_embeddings, width))
    if result.observation_embeddings is not None:
        flat = np.concatenate(result.observation_embeddings)
        columns["observation_embeddings"] = _lists(result.num_points, _vectors(flat, width))
    return pa.table(columns)


def _vectors(values: np.ndarray, width: int, missing: np.ndarray | None = None) -> pa.Array:
    """(N, D) float32 as an Arrow column of fixed-size lists, null where `missing`."""
    mask = None if missing is None or not missing.any() else pa.array(missing)
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, width, mask=mask)


def _lists(lengths: np.ndarray, values: pa.Array) -> pa.Array:
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)


def _mean_over_windows(pooled: np.ndarray, window_object: np.ndarray, length: np.ndarray, num_objects: int) -> np.ndarray:
    """Mean of (W, D) over the windows of each object, weighted by their observations; NaN for an object without."""
    means = np.full((num_objects, pooled.shape[1]), np.nan, dtype=np.float32)
    if len(length):
        present, first = np.unique(window_object, return_index=True)
        weights = length.astype(np.float64)
        totals = np.add.reduceat(pooled * weights[:, None], first, axis=0)
        means[present] = totals / np.add.reduceat(weights, first)[:, None]
    return means
