# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure light curves per second: an exported encoder under ONNX Runtime, one by one and batched, and PyTorch batched.

All run in one process on the same light curves, in turns, so that other load on the machine affects all of them. An alert
broker calls a model for one curve at a time; tables are embedded in batches.

Example:
    python scripts/benchmark_onnx.py ../shared/data/sss_catalina_south.parquet --objects 200 --threads 2
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astromer_hf.cli.numbers import count
from astromer_hf.hub.load import default_model_folder, load_encoder
from astromer_hf.inference.embedding import LightCurveEmbedder
from astromer_hf.inference.onnx_export import OnnxEncoder, export_onnx
from astromer_hf.light_curves.source import iter_light_curves


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="parquet or CSV table of light curves")
    parser.add_argument("--model", help="folder or id on the Hub; the package's model when absent")
    parser.add_argument("--onnx", type=Path, help="its exported file; made for the occasion when absent")
    parser.add_argument("--objects", type=count, default=200, help="light curves to embed, the first of the table")
    parser.add_argument("--batch-size", type=count, help="windows; those of the package when absent")
    parser.add_argument("--threads", type=count, default=torch.get_num_threads(), help="of torch and of ONNX Runtime")
    parser.add_argument("--repeats", type=count, default=3)
    return parser.parse_args(argv)


def measure_rates(ways: dict[str, Any], curves: Any, repeats: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Curves per second of each method, the best of `repeats` turns, and its embeddings."""
    few = curves.select(np.arange(2))
    results, seconds = {}, dict.fromkeys(ways, float("inf"))
    for embed in ways.values():
        embed(few)
    for _ in range(repeats):
        for name, embed in ways.items():
            start = time.perf_counter()
            results[name] = embed(curves)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return {name: len(curves) / duration for name, duration in seconds.items()}, results


def one_at_a_time(embedder: LightCurveEmbedder, curves: Any) -> np.ndarray:
    """One call per light curve, with all of its windows."""
    single = [curves.select(np.array([i])) for i in range(len(curves))]
    return np.concatenate([embedder.embed(curve).object_embeddings for curve in single])


def main(args: argparse.Namespace) -> dict[str, float]:
    torch.set_num_threads(args.threads)
    name = args.model or str(default_model_folder())
    model, extractor = load_encoder(name, None, "cpu", "float32")
    with tempfile.TemporaryDirectory() as folder:
        file = args.onnx or Path(folder) / "model.onnx"
        if args.onnx is None:
            export_onnx(model, file, name=name)
        encoder = OnnxEncoder(file, num_threads=args.threads)
    curves = next(iter_light_curves(args.source, objects_per_chunk=args.objects)).curves
    ours = LightCurveEmbedder(model, extractor, args.batch_size)
    batch_size = ours.runner.batch_size
    exported = LightCurveEmbedder(encoder, extractor, batch_size)
    ways = {
        "ONNX Runtime, one at a time": lambda curves: one_at_a_time(exported, curves),
        f"ONNX Runtime, batches of {batch_size}": lambda curves: exported.embed(curves).object_embeddings,
        "PyTorch, one at a time": lambda curves: one_at_a_time(ours, curves),
        f"PyTorch, batches of {batch_size}": lambda curves: ours.embed(curves).object_embeddings,
    }
    rates, results = measure_rates(ways, curves, args.repeats)
    first = next(iter(rates))
    print(f"{name}, {len(curves)} light curves of {np.median(curves.lengths):.0f} observations, {args.threads} threads")
    for way, rate in rates.items():
        difference = np.nanmax(np.abs(results[way] - results[first]))
        print(f"{way:<32} {rate:8.1f} curves/s, {rate / rates[first]:5.2f} times the first, embeddings within {difference:.1e}")
    return rates


if __name__ == "__main__":
    main(parse_args())
