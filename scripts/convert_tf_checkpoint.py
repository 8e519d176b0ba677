# Copyright 2026 The astromer_hf developers. MIT licence.
"""Convert a TensorFlow checkpoint of ASTROMER 1 or Astromer 2 into a Transformers model folder, without TensorFlow.

For ASTROMER 1 the input is the released zip, with conf.json beside weights.index. For Astromer 2 it is the folder that its
training code writes, with config.toml beside weights.index. No released weights of Astromer 2 were available to verify its
conversion.

Example:
    python scripts/convert_tf_checkpoint.py ../shared/reference/macho_a0.zip runs/macho_a0
"""

import argparse
from pathlib import Path

from astromer_hf.hub.conversion import convert_tf_checkpoint
from astromer_hf.hub.tensorflow_checkpoint import CheckpointError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the zip as published, or its unpacked folder")
    parser.add_argument("output", type=Path, help="folder to write, new or empty")
    parser.add_argument(
        "--time-encoding",
        choices=("effective", "as_written"),
        default="effective",
        help="base and exponent: 10000 and 2, with which the original code computes whatever its file says, or what the file "
        "says (%(default)s)",
    )
    parser.add_argument(
        "--masking-scheme",
        choices=("hidden", "additive", "additive_padding"),
        help="of the converted model, by default that of its training; additive_padding is for parity",
    )
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    try:
        model = convert_tf_checkpoint(args.source, args.output, args.time_encoding, args.masking_scheme)
    except (CheckpointError, ImportError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{args.source} -> {args.output}: {model.num_parameters():,} parameters, config.json and model.safetensors")


if __name__ == "__main__":
    main(parse_args())
