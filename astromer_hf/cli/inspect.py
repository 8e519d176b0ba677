# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf inspect`: how a file of light curves is understood, without a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Columns, Table, Width, as_typed, with_columns
from .report import Report, reports

if TYPE_CHECKING:
    from ..light_curves.inspection import Inspection
    from ..light_curves.ledger import Ledger

EXAMPLES = (
    "astromer-hf inspect curves.parquet",
    "astromer-hf inspect curves.parquet --picture first.png",
    "astromer-hf inspect hf://datasets/StarEmbed/ZTF_40k --split test",
)


@reports
@with_columns
def inspect(
    source: Table,
    columns: Columns,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the first light curves, each folded on its period, into this .png, .pdf or .svg file."),
    ] = None,
    width: Width = None,
) -> Report:
    """Show how a file of light curves is understood, before anything is computed from it.

    It prints the survey that was recognised, which column is what, the first light curves, and how many points are used and
    dropped, by reason.
    """
    from ..light_curves.inspection import inspect_light_curves

    found = inspect_light_curves(source, columns)
    getattr(columns, "sources", []).clear()  # the report has the line of the source already
    typed = as_typed(source, getattr(columns, "split", None), getattr(columns, "subset", None))
    lines = [*found.lines(), f"next     astromer-hf embed {typed} -o embeddings.parquet"]
    if picture is not None:
        draw(found, picture, width)
        lines.append(f"-> {picture}")
    problem = "" if found.ledger.points_used else why_nothing_is_used(found.ledger)
    return Report("\n".join(lines), {**found.to_dict(), "picture": picture}, problem)


def why_nothing_is_used(ledger: "Ledger") -> str:
    """Why a source gives no point, and what to do."""
    from ..light_curves.ledger import FLAGGED, NOT_POSITIVE

    if not ledger.points_read:
        return f"{ledger.name} holds no point: it has a header at most."
    most, _ = ledger.dropped.most_common(1)[0]
    options = {FLAGGED: "--keep-flagged uses such points", NOT_POSITIVE: "--asinh keeps fluxes around zero"}
    remedy = options.get(most, "name other columns, such as by --mjd-column and --mag-column")
    return f"no point of {ledger.name} can be used, most are {most}: {remedy}."


def draw(inspected: "Inspection", picture: Path, width: Width = None) -> None:
    """Write the first light curves, each folded on its period if that is significant, brightest at phase 0."""
    from ..evaluation.periods import NoPeriodError, find_period
    from ..light_curves.time_systems import time_system_of
    from ..plots.figures import plot_light_curves
    from ..plots.style import journal_size

    panels: list[tuple[str, Any, Any]] = []
    labels: list[str | None] = []  # None: time
    for one in inspected.first:
        if not len(one.mjd):
            continue
        name = ", ".join(str(part) for part in (one.object_id, one.band) if part)
        try:
            found = find_period(one.mjd, one.mag, one.magerr)
        except NoPeriodError:
            found = None
        if found is None or not found.is_significant:
            panels.append((f"{name}, no period", one.mjd, one.mag))
            labels.append(None)
            continue
        panels.append((f"{name}, P = {found.period:.5g} d", (one.mjd - found.epoch_of_maximum) / found.period % 1.0, one.mag))
        labels.append("phase")
    with journal_size(width):
        plot_light_curves(panels, labels=labels, time_system=time_system_of(inspected.source)).savefig(picture)
