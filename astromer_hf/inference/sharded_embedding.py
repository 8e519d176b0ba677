# Copyright 2026 The astromer_hf developers. MIT licence.
"""Embed a large table of light curves into a folder, shard by shard, by one process or by several that share a disk.

`embedding.py` writes one shard. The split depends only on the source. Every shard is complete or absent, and existing shards
are not computed again, so a run that was stopped continues where it stopped. The processes exchange nothing and do not wait for
each other.
"""

import hashlib
import itertools
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ..light_curves.bands import BandCombination, CombinationKind
from ..light_curves.columns import TableError
from ..light_curves.ledger import Ledger
from ..light_curves.source import LightCurveSource
from ..model.feature_extraction_astromer import AstromerFeatureExtractor
from ..model.inference_astromer import unwrap
from .embedding import choose_bands_to_embed, embed_table
from .output_files import OutputInUseError
from .results import SETTINGS_FILE, SUCCESS_FILE
from .runner import TableReport

DEFAULT_OBJECTS_PER_SHARD = 16_384
NO_PART_OF_EMBEDDINGS = ("_name_or_path", "transformers_version", "architectures", "dtype", "reconstruction_quantiles")
_SETTINGS_KEY, _SHARD_KEY = "settings", "shard"


@dataclass(frozen=True)
class Shard:
    """Rows of one source file, or a whole table.

    Args:
        index: position in the order of the table.
        count: number of shards of the table.
        source: the file; the table's folder if the whole table is one shard.
        rows: rows of that file; None for all.
        num_objects: number of objects in these rows, if an object has several rows; None if each has one.
    """

    index: int
    count: int
    source: Path
    rows: range | None
    num_objects: int | None = None

    @property
    def file_name(self) -> str:
        """Name of its output file."""
        return f"part-{self.index:05d}-of-{self.count:05d}.parquet"

    @property
    def description(self) -> str:
        """JSON that identifies the shard in its output's metadata."""
        rows = None if self.rows is None else [self.rows.start, self.rows.stop]
        return json.dumps({"index": self.index, "count": self.count, "source": self.source.name, "rows": rows})


@dataclass
class ShardedReport(TableReport):
    """The result of `embed_shards`: a `TableReport` of the shards that it wrote, and the state of the folder.

    Args:
        written: number of shards written now.
        found: number of this process's shards that existed already.
        missing: names of all shards, of any process, that are still missing.
    """

    written: int = 0
    found: int = 0
    missing: list[str] = field(default_factory=list)


def plan_shards(
    source: str | Path | LightCurveSource,
    objects_per_shard: int = DEFAULT_OBJECTS_PER_SHARD,
    *,
    by_object: bool = False,
    columns: Mapping[str, str | None] | None = None,
) -> list[Shard]:
    """Split a table into shards of about `objects_per_shard` light curves, in its order.

    Row groups are merged, or split if one is larger. A table with one row per measurement, or in CSV, is one shard: the
    boundaries of its objects are only known when it is read. So is a dataset of the Hub.

    Args:
        source: the table.
        objects_per_shard: light curves per shard.
        by_object: keep the light curves of an object in several bands together, which moves the boundaries by some rows.
        columns: names of the table's columns that cannot be guessed.

    Raises:
        FileNotFoundError: there is no such table.
        TableError: it cannot be read, or is a folder without parquet files; or the light curves of an object do not follow
            each other in one file.
    """
    opened = LightCurveSource.open(source, columns=columns)
    if objects_per_shard < 1:
        raise ValueError(f"`objects_per_shard` must be at least 1, got {objects_per_shard}.")
    path = Path(opened.name) if opened.origin else opened.path
    if path is None:
        raise TableError(
            f"Shards are made of a file or folder; {opened.name} is a table in memory: name a .parquet file as output."
        )
    if opened.num_light_curves is None:
        return [Shard(0, 1, path, None)]
    files = opened.files
    ranges = [(file, rows) for file in files for rows in _split_rows(opened.row_group_sizes(file), objects_per_shard)]
    if not ranges:
        raise TableError(f"{path} holds no light curve.")
    if not by_object:
        return [Shard(index, len(ranges), file, rows) for index, (file, rows) in enumerate(ranges)]
    num_rows = np.cumsum([0, *(sum(opened.row_group_sizes(file)) for file in files)])
    starts = np.append(opened.object_starts(), num_rows[-1])
    if not np.isin(num_rows, starts).all() or not opened.rows_stand_together():
        raise TableError(
            "For bands to be combined shard by shard, the light curves of an object must follow each other in one file, and in "
            f"{path} they do not: sort the table by id, or name a .parquet file as the output."
        )
    first_row = dict(zip(files, num_rows.tolist(), strict=False))
    moved = [(file, *_move_to_objects(rows, first_row[file], starts)) for file, rows in ranges]
    moved = [(file, rows, num_objects) for file, rows, num_objects in moved if num_objects]
    return [Shard(index, len(moved), *part) for index, part in enumerate(moved)]


