# Copyright 2026 The astromer_hf developers. MIT licence.
"""Figures: every function takes arrays and returns a matplotlib `Figure`, which can be saved or shown.

Nothing here runs a model. Groups differ by colour, marker and line, for print in black and white. Inside
`journal_size("column")` figures are drawn for a journal. Before this file stands `style.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from ..extras import install_line
from .style import (
    COLORS,
    LINES,
    MAGNITUDE_LABEL,
    MARKERS,
    TIME_LABEL,
    is_narrow,
    journal_size,
    magnitude_label,
    name_time_axis,
    new_figure,
    point_scale,
    styles,
    wrap,
)

__all__ = ["COLORS", "LINES", "MAGNITUDE_LABEL", "MARKERS", "TIME_LABEL", "journal_size"]


def plot_light_curve(
    mjd: ArrayLike,
    mag: ArrayLike,
    magerr: ArrayLike | None = None,
    *,
    hidden: ArrayLike | None = None,
    reconstruction: ArrayLike | None = None,
    reconstruction_std: ArrayLike | None = None,
    intervals: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    period_days: float | None = None,
    epoch: float | None = None,
    title: str = "",
    time_system: str | None = None,
    band: str | None = None,
) -> Figure:
    """A light curve, bright at the top; optionally with hidden points, their reconstruction and residuals.

    Args:
        mjd, mag, magerr: `(n,)`, days and magnitudes.
        hidden: `(n,)` bool, True for observations that the model did not see.
        reconstruction: `(n,)`, reconstructed magnitudes.
        reconstruction_std: `(n,)`, their uncertainty, for example under Monte-Carlo dropout; drawn as error bars.
        intervals: of the reconstruction, the narrowest first: a name for the legend -> lower and upper ends `(n,)`. Each
            observation has a bar of its own: nothing is said of times in between.
        period_days: plot against the phase of this period instead of time.
        epoch: of phase 0, in the time of `mjd`; by default that of the brightest observation.
        title: of the figure.
        time_system: of the times, such as `"MJD"` or `"HJD"`, for the name of the axis.
        band: of the magnitudes, for the name of the axis.
    """
    times, magnitudes = _columns(mjd=mjd, mag=mag)
    phase_label = ""
    if period_days is not None:
        times, phase_label = _fold(times, magnitudes, period_days, epoch)
    hidden = np.zeros(len(times), bool) if hidden is None else _columns(mjd=times, hidden=hidden)[1].astype(bool)
    figure = new_figure(8, 5 if reconstruction is not None else 3.5, rows=3 if reconstruction is not None else 1)
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1)) if reconstruction is not None else [figure.subplots()]
    main = axes[0]
    main.set_title(wrap(title))
    _errorbar(main, times[~hidden], magnitudes[~hidden], magerr, ~hidden, "seen" if hidden.any() else None, 0)
    if hidden.any():
        _errorbar(main, times[hidden], magnitudes[hidden], magerr, hidden, "hidden", 4, facecolor="white")
    if reconstruction is not None:
        model = _columns(mjd=times, reconstruction=reconstruction)[1]
        shown = hidden if hidden.any() else np.ones(len(times), bool)
        crosses: dict[str, Any] = {"marker": "x", "color": COLORS[1], "linewidth": 0.9}
        size = _size_of_points(len(times))
        main.scatter(times[shown], model[shown], s=1.6 * size, label="reconstructed", zorder=3, **crosses)
        for number, (name, ends) in enumerate((intervals or {}).items()):
            low, high = _columns(lower=ends[0], upper=ends[1])
            _columns(mjd=times, intervals=low)
            bars: dict[str, Any] = {"color": COLORS[1], "alpha": 0.3 / (1 + number), "linewidth": 0.9 * size**0.5}
            main.vlines(times[shown], low[shown], high[shown], zorder=0.5, label=name, **bars)
        if reconstruction_std is not None:
            spread = _columns(mjd=times, reconstruction_std=reconstruction_std)[1]
            main.errorbar(times[shown], model[shown], spread[shown], fmt="none", ecolor=COLORS[1], alpha=0.5, linewidth=0.8)
        axes[1].scatter(times[shown], (magnitudes - model)[shown], s=size, **crosses)
        axes[1].axhline(0, color="0.6", linewidth=0.8)
        axes[1].set_ylabel("residual\n[mag]" if is_narrow() else "residual [mag]")
        axes[1].invert_yaxis()
    _finish_light_curve(main, band)
    if period_days is None:
        name_time_axis(axes[-1], times, time_system)
    else:
        axes[-1].set_xlabel(phase_label)
    return figure


def plot_folded_light_curve(
    mjd: ArrayLike,
    mag: ArrayLike,
    period_days: float,
    magerr: ArrayLike | None = None,
    *,
    epoch: float | None = None,
    title: str = "",
    band: str | None = None,
) -> Figure:
    """Two cycles of a light curve folded on a period; phase 0 is the `epoch`, or by default the brightest observation."""
    times, magnitudes = _columns(mjd=mjd, mag=mag)
    phase, phase_label = _fold(times, magnitudes, period_days, epoch)
    figure = new_figure(6, 3.5)
    axes = figure.subplots()
    everything = np.ones(len(times), bool)
    for shift in (0, 1):
        _errorbar(axes, phase + shift, magnitudes, magerr, everything, None, 0)
    axes.set_xlabel(phase_label)
    axes.set_title(wrap(title, 56 if figure.get_figwidth() == 6 else None))  # of a screen; a journal has its own
    _finish_light_curve(axes, band)
    return figure


def plot_time_encoding(times: ArrayLike, encoding: ArrayLike, *, title: str = "") -> Figure:
    """The encoding of each observation's time (paper, Fig. 2): `times` (n,) in days, `encoding` (n, D)."""
    values = np.asarray(encoding)
    days = np.asarray(times, dtype=float)
    if values.ndim != 2 or len(values) != len(days):
        raise ValueError(f"`encoding` must have the shape (n, D) with n = {len(days)}, got {values.shape}.")
    figure = new_figure(7, 4)
    axes = figure.subplots()
    image = axes.imshow(values.T, aspect="auto", origin="lower", cmap="cividis", vmin=-1, vmax=1, interpolation="nearest")
    ticks = np.linspace(0, len(days) - 1, min(len(days), 6)).astype(int)
    axes.set_xticks(ticks, [f"{days[tick]:.0f}" for tick in ticks])
    axes.set(xlabel="time of the observation [d]", ylabel="dimension", title=wrap(title))
    figure.colorbar(image, ax=axes, label="encoding")
    return figure


