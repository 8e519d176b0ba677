# Copyright 2026 The astromer_hf developers. MIT licence.
"""How a text is to be read, found by a look at its beginning: delimiter, header, decimal sign, comments.

Nothing comes before this file; after it `text.py`, which streams a text by its dialect.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..columns import TableError

COMMENT_MARKS = ("#", "\\", "%", "!")
LINES_LOOKED_AT = 40
DECIMAL_COMMA = r"^(\s*[<>~\[]?[-+]?\d*),(\d+(?:[eE][-+]?\d+)?\s*)$"
_NUMBER = re.compile(r"^[<>~\[]?[-+]?(\d+[.,]?\d*|[.,]\d+)([eEdD][-+]?\d+)?$")
_COMMA_NUMBER = re.compile(r"^[<>~\[]?[-+]?\d*,\d+$")
_MISSING = frozenset({"", "nan", "none", "null", "\\n", "-", "--", "---", "na", "n/a", "inf", "-inf"})
# What stands in a line of units under a header. Other words are values, and an error where numbers are needed.
_UNITS = frozenset(
    [
        *("", "-", "d", "day", "days", "jd", "mjd", "hjd", "bjd", "bjd-tdb", "yr", "s", "sec", "h", "min", "mag", "mags"),
        *("mmag", "jy", "mjy", "ujy", "njy", "e-/s", "electron/s", "adu", "adu/s", "count", "counts", "ct", "deg", "degree"),
        *("degrees", "arcsec", "pix", "pixel", "float", "double", "int", "char", "str", "string", "bool"),
    ]
)
_STAR_IN_COMMENT = re.compile(
    r"^\W*(?:object(?:[ _]?(?:id|name))?|star(?:[ _]?(?:id|name))?|target|targname|desig)\s*[:=]\s*['\"]?([^'\"/,;|]+)", re.I
)


@dataclass(frozen=True)
class Dialect:
    """How a text is to be read.

    Args:
        delimiter (`str`): one character, or `" "` for any white space.
        names (`tuple[str, ...]`): of the columns.
        has_header (`bool`): whether the file names them.
        skipped (`int`): lines before the first line of data.
        drops_comments (`bool`): whether lines of comment may follow between the data.
        trims (`bool`): whether blanks stand around the values.
        escapes (`bool`): whether quotes within quotes are written as `\\"`.
        decimal_comma (`bool`): whether numbers are written as `15,2`.
        lists (`tuple[str, ...]`): columns whose cells are lists, written as `[1.0, 2.0]` or `(1.0, 2.0)`.
        units (`Mapping[str, str]`): of columns, from a line under the header.
        star (`str`, *optional*): that a comment names.
    """

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    skipped: int
    drops_comments: bool = False
    escapes: bool = False
    trims: bool = False
    decimal_comma: bool = False
    lists: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    star: str | None = None


def sniff(head: str, *, complete: bool, name: str = "") -> Dialect:
    """The dialect of a text by its beginning.

    Args:
        head: the beginning, without a byte order mark.
        complete: whether it is all of the text; else its last line may be cut.
        name: of the file, for the message.

    Raises:
        TableError: there is no line of data.
    """
    lines = re.split(r"\r\n|\n|\r", head)
    if not complete and len(lines) > 1:
        lines = lines[:-1]
    is_comment = [line.lstrip().startswith(COMMENT_MARKS) for line in lines]
    filled = [i for i, line in enumerate(lines) if line.strip() and not is_comment[i]]
    if filled and re.fullmatch(r"sep=.", lines[filled[0]].strip()):  # Excel's
        filled = filled[1:]
    if not filled:
        raise TableError(
            f"{name} cannot be read as a table of light curves: it " + ("has no line of data." if head.strip() else "is empty.")
        )
    filled = _without_titles(lines, filled)
    first = filled[0]
    delimiter = _delimiter_of(lines[first], lines[filled[1]] if len(filled) > 1 else None)
    fields = _split(lines[first], delimiter)
    dialect = Dialect(
        delimiter,
        tuple(fields),
        True,
        first + 1,
        drops_comments=any(is_comment[first:]),
        escapes='\\"' in head,
        trims=any(f"{delimiter} " in lines[i] or f" {delimiter}" in lines[i] for i in filled[:20]),
        star=next((found for i, line in enumerate(lines[:first]) if is_comment[i] and (found := _star_in(line))), None),
    )
    if _is_data(fields):
        dialect = _named_by_comment(dialect, [lines[i] for i in range(first) if is_comment[i]])
        return _with_cells(replace(dialect, skipped=first), [lines[i] for i in filled])
    below = filled[1:]
    if below:  # a header with another delimiter than the data, as of ZTF's forced photometry
        own = _delimiter_of(lines[below[0]], lines[below[1]] if len(below) > 1 else None)
        if own != delimiter and len(_split(lines[below[0]], own)) in (len(fields), len(fields) + 1):
            dialect = replace(dialect, delimiter=own)
    while below and (_is_rule(lines[below[0]]) or _are_units(_split(lines[below[0]], dialect.delimiter))):
        if not _is_rule(lines[below[0]]):
            units = _split(lines[below[0]], dialect.delimiter)
            dialect = replace(dialect, units={n: unit for n, unit in zip(fields, units, strict=False) if unit.strip("-")})
        dialect = replace(dialect, skipped=below[0] + 1)
        below = below[1:]
    return _with_cells(_with_column_before(dialect, [lines[i] for i in below]), [lines[i] for i in below])


def _without_titles(lines: Sequence[str], filled: list[int]) -> list[int]:
    """The lines without titles above the header: lines of other lengths, below which a header as long as the data stands."""
    looked = filled[:LINES_LOOKED_AT]
    fields = [
        _split(lines[i], _delimiter_of(lines[i], lines[after] if after is not None else None))
        for i, after in zip(looked, [*looked[1:], None], strict=True)
    ]
    usual, count = Counter(map(len, fields)).most_common(1)[0]
    if usual < 2 or count < 3 or abs(len(fields[0]) - usual) == 0:
        return filled
    place = next(place for place, own in enumerate(fields) if len(own) == usual)
    return filled if _is_data(fields[place]) else filled[place:]


def _delimiter_of(line: str, following: str | None) -> str:
    """The delimiter by a header or first line, checked by the next one."""
    words = line.split()
    with_commas = [word for word in words if "," in word]
    if len(words) > 1 and len(with_commas) > 1 and all(map(_COMMA_NUMBER.match, with_commas)) and not re.search("[;|\t]", line):
        return " "  # decimal commas
    for mark in ("\t", ";", "|", ","):
        if mark in line and (following is None or line.count(mark) <= following.count(mark) + 1 or mark == ","):
            if mark == "," and following is not None and "," not in following:
                continue
            return mark
    if "," not in line and ";" not in line and (re.search(r"\s", line.strip()) or "\t" in line):
        return " "
    return ","


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        words = next(csv.reader([" ".join(line.split())], delimiter=" "), []) if '"' in line else line.split()
        return [word.rstrip(",") for word in words]
    fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return [field.strip().strip('"').strip() for field in fields]


def _is_data(fields: Sequence[str]) -> bool:
    """Whether fields are values and no names: half of those that are not missing are numbers."""
    present = [field for field in fields if field.lower() not in _MISSING]
    numbers = [field for field in present if _NUMBER.match(field)]
    return bool(present) and (2 * len(numbers) >= len(present) or sum("." in field for field in numbers) >= 2)


def _is_rule(line: str) -> bool:
    """Whether a line is made of dashes, as under the header of a table of VizieR or of Markdown."""
    return bool(re.fullmatch(r"[-\s|;,:\t=]*-{2,}[-\s|;,:\t=]*", line))


def _are_units(fields: Sequence[str]) -> bool:
    words = [field.strip("[]() ").lower() for field in fields]
    return all(word in _UNITS for word in words) and any(word.strip("-") for word in words)


def _star_in(comment: str) -> str | None:
    """The star that a comment such as `# OBJECT = V838 Mon` names."""
    match = _STAR_IN_COMMENT.match(comment)
    return match[1].strip() or None if match else None


def _named_by_comment(dialect: Dialect, comments: Sequence[str]) -> Dialect:
    """Names of columns from the last comment that has as many words as there are columns; else their numbers."""
    count = len(dialect.names)
    for line in reversed(comments):
        words = line.lstrip().lstrip("".join(COMMENT_MARKS)).strip()
        for mark in dict.fromkeys((dialect.delimiter, ",", " ", "\t", "|")):
            header = _split(words, mark)
            if len(header) == count and not _is_data(header) and len(set(header)) == count:
                return replace(dialect, names=tuple(header))
    return replace(dialect, names=tuple(str(i + 1) for i in range(count)), has_header=False)


def _with_column_before(dialect: Dialect, data: Sequence[str]) -> Dialect:
    """A column of numbers of rows without a name, as R writes it, or an empty one after the last delimiter."""
    rows = [_split(line, dialect.delimiter) for line in data[:LINES_LOOKED_AT]]
    if not rows or any(len(row) != len(dialect.names) + 1 for row in rows):
        return dialect
    if all(row[-1] == "" for row in rows):
        return replace(dialect, names=(*dialect.names, ""))
    if all(row[0].isdigit() for row in rows) and [int(row[0]) for row in rows] == list(
        range(int(rows[0][0]), int(rows[0][0]) + len(rows))
    ):
        return replace(dialect, names=("", *dialect.names))
    return dialect


def _with_cells(dialect: Dialect, data: Sequence[str]) -> Dialect:
    """What the cells of the first lines of data are written like."""
    rows = [_split(line, dialect.delimiter) for line in data[:LINES_LOOKED_AT]]
    cells = [cell for row in rows for cell in row]
    has_points = any(re.fullmatch(r"[-+\d,]*\d[.]\d*", cell) for cell in cells)
    columns = [[row[i] for row in rows if i < len(row) and row[i]] for i in range(len(dialect.names))]
    is_list = [bool(own) and all(re.fullmatch(r"[\[(].*[\])]", cell) for cell in own) for own in columns]
    return replace(
        dialect,
        decimal_comma=not has_points and any(map(_COMMA_NUMBER.match, cells)),
        lists=tuple(name for name, own in zip(dialect.names, is_list, strict=True) if own),
    )
