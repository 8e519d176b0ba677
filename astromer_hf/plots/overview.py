# Copyright 2026 The astromer_hf developers. MIT licence.
"""One picture of what the package does, in four panels: a reconstruction, a map, look-alikes, and classes.

`scripts/demo.py` makes it. As in `figures.py`, functions take arrays and run no model. Before this file stands `style.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from .style import COLORS, MAGNITUDE_LABEL, MARKERS, styles

PHASE_LABEL = "phase"


@dataclass(frozen=True)
class Folded:
    """A light curve against the phase of its period.

    Args:
        title (`str`): what it says above it.
        phases (`np.ndarray` of shape `(n,)`): from 0 to 1.
        magnitudes (`np.ndarray` of shape `(n,)`): mag.
    """

    title: str
    phases: np.ndarray
    magnitudes: np.ndarray


@dataclass(frozen=True)
class Reconstructed:
    """What a model says of the hidden magnitudes of a folded light curve.

    Args:
        hidden (`np.ndarray` of shape `(n,)`, bool): what the model did not see.
        magnitudes (`np.ndarray` of shape `(n,)`): reconstructed ones.
        lower, upper (`np.ndarray` of shape `(n,)`, *optional*): of an interval around them.
        interval (`str`): what the interval is, for the legend.
    """

    hidden: np.ndarray
    magnitudes: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    interval: str = ""


def plot_overview(
    curve: Folded,
    reconstructed: Reconstructed,
    embeddings: np.ndarray,
    labels: Sequence[str],
    look_alikes: Sequence[Folded],
    probabilities: Mapping[str, Mapping[str, float]],
    *,
    caption: str = "",
) -> Figure:
    """Four panels of a width that a page of text shows well.

    Args:
        curve, reconstructed: for the first panel.
        embeddings: `(N, D)`, for the map; its axes are the first two principal components.
        labels: N classes, which colour the map.
        look_alikes: the query first, then its nearest neighbours.
        probabilities: star -> class -> probability.
        caption: one line below the panels, which says what stars these are.
    """
    if len(embeddings) != len(labels):
        raise ValueError(f"There are {len(embeddings)} embeddings and {len(labels)} labels: give one for each.")
    figure = Figure(figsize=(10, 7.6), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    parts: Any = figure.subfigures(2, 2)
    _draw_reconstruction(parts[0, 0], curve, reconstructed)
    _draw_map(parts[0, 1], embeddings, labels)
    _draw_look_alikes(parts[1, 0], look_alikes)
    _draw_probabilities(parts[1, 1], probabilities)
    if caption:
        figure.supxlabel(caption, fontsize="small", color="0.35")
    return figure


def _panel(part: SubFigure, title: str) -> Axes:
    part.suptitle(title, fontsize="medium", fontweight="bold")
    return part.subplots()


def _twice(values: np.ndarray) -> np.ndarray:
    """The values of every observation for two cycles."""
    return np.tile(values, 2)


def _two_cycles(phases: np.ndarray) -> np.ndarray:
    """Phases from 0 to 2."""
    return np.concatenate([phases, phases + 1])


def _draw_reconstruction(part: SubFigure, curve: Folded, found: Reconstructed) -> None:
    axes = _panel(part, "Gaps: hidden magnitudes, reconstructed")
    hidden, magnitudes, phases = _twice(found.hidden), _twice(curve.magnitudes), _two_cycles(curve.phases)
    size = float(np.clip(2400 / len(curve.phases), 4, 12))  # smaller for a thousand points
    look: dict[str, Any] = {"s": size, "linewidth": 0.06 * size}
    if found.lower is not None and found.upper is not None:
        ends = [_twice(values)[hidden] for values in (found.lower, found.upper)]
        axes.vlines(phases[hidden], *ends, color=COLORS[1], alpha=0.25, linewidth=0.6 * size**0.5, label=found.interval)
    axes.scatter(phases[~hidden], magnitudes[~hidden], color=COLORS[0], label="seen", **look)
    axes.scatter(phases[hidden], magnitudes[hidden], facecolor="white", edgecolor=COLORS[0], label="hidden", **look)
    crosses = _twice(found.magnitudes)[hidden]
    axes.scatter(phases[hidden], crosses, marker="x", color=COLORS[1], label="reconstructed", s=1.3 * size, linewidth=0.9)
    axes.set(xlabel=PHASE_LABEL, ylabel=MAGNITUDE_LABEL, xlim=(0, 2))
    low, high = np.quantile(curve.magnitudes, (0.01, 0.99))
    low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
    outside = int(np.sum((curve.magnitudes < low) | (curve.magnitudes > high)))
    beyond = f"; outside: {outside} of {len(curve.magnitudes)} observations" if outside else ""
    axes.set_title(curve.title + beyond, fontsize="small")
    axes.set_ylim(high, low)
    part.legend(fontsize="small", loc="outside lower center", ncols=4, frameon=False, handletextpad=0.3, columnspacing=1)


def _draw_map(part: SubFigure, embeddings: np.ndarray, labels: Sequence[str]) -> None:
    axes = _panel(part, "Map: stars that look alike lie together")
    pca = PCA(2, svd_solver="full")
    points, names = pca.fit_transform(StandardScaler().fit_transform(embeddings)), np.asarray(labels)
    for name, (color, marker, _) in zip(sorted(set(labels)), styles(), strict=False):
        own = points[names == name]
        axes.scatter(own[:, 0], own[:, 1], s=20, alpha=0.8, linewidth=0, color=color, marker=marker, label=name)
    shares = [
        f"component {number + 1} ({share:.0%} of the variance)" for number, share in enumerate(pca.explained_variance_ratio_)
    ]
    axes.set(xlabel=shares[0], ylabel=shares[1])
    axes.set_title(f"embeddings of {len(labels)} stars, coloured by their known class", fontsize="small")
    part.legend(fontsize="small", loc="outside lower center", ncols=4, frameon=False, handletextpad=0.1, columnspacing=1)


def _draw_look_alikes(part: SubFigure, curves: Sequence[Folded]) -> None:
    part.suptitle("Look-alikes: a star and its nearest neighbours", fontsize="medium", fontweight="bold")
    panels = part.subplots(2, -(-len(curves) // 2), sharex=True, squeeze=False).flat
    for number, (curve, axes) in enumerate(zip(curves, panels, strict=False)):
        style = int(number > 0)
        look: dict[str, Any] = {"color": COLORS[1 - style], "marker": MARKERS[style], "s": 5, "linewidth": 0}
        axes.scatter(_two_cycles(curve.phases), _twice(curve.magnitudes), **look)
        axes.set_title(curve.title.replace(", P", ",\nP"), fontsize="small")  # beside another panel there is little room
        axes.tick_params(labelsize="small")
        axes.set_xlim(0, 2)
        axes.invert_yaxis()
    for axes in panels:  # unused panels
        axes.set_axis_off()
    part.supxlabel(PHASE_LABEL, fontsize="medium")
    part.supylabel(MAGNITUDE_LABEL, fontsize="medium")


def _draw_probabilities(part: SubFigure, stars: Mapping[str, Mapping[str, float]]) -> None:
    axes = _panel(part, "Classes: probabilities from the shipped classifier")
    shown = [name for name in next(iter(stars.values())) if any(one[name] >= 0.02 for one in stars.values())]
    image = np.array([[one[name] for name in shown] for one in stars.values()])
    axes.imshow(image, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), probability in np.ndenumerate(image):
        if probability >= 0.01:
            color = "white" if probability > 0.5 else "black"
            axes.text(column, row, f"{probability:.2f}", ha="center", va="center", fontsize="small", color=color)
    axes.set_xticks(range(len(shown)), shown, fontsize="small", rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(stars)), stars, fontsize="small")
    axes.set(xlabel="class of the classifier", ylabel="known class")
    axes.set_title(f"{len(stars)} stars, one of each known class", fontsize="small")
