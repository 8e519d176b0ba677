# Copyright 2026 The astromer_hf developers. MIT licence.
"""Consecutive light curves of a table, with what the table says about each.

Nothing comes before this file; after it the readers of `source.py`, which give such chunks, and everything that takes them.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ..model.feature_extraction_astromer import RaggedLightCurves


@dataclass(frozen=True)
class LightCurveChunk:
    """Consecutive light curves of a table.

    Args:
        object_ids (`pa.Array` of strings, N entries): in the order of the table.
        curves ([`RaggedLightCurves`]): as they stand in the table, not cleaned.
        annotations (`dict[str, pa.Array]`): `band`, `label` and `identity`, where the table has them.
    """

    object_ids: pa.Array
    curves: RaggedLightCurves
    annotations: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.object_ids)

    @property
    def num_light_curves(self) -> int:
        """As many as there are rows."""
        return len(self)

    def id_of(self, number: int) -> str | None:
        """The object of a light curve."""
        return self.object_ids[number].as_py()

    @classmethod
    def concatenate(cls, parts: Sequence["LightCurveChunk"]) -> "LightCurveChunk":
        """The light curves of all `parts`, one after the other, with the annotations that all have."""
        annotations = {
            role: pa.concat_arrays([part.annotations[role] for part in parts])
            for role in parts[0].annotations
            if all(role in part.annotations for part in parts)
        }
        object_ids = pa.concat_arrays([part.object_ids for part in parts])
        return cls(object_ids, RaggedLightCurves.concatenate([part.curves for part in parts]), annotations)

    def select(self, numbers: np.ndarray) -> "LightCurveChunk":
        """Those of these numbers, in their order."""
        annotations = {role: values.take(pa.array(numbers)) for role, values in self.annotations.items()}
        return LightCurveChunk(self.object_ids.take(pa.array(numbers)), self.curves.select(numbers), annotations)

    def with_annotations(self, wanted: Sequence[str]) -> "LightCurveChunk":
        """The same with exactly these annotations; nulls for those that it lacks."""
        if list(self.annotations) == list(wanted):
            return self
        annotations = {role: self.annotations.get(role, pa.nulls(len(self), pa.string())) for role in wanted}
        return replace(self, annotations=annotations)

    def light_curves(self) -> list[dict[str, Any]]:
        """One by one, as `{"mjd", "mag", "magerr", "object_id"}`; `magerr` is None where there is none.

        Where the table has bands, `band` too.
        """
        curves = self.curves
        arrays = {"mjd": curves.times, "mag": curves.magnitudes, "magerr": curves.magnitude_errors}
        names = {"object_id": self.object_ids.to_pylist()}
        if "band" in self.annotations:
            names["band"] = self.annotations["band"].to_pylist()
        return [
            {name: None if array is None else array[start:stop] for name, array in arrays.items()}
            | {name: values[i] for name, values in names.items()}
            for i, (start, stop) in enumerate(itertools.pairwise(curves.offsets))
        ]
