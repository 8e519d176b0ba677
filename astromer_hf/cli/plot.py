# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf plot ...`: from tables, checkpoints and results on disk to a picture.

Each command reads its input; `plots/figures.py` decides what is drawn.
"""

import json
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from .models import model_or_default, open_encoder, quiet_transformers
from .options import (
    LARGEST_SEED,
    MANY,
    Columns,
    DropoutPasses,
    Model,
    Revision,
    Table,
    Width,
    fraction,
    positive,
    replace_parameters,
    with_columns,
)
from .verb import Group, Verb, show_examples

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from ..light_curves.chunk import LightCurveChunk
    from ..model.feature_extraction_astromer import RaggedLightCurves

plot = typer.Typer(
    name="plot",
    cls=Group,
    no_args_is_help=True,
    help="Draw light curves, embeddings, surveys, models and results.",
    epilog=show_examples(["astromer-hf plot light-curve curves.parquet --object 12345 -o curve.png"]),
)

# --- Options ---

ObjectId = Annotated[str, typer.Option("--object", metavar="ID", help="Id of the object.")]
Band = Annotated[str | None, typer.Option(help="Band of the light curve, if the object has several.")]
Classes = Annotated[Path, typer.Argument(metavar="CLASSES", help="Table that astromer-hf classify wrote.")]
TrueLabels = Annotated[str, typer.Option(metavar="NAME", help="Column of the true classes.")]
OUTPUT_OPTIONS = {
    "output": Annotated[Path, typer.Option("-o", "--output", help="Picture to write: .png, .pdf or .svg.")],
    "width": Width,
    "dpi": Annotated[int, typer.Option(min=1, max=2400, help="Resolution of a .png.")],
}


def picture(name: str, *examples: str) -> Callable[[Callable[..., "Figure"]], Callable[..., None]]:
    """Register a function that draws as `astromer-hf plot NAME`, with the options of the file that it is saved to."""

    def register(draw: Callable[..., "Figure"]) -> Callable[..., None]:
        @wraps(draw)
        def run(*, output: Path, width: Width, dpi: int, **options: Any) -> None:
            from ..plots.style import journal_size

            with journal_size(width):
                figure = draw(**options)
                if not output.absolute().parent.is_dir():
                    raise FileNotFoundError(f"There is no folder {output.parent} for the picture.")
                figure.savefig(output, dpi=dpi)
            print(f"-> {output}")

        replace_parameters(run, draw, added={"output": Parameter.empty, "width": None, "dpi": 150}, annotations=OUTPUT_OPTIONS)
        epilog = show_examples([f"astromer-hf plot {name} {example}" for example in examples])
        plot.command(name, cls=Verb, epilog=epilog)(run)
        return run

    return register


# --- Light curves ---


def find_object(
    source: str, object_id: str, band: str | None, columns: Columns
) -> tuple["LightCurveChunk", str, dict[str, Any]]:
    """The clean light curve of an object, a title for it, and what names its axes: `time_system` and `band`."""
    import numpy as np

    from ..light_curves.columns import TableError
    from ..light_curves.source import LightCurveSource
    from ..light_curves.time_systems import time_system_of

    opened = LightCurveSource.open(source, columns=columns)
    found = opened.find([object_id])
    bands = found.annotations["band"].to_pylist() if "band" in found.annotations else [None] * len(found)
    chosen = [number for number, own in enumerate(bands) if band in (None, own)]
    if len(chosen) != 1:
        raise TableError(
            f"Object {object_id!r} has light curves in the bands {', '.join(map(str, bands))}: name one of them by --band."
        )
    chunk = found.select(np.array(chosen))
    curves, _ = chunk.curves.clean()
    if not curves.lengths[0]:
        raise TableError(f"The light curve of {object_id!r} has no usable observation.")
    label = chunk.annotations["label"][0].as_py() if "label" in chunk.annotations else None
    title = ", ".join(str(part) for part in (object_id, label, bands[chosen[0]]) if part)
    names = {"time_system": time_system_of(opened), "band": bands[chosen[0]]}
    return type(chunk)(chunk.object_ids, curves, chunk.annotations), title, names


def period_option(value: str) -> str:
    """Refuse an option that is neither `auto`, `none` nor a positive number of days."""
    if value not in ("auto", "none"):
        try:
            days = float(value)
        except ValueError:
            raise typer.BadParameter(f"must be a number of days, auto or none, got {value!r}.") from None
        positive(days)
    return value


def choose_period(curves: "RaggedLightCurves", wanted: str) -> tuple[float | None, float | None, str]:
    """The period to fold one light curve on and its epoch of maximum, if any, and what the title says of it."""
    from ..evaluation.periods import NoPeriodError, find_period

    if wanted != "auto":
        return (None, None, "") if wanted == "none" else (float(wanted), None, f"P = {float(wanted):.6g} d")
    try:
        found = find_period(curves.times, curves.magnitudes, curves.magnitude_errors)
    except NoPeriodError:
        return None, None, "no period"
    if not found.is_significant:
        return None, None, "no significant period"
    return found.period, found.epoch_of_maximum, f"P = {found.period:.6g} d (false alarm 1e-{found.significance:.0f})"


def name_class(curves: "RaggedLightCurves") -> str:
    """What the package's own classifier says of one light curve, for a title."""
    from transformers import pipeline

    from ..hub.load import default_classifier_folder

    quiet_transformers()
    pipe = pipeline("light-curve-classification", model=str(default_classifier_folder()), device="cpu")  # type: ignore[call-overload]
    found = pipe({"mjd": curves.times, "mag": curves.magnitudes, "magerr": curves.magnitude_errors})
    if found["label"] is None:
        return f"no class: {found['remark'] or 'no observation'}"
    marks = (("is_uncertain", "uncertain"), ("is_unlike_training", "unlike its training set"))
    said = "".join(f", {text}" for name, text in marks if found[name])
    return f"{found['label']} with probability {found['score']:.2f}{said}"


