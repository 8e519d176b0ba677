# Copyright 2026 The astromer_hf developers. MIT licence.
"""The pictures of docs/concepts.md: the script draws all that the page shows, and the page shows what the script draws."""

import re
from pathlib import Path

import draw_concepts
import numpy as np
import pytest
from conftest import ROOT
from matplotlib.image import imread

IMAGES = ROOT / "docs" / "images"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "new"
    draw_concepts.main(draw_concepts.parse_args(["-o", f"{folder}"]))
    return folder


def test_the_script_draws_the_pictures_that_the_page_shows_and_no_others(drawn: Path):
    shown = re.findall(r"!\[[^\]]+\]\(images/([^)]+)\)", (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(path.name for path in drawn.iterdir())
    others = [
        name
        for page in ("results.md", "index.md")
        for name in re.findall(r"!\[[^\]]+\]\(images/([^)]+)\)", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    ]
    assert sorted(shown + others) == sorted(path.name for path in IMAGES.iterdir())


@pytest.mark.parametrize("name", draw_concepts.PICTURES)
def test_a_picture_of_the_page_is_what_the_script_draws_and_small(name: str, drawn: Path):
    committed, new = imread(IMAGES / name), imread(drawn / name)
    assert (IMAGES / name).stat().st_size <= 80_000
    assert committed.shape == new.shape
    assert np.abs(committed - new).mean() < 0.01, "Draw it again: python scripts/draw_concepts.py -o docs/images"
