# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every light curve gets its own embedding, in its place, whatever the batches, the chunks and the neighbours."""

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY
from forks import Forked
from test_source import LAYOUTS, write_columns

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.hub.load import DEFAULT_MODEL, default_model_folder
from astromer_hf.inference.embedding import embed_light_curves, embed_table
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.model.feature_extraction_astromer import mean_over_windows

WINDOW = TINY["window_size"]
LENGTHS = [41, 1, 20, 67, 2, 40, 21, 5, 60]  # of one, two, three and four windows, exact multiples among them
SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=67, max_points=67)
CURVES = [
    replace(curve, mjd=curve.mjd[:length], mag=curve.mag[:length], magerr=curve.magerr[:length])
    for curve, length in zip(simulate_light_curves(len(LENGTHS), survey=SURVEY), LENGTHS, strict=True)
]
IDS = [curve.object_id for curve in CURVES]
MJD, MAG = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]
NAN = float("nan")


@pytest.fixture
def model(tiny_config: AstromerConfig) -> AstromerModel:
    return AstromerModel(tiny_config).eval()


@pytest.fixture
def tiny_model() -> AstromerModel:
    return AstromerModel(AstromerConfig(**TINY)).eval()


def close(found: object, expected: object, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=np.float64), expected, rtol=0, atol=tolerance)


def vectors(table: pa.Table, column: str = "embedding") -> np.ndarray:
    return np.stack(table[column].to_numpy())


# --- Arrays ---


