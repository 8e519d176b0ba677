# Copyright 2026 The astromer_hf developers. MIT licence.
"""`python ...` in a process of its own that starts in milliseconds, for tests of commands, kills and launchers.

It is forked from one that has imported transformers and what `Trainer` needs of others, but nothing of this package. Where the
variables for the Hub or transformers, which read them at their import, are not those of the tests, it must be asked for as
`fresh`, and is forked from the fork server. So must one that measures imports. It takes what it watches out of `sys.modules`
first, with all that is preloaded in `preloaded.py` and imports it; else it must start a real interpreter.
"""

import atexit
import gc
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fork_server import call_and_exit, fork_server
from zygote import Zygote, ZygoteProcess

IMPORTED = ["transformers.trainer", "transformers.pipelines", "datasets"]
READ_AT_IMPORT = ("HF_", "HUGGING", "TRANSFORMERS_", "DISABLE_SAFETENSORS_CONVERSION")


class Forked:
    """A started process, with the methods of `subprocess.Popen` that tests use.

    Args:
        arguments: as after `python`: `-c CODE`, `-m MODULE` or a script, and its own arguments.
        environment: all variables; those of the tests if absent. Torch has been imported before they are set.
        fresh: without transformers and huggingface_hub, which are then imported with these variables.
        max_file_size: the largest file in bytes that the process may write.
    """

    def __init__(
        self,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        fresh: bool = False,
        max_file_size: int | None = None,
    ):
        self.args = [str(argument) for argument in arguments]
        self._folder = Path(tempfile.mkdtemp(prefix="forked-"))
        files = [str(self._folder / name) for name in ("stdout", "stderr")]
        for file in files:
            Path(file).touch()
        variables = dict(os.environ if environment is None else environment)
        task = (self.args, variables, os.getcwd(), files, max_file_size)
        self._process: Any
        if fresh or sys.platform == "win32":
            self._process = fork_server().Process(target=_run, args=task)
            self._process.start()
        else:
            importer = _importer()
            assert _read_at_import(variables) == _read_at_import(importer.environment), "only a fresh process reads them"
            self._process = ZygoteProcess(importer, "forks:_run", *task)
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """`None` while it runs; minus the number of the signal that killed it."""
        return self._process.exitcode  # type: ignore[no-any-return]

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float = 300) -> int:
        """How it ended. Raises `subprocess.TimeoutExpired` if it runs longer, and kills it."""
        self._process.join(timeout)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(self.args, timeout, *self._read())
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Wait, and return what it printed."""
        self.wait(timeout)
        printed = self._read()
        shutil.rmtree(self._folder)
        return printed

    def _read(self) -> tuple[str, str]:
        return (self._folder / "stdout").read_text(), (self._folder / "stderr").read_text()


@cache
def _importer() -> Zygote:
    """The process that has imported transformers."""
    log = Path(tempfile.mkdtemp(prefix="forked-")) / "log.txt"
    zygote = Zygote(IMPORTED, os.environ, log)
    atexit.register(shutil.rmtree, log.parent)
    atexit.register(zygote.close)
    return zygote


def _read_at_import(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_IMPORT)}


def run_forked(*arguments: object, timeout: float = 300, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a process to its end, as `subprocess.run` does with captured output."""
    process = Forked(*arguments, **options)
    stdout, stderr = process.communicate(timeout)
    return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)


def fork_here(function: Callable[[], int | None]) -> subprocess.CompletedProcess[str]:
    """Call a function in a process forked from this one, which has imported everything: what it printed, and how it ended."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:

        def call() -> int | None:
            for number, file in enumerate((output, errors), start=1):
                os.dup2(file.fileno(), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
            return function()

        if not (pid := os.fork()):
            call_and_exit(call)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess([], status, output.read(), errors.read())


def launch_ranks(count: int, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `torchrun --standalone --nproc_per_node=COUNT ARGUMENTS`: the same agent, but its ranks are forked as well."""
    return run_forked("-c", "import sys, forks; forks._launch_here(sys.argv[1:])", count, *arguments, **options)


@contextmanager
def forked_workers() -> Iterator[None]:
    """Worker processes of joblib are forked from the tests, in place of new interpreters that import torch for seconds."""
    import joblib
    from joblib.externals.loky.backend.context import set_start_method

    if "fork" in multiprocessing.get_all_start_methods():
        set_start_method("fork", force=True)
    with joblib.parallel_config("loky", idle_worker_timeout=5), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`fork` start method should not be used with `loky`")
        try:
            yield
        finally:
            set_start_method(None, force=True)


def _launch_here(words: list[str]) -> None:
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(words[0]),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        rdzv_configs={"is_host": True},
        start_method="fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn",
        monitor_interval=0.1,
    )
    elastic_launch(config, _interpret)(words[1:])


def _run(arguments: list[str], environment: dict[str, str], folder: str, files: list[str], max_file_size: int | None) -> None:
    """In the new process: become the interpreter that was asked for."""
    gc.freeze()  # the trainer collects garbage at every turn, and would visit what was imported beforehand
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, (stream, file) in enumerate(zip((sys.stdout, sys.stderr), files, strict=True), start=1):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
        stream.reconfigure(write_through=True)
    if max_file_size is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_size, max_file_size))
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    _interpret(arguments)


def _interpret(arguments: list[str]) -> None:
    try:
        kind, *rest = arguments
        if kind == "-c":
            main = types.ModuleType("__main__")
            sys.modules["__main__"], sys.argv = main, ["-c", *rest[1:]]
            exec(compile(rest[0], "<string>", "exec"), main.__dict__)
        elif kind == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, str(Path(kind).parent))
            runpy.run_path(kind, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
