# Copyright 2026 The astromer_hf developers. MIT licence.
"""The model computes what TensorFlow's ASTROMER did, hides what it must not see, and keeps every contract of Transformers."""

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from tiny_models import EXACT, INPUTS, MODELS, SCHEMES, SUMMED, Batch, assert_same_outputs, build, masked_batch, outputs_of
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.folding_astromer import visible_center_and_scale
from astromer_hf.model.heads_astromer import pool_observed
from astromer_hf.model.losses_astromer import inverse_error_weights, masked_rmse, relative_squared_error
from astromer_hf.model.modeling_astromer import AstromerLayer, AstromerPreTrainedModel, AstromerTimeEncoding


@pytest.fixture
def batch() -> Batch:
    return masked_batch()


@pytest.fixture
def inputs(batch: Batch) -> Batch:
    """What every model takes."""
    return {name: batch[name] for name in INPUTS}


# --- Parity with the released weights in TensorFlow ---

# Of the two ways that torch computes `sdpa` on a CPU, the fused one rounds differently: on the window of 37 points it ends
# 1.4e-3 from TensorFlow's embeddings, where float64 ends at 7e-4.
ATTENTIONS = [
    pytest.param("eager", nullcontext, 1.0, id="eager"),
    pytest.param("sdpa", lambda: sdpa_kernel(SDPBackend.MATH), 1.0, id="sdpa"),
    pytest.param("sdpa", nullcontext, 2.0, id="sdpa-fused"),
]
EMBEDDING_TOLERANCE, RECONSTRUCTION_TOLERANCE, LOSS_TOLERANCE = 1e-3, 2e-4, 1.5e-5  # the loss is 0.146

# TensorFlow's names in `grad_names` -> ours. Keras numbers layers of a type through the whole model.
LAYER_GRADIENTS = {
    "encoder/encoder_layer{_i}/multi_head_attention{_i}/WQ": "attention.q_proj",
    "encoder/encoder_layer{_i}/multi_head_attention{_i}/WK": "attention.k_proj",
    "encoder/encoder_layer{_i}/multi_head_attention{_i}/WV": "attention.v_proj",
    "encoder/encoder_layer{_i}/multi_head_attention{_i}/MixerDense": "attention.o_proj",
}
GRADIENTS = {
    "encoder/dense": "model.embeddings.magnitude_embedding",
    **{
        theirs.format(_i=f"_{i}" if i else ""): f"model.layers.{i}.{ours}"
        for i in range(2)
        for theirs, ours in LAYER_GRADIENTS.items()
    },
    "dense_1": "model.layers.0.mlp.fc1",
    "dense_2": "model.layers.0.mlp.fc2",
    "dense_3": "model.layers.1.mlp.fc1",
    "dense_4": "model.layers.1.mlp.fc2",
    "encoder/encoder_layer/layer_normalization": "model.layers.0.attention_layer_norm",
    "encoder/encoder_layer/layer_normalization_1": "model.layers.0.output_layer_norm",
    "encoder/encoder_layer_1/layer_normalization_2": "model.layers.1.attention_layer_norm",
    "encoder/encoder_layer_1/layer_normalization_3": "model.layers.1.output_layer_norm",
    "regression/layer_normalization_4": "decoder_layer_norm",
    "regression/RegLayer": "decoder",
}
GRADIENT_LEAVES = {"kernel:0": "weight", "bias:0": "bias", "gamma:0": "weight", "beta:0": "bias"}


@pytest.fixture(scope="module")
def masked_reference(shared_reference: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared_reference / "masked_batch_as_trained.npz"))


@pytest.fixture
def masked_inputs(masked_reference: dict[str, np.ndarray]) -> Batch:
    """The reference's batch in our names. Upstream's `mask_in` is 1 where a magnitude is hidden or padding."""
    theirs = {name: torch.from_numpy(masked_reference[name].squeeze(-1)) for name in ("input", "times", "mask_in", "output")}
    observed = torch.arange(200) < torch.from_numpy(masked_reference["length"])[:, None]
    return {
        "magnitudes": theirs["input"],
        "times": theirs["times"],
        "attention_mask": observed,
        "masked_positions": theirs["mask_in"].bool() & observed,
        "loss_mask": torch.from_numpy(masked_reference["mask_out"].squeeze(-1)).bool(),
        "labels": theirs["output"],
    }


def released(folder: Path, **fields: Any) -> AstromerForMaskedReconstruction:
    return AstromerForMaskedReconstruction.from_pretrained(folder, **fields)


def largest_difference(ours: torch.Tensor, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours.detach().numpy() - theirs).max())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_released_weights_embed_as_in_tensorflow(shared_reference: Path, macho_a0: Path, attention: str):
    reference = np.load(shared_reference / "encode_pip018.npz")
    observed = np.arange(200) < reference["length"][:, None]
    np.testing.assert_array_equal(reference["mask_in"].squeeze(-1), ~observed)
    model = released(macho_a0, masking_scheme="additive_padding", attn_implementation=attention)
    magnitudes, times = (torch.from_numpy(reference[name].squeeze(-1)) for name in ("input", "times"))
    with torch.no_grad():
        outputs = model(magnitudes, times, torch.from_numpy(observed))
    assert largest_difference(outputs.last_hidden_state, reference["embedding"]) < EMBEDDING_TOLERANCE
    assert largest_difference(outputs.reconstruction, reference["reconstruction"].squeeze(-1)) < RECONSTRUCTION_TOLERANCE


@pytest.mark.parametrize(("attention", "kernel", "factor"), ATTENTIONS)
def test_a_masked_batch_passes_through_as_in_tensorflow(
    macho_a0: Path,
    masked_reference: dict[str, np.ndarray],
    masked_inputs: Batch,
    attention: str,
    kernel: type[AbstractContextManager],
    factor: float,
):
    model = released(macho_a0, masking_scheme="additive_padding", attn_implementation=attention)
    mixed: list[torch.Tensor] = []
    model.model.layers[0].attention.register_forward_hook(lambda module, args, outputs: mixed.append(outputs[0]))
    with torch.no_grad(), kernel():
        outputs = model(**masked_inputs, output_hidden_states=True)
    hidden = outputs.hidden_states
    time_encoding = model.model.embeddings.time_encoding(masked_inputs["times"])
    for ours, theirs in (
        (time_encoding[:1], "pos_encoding_0"),
        (hidden[0][[0, 3]], "hidden_in"),
        (mixed[0][3:], "mha_out_1"),
        (hidden[1][[0, 3]], "hidden_1"),
        (hidden[2], "hidden_2"),
    ):
        assert largest_difference(ours, masked_reference[theirs]) < EMBEDDING_TOLERANCE * factor, theirs
    reconstruction = masked_reference["reconstruction"].squeeze(-1)
    assert largest_difference(outputs.reconstruction, reconstruction) < RECONSTRUCTION_TOLERANCE * factor
    assert abs(float(outputs.loss) - float(masked_reference["loss_rmse"])) < LOSS_TOLERANCE * factor


