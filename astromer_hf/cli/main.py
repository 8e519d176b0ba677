# Copyright 2026 The astromer_hf developers. MIT licence.
"""The command `astromer-hf`: wiring from arguments to the package's functions, and one clear line for what goes wrong."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..hub.load import load_encoder
from .inspect import add_inspect, run_inspect
from .ledgers import next_step, tell
from .options import MODEL_OR_DEFAULT, add_columns, add_time_encoding, column_names
from .plot import add_neighbors, add_plot

if TYPE_CHECKING:
    from ..inference.runner import TableReport


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="astromer-hf", description="Embed astronomical light curves with ASTROMER.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    embed = verbs.add_parser(
        "embed",
        help="one embedding an object, from a table of light curves",
        description="Embed every light curve of a parquet or CSV table: list columns (one row an object) or one row a "
        "measurement. Writes object_id, num_points, num_windows, dropped_points and embedding, in the order of the table.",
    )
    embed.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="parquet file to write; or a folder, which is filled shard by shard, by one process or several, and gone on with "
        "where it was stopped",
    )
    add_model_arguments(embed, MODEL_OR_DEFAULT)
    embed.add_argument(
        "--level",
        default="object",
        choices=("object", "window", "observation"),
        help="also write the embedding of every window, or of every observation",
    )
    embed.add_argument(
        "--masking-scheme",
        choices=("hidden", "additive", "additive_padding"),
        help="instead of the model's own; additive_padding repeats the TensorFlow package's treatment of padding",
    )
    embed.add_argument(
        "--shard",
        metavar="I/N",
        help="do share I of N, counted from 0, into the folder OUTPUT; torchrun and accelerate launch set it by themselves",
    )
    embed.add_argument(
        "--objects-per-shard", type=int, metavar="N", help="light curves in a file of the folder OUTPUT, about (16384)"
    )
    add_bands(embed, "one row an object: the mean of the embeddings of its bands, or all of them, one after the other")
    embed.set_defaults(run=run_embed)

    few_shot = verbs.add_parser(
        "few-shot",
        help="a classifier of your own classes, from a table of labelled light curves",
        description="Train a classifier on the embeddings of the labelled light curves of a table, some tens a class or more, "
        "and score it on a fifth of the stars, which it does not see. The folder that it writes is a model for "
        "astromer-hf classify.",
    )
    few_shot.add_argument("-o", "--output", type=Path, required=True, help="folder to write, new or empty")
    add_model_arguments(few_shot, MODEL_OR_DEFAULT)
    few_shot.add_argument("--min-points", type=int, default=20, help="observations of a light curve (%(default)s)")
    few_shot.add_argument(
        "--min-per-class", type=int, default=10, help="training light curves that a class needs (%(default)s)"
    )
    few_shot.add_argument("--max-per-class", type=int, help="training light curves of a class at the most; all by default")
    few_shot.add_argument("--drop-rare-classes", action="store_true", help="leave out the classes that have fewer")
    few_shot.add_argument("--balance-classes", action="store_true", help="let every class count the same in training")
    few_shot.add_argument("--head", default="mlp", choices=("mlp", "linear", "lstm"), help="what classifies (%(default)s)")
    few_shot.add_argument(
        "--augment",
        type=int,
        metavar="COPIES",
        help="learn also from so many copies of every training light curve, in which observations are left out at random; 0 "
        "for none (4, and none for an LSTM)",
    )
    few_shot.add_argument("--max-epochs", type=int, default=100, help="of the training (%(default)s)")
    few_shot.add_argument("--seed", type=int, default=0, help="of the splits and the training")
    add_bands(
        few_shot, "classify objects: by the mean of their bands' probabilities, or by the embeddings of all bands together"
    )
    few_shot.set_defaults(run=run_few_shot)

    classify = verbs.add_parser(
        "classify",
        help="the class of every object and its probabilities, from a table of light curves",
        description="Classify every light curve of a table by a fine-tuned model, such as astromer-hf few-shot makes. Writes "
        "object_id, num_points, num_windows, dropped_points, predicted_label, probability and a probability for every class, "
        "in the order of the table.",
    )
    add_output_table(classify)
    add_model_arguments(classify, "folder, or id on the Hub, of a fine-tuned classifier", required=True)
    classify.add_argument(
        "--dropout-passes", type=int, metavar="N", help="add the spread of every probability over N passes with dropout"
    )
    add_bands(classify, "one row an object: how its bands are combined, where the classifier does not say it itself")
    classify.set_defaults(run=run_classify)

    add_inspect(verbs)
    add_neighbors(verbs)
    add_plot(verbs)

    convert = verbs.add_parser(
        "convert",
        help="a TensorFlow checkpoint of ASTROMER 1 or Astromer 2 to a Transformers model folder",
        description="Convert a TensorFlow checkpoint into a Transformers model folder, without TensorFlow: ASTROMER 1 as it "
        "was released, with conf.json beside weights.index; or Astromer 2 as its training code writes it, with config.toml. No "
        "released weights of Astromer 2 were at hand to prove its conversion on.",
    )
    convert.add_argument("source", type=Path, help="zip file as published, or its folder")
    convert.add_argument("output", type=Path, help="folder to write, new or empty")
    add_time_encoding(convert)
    convert.set_defaults(run=run_convert)

    export = verbs.add_parser(
        "export",
        help="a model's encoder as an ONNX file, which runs without PyTorch",
        description="Write the encoder as an ONNX graph of any number of windows of any length, from magnitudes, times and "
        "attention_mask to last_hidden_state, mean and max, and check it against the model under ONNX Runtime. Its metadata "
        "say how the inputs are made; astromer_hf.inference.onnx_export.OnnxEncoder runs it.",
    )
    export.add_argument("--onnx", required=True, metavar="MODEL", help="folder of a model, or its id on the Hub")
    export.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    export.add_argument("-o", "--output", type=Path, required=True, help=".onnx file to write")
    export.set_defaults(run=run_export)

    simulate = verbs.add_parser("simulate", help="a table of simulated light curves to try things on")
    simulate.add_argument("-o", "--output", type=Path, required=True, help="parquet file to write")
    simulate.add_argument("-n", "--num-objects", type=int, default=100)
    simulate.add_argument("--survey", default="macho_like", help="whose cadence and noise")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.set_defaults(run=run_simulate)

    card = verbs.add_parser(
        "card",
        help="write the model card of a checkpoint, or put measured scores into the one it has",
        description="Write MODEL_DIR/README.md from the checkpoint, the surveys it was trained on and files of scores. Of a "
        "card that is there already, only the scores in its front matter are renewed.",
    )
    card.add_argument("folder", type=Path, metavar="MODEL_DIR")
    card.add_argument("repo_id", nargs="?", metavar="ORG/NAME", help="where it will be shared; for a new card")
    card.add_argument(
        "--data", nargs="+", default=[], metavar="SURVEY_OR_FOLDER", help="surveys or prepared folders that it was trained on"
    )
    card.add_argument("--base-model", metavar="ORG/NAME", help="the model that it was fine-tuned from")
    card.add_argument("--license", default="mit", help="of the weights (%(default)s)")
    card.add_argument("--summary", default="", help="a sentence of your own")
    card.add_argument(
        "--metrics", nargs="+", type=Path, default=[], metavar="FILE", help="reconstruction CSV, or test_results.json of a run"
    )
    card.set_defaults(run=run_card)

    check = verbs.add_parser(
        "check",
        help="look at a checkpoint before it is shared or used",
        description="Does it load, weight by weight? Is its card finished, does it compute its saved test vector, is nothing "
        "private in it? A prepared dataset folder is checked as well.",
    )
    check.add_argument("model", metavar="MODEL_DIR_OR_ID")
    check.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    check.set_defaults(run=run_check)

    push = verbs.add_parser(
        "push",
        help="share a checkpoint, or a prepared dataset, on the Hub",
        description="Share weights, configuration, card and the code that loads them, and no other file of the folder. In a "
        "repository of somebody else a pull request is opened.",
    )
    push.add_argument("folder", type=Path, metavar="MODEL_DIR")
    push.add_argument("repo_id", metavar="ORG/NAME")
    push.add_argument("--public", action="store_true", help="a new repository is for everyone to see; else it is private")
    push.add_argument("--revision", metavar="BRANCH", help="branch to push to, made if need be (main)")
    push.add_argument("--tag", help="of the new commit, such as v1.0")
    push.add_argument("--parent", metavar="COMMIT", help="push only on top of this commit")
    push.add_argument("--message", help="of the commit")
    push.set_defaults(run=run_push)
    return parser


def add_bands(parser: argparse.ArgumentParser, what: str) -> None:
    """How the light curves of an object in several bands are combined."""
    parser.add_argument("--combine-bands", choices=("mean", "concat"), help=what)
    parser.add_argument(
        "--bands",
        nargs="+",
        metavar="BAND",
        help="those to combine, in this order (mean: all of the table; concat: the model's)",
    )


def add_output_table(parser: argparse.ArgumentParser) -> None:
    """The table that a verb writes."""
    parser.add_argument("-o", "--output", type=Path, required=True, help="parquet file to write")


def add_model_arguments(parser: argparse.ArgumentParser, model_help: str, *, required: bool = False) -> None:
    """What every verb takes that runs a model over a table."""
    parser.add_argument("source", type=Path, help="file, folder, archive or pattern of light curves")
    parser.add_argument("--model", required=required, help=model_help)
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; auto takes a GPU if there is one")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--batch-size", type=int, metavar="WINDOWS", help="windows a forward pass (8 on a CPU, 256 on a GPU)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_columns(parser)


def table_options(args: argparse.Namespace) -> dict[str, Any]:
    """How a table is read and run over, for `embed_table` and `classify_table`."""
    return {"batch_size": args.batch_size, "columns": column_names(args), "show_progress": not args.quiet}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 1 after a clear message on standard error."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s")
    quiet_transformers()
    try:
        args.run(args)
        tell(getattr(args, "reading", None))
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        if args.run is not run_inspect and (step := next_step(error, getattr(args, "source", None))):
            print(step, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def run_embed(args: argparse.Namespace) -> None:
    """`astromer-hf embed`."""
    from ..hub.load import DEFAULT_MODEL, default_model_folder
    from ..inference.embedding import embed_table
    from ..inference.sharded_embedding import DEFAULT_OBJECTS_PER_SHARD, device_of_worker, embed_shards, find_worker

    worker, num_workers = find_worker(args.shard)
    into_folder = args.output.suffix == "" or (args.output.is_dir() and args.output.suffix != ".parquet")
    if not into_folder and (num_workers > 1 or args.objects_per_shard or args.shard):
        raise ValueError(f"Shards are written into a folder, such as -o embeddings; {args.output} names a file.")
    source = args.model or str(default_model_folder())
    device = device_of_worker(args.device)
    model, feature_extractor = load_encoder(source, args.revision, device, args.dtype)
    if args.masking_scheme:
        model.config.masking_scheme = args.masking_scheme
    options: dict[str, Any] = {
        "feature_extractor": feature_extractor,
        "level": args.level,
        "description": {
            "model": args.model or DEFAULT_MODEL,
            "dtype": args.dtype,
            "masking_scheme": model.config.masking_scheme,
        },
        "combine_bands": args.combine_bands,
        "bands": args.bands,
        **table_options(args),
    }
    started = time.perf_counter()
    rows = "light curves" if args.combine_bands is None else "objects"
    if not into_folder:
        print_report(embed_table(args.source, args.output, model, **options), time.perf_counter() - started, args.output, rows)
        return
    size = DEFAULT_OBJECTS_PER_SHARD if args.objects_per_shard is None else args.objects_per_shard
    shares: dict[str, Any] = {"worker": worker, "num_workers": num_workers, "objects_per_shard": size}
    report = embed_shards(args.source, args.output, model, **shares, **options)
    print_report(report, time.perf_counter() - started, args.output, rows)
    print(f"share {worker}/{num_workers}: {report.written} shards written, {report.found} were there", end="; ")
    print(f"{len(report.missing)} of other shares are missing" if report.missing else f"{args.output} is complete")


def run_few_shot(args: argparse.Namespace) -> None:
    """`astromer-hf few-shot`."""
    from sklearn.metrics import classification_report, log_loss

    from ..evaluation.classification_metrics import bin_confidences, expected_calibration_error, score_classes
    from ..hub.load import default_model_folder
    from ..inference.output_files import complete_or_absent
    from ..plots.figures import plot_confusion_matrix, plot_reliability
    from ..training.table_classifier import SMALL_MLP, default_recipe, teach_classifier

    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise FileExistsError(f"{args.output} exists already: name a new or empty folder.")
    encoder, _ = load_encoder(args.model or str(default_model_folder()), args.revision, args.device, args.dtype)
    started = time.perf_counter()
    taught = teach_classifier(
        args.source,
        encoder,
        columns=column_names(args),
        min_points=args.min_points,
        min_per_class=args.min_per_class,
        max_per_class=args.max_per_class,
        drop_rare_classes=args.drop_rare_classes,
        balance_classes=args.balance_classes,
        head=SMALL_MLP | {"classifier_head": args.head, "concatenate_layers": args.head != "lstm"},
        recipe=default_recipe(args.combine_bands, args.max_epochs),
        batch_size=args.batch_size,
        seed=args.seed,
        combine_bands=args.combine_bands,
        bands=args.bands,
        augment=args.augment,
    )
    report = classification_report(taught.true, taught.predicted, zero_division=0)
    bins = {
        name: bin_confidences(taught.true_ids, probabilities)
        for name, probabilities in (("as trained", taught.uncalibrated), ("calibrated", taught.outcome.probabilities))
    }
    args.output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with complete_or_absent(args.output) as folder:
        taught.save(folder)
        (folder / "classification_report.txt").write_text(report, encoding="utf-8")
        plot_confusion_matrix(taught.true, taught.predicted).savefig(folder / "confusion_matrix.png", dpi=150)
        plot_reliability(bins).savefig(folder / "reliability.png", dpi=150)
    for reason, count in taught.left_out.items():
        if count:
            print(f"{count} {'light curves' if args.combine_bands is None else 'objects'} left out: {reason}")
    print(f"{taught.counts.to_string()}\n\nOn the test stars, which it did not see:\n{report}")
    print(
        f"macro-F1 {taught.scores['macro_f1']:.3f}, accuracy {taught.scores['accuracy']:.3f}, epoch "
        f"{taught.outcome.best_epoch} of {len(taught.outcome.history)}, {time.perf_counter() - started:.0f} s -> {args.output}"
    )
    ids = taught.true_ids
    print(f"calibrated by a temperature of {taught.model.config.classifier_temperature:.3f}, on the test stars:")
    for name, probabilities in (("as trained", taught.uncalibrated), ("calibrated", taught.outcome.probabilities)):
        loss = log_loss(ids, probabilities, labels=range(probabilities.shape[1]))
        macro_f1 = score_classes(ids, probabilities.argmax(1), probabilities.shape[1])["macro_f1"]
        error = expected_calibration_error(ids, probabilities)
        print(f"  {name}: expected calibration error {error:.3f}, log loss {loss:.3f}, macro-F1 {macro_f1:.3f}")


def run_classify(args: argparse.Namespace) -> None:
    """`astromer-hf classify`."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from ..hub.load import find_model, load_model
    from ..inference.classification import classify_table

    kind = (AutoConfig.from_pretrained(find_model(args.model, args.revision)).architectures or ["an unknown model"])[0]
    if not kind.endswith("ForSequenceClassification"):
        raise ValueError(
            f"{args.model} holds {kind} and no classifier: make one of your labelled light curves with astromer-hf few-shot or "
            "scripts/run_classification.py."
        )
    model, feature_extractor = load_model(
        args.model, AutoModelForSequenceClassification, revision=args.revision, device=args.device, dtype=args.dtype
    )
    started = time.perf_counter()
    report = classify_table(
        args.source,
        args.output,
        model,
        feature_extractor=feature_extractor,
        dropout_passes=args.dropout_passes,
        combine_bands=args.combine_bands,
        bands=args.bands,
        description={"model": args.model, "dtype": args.dtype},
        **table_options(args),
    )
    combines = args.combine_bands or model.config.band_combination
    print_report(report, time.perf_counter() - started, args.output, "objects" if combines else "light curves")


