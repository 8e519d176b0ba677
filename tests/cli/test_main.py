# Copyright 2026 The astromer_hf developers. MIT licence.
"""The command does what it says, and what goes wrong is one line on standard error, exit code 1 or 2 and no output."""

import contextlib
import gzip
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY
from forks import run_forked
from safetensors.torch import load_file, save_file
from test_source import CURVES, LAYOUTS, write_columns
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig, BertModel
from zygote import PYTHONPATH

import astromer_hf
from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
)
from astromer_hf.__main__ import main as start
from astromer_hf.cli.main import ALIASES, build_command, main
from astromer_hf.cli.report import Report, reports
from astromer_hf.hub.load import DEFAULT_MODEL
from astromer_hf.inference.classification import classify_light_curves
from astromer_hf.inference.embedding import embed_light_curves
from astromer_hf.light_curves.simulation import to_table

IDS = [curve.object_id for curve in CURVES]
NAN = float("nan")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(folder)
    AstromerFeatureExtractor(TINY["window_size"]).save_pretrained(folder)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return LAYOUTS["lists"](tmp_path, to_table(CURVES))


@pytest.fixture
def embed(tmp_path: Path, model_folder: Path) -> Callable[..., pa.Table]:
    """Run `astromer-hf embed` and read what it wrote."""

    def run(source: Path, *options: object) -> pa.Table:
        arguments = ["embed", source, "-o", tmp_path / "out.parquet", "--model", model_folder, "--quiet", *options]
        assert main([str(argument) for argument in arguments]) == 0
        return pq.read_table(tmp_path / "out.parquet")

    return run


def vectors(table: pa.Table) -> np.ndarray:
    return np.stack(table["embedding"].to_numpy())