def test_attention_weights_are_those_of_tensorflow(
    macho_a0: Path, masked_reference: dict[str, np.ndarray], masked_inputs: Batch
):
    model = released(macho_a0, masking_scheme="additive_padding", attn_implementation="eager")
    with torch.no_grad():
        attentions = model(**masked_inputs, output_attentions=True).attentions
    for ours, theirs in zip(attentions, ("attention_1_head0", "attention_2_head0"), strict=True):
        assert largest_difference(ours[[0, 3], 0, :8], masked_reference[theirs]) < 1e-4


@pytest.mark.parametrize(("attention", "kernel", "factor"), ATTENTIONS)
def test_gradients_are_those_of_tensorflow(
    macho_a0: Path,
    masked_reference: dict[str, np.ndarray],
    masked_inputs: Batch,
    attention: str,
    kernel: type[AbstractContextManager],
    factor: float,
):
    model = released(macho_a0, masking_scheme="additive_padding", attn_implementation=attention)
    with kernel():
        model(**masked_inputs).loss.backward()
    norms = {name: float(parameter.grad.norm()) for name, parameter in model.named_parameters()}
    expected = {}
    for name, norm in zip(masked_reference["grad_names"], masked_reference["grad_l2"], strict=True):
        layer, _, leaf = name.rpartition("/")
        expected[f"{GRADIENTS[layer]}.{GRADIENT_LEAVES[leaf]}"] = float(norm)
    assert norms.keys() == expected.keys()
    for name, norm in expected.items():
        # A key bias moves all logits of a query alike: its gradient is zero but for rounding.
        floor = 2e-5 if name.endswith("k_proj.bias") else 0.0
        assert abs(norms[name] - norm) <= max(1e-3 * factor * norm, floor), name


def test_the_paper_as_printed_is_a_base_of_1000_and_no_attention_to_masked_keys(
    shared_reference: Path, macho_a0: Path, masked_inputs: Batch
):
    """Upstream's magnitudes stay in the input there, so that no masking scheme of ours is this one: its parts are."""
    reference = np.load(shared_reference / "masked_batch_paper_formula.npz")["reconstruction_base1000_minus1e9_keys"]
    model = released(macho_a0, time_encoding_base=1000, attn_implementation="eager")
    attended = masked_inputs["attention_mask"] & ~masked_inputs["masked_positions"]
    additive_mask = torch.where(attended, 0.0, -1e9)[:, None, None]
    with torch.no_grad():
        hidden = model.model.embeddings(masked_inputs["magnitudes"], masked_inputs["times"])
        for layer in model.model.layers:
            hidden = layer(hidden, attention_mask=additive_mask)
        reconstruction = model.decoder(model.decoder_layer_norm(hidden))
    assert largest_difference(reconstruction, reference) < RECONSTRUCTION_TOLERANCE


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_short_curve_has_the_same_released_embedding_whatever_it_is_padded_to(
    shared_reference: Path, macho_a0: Path, attention: str
):
    curves = np.load(shared_reference / "curves.npz")
    curve = curves["time_1"][:50], curves["mag_1"][:50]
    extractor = AstromerFeatureExtractor.from_pretrained(macho_a0)
    assert released(macho_a0).config.masking_scheme == "additive"

    def pooled(window_size: int, **fields: Any) -> torch.Tensor:
        model = AstromerModel.from_pretrained(macho_a0, attn_implementation=attention, **fields)
        windows = extractor(*curve, window_size=window_size, padding="max_length", return_tensors="pt")
        return outputs_of(model, windows)["pooler_output"]

    for window_size in (57, 200, 400):
        torch.testing.assert_close(pooled(window_size), pooled(50), rtol=0, atol=2e-4)
    assert (pooled(200, masking_scheme="additive_padding") - pooled(50)).abs().max() > 0.1


# --- Time encoding ---


@pytest.mark.parametrize(("base", "exponent"), [(1000, 2), (10000.0, 2.0), (1000, 1)])
def test_the_time_encoding_follows_its_formula(base: float, exponent: float):
    encoding = AstromerTimeEncoding(AstromerConfig(time_encoding_base=base, time_encoding_exponent=exponent))
    times = torch.tensor([[-1234.5, -0.25, 0.0, 1e-4, 7.0, 1350.125]])
    index = np.arange(256)
    angles = times.numpy().astype(np.float64)[..., None] * base ** (-exponent * index / 256)
    expected = np.where(index % 2 == 0, np.sin(angles), np.cos(angles))
    assert largest_difference(encoding(times), expected) < 2e-4  # a float32 angle of 1350 rad


def test_times_are_encoded_in_float32_whatever_the_type_of_the_model(tmp_path: Path):
    config = AstromerConfig(**TINY)
    expected = AstromerTimeEncoding(config)
    AstromerModel(config).save_pretrained(tmp_path)
    times = torch.tensor([[-1000.03, 0.01, 1000.03]])
    for model in (
        AstromerModel(config).to(torch.bfloat16),
        AstromerModel(config).half().float(),
        AstromerModel.from_pretrained(tmp_path, dtype=torch.bfloat16),
        AstromerModel.from_pretrained(tmp_path, dtype=torch.bfloat16).double(),
    ):
        encoding = model.embeddings.time_encoding
        assert encoding.angular_frequencies.dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoded = encoding(times)
        assert encoded.dtype == torch.float32
        torch.testing.assert_close(encoded, expected(times), rtol=0, atol=0)


def test_the_time_encoding_is_no_part_of_the_checkpoint():
    assert not any("angular_frequencies" in name for name in AstromerModel(AstromerConfig(**TINY)).state_dict())


# --- What is hidden stays hidden ---


@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize("value", [1.5, 1e30, float("nan"), float("-inf")])
def test_no_output_depends_on_hidden_magnitudes(
    tiny_config: AstromerConfig, inputs: Batch, model_class: type[AstromerPreTrainedModel], value: float
):
    model = build(model_class, tiny_config)
    changed = {**inputs, "magnitudes": inputs["magnitudes"].masked_fill(inputs["masked_positions"], value)}
    assert_same_outputs(outputs_of(model, changed), outputs_of(model, inputs))


