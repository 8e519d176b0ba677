# Copyright 2026 The astromer_hf developers. MIT licence.
"""How the user says that light curves are read. Nothing heavy is imported here, so that a command line is parsed at once.

Nothing comes before this file; after it the command line, which fills these options, and `source.py`, which follows them.
"""

from collections.abc import Mapping
from typing import Any, Literal

MagnitudeKind = Literal["pogson", "asinh"]


class ReadingOptions(dict[str, str | None]):
    """How a source is read: role -> column, where guessing is not enough, and the rest as attributes.

    Args:
        columns (`Mapping[str, str | None]`): for the roles of `roles.GIVABLE`, and `path` of a catalogue; `"none"` for an
            optional role that the table does not have, whatever it looks like.
        survey (`str` or `False`, *optional*): name of a survey's record, `False` for none; recognised when absent.
        keep_flagged (`bool`): use points that the survey flags as bad.
        magnitudes (`str`): what becomes of fluxes, `"pogson"`, or `"asinh"`, which keeps those around zero.
        join_arcsec (`float`, *optional*): ids nearer to each other on the sky are one star.
        split, subset (`str`, *optional*): of a dataset of the Hub, or one in a folder or in memory.

    Attributes:
        sources (`list`): that were opened with these options, for the command line to tell their ledgers.
    """

    def __init__(
        self,
        columns: Mapping[str, str | None] | None = None,
        *,
        survey: str | bool | None = None,
        keep_flagged: bool = False,
        magnitudes: MagnitudeKind = "pogson",
        join_arcsec: float | None = None,
        split: str | None = None,
        subset: str | None = None,
    ):
        super().__init__(columns or {})
        self.survey, self.keep_flagged, self.magnitudes, self.join_arcsec = survey, keep_flagged, magnitudes, join_arcsec
        self.split, self.subset = split, subset
        self.sources: list[Any] = []

    def copy(self) -> "ReadingOptions":
        """The same options, with which nothing was opened yet."""
        return ReadingOptions(
            self,
            survey=self.survey,
            keep_flagged=self.keep_flagged,
            magnitudes=self.magnitudes,
            join_arcsec=self.join_arcsec,
            split=self.split,
            subset=self.subset,
        )

    @property
    def description(self) -> dict[str, Any]:
        """What of it is not the default, beside the columns."""
        values = {"survey": self.survey, "keep_flagged": self.keep_flagged or None, "join_arcsec": self.join_arcsec}
        values |= {"split": self.split, "subset": self.subset}
        values["magnitudes"] = self.magnitudes if self.magnitudes != "pogson" else None
        return {name: value for name, value in values.items() if value is not None}
