# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .models import open_encoder
from .options import Revision
from .report import Report, reports

EXAMPLES = (
    "astromer-hf export my-model --format onnx -o my-model.onnx",
    "astromer-hf export my-model --layout light-curve -o my-model.onnx",
)


@reports
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model folder, or model id on the Hub.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, .onnx.")],
    file_format: Annotated[Literal["onnx"], typer.Option("--format", help="Format of the file.")] = "onnx",
    layout: Annotated[
        Literal["astromer-hf", "light-curve"],
        typer.Option(
            help="Names and shapes of inputs and outputs: this package's, or those of light_curve.embed.Astromer1, which "
            "has no photometric errors."
        ),
    ] = "astromer-hf",
    revision: Revision = None,
) -> Report:
    """Export the encoder of a model to an ONNX file, which runs without PyTorch.

    The graph takes any number of windows of any length: magnitudes, times and attention_mask in, last_hidden_state, mean and
    max out. The file is checked against the model under ONNX Runtime. Its metadata describe the inputs;
    astromer_hf.inference.onnx_export.OnnxEncoder runs it.
    """
    from ..inference.onnx_export import HOW_TO_PREPARE, HOW_TO_PREPARE_LIGHT_CURVE, export_onnx

    encoder, _ = open_encoder(model, revision)
    difference = export_onnx(encoder, output, name=model, for_light_curve=layout == "light-curve")
    size = output.stat().st_size / 2**20
    facts = {"model": model, "output": output, "format": file_format, "size_mib": size, "largest_difference": difference}
    inputs = HOW_TO_PREPARE_LIGHT_CURVE if layout == "light-curve" else HOW_TO_PREPARE
    return Report(f"{model} -> {output}: {size:.1f} MiB, within {difference:.1e} of the model\ninputs: {inputs}", facts)
