# Copyright 2026 The astromer_hf developers. MIT licence.
"""What a message tells the user to install is what `pyproject.toml` asks for, and can be installed from anywhere."""

import re
import shlex
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from astromer_hf import extras
from astromer_hf.extras import install_line

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", ["convert", "baselines", "umap", "onnx", "lsdb", "demo"])
def test_the_line_installs_the_packages_of_the_extra_and_needs_no_index_to_know_this_one(extra: str):
    pip, install, *packages = shlex.split(install_line(extra))
    assert (pip, install) == ("pip", "install")
    assert [Requirement(package) for package in packages] == [Requirement(package) for package in EXTRAS[extra]]
    assert "astromer" not in install_line(extra)


def test_a_copy_that_is_not_installed_is_told_what_works_in_a_clone(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "requires", missing)
    assert install_line("onnx") == "pip install -c constraints.txt -e '.[onnx]', in a clone of astromer_hf"


def test_an_unknown_extra_is_refused():
    with pytest.raises(ValueError, match="no extra 'onyx'"):
        install_line("onyx")


def test_every_extra_that_a_message_names_is_there_and_no_text_advises_a_name_that_no_index_has():
    files = [path for folder in ("astromer_hf", "scripts", "docs") for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".md", ".ipynb")}
    named = {extra for text in texts.values() for extra in re.findall(r"\binstall_line\(\"(\w+)\"\)", text)}
    assert named
    assert named <= set(EXTRAS)
    advised = re.compile(r"pip install [^\n]*['\" ]astromer[-_]hf\[")
    assert [str(path) for path, text in texts.items() if advised.search(text)] == []
