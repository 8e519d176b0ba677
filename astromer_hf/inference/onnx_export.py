# Copyright 2026 The astromer_hf developers. MIT licence.
"""Export an encoder as an ONNX file, which runs without PyTorch, and use that file in place of a model.

The graph takes the windows of `AstromerFeatureExtractor`. It returns the embedding of every observation, and their mean and
maximum over each window. It is for ONNX Runtime, for example in an alert broker.
"""

import hashlib
import importlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .. import __version__
from ..extras import install_line
from ..light_curves.simulation import simulate_light_curves
from ..model.configuration_astromer import AstromerConfig
from ..model.feature_extraction_astromer import AstromerFeatureExtractor, LightCurveWindows
from ..model.inference_astromer import in_evaluation_mode, unwrap
from .output_files import complete_or_absent

INPUTS = ("magnitudes", "times", "attention_mask")
ERRORS = "magnitude_errors"  # a fourth input of models that see photometric errors
OUTPUTS = ("last_hidden_state", "mean", "max")
# What `light_curve.embed` 0.13 gives to the graphs of `Astromer1` and asks of them: (windows, length, 1), float32.
LIGHT_CURVE_INPUTS = ("input", "times", "mask_in")
LIGHT_CURVE_OUTPUTS = ("sequence", "mean", "max")
OPSET = 18
TOLERANCE = 1e-4
HOW_TO_PREPARE = (
    "windows of at most window_size observations, (windows, length): times in days and magnitudes, float32, each with the mean "
    "of its window's observations subtracted in float64 before the cast and 0 in padding; attention_mask int64, 1 for "
    "observations, 0 for padding, at least one observation a window. astromer_hf.AstromerFeatureExtractor makes them with "
    "return_tensors='np'. An object's embedding is the mean over its windows weighted by their observations."
)
HOW_TO_PREPARE_LIGHT_CURVE = (
    "as light_curve.embed.Astromer1 gives them, with `seq_size` set to the window_size of this model: input (magnitudes), "
    "times and mask_in, (windows, length, 1), float32. Of a light curve of several windows it gives the plain mean over them, "
    "of which the last holds what is left, however few observations. astromer_hf shifts the last window back until it is full: "
    "the two agree where the windows divide the light curve without a rest."
)
HOW_TO_PREPARE_ERRORS = " magnitude_errors: photometric errors in magnitudes, float32, NaN where unknown."


