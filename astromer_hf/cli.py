# Copyright 2026 The astromer_hf developers. MIT licence.
"""The command `astromer-hf`: wiring from arguments to the package's functions, and one clear line for what goes wrong."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMN_ROLES = ("object_id", "mjd", "mag", "magerr", "band", "label")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="astromer-hf", description="Embed astronomical light curves with ASTROMER.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    embed = verbs.add_parser(
        "embed",
        help="one embedding an object, from a table of light curves",
        description="Embed every light curve of a parquet or CSV table: list columns (one row an object) or one row a "
        "measurement. Writes object_id, num_points, num_windows, dropped_points and embedding, in the order of the table.",
    )
    embed.add_argument("source", type=Path, help="parquet or CSV table, or a folder of parquet shards")
    embed.add_argument("-o", "--output", type=Path, required=True, help="parquet file to write")
    embed.add_argument("--model", help="model folder, or model id on the Hub; the model of the package when absent")
    embed.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    embed.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; auto takes a GPU if there is one")
    embed.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    embed.add_argument("--batch-size", type=int, default=32, metavar="WINDOWS", help="windows a forward pass; more on a GPU")
    embed.add_argument(
        "--level",
        default="object",
        choices=("object", "window", "observation"),
        help="also write the embedding of every window, or of every observation",
    )
    embed.add_argument(
        "--masking-scheme",
        choices=("hidden", "additive", "additive_padding"),
        help="instead of the model's own; additive_padding repeats the TensorFlow package's treatment of padding",
    )
    embed.add_argument("--quiet", action="store_true", help="no progress bar")
    for role in COLUMN_ROLES:
        embed.add_argument(f"--{role.replace('_', '-')}-column", metavar="NAME", help=f"the table's column for {role}")
    embed.set_defaults(run=run_embed)

    convert = verbs.add_parser("convert", help="the released TensorFlow checkpoint to a Transformers model folder")
    convert.add_argument("source", type=Path, help="zip file as published, or its folder")
    convert.add_argument("output", type=Path, help="folder to write, new or empty")
    convert.set_defaults(run=run_convert)

    simulate = verbs.add_parser("simulate", help="a table of simulated light curves to try things on")
    simulate.add_argument("-o", "--output", type=Path, required=True, help="parquet file to write")
    simulate.add_argument("-n", "--num-objects", type=int, default=100)
    simulate.add_argument("--survey", default="macho_like", help="whose cadence and noise")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.set_defaults(run=run_simulate)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 1 after a clear message on standard error."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s")
    try:
        args.run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def run_embed(args: argparse.Namespace) -> None:
    """`astromer-hf embed`."""
    from .embedding import DEFAULT_MODEL, default_model_folder, embed_table

    source = args.model or str(default_model_folder())
    model, feature_extractor = load_encoder(source, args.revision, args.device, args.dtype)
    if args.masking_scheme:
        model.config.masking_scheme = args.masking_scheme
    started = time.perf_counter()
    report = embed_table(
        args.source,
        args.output,
        model,
        feature_extractor=feature_extractor,
        batch_size=args.batch_size,
        columns={role: getattr(args, f"{role}_column") for role in COLUMN_ROLES},
        level=args.level,
        show_progress=not args.quiet,
        description={
            "model": args.model or DEFAULT_MODEL,
            "dtype": args.dtype,
            "masking_scheme": model.config.masking_scheme,
        },
    )
    seconds = time.perf_counter() - started
    print(
        f"{report.num_objects} light curves ({report.num_points} observations, {report.num_windows} windows) in "
        f"{seconds:.1f} s, {report.num_objects / seconds:.0f} curves/s{peak_memory()} -> {args.output}"
    )
    if report.dropped_points:
        print(f"{report.dropped_points} observations without a finite time and magnitude were left out.")
    if report.without_result:
        shown = ", ".join(report.without_result[:10]) + (" ..." if len(report.without_result) > 10 else "")
        print(
            f"{len(report.without_result)} light curves have no usable observation; their embedding is null: {shown}",
            file=sys.stderr,
        )


def run_convert(args: argparse.Namespace) -> None:
    """`astromer-hf convert`."""
    from .conversion import convert_tf_checkpoint

    quiet_transformers()
    model = convert_tf_checkpoint(args.source, args.output)
    print(f"{args.source} -> {args.output}: {model.num_parameters():,} parameters")


def run_simulate(args: argparse.Namespace) -> None:
    """`astromer-hf simulate`."""
    import pyarrow.parquet as pq

    from .simulation import simulate_light_curves, to_table

    if args.output.suffix != ".parquet":
        raise ValueError(f"The output must be a .parquet file, got {args.output.name}.")
    pq.write_table(to_table(simulate_light_curves(args.num_objects, seed=args.seed, survey=args.survey)), args.output)
    print(f"{args.num_objects} simulated light curves -> {args.output}")


def load_encoder(model: str, revision: str | None, device: str, dtype: str) -> tuple[Any, Any]:
    """The encoder and its feature extractor, from a folder or the Hub.

    Raises:
        FileNotFoundError: there is no such model folder and no such model on the Hub.
        ValueError: it is no ASTROMER model or a damaged one, or there is no such device.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

    from . import AstromerFeatureExtractor

    quiet_transformers()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    source = find_model(model, revision)
    where: dict[str, Any] = {} if revision is None else {"revision": revision}
    try:
        config = AutoConfig.from_pretrained(source, **where)
        if config.model_type != "astromer":
            raise ValueError(f"its config.json describes a model of type {config.model_type!r}.")
        encoder, loading = AutoModel.from_pretrained(
            source,
            config=config,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, with their names
            **where,
        )
        for kind in ("missing", "mismatched", "unexpected"):  # transformers fills up with random numbers, or leaves out
            if keys := sorted(map(str, loading[f"{kind}_keys"])):
                shown = ", ".join(keys[:3]) + (" ..." if len(keys) > 3 else "")
                raise ValueError(f"its weights do not fit its config.json; {kind}: {shown}.")
        feature_extractor = None  # `embed_table` makes one of the model's window size
        if not Path(source).is_dir() or (Path(source) / "preprocessor_config.json").is_file():
            feature_extractor = AutoFeatureExtractor.from_pretrained(source, **where)
            if not isinstance(feature_extractor, AstromerFeatureExtractor):
                raise ValueError(f"its preprocessor_config.json describes a {type(feature_extractor).__name__}.")
    except (OSError, TypeError, ValueError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        raise ValueError(f"{model} cannot be loaded as an ASTROMER model: {' '.join(str(error).split())}") from error
    try:
        return encoder.to(device), feature_extractor
    except (RuntimeError, AssertionError) as error:  # what torch raises for a device that is not there
        raise ValueError(f"The device {device!r} cannot be used: {str(error).splitlines()[0]}") from error


def find_model(model: str, revision: str | None = None) -> str:
    """The folder or the Hub id that `model` names, found before transformers asks the network again and again.

    Raises:
        FileNotFoundError: there is neither.
    """
    from huggingface_hub import file_exists, try_to_load_from_cache

    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"The model folder {model} has no config.json; give the folder that it was saved to.")
        return str(folder)
    if folder.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        what = f"{model} is a file" if folder.exists() else f"There is no model folder {model}"
        raise FileNotFoundError(f"{what}; give a folder with config.json and model.safetensors, or a Hub id such as org/name.")
    try:
        cached = isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str)
        if cached or file_exists(model, "config.json", revision=revision):
            return model
        reason = "the Hub has no config.json under that name and revision"
    except Exception as error:  # no name for the Hub, offline, no leave to read it, or what its HTTP client raises
        reason = f"asking the Hub failed ({' '.join(str(error).split())})"
    raise FileNotFoundError(f"There is no model folder {model}, and no such model in the Hub cache, and {reason}.")


def peak_memory() -> str:
    """The largest resident memory of this process so far, where the system tells."""
    if sys.platform == "win32":
        return ""
    import resource

    units_per_gib = 2**30 if sys.platform == "darwin" else 2**20  # bytes on macOS, KiB elsewhere
    return f", peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_gib:.2f} GiB"


def quiet_transformers() -> None:
    """Leave the screen to our own progress bar."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    hub_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
