# Copyright 2026 The astromer_hf developers. MIT licence.
"""Ids of one star, found by their positions on the sky: surveys give a star another id in every band or field.

Before this file stand a table's ids with right ascension and declination; after it `measurements.py`, which reads them as one.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa

from .columns import TableError
from .numbers import to_numbers, to_text

RA_NAMES = ("ra", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "radeg", "meanra", "ra_mean", "raavg")
DEC_NAMES = ("dec", "decl", "dej2000", "_dej2000", "de_icrs", "dec_deg", "decdeg", "meandec", "dec_mean", "decavg", "de")


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
