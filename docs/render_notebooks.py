# Copyright 2026 The astromer_hf developers. MIT licence.
"""A hook of mkdocs: run the notebooks and turn them into Markdown pages of the site.

`mkdocs.yml` names this file. Notebooks are stored without outputs; the site shows the outputs of the build, and a cell that
fails stops the build. `EXECUTE_TUTORIAL=false mkdocs serve` skips the execution while you write.

The plugin mkdocs-jupyter can also stop the build (`allow_errors: false`). It is not used because it renders notebooks as HTML
of
their own: links to other pages stay `concepts.md` and lead nowhere, `strict` does not check them, and the page loads scripts
from another site. As Markdown, a notebook gets the checks, the links and the style of every other page.
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
    """Add the page of every notebook, and its pictures; the notebook itself can be downloaded."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        assert file.abs_src_path is not None
        notebook = nbformat.read(file.abs_src_path, as_version=4)
        if os.environ.get("EXECUTE_TUTORIAL", "true").lower() != "false":
            run(notebook, file.src_uri)
        stem = file.src_uri.removesuffix(".ipynb")
        page, pictures = to_markdown(notebook, Path(stem).name)
        files.append(File.generated(config, f"{stem}.md", content=page))
        for name, picture in pictures.items():
            files.append(
                File.generated(
                    config,
                    f"{Path(stem).parent.as_posix()}/{name}".removeprefix("./"),
                    content=picture,
                )
            )
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Change links to a notebook, which work in the repository, into links to its page."""
    return re.sub(r"\]\(([\w./-]+)\.ipynb\)", r"](\1.md)", markdown)


def run(notebook: nbformat.NotebookNode, name: str) -> None:
    """Run all cells and store their outputs."""
    with TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook,
            timeout=SECONDS_A_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise PluginError(f"A cell of {name} fails: {error}") from error


def to_markdown(
    notebook: nbformat.NotebookNode, stem: str
) -> tuple[str, dict[str, bytes]]:
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
                parts.append(f"![Output of the code above]({name})")
            elif "text/html" in data:
                table = re.sub(
                    r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL
                )
                parts.append(
                    table.replace(' border="1" class="dataframe"', "")
                )  # without a class it gets the site's style
            else:
                parts.append(
                    f"```text\n{(output.get('text') or data['text/plain']).rstrip()}\n```"
                )
    return "\n\n".join(parts) + "\n", pictures
