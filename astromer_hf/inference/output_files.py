# Copyright 2026 The astromer_hf developers. MIT licence.
"""Output files that appear complete or not at all, and that one process writes at a time.

Before this file stands nothing; after it everything that writes what a user waits for. A process that is killed leaves hidden
files beside the output, never half a file under its name, and the next run for the same output clears them away.
"""

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}  # of file systems without locks


class OutputInUseError(OSError):
    """Another process is writing the same output."""


@contextmanager
def only_writer(output: Path) -> Iterator[bool]:
    """Hold an output for as long as the block runs; the system lets go of it when the process ends, however it ends.

    Yields:
        Whether it is held: False where the system or the file system has no locks, and two writers are not told apart.

    Raises:
        OutputInUseError: another process holds it.
    """
    path = output.absolute().with_name(f".{output.name}.lock")
    lock = _take_lock(path, output)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            with contextlib.suppress(PermissionError):  # Windows deletes no open file; there, filelock does it itself
                path.unlink(missing_ok=True)  # before it is released: nobody else's can be there
            lock.release()


def _take_lock(path: Path, output: Path) -> BaseFileLock | None:
    if not path.parent.is_dir():  # which some versions of filelock would make
        raise FileNotFoundError(f"There is no folder {output.parent} for the output {output}: make it first.")
    lock = FileLock(path, blocking=False)
    try:
        for _ in range(10):
            with contextlib.suppress(Timeout):
                lock.acquire()
                return lock
            if path.exists():
                raise OutputInUseError(
                    f"Another process is writing {output} at the moment: wait until it is done, or name another output."
                )
            time.sleep(0.01)  # its owner has just removed it; or the folder takes no files, which filelock does not tell apart
    except OutputInUseError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            path.unlink(missing_ok=True)
            return None
        raise type(error)(_not_writable(output, error.strerror)) from error
    raise FileNotFoundError(_not_writable(output, os.strerror(errno.ENOENT)))


def _not_writable(output: Path, reason: str | None) -> str:
    return f"The output {output} cannot be written ({reason}): name one in a folder that you may write to."


@contextmanager
def complete_or_absent(output: Path) -> Iterator[Path]:
    """Give a path for a file or folder, which becomes `output` if the block ends well and is deleted if it does not.

    The path is hidden beside the output and ends in `.partial`, so that no reader of the folder takes it for one.
    What stands under the output's name stays until it is replaced.

    Raises:
        OutputInUseError: another process is writing the same output.
        OSError: it cannot be written, or there is no space for it.
    """
    with only_writer(output) as is_held:
        owner = "" if is_held else f"-{os.getpid()}"
        partial = output.absolute().with_name(f".{output.name}{owner}.partial")
        _remove(partial)  # a killed process'
        try:
            yield partial
            if partial.is_file():
                with partial.open("rb+") as written:
                    os.fsync(written.fileno())  # the name must not reach the disk before the content
            os.replace(partial, output)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            message = f"There is no space for the output {output}, and nothing was written: free some, or name another disk"
            raise OSError(error.errno, message) from error
        finally:
            _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
