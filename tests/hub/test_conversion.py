# Copyright 2026 The astromer_hf developers. MIT licence.
"""A TensorFlow checkpoint becomes a model that computes the same, or one clear error and nothing on disk."""

import json
import os
import runpy
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import report_lines
from forks import run_forked
from safetensors import safe_open
from test_tensorflow_checkpoint import write_tensorflow_checkpoint, write_zip

from astromer_hf import AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.cli.main import main
from astromer_hf.hub.conversion import convert_tf_checkpoint, load_variables, read_config
from astromer_hf.hub.tensorflow_checkpoint import CheckpointError, find_checkpoint_prefix, read_tensorflow_checkpoint

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SCRIPT = SCRIPTS / "convert_tf_checkpoint.py"
CONF = {"head_dim": 8, "layers": 2, "heads": 2, "dff": 6, "dropout": 0.1, "max_obs": 50, "base": 1000, "lr": 0.001}
ENCODER = "layer_with_weights-0"
TOKEN = "layer_with_weights-0/msk_token"  # the encoder is number 1 then
FIRST_QUERY = f"{ENCODER}/enc_layers/0/mha/wq/kernel"
Arrays = dict[str, np.ndarray]


def upstream_arrays(width: int = 8, inner: int = 6, num_layers: int = 2, token: bool = False, leak: bool = False) -> Arrays:
    """Random variables under the names and in the shapes of upstream's checkpoints."""
    encoder, decoder = (f"layer_with_weights-{number + token}" for number in (0, 1))
    dense = {f"{encoder}/inp_transform": (1, width), f"{decoder}/reg_layer": (width, 1)}
    norms = [f"{decoder}/bn_0"]
    for i in range(num_layers):
        layer = f"{encoder}/enc_layers/{i}"
        squares = [f"mha/{name}" for name in ("wq", "wk", "wv", "dense")] + ["reshape_leak_1", "reshape_leak_2"] * leak
        dense |= {f"{layer}/{name}": (width, width) for name in squares}
        dense |= {f"{layer}/ffn/layer_with_weights-0": (width, inner), f"{layer}/ffn/layer_with_weights-1": (inner, width)}
        norms += [f"{layer}/layernorm1", f"{layer}/layernorm2"]
    rng = np.random.default_rng(0)
    shapes = {f"{name}/kernel": shape for name, shape in dense.items()}
    shapes |= {f"{name}/bias": shape[1:] for name, shape in dense.items()}
    shapes |= {f"{name}/{leaf}": (width,) for name in norms for leaf in ("gamma", "beta")}
    shapes |= {TOKEN: (1, 1)} if token else {}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def upstream_reconstruction(
    arrays: Arrays,
    magnitudes: np.ndarray,
    times: np.ndarray,
    masked: np.ndarray,
    mask_format: str = "QK",
    m_alpha: float = 1.0,
    temperature: float = 1.0,
    time_encoding: tuple[float, float] = (10000.0, 2.0),
) -> np.ndarray:
    """Upstream's forward pass, (windows, length) in and out, from its variables and formulas; two heads."""

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ arrays[f"{name}/kernel"] + arrays[f"{name}/bias"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return scaled * arrays[f"{name}/gamma"] + arrays[f"{name}/beta"]

    def leak(name: str, x: np.ndarray) -> np.ndarray | float:
        return dense(name, x) if f"{name}/kernel" in arrays else 0.0

    encoder, decoder = (f"layer_with_weights-{number + (TOKEN in arrays)}" for number in (0, 1))
    if TOKEN in arrays:
        magnitudes = np.where(masked, arrays[TOKEN], magnitudes)
    width = arrays[f"{encoder}/inp_transform/kernel"].shape[1]
    base, exponent = time_encoding
    j = np.arange(width)
    angles = times[..., None] / base ** (exponent * j / width)
    x = dense(f"{encoder}/inp_transform", magnitudes[..., None]) + np.where(j % 2 == 0, np.sin(angles), np.cos(angles))
    raised = masked[:, None, None, :] if mask_format == "K" else np.maximum(masked[:, None, :, None], masked[:, None, None, :])
    for i in range(sum(name.endswith("/mha/wq/kernel") for name in arrays)):
        layer = f"{encoder}/enc_layers/{i}"
        split = (*times.shape, 2, -1)
        query, key, value = (dense(f"{layer}/mha/{name}", x).reshape(split).swapaxes(1, 2) for name in ("wq", "wk", "wv"))
        weights = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1]) / temperature + m_alpha * raised)
        weights /= weights.sum(-1, keepdims=True)
        mixed = dense(f"{layer}/mha/dense", (weights @ value).swapaxes(1, 2).reshape(x.shape))
        x = norm(f"{layer}/layernorm1", mixed + leak(f"{layer}/reshape_leak_1", x))
        transformed = dense(f"{layer}/ffn/layer_with_weights-1", np.tanh(dense(f"{layer}/ffn/layer_with_weights-0", x)))
        x = norm(f"{layer}/layernorm2", transformed + leak(f"{layer}/reshape_leak_2", x))
    return dense(f"{decoder}/reg_layer", norm(f"{decoder}/bn_0", x))[..., 0]


