# Copyright 2026 The astromer_hf developers. MIT licence.
"""Checkpoints on the Hub and on disk: find them, and load them strictly.

Only safetensors are loaded, no weight is initialised at random, and only listed files are downloaded. `check.py` and `push.py`
build on it.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
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
from huggingface_hub.utils import httpx
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from .. import model as model_room
from ..model import OWN_CLASSIFIER, OWN_MODEL, own_folder
from ..model.configuration_astromer import AstromerConfig
from ..model.feature_extraction_astromer import AstromerFeatureExtractor
from .model_card import CARD_FILE

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"  # of weights in several files
WEIGHT_FILES = (WEIGHTS_FILE, "model-*-of-*.safetensors", INDEX_FILE)
TEST_VECTOR_FILE = "test_vector.safetensors"
MODEL_FOLDER = Path(model_room.__file__).parent
# The files of `model/`, flat beside the weights: with them a checkpoint loads without the package.
CODE_FILES = tuple(sorted(file.name for file in MODEL_FOLDER.glob("*.py") if file.name != "__init__.py"))
# The only files of a checkpoint that are shared or downloaded, besides the pictures of its card.
CHECKPOINT_FILES = (
    CARD_FILE,
    "config.json",
    "preprocessor_config.json",
    *WEIGHT_FILES,
    TEST_VECTOR_FILE,
    *CODE_FILES,
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib", "*.npy")
AUTO_CLASSES = {
    "AstromerModel": AutoModel,
    "AstromerForMaskedReconstruction": AutoModelForPreTraining,
    "AstromerForSequenceClassification": AutoModelForSequenceClassification,
}
_MAX_NEW_PARAMETERS = 2**24  # that a new head may have in addition to a checkpoint's weights


class HubError(OSError):
    """The Hub cannot be reached, or a request failed; the message names the next step."""


class ModelError(ValueError):
    """A model or a dataset is damaged or incomplete; the message says how."""


# --- The checkpoints of this project ---


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A checkpoint published by this project, pinned to one commit and one file of weights.

    Args:
        repo_id (`str`): on the Hub.
        revision (`str`, *optional*): full sha of the commit; None until it is published.
        sha256 (`str`, *optional*): of its `model.safetensors`; None until it is published.
        meanwhile (`str`): how to get the model before it is published.
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

DEFAULT_MODEL, DEFAULT_CLASSIFIER = OWN_MODEL, OWN_CLASSIFIER


def default_model_folder() -> Path:
    """The pre-trained model that comes with the package: inside it if installed from a wheel, beside it in a source checkout.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    return _own_folder(DEFAULT_MODEL)


def default_classifier_folder() -> Path:
    """The classifier of variable stars that comes with the package, see `default_model_folder`.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    return _own_folder(DEFAULT_CLASSIFIER)


def _own_folder(name: str) -> Path:
    folder = own_folder(name)
    if (folder / "model.safetensors").is_file():
        return folder
    raise FileNotFoundError(
        f"The default model {name} does not come with this installation (expected in "
        f"{' or '.join(map(str, model_room.MODEL_FOLDERS))}); name another model, --model on the command line."
    )


def find_model(model: str, revision: str | None = None) -> str:
    """The folder of a model: a local one, or the Hub's files in the cache, downloaded if needed and compared with their hashes.

    Args:
        model: a folder, an id on the Hub, or the survey of one of `OFFICIAL_CHECKPOINTS`.
        revision: branch, tag, pull request (`refs/pr/1`) or commit of an id on the Hub.

    Raises:
        FileNotFoundError: there is no such folder or id.
        ModelError: the download is damaged.
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


