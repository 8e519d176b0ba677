# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure time and peak memory of `astromer-hf embed` on simulated tables of increasing size, each in a new process.

Memory must not grow with the table, and time must not grow faster than it. Times are CPU times, minus those for a table of one
light curve. Torch uses one thread unless `OMP_NUM_THREADS` says otherwise. On a busy machine several threads wait for each
other, and the waiting counts as CPU time (for 100 000 light curves a tiny model took 4 s with one thread, 8 to 36 s with two).
The light curves are short, and a few thousand of them are repeated.

Examples:
    python scripts/benchmark_memory.py --objects 10000 100000
    python scripts/benchmark_memory.py --objects 10000 100000 1000000 --tiny
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.cli.numbers import count
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table

DISTINCT = 2000


@dataclass(frozen=True)
class Measurement:
    """For one table: light curves, CPU seconds, seconds by the clock, and peak memory in GiB."""

    num_objects: int
    cpu_seconds: float
    wall_seconds: float
    peak_gib: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=count, nargs="+", default=[10_000, 100_000], help="light curves of the tables")
    parser.add_argument("--points", type=count, nargs=2, default=[20, 40], metavar=("MIN", "MAX"), help="observations of each")
    parser.add_argument("--model", help="folder or id on the Hub; the package's model when absent")
    parser.add_argument(
        "--tiny", action="store_true", help="a tiny model of random weights instead: the table's share of the cost"
    )
    parser.add_argument("--folder", type=Path, help="where the tables are written for the time of the run")
    parser.add_argument("--sharded", action="store_true", help="embed into a folder of shards")
    return parser.parse_args(argv)


def write_table(path: Path, num_objects: int, points: list[int]) -> None:
    """A table of simulated light curves, written in pieces; ids repeat."""
    survey = replace(SIMULATED_SURVEYS["macho_like"], min_points=points[0], max_points=points[1])
    piece = to_table(simulate_light_curves(min(DISTINCT, num_objects), survey=survey))
    with pq.ParquetWriter(path, piece.schema) as writer:
        for first in range(0, num_objects, len(piece)):
            writer.write_table(piece.slice(0, min(len(piece), num_objects - first)))


def measure(source: Path, num_objects: int, model: str | None, sharded: bool) -> Measurement:
    """Run the command in a process of its own.

    Raises:
        RuntimeError: it failed, or embedded another number of light curves.
    """
    output = source.with_name("out" if sharded else "out.parquet")
    command = [sys.executable, "-m", "astromer_hf.cli", "embed", str(source), "-o", str(output), "--quiet"]
    start, cpu = time.perf_counter(), _cpu_seconds_of_children()
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run([*command, *(["--model", model] if model else [])], capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    found = re.search(r"peak memory ([\d.]+) GiB", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"astromer-hf embed failed: {done.stderr or done.stdout}")
    counted = re.search(r"(\d+) light curves", done.stdout)
    if counted is None or int(counted[1]) != num_objects:
        raise RuntimeError(f"astromer-hf embed should have embedded {num_objects} light curves: {done.stdout}")
    return Measurement(num_objects, _cpu_seconds_of_children() - cpu, seconds, float(found[1]))


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(args: argparse.Namespace) -> list[Measurement]:
    print(f"{'light curves':>12} {'CPU s':>8} {'CPU µs a curve':>14} {'wall s':>8} {'peak memory, GiB':>16}")
    measurements: list[Measurement] = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        model = args.model
        if args.tiny:
            model = str(Path(folder) / "tiny")
            config = AstromerConfig(hidden_size=16, intermediate_size=8, num_hidden_layers=1)
            AstromerModel(config).save_pretrained(model)
        for num_objects in [1, *args.objects]:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                source = Path(place) / "curves.parquet"
                write_table(source, num_objects, args.points)
                done = measure(source, num_objects, model, args.sharded)
            measurements.append(done)
            each = 1e6 * (done.cpu_seconds - measurements[0].cpu_seconds) / num_objects
            row = (
                f"{num_objects:>12,} {done.cpu_seconds:>8,.1f} {each:>14,.0f} {done.wall_seconds:>8,.1f} {done.peak_gib:>16.2f}"
            )
            print(row, flush=True)
    return measurements


if __name__ == "__main__":
    main(parse_args())
