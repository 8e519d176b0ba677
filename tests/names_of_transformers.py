# Copyright 2026 The astromer_hf developers. MIT licence.
"""Imported by `fork_server.py` beforehand: which names the files of transformers define, and nothing else of transformers.

At its import transformers reads all files of its models, for half a second. The answer depends on no variable of the environment:
it is remembered, and transformers is forgotten. Processes forked from here import it again without reading those files.
"""

import logging
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

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


sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
import transformers.models  # noqa: E402, F401

for name in list(sys.modules):
    if name.partition(".")[0] in ("transformers", "huggingface_hub"):
        del sys.modules[name]
for name in ("transformers", "huggingface_hub"):
    logging.getLogger(name).handlers.clear()  # the import adds them again
