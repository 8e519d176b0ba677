# Copyright 2026 The astromer_hf developers. MIT licence.
"""What a checkpoint needs so that others load it without the package: entries in its configuration, and code files beside it.

The configuration and the feature extractor call it when they are saved, so that whatever way of transformers shares a model
that came from the Hub - `Trainer`, `push_to_hub`, a pipeline - shares its code too. `hub/push.py` calls it for every push.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXTRACTOR_MAP = {"AutoFeatureExtractor": "feature_extraction_astromer.AstromerFeatureExtractor"}
AUTO_MAP = {
    "AutoConfig": "configuration_astromer.AstromerConfig",
    "AutoModel": "modeling_astromer.AstromerModel",
    "AutoModelForPreTraining": "modeling_astromer.AstromerForMaskedReconstruction",
    "AutoModelForSequenceClassification": "modeling_astromer.AstromerForSequenceClassification",
    **EXTRACTOR_MAP,
}
PIPELINES_OF = {  # the tasks of a checkpoint with such a head; every checkpoint can embed
    "AstromerForMaskedReconstruction": "light-curve-reconstruction",
    "AstromerForSequenceClassification": "light-curve-classification",
}


def list_pipelines(architecture: str | None) -> dict[str, dict[str, Any]]:
    """The pipelines of a checkpoint, as transformers looks them up in its config: class and code file.

    The Hub shows how to load a model by its tag, which for an encoder is feature-extraction: that task is the embedding too.
    """
    from .pipelines_astromer import TASKS

    tasks = ["light-curve-embedding", *([PIPELINES_OF[architecture]] if architecture in PIPELINES_OF else [])]
    found = {
        task: {"impl": f"pipelines_astromer.{TASKS[task][0].__name__}", "pt": [TASKS[task][1].__name__], "type": "multimodal"}
        for task in tasks
    }
    return found | {"feature-extraction": found["light-curve-embedding"]}


def copy_code(folder: str | Path) -> None:
    """Put the code files that lie beside this one into a folder."""
    own = Path(__file__).parent
    if own.resolve() != Path(folder).resolve():
        for file in sorted(own.glob("*_astromer.py")):
            shutil.copyfile(file, Path(folder, file.name))


@contextmanager
def with_code(config: Any, folder: str | Path) -> Iterator[None]:
    """Within the block a configuration that points to code names all of it, and the files are in the folder.

    One that does not, of a model that was made here, stays as it is. The classes of another architecture, such as that of the
    model before it was fine-tuned, are replaced by those of its own.
    """
    if not (getattr(config, "auto_map", None) or getattr(config, "custom_pipelines", None)):
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    copy_code(folder)
    before = getattr(config, "custom_pipelines", None)
    config.auto_map = dict(AUTO_MAP)
    config.custom_pipelines = list_pipelines(next(iter(config.architectures or []), None))
    try:
        yield
    finally:  # of a model in memory transformers would ask whether the code of these is trusted
        config.custom_pipelines = before
        if before is None:
            del config.custom_pipelines
