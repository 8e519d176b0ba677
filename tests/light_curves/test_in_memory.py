# Copyright 2026 The astromer_hf developers. MIT licence.
"""A light curve is the same whatever it comes in, and what is none is refused by what was expected and what came."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.in_memory import read_light_curve

units = pytest.importorskip("astropy.units", reason="astropy is not installed")
from astropy.io import fits  # noqa: E402
from astropy.table import MaskedColumn, QTable, Table  # noqa: E402
from astropy.time import Time  # noqa: E402
from astropy.timeseries import TimeSeries  # noqa: E402
from astropy.utils.masked import Masked  # noqa: E402

RNG = np.random.default_rng(0)
MJD = 58000 + np.sort(RNG.uniform(0, 300, 12))
MAG, MAGERR = RNG.normal(15, 0.3, 12), RNG.uniform(0.01, 0.1, 12)
FLUX = 10 ** (-0.4 * (MAG - 20))
FLUX_ERROR = MAGERR * FLUX * np.log(10) / 2.5
TIME = Time(MJD, format="mjd", scale="tdb")
RECORDS = np.rec.fromarrays([MJD, MAG, MAGERR], names="mjd,mag,magerr")


def as_fits() -> Any:
    """Records as they are read from a FITS file: big-endian."""
    columns = [fits.Column(name, "D", array=values) for name, values in (("MJD", MJD), ("MAG", MAG), ("MAGERR", MAGERR))]
    return fits.BinTableHDU.from_columns(columns).data


SOURCES: dict[str, Callable[[], Any]] = {
    "dictionary": lambda: {"mjd": MJD.tolist(), "mag": MAG, "err": MAGERR},
    "pandas": lambda: pd.DataFrame({"Time": MJD, "mag": MAG, "magerr": MAGERR}),
    "pandas, shuffled index": lambda: pd.DataFrame({"mjd": MJD, "mag": MAG, "magerr": MAGERR}, index=RNG.permutation(12)),
    "pyarrow": lambda: pa.table({"hjd": MJD, "mag": MAG, "e_mag": MAGERR}),
    "array": lambda: np.column_stack((MJD, MAG, MAGERR)),
    "list of lists": lambda: np.column_stack((MJD, MAG, MAGERR)).tolist(),
    "record array": lambda: RECORDS,
    "FITS": as_fits,
    "TimeSeries": lambda: TimeSeries({"mag": MAG * units.mag, "mag_err": MAGERR * units.mag}, time=TIME),
    "TimeSeries of JD": lambda: TimeSeries({"mag": MAG, "magerr": MAGERR}, time=Time(TIME.jd1, TIME.jd2, format="jd")),
    "TimeSeries of fluxes": lambda: TimeSeries({"flux": FLUX * units.Jy, "flux_err": FLUX_ERROR * units.Jy}, time=TIME),
    "Table": lambda: Table({"mjd": MJD, "mag": MAG, "magerr": MAGERR}),
    "QTable in other units": lambda: QTable(
        {"time": (MJD * 24) * units.hour, "mag": MAG * 1000 * units.Unit("mmag"), "magerr": MAGERR * units.mag}
    ),
    "Table in other units": lambda: Table({"time": MJD * 86400, "mag": MAG, "err": MAGERR}, units={"time": "s", "mag": "mag"}),
    "AB magnitudes": lambda: QTable({"mjd": MJD, "mag": MAG * units.ABmag, "magerr": MAGERR * units.mag}),
    "attributes": lambda: SimpleNamespace(time=TIME, flux=FLUX, flux_err=FLUX_ERROR),
    "light_curve module's order": lambda: {"t": MJD, "m": MAG, "error": MAGERR},
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_light_curve(name):
    source = SOURCES[name]()
    mjd, mag, magerr = read_light_curve(source)
    np.testing.assert_allclose(mjd, MJD, rtol=0, atol=1e-6)
    np.testing.assert_allclose(mag - mag.mean(), MAG - MAG.mean(), rtol=0, atol=1e-9)  # fluxes have no zero point
    np.testing.assert_allclose(magerr, MAGERR, rtol=1e-9)
    assert all(column.dtype == np.float64 and column.dtype.isnative for column in (mjd, mag, magerr))


def test_a_table_of_polars_is_read_too():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    mjd, mag, magerr = read_light_curve(polars.DataFrame({"mjd": MJD, "mag": [*MAG[:-1].tolist(), None]}))
    np.testing.assert_array_equal(mjd, MJD)
    np.testing.assert_array_equal(mag, [*MAG[:-1], np.nan])
    assert magerr is None


def test_lightkurves_objects_are_read_in_days_and_magnitudes():
    lightkurve = pytest.importorskip("lightkurve", reason="lightkurve, which asks for pandas below 3, is not installed")
    curve = lightkurve.TessLightCurve(time=TIME.copy("btjd"), flux=FLUX * units.electron / units.s, flux_err=FLUX_ERROR)
    mjd, mag, magerr = read_light_curve(curve)
    np.testing.assert_allclose(mjd, MJD, rtol=0, atol=1e-6)
    np.testing.assert_allclose(mag, MAG - 20)
    np.testing.assert_allclose(magerr, MAGERR)


def test_dates_become_modified_julian_dates():
    table = pd.DataFrame({"time": pd.to_datetime(["2000-01-01", "2000-01-02T12:00", None], format="ISO8601"), "mag": [1, 2, 3]})
    np.testing.assert_array_equal(read_light_curve(table)[0], [51544, 51545.5, np.nan])


@pytest.mark.parametrize(
    "source",
    [
        lambda: Table({"mjd": MJD, "mag": MaskedColumn(MAG, mask=np.arange(12) == 3)}),
        lambda: QTable({"mjd": MJD, "mag": Masked(MAG * units.mag, mask=np.arange(12) == 3)}),
        lambda: TimeSeries({"flux": Masked(FLUX * units.Jy, mask=np.arange(12) == 3)}, time=TIME),
        lambda: {"mjd": MJD, "mag": np.ma.array(MAG, mask=np.arange(12) == 3)},
        lambda: TimeSeries({"flux": np.where(np.arange(12) == 3, -1, FLUX)}, time=TIME),
        lambda: pd.DataFrame({"mjd": MJD, "mag": pd.array([*MAG[:3], pd.NA, *MAG[4:]], dtype="Float64")}),
    ],
    ids=["MaskedColumn", "Masked", "masked flux", "numpy", "negative flux", "pandas NA"],
)
def test_what_is_masked_missing_or_no_positive_flux_is_nan_and_nothing_else(source):
    mag = read_light_curve(source())[1]
    assert np.flatnonzero(np.isnan(mag)).tolist() == [3]


def test_columns_may_be_named_and_a_named_flux_goes_before_a_magnitude():
    table = {"day": MJD, "V": MAG, "eV": MAGERR, "mag": np.zeros(12), "counts": FLUX}
    mjd, mag, magerr = read_light_curve(table, {"mjd": "day", "mag": "V", "magerr": "eV"})
    np.testing.assert_array_equal((mjd, mag, magerr), (MJD, MAG, MAGERR))
    _, mag, magerr = read_light_curve(table, {"mjd": "day", "flux": "counts"})
    np.testing.assert_allclose(mag, MAG - 20)
    assert magerr is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: pd.DataFrame({"a": MJD}), r"this DataFrame has no column that looks like a time; there are: a\. Name"),
        (lambda: {"mjd": MJD}, "no column that looks like a magnitude or flux; there are: mjd"),
        (lambda: 5, "this int has no column that looks like a time; there are: none"),
        (lambda: None, "this NoneType has no column"),
        (lambda: b"curve.csv", "A light curve or the path of one is needed, got bytes"),
        (lambda: MJD, r"the shape \(n, 2\) or \(n, 3\), of times, magnitudes and perhaps errors, got \(12,\)"),
        (lambda: [["a", "b"]], "A light curve must be numbers, got a list"),
        (lambda: {"mjd": MJD, "mag": ["bright"] * 12}, "The column 'mag' must hold numbers"),
        (lambda: {"mjd": MJD, "mag": MAG[:-1]}, "The columns of the dict differ in length: 11, 12"),
        (lambda: {"mjd": [MJD, MJD], "mag": [MAG, MAG]}, "This dict holds 2 light curves"),
        (lambda: QTable({"time": MJD * units.m, "mag": MAG}), "The column 'time' must be in units of day, it is in m"),
        (lambda: QTable({"mjd": MJD, "mag": MAG * units.Jy}), "The column 'mag' must be in units of mag, it is in Jy"),
    ],
)
def test_what_is_no_light_curve_is_refused(source, message):
    with pytest.raises(TableError, match=message):
        read_light_curve(source())


def test_the_path_of_a_file_is_read_where_it_holds_one_light_curve(tmp_path):
    table = pd.DataFrame({"mjd": MJD, "mag": MAG, "magerr": MAGERR})
    table.to_csv(tmp_path / "one.csv", index=False)
    for path in (tmp_path / "one.csv", str(tmp_path / "one.csv")):
        np.testing.assert_array_equal(read_light_curve(path), (MJD, MAG, MAGERR))
    table.assign(star=["a"] * 6 + ["b"] * 6).to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(TableError, match=r"two\.csv holds 2 light curves \(a; b\), and one is wanted"):
        read_light_curve(tmp_path / "two.csv")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_light_curve("three.csv")


def test_a_column_that_is_not_there_is_refused_by_its_name():
    with pytest.raises(TableError, match="There is no column 'V' in the dict; there are: mjd, mag"):
        read_light_curve({"mjd": MJD, "mag": MAG}, {"mag": "V"})
