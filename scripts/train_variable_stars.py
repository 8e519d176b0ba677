# Copyright 2026 The astromer_hf developers. MIT licence.
"""Train the classifier of variable stars over all surveys, and prove it on surveys that it has not seen.

Example:
    python scripts/train_variable_stars.py data/prepared --encoder model_cards/astromer-surveys-small -o runs/variable_stars

1. States of the frozen encoder for light curves of all surveys, and for copies: with fewer observations, without order in time,
   and as other surveys would have seen them. They are kept in `states/`, so that a run that was stopped goes on.
2. Leave-one-survey-out: for each survey a head is trained on the others and scored on its test stars, beside a random forest on
   hand-crafted features of the same stars, and beside heads that have seen 20 and 100 labels a class of that survey alone.
   `leave_one_survey_out.md` is the table.
3. The classifier of all surveys, calibrated on validation stars, in `model/`; `unlike.md` says what it makes of light curves of
   kinds that it does not know.

Before it stand `scripts/prepare_dataset.py` and the records of the surveys, `astromer_hf/light_curves/surveys.py`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score

from astromer_hf.baselines.hand_crafted_features import extract_features, random_forest
from astromer_hf.cli.numbers import count, fraction, seed, whole
from astromer_hf.hub.load import load_encoder
from astromer_hf.inference.decisions import likely_set_threshold
from astromer_hf.inference.output_files import complete_or_absent
from astromer_hf.light_curves.surveys import SURVEYS
from astromer_hf.light_curves.taxonomy import LEAF_NAMES, PARENT_OF
from astromer_hf.model.feature_extraction_astromer import AstromerFeatureExtractor, RaggedLightCurves
from astromer_hf.model.modeling_astromer import AstromerModel
from astromer_hf.training.few_shot import Recipe, build_classifier
from astromer_hf.training.novelty import (
    KINDS_UNLIKE,
    NUM_DIRECTIONS,
    NUM_REFERENCES,
    fit_unlike,
    last_block,
    make_unlike,
    novelty_of,
    set_references,
)
from astromer_hf.training.table_classifier import SMALL_MLP
from astromer_hf.training.trainer import load_labelled_split, take_per_class
from astromer_hf.training.transplants import SurveyStars, transplant
from astromer_hf.training.variable_stars import (
    FEWEST_POINTS,
    LeafStates,
    choose_points,
    fit_leaf_temperature,
    fit_likely_sets,
    fit_uncertainty,
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
TRANSPLANTED = 2  # copies of a star in other surveys, half of them thinned
TRANSPLANTED_PER_CLASS = 200  # stars of a class of a survey that are copied
SHUFFLED_STEP = 3  # of every so many light curves one has a copy without order in time
SHORT_POINTS = 50
# What the head reads: means of the last block, which pre-training trains; and means and deviations of all blocks.
HEADS: dict[str, dict[str, Any]] = {
    "last": {"concatenate_layers": False, "classifier_pooling": "mean", "classifier_hidden_sizes": [128]},
    "all": {},
}
PERCEPTRON = SMALL_MLP | {"classifier_shortcut": False}  # a discriminant needs one class a star, and a label may mean several
COVERAGE = 0.9  # of the sets of likely classes that are scored
FEWEST_TESTED = 10  # test stars that a leaf needs to be scored
UNLIKE_OF_SURVEY = 25  # light curves of which copies of another kind are made
# What is done with the light curves of each split: as they are, with fewer observations, and without order in time.
KINDS = {split: ("whole", "thinned" if split == "train" else "short", "shuffled") for split in ("test", "validation", "train")}
KINDS_TRAINED_ON = (*KINDS["train"], "transplanted")
RECIPE = Recipe(learning_rate=2e-3, batch_size=512, max_epochs=25, patience=4)
# Of the labels of one survey alone.
RECIPE_OF_FEW = Recipe(learning_rate=1e-3, batch_size=256, patience=6)
WITHIN_OF_FEW = 0.9


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("--encoder", required=True, help="folder or id of a pre-trained model")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of states, tables and the model")
    parser.add_argument("--surveys", nargs="+", default=TRAINED_ON, help="default: %(default)s")
    parser.add_argument("--train-per-class", type=count, default=600, help="light curves of a class of a survey (%(default)s)")
    parser.add_argument("--validation-per-class", type=count, default=100, help="(%(default)s)")
    parser.add_argument("--test-per-class", type=count, default=150, help="(%(default)s)")
    parser.add_argument("--max-epochs", type=count, default=60, help="of a head (%(default)s)")
    parser.add_argument("--within-survey", type=fraction, default=0.3, help="part of the loss, see `LeafHead` (%(default)s)")
    parser.add_argument("--head", choices=HEADS, default="last", help="what the head reads (%(default)s)")
    parser.add_argument("--folds", type=count, default=3, help="draws of labels of the survey itself (%(default)s)")
    parser.add_argument("--jobs", type=whole(-1, 4096), default=-1, help="processes for features and forest (-1: one a core)")
    parser.add_argument("--bf16", action="store_true", help="run the encoder in bfloat16")
    parser.add_argument("--seed", type=seed, default=0)
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
            if not missing:
                continue
            original = read_split(args, survey, split)
            for kind in missing:
                rng = np.random.default_rng([args.seed, number, stage, kinds.index(kind)])
                with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                    states = LeafStates.compute(encoder, *change(survey, kind, original, rng))
                file = folder / f"{survey}-{split}-{kind}.npz"
                with complete_or_absent(file) as partial, partial.open("wb") as opened:
                    np.savez(opened, **vars(states))
                print(f"{file.stem}: {len(states)} light curves", flush=True)


def compute_unlike(args: argparse.Namespace, encoder: AstromerModel) -> None:
    """Write a file to `states/` for every kind of light curves that the classifier must not know, made from real ones."""
    for number, kind in enumerate(KINDS_UNLIKE):
        file = args.output / "states" / f"unlike-{kind.replace(' ', '-')}.npz"
        if file.is_file():
            continue
        rng = np.random.default_rng([args.seed, number])
        parts = []
        for survey in args.surveys:
            curves, _, _ = read_split(args, survey, "test")
            some = curves.select(np.sort(rng.choice(len(curves), min(UNLIKE_OF_SURVEY, len(curves)), replace=False)))
            parts.append(make_unlike(some.clean()[0], kind, rng).clean()[0])
        made = RaggedLightCurves.concatenate(parts)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            states = LeafStates.compute(encoder, made, not_variable(len(made)), np.full(len(made), kind))
        with complete_or_absent(file) as partial, partial.open("wb") as opened:
            np.savez(opened, **vars(states))
        print(f"{file.stem}: {len(states)} light curves", flush=True)


def compute_transplants(args: argparse.Namespace, encoder: AstromerModel) -> None:
    """Write a file to `states/` for the copies of the training stars of every survey in the other ones."""
    surveys = [survey for survey in dict.fromkeys(sum(LEFT_OUT.values(), ())) if survey in args.surveys]
    files = {survey: args.output / "states" / f"{survey}-train-transplanted.npz" for survey in surveys}
    if all(file.is_file() for file in files.values()):
        return
    labelled = {survey: read_split(args, survey, "train") for survey in surveys}
    stars = {survey: SurveyStars(labelled[survey][0], load_features(args, [survey], "train")[0]) for survey in surveys}
    for number, survey in enumerate(surveys):
        if files[survey].is_file():
            continue
        rng = np.random.default_rng([args.seed + 7, number])
        _, allowed, groups = labelled[survey]
        chosen = sorted(take_per_class(groups, np.unique(groups), TRANSPLANTED_PER_CLASS, args.seed))
        others = {name: stars[name] for name in surveys if name != survey}
        copies = min(TRANSPLANTED, len(others))
        curves, sources, seen_by = transplant(stars[survey], chosen, others, copies, encoder.config.window_size, rng)
        is_whole = rng.random(len(curves)) < 0.5
        both = RaggedLightCurves.concatenate([curves, thin_evenly_in_logarithm(curves, rng)])
        curves = both.select(np.where(is_whole, 0, len(curves)) + np.arange(len(curves)))
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            states = LeafStates.compute(encoder, curves, allowed[sources], groups[sources])
        with complete_or_absent(files[survey]) as partial, partial.open("wb") as opened:
            np.savez(opened, **vars(states), seen_by=seen_by)
        print(f"{files[survey].stem}: {len(states)} light curves", flush=True)


def load_states(args: argparse.Namespace, surveys: Sequence[str], split: str, kinds: Sequence[str]) -> LeafStates:
    """States of these surveys, one after the other; of copies, those in one of these surveys."""
    parts = []
    for survey in surveys:
        for kind in kinds:
            with np.load(args.output / "states" / f"{survey}-{split}-{kind}.npz", allow_pickle=False) as file:
                arrays = dict(file)
            seen_by = arrays.pop("seen_by", None)
            states = LeafStates(**arrays)
            parts.append(states if seen_by is None else states.select(np.flatnonzero(np.isin(seen_by, surveys))))
    return LeafStates.concatenate(parts)


def load_features(args: argparse.Namespace, surveys: Sequence[str], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Hand-crafted features (N, F) of the whole light curves of `load_states`, and their allowed leaves (N, C)."""
    parts = []
    for survey in surveys:
        file = args.output / "features" / f"{survey}-{split}.npz"
        if not file.is_file():
            file.parent.mkdir(exist_ok=True)
            curves, allowed, _ = read_split(args, survey, split)
            values, _ = extract_features(curves, num_processes=args.jobs, show_progress=True)
            with complete_or_absent(file) as partial, partial.open("wb") as opened:
                np.savez(opened, values=values, allowed=allowed)
        stored = np.load(file, allow_pickle=False)
        parts.append((stored["values"], stored["allowed"]))
    return np.concatenate([values for values, _ in parts]), np.concatenate([allowed for _, allowed in parts])


