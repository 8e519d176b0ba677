# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf check`."""

from pathlib import Path
from typing import Annotated

import typer

from .models import quiet_transformers
from .options import Revision
from .report import Report, reports

EXAMPLES = ("astromer-hf check runs/mine", "astromer-hf check organisation/name --revision v1.0 --json")


@reports
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL_DIR_OR_ID", help="Folder, or id on the Hub.")],
    revision: Revision = None,
) -> Report:
    """Check a checkpoint, or a prepared dataset, before you share or use it.

    Do all weights load? Is the card finished? Does the model reproduce its saved test vector? Do the files hold anything
    private?
    """
    from ..hub.check import check_checkpoint, check_dataset, is_prepared_dataset

    quiet_transformers()
    folder = Path(model)
    found = check_dataset(folder) if is_prepared_dataset(folder) else check_checkpoint(model, revision)
    lines = [*(f"ok: {line}" for line in found.passed), *(f"note: {line}" for line in found.notes)]
    problem = f"{model} is not ready to be shared: {'; '.join(found.problems)}" if found.problems else ""
    facts = {"model": model, "passed": found.passed, "notes": found.notes, "problems": found.problems}
    return Report("\n".join(lines), facts, problem)
