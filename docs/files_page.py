# Copyright 2026 The astromer_hf developers. MIT licence.
"""The page "Your files", `your-files.md`, from the readers of formats and the records of surveys.

`mkdocs.yml` names this file as a hook.
"""

from collections.abc import Iterator

from astromer_hf.light_curves.formats import READERS
from astromer_hf.light_curves.layouts import LAYOUTS, Flag, Layout
from astromer_hf.light_curves.ledger import REASONS
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGE = "your-files.md"
START = """# Your files

Every command, function and pipeline reads a file as it came. `astromer-hf inspect FILE` shows how it is understood.

```sh
astromer-hf inspect curves.csv --picture first.png
astromer-hf embed curves.csv -o embeddings.parquet
```

- A file, a folder, a pattern (`"curves/*.dat"`), a zip or tar, or in Python a table of pandas, polars, pyarrow or astropy.
- A dataset of the Hub: `hf://datasets/ORG/NAME --split test`, see [Datasets of the Hub](how-to/hub-datasets.md).
- Bands are never mixed in one light curve. A column that may be the band, or the star, is asked about.
- Without a column of ids a file is one star, named by its header or its file name.
- Fluxes become magnitudes with errors; fluxes that are not positive are dropped and counted, or kept by `--asinh`.
- Several ids of one star are joined by `--star-column` or `--join-arcsec 1`.
- Every command ends with one line a file: what was recognised, and how many points were used and dropped, by reason.

## Formats
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content="\n".join(write_page())))
    return files


def write_page() -> Iterator[str]:
    """The lines of the page."""
    yield START
    yield "| format | usual endings | what happens |\n|---|---|---|"
    for reader in READERS:
        endings = ", ".join(f"`{suffix}`" for suffix in reader.suffixes if suffix)
        yield f"| {reader.name} | {endings} | {reader.description} |"
    yield "| folder | | Parquet shards, partitions, HATS; else a catalogue with a column of paths; else a file a star. |"
    yield "| archive | `.zip`, `.tar`, `.tar.gz` | A folder in an archive. |"
    yield "| dataset of the Hub | `hf://datasets/...` | Streamed; of several splits one is named by `--split`. |"
    yield "| folder of `datasets` | | What `save_to_disk` wrote, or any dataset folder with `--split`. |"
    yield "\nText and JSON may be compressed: `.gz`, `.bz2`, `.xz`.\n"
    yield "## Surveys\n\nA survey is recognised by its columns. `--survey NAME` overrules it, `--no-survey` turns it off.\n"
    yield "| survey | `--survey` | recognised by | read as | not used |\n|---|---|---|---|---|"
    for layout in LAYOUTS.values():
        yield f"| {layout.title} | `{layout.name}` | {_recognised(layout)} | {_roles(layout)} | {_dropped(layout)} |"
    yield "\n## Why points are dropped\n"
    yield ", ".join(REASONS[1:]) + ". `--keep-flagged` keeps what is flagged.\n"


def _recognised(layout: Layout) -> str:
    return (
        ", ".join(f"`{name}`".replace("|", "` or `") for name in layout.requires)
        or "by name only"
    )


def _roles(layout: Layout) -> str:
    roles = [
        f"{role} `{column}`".replace("|", "` or `")
        for role, column in layout.columns.items()
    ]
    return ", ".join([*roles, *(f"{band.band} `{band.value}`" for band in layout.wide)])


def _dropped(layout: Layout) -> str:
    parts = [
        _flag(flag)
        for flag in (
            *layout.flags,
            *(flag for band in layout.wide for flag in band.flags),
        )
    ]
    parts += (
        [f"upper limits: {_flag(layout.upper_limit)}"] if layout.upper_limit else []
    )
    parts += [f"fainter than `{layout.limit}`"] if layout.limit else []
    parts += ["below zero: a negative flux"] if layout.negative_is_flux else []
    parts += ["zeros that fill lists up"] if layout.is_padded else []
    return "; ".join([*parts, *([layout.note] if layout.note else [])])


def _flag(flag: Flag) -> str:
    return f"`{flag.column}` {flag.test} {flag.value}".replace("|", " or ")
