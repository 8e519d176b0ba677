# Copyright 2026 The astromer_hf developers. MIT licence.
"""Raw tables of light curves to folders of clean parquet shards, split by star, that `datasets.load_dataset` reads.

Before it stand a survey's table, its record in `surveys.py` and the readers, cleaning and splits beside it;
after it stands training. `scripts/prepare_dataset.py` is its command line.
"""

import json
import platform
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from .cleaning import Cleaning, CleaningReport, iter_clean_tables
from .columns import PREPARED_SCHEMA, TableError
from .ledger import Ledger
from .source import LightCurveSource
from .splits import FRACTIONS, SPLITS, assign_splits
from .surveys import Survey

PREPARATION_FILE = "preparation.json"
_ROWS_PER_BATCH = 2048


@dataclass(frozen=True)
class SplitRule:
    """How light curves come into splits; see `assign_splits`."""

    seed: int = 0
    fractions: tuple[float, float, float] = FRACTIONS
    stratify: bool = False
    max_test_per_class: int | None = None


@dataclass(frozen=True)
class _CleanedSurvey:
    """A survey's clean light curves in one parquet file, and what the splits need to know of each of them."""

    survey: Survey
    source: Path
    file: Path
    members: pd.DataFrame  # object_id, identity, label, points
    report: CleaningReport
    ledger: Ledger  # of the reader


def prepare_datasets(
    tables: Sequence[tuple[Path, Survey]],
    output: Path,
    *,
    cleaning: Cleaning | None = None,
    rule: SplitRule | None = None,
    keep_splits_of: Sequence[Path] = (),
    rows_per_shard: int = 50_000,
    command: str = "",
    show_progress: bool = False,
) -> dict[str, dict[str, Any]]:
    """Clean raw tables, split all of them by star and write `output/<survey>/` for each, for `datasets.load_dataset`.

    Light curves are of the same star where their identities are the same, or where the identity of one is the object id of
    the other. Stars of a held-out survey are in the test split of all. Memory is bounded by a chunk of light curves and the
    names and labels of all. A folder stands complete or not at all, and an older one until its successor is complete.

    Args:
        tables: path and record of each table; the earlier ones take part in the `assigned` of the later.
        output: folder for the prepared folders.
        cleaning, rule: how to clean and split; the defaults of [`Cleaning`] and [`SplitRule`].
        keep_splits_of: prepared folders from before, whose stars keep their splits.
        rows_per_shard: light curves a parquet file at the most.
        command: to record in the preparation and the card.
        show_progress: a progress bar a table.

    Returns:
        What `preparation.json` says of each survey.

    Raises:
        FileNotFoundError, TableError: a table cannot be read, a star would be in two splits, or there is a folder in the way.
    """
    cleaning, rule = cleaning or Cleaning(), rule or SplitRule()
    names = [survey.name for _, survey in tables]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise TableError(f"There are several tables of {', '.join(twice)}: give each its own survey, or a folder of shards.")
    for folder in (output / name for name in names):
        if folder.exists() and not (folder / PREPARATION_FILE).is_file():
            raise TableError(f"{folder} exists and is no prepared dataset; remove it or choose another output folder.")
    output.mkdir(parents=True, exist_ok=True)
    preparations = {}
    with tempfile.TemporaryDirectory(dir=output, prefix=".partial-") as temporary:
        cleaned = [
            _clean_table(path, survey, cleaning, Path(temporary) / f"{survey.name}.parquet", show_progress)
            for path, survey in tables
        ]
        stars, assigned = _stars_and_splits(cleaned, keep_splits_of)
        for part in cleaned:
            members = part.members.assign(identity=part.members["identity"].map(lambda name: stars.get(name, name)))
            members["split"] = assign_splits(
                members["identity"],
                fractions=rule.fractions,
                seed=rule.seed,
                labels=members["label"] if rule.stratify else None,
                max_test_per_class=rule.max_test_per_class,
                assigned=assigned,
            )
            if rule.stratify:
                assigned |= dict(zip(members["identity"], members["split"], strict=True))
            folder = Path(temporary) / part.survey.name
            _write_shards(part.file, members, folder, rows_per_shard)
            preparation = _describe(part, members, cleaning, rule, command)
            (folder / PREPARATION_FILE).write_text(json.dumps(preparation, indent=2), encoding="utf-8")
            (folder / "README.md").write_text(_dataset_card(part.survey, preparation), encoding="utf-8")
            if (target := output / part.survey.name).exists():
                target.rename(Path(temporary) / f"{part.survey.name}.old")
            folder.rename(target)
            part.file.unlink()
            preparations[part.survey.name] = preparation
    return preparations


