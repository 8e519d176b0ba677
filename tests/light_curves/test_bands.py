# Copyright 2026 The astromer_hf developers. MIT licence.
"""Objects in several bands have one result each, the mean of their bands' or all together, whatever the order of the rows."""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from forks import run_forked
from test_source import LAYOUTS, interleave, to_measurements
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.cli.main import main
from astromer_hf.hub.check import check_test_vector, make_test_vector
from astromer_hf.inference.classification import (
    LightCurveClassifier,
    classify_light_curves,
    classify_multiband_light_curves,
    classify_table,
)
from astromer_hf.inference.embedding import embed_light_curves, embed_multiband_light_curves, embed_table
from astromer_hf.inference.sharded_embedding import SUCCESS_FILE, embed_shards, plan_shards
from astromer_hf.light_curves.bands import BandCombination, MultibandLightCurves, choose_bands, find_bands, iter_objects
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, LightCurve, VariableClass, simulate_light_curves, to_table
from astromer_hf.training.few_shot import Recipe, build_classifier
from astromer_hf.training.table_classifier import TrainedClassifier, train_table_classifier

WIDTH = TINY["hidden_size"]
SURVEY = replace(SIMULATED_SURVEYS["ztf_like"], min_points=5, max_points=120)
BANDS_OF = ["gr", "r", "rg", "igr", "g", "gir", "rg", "i"]  # of eight objects, in the order of their rows


