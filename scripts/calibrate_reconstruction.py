# Copyright 2026 The astromer_hf developers. MIT licence.
"""Fit the intervals of a model's reconstructions to validation stars, and measure on test stars what share lies in them.

Half of the observations of every star are hidden, and each survey gives the same number of stars. The quantiles are of all
surveys together. `--write` stores them in the model's config.json, where the pipeline of reconstructions and `astromer-hf plot
light-curve --reconstruct` find them; the weights and the embeddings stay as they are. `--score-only` measures those that are
there. How it is done: `astromer_hf/model/intervals_astromer.py`.

Example:
    python scripts/calibrate_reconstruction.py data/prepared --model model_cards/astromer-surveys-small \
        -o results/reconstruction_intervals.csv --write
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from transformers import AutoModelForPreTraining
from transformers.utils import logging

from astromer_hf.cli.numbers import count, seed
from astromer_hf.evaluation.uncertainty import conformal_quantiles
from astromer_hf.hub.load import load_model
from astromer_hf.inference.output_files import complete_or_absent
from astromer_hf.model.configuration_astromer import RECONSTRUCTION_COVERAGES
from astromer_hf.model.pipelines_astromer import LightCurveReconstructionPipeline, hide

SURVEYS = (
    "macho_with_err:R",
    "macho_lmc_cepheids_noerr:R",
    "asas_acvs",
    "sss_catalina_south",
    "crts_css",
    "ogle_lmc_cepheids_I",
    "ogle_lmc_cepheids_V",
    "eros2_lmc_cepF",
    "sdss_s82_rrlyrae",
)
FRACTION = 0.5  # hidden of the validation stars
BATCH_SIZE = 32
FAR_BELOW = 0.15  # of the promised coverage: such a star is counted as missed


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--surveys", nargs="+", default=SURVEYS, metavar="SURVEY[:BAND]", help="default: %(default)s")
    parser.add_argument("--objects", type=count, default=60, help="stars of a survey and a split at the most (%(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="of the stars and of what is hidden (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/reconstruction_intervals.csv"))
    parser.add_argument(
        "--hidden", nargs="+", type=fraction, default=(FRACTION, 0.2, 0.8), help="fractions of the test stars (%(default)s)"
    )
    quantiles = parser.add_mutually_exclusive_group()
    quantiles.add_argument("--write", action="store_true", help="store the quantiles in the model's config.json")
    quantiles.add_argument("--score-only", action="store_true", help="take the quantiles from there, and fit nothing")
    return parser.parse_args(argv)


def fraction(text: str) -> float:
    """A number between 0 and 1, for argparse."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, got {text}")
    return value


@dataclass(frozen=True)
class Star:
    """What was hidden of one star, `(m,)` each: absolute residuals, their scales, and reconstructed magnitudes."""

    residuals: np.ndarray
    scales: np.ndarray
    reconstruction: np.ndarray

    @property
    def has_scales(self) -> bool:
        """Enough was visible to tell how well the star is known."""
        return bool(len(self.scales) and np.isfinite(self.scales).all())


def read_stars(args: argparse.Namespace, survey: str, split: str) -> list[dict[str, Any]]:
    """Light curves of a survey, perhaps `name:band`, drawn at random from a split; none where it has no such split."""
    name, _, band = survey.partition(":")
    shards = sorted((args.data / name).glob(f"{split}-*.parquet"))
    if not shards:
        if not (args.data / name).is_dir():
            raise SystemExit(f"error: there is no survey {args.data / name}; scripts/prepare_dataset.py writes it")
        return []
    columns = [column for column in ("mjd", "mag", "magerr") if column in pq.read_schema(shards[0]).names]
    table = pq.read_table(shards, columns=columns, filters=[("band", "==", band)] if band else None)
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(table))[: args.objects])
    return [{name: value for name, value in row.items() if value is not None} for row in table.take(chosen).to_pylist()]


def hide_and_reconstruct(
    pipe: LightCurveReconstructionPipeline, curves: Sequence[dict[str, Any]], fraction: float, seed: int
) -> Iterator[Star]:
    """What the pipeline says of the hidden observations of every star, and by how much it is wrong."""
    for low in range(0, len(curves), BATCH_SIZE):
        prepared = pipe.preprocess(list(curves[low : low + BATCH_SIZE]))
        hidden = [hide(int(number), fraction, seed) for number in prepared.curves.lengths]
        found = pipe.reconstruct(prepared, hidden)
        scales = pipe.scales(prepared, hidden, found, seed)
        for i, mask in enumerate(hidden):
            own = slice(prepared.curves.offsets[i], prepared.curves.offsets[i + 1])
            residuals = np.abs(prepared.curves.magnitudes[own] - found[i])
            yield Star(residuals[mask], scales[i][mask], found[i][mask])


