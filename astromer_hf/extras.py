# Copyright 2026 The astromer_hf developers. MIT licence.
"""What to install where an optional package is missing; every room's error messages take the line from here.

The line names the packages themselves, with the versions that this installation asks for. So it works however the package was
installed: from a clone, a git URL, a wheel, or an index.
"""

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires


def install_line(extra: str) -> str:
    """The command that installs the packages of an extra of `pyproject.toml`, such as `"onnx"`.

    Raises:
        ValueError: there is no such extra.
    """
    try:
        lines = requires("astromer-hf") or []
    except PackageNotFoundError:  # the package is used from its folder, without being installed
        return f"pip install -c constraints.txt -e '.[{extra}]', in a clone of astromer_hf"
    marker = re.compile(rf"extra == ['\"]{re.escape(extra)}['\"]$")
    packages = [requirement.strip() for requirement, _, when in (line.partition(";") for line in lines) if marker.search(when)]
    if not packages:
        raise ValueError(f"astromer-hf has no extra {extra!r}.")
    return shlex.join(["pip", "install", *packages])
