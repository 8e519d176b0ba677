# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the page finds out about a star: reconstruction, period, classes, neighbours and its place on the map.

Before this file stands `uploads.py`; after it `pictures.py` and `downloads.py`, which show a [`Look`]. Nothing here changes
after the start: what belongs to a user is passed in and returned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import transformers
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification

from astromer_hf.evaluation.periods import NoPeriodError, Period, find_period
from astromer_hf.inference.classification import LightCurveClassifier
from astromer_hf.inference.decisions import decide
from astromer_hf.inference.period_tables import describe
from astromer_hf.light_curves.simulation import LightCurve as SimulatedLightCurve
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.light_curves.source import LightCurveSource
from astromer_hf.light_curves.taxonomy import LEAVES
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves

from .uploads import MAX_POINTS, LightCurve

NEIGHBORS = 5
COVERAGE = 0.9  # of the set of likely classes
MAX_PERIODS = 100  # light curves of a table whose periods are searched
MAX_GALLERY = 2000
GALLERY_SURVEYS = ("macho_like", "catalina_like", "ztf_like")
DESCRIPTIONS = {leaf.name: leaf.description for leaf in LEAVES}


@dataclass(frozen=True)
class Classes:
    """What a classifier says of one light curve.

    Args:
        probabilities (`dict[str, float]`): of the classes; empty where there is no class.
        label, probability: the most probable class.
        parent, parent_probability: the most probable wider class, where the classifier knows them.
        is_uncertain (`bool`, *optional*): None where the classifier has no threshold.
        likely (`tuple[str, ...]`): classes among which the true one is in 90 of 100 cases like those of its validation.
        remark (`str`, *optional*): why there is no class.
    """

    probabilities: Mapping[str, float]
    label: str | None = None
    probability: float | None = None
    parent: str | None = None
    parent_probability: float | None = None
    is_uncertain: bool | None = None
    likely: tuple[str, ...] = ()
    remark: str | None = None


@dataclass(frozen=True)
class Neighbor:
    """A star of the gallery near another one."""

    name: str
    label: str | None
    distance: float
    mjd: np.ndarray
    mag: np.ndarray
    period_days: float | None


@dataclass(frozen=True)
class Look:
    """Everything that the page shows about a light curve.

    Args:
        name (`str`): of the star and its band.
        mjd, mag, hidden, reconstruction (`np.ndarray` of shape `(n,)`): usable observations in order of time.
        magerr (`np.ndarray` of shape `(n,)`, *optional*): their errors.
        interval (`tuple` of two `np.ndarray` of shape `(n,)`, *optional*): between which 90 % of hidden magnitudes lie, where
            the weights carry the numbers for it; NaN where it is not known.
        num_dropped (`int`): observations without a finite time or magnitude.
        rmse (`float`): of the reconstruction, on the hidden observations or, where none is hidden, on all; magnitudes.
        period ([`Period`], *optional*): the most likely one, significant or not.
        no_period (`str`): why there is none.
        classes ([`Classes`]): by the classifier.
        neighbors (`tuple` of [`Neighbor`]): the nearest first.
        position (`tuple[float, float]`): on the map of the gallery.
        band, time_system (`str`, *optional*): for the axes of pictures.
    """

    name: str
    mjd: np.ndarray
    mag: np.ndarray
    magerr: np.ndarray | None
    hidden: np.ndarray
    reconstruction: np.ndarray
    num_dropped: int
    rmse: float
    period: Period | None
    no_period: str
    classes: Classes
    neighbors: tuple[Neighbor, ...]
    position: tuple[float, float]
    band: str | None = None
    time_system: str | None = None
    interval: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def title(self) -> str:
        """Star, class and period, in a line."""
        label = f"{self.classes.label} ({self.classes.probability:.0%})" if self.classes.label else "no class"
        uncertain = ", uncertain" if self.classes.is_uncertain else ""
        found = "no period" if self.period is None else describe_period(self.period)
        return f"{self.name}: {label}{uncertain}; {found}"


def describe_period(period: Period) -> str:
    """A period with its significance, in a few words."""
    chance = f"{period.false_alarm_probability:.1e}" if period.significance < 300 else "below 1e-300"
    weak = "" if period.is_significant else ", not significant"
    return f"period {period.period:.6g} d, false-alarm probability {chance}{weak}"


