# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pack the training light curves of prepared surveys into one small file, for a machine that lacks everything but PyTorch.

Example:
    python scripts/pack_light_curves.py configs/astromer_surveys_small.yaml -o runs/pack/light_curves.npz

Times are kept to 1e-5 d (0.9 s), magnitudes to 0.5 mmag, errors to 3 %. Light curves of one star, its bands, stand together.
`scripts/pretrain_on_gpu.py` reads the file; before it stands `scripts/prepare_dataset.py`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import norm

DAYS_PER_UNIT, MAGNITUDES_PER_UNIT = 1e-5, 5e-4
LOWEST_ERROR, ERROR_RATIO = 5e-4, 1.035  # errors are LOWEST_ERROR · ERROR_RATIO^k, k from 1 to 255; 0 is unknown


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="recipe of scripts/run_pretraining.py, which names surveys and model")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/pack/light_curves.npz"), help="default: %(default)s")
    parser.add_argument("--max-stars", type=int, default=25_000, help="of a survey at the most (%(default)s)")
    parser.add_argument("--max-points", type=int, default=450, help="of a light curve at the most (%(default)s)")
    parser.add_argument("--min-points", type=int, default=20, help="light curves with fewer are left out (%(default)s)")
    parser.add_argument("--features", type=Path, help="folder of SURVEY.parquet with object_id, band and features")
    return parser.parse_args(argv)


def read_curves(folder: Path, number: int, args: argparse.Namespace) -> pd.DataFrame:
    """The training split of a prepared survey, a row a light curve, with the survey's `number` and a key for each star.

    Surveys whose names begin alike (`ogle_lmc_cepheids_I`, `ogle_lmc_cepheids_V`) are bands of one: their ids mean the same.
    """
    frame = pd.concat(pd.read_parquet(shard) for shard in sorted(folder.glob("train-*.parquet")))
    frame = frame[frame["mjd"].map(len) >= args.min_points]
    chosen = np.random.default_rng(0).permutation(np.sort(frame["object_id"].unique()))[: args.max_stars]
    frame = frame[frame["object_id"].isin(chosen)]
    if args.features and (args.features / f"{folder.name}.parquet").is_file():
        table = pd.read_parquet(args.features / f"{folder.name}.parquet")
        frame = frame.merge(table.drop_duplicates(["object_id", "band"]), on=["object_id", "band"], how="left")
    return frame.assign(survey=number, star=folder.name.partition("_")[0] + " " + frame["object_id"].astype(str))


def pack_curve(row: Any, max_points: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Numbers of a light curve as small integers, of which `unpack` of scripts/pretrain_on_gpu.py makes them again."""
    times, magnitudes = np.asarray(row.mjd, float), np.asarray(row.mag, float)
    errors = np.full(len(times), np.nan) if row.magerr is None else np.asarray(row.magerr, float)
    kept = np.sort(rng.permutation(len(times))[:max_points])
    times, magnitudes, errors = times[kept], magnitudes[kept], errors[kept]
    days = np.round((times - times[0]) / DAYS_PER_UNIT).astype(np.int64)
    known = np.isfinite(errors) & (errors > 0)
    steps = np.round(np.log(np.where(known, errors, 1.0) / LOWEST_ERROR) / np.log(ERROR_RATIO))
    return {
        "times": np.diff(days, prepend=0).astype(np.uint32),
        "magnitudes": np.round((magnitudes - np.median(magnitudes)) / MAGNITUDES_PER_UNIT).clip(-32768, 32767).astype(np.int16),
        "errors": np.where(known, steps.clip(1, 255), 0).astype(np.uint8),
    }


def main(args: argparse.Namespace) -> None:
    recipe = yaml.safe_load(args.config.read_text())
    folders = [Path(folder) for folder in recipe["datasets"]]
    frame = pd.concat([read_curves(folder, number, args) for number, folder in enumerate(folders)], ignore_index=True)
    frame = frame.sort_values("star", kind="stable", ignore_index=True)
    rng = np.random.default_rng(0)
    curves = [pack_curve(row, args.max_points, rng) for row in frame.itertuples()]
    first = np.flatnonzero(~frame["star"].duplicated())
    times = np.concatenate([curve["times"] for curve in curves])
    arrays = {
        "times": times.view(np.uint8).reshape(-1, 4).T.copy(),  # bytes of like weight side by side compress better
        **{name: np.concatenate([curve[name] for curve in curves]) for name in ("magnitudes", "errors")},
        "lengths": np.array([len(curve["times"]) for curve in curves]),
        "curves_of_star": np.diff(np.append(first, len(frame))),
        "surveys": frame["survey"].to_numpy()[first],
        "labels": frame["label"].fillna("").to_numpy(str)[first],
        "survey_names": np.array([folder.name for folder in folders]),
        "model": np.array(json.dumps(recipe["model"])),
    }
    if args.features:
        names = [name for name in frame if name.startswith("feature_")]
        values = frame[names].iloc[first].replace([np.inf, -np.inf], np.nan)
        ranks = values.rank(pct=True) - 0.5 / len(values)
        arrays["features"] = norm.ppf(ranks.clip(5e-4, 1 - 5e-4)).astype(np.float16)  # normal scores: outliers stretch nothing
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, **arrays)
    print(
        f"{len(first)} stars, {len(frame)} light curves, {len(times)} points, "
        f"{args.output.stat().st_size / 2**20:.1f} MiB -> {args.output}"
    )


if __name__ == "__main__":
    main(parse_args())
