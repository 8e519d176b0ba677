# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf classify`."""

import time
from typing import Annotated

import typer

from .models import quiet_transformers
from .options import (
    Bands,
    BatchSize,
    Columns,
    CombineBands,
    Device,
    DropoutPasses,
    OutputTable,
    Periods,
    Precision,
    Quiet,
    Revision,
    Table,
    likely,
    with_columns,
)
from .report import Report, reports, table_report

EXAMPLES = (
    "astromer-hf classify curves.parquet -o classes.parquet",
    "astromer-hf classify curves.parquet -o classes.parquet --periods",
    "astromer-hf classify curves.parquet -o classes.parquet --model my-classifier",
    "astromer-hf classify curves.parquet -o classes.parquet --model my-classifier --dropout-passes 20 --json",
)


@reports
@with_columns
def classify(
    source: Table,
    output: OutputTable,
    columns: Columns,
    model: Annotated[
        str | None,
        typer.Option(help="Folder, or id on the Hub, of a classifier. Default: the package's own, of variable stars."),
    ] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Precision = "float32",
    batch_size: BatchSize = None,
    dropout_passes: DropoutPasses = None,
    combine_bands: CombineBands = None,
    bands: Bands = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            callback=likely,
            help="Add likely_labels: the true class is among them so often (0.9) on surveys like those of the training.",
        ),
    ] = None,
    periods: Periods = False,
    quiet: Quiet = False,
) -> Report:
    """Predict the class of every object of a table of light curves, with probabilities.

    Without --model, the classes are those of the package's own classifier: RR Lyrae, Cepheids, delta Scuti, eclipsing, rotating
    and long-period variables, other, and not variable. Its card says how good it is and what it does not know. For classes of
    your own, train a classifier with astromer-hf fit. The output has the columns object_id, num_points, num_windows,
    dropped_points, predicted_label, probability and one probability per class, in the order of the table; of the package's own
    classifier also parent_label, parent_probability, is_uncertain, is_unlike_training with its novelty, and remark.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from ..hub.load import default_classifier_folder, find_model, load_model
    from ..inference.classification import classify_table

    quiet_transformers()
    model = model or str(default_classifier_folder())
    kind = (AutoConfig.from_pretrained(find_model(model, revision)).architectures or ["an unknown model"])[0]
    if not kind.endswith("ForSequenceClassification"):
        raise ValueError(
            f"{model} holds {kind} and no classifier: train one on your labelled light curves with astromer-hf fit or "
            "scripts/run_classification.py."
        )
    classifier, feature_extractor = load_model(
        model, AutoModelForSequenceClassification, revision=revision, device=device, dtype=dtype
    )
    started = time.perf_counter()
    report = classify_table(
        source,
        output,
        classifier,
        feature_extractor=feature_extractor,
        dropout_passes=dropout_passes,
        combine_bands=combine_bands,
        bands=bands or None,
        coverage=coverage,
        periods=periods,
        description={"model": model, "dtype": str(classifier.dtype).removeprefix("torch.")},
        batch_size=batch_size,
        columns=columns,
        show_progress=not quiet,
    )
    combines = combine_bands or classifier.config.band_combination
    return table_report(report, time.perf_counter() - started, output, "objects" if combines else "light curves")
