# Copyright 2026 The astromer_hf developers. MIT licence.
"""In which system the times of a table are, by the record of its survey or the name of its column; for the axes of pictures.

Before this file stand `surveys.py` and `source.py`; after it `astromer-hf plot`.
"""

import re

from .source import LightCurveSource
from .surveys import SURVEYS

SYSTEMS = ("MJD", "BTJD", "BKJD", "HJD", "BJD", "JD")  # those that contain others first: "obsmjd" contains "jd"


def time_system_of(source: LightCurveSource) -> str | None:
    """One of `SYSTEMS`; None where neither a record nor the name of the column tells."""
    names = [] if source.path is None else [source.path.stem, source.path.name, source.path.parent.name]
    records = [SURVEYS[name].time_system for name in names if name in SURVEYS]
    return system_in(records[0] if records else source.roles.mjd)


def system_in(name: str | None) -> str | None:
    """The system that the name of a column or a record's words begin or end with, such as "MJD" of `mjd_obs`."""
    words = re.sub(r"[^A-Za-z]+", " ", name or "").upper()
    return next((system for system in SYSTEMS if re.search(rf"\b{system}|{system}(TDB|UTC|TAI)?\b", words)), None)