@dataclass(frozen=True)
class Gallery:
    """Light curves of known classes among which stars are searched, and their embeddings.

    Args:
        names (`list[str]`): of N light curves.
        curves (`list`): of each.
        labels (`list[str | None]`): of each.
        periods (`list[float | None]`): days; NaN where it is searched when needed.
        vectors (`np.ndarray` of shape `(N, D)`): embeddings.
        about (`str`): where the light curves are from, a sentence.
    """

    names: Sequence[str]
    curves: Sequence[LightCurve]
    labels: Sequence[str | None]
    periods: Sequence[float | None]
    vectors: np.ndarray
    about: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def projection(self) -> Pipeline:
        """To the first two principal components of the standardised embeddings."""
        return make_pipeline(StandardScaler(), PCA(2, random_state=0)).fit(self.vectors)

    @cached_property
    def positions(self) -> np.ndarray:
        """Of all on the map, `(N, 2)`."""
        return np.asarray(self.projection.transform(self.vectors))

    @cached_property
    def _search(self) -> NearestNeighbors:
        return NearestNeighbors().fit(self.projection[0].transform(self.vectors))

    def nearest(self, vector: np.ndarray, count: int, *, own: str | None = None) -> list[tuple[int, float]]:
        """Numbers and distances of the nearest light curves, without the one of the name `own`."""
        wanted = min(count + 1, len(self))
        distances, numbers = self._search.kneighbors(self.projection[0].transform(vector[None]), n_neighbors=wanted)
        pairs = zip(numbers[0].tolist(), distances[0].tolist(), strict=True)
        return [(number, distance) for number, distance in pairs if self.names[number] != own][:count]

    def neighbor(self, number: int, distance: float) -> Neighbor:
        """One of them, with its period."""
        curve, period = self.curves[number], self.periods[number]
        if period is not None and np.isnan(period):
            found = search_period(curve["mjd"], curve["mag"], curve.get("magerr"))[0]
            period = found.period if found is not None and found.is_significant else None
        return Neighbor(self.names[number], self.labels[number], distance, curve["mjd"], curve["mag"], period)


def search_period(mjd: np.ndarray, mag: np.ndarray, magerr: np.ndarray | None) -> tuple[Period | None, str]:
    """A period, or None and why there is none."""
    try:
        return find_period(mjd, mag, magerr), ""
    except NoPeriodError as error:
        return None, str(error)


