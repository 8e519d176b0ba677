# Copyright 2026 The astromer_hf developers. MIT licence.
"""Processes are killed and files damaged at random: what is there is complete, and a restart ends as an unbroken run.

Every loop kills at least `KILLS` real processes by SIGKILL, and compares what the restarted work leaves with an unbroken run's.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, TINY_EXTENDED, report_lines
from hub_client import environment
from loopback_hub import LoopbackHub
from safetensors.torch import load_file
from test_few_shot import CONFIG, write_prepared
from test_hub import save_tiny
from test_trainer import write_config
from zygote import Zygote

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, AstromerModel
from astromer_hf.hub.load import ModelError, load_model
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.training.trainer import last_complete_checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no fork")

KILLS = 20
SCRIPTS = Path(__file__).parents[1] / "scripts"
COUNTED: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print at the end of the run what was survived."""
    yield
    lines = [f"faults: {what}: {count}" for what, count in COUNTED.items()]
    request.config.stash[report_lines].extend(lines)


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """It can embed, train and run the benchmark."""
    log = tmp_path_factory.mktemp("zygote") / "log.txt"
    modules = [
        "conftest",
        "test_faults",
        "astromer_hf.cli.main",
        "astromer_hf.inference.embedding",
        "run_pretraining",
        "run_few_shot_benchmark",
    ]
    running = Zygote(modules, os.environ, log)
    yield running
    running.close()


def kill_in_a_loop(kills: int, attempt: Callable[[float], bool], longest: float, check: Callable[[], None]) -> int:
    """Kill at random moments until `kills` were killed, looking at what is left each time; the number of attempts."""
    chance, killed, attempts = random.Random(0), 0, 0
    while killed < kills:
        assert attempts < 10 * kills, f"only {killed} of {attempts} were still running when they were to be killed"
        killed += attempt(chance.uniform(0, longest))
        attempts += 1
        check()
    return killed


# --- Embedding a table ---


def embed_here(model: str, source: str, output: str) -> None:
    """What the killed processes do."""
    from astromer_hf.inference.embedding import embed_table

    torch.set_num_threads(1)
    embed_table(source, output, AstromerModel.from_pretrained(model), objects_per_chunk=8, show_progress=False)


