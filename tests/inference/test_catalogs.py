# Copyright 2026 The astromer_hf developers. MIT licence.
"""A catalogue's nested light curves get the embeddings that the same light curves have as arrays, on Dask as well."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from astromer_hf import AstromerModel
from astromer_hf.inference import catalogs
from astromer_hf.inference.catalogs import embed_catalog, embed_nested, models_loaded
from astromer_hf.inference.embedding import embed_light_curves
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.light_curves.source import iter_light_curves

npd = pytest.importorskip("nested_pandas", reason="the extra `lsdb` is not installed")
lsdb = pytest.importorskip("lsdb", reason="the extra `lsdb` is not installed")

QUICKLY = {"progress_bar": False, "should_write_skymap": False, "create_per_partition_statistics": False}
CURVES = [(curve.mjd, curve.mag) for curve in simulate_light_curves(40)]


def nest(curves: list[tuple[np.ndarray, np.ndarray]], bands: str = "g") -> "npd.NestedFrame":
    """One row an object, on the sky; the bands follow each other in every light curve."""
    rng = np.random.default_rng(0)
    objects = pd.DataFrame(
        {
            "object_id": [f"o{i}" for i in range(len(curves))],
            "ra": rng.uniform(0, 360, len(curves)),
            "dec": rng.uniform(-80, 80, len(curves)),
        }
    )
    rows = [
        pd.DataFrame({"mjd": mjd, "mag": mag, "band": [bands[j % len(bands)] for j in range(len(mjd))]}, index=[i] * len(mjd))
        for i, (mjd, mag) in enumerate(curves)
    ]
    return npd.NestedFrame(objects).join_nested(pd.concat(rows), "lightcurve")


def expected_embeddings(tiny_folder: Path, curves: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    model = AstromerModel.from_pretrained(tiny_folder)
    return embed_light_curves(model, [mjd for mjd, _ in curves], [mag for _, mag in curves]).object_embeddings


def assert_embeddings(column: pd.Series, expected: np.ndarray) -> None:
    np.testing.assert_allclose(np.stack(column.to_list()), expected, rtol=0, atol=1e-5)


def write_catalog(frame: "npd.NestedFrame", folder: Path, margin_arcsec: float | None) -> "lsdb.catalog.Catalog":
    """A HATS catalogue of several partitions on disk, opened. A margin takes `hats` seconds of compilation."""
    layout = {"partition_rows": 15, "margin_threshold": margin_arcsec, "should_generate_moc": False}
    catalog = lsdb.from_dataframe(frame, ra_column="ra", dec_column="dec", catalog_name="curves", **layout)
    catalog.write_catalog(folder, **QUICKLY)
    return lsdb.open_catalog(folder)


def test_a_nested_frame_gets_the_embeddings_of_its_light_curves(tiny_folder):
    frame = nest(CURVES)
    found = embed_nested(frame, model=str(tiny_folder))
    assert isinstance(found, npd.NestedFrame)
    assert list(found.columns) == [*frame.columns, "embedding"]
    assert found["embedding"].dtype == catalogs.EMBEDDING_TYPE
    assert_embeddings(found["embedding"], expected_embeddings(tiny_folder, CURVES))


def test_any_index_and_rows_without_a_light_curve_keep_their_places(tiny_folder):
    empty = (np.array([]), np.array([]))
    frame = nest([CURVES[0], empty, CURVES[1], (np.array([1.0]), np.array([np.nan]))])
    frame.index = [7, 3, 7, 1]
    found = embed_nested(frame, model=str(tiny_folder))
    assert list(found.index) == [7, 3, 7, 1]
    assert list(found["embedding"].isna()) == [False, True, False, True]
    assert_embeddings(found["embedding"].dropna(), expected_embeddings(tiny_folder, CURVES[:2]))


def test_a_light_curve_of_seconds_is_null_and_told_and_the_others_are_embedded(tiny_folder, caplog):
    frame = nest([CURVES[0], (CURVES[1][0] * 86400, CURVES[1][1]), CURVES[2]])
    found = embed_nested(frame, model=str(tiny_folder))
    assert list(found["embedding"].isna()) == [False, True, False]
    assert_embeddings(found["embedding"].dropna(), expected_embeddings(tiny_folder, [CURVES[0], CURVES[2]]))
    assert "1 light curves cannot be read, their embedding is null. Times must be days" in caplog.text


def test_one_band_is_embedded_and_several_are_not_mixed(tiny_folder):
    frame = nest(CURVES[:5], bands="gr")
    found = embed_nested(frame, band="r", model=str(tiny_folder))
    assert_embeddings(found["embedding"], expected_embeddings(tiny_folder, [(mjd[1::2], mag[1::2]) for mjd, mag in CURVES[:5]]))
    with pytest.raises(ValueError, match=r"'lightcurve' hold several bands \(g, r\): name the `band` to embed"):
        embed_nested(frame, model=str(tiny_folder))


def test_columns_that_are_not_there_are_named(tiny_folder):
    frame = nest(CURVES[:2])
    for wrong, kind, message in (
        ({"nested": "photometry"}, KeyError, "no column 'photometry'; there are: object_id, ra, dec, lightcurve"),
        ({"mjd": "hmjd"}, KeyError, "'lightcurve' has no field 'hmjd'; there are: mjd, mag, band"),
        ({"nested": "ra"}, ValueError, "'ra' must hold nested light curves, it holds float64"),
        ({"output": "ra"}, ValueError, "a column 'ra' already"),
    ):
        with pytest.raises(kind, match=message):
            embed_nested(frame, model=str(tiny_folder), **wrong)


def test_a_hats_catalogue_gets_a_column_of_embeddings_and_the_model_is_loaded_once(tmp_path, tiny_folder):
    catalog = write_catalog(nest(CURVES), tmp_path / "curves", margin_arcsec=None)
    assert catalog.npartitions > 2
    before = models_loaded()
    embedded = embed_catalog(catalog, model=str(tiny_folder), batch_size=16)
    assert models_loaded() == before  # nothing is computed yet
    assert list(embedded.columns) == [*catalog.columns, "embedding"]
    found = embedded.compute().sort_values("object_id", key=lambda ids: ids.str[1:].astype(int))
    assert models_loaded() == before + 1
    assert_embeddings(found["embedding"], expected_embeddings(tiny_folder, CURVES))
    embedded.write_catalog(tmp_path / "embedded", **QUICKLY)
    again = lsdb.open_catalog(tmp_path / "embedded").compute()
    assert len(again) == len(CURVES)
    assert again["embedding"].map(len).eq(TINY["hidden_size"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("curves", ["simulated", "real"])
def test_each_worker_of_a_dask_cluster_loads_the_model_once(tmp_path, tiny_folder, curves, request):
    distributed = pytest.importorskip("dask.distributed")
    pairs = CURVES
    if curves == "real":
        source = request.getfixturevalue("shared_data") / "sss_catalina_south.parquet"
        chunk = next(iter_light_curves(source, objects_per_chunk=40)).curves
        bounds = zip(chunk.offsets, chunk.offsets[1:], strict=False)
        pairs = [(chunk.times[low:high], chunk.magnitudes[low:high]) for low, high in bounds]
    catalog = write_catalog(nest(pairs), tmp_path / "curves", margin_arcsec=5.0)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = embed_catalog(catalog, model=str(tiny_folder)).compute()
        loads = client.run(models_loaded)
    assert len(loads) == 2
    assert max(loads.values()) == 1
    assert catalog.npartitions > sum(loads.values())
    found = found.sort_values("object_id", key=lambda ids: ids.str[1:].astype(int))
    assert_embeddings(found["embedding"], expected_embeddings(tiny_folder, pairs))
