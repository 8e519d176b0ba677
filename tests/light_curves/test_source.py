# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables of light curves are read whole, in order and unmixed, whatever their layout, or refused with a reason.

`LAYOUTS` writes one and the same table in every layout; `test_embedding.py` uses it too.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astromer_hf.light_curves.columns import ColumnNames, TableError
from astromer_hf.light_curves.in_memory import read_chunk
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, LightCurve, simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource, iter_light_curves

SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=3, max_points=70)
CURVES = simulate_light_curves(9, survey=SURVEY)
DOUBLES, LARGE_DOUBLES = pa.list_(pa.float64()), pa.large_list(pa.float64())


def to_measurements(table: pa.Table) -> pd.DataFrame:
    """One row a measurement, the rows of an object together."""
    columns = [field.name for field in table.schema if pa.types.is_list(field.type)]
    return table.to_pandas().explode(columns).astype(dict.fromkeys(columns, float)).reset_index(drop=True)


def interleave(measurements: pd.DataFrame) -> pd.DataFrame:
    """The first measurement of every object, the second of every object, ..."""
    return measurements.iloc[np.argsort(measurements.groupby("object_id", sort=False).cumcount(), kind="stable")]


def write_lists(path: Path, table: pa.Table, lists: pa.DataType = DOUBLES) -> Path:
    schema = pa.schema([field.with_type(lists) if pa.types.is_list(field.type) else field for field in table.schema])
    pq.write_table(table.cast(schema), path, row_group_size=4)
    return path


def write_shards(folder: Path, table: pa.Table) -> Path:
    folder.mkdir()
    for first in range(0, len(table), 4):
        pq.write_table(table.slice(first, 4), folder / f"shard-{first:03d}.parquet")
    return folder


