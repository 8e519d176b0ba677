# Copyright 2026 The astromer_hf developers. MIT licence.
"""Datasets of the Hugging Face Hub, and objects of the package `datasets`, as raw tables that are read a batch at a time.

Before this file stands an address, a folder of a dataset, or such an object; after it `source.py`. `datasets` finds the files
of a split, downloads what is read, and caches and repeats requests; nothing is stored here. It is imported where it is needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..columns import TableError
from .base import RawTable, naming, one_line
from .nested import flat_fields, flatten_batch

NAMES_OF_FORMATS = {"parquet": "parquet of the Hub", "csv": "CSV of the Hub", "json": "JSON of the Hub"}
_ROWS_LOOKED_AT = 16  # where nothing else says which columns there are
_BATCH_OF_FILE = 4096  # rows of a parquet file that are decoded at a time


@dataclass(frozen=True)
class Address:
    """A dataset of the Hub.

    Args:
        repo (`str`): `organisation/name`.
        revision (`str`, *optional*): branch, tag or commit.
        path (`str`, *optional*): one of its files, or a pattern of them.
        is_guess (`bool`): whether it was written as `organisation/name` alone, which looks like a path too.
    """

    repo: str
    revision: str | None = None
    path: str | None = None
    is_guess: bool = False


def find_address(source: str | Path, split: str | None = None, subset: str | None = None) -> Address | None:
    """The dataset of the Hub that an argument names; None where it is a path. A path that exists is never an address.

    Args:
        source: `hf://datasets/ORG/NAME`, with `@REVISION` or a path in it if wanted; the address of a page of the Hub; or
            `ORG/NAME`, where there is no such file.
        split, subset: whether they are given tells `ORG/NAME` from the path of a file that is missing.

    Raises:
        TableError: it is an address, but of no dataset.
    """
    text = re.sub(r"^(hf|https?):/+", r"\1://", str(source))  # a `Path` has one slash
    if text.startswith(("hf://", "http://", "https://")):
        from huggingface_hub.utils import parse_hf_uri

        try:
            found: Any = parse_hf_uri(text)
        except ValueError as error:
            raise TableError(f"{text} is no dataset of the Hub; expected hf://datasets/ORGANISATION/NAME.") from error
        if found.type != "dataset":
            raise TableError(f"{text} is no dataset but a {found.type}; expected hf://datasets/ORGANISATION/NAME.")
        return Address(found.id, found.revision, found.path_in_repo or None)
    if Path(text).exists() or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text):
        return None
    if split is None and subset is None and (Path(text).parent.is_dir() or _looks_like_file(text)):
        return None
    return Address(text, is_guess=True)


def _looks_like_file(text: str) -> bool:
    from . import may_be_table
    from .folders import is_archive

    return (bool(Path(text).suffix) and may_be_table(Path(text))) or is_archive(Path(text))


def open_address(address: Address, split: str | None = None, subset: str | None = None) -> RawTable:
    """A split of a dataset of the Hub.

    Raises:
        FileNotFoundError: there is no such dataset, or none that may be seen.
        TableError: there is no such split or subset, several and none is named, or the Hub cannot be reached.
    """
    with _reaching(address):
        return _open(address.repo, split, subset, revision=address.revision, data_files=address.path)


def open_folder(folder: Path, split: str | None = None, subset: str | None = None) -> RawTable:
    """A split of a dataset in a folder, as `datasets` saves or downloads it.

    Raises:
        TableError: there is no such split or subset, or several and none is named.
    """
    import datasets

    if is_saved(folder):
        saved = datasets.load_from_disk(str(folder))
        table = table_of_dataset(saved, split, folder.name)
    else:
        try:
            table = _open(str(folder), split, subset, name=folder.name)
        except (FileNotFoundError, ValueError) as error:
            if isinstance(error, TableError):
                raise
            raise TableError(f"{folder} is no dataset with splits: {one_line(error)}. Leave --split out.") from error
    files = tuple(sorted(file for file in folder.rglob("*") if file.is_file()))
    return replace(table, files=files, star=folder.name)


def download(source: str | Path, subset: str | None = None) -> Any:
    """All splits of a dataset of the Hub, or of one in a folder, as a `datasets.DatasetDict` on disk.

    `datasets` keeps what it downloads in its cache, so that it is downloaded once.

    Raises:
        FileNotFoundError: there is no such dataset, or none that may be seen.
        TableError: it cannot be read, or the Hub cannot be reached.
    """
    import datasets

    if address := find_address(source):
        with _reaching(address):
            return datasets.load_dataset(address.repo, subset, revision=address.revision, data_files=address.path)
    folder = Path(source)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}; a dataset of the Hub is written hf://datasets/ORGANISATION/NAME."
        )
    return datasets.load_from_disk(str(folder)) if is_saved(folder) else datasets.load_dataset(str(folder), subset)


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` of `datasets` wrote a folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _open(
    path: str,
    split: str | None,
    subset: str | None,
    revision: str | None = None,
    data_files: str | None = None,
    name: str | None = None,
) -> RawTable:
    """A split of what `datasets.load_dataset` opens, streamed."""
    import datasets

    places: dict[str, Any] = {"revision": revision, "data_files": data_files}
    try:
        builder = datasets.load_dataset_builder(path, subset, **places)
    except ValueError as error:
        subsets = [] if data_files else datasets.get_dataset_config_names(path, **places)
        if len(subsets) < 2 and subset is None:
            raise
        there = f"it has {', '.join(subsets)}" if subsets else "it has none"
        wanted = f"has no subset {subset!r}; {there}" if subset else f"has several subsets, {', '.join(subsets)}"
        raise TableError(f"{name or path} {wanted}: say which is read (--subset NAME).") from error
    splits = [str(name) for name in builder.config.data_files or builder.info.splits or ()]
    chosen = choose_split(splits, split, name or path)
    if name is None and re.fullmatch(r"[0-9a-f]{40}", str(builder.hash)):
        places["revision"] = builder.hash  # what is read later is the same commit
    is_parquet = hasattr(builder.config, "fragment_scan_options")
    options = {"batch_size": _BATCH_OF_FILE} if is_parquet else {}

    def stream(columns: Sequence[str] | None) -> Any:
        selected = {"columns": list(columns)} if columns is not None and is_parquet else {}
        opened = datasets.load_dataset(
            path, builder.config.name if subset else None, split=chosen, streaming=True, **places, **options, **selected
        )
        return opened if columns is None else opened.select_columns(list(columns))

    shown = chosen if builder.config.name == "default" or data_files else f"{builder.config.name}, {chosen}"
    kind = type(builder.config).__name__.removesuffix("Config").lower()
    return _table(
        f"{name or path} ({data_files or shown})",
        NAMES_OF_FORMATS.get(kind, f"{kind} of the Hub").removesuffix(" of the Hub" if name else ""),
        stream,
        star=path.rpartition("/")[2],
        origin="" if name else f"hf://datasets/{path}@{places['revision']}, {data_files or shown}",
        address=Address(path, revision, data_files) if name is None else None,
    )


def choose_split(splits: Sequence[str], wanted: str | None, name: str) -> str:
    """The split that is read: the one that is wanted, or the only one. None is taken from several without a word.

    Raises:
        TableError: there is no such split, or there are several.
    """
    listed = ", ".join(splits)
    if wanted is not None and wanted not in splits:
        raise TableError(f"{name} has no split {wanted!r}; it has {listed}: give one of them (--split NAME).")
    if wanted is None and len(splits) != 1:
        raise TableError(f"{name} has several splits, {listed}: say which is read (--split NAME).")
    return wanted or splits[0]


# --- Objects of `datasets` ---


def is_dataset(source: Any) -> bool:
    """Whether an object is of the package `datasets`, which is not imported to know it."""
    return any(kind.__module__.split(".")[0] == "datasets" for kind in type(source).__mro__)


def table_of_dataset(source: Any, split: str | None = None, name: str | None = None) -> RawTable:
    """A `datasets.Dataset` or `IterableDataset`, or a split of a dictionary of them, as a raw table.

    Raises:
        TableError: there is no such split, or several and none is named; or it has no columns.
    """
    kind = name or type(source).__name__
    if isinstance(source, Mapping):
        chosen = choose_split([str(key) for key in source], split, f"This {kind}" if name is None else kind)
        kind, source = f"{kind} ({chosen})", source[chosen]
    elif split is not None:
        raise TableError(f"A split is one of a DatasetDict, and this is a {type(source).__name__}: leave the split out.")

    def stream(columns: Sequence[str] | None) -> Any:
        return source if columns is None else source.select_columns(list(columns))

    return _table(kind, "table", stream, star=name or type(source).__name__)


def _table(
    name: str,
    format: str,
    stream: Callable[[Sequence[str] | None], Any],
    star: str,
    origin: str = "",
    address: Address | None = None,
) -> RawTable:
    """A raw table of what `stream(columns)` opens, all columns where they are None."""
    whole = stream(None)
    features = whole.features
    if features is None:
        first = next(_tables_of(whole, _ROWS_LOOKED_AT), None)
        if first is None:
            raise TableError(f"{name} holds no light curve.")
        stored = first.schema
    else:
        stored = features.arrow_schema
    words = {column: feature.names for column, feature in (features or {}).items() if hasattr(feature, "int2str")}
    flat = [(field.name, inner) for field in stored for inner in flat_fields(field)]
    tops = {inner.name: top for top, inner in flat}
    schema = pa.schema([pa.field(inner.name, pa.string() if inner.name in words else inner.type) for _, inner in flat])

    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(columns))
        with _reaching(address) if address else nullcontext(), _naming_shards(name), naming(name):
            opened = stream(list(dict.fromkeys(tops[column] for column in wanted)))
            for table in _tables_of(opened, rows):
                for batch in table.combine_chunks().to_batches():
                    plain = flatten_batch(batch, wanted)
                    arrays = [
                        _in_words(plain[column], words[column]) if column in words else plain[column] for column in wanted
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, names=wanted)

    return RawTable(name, format, schema, batches, star=star, origin=origin)


def _tables_of(dataset: Any, rows: int) -> Iterator[pa.Table]:
    """A dataset as tables of at most so many rows. Of one without features, such as a generator's, Arrow infers the types."""
    if dataset.features is not None:
        yield from dataset.with_format("arrow").iter(rows)
        return
    for batch in dataset.with_format(None).iter(rows):
        yield pa.table(batch)


