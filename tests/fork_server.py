# Copyright 2026 The astromer_hf developers. MIT licence.
"""The server from which the processes of tests are forked, see `forks.py` and `zygote.py`.

Importing torch and what transformers takes from it costs five seconds of CPU. The fork server of `multiprocessing` imports them
once, see `preloaded.py`. Nothing of huggingface_hub, transformers or this package is there when a process begins: it reads its
environment at their import, as a new interpreter does.
"""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn


@cache
def fork_server() -> Any:
    """The context of `multiprocessing` whose processes are forked from the server, which runs from now on.

    Without fork servers (Windows), each process is a new interpreter.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing.forkserver import ensure_running

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *([paths] if paths else [])])
    try:
        ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if paths is not None:
            os.environ["PYTHONPATH"] = paths
    return context


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
