# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf convert`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .models import quiet_transformers
from .report import Report, reports

EXAMPLES = (
    "astromer-hf convert macho_a0.zip runs/macho_a0",
    "astromer-hf convert macho_a0.zip runs/macho_a0_parity --masking-scheme additive_padding",
)


@reports
def convert(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Zip file as published, or its unpacked folder.")],
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write: a new or an empty one.")],
    time_encoding: Annotated[
        Literal["effective", "as_written"],
        typer.Option(
            help="Base and exponent of the time encoding. effective: 10000 and 2, with which the original code computes "
            "whatever its file says. as_written: what the file says."
        ),
    ] = "effective",
    masking_scheme: Annotated[
        Literal["hidden", "additive", "additive_padding"] | None,
        typer.Option(
            help="Masking scheme of the converted model, by default that of its training; additive_padding treats padding as "
            "the TensorFlow package does, for parity."
        ),
    ] = None,
) -> Report:
    """Convert a TensorFlow checkpoint of ASTROMER 1 or Astromer 2 to a Transformers model folder.

    TensorFlow is not needed. ASTROMER 1 is the zip file as it was released, with conf.json beside weights.index. Astromer 2 is
    the folder that its training code writes, with config.toml; its conversion was not tested on released weights.
    """
    from ..hub.conversion import convert_tf_checkpoint

    quiet_transformers()
    model = convert_tf_checkpoint(source, output, time_encoding, masking_scheme)
    num_parameters = model.num_parameters()
    facts = {
        "source": source,
        "output": output,
        "num_parameters": num_parameters,
        "masking_scheme": model.config.masking_scheme,
    }
    return Report(f"{source} -> {output}: {num_parameters:,} parameters", facts)
