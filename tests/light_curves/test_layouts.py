# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every survey's files are recognised in any order of columns, with further columns and in any case, or refused clearly.

Each sample below is invented: points of two stars or bands, one point of every kind that the survey asks to drop.
"""

import json
import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.formats import READERS
from astromer_hf.light_curves.layouts import LAYOUTS
from astromer_hf.light_curves.source import LightCurveSource

DAYS = 58000 + np.array([0.1, 1.2, 2.1, 3.3, 4.2, 5.1])
MAGS = np.array([15.1, 15.4, 15.2, 15.3, 15.6, 15.2])
ERRORS = np.full(6, 0.02)
FLUX = np.array([100.0, 80.0, 95.0, -3.0, 120.0, 110.0])


@dataclass(frozen=True)
class Sample:
    """Columns of six points, what they give, and the columns without which they give something else or are refused.

    Args:
        columns: of the table.
        expected: (star, band) -> (used, dropped); a star of None is named after the file.
        without: optional columns -> what the table gives without them; None where it is refused.
    """

    columns: dict[str, Any]
    expected: dict[tuple[str | None, str | None], tuple[int, int]]
    without: dict[str, dict[tuple[str | None, str | None], tuple[int, int]] | None] = field(default_factory=dict)


def two(first: str, second: str) -> list[str]:
    return [first] * 3 + [second] * 3


SAMPLES: dict[str, Sample] = {
    "ztf": Sample(
        {
            "oid": two("7001", "7002"),
            "hjd": DAYS + 0.5,
            "mjd": DAYS,
            "mag": MAGS,
            "magerr": ERRORS,
            "filtercode": two("zg", "zr"),
            "catflags": [0, 32768, 0, 0, 0, 16],
            "limitmag": [20.0, 20, 20, 20, 15.5, 20],
        },
        {("7001", "zg"): (2, 1), ("7002", "zr"): (2, 1)},
        {
            "hjd": {("7001", "zg"): (2, 1), ("7002", "zr"): (2, 1)},
            "limitmag": {("7001", "zg"): (2, 1), ("7002", "zr"): (3, 0)},
            "magerr": {("7001", "zg"): (2, 1), ("7002", "zr"): (2, 1)},
            "mag": None,
        },
    ),
    "ztf_forced": Sample(
        {
            "filter": two("ZTF_g", "ZTF_r"),
            "infobitssci": [0, 33554432, 0, 0, 0, 0],
            "zpdiff": [26.0] * 6,
            "forcediffimflux": FLUX,
            "forcediffimfluxunc": [5.0] * 6,
            "jd": DAYS + 2400000.5,
        },
        {(None, "ZTF_g"): (2, 1), (None, "ZTF_r"): (2, 1)},
        {"filter": None, "infobitssci": {(None, "ZTF_g"): (3, 0), (None, "ZTF_r"): (2, 1)}},
    ),
    "alerce": Sample(
        {
            "oid": ["A"] * 6,
            "mjd": DAYS,
            "fid": [1, 1, 1, 2, 2, 2],
            "magpsf": MAGS + 3,
            "sigmapsf": ERRORS,
            "magpsf_corr": [*MAGS[:5], np.nan],
            "sigmapsf_corr": ERRORS,
            "corrected": ["true", "false", "true", "true", "true", "false"],
            "dubious": ["false"] * 6,
        },
        {("A", "g"): (2, 1), ("A", "r"): (2, 1)},
        {
            "oid": {(None, "g"): (2, 1), (None, "r"): (2, 1)},
            "fid": None,
            "corrected": {("A", "g"): (3, 0), ("A", "r"): (2, 1)},
            "magpsf": {("A", "g"): (2, 1), ("A", "r"): (2, 1)},
        },
    ),
    "fink": Sample(
        {
            "i:objectId": ["A"] * 6,
            "i:jd": DAYS + 2400000.5,
            "i:fid": [1, 1, 1, 2, 2, 2],
            "i:magpsf": MAGS,
            "i:sigmapsf": ERRORS,
            "d:tag": ["valid", "upperlim", "valid", "valid", "badquality", "valid"],
        },
        {("A", "g"): (2, 1), ("A", "r"): (2, 1)},
        {"i:fid": None, "d:tag": {("A", "g"): (3, 0), ("A", "r"): (3, 0)}},
    ),
    "ztf_alerts": Sample(
        {"objectId": ["A"] * 6, "jd": DAYS, "fid": [1, 1, 1, 2, 2, 2], "magpsf": MAGS, "sigmapsf": ERRORS},
        {("A", "g"): (3, 0), ("A", "r"): (3, 0)},
        {"objectId": {(None, "g"): (3, 0), (None, "r"): (3, 0)}},
    ),
    "rubin": Sample(
        {
            "diaSourceId": range(6),
            "diaObjectId": two("1", "2"),
            "midpointMjdTai": DAYS,
            "band": ["g"] * 6,
            "psfFlux": FLUX,
            "psfFluxErr": [5.0] * 6,
        },
        {("1", "g"): (3, 0), ("2", "g"): (2, 1)},
        {"band": None, "psfFluxErr": {("1", "g"): (3, 0), ("2", "g"): (2, 1)}, "psfFlux": None},
    ),
    "elasticc": Sample(
        {
            "diaObjectId": ["5"] * 6,
            "midPointTai": DAYS,
            "filterName": two("Y", "u"),
            "psFlux": FLUX,
            "psFluxErr": [5.0] * 6,
        },
        {("5", "Y"): (3, 0), ("5", "u"): (2, 1)},
        {"psFluxErr": {("5", "Y"): (3, 0), ("5", "u"): (2, 1)}},
    ),
    "plasticc": Sample(
        {"object_id": [101] * 6, "mjd": DAYS, "passband": [2, 2, 2, 3, 3, 3], "flux": FLUX, "flux_err": [5.0] * 6},
        {("101", "2"): (3, 0), ("101", "3"): (2, 1)},
        {"flux_err": {("101", "2"): (3, 0), ("101", "3"): (2, 1)}, "flux": None, "mjd": None},
    ),
    "snana": Sample(
        {"SNID": ["s"] * 6, "MJD": DAYS, "FLT": two("g", "r"), "FLUXCAL": FLUX, "FLUXCALERR": [5.0] * 6, "MAG": [99.0] * 6},
        {("s", "g"): (3, 0), ("s", "r"): (2, 1)},
        {"SNID": {(None, "g"): (3, 0), (None, "r"): (2, 1)}},
    ),
    "macho": Sample(
        {
            "objectid": two("1.2.3", "1.2.4"),
            "obsdate": DAYS,
            "rmag": [*MAGS[:5], -99.0],
            "rerr": ERRORS,
            "bmag": MAGS,
            "berr": ERRORS,
        },
        {("1.2.3", "R"): (3, 0), ("1.2.3", "B"): (3, 0), ("1.2.4", "R"): (2, 1), ("1.2.4", "B"): (3, 0)},
        {"bmag": None, "obsdate": None},
    ),
    "asas": Sample(
        {
            "HJD": DAYS,
            "MAG_3": [*MAGS[:5], 29.999],
            "MAG_0": MAGS,
            "MER_3": ERRORS,
            "MER_0": ERRORS,
            "GRADE": list("AABDAA"),
            "FRAME": range(6),
        },
        {(None, None): (4, 2)},
        {"MAG_0": {(None, None): (4, 2)}, "GRADE": None},
    ),
    "asassn": Sample(
        {
            "HJD": DAYS,
            "Camera": list("bababa"),
            "Limit": [17.0] * 6,
            "mag": ["15.1", ">15.0", "15.2", "99.990", "15.6", "15.2"],
            "mag_err": [0.02, 99.99, 0.02, 99.99, 0.02, 0.02],
            "Filter": two("V", "g"),
        },
        {(None, "V"): (2, 1), (None, "g"): (2, 1)},
        {"Limit": {(None, "V"): (2, 1), (None, "g"): (2, 1)}},
    ),
    "asassn2": Sample(
        {
            "jd": DAYS + 2400000.5,
            "mag": MAGS,
            "mag_err": [0.02, 99.99, 0.02, 0.02, 0.02, 0.02],
            "limit": [17.0] * 6,
            "camera": list("bababa"),
            "quality": list("GGGBGG"),
            "phot_filter": two("V", "g"),
        },
        {(None, "V"): (2, 1), (None, "g"): (2, 1)},
        {"quality": {(None, "V"): (2, 1), (None, "g"): (3, 0)}},
    ),
    "atlas_forced": Sample(
        {
            "MJD": DAYS,
            "m": [*MAGS[:5], -20.1],
            "dm": ERRORS,
            "uJy": FLUX,
            "duJy": [5.0] * 6,
            "F": two("o", "c"),
            "err": [0, 1, 0, 0, 0, 0],
            "mag5sig": [19.0] * 6,
        },
        {(None, "o"): (2, 1), (None, "c"): (2, 1)},
        {"err": {(None, "o"): (3, 0), (None, "c"): (2, 1)}, "mag5sig": {(None, "o"): (2, 1), (None, "c"): (2, 1)}},
    ),
    "catalina": Sample(
        {"MasterID": two("11", "12"), "ID": range(6), "Mag": MAGS, "Magerr": ERRORS, "MJD": DAYS, "Blend": [0] * 6},
        {("11", None): (3, 0), ("12", None): (3, 0)},
        {"ID": {("11", None): (3, 0), ("12", None): (3, 0)}, "MasterID": None},
    ),
    "gaia": Sample(
        {
            "source_id": ["9"] * 6,
            "transit_id": range(6),
            "band": two("G", "BP"),
            "time": DAYS - 57000,
            "mag": MAGS,
            "flux": FLUX + 10,
            "flux_over_error": [50.0] * 6,
            "rejected_by_photometry": [False, True, False, False, False, False],
        },
        {("9", "G"): (2, 1), ("9", "BP"): (3, 0)},
        {
            "flux_over_error": {("9", "G"): (2, 1), ("9", "BP"): (3, 0)},
            "rejected_by_photometry": {("9", "G"): (3, 0), ("9", "BP"): (3, 0)},
        },
    ),
    "gaia_wide": Sample(
        {
            "source_id": ["9"] * 6,
            "g_transit_time": DAYS,
            "g_transit_mag": MAGS,
            "bp_obs_time": DAYS,
            "bp_mag": [*MAGS[:5], np.nan],
            "rp_obs_time": DAYS,
            "rp_mag": MAGS,
            "photometry_flag_rp_reject": [0, 1, 0, 0, 0, 0],
        },
        {("9", "G"): (6, 0), ("9", "BP"): (5, 1), ("9", "RP"): (5, 1)},
        {"bp_mag": {("9", "G"): (6, 0), ("9", "RP"): (5, 1)}},
    ),
    "tess": Sample(
        {
            "TIME": [*DAYS[:5], np.nan],
            "SAP_FLUX": FLUX + 500,
            "PDCSAP_FLUX": [1.0e3, np.nan, 1.1e3, 1.2e3, 1.1e3, 1.0e3],
            "PDCSAP_FLUX_ERR": [1.0] * 6,
            "QUALITY": [0, 0, 0, 128, 0, 0],
        },
        {(None, None): (3, 3)},
        {"PDCSAP_FLUX": {(None, None): (4, 2)}, "QUALITY": {(None, None): (4, 2)}},
    ),
    "neowise": Sample(
        {
            "source_id": range(6),
            "mjd": DAYS,
            "w1mpro": MAGS,
            "w1sigmpro": ERRORS,
            "w2mpro": [*MAGS[:5], np.nan],
            "w2sigmpro": ERRORS,
            "cc_flags": ["0000", "h000", "0d00", "0000", "0000", "0000"],
            "qual_frame": [10, 10, 10, 0, 10, 10],
        },
        {(None, "W1"): (4, 2), (None, "W2"): (3, 3)},
        {"cc_flags": {(None, "W1"): (5, 1), (None, "W2"): (4, 2)}, "w2mpro": None},
    ),
    "aavso": Sample(
        {
            "JD": DAYS + 2400000.5,
            "Magnitude": ["15.1", "<15.0", "15.2", "15.1", "15.6", "15.2"],
            "Uncertainty": [0.02] * 6,
            "Band": two("V", "Vis."),
            "Star Name": ["SS CYG", "ss cyg", "SS Cyg"] * 2,
            "Validation Flag": list("ZZZTVZ"),
        },
        {("SS CYG", "V"): (2, 1), ("SS CYG", "Vis."): (2, 1)},
        {"Star Name": {(None, "V"): (2, 1), (None, "Vis."): (2, 1)}},
    ),
    "kelt": Sample(
        {"kelt_id": two("K1", "K2"), "time": DAYS, "mag": MAGS, "mag_err": ERRORS},
        {("K1", None): (3, 0), ("K2", None): (3, 0)},
        {"mag_err": {("K1", None): (3, 0), ("K2", None): (3, 0)}, "mag": None},
    ),
    "sdss": Sample(
        {"thingId": ["5"] * 6, "mjd": DAYS, "psfMag_g": MAGS, "psfMagErr_g": ERRORS, "psfMag_r": [*MAGS[:5], -9999.0]},
        {("5", "g"): (6, 0), ("5", "r"): (5, 1)},
        {"thingId": {(None, "g"): (6, 0), (None, "r"): (5, 1)}, "psfMag_r": None},
    ),
    "snad": Sample(
        {"oid": two("1", "2"), "filter": two("zg", "zr"), "mjd": DAYS, "mag": MAGS, "magerr": ERRORS, "clrcoeff": [0.1] * 6},
        {("1", "zg"): (3, 0), ("2", "zr"): (3, 0)},
        {"clrcoeff": {("1", "zg"): (3, 0), ("2", "zr"): (3, 0)}},
    ),
    "panstarrs": Sample(
        {"objID": ["77"] * 6, "detectID": range(6), "filterID": [1, 1, 1, 5, 5, 5], "obsTime": DAYS, "psfFlux": FLUX},
        {("77", "g"): (3, 0), ("77", "y"): (2, 1)},
    ),
    "starembed": Sample(
        {
            "sourceid": two("1", "2"),
            "band": ["g"] * 6,
            "mjd": DAYS,
            "target": MAGS,
            "past_feat_dynamic_real": ERRORS,
            "class_str": two("EW", "RRab"),
        },
        {("1", "g"): (3, 0), ("2", "g"): (3, 0)},
        {"class_str": {("1", "g"): (3, 0), ("2", "g"): (3, 0)}, "target": None},
    ),
    "multimodal_universe": Sample(
        {
            "object_id": ["1"] * 6,
            "lightcurve.band": two("g", "r"),
            "lightcurve.time": [*DAYS[:5], 0.0],
            "lightcurve.flux": [120.0, 130.0, -5.0, 110.0, 115.0, 0.0],
            "obj_type": ["RRL"] * 6,
        },
        {("1", "g"): (2, 1), ("1", "r"): (2, 1)},
        {"object_id": {(None, "g"): (2, 1), (None, "r"): (2, 1)}, "lightcurve.flux": None},
    ),
    "multimodal_universe_mag": Sample(
        {
            "object_id": ["1"] * 6,
            "lightcurve.band": two("g", "r"),
            "lightcurve.time": [*DAYS[:5], 0.0],
            "lightcurve.mag": [*MAGS[:5], 0.0],
            "lightcurve.mag_err": [*ERRORS[:5], 0.0],
        },
        {("1", "g"): (3, 0), ("1", "r"): (2, 1)},
        {"lightcurve.mag_err": {("1", "g"): (3, 0), ("1", "r"): (2, 1)}, "lightcurve.mag": None},
    ),
    "open_catalog": Sample(
        {
            "event": ["SN"] * 6,
            "time": DAYS,
            "magnitude": MAGS,
            "e_magnitude": ERRORS,
            "band": two("B", "V"),
            "upperlimit": [False, True, False, False, False, False],
        },
        {("SN", "B"): (2, 1), ("SN", "V"): (3, 0)},
        {"upperlimit": {("SN", "B"): (3, 0), ("SN", "V"): (3, 0)}, "event": {(None, "B"): (2, 1), (None, "V"): (3, 0)}},
    ),
}


def counts_of(path: Path, **options: Any) -> dict[tuple[str | None, str | None], tuple[int, int]]:
    source = LightCurveSource.open(path, **options)
    found = {}
    for chunk in source.chunks():
        clean, dropped = chunk.curves.clean()
        bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
        for i, star in enumerate(chunk.object_ids.to_pylist()):
            found[None if star == "table" else star, bands[i]] = (int(clean.lengths[i]), int(dropped[i]))
    used, lost = (sum(numbers) for numbers in zip(*found.values(), strict=True))
    assert (source.ledger.points_used, source.ledger.points_read) == (used, used + lost)
    assert sum(source.ledger.dropped.values()) == lost
    return found


def write(table: pd.DataFrame, folder: Path) -> Path:
    table.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def shuffle_columns(table: pd.DataFrame) -> pd.DataFrame:
    return table[list(table.columns[::-1])]


def add_columns(table: pd.DataFrame) -> pd.DataFrame:
    added = table.assign(comment="a, b", airmass=1.2, **{"x pos": range(6)})
    return added[[*added.columns[-3:], *table.columns]]


VARIATIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as it came": lambda table: table,
    "another order": shuffle_columns,
    "further columns": add_columns,
    "upper case": lambda table: table.rename(columns=str.upper),
    "lower case": lambda table: table.rename(columns=str.lower),
}


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_survey_is_recognised_whatever_the_order_case_and_number_of_its_columns(name, variation, tmp_path):
    path = write(VARIATIONS[variation](pd.DataFrame(SAMPLES[name].columns)), tmp_path)
    layout = LightCurveSource.open(path).layout
    assert layout is not None
    assert layout.name == name
    assert counts_of(path) == SAMPLES[name].expected


@pytest.mark.parametrize(("name", "column"), [(name, column) for name, sample in SAMPLES.items() for column in sample.without])
def test_a_survey_without_one_of_its_columns_is_read_or_refused_clearly(name, column, tmp_path):
    path = write(pd.DataFrame(SAMPLES[name].columns).drop(columns=column), tmp_path)
    expected = SAMPLES[name].without[column]
    if expected is None:
        with pytest.raises(TableError, match=r"--[a-z-]+") as caught:
            counts_of(path)
        assert "\n" not in str(caught.value)
    else:
        assert counts_of(path) == expected


def test_every_record_has_a_sample_here():
    assert set(LAYOUTS) == {*SAMPLES, "ogle", "eros"}  # these two have no header, and are read by name


def test_the_page_of_files_names_every_format_and_survey():
    pytest.importorskip("mkdocs")
    folder = Path(__file__).parents[2] / "docs"
    page = "\n".join(runpy.run_path(str(folder / "files_page.py"))["write_page"]())
    assert all(f"| {reader.name} |" in page for reader in READERS)
    assert all(f"| {layout.title} | `{name}` |" in page for name, layout in LAYOUTS.items())


def test_files_without_a_header_are_read_by_the_name_of_their_survey(tmp_path):
    path = tmp_path / "table.time"
    rows = zip(DAYS, MAGS, ERRORS, MAGS + 1, ERRORS, strict=True)
    path.write_text("# EROS\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows))
    with pytest.raises(TableError, match=r"has no header and 5 columns.*--mjd-column 1"):
        counts_of(path)
    assert counts_of(path, survey="eros") == {(None, "R"): (6, 0), (None, "B"): (6, 0)}


def test_a_survey_can_be_overruled(tmp_path):
    path = write(pd.DataFrame(SAMPLES["ztf"].columns), tmp_path)
    assert counts_of(path, survey=False) == {("7001", "zg"): (3, 0), ("7002", "zr"): (3, 0)}
    assert counts_of(path, keep_flagged=True) == {("7001", "zg"): (3, 0), ("7002", "zr"): (2, 1)}
    with pytest.raises(TableError, match="cannot be read as NEOWISE"):
        counts_of(path, survey="neowise")
    with pytest.raises(ValueError, match="There is no survey 'nothing' for --survey; there are: aavso"):
        counts_of(path, survey="nothing")
    source = LightCurveSource.open(path, keep_flagged=True)
    list(source.chunks())
    assert "1 flagged points are kept" in source.ledger.line


def test_a_broker_document_with_several_objects_keeps_them_apart(tmp_path):
    path = tmp_path / "table.json"
    records = [
        {"mjd": float(day), "mag": float(mag), "fid": 1, "magpsf": float(mag)} for day, mag in zip(DAYS, MAGS, strict=True)
    ]
    path.write_text(json.dumps([{"oid": "A", "detections": records[:4]}, {"oid": "B", "detections": records[4:]}]))
    assert counts_of(path) == {("A", "g"): (4, 0), ("B", "g"): (2, 0)}
