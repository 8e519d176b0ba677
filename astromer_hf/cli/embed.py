# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf embed`."""

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .models import model_or_default, open_encoder
from .options import (
    MANY,
    Bands,
    BatchSize,
    Columns,
    CombineBands,
    Device,
    Model,
    Periods,
    Precision,
    Quiet,
    Revision,
    Table,
    with_columns,
)
from .report import Report, reports, table_report

EXAMPLES = (
    "astromer-hf embed curves.parquet -o embeddings.parquet",
    "astromer-hf embed two_bands.csv -o embeddings.parquet --combine-bands concat --bands g r",
    "astromer-hf embed hf://datasets/StarEmbed/ZTF_40k --split test -o embeddings.parquet",
    "torchrun --nproc_per_node 8 -m astromer_hf embed curves/ -o embeddings/",
)


@reports
@with_columns
def embed(
    source: Table,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Parquet file to write, or a folder. One process or several fill a folder shard by shard, and continue after "
            "an interruption.",
        ),
    ],
    columns: Columns,
    model: Model = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Precision = "float32",
    batch_size: BatchSize = None,
    level: Annotated[
        Literal["object", "window", "observation"],
        typer.Option(help="Also write the embedding of every window, or of every observation."),
    ] = "object",
    masking_scheme: Annotated[
        Literal["hidden", "additive", "additive_padding"] | None,
        typer.Option(
            help="Replace the masking scheme of the model; additive_padding treats padding as the TensorFlow package does."
        ),
    ] = None,
    combine_bands: CombineBands = None,
    bands: Bands = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Process share I of N, counted from 0, into the folder OUTPUT; torchrun and accelerate launch set it.",
        ),
    ] = None,
    objects_per_shard: Annotated[
        int | None,
        typer.Option(min=1, max=MANY, metavar="N", help="Light curves per file of the folder OUTPUT, about. Default: 16384."),
    ] = None,
    periods: Periods = False,
    quiet: Quiet = False,
) -> Report:
    """Compute one embedding per object of a table of light curves.

    The table has list columns (one row per object) or one row per measurement. The output has the columns object_id,
    num_points, num_windows, dropped_points and embedding, in the order of the table.
    """
    from ..hub.load import DEFAULT_MODEL
    from ..inference.embedding import embed_table
    from ..inference.sharded_embedding import DEFAULT_OBJECTS_PER_SHARD, device_of_worker, embed_shards, find_worker

    worker, num_workers = find_worker(shard)
    into_folder = output.suffix == "" or (output.is_dir() and output.suffix != ".parquet")
    if not into_folder and (num_workers > 1 or objects_per_shard or shard):
        raise ValueError(f"Shards are written into a folder, such as -o embeddings; {output} names a file.")
    encoder, feature_extractor = open_encoder(model_or_default(model), revision, device_of_worker(device), dtype)
    if masking_scheme:
        encoder.config.masking_scheme = masking_scheme
    options: dict[str, Any] = {
        "feature_extractor": feature_extractor,
        "level": level,
        "description": {
            "model": model or DEFAULT_MODEL,
            "dtype": str(encoder.dtype).removeprefix("torch."),
            "masking_scheme": encoder.config.masking_scheme,
        },
        "combine_bands": combine_bands,
        "bands": bands or None,
        "batch_size": batch_size,
        "columns": columns,
        "periods": periods,
        "show_progress": not quiet,
    }
    started = time.perf_counter()
    rows = "light curves" if combine_bands is None else "objects"
    if not into_folder:
        return table_report(embed_table(source, output, encoder, **options), time.perf_counter() - started, output, rows)
    size = DEFAULT_OBJECTS_PER_SHARD if objects_per_shard is None else objects_per_shard
    shares: dict[str, Any] = {"worker": worker, "num_workers": num_workers, "objects_per_shard": size}
    done = embed_shards(source, output, encoder, **shares, **options)
    report = table_report(done, time.perf_counter() - started, output, rows)
    state = f"{len(done.missing)} of other shares are missing" if done.missing else f"{output} is complete"
    line = f"share {worker}/{num_workers}: {done.written} shards written, {done.found} were there; {state}"
    shards = {
        "share": f"{worker}/{num_workers}",
        "shards_written": done.written,
        "shards_found": done.found,
        "shards_missing": done.missing,
    }
    return Report(f"{report.text}\n{line}", {**report.facts, **shards})
