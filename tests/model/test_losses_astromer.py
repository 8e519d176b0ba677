# Copyright 2026 The astromer_hf developers. MIT licence.
"""A step of the stock Trainer has one loss and one gradient, into however many parts its batch is divided."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from astromer_hf import (
    AstromerConfig,
    AstromerForMaskedReconstruction,
    AstromerForPreTraining,
    AstromerForSequenceClassification,
)
from astromer_hf.baselines.lstm_baseline import LightCurveLSTMForSequenceClassification
from astromer_hf.model.losses_astromer import sequence_classification_loss

LABELS = {
    "single_label_classification": torch.arange(16) % 3,
    "multi_label_classification": (torch.arange(48).reshape(16, 3) % 5 < 2).float(),
    "regression": torch.linspace(-2, 3, 48).reshape(16, 3),
}
SPLITS = [(16, 1), (4, 4), (1, 16), (5, 4)]  # the last part of the last has one window


class Windows(Dataset[dict[str, torch.Tensor]]):
    """Sixteen windows, or stars of two views, with these labels."""

    def __init__(self, labels: torch.Tensor | None, shape: tuple[int, ...] = (12,)):
        generator = torch.Generator().manual_seed(0)
        times = (100 * torch.rand(16, *shape, generator=generator)).sort(-1).values
        self.columns = {
            "times": times - times.mean(-1, keepdim=True),
            "magnitudes": torch.randn(16, *shape, generator=generator),
        }
        self.columns["labels"] = self.columns["magnitudes"].clone() if labels is None else labels

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: column[index] for name, column in self.columns.items()}


class Gradient(TrainerCallback):
    """Keeps the gradient of the first step."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.values = {name: p.grad.clone() for name, p in kwargs["model"].named_parameters() if p.grad is not None}


def step(model: torch.nn.Module, data: Windows, size: int, parts: int, folder: Path) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss and the gradient of one step of the stock Trainer."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=1,
        per_device_train_batch_size=size,
        gradient_accumulation_steps=parts,
        train_sampling_strategy="sequential",
        max_grad_norm=0.0,
        save_strategy="no",
        logging_steps=1,
        use_cpu=True,
        disable_tqdm=True,
    )
    gradient = Gradient()
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[gradient])
    trainer.train()
    return trainer.state.log_history[0]["loss"], gradient.values


def build(model_class: Any, **fields: Any) -> Any:
    torch.manual_seed(0)
    return model_class(AstromerConfig(**{**TINY, "hidden_dropout_prob": 0.0, "classifier_hidden_sizes": [8], **fields}))


@pytest.mark.parametrize("model_class", [AstromerForSequenceClassification, LightCurveLSTMForSequenceClassification])
@pytest.mark.parametrize("problem", LABELS)
def test_a_step_of_a_classifier_or_regression_is_the_same_in_any_number_of_parts(
    problem: str, model_class: Any, tmp_path: Path
):
    results = [
        step(build(model_class, num_labels=3, problem_type=problem), Windows(LABELS[problem]), size, parts, tmp_path)
        for size, parts in (SPLITS if model_class is AstromerForSequenceClassification else SPLITS[:2])
    ]
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-4)
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-4, atol=1e-6)


def test_the_first_labels_tell_what_the_problem_is():
    logits = torch.randn(4, 3)
    for labels, expected in (
        (torch.tensor([0, 1, 2, 0]), "single_label_classification"),
        (torch.ones(4, 3), "multi_label_classification"),
        (torch.ones(4, 3, dtype=torch.long), "multi_label_classification"),
    ):
        config = AstromerConfig(**TINY, num_labels=3)
        sequence_classification_loss(labels, logits, config)
        assert config.problem_type == expected
    config = AstromerConfig(**TINY, num_labels=1)
    loss = sequence_classification_loss(torch.ones(4), logits[:, :1], config)
    assert config.problem_type == "regression"
    torch.testing.assert_close(loss, (logits[:, 0] - 1).square().mean())


def test_labels_of_minus_100_do_not_count_and_a_target_of_minus_100_does():
    logits = torch.randn(4, 3)
    config = AstromerConfig(**TINY, num_labels=3, problem_type="single_label_classification")
    labels = torch.tensor([0, -100, 2, -100])
    expected = torch.nn.functional.cross_entropy(logits[::2], labels[::2])
    torch.testing.assert_close(sequence_classification_loss(labels, logits, config), expected)
    assert sequence_classification_loss(torch.full((4,), -100), logits, config) == 0
    config.problem_type = "multi_label_classification"
    labels = torch.tensor([[1.0, -100, 0]] * 4)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, ::2], labels[:, ::2])
    torch.testing.assert_close(sequence_classification_loss(labels, logits, config), expected)
    config.problem_type = "regression"
    torch.testing.assert_close(sequence_classification_loss(labels, logits, config), (logits - labels).square().mean())


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_labels_of_another_shape_are_refused_and_not_broadcast(problem: str):
    config = AstromerConfig(**TINY, num_labels=3, problem_type=problem)
    with pytest.raises(ValueError, match=r"needs `labels` of shape \(4, 3\), got \(4,\)"):
        sequence_classification_loss(torch.ones(4), torch.randn(4, 3), config)


def test_a_step_of_the_pre_training_is_the_mean_of_its_parts(tmp_path: Path):
    """Equal parts of a mean over windows add up; the root of a mean and SIGReg are of each part, as their docstrings say."""
    whole, parts = (
        step(build(AstromerForMaskedReconstruction, reconstruction_loss="relative"), Windows(None), size, n, tmp_path)
        for size, n in SPLITS[:2]
    )
    assert parts[0] == pytest.approx(whole[0], rel=1e-4)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-4, atol=1e-6)
    for model_class, shape in ((AstromerForMaskedReconstruction, (12,)), (AstromerForPreTraining, (2, 12))):
        fields = {"projection_hidden_size": 8, "projection_size": 4, "distillation_weight": 0.0}
        whole, parts = (step(build(model_class, **fields), Windows(None, shape), size, n, tmp_path) for size, n in SPLITS[:2])
        assert parts[0] == pytest.approx(whole[0], rel=0.05)
