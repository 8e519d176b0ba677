# Copyright 2026 The astromer_hf developers. MIT licence.
"""The command `astromer-hf`: its verbs in groups, its exit codes and its errors.

Every verb is a function in a file of its own, listed in `VERBS`. Neither this file nor theirs imports anything heavy: the
command line is parsed first, and only the body of a verb imports torch and transformers (see also `astromer_hf/__init__.py`).
"""

import logging
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from .. import __version__
from . import card, check, classify, convert, embed, env, export, fit, inspect, neighbors, periods, plot, push, simulate
from .report import IncompleteError
from .verb import Group, Verb, show_examples

PROGRAM = "astromer-hf"
# Groups of the help, and in each the verbs: name, function, examples.
VERBS: dict[str, list[tuple[str, Any, tuple[str, ...]]]] = {
    "Use": [
        ("inspect", inspect.inspect, inspect.EXAMPLES),
        ("embed", embed.embed, embed.EXAMPLES),
        ("classify", classify.classify, classify.EXAMPLES),
        ("neighbors", neighbors.neighbors, neighbors.EXAMPLES),
        ("periods", periods.periods, periods.EXAMPLES),
        ("plot", plot.plot, ()),
        ("simulate", simulate.simulate, simulate.EXAMPLES),
    ],
    "Learn": [("fit", fit.fit, fit.EXAMPLES)],
    "Share": [
        ("card", card.card, card.EXAMPLES),
        ("check", check.check, check.EXAMPLES),
        ("push", push.push, push.EXAMPLES),
    ],
    "Convert": [
        ("convert", convert.convert, convert.EXAMPLES),
        ("export", export.export, export.EXAMPLES),
    ],
    "Help": [("env", env.env, env.EXAMPLES)],
}
ALIASES = {"few-shot": "fit"}  # former names, which still work and which the help does not list


def print_version(wanted: bool) -> None:
    """`--version`."""
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


def start(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Embed and classify astronomical light curves with ASTROMER."""


@cache
def build_command() -> Any:
    """The command with all of its verbs."""
    app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode="rich")
    app.callback(
        epilog=f"{show_examples(embed.EXAMPLES[:1])}\n\n{PROGRAM} COMMAND --help describes a command and shows examples."
    )(start)
    for group, verbs in VERBS.items():
        for name, run, examples in verbs:
            if isinstance(run, typer.Typer):
                app.add_typer(run, name=name, rich_help_panel=group)
                continue
            app.command(name, cls=Verb, epilog=show_examples(examples), rich_help_panel=group)(run)
            for alias in (alias for alias, of in ALIASES.items() if of == name):
                app.command(alias, cls=Verb, epilog=show_examples(examples), hidden=True)(run)
    return get_command(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: it is done. 1: it failed. 2: the command line is wrong. 3: it is done, but for objects that could not be read, which the
    report names. 130: Ctrl-C. Whatever is not 0 comes with one line on standard
    error; only a mistake of this package prints a traceback.
    """
    logging.basicConfig(format="%(message)s")
    try:
        status = build_command().main(args=argv, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        message = describe_usage_error(error)  # empty where the help was printed for want of a verb
        return fail(message, error.exit_code) if message else error.exit_code
    except BrokenPipeError:  # whoever read our output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ImportError) as error:
        return fail(str(error), 3 if isinstance(error, IncompleteError) else 1)
    except (MemoryError, RuntimeError) as error:
        if (what := describe_lack_of_memory(error)) is None:
            raise
        return fail(what, 1)
    except KeyboardInterrupt:  # outside of what typer runs
        status = 130
    if status == 130:  # what typer makes of Ctrl-C
        print("interrupted; incomplete output was removed", file=sys.stderr)
    return status if isinstance(status, int) else 0


def fail(message: str, status: int) -> int:
    """Print an error as one line."""
    print("error:", " ".join(line.strip() for line in message.splitlines() if line.strip()), file=sys.stderr)
    return status


def describe_lack_of_memory(error: BaseException) -> str | None:
    """What to do where memory was not enough; None for any other error. torch raises `RuntimeError` for most of them."""
    words = ("out of memory", "DefaultCPUAllocator", "not enough memory", "can't allocate memory")
    if not isinstance(error, MemoryError) and not any(word in str(error) for word in words):
        return None
    first = next(iter(str(error).splitlines()), "").strip().rstrip(".")
    return (
        f"The memory is not enough{f' ({first})' if first else ''}: lower --batch-size, or give fewer light curves at a time."
    )


def describe_usage_error(error: typer.TyperException) -> str:
    """What is wrong with the command line, a guess of what was meant, and where its help is."""
    message = error.format_message()
    if not message:
        return ""
    if possibilities := getattr(error, "possibilities", None):
        message = f"{error.message}. Did you mean {' or '.join(possibilities)}?"
    context = getattr(error, "ctx", None)
    message += "" if message.endswith((".", "?")) else "."
    return message if context is None else f"{message} See {context.command_path} --help."


if __name__ == "__main__":
    sys.exit(main())
