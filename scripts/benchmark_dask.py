# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure what Dask and LSDB cost: a catalogue embedded by worker processes, beside `embed_table` on the same light curves.

A scheduler and its workers run as processes of their own, as on a cluster, one thread a worker. Both ways read from disk and
write to disk, in turns, and the models are loaded before. `embed_table` has as many threads as there are workers. The memory of
the scheduler is read after every turn: it must not grow with the partitions that have passed.

Example:
    python scripts/benchmark_dask.py ../shared/data/sss_catalina_south.parquet --curves 1024 --workers 2
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch

from astromer_hf.cli.numbers import count
from astromer_hf.hub.load import default_model_folder, load_encoder
from astromer_hf.inference.catalogs import embed_catalog, worker_embedder
from astromer_hf.inference.embedding import embed_table
from astromer_hf.light_curves.source import iter_light_curves

QUICKLY: dict[str, Any] = {"progress_bar": False, "should_write_skymap": False, "create_per_partition_statistics": False}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="parquet file, one light curve a row")
    parser.add_argument("--model", type=Path, help="folder; the package's model when absent")
    parser.add_argument("--curves", type=count, default=1024, help="light curves from its beginning (%(default)s)")
    parser.add_argument("--workers", type=count, default=2)
    parser.add_argument("--partitions", type=count, default=8, help="of the catalogue, about (%(default)s)")
    parser.add_argument("--repeats", type=count, default=3)
    return parser.parse_args(argv)


def write_catalog(source: Path, folder: Path, num_partitions: int) -> Any:
    """The light curves of a table as a HATS catalogue on disk, at places on the sky that mean nothing."""
    import lsdb
    import nested_pandas as npd

    rng = np.random.default_rng(0)
    objects, rows = [], []
    for chunk in iter_light_curves(source):
        curves = chunk.curves
        objects.append(pd.DataFrame({"ra": rng.uniform(0, 360, len(curves)), "dec": rng.uniform(-80, 80, len(curves))}))
        index = curves.object_index + sum(len(frame) for frame in objects[:-1])
        rows.append(pd.DataFrame({"mjd": curves.times, "mag": curves.magnitudes}, index=index))
    frame = npd.NestedFrame(pd.concat(objects, ignore_index=True)).join_nested(pd.concat(rows), "lightcurve")
    options: dict[str, Any] = {"ra_column": "ra", "dec_column": "dec", "catalog_name": "curves", "should_generate_moc": False}
    lsdb.from_dataframe(frame, partition_rows=max(len(frame) // num_partitions, 1), **options).write_catalog(folder, **QUICKLY)
    return lsdb.open_catalog(folder)


@contextmanager
def cluster(num_workers: int, folder: Path) -> Iterator[Any]:
    """The client of a scheduler and workers in processes of their own."""
    from distributed import Client

    file = folder / "scheduler.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    starts = (
        ["scheduler", "--port", "0", "--host", "127.0.0.1", "--idle-timeout", "300"],
        ["worker", "--nthreads", "1", "--nworkers", str(num_workers), "--death-timeout", "60"],
    )
    processes = []
    try:
        for start in starts:
            command = [sys.executable, "-m", "dask", *start, "--no-dashboard", "--scheduler-file", str(file)]
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        with Client(scheduler_file=str(file), timeout=120) as client:
            client.wait_for_workers(num_workers, timeout=120)
            yield client
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(60)


def memory_of_this_process() -> float:
    """GiB in use."""
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**30


def main(args: argparse.Namespace) -> dict[str, list[float]]:
    torch.set_num_threads(args.workers)
    model = str((args.model or default_model_folder()).resolve())

    def load() -> None:
        torch.set_num_threads(1)
        worker_embedder(model)

    measured: dict[str, list[float]] = {"plain": [], "dask": [], "scheduler_gib": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "curves.parquet"
        pq.write_table(pq.read_table(args.source).slice(0, args.curves), source)
        catalog = write_catalog(source, folder / "catalog", args.partitions)
        encoder, extractor = load_encoder(model, None, "cpu", "float32")
        with cluster(args.workers, folder) as client:
            client.run(load)
            for turn in range(args.repeats):
                start = time.perf_counter()
                output = folder / "embeddings.parquet"
                embed_table(source, output, encoder, feature_extractor=extractor, show_progress=False)
                measured["plain"].append(time.perf_counter() - start)
                start = time.perf_counter()
                embed_catalog(catalog, model=model).write_catalog(folder / f"embedded-{turn}", **QUICKLY)
                measured["dask"].append(time.perf_counter() - start)
                measured["scheduler_gib"].append(client.run_on_scheduler(memory_of_this_process))
    ratio = min(measured["dask"]) / min(measured["plain"])
    scheduler = ", ".join(f"{gib:.3f}" for gib in measured["scheduler_gib"])
    print("| way | curves/s | time, of plain |\n|---|---|---|")
    print(f"| `embed_table`, {args.workers} threads | {args.curves / min(measured['plain']):.0f} | 1.00 |")
    print(f"| `embed_catalog`, {catalog.npartitions} partitions, {args.workers} workers | ", end="")
    print(f"{args.curves / min(measured['dask']):.0f} | {ratio:.2f} |\n")
    print(f"Memory of the scheduler after each turn: {scheduler} GiB.")
    return measured


if __name__ == "__main__":
    main(parse_args())
