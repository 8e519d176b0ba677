# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files that a user may take along: CSV of a reconstruction, JSON of classes and period, the picture as PNG and PDF, tables.

Before this file stands `stars.py`; after it `page.py`.
"""

import json
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astromer_hf import __version__
from astromer_hf.inference.period_tables import describe
from astromer_hf.plots.figures import plot_light_curve
from astromer_hf.plots.style import journal_size

from .pictures import epoch_of, phases
from .stars import Look

KEEP_SECONDS = 600  # the page copies a file as soon as it gets it


class Downloads:
    """A folder of files for users, each call's in a folder of its own with a random name; old ones are deleted."""

    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="astromer-downloads-")
        self._examples = tempfile.TemporaryDirectory(prefix="astromer-examples-")

    @property
    def examples(self) -> Path:
        """A folder of files that stay."""
        return Path(self._examples.name)

    def folder(self) -> Path:
        """A new empty folder."""
        root = Path(self._root.name)
        for old in root.iterdir():
            if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=root))

    def of_star(self, look: Look, period_days: float | None) -> list[str]:
        """CSV, JSON, PNG and PDF of a look; the picture is folded on a period, or over time where it is None."""
        folder, name = self.folder(), file_name(look.name)
        table, words = folder / f"{name}.csv", folder / f"{name}.json"
        reconstruction_table(look, period_days).to_csv(table, index=False)
        words.write_text(json.dumps(describe_look(look), indent=2, allow_nan=False), encoding="utf-8")
        pictures = [folder / f"{name}.png", folder / f"{name}.pdf"]
        with journal_size("page"):
            figure = plot_light_curve(
                look.mjd,
                look.mag,
                look.magerr,
                hidden=look.hidden,
                reconstruction=look.reconstruction,
                period_days=period_days,
                intervals=None if look.interval is None else {"90 % interval": look.interval},
                title=look.title,
                time_system=look.time_system,
                band=look.band,
            )
            for picture in pictures:
                figure.savefig(picture, dpi=200)
        return [str(path) for path in (table, words, *pictures)]

    def of_table(self, classes: pd.DataFrame, name: str) -> str:
        """CSV of a table of classes."""
        path = self.folder() / f"{file_name(name)}-classes.csv"
        classes.to_csv(path, index=False)
        return str(path)


def file_name(name: str) -> str:
    """A star's name without what a file system may refuse."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._")[:80] or "star"


def reconstruction_table(look: Look, period_days: float | None) -> pd.DataFrame:
    """Observations, what was hidden of them, and their reconstruction; the phase where the picture is folded."""
    columns: dict[str, Any] = {"time": look.mjd, "mag": look.mag}
    if look.magerr is not None:
        columns["magerr"] = look.magerr
    columns |= {"hidden": look.hidden, "reconstruction": look.reconstruction}
    if look.interval is not None:
        columns |= {"lower_90": look.interval[0], "upper_90": look.interval[1]}
    if period_days is not None:
        columns["phase"] = phases(look.mjd, period_days, epoch_of(look))
    return pd.DataFrame(columns)


def describe_look(look: Look) -> dict[str, Any]:
    """Classes, period and neighbours as plain values for JSON; what is not finite or not known is null."""
    classes = look.classes
    period = None if look.period is None else {**describe(look.period), "explained": look.period.explained}
    return {
        "star": look.name,
        "observations": len(look.mjd),
        "left_out": look.num_dropped,
        "class": classes.label,
        "probability": classes.probability,
        "parent_class": classes.parent,
        "parent_probability": classes.parent_probability,
        "is_uncertain": classes.is_uncertain,
        "likely_classes": list(classes.likely),
        "remark": classes.remark,
        "probabilities": dict(classes.probabilities),
        "period": period and {name: value for name, value in period.items() if name != "period_explained"},
        "no_period": look.no_period or None,
        "hidden_observations": int(look.hidden.sum()),
        "reconstruction_rmse_mag": look.rmse if np.isfinite(look.rmse) else None,
        "neighbors": [{"star": one.name, "label": one.label, "distance": one.distance} for one in look.neighbors],
        "astromer_hf": __version__,
    }
