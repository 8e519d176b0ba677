# Copyright 2026 The astromer_hf developers. MIT licence.
"""Bad input gives the documented result or one clear error: named cases, and properties of generated light curves.

Every named case stands in the table of docs/robustness.md, which a test compares with this file. An accepted case must give the
embedding and the prediction of the same light curve in plain float64 arrays; a refused one an error of a type that the
documentation names, on one line, with what was expected, and must leave no file behind.
"""

import gzip
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, report_lines
from forks import run_forked
from huggingface_hub.errors import StrictDataclassError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForSequenceClassification
from astromer_hf.inference.classification import classify_light_curves, classify_table
from astromer_hf.inference.embedding import embed_light_curves, embed_table
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.in_memory import read_light_curve
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves

DOCUMENT = Path(__file__).parents[1] / "docs" / "robustness.md"
NAN = float("nan")
RNG = np.random.default_rng(7)
MJD = 58000.0 + np.sort(RNG.uniform(0, 300, 31))
MAG = 15 + 0.3 * np.sin(MJD / 3.0) + 0.02 * RNG.standard_normal(31)
ERR = np.full(31, 0.02)
MODEL = AstromerForSequenceClassification(AstromerConfig(**TINY, num_labels=3, classifier_hidden_sizes=[8])).eval()
TRIED: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print at the end of the run how much was tried."""
    yield
    if not TRIED:
        return
    request.config.stash[report_lines].append(
        f"robustness: held: {TRIED['accepted']} cases that are accepted, {TRIED['refused']} that are refused, "
        f"{TRIED['generated']} generated examples"
    )


def embed(mjd: Any, mag: Any, magerr: Any = None) -> np.ndarray:
    """Embeddings and predictions of light curves, through every public way in that takes arrays; (N, D + C)."""
    if magerr is not None:  # the encoder never sees errors, the extractor reads them
        AstromerFeatureExtractor(window_size=20)(mjd, mag, magerr)
    return np.hstack([embed_light_curves(MODEL, mjd, mag).object_embeddings, classify_light_curves(MODEL, mjd, mag).values])


# --- Arrays in memory ---


def fits_columns(mjd: np.ndarray, mag: np.ndarray) -> tuple[Any, Any]:
    """The two columns as astropy reads them from a FITS file: big-endian, in a record array."""
    fits = pytest.importorskip("astropy.io.fits")
    file = io.BytesIO()
    columns = [fits.Column("mjd", "D", array=mjd), fits.Column("mag", "D", array=mag)]
    fits.BinTableHDU.from_columns(columns).writeto(file)
    file.seek(0)
    with fits.open(file) as opened:
        return opened[1].data["mjd"].copy(), opened[1].data["mag"].copy()


def units() -> Any:
    return pytest.importorskip("astropy.units")


def masked(values: np.ndarray, *hidden: int) -> np.ma.MaskedArray:
    return np.ma.array(values, mask=np.isin(np.arange(len(values)), hidden))


def with_values(values: np.ndarray, places: list[int], value: float) -> np.ndarray:
    changed = values.copy()
    changed[places] = value
    return changed


def insert(values: np.ndarray, value: float) -> np.ndarray:
    return np.insert(values, [0, 7, 31], value)


SHUFFLED = np.random.default_rng(1).permutation(31)
LONG = np.linspace(50000, 60000, 100_000)
# name -> (the light curve in some form, the same as plain arrays), each made when it is asked for
ACCEPTED: dict[str, Callable[[], tuple[tuple[Any, ...], tuple[Any, ...]]]] = {
    "Python lists": lambda: ((MJD.tolist(), MAG.tolist()), (MJD, MAG)),
    "tuples": lambda: ((tuple(MJD), tuple(MAG)), (MJD, MAG)),
    "lists with None": lambda: (([None, *MJD], [15.0, *MAG]), (MJD, MAG)),
    "integers": lambda: (
        (np.arange(58000, 58031), np.arange(31) % 5 + 14),
        (np.arange(58000.0, 58031), np.arange(31) % 5 + 14.0),
    ),
    "unsigned integers": lambda: ((np.arange(31, dtype="u2"), MAG), (np.arange(31.0), MAG)),
    "float16 magnitudes": lambda: ((MJD, MAG.astype("f2")), (MJD, MAG.astype("f2").astype("f8"))),
    "float32 magnitudes": lambda: ((MJD, MAG.astype("f4")), (MJD, MAG.astype("f4").astype("f8"))),
    "float128": lambda: ((MJD.astype(np.longdouble), MAG.astype(np.longdouble)), (MJD, MAG)),
    "big-endian arrays": lambda: ((MJD.astype(">f8"), MAG.astype(">f4")), (MJD, MAG.astype("f4"))),
    "columns read from FITS": lambda: (fits_columns(MJD, MAG), (MJD, MAG)),
    "strided views": lambda: ((np.repeat(MJD, 2)[::2], np.repeat(MAG, 3)[::3]), (MJD, MAG)),
    "read-only arrays": lambda: ((np.frombuffer(MJD.tobytes()), np.frombuffer(MAG.tobytes())), (MJD, MAG)),
    "numbers as strings": lambda: (([str(value) for value in MJD], MAG), (MJD, MAG)),
    "masked arrays": lambda: ((MJD, masked(MAG, 3, 4)), (np.delete(MJD, [3, 4]), np.delete(MAG, [3, 4]))),
    "masked integers": lambda: (
        (np.arange(31), masked(np.arange(31) % 5 + 14, 2)),
        (np.delete(np.arange(31.0), 2), np.delete(np.arange(31) % 5 + 14.0, 2)),
    ),
    "NaN magnitudes": lambda: ((insert(MJD, 58100.0), insert(MAG, NAN)), (MJD, MAG)),
    "infinite magnitudes": lambda: ((insert(MJD, 58100.0), insert(MAG, -np.inf)), (MJD, MAG)),
    "NaN times": lambda: ((insert(MJD, NAN), insert(MAG, 15.0)), (MJD, MAG)),
    "infinite times": lambda: ((insert(MJD, np.inf), insert(MAG, 15.0)), (MJD, MAG)),
    "magnitudes of 99.999": lambda: ((insert(MJD, 58100.0), insert(MAG, 99.999)), (MJD, MAG)),
    "magnitudes of -99": lambda: ((insert(MJD, 58100.0), insert(MAG, -99.0)), (MJD, MAG)),
    "magnitudes of 1e300": lambda: ((insert(MJD, 58100.0), insert(MAG, 1e300)), (MJD, MAG)),
    "decreasing times": lambda: ((MJD[::-1], MAG[::-1]), (MJD, MAG)),
    "shuffled times": lambda: ((MJD[SHUFFLED], MAG[SHUFFLED]), (MJD, MAG)),
    "Julian dates": lambda: ((MJD + 2400000.5, MAG), (MJD, MAG)),
    "times from zero": lambda: ((MJD - 58000, MAG), (MJD, MAG)),
    "negative times": lambda: ((MJD - 60000, MAG), (MJD, MAG)),
    "absolute and relative magnitudes": lambda: ((MJD, MAG - 15), (MJD, MAG)),
    "zero errors": lambda: ((MJD, MAG, 0 * ERR), (MJD, MAG)),
    "negative errors": lambda: ((MJD, MAG, -ERR), (MJD, MAG)),
    "NaN and infinite errors": lambda: ((MJD, MAG, np.where(np.arange(31) % 2, NAN, np.inf)), (MJD, MAG)),
    "pandas with a shuffled index": lambda: (
        tuple(pd.Series(values, index=SHUFFLED) for values in (MJD, MAG)),
        (MJD, MAG),
    ),
    "pandas with missing values": lambda: (
        (pd.Series(MJD), pd.Series(MAG, dtype="Float64").mask(np.arange(31) == 5)),
        (np.delete(MJD, 5), np.delete(MAG, 5)),
    ),
    "polars series": lambda: (tuple(pytest.importorskip("polars").Series(values) for values in (MJD, MAG)), (MJD, MAG)),
    "pyarrow arrays": lambda: ((pa.array(MJD), pa.array(MAG)), (MJD, MAG)),
    "torch tensors": lambda: ((torch.from_numpy(MJD), torch.from_numpy(MAG)), (MJD, MAG)),
    "astropy quantities in days": lambda: ((MJD * units().day, MAG * units().mag), (MJD, MAG)),
    "astropy quantities in hours": lambda: ((MJD * 24 * units().hour, MAG * units().mag), (MJD, MAG)),
    "astropy AB magnitudes": lambda: ((MJD, MAG * units().ABmag), (MJD, MAG)),
    "a matrix of equal curves": lambda: ((np.stack([MJD, MJD]), np.stack([MAG, MAG])), ([MJD, MJD], [MAG, MAG])),
    "curves of unequal lengths": lambda: (
        ([MJD[:1], MJD, MJD[:20]], [MAG[:1], MAG, MAG[:20]]),
        ([MJD[:1], MJD, MJD[:20]], [MAG[:1], MAG, MAG[:20]]),
    ),
}


def note(kind: str) -> None:
    TRIED[kind] += 1


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_light_curve_in_any_form_has_the_embedding_of_plain_arrays(name: str):
    given_form, plain = ACCEPTED[name]()
    expected = np.vstack([embed(*curve) for curve in (zip(*plain, strict=True) if isinstance(plain[0], list) else [plain])])
    found = embed(*given_form)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    note("accepted")


# name -> (the light curve, its usable observations); a result is finite where there are some, and NaN where there are none
DEGENERATE: dict[str, tuple[Any, Any, int]] = {
    "an empty curve": ([], [], 0),
    "a curve of NaN": ([NAN] * 3, [NAN] * 3, 0),
    "a curve of sentinels": ([1.0, 2.0], [99.999, -99.0], 0),
    "time and magnitude exchanged": (MAG, MJD, 0),
    "one point": ([58000.0], [15.0], 1),
    "two points": ([58000.0, 58001.0], [15.0, 16.0], 2),
    "two equal times": ([58000.0, 58000.0], [15.0, 16.0], 2),
    "all times equal": ([58000.0] * 30, list(MAG[:30]), 30),
    "a constant curve": (MJD, np.full(31, 15.0), 31),
    "times a second apart": (58000 + np.arange(31) / 86400, MAG, 31),
    "a century of times": (np.linspace(15000, 51500, 31), MAG, 31),
    "an amplitude of 170 magnitudes": (MJD, np.where(np.arange(31) % 2, 85.0, -85.0), 31),
    "100,000 points": (LONG, 15 + np.sin(LONG), 100_000),
    "exactly one window": (MJD[:20], MAG[:20], 20),
    "one window and a point": (MJD[:21], MAG[:21], 21),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_light_curve_has_a_finite_embedding_or_none_and_leaves_its_neighbours_alone(name: str):
    mjd, mag, count = DEGENERATE[name]
    result = embed_light_curves(MODEL, [MJD, mjd, MJD], [MAG, mag, MAG])
    assert result.num_points.tolist() == [31, count, 31]
    assert result.dropped_points.tolist() == [0, len(mjd) - count, 0]
    assert np.isfinite(result.object_embeddings[1]).all() == (count > 0)
    assert np.isnan(result.object_embeddings[1]).all() == (count == 0)
    np.testing.assert_allclose(
        result.object_embeddings[[0, 2]], embed_light_curves(MODEL, [MJD] * 2, [MAG] * 2).object_embeddings, atol=1e-5
    )
    note("accepted")


# name -> (the arguments, what the error says)
REFUSED: dict[str, Callable[[], tuple[tuple[Any, ...], str]]] = {
    "columns of unequal length": lambda: ((MJD, MAG[:-1]), "has 31 values in `mjd` and 30 in `mag`"),
    "lists of unequal length": lambda: (([MJD, MJD], [MAG]), "`mjd` holds 2 light curves and `mag` 1"),
    "words": lambda: ((MJD, ["bright"] * 31), "`mag` of light curve 0 must be numbers"),
    "bytes": lambda: ((b"58000", b"15"), "must be one light curve"),
    "one number": lambda: ((58000.0, 15.0), "must be one light curve"),
    "nothing": lambda: ((None, None), "must be one light curve"),
    "a dictionary": lambda: (({"mjd": MJD}, MAG), "got 0-d dict"),
    "a generator": lambda: (((value for value in MJD), MAG), "got 0-d generator"),
    "a cube": lambda: ((np.zeros((2, 2, 2)), np.zeros((2, 2, 2))), "got 3-d"),
    "curves of curves": lambda: (([[[1.0]]], [[[1.0]]]), "must be 1-d"),
    "complex magnitudes": lambda: ((MJD, MAG + 1j), "must be numbers of mags, got complex128"),
    "dates": lambda: (
        (np.arange("2020-01-01", "2020-02-01", dtype="M8[D]"), MAG),
        r"must be numbers of days, got datetime64\[D\]",
    ),
    "dates by the hour": lambda: ((np.arange(31).astype("M8[h]"), MAG), r"got datetime64\[h\]"),
    "durations": lambda: ((np.arange(31).astype("m8[h]"), MAG), r"got timedelta64\[h\]"),
    "record arrays": lambda: ((np.zeros(31, [("mjd", "f8")]), MAG), "must be numbers of days, got"),
    "astropy times without .mjd": lambda: (
        (pytest.importorskip("astropy.time").Time(MJD, format="mjd"), MAG),
        "give its `.mjd`",
    ),
    "astropy quantities in metres": lambda: ((MJD * units().m, MAG), "must be numbers of days: .*not convertible"),
    "astropy fluxes as magnitudes": lambda: ((MJD, MAG * units().Jy), "must be numbers of mags: .*not convertible"),
    "Unix seconds": lambda: ((MJD * 86400, MAG), "Times must be days.*divide them by 86400"),
    "milliseconds": lambda: ((MJD * 86400e3, MAG), "Times must be days"),
    "a span of a thousand years": lambda: ((np.linspace(0, 365250, 31), MAG), "Times must be days"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_light_curve_is_refused_by_every_way_in_with_one_line(name: str):
    for use in (
        AstromerFeatureExtractor(window_size=20),
        lambda *columns: embed_light_curves(MODEL, *columns),
        lambda *columns: classify_light_curves(MODEL, *columns),
    ):
        columns, message = REFUSED[name]()  # anew, since a generator is used up
        with pytest.raises(ValueError, match=message) as caught:
            use(*columns)
        assert "\n" not in str(caught.value)
    note("refused")


# --- Objects of astronomers' packages ---


def astropy_table(**columns: Any) -> Any:
    return pytest.importorskip("astropy.table").Table(columns)


def time_series(times: Any, **columns: Any) -> Any:
    return pytest.importorskip("astropy.timeseries").TimeSeries(time=times, data=columns)


def julian() -> Any:
    return pytest.importorskip("astropy.time").Time(MJD + 2400000.5, format="jd")


def lightkurve_like() -> Any:
    """What a lightkurve object offers, which is not installed here: `time`, `flux`, `flux_err`."""
    time = pytest.importorskip("astropy.time").Time(MJD, format="mjd")
    flux = 10 ** (-0.4 * MAG)
    return SimpleNamespace(time=time, flux=flux * units().electron, flux_err=0.01 * flux * units().electron)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"mjd": MJD, "mag": MAG, "magerr": ERR}, index=SHUFFLED)


OBJECTS: dict[str, Callable[[], Any]] = {
    "an astropy Table": lambda: astropy_table(mjd=MJD, mag=MAG),
    "an astropy Table of seconds": lambda: astropy_table(time=MJD * 86400 * units().s, mag=MAG * units().mag),
    "an astropy Table with a mask": lambda: astropy_table(
        mjd=insert(MJD, 58001.0), mag=np.ma.array(insert(MAG, 5.0), mask=insert(0 * MAG, 1.0))
    ),
    "an astropy TimeSeries": lambda: time_series(julian(), mag=MAG * units().mag),
    "an astropy Time in Julian dates": lambda: {"time": julian(), "mag": MAG},
    "a lightkurve object": lightkurve_like,
    "a pandas table with a shuffled index": frame,
    "a polars table": lambda: pytest.importorskip("polars").DataFrame({"MJD": MJD, "Mag": MAG}),
    "a pyarrow table": lambda: pa.table({"hjd": MJD, "magnitude": MAG}),
    "a record array": lambda: np.rec.fromarrays([MJD.astype(">f8"), MAG], names="mjd,mag"),
    "a dictionary of columns": lambda: {"mjd": MJD.tolist(), "mag": MAG.tolist()},
    "a matrix of two columns": lambda: np.column_stack([MJD, MAG]),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_of_another_package_has_the_embedding_of_its_light_curve(name: str):
    mjd, mag, _ = read_light_curve(OBJECTS[name]())
    np.testing.assert_allclose(embed(mjd, mag), embed(MJD, MAG), rtol=0, atol=1e-5)
    note("accepted")


BAD_OBJECTS: dict[str, tuple[Callable[[], Any], str]] = {
    "a table without a time": (lambda: frame().drop(columns="mjd"), "has no column that looks like a time"),
    "a table without a magnitude": (lambda: frame()[["mjd"]], "no column that looks like a magnitude or flux"),
    "bytes": (lambda: b"1,2", "decode them first"),
    "a number": (lambda: 5.0, "needs a time and a magnitude"),
    "a matrix of four columns": (lambda: np.zeros((5, 4)), r"\(n, 2\) or \(n, 3\)"),
    "a column of words": (lambda: {"mjd": MJD, "mag": ["a"] * 31}, "must hold numbers"),
    "columns that differ in length": (lambda: {"mjd": MJD, "mag": MAG[:3]}, "differ in length"),
    "times in metres": (lambda: {"mjd": MJD * units().m, "mag": MAG}, "must be in units of day"),
}


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_an_object_that_is_no_light_curve_is_refused_with_one_line(name: str):
    make, message = BAD_OBJECTS[name]
    with pytest.raises(TableError, match=message) as caught:
        read_light_curve(make())
    assert "\n" not in str(caught.value)
    note("refused")


# --- Tables on disk ---

IDS = ["ζ Oph", "a b'c\"d", "000123"]
CURVES = [slice(0, 31), slice(0, 25), slice(3, 9)]
LISTS = {"object_id": IDS, "mjd": [MJD[part] for part in CURVES], "mag": [MAG[part] for part in CURVES]}


def rows() -> pd.DataFrame:
    """One row a measurement."""
    parts = [
        pd.DataFrame({"object_id": name, "mjd": MJD[part], "mag": MAG[part]}) for name, part in zip(IDS, CURVES, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def lists(**changes: Any) -> pa.Table:
    columns = {
        name: [value.tolist() if isinstance(value, np.ndarray) else value for value in values] for name, values in LISTS.items()
    }
    return pa.table(columns | changes)


def write(table: Any, path: Path, **options: Any) -> Path:
    pq.write_table(table if isinstance(table, pa.Table) else pa.Table.from_pandas(table), path, **options)
    return path


def write_csv(table: pd.DataFrame, path: Path, prefix: bytes = b"", **options: Any) -> Path:
    path.write_bytes(prefix + table.to_csv(index=False, **options).encode())
    return path


def cast(table: pa.Table, **types: pa.DataType) -> pa.Table:
    return table.cast(pa.schema([field.with_type(types.get(field.name, field.type)) for field in table.schema]))


def write_polars(folder: Path) -> Path:
    path = folder / "t.parquet"
    pytest.importorskip("polars").from_arrow(lists()).write_parquet(path)
    return path


def write_shards(folder: Path) -> Path:
    (folder / "t").mkdir()
    write(lists().slice(0, 1), folder / "t" / "a.parquet")
    write(lists().slice(1), folder / "t" / "b.parquet")
    return folder / "t"


TABLES: dict[str, Callable[[Path], Path]] = {
    "lists with unicode and quoted ids": lambda folder: write(lists(), folder / "t.parquet"),
    "large lists": lambda folder: write(cast(lists(), mjd=pa.large_list(pa.float64())), folder / "t.parquet"),
    "lists of float32 magnitudes": lambda folder: write(cast(lists(), mag=pa.list_(pa.float32())), folder / "t.parquet"),
    "a dictionary of ids": lambda folder: write(lists(object_id=pa.array(IDS).dictionary_encode()), folder / "t.parquet"),
    "string views": lambda folder: write(lists(object_id=pa.array(IDS).cast(pa.large_string())), folder / "t.parquet"),
    "written by polars": write_polars,
    "a folder of shards": write_shards,
    "rows of measurements": lambda folder: write(rows(), folder / "t.parquet"),
    "rows with a shuffled pandas index": lambda folder: write(rows().set_index(rows().index[::-1]), folder / "t.parquet"),
    "rows in any order": lambda folder: write(
        rows()
        .iloc[np.lexsort((np.arange(62), np.arange(62) % 3))]
        .sort_values("object_id", key=lambda ids: ids.map(IDS.index), kind="stable"),
        folder / "t.parquet",
    ),
    "rows in row groups of seven": lambda folder: write(rows(), folder / "t.parquet", row_group_size=7),
    "CSV": lambda folder: write_csv(rows(), folder / "t.csv"),
    "CSV with a byte order mark": lambda folder: write_csv(rows(), folder / "t.csv", b"\xef\xbb\xbf"),
    "CSV with Windows line ends": lambda folder: write_csv(rows(), folder / "t.csv", lineterminator="\r\n"),
    "CSV with further columns": lambda folder: write_csv(rows().assign(comment="a, b"), folder / "t.csv"),
    "gzipped CSV": lambda folder: (
        folder.joinpath("t.csv.gz").write_bytes(gzip.compress(rows().to_csv(index=False).encode())) and folder / "t.csv.gz"
    ),
    "CSV of semicolons": lambda folder: write_csv(rows(), folder / "t.csv", sep=";"),
    "another spelling of the columns": lambda folder: write(
        lists().rename_columns(["ID", "HJD", "Magnitude"]), folder / "t.parquet"
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_in_any_form_gives_every_object_its_embedding_in_order(tmp_path: Path, name: str):
    source = TABLES[name](tmp_path)
    output = tmp_path / "out.parquet"
    embed_table(source, output, MODEL, show_progress=False)
    written = pq.read_table(output)
    assert written["object_id"].to_pylist() == IDS
    expected = embed_light_curves(MODEL, [MJD[part] for part in CURVES], [MAG[part] for part in CURVES]).object_embeddings
    atol = 1e-5 if "float32" not in name else 1e-4
    np.testing.assert_allclose(np.array(written["embedding"].to_pylist()), expected, rtol=0, atol=atol)
    classify_table(source, output, MODEL, show_progress=False)
    assert pq.read_table(output)["object_id"].to_pylist() == IDS
    note("accepted")


DOUBLES = pa.list_(pa.float64())
# name -> (its columns, the ids that are written, usable observations of each)
COUNTED: dict[str, tuple[Callable[[], pa.Table], list[str | None], list[int]]] = {
    "duplicate ids keep a row each": (lambda: lists(object_id=["a", "a", "a"]), ["a", "a", "a"], [31, 25, 6]),
    "null ids keep their rows": (lambda: lists(object_id=pa.array(["a", None, "c"])), ["a", None, "c"], [31, 25, 6]),
    "integer ids beyond float64": (lambda: lists(object_id=[2**62 + 1, 2, 3]), [str(2**62 + 1), "2", "3"], [31, 25, 6]),
    "null lists are empty light curves": (
        lambda: pa.table(
            {"id": ["a", "b"], "mjd": pa.array([None, [1.0, 2.0]], DOUBLES), "mag": pa.array([None, [1.0, 2.0]], DOUBLES)}
        ),
        ["a", "b"],
        [0, 2],
    ),
    "null values are dropped": (
        lambda: pa.table(
            {"id": ["a"], "mjd": pa.array([[1.0, 2.0, None]], DOUBLES), "mag": pa.array([[1.0, None, 2.0]], DOUBLES)}
        ),
        ["a"],
        [1],
    ),
    "empty lists": (
        lambda: pa.table({"id": ["a"], "mjd": pa.array([[]], DOUBLES), "mag": pa.array([[]], DOUBLES)}),
        ["a"],
        [0],
    ),
    "lists of integers": (lambda: pa.table({"id": ["a"], "mjd": [[1, 2, 3]], "mag": [[15, 16, 15]]}), ["a"], [3]),
    "lists of decimals": (
        lambda: pa.table(
            {"id": ["a"], "mjd": [[1.0, 2.0]], "mag": pa.array([[15.25, 16.5]]).cast(pa.list_(pa.decimal128(6, 2)))}
        ),
        ["a"],
        [2],
    ),
    "a hundred bands of one object": (
        lambda: pa.table(
            {"id": ["a"] * 200, "band": [str(i // 2) for i in range(200)], "mjd": np.arange(200.0), "mag": np.ones(200)}
        ),
        ["a"] * 100,
        [2] * 100,
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_every_row_of_a_table_is_accounted_for(tmp_path: Path, name: str):
    make, ids, counts = COUNTED[name]
    source, output = write(make(), tmp_path / "t.parquet"), tmp_path / "out.parquet"
    report = embed_table(source, output, MODEL, show_progress=False)
    written = pq.read_table(output)
    assert written["object_id"].to_pylist() == ids
    assert written["num_points"].to_pylist() == counts
    assert report.num_objects == len(ids)
    assert [value is None for value in written["embedding"].to_pylist()] == [count == 0 for count in counts]
    assert len(report.without_result) == counts.count(0)
    note("accepted")


def bytes_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def put(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def make_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def flip_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 64]) + content[middle + 64 :]


BAD_TABLES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a table that is not there": (lambda folder: folder / "none.parquet", "There is no file"),
    "a folder without tables": (make_folder, "holds no .parquet file"),
    "a FITS file": (put("t.fits", b"SIMPLE  =" * 100), "t.fits cannot be read as FITS"),
    "an empty parquet file": (put("t.parquet", b""), "not a complete parquet file"),
    "text named parquet": (put("t.parquet", b"id,mjd,mag\n" * 10), "not a complete parquet file"),
    "a truncated parquet file": (put("t.parquet", bytes_of(lists())[:-100]), "not a complete parquet file"),
    "a parquet file with a damaged middle": (put("t.parquet", flip_middle(bytes_of(lists()))), "t.parquet"),
    "a parquet file without rows": (lambda folder: write(lists().slice(0, 0), folder / "t.parquet"), "holds no light curve"),
    "a missing column": (lambda folder: write(lists().drop(["mag"]), folder / "t.parquet"), "found none for mag"),
    "lists of unequal lengths": (
        lambda folder: write(lists(mag=[[1.0]] * 3), folder / "t.parquet"),
        r"has 31 values in 'mjd' and 1 in 'mag'",
    ),
    "a list for times and a number for magnitudes": (lambda folder: write(lists(mag=[1.0] * 3), folder / "t.parquet"), "mjd"),
    "lists of words": (
        lambda folder: write(lists(mag=[["x"] * len(MJD[part]) for part in CURVES]), folder / "t.parquet"),
        "'mag' must hold numbers, and row 1 of the data holds 'x'",
    ),
    "seconds in a table": (
        lambda folder: write(lists(mjd=[(86400 * MJD[part]).tolist() for part in CURVES]), folder / "t.parquet"),
        "object 'ζ Oph' runs from",
    ),
    "a column twice": (
        lambda folder: write(lists().append_column("mag", lists()["mag"]), folder / "t.parquet"),
        "more than one column 'mag'",
    ),
    "measurements without an id": (
        lambda folder: write(rows().assign(object_id=None), folder / "t.parquet"),
        "have no 'object_id'",
    ),
    "a CSV with a missing column": (put("t.csv", b"id,mjd\na,1\n"), "found none for mag"),
    "a CSV with words": (put("t.csv", b"id,mjd,mag\na,1,bright\n"), "t.csv cannot be read.*'bright'"),
    "a CSV with a short line": (put("t.csv", b"id,mjd,mag\na,1,2\na,1\n"), "row 2 of the data has 2 values"),
    "an empty CSV": (put("t.csv", b""), "t.csv cannot be read"),
    "a CSV that is no text": (put("t.csv", bytes(range(256)) * 4), "t.csv|there are"),
    "a truncated gzip": (put("t.csv.gz", gzip.compress(rows().to_csv(index=False).encode())[:200]), "t.csv.gz cannot be read"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_cannot_be_read_is_one_line_and_leaves_no_file(tmp_path: Path, name: str, capsys):
    make, message = BAD_TABLES[name]
    source, output = make(tmp_path), tmp_path / "out" / "out.parquet"
    output.parent.mkdir()
    for into in (embed_table, classify_table):
        with pytest.raises((TableError, FileNotFoundError), match=message) as caught:
            into(source, output, MODEL, show_progress=False)
        assert "\n" not in str(caught.value)
        assert list(output.parent.iterdir()) == []
    note("refused")


# --- Outputs ---

# A model that no work can be done with.
CANNOT_RUN = SimpleNamespace(eval=lambda: None, config=SimpleNamespace(window_size=20), device=SimpleNamespace(type="cpu"))

BAD_OUTPUTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an output that is no parquet file": (lambda folder: folder / "out.csv", "must be a .parquet file, got out.csv"),
    "an output in no folder": (lambda folder: folder / "none" / "out.parquet", "There is no folder"),
    "an output that is a folder": (lambda folder: (folder / "out.parquet").mkdir() or folder / "out.parquet", "not a folder"),
    "an output that is the source": (lambda folder: folder / "t.parquet", "not the source"),
    "an output beside a device": (lambda folder: Path("/dev/full"), "must be a .parquet file"),
    "an output below a file": (lambda folder: folder / "t.parquet" / "out.parquet", "There is no folder"),
}


@pytest.mark.parametrize("name", BAD_OUTPUTS)
def test_an_output_that_cannot_be_is_refused_before_any_work(tmp_path: Path, name: str):
    source = write(lists(), tmp_path / "t.parquet")
    before = source.read_bytes()
    make, message = BAD_OUTPUTS[name]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        embed_table(source, make(tmp_path), SimpleNamespace(base_model=CANNOT_RUN), show_progress=False)
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"t.parquet", "out.parquet"}
    note("refused")


def test_a_full_disk_is_one_line_and_leaves_the_former_output(tmp_path: Path):
    """The operating system lets no file grow beyond a limit, as on a full disk; in a process of its own."""
    many = pa.concat_tables([lists()] * 2000)
    source, output, model = write(many, tmp_path / "t.parquet"), tmp_path / "out.parquet", tmp_path / "model"
    write(lists(), output)
    before = output.read_bytes()
    MODEL.save_pretrained(model)
    command = ["-m", "astromer_hf.cli", "embed", source, "-o", output, "--model", model, "--quiet"]
    done = run_forked(*command, max_file_size=4096)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert "There is no space for the output" in done.stderr
    assert done.stderr.count("\n") == 1
    assert output.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"t.parquet", "out.parquet", "model"}
    note("refused")


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path, capsys):
    from astromer_hf.cli.main import main

    source, folder = write(lists(), tmp_path / "t.parquet"), Path("/proc")
    if not folder.is_dir():
        pytest.skip("there is no /proc, in which nobody may write")
    MODEL.save_pretrained(tmp_path / "model")
    assert main(["embed", str(source), "-o", str(folder / "out.parquet"), "--model", str(tmp_path / "model"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert "error: The output /proc/out.parquet cannot be written" in error
    assert "Traceback" not in error
    note("refused")


# --- Collator, config, model folders ---

BAD_ROWS: dict[str, tuple[Any, str]] = {
    "a batch of nothing": ([], "at least one light curve"),
    "rows without magnitudes": ([{"mjd": MJD}], "`mag`.* is missing"),
    "rows without observations": ([{"mjd": [], "mag": []}], "no usable observation"),
    "rows of sentinels": ([{"mjd": [1.0], "mag": [99.0]}], "no usable observation"),
    "rows of unequal lengths": ([{"mjd": MJD, "mag": MAG[:2]}], "31 values in `mjd` and 2 in `mag`"),
    "rows of words": ([{"mjd": MJD, "mag": ["x"] * 31}], "must be numbers"),
    "rows with times of float32": ([{"mjd": MJD.astype("f4"), "mag": MAG}], "came as float32"),
    "rows of seconds": ([{"mjd": MJD * 86400, "mag": MAG}], "Times must be days"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_rows_that_make_no_batch_are_refused_with_one_line(name: str):
    batch, message = BAD_ROWS[name]
    with pytest.raises(ValueError, match=message) as caught:
        DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(window_size=20))(batch)
    assert "\n" not in str(caught.value)
    note("refused")


def test_a_batch_of_no_windows_is_refused():
    with pytest.raises(ValueError, match="at least one window"):
        AstromerFeatureExtractor().pad([])
    note("refused")


BAD_CONFIGS: dict[str, dict[str, Any]] = {
    "a width of a million": {"hidden_size": 2**20},
    "a million layers": {"num_hidden_layers": 10**6},
    "a window of a billion": {"window_size": 10**9},
    "a billion frequencies": {"num_frequencies": 2**30},
    "a perceptron of a billion": {"classifier_hidden_sizes": [10**9]},
    "an unknown activation": {"hidden_act": "nothing"},
    "a base of NaN": {"time_encoding_base": NAN},
    "an infinite base": {"time_encoding_base": float("inf")},
    "scales of NaN": {"time_bias_scales": [NAN, 1.0, 1.0, 1.0]},
    "a negative epsilon": {"layer_norm_eps": -1.0},
    "a width of words": {"hidden_size": "wide"},
    "a list for a number": {"hidden_size": [16]},
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_a_config_beyond_any_use_is_refused_by_the_name_of_its_field(name: str):
    field = next(iter(BAD_CONFIGS[name]))
    with pytest.raises(StrictDataclassError, match=field):
        AstromerConfig(**TINY | BAD_CONFIGS[name])
    note("refused")


# --- Properties ---


def attempt(function: Callable[[], Any], refusal: type[Exception]) -> tuple[Any, Exception | None]:
    """What a function returns, or the error of that type that it raises."""
    try:
        return function(), None
    except refusal as error:
        return None, error


MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TIMES = st.floats(min_value=-1e4, max_value=9e4, width=64)
MAGNITUDES = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([99.999, -99.0, 90.0, -90.0]) | st.floats(5, 25)
POINTS = st.lists(st.tuples(TIMES | st.just(NAN), MAGNITUDES, st.floats(allow_nan=True)), max_size=50)


@MANY
@given(st.lists(POINTS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_whatever_is_measured_every_light_curve_has_its_finite_embedding_or_none(curves: list, random: Any):
    mjd, mag = ([[point[column] for point in curve] for curve in curves] for column in (0, 1))
    result = embed_light_curves(MODEL, mjd, mag)
    usable = [sum(bool(np.isfinite(point[0])) and abs(point[1]) <= 90 for point in curve) for curve in curves]
    assert result.num_points.tolist() == usable
    assert result.dropped_points.tolist() == [len(curve) - count for curve, count in zip(curves, usable, strict=True)]
    assert np.isfinite(result.object_embeddings).all(1).tolist() == [count > 0 for count in usable]
    # Neither the order of the observations nor the neighbours matter, unless equal times leave the order open.
    chosen = random.randrange(len(curves))
    order = np.argsort(mjd[chosen], kind="stable")
    alone = embed_light_curves(MODEL, np.array(mjd[chosen])[order], np.array(mag[chosen])[order]).object_embeddings[0]
    np.testing.assert_allclose(alone, result.object_embeddings[chosen], rtol=0, atol=1e-5)
    note("generated")


NUMBERS = hnp.scalar_dtypes().flatmap(lambda dtype: hnp.arrays(dtype, st.integers(0, 8)))


@MANY
@given(NUMBERS, NUMBERS)
@example(np.array([1.0], dtype=">f2"), np.array([], dtype=bool))
def test_arrays_of_any_type_are_embedded_or_refused_with_one_clear_error(mjd: np.ndarray, mag: np.ndarray):
    result, error = attempt(lambda: embed_light_curves(MODEL, mjd, mag), ValueError)
    if error is not None:
        assert any(word in str(error) for word in ("must be", "has", "Times must be days", "came as float"))
        assert "\n" not in str(error)
    else:
        assert len(result) == 1
        assert result.num_points[0] + result.dropped_points[0] == len(mjd) == len(mag)
        assert np.isfinite(result.object_embeddings).all() == (result.num_points[0] > 0)
    note("generated")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(set(AstromerConfig.__dataclass_fields__) & set(AstromerConfig.__annotations__))


@MANY
@given(st.sampled_from(FIELDS), JSON)
def test_a_config_field_of_any_value_makes_a_config_or_one_clear_error(field: str, value: Any):
    fields = {**TINY, field: value}
    config, error = attempt(lambda: AstromerConfig(**fields), StrictDataclassError)
    if error is not None:
        assert field in str(error)
    else:
        size = sum(parameter.numel() for parameter in _on_meta(config).parameters())
        assert size < 2**36
    note("generated")


def _on_meta(config: AstromerConfig) -> torch.nn.Module:
    with torch.device("meta"):
        return AstromerForSequenceClassification(config)


@settings(MANY, max_examples=40)
@given(data=st.data())
def test_a_parquet_file_with_flipped_bytes_is_read_in_full_or_refused(data: st.DataObject, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flipped")
    content = bytearray(bytes_of(lists()))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    (folder / "t.parquet").write_bytes(content)
    try:
        embed_table(folder / "t.parquet", folder / "out.parquet", MODEL, show_progress=False)
    except ValueError:
        assert not (folder / "out.parquet").exists()
    else:
        assert len(pq.read_table(folder / "out.parquet")) == len(pq.ParquetFile(folder / "t.parquet").read())
    assert {path.name for path in folder.iterdir()} <= {"t.parquet", "out.parquet"}
    note("generated")


@settings(MANY, max_examples=40)
@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), POINTS), min_size=1, max_size=6
    )
)
def test_ids_of_any_letters_come_back_in_their_order(objects: list):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        columns = {
            name: pa.array([[point[i] for point in points] for _, points in objects], DOUBLES)
            for i, name in enumerate(("mjd", "mag"))
        }
        source = write(pa.table({"object_id": [name for name, _ in objects], **columns}), folder / "t.parquet")
        try:
            report = embed_table(source, folder / "out.parquet", MODEL, show_progress=False)
        except TableError as error:  # what was drawn may look like fluxes
            if "is plainly flux" not in str(error):
                raise
            return
        written = pq.read_table(folder / "out.parquet")
    assert written["object_id"].to_pylist() == [name for name, _ in objects]
    assert report.num_objects == len(objects)
    assert report.num_points + report.dropped_points == sum(len(points) for _, points in objects)
    note("generated")


# --- The document ---


def test_the_document_lists_every_named_case():
    text = DOCUMENT.read_text(encoding="utf-8")
    named = [*ACCEPTED, *DEGENERATE, *REFUSED, *OBJECTS, *BAD_OBJECTS, *TABLES, *COUNTED, *BAD_TABLES, *BAD_OUTPUTS]
    named += [*BAD_ROWS, *BAD_CONFIGS]
    assert len(named) >= 60
    assert [name for name in named if f"| {name} |" not in text] == []
