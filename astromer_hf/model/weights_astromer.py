# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files of weights: their checksum, and loading that never initialises the missing weights of a damaged checkpoint.

`AstromerPreTrainedModel` in `modeling_astromer.py` is built on it. Training verifies checkpoints with it before it resumes.
"""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import torch
from huggingface_hub import try_to_load_from_cache
from transformers.modeling_utils import PreTrainedModel

from .configuration_astromer import DECISIONS
from .quantization_astromer import keep_small_layers

FITTED_TO_WEIGHTS = ("uncertain_below", "likely_set_thresholds", "unlike_above", "reconstruction_quantiles")


def _checksum(header: dict[str, Any], file: BinaryIO) -> str:
    """SHA-256 of names, types and shapes in the `header` of a safetensors file, and of the numbers that follow in `file`."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    while block := file.read(2**20):
        found.update(block)
    return found.hexdigest()


def _read_header(file: BinaryIO) -> dict[str, Any]:
    """The JSON header of a safetensors file. Afterwards `file` is at the first byte behind it."""
    return dict(json.loads(file.read(int.from_bytes(file.read(8), "little"))))


def add_checksum(path: Path) -> None:
    """Write the SHA-256 of its tensors into the metadata of a safetensors file. The file is replaced in one step.

    safetensors creates files that only their owner may read. The new one has the permissions of any other file that is made.
    """
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
    os.replace(unfinished, path)


