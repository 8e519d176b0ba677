# Copyright 2026 The astromer_hf developers. MIT licence.
"""Fine-tune a pre-trained ASTROMER on labelled light curves: to classify them, or to predict a number such as a period.

Examples:
    python scripts/run_classification.py --dataset my_stars.csv --label_column class --output_dir runs/my_stars
    python scripts/run_classification.py --dataset my_stars.parquet --output_dir runs/my_stars --class_weights balanced \
        --classifier_head lstm --classifier_dropout 0.3 --freeze_encoder
    python scripts/run_classification.py --dataset my_stars.parquet --label_column log_period --problem_type regression \
        --output_dir runs/my_periods
    python scripts/run_classification.py configs/classify_sss.yaml

The data are a table as `astromer-hf embed` reads it, which this script splits by star, or a folder written by
scripts/prepare_dataset.py. A YAML file may hold the fields of `DataArguments`, `HeadArguments` and transformers'
`TrainingArguments`; options on the command line override it. The output folder holds the model, its scores on held-out light
curves (`scores.json`) and, for classes, a report and a figure. An interrupted run continues from its last complete checkpoint.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.metrics import classification_report, r2_score, root_mean_squared_error
from transformers import (
    AutoFeatureExtractor,
    AutoModelForSequenceClassification,
    EarlyStoppingCallback,
    EvalPrediction,
    HfArgumentParser,
    set_seed,
)

import astromer_hf  # noqa: F401 (registers the classes)
from astromer_hf.cli.numbers import TRAINING, bound, count, fraction, seed, whole
from astromer_hf.evaluation.classification_metrics import expected_calibration_error, score_classes
from astromer_hf.hub.load import default_model_folder
from astromer_hf.hub.model_card import CardFacts
from astromer_hf.hub.trainer import HubTrainer
from astromer_hf.inference.classification import LightCurveClassifier
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.labelled import UNLABELLED, LabelledLightCurves, load_labelled
from astromer_hf.light_curves.splits import FRACTIONS, SPLITS
from astromer_hf.model.configuration_astromer import DECISIONS
from astromer_hf.model.feature_extraction_astromer import mean_over_windows
from astromer_hf.model.heads_astromer import activate
from astromer_hf.plots.figures import plot_confusion_matrix
from astromer_hf.training.data_collator import DataCollatorForLightCurveClassification, InMemoryLightCurves
from astromer_hf.training.trainer import (
    ScriptArguments,
    WeightedCrossEntropy,
    balanced_class_weights,
    cut_sequentially,
    read_yaml_arguments,
    rescale_predictions,
    take_per_class,
    train_or_resume,
)

NUMBERS = {
    "split_fractions": fraction,
    "split_seed": seed,
    "min_points": count,
    "min_per_class": count,
    "max_per_class": count,
    "max_eval_per_class": count,
    "early_stopping_patience": count,
    "classifier_hidden_sizes": whole(1, 2**16),
    "classifier_lstm_sizes": whole(1, 2**16),
    "classifier_dropout": fraction,
}


@dataclass
class DataArguments:
    """The model to fine-tune and the data."""

    dataset: str = field(metadata={"help": "table of labelled light curves, or folder that scripts/prepare_dataset.py wrote"})
    model: str | None = field(default=None, metadata={"help": "model folder or id on the Hub; the packaged model when absent"})
    base_model: str | None = field(default=None, metadata={"help": "its id on the Hub, for the card of a model that is pushed"})
    problem_type: Literal["single_label_classification", "regression"] = "single_label_classification"
    freeze_encoder: bool = field(default=False, metadata={"help": "train the head alone"})
    class_weights: Literal["none", "balanced"] = field(
        default="none", metadata={"help": "of the loss: balanced lets every class count the same, however large"}
    )

    object_id_column: str | None = field(
        default=None, metadata={"help": "of the table; guessed when absent, as are the others"}
    )
    identity_column: str | None = field(default=None, metadata={"help": "of the star, where several objects are of one"})
    band_column: str | None = None
    mjd_column: str | None = None
    mag_column: str | None = None
    magerr_column: str | None = None
    label_column: str | None = field(default=None, metadata={"help": "of classes, or of the numbers to predict"})

    split_fractions: list[float] = field(
        default_factory=lambda: list(FRACTIONS), metadata={"help": "train, validation and test, of a table's stars"}
    )
    split_seed: int = field(default=0, metadata={"help": "of a table's splits, and of samples to validate and test on"})
    min_points: int = field(default=20, metadata={"help": "light curves with fewer observations are left out"})
    min_per_class: int = field(default=10, metadata={"help": "training light curves that a class needs"})
    drop_rare_classes: bool = field(default=False, metadata={"help": "leave out classes that have too few light curves"})
    max_per_class: int | None = field(
        default=None, metadata={"help": "training light curves of a class, or in all, at the most"}
    )
    max_eval_per_class: int | None = field(default=None, metadata={"help": "the same for validation and test, each"})
    early_stopping_patience: int | None = field(default=10, metadata={"help": "evaluations without improvement"})

    @property
    def is_regression(self) -> bool:
        """Whether numbers are predicted."""
        return self.problem_type == "regression"

    @property
    def columns(self) -> dict[str, str | None]:
        """Names of the table's columns, if given."""
        roles = ("object_id", "identity", "band", "mjd", "mag", "magerr", "label")
        return {role: getattr(self, f"{role}_column") for role in roles}