@picture(
    "light-curve",
    "curves.parquet --object 12345 -o curve.png",
    "curves.parquet --object 12345 --classify -o curve.png",
    "curves.parquet --object 12345 --period 0.61 --reconstruct -o curve.png",
)
@with_columns
def draw_light_curve(
    source: Table,
    object_id: ObjectId,
    columns: Columns,
    band: Band = None,
    period: Annotated[
        str,
        typer.Option(
            metavar="DAYS|auto|none",
            callback=period_option,
            help="Draw it against the phase of this period; auto finds it, and draws against time if none is significant.",
        ),
    ] = "auto",
    reconstruct: Annotated[
        bool, typer.Option("--reconstruct", help="Hide a part of the observations and draw their reconstruction.")
    ] = False,
    hidden_fraction: Annotated[
        float, typer.Option(callback=fraction, help="Fraction of the observations that --reconstruct hides.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the hidden observations and of dropout.")] = 0,
    dropout_passes: DropoutPasses = None,
    model: Model = None,
    revision: Revision = None,
    classify: Annotated[
        bool, typer.Option("--classify", help="Add the class that the package's own classifier gives to the title.")
    ] = False,
) -> "Figure":
    """Draw a light curve; folded, or with a model's reconstruction of hidden observations.

    Bars around the reconstruction are intervals in which 68 % and 90 % of hidden magnitudes lie. They were fitted to held-out
    stars; a model for which nobody did so has none.
    """
    from ..plots.figures import plot_folded_light_curve, plot_light_curve

    chunk, title, names = find_object(source, object_id, band, columns)
    curves = chunk.curves
    days, epoch, said = choose_period(curves, period)
    title = ", ".join(part for part in (title, said, name_class(curves) if classify else "") if part)
    if not (reconstruct or model or dropout_passes is not None):
        if days is not None:
            return plot_folded_light_curve(
                curves.times, curves.magnitudes, days, curves.magnitude_errors, epoch=epoch, title=title, band=names["band"]
            )
        return plot_light_curve(curves.times, curves.magnitudes, curves.magnitude_errors, title=title, **names)
    from transformers import AutoModelForPreTraining

    from ..evaluation.uncertainty import sample_with_dropout
    from ..hub.load import load_model
    from ..model.pipelines_astromer import LightCurveReconstructionPipeline

    quiet_transformers()
    name = model_or_default(model)
    loaded, extractor = load_model(name, AutoModelForPreTraining, revision=revision)
    pipe = LightCurveReconstructionPipeline(loaded, feature_extractor=extractor, device="cpu")
    light_curve = {"mjd": curves.times, "mag": curves.magnitudes, "magerr": curves.magnitude_errors}
    options: dict[str, Any] = {"hidden_fraction": hidden_fraction, "seed": seed, "return_numpy": True}
    has_intervals = hidden_fraction > 0 and dropout_passes is None and loaded.config.reconstruction_quantiles is not None
    result = pipe(light_curve, intervals=has_intervals, **options)
    spread = None
    if dropout_passes is not None:
        spread = sample_with_dropout(
            loaded, lambda: pipe(light_curve, **options)["reconstruction"], num_passes=dropout_passes, seed=seed
        ).std
    return plot_light_curve(
        result["mjd"],
        result["mag"],
        result.get("magerr"),
        hidden=result["hidden"],
        reconstruction=result["reconstruction"],
        reconstruction_std=spread,
        intervals={f"{name} % interval": (result[f"lower_{name}"], result[f"upper_{name}"]) for name in ("68", "90")}
        if has_intervals
        else None,
        period_days=days,
        epoch=epoch,
        title=f"{title}: {hidden_fraction:.0%} hidden, reconstructed by {Path(name).name}",
        **names,
    )


