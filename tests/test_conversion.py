# Copyright 2026 The astromer_hf developers. MIT licence.
"""A TensorFlow checkpoint becomes a model that computes the same, or one clear error and nothing on disk."""

import json
import os
import runpy
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from test_tensorflow_checkpoint import write_tensorflow_checkpoint, write_zip

from astromer_hf import AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.conversion import convert_tf_checkpoint, load_variables, read_config
from astromer_hf.tensorflow_checkpoint import CheckpointError

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "convert_tf_checkpoint.py"
CONF = {"head_dim": 8, "layers": 2, "heads": 2, "dff": 6, "dropout": 0.1, "max_obs": 50, "base": 1000, "lr": 0.001}
ENCODER = "layer_with_weights-0"
FIRST_QUERY = f"{ENCODER}/enc_layers/0/mha/wq/kernel"
Arrays = dict[str, np.ndarray]


def upstream_arrays(width: int = 8, inner: int = 6, num_layers: int = 2) -> Arrays:
    """Random variables under the names and in the shapes of upstream's checkpoint."""
    dense = {f"{ENCODER}/inp_transform": (1, width), "layer_with_weights-1/reg_layer": (width, 1)}
    norms = ["layer_with_weights-1/bn_0"]
    for i in range(num_layers):
        layer = f"{ENCODER}/enc_layers/{i}"
        dense |= {f"{layer}/mha/{name}": (width, width) for name in ("wq", "wk", "wv", "dense")}
        dense |= {f"{layer}/ffn/layer_with_weights-0": (width, inner), f"{layer}/ffn/layer_with_weights-1": (inner, width)}
        norms += [f"{layer}/layernorm1", f"{layer}/layernorm2"]
    rng = np.random.default_rng(0)
    shapes = {f"{name}/kernel": shape for name, shape in dense.items()}
    shapes |= {f"{name}/bias": shape[1:] for name, shape in dense.items()}
    shapes |= {f"{name}/{leaf}": (width,) for name in norms for leaf in ("gamma", "beta")}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def upstream_reconstruction(arrays: Arrays, magnitudes: np.ndarray, times: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """Upstream's forward pass, (windows, length) in and out, from its variables and formulas."""

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ arrays[f"{name}/kernel"] + arrays[f"{name}/bias"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return scaled * arrays[f"{name}/gamma"] + arrays[f"{name}/beta"]

    j = np.arange(CONF["head_dim"])
    angles = times[..., None] / 10000.0 ** (2 * j / CONF["head_dim"])
    x = dense(f"{ENCODER}/inp_transform", magnitudes[..., None]) + np.where(j % 2 == 0, np.sin(angles), np.cos(angles))
    raised = np.maximum(masked[:, None, :, None], masked[:, None, None, :])
    for i in range(CONF["layers"]):
        layer = f"{ENCODER}/enc_layers/{i}"
        split = (*times.shape, CONF["heads"], -1)
        query, key, value = (dense(f"{layer}/mha/{name}", x).reshape(split).swapaxes(1, 2) for name in ("wq", "wk", "wv"))
        weights = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1]) + raised)
        weights /= weights.sum(-1, keepdims=True)
        x = norm(f"{layer}/layernorm1", dense(f"{layer}/mha/dense", (weights @ value).swapaxes(1, 2).reshape(x.shape)))
        hidden = np.tanh(dense(f"{layer}/ffn/layer_with_weights-0", x))
        x = norm(f"{layer}/layernorm2", dense(f"{layer}/ffn/layer_with_weights-1", hidden))
    return dense("layer_with_weights-1/reg_layer", norm("layer_with_weights-1/bn_0", x))[..., 0]


def write_checkpoint(folder: Path, arrays: Arrays | None = None, conf: Any = CONF) -> Path:
    write_tensorflow_checkpoint(folder / "weights", upstream_arrays() if arrays is None else arrays)
    (folder / "conf.json").write_text(json.dumps(conf))
    return folder


def zip_folder(folder: Path) -> Path:
    content: dict[str | zipfile.ZipInfo, bytes] = {f"macho/{path.name}": path.read_bytes() for path in folder.iterdir()}
    return write_zip(folder.with_suffix(".zip"), content)


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
    magnitudes, times = rng.normal(size=(3, 9)), rng.uniform(-500, 500, (3, 9))
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
    "no conf.json": (lambda folder: (folder / "conf.json").unlink(), "Expected conf.json beside the weights"),
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


# --- Script ---


def test_the_script_converts_a_zip_and_says_what_it_wrote(checkpoint: Path, tmp_path: Path):
    command = [sys.executable, SCRIPT, zip_folder(checkpoint), tmp_path / "converted"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=200)
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
