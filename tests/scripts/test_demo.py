# Copyright 2026 The astromer_hf developers. MIT licence.
"""The demo runs offline on what is here, says what that is, and scores magnitudes that are hidden from the model."""

from pathlib import Path

import demo
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SHARED, TINY, TINY_EXTENDED
from matplotlib.image import imread

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, RaggedLightCurves
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.light_curves.splits import assign_splits


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED)).save_pretrained(folder)
    return folder


def run(output: Path, shared: Path, model: Path) -> None:
    demo.main(demo.parse_args(["--output", f"{output}", "--shared", f"{shared}", "--model", f"{model}", "--num-objects", "12"]))


def assert_complete(output: Path, num_objects: int) -> None:
    embeddings = pq.read_table(output / "embeddings.parquet")
    assert len(embeddings) == num_objects
    assert np.isfinite(np.stack(embeddings["embedding"].to_numpy())).all()
    for picture in ("light_curve.png", "embedding_map.png", "overview.png"):
        assert np.ptp(imread(output / picture)[..., :3]) > 0.5


def test_without_the_shared_folder_it_runs_on_simulated_curves_and_says_so(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
):
    run(tmp_path / "out", tmp_path / "absent", tiny_model)
    assert_complete(tmp_path / "out", num_objects=28)
    said = capsys.readouterr().out
    assert "Data: simulated light curves" in said
    assert "Weights: tiny" in said
    assert "tiny: R²" in said
    assert "macho_a0" not in said
    assert "macho_like-0-000000" in said


def test_without_any_weights_the_model_is_new_and_the_demo_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(demo, "PACKAGED_MODEL", tmp_path / "absent")
    models = demo.load_models(demo.parse_args(["--shared", f"{tmp_path}", "--output", f"{tmp_path}"]))
    assert list(models) == ["untrained"]
    assert not models["untrained"].training
    assert "Weights: freshly initialised" in capsys.readouterr().out


def test_a_model_folder_that_is_asked_for_and_absent_is_an_error(tmp_path: Path):
    with pytest.raises(OSError, match="absent"):
        demo.load_models(demo.parse_args(["--shared", f"{tmp_path}", "--model", f"{tmp_path / 'absent'}"]))


def test_real_curves_and_released_weights_are_shown_beside_another_model(
    tmp_path: Path, tiny_model: Path, shared_data: Path, shared_reference: Path, capsys: pytest.CaptureFixture[str]
):
    run(tmp_path / "out", SHARED, tiny_model)
    assert_complete(tmp_path / "out", num_objects=49)
    said = capsys.readouterr().out
    assert "Data: real light curves of MACHO" in said
    assert "49 light curves embedded by tiny" in said
    assert "macho_a0: R²" in said
    assert "tiny: R²" in said
    assert "sees what it reconstructs" in said
    gallery = pq.read_table(tmp_path / "out" / "gallery.parquet")
    assert len(gallery) == 12
    assert set(assign_splits(gallery["id"].to_pylist())) == {"test"}  # nothing was trained on them


def test_the_sample_holds_as_many_of_each_frequent_class(shared_data: Path):
    labels = demo.sample_classes(shared_data / "sss_catalina_south.parquet", 3)["label"].to_pylist()
    assert {label: labels.count(label) for label in labels} == dict.fromkeys(
        ("Ecl", "EA", "RRab", "RRc", "Rotational", "LPV"), 3
    )


@pytest.mark.parametrize("masking_scheme", ["hidden", "additive", "additive_padding"])
@pytest.mark.parametrize("fields", [TINY, TINY_EXTENDED], ids=["paper", "extended"])
def test_no_masking_scheme_lets_a_model_see_what_it_is_scored_on(fields: dict, masking_scheme: str):
    model = AstromerForMaskedReconstruction(AstromerConfig(**fields, masking_scheme=masking_scheme)).eval()
    curves = [(curve.mjd[:20], curve.mag[:20]) for curve in simulate_light_curves(3, seed=2)]

    def reconstruct() -> tuple[np.ndarray, np.ndarray]:
        windows, hidden, centred = demo.hide_and_reconstruct(model, RaggedLightCurves.from_arrays(*zip(*curves, strict=True)))
        return hidden, centred + windows.magnitude_means[:, None]

    hidden, before = reconstruct()
    assert hidden.sum(1).tolist() == [10, 10, 10]
    for (_, mag), mask in zip(curves, hidden, strict=True):
        mag[np.flatnonzero(mask)[0]] += 1  # which moves the window's mean too
    still_hidden, after = reconstruct()
    np.testing.assert_array_equal(still_hidden, hidden)
    np.testing.assert_allclose(after, before, atol=1e-5)
