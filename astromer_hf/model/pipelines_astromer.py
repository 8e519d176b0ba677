# Copyright 2026 The astromer_hf developers. MIT licence.
"""Transformers pipelines: light curves in, embeddings, reconstructions or classes out, one result per light curve.

`pipeline("light-curve-embedding", model=...)`, and likewise `"light-curve-reconstruction"` and `"light-curve-classification"`.
Where the package is installed, each has a default model: the package's own.
The file is uploaded to the Hub with the extractor and the model. For tables on disk, which are streamed, see
`inference/embedding.py` and `inference/classification.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from transformers import AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_astromer import RECONSTRUCTION_COVERAGES
from .feature_extraction_astromer import AstromerFeatureExtractor, LightCurveWindows, RaggedLightCurves
from .folding_astromer import visible_center_and_scale
from .heads_astromer import activate, mean_over_observed, problem_type_of
from .inference_astromer import find_remarks, in_evaluation_mode, unwrap
from .intervals_astromer import NUM_FOLDS, deal_folds, residual_scales

BATCH_SIZE = 32
_Pipeline: Any = Pipeline  # whose methods are typed for text and images


@dataclass(frozen=True)
class PreparedLightCurves:
    """Light curves that a pipeline has read and cut.

    Args:
        object_ids, bands (`list[str | None]`): of each light curve, None where it has none.
        curves ([`RaggedLightCurves`]): clean.
        windows ([`LightCurveWindows`]): of the curves, as torch tensors.
    """

    object_ids: list[str | None]
    bands: list[str | None]
    curves: RaggedLightCurves
    windows: LightCurveWindows


class LightCurvePipeline(_Pipeline):
    """What the pipelines share: they read light curves, cut them, and run the model over batches of their windows.

    Call one with

    - a light curve: `{"mjd": days, "mag": magnitudes}`, optionally with `"magerr"` and `"object_id"`. Where the package is
      installed, also anything that `astromer_hf.read_light_curve` reads: an astropy `TimeSeries`, a lightkurve object, a table
      of one light curve;
    - a list of light curves, for which it returns a list; a generator or a `torch` dataset, for which it returns a generator;
    - where the package is installed, also a file: its path, for which it returns a list. Likewise a folder, an archive, or a
      dataset of the Hub, `"hf://datasets/ORG/NAME"`, with `split`; a table of many light curves (pandas, polars, pyarrow,
      astropy); or an object of `datasets`, for which it returns a generator. They are read by `LightCurveSource`, so that
      the light curves are those of every other function. `columns` names the columns that cannot be guessed;
    - a list or generator of paths and tables, whose light curves follow each other.

    It reads `batch_size` light curves at a time, and a forward pass has the same number of windows. The result of a light curve
    without a usable observation is None. `return_numpy=True` returns arrays instead of lists. What is NaN in arrays is None
    in lists, so that they can be written as JSON.
    """

    feature_extractor: AstromerFeatureExtractor
    _load_tokenizer = False
    _load_processor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = None  # one of the model's window size where the checkpoint has none

    def __init__(self, model: Any, *args: Any, **kwargs: Any):
        model = unwrap(model)
        if not isinstance(model, nn.Module):
            raise ValueError(
                f"A pipeline needs a torch model, got {type(model).__name__}: `embed_light_curves` and `embed_table` take it."
            )
        super().__init__(model, *args, **kwargs)
        config = self.model.config
        if self.model.head_is_new:
            raise ValueError(
                f"{config.name_or_path} has no weights of the head of {type(self.model).__name__}, which {self.task!r} needs: "
                f"name a checkpoint with such a head; this one is of {' or '.join(config.architectures or ['an encoder'])}."
            )
        self.feature_extractor = self.feature_extractor or AstromerFeatureExtractor(window_size=config.window_size)

    def __call__(
        self,
        inputs: Any,
        *,
        batch_size: int | None = None,
        columns: Mapping[str, str | None] | None = None,
        split: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """See the class."""
        batch_size = batch_size or self._batch_size or BATCH_SIZE
        inputs = row_of_table(inputs)
        if type(inputs).__module__.startswith("datasets."):
            inputs = stream_objects(inputs, columns, split)
        elif (objects := read_objects(inputs, columns, split)) is not None:
            inputs = objects
        elif split is not None and not isinstance(inputs, (list, tuple, Iterator)):
            raise ValueError(f"A split is one of a dataset, and this is a {type(inputs).__name__}: leave the split out.")
        elif isinstance(inputs, (list, tuple)):
            inputs = [one for source in inputs for one in _each(source, columns, split)]
        elif isinstance(inputs, Iterator):
            inputs = (one for source in inputs for one in _each(source, columns, split))
        if isinstance(inputs, list) and not inputs:
            return []
        if columns is not None:
            kwargs["columns"] = columns
        return super().__call__(inputs, batch_size=batch_size, **kwargs)

    def run_single(self, inputs: Any, *parameters: dict[str, Any]) -> Any:
        """The result of one light curve."""
        return next(self.get_iterator([inputs], 0, self._batch_size or BATCH_SIZE, *parameters))

    def get_iterator(
        self,
        inputs: Iterable[Any],
        num_workers: int,
        batch_size: int,
        preprocess_params: dict[str, Any],
        forward_params: dict[str, Any],
        postprocess_params: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:
        """Results in order. Reading and cutting take far less time than the model, so there are no worker processes."""
        source = iter(inputs)
        while light_curves := list(islice(source, batch_size)):
            prepared = self.preprocess(light_curves, **preprocess_params)
            outputs = self.forward(prepared, **{"batch_size": batch_size} | forward_params)
            yield from self.postprocess((prepared, outputs), **postprocess_params)

    def _sanitize_parameters(
        self, return_numpy: bool | None = None, columns: Mapping[str, str | None] | None = None, **unknown: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if unknown:
            raise TypeError(f"The pipeline {self.task!r} has no option {', '.join(map(repr, unknown))}.")
        preprocess = {} if columns is None else {"columns": columns}
        return preprocess, {}, {} if return_numpy is None else {"return_numpy": return_numpy}

    def preprocess(self, light_curves: list[Any], columns: Mapping[str, str | None] | None = None) -> PreparedLightCurves:
        """Read light curves of any kind, clean them and cut them into windows."""
        read = []
        for number, source in enumerate(light_curves):
            try:
                read.append(read_one(source, columns))
            except (RuntimeError, AttributeError, KeyError, IndexError, OverflowError) as error:  # of whatever it is
                reason = " ".join(str(error).split()).rstrip(".")
                raise ValueError(f"Light curve {number}, a {type(source).__name__}, cannot be read: {reason}.") from error
        parts = []
        for number, one in enumerate(read):
            try:
                parts.append(RaggedLightCurves.from_arrays(one["mjd"], one["mag"], one.get("magerr")))
            except ValueError as error:
                raise ValueError(f"Light curve {one.get('object_id') or number} cannot be read: {error}") from error
        if wrong := [number for number, part in enumerate(parts) if len(part) != 1]:
            raise ValueError(f"Light curve {wrong[0]} holds {len(parts[wrong[0]])} light curves: pass a list of them instead.")
        curves, dropped = RaggedLightCurves.concatenate(parts).clean()
        # In upstream's masking padding takes part in attention, so the amount of padding matters.
        padding: Literal["longest", "max_length"] = (
            "max_length" if self.model.config.masking_scheme == "additive_padding" else "longest"
        )
        windows = self.feature_extractor.extract(curves, padding=padding)
        windows.dropped_points = dropped
        object_ids, bands = ([one.get(name) for one in read] for name in ("object_id", "band"))
        return PreparedLightCurves(object_ids, bands, curves, windows.convert_to_tensors("pt"))

    def inputs_of(self, windows: LightCurveWindows) -> dict[str, torch.Tensor]:
        """The model's inputs for windows; photometric errors only where its configuration uses them."""
        names = [*windows.keys()] if self.model.config.use_magnitude_errors else ["magnitudes", "times", "attention_mask"]
        return {name: windows[name] for name in names}

    def run(
        self, model: Any, name: str, inputs: Mapping[str, torch.Tensor], batch_size: int, read: Callable[..., Any] | None = None
    ) -> torch.Tensor:
        """The output `name` of a model for all windows, or what `read` makes of the model and a batch, float32 on the CPU."""
        model = in_evaluation_mode(model)  # at every run, since it may have been trained since the last
        outputs = []
        for low in range(0, len(inputs["times"]), batch_size):
            batch = {key: values[low : low + batch_size].to(model.device) for key, values in inputs.items()}
            outputs.append((model(**batch)[name] if read is None else read(model, batch)).float().cpu())
        values = torch.cat(outputs) if outputs else torch.empty(0, 1)
        if not values.isfinite().all():
            raise ValueError(f"The model's {name} is not finite: its weights are damaged or too large for {model.dtype}.")
        return values

    def postprocess(self, outputs: Any, return_numpy: bool = False) -> list[dict[str, Any]]:
        """One dictionary per light curve: its id and counts, and the model's result."""
        prepared, values = outputs
        windows = prepared.windows
        num_windows = np.bincount(windows.object_index, minlength=len(windows.num_points))
        results = []
        for i, result in enumerate(self.describe(prepared, values)):
            named = {"object_id": prepared.object_ids[i], "band": prepared.bands[i]}
            named = {name: value for name, value in named.items() if value is not None}
            counts = {"num_points": windows.num_points[i], "dropped_points": windows.dropped_points[i]}
            counts = {name: int(count) for name, count in (counts | {"num_windows": num_windows[i]}).items()}
            results.append(named | (result if return_numpy else as_plain(result)) | counts)
        return results

    def describe(self, prepared: PreparedLightCurves, values: Any) -> Iterator[dict[str, Any]]:
        """The model's result for each light curve."""
        raise NotImplementedError


