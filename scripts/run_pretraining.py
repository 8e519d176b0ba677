# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pre-train ASTROMER: reconstruct hidden magnitudes, and where the recipe says so, recognise a star in several views of it.

Examples:
    python scripts/run_pretraining.py configs/astromer_surveys_small.yaml
    python scripts/run_pretraining.py configs/astromer_surveys_small.yaml --output_dir runs/trial --max_steps 500
    torchrun --nproc_per_node 2 scripts/run_pretraining.py configs/astromer_macho_paper.yaml --per_device_train_batch_size 2500
    accelerate launch --multi_gpu --num_processes 4 scripts/run_pretraining.py configs/astromer_macho_paper.yaml \
        --per_device_train_batch_size 1250 --bf16 --torch_compile

The YAML file holds the fields of `DataArguments` and of transformers' `TrainingArguments`; options on the command line go
before it. A run that was killed goes on from its last complete checkpoint when it is started again.
"""

import json
import logging
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import EarlyStoppingCallback, HfArgumentParser, set_seed

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction, AstromerForPreTraining
from astromer_hf.cli.numbers import TRAINING, bound, count, fraction, real
from astromer_hf.evaluation.reconstruction_metrics import ReconstructionMetrics, keep_reconstruction
from astromer_hf.hub.model_card import CardFacts
from astromer_hf.hub.trainer import HubTrainer
from astromer_hf.inference.output_files import complete_or_absent, only_writer
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.plots.figures import plot_learning_curves
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves
from astromer_hf.training.pretrainer import PreTrainer
from astromer_hf.training.stars import DataCollatorForPreTraining, StarDataset, load_stars
from astromer_hf.training.trainer import (
    ExactRmse,
    ScriptArguments,
    cut_sequentially,
    load_split,
    mix,
    read_learning_curves,
    read_yaml_arguments,
    train_or_resume,
)
from astromer_hf.training.views import MultiViewRecipe

logger = logging.getLogger(__name__)


NUMBERS = {
    "mixing_power": real(-10, 10),
    "min_points": count,
    "max_objects": count,
    "max_eval_objects": count,
    "probed_fraction": fraction,
    "random_fraction": fraction,
    "same_fraction": fraction,
    "early_stopping_patience": count,
}


@dataclass
class DataArguments:
    """What is trained on what."""

    datasets: list[str] = field(metadata={"help": "folders that scripts/prepare_dataset.py wrote"})
    model: str = field(
        default="{}", metadata={"help": "fields of AstromerConfig (a mapping) to start anew, or a model folder to go on from"}
    )
    mixing_power: float = field(default=0.5, metadata={"help": "a survey of N light curves weighs as N to this power"})
    min_points: int = field(default=20, metadata={"help": "light curves with fewer observations are left out"})
    max_objects: int | None = field(default=None, metadata={"help": "light curves of each survey and split at the most"})
    max_eval_objects: int = field(default=150, metadata={"help": "validation light curves of each survey at the most"})
    probed_fraction: float = field(default=0.5, metadata={"help": "of the observations, to reconstruct"})
    random_fraction: float = field(default=0.2, metadata={"help": "of the probed, shown with another's magnitude"})
    same_fraction: float = field(default=0.2, metadata={"help": "of the probed, shown as they are"})
    objective: str = field(
        default="reconstruction",
        metadata={
            "help": "the paper's, or `views`: reconstruction and self-distillation over views of a star",
            "choices": ["reconstruction", "views"],
        },
    )
    views: str = field(default="{}", metadata={"help": "fields of MultiViewRecipe (a mapping), for the objective `views`"})
    features: str | None = field(
        default=None, metadata={"help": "folder of scripts/extract_features.py, to be predicted from views"}
    )
    early_stopping_patience: int | None = field(default=None, metadata={"help": "evaluations without improvement"})


@dataclass
class PretrainingArguments(ScriptArguments):
    """Trainer's arguments with the defaults that this task needs."""

    label_names: list[str] = field(default_factory=lambda: ["labels", "loss_mask"])
    batch_eval_metrics: bool = True
    dataloader_drop_last: bool = True  # micro-batches of one size, so that the mean of their losses is the loss of all
    ddp_find_unused_parameters: bool = False
    max_grad_norm: float = 0.0  # the paper does not clip


