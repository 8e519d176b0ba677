# Copyright 2026 The astromer_hf developers. MIT licence.
"""Neighbours are the nearest under the stated distance, the isolated are the farthest from all, and the command prints both."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BRIEF_SURVEY

from astromer_hf.cli.main import main
from astromer_hf.cli.neighbors import draw_found
from astromer_hf.evaluation.periods import find_period
from astromer_hf.inference.neighbors import Embeddings, find_isolated, find_neighbors
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table

NUM_OBJECTS, WIDTH = 40, 6
CURVES = simulate_light_curves(NUM_OBJECTS, seed=3, survey=BRIEF_SURVEY)


def write_embeddings(path: Path, vectors: np.ndarray, **columns: list) -> Path:
    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1])
    pq.write_table(pa.table({"embedding": rows, **columns}), path)
    return path


@pytest.fixture
def vectors() -> np.ndarray:
    """Dimensions of unlike scale; number 7 lies near number 3, number 11 far from all."""
    vectors = np.random.default_rng(0).normal(size=(NUM_OBJECTS, WIDTH)) * 10.0 ** np.arange(WIDTH)
    vectors[7] = vectors[3] * (1 + 1e-3)
    vectors[11] *= 30
    return vectors


@pytest.fixture
def table(tmp_path: Path, vectors: np.ndarray) -> Path:
    return write_embeddings(
        tmp_path / "embeddings.parquet",
        vectors,
        object_id=[curve.object_id for curve in CURVES],
        band=[curve.band for curve in CURVES],
        label=[curve.label for curve in CURVES],
    )


@pytest.fixture
def embeddings(table: Path) -> Embeddings:
    return Embeddings.read(table)


def test_neighbours_are_the_nearest_by_the_euclidean_distance_of_standardised_embeddings(embeddings, vectors):
    scaled = (vectors - vectors.mean(0)) / vectors.std(0)
    distances = np.linalg.norm(scaled - scaled[3], axis=1)
    expected = np.argsort(distances)[1:6]
    found = find_neighbors(embeddings, CURVES[3].object_id, 5)
    assert found["object_id"].tolist() == [CURVES[i].object_id for i in expected]
    assert found["object_id"][0] == CURVES[7].object_id
    assert found["label"].tolist() == [CURVES[i].label for i in expected]
    assert found["rank"].tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found["distance"], distances[expected], rtol=1e-4)


def test_no_dimension_rules_by_its_unit(vectors):
    ids = np.array([str(i) for i in range(NUM_OBJECTS)], dtype=object)
    first = find_neighbors(Embeddings(ids, vectors.astype(np.float32)), "0", 10)
    rescaled = vectors * np.array([1e3, 1, 1e-4, 5, 1, 1]) + 7
    second = find_neighbors(Embeddings(ids, rescaled.astype(np.float32)), "0", 10)
    assert first["object_id"].tolist() == second["object_id"].tolist()


def test_a_twin_is_a_neighbour_at_distance_0_and_the_object_itself_is_none():
    vectors = np.random.default_rng(1).normal(size=(10, 4)).astype(np.float32)
    vectors[[2, 5, 8]] = vectors[2]
    embeddings = Embeddings(np.array(list("abcdefghij"), dtype=object), vectors)
    found = find_neighbors(embeddings, "f", 3)
    assert set(found["object_id"][:2]) == {"c", "i"}
    assert found["distance"][:2].tolist() == [0, 0]
    assert "f" not in found["object_id"].tolist()


def test_the_most_isolated_object_is_the_one_that_lies_far_from_all(embeddings):
    found = find_isolated(embeddings, 3)
    assert found["object_id"][0] == CURVES[11].object_id
    assert found["isolation"].is_monotonic_decreasing
    assert found["isolation"][0] > 3 * found["isolation"][1]


def test_isolation_is_the_mean_distance_to_the_nearest_others(embeddings):
    object_id = find_isolated(embeddings, NUM_OBJECTS, k=4)["object_id"].iloc[-1]
    nearest = find_neighbors(embeddings, object_id, 4)["distance"]
    assert find_isolated(embeddings, NUM_OBJECTS, k=4)["isolation"].iloc[-1] == pytest.approx(nearest.mean(), rel=1e-6)


def test_two_objects_have_one_isolation(tmp_path):
    embeddings = Embeddings(np.array(["a", "b"], dtype=object), np.eye(2, dtype=np.float32))
    assert find_isolated(embeddings, 2)["isolation"].nunique() == 1


def test_objects_without_an_embedding_are_left_out(tmp_path):
    embedding = pa.array([[0.0, 1.0], None, [2.0, 3.0]], pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"object_id": ["a", "b", "c"], "embedding": embedding}), tmp_path / "some.parquet")
    assert Embeddings.read(tmp_path / "some.parquet").object_ids.tolist() == ["a", "c"]


def test_an_object_of_several_bands_is_found_by_its_band():
    bands = np.array(["R", "B", "R"], dtype=object)
    embeddings = Embeddings(np.array(["a", "a", "b"], dtype=object), np.eye(3, dtype=np.float32), bands)
    assert find_neighbors(embeddings, "a", 2, band="B")["band"].tolist() == ["R", "R"]
    with pytest.raises(TableError, match="does not have one row but 2; its bands are: R, B"):
        find_neighbors(embeddings, "a", 1)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (lambda embeddings: find_neighbors(embeddings, "nobody"), "There is no object 'nobody' .* the first are"),
        (lambda embeddings: find_neighbors(embeddings, CURVES[0].object_id, NUM_OBJECTS), "Between 1 and 39 neighbours"),
        (lambda embeddings: find_isolated(embeddings, 0), "Between 1 and 40 objects can be found .* 0 were asked for"),
    ],
)
def test_what_cannot_be_found_is_refused(embeddings, search, message):
    with pytest.raises(TableError, match=message):
        search(embeddings)


# --- The command ---


def run(*arguments: object) -> int:
    return main(["neighbors", *(str(argument) for argument in arguments)])


def test_the_command_prints_the_table_and_writes_it_and_the_picture(table, embeddings, tmp_path, capsys):
    pq.write_table(to_table(CURVES), tmp_path / "curves.parquet")
    expected = find_neighbors(embeddings, CURVES[3].object_id, 4)
    picture = ["--curves", tmp_path / "curves.parquet", "--picture", tmp_path / "found.png"]
    for output, read in (("found.csv", pd.read_csv), ("found.parquet", pd.read_parquet)):
        assert run(table, "--object", CURVES[3].object_id, "-k", 4, "-o", tmp_path / output, *picture) == 0
        pd.testing.assert_frame_equal(read(tmp_path / output), expected, check_dtype=False)
    printed = capsys.readouterr().out
    assert all(object_id in printed for object_id in expected["object_id"])
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_every_light_curve_of_the_picture_is_folded_on_its_own_period(table, embeddings, tmp_path):
    curves = [*CURVES]
    curves[3] = replace(curves[3], mag=np.random.default_rng(0).permutation(curves[3].mag))  # which has no period any more
    bright = np.where(np.arange(len(curves[7].mag)) == 5, curves[7].mag.min() - 0.2, curves[7].mag)  # which is no maximum
    curves[7] = replace(curves[7], mag=bright)
    pq.write_table(to_table(curves), tmp_path / "curves.parquet")
    found = find_neighbors(embeddings, CURVES[3].object_id, 3)
    columns = dict.fromkeys(("label", "object_id", "mjd", "mag", "magerr", "band"))
    figure = draw_found(str(tmp_path / "curves.parquet"), columns, embeddings, found, embeddings.find(CURVES[3].object_id))
    by_id = {curve.object_id: curve for curve in curves}
    for axes, object_id in zip(figure.axes, [CURVES[3].object_id, *found["object_id"]], strict=False):
        curve = by_id[object_id]
        period = find_period(curve.mjd, curve.mag, curve.magerr)
        drawn = axes.collections[0].get_offsets()[:, 0]
        title = axes.get_title()
        if period.is_significant:
            assert f"P = {period.period:.6g} d" in title
            assert axes.get_xlabel() == "phase"
            assert 0 <= drawn.min() <= drawn.max() < 1
            difference = drawn - (curve.mjd - period.epoch_of_maximum) / period.period
            np.testing.assert_allclose((difference + 0.5) % 1 - 0.5, 0, atol=1e-6)
        else:
            assert "no significant period" in title
            assert np.ptp(drawn) == pytest.approx(np.ptp(curve.mjd))
    assert "no significant period" in figure.axes[0].get_title()
    assert "no significant period" not in figure.axes[1].get_title()  # of curves[7], the nearest


def test_titles_name_the_band_that_is_drawn_and_no_label_that_is_missing(tmp_path):
    """Of embeddings a band and of combined ones, which have no column of a band."""
    rng = np.random.default_rng(0)
    stars = [
        replace(curve, mjd=curve.mjd[:30], mag=rng.permutation(curve.mag[:30]), magerr=curve.magerr[:30])
        for curve in CURVES[:3]
    ]
    pq.write_table(to_table([replace(star, band=band) for star in stars for band in ("g", "r")]), tmp_path / "curves.parquet")
    ids, labels = [star.object_id for star in stars], ["RRab", None, "EC"]
    columns = dict.fromkeys(("label", "object_id", "mjd", "mag", "magerr", "band"))
    for number, bands in enumerate(({}, {"band": ["r", "g", "r"]})):
        path = write_embeddings(tmp_path / f"{number}.parquet", np.eye(3), object_id=ids, label=labels, **bands)
        embeddings = Embeddings.read(path)
        found = find_neighbors(embeddings, ids[0], 2)
        figure = draw_found(str(tmp_path / "curves.parquet"), columns, embeddings, found, embeddings.find(ids[0]))
        titles = [axes.get_title().splitlines()[0] for axes in figure.axes[:3]]
        name_of = {ids[1]: ids[1], ids[2]: f"{ids[2]}, EC"}
        band_of = dict(zip(ids, bands.get("band", ["g"] * 3), strict=True))
        distances = [f"{distance:.2f}" for distance in found["distance"]]
        others = [
            f"{name_of[name]}, {band_of[name]}, {value}" for name, value in zip(found["object_id"], distances, strict=True)
        ]
        assert titles == [f"{ids[0]}, RRab, {band_of[ids[0]]}, query", *others]


def test_the_command_prints_the_isolated(table, tmp_path, capsys):
    pq.write_table(to_table(CURVES), tmp_path / "curves.parquet")
    assert run(table, "--isolated", 2, "--curves", tmp_path / "curves.parquet", "--picture", tmp_path / "found.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rank", "object_id", "band", "label", "isolation"]
    assert lines[1].split()[1] == CURVES[11].object_id
    assert (tmp_path / "found.png").exists()


def test_a_folder_of_shards_is_searched_as_one_table_and_an_incomplete_one_is_refused(table, tmp_path, capsys):
    whole, folder = pq.read_table(table), tmp_path / "shards"
    folder.mkdir()
    for number, (low, high) in enumerate([(0, 15), (15, 16), (16, NUM_OBJECTS)]):
        pq.write_table(whole[low:high], folder / f"part-{number:05d}-of-00003.parquet")
    (folder / ".part-00009.parquet-1.partial").write_bytes(b"of a process that was killed")
    assert run(table, "--object", CURVES[3].object_id, "--json") == run(folder, "--object", CURVES[3].object_id, "--json") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    (folder / "_settings.json").write_text("{}")
    assert run(folder, "--isolated", 1) == 1
    assert "is not complete, some of its shards are missing" in capsys.readouterr().err
    (folder / "_SUCCESS").write_text("{}")
    assert run(folder, "--isolated", 1) == 0
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", "--isolated", 1) == 1
    assert "holds no .parquet file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--object", "nobody"], 1, "There is no object 'nobody'"),
        (["--isolated", 1, "--label-column", "kind"], 1, "There is no column 'kind' for the labels"),
        (["--isolated", 1, "-o", "found.txt"], 2, "must be a .csv or .parquet file, got found.txt"),
        (["--isolated", 1, "--picture", "found.png"], 2, "needs both: --curves TABLE and --picture FILE"),
        (["--isolated", 1, "--object", "a"], 2, "exactly one of them is needed"),
        ([], 2, "'--object' / '--isolated': exactly one of them is needed"),
        (["--isolated", 0], 2, "'--isolated'"),
    ],
)
def test_what_goes_wrong_is_one_line(table, capsys, options, status, message):
    assert run(table, *options) == status
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_a_table_that_is_none_of_embeddings_says_so(tmp_path, capsys):
    pq.write_table(to_table(CURVES), tmp_path / "curves.parquet")
    assert run(tmp_path / "curves.parquet", "--isolated", 1) == 1
    assert "has no column embedding, as astromer-hf embed writes them" in capsys.readouterr().err
    assert run(tmp_path / "nothing.parquet", "--isolated", 1) == 1
    assert "There is no file" in capsys.readouterr().err
