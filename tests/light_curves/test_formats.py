# Copyright 2026 The astromer_hf developers. MIT licence.
"""One and the same table gives the same light curves in every format and dialect, from files, folders, archives and memory."""

import bz2
import gzip
import json
import lzma
import tarfile
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
from astropy.io.votable import from_table
from astropy.table import QTable, Table
from astropy.time import Time

from astromer_hf.light_curves.columns import ReadingOptions, TableError
from astromer_hf.light_curves.in_memory import read_chunk
from astromer_hf.light_curves.source import LightCurveSource

STARS = ["a", "a", "a", "a", "b", "b", "b"]
BANDS = ["g", "r", "g", "r", "g", "g", "r"]
MJD = [58001.25, 58001.5, 58003.25, 58003.5, 58001.25, 58005.0, 58006.75]
MAG = [15.125, 14.5, 15.25, 14.625, 17.0, 17.125, 16.5]
ERR = [0.0625, 0.03125, 0.0625, 0.03125, 0.125, 0.125, 0.0625]
TABLE = pd.DataFrame({"star": STARS, "band": BANDS, "mjd": MJD, "mag": MAG, "magerr": ERR})
Curves = dict[tuple[str | None, str | None], list[tuple[float, float, float]]]
EXPECTED: Curves = {
    key: list(zip(group.mjd, group.mag, group.magerr, strict=True)) for key, group in TABLE.groupby(["star", "band"])
}


def curves_of(source: Any, **options: Any) -> Curves:
    """(star, band) -> points of every light curve, clean."""
    found: Curves = {}
    for chunk in LightCurveSource.open(source, **options).chunks():
        clean, _ = chunk.curves.clean()
        errors = np.full(len(clean.times), np.nan) if clean.magnitude_errors is None else clean.magnitude_errors
        bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
        for i, star in enumerate(chunk.object_ids.to_pylist()):
            own = slice(clean.offsets[i], clean.offsets[i + 1])
            columns = (clean.times[own].tolist(), clean.magnitudes[own].tolist(), errors[own].tolist())
            assert (star, bands[i]) not in found
            found[star, bands[i]] = list(zip(*columns, strict=True))
    return found


def assert_same(found: Curves, expected: Curves, tolerance: float = 1e-9) -> None:
    assert set(found) == set(expected)
    for key, points in expected.items():
        np.testing.assert_allclose(found[key], points, rtol=0, atol=tolerance)


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def csv(**options: Any) -> str:
    return TABLE.to_csv(index=False, **options)


def lists() -> pa.Table:
    """One row a star, with lists of points of all bands."""
    groups = TABLE.groupby("star", sort=False)
    columns = {name: [group[name].tolist() for _, group in groups] for name in ("mjd", "mag", "magerr", "band")}
    return pa.table({"star": [str(star) for star, _ in groups], **columns})


def put_parquet(folder: Path, table: pa.Table, name: str = "t.parquet") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def put_fits(folder: Path) -> Path:
    records = Table.from_pandas(TABLE).as_array()
    image = fits.ImageHDU(np.zeros((3, 3)))
    fits.HDUList([fits.PrimaryHDU(), image, fits.BinTableHDU(records)]).writeto(folder / "t.fits")
    return folder / "t.fits"


def put_astropy(folder: Path, name: str, format: str) -> Path:
    Table.from_pandas(TABLE).write(folder / name, format=format)
    return folder / name


def put_votable(folder: Path) -> Path:
    from_table(Table.from_pandas(TABLE)).to_xml(str(folder / "t.vot"))
    return folder / "t.vot"


def put_snana_fits(folder: Path) -> Path:
    """A pair of files; every object ends with a row of -777."""
    rows, first, last = [], [], []
    for _, group in TABLE.groupby("star", sort=False):
        first.append(len(rows) + 1)
        flux = 10 ** (-0.4 * (group.mag - 27.5))
        rows += list(zip(group.mjd, group.band, flux, flux * group.magerr / 1.0857362047581294, strict=True))
        last.append(len(rows))
        rows.append((-777.0, "-", -777.0, -777.0))
    head = Table({"SNID": ["a", "b"], "PTROBS_MIN": first, "PTROBS_MAX": last})
    head.write(folder / "T_HEAD.FITS", format="fits")
    Table(rows=rows, names=["MJD", "BAND", "FLUXCAL", "FLUXCALERR"]).write(folder / "T_PHOT.FITS", format="fits")
    return folder / "T_HEAD.FITS"