def in_band(curve: LightCurve, band: str, amplitude_ratio: float, seed: int) -> LightCurve:
    """The same star in another band, with its amplitude there, at other times."""
    kept = np.sort(np.random.default_rng(seed).permutation(len(curve.mjd))[: max(3, 2 * len(curve.mjd) // 3)])
    mag = curve.mag.mean() + amplitude_ratio * (curve.mag[kept] - curve.mag.mean())
    return replace(curve, band=band, mjd=curve.mjd[kept] + 0.01, mag=mag, magerr=curve.magerr[kept])


def simulate_bands() -> list[LightCurve]:
    """The light curves of eight objects in up to three bands, those of an object together."""
    ratios = {"g": 1.3, "r": 1.0, "i": 0.8}
    stars = simulate_light_curves(len(BANDS_OF), seed=5, survey=SURVEY)
    return [
        in_band(star, band, ratios[band], 10 * number + place)
        for number, (star, bands) in enumerate(zip(stars, BANDS_OF, strict=True))
        for place, band in enumerate(bands)
    ]


CURVES = simulate_bands()
IDS, BANDS = [curve.object_id for curve in CURVES], [curve.band for curve in CURVES]
MJD, MAG = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]
OBJECTS = list(dict.fromkeys(IDS))


def expected_rows(values: np.ndarray, kind: str, bands: str) -> np.ndarray:
    """What becomes of `values` (R, D) of the light curves, object by object, spelled out."""
    rows = []
    for name in OBJECTS:
        own = {BANDS[i]: values[i] for i in range(len(IDS)) if IDS[i] == name and BANDS[i] in bands}
        nothing = np.full(values.shape[1], np.nan)
        if kind == "mean":
            rows.append(np.mean(list(own.values()), axis=0) if own else nothing)
        else:
            blank = np.zeros(values.shape[1]) if own else nothing
            rows.append(np.concatenate([own.get(band, blank) for band in bands]))
    return np.stack(rows)


def close(found: object, expected: object, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=np.float64), expected, rtol=0, atol=tolerance)


def read_embeddings(path: Path) -> tuple[pa.Table, np.ndarray]:
    """A table of embeddings, and they as an array; NaN for null."""
    table = pq.read_table(path)
    width = table.schema.field("embedding").type.list_size
    rows = [np.full(width, np.nan) if row is None else row for row in table["embedding"].to_pylist()]
    return table, np.array(rows)


@pytest.fixture(scope="module")
def model() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(AstromerConfig(**TINY)).eval()


@pytest.fixture(scope="module")
def single(model: AstromerModel) -> np.ndarray:
    """The embedding of every light curve by itself."""
    return embed_light_curves(model, MJD, MAG).object_embeddings


# --- Embeddings in memory ---


def test_light_curves_span_several_windows_and_bands_differ(single: np.ndarray):
    assert max(map(len, MJD)) > 2 * TINY["window_size"]
    assert np.abs(single[0] - single[1]).max() > 1e-3  # a mix-up would show


@pytest.mark.parametrize(
    ("kind", "bands"), [("mean", "gri"), ("mean", "gr"), ("concat", "gri"), ("concat", "rg"), ("concat", "g")]
)
def test_the_embedding_of_an_object_is_the_mean_or_the_concatenation_of_those_of_its_bands(model, single, kind, bands):
    result = embed_multiband_light_curves(model, IDS, BANDS, MJD, MAG, combine_bands=kind, bands=list(bands))
    close(result.object_embeddings, expected_rows(single, kind, bands))
    assert result.object_ids == OBJECTS
    assert result.bands == tuple(bands)
    assert [set(np.array(list(bands))[has]) for has in result.has_band] == [set(own) & set(bands) for own in BANDS_OF]
    lengths = np.array([len(times) if band in bands else 0 for times, band in zip(MJD, BANDS, strict=True)])
    assert result.num_points.tolist() == [lengths[np.array(IDS) == name].sum() for name in OBJECTS]


def test_a_mean_takes_all_bands_and_a_concatenation_those_of_the_configuration(model, single):
    result = embed_multiband_light_curves(model, IDS, BANDS, MJD, MAG, combine_bands="mean")
    assert result.bands == ("g", "i", "r")
    close(result.object_embeddings, expected_rows(single, "mean", "gir"))
    with_order = AstromerModel(AstromerConfig(**TINY, bands=["i", "g"])).eval()
    with_order.load_state_dict(model.state_dict())
    result = embed_multiband_light_curves(with_order, IDS, BANDS, MJD, MAG, combine_bands="concat")
    close(result.object_embeddings, expected_rows(single, "concat", "ig"))


def test_the_order_of_light_curves_changes_nothing_but_the_order_of_objects(model, single):
    order = np.random.default_rng(1).permutation(len(IDS))
    ids, bands, mjd, mag = ([values[i] for i in order] for values in (IDS, BANDS, MJD, MAG))
    for kind in ("mean", "concat"):
        result = embed_multiband_light_curves(model, ids, bands, mjd, mag, combine_bands=kind, bands=["g", "r", "i"])
        assert result.object_ids == list(dict.fromkeys(ids))
        back = [result.object_ids.index(name) for name in OBJECTS]
        close(result.object_embeddings[back], expected_rows(single, kind, "gri"))


def test_a_band_weighs_the_same_however_often_it_was_observed(model):
    long, short = np.arange(57.0), np.arange(4.0)
    mag = [15 + np.sin(long), 14 + 0.1 * short]
    embeddings = embed_light_curves(model, [long, short], mag).object_embeddings
    result = embed_multiband_light_curves(model, ["a", "a"], ["g", "r"], [long, short], mag, combine_bands="mean")
    close(result.object_embeddings[0], embeddings.mean(0))


def test_a_band_without_a_usable_observation_is_one_that_the_object_lacks(model, single):
    mag = list(MAG)
    mag[0] = np.full(len(MJD[0]), 99.999)  # g of the first object, which has r too
    mag[-1] = np.full(len(MJD[-1]), np.nan)  # the one band of the last object
    concat, mean = (
        embed_multiband_light_curves(model, IDS, BANDS, MJD, mag, combine_bands=kind, bands=["g", "r", "i"])
        for kind in ("concat", "mean")
    )
    close(concat.object_embeddings[0], np.concatenate([np.zeros(WIDTH), single[1], np.zeros(WIDTH)]))
    close(mean.object_embeddings[0], single[1])
    assert concat.has_band[0].tolist() == [False, True, False]
    assert concat.dropped_points[[0, -1]].tolist() == [len(MJD[0]), len(MJD[-1])]
    assert not concat.has_band[-1].any()
    for result in (concat, mean):
        assert np.isnan(result.object_embeddings[-1]).all()
        assert np.isfinite(result.object_embeddings[:-1]).all()


def test_several_light_curves_of_an_object_in_a_band_count_as_windows_of_one(model):
    times = np.arange(30.0), np.arange(10.0), np.arange(25.0)
    mag = [15 + 0.3 * np.sin(own * rate) for own, rate in zip(times, (1.0, 2.0, 3.0), strict=True)]
    g1, g2, r = embed_light_curves(model, list(times), mag).object_embeddings
    result = embed_multiband_light_curves(
        model, ["a"] * 3, ["g", "g", "r"], times, mag, combine_bands="concat", bands=["g", "r"]
    )
    # Two windows of 20 observations, since the last of 30 is shifted back, and one of 10.
    close(result.object_embeddings[0], np.concatenate([(40 * g1 + 10 * g2) / 50, r]))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            {},
            {"combine_bands": "concat"},
            r"`bands` is missing: a concatenation needs the order of the bands. There are g, i, r",
        ),
        ({}, {"combine_bands": "concat", "bands": ["g", "g"]}, "unlike names that are not empty, got g, g"),
        ({}, {"combine_bands": "sum", "bands": ["g"]}, 'by "mean" or "concat", got \'sum\''),
        ({"band": BANDS[:-1]}, {"combine_bands": "mean"}, f"{len(IDS)} ids, {len(IDS) - 1} bands and {len(IDS)} light curves"),
        ({"object_id": [None, *IDS[1:]]}, {"combine_bands": "mean"}, "1 light curves have no id"),
        ({"band": ["", *BANDS[1:]]}, {"combine_bands": "mean", "bands": ["g"]}, "1 light curves have no band"),
        ({"band": [None, *BANDS[1:]]}, {"combine_bands": "mean"}, "1 light curves have no band"),
        ({"band": [None] * len(IDS)}, {"combine_bands": "concat", "bands": ["g"]}, "No light curve has a band"),
        ({"band": [float("nan"), *BANDS[1:]]}, {"combine_bands": "concat", "bands": ["g"]}, "1 light curves have no band"),
    ],
)
def test_what_cannot_be_combined_is_refused(model, change, options, message):
    arguments = {"object_id": IDS, "band": BANDS, "mjd": MJD, "mag": MAG} | change
    with pytest.raises(ValueError, match=message):
        embed_multiband_light_curves(model, **arguments, **options)


