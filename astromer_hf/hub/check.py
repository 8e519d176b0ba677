# Copyright 2026 The astromer_hf developers. MIT licence.
"""Check a checkpoint or a dataset before it is shared or used: it loads, reproduces its test vector, and holds nothing private.

`push.py` shares nothing that fails these checks; `astromer-hf check` runs them.
"""

import fnmatch
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedModel

from ..light_curves.columns import PREPARED_SCHEMA
from ..light_curves.preparation import PREPARATION_FILE
from ..light_curves.splits import SPLITS
from ..model.configuration_astromer import AstromerConfig
from ..model.feature_extraction_astromer import AstromerFeatureExtractor
from .load import (
    CHECKPOINT_FILES,
    CODE_FILES,
    INDEX_FILE,
    MODEL_FOLDER,
    OFFICIAL_CHECKPOINTS,
    PICKLES,
    TEST_VECTOR_FILE,
    WEIGHT_FILES,
    WEIGHTS_FILE,
    ModelError,
    find_model,
    hub_errors,
    load_model,
)
from .model_card import CARD_FILE, check_card, check_dataset_card, list_names, load_card, shown_pictures
from .secrets import find_private

DATASET_FILES = (CARD_FILE, PREPARATION_FILE, *(f"{split}-*.parquet" for split in SPLITS))
FORBIDDEN_FILES = (".env*", "*.pem", "*.key", "id_rsa*", "id_ed25519*", ".netrc", "token", *PICKLES)
TEST_VECTOR_TOLERANCE = 1e-3  # float32 on other hardware; a wrong weight or encoding gives 0.1 or more


