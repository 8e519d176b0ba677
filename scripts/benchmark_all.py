# Copyright 2026 The astromer_hf developers. MIT licence.
"""Run every benchmark of BENCHMARKS.md in one sitting, and write one report in markdown. Needs a quiet machine.

Each part is a script of its own and runs in its own process, one after the other. A part that fails, or whose packages are
missing, says so in the report, and the others go on; the exit code then is 1. Released weights that are not there are left out,
and the report says how to make them.

Example:
    python scripts/benchmark_all.py ../shared/data/sss_catalina_south.parquet --released runs/macho_a0 \
        -o runs/benchmarks.md --upstream runs/upstream/bin/python
"""

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch
import transformers

from astromer_hf import default_model_folder

SCRIPTS = Path(__file__).parent
TABLES = ("profile_embedding", "benchmark_startup", "benchmark_dask")  # whose output is markdown


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="parquet file, one light curve a row")
    parser.add_argument("--released", type=Path, help="folder of the converted released weights; left out if missing")
    parser.add_argument("--shipped", type=Path, default=default_model_folder(), help="folder; the package's model when absent")
    parser.add_argument("--upstream", type=Path, help="Python that has the original package, see benchmark_upstream.py")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/benchmarks.md"), help="the report (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few light curves, once: that it runs, not how fast")
    return parser.parse_args(argv)


def commands(args: argparse.Namespace) -> dict[str, list[str]]:
    """The title of every part, and its script with arguments."""
    models = [str(model) for model in (args.released, args.shipped) if model]
    source, few = str(args.source), ["--repeats", "1"] if args.quick else []
    rates = ["benchmark_embedding", source, "--models", *models, "--curves", "16" if args.quick else "1024", *few]
    if args.upstream:
        rates += ["--upstream", str(args.upstream)]
    tables = ["--curves", "16"] if args.quick else []
    return {
        "Where the time goes": ["profile_embedding", source, "--models", *models, *tables, *few],
        "Embedding, and the original package": rates,
        "ONNX Runtime": [
            "benchmark_onnx",
            source,
            "--model",
            str(args.shipped),
            "--objects",
            "4" if args.quick else "200",
            *few,
        ],
        "Start": ["benchmark_startup", source, "--models", *models, *few],
        "Dask and LSDB": ["benchmark_dask", source, "--model", str(args.shipped), *tables, *few],
    }


def say_what_is_left_out(args: argparse.Namespace) -> str | None:
    """How to make the released model where its folder is missing; None where it is there, or was not asked for."""
    if args.released is None or (args.released / "config.json").is_file():
        return None
    return (
        f"Without the released weights: there is no model in `{args.released}`. "
        f"`astromer-hf convert ../shared/reference/macho_a0.zip {args.released}` makes it, see scripts/README.md."
    )


def describe_machine() -> str:
    """The processor, its number of cores, and versions."""
    capabilities = torch.cpu.get_capabilities()
    units = ", ".join(name for name in ("avx512_bf16", "amx_bf16", "avx512_vnni") if capabilities.get(name)) or "neither"
    load = f"load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return (
        f"{datetime.date.today()}, {capabilities.get('cpu_name', platform.processor())}, {os.cpu_count()} cores (bfloat16 and "
        f"8-bit units: {units}), {load}; PyTorch {torch.__version__}, transformers {transformers.__version__}."
    )


def run_part(command: list[str]) -> tuple[str, bool]:
    """What a script printed, as markdown, and whether it succeeded."""
    name, *arguments = command
    done = subprocess.run([sys.executable, str(SCRIPTS / f"{name}.py"), *arguments], capture_output=True, text=True)
    printed = done.stdout.strip() if name in TABLES or not done.stdout else f"```\n{done.stdout.strip()}\n```"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"{printed}\n\nFailed: `{reason}`".strip(), False
    return printed, True


def main(args: argparse.Namespace) -> int:
    """Write the report; 1 if a part failed, else 0."""
    args.output.parent.mkdir(parents=True, exist_ok=True)
    parts, failed = [f"# Benchmarks\n\n{describe_machine()}"], 0
    if left_out := say_what_is_left_out(args):
        args = argparse.Namespace(**vars(args) | {"released": None})
        parts.append(left_out)
        print(left_out, end="\n\n", flush=True)
    begin = time.perf_counter()
    for title, command in commands(args).items():
        start = time.perf_counter()
        printed, succeeded = run_part(command)
        failed |= not succeeded
        parts.append(f"## {title}\n\n{printed}\n\nIt took {time.perf_counter() - start:.0f} s.")
        args.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(parts[-1], end="\n\n", flush=True)
    print(f"{args.output}: {(time.perf_counter() - begin) / 60:.1f} min in all")
    return failed


if __name__ == "__main__":
    sys.exit(main(parse_args()))
