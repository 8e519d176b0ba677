# Copyright 2026 The astromer_hf developers. MIT licence.
"""The documentation's code runs, page by page: ```python in one session, ```bash as commands.

```sh blocks are long, and ```py blocks are for files that a reader has.
"""

import dataclasses
import html
import json
import os
import re
import shlex
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click import Option
from forks import run_forked

import astromer_hf
from astromer_hf import AstromerConfig, AstromerModel, classify_light_curves
from astromer_hf.cli.main import PROGRAM, VERBS, build_command, main
from astromer_hf.model.weights_astromer import FITTED_TO_WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
PAGES = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))


def load_hook(name: str) -> ModuleType:
    """A file of `docs/` that mkdocs runs."""
    specification = spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def run_page(page: str) -> dict[str, Any]:
    """Run a page's blocks and return what its Python has defined."""
    session: dict[str, Any] = {}
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(python|bash)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(block, page, "exec"), session)
        else:
            for line in block.replace("\\\n", " ").splitlines():
                program, *arguments = shlex.split(line)
                assert program == "astromer-hf"
                assert main(arguments) == 0, line
    return session


@pytest.mark.parametrize("page", [page for page in PAGES if page != "migration.md"])
def test_the_code_of_a_page_runs(page: str, workplace: Path):
    if page == "how-to/adapters.md":
        pytest.importorskip("peft", reason="PEFT is not installed: pip install -e '.[dev]'")
    session = run_page(page)
    if page == "how-to/adapters.md":
        found, stars = session["found"], session["held_out"]
        again = classify_light_curves(session["again"], [one.mjd for one in stars], [one.mag for one in stars])
        np.testing.assert_allclose(again.values, found.values, atol=1e-4)
        # The page's model has a new head. Its last block for a base model that has numbers fitted to its weights:
        for name, value in (("reconstruction_quantiles", [1.0, 2.0]), ("uncertain_below", 0.5)):
            setattr(session["merged"].config, name, value)
        *_, block = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
        exec(compile(block, page, "exec"), session)
        assert {name: getattr(session["again"].config, name) for name in FITTED_TO_WEIGHTS} == dict.fromkeys(FITTED_TO_WEIGHTS)
    if page == "how-to/datasets-map.md":
        assert session["vectors"].shape == (12, 256)
    if page == "index.md":
        assert session["embeddings"].object_embeddings.shape == (3, 256)
        assert (workplace / "classes.parquet").is_file()
    if page == "concepts.md":
        assert session["windows"].window_start.tolist() == [0, 200, 250]


def test_the_migration_page_runs_on_a_model_of_the_papers_size(workplace: Path):
    torch.manual_seed(0)
    AstromerModel(AstromerConfig(masking_scheme="additive")).save_pretrained("macho_a0")
    session = run_page("migration.md")
    assert [rows.shape for rows in session["embeddings"].observation_embeddings] == [(37, 256), (451, 256)]
    assert [rows.shape for rows in session["encode_as_original"](session["model"], session["curves"])] == [
        (37, 256),
        (600, 256),
    ]


