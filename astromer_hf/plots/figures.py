# Copyright 2026 The astromer_hf developers. MIT licence.
"""Figures: every function takes arrays and returns a matplotlib `Figure`, which can be saved or shown.

Nothing here runs a model. The colours are those of Okabe & Ito, which colour-blind readers can distinguish (with grey instead
of their yellow, which is hardly visible on white). Markers and lines differ too, for print in black and white.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.metrics import ConfusionMatrixDisplay

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
TIME_LABEL = "time [d]"
MAGNITUDE_LABEL = "magnitude"


def plot_light_curve(
    mjd: ArrayLike,
    mag: ArrayLike,
    magerr: ArrayLike | None = None,
    *,
    hidden: ArrayLike | None = None,
    reconstruction: ArrayLike | None = None,
    reconstruction_std: ArrayLike | None = None,
    period_days: float | None = None,
    title: str = "",
) -> Figure:
    """A light curve, bright at the top; optionally with hidden points, their reconstruction and residuals.

    Args:
        mjd, mag, magerr: `(n,)`, days and magnitudes.
        hidden: `(n,)` bool, True for observations that the model did not see.
        reconstruction: `(n,)`, reconstructed magnitudes.
        reconstruction_std: `(n,)`, their uncertainty, for example under Monte-Carlo dropout; drawn as error bars.
        period_days: plot against the phase of this period instead of time.
    """
    times, magnitudes = _columns(mjd=mjd, mag=mag)
    times, time_label = (times, TIME_LABEL) if period_days is None else _fold(times, magnitudes, period_days)
    hidden = np.zeros(len(times), bool) if hidden is None else _columns(mjd=times, hidden=hidden)[1].astype(bool)
    figure = Figure(figsize=(8, 5 if reconstruction is not None else 3.5), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1)) if reconstruction is not None else [figure.subplots()]
    main = axes[0]
    main.set_title(title)
    _errorbar(main, times[~hidden], magnitudes[~hidden], magerr, ~hidden, "seen" if hidden.any() else None, 0)
    if hidden.any():
        _errorbar(main, times[hidden], magnitudes[hidden], magerr, hidden, "hidden", 4, facecolor="white")
    if reconstruction is not None:
        model = _columns(mjd=times, reconstruction=reconstruction)[1]
        shown = hidden if hidden.any() else np.ones(len(times), bool)
        main.scatter(
            times[shown], model[shown], s=22, marker="x", color=COLORS[1], linewidth=0.9, label="reconstructed", zorder=3
        )
        if reconstruction_std is not None:
            spread = _columns(mjd=times, reconstruction_std=reconstruction_std)[1]
            main.errorbar(times[shown], model[shown], spread[shown], fmt="none", ecolor=COLORS[1], alpha=0.5, linewidth=0.8)
        axes[1].scatter(times[shown], (magnitudes - model)[shown], s=14, marker="x", color=COLORS[1], linewidth=0.9)
        axes[1].axhline(0, color="0.6", linewidth=0.8)
        axes[1].set_ylabel("residual [mag]")
        axes[1].invert_yaxis()
    _finish_light_curve(main)
    axes[-1].set_xlabel(time_label)
    return figure


def plot_folded_light_curve(
    mjd: ArrayLike, mag: ArrayLike, period_days: float, magerr: ArrayLike | None = None, *, title: str = ""
) -> Figure:
    """Two cycles of a light curve folded on a period; phase 0 is the brightest observation."""
    times, magnitudes = _columns(mjd=mjd, mag=mag)
    phase, phase_label = _fold(times, magnitudes, period_days)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    everything = np.ones(len(times), bool)
    for shift in (0, 1):
        _errorbar(axes, phase + shift, magnitudes, magerr, everything, None, 0)
    axes.set_xlabel(phase_label)
    axes.set_title(title)
    _finish_light_curve(axes)
    return figure


def plot_time_encoding(times: ArrayLike, encoding: ArrayLike, *, title: str = "") -> Figure:
    """The encoding of each observation's time (paper, Fig. 2): `times` (n,) in days, `encoding` (n, D)."""
    values = np.asarray(encoding)
    days = np.asarray(times, dtype=float)
    if values.ndim != 2 or len(values) != len(days):
        raise ValueError(f"`encoding` must have the shape (n, D) with n = {len(days)}, got {values.shape}.")
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values.T, aspect="auto", origin="lower", cmap="cividis", vmin=-1, vmax=1, interpolation="nearest")
    ticks = np.linspace(0, len(days) - 1, min(len(days), 6)).astype(int)
    axes.set_xticks(ticks, [f"{days[tick]:.0f}" for tick in ticks])
    axes.set(xlabel="time of the observation [d]", ylabel="dimension", title=title)
    figure.colorbar(image, ax=axes, label="encoding")
    return figure