def _move_to_objects(rows: range, first_row: int, starts: np.ndarray) -> tuple[range, int]:
    """Move both ends of a range of a file's rows to the next start of an object; also the number of objects between them.

    `first_row` is the table row of the file's first row; `starts` and their end are counted in rows of the table.
    """
    low, high = np.searchsorted(starts, (rows.start + first_row, rows.stop + first_row))
    return range(int(starts[low]) - first_row, int(starts[high]) - first_row), int(high - low)


def _split_rows(group_sizes: list[int], objects_per_shard: int) -> list[range]:
    """Consecutive ranges of a file's rows. Their bounds are those of row groups if these are small enough."""
    ranges: list[range] = []
    start = stop = 0
    for size in group_sizes:
        if stop > start and stop - start + size > objects_per_shard:
            ranges.append(range(start, stop))
            start = stop
        stop += size
        if size > objects_per_shard:
            pieces = -(-size // objects_per_shard)
            bounds = [start + size * piece // pieces for piece in range(pieces + 1)]
            ranges += [range(low, high) for low, high in itertools.pairwise(bounds)]
            start = stop
    return [*ranges, range(start, stop)] if stop > start else ranges


def embed_shards(
    source: str | Path | LightCurveSource,
    output: str | Path,
    model: Any,
    *,
    worker: int = 0,
    num_workers: int = 1,
    objects_per_shard: int = DEFAULT_OBJECTS_PER_SHARD,
    feature_extractor: AstromerFeatureExtractor | None = None,
    batch_size: int | None = None,
    columns: Mapping[str, str | None] | None = None,
    level: str = "object",
    show_progress: bool = True,
    description: Mapping[str, str] | None = None,
    combine_bands: CombinationKind | None = None,
    bands: Sequence[str] | None = None,
    periods: bool = False,
) -> ShardedReport:
    """Embed every `num_workers`-th shard of a table, starting with shard `worker`, into a folder.

    The folder's `part-*.parquet`, in the order of their names, hold what `embed_table` would write. The process that completes
    the last shard writes `_SUCCESS` with the counts. If a shard fails, the others are still computed.

    Args:
        source: a path, or an open source, see `LightCurveSource.open`.
        output: a folder, created if needed. A folder with shards of other settings raises an error.
        model: an ASTROMER model.
        worker, num_workers: index of this process and number of processes.
        objects_per_shard: see `plan_shards`.
        feature_extractor, batch_size, columns, level, show_progress, description, combine_bands, bands, periods: as for
            `embed_table`.

    Raises:
        FileNotFoundError: there is no such source, or no parent folder for the output.
        TableError: the source cannot be read or split, or some of its shards failed or are being written by another process.
        ValueError: the output was started with another source, model or setting.
    """
    if not 0 <= worker < num_workers:
        raise ValueError(f"The worker must lie between 0 and {num_workers - 1}, got {worker}.")
    opened = LightCurveSource.open(source, columns=columns)
    model = unwrap(model)
    combination = choose_bands_to_embed(opened, model, combine_bands, bands, level=level)
    shards = plan_shards(opened, objects_per_shard, by_object=combination is not None)
    if num_workers > 1 and shards[0].rows is None:
        raise TableError(
            f"{opened.path or opened.name} has one row a measurement, or is not a parquet table: {num_workers} processes "
            "cannot split it. Use one process, or convert it to one row an object with scripts/prepare_dataset.py."
        )
    output = Path(output)
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent} for the output.")
    output.mkdir(exist_ok=True)
    settings = _describe_run(opened, model, feature_extractor, level, objects_per_shard, combination) | {"periods": periods}
    _begin(output, settings)
    identity = _digest(json.dumps(settings, sort_keys=True).encode())
    if (output / SUCCESS_FILE).exists() and not all(_is_done(output / shard.file_name, shard, identity) for shard in shards):
        (output / SUCCESS_FILE).unlink(missing_ok=True)  # a shard has been lost
    report = ShardedReport(ledger=Ledger(opened.name, opened.describe(), notes=[*opened.roles.notes]))
    failures: list[str] = []
    for shard in shards[worker::num_workers]:
        target = output / shard.file_name
        if _is_done(target, shard, identity):
            report.found += 1
            report.unreadable |= _unreadable_of(target)
            continue
        for stale in output.glob(f".{shard.file_name}-*.partial"):  # left by a killed process
            stale.unlink(missing_ok=True)
        try:
            done = embed_table(
                opened if shard.rows is None else opened.at(shard.source),
                target,
                model,
                feature_extractor=feature_extractor,
                batch_size=batch_size,
                level=level,
                show_progress=show_progress,
                description={**(description or {}), _SETTINGS_KEY: identity, _SHARD_KEY: shard.description},
                rows=shard.rows,
                combine_bands=combination,
                periods=periods,
            )
        except (TableError, OutputInUseError) as error:
            failures.append(f"{shard.file_name}: {error}")
            continue
        report.written += 1
        for name in ("num_objects", "num_windows", "num_points", "dropped_points", "without_result"):
            setattr(report, name, getattr(report, name) + getattr(done, name))
        report.ledger.add(done.ledger)
        report.unreadable |= done.unreadable
    report.missing = [shard.file_name for shard in shards if not _is_done(output / shard.file_name, shard, identity)]
    report.ledger.unreadable |= report.unreadable
    opened.ledger = report.ledger
    if failures:
        raise TableError(f"{len(failures)} of the shards could not be embedded. {' '.join(failures)}")
    if not report.missing:
        _finish(output, shards, identity)
    return report


def _describe_run(
    source: LightCurveSource,
    model: Any,
    feature_extractor: AstromerFeatureExtractor | None,
    level: str,
    objects_per_shard: int,
    combination: BandCombination | None,
) -> dict[str, Any]:
    """Everything that determines the content of the shards."""
    return {
        "source": [source.origin]
        if source.origin
        else [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in source.files],
        "weights": digest_weights(model),
        "masking_scheme": model.config.masking_scheme,
        "dtype": str(model.dtype).removeprefix("torch."),
        "window_size": (feature_extractor or model.config).window_size,
        "columns": {role: name for role, name in sorted(source.options.items()) if name},
        **source.options.description,
        "level": level,
        "objects_per_shard": objects_per_shard,
        "combine_bands": combination and [combination.kind, *combination.bands],
    }


def digest_weights(model: Any) -> str:
    """SHA-256 of a model's encoder: configuration and weights."""
    encoder = model.base_model
    digest = hashlib.sha256()
    config = encoder.config.to_dict()
    for name in NO_PART_OF_EMBEDDINGS:
        config.pop(name, None)
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    if not hasattr(encoder, "state_dict"):  # an ONNX file
        digest.update(encoder.digest.encode())
        return digest.hexdigest()
    for name, weights in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _begin(output: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a new folder, or compare them with those of an existing one.

    Raises:
        ValueError: names the settings that differ.
    """
    file = output / SETTINGS_FILE
    if not file.exists():
        other = next((path.name for path in output.iterdir() if path.suffix == ".parquet"), None)
        if other and not file.exists():  # another process may have started meanwhile
            raise ValueError(f"{output} holds {other} but no {SETTINGS_FILE}: name a new or empty folder.")
        _write_atomically(file, json.dumps(settings, indent=2, sort_keys=True))
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged: name a new or empty folder for the output.") from error
    if differing := [name for name in settings if found.get(name) != settings[name]]:
        shown = "; ".join(f"{name} {_short(found.get(name))}, now {_short(settings[name])}" for name in differing)
        raise ValueError(
            f"{output} was begun with another {', '.join(differing)} ({shown}): name a new folder, or repeat the first "
            "settings."
        )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_done(file: Path, shard: Shard, identity: str) -> bool:
    """Whether a shard exists, is complete, and belongs to this run."""
    try:
        footer = pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return False
    metadata = footer.metadata or {}
    expected = {_SETTINGS_KEY: identity, _SHARD_KEY: shard.description}
    fits = all(metadata.get(f"astromer_hf.{key}".encode()) == value.encode() for key, value in expected.items())
    expected_rows = len(shard.rows or ()) if shard.num_objects is None else shard.num_objects
    return fits and (shard.rows is None or footer.num_rows == expected_rows)


def _unreadable_of(file: Path) -> dict[str, str]:
    """The objects of a finished shard that could not be read, as its own account says."""
    account = (pq.read_metadata(file).metadata or {}).get(b"astromer_hf.ledger", b"{}")
    return dict(json.loads(account).get("unreadable", {}))


def _finish(output: Path, shards: list[Shard], identity: str) -> None:
    """Compare the rows of all shards with the source, remove files that are not shards, and write `_SUCCESS`."""
    counts = {shard.file_name: pq.read_metadata(output / shard.file_name).num_rows for shard in shards}
    if others := sorted(path.name for path in output.glob("*.parquet") if path.name not in counts):
        raise ValueError(f"{output} holds {others[0]}, which is not a shard of this run: move it away.")
    content = {"settings": identity, "num_objects": sum(counts.values()), "shards": counts}
    _write_atomically(output / SUCCESS_FILE, json.dumps(content, indent=2))


def _write_atomically(file: Path, text: str) -> None:
    partial = file.with_name(f".{file.name}-{uuid.uuid4().hex}.partial")  # whose permissions are those of any new file
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)


def find_worker(given: str | None = None, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Index and number of processes: `given` as `"i/n"`, or else from torchrun's or accelerate launch's environment.

    Raises:
        ValueError: `given` is not `i/n` with 0 ≤ i < n.
    """
    if given is None:
        return int(environment.get("RANK", 0)), int(environment.get("WORLD_SIZE", 1))
    try:
        worker, num_workers = (int(part) for part in given.split("/"))
    except ValueError:
        worker, num_workers = 0, 0
    if not 0 <= worker < num_workers:
        raise ValueError(f"A share of the work is given as i/n with i from 0 to n - 1, such as 0/4, got {given!r}.")
    return worker, num_workers


def device_of_worker(device: str, environment: Mapping[str, str] = os.environ) -> str:
    """`"auto"` resolved to the GPU of this process if several processes run on a machine with GPUs."""
    if device == "auto" and "LOCAL_RANK" in environment and torch.cuda.is_available():
        return f"cuda:{int(environment['LOCAL_RANK']) % torch.cuda.device_count()}"
    return device
