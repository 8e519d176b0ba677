# Copyright 2026 The astromer_hf developers. MIT licence.
"""A config keeps its numbers through JSON, and refuses those that contradict each other."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, TINY_EXTENDED
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from astromer_hf import AstromerConfig


def test_the_defaults_are_the_papers_encoder():
    config = AstromerConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (256, 2, 4)
    assert (config.intermediate_size, config.hidden_act, config.layer_norm_eps) == (128, "tanh", 1e-6)
    assert (config.window_size, config.masking_scheme, config.reconstruction_loss) == (200, "hidden", "rmse")
    assert not config.use_residual
    assert not config.normalize_amplitude
    assert not config.uses_separations


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"time_bias_scales": [1.0] * 4}, True),
        ({"num_folding_periods": 1, "num_candidate_periods": 4}, True),
        ({"normalize_amplitude": True}, False),
    ],
)
def test_attention_depends_on_separations_where_an_option_asks_for_it(fields: dict[str, Any], expected: bool):
    assert AstromerConfig(**fields).uses_separations is expected


@pytest.mark.parametrize(
    "fields",
    [
        {},
        TINY,
        TINY_EXTENDED,
        {"classifier_hidden_sizes": [], "hidden_dropout_prob": 0, "id2label": {0: "RRab", 1: "EC", 2: "LPV"}},
        {"num_labels": 1, "problem_type": "regression", "masking_scheme": "additive"},
        {"bands": ["g", "r"], "band_combination": "concat"},
    ],
)
def test_a_saved_config_comes_back_equal(tmp_path: Path, fields: dict[str, Any]):
    config = AstromerConfig(**fields)
    config.save_pretrained(tmp_path)
    for loaded in (AstromerConfig.from_pretrained(tmp_path), AutoConfig.from_pretrained(tmp_path)):
        assert type(loaded) is AstromerConfig
        assert loaded.to_diff_dict() == config.to_diff_dict()
        assert (loaded.num_labels, loaded.id2label) == (config.num_labels, config.id2label)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "astromer"


def test_fields_of_a_later_version_are_kept(tmp_path: Path):
    AstromerConfig(**TINY, a_later_option=[1, 2]).save_pretrained(tmp_path)
    assert AstromerConfig.from_pretrained(tmp_path).a_later_option == [1, 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 0}, "`hidden_size` must be at least 1, got 0"),
        ({"num_hidden_layers": 0}, "`num_hidden_layers` must be at least 1"),
        ({"num_attention_heads": -4}, "`num_attention_heads` must be at least 1"),
        ({"intermediate_size": 0}, "`intermediate_size` must be at least 1"),
        ({"window_size": 0}, "`window_size` must be at least 1"),
        ({"folding_harmonics": 0}, "`folding_harmonics` must be at least 1"),
        ({"classifier_hidden_sizes": [8, 0]}, "`classifier_hidden_sizes` must each be at least 1"),
        ({"classifier_lstm_sizes": [0]}, "`classifier_lstm_sizes` must each be at least 1"),
        ({"classifier_lstm_sizes": []}, "`classifier_lstm_sizes` needs the width of at least one layer"),
        ({"classifier_head": "forest"}, "classifier_head.*expected one of"),
        ({"folding_period_multiple": 0}, "`folding_period_multiple` must be at least 1"),
        ({"phase_bias_scale": 0}, "`phase_bias_scale` must be positive, in cycles, got 0"),
        ({"hidden_size": 255, "num_attention_heads": 5}, "`hidden_size` must be even"),
        ({"num_attention_heads": 3}, r"`hidden_size` \(256\) must be a multiple of `num_attention_heads` \(3\)"),
        ({"time_encoding_base": 1}, "`time_encoding_base` must be greater than 1, got 1"),
        ({"time_encoding_exponent": 0}, "`time_encoding_exponent` must be positive and finite, got 0"),
        ({"attention_temperature": float("inf")}, "`attention_temperature` must be positive and finite, got inf"),
        ({"use_band_embedding": True, "bands": ["g"], "band_combination": "concat"}, "leave `use_band_embedding` off"),
        ({"use_band_embedding": True}, "`use_band_embedding=True` needs the bands"),
        ({"use_residual_projection": True}, "set `use_residual=True` as well"),
        ({"hidden_dropout_prob": 1.0}, r"`hidden_dropout_prob` must lie in \[0, 1\), got 1.0"),
        ({"classifier_dropout": -0.1}, r"`classifier_dropout` must lie in \[0, 1\), got -0.1"),
        ({"max_frequency": 0}, "`max_frequency` must be positive, in cycles a day, got 0"),
        ({"num_folding_periods": 5}, r"`num_folding_periods` must lie between 0 and `num_attention_heads` \(4\).*got 5"),
        ({"num_folding_periods": -1}, "`num_folding_periods` must lie between 0"),
        ({"num_frequencies": 100}, "`num_frequencies` must be a multiple of 128.*got 100"),
        ({"num_frequencies": 200}, "`num_frequencies` must be a multiple of 128"),
        (
            {"num_frequencies": 256, "num_folding_periods": 1, "num_candidate_periods": 3},
            "at least 128 for each of the candidate periods, got 256",
        ),
        ({"num_folding_periods": 1}, "`num_candidate_periods` is missing.*use that version.*set it, for example to 16"),
        (
            {"num_folding_periods": 3, "num_candidate_periods": 2},
            r"`num_candidate_periods` must be at least `num_folding_periods` \(3\), got 2",
        ),
        ({"time_bias_scales": [1.0, 10.0]}, "one positive scale in days for each of the 4 heads that do not fold"),
        ({"time_bias_scales": [1.0, 2.0, 0.0, 4.0]}, r"one positive scale.*got \[1.0, 2.0, 0.0, 4.0\]"),
        (
            {"time_bias_scales": [1.0] * 4, "num_folding_periods": 2, "num_candidate_periods": 2},
            "for each of the 2 heads that do not fold",
        ),
        ({"layer_norm_eps": 0.0}, r"`layer_norm_eps` must lie in \(0, 1\], got 0.0"),
        ({"layer_norm_eps": 1.5}, r"`layer_norm_eps` must lie in \(0, 1\], got 1.5"),
        ({"layer_norm_eps": float("nan")}, r"`layer_norm_eps` must lie in \(0, 1\], got nan"),
        ({"masking_scheme": "zero"}, "masking_scheme.*expected one of"),
        ({"bands": []}, r"`bands` must be up to 1024 unlike names that are not empty, got \[\]"),
        ({"bands": ["g", "g"]}, "`bands` must be .* unlike names"),
        ({"bands": ["g", ""]}, "`bands` must be .* not empty"),
        ({"bands": "gr"}, "bands"),
        ({"band_combination": "concat"}, r"needs the order of the bands, `bands=\['g', 'r'\]`, got none"),
        ({"band_combination": "sum", "bands": ["g"]}, "band_combination.*(Input|expected)"),
        (
            {"band_combination": "concat", "bands": ["g"], "classifier_head": "lstm"},
            "reads the observations of one light curve, and bands are concatenated after pooling",
        ),
        ({"concatenate_layers": True, "use_weighted_layer_sum": True}, "two ways to read all blocks: choose one"),
        ({"concatenate_layers": True, "classifier_head": "lstm"}, "or `use_weighted_layer_sum=True`"),
        ({"classifier_initializer_range": 0}, "`classifier_initializer_range` must be positive and finite, got 0"),
        ({"classifier_initializer_range": float("nan")}, "`classifier_initializer_range` must be positive and finite, got nan"),
        ({"reconstruction_loss": "mse"}, "reconstruction_loss.*expected one of"),
        ({"hidden_size": "256"}, "hidden_size.*expected int, got str"),
        ({"hidden_size": 256.0}, "hidden_size.*expected int, got float"),
        ({"use_residual": 1}, "use_residual.*expected bool, got int"),
    ],
)
def test_impossible_values_are_refused_by_name(fields: dict[str, Any], message: str):
    with pytest.raises(StrictDataclassError, match=f"(?s){message}"):
        AstromerConfig(**fields)


def test_a_config_made_inconsistent_is_not_saved(tmp_path: Path):
    config = AstromerConfig()
    with pytest.raises(StrictDataclassError, match="expected int, got str"):
        config.hidden_size = "wide"
    config.hidden_size = 255
    with pytest.raises(StrictDataclassError, match="`hidden_size` must be even"):
        config.save_pretrained(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_layer_norm_epsilon_of_one_is_accepted():
    assert AstromerConfig(layer_norm_eps=1.0).layer_norm_eps == AstromerConfig(layer_norm_eps=1).layer_norm_eps == 1
