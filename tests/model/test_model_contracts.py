# Copyright 2026 The astromer_hf developers. MIT licence.
"""What users of transformers expect of every model, and what no input may do to one."""

import pytest
import torch
from conftest import TINY
from tiny_models import build, masked_batch, outputs_of

from astromer_hf import AstromerConfig, AstromerForSequenceClassification


@pytest.mark.parametrize("reads_all", [{}, {"use_weighted_layer_sum": True}, {"concatenate_layers": True}])
def test_some_hidden_states_can_be_asked_for_by_their_numbers(reads_all: dict[str, bool]):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY, num_labels=3), **reads_all)
    inputs = {name: masked_batch()[name] for name in ("magnitudes", "times", "attention_mask")}
    whole = outputs_of(model, inputs, output_hidden_states=True)
    some = outputs_of(model, inputs, output_hidden_states=[0, -1])
    torch.testing.assert_close(some["logits"], whole["logits"], rtol=0, atol=0)
    assert [state is not None for state in some["hidden_states"]] == [True, False, True]
    torch.testing.assert_close(some["hidden_states"][-1], whole["hidden_states"][-1], rtol=0, atol=0)
    assert "hidden_states" not in outputs_of(model, inputs, output_hidden_states=False)
