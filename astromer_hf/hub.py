# Copyright 2026 The astromer_hf developers. MIT licence.
"""Checkpoints on the Hub and on disk: find them, load them strictly, check them, share them.

Before this file stand the model's three files, which travel with the weights, and `model_card.py`; after it the command line
and `hub_trainer.py`. Nothing is loaded but safetensors, no weight is ever made up, and nothing is shared that is not on a list.
"""

import fnmatch
import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
import torch
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    StrictDataclassError,
)
from huggingface_hub.utils import httpx, validate_repo_id
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from .configuration_astromer import AstromerConfig
from .dataset_preparation import PREPARATION_FILE
from .feature_extraction_astromer import AstromerFeatureExtractor
from .light_curve_dataset import PREPARED_SCHEMA, SPLITS
from .model_card import CARD_FILE, check_card, check_dataset_card, list_names, load_card, shown_pictures
from .pipelines import TASKS

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"  # of weights in several files
TEST_VECTOR_FILE = "test_vector.safetensors"
CODE_FILES = ("configuration_astromer.py", "feature_extraction_astromer.py", "modeling_astromer.py", "pipelines.py")
# All of a checkpoint that is ever shared or fetched, beside the pictures that its card shows.
CHECKPOINT_FILES = (
    CARD_FILE,
    "config.json",
    "preprocessor_config.json",
    WEIGHTS_FILE,
    "model-*-of-*.safetensors",
    INDEX_FILE,
    TEST_VECTOR_FILE,
    *CODE_FILES,
)
DATASET_FILES = (CARD_FILE, PREPARATION_FILE, *(f"{split}-*.parquet" for split in SPLITS))
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib", "*.npy")
FORBIDDEN_FILES = (".env*", "*.pem", "*.key", "id_rsa*", "id_ed25519*", ".netrc", "token", *PICKLES)
AUTO_MAP = {
    "AutoConfig": "configuration_astromer.AstromerConfig",
    "AutoModel": "modeling_astromer.AstromerModel",
    "AutoModelForPreTraining": "modeling_astromer.AstromerForMaskedReconstruction",
    "AutoModelForSequenceClassification": "modeling_astromer.AstromerForSequenceClassification",
}
PIPELINES_OF = {  # the tasks of a checkpoint with such a head; every one embeds
    "AstromerForMaskedReconstruction": "light-curve-reconstruction",
    "AstromerForSequenceClassification": "light-curve-classification",
}
AUTO_CLASSES = {
    "AstromerModel": AutoModel,
    "AstromerForMaskedReconstruction": AutoModelForPreTraining,
    "AstromerForSequenceClassification": AutoModelForSequenceClassification,
}
_MAX_NEW_PARAMETERS = 2**24  # that a head may have beyond the weights of a checkpoint
TEST_VECTOR_TOLERANCE = 1e-3  # float32 on other hardware; a wrong weight or encoding gives 0.1 and more
_PRIVATE = {
    "a token or key": re.compile(
        rb"\b(?:hf_|api_org_|gh[oprsu]_|sk-)[A-Za-z0-9]{20,}|\b(?:github_pat_|glpat-|sk-ant-|sk-proj-)[\w-]{20,}"
        rb"|\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^\s/:@]+:[^\s/@]+@"
    ),
    "a home path": re.compile(
        rb"/(?:home|Users)/[\w.-]+|[A-Za-z]:\\+Users\\+[\w.-]+|(?<![\w/.-])"
        + re.escape(str(Path.home()).encode())
        + rb"(?=[/\\])"
    ),
}


class HubError(OSError):
    """The Hub cannot be reached, or does not do what was asked; the message says what comes next."""


class ModelError(ValueError):
    """A model or a dataset is not what it should be; the message says in what."""