@dataclass
class HeadArguments:
    """Fields of `AstromerConfig` that define the head; those of the pre-trained model's configuration when absent."""

    classifier_head: Literal["mlp", "linear", "lstm"] | None = None
    classifier_pooling: Literal["mean", "mean_std"] | None = None
    classifier_hidden_sizes: list[int] | None = None
    classifier_lstm_sizes: list[int] | None = None
    classifier_dropout: float | None = field(default=0.2, metadata={"help": "after each hidden layer of the head"})
    use_weighted_layer_sum: bool | None = field(default=None, metadata={"help": "classify from a mixture of all blocks"})
    concatenate_layers: bool | None = field(default=None, metadata={"help": "classify from all blocks side by side"})

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that are given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass
class ClassificationArguments(ScriptArguments):
    """Trainer's arguments for this task: train until the validation score no longer improves, and keep the best weights."""

    label_names: list[str] = field(default_factory=lambda: ["labels"])
    learning_rate: float = 3e-4
    num_train_epochs: float = 50
    per_device_train_batch_size: int = 32
    per_device_eval_batch_size: int = 64
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    logging_strategy: str = "epoch"
    save_total_limit: int | None = 1
    load_best_model_at_end: bool = True  # of the lowest validation loss, unless `metric_for_best_model` says otherwise
    hub_strategy: str = "end"


def parse_args(argv: list[str] | None = None) -> tuple[DataArguments, HeadArguments, ClassificationArguments]:
    dataclasses: Any = (DataArguments, HeadArguments, ClassificationArguments)
    parser = HfArgumentParser(dataclasses, description=__doc__)
    bound(parser, NUMBERS | TRAINING)
    return parser.parse_args_into_dataclasses(read_yaml_arguments(sys.argv[1:] if argv is None else argv))  # type: ignore[return-value]