def test_objects_are_selected_and_joined_with_their_bands():
    combination = BandCombination("concat", ("g", "r"))
    curves = MultibandLightCurves.from_arrays(IDS, BANDS, MJD, MAG, combination)
    chosen = curves.select(np.array([5, 0, 7]))  # the last has neither band
    assert len(chosen) == 3
    assert chosen.object_index.tolist() == [0, 0, 1, 1]
    assert [BANDS_OF[i] for i in (5, 0, 7)] == ["gir", "gr", "i"]
    joined = MultibandLightCurves.concatenate([curves.select(np.array([1, 7])), chosen])
    assert joined.object_index.tolist() == [0, 2, 2, 3, 3]
    assert joined.band_index.tolist() == [1, 0, 1, 0, 1]
    np.testing.assert_array_equal(joined.light_curves.select(np.array([0])).times, MJD[IDS.index(OBJECTS[1])])


# --- Tables ---


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["mean", "concat"])
def test_every_layout_gives_one_row_an_object(tmp_path, model, single, layout, kind):
    source = LAYOUTS[layout](tmp_path, to_table(CURVES))
    report = embed_table(
        source, tmp_path / "out.parquet", model, objects_per_chunk=3, combine_bands=kind, bands=["r", "g"], show_progress=False
    )
    table, embeddings = read_embeddings(tmp_path / "out.parquet")
    assert table.column_names[:3] == ["object_id", "label", "bands"]
    assert table["object_id"].to_pylist() == OBJECTS
    assert table["bands"].to_pylist() == [[band for band in "rg" if band in own] for own in BANDS_OF]
    assert table["label"].to_pylist() == [CURVES[IDS.index(name)].label for name in OBJECTS]
    close(embeddings, expected_rows(single, kind, "rg"))
    assert (report.num_objects, report.without_result) == (len(OBJECTS), [OBJECTS[-1]])
    metadata = pq.read_schema(tmp_path / "out.parquet").metadata
    assert (metadata[b"astromer_hf.band_combination"], json.loads(metadata[b"astromer_hf.bands"])) == (
        kind.encode(),
        ["r", "g"],
    )


ORDERS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "bands one after the other": lambda table: table.sort_values("band", kind="stable"),
    "shuffled": lambda table: table.sample(frac=1, random_state=3),
    "bands turned round": lambda table: table.iloc[::-1],
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_a_tables_rows_changes_nothing_but_the_order_of_objects(tmp_path, model, single, order, caplog):
    table = ORDERS[order](to_table(CURVES).to_pandas()).reset_index(drop=True)
    pq.write_table(pa.Table.from_pandas(table), tmp_path / "in.parquet", row_group_size=3)
    options = {"objects_per_chunk": 3, "show_progress": False, "combine_bands": "concat", "bands": ["g", "r", "i"]}
    embed_table(tmp_path / "in.parquet", tmp_path / "out.parquet", model, **options)
    found, embeddings = read_embeddings(tmp_path / "out.parquet")
    assert found["object_id"].to_pylist() == list(dict.fromkeys(table["object_id"]))
    back = [found["object_id"].to_pylist().index(name) for name in OBJECTS]
    close(embeddings[back], expected_rows(single, "concat", "gri"))
    assert ("do not stand together: grouping in memory" in caplog.text) == (order != "bands turned round")


def test_objects_whose_rows_stand_together_are_read_a_few_at_a_time_and_never_cut(tmp_path):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    combination = choose_bands(source, "mean")
    for size in (1, 2, 5):
        chunks = list(iter_objects(source, combination, objects_per_chunk=size))
        assert [name for chunk in chunks for name in chunk.object_ids.to_pylist()] == OBJECTS
        assert sum(chunk.num_light_curves for chunk in chunks) == len(CURVES)
        assert max(chunk.num_light_curves for chunk in chunks) <= size + 2  # an object has three at the most
        assert len(chunks) > 1