def plot_magnitude_projection(
    weight: ArrayLike, bias: ArrayLike, *, magnitudes: Sequence[float] = (-1, -0.5, 0.5, 1), title: str = ""
) -> Figure:
    """The learned linear embedding of some centred magnitudes, and its weights (paper, Fig. A.1).

    Dimensions have no order of their own: they are sorted by their weight.

    Args:
        weight, bias: of the layer, `(D,)` or `(D, 1)` and `(D,)`.
        magnitudes: to embed.
        title: of the figure.
    """
    slope, offset = _columns(weight=np.asarray(weight, dtype=float).reshape(-1), bias=bias)
    order = np.argsort(slope, kind="stable")
    slope, offset = slope[order], offset[order]
    figure = new_figure(7, 5, rows=2)
    axes, change = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for magnitude, (color, _, line) in zip(magnitudes, styles(), strict=False):
        axes.plot(slope * magnitude + offset, color=color, linestyle=line, linewidth=0.9, label=f"{magnitude:+g} mag")
    axes.set(ylabel="embedding", title=wrap(title))
    axes.legend(ncols=len(magnitudes), fontsize="small")
    change.plot(slope, color=COLORS[6], linewidth=0.9)
    change.set(xlabel="dimension, sorted by its change per mag", ylabel="change\nper mag")
    return figure