def load_window(
    source: str,
    object_id: str,
    band: str | None,
    columns: Columns,
    model: str | None,
    revision: str | None,
    observation: int | None = None,
) -> tuple[Any, Any, int, str, dict[str, Any]]:
    """An encoder that gives its attention, the window of an observation, its number there, a title, and names of axes."""
    import numpy as np

    from ..model.feature_extraction_astromer import AstromerFeatureExtractor

    chunk, title, names = find_object(source, object_id, band, columns)
    encoder, extractor = open_encoder(model, revision)
    encoder.set_attn_implementation("eager")
    extractor = extractor or AstromerFeatureExtractor(window_size=encoder.config.window_size)
    num_points = int(chunk.curves.lengths[0])
    observation = num_points // 2 if observation is None else observation
    if not 0 <= observation < num_points:
        raise ValueError(f"--observation must lie between 0 and {num_points - 1}, got {observation}.")
    windows = extractor.extract(chunk.curves)
    row = int(np.flatnonzero(windows.window_start <= observation)[-1])
    points = slice(windows.window_length[row])
    window = {name: windows[name][row : row + 1, points] for name in ("magnitudes", "times")}
    window["mean_magnitude"], window["mean_time"] = windows.magnitude_means[row], windows.time_means[row]
    title = f"{title}, {Path(model_or_default(model)).name}"
    return encoder, window, observation - int(windows.window_start[row]), title, names


@picture("attention", "curves.parquet --object 12345 -o attention.png")
@with_columns
def draw_attention(
    source: Table,
    object_id: ObjectId,
    columns: Columns,
    band: Band = None,
    observation: Annotated[
        int | None, typer.Option(min=0, max=MANY, help="Number of the observation in order of time. Default: the middle one.")
    ] = None,
    block: Annotated[int, typer.Option(min=-1000, max=1000, help="Block of the encoder, from 0; -1 is the last.")] = -1,
    model: Model = None,
    revision: Revision = None,
) -> "Figure":
    """Draw what an observation of a light curve attends to, head by head."""
    import torch

    from ..plots.figures import plot_attention

    encoder, window, number, title, names = load_window(source, object_id, band, columns, model, revision, observation)
    num_blocks = encoder.config.num_hidden_layers
    if not -num_blocks <= block < num_blocks:
        raise ValueError(f"--block must lie between 0 and {num_blocks - 1}, got {block}.")
    inputs = {name: torch.from_numpy(window[name]) for name in ("magnitudes", "times")}
    with torch.inference_mode():
        attention = encoder(**inputs, output_attentions=True).attentions[block][0].numpy()
    times = window["times"][0] + window["mean_time"]
    magnitudes = window["magnitudes"][0] + window["mean_magnitude"]
    title = f"{title}, block {block % num_blocks}"
    return plot_attention(times, magnitudes, attention, number, title=title, **names)