# --- The checkpoints of this project ---


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A checkpoint published by this project, pinned to one commit and one file of weights.

    Args:
        repo_id (`str`): on the Hub.
        revision (`str`, *optional*): full sha of the commit; None until it is published.
        sha256 (`str`, *optional*): of its `model.safetensors`; None until it is published.
        meanwhile (`str`): how to have the model before that.
    """

    repo_id: str
    revision: str | None = None
    sha256: str | None = None
    meanwhile: str = ""


OFFICIAL_CHECKPOINTS: dict[str, OfficialCheckpoint] = {
    "macho": OfficialCheckpoint(
        "astromer/macho", meanwhile="convert the released weights, `astromer-hf convert macho_a0.zip runs/macho_a0`"
    ),
    "surveys": OfficialCheckpoint("astromer/surveys-small", meanwhile="it comes with the package: name no model"),
}


# --- Finding ---


def find_model(model: str, revision: str | None = None) -> str:
    """The folder of a model: a local one, or the Hub's files in the cache, fetched if need be and compared with their hashes.

    Args:
        model: a folder, an id on the Hub, or the survey of one of `OFFICIAL_CHECKPOINTS`.
        revision: branch, tag, pull request (`refs/pr/1`) or commit of an id on the Hub.

    Raises:
        FileNotFoundError: there is neither.
        ModelError: what was downloaded is damaged.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"The model folder {model} has no config.json; give the folder that it was saved to.")
        return str(folder)
    if folder.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        what = f"{model} is a file" if folder.exists() else f"There is no model folder {model}"
        raise FileNotFoundError(f"{what}; give a folder with config.json and model.safetensors, or a Hub id such as org/name.")
    if (official := OFFICIAL_CHECKPOINTS.get(model)) is not None:
        return _find_official(model, official)
    try:
        with hub_errors(model, revision):
            folder = Path(snapshot_download(model, revision=revision, allow_patterns=list(CHECKPOINT_FILES)))
    except HubError as error:
        raise FileNotFoundError(
            f"There is no model folder {model} and no such model in the Hub cache; and the Hub: {error}"
        ) from error
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"There is no model folder {model}, and {model} on the Hub has no config.json.")
    _verify_download(folder, model)
    return str(folder)


def _find_official(survey: str, official: OfficialCheckpoint) -> str:
    if official.revision is None or official.sha256 is None:
        raise FileNotFoundError(
            f"There is no model folder {survey}, and {official.repo_id}, the model of that survey, is not published yet; "
            f"until it is: {official.meanwhile}."
        )
    folder = find_model(official.repo_id, official.revision)
    if (found := _sha256(Path(folder, WEIGHTS_FILE))) != official.sha256:
        raise ModelError(
            f"{official.repo_id} at {official.revision} should have weights of SHA-256 {official.sha256}, got {found}: do not "
            "use them, and tell the developers of astromer-hf."
        )
    return folder


def _verify_download(folder: Path, model: str) -> None:
    """Compare the large files in the Hub's cache with their names, which are their hashes; the client compares sizes alone."""
    for file in folder.glob("*.safetensors"):
        blob = file.resolve()
        if file.is_symlink() and re.fullmatch("[0-9a-f]{64}", blob.name) and (found := _sha256(blob)) != blob.name:
            raise ModelError(
                f"{file.name} of {model} was damaged in the download: SHA-256 {blob.name[:12]}... expected, {found[:12]}... "
                f"came. Delete {blob} and load it again."
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def hub_errors(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Turn what the Hub's client raises into one [`HubError`] that says what to do."""
    try:
        yield
    except HubError:
        raise
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, LocalTokenNotFoundError, OSError, RuntimeError) as error:
        raise HubError(_explain(error, repo_id, revision)) from error


def _explain(error: BaseException, repo_id: str, revision: str | None) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (HfHubHTTPError, OfflineModeIsEnabled, httpx.HTTPError)):
        cause = cause.__cause__  # the client wraps what happened while it uploads, or looks into its cache
    cause = cause or error
    response = getattr(cause, "response", None)
    status = getattr(response, "status_code", None)
    refused = response is not None and "Invalid credentials" in response.headers.get("X-Error-Message", "")
    if isinstance(cause, LocalTokenNotFoundError):
        return "this needs a token: `hf auth login` with one that may write, or set HF_TOKEN."
    if isinstance(cause, HFValidationError):
        return f"{repo_id!r} is no id such as organisation/name."
    if refused or (status == 401 and not isinstance(cause, RepositoryNotFoundError)):
        return "it refuses your token: `hf auth login` with a valid one, or set HF_TOKEN."
    if isinstance(cause, RevisionNotFoundError):
        return f"{repo_id} has no branch, tag or commit {revision or 'main'}."
    if isinstance(cause, RepositoryNotFoundError):
        return f"there is no {repo_id} that you may see; for a private one, `hf auth login` or set HF_TOKEN."
    if isinstance(cause, OfflineModeIsEnabled):
        return "it is not asked while HF_HUB_OFFLINE is set."
    if status == 403:
        return f"your token has no right to write to {repo_id}: use one that has."
    if status == 412:
        return f"{repo_id} has changed since this push began: look at its newest commit, then push again."
    if status == 409:
        return f"{repo_id} has that branch or tag already: name another one."
    if status is not None and status >= 500:
        return f"it fails at the moment ({status}): try again later."
    if isinstance(cause, (httpx.HTTPError, LocalEntryNotFoundError)):
        return f"it cannot be reached ({' '.join(str(cause).split())})."
    return " ".join(str(error).split())