# --- Leave-one-survey-out ---


def train_head(
    args: argparse.Namespace,
    encoder: AstromerModel,
    train: LeafStates,
    validation: LeafStates,
    recipe: Recipe = RECIPE,
    **fields: Any,
) -> Any:
    """A classifier with a head trained on these states; `fields` are of its configuration."""
    model = build_classifier(encoder.config, LEAF_NAMES, args.seed, **PERCEPTRON | HEADS[args.head] | fields)
    model.model.load_state_dict(encoder.state_dict())
    within_survey = args.within_survey if recipe is RECIPE else WITHIN_OF_FEW
    recipe = replace(recipe, max_epochs=min(recipe.max_epochs, args.max_epochs))
    train_leaf_head(model, train, validation, recipe, args.seed, within_survey)
    return model


def train_on_surveys(args: argparse.Namespace, encoder: AstromerModel, surveys: Sequence[str], validation: LeafStates) -> Any:
    """A calibrated classifier of these surveys that knows what is unlike them."""
    train = load_states(args, surveys, "train", KINDS_TRAINED_ON)
    # What is unlike is measured from the light curves that the surveys have, of all lengths and without order in time.
    known = last_block(load_states(args, surveys, "train", KINDS["train"]))
    sizes = {
        "novelty_references": min(NUM_REFERENCES, len(known)),
        "novelty_directions": min(NUM_DIRECTIONS, known.shape[1]),
    }
    model = train_head(args, encoder, train, validation, **sizes)
    set_references(model, known, np.random.default_rng(args.seed))
    calibrate(model, validation)
    return model


