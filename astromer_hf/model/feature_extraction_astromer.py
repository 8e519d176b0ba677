# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves to tensors: `AstromerFeatureExtractor` cuts, centres and pads windows for the model.

Input columns have catalogue names (`mjd`, `mag`, `magerr`), output tensors plural names (`times`, `magnitudes`,
`magnitude_errors`). There are three steps, none with a Python loop over observations. `RaggedLightCurves`, of
`ragged_astromer.py`, holds and cleans many curves as flat arrays, `cut_windows` selects the observations of each window, and
the extractor gathers and centres them.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from transformers import BatchFeature
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.utils import PaddingStrategy, TensorType, is_torch_tensor

from .padding_astromer import PER_OBSERVATION, entry_to_numpy, windows_by_entry
from .ragged_astromer import RaggedLightCurves
from .sharing_astromer import EXTRACTOR_MAP, copy_code

WindowKind = Literal["sequential", "random", "first", "last"]
WINDOW_KINDS: tuple[WindowKind, ...] = ("sequential", "random", "first", "last")


def cut_windows(
    lengths: np.ndarray, window_size: int, windows: WindowKind, generator: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select the observations of each window.

    Args:
        lengths (`np.ndarray` of shape `(N,)`): observations of each curve.
        window_size (`int`): observations in a full window; a shorter curve is one shorter window.
        windows (`str`): `"sequential"`: non-overlapping windows, the last one shifted back to end at the last
            observation; `"random"`: one window per object at a random position (paper, Sect. 5.3); `"first"`, `"last"`: one
            window at that end.
        generator (`np.random.Generator`, *optional*): draws the positions of random windows.

    Returns:
        `(object_index, start, length)`, each `(W,)` int64: the curve of every window, its first observation in that curve, and
        its number of observations. Curves without observations have no window; windows of a curve are in time order.
    """
    if windows not in WINDOW_KINDS:
        raise ValueError(f"`windows` must be one of {', '.join(WINDOW_KINDS)}, got {windows!r}.")
    if window_size < 1:
        raise ValueError(f"`window_size` must be at least 1, got {window_size}.")
    room = np.maximum(lengths - window_size, 0)  # the latest start of a full window
    if windows == "sequential":
        per_object = -(-lengths // window_size)
        object_index = np.repeat(np.arange(len(lengths)), per_object)
        nth = np.arange(len(object_index)) - np.repeat(np.cumsum(per_object) - per_object, per_object)
        start = np.minimum(nth * window_size, room[object_index])
    else:
        object_index = np.flatnonzero(lengths)
        if windows == "random":
            generator = np.random.default_rng() if generator is None else generator
            start = generator.integers(0, room[object_index] + 1)
        else:
            start = room[object_index] if windows == "last" else np.zeros_like(object_index)
    return object_index, start, np.minimum(lengths[object_index], window_size)


def mean_over_windows(values: np.ndarray, object_index: np.ndarray, length: np.ndarray, num_objects: int) -> np.ndarray:
    """Mean of `values` (W, D) over the windows of each object, weighted by their observations.

    Args:
        values: of every window, `(W, D)`.
        object_index: the object of every window, `(W,)`, rising.
        length: observations of every window, `(W,)`.
        num_objects: N.

    Returns:
        `(N, D)` float32; NaN for an object without a window.
    """
    means = np.full((num_objects, values.shape[1]), np.nan, dtype=np.float32)
    if len(length):
        present, first = np.unique(object_index, return_index=True)
        weights = length.astype(np.float64)
        totals = np.add.reduceat(values * weights[:, None], first, axis=0)
        means[present] = totals / np.add.reduceat(weights, first)[:, None]
    return means


class LightCurveWindows(BatchFeature):
    """Tensors for the model, and the attributes that lead back to the objects (`model(**windows)` works).

    Keys: `magnitudes`, `times` (float32), `attention_mask` (int64) and, if errors were given, `magnitude_errors`
    (float32; NaN where unknown), each of shape `(W, L)`.

    Attributes:
        object_index (`np.ndarray` of shape `(W,)`): the light curve of every window, in input order.
        window_start (`np.ndarray` of shape `(W,)`): the window's first observation in the cleaned curve.
        window_length (`np.ndarray` of shape `(W,)`): its number of observations.
        time_means, magnitude_means (`np.ndarray` of shape `(W,)`, float64): what was subtracted.
        num_points (`np.ndarray` of shape `(N,)`): usable observations of every light curve; 0 gives no window.
        dropped_points (`np.ndarray` of shape `(N,)`): observations dropped by `RaggedLightCurves.clean`.
    """

    object_index: np.ndarray
    window_start: np.ndarray
    window_length: np.ndarray
    time_means: np.ndarray
    magnitude_means: np.ndarray
    num_points: np.ndarray
    dropped_points: np.ndarray

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def per_object(self, values: Any) -> np.ndarray:
        """Mean of `values` (W, D) over the windows of each light curve, `(N, D)`, see `mean_over_windows`."""
        return mean_over_windows(np.asarray(values), self.object_index, self.window_length, len(self.num_points))

    def per_observation(self, values: Any) -> list[np.ndarray]:
        """Arrange `values` (W, L, ...) as one array per light curve, `(num_points, ...)`, with every observation once.

        Where two windows share an observation (the last window is shifted back), the later window's value is used.
        """
        values = np.asarray(values.detach().cpu().float() if hasattr(values, "detach") else values)
        offsets = np.concatenate(([0], np.cumsum(self.num_points)))
        valid = np.arange(values.shape[1]) < self.window_length[:, None]
        position = (offsets[self.object_index] + self.window_start)[:, None] + np.arange(values.shape[1])
        flat = np.full((offsets[-1], *values.shape[2:]), np.nan, dtype=values.dtype)
        flat[position[valid]] = values[valid]
        return np.split(flat, offsets[1:-1])


class AstromerFeatureExtractor(SequenceFeatureExtractor):
    r"""Turn light curves into centred, padded windows.

    Args:
        window_size (`int`, defaults to 200): observations in a full window.

        padding_value (`float`, defaults to 0): of magnitudes, times and errors; the model does not see it.

    The other arguments belong to the base class. Light curves have one feature, and no sampling rate, which has no effect.
    Windows are padded on the right; only `pad` knows another `padding_side`.

    Raises:
        ValueError: another number of features, or no attention mask, without which padding cannot be told from observations.
    """

    model_input_names = ["magnitudes", "times", "attention_mask"]  # noqa: RUF012 (read by transformers as it stands)

    def __init__(
        self,
        window_size: int = 200,
        feature_size: int = 1,
        sampling_rate: int = 1,
        padding_value: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        if window_size < 1:
            raise ValueError(f"`window_size` must be at least 1, got {window_size}.")
        if feature_size != 1:
            raise ValueError(f"Light curves have one feature, `feature_size` must be 1, got {feature_size}.")
        if not self.return_attention_mask:
            raise ValueError(
                "The model needs an attention mask to tell padding from observations: `return_attention_mask=True`."
            )
        self.window_size = window_size  # an attribute named `window` would not be saved

    def __call__(
        self,
        mjd: Any,
        mag: Any,
        magerr: Any = None,
        *,
        windows: WindowKind = "sequential",
        window_size: int | None = None,
        padding: Literal["longest", "max_length"] = "longest",
        return_tensors: Literal["np", "pt"] | None = None,
        generator: np.random.Generator | None = None,
    ) -> LightCurveWindows:
        """Clean, cut, centre and pad one light curve or several.

        Args:
            mjd: observation times in days (MJD, HJD, JD, any zero point): a 1-d array, or a list of them.
            mag: magnitudes, likewise.
            magerr: errors of the magnitudes, likewise, *optional*; the encoder sees them where its configuration says so.
            windows: which windows to cut, see `cut_windows`.
            window_size: observations in a full window instead of the extractor's own.
            padding: pad to the longest window here, or to `window_size`.
            return_tensors: `"pt"` for torch tensors, numpy arrays otherwise.
            generator: draws random windows.

        Returns:
            [`LightCurveWindows`]

        Raises:
            ValueError: unequal lengths, values that are not numbers, times that cannot be days, or a light curve without a
                usable observation.
        """
        curves, dropped = RaggedLightCurves.from_arrays(mjd, mag, magerr).clean()
        if len(empty := np.flatnonzero(curves.lengths == 0)):
            raise ValueError(
                f"{len(empty)} of {len(curves)} light curves have no finite observation, the first is number {empty[0]}. "
                "Leave them out, or use `embed_light_curves`, which reports them and embeds the rest."
            )
        features = self.extract(curves, windows, window_size=window_size, padding=padding, generator=generator)
        features.dropped_points = dropped
        return features.convert_to_tensors(return_tensors)

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """transformers' `save_pretrained`. Where `auto_map` points to code, the code files go along."""
        if getattr(self, "auto_map", None):
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            copy_code(save_directory)
            self.auto_map = dict(EXTRACTOR_MAP)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def extract(
        self,
        curves: RaggedLightCurves,
        windows: WindowKind = "sequential",
        *,
        window_size: int | None = None,
        padding: Literal["longest", "max_length"] = "longest",
        generator: np.random.Generator | None = None,
    ) -> LightCurveWindows:
        """Cut, centre and pad curves that are clean already; curves without observations have no window."""
        size = self.window_size if window_size is None else window_size
        cut = cut_windows(curves.lengths, size, windows, generator)
        features = self.gather(curves, *cut, padded_length=size if padding == "max_length" else None)
        features.num_points = curves.lengths
        features.dropped_points = np.zeros(len(curves), dtype=np.int64)
        return features

    def gather(
        self,
        curves: RaggedLightCurves,
        object_index: np.ndarray,
        start: np.ndarray,
        length: np.ndarray,
        padded_length: int | None = None,
    ) -> LightCurveWindows:
        """Gather the given windows (as `cut_windows` returns them) of clean curves into padded, centred arrays."""
        if self.padding_side != "right":
            raise ValueError(f"Windows are padded on the right, and `padding_side` is {self.padding_side!r}.")
        width = int(length.max(initial=1)) if padded_length is None else padded_length
        valid = np.arange(width) < length[:, None]
        # Beyond the end of a window these are observations of another curve, or the last one repeated; they are masked below.
        place = np.minimum((curves.offsets[object_index] + start)[:, None] + np.arange(width), len(curves.times) - 1)
        data, means = {}, {}
        for name, flat in (("magnitudes", curves.magnitudes), ("times", curves.times)):
            data[name], means[name] = center_window(np.take(flat, place), valid)
            if self.padding_value:
                data[name] = np.where(valid, data[name], np.float32(self.padding_value))
        data["attention_mask"] = valid.astype(np.int64)
        if curves.magnitude_errors is not None:
            errors = np.take(curves.magnitude_errors, place).astype(np.float32)
            data["magnitude_errors"] = np.where(valid, errors, np.float32(self.padding_value))
        features = LightCurveWindows(data)
        features.object_index, features.window_start, features.window_length = object_index, start, length
        features.magnitude_means, features.time_means = means["magnitudes"], means["times"]
        return features

    def restore_magnitudes(self, magnitudes: Any, windows: LightCurveWindows) -> np.ndarray:
        """Undo the centring: add each window's mean to `magnitudes` (W, L), a reconstruction say; float64."""
        magnitudes = magnitudes.detach().cpu().double() if hasattr(magnitudes, "detach") else magnitudes
        return np.asarray(magnitudes, dtype=np.float64) + windows.magnitude_means[:, None]

    def pad(
        self,
        processed_features: Any,
        padding: bool | str | PaddingStrategy = True,
        max_length: int | None = None,
        truncation: bool = False,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | TensorType | None = None,
    ) -> BatchFeature:
        """Batch windows of unequal length; what Trainer's default collator calls if the extractor is its `processing_class`.

        The arguments mean what they mean in the base class. What has one value per observation is padded: magnitudes, times and
        errors by `padding_value`, masks by 0. Other entries (class `labels`) stay as they are. float64 becomes float32.

        Args:
            processed_features: a list of windows, `[{"magnitudes": (L_i,), "times": (L_i,), ...}, ...]`, or a dictionary of
                lists of arrays, numbers or tensors, or of arrays `(W, L)`.
            padding: `True` or `"longest"`: to the longest window; `"max_length"`: to `max_length`; `False`: not at all.
            max_length: see `padding` and `truncation`. Without `truncation` longer windows stay longer.
            truncation: cut windows after `max_length` observations.
            pad_to_multiple_of: round the width up to a multiple of this number.
            return_attention_mask: return `attention_mask`, and make one where there is none; the default is True.
            return_tensors: `"np"` or `"pt"`; the type of the input by default.

        Raises:
            ValueError: there is no window, entries differ in length, or arguments contradict each other.
        """
        columns = windows_by_entry(processed_features)
        is_torch = any(is_torch_tensor(value) for values in columns.values() for value in values)
        arrays = {name: [entry_to_numpy(value) for value in values] for name, values in columns.items()}
        lengths = [len(window) for window in arrays["magnitudes"]]
        strategy = self._get_padding_strategies(padding=padding, max_length=max_length)
        for name, value in (("max_length", max_length), ("pad_to_multiple_of", pad_to_multiple_of)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        if truncation and max_length is None:
            raise ValueError("`truncation=True` needs `max_length`, the number of observations to keep.")
        if pad_to_multiple_of and strategy == PaddingStrategy.DO_NOT_PAD:
            raise ValueError("`pad_to_multiple_of` needs padding, and `padding` is off.")
        multiple = pad_to_multiple_of or 1
        limit = -(-max_length // multiple) * multiple if max_length is not None else max(lengths)
        longest = min(max(lengths), limit) if truncation else max(lengths)
        width = {PaddingStrategy.LONGEST: -(-longest // multiple) * multiple, PaddingStrategy.MAX_LENGTH: limit}.get(
            strategy, 0
        )

        batch: dict[str, list[np.ndarray]] = {}
        for name, values in arrays.items():
            if all(value.shape == (length,) for value, length in zip(values, lengths, strict=True)):
                values = [self._pad_window(value[:limit] if truncation else value, width) for value in values]
            elif name in PER_OBSERVATION:
                raise ValueError(f"`magnitudes` and `{name}` must have one value for each observation, and differ in shape.")
            batch[name] = [value.astype(np.float32) if value.dtype == np.float64 else value for value in values]
        if not (self.return_attention_mask if return_attention_mask is None else return_attention_mask):
            batch.pop("attention_mask", None)
        elif "attention_mask" not in batch:
            observed = [np.ones(min(length, limit) if truncation else length, dtype=np.int64) for length in lengths]
            batch["attention_mask"] = [self._pad_window(mask, width) for mask in observed]
        return_tensors = ("pt" if is_torch else "np") if return_tensors is None else return_tensors
        if TensorType(return_tensors) == TensorType.PYTORCH and len({len(window) for window in batch["magnitudes"]}) > 1:
            raise ValueError(
                f"Windows of {min(lengths)} to {max(lengths)} observations are no tensor: pad them, or pass `truncation=True` "
                f"where they are longer than `max_length` ({max_length})."
            )
        return BatchFeature(batch, tensor_type=return_tensors)

    def _pad_window(self, values: np.ndarray, width: int) -> np.ndarray:
        """Pad the values of a window to `width`, if it is shorter."""
        missing = max(width - len(values), 0)
        fill = self.padding_value if values.dtype.kind == "f" else 0
        return np.pad(values, (0, missing) if self.padding_side == "right" else (missing, 0), constant_values=fill)


def center_window(values: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subtract each window's mean over its observations in float64, in place; padding becomes 0.

    One float32 step at MJD 58000 is 5.6 minutes, so the mean is taken off first and the cast comes last. The first value is
    taken off before the mean, so that shifting the input by a constant changes the mean and nothing else.

    Args:
        values (`np.ndarray` of shape `(W, L)`, float64): finite everywhere, padding included; overwritten.
        valid (`np.ndarray` of shape `(W, L)`, bool): True for observations; the first of each window is one.

    Returns:
        `(centred, means)`: float32 `(W, L)` and float64 `(W,)`.
    """
    padded = not valid.all()
    origin = values[:, 0].copy()
    values -= origin[:, None]
    if padded:
        values *= valid
    mean = values.sum(1) / valid.sum(1)
    values -= mean[:, None]
    centred = values.astype(np.float32)
    if padded:
        centred *= valid
    return centred, origin + mean


__all__ = ["AstromerFeatureExtractor", "LightCurveWindows", "RaggedLightCurves", "cut_windows", "mean_over_windows"]
