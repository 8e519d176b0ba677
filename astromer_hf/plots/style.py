# Copyright 2026 The astromer_hf developers. MIT licence.
"""What all figures share: colours, sizes on a screen or in a journal, and the names of axes.

Nothing comes before this file; after it `figures.py`.
"""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# The colours of Okabe & Ito, which colour-blind readers can distinguish, with grey instead of their yellow, which is hardly
# visible on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
TIME_LABEL = "time [d]"
MAGNITUDE_LABEL = "magnitude [mag]"

Width = Literal["column", "page"]
MILLIMETRES: dict[Width, float] = {
    "column": 88,
    "page": 180,
}  # of Astronomy & Astrophysics; others are within a few millimetres
_PAPER: dict[Any, Any] = {
    "font.size": 8,
    **dict.fromkeys(("axes.labelsize", "axes.titlesize", "figure.titlesize"), 8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # TrueType, which journals ask for
}
_width: ContextVar[Width | None] = ContextVar("width", default=None)


@contextmanager
def journal_size(width: Width | None) -> Iterator[None]:
    """Draw and save figures at the width of a journal's column (88 mm) or page (180 mm), with fonts of 6 to 8 points.

    Args:
        width: `"column"`, `"page"`, or None for the size of a screen.

    Raises:
        ValueError: there is no such width.
    """
    if width is not None and width not in MILLIMETRES:
        raise ValueError(f"`width` must be one of {', '.join(MILLIMETRES)}, got {width!r}.")
    token = _width.set(width)
    try:
        with mpl.rc_context({"savefig.dpi": 150} if width is None else {**_PAPER, "savefig.dpi": 300}):
            yield
    finally:
        _width.reset(token)


def is_narrow() -> bool:
    """Whether the figure is for one column, so that panels stand below each other."""
    return _width.get() == "column"


def point_scale() -> float:
    """By how much the areas of points shrink on paper."""
    return {None: 1.0, "page": 0.6, "column": 0.35}[_width.get()]


def wrap(title: str, characters: int | None = None) -> str:
    """A title in lines that fit the figure's width, or so many characters; a value such as "P = 2.5 d" stands on one line."""
    characters = characters or {None: 76, "page": 110, "column": 46}[_width.get()]
    whole = re.sub(r"(?<=\S) = (?=\S)|(?<=\d) d\b", lambda found: found[0].replace(" ", "\u00a0"), title)
    return "\n".join(textwrap.wrap(whole, characters, break_on_hyphens=False)).replace("\u00a0", " ")


def new_figure(width: float, height: float, *, rows: int = 1) -> Figure:
    """An empty figure of this size in inches; in a journal's width of the same shape, but not flatter than can be read.

    Args:
        width, height: on a screen.
        rows: of panels.
    """
    if (chosen := _width.get()) is not None:
        on_paper = MILLIMETRES[chosen] / 25.4
        height = max(height * on_paper / width, min(height, 0.62 * on_paper), (1.2 if is_narrow() else 0.9) * rows + 0.5)
        width = on_paper
    return Figure(figsize=(width, height), layout="constrained")


def name_time_axis(axes: Axes, times: np.ndarray, system: str | None) -> None:
    """Name the axis of times by their system; whole Julian dates are shown without their first 2450000 days.

    A system that does not fit the numbers, such as MJD for days since a first observation, is not named.
    """
    typical = float(np.median(times)) if len(times) else 0.0
    label = TIME_LABEL
    if system == "MJD":
        label = "MJD [d]" if 15_000 < typical < 100_000 else TIME_LABEL  # 1900 to 2132
    elif system in ("JD", "HJD", "BJD"):
        label = f"{system} minus a constant [d]"
        if typical > 2_400_000:
            label = f"{system} − 2450000 [d]"
            axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time - 2_450_000:.10g}"))
    elif system is not None:
        label = f"{system} [d]"
    axes.set_xlabel(label)


def magnitude_label(band: str | None) -> str:
    """The name of an axis of magnitudes."""
    return MAGNITUDE_LABEL if not band else f"{band} {MAGNITUDE_LABEL}"


def styles() -> Iterator[tuple[str, str, str]]:
    """Colour, marker and line of the first group, the second ...; a pair of colour and marker repeats after 64 groups."""
    for i in count():
        turn = i // len(COLORS)
        yield COLORS[i % len(COLORS)], MARKERS[(i + turn) % len(MARKERS)], LINES[(i + turn) % len(LINES)]
