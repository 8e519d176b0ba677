# Copyright 2026 The astromer_hf developers. MIT licence.
"""A web page to try the model: reconstruct a light curve, classify it, and find similar ones.

    python scripts/demo_app.py                                   # http://127.0.0.1:7860
    python scripts/demo_app.py --classifier my-classifier        # one that astromer-hf fit made
    python scripts/demo_app.py --space runs/space                # the folder of a Hugging Face Space, ready to push

The package simulates the gallery. Without `--classifier` a small classifier is trained on the same simulation when the page
starts, and the page says so.
"""

import argparse
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import transformers
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification
from transformers.utils import logging

from astromer_hf.cli.numbers import count, whole
from astromer_hf.hub.load import default_model_folder
from astromer_hf.inference.neighbors import Embeddings, find_neighbors
from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource
from astromer_hf.plots.figures import plot_light_curve, plot_light_curves
from astromer_hf.training.few_shot import Recipe
from astromer_hf.training.table_classifier import SMALL_MLP, train_table_classifier

MAX_UPLOADED = 100  # light curves of a table that are offered
MAX_BYTES = 50_000_000
QUERY = "the light curve above"
SPACE_README = """---
title: ASTROMER light curves
emoji: ✨
colorFrom: indigo
colorTo: blue
sdk: gradio
sdk_version: {version}
app_file: app.py
license: mit
---

Reconstruct the hidden part of a light curve, classify it, and find similar ones, with
[ASTROMER](https://doi.org/10.1051/0004-6361/202243928) for Hugging Face Transformers.
"""