def plot_attention(
    times: ArrayLike,
    magnitudes: ArrayLike,
    attention: ArrayLike,
    observation: int,
    *,
    title: str = "",
    time_system: str | None = None,
    band: str | None = None,
) -> Figure:
    """How strongly one observation attends to the others, head by head: `attention` (H, n, n) of one block and window."""
    days, mags = _columns(times=times, magnitudes=magnitudes)
    weights = np.asarray(attention)
    if weights.ndim != 3 or weights.shape[1:] != (len(days), len(days)):
        raise ValueError(f"`attention` must have the shape (heads, {len(days)}, {len(days)}), got {weights.shape}.")
    figure = new_figure(8, 1.9 * len(weights), rows=len(weights))
    figure.suptitle(wrap(title))
    panels = figure.subplots(len(weights), 1, sharex=True, squeeze=False)[:, 0]
    for head, axes in enumerate(panels):
        attended = weights[head, observation]
        rising = np.argsort(attended)  # the strongest are drawn last, largest and darkest
        sizes = (6 + 50 * attended / max(attended.max(), 1e-12)) * point_scale()
        points = axes.scatter(days[rising], mags[rising], c=attended[rising], s=sizes[rising], cmap="cividis_r", vmin=0)
        cross: dict[str, Any] = {"marker": "x", "markersize": 9 * point_scale() ** 0.5, "markeredgewidth": 1.5}
        axes.plot(days[observation], mags[observation], color=COLORS[1], **cross)
        axes.set_title(f"head {head}", fontsize="small")
        axes.invert_yaxis()
        figure.colorbar(points, ax=axes, label="attention")
    figure.supylabel(magnitude_label(band), fontsize="medium")
    name_time_axis(panels[-1], days, time_system)
    return figure


