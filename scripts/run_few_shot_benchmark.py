# Copyright 2026 The astromer_hf developers. MIT licence.
"""Few-shot classification of surveys: every method on the same draws, one table (paper, Sect. 7, Figs. 11 and 12).

Encoders have seen at most the training split of a prepared survey; the test set, 100 light curves per class, comes from the
other splits. A method is trained on 20, 100 or 500 labelled light curves per class, drawn three times (folds).

Completed runs are kept on disk and not repeated. An interrupted benchmark continues when it is started again, and another model
or more methods add to the existing results. Every survey has its own files, so several can run in parallel.

Example:
    python scripts/run_few_shot_benchmark.py data/prepared --models model_cards/astromer-surveys-small runs/macho_a0 \
        -o results/few_shot --bf16
"""

import argparse
import hashlib
import json
import os
import re
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from safetensors.torch import load_file
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC
from transformers import AutoModelForPreTraining, set_seed

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.baselines.hand_crafted_features import extract_features, feature_names, random_forest
from astromer_hf.baselines.lstm_baseline import LightCurveLSTMForSequenceClassification
from astromer_hf.cli.numbers import count, seed
from astromer_hf.cli.plot import best_of_each_kind
from astromer_hf.evaluation.classification_metrics import score_classes
from astromer_hf.hub.load import load_encoder, load_model
from astromer_hf.inference.output_files import complete_or_absent, only_writer
from astromer_hf.plots.figures import plot_confusion_matrix, plot_few_shot, plot_learning_curves
from astromer_hf.training.few_shot import (
    Draw,
    FrozenStates,
    LabelledCurves,
    Outcome,
    Recipe,
    adapt_encoder,
    build_classifier,
    draw_few_shot,
    fit_and_predict,
    fit_linear_discriminant,
    fit_linear_probe,
    fit_nearest_neighbors,
    linear_discriminant,
    load_labelled_survey,
    train_on_windows,
)
from astromer_hf.training.heads import train_head
from astromer_hf.training.table_classifier import SMALL_MLP, THINNED_COPIES
from astromer_hf.training.trainer import load_split
from astromer_hf.training.variable_stars import choose_points

SURVEYS = ("crts_css", "asas_acvs", "sss_catalina_south")
DEVIATIONS = {"classifier_pooling": "mean_std"}
ALONE = {"classifier_shortcut": False}  # without the discriminant beside it
LAST_BLOCK = ALONE | {"concatenate_layers": False}
STANDARDISED = SMALL_MLP | LAST_BLOCK | {"classifier_initializer_range": None}  # as it was without copies
FIT = "small MLP and linear discriminant"  # as in `astromer-hf fit`
VOTE = "support vectors and extra trees, all blocks"
LSTM: dict[str, Any] = {"classifier_head": "lstm", "classifier_dropout": 0.3}
NUM_TREES = 500  # of a forest
FITTED = {"reconstruction_quantiles", "transformers_version", "name_or_path"}  # of a config, but not of an architecture
KEY = ("method", "weights", "samples_per_class", "fold")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared surveys, see scripts/prepare_dataset.py")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="pre-trained model folders; the first is ours")
    parser.add_argument("--surveys", nargs="+", default=SURVEYS, help="default: %(default)s")
    parser.add_argument("--samples", type=count, nargs="+", default=[20, 100, 500], help="labelled light curves a class")
    parser.add_argument("--folds", type=count, default=3, help="draws (%(default)s)")
    parser.add_argument("--methods", default="", metavar="REGEX", help="only methods whose name matches")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/few_shot"), help="folder of the results")
    parser.add_argument("--seed", type=seed, default=0, help="of draws and trainings")
    parser.add_argument("--test-per-class", type=count, default=100, help="test light curves a class (%(default)s)")
    parser.add_argument("--min-train", type=count, default=100, help="a class needs so many to learn from (%(default)s)")
    parser.add_argument("--max-points", type=count, help="observations of a light curve, of which a random part is kept (all)")
    parser.add_argument("--max-epochs", type=count, default=100, help="of heads on pooled embeddings (%(default)s)")
    parser.add_argument("--max-steps", type=count, default=1000, help="of LSTMs; encoders take half (%(default)s)")
    parser.add_argument("--bf16", action="store_true", help="train LSTMs and encoders in bfloat16")
    parser.add_argument("--table-only", action="store_true", help="draw tables and pictures of what is there")
    return parser.parse_args(argv)


