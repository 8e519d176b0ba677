# Copyright 2026 The astromer_hf developers. MIT licence.
"""Additions to the stock `Trainer` that the training scripts share: arguments, mixtures of surveys, losses, safe resuming.

`few_shot.py` and `scripts/run_*.py` use them on prepared datasets (`light_curves/`).
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.utils.data import Subset
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import SAFE_WEIGHTS_NAME

from ..light_curves.labelled import read_labelled
from ..light_curves.source import iter_split
from ..model.feature_extraction_astromer import RaggedLightCurves, cut_windows
from ..model.modeling_astromer import AstromerForSequenceClassification
from ..model.weights_astromer import verify_checksum
from .data_collator import InMemoryLightCurves

logger = logging.getLogger(__name__)


@dataclass
class ScriptArguments(TrainingArguments):
    """Trainer's arguments with defaults that suit light curves."""

    remove_unused_columns: bool = False  # the collator makes the model's inputs, not the dataset
    restore_callback_states_from_checkpoint: bool = True  # early stopping keeps its count

    def __post_init__(self) -> None:
        """Use the CPU if there is no accelerator: otherwise Trainer rejects bfloat16 on it."""
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()

    @property
    def output_folder(self) -> Path:
        """The folder that the run writes to; Trainer has a default."""
        assert self.output_dir is not None
        return Path(self.output_dir)


def read_yaml_arguments(argv: Sequence[str]) -> list[str]:
    """If `argv` starts with a YAML file, replace it by its fields as options. Later options override them."""
    if not argv or not argv[0].endswith((".yaml", ".yml")):
        return list(argv)
    options: list[str] = []
    for name, value in yaml.safe_load(Path(argv[0]).read_text()).items():
        values = value if isinstance(value, list) else [value]
        options += [f"--{name}", *(json.dumps(part) if isinstance(part, dict) else str(part) for part in values)]
    return options + list(argv[1:])


def load_split(
    dataset: str | Path, split: str, *, min_points: int = 1, max_objects: int | None = None, seed: int = 0
) -> RaggedLightCurves:
    """Read a split of a prepared dataset, `<dataset>/<split>-*.parquet`, into memory.

    It takes 24 bytes per observation, and twice that while it reads.

    Args:
        dataset: folder written by `scripts/prepare_dataset.py`.
        split: `"train"`, `"validation"` or `"test"`.
        min_points: light curves with fewer observations are left out.
        max_objects: size of a random sample; all by default.
        seed: of the sample.

    Raises:
        FileNotFoundError: there is no such split.
    """
    parts = []
    for chunk in iter_split(dataset, split):
        curves, _ = chunk.curves.clean()
        parts.append(curves.select(np.flatnonzero(curves.lengths >= min_points)))
    curves = RaggedLightCurves.concatenate(parts)
    if max_objects is None or len(curves) <= max_objects:
        return curves
    # The order of a table is rarely random: neighbouring rows are often neighbours in the sky, or of the same class.
    return curves.select(np.sort(np.random.default_rng(seed).permutation(len(curves))[:max_objects]))


def load_labelled_split(dataset: str | Path, split: str, *, min_points: int = 1) -> tuple[RaggedLightCurves, np.ndarray]:
    """The labelled light curves of a split, and their labels, `(N,)` strings; see `load_split`."""
    labelled = read_labelled(iter_split(dataset, split), min_points=min_points)
    assert isinstance(labelled.curves, RaggedLightCurves)  # no bands are combined here
    return labelled.curves, labelled.labels


def take_per_class(labels: np.ndarray, classes: Sequence[str] | np.ndarray, per_class: int | None, seed: int) -> np.ndarray:
    """Sorted indices of up to `per_class` random members of each class, all by default."""
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == name][:per_class] for name in classes]))


def mix(curves: Sequence[RaggedLightCurves], power: float, seed: int) -> Subset[Any]:
    """Join surveys into one training set in which a survey of N light curves has the weight N^`power`.

    With a power of 1 an epoch holds every light curve once; with 0 it holds the same number from each survey. The epoch is as
    long as all surveys together. A survey with more than its share is repeated; from one with less, `seed` draws a random part
    once for the whole run.
    """
    counts = np.array([len(part) for part in curves])
    weights = counts**power / np.sum(counts**power)
    generator = np.random.default_rng(seed)
    chosen = []
    for start, count, wanted in zip(np.cumsum(counts) - counts, counts, np.rint(weights * counts.sum()), strict=True):
        whole, rest = divmod(int(wanted), int(count))
        chosen += [np.tile(np.arange(count), whole) + start, generator.permutation(count)[:rest] + start]
    return Subset(InMemoryLightCurves(RaggedLightCurves.concatenate(curves)), np.concatenate(chosen).tolist())


def cut_sequentially(curves: RaggedLightCurves, window_size: int) -> tuple[RaggedLightCurves, np.ndarray]:
    """Cut every window of every light curve into a light curve of its own, for evaluation. A collator takes it whole.

    Returns:
        The windows, and the index of the light curve of each, `(W,)`.
    """
    object_index, start, length = cut_windows(curves.lengths, window_size, "sequential")
    return curves.slices(curves.offsets[object_index] + start, length), object_index


