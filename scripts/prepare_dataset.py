# Copyright 2026 The astromer_hf developers. MIT licence.
"""Prepare survey tables for training: clean light curves in train, validation and test splits by star, as parquet shards.

The survey of a table is the record in `astromer_hf/light_curves/surveys.py` with the name of the file; without a record the
columns are guessed. Surveys that share stars must be prepared together, or with --keep-splits-of earlier folders, so that no
star is in two splits. A run that was interrupted can be repeated: a prepared folder is complete or absent.

Example:
    python scripts/prepare_dataset.py ../shared/data/*.parquet -o data/prepared
"""

import argparse
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path

from astromer_hf.cli.numbers import count, fraction, positive, seed
from astromer_hf.light_curves.cleaning import Cleaning, VariabilityFilter
from astromer_hf.light_curves.columns import ColumnNames
from astromer_hf.light_curves.formats.base import stem_of
from astromer_hf.light_curves.preparation import SplitRule, prepare_datasets
from astromer_hf.light_curves.splits import SPLITS
from astromer_hf.light_curves.surveys import SURVEYS, Survey, find_survey


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+", help="files of any format, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for one prepared folder a survey")
    parser.add_argument("--survey", nargs="+", metavar="NAME", help="record of each table; by default that of the file's name")
    for item in fields(ColumnNames):
        option = f"--{item.name.replace('_', '-')}-column"
        parser.add_argument(option, metavar="NAME", help=f"column of {item.name}, in every table")

    cleaning = parser.add_argument_group("cleaning")
    cleaning.add_argument("--max-error", type=positive, default=Cleaning.max_error, help="in magnitudes (default %(default)s)")
    cleaning.add_argument(
        "--min-points", type=count, default=Cleaning.min_points, help="of a light curve (default %(default)s)"
    )
    cleaning.add_argument(
        "--variability-filter",
        type=positive,
        nargs="*",
        metavar="MAX",
        help="drop curves of larger |kurtosis|, |skewness| and standard deviation (default thresholds: 10 1 0.1)",
    )

    splits = parser.add_argument_group("splits")
    splits.add_argument("--seed", type=seed, default=SplitRule.seed, help="of the splits (default %(default)s)")
    splits.add_argument("--fractions", type=fraction, nargs=3, default=SplitRule.fractions, metavar=SPLITS)
    splits.add_argument("--stratify", action="store_true", help="split every class in the same fractions")
    splits.add_argument("--max-test-per-class", type=count, metavar="N", help="stars of a class in test; needs --stratify")
    splits.add_argument("--all-test", action="store_true", help="every star into test")
    splits.add_argument("--keep-splits-of", type=Path, nargs="+", default=[], metavar="FOLDER", help="prepared folders")

    parser.add_argument(
        "--rows-per-shard", type=count, default=50_000, help="light curves a parquet file (default %(default)s)"
    )
    return parser.parse_args(argv)


def find_surveys(args: argparse.Namespace) -> list[Survey]:
    """The record of each table, with the columns given on the command line."""
    if args.survey and len(args.survey) != len(args.tables):
        raise ValueError(f"--survey needs one name for each of the {len(args.tables)} tables, got {len(args.survey)}.")
    if args.survey:
        surveys = [find_survey(name) for name in args.survey]
    else:
        surveys = [SURVEYS.get(name) or Survey(name=name) for name in map(stem_of, args.tables)]
    named = {item.name: getattr(args, f"{item.name}_column") for item in fields(ColumnNames)}
    columns = {role: column for role, column in named.items() if column}
    return [
        replace(survey, columns={**survey.columns, **columns}, held_out=survey.held_out or args.all_test) for survey in surveys
    ]


def main(args: argparse.Namespace) -> None:
    try:
        variability = None if args.variability_filter is None else VariabilityFilter(*args.variability_filter)
        preparations = prepare_datasets(
            list(zip(args.tables, find_surveys(args), strict=True)),
            args.output,
            cleaning=Cleaning(args.max_error, args.min_points, variability),
            rule=SplitRule(args.seed, tuple(args.fractions), args.stratify, args.max_test_per_class),
            keep_splits_of=args.keep_splits_of,
            rows_per_shard=args.rows_per_shard,
            command=shlex.join(["python", *sys.argv]),
            show_progress=True,
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    for name, preparation in preparations.items():
        sizes = ", ".join(f"{split} {counts['light_curves']}" for split, counts in preparation["splits"].items())
        report = preparation["report"]
        print(
            f"{name}: {report['objects_kept']} of {report['objects_read']} light curves, {report['points_kept']} of "
            f"{report['points_read']} points; {sizes} -> {args.output / name}"
        )
    for preparation in preparations.values():
        print(preparation["ledger"]["line"])


if __name__ == "__main__":
    main(parse_args())
