# Copyright 2026 The astromer_hf developers. MIT licence.
"""The formats that are read, as a table of readers: the only place that knows them.

Before this file stands whatever path the user gave; after it `source.py`. To add a format, write a file with `matches` and
`read` and add it to `READERS`; the first that matches is taken.
"""

from pathlib import Path

from ..columns import TableError
from . import astropy_tables, foreign, json_documents, parquet, snana, text
from .base import RawTable, Reader, suffix_of

READERS: tuple[Reader, ...] = (
    Reader(
        "parquet",
        (".parquet", ".pq", ".parq"),
        parquet.matches,
        parquet.read,
        "List columns, lists of structs or structs of lists (one row an object), or one row a measurement. Read in bounded "
        "memory.",
    ),
    Reader(
        "SNANA FITS",
        (".fits",),
        snana.is_pair,
        snana.read_pair,
        "A pair of files, `*_HEAD.FITS` and `*_PHOT.FITS`; either may be named.",
    ),
    Reader(
        "FITS",
        (".fits", ".fit", ".fts"),
        astropy_tables.is_fits,
        astropy_tables.read_fits,
        "The first table with times. The header's `OBJECT` is the star where no column is. Read whole.",
    ),
    Reader(
        "VOTable",
        (".vot", ".votable", ".xml"),
        astropy_tables.is_votable,
        astropy_tables.read_votable,
        "The first table with times. Read whole.",
    ),
    Reader("ECSV", (".ecsv",), astropy_tables.is_ecsv, astropy_tables.read_ecsv, "With units and masked values. Read whole."),
    Reader(
        "machine-readable table",
        (".mrt",),
        astropy_tables.is_mrt,
        astropy_tables.read_mrt,
        "Of AAS journals and CDS, with its byte-by-byte description. Read whole.",
    ),
    Reader("IPAC", (".tbl", ".ipac"), astropy_tables.is_ipac, astropy_tables.read_ipac, "With units and nulls. Read whole."),
    Reader("SNANA text", (".dat", ".snana"), snana.is_text, snana.read_text, "`OBS:` lines by `VARLIST`. Read whole."),
    Reader(
        "JSON",
        (".json", ".jsonl", ".ndjson"),
        json_documents.matches,
        json_documents.read,
        "A list of records with a time, anywhere in the document, or one document a line; or columns. Read whole.",
    ),
    Reader(
        "text",
        text.SUFFIXES,
        text.matches,
        text.read,
        "CSV, TSV, white space and other delimiters, with or without a header. Read in bounded memory where the rows of an "
        "object stand together.",
    ),
)


def read_file(path: Path) -> RawTable:
    """One file by the first reader that matches.

    Raises:
        TableError: no reader does, or the file is damaged.
    """
    head = text.read_head(path)
    foreign.refuse(path, head)
    for reader in READERS:
        if reader.matches(path, head):
            return reader.read(path)
    known = ", ".join(sorted({suffix for reader in READERS for suffix in reader.suffixes if suffix}))
    raise TableError(
        f"{path.name} is in no format that can be read. Expected one of {known}; save the table as CSV or parquet, with "
        "columns such as object_id, mjd, mag, magerr and band."
    )


def may_be_table(path: Path) -> bool:
    """Whether the name of a file is that of a table."""
    return any(suffix_of(path) in reader.suffixes for reader in READERS)
