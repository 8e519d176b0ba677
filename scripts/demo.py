# Copyright 2026 The astromer_hf developers. MIT licence.
"""A demonstration: embed light curves, hide half of their magnitudes, and draw the reconstruction.

`make demo` runs it. It uses the real light curves and the released weights in the folder `shared` beside the repository if they
exist, and otherwise simulated light curves and the packaged or a new model. The output says which.

Example:
    python scripts/demo.py --num-objects 100 --output runs/demo
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from matplotlib.figure import Figure
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
from astromer_hf.evaluation.reconstruction_metrics import score_windows
from astromer_hf.hub.conversion import convert_tf_checkpoint
from astromer_hf.hub.load import DEFAULT_MODEL
from astromer_hf.inference.embedding import embed_table
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.source import iter_light_curves
from astromer_hf.plots.figures import plot_embedding_map, plot_light_curve
from astromer_hf.training.data_collator import draw_masks, mean_of_visible

ROOT = Path(__file__).resolve().parents[1]
PACKAGED_MODEL = ROOT / "model_cards" / DEFAULT_MODEL
NUM_CLASSES = 6  # of Catalina South on the map, the most frequent ones


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
    light_curves, gallery = choose_tables(args)
    models = load_models(args)
    shown = list(models)[-1]

    embeddings = args.output / "embeddings.parquet"
    report = embed_table(light_curves, embeddings, models[shown], show_progress=False)
    print(f"\n{report.num_objects} light curves embedded by {shown} -> {embeddings}")
    print(pq.read_table(embeddings).slice(0, 5).to_pandas().to_string(index=False, max_colwidth=40))

    draw_reconstruction(models, light_curves, args.output / "light_curve.png")
    draw_map(models[shown], shown, gallery, args.output / "embedding_map.png")


def choose_tables(args: argparse.Namespace) -> tuple[Path, Path]:
    """Tables of light curves to embed and reconstruct, and for the map."""
    macho, catalina = (args.shared / "data" / f"{name}.parquet" for name in ("macho_with_err", "sss_catalina_south"))
    gallery = args.output / "gallery.parquet"
    if macho.is_file() and catalina.is_file():
        print("Data: real light curves of MACHO (bands R and B) and, for the map, of Catalina South.")
        pq.write_table(sample_classes(catalina, args.num_objects // NUM_CLASSES), gallery)
        return macho, gallery
    print(f"Data: simulated light curves, since {args.shared / 'data'} does not hold the real ones.")
    simulated = args.output / "simulated.parquet"
    pq.write_table(to_table(simulate_light_curves(28)), simulated)
    pq.write_table(to_table(simulate_light_curves(args.num_objects, seed=1)), gallery)
    return simulated, gallery


def sample_classes(table: Path, per_class: int) -> pa.Table:
    """The same number of light curves, at random, of each of the most frequent classes."""
    labels = pq.read_table(table, columns=["label"])["label"].to_pandas()
    frequent = labels[labels.isin(labels.value_counts().index[:NUM_CLASSES])].sample(frac=1, random_state=0)
    return pq.read_table(table).take(frequent.groupby(frequent).head(per_class).index.to_numpy())


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
    figure = plot_light_curve(
        windows["times"][window, points] + windows.time_means[window],
        windows["magnitudes"][window, points] + windows.magnitude_means[window],
        windows["magnitude_errors"][window, points],
        hidden=hidden[window, points],
        reconstruction=reconstruction[window, points] + windows.magnitude_means[window],
        title=f"{chunk.object_ids[cepheid]} ({labels[cepheid]}), the hidden half reconstructed by {shown}",
    )
    save(figure, picture)


def draw_map(model: AstromerForMaskedReconstruction, name: str, gallery: Path, picture: Path) -> None:
    """Embed the gallery and draw its principal components."""
    embed_table(gallery, picture.with_suffix(".parquet"), model, show_progress=False)
    table = pq.read_table(picture.with_suffix(".parquet"))
    vectors, labels = np.stack(table["embedding"].to_numpy()), table["label"].to_pylist()
    save(plot_embedding_map(vectors, labels, title=f"Light curves embedded by {name}"), picture)


def save(figure: Figure, picture: Path) -> None:
    figure.savefig(picture, dpi=150)
    print(f"-> {picture}")


if __name__ == "__main__":
    main(parse_args())
