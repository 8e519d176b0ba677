# Copyright 2026 The astromer_hf developers. MIT licence.
"""What is pushed to a Hub comes back from it bit by bit, nothing else goes there, and what goes wrong is one clear line."""

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import hub_client
import numpy as np
import prepare_dataset
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch
from conftest import ACCOUNTS, TINY
from hub_client import HubClient, run_fresh
from safetensors.torch import load_file, save_file

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
)
from astromer_hf.cli.main import main
from astromer_hf.hub.check import check_checkpoint, check_dataset, make_test_vector
from astromer_hf.hub.load import CODE_FILES, OFFICIAL_CHECKPOINTS, TEST_VECTOR_FILE, ModelError, find_model, load_model
from astromer_hf.hub.model_card import CardFacts, write_card
from astromer_hf.hub.push import gather_checkpoint, push_checkpoint
from astromer_hf.light_curves.preparation import prepare_datasets
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.surveys import Survey

ROOT = Path(__file__).resolve().parents[2]
ADA, ADA_READS, BOB = ACCOUNTS
SHARED = sorted(["README.md", "config.json", "preprocessor_config.json", "model.safetensors", TEST_VECTOR_FILE, *CODE_FILES])
OURS = "import astromer_hf; options = {}"
HIDDEN = "import sys; sys.modules['astromer_hf'] = None; options = {'trust_remote_code': True}"
LOAD = """
import hashlib
import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForPreTraining, pipeline

def digest(tensor):
    return hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()

extractor = AutoFeatureExtractor.from_pretrained(name, **options)
encoder, whole = (kind.from_pretrained(name, **options).eval() for kind in (AutoModel, AutoModelForPreTraining))
curve = {"mjd": np.arange(0, 900, 2.5), "mag": 15 + 0.1 * np.sin(np.arange(360))}
windows = extractor(curve["mjd"], curve["mag"], return_tensors="pt")
pipes = [pipeline(f"light-curve-{task}", name, device="cpu", **options) for task in ("embedding", "reconstruction")]
by_pipeline, reconstructed = (pipe(curve, return_numpy=True) for pipe in pipes)
answer = {
    "module": type(encoder).__module__.split(".")[0],
    "embedding": digest(encoder(**windows).pooler_output),
    "reconstruction": digest(whole(**windows).reconstruction),
    "embedding by pipeline": digest(torch.from_numpy(by_pipeline["embedding"])),
    "reconstruction by pipeline": digest(torch.from_numpy(reconstructed["reconstruction"])),
    "hidden": int(reconstructed["hidden"].sum()),
}
"""


def run_here(script: str, name: str) -> dict[str, str]:
    session: dict[str, Any] = {"name": name, "options": {}}
    exec(script, session)
    return session["answer"]


def save_tiny(folder: Path, **fields: Any) -> Path:
    """A tiny checkpoint with a finished card, saved as training saves it."""
    torch.manual_seed(0)
    AstromerForMaskedReconstruction(AstromerConfig(**TINY | fields)).save_pretrained(folder)
    AstromerFeatureExtractor(window_size=TINY["window_size"]).save_pretrained(folder)
    write_card(folder, CardFacts("astromer/tiny", ("macho",)))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny")


