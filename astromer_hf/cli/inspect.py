# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf inspect`: how a file of light curves is understood, without a model."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .options import add_columns, column_names

if TYPE_CHECKING:
    from ..light_curves.inspection import FirstLightCurve


def add_inspect(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "inspect",
        help="how a file of light curves is understood, before anything is computed from it",
        description="Read a file, folder, archive or pattern of light curves. Print the survey that was recognised, which "
        "column is what, the first light curves, and how many points are used and dropped, by reason.",
    )
    parser.add_argument("source", type=Path, help="file, folder, archive or pattern of light curves")
    parser.add_argument("--picture", type=Path, help="draw the first light curves, folded on the period of each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_columns(parser)
    parser.set_defaults(run=run_inspect)


def run_inspect(args: argparse.Namespace) -> None:
    """`astromer-hf inspect`."""
    from ..light_curves.inspection import inspect_light_curves

    found = inspect_light_curves(args.source, column_names(args))
    args.reading.sources.clear()  # the report has the line already
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print("\n".join(found.lines()))
        print(f"next     astromer-hf embed {args.source} -o embeddings.parquet")
    if args.picture is not None:
        draw(found.first, args.picture)
    if not found.ledger.points_used:
        raise ValueError(f"No point of {args.source} can be used. Name its columns, or give --keep-flagged.")


def draw(first: "list[FirstLightCurve]", picture: Path) -> None:
    """Write the first light curves, folded on the period of each where they are long enough for one."""
    from ..plots.figures import plot_light_curves

    panels = []
    for one in first:
        if not len(one.mjd):
            continue
        name = ", ".join(str(part) for part in (one.object_id, one.band) if part)
        period = period_of(one.mjd, one.mag)
        folded = one.mjd if period is None else (one.mjd - one.mjd.min()) % period
        panels.append((name if period is None else f"{name}, P = {period:.5g} d", folded, one.mag))
    plot_light_curves(panels).savefig(picture, dpi=150)
    print(f"-> {picture}")


def period_of(mjd: np.ndarray, mag: np.ndarray, min_points: int = 20) -> float | None:
    """The strongest period of a light curve in days; None where it has too few points."""
    from astropy.timeseries import LombScargle

    if len(mjd) < min_points or np.ptp(mjd) == 0 or np.ptp(mag) == 0:
        return None
    frequency, power = LombScargle(mjd - mjd.min(), mag).autopower(maximum_frequency=10, samples_per_peak=5)
    return float(1 / frequency[np.argmax(power)])