def plot_magnitude_projection(
    weight: ArrayLike, bias: ArrayLike, *, magnitudes: Sequence[float] = (-1, -0.5, 0.5, 1), title: str = ""
) -> Figure:
    """The learned linear embedding of some centred magnitudes, and its weights (paper, Fig. A.1).

    Args:
        weight, bias: of the layer, `(D,)` or `(D, 1)` and `(D,)`.
        magnitudes: to embed.
        title: of the figure.
    """
    slope, offset = _columns(weight=np.asarray(weight, dtype=float).reshape(-1), bias=bias)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes, change = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for magnitude, (color, _, line) in zip(magnitudes, _styles(), strict=False):
        axes.plot(slope * magnitude + offset, color=color, linestyle=line, linewidth=0.9, label=f"{magnitude:+g} mag")
    axes.set(ylabel="embedding", title=title)
    axes.legend(ncols=len(magnitudes), fontsize="small")
    change.plot(slope, color=COLORS[6], linewidth=0.9)
    change.set(xlabel="dimension", ylabel="change\nper mag")
    return figure


def plot_attention(
    times: ArrayLike, magnitudes: ArrayLike, attention: ArrayLike, observation: int, *, title: str = ""
) -> Figure:
    """How strongly one observation attends to the others, head by head: `attention` (H, n, n) of one block and window."""
    days, mags = _columns(times=times, magnitudes=magnitudes)
    weights = np.asarray(attention)
    if weights.ndim != 3 or weights.shape[1:] != (len(days), len(days)):
        raise ValueError(f"`attention` must have the shape (heads, {len(days)}, {len(days)}), got {weights.shape}.")
    figure = Figure(figsize=(8, 1.9 * len(weights)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(weights), 1, sharex=True, squeeze=False)[:, 0]
    for head, axes in enumerate(panels):
        attended = weights[head, observation]
        rising = np.argsort(attended)  # the strongest are drawn last, largest and darkest
        sizes = 6 + 50 * attended / max(attended.max(), 1e-12)
        points = axes.scatter(days[rising], mags[rising], c=attended[rising], s=sizes[rising], cmap="cividis_r", vmin=0)
        axes.plot(days[observation], mags[observation], marker="x", color=COLORS[1], markersize=9, markeredgewidth=2)
        axes.set_title(f"head {head}", fontsize="small")
        axes.set_ylabel(MAGNITUDE_LABEL)
        axes.invert_yaxis()
        figure.colorbar(points, ax=axes, label="attention")
    panels[-1].set_xlabel(TIME_LABEL)
    return figure


def plot_learning_curves(curves: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Losses or scores against training steps: a name -> (steps, values)."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for (name, (steps, values)), (color, marker, line) in zip(curves.items(), _styles(), strict=False):
        shown = marker if len(np.asarray(steps)) < 60 else None
        axes.plot(steps, values, color=color, marker=shown, markersize=4, linestyle=line, linewidth=1.2, label=name)
    axes.set(xlabel="step", ylabel="value", yscale="log")
    axes.legend()
    return figure


def plot_few_shot(scores: Mapping[str, Mapping[int, Sequence[float]]], *, score_name: str = "macro-F1") -> Figure:
    """Score against labelled samples per class, with a band of one standard deviation: method -> samples -> scores of seeds."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for (method, by_samples), (color, marker, line) in zip(scores.items(), _styles(), strict=False):
        samples = np.array(sorted(by_samples))
        mean = np.array([np.mean(by_samples[count]) for count in samples])
        spread = np.array([np.std(by_samples[count]) for count in samples])
        axes.plot(samples, mean, color=color, marker=marker, linestyle=line, label=method)
        axes.fill_between(samples, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel="labelled samples a class", ylabel=score_name, xscale="log")
    drawn = sorted({count for by_samples in scores.values() for count in by_samples})
    axes.set_xticks(drawn, labels=map(str, drawn))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def plot_confusion_matrix(true_labels: Sequence[str], predicted_labels: Sequence[str]) -> Figure:
    """Percentage of each true class that is assigned to each predicted class."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axes = figure.subplots()
    style = {"values_format": ".0%", "cmap": "cividis", "xticks_rotation": "vertical"}
    ConfusionMatrixDisplay.from_predictions(true_labels, predicted_labels, normalize="true", ax=axes, **style)
    return figure


def plot_reliability(bins: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]) -> Figure:
    """Accuracy against confidence: name -> confidence, accuracy and number of objects of bins.

    Calibrated probabilities lie on the diagonal. The size of a point shows the number of objects in its bin. See
    `classification_metrics.bin_confidences`.
    """
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--", label="perfect")
    for (name, (confidence, accuracy, counts)), (color, marker, line) in zip(bins.items(), _styles(), strict=False):
        said, found, objects = (np.asarray(column, dtype=float) for column in (confidence, accuracy, counts))
        axes.plot(said, found, color=color, linestyle=line, linewidth=0.8, alpha=0.6)
        sizes = 12 + 150 * objects / objects.sum()
        error = np.average(np.abs(found - said), weights=objects)
        label = f"{name} (calibration error {error:.3f})"
        axes.scatter(said, found, s=sizes, marker=marker, color=color, alpha=0.8, linewidth=0, label=label)
    axes.set(xlabel="probability of the likeliest class", ylabel="fraction that is right", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    axes.legend(fontsize="small", loc="upper left")
    return figure


def plot_embedding_map(
    embeddings: ArrayLike,
    labels: Sequence[str | None] | None = None,
    *,
    method: str = "pca",
    max_classes: int = 16,
    seed: int = 0,
    title: str = "",
) -> Figure:
    """Embeddings (N, D) in two dimensions, after each dimension is standardised; coloured by label.

    Rows that are not finite (objects without an embedding) are left out; 2-d points are plotted directly.

    Args:
        embeddings: `(N, D)`.
        labels: the class of each, None for unlabelled objects.
        method: `"pca"`, the first two principal components; or `"umap"`, which needs `umap-learn`.
        max_classes: if there are more, the smallest classes are merged into one.
        seed: of UMAP.
        title: of the figure.
    """
    if method not in ("pca", "umap"):
        raise ValueError(f'`method` must be "pca" or "umap", got {method!r}.')
    points = np.asarray(embeddings, dtype=float)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(f"`embeddings` must have the shape (N, D) with D of 2 or more, got {points.shape}.")
    if labels is not None and len(labels) != len(points):
        raise ValueError(f"There are {len(points)} embeddings and {len(labels)} labels: give one for each.")
    given = [""] * len(points) if labels is None else labels
    names = np.array(["unlabelled" if label is None else str(label) for label in given])
    finite = np.isfinite(points).all(axis=1)
    points, names = points[finite], names[finite]
    axis_names = ("dimension 1", "dimension 2")
    scaled = (points - points.mean(0)) / np.maximum(points.std(0), 1e-12)
    if points.shape[1] > 2 and method == "umap":
        points, axis_names = _umap(scaled, seed), ("UMAP 1", "UMAP 2")
    elif points.shape[1] > 2:
        pca = PCA(2, svd_solver="full").fit(scaled)
        points = pca.transform(scaled)
        axis_names = tuple(  # type: ignore[assignment]
            f"component {i + 1} ({ratio:.0%} of the variance)" for i, ratio in enumerate(pca.explained_variance_ratio_)
        )
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    by_size = sorted(set(names), key=lambda name: (-np.sum(names == name), name))
    if len(by_size) > max_classes:
        others = f"{len(by_size) - max_classes + 1} smaller classes"
        names = np.where(np.isin(names, by_size[: max_classes - 1]), names, others)
        by_size = [*by_size[: max_classes - 1], others]
    size = float(np.clip(12000 / max(len(points), 1), 6, 20))  # smaller for thousands of points
    for name, (color, marker, _) in zip(by_size, _styles(), strict=False):
        chosen = points[names == name]
        label = f"{name} ({len(chosen)})"
        axes.scatter(chosen[:, 0], chosen[:, 1], s=size, alpha=0.75, linewidth=0, color=color, marker=marker, label=label)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=title)
    if labels is not None:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=max(1, 4 / size**0.5))
    return figure