def test_memory_does_not_grow_with_a_table_of_bands(tmp_path, tiny_folder):
    def write(name: str, num_objects: int) -> Path:
        """Light curves of 2000 observations in two bands, most of them unusable, so that little is to be computed."""
        offsets = pa.array(np.arange(2 * num_objects + 1) * 2000, pa.int32())
        values = np.random.default_rng(0).random((2, 2 * num_objects, 2000))
        values[1, :, 20:] = 99.999
        mjd, mag = (pa.ListArray.from_arrays(offsets, pa.array(column.ravel())) for column in values)
        ids = np.repeat([f"object {i}" for i in range(num_objects)], 2)
        table = pa.table({"id": ids, "band": ["g", "r"] * num_objects, "mjd": mjd, "mag": mag})
        pq.write_table(table, tmp_path / name, compression="none", use_dictionary=False)
        return tmp_path / name

    small, large = write("small.parquet", 64), write("large.parquet", 1000)
    code = """
import resource, sys
from astromer_hf import AstromerModel
from astromer_hf import embed_table
model = AstromerModel.from_pretrained(sys.argv[1])
for source in sys.argv[2:]:
    options = {"batch_size": 256, "objects_per_chunk": 32, "combine_bands": "mean", "show_progress": False}
    embed_table(source, source + ".out.parquet", model, **options)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = run_forked("-c", code, tiny_folder, small, large)
    assert done.returncode == 0, done.stderr
    after_small, after_large = (int(line) for line in done.stdout.split())
    grown = (after_large - after_small) / (2**20 if sys.platform == "darwin" else 2**10)
    read = large.stat().st_size / 2**20
    assert read > 60
    assert grown < 0.25 * read, f"memory grew by {grown:.0f} MiB while {read:.0f} MiB were read"


def test_bands_that_are_not_there_or_not_asked_for_are_said(tmp_path, caplog):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    assert find_bands(source) == ("g", "i", "r")
    assert choose_bands(source, "mean").bands == ("g", "i", "r")
    assert not caplog.records
    assert choose_bands(source, "concat", ["r", "z"]).bands == ("r", "z")
    assert caplog.messages == [
        "curves.parquet has no light curve in z; its bands are g, i, r.",
        "Light curves in g, i are left out: r, z are combined.",
    ]


def test_a_label_is_the_one_that_the_bands_agree_in(tmp_path, model, caplog):
    table = to_table(CURVES[:6])  # of objects with the bands gr, r, rg and, cut here, i
    labels = pa.array(["RRab", None, "EC", "RRab", "RRc", ""])
    pq.write_table(table.set_column(table.column_names.index("label"), "label", labels), tmp_path / "in.parquet")
    embed_table(tmp_path / "in.parquet", tmp_path / "out.parquet", model, combine_bands="mean", show_progress=False)
    assert pq.read_table(tmp_path / "out.parquet")["label"].to_pylist() == ["RRab", "EC", None, None]
    assert f"1 objects, such as {OBJECTS[2]}, have another label in one band than in another" in caplog.text


@pytest.mark.parametrize(
    ("edit", "options", "message"),
    [
        (None, {"combine_bands": "concat"}, r"none is given: name it \(--bands\). in.parquet has the bands g, i, r"),
        (None, {"combine_bands": "concat", "bands": ["u", "y"]}, "no light curve in u or y; its bands are g, i, r"),
        (None, {"bands": ["g"]}, "`bands` needs `combine_bands`"),
        (None, {"combine_bands": "mean", "level": "window"}, "leave `level` at \"object\", got 'window'"),
        (None, {"combine_bands": "median"}, "got 'median'"),
        (lambda table: table.drop_columns("band"), {"combine_bands": "mean"}, r"no column for band.*\(--band-column\)"),
        (
            lambda table: table.set_column(1, "band", [[None, "", *BANDS[2:]]]),
            {"combine_bands": "mean"},
            "2 rows of in.parquet have no band",
        ),
        (
            lambda table: table.set_column(1, "band", [[[band] for band in BANDS]]),
            {"combine_bands": "mean"},
            r"has \d+ values in 'mjd' and 1 in 'band'",
        ),
        (
            lambda table: table.set_column(0, "object_id", [[None, *IDS[1:]]]),
            {"combine_bands": "mean"},
            "1 light curves have no id",
        ),
    ],
)
def test_tables_whose_bands_cannot_be_combined_are_refused(tmp_path, model, edit, options, message):
    table = to_table(CURVES)
    pq.write_table(edit(table) if edit else table, tmp_path / "in.parquet")
    with pytest.raises(ValueError, match=message):
        embed_table(tmp_path / "in.parquet", tmp_path / "out.parquet", model, show_progress=False, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


# --- Shards ---


def test_shards_never_cut_an_object_and_together_are_the_table(tmp_path, model):
    source = tmp_path / "curves.parquet"
    pq.write_table(to_table(CURVES), source, row_group_size=2)
    options = {"combine_bands": "concat", "bands": ["g", "r"], "show_progress": False}
    embed_table(source, tmp_path / "whole.parquet", model, **options)
    expected, embeddings = read_embeddings(tmp_path / "whole.parquet")
    for size in (1, 2, 3, 5, 100):
        folder = tmp_path / f"shards-{size}"
        reports = [
            embed_shards(source, folder, model, worker=i, num_workers=2, objects_per_shard=size, **options) for i in (0, 1)
        ]
        assert (folder / SUCCESS_FILE).exists()
        parts = [read_embeddings(path) for path in sorted(folder.glob("part-*.parquet"))]
        assert [name for table, _ in parts for name in table["object_id"].to_pylist()] == expected["object_id"].to_pylist()
        close(np.concatenate([values for _, values in parts]), embeddings)
        assert sum(report.num_objects for report in reports) == len(OBJECTS)
        again = embed_shards(source, folder, model, objects_per_shard=size, **options)
        assert (again.written, again.found) == (0, len(parts))
        assert size == 100 or len(parts) > 1


def test_a_folder_that_was_begun_with_another_combination_is_refused(tmp_path, model):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    embed_shards(source, tmp_path / "out", model, combine_bands="mean", show_progress=False)
    for options in ({}, {"combine_bands": "mean", "bands": ["g"]}, {"combine_bands": "concat", "bands": ["g"]}):
        with pytest.raises(ValueError, match="begun with another combine_bands"):
            embed_shards(source, tmp_path / "out", model, show_progress=False, **options)


def test_objects_that_lie_in_two_files_or_apart_are_not_embedded_in_shards(tmp_path, model):
    (tmp_path / "two").mkdir()
    table = to_table(CURVES)
    for name, part in (("a", table.slice(0, 3)), ("b", table.slice(3))):  # object 2 has rows 3 and 4
        pq.write_table(part, tmp_path / "two" / f"{name}.parquet")
    assert [len(shard.rows) for shard in plan_shards(tmp_path / "two", by_object=True)] == [3, len(CURVES) - 3]
    for name, part in (("a", table.slice(0, 4)), ("b", table.slice(4))):
        pq.write_table(part, tmp_path / "two" / f"{name}.parquet")
    pq.write_table(table.take(np.argsort(BANDS, kind="stable")), tmp_path / "apart.parquet")
    for source in (tmp_path / "two", tmp_path / "apart.parquet"):
        with pytest.raises(TableError, match=r"must follow each other in one file.*sort the table by id"):
            embed_shards(source, tmp_path / "out", model, combine_bands="mean", show_progress=False)
    assert not (tmp_path / "out").exists()


# --- Classifiers ---

NAMES = {0: "EC", 1: "RRab", 2: "LPV"}
CONCAT = {"bands": ["g", "r"], "band_combination": "concat"}
HEADS = {
    "mlp": {},
    "linear": {"classifier_head": "linear"},
    "means and deviations": {"classifier_pooling": "mean_std", "classifier_batch_norm": True},
    "layer-skip": {"use_weighted_layer_sum": True, "classifier_pooling": "mean_std"},
    "all blocks": {"concatenate_layers": True, "classifier_pooling": "mean_std"},
}


def build(**fields: object) -> AstromerForSequenceClassification:
    torch.manual_seed(0)
    config = AstromerConfig(**{**TINY, "id2label": NAMES, "classifier_hidden_sizes": [8], **fields})
    return AstromerForSequenceClassification(config).eval()


def build_concat(**fields: object) -> AstromerForSequenceClassification:
    return build(**CONCAT, **fields)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("bands", ["gr", "g", "r"])
def test_what_classifies_a_table_is_what_the_model_computes_of_a_window_in_each_band(head, bands):
    """For light curves of one window both are the same: forward is defined on windows, the classifier on light curves."""
    model = build_concat(**HEADS[head])
    own = [i for i in range(2) if BANDS[i] in bands]  # of the first object
    mjd, mag = [MJD[i][:15] for i in own], [MAG[i][:15] for i in own]
    tensors = {name: torch.zeros(1, 2, 18) for name in ("magnitudes", "times", "attention_mask")}
    for i, times, magnitudes in zip(own, mjd, mag, strict=True):
        windows = AstromerFeatureExtractor(TINY["window_size"])(times, magnitudes, return_tensors="pt")
        for name, tensor in tensors.items():
            tensor[0, "gr".index(BANDS[i]), : windows[name].shape[1]] = windows[name][0]
    with torch.no_grad():
        outputs = model(**tensors, labels=torch.tensor([1]))
    assert outputs.logits.shape == (1, 3)
    assert outputs.loss.isfinite()
    found = classify_multiband_light_curves(model, ["a"] * len(own), [BANDS[i] for i in own], mjd, mag)
    close(found.values[0], outputs.logits[0].softmax(-1))
    assert found.has_band[0].tolist() == [band in bands for band in "gr"]


def test_what_stands_in_a_missing_band_and_in_padding_changes_nothing():
    model = build_concat(**HEADS["layer-skip"])
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(3, 2, 12)
    mask[0, 1], mask[1, 0], mask[2, :, 8:] = 0, 0, 0
    magnitudes, times = torch.randn(2, 3, 2, 12, generator=generator)
    with torch.no_grad():
        expected = model(magnitudes, times, mask).logits
        nonsense = torch.where(mask.bool(), magnitudes, 1e3), torch.where(mask.bool(), times, float("nan"))
        found = model(*nonsense, mask).logits
        close(found, expected)
        swapped = model(magnitudes.flip(1), times.flip(1), mask.flip(1)).logits
    assert (swapped - expected).abs().max() > 1e-3  # every band has weights of its own


@pytest.mark.parametrize("shape", [(2, 12), (2, 3, 12), (2, 1, 12)])
def test_windows_of_other_shapes_are_refused_with_the_bands(shape):
    with pytest.raises(
        ValueError, match=r"concatenates the bands g, r: `magnitudes` must have the shape \(objects, 2, length\)"
    ):
        build_concat()(torch.zeros(shape), torch.zeros(shape))


@pytest.mark.parametrize("problem_type", ["single_label_classification", "regression"])
def test_a_prediction_is_the_mean_over_bands_of_the_mean_over_windows(problem_type):
    model = build(problem_type=problem_type)
    single = classify_light_curves(model, MJD, MAG).values
    result = classify_multiband_light_curves(model, IDS, BANDS, MJD, MAG, combine_bands="mean")
    close(result.values, expected_rows(single, "mean", "gri"))
    assert result.object_ids == OBJECTS


def test_a_classifier_of_all_bands_sees_the_mean_of_the_windows_in_each():
    model = build_concat(classifier_head="linear")
    embeddings = embed_multiband_light_curves(model, IDS, BANDS, MJD, MAG, combine_bands="concat")
    result = classify_multiband_light_curves(model, IDS, BANDS, MJD, MAG)
    layer = model.classifier.head.layers[-1]
    with torch.no_grad():
        expected = layer(torch.from_numpy(embeddings.object_embeddings)).softmax(-1)
    close(result.values, expected)
    assert np.isnan(result.values[-1]).all()  # i alone
    assert result.num_windows.tolist() == embeddings.num_windows.tolist()


def test_a_table_is_classified_by_the_bands_of_the_model(tmp_path):
    source = LAYOUTS["interleaved.parquet"](tmp_path, to_table(CURVES))
    model = build_concat(classifier_dropout=0.3)
    expected = classify_multiband_light_curves(model, IDS, BANDS, MJD, MAG).values
    report = classify_table(source, tmp_path / "out.parquet", model, dropout_passes=3, show_progress=False)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["object_id"].to_pylist() == OBJECTS
    assert table["bands"].to_pylist() == [[band for band in "gr" if band in own] for own in BANDS_OF]
    assert table["predicted_label"].to_pylist() == [NAMES[i] for i in expected[:-1].argmax(1)] + [None]
    for i, name in NAMES.items():
        close(table[f"probability_{name}"].to_numpy()[:-1], expected[:-1, i])
        assert np.nanmax(table[f"spread_{name}"].to_numpy()) > 0
    assert report.without_result == [OBJECTS[-1]]


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({}, {"combine_bands": "concat", "bands": ["g"]}, "has no weights for a concatenation"),
        ({}, {"bands": ["g"]}, "`bands` needs `combine_bands`"),
        (
            {"bands": ["g", "r"], "band_combination": "concat"},
            {"combine_bands": "mean"},
            "concatenates the bands g, r, in this order",
        ),
        ({"bands": ["g", "r"], "band_combination": "concat"}, {"bands": ["r", "g"]}, "got concat of r, g"),
    ],
)
def test_a_classifier_is_not_asked_to_combine_what_it_cannot(tmp_path, fields, options, message):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    with pytest.raises(ValueError, match=message):
        classify_table(source, tmp_path / "out.parquet", build(**fields), show_progress=False, **options)
    with pytest.raises(ValueError, match=message):
        classify_multiband_light_curves(build(**fields), IDS, BANDS, MJD, MAG, **options)


def test_light_curves_one_by_one_are_refused_by_a_classifier_of_all_bands():
    with pytest.raises(ValueError, match="in g, r together: use `classify_multiband_light_curves`"):
        classify_light_curves(build_concat(), MJD, MAG)


def test_a_classifier_of_single_light_curves_needs_to_be_told_how_to_combine():
    with pytest.raises(ValueError, match='pass `combine_bands="mean"`'):
        classify_multiband_light_curves(build(), IDS, BANDS, MJD, MAG)


def test_bands_and_weights_come_back_and_compute_the_same(tmp_path):
    model = build_concat()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert (loaded.config.bands, loaded.config.band_combination) == (["g", "r"], "concat")
    results = [classify_multiband_light_curves(one, IDS, BANDS, MJD, MAG).values for one in (model, loaded)]
    close(*results, tolerance=0)
    vector = make_test_vector(loaded, AstromerFeatureExtractor(TINY["window_size"]))
    assert check_test_vector(loaded, AstromerFeatureExtractor(TINY["window_size"]), vector) == []
    with torch.no_grad():  # weights of one band in the place of another's
        first = loaded.classifier.head.layers[0][0].weight
        first.copy_(first.roll(WIDTH, 1))
    assert "logits departs" in check_test_vector(loaded, AstromerFeatureExtractor(TINY["window_size"]), vector)[0]


# --- Learning ---

STAR = VariableClass("star", lambda phase: 0.5 + 0.5 * np.cos(2 * np.pi * phase), (0.4, 0.9), (1.0, 1.0))
QUIET = replace(SIMULATED_SURVEYS["ztf_like"], min_points=35, max_points=60, noise_floor=0.005, noise_at_faint_end=0.01)
RECIPE = Recipe(learning_rate=1e-2, batch_size=16, max_epochs=15, patience=15)
CONFIG = AstromerConfig(**TINY_EXTENDED)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 stars in g and r, of two classes that differ in the ratio of their amplitudes there: 3, or a third.

    The amplitudes themselves span a factor of 20 in either class. One star in ten has g alone.
    """
    curves = []
    rng = np.random.default_rng(0)
    for number, star in enumerate(simulate_light_curves(240, seed=3, survey=QUIET, classes=[STAR])):
        label, exponent = [("blue", 0.5), ("red", -0.5)][number % 2]
        amplitude = np.exp(rng.uniform(np.log(0.2), np.log(4)))
        for band, sign in zip("g" if number % 20 in (8, 9) else "gr", (1, -1), strict=False):
            curves.append(in_band(replace(star, label=label), band, amplitude * 3 ** (sign * exponent), 2 * number + 1 + sign))
    path = tmp_path_factory.mktemp("tables") / "colours.parquet"
    rows = to_table(curves)
    pq.write_table(rows.take(np.random.default_rng(0).permutation(len(rows))), path)
    return path


