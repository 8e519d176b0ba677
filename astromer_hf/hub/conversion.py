# Copyright 2026 The astromer_hf developers. MIT licence.
"""TensorFlow checkpoint of ASTROMER 1 or Astromer 2 -> `config.json`, `model.safetensors`, `preprocessor_config.json`.

`tensorflow_checkpoint.py` reads the arrays without TensorFlow; `from_pretrained` loads the result. Upstream's names appear only
in this file.

The conversion of ASTROMER 1 is verified on its released weights. That of Astromer 2 (Donoso-Oliva et al. 2026) follows its
published code. It is verified on checkpoints that `scripts/build_astromer2_checkpoint.py` makes with TensorFlow in that layout,
because no released weights were available.

The config holds the hyperparameters that the weights were trained with. They differ from upstream's file in one place, the time
encoding. The file may say base 1000 or exponent 1, but neither option reached upstream's encoding, which uses 10000 and 2. For
ASTROMER 1 this is measured (root-mean-square error on real MACHO windows 0.108 with 10000, 0.199 with 1000). For Astromer 2 it
follows from the code; another version of that code uses the options: `time_encoding="as_written"`.
"""

import json
import logging
import math
import operator
import os
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from ..model.configuration_astromer import AstromerConfig
from ..model.feature_extraction_astromer import AstromerFeatureExtractor
from ..model.modeling_astromer import AstromerForMaskedReconstruction
from .tensorflow_checkpoint import CheckpointError, find_checkpoint_prefix, open_checkpoint_source, read_tensorflow_checkpoint

logger = logging.getLogger(__name__)

TimeEncoding = Literal["effective", "as_written"]
MaskingScheme = Literal["hidden", "additive", "additive_padding"]
EFFECTIVE_TIME_ENCODING = {"time_encoding_base": 10000.0, "time_encoding_exponent": 2.0}

# --- Names ---

# upstream's module -> ours; {i} is the block. The first part is the Keras layer, for which a checkpoint has a number.
_MODULES = {
    "encoder/inp_transform": "model.embeddings.magnitude_embedding",
    "encoder/enc_layers/{i}/mha/wq": "model.layers.{i}.attention.q_proj",
    "encoder/enc_layers/{i}/mha/wk": "model.layers.{i}.attention.k_proj",
    "encoder/enc_layers/{i}/mha/wv": "model.layers.{i}.attention.v_proj",
    "encoder/enc_layers/{i}/mha/dense": "model.layers.{i}.attention.o_proj",
    "encoder/enc_layers/{i}/reshape_leak_1": "model.layers.{i}.attention_residual",
    "encoder/enc_layers/{i}/layernorm1": "model.layers.{i}.attention_layer_norm",
    "encoder/enc_layers/{i}/ffn/layer_with_weights-0": "model.layers.{i}.mlp.fc1",
    "encoder/enc_layers/{i}/ffn/layer_with_weights-1": "model.layers.{i}.mlp.fc2",
    "encoder/enc_layers/{i}/reshape_leak_2": "model.layers.{i}.mlp_residual",
    "encoder/enc_layers/{i}/layernorm2": "model.layers.{i}.output_layer_norm",
    "regression/bn_0": "decoder_layer_norm",
    "regression/reg_layer": "decoder",
}
_LEAVES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_MASK_TOKEN = "layer_with_weights-0/msk_token"  # of shape (1, 1); without it the encoder has the number 0
_BOOKKEEPING = ("optimizer/", "save_counter", "keras_api/")  # added by a training run


def _parameter_names(config: AstromerConfig) -> dict[str, str]:
    """Upstream's variable -> our parameter, for every part that a model of `config` may have."""
    layers = ["msk_token", "encoder", "regression"] if config.use_mask_token else ["encoder", "regression"]
    numbered = {layer: f"layer_with_weights-{number}" for number, layer in enumerate(layers)}
    names = {_MASK_TOKEN: "model.embeddings.mask_token"} if config.use_mask_token else {}
    for theirs, ours in _MODULES.items():
        layer, _, module = theirs.partition("/")
        for i in range(config.num_hidden_layers if "{i}" in module else 1):
            path = f"{numbered[layer]}/{module.format(i=i)}"
            names |= {f"{path}/{leaf}": f"{ours.format(i=i)}.{_LEAVES[leaf]}" for leaf in _LEAVES}
    return names


