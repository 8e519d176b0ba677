# Copyright 2026 The astromer_hf developers. MIT licence.
"""What SECURITY.md promises: nothing is unpickled, no string is run as code or by a shell, no checkpoint's code is trusted.

The source is walked as a syntax tree, so that a call counts and a word in a sentence does not; what a checkpoint could try is
tried.
"""

import ast
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from conftest import TINY

import astromer_hf
from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.hub.load import CODE_FILES, ModelError, load_model
from astromer_hf.hub.model_card import load_card
from astromer_hf.training.trainer import read_yaml_arguments

PACKAGE = Path(astromer_hf.__file__).parent
SCRIPTS = PACKAGE.parent / "scripts"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *SCRIPTS.rglob("*.py")])

# Modules that run what they read, or read it into objects of any class.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "commands", "pty", "code"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "joblib.load",
    "np.fromregex",
    "os.popen",
    "os.system",
    "pd.eval",
    "pd.read_pickle",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "torch.hub.load",
    "torch.jit.load",
    "yaml.full_load",
    "yaml.unsafe_load",
}
SAFE_ONLY_WITH = {  # a call -> the argument, and its value, without which it unpickles or runs something
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "yaml.load": ("Loader", "yaml.SafeLoader"),
}
MUST_BE_FALSE = {"shell", "trust_remote_code", "allow_pickle"}  # wherever they are passed


def violations(source: str) -> Iterator[str]:
    """What in a Python source could run data as code, with its line."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in FORBIDDEN_IMPORTS or name in FORBIDDEN_CALLS | SAFE_ONLY_WITH.keys():
                yield f"{node.lineno}: import of {name}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        passed = {keyword.arg: keyword.value for keyword in node.keywords}
        if called in FORBIDDEN_CALLS:
            yield f"{node.lineno}: {called}(...)"
        if called in SAFE_ONLY_WITH:
            argument, value = SAFE_ONLY_WITH[called]
            if argument not in passed or ast.unparse(passed[argument]) != str(value):
                yield f"{node.lineno}: {called}(...) without {argument}={value}"
        for argument in MUST_BE_FALSE & passed.keys():
            if ast.unparse(passed[argument]) != "False":
                yield f"{node.lineno}: {called}(..., {argument}={ast.unparse(passed[argument])})"


def test_nothing_in_the_package_or_its_scripts_runs_data_as_code():
    assert len(SOURCES) > 30
    found = {path.name: list(violations(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}
    print(f"security: {len(SOURCES)} source files walked, 0 violations")


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import dill as d",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "eval('1')",
        "exec(text)",
        "os.system(name)",
        "subprocess.run(name, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "joblib.load(name)",
        "pd.read_pickle(name)",
    ],
)
def test_the_walk_finds_what_it_is_for(source: str):
    assert list(violations(source))


def test_the_walk_lets_the_safe_forms_pass():
    source = "model.eval()\nyaml.safe_load(text)\ntorch.load(name, weights_only=True)\nsubprocess.run([name])\nre.compile(name)"
    assert list(violations(source)) == []


# --- What a checkpoint and a file of settings could try ---


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> tuple:
        return Path.touch, (self.file,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder."""
    AstromerModel(AstromerConfig(**TINY)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "training_args.bin"])
@pytest.mark.parametrize("beside_weights", [True, False])
def test_a_pickle_in_a_checkpoint_is_never_opened(folder: Path, tmp_path: Path, name: str, beside_weights: bool):
    exploded = tmp_path / "exploded"
    (folder / name).write_bytes(pickle.dumps(Bomb(exploded)))
    if beside_weights:
        load_model(str(folder))
        AstromerModel.from_pretrained(folder)
    else:
        (folder / "model.safetensors").unlink()
        with pytest.raises(ModelError, match=r"only safetensors are loaded, since a pickle can run code"):
            load_model(str(folder))
        with pytest.raises((OSError, ValueError)):
            AstromerModel.from_pretrained(folder)
    assert not exploded.exists()
    pickle.loads(pickle.dumps(Bomb(exploded)))  # so that it would have
    assert exploded.exists()


def test_code_in_a_checkpoint_is_not_run_nor_asked_about(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import json

    ran = tmp_path / "ran"
    for name in CODE_FILES:
        (folder / name).write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {
        "AutoConfig": "configuration_astromer.AstromerConfig",
        "AutoModel": "modeling_astromer.AstromerModel",
    }
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("the user was asked whether to trust the code"))
    model, _ = load_model(str(folder))
    assert type(model) is AstromerModel
    from transformers import AutoModel

    assert type(AutoModel.from_pretrained(folder)) is AstromerModel  # and transformers' own way does not ask either
    assert not ran.exists()
    assert not [name for name in sys.modules if name.startswith("transformers_modules") and "model" in name.split(".")]


def test_a_yaml_of_settings_makes_no_objects(tmp_path: Path):
    file = tmp_path / "run.yaml"
    file.write_text(f"output_dir: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n", encoding="utf-8")
    with pytest.raises((yaml.YAMLError, ValueError)):
        read_yaml_arguments([str(file)])
    assert not (tmp_path / "made").exists()


def test_a_card_makes_no_objects(tmp_path: Path):
    file = tmp_path / "README.md"
    file.write_text(f"---\nlicense: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n---\n# x\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r".+"):
        load_card(file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["$(touch ran)", "a; touch ran", "`touch ran`", "| touch ran", "../x\n"])
def test_a_name_that_a_shell_would_run_is_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    from astromer_hf.cli.main import main

    monkeypatch.chdir(tmp_path)
    for arguments in (["embed", name, "-o", "out.parquet"], ["check", name], ["convert", name, "out"], ["push", name, name]):
        assert main(arguments) == 1
        assert capsys.readouterr().err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_trainers_checkpoint_is_read_without_running_anything(tmp_path: Path):
    from astromer_hf.training.trainer import last_complete_checkpoint

    checkpoint = tmp_path / "checkpoint-1"
    AstromerModel(AstromerConfig(**TINY)).save_pretrained(checkpoint)
    (checkpoint / "trainer_state.json").write_text("{}")
    exploded = tmp_path / "exploded"
    for name in ("optimizer.pt", "scheduler.pt"):
        torch.save({"state": Bomb(exploded)}, checkpoint / name)
    assert last_complete_checkpoint(tmp_path) is None
    assert not exploded.exists()