def read_splits(folder: Path) -> dict[str, str]:
    """The split of every object id and every identity in a prepared folder."""
    splits = {}
    for split in SPLITS:
        for file in sorted(folder.glob(f"{split}-*.parquet")):
            for column in pq.read_table(file, columns=["object_id", "identity"]).columns:
                splits.update(dict.fromkeys(column.to_pylist(), split))
    if not splits:
        raise TableError(f"{folder} is no prepared dataset; give a folder that scripts/prepare_dataset.py wrote.")
    return splits


def _clean_table(path: Path, survey: Survey, cleaning: Cleaning, file: Path, show_progress: bool) -> _CleanedSurvey:
    report, members = CleaningReport(), []
    source = LightCurveSource.open(path, columns=survey.columns)
    progress = tqdm(total=source.num_light_curves, desc=survey.name, unit=" curves", disable=not show_progress)
    with progress, pq.ParquetWriter(file, PREPARED_SCHEMA, compression="zstd") as writer:
        for table, counted in iter_clean_tables(source, survey, cleaning, objects_per_chunk=_ROWS_PER_BATCH):
            writer.write_table(table)
            table = table.append_column("points", pc.list_value_length(table["mag"]))
            members.append(table.select(["object_id", "identity", "label", "points"]).to_pandas())
            report += counted
            progress.update(counted.objects_read)
    if not report.objects_kept:
        raise TableError(f"{path} has no light curve left after cleaning: {vars(report)}. {source.ledger.line}")
    return _CleanedSurvey(survey, path, file, pd.concat(members, ignore_index=True), report, source.ledger)


def _stars_and_splits(
    cleaned: Sequence[_CleanedSurvey], keep_splits_of: Sequence[Path]
) -> tuple[dict[str, str], dict[str, str]]:
    """The star behind every name that is not the star's own, and the splits of the stars that are fixed beforehand."""
    stars: dict[str, str] = {}
    for part in cleaned:
        linked = part.members[part.members["object_id"] != part.members["identity"]]
        for object_id, identity in zip(linked["object_id"], linked["identity"], strict=True):
            if stars.setdefault(object_id, identity) != identity:
                raise TableError(f"Object {object_id!r} has two identities, {stars[object_id]!r} and {identity!r}.")
    for name in stars:
        chain = [name]
        while (after := stars.get(chain[-1])) is not None:
            if after in chain:
                raise TableError(f"Names go round in a circle: {' -> '.join([*chain, after])}.")
            chain.append(after)
        stars[name] = chain[-1]

    assigned: dict[str, str] = {}

    def assign(name: str, split: str, source: str) -> None:
        star = stars.get(name, name)
        if assigned.setdefault(star, split) != split:
            raise TableError(
                f"{source} puts the star {star!r} into {split}, but it is in {assigned[star]} already: prepare the surveys "
                "that share it together."
            )

    for part in cleaned:
        if part.survey.held_out:
            for name in part.members["identity"]:
                assign(name, "test", part.survey.name)
    for folder in keep_splits_of:
        for name, split in read_splits(folder).items():
            assign(name, split, folder.name)
    return stars, assigned