# --- Hyperparameters ---

_BLOCKING_LOGIT = -1e4  # or less: no attention is left in single precision

# arch, mask_format and m_alpha of config.toml (-inf: blocking) -> our masking scheme
_MASKING_SCHEMES = {
    ("base", "K", -math.inf): "hidden",
    ("base", "QK", 1.0): "additive",
    ("zero", "QK", 1.0): "additive",
}


def _read_conf_json(conf: dict[str, Any]) -> dict[str, Any]:
    return {
        "hidden_size": conf["head_dim"],  # upstream's "head_dim" is the width of the model
        "num_hidden_layers": conf["layers"],
        "num_attention_heads": conf["heads"],
        "intermediate_size": conf["dff"],
        "hidden_dropout_prob": conf["dropout"],
        "window_size": conf["max_obs"],
        "time_encoding_base": conf.get("base", EFFECTIVE_TIME_ENCODING["time_encoding_base"]),
        "time_encoding_exponent": EFFECTIVE_TIME_ENCODING["time_encoding_exponent"],
        "masking_scheme": "additive",
    }


def _read_config_toml(conf: dict[str, Any]) -> dict[str, Any]:
    arch, strength = conf.get("arch", "base"), conf["m_alpha"]
    masking = (arch, conf.get("mask_format"), -math.inf if strength <= _BLOCKING_LOGIT else float(strength))
    if masking not in _MASKING_SCHEMES:
        supported = "; ".join(
            f"{known!r} with {mask_format!r} and {'-1e4 or less' if alpha == -math.inf else alpha}"
            for known, mask_format, alpha in _MASKING_SCHEMES
        )
        raise CheckpointError(
            f"config.toml says arch {arch!r}, mask_format {conf.get('mask_format')!r} and m_alpha {strength!r}, an attention "
            f"that has no counterpart here. Expected one of: {supported}. Complete by hand a file that lacks mask_format."
        )
    if (norm := conf.get("norm", "zero-mean")) != "zero-mean":
        logger.warning(
            "config.toml says norm %r of the training windows; the feature extractor centres each on its mean, zero-mean.", norm
        )
    width = operator.index(conf["num_heads"]) * operator.index(conf["head_dim"])  # a head's width here, unlike in conf.json
    fields = {
        "hidden_size": width,
        "num_hidden_layers": conf["num_layers"],
        "num_attention_heads": conf["num_heads"],
        "intermediate_size": conf["mixer"],
        "hidden_dropout_prob": conf["dropout"],
        "window_size": conf["window_size"],
        "time_encoding_base": conf["pe_base"],
        "time_encoding_exponent": conf["pe_exp"],
        "masking_scheme": _MASKING_SCHEMES[masking],
        "weight_loss_by_errors": conf.get("correct_loss", False),
    }
    if arch == "zero":  # ASTROMER 1 of the same repository, whose code ignores the keys below, pe_base and pe_exp
        return fields | EFFECTIVE_TIME_ENCODING | {"weight_loss_by_errors": False}
    if conf["pe_dim"] != width:
        raise CheckpointError(
            f"config.toml says pe_dim {conf['pe_dim']!r} and num_heads x head_dim {width}. Expected the same number: the "
            "embeddings are as wide as the blocks here. Check that the file belongs to the weights."
        )
    return fields | {
        "use_mask_token": not conf.get("no_msk_token", False),
        "attention_temperature": conf.get("temperature", 0.0) or 1.0,  # upstream writes 0 for none
        "use_residual": conf.get("use_leak", False),
        "use_residual_projection": conf.get("use_leak", False),
    }


