# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files of weights: the checksum that they carry, and loading that never fills up a damaged checkpoint.

Nothing comes before this file; after it `AstromerPreTrainedModel` in `modeling_astromer.py`, and training, which resumes from
such files.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from transformers.modeling_utils import PreTrainedModel


def _checksum(header: dict[str, Any], file: BinaryIO) -> str:
    """Of the tensors of a safetensors file: their names, types and shapes, and, from where `file` stands on, their numbers."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    while block := file.read(2**20):
        found.update(block)
    return found.hexdigest()


def _read_header(file: BinaryIO) -> dict[str, Any]:
    """The JSON header of a safetensors file, behind which `file` stands afterwards."""
    return dict(json.loads(file.read(int.from_bytes(file.read(8), "little"))))


def add_checksum(path: Path) -> None:
    """Write the SHA-256 of its tensors into the metadata of a safetensors file, which so appears complete or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with path.open("rb") as file:
        header = _read_header(file)
        start = file.tell()
        metadata = header.pop("__metadata__", {})
        header["__metadata__"] = metadata | {"sha256": _checksum(header, file)}
        encoded = json.dumps(header).encode()
        encoded += b" " * (-len(encoded) % 8)  # the numbers are aligned
        file.seek(start)
        with unfinished.open("wb") as written:
            written.write(len(encoded).to_bytes(8, "little") + encoded)
            shutil.copyfileobj(file, written)
    unfinished.chmod(path.stat().st_mode)
    os.replace(unfinished, path)


def verify_checksum(path: Path) -> None:
    """Compare a safetensors file with the checksum in its metadata, if it has one.

    Raises:
        ValueError: they differ, or the file is none.
    """
    problem = "is cut short"
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if 8 + size <= path.stat().st_size:
            file.seek(0)
            try:
                header = _read_header(file)
                expected = header.pop("__metadata__", {}).get("sha256")
                if any(entry.keys() != {"dtype", "shape", "data_offsets"} for entry in header.values()):
                    raise ValueError("an entry is no tensor")
                is_sound = expected is None or expected == _checksum(header, file)
                problem = "" if is_sound else "does not have the checksum that it was saved with"
            except (ValueError, AttributeError, TypeError):
                problem = "has a damaged header"
    if problem:
        raise ValueError(f"{path} {problem}: download it again, or save it anew.")


class StrictPreTrainedModel(PreTrainedModel):
    """Saving and loading in which every weight is the checkpoint's own, or an error says which is not."""

    head_is_new = False  # whether `from_pretrained` found nothing of the head, whose weights are then random

    def post_init(self) -> None:
        """transformers' own; and heads that this model does not have are left behind in a checkpoint without a word."""
        super().post_init()
        absent = (
            head for head in ("decoder", "classifier", "projector", "regularizer", "feature_head") if not hasattr(self, head)
        )
        self._keys_to_ignore_on_load_unexpected = {rf"^{head}" for head in absent}

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        use_safetensors: bool | None = True,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Self:
        """transformers' `from_pretrained`, in which a damaged checkpoint is an error and not filled up with random numbers.

        Files of weights in a folder must have the checksum that `save_pretrained` left in them, if they have one. Every weight
        of the encoder, and of a head that the checkpoint has, must be the checkpoint's own. A head of which it has nothing is a
        new one. `use_safetensors` is on, since a pickle can run code.

        Raises:
            ValueError: weights are missing, unexpected, misshapen (unless `ignore_mismatched_sizes`) or not finite.
        """
        if (folder := Path(str(pretrained_model_name_or_path))).is_dir():  # the Hub's own cache names files by their hashes
            for file in sorted(folder.glob("model*.safetensors")):
                verify_checksum(file)
        model, loading = cast(
            Any,
            super().from_pretrained(
                pretrained_model_name_or_path,
                *args,
                use_safetensors=use_safetensors,
                ignore_mismatched_sizes=True,  # refused below, with their names
                output_loading_info=True,
                **kwargs,
            ),
        )
        children = [] if model.base_model is model else [name for name, _ in model.named_children()]
        head = tuple(f"{name}." for name in children if name != cls.base_model_prefix)
        head_is_new = {name for name in model.state_dict() if name.startswith(head)} <= set(loading["missing_keys"])
        faults = {
            kind: [name for name in loading[f"{kind}_keys"] if not (head_is_new and name.startswith(head))]
            for kind in ("missing", "unexpected")
        }
        if not ignore_mismatched_sizes:
            faults["misshapen"] = [f"{name} {tuple(found)} for {tuple(own)}" for name, found, own in loading["mismatched_keys"]]
        loaded = [(name, weights) for name, weights in model.named_parameters() if not weights.is_meta]
        faults["not finite"] = [name for name, weights in loaded if not weights.isfinite().all()]
        for kind, names in faults.items():
            if names:
                raise ValueError(
                    f"The weights of {pretrained_model_name_or_path} are damaged, or its config.json is another model's; "
                    f"{kind}: {', '.join(sorted(names)[:3])}{' ...' * (len(names) > 3)}. Download it again, or save it anew."
                )
        model.head_is_new = bool(head) and head_is_new
        return (model, loading) if output_loading_info else model  # type: ignore[return-value]  # as transformers does

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """transformers' `save_pretrained`; each file of weights gets the checksum that `from_pretrained` verifies."""
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            for file in Path(save_directory).glob("model*.safetensors"):
                add_checksum(file)