def expect_error(capsys: pytest.CaptureFixture[str], arguments: list[object]) -> str:
    """The one line that a command which fails prints."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    return errors


# --- What it does ---


def test_embed_writes_what_embed_light_curves_gives(embed, source, model_folder, capsys):
    table = embed(source)
    model = AutoModel.from_pretrained(model_folder)
    expected = embed_light_curves(model, [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES])
    assert table["object_id"].to_pylist() == IDS
    np.testing.assert_allclose(vectors(table), expected.object_embeddings, rtol=0, atol=1e-5)
    assert table.schema.metadata == {
        b"astromer_hf.model": str(model_folder).encode(),
        b"astromer_hf.dtype": b"float32",
        b"astromer_hf.masking_scheme": b"hidden",
    }
    points = sum(len(curve.mag) for curve in CURVES)
    assert f"{len(CURVES)} light curves ({points} observations, {sum(expected.num_windows)} windows)" in capsys.readouterr().out


def test_embed_takes_the_packaged_model_when_none_is_named(embed, source, tmp_path, model_folder, monkeypatch):
    expected = embed(source)
    shutil.copytree(model_folder, tmp_path / "model_cards" / DEFAULT_MODEL)
    monkeypatch.setattr("astromer_hf.model.MODEL_FOLDERS", (tmp_path / "model_cards",))
    assert main(["embed", str(source), "-o", str(tmp_path / "default.parquet"), "--quiet"]) == 0
    found = pq.read_table(tmp_path / "default.parquet")
    assert found.equals(expected)
    assert found.schema.metadata[b"astromer_hf.model"] == DEFAULT_MODEL.encode()


def test_embed_without_a_packaged_model_asks_for_one(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("astromer_hf.model.MODEL_FOLDERS", (tmp_path,))
    assert "--model" in expect_error(capsys, ["embed", source, "-o", tmp_path / "out.parquet"])


def test_column_options_name_columns_that_nobody_would_guess(embed, source, tmp_path):
    names = {"object_id": "star", "mjd": "day", "mag": "brightness", "magerr": "sigma", "band": "colour", "label": "kind"}
    renamed = tmp_path / "renamed.parquet"
    pq.write_table(to_table(CURVES).rename_columns(names | {"period_days": "period"}), renamed)
    options = [word for role, name in names.items() for word in (f"--{role.replace('_', '-')}-column", name)]
    assert embed(renamed, *options).equals(embed(source))


def test_batch_size_changes_nothing(embed, source):
    np.testing.assert_allclose(vectors(embed(source, "--batch-size", 1)), vectors(embed(source)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("level", ["window", "observation"])
def test_level_adds_the_embeddings_below_the_object(embed, source, level):
    table = embed(source, "--level", level)
    counts = table["num_windows" if level == "window" else "num_points"].to_pylist()
    assert [len(one) for one in table[f"{level}_embeddings"]] == counts
    assert table.drop_columns(f"{level}_embeddings").equals(embed(source))


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_half_precision_is_close_to_float32(embed, source, dtype, tolerance):
    expected, found = vectors(embed(source)), vectors(embed(source, "--dtype", dtype))
    assert 0 < np.abs(found - expected).max() < tolerance


def test_masking_scheme_replaces_the_models_own(embed, source):
    expected, found = embed(source), embed(source, "--masking-scheme", "additive_padding")
    assert found.schema.metadata[b"astromer_hf.masking_scheme"] == b"additive_padding"
    padded = np.array([len(curve.mag) < TINY["window_size"] for curve in CURVES])
    assert padded.any()
    assert (np.abs(vectors(found) - vectors(expected)).max(axis=1)[padded] > 1e-3).all()


def test_a_model_folder_without_a_feature_extractor_will_do(source, tmp_path, model_folder, embed):
    shutil.copytree(model_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("preprocessor_config.json"))
    assert embed(source, "--model", tmp_path / "bare").equals(embed(source))


def test_light_curves_and_observations_left_out_are_reported(embed, tmp_path, capsys):
    ids = ["fine", *(f"bad {i}" for i in range(12)), None]
    times, magnitudes = [[1.0, 2.0, 3.0]] * len(ids), [[10.0, 11.0, NAN], *[[NAN] * 3] * (len(ids) - 1)]
    table = embed(write_columns(tmp_path / "bad.parquet", id=ids, mjd=times, mag=magnitudes))
    assert table["object_id"].to_pylist() == ids
    assert table["embedding"].null_count == 13
    output, errors = capsys.readouterr()
    assert f"dropped: {1 + 13 * 3} without a magnitude" in output
    assert "13 light curves have no usable observation; their result is null: bad 0, bad 1, " in errors
    assert errors.endswith("bad 9 ...\n")


def test_simulated_light_curves_have_the_number_of_observations_that_is_asked_for(tmp_path, capsys):
    output = tmp_path / "curves.parquet"
    assert main(["simulate", "-o", str(output), "-n", "30", "--points", "5", "7"]) == 0
    assert {len(mjd) for mjd in pq.read_table(output)["mjd"].to_pylist()} == {5, 6, 7}
    capsys.readouterr()
    assert main(["simulate", "-o", str(output), "--points", "7", "5"]) == 1
    assert "1 <= min_points <= max_points, got 7 and 5" in capsys.readouterr().err


def test_simulated_light_curves_repeat_from_their_seed_and_can_be_embedded(embed, tmp_path):
    tables = []
    for name, seed in {"first": 1, "again": 1, "other": 2}.items():
        output = tmp_path / f"{name}.parquet"
        assert main(["simulate", "-o", str(output), "-n", "4", "--survey", "ztf_like", "--seed", str(seed)]) == 0
        tables.append(pq.read_table(output))
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    assert embed(tmp_path / "first.parquet")["object_id"].to_pylist() == tables[0]["object_id"].to_pylist()


def test_the_released_weights_embed_the_real_macho_light_curves(tmp_path, shared_data, shared_reference):
    source, folder, output = shared_data / "macho_with_err.parquet", tmp_path / "macho_a0", tmp_path / "out.parquet"
    assert main(["convert", str(shared_reference / "macho_a0.zip"), str(folder)]) == 0
    assert main(["embed", str(source), "-o", str(output), "--model", str(folder), "--quiet"]) == 0
    table, light_curves = pq.read_table(output), pq.read_table(source)
    assert len(table) == 49
    assert table["object_id"].to_pylist() == light_curves["id"].to_pylist()
    last = light_curves.slice(48)
    model = AutoModel.from_pretrained(folder)
    expected = embed_light_curves(model, last["time"][0].values.to_numpy(), last["mag"][0].values.to_numpy())
    np.testing.assert_allclose(vectors(table.slice(48)), expected.object_embeddings, rtol=0, atol=1e-5)


def test_help_lists_the_verbs_in_groups(capsys):
    assert main(["--help"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    listed: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("╭"):
            group = listed.setdefault(line.split()[1], [])
        elif line.startswith("│ ") and line[2] != " ":
            group.append(line.split()[1])
    assert listed == {
        "Options": ["--version", "--install-completion", "--show-completion", "--help"],
        "Use": ["inspect", "embed", "classify", "neighbors", "periods", "simulate", "plot"],
        "Learn": ["fit"],
        "Share": ["card", "check", "push"],
        "Convert": ["convert", "export"],
        "Help": ["env"],
    }
    assert lines[1].strip() == "Embed and classify astronomical light curves with ASTROMER."


def all_commands() -> dict[tuple[str, ...], Any]:
    """Every verb that the command has, pictures included, and the aliases."""
    group = build_command()
    verbs = {(name,): verb for name, verb in group.commands.items() if name != "plot"}
    return verbs | {("plot", name): verb for name, verb in group.commands["plot"].commands.items()}


def examples_of(text: str) -> list[list[str]]:
    """The commands that a help text shows, in words."""
    return [line.split()[1:] for line in text.split("\n\n") if line.startswith("astromer-hf ")]


@pytest.mark.parametrize("path", all_commands(), ids=" ".join)
def test_the_help_of_every_verb_shows_examples_that_the_verb_understands(path, capsys):
    assert main([*path, "--help"]) == 0
    printed = capsys.readouterr().out
    verb = all_commands()[path]
    examples = examples_of(verb.epilog)
    assert examples
    assert "Example" in printed
    assert " ".join(["astromer-hf", *examples[0]])[:70] in printed
    for words in examples:
        names = [words[: len(path)]] if path[0] not in ALIASES else [[*ALIASES[path[0]].split()]]
        assert names == [list(path)] or path[0] in ALIASES
        with verb.make_context(path[-1], words[len(path) :]) as context:
            assert set(context.params) == {parameter.name for parameter in verb.params}


def test_every_option_of_every_verb_is_described():
    bare = {(*path, parameter.name) for path, verb in all_commands().items() for parameter in verb.params if not parameter.help}
    assert bare == set()


def test_the_former_name_of_a_verb_still_runs_it_and_no_help_lists_it(capsys):
    group = build_command()
    for alias, name in ALIASES.items():
        assert [one.opts for one in group.commands[alias].params] == [one.opts for one in group.commands[name].params]
        assert group.commands[alias].hidden
    main(["--help"])
    assert not {f"│ {alias} " for alias in ALIASES} & set(capsys.readouterr().out.splitlines())


def test_the_version_and_the_environment_are_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"astromer-hf {astromer_hf.__version__}\n"
    assert main(["env"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("- ") for line in lines)
    for name, version in {
        "astromer_hf": astromer_hf.__version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
    }.items():
        assert f"- {name}: {version}" in lines
    assert {"transformers", "datasets", "huggingface_hub", "device"} <= {line[2:].split(":")[0] for line in lines}
    assert main(["env", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["device"].startswith("cpu")


@pytest.mark.parametrize("options", [["--bands", "g", "r"], ["--bands", "g", "--bands", "r"]])
def test_an_option_of_several_values_takes_them_one_after_the_other(options):
    verb = all_commands()["embed",]
    for words in (["t.parquet", *options, "-o", "x"], ["-o", "x", *options, "--quiet", "t.parquet"]):
        with verb.make_context("embed", words) as context:
            assert context.params["bands"] == ["g", "r"]
            assert context.params["source"] == "t.parquet"


def start_in_process(module: str, *arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module`, or what `code` makes of it, in a process of its own."""
    command = [sys.executable, *(["-c", code] if code else ["-m", module]), *arguments]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_installed_command_and_the_modules_are_the_same(tmp_path):
    assert entry_points(group="console_scripts")["astromer-hf"].load() is start
    arguments = ["embed", tmp_path / "none.parquet", "-o", tmp_path / "o.parquet", "--model", tmp_path / "none"]
    for module in ("astromer_hf", "astromer_hf.cli"):
        result = run_forked("-m", module, *arguments, fresh=True)
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.startswith("error: There is no model folder")
        assert result.stderr.count("\n") == 1