@pytest.fixture(scope="module")
def macho(macho_a0: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The released weights, converted, with their card."""
    folder = tmp_path_factory.mktemp("macho") / "macho"
    shutil.copytree(macho_a0, folder)
    shutil.copy(ROOT / "model_cards" / "astromer-macho" / "README.md", folder)
    return folder


@pytest.fixture(scope="module")
def pushed_macho(macho: Path, client: HubClient) -> Path:
    """The same, on the Hub as a public repository, with a tag."""
    status, output, errors = client(hub_client.command, "push", macho, "astromer/macho", "--public", "--tag", "v1.0", token=ADA)
    assert status == 0, errors
    assert output.startswith(f"{len(SHARED)} files -> astromer/macho (public), commit ")
    return macho


def push(client: HubClient, folder: Path, repo_id: str, *options: str, token: str | None = ADA) -> str:
    """Push; an empty string, or the one line of the error."""
    status, output, errors = client(hub_client.command, "push", folder, repo_id, *options, token=token)
    if status == 0:
        assert errors == ""
        return ""
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    return str(errors)


# --- There and back ---


def test_the_released_weights_come_back_bit_by_bit_in_a_fresh_process(pushed_macho, hub, tmp_path):
    expected = run_here(LOAD.replace("(name, **options)", "(name)"), str(pushed_macho))
    home = tmp_path / "home"
    assert run_fresh(hub.url, home, f"{OURS}; name = 'astromer/macho'{LOAD}") == expected
    before = len(hub.requests)
    assert run_fresh(hub.url, home, f"{OURS}; name = 'astromer/macho'{LOAD}", HF_HUB_OFFLINE="1") == expected
    assert len(hub.requests) == before  # the cache is enough


def test_they_come_back_where_the_package_is_hidden_and_the_repositorys_code_is_trusted(pushed_macho, hub, tmp_path):
    expected = run_here(LOAD.replace("(name, **options)", "(name)"), str(pushed_macho))
    distrust = """
try:
    AutoModel.from_pretrained(name, trust_remote_code=False)
except ValueError as error:
    answer["without trust"] = str(error)
"""
    found = run_fresh(hub.url, tmp_path / "home", f"{HIDDEN}; name = 'astromer/macho'{LOAD}{distrust}")
    assert "trust_remote_code=True" in found.pop("without trust")
    assert found == expected | {"module": "transformers_modules"}


def test_the_code_block_of_their_card_runs(pushed_macho, client):
    (block,) = re.findall(r"```python\n(.*?)```", (pushed_macho / "README.md").read_text(), re.DOTALL)
    client(hub_client.run_code, block + "\nassert embedding.shape == (1, 256)\n")


def test_the_shipped_model_is_ready_and_comes_back_with_its_pictures(client, hub):
    folder = ROOT / "model_cards" / "astromer-surveys-small"
    assert push(client, folder, "astromer/surveys-small", "--public") == ""
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (folder / "README.md").read_text())
    assert hub.list_files("astromer/surveys-small") == sorted([".gitattributes", *SHARED, *pictures])
    assert client(hub_client.digest_of_weights, "astromer/surveys-small", "AutoModelForPreTraining") == (
        hub_client.digest_of_weights(str(folder), "AutoModelForPreTraining")
    )
    assert client(hub_client.command, "check", "astromer/surveys-small")[0] == 0


def test_the_list_is_shared_and_nothing_else_of_a_training_folder(tiny, client, hub):
    for name in (".env", "training_args.bin", "optimizer.pt", "trainer_state.json", "notes.md", "id_rsa", "picture.png"):
        (tiny / name).write_text("HF_TOKEN=secret")
    (tiny / "checkpoint-5").mkdir()
    (tiny / "checkpoint-5" / "model.safetensors").write_bytes(b"")
    assert push(client, tiny, "astromer/list") == ""
    assert hub.list_files("astromer/list") == sorted([".gitattributes", *SHARED])
    assert hub.repo("astromer/list").private
    assert hub.read("astromer/list", "model.safetensors") == (tiny / "model.safetensors").read_bytes()
    for name in CODE_FILES:
        assert hub.read("astromer/list", name) == (ROOT / "astromer_hf" / "model" / name).read_bytes()


def test_the_shared_code_is_all_that_the_model_needs(tiny):
    files = gather_checkpoint(tiny)
    relative = {name: set(re.findall(r"^\s*from \.(\w+) import", Path(files[name]).read_text(), re.M)) for name in CODE_FILES}
    assert set().union(*relative.values()) <= {Path(name).stem for name in CODE_FILES}
    outside = {
        re.match(r"(?:from|import) (\w+)", line)[1]
        for name in CODE_FILES
        for line in Path(files[name]).read_text().splitlines()
        if re.match(r"(?:from|import) \w", line)
    }
    standard = {
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "math",
        "os",
        "pathlib",
        "shutil",
        "typing",
        "warnings",
    }
    assert outside <= standard | {
        "torch",
        "numpy",
        "transformers",
        "huggingface_hub",
    }  # huggingface_hub comes with transformers


@pytest.mark.parametrize("kind", [AstromerForMaskedReconstruction, AstromerForSequenceClassification])
def test_a_shared_config_points_to_the_pipelines_that_the_checkpoint_serves_and_the_package_does_not_follow(tmp_path, kind):
    kind(AstromerConfig(**TINY)).save_pretrained(tmp_path)
    write_card(tmp_path, CardFacts("astromer/tiny", ("macho",), base_model="astromer/macho"))
    files = gather_checkpoint(tmp_path)
    named = json.loads(files["config.json"])["custom_pipelines"]
    head = {"Reconstruction": "reconstruction", "Classification": "classification"}
    tasks = {"light-curve-embedding", *(f"light-curve-{task}" for name, task in head.items() if kind.__name__.endswith(name))}
    assert set(named) == tasks | {"feature-extraction"}  # the Hub's tag
    for pointer in named.values():
        module, class_name = pointer["impl"].split(".")
        assert f"class {class_name}(" in Path(files[f"{module}.py"]).read_text()
    (tmp_path / "config.json").write_bytes(files["config.json"])
    assert not hasattr(AstromerConfig.from_pretrained(tmp_path), "custom_pipelines")


def test_branches_tags_commits_and_pull_requests_load_what_was_pushed_there(tiny, tmp_path, client, hub):
    assert push(client, tiny, "astromer/revisions", "--public", "--tag", "v1") == ""
    first = hub.repo("astromer/revisions").refs["refs/heads/main"]
    other = save_tiny(tmp_path / "other", hidden_size=24)
    assert push(client, other, "astromer/revisions", "--revision", "dev/wide") == ""
    assert push(client, other, "astromer/revisions", token=BOB) == ""
    refs = hub.repo("astromer/revisions").refs
    assert refs["refs/heads/main"] == refs["refs/tags/v1"] == first
    expected = {folder: run_digest(folder) for folder in (tiny, other)}
    for revision, folder in {
        None: tiny,
        "main": tiny,
        "v1": tiny,
        first: tiny,
        "dev/wide": other,
        refs["refs/heads/dev/wide"]: other,
        "refs/pr/1": other,
    }.items():
        options = {} if revision is None else {"revision": revision}
        assert client(hub_client.digest_of_weights, "astromer/revisions", **options) == expected[folder], revision
    message = client(hub_client.load_error, "astromer/revisions", "v2")
    assert "astromer/revisions has no branch, tag or commit v2" in message


def run_digest(folder: Path) -> str:
    return hub_client.digest_of_weights(str(folder))


def test_in_somebody_elses_repository_a_push_is_a_pull_request(tiny, client, hub):
    assert push(client, tiny, "astromer/theirs", "--public") == ""
    before = dict(hub.repo("astromer/theirs").refs)
    (tiny / TEST_VECTOR_FILE).unlink(missing_ok=True)
    (tiny / "README.md").write_text((tiny / "README.md").read_text() + "\nA note of Bob's.\n")
    status, output, _ = client(hub_client.command, "push", tiny, "astromer/theirs", token=BOB)
    assert status == 0
    assert f"pull request {hub.url}/astromer/theirs/discussions/1" in output
    refs = hub.repo("astromer/theirs").refs
    assert {name: refs[name] for name in before} == before
    assert b"A note of Bob's." in hub.read("astromer/theirs", "README.md", "refs/pr/1")
    assert "cannot be tagged" in push(client, tiny, "astromer/theirs", "--tag", "v1", token=BOB)


def test_a_second_push_of_the_same_commits_nothing(tiny, client, hub):
    for _ in range(2):
        assert push(client, tiny, "astromer/twice") == ""
    assert list(hub.repo("astromer/twice").titles.values()) == ["initial commit", "Upload twice"]


def test_a_tag_that_is_there_stops_the_push_before_it_commits(tiny, client, hub):
    assert push(client, tiny, "astromer/tagged", "--tag", "v1") == ""
    (tiny / "README.md").write_text((tiny / "README.md").read_text() + "\nMore.\n")
    assert "has a tag v1 already" in push(client, tiny, "astromer/tagged", "--tag", "v1")
    assert len(hub.repo("astromer/tagged").files) == 2


def test_a_tag_that_fails_after_the_commit_says_that_the_commit_is_there(tiny, client, hub):
    hub.fail("POST", "/api/models/astromer/untagged/tag/")
    error = push(client, tiny, "astromer/untagged", "--tag", "v1")
    commit = hub.repo("astromer/untagged").refs["refs/heads/main"]
    assert f"The Hub did not take the tag v1 of the commit {commit} that it has now: it fails at the moment (503)" in error
    assert hub.list_files("astromer/untagged") == sorted([".gitattributes", *SHARED])


def test_an_id_is_checked_as_a_folder_is(pushed_macho, client, hub):
    status, output, errors = client(hub_client.command, "check", "astromer/macho", "--revision", "v1.0")
    assert (status, errors) == (0, "")
    assert output.splitlines() == [
        "ok: no forbidden file",
        "ok: it loads, 661,505 parameters",
        "ok: the card is finished",
        "ok: it computes its saved test vector",
        "ok: nothing private in it",
    ]
    files = {"config.json": b"{}", "training_args.bin": b"x", "sub/.env": b"x", "modeling_astromer.py": b"import evil"}
    client(hub_client.commit, "astromer/careless", files, ADA)
    status, output, errors = client(hub_client.command, "check", "astromer/careless")
    assert status == 1
    assert "note: its modeling_astromer.py is not this package's: read it before you load the model with trust" in output
    for name in ("training_args.bin", "sub/.env"):
        assert f"{name} must not be in a shared checkpoint" in errors


def test_a_prepared_dataset_comes_back_with_its_card(tmp_path, client, hub):
    table = tmp_path / "simulated.parquet"
    pq.write_table(to_table(simulate_light_curves(60, survey="catalina_like")).drop_columns("period_days"), table)
    prepare_datasets([(table, Survey("simulated"))], tmp_path / "path" / "to", command=f"python x.py {Path.home()}/my.csv")
    folder = tmp_path / "path" / "to" / "simulated"
    status, output, _ = client(hub_client.command, "check", folder)
    assert status == 0
    assert "ok: 3 shards have the columns of a prepared dataset" in output
    (folder / "notes.txt").write_text("not to be shared")
    assert push(client, folder, "organisation/simulated", "--public") == ""
    listed = hub.list_files("organisation/simulated", kind="datasets")
    assert listed == sorted([".gitattributes", *(path.name for path in folder.iterdir() if path.name != "notes.txt")])
    assert str(Path.home()).encode() not in hub.read("organisation/simulated", "preparation.json", kind="datasets")

    datasets.disable_progress_bars()
    expected = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    script = """
import hashlib
from datasets import load_dataset
loaded = load_dataset("organisation/simulated")
answer = {split: hashlib.sha256(repr(rows.to_list()).encode()).hexdigest() for split, rows in loaded.items()}
"""
    found = run_fresh(hub.url, tmp_path / "home", script)
    assert found == {split: hashlib.sha256(repr(rows.to_list()).encode()).hexdigest() for split, rows in expected.items()}
    (block,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    for place in ("path/to/simulated", "organisation/simulated"):
        client(hub_client.run_code, block.replace("path/to/simulated", place), tmp_path)


def test_the_recipes_of_contributing_run_as_they_stand(tiny, tmp_path, client, hub, monkeypatch):
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (record,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    session: dict[str, Any] = {}
    exec(compile(record, "CONTRIBUTING.md", "exec"), session)
    assert session["survey"].class_of("RR_ab") == "RRab"

    run = tmp_path / "runs" / "classify_sss"
    config = AstromerConfig(**TINY, num_labels=2, classifier_hidden_sizes=[8])
    AstromerForSequenceClassification(config).save_pretrained(run)
    AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(run)
    (run / "test_results.json").write_text(json.dumps({"test_accuracy": 0.5, "test_macro_f1": 0.4, "test_objects": 8}))
    table = to_table(simulate_light_curves(60, survey="catalina_like")).drop_columns("period_days")
    pq.write_table(table, tmp_path / "my_survey.parquet")
    pq.write_table(table, tmp_path / "sss_catalina_south.parquet")
    monkeypatch.chdir(tmp_path)
    prepare_dataset.main(prepare_dataset.parse_args(["sss_catalina_south.parquet", "-o", "data/prepared"]))

    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.replace("\\\n", "").splitlines()]
    assert len(lines) == 7
    for program, *arguments in lines:
        if program == "python":
            assert arguments.pop(0) == "scripts/prepare_dataset.py"
            prepare_dataset.main(prepare_dataset.parse_args(arguments))
        else:
            assert program == "astromer-hf"
            status, _, errors = client(hub_client.command, *arguments, token=ADA, folder=tmp_path)
            assert (status, errors) == (0, ""), arguments
    assert b"type: f1\n      value: 0.4" in hub.read("organisation/my-classifier", "README.md", "v1.0")
    assert hub.repo("organisation/my_survey", "datasets").private


# --- What goes wrong on the way ---


def test_a_private_repository_is_not_there_for_others(tiny, client, hub):
    assert push(client, tiny, "astromer/private") == ""
    assert client(hub_client.digest_of_weights, "astromer/private", token=ADA) == run_digest(tiny)
    client(shutil.rmtree, client(cache_of, "astromer/private"))
    for token in (None, BOB):
        message = client(hub_client.load_error, "astromer/private", token=token)
        assert "there is no astromer/private that you may see; for a private one, `hf auth login` or set HF_TOKEN" in message
    assert "there is no astromer/private that you may see" in push(client, tiny, "astromer/private", token=BOB)


def cache_of(repo_id: str) -> str:
    """Where the client keeps a repository."""
    from huggingface_hub import constants

    return str(Path(constants.HF_HUB_CACHE, "models--" + repo_id.replace("/", "--")))


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("hf_mistyped", "it refuses your token: `hf auth login` with a valid one, or set HF_TOKEN"),
        (ADA_READS, "your token only reads: `hf auth login` with one that may write"),
        (None, "this needs a token: `hf auth login` with one that may write, or set HF_TOKEN"),
    ],
)
def test_a_token_that_will_not_do_is_said_so_and_makes_no_repository(tiny, client, hub, token, message):
    assert message in push(client, tiny, "astromer/unwritten", token=token)
    assert ("models", "astromer/unwritten") not in hub.repos


def test_a_mistyped_token_stops_a_download_too(pushed_macho, client):
    message = client(hub_client.load_error, "astromer/unseen", token="hf_mistyped")
    assert "it refuses your token" in message
    assert "\n" not in message


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(tiny, client, hub):
    first = client(hub_client.commit, "astromer/stale", {"README.md": b"one"}, ADA)
    second = client(hub_client.commit, "astromer/stale", {"README.md": b"two"}, ADA)
    error = push(client, tiny, "astromer/stale", "--parent", first)
    assert "astromer/stale has changed since this push began: look at its newest commit, then push again" in error
    assert hub.read("astromer/stale", "README.md") == b"two"
    assert push(client, tiny, "astromer/stale", "--parent", second) == ""


def test_a_hub_that_fails_commits_nothing_and_the_next_push_does(tiny, client, hub):
    hub.fail("POST", "/api/models/astromer/failing/commit/")
    assert "it fails at the moment (503): try again later" in push(client, tiny, "astromer/failing")
    assert hub.list_files("astromer/failing") == [".gitattributes"]
    hub.fail("POST", "astromer/failing.git/info/lfs/objects/batch")  # the client tries again by itself
    assert push(client, tiny, "astromer/failing", "--public") == ""
    client(shutil.rmtree, client(cache_of, "astromer/failing"), ignore_errors=True)
    hub.fail("GET", "/api/models/astromer/failing", times=1)
    assert "it fails at the moment (503)" in client(hub_client.load_error, "astromer/failing", token=ADA)
    assert client(hub_client.load_error, "astromer/failing", token=ADA) == ""


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "model.safetensors of astromer/{} was damaged in the download"),
        (lambda content: content[:-7], "should be of size"),
    ],
    ids=["flipped", "cut"],
)
def test_a_damaged_download_is_found_and_can_be_repeated(tiny, client, hub, request, damage, message):
    name = request.node.callspec.id
    assert push(client, tiny, f"astromer/{name}", "--public") == ""
    sha256 = hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    hub.corrupt(sha256, damage)
    try:
        error = client(hub_client.load_error, f"astromer/{name}")
    finally:
        hub.damage.clear()
    assert message.format(name) in error
    assert "\n" not in error
    if found := re.search(r"Delete (\S+) and load it again", error):
        client(Path.unlink, Path(found[1]))
    assert client(hub_client.load_error, f"astromer/{name}") == ""


def test_a_hub_that_is_not_there_or_not_asked_is_one_line(tiny, tmp_path, capsys, monkeypatch):
    script = """
from astromer_hf.cli.main import main
import contextlib, io
answer = []
for arguments in (["push", FOLDER, "astromer/x"], ["check", "astromer/x"]):
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        answer.append([main(arguments), errors.getvalue()])
""".replace("FOLDER", repr(str(tiny)))
    unreachable = run_fresh("http://127.0.0.1:9", tmp_path / "home", script, HF_TOKEN=ADA)
    monkeypatch.setenv("HF_TOKEN", ADA)
    offline = []
    for arguments in (["push", str(tiny), "astromer/x"], ["check", "astromer/x"]):  # this process is offline
        status = main(arguments)
        offline.append([status, capsys.readouterr().err])
    for answers, message in ((unreachable, "it cannot be reached"), (offline, "it is not asked while HF_HUB_OFFLINE is set")):
        for status, errors in answers:
            assert status == 1
            assert message in errors
            assert errors.count("\n") == 1


def test_no_token_goes_where_large_files_lie(pushed_macho, hub):
    assert any(method == "PUT" for method, _, _ in hub.requests)
    assert hub.storage_authorizations == []


# --- The checkpoints of the project ---


def test_a_survey_whose_model_is_not_published_says_how_to_have_it():
    with pytest.raises(FileNotFoundError, match=r"astromer/macho, the model of that survey, is not published yet; .*convert"):
        find_model("macho")


def test_every_official_checkpoint_is_pinned_whole_or_not_at_all():
    for checkpoint in OFFICIAL_CHECKPOINTS.values():
        assert (checkpoint.revision is None) == (checkpoint.sha256 is None)
        assert re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision or "0" * 40)
        assert re.fullmatch(r"[0-9a-f]{64}", checkpoint.sha256 or "0" * 64)


def test_a_published_checkpoint_is_loaded_by_its_survey_and_must_have_its_hash(pushed_macho, client, hub):
    revision = hub.repo("astromer/macho").refs["refs/tags/v1.0"]
    sha256 = hashlib.sha256((pushed_macho / "model.safetensors").read_bytes()).hexdigest()
    assert client(load_published, revision, sha256) == ""
    assert "should have weights of SHA-256 000" in client(load_published, revision, "0" * 64)


def load_published(revision: str, sha256: str) -> str:
    """Load the model of MACHO as if it had been published as given."""
    from dataclasses import replace

    from astromer_hf.hub.load import OFFICIAL_CHECKPOINTS

    before = OFFICIAL_CHECKPOINTS["macho"]
    OFFICIAL_CHECKPOINTS["macho"] = replace(before, revision=revision, sha256=sha256)
    try:
        return hub_client.load_error("macho")
    finally:
        OFFICIAL_CHECKPOINTS["macho"] = before


# --- Loading is strict ---


def edit_weights(edit: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return apply


def pickle_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def shard_outside(folder: Path) -> None:
    """Weights in several files, of which one lies elsewhere."""
    AstromerForMaskedReconstruction.from_pretrained(folder).save_pretrained(folder, max_shard_size="4KB")
    index = folder / "model.safetensors.index.json"
    name = "model-00001-of-"
    shard = next(folder.glob(f"{name}*"))
    shard.rename(folder.parent / shard.name)
    index.write_text(index.read_text().replace(name, f"../{name}"))


def edit_config(**fields: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | fields))

    return apply


UNFIT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (edit_weights(lambda weights: weights.pop("decoder.bias")), "missing: decoder.bias"),
    "unexpected": (edit_weights(lambda weights: weights.update(extra=torch.ones(2))), "unexpected: extra"),
    "misshaped": (
        edit_weights(lambda weights: weights.update({"decoder.bias": torch.ones(2)})),
        r"mismatched: decoder.bias \(2,\)",
    ),
    "not finite": (edit_weights(lambda weights: weights["decoder.bias"].fill_(np.nan)), "not finite: decoder.bias"),
    "a pickle": (pickle_weights, "no model.safetensors but pytorch_model.bin, and only safetensors are loaded"),
    "a shard elsewhere": (shard_outside, r"must name files such as .*, got \.\./model-00001"),
    "an index of nothing": (
        lambda folder: (folder / "model.safetensors.index.json").write_text("{}"),
        "'weight_map'",
    ),
    "code of its own": (
        edit_config(model_type="another", auto_map={"AutoConfig": "evil.Config"}),
        "custom code which must be executed",
    ),
    "no head": (
        edit_weights(lambda weights: [weights.pop(name) for name in list(weights) if name.startswith("decoder")]),
        "it has no weights of decoder, the head of AstromerForMaskedReconstruction",
    ),
    "no architecture": (edit_config(architectures=None), "`architectures` of its config.json must name .*, got None"),
}


@pytest.mark.parametrize(("damage", "message"), UNFIT.values(), ids=UNFIT)
def test_weights_that_are_not_the_checkpoints_own_are_an_error(tiny, damage, message):
    damage(tiny)
    with pytest.raises(ModelError, match=f"{tiny} cannot be loaded as an ASTROMER model: .*{message}"):
        load_model(str(tiny))
    with pytest.raises(ModelError, match="is not ready to be shared"):
        push_checkpoint(tiny, "astromer/unfit")  # offline: it must not come as far as the Hub


def test_a_pickle_on_the_hub_is_refused_with_one_line(tiny, client, tmp_path):
    pickle_weights(tiny)
    client(hub_client.commit, "astromer/pickle", {path.name: path.read_bytes() for path in tiny.iterdir()}, ADA)
    message = client(hub_client.load_error, "astromer/pickle")
    assert "it has no model.safetensors, and only safetensors are loaded, since a pickle can run code" in message
    assert "\n" not in message
    with pytest.raises(OSError, match=r"does not appear to have a file named model\.safetensors"):  # transformers' own words
        client(hub_client.digest_of_weights, "astromer/pickle")


def test_the_head_that_was_saved_is_the_head_that_is_loaded(tiny, tmp_path):
    assert isinstance(load_model(str(tiny))[0], AstromerForMaskedReconstruction)
    classifier = AstromerForSequenceClassification(AstromerConfig(**TINY, num_labels=3, classifier_hidden_sizes=[8]))
    classifier.save_pretrained(tmp_path / "classifier")
    model, feature_extractor = load_model(str(tmp_path / "classifier"))
    assert isinstance(model, AstromerForSequenceClassification)
    assert not model.training
    assert feature_extractor is None


# --- Checks before sharing ---


def add_to(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text((folder / name).read_text() + text) and None


def spoil_test_vector(folder: Path) -> None:
    model, feature_extractor = load_model(str(folder))
    vector = make_test_vector(model, feature_extractor)
    vector["pooler_output"] = vector["pooler_output"] + 0.01
    safetensors.numpy.save_file(vector, folder / TEST_VECTOR_FILE)


def save_vector_without_outputs(folder: Path) -> None:
    safetensors.numpy.save_file({"mjd": np.arange(9.0), "mag": np.ones(9)}, folder / TEST_VECTOR_FILE)


def link_outside(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        outside = (folder / name).rename(folder.parent / f"elsewhere_{name}")
        (folder / name).symlink_to(outside)

    return apply


def show_a_linked_picture(folder: Path) -> None:
    (folder.parent / "secret").write_text("password")
    (folder / "stars.png").symlink_to(folder.parent / "secret")
    add_to("README.md", "\n![stars](stars.png)")(folder)


LEAKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a token in the card": (add_to("README.md", "\nhf_" + "a" * 34), "README.md has a token or key in it$"),
    "a key in the card": (add_to("README.md", "\n-----BEGIN RSA PRIVATE KEY-----"), "README.md has a token or key in it"),
    "a home in the card": (add_to("README.md", "\nfrom /home/ada/runs/x"), "README.md has a home path in it, /home/ada"),
    "a home in the config": (edit_config(trained_on="/Users/ada/x"), "config.json has a home path in it, /Users/ada"),
    "a home in the weights": (
        lambda folder: save_file(
            load_file(folder / "model.safetensors"), folder / "model.safetensors", {"format": "pt", "from": "/home/ada/x"}
        ),
        "model.safetensors has a home path in it, /home/ada",
    ),
    "no card": (lambda folder: (folder / "README.md").unlink(), "there is no card|There is no card"),
    "an unfinished card": (add_to("README.md", "\nMore information needed"), "a placeholder was left in the text"),
    "a password in an address": (add_to("README.md", "\nhttps://ada:pw@host.org/x"), "README.md has a token or key in it"),
    "a key with dashes": (edit_config(key="sk-proj-" + "a-b_" * 8), "config.json has a token or key in it"),
    "a linked configuration": (link_outside("config.json"), "config.json is a link out of the folder, to .*elsewhere_config"),
    "a linked picture": (show_a_linked_picture, "stars.png is a link out of the folder, to .*secret: put the file itself"),
    "another test vector": (spoil_test_vector, r"pooler_output departs by 0\.01, more than 0\.001; .*delete test_vector"),
    "a test vector without outputs": (save_vector_without_outputs, "pooler_output is missing in test_vector"),
    "a test vector that is none": (
        lambda folder: (folder / TEST_VECTOR_FILE).write_bytes(b"none"),
        "test_vector.safetensors cannot be read .*: delete it",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), LEAKS.values(), ids=LEAKS)
def test_what_is_not_ready_is_refused_before_the_hub_is_asked(tiny, spoil, message):
    assert check_checkpoint(str(tiny)).problems == []
    assert check_checkpoint(str(tiny)).notes == ["it has no saved test vector yet; a push adds one"]
    spoil(tiny)
    (problem,) = check_checkpoint(str(tiny)).problems
    assert re.search(message, problem)
    with pytest.raises(ModelError, match="is not ready to be shared"):
        push_checkpoint(tiny, "astromer/leak")


def test_a_test_vector_tells_other_weights_and_other_windows_apart(tiny):
    (tiny / TEST_VECTOR_FILE).write_bytes(bytes(gather_checkpoint(tiny)[TEST_VECTOR_FILE]))
    assert "it computes its saved test vector" in check_checkpoint(str(tiny)).passed
    edit_config(time_encoding_base=1000.0)(tiny)
    assert any("pooler_output departs" in problem for problem in check_checkpoint(str(tiny)).problems)
    save_tiny(tiny)
    AstromerFeatureExtractor(window_size=11).save_pretrained(tiny)
    assert any("is missing" in problem for problem in check_checkpoint(str(tiny)).problems)


def test_private_files_beside_a_checkpoint_are_noted_since_a_push_leaves_them_there(tiny):
    for name in ("training_args.bin", ".env"):
        (tiny / name).write_text("secret")
    report = check_checkpoint(str(tiny))
    assert report.problems == []
    assert report.notes[:2] == ["a push leaves out .env", "a push leaves out training_args.bin"]


def test_shards_that_are_links_or_say_where_they_were_made_or_are_none_are_not_ready(tmp_path):
    table = tmp_path / "simulated.parquet"
    pq.write_table(to_table(simulate_light_curves(30)).drop_columns("period_days"), table)
    prepare_datasets([(table, Survey("simulated"))], tmp_path)
    folder = tmp_path / "simulated"
    shard = next(folder.glob("test-*.parquet"))
    rows = pq.read_table(shard)
    pq.write_table(rows.replace_schema_metadata({"from": "/home/ada/data"}), shard)
    assert check_dataset(folder).problems == [f"nothing private in it: {shard.name} has a home path in it, /home/ada"]
    shard.rename(tmp_path / "elsewhere.parquet")
    pq.write_table(rows, tmp_path / "elsewhere.parquet")
    shard.symlink_to(tmp_path / "elsewhere.parquet")
    assert [problem for problem in check_dataset(folder).problems if "is a link out of the folder" in problem]
    shard.unlink()
    shard.write_bytes(b"no parquet")
    with pytest.raises(ModelError, match=f"A shard of {folder} cannot be read, prepare it again"):
        check_dataset(folder)


def test_a_dataset_with_other_columns_or_without_its_card_is_not_ready(tmp_path):
    table = tmp_path / "simulated.parquet"
    pq.write_table(to_table(simulate_light_curves(30)).drop_columns("period_days"), table)
    prepare_datasets([(table, Survey("simulated"))], tmp_path)
    folder = tmp_path / "simulated"
    assert check_dataset(folder).problems == []
    pq.write_table(pq.read_table(table), next(folder.glob("test-*.parquet")))
    (folder / "README.md").write_text((folder / "README.md").read_text().replace("license: unknown", "license: mine"))
    problems = " ".join(check_dataset(folder).problems)
    assert "test-00000-of-00001.parquet has others" in problems
    assert "`license` must be one of" in problems
    for front in ("configs: 3", "configs: [{data_files: 3}]", "configs: [unclosed"):
        (folder / "README.md").write_text(f"---\n{front}\n---\n")
        assert any("`configs` must list" in one or "cannot be read" in one for one in check_dataset(folder).problems), front
    (folder / "README.md").unlink()
    assert any("There is no card" in problem for problem in check_dataset(folder).problems)


# --- The Hub itself ---


def test_the_client_may_make_list_and_delete_what_it_wants(client, hub):
    sha = client(hub_client.commit, "astromer/plain", {"a/b.txt": b"text", "c.bin": b"large"}, ADA)
    client(hub_client.api, "create_branch", "astromer/plain", branch="b", token=ADA)
    client(hub_client.api, "create_tag", "astromer/plain", tag="t", token=ADA)
    refs = client(hub_client.api, "list_repo_refs", "astromer/plain")
    assert [ref.name for ref in refs.branches] == ["main", "b"]
    assert [ref.name for ref in refs.tags] == ["t"]
    assert sorted(client(hub_client.api, "list_repo_files", "astromer/plain")) == [".gitattributes", "a/b.txt", "c.bin"]
    assert len(client(hub_client.api, "list_repo_commits", "astromer/plain")) == 2
    info = client(hub_client.api, "model_info", "astromer/plain")
    assert (info.sha, info.private) == (sha, False)
    folder, file = client(hub_client.api, "get_paths_info", "astromer/plain", ["a", "a/b.txt", "none"])
    assert (folder.path, file.path, file.size) == ("a", "a/b.txt", 4)
    client(hub_client.api, "delete_file", "a/b.txt", "astromer/plain", token=ADA)
    client(hub_client.api, "delete_branch", "astromer/plain", branch="b", token=ADA)
    client(hub_client.api, "delete_tag", "astromer/plain", tag="t", token=ADA)
    assert hub.list_files("astromer/plain") == [".gitattributes", "c.bin"]
    assert list(hub.repo("astromer/plain").refs) == ["refs/heads/main"]
    client(hub_client.api, "delete_repo", "astromer/plain", token=ADA)
    assert ("models", "astromer/plain") not in hub.repos