def test_what_the_migration_page_offers_agrees_with_the_original(workplace: Path, macho_a0: Path, shared_reference: Path):
    (workplace / "macho_a0").symlink_to(macho_a0)
    session = run_page("migration.md")
    with np.load(shared_reference / "curves.npz") as arrays:
        curves = [np.stack([arrays[f"{name}_{i}"] for name in ("time", "mag", "err")], axis=1) for i in range(4)]
    with np.load(shared_reference / "encode_pip018.npz") as arrays:
        original = [
            np.concatenate(arrays["embedding"][arrays["curve"] == i])[:rows] for i, rows in enumerate(arrays["encode_rows"])
        ]
    for ours, theirs in zip(session["encode_as_original"](session["model"], curves), original, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def defaults_in_reference(page: str) -> dict[str, str]:
    """The default of every field of `AstromerConfig`, as the page's table shows it."""
    start = page.index('id="astromer_hf.AstromerConfig"')
    section = page[start : page.index('id="astromer_hf.AstromerModel"', start)]
    defaults = {}
    for row in re.findall(r"<tr class=.doc-section-item.>(.*?)</tr>", section, re.DOTALL):
        cells = [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]
        if len(cells) == 4:
            defaults[cells[0]] = cells[3]
    return defaults


def test_every_name_that_the_package_offers_is_in_the_reference():
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    shown = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert {f"astromer_hf.{name}" for name in astromer_hf.__all__} <= set(shown)
    for room in ("pipelines_astromer", "neighbors", "onnx_export", "catalogs", "simulation", "periods"):
        assert any(f".{room}." in name for name in shown)


def test_the_page_of_the_command_has_every_command_and_every_option():
    page = "\n".join(load_hook("command_page").write_page())
    command = build_command()
    names = [name for verbs in VERBS.values() for name, *_ in verbs]
    assert sorted(names) == sorted(name for name, verb in command.commands.items() if not verb.hidden)
    for name in names:
        verb = command.commands[name]
        kinds = getattr(verb, "commands", {})
        for heading in (f"### {PROGRAM} {name}", *(f"#### {PROGRAM} {name} {kind}" for kind in kinds)):
            assert f"{heading}\n" in page
        for parameter in (parameter for one in (verb, *kinds.values()) for parameter in one.params):
            if isinstance(parameter, Option) and not parameter.hidden:
                assert parameter.opts[-1] in page, f"{name} {parameter.name}"


def test_the_scores_on_the_page_of_results_are_those_of_the_log_of_results():
    log = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    reconstruction = (ROOT / "results" / "reconstruction.md").read_text(encoding="utf-8").split("The windows of the subset")[1]
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("|") and " / " in row and "macro-F1 at" not in row]
    assert len(rows) > 15
    assert [row for row in rows if row not in log] == []
    ours = next(row for row in page.splitlines() if row.startswith("| astromer-surveys-small | 0"))
    logged = next(row for row in reconstruction.splitlines() if row.startswith("| astromer-surveys-small |"))
    scores = [cell.split(" / ")[1] for cell in logged.split("|")[2:-1]]
    assert [cell.strip() for cell in ours.split("|")[2:-1]] == scores


def test_the_tutorial_is_stored_without_outputs():
    cells = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    stored = [cell for cell in cells if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])]
    assert stored == [], "The site's build runs the notebook; clear its outputs before it is committed."


@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    nbclient = pytest.importorskip("nbclient", reason="the documentation's tools are not installed: pip install -e '.[docs]'")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    copy = Path(shutil.copy(TUTORIAL, tmp_path / "copy.ipynb"))
    notebook = nbformat.read(copy, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()  # raises where a cell does
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    drawing = [cell for cell in notebook.cells if cell.cell_type == "code" and re.search(r"^plot_", cell.source, re.MULTILINE)]
    pictures = [cell for cell in drawing if any("image/png" in output.get("data", {}) for output in cell.outputs)]
    assert len(drawing) >= 8
    assert pictures == drawing


def test_the_site_builds_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mkdocs", reason="the documentation's tools are not installed: pip install -e '.[docs]'")
    site = tmp_path / "site"
    repository = {"REPOSITORY_URL": "https://github.com/organisation/name", "EDIT_URI": "edit/main/docs/"}
    environment = (
        os.environ | repository | {"EXECUTE_TUTORIAL": "false", "PYTHONPATH": str(ROOT)}
    )  # which a test of its own does
    monkeypatch.chdir(ROOT)
    done = run_forked("-m", "mkdocs", "build", "--strict", "--site-dir", site, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (site / "reference" / "model" / "index.html").read_text(encoding="utf-8")
    assert "`int`" not in reference
    shown = defaults_in_reference(reference)
    fields = {field.name: field.default for field in dataclasses.fields(AstromerConfig)}
    assert len(shown) > 20
    assert shown == {name: repr(fields[name]) for name in shown}
    commands = (site / "cli" / "index.html").read_text(encoding="utf-8")
    for name in ("embed", "fit", "plot-light-curve", "export"):
        assert f'id="astromer-hf-{name}"' in commands
    assert "my-model.onnx" in commands
    tutorial = (site / "tutorial" / "index.html").read_text(encoding="utf-8")
    assert "train_table_classifier" in tutorial
    assert 'href="../concepts/"' in tutorial  # of its last cell
    assert 'href="tutorial/"' in (site / "index.html").read_text(encoding="utf-8")
    faq = (site / "faq" / "index.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/organisation/name/edit/main/docs/faq.md"' in faq
    assert 'rel="next"' in faq
    assert "/edit/main/docs/cli.md" not in commands  # no such file: the build writes it
