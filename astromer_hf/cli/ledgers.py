# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the command line says of the tables that it read: one line a file at the end, and where to look after an error.

Before this file stand `options.py` and the sources that a verb opened; after it `main.py`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..light_curves.columns import ReadingOptions
    from ..light_curves.ledger import Ledger


def ledgers_of(reading: "ReadingOptions") -> list["Ledger"]:
    """The accounts of all sources that were read, one a source."""
    last: dict[Any, Ledger] = {}
    for source in reading.sources:
        if source.ledger.num_light_curves:
            last[source.path] = source.ledger
    return list(last.values())


def tell(reading: "ReadingOptions | None") -> None:
    """Print one line for each source.

    Raises:
        ValueError: no point of any source could be used.
    """
    if reading is None:
        return
    ledgers = ledgers_of(reading)
    for ledger in ledgers:
        print(ledger.line)
    if ledgers and not any(ledger.points_used for ledger in ledgers):
        raise ValueError("No point could be used, see the line above.")


def next_step(error: BaseException, source: Any) -> str:
    """What to type after a table could not be read; empty after any other error."""
    from ..light_curves.columns import TableError

    if not isinstance(error, TableError) or source is None or not Path(source).exists():
        return ""
    name = str(source)
    shown = f"'{name}'" if " " in name else name
    return f"Look at it: astromer-hf inspect {shown}"
