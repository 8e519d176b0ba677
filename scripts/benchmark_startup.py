# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure how long it takes to start: a model and its first embedding in a warm process, and the command in a cold one.

Warm: `load_model`, with its checksum, and the embedding of one light curve, in a process that has imported everything and has
done it before; the median of several. Cold: the processor time of `astromer-hf embed` on the first 100 light curves of a table,
imports included; the least of several, since other processes only add to it. What the imports of torch and transformers take by
themselves stands beside it.

Example:
    python scripts/benchmark_startup.py ../shared/data/sss_catalina_south.parquet \
        --models runs/macho_a0 model_cards/astromer-surveys-small
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from astromer_hf import embed_light_curves, load_model
from astromer_hf.cli.models import quiet_transformers
from astromer_hf.cli.numbers import count

IMPORTS = "import torch; from transformers import PreTrainedModel; import pyarrow.parquet"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="parquet file, one light curve a row")
    parser.add_argument("--models", nargs="+", required=True, help="model folders")
    parser.add_argument("--curves", type=count, default=100, help="of the command (%(default)s)")
    parser.add_argument("--points", type=count, default=150, help="observations of the warm light curve (%(default)s)")
    parser.add_argument("--repeats", type=count, default=3, help="of the command; the warm start has ten times as many")
    return parser.parse_args(argv)


def warm_milliseconds(model: str, points: int, repeats: int) -> tuple[float, float]:
    """Medians of loading a model and of the first embedding by it."""
    rng = np.random.default_rng(0)
    times, magnitudes = np.sort(rng.uniform(0, 1000, points)), rng.normal(size=points)
    loading, embedding = [], []
    for _ in range(repeats + 1):  # the first is not warm
        start = time.perf_counter()
        loaded, extractor = load_model(model)
        middle = time.perf_counter()
        embed_light_curves(loaded, times, magnitudes, feature_extractor=extractor)
        loading.append(1e3 * (middle - start))
        embedding.append(1e3 * (time.perf_counter() - middle))
    return statistics.median(loading[1:]), statistics.median(embedding[1:])


def cold_seconds(arguments: list[str], repeats: int) -> float:
    """Processor time, user and system, of a new Python with these arguments: the least of several."""
    seconds = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(seconds)


def main(args: argparse.Namespace) -> dict[str, tuple[float, float, float]]:
    quiet_transformers()
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "curves.parquet", Path(folder) / "embeddings.parquet"
        pq.write_table(pq.read_table(args.source).slice(0, args.curves), source)
        print("| model | load, warm | first embedding | `astromer-hf embed`, cold |\n|---|---|---|---|")
        for model in args.models:
            load, first = warm_milliseconds(model, args.points, 10 * args.repeats)
            embed = ["-m", "astromer_hf", "embed", str(source), "-o", str(output), "--model", model, "--quiet"]
            cold = cold_seconds(embed, args.repeats)
            measured[model] = load, first, cold
            print(f"| `{Path(model).name}` | {load:.1f} ms | {first:.1f} ms | {cold:.1f} s of processor |", flush=True)
    print(
        f"\nOf the cold start, imports of torch, transformers and pyarrow: {cold_seconds(['-c', IMPORTS], args.repeats):.1f} s."
    )
    return measured


if __name__ == "__main__":
    main(parse_args())
