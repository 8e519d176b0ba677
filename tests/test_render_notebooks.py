# Copyright 2026 The astromer_hf developers. MIT licence.
"""A notebook becomes a page with what its cells give, and a cell that fails stops the build of the site."""

import importlib.util
from types import ModuleType

import pytest
from conftest import ROOT

nbformat = pytest.importorskip("nbformat", reason="the documentation's tools are not installed: pip install -e '.[docs]'")
mkdocs_exceptions = pytest.importorskip("mkdocs.exceptions")
CELLS = """
import sys
print("seven", 7)
print("a warning", file=sys.stderr)
---
%matplotlib inline
from matplotlib.figure import Figure
figure = Figure(figsize=(1, 1))
figure.subplots()
figure
---
import pandas as pd
pd.DataFrame({"class": ["RRab"]})
---
6 * 7
"""


@pytest.fixture(scope="module")
def render_notebooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_notebooks", ROOT / "docs" / "render_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_has_text_code_and_what_the_cells_give_but_no_warnings(render_notebooks: ModuleType):
    code = [nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS.split("---\n")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), *code])
    render_notebooks.run(notebook, "some.ipynb")
    page, pictures = render_notebooks.to_markdown(notebook, "some")
    assert page.startswith("# Title\n\n```python\nimport sys\n")
    assert "```text\nseven 7\n```" in page
    assert "\na warning\n" not in page
    assert page.endswith("```python\n6 * 7\n```\n\n```text\n42\n```\n")
    assert "<td>RRab</td>" in page
    assert "dataframe" not in page
    assert "](some_0.png)" in page
    assert list(pictures) == ["some_0.png"]
    assert pictures["some_0.png"].startswith(b"\x89PNG")


def test_a_cell_that_fails_stops_the_build_and_is_named(render_notebooks: ModuleType):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("light_curves")])
    with pytest.raises(mkdocs_exceptions.PluginError, match=r"some\.ipynb fails(.|\n)*'light_curves' is not defined"):
        render_notebooks.run(notebook, "some.ipynb")


def test_links_to_a_notebook_lead_to_its_page(render_notebooks: ModuleType):
    rewritten = render_notebooks.on_page_markdown("[T](tutorial.ipynb), [C](concepts.md), [F](https://x.org/a.ipynb)")
    assert rewritten == "[T](tutorial.md), [C](concepts.md), [F](https://x.org/a.ipynb)"
