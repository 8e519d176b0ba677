# Copyright 2026 The astromer_hf developers. MIT licence.
"""Processes that have imported much, started in milliseconds, for `forks.py` and the kills of `test_faults.py`.

A zygote is a process that has imported everything and runs nothing; it forks one for every function that it is asked to run, so
that a loop of kills does not import torch at every turn. What is killed is a process of its own, by a real SIGKILL.
"""

import gc
import importlib
import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fork_server import call_and_exit, fork_server

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
# By which a process imports the tests, the package of this checkout and the scripts.
PYTHONPATH = os.pathsep.join(
    map(str, (HERE.parent, *sorted(path for path in HERE.parent.iterdir() if path.is_dir()), ROOT, ROOT / "scripts"))
)


class Zygote:
    """A process that forks.

    Args:
        modules: to import beforehand.
        environment: of the process.
        log: file that takes what the forked processes print.
    """

    def __init__(self, modules: list[str], environment: Mapping[str, str], log: Path):
        self.log = log
        self.environment = dict(environment)
        context = fork_server()
        self._requests, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self.environment, log, modules))
        self._process.start()
        theirs.close()
        assert self._ask("ready") == "ready"

    def _ask(self, *request: Any) -> Any:
        self._requests.send(request)
        return self._requests.recv()

    def start(self, function: str, *arguments: Any) -> int:
        """The id of a process that runs `module:function` on arguments; paths arrive as strings."""
        return int(self._ask("start", function, *map(_plain, arguments)))

    def poll(self, pid: int) -> int | None:
        """How a process ended: 0, its status, or minus the signal that killed it; `None` while it runs."""
        status = self._ask("wait", pid)
        return None if status == "runs" else int(status)

    def wait(self, pid: int, timeout: float = 300) -> int:
        """How it ends."""
        deadline = time.monotonic() + timeout
        while (status := self.poll(pid)) is None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                raise TimeoutError(f"a process runs after {timeout} s: {self.log.read_text()[-2000:]}")
            time.sleep(0.01)
        return status

    def run(self, function: str, *arguments: Any) -> None:
        """Run a function to its end, which must be a good one."""
        self.log.write_text("")
        status = self.wait(self.start(function, *arguments))
        assert status == 0, self.log.read_text()[-3000:]

    def kill_after(self, seconds: float, function: str, *arguments: Any) -> bool:
        """Start a function and kill it; whether it was killed, and had not ended by itself."""
        pid = self.start(function, *arguments)
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            if (status := self.poll(pid)) is not None:
                assert status == 0, f"it failed by itself: {self.log.read_text()[-3000:]}"
                return False
            time.sleep(min(remaining, 0.02))
        os.kill(pid, signal.SIGKILL)
        return self.wait(pid) == -signal.SIGKILL

    def close(self) -> None:
        """End it."""
        self._requests.close()
        self._process.join(timeout=30)


class ZygoteProcess:
    """What `Zygote.start` starts, with what `forks.py` uses of `multiprocessing.Process`."""

    def __init__(self, zygote: Zygote, function: str, *arguments: Any):
        self._zygote = zygote
        self._exitcode: int | None = None
        self.pid = zygote.start(function, *arguments)

    @property
    def exitcode(self) -> int | None:
        if self._exitcode is None:
            self._exitcode = self._zygote.poll(self.pid)
        return self._exitcode

    def is_alive(self) -> bool:
        return self.exitcode is None

    def kill(self) -> None:
        if self.is_alive():
            os.kill(self.pid, signal.SIGKILL)

    def join(self, timeout: float = math.inf) -> None:
        deadline = time.monotonic() + timeout
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def serve(requests: Any, environment: dict[str, str], log: Path, modules: list[str]) -> None:
    """Answer the requests that come through a pipe, until it is closed."""
    os.environ.clear()
    os.environ.update(environment)
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # what was imported is no garbage
    gc.enable()
    while True:
        try:
            kind, *arguments = requests.recv()
        except EOFError:
            return
        if kind == "ready":
            answer = kind
        elif kind == "wait":
            pid, status = os.waitpid(arguments[0], os.WNOHANG)
            answer = str(os.waitstatus_to_exitcode(status)) if pid else "runs"
        elif not (pid := os.fork()):
            _run(log, *arguments)
        else:
            answer = str(pid)
        requests.send(answer)


def _run(log: Path, function: str, *arguments: Any) -> None:
    """Run in the forked process, and leave it."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    call_and_exit(_resolve_and_call, function, *arguments)


def _resolve_and_call(function: str, *arguments: Any) -> Any:
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)
