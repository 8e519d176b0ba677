# Copyright 2026 The astromer_hf developers. MIT licence.
"""The script gives transformers' common tests models that run, and says what it needs. The tests themselves are not here."""

import unittest

import pytest
import torch
from run_transformers_common_tests import ALL_OPTIONS, WindowTester, main

from astromer_hf import AstromerForPreTraining, AstromerForSequenceClassification


@pytest.mark.parametrize("options", [{}, ALL_OPTIONS])
def test_the_models_of_the_common_tests_take_their_inputs(options: dict):
    config, inputs = WindowTester(unittest.TestCase(), options).prepare_config_and_inputs_for_common()
    assert AstromerForSequenceClassification(config)(**inputs).logits.shape == (5, 3)
    config, views = WindowTester(unittest.TestCase(), options, 2).prepare_config_and_inputs_for_common()
    assert AstromerForPreTraining(config)(**views).loss.isfinite()
    assert torch.is_tensor(views["times"])


def test_a_folder_without_the_tests_of_transformers_is_refused_with_the_commands_that_fetch_them(
    tmp_path, capsys: pytest.CaptureFixture[str]
):
    assert main([]) == main([str(tmp_path)]) == 2
    assert "pip download --no-deps --no-binary :all: transformers" in capsys.readouterr().err
