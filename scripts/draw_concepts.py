# Copyright 2026 The astromer_hf developers. MIT licence.
"""The figures of docs/concepts.md, from simulated light curves and the shipped model.

Run it again when the subject of a figure has changed; the same code draws the same figures.

Example:
    python scripts/draw_concepts.py -o docs/images
"""

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image
from transformers import AutoModelForPreTraining
from transformers.utils import logging

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.hub.load import DEFAULT_MODEL, default_model_folder
from astromer_hf.light_curves.simulation import LightCurve, simulate_light_curves
from astromer_hf.model.modeling_astromer import AstromerTimeEncoding
from astromer_hf.plots.figures import COLORS, MAGNITUDE_LABEL, MARKERS, TIME_LABEL
from astromer_hf.training.data_collator import draw_masks, mean_of_visible

DPI = 100
NUM_COLORS = 128  # a palette halves the size of a file without a visible difference
SHOWN_IN_MASKS = 150  # observations of the window that is drawn masked; the rest of its columns is padding
ASKING_PHASE = 0.35  # of the hidden observation whose attention is drawn
PHASE_HEAD = 2  # of the shipped model: its first two heads prefer observations near in time, its last two near in phase


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"), help="folder for the pictures (%(default)s)")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    logging.disable_progress_bar()
    args.output.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        picture = args.output / name
        buffer = BytesIO()
        draw().savefig(buffer, dpi=DPI)
        Image.open(buffer).convert("RGB").quantize(NUM_COLORS).save(picture, optimize=True)
        print(f"-> {picture} ({picture.stat().st_size / 1000:.0f} kB)")


def simulate(label: str, seed: int, num_points: int) -> LightCurve:
    """The first `num_points` observations of the first simulated star of a class that has enough."""
    curves = (simulate_light_curves(1, seed=number, classes=[label])[0] for number in range(seed, seed + 1000))
    curve = next(curve for curve in curves if len(curve.mjd) >= num_points)
    columns = {name: getattr(curve, name)[:num_points] for name in ("mjd", "mag", "magerr")}
    return LightCurve(curve.object_id, curve.band, **columns, label=curve.label, period_days=curve.period_days)


