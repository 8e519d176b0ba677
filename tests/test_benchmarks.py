# Copyright 2026 The astromer_hf developers. MIT licence.
"""The benchmark scripts run and report what they did."""

import benchmark_training
import pytest


def test_the_training_benchmark_reports_a_rate_for_each_config(capsys: pytest.CaptureFixture[str]):
    small = ["--batch-size", "2", "--length", "20", "--steps", "1", "--repeats", "1"]
    rates = benchmark_training.main(benchmark_training.parse_args(small))
    assert list(rates) == ["astromer_macho_paper", "astromer_surveys_small"]
    assert min(rates.values()) > 0
    assert capsys.readouterr().out.count("windows/s") == 2