def put_snana_text(folder: Path) -> Path:
    text = ""
    for star, group in TABLE.groupby("star", sort=False):
        text += f"SURVEY: X\nSNID: {star}\nNOBS: {len(group)}\nVARLIST: MJD BAND FLUXCAL FLUXCALERR\n"
        for row in group.itertuples():
            flux = 10 ** (-0.4 * (row.mag - 27.5))
            text += f"OBS: {row.mjd} {row.band} {flux!r} {flux * row.magerr / 1.0857362047581294!r}\n"
        text += "END:\n"
    return put(folder, "t.dat", text)


def put_folder(folder: Path, suffix: str = ".csv", header: bool = True) -> Path:
    """A file a star, with a README among them."""
    for star, group in TABLE.groupby("star"):
        put(folder, f"curves/{star}{suffix}", group.drop(columns="star").to_csv(index=False, header=header))
    put(folder, "curves/README.md", "# Some light curves\n")
    put(folder, "curves/.hidden.csv", "not,a table\n")
    return folder / "curves"


def put_catalogue(folder: Path) -> Path:
    put_folder(folder)
    return put(folder, "stars.csv", "name,file\na,curves/a.csv\nb,curves/b.csv\n")


def put_zip(folder: Path) -> Path:
    put_folder(folder / "in")
    with zipfile.ZipFile(folder / "t.zip", "w") as archive:
        for file in sorted((folder / "in").rglob("*.csv")):
            archive.write(file, file.relative_to(folder / "in"))
    return folder / "t.zip"


def put_tar(folder: Path) -> Path:
    put_folder(folder / "in")
    with tarfile.open(folder / "t.tar.gz", "w:gz") as archive:
        archive.add(folder / "in" / "curves", "curves")
    return folder / "t.tar.gz"


def put_partitions(folder: Path) -> Path:
    for star, group in TABLE.groupby("star"):
        put_parquet(folder / "t" / f"star={star}", pa.Table.from_pandas(group.drop(columns="star"), preserve_index=False))
    put(folder, "t/_SUCCESS", "")
    put_parquet(folder / "t", pa.table({"nothing": [1]}), "_metadata.parquet")
    return folder / "t"


def put_unlike_parts(folder: Path) -> Path:
    """Parts of one table whose numbers are of different types, and which stand in another order."""
    for part, (_, group) in enumerate(TABLE.groupby("star")):
        table = pa.Table.from_pandas(group, preserve_index=False)
        if part:
            table = table.set_column(3, "mag", table["mag"].cast(pa.float32())).select(table.column_names[::-1])
        put_parquet(folder / "t", table, f"part-{part}.parquet")
    return folder / "t"


def struct_of_bands() -> pa.Table:
    rows = []
    for star, group in TABLE.groupby("star"):
        names = ["mjd", "mag", "magerr"]
        bands = {band: part[names].to_dict("list") for band, part in group.groupby("band")}
        rows.append({"star": star, "bands_data": bands})
    return pa.Table.from_pylist(rows)


def struct_of_lists() -> pa.Table:
    table = lists()
    names = ["mjd", "mag", "magerr", "band"]
    struct = pa.StructArray.from_arrays([table[name].combine_chunks() for name in names], names)
    return pa.table({"star": table["star"], "lc": struct})


def list_of_structs() -> pa.Table:
    rows = [
        {
            "star": star,
            "lc": [{name: row[name] for name in ("mjd", "mag", "magerr", "band")} for row in group.to_dict("records")],
        }
        for star, group in TABLE.groupby("star")
    ]
    return pa.Table.from_pylist(rows)