# What the installed command's script does.
SCRIPT = """
import resource, sys
sys.argv[0] = "/usr/bin/astromer-hf"
from astromer_hf.cli.main import ALIASES, build_command, main
from astromer_hf.cli.report import Report, reports
status = main()
usage = resource.getrusage(resource.RUSAGE_SELF)
heavy = [name for name in ("torch", "transformers", "numpy", "pyarrow") if name in sys.modules]
print(status, usage.ru_utime + usage.ru_stime, *heavy, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="CPU seconds are read by getrusage")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["embed", "--help"], 0),
        (["plot", "light-curve", "--help"], 0),
        (["embd"], 2),
        (["embed", "t.parquet", "-o", "x.parquet", "--batch-size", "0"], 2),
        (["neighbors", "t.parquet"], 2),
        (["classify", "t.parquet"], 2),
    ],
)
def test_help_and_usage_errors_import_nothing_heavy_and_take_no_time(arguments, status):
    result = start_in_process("", *arguments, code=SCRIPT)
    found, seconds, *heavy = result.stderr.splitlines()[-1].split()
    assert int(found) == status, result.stderr
    assert heavy == []
    assert float(seconds) < 1.0  # 0.2 to 0.4 on a quiet machine; 4.8 with torch and transformers


@pytest.mark.parametrize("module", ["astromer_hf", "astromer_hf.cli"])
def test_the_modules_start_as_fast_as_the_installed_command(module):
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not {"torch", "transformers", "numpy"} & imported


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "1", "GITHUB_ACTIONS": "true"}, False)],
)
def test_help_has_colours_on_a_terminal_unless_no_color_is_set(environment, coloured):
    ours, theirs = os.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS")}
    environment = {**kept, "PYTHONPATH": PYTHONPATH, "TERM": "xterm-256color", **environment}
    with subprocess.Popen([sys.executable, "-m", "astromer_hf", "--version"], stdout=theirs, env=environment) as process:
        assert process.wait() == 0
    with subprocess.Popen([sys.executable, "-m", "astromer_hf", "env", "--help"], stdout=theirs, env=environment) as process:
        assert process.wait() == 0
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):  # the end, on Linux
        while piece := os.read(ours, 65536):
            printed += piece
    os.close(ours)
    assert b"Usage" in printed
    assert (b"\x1b[" in printed) == coloured


def test_help_that_is_not_on_a_terminal_has_no_colours_even_in_the_logs_of_continuous_integration():
    result = start_in_process("astromer_hf", "embed", "--help", GITHUB_ACTIONS="true")
    assert "Usage" in result.stdout
    assert "\x1b" not in result.stdout


def test_shells_complete_verbs():
    completed = start_in_process(
        "",
        code="import sys; sys.argv = ['astromer-hf']; from astromer_hf.cli.main import main; main()",
        _ASTROMER_HF_COMPLETE="complete_bash",
        COMP_WORDS="astromer-hf c",
        COMP_CWORD="1",
    )
    assert completed.stdout.split() == ["classify", "card", "check", "convert"]


def test_json_is_one_object_on_standard_output_and_nothing_else(source, model_folder, tmp_path, capsys):
    def run(*arguments: object) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    report = run("embed", source, "-o", tmp_path / "out.parquet", "--model", model_folder)
    assert report["num_objects"] == len(CURVES)
    assert report["num_points"] == sum(len(curve.mag) for curve in CURVES)
    assert report["output"] == str(tmp_path / "out.parquet")
    shards = run("embed", source, "-o", tmp_path / "folder", "--model", model_folder, "--objects-per-shard", 5)
    assert shards["shards_written"] == -(-len(CURVES) // 5)
    assert shards["shards_missing"] == []
    found = run("neighbors", tmp_path / "out.parquet", "--isolated", 2)
    assert [row["rank"] for row in found["objects"]] == [1, 2]
    assert run("simulate", "-o", tmp_path / "new.parquet", "-n", 3)["num_objects"] == 3


def test_a_check_that_finds_problems_reports_them_as_json_and_fails(model_folder, capsys):
    assert main(["check", str(model_folder), "--json"]) == 1
    output, errors = capsys.readouterr()
    report = json.loads(output)
    assert report["problems"]
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert report["problems"][0] in errors


def test_what_a_library_prints_goes_to_standard_error_where_json_is_asked_for(capsys):
    @reports
    def talk() -> Report:
        print("a word of a library")
        return Report("text", {"number": np.float32(0.5), "missing": NAN, "path": Path("a"), "list": np.arange(2)})

    talk(as_json=True)
    output, errors = capsys.readouterr()
    assert json.loads(output) == {"number": 0.5, "missing": None, "path": "a", "list": [0, 1]}
    assert errors == "a word of a library\n"
    talk()
    assert capsys.readouterr().out == "a word of a library\ntext\n"


def test_ctrl_c_is_one_line_and_130(tmp_path, monkeypatch, capsys):
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("astromer_hf.light_curves.simulation.simulate_light_curves", interrupt)
    assert main(["simulate", "-o", str(tmp_path / "out.parquet")]) == 130
    assert capsys.readouterr().err == "interrupted; incomplete output was removed\n"
    assert list(tmp_path.iterdir()) == []


# As the script that an installation makes, which has this name.
STARTED = """
import sys
sys.argv[0] = 'astromer-hf'
from astromer_hf.__main__ import main
print('up', flush=True)
sys.exit(main())
"""


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.4, 0.8, 2.0])  # while it imports for half a second, and while it simulates
def test_ctrl_c_at_any_time_is_one_line_and_130_and_leaves_nothing(delay, tmp_path):
    arguments = ["simulate", "-n", "100000", "-o", "curves.parquet"]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED, *arguments], cwd=tmp_path, env=environment, text=True, stdout=-1, stderr=-1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, ""), errors
    assert errors in ("interrupted\n", "interrupted; incomplete output was removed\n")
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_not_enough_is_one_line_that_says_what_to_lower(tmp_path, monkeypatch):
    import_and_limit = """
