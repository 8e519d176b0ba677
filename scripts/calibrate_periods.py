# Copyright 2026 The astromer_hf developers. MIT licence.
"""How often the encoder's periodogram is right in half-hidden windows, and how far its trust should go.

Example:
    python scripts/calibrate_periods.py data/prepared --config configs/astromer_surveys_small.yaml

The reference is the period that hand-crafted features find in the whole light curve, where its Fourier series explains at
least half of the variance. A period is right if it is the reference, its half or its double to 1 %. The table has, for each
survey, how often the first candidate is right, how often one of the two, and the mean trust in the first. The last line has the
slope and the offset of `AstromerFolding.gates` that make the evidence of these windows most likely: both start there in a new
model.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy.optimize import minimize

from astromer_hf import AstromerConfig
from astromer_hf.baselines.hand_crafted_features import extract_features
from astromer_hf.cli.numbers import count, fraction
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.model.folding_astromer import AstromerPeriodogram, FoldedTimes
from astromer_hf.training.trainer import load_split
from astromer_hf.training.views import PackedLightCurves, ViewRecipe, draw_views

TOLERANCE = 0.01
LEAST_EXPLAINED = 0.5


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys")
    parser.add_argument("--config", type=Path, required=True, help="recipe with the model's fields")
    parser.add_argument("--stars", type=count, default=150, help="training light curves of each survey (%(default)s)")
    parser.add_argument("--points", type=count, default=200, help="observations of a window at the most (%(default)s)")
    parser.add_argument("--hidden-fraction", type=fraction, default=0.5, help="of the observations (%(default)s)")
    return parser.parse_args(argv)


def reference_frequencies(curves: RaggedLightCurves) -> np.ndarray:
    """Cycles a day `(N,)`; NaN where no period explains enough."""
    values, names = extract_features(curves, show_progress=True)
    period, explained = (values[:, names.index(name)] for name in ("period", "period_explained"))
    return np.where(explained > LEAST_EXPLAINED, 1 / period, np.nan)


def fold(curves: RaggedLightCurves, periodogram: AstromerPeriodogram, args: argparse.Namespace) -> FoldedTimes:
    """A masked window of each light curve, folded."""
    packed = PackedLightCurves.from_numpy(curves.times, curves.magnitudes, curves.magnitude_errors, curves.offsets)
    recipe = ViewRecipe(args.points, (1.0, 1.0), run_probability=0, noise_probability=0, hidden_fraction=args.hidden_fraction)
    batch = draw_views(packed, torch.arange(len(curves)), recipe, torch.Generator().manual_seed(0))
    visible = batch["attention_mask"].bool() & ~batch.get("masked_positions", torch.zeros_like(batch["attention_mask"]).bool())
    parts = [
        periodogram(*tensors)
        for tensors in zip(*(batch[name].split(32) for name in ("magnitudes", "times")), visible.split(32), strict=True)
    ]
    return FoldedTimes(*(torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])))


def is_right(frequencies: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Whether each of the frequencies (N, C) is the reference (N,), its half or its double."""
    return np.any([np.abs(frequencies / reference[:, None] / ratio - 1) < TOLERANCE for ratio in (0.5, 1, 2)], axis=0)


def posterior(parameters: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) of candidates, as `AstromerFolding.gates` has them."""
    logits = np.concatenate((parameters[0] * evidence, np.full((len(evidence), 1), parameters[1])), axis=1)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return (odds / odds.sum(1, keepdims=True))[:, :-1]


def surprise(parameters: np.ndarray, evidence: np.ndarray, right: np.ndarray) -> float:
    """Mean negative logarithm of the probability of what is true: the right ones of the chosen, or none of them."""
    chosen = posterior(parameters, evidence)[:, : right.shape[1]]
    of_right = np.where(right.any(1), (chosen * right).sum(1), 1 - chosen.sum(1))
    return float(-np.log(of_right.clip(1e-4)).mean())


def main(args: argparse.Namespace) -> None:
    recipe = yaml.safe_load(args.config.read_text())
    periodogram = AstromerPeriodogram(AstromerConfig(**recipe["model"]))
    rows = []
    for folder in recipe["datasets"]:
        name = Path(folder).name
        curves = load_split(args.data / name, "train", min_points=30, max_objects=args.stars)
        reference = reference_frequencies(curves)
        known = np.flatnonzero(np.isfinite(reference))
        folded = fold(curves.select(known), periodogram, args)
        rows.append((name, folded.evidence.numpy(), is_right(folded.frequencies.numpy(), reference[known])))
    evidence, right = (np.concatenate([row[i] for row in rows]) for i in (1, 2))
    best = minimize(surprise, np.array([0.3, 5.0]), args=(evidence, right), method="Nelder-Mead").x
    print("| survey | light curves | first right | one of two right | mean trust in the first |\n|---|---|---|---|---|")
    for name, of_survey, is_of_survey in rows:
        trust = posterior(best, of_survey)[:, 0].mean()
        first, either = is_of_survey[:, 0].mean(), is_of_survey.any(1).mean()
        print(f"| {name} | {len(of_survey)} | {first:.2f} | {either:.2f} | {trust:.2f} |")
    print(f"slope {best[0]:.3f}, offset {best[1]:.2f}, mean surprise {surprise(best, evidence, right):.3f}")


if __name__ == "__main__":
    main(parse_args())
