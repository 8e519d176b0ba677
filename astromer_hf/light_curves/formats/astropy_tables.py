# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables that astropy reads: FITS, VOTable, ECSV and IPAC. They are small, and read whole.

Before this file stands a path; after it `roles.py`. Units, masked values and the name of the star in a header come along.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ..columns import COLUMN_GUESSES, TableError
from .base import RawTable, one_line, stem_of, suffix_of
from .memory import table_of
from .text import open_decompressed

STAR_KEYS = (
    *("OBJECT", "TARGNAME", "SNID", "STAR", "STARNAME", "OBJNAME", "TARGET", "STAR_ID", "STARID", "OBJECTID"),
    *("KELTID", "KELT_ID", "KEPLERID", "TICID"),
)


def is_fits(path: Path, head: bytes) -> bool:
    """Whether a file is FITS."""
    return head.startswith(b"SIMPLE  =") or suffix_of(path) in (".fits", ".fit", ".fts")


def is_votable(path: Path, head: bytes) -> bool:
    """Whether a file is a VOTable."""
    return b"<VOTABLE" in head[:4096] or suffix_of(path) in (".vot", ".votable")


def is_ecsv(path: Path, head: bytes) -> bool:
    """Whether a file is ECSV."""
    return head.lstrip(b"\xef\xbb\xbf").startswith(b"# %ECSV")


def is_ipac(path: Path, head: bytes) -> bool:
    """Whether a file is an IPAC table: keywords that begin with a backslash, and a header between bars with their types."""
    lines = [line for line in head.splitlines()[:400] if line.strip() and not line.startswith(b"\\")]
    bars = [line.startswith(b"|") and line.rstrip().endswith(b"|") for line in lines]
    # A table of Markdown has bars around its data as well, and dashes under its header.
    return len(lines) > 1 and all(bars[:2]) and not (len(lines) > 5 and all(bars[:6])) and lines[1].strip(b"|-: \t\r") != b""


def is_mrt(path: Path, head: bytes) -> bool:
    """Whether a file is a machine-readable table of AAS or CDS."""
    return b"Byte-by-byte Description of file" in head


def read_fits(path: Path) -> RawTable:
    """The first table of a FITS file that has times, or its first table.

    Raises:
        TableError: there is none.
    """
    from astropy.io import fits
    from astropy.table import Table

    with naming_format(path, "FITS"), fits.open(path, memmap=False) as opened:
        tables = [unit for unit in opened if isinstance(unit, (fits.BinTableHDU, fits.TableHDU))]
        if not tables:
            raise TableError(f"{path.name} cannot be read as a table of light curves: it is FITS without a table.")
        chosen = next((unit for unit in tables if _has_times(unit.columns.names)), tables[0])
        # Times of astropy are pairs of numbers, which its header explains.
        has_times = any(key.startswith("TCTYP") for key in chosen.header)
        table = Table.read(chosen, format="fits", unit_parse_strict="silent", astropy_native=has_times)
        headers = [opened[0].header, chosen.header]
    star = next((str(header[key]).strip() for header in headers for key in STAR_KEYS if str(header.get(key, "")).strip()), None)
    others = [unit.name or str(place) for place, unit in enumerate(opened) if unit in tables and _has_times(unit.columns.names)]
    return replace(_raw(path, "FITS", table, star), notes=_notes_on_others(others))


def read_votable(path: Path) -> RawTable:
    """The first table of a VOTable.

    Raises:
        TableError: there is none, or its data lie elsewhere.
    """
    from astropy.io.votable import parse

    with naming_format(path, "VOTable"), open_decompressed(path) as file:
        _refuse_data_elsewhere(file, path.name)
        tables = [table for table in parse(file, verify="ignore").iter_tables() if len(table.fields)]
        if not tables:
            raise TableError(f"{path.name} cannot be read as a table of light curves: it is a VOTable without a table.")
        chosen = next((table for table in tables if _has_times([field.name for field in table.fields])), tables[0])
        others = [
            table.name or str(i + 1) for i, table in enumerate(tables) if _has_times([field.name for field in table.fields])
        ]
        return replace(_raw(path, "VOTable", chosen.to_table(use_names_over_ids=True), None), notes=_notes_on_others(others))


def _refuse_data_elsewhere(file: IO[bytes], name: str) -> None:
    """Raise for a VOTable whose `STREAM` names another file or address: astropy would read this machine's files, or fetch it.

    Astropy's own walk over the elements is used, so that encodings, entities and prefixes of names are no way around it. The
    file is at its beginning afterwards.

    Raises:
        TableError: a `STREAM` has an `href`.
    """
    from astropy.utils.xml.iterparser import get_xml_iterator

    with get_xml_iterator(file) as elements:
        for is_start, tag, attributes, _ in elements:
            if is_start and _local(tag) == "stream" and any(_local(attribute) == "href" for attribute in attributes):
                raise TableError(
                    f"{name} cannot be read as VOTable: its data lie in another file, which the table names. Write them into "
                    "the VOTable itself."
                )
    file.seek(0)


def _local(name: str) -> str:
    """The name of an element or attribute in lower case, without its prefix."""
    return name.rpartition(":")[2].lower()


def read_ecsv(path: Path) -> RawTable:
    """An ECSV file."""
    return _read_text(path, "ECSV", "ascii.ecsv")


def read_ipac(path: Path) -> RawTable:
    """An IPAC table."""
    return _read_text(path, "IPAC table", "ascii.ipac")


def read_mrt(path: Path) -> RawTable:
    """A machine-readable table."""
    return _read_text(path, "machine-readable table", "ascii.cds")


def _read_text(path: Path, name: str, format: str) -> RawTable:
    from astropy.table import Table

    with naming_format(path, name), open_decompressed(path) as file:
        text = file.read().decode("utf-8-sig", "replace")
        table = Table.read(text.splitlines(), format=format)
    return _raw(path, name, table, _star_of_meta(table.meta))


def _raw(path: Path, format: str, table: Any, star: str | None) -> RawTable:
    raw = table_of(table, path.name)
    assert raw is not None
    return replace(raw, format=format, star=star or stem_of(path), files=(path,))


def _notes_on_others(names: list[str]) -> tuple[str, ...]:
    """That tables with times are not read, where there are several."""
    if len(names) < 2:
        return ()
    return (f"of {len(names)} tables with times the first is read, {names[0]}, and {', '.join(names[1:4])} not",)


def _has_times(names: list[str]) -> bool:
    return not {name.lower() for name in names}.isdisjoint(COLUMN_GUESSES["mjd"])


def _star_of_meta(meta: Mapping[str, Any]) -> str | None:
    """The star that keywords name; those of IPAC are `{"keywords": {name: {"value": ...}}}`."""
    keywords = meta.get("keywords", meta)
    for key, value in keywords.items():
        found = value.get("value") if isinstance(value, Mapping) else value
        if str(key).upper() in STAR_KEYS and isinstance(found, (str, int)) and str(found).strip():
            return str(found).strip()
    return None


class naming_format:
    """Turn what astropy raises into a `TableError` that names the file, and leave its warnings about headers out."""

    def __init__(self, path: Path, format: str):
        self.path, self.format = path, format
        self.warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        self.warnings.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.warnings.__exit__(None, None, None)
        if error is not None and not isinstance(error, (TableError, KeyboardInterrupt, MemoryError)):
            raise TableError(f"{self.path.name} cannot be read as {self.format}: {one_line(error)[:300]}.") from error