@pytest.mark.parametrize("scheme", ["hidden", "additive"])
@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf")])
def test_no_output_depends_on_what_stands_in_padding(tiny_config: AstromerConfig, batch: Batch, scheme: str, value: float):
    model = build(AstromerForMaskedReconstruction, tiny_config, masking_scheme=scheme)
    padding = batch["attention_mask"] == 0
    assert padding.any()
    changed = {name: batch[name].masked_fill(padding, value) for name in ("magnitudes", "times", "labels", "magnitude_errors")}
    changed |= {name: batch[name] | padding for name in ("masked_positions", "loss_mask")}
    assert_same_outputs(outputs_of(model, batch | changed), outputs_of(model, batch))


@pytest.mark.parametrize("scheme", ["additive", "additive_padding"])
def test_the_additive_schemes_let_the_encoder_see_masked_magnitudes(batch: Batch, inputs: Batch, scheme: str):
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**TINY), masking_scheme=scheme)
    changed = {**inputs, "magnitudes": inputs["magnitudes"] + inputs["masked_positions"]}
    difference = outputs_of(model, changed)["reconstruction"] - outputs_of(model, inputs)["reconstruction"]
    assert (difference.abs()[batch["masked_positions"]] > 1e-4).all()


@pytest.mark.parametrize("days", [0.3, 5000.0])
def test_a_hidden_observation_is_reconstructed_at_its_time_and_seen_by_no_other(
    tiny_config: AstromerConfig, inputs: Batch, days: float
):
    model = build(AstromerForMaskedReconstruction, tiny_config)
    places = inputs["masked_positions"][0].nonzero()[:2, 0]
    moved = {**inputs, "times": inputs["times"].clone()}
    moved["times"][0, places] += torch.tensor([days, -days])  # leaves the centre of the window where it is
    before, after = (outputs_of(model, given)["reconstruction"] for given in (inputs, moved))
    assert ((before[0, places] - after[0, places]).abs() > 1e-4).all()
    after[0, places] = before[0, places]
    torch.testing.assert_close(after, before, **EXACT)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("model_class", MODELS)
def test_windows_with_nothing_visible_or_nothing_at_all_give_finite_outputs_and_gradients(
    tiny_config: AstromerConfig, inputs: Batch, scheme: str, model_class: type[AstromerPreTrainedModel]
):
    model = build(model_class, tiny_config, masking_scheme=scheme)
    inputs["masked_positions"][0] = True
    inputs["attention_mask"][1] = 0
    outputs = dict(model(**inputs))
    sum(value.sum() for value in outputs.values()).backward()
    assert all(value.isfinite().all() for value in outputs.values())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


# --- Invariances ---


def test_the_order_of_windows_does_not_matter(tiny_config: AstromerConfig, inputs: Batch):
    model = build(AstromerForMaskedReconstruction, tiny_config)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = outputs_of(model, {name: values[order] for name, values in inputs.items()})
    assert_same_outputs(shuffled, {name: values[order] for name, values in outputs_of(model, inputs).items()})
    alone = outputs_of(model, {name: values[1:2] for name, values in inputs.items()})
    # A matrix product of fewer rows rounds otherwise.
    assert_same_outputs(alone, {name: values[1:2] for name, values in outputs_of(model, inputs).items()}, **SUMMED)


@pytest.mark.parametrize("scheme", ["hidden", "additive"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_length_of_padding_does_not_matter(tiny_config: AstromerConfig, inputs: Batch, scheme: str, attention: str):
    model = build(AstromerModel, tiny_config, masking_scheme=scheme, attn_implementation=attention)
    inputs["masked_positions"][3] = True  # a window with nothing visible
    padded = {name: torch.nn.functional.pad(values, (0, 45)) for name, values in inputs.items()}
    before, after = outputs_of(model, inputs), outputs_of(model, padded)
    torch.testing.assert_close(after["pooler_output"], before["pooler_output"], **SUMMED)
    observed = inputs["attention_mask"].bool()
    torch.testing.assert_close(after["last_hidden_state"][:, :20][observed], before["last_hidden_state"][observed], **SUMMED)


@pytest.mark.parametrize(("days", "magnitudes"), [(58000.0, 0.0), (-1234.56, 0.0), (0.0, 18.3), (2450000.5, -25.0)])
def test_shifted_times_and_magnitudes_have_the_same_embedding(tiny_config: AstromerConfig, days: float, magnitudes: float):
    model = build(AstromerModel, tiny_config)
    curves = simulate_light_curves(7)
    extractor = AstromerFeatureExtractor(window_size=200)

    def embed(days: float, magnitudes: float) -> dict[str, Any]:
        times = [curve.mjd - 50000.0 + days for curve in curves]
        return outputs_of(model, extractor(times, [curve.mag + magnitudes for curve in curves], return_tensors="pt"))

    assert_same_outputs(embed(days, magnitudes), embed(0.0, 0.0))


@pytest.mark.parametrize("length", [1, 7, 333])
def test_any_length_is_embedded(tiny_config: AstromerConfig, length: int):
    curve = next(curve for curve in simulate_light_curves(12) if len(curve.mjd) >= 333)
    windows = AstromerFeatureExtractor(window_size=length)(curve.mjd, curve.mag, windows="first", return_tensors="pt")
    outputs = outputs_of(build(AstromerModel, tiny_config), windows)
    assert outputs["last_hidden_state"].shape == (1, length, 16)
    assert outputs["last_hidden_state"].isfinite().all()
    torch.testing.assert_close(outputs["pooler_output"], outputs["last_hidden_state"].mean(1))


@pytest.mark.parametrize(("name", "shape"), [("times", (4, 19)), ("attention_mask", (3, 20)), ("masked_positions", (4, 20, 1))])
def test_inputs_of_different_shapes_are_refused(inputs: Batch, name: str, shape: tuple[int, ...]):
    model = AstromerModel(AstromerConfig(**TINY))
    with pytest.raises(ValueError, match=rf"`magnitudes` and `{name}`.*\(windows, length\).*AstromerFeatureExtractor"):
        model(**(inputs | {name: torch.zeros(shape)}))


# --- Number formats ---


def test_bfloat16_embeds_within_3_percent_of_float32(tiny_config: AstromerConfig, batch: Batch):
    model = build(AstromerForMaskedReconstruction, tiny_config)
    exact = outputs_of(model, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        autocast = outputs_of(model, batch)
    cast = outputs_of(model.to(torch.bfloat16), batch)
    assert cast["last_hidden_state"].dtype == torch.bfloat16
    assert cast["loss"].dtype == torch.float32
    for outputs in (autocast, cast):
        errors = outputs["last_hidden_state"].float() - exact["last_hidden_state"]
        assert errors.norm() < 0.03 * exact["last_hidden_state"].norm()


def test_the_released_weights_embed_windows_within_5_percent_in_bfloat16(macho_a0: Path):
    curves = simulate_light_curves(7)
    windows = AstromerFeatureExtractor()([c.mjd for c in curves], [c.mag for c in curves], return_tensors="pt")
    exact, rounded = (
        outputs_of(AstromerModel.from_pretrained(macho_a0, dtype=dtype), windows)["pooler_output"].float()
        for dtype in (torch.float32, torch.bfloat16)
    )
    errors = (rounded - exact).norm(dim=1) / exact.norm(dim=1)
    assert errors.max() < 0.05
    assert errors.median() < 0.01


def test_float64_times_and_magnitudes_are_accepted(tiny_config: AstromerConfig, inputs: Batch):
    model = build(AstromerForMaskedReconstruction, tiny_config)
    double = {**inputs, "magnitudes": inputs["magnitudes"].double(), "times": inputs["times"].double()}
    assert_same_outputs(outputs_of(model, double), outputs_of(model, inputs), rtol=1e-4, atol=1e-4)


# --- Saving, loading, Auto classes ---


@pytest.mark.parametrize(
    ("model_class", "auto_class"),
    list(zip(MODELS, [AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification], strict=True)),
)
def test_a_saved_model_comes_back_through_its_auto_class(
    tiny_config: AstromerConfig,
    inputs: Batch,
    tmp_path: Path,
    model_class: type[AstromerPreTrainedModel],
    auto_class: type[AutoModel],
):
    model = build(model_class, tiny_config)
    model.save_pretrained(tmp_path)
    AstromerFeatureExtractor(window_size=33).save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "preprocessor_config.json"}
    loaded, info = auto_class.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is model_class
    assert not any(info.values())
    assert_same_outputs(outputs_of(loaded, inputs), outputs_of(model, inputs), rtol=0, atol=0)
    assert AutoConfig.from_pretrained(tmp_path).to_diff_dict() == model.config.to_diff_dict()
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path)
    assert (type(extractor), extractor.window_size) == (AstromerFeatureExtractor, 33)


@pytest.mark.parametrize("head", [AstromerForMaskedReconstruction, AstromerForSequenceClassification])
def test_a_bare_encoder_is_loaded_from_a_model_with_a_head(
    tiny_config: AstromerConfig, inputs: Batch, tmp_path: Path, head: type[AstromerPreTrainedModel]
):
    model = build(head, tiny_config)
    model.save_pretrained(tmp_path)
    encoder, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert_same_outputs(outputs_of(encoder, inputs), outputs_of(model.model, inputs), rtol=0, atol=0)


def test_a_classifier_starts_from_a_pre_trained_encoder_and_misses_its_head_alone(
    tiny_config: AstromerConfig, inputs: Batch, tmp_path: Path
):
    pretrained = build(AstromerForMaskedReconstruction, tiny_config)
    pretrained.save_pretrained(tmp_path)
    model, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=3, output_loading_info=True)
    assert set(info.pop("missing_keys")) == {name for name in model.state_dict() if name.startswith("classifier.")}
    assert not any(info.values())
    assert_same_outputs(outputs_of(model.model, inputs), outputs_of(pretrained.model, inputs), rtol=0, atol=0)
    assert outputs_of(model, inputs)["logits"].shape == (4, 3)


