# Copyright 2026 The astromer_hf developers. MIT licence.
"""Hand-crafted features of the training light curves, for an encoder to predict from a part of each light curve.

Example:
    python scripts/extract_features.py configs/astromer_surveys_small.yaml -o data/features

Writes a table a survey with `object_id`, `band` and a column a feature. A survey whose table is complete is skipped, so
that a run that was stopped goes on with the next survey. About 30 ms a light curve on one core.

Before this script stands `scripts/prepare_dataset.py`. `scripts/run_pretraining.py` and `scripts/pack_light_curves.py` read the
tables that their recipe names under `features`.
"""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import yaml

from astromer_hf.baselines.hand_crafted_features import extract_features, feature_names
from astromer_hf.cli.numbers import whole
from astromer_hf.inference.output_files import complete_or_absent
from astromer_hf.light_curves.source import iter_split
from astromer_hf.training.stars import FEATURE_PREFIX


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="recipe of scripts/run_pretraining.py, which names the surveys")
    parser.add_argument("-o", "--output", type=Path, default=Path("data/features"), help="a folder (%(default)s)")
    parser.add_argument("--jobs", type=whole(-1, 4096), default=1, help="processes; -1 for one a core (%(default)s)")
    return parser.parse_args(argv)


def count_rows(folder: Path) -> int:
    """Light curves of the training split."""
    return sum(pq.read_metadata(shard).num_rows for shard in sorted(folder.glob("train-*.parquet")))


def main(args: argparse.Namespace) -> None:
    args.output.mkdir(parents=True, exist_ok=True)
    for folder in map(Path, yaml.safe_load(args.config.read_text())["datasets"]):
        file = args.output / f"{folder.name}.parquet"
        if file.is_file() and len(pd.read_parquet(file, columns=["object_id"])) >= count_rows(folder):
            print(f"{file} is complete: skipped")
            continue
        parts = []
        for chunk in iter_split(folder, "train"):
            values, _ = extract_features(chunk.curves, num_processes=args.jobs, show_progress=True)
            names = {"object_id": chunk.object_ids.to_pandas()}
            names |= {name: chunk.annotations[name].to_pandas() for name in ("band",) if name in chunk.annotations}
            columns = [FEATURE_PREFIX + name for name in feature_names(with_brightness=False)]
            parts.append(pd.concat((pd.DataFrame(names), pd.DataFrame(values.astype("float32"), columns=columns)), axis=1))
        table = pd.concat(parts, ignore_index=True)
        with complete_or_absent(file) as partial:
            table.to_parquet(partial, index=False)
        print(f"{len(table)} light curves -> {file}")


if __name__ == "__main__":
    main(parse_args())
