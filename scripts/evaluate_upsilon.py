# Copyright 2026 The astromer_hf developers. MIT licence.
"""Score UPSILoN beside the classifier of variable stars, on test stars of surveys that neither has seen.

Example:
    python scripts/evaluate_upsilon.py data/prepared runs/variable_stars --upsilon runs/upsilon/bin/python \\
        -o runs/upsilon_scores.md

UPSILoN is a random forest trained on OGLE light curves. Its environment is described in `run_upsilon.py`, which this script
calls. Before it stands `scripts/train_variable_stars.py`, whose predictions on surveys that were left out are scored for the
same stars. Both are scored on the classes that both know.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from train_variable_stars import FEWEST_TESTED, LEFT_OUT, read_split, write_table

from astromer_hf.cli.numbers import count, seed
from astromer_hf.light_curves.taxonomy import LEAF_NAMES
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.trainer import take_per_class

FEWEST_POINTS = 80  # UPSILoN warns of light curves with fewer
# The leaves of UPSILoN's classes. Those of its Cepheids of other modes are not told apart.
LEAF_OF_CLASS = {
    "RRL_ab": "RRab", "RRL_c": "RRc", "RRL_d": "RRd", "RRL_e": "RRc",
    "CEPH_F": "CEP_F", "CEPH_1O": "CEP_1O", "CEPH_Other": "CEP_1O", "T2CEPH": "CEP_II",
    "DSCT": "DSCT", "EB_ED": "EA", "EB_EC": "EW_EB", "EB_ESD": "EW_EB",
    "LPV_Mira_AGB_C": "LPV", "LPV_Mira_AGB_O": "LPV", "LPV_OSARG_AGB": "LPV", "LPV_OSARG_RGB": "LPV",
    "LPV_SRV_AGB_C": "LPV", "LPV_SRV_AGB_O": "LPV",
    "NonVar": "NOT_VARIABLE",
}  # fmt: skip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("predictions", type=Path, help="folder with the output of scripts/train_variable_stars.py")
    parser.add_argument("--upsilon", type=Path, required=True, help="Python that has UPSILoN, see run_upsilon.py")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="the table in Markdown; light curves and answers stand beside it"
    )
    parser.add_argument("--per-class", type=count, default=50, help="test stars of a class of a survey (%(default)s)")
    parser.add_argument("--test-per-class", type=count, default=150, help="as of scripts/train_variable_stars.py (%(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="as of scripts/train_variable_stars.py")
    return parser.parse_args(argv)


def classify(args: argparse.Namespace, survey: str, curves: RaggedLightCurves) -> tuple[np.ndarray, dict[str, float]]:
    """UPSILoN's leaf (ids, -1 for none) for clean light curves, and the fractions of them that suit it and that it doubts."""
    folder = args.output.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    errors = np.full(len(curves.times), np.nan) if curves.magnitude_errors is None else curves.magnitude_errors
    values = np.stack((curves.times, curves.magnitudes, errors), axis=1)
    file, answers = folder / f"{survey}.npz", folder / f"{survey}.jsonl"
    before = file.read_bytes() if file.is_file() else None
    np.savez(file, values=values, offsets=curves.offsets)
    if file.read_bytes() != before:  # answers for other stars
        answers.unlink(missing_ok=True)
    subprocess.run([str(args.upsilon), str(Path(__file__).with_name("run_upsilon.py")), str(file), str(answers)], check=True)
    rows = sorted(
        (json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()), key=lambda row: row["number"]
    )
    assert len(rows) == len(curves)
    parts = {
        f"{FEWEST_POINTS} points or more": float((curves.lengths >= FEWEST_POINTS).mean()),
        "flagged by UPSILoN": float(np.mean([row["flag"] != 0 for row in rows])),
    }
    return np.array([LEAF_NAMES.index(LEAF_OF_CLASS[row["class"]]) if row["class"] else -1 for row in rows]), parts


def main(args: argparse.Namespace) -> None:
    predictions = pd.read_parquet(args.predictions / "leave_one_survey_out.parquet")
    known = [LEAF_NAMES.index(name) for name in set(LEAF_OF_CLASS.values()) - {"NOT_VARIABLE"}]
    rows = {}
    for name, surveys in LEFT_OUT.items():
        ours = predictions[(predictions["left_out"] == name) & (predictions["split"] == "test")]
        if len(surveys) > 1 or ours.empty:
            continue
        curves, allowed, groups = read_split(args, surveys[0], "test")
        ours = ours.set_index("number")
        of_one = np.flatnonzero((allowed.sum(1) == 1) & allowed[:, known].any(1))
        of_one = of_one[np.isin(of_one, ours.index)]  # of the classes that the other surveys have too
        chosen = np.sort(of_one[take_per_class(groups[of_one], np.unique(groups[of_one]), args.per_class, args.seed)])
        if (ours.loc[chosen, "group"] != groups[chosen]).any():
            raise SystemExit(
                f"error: the predictions in {args.predictions} are of other stars: give the --test-per-class and --seed of "
                "that run of scripts/train_variable_stars.py."
            )
        true = allowed[chosen].argmax(1)
        leaves, members = np.unique(true, return_counts=True)
        leaves = leaves[members >= FEWEST_TESTED]
        of_upsilon, parts = classify(args, surveys[0], curves.select(chosen).clean()[0])
        answers = {
            "UPSILoN": of_upsilon,
            "the classifier, survey not seen": ours.loc[chosen, list(LEAF_NAMES)].to_numpy().argmax(1),
        }
        rows[name] = {"classes": " ".join(LEAF_NAMES[leaf] for leaf in leaves), "light curves": len(chosen), **parts}
        tested = np.isin(true, leaves)
        for title, found in answers.items():
            macro = f1_score(true[tested], found[tested], labels=leaves, average="macro", zero_division=0)
            rows[name] |= {f"{title}: macro-F1": float(macro), f"{title}: accuracy": float((found == true)[tested].mean())}
        print(f"{name}: {json.dumps(rows[name])}", flush=True)
    write_table(args.output, pd.DataFrame(rows.values(), list(rows)))


if __name__ == "__main__":
    main(parse_args())