class LightCurveEmbeddingPipeline(LightCurvePipeline):
    """`embedding` (D values) of each light curve, as `embed_light_curves` gives it; see `LightCurvePipeline` for the input."""

    def _forward(self, prepared: PreparedLightCurves, batch_size: int = BATCH_SIZE) -> torch.Tensor:
        return self.run(self.model.base_model, "pooler_output", self.inputs_of(prepared.windows), batch_size)

    def describe(self, prepared: PreparedLightCurves, values: Any) -> Iterator[dict[str, Any]]:
        """The mean over windows."""
        for count, embedding in zip(prepared.windows.num_points, prepared.windows.per_object(values), strict=True):
            yield {"embedding": embedding if count else None}


class LightCurveClassificationPipeline(LightCurvePipeline):
    """The class of each light curve, as `classify_light_curves` gives it; see `LightCurvePipeline` for the input.

    The result has `label`, its `score`, and the `probabilities` of all classes. A multi-label classifier gives only
    `probabilities`, a regression `values`, each by name. A classifier whose configuration has the numbers for them adds
    `is_uncertain`, `is_unlike_training` with the `novelty` that it is judged by, and `remark` where a light curve has too few
    observations or is constant and so gets no class.
    """

    def _forward(self, prepared: PreparedLightCurves, batch_size: int = BATCH_SIZE) -> torch.Tensor:
        """Probabilities, and in a last column the novelty if the classifier has a threshold for it."""
        has_novelty = self.model.config.unlike_above is not None
        read = _logits_and_novelty if has_novelty else None
        logits = self.run(self.model, "logits", self.inputs_of(prepared.windows), batch_size, read)
        if not has_novelty:
            return activate(logits, self.model.config)
        return torch.cat((activate(logits[:, :-1], self.model.config), logits[:, -1:]), dim=1)

    def describe(self, prepared: PreparedLightCurves, values: Any) -> Iterator[dict[str, Any]]:
        """The mean over windows, by name."""
        config = self.model.config
        names = [name for _, name in sorted(config.id2label.items())]
        problem = problem_type_of(config)
        remarks = find_remarks(prepared.curves, config)
        for number, row in enumerate(prepared.windows.per_object(values)):
            remark = None if remarks is None else remarks[number]
            count = 0 if remark else prepared.windows.num_points[number]
            by_name = dict(zip(names, row.tolist()[: len(names)], strict=True)) if count else None
            if problem == "regression":
                yield {"values": by_name}
            elif problem == "multi_label_classification":
                yield {"probabilities": by_name}
            else:
                label = max(by_name, key=by_name.__getitem__) if by_name else None
                result = {"label": label, "score": by_name and by_name[label], "probabilities": by_name}
                if config.uncertain_below is not None:
                    result["is_uncertain"] = by_name and by_name[label] < config.uncertain_below
                if config.unlike_above is not None:
                    novelty = row.tolist()[-1] if count else None
                    result |= {
                        "is_unlike_training": None if novelty is None else novelty > config.unlike_above,
                        "novelty": novelty,
                    }
                yield result | ({} if remarks is None else {"remark": remark})


