# Copyright 2026 The astromer_hf developers. MIT licence.
"""The code blocks of the README run, in their order: ```python in one session, ```bash as commands. ```sh blocks are long."""

import re
import shlex
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import torch

from astromer_hf.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_python_blocks_embed_a_light_curve_and_draw_its_reconstruction(workplace: Path):
    mpl.use("Agg")
    session: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), session)
    embedding = session["embedding"]
    assert isinstance(embedding, torch.Tensor)
    assert embedding.shape[1] == 256
    assert embedding.isfinite().all()
    assert (workplace / "light_curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_commands_embed_a_table(workplace: Path):
    commands = [shlex.split(line) for block in blocks("bash") for line in block.splitlines()]
    assert commands
    for program, *arguments in commands:
        assert program == "astromer-hf"
        assert main(arguments) == 0
    embeddings = np.stack(pq.read_table("embeddings.parquet")["embedding"].to_numpy())
    assert embeddings.shape == (100, 256)
    assert np.isfinite(embeddings).all()


def test_every_picture_and_file_that_the_readme_names_is_there():
    targets = re.findall(r"\]\((?!https?://|#)([^)]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
