# Copyright 2026 The astromer_hf developers. MIT licence.
"""Embed light curves: one embedding per object.

An object's embedding is the mean of the `pooler_output` of its windows, weighted by their numbers of observations. An object in
several bands has one embedding per band, or they are combined, see `light_curves/bands.py`. `runner.py` runs the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

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
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, cut_windows, mean_over_windows
from ..model.inference_astromer import unwrap
from .period_tables import period_columns
from .runner import TableReport, WindowRunner, map_table


@dataclass(frozen=True)
class LightCurveEmbeddings:
    """Embeddings of N light curves in input order, or of N objects in several bands.

    Args:
        object_embeddings (`np.ndarray` of shape `(N, D)`, float32): NaN for light curves without a usable observation. Where K
            bands are concatenated `(N, K·D)`, with zeros for bands that an object lacks.
        num_points (`np.ndarray` of shape `(N,)`): usable observations of each.
        num_windows (`np.ndarray` of shape `(N,)`): windows of each.
        dropped_points (`np.ndarray` of shape `(N,)`): observations left out (no finite time or magnitude).
        window_embeddings (`np.ndarray` of shape `(W, D)`, float32, *optional*): of every window, objects in order.
        window_object (`np.ndarray` of shape `(W,)`, *optional*): the light curve of each window.
        observation_embeddings (`list[np.ndarray]`, *optional*): `(num_points, D)` float32 for each light curve, sorted by
            time, every usable observation once.
        bands (`tuple[str, ...]`, *optional*): names of the combined bands, in order.
        has_band (`np.ndarray` of shape `(N, K)`, bool, *optional*): the bands that each object has.
        object_ids (`list[str]`, *optional*): of the objects, where bands are combined in memory.
    """

    object_embeddings: np.ndarray
    num_points: np.ndarray
    num_windows: np.ndarray
    dropped_points: np.ndarray
    window_embeddings: np.ndarray | None = None
    window_object: np.ndarray | None = None
    observation_embeddings: list[np.ndarray] | None = None
    bands: tuple[str, ...] | None = None
    has_band: np.ndarray | None = None
    object_ids: list[str] | None = None

    def __len__(self) -> int:
        return len(self.object_embeddings)


class LightCurveEmbedder:
    """A model prepared for embedding.

    Args:
        model ([`AstromerModel`]): or a model with a head, whose encoder is used; it runs in evaluation mode, and is
            left as it is.
        feature_extractor, batch_size: see `WindowRunner`.
    """

    def __init__(self, model: Any, feature_extractor: AstromerFeatureExtractor | None = None, batch_size: int | None = None):
        self.runner = WindowRunner(unwrap(model).base_model, feature_extractor, batch_size)

    def embed(
        self, curves: RaggedLightCurves, *, return_windows: bool = False, return_observations: bool = False
    ) -> LightCurveEmbeddings:
        """Embed light curves: clean, cut, batch by length, and return results in input order."""
        curves, dropped = curves.clean()
        windows = self.runner.cut(curves)
        window_object, start, length = windows
        width = self.runner.model.config.hidden_size
        pooled = np.empty((len(length), width), dtype=np.float32)
        per_observation = np.empty((curves.offsets[-1], width), dtype=np.float32) if return_observations else None

        for batch, outputs in self.runner.iter_outputs(curves, windows):
            pooled[batch] = outputs.pooler_output.float().cpu().numpy()
            if per_observation is not None:
                hidden = outputs.last_hidden_state.float().cpu().numpy()
                valid = np.arange(hidden.shape[1]) < length[batch][:, None]
                first = curves.offsets[window_object[batch]] + start[batch]
                per_observation[(first[:, None] + np.arange(hidden.shape[1]))[valid]] = hidden[valid]

        self.runner.check_finite(pooled, window_object, "embedding")
        return LightCurveEmbeddings(
            object_embeddings=mean_over_windows(pooled, window_object, length, len(curves)),
            num_points=curves.lengths,
            num_windows=np.bincount(window_object, minlength=len(curves)),
            dropped_points=dropped,
            window_embeddings=pooled if return_windows else None,
            window_object=window_object if return_windows else None,
            observation_embeddings=None if per_observation is None else np.split(per_observation, curves.offsets[1:])[:-1],
        )

    def embed_objects(self, curves: MultibandLightCurves) -> LightCurveEmbeddings:
        """Embed the light curves of each object one by one, and combine them."""
        result = self.embed(curves.light_curves, return_windows=True)
        assert result.window_embeddings is not None
        assert result.window_object is not None
        _, _, length = cut_windows(result.num_points, self.runner.extractor.window_size, "sequential")
        return LightCurveEmbeddings(
            object_embeddings=curves.combine(result.window_embeddings, result.window_object, length),
            num_points=curves.sum_per_object(result.num_points),
            num_windows=curves.sum_per_object(result.num_windows),
            dropped_points=curves.sum_per_object(result.dropped_points),
            bands=curves.combination.bands,
            has_band=curves.has_band(result.num_points),
        )


def embed_light_curves(
    model: Any,
    mjd: Any,
    mag: Any,
    magerr: Any = None,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
    return_windows: bool = False,
    return_observations: bool = False,
) -> LightCurveEmbeddings:
    """Embed one light curve or a list of them.

    Args:
        model: an ASTROMER model, with or without a head, on any device and in any dtype.
        mjd: observation times in days: a 1-d array, or a list of them.
        mag: magnitudes, likewise.
        magerr: errors of the magnitudes, likewise; used by a model with `config.use_magnitude_errors`.
        feature_extractor: cuts the windows; one with the model's `window_size` when absent.
        batch_size: windows in a forward pass, see `WindowRunner`.
        return_windows: also return the embedding of every window.
        return_observations: also return the embedding of every observation.

    Returns:
        [`LightCurveEmbeddings`]. A light curve without a usable observation has NaN and `num_points` 0.

    Raises:
        ValueError: lengths differ, values are not numbers, times cannot be days, or the model's output is not finite.
    """
    embedder = LightCurveEmbedder(model, feature_extractor, batch_size)
    curves = RaggedLightCurves.from_arrays(mjd, mag, magerr)
    return embedder.embed(curves, return_windows=return_windows, return_observations=return_observations)


def embed_multiband_light_curves(
    model: Any,
    object_id: Sequence[Any],
    band: Sequence[str],
    mjd: Sequence[Any],
    mag: Sequence[Any],
    magerr: Sequence[Any] | None = None,
    *,
    combine_bands: CombinationKind,
    bands: Sequence[str] | None = None,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
) -> LightCurveEmbeddings:
    """Embed the light curves of objects in several bands one by one, and combine those of each object.

    Args:
        model: an ASTROMER model.
        object_id, band, mjd, mag, magerr: of every light curve; errors are optional.
        combine_bands: `"mean"`, in which every band of an object has the same weight, or `"concat"`.
        bands: to combine, in this order; other bands are left out. The default is all bands for a mean, and the `bands` of the
            model's configuration for a concatenation.
        feature_extractor, batch_size: as for `embed_light_curves`.

    Returns:
        [`LightCurveEmbeddings`] of the objects, in the order in which their ids first appear, with `object_ids` and `has_band`.

    Raises:
        ValueError: as `embed_light_curves`; or the order for a concatenation is missing, or a light curve lacks an id or a
            band.
    """
    if bands is None:
        bands = names_of_bands(band) if combine_bands == "mean" else unwrap(model).config.bands
    if bands is None:
        found = ", ".join(names_of_bands(band))
        raise ValueError(f"`bands` is missing: a concatenation needs the order of the bands. There are {found}.")
    curves = MultibandLightCurves.from_arrays(object_id, band, mjd, mag, BandCombination(combine_bands, tuple(bands)), magerr)
    result = LightCurveEmbedder(model, feature_extractor, batch_size).embed_objects(curves)
    return replace(result, object_ids=list(dict.fromkeys(map(name_of, object_id))))


def embed_table(
    source: Any,
    output: str | Path,
    model: Any,
    *,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
    objects_per_chunk: int = 2048,
    columns: Mapping[str, str | None] | None = None,
    level: str = "object",
    show_progress: bool = True,
    description: Mapping[str, str] | None = None,
    rows: range | None = None,
    combine_bands: CombinationKind | BandCombination | None = None,
    bands: Sequence[str] | None = None,
    split: str | None = None,
    periods: bool = False,
) -> TableReport:
    """Embed a table of light curves into a parquet table, in the same order and with bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them), `num_points`, `num_windows`,
    `dropped_points` and `embedding` (D float32 values). A light curve without a usable observation keeps its row with a null
    embedding. The output is written to a temporary name and renamed when complete.

    With `combine_bands` there is one row per object, in the order in which the objects first appear. The column `bands`, which
    lists the bands of an object, replaces `band`. Counts are sums over the bands, and `label` is set where all light curves of
    an object agree. Memory is bounded if the rows of an object follow each other.

    Args:
        source: a path, a dataset of the Hub, a table in memory or an open source, see `LightCurveSource.open`.
        output: a `.parquet` file; overwritten if it exists.
        model: an ASTROMER model.
        feature_extractor, batch_size: as for `embed_light_curves`.
        objects_per_chunk: light curves in memory at a time.
        columns: names of the source's columns that cannot be guessed.
        level: `"object"`; `"window"` adds the column `window_embeddings`, `"observation"` the column
            `observation_embeddings`, lists of embeddings.
        show_progress: draw a progress bar.
        description: entries for the output's schema metadata, such as the model's name.
        rows: read only these rows of the source, see `map_table`.
        combine_bands: `"mean"`: the mean over the bands of an object, each with the same weight; `"concat"`: K·D values, one
            band after the other, with zeros for a missing band; or a combination that `choose_bands` returned.
        bands: to combine, in this order; other bands are left out. The default is all bands for a mean, and the `bands` of the
            model's configuration for a concatenation.
        split: of a dataset that has several.
        periods: add the columns of `period_columns`, the period of every row and its significance.

    Raises:
        FileNotFoundError: there is no such source, or no folder for the output.
        TableError: the source has no light curves that can be read, or no bands that can be combined.
    """
    if level not in ("object", "window", "observation"):
        raise ValueError(f'`level` must be "object", "window" or "observation", got {level!r}.')
    if split is not None:
        source = LightCurveSource.open(source, columns=columns, split=split)
    combination = choose_bands_to_embed(source, model, combine_bands, bands, columns=columns, level=level)
    if combination is not None:
        description = {**(description or {}), **combination.description}
    embedder = LightCurveEmbedder(model, feature_extractor, batch_size)

    def process(curves: Any) -> dict[str, pa.Array]:
        if combination is not None:
            result = embedder.embed_objects(curves)
        else:
            result = embedder.embed(curves, return_windows=level == "window", return_observations=level == "observation")
        return _as_columns(result) | (period_columns(curves) if periods else {})

    return map_table(
        source,
        output,
        process,
        objects_per_chunk=objects_per_chunk,
        columns=columns,
        show_progress=show_progress,
        description=description,
        rows=rows,
        combination=combination,
        runner=embedder.runner,
    )


def choose_bands_to_embed(
    source: Any,
    model: Any,
    combine_bands: CombinationKind | BandCombination | None,
    bands: Sequence[str] | None,
    *,
    columns: Mapping[str, str | None] | None = None,
    level: str = "object",
) -> BandCombination | None:
    """How `embed_table` combines the bands of a table, or None; see there for the arguments.

    Raises:
        FileNotFoundError, TableError: as `choose_bands`.
        ValueError: as `choose_bands`; or `bands` is given without `combine_bands`, or `level` is not `"object"`.
    """
    if combine_bands is None:
        if bands is not None:
            raise ValueError("`bands` needs `combine_bands`, which defines how they are combined.")
        return None
    if level != "object":
        raise ValueError(f'Combined bands give one embedding per object: leave `level` at "object", got {level!r}.')
    if isinstance(combine_bands, BandCombination):
        return combine_bands
    if bands is None and combine_bands == "concat":
        bands = unwrap(model).config.bands
    return choose_bands(source, combine_bands, bands, columns=columns)


def _as_columns(result: LightCurveEmbeddings) -> dict[str, pa.Array]:
    """Embeddings as Arrow columns, one row per object."""
    width = result.object_embeddings.shape[1]
    columns = list_bands(result.bands, result.has_band) | {
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
    return columns


def _vectors(values: np.ndarray, width: int, missing: np.ndarray | None = None) -> pa.Array:
    """(N, D) float32 as an Arrow column of fixed-size lists, null where `missing`."""
    mask = None if missing is None or not missing.any() else pa.array(missing)
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, width, mask=mask)


def _lists(lengths: np.ndarray, values: pa.Array) -> pa.Array:
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)
