# Copyright 2026 The astromer_hf developers. MIT licence.
"""The code blocks of the README run, in their order: ```python in one session, ```bash as commands. ```sh blocks are long."""

import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from astromer_hf.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_python_blocks_embed_and_reconstruct_light_curves(capsys: pytest.CaptureFixture[str]):
    session: dict[str, object] = {}
    shown = re.findall(r"^```python\n(.*?)^```$\n+^```text\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert [block for block, _ in shown] == blocks("python")
    for block, expected in shown:
        capsys.readouterr()
        exec(compile(block, "README.md", "exec"), session)
        assert capsys.readouterr().out == expected
    result = session["result"]
    assert len(result["reconstruction"]) == len(result["mjd"])
    assert 0.4 < np.mean(result["hidden"]) < 0.6
    assert np.array_equal(np.not_equal(result["lower_90"], None), result["hidden"])


def test_the_commands_run_and_print_what_the_readme_shows(workplace: Path, capsys: pytest.CaptureFixture[str]):
    shown = re.findall(r"^```bash\n((?:(?!^```).)*)^```$\n+(?:^```text\n(.*?)^```$)?", README, re.MULTILINE | re.DOTALL)
    assert sum(bool(output) for _, output in shown) == 4
    for commands, expected in shown:
        capsys.readouterr()
        for line in commands.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "astromer-hf"
            assert main(arguments) == 0, line
        printed = capsys.readouterr()
        lines = [words(line) for line in (printed.out + printed.err).splitlines()]
        for line in expected.splitlines():
            assert line == "..." or any(alike(words(line), other) for other in lines), line
    embeddings = np.stack(pq.read_table("embeddings.parquet")["embedding"].to_numpy())
    assert embeddings.shape == (100, 256)
    assert np.isfinite(embeddings).all()


def words(line: str) -> list[str]:
    """The words of a line, without what depends on the computer."""
    return re.sub(r"in [\d.]+ s|[\d.]+ curves/s|peak memory [\d.]+ GiB", "some", line).split()


def alike(line: list[str], other: list[str]) -> bool:
    """Whether the words are equal, and the decimal numbers within 2 %."""
    return len(line) == len(other) and all(
        float(one) == pytest.approx(float(two), rel=0.02)
        if re.fullmatch(r"\d+\.\d+", one) and re.fullmatch(r"\d+\.\d+", two)
        else one == two
        for one, two in zip(line, other, strict=True)
    )


def test_every_picture_and_file_that_the_readme_names_is_there():
    targets = re.findall(r"\]\((?!https?://|#)([^)]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