class ExactRmse(TrainerCallback):
    """Make the paper's loss independent of the number of processes and accumulation steps.

    The root of a mean is not additive over micro-batches, but the mean squared error is. So every micro-batch back-propagates
    its mean squared error, and before the optimiser's step the gradient is divided by 2·RMSE of all of them: ∇√m = ∇m / (2√m).
    The training loss in the logs is then the mean squared error.

    Raises:
        ValueError: `max_grad_norm` is set, which would clip the gradient of the mean squared error.
    """

    def __init__(self) -> None:
        self._errors: list[torch.Tensor] = []
        self._hook: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Square the loss that the model returns."""
        if args.max_grad_norm:
            raise ValueError(
                f"Gradient clipping does not work with the exact RMSE: set `max_grad_norm` to 0, got {args.max_grad_norm}."
            )

        def square_loss(module: nn.Module, inputs: Any, output: Any) -> Any:
            if module.training and output.loss is not None:
                output.loss = output.loss.square()
                self._errors.append(output.loss.detach())
            return output

        self._hook = kwargs["model"].register_forward_hook(square_loss)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Turn the gradient of the mean squared error into that of its root."""
        error = torch.stack(self._errors).mean()
        self._errors.clear()
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(error)
            error /= torch.distributed.get_world_size()
        for parameter in kwargs["model"].parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(0.5 / error.clamp(min=1e-12).sqrt())

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remove the hook from the model."""
        self._hook.remove()


# Trainer adds the results of a `compute_loss_func` over the micro-batches of a step and does not divide the total. Each result
# is therefore a sum divided by the items of the whole step.


class WeightedCrossEntropy:
    """`compute_loss_func` of a Trainer: cross-entropy with class weights, whose mean over the labels is 1."""

    def __init__(self, class_weights: Sequence[float]):
        self.class_weights = torch.tensor(class_weights, dtype=torch.float32)

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """Weighted sum of the losses divided by the number of items in the step; without that number, torch's weighted mean."""
        logits = outputs["logits"].float()
        weights = self.class_weights.to(logits.device)
        if num_items_in_batch is None:
            return nn.functional.cross_entropy(logits, labels, weights)
        return nn.functional.cross_entropy(logits, labels, weights, reduction="sum") / num_items_in_batch


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> list[float]:
    """Weights that give every class the same influence, `N / (C · members)`.

    Raises:
        ValueError: a class has no member.
    """
    if missing := sorted(set(range(num_classes)) - set(labels.tolist())):
        raise ValueError(f"Classes {missing} have no light curve to weigh.")
    return compute_class_weight("balanced", classes=np.arange(num_classes), y=labels).tolist()


@torch.no_grad()
def rescale_predictions(model: AstromerForSequenceClassification, center: float, scale: float) -> None:
    """Make a regression trained on `(target - center) / scale` predict targets, by rescaling its last linear layers."""
    last = [module for module in model.classifier.head.modules() if isinstance(module, nn.Linear)][-1]
    shortcut = model.classifier.shortcut
    for layer in (last,) if shortcut is None else (last, shortcut):
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    last.bias.add_(center)


def last_complete_checkpoint(folder: str | Path) -> str | None:
    """The newest checkpoint of a run that training can resume from. Incomplete checkpoints of an interrupted save are skipped.

    Trainer writes `trainer_state.json` last. A weights file shorter than its header states is incomplete too.
    """

    def step(path: Path) -> int:
        return int(path.name.rpartition("-")[2])

    found = [path for path in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*") if path.name.rpartition("-")[2].isdigit()]
    for checkpoint in sorted(found, key=step, reverse=True):
        try:
            json.loads((checkpoint / TRAINER_STATE_NAME).read_text())
            verify_checksum(checkpoint / SAFE_WEIGHTS_NAME)
            for name in (OPTIMIZER_NAME, SCHEDULER_NAME):
                torch.load(checkpoint / name, map_location="cpu", weights_only=True)
        except Exception as error:  # torch's reader raises many types for damaged files
            logger.warning("Skipping the incomplete checkpoint %s: %s", checkpoint, error)
            continue
        return str(checkpoint)
    return None


def train_or_resume(trainer: Trainer) -> None:
    """Train, from the newest complete checkpoint of the run if there is one.

    If a run has completed its `max_steps`, its weights are loaded and nothing is trained; Trainer would train one step more.
    (Under FSDP and DeepSpeed it does, since only Trainer can load their models.)
    """
    args = trainer.args
    assert args.output_dir is not None
    checkpoint = args.resume_from_checkpoint or last_complete_checkpoint(args.output_dir)
    if checkpoint is not None and args.max_steps > 0 and not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
        if state.global_step >= args.max_steps:
            logger.warning("%s has completed all %d steps: there is nothing left to train.", checkpoint, args.max_steps)
            best = state.best_model_checkpoint if args.load_best_model_at_end else None
            trainer._load_from_checkpoint(best if best is not None and Path(best).is_dir() else checkpoint)
            state.is_local_process_zero = trainer.is_local_process_zero()
            state.is_world_process_zero = trainer.is_world_process_zero()
            trainer.state = state
            return
    trainer.train(resume_from_checkpoint=checkpoint)


def read_learning_curves(log_history: Sequence[Mapping[str, float]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every quantity that Trainer logged, as its steps and values, `(n,)` each."""
    names = sorted({name for entry in log_history for name in entry} - {"step", "epoch"})
    curves = {}
    for name in names:
        points = [(entry["step"], entry[name]) for entry in log_history if name in entry and math.isfinite(entry[name])]
        if points:
            curves[name] = tuple(np.array(points, dtype=float).T)
    return curves