def test_heads_are_put_on_an_encoder_saved_alone(tiny_config: AstromerConfig, inputs: Batch, tmp_path: Path):
    encoder = build(AstromerModel, tiny_config)
    encoder.save_pretrained(tmp_path)
    model = AstromerForMaskedReconstruction.from_pretrained(tmp_path)
    assert_same_outputs(outputs_of(model.model, inputs), outputs_of(encoder, inputs), rtol=0, atol=0)


def test_weights_start_xavier_uniform_as_in_keras():
    model = AstromerForSequenceClassification(AstromerConfig())
    checked = 0
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            limit = (6 / sum(module.weight.shape)) ** 0.5
            assert 0.95 * limit < module.weight.abs().max() <= limit
            assert abs(float(module.weight.detach().std()) / (limit / 3**0.5) - 1) < 0.15
            assert not module.bias.any()
            checked += 1
        elif isinstance(module, torch.nn.LayerNorm):
            assert (module.weight == 1).all()
            assert not module.bias.any()
    assert checked == 1 + 2 * 6 + 4


def test_the_mask_token_starts_at_the_visible_mean():
    assert AstromerModel(AstromerConfig(**TINY_EXTENDED)).embeddings.mask_token.item() == 0


# --- Attention and outputs ---


@pytest.mark.parametrize("scheme", SCHEMES)
def test_eager_and_sdpa_attention_agree(tiny_config: AstromerConfig, batch: Batch, scheme: str):
    eager, sdpa = (
        build(AstromerForMaskedReconstruction, tiny_config, masking_scheme=scheme, attn_implementation=name)
        for name in ("eager", "sdpa")
    )
    assert (eager.config._attn_implementation, sdpa.config._attn_implementation) == ("eager", "sdpa")
    assert_same_outputs(outputs_of(eager, batch), outputs_of(sdpa, batch), rtol=1e-4, atol=1e-5)


def test_nothing_attends_to_hidden_observations_and_padding(tiny_config: AstromerConfig, inputs: Batch):
    model = build(AstromerModel, tiny_config, attn_implementation="eager")
    attentions = outputs_of(model, inputs, output_attentions=True)["attentions"]
    visible = inputs["attention_mask"].bool() & ~inputs["masked_positions"]
    assert len(attentions) == 2
    for weights in attentions:
        assert weights.shape == (4, 4, 20, 20)
        torch.testing.assert_close(weights.sum(-1), torch.ones(4, 4, 20))
        assert torch.equal(weights > 0, visible[:, None, None].expand_as(weights))


def test_the_additive_scheme_multiplies_attention_to_a_masked_observation_by_e(inputs: Batch):
    model = build(AstromerModel, AstromerConfig(**TINY), masking_scheme="additive", attn_implementation="eager")
    masked = inputs["masked_positions"].clone()
    masked[0] = torch.arange(20) == 3
    with_mask, without = (
        outputs_of(model, inputs | {"masked_positions": positions}, output_attentions=True)["attentions"][0][0]
        for positions in (masked, torch.zeros_like(masked))
    )
    odds_with, odds_without = (weights[:, 0, 3] / weights[:, 0, 5] for weights in (with_mask, without))
    torch.testing.assert_close(odds_with, odds_without * math.e)
    torch.testing.assert_close(with_mask[:, 3], without[:, 3])  # a masked query raises all its logits alike


@pytest.mark.parametrize("model_class", MODELS)
def test_hidden_states_and_attentions_come_on_request(
    tiny_config: AstromerConfig, inputs: Batch, model_class: type[AstromerPreTrainedModel]
):
    model = build(model_class, tiny_config, attn_implementation="eager")
    plain = outputs_of(model, inputs)
    assert not plain.keys() & {"hidden_states", "attentions"}
    outputs = outputs_of(model, inputs, output_hidden_states=True, output_attentions=True)
    assert [tuple(state.shape) for state in outputs["hidden_states"]] == [(4, 20, 16)] * 3
    assert len(outputs["attentions"]) == 2
    if "last_hidden_state" in outputs:
        torch.testing.assert_close(outputs["hidden_states"][-1], outputs["last_hidden_state"], rtol=0, atol=0)
    assert_same_outputs({name: outputs[name] for name in plain}, plain)