@pytest.fixture(scope="module")
def encoder() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(CONFIG).eval()


@pytest.fixture(scope="module")
def trained(colours: Path, encoder: AstromerModel) -> TrainedClassifier:
    return train_table_classifier(colours, encoder, recipe=RECIPE, combine_bands="concat", bands=["g", "r"], augment=1)


def test_classes_that_differ_in_colour_alone_are_told_apart_by_both_bands_together(trained, colours, encoder):
    assert trained.counts.to_numpy().sum() == 240  # objects, not light curves
    assert trained.scores["macro_f1"] > 0.8  # nine in ten have both bands
    mean = train_table_classifier(colours, encoder, recipe=RECIPE, combine_bands="mean", augment=1)
    assert mean.scores["macro_f1"] < 0.7  # of any amplitude half the light curves are of either class
    assert mean.counts.to_numpy().sum() == 240
    assert (mean.model.config.band_combination, mean.model.config.bands) == ("mean", None)


@pytest.mark.parametrize("kind", ["concat", "mean"])
def test_the_saved_folder_gives_the_probabilities_of_the_test_stars(trained, colours, encoder, tmp_path, kind):
    if kind == "mean":
        trained = train_table_classifier(
            colours, encoder, recipe=replace(RECIPE, max_epochs=1), combine_bands="mean", augment=1
        )
    trained.save(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert AutoFeatureExtractor.from_pretrained(tmp_path / "model").window_size == CONFIG.window_size
    classify_table(colours, tmp_path / "out.parquet", model, show_progress=False)
    table = pq.read_table(tmp_path / "out.parquet")
    assert len(table) == 240
    values = np.stack([table[f"probability_{name}"].to_numpy() for name in ("blue", "red")], axis=1)
    matches = [np.abs(values - own).max(1).min() for own in trained.outcome.probabilities]
    assert max(matches) < 1e-4
    accuracy = np.mean(np.array(table["label"].to_pylist()) == np.array(table["predicted_label"].to_pylist()))
    assert kind == "mean" or accuracy > 0.8


def test_the_encoder_of_a_classifier_of_bands_serves_one_of_single_light_curves(trained):
    classifier = build_classifier(trained.model.config, ["blue", "red"], 0).eval()
    assert np.isfinite(classify_light_curves(classifier, MJD, MAG).values).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"combine_bands": "concat"}, r"none is given: name it \(--bands\).* has the bands g, r"),
        (
            {"combine_bands": "concat", "bands": ["g", "r"], "head": {"classifier_head": "lstm"}},
            "An LSTM reads the observations",
        ),
        ({"bands": ["g", "r"]}, "`bands` needs `combine_bands`"),
    ],
)
def test_what_cannot_be_trained_is_refused(colours, encoder, options, message):
    with pytest.raises(ValueError, match=message):
        train_table_classifier(colours, encoder, recipe=RECIPE, **options)