def parse_args(argv: list[str] | None = None) -> tuple[DataArguments, PretrainingArguments]:
    """The YAML file's fields, then the command line's."""
    parser = HfArgumentParser((DataArguments, PretrainingArguments), description=__doc__)  # type: ignore[arg-type]
    bound(parser, NUMBERS | TRAINING)
    return parser.parse_args_into_dataclasses(read_yaml_arguments(sys.argv[1:] if argv is None else argv))  # type: ignore[return-value]


def build_model(
    model: str, kind: type[AstromerForMaskedReconstruction] = AstromerForMaskedReconstruction, **fields: Any
) -> AstromerForMaskedReconstruction:
    """A new model of the given fields, or the one in a folder; `fields` come on top."""
    if model.startswith("{"):
        return kind(AstromerConfig(**json.loads(model) | fields))
    if issubclass(kind, AstromerForPreTraining):  # a checkpoint that is shared has no projector: it starts anew
        return kind.with_new_projector(model, AstromerConfig.from_pretrained(model, **fields))
    return kind.from_pretrained(model, **fields)


def main(data: DataArguments, training: PretrainingArguments) -> dict[str, float]:
    output = training.output_folder.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    # Two runs in one folder would resume from each other's checkpoints; of one run's processes the first holds it.
    with only_writer(output) if training.process_index == 0 else nullcontext():
        return pretrain_on_views(data, training) if data.objective == "views" else pretrain(data, training)


def early_stopping(data: DataArguments) -> list[Any]:
    """The callback that stops the run, where a patience is given."""
    patience = data.early_stopping_patience
    return [] if patience is None else [EarlyStoppingCallback(early_stopping_patience=patience)]


def read_validation(data: DataArguments, window_size: int) -> dict[str, RaggedLightCurves]:
    """Windows of validation light curves, by survey."""
    return {
        Path(folder).name: cut_sequentially(
            load_split(folder, "validation", min_points=data.min_points, max_objects=data.max_eval_objects), window_size
        )[0]
        for folder in data.datasets
    }


def pretrain_on_views(data: DataArguments, training: PretrainingArguments) -> dict[str, float]:
    """Train `AstromerForPreTraining`, or go on where a run was killed; save encoder and decoder, and score them."""
    set_seed(training.seed)
    if (data.probed_fraction, data.random_fraction, data.same_fraction) != (0.5, 0.2, 0.2):
        raise ValueError("The objective `views` hides half of the magnitudes: leave the fractions of the masks out.")
    options: dict[str, Any] = {"min_points": data.min_points}
    recipe = MultiViewRecipe(**json.loads(data.views))
    stars = load_stars(
        data.datasets,
        "train",
        max_stars=data.max_objects,
        features=data.features,
        with_variations=recipe.num_transplanted_views > 0,
        **options,
    )
    validation = load_stars(data.datasets, "validation", max_stars=data.max_eval_objects, **options)
    num_features = 0 if stars.features is None else stars.features.shape[1]
    model = build_model(data.model, AstromerForPreTraining, num_target_features=num_features)
    assert isinstance(model, AstromerForPreTraining)
    feature_extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    training.label_names, training.batch_eval_metrics, training.prediction_loss_only = ["labels"], False, True
    trainer = PreTrainer(
        model,
        training,
        data_collator=DataCollatorForPreTraining(stars, recipe, training.seed),
        eval_collator=DataCollatorForPreTraining(validation, replace(recipe, num_transplanted_views=0), training.seed),
        train_dataset=StarDataset(stars.mix(data.mixing_power, training.seed)),
        eval_dataset=StarDataset(np.arange(len(validation))),
        processing_class=feature_extractor,
        callbacks=early_stopping(data),
        card=CardFacts("", tuple(data.datasets)),
    )
    train_or_resume(trainer)
    trainer.save_state()
    kept = model.without_projector()
    scorer = HubTrainer(
        kept,
        replace(
            training,
            label_names=["labels", "loss_mask"],
            batch_eval_metrics=True,
            prediction_loss_only=False,
            eval_strategy="no",
            load_best_model_at_end=False,
        ),
        data_collator=DataCollatorForMaskedLightCurves(
            feature_extractor, random_fraction=0, same_fraction=0, seed=training.seed
        ),
        processing_class=feature_extractor,
        compute_metrics=ReconstructionMetrics(),
        preprocess_logits_for_metrics=keep_reconstruction,
        card=trainer.card,
    )
    scorer.state = trainer.state
    scorer.save_model()
    return evaluate_and_report(scorer, read_validation(data, kept.config.window_size))


