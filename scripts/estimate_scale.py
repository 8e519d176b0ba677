# Copyright 2026 The astromer_hf developers. MIT licence.
"""Estimate how long a survey takes at a measured rate: the table of docs/scale.md.

Examples:
    python scripts/estimate_scale.py --curves-per-second 116
    python scripts/estimate_scale.py --curves-per-second 116 5000 --names "2 CPU cores" "one GPU" --processes 1 8 64
"""

import argparse
from dataclasses import dataclass

from astromer_hf.cli.numbers import count, positive

EMBEDDING_BYTES = 256 * 4


@dataclass(frozen=True)
class Workload:
    """Light curves that are embedded once, or every night.

    Args:
        name: in the table.
        num_curves: light curves, one per band.
        hours: time limit; None if there is none.
    """

    name: str
    num_curves: float
    hours: float | None = None


WORKLOADS = (
    Workload("ZTF, all light curves (1e9)", 1e9),
    Workload("Rubin, a night's alerts (1e7 in 10 h)", 1e7, hours=10),
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--curves-per-second", type=positive, nargs="+", required=True, metavar="R", help="of one process, measured"
    )
    parser.add_argument("--names", nargs="+", help="of what the rates were measured on, as many as there are rates")
    parser.add_argument("--processes", type=count, nargs="+", default=[1, 64], help="how many share the work")
    args = parser.parse_args(argv)
    if min(args.curves_per_second) <= 0 or min(args.processes) < 1:
        parser.error("rates must be positive, and processes at least 1")
    if args.names and len(args.names) != len(args.curves_per_second):
        parser.error(f"{len(args.curves_per_second)} rates need as many names, got {len(args.names)}")
    return args


def describe_duration(hours: float) -> str:
    """A duration in the largest unit in which it is above two."""
    for unit, length in (("years", 24 * 365.25), ("days", 24), ("hours", 1), ("minutes", 1 / 60)):
        if hours >= 2 * length:
            return f"{hours / length:.3g} {unit}"
    return f"{hours * 3600:.3g} seconds"


def main(args: argparse.Namespace) -> list[str]:
    """Print the table in Markdown, and return it."""
    names = args.names or [f"{rate:g} curves/s" for rate in args.curves_per_second]
    titles = [f"{count} process{'es' * (count > 1)}" for count in args.processes]
    lines = [
        f"| | one process, curves/s | {' | '.join(titles)} | processes to keep up | embeddings |",
        f"|---{'|---' * (len(titles) + 3)}|",
    ]
    for workload in WORKLOADS:
        size = f"{workload.num_curves * EMBEDDING_BYTES / 1e9:,.3g} GB"
        for name, rate in zip(names, args.curves_per_second, strict=True):
            times = [describe_duration(workload.num_curves / rate / count / 3600) for count in args.processes]
            needed = "–"
            if workload.hours is not None:
                needed = str(max(1, -int(-workload.num_curves // (rate * workload.hours * 3600))))
            lines.append(f"| {workload.name}, {name} | {rate:,.0f} | {' | '.join(times)} | {needed} | {size} |")
    print("\n".join(lines))
    return lines


if __name__ == "__main__":
    main(parse_args())