def plot_survey_summary(surveys: Mapping[str, Mapping[str, ArrayLike]]) -> Figure:
    """Points per curve, magnitudes and Δt of surveys (paper, Figs. 6 and B.1): name -> `num_points`, `mag`, `gaps` (days)."""
    panels = (("num_points", "observations a light curve", True), ("mag", MAGNITUDE_LABEL, False), ("gaps", "Δt [d]", True))
    figure = Figure(figsize=(11, 3.5), layout="constrained")
    for axes, (column, label, logarithmic) in zip(figure.subplots(1, 3), panels, strict=True):
        for (name, columns), (color, _, line) in zip(surveys.items(), _styles(), strict=False):
            values = np.asarray(columns[column], dtype=float)
            values = values[np.isfinite(values) & ((values > 0) | (not logarithmic))]
            scaled = np.log10(values) if logarithmic else values
            edges = np.linspace(scaled.min() - 1e-6, scaled.max() + 1e-6, 60)  # wider, for equal values and rounding
            bins = 10**edges if logarithmic else edges
            weights = np.full(len(values), 1 / max(len(values), 1))
            axes.hist(values, bins=bins, weights=weights, histtype="step", color=color, linestyle=line, label=name)
        axes.set(xlabel=label, ylabel="fraction", xscale="log" if logarithmic else "linear")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize="small", loc="outside upper center", ncols=4)
    return figure


