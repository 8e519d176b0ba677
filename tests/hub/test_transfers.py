# Copyright 2026 The astromer_hf developers. MIT licence.
"""However a client moves and stores large files - git-LFS, Xet, Xet without its shared store, no links - every verb works.

`hf_xet` itself runs here, with a store on disk in place of its servers (see `loopback_hub.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hub_client
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ACCOUNTS, TINY
from hub_client import HubClient
from loopback_hub import LoopbackHub

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
)
from astromer_hf.cli.main import build_command
from astromer_hf.hub.load import TEST_VECTOR_FILE
from astromer_hf.hub.model_card import CardFacts, write_card
from astromer_hf.hub.push import gather_checkpoint
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

ADA = next(iter(ACCOUNTS))
MODES = {
    "lfs": {"HF_HUB_DISABLE_XET": "1"},
    "xet": {"HF_HUB_DISABLE_XET": "0"},
    "xet, nothing shared": {"HF_HUB_DISABLE_XET": "0", "HF_HUB_DISABLE_SHARED_BLOBS": "1"},
    "xet, no links": {"HF_HUB_DISABLE_XET": "0", "HF_HUB_DISABLE_SYMLINKS": "1"},
}
SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=40, max_points=80)
ENCODER, CLASSIFIER = "astromer/encoder", "astromer/classifier"


@dataclass
class Place:
    """A Hub, a client of it, and a folder with `encoder`, `classifier` and `curves.parquet`."""

    mode: str
    hub: LoopbackHub
    client: HubClient
    folder: Path
    home: Path

    def run(self, *arguments: str) -> tuple[int, str, str]:
        return self.client(hub_client.command, *arguments, token=ADA, folder=self.folder)


@pytest.fixture(scope="module", params=MODES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, store, home = (tmp_path_factory.mktemp(name) for name in ("place", "store", "home"))
    with LoopbackHub(ACCOUNTS, xet_store=store) as hub:
        client = HubClient(hub.url, home, **MODES[request.param])
        yield Place(request.param, hub, client, fill(folder), home)
        client.close()


def fill(folder: Path) -> Path:
    torch.manual_seed(0)
    fields = {**TINY, "num_hidden_layers": 1, "num_attention_heads": 1}  # a picture of attention has a panel a head
    config = AstromerConfig(**fields)
    labels: dict[str, Any] = {"id2label": {0: "RRab", 1: "LPV"}, "label2id": {"RRab": 0, "LPV": 1}}
    models = {
        "encoder": AstromerForMaskedReconstruction(config),
        "classifier": AstromerForSequenceClassification(AstromerConfig(**fields, **labels)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(folder / name)
        base_model = ENCODER if name == "classifier" else None
        write_card(folder / name, CardFacts(f"astromer/{name}", ("macho",), base_model=base_model))
        (folder / name / TEST_VECTOR_FILE).write_bytes(bytes(gather_checkpoint(folder / name)[TEST_VECTOR_FILE]))
    pq.write_table(
        to_table(simulate_light_curves(60, seed=1, survey=SURVEY, classes=["RRab", "LPV"])), folder / "curves.parquet"
    )
    return folder


@pytest.fixture(scope="module")
def pushed(place: Place) -> Place:
    """With both models on the Hub, sent there in the way of the mode."""
    for name in ("encoder", "classifier"):
        if place.mode != "lfs":
            place.hub.expect_through_xet(*(place.folder / name).glob("*.safetensors"))
        status, _, errors = place.run("push", name, f"astromer/{name}", "--public")
        assert status == 0, errors
    return place


# Every verb that takes a model of the Hub -> its other arguments.
VERBS: dict[str, tuple[str, ...]] = {
    "check": (ENCODER,),
    "embed": ("curves.parquet", "--model", ENCODER, "-o", "embeddings.parquet"),
    "classify": ("curves.parquet", "--model", CLASSIFIER, "-o", "classes.parquet"),
    "fit": ("curves.parquet", "--model", ENCODER, "-o", "fitted", "--max-epochs", "1", "--augment", "0"),
    "export": (ENCODER, "-o", "encoder.onnx"),
    "plot light-curve": ("curves.parquet", "--object", "sim-0", "--model", ENCODER, "-o", "curve.png"),
    "plot attention": ("curves.parquet", "--object", "sim-0", "--model", ENCODER, "-o", "attention.png"),
    "plot time-encoding": ("curves.parquet", "--object", "sim-0", "--model", ENCODER, "-o", "encoding.png"),
    "plot magnitude-embedding": ("--model", ENCODER, "-o", "magnitudes.png"),
}


def takes_revision(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, verb in getattr(command, "commands", {}).items():
        yield from takes_revision(verb, (*path, name))
    if any(parameter.name == "revision" for parameter in command.params):
        yield " ".join(path)


def test_these_are_all_verbs_that_take_a_model_of_the_hub():
    assert set(takes_revision(build_command())) - {"few-shot", "push"} == set(VERBS)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "export"])
def test_every_verb_takes_a_model_of_the_hub(pushed, verb):
    run_verb(pushed, verb)


# An export takes seconds, and fetches its model as the other verbs do.
@pytest.mark.parametrize(
    "place", ["lfs", *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES if mode != "lfs")], indirect=True
)
def test_so_does_export(pushed):
    run_verb(pushed, "export")


def run_verb(pushed: Place, verb: str) -> None:
    first = "sim" if "--object" not in VERBS[verb] else pq.read_table(pushed.folder / "curves.parquet")["object_id"][0].as_py()
    arguments = [first if argument == "sim-0" else argument for argument in VERBS[verb]]
    status, _, errors = pushed.run(*verb.split(), *arguments)
    assert status == 0, errors
    if verb == "embed":  # the numbers of the folder that was pushed
        assert pushed.run("embed", "curves.parquet", "--model", "encoder", "-o", "here.parquet")[0] == 0
        there, here = (pq.read_table(pushed.folder / name) for name in ("embeddings.parquet", "here.parquet"))
        np.testing.assert_array_equal(there["embedding"].to_pylist(), here["embedding"].to_pylist())


def test_the_files_went_the_way_of_the_mode_and_lie_as_the_client_lays_them(pushed):
    assert pushed.client(hub_client.load_error, ENCODER) == ""
    through_xet = pushed.mode != "lfs"
    assert bool(pushed.hub.objects) != through_xet
    assert any("xet-read-token" in path for _, path, _ in pushed.hub.requests) == through_xet
    (weights,) = (pushed.home / "hub" / "models--astromer--encoder" / "snapshots").glob("*/model.safetensors")
    links = 0
    while weights.is_symlink():
        weights, links = weights.parent / weights.readlink(), links + 1
    assert links == {"lfs": 1, "xet": 2, "xet, nothing shared": 1, "xet, no links": 0}[pushed.mode]


def test_weights_that_were_damaged_in_the_cache_are_found_by_every_way_of_loading_and_can_be_had_again(pushed):
    assert pushed.client(hub_client.load_error, CLASSIFIER) == ""
    (file,) = (pushed.home / "hub" / "models--astromer--classifier" / "snapshots").glob("*/model.safetensors")
    blob = file.resolve()
    content = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    expected = "does not have the checksum" if pushed.mode == "xet, no links" else "was damaged in the download"
    assert expected in pushed.client(hub_client.load_error, CLASSIFIER)
    with pytest.raises(ValueError, match="does not have the checksum that it was saved with: download it again"):
        pushed.client(hub_client.digest_of_weights, CLASSIFIER, "AutoModelForSequenceClassification")
    status, _, errors = pushed.run("classify", *VERBS["classify"])
    assert status == 1
    assert expected in errors
    blob.unlink()  # as the message says
    assert pushed.client(hub_client.load_error, CLASSIFIER) == ""
