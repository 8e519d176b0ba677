# Copyright 2026 The astromer_hf developers. MIT licence.
"""`python ...` in a process of its own that starts in milliseconds, for tests of commands, kills and launchers.

Importing torch and what transformers takes from it costs five seconds of CPU. The fork server of `multiprocessing` imports them
once; each process is forked from it. Nothing of huggingface_hub, transformers or this package is imported beforehand: a process
reads its environment at their import, as a new interpreter does. A test that measures imports takes what it watches out of
`sys.modules` first, with all that is preloaded here and imports it; else it must start a real interpreter.
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
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

# Without fork servers (Windows), each process is a new interpreter.
CONTEXT: Any = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
PRELOADED = [
    *("pytest", "torch", "torch._dynamo", "torch.distributed.fsdp", "torch.distributed.launcher.api"),
    *("jinja2", "pandas", "PIL.Image", "pyarrow.parquet", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model"),
]
if CONTEXT.get_start_method() == "forkserver":
    CONTEXT.set_forkserver_preload(PRELOADED)


class Forked:
    """A started process, with the methods of `subprocess.Popen` that tests use.

    Args:
        arguments: as after `python`: `-c CODE`, `-m MODULE` or a script, and its own arguments.
        environment: all variables; those of the tests if absent. Torch has been imported before they are set.
        max_file_size: the largest file in bytes that the process may write.
    """

    def __init__(self, *arguments: object, environment: Mapping[str, str] | None = None, max_file_size: int | None = None):
        self.args = [str(argument) for argument in arguments]
        self._folder = Path(tempfile.mkdtemp(prefix="forked-"))
        files = [str(self._folder / name) for name in ("stdout", "stderr")]
        for file in files:
            Path(file).touch()
        variables = dict(os.environ if environment is None else environment)
        self._process = CONTEXT.Process(target=_run, args=(self.args, variables, os.getcwd(), files, max_file_size))
        self._process.start()
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


def run_forked(*arguments: object, timeout: float = 300, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a process to its end, as `subprocess.run` does with captured output."""
    process = Forked(*arguments, **options)
    stdout, stderr = process.communicate(timeout)
    return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)


def call_and_exit(function: Callable[..., Any], *arguments: Any) -> NoReturn:
    """In a forked process: call a function and leave, with the number that it returns, or 0, or as an interpreter would."""
    status = 1
    try:
        result = function(*arguments)
        status = result if isinstance(result, int) else 0
    except SystemExit as exited:
        if isinstance(exited.code, str):
            print(exited.code, file=sys.stderr)
        else:
            status = exited.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


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
    import transformers.modeling_utils  # noqa: F401 (once for all ranks)
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(words[0]),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        rdzv_configs={"is_host": True},
        start_method="fork" if CONTEXT.get_start_method() == "forkserver" else "spawn",
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