@contextmanager
def _naming_shards(name: str) -> Iterator[None]:
    """What `datasets` raises where the files of a split differ in their columns, in one line."""
    try:
        yield
    except TableError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise TableError(f"{name} cannot be read, its files may differ in their columns: {one_line(error)[:300]}.") from error


def _in_words(numbers: pa.Array, names: Sequence[str]) -> pa.Array:
    """Numbers of a `ClassLabel` as names; -1, by which `datasets` says that there is none, is null."""
    known = pc.if_else(pc.greater_equal(numbers, 0), numbers, None)
    return pa.array(names, pa.string()).take(known)


# --- What goes wrong ---


@contextmanager
def _reaching(address: Address) -> Iterator[None]:
    """Turn whatever the Hub and its clients say into one line that says what to do.

    Raises:
        FileNotFoundError: there is no such dataset, or none that may be seen.
        TableError: anything else.
    """
    import httpx
    from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RevisionNotFoundError

    try:
        yield
    except TableError:
        raise
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
        repo, page = address.repo, f"{constants.ENDPOINT}/datasets/{address.repo}"
        chain = _chain(error)
        instead = f"or download it elsewhere (hf download {repo} --repo-type dataset --local-dir FOLDER) and name the folder"
        nowhere = f"There is no file {repo}. " if address.is_guess else ""
        kind: type[Exception] = TableError
        if _any(chain, GatedRepoError) or "is a gated dataset" in str(error):
            message = f"The dataset {repo} is gated: ask for access at {page}, then log in with `hf auth login`."
        elif _any(chain, RevisionNotFoundError) or str(error).startswith("Revision "):
            message = f"The dataset {repo} has no revision {address.revision!r}; {page} lists them."
        elif _any(chain, OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
            message = f"{nowhere}The dataset {repo} is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub: unset it, "
            message += f"{instead}."
        elif _any(chain, ConnectionError, httpx.ConnectError, httpx.TimeoutException):
            message = (
                f"{nowhere}The Hub cannot be reached for the dataset {repo} ({one_line(error)}): try again with a network, "
            )
            message += f"{instead}."
        elif _any(chain, DataFilesNotFoundError) or (address.path and _any(chain, FileNotFoundError)):
            what = f"file {address.path}" if address.path else "files of a format that can be read"
            message = f"The dataset {repo} has no {what}; {page}/tree/main lists its files."
        elif _any(chain, DatasetNotFoundError):
            kind = FileNotFoundError
            message = f"{nowhere}There is no dataset {repo} on the Hub, or you may not see it: check its name, and if it is "
            message += "private, log in with `hf auth login`."
        elif "scripts are no longer supported" in str(error):
            message = f"The dataset {repo} is read by a program of its own, which is not run: download its files, and name "
            message += "their folder."
        else:
            message = f"The dataset {repo} cannot be read: {one_line(error)}."
        raise kind(message) from error


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _any(chain: Sequence[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in chain)
