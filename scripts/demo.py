# Copyright 2026 The astromer_hf developers. MIT licence.
"""A demonstration: embed light curves, hide half of their magnitudes, find look-alikes, classify, and draw all of it.

`make demo` runs it. It uses the real light curves and the released weights in the folder `shared` beside the repository if they
exist, and otherwise simulated light curves and the packaged or a new model. The output and the caption of `overview.png` say
which. The real stars of that picture are of the test split: no weights were trained on them.

Example:
    python scripts/demo.py --num-objects 100 --output runs/demo
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from matplotlib.figure import Figure
from pyarrow.dataset import dataset
from torch.utils.data import DataLoader, TensorDataset
from transformers import set_seed
from transformers.utils import logging

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    LightCurveWindows,
    RaggedLightCurves,
)
from astromer_hf.cli.numbers import count
from astromer_hf.evaluation.periods import find_period
from astromer_hf.evaluation.reconstruction_metrics import score_windows
from astromer_hf.hub.conversion import convert_tf_checkpoint
from astromer_hf.hub.load import DEFAULT_MODEL, default_classifier_folder
from astromer_hf.inference.embedding import embed_table
from astromer_hf.inference.neighbors import Embeddings, find_neighbors
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource, iter_light_curves
from astromer_hf.light_curves.splits import assign_splits
from astromer_hf.plots.figures import plot_embedding_map, plot_light_curve
from astromer_hf.plots.overview import Folded, Reconstructed, plot_overview
from astromer_hf.training.data_collator import draw_masks, mean_of_visible

ROOT = Path(__file__).resolve().parents[1]
PACKAGED_MODEL = ROOT / "model_cards" / DEFAULT_MODEL
NUM_CLASSES = 6  # of Catalina South on the map, the most frequent ones
RECONSTRUCTED = ("RRab",)  # the class of the star in the overview, and of the one whose look-alikes are searched for
SEARCHED = ("EA", "EclipsingBinary")
NUM_LOOK_ALIKES = 3


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="folder for tables and pictures")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="folder of real data and released weights")
    parser.add_argument("--model", type=Path, default=PACKAGED_MODEL, help="model folder to show instead of the packaged one")
    parser.add_argument("--num-objects", type=count, default=200, help="light curves on the map, at the most")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    logging.disable_progress_bar()
    args.output.mkdir(parents=True, exist_ok=True)
    light_curves, gallery, stars = choose_tables(args)
    models = load_models(args)
    shown = list(models)[-1]

    embeddings = args.output / "embeddings.parquet"
    report = embed_table(light_curves, embeddings, models[shown], show_progress=False)
    print(f"\n{report.num_objects} light curves embedded by {shown} -> {embeddings}")
    print(pq.read_table(embeddings).slice(0, 5).to_pandas().to_string(index=False, max_colwidth=40))

    draw_reconstruction(models, light_curves, args.output / "light_curve.png")
    draw_map(models[shown], shown, gallery, args.output / "embedding_map.png")
    embedded = args.output / "embedding_map.parquet"
    draw_overview(models[shown], gallery, embedded, args.output / "overview.png", f"{stars}; encoder: {shown}")


def choose_tables(args: argparse.Namespace) -> tuple[Path, Path, str]:
    """Tables of light curves to embed and reconstruct, and for the map and the overview, and what the latter's stars are."""
    macho, catalina = (args.shared / "data" / f"{name}.parquet" for name in ("macho_with_err", "sss_catalina_south"))
    gallery = args.output / "gallery.parquet"
    if macho.is_file() and catalina.is_file():
        print("Data: real light curves of MACHO (bands R and B) and, for the map, of Catalina South.")
        pq.write_table(sample_classes(catalina, args.num_objects // NUM_CLASSES), gallery)
        return macho, gallery, "Stars of the Catalina Surveys, South, that no model was trained on"
    print(f"Data: simulated light curves, since {args.shared / 'data'} does not hold the real ones.")
    simulated = args.output / "simulated.parquet"
    pq.write_table(to_table(simulate_light_curves(28)), simulated)
    pq.write_table(to_table(simulate_light_curves(args.num_objects, seed=1)), gallery)
    return simulated, gallery, "Simulated stars"


def sample_classes(table: Path, per_class: int) -> pa.Table:
    """The same number of light curves of the test split, at random, of each of the most frequent classes."""
    rows = pq.read_table(table, columns=["id", "label"]).to_pandas()
    labels = rows.loc[assign_splits(rows["id"]) == "test", "label"]
    frequent = labels[labels.isin(labels.value_counts().index[:NUM_CLASSES])].sample(frac=1, random_state=0)
    return dataset(table).take(frequent.groupby(frequent).head(per_class).index.to_numpy())


def load_models(args: argparse.Namespace) -> dict[str, AstromerForMaskedReconstruction]:
    """The released and the packaged model, if available, or else a new one."""
    models = {}
    released, converted = args.shared / "reference" / "macho_a0.zip", args.output / "macho_a0"
    if released.is_file():
        if not converted.is_dir():
            convert_tf_checkpoint(released, converted)
        models["macho_a0"] = AstromerForMaskedReconstruction.from_pretrained(converted)
        print("Weights: macho_a0, released with ASTROMER 1, converted from TensorFlow.")
    if args.model.is_dir() or args.model != PACKAGED_MODEL:
        models[args.model.name] = AstromerForMaskedReconstruction.from_pretrained(args.model)
        print(f"Weights: {args.model.name}, from {args.model.parent}.")
    if not models:
        set_seed(0)
        models["untrained"] = AstromerForMaskedReconstruction(AstromerConfig()).eval()
        print("Weights: freshly initialised, so that scores and pictures mean nothing.")
    return models


@torch.inference_mode()
def hide_and_reconstruct(
    model: AstromerForMaskedReconstruction, curves: RaggedLightCurves
) -> tuple[LightCurveWindows, np.ndarray, np.ndarray]:
    """Windows (W, L) of the light curves with half of each hidden, and the reconstructed centred magnitudes.

    Hidden magnitudes are set to zero, so that they are hidden too from a model whose masking scheme leaves them in the input.
    """
    windows = AstromerFeatureExtractor(window_size=model.config.window_size).extract(curves)
    masks = draw_masks(
        windows.window_length, windows["magnitudes"].shape[1], np.random.default_rng(0), random_fraction=0, same_fraction=0
    )
    hidden = masks.masked_positions
    visible = (windows["attention_mask"] == 1) & ~hidden
    mean = mean_of_visible(windows["magnitudes"], visible)
    shown = np.where(visible, windows["magnitudes"] - mean, 0)
    inputs = {**windows, "magnitudes": shown, "masked_positions": hidden}
    batches = DataLoader(TensorDataset(*map(torch.from_numpy, inputs.values())), batch_size=32)
    parts = [model(**dict(zip(inputs, batch, strict=True))).reconstruction.numpy() for batch in batches]
    return windows, hidden, mean + np.concatenate(parts)


def draw_reconstruction(models: dict[str, AstromerForMaskedReconstruction], light_curves: Path, picture: Path) -> None:
    """Print the reconstruction scores of each model, and draw a Cepheid reconstructed by the last one."""
    chunk = next(iter_light_curves(light_curves))
    curves, _ = chunk.curves.clean()
    results = {name: hide_and_reconstruct(model, curves) for name, model in models.items()}
    print("\nHalf of the magnitudes of every window hidden, and scored there (R²: 1 is perfect, 0 the window's mean):")
    for name, (windows, hidden, reconstruction) in results.items():
        scores = score_windows(reconstruction, windows["magnitudes"], hidden).summarize()
        print(f"  {name}: R² {scores['r2']:.3f}, median R² {scores['median_r2']:.3f}, RMSE {scores['masked_rmse']:.3f} mag")
    if "macho_a0" in models:
        print("  macho_a0 was trained with a mask through which it sees what it reconstructs; here it really is hidden.")

    shown, (windows, hidden, reconstruction) = list(results.items())[-1]
    labels = chunk.annotations["label"].to_pylist()
    cepheid = next(i for i, label in enumerate(labels) if label and label.startswith("Cep"))
    window = np.flatnonzero(windows.object_index == cepheid)[0]
    points = slice(windows.window_length[window])
    times, magnitudes, errors = (windows[name][window, points] for name in ("times", "magnitudes", "magnitude_errors"))
    period = find_period(times, magnitudes, errors)
    figure = plot_light_curve(
        windows["times"][window, points] + windows.time_means[window],
        windows["magnitudes"][window, points] + windows.magnitude_means[window],
        windows["magnitude_errors"][window, points],
        hidden=hidden[window, points],
        reconstruction=reconstruction[window, points] + windows.magnitude_means[window],
        period_days=period.period if period.is_significant else None,
        time_system="MJD",
        title=f"{chunk.object_ids[cepheid]} ({labels[cepheid]}), the hidden half reconstructed by {shown}",
    )
    save(figure, picture)


def draw_map(model: AstromerForMaskedReconstruction, name: str, gallery: Path, picture: Path) -> None:
    """Embed the gallery and draw its principal components."""
    embed_table(gallery, picture.with_suffix(".parquet"), model, show_progress=False)
    table = pq.read_table(picture.with_suffix(".parquet"))
    vectors, labels = np.stack(table["embedding"].to_numpy()), table["label"].to_pylist()
    save(plot_embedding_map(vectors, labels, title=f"Light curves embedded by {name}"), picture)


def draw_overview(model: AstromerForMaskedReconstruction, gallery: Path, embedded: Path, picture: Path, caption: str) -> None:
    """Draw four uses of the models on stars of the gallery: the first of each class, whatever comes out."""
    embeddings = Embeddings.read(embedded)
    assert embeddings.labels is not None
    source = LightCurveSource.open(gallery)
    first = {label: embeddings.object_ids[embeddings.labels == label][0] for label in sorted(set(embeddings.labels))}
    fallback = next(iter(first.values()))
    chosen, query = (next((first[name] for name in names if name in first), fallback) for names in (RECONSTRUCTED, SEARCHED))
    neighbors = find_neighbors(embeddings, query, NUM_LOOK_ALIKES).to_dict("records")
    look_alikes = {query: "query", **{row["object_id"]: f"distance {row['distance']:.1f}" for row in neighbors}}
    curves = {one["object_id"]: one for one in source.find([chosen, *look_alikes, *first.values()]).light_curves()}

    pipeline: Any = transformers.pipeline  # typed for transformers' own tasks only
    reconstruct = pipeline("light-curve-reconstruction", model=model, device="cpu")
    intervals = model.config.reconstruction_quantiles is not None
    result = reconstruct(curves[chosen], hidden_fraction=0.5, seed=0, return_numpy=True, intervals=intervals)
    label_of = dict(zip(embeddings.object_ids, embeddings.labels, strict=True))
    classify = pipeline("light-curve-classification", model=str(default_classifier_folder()), device="cpu")
    classes = classify([curves[object_id] for object_id in first.values()])
    figure = plot_overview(
        fold(result, label_of[chosen]),
        Reconstructed(
            result["hidden"], result["reconstruction"], result.get("lower_90"), result.get("upper_90"), "90 % interval"
        ),
        embeddings.vectors,
        embeddings.labels.tolist(),
        [fold(curves[object_id], f"{label_of[object_id]}, {said}") for object_id, said in look_alikes.items()],
        {label: one["probabilities"] for label, one in zip(first, classes, strict=True)},
        caption=caption,
    )
    save(figure, picture)


def fold(curve: Mapping[str, Any], title: str) -> Folded:
    """A light curve folded on its period, brightest at phase 0; the title tells the period."""
    mjd, mag = (np.asarray(curve[name]) for name in ("mjd", "mag"))
    found = find_period(mjd, mag, curve.get("magerr"))
    return Folded(f"{title}, P = {found.period:.4g} d", (mjd - found.epoch_of_maximum) / found.period % 1, mag)


def save(figure: Figure, picture: Path) -> None:
    figure.savefig(picture, dpi=150)
    print(f"-> {picture}")


if __name__ == "__main__":
    main(parse_args())
