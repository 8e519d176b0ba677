# Copyright 2026 The astromer_hf developers. MIT licence.
"""Stars of several surveys, each with its light curves in all bands, and a collator that draws views of them.

Before this file stand prepared datasets and `views.py`; after it `scripts/run_pretraining.py`, which trains
`AstromerForPreTraining` with transformers' Trainer, and `scripts/pack_light_curves.py`.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from scipy.stats import norm
from torch.utils.data import Dataset

from ..baselines.hand_crafted_features import feature_names
from ..model.feature_extraction_astromer import RaggedLightCurves
from ..model.times_astromer import check_time_precision
from .transplants import SurveyStars, measure_variations
from .views import MultiViewRecipe, PackedLightCurves, Variations

logger = logging.getLogger(__name__)

FEATURE_PREFIX = "feature_"
LARGEST_SCORE = 5e-4  # the smallest and largest ranks of a feature, so that an outlier stretches nothing


@dataclass(frozen=True)
class Stars:
    """S stars of several surveys.

    Args:
        curves ([`PackedLightCurves`]): their light curves; those of a star in several bands stand together.
        labels (`np.ndarray` of shape `(S,)`): class names, empty where unknown.
        survey_names (`tuple[str, ...]`): names of the surveys that `curves.surveys` counts.
        features (`np.ndarray` of shape `(S, F)`, float32, *optional*): hand-crafted features of each star's first light curve,
            as normal scores of their ranks over all stars; NaN where unknown.
        variations ([`Variations`], *optional*): of each star's first light curve, for views in other surveys.
    """

    curves: PackedLightCurves
    labels: np.ndarray
    survey_names: tuple[str, ...]
    features: np.ndarray | None = None
    variations: Variations | None = None

    def __len__(self) -> int:
        """Number of stars."""
        return len(self.labels)

    def sampling_weights(self, mixing_power: float) -> np.ndarray:
        """Weights `(S,)` by which a survey of N stars counts as N^`mixing_power`."""
        surveys = self.curves.surveys.numpy()
        return np.bincount(surveys)[surveys] ** (mixing_power - 1.0)

    def mix(self, mixing_power: float, seed: int) -> np.ndarray:
        """An epoch: as many star numbers as there are stars, drawn by `sampling_weights` without more chance than needed."""
        weights = self.sampling_weights(mixing_power)
        expected = len(self) * weights / weights.sum()
        drawn = np.random.default_rng(seed).random(len(self)) < expected % 1
        return np.repeat(np.arange(len(self)), expected.astype(int) + drawn)


def load_stars(
    folders: Sequence[str | Path],
    split: str,
    *,
    min_points: int = 20,
    max_stars: int | None = None,
    features: str | Path | None = None,
    with_variations: bool = False,
    seed: int = 0,
) -> Stars:
    """Read a split of prepared surveys, grouped by star.

    Surveys whose names begin alike up to the first underscore (`ogle_lmc_cepheids_I`, `ogle_lmc_cepheids_V`) are bands of one
    survey: the same id is the same star.

    Args:
        folders: that `scripts/prepare_dataset.py` wrote.
        split: `"train"`, `"validation"` or `"test"`.
        min_points: light curves with fewer observations are left out.
        max_stars: a random sample of so many of each survey; all by default.
        features: a folder with `SURVEY.parquet` that `scripts/extract_features.py` wrote.
        with_variations: measure the stars' variations too, from the periods among the features.
        seed: of the sample.

    Stars without features are counted in a warning.

    Raises:
        FileNotFoundError: a survey has no such split, or no file of features.
        ValueError: no star of a survey has features, so that the ids or bands of its table cannot be those of the survey.
    """
    if with_variations and features is None:
        raise ValueError("The variations of stars need their periods: name a folder of `features`.")
    frames = []
    for number, folder in enumerate(map(Path, folders)):
        shards = sorted(folder.glob(f"{split}-*.parquet"))
        if not shards:
            raise FileNotFoundError(f"There is no {folder}/{split}-*.parquet: scripts/prepare_dataset.py writes it.")
        names = ["object_id", "band", "label", "mjd", "mag", "magerr"]
        schema = pq.read_schema(shards[0])
        frame = pd.concat(
            [pq.read_table(shard, columns=[name for name in names if name in schema.names]).to_pandas() for shard in shards]
        )
        frame = frame.reindex(columns=names)
        frame = frame[frame["mjd"].map(len) >= min_points]
        ids = np.sort(frame["object_id"].unique())
        frame = frame[frame["object_id"].isin(np.random.default_rng(seed).permutation(ids)[:max_stars])]
        if features is not None:
            table = pd.read_parquet(Path(features) / f"{folder.name}.parquet").drop_duplicates(["object_id", "band"])
            frame = frame.merge(table, on=["object_id", "band"], how="left", indicator="has_features")
            missing = int((frame.pop("has_features") == "left_only").sum())
            if missing == len(frame):
                raise ValueError(
                    f"No light curve of {folder} has features in {features}: run scripts/extract_features.py for it again."
                )
            if missing:
                logger.warning("%d of %d light curves of %s have no features.", missing, len(frame), folder)
        frames.append(frame.assign(survey=number, star=folder.name.partition("_")[0] + " " + frame["object_id"].astype(str)))
    frame = pd.concat(frames, ignore_index=True).sort_values("star", kind="stable", ignore_index=True)
    lengths = frame["mjd"].map(len).to_numpy()
    errors = [np.full(n, np.nan) if error is None else error for error, n in zip(frame["magerr"], lengths, strict=True)]
    first = np.flatnonzero(~frame["star"].duplicated())
    times = np.concatenate(frame["mjd"].to_numpy())
    check_time_precision(times, times.dtype, "The column `mjd`")
    curves = PackedLightCurves.from_numpy(
        times,
        np.concatenate(frame["mag"].to_numpy()),
        np.concatenate(errors),
        np.concatenate(([0], np.cumsum(lengths))),
        np.append(first, len(frame)),
        frame["survey"].to_numpy()[first],
    )
    scores = variations = None
    if features is not None:
        columns = [name for name in frame if str(name).startswith(FEATURE_PREFIX)]
        values = frame[columns].iloc[first].replace([np.inf, -np.inf], np.nan)
        if with_variations:
            arrays = [array.numpy().astype(float) for array in (curves.times, curves.magnitudes, curves.errors)]
            own = RaggedLightCurves(arrays[0], arrays[1], arrays[2], curves.offsets.numpy()).select(first)
            names = [FEATURE_PREFIX + name for name in feature_names(with_brightness=False)]
            variations = measure_variations(SurveyStars(own, values[names].to_numpy()), show_progress=True)
        ranks = (values.rank() - 0.5) / values.count()
        scores = norm.ppf(ranks.clip(LARGEST_SCORE, 1 - LARGEST_SCORE)).astype(np.float32)
    labels = frame["label"].fillna("").to_numpy(str)[first]
    return Stars(curves, labels, tuple(Path(folder).name for folder in folders), scores, variations)


class StarDataset(Dataset[int]):
    """Numbers of stars as a map-style dataset; `DataCollatorForPreTraining` makes views of them.

    Args:
        numbers (`np.ndarray` of shape `(N,)`): of the stars of an epoch, see `Stars.mix`.
    """

    def __init__(self, numbers: np.ndarray):
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> int:
        return int(self.numbers[index])


@dataclass
class DataCollatorForPreTraining:
    """Draw the views of a batch of stars for `AstromerForPreTraining`.

    The generator of a batch is seeded by `seed` and by the stars in it, in their order: a batch comes out the same whatever the
    number of dataloader workers or processes and after a resumed run, and new in every epoch that is shuffled.

    Args:
        stars ([`Stars`]): what the numbers of a batch mean.
        recipe ([`MultiViewRecipe`]): which views.
        seed (`int`, defaults to 0): of the views.
    """

    stars: Stars
    recipe: MultiViewRecipe = field(default_factory=MultiViewRecipe)
    seed: int = 0

    def __call__(self, numbers: Sequence[int]) -> dict[str, Any]:
        """The forward arguments of `AstromerForPreTraining` for stars of these numbers."""
        chosen = torch.as_tensor(numbers)
        digest = hashlib.blake2b(chosen.numpy().tobytes(), digest_size=7, salt=str(self.seed).encode()[:16]).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        batch = self.recipe.draw(self.stars.curves, chosen, generator, self.stars.variations)
        if self.stars.features is not None:
            batch["target_features"] = torch.from_numpy(self.stars.features[chosen.numpy()])
        return batch
