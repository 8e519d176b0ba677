# Copyright 2026 The astromer_hf developers. MIT licence.
"""The package as a wheel has inside what it needs away from its repository: model, card template, types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
AWAY = """
from pathlib import Path
import astromer_hf
from transformers import AutoModel
from astromer_hf import default_model_folder
folder = Path(astromer_hf.__file__).parent
assert folder.is_relative_to(Path.cwd()), folder
assert default_model_folder().is_relative_to(folder), default_model_folder()
assert (folder / "py.typed").is_file()
assert "model" in (folder / "hub" / "model_card_template.md").read_text(encoding="utf-8")
print(AutoModel.from_pretrained(default_model_folder()).config.hidden_size)
"""


@pytest.mark.slow
def test_the_package_built_and_installed_as_a_wheel_carries_model_template_and_types(tmp_path: Path):
    pytest.importorskip("hatchling", reason="the tool that builds the wheel is not installed: pip install -e '.[dev]'")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", f"{tmp_path}", f"{ROOT}"]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("astromer_hf-*.whl")
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", f"{installed}", f"{wheel}"], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", AWAY]
    done = subprocess.run(
        command, cwd=installed, env=environment | {"PYTHONPATH": f"{installed}"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["256"]
