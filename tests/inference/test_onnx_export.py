# Copyright 2026 The astromer_hf developers. MIT licence.
"""An exported encoder gives under ONNX Runtime what the model gives, whatever the batch, the length and the padding."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, TINY_EXTENDED

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerModel
from astromer_hf.cli.main import main
from astromer_hf.hub.load import default_model_folder, load_encoder
from astromer_hf.inference.embedding import embed_light_curves, embed_table
from astromer_hf.inference.sharded_embedding import embed_shards
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.source import iter_light_curves
from astromer_hf.model.feature_extraction_astromer import cut_windows

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")

from astromer_hf.inference import onnx_export
from astromer_hf.inference.onnx_export import INPUTS, OUTPUTS, TOLERANCE, OnnxEncoder, export_onnx

CURVES = simulate_light_curves(12, seed=3)
# An export takes as long as the graph has nodes; `folding_harmonics` are unrolled.
PAPER = {**TINY, "num_hidden_layers": 1}
EXTENDED = {**TINY_EXTENDED, "num_hidden_layers": 1, "folding_harmonics": 2, "use_magnitude_errors": True}


@pytest.fixture(scope="module", params=[PAPER, EXTENDED], ids=["paper", "extended"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[AstromerModel, Path]:
    """A tiny model and its file, which the command wrote."""
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    AstromerModel(AstromerConfig(**request.param)).save_pretrained(folder / "model")
    file = folder / "model.onnx"
    before = os.umask(0o027)
    try:
        assert main(["export", str(folder / "model"), "--format", "onnx", "-o", str(file)]) == 0
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640  # as any new file, see `test_file_modes.py`
    assert sorted(path.name for path in folder.iterdir()) == ["model", "model.onnx"]  # nothing is left beside it
    return load_encoder(str(folder / "model"), None, "cpu", "float32")[0], file


def largest_differences(model: AstromerModel, encoder: OnnxEncoder, windows) -> dict[str, float]:
    """Of each output of windows, relative to its largest absolute value where that is above 1."""
    with torch.no_grad():
        outputs = model(**windows)
    observed = windows["attention_mask"].bool().numpy()
    hidden = outputs.last_hidden_state.numpy()
    expected = {
        "last_hidden_state": hidden[observed],
        "mean": outputs.pooler_output.numpy(),
        "max": np.stack([states[own].max(0) for states, own in zip(hidden, observed, strict=True)]),
    }
    found = encoder.run(**{name: tensor.numpy() for name, tensor in windows.items()})
    assert tuple(found) == OUTPUTS
    found["last_hidden_state"] = found["last_hidden_state"][observed]
    return {name: np.abs(found[name] - value).max() / max(1, np.abs(value).max()) for name, value in expected.items()}


@pytest.mark.parametrize("lengths", [[1], [2], [20], [1, 2], [20, 7, 13, 1], [20, 16, 18], [3] * 9, [20] * 33])
def test_any_batch_of_any_lengths_gives_what_the_model_gives(exported, lengths):
    """Of a few observations the periods are all equally likely, and rounding decides which are taken."""
    model, file = exported
    if model.config.num_folding_periods:
        lengths = [max(length, 15) for length in lengths]
    pairs = [(CURVES[i % len(CURVES)], length) for i, length in enumerate(lengths)]
    extractor = AstromerFeatureExtractor(20)
    columns = ([getattr(curve, name)[:length] for curve, length in pairs] for name in ("mjd", "mag", "magerr"))
    windows = extractor(*columns, return_tensors="pt")
    assert windows["magnitudes"].shape == (len(lengths), max(lengths))
    differences = largest_differences(model, OnnxEncoder(file), windows)
    assert max(differences.values()) < 1e-5, differences


def test_what_stands_in_padding_changes_no_output(exported):
    _, file = exported
    windows = AstromerFeatureExtractor(20)([CURVES[0].mjd[:12]], [CURVES[0].mag[:12]], padding="max_length")
    encoder, expected = OnnxEncoder(file), None
    for padding in (0.0, 7.0, np.nan):
        for name in ("magnitudes", "times"):
            windows[name][:, 12:] = padding
        found = encoder.run(windows["magnitudes"], windows["times"], windows["attention_mask"])
        expected = expected or found
        np.testing.assert_array_equal(found["last_hidden_state"][:, :12], expected["last_hidden_state"][:, :12])
        np.testing.assert_array_equal(found["mean"], expected["mean"])
        np.testing.assert_array_equal(found["max"], expected["max"])


def test_errors_are_an_input_of_models_that_see_them_and_absent_ones_are_unknown(exported):
    model, file = exported
    encoder = OnnxEncoder(file)
    sees_errors = model.config.use_magnitude_errors
    names = [value.name for value in encoder.session.get_inputs()]
    assert names == [*INPUTS, *["magnitude_errors"] * sees_errors]
    assert ("magnitude_errors" in encoder.metadata["inputs"]) is sees_errors
    curves = CURVES[:4]
    columns = ([getattr(curve, name)[:20] for curve in curves] for name in ("mjd", "mag", "magerr"))
    windows = AstromerFeatureExtractor(20)(*columns, return_tensors="pt")
    windows["magnitude_errors"][:, ::3] = torch.nan
    windows["magnitude_errors"][3] = torch.nan
    assert max(largest_differences(model, encoder, windows).values()) < 1e-5
    errors = windows.pop("magnitude_errors")
    assert max(largest_differences(model, encoder, windows).values()) < 1e-5
    without, unknown = encoder(**windows), encoder(**windows, magnitude_errors=torch.full_like(errors, torch.nan))
    assert torch.equal(without.pooler_output, unknown.pooler_output)
    assert torch.equal(without.pooler_output, encoder(**windows, magnitude_errors=errors).pooler_output) is not sees_errors


def test_the_file_stands_in_the_place_of_a_model(exported, tmp_path):
    model, file = exported
    mjd, mag, magerr = ([getattr(curve, name) for curve in CURVES] for name in ("mjd", "mag", "magerr"))
    encoder = OnnxEncoder(file, num_threads=1)
    expected = embed_light_curves(model, mjd, mag, magerr, return_observations=True)
    for batch_size in (1, 32):
        found = embed_light_curves(encoder, mjd, mag, magerr, batch_size=batch_size, return_observations=True)
        np.testing.assert_allclose(found.object_embeddings, expected.object_embeddings, rtol=0, atol=1e-5)
        for one, other in zip(found.observation_embeddings, expected.observation_embeddings, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=4e-5)
    pq.write_table(to_table(CURVES), tmp_path / "curves.parquet")
    embed_table(tmp_path / "curves.parquet", tmp_path / "out.parquet", encoder, show_progress=False)
    column = pq.read_table(tmp_path / "out.parquet")["embedding"]
    assert column.type == pa.list_(pa.float32(), model.config.hidden_size)
    np.testing.assert_allclose(np.stack(column.to_numpy()), expected.object_embeddings, rtol=0, atol=1e-5)
    report = embed_shards(tmp_path / "curves.parquet", tmp_path / "shards", encoder, show_progress=False)
    assert (report.num_objects, report.missing) == (len(CURVES), [])


def test_windows_of_nothing_are_refused_and_times_that_are_not_centred_are_centred(exported):
    _, file = exported
    encoder = OnnxEncoder(file)
    zeros, mask = np.zeros((2, 5), np.float32), np.ones((2, 5), np.int64)
    for shown in (mask[:0], mask[:, :0], mask * [[1], [0]]):
        with pytest.raises(ValueError, match="at least one, each with an observation"):
            encoder.run(zeros[: len(shown), : shown.shape[1]], zeros[: len(shown), : shown.shape[1]], shown)
    curves = CURVES[:2]
    windows = AstromerFeatureExtractor(20)([curve.mjd for curve in curves], [curve.mag for curve in curves], windows="first")
    centred, moved = (encoder.run(**{**windows, "times": windows["times"] + np.float32(zero)})["mean"] for zero in (0, 256))
    np.testing.assert_allclose(moved, centred, atol=1e-3)


def test_the_file_says_what_it_is_and_how_its_inputs_are_made(exported):
    model, file = exported
    encoder = OnnxEncoder(file)
    assert Path(encoder.metadata["model"]).name == "model"
    assert encoder.metadata["window_size"] == "20"
    assert encoder.config.to_dict() == model.config.to_dict() | {"architectures": encoder.config.architectures}
    assert json.loads(encoder.metadata["config"])["hidden_size"] == model.config.hidden_size
    assert "float64" in encoder.metadata["inputs"]
    dims = {value.name: value.shape[2:] for value in encoder.session.get_outputs()}
    assert dims == {"last_hidden_state": [16], "mean": [], "max": []}
    assert all(isinstance(size, str) for value in encoder.session.get_inputs() for size in value.shape)  # any size


def test_a_file_that_differs_from_its_model_is_not_written(tmp_path, monkeypatch):
    wrong = {torch.tanh: lambda states: 0.9 * states}
    monkeypatch.setattr(onnx_export, "_REPLACEMENTS", onnx_export._REPLACEMENTS | wrong)
    with pytest.raises(ValueError, match=r"differs from the model by .* more than 1e-04"):
        export_onnx(AstromerModel(AstromerConfig(**PAPER)), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "dtype", "kind", "message"),
    [
        ("model.pt", "float32", ValueError, r"must be an \.onnx file, got model\.pt"),
        ("nowhere/model.onnx", "float32", FileNotFoundError, "no folder .*nowhere"),
        ("model.onnx", "bfloat16", ValueError, r"float32 on the CPU, it is in torch\.bfloat16"),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path, output, dtype, kind, message):
    model = AstromerModel(AstromerConfig(**TINY)).to(getattr(torch, dtype))
    with pytest.raises(kind, match=message):
        export_onnx(model, tmp_path / output)


def test_another_graph_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="not an exported ASTROMER encoder"):
        OnnxEncoder(tmp_path / "other.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["shipped", "released"])
def test_both_checkpoints_give_the_same_on_real_windows(which, shared_data, request, tmp_path):
    """In windows of 15 observations and more; of fewer, periods may tie."""
    folder = default_model_folder() if which == "shipped" else request.getfixturevalue("macho_a0")
    model, extractor = load_encoder(str(folder), None, "cpu", "float32")
    extractor = extractor or AstromerFeatureExtractor(model.config.window_size)
    assert export_onnx(model, tmp_path / "model.onnx", name=which) < TOLERANCE
    encoder = OnnxEncoder(tmp_path / "model.onnx", num_threads=1)
    rng = np.random.default_rng(0)
    for survey in ("sss_catalina_south", "macho_lmc_cepheids_noerr", "ogle_lmc_cepheids_I"):
        curves, _ = next(iter_light_curves(shared_data / f"{survey}.parquet", objects_per_chunk=64)).curves.clean()
        cut = cut_windows(curves.lengths, extractor.window_size, "sequential")
        index, start, length = (column[cut[2] >= 15][:64] for column in cut)
        length = np.where(rng.random(len(length)) < 0.5, length, rng.integers(15, length + 1))  # and shorter windows
        for low, high in ((0, 1), (1, 4), (4, 32), (32, 64)):
            batch = slice(low, high)
            windows = extractor.gather(curves, index[batch], start[batch], length[batch])
            differences = largest_differences(model, encoder, windows.convert_to_tensors("pt"))
            assert max(differences.values()) < TOLERANCE, (survey, differences)


@pytest.mark.filterwarnings("ignore:.*is experimental")
def test_a_session_of_the_package_light_curve_gives_the_embedding_without_errors(tmp_path: Path):
    embed = pytest.importorskip("light_curve.embed", reason="the package light-curve is not installed")
    import onnxruntime

    torch.manual_seed(0)
    unfolded = {"num_folding_periods": 0, "time_bias_scales": None}  # other tests export the folding, which takes long
    AstromerModel(AstromerConfig(**{**EXTENDED, **unfolded})).save_pretrained(tmp_path / "model")
    file = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path / "model"), "--layout", "light-curve", "-o", str(file)]) == 0
    session_class = type("Own", (embed.Astromer1,), {"seq_size": EXTENDED["window_size"]})
    model = load_encoder(str(tmp_path / "model"), None, "cpu", "float32")[0]
    for length in (EXTENDED["window_size"], 13):
        mjd, mag = CURVES[0].mjd[:length], CURVES[0].mag[:length]
        expected = embed_light_curves(model, mjd, mag, return_observations=True)
        found = {
            output: session_class(onnxruntime.InferenceSession(str(file)), output=output)(mjd, mag).squeeze()
            for output in ("mean", "max", "sequence")
        }
        observed = expected.observation_embeddings[0]
        np.testing.assert_allclose(found["mean"], expected.object_embeddings[0], atol=1e-4)
        np.testing.assert_allclose(found["max"], observed.max(0), atol=1e-4)
        np.testing.assert_allclose(found["sequence"][:length], observed, atol=1e-4)
    window = EXTENDED["window_size"]
    embed_long = session_class(onnxruntime.InferenceSession(str(file)))
    for length in (2 * window, 2 * window + 7):  # the plain mean over windows, of which the last holds the rest
        mjd, mag = CURVES[0].mjd[:length], CURVES[0].mag[:length]
        assert len(mjd) == length
        parts = [slice(start, start + window) for start in range(0, length, window)]
        alone = embed_light_curves(model, [mjd[part] for part in parts], [mag[part] for part in parts]).object_embeddings
        found, ours = embed_long(mjd, mag).squeeze(), embed_light_curves(model, mjd, mag).object_embeddings[0]
        np.testing.assert_allclose(found, alone.mean(0), atol=1e-4)
        assert np.allclose(found, ours, atol=1e-4) is (length == 2 * window)
    with pytest.raises(ValueError, match="is not an exported ASTROMER encoder"):
        OnnxEncoder(file)
