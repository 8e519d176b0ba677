# Copyright 2026 The astromer_hf developers. MIT licence.
"""The columns of a table of light curves: how they are recognised, what a prepared dataset has, and the error when they fail.

Nothing comes before this file; after it all readers, `source.py` and `in_memory.py` first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pyarrow as pa

from .reading import ReadingOptions

# Guesses for each catalogue column, best first; compared in lower case.
COLUMN_GUESSES: Mapping[str, tuple[str, ...]] = {
    "object_id": (
        *("object_id", "id", "objectid", "oid", "source_id", "star_id", "star", "starid", "star name", "star_name"),
        *("objid", "obj_id", "diaobjectid", "snid", "ticid", "kepid", "targetid", "target_id", "target", "name"),
        *("sourceid", "coadd_object_id", "numerical_id", "object_name", "objectname", "objname", "starname", "obj_name"),
        *("tic", "tic_id", "kic", "kic_id", "epic", "epic_id", "gaia_id", "cat_id", "catid"),
    ),
    "mjd": (
        *("mjd", "hjd", "bjd", "jd", "time", "times", "t", "obsmjd", "obs_mjd", "mjd_obs", "mjdobs"),
        *("bjd_tdb", "btjd", "bkjd", "obstime", "obs_time", "date-obs", "date_obs", "datetime", "date", "epoch"),
        *("midpointmjdtai", "expmidptmjd", "mjd-obs", "midpoint", "timestamp", "hjd_utc", "bjdtdb"),
    ),
    "mag": (
        *("mag", "magnitude", "magnitudes", "mags", "magpsf", "psfmag", "m", "mag_psf", "mag_auto"),
        *("mag_best", "calibrated_mag", "magcal", "mag_cal", "mag_opt", "hp", "hpmag"),
    ),
    "magerr": (
        *("magerr", "mag_err", "err", "error", "errors", "magnitude_error", "e_mag", "sigmapsf", "mag_error", "mag err"),
        *("magerror", "emag", "merr", "e_magnitude", "uncertainty", "sigma", "mag_unc", "dmag", "dm", "sigma_mag"),
        *("magunc", "errmag", "err_mag"),
    ),
    "band": (
        *("band", "filter", "passband", "filtercode", "fid", "flt", "filt", "filter_name", "filtername", "filterid"),
        *("filter_id", "band_id", "band_idx", "bandpass", "passband_id", "phot_filter", "photometric_band", "filters", "bands"),
    ),
    "label": ("label", "class", "type", "label_name", "class_str"),
    "identity": (),
}
FLUX_GUESSES: Mapping[str, tuple[str, ...]] = {
    "flux": (
        *("flux", "pdcsap_flux", "sap_flux", "psf_flux", "fluxes", "flux_njy", "flux_ujy", "flux_jy"),
        *("flux_mjy", "flux(mjy)", "ujy", "flux_cal", "totflux", "total_flux", "scienceflux"),
    ),
    "flux_err": (
        *("flux_err", "flux_error", "fluxerr", "pdcsap_flux_err", "sap_flux_err", "psf_flux_err"),
        *("e_flux", "dflux", "flux_unc", "flux_uncertainty", "fluxerror", "flux_err_njy", "dujy"),
    ),
}


# Names of bands, by which a column of bands, a folder or a key is known to be one.
BAND_WORDS = frozenset(
    [
        *("u", "g", "r", "i", "z", "y", "U", "B", "V", "R", "I", "Y", "J", "H", "K", "Ks", "o", "c", "G", "BP", "RP"),
        *("zg", "zr", "zi", "ZTF_g", "ZTF_r", "ZTF_i", "ztfg", "ztfr", "ztfi", "W1", "W2", "W3", "W4", "SG", "SR", "SI"),
        *("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty", "CV", "TG", "TB", "TR", "Vis.", "blue", "red", "clear"),
    ]
)
NONE = "none"  # given for a role that the table does not have, whatever it looks like

__all__ = [
    "BAND_WORDS",
    "COLUMN_GUESSES",
    "FLUX_GUESSES",
    "NONE",
    "PREPARED_SCHEMA",
    "ColumnNames",
    "MissingColumnsError",
    "ReadingOptions",
    "TableError",
]


class TableError(ValueError):
    """A table that cannot be read as light curves: what was expected, what came, what to do next."""


class MissingColumnsError(TableError):
    """A table in which the column of a time, or of a magnitude or flux, was not found; `missing` are `"mjd"` and `"mag"`."""

    def __init__(self, message: str, missing: Sequence[str]):
        super().__init__(message)
        self.missing = tuple(missing)


@dataclass(frozen=True)
class ColumnNames:
    """The names under which a table holds the catalogue columns; None where it has no such column."""

    object_id: str
    mjd: str
    mag: str
    magerr: str | None = None
    band: str | None = None
    label: str | None = None
    identity: str | None = None

    @classmethod
    def guess(cls, available: Sequence[str], **given: str | None) -> "ColumnNames":
        """Match `available` column names; a name in `given` (`mjd="hjd"`) is taken as it is.

        Raises:
            TableError: a required column is not found, or a given one does not exist.
        """
        lower = {name.lower(): name for name in reversed(available)}
        found: dict[str, str] = {}
        for role, guesses in COLUMN_GUESSES.items():
            if wanted := given.get(role):
                if wanted not in available:
                    raise TableError(f"There is no column {wanted!r} for {role}; there are: {', '.join(available)}.")
                found[role] = wanted
            elif match := next((lower[guess] for guess in guesses if guess in lower), None):
                found[role] = match
        if missing := [role for role in ("object_id", "mjd", "mag") if role not in found]:
            options = ", ".join(f"--{role.replace('_', '-')}-column" for role in missing)
            raise TableError(
                f"Expected columns for object_id, mjd and mag and found none for {', '.join(missing)}; there are: "
                f"{', '.join(available)}. Name them ({options} on the command line)."
            )
        if twice := [name for name in found.values() if available.count(name) > 1]:
            raise TableError(f"There is more than one column {twice[0]!r}; drop one. There are: {', '.join(available)}.")
        return cls(**found)

    @property
    def used(self) -> list[str]:
        """The table's columns to read."""
        return [name for name in (getattr(self, field.name) for field in fields(self)) if name is not None]


PREPARED_SCHEMA = pa.schema(
    {
        "object_id": pa.string(),
        "identity": pa.string(),
        "survey": pa.string(),
        "band": pa.string(),
        "label": pa.string(),
        "mjd": pa.list_(pa.float64()),
        "mag": pa.list_(pa.float64()),
        "magerr": pa.list_(pa.float64()),
    }
)
