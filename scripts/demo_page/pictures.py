# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pictures for zooming and pointing at, made with plotly: the light curve, its neighbours, the map of the gallery.

Before this file stands `stars.py`; after it `page.py`. Colours and names of axes are those of `astromer_hf.plots`. The
page's style sheet gives texts the colour of its theme, light or dark.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from astromer_hf.plots.style import COLORS, TIME_LABEL, magnitude_label

from .stars import Gallery, Look, Neighbor

SVG_POINTS = 3000  # more are drawn by the graphics processor
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
THIS_STAR = "this star"
MAP_COLORS = tuple(color for color in COLORS if color != "#000000")  # which is not seen in the dark
_GRID = "rgba(128, 128, 128, 0.25)"


def phases(mjd: np.ndarray, period_days: float, epoch: float) -> np.ndarray:
    """Phases in [0, 1) of times, counted from an epoch."""
    return np.asarray((mjd - epoch) / period_days % 1)


def draw_light_curve(look: Look, period_days: float | None) -> go.Figure:
    """A light curve with its reconstruction, over two cycles of a period, or over time where it is None."""
    observed = np.arange(len(look.mjd))
    errors = np.full(len(look.mjd), np.nan) if look.magerr is None else look.magerr
    told = np.stack([look.mjd, errors, look.mag], 1)
    error = [f" ± {one:.3f}" if np.isfinite(one) else "" for one in errors]
    x, cycles = look.mjd, range(1)
    if period_days is not None:
        x, cycles = phases(look.mjd, period_days, epoch_of(look)), range(2)
    figure = go.Figure()
    kind = go.Scatter if len(observed) * len(cycles) <= SVG_POINTS else go.Scattergl
    hidden = look.hidden
    seen_name = "seen" if hidden.any() else "observed"
    shown = hidden if hidden.any() else ~hidden
    groups: tuple[tuple[str, np.ndarray, np.ndarray, dict[str, Any]], ...] = (
        (seen_name, observed[~hidden], look.mag, {"color": COLORS[0], "size": 5}),
        (
            "hidden",
            observed[hidden],
            look.mag,
            {"color": COLORS[7], "size": 6, "symbol": "circle-open", "line": {"width": 1.2}},
        ),
        (
            "reconstructed",
            observed[shown],
            look.reconstruction,
            {"color": COLORS[1], "size": 6, "symbol": "x-thin", "line": {"width": 1.5, "color": COLORS[1]}},
        ),
    )
    for name, numbers, values, marker in groups:
        if not len(numbers):
            continue
        is_model = name == "reconstructed"
        figure.add_trace(
            kind(
                x=np.concatenate([x[numbers] + cycle for cycle in cycles]),
                y=np.tile(values[numbers], len(cycles)),
                mode="markers",
                name=name,
                marker=marker,
                error_y=_interval_bars(look, numbers, len(cycles))
                if is_model
                else {"array": np.tile(np.nan_to_num(errors[numbers]), len(cycles)), "width": 0, "thickness": 0.8},
                customdata=np.tile(told[numbers], (len(cycles), 1)),
                text=[error[number] for number in numbers] * len(cycles),
                hovertemplate="%{customdata[0]:.5f} d<br>"
                + ("reconstructed %{y:.3f}, observed %{customdata[2]:.3f} mag" if is_model else "%{y:.3f}%{text} mag")
                + f"<extra>{name}</extra>",
            )
        )
    time_label = f"{look.time_system} [d]" if look.time_system else TIME_LABEL
    axis = time_label if period_days is None else f"phase (period {period_days:.6g} d)"
    _lay_out(figure, axis, magnitude_label(look.band), height=430)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return figure


def _interval_bars(look: Look, numbers: np.ndarray, num_cycles: int) -> dict[str, Any] | None:
    """Bars over the interval of some observations, for each cycle; None where the model has no intervals."""
    if look.interval is None or not look.hidden.any():
        return None
    lower, upper = (np.tile(ends[numbers], num_cycles) for ends in look.interval)
    middle = np.tile(look.reconstruction[numbers], num_cycles)
    bars = {"symmetric": False, "array": np.nan_to_num(upper - middle), "arrayminus": np.nan_to_num(middle - lower)}
    return bars | {"width": 0, "thickness": 3, "color": "rgba(213, 94, 0, 0.25)"}  # the colour of the crosses


def epoch_of(look: Look) -> float:
    """The time of phase 0, whatever the period: a maximum of the period found, or else the brightest observation."""
    return float(look.mjd[np.argmin(look.mag)]) if look.period is None else look.period.epoch_of_maximum


def draw_neighbor(neighbor: Neighbor) -> go.Figure:
    """A small picture of a star of the gallery, folded where it has a period."""
    x, y, axis = neighbor.mjd, neighbor.mag, TIME_LABEL
    if neighbor.period_days is not None:
        folded = phases(neighbor.mjd, neighbor.period_days, float(neighbor.mjd[np.argmin(neighbor.mag)]))
        x, y = np.concatenate([folded, folded + 1]), np.tile(y, 2)
        axis = f"phase ({neighbor.period_days:.4g} d)"
    kind = go.Scatter if len(x) <= SVG_POINTS else go.Scattergl
    marker = {"color": COLORS[2], "size": 3.5}
    figure = go.Figure(kind(x=x, y=y, mode="markers", marker=marker, hovertemplate="%{y:.3f} mag<extra></extra>"))
    _lay_out(figure, axis, "mag", height=210)
    figure.update_layout(showlegend=False)
    return figure


def draw_map(gallery: Gallery, look: Look) -> go.Figure:
    """The gallery in the first two principal components of its embeddings, and the star among it."""
    figure = go.Figure()
    labels = np.array([label or "unlabelled" for label in gallery.labels], dtype=object)
    names = np.array(gallery.names, dtype=object)
    for number, label in enumerate(dict.fromkeys(labels)):
        own = labels == label
        figure.add_trace(
            go.Scatter(
                x=gallery.positions[own, 0],
                y=gallery.positions[own, 1],
                mode="markers",
                name=str(label),
                marker={
                    "color": MAP_COLORS[number % len(MAP_COLORS)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 6,
                    "opacity": 0.75,
                },
                text=names[own],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    marker = {"color": "#d62728", "symbol": "star", "size": 18, "line": {"color": "white", "width": 1.5}}
    figure.add_trace(
        go.Scatter(
            x=[look.position[0]],
            y=[look.position[1]],
            mode="markers",
            name=THIS_STAR,
            marker=marker,
            text=[look.name],
            hovertemplate="%{text}<extra>you are here</extra>",
        )
    )
    _lay_out(figure, "first component", "second component", height=430)
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0})
    figure.update_yaxes(autorange=True)
    return figure


def _lay_out(figure: go.Figure, x: str, y: str, *, height: int) -> None:
    clear = "rgba(0, 0, 0, 0)"
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        font={"size": 13},
        separators=".",  # a decimal point, and nothing between thousands of days
        hovermode="closest",
        dragmode="zoom",
        modebar={"bgcolor": clear, "color": "#888888", "activecolor": COLORS[1], "remove": ["select2d", "lasso2d"]},
    )
    for update, title in ((figure.update_xaxes, x), (figure.update_yaxes, y)):
        update(title={"text": title, "standoff": 6}, gridcolor=_GRID, zeroline=False, automargin=True, exponentformat="none")
    figure.update_yaxes(autorange="reversed")