def draw_windows() -> Figure:
    """A light curve at the top, and below it its windows as the model gets them."""
    curve = simulate("LPV", seed=0, num_points=450)
    windows = AstromerFeatureExtractor()(curve.mjd, curve.mag, curve.magerr, return_tensors="np")
    figure = Figure(figsize=(8, 5.6), layout="constrained")
    panels = figure.subplot_mosaic([["curve"] * len(windows.window_start), [*windows.window_start]], height_ratios=(3, 2))
    main = panels["curve"]
    main.scatter(curve.mjd, curve.mag, s=7, color="0.45", linewidth=0)
    main.set(xlabel=TIME_LABEL, ylabel=MAGNITUDE_LABEL, title=f"{len(curve.mjd)} observations of a long-period variable")
    faintest, height = curve.mag.max(), np.ptp(curve.mag)
    for row, start in enumerate(windows.window_start):
        color, marker = COLORS[row], MARKERS[row]
        points = slice(start, start + windows.window_length[row])
        depth = faintest + (0.12 + 0.2 * row) * height
        main.plot(curve.mjd[points][[0, -1]], [depth] * 2, color=color, linewidth=5, solid_capstyle="butt")
        main.annotate(
            f"window {row}: observations {points.start} to {points.stop - 1}",
            (curve.mjd[points].mean(), depth),
            xytext=(0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize="small",
            color=color,
        )
        panel = panels[start]
        panel.scatter(windows["times"][row], windows["magnitudes"][row], s=7, color=color, marker=marker, linewidth=0)
        panel.axhline(0, color="0.6", linewidth=0.8)
        panel.axvline(0, color="0.6", linewidth=0.8)
        panel.set_title(f"window {row}", fontsize="medium", color=color)
        panel.set_xlabel("time − its mean [d]")
        panel.invert_yaxis()
    panels[windows.window_start[0]].set_ylabel("magnitude − its mean")
    main.set_ylim(faintest + (0.12 + 0.2 * len(windows.window_start)) * height, curve.mag.min() - 0.08 * height)
    return figure


def draw_roles() -> Figure:
    """The roles of the observations of one window in pre-training, and the three masks."""
    curve = simulate("Cepheid", seed=3, num_points=SHOWN_IN_MASKS)
    windows = AstromerFeatureExtractor()(curve.mjd, curve.mag, padding="max_length", return_tensors="np")
    masks = draw_masks(windows.window_length, windows["magnitudes"].shape[1], np.random.default_rng(0))
    shown = masks.shown(windows["magnitudes"])[0, :SHOWN_IN_MASKS] + windows.magnitude_means[0]
    probed, hidden = masks.loss_mask[0, :SHOWN_IN_MASKS], masks.masked_positions[0, :SHOWN_IN_MASKS]
    randomised = np.isin(np.arange(SHOWN_IN_MASKS), masks.randomised)
    roles = {
        "visible, not scored": ~probed,
        "hidden, scored": hidden,
        "shown as it is, scored": probed & ~hidden & ~randomised,
        "shown with another's magnitude, scored": randomised,
    }
    figure = Figure(figsize=(8, 5.8), layout="constrained")
    main, strips = figure.subplots(2, 1, height_ratios=(3, 1))
    phase = (curve.mjd - curve.mjd[np.argmin(curve.mag)]) / curve.period_days % 1
    for style, (role, chosen) in enumerate(roles.items()):
        face = "white" if role.startswith("hidden") else COLORS[style]
        main.scatter(
            phase[chosen],
            shown[chosen],
            s=26,
            marker=MARKERS[style],
            facecolor=face,
            edgecolor=COLORS[style],
            linewidth=0.9,
            label=f"{role} ({chosen.sum()})",
            zorder=2,
        )
    main.vlines(phase[randomised], curve.mag[randomised], shown[randomised], color=COLORS[3], linewidth=0.7, zorder=1)
    main.set(xlabel="phase", ylabel=MAGNITUDE_LABEL, title=f"One window of a Cepheid of {SHOWN_IN_MASKS} observations")
    main.invert_yaxis()
    main.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    rows = {
        "attention_mask": windows["attention_mask"][0],
        "loss_mask": masks.loss_mask[0],
        "masked_positions": masks.masked_positions[0],
    }
    image = np.stack([*rows.values()]).astype(float)
    strips.imshow(image, aspect="auto", interpolation="nearest", cmap=ListedColormap(["white", COLORS[0]]))
    strips.set_yticks(range(len(rows)), [*rows])
    strips.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    strips.grid(which="minor", axis="y", color="0.6", linewidth=0.8)
    strips.tick_params(which="minor", length=0)
    strips.set_xlabel(f"observation; from {SHOWN_IN_MASKS} on there is padding (blue: True, or 1)")
    return figure


def draw_time_encoding() -> Figure:
    """The encoding PE_j(t) of the times of a survey of 1000 days; sines and cosines in separate panels."""
    config = AstromerConfig()
    days = torch.linspace(0, 1000, 1001)
    encoding = AstromerTimeEncoding(config)(days[None])[0].numpy()
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for first, axes, name in zip((0, 1), panels, ("even j: sin(ω_j t)", "odd j: cos(ω_j t)"), strict=True):
        image = axes.imshow(
            encoding[:, first::2].T,
            aspect="auto",
            origin="lower",
            extent=(0, 1000, 0, config.hidden_size),
            cmap="cividis",
            vmin=-1,
            vmax=1,
            interpolation="nearest",
        )
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel("time t [d]")
    panels[0].set_ylabel("dimension j")
    figure.colorbar(image, ax=panels, label="PE_j(t)")
    return figure


@torch.inference_mode()
def draw_attention() -> Figure:
    """The attention of one hidden observation in time and in phase, and the reconstruction of all hidden observations."""
    curve = simulate("Cepheid", seed=3, num_points=200)
    model = AutoModelForPreTraining.from_pretrained(default_model_folder())
    assert isinstance(model, AstromerForMaskedReconstruction)
    model.set_attn_implementation("eager")  # which returns its weights
    extractor = AstromerFeatureExtractor(window_size=model.config.window_size)
    windows = extractor(curve.mjd, curve.mag, curve.magerr, return_tensors="np")
    masks = draw_masks(windows.window_length, len(curve.mjd), np.random.default_rng(1), random_fraction=0, same_fraction=0)
    hidden = masks.masked_positions
    mean = mean_of_visible(windows["magnitudes"], ~hidden)
    inputs = {name: torch.from_numpy(windows[name]) for name in ("times", "attention_mask", "magnitude_errors")}
    centred = torch.from_numpy(np.where(hidden, 0, windows["magnitudes"] - mean))
    outputs = model(centred, **inputs, masked_positions=torch.from_numpy(hidden), output_attentions=True)
    reconstruction = outputs.reconstruction.numpy()[0] + mean[0] + windows.magnitude_means[0]
    phase = (curve.mjd - curve.mjd[np.argmin(curve.mag)]) / curve.period_days % 1
    phase_label = f"phase (period {curve.period_days:.3g} d)"
    asking = np.flatnonzero(hidden[0])[np.argmin(np.abs(phase[hidden[0]] - ASKING_PHASE))]
    attention = outputs.attentions[0][0, PHASE_HEAD, asking].numpy()

    figure = Figure(figsize=(8, 6), layout="constrained")
    panels = figure.subplot_mosaic([["time", "phase"], ["reconstruction"] * 2])
    figure.suptitle(f"A Cepheid, half of it hidden from {DEFAULT_MODEL}")
    for name, axis, label in (("time", curve.mjd, TIME_LABEL), ("phase", phase, phase_label)):
        points = _draw_attended(panels[name], axis, curve.mag, attention, asking)
        panels[name].set(xlabel=label, ylabel=MAGNITUDE_LABEL)
        panels[name].set_title(f"head {PHASE_HEAD}: attention against {name}", fontsize="medium")
    figure.colorbar(points, ax=[panels["time"], panels["phase"]], label="attention")
    panel = panels["reconstruction"]
    seen = ~hidden[0]
    panel.scatter(phase[seen], curve.mag[seen], s=14, color=COLORS[0], linewidth=0, label="seen")
    panel.scatter(
        phase[~seen], curve.mag[~seen], s=18, marker="s", facecolor="white", edgecolor=COLORS[0], linewidth=0.8, label="hidden"
    )
    panel.scatter(phase[~seen], reconstruction[~seen], s=24, marker="x", color=COLORS[1], linewidth=1, label="reconstructed")
    panel.set(xlabel=phase_label, ylabel=MAGNITUDE_LABEL)
    panel.invert_yaxis()
    panel.legend(fontsize="small", loc="upper center")
    return figure


def _draw_attended(axes: Axes, axis: np.ndarray, mag: np.ndarray, attention: np.ndarray, asking: int) -> PathCollection:
    """The attended observations; size and darkness show the attention. A cross marks the querying observation."""
    rising = np.argsort(attention)
    sizes = 5 + 60 * attention / attention.max()
    points = axes.scatter(
        axis[rising], mag[rising], c=attention[rising], s=sizes[rising], cmap="cividis_r", vmin=0, linewidth=0
    )
    axes.plot(axis[asking], mag[asking], marker="x", color=COLORS[1], markersize=10, markeredgewidth=2.5)
    axes.invert_yaxis()
    return points


PICTURES: dict[str, Callable[[], Figure]] = {
    "windows.png": draw_windows,
    "masks.png": draw_roles,
    "time_encoding.png": draw_time_encoding,
    "attention.png": draw_attention,
}

if __name__ == "__main__":
    main(parse_args())
