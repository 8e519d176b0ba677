# Copyright 2026 The astromer_hf developers. MIT licence.
"""Run transformers' common model, configuration and feature extractor tests against the classes of this package.

They are in transformers' source distribution, not in its wheel, and stay outside this repository:

    pip download --no-deps --no-binary :all: transformers==$(python -c 'import transformers; print(transformers.__version__)')
    tar xf transformers-*.tar.gz && pip install parameterized
    python scripts/run_transformers_common_tests.py transformers-*/

Options after the folder go to pytest. `KNOWN_FAILURES` are skipped, and each has its reason.
"""

import os
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, MODEL_MAPPING_NAMES

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
)
from astromer_hf.model.pretraining_astromer import AstromerForPreTraining

FOLDER_VARIABLE = "TRANSFORMERS_SOURCE"
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 16,
    "window_size": 16,
    "hidden_dropout_prob": 0.0,
    "classifier_hidden_sizes": [8],
    "projection_hidden_size": 16,
    "projection_size": 8,
    "num_labels": 3,
}
ALL_OPTIONS: dict[str, Any] = {
    "num_folding_periods": 2,
    "num_candidate_periods": 3,
    "num_frequencies": 512,
    "time_bias_scales": [1.0, 30.0],
    "use_mask_token": True,
    "normalize_amplitude": True,
    "use_residual": True,
    "use_residual_projection": True,
    "use_magnitude_errors": True,
    "reconstruction_loss": "relative",
    "use_weighted_layer_sum": True,
}
# Attributes by which the test case of a model says what it is. There is no vocabulary whose size could be changed.
SWITCHES: dict[str, Any] = {
    "test_resize_embeddings": False,
    "test_mismatched_shapes": False,
    "additional_model_inputs": ["times"],
}
# name of a test -> why it cannot pass
KNOWN_FAILURES: dict[str, str] = {
    "test_model_get_set_embeddings": "it wants token embeddings; a magnitude is a number, embedded by a linear layer",
    "test_model_weights_reload_no_missing_tied_weights": "it loads an empty checkpoint, and a missing weight is an error here",
}


class WindowTester:
    """The small models and windows of the common tests.

    Args:
        parent: the test case.
        options: fields of the configuration beside `SMALL`.
        num_views: of a star, as `AstromerForPreTraining` needs them.
    """

    batch_size = 5
    seq_length = 12
    is_training = True
    hidden_size = SMALL["hidden_size"]
    num_hidden_layers = SMALL["num_hidden_layers"]
    num_attention_heads = SMALL["num_attention_heads"]

    def __init__(self, parent: unittest.TestCase, options: dict[str, Any], num_views: int | None = None):
        self.parent, self.options, self.num_views = parent, options, num_views

    def get_config(self) -> AstromerConfig:
        """A new configuration."""
        return AstromerConfig(**SMALL, **self.options)

    def prepare_config_and_inputs_for_common(self) -> tuple[AstromerConfig, dict[str, torch.Tensor]]:
        """A configuration, and windows of simulated noise."""
        shape = [self.batch_size, self.seq_length]
        if self.num_views is not None:
            shape.insert(1, self.num_views)
        times = (torch.rand(shape) * 100).sort(-1).values
        inputs = {
            "magnitudes": torch.randn(shape),
            "times": times - times.mean(-1, keepdim=True),
            "attention_mask": torch.ones(shape, dtype=torch.long),
        }
        return self.get_config(), inputs


class ExtractorTester:
    """Sequences for the common tests of feature extractors."""

    batch_size = 7
    min_seq_length = 40
    max_seq_length = 200
    seq_length_diff = 26
    feature_size = 1

    def prepare_feat_extract_dict(self) -> dict[str, Any]:
        """Arguments of the extractor."""
        return {"feature_size": 1, "sampling_rate": 1, "padding_value": 0.0, "window_size": 50}

    def prepare_inputs_for_common(self, equal_length: bool = False, numpify: bool = False) -> list[Any]:
        """Sequences of rising length, or of one."""
        generator = np.random.default_rng(0)
        lengths = [self.max_seq_length if equal_length else self.min_seq_length + self.seq_length_diff * i for i in range(7)]
        sequences = [generator.random(length).astype(np.float32) for length in lengths]
        return sequences if numpify else [sequence.tolist() for sequence in sequences]


def common_configuration_fields() -> dict[str, Any]:
    """Values other than the defaults of fields that every configuration has."""
    return {
        "return_dict": False,
        "output_hidden_states": True,
        "dtype": "float16",
        "chunk_size_feed_forward": 5,
        "architectures": ["AstromerModel"],
        "id2label": {0: "label"},
        "label2id": {"label": "0"},
        "problem_type": "regression",
    }


