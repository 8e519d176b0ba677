# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf plot ...`: from tables, checkpoints and results on disk to a picture, and `astromer-hf neighbors`.

Before it stand the readers, the pipelines and `plots/`; after it `main.py`, which adds these verbs to its own. This is wiring:
what is drawn is decided in `plots/figures.py`.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .options import MODEL_OR_DEFAULT, add_columns, column_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..light_curves.chunk import LightCurveChunk


def add_plot(verbs: Any) -> None:
    """The verb `plot` and its own verbs."""
    plot = verbs.add_parser("plot", help="pictures of light curves, embeddings, surveys, models and results")
    kinds = plot.add_subparsers(required=True, metavar="PICTURE")

    def add(name: str, draw: Callable[[argparse.Namespace], "Figure"], help_text: str) -> argparse.ArgumentParser:
        parser = kinds.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        parser.add_argument("-o", "--output", type=Path, required=True, help="picture to write: .png, .pdf, .svg")
        parser.add_argument("--dpi", type=int, default=150, help="of a .png (%(default)s)")
        parser.set_defaults(run=lambda args: save(draw(args), args))
        return parser

    light_curve = add("light-curve", draw_light_curve, "a light curve; folded, or with what a model makes of its hidden half")
    add_object(light_curve)
    light_curve.add_argument("--period", type=float, metavar="DAYS", help="draw it against the phase of this period")
    light_curve.add_argument("--reconstruct", action="store_true", help="hide a part of it and draw the reconstruction")
    light_curve.add_argument("--hidden-fraction", type=float, default=0.5, help="of --reconstruct (%(default)s)")
    light_curve.add_argument("--seed", type=int, default=0, help="of what is hidden, and of dropout")
    light_curve.add_argument("--dropout-passes", type=int, metavar="N", help="error bars from N passes with dropout")
    add_model(light_curve)

    attention = add("attention", draw_attention, "what an observation of a light curve attends to, head by head")
    add_object(attention)
    attention.add_argument("--observation", type=int, help="its number in order of time; the middle one by default")
    attention.add_argument("--block", type=int, default=-1, help="of the encoder, from 0; the last by default")
    add_model(attention)

    time_encoding = add("time-encoding", draw_time_encoding, "how a model encodes the times of a light curve")
    add_object(time_encoding)
    add_model(time_encoding)

    magnitude = add("magnitude-embedding", draw_magnitude_embedding, "how a model embeds magnitudes")
    add_model(magnitude)

    embeddings = add("embeddings", draw_embeddings, "a map of embeddings, as astromer-hf embed writes them, by class")
    embeddings.add_argument("source", type=Path, help="parquet table with a column of embeddings")
    embeddings.add_argument("--label-column", metavar="NAME", help="classes for the colours; label by default, if there is one")
    embeddings.add_argument("--method", default="pca", choices=("pca", "umap"), help="(%(default)s); umap needs umap-learn")
    embeddings.add_argument("--seed", type=int, default=0, help="of umap")

    survey = add("survey", draw_survey, "observations a light curve, magnitudes and gaps of one or several surveys")
    survey.add_argument("sources", type=Path, nargs="+", metavar="TABLE", help="tables of light curves")
    add_columns(survey)

    learning = add("learning-curves", draw_learning_curves, "losses of training runs, from their trainer_state.json")
    learning.add_argument("sources", type=Path, nargs="+", metavar="RUN", help="folders that the Trainer wrote, or such files")

    few_shot = add("few-shot", draw_few_shot, "scores against labelled samples a class, from the few-shot benchmark")
    few_shot.add_argument("source", type=Path, metavar="SCORES", help="scores.csv of scripts/run_few_shot_benchmark.py")
    few_shot.add_argument("--survey", help="of the table; needed if it has several")
    few_shot.add_argument("--methods", nargs="+", help="of the table; all by default")

    confusion = add("confusion", draw_confusion, "predicted against true classes, of a table that astromer-hf classify wrote")
    reliability = add("reliability", draw_reliability, "how often classes are right, by how likely they were said to be")
    for parser in (confusion, reliability):
        parser.add_argument("source", type=Path, metavar="CLASSES", help="parquet table of astromer-hf classify")
        parser.add_argument("--label-column", metavar="NAME", default="label", help="of the true classes (%(default)s)")


