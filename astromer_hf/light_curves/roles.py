# Copyright 2026 The astromer_hf developers. MIT licence.
"""Which column of a table is the star, the time, the magnitude or flux, the band: given, by a survey's record, or guessed.

Before this file stands a raw table of any format; after it `measurements.py`, which reads by these roles. What cannot be
decided is an error that names the likely columns and the option to give: a wrong guess would be a wrong result without a word.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .columns import COLUMN_GUESSES, FLUX_GUESSES, MissingColumnsError, TableError
from .fluxes import FLUX_UNITS, ZERO_POINTS
from .formats.base import RawTable
from .formats.nested import is_list
from .layouts import LAYOUTS, Flag, Layout, find_layout
from .numbers import to_numbers, to_text

OPTIONAL = ("object_id", "magerr", "band", "label", "identity", "flux_err")
GIVABLE = ("object_id", "mjd", "mag", "magerr", "band", "label", "identity", "flux", "flux_err", "star")
# Ids that people add to a survey's file; those of its own are in its record.
ADDED_IDS = ("object_id", "objectid", "star", "star_id", "star name", "star_name", "name", "target", "snid")
BAND_WORDS = frozenset(
    [
        *("u", "g", "r", "i", "z", "y", "U", "B", "V", "R", "I", "Y", "J", "H", "K", "Ks", "o", "c", "G", "BP", "RP"),
        *("zg", "zr", "zi", "ZTF_g", "ZTF_r", "ZTF_i", "ztfg", "ztfr", "ztfi", "W1", "W2", "W3", "W4", "SG", "SR", "SI"),
        *("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty", "CV", "TG", "TB", "TR", "Vis.", "blue", "red", "clear"),
    ]
)
NOT_DISTINCTIVE = frozenset({"camera", "grade", "rmag", "bmag", "snid", "transit_id", "clrcoeff"})  # of required columns
SAMPLE_ROWS = 4096
SAMPLE_OBJECTS = 16
NONE = "none"  # given for a role that the table does not have, whatever it looks like


@dataclass(frozen=True)
class Value:
    """A column of magnitudes or fluxes, with what belongs to it.

    Args:
        column, error (`str`): of values and their errors.
        band (`str`, *optional*): of all of them, where bands have columns of their own.
        mjd (`str`, *optional*): of times, where bands have their own.
        flags (`tuple` of [`Flag`]): of this band; their columns are spelt as in the table.
    """

    column: str
    error: str | None = None
    band: str | None = None
    mjd: str | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are.

    Args:
        object_id (`str`, *optional*): None where the table is of one star.
        mjd (`str`): times.
        values (`tuple` of [`Value`]): magnitudes or fluxes; several where bands have columns of their own.
        is_flux (`bool`): whether the values are fluxes.
        band, label, identity, zero_point, snr, limit (`str`, *optional*): columns.
        flags, upper_limit: bad epochs and limits, whose columns are spelt as in the table.
        fixed_zero_point (`float`): of fluxes.
        layout ([`Layout`], *optional*): the survey that was recognised.
        notes (`tuple[str, ...]`): for the user.
    """

    object_id: str | None
    mjd: str
    values: tuple[Value, ...]
    is_flux: bool = False
    band: str | None = None
    label: str | None = None
    identity: str | None = None
    zero_point: str | None = None
    snr: str | None = None
    limit: str | None = None
    flags: tuple[Flag, ...] = ()
    upper_limit: Flag | None = None
    fixed_zero_point: float = 0.0
    layout: Layout | None = None
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> list[str]:
        """The table's columns to read, each once."""
        names = [self.object_id, self.mjd, self.band, self.label, self.identity, self.zero_point, self.snr, self.limit]
        for value in self.values:
            names += [value.column, value.error, value.mjd, *(flag.column for flag in value.flags)]
        names += [flag.column for flag in (*self.flags, *([self.upper_limit] if self.upper_limit else []))]
        return list(dict.fromkeys(name for name in names if name is not None))

    @property
    def are_plain(self) -> bool:
        """Whether magnitudes are read as they stand: one column, no flags or limits, no survey."""
        return not (self.layout or self.is_flux or len(self.values) > 1 or self.limit or self.snr)

    def described(self) -> dict[str, str]:
        """Role -> column, for people."""
        kind = "flux" if self.is_flux else "magnitude"
        rows = {"star": self.object_id, "time": self.mjd}
        for value in self.values:
            suffix = f" in {value.band}" if value.band else ""
            rows[kind + suffix] = value.column
            rows[f"error{suffix}"] = value.error
        rows |= {"band": self.band, "label": self.label, "limit": self.limit}
        rows["flags"] = ", ".join(flag.column for flag in self.flags) or None
        return {role: column for role, column in rows.items() if column is not None}


