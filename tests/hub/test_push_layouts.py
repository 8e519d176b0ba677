# Copyright 2026 The astromer_hf developers. MIT licence.
"""A push shares the weights that are loaded here, in one file or in several, and a classifier as `astromer-hf fit` wrote it."""

import json
from dataclasses import replace
from pathlib import Path

import hub_client
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ACCOUNTS, TINY

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.hub.check import check_checkpoint
from astromer_hf.hub.model_card import CardFacts, load_card, write_card
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

ADA = next(iter(ACCOUNTS))
INDEX = "model.safetensors.index.json"
SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=40, max_points=80)


def save(folder: Path, seed: int, **options: str) -> Path:
    torch.manual_seed(seed)
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(folder, **options)
    AstromerFeatureExtractor(window_size=TINY["window_size"]).save_pretrained(folder)
    if not (folder / "README.md").exists():
        write_card(folder, CardFacts("astromer/layout", ("macho",)))
    return folder


def push(client, folder: Path, repo_id: str) -> None:
    status, _, errors = client(hub_client.command, "push", folder, repo_id, "--public", token=ADA)
    assert (status, errors) == (0, "")


def digest(folder: Path) -> str:
    return hub_client.digest_of_weights(str(folder), "AutoModelForPreTraining")


def test_an_index_and_shards_of_an_earlier_save_are_noted_and_not_shared(tmp_path, client, hub):
    folder = save(tmp_path / "both", seed=0)
    sharded = save(tmp_path / "sharded", seed=1, max_shard_size="5KB")
    for file in (sharded / INDEX, *sharded.glob("model-*-of-*.safetensors")):  # as a copy from elsewhere leaves them
        (folder / file.name).write_bytes(file.read_bytes())
    assert any(INDEX in note for note in check_checkpoint(str(folder)).notes)
    push(client, folder, "astromer/both")
    assert not [name for name in hub.list_files("astromer/both") if name == INDEX or name.startswith("model-")]
    assert client(hub_client.digest_of_weights, "astromer/both", "AutoModelForPreTraining") == digest(folder)


def test_of_sharded_weights_the_files_of_the_index_are_shared_and_no_others(tmp_path, client, hub):
    folder = save(tmp_path / "sharded", seed=1, max_shard_size="5KB")
    current = set(json.loads((folder / INDEX).read_text())["weight_map"].values())
    assert len(current) > 1
    (folder / "model-00001-of-00099.safetensors").write_bytes(next(folder.glob("model-*.safetensors")).read_bytes())
    push(client, folder, "astromer/sharded")
    assert {name for name in hub.list_files("astromer/sharded") if name.startswith("model-")} == current


@pytest.mark.parametrize("order", [("", "5KB"), ("5KB", "")], ids=["one file, then several", "several files, then one"])
def test_a_push_in_another_layout_replaces_the_weights_that_are_there(tmp_path, client, hub, order):
    repo_id = f"astromer/layout-{order.index('')}"
    for seed, size in enumerate(order):
        folder = save(tmp_path / str(seed), seed, **({"max_shard_size": size} if size else {}))
        push(client, folder, repo_id)
        assert client(hub_client.digest_of_weights, repo_id, "AutoModelForPreTraining") == digest(folder)
        listed = {name for name in hub.list_files(repo_id) if name.startswith("model")}
        assert listed == {"modeling_astromer.py"} | {path.name for path in folder.glob("model*")}


def test_a_classifier_can_be_pushed_as_fit_wrote_it(tmp_path, client, hub):
    encoder = save(tmp_path / "encoder", seed=0)
    table = to_table(simulate_light_curves(60, seed=1, survey=SURVEY, classes=["RRab", "LPV"]))
    pq.write_table(table, tmp_path / "labelled.parquet")
    arguments = (
        "labelled.parquet",
        "--model",
        encoder,
        "--max-epochs",
        "1",
        "--augment",
        "0",
        "--quiet",
        "-o",
        "my-classifier",
    )
    status, output, errors = client(hub_client.command, "fit", *arguments, folder=tmp_path)
    assert status == 0, errors
    assert "share the classifier: astromer-hf push my-classifier ORG/NAME" in output
    folder = tmp_path / "my-classifier"
    push(client, folder, "organisation/classifier")
    assert hub.read("organisation/classifier", "README.md").count(b'name = "organisation/classifier"') == 1
    card = load_card(folder / "README.md").data
    assert card.base_model == "astromer/layout"  # as the encoder's own card says
    measured = json.loads((folder / "test_results.json").read_text())
    scores = {result.metric_type: result.metric_value for result in card.eval_results}
    assert scores == {"accuracy": round(measured["test_accuracy"], 4), "f1": round(measured["test_macro_f1"], 4)}
    assert client(hub_client.command, "check", "organisation/classifier")[0] == 0


def test_a_classifier_of_an_encoder_without_a_name_says_how_it_gets_its_card(tmp_path, client):
    encoder = save(tmp_path / "encoder", seed=0)
    (encoder / "README.md").unlink()
    pq.write_table(
        to_table(simulate_light_curves(60, seed=1, survey=SURVEY, classes=["RRab", "LPV"])), tmp_path / "labelled.parquet"
    )
    arguments = ("labelled.parquet", "--model", encoder, "--max-epochs", "1", "--augment", "0", "--quiet", "-o", "nameless")
    status, output, errors = client(hub_client.command, "fit", *arguments, folder=tmp_path)
    assert status == 0, errors
    (line,) = (line for line in output.splitlines() if line.startswith("no card"))
    assert "--base-model ORG/ENCODER" in line
    words = line.split(": ", 1)[1].split(" writes one")[0].replace("ORG/NAME", "ada/x").replace("ORG/ENCODER", "ada/y").split()
    assert words[0] == "astromer-hf"
    assert client(hub_client.command, *words[1:], folder=tmp_path)[0] == 0
    assert (tmp_path / "nameless" / "README.md").is_file()