@dataclass(frozen=True)
class _ConfigFile:
    """A file in which upstream stores hyperparameters.

    Args:
        name: the file's name.
        describes: the model that it belongs to.
        parse: from its text to a dictionary.
        fields: from the dictionary to fields of `AstromerConfig`, with the time encoding as written.
        keys: required keys.
        time_encoding_is_measured: whether the effective time encoding was measured on weights, not only read from code.
    """

    name: str
    describes: str
    parse: Callable[[str], dict[str, Any]]
    fields: Callable[[dict[str, Any]], dict[str, Any]]
    keys: str
    time_encoding_is_measured: bool


_CONFIG_FILES = (
    _ConfigFile(
        "conf.json",
        "an ASTROMER 1 encoder",
        json.loads,
        _read_conf_json,
        "head_dim, layers, heads, dff, dropout and max_obs",
        time_encoding_is_measured=True,
    ),
    _ConfigFile(
        "config.toml",
        "an Astromer 2 encoder",
        tomllib.loads,
        _read_config_toml,
        "num_layers, num_heads, head_dim, mixer, dropout, window_size, pe_dim, pe_base, pe_exp, m_alpha and mask_format",
        time_encoding_is_measured=False,
    ),
)


def read_config(folder: Path, time_encoding: TimeEncoding = "effective") -> AstromerConfig:
    """The hyperparameters of the checkpoint whose `conf.json` or `config.toml` is in `folder`.

    `time_encoding` selects the base and exponent that upstream's code uses, or those in the file.
    """
    found = [file for file in _CONFIG_FILES if (folder / file.name).is_file()]
    if len(found) != 1:
        names = " or ".join(file.name for file in _CONFIG_FILES)
        raise CheckpointError(
            f"Expected {names} beside the weights, found both: remove the one that is not theirs."
            if found
            else f"Expected {names} beside the weights, found none: give the folder or zip as it was published."
        )
    (file,) = found
    try:
        fields = file.fields(file.parse((folder / file.name).read_text(encoding="utf-8")))
        written = {name: fields[name] for name in EFFECTIVE_TIME_ENCODING}
        if time_encoding == "effective":
            fields |= EFFECTIVE_TIME_ENCODING
            if written != EFFECTIVE_TIME_ENCODING and not file.time_encoding_is_measured:
                logger.warning(
                    "%s says base %s and exponent %s of the time encoding. Taken are 10000 and 2, with which the published "
                    "code computes whatever the file says; no released weights have shown it yet. If reconstructions are poor, "
                    'convert with time_encoding="as_written" (--time-encoding as_written).',
                    file.name,
                    *written.values(),
                )
        return AstromerConfig(**fields)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, StrictDataclassError) as error:
        raise CheckpointError(
            f"{file.name} does not describe {file.describes} ({error!r}): expected the keys {file.keys}."
        ) from error


# --- Conversion ---


def convert_tf_checkpoint(
    source: str | Path,
    output: str | Path,
    time_encoding: TimeEncoding = "effective",
    masking_scheme: MaskingScheme | None = None,
) -> AstromerForMaskedReconstruction:
    """Convert a TensorFlow checkpoint of ASTROMER 1 or Astromer 2 into a Transformers model folder.

    Args:
        source: the published zip, or the folder with `weights.index` and `conf.json` (ASTROMER 1) or `config.toml`
            (Astromer 2).
        output: folder to write; must be new or empty. It is complete or absent.
        time_encoding: `"effective"`: base 10000 and exponent 2, which upstream's code uses whatever its file says; or
            `"as_written"`: the values in the file.
        masking_scheme: of the converted model, see `AstromerConfig`; `"additive_padding"` repeats upstream to the bit. By
            default that of the weights' training, in which padding takes no part.

    Returns:
        The converted model.

    Raises:
        CheckpointError: `source` is not such a checkpoint, is damaged, or has missing, extra or mismatched variables.
        FileExistsError: `output` is not empty.
    """
    if time_encoding not in get_args(TimeEncoding):
        raise ValueError(f"`time_encoding` must be one of {', '.join(get_args(TimeEncoding))}, got {time_encoding!r}.")
    if masking_scheme not in (None, *get_args(MaskingScheme)):
        raise ValueError(f"`masking_scheme` must be one of {', '.join(get_args(MaskingScheme))}, got {masking_scheme!r}.")
    source, output = Path(source), Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} exists already: name a new or empty folder.")
    with open_checkpoint_source(source) as folder:
        prefix = find_checkpoint_prefix(folder)
        config = read_config(_folder_of_config(prefix, folder), time_encoding)
        config.masking_scheme = masking_scheme or config.masking_scheme
        variables = read_tensorflow_checkpoint(prefix)
        _settle_mask_token(config, variables)
        model = load_variables(config, variables)

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as temporary:
        staging = Path(temporary, output.name)
        model.save_pretrained(staging)
        AstromerFeatureExtractor(window_size=config.window_size).save_pretrained(staging)
        if output.exists():
            output.rmdir()
        os.replace(staging, output)
    return model


