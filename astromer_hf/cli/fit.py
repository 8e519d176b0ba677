# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf fit`, once called `few-shot`."""

import json
import re
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .models import model_or_default, open_encoder
from .options import (
    LARGEST_SEED,
    MANY,
    Bands,
    BatchSize,
    Columns,
    CombineBands,
    Device,
    Model,
    Precision,
    Quiet,
    Revision,
    Table,
    Width,
    with_columns,
)
from .report import Report, reports

EXAMPLES = (
    "astromer-hf fit labelled.parquet -o my-classifier",
    "astromer-hf fit labelled.parquet -o my-classifier --max-epochs 20 --balance-classes --drop-rare-classes",
)


@reports
@with_columns
def fit(
    source: Table,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write: a new or an empty one.")],
    columns: Columns,
    model: Model = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Precision = "float32",
    batch_size: BatchSize = None,
    min_points: Annotated[int, typer.Option(min=1, max=MANY, help="Leave out light curves with fewer observations.")] = 20,
    min_per_class: Annotated[int, typer.Option(min=1, max=MANY, help="Training light curves that every class needs.")] = 10,
    max_per_class: Annotated[
        int | None,
        typer.Option(min=1, max=MANY, help="Maximum of training, and of validation light curves per class. Default: all."),
    ] = None,
    drop_rare_classes: Annotated[
        bool, typer.Option("--drop-rare-classes", help="Leave out classes that have too few light curves.")
    ] = False,
    balance_classes: Annotated[
        bool, typer.Option("--balance-classes", help="Give every class the same weight in training.")
    ] = False,
    head: Annotated[Literal["mlp", "linear", "lstm"], typer.Option(help="Classifier on top of the encoder.")] = "mlp",
    augment: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1000,
            metavar="COPIES",
            help="Train the head also on this many copies of every light curve, from which random observations are removed. 0 "
            "turns it off. Default: 4, and 0 for an LSTM.",
        ),
    ] = None,
    max_epochs: Annotated[int, typer.Option(min=1, max=10**6, help="Maximum of training epochs.")] = 100,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the splits and of the training.")] = 0,
    combine_bands: CombineBands = None,
    bands: Bands = None,
    base_model: Annotated[
        str | None,
        typer.Option(metavar="ORG/NAME", help="Id of the encoder on the Hub, for the card. Default: the id of --model."),
    ] = None,
    width: Width = None,
    quiet: Quiet = False,
) -> Report:
    """Train a classifier of your own classes on a table of labelled light curves.

    Some tens of light curves per class, or more, are needed. The classifier is the chosen head and, but for an LSTM, a linear
    discriminant. It is trained on their embeddings and evaluated on a held-out fifth of the stars. The folder that it writes is
    a model for astromer-hf classify, with a card for astromer-hf push. Its pictures are for a screen; with --width they have
    the size and the fonts of a journal, and are .pdf files too.
    """
    from sklearn.metrics import classification_report, log_loss

    from ..evaluation.classification_metrics import bin_confidences, expected_calibration_error, score_classes
    from ..hub.load import id_on_the_hub
    from ..inference.output_files import complete_or_absent
    from ..plots.figures import plot_confusion_matrix, plot_reliability
    from ..plots.style import journal_size
    from ..training.table_classifier import SMALL_MLP, default_recipe, train_table_classifier

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} exists already: name a new or empty folder.")
    encoder, _ = open_encoder(model, revision, device, dtype)
    started = time.perf_counter()
    fitted = train_table_classifier(
        source,
        encoder,
        columns=columns,
        min_points=min_points,
        min_per_class=min_per_class,
        max_per_class=max_per_class,
        drop_rare_classes=drop_rare_classes,
        balance_classes=balance_classes,
        head=SMALL_MLP | {"classifier_head": head, "concatenate_layers": head != "lstm", "classifier_shortcut": head != "lstm"},
        recipe=default_recipe(combine_bands, max_epochs),
        batch_size=batch_size,
        seed=seed,
        combine_bands=combine_bands,
        bands=bands or None,
        augment=augment,
        show_progress=not quiet,
    )
    by_class = classification_report(fitted.true, fitted.predicted, zero_division=0)
    stages = {"as trained": fitted.uncalibrated, "calibrated": fitted.outcome.probabilities}
    bins = {name: bin_confidences(fitted.true_ids, probabilities) for name, probabilities in stages.items()}
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with complete_or_absent(output) as folder:
        fitted.save(folder)
        (folder / "classification_report.txt").write_text(by_class, encoding="utf-8")
        with journal_size(width):
            figures = {
                "confusion_matrix": plot_confusion_matrix(fitted.true, fitted.predicted),
                "reliability": plot_reliability(bins),
            }
            for name, figure in figures.items():
                for suffix in (".png",) if width is None else (".png", ".pdf"):
                    figure.savefig(folder / f"{name}{suffix}")
        scores = {f"test_{name}": value for name, value in fitted.scores.items()} | {"test_objects": len(fitted.true)}
        metrics = folder / "test_results.json"
        metrics.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        card = describe_card(folder, output, source, base_model or id_on_the_hub(model_or_default(model)))
    seconds = time.perf_counter() - started
    calibration = {}
    for name, probabilities in stages.items():
        num_classes = probabilities.shape[1]
        calibration[name] = {
            "expected_calibration_error": expected_calibration_error(fitted.true_ids, probabilities),
            "log_loss": log_loss(fitted.true_ids, probabilities, labels=range(num_classes)),
            "macro_f1": score_classes(fitted.true_ids, probabilities.argmax(1), num_classes)["macro_f1"],
        }
    left_out = {reason: count for reason, count in fitted.left_out.items() if count}
    facts: dict[str, Any] = {
        "output": output,
        "classes": fitted.counts.to_dict(orient="index"),
        "left_out": left_out,
        "scores": fitted.scores,
        "by_class": classification_report(fitted.true, fitted.predicted, zero_division=0, output_dict=True),
        "best_epoch": fitted.outcome.best_epoch,
        "epochs": len(fitted.outcome.history),
        "temperature": fitted.model.config.classifier_temperature,
        "calibration": calibration,
        "seconds": seconds,
    }
    rows = "light curves" if combine_bands is None else "objects"
    return Report(
        "\n".join(
            [
                *(f"{count} {rows} left out: {reason}" for reason, count in left_out.items()),
                f"{fitted.counts.to_string()}\n\nOn the held-out test stars:\n{by_class}",
                f"macro-F1 {fitted.scores['macro_f1']:.3f}, accuracy {fitted.scores['accuracy']:.3f}, epoch "
                f"{facts['best_epoch']} of {facts['epochs']}, {seconds:.0f} s -> {output}",
                *describe_calibration(facts["temperature"], calibration),
                card,
            ]
        ),
        facts,
    )


