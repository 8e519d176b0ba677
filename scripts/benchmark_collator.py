# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure how many masked training windows per second one core makes from an Arrow table in memory.

Windows are made as in training: a shuffling dataloader without workers, a random window, centring, masks. Times are CPU times
of the process, so other load on the machine does not count.

Example:
    python scripts/benchmark_collator.py --batch-sizes 64 256 1024
"""

import argparse
import itertools
import time

import pyarrow as pa
from torch.utils.data import DataLoader

from astromer_hf import AstromerFeatureExtractor
from astromer_hf.cli.numbers import count, positive
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=count, default=50_000, help="light curves in the table, of 200 to 1200 observations")
    parser.add_argument("--window-size", type=count, default=200)
    parser.add_argument("--batch-sizes", type=count, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--seconds", type=positive, default=3.0, help="how long to measure a batch size")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    few = to_table(simulate_light_curves(min(args.objects, 500)))
    table = pa.concat_tables([few] * -(-args.objects // len(few))).slice(0, args.objects).combine_chunks()
    start = time.process_time()
    dataset = InMemoryLightCurves.from_table(table)
    seconds = time.process_time() - start
    print(f"table: {len(dataset)} light curves, {dataset.curves.offsets[-1]:,} observations, taken in {seconds:.2f} s")

    collator = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(args.window_size))
    for batch_size in args.batch_sizes:
        loader = DataLoader(dataset, batch_size, shuffle=True, collate_fn=collator)
        num_windows, start = 0, time.process_time()
        for batch in itertools.chain.from_iterable(itertools.repeat(loader)):
            num_windows += len(batch["labels"])
            seconds = time.process_time() - start
            if seconds > args.seconds:
                break
        print(f"batch {batch_size:>5}: {num_windows / seconds:>9,.0f} windows of {args.window_size} a second")


if __name__ == "__main__":
    main(parse_args())
