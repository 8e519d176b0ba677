# Copyright 2026 The astromer_hf developers. MIT licence.
"""Train the classifier of variable stars over all surveys, and prove it on surveys that it has not seen.

Example:
    python scripts/train_variable_stars.py data/prepared --encoder model_cards/astromer-surveys-small -o runs/variable_stars

1. States of the frozen encoder for light curves of all surveys, for copies with fewer observations and for copies without order
   in time. They are kept in `states/`, so that a run that was stopped goes on.
2. Leave-one-survey-out: for each survey a head is trained on the others and scored on its test stars, beside a random forest on
   hand-crafted features of the same stars, and beside heads that have seen 20 and 100 labels a class of that survey alone.
   `leave_one_survey_out.md` is the table.
3. The classifier of all surveys, calibrated on validation stars, in `model/`.

Before it stand `scripts/prepare_dataset.py` and the records of the surveys, `astromer_hf/light_curves/surveys.py`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score

from astromer_hf.baselines.hand_crafted_features import extract_features, random_forest
from astromer_hf.hub.load import load_encoder
from astromer_hf.inference.output_files import complete_or_absent
from astromer_hf.light_curves.surveys import SURVEYS
from astromer_hf.light_curves.taxonomy import LEAF_NAMES
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.model.modeling_astromer import AstromerModel
from astromer_hf.training.few_shot import Recipe, build_classifier
from astromer_hf.training.table_classifier import SMALL_MLP
from astromer_hf.training.trainer import load_labelled_split, take_per_class
from astromer_hf.training.variable_stars import (
    LeafStates,
    choose_points,
    label_light_curves,
    leaf_logits,
    leaf_probabilities,
    not_variable,
    shuffle_in_time,
    thin_evenly_in_logarithm,
    train_leaf_head,
)

# Surveys that share stars or an instrument are left out together.
LEFT_OUT = {
    "Catalina": ("crts_css",),
    "Catalina South": ("sss_catalina_south",),
    "both Catalinas": ("crts_css", "sss_catalina_south"),
    "ASAS": ("asas_acvs",),
    "SDSS Stripe 82": ("sdss_s82_rrlyrae",),
    "Large Magellanic Cloud": ("ogle_lmc_cepheids_I", "ogle_lmc_cepheids_V", "macho_lmc_cepheids_noerr", "eros2_lmc_cepF"),
}
TRAINED_ON = tuple(sorted({survey for surveys in LEFT_OUT.values() for survey in surveys}))
SHUFFLED_STEP = 3  # of every so many light curves one has a copy without order in time
SHORT_POINTS = 50
FEWEST_TESTED = 10  # test stars that a leaf needs to be scored
# What is done with the light curves of each split: as they are, with fewer observations, and without order in time.
KINDS = {split: ("whole", "thinned" if split == "train" else "short", "shuffled") for split in ("test", "validation", "train")}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("--encoder", required=True, help="folder or id of a pre-trained model")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of states, tables and the model")
    parser.add_argument("--surveys", nargs="+", default=TRAINED_ON, help="default: %(default)s")
    parser.add_argument("--train-per-class", type=int, default=600, help="light curves of a class of a survey (%(default)s)")
    parser.add_argument("--validation-per-class", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--test-per-class", type=int, default=150, help="(%(default)s)")
    parser.add_argument("--max-epochs", type=int, default=60, help="of a head (%(default)s)")
    parser.add_argument("--bf16", action="store_true", help="run the encoder in bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


# --- States ---


Labelled = tuple[RaggedLightCurves, np.ndarray, np.ndarray]  # light curves, allowed leaves, groups


def change(survey: str, kind: str, original: Labelled, rng: np.random.Generator) -> Labelled:
    """Copies of labelled light curves, of one of `KINDS`."""
    curves, allowed, groups = original
    if kind == "thinned":
        return thin_evenly_in_logarithm(curves, rng), allowed, groups
    if kind == "short":
        return choose_points(curves, SHORT_POINTS, rng), allowed, groups
    if kind == "shuffled":
        some = np.arange(0, len(curves), SHUFFLED_STEP)
        copies = thin_evenly_in_logarithm(shuffle_in_time(curves.select(some), rng), rng)
        return copies, not_variable(len(some)), np.full(len(some), f"{survey} NOT_VARIABLE")
    return original


def read_split(args: argparse.Namespace, survey: str, split: str) -> Labelled:
    """A sample of the labelled light curves of a split whose class has a leaf."""
    curves, labels = load_labelled_split(args.data / survey, split, min_points=20)
    known, allowed, groups = label_light_curves(SURVEYS[survey], labels)
    per_class = getattr(args, f"{split}_per_class")
    chosen = take_per_class(groups, np.unique(groups), per_class, args.seed)
    return curves.select(known[chosen]), allowed[chosen], groups[chosen]


def compute_states(args: argparse.Namespace, encoder: AstromerModel) -> None:
    """Write a file to `states/` for every survey, split and kind of copy that is not there yet."""
    folder = args.output / "states"
    folder.mkdir(parents=True, exist_ok=True)
    for number, survey in enumerate(args.surveys):
        for stage, (split, kinds) in enumerate(KINDS.items()):
            missing = [kind for kind in kinds if not (folder / f"{survey}-{split}-{kind}.npz").is_file()]
            original = read_split(args, survey, split) if missing else None
            for kind in missing:
                rng = np.random.default_rng([args.seed, number, stage, kinds.index(kind)])
                with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                    states = LeafStates.compute(encoder, *change(survey, kind, original, rng))
                file = folder / f"{survey}-{split}-{kind}.npz"
                with complete_or_absent(file) as partial, partial.open("wb") as opened:
                    np.savez(opened, **vars(states))
                print(f"{file.stem}: {len(states)} light curves", flush=True)


def load_states(args: argparse.Namespace, surveys: Sequence[str], split: str, kinds: Sequence[str]) -> LeafStates:
    """States of these surveys, one after the other."""
    files = [args.output / "states" / f"{survey}-{split}-{kind}.npz" for survey in surveys for kind in kinds]
    return LeafStates.concatenate([LeafStates(**np.load(file)) for file in files])


def load_features(args: argparse.Namespace, surveys: Sequence[str], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Hand-crafted features (N, F) of the whole light curves of `load_states`, and their allowed leaves (N, C)."""
    parts = []
    for survey in surveys:
        file = args.output / "features" / f"{survey}-{split}.npz"
        if not file.is_file():
            file.parent.mkdir(exist_ok=True)
            curves, allowed, _ = read_split(args, survey, split)
            values, _ = extract_features(curves, num_processes=-1, show_progress=True)
            with complete_or_absent(file) as partial, partial.open("wb") as opened:
                np.savez(opened, values=values, allowed=allowed)
        stored = np.load(file)
        parts.append((stored["values"], stored["allowed"]))
    return np.concatenate([values for values, _ in parts]), np.concatenate([allowed for _, allowed in parts])


