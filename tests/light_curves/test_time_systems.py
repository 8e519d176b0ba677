# Copyright 2026 The astromer_hf developers. MIT licence.
"""The system of times is named where a record or a column tells it, and nowhere else."""

from pathlib import Path

import pandas as pd
import pytest

from astromer_hf.light_curves.source import LightCurveSource
from astromer_hf.light_curves.surveys import SURVEYS
from astromer_hf.light_curves.time_systems import SYSTEMS, system_in, time_system_of


@pytest.mark.parametrize(
    ("name", "system"),
    [
        *[("mjd", "MJD"), ("obsmjd", "MJD"), ("MJD_obs", "MJD"), ("midpointMjdTai", "MJD"), ("expMidptMJD", "MJD")],
        *[("HJD", "HJD"), ("hjd_utc", "HJD"), ("HJD-2450000", "HJD"), ("tmid_bjd", "BJD"), ("bjdtdb", "BJD"), ("JD", "JD")],
        *[("btjd", "BTJD"), ("i:jd", "JD"), ("time", None), ("t", None), ("date", None), (None, None), ("unknown", None)],
    ],
)
def test_the_name_of_a_column_tells_the_system(name: str | None, system: str | None):
    assert system_in(name) == system


def test_the_record_of_a_survey_tells_what_its_column_does_not(tmp_path: Path):
    table = pd.DataFrame({"id": "a", "time": [2453000.5, 2453001.5], "mag": [15.0, 15.1]})
    for name in ("asas_acvs", "own"):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    assert time_system_of(LightCurveSource.open(tmp_path / "asas_acvs.csv")) == SURVEYS["asas_acvs"].time_system == "HJD"
    assert time_system_of(LightCurveSource.open(tmp_path / "own.csv")) is None


def test_every_record_that_names_a_system_is_understood():
    told = {survey.time_system for survey in SURVEYS.values()} - {"unknown"}
    assert {system_in(words) for words in told} <= set(SYSTEMS)
