# Copyright 2026 The astromer_hf developers. MIT licence.
"""Hand-crafted features of the training light curves, for an encoder to predict from a part of each light curve.

Example:
    python scripts/extract_features.py configs/astromer_surveys_small.yaml -o data/features

Writes a table a survey with `object_id`, `band` and a column a feature. The table is saved after every part of the survey, and
light curves that stand in it are skipped, so that a run that was stopped goes on. About 30 ms a light curve on one core.

Before this script stands `scripts/prepare_dataset.py`. `scripts/run_pretraining.py` and `scripts/pack_light_curves.py` read the
tables that their recipe names under `features`.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
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


def main(args: argparse.Namespace) -> None:
    args.output.mkdir(parents=True, exist_ok=True)
    columns = [FEATURE_PREFIX + name for name in feature_names(with_brightness=False)]
    for folder in map(Path, yaml.safe_load(args.config.read_text())["datasets"]):
        file = args.output / f"{folder.name}.parquet"
        table = pd.read_parquet(file) if file.is_file() else pd.DataFrame()
        num_added = 0
        for chunk in iter_split(folder, "train"):
            keys = pd.DataFrame({"object_id": chunk.object_ids.to_pandas()})
            if "band" in chunk.annotations:
                keys["band"] = chunk.annotations["band"].to_pandas()
            missing = np.arange(len(keys))
            if len(table):
                missing = np.flatnonzero(~pd.MultiIndex.from_frame(keys).isin(pd.MultiIndex.from_frame(table[list(keys)])))
            if not len(missing):
                continue
            values, _ = extract_features(chunk.curves.select(missing), num_processes=args.jobs, show_progress=True)
            features = pd.DataFrame(values.astype("float32"), columns=columns)
            added = pd.concat((keys.iloc[missing].reset_index(drop=True), features), axis=1)
            table, num_added = pd.concat((table, added), ignore_index=True), num_added + len(missing)
            with complete_or_absent(file) as partial:
                table.to_parquet(partial, index=False)
        print(f"{num_added} light curves added to {file}, which has {len(table)}")


if __name__ == "__main__":
    main(parse_args())
