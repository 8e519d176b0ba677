# Copyright 2026 The astromer_hf developers. MIT licence.
"""Views show parts of a star's light curves and nothing else, and the collator draws the same ones for the same stars."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from astromer_hf.baselines.hand_crafted_features import extract_features, feature_names
from astromer_hf.evaluation.fourier_series import evaluate_series
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.light_curves.source import iter_split
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.stars import DataCollatorForPreTraining, StarDataset, Stars, load_stars
from astromer_hf.training.views import (
    MultiViewRecipe,
    PackedLightCurves,
    Variations,
    ViewRecipe,
    draw_star_views,
    draw_transplanted_views,
    draw_views,
)

LENGTHS = [30, 200, 7, 90, 60]  # the last two are bands of one star


@pytest.fixture
def curves() -> PackedLightCurves:
    rng = np.random.default_rng(0)
    times = np.concatenate([np.sort(rng.uniform(58000, 59000, length)) for length in LENGTHS])
    errors = np.full(len(times), 0.05)
    errors[::5] = np.nan
    offsets = np.concatenate(([0], np.cumsum(LENGTHS)))
    magnitudes = 15 + np.sin(times)
    return PackedLightCurves.from_numpy(times, magnitudes, errors, offsets, np.array([0, 1, 2, 3, 5]), np.array([0, 0, 1, 1]))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_view_without_change_is_the_light_curve_itself(curves: PackedLightCurves):
    recipe = ViewRecipe(200, (1.0, 1.0), run_probability=0, noise_probability=0, hide_errors_probability=0)
    batch = draw_views(curves, torch.arange(5), recipe, seeded())
    for i, length in enumerate(LENGTHS):
        part = slice(int(curves.offsets[i]), int(curves.offsets[i + 1]))
        assert batch["attention_mask"][i].tolist() == [1] * length + [0] * (200 - length)
        times = curves.times[part] - curves.times[part].mean()
        torch.testing.assert_close(batch["times"][i, :length], times.float())
        magnitudes = curves.magnitudes[part] - curves.magnitudes[part].mean()
        torch.testing.assert_close(batch["magnitudes"][i, :length], magnitudes, atol=1e-5, rtol=0)
        torch.testing.assert_close(batch["magnitude_errors"][i, :length], curves.errors[part], equal_nan=True)
        assert not batch["magnitudes"][i, length:].any()


def test_views_hold_observations_of_their_light_curve_in_the_order_of_time(curves: PackedLightCurves):
    recipe = ViewRecipe(64, (0.3, 0.9), min_points=5, noise_probability=0)
    batch = draw_views(curves, torch.arange(5).repeat(40), recipe, seeded())
    observed = batch["attention_mask"].bool()
    counts = observed.sum(1).reshape(40, 5)
    assert (counts <= torch.tensor(LENGTHS).clamp(max=64)).all()
    assert (counts >= 5).all()
    assert counts[:, 3].unique().numel() > 10
    steps = batch["times"].diff(dim=1)[observed[:, 1:]]
    assert (steps > 0).all()
    # The magnitude belongs to its time: sin(t) again, but for the two means.
    for row in range(5):
        seen = observed[row]
        times, magnitudes = batch["times"][row][seen].double(), batch["magnitudes"][row][seen].double()
        part = slice(int(curves.offsets[row]), int(curves.offsets[row + 1]))
        possible = curves.times[part][:, None] - curves.times[part]
        found = [(possible - step).abs().min() for step in times.diff()]
        assert max(found) < 1e-3
        assert magnitudes.mean().abs() < 1e-5


def test_runs_have_shorter_spans_than_thinned_light_curves(curves: PackedLightCurves):
    chosen = torch.full((200,), 1)
    spans = []
    for probability in (0.0, 1.0):
        recipe = ViewRecipe(200, (0.5, 0.5), run_probability=probability, least_run=0.2)
        times = draw_views(curves, chosen, recipe, seeded())["times"]
        spans.append((times.amax(1) - times.amin(1)).mean())
    assert spans[1] < 0.75 * spans[0]


def test_noise_is_told_in_the_errors_and_hidden_errors_are_unknown(curves: PackedLightCurves):
    recipe = ViewRecipe(64, noise_probability=1.0, hide_errors_probability=0.0)
    noisy = draw_views(curves, torch.full((100,), 1), recipe, seeded())
    errors = noisy["magnitude_errors"][noisy["magnitude_errors"].isfinite()]
    assert 0.05 < errors.mean() < 0.05 * 2**0.5
    none = draw_views(curves, torch.arange(5), replace(recipe, hide_errors_probability=1.0), seeded())
    assert none["magnitude_errors"].isnan().all()


def test_half_of_a_masked_view_is_hidden_and_its_magnitudes_are_not_shown(curves: PackedLightCurves):
    recipe = ViewRecipe(64, noise_probability=0, hidden_fraction=0.5)
    batch = draw_views(curves, torch.arange(5), recipe, seeded())
    observed, hidden = batch["attention_mask"].bool(), batch["masked_positions"]
    assert (hidden.sum(1) == observed.sum(1) // 2).all()
    assert not batch["magnitudes"][hidden].any()
    visible = observed & ~hidden
    torch.testing.assert_close(batch["magnitudes"][visible], batch["labels"][visible])
    assert (batch["magnitudes"].sum(1) / visible.sum(1)).abs().max() < 1e-5  # centred on what can be seen


def test_views_of_a_star_come_from_its_own_bands(curves: PackedLightCurves):
    chosen = curves.choose_curves(torch.tensor([3] * 50 + [0]), seeded())
    assert set(chosen[:50].tolist()) == {3, 4}
    assert chosen[50] == 0


def test_local_views_stand_beside_the_global_ones(curves: PackedLightCurves):
    recipe = MultiViewRecipe(length=96, local_length=16, num_local_views=3)
    batch = recipe.draw(curves, torch.arange(4), seeded())
    assert batch["magnitudes"].shape == (4, 2, 96)
    assert batch["local_views"]["magnitudes"].shape == (4, 3, 16)
    assert batch["masked_positions"][:, 0].any()
    assert not batch["masked_positions"][:, 1].any()
    assert "masked_positions" not in batch["local_views"]
    assert draw_star_views(curves, torch.arange(4), [ViewRecipe(8)], seeded())["times"].shape == (4, 1, 8)


# --- Stars at the times of other surveys ---

PERIODS = [[0.6, 0.0], [3.1, 0.45], [0.9, 0.0], [0.0, 0.0]]  # days, one or two; the last star is constant


@pytest.fixture
def variations() -> Variations:
    periods = torch.tensor(PERIODS, dtype=torch.float64)
    coefficients = torch.zeros(4, 2, 3, dtype=torch.complex64)
    coefficients[:3, 0] = torch.tensor([0.4, 0.1j, -0.05])
    coefficients[1, 1, 0] = 0.2j
    return Variations(
        torch.where(periods > 0, 1 / periods, 0.0),
        coefficients,
        torch.tensor([0.3, 0.3, 0.3, 0.0]),
        torch.tensor([0.02, 0.02, 0.03, 0.03]),
        torch.tensor([1.0, 1.0, 1.5, 1.0]),
    )


UNCHANGED = ViewRecipe(200, (1.0, 1.0), run_probability=0, noise_probability=0, hide_errors_probability=0)


def test_a_variation_is_the_sum_of_its_series(variations: Variations):
    days = np.linspace(-3000, 3000, 50)
    found = variations.at(torch.arange(4), torch.from_numpy(np.tile(days, (4, 1)))).numpy()
    for star, periods in enumerate(PERIODS):
        series = [
            evaluate_series(np.append(0, variations.coefficients[star, number].numpy()), days / period)
            for number, period in enumerate(periods)
            if period
        ]
        np.testing.assert_allclose(found[star], np.sum(series, axis=0) if series else 0 * days, atol=1e-5)


def test_a_star_is_seen_at_the_times_and_with_the_noise_of_a_star_of_another_survey(
    curves: PackedLightCurves, variations: Variations
):
    stars = torch.arange(3).repeat(40)
    batch = draw_transplanted_views(curves, variations, stars, UNCHANGED, seeded())
    counts = batch["attention_mask"].sum(1)
    others = {0: {7, 90, 60}, 1: {7, 90, 60}, 2: {30, 200}}  # numbers of observations tell light curves apart
    assert all(set(counts[stars == star].tolist()) == others[star] for star in range(3))
    scatter = []
    for row, count in enumerate(counts.tolist()):
        times, magnitudes = (batch[name][row, :count].double().numpy() for name in ("times", "magnitudes"))
        begin = int(curves.offsets[LENGTHS.index(count)])
        np.testing.assert_allclose(np.diff(times), np.diff(curves.times[begin : begin + count]), atol=1e-3)
        assert abs(magnitudes.mean()) < 1e-5
        if stars[row] == 0 and count >= 60:
            waves = np.exp(2j * np.pi * np.outer(times / PERIODS[0][0], [0, 1, 2, 3]))
            waves = np.hstack((waves.real, waves.imag[:, 1:]))
            scatter.append(np.sqrt(np.linalg.lstsq(waves, magnitudes, rcond=None)[1][0] / (count - 7)))
    # The star with 90 and 60 observations has errors of 0.05 mag; where a fifth is unknown, its typical error is taken.
    assert np.mean(scatter) == pytest.approx(np.hypot(0.8**0.5 * 0.05, 0.2**0.5 * 0.03), rel=0.05)
    assert batch["magnitude_errors"].nanmedian() == pytest.approx(0.05)


def test_a_star_that_no_other_survey_could_see_has_a_view_of_its_own(curves: PackedLightCurves, variations: Variations):
    batch = draw_transplanted_views(curves, variations, torch.tensor([3] * 20), UNCHANGED, seeded())  # it is constant
    assert set(batch["attention_mask"].sum(1).tolist()) == {90, 60}
    barred = replace(variations, errors=torch.tensor([0.02, 0.02, torch.inf, torch.inf]))
    batch = draw_transplanted_views(curves, barred, torch.tensor([0, 1]), UNCHANGED, seeded())
    assert batch["attention_mask"].sum(1).tolist() == LENGTHS[:2]
    one_survey = replace(curves, surveys=torch.zeros(4, dtype=torch.long))
    batch = draw_transplanted_views(one_survey, variations, torch.tensor([0, 1]), UNCHANGED, seeded())
    assert batch["attention_mask"].sum(1).tolist() == LENGTHS[:2]


def test_transplanted_views_are_global_ones_that_hide_nothing(curves: PackedLightCurves, variations: Variations):
    recipe = MultiViewRecipe(length=96, local_length=16, num_transplanted_views=2)
    assert recipe.num_views == 6
    batch = recipe.draw(curves, torch.arange(4), seeded(), variations)
    assert all(batch[name].shape == (4, 4, 96) for name in batch if name != "local_views")
    assert batch["masked_positions"].any((0, 2)).tolist() == [True, False, False, False]
    assert batch["magnitudes"].abs().amax((0, 2)).min() > 0.3
    with pytest.raises(ValueError, match="features"):
        recipe.draw(curves, torch.arange(4), seeded())


def test_several_views_may_be_reconstructed_at_once(curves: PackedLightCurves):
    recipe = MultiViewRecipe(length=96, local_length=16, num_global_views=3, num_masked_views=2)
    batch = recipe.draw(curves, torch.arange(4), seeded())
    hidden = batch["masked_positions"]
    assert hidden.any((0, 2)).tolist() == [True, True, False]
    assert (hidden[:, 0] != hidden[:, 1]).any()
    assert (hidden[:, :2].sum(2) == batch["attention_mask"][:, :2].sum(2) // 2).all()
    for number in (0, 4):
        with pytest.raises(ValueError, match="num_masked_views"):
            MultiViewRecipe(num_global_views=3, num_masked_views=number)


def test_variations_are_measured_from_the_periods_among_the_features(tmp_path: Path):
    survey = replace(SIMULATED_SURVEYS["asas_like"], min_points=100, max_points=120, duration_days=300.0)
    for name, classes in (("one", ["RRab"]), ("two", ["RRab", "Constant"])):
        (tmp_path / name).mkdir()
        table = to_table(simulate_light_curves(3, seed=2, survey=survey, classes=classes))
        frame = table.to_pandas().assign(band="V")
        frame.to_parquet(tmp_path / name / "train-00000-of-00001.parquet", index=False)
        chunks = [chunk.curves for chunk in iter_split(tmp_path / name, "train")]
        values, _ = extract_features(RaggedLightCurves.concatenate(chunks))
        features = pd.DataFrame(values, columns=[f"feature_{column}" for column in feature_names(with_brightness=False)])
        (tmp_path / "features").mkdir(exist_ok=True)
        features.assign(**frame[["object_id", "band"]]).to_parquet(tmp_path / "features" / f"{name}.parquet")
    folders = [tmp_path / "one", tmp_path / "two"]
    stars = load_stars(folders, "train", features=tmp_path / "features", with_variations=True)
    is_constant = stars.labels == "Constant"
    assert 0 < is_constant.sum() < len(stars)
    assert (stars.variations.rms.numpy() > 0).tolist() == (~is_constant).tolist()
    for star in np.flatnonzero(~is_constant):
        own = slice(*stars.curves.offsets[star : star + 2].tolist())
        times, magnitudes = stars.curves.times[own], stars.curves.magnitudes[own].double()
        series = stars.variations.at(torch.tensor([star]), (times - times.mean())[None])[0].double()
        residual = (magnitudes - magnitudes.mean() - series).std()
        assert residual < 0.3 * magnitudes.std()
    with pytest.raises(ValueError, match="features"):
        load_stars(folders, "train", with_variations=True)


# --- Stars of prepared surveys ---


def write_survey(folder: Path, stars: int, seed: int, band: str) -> Path:
    folder.mkdir(parents=True)
    table = to_table(simulate_light_curves(stars, seed=seed))
    frame = table.to_pandas().assign(object_id=[f"star{i}" for i in range(stars)], band=band)
    frame.to_parquet(folder / "train-00000-of-00001.parquet", index=False)
    return folder


@pytest.fixture
def stars(tmp_path: Path) -> Stars:
    folders = [
        write_survey(tmp_path / name, n, i, "I") for i, (name, n) in enumerate((("ogle_I", 6), ("ogle_V", 4), ("asas", 8)))
    ]
    for folder in folders:
        ids = pq.read_table(folder / "train-00000-of-00001.parquet", columns=["object_id", "band"]).to_pandas()
        (tmp_path / "features").mkdir(exist_ok=True)
        table = ids.assign(feature_period=np.arange(len(ids), dtype=float), feature_skew=np.nan)
        table.to_parquet(tmp_path / "features" / f"{folder.name}.parquet")
    return load_stars(folders, "train", min_points=2, features=tmp_path / "features")


def test_bands_of_one_survey_are_grouped_by_star_and_others_are_not(stars: Stars):
    assert len(stars) == 6 + 8
    counts = stars.curves.star_offsets.diff()
    surveys = stars.curves.surveys
    assert counts[surveys == 0].tolist() == [2, 2, 2, 2, 1, 1]
    assert counts[surveys == 2].tolist() == [1] * 8
    assert stars.survey_names == ("ogle_I", "ogle_V", "asas")
    assert np.isnan(stars.features[:, 1]).all()
    assert abs(stars.features[:, 0].mean()) < 0.05  # normal scores
    assert stars.labels.shape == (14,)


def test_mixing_weighs_surveys_by_a_power_of_their_sizes(stars: Stars):
    surveys = stars.curves.surveys.numpy()
    for power, expected in ((1.0, 6 / 14), (0.0, 0.5)):
        epochs = np.concatenate([stars.mix(power, seed) for seed in range(200)])
        assert np.mean(surveys[epochs] == 0) == pytest.approx(expected, abs=0.02)
        assert len(epochs) / 200 == pytest.approx(14, abs=0.5)


def test_a_batch_depends_on_its_stars_and_the_seed_alone(stars: Stars):
    collator = DataCollatorForPreTraining(stars, MultiViewRecipe(length=32, local_length=8))
    first, again, other = collator([3, 5]), collator([3, 5]), collator([5, 3])
    torch.testing.assert_close(first["magnitudes"], again["magnitudes"])
    assert not torch.equal(first["magnitudes"].flip(0), other["magnitudes"])
    another = DataCollatorForPreTraining(stars, collator.recipe, seed=1)([3, 5])
    assert not torch.equal(first["magnitudes"], another["magnitudes"])
    torch.testing.assert_close(first["target_features"], torch.from_numpy(stars.features[[3, 5]]), equal_nan=True)
    assert StarDataset(np.array([4, 2]))[1] == 2


def test_a_survey_that_is_not_prepared_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"prepare_dataset\.py"):
        load_stars([tmp_path / "nothing"], "train")


def test_feature_tables_may_lack_light_curves(tmp_path: Path):
    folder = write_survey(tmp_path / "one", 3, 0, "V")
    features = tmp_path / "features"
    features.mkdir()
    pd.DataFrame({"object_id": ["star1"], "band": ["V"], "feature_a": [1.0]}).to_parquet(features / "one.parquet")
    loaded = load_stars([folder], "train", min_points=2, features=features)
    assert np.isfinite(loaded.features[:, 0]).tolist() == [False, True, False]
