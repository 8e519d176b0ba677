# Copyright 2026 The astromer_hf developers. MIT licence.
"""What a record of a survey's files can say: columns, bands, bad epochs and how they are tested.

Nothing comes before this file; after it `layouts.py`, which has a record for every survey.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Flag:
    """A column that marks bad epochs.

    Args:
        column (`str`): its name in lower case.
        test (`str`): a key of `FLAG_TESTS`.
        value: what it is compared with.
    """

    column: str
    test: str
    value: float | str = 0


def _numbers(values: pd.Series) -> np.ndarray:
    """Flags as numbers; words for true and false as 1 and 0, anything else as NaN."""
    words = values.astype("string").str.strip().str.lower()
    words = words.replace({"true": "1", "false": "0", "t": "1", "f": "0", "yes": "1", "no": "0"})
    return pd.to_numeric(words, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


# name -> which of P epochs are bad, `(P,)` bool; a missing flag is not bad
FLAG_TESTS: Mapping[str, Callable[[pd.Series, float | str], np.ndarray]] = {
    "at least": lambda values, value: _numbers(values) >= float(value),
    "not": lambda values, value: (_numbers(values) != float(value)) & ~np.isnan(_numbers(values)),
    "is": lambda values, value: _numbers(values) == float(value),
    "has bit": lambda values, value: (np.nan_to_num(_numbers(values)).astype(np.int64) & int(value)) != 0,
    "is other word than": lambda values, value: (
        ~np.isin(values.astype("string").str.strip().str.upper().fillna(""), ["", *str(value).split("|")])
    ),
    "is word": lambda values, value: np.isin(values.astype("string").str.strip().str.upper().fillna(""), str(value).split("|")),
    # one character a band, such as WISE's cc_flags
    "character": lambda values, value: values.astype("string").str.strip().str[int(value)].fillna("0").ne("0").to_numpy(bool),
}


@dataclass(frozen=True)
class BandColumns:
    """A band that has columns of its own.

    Args:
        band (`str`): its name.
        value, error (`str`): columns of its magnitudes and errors.
        mjd (`str`, *optional*): column of its times, where it has its own.
        flags (`tuple` of [`Flag`]): of this band alone.
    """

    band: str
    value: str
    error: str | None = None
    mjd: str | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How the files of a survey look. Names of columns are in lower case, and those of a struct without its name.

    Args:
        name (`str`): for `--survey`.
        title (`str`): for people.
        requires (`tuple[str, ...]`): columns by which a table is recognised; `"a|b"` is one of the two. None: only by name.
        columns (`Mapping[str, str]`): role -> column, or alternatives `"a|b"`, the first that there is. Roles: `object_id`,
            `mjd`, `mag`, `magerr`, `flux`, `flux_err`, `band`, `label`, `zero_point`, `snr` (signal to noise).
        bands (`Mapping[str, str]`): what stands in the column -> name of the band, where they differ.
        wide (`tuple` of [`BandColumns`]): bands with columns of their own, in place of `mag` and `band`.
        flags (`tuple` of [`Flag`]): bad epochs.
        limit (`str`, *optional*): column of the limiting magnitude; fainter magnitudes are dropped.
        upper_limit (`Flag`, *optional*): which rows are upper limits and no measurements.
        zero_point (`float`): of fluxes.
        negative_is_flux (`bool`): whether a magnitude below zero stands for a negative flux.
        markers (`tuple[float, ...]`): values that mark a missing magnitude, beside the usual ones.
        one_star (`bool`): whether a file is of one star, so that spellings of its name that differ in case are one.
        wide_is_flux (`bool`): whether the columns of `wide` hold fluxes.
        endings (`tuple[str, ...]`): of files without a header, by which, and by `num_columns`, such files are recognised.
        num_columns (`int`): of files without a header.
        is_padded (`bool`): whether light curves are filled up with zeros in place of times and values.
        note (`str`): what the user should know of these magnitudes.
    """

    name: str
    title: str
    requires: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, str] = field(default_factory=dict)
    wide: tuple[BandColumns, ...] = ()
    flags: tuple[Flag, ...] = ()
    limit: str | None = None
    upper_limit: Flag | None = None
    zero_point: float = 0.0
    negative_is_flux: bool = False
    markers: tuple[float, ...] = ()
    one_star: bool = False
    wide_is_flux: bool = False
    endings: tuple[str, ...] = ()
    num_columns: int = 0
    is_padded: bool = False
    note: str = ""

    def lacks(self, available: Collection[str]) -> list[str]:
        """The required columns that are not among `available`, which are in lower case."""
        return [needed for needed in self.requires if not any(name in available for name in needed.split("|"))]

    @property
    def required(self) -> set[str]:
        """All names in `requires`."""
        return {name for needed in self.requires for name in needed.split("|")}

    def bad_epochs_told_by(self) -> set[str]:
        """Columns of its flags."""
        return {flag.column for flag in (*self.flags, *(flag for band in self.wide for flag in band.flags))}
