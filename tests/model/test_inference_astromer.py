# Copyright 2026 The astromer_hf developers. MIT licence.
"""Inference takes models out of wrappers, leaves the mode of a model alone, and knows whether its head has been trained."""

import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY
from torch import nn
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments, pipeline

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForSequenceClassification,
    AstromerModel,
    RaggedLightCurves,
)
from astromer_hf.inference.classification import LightCurveClassifier, classify_light_curves
from astromer_hf.inference.embedding import embed_light_curves
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model import inference_astromer
from astromer_hf.model.inference_astromer import in_evaluation_mode, unwrap

ONE_LAYER = {**TINY, "num_hidden_layers": 1}  # is compiled in half of the time
CURVES = simulate_light_curves(4, seed=0)
COLUMNS = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]
ROWS = [{"mjd": curve.mjd, "mag": curve.mag} for curve in CURVES]


def test_every_function_of_the_module_is_exported():
    functions = inspect.getmembers(inference_astromer, inspect.isfunction)
    own = {name for name, function in functions if function.__module__ == inference_astromer.__name__}
    assert own == set(inference_astromer.__all__)


@pytest.fixture
def classifier() -> AstromerForSequenceClassification:
    torch.manual_seed(0)
    return AstromerForSequenceClassification(AstromerConfig(**ONE_LAYER, num_labels=3, classifier_dropout=0.3)).eval()


def compile_layers(model: Any) -> Any:
    model.model.layers[0] = torch.compile(model.model.layers[0], backend="eager")
    return model


def compile_in_place(model: Any) -> Any:
    model.compile(backend="eager")
    return model


def add_adapters(model: Any) -> Any:
    peft = pytest.importorskip("peft")
    return peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", target_modules=["q_proj", "v_proj"])).eval()


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "DataParallel": nn.DataParallel,
    "torch.compile": lambda model: torch.compile(model, backend="eager"),
    "both": lambda model: torch.compile(nn.DataParallel(model), backend="eager"),
    "compiled layers": compile_layers,
    "compiled in place": compile_in_place,
    "PEFT": add_adapters,
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_model_in_a_wrapper_gives_what_it_gives_alone(classifier: AstromerForSequenceClassification, name: str):
    embeddings = embed_light_curves(classifier, *COLUMNS).object_embeddings
    values = classify_light_curves(classifier, *COLUMNS).values
    wrapped = WRAPPERS[name](classifier)
    np.testing.assert_allclose(embed_light_curves(wrapped, *COLUMNS).object_embeddings, embeddings, atol=1e-6)
    np.testing.assert_allclose(classify_light_curves(wrapped, *COLUMNS).values, values, atol=1e-6)
    results = pipeline("light-curve-classification", model=wrapped)(ROWS)
    np.testing.assert_allclose([list(result["probabilities"].values()) for result in results], values, atol=1e-6)
    results = pipeline("light-curve-embedding", model=wrapped)(ROWS)
    np.testing.assert_allclose([result["embedding"] for result in results], embeddings, atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda model: model, nn.DataParallel])
def test_what_holds_no_model_of_ours_is_refused(wrap: Callable[[nn.Module], nn.Module]):
    with pytest.raises(ValueError, match=r"An ASTROMER model is needed, got (DataParallel around )?Linear"):
        embed_light_curves(wrap(nn.Linear(2, 2)), *COLUMNS)


class Stub:
    """What an `OnnxEncoder` has that pipelines look at."""

    config = AstromerConfig(**TINY)


def test_a_pipeline_says_who_takes_what_is_no_torch_model():
    with pytest.raises(ValueError, match=r"A pipeline needs a torch model, got Stub: `embed_light_curves` and `embed_table`"):
        pipeline("light-curve-embedding", model=Stub())


def test_inference_leaves_the_mode_of_a_model_as_it_is(classifier: AstromerForSequenceClassification):
    expected = classify_light_curves(classifier, *COLUMNS).values
    pipe = pipeline("light-curve-classification", model=classifier)
    kept = LightCurveClassifier(classifier)
    classifier.train()  # as in the midst of a training, after the pipeline was made
    modes = [module.training for module in classifier.modules()]
    for found in (
        classify_light_curves(classifier, *COLUMNS).values,
        [list(result["probabilities"].values()) for result in pipe(ROWS)],
        kept.predict(RaggedLightCurves.from_arrays(*COLUMNS)).values,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [module.training for module in classifier.modules()] == modes


def test_the_copy_in_evaluation_mode_shares_weights_buffers_and_configuration(classifier: AstromerForSequenceClassification):
    assert in_evaluation_mode(classifier) is classifier
    copied = in_evaluation_mode(classifier.train())
    assert not any(module.training for module in copied.modules())
    assert copied.config is classifier.config
    ours, theirs = (dict(model.named_parameters()) | dict(model.named_buffers()) for model in (classifier, copied))
    assert ours.keys() == theirs.keys()
    assert all(ours[name] is theirs[name] for name in ours)
    assert unwrap(classifier) is classifier


# --- A new head ---


@pytest.fixture
def new_head(tmp_path: Path) -> AstromerForSequenceClassification:
    torch.manual_seed(0)
    AstromerModel(AstromerConfig(**ONE_LAYER)).save_pretrained(tmp_path / "encoder")
    return AutoModelForSequenceClassification.from_pretrained(tmp_path / "encoder", num_labels=3)


def test_a_head_that_the_stock_trainer_has_trained_is_not_new(new_head: AstromerForSequenceClassification, tmp_path: Path):
    assert new_head.head_is_new
    windows = AstromerFeatureExtractor(20)(*COLUMNS, windows="first", return_tensors="pt")
    rows = [{name: values[i] for name, values in windows.items()} | {"labels": i % 3} for i in range(len(CURVES))]
    arguments = TrainingArguments(str(tmp_path), max_steps=1, use_cpu=True, save_strategy="no", disable_tqdm=True, report_to=[])
    Trainer(new_head, arguments, train_dataset=rows).train()
    assert not new_head.head_is_new
    assert len(pipeline("light-curve-classification", model=new_head)(ROWS)) == len(ROWS)


@pytest.mark.parametrize("assign", [False, True])
def test_a_head_whose_weights_were_loaded_is_not_new(
    new_head: AstromerForSequenceClassification, classifier: AstromerForSequenceClassification, assign: bool
):
    new_head.load_state_dict(classifier.state_dict(), assign=assign)
    assert not new_head.head_is_new


def test_a_new_head_stays_new_in_another_type_and_in_a_copy(new_head: AstromerForSequenceClassification):
    new_head(torch.zeros(1, 20), torch.zeros(1, 20))
    assert copy.deepcopy(new_head).head_is_new
    assert new_head.bfloat16().head_is_new
    with pytest.raises(ValueError, match="has no weights of the head"):
        pipeline("light-curve-classification", model=new_head)
