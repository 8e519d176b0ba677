# Copyright 2026 The astromer_hf developers. MIT licence.
"""Options that several verbs or scripts share; `main.py`, `plot.py` and scripts add them to their parsers."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..light_curves.columns import ReadingOptions

MODEL_OR_DEFAULT = "model folder, or model id on the Hub; the model of the package when absent"
COLUMN_ROLES = ("object_id", "mjd", "mag", "magerr", "band", "label", "flux", "flux_err", "star", "path")
ROLE_HELP = {
    "object_id": "the ids of the stars; none: the table is of one star",
    "star": "the star, where several ids are one",
    "path": "the paths of the stars' files, in a catalogue",
    "band": "the bands; none: all is one band",
}


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Options that say how a table is read."""
    for role in COLUMN_ROLES:
        what = ROLE_HELP.get(role, role)
        parser.add_argument(f"--{role.replace('_', '-')}-column", metavar="NAME", help=f"the table's column for {what}")
    parser.add_argument("--survey", metavar="NAME", help="read as of this survey, such as ztf; recognised when absent")
    parser.add_argument("--no-survey", action="store_true", help="recognise no survey")
    parser.add_argument("--keep-flagged", action="store_true", help="use points that the survey flags as bad")
    parser.add_argument("--asinh", action="store_true", help="asinh magnitudes of fluxes, which keep those around zero")
    parser.add_argument("--join-arcsec", type=float, metavar="R", help="ids nearer to each other on the sky are one star")


def column_names(args: argparse.Namespace) -> "ReadingOptions":
    """How the command line says that tables are read; the same object at every call."""
    from ..light_curves.columns import ReadingOptions

    if getattr(args, "reading", None) is None:
        args.reading = ReadingOptions(
            {role: getattr(args, f"{role}_column") for role in COLUMN_ROLES},
            survey=False if args.no_survey else args.survey,
            keep_flagged=args.keep_flagged,
            magnitudes="asinh" if args.asinh else "pogson",
            join_arcsec=args.join_arcsec,
        )
    return args.reading


def add_time_encoding(parser: argparse.ArgumentParser) -> None:
    """The option of a conversion that says which time encoding is believed."""
    parser.add_argument(
        "--time-encoding",
        choices=("effective", "as_written"),
        default="effective",
        help="base and exponent: 10000 and 2, with which the original code computes whatever its file says, or what the file "
        "says (%(default)s)",
    )
