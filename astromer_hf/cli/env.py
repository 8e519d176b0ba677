# Copyright 2026 The astromer_hf developers. MIT licence.
"""`astromer-hf env`."""

import platform
from importlib.metadata import PackageNotFoundError, version

from .report import Report, reports

EXAMPLES = ("astromer-hf env",)
PACKAGES = (
    *("torch", "transformers", "datasets", "huggingface_hub", "accelerate", "safetensors"),
    *("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "matplotlib"),
    *("onnxruntime", "astropy", "light-curve"),
)


@reports
def env() -> Report:
    """Print the versions of the package and of what it uses, to paste into a report of a problem."""
    from .. import __version__

    facts: dict[str, str | None] = {
        "astromer_hf": __version__,
        "Python": platform.python_version(),
        "platform": platform.platform(),
        **{name: installed_version(name) for name in PACKAGES},
        "device": find_devices(),
    }
    return Report("\n".join(f"- {name}: {value or 'not installed'}" for name, value in facts.items()), facts)


def installed_version(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def find_devices() -> str:
    """The accelerators that torch sees, or the CPU's number of threads."""
    try:
        import torch
    except ImportError as error:
        return f"unknown: torch cannot be imported ({error})"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return f"cuda: {', '.join(names)}"
    if torch.backends.mps.is_available():
        return "mps"
    return f"cpu, {torch.get_num_threads()} threads"
