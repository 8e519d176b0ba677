# Copyright 2026 The astromer_hf developers. MIT licence.
"""Shards together are the table, whoever wrote them and however often they were stopped, and nothing is done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from forks import Forked, launch_ranks
from test_source import LAYOUTS

from astromer_hf import AstromerModel
from astromer_hf.cli.main import main
from astromer_hf.inference import sharded_embedding
from astromer_hf.inference.embedding import embed_table
from astromer_hf.inference.output_files import only_writer
from astromer_hf.inference.sharded_embedding import (
    SETTINGS_FILE,
    SUCCESS_FILE,
    digest_weights,
    embed_shards,
    find_worker,
    plan_shards,
)
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource, iter_light_curves

SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=5, max_points=60)
CURVES = simulate_light_curves(23, survey=SURVEY)
SHARD_NAMES = "part-*.parquet"


@pytest.fixture
def model(tiny_folder: Path) -> AstromerModel:
    return AstromerModel.from_pretrained(tiny_folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Row groups of five: 5 + 5 + 5 + 5 + 3."""
    path = tmp_path / "curves.parquet"
    pq.write_table(to_table(CURVES), path, row_group_size=5)
    return path


def read_shards(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob(SHARD_NAMES)))


def assert_same_table(found: pa.Table, expected: pa.Table, column: str = "embedding") -> None:
    assert found.column_names == expected.column_names
    for name in found.column_names:
        if name == column:
            one, other = (np.stack(table[name].to_numpy()) for table in (found, expected))
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
        else:
            assert found[name].to_pylist() == expected[name].to_pylist()


def embed_whole(source: Path, model: AstromerModel) -> pa.Table:
    output = source.parent / "whole.parquet"
    embed_table(source, output, model, show_progress=False)
    return pq.read_table(output)


# --- The split ---


@pytest.mark.parametrize(
    ("objects_per_shard", "expected"),
    [
        (1000, [(0, 23)]),
        (10, [(0, 10), (10, 20), (20, 23)]),
        (12, [(0, 10), (10, 20), (20, 23)]),
        (5, [(0, 5), (5, 10), (10, 15), (15, 20), (20, 23)]),
        (3, [(0, 2), (2, 5), (5, 7), (7, 10), (10, 12), (12, 15), (15, 17), (17, 20), (20, 23)]),
    ],
)
def test_row_groups_are_put_together_or_cut(source, objects_per_shard, expected):
    shards = plan_shards(source, objects_per_shard)
    assert [(shard.rows.start, shard.rows.stop) for shard in shards] == expected
    assert [shard.file_name for shard in shards] == [
        f"part-{i:05d}-of-{len(expected):05d}.parquet" for i in range(len(expected))
    ]


@pytest.mark.parametrize("group_size", [1, 4, 7, 100])
@pytest.mark.parametrize("objects_per_shard", [1, 6, 50])
def test_the_rows_of_all_shards_are_the_rows_of_the_table_in_order(tmp_path, group_size, objects_per_shard):
    folder = tmp_path / "curves"
    folder.mkdir()
    for first in (0, 10):
        pq.write_table(to_table(CURVES[first : first + 13]), folder / f"{first:02d}.parquet", row_group_size=group_size)
    shards = plan_shards(folder, objects_per_shard)
    assert max(len(shard.rows) for shard in shards) <= max(objects_per_shard, 1)
    chunks = [chunk for shard in shards for chunk in iter_light_curves(shard.source, rows=shard.rows, objects_per_chunk=3)]
    whole = list(iter_light_curves(folder))
    found, expected = (pa.chunked_array([chunk.object_ids for chunk in part]).to_pylist() for part in (chunks, whole))
    assert found == expected
    np.testing.assert_array_equal(
        np.concatenate([chunk.curves.magnitudes for chunk in chunks]), np.concatenate([c.curves.magnitudes for c in whole])
    )