def add_neighbors(verbs: Any) -> None:
    """The verb `neighbors`."""
    parser = verbs.add_parser(
        "neighbors",
        help="the objects most like a given one, or like no other, among embeddings",
        description="Search a table of embeddings, as astromer-hf embed writes it. The distance is the Euclidean one between "
        "embeddings whose dimensions are scaled to a mean of 0 and a standard deviation of 1 over the table; isolation is the "
        "mean distance to the ten nearest others.",
    )
    parser.add_argument("source", type=Path, metavar="EMBEDDINGS", help="parquet table of embeddings")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--object", metavar="ID", help="find those most like this object")
    asked.add_argument("--isolated", type=int, metavar="N", help="find the N objects that are least like any other")
    parser.add_argument("-k", type=int, default=10, help="neighbours of --object (%(default)s)")
    parser.add_argument("--band", help="of the object, where it has several")
    parser.add_argument("-o", "--output", type=Path, help="write the table too, .csv or .parquet")
    parser.add_argument("--curves", type=Path, metavar="TABLE", help="the light curves that were embedded, for --picture")
    parser.add_argument("--picture", type=Path, help="draw the light curves of the object and of what was found")
    add_columns(parser)
    parser.set_defaults(run=run_neighbors)


def add_object(parser: argparse.ArgumentParser) -> None:
    """A light curve of a table."""
    parser.add_argument("source", type=Path, metavar="TABLE", help="parquet or CSV table of light curves")
    parser.add_argument("--object", required=True, metavar="ID", help="id of the object")
    parser.add_argument("--band", help="of the light curve, where the object has several")
    add_columns(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """A model."""
    parser.add_argument("--model", help=MODEL_OR_DEFAULT)
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")


def save(figure: "Figure", args: argparse.Namespace) -> None:
    """Write a picture."""
    if not args.output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {args.output.parent} for the picture.")
    figure.savefig(args.output, dpi=args.dpi)
    print(f"-> {args.output}")


# --- Light curves ---


def find_object(args: argparse.Namespace) -> tuple["LightCurveChunk", str]:
    """The clean light curve of the object that the command line names, and a title for it."""
    from ..light_curves.columns import TableError
    from ..light_curves.source import LightCurveSource

    found = LightCurveSource.open(args.source, columns=column_names(args)).find([args.object])
    bands = found.annotations["band"].to_pylist() if "band" in found.annotations else [None] * len(found)
    if args.band is not None:
        chosen = [number for number, band in enumerate(bands) if band == args.band]
    else:
        chosen = list(range(len(found)))
    if len(chosen) != 1:
        raise TableError(
            f"Object {args.object!r} has light curves in the bands {', '.join(map(str, bands))}: name one of them by --band."
        )
    chunk = found.select(np.array(chosen))
    curves, _ = chunk.curves.clean()
    if not curves.lengths[0]:
        raise TableError(f"The light curve of {args.object!r} has no usable observation.")
    label = chunk.annotations["label"][0].as_py() if "label" in chunk.annotations else None
    band = bands[chosen[0]]
    title = ", ".join(str(part) for part in (args.object, label, band) if part)
    return type(chunk)(chunk.object_ids, curves, chunk.annotations), title


def model_name(args: argparse.Namespace) -> str:
    """The model that the command line names, or the package's own."""
    from ..hub.load import default_model_folder

    return args.model or str(default_model_folder())


def draw_light_curve(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot light-curve`."""
    from ..plots.figures import plot_folded_light_curve, plot_light_curve

    chunk, title = find_object(args)
    curves = chunk.curves
    if not (args.reconstruct or args.model):
        if args.period is not None:
            return plot_folded_light_curve(curves.times, curves.magnitudes, args.period, curves.magnitude_errors, title=title)
        return plot_light_curve(curves.times, curves.magnitudes, curves.magnitude_errors, title=title)
    from transformers import AutoModelForPreTraining

    from ..evaluation.uncertainty import sample_with_dropout
    from ..hub.load import load_model
    from ..model.pipelines_astromer import LightCurveReconstructionPipeline

    name = model_name(args)
    model, extractor = load_model(name, AutoModelForPreTraining, revision=args.revision)
    pipe = LightCurveReconstructionPipeline(model, feature_extractor=extractor, device="cpu")
    light_curve = {"mjd": curves.times, "mag": curves.magnitudes, "magerr": curves.magnitude_errors}
    options = {"hidden_fraction": args.hidden_fraction, "seed": args.seed, "return_numpy": True}
    result = pipe(light_curve, **options)
    spread = None
    if args.dropout_passes is not None:
        spread = sample_with_dropout(
            model, lambda: pipe(light_curve, **options)["reconstruction"], num_passes=args.dropout_passes, seed=args.seed
        ).std
    return plot_light_curve(
        result["mjd"],
        result["mag"],
        result.get("magerr"),
        hidden=result["hidden"],
        reconstruction=result["reconstruction"],
        reconstruction_std=spread,
        period_days=args.period,
        title=f"{title}: {args.hidden_fraction:.0%} hidden, reconstructed by {Path(name).name}",
    )


def load_window(args: argparse.Namespace) -> tuple[Any, Any, int, str]:
    """An encoder that gives its attention, the window of an observation, its number in the window, and a title."""
    from ..hub.load import load_encoder
    from ..model.feature_extraction_astromer import AstromerFeatureExtractor

    chunk, title = find_object(args)
    name = model_name(args)
    model, extractor = load_encoder(name, args.revision, "cpu", "float32")
    model.set_attn_implementation("eager")
    extractor = extractor or AstromerFeatureExtractor(window_size=model.config.window_size)
    num_points = int(chunk.curves.lengths[0])
    observation = getattr(args, "observation", None)
    observation = num_points // 2 if observation is None else observation
    if not 0 <= observation < num_points:
        raise ValueError(f"--observation must lie between 0 and {num_points - 1}, got {observation}.")
    windows = extractor.extract(chunk.curves)
    row = int(np.flatnonzero(windows.window_start <= observation)[-1])
    points = slice(windows.window_length[row])
    window = {name: windows[name][row : row + 1, points] for name in ("magnitudes", "times")}
    window["mean_magnitude"], window["mean_time"] = windows.magnitude_means[row], windows.time_means[row]
    return model, window, observation - int(windows.window_start[row]), f"{title}, {Path(name).name}"


def draw_attention(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot attention`."""
    import torch

    from ..plots.figures import plot_attention

    model, window, observation, title = load_window(args)
    num_blocks = model.config.num_hidden_layers
    if not -num_blocks <= args.block < num_blocks:
        raise ValueError(f"--block must lie between 0 and {num_blocks - 1}, got {args.block}.")
    inputs = {name: torch.from_numpy(window[name]) for name in ("magnitudes", "times")}
    with torch.inference_mode():
        attention = model(**inputs, output_attentions=True).attentions[args.block][0].numpy()
    block = args.block % num_blocks
    times = window["times"][0] + window["mean_time"]
    magnitudes = window["magnitudes"][0] + window["mean_magnitude"]
    return plot_attention(times, magnitudes, attention, observation, title=f"{title}, block {block}")


def draw_time_encoding(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot time-encoding`."""
    import torch

    from ..plots.figures import plot_time_encoding

    model, window, _, title = load_window(args)
    with torch.inference_mode():
        encoding = model.embeddings.time_encoding(torch.from_numpy(window["times"]))[0].numpy()
    return plot_time_encoding(window["times"][0] - window["times"][0].min(), encoding, title=title)


def draw_magnitude_embedding(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot magnitude-embedding`."""
    from ..hub.load import load_encoder
    from ..plots.figures import plot_magnitude_projection

    name = model_name(args)
    layer = load_encoder(name, args.revision, "cpu", "float32")[0].embeddings.magnitude_embedding
    weight, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    return plot_magnitude_projection(weight, bias, title=Path(name).name)


# --- Tables of results ---


def draw_embeddings(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot embeddings`."""
    from ..inference.neighbors import Embeddings
    from ..plots.figures import plot_embedding_map

    embeddings = Embeddings.read(args.source, label_column=args.label_column)
    title = f"{len(embeddings)} objects of {args.source.stem}"
    labels = None if embeddings.labels is None else embeddings.labels.tolist()
    return plot_embedding_map(embeddings.vectors, labels, method=args.method, seed=args.seed, title=title)


def draw_survey(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot survey`."""
    from ..light_curves.source import LightCurveSource
    from ..plots.figures import plot_survey_summary

    names = [source.stem for source in args.sources]
    summaries = [LightCurveSource.open(source, columns=column_names(args)).summary() for source in args.sources]
    return plot_survey_summary(dict(zip(names, summaries, strict=True)))


def draw_learning_curves(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot learning-curves`."""
    from ..plots.figures import plot_learning_curves
    from ..training.trainer import read_learning_curves

    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for source in args.sources:
        states = sorted(source.rglob("trainer_state.json")) if source.is_dir() else [source]
        if not states or not states[0].is_file():
            raise FileNotFoundError(f"There is no trainer_state.json in {source}: give the folder that a Trainer wrote.")
        newest = max(states, key=lambda path: path.stat().st_mtime)
        found = read_learning_curves(json.loads(newest.read_text(encoding="utf-8"))["log_history"])
        of_run = f"{source.name} " if len(args.sources) > 1 else ""
        curves |= {f"{of_run}{name}": found[name] for name in ("loss", "eval_loss") if name in found}
    return plot_learning_curves(curves)


def draw_few_shot(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot few-shot`."""
    import pandas as pd

    from ..plots.figures import plot_few_shot

    table = pd.read_csv(args.source)
    if missing := {"survey", "method", "samples_per_class", "macro_f1"} - set(table.columns):
        raise ValueError(
            f"{args.source} needs the columns {', '.join(sorted(missing))} too; it has {', '.join(table.columns)}."
        )
    surveys = table["survey"].unique().tolist()
    if args.survey is None and len(surveys) > 1:
        raise ValueError(f"Name one of the surveys of {args.source.name} by --survey: {', '.join(surveys)}.")
    table = table[table["survey"] == (args.survey or surveys[0])]
    methods = args.methods or table["method"].unique().tolist()
    if unknown := set(methods) - set(table["method"]):
        raise ValueError(f"There is no {', '.join(sorted(unknown))}; there are: {', '.join(sorted(set(table['method'])))}.")
    scores: dict[str, dict[int, list[float]]] = {method: {} for method in methods}
    for (method, samples), rows in table.groupby(["method", "samples_per_class"], sort=False):
        if method in scores:
            scores[method][int(samples)] = rows["macro_f1"].tolist()
    return plot_few_shot(scores)


def read_classes(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """True and predicted classes, probabilities `(N, C)` and the C names of a table of `astromer-hf classify`."""
    import pyarrow.parquet as pq

    table = pq.read_table(args.source)
    prefix = "probability_"
    names = [name.removeprefix(prefix) for name in table.column_names if name.startswith(prefix)]
    for needed in (args.label_column, "predicted_label"):
        if needed not in table.column_names:
            raise ValueError(
                f"{args.source} has no column {needed!r}: astromer-hf classify writes it for a table that has true classes; "
                f"there are: {', '.join(table.column_names)}."
            )
    true, predicted = (np.array(table[name].to_pylist(), dtype=object) for name in (args.label_column, "predicted_label"))
    probabilities = np.column_stack([table[prefix + name].to_numpy() for name in names])
    known = np.isin(true.astype(str), names) & np.isfinite(probabilities).all(1)
    if not known.any():
        raise ValueError(f"No true class in the column {args.label_column!r} is one of {', '.join(names)}.")
    return true[known].astype(str), predicted[known].astype(str), probabilities[known], names


def draw_confusion(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot confusion`."""
    from ..plots.figures import plot_confusion_matrix

    true, predicted, _, _ = read_classes(args)
    return plot_confusion_matrix(true.tolist(), predicted.tolist())


def draw_reliability(args: argparse.Namespace) -> "Figure":
    """`astromer-hf plot reliability`."""
    from ..evaluation.classification_metrics import bin_confidences
    from ..plots.figures import plot_reliability

    true, _, probabilities, names = read_classes(args)
    ids = np.array([names.index(name) for name in true])
    return plot_reliability({args.source.stem: bin_confidences(ids, probabilities)})


# --- Neighbours ---


def run_neighbors(args: argparse.Namespace) -> None:
    """`astromer-hf neighbors`."""
    from ..inference.neighbors import Embeddings, find_isolated, find_neighbors

    if (args.picture is None) != (args.curves is None):
        raise ValueError("A picture of light curves needs both: --curves TABLE and --picture FILE.")
    if args.output is not None and args.output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"The output must be a .csv or .parquet file, got {args.output.name}.")
    embeddings = Embeddings.read(args.source, label_column=args.label_column)
    if args.isolated is not None:
        found = find_isolated(embeddings, args.isolated)
    else:
        found = find_neighbors(embeddings, args.object, args.k, band=args.band)
    print(found.to_string(index=False, float_format="%.3f"))
    if args.output is not None:
        if args.output.suffix == ".csv":
            found.to_csv(args.output, index=False)
        else:
            found.to_parquet(args.output, index=False)
        print(f"-> {args.output}")
    if args.picture is not None:
        query = None if args.object is None else embeddings.find(args.object, args.band)
        draw_found(args, embeddings, found, query).savefig(args.picture, dpi=150)
        print(f"-> {args.picture}")


def draw_found(args: argparse.Namespace, embeddings: Any, found: Any, query: int | None) -> "Figure":
    """The light curves of a search's results, after that of the object they were searched for."""
    from ..light_curves.source import LightCurveSource
    from ..plots.figures import plot_light_curves

    rows = found.to_dict("records")
    if query is not None:
        rows = [*embeddings.describe(np.array([query])).assign(distance=0.0).to_dict("records"), *rows]
    chunk = LightCurveSource.open(args.curves, columns=column_names(args)).find([row["object_id"] for row in rows])
    curves, _ = chunk.curves.clean()
    bands = chunk.annotations["band"].to_pylist() if "band" in chunk.annotations else [None] * len(chunk)
    object_ids = chunk.object_ids.to_pylist()
    drawn: list[tuple[str, np.ndarray, np.ndarray]] = []
    for row in rows:
        of_object = [number for number, object_id in enumerate(object_ids) if object_id == row["object_id"]]
        number = next((number for number in of_object if bands[number] == row.get("band")), of_object[0])
        own = slice(curves.offsets[number], curves.offsets[number + 1])
        value = "query" if "distance" in row and not drawn else f"{row.get('distance', row.get('isolation')):.2f}"
        title = ", ".join(str(part) for part in (row["object_id"], row.get("label"), value) if part)
        drawn.append((title, curves.times[own], curves.magnitudes[own]))
    return plot_light_curves(drawn, highlight_first=query is not None)
