# Copyright 2026 The astromer_hf developers. MIT licence.
"""Splits by star: one star is in one split, however often it occurs.

Nothing comes before this file; after it `preparation.py` and `labelled.py`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.6, 0.2, 0.2)


def split_of(identity: str, seed: int = 0) -> str:
    """The split of one star, which depends on `seed` and its identity alone."""
    return str(assign_splits([identity], seed=seed)[0])


def assign_splits(
    identities: Sequence[str] | pd.Series,
    *,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    labels: Sequence[str | None] | pd.Series | None = None,
    max_test_per_class: int | None = None,
    assigned: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Split N light curves by the star that they are of: one star is in one split, however often it occurs.

    Every star draws a number from a hash of `seed` and its identity. Without `labels` the number alone decides: the split of a
    star depends neither on the order nor on the other stars, so that the same star falls into the same split in every survey.
    With `labels` the stars of a class are put in the order of their numbers and cut at `fractions`; splits are then as even
    as can be within each class, and depend on which stars there are. Give the splits of the surveys before as `assigned`.

    Args:
        identities: of the star of each light curve.
        fractions: of train, validation and test; they sum to 1.
        seed: of the hash.
        labels: the class of each light curve, to stratify; the unlabelled are a class of their own. A star with several labels
            counts as the first in alphabetical order.
        max_test_per_class: stars of a class in the test split at the most; the rest goes to the other two. Needs `labels`.
        assigned: identity -> split of the stars whose split stands already; they come on top of fractions and maximum.

    Returns:
        `np.ndarray` of `"train"`, `"validation"`, `"test"`, shape (N,).

    Raises:
        ValueError: the fractions are no fractions of one, or there are no labels to take a maximum per class of.
    """
    cuts = np.cumsum(fractions)
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or abs(cuts[-1] - 1) > 1e-9:
        raise ValueError(f"`fractions` must be three numbers of at least 0 that sum to 1, got {tuple(fractions)}.")
    if max_test_per_class is not None and labels is None:
        raise ValueError("`max_test_per_class` needs `labels`.")
    codes, stars = pd.factorize(np.asarray(identities, dtype=object))
    draws = _draws(stars, seed)
    splits = pd.Series(stars).map(assigned or {}).to_numpy(dtype=object)
    free = pd.isna(splits)
    if labels is None:
        splits[free] = np.array(SPLITS)[np.searchsorted(cuts[:-1], draws[free], side="right")]
    else:
        label_codes, classes = pd.factorize(np.asarray(labels, dtype=object), sort=True)
        label_of_star = np.full(len(stars), len(classes))  # the unlabelled come last
        np.minimum.at(label_of_star, codes, np.where(label_codes < 0, len(classes), label_codes))
        for label in np.unique(label_of_star[free]):
            members = np.flatnonzero(free & (label_of_star == label))
            num_test = len(members) - round(cuts[1] * len(members))
            if max_test_per_class is not None:
                num_test = min(num_test, max_test_per_class)
            num_train = round((len(members) - num_test) * (fractions[0] / cuts[1] if cuts[1] else 0.0))
            counts = (num_train, len(members) - num_test - num_train, num_test)
            splits[members[np.argsort(draws[members])]] = np.repeat(SPLITS, counts)
    return splits[codes].astype(str)


def _draws(identities: Iterable[str], seed: int) -> np.ndarray:
    """A number in [0, 1) for each identity. (crc32 would not do: it is linear, so that the draws of two seeds correlate.)"""
    digests = b"".join(hashlib.blake2b(f"{seed}:{identity}".encode(), digest_size=8).digest() for identity in identities)
    return (np.frombuffer(digests, ">u8") >> 11) * 2.0**-53