def id_on_the_hub(model: str) -> str | None:
    """The id of a model that `find_model` finds: its own, or for a folder the one that its card names; else None."""
    if (official := OFFICIAL_CHECKPOINTS.get(model)) is not None:
        return official.repo_id
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    if folder.resolve() in [(parent / DEFAULT_MODEL).resolve() for parent in model_room.MODEL_FOLDERS]:
        return OFFICIAL_CHECKPOINTS["surveys"].repo_id
    card = folder / CARD_FILE
    named = re.search(r'^name = "([^"/]+/[^"/]+)"$', card.read_text(encoding="utf-8"), re.M) if card.is_file() else None
    return named[1] if named else None


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
    """Compare the large files in the Hub's cache with the SHA-256 that the Hub states; the client only compares sizes.

    A file of a snapshot is a link to a blob, and the name of the blob is that SHA-256. The blob may itself be a link, into the
    store of Xet that repositories share, where names are other hashes: so the name is read off the first link. Where the
    cache has no links, `from_pretrained` still compares the checksum inside the file.
    """
    for file in folder.glob("*.safetensors"):
        expected = Path(os.readlink(file)).name if file.is_symlink() else ""
        if re.fullmatch("[0-9a-f]{64}", expected) and (found := _sha256(file)) != expected:
            raise ModelError(
                f"{file.name} of {model} was damaged in the download: SHA-256 {expected[:12]}... expected, {found[:12]}... "
                f"came. Delete {file.resolve()} and load it again."
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def hub_errors(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Convert the exceptions of the Hub's client into one [`HubError`] with the next step."""
    try:
        yield
    except HubError:
        raise
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, LocalTokenNotFoundError, OSError, RuntimeError) as error:
        raise HubError(_explain(error, repo_id, revision)) from error


def _explain(error: BaseException, repo_id: str, revision: str | None) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (HfHubHTTPError, OfflineModeIsEnabled, httpx.HTTPError)):
        cause = cause.__cause__  # the client wraps errors of uploads and of its cache
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
    """A model and its feature extractor; every weight comes from the checkpoint.

    Args:
        model, revision: see `find_model`.
        auto_class: one of transformers' Auto classes; the one that the checkpoint was saved from when absent.
        device: `"cpu"`, `"cuda:1"` ...; `"auto"` uses a GPU if there is one.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`; `"auto"` takes bfloat16 where the device is faster in it and the
            embeddings of this model stay within 1 % of their length, see `precision.py`.

    Returns:
        The model in evaluation mode, and its feature extractor, None if the checkpoint has none.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: it is not an ASTROMER model, it is damaged, its weights are a pickle or do not fit (missing, unexpected,
            mismatched or not finite), or there is no such device.
    """
    folder = Path(find_model(model, revision))
    try:
        loaded, feature_extractor = _load_folder(folder, auto_class, "float32" if dtype == "auto" else dtype)
    except (OSError, TypeError, LookupError, ValueError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        message = " ".join(str(error).replace(str(folder), model).split())
        raise ModelError(f"{model} cannot be loaded as an ASTROMER model: {message}") from error
    loaded.name_or_path = model
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        loaded = loaded.to(device)  # type: ignore[arg-type]
    except (RuntimeError, AssertionError) as error:  # what torch raises for a device that is not there
        raise ValueError(f"The device {device!r} cannot be used: {str(error).splitlines()[0]}") from error
    if dtype == "auto":
        from .precision import fastest_precision  # loading a model otherwise runs none

        loaded = loaded.to(fastest_precision(loaded, feature_extractor))
    return loaded, feature_extractor


def load_encoder(model: str, revision: str | None, device: str, dtype: str) -> tuple[Any, Any]:
    """The encoder of a checkpoint and its feature extractor; see `load_model`."""
    return load_model(model, AutoModel, revision=revision, device=device, dtype=dtype)


def _load_folder(folder: Path, auto_class: Any, dtype: str) -> tuple[PreTrainedModel, AstromerFeatureExtractor | None]:
    # Code in a checkpoint is not run, and the user is not asked to trust it: the package has all classes.
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
    if names := sorted(loading["missing_keys"]):  # of a head, which `from_pretrained` initialises
        raise ValueError(f"it has no weights of {names[0].split('.')[0]}, the head of {type(model).__name__}.")
    feature_extractor = None  # functions that embed make one with the model's window size
    if (folder / "preprocessor_config.json").is_file():
        feature_extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)
        if not isinstance(feature_extractor, AstromerFeatureExtractor):
            raise ValueError(f"its preprocessor_config.json describes a {type(feature_extractor).__name__}.")
    return model.eval(), feature_extractor


def _check_size(folder: Path, config: AstromerConfig, auto_class: Any) -> None:
    """Reject a config that describes a far larger model than the weights hold, before memory is allocated.

    `from_pretrained` finds smaller differences, and names the weights.

    Raises:
        ValueError: states the number of parameters of both.
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
