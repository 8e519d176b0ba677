# Copyright 2026 The astromer_hf developers. MIT licence.
"""Model cards: written from the checkpoint, the survey records and files of scores, and checked offline.

Results come only from measured files. The Hub accepts nearly any front matter, so `check_card` looks for errors. The template
of a new card is `model_card_template.md`. `push.py` shares no checkpoint without a finished card.
"""

import csv
import hashlib
import json
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from huggingface_hub import DatasetCard, EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ..light_curves.formats.hub import find_address
from ..light_curves.surveys import SURVEYS, Survey
from ..model.configuration_astromer import AstromerConfig

CARD_FILE = "README.md"
LICENSES = ("mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "other")
DATASET_LICENSES = (*LICENSES, "unknown")  # a survey's measurements belong to the survey
PIPELINE_TAGS = ("feature-extraction", "other")  # the Hub's list has no classification of time series
TAGS = ("astronomy", "light-curves", "time-series", "astromer")
DATASET_TAGS = TAGS[:3]
SECTIONS = {
    "Use": "use",
    "Inputs": "inputs",
    "Data": "data",
    "Limits": "limits",
    "Licence": "licen[cs]e",
    "Citation": "citation",
}
# Placeholders in the templates of the client library and of Trainer.
PLACEHOLDER = re.compile(
    r"more information needed|generated automatically according to the information the trainer|\bTODO\b", re.I
)
METRICS = {
    "masked_rmse": ("rmse", "Masked RMSE of hidden magnitudes, mag"),
    "r2": ("r_squared", "R² of hidden magnitudes, over all windows"),
    "median_r2": ("r_squared", "R² of hidden magnitudes, median of windows"),
    "test_accuracy": ("accuracy", "Accuracy over objects"),
    "test_macro_f1": ("f1", "Macro-averaged F1 over objects"),
    "test_rmse": ("rmse", "RMSE over objects"),
    "test_r2": ("r_squared", "R² over objects"),
}
AnyCard = TypeVar("AnyCard", ModelCard, DatasetCard)
_TEMPLATE = Path(__file__).with_name("model_card_template.md")


class CardError(ValueError):
    """A card cannot be written or is not finished; the message says what is missing."""


@dataclass(frozen=True)
class CardFacts:
    """Content of a card that neither the checkpoint nor a file of scores provides.

    Args:
        repo_id (`str`): where the checkpoint will be, `organisation/name`.
        data (`tuple[str, ...]`): training data: names of surveys in `SURVEYS`, folders written by
            `scripts/prepare_dataset.py`, or other tables, which the card only names.
        base_model (`str`, *optional*): id of the model that this one was fine-tuned from.
        license (`str`, defaults to `"mit"`): of the weights, one of `LICENSES`.
        metrics (`tuple[Path, ...]`): files of scores: `test_results.json` of `scripts/run_classification.py`, or the CSV of
            `scripts/evaluate_reconstruction.py`.
        summary (`str`, *optional*): a sentence below the title.
    """

    repo_id: str
    data: tuple[str, ...] = ()
    base_model: str | None = None
    license: str = "mit"
    metrics: tuple[Path, ...] = ()
    summary: str = ""

    @property
    def name(self) -> str:
        """The checkpoint's own name, without the organisation."""
        return self.repo_id.split("/")[-1]


# --- Results ---


def read_results(file: Path, name: str, weights: Path, dataset: str | None = None) -> list[EvalResult]:
    """The measured scores of a checkpoint, in the form of `model-index`.

    Args:
        file: CSV of `scripts/evaluate_reconstruction.py`, or `test_results.json` of `scripts/run_classification.py`.
        name: the model's row in the CSV.
        weights: its `model.safetensors`; scores of other weights raise an error.
        dataset: survey of a JSON file, which does not contain it.

    Raises:
        CardError: the file has no scores of this model, or they were measured with other weights.
    """
    if not file.is_file():
        raise CardError(f"There is no file of scores {file}; name one that an evaluation script wrote.")
    if file.suffix == ".csv":
        return _reconstruction_results(file, name, weights)
    return _object_results(file, dataset)


def _reconstruction_results(file: Path, name: str, weights: Path) -> list[EvalResult]:
    """Rows for the subset of windows on which all methods were scored."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["method"] == name and row["windows"] == "subset"]
    if not rows:
        raise CardError(f"{file} has no scores of {name}: run scripts/evaluate_reconstruction.py with this model.")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if other := {row["weights"] for row in rows if not row["weights"] or not digest.startswith(row["weights"])}:
        raise CardError(
            f"{file} has scores of other weights ({', '.join(sorted(other))}) than {weights} ({digest[:12]}): run "
            "scripts/evaluate_reconstruction.py again."
        )
    return [
        EvalResult(
            task_type="feature-extraction",
            task_name="Reconstruction of hidden magnitudes",
            dataset_type=row["survey"].partition(":")[0],
            dataset_name=row["survey"],
            dataset_split="test",
            dataset_args={"num_windows": int(row["num_windows"]), "seed": int(row["seed"])},
            metric_type=METRICS[metric][0],
            metric_name=METRICS[metric][1],
            metric_value=round(float(row[metric]), 4),
        )
        for row in rows
        for metric in ("masked_rmse", "r2", "median_r2")
    ]


def _object_results(file: Path, dataset: str | None) -> list[EvalResult]:
    """Scores of predicted classes or numbers."""
    scores = json.loads(file.read_text(encoding="utf-8"))
    possible = [metric for metric in METRICS if metric.startswith("test_")]
    measured = [metric for metric in possible if metric in scores]
    if not measured or dataset is None:
        raise CardError(
            f"{file} must hold {' or '.join(possible)}, got {', '.join(scores)}; and the survey that they were measured "
            f"on must be named, got {dataset}."
        )
    return [
        EvalResult(
            task_type="other",
            task_name="Regression of light curves" if metric in ("test_rmse", "test_r2") else "Classification of light curves",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="test",
            dataset_args={"num_objects": int(scores["test_objects"])} if "test_objects" in scores else None,
            metric_type=METRICS[metric][0],
            metric_name=METRICS[metric][1],
            metric_value=round(float(scores[metric]), 4),
        )
        for metric in measured
    ]


def update_results(card_file: Path, files: Sequence[Path], name: str | None = None) -> None:
    """Update the `model-index` of a card with measured scores; the rest of the card stays as it is.

    Args:
        card_file: the card.
        files: of scores, see `read_results`.
        name: of the model; the folder's name when absent.
    """
    card = load_card(card_file)
    data = cast(ModelCardData, card.data)
    name, dataset = name or card_file.resolve().parent.name, next(iter(data.datasets or []), None)
    weights = card_file.with_name("model.safetensors")
    data.model_name = name
    data.eval_results = [result for file in files for result in read_results(file, name, weights, dataset)]
    card.save(card_file)


# --- A new card ---


def write_card(folder: Path, facts: CardFacts) -> ModelCard:
    """Write the finished card of a saved checkpoint into its folder.

    Args:
        folder: with `config.json` and `model.safetensors`.
        facts: see [`CardFacts`].

    Raises:
        CardError: information that a finished card needs is missing.
    """
    config = AstromerConfig.from_pretrained(folder)
    surveys, splits = _read_data(facts)
    is_classifier = _is_classifier(config)
    results = [
        result
        for file in facts.metrics
        for result in read_results(file, facts.name, folder / "model.safetensors", surveys[0].name)
    ]
    data = ModelCardData(
        license=facts.license,
        library_name="transformers",
        pipeline_tag="other" if is_classifier else "feature-extraction",
        tags=[*TAGS, *(["light-curve-classification"] if is_classifier else [])],
        datasets=[survey.name for survey in surveys],
        base_model=facts.base_model,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )
    card = ModelCard.from_template(
        data,
        template_path=str(_TEMPLATE),
        facts=facts,
        config=config,
        is_classifier=is_classifier,
        is_regression=is_classifier and config.problem_type == "regression",
        is_reconstruction="AstromerForMaskedReconstruction" in (config.architectures or []),
        classes=list((config.id2label or {}).values()),
        surveys=surveys,
        splits=splits,
        results=results,
    )
    card.text = re.sub(r"\n{3,}", "\n\n", card.text).rstrip() + "\n"
    if problems := check_card(card, config, list_names(folder)):
        raise CardError(f"The card of {facts.repo_id} is not finished: {'; '.join(problems)}.")
    card.save(folder / CARD_FILE)
    return card


def _read_data(facts: CardFacts) -> tuple[list[Survey], list[dict[str, Any]]]:
    """The survey records of the training data, and the preparation records of folders that were prepared here."""
    if not facts.data:
        raise CardError("Name what the model was trained on: surveys, or the prepared folders.")
    surveys, splits = [], []
    for source in facts.data:
        preparation = {}
        if (file := Path(source, "preparation.json")).is_file():
            preparation = json.loads(file.read_text(encoding="utf-8"))
            surveys.append(SURVEYS.get(preparation["survey"]) or Survey(preparation["survey"]))
        elif source in SURVEYS:
            surveys.append(SURVEYS[source])
        elif Path(source).exists():
            surveys.append(Survey(re.sub(r"[^\w-]+", "-", Path(source).stem).strip("-")))
        elif (address := find_address(source)) is not None:
            surveys.append(Survey(address.repo))
        else:
            raise CardError(f"{source} is neither a survey ({', '.join(SURVEYS)}) nor a table or a folder of light curves.")
        splits.append(preparation)
    return surveys, splits


def _is_classifier(config: AstromerConfig) -> bool:
    return "AstromerForSequenceClassification" in (config.architectures or [])


# --- Checks ---


def load_card(file: Path) -> ModelCard:
    """Read a card.

    Raises:
        CardError: there is none, or its front matter cannot be read.
    """
    return _load(ModelCard, file)


def _load(kind: type[AnyCard], file: Path) -> AnyCard:
    if not file.is_file():
        raise CardError(
            f"There is no card {file}; `astromer-hf card` writes one for a model, scripts/prepare_dataset.py for data."
        )
    try:
        return kind.load(file)
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise CardError(f"The front matter of {file} cannot be read: {' '.join(str(error).split())}") from error


def is_placeholder(file: Path) -> bool:
    """Whether there is no card, or only one that a library generated as a draft."""
    return not file.is_file() or bool(PLACEHOLDER.search(file.read_text(encoding="utf-8")))


def check_card(card: ModelCard, config: AstromerConfig, beside: Collection[str]) -> list[str]:
    """What is missing in a model's card; empty if it is finished.

    Args:
        card: to check.
        config: of its model; the card of a classifier must name the model that it was fine-tuned from.
        beside: names of the files in the same folder, including the pictures that it shows.
    """
    data = card.data.to_dict()
    problems = _check_front_matter(data, LICENSES, TAGS)
    if data.get("library_name") != "transformers":
        problems.append(f"`library_name` must be transformers, got {data.get('library_name')}")
    if data.get("pipeline_tag") not in PIPELINE_TAGS:
        problems.append(f"`pipeline_tag` must be one of {', '.join(PIPELINE_TAGS)}, got {data.get('pipeline_tag')}")
    ids = {"datasets": data.get("datasets"), "base_model": data.get("base_model")}
    if not ids["datasets"]:
        problems.append("`datasets` must list what the model was trained on")
    if _is_classifier(config) and not ids["base_model"]:
        problems.append("`base_model` must name the model that this classifier was fine-tuned from")
    for key, value in ids.items():
        for name in [value] if isinstance(value, str) else value or []:
            try:
                validate_repo_id(name)
            except HFValidationError:
                problems.append(f"`{key}` must hold ids such as organisation/name, got {name}")
    for result in cast(ModelCardData, card.data).eval_results or []:
        if not isinstance(result.metric_value, (int, float)) or not math.isfinite(result.metric_value):
            problems.append(f"`model-index` must hold measured numbers, got {result.metric_value!r} for {result.metric_name}")
    return problems + _check_text(card.text, beside)


def check_dataset_card(file: Path) -> list[str]:
    """What is missing in the card of a prepared dataset; empty if it is finished."""
    try:
        data = _load(DatasetCard, file).data.to_dict()
        listed = [part["path"] for one in data.get("configs", []) for part in one["data_files"]]
    except CardError as error:
        return [str(error)]
    except (TypeError, KeyError):
        return ["`configs` must list `data_files`, each a `split` and a `path`"]
    problems = _check_front_matter(data, DATASET_LICENSES, DATASET_TAGS)
    if missing := [pattern for pattern in listed if not list(file.parent.glob(pattern))] or ([] if listed else ["configs"]):
        problems.append(f"`configs` must name the files of each split; not there: {', '.join(missing)}")
    if PLACEHOLDER.search(file.read_text(encoding="utf-8")):
        problems.append("a placeholder was left in it")
    return problems


def _check_front_matter(data: dict[str, Any], licenses: Sequence[str], tags: Sequence[str]) -> list[str]:
    problems = []
    if data.get("license") not in licenses:
        problems.append(f"`license` must be one of {', '.join(licenses)}, got {data.get('license')}")
    if data.get("license") == "other" and not data.get("license_name"):
        problems.append("`license: other` needs a `license_name`")
    if missing := [tag for tag in tags if tag not in (data.get("tags") or [])]:
        problems.append(f"`tags` lack {', '.join(missing)}")
    return problems


def _check_text(text: str, beside: Collection[str]) -> list[str]:
    problems = []
    headings = " ".join(re.findall(r"^#+ (.*)$", text, re.MULTILINE)).lower()
    if missing := [name for name, pattern in SECTIONS.items() if not re.search(rf"\b{pattern}\b", headings)]:
        problems.append(f"sections are missing: {', '.join(missing)}")
    if found := PLACEHOLDER.search(text):
        problems.append(f"a placeholder was left in the text: {found[0]!r}")
    if "```python" not in text:
        problems.append("there is no Python example of its use")
    if absent := [name for name in shown_pictures(text) if name not in beside]:
        problems.append(f"pictures are not beside the card: {', '.join(absent)}")
    return problems


def list_names(folder: Path) -> list[str]:
    """Names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


def shown_pictures(text: str) -> list[str]:
    """Files in the same folder that a card shows, `![what](file.png)`."""
    return re.findall(r"!\[[^\]]*\]\((?!https?://)([^)/]+\.png)\)", text)
