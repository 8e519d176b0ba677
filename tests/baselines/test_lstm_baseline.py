# Copyright 2026 The astromer_hf developers. MIT licence.
"""The baseline reads magnitudes and time differences alone, and trades for the classifier with an encoder."""

import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerForSequenceClassification
from astromer_hf.baselines.lstm_baseline import LightCurveLSTMForSequenceClassification


@pytest.fixture
def model() -> LightCurveLSTMForSequenceClassification:
    return LightCurveLSTMForSequenceClassification(AstromerConfig(**TINY, num_labels=3, classifier_lstm_sizes=[8, 6])).eval()


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    lengths = torch.tensor([12, 7, 1])
    return {
        "magnitudes": torch.randn(3, 12),
        "times": (torch.rand(3, 12) * 50).sort(1).values,
        "attention_mask": (torch.arange(12) < lengths[:, None]).long(),
    }


def test_it_takes_and_gives_what_the_classifier_does(model, inputs):
    labels = torch.tensor([0, 2, 1])
    ours = model(**inputs, labels=labels)
    theirs = AstromerForSequenceClassification(model.config)(**inputs, labels=labels)
    assert ours.logits.shape == theirs.logits.shape == (3, 3)
    torch.testing.assert_close(ours.loss, torch.nn.functional.cross_entropy(ours.logits, labels))


def test_every_parameter_gets_a_gradient(model, inputs):
    model(**inputs, labels=torch.tensor([0, 2, 1])).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_only_differences_of_times_matter(model, inputs):
    with torch.no_grad():
        expected = model(**inputs).logits
        torch.testing.assert_close(model(**inputs | {"times": inputs["times"] + 64}).logits, expected, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(model(**inputs | {"times": inputs["times"] * 2}).logits[:2], expected[:2], atol=1e-5)


def test_what_stands_in_padding_changes_no_logit(model, inputs):
    padding = inputs["attention_mask"] == 0
    filled = {name: inputs[name].masked_fill(padding, -9.0) for name in ("magnitudes", "times")}
    with torch.no_grad():
        torch.testing.assert_close(model(**inputs | filled).logits, model(**inputs).logits)


def test_it_is_saved_and_loaded(model, inputs, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = LightCurveLSTMForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(loaded(**inputs).logits, model(**inputs).logits, rtol=0, atol=0)