def make_test_vector(model: PreTrainedModel, feature_extractor: AstromerFeatureExtractor) -> dict[str, np.ndarray]:
    """A light curve and the model's outputs for it, with which a download can be checked.

    Returns:
        `mjd` and `mag` (float64) of a curve of one window and a quarter, and `magerr` if the model sees photometric errors;
        the windows' `magnitudes` and `times`; `pooler_output` and the head's `reconstruction` or `logits`, float32.
    """
    size = feature_extractor.window_size
    rng = np.random.default_rng(0)
    mjd = 50_000 + np.sort(rng.uniform(0, 3 * size, size + size // 4 + 1))
    mag = 15 + 0.3 * np.sin(2 * np.pi * mjd / 5.366) + 0.02 * rng.standard_normal(len(mjd))
    curve = {"mjd": mjd, "mag": mag}
    if model.config.use_magnitude_errors:
        curve["magerr"] = rng.uniform(0.01, 0.05, len(mjd))
    return {**curve, **_run_test_vector(model, feature_extractor, curve)}


@torch.inference_mode()
def _run_test_vector(
    model: PreTrainedModel, extractor: AstromerFeatureExtractor, curve: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    windows = extractor(curve["mjd"], curve["mag"], curve.get("magerr"), return_tensors="pt")
    model = model.eval()
    inputs = dict(windows)
    if getattr(model, "classifier", None) is not None and model.config.band_combination == "concat":
        # Every band gets a window, each one another.
        shifts = range(len(model.config.bands or []))
        inputs = {name: torch.stack([tensor.roll(shift, 0) for shift in shifts], 1) for name, tensor in windows.items()}
    outputs = dict(model(**inputs)) | {"pooler_output": model.base_model(**windows).pooler_output}
    kept = [name for name in ("pooler_output", "reconstruction", "logits") if outputs.get(name) is not None]
    tensors = {name: windows[name] for name in ("magnitudes", "times")} | {name: outputs[name] for name in kept}
    return {name: tensor.float().cpu().numpy() for name, tensor in tensors.items()}


def check_test_vector(
    model: PreTrainedModel, feature_extractor: AstromerFeatureExtractor, saved: Mapping[str, np.ndarray]
) -> list[str]:
    """Differences between a model's outputs and its saved test vector; empty if there are none."""
    if missing := {"mjd", "mag", "pooler_output"} - saved.keys():
        return [f"{', '.join(sorted(missing))} is missing in {TEST_VECTOR_FILE}: delete it, and a push makes another"]
    curve = {name: saved[name] for name in ("mjd", "mag", "magerr") if name in saved}
    found = _run_test_vector(model, feature_extractor, curve)
    problems = []
    for name, expected in saved.items():
        if name in curve:
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
    return check_test_vector(model, extractor or default_extractor(model), saved)


def default_extractor(model: PreTrainedModel) -> AstromerFeatureExtractor:
    """A feature extractor with the model's window size, for checkpoints without one."""
    return AstromerFeatureExtractor(window_size=model.config.window_size)


@dataclass
class CheckReport:
    """The result of a check: what passed, what failed, and what could not be checked."""

    passed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, problems: Sequence[str]) -> None:
        """Record a check with its `problems`; without problems it has passed."""
        if problems:
            self.problems += [f"{what}: {problem}" for problem in problems]
        else:
            self.passed.append(what)


def check_checkpoint(model: str, revision: str | None = None) -> CheckReport:
    """Check a checkpoint as a user would download it: it loads, reproduces its test vector, has a finished card, leaks nothing.

    The checks cover the files that a push shares. Forbidden files are an error in a repository on the Hub. In a local folder
    they are only noted, because a push leaves them out.

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
            for name in listed
            if name.endswith(".py")
            and (name not in CODE_FILES or (folder / name).read_bytes() != packaged_code(name).read_bytes())
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
    files = checkpoint_files(folder, pictures)
    if is_local:
        stale = listed_files(folder, WEIGHT_FILES).keys() - files.keys()
        report.notes += [f"a push leaves out {name}, which is of other weights" for name in sorted(stale)]
    report.add("nothing private in it", find_private(files) + (_find_links(files) if is_local else []))
    return report


def _list_repo(model: str, revision: str | None) -> list[str]:
    """Every file of a model on the Hub."""
    official = OFFICIAL_CHECKPOINTS.get(model)
    repo_id, revision = (model, revision) if official is None else (official.repo_id, official.revision)
    with hub_errors(repo_id, revision):
        return HfApi().list_repo_files(repo_id, revision=revision)


def check_dataset(folder: Path) -> CheckReport:
    """Check a prepared dataset before it is shared: card, columns of every shard, nothing private."""
    report = CheckReport()
    shards = [path for split in SPLITS for path in sorted(folder.glob(f"{split}-*.parquet"))]
    try:
        wrong = [path.name for path in shards if not pq.read_schema(path).equals(PREPARED_SCHEMA)]
    except pa.ArrowInvalid as error:
        raise ModelError(f"A shard of {folder} cannot be read, prepare it again: {' '.join(str(error).split())}") from error
    report.add(f"{len(shards)} shards have the columns of a prepared dataset", [f"{name} has others" for name in wrong])
    report.add("the card is finished", check_dataset_card(folder / CARD_FILE))
    files = listed_files(folder, DATASET_FILES)
    report.add("nothing private in it", find_private(files) + _find_links(files))
    return report


def _check_card_of(folder: Path, beside: Collection[str]) -> tuple[list[str], list[str]]:
    """Problems of the card in a folder, given the names of the other files, and the pictures that it shows."""
    try:
        card = load_card(folder / CARD_FILE)
        return check_card(card, AstromerConfig.from_pretrained(folder), beside), shown_pictures(card.text)
    except (ValueError, OSError, StrictDataclassError) as error:
        return [" ".join(str(error).split())], []


def listed_files(folder: Path, patterns: Sequence[str]) -> dict[str, Path]:
    """The files directly in a folder that match."""
    return {path.name: path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file()}


def checkpoint_files(folder: Path, pictures: Sequence[str] = ()) -> dict[str, Path]:
    """The files of a checkpoint that are shared. An index and files of weights of an earlier save are not among them.

    transformers loads the single file where there is one, and else the files that the index names.
    """
    files = listed_files(folder, (*CHECKPOINT_FILES, *pictures))
    current = {WEIGHTS_FILE}
    if WEIGHTS_FILE not in files and INDEX_FILE in files:
        weight_map = json.loads(files[INDEX_FILE].read_text(encoding="utf-8"))["weight_map"]
        current = {INDEX_FILE, *weight_map.values()}
    return {name: file for name, file in files.items() if name in current or not is_weights(name)}


def is_weights(name: str) -> bool:
    """Whether a file holds weights, or says which files do."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in WEIGHT_FILES)


def _find_links(files: Mapping[str, Path]) -> list[str]:
    """Links to files outside the folder, which may not be meant for sharing."""
    return [
        f"{name} is a link out of the folder, to {file.resolve()}: put the file itself there"
        for name, file in files.items()
        if file.resolve().parent != file.parent.resolve()
    ]


def is_prepared_dataset(folder: str | Path) -> bool:
    """Whether `scripts/prepare_dataset.py` wrote this folder."""
    return Path(folder, PREPARATION_FILE).is_file()


def packaged_code(name: str) -> Path:
    """The package's own code file of that name."""
    return MODEL_FOLDER / name
