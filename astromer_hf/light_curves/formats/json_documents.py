# Copyright 2026 The astromer_hf developers. MIT licence.
"""JSON as brokers and catalogues give it: a list of measurements, somewhere in a document, perhaps one list an object.

Before this file stands a path; after it `roles.py`. The list is found by its keys: records that have a time. Single
values beside it, such as `objectId`, become columns.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..columns import BAND_WORDS, COLUMN_GUESSES, TableError
from .base import RawTable, one_line, stem_of, table_in_memory
from .memory import table_of
from .text import open_decompressed

MAX_DEPTH = 4
TIME_KEYS = frozenset(COLUMN_GUESSES["mjd"]) | {"i:jd", "r:midpointmjdtai", "midpointtai", "ant_mjd", "obsdate"}
ID_KEYS = ("objectid", "object_id", "oid", "diaobjectid", "id", "name", "snid", "star", "source_id")
# Lists of what was not detected, beside a list of detections.
NOT_MEASURED = frozenset({"non_detections", "noncandidates", "non_candidates", "diaforcedsourceslist", "forced_photometry"})


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is JSON."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return path.name.lower().split(".")[-1] in ("json", "jsonl", "ndjson") or start[:1] == b"{" or start[:2] in (b"[{", b"[\n")


def read(path: Path) -> RawTable:
    """The measurements of a JSON document, or of one a line.

    Raises:
        TableError: it is no JSON, or has no list of measurements.
    """
    with open_decompressed(path) as file:
        text = file.read().decode("utf-8-sig", "replace")
    try:
        document = json.loads(text)
    except ValueError as error:
        try:
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise TableError(f"{path.name} cannot be read as JSON: {one_line(error)}.") from error
    if isinstance(document, dict) and isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        document = [dict(zip(document["columns"], row, strict=False)) for row in document["data"]]  # of pandas, by "split"
    try:
        records = list(_measurements(document, {}))
    except TableError as error:
        raise TableError(f"{path.name} cannot be read as JSON of light curves: {error}") from None
    if not records:
        if columns := _columns_in(document):
            raw = table_of(columns, path.name, star=stem_of(path), files=(path,))
            assert raw is not None
            return RawTable(**{**vars(raw), "format": "JSON"})
        raise TableError(
            f"{path.name} cannot be read as JSON of light curves: it has no list of records with a time, such as "
            '[{"object_id": "a", "mjd": 58000.1, "mag": 15.2}].'
        )
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [_plain(record.get(name)) for record in records] for name in names}
    table = pa.table({name: _as_array(values) for name, values in columns.items()})
    star = next((str(value) for key, value in _singles(document).items() if key.lower() in ID_KEYS), None)
    return table_in_memory(path.name, "JSON", table, star=star or stem_of(path), files=(path,))


def _measurements(document: Any, above: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Records of measurements, with the single values above them."""
    if depth > MAX_DEPTH:
        return
    if isinstance(document, list):
        records = [item for item in document if isinstance(item, dict)]
        if records and any(_has_time(record) for record in records):
            for record in records:
                yield {**above, **record}
            return
        for item in records:
            yield from _measurements(item, above, depth + 1)
    elif isinstance(document, dict):
        if lists := _lists_of_points(document):
            singles = {key: value for key, value in document.items() if not isinstance(value, (list, dict))}
            for values in zip(*lists.values(), strict=True):
                yield {**above, **singles, **dict(zip(lists, values, strict=True))}
            return
        own = {**above, **{key: value for key, value in _singles(document).items() if key.lower() in ID_KEYS}}
        yield from _measurements_in(document, own, depth)


def _measurements_in(document: dict[str, Any], own: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Records of measurements in the lists and objects of an object, which are told apart by their keys where they are several.

    Raises:
        TableError: an object has several lists of measurements that are neither bands nor stars.
    """
    inner = [value for value in document.values() if isinstance(value, dict)]
    if len(inner) == len(document) > 1 and all(map(_has_time, inner)):  # {"0": {"mjd": ...}, "1": ...}
        yield from _measurements(inner, own, depth + 1)
        return
    found = {
        key: list(_measurements(value, own, depth + 1))
        for key, value in document.items()
        if isinstance(value, (list, dict)) and key.lower() not in NOT_MEASURED
    }
    found = {key: records for key, records in found.items() if records}
    role = None
    if found.keys() <= BAND_WORDS:
        role = "band"
    elif not own and (len(found) > 1 or (depth == 0 and all(isinstance(document[key], dict) for key in found))):
        role = "name"  # {"SN 2011fe": {"photometry": [...]}}
    elif len(found) > 1:
        raise TableError(
            f"The document has several lists of measurements of one object, {', '.join(found)}: keep the one that is meant, "
            "and leave the others out."
        )
    for key, records in found.items():
        for record in records:
            is_told = role is None or any(name.lower() in (role, *(ID_KEYS if role == "name" else ())) for name in record)
            yield record if is_told or role is None else {role: key, **record}


def _lists_of_points(record: dict[str, Any]) -> dict[str, list[Any]]:
    """The lists of a record that has lists of times and of other values; empty for any other."""
    lists = {key: value for key, value in record.items() if isinstance(value, list)}
    times = next((value for key, value in lists.items() if key.lower() in TIME_KEYS), [])
    if not times or any(isinstance(value, (list, dict)) for value in times):
        return {}
    return {key: value for key, value in lists.items() if len(value) == len(times)}


def _has_time(record: dict[str, Any]) -> bool:
    return any(key.lower() in TIME_KEYS and not isinstance(value, (list, dict)) for key, value in record.items())


def _singles(document: Any) -> dict[str, Any]:
    """Single values of an object, and of the objects in it."""
    if not isinstance(document, dict):
        return {}
    found = {key: value for key, value in document.items() if isinstance(value, (str, int, float))}
    for value in document.values():
        if isinstance(value, dict):
            found |= {key: inner for key, inner in value.items() if isinstance(inner, (str, int)) and key.lower() in ID_KEYS}
    return found


def _columns_in(document: Any) -> dict[str, list[Any]] | None:
    """A document of columns, `{"mjd": [...], "mag": [...]}` or pandas' `{"mjd": {"0": ...}}`."""
    if not isinstance(document, dict) or not _has_time(dict.fromkeys(document, 0)):
        return None
    columns = {key: list(value.values()) if isinstance(value, dict) else value for key, value in document.items()}
    columns = {key: value for key, value in columns.items() if isinstance(value, list)}
    return columns if len({len(value) for value in columns.values()}) == 1 else None


def _plain(value: Any) -> Any:
    """A single value; what has several, such as the times of a stacked spectrum, is no measurement."""
    return None if isinstance(value, (list, dict)) else value


def _as_array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