def test_row_groups_of_other_shards_are_not_read(source):
    """They are overwritten with zeros here, and still the others are read."""
    metadata = pq.read_metadata(source)
    assert LightCurveSource.open(source).row_group_sizes(source) == [5, 5, 5, 5, 3]
    starts = [
        min(metadata.row_group(group).column(i).dictionary_page_offset or metadata.row_group(group).column(i).data_page_offset
            for i in range(metadata.num_columns))
        for group in range(5)
    ]  # fmt: skip
    content = bytearray(source.read_bytes())
    content[starts[0] : starts[2]] = bytes(starts[2] - starts[0])
    source.write_bytes(content)
    (chunk,) = iter_light_curves(source, rows=range(12, 15))
    assert chunk.object_ids.to_pylist() == [curve.object_id for curve in CURVES[12:15]]
    with pytest.raises(TableError):
        list(iter_light_curves(source, rows=range(8, 12)))


# --- Embedding ---


@pytest.mark.parametrize("num_workers", [1, 2, 3, 30])
def test_the_shards_of_all_workers_are_what_one_process_writes(source, model, num_workers):
    output = source.parent / "out"
    for worker in reversed(range(num_workers)):
        assert not (output / SUCCESS_FILE).exists()
        report = embed_shards(
            source, output, model, worker=worker, num_workers=num_workers, objects_per_shard=5, show_progress=False
        )
    assert not report.missing
    assert_same_table(read_shards(output), embed_whole(source, model))
    success = json.loads((output / SUCCESS_FILE).read_text())
    assert success["num_objects"] == len(CURVES)
    assert list(success["shards"].values()) == [5, 5, 5, 5, 3]
    assert pq.ParquetDataset(output).read().num_rows == len(CURVES)  # other files of the folder are passed over
    assert not list(output.glob(".*"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_embedded_into_a_folder_by_one_process(tmp_path, model, layout):
    source = LAYOUTS[layout](tmp_path, to_table(CURVES))
    report = embed_shards(source, tmp_path / "out", model, objects_per_shard=6, show_progress=False)
    assert report.num_objects == len(CURVES)
    assert_same_table(read_shards(tmp_path / "out"), embed_whole(source, model))


def test_measurements_whose_objects_straddle_row_groups_are_one_shard_and_refused_to_several_processes(tmp_path, model):
    source = LAYOUTS["measurements.parquet"](tmp_path, to_table(CURVES))
    assert len(LightCurveSource.open(source).row_group_sizes(source)) > 1
    (shard,) = plan_shards(source, 5)
    assert shard.rows is None
    with pytest.raises(TableError, match=r"2 processes cannot split it.*scripts/prepare_dataset\.py"):
        embed_shards(source, tmp_path / "out", model, num_workers=2)
    assert not (tmp_path / "out").exists()


def test_a_shard_that_is_there_is_not_done_again_and_a_damaged_or_foreign_one_is(source, model):
    output = source.parent / "out"
    options = {"objects_per_shard": 5, "show_progress": False}
    first = embed_shards(source, output, model, **options)
    assert (first.written, first.found, first.num_objects) == (5, 0, 23)
    expected = read_shards(output)
    files = sorted(output.glob(SHARD_NAMES))
    before = [file.stat().st_ino for file in files]
    files[1].write_bytes(files[1].read_bytes()[:-100])
    files[2].unlink()
    files[3].write_bytes(files[4].read_bytes())  # complete, of this run, and another's
    (output / f".{files[2].name}-xyz.partial").write_bytes(b"of a process that was killed")
    again = embed_shards(source, output, model, **options)
    assert (again.written, again.found, again.num_objects) == (3, 2, 15)
    assert [files[i].stat().st_ino == before[i] for i in (0, 4)] == [True, True]
    assert_same_table(read_shards(output), expected)
    assert not list(output.glob(".*"))
    last = embed_shards(source, output, model, batch_size=7, **options)  # the batches decide nothing
    assert (last.written, last.found) == (0, 5)


def test_a_shard_with_an_object_that_cannot_be_read_completes_and_every_run_names_the_object(source, model):
    table = to_table(CURVES).to_pydict()
    table["mjd"][7] = [0.0] * (len(table["mjd"][7]) - 1) + [1e9]
    broken = source.with_name("broken.parquet")
    pq.write_table(pa.table(table), broken, row_group_size=5)
    output = source.parent / "out"
    for written in (5, 0):
        report = embed_shards(broken, output, model, objects_per_shard=5, show_progress=False)
        assert (report.written, report.missing) == (written, [])
        assert [*report.unreadable] == [*report.ledger.unreadable] == [CURVES[7].object_id]
        assert (output / SUCCESS_FILE).exists()
    rows = pq.read_table(output).to_pylist()
    assert [row["embedding"] is None for row in rows] == [number == 7 for number in range(len(CURVES))]


def test_a_shard_that_another_process_is_writing_leaves_the_others_done_and_is_named(source, model):
    output = source.parent / "out"
    output.mkdir()
    options = {"objects_per_shard": 5, "show_progress": False}
    with only_writer(output / "part-00001-of-00005.parquet") as is_held:
        if not is_held:
            pytest.skip("the system or its file system has no locks")
        with pytest.raises(TableError, match=r"1 of the shards.*part-00001-of-00005.parquet: Another process"):
            embed_shards(source, output, model, **options)
    assert [file.name[5:10] for file in sorted(output.glob(SHARD_NAMES))] == ["00000", "00002", "00003", "00004"]
    assert embed_shards(source, output, model, **options).written == 1


def test_a_folder_that_has_lost_a_shard_no_longer_says_that_it_is_complete(source, model):
    output = source.parent / "out"
    options = {"objects_per_shard": 5, "show_progress": False}
    embed_shards(source, output, model, **options)
    assert (output / SUCCESS_FILE).exists()
    (output / "part-00002-of-00005.parquet").unlink()
    assert embed_shards(source, output, model, worker=1, num_workers=2, **options).missing == ["part-00002-of-00005.parquet"]
    assert not (output / SUCCESS_FILE).exists()
    assert embed_shards(source, output, model, worker=0, num_workers=2, **options).written == 1
    assert (output / SUCCESS_FILE).exists()


def other_weights(model: AstromerModel) -> None:
    with torch.no_grad():
        model.layers[0].mlp.fc2.bias[0] += 1e-6


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (other_weights, {}, "another weights"),
        (lambda model: model.to(torch.bfloat16), {}, "another weights, dtype"),
        (None, {"level": "window"}, r"another level \(level object, now window\)"),
        (None, {"objects_per_shard": 7}, "another objects_per_shard"),
        (None, {"columns": {"mag": "mag"}}, "another columns"),
    ],
    ids=["weights", "dtype", "level", "size", "columns"],
)
def test_a_folder_of_other_settings_is_refused(source, model, change, options, message):
    output = source.parent / "out"
    defaults = {"objects_per_shard": 5, "show_progress": False}
    embed_shards(source, output, model, worker=0, num_workers=2, **defaults)
    before = {file.name: file.read_bytes() for file in output.iterdir()}
    if change:
        change(model)
    with pytest.raises(ValueError, match=rf"{message}.*name a new folder, or repeat the first settings"):
        embed_shards(source, output, model, **(defaults | options))
    assert {file.name: file.read_bytes() for file in output.iterdir()} == before


