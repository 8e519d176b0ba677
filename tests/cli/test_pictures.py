# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pictures of verbs that do more than draw: the width of a journal, the format of the suffix, and axes that name their time."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BRIEF_SURVEY

from astromer_hf.cli.inspect import draw
from astromer_hf.cli.main import main
from astromer_hf.light_curves.inspection import inspect_light_curves
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.plots import figures

CURVES = simulate_light_curves(4, seed=1, survey=BRIEF_SURVEY, classes=["RRab", "Constant"])
VERBS = {
    "inspect": ["curves.parquet", "--picture"],
    "neighbors": ["embeddings.parquet", "--isolated", "3", "--curves", "curves.parquet", "--picture"],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    table = to_table(CURVES)
    pq.write_table(table, "curves.parquet")
    vectors = [*np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)]
    pq.write_table(pa.table({"object_id": table["object_id"], "embedding": vectors}), "embeddings.parquet")
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("width", "millimetres"), [("column", 88), ("page", 180)])
def test_a_picture_has_the_width_of_a_journal(place: Path, verb: str, width: str, millimetres: int):
    for suffix, pattern in {"pdf": rb"/MediaBox \[ 0 0 ([\d.]+)", "svg": rb'width="([\d.]+)pt"'}.items():
        assert main([verb, *VERBS[verb], f"picture.{suffix}", "--width", width]) == 0
        found = re.search(pattern, Path(f"picture.{suffix}").read_bytes())
        assert found
        assert float(found[1]) == pytest.approx(millimetres * 72 / 25.4, rel=0.01)


def test_an_inspected_light_curve_says_phase_where_it_is_folded_and_names_the_time_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn = []
    plot = figures.plot_light_curves
    monkeypatch.setattr(figures, "plot_light_curves", lambda *args, **options: drawn.append(plot(*args, **options)) or drawn[0])
    draw(inspect_light_curves("curves.parquet"), place / "first.png")
    labels = {curve.label: axes.get_xlabel() for curve, axes in zip(CURVES, drawn[0].axes, strict=False)}
    assert labels["RRab"].startswith("phase")
    assert labels["Constant"] == "MJD [d]"
