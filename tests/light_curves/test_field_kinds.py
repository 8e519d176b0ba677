# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files as people write them: dialects, dates, markers, limits, ids and bands are understood, or refused with what to do next.

Every file below is invented; its points are those of `DAYS` and `MAGS` unless it says otherwise.
"""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.source import LightCurveSource

DAYS = np.array([58000.125, 58001.25, 58002.5, 58003.75, 58005.5, 58008.25])
MAGS = np.array([15.125, 15.375, 15.25, 15.5, 15.0, 15.75])
ERRORS = np.array([0.02, 0.03, 0.02, 0.05, 0.02, 0.04])
TABLE = pd.DataFrame({"mjd": DAYS, "mag": MAGS, "magerr": ERRORS, "band": ["g", "g", "g", "r", "r", "r"]})
NUMBERS = ["mjd", "mag", "magerr"]
Counts = dict[tuple[str | None, str | None], tuple[int, int]]
TWO_BANDS: Counts = {(None, "g"): (3, 0), (None, "r"): (3, 0)}
ONE: Counts = {(None, None): (6, 0)}


def read(path: Path) -> tuple[Counts, LightCurveSource, dict[tuple[str | None, str | None], np.ndarray]]:
    """(star, band) -> (used, dropped), a star of the file's name being None; the source; and the points, `(n, 3)`."""
    source = LightCurveSource.open(path)
    counts, points = {}, {}
    for chunk in source.chunks():
        clean, dropped = chunk.curves.clean()
        errors = np.full(len(clean.times), np.nan) if clean.magnitude_errors is None else clean.magnitude_errors
        bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
        for i, star in enumerate(chunk.object_ids.to_pylist()):
            key = (None if star == path.stem else star, bands[i])
            assert key not in counts, "a star is there twice in a band"
            own = slice(clean.offsets[i], clean.offsets[i + 1])
            counts[key] = (int(clean.lengths[i]), int(dropped[i]))
            points[key] = np.column_stack([clean.times[own], clean.magnitudes[own], errors[own]])
    return counts, source, points