def print_report(report: "TableReport", seconds: float, output: Path, rows: str = "light curves") -> None:
    """What was written, and on standard error what could not be."""
    print(
        f"{report.num_objects} {rows} ({report.num_points} observations, {report.num_windows} windows) in "
        f"{seconds:.1f} s, {report.num_objects / seconds:.0f} {rows.split()[-1]}/s{peak_memory()} -> {output}"
    )
    if report.without_result:
        shown = ", ".join(report.without_result[:10]) + (" ..." if len(report.without_result) > 10 else "")
        print(
            f"{len(report.without_result)} {rows} have no usable observation; their result is null: {shown}",
            file=sys.stderr,
        )


def run_convert(args: argparse.Namespace) -> None:
    """`astromer-hf convert`."""
    from ..hub.conversion import convert_tf_checkpoint

    model = convert_tf_checkpoint(args.source, args.output, args.time_encoding)
    print(f"{args.source} -> {args.output}: {model.num_parameters():,} parameters")


def run_export(args: argparse.Namespace) -> None:
    """`astromer-hf export`."""
    from ..inference.onnx_export import HOW_TO_PREPARE, export_onnx

    model, _ = load_encoder(args.onnx, args.revision, "cpu", "float32")
    difference = export_onnx(model, args.output, name=args.onnx)
    size = args.output.stat().st_size / 2**20
    print(f"{args.onnx} -> {args.output}: {size:.1f} MiB, within {difference:.1e} of the model\ninputs: {HOW_TO_PREPARE}")


