# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf neighbors`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import MANY, Columns, Width, with_columns
from .report import Report, reports

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = (
    "astromer-hf neighbors embeddings.parquet --object 12345",
    "astromer-hf neighbors embeddings.parquet --isolated 10 --curves curves.parquet --picture isolated.png",
)


@reports
@with_columns
def neighbors(
    source: Annotated[Path, typer.Argument(metavar="EMBEDDINGS", help="Table that astromer-hf embed wrote, or its folder.")],
    columns: Columns,
    object_id: Annotated[
        str | None, typer.Option("--object", metavar="ID", help="Find the objects most similar to this one.")
    ] = None,
    isolated: Annotated[
        int | None, typer.Option(min=1, max=MANY, metavar="N", help="Find the N objects that are least similar to any other.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=MANY, help="Number of neighbours of --object.")] = 10,
    band: Annotated[str | None, typer.Option(help="Band of the object, if it has several.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the result to this file too, .csv or .parquet.")
    ] = None,
    curves: Annotated[
        str | None, typer.Option(metavar="TABLE", path_type=str, help="Light curves that were embedded; for --picture.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the light curves of object and result, each folded on its period: a .png, .pdf or .svg file."),
    ] = None,
    width: Width = None,
) -> Report:
    """Find the objects most similar to a given one, or the most isolated ones, among embeddings.

    It searches a table that astromer-hf embed wrote. The distance is Euclidean, after every dimension is scaled to mean 0 and
    standard deviation 1 over the table. Isolation is the mean distance to the ten nearest other objects.
    """
    if (object_id is None) == (isolated is None):
        raise typer.BadParameter("exactly one of them is needed.", param_hint=["--object", "--isolated"])
    if (picture is None) != (curves is None):
        raise typer.BadParameter(
            "a picture of light curves needs both: --curves TABLE and --picture FILE.", param_hint=["--curves", "--picture"]
        )
    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise typer.BadParameter(f"must be a .csv or .parquet file, got {output.name}.", param_hint="--output")
    from ..inference.neighbors import Embeddings, find_isolated, find_neighbors

    embeddings = Embeddings.read(source, label_column=columns["label"])
    if isolated is not None:
        found = find_isolated(embeddings, isolated)
    else:
        assert object_id is not None
        found = find_neighbors(embeddings, object_id, k, band=band)
    lines = [found.to_string(index=False, float_format="%.3f")]
    if output is not None:
        if output.suffix == ".csv":
            found.to_csv(output, index=False)
        else:
            found.to_parquet(output, index=False)
        lines.append(f"-> {output}")
    if picture is not None:
        assert curves is not None
        query = None if object_id is None else embeddings.find(object_id, band)
        from ..plots.style import journal_size

        with journal_size(width):
            draw_found(curves, columns, embeddings, found, query).savefig(picture)
        lines.append(f"-> {picture}")
    return Report("\n".join(lines), {"objects": found.to_dict("records"), "output": output, "picture": picture})


def draw_found(source: str, columns: Columns, embeddings: Any, found: Any, query: int | None) -> "Figure":
    """The light curves of a search's results, after that of the object searched for, folded where they have a period.

    Phase 0 is the maximum of the curve fitted. Of an object whose bands were combined, its first light curve is drawn.
    """
    import numpy as np
    import pandas as pd

    from ..light_curves.source import LightCurveSource
    from ..light_curves.time_systems import time_system_of
    from ..plots.figures import plot_light_curves
    from .plot import choose_period

    rows = found.to_dict("records")
    if query is not None:
        rows = [*embeddings.describe(np.array([query])).assign(distance=0.0).to_dict("records"), *rows]
    opened = LightCurveSource.open(source, columns=columns)
    chunk = opened.find([row["object_id"] for row in rows])
    curves, _ = chunk.curves.clean()
    bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
    object_ids = chunk.object_ids.to_pylist()
    drawn: list[tuple[str, np.ndarray, np.ndarray]] = []
    labels: list[str | None] = []  # None: time
    for row in ({name: value if pd.notna(value) else None for name, value in row.items()} for row in rows):
        of_object = [number for number, object_id in enumerate(object_ids) if object_id == row["object_id"]]
        number = next((number for number in of_object if bands[number] == row.get("band")), of_object[0])
        own = slice(curves.offsets[number], curves.offsets[number + 1])
        value = "query" if "distance" in row and not drawn else f"{row.get('distance', row.get('isolation')):.2f}"
        times, magnitudes = curves.times[own], curves.magnitudes[own]
        days, epoch, said = choose_period(curves.select(np.array([number])), "auto") if len(times) else (None, None, "")
        title = ", ".join(str(part) for part in (row["object_id"], row.get("label"), bands[number], value) if part)
        if days is not None:
            assert epoch is not None  # of a period that was found
            times = (times - epoch) / days % 1
        drawn.append(("\n".join(part for part in (title, said) if part), times, magnitudes))
        labels.append(None if days is None else "phase")
    return plot_light_curves(drawn, highlight_first=query is not None, labels=labels, time_system=time_system_of(opened))
