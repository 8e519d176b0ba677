# Copyright 2026 The astromer_hf developers. MIT licence.
"""Output files that are complete or absent, and that only one process writes at a time.

A killed process leaves hidden files beside the output, but never a partial file under its name. The next run for the same
output removes them.
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
    """Lock an output for the duration of the block. The operating system releases the lock when the process ends.

    Yields:
        Whether the lock is held: False if the system or the file system has no locks, so that two writers are not detected.

    Raises:
        OutputInUseError: another process holds it.
    """
    path = output.absolute().with_name(f".{output.name}.lock")
    lock = _take_lock(path, output)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            with contextlib.suppress(PermissionError):  # Windows cannot delete open files; filelock deletes it there
                path.unlink(missing_ok=True)  # before the lock is released, so it cannot be another process's file
            lock.release()


def _take_lock(path: Path, output: Path) -> BaseFileLock | None:
    if not path.parent.is_dir():  # some versions of filelock would create it
        raise FileNotFoundError(f"There is no folder {output.parent} for the output {output}: create it first.")
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
            time.sleep(0.01)  # its owner has just removed it, or the folder is not writable: filelock does not distinguish them
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
    """Yield a temporary path for a file or folder. It becomes `output` if the block succeeds, and is deleted otherwise.

    The path is hidden, beside the output, and ends in `.partial`, so readers of the folder ignore it. An existing output is
    kept until it is replaced.

    Raises:
        OutputInUseError: another process is writing the same output.
        OSError: it cannot be written, or the disk is full.
    """
    with only_writer(output) as is_held:
        owner = "" if is_held else f"-{os.getpid()}"
        partial = output.absolute().with_name(f".{output.name}{owner}.partial")
        _remove(partial)  # left by a killed process
        try:
            yield partial
            if partial.is_file():
                with partial.open("rb+") as written:
                    os.fsync(written.fileno())  # the content must reach the disk before the name
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
