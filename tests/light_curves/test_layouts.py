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
    "asassn2_web": Sample(
        {
            "JD": DAYS + 2400000.5,
            "Flux": FLUX,
            "Mag": MAGS,
            "Mag Error": [0.02, 99.99, 0.02, 0.02, 0.02, 0.02],
            "Limit": [17.0] * 6,
            "Filter": two("V", "g"),
            "Quality": list("GGGBGG"),
            "Camera": list("bababa"),
        },
        {(None, "V"): (2, 1), (None, "g"): (2, 1)},
        {
            "Quality": {(None, "V"): (2, 1), (None, "g"): (3, 0)},
            "Limit": {(None, "V"): (2, 1), (None, "g"): (2, 1)},
            "Mag": None,
        },
    ),
    "lightkurve": Sample(
        {
            "time": DAYS - 57000,
            "flux": [1.0, 1.1, 1.2, 1.1, np.nan, 1.0],
            "flux_err": [0.01] * 6,
            "cadenceno": range(6),
            "centroid_col": [5.0] * 6,
            "quality": [0, 0, 16, 0, 0, 0],
        },
        {(None, None): (4, 2)},
        {"flux_err": {(None, None): (4, 2)}, "cadenceno": {(None, None): (4, 2)}, "quality": {(None, None): (5, 1)}},
    ),
    "eleanor": Sample(
        {
            "TIME": DAYS - 57000,
            "RAW_FLUX": FLUX + 500,
            "CORR_FLUX": FLUX + 400,
            "FLUX_ERR": [1.0] * 6,
            "PSF_FLUX": FLUX + 300,
            "QUALITY": [0, 0, 16, 0, 0, 0],
        },
        {(None, None): (5, 1)},
        {"FLUX_ERR": {(None, None): (5, 1)}, "PSF_FLUX": {(None, None): (5, 1)}, "CORR_FLUX": {(None, None): (6, 0)}},
    ),
    "everest": Sample(
        {
            "CADN": range(6),
            "FLUX": FLUX + 500,
            "FRAW": FLUX + 400,
            "FRAW_ERR": [1.0] * 6,
            "QUALITY": [0, 0, 1, 0, 0, 0],
            "TIME": DAYS,
        },
        {(None, None): (5, 1)},
        {"FRAW_ERR": {(None, None): (5, 1)}, "QUALITY": {(None, None): (6, 0)}},
    ),
    "k2sff": Sample(
        {"T": DAYS, "FRAW": FLUX + 400, "FCOR": FLUX + 500, "ARCLENGTH": [1.0] * 6, "MOVING": [0, 1, 0, 0, 0, 0]},
        {(None, None): (5, 1)},
        {"MOVING": {(None, None): (6, 0)}, "FCOR": None},
    ),
    "tasoc": Sample(
        {
            "TIME": DAYS,
            "FLUX_RAW": FLUX + 500,
            "FLUX_RAW_ERR": [1.0] * 6,
            "FLUX_CORR": FLUX,
            "PIXEL_QUALITY": [0, 4, 0, 0, 0, 0],
        },
        {(None, None): (5, 1)},
        {"PIXEL_QUALITY": {(None, None): (6, 0)}, "FLUX_RAW": None},
    ),
    "tglc": Sample(
        {"time": DAYS, "psf_flux": FLUX, "cal_psf_flux": FLUX + 500, "TESS_flags": [0, 8, 0, 0, 0, 0], "TGLC_flags": [0] * 6},
        {(None, None): (5, 1)},
        {"TGLC_flags": {(None, None): (5, 1)}, "psf_flux": {(None, None): (5, 1)}},
    ),
    "cdips": Sample(
        {"TMID_BJD": DAYS + 2400000.5, "IRM1": MAGS, "IRE1": ERRORS, "TFA1": [*MAGS[:5], np.nan]},
        {(None, None): (5, 1)},
        {"TFA1": {(None, None): (6, 0)}, "IRE1": {(None, None): (5, 1)}},
    ),
    "corot": Sample(
        {"DATEHEL": DAYS + 2400000.5, "STATUS": [0, 8, 0, 0, 0, 0], "WHITEFLUX": FLUX, "WHITEFLUXDEV": [5.0] * 6},
        {(None, None): (4, 2)},
        {"STATUS": {(None, None): (5, 1)}, "WHITEFLUXDEV": {(None, None): (4, 2)}, "DATEHEL": None},
    ),
    "corot_colours": Sample(
        {
            "DATEHEL": DAYS + 2400000.5,
            "STATUS": [0, 8, 0, 0, 0, 0],
            "REDFLUX": FLUX,
            "GREENFLUX": FLUX + 10,
            "BLUEFLUX": FLUX + 10,
            "BLUEFLUXDEV": [5.0] * 6,
        },
        {(None, "red"): (4, 2), (None, "green"): (5, 1), (None, "blue"): (5, 1)},
        {"STATUS": {(None, "red"): (5, 1), (None, "green"): (6, 0), (None, "blue"): (6, 0)}},
    ),
    "superwasp": Sample(
        {"TMID": DAYS, "FLUX2": FLUX + 5, "TAMFLUX2": FLUX, "TAMFLUX2_ERR": [5.0] * 6, "FLAG": [0] * 6},
        {(None, None): (5, 1)},
        {"TAMFLUX2": {(None, None): (6, 0)}, "TMID": None},
    ),
    "aavso_upload": Sample(
        {
            "NAME": ["SS CYG", "ss cyg"] * 3,
            "DATE": DAYS + 2400000.5,
            "MAG": ["15.1", "<15.0", "15.2", "15.1", "15.6", "15.2"],
            "MERR": ["0.02"] * 5 + ["na"],
            "FILT": two("V", "B"),
            "MTYPE": ["STD"] * 6,
            "COMMENTCODE": ["na"] * 6,
        },
        {("SS CYG", "V"): (2, 1), ("SS CYG", "B"): (3, 0)},
        {"MERR": {("SS CYG", "V"): (2, 1), ("SS CYG", "B"): (3, 0)}, "FILT": {("SS CYG", None): (5, 1)}},
    ),
    "antares": Sample(
        {
            "ant_mjd": DAYS,
            "ant_survey": [1, 2, 1, 1, 1, 1],
            "ant_passband": two("g", "R"),
            "ant_mag": MAGS,
            "ant_magerr": ERRORS,
            "ant_maglim": [19.0] * 6,
        },
        {(None, "g"): (2, 1), (None, "R"): (3, 0)},
        {"ant_survey": {(None, "g"): (3, 0), (None, "R"): (3, 0)}, "ant_mag": None},
    ),
    "tns": Sample(
        {
            "obsdate": [f"2020-01-0{day} 05:00:00" for day in range(1, 7)],
            "flux": MAGS,
            "flux_error": ERRORS,
            "flux_unit": ["ABMag", "erg cm(-2) sec(-1)", *["VegaMag"] * 4],
            "filter_name": two("g-ZTF", "r-ZTF"),
        },
        {(None, "g-ZTF"): (2, 1), (None, "r-ZTF"): (3, 0)},
        {"flux_error": {(None, "g-ZTF"): (2, 1), (None, "r-ZTF"): (3, 0)}, "flux_unit": None},
    ),
    "vista": Sample(
        {"sourceID": two("1", "2"), "filterID": [5, 5, 5, 3, 3, 3], "mjd": DAYS, "aperMag3": MAGS, "aperMag3Err": ERRORS},
        {("1", "Ks"): (3, 0), ("2", "J"): (3, 0)},
        {"filterID": {("1", None): (3, 0), ("2", None): (3, 0)}, "aperMag3": None},
    ),
    "dasch": Sample(
        {
            "ref_number": ["7"] * 6,
            "date": DAYS + 2400000.5,
            "magcal_magdep": [*MAGS[:5], np.nan],
            "magcal_local_rms": ERRORS,
            "limiting_mag_local": [15.35] * 6,
        },
        {("7", None): (3, 3)},
        {"limiting_mag_local": {("7", None): (5, 1)}, "ref_number": {(None, None): (3, 3)}},
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
    assert set(LAYOUTS) == {*SAMPLES, "ogle", "eros"}  # these two have no header, and are read by name or by the file's ending


def test_the_page_of_files_names_every_format_and_survey():
    pytest.importorskip("mkdocs")
    folder = Path(__file__).parents[2] / "docs"
    page = "\n".join(runpy.run_path(str(folder / "files_page.py"))["write_page"]())
    assert all(f"| {reader.name} |" in page for reader in READERS)
    assert all(f"| {layout.title} | `{name}` |" in page for name, layout in LAYOUTS.items())


@pytest.mark.parametrize("survey", ["eros", None])
def test_files_without_a_header_are_read_by_the_name_of_their_survey_or_their_ending(tmp_path, survey):
    path = tmp_path / ("table.dat" if survey else "table.time")
    rows = zip(DAYS, MAGS, ERRORS, MAGS + 1, ERRORS, strict=True)
    path.write_text("# EROS\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows))
    if survey:
        with pytest.raises(TableError, match=r"has no header and 5 columns.*--mjd-column 1"):
            counts_of(path)
    assert counts_of(path, survey=survey) == {(None, "R"): (6, 0), (None, "B"): (6, 0)}


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