def run_simulate(args: argparse.Namespace) -> None:
    """`astromer-hf simulate`."""
    import pyarrow.parquet as pq

    from ..inference.output_files import complete_or_absent
    from ..light_curves.simulation import simulate_light_curves, to_table

    if args.output.suffix != ".parquet":
        raise ValueError(f"The output must be a .parquet file, got {args.output.name}.")
    table = to_table(simulate_light_curves(args.num_objects, seed=args.seed, survey=args.survey))
    with complete_or_absent(args.output) as partial:
        pq.write_table(table, partial)
    print(f"{args.num_objects} simulated light curves -> {args.output}")


def run_card(args: argparse.Namespace) -> None:
    """`astromer-hf card`."""
    from ..hub.model_card import CARD_FILE, CardFacts, is_placeholder, update_results, write_card

    file = args.folder / CARD_FILE
    if not is_placeholder(file):
        if not args.metrics:
            raise ValueError(f"{file} is there already: give --metrics to renew its scores, or delete it for a new one.")
        update_results(file, args.metrics, args.repo_id and args.repo_id.split("/")[-1])
    elif args.repo_id is None:
        raise ValueError("A new card names where the model will be shared: give ORG/NAME after the folder.")
    else:
        data, metrics = tuple(args.data), tuple(args.metrics)
        write_card(args.folder, CardFacts(args.repo_id, data, args.base_model, args.license, metrics, args.summary))
    print(f"wrote {file}: read it before you share it")


