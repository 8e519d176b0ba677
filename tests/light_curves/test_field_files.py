# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files as surveys give them are embedded as they come, with every point used or counted as dropped.

These tests read the samples of `shared/field_files`, whose README says how many points each light curve must have, and are
skipped without that folder. `test_layouts.py` proves the same paths on files that it writes itself.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from astromer_hf.cli.main import main
from astromer_hf.light_curves.chunk import LightCurveChunk
from astromer_hf.light_curves.in_memory import read_chunk
from astromer_hf.light_curves.source import LightCurveSource

FOLDER = Path(__file__).parents[3] / "shared" / "field_files"
needs_folder = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the samples are not at {FOLDER}")
# file -> (star, band, label) -> (used, dropped); a star of None is named after the file
EXPECTED: dict[str, dict[tuple[str | None, str | None, str | None], tuple[int, int]]] = {
    "asassn_light_curve.csv": {(None, "V", None): (3, 1), (None, "g", None): (4, 2)},
    "aavso_download.csv": {("STAR-1", "Vis.", None): (3, 1), ("STAR-1", "V", None): (3, 0)},
    "atlas_forced.txt": {(None, "o", None): (3, 1), (None, "c", None): (3, 0)},
    "alerce_one_object.csv": {(None, "g", None): (3, 0), (None, "r", None): (2, 1)},
    "alerce_two_objects.csv": {
        ("STAR-1", "g", None): (2, 0),
        ("STAR-1", "r", None): (2, 0),
        ("STAR-2", "g", None): (2, 0),
        ("STAR-2", "r", None): (1, 0),
    },
    "plasticc.csv": {("101", "2", None): (4, 1), ("101", "3", None): (3, 0), ("102", "2", None): (3, 0)},
    "snana.dat": {("STAR-1", "g", None): (2, 1), ("STAR-1", "r", None): (3, 0)},
    "ogle_folder": {("STAR-1", "I", None): (5, 0), ("STAR-2", "I", None): (4, 0)},
    "macho.mjd": {(None, None, None): (5, 0)},
    "crts_masterid.csv": {("1001000000001", None, None): (4, 0), ("1001000000002", None, None): (3, 0)},
    "one_star_bands.csv": {(None, "g", None): (4, 0), (None, "r", None): (3, 0)},
    "ztf_irsa.csv": {("700000000000001", "zg", None): (3, 1), ("700000000000002", "zr", None): (3, 0)},
    "tess_lc.fits": {("TIC 1001", None, None): (7, 3)},
    "neowise.tbl": {(None, "W1", None): (4, 1), (None, "W2", None): (3, 2)},
    "catalogue": {
        ("STAR-1", None, "RRAB"): (4, 0),
        ("STAR-2", None, "EA"): (3, 0),
        ("STAR-3", None, "RRAB"): (4, 1),
    },
    "no_header.csv": {(None, None, None): (5, 0)},
    "lasair_object.json": {("1001", "g", None): (2, 1), ("1001", "r", None): (2, 0)},
    "hats": {("1", "g", None): (3, 0), ("1", "r", None): (2, 0), ("2", "r", None): (3, 0)},
}
# What drops the points, where any are dropped.
REASONS = {
    "asassn_light_curve.csv": {"upper limit": 2, "marked as missing": 1},
    "aavso_download.csv": {"upper limit": 1},
    "atlas_forced.txt": {"not positive flux": 1},
    "alerce_one_object.csv": {"without a magnitude": 1},
    "plasticc.csv": {"not positive flux": 1},
    "snana.dat": {"not positive flux": 1},
    "ztf_irsa.csv": {"flagged": 1},
    "tess_lc.fits": {"without a time": 1, "without a flux": 1, "flagged": 1},
    "neowise.tbl": {"without a magnitude": 1, "flagged": 2},
    "catalogue": {"marked as missing": 1},
    "lasair_object.json": {"not positive flux": 1},
}


