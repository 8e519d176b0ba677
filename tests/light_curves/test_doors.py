# Copyright 2026 The astromer_hf developers. MIT licence.
"""The same table gives the same light curves whatever it is held in, and whichever door it comes through."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from conftest import TINY
from transformers import pipeline

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.cli.main import main
from astromer_hf.inference.embedding import embed_table
from astromer_hf.light_curves.source import LightCurveSource, iter_light_curves

Counts = dict[tuple[str | None, str | None], tuple[int, int]]  # (star, band) -> (used, dropped); None where it is not named
DAYS = 58000 + np.arange(12) * 1.7
MAGS = 15 + 0.3 * np.sin(np.arange(12) * 2.1)
ERRORS = 0.02 + 0.001 * np.arange(12)


def replaced(values: np.ndarray, *changes: tuple[int, float]) -> np.ndarray:
    changed = values.copy()
    for place, value in changes:
        changed[place] = value
    return changed


@dataclass(frozen=True)
class Case:
    """A table of twelve rows, and what it gives."""

    columns: dict[str, Any]
    expected: Counts


CASES = {
    "ids, bands and markers": Case(
        {
            "object_id": ["a"] * 6 + ["b"] * 6,
            "band": ["g", "r"] * 6,
            "mjd": DAYS,
            "mag": replaced(MAGS, (1, 99.999), (3, 99.999), (7, np.nan)),
            "magerr": ERRORS,
            "label": ["RRab"] * 6 + ["EA"] * 6,
        },
        {("a", "g"): (3, 0), ("a", "r"): (1, 2), ("b", "g"): (3, 0), ("b", "r"): (2, 1)},
    ),
    "ids that are numbers, in turns": Case(
        {"star": [7, 8] * 6, "hjd": DAYS + 2400000.5, "magnitude": MAGS, "err": ERRORS},
        {("7", None): (6, 0), ("8", None): (6, 0)},
    ),
    "no ids, bands": Case(
        {"mjd": DAYS, "mag": MAGS, "magerr": ERRORS, "filter": ["V"] * 5 + ["I"] * 7},
        {(None, "V"): (5, 0), (None, "I"): (7, 0)},
    ),
    "no ids, no bands": Case({"time": DAYS, "mag": replaced(MAGS, (4, np.nan))}, {(None, None): (11, 1)}),
    "a survey with flags": Case(
        {
            "oid": [5001] * 6 + [5002] * 6,
            "hjd": DAYS + 2400000.5,
            "mjd": DAYS,
            "mag": MAGS,
            "magerr": ERRORS,
            "filtercode": ["zg"] * 6 + ["zr"] * 6,
            "catflags": [0, 32768, 0, 0, 32800, 0] + [0] * 6,
        },
        {("5001", "zg"): (4, 2), ("5002", "zr"): (6, 0)},
    ),
    "fluxes": Case(
        {
            "object_id": [3] * 12,
            "mjd": DAYS,
            "passband": [1, 2] * 6,
            "flux": replaced(100 + 20 * np.sin(np.arange(12.0)), (0, -4.0), (5, 0.0)),
            "flux_err": ERRORS * 50,
        },
        {("3", "1"): (5, 1), ("3", "2"): (5, 1)},
    ),
    "both bands in a row": Case(
        {"mjd": DAYS, "rmag": MAGS, "rerr": ERRORS, "bmag": replaced(MAGS + 1, (2, -99.0), (3, -99.0)), "berr": ERRORS},
        {(None, "R"): (12, 0), (None, "B"): (10, 2)},
    ),
}


def _written(write: Callable[[Path, Case], None], name: str) -> Callable[[Case, Path], Path]:
    def make(case: Case, folder: Path) -> Path:
        write(folder / name, case)
        return folder / name

    return make


def frame(case: Case) -> pd.DataFrame:
    return pd.DataFrame(case.columns)


FORMS: dict[str, Callable[[Case, Path], Any]] = {
    "pandas": lambda case, _: frame(case),
    "astropy": lambda case, _: Table(case.columns),
    "pyarrow": lambda case, _: pa.table(case.columns),
    "records": lambda case, _: Table(case.columns).as_array(),
    "mapping": lambda case, _: dict(case.columns),
    "Dataset": lambda case, _: datasets.Dataset.from_dict(case.columns),
    "IterableDataset": lambda case, _: datasets.Dataset.from_dict(case.columns).to_iterable_dataset(),
    "csv": _written(lambda path, case: frame(case).to_csv(path, index=False), "table.csv"),
    "csv.gz": _written(lambda path, case: frame(case).to_csv(path, index=False), "table.csv.gz"),
    "parquet": _written(lambda path, case: frame(case).to_parquet(path, index=False), "table.parquet"),
    "ecsv": _written(lambda path, case: Table(case.columns).write(path, format="ascii.ecsv"), "table.ecsv"),
    "votable": _written(lambda path, case: Table(case.columns).write(path, format="votable"), "table.vot"),
    "fits": _written(lambda path, case: Table(case.columns).write(path), "table.fits"),
    "json": _written(lambda path, case: path.write_text(frame(case).to_json(orient="records")) and None, "table.json"),
}
IN_MEMORY = ("pandas", "astropy", "pyarrow", "records", "mapping", "Dataset", "IterableDataset")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import torch

    torch.manual_seed(0)
    return AstromerModel(AstromerConfig(**TINY)).eval()


@pytest.fixture(scope="module")
def embed(model: Any) -> Any:
    from astromer_hf import AstromerFeatureExtractor

    extractor = AstromerFeatureExtractor(window_size=TINY["window_size"])
    return pipeline("light-curve-embedding", model=model, feature_extractor=extractor, device="cpu")


def named(star: str | None, source: Any) -> str | None:
    """None for a star that is called after its file or after what holds it."""
    return None if star in ("table", type(source).__name__) else star


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
def test_a_table_gives_the_same_points_whatever_it_is_held_in(name, form, tmp_path):
    case = CASES[name]

    def points(held: Any) -> tuple[dict[Any, Any], dict[str, int]]:
        source = LightCurveSource.open(held)
        found = {}
        for chunk in source.chunks():
            curves, dropped = chunk.curves.clean()
            bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
            for i, star in enumerate(chunk.object_ids.to_pylist()):
                own = slice(curves.offsets[i], curves.offsets[i + 1])
                errors = [] if curves.magnitude_errors is None else curves.magnitude_errors[own]
                found[named(star, held), bands[i]] = (curves.times[own], curves.magnitudes[own], errors, int(dropped[i]))
        return found, dict(source.ledger.dropped)

    found, reasons = points(FORMS[form](case, tmp_path))
    expected, reasons_of_pandas = points(frame(case))
    assert {key: (len(times), lost) for key, (times, _, _, lost) in found.items()} == case.expected
    assert reasons == reasons_of_pandas
    assert list(found) == list(expected)
    for key, (times, magnitudes, errors, _) in found.items():
        np.testing.assert_allclose(times, expected[key][0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(magnitudes, expected[key][1], rtol=0, atol=1e-9)
        np.testing.assert_allclose(errors, expected[key][2], rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
def test_a_table_gives_the_same_light_curves_whichever_door_it_comes_through(name, form, tmp_path, model, embed, capsys):
    case = CASES[name]
    held = FORMS[form](case, tmp_path)

    def of_rows(rows: list[dict[str, Any]]) -> tuple[Counts, np.ndarray]:
        counts = {
            (named(row.get("object_id"), held), row.get("band")): (row["num_points"], row["dropped_points"]) for row in rows
        }
        return counts, np.array([row["embedding"] for row in rows])

    embed_table(held, tmp_path / "table.out.parquet", model, show_progress=False)
    counts, reference = of_rows(pq.read_table(tmp_path / "table.out.parquet").to_pylist())
    assert counts == case.expected

    source = LightCurveSource.open(held)
    assert sum(len(chunk) for chunk in iter_light_curves(source)) == len(case.expected)

    if form != "mapping" and form != "records":  # of which a pipeline takes one light curve each
        inputs = [held] if form in ("Dataset", "IterableDataset") else [held, [held]]
        for given in inputs:
            results = embed(given)
            results = [results] if isinstance(results, dict) else list(results)
            counts, vectors = of_rows(results)
            assert counts == case.expected
            np.testing.assert_allclose(vectors, reference, rtol=0, atol=1e-5)

    if form not in IN_MEMORY:
        folder = tmp_path / "model"
        model.save_pretrained(folder)
        capsys.readouterr()
        output = tmp_path / "command.parquet"
        assert main(["embed", str(held), "-o", str(output), "--model", str(folder), "--quiet"]) == 0
        counts, vectors = of_rows(pq.read_table(output).to_pylist())
        assert counts == case.expected
        np.testing.assert_allclose(vectors, reference, rtol=0, atol=1e-5)
        used = sum(number for number, _ in case.expected.values())
        assert f"{used} of {used + sum(lost for _, lost in case.expected.values())} points used" in capsys.readouterr().out