def test_a_folder_of_another_source_or_of_other_files_is_refused(source, model):
    output = source.parent / "out"
    embed_shards(source, output, model, objects_per_shard=5, show_progress=False)
    pq.write_table(to_table(CURVES[:20]), source, row_group_size=5)
    with pytest.raises(ValueError, match="another source"):
        embed_shards(source, output, model, objects_per_shard=5, show_progress=False)
    (output / SETTINGS_FILE).unlink()
    with pytest.raises(ValueError, match=r"holds part-.* but no _settings\.json"):
        embed_shards(source, output, model, objects_per_shard=5, show_progress=False)


def test_weights_and_configuration_decide_the_digest(tiny_folder):
    one, other = (AstromerModel.from_pretrained(tiny_folder) for _ in range(2))
    assert digest_weights(one) == digest_weights(other)
    other.config.masking_scheme = "additive"
    assert digest_weights(one) != digest_weights(other)


@pytest.mark.parametrize("given", ["2/2", "-1/2", "1", "a/b", "1/0", "1/2/3"])
def test_shares_that_are_none_are_refused(given):
    with pytest.raises(ValueError, match=r"i/n with i from 0 to n - 1"):
        find_worker(given)


def test_a_share_is_that_of_the_launcher_unless_given():
    launched = {"RANK": "3", "WORLD_SIZE": "8"}
    assert find_worker(None, {}) == (0, 1)
    assert find_worker(None, launched) == (3, 8)
    assert find_worker("0/2", launched) == (0, 2)


