# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the first rows of a table say about its columns: which time is full, is the id that of stars, what may be a band.

Before this file stand a raw table and names of columns; after it `roles.py`. What cannot be decided is an error that names the
likely column and the option to give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .columns import BAND_WORDS, COLUMN_GUESSES, FLUX_GUESSES, NONE, TableError
from .fluxes import FLUX_UNITS, MAGNITUDE_UNITS
from .formats.base import RawTable
from .formats.nested import is_list
from .names import Names, units_of
from .numbers import to_numbers, to_text
from .positions import DEC_NAMES, RA_NAMES

if TYPE_CHECKING:
    from .roles import Roles

SAMPLE_ROWS = 4096
SAMPLE_OBJECTS = 16
ONE_STAR_ARCSEC = 60.0  # that positions of one star differ by at the most


def _sample(raw: RawTable, columns: Sequence[str]) -> pa.Table:
    """The first rows of some columns; of lists those of a few objects."""
    lists = any(is_list(raw.schema.field(name).type) for name in columns if raw.names.count(name) == 1)
    size = SAMPLE_OBJECTS if lists else SAMPLE_ROWS
    for batch in raw.batches(columns, size):
        if len(batch):
            return pa.Table.from_batches([batch.slice(0, size)])
    return pa.table({name: [] for name in columns})


def fullest_time(raw: RawTable, names: Names) -> str | None:
    """Of several columns of times the first that is not mostly empty."""
    found = [names.lower[guess] for guess in COLUMN_GUESSES["mjd"] if guess in names.lower]
    found = [name for name in dict.fromkeys(found) if raw.names.count(name) == 1]
    if len(found) < 2 or any(is_list(raw.schema.field(name).type) for name in found):
        return None
    sample = _sample(raw, found)
    filled = {}
    for name in found:
        try:
            filled[name] = float(np.mean(np.isfinite(to_numbers(sample[name], name).values))) if len(sample) else 1.0
        except TableError:
            filled[name] = 0.0
    return next((name for name in found if filled[name] >= 0.5), None)


def check_contents(raw: RawTable, roles: "Roles", chosen: Mapping[str, str]) -> "Roles":
    """Look at the first rows: is the id that of stars, and is there a band that nobody has named?

    Raises:
        TableError: nearly every id has one point, or is rounded; a column looks like a band, or has another unit than its role.
    """
    column = roles.values[0].column
    unit = units_of(raw.names, raw.units).get(column, "").strip()
    if not roles.is_flux and unit.lower() in FLUX_UNITS:
        raise TableError(f"The column {column!r} must be in units of mag, it is in {unit}: give it as --flux-column.")
    if roles.is_flux and unit.lower() in MAGNITUDE_UNITS:
        raise TableError(f"The column {column!r} must hold fluxes, it is in {unit}: give it as --mag-column.")
    if roles.object_id is not None:
        _check_digits(raw, roles.object_id)
        roles = replace(roles, has_whole_ids=raw.as_text and _are_whole(raw, roles.object_id))
    roles = replace(roles, notes=(*roles.notes, *_notes_on_times(raw, roles)))
    if is_list(raw.schema.field(roles.mjd).type):
        return _check_lists(raw, roles, chosen)
    text = [name for name in raw.names if raw.names.count(name) == 1 and not is_list(raw.schema.field(name).type)]
    others = [name for name in text if name not in roles.used]
    roles = _without_other_label(raw, roles, chosen)
    check_id = "object_id" not in chosen and "star" not in chosen and (roles.object_id is not None or bool(others))
    check_band = roles.band is None and "band" not in chosen and raw.band is None and not any(v.band for v in roles.values)
    if not check_id and not (check_band and others):
        return roles
    if check_id and roles.object_id is None:
        _check_positions(raw, roles)
    sample = _sample(raw, [*others, *([roles.object_id] if roles.object_id else [])])
    if len(sample) < 3:
        return roles
    stars = _words(sample, roles.object_id) if roles.object_id else pd.Series(np.zeros(len(sample)))
    if check_id:
        _check_id(raw, roles, {name: _words(sample, name) for name in others if _is_like_id(name)}, stars)
    if check_band and not (roles.layout and roles.layout.wide):
        for name in others:
            if _may_be_band(name, _words(sample, name), stars):
                shown = ", ".join(sorted(_words(sample, name).dropna().unique())[:6])
                raise TableError(
                    f"The column {name!r} of {raw.name} has several values for a star ({shown}) and may be the band: give "
                    f"--band-column {name}, or --band-column {NONE} where all is one band."
                )
    return roles


