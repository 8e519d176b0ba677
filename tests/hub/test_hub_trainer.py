# Copyright 2026 The astromer_hf developers. MIT licence.
"""A classifier that Trainer fine-tunes and pushes comes back from the Hub; by `HubTrainer` finished, without private files."""

import json
from pathlib import Path

import hub_client
import pytest
import torch
from conftest import ACCOUNTS, TINY
from huggingface_hub import ModelCard
from transformers import TrainingArguments

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.hub.load import CODE_FILES, TEST_VECTOR_FILE
from astromer_hf.hub.model_card import CardFacts, write_card
from astromer_hf.hub.trainer import HubTrainer

ADA = next(iter(ACCOUNTS))
TESTS = Path(__file__).resolve().parents[1]
BASE = "astromer/tiny-base"
PREDICT = """
import hashlib
import numpy as np
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification

extractor = AutoFeatureExtractor.from_pretrained(name, **options)
model = AutoModelForSequenceClassification.from_pretrained(name, **options).eval()
logits = model(**extractor(np.arange(0, 90, 2.5), 15 + 0.1 * np.sin(np.arange(36)), return_tensors="pt")).logits
answer = [model.config.id2label[0], hashlib.sha256(logits.detach().numpy().tobytes()).hexdigest()]
"""


@pytest.fixture(scope="module")
def base(client, tmp_path_factory) -> str:
    """A pre-trained model on the Hub."""
    folder = tmp_path_factory.mktemp("base") / "base"
    torch.manual_seed(0)
    config = AstromerConfig(**TINY, classifier_hidden_sizes=[8])
    AstromerForMaskedReconstruction(config).save_pretrained(folder)
    AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(folder)
    write_card(folder, CardFacts(BASE, ("macho",)))
    status, _, errors = client(hub_client.command, "push", folder, BASE, "--public", token=ADA)
    assert status == 0, errors
    return BASE


def predict_here(folder: Path) -> list[str]:
    session = {"name": str(folder), "options": {}}
    exec(PREDICT, session)
    return session["answer"]  # type: ignore[return-value]


def test_a_fine_tuned_classifier_comes_back_with_the_package_and_without(base, client, hub, tmp_path):
    output = tmp_path / "classifier"
    client(hub_client.fine_tune, base, output, "astromer/classifier", ADA, hub_private_repo=False)
    files = ["README.md", "config.json", "preprocessor_config.json", "model.safetensors", TEST_VECTOR_FILE, *CODE_FILES]
    assert hub.list_files("astromer/classifier") == sorted([".gitattributes", *files])
    expected = predict_here(output)
    assert expected[0] == "LPV"
    script = "name = 'astromer/classifier'; import sys; {}\n" + PREDICT
    hidden = script.format("sys.modules['astromer_hf'] = None; options = {'trust_remote_code': True}")
    assert hub_client.run_fresh(hub.url, tmp_path / "home", hidden) == expected
    status, printed, errors = client(hub_client.command, "check", "astromer/classifier")
    assert (status, errors) == (0, "")
    assert "ok: it computes its saved test vector" in printed
    assert client(hub_client.digest_of_weights, "astromer/classifier", "AutoModelForSequenceClassification") == (
        hub_client.digest_of_weights(str(output), "AutoModelForSequenceClassification")
    )


def test_its_card_is_finished_and_has_the_score_that_was_measured(base, client, hub, tmp_path):
    output = tmp_path / "scored"
    client(hub_client.fine_tune, base, output, "astromer/scored", ADA)
    assert hub.repo("astromer/scored").private
    card = ModelCard(hub.read("astromer/scored", "README.md").decode())
    assert "generated automatically" not in card.text
    assert "Classifies irregular single-band light curves of variable stars: LPV, RRab." in card.text
    assert card.data.base_model == base
    assert card.data.model_name == "scored"
    measured = json.loads((output / "test_results.json").read_text())["test_accuracy"]
    assert [(result.metric_type, result.metric_value) for result in card.data.eval_results] == [("accuracy", measured)]


def test_a_push_at_every_save_shares_no_more_than_one_at_the_end(base, client, hub, tmp_path):
    client(hub_client.fine_tune, base, tmp_path / "saves", "astromer/saves", ADA, hub_strategy="every_save")
    titles = list(hub.repo("astromer/saves").titles.values())
    assert titles[1:3] == ["Training in progress, step 1", "Training in progress, step 2"]
    shared = set().union(*hub.repo("astromer/saves").files.values())
    assert not [name for name in shared if name.endswith((".pt", ".bin", ".pth")) or name.startswith("trainer")]


