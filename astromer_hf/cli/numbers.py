# Copyright 2026 The astromer_hf developers. MIT licence.
"""Numbers of command lines that argparse parses, each with a range: for the scripts, as typer's ranges are for the verbs.

A value outside is an error of the command line. Without a range it would end in an error of a library, or in no end at all.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

MANY = 10**9


def whole(lowest: int, highest: int = MANY) -> Callable[[str], int]:
    """The type of a whole number in a range."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from None
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be between {lowest} and {highest}, got {text}")
        return value

    return parse


def real(lowest: float, highest: float, *, open_below: bool = False) -> Callable[[str], float]:
    """The type of a number in a range, which with `open_below` must be larger than `lowest`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
        if not lowest <= value <= highest or (open_below and value == lowest):
            what = f"above {lowest:g} and at most {highest:g}" if open_below else f"between {lowest:g} and {highest:g}"
            raise argparse.ArgumentTypeError(f"must be {what}, got {text}")
        return value

    return parse


count = whole(1)
natural = whole(0)
seed = whole(0, 2**32 - 1)
positive = real(0, 1e9, open_below=True)
fraction = real(0, 1)

# Fields of transformers' `TrainingArguments`.
TRAINING: dict[str, Callable[[str], Any]] = {
    "per_device_train_batch_size": count,
    "per_device_eval_batch_size": count,
    "gradient_accumulation_steps": count,
    "num_train_epochs": positive,
    "max_steps": whole(-1),  # -1: as many as the epochs need
    "learning_rate": real(0, 1e9),
    "weight_decay": real(0, 1e9),
    "adam_epsilon": positive,
    "adam_beta1": fraction,
    "adam_beta2": fraction,
    "max_grad_norm": real(0, 1e9),
    "warmup_steps": real(0, 1e9),
    "logging_steps": positive,
    "eval_steps": positive,
    "save_steps": positive,
    "save_total_limit": count,
    "dataloader_num_workers": natural,
    "seed": seed,
    "data_seed": seed,
}


def bound(parser: argparse.ArgumentParser, types: Mapping[str, Callable[[str], Any]]) -> None:
    """Give the options of a parser that was made from dataclasses the types of the numbers that they take."""
    for action in parser._actions:
        if action.dest in types:
            action.type = types[action.dest]
