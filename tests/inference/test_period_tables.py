# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf periods` writes a row a star and band, and goes on after a star without a period."""

import json
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import BRIEF_SURVEY, TINY
from forks import forked_workers

from astromer_hf import AstromerConfig, AstromerForSequenceClassification, AstromerModel
from astromer_hf.cli.main import main
from astromer_hf.evaluation.periods import find_period
from astromer_hf.inference import period_tables
from astromer_hf.inference.classification import classify_table
from astromer_hf.inference.embedding import embed_table
from astromer_hf.inference.period_tables import COLUMNS, CURVES_PER_TASK, describe, find_periods
from astromer_hf.inference.sharded_embedding import embed_shards
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

CURVES = simulate_light_curves(6, survey=BRIEF_SURVEY, classes=["RRab", "RRc", "DSCT"])
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
        assert row["period_problem"] is None
    assert "has no period" in rows[6]["period_problem"]
    assert "needs 8 observations or more, this light curve has 5" in rows[7]["period_problem"]
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


def as_rows_of_measurements(curves, path):
    columns = [(curve.object_id, *row) for curve in curves for row in zip(curve.mjd, curve.mag, curve.magerr, strict=True)]
    pd.DataFrame(columns, columns=["object_id", "mjd", "mag", "magerr"]).to_csv(path, index=False)
    return path


def as_folder(curves, path):
    path.mkdir()
    for curve in curves:
        as_rows_of_measurements([curve], path / f"{curve.object_id}.csv")
    return path


def as_lists(curves, path):
    pq.write_table(to_table(curves), path)
    return path


@pytest.mark.parametrize(
    ("write", "name"), [(as_lists, "curves.parquet"), (as_rows_of_measurements, "curves.csv"), (as_folder, "curves")]
)
def test_few_light_curves_of_any_format_are_searched_by_this_process_and_many_by_others(write, name, tmp_path, monkeypatch):
    """Those of this process are seen here; those of another are not."""
    seen = []
    monkeypatch.setattr(period_tables, "find_period", lambda *columns: seen.append(1) or find_period(*columns))
    of_many = 0 if joblib.cpu_count() > 1 else len(CURVES)
    source = write(CURVES, tmp_path / name)
    with forked_workers():
        for few in (len(CURVES), len(CURVES) - 1):
            monkeypatch.setattr(period_tables, "FEW_CURVES", few)
            seen.clear()
            report = find_periods(source, tmp_path / f"{few}.parquet", show_progress=False)
            assert report.num_light_curves == len(CURVES)
            assert len(seen) == (len(CURVES) if few == len(CURVES) else of_many)
    few, many = (pq.read_table(tmp_path / f"{count}.parquet") for count in (len(CURVES), len(CURVES) - 1))
    assert few.equals(many)


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


# --- Beside classes and embeddings ---

each_writer = pytest.mark.parametrize(
    ("kind", "write"),
    [(AstromerForSequenceClassification, classify_table), (AstromerModel, embed_table)],
    ids=["classify", "embed"],
)

BRIEF = replace(BRIEF_SURVEY, min_points=40, max_points=60, duration_days=200.0)
MANY = simulate_light_curves(CURVES_PER_TASK + 8, survey=BRIEF, classes=["RRab", "RRc", "DSCT"], seed=3)


def model_of(kind):
    torch.manual_seed(0)
    return kind(AstromerConfig(**TINY, id2label={0: "EC", 1: "RRab"})).eval()


def periods_alone(source, folder):
    find_periods(source, folder / "periods.parquet", num_processes=1, show_progress=False)
    return pq.read_table(folder / "periods.parquet")


def without_periods(table):
    return table.select([name for name in table.column_names if name not in (*COLUMNS, "period_problem", "period_band")])


