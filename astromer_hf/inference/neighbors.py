# Copyright 2026 The astromer_hf developers. MIT licence.
"""Nearest neighbours and isolated objects among embeddings.

The input is a table written by `astromer-hf embed`. Distances are Euclidean between standardised embeddings: in every dimension
the table's mean is subtracted and the result divided by its standard deviation. Distances of different tables therefore cannot
be compared.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from ..light_curves.columns import TableError
from .results import read_results

NEIGHBORS_OF_ISOLATION = 10


@dataclass(frozen=True)
class Embeddings:
    """N objects and their embeddings.

    Args:
        object_ids (`np.ndarray` of shape `(N,)`): strings; an object has one row per band.
        vectors (`np.ndarray` of shape `(N, D)`, float32): finite.
        bands, labels (`np.ndarray` of shape `(N,)`, *optional*): strings or None, if the table has them.
    """

    object_ids: np.ndarray
    vectors: np.ndarray
    bands: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.object_ids)

    @classmethod
    def read(cls, path: str | Path, *, label_column: str | None = None) -> "Embeddings":
        """Read a table written by `astromer-hf embed`, a file or a folder of shards; objects without an embedding are left out.

        Raises:
            FileNotFoundError: there is no such file or folder.
            TableError: it has no embeddings, or lacks the given column of labels.
        """
        path, named = Path(path), {"band": "band", "label": label_column or "label"}

        def choose(available: list[str]) -> list[str]:
            if missing := {"object_id", "embedding"} - set(available):
                raise TableError(
                    f"{path.name} has no column {' nor '.join(sorted(missing))}, as astromer-hf embed writes them; there are: "
                    f"{', '.join(available)}."
                )
            if label_column is not None and label_column not in available:
                raise TableError(f"There is no column {label_column!r} for the labels; there are: {', '.join(available)}.")
            return ["object_id", "embedding", *(name for name in named.values() if name in available)]

        table = read_results(path, choose)
        named = {role: column for role, column in named.items() if column in table.column_names}
        table = table.filter(pc.is_valid(table["embedding"]))
        if not len(table):
            raise TableError(f"{path.name} holds no embedding.")
        annotations = {role: np.array(pc.cast(table[name], pa.string()).to_pylist(), object) for role, name in named.items()}
        vectors = np.stack(table["embedding"].to_numpy()).astype(np.float32)
        object_ids = np.array(pc.cast(table["object_id"], pa.string()).to_pylist(), dtype=object)
        return cls(object_ids, vectors, annotations.get("band"), annotations.get("label"))

    @cached_property
    def standardized(self) -> np.ndarray:
        """The vectors with a mean of 0 and a standard deviation of 1 in every dimension, `(N, D)`."""
        return StandardScaler().fit_transform(self.vectors)

    def find(self, object_id: str, band: str | None = None) -> int:
        """The row of an object.

        Raises:
            TableError: there is no such object, or it has several bands.
        """
        rows = np.flatnonzero(self.object_ids == object_id)
        if not len(rows):
            shown = ", ".join(map(str, self.object_ids[:3]))
            raise TableError(f"There is no object {object_id!r} with an embedding; the first are {shown}.")
        bands = None if self.bands is None else self.bands[rows]
        if band is not None and bands is not None:
            rows = rows[bands == band]
        if len(rows) != 1:
            known = "none" if bands is None else ", ".join(map(str, bands))
            raise TableError(f"Object {object_id!r} does not have one row but {len(rows)}; its bands are: {known}. Name one.")
        return int(rows[0])

    def describe(self, rows: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
        """A table of some objects, ranked from 1 in the order given."""
        known = {"object_id": self.object_ids, "band": self.bands, "label": self.labels}
        described = {name: values[rows] for name, values in known.items() if values is not None}
        return pd.DataFrame({"rank": np.arange(1, len(rows) + 1)} | described | columns)


def find_neighbors(embeddings: Embeddings, object_id: str, k: int = 10, *, band: str | None = None) -> pd.DataFrame:
    """The `k` nearest neighbours of an object, nearest first: `rank`, `object_id`, `band` and `label` if known, `distance`.

    Raises:
        TableError: there is no such object, or there are fewer than `k` others.
    """
    row = embeddings.find(object_id, band)
    _check_count(k, len(embeddings) - 1, "neighbours")
    search = NearestNeighbors(n_neighbors=k + 1).fit(embeddings.standardized)
    distances, rows = search.kneighbors(embeddings.standardized[[row]])
    others = np.flatnonzero(rows[0] != row)[:k]  # an object with the same embedding may come first
    return embeddings.describe(rows[0][others], distance=distances[0][others])


def find_isolated(embeddings: Embeddings, count: int = 10, *, k: int = NEIGHBORS_OF_ISOLATION) -> pd.DataFrame:
    """The objects that differ most from all others, the most isolated first: as `find_neighbors`, with `isolation`.

    Isolation is the mean distance to the `k` nearest others, or to all others if there are fewer. Isolated objects may be rare
    or badly measured: look at their light curves.

    Raises:
        TableError: there are fewer objects than requested.
    """
    _check_count(count, len(embeddings), "objects")
    k = min(k, len(embeddings) - 1)
    if k < 1:
        raise TableError("Isolation needs at least two objects, there is one.")
    distances, _ = NearestNeighbors(n_neighbors=k).fit(embeddings.standardized).kneighbors()  # excluding each object itself
    isolation = distances.mean(1)
    rows = np.argsort(-isolation, kind="stable")[:count]
    return embeddings.describe(rows, isolation=isolation[rows])


def _check_count(count: int, available: int, what: str) -> None:
    if not 1 <= count <= available:
        raise TableError(f"Between 1 and {available} {what} can be found in this table, {count} were asked for.")
