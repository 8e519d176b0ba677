# Copyright 2026 The astromer_hf developers. MIT licence.
"""Checkpoints are saved and loaded as transformers does, except that a damaged one is an error."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification, pipeline

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, AstromerForSequenceClassification, AstromerModel


def classifier(num_labels: int = 3, **fields: Any) -> AstromerForSequenceClassification:
    return AstromerForSequenceClassification(
        AstromerConfig(**TINY, num_labels=num_labels, classifier_hidden_sizes=[8], **fields)
    )


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    weights = other.state_dict()
    return all(torch.equal(tensor, weights[name]) for name, tensor in one.state_dict().items())


# --- Damaged checkpoints ---


def edit_weights(folder: Path, **edits: torch.Tensor | None) -> None:
    """Replace, add or (None) remove weights of a saved model; `__` stands for a dot."""
    weights = load_file(folder / "model.safetensors")
    for name, tensor in edits.items():
        weights[name.replace("__", ".")] = tensor
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, folder / "model.safetensors")


DAMAGES: dict[str, tuple[dict[str, torch.Tensor | None], str]] = {
    "missing in the encoder": ({"model__layers__0__mlp__fc1__bias": None}, "missing: .*layers.0.mlp.fc1.bias"),
    "missing in the head": ({"decoder__bias": None}, "missing: decoder.bias"),
    "unexpected": ({"extra": torch.ones(2)}, "unexpected: extra"),
    "unexpected in the encoder": ({"model__mask": torch.ones(2)}, "unexpected: model.mask"),
    "unexpected in the head": ({"decoder__scale": torch.ones(2)}, "unexpected: decoder.scale"),
    "mismatched": ({"decoder__bias": torch.ones(2)}, r"mismatched: decoder.bias \(2,\) for \(1,\)"),
    "not a number": ({"decoder__bias": torch.full((1,), math.nan)}, "not finite: decoder.bias"),
    "infinite in the encoder": ({"model__layers__0__mlp__fc1__bias": torch.full((8,), math.inf)}, "not finite: .*layers.0"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_an_error_and_not_filled_up(tmp_path: Path, damage: dict[str, torch.Tensor], message: str):
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(tmp_path)
    edit_weights(tmp_path, **damage)
    with pytest.raises(RuntimeError, match=f"The weights of {tmp_path} .*{message}") as error:
        AutoModelForPreTraining.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)
    if not any(name.startswith("decoder") for name in damage):
        for auto_class in (AutoModel, AutoModelForSequenceClassification):
            with pytest.raises(RuntimeError, match="are damaged"):
                auto_class.from_pretrained(tmp_path)
    else:  # a head that is not wanted is not looked at
        AutoModel.from_pretrained(tmp_path)
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


def test_weights_of_an_option_that_the_configuration_does_not_have_are_unexpected(tmp_path: Path):
    config = AstromerConfig(**TINY, num_labels=3, classifier_hidden_sizes=[8], use_weighted_layer_sum=True)
    AstromerForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match=r"unexpected: classifier\.layer_weights"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path, use_weighted_layer_sum=False)


def test_a_pickle_is_loaded_by_nobody_who_does_not_ask_for_it(tmp_path: Path):
    AstromerModel(AstromerConfig(**TINY)).save_pretrained(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"no file named model\.safetensors found") as error:
        AutoModel.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)
    AutoModel.from_pretrained(tmp_path, use_safetensors=False)


# --- The contract of transformers ---


def test_another_number_of_classes_raises_what_transformers_raises_and_names_the_remedy(tmp_path: Path):
    classifier().save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match=r"mismatched: classifier\.head.*`ignore_mismatched_sizes=True`"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=5)


def test_ignored_mismatched_sizes_make_a_new_head_that_no_pipeline_takes_for_a_trained_one(tmp_path: Path):
    saved = classifier(classifier_head="lstm", classifier_lstm_sizes=[4])
    saved.save_pretrained(tmp_path)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        tmp_path, num_labels=5, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert {name for name, _, _ in info["mismatched_keys"]} == {"classifier.head.output.weight", "classifier.head.output.bias"}
    assert same_weights(model.model, saved.model)
    assert model.head_is_new
    with pytest.raises(ValueError, match="has no weights of the head"):
        pipeline("light-curve-classification", model=model)
    assert not AutoModelForSequenceClassification.from_pretrained(tmp_path).head_is_new


def test_a_head_that_the_checkpoint_lacks_is_new(tmp_path: Path):
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(tmp_path)
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).head_is_new
    assert not AutoModelForPreTraining.from_pretrained(tmp_path).head_is_new
    assert not AutoModel.from_pretrained(tmp_path).head_is_new
    classifier(classifier_head="lstm").save_pretrained(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, classifier_head="linear", strict_loading=False)
    assert type(model.classifier.head).__name__ == "AstromerMLPHead"
    assert model.head_is_new


@pytest.mark.parametrize("strict_loading", [True, False])
def test_a_path_of_none_takes_the_weights_of_a_state_dict(
    strict_loading: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "None").mkdir()
    (tmp_path / "None" / "model.safetensors").write_bytes(b"no weights")
    model = classifier()
    loaded = AstromerForSequenceClassification.from_pretrained(
        None, config=model.config, state_dict=model.state_dict(), strict_loading=strict_loading
    )
    assert same_weights(loaded, model)
    assert not loaded.head_is_new
    encoder = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("model.")}
    loaded = AstromerForSequenceClassification.from_pretrained(None, config=model.config, state_dict=encoder)
    assert same_weights(loaded.model, model.model)
    assert loaded.head_is_new


def test_an_empty_state_dict_makes_a_new_model():
    model, info = AstromerForMaskedReconstruction.from_pretrained(
        None, config=AstromerConfig(**TINY), state_dict={}, output_loading_info=True
    )
    assert set(info["missing_keys"]) == set(model.state_dict())
    assert model.head_is_new
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_a_state_dict_beside_a_path_is_refused_as_in_transformers(tmp_path: Path):
    classifier().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="`state_dict` cannot be passed together with a model name"):
        AstromerForSequenceClassification.from_pretrained(tmp_path, state_dict={})


def test_a_state_dict_of_another_shape_raises_what_transformers_raises():
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        AstromerForSequenceClassification.from_pretrained(
            None, config=classifier(5).config, state_dict=classifier(3).state_dict()
        )


def test_one_keyword_loads_what_there_is_of_a_damaged_checkpoint(tmp_path: Path):
    saved = AstromerForMaskedReconstruction(AstromerConfig(**TINY))
    saved.save_pretrained(tmp_path)
    edit_weights(tmp_path, model__layers__0__mlp__fc1__bias=None, extra=torch.ones(2))
    for auto_class in (AutoModelForPreTraining, AutoModel, AutoModelForSequenceClassification):
        with pytest.raises(RuntimeError, match="`strict_loading=False`"):
            auto_class.from_pretrained(tmp_path)
        model, info = auto_class.from_pretrained(tmp_path, strict_loading=False, output_loading_info=True)
        assert any(name.endswith("layers.0.mlp.fc1.bias") for name in info["missing_keys"])
        assert "extra" in info["unexpected_keys"]
        assert torch.equal(model.base_model.layers[1].mlp.fc1.bias, saved.model.layers[1].mlp.fc1.bias)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):  # which transformers refuses by default
        AutoModelForPreTraining.from_pretrained(tmp_path, strict_loading=False, intermediate_size=9)


def test_a_file_without_its_checksum_is_refused_unless_loading_is_not_strict(tmp_path: Path):
    AstromerModel(AstromerConfig(**TINY)).save_pretrained(tmp_path)
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="does not have the checksum"):
        AutoModel.from_pretrained(tmp_path)
    AutoModel.from_pretrained(tmp_path, strict_loading=False)


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("sizes", [("50GB", "4KB"), ("4KB", "50GB"), ("4KB", "2KB"), ("2KB", "4KB")], ids="->".join)
def test_a_folder_that_is_overwritten_in_another_layout_holds_nothing_of_the_old_weights(
    tmp_path: Path, sizes: tuple[str, str], variant: str | None
):
    old, new = classifier(), classifier()
    assert not same_weights(old, new)
    for model, size in zip((old, new), sizes, strict=True):
        model.save_pretrained(tmp_path, max_shard_size=size, variant=variant)
    assert same_weights(AutoModelForSequenceClassification.from_pretrained(tmp_path, variant=variant), new)
    indices = list(tmp_path.glob("*.index*.json"))
    files = {path.name for path in tmp_path.glob("*.safetensors")}
    if sizes[1] == "50GB":
        assert (len(files), indices) == (1, [])
    else:
        assert files == set(json.loads(indices[0].read_text())["weight_map"].values())
