# Copyright 2026 The astromer_hf developers. MIT licence.
"""Arguments and options that several verbs share, as annotations; the verbs' files use them."""

import math
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

T = TypeVar("T")
COLUMN_ROLES = ("object_id", "mjd", "mag", "magerr", "band", "label")
Columns = dict[str, str | None]

# --- Values ---


def positive(value: float | None) -> float | None:
    """Refuse an option's number unless it is above 0 and finite."""
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter(f"must be positive, got {value:g}.")
    return value


def fraction(value: float) -> float:
    """Refuse an option's number unless it lies in [0, 1)."""
    if not 0 <= value < 1:
        raise typer.BadParameter(f"must be at least 0 and less than 1, got {value:g}.")
    return value


# --- Tables ---

Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Light curves: a parquet or CSV table, or a folder of parquet shards.")
]
OutputTable = Annotated[Path, typer.Option("-o", "--output", help="Parquet file to write.")]
CombineBands = Annotated[
    Literal["mean", "concat"] | None,
    typer.Option(
        help="Combine the bands of an object into one row: take the mean over its bands, or concatenate their embeddings."
    ),
]
Bands = Annotated[
    list[str] | None,
    typer.Option(
        metavar="BAND ...",
        help="Bands to combine, in this order. Default: all bands of the table (mean), the model's (concat).",
    ),
]


def with_columns(verb: Callable[..., T]) -> Callable[..., T]:
    """Add the options that name a table's columns to a verb, which receives them together as `columns`."""

    @wraps(verb)
    def run(**options: Any) -> T:
        columns: Columns = {role: options.pop(f"{role}_column") for role in COLUMN_ROLES}
        return verb(**options, columns=columns)

    added = {
        f"{role}_column": Annotated[
            str | None, typer.Option(metavar="NAME", help=f"Column of {role}, if its name is not a usual one.")
        ]
        for role in COLUMN_ROLES
    }
    return replace_parameters(run, verb, without=("columns",), added=dict.fromkeys(added), annotations=added)


def replace_parameters(
    run: Callable[..., T],
    verb: Callable[..., Any],
    *,
    without: tuple[str, ...] = (),
    added: dict[str, Any],
    annotations: dict[str, Any],
) -> Callable[..., T]:
    """Give `run` the parameters of `verb`, less some, and more: name -> default (`Parameter.empty`: required)."""
    before = signature(verb)
    own = [parameter for name, parameter in before.parameters.items() if name not in without]
    extra = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotations[name])
        for name, default in added.items()
    ]
    keyword_only = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = before.replace(parameters=[*keyword_only, *extra])  # type: ignore[attr-defined]
    run.__annotations__ = {}  # typer reads the signature; it would evaluate these, and a result's type is not imported
    return run


# --- Models ---

Model = Annotated[
    str | None,
    typer.Option(
        help="Model folder, or model id on the Hub. Default: the model that comes with the package.", show_default=False
    ),
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.")]
Precision = Annotated[
    Literal["float32", "bfloat16", "float16"], typer.Option(help="Precision of the weights and of the computation.")
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="WINDOWS", help="Windows per forward pass. Default: 8 on a CPU, 256 on a GPU.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")]
DropoutPasses = Annotated[int | None, typer.Option(min=2, metavar="N", help="Estimate the spread from N passes with dropout.")]
