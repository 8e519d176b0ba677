# Copyright 2026 The astromer_hf developers. MIT licence.
"""Score the reconstruction of hidden magnitudes on held-out objects: classical baselines and models in one table.

Half of the observations of every window are hidden and scored, the same ones for every method. Released checkpoints of ASTROMER
1 were trained with another mask, which leaves hidden magnitudes in the input. They are scored twice: with their own attention
and magnitudes set to zero, and with hidden observations excluded from attention too. Slow methods, which take a fraction of a
second per window, are scored on a random subset of the windows; the second table scores all methods on that subset.

Results are saved after every method of a survey. A second run continues with the remaining methods, and scores a model again if
its weights have changed. `--fresh` scores everything again.

Example:
    python scripts/evaluate_reconstruction.py data/prepared --models runs/macho_a0 model_cards/astromer-surveys-small \
        -o results/reconstruction.csv --fresh
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
import transformers
from tqdm import tqdm

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.baselines.reconstruction_baselines import BASELINES, Baseline
from astromer_hf.cli.numbers import count, seed
from astromer_hf.evaluation.reconstruction_metrics import score_windows
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves
from astromer_hf.training.trainer import cut_sequentially

SURVEYS = (
    "macho_with_err:R",
    "macho_lmc_cepheids_noerr:R",
    "asas_acvs",
    "sss_catalina_south",
    "ogle_lmc_cepheids_I",
    "crts_css",
)
FAST_BASELINES = ("mean", "linear")
MIN_OBSERVATIONS = 10
TITLES = {"all": "All windows of the held-out objects", "subset": "The windows of the subset, for every method"}

Windows = dict[str, torch.Tensor]
Row = dict[str, Any]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="model folders")
    parser.add_argument("--surveys", nargs="+", default=SURVEYS, metavar="SURVEY[:BAND]", help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/reconstruction.csv"), help="a .md goes beside it")
    parser.add_argument("--objects", type=count, default=200, help="held-out objects of a survey at the most (%(default)s)")
    parser.add_argument("--subset", type=count, default=100, help="windows of a survey for slow methods (%(default)s)")
    parser.add_argument("--window-size", type=count, default=200, help="observations in a window (%(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="of the objects, the subset and the masks (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="discard the results of earlier runs")
    parser.add_argument("--jobs", type=count, default=2, help="processes for the baselines (%(default)s)")
    return parser.parse_args(argv)


def load_windows(args: argparse.Namespace, survey: str) -> Windows:
    """Mask the sequential windows of the test objects of `survey`, perhaps `name:band`."""
    name, _, band = survey.partition(":")
    shards = sorted((args.data / name).glob("test-*.parquet"))
    if not shards:
        raise SystemExit(f"error: expected {args.data / name}/test-*.parquet; scripts/prepare_dataset.py writes it")
    names = [name for name in ("mjd", "mag", "magerr") if name in pq.read_schema(shards[0]).names]
    table = pq.read_table(shards, columns=names, filters=[("band", "==", band)] if band else None)
    chosen = np.random.default_rng(args.seed).permutation(len(table))[: args.objects]
    curves, _ = cut_sequentially(InMemoryLightCurves.from_table(table.take(np.sort(chosen))).curves, args.window_size)
    windows = InMemoryLightCurves(curves.select(np.flatnonzero(curves.lengths >= MIN_OBSERVATIONS)))
    collator = DataCollatorForMaskedLightCurves(
        AstromerFeatureExtractor(args.window_size), windows="sequential", random_fraction=0, same_fraction=0, seed=args.seed
    )
    return collator(windows.__getitems__(range(len(windows))))


def reconstruct_by_baseline(baseline: Baseline, jobs: int, windows: Windows) -> np.ndarray:
    times, magnitudes, hidden, observed = (
        windows[name].numpy() for name in ("times", "magnitudes", "masked_positions", "attention_mask")
    )
    magnitudes = np.where(hidden, np.nan, magnitudes)  # a baseline that reads hidden magnitudes gives NaN
    observed = observed == 1
    tasks = (
        joblib.delayed(baseline)(times[i, mask].astype(float), magnitudes[i, mask].astype(float), ~hidden[i, mask])
        for i, mask in enumerate(observed)
    )
    predictions = joblib.Parallel(jobs, return_as="generator")(tasks)
    reconstruction = np.zeros(observed.shape)
    for row, mask, prediction in zip(reconstruction, observed, progress(predictions, len(observed)), strict=True):
        row[mask] = prediction
    return reconstruction


@torch.inference_mode()
def reconstruct_by_model(folder: Path, masking_scheme: str, windows: Windows) -> np.ndarray:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = AstromerForMaskedReconstruction.from_pretrained(folder, masking_scheme=masking_scheme).eval()
    model.to(device)
    inputs = {name: windows[name] for name in ("magnitudes", "times", "attention_mask", "masked_positions")}
    if model.config.use_magnitude_errors and "magnitude_errors" in windows:
        inputs["magnitude_errors"] = windows["magnitude_errors"]
    inputs["magnitudes"] = inputs["magnitudes"].masked_fill(inputs["masked_positions"], 0)
    batches = [
        {name: tensor[i : i + 64].to(device) for name, tensor in inputs.items()} for i in range(0, len(windows["times"]), 64)
    ]
    return torch.cat([model(**batch).reconstruction.float().cpu() for batch in progress(batches, len(batches))]).numpy()


def progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(items, total=total, leave=False, disable=None)


@dataclass(frozen=True)
class Method:
    """A row of the table. Slow methods only see the subset; `weights` identifies the version of a model."""

    name: str
    reconstruct: Callable[[Windows], np.ndarray]
    is_slow: bool = False
    weights: str = ""


def list_methods(args: argparse.Namespace) -> list[Method]:
    methods = [
        Method(
            name,
            partial(reconstruct_by_baseline, baseline, 1 if name in FAST_BASELINES else args.jobs),
            name not in FAST_BASELINES,
        )
        for name, baseline in BASELINES.items()
    ]
    for folder in args.models:
        if not (folder / "model.safetensors").is_file():
            raise SystemExit(f"error: expected a model folder with model.safetensors, got {folder}")
        trained_with = AstromerConfig.from_pretrained(folder).masking_scheme
        weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
        for scheme in dict.fromkeys((trained_with, "hidden")):
            name = folder.resolve().name if trained_with == "hidden" else f"{folder.resolve().name} ({scheme})"
            methods.append(Method(name, partial(reconstruct_by_model, folder, scheme), weights=weights))
    return methods


def score(method: Method, windows: Windows, subset: np.ndarray) -> list[Row]:
    """Scores of a method on all windows, unless it is slow, and on the subset."""
    seen = subset if method.is_slow else np.arange(len(windows["labels"]))
    start = time.perf_counter()
    reconstruction = method.reconstruct({name: tensor[seen] for name, tensor in windows.items()})
    seconds = time.perf_counter() - start
    rows = []
    for kind, chosen in (("all", seen), ("subset", subset)):
        if kind == "all" and method.is_slow:
            continue
        part = reconstruction[np.isin(seen, chosen)]
        scores = score_windows(part, windows["labels"][chosen], windows["loss_mask"][chosen]).summarize()
        rows.append({"windows": kind, "num_windows": len(chosen), **scores, "seconds": seconds * len(chosen) / len(seen)})
    return rows


def read_rows(path: Path, settings: dict[str, int]) -> list[Row]:
    """What an earlier run left at `path`, with the same settings."""
    if not path.exists():
        return []
    rows: list[Any] = pd.read_csv(path, dtype={"weights": str}).fillna({"weights": ""}).to_dict("records")
    if any(row[name] != value for row in rows for name, value in settings.items()):
        raise SystemExit(f"error: {path} holds results of other settings than {settings}; name another --output or delete it")
    return rows


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write the CSV, which is complete or not there, and the Markdown tables beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    pd.DataFrame(rows).to_csv(unfinished, index=False)
    os.replace(unfinished, path)
    path.with_suffix(".md").write_text("\n".join(markdown_table(rows, kind) for kind in TITLES))


def markdown_table(rows: list[Row], kind: str) -> str:
    rows = [row for row in rows if row["windows"] == kind]
    counts = {row["survey"]: row["num_windows"] for row in rows}
    cells = {
        (row["method"], row["survey"]): f"{row['masked_rmse']:.3f} / {row['r2']:.2f} / {row['median_r2']:.2f}" for row in rows
    }
    lines = [
        ["", *(f"{survey} ({count})" for survey, count in counts.items())],
        ["---"] * (1 + len(counts)),
        *(
            [method, *(cells.get((method, survey), "") for survey in counts)]
            for method in dict.fromkeys(row["method"] for row in rows)
        ),
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{TITLES[kind]} (their number): masked RMSE in magnitudes / R² / median of the windows' R².\n\n{table}\n"


def main(args: argparse.Namespace) -> None:
    if args.fresh:
        args.output.unlink(missing_ok=True)
    settings = {name: getattr(args, name) for name in ("objects", "subset", "window_size", "seed")}
    rows = read_rows(args.output, settings)
    methods = list_methods(args)
    transformers.utils.logging.disable_progress_bar()
    for survey in args.surveys:
        windows = load_windows(args, survey)
        subset = np.random.default_rng(args.seed).permutation(len(windows["labels"]))[: args.subset]
        for method in methods:
            key = {"survey": survey, "method": method.name}
            earlier = [row for row in rows if key.items() <= row.items()]
            if any(row["weights"] == method.weights for row in earlier):
                continue
            scores = score(method, windows, np.sort(subset))
            rows = [row for row in rows if row not in earlier]
            rows += [{**key, "weights": method.weights, **row, **settings} for row in scores]
            write_rows(args.output, rows)
            print(
                f"{survey} {method.name}: masked RMSE {scores[-1]['masked_rmse']:.3f}, R² {scores[-1]['r2']:.2f} (subset)",
                flush=True,
            )
    print(f"wrote {args.output} and {args.output.with_suffix('.md')}")


if __name__ == "__main__":
    main(parse_args())
