# Copyright 2026 The astromer_hf developers. MIT licence.
"""Arguments and options that several verbs share, as annotations; the verbs' files use them."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

T = TypeVar("T")
# Role -> what its column holds, for the help.
COLUMN_ROLES = {
    "object_id": "ids of the stars; none where all is one star",
    "mjd": "times",
    "mag": "magnitudes",
    "magerr": "errors of the magnitudes",
    "band": "bands; none where all is one band",
    "label": "labels",
    "flux": "fluxes, in place of magnitudes",
    "flux_err": "errors of the fluxes",
    "star": "stars, where several ids are of one star",
    "path": "paths of the stars' files, in a catalogue",
}
Columns = dict[str, str | None]  # and how the rest is read: `light_curves.columns.ReadingOptions`
READING = "How a table is read"

# --- Values ---

# Every number has a range: what lies outside is a slip, which would end in an error of a library, or in no end at all.
MANY = 10**9
LARGEST_SEED = 2**32 - 1
LARGEST_REAL = 1e9


def positive(value: float | None) -> float | None:
    """Refuse an option's number unless it is above 0, and not absurdly large."""
    if value is not None and not 0 < value <= LARGEST_REAL:
        raise typer.BadParameter(f"must be positive and at most {LARGEST_REAL:g}, got {value:g}.")
    return value


def fraction(value: float) -> float:
    """Refuse an option's number unless it lies in [0, 1)."""
    if not 0 <= value < 1:
        raise typer.BadParameter(f"must be at least 0 and less than 1, got {value:g}.")
    return value


def likely(value: float | None) -> float | None:
    """Refuse an option's number unless it lies in [0.5, 0.99], for which classifiers are calibrated."""
    if value is not None and not 0.5 <= value <= 0.99:
        raise typer.BadParameter(f"must be between 0.5 and 0.99, got {value:g}.")
    return value


# --- Pictures ---

Width = Annotated[
    Literal["column", "page"] | None,
    typer.Option(help="Width of a picture in a journal, 88 or 180 mm, with its font sizes. Default: for a screen."),
]

# --- Tables ---

# Not a `Path`, which takes the address of a dataset of the Hub apart.
Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        path_type=str,
        help="Light curves: a file of any format, a folder, an archive or a pattern; or a dataset of the Hub, "
        "hf://datasets/ORG/NAME or ORG/NAME.",
    ),
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


READING_OPTIONS = {
    "survey": Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=READING, help="Read as of this survey, such as ztf. Default: recognised."),
    ],
    "no_survey": Annotated[bool, typer.Option("--no-survey", rich_help_panel=READING, help="Recognise no survey.")],
    "keep_flagged": Annotated[
        bool, typer.Option("--keep-flagged", rich_help_panel=READING, help="Use points that the survey flags as bad.")
    ],
    "asinh": Annotated[
        bool,
        typer.Option("--asinh", rich_help_panel=READING, help="Asinh magnitudes of fluxes, which keep those around zero."),
    ],
    "join_arcsec": Annotated[
        float | None,
        typer.Option(
            metavar="R", callback=positive, rich_help_panel=READING, help="Ids nearer to each other on the sky are one star."
        ),
    ],
    "split": Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=READING, help="Split of a dataset, if it has several.")
    ],
    "subset": Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=READING, help="Subset of a dataset, if it has several.")
    ],
}


def with_columns(verb: Callable[..., T]) -> Callable[..., T]:
    """Add the options that say how a table is read to a verb, which receives them together as `columns`.

    The report of the verb ends with one line a file of what was read. A verb fails where no point could be used. The error of
    a table that cannot be read ends with the command that looks at it.
    """

    @wraps(verb)
    def run(**options: Any) -> T:
        from ..light_curves.reading import ReadingOptions

        named = {role: options.pop(f"{role}_column") for role in COLUMN_ROLES}
        survey, is_off, keep, asinh, join, split, subset = (options.pop(name) for name in READING_OPTIONS)
        columns = ReadingOptions(
            named,
            survey=False if is_off else survey,
            keep_flagged=keep,
            magnitudes="asinh" if asinh else "pogson",
            join_arcsec=join,
            split=split,
            subset=subset,
        )
        try:
            result = verb(**options, columns=columns)
        except ValueError as error:
            from ..light_curves.columns import TableError

            path = next((options[name] for name in ("source", "curves") if options.get(name)), None)
            if not isinstance(error, TableError) or path is None or verb.__name__ == "inspect":
                raise
            if not Path(path).exists() and split is None:  # of a dataset of the Hub of which that much was not found
                raise
            typed = as_typed(path) if Path(path).is_file() else as_typed(path, split, subset)
            raise TableError(f"{error} To see how it is read: astromer-hf inspect {typed}") from error
        return tell_sources(result, columns.sources)

    added: dict[str, Any] = {f"{role}_column": None for role in COLUMN_ROLES}
    annotations: dict[str, Any] = {
        f"{role}_column": Annotated[
            str | None, typer.Option(metavar="NAME", rich_help_panel=READING, help=f"Column of {what}. Default: recognised.")
        ]
        for role, what in COLUMN_ROLES.items()
    }
    added |= {"survey": None, "no_survey": False, "keep_flagged": False, "asinh": False, "join_arcsec": None}
    added |= {"split": None, "subset": None}
    return replace_parameters(run, verb, without=("columns",), added=added, annotations=annotations | READING_OPTIONS)


def as_typed(source: str | Path, split: str | None = None, subset: str | None = None) -> str:
    """A source as it is typed in a shell."""
    options = [word for name, value in (("--split", split), ("--subset", subset)) if value for word in (name, value)]
    return shlex.join([str(source), *options])


def tell_sources(result: Any, sources: list[Any]) -> Any:
    """The report of a verb with one line for each source that it read; of a verb that draws, the lines are printed."""
    ledgers = {source.path or source.name: source.ledger for source in sources if source.ledger.num_light_curves}.values()
    lines = [ledger.line for ledger in ledgers]
    problem = "" if not ledgers or any(ledger.points_used for ledger in ledgers) else f"no point could be used. {lines[0]}"
    incomplete = "; ".join(ledger.unreadable_line for ledger in ledgers if ledger.unreadable)
    if hasattr(result, "facts"):
        facts = {**result.facts, **({"sources": [ledger.to_dict() for ledger in ledgers]} if ledgers else {})}
        return replace(
            result, text="\n".join([result.text, *lines]), facts=facts, problem=result.problem or problem, incomplete=incomplete
        )
    if lines:
        print("\n".join(lines))
    if problem:
        raise ValueError(problem)
    return result  # a picture, which is still to be saved


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
    Literal["float32", "bfloat16", "float16", "auto"],
    typer.Option(
        help="Precision of the weights and of the computation; auto takes bfloat16 where the device is faster in it and the "
        "embeddings stay within 1 % of their length."
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1, max=10**6, metavar="WINDOWS", help="Windows per forward pass. Default: 1600 observations on a CPU, 256 on a GPU."
    ),
]
Periods = Annotated[
    bool,
    typer.Option("--periods", help="Add the columns of astromer-hf periods: period, significance, alternatives."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")]
DropoutPasses = Annotated[
    int | None, typer.Option(min=2, max=10_000, metavar="N", help="Estimate the spread from N passes with dropout.")
]
