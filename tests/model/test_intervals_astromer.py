# Copyright 2026 The astromer_hf developers. MIT licence.
"""Intervals of reconstructions: their scale is of visible observations alone, and there is none without fitted quantiles."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_EXTENDED

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction
from astromer_hf.hub.load import default_model_folder
from astromer_hf.inference.sharded_embedding import digest_weights
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.intervals_astromer import NEAREST, NORMAL, NUM_FOLDS, deal_folds, residual_scales
from astromer_hf.model.pipelines_astromer import LightCurveReconstructionPipeline
from astromer_hf.training.few_shot import build_classifier

QUANTILES = [1.0, 2.0]
CURVES = [{"mjd": curve.mjd[:60], "mag": curve.mag[:60]} for curve in simulate_light_curves(3, seed=3)]


def make_pipeline(**fields: object) -> LightCurveReconstructionPipeline:
    torch.manual_seed(0)
    model = AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED, **fields)).eval()
    return LightCurveReconstructionPipeline(model, device="cpu")


def test_every_visible_observation_is_hidden_in_one_fold_and_no_hidden_one_in_any():
    hidden = np.random.default_rng(0).random(101) < 0.4
    folds = deal_folds(hidden, seed=3)
    assert (folds[hidden] == -1).all()
    counts = np.bincount(folds[~hidden], minlength=NUM_FOLDS)
    assert counts.sum() == (~hidden).sum()
    assert np.ptp(counts) <= 1
    np.testing.assert_array_equal(folds, deal_folds(hidden, seed=3))
    assert (folds != deal_folds(hidden, seed=4)).any()


@pytest.mark.parametrize("num_visible", [8, NEAREST, 140])
def test_the_scale_is_of_all_residuals_and_of_those_nearest_in_magnitude(num_visible: int):
    generator = np.random.default_rng(1)
    residuals, around, at = generator.normal(size=num_visible), generator.normal(size=num_visible), generator.normal(size=30)
    expected = []
    for magnitude in at:
        nearest = np.argsort(np.abs(around - magnitude))[:NEAREST]
        local, everywhere = np.median(np.abs(residuals[nearest])), np.median(np.abs(residuals))
        expected.append(NORMAL * np.sqrt((local**2 + everywhere**2) / 2))
    np.testing.assert_allclose(residual_scales(residuals, around, at), expected)


def test_too_few_visible_observations_tell_no_scale():
    assert np.isnan(residual_scales(np.ones(7), np.ones(7), np.ones(3))).all()
    assert residual_scales(np.ones(8), np.ones(8), np.ones(0)).shape == (0,)


def test_the_intervals_lie_around_the_reconstruction_of_what_was_hidden():
    plain, with_intervals = (
        make_pipeline(reconstruction_quantiles=QUANTILES)(CURVES, return_numpy=True, **options)
        for options in ({}, {"intervals": True})
    )
    for one, other in zip(plain, with_intervals, strict=True):
        assert set(other) - set(one) == {"lower_68", "upper_68", "lower_90", "upper_90"}
        np.testing.assert_array_equal(one["reconstruction"], other["reconstruction"])
        hidden = other["hidden"]
        for name in ("68", "90"):
            assert np.isnan(other[f"lower_{name}"][~hidden]).all()
            middle = (other[f"lower_{name}"] + other[f"upper_{name}"])[hidden] / 2
            np.testing.assert_allclose(middle, other["reconstruction"][hidden], rtol=1e-6)
        widths = [(other[f"upper_{name}"] - other[f"lower_{name}"])[hidden] for name in ("68", "90")]
        np.testing.assert_allclose(widths[1], 2 * widths[0], rtol=1e-6)
        assert (widths[0] > 0).all()


def test_what_is_hidden_does_not_enter_the_intervals():
    pipe = make_pipeline(reconstruction_quantiles=QUANTILES)
    (before,) = pipe(CURVES[:1], intervals=True, return_numpy=True)
    changed = {"mjd": before["mjd"], "mag": np.where(before["hidden"], before["mag"] + 3, before["mag"])}
    (after,) = pipe([changed], intervals=True, return_numpy=True)
    hidden = before["hidden"]
    np.testing.assert_array_equal(after["hidden"], hidden)
    for name in ("lower_68", "upper_90"):
        np.testing.assert_allclose(after[name][hidden], before[name][hidden], atol=2e-5)


def test_where_few_observations_are_visible_there_is_no_interval():
    short = {"mjd": CURVES[0]["mjd"][:14], "mag": CURVES[0]["mag"][:14]}
    (result,) = make_pipeline(reconstruction_quantiles=QUANTILES)([short], intervals=True, return_numpy=True)
    assert np.isfinite(result["reconstruction"]).all()
    assert np.isnan(result["lower_90"]).all()


def test_lists_hold_none_for_what_is_nan_in_arrays_and_can_be_written_as_json():
    pipe = make_pipeline(reconstruction_quantiles=QUANTILES)
    lists, arrays = (pipe(CURVES[0], intervals=True, return_numpy=return_numpy) for return_numpy in (False, True))
    again = json.loads(json.dumps(lists, allow_nan=False))
    assert again == lists
    for name in ("lower_68", "upper_90"):
        assert [value is None for value in again[name]] == (~arrays["hidden"]).tolist()
        np.testing.assert_array_equal(np.array(again[name], arrays[name].dtype), arrays[name])
    np.testing.assert_array_equal(again["reconstruction"], arrays["reconstruction"])
    assert np.array_equal(again["hidden"], arrays["hidden"])


def test_a_model_without_fitted_quantiles_has_no_intervals_and_says_what_to_do():
    with pytest.raises(ValueError, match=r"no intervals.*calibrate_reconstruction"):
        make_pipeline()(CURVES, intervals=True)


def test_training_forgets_the_quantiles_and_evaluation_does_not(tmp_path: Path):
    model = make_pipeline(reconstruction_quantiles=QUANTILES).model
    model.save_pretrained(tmp_path)
    loaded = AstromerForMaskedReconstruction.from_pretrained(tmp_path)
    assert loaded.eval().config.reconstruction_quantiles == QUANTILES
    assert loaded.train().config.reconstruction_quantiles is None
    with pytest.raises(ValueError, match="trained since"):
        LightCurveReconstructionPipeline(loaded.eval(), device="cpu")(CURVES, intervals=True)


def test_a_classifier_on_the_encoder_does_not_carry_them():
    config = AstromerConfig(**TINY_EXTENDED, reconstruction_quantiles=QUANTILES)
    assert build_classifier(config, ["A", "B"], seed=0).config.reconstruction_quantiles is None


@pytest.mark.parametrize("quantiles", [[1.0], [2.0, 1.0], [0.0, 1.0], [1.0, float("inf")], [1.0, float("nan")]])
def test_quantiles_that_cannot_be_are_refused(quantiles: list[float]):
    with pytest.raises(Exception, match="reconstruction_quantiles"):
        AstromerConfig(reconstruction_quantiles=quantiles)


def test_the_quantiles_are_no_part_of_what_identifies_embeddings():
    model = make_pipeline().model
    before = digest_weights(model)
    model.config.reconstruction_quantiles = QUANTILES
    assert digest_weights(model) == before


def test_the_shipped_model_has_intervals():
    narrow, wide = AstromerConfig.from_pretrained(default_model_folder()).reconstruction_quantiles
    assert 0.5 < narrow < wide < 3  # of a scale in standard deviations