def plot_light_curves(
    curves: Sequence[tuple[str, ArrayLike, ArrayLike]],
    *,
    highlight_first: bool = False,
    num_columns: int = 3,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Light curves side by side.

    Args:
        curves: title, days and magnitudes of each.
        highlight_first: draw the first in another colour and marker, for example a query beside its nearest neighbours.
        num_columns: of the grid.
        labels: of the horizontal axis of each, such as "phase" for folded ones; time in days by default.
    """
    if not curves:
        raise ValueError("There must be at least one light curve to draw, got none.")
    num_columns = min(num_columns, len(curves))
    num_rows = -(-len(curves) // num_columns)
    figure = Figure(figsize=(3.4 * num_columns, 2.2 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, squeeze=False).flat
    for number, ((title, mjd, mag), axes) in enumerate(zip(curves, panels, strict=False)):
        times, magnitudes = _columns(mjd=mjd, mag=mag)
        style = int(highlight_first and number == 0)
        axes.scatter(times, magnitudes, s=6, marker=MARKERS[style], color=COLORS[style], linewidth=0)
        axes.set_title(title, fontsize="small")
        axes.set_xlabel(labels[number] if labels else TIME_LABEL, fontsize="small")
        axes.set_ylabel(MAGNITUDE_LABEL, fontsize="small")
        axes.tick_params(labelsize="x-small")
        axes.invert_yaxis()
    for axes in panels:  # unused panels
        axes.set_axis_off()
    return figure


def _styles() -> Iterator[tuple[str, str, str]]:
    """Colour, marker and line of the first group, the second ...; a pair of colour and marker repeats after 64 groups."""
    for i in count():
        turn = i // len(COLORS)
        yield COLORS[i % len(COLORS)], MARKERS[(i + turn) % len(MARKERS)], LINES[(i + turn) % len(LINES)]


def _umap(points: np.ndarray, seed: int) -> np.ndarray:
    """Two dimensions in which neighbours stay neighbours (McInnes et al. 2018)."""
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError("This picture needs umap-learn: pip install 'astromer-hf[umap]', or take the method pca.") from error
    return UMAP(random_state=seed, n_jobs=1).fit_transform(points)


def _columns(**columns: ArrayLike) -> list[np.ndarray]:
    """Columns as 1-d arrays of one length."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    if len({array.shape for array in arrays.values()}) > 1 or any(array.ndim != 1 for array in arrays.values()):
        shapes = ", ".join(f"`{name}` {array.shape}" for name, array in arrays.items())
        raise ValueError(f"Expected 1-d columns of one length, got {shapes}.")
    return list(arrays.values())


def _fold(times: np.ndarray, magnitudes: np.ndarray, period_days: float) -> tuple[np.ndarray, str]:
    """Phases in [0, 1), counted from the brightest observation, and the label of their axis."""
    if not period_days > 0:
        raise ValueError(f"`period_days` must be positive, got {period_days}.")
    return (times - times[np.argmin(magnitudes)]) / period_days % 1, f"phase (period {period_days:.6g} d)"


def _errorbar(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    errors: ArrayLike | None,
    chosen: np.ndarray,
    label: str | None,
    style: int,
    facecolor: str | None = None,
) -> None:
    color = COLORS[style]
    if errors is not None:
        bars = np.nan_to_num(_columns(mjd=chosen, magerr=errors)[1][chosen].astype(float))
        axes.errorbar(x, y, bars, fmt="none", ecolor=color, alpha=0.4, linewidth=0.8)
    size = float(np.clip(3000 / max(len(chosen), 1), 4, 14))  # smaller for a thousand points
    axes.scatter(x, y, s=size, marker=MARKERS[style % 2], color=facecolor or color, edgecolor=color, linewidth=0.8, label=label)


def _finish_light_curve(axes: Axes) -> None:
    axes.set_ylabel(MAGNITUDE_LABEL)
    axes.invert_yaxis()
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