def write_measurements(path: Path, measurements: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        measurements.to_parquet(path, row_group_size=50)
    else:
        measurements.to_csv(path, index=False)
    return path


LAYOUTS: dict[str, Callable[[Path, pa.Table], Path]] = {
    "lists": lambda folder, table: write_lists(folder / "curves.parquet", table),
    "large lists": lambda folder, table: write_lists(folder / "curves.parquet", table, LARGE_DOUBLES),
    "shards": lambda folder, table: write_shards(folder / "curves", table),
    "shards of measurements": lambda folder, table: write_shards(
        folder / "curves", pa.Table.from_pandas(to_measurements(table), preserve_index=False)
    ),
    "measurements.parquet": lambda folder, table: write_measurements(folder / "curves.parquet", to_measurements(table)),
    "measurements.csv": lambda folder, table: write_measurements(folder / "curves.csv", to_measurements(table)),
    "measurements.csv.gz": lambda folder, table: write_measurements(folder / "curves.csv.gz", to_measurements(table)),
    "interleaved.parquet": lambda folder, table: write_measurements(
        folder / "curves.parquet", interleave(to_measurements(table))
    ),
    "interleaved.csv": lambda folder, table: write_measurements(folder / "curves.csv", interleave(to_measurements(table))),
}


def write_columns(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path, **options: object) -> list[LightCurve]:
    """All light curves of a table."""
    curves = []
    for chunk in iter_light_curves(path, **options):
        flat, offsets = chunk.curves, chunk.curves.offsets
        errors = np.full(len(flat.times), np.nan) if flat.magnitude_errors is None else flat.magnitude_errors
        for i, object_id in enumerate(chunk.object_ids.to_pylist()):
            arrays = (values[offsets[i] : offsets[i + 1]] for values in (flat.times, flat.magnitudes, errors))
            annotations = {role: values[i].as_py() for role, values in chunk.annotations.items()}
            curves.append(LightCurve(object_id, annotations.get("band"), *arrays, annotations.get("label"), np.nan))
    return curves


def assert_same(found: list[LightCurve], expected: list[LightCurve]) -> None:
    assert [curve.object_id for curve in found] == [curve.object_id for curve in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.band, one.label) == (other.band, other.label)
        for name in ("mjd", "mag", "magerr"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_light_curves_in_order(tmp_path, layout):
    assert_same(read(LAYOUTS[layout](tmp_path, to_table(CURVES))), CURVES)


@pytest.mark.parametrize("objects_per_chunk", [1, 3, 4, 100])
def test_a_chunk_holds_no_more_objects_than_asked_for_and_chunks_hold_them_all(tmp_path, objects_per_chunk):
    path = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    sizes = [len(chunk) for chunk in iter_light_curves(path, objects_per_chunk=objects_per_chunk)]
    assert max(sizes) <= objects_per_chunk
    assert sum(sizes) == len(CURVES)
    assert_same(read(path, objects_per_chunk=objects_per_chunk), CURVES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_objects_are_found_by_their_ids_in_every_layout(tmp_path, layout):
    wanted = [CURVES[2], CURVES[0]]
    found = LightCurveSource.open(LAYOUTS[layout](tmp_path, to_table(CURVES))).find([curve.object_id for curve in wanted])
    assert found.object_ids.to_pylist() == [CURVES[0].object_id, CURVES[2].object_id]  # in the table's order
    np.testing.assert_array_equal(found.curves.magnitudes, np.concatenate([CURVES[0].mag, CURVES[2].mag]))
    assert found.annotations["label"].to_pylist() == [CURVES[0].label, CURVES[2].label]


def test_an_object_that_is_not_there_is_missed_by_name(tmp_path):
    path = LAYOUTS["lists"](tmp_path, to_table(CURVES))
    with pytest.raises(TableError, match=f"There is no object 'nobody' in curves.parquet; the first are {CURVES[0].object_id}"):
        LightCurveSource.open(path).find([CURVES[0].object_id, "nobody"])


@pytest.mark.parametrize(
    "as_table", [lambda table: table, pa.Table.to_pandas, to_measurements], ids=["arrow", "pandas", "rows"]
)
def test_a_table_in_memory_is_read_as_its_file_is(as_table):
    chunk = read_chunk(as_table(to_table(CURVES)))
    assert chunk.object_ids.to_pylist() == [curve.object_id for curve in CURVES]
    np.testing.assert_array_equal(chunk.curves.times, np.concatenate([curve.mjd for curve in CURVES]))
    np.testing.assert_array_equal(chunk.curves.magnitude_errors, np.concatenate([curve.magerr for curve in CURVES]))
    assert chunk.annotations["band"].to_pylist() == [curve.band for curve in CURVES]


def test_a_table_in_memory_without_ids_is_no_table_of_objects_and_an_empty_one_holds_none():
    assert read_chunk(pa.table({"mjd": [1.0], "mag": [15.0]})) is None
    assert len(read_chunk(to_table(CURVES).slice(0, 0))) == 0
    with pytest.raises(TableError, match="no column 'star' for object_id"):
        read_chunk(to_table(CURVES), {"object_id": "star"})


def test_a_summary_counts_usable_observations_and_gaps_within_light_curves(tmp_path):
    days = [[3.0, 1.0, 7.0], [0.0], [5.0, 5.5]]
    magnitudes = [[15.0, 16.0, float("nan")], [14.0], [13.0, 99.9]]
    path = write_columns(tmp_path / "table.parquet", id=["a", "b", "c"], mjd=days, mag=magnitudes)
    summary = LightCurveSource.open(path).summary()
    assert summary["num_points"].tolist() == [2, 1, 1]
    assert summary["mag"].tolist() == [16, 15, 14, 13]
    assert summary["gaps"].tolist() == [2]


def test_an_object_whose_measurements_cross_the_borders_of_batches_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("astromer_hf.light_curves.source._ROWS_OF_MEASUREMENTS", 7)
    path = LAYOUTS["measurements.parquet"](tmp_path, to_table(CURVES))
    assert len(list(iter_light_curves(path))) > 1
    assert_same(read(path), CURVES)


def test_an_object_whose_lines_cross_the_blocks_of_a_csv_stays_whole(tmp_path):
    long = replace(SURVEY, min_points=1900, max_points=2100, duration_days=5000)
    curves = simulate_light_curves(12, survey=long)
    path = LAYOUTS["measurements.csv"](tmp_path, to_table(curves))
    assert path.stat().st_size > 1.2 * 2**20  # a block is 1 MiB
    assert len(list(iter_light_curves(path))) > 1
    assert_same(read(path), curves)


@pytest.mark.parametrize("layout", ["measurements.csv", "interleaved.csv", "measurements.parquet", "interleaved.parquet"])
def test_a_table_that_cannot_be_streamed_is_reported(tmp_path, caplog, layout):
    with caplog.at_level(logging.WARNING):
        read(LAYOUTS[layout](tmp_path, to_table(CURVES)))
    assert ("Sort the table by id" in caplog.text) == layout.startswith("interleaved")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_bands_of_one_object_are_light_curves_of_their_own(tmp_path, suffix):
    measurements = pd.DataFrame(
        {"id": list("aaaab"), "filter": list("RBRBR"), "mjd": [1.0, 2, 3, 4, 5], "mag": [10.0, 20, 11, 21, 12]}
    )
    found = read(write_measurements(tmp_path / f"bands.{suffix}", measurements))
    assert [(curve.object_id, curve.band, list(curve.mag)) for curve in found] == [
        ("a", "R", [10, 11]),
        ("a", "B", [20, 21]),
        ("b", "R", [12]),
    ]


@pytest.mark.parametrize(
    ("time", "magnitude", "error", "identifier"),
    [
        ("time", "mag", "err", "id"),
        ("mjd", "magnitude", "magerr", "object_id"),
        ("HJD", "Mag", "Mag_Err", "ObjectID"),
        ("jd", "psfmag", "sigmapsf", "oid"),
    ],
)
def test_usual_column_names_are_guessed_in_any_case(tmp_path, time, magnitude, error, identifier):
    table = to_table(CURVES).rename_columns({"mjd": time, "mag": magnitude, "magerr": error, "object_id": identifier})
    assert_same(read(LAYOUTS["lists"](tmp_path, table)), CURVES)


def test_a_given_column_name_wins_over_a_guess(tmp_path):
    table = to_table(CURVES)
    shifted = pa.array([curve.mjd + 0.5 for curve in CURVES], DOUBLES)
    path = LAYOUTS["lists"](tmp_path, table.append_column("barycentric", shifted).append_column("hjd", shifted))
    assert_same(read(path), CURVES)  # mjd comes before hjd
    assert_same(read(path, columns={"mjd": "barycentric"}), [replace(curve, mjd=curve.mjd + 0.5) for curve in CURVES])


@pytest.mark.parametrize(
    ("available", "given", "message"),
    [
        (["id", "flux", "when"], {}, r"none for mjd, mag; there are: id, flux, when.*--mjd-column, --mag-column"),
        (["id", "mjd", "mag"], {"mag": "g"}, r"no column 'g' for mag; there are: id, mjd, mag"),
        (["id", "mjd", "mag", "mag"], {}, r"more than one column 'mag'"),
    ],
)
def test_column_names_that_do_not_lead_to_a_light_curve_are_refused_with_those_that_there_are(available, given, message):
    with pytest.raises(TableError, match=message):
        ColumnNames.guess(available, **given)


def test_used_columns_are_those_that_the_table_has():
    assert ColumnNames.guess(["label", "mag", "time", "id", "ra"]).used == ["id", "time", "mag", "label"]


def test_null_lists_are_empty_light_curves_and_null_values_are_nan(tmp_path):
    path = write_columns(
        tmp_path / "nulls.parquet",
        id=["whole", "null", "gaps", "empty", "last"],
        time=pa.array([[1.0, 2.0], None, [3.0, None, 5.0], [], [6.0]]),
        mag=pa.array([[10.0, 11.0], None, [None, 13.0, 14.0], [], [15.0]]),
    )
    found = read(path, objects_per_chunk=2)
    assert [curve.object_id for curve in found] == ["whole", "null", "gaps", "empty", "last"]
    np.testing.assert_array_equal(np.concatenate([curve.mjd for curve in found]), [1, 2, 3, np.nan, 5, 6])
    np.testing.assert_array_equal(np.concatenate([curve.mag for curve in found]), [10, 11, np.nan, 13, 14, 15])
    assert [len(curve.mag) for curve in found] == [2, 0, 3, 0, 1]


def test_errors_stay_with_their_magnitudes_where_some_objects_have_none(tmp_path):
    path = write_columns(
        tmp_path / "errors.parquet",
        id=["known", "null", "short", "known too"],
        time=[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0]],
        mag=[[10.0, 11.0], [12.0, 13.0], [14.0, 15.0], [16.0]],
        err=pa.array([[0.1, 0.2], None, [0.3], [0.4]]),
    )
    nan = np.nan
    np.testing.assert_array_equal(np.concatenate([curve.magerr for curve in read(path)]), [0.1, 0.2, nan, nan, nan, nan, 0.4])


@pytest.mark.parametrize("layout", ["lists", "measurements.parquet", "measurements.csv"])
def test_a_table_without_errors_is_read_without(tmp_path, layout):
    path = LAYOUTS[layout](tmp_path, to_table(CURVES).drop_columns("magerr"))
    assert all(chunk.curves.magnitude_errors is None for chunk in iter_light_curves(path))
    assert_same(read(path), [replace(curve, magerr=np.full(len(curve.mag), np.nan)) for curve in CURVES])


@pytest.mark.parametrize(
    "ids", [pa.array([7, 12]), pa.array(["7", "12"]).dictionary_encode(), pa.array(["7", "12"], pa.large_string())]
)
def test_ids_of_any_type_are_strings(tmp_path, ids):
    path = write_columns(tmp_path / "ids.parquet", id=ids, mjd=[[1.0], [2.0]], mag=[[3.0], [4.0]])
    assert [curve.object_id for curve in read(path)] == ["7", "12"]


def test_ids_of_a_csv_keep_their_zeros(tmp_path):
    path = tmp_path / "zeros.csv"
    path.write_text("id,mjd,mag\n007,1,10\n7,1,11\n1e3,1,12\n")
    assert [curve.object_id for curve in read(path)] == ["007", "7", "1e3"]


def test_objects_of_unequal_lists_are_named_and_keep_their_place(tmp_path):
    path = write_columns(
        tmp_path / "unequal.parquet", id=["fine", "star 8"], mjd=[[1.0], [1.0, 2.0]], mag=[[1.0], [1.0, 2.0, 3.0]]
    )
    opened = LightCurveSource.open(path)
    (chunk,) = opened.chunks()
    assert chunk.curves.clean()[0].lengths.tolist() == [1, 0]
    assert opened.ledger.unreadable == {
        "star 8": "Object 'star 8' has 2 values in 'mjd' and 3 in 'mag': every time needs its magnitude."
    }
    write_columns(path, id=["star 8"], mjd=[[1.0, 2.0]], mag=[[1.0, 2.0, 3.0]])
    with pytest.raises(TableError, match=r"'star 8' has 2 values in 'mjd' and 3 in 'mag'"):  # none can be read
        read(path)


def test_files_of_a_catalogue_that_are_missing_or_damaged_are_named_and_keep_their_place(tmp_path):
    (tmp_path / "LCs").mkdir()
    for name in ("a", "c"):
        (tmp_path / "LCs" / f"{name}.csv").write_text("mjd,mag,magerr\n1,15,0.1\n2,16,0.1\n")
    (tmp_path / "LCs" / "b.csv").write_bytes(bytes(range(256)))
    table = "id,path\nbroken,b.csv\none,a.csv\ngone,x.csv\ntwo,c.csv\n"
    (tmp_path / "metadata.csv").write_text(table)
    opened = LightCurveSource.open(tmp_path / "metadata.csv")
    (chunk,) = opened.chunks()
    assert chunk.object_ids.to_pylist() == ["broken", "one", "gone", "two"]
    assert chunk.curves.lengths.tolist() == [0, 2, 0, 2]
    assert [*opened.ledger.unreadable] == ["broken", "gone"]
    assert "There is no light curve 'x.csv'" in opened.ledger.unreadable["gone"]


def test_files_of_a_folder_that_cannot_be_read_are_stars_without_points_in_their_places(tmp_path):
    good, bad = "mjd,mag,magerr\n1,15,0.1\n2,15.5,0.1\n", "mjd,mag,magerr\n1,bright,0.1\n"
    for name, content in {"a": good.encode(), "b": bytes(range(256)), "c": good.encode(), "d": bad.encode()}.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    opened = LightCurveSource.open(tmp_path)
    read_ids, lengths = [], []
    for chunk in opened.chunks():
        read_ids += chunk.object_ids.to_pylist()
        lengths += chunk.curves.lengths.tolist()
    assert (read_ids, lengths) == (["a", "b", "c", "d"], [2, 0, 2, 0])
    assert [*opened.ledger.unreadable] == ["b", "d"]
    assert "row 1 of the data holds 'bright'" in opened.ledger.unreadable["d"]
    for name in ("a", "c"):
        (tmp_path / f"{name}.csv").write_text("object_id,mjd,mag\ns1,1,15\ns2,2,15.5\n")
    with pytest.raises(TableError, match=r"b\.csv"):  # which may hold any number of stars
        LightCurveSource.open(tmp_path)


def test_shards_that_differ_in_their_columns_are_named(tmp_path):
    shards = write_shards(tmp_path / "shards", to_table(CURVES))
    pq.write_table(to_table(CURVES).rename_columns({"mjd": "hjd"}), shards / "shard-x.parquet")
    with pytest.raises(TableError, match=r"shard-000\.parquet and shard-x\.parquet differ in their columns.*mjd.*hjd"):
        read(shards)


def test_objects_per_chunk_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        read(LAYOUTS["lists"](tmp_path, to_table(CURVES)), objects_per_chunk=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_light_curves_are_counted_off_the_footers_of_list_columns_only(tmp_path, layout):
    count = LightCurveSource.open(LAYOUTS[layout](tmp_path, to_table(CURVES))).num_light_curves
    assert count == (len(CURVES) if layout in ("lists", "large lists", "shards") else None)


def test_the_real_macho_light_curves_are_all_read(shared_data):
    curves = read(shared_data / "macho_with_err.parquet")
    expected = pq.read_table(shared_data / "macho_with_err.parquet").to_pandas()
    assert [curve.object_id for curve in curves] == list(expected["id"])
    assert [curve.band for curve in curves] == list(expected["band"])
    for name, column in {"mjd": "time", "mag": "mag", "magerr": "err"}.items():
        for curve, values in zip(curves, expected[column], strict=True):
            np.testing.assert_array_equal(getattr(curve, name), values)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_measurements_without_an_id_are_refused(tmp_path: Path, suffix: str):
    path = tmp_path / f"measurements.{suffix}"
    table = pd.DataFrame({"object_id": ["a", None, "b"], "mjd": [1.0, 2.0, 3.0], "mag": [15.0, 15.1, 15.2]})
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    with pytest.raises(TableError, match="1 rows of measurements have no 'object_id'"):
        list(iter_light_curves(path))