def run_check(args: argparse.Namespace) -> None:
    """`astromer-hf check`."""
    from ..hub.check import check_checkpoint, check_dataset, is_prepared_dataset

    folder = Path(args.model)
    report = check_dataset(folder) if is_prepared_dataset(folder) else check_checkpoint(args.model, args.revision)
    print("\n".join([*(f"ok: {line}" for line in report.passed), *(f"note: {line}" for line in report.notes)]))
    if report.problems:
        raise ValueError(f"{args.model} is not ready to be shared: {'; '.join(report.problems)}")


def run_push(args: argparse.Namespace) -> None:
    """`astromer-hf push`."""
    from ..hub.check import is_prepared_dataset
    from ..hub.push import push_checkpoint, push_dataset

    pushed = (push_dataset if is_prepared_dataset(args.folder) else push_checkpoint)(
        args.folder,
        args.repo_id,
        private=not args.public,
        revision=args.revision,
        tag=args.tag,
        parent=args.parent,
        message=args.message,
    )
    where = f"pull request {pushed.pull_request}" if pushed.pull_request else f"commit {pushed.commit.oid}"
    visibility = "private" if pushed.private else "public"
    print(f"{len(pushed.files)} files -> {pushed.repo_id} ({visibility}), {where}")


def peak_memory() -> str:
    """The largest resident memory of this process so far, where the system tells."""
    if sys.platform == "win32":
        return ""
    import resource

    units_per_gib = 2**30 if sys.platform == "darwin" else 2**20  # bytes on macOS, KiB elsewhere
    return f", peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_gib:.2f} GiB"


def quiet_transformers() -> None:
    """Leave the screen to our own progress bar."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    hub_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