@pytest.mark.parametrize("length", LENGTHS)
def test_an_embedding_is_the_mean_over_windows_weighted_by_their_observations(model, length):
    curve = CURVES[LENGTHS.index(length)]
    windows = AstromerFeatureExtractor(WINDOW)(curve.mjd, curve.mag, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**windows)
    result = embed_light_curves(model, curve.mjd, curve.mag, return_windows=True, return_observations=True)
    assert result.num_windows == len(windows.window_length) == -(-length // WINDOW)
    assert result.num_points == length
    close(result.window_embeddings, outputs.pooler_output)
    close(result.object_embeddings[0], np.average(outputs.pooler_output, axis=0, weights=windows.window_length))
    close(result.observation_embeddings[0], windows.per_observation(outputs.last_hidden_state)[0])
    assert result.observation_embeddings[0].shape == (length, TINY["hidden_size"])


def test_windows_of_unequal_lengths_weigh_by_their_observations():
    """Windows cut in sequence are equally long; the mean does not rely on it."""
    pooled = np.array([[1.0, 0.0], [4.0, 8.0], [5.0, 5.0]], np.float32)
    means = mean_over_windows(pooled, np.array([0, 0, 2]), np.array([20, 10, 7]), num_objects=3)
    close(means, [[2.0, 8 / 3], [NAN, NAN], [5.0, 5.0]])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_and_neighbours_change_nothing(model, batch_size):
    options = {"batch_size": batch_size, "return_windows": True, "return_observations": True}
    together = embed_light_curves(model, MJD, MAG, **options)
    alone = [embed_light_curves(model, curve.mjd, curve.mag, **options) for curve in CURVES]
    close(together.object_embeddings, np.concatenate([one.object_embeddings for one in alone]))
    close(together.window_embeddings, np.concatenate([one.window_embeddings for one in alone]))
    for found, one in zip(together.observation_embeddings, alone, strict=True):
        close(found, one.observation_embeddings[0])
    assert list(together.num_points) == LENGTHS
    np.testing.assert_array_equal(together.window_object, np.repeat(np.arange(len(CURVES)), together.num_windows))
    assert np.abs(np.diff(together.object_embeddings, axis=0)).max(axis=1).min() > 1e-3  # a mix-up would show


def test_the_order_of_light_curves_is_the_order_of_embeddings(model):
    order = np.random.default_rng(0).permutation(len(CURVES))
    expected = embed_light_curves(model, MJD, MAG).object_embeddings
    close(embed_light_curves(model, [MJD[i] for i in order], [MAG[i] for i in order]).object_embeddings, expected[order])


def test_light_curves_without_a_usable_observation_are_nan_and_leave_the_others_alone(model):
    broken = [(0, [], []), (3, [1.0, NAN], [NAN, 15.0]), (11, [1.0], [99.999])]
    mjd, mag = list(MJD), list(MAG)
    for place, times, magnitudes in broken:
        mjd.insert(place, np.array(times))
        mag.insert(place, np.array(magnitudes))
    result = embed_light_curves(model, mjd, mag, return_observations=True)
    places = [place for place, *_ in broken]
    assert len(result) == len(CURVES) + len(broken)
    assert np.isnan(result.object_embeddings[places]).all()
    assert not result.num_points[places].any()
    assert not result.num_windows[places].any()
    assert list(result.dropped_points[places]) == [0, 2, 1]
    close(np.delete(result.object_embeddings, places, axis=0), embed_light_curves(model, MJD, MAG).object_embeddings)
    assert [len(one) for one in result.observation_embeddings] == list(result.num_points)


def test_unusable_observations_are_dropped_and_counted(model):
    curve = CURVES[0]
    mjd = np.concatenate(([NAN, curve.mjd[3], np.inf], curve.mjd, [curve.mjd[5]]))
    mag = np.concatenate(([15.0, 99.0, 15.0], curve.mag, [-np.inf]))
    result = embed_light_curves(model, mjd, mag)
    assert (result.num_points, result.dropped_points) == (len(curve.mjd), 4)
    close(result.object_embeddings, embed_light_curves(model, curve.mjd, curve.mag).object_embeddings)


def test_unsorted_observations_are_sorted(model):
    order = np.random.default_rng(0).permutation(len(MJD[0]))
    expected = embed_light_curves(model, MJD[0], MAG[0], return_observations=True)
    result = embed_light_curves(model, MJD[0][order], MAG[0][order], return_observations=True)
    close(result.object_embeddings, expected.object_embeddings)
    close(result.observation_embeddings[0], expected.observation_embeddings[0])


@pytest.mark.parametrize(
    ("mjd", "mag"),
    [([59000.1], [15.2]), ([59000.1] * 3, [15.2, 15.1, 15.3]), (59000 + np.arange(50.0), np.full(50, 15.2))],
    ids=["a single point", "repeated times", "equal magnitudes"],
)
def test_degenerate_light_curves_are_embedded(model, mjd, mag):
    result = embed_light_curves(model, np.array(mjd), np.array(mag))
    assert (result.num_points, result.dropped_points) == (len(mjd), 0)
    assert np.isfinite(result.object_embeddings).all()


def test_the_zero_points_of_time_and_magnitude_do_not_matter(model):
    expected = embed_light_curves(model, MJD, MAG).object_embeddings
    julian, brighter = [mjd + 2400000.5 for mjd in MJD], [mag - 2.5 for mag in MAG]
    close(embed_light_curves(model, julian, brighter).object_embeddings, expected, 2e-5)  # a step of a double at 2.4e6 is 5e-10


@pytest.mark.parametrize("with_head", [AstromerForMaskedReconstruction, AstromerForSequenceClassification])
def test_a_model_with_a_head_embeds_as_its_encoder_even_while_training(tiny_config, with_head):
    head = with_head(tiny_config).train()  # dropout would show
    expected = embed_light_curves(head.model, MJD, MAG).object_embeddings
    close(embed_light_curves(head.train(), MJD, MAG).object_embeddings, expected, 0)


def test_bfloat16_stays_close_to_float32(model):
    expected = embed_light_curves(model, MJD, MAG).object_embeddings
    found = embed_light_curves(model.bfloat16(), MJD, MAG).object_embeddings
    assert found.dtype == np.float32
    close(found, expected, 0.05)  # embeddings are layer-normed: their scatter is about 1
    assert np.abs(found - expected).max() > 0


def test_padding_takes_part_in_upstreams_scheme_only(tiny_model):
    expected = embed_light_curves(tiny_model, MJD, MAG, return_windows=True)
    tiny_model.config.masking_scheme = "additive_padding"
    upstream = embed_light_curves(tiny_model, MJD, MAG, return_windows=True, batch_size=1)  # none pads another
    full = AstromerFeatureExtractor(WINDOW)(MJD, MAG, padding="max_length", return_tensors="pt")
    with torch.no_grad():
        close(upstream.window_embeddings, tiny_model(**full).pooler_output)
    padded = full.window_length < WINDOW
    told_apart = full.window_length > 1  # a single observation, centred, looks like padding
    assert 0 < (padded & told_apart).sum() < padded.sum() < len(padded)
    differences = np.abs(upstream.window_embeddings - expected.window_embeddings).max(axis=1)
    assert (differences[padded & told_apart] > 1e-3).all()
    assert (differences[~padded] < 1e-5).all()


@pytest.mark.parametrize(
    ("mjd", "mag", "message"),
    [
        ([MJD[0], MJD[1]], [MAG[0], MAG[2]], r"Light curve 1 has 1 values in `mjd` and 20 in `mag`"),
        ([MJD[0]], MAG[:2], r"`mjd` holds 1 light curves and `mag` 2"),
        ([MJD[0], MJD[2] * 86400], [MAG[0], MAG[2]], r"must be days.*light curve 1 runs.*divide them by 86400"),
        (["a", "b"], [1.0, 2.0], r"`mjd` of light curve 0 must be numbers"),
    ],
)
def test_arrays_that_are_no_light_curves_are_refused(tiny_model, mjd, mag, message):
    with pytest.raises(ValueError, match=message):
        embed_light_curves(tiny_model, mjd, mag)


def test_a_batch_holds_at_least_one_window(tiny_model):
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        embed_light_curves(tiny_model, MJD, MAG, batch_size=0)


def test_embeddings_that_are_not_finite_are_an_error_and_no_result(tiny_model):
    torch.nn.init.constant_(tiny_model.layers[0].mlp.fc2.weight, NAN)
    with pytest.raises(ValueError, match=r"light curve 0 is not finite: its weights are damaged or too large for .*float32"):
        embed_light_curves(tiny_model, MJD, MAG)


# --- Tables ---


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_of_every_layout_give_the_embeddings_of_their_light_curves_in_order(tmp_path, tiny_model, layout):
    source = LAYOUTS[layout](tmp_path, to_table(CURVES))
    report = embed_table(source, tmp_path / "embeddings.parquet", tiny_model, objects_per_chunk=4)
    table = pq.read_table(tmp_path / "embeddings.parquet")
    assert table["object_id"].to_pylist() == IDS
    assert table["band"].to_pylist() == [curve.band for curve in CURVES]
    assert table["label"].to_pylist() == [curve.label for curve in CURVES]
    assert table["num_points"].to_pylist() == LENGTHS
    assert table["num_windows"].to_pylist() == [-(-length // WINDOW) for length in LENGTHS]
    assert table["embedding"].type == pa.list_(pa.float32(), TINY["hidden_size"])
    close(vectors(table), embed_light_curves(tiny_model, MJD, MAG).object_embeddings)
    assert (report.num_objects, report.num_points, report.without_result) == (len(CURVES), sum(LENGTHS), [])
    assert report.num_windows == sum(table["num_windows"].to_pylist())


@pytest.mark.parametrize("objects_per_chunk", [1, 4, 100])
@pytest.mark.parametrize("level", ["object", "window", "observation"])
def test_chunks_do_not_change_what_is_written(tmp_path, tiny_model, level, objects_per_chunk):
    source = write_columns(tmp_path / "curves.parquet", id=[*IDS, "empty"], time=[*MJD, []], mag=[*MAG, []])
    embed_table(source, tmp_path / "out.parquet", tiny_model, level=level, objects_per_chunk=objects_per_chunk, batch_size=5)
    expected = embed_light_curves(tiny_model, MJD, MAG, return_windows=True, return_observations=True)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["embedding"].null_count == 1
    close(vectors(table.slice(0, len(IDS))), expected.object_embeddings)
    lists = {
        "object": {},
        "window": {"window_embeddings": (expected.num_windows, expected.window_embeddings)},
        "observation": {"observation_embeddings": (LENGTHS, np.concatenate(expected.observation_embeddings))},
    }[level]
    assert [name for name in table.column_names if name.endswith("_embeddings")] == list(lists)
    for name, (lengths, values) in lists.items():
        column = table[name].combine_chunks()
        assert [len(one) for one in column] == [*lengths, 0]
        close(np.stack(column.flatten().to_numpy(zero_copy_only=False)), values)


def test_rows_without_an_embedding_are_null_in_their_place_and_reported_by_id(tmp_path, tiny_model):
    ids = ["null list", IDS[0], "empty", "no number", IDS[3], None, IDS[8]]
    mjd = [None, MJD[0], [], [1.0, 2.0], MJD[3], [1.0], MJD[8]]
    mag = [None, MAG[0], [], [NAN, 99.0], MAG[3], [None], MAG[8]]
    source = write_columns(tmp_path / "curves.parquet", id=ids, time=mjd, mag=mag)
    report = embed_table(source, tmp_path / "out.parquet", tiny_model, objects_per_chunk=2)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["object_id"].to_pylist() == ids
    assert report.without_result == ["null list", "empty", "no number", "(no id)"]
    assert (report.num_objects, report.dropped_points) == (7, 3)
    assert table["dropped_points"].to_pylist() == [0, 0, 0, 2, 0, 1, 0]
    valid = table["embedding"].is_valid().to_numpy()
    assert list(valid) == [False, True, False, False, True, False, True]
    expected = embed_light_curves(tiny_model, [MJD[i] for i in (0, 3, 8)], [MAG[i] for i in (0, 3, 8)])
    close(vectors(table.filter(pa.array(valid))), expected.object_embeddings)


def test_errors_of_magnitudes_do_not_matter(tmp_path, tiny_model):
    table = to_table(CURVES)
    for name, source in {"with": table, "without": table.drop_columns("magerr")}.items():
        embed_table(LAYOUTS["lists"](tmp_path, source), tmp_path / f"{name}.parquet", tiny_model)
    assert pq.read_table(tmp_path / "with.parquet").equals(pq.read_table(tmp_path / "without.parquet"))


def test_the_output_says_how_it_was_made(tmp_path, tiny_model):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    embed_table(source, tmp_path / "out.parquet", tiny_model, description={"model": "a model"})
    assert pq.read_schema(tmp_path / "out.parquet").metadata[b"astromer_hf.model"] == b"a model"


@pytest.mark.parametrize("existing", [None, b"what stood here before"])
def test_failing_midway_leaves_the_folder_as_it_was(tmp_path, tiny_model, existing):
    source = tmp_path / "curves.parquet"
    pq.write_table(pa.table({"id": IDS, "time": MJD, "mag": MAG}), source, row_group_size=2)
    with source.open("r+b") as file:  # the last magnitudes on the disk
        pages = pq.read_metadata(source).row_group(1).column(2)
        file.seek(pages.dictionary_page_offset or pages.data_page_offset)
        file.write(b"\xff" * pages.total_compressed_size)
    output = tmp_path / "out.parquet"
    if existing:
        output.write_bytes(existing)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TableError, match=r"curves\.parquet"):
        embed_table(source, output, tiny_model, objects_per_chunk=2)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("time", "mag", "reason"),
    [
        ([1.0, 2.0], [1.0], "Object 'bad' has 2 values in 'time' and 1 in 'mag'"),
        ([1.0, 1e9], [1.0, 2.0], "Times must be days (MJD, HJD or JD; any zero point), but object 'bad' runs from 1 to 1e+09."),
    ],
    ids=["unequal", "seconds"],
)
def test_an_object_that_cannot_be_read_keeps_its_row_and_its_reason_and_no_other_changes(
    tmp_path, tiny_model, time, mag, reason
):
    columns = {"id": [IDS[0], "bad", *IDS[1:]], "time": [MJD[0], time, *MJD[1:]], "mag": [MAG[0], mag, *MAG[1:]]}
    source = write_columns(tmp_path / "curves.parquet", **columns)
    report = embed_table(source, tmp_path / "out.parquet", tiny_model, objects_per_chunk=2)
    assert [*report.unreadable] == ["bad"]
    assert report.unreadable["bad"].startswith(reason)
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    embed_table(write_columns(tmp_path / "good.parquet", id=IDS, time=MJD, mag=MAG), tmp_path / "good_out.parquet", tiny_model)
    expected = pq.read_table(tmp_path / "good_out.parquet").to_pylist()
    assert found[1]["object_id"] == "bad"
    assert found[1]["embedding"] is None
    assert [row["object_id"] for row in found[:1] + found[2:]] == IDS
    vectors = [[row["embedding"] for row in rows] for rows in (found[:1] + found[2:], expected)]
    np.testing.assert_allclose(*vectors, atol=1e-6)
    assert report.ledger.points_used == sum(map(len, MJD))


def test_an_object_without_a_finite_result_keeps_its_row_where_others_have_one(tmp_path, tiny_model):
    torch.nn.init.constant_(tiny_model.embeddings.magnitude_embedding.weight, 3e38)  # a constant magnitude is 0 in a window
    mag = [np.full(len(curve), 15.0) for curve in MAG]
    loud = int(np.argmax([len(curve) for curve in MAG]))
    mag[loud] = np.linspace(10, 20, len(mag[loud]))
    source = write_columns(tmp_path / "curves.parquet", id=IDS, time=MJD, mag=mag)
    report = embed_table(source, tmp_path / "out.parquet", tiny_model)
    assert [*report.unreadable] == [IDS[loud]]
    assert f"embedding of object {IDS[loud]!r} is not finite" in report.unreadable[IDS[loud]]
    vectors = pq.read_table(tmp_path / "out.parquet")["embedding"].to_pylist()
    assert [vector is None for vector in vectors] == [object_id == IDS[loud] for object_id in IDS]


@pytest.mark.parametrize(
    ("output", "options", "kind", "message"),
    [
        ("out.csv", {}, ValueError, r"must be a \.parquet file, got out\.csv"),
        ("nowhere/out.parquet", {}, FileNotFoundError, r"no folder .*nowhere"),
        ("folder.parquet", {}, ValueError, r"must be a new file, not a folder"),
        ("curves.parquet", {}, ValueError, r"must be a new file, not the source"),
        ("out.parquet", {"level": "star"}, ValueError, r'must be "object", "window" or "observation", got \'star\''),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_any_work(tmp_path, tiny_model, output, options, kind, message):
    source = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    (tmp_path / "folder.parquet").mkdir()
    before = source.read_bytes()
    with pytest.raises(kind, match=message):
        embed_table(source, tmp_path / output, tiny_model, **options)
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"curves.parquet", "folder.parquet"}


# --- Processes ---


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    AstromerModel(AstromerConfig(**{**TINY, "num_hidden_layers": 1})).save_pretrained(folder)
    return folder


SIZES = {"small": 128, "large": 640}


def write_long_curves(path: Path, num_objects: int, num_points: int) -> Path:
    """Light curves of `num_points` uncompressed random numbers, in one row group."""
    offsets = pa.array(np.arange(num_objects + 1) * num_points, pa.int32())
    rng = np.random.default_rng(0)
    mjd, mag = (pa.ListArray.from_arrays(offsets, pa.array(scale * rng.random(offsets[-1].as_py()))) for scale in (1e3, 1.0))
    table = pa.table({"id": [str(i) for i in range(num_objects)], "mjd": mjd, "mag": mag})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    return path


def start(code: str, *arguments: object) -> Forked:
    return Forked("-c", f"import sys\nfrom astromer_hf import AstromerModel, embed_table\n{code}", *arguments)


def test_memory_does_not_grow_with_the_table(tmp_path, model_folder):
    small, large = (write_long_curves(tmp_path / f"{name}.parquet", count, 2000) for name, count in SIZES.items())
    process = start(
        """
import resource
model = AstromerModel.from_pretrained(sys.argv[1])
for source in sys.argv[2:]:
    output = source.replace(".parquet", "-out.parquet")
    embed_table(source, output, model, batch_size=1024, objects_per_chunk=32, level="observation", show_progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
""",
        model_folder,
        small,
        large,
    )
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    after_small, after_large = (int(line) for line in output.split())
    kibibytes = 2**20 if sys.platform == "darwin" else 2**10
    grown = (after_large - after_small) / kibibytes
    written = (tmp_path / "large-out.parquet").stat().st_size / 2**20
    assert written > 60
    assert grown < 0.25 * written, f"memory grew by {grown:.0f} MiB while {written:.0f} MiB were written"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_no_output_under_its_name(tmp_path, model_folder):
    source = write_long_curves(tmp_path / "curves.parquet", 2000, 400)
    output = tmp_path / "out.parquet"
    process = start(
        "embed_table(*sys.argv[2:], AstromerModel.from_pretrained(sys.argv[1]), objects_per_chunk=1)",
        model_folder,
        source,
        output,
    )
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 1000 for path in tmp_path.glob(".out.parquet.partial")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL  # it had not finished
    assert not output.exists()
    assert list(tmp_path.glob("*.parquet")) == [source]  # nor will a reader of the folder take the rest for a shard


# --- The packaged model ---


def with_model_folders(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> Callable[[], Path]:
    monkeypatch.setattr("astromer_hf.model.MODEL_FOLDERS", folders)
    return default_model_folder


def test_the_packaged_model_is_found_in_the_package_or_beside_it(tmp_path, tiny_model, monkeypatch):
    inside, beside = tmp_path / "package" / "model_cards", tmp_path / "model_cards"
    find = with_model_folders(monkeypatch, inside, beside)
    tiny_model.save_pretrained(beside / DEFAULT_MODEL)
    assert find() == beside / DEFAULT_MODEL
    tiny_model.save_pretrained(inside / DEFAULT_MODEL)
    assert find() == inside / DEFAULT_MODEL


def test_without_a_packaged_model_the_error_says_where_it_was_expected_and_what_to_do(tmp_path, monkeypatch):
    (tmp_path / DEFAULT_MODEL).mkdir()  # a card without weights
    find = with_model_folders(monkeypatch, tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"{DEFAULT_MODEL} does not come with .*{tmp_path}.*--model"):
        find()