@pytest.mark.parametrize("model_class", MODELS)
def test_outputs_come_as_a_tuple_on_request(
    tiny_config: AstromerConfig, inputs: Batch, model_class: type[AstromerPreTrainedModel]
):
    expected = tuple(outputs_of(build(model_class, tiny_config), inputs).values())
    with torch.no_grad():
        for outputs in (
            build(model_class, tiny_config)(**inputs, return_dict=False),
            build(model_class, tiny_config, return_dict=False)(**inputs),
        ):
            assert isinstance(outputs, tuple)
            torch.testing.assert_close(outputs, expected)


def test_windows_of_the_extractor_are_the_arguments_of_every_model(tiny_config: AstromerConfig):
    curves = simulate_light_curves(3)
    columns = ([getattr(curve, name) for curve in curves] for name in ("mjd", "mag", "magerr"))
    windows = AstromerFeatureExtractor(window_size=200)(*columns, return_tensors="pt")
    assert "magnitude_errors" in windows
    for model_class in MODELS:
        model = build(model_class, tiny_config)
        assert model.main_input_name == next(iter(windows)) == "magnitudes"
        with_errors, without = (
            outputs_of(model, {name: windows[name] for name in windows if name not in left_out})
            for left_out in ((), ("magnitude_errors",))
        )
        if tiny_config.use_magnitude_errors:
            assert not torch.allclose(next(iter(with_errors.values())), next(iter(without.values())))
        else:
            assert_same_outputs(with_errors, without)


# --- Training ---


def gradients(model: AstromerPreTrainedModel, batch: Batch) -> Batch:
    torch.manual_seed(3)  # of the dropout
    model.zero_grad()
    model(**batch).loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_gradient_checkpointing_gives_the_same_gradients(tiny_config: AstromerConfig, batch: Batch, use_reentrant: bool):
    model = build(AstromerForMaskedReconstruction, tiny_config).train()
    plain = {name: gradient.clone() for name, gradient in gradients(model, batch).items()}
    calls = []
    model.model.layers[0].attention.register_forward_hook(lambda *_: calls.append(1))
    model.activation_checkpointing_enable({"use_reentrant": use_reentrant})
    torch.testing.assert_close(gradients(model, batch), plain)
    assert len(calls) == 2  # forward, and again on the way back


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_parameter_of_the_reconstruction_gets_a_gradient(tiny_config: AstromerConfig, batch: Batch, scheme: str):
    model = build(AstromerForMaskedReconstruction, tiny_config, masking_scheme=scheme)
    batch["masked_positions"][0] = False  # the encoder sees errors only where nothing is hidden
    for name, gradient in gradients(model, batch).items():
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
        # Softmax does not feel a key bias, and windows with hidden observations are encoded without errors.
        assert gradient.any() or name.endswith(("k_proj.bias", "error_embedding.weight")), name


HEADS = [
    pytest.param({"classifier_hidden_sizes": [8, 6]}, id="mlp"),
    pytest.param({"classifier_head": "linear"}, id="linear"),
    pytest.param({"classifier_head": "linear", "classifier_pooling": "mean_std"}, id="mean and deviation"),
    pytest.param({"classifier_hidden_sizes": [8], "classifier_batch_norm": True}, id="batch norm"),
    pytest.param({"classifier_head": "lstm", "classifier_lstm_sizes": [8, 6]}, id="lstm"),
    pytest.param({"use_weighted_layer_sum": True}, id="layer-skip pooling"),
    pytest.param({"concatenate_layers": True, "classifier_hidden_sizes": [8]}, id="all blocks side by side"),
]


@pytest.mark.parametrize("head", HEADS)
def test_every_parameter_of_the_classifier_gets_a_gradient(tiny_config: AstromerConfig, inputs: Batch, head: dict[str, Any]):
    model = build(AstromerForSequenceClassification, tiny_config, num_labels=3, **head)
    inputs["masked_positions"][0] = False  # the encoder sees errors only where nothing is hidden
    for name, gradient in gradients(model, inputs | {"labels": torch.tensor([0, 1, 2, 0])}).items():
        assert gradient is not None, name
        assert gradient.any() or name.endswith("k_proj.bias"), name


def test_dropout_acts_in_training_only(batch: Batch):
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**(TINY | {"hidden_dropout_prob": 0.5})))
    assert_same_outputs(outputs_of(model, batch), outputs_of(model, batch), rtol=0, atol=0)
    model.train()
    assert outputs_of(model, batch)["loss"] != outputs_of(model, batch)["loss"]


CLASS_IDS = torch.tensor([0, 2, 1, 2])
INDICATORS = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]])
PROBLEMS = [
    ("single_label_classification", CLASS_IDS, torch.nn.functional.cross_entropy),
    ("multi_label_classification", INDICATORS, torch.nn.functional.binary_cross_entropy_with_logits),
    ("regression", torch.linspace(-1, 1, 12).reshape(4, 3), torch.nn.functional.mse_loss),
]


@pytest.mark.parametrize(("problem_type", "labels", "expected"), PROBLEMS)
def test_the_classification_head_has_the_loss_of_its_problem(
    inputs: Batch, problem_type: str, labels: torch.Tensor, expected: Any
):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY), num_labels=3, problem_type=problem_type)
    outputs = outputs_of(model, inputs | {"labels": labels})
    torch.testing.assert_close(outputs["loss"], expected(outputs["logits"], labels))


@pytest.mark.parametrize(("problem_type", "labels", "expected"), PROBLEMS[:2])
def test_the_kind_of_classification_is_told_by_the_labels(
    inputs: Batch, problem_type: str, labels: torch.Tensor, expected: Any
):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY), num_labels=3)
    outputs = outputs_of(model, inputs | {"labels": labels})
    torch.testing.assert_close(outputs["loss"], expected(outputs["logits"], labels))
    assert model.config.problem_type == problem_type


def test_one_label_is_a_regression(inputs: Batch):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY), num_labels=1)
    labels = torch.tensor([0.5, -1.0, 2.0, 0.0])
    outputs = outputs_of(model, inputs | {"labels": labels})
    torch.testing.assert_close(outputs["loss"], (outputs["logits"][:, 0] - labels).square().mean())


