# Copyright 2026 The astromer_hf developers. MIT licence.
"""SNANA: text with `VARLIST:` and `OBS:` lines, and pairs of FITS files, `*_HEAD.FITS` and `*_PHOT.FITS`.

Before this file stands a path; after it `roles.py`. astropy has no reader of the text, which is this short.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..columns import TableError
from .astropy_tables import naming_format
from .base import RawTable, stem_of, table_in_memory
from .memory import table_of
from .text import open_decompressed


def is_text(path: Path, head: bytes) -> bool:
    """Whether a file is SNANA's text."""
    return b"VARLIST:" in head and (b"\nOBS:" in head or b"\nNOBS:" in head or head.startswith(b"OBS:"))


def is_pair(path: Path, head: bytes) -> bool:
    """Whether a file is one of a pair of SNANA's FITS files."""
    name = path.name.upper()
    return any(f"_{kind}.FITS" in name for kind in ("HEAD", "PHOT"))


def read_text(path: Path) -> RawTable:
    """All objects of a text file; keys of their headers become no columns, except `SNID` and `SNTYPE`.

    Raises:
        TableError: a line of observations has not the columns of `VARLIST:`.
    """
    star, kind = stem_of(path), None
    names: list[str] = []
    rows: list[list[str]] = []
    stars: list[str] = []
    kinds: list[str | None] = []
    with open_decompressed(path) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        key, values = words[0].upper(), words[1:]
        if key == "SNID:" and values:
            star, kind = values[0], None
        elif key in ("SNTYPE:", "TYPE:") and values:
            kind = values[0]
        elif key == "VARLIST:":
            if names and names != values:
                raise TableError(f"{path.name} has another VARLIST in line {number}: split it into files of one list each.")
            names = values
        elif key == "OBS:":
            if len(values) != len(names):
                raise TableError(
                    f"{path.name} cannot be read as SNANA: line {number} has {len(values)} values and VARLIST {len(names)}."
                )
            rows.append(values)
            stars.append(star)
            kinds.append(kind)
    if not rows:
        raise TableError(f"{path.name} cannot be read as SNANA: it has no line OBS:.")
    columns: dict[str, Any] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["SNID"] = stars
    if any(kinds) and "SNTYPE" not in columns:
        columns["SNTYPE"] = kinds
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return table_in_memory(path.name, "SNANA text", table, star=star, files=(path,), as_text=True)


def read_pair(path: Path) -> RawTable:
    """A pair of FITS files: the photometry, with the ids of the header.

    Raises:
        TableError: the other file of the pair is not there.
    """
    from astropy.table import Table

    name = path.name
    upper = name.upper()
    place = upper.rfind("_HEAD.FITS") if "_HEAD.FITS" in upper else upper.rfind("_PHOT.FITS")
    found = {
        kind: [file for file in path.parent.glob(f"{name[:place]}_*") if f"_{kind}.FITS" in file.name.upper()]
        for kind in ("HEAD", "PHOT")
    }
    if lacking := [kind for kind, files in found.items() if not files]:
        raise TableError(f"{path.name} is one of a pair of SNANA files: {name[:place]}_{lacking[0]}.FITS must stand beside it.")
    with naming_format(path, "SNANA FITS"):
        head = Table.read(found["HEAD"][0], format="fits", hdu=1, unit_parse_strict="silent")
        photometry = Table.read(found["PHOT"][0], format="fits", hdu=1, unit_parse_strict="silent")
    first, last = np.asarray(head["PTROBS_MIN"], dtype=int) - 1, np.asarray(head["PTROBS_MAX"], dtype=int)
    rows = [np.arange(low, high) for low, high in zip(first, last, strict=True)]
    points = photometry[np.concatenate(rows)] if rows else photometry[:0]
    points["SNID"] = np.repeat(np.char.strip(np.asarray(head["SNID"]).astype(str)), last - first)
    raw = table_of(points, path.name, star=stem_of(path), files=(found["HEAD"][0], found["PHOT"][0]))
    assert raw is not None
    return RawTable(**{**vars(raw), "format": "SNANA FITS"})