class Survey:
    """A survey's labelled light curves, its draws and the data that methods share; everything is computed on first use."""

    def __init__(self, name: str, args: argparse.Namespace):
        self.name, self.args = name, args
        self._states: dict[tuple[str, bool], FrozenStates] = {}
        self._thinned: dict[str, FrozenStates] = {}

    @cached_property
    def labelled(self) -> LabelledCurves:
        """Light curves of the classes that are large enough."""
        folder = self.args.data / self.name
        labelled = load_labelled_survey(folder, min_train=self.args.min_train, test_per_class=self.args.test_per_class)
        if self.args.max_points is None:
            return labelled
        return replace(
            labelled, curves=choose_points(labelled.curves, self.args.max_points, np.random.default_rng(self.args.seed))
        )

    @cached_property
    def draws(self) -> dict[tuple[int, int], Draw]:
        """Draws by samples per class and fold."""
        options = {"test_per_class": self.args.test_per_class, "seed": self.args.seed}
        return {
            (samples, fold): draw_few_shot(self.labelled, samples, fold, **options)
            for samples in self.args.samples
            for fold in range(self.args.folds)
        }

    @cached_property
    def objects(self) -> np.ndarray:
        """All light curves of the draws."""
        return np.unique(np.concatenate([np.concatenate((draw.labelled, draw.test)) for draw in self.draws.values()]))

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """Rows of `objects` as rows of all light curves; NaN for the others."""
        rows = np.full((len(self.labelled), values.shape[1]), np.nan)
        rows[self.objects] = values
        return rows

    @cached_property
    def features(self) -> dict[bool, np.ndarray]:
        """Hand-crafted features without and with those of absolute brightness."""
        values, names = extract_features(self.labelled.curves.select(self.objects), with_brightness=True)
        rows = self.scatter(values)
        return {True: rows, False: rows[:, [names.index(name) for name in feature_names(with_brightness=False)]]}

    def states(self, source: "Encoder", with_observations: bool = False) -> FrozenStates:
        """States of `objects`, computed once for all draws."""
        key = (source.name, with_observations)
        if key not in self._states:
            self._states = {}  # one at a time: states of observations take gigabytes
            encoder = source.load()
            self._states[key] = FrozenStates.compute(encoder, self.labelled, self.objects, with_observations=with_observations)
        return self._states[key]

    def thinned_states(self, source: "Encoder") -> FrozenStates:
        """States of thinned copies of the training light curves of all draws."""
        if source.name not in self._thinned:
            training = np.unique(np.concatenate([draw.train for draw in self.draws.values()]))
            options = {"copies": THINNED_COPIES, "seed": self.args.seed}
            self._thinned = {source.name: FrozenStates.compute_thinned(source.load(), self.labelled, training, **options)}
        return self._thinned[source.name]

    def embeddings(self, source: "Encoder", of_all_blocks: bool = False) -> np.ndarray:
        """Embeddings of all light curves, see `scatter`: means and deviations of all blocks, or means of the last block."""
        states = self.states(source)
        if not of_all_blocks:
            return self.scatter(states.object_embeddings(self.objects))
        windows = states.windows_of(self.objects)
        return self.scatter(states.mean_over_windows(states.pooled[windows].reshape(len(windows), -1), windows))


