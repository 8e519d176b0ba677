# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf periods`: the period of every star, without a model."""

import sys
import time
from typing import Annotated

import typer

from .options import Columns, OutputTable, Quiet, Table, with_columns
from .report import Report, reports

EXAMPLES = (
    "astromer-hf periods curves.parquet -o periods.parquet",
    "astromer-hf periods two_bands.csv -o periods.parquet --processes 4",
)


@reports
@with_columns
def periods(
    source: Table,
    output: OutputTable,
    columns: Columns,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, max=4096, metavar="N", help="Number of processes. Default: one per core; one for few light curves."
        ),
    ] = None,
    quiet: Quiet = False,
) -> Report:
    """Find the period of every light curve.

    The output has a row for each star and band, since bands are never mixed: period in days, its false-alarm probability,
    amplitude, epochs of maximum and minimum light, and the alternatives: half, double, aliases of one day, and
    a period near whole cycles a day that was left out because a slow trend looks the same.
    """
    from ..inference.period_tables import find_periods

    started = time.perf_counter()
    found = find_periods(source, output, columns=columns, num_processes=processes or -1, show_progress=not quiet)
    seconds = time.perf_counter() - started
    if found.without_period:
        shown = "; ".join(f"{name}: {why}" for name, why in list(found.without_period.items())[:10])
        more = " ..." if len(found.without_period) > 10 else ""
        print(f"{len(found.without_period)} light curves have no period: {shown}{more}", file=sys.stderr)
    text = (
        f"{found.num_light_curves} light curves, {found.num_significant} with a significant period (false-alarm probability "
        f"below 0.1 %), in {seconds:.1f} s -> {output}"
    )
    facts = {
        "output": output,
        "num_light_curves": found.num_light_curves,
        "num_significant": found.num_significant,
        "without_period": found.without_period,
        "seconds": seconds,
    }
    return Report(text, facts)
