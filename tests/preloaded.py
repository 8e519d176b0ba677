# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the fork server of `fork_server.py` imports once, for all processes that are forked from it.

Nothing of huggingface_hub and transformers stays, which read the environment at their import. But at its import transformers
reads all files of its models, for half a second, to see which names they define. That depends on no variable: the answer is
remembered here, transformers is forgotten, and the forked processes import it again without reading those files.
"""

import gc
import importlib
import logging
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

# Of the suite and of what transformers and the package import; an optional one may be absent.
MODULES = [
    *("pytest", "torch", "torch._dynamo", "torch.distributed.fsdp", "torch.distributed.launcher.api"),
    *("torch.distributed.checkpoint", "safetensors.torch", "tokenizers", "transformers.models"),
    *("jinja2", "pandas", "PIL.Image", "pyarrow.dataset", "pyarrow.parquet", "fsspec.asyn", "xml.etree.ElementTree"),
    *("matplotlib.pyplot", "astropy.stats", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model"),
]
READER = "transformers.utils.import_utils"
REMEMBERED: dict[tuple[Any, ...], dict[Any, dict[str, Any]]] = {}


class RememberingLoader(SourceFileLoader):
    """Loads the module that reads the files, and has it read none twice."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        read = module.define_import_structure

        def define_import_structure(*arguments: Any, **options: Any) -> dict[Any, dict[str, Any]]:
            asked = (*arguments, *options.items())
            if asked not in REMEMBERED:
                REMEMBERED[asked] = read(*arguments, **options)
            return {key: dict(names) for key, names in REMEMBERED[asked].items()}  # the caller adds to it

        module.define_import_structure = define_import_structure  # type: ignore[attr-defined]


class Finder:
    """Finds that module for the loader above."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == READER else None
        if spec is not None and spec.origin is not None:
            spec.loader = RememberingLoader(name, spec.origin)
        return spec


def preload() -> None:
    """Import the modules, and forget those that read the environment."""
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
    gc.disable()  # nothing of it is garbage
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    gc.enable()
    for name in list(sys.modules):
        if name.partition(".")[0] in ("transformers", "huggingface_hub"):
            del sys.modules[name]
    for name in ("transformers", "huggingface_hub"):
        logging.getLogger(name).handlers.clear()  # the import adds them again


preload()
