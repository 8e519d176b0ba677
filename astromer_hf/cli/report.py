# Copyright 2026 The astromer_hf developers. MIT licence.
"""What a verb prints: text for people, or one JSON object for programs (`--json`)."""

import contextlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import replace_parameters

if TYPE_CHECKING:
    from ..inference.runner import TableReport


@dataclass(frozen=True)
class Report:
    """The result of a verb.

    Args:
        text: for people.
        facts: the same for programs; NumPy numbers, paths and NaN are translated.
        problem: why the verb fails although it has something to report.
        incomplete: what is missing in the result, though it was written.
    """

    text: str
    facts: Mapping[str, Any]
    problem: str = ""
    incomplete: str = ""


class IncompleteError(ValueError):
    """The result was written, and something is missing in it: the exit code is 3."""


def reports(verb: Callable[..., Report]) -> Callable[..., None]:
    """Print the report of a verb, and give the verb the option `--json`.

    With `--json` the report is the only thing on standard output: what the verb or a library prints goes to standard error.
    """

    @wraps(verb)
    def run(*, as_json: bool = False, **options: Any) -> None:
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            report = verb(**options)
        print(json.dumps(plain(report.facts), allow_nan=False) if as_json else report.text)
        if report.problem:
            raise ValueError(report.problem)
        if report.incomplete:
            raise IncompleteError(report.incomplete)

    annotation = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]
    return replace_parameters(run, verb, added={"as_json": False}, annotations={"as_json": annotation})


def plain(value: Any) -> Any:
    """A value as JSON has it; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def table_report(report: "TableReport", seconds: float, output: Path, rows: str = "light curves") -> Report:
    """What was written into a table; light curves without a result are named on standard error."""
    memory = peak_memory_gib()
    lines = [
        f"{report.num_objects} {rows} ({report.num_points} observations, {report.num_windows} windows) in "
        f"{seconds:.1f} s, {report.num_objects / seconds:.0f} {rows.split()[-1]}/s{peak_memory()} -> {output}"
    ]
    if report.without_result:
        shown = ", ".join(report.without_result[:10]) + (" ..." if len(report.without_result) > 10 else "")
        print(
            f"{len(report.without_result)} {rows} have no usable observation; their result is null: {shown}",
            file=sys.stderr,
        )
    facts = {
        "output": output,
        "num_objects": report.num_objects,
        "num_points": report.num_points,
        "num_windows": report.num_windows,
        "dropped_points": report.dropped_points,
        "without_result": report.without_result,
        "seconds": seconds,
        "peak_memory_gib": memory,
    }
    return Report("\n".join(lines), facts)


def peak_memory_gib() -> float | None:
    """The largest resident memory of this process so far, in GiB; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    units_per_gib = 2**30 if sys.platform == "darwin" else 2**20  # bytes on macOS, KiB elsewhere
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_gib)


def peak_memory() -> str:
    """The largest resident memory, for the end of a line."""
    memory = peak_memory_gib()
    return "" if memory is None else f", peak memory {memory:.2f} GiB"