def test_a_save_that_the_hub_does_not_take_stops_no_training(base, client, hub, tmp_path):
    hub.fail("POST", "/api/models/astromer/interrupted/commit/")
    client(hub_client.fine_tune, base, tmp_path / "run", "astromer/interrupted", ADA, hub_strategy="every_save")
    assert [title for title in hub.repo("astromer/interrupted").titles.values() if title.startswith("Training")] == [
        "Training in progress, step 2"
    ]


@pytest.mark.parametrize("strategy", ["checkpoint", "all_checkpoints"])
def test_optimizer_states_are_not_pushed_on_request_either(tmp_path, strategy):
    model = AstromerForMaskedReconstruction(AstromerConfig(**TINY))
    arguments = TrainingArguments(str(tmp_path), push_to_hub=True, hub_strategy=strategy, use_cpu=True)
    with pytest.raises(ValueError, match=f'must be "end" or "every_save", got "{strategy}"'):
        HubTrainer(model, arguments, card=CardFacts("astromer/x"))


def test_the_stock_trainers_push_can_be_loaded_too_but_is_not_ready(base, client, hub, tmp_path):
    output = tmp_path / "stock"
    client(hub_client.fine_tune, base, output, "astromer/stock", ADA, stock=True, hub_private_repo=False)
    assert client(hub_client.digest_of_weights, "astromer/stock", "AutoModelForSequenceClassification") == (
        hub_client.digest_of_weights(str(output), "AutoModelForSequenceClassification")
    )
    status, _, errors = client(hub_client.command, "check", "astromer/stock")
    assert status == 1
    assert "training_args.bin must not be in a shared checkpoint" in errors
    assert "a placeholder was left in the text" in errors


LOAD_ALL = """
import numpy as np
from transformers import AutoFeatureExtractor, AutoModel, pipeline

extractor = AutoFeatureExtractor.from_pretrained(name, trust_remote_code=True)
model = AutoModel.from_pretrained(name, trust_remote_code=True)
curve = {"mjd": np.arange(0, 90, 2.5), "mag": 15 + 0.1 * np.sin(np.arange(36))}
answer = {task: sorted(pipeline(task, name, device="cpu", trust_remote_code=True)(curve)) for task in tasks}
"""
HIDE = "import sys; sys.modules['astromer_hf'] = None; name = {!r}; tasks = {!r}\n"
EMBEDDING, CLASSIFICATION = "light-curve-embedding", "light-curve-classification"


def expect_all_to_load(hub, home, repo_id: str, tasks: list[str]) -> None:
    """Without the package, in a new process with nothing in its cache."""
    needed = set(CODE_FILES) - {"pretraining_astromer.py"}  # no Auto class loads this one
    assert needed <= set(hub.list_files(repo_id))
    tasks = [*tasks, "feature-extraction"]  # as the Hub's snippet has it
    assert list(hub_client.run_fresh(hub.url, home, HIDE.format(repo_id, tasks) + LOAD_ALL)) == tasks
    config = json.loads(hub.read(repo_id, "config.json"))
    assert set(config["custom_pipelines"]) == set(tasks)


def test_a_model_of_the_hub_that_the_stock_trainer_shares_loads_without_the_package(base, client, hub, tmp_path):
    repo_id = "astromer/tuned-by-stock"
    client(hub_client.fine_tune, base, tmp_path / "stock", repo_id, ADA, stock=True, hub_private_repo=False)
    expect_all_to_load(hub, tmp_path / "home", repo_id, [EMBEDDING, CLASSIFICATION])


@pytest.mark.parametrize("with_pipeline", [False, True], ids=["model", "pipeline"])
def test_a_model_of_the_hub_that_transformers_pushes_loads_without_the_package(base, client, hub, tmp_path, with_pipeline):
    repo_id = f"astromer/pushed-{with_pipeline}".lower()
    client(hub_client.push_by_transformers, base, repo_id, ADA, with_pipeline)
    expect_all_to_load(hub, tmp_path / "home", repo_id, [EMBEDDING] if with_pipeline else [EMBEDDING, CLASSIFICATION])


def test_so_does_one_that_was_loaded_and_pushed_without_the_package(base, hub, tmp_path):
    script = f"import sys; sys.modules['astromer_hf'] = None; sys.path.insert(0, {str(TESTS)!r}); import hub_client; answer = "
    call = f"hub_client.push_by_transformers({BASE!r}, 'astromer/without', {ADA!r}, False, trust=True)"
    hub_client.run_fresh(hub.url, tmp_path / "first", script + call)
    expect_all_to_load(hub, tmp_path / "second", "astromer/without", [EMBEDDING, CLASSIFICATION])


def test_a_model_that_was_made_here_points_to_no_code(tmp_path):
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(tmp_path)
    AstromerFeatureExtractor().save_pretrained(tmp_path)
    assert "auto_map" not in (tmp_path / "config.json").read_text() + (tmp_path / "preprocessor_config.json").read_text()
    assert not [*tmp_path.glob("*.py")]
