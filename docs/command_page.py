# Copyright 2026 The astromer_hf developers. MIT licence.
"""The page of the command, `cli.md`, from the command itself: what its `--help` says.

`mkdocs.yml` names this file as a hook.
"""

import re
from collections.abc import Iterator
from typing import Any

from astromer_hf.cli.main import PROGRAM, VERBS, build_command
from astromer_hf.cli.options import MANY, READING
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGE = "cli.md"
ENDLESS = re.compile(rf"(\d+)<=x<={MANY}")  # a range that is there to refuse slips


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content="\n".join(write_page())))
    return files


def write_page() -> Iterator[str]:
    """The lines of the page."""
    yield f"# The command\n\n`{PROGRAM} --install-completion` completes commands and options in your shell.\n"
    yield "A failed command prints one line and exits with 1, a usage error with 2, Ctrl-C with 130. `--json` prints the"
    yield "report of a command as one JSON object. `python -m astromer_hf` is the same command.\n"
    command = build_command()
    for group, verbs in VERBS.items():
        yield f"## {group}\n"
        for name, *_ in verbs:
            verb = command.commands[name]
            yield from write_verb(f"{PROGRAM} {name}", verb)
            for kind in getattr(verb, "commands", {}).values():
                yield from write_verb(f"{PROGRAM} {name} {kind.name}", kind, "####")


def write_verb(path: str, verb: Any, heading: str = "###") -> Iterator[str]:
    """A command's help as Markdown."""
    yield f"{heading} {path}\n\n{verb.help}\n"
    examples = [line for line in (verb.epilog or "").split("\n\n") if " " in line]
    yield "```sh\n" + "\n".join(examples) + "\n```\n"
    reading: list[str] = []
    with verb.make_context(path, [], resilient_parsing=True) as context:
        for parameter in verb.params:
            if (record := parameter.get_help_record(context)) is not None:
                name, words = (
                    record[0].replace(" range>", ">"),
                    ENDLESS.sub(r"x>=\1", record[1] or ""),
                )
                line = f"- `{name}`" + (f": {words.strip()}" if words else "")
                if getattr(parameter, "rich_help_panel", None) == READING:
                    reading.append(line)
                else:
                    yield line
    if reading:  # the same for many verbs, and seldom needed: folded up
        yield f'\n??? note "{READING}"\n'
        yield from (f"    {line}" for line in reading)
    yield ""
