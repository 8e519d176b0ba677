# Copyright 2026 The astromer_hf developers. MIT licence.
"""Embeddings of catalogues whose light curves are nested columns: nested-pandas frames, and LSDB catalogues on Dask.

The result is the same catalogue with one more column. Each Dask worker process loads the model once. `embedding.py` embeds.
"""

import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..hub.load import default_model_folder, load_encoder
from ..model.feature_extraction_astromer import RaggedLightCurves
from ..model.times_astromer import check_time_precision
from .embedding import LightCurveEmbedder

if TYPE_CHECKING:
    import lsdb
    from nested_pandas import NestedFrame

logger = logging.getLogger(__name__)

EMBEDDING_TYPE = pd.ArrowDtype(pa.list_(pa.float32()))
_LOADING = threading.Lock()


@functools.lru_cache(maxsize=2)
def _load_embedder(model: str, revision: str | None, device: str, dtype: str, batch_size: int | None) -> LightCurveEmbedder:
    return LightCurveEmbedder(*load_encoder(model, revision, device, dtype), batch_size)


def worker_embedder(
    model: str | None = None,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    batch_size: int | None = None,
) -> LightCurveEmbedder:
    """The embedder of this process, loaded at the first call with these arguments and cached. Threads wait for each other."""
    with _LOADING:
        return _load_embedder(model or str(default_model_folder()), revision, device, dtype, batch_size)


def models_loaded() -> int:
    """How many models this process has loaded for `embed_nested`."""
    return _load_embedder.cache_info().misses


def embed_nested(
    frame: "NestedFrame",
    nested: str = "lightcurve",
    *,
    mjd: str = "mjd",
    mag: str = "mag",
    band_column: str = "band",
    band: str | None = None,
    output: str = "embedding",
    model: str | None = None,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    batch_size: int | None = None,
) -> "NestedFrame":
    """A nested-pandas frame with a new column of embeddings.

    Args:
        frame: with a nested column of light curves.
        nested: name of that column.
        mjd, mag: its fields of times in days and of magnitudes.
        band_column, band: the field with the band, and the band to embed; needed if light curves hold several bands.
        output: name of the new column: lists of D float32 values, null if there is no usable observation, or
            times cannot be days, of which the log tells.
        model, revision, device, dtype, batch_size: see `hub.load_model` and `WindowRunner`; the package's model when absent.

    Raises:
        KeyError: there is no such column or field.
        ValueError: the column is not nested, `output` exists already, or light curves hold several bands and `band` is missing.
    """
    if nested not in frame.columns:
        raise KeyError(f"There is no column {nested!r}; there are: {', '.join(map(str, frame.columns))}.")
    if output in frame.columns:
        raise ValueError(f"There is a column {output!r} already: name another one by `output`.")
    curves = nested_light_curves(frame[nested], mjd=mjd, mag=mag, band_column=band_column, band=band)
    if not len(frame):  # Dask infers the columns from an empty frame
        return frame.assign(**{output: pd.Series([], dtype=EMBEDDING_TYPE, index=frame.index)})
    if refused := curves.find_not_days():
        logger.warning(
            "%d light curves cannot be read, their embedding is null. %s", len(refused), next(iter(refused.values()))
        )
        curves = curves.without_points_of([*refused])
    result = worker_embedder(model, revision, device, dtype, batch_size).embed(curves)
    width = result.object_embeddings.shape[1]
    missing = result.num_points == 0
    offsets = np.arange(len(curves) + 1, dtype=np.int32) * width
    lists = pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(result.object_embeddings.ravel(), pa.float32()), mask=pa.array(missing)
    )
    return frame.assign(**{output: pd.Series(lists, dtype=EMBEDDING_TYPE, index=frame.index)})


def nested_light_curves(
    column: Any, *, mjd: str = "mjd", mag: str = "mag", band_column: str = "band", band: str | None = None
) -> RaggedLightCurves:
    """The light curves of a nested column, one per row, in one band; see `embed_nested`."""
    if not hasattr(column.array, "list_lengths"):
        raise ValueError(f"The column {column.name!r} must hold nested light curves, it holds {column.dtype}.")
    has_bands = band_column in column.nest.columns
    needed = [mjd, mag, *([band_column] if has_bands or band is not None else [])]
    if absent := [field for field in needed if field not in column.nest.columns]:
        raise KeyError(f"{column.name!r} has no field {absent[0]!r}; there are: {', '.join(column.nest.columns)}.")
    flat = column.nest.to_flat(needed)
    lengths = np.asarray(column.array.list_lengths, dtype=np.int64)
    times, magnitudes = (flat[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in (mjd, mag))
    kind = getattr(flat[mjd].dtype, "pyarrow_dtype", flat[mjd].dtype)
    check_time_precision(times, kind, f"The field {mjd!r} of {column.name!r}")
    curves = RaggedLightCurves(times, magnitudes, None, np.concatenate(([0], np.cumsum(lengths))))
    if not has_bands:
        return curves
    bands = flat[band_column].astype("string")
    if band is not None:
        return curves.keep((bands == band).fillna(False).to_numpy(dtype=bool))
    codes = pd.factorize(bands)[0]
    if ((np.diff(codes) != 0) & (np.diff(curves.object_index) == 0)).any():
        names = ", ".join(sorted(bands.dropna().unique()))
        raise ValueError(f"The light curves of {column.name!r} hold several bands ({names}): name the `band` to embed.")
    return curves


def embed_catalog(catalog: "lsdb.catalog.Catalog", nested: str = "lightcurve", **options: Any) -> "lsdb.catalog.Catalog":
    """An LSDB catalogue with a new column of embeddings, computed per partition when the catalogue is computed.

    Args:
        catalog: with a nested column of light curves, as `lsdb.open_catalog` returns it.
        nested: name of that column.
        options: of `embed_nested`. The workers must be able to read the model's folder.
    """
    empty = embed_nested(catalog.meta, nested, **options)
    return catalog.map_partitions(embed_nested, nested, meta=empty, **options)
