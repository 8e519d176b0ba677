# Copyright 2026 The astromer_hf developers. MIT licence.
"""Fine-tune a pre-trained ASTROMER to classify the light curves of a labelled survey.

Examples:
    python scripts/run_classification.py configs/classify_sss.yaml
    python scripts/run_classification.py configs/classify_sss.yaml --freeze_encoder true --max_per_class 100 \
        --output_dir runs/classify-sss-100

The YAML file holds the fields of `DataArguments` and of transformers' `TrainingArguments`; options on the command line go
before it. A run that was killed goes on from its last complete checkpoint when it is started again.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.special import softmax
from sklearn.metrics import accuracy_score, classification_report, f1_score
from transformers import (
    AutoFeatureExtractor,
    AutoModelForSequenceClassification,
    EarlyStoppingCallback,
    EvalPrediction,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)

import astromer_hf  # noqa: F401 (registers the classes)
from astromer_hf.data_collator import DataCollatorForLightCurveClassification, InMemoryLightCurves
from astromer_hf.embedding import default_model_folder
from astromer_hf.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.plots import plot_confusion_matrix
from astromer_hf.training import (
    cut_sequentially,
    last_complete_checkpoint,
    load_labelled_split,
    read_yaml_arguments,
    take_per_class,
)


@dataclass
class DataArguments:
    """What is fine-tuned on what."""

    dataset: str = field(metadata={"help": "folder that scripts/prepare_dataset.py wrote"})
    model: str | None = field(default=None, metadata={"help": "model folder or id on the Hub; the packaged model when absent"})
    freeze_encoder: bool = field(default=False, metadata={"help": "train the head alone"})
    classifier_dropout: float = field(default=0.2, metadata={"help": "of the head"})
    min_points: int = field(default=20, metadata={"help": "light curves with fewer observations are left out"})
    min_per_class: int = field(default=100, metadata={"help": "classes with fewer training light curves are left out"})
    max_per_class: int | None = field(default=None, metadata={"help": "training light curves of a class at the most"})
    max_eval_per_class: int | None = field(default=100, metadata={"help": "validation and test light curves of a class"})
    early_stopping_patience: int | None = field(default=None, metadata={"help": "evaluations without improvement"})


@dataclass
class ClassificationArguments(TrainingArguments):
    """Trainer's arguments with the defaults that this task needs."""

    remove_unused_columns: bool = False  # the collator, not the dataset, makes the model's inputs
    label_names: list[str] = field(default_factory=lambda: ["labels"])
    restore_callback_states_from_checkpoint: bool = True  # the patience of early stopping goes on where it was


def parse_args(argv: list[str] | None = None) -> tuple[DataArguments, ClassificationArguments]:
    parser = HfArgumentParser((DataArguments, ClassificationArguments), description=__doc__)
    return parser.parse_args_into_dataclasses(read_yaml_arguments(sys.argv[1:] if argv is None else argv))  # type: ignore[return-value]


def score_windows(prediction: EvalPrediction) -> dict[str, float]:
    """Scores of single windows, for choosing the best checkpoint."""
    classes = prediction.predictions.argmax(-1)
    return {
        "accuracy": float(accuracy_score(prediction.label_ids, classes)),
        "macro_f1": float(f1_score(prediction.label_ids, classes, average="macro", zero_division=0)),
    }


def main(data: DataArguments, training: ClassificationArguments) -> dict[str, float]:
    set_seed(training.seed)
    source = data.model or default_model_folder()
    feature_extractor = AutoFeatureExtractor.from_pretrained(source)
    labelled = {
        split: load_labelled_split(data.dataset, split, min_points=data.min_points) for split in ("train", "validation", "test")
    }
    counts = Counter(labelled["train"][1].tolist())
    classes = sorted(name for name, count in counts.items() if count >= data.min_per_class)
    if len(classes) < 2:
        raise ValueError(
            f"At least two classes of {data.min_per_class} or more training light curves are needed, {data.dataset} has "
            f"{dict(counts)}: lower --min_per_class."
        )

    def select(split: str, per_class: int | None) -> tuple[RaggedLightCurves, np.ndarray]:
        curves, names = labelled[split]
        chosen = take_per_class(names, classes, per_class, training.seed)
        return curves.select(chosen), np.searchsorted(classes, names[chosen])

    def select_windows(split: str) -> tuple[InMemoryLightCurves, np.ndarray]:
        curves, labels = select(split, data.max_eval_per_class)
        windows, owner = cut_sequentially(curves, feature_extractor.window_size)
        return InMemoryLightCurves(windows, labels[owner]), owner

    model = AutoModelForSequenceClassification.from_pretrained(
        source,
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={name: i for i, name in enumerate(classes)},
        classifier_dropout=data.classifier_dropout,
    )
    model.base_model.requires_grad_(not data.freeze_encoder)
    callbacks = []
    if data.early_stopping_patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=data.early_stopping_patience))
    trainer = Trainer(
        model,
        training,
        data_collator=DataCollatorForLightCurveClassification(feature_extractor, seed=training.seed),
        train_dataset=InMemoryLightCurves(*select("train", data.max_per_class)),
        eval_dataset=select_windows("validation")[0],
        processing_class=feature_extractor,
        compute_metrics=score_windows,
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=training.resume_from_checkpoint or last_complete_checkpoint(training.output_dir))
    trainer.save_model()
    trainer.save_state()

    windows, owner = select_windows("test")
    prediction = trainer.predict(windows)
    # An object's probabilities are the mean of its windows', as its embedding is.
    probabilities = softmax(prediction.predictions, axis=-1)
    num_windows = np.bincount(owner)
    of_objects = np.stack([np.bincount(owner, column) / num_windows for column in probabilities.T], axis=1)
    true = prediction.label_ids[np.unique(owner, return_index=True)[1]]
    predicted = of_objects.argmax(1)
    metrics = {
        "test_accuracy": float(accuracy_score(true, predicted)),
        "test_macro_f1": float(f1_score(true, predicted, average="macro", zero_division=0)),
        "test_objects": len(true),
    }
    trainer.save_metrics("test", metrics)
    if trainer.is_world_process_zero():
        output = Path(training.output_dir)
        report = classification_report(true, predicted, labels=range(len(classes)), target_names=classes, zero_division=0)
        (output / "classification_report.txt").write_text(report)
        figure = plot_confusion_matrix([classes[i] for i in true], [classes[i] for i in predicted])
        figure.savefig(output / "confusion_matrix.png", dpi=150)
        print(report, json.dumps(metrics))
    return metrics


if __name__ == "__main__":
    main(*parse_args())
