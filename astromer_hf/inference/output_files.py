# Copyright 2026 The astromer_hf developers. MIT licence.
"""Output files that are complete or absent, and that only one process writes at a time.

A killed process leaves hidden files beside the output, but never a partial file under its name. The next run for the same
output removes them.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
            path.unlink(missing_ok=True)  # before the lock is released, so it cannot be another process's file
            lock.close()


def _take_lock(path: Path, output: Path) -> IO[str] | None:
    while fcntl is not None:
        try:
            lock = path.open("w", encoding="utf-8")
        except OSError as error:
            if not output.absolute().parent.is_dir():
                raise FileNotFoundError(
                    f"There is no folder {output.parent} for the output {output}: create it first."
                ) from error
            raise type(error)(
                f"The output {output} cannot be written ({error.strerror}): name one in a folder that you may write to."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise OutputInUseError(
                f"Another process is writing {output} at the moment: wait until it is done, or name another output."
            ) from error
        except OSError:  # a file system without locks
            lock.close()
            path.unlink(missing_ok=True)
            return None
        try:
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        except FileNotFoundError:
            pass
        lock.close()  # its owner finished and removed the file just before we locked it
    return None


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