def plot_learning_curves(curves: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Losses or scores against training steps: a name -> (steps, values)."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for (name, (steps, values)), (color, marker, line) in zip(curves.items(), styles(), strict=False):
        shown = marker if len(np.asarray(steps)) < 60 else None
        axes.plot(steps, values, color=color, marker=shown, markersize=4, linestyle=line, linewidth=1.2, label=name)
    axes.set(xlabel="step", ylabel="value", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if sum(map(len, curves)) > 60:  # it would hide the lines
        figure.legend(fontsize="small", loc="outside lower center")
    else:
        axes.legend()
    return figure


def plot_few_shot(
    scores: Mapping[str, Mapping[int, Sequence[float]]], *, score_name: str = "macro-F1", title: str = ""
) -> Figure:
    """Score against labelled samples per class, with a band of one standard deviation: method -> samples -> scores of seeds."""
    middle = -(-len(scores) // 2)
    halves = [list(scores)[:middle], list(scores)[middle:]]
    characters = sum(max(map(len, names), default=0) for names in halves)
    num_columns = 1 if is_narrow() or characters > 108 else 2  # as many as stand in 8 inches
    legend_rows = -(-len(scores) // num_columns)
    figure = new_figure(3.5, 2.3 + 0.15 * legend_rows) if is_narrow() else new_figure(8, 4.5 + 0.2 * legend_rows)
    axes = figure.subplots()
    for (method, by_samples), (color, marker, line) in zip(scores.items(), styles(), strict=False):
        samples = np.array(sorted(by_samples))
        mean = np.array([np.mean(by_samples[count]) for count in samples])
        spread = np.array([np.std(by_samples[count]) for count in samples])
        axes.plot(samples, mean, color=color, marker=marker, markersize=5, linestyle=line, label=method)
        axes.fill_between(samples, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel="labelled samples a class", ylabel=score_name, xscale="log", title=wrap(title))
    drawn = sorted({count for by_samples in scores.values() for count in by_samples})
    axes.set_xticks(drawn, labels=map(str, drawn))
    axes.xaxis.set_minor_locator(NullLocator())
    figure.legend(fontsize="small", loc="outside lower center", ncols=num_columns)
    return figure


def plot_confusion_matrix(true_labels: Sequence[str], predicted_labels: Sequence[str]) -> Figure:
    """Percentage of each true class that is assigned to each predicted class, with the number of objects below."""
    counts = confusion_matrix(true_labels, predicted_labels)
    size = max(5.5, 1.5 + 0.55 * len(counts))
    figure = new_figure(size + 0.5, size)
    axes = figure.subplots()
    style: dict[str, Any] = {"values_format": ".0%", "cmap": "cividis", "xticks_rotation": "vertical"}
    shown = ConfusionMatrixDisplay.from_predictions(true_labels, predicted_labels, normalize="true", ax=axes, **style)
    fonts = {"fontsize": "x-small" if is_narrow() or len(counts) > 9 else "small"}
    for cell, number in zip(shown.text_.ravel(), counts.ravel(), strict=True):
        cell.set(text=f"{cell.get_text()}\n{number}", **fonts)
    axes.set(xlabel="predicted class", ylabel="true class")
    shown.im_.colorbar.set_label("fraction of the true class; below, objects")
    return figure


def plot_reliability(bins: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]) -> Figure:
    """Accuracy against confidence, and below it how many objects there are: name -> confidence, accuracy and number of bins.

    Calibrated probabilities lie on the diagonal within their error bars, which are Wilson's intervals of 68 % for the binomial
    fraction. See `classification_metrics.bin_confidences`.
    """
    from astropy.stats import binom_conf_interval  # slow to import

    figure = new_figure(5, 5.5, rows=2)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--", label="perfect")
    for number, ((name, columns), (color, marker, _)) in enumerate(zip(bins.items(), styles(), strict=False)):
        said, found, objects = (np.asarray(column, dtype=float) for column in columns)
        low, high = binom_conf_interval(np.rint(found * objects), objects, interval="wilson")
        lengths = np.maximum([found - low, high - found], 0)  # rounding of the fraction
        error = np.average(np.abs(found - said), weights=objects)
        label = f"{name} (calibration error {error:.3f})"
        axes.errorbar(said, found, lengths, fmt="none", ecolor=color, elinewidth=0.9, capsize=2)
        axes.scatter(said, found, s=24 * point_scale(), marker=marker, color=color, linewidth=0, label=label, zorder=3)
        below.bar(said + 0.014 * (number - (len(bins) - 1) / 2), objects, width=0.013, color=color)
    axes.set(ylabel="fraction that is right", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    below.set(xlabel="probability of the likeliest class", ylabel="objects", yscale="log", ylim=(0.7, None))
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
    figure = new_figure(3.5, 3.4) if is_narrow() else new_figure(7, 5)
    axes = figure.subplots()
    by_size = sorted(set(names), key=lambda name: (-np.sum(names == name), name))
    if len(by_size) > max_classes:
        others = f"{len(by_size) - max_classes + 1} smaller classes"
        names = np.where(np.isin(names, by_size[: max_classes - 1]), names, others)
        by_size = [*by_size[: max_classes - 1], others]
    size = point_scale() * float(np.clip(12000 / max(len(points), 1), 6, 20))  # smaller for thousands of points
    for name, (color, marker, _) in zip(by_size, styles(), strict=False):
        chosen = points[names == name]
        label = f"{name} ({len(chosen)})"
        axes.scatter(chosen[:, 0], chosen[:, 1], s=size, alpha=0.75, linewidth=0, color=color, marker=marker, label=label)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=wrap(title))
    if labels is not None:
        look = {"fontsize": "small", "markerscale": max(1, 4 / size**0.5)}
        if is_narrow():
            figure.legend(loc="outside lower center", ncols=2, **look)
        else:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), **look)
    return figure


def plot_survey_summary(surveys: Mapping[str, Mapping[str, ArrayLike]]) -> Figure:
    """Points per curve, magnitudes and Δt of surveys (paper, Figs. 6 and B.1): name -> `num_points`, `mag`, `gaps` (days).

    All surveys have the same bins, so that the heights of their lines compare.
    """
    panels = (("num_points", "observations a light curve", True), ("mag", MAGNITUDE_LABEL, False), ("gaps", "Δt [d]", True))
    figure = new_figure(3.5, 6, rows=3) if is_narrow() else new_figure(11, 3.5)
    grid = figure.subplots(3, 1) if is_narrow() else figure.subplots(1, 3)
    for axes, (column, label, logarithmic) in zip(grid, panels, strict=True):
        every = {name: _finite(columns[column], positive=logarithmic) for name, columns in surveys.items()}
        edges = _edges(np.concatenate(list(every.values())), logarithmic)
        for (name, values), (color, _, line) in zip(every.items(), styles(), strict=False):
            weights = np.full(len(values), 1 / max(len(values), 1))
            axes.hist(values, bins=edges, weights=weights, histtype="step", color=color, linestyle=line, label=name)
        axes.set(xlabel=label, ylabel="fraction", xscale="log" if logarithmic else "linear")
    num_columns = 2 if is_narrow() else 4
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize="small", loc="outside upper center", ncols=num_columns)
    return figure


def _finite(values: ArrayLike, *, positive: bool) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    return numbers[np.isfinite(numbers) & ((numbers > 0) | (not positive))]


def _edges(values: np.ndarray, logarithmic: bool, num_bins: int = 60) -> np.ndarray:
    """Edges of equal bins, in the logarithm or not, that hold all values."""
    if not len(values):
        return np.array([1.0, 10.0])
    scaled = np.log10(values) if logarithmic else values
    edges = np.linspace(scaled.min() - 1e-6, scaled.max() + 1e-6, num_bins + 1)  # wider, for equal values and rounding
    return 10**edges if logarithmic else edges