# --- Leave-one-survey-out ---


def train_head(args: argparse.Namespace, encoder: AstromerModel, train: LeafStates, validation: LeafStates) -> Any:
    """A classifier with a head trained on these states."""
    model = build_classifier(encoder.config, LEAF_NAMES, args.seed, **SMALL_MLP)
    model.model.load_state_dict(encoder.state_dict())
    train_leaf_head(model, train, validation, Recipe(1e-3, 256, args.max_epochs, patience=6), args.seed)
    return model


def take_labels(states: LeafStates, per_class: int, seed: int) -> LeafStates:
    """States of `per_class` light curves of each group."""
    return states.select(take_per_class(states.groups, np.unique(states.groups), per_class, seed))


def score(probabilities: np.ndarray, allowed: np.ndarray, leaves: np.ndarray) -> float:
    """Macro-F1 over `leaves` (ids), of the light curves that have one of these and no other."""
    asked = np.flatnonzero((allowed.sum(1) == 1) & np.isin(allowed.argmax(1), leaves))
    true, predicted = allowed[asked].argmax(1), probabilities[asked].argmax(1)
    return float(f1_score(true, predicted, labels=leaves, average="macro", zero_division=0))


def leave_out(args: argparse.Namespace, encoder: AstromerModel, left_out: Sequence[str]) -> tuple[dict[str, Any], pd.DataFrame]:
    """Scores on surveys whose labels the classifier has not seen, and its predictions."""
    others = [survey for survey in args.surveys if survey not in left_out]
    model = train_head(
        args,
        encoder,
        load_states(args, others, "train", KINDS["train"]),
        load_states(args, others, "validation", KINDS["validation"]),
    )
    whole, short = (load_states(args, left_out, "test", [kind]) for kind in ("whole", "short"))
    training, train_allowed = load_features(args, others, "train")
    asked, _ = load_features(args, left_out, "test")

    single = train_allowed.sum(1) == 1
    known = np.unique(train_allowed[single].argmax(1))
    tested, counts = np.unique(whole.allowed[whole.allowed.sum(1) == 1].argmax(1), return_counts=True)
    leaves = np.intersect1d(tested[counts >= FEWEST_TESTED], known)

    probabilities = leaf_probabilities(whole, leaf_logits(model, whole))
    of_short = leaf_probabilities(short, leaf_logits(model, short))
    forest = random_forest(args.seed, n_jobs=-1).fit(np.nan_to_num(training[single], nan=-9), train_allowed[single].argmax(1))
    of_forest = np.zeros_like(probabilities)
    of_forest[:, forest.classes_] = forest.predict_proba(np.nan_to_num(asked, nan=-9))
    row = {
        "classes": " ".join(LEAF_NAMES[leaf] for leaf in leaves),
        "stars": int(np.isin(whole.allowed.argmax(1), leaves).sum()),
        "not seen": score(probabilities, whole.allowed, leaves),
        f"not seen, {SHORT_POINTS} points": score(of_short, short.allowed, leaves),
        "features and forest, not seen": score(of_forest, whole.allowed, leaves),
    }
    own, own_validation = (load_states(args, left_out, split, KINDS[split][:1]) for split in ("train", "validation"))
    for labels in (20, 100):
        scores = []
        for fold in range(3):
            few = take_labels(own, labels, fold)
            head = train_head(args, encoder, few, take_labels(own_validation, max(labels // 4, 5), fold))
            scores.append(score(leaf_probabilities(whole, leaf_logits(head, whole)), whole.allowed, leaves))
        row[f"{labels} labels of it"] = float(np.mean(scores))
    frame = pd.DataFrame(probabilities, columns=list(LEAF_NAMES)).assign(group=whole.groups)
    frame["right"] = whole.allowed[np.arange(len(whole)), probabilities.argmax(1)]
    return row, frame


def main(args: argparse.Namespace) -> None:
    encoder, _ = load_encoder(args.encoder, None, "auto", "float32")
    compute_states(args, encoder)
    rows, predictions = {}, []
    for name, left_out in LEFT_OUT.items():
        if not set(left_out) <= set(args.surveys):
            continue
        rows[name], frame = leave_out(args, encoder, left_out)
        predictions.append(frame.assign(left_out=name))
        print(f"{name}: {json.dumps(rows[name])}", flush=True)
    table = pd.DataFrame(rows).T
    table.to_csv(args.output / "leave_one_survey_out.csv")
    pd.concat(predictions).to_parquet(args.output / "leave_one_survey_out.parquet", index=False)
    print(table.to_markdown(floatfmt=".3f"))


if __name__ == "__main__":
    main(parse_args())
