# Copyright 2026 The astromer_hf developers. MIT licence.
"""Say where the time of embedding goes: milliseconds of one core per 1000 light curves, by operation, as a table in markdown.

PyTorch's profiler times every operation of the model, and hooks tell it which module each belongs to. Profiling itself costs
time, so its shares divide the processor time that the model takes without it. What `embed_table` takes beyond the model is
reading, cleaning, cutting and writing. All runs on one thread, and the fastest of several repeats counts.
`benchmark_embedding.py` measures the rates of all cores.

Example:
    python scripts/profile_embedding.py ../shared/data/sss_catalina_south.parquet \
        --models runs/macho_a0 model_cards/astromer-surveys-small
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from astromer_hf.cli.numbers import count
from astromer_hf.hub.load import load_encoder
from astromer_hf.inference.embedding import LightCurveEmbedder, embed_table
from astromer_hf.light_curves.source import iter_light_curves
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.model.folding_astromer import AstromerFolding, AstromerPeriodogram, AstromerSeparationBias
from astromer_hf.model.modeling_astromer import AstromerAttention, AstromerTimeEncoding

PRODUCTS = {"aten::addmm", "aten::mm"}
PRODUCTS_OF_BATCHES = {"aten::bmm", "aten::baddbmm"}
COPIES = {"aten::copy_", "aten::cat"}
NORMS = {"aten::tanh", "aten::gelu", "aten::native_layer_norm"}
PARTS: dict[type[nn.Module], str] = {
    AstromerAttention: "attention",
    AstromerTimeEncoding: "time encoding",
    AstromerPeriodogram: "periodogram",
    AstromerFolding: "folded phases",
    AstromerSeparationBias: "separation bias",
}
ROWS = (
    "products of linear layers",
    "attention",
    "periodogram, its products",
    "periodogram, the rest",
    "time encoding",
    "folded phases",
    "separation bias",
    "tanh or gelu, layer norms",
    "copies",
    "masks and other operations",
    "Python",
    "reading, cutting and writing",
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="parquet file, one light curve a row")
    parser.add_argument("--models", nargs="+", required=True, help="model folders")
    parser.add_argument("--curves", type=count, default=512, help="light curves from its beginning (%(default)s)")
    parser.add_argument("--repeats", type=count, default=3)
    parser.add_argument("--batch-size", type=count, help="windows a forward pass")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], choices=("float32", "bfloat16"))
    return parser.parse_args(argv)


@contextmanager
def parts_are_named(model: nn.Module) -> Iterator[None]:
    """Inside, the profiler records the name of the part that every operation belongs to."""
    open_parts: list[Any] = []

    def enter(part: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            open_parts.append(record_function(f"part: {part}"))
            open_parts[-1].__enter__()

        return hook

    def leave(*_: Any) -> None:
        open_parts.pop().__exit__(None, None, None)

    handles = []
    for module in model.modules():
        part = "model" if module is model else PARTS.get(type(module))
        if part is not None:
            handles += [module.register_forward_pre_hook(enter(part)), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def row_of(operation: str, part: str) -> str:
    """The row of the table that an operation counts in."""
    if operation.startswith("part: "):
        return "Python"
    if part == "periodogram":
        return "periodogram, its products" if operation in PRODUCTS_OF_BATCHES else "periodogram, the rest"
    if operation in PRODUCTS:
        return "products of linear layers"
    if part == "attention" and operation in COPIES:
        return "copies"  # of biases into the outputs of their layers, most of them
    if part in ROWS:
        return part
    if operation in NORMS:
        return "tanh or gelu, layer norms"
    return "copies" if operation in COPIES else "masks and other operations"


def shares_of_rows(model: nn.Module, run: Callable[[], Any]) -> dict[str, float]:
    """The share that each row has in the time of the model."""
    with parts_are_named(model), profile(activities=[ProfilerActivity.CPU]) as profiled:
        run()
    microseconds: Counter[str] = Counter()
    for event in profiled.events():
        holder: Any = event
        while holder is not None and not holder.name.startswith("part: "):
            holder = holder.cpu_parent
        if holder is not None:
            microseconds[row_of(event.name, holder.name.removeprefix("part: "))] += event.self_cpu_time_total
    total = sum(microseconds.values())
    return {row: microseconds[row] / total for row in ROWS}


def processor_seconds(run: Callable[[], Any], repeats: int) -> float:
    """The processor time of `run`, the least of `repeats`: other processes disturb it less than they do a clock on the wall."""
    seconds = []
    for _ in range(repeats):
        start = time.thread_time()
        run()
        seconds.append(time.thread_time() - start)
    return min(seconds)


def profile_model(source: Path, curves: RaggedLightCurves, name: str, dtype: str, args: argparse.Namespace) -> dict[str, float]:
    """Milliseconds a 1000 light curves by row."""
    model, extractor = load_encoder(name, None, "cpu", dtype)
    embedder = LightCurveEmbedder(model, extractor, args.batch_size)
    windows = embedder.runner.cut(curves)

    def model_alone() -> None:
        for _ in embedder.runner.iter_outputs(curves, windows):
            pass

    def end_to_end() -> None:
        options: dict[str, Any] = {"feature_extractor": extractor, "batch_size": args.batch_size, "show_progress": False}
        embed_table(source, source.with_name("embeddings.parquet"), model, **options)

    model_alone()
    alone, whole = (processor_seconds(run, args.repeats) for run in (model_alone, end_to_end))
    shares = shares_of_rows(model, model_alone)
    per_thousand = 1e6 / len(curves)
    rows = {row: share * alone * per_thousand for row, share in shares.items()}
    rows["reading, cutting and writing"] = max(whole - alone, 0.0) * per_thousand
    return rows


def as_markdown(columns: dict[str, dict[str, float]]) -> str:
    """One column a model and precision: milliseconds, and the share of the column."""
    totals = {title: sum(rows.values()) for title, rows in columns.items()}
    lines = [f"| ms of a core per 1000 light curves | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in ROWS:
        cells = (f"{rows[row]:.0f} ({rows[row] / totals[title]:.0%})" for title, rows in columns.items())
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join([*lines, f"| sum | {' | '.join(f'{total:.0f}' for total in totals.values())} |"])


def main(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    torch.set_num_threads(1)
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "curves.parquet"
        pq.write_table(pq.read_table(args.source).slice(0, args.curves), source)
        curves = RaggedLightCurves.concatenate([chunk.curves.clean()[0] for chunk in iter_light_curves(source)])
        for name in args.models:
            for dtype in args.dtypes:
                columns[f"`{Path(name).name}`, {dtype}"] = profile_model(source, curves, name, dtype, args)
    print(as_markdown(columns))
    return columns


if __name__ == "__main__":
    main(parse_args())
