# Copyright 2026 The astromer_hf developers. MIT licence.
"""The account of every point of a table: read, used, or dropped for a reason.

Nothing comes before this file. `measurements.py` fills a ledger while it reads, every verb of the command line prints it, and
tables of results keep it in their metadata.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

NO_TIME = "without a time"
NO_VALUE = "without a magnitude"
NO_FLUX = "without a flux"
NO_ZERO_POINT = "without a zero point"
PADDING = "padding"
MARKER = "marked as missing"
TOO_LARGE = "beyond 90 mag"
LIMIT = "upper limit"
BEYOND_LIMIT = "fainter than the limit"
NOT_POSITIVE = "not positive flux"
FLAGGED = "flagged"
# A point has one reason: the first of these that holds. Number 0 is a point that is used.
REASONS = (
    "used",
    PADDING,
    NO_TIME,
    LIMIT,
    NO_VALUE,
    NO_FLUX,
    NO_ZERO_POINT,
    MARKER,
    TOO_LARGE,
    NOT_POSITIVE,
    BEYOND_LIMIT,
    FLAGGED,
)
UNREADABLE = "of light curves that cannot be read"
MAX_BANDS_SHOWN = 12


@dataclass
class Ledger:
    """What was read of one source.

    Args:
        name (`str`): of the file or table.
        read_as (`str`): the survey that was recognised, or the format.
        points_read, points_used (`int`): their difference is what was dropped.
        dropped (`Counter[str]`): points by reason, see `REASONS`.
        kept_flagged (`int`): flagged points that are used because the user asked for them.
        far_points (`int`): used points more than 10 mag from the median of their light curve.
        repeated_points (`int`): used points of the same time and magnitude as another one of their light curve.
        without_band (`int`): points whose band is not told, in a table that tells those of others.
        num_light_curves, num_stars (`int`): read so far.
        bands (`set[str]`): found so far.
        unreadable (`dict[str, str]`): object -> why its light curve could not be read; its row has no usable point.
        notes (`list[str]`): what else the user should know.
    """

    name: str = ""
    read_as: str = ""
    points_read: int = 0
    points_used: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    kept_flagged: int = 0
    far_points: int = 0
    repeated_points: int = 0
    without_band: int = 0
    num_light_curves: int = 0
    num_stars: int = 0
    bands: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    last_star: str | None = field(default=None, repr=False)

    def count(self, reasons: dict[str, int]) -> None:
        """Add points by reason; `"used"` are those that are used."""
        self.points_read += sum(reasons.values())
        self.points_used += reasons.get(REASONS[0], 0)
        self.dropped.update({reason: number for reason, number in reasons.items() if number and reason != REASONS[0]})

    def refuse(self, object_id: str | None, reason: str, points: int = 0) -> None:
        """Note an object that cannot be read, and of how many points that were counted as used."""
        self.unreadable[str(object_id)] = reason
        self.points_used -= points
        self.dropped.update({UNREADABLE: points} if points else {})

    def count_stars(self, object_ids: Iterable[str | None], bands: Iterable[str | None] = ()) -> None:
        """Add the light curves of a chunk. A star that goes on from the last chunk counts once."""
        ids = list(object_ids)
        self.num_light_curves += len(ids)
        self.num_stars += len(set(ids)) - int(bool(ids) and self.last_star is not None and self.last_star in ids[:1])
        self.last_star = ids[-1] if ids else self.last_star
        self.bands.update(band for band in bands if band)

    def tell_empty(self, files: Sequence[str]) -> None:
        """Note files without a point."""
        if files:
            shown = ", ".join(files[:5]) + (", ..." if len(files) > 5 else "")
            self.notes.append(f"{len(files)} file{'s hold' if len(files) > 1 else ' holds'} no point: {shown}")

    def add(self, other: "Ledger") -> None:
        """Take in the account of another part of the same source."""
        self.points_read += other.points_read
        self.points_used += other.points_used
        self.dropped.update(other.dropped)
        self.kept_flagged += other.kept_flagged
        self.far_points += other.far_points
        self.repeated_points += other.repeated_points
        self.without_band += other.without_band
        self.num_light_curves += other.num_light_curves
        self.num_stars += other.num_stars
        self.bands |= other.bands
        self.unreadable |= other.unreadable

    @property
    def line(self) -> str:
        """The account in one line."""
        bands = sorted(self.bands)
        shown = ", ".join(bands[:MAX_BANDS_SHOWN]) + (", ..." if len(bands) > MAX_BANDS_SHOWN else "")
        parts = [
            f"read as {self.read_as}",
            f"{self.num_stars} star{'s' if self.num_stars != 1 else ''}",
            *([f"band{'s' if len(bands) > 1 else ''} {shown}"] if bands else []),
            f"{self.points_used} of {self.points_read} points used",
        ]
        if self.dropped:
            parts.append("dropped: " + ", ".join(f"{number} {reason}" for reason, number in self.dropped.most_common()))
        if self.kept_flagged:
            parts.append(f"{self.kept_flagged} flagged points are kept")
        if self.far_points:
            parts.append(f"{self.far_points} used points are more than 10 mag from the median of their star")
        if self.repeated_points:
            parts.append(f"{self.repeated_points} used points repeat the time and magnitude of another one of their star")
        if self.unreadable:
            parts.append(self.unreadable_line)
        if self.without_band:
            parts.append(f"{self.without_band} points have no band, and are light curves of their own")
        return f"{self.name}: " + "; ".join([*parts, *self.notes])

    @property
    def unreadable_line(self) -> str:
        """The objects that could not be read, the first of them with its reason."""
        shown = ", ".join([*self.unreadable][:10]) + (", ..." if len(self.unreadable) > 10 else "")
        light_curves = "1 light curve" if len(self.unreadable) == 1 else f"{len(self.unreadable)} light curves"
        first = next(iter(self.unreadable.values()), "").rstrip(".")
        return f"{light_curves} could not be read: {shown} ({first})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "read_as": self.read_as,
            "stars": self.num_stars,
            "light_curves": self.num_light_curves,
            "bands": sorted(self.bands),
            "points_read": self.points_read,
            "points_used": self.points_used,
            "dropped": dict(self.dropped),
            "kept_flagged": self.kept_flagged,
            "far_points": self.far_points,
            "repeated_points": self.repeated_points,
            "unreadable": dict(self.unreadable),
            "without_band": self.without_band,
            "notes": list(self.notes),
        }
