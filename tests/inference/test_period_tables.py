# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf periods` writes a row a star and band, and goes on after a star without a period."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from forks import forked_workers

from astromer_hf.cli.main import main
from astromer_hf.evaluation.periods import find_period
from astromer_hf.inference.period_tables import COLUMNS, CURVES_PER_TASK, describe, find_periods
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

CURVES = simulate_light_curves(6, survey="asas_like", classes=["RRab", "RRc", "DSCT"])
BAD = replace(CURVES[0], object_id="constant", mag=np.full(len(CURVES[0].mag), 15.0))
SHORT = replace(CURVES[0], object_id="short", mjd=CURVES[0].mjd[:5], mag=CURVES[0].mag[:5], magerr=CURVES[0].magerr[:5])


@pytest.fixture
def table(tmp_path):
    pq.write_table(to_table([*CURVES, BAD, SHORT]), tmp_path / "curves.parquet")
    return tmp_path / "curves.parquet"


def test_the_command_writes_the_periods_and_names_stars_without_one(table, tmp_path, capsys):
    output = tmp_path / "periods.parquet"
    assert main(["periods", str(table), "-o", str(output), "--json", "--quiet", "--processes", "1"]) == 0
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert (facts["num_light_curves"], facts["num_significant"]) == (8, 6)
    assert facts["without_period"].keys() == {"constant, V", "short, V"}
    assert "2 light curves have no period" in printed.err
    rows = pq.read_table(output).to_pylist()
    assert [row["object_id"] for row in rows] == [*(curve.object_id for curve in CURVES), "constant", "short"]
    for row, curve in zip(rows, CURVES, strict=False):
        assert row["period"] == pytest.approx(curve.period_days, rel=0.01)
        half = row["period"] / 2
        assert row["period_half"] == (pytest.approx(half) if half > 0.04 else None)
        assert row["problem"] is None
    assert "has no period" in rows[6]["problem"]
    assert "needs 8 observations or more, this light curve has 5" in rows[7]["problem"]
    assert all(rows[7][name] is None for name in COLUMNS)


def test_processes_share_the_work_and_keep_the_order(tmp_path):
    survey = replace(SIMULATED_SURVEYS["asas_like"], min_points=20, max_points=40, duration_days=200.0)
    curves = simulate_light_curves(CURVES_PER_TASK + 8, survey=survey)
    pq.write_table(to_table(curves), tmp_path / "curves.parquet")
    outputs = [tmp_path / f"{processes}.parquet" for processes in (1, 2)]
    with forked_workers():
        for processes, output in zip((1, 2), outputs, strict=True):
            find_periods(tmp_path / "curves.parquet", output, num_processes=processes, show_progress=False)
    alone, shared = map(pq.read_table, outputs)
    assert shared["object_id"].to_pylist() == [curve.object_id for curve in curves]
    assert shared.equals(alone)


def test_every_band_has_a_row_of_its_own_and_is_searched_alone(tmp_path):
    other = [replace(curve, band="g", mag=curve.mag[::-1].copy()) for curve in CURVES[:2]]
    pq.write_table(to_table([*CURVES[:2], *other]), tmp_path / "curves.parquet")
    report = find_periods(tmp_path / "curves.parquet", tmp_path / "out.parquet", num_processes=1, show_progress=False)
    assert report.num_light_curves == 4
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["object_id"], row["band"]) for row in rows] == [
        (curve.object_id, curve.band) for curve in [*CURVES[:2], *other]
    ]
    for row, curve in zip(rows, [*CURVES[:2], *other], strict=True):
        assert {name: row[name] for name in COLUMNS} == describe(find_period(curve.mjd, curve.mag, curve.magerr))
