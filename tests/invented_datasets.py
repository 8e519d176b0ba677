# Copyright 2026 The astromer_hf developers. MIT licence.
"""Small datasets with invented light curves, in the layouts in which the field publishes them on the Hub."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from astromer_hf.light_curves.simulation import simulate_light_curves

Rows = list[dict[str, Any]]
CLASSES = {"EW": "EclipsingBinary", "RRab": "RRab", "LPV": "LPV"}  # of the benchmark -> of the simulation


def _curve(seed: int, name: str, num_points: int) -> tuple[list[float], list[float], list[float]]:
    (curve,) = simulate_light_curves(1, seed=seed, classes=[name])
    own = slice(0, min(num_points, len(curve.mjd)))
    return curve.mjd[own].tolist(), curve.mag[own].tolist(), curve.magerr[own].tolist()


def starembed_rows(count: int, seed: int = 0, num_points: int = 40, bands: str = "gir") -> Rows:
    """`bands_data` of bands with magnitudes as `target`; every third star lacks the band i, every seventh r."""
    rows = []
    for number in range(count):
        label = list(CLASSES)[number % len(CLASSES)]
        by_band: dict[str, Any] = {}
        for i, band in enumerate(bands):
            if (band == "i" and number % 3) or (band == "r" and number % 7 == 6):
                by_band[band] = None
                continue
            mjd, mag, magerr = _curve(1000 * seed + 10 * number + i, CLASSES[label], num_points - 3 * i)
            gaps = np.diff(mjd, prepend=mjd[0]).tolist()
            by_band[band] = {
                "feat_dynamic_real": gaps,
                "length": len(mjd),
                "mjd": mjd,
                "past_feat_dynamic_real": magerr,
                "target": mag,
            }
        rows.append({"sourceid": f"{seed}{number:04d}", "bands_data": by_band, "class_str": label})
    return rows


def multi_survey_rows(count: int, seed: int = 0, num_points: int = 30) -> Rows:
    """`lightcurve` of bands of several surveys with `mag` and `mag_unc`."""
    rows = []
    for number in range(count):
        by_band: dict[str, Any] = {}
        for i, band in enumerate(("clear_CSS", "g_ZTF", "r_ZTF")):
            mjd, mag, magerr = _curve(1000 * seed + 10 * number + i, "EclipsingBinary", num_points - 2 * i)
            by_band[band] = None if (number + i) % 3 == 2 else {"mjd": mjd, "mag": mag, "mag_unc": magerr}
        rows.append({"objid": f"star-{number}", "lightcurve": by_band, "class": "EA", "ra": 10.0 + number, "dec": -5.0})
    return rows


def multimodal_universe_rows(count: int, seed: int = 0, num_points: int = 20) -> Rows:
    """`lightcurve` with parallel lists, filled up with zeros; the first flux of every star is negative."""
    rows = []
    for number in range(count):
        mjd, mag, magerr = (np.array(values) for values in _curve(1000 * seed + number, "RRab", num_points))
        flux = 10 ** (0.4 * (27.5 - mag))
        flux[0] = -3.0
        errors = np.where(flux > 0, flux * magerr / 1.0857, 1.0)
        band = np.where(np.arange(len(mjd)) % 2 == 0, "g", "r")
        zeros = np.zeros(4)
        light_curve = {
            "band": [*band.tolist(), "g", "g", "r", "r"],
            "time": [*mjd, *zeros],
            "flux": [*flux, *zeros],
            "flux_err": [*errors, *zeros],
        }
        rows.append({"object_id": f"{number}", "lightcurve": light_curve, "obj_type": "RRL", "redshift": 0.0})
    return rows


def to_parquet(rows: Rows, row_group_size: int | None = None) -> bytes:
    """Rows as the bytes of a parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=row_group_size)
    return buffer.getvalue()
