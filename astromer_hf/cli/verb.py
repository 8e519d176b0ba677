# Copyright 2026 The astromer_hf developers. MIT licence.
"""How verbs are parsed and how their help looks, beyond what typer does by itself."""

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(TyperCommand):
    """A command of which options that take several values take them one after the other: `--bands g r`."""

    def __init__(self, *, help: str | None = None, **options: Any):
        # A paragraph of a docstring is a paragraph of the help, whatever the lines of the source.
        paragraphs = (help or "").split("\n\n")
        super().__init__(help="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs), **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with `--bands g r` understood as `--bands g --bands r`."""
        names = {name for parameter in self.params if getattr(parameter, "multiple", False) for name in parameter.opts}
        with of_verb(ctx):
            if not ctx.resilient_parsing:  # by which shells complete what is not finished
                args = repeat_options(args, names)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the body of the verb, which may find usage errors of its own."""
        with of_verb(ctx):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help, in colours on a terminal only."""
        choose_colours()
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """Commands under one name."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help, in colours on a terminal only."""
        choose_colours()
        super().format_help(ctx, formatter)


@contextmanager
def of_verb(ctx: Any) -> Iterator[None]:
    """Tell usage errors that do not know it which verb they are of, so that the message can name its help."""
    try:
        yield
    except typer.TyperException as error:
        if getattr(error, "ctx", ctx) is None:
            setattr(error, "ctx", ctx)  # noqa: B010 (the public type has no such field)
        raise


def show_examples(examples: Sequence[str]) -> str:
    """Commands for the end of a help text."""
    return f"{'Example' if len(examples) == 1 else 'Examples'}:\n\n" + "\n\n".join(examples)


def repeat_options(words: Sequence[str], names: Collection[str]) -> list[str]:
    """Repeat the options in `names` before each of their values, which are the words up to the next option.

    Raises:
        typer.BadParameter: an option is followed by another one and not by a value.
    """
    repeated: list[str] = []
    option, has_value = "", True
    for number, word in enumerate(words):
        if not word.startswith("-") or word == "-":
            repeated += [option, word] if option else [word]
            has_value = True
            continue
        if not has_value:
            raise typer.BadParameter("a value is missing.", param_hint=option)
        if word == "--":
            return [*repeated, *words[number:]]
        option = word if word in names else ""
        has_value = not option
        if not option:
            repeated.append(word)
    return repeated if has_value else [*repeated, option]  # at the end the parser says that the value is missing


def choose_colours() -> None:
    """No colours, and no bold text, unless standard output is a terminal; never where NO_COLOR is set (https://no-color.org).

    By itself rich keeps bold text under NO_COLOR, and typer colours the logs of continuous integration.
    """
    from typer import rich_utils

    wanted = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
    rich_utils.COLOR_SYSTEM = "auto" if wanted and not os.environ.get("NO_COLOR") else None