# --- Loading ---


def load_model(
    model: str,
    auto_class: Any = None,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> tuple[PreTrainedModel, AstromerFeatureExtractor | None]:
    """A model and its feature extractor, of which every weight is the checkpoint's own.

    Args:
        model, revision: see `find_model`.
        auto_class: one of transformers' Auto classes; the one that the checkpoint was saved from when absent.
        device: `"cpu"`, `"cuda:1"` ...; `"auto"` takes a GPU if there is one.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`.

    Returns:
        The model in evaluation mode, and its feature extractor, None where the checkpoint has none.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: it is no ASTROMER model or a damaged one, its weights are a pickle, or do not fit (missing, unexpected,
            misshapen or not finite), or there is no such device.
    """
    folder = Path(find_model(model, revision))
    try:
        loaded, feature_extractor = _load_folder(folder, auto_class, dtype)
    except (OSError, TypeError, LookupError, ValueError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        message = " ".join(str(error).replace(str(folder), model).split())
        raise ModelError(f"{model} cannot be loaded as an ASTROMER model: {message}") from error
    loaded.name_or_path = model
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return loaded.to(device), feature_extractor  # type: ignore[arg-type]
    except (RuntimeError, AssertionError) as error:  # what torch raises for a device that is not there
        raise ValueError(f"The device {device!r} cannot be used: {str(error).splitlines()[0]}") from error


def load_encoder(model: str, revision: str | None, device: str, dtype: str) -> tuple[Any, Any]:
    """The encoder of a checkpoint and its feature extractor; see `load_model`."""
    return load_model(model, AutoModel, revision=revision, device=device, dtype=dtype)


def _load_folder(folder: Path, auto_class: Any, dtype: str) -> tuple[PreTrainedModel, AstromerFeatureExtractor | None]:
    # Code in a checkpoint is not run: the package's own classes do it all, and nobody is to be asked whether to trust it.
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if config.model_type != "astromer":
        raise ValueError(f"its config.json describes a model of type {config.model_type!r}.")
    if not any((folder / name).is_file() for name in (WEIGHTS_FILE, INDEX_FILE)):
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        raise ValueError(
            f"it has no {WEIGHTS_FILE}{f' but {pickles[0]}' if pickles else ''}, and only safetensors are loaded, since a "
            "pickle can run code: save the model again with `save_pretrained`."
        )
    if (index := folder / INDEX_FILE).is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if others := [name for name in sorted(shards) if not re.fullmatch(r"model-\d+-of-\d+\.safetensors", name)]:
            raise ValueError(f"its {INDEX_FILE} must name files such as model-00001-of-00002.safetensors, got {others[0]}.")
    if auto_class is None:
        architecture = next(iter(config.architectures or []), None)
        if architecture not in AUTO_CLASSES:
            raise ValueError(f"`architectures` of its config.json must name {' or '.join(AUTO_CLASSES)}, got {architecture}.")
        auto_class = AUTO_CLASSES[architecture]
    _check_size(folder, config, auto_class)
    model, loading = auto_class.from_pretrained(
        folder,
        config=config,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if names := sorted(loading["missing_keys"]):  # of a head, which `from_pretrained` makes anew
        raise ValueError(f"it has no weights of {names[0].split('.')[0]}, the head of {type(model).__name__}.")
    feature_extractor = None  # whoever embeds makes one of the model's window size
    if (folder / "preprocessor_config.json").is_file():
        feature_extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)
        if not isinstance(feature_extractor, AstromerFeatureExtractor):
            raise ValueError(f"its preprocessor_config.json describes a {type(feature_extractor).__name__}.")
    return model.eval(), feature_extractor


def _check_size(folder: Path, config: AstromerConfig, auto_class: Any) -> None:
    """Refuse a config that describes a far larger model than the weights hold, before memory is spent on it.

    Smaller differences are left to `from_pretrained`, which names the weights.

    Raises:
        ValueError: says how many parameters the two have.
    """
    held = num_tensors = 0
    for file in sorted(folder.glob("model*.safetensors")):
        with safe_open(file, framework="np") as weights:
            shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 (it is no mapping)
        held += sum(math.prod(shape) for shape in shapes)
        num_tensors += len(shapes)
    described = f"{config.num_hidden_layers} layers"
    if is_plausible := config.num_hidden_layers <= 2 * num_tensors + 8:
        with torch.device("meta"):
            model = auto_class.from_config(config)
        needed = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
        described, is_plausible = f"{needed:,} parameters", needed <= 2 * held + _MAX_NEW_PARAMETERS
    if not is_plausible:
        raise ValueError(
            f"its config.json describes a model of {described}, and its weights are {held:,} numbers in {num_tensors} tensors: "
            "it is damaged, or another model's. Download it again."
        )


# --- Test vectors ---


def make_test_vector(model: PreTrainedModel, feature_extractor: AstromerFeatureExtractor) -> dict[str, np.ndarray]:
    """A light curve and what a model makes of it, so that whoever downloads the model can tell that theirs does the same.

    Returns:
        `mjd` and `mag` (float64) of a curve of one window and a quarter; the windows' `magnitudes` and `times`; `pooler_output`
        and the head's `reconstruction` or `logits`, float32.
    """
    size = feature_extractor.window_size
    rng = np.random.default_rng(0)
    mjd = 50_000 + np.sort(rng.uniform(0, 3 * size, size + size // 4 + 1))
    mag = 15 + 0.3 * np.sin(2 * np.pi * mjd / 5.366) + 0.02 * rng.standard_normal(len(mjd))
    return {"mjd": mjd, "mag": mag, **_run_test_vector(model, feature_extractor, mjd, mag)}


@torch.inference_mode()
def _run_test_vector(model: PreTrainedModel, extractor: AstromerFeatureExtractor, mjd: Any, mag: Any) -> dict[str, np.ndarray]:
    windows = extractor(mjd, mag, return_tensors="pt")
    model = model.eval()
    inputs = dict(windows)
    if getattr(model, "classifier", None) is not None and model.config.band_combination == "concat":
        # Every band has a window, the next one another.
        shifts = range(len(model.config.bands or []))
        inputs = {name: torch.stack([tensor.roll(shift, 0) for shift in shifts], 1) for name, tensor in windows.items()}
    outputs = dict(model(**inputs)) | {"pooler_output": model.base_model(**windows).pooler_output}
    kept = [name for name in ("pooler_output", "reconstruction", "logits") if outputs.get(name) is not None]
    tensors = {name: windows[name] for name in ("magnitudes", "times")} | {name: outputs[name] for name in kept}
    return {name: tensor.float().cpu().numpy() for name, tensor in tensors.items()}


def check_test_vector(
    model: PreTrainedModel, feature_extractor: AstromerFeatureExtractor, saved: Mapping[str, np.ndarray]
) -> list[str]:
    """Where a model departs from its saved test vector; empty when nowhere."""
    if missing := {"mjd", "mag", "pooler_output"} - saved.keys():
        return [f"{', '.join(sorted(missing))} is missing in {TEST_VECTOR_FILE}: delete it, and a push makes another"]
    found = _run_test_vector(model, feature_extractor, saved["mjd"], saved["mag"])
    problems = []
    for name, expected in saved.items():
        if name in ("mjd", "mag"):
            continue
        if name not in found or found[name].shape != expected.shape:
            problems.append(f"{name} of shape {expected.shape} is missing")
        elif not (departure := float(np.abs(found[name] - expected).max())) <= TEST_VECTOR_TOLERANCE:
            problems.append(
                f"{name} departs by {departure:.2g}, more than {TEST_VECTOR_TOLERANCE:g}; of a model that was trained since, "
                f"delete {TEST_VECTOR_FILE}"
            )
    return problems


def _check_saved_vector(model: PreTrainedModel, extractor: AstromerFeatureExtractor | None, file: Path) -> list[str]:
    try:
        saved = safetensors.numpy.load_file(file)
    except SafetensorError as error:
        return [f"{file.name} cannot be read ({error}): delete it, and a push makes another"]
    return check_test_vector(model, extractor or _default_extractor(model), saved)


def _default_extractor(model: PreTrainedModel) -> AstromerFeatureExtractor:
    return AstromerFeatureExtractor(window_size=model.config.window_size)


# --- Checking ---


@dataclass
class CheckReport:
    """What was looked at: lines of what holds, of what does not, and of what could not be looked at."""

    passed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, problems: Sequence[str]) -> None:
        """Count a check that found `problems`, or none."""
        if problems:
            self.problems += [f"{what}: {problem}" for problem in problems]
        else:
            self.passed.append(what)


def check_checkpoint(model: str, revision: str | None = None) -> CheckReport:
    """Look at a checkpoint as whoever downloads it will: it loads, computes what it did, has a finished card and leaks nothing.

    What is looked into is what a push shares. Of other files, an id on the Hub must not have forbidden ones; those in a folder
    are noted, as a push leaves them there.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    report = CheckReport()
    folder = Path(find_model(model, revision))
    is_local = Path(model).expanduser().is_dir()
    listed = list_names(folder) if is_local else _list_repo(model, revision)
    forbidden = [name for name in listed if any(fnmatch.fnmatch(Path(name).name, pattern) for pattern in FORBIDDEN_FILES)]
    if is_local:
        report.notes += [f"a push leaves out {name}" for name in sorted(forbidden)]
    else:
        report.add("no forbidden file", [f"{name} must not be in a shared checkpoint" for name in forbidden])
        report.notes += [
            f"its {name} is not this package's: read it before you load the model with trust_remote_code=True"
            for name in CODE_FILES
            if name in listed and (folder / name).read_bytes() != _packaged_code(name).read_bytes()
        ]
    loaded = feature_extractor = None
    try:
        loaded, feature_extractor = load_model(str(folder))
        report.add(f"it loads, {loaded.num_parameters():,} parameters", [])
    except ValueError as error:
        report.add("it loads", [str(error).replace(str(folder), model)])
    card_problems, pictures = _check_card_of(folder, listed)
    report.add("the card is finished", card_problems)
    if not (folder / TEST_VECTOR_FILE).is_file():
        report.notes.append("it has no saved test vector yet; a push adds one")
    elif loaded is not None:
        problems = _check_saved_vector(loaded, feature_extractor, folder / TEST_VECTOR_FILE)
        report.add("it computes its saved test vector", problems)
    files = _listed_files(folder, (*CHECKPOINT_FILES, *pictures))
    report.add("nothing private in it", _find_private(files) + (_find_links(files) if is_local else []))
    return report


def _list_repo(model: str, revision: str | None) -> list[str]:
    """Every file of a model on the Hub."""
    official = OFFICIAL_CHECKPOINTS.get(model)
    repo_id, revision = (model, revision) if official is None else (official.repo_id, official.revision)
    with hub_errors(repo_id, revision):
        return HfApi().list_repo_files(repo_id, revision=revision)


def check_dataset(folder: Path) -> CheckReport:
    """Look at a prepared dataset before it is shared: card, columns of every shard, nothing private."""
    report = CheckReport()
    shards = [path for split in SPLITS for path in sorted(folder.glob(f"{split}-*.parquet"))]
    try:
        wrong = [path.name for path in shards if not pq.read_schema(path).equals(PREPARED_SCHEMA)]
    except pa.ArrowInvalid as error:
        raise ModelError(f"A shard of {folder} cannot be read, prepare it again: {' '.join(str(error).split())}") from error
    report.add(f"{len(shards)} shards have the columns of a prepared dataset", [f"{name} has others" for name in wrong])
    report.add("the card is finished", check_dataset_card(folder / CARD_FILE))
    files = _listed_files(folder, DATASET_FILES)
    report.add("nothing private in it", _find_private(files) + _find_links(files))
    return report


def _check_card_of(folder: Path, beside: Collection[str]) -> tuple[list[str], list[str]]:
    """What the card in a folder lacks, with the files of these names beside it, and the pictures that it shows."""
    try:
        card = load_card(folder / CARD_FILE)
        return check_card(card, AstromerConfig.from_pretrained(folder), beside), shown_pictures(card.text)
    except (ValueError, OSError, StrictDataclassError) as error:
        return [" ".join(str(error).split())], []


def _listed_files(folder: Path, patterns: Sequence[str]) -> dict[str, Path]:
    """The files directly in a folder that match."""
    return {path.name: path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file()}


def _find_links(files: Mapping[str, Path]) -> list[str]:
    """Links out of the folder: what they point to was not put there to be shared."""
    return [
        f"{name} is a link out of the folder, to {file.resolve()}: put the file itself there"
        for name, file in files.items()
        if file.resolve().parent != file.parent.resolve()
    ]


def _find_private(files: Mapping[str, Path | bytes]) -> list[str]:
    """Where files hold a token, a key or the path of a home."""
    problems = []
    for name, source in files.items():
        content = _read_text(name, source)
        for what, pattern in _PRIVATE.items():
            if found := pattern.search(content):
                shown = "" if what == "a token or key" else f", {found[0].decode(errors='replace')}"
                problems.append(f"{name} has {what} in it{shown}")
    return problems


def _read_text(name: str, source: Path | bytes) -> bytes:
    """A file's bytes; of tables and tensors, not the numbers but what is written about them."""
    if isinstance(source, Path) and name.endswith(".parquet"):
        return repr(pq.read_metadata(source).metadata).encode()
    content = source if isinstance(source, bytes) else source.read_bytes()
    return content[8 : 8 + int.from_bytes(content[:8], "little")] if name.endswith(".safetensors") else content


# --- Sharing ---


@dataclass(frozen=True)
class Pushed:
    """Where something went: the commit, and the address of the pull request if it became one."""

    commit: CommitInfo
    repo_id: str
    files: tuple[str, ...]
    private: bool
    pull_request: str | None = None


def push_checkpoint(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    tag: str | None = None,
    parent: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Share a checkpoint: weights, configuration, feature extractor, card, code and test vector, and nothing else.

    The code files let people without the package load it with `trust_remote_code=True`. In a repository of somebody else a
    pull request is opened.

    Args:
        folder: with `config.json`, `model.safetensors` and a finished `README.md`.
        repo_id: `organisation/name`.
        private: whether a repository that does not exist yet becomes a private one.
        revision: branch to push to, made if need be; `main` when absent.
        tag: of the new commit, such as `v1.0`.
        parent: commit that the push must build on, the newest when absent; if there are others since, nothing is pushed.
        message: of the commit.
        token: of the Hub; the one of `hf auth login` or `HF_TOKEN` when absent.

    Raises:
        ModelError: `check_checkpoint` found something; nothing was sent.
        HubError: the Hub refused; nothing was committed, unless the message has the commit that was then not tagged.
    """
    folder = Path(folder)
    report = check_checkpoint(str(folder))
    _raise_problems(folder, report)
    files = gather_checkpoint(folder)
    _raise_problems(folder, CheckReport(problems=_find_private(files)))
    return _push(
        files, repo_id, "model", private=private, revision=revision, tag=tag, parent=parent, message=message, token=token
    )


def push_dataset(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    tag: str | None = None,
    parent: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Share a folder of `scripts/prepare_dataset.py`: shards, card and the record of its making; see `push_checkpoint`."""
    folder = Path(folder)
    _raise_problems(folder, check_dataset(folder))
    files = _listed_files(folder, DATASET_FILES)
    return _push(
        files,
        repo_id,
        "dataset",
        private=private,
        revision=revision,
        tag=tag,
        parent=parent,
        message=message,
        token=token,
    )


def is_prepared_dataset(folder: str | Path) -> bool:
    """Whether a folder is one of `scripts/prepare_dataset.py`."""
    return Path(folder, PREPARATION_FILE).is_file()


def gather_checkpoint(folder: Path) -> dict[str, Path | bytes]:
    """What a push of a checkpoint shares, by name: files of the list, and from the package the code and what points to it."""
    pictures = shown_pictures(load_card(folder / CARD_FILE).text)
    files: dict[str, Path | bytes] = {**_listed_files(folder, (*CHECKPOINT_FILES, *pictures))}
    model, feature_extractor = load_model(str(folder))
    extractor = feature_extractor or _default_extractor(model)
    # Written here rather than by `register_for_auto_class`, which names one class, and has all later checkpoints copy code.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"auto_map": AUTO_MAP, "custom_pipelines": _list_pipelines(type(model).__name__)}
    preprocessor = extractor.to_dict() | {
        "auto_map": {"AutoFeatureExtractor": "feature_extraction_astromer.AstromerFeatureExtractor"}
    }
    files["config.json"] = _as_json(config)
    files["preprocessor_config.json"] = _as_json(preprocessor)
    files |= {name: _packaged_code(name) for name in CODE_FILES}
    if TEST_VECTOR_FILE not in files:
        files[TEST_VECTOR_FILE] = safetensors.numpy.save(make_test_vector(model, extractor))
    return files


def _list_pipelines(architecture: str) -> dict[str, dict[str, Any]]:
    """The pipelines of a checkpoint, as transformers looks for them in its config: the class in the code beside the weights."""
    tasks = ["light-curve-embedding", *([PIPELINES_OF[architecture]] if architecture in PIPELINES_OF else [])]
    return {
        task: {"impl": f"pipelines.{TASKS[task][0].__name__}", "pt": [TASKS[task][1].__name__], "type": "multimodal"}
        for task in tasks
    }


def _packaged_code(name: str) -> Path:
    return Path(__file__).with_name(name)


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _raise_problems(folder: Path, report: CheckReport) -> None:
    if report.problems:
        raise ModelError(f"{folder} is not ready to be shared: {'; '.join(report.problems)}")


def _push(
    files: Mapping[str, Path | bytes],
    repo_id: str,
    kind: str,
    *,
    private: bool,
    revision: str | None,
    tag: str | None,
    parent: str | None,
    message: str | None,
    token: str | None,
) -> Pushed:
    """Commit files on top of what the repository has now; a change by somebody else meanwhile is an error, not overwritten."""
    api = HfApi(token=token, library_name="astromer-hf")
    operations = [CommitOperationAdd(name, source) for name, source in sorted(files.items())]
    commit = None
    try:
        with hub_errors(repo_id, revision):
            validate_repo_id(repo_id)
            if "/" not in repo_id:
                raise HFValidationError(repo_id)
            is_ours = _may_write(api.whoami(), repo_id)
            if is_ours:
                api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True)
            elif tag is not None:
                raise HubError(f"{repo_id} is somebody else's: a pull request cannot be tagged, push without a tag.")
            if tag is not None and tag in {ref.name for ref in api.list_repo_refs(repo_id, repo_type=kind).tags}:
                raise HubError(f"{repo_id} has a tag {tag} already: name another one.")
            if is_ours and revision is not None:
                api.create_branch(repo_id, branch=revision, repo_type=kind, exist_ok=True)
            info = api.repo_info(repo_id, repo_type=kind, revision=revision)
            commit = api.create_commit(
                repo_id,
                operations,
                commit_message=message or f"Upload {repo_id.split('/')[-1]}",
                repo_type=kind,
                revision=revision,
                parent_commit=parent or info.sha,
                create_pr=not is_ours,
            )
            if tag is not None:
                api.create_tag(repo_id, tag=tag, revision=commit.oid, repo_type=kind)
    except HubError as error:
        what = repo_id if commit is None else f"the tag {tag} of the commit {commit.oid} that it has now"
        raise HubError(f"The Hub did not take {what}: {error}") from error.__cause__
    return Pushed(commit, repo_id, tuple(sorted(files)), bool(info.private), commit.pr_url)


def _may_write(who: Mapping[str, Any], repo_id: str) -> bool:
    """Whether a repository is the user's own or of an organisation that they may write to.

    Raises:
        HubError: the token only reads.
    """
    if who.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError("your token only reads: `hf auth login` with one that may write, or set HF_TOKEN.")
    writers = {one["name"] for one in who.get("orgs", []) if one.get("roleInOrg", "write") in ("admin", "write", "contributor")}
    return repo_id.split("/")[0] in {who["name"], *writers}