@dataclass(frozen=True)
class Task:
    """The training targets of N light curves: classes, or one number, standardised to mean 0 and deviation 1.

    Args:
        problem_type: as in the model's configuration.
        names: of the classes, or of the number.
        targets (`np.ndarray` of shape `(N,)`): class ids, or numbers in their own units.
        center, scale: mean and deviation of the numbers to train on.
    """

    problem_type: str
    names: tuple[str, ...]
    targets: np.ndarray
    center: float = 0.0
    scale: float = 1.0

    @classmethod
    def classification(cls, labelled: LabelledLightCurves) -> "Task":
        """Every label is a class, in alphabetical order."""
        names, targets = np.unique(labelled.labels, return_inverse=True)
        return cls("single_label_classification", tuple(names.tolist()), targets)

    @classmethod
    def regression(cls, labelled: LabelledLightCurves, name: str) -> "Task":
        """Every label is a number."""
        targets = labelled.to_numbers()
        if smallest := [split for split in SPLITS if len(labelled.members(split)) < 2]:
            raise TableError(f"A regression needs 2 light curves in every split at least; there are fewer for {smallest[0]}.")
        learned = targets[labelled.members("train")]
        if not learned.std() > 0:
            raise TableError(
                f"All {len(learned)} training light curves have the target {learned[0]:g}: nothing is to be learned."
            )
        return cls("regression", (name,), targets, float(learned.mean()), float(learned.std()))

    @property
    def labels(self) -> np.ndarray:
        """The labels for the loss, `(N,)`: class ids, or standardised numbers, float32."""
        if self.problem_type == "regression":
            return ((self.targets - self.center) / self.scale).astype(np.float32)
        return self.targets

    def score(self, values: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
        """Scores of the `chosen` light curves from the model's `values` (n, C): probabilities, or numbers."""
        true = self.targets[chosen]
        if self.problem_type == "regression":
            predicted = values[:, 0]
            return {"rmse": float(root_mean_squared_error(true, predicted)), "r2": float(r2_score(true, predicted))}
        return score_classes(true, values.argmax(1), len(self.names))


def load_data(data: DataArguments, seed: int) -> tuple[LabelledLightCurves, Task]:
    """Labelled light curves in their splits, up to the requested number, and the task."""
    labelled = load_labelled(
        data.dataset,
        columns=data.columns,
        min_points=data.min_points,
        unlabelled={""} if data.is_regression else UNLABELLED,  # a number that is NaN is a mistake
        stratify=not data.is_regression,
        fractions=data.split_fractions,
        seed=data.split_seed,
    )
    if not data.is_regression:
        labelled = labelled.keep_classes(data.min_per_class, data.drop_rare_classes)
    strata = np.full(len(labelled), "all") if data.is_regression else labelled.labels
    taken = []
    for split in SPLITS:
        maximum, drawn_by = (data.max_per_class, seed) if split == "train" else (data.max_eval_per_class, data.split_seed)
        members = labelled.members(split)
        taken.append(members[take_per_class(strata[members], np.unique(strata), maximum, drawn_by)])
    chosen = np.concatenate(taken)
    labelled = labelled.select(chosen, **{"beyond the number that was asked for": len(labelled) - len(chosen)})
    if data.is_regression:
        return labelled, Task.regression(labelled, data.label_column or "label")
    return labelled, Task.classification(labelled)


def describe(labelled: LabelledLightCurves, data: DataArguments) -> str:
    """The number of light curves of each class in each split, and the number left out for each reason."""
    counts = ", ".join(f"{len(labelled.members(split))} {split}" for split in SPLITS)
    classes = [] if data.is_regression else [labelled.count_classes().to_string()]
    left_out = [f"left out: {count} {reason}" for reason, count in labelled.left_out.items()]
    return "\n".join([f"{data.dataset}, light curves: {counts}", *classes, *left_out])


def build_model(source: str | Path, task: Task, data: DataArguments, head: HeadArguments) -> Any:
    """The pre-trained encoder with a new head."""
    names = dict(enumerate(task.names))
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        source,
        problem_type=task.problem_type,
        id2label=names,
        band_combination=None,
        **DECISIONS,
        ignore_mismatched_sizes=True,  # a head of other classes is replaced
        output_loading_info=True,
        label2id={name: i for i, name in names.items()},
        **head.fields,
    )
    if of_encoder := [name for name, *_ in loading["mismatched_keys"] if name.startswith(f"{model.base_model_prefix}.")]:
        raise ValueError(f"The weights of {source} are not of its configuration: {of_encoder[0]} has another shape.")
    if data.freeze_encoder:
        model.freeze_encoder()
    return model


def choose_loss(task: Task, train: np.ndarray, data: DataArguments) -> Callable[..., torch.Tensor] | None:
    """A replacement for the model's own loss, if one is needed."""
    if data.class_weights == "balanced":
        return WeightedCrossEntropy(balanced_class_weights(task.labels[train], len(task.names)))
    return None