@pytest.mark.slow
def test_an_embedding_killed_at_any_moment_leaves_the_former_output_or_none_and_loses_no_object(zygote, tiny_folder, tmp_path):
    source, output = tmp_path / "curves.parquet", tmp_path / "out.parquet"
    curves = simulate_light_curves(600, survey=SIMULATED_SURVEYS["ztf_like"])
    pq.write_table(to_table(curves), source)
    unbroken = tmp_path / "unbroken.parquet"
    started = time.monotonic()
    zygote.run("test_faults:embed_here", tiny_folder, source, unbroken)
    duration = time.monotonic() - started
    expected = pq.read_table(unbroken)
    assert expected["object_id"].to_pylist() == [curve.object_id for curve in curves]

    def attempt(seconds: float) -> bool:
        return zygote.kill_after(seconds, "test_faults:embed_here", tiny_folder, source, output)

    def nothing_half() -> None:
        if output.exists():  # it was quicker than the kill
            assert pq.read_table(output).equals(expected)
            output.unlink()
        assert set(tmp_path.glob("*.parquet")) == {source, unbroken}

    killed = kill_in_a_loop(KILLS // 2, attempt, 1.1 * duration, nothing_half)
    former = b"a former output"

    def former_or_whole() -> None:
        if output.read_bytes() != former:
            assert pq.read_table(output).equals(expected)
            output.write_bytes(former)

    output.write_bytes(former)
    killed += kill_in_a_loop(KILLS // 2, attempt, 1.1 * duration, former_or_whole)
    zygote.run("test_faults:embed_here", tiny_folder, source, output)
    assert pq.read_table(output).equals(expected)
    assert {path.name for path in tmp_path.iterdir()} == {"curves.parquet", "out.parquet", "unbroken.parquet"}
    COUNTED["embed, kills survived"] += killed
    COUNTED["embed, objects lost"] += len(curves) - len(set(pq.read_table(output)["object_id"].to_pylist()))


# --- Pre-training ---


def pretrain_here(config: str) -> None:
    """What the killed processes do."""
    import run_pretraining

    torch.set_num_threads(1)
    run_pretraining.main(*run_pretraining.parse_args([config]))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset."""
    from dataclasses import replace

    folder = tmp_path_factory.mktemp("prepared") / "simulated"
    folder.mkdir()
    survey = replace(SIMULATED_SURVEYS["ztf_like"], min_points=30, max_points=60)
    for seed, (split, count) in enumerate({"train": 64, "validation": 16}.items()):
        table = to_table(simulate_light_curves(count, seed=seed, survey=survey))
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


TRAINING = {
    "model": {**TINY, "window_size": 60, "hidden_dropout_prob": 0.1, "time_bias_scales": [0.3, 3.0, 30.0, 300.0]},
    "max_steps": 120,
    "save_strategy": "steps",
    "save_steps": 4,
    "save_total_limit": 2,
    "lr_scheduler_type": "cosine",
    "per_device_train_batch_size": 8,
}


@pytest.mark.slow
def test_a_pretraining_killed_again_and_again_ends_with_the_weights_of_an_unbroken_one(zygote, simulated, tmp_path):
    unbroken = write_config(tmp_path / "unbroken.yaml", simulated, tmp_path / "unbroken", **TRAINING)
    started = time.monotonic()
    zygote.run("test_faults:pretrain_here", unbroken)
    duration = time.monotonic() - started
    expected = load_file(tmp_path / "unbroken" / "model.safetensors")
    killed = rounds = 0
    checkpoints: set[str] = set()
    while killed < KILLS:
        output = tmp_path / f"killed-{rounds}"
        config = write_config(tmp_path / f"killed-{rounds}.yaml", simulated, output, **TRAINING)
        rounds += 1
        chance = random.Random(rounds)
        while not (output / "learning_curves.png").exists() and killed < KILLS:
            killed += zygote.kill_after(chance.uniform(0, 0.6 * duration), "test_faults:pretrain_here", config)
            checkpoint = last_complete_checkpoint(output)
            if checkpoint is not None:  # whatever it would go on from can be loaded
                checkpoints.add(checkpoint)
                load_model(checkpoint)
            if (output / "model.safetensors").exists():  # and nothing under a final name is half
                load_model(str(output))
        zygote.run("test_faults:pretrain_here", config)
        found = load_file(output / "model.safetensors")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        assert (output / "learning_curves.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    COUNTED["pre-training, kills survived"] += killed
    COUNTED["pre-training, checkpoints looked at"] += len(checkpoints)


# --- Few-shot benchmark ---


def benchmark_here(*arguments: str) -> None:
    """What the killed processes do."""
    import run_few_shot_benchmark as benchmark

    torch.set_num_threads(1)
    benchmark.main(benchmark.parse_args(list(arguments)))


@pytest.mark.slow
def test_a_benchmark_killed_again_and_again_has_every_run_once(zygote, tmp_path):
    write_prepared(tmp_path / "data" / "north", per_class={"train": 12, "validation": 3, "test": 3})
    torch.manual_seed(0)
    AstromerForMaskedReconstruction(CONFIG).save_pretrained(tmp_path / "tiny")
    options = ["--samples", "4", "8", "--folds", "2", "--test-per-class", "5", "--min-train", "12", "--max-epochs", "8"]
    options += ["--methods", ": linear|: nearest|: MLP$|: small", "--surveys", "north"]

    def arguments(output: Path) -> list[str]:
        return [str(tmp_path / "data"), "--models", str(tmp_path / "tiny"), "-o", str(output), *options]

    started = time.monotonic()
    zygote.run("test_faults:benchmark_here", *arguments(tmp_path / "unbroken"))
    duration = time.monotonic() - started
    expected = pd.read_parquet(tmp_path / "unbroken" / "north.parquet").drop(columns="seconds")
    killed = rounds = 0
    while killed < KILLS:
        output = tmp_path / f"killed-{rounds}"
        rounds += 1
        chance, before = random.Random(rounds), 0
        while not (output / "north_confusion.png").exists() and killed < KILLS:
            killed += zygote.kill_after(chance.uniform(0, 0.5 * duration), "test_faults:benchmark_here", *arguments(output))
            if (output / "north.parquet").exists():  # what was done stays done
                done = len(pd.read_parquet(output / "north.parquet"))
                assert before <= done <= len(expected)
                before = done
        zygote.run("test_faults:benchmark_here", *arguments(output))
        found = pd.read_parquet(output / "north.parquet").drop(columns="seconds")
        pd.testing.assert_frame_equal(found, expected)
        assert (output / "scores.md").read_text() == (tmp_path / "unbroken" / "scores.md").read_text()
        visible = {path.name for path in output.iterdir() if not path.name.startswith(".")}
        assert visible == {path.name for path in (tmp_path / "unbroken").iterdir()}
    COUNTED["few-shot benchmark, kills survived"] += killed
    COUNTED["few-shot benchmark, runs lost"] += len(expected) - len(found)


# --- Push ---


def push_here(folder: str, repo_id: str) -> int:
    """What the killed processes do."""
    from astromer_hf.cli.main import main

    return main(["push", folder, repo_id])


@pytest.mark.slow
def test_a_push_killed_at_any_moment_is_not_there_or_complete(hub: LoopbackHub, tmp_path: Path):
    folder = save_tiny(tmp_path / "tiny")
    running = Zygote(
        ["astromer_hf.cli.main", "astromer_hf.hub.push", "test_faults"],
        environment(hub.url, tmp_path / "home", HF_TOKEN="hf_ada"),
        tmp_path / "log.txt",
    )
    try:
        started = time.monotonic()
        running.run("test_faults:push_here", folder, "astromer/unbroken")
        duration = time.monotonic() - started
        files = hub.list_files("astromer/unbroken")
        expected = {name: hub.read("astromer/unbroken", name) for name in files}
        numbers = iter(range(10 * KILLS))
        last = ""

        def attempt(seconds: float) -> bool:
            nonlocal last
            last = f"astromer/killed-{next(numbers)}"
            return running.kill_after(seconds, "test_faults:push_here", folder, last)

        def all_or_nothing() -> None:
            if ("models", last) in hub.repos and hub.list_files(last):
                found = {name: hub.read(last, name) for name in hub.list_files(last)}
                assert found.keys() - {".gitattributes"} in (set(), expected.keys() - {".gitattributes"})
            running.run("test_faults:push_here", folder, last)
            found = {name: hub.read(last, name) for name in hub.list_files(last)}
            assert found == expected

        killed = kill_in_a_loop(KILLS, attempt, duration, all_or_nothing)
    finally:
        running.close()
    COUNTED["push, kills survived"] += killed


# --- Two processes, one of which dies ---


def start_rank(rank: int, port: int, config: Path, log: Path) -> subprocess.Popen:
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    own = {name: str(value) for name, value in variables.items()} | {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as output:
        command = [sys.executable, str(SCRIPTS / "run_pretraining.py"), str(config)]
        return subprocess.Popen(command, env={**os.environ, **own}, stdout=output, stderr=output)


@pytest.mark.slow
def test_when_one_of_two_ranks_dies_the_other_ends_with_an_error_and_the_run_resumes(simulated: Path, tmp_path: Path):
    fields = TRAINING | {"per_device_train_batch_size": 4, "ddp_backend": "gloo", "max_steps": 2000, "save_steps": 10}
    config, output = write_config(tmp_path / "two.yaml", simulated, tmp_path / "two", **fields), tmp_path / "two"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [start_rank(rank, port, config, tmp_path / f"rank{rank}.txt") for rank in (0, 1)]
    try:
        deadline = time.monotonic() + 240
        while last_complete_checkpoint(output) is None:
            assert time.monotonic() < deadline
            assert all(rank.poll() is None for rank in ranks), (tmp_path / "rank0.txt").read_text()[-2000:]
            time.sleep(0.1)
        ranks[1].send_signal(signal.SIGKILL)
        status = ranks[0].wait(timeout=120)
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    assert status not in (0, -signal.SIGKILL)
    assert "Error" in (tmp_path / "rank0.txt").read_text()
    assert not (output / "model.safetensors").exists()
    checkpoint = last_complete_checkpoint(output)
    assert checkpoint is not None
    step = int(checkpoint.rpartition("-")[2])
    write_config(config, simulated, output, **fields | {"max_steps": step + 10})
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(SCRIPTS / "run_pretraining.py"), str(config)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((output / "trainer_state.json").read_text())["global_step"] == step + 10
    load_model(str(output))
    COUNTED["ranks killed, run resumed"] += 1


# --- Damaged checkpoints ---


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "model"
    torch.manual_seed(0)
    AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("seed", range(3))
def test_no_flipped_bit_and_no_truncation_changes_a_weight_that_is_loaded(sound: Path, tmp_path: Path, seed: int):
    folder = tmp_path / "model"
    shutil.copytree(sound, folder)
    weights, content, rng = (
        folder / "model.safetensors",
        (sound / "model.safetensors").read_bytes(),
        np.random.default_rng(seed),
    )
    expected = load_file(sound / "model.safetensors")
    for _ in range(40):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        weights.write_bytes(damaged)
        try:
            model, _ = load_model(str(folder))
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017
            with pytest.raises(ValueError, match=r"checksum|damaged|cut short"):
                AstromerForMaskedReconstruction.from_pretrained(folder)
            COUNTED["flipped bits refused"] += 1
        else:  # it was in the words of the header, such as the name of the checksum
            assert all(torch.equal(values, expected[name]) for name, values in model.state_dict().items() if name in expected)
            COUNTED["flipped bits that no number depends on"] += 1
    for length in rng.integers(0, len(content), 20):
        weights.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"cannot be loaded as an ASTROMER model: .+"):
            load_model(str(folder))
        COUNTED["truncated weights refused"] += 1
    weights.write_bytes(content)
    load_model(str(folder))


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": 16384},
        {"num_hidden_layers": 1000},
        {"intermediate_size": 65536, "hidden_size": 8192},
        {"num_frequencies": 2**30},
        {"window_size": 2**40},
        {"classifier_hidden_sizes": [60000, 60000]},
        {"classifier_lstm_sizes": [16000, 16000], "classifier_head": "lstm"},
    ],
    ids=str,
)
def test_a_config_of_absurd_sizes_is_refused_in_no_time_and_memory(sound: Path, tmp_path: Path, fields: dict):
    import resource

    folder = tmp_path / "model"
    shutil.copytree(sound, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields | {"architectures": ["AstromerForSequenceClassification"]}))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ModelError, match=r"describes a model of|must be at most|has no weights of") as caught:
        load_model(str(folder))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 2**10  # KiB
    COUNTED["absurd configs refused"] += 1