def score(survey: str, fraction: float, stars: Sequence[Star], quantiles: Sequence[float]) -> dict[str, Any]:
    """Coverage of the intervals, mean over stars, and where it fails."""
    known = [star for star in stars if star.has_scales]
    row: dict[str, Any] = {"survey": survey, "hidden": fraction, "stars": len(known), "without_scale": len(stars) - len(known)}
    for coverage, quantile in zip(RECONSTRUCTION_COVERAGES, quantiles, strict=True):
        inside = [star.residuals <= quantile * star.scales for star in known]
        name = f"{coverage:.0%}".removesuffix("%")
        of_star = np.array([part.mean() for part in inside])
        row[f"coverage_{name}"] = of_star.mean()
        row[f"error_{name}"] = of_star.std(ddof=1) / len(known) ** 0.5
        row[f"half_width_{name}"] = float(np.median([np.median(quantile * star.scales) for star in known]))
    row["missed_stars"] = float(np.mean(of_star < coverage - FAR_BELOW))
    faint = [
        part[star.reconstruction >= np.quantile(star.reconstruction, 0.9)] for part, star in zip(inside, known, strict=True)
    ]
    row[f"faintest_tenth_{name}"] = float(np.mean([part.mean() for part in faint]))
    return row


def markdown(rows: pd.DataFrame, quantiles: Sequence[float]) -> str:
    """Coverage of the test stars, a row a survey and a hidden fraction."""
    said = ", ".join(
        f"{value:.3f} at {coverage:.0%}" for coverage, value in zip(RECONSTRUCTION_COVERAGES, quantiles, strict=True)
    )
    header = (
        "survey",
        "hidden",
        "stars",
        "in the 68 % interval",
        "in the 90 % interval",
        "its half width [mag]",
        "stars below 75 %",
        "faintest tenth in the 90 % interval",
    )
    lines = [header, ("---",) * len(header)]
    for row in rows.to_dict("records"):
        coverages = [f"{row[f'coverage_{name}']:.3f} ± {row[f'error_{name}']:.3f}" for name in ("68", "90")]
        counts = f"{row['stars']}" + (f" (+ {row['without_scale']} without)" if row["without_scale"] else "")
        rest = (f"{row['half_width_90']:.3f}", f"{row['missed_stars']:.2f}", f"{row['faintest_tenth_90']:.3f}")
        lines.append((row["survey"], f"{row['hidden']:.0%}", counts, *coverages, *rest))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"Quantiles fitted to validation stars: {said}. Test stars:\n\n{table}\n"


def write_quantiles(folder: Path, quantiles: Sequence[float]) -> None:
    """Store the quantiles in the configuration, and leave everything else of it as it is."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | {
        "reconstruction_quantiles": [round(value, 4) for value in quantiles]
    }
    with complete_or_absent(file) as partial:
        partial.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def fit(args: argparse.Namespace, pipe: LightCurveReconstructionPipeline) -> list[float]:
    """The quantiles of the validation stars of all surveys."""
    fitted: list[Star] = []
    for survey in args.surveys:
        stars = list(hide_and_reconstruct(pipe, read_stars(args, survey, "validation"), FRACTION, args.seed))
        print(f"{survey}: {len(stars)} validation stars", flush=True)
        fitted += [star for star in stars if star.has_scales]
    with np.errstate(divide="ignore", invalid="ignore"):  # a scale of 0
        quantiles = conformal_quantiles([star.residuals / star.scales for star in fitted], RECONSTRUCTION_COVERAGES)
    if args.write:
        write_quantiles(args.model, quantiles)
    return quantiles


def main(args: argparse.Namespace) -> None:
    logging.disable_progress_bar()
    model, extractor = load_model(str(args.model), AutoModelForPreTraining)
    pipe = LightCurveReconstructionPipeline(model, feature_extractor=extractor)
    quantiles = model.config.reconstruction_quantiles if args.score_only else fit(args, pipe)
    if quantiles is None:
        raise SystemExit(f"error: {args.model} has no quantiles yet: leave --score-only out to fit them")
    rows = []
    for hidden in args.hidden:
        for survey in args.surveys:
            stars = list(hide_and_reconstruct(pipe, read_stars(args, survey, "test"), hidden, args.seed))
            rows.append(score(survey, hidden, stars, quantiles))
            print(f"{survey}, {hidden:.0%} hidden: {rows[-1]['coverage_68']:.3f}, {rows[-1]['coverage_90']:.3f}", flush=True)
            with complete_or_absent(args.output) as partial:
                pd.DataFrame(rows).to_csv(partial, index=False, float_format="%.4f")
            with complete_or_absent(args.output.with_suffix(".md")) as partial:
                partial.write_text(markdown(pd.DataFrame(rows), quantiles), encoding="utf-8")
    print(markdown(pd.DataFrame(rows), quantiles))


if __name__ == "__main__":
    main(parse_args())