class _Names:
    """Columns of a table, found by their names in lower case, or by those without the name of their struct."""

    def __init__(self, available: Sequence[str]):
        self.available = list(available)
        self.lower: dict[str, str] = {}
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


def resolve_roles(raw: RawTable, given: Mapping[str, str | None], survey: str | bool | None = None) -> Roles:
    """Decide which column is what.

    Args:
        raw: the table.
        given: role -> column, which are taken as they are; `"none"` for an optional role that the table does not have.
        survey: name of a survey's record; `False` for none; recognised when absent.

    Raises:
        TableError: a column is missing, or cannot be told from others.
        ValueError: there is no such survey.
    """
    chosen = {role: name for role, name in given.items() if name and role in GIVABLE}
    if "star" in chosen:
        chosen["object_id"] = chosen.pop("star")
    available = raw.names
    for role, name in chosen.items():
        if name not in available and not (name.lower() == NONE and role in OPTIONAL):
            raise TableError(f"There is no column {name!r} for {role}; there are: {', '.join(available)}.")
    names = _Names(available)
    layout = _find_layout(raw, names, survey)
    if layout is None and survey is None and not {"mag", "flux"} & chosen.keys():
        _refuse_near_miss(raw, names)
    if not raw.has_header and layout is None:
        roles = _without_header(raw, names, chosen)
    else:
        roles = _resolve(raw, names, layout, chosen)
    if twice := [name for name in roles.used if available.count(name) > 1]:
        raise TableError(f"There is more than one column {twice[0]!r}; drop one. There are: {', '.join(available)}.")
    return _check(raw, roles, chosen)


def _find_layout(raw: RawTable, names: _Names, survey: str | bool | None) -> Layout | None:
    if survey is False:
        return None
    if isinstance(survey, str):
        layout = find_layout(survey)
        if lacking := layout.lacks(names.lower):
            raise TableError(
                f"{raw.name} cannot be read as {layout.title}: it has no column {lacking[0].replace('|', ' or ')!r}; there "
                f"are: {_listed(raw.names)}. Leave --survey out, or name the columns."
            )
        return layout
    fitting = [layout for layout in LAYOUTS.values() if layout.requires and not layout.lacks(names.lower)]
    return max(fitting, key=lambda layout: len(layout.requires), default=None)


