# Copyright 2026 The astromer_hf developers. MIT licence.
"""The table of right periods: stars whose period is established, in less of their observations, by two methods."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, SimulatedSurvey, simulate_light_curves, to_table

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "evaluate_periods.py"))
# Short: a search takes as long as the span. Of the simulated cases, which are long, astropy searches none with this seed.
DENSE = replace(SIMULATED_SURVEYS["asas_like"], min_points=240, max_points=280, duration_days=600.0, noise_floor=0.01)
SPARSE = replace(SIMULATED_SURVEYS["catalina_like"], duration_days=700.0)


def write_survey(folder: Path, survey: SimulatedSurvey, classes: list[str], labels: dict[str, str], number: int) -> None:
    curves = simulate_light_curves(number, survey=survey, classes=classes, seed=5)
    folder.mkdir()
    named = [replace(curve, label=labels[curve.label]) for curve in curves]
    pq.write_table(to_table(named), folder / "test-00000-of-00001.parquet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    asas = {"RRab": "RR Lyrae, Fundamental Mode", "Constant": "Mira"}
    write_survey(folder / "asas_acvs", DENSE, ["RRab", "Constant"], asas, 6)
    for band in ("I", "V"):
        write_survey(folder / f"ogle_lmc_cepheids_{band}", DENSE, ["Cepheid"], {"Cepheid": "F"}, 3)
    for name in ("sss_catalina_south", "eros2_lmc_cepF"):
        write_survey(folder / name, SPARSE, ["RRab"], {"RRab": "RRab"}, 4)
    return folder


def test_every_case_of_established_stars_is_in_the_table_and_constant_stars_are_not(data: Path, tmp_path: Path):
    SCRIPT["main"](
        SCRIPT["parse_args"](
            [str(data), "-o", str(tmp_path / "new" / "periods.md"), "--stars", "1", "--astropy", "3", "--seed", "4"]
        )
    )
    scores = pd.read_csv(tmp_path / "new" / "periods.csv")
    counts = scores.groupby("case").size().to_dict()
    assert counts.pop("catalina_like, simulated") == 5
    assert counts.pop("V band of OGLE") == 1
    assert set(counts.values()) == {2}
    assert len(counts) == 7
    assert set(scores[scores["case"] == "50 observations"]["points"]) == {50}
    text = (tmp_path / "new" / "periods.md").read_text(encoding="utf-8")
    assert "RRab 1 of " in text
    assert "Mira 0 of 3" in text
    assert "Of 3 that astropy searched too, 3 have its period" in text
    dense = scores[scores["case"] == "100 observations"]
    assert dense["find_period, right"].all()
    rows = [line for line in text.splitlines() if line.startswith("| 100 observations |")]
    assert rows[0].split(" | ")[3] == "1.00"


def test_a_nightly_light_curve_has_one_observation_a_night_at_one_time_of_it():
    mjd = np.sort(np.random.default_rng(0).uniform(58000, 58400, 2000))
    curve = SCRIPT["Curve"](mjd, mjd, mjd)
    found = SCRIPT["nightly"](curve, np.random.default_rng(1)).mjd
    assert 50 < len(found) <= 100
    assert np.ptp((found - found[0] + 0.5) % 1) < 2 * SCRIPT["WINDOW_DAYS"]
    assert (np.diff(found) > 0.5).all()


def test_the_series_of_a_star_continues_at_other_times():
    mjd = np.sort(np.random.default_rng(0).uniform(58000, 58100, 300))
    other = np.linspace(58200, 58210, 50)

    def wave(days: np.ndarray) -> np.ndarray:
        return 15 + 0.3 * np.sin(2 * np.pi * days / 0.7) + 0.1 * np.cos(4 * np.pi * days / 0.7)

    curve = SCRIPT["Curve"](mjd, wave(mjd), np.full(300, 0.01))
    assert np.abs(SCRIPT["series_of"](curve, 0.7, 2, other) - wave(other)).max() < 0.01