def _notes_on_times(raw: RawTable, roles: "Roles") -> list[str]:
    """That times may be years, which the user should know."""
    may_be_years = roles.layout is None and roles.mjd.lower() in ("time", "times", "t", "date", "epoch")
    if not may_be_years or is_list(raw.schema.field(roles.mjd).type):
        return []
    try:
        times = to_numbers(_sample(raw, [roles.mjd])[roles.mjd], roles.mjd).values
    except TableError:  # dates
        return []
    times = times[np.isfinite(times)]
    if len(times) and times.min() >= 1850 and times.max() <= 2100 and np.ptp(times) < 150 and np.any(times % 1):
        return [f"if the times in {roles.mjd!r}, {times.min():.2f} to {times.max():.2f}, are years, multiply them by 365.25"]
    return []


def _check_positions(raw: RawTable, roles: "Roles") -> None:
    """A table without ids whose rows are of several places is not of one star.

    Raises:
        TableError: it is none.
    """
    lower = {name.rpartition(".")[2].lower(): name for name in reversed(raw.names)}
    places = [next((lower[name] for name in names if name in lower), None) for names in (RA_NAMES, DEC_NAMES)]
    if any(name is None or is_list(raw.schema.field(name).type) for name in places):
        return
    sample = _sample(raw, [str(name) for name in places])
    try:
        ra, dec = (to_numbers(sample[str(name)], str(name)).values for name in places)
    except TableError:  # hours and minutes
        return
    known = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
    if not known.any():
        return
    ra, dec = ra[known], dec[known]
    turned = (ra - ra[0] + 180) % 360 - 180
    spread = 3600 * max(np.ptp(dec), np.ptp(turned) * np.cos(np.radians(dec[0])))
    if spread > ONE_STAR_ARCSEC:
        raise TableError(
            f"{raw.name} has no column that is known to be the star's, and its positions differ by {spread:.0f} arcsec, as of "
            f"several stars: name their column by --object-id-column, or give --object-id-column {NONE} where all is one star."
        )


def _check_digits(raw: RawTable, name: str) -> None:
    """Ids in a text that went through floating point numbers, such as 4.29e18, have lost digits: several stars may be one.

    Floats of a table that is no text are looked at when they are read, by `to_ids`.

    Raises:
        TableError: they have.
    """
    if not raw.as_text:
        return
    ids = _words(_sample(raw, [name]), name).dropna()
    rounded = ids[ids.str.fullmatch(r"\d(?:\.\d+)?[eE]\+?(?:1[5-9]|[2-9]\d)")]
    if len(rounded):
        raise TableError(
            f"The ids in the column {name!r} of {raw.name} are rounded, such as {rounded.iloc[0]}, so that several stars may "
            "have become one: write them anew as whole numbers or text (pandas reads them so by dtype=str), or name another "
            "column by --object-id-column."
        )


def _are_whole(raw: RawTable, name: str) -> bool:
    """Whether the ids of a text are whole numbers as floats, as pandas writes them where one is missing."""
    ids = _words(_sample(raw, [name]), name).dropna()
    return bool(len(ids) and ids.str.fullmatch(r"-?\d+\.0").all())


def _without_other_label(raw: RawTable, roles: "Roles", chosen: Mapping[str, str]) -> "Roles":
    """Roles without a label that was guessed and differs within a star: it says something about single points."""
    if roles.label is None or "label" in chosen or is_list(raw.schema.field(roles.label).type):
        return roles
    sample = _sample(raw, [roles.label, *([roles.object_id] if roles.object_id else [])])
    stars = _words(sample, roles.object_id) if roles.object_id else pd.Series(np.zeros(len(sample)))
    if not len(sample) or _words(sample, roles.label).groupby(stars.to_numpy()).nunique().max() <= 1:
        return roles
    note = f"the column {roles.label!r} differs within a star and is no label (--label-column {roles.label} reads it as one)"
    return replace(roles, label=None, notes=(*roles.notes, note))


