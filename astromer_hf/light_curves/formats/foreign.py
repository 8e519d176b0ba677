# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files that are no tables of light curves, known by their first bytes, and what to do with them.

Before this file stands a path; after it the readers, which would call them damaged tables.
"""

from pathlib import Path

from ..columns import TableError

_SAVE = "save the table as CSV or parquet"
# first bytes, in lower case -> what it is, what to do
_KNOWN: tuple[tuple[bytes, str, str], ...] = (
    (b"<!doctype html", "a web page", "download the file itself; a login or an error of the server may have come in its place"),
    (b"<html", "a web page", "download the file itself; a login or an error of the server may have come in its place"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself by `git lfs pull`"),
    (b"pk\x03\x04", "a zip, such as an Excel workbook or NumPy's .npz", f"{_SAVE}, or give a zip of tables the ending .zip"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _SAVE),
    (b"\x89hdf", "HDF5", f"{_SAVE}, such as by pandas.read_hdf(...).to_parquet(...)"),
    (b"\x93numpy", "an array of NumPy", "give its columns to Python as {'mjd': ..., 'mag': ...}, or save them as CSV"),
    (b"\x80\x04", "a pickle, which is never opened", _SAVE),
    (b"\x80\x05", "a pickle, which is never opened", _SAVE),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it first, by `zstd -d`"),
    (b"\x1f\x9d", "compressed by compress", "unpack it first, by `uncompress`"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first, and give the folder"),
    (b"rar!", "a RAR archive", "unpack it first, and give the folder"),
    (b"sqlite format 3", "a database of SQLite", _SAVE),
    (b"%pdf", "a PDF", "give the table that it shows as CSV"),
    (b"\x89png", "a picture", "give a table"),
    (b"\xff\xd8\xff", "a picture", "give a table"),
    (b"arrow1", "Arrow's IPC or Feather", "save the table as parquet, such as by pandas.read_feather(...).to_parquet(...)"),
)


def refuse(path: Path, head: bytes) -> None:
    """Raise for a file that is known to be no table.

    Args:
        path: of the file.
        head: its first bytes, decompressed.

    Raises:
        TableError: says what it is and what to do.
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:32].lower()
    for magic, what, remedy in _KNOWN:
        if start.startswith(magic):
            raise TableError(f"{path.name} is {what}, and no table that can be read: {remedy}.")