def pretrain(data: DataArguments, training: PretrainingArguments) -> dict[str, float]:
    """Train, or go on where a run was killed, evaluate and save."""
    if data.features is not None or data.views != "{}":
        raise ValueError("`views` and `features` are of the objective `views`: set it, or leave them out.")
    set_seed(training.seed)
    model = build_model(data.model)
    feature_extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    collator = DataCollatorForMaskedLightCurves(
        feature_extractor,
        probed_fraction=data.probed_fraction,
        random_fraction=data.random_fraction,
        same_fraction=data.same_fraction,
        seed=training.seed,
    )
    surveys = [
        load_split(folder, "train", min_points=data.min_points, max_objects=data.max_objects) for folder in data.datasets
    ]
    if model.config.weight_loss_by_errors and training.process_index == 0:
        for folder, curves in zip(data.datasets, surveys, strict=True):
            if curves.magnitude_errors is None or not np.isfinite(curves.magnitude_errors).any():
                logger.warning("%s has no photometric errors: its loss is not weighted by them.", folder)
    validation = read_validation(data, model.config.window_size)
    pooled = RaggedLightCurves.concatenate(list(validation.values()))
    callbacks: list[Any] = [ExactRmse()] if model.config.reconstruction_loss == "rmse" else []
    trainer = HubTrainer(
        model,
        training,
        data_collator=collator,
        train_dataset=mix(surveys, data.mixing_power, training.seed),
        eval_dataset=InMemoryLightCurves(pooled),
        processing_class=feature_extractor,
        compute_metrics=ReconstructionMetrics(),
        preprocess_logits_for_metrics=keep_reconstruction,
        callbacks=callbacks + early_stopping(data),
        card=CardFacts("", tuple(data.datasets)),
    )
    train_or_resume(trainer)
    trainer.save_model()
    trainer.save_state()
    return evaluate_and_report(trainer, validation)


def evaluate_and_report(trainer: HubTrainer, validation: dict[str, RaggedLightCurves]) -> dict[str, float]:
    """Scores of the reconstruction by survey, saved and printed, and the learning curves."""
    trainer.args.dataloader_drop_last = False  # every window is scored
    metrics = {
        name: value
        for survey, curves in validation.items()
        for name, value in trainer.evaluate(InMemoryLightCurves(curves), metric_key_prefix=f"eval_{survey}").items()
    }
    trainer.save_metrics("eval", metrics)
    if trainer.is_world_process_zero():
        history = read_learning_curves(trainer.state.log_history)
        figure = plot_learning_curves({name: history[name] for name in ("loss", "eval_loss") if name in history})
        with complete_or_absent(Path(str(trainer.args.output_dir)) / "learning_curves.png") as partial:
            figure.savefig(partial, dpi=150, format="png")
        print("\n".join(f"{name} {np.round(value, 4)}" for name, value in metrics.items() if name.endswith("_r2")))
    return metrics


if __name__ == "__main__":
    main(*parse_args())