def _check_lists(raw: RawTable, roles: "Roles", chosen: Mapping[str, str]) -> "Roles":
    """Lists beside the times that may be bands, and light curves in other columns.

    Raises:
        TableError: there are such, and nobody said what they are.
    """
    prefix = roles.mjd.rpartition(".")[0]
    if prefix and not {"mjd", "mag", "flux"} & chosen.keys() and not any(value.band for value in roles.values):
        _refuse_other_light_curves(raw, prefix)
    if roles.band is not None or "band" in chosen or any(value.band for value in roles.values):
        return roles
    for field in raw.schema:
        if not is_list(field.type) or field.name in roles.used or field.name.rpartition(".")[0] != prefix:
            continue
        kind: Any = field.type.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
            lists = _sample(raw, [field.name])[field.name].to_pylist()
            if any(2 <= len({str(word) for word in words or () if word is not None}) <= 20 for words in lists):
                raise TableError(
                    f"The column {field.name!r} of {raw.name} has several values for a star and may be the band: give "
                    f"--band-column {field.name}, or --band-column {NONE} where all is one band."
                )
    return roles


def _refuse_other_light_curves(raw: RawTable, prefix: str) -> None:
    """Light curves in other columns than those that are read, such as one column a band."""
    guesses = {"mjd": COLUMN_GUESSES["mjd"], "mag": COLUMN_GUESSES["mag"], "flux": FLUX_GUESSES["flux"]}
    lists: dict[str, dict[str, str]] = {}  # struct -> role -> column
    for field in raw.schema:
        if is_list(field.type) and "." in field.name:
            top, _, own = field.name.rpartition(".")
            roles = [role for role, names in guesses.items() if own.lower() in names]
            lists.setdefault(top, {}).update(dict.fromkeys(roles, field.name))
    others = {top: found for top, found in lists.items() if top != prefix and "mjd" in found and len(found) > 1}
    if others:
        options = " ".join(f"--{role}-column {column}" for role, column in next(iter(others.values())).items())
        raise TableError(
            f"{raw.name} has light curves in several columns, {', '.join([prefix, *others])}: say which are read, such as "
            f"{options}. Columns of bands are read together where they are one struct."
        )


def _words(table: pa.Table, name: str) -> pd.Series:
    words = to_text(table[name]).to_pandas()
    return words.str.strip().replace({"": None})


def _check_id(raw: RawTable, roles: "Roles", others: Mapping[str, pd.Series], stars: pd.Series) -> None:
    """Is the id that of stars, and is a table without one of a single star?"""
    likely = [name for name, words in others.items() if words.notna().all() and words.nunique() <= 0.5 * len(words)]
    if roles.object_id is None:
        several = [name for name in likely if others[name].nunique() > 1]
        if roles.layout is not None:
            several = [name for name in several if _is_like_star(name) and name.lower() not in roles.layout.required]
        if several:
            raise TableError(
                f"{raw.name} has no column that is known to be the star's, and {several[0]!r} has several values: give "
                f"--object-id-column {several[0]}, or --object-id-column {NONE} where all is one star."
            )
    elif len(stars) >= 6 and stars.nunique() > 0.9 * len(stars) and (likely or roles.layout is None):
        shown = f"likely is --object-id-column {likely[0]}" if likely else "name that of the stars by --object-id-column"
        raise TableError(
            f"Nearly every {roles.object_id!r} of {raw.name} has one point, so that it names measurements and no stars: "
            f"{shown}; where all is one star, give --object-id-column {NONE}."
        )


def _is_like_id(name: str) -> bool:
    """Whether a column may name stars, and no exposures, cameras or observers."""
    own = name.lower()
    words = ("cam", "ccd", "exp", "field", "frame", "obs", "filt", "band", "det", "visit", "run", "program", "class", "user")
    looks = own.endswith(("id", "star", "name", "object", "source", "target")) or "star" in own or "object" in own
    return looks and own not in ("qid", "pid", "nid", "rcid", "fid", "candid") and not any(word in own for word in words)


def _is_like_star(name: str) -> bool:
    """Whether a column that is none of a survey's own may name stars, where `_is_like_id` is too generous."""
    own = name.lower()
    others = ("transit", "alert", "scan", "image", "plate", "orbit", "solution", "night", "source", "rf")
    return own in COLUMN_GUESSES["object_id"] or (own.endswith("_id") and not any(word in own for word in others))


def _may_be_band(name: str, words: pd.Series, stars: pd.Series) -> bool:
    """Whether a column has 2 to 20 values a star and the name, or the values, of bands."""
    known = words.dropna()
    counts = known.groupby(stars[known.index].to_numpy()).nunique()
    if not len(counts) or not 2 <= counts.max() <= 20:
        return False
    own = name.lower()
    looks = own == "fid" or (any(part in own for part in ("filt", "band", "passb", "colour", "color")) and "flag" not in own)
    return bool(looks or set(known.unique()) <= BAND_WORDS)