@picture("time-encoding", "curves.parquet --object 12345 -o encoding.png")
@with_columns
def draw_time_encoding(
    source: Table,
    object_id: ObjectId,
    columns: Columns,
    band: Band = None,
    model: Model = None,
    revision: Revision = None,
) -> "Figure":
    """Draw how a model encodes the times of a light curve."""
    import torch

    from ..plots.figures import plot_time_encoding

    encoder, window, _, title, _ = load_window(source, object_id, band, columns, model, revision)
    with torch.inference_mode():
        encoding = encoder.embeddings.time_encoding(torch.from_numpy(window["times"]))[0].numpy()
    return plot_time_encoding(window["times"][0] - window["times"][0].min(), encoding, title=title)


@picture("magnitude-embedding", "-o embedding.png")
def draw_magnitude_embedding(model: Model = None, revision: Revision = None) -> "Figure":
    """Draw how a model embeds magnitudes."""
    from ..plots.figures import plot_magnitude_projection

    layer = open_encoder(model, revision)[0].embeddings.magnitude_embedding
    weight, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    return plot_magnitude_projection(weight, bias, title=Path(model_or_default(model)).name)


# --- Tables of results ---


@picture("embeddings", "embeddings.parquet -o map.png", "embeddings.parquet --method umap --label-column band -o map.png")
def draw_embeddings(
    source: Annotated[Path, typer.Argument(metavar="EMBEDDINGS", help="Table that astromer-hf embed wrote, or its folder.")],
    label_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of the classes. Default: label, if there is one.")
    ] = None,
    method: Annotated[Literal["pca", "umap"], typer.Option(help="Projection; umap needs umap-learn.")] = "pca",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of umap.")] = 0,
) -> "Figure":
    """Draw a map of embeddings, coloured by class."""
    from ..inference.neighbors import Embeddings
    from ..plots.figures import plot_embedding_map

    embeddings = Embeddings.read(source, label_column=label_column)
    title = f"{len(embeddings)} objects of {source.stem}"
    labels = None if embeddings.labels is None else embeddings.labels.tolist()
    return plot_embedding_map(embeddings.vectors, labels, method=method, seed=seed, title=title)


@picture("survey", "macho.parquet ztf.parquet -o surveys.png")
@with_columns
def draw_survey(
    sources: Annotated[list[str], typer.Argument(metavar="TABLE...", path_type=str, help="Tables of light curves.")],
    columns: Columns,
) -> "Figure":
    """Draw observations per light curve, magnitudes and gaps of one or several surveys."""
    from ..light_curves.source import LightCurveSource
    from ..plots.figures import plot_survey_summary

    names = [Path(source).stem for source in sources]
    summaries = [LightCurveSource.open(source, columns=columns).summary() for source in sources]
    return plot_survey_summary(dict(zip(names, summaries, strict=True)))


@picture("learning-curves", "runs/mine -o losses.png")
def draw_learning_curves(
    sources: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders that the Trainer wrote, or their trainer_state.json.")
    ],
) -> "Figure":
    """Draw the losses of training runs."""
    from ..plots.figures import plot_learning_curves
    from ..training.trainer import read_learning_curves

    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for source in sources:
        states = sorted(source.rglob("trainer_state.json")) if source.is_dir() else [source]
        if not states or not states[0].is_file():
            raise FileNotFoundError(f"There is no trainer_state.json in {source}: give the folder that a Trainer wrote.")
        newest = max(states, key=lambda path: path.stat().st_mtime)
        found = read_learning_curves(json.loads(newest.read_text(encoding="utf-8"))["log_history"])
        of_run = f"{source.name} " if len(sources) > 1 else ""
        curves |= {f"{of_run}{name}": found[name] for name in ("loss", "eval_loss") if name in found}
    return plot_learning_curves(curves)


NUM_METHODS = 5


def best_of_each_kind(table: "pd.DataFrame") -> list[str]:
    """The method of the highest mean score of each kind, best first, `NUM_METHODS` at most.

    The kind of a method is what stands before the first comma, colon or "and" of its name, such as `macho_a0` of
    `macho_a0: linear probe`. The mean of two methods is of a kind of its own: it tells nothing of either.
    """
    means = table.groupby("method")["macro_f1"].mean().sort_values(ascending=False)
    kinds = means.index.str.split("[,:]| and ", regex=True).str[0]
    kinds = kinds.where(~means.index.str.contains(" averaged with "), "averaged")
    return means[~kinds.duplicated()].index[:NUM_METHODS].tolist()