def _resolve(raw: RawTable, names: _Names, layout: Layout | None, chosen: Mapping[str, str]) -> Roles:
    def given(role: str) -> str | None:
        return None if chosen.get(role, NONE).lower() == NONE and chosen.get(role) not in raw.names else chosen[role]

    def find(role: str, guesses: Sequence[str]) -> str | None:
        if role in chosen:
            return given(role)
        if layout is not None:
            return names.first(layout.columns.get(role))
        return names.first(guesses)

    values: tuple[Value, ...] = ()
    magnitude = find("mag", COLUMN_GUESSES["mag"])
    flux = find("flux", FLUX_GUESSES["flux"])
    is_flux = flux is not None and "mag" not in chosen and ("flux" in chosen or magnitude is None)
    if layout is not None and layout.wide and not {"mag", "flux"} & chosen.keys():
        values = _wide_values(names, layout)
        is_flux = False
    elif is_flux:
        assert flux is not None
        values = (Value(flux, _error_of(names, flux, find("flux_err", ()), "flux_err", chosen)),)
    elif magnitude is not None:
        values = (Value(magnitude, _error_of(names, magnitude, find("magerr", ()), "magerr", chosen)),)
    elif layout is None and "mag" not in chosen and len(own := _band_magnitudes(names)) == 1:
        ((band_name, column),) = own
        in_rows = find("band", COLUMN_GUESSES["band"]) is not None  # each row names its band: the column's name does not count
        values = (Value(column, _error_of(names, column, None, "magerr", chosen), None if in_rows else band_name),)
    own_label = names.first(layout.columns.get("label")) if layout is not None else None
    mjd = find("mjd", COLUMN_GUESSES["mjd"])
    if layout is None and "mjd" not in chosen:
        mjd = _fullest_time(raw, names) or mjd
    if mjd is None or not values:
        raise _missing_columns(raw, mjd, bool(values))
    object_id = find("object_id", COLUMN_GUESSES["object_id"])
    if layout is not None and object_id is None and "object_id" not in chosen:
        object_id = names.first(ADDED_IDS)
    band = find("band", COLUMN_GUESSES["band"])
    if any(value.band for value in values):
        band = None
    roles = Roles(
        object_id=object_id,
        mjd=mjd,
        values=values,
        is_flux=is_flux,
        band=band,
        label=given("label") if "label" in chosen else own_label or names.first(COLUMN_GUESSES["label"]),
        identity=given("identity"),
        layout=layout,
    )
    if roles.label is not None and roles.label in (roles.band, roles.object_id) and "label" not in chosen:
        roles = replace(roles, label=None)
    if is_flux:
        roles = replace(roles, fixed_zero_point=_zero_point_of(raw, values[0].column, layout))
    if layout is None:
        return replace(roles, notes=_near_misses(names))
    own_magnitude = not {"mag", "flux"} & chosen.keys()
    return replace(
        roles,
        zero_point=names.first(layout.columns.get("zero_point")) if is_flux else None,
        snr=names.first(layout.columns.get("snr")) if not is_flux and values[0].error is None else None,
        limit=names.first(layout.limit) if own_magnitude and not is_flux else None,
        flags=tuple(found for flag in layout.flags for found in names.flag(flag)),
        upper_limit=next(iter(names.flag(layout.upper_limit)), None),
        notes=(layout.note,) if layout.note and own_magnitude else (),
    )


def _wide_values(names: _Names, layout: Layout) -> tuple[Value, ...]:
    return tuple(
        Value(
            column,
            names.first(band.error),
            band.band,
            names.first(band.mjd),
            tuple(found for flag in band.flags for found in names.flag(flag)),
        )
        for band in layout.wide
        if (column := names.first(band.value)) is not None
    )


def _error_of(names: _Names, value: str, found: str | None, role: str, chosen: Mapping[str, str]) -> str | None:
    """The column of errors of a column of values: given, of the survey, or named after it."""
    if role in chosen or found is not None:
        return found
    own = value.rpartition(".")[2].lower()
    after, before = ("_err", "err", "_error", "_unc"), ("e_", "sigma_", "d", "sig", "err", "err_")
    patterns = [*(f"{own}{end}" for end in after), *(f"{start}{own}" for start in before)]
    guesses = COLUMN_GUESSES["magerr"] if role == "magerr" else FLUX_GUESSES["flux_err"]
    return next((name for name in (names.first(patterns), names.first(guesses)) if name not in (None, value)), None)


def _band_magnitudes(names: _Names) -> list[tuple[str, str]]:
    """Bands and columns of magnitudes that are named after their band, such as `Vmag`, `mag_g` or `g_mag`."""
    found = []
    for name in names.available:
        own = name.rpartition(".")[2]
        if match := re.fullmatch(r"([A-Za-z]|[BR][pP]|Ks)_?[mM]ag|[mM]ag_([A-Za-z]|[BR][pP]|Ks)", own):
            band = match[1] or match[2]
            if band.lower() not in ("e", "d"):  # errors
                found.append((band, name))
    return found


