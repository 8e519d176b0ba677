# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf simulate`."""

from dataclasses import replace
from typing import Annotated

import typer

from .options import LARGEST_SEED, OutputTable
from .report import Report, reports

EXAMPLES = (
    "astromer-hf simulate -o curves.parquet -n 100 --points 100 200",
    "astromer-hf simulate -o labelled.parquet -n 210 --survey ztf_like --seed 1",
)


@reports
def simulate(
    output: OutputTable,
    num_objects: Annotated[int, typer.Option("-n", "--num-objects", min=1, max=10**7, help="Number of light curves.")] = 100,
    survey: Annotated[str, typer.Option(help="Survey whose cadence and noise are imitated.")] = "macho_like",
    points: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="MIN MAX", help="Observations of a light curve, at least and at most. Default: the survey's."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the simulation.")] = 0,
) -> Report:
    """Simulate a table of labelled light curves, to try the other commands on."""
    import pyarrow.parquet as pq

    from ..inference.output_files import complete_or_absent
    from ..light_curves.simulation import SIMULATED_SURVEYS, SimulatedSurvey, simulate_light_curves, to_table

    if output.suffix != ".parquet":
        raise ValueError(f"The output must be a .parquet file, got {output.name}.")
    observer: str | SimulatedSurvey = survey
    if points is not None and survey in SIMULATED_SURVEYS:
        observer = replace(SIMULATED_SURVEYS[survey], min_points=points[0], max_points=points[1])
    table = to_table(simulate_light_curves(num_objects, seed=seed, survey=observer))
    with complete_or_absent(output) as partial:
        pq.write_table(table, partial)
    facts = {"output": output, "num_objects": num_objects, "survey": survey, "points": points, "seed": seed}
    return Report(f"{num_objects} simulated light curves -> {output}", facts)
