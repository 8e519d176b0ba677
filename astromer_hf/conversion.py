# Copyright 2026 The astromer_hf developers. MIT licence.
"""Released TensorFlow checkpoint of ASTROMER 1 -> `config.json`, `model.safetensors`, `preprocessor_config.json`.

Before it stands `tensorflow_checkpoint.py`, which reads the arrays without TensorFlow; after it a folder that
`from_pretrained` loads. Upstream's names appear in this file and in no other.

The config carries the hyperparameters that the weights were trained with, which differ from those that `conf.json` prints in
one place: `base` says 1000, but the option never reached upstream's encoding, and the weights know 10000 (root-mean-square
error on real MACHO windows 0.108 with 10000, 0.199 with 1000).
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from .configuration_astromer import AstromerConfig
from .feature_extraction_astromer import AstromerFeatureExtractor
from .modeling_astromer import AstromerForMaskedReconstruction
from .tensorflow_checkpoint import (
    CheckpointError,
    find_checkpoint_prefix,
    open_checkpoint_source,
    read_tensorflow_checkpoint,
)

EFFECTIVE_TIME_ENCODING_BASE = 10000.0
_BOOKKEEPING = ("optimizer/", "save_counter", "keras_api/")  # what a training run adds

# upstream's variable -> our parameter; {i} is the block. Keras kernels are (in, out), torch weights (out, in).
_ENCODER_NAMES = {
    "layer_with_weights-0/inp_transform": "model.embeddings.magnitude_embedding",
    "layer_with_weights-0/enc_layers/{i}/mha/wq": "model.layers.{i}.attention.q_proj",
    "layer_with_weights-0/enc_layers/{i}/mha/wk": "model.layers.{i}.attention.k_proj",
    "layer_with_weights-0/enc_layers/{i}/mha/wv": "model.layers.{i}.attention.v_proj",
    "layer_with_weights-0/enc_layers/{i}/mha/dense": "model.layers.{i}.attention.o_proj",
    "layer_with_weights-0/enc_layers/{i}/layernorm1": "model.layers.{i}.attention_layer_norm",
    "layer_with_weights-0/enc_layers/{i}/ffn/layer_with_weights-0": "model.layers.{i}.mlp.fc1",
    "layer_with_weights-0/enc_layers/{i}/ffn/layer_with_weights-1": "model.layers.{i}.mlp.fc2",
    "layer_with_weights-0/enc_layers/{i}/layernorm2": "model.layers.{i}.output_layer_norm",
    "layer_with_weights-1/bn_0": "decoder_layer_norm",
    "layer_with_weights-1/reg_layer": "decoder",
}
_LEAF_NAMES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def convert_tf_checkpoint(source: str | Path, output: str | Path) -> AstromerForMaskedReconstruction:
    """Convert a released ASTROMER 1 checkpoint, a zip file or a folder, into a Transformers model folder.

    Args:
        source: the zip as published, or the folder that holds `conf.json` and `weights.index`.
        output: folder to write; must be new or empty. It appears complete or not at all.

    Returns:
        The converted model.

    Raises:
        CheckpointError: `source` is no such checkpoint, is damaged, or misses, misshapes or adds a variable.
        FileExistsError: `output` holds files already.
    """
    source, output = Path(source), Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} exists already: name a new or empty folder.")
    with open_checkpoint_source(source) as folder:
        prefix = find_checkpoint_prefix(folder)
        config = read_config(prefix.parent)
        model = load_variables(config, read_tensorflow_checkpoint(prefix))

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as temporary:
        staging = Path(temporary, output.name)
        model.save_pretrained(staging)
        AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(staging)
        # safetensors makes files that only their owner may read, whatever the umask
        (staging / "model.safetensors").chmod((staging / "config.json").stat().st_mode)
        if output.exists():
            output.rmdir()
        os.replace(staging, output)
    return model


def read_config(folder: Path) -> AstromerConfig:
    """The effective hyperparameters of the checkpoint whose `conf.json` lies in `folder`."""
    path = folder / "conf.json"
    try:
        conf: dict[str, Any] = json.loads(path.read_text())
        return AstromerConfig(
            hidden_size=conf["head_dim"],  # upstream's "head_dim" is the width of the model
            num_hidden_layers=conf["layers"],
            num_attention_heads=conf["heads"],
            intermediate_size=conf["dff"],
            hidden_dropout_prob=conf["dropout"],
            window_size=conf["max_obs"],
            time_encoding_base=EFFECTIVE_TIME_ENCODING_BASE,
            masking_scheme="additive",
        )
    except FileNotFoundError as error:
        raise CheckpointError(
            f"Expected {path.name} beside the weights, found none: give the folder or zip as it was published."
        ) from error
    except (KeyError, TypeError, ValueError, StrictDataclassError) as error:
        raise CheckpointError(
            f"{path.name} does not describe an ASTROMER 1 encoder ({error!r}): expected the keys head_dim, layers, heads, dff, "
            "dropout and max_obs."
        ) from error


def load_variables(config: AstromerConfig, variables: dict[str, np.ndarray]) -> AstromerForMaskedReconstruction:
    """Build the model of `config` from upstream's variables; every one must be used, and every parameter set."""
    targets = {
        theirs.format(i=i): ours.format(i=i) for i in range(config.num_hidden_layers) for theirs, ours in _ENCODER_NAMES.items()
    }
    state, unknown = {}, []
    for name, array in variables.items():
        module, _, leaf = name.rpartition("/")
        if module in targets and leaf in _LEAF_NAMES:
            tensor = torch.from_numpy(np.ascontiguousarray(array.T if leaf == "kernel" else array))
            state[f"{targets[module]}.{_LEAF_NAMES[leaf]}"] = tensor
        elif not name.startswith(_BOOKKEEPING) and "/.OPTIMIZER_SLOT/" not in name:
            unknown.append(name)
    model = AstromerForMaskedReconstruction(config)
    expected = model.state_dict()
    missing = sorted(expected.keys() - state.keys())
    misshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected.keys() & state.keys()
        if state[name].shape != expected[name].shape
    ]
    for problem, names in (("misses", missing), ("misshapes", misshaped), ("has unknown variables:", unknown)):
        if names:
            raise CheckpointError(
                f"The checkpoint {problem} {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}. Expected the "
                f"{len(expected)} variables of an ASTROMER 1 encoder with {config.num_hidden_layers} blocks and its decoder."
            )
    model.load_state_dict(state)
    return model.eval()
