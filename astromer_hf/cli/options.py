# Copyright 2026 The astromer_hf developers. MIT licence.
"""Options that several verbs or scripts share; `main.py`, `plot.py` and scripts add them to their parsers."""

import argparse

MODEL_OR_DEFAULT = "model folder, or model id on the Hub; the model of the package when absent"
COLUMN_ROLES = ("object_id", "mjd", "mag", "magerr", "band", "label")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Options that name a table's columns."""
    for role in COLUMN_ROLES:
        parser.add_argument(f"--{role.replace('_', '-')}-column", metavar="NAME", help=f"the table's column for {role}")


def column_names(args: argparse.Namespace) -> dict[str, str | None]:
    """The columns that the command line names."""
    return {role: getattr(args, f"{role}_column") for role in COLUMN_ROLES}


def add_time_encoding(parser: argparse.ArgumentParser) -> None:
    """The option of a conversion that says which time encoding is believed."""
    parser.add_argument(
        "--time-encoding",
        choices=("effective", "as_written"),
        default="effective",
        help="base and exponent: 10000 and 2, with which the original code computes whatever its file says, or what the file "
        "says (%(default)s)",
    )