@picture("few-shot", "results/few_shot/scores.csv --survey asas_acvs -o few_shot.png")
def draw_few_shot(
    source: Annotated[Path, typer.Argument(metavar="SCORES", help="scores.csv of scripts/run_few_shot_benchmark.py.")],
    survey: Annotated[str | None, typer.Option(help="Survey of the table; needed if it has several.")] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METHOD ...", help="Methods of the table. Default: the best of each kind, five at most. Its title says so."
        ),
    ] = None,
) -> "Figure":
    """Draw scores against the number of labelled samples per class."""
    import pandas as pd

    from ..plots.figures import plot_few_shot

    table = pd.read_csv(source)
    if missing := {"survey", "method", "samples_per_class", "macro_f1"} - set(table.columns):
        raise ValueError(f"{source} needs the columns {', '.join(sorted(missing))} too; it has {', '.join(table.columns)}.")
    surveys = table["survey"].unique().tolist()
    if survey is None and len(surveys) > 1:
        raise ValueError(f"Name one of the surveys of {source.name} by --survey: {', '.join(surveys)}.")
    table = table[table["survey"] == (survey or surveys[0])]
    every, title = table["method"].unique().tolist(), str(survey or surveys[0])
    if not methods:
        methods = best_of_each_kind(table)
        title += f": {len(methods)} of {len(every)} methods, the best of each kind" if len(methods) < len(every) else ""
    if unknown := set(methods) - set(table["method"]):
        raise ValueError(f"There is no {', '.join(sorted(unknown))}; there are: {', '.join(sorted(set(table['method'])))}.")
    scores: dict[str, dict[int, list[float]]] = {method: {} for method in methods}
    for group, rows in table.groupby(["method", "samples_per_class"], sort=False):
        method, samples = cast(tuple[str, int], group)
        if method in scores:
            scores[method][int(samples)] = rows["macro_f1"].tolist()
    return plot_few_shot(scores, title=title)


def read_classes(source: Path, label_column: str) -> tuple["np.ndarray", "np.ndarray", "np.ndarray", list[str]]:
    """True and predicted classes, probabilities `(N, C)` and the C names of a table of `astromer-hf classify`."""
    import numpy as np

    from ..inference.results import read_results

    table = read_results(source)
    prefix = "probability_"
    names = [name.removeprefix(prefix) for name in table.column_names if name.startswith(prefix)]
    for needed in (label_column, "predicted_label"):
        if needed not in table.column_names:
            raise ValueError(
                f"{source} has no column {needed!r}: astromer-hf classify writes it for a table that has true classes; "
                f"there are: {', '.join(table.column_names)}."
            )
    true, predicted = (np.array(table[name].to_pylist(), dtype=object) for name in (label_column, "predicted_label"))
    probabilities = np.column_stack([table[prefix + name].to_numpy() for name in names])
    known = np.isin(true.astype(str), names) & np.isfinite(probabilities).all(1)
    if not known.any():
        raise ValueError(f"No true class in the column {label_column!r} is one of {', '.join(names)}.")
    return true[known].astype(str), predicted[known].astype(str), probabilities[known], names


@picture("confusion", "classes.parquet -o confusion.png")
def draw_confusion(source: Classes, label_column: TrueLabels = "label") -> "Figure":
    """Draw predicted against true classes."""
    from ..plots.figures import plot_confusion_matrix

    true, predicted, _, _ = read_classes(source, label_column)
    return plot_confusion_matrix(true.tolist(), predicted.tolist())


@picture("reliability", "classes.parquet -o reliability.png")
def draw_reliability(source: Classes, label_column: TrueLabels = "label") -> "Figure":
    """Draw how often predicted classes are right, against their predicted probability."""
    import numpy as np

    from ..evaluation.classification_metrics import bin_confidences
    from ..plots.figures import plot_reliability

    true, _, probabilities, names = read_classes(source, label_column)
    ids = np.array([names.index(name) for name in true])
    return plot_reliability({source.stem: bin_confidences(ids, probabilities)})