def plot_light_curves(
    curves: Sequence[tuple[str, ArrayLike, ArrayLike]],
    *,
    highlight_first: bool = False,
    num_columns: int = 3,
    labels: Sequence[str | None] | None = None,
    time_system: str | None = None,
    band: str | None = None,
) -> Figure:
    """Light curves side by side.

    Args:
        curves: title, days and magnitudes of each.
        highlight_first: draw the first in another colour and marker, for example a query beside its nearest neighbours.
        num_columns: of the grid; at most 2 in a journal's column.
        labels: of the horizontal axis of each, such as "phase" for folded ones; None is time in days.
        time_system, band: of all, for the names of the axes; see `plot_light_curve`.
    """
    if not curves:
        raise ValueError("There must be at least one light curve to draw, got none.")
    num_columns = min(num_columns, len(curves), 2 if is_narrow() else num_columns)
    num_rows = -(-len(curves) // num_columns)
    figure = new_figure(3.4 * num_columns, 2.2 * num_rows, rows=num_rows)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).flat
    for number, ((title, mjd, mag), axes) in enumerate(zip(curves, panels, strict=False)):
        times, magnitudes = _columns(mjd=mjd, mag=mag)
        style = int(highlight_first and number == 0)
        axes.scatter(times, magnitudes, s=6 * point_scale(), marker=MARKERS[style], color=COLORS[style], linewidth=0)
        axes.set_title(wrap(title, 24) if is_narrow() else title, fontsize="small")
        if labels and labels[number] is not None:
            axes.set_xlabel(labels[number])
        else:
            name_time_axis(axes, times, time_system)
        axes.xaxis.label.set_size("small")
        axes.set_ylabel(magnitude_label(band), fontsize="small")
        axes.tick_params(labelsize="small")
        axes.invert_yaxis()
    for axes in panels:  # unused panels
        axes.set_axis_off()
    return figure


def _umap(points: np.ndarray, seed: int) -> np.ndarray:
    """Two dimensions in which neighbours stay neighbours (McInnes et al. 2018)."""
    try:
        from umap import UMAP
    except ImportError as error:
        needed = install_line("umap")
        raise ImportError(f"This picture needs umap-learn: {needed}, or take the method pca.") from error
    return UMAP(random_state=seed, n_jobs=1).fit_transform(points)


def _columns(**columns: ArrayLike) -> list[np.ndarray]:
    """Columns as 1-d arrays of one length."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    if len({array.shape for array in arrays.values()}) > 1 or any(array.ndim != 1 for array in arrays.values()):
        shapes = ", ".join(f"`{name}` {array.shape}" for name, array in arrays.items())
        raise ValueError(f"Expected 1-d columns of one length, got {shapes}.")
    return list(arrays.values())


def _fold(times: np.ndarray, magnitudes: np.ndarray, period_days: float, epoch: float | None) -> tuple[np.ndarray, str]:
    """Phases in [0, 1), counted from an epoch or else the brightest observation, and the label of their axis."""
    if not period_days > 0:
        raise ValueError(f"`period_days` must be positive, got {period_days}.")
    first = times[np.argmin(magnitudes)] if epoch is None else epoch
    return (times - first) / period_days % 1, f"phase (period {period_days:.6g} d)"


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
    size = _size_of_points(len(chosen))
    look: dict[str, Any] = {"color": facecolor or color, "edgecolor": color, "linewidth": 0.8 * point_scale() ** 0.5}
    axes.scatter(x, y, s=size, marker=MARKERS[style % 2], label=label, **look)


def _size_of_points(count: int) -> float:
    """The area of the points of a light curve in points squared, smaller for a thousand of them."""
    return point_scale() * float(np.clip(3000 / max(count, 1), 4, 14))


def _finish_light_curve(axes: Axes, band: str | None) -> None:
    axes.set_ylabel(magnitude_label(band))
    axes.invert_yaxis()
    if axes.get_legend_handles_labels()[0]:
        if is_narrow():
            assert isinstance(axes.figure, Figure)
            axes.figure.legend(fontsize="small", loc="outside lower center", ncols=3, frameon=False)
        else:
            axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
