# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files that the package writes may be read by whomever the umask lets read any other new file.

An export, which takes seconds, is looked at in `test_onnx_export.py`.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.cli.main import main
from astromer_hf.hub.model_card import CardFacts, write_card
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=40, max_points=80)


@pytest.fixture(params=[0o022, 0o027, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_every_file_and_folder_has_the_permissions_of_a_new_one(umask: int, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = AstromerForMaskedReconstruction(AstromerConfig(**TINY | {"num_hidden_layers": 1}))
    model.save_pretrained("model")
    model.save_pretrained("sharded", max_shard_size="5KB")
    AstromerFeatureExtractor(window_size=TINY["window_size"]).save_pretrained("model")
    write_card(Path("model"), CardFacts("astromer/x", ("macho",)))
    pq.write_table(to_table(simulate_light_curves(60, seed=1, survey=SURVEY, classes=["RRab", "LPV"])), "curves.parquet")
    for arguments in (
        "simulate -n 3 -o simulated.parquet",
        "embed curves.parquet --model model -o embeddings.parquet --quiet",
        "embed curves.parquet --model model -o shards --quiet",
        "fit curves.parquet --model model -o fitted --max-epochs 1 --augment 0 --quiet",
        "classify curves.parquet --model fitted -o classes.parquet --quiet",
        "neighbors embeddings.parquet --isolated 2 -o isolated.csv",
        "plot embeddings shards -o map.png",
    ):
        assert main(arguments.split()) == 0, arguments
    found = {str(path): path.stat().st_mode & 0o777 for path in Path().rglob("*")}
    wanted = {str(path): (0o777 if path.is_dir() else 0o666) & ~umask for path in Path().rglob("*")}
    assert found == wanted
    assert len(found) > 20