def put(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def columns(**values: Any) -> str:
    return pd.DataFrame(values).to_csv(index=False)


# --- Dialects: the same points in all of them ---

ROWS = "\n".join(f'"{i + 1}" {row.mjd} {row.mag} {row.magerr} "{row.band}"' for i, row in enumerate(TABLE.itertuples()))
MRT = f"""Title: Invented magnitudes
Authors: Nobody
Table: One
{"=" * 80}
Byte-by-byte Description of file: t.txt
{"-" * 80}
   Bytes Format Units  Label  Explanations
{"-" * 80}
   1- 12 F12.5  d      MJD    Date
  14- 20 F7.4   mag    mag    Magnitude
  22- 26 F5.3   mag    e_mag  Error
  28     A1     ---    band   Band
{"-" * 80}
""" + "".join(f"{row.mjd:12.5f} {row.mag:7.4f} {row.magerr:5.3f} {row.band}\n" for row in TABLE.itertuples())
DIALECTS: dict[str, str | bytes] = {
    "decimal commas, semicolons": TABLE.to_csv(index=False, sep=";", decimal=","),
    "decimal commas, tabs": TABLE.to_csv(index=False, sep="\t", decimal=","),
    "decimal commas, white space": TABLE.to_csv(index=False, sep=" ", decimal=","),
    "quoted decimal commas": TABLE.to_csv(index=False, decimal=",", quoting=1),
    "pandas with its index": TABLE.to_csv(),
    "R with names of rows": TABLE.to_csv(index_label=False),
    "R's write.table": '"mjd" "mag" "magerr" "band"\n' + ROWS,
    "Excel's line of the separator": "sep=;\n" + TABLE.to_csv(index=False, sep=";"),
    "a title": "The light curve of my star, in two bands\n\n" + TABLE.to_csv(index=False),
    "two titles over white space": "My star\nobserved by me from home\n" + TABLE.to_string(index=False),
    "units under the header": TABLE.to_csv(index=False).replace("band\n", "band\nd,mag,mag,-\n", 1),
    "units in the names": "MJD [d],mag (mag),e_mag (mag),band\n" + TABLE.to_csv(index=False, header=False),
    "a delimiter too many": TABLE.to_csv(index=False).replace("\n", ",\n"),
    "a delimiter too many in the data": TABLE.to_csv(index=False).replace("\n", ",\n").replace(",\n", "\n", 1),
    "commas and blanks in a header after a hash": "#mjd, mag, magerr, band\n" + TABLE.to_string(index=False, header=False),
    "brackets in the header": "<mjd> <mag> <magerr> <band>\n" + TABLE.to_string(index=False, header=False),
    "Markdown": "| mjd | mag | magerr | band |\n|---|---:|---|---|\n"
    + "".join(f"| {row.mjd} | {row.mag} | {row.magerr} | {row.band} |\n" for row in TABLE.itertuples()),
    "UTF-16": TABLE.to_csv(index=False).encode("utf-16"),
    "UTF-16 without a mark": TABLE.to_csv(index=False).encode("utf-16-be"),
    "line ends of old Macs": TABLE.to_csv(index=False, lineterminator="\r"),
    "machine-readable table": MRT,
    "gzip without its ending": gzip.compress(TABLE.to_csv(index=False).encode()),
    "JSON of pandas by split": TABLE.to_json(orient="split"),
    "JSON of pandas by index": TABLE.to_json(orient="index"),
    "JSON of bands": json.dumps({band: own[NUMBERS].to_dict("records") for band, own in TABLE.groupby("band")}),
    "JSON of bands with lists": json.dumps({band: own[NUMBERS].to_dict("list") for band, own in TABLE.groupby("band")}),
    "blanks after bands": TABLE.assign(band=["g", "g ", "g", "r", "r  ", "r"]).to_csv(index=False),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_gives_the_points_that_are_in_it(tmp_path, name):
    counts, _, points = read(put(tmp_path, DIALECTS[name], "t.txt"))
    assert counts == TWO_BANDS
    for band, own in TABLE.groupby("band"):
        np.testing.assert_allclose(points[None, band], own[["mjd", "mag", "magerr"]])


@pytest.mark.parametrize("opened", ["[]", "()"])
def test_cells_of_a_text_may_hold_lists(tmp_path, opened):
    cells = [opened[0] + ", ".join(map(str, values)) + opened[1] for values in (DAYS, MAGS, MAGS + 1)]
    bands = "['" + "', '".join(TABLE.band) + "']"
    text = columns(id=["a", "b"], mjd=[cells[0]] * 2, mag=cells[1:], band=[bands] * 2)
    counts, _, points = read(put(tmp_path, text))
    assert counts == {(star, band): (3, 0) for star in "ab" for band in "gr"}
    np.testing.assert_allclose(points["b", "r"][:, 1], MAGS[3:] + 1)
    with pytest.raises(TableError, match=r"column 'mjd' are cut.*write the lists out"):
        read(put(tmp_path, columns(id=["a"], mjd=["[1. 2. ... 9.]"], mag=["[1. 2. ... 9.]"])))


def test_a_star_is_named_by_a_comment_of_its_file(tmp_path):
    assert set(read(put(tmp_path, "# OBJECT = V838 Mon / a note\n" + TABLE.to_csv(index=False)))[0]) == {
        ("V838 Mon", "g"),
        ("V838 Mon", "r"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "mjd,mag\n58000.1,15.2\n58001.1,15.3,x,\n",
            r"row 2 of the data has 4 values \(58001.1,15.3,x,\), and .* 2",
        ),
        ("mjd mag err\n58000.1 15.2 .1\n58001.1 15.3\n", "row 2 of the data has fewer than 3 values"),
        ("mjd mag\n58000.1 15.2\n58001.1 15.3\n58002.1 15.2 9\n", "row 3 of the data has .* values, and there are 2"),
        (columns(date=["31/01/2020", "01/02/2020"], mag=[15.0, 15.1]), r"'31/01/2020', in which the day.* write them as"),
        (columns(mjd=["58,000.5", "58,001.5"], mag=[15.0, 15.1]), "no commas between thousands"),
        ("", "it is empty"),
        ("# a\n# b\n", "no line of data"),
        ("<!DOCTYPE html>\n<html><body>503</body></html>\n", "is a web page, .*download the file"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04\x00\x00", "Excel workbook.*save the table as CSV"),
        (b"\x89HDF\r\n\x1a\n", "is HDF5.*save the table as CSV"),
        (b"\x28\xb5\x2f\xfd\x00\x00", "zstd -d"),
        (b"\x80\x04\x95", "a pickle, which is never opened"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_it_is_and_what_to_do(tmp_path, text, message):
    with pytest.raises(TableError, match=message) as caught:
        read(put(tmp_path, text))
    assert "pandas.errors" not in str(caught.value)
    assert "\n" not in str(caught.value)


# --- Times ---


def put_time_series(folder: Path, name: str) -> Path:
    series = TimeSeries(time=Time(Time(DAYS, format="mjd").isot))
    series["mag"] = MAGS * units.mag
    series.write(folder / name)
    return folder / name


TIMES: dict[str, tuple[Callable[[Path], Path], float]] = {
    "JD": (lambda folder: put(folder, columns(JD=DAYS + 2400000.5, mag=MAGS)), -2400000.5),
    "HJD-2450000": (lambda folder: put(folder, columns(**{"HJD-2450000": DAYS - 50000, "mag": MAGS})), 50000),
    "HJD (-2450000)": (lambda folder: put(folder, columns(**{"HJD(-2450000)": DAYS - 50000, "mag": MAGS})), 50000),
    "BTJD in the name": (lambda folder: put(folder, columns(**{"Time (BTJD)": DAYS - 57000, "mag": MAGS})), 57000),
    "seconds in the name": (lambda folder: put(folder, columns(**{"Time (s)": (DAYS - 58000) * 86400, "mag": MAGS})), 58000),
    "dates": (lambda folder: put(folder, columns(date=Time(DAYS, format="mjd").isot, mag=MAGS)), 0),
    "dates with blanks": (lambda folder: put(folder, columns(date=Time(DAYS, format="mjd").iso, mag=MAGS)), 0),
    "astropy's in ECSV": (lambda folder: put_time_series(folder, "t.ecsv"), 0),
    "astropy's in FITS": (lambda folder: put_time_series(folder, "t.fits"), 0),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_of_any_kind_are_days(tmp_path, name):
    write, zero_point = TIMES[name]
    _, _, points = read(write(tmp_path))
    np.testing.assert_allclose(points[None, None][:, 0] + zero_point, DAYS, atol=1e-6)


def test_dates_without_marks_between_their_parts_are_dates(tmp_path):
    _, _, points = read(put(tmp_path, columns(date=[20191230, 20200101, 20200301], mag=MAGS[:3])))
    assert np.diff(points[None, None][:, 0]).tolist() == [2, 60]


@pytest.mark.parametrize("marker", ["0", "-999", "", "nan"])
def test_a_time_that_is_marked_as_missing_is_no_time(tmp_path, marker):
    counts, source, _ = read(put(tmp_path, TABLE.to_csv(index=False).replace("58001.25", marker)))
    assert counts == {(None, "g"): (2, 1), (None, "r"): (3, 0)}
    assert source.ledger.dropped == {"without a time": 1}


def test_a_time_of_zero_is_a_time_where_the_others_are_no_dates(tmp_path):
    text = columns(id=["a"] * 3 + ["b"] * 3, mjd=[0.0, 1.5, 3.0, *DAYS[3:]], mag=MAGS)
    assert read(put(tmp_path, text))[0] == {("a", None): (3, 0), ("b", None): (3, 0)}


# --- Magnitudes and fluxes ---


@pytest.mark.parametrize("marker", ["INDEF", "?", "missing", "-nan", "0", "-1", "50", "99.999"])
def test_markers_of_missing_magnitudes_are_dropped_where_they_repeat(tmp_path, marker):
    text = columns(mjd=np.arange(8), mag=[marker, marker, *MAGS])
    counts, source, _ = read(put(tmp_path, text))
    assert counts == {(None, None): (6, 2)}
    assert set(source.ledger.dropped) <= {"without a magnitude", "marked as missing"}


@pytest.mark.parametrize(
    "limits",
    [
        {"mag": ["<15.1", "[15.2", "[15.3]", *map(str, MAGS[3:])]},
        {"mag": MAGS, "upperlimit": ["T", "true", "1", "F", "", "0"]},
        {"mag": MAGS, "is_limit": [True] * 3 + [False] * 3},
        {"l_mag": ["<", ">", "<", "", "", ""], "mag": MAGS},
    ],
)
def test_upper_limits_are_dropped_however_they_are_marked(tmp_path, limits):
    counts, source, _ = read(put(tmp_path, columns(mjd=DAYS, **limits)))
    assert counts == {(None, None): (3, 3)}
    assert source.ledger.dropped == {"upper limit": 3}


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 7], [5, 0, 7, 6, 3, 1, 2, 4]])
def test_points_that_stand_twice_are_used_and_told(tmp_path, order):
    # Star a has a point thrice; the other points share the time, the magnitude or both with another star alone.
    rows = pd.DataFrame({"id": ["a"] * 5 + ["b"] * 3, "mjd": [1.5, 1.5, 1.5, 1.5, 2.5, 1.5, 2.5, 3.5]})
    rows["mag"] = [15.0, 15.0, 15.0, 15.2, 15.0, 15.0, 15.0, 15.0]
    rows.loc[8] = ["a", np.nan, 15.0]  # without a time, wherever it stands
    order = [*order[:2], 8, *order[2:]]
    counts, source, _ = read(put(tmp_path, rows.iloc[order].to_csv(index=False)))
    assert counts == {("a", None): (5, 1), ("b", None): (3, 0)}
    assert source.ledger.repeated_points == 2
    assert "2 used points repeat the time and magnitude of another one of their star" in source.ledger.line
    once = read(put(tmp_path, rows.iloc[order].drop_duplicates().to_csv(index=False)))[1]
    assert once.ledger.repeated_points == 0
    assert "repeat" not in once.ledger.line


def test_a_column_of_zero_points_is_used(tmp_path):
    zero_points = [25.0, 25, 25, 27.5, 27.5, np.nan]
    counts, source, points = read(put(tmp_path, columns(mjd=DAYS, flux=[100.0, 100, 100, 1000, 1000, 1000], zp=zero_points)))
    assert counts == {(None, None): (5, 1)}
    assert source.ledger.dropped == {"without a zero point": 1}
    np.testing.assert_allclose(points[None, None][:, 1], 20)


def test_errors_are_in_the_unit_of_their_flux(tmp_path):
    table = Table({"mjd": DAYS * units.d, "flux": np.full(6, 2.0) * units.mJy, "flux_err": np.full(6, 20.0) * units.uJy})
    table.write(tmp_path / "t.ecsv")
    _, _, points = read(tmp_path / "t.ecsv")
    np.testing.assert_allclose(points[None, None][:, 2], 2.5 / np.log(10) * 0.01)


def test_a_unit_that_says_something_else_than_the_name_is_an_error(tmp_path):
    Table({"mjd": DAYS, "flux": MAGS * units.mag}).write(tmp_path / "t.ecsv")
    with pytest.raises(TableError, match=r"'flux' must hold fluxes, it is in mag.*--mag-column"):
        read(tmp_path / "t.ecsv")
    with pytest.raises(TableError, match=r"'mag \(mJy\)' must be in units of mag, it is in mJy.*--flux-column"):
        read(put(tmp_path, columns(**{"mjd": DAYS, "mag (mJy)": MAGS})))


# --- Stars and bands ---


@pytest.mark.parametrize(
    "names",
    [
        {"mag_g": MAGS, "magerr_g": ERRORS, "mag_r": MAGS + 1, "magerr_r": ERRORS},
        {"gmag": MAGS, "e_gmag": ERRORS, "rmag": MAGS + 1, "e_rmag": ERRORS},
        {"g": MAGS, "g_err": ERRORS, "r": MAGS + 1, "r_err": ERRORS},
    ],
)
def test_bands_in_columns_of_their_own_are_light_curves_of_their_own(tmp_path, names):
    counts, _, points = read(put(tmp_path, columns(mjd=DAYS, **names)))
    assert counts == {(None, "g"): (6, 0), (None, "r"): (6, 0)}
    np.testing.assert_allclose(points[None, "r"], np.column_stack([DAYS, MAGS + 1, ERRORS]))


def test_bands_may_have_times_of_their_own(tmp_path):
    text = columns(MJD_u=DAYS, u=MAGS, err_u=ERRORS, MJD_g=DAYS + 0.01, g=MAGS - 1, err_g=ERRORS)
    _, _, points = read(put(tmp_path, text))
    np.testing.assert_allclose(points[None, "g"][:, 0], DAYS + 0.01)
    np.testing.assert_allclose(points[None, "u"][:, 0], DAYS)


def test_ids_that_lost_digits_are_no_ids(tmp_path):
    ids = np.array([4295806720123456789] * 3 + [4295806720123456790] * 3)
    table = pd.DataFrame({"source_id": ids, "mjd": DAYS, "mag": MAGS})
    whole = {(str(ids[0]), None): (3, 0), (str(ids[-1]), None): (3, 0)}
    assert read(put(tmp_path, table.to_csv(index=False)))[0] == whole
    assert read(put(tmp_path, table.to_json(orient="records"), "t.json"))[0] == whole
    rounded = table.astype({"source_id": float})
    rounded.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"ids in the column 'source_id' are double.* lost its last digits"):
        read(tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"ids in the column 'source_id' of t\.csv are rounded.*--object-id-column"):
        read(put(tmp_path, rounded.to_csv(index=False)))


def test_blanks_around_an_id_are_no_part_of_it(tmp_path):
    table = pd.DataFrame({"id": ["a", "a ", " a", "b", "b", "b "], "mjd": DAYS, "mag": MAGS})
    table.to_parquet(tmp_path / "t.parquet")
    for path in (tmp_path / "t.parquet", put(tmp_path, table.to_csv(index=False))):
        assert read(path)[0] == {("a", None): (3, 0), ("b", None): (3, 0)}


def test_a_label_that_differs_within_a_star_is_none_and_is_told(tmp_path):
    text = columns(id=["a"] * 3 + ["b"] * 3, mjd=DAYS, mag=MAGS, type=["detection", "forced"] * 3)
    _, source, _ = read(put(tmp_path, text))
    assert source.roles.label is None
    assert "'type' differs within a star and is no label" in source.ledger.line


def test_a_table_with_the_columns_of_two_surveys_is_asked_about(tmp_path):
    text = columns(oid=1, mjd=DAYS, mag=MAGS, filtercode="zg", hjd=DAYS, camera="b", mag_err=ERRORS, filter="g", limit=17.0)
    with pytest.raises(TableError, match=r"ASAS-SN Sky Patrol and of ZTF.*--survey asassn or --survey ztf"):
        read(put(tmp_path, text))


def test_several_lists_of_one_object_in_a_document_are_asked_about(tmp_path):
    records = [{"mjd": float(day), "mag": 15.0} for day in DAYS]
    with pytest.raises(TableError, match="several lists of measurements of one object, detections, forced"):
        read(put(tmp_path, json.dumps({"oid": "A", "detections": records, "forced": records}), "t.json"))
    assert read(put(tmp_path, json.dumps({"A": records, "B": {"lc": records}}), "t.json"))[0] == {
        ("A", None): (6, 0),
        ("B", None): (6, 0),
    }


def test_objects_with_lists_in_a_document_are_objects(tmp_path):
    objects = [{"id": star, "ra": 1.5, "mjd": DAYS.tolist(), "mag": MAGS.tolist()} for star in "ab"]
    both = {("a", None): (6, 0), ("b", None): (6, 0)}
    assert read(put(tmp_path, json.dumps(objects), "t.json"))[0] == both
    assert read(put(tmp_path, "\n".join(map(json.dumps, objects)), "t.jsonl"))[0] == both


def test_points_without_a_band_are_told(tmp_path):
    counts, source, _ = read(put(tmp_path, TABLE.assign(band=["g"] * 4 + [""] * 2).to_csv(index=False)))
    assert counts == {(None, "g"): (4, 0), (None, ""): (2, 0)}
    assert "2 points have no band" in source.ledger.line


# --- Folders ---

LC = TABLE[NUMBERS].to_csv(index=False, header=False, sep=" ")


def put_folder(root: Path, *names: str, **others: str) -> Path:
    for name in names:
        put(root, LC, name)
    for name, text in others.items():
        put(root, text, name.replace("__", "."))
    return root


@pytest.mark.parametrize("root", ["", "phot"])
def test_folders_that_are_named_after_bands_tell_the_band(tmp_path, root):
    names = [f"phot/{band}/STAR-{i}.dat" for band in "IV" for i in (1, 2)]
    put_folder(tmp_path, *names, ident__dat="STAR-1  F  4:32:51.9 -69:48:23.2 X\n", README="words of all kinds\n")
    counts, source, _ = read(tmp_path / root)
    assert counts == {(f"STAR-{i}", band): (6, 0) for band in "IV" for i in (1, 2)}
    assert ("2 other files are passed over: README, ident.dat" in source.ledger.line) == (root == "")
    assert read(tmp_path / "phot" / "I")[0] == {(f"STAR-{i}", "I"): (6, 0) for i in (1, 2)}


def test_files_of_one_name_in_several_folders_are_several_stars(tmp_path):
    counts, _, _ = read(put_folder(tmp_path, "field1/lc.dat", "y/lc.dat"))
    assert counts == {("field1/lc", None): (6, 0), ("y/lc", None): (6, 0)}


def test_a_file_that_cannot_be_read_among_light_curves_of_its_kind_is_a_star_without_points_unless_it_is_empty(tmp_path):
    folder = put_folder(tmp_path, "a.dat", "b.dat", settings__json='{"a": 1}', c__dat="")
    counts, source, _ = read(folder)
    assert counts == {("a", None): (6, 0), ("b", None): (6, 0)}
    assert source.ledger.line.endswith("2 other files are passed over: c.dat, settings.json")
    put(folder, "no table\n", "d.dat")
    opened = LightCurveSource.open(folder)
    assert [part for chunk in opened.chunks() for part in chunk.object_ids.to_pylist()] == ["a", "b", "d"]
    assert [*opened.ledger.unreadable] == ["d"]


def test_a_pair_of_files_of_snana_is_one_table(tmp_path):
    Table({"SNID": ["1", "2"], "PTROBS_MIN": [1, 4], "PTROBS_MAX": [3, 6]}).write(tmp_path / "A_HEAD.FITS", format="fits")
    Table({"MJD": DAYS, "BAND": ["g"] * 6, "FLUXCAL": MAGS}).write(tmp_path / "A_PHOT.FITS", format="fits")
    assert read(tmp_path)[0] == {("1", "g"): (3, 0), ("2", "g"): (3, 0)}


def test_an_archive_without_tables_is_named_as_the_user_named_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("inner.zip", b"PK")
    with pytest.raises(TableError, match=r"^t\.zip holds no .*but inner\.zip: unpack"):
        read(tmp_path / "t.zip")


# --- Times that may be something else ---


@pytest.mark.parametrize("times", [(DAYS - 58000) * 86400 * 10, np.where(np.arange(6) < 3, DAYS, DAYS + 2400000.5), DAYS * 1e5])
def test_times_that_cannot_be_days_are_an_error_that_names_the_star(tmp_path, times):
    with pytest.raises(TableError, match=r"Times must be days.*object 't'.*86400"):
        read(put(tmp_path, columns(time=times, mag=MAGS)))


def test_times_that_may_be_years_are_told(tmp_path):
    text = columns(time=2000 + (DAYS - 51544.5) / 365.25, mag=MAGS)
    assert "are years, multiply them by 365.25" in read(put(tmp_path, text))[1].ledger.line


# --- What a survey's files do not have, and somebody has added ---

ATLAS = {"MJD": DAYS, "m": MAGS, "dm": ERRORS, "uJy": 3600, "duJy": 20, "F": ["o", "c"] * 3}
TWO = ["a"] * 3 + ["b"] * 3


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (ATLAS, "ATLAS_ID"),
        ({"HJD": DAYS, "MAG_3": MAGS, "MER_3": ERRORS, "GRADE": "A"}, "ID"),
        ({"MJD": DAYS, "V_mag": MAGS, "V_err": ERRORS}, "Numerical_Code_ID"),
    ],
)
def test_stars_in_a_column_that_is_none_of_a_survey_are_asked_about(tmp_path, table, name):
    path = put(tmp_path, columns(**{name: TWO}, **table))
    with pytest.raises(TableError, match=f"'{name}' has several values.*--object-id-column {name}"):
        read(path)
    found = [chunk.object_ids.to_pylist() for chunk in LightCurveSource.open(path, columns={"object_id": name}).chunks()]
    assert {star for stars in found for star in stars} == {"a", "b"}


