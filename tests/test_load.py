# Copyright 2026 The astromer_hf developers. MIT licence.
"""Under load memory and open files stay flat, no object is lost, two writers do not mix and dead workers are reported.

The soak embeds `ASTROMER_SOAK_OBJECTS` light curves, 20,000 by default; the full one is a million:
    ASTROMER_SOAK_OBJECTS=1000000 pytest -m slow tests/test_load.py -k soak --timeout 0
"""

import errno
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from conftest import report_lines
from filelock import FileLock
from forks import Forked, run_forked
from zygote import Zygote

from astromer_hf import AstromerFeatureExtractor, AstromerModel
from astromer_hf.inference.embedding import embed_table
from astromer_hf.inference.output_files import OutputInUseError, complete_or_absent, only_writer
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="memory and open files are read from /proc")

SOAK_OBJECTS = int(os.environ.get("ASTROMER_SOAK_OBJECTS", "20000"))
ROWS = 2000  # of a row group
SURVEY = replace(SIMULATED_SURVEYS["ztf_like"], min_points=5, max_points=45)


def write_many(path: Path, count: int) -> Path:
    """Simulated light curves of `ROWS` kinds over and over, each under an id of its own; some are empty."""
    table = to_table(simulate_light_curves(min(ROWS, count), survey=SURVEY)).select(["object_id", "mjd", "mag"])
    empty = pa.array(np.arange(len(table)) % 100 == 7)
    for name in ("mjd", "mag"):
        column = pc.if_else(empty, pa.scalar([], table.schema.field(name).type), table[name])
        table = table.set_column(table.column_names.index(name), name, column)
    with pq.ParquetWriter(path, table.schema) as writer:
        for first in range(0, count, len(table)):
            ids = pa.array([f"star {i}" for i in range(first, min(first + len(table), count))])
            writer.write_table(table.slice(0, len(ids)).set_column(0, "object_id", ids))
    return path


