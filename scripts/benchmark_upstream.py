# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure the original TensorFlow package's `encode`, for `benchmark_embedding.py --upstream`.

It runs in an environment of its own, which has no part of this project:

    python3.11 -m venv runs/upstream
    runs/upstream/bin/pip install tensorflow-cpu==2.15.1 "numpy<2" "pandas<3" tqdm joblib scikit-learn
    runs/upstream/bin/pip install --no-deps ASTROMER==0.1.8

Reads light curves from an npz file (`values` (P, 3): mjd, mag, magerr; `offsets` (N + 1,)) and prints, as one line of JSON, the
light curves that `SingleBandEncoder.encode` embeds a second, by batch size.
"""

import argparse
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np


def count(text: str) -> int:
    """A number of things: whole, and at least 1."""
    if not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"must be between 1 and a billion, got {text}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    if not 0 < float(text) <= 1e9:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1e9, got {text}")
    return float(text)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", type=Path, help="npz file")
    parser.add_argument("checkpoint", type=Path, help="zip file as published")
    parser.add_argument("--batch-sizes", type=count, nargs="+", default=[1, 256])
    parser.add_argument("--seconds", type=positive, default=20.0, help="about how long to measure a batch size")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    from ASTROMER.models import SingleBandEncoder

    with np.load(args.curves, allow_pickle=False) as arrays:
        values, offsets = arrays["values"], arrays["offsets"]
    curves = np.split(values.astype(np.float32), offsets[1:-1])
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(args.checkpoint) as archive:
            archive.extractall(folder)
        (weights,) = (path.parent for path in Path(folder).rglob("conf.json"))
        conf = json.loads((weights / "conf.json").read_text())
        encoder = SingleBandEncoder(
            num_layers=conf["layers"],
            d_model=conf["head_dim"],
            num_heads=conf["heads"],
            dff=conf["dff"],
            base=conf["base"],
            dropout=conf["dropout"],
            maxlen=conf["max_obs"],
        )
        encoder.load_weights(str(weights))

    def encode(count: int, batch_size: int) -> float:
        start = time.perf_counter()
        encoder.encode(curves[:count], oids_list=[str(i) for i in range(count)], batch_size=batch_size)
        return time.perf_counter() - start

    rates = {}
    for batch_size in args.batch_sizes:
        few = min(max(4, 2 * batch_size), len(curves))
        encode(few, batch_size)
        count = int(np.clip(few * args.seconds / encode(few, batch_size), 4, len(curves)))
        rates[str(batch_size)] = count / encode(count, batch_size)
        print(f"batch {batch_size}: {count} light curves", file=sys.stderr)
    print(json.dumps(rates))


if __name__ == "__main__":
    main(parse_args())