def test_the_classifier_has_the_widths_of_its_config():
    def shapes(**fields: Any) -> list[tuple[int, ...]]:
        model = AstromerForSequenceClassification(AstromerConfig(**TINY, num_labels=5, **fields))
        return [tuple(module.weight.shape) for module in model.classifier.modules() if isinstance(module, torch.nn.Linear)]

    assert shapes() == [(1024, 16), (512, 1024), (256, 512), (5, 256)]
    assert shapes(classifier_hidden_sizes=[7]) == [(7, 16), (5, 7)]
    assert shapes(classifier_hidden_sizes=[]) == shapes(classifier_head="linear") == [(5, 16)]
    assert shapes(classifier_head="lstm", classifier_lstm_sizes=[9, 4]) == [(5, 4)]


@pytest.mark.parametrize("head", HEADS)
def test_a_saved_classifier_comes_back_with_its_head(inputs: Batch, head: dict[str, Any], tmp_path: Path):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY_EXTENDED), num_labels=3, **head)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert_same_outputs(outputs_of(loaded, inputs), outputs_of(model, inputs), rtol=0, atol=0)


@pytest.mark.parametrize("head", HEADS)
def test_what_stands_in_padding_changes_no_logit(inputs: Batch, head: dict[str, Any]):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY), num_labels=3, **head)
    padding = inputs["attention_mask"] == 0
    filled = {name: inputs[name].masked_fill(padding, 7.0) for name in ("magnitudes", "times")}
    assert_same_outputs(outputs_of(model, inputs | filled), outputs_of(model, inputs))


