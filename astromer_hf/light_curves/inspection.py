# Copyright 2026 The astromer_hf developers. MIT licence.
"""How a file is understood, before anything is computed from it: roles, first rows, the account of its points, what to do next.

Before this file stands `source.py`; after it `astromer-hf inspect`.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model.feature_extraction_astromer import RaggedLightCurves
from .columns import ReadingOptions
from .ledger import Ledger
from .source import LightCurveSource

SHOWN_LIGHT_CURVES = 6
SHOWN_POINTS = 3


@dataclass(frozen=True)
class FirstLightCurve:
    """One of the first light curves as it is understood.

    Args:
        object_id, band, label (`str`, *optional*): of the star.
        mjd, mag (`np.ndarray` of shape `(n,)`): usable observations.
        magerr (`np.ndarray` of shape `(n,)`, *optional*): their errors, NaN where unknown.
        dropped (`int`): observations that are not used.
    """

    object_id: str | None
    band: str | None
    label: str | None
    mjd: np.ndarray
    mag: np.ndarray
    magerr: np.ndarray | None
    dropped: int


@dataclass(frozen=True)
class Inspection:
    """What a source is understood as.

    Args:
        source ([`LightCurveSource`]): that was read.
        roles (`dict[str, str]`): role -> column.
        first (`list` of [`FirstLightCurve`]): its first light curves.
        ledger ([`Ledger`]): of all its points.
    """

    source: LightCurveSource
    roles: dict[str, str]
    first: list[FirstLightCurve]
    ledger: Ledger

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "format": self.source.format,
            "survey": self.source.layout.name if self.source.layout else None,
            "columns": self.roles,
            "ledger": self.ledger.to_dict(),
            "first": [
                {"object_id": one.object_id, "band": one.band, "label": one.label, "num_points": len(one.mjd)}
                for one in self.first
            ],
        }

    def lines(self) -> list[str]:
        """For people."""
        layout = self.source.layout
        survey = f"{layout.title} (--survey {layout.name}; --no-survey to read without)" if layout else "none recognised"
        lines = [f"format   {self.source.format}", f"survey   {survey}"]
        width = max(map(len, self.roles), default=0)
        lines += ["columns", *(f"  {role:{width}}  {column}" for role, column in self.roles.items()), "first light curves"]
        for one in self.first:
            name = ", ".join(str(part) for part in (one.object_id, one.band, one.label) if part)
            lines.append(f"  {name}: {len(one.mjd)} used, {one.dropped} dropped")
            for i in range(min(SHOWN_POINTS, len(one.mjd))):
                error = "" if one.magerr is None or not np.isfinite(one.magerr[i]) else f" ± {one.magerr[i]:.4f}"
                lines.append(f"    {one.mjd[i]:.5f} d   {one.mag[i]:.4f}{error} mag")
        return [*lines, "all", f"  {self.ledger.line}"]


def inspect_light_curves(source: Any, columns: "ReadingOptions | dict[str, str | None] | None" = None) -> Inspection:
    """Read a source whole and say how it is understood.

    Args:
        source, columns: see `LightCurveSource.open`.

    Raises:
        FileNotFoundError, TableError: it cannot be read.
    """
    opened = LightCurveSource.open(source, columns=columns)
    first: list[FirstLightCurve] = []
    for chunk in opened.chunks():
        if len(first) < SHOWN_LIGHT_CURVES and len(chunk):
            some = chunk.select(np.arange(min(len(chunk), SHOWN_LIGHT_CURVES - len(first))))
            first += _first_of(some.curves, some.object_ids.to_pylist(), some.annotations)
    return Inspection(opened, opened.roles.described(), first, opened.ledger)


def _first_of(curves: RaggedLightCurves, object_ids: list[str | None], annotations: dict[str, Any]) -> list[FirstLightCurve]:
    clean, dropped = curves.clean()

    def annotation(role: str, i: int) -> str | None:
        return annotations[role][i].as_py() if role in annotations else None

    found = []
    for i, (start, stop) in enumerate(itertools.pairwise(clean.offsets)):
        own = slice(int(start), int(stop))
        errors = None if clean.magnitude_errors is None else clean.magnitude_errors[own]
        arrays = (clean.times[own], clean.magnitudes[own], errors)
        found.append(FirstLightCurve(object_ids[i], annotation("band", i), annotation("label", i), *arrays, int(dropped[i])))
    return found