def load_mixins(folder: Path) -> tuple[Any, Any, Any]:
    """The mixins of the common tests in the `tests` of transformers' source distribution.

    The distribution has only the files at the top of `tests`. What these import of its folders is left empty: tests of exports
    and of text generation.
    """
    package = types.ModuleType("tests")
    package.__path__ = [str(folder / "tests")]
    sys.modules["tests"] = package
    contents: dict[str, dict[str, Any]] = {
        "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
        "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
        "utils.test_configuration_utils": {"config_common_kwargs": common_configuration_fields()},
    }
    for name, content in contents.items():
        parent = name.partition(".")[0]
        sys.modules[f"tests.{parent}"] = types.ModuleType(f"tests.{parent}")
        sys.modules[f"tests.{name}"] = module = types.ModuleType(f"tests.{name}")
        module.__dict__.update(content)
    transformers.utils.direct_transformers_import = lambda *_: transformers  # of `tests/__init__.py`, which is missing too

    # As if the classes were transformers' own: the tests choose labels, and which models have a loss, by these names.
    MODEL_MAPPING_NAMES["astromer"] = "AstromerModel"
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES["astromer"] = "AstromerForSequenceClassification"

    from tests.test_configuration_common import ConfigTester
    from tests.test_modeling_common import ModelTesterMixin
    from tests.test_sequence_feature_extraction_common import (
        SequenceFeatureExtractionTestMixin,
    )

    return ModelTesterMixin, ConfigTester, SequenceFeatureExtractionTestMixin


def make_cases(folder: Path) -> dict[str, type[unittest.TestCase]]:
    """Test cases of every model with the paper's configuration and with all options, of the configuration and the extractor."""
    model_mixin, config_tester, extractor_mixin = load_mixins(folder)

    def make_model_case(name: str, classes: tuple[type, ...], options: dict[str, Any], views: int | None) -> Any:
        def set_up(self: Any) -> None:
            self.model_tester = WindowTester(self, options, views)
            self.config_tester = None

        def prepare(self: Any, inputs: dict[str, Any], model_class: type, return_labels: bool = False) -> dict[str, Any]:
            inputs = model_mixin._prepare_for_class(self, inputs, model_class, return_labels)
            if return_labels and issubclass(model_class, AstromerForMaskedReconstruction):
                inputs["labels"] = inputs["magnitudes"].clone()
            return inputs

        body = {"all_model_classes": classes, "setUp": set_up, "_prepare_for_class": prepare, **SWITCHES}
        return type(name, (model_mixin, unittest.TestCase), body)

    def test_config(self: Any) -> None:
        fields = {name: value for name, value in SMALL.items() if name != "num_labels"}  # which is not saved under its name
        config_tester(self, config_class=AstromerConfig, has_text_modality=False, **fields).run_common_tests()

    def set_up_extractor(self: Any) -> None:
        self.feat_extract_tester = ExtractorTester()

    single = (AstromerModel, AstromerForMaskedReconstruction, AstromerForSequenceClassification)
    extractor_body = {"feature_extraction_class": AstromerFeatureExtractor, "setUp": set_up_extractor}
    cases: list[Any] = [
        make_model_case("PaperModelTest", single, {"use_mask_token": True}, None),
        make_model_case("AllOptionsModelTest", single, ALL_OPTIONS, None),
        make_model_case("PreTrainingModelTest", (AstromerForPreTraining,), {"use_mask_token": True}, 3),
        type("ConfigTest", (unittest.TestCase,), {"test_config": test_config}),
        type("ExtractorTest", (extractor_mixin, unittest.TestCase), extractor_body),
    ]
    for case in cases:
        for name, reason in KNOWN_FAILURES.items():
            if hasattr(case, name):
                setattr(case, name, unittest.skip(reason)(getattr(case, name)))
    return {case.__name__: case for case in cases}


if FOLDER_VARIABLE in os.environ:  # pytest collects the cases from this file
    globals().update(make_cases(Path(os.environ[FOLDER_VARIABLE])))


def main(argv: list[str]) -> int:
    """Run the tests with pytest."""
    if not argv or not (folder := Path(argv[0]).absolute()).joinpath("tests", "test_modeling_common.py").is_file():
        print(__doc__, file=sys.stderr)
        return 2
    os.environ[FOLDER_VARIABLE] = str(folder)
    options = ["-c", os.devnull, "--rootdir", str(Path(__file__).parent), "-p", "no:cacheprovider", "-q", *argv[1:]]
    return int(pytest.main([__file__, *options]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
