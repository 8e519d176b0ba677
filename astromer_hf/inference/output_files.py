# Copyright 2026 The astromer_hf developers. MIT licence.
"""Output files that appear complete or not at all, and that one process writes at a time.

Before this file stands nothing; after it everything that writes what a user waits for. A process that is killed leaves hidden
files beside the output, never half a file under its name, and the next run for the same output clears them away.
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
            path.unlink(missing_ok=True)  # before it is let go of: nobody else's can be there
            lock.close()


def _take_lock(path: Path, output: Path) -> IO[str] | None:
    while fcntl is not None:
        try:
            lock = path.open("w", encoding="utf-8")
        except OSError as error:
            if not output.absolute().parent.is_dir():
                raise FileNotFoundError(
                    f"There is no folder {output.parent} for the output {output}: make it first."
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
        lock.close()  # its owner was done, and took the file away, just before we had it
    return None


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
