# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every numeric option of every verb and script has a range, and a value outside is one line, before any work."""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from astromer_hf.cli.main import build_command, main
from astromer_hf.cli.numbers import TRAINING


def all_commands(command: Any = None, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every verb, at whatever depth it stands."""
    command = command or build_command()
    if not hasattr(command, "commands"):
        return {path: command}
    parts = (all_commands(verb, (*path, name)) for name, verb in command.commands.items())
    return {own: verb for part in parts for own, verb in part.items()}


# Options of which 0, or -1, is a number like any other.
ZERO = {"--seed", "--augment", "--observation", "--block", "--hidden-fraction"}
MINUS_ONE = {"--block"}
HUGE = ["1" + "0" * 30, "-1" + "0" * 30]


def numeric_options() -> Iterator[tuple[tuple[str, ...], str, type]]:
    for path, command in all_commands().items():
        for parameter in command.params:
            kind = parameter.type_descriptor.annotation
            if kind in (int, float):
                yield path, parameter.opts[-1], kind


@pytest.mark.parametrize(("path", "option", "kind"), list(numeric_options()))
def test_a_number_out_of_range_is_one_line_before_any_work(path, option, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    values = [*HUGE, "1.5.2", ""] + ([] if option in ZERO else ["0"]) + ([] if option in MINUS_ONE else ["-1"])
    values += ["nan", "inf", "-inf", "1e300"] if kind is float else ["2.5", "nan"]
    for value in values:
        arguments = [*path, *required_of(path), f"{option}={value}" if option.startswith("--") else option, value]
        arguments = arguments[:-1] if option.startswith("--") else arguments
        assert main(arguments) == 2, (arguments, capsys.readouterr())
        output, errors = capsys.readouterr()
        assert output == ""
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1
        assert option in errors
    assert not [*tmp_path.iterdir()]


def required_of(path: tuple[str, ...]) -> list[str]:
    """The arguments and options without which a verb does not start, with names of nothing."""
    words: list[str] = []
    for parameter in all_commands()[path].params:
        if parameter.required:
            words += [parameter.opts[-1], "nothing"] if parameter.opts[0].startswith("-") else ["nothing"]
    return words


def test_there_are_numeric_options():
    assert len(list(numeric_options())) > 30


# --- Scripts ---

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py"))
TYPES = ("int", "float", "count", "natural", "seed", "positive", "fraction", "whole", "real")


def options_of(script: str) -> list[tuple[str, int]]:
    """The options of a script with numbers for values, and how many values each takes; read off its source."""
    found = []
    for call in ast.walk(ast.parse((ROOT / "scripts" / f"{script}.py").read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "add_argument":
            fields = {keyword.arg: keyword.value for keyword in call.keywords}
            kind = ast.unparse(fields["type"]) if "type" in fields else ""
            names = [name.value for name in call.args if isinstance(name, ast.Constant)]
            if kind.split("(")[0] in TYPES and names:
                values = fields.get("nargs")
                found.append((names[-1], values.value if isinstance(values, ast.Constant) and values.value in (2, 3) else 1))
    return found


@pytest.mark.parametrize(("script", "option", "values"), [(s, *option) for s in SCRIPTS for option in options_of(s)])
def test_a_number_out_of_range_is_an_error_of_a_scripts_command_line(script, option, values, capsys):
    parse_args = importlib.import_module(script).parse_args
    for value in (*HUGE, "nan", "x", "-2"):
        with pytest.raises(SystemExit) as ended:
            parse_args([f"{option}={value}"] if values == 1 else [option, *[value] * values])
        assert ended.value.code == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert "error: " in last
        assert option in last


@pytest.mark.parametrize("script", ["run_classification", "run_pretraining"])
def test_so_it_is_where_options_are_fields_of_dataclasses(script, capsys):
    module = importlib.import_module(script)
    given = {field.name for kind in (module.DataArguments, TrainingArguments) for field in dataclasses.fields(kind)}
    given |= {field.name for field in dataclasses.fields(getattr(module, "HeadArguments", module.DataArguments))}
    bounded = module.NUMBERS | TRAINING
    assert set(bounded) <= given
    own = [field for field in dataclasses.fields(module.DataArguments) if re.search(r"\b(int|float)\b", str(field.type))]
    assert {field.name for field in own} <= set(bounded)
    for name in bounded:
        for value in (*HUGE, "nan", *(["-2"] if name != "mixing_power" else [])):
            with pytest.raises(SystemExit) as ended:
                module.parse_args([f"--{name}={value}"])
            assert ended.value.code == 2
            assert f"--{name}" in capsys.readouterr().err.splitlines()[-1]