def _write_shards(file: Path, members: pd.DataFrame, folder: Path, rows_per_shard: int) -> None:
    """Distribute clean light curves over `<split>-00000-of-0000N.parquet`, in their order."""
    folder.mkdir()
    shard = members.groupby("split").cumcount() // rows_per_shard
    num_shards = members["split"].map(shard.groupby(members["split"]).max() + 1)
    parts = zip(members["split"], shard, num_shards, strict=True)
    names = pd.Series([f"{split}-{number:05d}-of-{total:05d}.parquet" for split, number, total in parts])
    writers: dict[str, pq.ParquetWriter] = {}
    start = 0
    with ExitStack() as stack:
        cleaned = pq.ParquetFile(file)
        for group in range(cleaned.num_row_groups):
            table = cleaned.read_row_group(group)
            rows = slice(start, start + len(table))
            start += len(table)
            table = table.set_column(1, "identity", pa.array(members["identity"].iloc[rows], pa.string()))
            for name in names.iloc[rows].unique():
                if name not in writers:
                    writer = pq.ParquetWriter(folder / name, PREPARED_SCHEMA, compression="zstd")
                    writers[name] = stack.enter_context(writer)
                writers[name].write_table(table.filter(pa.array(names.iloc[rows] == name)))


def _describe(part: _CleanedSurvey, members: pd.DataFrame, cleaning: Cleaning, rule: SplitRule, command: str) -> dict[str, Any]:
    return {
        "survey": part.survey.name,
        "source": part.source.name,
        "command": command.replace(str(Path.home()), "~"),  # the card may be shared
        "cleaning": asdict(cleaning),
        "ledger": {"line": part.ledger.line, **part.ledger.to_dict()},
        "report": vars(part.report),
        "split_rule": asdict(rule) | {"held_out": part.survey.held_out},
        "splits": {
            split: {
                "light_curves": len(rows),
                "stars": rows["identity"].nunique(),
                "points": int(rows["points"].sum()),
                "classes": rows["label"].value_counts().to_dict(),
            }
            for split in SPLITS
            if len(rows := members[members["split"] == split])
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("astromer-hf", "numpy", "pandas", "pyarrow")},
    }


def _dataset_card(survey: Survey, preparation: Mapping[str, Any]) -> str:
    """The README that names the files of each split to `datasets` and says what the light curves are."""
    splits, report = preparation["splits"], preparation["report"]
    files = "".join(f"      - split: {split}\n        path: {split}-*.parquet\n" for split in splits)
    sizes = [("split", "light curves", "stars", "points")]
    sizes += [(split, *(counts[name] for name in ("light_curves", "stars", "points"))) for split, counts in splits.items()]
    classes = [("class", "", *splits)]
    classes += [
        (item.name, item.description, *(counts["classes"].get(item.name, 0) for counts in splits.values()))
        for item in survey.classes
    ]
    dropped = ", ".join(
        f"{count} {kind} ({reason})" for kind in ("objects", "points") for reason, count in report[f"{kind}_dropped"].items()
    )
    bands = ", ".join(
        band.name + (f" ({band.effective_wavelength_nm:g} nm)" if band.effective_wavelength_nm else "") for band in survey.bands
    )
    return f"""---
license: unknown
configs:
  - config_name: default
    data_files:
{files}tags:
  - astronomy
  - light-curves
  - time-series
---

# {survey.name}

{survey.description} Bands: {bands or "unknown"}. Times: {survey.time_system}, in days.

Columns: `object_id`, `identity` (of the star, for splits), `survey`, `band`, `label` (null where unclassified), and for each
observation `mjd`, `mag` and `magerr` (NaN where unknown), sorted by time.

{_markdown_table(sizes)}

{_markdown_table(classes)}

No star is in two splits. Dropped in cleaning: {dropped or "nothing"}.

Everything else about the making is in `{PREPARATION_FILE}`; the command was

```
{preparation["command"]}
```

```python
from datasets import load_dataset

light_curves = load_dataset("path/to/{survey.name}")  # with streaming=True nothing is copied into the cache
light_curves = light_curves.class_encode_column("label")  # class ids in place of names
```

`astromer-hf push path/to/{survey.name} organisation/{survey.name}` shares it with this card; it is then loaded by that name.

Cite {"; ".join(survey.citations) or "the survey"}. The measurements belong to the survey; this card grants no licence to them.
"""


def _markdown_table(rows: Sequence[Sequence[object]]) -> str:
    """The first row is the header."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