def describe_calibration(temperature: float, calibration: dict[str, dict[str, float]]) -> list[str]:
    """Lines on the temperature and on the probabilities of the test stars before and after it."""
    scores = {
        name: f"expected calibration error {values['expected_calibration_error']:.3f}, log loss {values['log_loss']:.3f}, "
        f"macro-F1 {values['macro_f1']:.3f}"
        for name, values in calibration.items()
    }
    if temperature == 1:
        return [f"no temperature calibrates the validation stars better than none; on the test stars: {scores['as trained']}"]
    how = "less sure" if temperature > 1 else "surer"
    return [
        f"calibrated by a temperature of {temperature:.3f}, which makes the probabilities {how}; on the test stars:",
        *(f"  {name}: {text}" for name, text in scores.items()),
    ]


def describe_card(folder: Path, output: Path, source: str, base_model: str | None) -> str:
    """Write the card of a classifier into its folder where all that it says is known; a line about it."""
    from ..hub.model_card import CardError, CardFacts, write_card
    from ..light_curves.formats.hub import find_address

    name = re.sub(r"[^\w.-]+", "-", output.absolute().name)
    is_file = Path(source).exists() or find_address(source, split="") is not None
    data = source if is_file else str(Path(source).parent)  # of a pattern
    try:
        if base_model is not None:
            write_card(folder, CardFacts(name, (data,), base_model, metrics=(folder / "test_results.json",)))
            return f"card: {output / 'README.md'}; read it, then share the classifier: astromer-hf push {output} ORG/NAME"
        reason = "the id of the encoder is not known"
    except CardError as error:  # the classifier is there all the same
        reason = str(error)
    return f"no card ({reason}): astromer-hf card {output} ORG/NAME --data {source} --base-model ORG/ENCODER writes one"
