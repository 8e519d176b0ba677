# Copyright 2026 The astromer_hf developers. MIT licence.
"""Processes to be killed, started in milliseconds, for `test_faults.py`.

A zygote is a process that has imported everything and runs nothing; it forks one for every function that it is asked to run, so
that a loop of kills does not import torch at every turn. What is killed is a process of its own, by a real SIGKILL.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
        environment = {**environment, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE), str(log), *modules],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._ask("ready") == "ready"

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def start(self, function: str, *arguments: Any) -> int:
        """The id of a process that runs `module:function` on arguments that JSON can hold, in a session of its own."""
        return int(self._ask(json.dumps([function, *map(_plain, arguments)])))

    def wait(self, pid: int, timeout: float = 300) -> int:
        """How a process ended: 0, its status, or minus the signal that killed it."""
        deadline = time.monotonic() + timeout
        while (status := self._ask(f"wait {pid}")) == "runs":
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                raise TimeoutError(f"a process runs after {timeout} s: {self.log.read_text()[-2000:]}")
            time.sleep(0.01)
        return int(status)

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
            if (status := self._ask(f"wait {pid}")) != "runs":
                assert status == "0", f"it failed by itself: {self.log.read_text()[-3000:]}"
                return False
            time.sleep(min(remaining, 0.02))
        os.kill(pid, signal.SIGKILL)
        return self.wait(pid) == -signal.SIGKILL

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def serve(log: Path, modules: list[str]) -> None:
    """Read requests from standard input, answer on standard output."""
    for module in modules:
        importlib.import_module(module)
    for line in sys.stdin:
        request = line.strip()
        if request == "ready":
            answer = request
        elif request.startswith("wait "):
            pid, status = os.waitpid(int(request.split()[1]), os.WNOHANG)
            answer = str(os.waitstatus_to_exitcode(status)) if pid else "runs"
        elif not (pid := os.fork()):
            _run(log, *json.loads(request))
        else:
            answer = str(pid)
        print(answer, flush=True)


def _run(log: Path, function: str, *arguments: Any) -> None:
    """Run in the forked process, and leave it."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(0)
    status = 1
    try:
        module, _, name = function.partition(":")
        called: Callable[..., Any] = getattr(importlib.import_module(module), name)
        result = called(*arguments)
        status = result if isinstance(result, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