class _PooledEncoder(nn.Module):
    """The encoder with the outputs of the ONNX graph."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor,
        magnitude_errors: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        outputs = self.encoder(magnitudes, times, attention_mask, magnitude_errors=magnitude_errors)
        hidden = outputs.last_hidden_state
        return hidden, outputs.pooler_output, hidden.masked_fill(~attention_mask.bool()[..., None], float("-inf")).amax(1)


class _LightCurveEncoder(_PooledEncoder):
    """The same with the inputs and outputs of `light_curve.embed`, which has no photometric errors."""

    def forward(  # type: ignore[override]
        self, magnitudes: torch.Tensor, times: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        return super().forward(magnitudes[..., 0], times[..., 0], (mask[..., 0] > 0.5).long())


def _hypot(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first * first + second * second).sqrt()


def _atan2(sine: torch.Tensor, cosine: torch.Tensor) -> torch.Tensor:
    """ONNX Runtime has no arc tangent of float64."""
    if sine.dtype != torch.float64:
        return NotImplemented  # keeps the function as it is
    return torch.atan2(sine.float(), cosine.float()).double()


def _where(condition: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """ONNX Runtime cannot select booleans."""
    if first.dtype != torch.bool:
        return NotImplemented  # keeps the function as it is
    return (condition & first) | (~condition & second)


# Functions of the encoder that ONNX or ONNX Runtime lacks.
_REPLACEMENTS: dict[Any, Any] = {torch.hypot: _hypot, torch.atan2: _atan2, torch.where: _where}


class _Replacing(TorchFunctionMode):
    """Replaces them while the encoder is traced. (As decompositions they would cost another pass over the whole graph.)"""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = _REPLACEMENTS[func](*args, **kwargs) if func in _REPLACEMENTS else NotImplemented
        return func(*args, **kwargs) if result is NotImplemented else result


def export_onnx(model: Any, output: str | Path, *, name: str = "", for_light_curve: bool = False) -> float:
    """Write a model's encoder as an ONNX file for any number of windows of any length, and compare the file with the model.

    A model that folds on periods may find several equally good periods in a window of about ten observations or fewer. Rounding
    then decides, and file and model may choose differently (4 of 512 real windows of 1 to 10 observations).

    Args:
        model: an ASTROMER model in float32 on the CPU, with or without a head; its encoder is exported.
        output: an `.onnx` file. An existing one is replaced only by a file that passes the comparison.
        name: the model's name, for the file's metadata.
        for_light_curve: give the graph the inputs and outputs that the sessions of the package `light-curve` expect
            (`light_curve.embed.Astromer1`), in place of this package's. They have no photometric errors: a model that sees them
            takes all as unknown. [`OnnxEncoder`] does not run such a file.

    Returns:
        The largest difference between file and model on simulated windows of several lengths, relative to the largest absolute
        value of the model's output if that is above 1.

    Raises:
        ImportError: the extra `onnx` is not installed.
        ValueError: the output cannot be an ONNX file, the model is not in float32 on the CPU, or the results differ by more
            than 1e-4.
        FileNotFoundError: there is no folder for the output.
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise ValueError(f"The output must be an .onnx file, got {output.name}.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent} for the output.")
    encoder = in_evaluation_mode(unwrap(model).base_model)
    if (encoder.dtype, encoder.device.type) != (torch.float32, "cpu"):
        raise ValueError(f"An export needs the model in float32 on the CPU, it is in {encoder.dtype} on {encoder.device}.")
    _require("onnx", "onnxscript", "onnxruntime")
    windows = _example_windows(encoder.config)
    inputs = input_names(encoder.config)
    example = tuple(windows[name] for name in inputs)
    graph: nn.Module = _PooledEncoder(encoder)
    if for_light_curve:
        windows.pop(ERRORS, None)
        example = tuple(windows[name].float()[..., None] for name in INPUTS)
        graph, inputs = _LightCurveEncoder(encoder), LIGHT_CURVE_INPUTS
    shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with _quiet_exporter(), torch.no_grad():
        with _Replacing():
            program = torch.export.export(graph, example, dynamic_shapes=(shape,) * len(inputs))
        onnx_program = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=LIGHT_CURVE_OUTPUTS if for_light_curve else OUTPUTS,
            dynamic_shapes=({0: "windows", 1: "length"}, *[{}] * (len(inputs) - 1)),  # the names, which all inputs share
            verbose=False,
            optimize=False,
        )
        assert onnx_program is not None
        # Constants first, so that the rules of the optimizer, which take long, are tried at half as many nodes.
        from onnxscript import optimizer

        optimizer.fold_constants(onnx_program.model)
        optimizer.remove_unused_nodes(onnx_program.model)
        onnx_program.optimize()
    metadata = {"model": name, "window_size": str(encoder.config.window_size), "astromer_hf": __version__}
    if for_light_curve:
        metadata["inputs"] = HOW_TO_PREPARE_LIGHT_CURVE
    else:
        metadata["config"] = encoder.config.to_json_string(use_diff=False)
        metadata["inputs"] = HOW_TO_PREPARE + HOW_TO_PREPARE_ERRORS * encoder.config.use_magnitude_errors
    onnx_program.model.metadata_props.update(metadata)
    with complete_or_absent(output) as partial:
        onnx_program.save(partial, external_data=False)
        exported = _run_as_light_curve(partial) if for_light_curve else OnnxEncoder(partial)
        difference = _difference(encoder, exported, windows)
        if not difference <= TOLERANCE:
            raise ValueError(f"The exported file differs from the model by {difference:.1e}, more than {TOLERANCE:.0e}.")
    return difference


def input_names(config: AstromerConfig) -> tuple[str, ...]:
    """Inputs of the graph of an encoder with this configuration, in order."""
    return (*INPUTS, ERRORS) if config.use_magnitude_errors else INPUTS


