# Copyright 2026 The astromer_hf developers. MIT licence.
"""The benchmark scripts run and report what they did."""

import argparse
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import benchmark_all
import benchmark_memory
import benchmark_startup
import benchmark_training
import estimate_scale
import profile_embedding
import pyarrow.parquet as pq
import pytest
from conftest import TINY, TINY_EXTENDED
from forks import fork_here

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.cli.main import main
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table


def test_the_training_benchmark_reports_a_rate_for_each_config(capsys: pytest.CaptureFixture[str]):
    small = ["--batch-size", "2", "--length", "20", "--steps", "1", "--repeats", "1"]
    rates = benchmark_training.main(benchmark_training.parse_args(small))
    assert list(rates) == ["astromer_macho_paper", "astromer_surveys_small"]
    assert min(rates.values()) > 0
    assert capsys.readouterr().out.count("windows/s") == 2


run_anew = subprocess.run


def fork_command(command: list[str], env: Mapping[str, str] | None = None, **options: Any) -> CompletedProcess[str]:
    """What `subprocess.run` returns, of Python in a process forked from this one: a child that imports nothing anew."""
    program, *arguments = command
    if program != sys.executable:
        return run_anew(command, env=env, **options)

    def interpret() -> int | None:
        os.environ.update(env or {})
        if arguments[:2] == ["-m", "astromer_hf.cli"]:
            return main(arguments[2:])
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
        return None

    done = fork_here(interpret)
    if options.get("check"):
        done.check_returncode()
    if not (options.get("capture_output") and options.get("text")):
        done.stdout = done.stderr = None  # which nobody asked for
    return done


