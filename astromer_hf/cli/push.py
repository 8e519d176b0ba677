# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf push`."""

from pathlib import Path
from typing import Annotated

import typer

from .models import quiet_transformers
from .report import Report, reports

EXAMPLES = ("astromer-hf push runs/mine organisation/name --tag v1.0",)


@reports
def push(
    folder: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of the checkpoint or prepared dataset.")],
    repo_id: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository on the Hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public. Without it, the repository is private.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Branch to push to; it is created if it does not exist. Default: main.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Tag of the new commit, such as v1.0.")] = None,
    parent: Annotated[str | None, typer.Option(metavar="COMMIT", help="Push only on top of this commit.")] = None,
    message: Annotated[str | None, typer.Option(help="Commit message.")] = None,
) -> Report:
    """Share a checkpoint, or a prepared dataset, on the Hub.

    It uploads weights, configuration, card and the code that loads them, and no other file of the folder. In a repository in
    which you may not write, it opens a pull request.
    """
    from ..hub.check import is_prepared_dataset
    from ..hub.push import push_checkpoint, push_dataset

    quiet_transformers()
    pushed = (push_dataset if is_prepared_dataset(folder) else push_checkpoint)(
        folder, repo_id, private=not public, revision=revision, tag=tag, parent=parent, message=message
    )
    where = f"pull request {pushed.pull_request}" if pushed.pull_request else f"commit {pushed.commit.oid}"
    visibility = "private" if pushed.private else "public"
    facts = {
        "repo_id": pushed.repo_id,
        "files": pushed.files,
        "private": pushed.private,
        "commit": pushed.commit.oid,
        "pull_request": pushed.pull_request,
    }
    return Report(f"{len(pushed.files)} files -> {pushed.repo_id} ({visibility}), {where}", facts)
