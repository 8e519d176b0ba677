# Copyright 2026 The astromer_hf developers. MIT licence.
"""Names of columns as people and surveys write them: in any case, with a unit, a zero point of times or a band in them.

Nothing comes before this file; after it `roles.py`, which finds columns by these names.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .layouts import Flag

# `Flux (mJy)`, `HJD [d]`, `Time (BTJD)`; a word in brackets that is none of these may be a band, and stays in the name.
_UNIT = re.compile(
    r"^(?P<own>.*?\S)\s*[\[(]\s*"
    r"(?P<unit>d|days?|[mhb]?jd|bjd[_-]tdb|btjd|bkjd|s|sec|m?mags?|[mun]?jy|e-/s|electron/s|adu|counts?)\s*[\])]$",
    re.I,
)
_ZERO_POINT = re.compile(r"^(?P<own>[mhb]?jd(?:_?tdb)?)\s*[-–(]+\s*24\d{3,5}(?:\.\d+)?\s*\)?$", re.I)  # HJD-2450000
_PREFIX = re.compile(r"^[a-z]:(?P<own>.+)$")  # of Fink: i:magpsf, r:psfFlux


class Names:
    """Columns of a table, found by their names in lower case, or by those without what is around them.

    Args:
        available (`Sequence[str]`): as the table has them.
    """

    def __init__(self, available: Sequence[str]):
        self.available = list(available)
        self.lower: dict[str, str] = {}
        bare = [(_bare(name), name) for name in self.available]
        known = [own for own, _ in bare]
        self.lower.update((own, name) for own, name in bare if own and known.count(own) == 1)
        for name in reversed(self.available):
            if "." in name:
                self.lower[name.rpartition(".")[2].lower()] = name
        for name in reversed(self.available):
            self.lower[name.strip().lstrip("#").strip().lower()] = name

    def first(self, wanted: str | Sequence[str] | None) -> str | None:
        """The first of some names, or of `"a|b"`, that there is."""
        alternatives = wanted.split("|") if isinstance(wanted, str) else (wanted or ())
        return next((self.lower[name] for name in alternatives if name in self.lower), None)

    def flag(self, flag: Flag | None) -> tuple[Flag, ...]:
        """A flag with its column as the table spells it; none where there is no such column."""
        column = self.first(flag.column) if flag else None
        return (replace(flag, column=column),) if flag and column else ()


def _bare(name: str) -> str | None:
    """A name without its unit, its zero point of times or its prefix, in lower case; None of a name that has none of them."""
    own = name.strip().lower()
    found = _UNIT.match(own) or _ZERO_POINT.match(own) or _PREFIX.match(own)
    return found["own"] if found else None


def units_of(names: Sequence[str], told: Mapping[str, str]) -> dict[str, str]:
    """Units of columns: those that the file tells, and those in their names."""
    found = {name: match["unit"] for name in names if (match := _UNIT.match(name.strip()))}
    return found | dict(told)


# --- Bands in names ---

_BAND = r"[A-Za-z]|[BR][pP]|Ks"
_MAGNITUDE_OF_BAND = re.compile(rf"(?:(?P<before>{_BAND})_?[mM]ag|[mM]ag_(?P<after>{_BAND}))")
_NO_BANDS = ("e", "d", "s", "m")  # of errors, differences, medians


def band_magnitudes(names: Names) -> list[tuple[str, str]]:
    """Bands and columns of magnitudes that are named after their band: `Vmag`, `mag_g`, `g_mag`, or `g` beside `g_err`."""
    found = []
    for name in names.available:
        own = name.rpartition(".")[2]
        if match := _MAGNITUDE_OF_BAND.fullmatch(own):
            band = match["before"] or match["after"]
            if band.lower() not in _NO_BANDS:
                found.append((band, name))
        elif re.fullmatch(r"[ugrizyUBVRIJHK]|Ks|[BR][pP]", own) and names.first(band_errors(own)):
            found.append((own, name))
    return found


def band_errors(band: str) -> list[str]:
    """Usual names of the column of errors in a band."""
    forms = "{}_err {}err err_{} e_{} e_{}mag {}_mag_err {}magerr {}_magerr magerr_{} mag_err_{} e_mag_{} err_mag_{} sigma_{}"
    return [form.format(band.lower()) for form in (*forms.split(), "{}_error", "d{}", "e{}")]


def band_times(band: str) -> list[str]:
    """Usual names of the column of times in a band that has its own."""
    forms = "mjd_{} hjd_{} jd_{} bjd_{} time_{} {}_mjd {}_hjd {}_jd {}_time"
    return [form.format(band.lower()) for form in forms.split()]