def test_several_positions_without_an_id_are_several_stars(tmp_path):
    far = columns(ra=[359.9999] * 3 + [0.5] * 3, dec=10.0, mjd=DAYS, mag=MAGS)
    with pytest.raises(TableError, match=r"positions differ by 177. arcsec.*--object-id-column"):
        read(put(tmp_path, far))
    assert read(put(tmp_path, columns(ra=[359.9999, 0.0001] * 3, dec=10.0, mjd=DAYS, mag=MAGS)))[0] == ONE


def test_a_column_of_bands_that_is_none_of_a_survey_separates_light_curves(tmp_path):
    text = columns(MasterID=1, Mag=MAGS, Magerr=ERRORS, MJD=DAYS, Filter=["V"] * 3 + ["R"] * 3)
    assert read(put(tmp_path, text))[0] == {("1", "V"): (3, 0), ("1", "R"): (3, 0)}


def test_tables_of_a_file_that_are_not_read_are_told(tmp_path):
    tables = [fits.BinTableHDU(Table({"MJD": DAYS, "MAG": MAGS}).as_array(), name=name) for name in ("G", "R")]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "t.fits")
    counts, source, _ = read(tmp_path / "t.fits")
    assert counts == ONE
    assert "of 2 tables with times the first is read, G, and R not" in source.ledger.line


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.list_(pa.timestamp("us")), pa.date32()])
def test_times_and_magnitudes_of_parquet_may_be_of_any_type(tmp_path, kind):
    dates = Time(DAYS, format="mjd")
    if kind == pa.date32():
        table = pa.table({"date": pa.array(DAYS.astype(int) - 40587, pa.int32()).cast(kind), "mag": MAGS})
        expected = np.floor(DAYS)
    else:
        times = [dates.isot.tolist()] if kind.value_type == pa.string() else [dates.to_datetime().tolist()]
        table = pa.table({"id": ["t"], "time": pa.array(times, kind), "mag": [[str(value) for value in MAGS]]})
        expected = DAYS
    pq.write_table(table, tmp_path / "t.parquet")
    _, _, points = read(tmp_path / "t.parquet")
    np.testing.assert_allclose(points[None, None][:, :2], np.column_stack([expected, MAGS]), atol=1e-6)


def test_files_of_a_folder_without_a_point_are_told(tmp_path):
    folder = put_folder(tmp_path, **{"a__csv": TABLE.to_csv(index=False), "b__csv": "mjd,mag,magerr,band\n"})
    counts, source, _ = read(folder)
    assert counts == {("a", "g"): (3, 0), ("a", "r"): (3, 0)}
    assert source.ledger.line.endswith("1 file holds no point: b.csv")


def test_whole_numbers_that_are_written_as_floats_are_the_ids_that_they_were(tmp_path):
    table = pd.DataFrame({"id": [101.0] * 3 + [102.0] * 3, "mjd": DAYS, "mag": MAGS})
    expected = {("101", None): (3, 0), ("102", None): (3, 0)}
    table.to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0] == read(put(tmp_path, table.to_csv(index=False)))[0] == expected
    fields = columns(id=["1.10", "1.10", "1.0", "1.0"], mjd=DAYS[:4], mag=MAGS[:4])
    assert read(put(tmp_path, fields))[0] == {("1.10", None): (2, 0), ("1.0", None): (2, 0)}
