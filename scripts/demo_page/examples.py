# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files to try the page on, in layouts of surveys; their stars are simulated.

Before this file stands the simulation; after it `page.py`, which offers them.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from astromer_hf.light_curves.simulation import simulate_light_curve, simulate_light_curves


def write_examples(folder: Path) -> list[Path]:
    """One star as ASAS-SN gives it, one as ZTF, and six stars in one table."""
    rng = np.random.default_rng(11)
    star = simulate_light_curve("RRab", rng, "asas_like")
    asassn = pd.DataFrame(
        {
            "HJD": np.round(star.mjd + 2_400_000.5, 5),
            "Camera": "ba",
            "Limit": 16.5,
            "mag": np.round(star.mag, 3),
            "mag_err": np.round(star.magerr, 3),
            "Filter": "V",
        }
    ).astype({"mag": object})
    asassn.loc[asassn.index % 60 == 7, ["mag", "mag_err"]] = (">16.500", 99.99)  # upper limits, as the survey writes them
    binary = simulate_light_curve("EclipsingBinary", rng, "ztf_like")
    ztf = pd.DataFrame(
        {
            "oid": 700000000000001,
            "hjd": np.round(binary.mjd + 2_400_000.5, 6),
            "mjd": np.round(binary.mjd, 6),
            "mag": np.round(binary.mag, 4),
            "magerr": np.round(binary.magerr, 4),
            "catflags": np.where(np.arange(len(binary.mjd)) % 40 == 5, 32768, 0),  # bad epochs
            "filtercode": "zr",
        }
    )
    six = [
        pd.DataFrame({"star": f"star-{number}", "mjd": one.mjd, "mag": one.mag, "magerr": one.magerr}).round(5)
        for number, one in enumerate(simulate_light_curves(6, seed=4, survey="catalina_like"), 1)
    ]
    tables = {"one_star_asassn.csv": asassn, "one_star_ztf.csv": ztf, "six_stars.csv": pd.concat(six)}
    for name, table in tables.items():
        table.to_csv(folder / name, index=False)
    return [folder / name for name in tables]