def counts_of(chunks: list[LightCurveChunk], unnamed: str) -> dict[tuple[str | None, ...], tuple[int, int]]:
    """(star, band, label) -> (used, dropped), the star None where it is called `unnamed`."""
    found = {}
    for chunk in chunks:
        clean, dropped = chunk.curves.clean()
        for i, star in enumerate(chunk.object_ids.to_pylist()):
            band, label = (
                chunk.annotations[role][i].as_py() if role in chunk.annotations else None for role in ("band", "label")
            )
            key = (None if star == unnamed else star, band, label)
            assert key not in found
            found[key] = (int(clean.lengths[i]), int(dropped[i]))
    return found


@needs_folder
@pytest.mark.parametrize("name", EXPECTED)
def test_every_file_gives_its_counts_through_python_and_through_the_command(name, tmp_path, tiny_folder, capsys):
    source = LightCurveSource.open(FOLDER / name)
    unnamed = name.split(".")[0]
    assert counts_of(list(source.chunks()), unnamed) == EXPECTED[name]
    dropped = sum(lost for _, lost in EXPECTED[name].values())
    assert source.ledger.dropped == REASONS.get(name, {})
    assert source.ledger.points_read - source.ledger.points_used == dropped

    output = tmp_path / "out.parquet"
    assert main(["embed", str(FOLDER / name), "-o", str(output), "--model", str(tiny_folder), "--quiet"]) == 0
    rows = pq.read_table(output).to_pylist()
    found = {
        (None if row["object_id"] == unnamed else row["object_id"], row.get("band"), row.get("label")): (
            row["num_points"],
            row["dropped_points"],
        )
        for row in rows
    }
    assert found == EXPECTED[name]
    assert len(rows) == len(found)
    told = capsys.readouterr().out
    assert f"{name}: read as " in told
    for reason, number in REASONS.get(name, {}).items():
        assert f"{number} {reason}" in told


def _pandas(**options: Any) -> Callable[[Path], pd.DataFrame]:
    return lambda path: pd.read_csv(path, **options)


IN_MEMORY: dict[str, Callable[[Path], Any]] = {
    "asassn_light_curve.csv": _pandas(),
    "aavso_download.csv": _pandas(escapechar="\\"),
    "alerce_one_object.csv": _pandas(),
    "alerce_two_objects.csv": _pandas(),
    "plasticc.csv": _pandas(),
    "crts_masterid.csv": _pandas(),
    "one_star_bands.csv": _pandas(),
    "ztf_irsa.csv": _pandas(),
    "atlas_forced.txt": _pandas(sep=r"\s+"),
    "neowise.tbl": lambda path: Table.read(path, format="ascii.ipac"),
    "tess_lc.fits": lambda path: Table.read(path, hdu=1, unit_parse_strict="silent"),
    "hats": lambda path: pq.read_table(next(path.rglob("*.parquet"))),
}


def as_pandas(table: Any) -> Any:
    return table.to_pandas() if hasattr(table, "to_pandas") else table


def as_arrow(table: Any) -> Any:
    return table if isinstance(table, pa.Table) else pa.Table.from_pandas(as_pandas(table), preserve_index=False)


def as_astropy(table: Any) -> Any:
    return table if isinstance(table, Table) else Table.from_pandas(as_pandas(table))


@needs_folder
@pytest.mark.parametrize("form", [as_pandas, as_arrow, as_astropy])
@pytest.mark.parametrize("name", IN_MEMORY)
def test_the_same_table_in_memory_gives_the_same_counts_whatever_it_is_held_in(name, form):
    if form is as_astropy and name == "hats":
        pytest.skip("astropy has no nested columns")
    table = IN_MEMORY[name](FOLDER / name)
    held = form(table)
    source = LightCurveSource.open(held)
    found = counts_of(list(source.chunks()), type(held).__name__)
    expected = EXPECTED[name]
    if name == "tess_lc.fits" and form is not as_astropy:  # only astropy's table keeps the header
        expected = {(None, *key[1:]): value for key, value in expected.items()}
    assert found == expected
    if len(expected) > 1:
        chunk = read_chunk(held)
        assert chunk is not None
        assert counts_of([chunk], type(held).__name__) == expected