LightCurve = dict[str, Any]  # `object_id`, `mjd`, `mag`, `magerr`, and `label` where it has one


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or id of a pre-trained model; the packaged one when absent")
    parser.add_argument("--classifier", help="folder or id of a fine-tuned classifier")
    parser.add_argument("--gallery", type=count, default=70, help="simulated light curves to choose from (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=whole(0, 65535), default=7860)
    parser.add_argument("--space", type=Path, metavar="FOLDER", help="write a Space into this new folder, and stop")
    parser.add_argument("--requirement", default="astromer-hf[demo]", help="how the Space installs this package")
    return parser.parse_args(argv)


def read_upload(file: str | Path) -> tuple[dict[str, LightCurve], str]:
    """The light curves of an uploaded file of any format, such as `astromer-hf embed` reads, each by a name of its own.

    Returns:
        Name -> light curve, and what was read of the file, in a line.

    Raises:
        ValueError: the table cannot be read; the message says what was expected and what was found.
    """
    path = Path(file)
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB: upload a part of it.")
    source = LightCurveSource.open(path)
    light_curves: list[LightCurve] = []
    for chunk in source.chunks(MAX_UPLOADED):
        light_curves += chunk.light_curves()
        if len(light_curves) > MAX_UPLOADED:
            break
    if not light_curves:
        raise TableError(f"{path.name} holds no light curve.")
    named: dict[str, LightCurve] = {}
    for one in light_curves[:MAX_UPLOADED]:
        name = ", ".join(str(part) for part in (one["object_id"], one.get("band")) if part)
        several = sum(other == name or other.startswith(f"{name} (") for other in named)  # of one id, such as after a gap
        named[f"{name} ({several + 1})" if several else name] = one
    line = source.ledger.line
    return named, f"The first {MAX_UPLOADED} light curves. {line}" if len(light_curves) > MAX_UPLOADED else line


@dataclass
class Demo:
    """The models, and a gallery of light curves with their embeddings.

    Args:
        model: folder or id of a pre-trained model.
        classifier: folder or id of a fine-tuned one; None trains one on simulated light curves.
        gallery_size: light curves to simulate.
    """

    model: str
    classifier: str | None = None
    gallery_size: int = 70
    gallery: dict[str, LightCurve] = field(init=False)

    def __post_init__(self) -> None:
        pipeline: Any = transformers.pipeline  # typed for transformers' own tasks only
        self.reconstruct = pipeline("light-curve-reconstruction", self.model)
        self.embed = pipeline("light-curve-embedding", self.model)
        if self.classifier is None:
            classifier, extractor = self._train_classifier()
        else:
            classifier = AutoModelForSequenceClassification.from_pretrained(self.classifier)
            extractor = AutoFeatureExtractor.from_pretrained(self.classifier)
        self.classify = pipeline("light-curve-classification", classifier, feature_extractor=extractor)
        simulated = simulate_light_curves(self.gallery_size, seed=2)
        self.gallery = {
            f"{curve.label}, {curve.object_id}": {name: getattr(curve, name) for name in ("object_id", "mjd", "mag", "magerr")}
            for curve in simulated
        }
        embedded = self.embed(list(self.gallery.values()), return_numpy=True)
        self.vectors = np.stack([result["embedding"] for result in embedded])

    def _train_classifier(self) -> tuple[Any, Any]:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "simulated.parquet"
            pq.write_table(to_table(simulate_light_curves(210, seed=1)), table)
            recipe = Recipe(learning_rate=3e-4, max_epochs=30)
            trained = train_table_classifier(table, self.embed.model, head=SMALL_MLP, recipe=recipe, augment=0)
        return trained.model, self.embed.feature_extractor

    @property
    def about_classifier(self) -> str:
        """How far the class probabilities can be trusted."""
        if self.classifier is not None:
            return f"Classes by `{self.classifier}`."
        return (
            "Classes by a small network that was trained on 126 **simulated** light curves when this page started: it knows "
            "these classes only, and real stars only as far as they look like the simulated ones."
        )

    def look(self, light_curve: LightCurve, hidden_fraction: float, seed: int) -> dict[str, Any]:
        """Everything that the page shows about a light curve.

        Raises:
            ValueError: it has no usable observation.
        """
        one = {name: value for name, value in light_curve.items() if value is not None}
        seen = self.reconstruct(one, hidden_fraction=hidden_fraction, seed=seed, return_numpy=True)
        if not seen["num_points"]:
            raise ValueError(f"{light_curve['object_id']} has no observation with a finite time and magnitude.")
        hidden = seen["hidden"]
        figure = plot_light_curve(
            seen["mjd"], seen["mag"], seen.get("magerr"), hidden=hidden, reconstruction=seen["reconstruction"]
        )
        scored = hidden if hidden.any() else ~hidden
        rmse = float(np.sqrt(np.mean((seen["reconstruction"] - seen["mag"])[scored] ** 2)))
        vector = self.embed(one, return_numpy=True)["embedding"]
        names = np.array([*self.gallery, QUERY], dtype=object)
        embeddings = Embeddings(names, np.vstack((self.vectors, vector)).astype(np.float32))
        neighbors = find_neighbors(embeddings, QUERY, min(6, len(self.gallery)))
        if light_curve["object_id"] in {curve["object_id"] for curve in self.gallery.values()}:
            own = [light_curve["object_id"] == self.gallery[name]["object_id"] for name in neighbors["object_id"]]
            neighbors = neighbors[~np.array(own)]
        shown = [(f"{QUERY}", one["mjd"], one["mag"])]
        shown += [
            (name.replace(", ", "\n"), *(self.gallery[name][axis] for axis in ("mjd", "mag")))
            for name in neighbors["object_id"][:5]
        ]
        dropped = f", {seen['dropped_points']} left out" if seen["dropped_points"] else ""
        return {
            "reconstruction": figure,
            "message": f"{light_curve['object_id']}: {seen['num_points']} observations{dropped}; root-mean-square error on "
            f"the {int(scored.sum())} {'hidden' if hidden.any() else 'visible'} ones **{rmse:.3f} mag**.",
            "classes": self.classify(one)["probabilities"],
            "neighbors": plot_light_curves(shown, highlight_first=True),
        }


def build_page(demo: Demo) -> Any:
    """The Gradio page."""
    import gradio as gr

    first = next(iter(demo.gallery))

    def show(light_curve: LightCurve, hidden_fraction: float, seed: float) -> tuple[Any, ...]:
        try:
            seen = demo.look(light_curve, hidden_fraction, int(seed))
        except ValueError as error:
            return f"⚠️ {error}", None, None, None
        return seen["message"], seen["reconstruction"], seen["classes"], seen["neighbors"]

    def chosen(name: str, uploaded: dict[str, LightCurve]) -> LightCurve:
        return uploaded[name] if name in uploaded else demo.gallery[name]

    def update(name: str, uploaded: dict[str, LightCurve], hidden_fraction: float, seed: float) -> tuple[Any, ...]:
        return show(chosen(name, uploaded), hidden_fraction, seed)

    def take(file: str | None, hidden_fraction: float, seed: float) -> tuple[Any, ...]:
        if file is None:
            choices = gr.update(choices=list(demo.gallery), value=first)
            return {}, choices, *update(first, {}, hidden_fraction, seed)
        try:
            light_curves, account = read_upload(file)
        except (ValueError, OSError) as error:
            reason = str(error).replace(f"{Path(file).parent}{os.sep}", "")  # hide the server's path
            return {}, gr.update(), f"⚠️ This file cannot be read. {reason}", None, None, None
        uploaded = {f"uploaded: {name}": light_curve for name, light_curve in light_curves.items()}
        name = next(iter(uploaded))
        choices = gr.update(choices=[*uploaded, *demo.gallery], value=name)
        told, *shown = show(uploaded[name], hidden_fraction, seed)
        return uploaded, choices, f"{account}\n\n{told}", *shown

    with gr.Blocks(title="ASTROMER light curves") as page:
        gr.Markdown(
            "# ASTROMER light curves\nChoose a simulated light curve or upload a file as your survey gave it (CSV, FITS, "
            "VOTable, JSON, parquet and others). The model sees what is not hidden."
        )
        uploaded = gr.State({})
        with gr.Row():
            name = gr.Dropdown(list(demo.gallery), value=first, label="light curve", elem_id="light-curve", scale=3)
            fraction = gr.Slider(0, 0.9, value=0.5, step=0.05, label="hidden fraction", elem_id="hidden-fraction", scale=2)
            seed = gr.Number(0, precision=0, minimum=0, label="seed of what is hidden", scale=1)
            file = gr.File(label="your table", file_types=None, elem_id="upload", height=130, scale=2)
        message = gr.Markdown(elem_id="message")
        with gr.Row():
            reconstruction = gr.Plot(show_label=False, elem_id="reconstruction", scale=3)
            with gr.Column(scale=1):
                classes = gr.Label(num_top_classes=7, label="class probabilities", elem_id="classes")
                gr.Markdown(demo.about_classifier)
        gr.Markdown("### Nearest in the gallery, by their embeddings")
        neighbors = gr.Plot(show_label=False, elem_id="neighbors")
        outputs = [message, reconstruction, classes, neighbors]
        inputs = [name, uploaded, fraction, seed]
        page.load(update, inputs, outputs)
        name.input(update, inputs, outputs)
        fraction.release(update, inputs, outputs)
        seed.submit(update, inputs, outputs)
        file.change(take, [file, fraction, seed], [uploaded, name, *outputs])
    return page


def write_space(folder: Path, requirement: str) -> None:
    """Everything that a Space of this page needs: its card, its requirements and this file.

    Raises:
        FileExistsError: the folder is not empty.
    """
    import gradio

    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists already: name a new or empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(SPACE_README.format(version=gradio.__version__), encoding="utf-8")
    (folder / "requirements.txt").write_text(f"{requirement}\n", encoding="utf-8")
    shutil.copyfile(__file__, folder / "app.py")


def main(args: argparse.Namespace) -> None:
    if args.space:
        write_space(args.space, args.requirement)
        print(f"A Space -> {args.space}; hf upload <organisation>/<name> {args.space} --repo-type space shares it.")
        return
    logging.set_verbosity_error()
    print(
        "Training a small classifier and embedding the gallery, half a minute ..." if args.classifier is None else "Loading ..."
    )
    demo = Demo(args.model or str(default_model_folder()), args.classifier, args.gallery)
    build_page(demo).launch(server_name=args.host, server_port=args.port, share=False)


if __name__ == "__main__":
    main(parse_args())
