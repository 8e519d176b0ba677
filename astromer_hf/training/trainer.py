# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the training scripts share beyond the stock `Trainer`: arguments, mixed surveys, losses, safe resuming.

Before it stand prepared datasets (`light_curves/`), labelled light curves and the collator; after it `few_shot.py` and
`scripts/run_*.py`.
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
    """Trainer's arguments with the defaults that our data need."""

    remove_unused_columns: bool = False  # the collator, not the dataset, makes the model's inputs
    restore_callback_states_from_checkpoint: bool = True  # the patience of early stopping goes on where it was

    def __post_init__(self) -> None:
        """Take the CPU where there is nothing else: Trainer refuses bfloat16 there until it is told so."""
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()

    @property
    def output_folder(self) -> Path:
        """Where the run writes; Trainer has a default."""
        assert self.output_dir is not None
        return Path(self.output_dir)


def read_yaml_arguments(argv: Sequence[str]) -> list[str]:
    """Put the fields of a YAML file, if `argv` starts with one, as options before the others, which so override them."""
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
    """Read a split of a prepared dataset, `<dataset>/<split>-*.parquet`, into memory: 24 bytes an observation, and twice that
    for a moment.

    Args:
        dataset: folder that `scripts/prepare_dataset.py` wrote.
        split: `"train"`, `"validation"` or `"test"`.
        min_points: light curves with fewer observations are left out.
        max_objects: a random sample of so many is taken; all by default.
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
    # A table's order is rarely random: neighbours in it are neighbours in the sky, or in the catalogue's order of classes.
    return curves.select(np.sort(np.random.default_rng(seed).permutation(len(curves))[:max_objects]))


def load_labelled_split(dataset: str | Path, split: str, *, min_points: int = 1) -> tuple[RaggedLightCurves, np.ndarray]:
    """The light curves of a split that have a label, and the labels, `(N,)` strings; see `load_split`."""
    labelled = read_labelled(iter_split(dataset, split), min_points=min_points)
    assert isinstance(labelled.curves, RaggedLightCurves)  # no bands are combined here
    return labelled.curves, labelled.labels


def take_per_class(labels: np.ndarray, classes: Sequence[str] | np.ndarray, per_class: int | None, seed: int) -> np.ndarray:
    """Numbers of up to `per_class` random members of each class, all by default, in their order."""
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == name][:per_class] for name in classes]))


def mix(curves: Sequence[RaggedLightCurves], power: float, seed: int) -> Subset[Any]:
    """Join surveys into one training set in which a survey of N light curves weighs as N^`power`.

    With a power of 1 an epoch holds every light curve once, with 0 as many of each survey. The epoch has as many light curves
    as there are; of a survey that weighs more than its share all come several times, of one that weighs less a random part,
    which `seed` draws once for the whole run.
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
    """Every window of every light curve as a light curve of its own, for evaluation: a collator takes it whole.

    Returns:
        The windows, and the light curve that each is of, `(W,)`.
    """
    object_index, start, length = cut_windows(curves.lengths, window_size, "sequential")
    return curves.slices(curves.offsets[object_index] + start, length), object_index


class ExactRmse(TrainerCallback):
    """Make the paper's loss mean the same on any number of processes and accumulation steps.

    The root of a mean is not additive over micro-batches. So every micro-batch back-propagates its mean squared error, which
    is, and before the optimiser's step the gradient is divided by 2·RMSE of all of them: ∇√m = ∇m / (2√m). The training loss
    in the logs is then the mean squared error.

    Raises:
        ValueError: `max_grad_norm` is set, which would clip the gradient of the mean squared error.
    """

    def __init__(self) -> None:
        self._errors: list[torch.Tensor] = []
        self._hook: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Square the loss that the model returns."""
        if args.max_grad_norm:
            raise ValueError(f"The exact RMSE is not clipped: set `max_grad_norm` to 0, got {args.max_grad_norm}.")

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
        """Leave the model as it was."""
        self._hook.remove()


# Trainer adds up what a `compute_loss_func` returns for the micro-batches of a step, and divides by nothing: each is a sum,
# divided by the items of the whole step.


class WeightedCrossEntropy:
    """`compute_loss_func` of a Trainer: cross-entropy in which every class has a weight, with a mean of 1 over the labels."""

    def __init__(self, class_weights: Sequence[float]):
        self.class_weights = torch.tensor(class_weights, dtype=torch.float32)

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """Weighted sum of the losses by the number of items in the step, or else their weighted mean, as torch defines it."""
        logits = outputs["logits"].float()
        weights = self.class_weights.to(logits.device)
        if num_items_in_batch is None:
            return nn.functional.cross_entropy(logits, labels, weights)
        return nn.functional.cross_entropy(logits, labels, weights, reduction="sum") / num_items_in_batch


def squared_error(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """`compute_loss_func` of a Trainer: the mean squared error of one number, which of transformers' own would not add up."""
    squares = (outputs["logits"].float().squeeze(-1) - labels).square()
    return squares.mean() if num_items_in_batch is None else squares.sum() / num_items_in_batch


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> list[float]:
    """Weights by which every class counts the same, `N / (C · members)`.

    Raises:
        ValueError: a class has no member.
    """
    if missing := sorted(set(range(num_classes)) - set(labels.tolist())):
        raise ValueError(f"Classes {missing} have no light curve to weigh.")
    return compute_class_weight("balanced", classes=np.arange(num_classes), y=labels).tolist()


@torch.no_grad()
def rescale_predictions(model: AstromerForSequenceClassification, center: float, scale: float) -> None:
    """Have a regression that learned `(target - center) / scale` predict targets: its last linear layer takes both up."""
    last = [module for module in model.classifier.modules() if isinstance(module, nn.Linear)][-1]
    last.weight *= scale
    last.bias.mul_(scale).add_(center)


def last_complete_checkpoint(folder: str | Path) -> str | None:
    """The newest checkpoint of a run that can be resumed from; one that a kill left half-written is passed over.

    Trainer writes `trainer_state.json` last. Weights whose file is shorter than its header says do not count either.
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
        except Exception as error:  # torch's reader lets out whatever a damaged file makes of it, its own unpickler's error too
            logger.warning("Passing over %s, which is not complete: %s", checkpoint, error)
            continue
        return str(checkpoint)
    return None


def train_or_resume(trainer: Trainer) -> None:
    """Train, from the newest complete checkpoint of the run where there is one.

    A run that has made all of its `max_steps` has its weights loaded and is left as it is; Trainer would make one step more.
    (Under FSDP and DeepSpeed it does: their models Trainer alone can load.)
    """
    args = trainer.args
    assert args.output_dir is not None
    checkpoint = args.resume_from_checkpoint or last_complete_checkpoint(args.output_dir)
    if checkpoint is not None and args.max_steps > 0 and not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
        if state.global_step >= args.max_steps:
            logger.warning("%s has made all %d steps: nothing is left to train.", checkpoint, args.max_steps)
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