def verify_checksum(path: Path) -> None:
    """Compare a safetensors file with the checksum in its metadata, if it has one.

    Raises:
        ValueError: they differ, or the file is not a safetensors file.
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
                    raise ValueError("an entry is not a tensor")
                is_sound = expected is None or expected == _checksum(header, file)
                problem = "" if is_sound else "does not have the checksum that it was saved with"
            except (ValueError, AttributeError, TypeError):
                problem = "has a damaged header"
    if problem:
        raise ValueError(f"{path} {problem}: download it again, or save it again.")


def verify_checksums(folder: Path | None) -> None:
    """`verify_checksum` of every file of weights in a folder; nothing if there is no folder."""
    for file in sorted(folder.glob("model*.safetensors")) if folder else ():
        verify_checksum(file)


def _cached_folder(repo_id: str, options: Mapping[str, Any]) -> Path | None:
    """Where the client of the Hub keeps the files of a model that was loaded with these options.

    The client compares the size of a download with what the Hub announced, and not its content.
    """
    config = try_to_load_from_cache(
        repo_id,
        "/".join(part for part in (options.get("subfolder"), "config.json") if part),
        cache_dir=options.get("cache_dir"),
        revision=options.get("revision"),
    )
    return Path(config).parent if isinstance(config, str) else None


class StrictPreTrainedModel(PreTrainedModel):
    """Saving and loading in which every weight comes from the checkpoint, or an error names the weight that does not."""

    _initial_weight: tuple[str, torch.Tensor] | None = None  # of a head that `from_pretrained` initialised at random

    @property
    def head_is_new(self) -> bool:
        """Whether the head has random weights: `from_pretrained` initialised it, and nothing has trained or replaced it since.

        The last weight of such a head is compared with a copy of it, so that any way of changing it counts.
        """
        if self._initial_weight is None:
            return False
        name, initial = self._initial_weight
        weight = dict(self.named_parameters()).get(name)
        if weight is None or weight.is_meta or weight.shape != initial.shape:
            return False
        return torch.equal(weight.detach().cpu(), initial.to(weight.dtype))

    def post_init(self) -> None:
        """As in transformers. In addition, weights of heads that this model lacks are ignored when a checkpoint is loaded."""
        super().post_init()
        heads = ("decoder", "decoder_layer_norm", "classifier", "novelty", "projector", "regularizer", "feature_head")
        self._keys_to_ignore_on_load_unexpected = {rf"^{head}\." for head in heads if getattr(self, head, None) is None}

    def train(self, mode: bool = True) -> Any:
        """Switch to training mode, which forgets the thresholds and quantiles that were fitted to the weights as they were."""
        if mode:
            self._forget(*FITTED_TO_WEIGHTS)
        return super().train(mode)

    def _forget(self, *names: str) -> None:
        for name in names:
            setattr(self.config, name, DECISIONS[name])

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        strict_loading: bool = True,
        use_safetensors: bool | None = True,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Self:
        """transformers' `from_pretrained`, in which a damaged checkpoint is an error.

        transformers initialises missing weights at random and ignores unexpected ones. Here every weight of the encoder must
        come from the checkpoint. So must every weight of the head, unless the checkpoint has no weight of it at all: then the
        head is new. Files of weights, in a local folder or in the Hub's cache, are compared with the checksum that
        `save_pretrained` wrote into them, if they have one. Weights that the caller passes as `state_dict` are not checked.

        Args:
            pretrained_model_name_or_path, args, kwargs: as in transformers.
            strict_loading (`bool`, defaults to `True`): `False` skips all these checks, and loads as transformers does.
            use_safetensors (`bool`, *optional*, defaults to `True`): pickles can run code and are not loaded by default.
            ignore_mismatched_sizes (`bool`, defaults to `False`): initialise weights of another shape at random.
            output_loading_info (`bool`, defaults to `False`): return the model and transformers' loading report.

        Raises:
            RuntimeError: weights are missing, unexpected or not finite, or have another shape and `ignore_mismatched_sizes` is
                off.
            ValueError: a file of weights does not have its checksum.
            OSError: there is no such checkpoint.
        """
        strict = strict_loading and kwargs.get("state_dict") is None
        folder = Path(str(pretrained_model_name_or_path), kwargs.get("subfolder") or "")
        if strict and pretrained_model_name_or_path is not None:
            verify_checksums(folder)
        if "quantization_config" in kwargs:
            kwargs["quantization_config"] = keep_small_layers(kwargs["quantization_config"])
        model, loading = cast(
            Any,
            super().from_pretrained(
                pretrained_model_name_or_path,
                *args,
                use_safetensors=use_safetensors,
                ignore_mismatched_sizes=ignore_mismatched_sizes or strict,  # strict loading names them below
                output_loading_info=True,
                **kwargs,
            ),
        )
        if strict and pretrained_model_name_or_path is not None and not folder.is_dir():
            verify_checksums(_cached_folder(str(pretrained_model_name_or_path), kwargs))
        children = [] if model.base_model is model else [name for name, _ in model.named_children()]
        prefixes = tuple(f"{name}." for name in children if name != cls.base_model_prefix)
        head = {name for name in model.state_dict() if name.startswith(prefixes)}
        head_is_missing = head <= set(loading["missing_keys"])
        mismatched = {name: f"{name} {tuple(found)} for {tuple(own)}" for name, found, own in loading["mismatched_keys"]}
        new = head if head_is_missing else head & set(mismatched)  # initialised at random
        if strict:
            faults = {
                kind: [name for name in loading[f"{kind}_keys"] if not (head_is_missing and name.startswith(prefixes))]
                for kind in ("missing", "unexpected")
            }
            if not ignore_mismatched_sizes:
                faults["mismatched"] = [*mismatched.values()]
            tensors = itertools.chain(model.named_parameters(), model.named_buffers())
            loaded = [(name, weights) for name, weights in tensors if not weights.is_meta and name not in new]
            faults["not finite"] = [name for name, weights in loaded if not weights.isfinite().all()]
            for kind, names in faults.items():
                if names:
                    raise RuntimeError(_describe_fault(pretrained_model_name_or_path, kind, names))
        if new:
            model._forget(*DECISIONS)  # they were fitted to another head
            if getattr(model, "novelty", None) is not None:
                model.novelty = None
        random = [(name, weight) for name, weight in model.named_parameters() if name in new and weight.ndim >= 2]
        if random and not random[-1][1].is_meta:
            model._initial_weight = (random[-1][0], random[-1][1].detach().cpu().clone())
        return (model, loading) if output_loading_info else model  # type: ignore[return-value]  # as transformers does

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """transformers' `save_pretrained`. Each file of weights gets the checksum that `from_pretrained` verifies.

        A model in one file that replaces a sharded one, or the reverse, leaves neither an old index nor an old file, from which
        transformers would load the old weights.
        """
        if self.training:  # also of a model that was in training mode from the start
            self._forget(*FITTED_TO_WEIGHTS)
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            _remove_replaced_weights(Path(save_directory), kwargs.get("variant"))
            for file in Path(save_directory).glob("model*.safetensors"):
                add_checksum(file)


def _describe_fault(source: Any, kind: str, names: list[str]) -> str:
    """What is wrong with weights, in one line, and what to do about it."""
    if kind == "mismatched":
        what = "have another shape than the configuration asks for"
        remedy = "Pass `ignore_mismatched_sizes=True` to initialise these weights at random"
    else:
        what = "are damaged, or its config.json is another model's"
        remedy = "Download it again, or save it again"
    return (
        f"The weights of {source} {what}; {kind}: {', '.join(sorted(names)[:3])}{' ...' * (len(names) > 3)}. {remedy}, or pass "
        "`strict_loading=False` to load what there is."
    )


def _remove_replaced_weights(folder: Path, variant: str | None) -> None:
    """Remove the index, or the single file, of an earlier save in the other layout.

    transformers has removed the shards that it did not write, so that an old index names files that are missing.
    """
    infix = f".{variant}" if variant else ""
    index = folder / f"model.safetensors.index{infix}.json"
    if not index.is_file():
        return
    shards = set(json.loads(index.read_text())["weight_map"].values())
    is_current = all((folder / shard).is_file() for shard in shards)
    (folder / f"model{infix}.safetensors" if is_current else index).unlink(missing_ok=True)
