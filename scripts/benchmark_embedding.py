# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure the speed of embedding, relative to the machine and to the original package in the same run.

Three rates are measured in turn, so that changes of the machine's speed affect all of them: the largest rate of matrix products
in the same precision; the model alone, on light curves in memory; and from a parquet file to a parquet file of embeddings. The
model's operations are counted without padding, with PyTorch's `FlopCounterMode`.

Example:
    python scripts/benchmark_embedding.py ../shared/data/sss_catalina_south.parquet \
        --models runs/macho_a0 model_cards/astromer-surveys-small --upstream runs/upstream/bin/python
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from astromer_hf.cli.numbers import count
from astromer_hf.cli.report import peak_memory
from astromer_hf.hub.load import load_encoder
from astromer_hf.inference.embedding import embed_table
from astromer_hf.inference.runner import WindowRunner, map_on_cores
from astromer_hf.light_curves.source import iter_light_curves
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="parquet file, one light curve a row")
    parser.add_argument("--models", nargs="+", required=True, help="model folders, the converted released one first")
    parser.add_argument("--curves", type=count, default=4096, help="light curves from its beginning (%(default)s)")
    parser.add_argument("--repeats", type=count, default=3)
    parser.add_argument("--batch-size", type=count, help="windows a forward pass")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], choices=("float32", "bfloat16"))
    parser.add_argument("--upstream", type=Path, help="Python that has the original package, see benchmark_upstream.py")
    parser.add_argument("--checkpoint", type=Path, default=Path("../shared/reference/macho_a0.zip"), help="for --upstream")
    return parser.parse_args(argv)


@torch.inference_mode()
def product_rate(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Operations per second of matrix products on all cores: the best of a layer of the paper's width and a large square."""
    best = 0.0
    for rows, inner, columns in ((1600, 256, 256), (1600, 1024, 1024)):
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)

        def multiply(repeats: int, left: torch.Tensor = left, right: torch.Tensor = right) -> None:
            for _ in range(repeats):
                torch.mm(left, right)

        multiply(2)
        repeats = max(int(2e9 / (2 * rows * inner * columns)), 1)
        count, start = 0, time.perf_counter()
        for _ in map_on_cores(multiply, _until(start + seconds, repeats)):
            count += repeats
        best = max(best, count * 2 * rows * inner * columns / (time.perf_counter() - start))
    return best


def _until(end: float, item: Any) -> Any:
    while time.perf_counter() < end:
        yield item


def operations(model: Any, lengths: np.ndarray) -> float:
    """Floating-point operations of windows of these lengths without padding."""
    total = 0.0
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):  # the fused kernel is not counted
        for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
            window = torch.linspace(-1, 1, int(length))[None]
            with FlopCounterMode(display=False) as counter:
                model(window, window.float() * 500)
            total += count * counter.get_total_flops()
    return total


def seconds_of(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def upstream_rates(args: argparse.Namespace, curves: RaggedLightCurves, folder: Path) -> dict[str, float]:
    """Light curves a second of the original package, by batch size."""
    errors = np.zeros_like(curves.times) if curves.magnitude_errors is None else np.nan_to_num(curves.magnitude_errors)
    values = np.stack((curves.times, curves.magnitudes, errors), axis=1)
    np.savez(folder / "curves.npz", values=values, offsets=curves.offsets)
    script = Path(__file__).with_name("benchmark_upstream.py")
    command = [str(args.upstream), str(script), str(folder / "curves.npz"), str(args.checkpoint)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout.decode()
    return json.loads(printed.strip().splitlines()[-1])


def main(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    rates: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "curves.parquet"
        pq.write_table(pq.read_table(args.source).slice(0, args.curves), source)
        chunks = [chunk.curves.clean()[0] for chunk in iter_light_curves(source)]
        curves = RaggedLightCurves.concatenate(chunks)
        print(
            f"{args.source.name}: {len(curves)} light curves, median {np.median(curves.lengths):.0f} observations; "
            f"{torch.get_num_threads()} cores"
        )
        for name in args.models:
            model, extractor = load_encoder(name, None, "cpu", "float32")
            windows = [WindowRunner(model, extractor).cut(chunk) for chunk in chunks]
            num_windows = sum(len(length) for _, _, length in windows)
            per_curve = operations(model, np.concatenate([length for _, _, length in windows])) / len(curves)
            for dtype in args.dtypes:
                model, extractor = load_encoder(name, None, "cpu", dtype)
                runner = WindowRunner(model, extractor, args.batch_size)

                def model_alone(runner: WindowRunner = runner, windows: list[Any] = windows) -> None:
                    for chunk, cut in zip(chunks, windows, strict=True):
                        for _, outputs in runner.iter_outputs(chunk, cut):
                            outputs.pooler_output.float().numpy()

                def end_to_end(model: Any = model, extractor: Any = extractor) -> None:
                    output = Path(folder) / "embeddings.parquet"
                    options = {"feature_extractor": extractor, "batch_size": args.batch_size, "show_progress": False}
                    embed_table(source, output, model, **options)

                model_alone()
                product, alone, whole = [], [], []
                for _ in range(args.repeats):
                    product.append(product_rate(getattr(torch, dtype)))
                    alone.append(len(curves) / seconds_of(model_alone))
                    whole.append(len(curves) / seconds_of(end_to_end))
                share = statistics.median(rate * per_curve / best for rate, best in zip(alone, product, strict=True))
                kept = statistics.median(through / rate for through, rate in zip(whole, alone, strict=True))
                rates[f"{Path(name).name} {dtype}"] = row = {
                    "product": statistics.median(product),
                    "model_alone": statistics.median(alone),
                    "end_to_end": statistics.median(whole),
                    "share_of_product": share,
                    "share_of_model_alone": kept,
                }
                print(
                    f"{Path(name).name}, {dtype}: end to end {row['end_to_end']:.0f} light curves/s, {kept:.0%} of the model "
                    f"alone, {row['model_alone']:.0f} ({row['model_alone'] * num_windows / len(curves):.0f} windows/s, "
                    f"{row['model_alone'] * per_curve / 1e9:.0f} GFLOP/s); that is {share:.0%} of the matrix product's "
                    f"{row['product'] / 1e9:.0f} GFLOP/s",
                    flush=True,
                )
        if args.upstream:
            first = next(iter(rates.values()))
            for batch_size, rate in upstream_rates(args, curves, Path(folder)).items():
                print(
                    f"upstream's encode, batch {batch_size}: {rate:.1f} light curves/s; {Path(args.models[0]).name} end to end "
                    f"is {first['end_to_end'] / rate:.1f} times as fast"
                )
    print(f"in one process{peak_memory()}")
    return rates


if __name__ == "__main__":
    main(parse_args())