def _logits_and_novelty(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logits (B, C) of windows and, as a last column, how unlike the training set they are."""
    last = model.config.num_hidden_layers
    outputs = model(**batch, output_hidden_states=[last])
    pooled = mean_over_observed(outputs.hidden_states[last], batch["attention_mask"].bool())
    return torch.cat((outputs.logits.float(), model.novelty(pooled)[:, None]), dim=1)


class LightCurveReconstructionPipeline(LightCurvePipeline):
    """The reconstructed magnitudes of each light curve, part of which is hidden from the model.

    The result has `mjd`, `mag`, `magerr` where given, `hidden` (True where the model did not see the magnitude) and
    `reconstruction` (magnitudes), each with one value per usable observation, sorted by time. See `LightCurvePipeline` for the
    input.

    `hidden_fraction` (0.5 by default, 0 hides nothing) of the observations of every light curve is hidden, drawn by `seed`. The
    draw depends only on the number of observations. A hidden magnitude never enters the model, whatever its masking scheme.

    `intervals=True` adds `lower_68`, `upper_68`, `lower_90` and `upper_90`: magnitudes between which 68 % and 90 % of the
    hidden ones lie, see `intervals_astromer.py`. They are NaN (None in lists) where nothing was hidden, and where fewer than 8
    observations are visible. Where the noise differs within a star, they are too wide for its precise observations and too
    narrow for its noisy ones. It takes four more passes. A model whose configuration has no `reconstruction_quantiles` raises
    `ValueError`.
    """

    def _sanitize_parameters(  # type: ignore[override]
        self, hidden_fraction: float | None = None, seed: int | None = None, intervals: bool | None = None, **others: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if hidden_fraction is not None and not 0 <= hidden_fraction < 1:
            raise ValueError(f"`hidden_fraction` must lie in [0, 1), got {hidden_fraction}.")
        if intervals and self.model.config.reconstruction_quantiles is None:
            name = self.model.config.name_or_path or "This model"
            raise ValueError(
                f"{name} has no intervals: no `reconstruction_quantiles` were fitted to its weights, or it was trained since. "
                "Fit them with scripts/calibrate_reconstruction.py, or leave `intervals` out."
            )
        preprocess, forward, postprocess = super()._sanitize_parameters(**others)
        given = {"hidden_fraction": hidden_fraction, "seed": seed, "intervals": intervals}
        return preprocess, forward | {name: value for name, value in given.items() if value is not None}, postprocess

    def _forward(
        self,
        prepared: PreparedLightCurves,
        batch_size: int = BATCH_SIZE,
        hidden_fraction: float = 0.5,
        seed: int = 0,
        intervals: bool = False,
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray] | None]:
        hidden = [hide(int(count), hidden_fraction, seed) for count in prepared.curves.lengths]
        reconstructions = self.reconstruct(prepared, hidden, batch_size)
        if not intervals:
            return reconstructions, hidden, None
        return reconstructions, hidden, self.scales(prepared, hidden, reconstructions, seed, batch_size)

    def reconstruct(
        self, prepared: PreparedLightCurves, hidden: list[np.ndarray], batch_size: int = BATCH_SIZE
    ) -> list[np.ndarray]:
        """The reconstructed magnitudes of each light curve, where these of its observations are hidden.

        Where two windows share an observation, the later window's value is used.
        """
        windows, curves = prepared.windows, prepared.curves
        inputs = self.inputs_of(windows)
        observed = inputs["attention_mask"].bool()
        place = torch.from_numpy(curves.offsets[windows.object_index] + windows.window_start)
        place = (place[:, None] + torch.arange(observed.shape[1])).clamp(max=max(len(curves.times) - 1, 0))
        masked = torch.from_numpy(np.concatenate([*hidden, np.zeros(1, bool)]))[place] & observed
        # Centred on the visible magnitudes, and set to their mean elsewhere: a hidden magnitude enters under no masking scheme.
        center, _ = visible_center_and_scale(inputs["magnitudes"], observed & ~masked)
        inputs["magnitudes"] = torch.where(observed & ~masked, inputs["magnitudes"] - center, 0.0)
        centred = self.run(self.model, "reconstruction", inputs | {"masked_positions": masked}, batch_size)
        magnitudes = self.feature_extractor.restore_magnitudes(centred + center if len(center) else centred, windows)
        return list(windows.per_observation(torch.from_numpy(magnitudes)))

    def scales(
        self,
        prepared: PreparedLightCurves,
        hidden: list[np.ndarray],
        reconstructions: list[np.ndarray],
        seed: int = 0,
        batch_size: int = BATCH_SIZE,
    ) -> list[np.ndarray]:
        """The scale of the residual of every hidden observation of each light curve, NaN for the visible ones."""
        curves = prepared.curves
        folds = [deal_folds(mask, seed) for mask in hidden]
        without = [np.full(len(mask), np.nan) for mask in hidden]  # reconstructions of visible observations, hidden in turn
        for fold in range(NUM_FOLDS):
            turn = [own == fold for own in folds]
            masks = [mask | now for mask, now in zip(hidden, turn, strict=True)]
            for values, now, found in zip(without, turn, self.reconstruct(prepared, masks, batch_size), strict=True):
                values[now] = found[now]
        scales = []
        for i, (mask, around, found) in enumerate(zip(hidden, without, reconstructions, strict=True)):
            residuals = curves.magnitudes[curves.offsets[i] : curves.offsets[i + 1]] - around
            scale = np.full(len(mask), np.nan)
            scale[mask] = residual_scales(residuals[~mask], around[~mask], found[mask])
            scales.append(scale)
        return scales

    def describe(self, prepared: PreparedLightCurves, values: Any) -> Iterator[dict[str, Any]]:
        """One value per observation."""
        curves = prepared.curves
        columns = {"mjd": curves.times, "mag": curves.magnitudes}
        if curves.magnitude_errors is not None:
            columns["magerr"] = curves.magnitude_errors
        for i, (reconstruction, hidden) in enumerate(zip(*values[:2], strict=True)):
            own = slice(curves.offsets[i], curves.offsets[i + 1])
            result = {name: column[own] for name, column in columns.items()}
            result |= {"hidden": hidden, "reconstruction": reconstruction}
            if values[2] is not None:
                for coverage, quantile in zip(
                    RECONSTRUCTION_COVERAGES, self.model.config.reconstruction_quantiles, strict=True
                ):
                    half = quantile * values[2][i]
                    ends = {f"lower_{coverage:.0%}": reconstruction - half, f"upper_{coverage:.0%}": reconstruction + half}
                    result |= {name.removesuffix("%"): end for name, end in ends.items()}
            yield result


def hide(num_points: int, fraction: float, seed: int) -> np.ndarray:
    """Which observations are hidden, `(num_points,)` bool: ⌊fraction · num_points⌋ of them, at random."""
    hidden = np.zeros(num_points, dtype=bool)
    hidden[: int(fraction * num_points + 1e-6)] = True  # 0.29 * 100 is 28.999999999999996
    return np.random.default_rng(seed).permutation(hidden)


def as_plain(result: Mapping[str, Any]) -> dict[str, Any]:
    """Convert arrays to lists of Python numbers, with None for NaN, which JSON does not have."""
    plain = dict(result)
    for name, value in result.items():
        if isinstance(value, np.ndarray):
            plain[name] = value.tolist()
            if value.dtype.kind == "f" and (missing := np.isnan(value)).any():
                plain[name] = np.where(missing, np.array(None), value).tolist()
    return plain


# --- Reading ---


def row_of_table(source: Any) -> Any:
    """The row of a table as pandas gives it, a Series with names or a named tuple, as a dictionary; anything else as it is."""
    if hasattr(source, "_asdict"):
        return source._asdict()
    names = getattr(source, "index", None)
    if type(source).__name__ == "Series" and names is not None and not callable(names):
        return {name: source[name] for name in names} if any(isinstance(name, str) for name in names) else source
    return source


def read_one(source: Any, columns: Mapping[str, str | None] | None = None) -> Mapping[str, Any]:
    """A light curve of any kind as `{"mjd", "mag"}`, with `magerr` and `object_id` where it has them.

    Raises:
        TypeError, ValueError: it is not a light curve.
    """
    source = row_of_table(source)
    # A band for every measurement: there may be several.
    has_bands = isinstance(source, Mapping) and not isinstance(source.get("band"), str | None)
    if isinstance(source, Mapping) and {"mjd", "mag"} <= source.keys() and not has_bands:
        return source
    try:
        from astromer_hf.light_curves.in_memory import read_light_curve
    except ImportError as error:
        raise TypeError(
            f'A light curve must be a dictionary with "mjd" and "mag", got {type(source).__name__}. With the package '
            "astromer-hf installed it may be an astropy TimeSeries, a lightkurve object or a table."
        ) from error
    mjd, mag, magerr = read_light_curve(source, columns)
    object_id = source.get((columns or {}).get("object_id") or "object_id") if isinstance(source, Mapping) else None
    return {"mjd": mjd, "mag": mag, "magerr": magerr, "object_id": object_id}


def read_objects(
    source: Any, columns: Mapping[str, str | None] | None = None, split: str | None = None
) -> list[dict[str, Any]] | None:
    """The light curves of a file or of a table in memory that has a column of object ids; None for anything else.

    Raises:
        TypeError: the package is not installed.
        ValueError, FileNotFoundError: it cannot be read.
    """
    is_path = isinstance(source, (str, Path))
    if type(source).__name__ in ("Series", "ChunkedArray"):
        return None  # a column, and no table
    if not is_path and not any(hasattr(source, name) for name in ("__arrow_c_stream__", "colnames")):
        return None  # else pandas, polars, pyarrow; astropy
    try:
        from astromer_hf.light_curves.in_memory import read_chunk
    except ImportError as error:
        what = "files" if is_path else "tables"
        raise TypeError(f"Reading {what} needs the package astromer-hf, which is not installed: pass dictionaries.") from error
    chunk = read_chunk(source, columns, split)
    return None if chunk is None else chunk.light_curves()


def stream_objects(
    source: Any, columns: Mapping[str, str | None] | None = None, split: str | None = None
) -> Iterator[Mapping[str, Any]]:
    """The light curves of an object of `datasets`, a batch at a time; without the package its rows."""
    try:
        from astromer_hf.light_curves.source import LightCurveSource
    except ImportError:
        return iter(source)
    opened = LightCurveSource.open(source, columns=columns, split=split)
    return (one for chunk in opened.chunks(BATCH_SIZE) for one in chunk.light_curves())


def _each(source: Any, columns: Mapping[str, str | None] | None, split: str | None) -> list[Any]:
    """The light curves of one of several inputs: those of a file or table, or the input itself, which is one."""
    source = row_of_table(source)
    found = read_objects(source, columns, split)
    if found is None and split is not None:
        raise ValueError(f"A split is one of a dataset, and this is a {type(source).__name__}: leave the split out.")
    return [source] if found is None else found


# --- Registration ---

TASKS: dict[str, tuple[type[LightCurvePipeline], Any]] = {
    "light-curve-embedding": (LightCurveEmbeddingPipeline, AutoModel),
    "light-curve-reconstruction": (LightCurveReconstructionPipeline, AutoModelForPreTraining),
    "light-curve-classification": (LightCurveClassificationPipeline, AutoModelForSequenceClassification),
}


def register_pipelines(default_models: Mapping[str, str] | None = None) -> None:
    """Register the tasks with transformers' `pipeline`.

    Args:
        default_models: task -> the folder of the model that it takes where none is named.
    """
    for task, (pipeline_class, auto_class) in TASKS.items():
        if task in PIPELINE_REGISTRY.supported_tasks:
            continue
        own: dict[str, Any] = {"pipeline_class": pipeline_class, "pt_model": auto_class, "type": "multimodal"}
        folder = (default_models or {}).get(task)
        # A model and its revision, which a folder does not have.
        PIPELINE_REGISTRY.register_pipeline(task, default={"model": (folder, None)} if folder else None, **own)
        implementation = getattr(pipeline_class, "_registered_impl")[task]  # noqa: B009 (transformers' types do not know it)
        # A pipeline that is saved writes this into its config.json: without a path of this machine.
        kept = {name: value for name, value in implementation.items() if name != "default"}
        setattr(pipeline_class, "_registered_impl", {task: kept})  # noqa: B010


class NoTokenizer:
    """What `AutoTokenizer` finds for ASTROMER: an error that names the right task, for pipelines of other tasks ask for one."""

    @classmethod
    def from_pretrained(cls, name: Any, *args: Any, **kwargs: Any) -> Any:
        """There is none.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{name} reads light curves and has no tokenizer. It has pipelines of its own: in place of the task "
            f"feature-extraction take light-curve-embedding, as in pipeline('light-curve-embedding', model={str(name)!r}); "
            "and light-curve-reconstruction or light-curve-classification where the model has that head."
        )


__all__ = [
    "LightCurveClassificationPipeline",
    "LightCurveEmbeddingPipeline",
    "LightCurveReconstructionPipeline",
    "NoTokenizer",
    "register_pipelines",
]
