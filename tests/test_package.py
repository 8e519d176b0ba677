# Copyright 2026 The astromer_hf developers. MIT licence.
"""The front door: what `import astromer_hf` brings, what it leaves until it is used, and which code goes with weights."""

import ast
import json
import sys
from pathlib import Path

import pytest
from conftest import TINY
from forks import run_forked
from transformers import AutoModel, pipeline

import astromer_hf
from astromer_hf.hub.load import CODE_FILES, load_model

PACKAGE = Path(astromer_hf.__file__).parent
HEAVY = ("datasets", "evaluate", "matplotlib", "pandas", "pyarrow", "sklearn")


def run(code: str) -> None:
    """Run code in a process that has imported torch and much else, but neither transformers nor the package."""
    done = run_forked("-c", code, fresh=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_and_loading_a_model_import_no_reader_of_tables_no_trainer_and_no_plotting(tiny_folder: Path):
    code = f"""
import sys
assert not {{"astromer_hf", "transformers"}} & set(sys.modules)
for name in [name for name in sys.modules if name.partition(".")[0] in {HEAVY!r}]:
    del sys.modules[name]  # whoever imports one puts it back
import astromer_hf
from transformers import AutoModel
from transformers.pipelines import PIPELINE_REGISTRY
assert type(AutoModel.from_pretrained({str(tiny_folder)!r})) is astromer_hf.AstromerModel
assert "light-curve-embedding" in PIPELINE_REGISTRY.supported_tasks
imported = [name for name in {HEAVY!r} if name in sys.modules]
assert not imported, imported
"""
    run(code)


def test_models_load_where_transformers_was_imported_first(tiny_folder: Path):
    code = f"""
import sys
assert "transformers" not in sys.modules
from transformers import AutoModel
import astromer_hf.light_curves.surveys
assert type(AutoModel.from_pretrained({str(tiny_folder)!r})) is astromer_hf.AstromerModel
"""
    run(code)


def test_in_the_process_of_the_command_whatever_reaches_a_model_registers_the_auto_classes(tiny_folder: Path):
    code = f"""
import sys
sys.argv = ["/usr/bin/astromer-hf"]
late = {{"torch", "transformers", "numpy", "pandas", "pyarrow", "sklearn", "scipy"}}
there = {{name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in late}}
import astromer_hf
assert not late & set(sys.modules)
sys.modules.update(there)
astromer_hf.load_model
from transformers import AutoModel
assert type(AutoModel.from_pretrained({str(tiny_folder)!r})) is astromer_hf.AstromerModel
"""
    run(code)


@pytest.mark.parametrize(
    ("argv", "orig_argv", "is_command"),
    [
        (["/usr/local/bin/astromer-hf", "embed"], ["python", "/usr/local/bin/astromer-hf", "embed"], True),
        (["Scripts/astromer-hf.exe"], ["astromer-hf.exe"], True),
        (["-m", "--help"], ["python", "-m", "astromer_hf", "--help"], True),
        (["-m", "embed"], ["python", "-u", "-m", "astromer_hf.cli", "embed"], True),
        (["/home/astromer-hf/run.py"], ["python", "/home/astromer-hf/run.py"], False),
        (["run.py", "-m", "astromer_hf"], ["python", "run.py", "-m", "astromer_hf"], False),
        (["-m", "astromer_hf"], ["python", "-m", "pytest", "astromer_hf"], False),
        (["-c"], ["python", "-c", "import astromer_hf"], False),
        ([""], ["python"], False),
        ([], ["python"], False),
    ],
)
def test_only_the_process_of_the_command_waits_with_the_registration(argv, orig_argv, is_command, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    assert astromer_hf._is_command() == is_command


def test_every_name_of_the_package_is_listed_and_there():
    assert sorted(set(astromer_hf.__all__)) == sorted(astromer_hf.__all__)
    assert set(astromer_hf.__all__) <= set(dir(astromer_hf))
    for name in astromer_hf.__all__:
        assert getattr(astromer_hf, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'embed_tables'"):
        astromer_hf.embed_tables  # noqa: B018


def test_what_type_checkers_see_is_what_is_imported_when_it_is_used():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == astromer_hf._MODULES


def test_the_code_that_a_checkpoint_takes_along_is_the_folder_of_the_model():
    assert sorted(CODE_FILES) == sorted({path.name for path in (PACKAGE / "model").glob("*.py")} - {"__init__.py"})
    assert "modeling_astromer.py" in CODE_FILES


def test_no_file_of_the_package_is_longer_than_600_lines():
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_bytes().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 600} == {}
    assert lengths["model/modeling_astromer.py"] <= 500


def test_a_checkpoint_that_was_shared_with_the_code_files_of_before_still_loads(tmp_path: Path):
    astromer_hf.AstromerModel(astromer_hf.AstromerConfig(**TINY)).save_pretrained(tmp_path)
    names = ("configuration_astromer", "feature_extraction_astromer", "modeling_astromer", "pipelines")
    for name in names:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('code of the checkpoint was run')", encoding="utf-8")
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {
        "AutoConfig": "configuration_astromer.AstromerConfig",
        "AutoModel": "modeling_astromer.AstromerModel",
    }
    config["custom_pipelines"] = {
        "light-curve-embedding": {"impl": "pipelines.LightCurveEmbeddingPipeline", "pt": ["AutoModel"], "type": "multimodal"}
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert type(AutoModel.from_pretrained(tmp_path)) is astromer_hf.AstromerModel
    assert type(load_model(str(tmp_path))[0]) is astromer_hf.AstromerModel
    embed = pipeline("light-curve-embedding", model=str(tmp_path))
    assert len(embed({"mjd": [1.0, 2.0, 3.0], "mag": [15.0, 15.1, 15.2]})["embedding"]) == TINY["hidden_size"]
