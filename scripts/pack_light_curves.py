# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pack the training light curves of prepared surveys into one small file, for a machine with PyTorch and transformers alone.

Example:
    python scripts/pack_light_curves.py configs/astromer_surveys_small.yaml -o runs/pack/light_curves.npz

Times are kept to 1e-5 d (0.9 s), magnitudes to 0.5 mmag, errors to 3 %; of a long light curve a random part is kept. Before it
stands `scripts/prepare_dataset.py`; `scripts/pretrain_on_gpu.py` reads the file.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import yaml
from pretrain_on_gpu import DAYS_PER_UNIT, ERROR_RATIO, LOWEST_ERROR, MAGNITUDES_PER_UNIT

from astromer_hf.cli.numbers import count
from astromer_hf.training.stars import load_stars


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="recipe of scripts/run_pretraining.py, which names surveys and model")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/pack/light_curves.npz"), help="default: %(default)s")
    parser.add_argument("--max-stars", type=count, default=25_000, help="of a survey at the most (%(default)s)")
    parser.add_argument("--max-points", type=count, default=450, help="of a light curve at the most (%(default)s)")
    parser.add_argument("--min-points", type=count, default=20, help="light curves with fewer are left out (%(default)s)")
    return parser.parse_args(argv)


def pack_curve(
    times: np.ndarray, magnitudes: np.ndarray, errors: np.ndarray, max_points: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Numbers of a light curve as small integers, of which `unpack` of scripts/pretrain_on_gpu.py makes them again."""
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
    stars = load_stars(
        recipe["datasets"],
        "train",
        min_points=args.min_points,
        max_stars=args.max_stars,
        features=recipe.get("features"),
        with_variations=recipe.get("views", {}).get("num_transplanted_views", 0) > 0,
    )
    arrays = {name: tensor.numpy() for name, tensor in vars(stars.curves).items()}
    rng = np.random.default_rng(0)
    parts = [slice(*ends) for ends in itertools.pairwise(arrays["offsets"].tolist())]
    curves = [
        pack_curve(arrays["times"][part], arrays["magnitudes"][part], arrays["errors"][part], args.max_points, rng)
        for part in parts
    ]
    times = np.concatenate([curve["times"] for curve in curves])
    packed = {
        "times": times.view(np.uint8).reshape(-1, 4).T.copy(),  # bytes of like weight side by side compress better
        **{name: np.concatenate([curve[name] for curve in curves]) for name in ("magnitudes", "errors")},
        "lengths": np.array([len(curve["times"]) for curve in curves]),
        "curves_of_star": np.diff(arrays["star_offsets"]),
        "surveys": arrays["surveys"],
        "labels": stars.labels,
        "survey_names": np.array(stars.survey_names),
        "model": np.array(json.dumps(recipe["model"])),
        "views": np.array(json.dumps(recipe.get("views", {}))),
    }
    if stars.features is not None:
        packed["features"] = stars.features.astype(np.float16)
    if stars.variations is not None:
        variations = {name: tensor.numpy() for name, tensor in vars(stars.variations).items()}
        # Half precision keeps 0.5 mmag of a harmonic of 1 mag.
        variations["coefficients"] = variations["coefficients"].view(np.float32).astype(np.float16)
        packed |= {f"variation_{name}": array for name, array in variations.items()}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, **packed)
    print(
        f"{len(stars)} stars, {len(curves)} light curves, {len(times)} points, "
        f"{args.output.stat().st_size / 2**20:.1f} MiB -> {args.output}"
    )


if __name__ == "__main__":
    main(parse_args())