@pytest.mark.parametrize(("is_new", "least_seconds"), [pytest.param(True, 0.1, marks=pytest.mark.slow), (False, 0.0)])
def test_the_memory_benchmark_measures_a_process_for_each_table(
    is_new: bool, least_seconds: float, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if not is_new:
        monkeypatch.setattr(subprocess, "run", fork_command)
    options = ["--objects", "30", "--points", "5", "10", "--tiny", "--sharded", "--folder", str(tmp_path)]
    measured = benchmark_memory.main(benchmark_memory.parse_args(options))
    assert [one.num_objects for one in measured] == [1, 30]  # the first is what a process takes by itself
    assert all(one.cpu_seconds > least_seconds for one in measured)
    assert all(0.1 < one.peak_gib < 8 for one in measured)
    assert capsys.readouterr().out.count("\n") == 3
    assert not list(tmp_path.iterdir())


def test_tables_of_the_memory_benchmark_have_the_size_that_is_asked_for(tmp_path: Path):
    benchmark_memory.write_table(tmp_path / "curves.parquet", 4500, [5, 6])
    table = pq.read_table(tmp_path / "curves.parquet", columns=["mjd"])
    assert len(table) == 4500
    assert set(table["mjd"].combine_chunks().value_lengths().to_pylist()) == {5, 6}


def test_the_onnx_benchmark_reports_rates_of_the_same_embeddings(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    import benchmark_onnx

    AstromerModel(AstromerConfig(**TINY | {"num_hidden_layers": 1})).save_pretrained(tmp_path / "model")
    pq.write_table(to_table(simulate_light_curves(6)), tmp_path / "curves.parquet")
    options = ["--model", str(tmp_path / "model"), "--objects", "5", "--threads", "1", "--repeats", "1", "--batch-size", "8"]
    rates = benchmark_onnx.main(benchmark_onnx.parse_args([str(tmp_path / "curves.parquet"), *options]))
    assert list(rates) == [
        "ONNX Runtime, one at a time",
        "ONNX Runtime, batches of 8",
        "PyTorch, one at a time",
        "PyTorch, batches of 8",
    ]
    assert min(rates.values()) > 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("1 threads")
    assert all(float(line.rsplit(maxsplit=1)[1]) < 1e-4 for line in lines[1:])


def test_the_profile_puts_all_time_of_the_model_into_its_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    AstromerModel(AstromerConfig(**TINY_EXTENDED)).save_pretrained(tmp_path / "model")
    pq.write_table(to_table(simulate_light_curves(6)), tmp_path / "curves.parquet")
    options = ["--models", str(tmp_path / "model"), "--dtypes", "float32", "--repeats", "1"]
    columns = profile_embedding.main(profile_embedding.parse_args([str(tmp_path / "curves.parquet"), *options]))
    (rows,) = columns.values()
    assert min(milliseconds for row, milliseconds in rows.items() if row != "reading, cutting and writing") > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [*profile_embedding.ROWS, "sum"]
    assert abs(float(lines[-1].split("|")[-2]) - sum(rows.values())) < 1


@pytest.mark.slow
def test_the_start_of_a_warm_model_and_of_a_cold_command_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    AstromerModel(AstromerConfig(**TINY)).save_pretrained(tmp_path / "model")
    pq.write_table(to_table(simulate_light_curves(3)), tmp_path / "curves.parquet")
    options = ["--models", str(tmp_path / "model"), "--repeats", "1", "--points", "30"]
    measured = benchmark_startup.main(benchmark_startup.parse_args([str(tmp_path / "curves.parquet"), *options]))
    ((load, first, cold),) = measured.values()
    assert 0 < load < 10_000
    assert 0 < first < 10_000
    assert 0.5 < cold < 100
    assert "cold |" in capsys.readouterr().out


def test_the_report_of_all_benchmarks_says_which_part_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    chosen = {
        "A table": ["estimate_scale", "--curves-per-second", "100"],
        "None": ["estimate_scale", "--curves-per-second", "0"],
    }
    monkeypatch.setattr(benchmark_all, "commands", lambda args: chosen)
    monkeypatch.setattr(subprocess, "run", fork_command)
    report = tmp_path / "new" / "report.md"
    assert benchmark_all.main(benchmark_all.parse_args(["curves.parquet", "-o", str(report)])) == 1
    first, second = report.read_text().split("## None")
    assert "116 days" in first
    assert "Failed" in second
    assert "Failed" not in first


@pytest.mark.parametrize("is_there", [False, True])
def test_released_weights_that_are_missing_are_left_out_of_all_benchmarks(
    is_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    released, report = tmp_path / "macho", tmp_path / "report.md"
    if is_there:
        AstromerModel(AstromerConfig(**TINY)).save_pretrained(released)
    commands = benchmark_all.commands
    measured: list[list[str]] = []

    def list_models(args: argparse.Namespace) -> dict[str, list[str]]:
        measured.extend(commands(args).values())
        return {"A table": ["estimate_scale", "--curves-per-second", "100"]}

    monkeypatch.setattr(benchmark_all, "commands", list_models)
    monkeypatch.setattr(subprocess, "run", fork_command)
    options = ["curves.parquet", "--released", str(released), "--shipped", "shipped", "-o", str(report)]
    assert benchmark_all.main(benchmark_all.parse_args(options)) == 0
    of_several = [command[command.index("--models") + 1 :] for command in measured if "--models" in command]
    assert len(of_several) == 3
    assert all(models[: 1 + is_there] == [str(released)] * is_there + ["shipped"] for models in of_several)
    assert (f"astromer-hf convert ../shared/reference/macho_a0.zip {released}" in report.read_text()) is not is_there


def test_all_benchmarks_are_commands_that_their_scripts_understand(tmp_path: Path):
    arguments = ["curves.parquet", "--released", "a", "--shipped", "b", "--upstream", "python", "--quick"]
    for name, *rest in benchmark_all.commands(benchmark_all.parse_args(arguments)).values():
        assert import_module(name).parse_args(rest).repeats == 1


def test_a_survey_takes_its_light_curves_over_the_rate_of_all_processes():
    arguments = ["--curves-per-second", "100", "2e5", "--names", "a CPU", "a GPU", "--processes", "1", "10"]
    lines = estimate_scale.main(estimate_scale.parse_args(arguments))
    rows = {row[1]: row[2:-1] for row in ([cell.strip() for cell in line.split("|")] for line in lines)}
    assert rows["ZTF, all light curves (1e9), a CPU"] == ["100", "116 days", "11.6 days", "–", "1.02e+03 GB"]
    assert rows["ZTF, all light curves (1e9), a GPU"][1:3] == ["83.3 minutes", "8.33 minutes"]
    assert rows["Rubin, a night's alerts (1e7 in 10 h), a CPU"] == ["100", "27.8 hours", "2.78 hours", "3", "10.2 GB"]
    assert rows["Rubin, a night's alerts (1e7 in 10 h), a GPU"][3] == "1"


@pytest.mark.parametrize(
    "arguments", [["--curves-per-second", "0"], ["--curves-per-second", "1", "--names", "a", "b"], ["--processes", "2"]]
)
def test_rates_that_say_nothing_are_refused(arguments: list[str]):
    with pytest.raises(SystemExit):
        estimate_scale.parse_args(arguments)
