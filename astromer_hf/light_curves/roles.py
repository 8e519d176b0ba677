# Copyright 2026 The astromer_hf developers. MIT licence.
"""Which column of a table is the star, the time, the magnitude or flux, the band: given, by a survey's record, or guessed.

Before this file stand a raw table of any format, `names.py` and `contents.py`, which looks at the first rows; after it
`measurements.py`, which reads by these roles. What cannot be decided is an error that names the likely columns and the option
to give: a wrong guess would be a wrong result without a word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .columns import COLUMN_GUESSES, FLUX_GUESSES, NONE, MissingColumnsError, TableError
from .contents import check_contents, fullest_time
from .fluxes import ZERO_POINTS
from .formats.base import RawTable, naming, suffix_of
from .layouts import LAYOUTS, UPPER_LIMITS, ZERO_POINT_NAMES, Flag, Layout, find_layout
from .names import Names, band_errors, band_magnitudes, band_times, units_of

OPTIONAL = ("object_id", "magerr", "band", "label", "identity", "flux_err")
GIVABLE = ("object_id", "mjd", "mag", "magerr", "band", "label", "identity", "flux", "flux_err", "star")
# Ids that people add to a survey's file; those of its own are in its record.
ADDED_IDS = ("object_id", "objectid", "star", "star_id", "star name", "star_name", "name", "target", "snid")
# Of the columns by which surveys are recognised: these alone are no sign of a survey.
NOT_DISTINCTIVE = frozenset(
    [
        *("camera", "grade", "rmag", "bmag", "snid", "transit_id", "clrcoeff", "upperlimit", "quality", "cadenceno"),
        *(
            "centroid_col",
            "obsdate",
            "obs-date",
            "unit",
            "flux_unit",
            "flux unit",
            "flux_raw",
            "flux_corr",
            "raw_flux",
            "corr_flux",
        ),
    ]
)


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
        has_whole_ids (`bool`): whether ids in a text are whole numbers that are written as floats, `101.0`.
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
    has_whole_ids: bool = False
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
    names = Names(available)
    layout = _find_layout(raw, names, survey)
    if layout is None and survey is None and not {"mag", "flux"} & chosen.keys():
        _refuse_near_miss(raw, names)
    if not raw.has_header and layout is None:
        roles = _without_header(raw, names, chosen)
    else:
        roles = _resolve(raw, names, layout, chosen)
    if twice := [name for name in roles.used if available.count(name) > 1]:
        raise TableError(f"There is more than one column {twice[0]!r}; drop one. There are: {', '.join(available)}.")
    with naming(raw.name):
        return check_contents(raw, replace(roles, notes=(*roles.notes, *raw.notes)), chosen)


def _find_layout(raw: RawTable, names: Names, survey: str | bool | None) -> Layout | None:
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
    if not raw.has_header:
        ending = suffix_of(raw.files[0]) if raw.files else ""
        return next((own for own in LAYOUTS.values() if ending in own.endings and own.num_columns == len(raw.names)), None)
    fitting = [layout for layout in LAYOUTS.values() if layout.requires and not layout.lacks(names.lower)]
    found = max(fitting, key=lambda layout: len(layout.requires), default=None)
    for other in fitting:
        assert found is not None
        if len(_columns_required(other, names) - _columns_required(found, names)) > 1:
            raise TableError(
                f"{raw.name} has the columns of {found.title} and of {other.title}: say which it is by --survey {found.name} "
                f"or --survey {other.name}."
            )
    return found


def _columns_required(layout: Layout, names: Names) -> set[str]:
    """The columns of a table by which it is that of a survey."""
    return {found for needed in layout.requires if (found := names.first(needed)) is not None}


def _resolve(raw: RawTable, names: Names, layout: Layout | None, chosen: Mapping[str, str]) -> Roles:
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
        is_flux = layout.wide_is_flux
    elif is_flux:
        assert flux is not None
        error = _error_of(names, flux, find("flux_err", ()), "flux_err", chosen)
        if error is None and magnitude is None and "flux_err" not in chosen:
            error = names.first(("error", "err", "errors", "uncertainty", "sigma"))
        values = (Value(flux, error),)
    elif magnitude is not None:
        values = (Value(magnitude, _error_of(names, magnitude, find("magerr", ()), "magerr", chosen)),)
    elif layout is None and "mag" not in chosen:
        values = _band_values(names, chosen, find("band", COLUMN_GUESSES["band"]) is not None)
    own_label = names.first(layout.columns.get("label")) if layout is not None else None
    mjd = find("mjd", COLUMN_GUESSES["mjd"])
    if mjd is None and values and all(value.mjd for value in values):
        mjd = values[0].mjd
    if layout is None and "mjd" not in chosen:
        mjd = fullest_time(raw, names) or mjd
    if mjd is None or not values:
        raise _missing_columns(raw, mjd, bool(values))
    object_id = find("object_id", COLUMN_GUESSES["object_id"])
    if layout is not None and object_id is None and "object_id" not in chosen:
        object_id = names.first(ADDED_IDS)
    band = find("band", COLUMN_GUESSES["band"])
    if layout is not None and band is None and not layout.wide and not {"band"} & {*layout.columns, *chosen}:
        band = names.first(COLUMN_GUESSES["band"])  # that somebody has added
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
        limit = next((found for flag in UPPER_LIMITS for found in names.flag(flag)), None)
        own_zero_point = names.first(ZERO_POINT_NAMES) if is_flux else None
        return replace(roles, upper_limit=limit, zero_point=own_zero_point, notes=_near_misses(names))
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


def _wide_values(names: Names, layout: Layout) -> tuple[Value, ...]:
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


def _band_values(names: Names, chosen: Mapping[str, str], have_rows_bands: bool) -> tuple[Value, ...]:
    """Magnitudes in columns that are named after their bands; of one such column where every row names its band."""
    own = band_magnitudes(names)
    if have_rows_bands and len(own) != 1:
        return ()
    values = []
    for band, column in own:
        error = names.first(band_errors(band))
        if len(own) == 1:
            error = _error_of(names, column, error, "magerr", chosen)
        time = names.first(band_times(band)) if "mjd" not in chosen else None
        values.append(Value(column, error, None if have_rows_bands else band, time))
    return tuple(values)


def _error_of(names: Names, value: str, found: str | None, role: str, chosen: Mapping[str, str]) -> str | None:
    """The column of errors of a column of values: given, of the survey, or named after it."""
    if role in chosen or found is not None:
        return found
    own = value.rpartition(".")[2].lower()
    after, before = ("_err", "err", "_error", "_unc"), ("e_", "sigma_", "s_", "d", "sig", "err", "err_")
    patterns = [*(f"{own}{end}" for end in after), *(f"{start}{own}" for start in before)]
    patterns += [own.replace("mag", word, 1) for word in ("magerr", "mag_err", "magunc")] if "mag" in own else []
    guesses = COLUMN_GUESSES["magerr"] if role == "magerr" else FLUX_GUESSES["flux_err"]
    return next((name for name in (names.first(patterns), names.first(guesses)) if name not in (None, value)), None)


def _zero_point_of(raw: RawTable, column: str, layout: Layout | None) -> float:
    """Of fluxes: by their unit, or the survey, or 0; only differences of magnitudes matter."""
    unit = units_of(raw.names, raw.units).get(column, "").strip().lower()
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


def _refuse_near_miss(raw: RawTable, names: Names) -> None:
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


def _near_misses(names: Names) -> tuple[str, ...]:
    """Columns by which a survey tells bad epochs, in a table that was recognised as none."""
    known = {column for layout in LAYOUTS.values() for column in layout.bad_epochs_told_by()} - {"err", "mag_err"}
    known |= {"flag", "flags", "qc", "bad", "saturated"}
    found = sorted({names.lower[column] for column in known & names.lower.keys()})
    if not found:
        return ()
    return (
        f"no survey was recognised, so that {', '.join(found)} did not decide which points are used: drop bad epochs before, "
        "or name the survey by --survey",
    )


def _without_header(raw: RawTable, names: Names, chosen: Mapping[str, str]) -> Roles:
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