# --- The command ---


def embed_command(*arguments: object) -> list[str]:
    return ["-m", "astromer_hf.cli", "embed", *map(str, arguments), "--quiet"]


def run_launcher(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=300)


TORCHRUN = "torch.distributed.run --standalone --nproc_per_node 2"
ACCELERATE = (
    "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
)


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(partial(launch_ranks, 2), id="torchrun's agent"),
        pytest.param(partial(run_launcher, *TORCHRUN.split()), id="torchrun", marks=pytest.mark.slow),
        pytest.param(partial(run_launcher, *ACCELERATE.split()), id="accelerate", marks=pytest.mark.slow),
    ],
)
def test_two_launched_processes_write_what_one_writes(source, tiny_folder, model, launcher):
    output = source.parent / "out"
    done = launcher(*embed_command(source, "-o", output, "--model", tiny_folder, "--objects-per-shard", 5))
    assert done.returncode == 0, done.stderr
    assert "share 0/2: 3 shards written" in done.stdout
    assert "share 1/2: 2 shards written" in done.stdout
    assert_same_table(read_shards(output), embed_whole(source, model))
    assert (output / SUCCESS_FILE).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_shards_of_a_killed_rank_are_done_when_it_is_started_again(tmp_path, tiny_folder, model):
    source, output = tmp_path / "curves.parquet", tmp_path / "out"
    pq.write_table(pa.concat_tables([to_table(CURVES)] * 80), source, row_group_size=23)
    process = Forked(
        *embed_command(source, "-o", output, "--model", tiny_folder, "--objects-per-shard", 23),
        environment={**os.environ, "RANK": "1", "WORLD_SIZE": "2"},
    )
    deadline = time.monotonic() + 120
    while len(list(output.glob(SHARD_NAMES))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL  # it had not finished
    there = {file: file.stat().st_ino for file in output.glob(SHARD_NAMES)}
    assert 3 <= len(there) < 40
    assert all(pq.read_metadata(file).num_rows == 23 for file in there)

    options = {"num_workers": 2, "objects_per_shard": 23, "show_progress": False}
    other = embed_shards(source, output, model, worker=0, **options)  # ends without it, and says what is missing
    assert (other.written, len(other.missing)) == (40, 40 - len(there))
    assert not (output / SUCCESS_FILE).exists()

    again = embed_shards(source, output, model, worker=1, **options)
    assert (again.written, again.found, again.missing) == (40 - len(there), len(there), [])
    assert {file: file.stat().st_ino for file in there} == there
    assert_same_table(read_shards(output), embed_whole(source, model))
    assert (output / SUCCESS_FILE).is_file()
    assert not list(output.glob(".*"))


def test_shards_are_written_into_a_folder_and_no_file(source, tiny_folder, capsys):
    arguments = ["embed", str(source), "--model", str(tiny_folder), "--quiet", "-o"]
    assert main([*arguments, str(source.parent / "out.parquet"), "--shard", "0/2"]) == 1
    assert "Shards are written into a folder" in capsys.readouterr().err
    assert main([*arguments, str(source.parent / "out"), "--shard", "1/2"]) == 0
    assert "share 1/2: 0 shards written, 0 were there; 1 of other shares are missing" in capsys.readouterr().out
    assert main([*arguments, str(source.parent / "out"), "--shard", "0/2"]) == 0
    assert "out is complete" in capsys.readouterr().out


def test_each_process_of_a_launcher_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for rank, device in (("0", "cuda:0"), ("3", "cuda:3"), ("5", "cuda:1")):
        assert sharded_embedding.device_of_worker("auto", {"LOCAL_RANK": rank}) == device
    assert sharded_embedding.device_of_worker("cpu", {"LOCAL_RANK": "1"}) == "cpu"
    assert sharded_embedding.device_of_worker("auto", {}) == "auto"
