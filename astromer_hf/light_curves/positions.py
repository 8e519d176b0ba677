# Copyright 2026 The astromer_hf developers. MIT licence.
"""Ids of one star, found by their positions on the sky: surveys give a star another id in every band or field.

Before this file stand a table's ids with right ascension and declination; after it `measurements.py`, which reads them as one.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa

from .columns import TableError
from .formats.base import RawTable
from .formats.nested import is_list
from .numbers import to_numbers, to_text

RA_NAMES = ("ra", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "radeg", "meanra", "ra_mean", "raavg")
DEC_NAMES = ("dec", "decl", "dej2000", "_dej2000", "de_icrs", "dec_deg", "decdeg", "meandec", "dec_mean", "decavg", "de")


_ROWS = 1 << 20


def same_star(raw: RawTable, object_id: str | None, arcsec: float | None) -> dict[str, str]:
    """Every id of a table -> that of the same star by position; empty where nobody asks for it.

    Raises:
        TableError: there are no ids or positions.
    """
    if arcsec is None:
        return {}
    lower = {name.rpartition(".")[2].lower(): name for name in reversed(raw.names)}
    ra, dec = (next((lower[name] for name in names if name in lower), None) for names in (RA_NAMES, DEC_NAMES))
    if object_id is None or ra is None or dec is None:
        raise TableError(
            f"Ids are joined by their positions, and {raw.name} has no columns of ids, ra and dec in degrees; there are: "
            f"{', '.join(raw.names)}. Leave --join-arcsec out, or name the star by --star-column."
        )
    if any(is_list(raw.schema.field(name).type) for name in (ra, dec)):
        raise TableError(f"The columns {ra!r} and {dec!r} of {raw.name} must hold one value an object.")
    names = (object_id, ra, dec)
    return join_by_position(raw.batches(names, _ROWS), names, arcsec)


def join_by_position(batches: Iterable[pa.RecordBatch], names: tuple[str, str, str], arcsec: float) -> dict[str, str]:
    """Every id -> the first id within `arcsec` of its mean position, over chains of neighbours.

    Args:
        batches: of the columns `names`: id, right ascension and declination in degrees.
        names: of these columns.
        arcsec: that positions of one star differ by at the most.

    Raises:
        TableError: positions are no degrees.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    parts = []
    for batch in batches:
        ra, dec = (np.radians(to_numbers(batch[name], name).values) for name in names[1:])
        if np.nanmax(np.abs(dec), initial=0) > np.pi / 2 + 1e-9:
            raise TableError(
                f"The column {names[2]!r} must hold declinations in degrees, it holds {np.degrees(dec).max():.6g}."
            )
        axes = {"x": np.cos(dec) * np.cos(ra), "y": np.cos(dec) * np.sin(ra), "z": np.sin(dec)}
        frame = pd.DataFrame({"id": to_text(batch[names[0]]).to_pandas(), **axes})
        parts.append(frame.groupby("id", sort=False)[["x", "y", "z"]].agg(["sum", "count"]))
    sums = pd.concat(parts).groupby(level=0, sort=False).sum()
    vectors = np.column_stack([sums[axis]["sum"] / sums[axis]["count"] for axis in "xyz"])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known = np.isfinite(vectors).all(1)
    pairs = cKDTree(vectors[known]).query_pairs(2 * np.sin(np.radians(arcsec / 3600) / 2), output_type="ndarray")
    numbers = np.flatnonzero(known)[pairs]
    graph = coo_matrix((np.ones(len(numbers)), (numbers[:, 0], numbers[:, 1])), shape=(len(sums), len(sums)))
    _, star = connected_components(graph, directed=False)
    ids = sums.index.to_numpy()
    firsts = pd.Series(ids).groupby(star, sort=False).first()
    return dict(zip(ids, firsts[star].to_numpy(), strict=True))
