# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves + model -> one embedding an object.

Before it stands `runner.py`; after it whatever uses embeddings: a classifier, a map, a search. An object's embedding is the
mean of its windows' `pooler_output`, weighted by their observations; of an object in several bands there is one for each, or
they are combined, see `light_curves/bands.py`.
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
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves, cut_windows, mean_over_windows
from .runner import TableReport, WindowRunner, map_table


@dataclass(frozen=True)
class LightCurveEmbeddings:
    """Embeddings of N light curves in input order, or of N objects in several bands.

    Args:
        object_embeddings (`np.ndarray` of shape `(N, D)`, float32): NaN for light curves without a usable observation;
            `(N, K·D)` where K bands are concatenated, with zeros for those that an object lacks.
        num_points (`np.ndarray` of shape `(N,)`): usable observations of each.
        num_windows (`np.ndarray` of shape `(N,)`): windows they were cut into.
        dropped_points (`np.ndarray` of shape `(N,)`): observations left out (no finite time or magnitude).
        window_embeddings (`np.ndarray` of shape `(W, D)`, float32, *optional*): of every window, objects in order.
        window_object (`np.ndarray` of shape `(W,)`, *optional*): the light curve of each window.
        observation_embeddings (`list[np.ndarray]`, *optional*): `(num_points, D)` float32 for each light curve, sorted by
            time, every usable observation once.
        bands (`tuple[str, ...]`, *optional*): where bands are combined, their names, in order.
        has_band (`np.ndarray` of shape `(N, K)`, bool, *optional*): which of them each object has.
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
    """A model ready to embed.

    Args:
        model ([`AstromerModel`]): or a model with a head, whose encoder is taken; it is switched to evaluation mode.
        feature_extractor, batch_size: see `WindowRunner`.
    """

    def __init__(self, model: Any, feature_extractor: AstromerFeatureExtractor | None = None, batch_size: int | None = None):
        self.runner = WindowRunner(model.base_model, feature_extractor, batch_size)

    def embed(
        self, curves: RaggedLightCurves, *, return_windows: bool = False, return_observations: bool = False
    ) -> LightCurveEmbeddings:
        """Embed light curves as they come: cleaned, cut, batched by length and put back into their order."""
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
        batch_size: windows a forward pass, see `WindowRunner`.
        return_windows: also return the embedding of every window.
        return_observations: also return the embedding of every observation.

    Returns:
        [`LightCurveEmbeddings`]; a light curve without a usable observation has NaN there and `num_points` 0.

    Raises:
        ValueError: unequal lengths, values that are not numbers, times that cannot be days, or a model whose output is not
            finite.
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
    """Embed the light curves of objects in several bands, one by one, and combine those of an object.

    Args:
        model: an ASTROMER model.
        object_id, band, mjd, mag, magerr: of every light curve; errors are optional.
        combine_bands: `"mean"`, in which every band that an object has weighs the same, or `"concat"`.
        bands: to combine, in this order; the others are left out. When absent, all for a mean, and the `bands` of the model's
            configuration for a concatenation.
        feature_extractor, batch_size: as for `embed_light_curves`.

    Returns:
        [`LightCurveEmbeddings`] of the objects, in the order in which their ids first appear, with `object_ids` and `has_band`.

    Raises:
        ValueError: as `embed_light_curves`; or there is no order to concatenate in, or a light curve has no id or no band.
    """
    if bands is None:
        bands = names_of_bands(band) if combine_bands == "mean" else model.config.bands
    if bands is None:
        found = ", ".join(names_of_bands(band))
        raise ValueError(f"Bands are concatenated in an order, and none is given: give `bands`. There are {found}.")
    curves = MultibandLightCurves.from_arrays(object_id, band, mjd, mag, BandCombination(combine_bands, tuple(bands)), magerr)
    result = LightCurveEmbedder(model, feature_extractor, batch_size).embed_objects(curves)
    return replace(result, object_ids=list(dict.fromkeys(map(str, object_id))))


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
) -> TableReport:
    """Embed a table of light curves into a parquet table, in its order and in bounded memory.

    The output has the columns `object_id`, `band` and `label` (where the source has them), `num_points`, `num_windows`,
    `dropped_points` and `embedding` (D float32 values; null for a light curve without a usable observation, which is never left
    out). It is written beside its final name and appears complete or not at all.

    With `combine_bands` it has one row an object instead of one a light curve, in the order in which the objects first appear.
    The column `bands` then lists the bands that an object has, in their order, in place of `band`; the counts are of all of
    them, and `label` is the one that its light curves agree in. Memory stays bounded where the rows of an object stand
    together.

    Args:
        source: a path, a table in memory or a source that is open, see `LightCurveSource.open`.
        output: a `.parquet` file; replaced if it exists.
        model: an ASTROMER model.
        feature_extractor, batch_size: as for `embed_light_curves`.
        objects_per_chunk: light curves held in memory at a time.
        columns: names of the source's columns where guessing is not enough.
        level: `"object"`; `"window"` adds the column `window_embeddings`, `"observation"` the column
            `observation_embeddings`, lists of embeddings.
        show_progress: draw a progress bar.
        description: entries for the output's schema metadata, such as the model's name.
        rows: these rows of the source only, see `map_table`.
        combine_bands: `"mean"`: the mean over the bands that an object has, each of which weighs the same; `"concat"`: K·D
            values, those of one band after the other, zeros for a band that it lacks; or a combination that `choose_bands` has
            found.
        bands: to combine, in this order; the others are left out. When absent, all for a mean, and the `bands` of the model's
            configuration for a concatenation.

    Raises:
        FileNotFoundError: no such source, or no folder for the output.
        TableError: the source holds no light curves that can be read, or no bands that can be combined.
    """
    if level not in ("object", "window", "observation"):
        raise ValueError(f'`level` must be "object", "window" or "observation", got {level!r}.')
    combination = choose_bands_to_embed(source, model, combine_bands, bands, columns=columns, level=level)
    if combination is not None:
        description = {**(description or {}), **combination.description}
    embedder = LightCurveEmbedder(model, feature_extractor, batch_size)

    def process(curves: Any) -> dict[str, pa.Array]:
        if combination is not None:
            return _as_columns(embedder.embed_objects(curves))
        return _as_columns(embedder.embed(curves, return_windows=level == "window", return_observations=level == "observation"))

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
    """How `embed_table` combines the bands of a table, None where it does not; see there for the arguments.

    Raises:
        FileNotFoundError, TableError: as `choose_bands`.
        ValueError: as `choose_bands`; or bands are given and no way to combine them, or something finer than objects is wanted.
    """
    if combine_bands is None:
        if bands is not None:
            raise ValueError("`bands` are those to combine: say how, `combine_bands`.")
        return None
    if level != "object":
        raise ValueError(f'Bands are combined to one embedding an object: leave `level` at "object", got {level!r}.')
    if isinstance(combine_bands, BandCombination):
        return combine_bands
    if bands is None and combine_bands == "concat":
        bands = model.config.bands
    return choose_bands(source, combine_bands, bands, columns=columns)


def _as_columns(result: LightCurveEmbeddings) -> dict[str, pa.Array]:
    """Embeddings as Arrow columns, a row an object."""
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