def _zero_point_of(raw: RawTable, column: str, layout: Layout | None) -> float:
    """Of fluxes: by their unit, or the survey, or 0; only differences of magnitudes matter."""
    unit = raw.units.get(column, "").strip().lower()
    return ZERO_POINTS.get(unit, layout.zero_point if layout else 0.0)


def _missing_columns(raw: RawTable, mjd: str | None, has_values: bool) -> MissingColumnsError:
    missing = [role for role, found in (("mjd", mjd is not None), ("mag", has_values)) if not found]
    options = ", ".join(f"--{role}-column" for role in missing) + ("" if has_values else " or --flux-column")
    likely = [name for name in raw.names if any(part in name.lower() for part in ("mag", "flux", "time", "jd", "date"))]
    shown = f" Likely are: {', '.join(likely[:12])}." if likely else ""
    return MissingColumnsError(
        f"Expected columns for mjd and mag in {raw.name} and found none for {', '.join(missing)}; there are: "
        f"{_listed(raw.names) or 'none'}.{shown} Name them ({options} on the command line).",
        missing,
    )


def _listed(names: Sequence[str]) -> str:
    """Names of columns, of a wide table not all."""
    return ", ".join(names[:60]) + (f", and {len(names) - 60} others" if len(names) > 60 else "")


def _refuse_near_miss(raw: RawTable, names: _Names) -> None:
    """A table with columns that only one survey has, but not all by which it is read, is not read half as that survey's.

    Raises:
        TableError: names what is missing.
    """
    generic = {name for guesses in (*COLUMN_GUESSES.values(), *FLUX_GUESSES.values()) for name in guesses} | NOT_DISTINCTIVE
    for layout in LAYOUTS.values():
        own = {name for needed in layout.requires for name in needed.split("|") if len(name) > 2}
        own = {name for name in own if name.rpartition(".")[2] not in generic}  # of a struct too
        if found := sorted(own & names.lower.keys()):
            lacking = layout.lacks(names.lower)[0].replace("|", " or ")
            raise TableError(
                f"{raw.name} has the column {names.lower[found[0]]!r} of {layout.title}, but no column {lacking!r}, so that it "
                f"cannot be read as that; there are: {_listed(raw.names)}. Add the column, or give --no-survey and name the "
                "columns, such as --mjd-column and --mag-column."
            )


def _near_misses(names: _Names) -> tuple[str, ...]:
    """Columns by which a survey tells bad epochs, in a table that was recognised as none."""
    known = {column for layout in LAYOUTS.values() for column in layout.bad_epochs_told_by()} - {"err", "mag_err"}
    known |= {"flag", "flags", "qc", "bad", "saturated"}
    found = sorted({names.lower[column] for column in known & names.lower.keys()})
    if not found:
        return ()
    return (f"no survey was recognised, so that {', '.join(found)} did not decide which points are used (--survey NAME does)",)


def _without_header(raw: RawTable, names: _Names, chosen: Mapping[str, str]) -> Roles:
    """Columns by their places: time, magnitude and perhaps error."""
    count = len(raw.names)
    if count < 2:
        raise TableError(f"{raw.name} needs columns of times and magnitudes, it has {count}.")
    if count not in (2, 3) and not {"mjd", "mag"} <= chosen.keys() and not {"mjd", "flux"} <= chosen.keys():
        raise TableError(
            f"{raw.name} has no header and {count} columns; expected 2 or 3, of time, magnitude and error. Say which are "
            "which, such as --mjd-column 1 --mag-column 2 --magerr-column 3; --survey eros reads time and two bands."
        )
    defaults = {"mjd": "1", "mag": "2", "magerr": "3"} if count in (2, 3) else {}
    wanted = {role: name for role, name in defaults.items() if name in raw.names and name not in chosen.values()}
    if "flux" in chosen:
        wanted.pop("mag", None)
        wanted.pop("magerr", None)
    return _resolve(raw, names, None, {**wanted, **chosen})