def write_checkpoint(folder: Path, arrays: Arrays | None = None, conf: Any = CONF) -> Path:
    write_tensorflow_checkpoint(folder / "weights", upstream_arrays() if arrays is None else arrays)
    (folder / "conf.json").write_text(json.dumps(conf))
    return folder


def zip_folder(folder: Path) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return write_zip(
        folder.with_suffix(".zip"), {f"macho/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The folder of a good small checkpoint."""
    return write_checkpoint(tmp_path / "source" / "macho")


# --- What was converted computes the same ---


@pytest.mark.parametrize("pack", [lambda folder: folder, zip_folder], ids=["folder", "zip"])
def test_a_converted_model_computes_what_upstreams_formulas_do(checkpoint: Path, tmp_path: Path, pack: Callable[[Path], Path]):
    returned = convert_tf_checkpoint(pack(checkpoint), tmp_path / "converted")
    loaded, info = AstromerForMaskedReconstruction.from_pretrained(tmp_path / "converted", output_loading_info=True)
    assert not any(info.values())
    rng = np.random.default_rng(1)
    magnitudes, times = rng.normal(size=(3, 9)), center(rng.uniform(-500, 500, (3, 9)))
    masked = rng.random((3, 9)) < 0.4
    expected = upstream_reconstruction(upstream_arrays(), magnitudes, times, masked)
    assert not returned.training
    for model in (returned, loaded):
        with torch.no_grad():
            outputs = model(
                torch.tensor(magnitudes).float(), torch.tensor(times).float(), masked_positions=torch.tensor(masked)
            )
        np.testing.assert_allclose(outputs.reconstruction, expected, atol=1e-3)


def test_every_variable_stands_in_the_converted_model_once(checkpoint: Path, tmp_path: Path):
    model = convert_tf_checkpoint(checkpoint, tmp_path / "converted")
    parameters = [parameter.detach().numpy() for parameter in model.parameters()]
    arrays = upstream_arrays()
    assert len(parameters) == len(arrays) == 38
    for name, array in arrays.items():
        expected = array.T if name.endswith("kernel") else array
        assert sum(np.array_equal(parameter, expected) for parameter in parameters) == 1, name


def test_the_effective_hyperparameters_are_written(checkpoint: Path, tmp_path: Path):
    convert_tf_checkpoint(checkpoint, tmp_path / "converted")
    config = json.loads((tmp_path / "converted" / "config.json").read_text())
    expected = {
        "architectures": ["AstromerForMaskedReconstruction"],
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 6,
        "hidden_dropout_prob": 0.1,
        "window_size": 50,
        "time_encoding_base": 10000.0,
        "masking_scheme": "additive",
        "use_residual": False,
    }
    assert expected.items() <= config.items()
    assert AstromerFeatureExtractor.from_pretrained(tmp_path / "converted").window_size == 50


def test_the_released_checkpoint_has_the_published_size(macho_a0: Path):
    model = AstromerForMaskedReconstruction.from_pretrained(macho_a0)
    assert len(list(model.parameters())) == 38
    assert model.model.num_parameters() == 660_736
    assert model.num_parameters() - model.model.num_parameters() == 769
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (256, 2, 4)
    assert (config.intermediate_size, config.window_size) == (128, 200)
    assert (config.time_encoding_base, config.masking_scheme) == (10000.0, "additive")


def center(times: np.ndarray, observed: np.ndarray | None = None) -> np.ndarray:
    """As the extractor does, and upstream's own before its formulas; 0 in padding."""
    observed = np.ones(times.shape, bool) if observed is None else observed
    mean = (times * observed).sum(1, keepdims=True) / observed.sum(1, keepdims=True)
    return np.where(observed, times - mean, 0)


@pytest.mark.parametrize("how", ["command", "script"])
def test_a_checkpoint_is_converted_for_parity_on_request(shared_reference: Path, tmp_path: Path, how: str):
    """The windows of TensorFlow's own run, by the folder alone."""
    arguments = [str(shared_reference / "macho_a0.zip"), str(tmp_path / "parity"), "--masking-scheme", "additive_padding"]
    if how == "command":
        assert main(["convert", *arguments]) == 0
    else:
        assert run_forked(SCRIPT, *arguments).returncode == 0
    model = AstromerForMaskedReconstruction.from_pretrained(tmp_path / "parity").eval()
    assert model.config.masking_scheme == "additive_padding"
    reference = np.load(shared_reference / "encode_pip018.npz")
    observed = np.arange(200) < reference["length"][:, None]
    with torch.no_grad():
        found = model(
            *(torch.from_numpy(reference[name].squeeze(-1)) for name in ("input", "times")), torch.from_numpy(observed)
        )
    assert np.abs(found.last_hidden_state.numpy() - reference["embedding"]).max() < 1e-3


def test_an_unknown_masking_scheme_is_refused(checkpoint: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="`masking_scheme` must be one of hidden, additive, additive_padding, got 'none'"):
        convert_tf_checkpoint(checkpoint, tmp_path / "converted", masking_scheme="none")
    assert not (tmp_path / "converted").exists()


def test_what_a_training_run_adds_is_left_out(checkpoint: Path, tmp_path: Path):
    added = {
        "save_counter": np.array(3, np.int64),
        "optimizer/learning_rate": np.array(1e-3, np.float32),
        f"{FIRST_QUERY}/.OPTIMIZER_SLOT/optimizer/m": np.zeros((8, 8), np.float32),
    }
    write_checkpoint(checkpoint, upstream_arrays() | added)
    with_state = convert_tf_checkpoint(checkpoint, tmp_path / "converted").state_dict()
    without = load_variables(read_config(checkpoint), upstream_arrays()).state_dict()
    torch.testing.assert_close(with_state, without, rtol=0, atol=0)


# --- What is written ---


@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_the_output_is_three_files_with_the_modes_of_any_other(
    checkpoint: Path, tmp_path: Path, umask: int, file_mode: int, folder_mode: int
):
    before = os.umask(umask)
    try:
        convert_tf_checkpoint(checkpoint, tmp_path / "deep" / "converted")
    finally:
        os.umask(before)
    output = tmp_path / "deep" / "converted"
    modes = {path.name: path.stat().st_mode & 0o777 for path in output.iterdir()}
    assert modes == dict.fromkeys(("config.json", "model.safetensors", "preprocessor_config.json"), file_mode)
    assert output.stat().st_mode & 0o777 == folder_mode
    assert [path.name for path in output.parent.iterdir()] == ["converted"]
    with safe_open(output / "model.safetensors", framework="pt") as file:
        assert file.metadata().keys() == {"format", "sha256"}
        assert len(file.keys()) == 38


def test_an_empty_folder_is_filled_and_a_full_one_left_alone(checkpoint: Path, tmp_path: Path):
    output = tmp_path / "converted"
    output.mkdir()
    convert_tf_checkpoint(checkpoint, output)
    written = {path.name: path.read_bytes() for path in output.iterdir()}
    for occupied in (output, checkpoint / "conf.json"):
        with pytest.raises(FileExistsError, match="exists already: name a new or empty folder"):
            convert_tf_checkpoint(checkpoint, occupied)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == written


# --- Bad input ---


def without(name: str) -> Arrays:
    return {key: array for key, array in upstream_arrays().items() if key != name}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def as_truncated_zip(folder: Path) -> Path:
    source = zip_folder(folder)
    cut(source)
    return source


def as_zip_with_a_path_outside(folder: Path) -> Path:
    source = zip_folder(folder)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("../escaped.txt", "evil")
    return source


def with_conf_text(text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "conf.json").write_text(text)


BAD_INPUT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no file": (lambda folder: folder / "absent", "does not exist"),
    "no zip": (lambda folder: folder / "conf.json", "could not be unpacked"),
    "truncated zip": (as_truncated_zip, "could not be unpacked"),
    "path outside": (as_zip_with_a_path_outside, "a path outside the archive"),
    "no checkpoint": (lambda folder: (folder / "weights.index").unlink(), r"\*\.index file.*none is there"),
    "no data": (lambda folder: (folder / "weights.data-00000-of-00001").unlink(), "data-00000-of-00001 is missing"),
    "truncated data": (lambda folder: cut(folder / "weights.data-00000-of-00001"), "complete TensorFlow V2 checkpoint"),
    "truncated index": (lambda folder: cut(folder / "weights.index"), "complete TensorFlow V2 checkpoint"),
    "missing variable": (
        lambda folder: write_checkpoint(folder, without(FIRST_QUERY)),
        r"misses model\.layers\.0\.attention\.q_proj\.weight\. Expected the 38 variables",
    ),
    "misshaped variable": (
        lambda folder: write_checkpoint(folder, upstream_arrays() | {FIRST_QUERY: np.zeros((8, 4), np.float32)}),
        r"misshapes model\.layers\.0\.attention\.q_proj\.weight \(4, 8\) instead of \(8, 8\)",
    ),
    "extra variable": (
        lambda folder: write_checkpoint(folder, upstream_arrays() | {"layer_with_weights-2/kernel": np.zeros(3, np.float32)}),
        "has unknown variables: layer_with_weights-2/kernel",
    ),
    "a block more than conf.json says": (
        lambda folder: write_checkpoint(folder, upstream_arrays(num_layers=3)),
        "has unknown variables: .*enc_layers/2/.* with 2 blocks",
    ),
    "a block less than conf.json says": (
        lambda folder: write_checkpoint(folder, upstream_arrays(num_layers=1)),
        r"misses model\.layers\.1\.",
    ),
    "no conf.json": (
        lambda folder: (folder / "conf.json").unlink(),
        r"Expected conf\.json or config\.toml .*, found none",
    ),
    "conf.json without a key": (with_conf_text('{"layers": 2}'), "KeyError.*expected the keys head_dim, layers"),
    "conf.json is no JSON": (with_conf_text("layers: 2"), "does not describe an ASTROMER 1 encoder"),
    "conf.json is a list": (with_conf_text("[2]"), "does not describe an ASTROMER 1 encoder"),
    "conf.json of a wrong type": (
        lambda folder: write_checkpoint(folder, conf=CONF | {"heads": "2"}),
        "does not describe an ASTROMER 1 encoder.*expected int, got str",
    ),
    "conf.json contradicts itself": (
        lambda folder: write_checkpoint(folder, conf=CONF | {"heads": 3}),
        "does not describe an ASTROMER 1 encoder.*must be a multiple",
    ),
}


@pytest.mark.parametrize("damage", BAD_INPUT)
def test_bad_input_is_one_clear_error_and_leaves_nothing_on_disk(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
):
    temporary, target = tmp_path / "temporary", tmp_path / "target"
    temporary.mkdir()
    target.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    spoil, message = BAD_INPUT[damage]
    spoiled = spoil(checkpoint)
    source = spoiled if isinstance(spoiled, Path) else checkpoint
    with pytest.raises(CheckpointError, match=message):
        convert_tf_checkpoint(source, target / "deep" / "converted")
    assert not list(target.iterdir())
    assert not list(temporary.iterdir())
    assert not list(tmp_path.rglob("escaped*"))


def test_an_interruption_while_writing_leaves_nothing(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(AstromerFeatureExtractor, "save_pretrained", interrupt)
    target = tmp_path / "target"
    with pytest.raises(KeyboardInterrupt):
        convert_tf_checkpoint(checkpoint, target / "converted")
    assert not list(target.iterdir())


# --- Astromer 2: config.toml ---

CONFIG_TOML: dict[str, Any] = {
    "arch": "base",
    "num_layers": 6,
    "num_heads": 2,
    "head_dim": 4,
    "pe_dim": 8,
    "pe_base": 10000,
    "pe_exp": 2,
    "mixer": 6,
    "dropout": 0.0,
    "window_size": 50,
    "m_alpha": -1e9,
    "mask_format": "K",
    "use_leak": False,
    "no_msk_token": False,
    "temperature": 0.0,
    "correct_loss": False,
    "exp_name": "alcock",
    "lr": 1e-5,
}


def write_astromer_2(folder: Path, arrays: Arrays | None = None, **changes: Any) -> Path:
    """A checkpoint of Astromer 2; a change to `None` leaves a key out of config.toml."""
    write_tensorflow_checkpoint(folder / "weights", upstream_arrays(num_layers=6, token=True) if arrays is None else arrays)
    conf = {key: value for key, value in (CONFIG_TOML | changes).items() if value is not None}
    (folder / "config.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in conf.items()))
    return folder


@pytest.fixture
def astromer_2(tmp_path: Path) -> Path:
    """The folder of a good small checkpoint of Astromer 2."""
    return write_astromer_2(tmp_path / "source" / "astromer_2")


def run(
    model: AstromerForMaskedReconstruction, magnitudes: np.ndarray, times: np.ndarray, observed: np.ndarray, masked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reconstruction and embeddings of windows."""
    with torch.no_grad():
        outputs = model(
            torch.tensor(magnitudes).float(),
            torch.tensor(times).float(),
            attention_mask=torch.tensor(observed),
            masked_positions=torch.tensor(masked),
        )
    return outputs.reconstruction.numpy(), outputs.last_hidden_state.numpy()


TOKEN_AND_LEAK = {"token": True, "leak": True}
# what config.toml says, what the checkpoint holds, how the formulas differ
ASTROMER_2: dict[str, tuple[dict[str, Any], dict[str, bool], dict[str, Any]]] = {
    "plain": ({}, {"token": True}, {}),
    "leak": ({"use_leak": True}, TOKEN_AND_LEAK, {}),
    "no token": ({"no_msk_token": True}, {}, {}),
    "a token that was lost": ({"use_leak": True}, {"leak": True}, {}),
    "temperature": ({"temperature": 2.5}, {"token": True}, {"temperature": 2.5}),
    "an older file": ({"no_msk_token": None, "temperature": None, "correct_loss": None, "use_leak": None}, {"token": True}, {}),
    "another blocking logit": ({"m_alpha": -1e4}, {"token": True}, {}),
    "additive": ({"mask_format": "QK", "m_alpha": 1}, {"token": True}, {"mask_format": "QK", "m_alpha": 1.0}),
    "arch zero": (
        {"arch": "zero", "mask_format": "QK", "m_alpha": 1, "use_leak": True, "temperature": 3.0, "pe_dim": 99, "pe_base": 7},
        {},
        {"mask_format": "QK", "m_alpha": 1.0},
    ),
}


@pytest.mark.parametrize("variant", ASTROMER_2)
def test_a_converted_astromer_2_computes_what_upstreams_formulas_do(tmp_path: Path, variant: str):
    changes, parts, formulas = ASTROMER_2[variant]
    formulas = {"mask_format": "K", "m_alpha": -1e9, **formulas}
    arrays = upstream_arrays(num_layers=6, **parts)
    convert_tf_checkpoint(write_astromer_2(tmp_path / "source", arrays, **changes), tmp_path / "converted")
    model, info = AstromerForMaskedReconstruction.from_pretrained(tmp_path / "converted", output_loading_info=True)
    assert not any(info.values())
    assert model.num_parameters() == sum(array.size for array in arrays.values())

    rng = np.random.default_rng(1)
    observed = np.arange(20) < np.array([20, 12, 20, 7])[:, None]
    if formulas["mask_format"] == "QK":  # in which the original lets padding take part
        observed[:] = True
    masked = observed & (rng.random(observed.shape) < 0.5) & np.array([True, True, False, False])[:, None]
    magnitudes = np.where(observed, rng.normal(0, 0.3, observed.shape), 0)
    times = center(rng.uniform(-500, 500, observed.shape), observed)
    if formulas["mask_format"] == "K" and "token" not in parts:  # whose magnitude is 0 here
        magnitudes[masked] = 0
    expected = upstream_reconstruction(arrays, magnitudes, times, masked | ~observed, **formulas)
    found, _ = run(model, magnitudes, times, observed, masked)
    np.testing.assert_allclose(found[observed], expected[observed], rtol=0, atol=1e-4)


def test_the_hyperparameters_of_config_toml_are_written(tmp_path: Path):
    source = write_astromer_2(
        tmp_path / "source",
        upstream_arrays(num_layers=6, **TOKEN_AND_LEAK),
        **{"use_leak": True, "dropout": 0.2, "temperature": 2.5, "correct_loss": True},
    )
    convert_tf_checkpoint(source, tmp_path / "converted")
    config = json.loads((tmp_path / "converted" / "config.json").read_text())
    expected = {
        "architectures": ["AstromerForMaskedReconstruction"],
        "hidden_size": 8,
        "num_hidden_layers": 6,
        "num_attention_heads": 2,
        "intermediate_size": 6,
        "hidden_dropout_prob": 0.2,
        "window_size": 50,
        "time_encoding_base": 10000.0,
        "time_encoding_exponent": 2.0,
        "attention_temperature": 2.5,
        "masking_scheme": "hidden",
        "use_mask_token": True,
        "use_residual": True,
        "use_residual_projection": True,
        "weight_loss_by_errors": True,
    }
    assert expected.items() <= config.items()
    assert AstromerFeatureExtractor.from_pretrained(tmp_path / "converted").window_size == 50


def test_every_variable_of_astromer_2_stands_in_the_converted_model_once(tmp_path: Path):
    arrays = upstream_arrays(num_layers=6, **TOKEN_AND_LEAK)
    model = convert_tf_checkpoint(write_astromer_2(tmp_path / "source", arrays, use_leak=True), tmp_path / "converted")
    parameters = [parameter.detach().numpy() for parameter in model.parameters()]
    assert len(parameters) == len(arrays) == 1 + 2 + 6 * 20 + 4
    for name, array in arrays.items():
        expected = array.T if name.endswith("kernel") else array.reshape(()) if name == TOKEN else array
        assert sum(np.array_equal(parameter, expected) for parameter in parameters) == 1, name


def test_the_time_encoding_that_config_toml_prints_is_believed_on_request_only(tmp_path: Path, caplog):
    source = write_astromer_2(tmp_path / "source", pe_base=1000, pe_exp=1)
    effective = convert_tf_checkpoint(source, tmp_path / "effective").config
    assert (effective.time_encoding_base, effective.time_encoding_exponent) == (10000.0, 2.0)
    (warning,) = caplog.messages
    assert "base 1000 and exponent 1 of the time encoding. Taken are 10000 and 2" in warning
    assert "--time-encoding as_written" in warning
    caplog.clear()
    written = convert_tf_checkpoint(source, tmp_path / "written", time_encoding="as_written")
    assert (written.config.time_encoding_base, written.config.time_encoding_exponent) == (1000, 1)
    assert not caplog.messages
    rng = np.random.default_rng(1)
    magnitudes, times, nothing = rng.normal(size=(2, 9)), center(rng.uniform(-500, 500, (2, 9))), np.zeros((2, 9), bool)
    found, _ = run(written, magnitudes, times, ~nothing, nothing)
    arrays = upstream_arrays(num_layers=6, token=True)
    for time_encoding, agrees in (((1000.0, 1.0), True), ((10000.0, 2.0), False)):
        expected = upstream_reconstruction(arrays, magnitudes, times, nothing, "K", -1e9, time_encoding=time_encoding)
        assert np.allclose(found, expected, rtol=0, atol=1e-4) == agrees


def test_a_file_that_prints_the_effective_time_encoding_warns_of_nothing(astromer_2: Path, tmp_path: Path, caplog):
    convert_tf_checkpoint(astromer_2, tmp_path / "converted")
    assert not caplog.messages


def test_the_time_encoding_of_astromer_1_is_known_and_warns_of_nothing(checkpoint: Path, tmp_path: Path, caplog):
    assert convert_tf_checkpoint(checkpoint, tmp_path / "effective").config.time_encoding_base == 10000.0
    written = convert_tf_checkpoint(checkpoint, tmp_path / "written", time_encoding="as_written")
    assert (written.config.time_encoding_base, written.config.time_encoding_exponent) == (CONF["base"], 2.0)
    assert not caplog.messages


def test_a_mask_token_that_was_never_saved_is_said_to_be_absent(tmp_path: Path, caplog):
    model = convert_tf_checkpoint(write_astromer_2(tmp_path / "source", upstream_arrays(num_layers=6)), tmp_path / "converted")
    assert not model.config.use_mask_token
    assert "asks for a mask token and the checkpoint holds none" in caplog.messages[0]
    assert "reconstructions of hidden magnitudes are not" in caplog.messages[1]


def test_windows_that_were_scaled_otherwise_in_training_are_pointed_out(tmp_path: Path, caplog):
    convert_tf_checkpoint(write_astromer_2(tmp_path / "source", norm="minmax"), tmp_path / "converted")
    assert [message.split(";")[0] for message in caplog.messages] == ["config.toml says norm 'minmax' of the training windows"]
    caplog.clear()
    convert_tf_checkpoint(write_astromer_2(tmp_path / "source", norm="zero-mean"), tmp_path / "again")
    assert not caplog.messages


@pytest.mark.parametrize("pack", [lambda folder: folder, zip_folder], ids=["folder", "zip"])
def test_weights_in_a_folder_of_their_own_have_their_configuration_above(
    astromer_2: Path, tmp_path: Path, pack: Callable[[Path], Path]
):
    (astromer_2 / "weights").mkdir()
    for file in [path for path in astromer_2.iterdir() if path.name.startswith("weights.")]:
        file.rename(astromer_2 / "weights" / file.name)
    assert convert_tf_checkpoint(pack(astromer_2), tmp_path / "converted").config.num_hidden_layers == 6


def test_a_configuration_above_what_was_given_is_not_read(astromer_2: Path, tmp_path: Path):
    (astromer_2 / "config.toml").rename(astromer_2.parent / "config.toml")
    with pytest.raises(CheckpointError, match="found none"):
        convert_tf_checkpoint(astromer_2, tmp_path / "converted")


def spoiled(arrays: Arrays | None = None, **changes: Any) -> Callable[[Path], Any]:
    return lambda folder: write_astromer_2(folder, arrays, **changes)


def with_hdf5_instead(name: str) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        (folder / "weights.index").unlink()
        (folder / name).write_bytes(b"\x89HDF\r\n\x1a\n")

    return spoil


def as_hdf5_file(folder: Path) -> Path:
    path = folder / "weights.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return path


TOKENS = upstream_arrays(num_layers=6, token=True)
BAD_ASTROMER_2: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda folder: (folder / "config.toml").unlink(), "Expected conf.json or config.toml .* found none"),
    "two configs": (lambda folder: (folder / "conf.json").write_text(json.dumps(CONF)), "found both: remove the one"),
    "no TOML": (lambda folder: (folder / "config.toml").write_text("arch: base"), "does not describe an Astromer 2 encoder"),
    "no text": (lambda folder: (folder / "config.toml").write_bytes(b"\xff"), "does not describe an Astromer 2 encoder"),
    "a key less": (spoiled(mixer=None), "KeyError.*'mixer'.*expected the keys num_layers, num_heads, head_dim, mixer"),
    "no m_alpha": (spoiled(m_alpha=None), "KeyError.*'m_alpha'"),
    "a word for a number": (spoiled(head_dim="4"), "does not describe an Astromer 2 encoder"),
    "a fraction of a head": (spoiled(num_heads=2.0), "does not describe an Astromer 2 encoder"),
    "a negative temperature": (spoiled(temperature=-1.0), "`attention_temperature` must be positive"),
    "no mask_format": (spoiled(mask_format=None), "mask_format None and m_alpha.*Complete by hand"),
    "another mask_format": (spoiled(mask_format="Q"), "mask_format 'Q' .*Expected one of: 'base' with 'K' and -1e4 or less"),
    "a weak mask": (spoiled(m_alpha=-0.5), "m_alpha -0.5, an attention that has no counterpart here"),
    "arch zero without a mask": (spoiled(arch="zero"), "arch 'zero', mask_format 'K'.*'zero' with 'QK' and 1.0"),
    "another arch": (spoiled(arch="nsp"), "arch 'nsp'.*Expected one of"),
    "another width of the embeddings": (spoiled(pe_dim=16), "pe_dim 16 and num_heads x head_dim 8"),
    "a token that config.toml denies": (spoiled(no_msk_token=True), f"holds {TOKEN}, .* no mask token"),
    "leaks that config.toml denies": (
        spoiled(upstream_arrays(num_layers=6, **TOKEN_AND_LEAK)),
        r"has unknown variables: .*reshape_leak_1/",
    ),
    "no leaks": (spoiled(use_leak=True), r"misses model\.layers\.0\.attention_residual\.bias"),
    "missing variable": (
        spoiled({name: array for name, array in TOKENS.items() if "layer_with_weights-2/bn_0" not in name}),
        r"misses decoder_layer_norm\.bias, decoder_layer_norm\.weight\. Expected the 103 variables",
    ),
    "misshaped token": (
        spoiled(TOKENS | {TOKEN: np.zeros((8, 1), np.float32)}),
        r"misshapes .*mask_token \(8, 1\) instead of \(\)",
    ),
    "extra variable": (
        spoiled(TOKENS | {"layer_with_weights-3/kernel": np.zeros(3, np.float32)}),
        "unknown variables: .*-3/kernel",
    ),
    "legacy HDF5": (with_hdf5_instead("weights.h5"), r"but weights\.h5\. HDF5 is not read here.*save_format"),
    "HDF5": (with_hdf5_instead("weights.weights.h5"), r"but weights\.weights\.h5\. HDF5 is not read here"),
    "the HDF5 file itself": (as_hdf5_file, "HDF5 is not read here"),
}


@pytest.mark.parametrize("damage", BAD_ASTROMER_2)
def test_a_bad_astromer_2_is_one_clear_error_and_leaves_nothing_on_disk(astromer_2: Path, tmp_path: Path, damage: str):
    spoil, message = BAD_ASTROMER_2[damage]
    given = spoil(astromer_2)
    source = given if isinstance(given, Path) else astromer_2
    with pytest.raises(CheckpointError, match=message) as raised:
        convert_tf_checkpoint(source, tmp_path / "target" / "converted")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "target").exists()


def test_the_command_converts_astromer_2_and_takes_the_time_encoding(tmp_path: Path, capsys):
    source, output = write_astromer_2(tmp_path / "source", pe_base=1000), tmp_path / "converted"
    assert main(["convert", str(source), str(output), "--time-encoding", "as_written"]) == 0
    assert f"{output}: " in capsys.readouterr().out
    assert AstromerForMaskedReconstruction.from_pretrained(output).config.time_encoding_base == 1000


# --- Astromer 2: as TensorFlow writes and computes it ---

TENSORFLOW_PYTHON = os.environ.get("ASTROMER_TENSORFLOW_PYTHON")
AS_WRITTEN = {"written_time_encoding": "as_written"}
WITHOUT_TOKEN = ("no_token", "lost_token")


@pytest.fixture(scope="session")
def tensorflow_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/build_astromer2_checkpoint.py` writes."""
    if not TENSORFLOW_PYTHON:
        pytest.skip("ASTROMER_TENSORFLOW_PYTHON does not name a Python with TensorFlow 2.15")
    folder = tmp_path_factory.mktemp("tensorflow")
    command = [TENSORFLOW_PYTHON, str(SCRIPTS / "build_astromer2_checkpoint.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    "variant",
    [
        *("plain", "leak", "no_token", "lost_token", "temperature"),
        *("ineffective_time_encoding", "written_time_encoding", "additive"),
    ],
)
def test_a_converted_astromer_2_computes_what_tensorflow_does(
    tensorflow_checkpoints: Path, tmp_path: Path, variant: str, request: pytest.FixtureRequest
):
    source = tensorflow_checkpoints / variant
    model = convert_tf_checkpoint(source, tmp_path / "converted", AS_WRITTEN.get(variant, "effective"))
    with np.load(source / "golden.npz") as arrays:
        golden = dict(arrays)
    inputs = [golden[name] for name in ("magnitudes", "times", "observed", "masked")]
    observed, masked = inputs[2:]
    assert observed.all(1).sum() == masked.any(1).sum() == 2
    if variant == "additive":
        model.config.masking_scheme = "additive_padding"
    reconstruction, states = run(model, *inputs)
    original = "_of_zeroed" if variant in WITHOUT_TOKEN else ""
    difference = np.abs(reconstruction - golden[f"reconstruction{original}"])[observed].max()
    of_states = np.abs(states - golden[f"states{original}"])[observed].max()
    request.config.stash[report_lines].append(
        f"Astromer 2, {variant}: within {difference:.1e} of TensorFlow's reconstruction, {of_states:.1e} of its embeddings"
    )
    assert difference <= 1e-4
    assert of_states <= 1e-4
    if variant in WITHOUT_TOKEN:  # what the conversion warns of
        differences = np.abs(reconstruction - golden["reconstruction"])
        assert differences[observed & ~masked].max() <= 1e-4
        assert differences[masked].max() > 0.1


@pytest.mark.parametrize(
    ("variant", "parts"),
    [("plain", {"token": True}), ("leak", TOKEN_AND_LEAK), ("no_token", {"leak": True}), ("lost_token", {"leak": True})],
)
def test_the_variables_of_these_tests_are_named_as_tensorflow_names_them(
    tensorflow_checkpoints: Path, variant: str, parts: dict[str, bool]
):
    written = read_tensorflow_checkpoint(find_checkpoint_prefix(tensorflow_checkpoints / variant))
    ours = upstream_arrays(width=16, inner=12, num_layers=6, **parts)
    assert {name: array.shape for name, array in written.items()} == {name: array.shape for name, array in ours.items()}


# --- Script ---


def test_the_script_converts_a_zip_and_says_what_it_wrote(checkpoint: Path, tmp_path: Path):
    done = run_forked(SCRIPT, zip_folder(checkpoint), tmp_path / "converted")
    assert done.returncode == 0, done.stderr
    num_parameters = sum(array.size for array in upstream_arrays().values())
    assert f"{tmp_path / 'converted'}: {num_parameters:,} parameters" in done.stdout
    assert AstromerForMaskedReconstruction.from_pretrained(tmp_path / "converted").num_parameters() == num_parameters


def test_the_script_ends_bad_input_with_one_line(checkpoint: Path, tmp_path: Path):
    write_checkpoint(checkpoint, without(FIRST_QUERY))
    script = runpy.run_path(str(SCRIPT))
    arguments = script["parse_args"]([str(checkpoint), str(tmp_path / "converted")])
    with pytest.raises(SystemExit, match=r"^error: The checkpoint misses model\.layers\.0\.attention\.q_proj\.weight"):
        script["main"](arguments)
    assert not (tmp_path / "converted").exists()
