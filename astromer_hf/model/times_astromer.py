# Copyright 2026 The astromer_hf developers. MIT licence.
"""How precise times are: one rule for whatever reads them, arrays, tables, datasets and tensors.

The extractor, the readers of `light_curves/` and the collators refuse times by it; a model warns (`center_times`).
"""

from typing import Any

import numpy as np

MAX_STEP_DAYS = 1 / 1440
_FRACTION_BITS = {"float32": 23, "float": 23, "float16": 10, "halffloat": 10, "bfloat16": 7}  # "float" is Arrow's float32


def time_step_days(largest: float, dtype: Any, days_per_unit: float = 1.0) -> float:
    """The distance of neighbouring numbers of a type at `largest`, in days; 0 for types that are precise everywhere.

    Args:
        largest: a time.
        dtype: of numpy, torch, pandas or Arrow.
        days_per_unit: of the times.
    """
    name = str(getattr(dtype, "name", dtype)).removeprefix("torch.").lower()
    if name not in _FRACTION_BITS or not largest:
        return 0.0
    return float(2.0 ** (np.frexp(abs(largest))[1] - 1 - _FRACTION_BITS[name])) * days_per_unit


def check_time_precision(times: np.ndarray, dtype: Any, name: str, days_per_unit: float = 1.0) -> None:
    """Refuse times that came in a type whose step at their largest exceeds a minute.

    Args:
        times (`np.ndarray`, float64): what they were converted to.
        dtype: that they came in.
        name: for the message.
        days_per_unit: of the times.

    Raises:
        ValueError: names type, step and remedy.
    """
    largest = float(np.max(np.abs(times), where=np.isfinite(times), initial=0.0))
    if (step := time_step_days(largest, dtype, days_per_unit)) > MAX_STEP_DAYS:
        kind = getattr(dtype, "name", dtype)  # without the order of its bytes
        raise ValueError(
            f"{name} came as {kind}, in which one step at {largest:.6g} is {1440 * step:.2g} minutes: read it as float64 "
            '(datasets: `with_format(None)` or `with_format("numpy", dtype=np.float64)`). If the minutes are lost already and '
            "do not matter, convert it to float64 yourself."
        )


__all__ = ["check_time_precision", "time_step_days"]