def test_an_lstm_learns_from_the_windows_of_all_bands(colours, encoder):
    head = {"classifier_head": "lstm", "classifier_lstm_sizes": [8]}
    short = replace(RECIPE, max_epochs=1)
    learned = train_table_classifier(colours, encoder, recipe=short, head=head, combine_bands="mean", max_per_class=20)
    np.testing.assert_allclose(learned.outcome.probabilities.sum(1), 1, atol=1e-5)
    assert len(learned.true) == learned.counts["test"].sum()


# --- The command ---


def test_the_commands_combine_bands(colours, encoder, tmp_path, capsys):
    encoder.save_pretrained(tmp_path / "encoder")
    AstromerFeatureExtractor(window_size=CONFIG.window_size).save_pretrained(tmp_path / "encoder")
    own = ["--model", tmp_path / "encoder", "--quiet"]

    def run(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    concat = ["--combine-bands", "concat", "--bands", "r", "g"]
    assert "240 objects (" in run("embed", colours, "-o", tmp_path / "embeddings.parquet", *own, *concat)
    assert pq.read_schema(tmp_path / "embeddings.parquet").field("embedding").type.list_size == 2 * CONFIG.hidden_size
    assert "is complete" in run("embed", LAYOUTS["lists"](tmp_path, to_table(CURVES)), "-o", tmp_path / "shards", *own, *concat)
    report = json.loads(run("fit", colours, "-o", tmp_path / "mine", *own, *concat, "--max-epochs", 2, "--json"))
    assert report["epochs"] == 2
    assert set(report["calibration"]) == {"as trained", "calibrated"}
    assert "240 objects (" in run(
        "classify", colours, "-o", tmp_path / "classes.parquet", "--model", tmp_path / "mine", "--quiet"
    )
    assert set(pq.read_table(tmp_path / "classes.parquet")["bands"].to_pylist()[0]) <= {"g", "r"}
    assert main(["embed", str(colours), "-o", str(tmp_path / "x.parquet"), "--quiet", "--combine-bands", "concat"]) == 1
    assert "name it (--bands)" in capsys.readouterr().err


def test_measurements_of_an_object_in_any_order_are_put_together(tmp_path, model, single):
    measurements = interleave(to_measurements(to_table(CURVES))).sort_values("mjd")
    measurements.to_csv(tmp_path / "in.csv", index=False)
    embed_table(tmp_path / "in.csv", tmp_path / "out.parquet", model, combine_bands="mean", show_progress=False)
    found, embeddings = read_embeddings(tmp_path / "out.parquet")
    back = [found["object_id"].to_pylist().index(name) for name in OBJECTS]
    close(embeddings[back], expected_rows(single, "mean", "gri"))


def test_calibration_is_not_asked_of_single_light_curves_where_bands_are_concatenated():
    classifier = LightCurveClassifier(build_concat())
    curves = MultibandLightCurves.from_arrays(IDS, BANDS, MJD, MAG, BandCombination("mean", ("g", "r")))
    with pytest.raises(ValueError, match="concatenates the bands g, r"):
        classifier.predict_objects(curves)


def test_real_bands_of_macho_are_combined(shared_data, tmp_path, model, caplog):
    """25 stars in R, 24 of them in B as well."""
    with caplog.at_level(logging.WARNING):
        report = embed_table(
            shared_data / "macho_with_err.parquet",
            tmp_path / "out.parquet",
            model,
            combine_bands="concat",
            bands=["B", "R"],
            show_progress=False,
        )
    table, embeddings = read_embeddings(tmp_path / "out.parquet")
    assert report.num_objects == 25
    lacking = [i for i, bands in enumerate(table["bands"].to_pylist()) if bands == ["R"]]
    assert len(lacking) == 1
    assert not embeddings[lacking, :WIDTH].any()
    assert embeddings[lacking, WIDTH:].any()
    assert not caplog.records


def test_bands_that_no_light_curve_in_memory_has_are_refused():
    times, magnitudes = [np.arange(5.0)] * 2, [np.arange(5.0)] * 2
    with pytest.raises(ValueError, match="No light curve is in G or R; their bands are g, r"):
        MultibandLightCurves.from_arrays([1, 1], ["g", "r"], times, magnitudes, BandCombination("mean", ("G", "R")))
