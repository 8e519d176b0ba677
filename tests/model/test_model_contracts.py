# Copyright 2026 The astromer_hf developers. MIT licence.
"""What users of transformers expect of every model, and what no input may do to one."""

import warnings

import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from tiny_models import INPUTS, MODELS, SCHEMES, SUMMED, build, masked_batch, outputs_of

from astromer_hf import (
    AstromerConfig,
    AstromerForMaskedReconstruction,
    AstromerForPreTraining,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.baselines.lstm_baseline import LightCurveLSTMForSequenceClassification
from astromer_hf.model.masks_astromer import center_times
from astromer_hf.model.modeling_astromer import AstromerPreTrainedModel


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


# --- Times that are not centred ---


@pytest.mark.parametrize("days", [58000.0, 2458000.5, -400.0, 3.0])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_times_of_any_zero_point_have_the_embedding_of_centred_ones(tiny_config: AstromerConfig, scheme: str, days: float):
    model = build(AstromerModel, tiny_config, masking_scheme=scheme)
    inputs = {name: values for name, values in masked_batch().items() if name in INPUTS}
    moved = {**inputs, "times": inputs["times"].double() + days}  # of padding too, as a table's would be
    expected = outputs_of(model, inputs)["pooler_output"]
    torch.testing.assert_close(outputs_of(model, moved)["pooler_output"], expected, rtol=1e-4, atol=1e-4)


def test_padding_has_no_effect_on_windows_that_are_not_centred():
    model = build(AstromerModel, AstromerConfig(**TINY_EXTENDED))
    generator = torch.Generator().manual_seed(2)
    times = 58000 + (torch.rand(3, 20, generator=generator, dtype=torch.float64) * 400).sort(-1).values
    inputs = {"magnitudes": torch.sin(times).float(), "times": times, "attention_mask": torch.ones(3, 20, dtype=torch.long)}
    padded = {name: torch.nn.functional.pad(values, (0, 9)) for name, values in inputs.items()}
    torch.testing.assert_close(outputs_of(model, padded)["pooler_output"], outputs_of(model, inputs)["pooler_output"], **SUMMED)


def test_centred_times_keep_every_bit():
    times = masked_batch()["times"]
    observed = masked_batch()["attention_mask"].bool()
    kept = center_times(times, observed)
    assert kept.dtype == torch.float32
    torch.testing.assert_close(kept, times * observed, rtol=0, atol=0)
    torch.testing.assert_close(center_times(times.double(), observed), (times * observed).double(), rtol=0, atol=0)


def test_a_model_warns_of_times_whose_type_has_lost_minutes():
    model = build(AstromerModel, AstromerConfig(**TINY))
    inputs = {name: masked_batch()[name] for name in ("magnitudes", "times", "attention_mask")}
    with pytest.warns(UserWarning, match=r"torch.float32 around 580\d\d.*, where one step is 5.6 minutes"):
        model(**{**inputs, "times": inputs["times"] + 58000})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(**inputs)
        model(**{**inputs, "times": inputs["times"] + 2000})
        model(**{**inputs, "times": inputs["times"].double() + 58000})


# --- Nothing to see ---


@pytest.mark.parametrize("shape", [(0, 20), (3, 0), (0, 0)])
@pytest.mark.parametrize("model_class", [*MODELS, LightCurveLSTMForSequenceClassification])
def test_a_batch_of_nothing_is_refused_in_one_sentence(
    tiny_config: AstromerConfig, model_class: type[AstromerPreTrainedModel], shape: tuple[int, int]
):
    inputs = {"magnitudes": torch.zeros(shape), "times": torch.zeros(shape)}
    with pytest.raises(ValueError, match=r"A batch needs at least one window of at least one column, got the shape \("):
        build(model_class, tiny_config)(**inputs)


@pytest.mark.parametrize("shape", [(0, 2, 20), (3, 0, 20), (3, 2, 0), (1, 1, 20), (3, 20)])
def test_stars_without_views_to_compare_are_refused(shape: tuple[int, ...]):
    model = build(AstromerForPreTraining, AstromerConfig(**TINY, projection_hidden_size=8, projection_size=4)).train()
    with pytest.raises(ValueError, match=r"got the shape|got \("):
        model(magnitudes=torch.zeros(shape), times=torch.zeros(shape))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_window_without_observations_is_embedded_as_zero_and_leaves_the_others_as_they_are(
    tiny_config: AstromerConfig, scheme: str, attention: str
):
    model = build(AstromerModel, tiny_config, masking_scheme=scheme, attn_implementation=attention)
    inputs = {name: values for name, values in masked_batch().items() if name in INPUTS}
    expected = outputs_of(model, inputs)["pooler_output"]
    inputs["attention_mask"][1] = 0
    outputs = outputs_of(model, inputs)
    assert not outputs["pooler_output"][1].any()
    assert outputs["last_hidden_state"].isfinite().all()
    kept = torch.tensor([0, 2, 3])
    torch.testing.assert_close(outputs["pooler_output"][kept], expected[kept], **SUMMED)
    inputs["attention_mask"][:] = 0
    assert not outputs_of(model, inputs)["pooler_output"].any()


@pytest.mark.parametrize("head", ["mlp", "linear", "lstm"])
def test_a_classifier_and_a_reconstruction_of_nothing_are_finite(tiny_config: AstromerConfig, head: str):
    inputs = masked_batch()
    inputs["attention_mask"][:] = 0
    fields = {"num_labels": 3, "classifier_head": head, "classifier_pooling": "mean_std"}
    model = build(AstromerForSequenceClassification, tiny_config, **fields)
    windows = {name: inputs[name] for name in ("magnitudes", "times", "attention_mask")}
    assert model(**windows, labels=torch.tensor([0, 1, 2, 0])).loss.isfinite()
    assert build(AstromerForMaskedReconstruction, tiny_config)(**inputs).loss < 1e-5