def take_labels(states: LeafStates, per_class: int, seed: int) -> LeafStates:
    """States of `per_class` light curves of each group."""
    return states.select(take_per_class(states.groups, np.unique(states.groups), per_class, seed))


def score(probabilities: np.ndarray, allowed: np.ndarray, leaves: np.ndarray) -> float:
    """Macro-F1 over `leaves` (ids), of the light curves that have one of these and no other."""
    asked = np.flatnonzero((allowed.sum(1) == 1) & np.isin(allowed.argmax(1), leaves))
    if not len(asked):
        return float("nan")
    true, predicted = allowed[asked].argmax(1), probabilities[asked].argmax(1)
    return float(f1_score(true, predicted, labels=leaves, average="macro", zero_division=0))


def leave_out(
    args: argparse.Namespace, encoder: AstromerModel, left_out: Sequence[str]
) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """Scores on surveys whose labels the classifier has not seen, and its predictions; None where no class is known to both.

    Temperature and sets of likely classes are fitted to validation stars of the other surveys, as for the classifier of all.
    """
    others = [survey for survey in args.surveys if survey not in left_out]
    train = load_states(args, others, "train", KINDS["train"][:1])
    whole, short = (load_states(args, left_out, "test", [kind]) for kind in ("whole", "short"))
    known, told = (
        np.bincount(states.allowed[states.allowed.sum(1) == 1].argmax(1), minlength=len(LEAF_NAMES))
        for states in (train, whole)
    )
    leaves = np.flatnonzero((known > 0) & (told >= FEWEST_TESTED))
    leaves = leaves[leaves != LEAF_NAMES.index("OTHER")]  # other things on each survey
    if len(leaves) < 2:
        return None
    validation = load_states(args, others, "validation", KINDS["validation"])
    model = train_on_surveys(args, encoder, others, validation)
    training, train_allowed = load_features(args, others, "train")
    asked, _ = load_features(args, left_out, "test")
    single = train_allowed.sum(1) == 1
    forest = random_forest(args.seed, n_jobs=args.jobs).fit(
        np.nan_to_num(training[single], nan=-9), train_allowed[single].argmax(1)
    )
    probabilities, of_short = (predict(model, states) for states in (whole, short))
    of_forest = np.zeros_like(probabilities)
    of_forest[:, forest.classes_] = forest.predict_proba(np.nan_to_num(asked, nan=-9))
    row = {
        "classes": " ".join(LEAF_NAMES[leaf] for leaf in leaves),
        "light curves": int(((whole.allowed.sum(1) == 1) & whole.allowed[:, leaves].any(1)).sum()),
        "not seen": score(probabilities, whole.allowed, leaves),
        f"not seen, {SHORT_POINTS} points": score(of_short, short.allowed, leaves),
        "features and forest, not seen": score(of_forest, whole.allowed, leaves),
    }
    own, own_validation = (load_states(args, left_out, split, KINDS[split][:1]) for split in ("train", "validation"))
    for labels in (20, 100):
        scores = []
        for fold in range(args.folds):
            few, others_of_it = take_labels(own, labels, fold), take_labels(own_validation, labels // 4, fold)
            of_few = train_head(args, encoder, few, others_of_it, RECIPE_OF_FEW)
            scores.append(score(predict(of_few, whole), whole.allowed, leaves))
        row[f"{labels} + {labels // 4} labels of it"] = float(np.mean(scores))
    frames = []
    for split, states in {"validation": own_validation, "test": whole}.items():
        found = predict(model, states)
        frame = pd.DataFrame(found, columns=list(LEAF_NAMES)).assign(group=states.groups, split=split)
        frame["right"] = states.allowed[np.arange(len(states)), found.argmax(1)]
        frame["in_set"] = in_likely_set(found, states.allowed, model.config)
        frame["novelty"] = novelty_of(model.novelty, states)
        frame["number"] = np.arange(len(states))  # in the order of `read_split`
        frames.append(frame.iloc[np.flatnonzero(states.allowed[:, leaves].any(1))])
    return row, pd.concat(frames)


def predict(model: Any, states: LeafStates) -> np.ndarray:
    """Probabilities (N, C) at the temperature of the model."""
    return leaf_probabilities(states, leaf_logits(model, states), model.config.classifier_temperature)


def calibrate(model: Any, validation: LeafStates) -> None:
    """Fit temperature and sets of likely classes of a model to validation light curves."""
    config = model.config
    config.classifier_temperature = fit_leaf_temperature(validation, leaf_logits(model, validation))
    surveys = np.array([group.partition(" ")[0] for group in validation.groups])
    config.likely_set_thresholds = fit_likely_sets(predict(model, validation), validation.allowed, surveys)


def in_likely_set(probabilities: np.ndarray, allowed: np.ndarray, config: Any) -> np.ndarray:
    """Which light curves have an allowed class in their set of likely ones, `(N,)` bool."""
    likely = probabilities >= likely_set_threshold(config, COVERAGE)
    return ((likely | (probabilities == probabilities.max(1, keepdims=True))) & allowed).any(1)


def mark(predictions: pd.DataFrame, uncertain_below: float, unlike_above: float) -> dict[str, float]:
    """How many of these predictions are not uncertain, and right; how many sets hold the true class; how many are unlike."""
    sure = predictions[list(LEAF_NAMES)].max(axis=1) >= uncertain_below
    return {
        "not uncertain": float(sure.mean()),
        "accuracy of these": float(predictions["right"][sure].mean()),
        f"in the {COVERAGE:.0%} set": float(predictions["in_set"].mean()),
        "unlike": float((predictions["novelty"] > unlike_above).mean()),
    }


# --- The classifier of all surveys ---


def train_on_all(
    args: argparse.Namespace, encoder: AstromerModel, uncertain_below: float, unlike_above: float
) -> tuple[Any, pd.DataFrame]:
    """The calibrated classifier, and its scores on the test stars of each survey."""
    validation = load_states(args, args.surveys, "validation", KINDS["validation"])
    model = train_on_surveys(args, encoder, args.surveys, validation)
    config = model.config
    config.uncertain_below, config.label_parents, config.fewest_points = uncertain_below, dict(PARENT_OF), FEWEST_POINTS
    config.unlike_above = unlike_above
    rows = {}
    for survey in args.surveys:
        for kind in KINDS["test"]:
            states = load_states(args, [survey], "test", [kind])
            found = predict(model, states)
            frame = pd.DataFrame(found, columns=list(LEAF_NAMES))
            frame["right"] = states.allowed[np.arange(len(states)), found.argmax(1)]
            frame["in_set"] = in_likely_set(found, states.allowed, config)
            frame["novelty"] = novelty_of(model.novelty, states)
            leaves, members = np.unique(states.allowed[states.allowed.sum(1) == 1].argmax(1), return_counts=True)
            leaves = leaves[members >= FEWEST_TESTED]
            rows[survey, kind] = {
                "number": len(states),
                "macro-F1": score(found, states.allowed, leaves) if len(leaves) > 1 else float("nan"),
                "accuracy": float(frame["right"].mean()),
                **mark(frame, uncertain_below, unlike_above),
            }
    return model, pd.DataFrame(rows.values(), pd.MultiIndex.from_tuples(rows))


def judge_unlike(args: argparse.Namespace, model: Any) -> pd.DataFrame:
    """What the classifier says of light curves of kinds that it must not know, a row for each kind."""
    rows = {}
    for kind in KINDS_UNLIKE:
        with np.load(args.output / "states" / f"unlike-{kind.replace(' ', '-')}.npz", allow_pickle=False) as file:
            states = LeafStates(**file)
        found = predict(model, states)
        names = pd.Series(np.array(LEAF_NAMES)[found.argmax(1)]).value_counts(normalize=True)
        rows[kind] = {
            "light curves": len(states),
            "unlike": float((novelty_of(model.novelty, states) > model.config.unlike_above).mean()),
            "uncertain": float((found.max(1) < model.config.uncertain_below).mean()),
            "called most often": ", ".join(f"{name} {part:.2f}" for name, part in names.head(3).items()),
        }
    return pd.DataFrame(rows.values(), list(rows))


def main(args: argparse.Namespace) -> None:
    encoder, _ = load_encoder(args.encoder, None, "auto", "float32")
    compute_states(args, encoder)
    compute_transplants(args, encoder)
    compute_unlike(args, encoder)
    rows: dict[str, dict[str, Any]] = {}
    parts = []
    for name, left_out in LEFT_OUT.items():
        if not set(left_out) <= set(args.surveys) or set(left_out) == set(args.surveys):
            continue
        if (left := leave_out(args, encoder, left_out)) is None:
            print(f"{name}: no two classes that other surveys have too")
            continue
        rows[name] = left[0]
        parts.append(left[1].assign(left_out=name))
        print(f"{name}: {json.dumps(rows[name])}", flush=True)
    if not rows:
        raise SystemExit("error: at least two surveys that share two classes are needed")
    predictions = pd.concat(parts)
    predictions.to_parquet(args.output / "leave_one_survey_out.parquet", index=False)
    # Both thresholds are fitted to validation stars of surveys left out, each survey once and with the same weight.
    alone = predictions[
        (predictions["split"] == "validation") & predictions["left_out"].map(lambda name: len(LEFT_OUT[name]) == 1)
    ]
    weights = 1 / alone["left_out"].map(alone["left_out"].value_counts()).to_numpy()
    uncertain_below = fit_uncertainty(alone[list(LEAF_NAMES)].max(axis=1).to_numpy(), alone["right"].to_numpy(), weights)
    unlike_above = fit_unlike(alone["novelty"].to_numpy(), weights)
    for name, row in rows.items():
        tested = predictions[(predictions["left_out"] == name) & (predictions["split"] == "test")]
        row |= mark(tested, uncertain_below, unlike_above)
    write_table(args.output / "leave_one_survey_out.md", pd.DataFrame(rows.values(), list(rows)))
    model, scores = train_on_all(args, encoder, uncertain_below, unlike_above)
    write_table(args.output / "test_scores.md", scores)
    write_table(args.output / "unlike.md", judge_unlike(args, model))
    model.eval().save_pretrained(args.output / "model")
    AstromerFeatureExtractor(window_size=model.config.window_size).save_pretrained(args.output / "model")
    print(f"classifier -> {args.output / 'model'}")


def write_table(file: Path, table: pd.DataFrame) -> None:
    """Write a table in Markdown, and print it."""
    text = table.reset_index(names=[""] if table.index.nlevels == 1 else ["survey", "light curves"])
    rows = text.map(lambda value: f"{value:.3f}" if isinstance(value, float) else str(value))
    lines = [rows.columns, ["---"] * len(rows.columns), *rows.to_numpy()]
    file.write_text("".join(f"| {' | '.join(map(str, line))} |\n" for line in lines), encoding="utf-8")
    print(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(parse_args())