def test_an_lstm_reads_the_observations_as_if_they_were_packed(inputs: Batch):
    config = AstromerConfig(**TINY, classifier_head="lstm", classifier_lstm_sizes=[8], classifier_dropout=0.3)
    model = build(AstromerForSequenceClassification, config, num_labels=3)
    head = model.classifier.head
    states = outputs_of(model.model, inputs)["last_hidden_state"]
    observed = inputs["attention_mask"].bool()
    packed = torch.nn.utils.rnn.pack_padded_sequence(states, observed.sum(1), batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        _, (last, _) = head.lstms[0](packed)
        expected = head.output(head.layer_norms[0](last[0]))
        torch.testing.assert_close(head(states, observed), expected)
        scattered = torch.cat((torch.full_like(states[:, :3], float("inf")), states), dim=1)  # padding may stand before, too
        scattered_mask = torch.cat((torch.zeros_like(observed[:, :3]), observed), dim=1)
        torch.testing.assert_close(head(scattered.nan_to_num(posinf=9.0), scattered_mask), expected)


def test_a_head_may_see_the_deviations_of_embeddings_beside_their_means(inputs: Batch):
    config = AstromerConfig(**TINY, classifier_head="linear", classifier_pooling="mean_std")
    model = build(AstromerForSequenceClassification, config, num_labels=3)
    states = outputs_of(model.model, inputs)["last_hidden_state"]
    observed = inputs["attention_mask"].bool()
    rows = [row[mask] for row, mask in zip(states, observed, strict=True)]
    pooled = torch.stack([torch.cat((row.mean(0), row.std(0, correction=0))) for row in rows])
    with torch.no_grad():
        # The root has a floor, so that a window of one observation has a gradient.
        torch.testing.assert_close(outputs_of(model, inputs)["logits"], model.classifier.head(pooled), rtol=1e-3, atol=1e-4)


def test_batch_norm_standardises_pooled_features_by_those_seen_in_training(inputs: Batch):
    config = AstromerConfig(**TINY, classifier_head="linear", classifier_batch_norm=True)
    model = build(AstromerForSequenceClassification, config, num_labels=3)
    head = model.classifier.head.train()
    pooled = outputs_of(model.model, inputs)["pooler_output"]
    with torch.no_grad():
        standardised = (pooled - pooled.mean(0)) / (pooled.var(0, correction=0) + 1e-5).sqrt()
        torch.testing.assert_close(head(pooled), head.layers(standardised), rtol=1e-4, atol=1e-4)
        for _ in range(200):
            head(pooled)
        unbiased = (pooled - pooled.mean(0)) / (pooled.var(0) + 1e-5).sqrt()
        torch.testing.assert_close(head.eval()(pooled), head.layers(unbiased), rtol=1e-3, atol=1e-3)
        assert head.train()(pooled[:1]).isfinite().all()  # by what was seen before


def test_layer_skip_pooling_mixes_the_input_embedding_and_every_block(inputs: Batch):
    config = AstromerConfig(**TINY, use_weighted_layer_sum=True, classifier_head="linear")
    model = build(AstromerForSequenceClassification, config, num_labels=3)
    with torch.no_grad():
        model.classifier.layer_weights.copy_(torch.tensor([0.2, -1.0, 0.5]))
    states = outputs_of(model.model, inputs, output_hidden_states=True)["hidden_states"]
    weights = torch.tensor([0.2, -1.0, 0.5]).softmax(0)
    mixture = sum(weight * state for weight, state in zip(weights, states, strict=True))
    observed = inputs["attention_mask"].bool()
    means = torch.stack([row[mask].mean(0) for row, mask in zip(mixture, observed, strict=True)])
    with torch.no_grad():
        expected = model.classifier.head.layers[-1](means)
    torch.testing.assert_close(outputs_of(model, inputs)["logits"], expected)


def test_layers_that_are_concatenated_are_pooled_side_by_side_the_input_embedding_first(inputs: Batch):
    config = AstromerConfig(**TINY, concatenate_layers=True, classifier_head="linear", classifier_pooling="mean_std")
    model = build(AstromerForSequenceClassification, config, num_labels=3)
    states = outputs_of(model.model, inputs, output_hidden_states=True)["hidden_states"]
    assert config.head_input_size == len(states) * 2 * config.hidden_size
    pooled = torch.cat([pool_observed(state, inputs["attention_mask"].bool(), "mean_std") for state in states], dim=-1)
    with torch.no_grad():
        expected = model.classifier.head.layers[-1](pooled)
    outputs = outputs_of(model, inputs)
    torch.testing.assert_close(outputs["logits"], expected)
    assert "hidden_states" not in outputs  # which nobody asked for


@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_the_weights_of_a_head_start_as_wide_as_the_configuration_says_and_those_of_the_encoder_do_not(head: str):
    fields = {"classifier_head": head, "classifier_hidden_sizes": [512], "num_labels": 512}
    torch.manual_seed(0)
    plain, narrow = (
        AstromerForSequenceClassification(AstromerConfig(**fields, classifier_initializer_range=width))
        for width in (None, 0.001)
    )
    for name, weights in narrow.state_dict().items():
        before = plain.state_dict()[name]
        if name.startswith("classifier") and weights.ndim == 2:
            assert weights.std().item() == pytest.approx(0.001, rel=0.05), name
            assert before.abs().max() == pytest.approx((6 / sum(before.shape)) ** 0.5, rel=0.01), name  # Glorot's uniform one
        elif weights.ndim == 2:
            assert weights.std().item() == pytest.approx(before.std().item(), rel=0.1), name


def test_a_frozen_encoder_is_not_trained_and_drops_nothing(inputs: Batch):
    config = AstromerConfig(**(TINY | {"hidden_dropout_prob": 0.5}))
    model = build(AstromerForSequenceClassification, config, num_labels=3)
    model.freeze_encoder()
    model.train()
    assert model.classifier.training
    assert not model.model.training
    loss = model(**inputs, labels=torch.tensor([0, 1, 2, 0])).loss
    loss.backward()
    assert all(parameter.grad is None for parameter in model.model.parameters())
    assert all(parameter.grad is not None for parameter in model.classifier.parameters())
    assert model(**inputs, labels=torch.tensor([0, 1, 2, 0])).loss == loss


def test_a_classifier_without_labels_is_refused():
    with pytest.raises(ValueError, match="`num_labels` must be at least 1, got 0"):
        AstromerForSequenceClassification(AstromerConfig(**TINY, num_labels=0))


# --- Losses ---


@pytest.fixture
def scored() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reconstruction, labels and a loss mask with an empty row; NaN where nothing is scored."""
    generator = torch.Generator().manual_seed(5)
    reconstruction, labels = (torch.randn(6, 11, generator=generator, dtype=torch.float64) for _ in range(2))
    loss_mask = torch.rand(6, 11, generator=generator) < 0.4
    loss_mask[2] = False
    return reconstruction, labels.masked_fill(~loss_mask, float("nan")), loss_mask


def window_errors(scored: tuple[torch.Tensor, ...], relative: bool) -> list[float]:
    """Mean squared error of every scored window, window by window and observation by observation."""
    errors = []
    for reconstruction, labels, mask in zip(*(tensor.numpy() for tensor in scored), strict=True):
        pairs = [(r, m) for r, m, scored_here in zip(reconstruction, labels, mask, strict=True) if scored_here]
        if pairs:
            error = sum((r - m) ** 2 for r, m in pairs) / len(pairs)
            errors.append(error / (sum(m**2 for _, m in pairs) / len(pairs) + 0.003) if relative else error)
    assert len(errors) == 5
    return errors


def test_the_rmse_is_the_root_of_the_mean_over_windows(scored: tuple[torch.Tensor, ...]):
    errors = window_errors(scored, relative=False)
    assert float(masked_rmse(*scored)) == pytest.approx(float(np.sqrt(np.mean(errors))), rel=1e-6)


def test_the_relative_loss_is_the_mean_of_errors_over_powers(scored: tuple[torch.Tensor, ...]):
    errors = window_errors(scored, relative=True)
    assert float(relative_squared_error(*scored)) == pytest.approx(float(np.mean(errors)), rel=1e-6)


@pytest.mark.parametrize("loss", [masked_rmse, relative_squared_error])
def test_a_loss_without_a_scored_observation_or_error_is_zero_with_a_finite_gradient(loss: Any):
    for reconstruction, mask in ((torch.zeros(2, 3), torch.ones(2, 3)), (torch.ones(2, 3), torch.zeros(2, 3))):
        reconstruction.requires_grad_()
        value = loss(reconstruction, torch.zeros(2, 3), mask.bool())
        value.backward()
        assert value.item() <= 1e-6
        assert not reconstruction.grad.any()


@pytest.mark.parametrize(("name", "loss"), [("rmse", masked_rmse), ("relative", relative_squared_error)])
def test_the_config_names_the_loss_and_the_mask_defaults_to_what_was_hidden(batch: Batch, name: str, loss: Any):
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**TINY), reconstruction_loss=name)
    outputs = outputs_of(model, batch)
    torch.testing.assert_close(outputs["loss"], loss(outputs["reconstruction"], batch["labels"], batch["loss_mask"]))
    del batch["loss_mask"]
    outputs = outputs_of(model, batch)
    torch.testing.assert_close(outputs["loss"], loss(outputs["reconstruction"], batch["labels"], batch["masked_positions"]))
    del batch["masked_positions"]
    outputs = outputs_of(model, batch)
    observed = batch["attention_mask"].bool()
    torch.testing.assert_close(outputs["loss"], loss(outputs["reconstruction"], batch["labels"], observed))


def test_a_loss_is_weighed_by_inverse_errors_where_the_config_says_so(batch: Batch):
    errors = torch.rand(4, 20, generator=torch.Generator().manual_seed(1)) + 0.01
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**TINY))
    plain = outputs_of(model, batch)
    assert_same_outputs(outputs_of(model, {**batch, "magnitude_errors": errors}), plain)
    model.config.weight_loss_by_errors = True
    assert_same_outputs(outputs_of(model, {**batch, "magnitude_errors": None}), plain)

    observed = batch["attention_mask"].bool().numpy()
    means = []
    for row in range(4):
        precisions = 1 / errors.numpy()[row]
        seen = precisions[observed[row]]
        weights = (precisions - seen.min()) / (seen.max() - seen.min()) + 1e-3
        squares = (plain["reconstruction"] - batch["labels"])[row].numpy() ** 2
        means.append(np.mean((weights * squares)[batch["loss_mask"][row].numpy()]))
    weighted = outputs_of(model, {**batch, "magnitude_errors": errors})
    assert float(weighted["loss"]) == pytest.approx(np.sqrt(np.mean(means)), rel=1e-5)
    torch.testing.assert_close(weighted["reconstruction"], plain["reconstruction"], rtol=0, atol=0)


def test_unknown_errors_weigh_least_and_equal_or_absent_ones_nothing():
    errors = torch.tensor([[0.1, 0.2, float("nan"), 0.0, 0.001], [0.3] * 5, [float("nan")] * 5])
    observed = torch.tensor([[True] * 4 + [False]] * 3)
    weights = inverse_error_weights(errors, observed)
    torch.testing.assert_close(weights[0, :4], torch.tensor([1.001, 0.001, 0.001, 0.001]))
    assert (weights[1:] == 1).all()


# --- Options beyond the paper ---


@pytest.mark.parametrize("scheme", SCHEMES)
def test_hidden_observations_enter_as_the_mask_token(inputs: Batch, scheme: str):
    model = build(AstromerModel, AstromerConfig(**TINY), use_mask_token=True, masking_scheme=scheme)
    plain = build(AstromerModel, AstromerConfig(**TINY), masking_scheme="additive" if scheme == "hidden" else scheme)
    with torch.no_grad():
        model.embeddings.mask_token.fill_(0.75)
    replaced = torch.where(inputs["masked_positions"], 0.75, inputs["magnitudes"])
    first = [
        outputs_of(encoder, inputs | {"magnitudes": magnitudes}, output_hidden_states=True)["hidden_states"][0]
        for encoder, magnitudes in ((model, inputs["magnitudes"]), (plain, replaced))
    ]
    observed = inputs["attention_mask"].bool()
    torch.testing.assert_close(first[0][observed], first[1][observed])


def test_a_shift_of_normalised_magnitudes_shifts_the_reconstruction_and_no_embedding(batch: Batch):
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**TINY_EXTENDED))
    before, after = outputs_of(model, batch), outputs_of(model, batch | {"magnitudes": batch["magnitudes"] + 0.25})
    torch.testing.assert_close(after["last_hidden_state"], before["last_hidden_state"], **SUMMED)
    torch.testing.assert_close(after["reconstruction"], before["reconstruction"] + 0.25, **SUMMED)


def test_a_normalised_reconstruction_is_in_magnitudes_again(batch: Batch):
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**TINY), normalize_amplitude=True)
    with torch.no_grad():
        model.decoder.weight.zero_()
        model.decoder.bias.fill_(1.5)
    visible = batch["attention_mask"].bool() & ~batch["masked_positions"]
    center, scale = visible_center_and_scale(batch["magnitudes"], visible)
    torch.testing.assert_close(outputs_of(model, batch)["reconstruction"], (center + 1.5 * scale).expand(4, 20))


@pytest.mark.parametrize("use_residual", [True, False])
def test_a_block_without_effect_passes_its_input_only_with_residuals(use_residual: bool):
    layer = AstromerLayer(AstromerConfig(**TINY, use_residual=use_residual, attn_implementation="eager")).eval()
    for module in (layer.attention.o_proj, layer.mlp.fc2):
        torch.nn.init.zeros_(module.weight)
        torch.nn.init.zeros_(module.bias)
    hidden = torch.randn(2, 5, 16)
    normalised = torch.nn.functional.layer_norm(hidden, (16,))
    expected = normalised if use_residual else torch.zeros_like(hidden)
    with torch.no_grad():
        torch.testing.assert_close(layer(hidden), expected, rtol=1e-4, atol=1e-4)


def test_a_residual_passes_through_a_learned_layer_on_request():
    config = AstromerConfig(**TINY, use_residual=True, use_residual_projection=True, attn_implementation="eager")
    layer = AstromerLayer(config).eval()
    hidden = torch.randn(2, 5, 16)
    with torch.no_grad():
        mixed, _ = layer.attention(hidden)
        middle = layer.attention_layer_norm(layer.attention_residual(hidden) + mixed)
        expected = layer.output_layer_norm(layer.mlp_residual(middle) + layer.mlp(middle))
        torch.testing.assert_close(layer(hidden), expected)
        for projection in (layer.attention_residual, layer.mlp_residual):
            torch.nn.init.eye_(projection.weight)
            torch.nn.init.zeros_(projection.bias)
        plain = AstromerLayer(AstromerConfig(**TINY, use_residual=True, attn_implementation="eager")).eval()
        plain.load_state_dict({name: tensor for name, tensor in layer.state_dict().items() if "residual" not in name})
        torch.testing.assert_close(layer(hidden), plain(hidden))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_temperature_divides_the_products_of_queries_and_keys(inputs: Batch, attention: str):
    model = build(AstromerModel, AstromerConfig(**TINY), attn_implementation=attention)
    warm = build(AstromerModel, AstromerConfig(**TINY), attn_implementation=attention, attention_temperature=4.0)
    warm.load_state_dict(model.state_dict())
    assert not torch.allclose(outputs_of(warm, inputs)["pooler_output"], outputs_of(model, inputs)["pooler_output"])
    with torch.no_grad():
        for layer in model.layers:
            layer.attention.q_proj.weight /= 4
            layer.attention.q_proj.bias /= 4
    assert_same_outputs(outputs_of(warm, inputs), outputs_of(model, inputs))


def test_a_band_embedding_tells_the_bands_of_observations_apart(inputs: Batch):
    config = AstromerConfig(**TINY, bands=["R", "B"], use_band_embedding=True)
    model = build(AstromerModel, config)
    plain = build(AstromerModel, AstromerConfig(**TINY))
    plain.load_state_dict(model.state_dict(), strict=False)
    bands = torch.zeros(4, 20, dtype=torch.long)
    in_red = outputs_of(model, {**inputs, "band_ids": bands})["pooler_output"]
    assert not torch.allclose(in_red, outputs_of(model, {**inputs, "band_ids": 1 - bands})["pooler_output"])
    with torch.no_grad():
        model.embeddings.band_embedding.weight[0] = 0
    in_red = outputs_of(model, {**inputs, "band_ids": bands})
    assert_same_outputs(in_red, outputs_of(plain, {**inputs, "band_ids": bands}))  # which has no use for them
    with pytest.raises(ValueError, match="give `band_ids`"):
        outputs_of(model, inputs)


# --- Compilation and export ---

# Tracing takes as long as there are operations; `folding_harmonics` are unrolled.
ONE_LAYER = {**TINY_EXTENDED, "num_hidden_layers": 1, "folding_harmonics": 2}


def test_a_model_compiles_to_one_graph(inputs: Batch):
    model = build(AstromerForSequenceClassification, AstromerConfig(**TINY))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert_same_outputs(outputs_of(compiled, inputs), outputs_of(model, inputs))


def test_a_compiled_training_step_has_the_same_gradients(batch: Batch):
    model = build(AstromerForMaskedReconstruction, AstromerConfig(**ONE_LAYER))
    plain = {name: gradient.clone() for name, gradient in gradients(model, batch).items()}
    model.compile(fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(gradients(model, batch), plain, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_inductor_computes_the_same(tiny_config: AstromerConfig, batch: Batch):
    model = build(AstromerForMaskedReconstruction, tiny_config)
    compiled = torch.compile(model, fullgraph=True)
    assert_same_outputs(outputs_of(compiled, batch), outputs_of(model, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fields", [{**TINY, "num_hidden_layers": 1}, ONE_LAYER])
def test_an_exported_encoder_takes_any_batch_and_length(inputs: Batch, fields: dict[str, Any]):
    model = build(AstromerModel, AstromerConfig(**fields))
    windows, length = torch.export.Dim("windows", min=1), torch.export.Dim("length", min=2)
    exported = torch.export.export(model, (), inputs, dynamic_shapes={name: {0: windows, 1: length} for name in inputs})
    for lengths in ((20, 13, 20, 7), (31, 6), (9, 9, 5)):
        given = {name: values for name, values in masked_batch(lengths, seed=2).items() if name in INPUTS}
        with torch.no_grad():
            outputs = exported.module()(**given)
        assert_same_outputs(dict(outputs), outputs_of(model, given))