@pytest.mark.parametrize("verb", ["classify", "embed"])
def test_a_verb_with_periods_adds_what_the_verb_of_periods_writes_and_changes_nothing_else(verb, tmp_path, capsys):
    pq.write_table(to_table([*MANY, BAD, SHORT]), tmp_path / "curves.parquet")
    tables, facts = [], []
    for options in ([], ["--periods"]):
        output = tmp_path / f"out{len(options)}.parquet"
        with forked_workers():
            assert main([verb, str(tmp_path / "curves.parquet"), "-o", str(output), "--quiet", "--json", *options]) == 0
        tables.append(pq.read_table(output))
        facts.append(json.loads(capsys.readouterr().out))
    plain, wider = tables
    assert without_periods(wider).equals(plain)
    assert wider.column_names[: len(plain.column_names)] == plain.column_names
    alone = periods_alone(tmp_path / "curves.parquet", tmp_path)
    for name in ("object_id", *COLUMNS, "period_problem"):
        assert wider[name].equals(alone[name]), name
    for name in ("num_objects", "num_points", "num_windows", "dropped_points", "sources"):
        assert facts[0][name] == facts[1][name], name


@each_writer
def test_every_band_has_its_own_period_beside_its_result(kind, write, tmp_path):
    other = [replace(curve, band="g", mag=curve.mag[::-1].copy()) for curve in CURVES[:2]]
    pq.write_table(to_table([CURVES[0], other[0], CURVES[1], other[1]]), tmp_path / "curves.parquet")
    write(tmp_path / "curves.parquet", tmp_path / "out.parquet", model_of(kind), periods=True, show_progress=False)
    wider, alone = pq.read_table(tmp_path / "out.parquet"), periods_alone(tmp_path / "curves.parquet", tmp_path)
    for name in ("object_id", "band", *COLUMNS, "period_problem"):
        assert wider[name].equals(alone[name]), name


@each_writer
def test_an_object_of_several_bands_has_the_period_of_the_most_significant(kind, write, tmp_path):
    noise = np.random.default_rng(0)
    faint = replace(CURVES[0], band="g", mag=CURVES[0].mag + noise.normal(0, 0.3, len(CURVES[0].mag)))
    faint_only = [replace(SHORT, band="g"), replace(BAD, object_id="short", band="V")]
    better = replace(CURVES[1], band="g")
    worse = replace(CURVES[1], mag=noise.permutation(CURVES[1].mag))
    pq.write_table(to_table([CURVES[0], faint, worse, better, *faint_only]), tmp_path / "curves.parquet")
    options = {"combine_bands": "mean", "periods": True, "show_progress": False}
    report = write(tmp_path / "curves.parquet", tmp_path / "out.parquet", model_of(kind), **options)
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    alone = {(row["object_id"], row["band"]): row for row in periods_alone(tmp_path / "curves.parquet", tmp_path).to_pylist()}
    assert [row["period_band"] for row in found] == ["V", "g", None]
    for row in found[:2]:
        of_band = alone[row["object_id"], row["period_band"]]
        assert {name: row[name] for name in COLUMNS} == {name: of_band[name] for name in COLUMNS}
        assert row["period"] == pytest.approx(next(c.period_days for c in CURVES if c.object_id == row["object_id"]), rel=0.01)
    assert all(found[2][name] is None for name in COLUMNS)
    assert found[2]["period_problem"]
    assert (report.num_objects, report.ledger.points_used) == (3, report.num_points)


def test_shards_have_periods_too_and_are_not_mixed_with_others(tmp_path):
    pq.write_table(to_table(CURVES), tmp_path / "curves.parquet")
    source, shards = tmp_path / "curves.parquet", tmp_path / "shards"
    embed_shards(source, shards, model_of(AstromerModel), periods=True, show_progress=False)
    table = pq.read_table(next(shards.glob("part-*.parquet")))
    assert table["period"].equals(periods_alone(source, tmp_path)["period"])
    with pytest.raises(ValueError, match="begun with another periods"):
        embed_shards(source, shards, model_of(AstromerModel), show_progress=False)