class Demo:
    """The models and the gallery of a page.

    Args:
        model: folder or id of a pre-trained model.
        classifier: folder or id of a classifier.
        gallery: a file of labelled light curves; None simulates one.
        gallery_size: light curves to simulate.

    Raises:
        ValueError: the gallery cannot be read or is too small.
    """

    def __init__(self, model: str, classifier: str, gallery: str | Path | None = None, gallery_size: int = 210):
        pipeline: Any = transformers.pipeline  # typed for transformers' own tasks only
        self.reconstruct = pipeline("light-curve-reconstruction", model)
        self.embed = pipeline("light-curve-embedding", model)
        network = AutoModelForSequenceClassification.from_pretrained(classifier)
        self.classifier = LightCurveClassifier(network, AutoFeatureExtractor.from_pretrained(classifier))
        self.config = network.config
        self.gallery = self._simulate(gallery_size) if gallery is None else self._read_gallery(gallery)
        if len(self.gallery) < 3:
            raise ValueError(f"A gallery needs at least 3 light curves, this one has {len(self.gallery)}.")

    def _simulate(self, size: int) -> Gallery:
        """Stars of all simulated classes, a third with the cadence of each of three surveys."""
        shares = [len(range(start, size, len(GALLERY_SURVEYS))) for start in range(len(GALLERY_SURVEYS))]
        simulated: list[SimulatedLightCurve] = []
        for survey, share in zip(GALLERY_SURVEYS, shares, strict=True):
            simulated += simulate_light_curves(share, seed=2, survey=survey)
        curves = [{name: getattr(one, name) for name in ("object_id", "band", "mjd", "mag", "magerr")} for one in simulated]
        periods = [None if np.isnan(one.period_days) else one.period_days for one in simulated]
        about = "The gallery is **simulated**: stars of seven classes, with the cadence and the noise of surveys."
        return self._gallery(curves, [one.label for one in simulated], periods, about)

    def _read_gallery(self, file: str | Path) -> Gallery:
        source = LightCurveSource.open(file)
        curves: list[LightCurve] = []
        labels: list[str | None] = []
        for chunk in source.chunks(MAX_GALLERY):
            curves += chunk.light_curves()
            labels += chunk.annotations["label"].to_pylist() if "label" in chunk.annotations else [None] * len(chunk)
            if len(curves) >= MAX_GALLERY:
                break
        about = f"The gallery is {source.name}, {min(len(curves), MAX_GALLERY)} light curves."
        return self._gallery(curves[:MAX_GALLERY], labels[:MAX_GALLERY], [float("nan")] * MAX_GALLERY, about)

    def _gallery(self, curves: list[LightCurve], labels: list[str | None], periods: list[float | None], about: str) -> Gallery:
        embedded = self.embed([_given(curve) for curve in curves], return_numpy=True)
        kept = [number for number, result in enumerate(embedded) if result["embedding"] is not None]
        names = [", ".join(str(part) for part in (curve["object_id"], curve.get("band")) if part) for curve in curves]
        return Gallery(
            names=[f"{labels[number]}, {names[number]}" if labels[number] else names[number] for number in kept],
            curves=[curves[number] for number in kept],
            labels=[labels[number] for number in kept],
            periods=[periods[number] for number in kept],
            vectors=np.stack([embedded[number]["embedding"] for number in kept]) if kept else np.empty((0, 1)),
            about=about,
        )

    def classes_of(self, light_curves: Sequence[LightCurve]) -> list[Classes]:
        """What the classifier says of light curves."""
        parts = [RaggedLightCurves.from_arrays(one["mjd"], one["mag"], one.get("magerr")) for one in light_curves]
        found = self.classifier.predict(RaggedLightCurves.concatenate(parts))
        remarks = [None] * len(found) if found.remarks is None else list(found.remarks)
        remarks = [
            "no usable observation" if not points else remark for points, remark in zip(found.num_points, remarks, strict=True)
        ]
        missing = np.array([remark is not None for remark in remarks])
        coverage = COVERAGE if self.config.likely_set_thresholds is not None else None
        values = np.where(missing[:, None], 0, found.values)
        decided = {name: column.to_pylist() for name, column in decide(values, missing, self.config, coverage).items()}
        names = [self.config.id2label[i] for i in range(self.config.num_labels)]
        classes = []
        for number, (row, remark) in enumerate(zip(values, remarks, strict=True)):
            if remark is not None:
                classes.append(Classes({}, remark=remark))
                continue
            best = int(row.argmax())
            classes.append(
                Classes(
                    probabilities=dict(zip(names, row.tolist(), strict=True)),
                    label=names[best],
                    probability=float(row[best]),
                    parent=decided.get("parent_label", {number: None})[number],
                    parent_probability=decided.get("parent_probability", {number: None})[number],
                    is_uncertain=decided.get("is_uncertain", {number: None})[number],
                    likely=tuple(decided.get("likely_labels", {number: ()})[number] or ()),
                )
            )
        return classes

    def look(
        self,
        light_curve: LightCurve,
        hidden_fraction: float,
        *,
        name: str | None = None,
        time_system: str | None = None,
        seed: int = 0,
    ) -> Look:
        """Everything that the page shows about a light curve.

        Raises:
            ValueError: it has no usable observation, or too many.
        """
        name = name or str(light_curve["object_id"])
        if len(light_curve["mjd"]) > MAX_POINTS:
            raise ValueError(f"{name} has {len(light_curve['mjd'])} observations, this page takes {MAX_POINTS}: upload a part.")
        one = _given(light_curve)
        # Weights that were not calibrated have no intervals.
        known = getattr(self.reconstruct.model.config, "reconstruction_quantiles", None) is not None and hidden_fraction > 0
        told = {"intervals": True} if known else {}
        seen = self.reconstruct(one, hidden_fraction=hidden_fraction, seed=seed, return_numpy=True, **told)
        if not seen["num_points"]:
            raise ValueError(f"{name} has no observation with a finite time and magnitude.")
        scored = seen["hidden"] if seen["hidden"].any() else ~seen["hidden"]
        vector = self.embed(one, return_numpy=True)["embedding"]
        period, no_period = search_period(seen["mjd"], seen["mag"], seen.get("magerr"))
        nearest = self.gallery.nearest(vector, NEIGHBORS, own=name)
        return Look(
            name=name,
            mjd=seen["mjd"],
            mag=seen["mag"],
            magerr=seen.get("magerr"),
            hidden=seen["hidden"],
            reconstruction=seen["reconstruction"],
            num_dropped=seen["dropped_points"],
            rmse=float(np.sqrt(np.mean((seen["reconstruction"] - seen["mag"])[scored] ** 2))),
            period=period,
            no_period=no_period,
            classes=self.classes_of([light_curve])[0],
            neighbors=tuple(self.gallery.neighbor(*pair) for pair in nearest),
            position=tuple(self.gallery.projection.transform(vector[None])[0].tolist()),
            band=light_curve.get("band"),
            time_system=time_system,
            interval=(seen["lower_90"], seen["upper_90"]) if known else None,
        )

    def classify_all(self, light_curves: Mapping[str, LightCurve]) -> pd.DataFrame:
        """A row for each light curve: its class, and its period where there are at most `MAX_PERIODS` of them."""
        rows = []
        for name, one, classes in zip(
            light_curves, light_curves.values(), self.classes_of([*light_curves.values()]), strict=True
        ):
            row: dict[str, Any] = {"star": name, "observations": int(np.isfinite([one["mjd"], one["mag"]]).all(0).sum())}
            row |= {"class": classes.label, "probability": classes.probability, "parent": classes.parent}
            row |= {"uncertain": classes.is_uncertain, "likely": ", ".join(classes.likely), "remark": classes.remark}
            if len(light_curves) <= MAX_PERIODS:
                period, problem = search_period(one["mjd"], one["mag"], one.get("magerr"))
                found = {} if period is None else describe(period)
                row |= {"period_days": found.get("period"), "false_alarm_probability": found.get("false_alarm_probability")}
                row["remark"] = "; ".join(filter(None, (classes.remark, problem))) or None
            rows.append(row | {f"probability_{name}": value for name, value in classes.probabilities.items()})
        return pd.DataFrame(rows)


def _given(light_curve: LightCurve) -> LightCurve:
    """Without what is not known of it."""
    return {name: value for name, value in light_curve.items() if value is not None}


__all__ = ["Classes", "Demo", "Gallery", "Look", "Neighbor", "describe_period", "search_period"]