def main(data: DataArguments, head: HeadArguments, training: ClassificationArguments) -> dict[str, float]:
    set_seed(training.seed)
    base_model = check_options(data, training)
    source = data.model or default_model_folder()
    feature_extractor = AutoFeatureExtractor.from_pretrained(source)
    labelled, task = load_data(data, training.seed)
    if training.process_index == 0:
        print(describe(labelled, data), flush=True)
    model = build_model(source, task, data, head)
    curves: Any = labelled.curves
    train, validation, test = (labelled.members(split) for split in SPLITS)
    windows, owner = cut_sequentially(curves.select(validation), feature_extractor.window_size)

    def score_objects(prediction: EvalPrediction) -> dict[str, float]:
        """Scores of the light curves whose windows were evaluated."""
        values = activate(torch.from_numpy(prediction.predictions), model.config).numpy()
        values = mean_over_windows(values, owner, windows.lengths, len(validation))
        return task.score(values * task.scale + task.center, validation)

    callbacks = []
    if data.early_stopping_patience is not None and training.load_best_model_at_end:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=data.early_stopping_patience))
    trainer = HubTrainer(
        model,
        training,
        data_collator=DataCollatorForLightCurveClassification(feature_extractor, seed=training.seed),
        train_dataset=InMemoryLightCurves(curves.select(train), task.labels[train]),
        eval_dataset=InMemoryLightCurves(windows, task.labels[validation][owner]),
        processing_class=feature_extractor,
        compute_metrics=score_objects,
        compute_loss_func=choose_loss(task, train, data),
        callbacks=callbacks,
        card=CardFacts("", (data.dataset,), base_model),
    )
    train_or_resume(trainer)
    rescale_predictions(model, task.center, task.scale)
    classifier = LightCurveClassifier(model, feature_extractor, training.per_device_eval_batch_size)
    uncalibrated = classifier.predict(curves.select(test)).values
    if not data.is_regression:
        classifier.calibrate(curves.select(validation), task.labels[validation])
    trainer.save_model(_internal_call=True)  # without a push, which waits for the scores
    trainer.save_state()

    values = classifier.predict(curves.select(test)).values
    metrics = {f"test_{name}": value for name, value in task.score(values, test).items()} | {"test_objects": len(test)}
    if not data.is_regression:
        metrics["test_calibration_error"] = expected_calibration_error(task.labels[test], values)
        metrics["test_calibration_error_as_trained"] = expected_calibration_error(task.labels[test], uncalibrated)
    trainer.save_metrics("test", metrics)
    if trainer.is_world_process_zero():
        write_scores(training.output_folder, metrics, task, values, labelled, data)
    if training.push_to_hub:
        trainer.push_to_hub()
    return metrics


def check_options(data: DataArguments, training: ClassificationArguments) -> str | None:
    """Check options before the work starts. Returns the id of the model to start from, if it has one."""
    if data.is_regression and data.class_weights != "none":
        raise ValueError("A regression has no classes to weigh: leave --class_weights out.")
    base_model = data.base_model or (data.model if data.model and not Path(data.model).is_dir() else None)
    if training.push_to_hub and base_model is None:
        raise ValueError("A shared model says what it was fine-tuned from: give its id, --base_model organisation/name.")
    if training.push_to_hub and data.is_regression and training.hub_strategy != "end":
        raise ValueError("Until its end a regression predicts standardised numbers: share it then, --hub_strategy end.")
    return base_model


def write_scores(
    output: Path,
    metrics: dict[str, float],
    task: Task,
    values: np.ndarray,
    labelled: LabelledLightCurves,
    data: DataArguments,
) -> None:
    """`scores.json`, and for classes `classification_report.txt` and `confusion_matrix.png`."""
    scores: dict[str, Any] = {
        **metrics,
        "dataset": data.dataset,
        "light_curves": {split: len(labelled.members(split)) for split in SPLITS},
        "left_out": labelled.left_out,
    }
    if not data.is_regression:
        true, predicted = task.targets[labelled.members("test")], values.argmax(1)
        options: dict[str, Any] = {"labels": range(len(task.names)), "target_names": task.names, "zero_division": 0}
        of_classes = classification_report(true, predicted, output_dict=True, **options)
        scores["classes"] = {name: of_classes[name] for name in task.names}
        report = classification_report(true, predicted, **options)
        (output / "classification_report.txt").write_text(report, encoding="utf-8")
        figure = plot_confusion_matrix([task.names[i] for i in true], [task.names[i] for i in predicted])
        figure.savefig(output / "confusion_matrix.png", dpi=150)
        print(report)
    (output / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(metrics))


if __name__ == "__main__":
    try:
        main(*parse_args())
    except (TableError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from None