def _folder_of_config(prefix: Path, root: Path) -> Path:
    """The folder of the weights, or its parent if the weights have a folder of their own; never outside `root`."""
    for folder in (prefix.parent, prefix.parent.parent):
        if folder.is_relative_to(root) and any((folder / file.name).is_file() for file in _CONFIG_FILES):
            return folder
    return prefix.parent


def _settle_mask_token(config: AstromerConfig, variables: dict[str, np.ndarray]) -> None:
    """Set `config.use_mask_token` according to the variables, if its file asks for a token that never existed.

    The published code passes the outputs of the token's layer to Keras as the model's inputs. Keras then builds the model after
    that layer, so the token is neither trained nor saved, whatever the file says.
    """
    if _MASK_TOKEN in variables and not config.use_mask_token:
        raise CheckpointError(
            f"The checkpoint holds {_MASK_TOKEN}, and its configuration says that there is no mask token. Give the file that "
            "belongs to the weights: conf.json has none, config.toml where it does not say no_msk_token = true."
        )
    if config.use_mask_token and _MASK_TOKEN not in variables:
        config.use_mask_token = False
        logger.warning("config.toml asks for a mask token and the checkpoint holds none: converted without one.")
    if config.masking_scheme == "hidden" and not config.use_mask_token:
        logger.warning(
            "Without a mask token the original leaves the magnitude of a hidden observation in its own query; here it is 0. "
            "Embeddings, for which nothing is hidden, are the same; reconstructions of hidden magnitudes are not."
        )


def load_variables(config: AstromerConfig, variables: dict[str, np.ndarray]) -> AstromerForMaskedReconstruction:
    """Build the model of `config` from upstream's variables. Every variable must be used, and every parameter set."""
    model = AstromerForMaskedReconstruction(config)
    expected, names = model.state_dict(), _parameter_names(config)
    state, unknown = {}, []
    for name, array in variables.items():
        if (ours := names.get(name)) in expected:
            if name == _MASK_TOKEN:
                array = array.reshape(()) if array.size == 1 else array
            # Keras kernels are (in, out), torch weights (out, in).
            state[ours] = torch.from_numpy(array.T if name.endswith("/kernel") else array)
        elif not name.startswith(_BOOKKEEPING) and "/.OPTIMIZER_SLOT/" not in name:
            unknown.append(name)
    missing = sorted(expected.keys() - state.keys())
    misshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected.keys() & state.keys()
        if state[name].shape != expected[name].shape
    ]
    for problem, faulty in (("misses", missing), ("misshapes", misshaped), ("has unknown variables:", unknown)):
        if faulty:
            raise CheckpointError(
                f"The checkpoint {problem} {', '.join(faulty[:4])}{' ...' if len(faulty) > 4 else ''}. Expected the "
                f"{len(expected)} variables of an ASTROMER encoder with {config.num_hidden_layers} blocks and its decoder."
            )
    model.load_state_dict(state)
    return model.eval()