# --- By what stands in the columns ---


def _sample(raw: RawTable, columns: Sequence[str]) -> pa.Table:
    """The first rows of some columns; of lists those of a few objects."""
    lists = any(is_list(raw.schema.field(name).type) for name in columns if raw.names.count(name) == 1)
    size = SAMPLE_OBJECTS if lists else SAMPLE_ROWS
    for batch in raw.batches(columns, size):
        if len(batch):
            return pa.Table.from_batches([batch.slice(0, size)])
    return pa.table({name: [] for name in columns})


def _fullest_time(raw: RawTable, names: _Names) -> str | None:
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


def _check(raw: RawTable, roles: Roles, chosen: Mapping[str, str]) -> Roles:
    """Look at the first rows: is the id that of stars, and is there a band that nobody has named?

    Raises:
        TableError: nearly every id has one point, or a column looks like a band.
    """
    unit = raw.units.get(roles.values[0].column, "").strip().lower()
    if not roles.is_flux and unit in FLUX_UNITS:
        raise TableError(
            f"The column {roles.values[0].column!r} must be in units of mag, it is in {raw.units[roles.values[0].column]}: "
            "give it as --flux-column."
        )
    if is_list(raw.schema.field(roles.mjd).type):
        return _check_lists(raw, roles, chosen)
    text = [name for name in raw.names if raw.names.count(name) == 1 and not is_list(raw.schema.field(name).type)]
    others = [name for name in text if name not in roles.used]
    check_id = "object_id" not in chosen and "star" not in chosen and (roles.object_id is not None or bool(others))
    check_band = roles.band is None and "band" not in chosen and raw.band is None and not any(v.band for v in roles.values)
    if not check_id and not (check_band and others):
        return roles
    sample = _sample(raw, [*others, *([roles.object_id] if roles.object_id else [])])
    if len(sample) < 3:
        return roles
    stars = _words(sample, roles.object_id) if roles.object_id else pd.Series(np.zeros(len(sample)))
    if check_id:
        _check_id(raw, roles, {name: _words(sample, name) for name in others if _is_like_id(name)}, stars)
    if check_band and roles.layout is None:
        for name in others:
            if _may_be_band(name, _words(sample, name), stars):
                shown = ", ".join(sorted(_words(sample, name).dropna().unique())[:6])
                raise TableError(
                    f"The column {name!r} of {raw.name} has several values for a star ({shown}) and may be the band: give "
                    f"--band-column {name}, or --band-column {NONE} where all is one band."
                )
    return roles


def _check_lists(raw: RawTable, roles: Roles, chosen: Mapping[str, str]) -> Roles:
    """Lists beside the times that may be bands."""
    prefix = roles.mjd.rpartition(".")[0]
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


def _words(table: pa.Table, name: str) -> pd.Series:
    words = to_text(table[name]).to_pandas()
    return words.str.strip().replace({"": None})


def _check_id(raw: RawTable, roles: Roles, others: Mapping[str, pd.Series], stars: pd.Series) -> None:
    """Is the id that of stars, and is a table without one of a single star?"""
    likely = [name for name, words in others.items() if words.notna().all() and words.nunique() <= 0.5 * len(words)]
    if roles.object_id is None:
        several = [name for name in likely if others[name].nunique() > 1]
        if several and roles.layout is None and not any(value.band for value in roles.values):
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


def _may_be_band(name: str, words: pd.Series, stars: pd.Series) -> bool:
    """Whether a column has 2 to 20 values a star and the name, or the values, of bands."""
    known = words.dropna()
    counts = known.groupby(stars[known.index].to_numpy()).nunique()
    if not len(counts) or not 2 <= counts.max() <= 20:
        return False
    own = name.lower()
    looks = own == "fid" or (any(part in own for part in ("filt", "band", "passb", "colour", "color")) and "flag" not in own)
    return bool(looks or set(known.unique()) <= BAND_WORDS)