@dataclass(frozen=True)
class Encoder:
    """A pre-trained model folder, or a freshly initialised encoder of the same configuration."""

    name: str
    folder: Path
    is_random: bool = False

    @cached_property
    def weights(self) -> str:
        """Identifies a version of a model: a digest of its weights, or of its architecture if they are random."""
        if self.is_random:
            fields = AstromerConfig.from_pretrained(self.folder).to_dict()
            built = {name: fields[name] for name in sorted(fields.keys() - FITTED)}
            return hashlib.sha256(json.dumps(built).encode()).hexdigest()[:12]
        digest = hashlib.sha256()  # of the numbers, since files with the same weights may differ in their headers
        for name, tensor in sorted(load_file(self.folder / "model.safetensors").items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:12]

    def load(self) -> AstromerModel:
        """Load or initialise the encoder.

        Raises:
            ModelError: its weights do not fit its architecture.
        """
        if not self.is_random:
            return load_encoder(str(self.folder), None, "auto", "float32")[0]
        set_seed(0)
        return AstromerModel(AstromerConfig.from_pretrained(self.folder))


@dataclass(frozen=True)
class Method:
    """A row of the table: `run` returns the outcome on a survey's draw."""

    name: str
    run: Callable[[Survey, Draw, int], Outcome]
    weights: str = ""


