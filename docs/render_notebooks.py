# Copyright 2026 The astromer_hf developers. MIT licence.
"""Notebooks as pages of the site: run, and turned into Markdown, so that mkdocs checks their links and gives them its looks.

`mkdocs.yml` names this file as a hook. A notebook is stored without outputs; what the site shows is what the package computes
at the build, which fails where a cell does. `EXECUTE_TUTORIAL=false mkdocs serve` leaves outputs out, for those who write.
"""

import base64
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbclient
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

SECONDS_A_CELL = 300


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Beside every notebook, which can be downloaded, the page that it makes and the page's pictures."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        assert file.abs_src_path is not None
        notebook = nbformat.read(file.abs_src_path, as_version=4)
        if os.environ.get("EXECUTE_TUTORIAL", "true").lower() != "false":
            run(notebook, file.src_uri)
        stem = file.src_uri.removesuffix(".ipynb")
        page, pictures = to_markdown(notebook, Path(stem).name)
        files.append(File.generated(config, f"{stem}.md", content=page))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"{Path(stem).parent.as_posix()}/{name}".removeprefix("./"), content=picture))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Links to a notebook, as they are right in the repository, lead to its page."""
    return re.sub(r"\]\(([\w./-]+)\.ipynb\)", r"](\1.md)", markdown)


def run(notebook: nbformat.NotebookNode, name: str) -> None:
    """Fill in the outputs of all cells."""
    with TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook, timeout=SECONDS_A_CELL, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise PluginError(f"A cell of {name} fails, mend it: {error}") from error


def to_markdown(notebook: nbformat.NotebookNode, stem: str) -> tuple[str, dict[str, bytes]]:
    """The page of a notebook called `stem`, and its pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            if output.get("name") == "stderr":
                continue
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{stem}_{len(pictures)}.png"
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![What the lines above draw]({name})")
            elif "text/html" in data:
                table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
                parts.append(table.replace(' border="1" class="dataframe"', ""))  # without a class it has the site's looks
            else:
                parts.append(f"```text\n{(output.get('text') or data['text/plain']).rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures
