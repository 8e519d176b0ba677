# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf card`."""

from pathlib import Path
from typing import Annotated

import typer

from .report import Report, reports

EXAMPLES = (
    "astromer-hf card runs/mine organisation/name --data data/prepared/macho --metrics runs/mine/test_results.json",
    "astromer-hf card runs/mine --metrics runs/mine/test_results.json",
)


@reports
def card(
    folder: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of the checkpoint.")],
    repo_id: Annotated[
        str | None, typer.Argument(metavar="ORG/NAME", help="Repository to which it will be pushed; for a new card.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(metavar="SURVEY_OR_FOLDER ...", help="Surveys, or prepared folders, it was trained on.")
    ] = None,
    base_model: Annotated[str | None, typer.Option(metavar="ORG/NAME", help="Model that was fine-tuned.")] = None,
    licence: Annotated[str, typer.Option("--license", help="License of the weights.")] = "mit",
    summary: Annotated[str, typer.Option(help="A sentence of your own.", show_default=False)] = "",
    metrics: Annotated[
        list[Path] | None, typer.Option(metavar="FILE ...", help="Scores: a reconstruction CSV, or test_results.json of a run.")
    ] = None,
) -> Report:
    """Write the model card of a checkpoint, or update the scores of the card it has.

    The card is MODEL_DIR/README.md, made from the checkpoint, the surveys it was trained on and files of scores. If a card
    exists, only the scores in its front matter change.
    """
    from ..hub.model_card import CARD_FILE, CardFacts, is_placeholder, update_results, write_card

    file, scores = folder / CARD_FILE, metrics or []
    if not is_placeholder(file):
        if not scores:
            raise ValueError(f"{file} exists already: give --metrics to update its scores, or delete it to write a new one.")
        update_results(file, scores, repo_id and repo_id.split("/")[-1])
    elif repo_id is None:
        raise ValueError("A new card names the repository to which the model will be pushed: give ORG/NAME after the folder.")
    else:
        write_card(folder, CardFacts(repo_id, tuple(data or ()), base_model, licence, tuple(scores), summary))
    return Report(f"wrote {file}: read it before you share it", {"card": file})