def _example_windows(config: AstromerConfig) -> LightCurveWindows:
    """Windows of simulated light curves of several lengths, with errors where the encoder sees them."""
    lengths = [max(config.window_size // parts, 1) for parts in (1, 2, 3)]
    curves = [
        (curve.mjd[:length], curve.mag[:length], np.where(np.arange(length) % 5, curve.magerr[:length], np.nan))
        for curve, length in zip(simulate_light_curves(len(lengths), seed=0), lengths, strict=True)
    ]
    mjd, mag, magerr = map(list, zip(*curves, strict=True))
    extractor = AstromerFeatureExtractor(config.window_size)
    errors = magerr if config.use_magnitude_errors else None
    return extractor(mjd, mag, errors, padding="max_length", return_tensors="pt")


def _run_as_light_curve(file: Path) -> Callable[..., BaseModelOutputWithPooling]:
    """A graph for `light_curve.embed`, called as a model is."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(**windows: torch.Tensor) -> BaseModelOutputWithPooling:
        inputs = [windows[name].float()[..., None].numpy() for name in INPUTS]
        feed = dict(zip(LIGHT_CURVE_INPUTS, inputs, strict=True))
        hidden, mean = (torch.from_numpy(values) for values in session.run(["sequence", "mean"], feed))
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=mean)

    return run


def _difference(encoder: nn.Module, exported: Callable[..., BaseModelOutputWithPooling], windows: LightCurveWindows) -> float:
    with torch.no_grad():
        expected, found = encoder(**windows), exported(**windows)
    observed = windows["attention_mask"].bool()
    assert found.last_hidden_state is not None
    pairs = [
        (expected.last_hidden_state[observed], found.last_hidden_state[observed]),
        (expected.pooler_output, found.pooler_output),
    ]
    return max(float((one - other).abs().max() / one.abs().max().clamp(min=1)) for one, other in pairs)


class OnnxEncoder:
    """An exported encoder under ONNX Runtime, accepted by `embed_light_curves` and `embed_table` in place of a model.

    Args:
        file: written by `export_onnx`.
        num_threads (`int`, *optional*): threads of ONNX Runtime; its own choice when absent.
        providers: execution providers of ONNX Runtime, best first.
    """

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(
        self, file: str | Path, num_threads: int | None = None, providers: tuple[str, ...] = ("CPUExecutionProvider",)
    ):
        _require("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        self.session = onnxruntime.InferenceSession(str(file), options, providers=list(providers))
        self.metadata = dict(self.session.get_modelmeta().custom_metadata_map)
        if "config" not in self.metadata:
            raise ValueError(
                f"{file} is not an exported ASTROMER encoder: write one by astromer-hf export MODEL --format onnx."
            )
        self.digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        self.config = AstromerConfig.from_dict(json.loads(self.metadata["config"]))

    @property
    def base_model(self) -> "OnnxEncoder":
        """Itself, like a model without a head."""
        return self

    def eval(self) -> "OnnxEncoder":
        """Itself, since it cannot train."""
        return self

    def run(
        self,
        magnitudes: np.ndarray,
        times: np.ndarray,
        attention_mask: np.ndarray,
        magnitude_errors: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The graph's outputs by name: `last_hidden_state` (B, L, D), `mean` and `max` (B, D), float32, of windows (B, L).

        `magnitude_errors` are used where the configuration has `use_magnitude_errors`; NaN and absent ones are unknown.

        Raises:
            ValueError: there is no window, or one without observations, which has no maximum.
        """
        if magnitudes.ndim != 2 or not magnitudes.size or not np.any(attention_mask, axis=1).all():
            raise ValueError(
                "The windows of a graph are (windows, length), at least one, each with an observation, got the shape "
                f"{magnitudes.shape} with {np.asarray(attention_mask).sum(-1).tolist()} observations: leave the others out."
            )
        inputs = dict(zip(INPUTS, (magnitudes, times, attention_mask), strict=True))
        if self.config.use_magnitude_errors:
            inputs[ERRORS] = np.full_like(magnitudes, np.nan) if magnitude_errors is None else magnitude_errors
        return dict(zip(OUTPUTS, self.session.run(list(OUTPUTS), inputs), strict=True))

    def __call__(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor,
        magnitude_errors: torch.Tensor | None = None,
    ) -> BaseModelOutputWithPooling:
        """As `AstromerModel`'s forward."""
        errors = None if magnitude_errors is None else magnitude_errors.numpy()
        outputs = self.run(magnitudes.numpy(), times.numpy(), attention_mask.numpy(), errors)
        hidden, mean = (torch.from_numpy(outputs[name]) for name in ("last_hidden_state", "mean"))
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=mean)


def _require(*packages: str) -> None:
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(f"{package} is needed for ONNX: " + install_line("onnx")) from error


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence warnings of the exporter about packages that it does not need."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        exporter.setLevel(level)
