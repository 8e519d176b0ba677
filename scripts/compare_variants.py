# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pre-train variants of the model with the same budget, light curves and masks, and compare their scores.

Every variant takes the same number of steps on the same batches, drawn by the same seed. Then the script scores the
reconstruction of hidden magnitudes of held-out objects (`evaluate_reconstruction.py`) and few-shot classifiers on the frozen
embeddings (`run_few_shot_benchmark.py`). Completed pre-trainings, scores and classifiers are kept on disk and not repeated.

Example:
    python scripts/compare_variants.py configs/astromer_surveys_small.yaml data/prepared -o results/variants --max-steps 800
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from astromer_hf.cli.numbers import count

SCRIPTS = Path(__file__).parent
HEADS = ("linear probe", "MLP, layer-skip", "small MLP, standardised")

# Fields of AstromerConfig: those of the configuration file with some changed, or all of them where the file's are left out.
ASTROMER_2 = {"use_mask_token": True, "weight_loss_by_errors": True, "hidden_dropout_prob": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "surveys-2-blocks": {"base": True, "num_hidden_layers": 2},
    "surveys-6-blocks": {"base": True, "num_hidden_layers": 6},
    "astromer2-2-blocks": {"base": False, "num_hidden_layers": 2, **ASTROMER_2},
    "astromer2-6-blocks": {"base": False, "num_hidden_layers": 6, **ASTROMER_2},
    "astromer2-6-blocks-leak": {
        "base": False,
        "num_hidden_layers": 6,
        **ASTROMER_2,
        "use_residual": True,
        "use_residual_projection": True,
    },
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="YAML file of run_pretraining.py: data, optimiser and the base's fields")
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/variants"), help="folder of the tables")
    parser.add_argument("--runs", type=Path, default=Path("runs/variants"), help="folder of the checkpoints (%(default)s)")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), help="default: all")
    parser.add_argument("--max-steps", type=count, default=800, help="of each pre-training (%(default)s)")
    few_shot = "--surveys crts_css sss_catalina_south --samples 20 100 --bf16"
    parser.add_argument("--few-shot", default=few_shot, help="options of run_few_shot_benchmark.py (%(default)s)")
    parser.add_argument("--reconstruction", default="", help="options of evaluate_reconstruction.py")
    parser.add_argument("--train-only", action="store_true", help="pre-train, and score nothing")
    return parser.parse_args(argv)


def fields_of(variant: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `AstromerConfig` of a variant of `base`."""
    fields = dict(VARIANTS[variant])
    return {**(base if fields.pop("base") else {}), **fields}


def run(script: str, *options: str | Path | int) -> None:
    """Run a script of this folder in a process of its own, which frees its memory at the end."""
    command = [sys.executable, str(SCRIPTS / script), *map(str, options)]
    paths = [str(SCRIPTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})


def pretrain(variant: str, args: argparse.Namespace) -> None:
    """Pre-train a variant, or continue, unless it is complete."""
    folder = args.runs / variant
    results = folder / "eval_results.json"
    if results.exists():
        steps = json.loads((folder / "trainer_state.json").read_text())["global_step"]
        if steps != args.max_steps:
            raise SystemExit(f"error: {folder} was trained for {steps} steps, not {args.max_steps}; name other --runs")
        return
    fields = fields_of(variant, yaml.safe_load(args.config.read_text())["model"])
    every = max(args.max_steps // 2, 1)
    options: list[str | int | Path] = ["--model", json.dumps(fields), "--output_dir", folder, "--max_steps", args.max_steps]
    options += ["--eval_steps", every, "--save_steps", every]
    if fields.get("reconstruction_loss", "rmse") == "rmse":
        options += ["--max_grad_norm", 0]  # an exact root of means is not clipped
    run("run_pretraining.py", args.config, *options)


def score(args: argparse.Namespace) -> None:
    """Score all requested variants."""
    models = [args.runs / variant for variant in args.variants]
    of_reconstruction = ["-o", args.output / "reconstruction.csv", *shlex.split(args.reconstruction)]
    run("evaluate_reconstruction.py", args.data, "--models", *models, *of_reconstruction)
    methods = "|".join(f": {head}$" for head in HEADS)
    of_few_shot = ["-o", args.output / "few_shot", "--methods", methods, *shlex.split(args.few_shot)]
    run("run_few_shot_benchmark.py", args.data, "--models", *models, *of_few_shot)


def summarize(args: argparse.Namespace) -> pd.DataFrame:
    """One row per variant: size, training time, reconstruction of every survey and macro-F1 of every head."""
    reconstruction = pd.read_csv(args.output / "reconstruction.csv")
    few_shot = pd.read_csv(args.output / "few_shot" / "scores.csv")
    rows = []
    for variant in args.variants:
        folder = args.runs / variant
        state = json.loads((folder / "trainer_state.json").read_text())
        trainings = [entry for entry in state["log_history"] if "train_runtime" in entry]  # several, of a run that went on
        row = {
            "variant": variant,
            "MB": round((folder / "model.safetensors").stat().st_size / 1e6, 1),
            "steps": trainings[-1]["step"],
            "minutes": round(sum(entry["train_runtime"] for entry in trainings) / 60, 1),
        }
        found = reconstruction[(reconstruction["method"] == variant) & (reconstruction["windows"] == "all")]
        for scores in found.itertuples():
            row[f"{scores.survey} RMSE"], row[f"{scores.survey} R²"] = round(scores.masked_rmse, 3), round(scores.r2, 3)
        for head in HEADS:
            runs = few_shot[few_shot["method"] == f"{variant}: {head}"]
            for (survey, samples), group in runs.groupby(["survey", "samples_per_class"]):
                row[f"{head}, {survey}, {samples}"] = round(group["macro_f1"].mean(), 3)
        rows.append(row)
    return pd.DataFrame(rows)


def main(args: argparse.Namespace) -> None:
    for variant in args.variants:
        pretrain(variant, args)
    if args.train_only:
        return
    args.output.mkdir(parents=True, exist_ok=True)
    score(args)
    table = summarize(args).set_index("variant").T
    table.to_csv(args.output / "variants.csv")
    lines = [["", *table.columns], ["---"] * (1 + len(table.columns))]
    lines += [
        [str(name), *(f"{value:g}" for value in values)] for name, values in zip(table.index, table.to_numpy(), strict=True)
    ]
    markdown = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    (args.output / "variants.md").write_text(markdown, encoding="utf-8")
    print(markdown)


if __name__ == "__main__":
    main(parse_args())
