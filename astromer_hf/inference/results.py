# Copyright 2026 The astromer_hf developers. MIT licence.
"""Tables of results - embeddings, classes - read back, whether they are one file or a folder of shards.

`embedding.py`, `classification.py` and `sharded_embedding.py` write them; searches and pictures read them here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..light_curves.columns import TableError

SETTINGS_FILE = "_settings.json"  # readers of parquet folders ignore names with an underscore
SUCCESS_FILE = "_SUCCESS"


def read_results(path: str | Path, choose: Callable[[list[str]], Sequence[str]] | None = None) -> pa.Table:
    """A table of results.

    Args:
        path: a parquet file, or a folder of them, which are read in the order of their names.
        choose: from the names of all columns to those that are read; it may raise a `TableError`. All when absent.

    Raises:
        FileNotFoundError: there is no such file or folder.
        TableError: it is no complete parquet file, a folder without one, or a folder of shards of which some are missing.
    """
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*.parquet")) if not file.name.startswith((".", "_"))]
        if not files:
            raise TableError(f"The folder {path} holds no .parquet file.")
        if (path / SETTINGS_FILE).exists() and not (path / SUCCESS_FILE).exists():
            raise TableError(
                f"{path} is not complete, some of its shards are missing: repeat the command that writes it, which goes on "
                "where it stopped, or name one of its files."
            )
    elif not path.is_file():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    tables = []
    for file in files:
        try:
            names = pq.read_schema(file).names
            columns = names if choose is None else choose(names)
            tables.append(pq.ParquetFile(file).read(columns=list(dict.fromkeys(columns))))
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{file} is not a complete parquet file: {' '.join(str(error).split())}") from error
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise TableError(f"The files of {path} differ in their columns: {' '.join(str(error).split())}") from error