FORMATS: dict[str, Callable[[Path], Path]] = {
    "CSV": lambda folder: put(folder, "t.csv", csv()),
    "CSV in upper case": lambda folder: put(folder, "T.CSV", csv()),
    "CSV without an ending": lambda folder: put(folder, "table", csv()),
    "spaces after commas": lambda folder: put(folder, "t.csv", csv().replace(",", ", ")),
    "quoted": lambda folder: put(folder, "t.csv", csv(quoting=1)),
    "TSV": lambda folder: put(folder, "t.tsv", csv(sep="\t")),
    "semicolons": lambda folder: put(folder, "t.txt", csv(sep=";")),
    "bars": lambda folder: put(folder, "t.txt", csv(sep="|")),
    "white space": lambda folder: put(folder, "t.dat", TABLE.to_string(index=False)),
    "a header after a hash": lambda folder: put(folder, "t.dat", "# " + TABLE.to_string(index=False).lstrip()),
    "a header after a hash, with commas": lambda folder: put(folder, "t.csv", "#" + csv()),
    "comments before and between": lambda folder: put(
        folder, "t.csv", "# made by hand\n# twice\n" + csv().replace("b,g,58005", "# a pause\nb,g,58005")
    ),
    "a header with commas over white space": lambda folder: put(
        folder, "t.txt", "star, band, mjd, mag, magerr\n" + TABLE.to_string(index=False, header=False)
    ),
    "a byte order mark": lambda folder: put(folder, "t.csv", "\ufeff" + csv()),
    "Windows line ends": lambda folder: put(folder, "t.csv", csv(lineterminator="\r\n")),
    "gzip": lambda folder: put(folder, "t.csv.gz", gzip.compress(csv().encode())),
    "bzip2": lambda folder: put(folder, "t.csv.bz2", bz2.compress(csv().encode())),
    "xz": lambda folder: put(folder, "t.tsv.xz", lzma.compress(csv(sep="\t").encode())),
    "units and dashes under the header": lambda folder: put(
        folder, "t.tsv", csv(sep="\t").replace("magerr\n", "magerr\n\t\td\tmag\tmag\n---\t---\t---\t---\t---\n", 1)
    ),
    "FITS": put_fits,
    "ECSV": lambda folder: put_astropy(folder, "t.ecsv", "ascii.ecsv"),
    "IPAC": lambda folder: put_astropy(folder, "t.tbl", "ascii.ipac"),
    "VOTable": put_votable,
    "SNANA text": put_snana_text,
    "SNANA FITS": put_snana_fits,
    "JSON of records": lambda folder: put(folder, "t.json", json.dumps(TABLE.to_dict("records"))),
    "JSON of columns": lambda folder: put(folder, "t.json", json.dumps(TABLE.to_dict("list"))),
    "JSON of pandas": lambda folder: put(folder, "t.json", TABLE.to_json()),
    "JSON lines": lambda folder: put(folder, "t.jsonl", TABLE.to_json(orient="records", lines=True)),
    "parquet of rows": lambda folder: put_parquet(folder, pa.Table.from_pandas(TABLE)),
    "parquet of lists": lambda folder: put_parquet(folder, lists()),
    "parquet of a struct of lists": lambda folder: put_parquet(folder, struct_of_lists()),
    "parquet of lists of structs": lambda folder: put_parquet(folder, list_of_structs()),
    "parquet of a struct of bands": lambda folder: put_parquet(folder, struct_of_bands()),
    "partitions": put_partitions,
    "parts of other types": put_unlike_parts,
    "a folder of files": put_folder,
    "a pattern": lambda folder: put_folder(folder) / "*.csv",
    "a catalogue of files": put_catalogue,
    "a zip": put_zip,
    "a tar": put_tar,
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_table_in_any_format_gives_the_same_light_curves(name, tmp_path):
    assert_same(curves_of(FORMATS[name](tmp_path)), EXPECTED)


HELD: dict[str, Callable[[], Any]] = {
    "pandas": lambda: TABLE,
    "pandas with another index": lambda: TABLE.set_index(np.arange(7)[::-1]),
    "pyarrow": lambda: pa.Table.from_pandas(TABLE),
    "pyarrow of lists": lists,
    "pyarrow of a struct of lists": struct_of_lists,
    "pyarrow of a struct of bands": struct_of_bands,
    "pyarrow of lists of structs": list_of_structs,
    "astropy": lambda: Table.from_pandas(TABLE),
    "astropy with units": lambda: QTable(
        {
            "star": STARS,
            "band": BANDS,
            "time": Time(MJD, format="mjd"),
            "mag": np.array(MAG) * units.mag,
            "magerr": np.array(ERR) * units.mag,
        }
    ),
    "records": lambda: TABLE.to_records(index=False),
    "columns": lambda: TABLE.to_dict("list"),
}


@pytest.mark.parametrize("name", HELD)
def test_the_same_table_in_memory_gives_the_same_light_curves(name):
    assert_same(curves_of(HELD[name]()), EXPECTED)
    chunk = read_chunk(HELD[name]())
    assert chunk is not None
    assert len(chunk) == len(EXPECTED)


def test_a_table_in_memory_without_a_header_is_read_by_its_places():
    table = pd.DataFrame([[1.0, 15.0, 0.1], [2.0, 15.5, 0.1]])
    assert_same(curves_of(table), {("DataFrame", None): [(1.0, 15.0, 0.1), (2.0, 15.5, 0.1)]})


def test_a_dataset_of_the_datasets_package_is_read_too():
    import datasets

    assert_same(curves_of(datasets.Dataset.from_pandas(TABLE)), EXPECTED)
    assert_same(curves_of(datasets.Dataset(struct_of_lists())), EXPECTED)
    names = {"mjd": "mjd", "mag": "target", "magerr": "past_feat_dynamic_real"}
    benchmark = [
        {
            "sourceid": row["star"],
            "class_str": "EW",
            "bands_data": {
                band: {names[name]: values for name, values in own.items()} for band, own in row["bands_data"].items()
            },
        }
        for row in struct_of_bands().to_pylist()
    ]
    held = datasets.Dataset(pa.Table.from_pylist(benchmark))
    assert_same(curves_of(held), EXPECTED)
    assert next(LightCurveSource.open(held).chunks()).annotations["label"].to_pylist() == ["EW"] * 4


# --- Missing values, limits, fluxes ---


@pytest.mark.parametrize("missing", ["", "--", "None", "\\N", "-", "nan", "null", "99.999", "-99.0"])
def test_a_missing_magnitude_is_dropped_however_it_is_written(tmp_path, missing):
    path = put(tmp_path, "t.csv", f"mjd,mag\n1,15.1\n2,{missing}\n3,15.3\n4,{missing}\n5,15.4\n")
    source = LightCurveSource.open(path)
    list(source.chunks())
    assert (source.ledger.points_used, source.ledger.points_read) == (3, 5)
    assert set(source.ledger.dropped) <= {"without a magnitude", "marked as missing"}


def test_fluxes_become_magnitudes_with_their_errors_and_those_below_zero_are_dropped_unless_asinh_is_asked_for(tmp_path):
    flux = np.array([100.0, 1000.0, -5.0, 800.0, 0.0])
    path = put(tmp_path, "t.csv", pd.DataFrame({"mjd": range(5), "flux": flux, "flux_err": 5.0}).to_csv(index=False))
    ((_, points),) = curves_of(path).items()
    times, magnitudes, errors = np.array(points).T
    assert times.tolist() == [0, 1, 3]
    np.testing.assert_allclose(magnitudes, -2.5 * np.log10(flux[flux > 0]))
    np.testing.assert_allclose(errors, 2.5 / np.log(10) * 5 / flux[flux > 0])
    ((_, points),) = curves_of(path, magnitudes="asinh").items()
    times, magnitudes, errors = np.array(points).T
    assert times.tolist() == [0, 1, 2, 3, 4]
    assert np.all(np.diff(magnitudes[np.argsort(flux)]) < 0)
    np.testing.assert_allclose(magnitudes[1], -2.5 * np.log10(1000), atol=1e-4)
    assert np.isfinite(errors).all()


@pytest.mark.parametrize(
    ("magnitudes", "errors"),
    [
        ([812.4, 774.1, 839.9, 801.2, 799.5, 760.0], [6.0] * 6),
        ([-3.1, 48.7, 251.4, 120.6, 41.2, 96.0], [2.9] * 6),
        ([10.0, 11.5, 9.0, 12.0, 13.0, 14.0], [2.0] * 6),
    ],
)
def test_a_column_that_is_plainly_flux_is_no_column_of_magnitudes(tmp_path, magnitudes, errors):
    table = pd.DataFrame({"id": "a", "mjd": range(6), "mag": magnitudes, "magerr": errors})
    path = put(tmp_path, "t.csv", table.to_csv(index=False))
    with pytest.raises(TableError, match=r"'mag' of t\.csv was taken for magnitudes and is plainly flux.*--flux-column mag"):
        curves_of(path)
    curves_of(path, columns={"flux": "mag", "flux_err": "magerr"})


def test_a_header_among_comments_and_limits_in_a_table_in_memory_are_understood(tmp_path):
    text = "#TYPE=EXTENDED\n#DELIM=,\n#NAME,DATE,MAG,MERR,FILT,NOTES\n"
    text += "SS CYG,2450702.12,11.1,0.5,V,na\nSS CYG,2450703.1,11.2,na,B,na\n"
    assert set(curves_of(put(tmp_path, "t.txt", text))) == {("SS CYG", "V"), ("SS CYG", "B")}
    source = LightCurveSource.open(pd.DataFrame({"mjd": [1, 2, 3], "mag": [15.0, 16, ">17"]}))
    list(source.chunks())
    assert source.ledger.dropped == {"upper limit": 1}


# --- What cannot be decided is asked ---


def test_a_column_that_may_be_the_band_is_asked_about(tmp_path):
    path = put(tmp_path, "t.csv", TABLE.rename(columns={"band": "lens"}).to_csv(index=False))
    with pytest.raises(TableError, match=r"'lens' of t\.csv has several values for a star \(g, r\).*--band-column lens.*none"):
        curves_of(path)
    assert_same(curves_of(path, columns={"band": "lens"}), EXPECTED)
    assert set(curves_of(path, columns={"band": "none"})) == {("a", None), ("b", None)}


def test_a_column_of_bands_counts_more_than_the_band_in_the_name_of_a_column(tmp_path):
    lines = [f"v1,{59000 + i}.5,{15 + 0.01 * i},{'gr'[i % 2]}" for i in range(8)]
    (tmp_path / "mine.csv").write_text("\n".join(["Name,JD,Vmag,Filter", *lines]))
    source = LightCurveSource.open(tmp_path / "mine.csv")
    found = [(chunk.annotations["band"].to_pylist(), chunk.curves.lengths.tolist()) for chunk in source.chunks()]
    assert found == [(["g", "r"], [4, 4])]


def test_ids_of_measurements_are_no_ids_of_stars(tmp_path):
    table = TABLE.assign(id=range(7), source=STARS).drop(columns="star")
    with pytest.raises(TableError, match=r"Nearly every 'id' of t\.csv has one point.*--object-id-column source.*none"):
        curves_of(put(tmp_path, "t.csv", table.to_csv(index=False)))
    assert_same(curves_of(tmp_path / "t.csv", columns={"object_id": "source"}), EXPECTED)
    assert set(curves_of(tmp_path / "t.csv", columns={"object_id": "none"})) == {("t", "g"), ("t", "r")}


def test_a_time_that_is_mostly_missing_is_passed_over_for_a_full_one(tmp_path):
    table = TABLE.assign(jd=TABLE.mjd + 1, hjd=[58000.0, *[None] * 6]).drop(columns="mjd")
    found = curves_of(put(tmp_path, "t.csv", table.to_csv(index=False)))
    assert [point[0] for point in found["a", "g"]] == [58002.25, 58004.25]


def test_one_column_may_play_two_roles(tmp_path):
    found = curves_of(put(tmp_path, "t.csv", csv()), columns={"object_id": "band", "label": "band"})
    assert set(found) == {("g", "g"), ("r", "r")}


def test_several_ids_of_one_star_can_be_joined_by_a_column(tmp_path):
    table = TABLE.assign(oid=[f"{star}-{band}" for star, band in zip(STARS, BANDS, strict=True)])
    path = put(tmp_path, "t.csv", table.to_csv(index=False))
    assert_same(curves_of(path, columns={"star": "star"}), EXPECTED)


def test_several_ids_of_one_star_can_be_joined_by_their_positions(tmp_path):
    names = [f"{star}-{band}" for star, band in zip(STARS, BANDS, strict=True)]
    places = {"a": (359.99999, 60.0), "b": (10.0, -20.0)}
    shifts = np.linspace(-1, 1, 7) / 3600 / 4
    table = TABLE.assign(
        star=names,
        ra=[(places[star][0] + shift) % 360 for star, shift in zip(STARS, shifts, strict=True)],
        dec=[places[star][1] + shift for star, shift in zip(STARS, shifts, strict=True)],
    )
    path = put(tmp_path, "t.csv", table.to_csv(index=False))
    joined = curves_of(path, columns=ReadingOptions(join_arcsec=1.0))
    assert_same(joined, {(f"{star}-g", band): points for (star, band), points in EXPECTED.items()})
    with pytest.raises(TableError, match=r"no columns of ids, ra and dec.*--star-column"):
        curves_of(put(tmp_path, "u.csv", csv()), columns=ReadingOptions(join_arcsec=1.0))


def test_an_error_of_a_number_names_row_column_and_value(tmp_path):
    path = put(tmp_path, "t.csv", csv().replace("16.5", "bright"))
    with pytest.raises(TableError, match="column 'mag' must hold numbers, and row 7 of the data holds 'bright'"):
        curves_of(path)


def test_a_damaged_archive_and_a_pair_without_its_other_file_are_named(tmp_path):
    with pytest.raises(TableError, match=r"t\.zip cannot be unpacked"):
        curves_of(put(tmp_path, "t.zip", b"PK\x03\x04 no"))
    (put_snana_fits(tmp_path).parent / "T_PHOT.FITS").unlink()
    with pytest.raises(TableError, match=r"T_PHOT\.FITS must stand beside it"):
        curves_of(tmp_path / "T_HEAD.FITS")