def list_methods(args: argparse.Namespace) -> list[Method]:
    """Every row of the table, quick ones first.

    Raises:
        SystemExit: two models have the same name.
    """
    heads = Recipe(max_epochs=args.max_epochs)
    small = replace(heads, learning_rate=3e-4)
    # A step of an LSTM costs as much as one of the encoder, so both get the same number of steps, not of epochs.
    sequences = Recipe(batch_size=16, max_steps=args.max_steps, patience=15, bf16=args.bf16)
    along = replace(sequences, learning_rate=1e-4, max_steps=max(args.max_steps // 2, 1), patience=5)

    def forest(brightness: bool) -> Callable[[Survey, Draw, int], Outcome]:
        return lambda survey, draw, seed: fit_and_predict(
            random_forest(seed, num_trees=NUM_TREES), survey.features[brightness], survey.labelled.labels, draw
        )

    def discriminant_of_features(survey: Survey, draw: Draw, seed: int) -> Outcome:
        normal = QuantileTransformer(n_quantiles=min(100, len(draw.labelled)), output_distribution="normal")
        analysis = make_pipeline(SimpleImputer(), normal, linear_discriminant())
        return fit_and_predict(analysis, survey.features[False], survey.labelled.labels, draw)

    def on_embeddings(source: Encoder, learn: Callable[..., Outcome]) -> Callable[[Survey, Draw, int], Outcome]:
        return lambda survey, draw, seed: learn(survey.embeddings(source), survey.labelled.labels, draw, seed)

    def forest_of_both(source: Encoder) -> Callable[[Survey, Draw, int], Outcome]:
        def run(survey: Survey, draw: Draw, seed: int) -> Outcome:
            both = np.concatenate((survey.embeddings(source), survey.features[False]), axis=1)
            return fit_and_predict(random_forest(seed, num_trees=NUM_TREES), both, survey.labelled.labels, draw)

        return run

    def vote_on_blocks(survey: Survey, draw: Draw, seed: int, source: Encoder) -> Outcome:
        labels = survey.labelled.labels
        folds = min(5, np.bincount(labels[draw.labelled]).min())
        return fit_and_predict(vote(seed, folds), survey.embeddings(source, of_all_blocks=True), labels, draw)

    def head(source: Encoder, recipe: Recipe, **fields: Any) -> Callable[[Survey, Draw, int], Outcome]:
        def run(survey: Survey, draw: Draw, seed: int) -> Outcome:
            states = survey.states(source, with_observations=fields.get("classifier_head") == "lstm")
            config = AstromerConfig.from_pretrained(source.folder)
            model = build_classifier(config, survey.labelled.classes, seed, **fields)
            return train_head(model, states, survey.labelled.labels, draw, recipe, seed)

        return run

    def head_on_copies(source: Encoder, **fields: Any) -> Callable[[Survey, Draw, int], Outcome]:
        """A small perceptron that is also trained on thinned copies; without `fields` as in `astromer-hf fit`."""

        def run(survey: Survey, draw: Draw, seed: int) -> Outcome:
            states, thinned = survey.states(source), survey.thinned_states(source)
            config = AstromerConfig.from_pretrained(source.folder)
            model = build_classifier(config, survey.labelled.classes, seed, **SMALL_MLP | fields)
            return train_head(model, states, survey.labelled.labels, draw, small, seed, thinned=thinned)

        return run

    def head_and_forest(source: Encoder) -> Callable[[Survey, Draw, int], Outcome]:
        """The mean of the probabilities of `head_on_copies` and of the forest on features."""
        of_copies, of_features = head_on_copies(source), forest(False)

        def run(survey: Survey, draw: Draw, seed: int) -> Outcome:
            outcome = of_copies(survey, draw, seed)
            others = of_features(survey, draw, seed).probabilities
            return replace(outcome, probabilities=(outcome.probabilities + others) / 2)

        return run

    def raw_lstm(survey: Survey, draw: Draw, seed: int) -> Outcome:
        set_seed(seed)
        config = AstromerConfig.from_dict({"num_labels": len(survey.labelled.classes), **LSTM})
        model = LightCurveLSTMForSequenceClassification(config)
        return train_on_windows(model, survey.labelled, draw, sequences, seed)

    adapted_weights: dict[tuple[Any, ...], dict[str, Any]] = {}  # scenarios (a) and (b) begin with the same encoder

    def adapted(source: Encoder, survey: Survey, draw: Draw | None, seed: int) -> AstromerModel:
        """The encoder after further pre-training on a draw's light curves, or on the survey's whole training split."""
        model, _ = load_model(str(source.folder), AutoModelForPreTraining)
        key = (source.name, survey.name, seed, draw is not None and draw.labelled.tobytes())
        if (weights := adapted_weights.get(key)) is not None:
            model.model.load_state_dict(weights)
            return model.model
        curves = survey.labelled.curves
        if draw is not None:
            adapt_encoder(model, curves.select(draw.train), curves.select(draw.validation), along, seed)
        else:
            curves = load_split(args.data / survey.name, "train", min_points=20)
            order = np.random.default_rng(seed).permutation(len(curves))
            stop, train = np.split(order, [min(500, len(curves) // 10)])  # test light curves are in the other splits
            adapt_encoder(model, curves.select(train), curves.select(stop), along, seed)
        adapted_weights[key] = {name: tensor.cpu().clone() for name, tensor in model.model.state_dict().items()}
        return model.model

    def scenario_a(source: Encoder) -> Callable[[Survey, Draw, int], Outcome]:
        def run(survey: Survey, draw: Draw, seed: int) -> Outcome:
            encoder = adapted(source, survey, draw, seed)
            states = FrozenStates.compute(encoder, survey.labelled, np.concatenate((draw.labelled, draw.test)))
            model = build_classifier(encoder.config, survey.labelled.classes, seed)
            return train_head(model, states, survey.labelled.labels, draw, heads, seed)

        return run

    def trained_along(source: Encoder, whole_survey: bool) -> Callable[[Survey, Draw, int], Outcome]:
        def run(survey: Survey, draw: Draw, seed: int) -> Outcome:
            encoder = adapted(source, survey, None, args.seed) if whole_survey else adapted(source, survey, draw, seed)
            model = build_classifier(AstromerConfig.from_pretrained(source.folder), survey.labelled.classes, seed)
            model.model.load_state_dict(encoder.state_dict())
            return train_on_windows(model, survey.labelled, draw, along, seed)

        return run

    encoders = [Encoder(folder.resolve().name, folder) for folder in args.models]
    if len({source.name for source in encoders}) < len(encoders):
        raise SystemExit("error: runs are told apart by the names of the models' folders; give each its own")
    methods = [
        Method("features, random forest", forest(False)),
        Method("features and brightness, random forest", forest(True)),
        Method("features, linear discriminant", discriminant_of_features),
    ]
    for source in encoders:
        methods += [
            Method(f"{source.name}: linear probe", on_embeddings(source, fit_linear_probe), source.weights),
            Method(f"{source.name}: linear discriminant", on_embeddings(source, fit_linear_discriminant), source.weights),
            Method(f"{source.name}: nearest neighbours", on_embeddings(source, fit_nearest_neighbors), source.weights),
            Method(f"{source.name}: {VOTE}", partial(vote_on_blocks, source=source), source.weights),
            Method(f"{source.name}: MLP", head(source, heads), source.weights),
            Method(f"{source.name}: MLP, layer-skip", head(source, heads, use_weighted_layer_sum=True), source.weights),
            Method(f"{source.name}: MLP, means and deviations", head(source, heads, **DEVIATIONS), source.weights),
            Method(f"{source.name}: small MLP, standardised", head(source, small, **STANDARDISED), source.weights),
            Method(f"{source.name}: small MLP, thinned copies", head_on_copies(source, **LAST_BLOCK), source.weights),
            Method(f"{source.name}: small MLP, thinned copies, all blocks", head_on_copies(source, **ALONE), source.weights),
            Method(f"{source.name}: {FIT}", head_on_copies(source), source.weights),
        ]
    ours = encoders[:1]
    for source in ours:
        random = Encoder(f"random {source.name}", source.folder, is_random=True)
        methods += [
            Method(f"{source.name}: embedding and features, random forest", forest_of_both(source), source.weights),
            Method(f"{source.name}: {FIT}, averaged with the features' forest", head_and_forest(source), source.weights),
            Method("random encoder: MLP", head(random, heads), random.weights),
            Method("random encoder: linear discriminant", on_embeddings(random, fit_linear_discriminant), random.weights),
            Method("random encoder: linear probe", on_embeddings(random, fit_linear_probe), random.weights),
            Method("random encoder: nearest neighbours", on_embeddings(random, fit_nearest_neighbors), random.weights),
        ]
    methods.append(Method("light curve, LSTM", raw_lstm))
    methods += [Method(f"{source.name}: LSTM", head(source, sequences, **LSTM), source.weights) for source in encoders]
    for source in ours:
        methods += [
            Method(f"{source.name}: MLP, encoder tuned on the samples (a)", scenario_a(source), source.weights),
            Method(f"{source.name}: MLP, and trained along (b)", trained_along(source, False), source.weights),
            Method(f"{source.name}: MLP, tuned on the survey, trained along (c)", trained_along(source, True), source.weights),
        ]
    return methods


def vote(seed: int, folds: int) -> VotingClassifier:
    """The mean of the probabilities of support vectors and of extremely randomised trees, trained on all labelled samples.

    The probabilities of the support vectors are fitted in `folds` folds.
    """
    vectors = make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(C=3), cv=folds, ensemble=False))
    trees = ExtraTreesClassifier(NUM_TREES, random_state=seed)
    return VotingClassifier([("vectors", vectors), ("trees", trees)], voting="soft")


# --- Runs on disk ---


def read_runs(file: Path, settings: dict[str, Any]) -> pd.DataFrame:
    """The completed runs of a survey.

    Raises:
        SystemExit: they have other settings.
    """
    if not file.is_file():
        return pd.DataFrame(columns=[*KEY])
    runs = pd.read_parquet(file)
    if any(name not in runs or (runs[name] != value).any() for name, value in settings.items()) or (
        "max_points" in runs and "max_points" not in settings
    ):
        raise SystemExit(f"error: {file} holds runs of other settings than {settings}; name another --output or delete it")
    return runs


def is_stale(runs: pd.DataFrame, methods: Sequence[Method]) -> pd.Series:
    """Which runs used another version of a model than these methods do."""
    weights = runs["method"].map({method.name: method.weights for method in methods})
    return weights.notna() & (weights != runs["weights"])


def write_runs(file: Path, runs: pd.DataFrame) -> None:
    """Write a survey's runs; the file is complete or absent."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    runs.to_parquet(unfinished, index=False)
    os.replace(unfinished, file)


def describe(survey: Survey, draw: Draw, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Scores of a run, its confusion matrix (rows are true classes, flattened) and its history."""
    true, predicted = survey.labelled.labels[draw.test], outcome.probabilities.argmax(1)
    num_classes = len(survey.labelled.classes)
    return {
        "num_train": len(draw.train),
        "num_validation": len(draw.validation),
        "num_test": len(draw.test),
        **score_classes(true, predicted, num_classes),
        "best_epoch": outcome.best_epoch,
        "seconds": round(seconds, 1),
        "classes": list(survey.labelled.classes),
        "confusion": confusion_matrix(true, predicted, labels=range(num_classes)).ravel().tolist(),
        "history": json.dumps([{name: round(value, 5) for name, value in entry.items()} for entry in outcome.history]),
    }


def run_survey(name: str, methods: Sequence[Method], args: argparse.Namespace) -> None:
    file = args.output / f"{name}.parquet"
    names = ("seed", "test_per_class", "min_train", "max_epochs", "max_steps", "bf16")
    settings = {name: getattr(args, name) for name in names}
    if args.max_points is not None:
        settings["max_points"] = args.max_points
    runs = read_runs(file, settings)
    survey = Survey(name, args)
    done = set(runs[list(KEY)].itertuples(index=False, name=None))
    for method in methods:
        runs = runs[~is_stale(runs, [method])]
        for samples in args.samples:
            for fold in range(args.folds):
                key = dict(zip(KEY, (method.name, method.weights, samples, fold), strict=True))
                if tuple(key.values()) in done:
                    continue
                start = time.perf_counter()
                draw = survey.draws[samples, fold]
                outcome = method.run(survey, draw, args.seed + fold)
                row = {"survey": name, **key, **describe(survey, draw, outcome, time.perf_counter() - start), **settings}
                runs = pd.concat([runs, pd.DataFrame([row])], ignore_index=True) if len(runs) else pd.DataFrame([row])
                write_runs(file, runs)
                print(
                    f"{name} {method.name}, {samples} a class, fold {fold}: macro-F1 {row['macro_f1']:.3f}, accuracy "
                    f"{row['accuracy']:.3f}, {row['seconds']:.0f} s",
                    flush=True,
                )


# --- Tables and pictures ---


def markdown_tables(runs: pd.DataFrame, order: Sequence[str]) -> str:
    """Macro-F1 of every method, mean ± standard deviation over folds, one table a survey."""
    parts = []
    for survey, rows in runs.groupby("survey", sort=False):
        classes = rows["classes"].iloc[0]
        cells = rows.groupby(["method", "samples_per_class"])["macro_f1"].agg(["mean", "std", "count"])
        samples = sorted(rows["samples_per_class"].unique())
        lines = [["", *(f"{count} a class" for count in samples)], ["---"] * (1 + len(samples))]
        for method in [name for name in order if name in set(rows["method"])]:
            found = (cells.loc[(method, count)] if (method, count) in cells.index else None for count in samples)
            lines.append([method, *("" if cell is None else describe_scores(*cell) for cell in found)])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"## {survey}\n\n{len(classes)} classes: {', '.join(classes)}.\n\n{table}\n")
    return "\n".join(parts)


def describe_scores(mean: float, deviation: float, count: float) -> str:
    return f"{mean:.3f} ± {deviation:.3f}" if count > 1 else f"{mean:.3f}"


def draw_pictures(runs: pd.DataFrame, output: Path, order: Sequence[str]) -> Iterator[Path]:
    """Scores against samples a class (paper, Fig. 11), learning curves (Fig. 12), and the best model's confusion matrix.

    The first two show the best method of each kind, five at most, as `astromer-hf plot few-shot` does.
    """
    for survey, rows in runs.groupby("survey", sort=False):
        chosen, every = best_of_each_kind(rows), [method for method in order if method in set(rows["method"])]
        scores: dict[str, Any] = {
            method: {count: list(group["macro_f1"]) for count, group in part.groupby("samples_per_class")}
            for method in chosen
            if len(part := rows[rows["method"] == method])
        }
        some = f": {len(chosen)} of {len(every)} methods, the best of each kind" if len(chosen) < len(every) else ""
        yield save(plot_few_shot(scores, title=f"{survey}{some}"), output / f"{survey}_scores.png")
        largest = rows[(rows["samples_per_class"] == rows["samples_per_class"].max()) & (rows["fold"] == 0)]
        of_models = largest[largest["weights"] != ""]
        best = (of_models if len(of_models) else largest).sort_values("macro_f1").iloc[-1]
        classes = list(best["classes"])
        counts = np.array(best["confusion"]).reshape(len(classes), -1)
        true, predicted = (np.repeat(np.indices(counts.shape)[axis].ravel(), counts.ravel()) for axis in (0, 1))
        figure = plot_confusion_matrix([classes[i] for i in true], [classes[i] for i in predicted])
        title = textwrap.fill(f"{best['method']}, {best['samples_per_class']} a class", 60)
        figure.suptitle(f"{survey}\n{title}", fontsize="small")
        yield save(figure, output / f"{survey}_confusion.png")
        own_network = ~largest["method"].str.contains(" averaged with ")  # else that of another row
        trained = largest[own_network & (largest["history"].map(json.loads).str.len() > 0)]
        if len(trained):
            curves = {}
            for _, row in trained[trained["method"].isin(best_of_each_kind(trained))].iterrows():
                losses = pd.DataFrame(json.loads(row["history"]))
                curves[row["method"]] = (losses["epoch"].to_numpy(), losses["eval_loss"].to_numpy())
            figure = plot_learning_curves(curves)
            figure.axes[0].set(xlabel="epoch", ylabel="validation loss", title=f"{survey}, {best['samples_per_class']} a class")
            yield save(figure, output / f"{survey}_learning_curves.png")


def save(figure: Any, path: Path) -> Path:
    with complete_or_absent(path) as partial:
        figure.savefig(partial, dpi=120, format=path.suffix[1:])
    return path


def main(args: argparse.Namespace) -> None:
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    methods = list_methods(args)
    if not args.table_only:
        chosen = [method for method in methods if re.search(args.methods, method.name)]
        args.output.mkdir(parents=True, exist_ok=True)
        for name in args.surveys:
            with only_writer(args.output / f"{name}.parquet"):  # two writers would overwrite each other's runs
                run_survey(name, chosen, args)
    files = sorted(args.output.glob("*.parquet"))
    if not files:
        raise SystemExit(f"error: there are no runs in {args.output}")
    runs = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    runs = runs[~is_stale(runs, methods)]
    order = list(dict.fromkeys([*(method.name for method in methods), *runs["method"]]))
    columns = ["survey", *KEY, "num_train", "num_validation", "num_test", "macro_f1", "accuracy", "best_epoch", "seconds"]
    with complete_or_absent(args.output / "scores.csv") as partial:
        runs[columns].to_csv(partial, index=False, float_format="%.4f")
    with complete_or_absent(args.output / "scores.md") as partial:
        partial.write_text(markdown_tables(runs, order), encoding="utf-8")
    for path in draw_pictures(runs, args.output, order):
        print(f"-> {path}")
    print((args.output / "scores.md").read_text())


if __name__ == "__main__":
    main(parse_args())