def start_embedding(model: Path, source: Path, output: Path, **environment: str) -> Forked:
    command = ["-m", "astromer_hf.cli", "embed", source, "-o", output, "--model", model, "--quiet"]
    return Forked(*command, environment={**os.environ, **environment})


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return int(line.split()[1]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_soak_keeps_memory_and_open_files_flat_and_loses_no_object(tiny_folder, tmp_path, request):
    source, output = write_many(tmp_path / "many.parquet", SOAK_OBJECTS), tmp_path / "out.parquet"
    partial = tmp_path / ".out.parquet.partial"
    started = time.monotonic()
    process = start_embedding(tiny_folder, source, output)
    memory, files = [], []
    while process.poll() is None:
        try:
            if partial.exists() and partial.stat().st_size > 100_000:  # it is under way
                memory.append(resident_mib(process.pid))
                files.append(len(os.listdir(f"/proc/{process.pid}/fd")))
        except OSError:  # it has just ended
            break
        time.sleep(0.05 if SOAK_OBJECTS < 100_000 else 1.0)
    assert process.wait() == 0, process.communicate()
    seconds = time.monotonic() - started
    assert len(memory) >= 10, "it was over too soon to be measured: raise ASTROMER_SOAK_OBJECTS"
    tenth = max(len(memory) // 10, 1)
    early, late = float(np.median(memory[tenth : 3 * tenth])), float(np.median(memory[-2 * tenth :]))
    lost = 0
    for number, batch in enumerate(pq.ParquetFile(output).iter_batches(ROWS, columns=["object_id", "num_points", "embedding"])):
        first = number * ROWS
        ids = [f"star {i}" for i in range(first, min(first + ROWS, SOAK_OBJECTS))]
        assert batch["object_id"].to_pylist() == ids
        empty = batch["num_points"].to_numpy() == 0
        assert empty.sum() == sum(i % ROWS % 100 == 7 for i in range(first, first + len(ids)))
        assert (batch["embedding"].is_null().to_numpy(zero_copy_only=False) == empty).all()
        lost += len(ids) - len(batch)
    assert pq.read_metadata(output).num_rows == SOAK_OBJECTS
    request.config.stash[report_lines].append(
        f"soak: {SOAK_OBJECTS} objects in {seconds:.0f} s, objects lost: {lost}, memory {early:.0f} MiB early and "
        f"{late:.0f} MiB late, open files {min(files)} to {max(files)}, {len(memory)} readings"
    )
    assert late - early < 64, f"memory grew from {early:.0f} to {late:.0f} MiB"
    assert max(files) - min(files) <= 4


# --- Two writers of one output ---


def test_of_two_processes_that_write_one_output_the_second_is_refused_and_the_first_is_whole(tiny_folder, tmp_path):
    source, output = write_many(tmp_path / "many.parquet", 6000), tmp_path / "out.parquet"
    first = start_embedding(tiny_folder, source, output)
    deadline = time.monotonic() + 120
    while not (tmp_path / ".out.parquet.lock").exists() and time.monotonic() < deadline:
        assert first.poll() is None, first.communicate()
        time.sleep(0.005)
    with pytest.raises(
        OutputInUseError, match=r"Another process is writing .*out.parquet.*wait until it is done, or name another"
    ):
        embed_table(source, output, AstromerModel.from_pretrained(tiny_folder), show_progress=False)
    out, errors = first.communicate(timeout=240)
    assert first.returncode == 0, errors
    assert "6000 light curves" in out
    assert pq.read_metadata(output).num_rows == 6000
    assert {path.name for path in tmp_path.iterdir()} == {"many.parquet", "out.parquet"}
    small = write_many(tmp_path / "few.parquet", 5)
    embed_table(small, output, AstromerModel.from_pretrained(tiny_folder), show_progress=False)  # and now it may
    assert pq.read_metadata(output).num_rows == 5


def write_own(output: str, name: str, times: int) -> None:
    """Write a file of one letter so many times, waiting while another process writes it."""
    while times:
        try:
            with complete_or_absent(Path(output)) as partial:
                for _ in range(20):
                    with partial.open("a") as opened:
                        opened.write(name * 100)
            times -= 1
        except OutputInUseError:
            time.sleep(0.001)


@pytest.mark.slow
def test_many_writers_of_one_output_never_mix(tmp_path):
    zygote = Zygote(["test_load"], os.environ, tmp_path / "log.txt")
    (tmp_path / "out").mkdir()
    output, seen = tmp_path / "out" / "out.txt", set()
    try:
        writers = [zygote.start("test_load:write_own", output, name, 25) for name in "abcd"]
        running = True
        while running:
            running = any(Path(f"/proc/{pid}").is_dir() and "Z" not in _state(pid) for pid in writers)
            if output.exists():
                content = output.read_text()
                assert len(content) == 2000
                assert len(set(content)) == 1
                seen.add(content[0])
        assert [zygote.wait(pid) for pid in writers] == [0] * 4, (tmp_path / "log.txt").read_text()
    finally:
        zygote.close()
    assert len(seen) > 1
    assert list(output.parent.iterdir()) == [output]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_an_output_is_let_go_of_after_an_error_and_by_a_writer_that_is_done(tmp_path):
    output = tmp_path / "out.txt"

    def fail_midway() -> None:
        with complete_or_absent(output) as partial:
            partial.write_text("half")
            with pytest.raises(OutputInUseError), only_writer(output):
                pass
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail_midway()
    assert list(tmp_path.iterdir()) == []
    with complete_or_absent(output) as partial:
        partial.write_text("whole")
    assert output.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [output]


def test_a_folder_appears_complete_or_not_at_all_and_over_an_empty_one(tmp_path):
    output = tmp_path / "folder"
    (tmp_path / ".folder.partial").mkdir()
    (tmp_path / ".folder.partial" / "half.txt").write_text("left by a killed process")
    output.mkdir()
    with complete_or_absent(output) as partial:
        partial.mkdir()
        (partial / "whole.txt").write_text("whole")
        assert list(output.iterdir()) == []
    assert [path.name for path in output.iterdir()] == ["whole.txt"]
    assert list(tmp_path.iterdir()) == [output]


def test_what_a_killed_writer_left_is_cleared_away(tmp_path):
    output = tmp_path / "out.txt"
    for name in (".out.txt.lock", ".out.txt.partial"):
        (tmp_path / name).write_text("left by a killed process")
    with complete_or_absent(output) as partial:
        partial.write_text("whole")
    assert list(tmp_path.iterdir()) == [output]


def test_where_there_are_no_locks_writers_have_files_of_their_own(tmp_path, monkeypatch):
    def refuse(lock: FileLock) -> None:
        raise OSError(errno.ENOLCK, "No locks available", lock.lock_file)

    monkeypatch.setattr(FileLock, "acquire", refuse)
    output = tmp_path / "out.txt"
    with complete_or_absent(output) as partial:
        assert str(os.getpid()) in partial.name
        partial.write_text("whole")
    assert list(tmp_path.iterdir()) == [output]


# --- Workers that die ---


class KilledAtTheSecondBatch:
    """A collator whose process is killed while it makes its second batch, as the system does where memory ends."""

    def __init__(self) -> None:
        self.collator = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(window_size=20))
        self.batches = 0

    def __call__(self, rows: list) -> dict:
        self.batches += 1
        if self.batches == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.collator(rows)


def lose_a_worker() -> None:
    """Read batches by a worker that is killed; one at a time, so that the first has arrived when it dies."""
    dataset = InMemoryLightCurves.from_table(to_table(simulate_light_curves(64, survey=SURVEY)))
    batches = torch.utils.data.DataLoader(
        dataset, batch_size=1, collate_fn=KilledAtTheSecondBatch(), num_workers=1, prefetch_factor=1
    )
    for _ in batches:
        pass


def test_a_dataloader_worker_that_is_killed_is_reported_and_not_waited_for():
    done = run_forked("-c", "import test_load; test_load.lose_a_worker()", timeout=120)
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("RuntimeError: DataLoader worker") or error == "EOFError"  # it may die in mid-sentence
