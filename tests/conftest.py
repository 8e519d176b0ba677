# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the tests share: they run offline on the CPU, with a tiny model, simulated light curves and real ones where present."""
# ruff: noqa: E402 (what stands before the imports is for them)

import gc
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # transformers would start a thread that asks the Hub
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["OMP_NUM_THREADS"] = "1"  # sums in one order, here and in subprocesses, and tiny models gain nothing from more

gc.disable()  # a fifth of the time of the imports would go into a search for garbage, of which there is none

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from hub_client import HubClient
from loopback_hub import Account, LoopbackHub

import astromer_hf
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS

gc.enable()
gc.set_threshold(50_000, 20, 20)  # tracing a graph makes many thousands of objects that live

# A periodogram takes as long as the span of the observations.
BRIEF_SURVEY = replace(SIMULATED_SURVEYS["asas_like"], min_points=100, max_points=150, duration_days=400.0)

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

TINY = {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 8, "num_hidden_layers": 2, "window_size": 20}
# The options that the paper's model does not have, without photometric errors.
TINY_EXTENDED = {
    **TINY,
    "time_bias_scales": [0.3, 30.0],
    "num_folding_periods": 2,
    "num_candidate_periods": 4,
    "num_frequencies": 512,
    "folding_period_multiple": 2,
    "unambiguous_folding": True,
    "use_mask_token": True,
    "normalize_amplitude": True,
    "use_residual": True,
    "reconstruction_loss": "relative",
}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real light curves; the test is skipped where it is not here."""
    return _folder_or_skip(SHARED / "data", "real light curves")


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of the released checkpoint and its golden arrays; the test is skipped where it is not here."""
    return _folder_or_skip(SHARED / "reference", "the released checkpoint")


def _folder_or_skip(folder: Path, content: str) -> Path:
    if not folder.is_dir():
        pytest.skip(f"../shared/{folder.name} with {content} is not here")
    return folder


@pytest.fixture(scope="session")
def macho_a0(shared_reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The released MACHO checkpoint, converted."""
    from astromer_hf.hub.conversion import convert_tf_checkpoint

    folder = tmp_path_factory.mktemp("models") / "macho_a0"
    convert_tf_checkpoint(shared_reference / "macho_a0.zip", folder)
    return folder


ACCOUNTS = {  # token -> whose it is
    "hf_ada": Account("ada", ("astromer", "organisation")),
    "hf_ada_reads": Account("ada", ("astromer",), role="read"),
    "hf_bob": Account("bob"),
}


@pytest.fixture(scope="session")
def hub() -> Iterator[LoopbackHub]:
    """A Hub on loopback."""
    with LoopbackHub(ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="session")
def client(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    """A process that is online, with that Hub for the only one."""
    process = HubClient(hub.url, tmp_path_factory.mktemp("client"))
    yield process
    process.close()


@pytest.fixture(params=["paper", "extended"])
def tiny_config(request: pytest.FixtureRequest) -> astromer_hf.AstromerConfig:
    """A tiny encoder as in the paper, and one with every option that sees the photometric errors too."""
    extended = {**TINY_EXTENDED, "use_magnitude_errors": True}
    return astromer_hf.AstromerConfig(**(TINY if request.param == "paper" else extended))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny encoder as in the paper; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    astromer_hf.AstromerModel(astromer_hf.AstromerConfig(**TINY)).save_pretrained(folder)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to write into from which the shipped models are seen as in a checkout."""
    (tmp_path / "model_cards").symlink_to(ROOT / "model_cards")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.default_generator.manual_seed(0)  # `torch.manual_seed` also notes a traceback for GPUs that may come


num_imported = pytest.StashKey[int]()


@pytest.fixture(autouse=True)
def _imports_are_no_garbage(pytestconfig: pytest.Config) -> None:
    """Trainer collects garbage after every training: going through all that is imported takes longer than tiny trainings do."""
    if pytestconfig.stash.get(num_imported, 0) < len(sys.modules):
        gc.collect()
        gc.freeze()
        pytestconfig.stash[num_imported] = len(sys.modules)


# --- Counts that a run prints at its end ---

report_lines = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[report_lines] = []
    # Hypothesis does not see who refers to an object behind `gc.freeze`.
    config.addinivalue_line("filterwarnings", "ignore:It looks like `register_random`")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests counted: cases tried, kills survived, objects lost; and what the tests cost."""
    for line in terminalreporter.config.stash[report_lines]:
        terminalreporter.write_line(line)
    here = psutil.Process()
    # User and system, of a process and of its children that have ended. The fork server lives, see `forks.py`.
    seconds = sum(sum(process.cpu_times()[:4]) for process in (here, *here.children(recursive=True)))
    terminalreporter.write_line(f"{seconds:.0f} s of processor time, with all processes that the tests started")
