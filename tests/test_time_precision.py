# Copyright 2026 The astromer_hf developers. MIT licence.
"""Times whose type has lost more than a minute are refused at every door, by one rule; others of the same type are read."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from astropy import units
from astropy.table import Table
from conftest import TINY
from transformers import pipeline

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerModel, embed_light_curves, embed_table
from astromer_hf.inference.catalogs import nested_light_curves
from astromer_hf.light_curves.in_memory import read_light_curve
from astromer_hf.light_curves.source import LightCurveSource
from astromer_hf.model.times_astromer import check_time_precision, time_step_days
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves
from astromer_hf.training.stars import load_stars

MAG = 15 + np.sin(np.arange(30.0))
OFFSETS = np.sort(np.random.default_rng(0).random(30)) * 200


def model() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(AstromerConfig(**TINY)).eval()


def lists(times: np.ndarray) -> pa.Table:
    return pa.table({"object_id": ["a"], "mjd": pa.array([times]), "mag": pa.array([MAG])})


def rows(times: np.ndarray) -> pa.Table:
    return pa.table({"object_id": ["a"] * 30, "mjd": times, "mag": MAG})


def through_file(table: pa.Table, folder: Path) -> None:
    pq.write_table(table, folder / "curves.parquet")
    embed_table(folder / "curves.parquet", folder / "out.parquet", model(), show_progress=False)


def through_stars(times: np.ndarray, folder: Path) -> None:
    (folder / "survey").mkdir()
    table = lists(times).append_column("band", [["V"]]).append_column("label", [["RRab"]])
    pq.write_table(table.append_column("magerr", pa.array([0 * MAG + 0.1])), folder / "survey" / "train-0.parquet")
    load_stars([folder / "survey"], "train", min_points=1)


def collate(row: dict[str, Any]) -> None:
    DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(20))([row])


def formatted(times: np.ndarray, kind: str) -> dict[str, Any]:
    return datasets.Dataset(lists(times)).with_format(kind)[0]


DOORS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "extractor": lambda times, _: AstromerFeatureExtractor()(times, MAG),
    "extractor, a list": lambda times, _: AstromerFeatureExtractor()(list(times), list(MAG)),
    "extractor, a tensor": lambda times, _: AstromerFeatureExtractor()(torch.from_numpy(times), torch.from_numpy(MAG)),
    "extractor, a masked array": lambda times, _: AstromerFeatureExtractor()(np.ma.array(times), MAG),
    "extractor, big-endian": lambda times, _: AstromerFeatureExtractor()(times.astype(times.dtype.newbyteorder(">")), MAG),
    "embed_light_curves": lambda times, _: embed_light_curves(model(), [times], [MAG]),
    "pipeline": lambda times, _: pipeline("light-curve-embedding", model=model())({"mjd": times, "mag": MAG}),
    "pipeline, a table": lambda times, _: pipeline("light-curve-embedding", model=model())(rows(times).to_pandas()),
    "collator": lambda times, _: collate({"mjd": times, "mag": MAG}),
    "collator, datasets of numpy": lambda times, _: collate(formatted(times, "numpy")),
    "collator, datasets of torch": lambda times, _: collate(formatted(times, "torch")),
    "light curves in memory": lambda times, _: InMemoryLightCurves.from_table(lists(times)),
    "parquet of lists": lambda times, folder: through_file(lists(times), folder),
    "parquet of measurements": lambda times, folder: through_file(rows(times), folder),
    "pandas": lambda times, _: list(LightCurveSource.open(rows(times).to_pandas()).chunks()),
    "polars": lambda times, _: list(LightCurveSource.open(pl.from_arrow(rows(times))).chunks()),
    "a record array": lambda times, _: read_light_curve(np.rec.fromarrays([times, MAG], names="mjd,mag")),
    "astropy": lambda times, _: read_light_curve(Table({"time": times, "mag": MAG})),
    "an object": lambda times, _: read_light_curve(SimpleNamespace(time=times, mag=MAG)),
    "numbers without names": lambda times, _: read_light_curve(np.stack((times, MAG), 1).astype(times.dtype)),
    "prepared stars": through_stars,
}


@pytest.mark.parametrize("door", DOORS)
def test_single_precision_is_refused_where_it_has_lost_minutes_and_read_where_not(door: str, tmp_path: Path):
    for zero in (58000, 2458000):
        with pytest.raises(ValueError, match=r"came as (float32|float|>f4|torch.float32)\b.*in which one step at (58|2.458)"):
            DOORS[door]((zero + OFFSETS).astype(np.float32), _folder(tmp_path, f"bad {zero}"))
    kept = [OFFSETS.astype(np.float32), 58000 + OFFSETS]
    if door != "collator, datasets of numpy" and door != "collator, datasets of torch":  # which make float32 of float64
        for number, times in enumerate(kept):
            DOORS[door](times, _folder(tmp_path, f"good {number}"))


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_a_nested_field_is_held_to_the_same_rule():
    nested_pandas = pytest.importorskip("nested_pandas")

    def read(dtype: type) -> Any:
        flat = pd.DataFrame({"mjd": (58000 + OFFSETS).astype(dtype), "mag": MAG}, index=np.zeros(30, int))
        frame = nested_pandas.NestedFrame({"id": ["a"]}).join_nested(flat, "curve")
        return nested_light_curves(frame["curve"])

    assert len(read(np.float64)) == 1
    with pytest.raises(ValueError, match="The field 'mjd' of 'curve' came as"):
        read(np.float32)


@pytest.mark.parametrize(("largest", "refused"), [(4095, False), (8191, False), (8192, True), (58000, True)])
def test_the_rule_is_a_minute(largest: float, refused: bool):
    times = np.array([0.0, -largest, np.nan, np.inf])
    step = time_step_days(largest, np.dtype(np.float32))
    assert step == np.spacing(np.float32(largest))
    assert (step > 1 / 1440) is refused
    check_time_precision(times, np.dtype(np.float64), "it")
    check_time_precision(times, None, "it")
    if refused:
        with pytest.raises(ValueError, match="it came as float32"):
            check_time_precision(times, np.dtype(np.float32), "it")
    else:
        check_time_precision(times, np.dtype(np.float32), "it")


def test_the_step_is_measured_in_the_unit_of_the_times():
    seconds = Table({"time": np.float32(86400 * 30 + 86400 * OFFSETS) * units.s, "mag": MAG})
    assert len(read_light_curve(seconds)[0]) == 30  # a step of 2 seconds at most
    assert time_step_days(1000.0, torch.bfloat16) == 4
    assert time_step_days(1000.0, "halffloat") == 0.5
    assert time_step_days(1e6, "float64") == 0