import resource, sys
import pyarrow.parquet as pq, torch
from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.cli.main import main
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
AstromerModel(AstromerConfig(num_hidden_layers=1)).save_pretrained("model")
pq.write_table(to_table(simulate_light_curves(400)), "curves.parquet")
pq.write_table(pq.read_table("curves.parquet").slice(0, 8), "few.parquet")
assert main(["embed", "few.parquet", "-o", "first.parquet", "--model", "model"]) == 0
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, -1))
sys.exit(main(["embed", "curves.parquet", "-o", "second.parquet", "--model", "model", "--quiet", "--batch-size", "1000"]))
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not tell how much memory a process has")
    monkeypatch.chdir(tmp_path)
    done = run_forked("-c", import_and_limit, environment={**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: The memory is not enough (")
    assert last.endswith("lower --batch-size, or give fewer light curves at a time.")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "second.parquet").exists()


def test_a_message_of_several_lines_becomes_one_and_a_mistake_of_ours_keeps_its_traceback(tmp_path, monkeypatch, capsys):
    def fail_with(error: Exception) -> Callable[..., None]:
        def fail(*args: object, **options: object) -> None:
            raise error

        return fail

    arguments = ["simulate", "-o", str(tmp_path / "out.parquet")]
    monkeypatch.setattr("astromer_hf.light_curves.simulation.simulate_light_curves", fail_with(ValueError("one\n\n  two")))
    assert main(arguments) == 1
    assert capsys.readouterr().err == "error: one two\n"
    monkeypatch.setattr("astromer_hf.light_curves.simulation.simulate_light_curves", fail_with(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embd"], "No such command 'embd'. Did you mean 'embed'? See astromer-hf --help."),
        (["embed", "--modle", "x"], "No such option: --modle. Did you mean --model? See astromer-hf embed --help."),
        (["plot", "lightcurve"], "No such command 'lightcurve'. Did you mean 'light-curve', 'learning-curves'? See"),
        (["embed", "t.parquet"], "Missing option '-o' / '--output'. See astromer-hf embed --help."),
        (["check"], "Missing argument 'MODEL_DIR_OR_ID'. See astromer-hf check --help."),
        (["check", "a", "b"], "unexpected extra argument"),
        (["export", "--onnx", "model", "-o", "x.onnx"], "No such option: --onnx"),
        (["embed", "t.parquet", "-o", "x", "--level", "star"], "'--level'"),
        (["embed", "t.parquet", "-o", "x", "--batch-size", "0"], "'--batch-size': Input should be greater than or equal to 1"),
        (["embed", "t.parquet", "-o", "x", "--batch-size", "many"], "'--batch-size'"),
        (["embed", "t.parquet", "-o", "x", "--objects-per-shard", "-5"], "'--objects-per-shard'"),
        (["embed", "t.parquet", "-o", "x", "--bands", "--quiet"], "--bands: a value is missing"),
        (["embed", "t.parquet", "-o", "x", "--bands"], "'--bands' requires an argument"),
        (["fit", "t.parquet", "-o", "x", "--max-epochs", "0"], "'--max-epochs'"),
        (["fit", "t.parquet", "-o", "x", "--augment", "-1"], "'--augment'"),
        (["fit", "t.parquet", "-o", "x", "--seed", "-1"], "'--seed'"),
        (["few-shot", "t.parquet", "-o", "x", "--min-points", "0"], "'--min-points'"),
        (["classify", "t.parquet", "-o", "x", "--model", "m", "--dropout-passes", "1"], "'--dropout-passes'"),
        (["simulate", "-o", "x.parquet", "-n", "0"], "'--num-objects'"),
        (["neighbors", "e.parquet", "--object", "a", "-k", "0"], "'-k'"),
        (
            ["plot", "light-curve", "t.parquet", "--object", "a", "-o", "x.png", "--period", "-1"],
            "must be positive and at most 1e+09, got -1.",
        ),
        (
            ["plot", "light-curve", "t.parquet", "--object", "a", "-o", "x.png", "--period", "nan"],
            "must be positive and at most 1e+09, got nan.",
        ),
        (["plot", "light-curve", "t.parquet", "--object", "a", "-o", "x.png", "--hidden-fraction", "1"], "less than 1, got 1."),
        (["plot", "survey", "t.parquet", "-o", "x.png", "--dpi", "0"], "'--dpi'"),
    ],
)
def test_a_usage_error_is_one_line_with_a_suggestion_and_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
    assert f"See astromer-hf {arguments[0]}" in errors or "See astromer-hf --help." in errors
    assert list(tmp_path.iterdir()) == []


# --- What goes wrong ---


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


TWO = [[1.0, 2.0], [1.0, 2.0]]
CSV = "".join(f"a,{i},{i % 7}\n" for i in range(5000)).encode()
# (name of the file, its columns or its bytes, what the error says)
BAD_TABLES = {
    "no parquet": ("a.parquet", b"hello, this is text", "not a complete parquet file"),
    "an empty file": ("a.parquet", b"", "not a complete parquet file"),
    "columns of other names": (
        "a.parquet",
        {"foo": ["a"], "bar": [[1.0]]},
        "found none for mjd, mag; there are: foo, bar",
    ),
    "seconds": (
        "a.parquet",
        {"id": ["a", "b"], "time": [[1.5e9, 1.6e9], [1.6e9, 1.7e9]], "mag": TWO},
        "object 'a' runs from 1.5e+09",
    ),
    "unequal lists": (
        "a.parquet",
        {"id": ["a", "b"], "time": TWO, "mag": [[1.0], [1.0]]},
        "'a' has 2 values in 'time' and 1",
    ),
    "strings": ("a.parquet", {"id": ["a"], "time": [[1.0]], "mag": [["bright"]]}, "'mag' must hold numbers"),
    "strings a row": ("a.parquet", {"id": ["a"], "time": [1.0], "mag": ["bright"]}, "'mag' must hold numbers"),
    "lists as ids": (
        "a.parquet",
        {"id": [["a"]], "time": [[1.0]], "mag": [[1.0]]},
        "The column 'id' holds list<element: string>, and its values have no text",
    ),
    "no rows": (
        "a.parquet",
        {
            "id": pa.array([], pa.string()),
            "time": pa.array([], pa.list_(pa.float64())),
            "mag": pa.array([], pa.list_(pa.float64())),
        },
        "holds no light curve",
    ),
    "no measurements": (
        "a.parquet",
        {"id": pa.array([], pa.string()), "time": pa.array([], pa.float64()), "mag": pa.array([], pa.float64())},
        "holds no light curve",
    ),
    "a CSV of a header": ("a.csv", b"id,mjd,mag\n", "holds no light curve"),
    "an empty CSV": ("a.csv", b"", "cannot be read as a table of light curves"),
    "words in a CSV": ("a.csv", b"id,mjd,mag\na,1,bright\n", "row 1 of the data holds 'bright'"),
    "a short line": ("a.csv", b"id,mjd,mag\na,1,2\na,1\n", "row 2 of the data has 2 values (a,1), and there are 3 columns"),
    "a truncated gzip": ("a.csv.gz", truncated(gzip.compress(b"id,mjd,mag\n" + CSV)), "ended before the end-of-stream marker"),
    "another format": ("a.fits", b"SIMPLE", "a.fits cannot be read as FITS"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_table_that_holds_no_light_curves_is_one_clear_error(tmp_path, model_folder, capsys, name, content, message):
    source = tmp_path / name
    if isinstance(content, bytes):
        source.write_bytes(content)
    else:
        write_columns(source, **content)
    assert message in expect_error(capsys, ["embed", source, "-o", tmp_path / "out.parquet", "--model", model_folder])
    assert list(tmp_path.iterdir()) == [source]


def test_a_truncated_parquet_is_one_clear_error(source, tmp_path, model_folder, capsys):
    source.write_bytes(truncated(source.read_bytes()))
    error = expect_error(capsys, ["embed", source, "-o", tmp_path / "out.parquet", "--model", model_folder])
    assert f"{source} is not a complete parquet file" in error
    assert list(tmp_path.iterdir()) == [source]


def edit_config(**fields: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return edit


def edit_weights(edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(edit(path.read_bytes()))

    return apply


def spoil_numbers(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.fc2.bias"].fill_(NAN)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def save_bert(folder: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "vocab_size": 9}
    BertModel(BertConfig(**sizes)).save_pretrained(folder)


BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another model": (save_bert, "describes a model of type 'bert'"),
    "an unknown model": (edit_config(model_type="nothing"), "model type `nothing`"),
    "a config of wrong type": (edit_config(hidden_size="wide"), "hidden_size"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "a config that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    "truncated weights": (edit_weights(truncated), "cannot be loaded as an ASTROMER model"),
    "weights that are no safetensors": (edit_weights(lambda content: b"x" * 100), "cannot be loaded as an ASTROMER model"),
    "weights of another width": (
        edit_config(hidden_size=32),
        "mismatched: embeddings.magnitude_embedding.bias (16,) for (32,)",
    ),
    "weights of fewer layers": (edit_config(num_hidden_layers=3), "missing: layers.2."),
    "weights of more layers": (edit_config(num_hidden_layers=1), "unexpected: model.layers.1."),
    "weights that are not numbers": (spoil_numbers, "not finite: layers.0.mlp.fc2.bias"),
    "another feature extractor": (
        lambda folder: (folder / "preprocessor_config.json").write_text('{"feature_extractor_type": "ViTFeatureExtractor"}'),
        "preprocessor_config.json",
    ),
}


@pytest.mark.parametrize(("damage", "message"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_model_folder_that_is_none_or_damaged_is_one_clear_error(source, tmp_path, model_folder, capsys, damage, message):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    damage(folder)
    error = expect_error(capsys, ["embed", source, "-o", tmp_path / "out.parquet", "--model", folder, "--quiet"])
    assert str(folder) in error
    assert message in error
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "./nowhere"], "There is no model folder ./nowhere"),
        (["--model", "astromer/no-such-model"], "no such model in the Hub cache"),
        (["--model", "not a name"], "There is no model folder not a name"),
        (["--device", "cuda:99"], "The device 'cuda:99' cannot be used"),
        (["--device", "abacus"], "The device 'abacus' cannot be used"),
        (["--mag-column", "g"], "There is no column 'g' for mag; there are: object_id, band, mjd"),
        (["-o", "nowhere/out.parquet"], "There is no folder nowhere"),
        (["-o", "out.csv"], "must be a .parquet file, got out.csv"),
    ],
)
def test_an_option_that_cannot_be_met_is_one_clear_error_at_once(
    source, tmp_path, model_folder, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    assert message in expect_error(capsys, ["embed", source, "-o", "out.parquet", "--model", model_folder, *options])
    assert time.monotonic() - started < 5
    assert list(tmp_path.iterdir()) == [source]


def test_a_table_that_is_not_there_is_one_clear_error(tmp_path, model_folder, capsys):
    error = expect_error(capsys, ["embed", tmp_path / "none.parquet", "-o", tmp_path / "out.parquet", "--model", model_folder])
    assert error == f"error: There is no file {tmp_path / 'none.parquet'}.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "none.zip", "folder"], "none.zip does not exist"),
        (["convert", __file__, "folder"], "Expected a folder or an intact zip file"),
        (["simulate", "-o", "nowhere/out.parquet"], "nowhere/out.parquet"),
        (["simulate", "-o", "out.csv"], "must be a .parquet file, got out.csv"),
        (["simulate", "-o", "out.parquet", "--survey", "sdss"], "no simulated survey 'sdss'; there are: macho_like"),
    ],
)
def test_the_other_verbs_fail_with_one_clear_error_and_no_output(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in expect_error(capsys, arguments)
    assert list(tmp_path.iterdir()) == []


# --- classify ---


@pytest.fixture(scope="module")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "classifier"
    torch.manual_seed(0)
    AstromerForSequenceClassification(AstromerConfig(**TINY, id2label={0: "EC", 1: "RRab"})).save_pretrained(folder)
    AstromerFeatureExtractor(TINY["window_size"]).save_pretrained(folder)
    return folder


def test_classify_writes_what_classify_light_curves_gives(source, classifier_folder, tmp_path, capsys):
    output = tmp_path / "classes.parquet"
    assert main(["classify", str(source), "-o", str(output), "--model", str(classifier_folder), "--quiet"]) == 0
    table = pq.read_table(output)
    model = AutoModelForSequenceClassification.from_pretrained(classifier_folder)
    expected = classify_light_curves(model, [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES])
    assert table["object_id"].to_pylist() == IDS
    np.testing.assert_allclose(table["probability_RRab"].to_numpy(), expected.values[:, 1], atol=1e-6)
    assert table["predicted_label"].to_pylist() == [("EC", "RRab")[i] for i in expected.values.argmax(1)]
    assert f"{len(CURVES)} light curves" in capsys.readouterr().out


def test_classify_refuses_a_model_without_a_head_and_says_how_to_make_one(source, model_folder, tmp_path, capsys):
    message = expect_error(capsys, ["classify", source, "-o", tmp_path / "out.parquet", "--model", model_folder])
    assert "holds AstromerForMaskedReconstruction and no classifier" in message
    assert "astromer-hf fit" in message
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("output", ["out.parquet", "out"], ids=["file", "folder"])
@pytest.mark.parametrize("verb", ["embed", "classify"])
def test_objects_that_cannot_be_read_are_named_and_the_exit_code_says_so(
    source, model_folder, classifier_folder, tmp_path, capsys, verb, output
):
    if (verb, output) == ("classify", "out"):
        pytest.skip("classify writes one file")
    table = pq.read_table(source).to_pydict()
    table["mag"][1] = table["mag"][1][:-1]
    bad = str(table["object_id"][1])
    pq.write_table(pa.table(table), tmp_path / "one_bad.parquet")
    model = model_folder if verb == "embed" else classifier_folder
    arguments = [verb, str(tmp_path / "one_bad.parquet"), "--model", str(model), "-o", str(tmp_path / output), "--json"]
    assert main(arguments) == 3
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()[-1:]
    assert line.startswith(f"error: 1 light curve could not be read: {bad} (Object {bad!r} has ")
    report = json.loads(printed.out)
    assert [*report["sources"][0]["unreadable"]] == [bad]
    assert report["without_result"] == [bad]
    assert len(pq.read_table(tmp_path / output)) == len(table["mag"])
