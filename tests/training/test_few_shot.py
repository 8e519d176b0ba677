# Copyright 2026 The astromer_hf developers. MIT licence.
"""Draws separate training and test light curves, states are the encoder's own, and every method learns from few labels."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY_EXTENDED
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score
from torch import nn

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerModel,
    DataCollatorForMaskedLightCurves,
    RaggedLightCurves,
)
from astromer_hf.baselines.lstm_baseline import LightCurveLSTMForSequenceClassification
from astromer_hf.evaluation.uncertainty import fit_temperature
from astromer_hf.inference.classification import classify_light_curves
from astromer_hf.inference.embedding import embed_light_curves
from astromer_hf.light_curves.bands import BandCombination, MultibandLightCurves
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, LightCurve, simulate_light_curves, to_table
from astromer_hf.model.heads_astromer import pool_observed
from astromer_hf.training.data_collator import InMemoryLightCurves
from astromer_hf.training.few_shot import (
    Draw,
    FrozenStates,
    LabelledCurves,
    Outcome,
    Recipe,
    WeightedCrossEntropy,
    adapt_encoder,
    build_classifier,
    draw_few_shot,
    fit,
    fit_and_predict,
    fit_linear_discriminant,
    fit_linear_probe,
    fit_nearest_neighbors,
    linear_discriminant,
    load_labelled_survey,
    thin_light_curves,
    train_on_windows,
)
from astromer_hf.training.heads import classify_states, fit_shortcut, train_head
from astromer_hf.training.trainer import balanced_class_weights

# Classes that differ in amplitude, and curves of less than a window, of one and of several.
SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=8, max_points=60, noise_floor=0.005, noise_at_faint_end=0.01)
CLASSES = ("Constant", "LPV", "RRab")
CONFIG = AstromerConfig(**TINY_EXTENDED, classifier_hidden_sizes=[32], classifier_lstm_sizes=[16])
RECIPE = Recipe(learning_rate=1e-2, batch_size=16, max_epochs=12, patience=5)
HEADS = {
    "mlp": {},
    "means and deviations": {"classifier_pooling": "mean_std"},
    "layer-skip": {"use_weighted_layer_sum": True},
    "layer-skip, means and deviations": {"use_weighted_layer_sum": True, "classifier_pooling": "mean_std"},
    "all blocks, means and deviations": {"concatenate_layers": True, "classifier_pooling": "mean_std"},
    "beside a discriminant": {"concatenate_layers": True, "classifier_pooling": "mean_std", "classifier_shortcut": True},
    "lstm": {"classifier_head": "lstm", "classifier_dropout": 0.1},
}


def gather(curves: Iterable[LightCurve]) -> RaggedLightCurves:
    mjd, mag, magerr = zip(*((curve.mjd, curve.mag, curve.magerr) for curve in curves), strict=True)
    return RaggedLightCurves.from_arrays(mjd, mag, magerr).clean()[0]


def as_lists(curves: RaggedLightCurves) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return np.split(curves.times, curves.offsets[1:-1]), np.split(curves.magnitudes, curves.offsets[1:-1])


@pytest.fixture(scope="module")
def labelled() -> LabelledCurves:
    """40 training and 20 test light curves of each class, one after the other."""
    curves = gather(simulate_light_curves(180, survey=SURVEY, classes=CLASSES))
    return LabelledCurves(curves, np.arange(180) % 3, CLASSES, np.arange(180) % 9 >= 6)


@pytest.fixture(scope="module")
def draw(labelled: LabelledCurves) -> Draw:
    return draw_few_shot(labelled, 20, fold=0)


@pytest.fixture(scope="module")
def encoder() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(CONFIG).eval()


@pytest.fixture(scope="module")
def states(encoder: AstromerModel, labelled: LabelledCurves, draw: Draw) -> FrozenStates:
    """Of the draw's light curves, asked for in no order."""
    objects = np.random.default_rng(0).permutation(np.concatenate((draw.labelled, draw.test)))
    return FrozenStates.compute(encoder, labelled, objects, with_observations=True)


@pytest.fixture(scope="module")
def embeddings(states: FrozenStates, labelled: LabelledCurves) -> np.ndarray:
    """Of the draw's light curves; NaN for the others, at which nobody may look."""
    rows = np.full((len(labelled), CONFIG.hidden_size), np.nan)
    objects = np.unique(states.object_index)
    rows[objects] = states.object_embeddings(objects)
    return rows


def macro_f1(labelled: LabelledCurves, draw: Draw, outcome: Outcome) -> float:
    assert outcome.probabilities.shape == (len(draw.test), len(CLASSES))
    np.testing.assert_allclose(outcome.probabilities.sum(1), 1, atol=1e-5)
    return f1_score(labelled.labels[draw.test], outcome.probabilities.argmax(1), average="macro")


# --- Draws ---


def count_classes(labelled: LabelledCurves, numbers: np.ndarray) -> list[int]:
    return np.bincount(labelled.labels[numbers], minlength=3).tolist()


@pytest.mark.parametrize(("samples", "num_train"), [(2, 1), (3, 2), (5, 4), (20, 16), (40, 32)])
def test_80_percent_of_the_samples_of_each_class_are_for_training_and_at_least_one_for_validation(labelled, samples, num_train):
    draw = draw_few_shot(labelled, samples, fold=0, test_per_class=15)
    assert count_classes(labelled, draw.train) == [num_train] * 3
    assert count_classes(labelled, draw.validation) == [samples - num_train] * 3
    assert count_classes(labelled, draw.test) == [15] * 3


@pytest.mark.parametrize("samples", [2, 20, 1000])
def test_what_is_held_out_tests_and_nothing_is_in_two_parts(labelled, samples):
    draw = draw_few_shot(labelled, samples, fold=1)
    assert labelled.held_out[draw.test].all()
    assert not labelled.held_out[draw.labelled].any()
    everything = np.concatenate((draw.train, draw.validation, draw.test))
    assert len(np.unique(everything)) == len(everything)
    assert all(np.all(np.diff(part) > 0) for part in (draw.train, draw.validation, draw.test))


def test_the_test_set_is_the_same_in_every_fold_and_for_every_number_of_samples_and_depends_on_the_seed(labelled):
    draws = [draw_few_shot(labelled, samples, fold, test_per_class=10) for samples in (5, 20) for fold in range(3)]
    assert {tuple(draw.test) for draw in draws} == {tuple(draws[0].test)}
    assert set(draws[0].test) != set(draw_few_shot(labelled, 5, 0, test_per_class=10, seed=1).test)


def test_folds_and_seeds_draw_other_samples_and_a_draw_is_the_same_twice(labelled):
    draws = [draw_few_shot(labelled, 20, fold, seed=seed) for fold in range(3) for seed in range(2)]
    assert len({tuple(draw.labelled) for draw in draws}) == len(draws)
    again = draw_few_shot(labelled, 20, 0)
    assert all(np.array_equal(getattr(again, part), getattr(draws[0], part)) for part in ("train", "validation", "test"))


def test_the_smaller_draws_of_a_fold_are_part_of_its_larger_ones(labelled):
    small, middle, large = (draw_few_shot(labelled, samples, fold=2).labelled for samples in (5, 20, 30))
    assert set(small) < set(middle) < set(large)


def test_a_class_with_fewer_samples_gives_all_it_has(labelled):
    members = np.flatnonzero((labelled.labels == 1) & ~labelled.held_out)
    labels = labelled.labels.copy()
    labels[members[5:]] = 0
    draw = draw_few_shot(replace(labelled, labels=labels), 20, fold=0)
    assert np.bincount(labels[draw.train]).tolist() == [16, 4, 16]
    assert set(members[:5]) < set(draw.labelled)


def test_a_draw_that_cannot_be_is_refused_by_the_name_of_the_class(labelled):
    with pytest.raises(ValueError, match=r"At least 2 samples a class .* got 1"):
        draw_few_shot(labelled, 1, fold=0)
    of_class = np.flatnonzero(labelled.labels == 2)
    held_out = labelled.held_out.copy()
    held_out[of_class[1:]] = True
    with pytest.raises(ValueError, match="'RRab' has 1 light curves to train on and 59 to test on"):
        draw_few_shot(replace(labelled, held_out=held_out), 20, fold=0)
    held_out[of_class] = False
    with pytest.raises(ValueError, match="'RRab' has 60 light curves to train on and 0 to test on"):
        draw_few_shot(replace(labelled, held_out=held_out), 20, fold=0)


# --- Labelled light curves of a prepared dataset ---


def write_prepared(folder: Path, *, per_class: dict[str, int], min_points: int = 40) -> dict[str, list[LightCurve]]:
    """A prepared dataset of three classes, three light curves of a fourth in each split, and one without a label.

    Returns:
        The labelled light curves of each split, in their order.
    """
    folder.mkdir(parents=True)
    survey = replace(SURVEY, min_points=min_points, max_points=80, duration_days=500.0)  # short spectra for features
    splits = {}
    for seed, (split, count) in enumerate(per_class.items()):
        curves = simulate_light_curves(3 * count, seed=seed, survey=survey, classes=CLASSES)
        curves += simulate_light_curves(4, seed=10 + seed, survey=survey, classes=["DSCT"])
        table = to_table(curves)
        labels = [*table["label"].to_pylist()[:-1], None]
        table = table.set_column(table.column_names.index("label"), "label", [labels])
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
        splits[split] = curves[:-1]
    return splits


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[LightCurve]]]:
    folder = tmp_path_factory.mktemp("prepared") / "simulated"
    return folder, write_prepared(folder, per_class={"train": 8, "validation": 3, "test": 4}, min_points=10)


def test_the_training_split_is_for_training_and_the_other_two_for_testing(prepared):
    folder, splits = prepared
    labelled = load_labelled_survey(folder, min_points=1, min_train=8, test_per_class=7)
    assert labelled.classes == CLASSES
    expected = [curve for curves in splits.values() for curve in curves if curve.label in CLASSES]
    assert [CLASSES[label] for label in labelled.labels] == [curve.label for curve in expected]
    assert labelled.held_out.tolist() == [False] * 24 + [True] * 21
    gathered = gather(expected)
    np.testing.assert_array_equal(labelled.curves.offsets, gathered.offsets)
    np.testing.assert_array_equal(labelled.curves.magnitudes, gathered.magnitudes)
    np.testing.assert_array_equal(labelled.curves.times, gathered.times)


@pytest.mark.parametrize(("min_train", "test_per_class", "included"), [(3, 6, True), (4, 6, False), (3, 7, False)])
def test_a_class_needs_enough_light_curves_num_train_and_to_test(prepared, min_train, test_per_class, included):
    labelled = load_labelled_survey(prepared[0], min_points=1, min_train=min_train, test_per_class=test_per_class)
    assert labelled.classes == (("Constant", "DSCT", "LPV", "RRab") if included else CLASSES)
    assert set(labelled.labels) == set(range(len(labelled.classes)))


def test_light_curves_of_few_observations_are_left_out(prepared):
    folder, splits = prepared
    labelled = load_labelled_survey(folder, min_points=30, min_train=1, test_per_class=1)
    lengths = [len(curve.mjd) for curves in splits.values() for curve in curves]
    assert min(lengths) < 30
    assert sorted(labelled.curves.lengths) == sorted(length for length in lengths if length >= 30)


def test_too_few_labels_say_how_many_there_are_and_what_to_lower(prepared, tmp_path):
    with pytest.raises(
        ValueError, match=r"1000 light curves to train on and 2 to test on.*'DSCT': \(3, 6\).*lower these numbers"
    ):
        load_labelled_survey(prepared[0], min_points=1, min_train=1000, test_per_class=2)
    with pytest.raises(FileNotFoundError, match="prepare_dataset"):
        load_labelled_survey(tmp_path)


# --- Training ---


class Climber(nn.Module):
    """Its weight rises by the learning rate a step, and its validation loss is lowest at a weight of 3."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": -self.weight if self.training else (self.weight - 3).square()}


def climb(recipe: Recipe) -> tuple[Climber, list[dict[str, float]]]:
    model = Climber()
    return model, fit(model, [0] * 4, [0] * 4, lambda rows: {"labels": torch.tensor(rows)}, recipe, seed=0)


def test_training_stops_by_patience_and_keeps_the_weights_of_the_best_epoch():
    model, history = climb(Recipe(learning_rate=1.0, max_epochs=50, patience=2))
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose([entry["eval_loss"] for entry in history], [4, 1, 0, 1, 4], atol=1e-4)
    np.testing.assert_allclose([entry["loss"] for entry in history], [0, -1, -2, -3, -4], atol=1e-4)
    assert model.weight.item() == pytest.approx(3, abs=1e-4)
    assert Outcome(np.empty((0, 3)), history).best_epoch == 3


def test_training_ends_after_so_many_epochs_and_an_epoch_sees_every_batch():
    model, history = climb(Recipe(learning_rate=0.1, batch_size=1, max_epochs=2))
    assert len(history) == 2
    assert model.weight.item() == pytest.approx(0.1 * 2 * 4, abs=1e-4)


@pytest.mark.parametrize(("max_steps", "evaluated_at"), [(1, [1]), (9, [4, 8, 9]), (11, [4, 8, 11]), (12, [4, 8, 12])])
def test_training_ends_after_so_many_steps_and_the_epoch_that_it_cuts_counts(max_steps, evaluated_at):
    model, history = climb(Recipe(learning_rate=0.1, batch_size=1, max_steps=max_steps))
    assert [entry["epoch"] for entry in history] == list(range(1, len(evaluated_at) + 1))
    np.testing.assert_allclose([entry["eval_loss"] for entry in history], [(0.1 * n - 3) ** 2 for n in evaluated_at], atol=1e-4)
    assert model.weight.item() == pytest.approx(0.1 * max_steps, abs=1e-4)


def test_what_does_not_iterate_has_no_best_epoch():
    assert Outcome(np.empty((0, 3))).best_epoch is None


def test_balanced_weights_let_every_class_count_the_same():
    labels = np.array([0, 0, 0, 1, 2, 2])
    weights = np.array(balanced_class_weights(labels, 3))
    np.testing.assert_allclose(weights[labels][labels == 0].sum(), 2)
    np.testing.assert_allclose(weights * np.bincount(labels), 2)
    with pytest.raises(ValueError, match=r"Classes \[3\]"):
        balanced_class_weights(labels, 4)


def test_the_weighted_loss_is_the_weighted_mean_of_the_losses():
    logits, labels, weights = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0]), torch.tensor([1.0, 2.0, 5.0])
    losses = -logits.log_softmax(-1)[torch.arange(5), labels]
    expected = (losses * weights[labels]).sum() / weights[labels].sum()
    torch.testing.assert_close(WeightedCrossEntropy(weights.tolist())({"logits": logits}, labels), expected)


# --- Thinned copies ---


@pytest.fixture(scope="module")
def dense() -> RaggedLightCurves:
    rng = np.random.default_rng(0)
    times = [np.sort(rng.uniform(0, 1000, n)) for n in (400, 12, 9, 0, 300, *[200] * 60)]
    return RaggedLightCurves.from_arrays(times, [10 + np.sin(t) for t in times], [np.full(len(t), 0.1) for t in times])


def test_a_thinned_copy_has_some_of_the_observations_unchanged_and_in_order(dense):
    thin = thin_light_curves(dense, np.random.default_rng(1))
    assert len(thin) == len(dense)
    for curve in range(len(dense)):
        whole, part = (slice(*curves.offsets[curve : curve + 2]) for curves in (dense, thin))
        kept = np.isin(dense.times[whole], thin.times[part])
        for name in ("times", "magnitudes", "magnitude_errors"):
            np.testing.assert_array_equal(getattr(thin, name)[part], getattr(dense, name)[whole][kept])
    shares = thin.lengths[5:] / dense.lengths[5:]
    assert 0.3 < shares.min() < 0.5
    assert 0.9 < shares.max() <= 1
    assert np.mean(shares) == pytest.approx(0.7, abs=0.06)


def test_a_light_curve_that_thinning_would_leave_with_next_to_nothing_stays_whole(dense):
    for seed in range(20):
        lengths = thin_light_curves(dense, np.random.default_rng(seed)).lengths
        assert lengths[1] in (10, 11, 12)
        assert lengths[2:4].tolist() == [9, 0]


def test_objects_in_several_bands_are_thinned_in_each(dense):
    owner, band = np.arange(len(dense)) // 2, np.arange(len(dense)) % 2
    objects = MultibandLightCurves(dense, owner, band, owner[-1] + 1, BandCombination("concat", ("g", "r")))
    thin = thin_light_curves(objects, np.random.default_rng(1))
    np.testing.assert_array_equal(thin.light_curves.times, thin_light_curves(dense, np.random.default_rng(1)).times)
    np.testing.assert_array_equal(thin.object_index, owner)


def test_a_copy_of_a_light_curve_is_the_same_whatever_else_is_asked_for(encoder, labelled):
    few = FrozenStates.compute_thinned(encoder, labelled, np.array([3, 7]), copies=2, seed=0)
    many = FrozenStates.compute_thinned(encoder, labelled, np.arange(10), copies=2, seed=0)
    other = FrozenStates.compute_thinned(encoder, labelled, np.array([3, 7]), copies=2, seed=1)
    whole = FrozenStates.compute(encoder, labelled, np.array([3, 7]))
    np.testing.assert_allclose(few.pooled, many.pooled[many.windows_of(np.array([3, 7]))], atol=1e-5)
    own = (np.arange(2) * len(few.length) // 2)[:, None] + np.arange(len(few.length) // 2)
    first, second = (few.pooled[rows] for rows in own)
    for states in (other.pooled, whole.pooled, second):
        assert states.shape != first.shape or not np.allclose(states, first)
    assert set(few.object_index) == {3, 7}


def test_a_head_trains_on_copies_and_is_validated_and_tested_on_whole_light_curves(states, encoder, labelled, draw):
    thinned = FrozenStates.compute_thinned(encoder, labelled, draw.train, copies=3, seed=0)
    model = build_classifier(CONFIG, CLASSES, 0)
    outcome = train_head(model, states, labelled.labels, draw, RECIPE, seed=0, thinned=thinned)
    assert macro_f1(labelled, draw, outcome) > 0.7
    windows = states.windows_of(draw.validation)
    with torch.inference_mode():
        logits = model.classifier.head(torch.from_numpy(states.pooled[windows, -1, : CONFIG.hidden_size]))
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(labelled.labels[states.object_index[windows]]))
    assert loss.item() == pytest.approx(min(entry["eval_loss"] for entry in outcome.history), rel=1e-4)

    mislabelled = np.where(np.isin(np.arange(len(labelled)), draw.train), 1, labelled.labels)
    model = build_classifier(CONFIG, CLASSES, 0)
    nothing = replace(states, pooled=states.pooled[:0], object_index=states.object_index[:0], length=states.length[:0])
    of_copies = FrozenStates.concatenate((nothing, thinned))
    assert len(of_copies.length) == len(thinned.length)
    trained = train_head(model, states, mislabelled, draw, RECIPE, seed=0, thinned=of_copies)
    assert (trained.probabilities.argmax(1) == 1).mean() > 0.9


# --- States of a frozen encoder ---


def test_embeddings_of_objects_are_those_of_embed_light_curves(states, encoder, labelled, draw):
    for objects in (draw.train, draw.test, np.unique(states.object_index)):
        expected = embed_light_curves(encoder, *as_lists(labelled.curves.select(objects))).object_embeddings
        np.testing.assert_allclose(states.object_embeddings(objects), expected, rtol=1e-4, atol=1e-5)


def test_states_are_those_of_the_model_for_every_window_in_the_order_of_the_objects(states, encoder, labelled, draw):
    objects = np.sort(np.concatenate((draw.labelled, draw.test)))
    windows = AstromerFeatureExtractor(CONFIG.window_size)(*as_lists(labelled.curves.select(objects)), return_tensors="pt")
    np.testing.assert_array_equal(states.object_index, objects[windows.object_index])
    np.testing.assert_array_equal(states.length, windows.window_length)
    assert states.length.min() < CONFIG.window_size  # some are padded
    assert len(states.length) > len(objects)  # and some objects have several
    with torch.inference_mode():
        outputs = encoder(**windows, output_hidden_states=True)
    observed = windows["attention_mask"].bool()
    expected = torch.stack([pool_observed(state, observed, "mean_std") for state in outputs.hidden_states], 1)
    np.testing.assert_allclose(states.pooled, expected, rtol=1e-3, atol=1e-4)
    last = (outputs.last_hidden_state * observed[..., None]).numpy()
    assert states.observations.dtype == np.float16
    inside = np.arange(last.shape[1]) < states.length[:, None]
    np.testing.assert_allclose(states.observations[inside], last[inside], rtol=2e-3, atol=2e-3)


def test_observations_are_kept_on_request_alone(encoder, labelled):
    assert FrozenStates.compute(encoder, labelled, np.array([3, 1])).observations is None


@pytest.mark.parametrize("head", HEADS)
def test_a_trained_head_and_its_encoder_are_a_classifier_that_gives_the_same_probabilities(
    head, states, encoder, labelled, draw
):
    model = build_classifier(CONFIG, CLASSES, 0, **HEADS[head])
    outcome = train_head(model, states, labelled.labels, draw, RECIPE, seed=0)
    assert macro_f1(labelled, draw, outcome) > 0.7  # 0.33 by chance
    model.model.load_state_dict(encoder.state_dict())
    expected = classify_light_curves(model, *as_lists(labelled.curves.select(draw.test))).values
    np.testing.assert_allclose(outcome.probabilities, expected, atol=5e-3 if head == "lstm" else 1e-4)


def test_the_head_that_is_kept_has_the_lowest_validation_loss_which_is_the_mean_over_windows(states, labelled, draw):
    model = build_classifier(CONFIG, CLASSES, 0)
    outcome = train_head(model, states, labelled.labels, draw, replace(RECIPE, batch_size=7), seed=0)
    windows = states.windows_of(draw.validation)
    assert len(windows) % 7
    pooled = torch.from_numpy(states.pooled[windows, -1, : CONFIG.hidden_size])
    with torch.inference_mode():
        logits = model.classifier.head(pooled)
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(labelled.labels[states.object_index[windows]]))
    assert loss.item() == pytest.approx(min(entry["eval_loss"] for entry in outcome.history), rel=1e-4)


@pytest.mark.parametrize("first", ["layer-skip", "all blocks, means and deviations"])
@pytest.mark.parametrize("second", HEADS)
def test_a_new_head_has_nothing_of_the_head_that_its_encoder_came_with(first, second):
    config = build_classifier(CONFIG, CLASSES, 0, **HEADS[first], classifier_initializer_range=0.01).config
    new = build_classifier(config, CLASSES, 0, **HEADS[second]).config
    plain = build_classifier(CONFIG, CLASSES, 0, **HEADS[second]).config
    for name in ("use_weighted_layer_sum", "concatenate_layers", "classifier_initializer_range", "classifier_temperature"):
        assert getattr(new, name) == getattr(plain, name)


def test_a_seed_makes_a_training_repeatable(states, labelled, draw):
    def train(seed: int) -> Outcome:
        model = build_classifier(CONFIG, CLASSES, seed, classifier_dropout=0.5)
        return train_head(model, states, labelled.labels, draw, replace(RECIPE, max_epochs=2), seed)

    first, again, other = train(1), train(1), train(2)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    assert first.history == again.history
    assert not np.allclose(first.probabilities, other.probabilities)


def test_class_weights_reach_the_loss_of_a_head_and_of_a_whole_classifier(states, labelled, draw):
    mostly_lpv = [1e-4, 1.0, 1e-4]
    recipe = replace(RECIPE, batch_size=64, max_epochs=8)
    model = build_classifier(CONFIG, CLASSES, 0)
    of_head = train_head(model, states, labelled.labels, draw, recipe, 0, mostly_lpv)
    whole = train_on_windows(build_classifier(CONFIG, CLASSES, 0), labelled, draw, recipe, 0, mostly_lpv)
    for outcome in (of_head, whole):
        assert (outcome.probabilities.argmax(1) == 1).all()
        assert outcome.history[-1]["eval_loss"] < 0.1


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weights", [None, [1.0, 5.0, 2.0]])
def test_the_shortcut_alone_is_the_discriminant_of_scikit_learn(classes, weights, states, labelled, draw):
    some = draw.labelled[labelled.labels[draw.labelled] < classes]
    weights = None if weights is None else weights[:classes]
    model = build_classifier(CONFIG, CLASSES[:classes], 0, **HEADS["beside a discriminant"])
    for parameter in model.classifier.head.parameters():
        nn.init.zeros_(parameter)
    fit_shortcut(model, states, labelled.labels, some, weights)
    windows = states.windows_of(some)
    values, truth = states.pooled[windows, -1, : CONFIG.hidden_size], labelled.labels[states.object_index[windows]]
    priors = np.bincount(truth) * np.array(weights or [1.0] * classes)
    discriminant = linear_discriminant(priors / priors.sum()).fit(values, truth)
    expected = states.mean_over_windows(discriminant.predict_proba(values), windows)
    np.testing.assert_allclose(classify_states(model, states, labelled.labels, np.sort(some))(1.0), expected, atol=1e-4)


def test_a_discriminant_is_fitted_to_all_labels_beside_a_perceptron_that_it_does_not_disturb(states, labelled, draw):
    fields = HEADS["beside a discriminant"]
    both, alone = (build_classifier(CONFIG, CLASSES, 0, **fields | {"classifier_shortcut": on}) for on in (True, False))
    both.classifier.head.load_state_dict(alone.classifier.head.state_dict())
    histories = [train_head(model, states, labelled.labels, draw, RECIPE, 0).history for model in (both, alone)]
    assert histories[0] == histories[1]
    for name, parameter in alone.classifier.head.named_parameters():
        torch.testing.assert_close(both.classifier.head.get_parameter(name), parameter)
    assert all(parameter.requires_grad for parameter in both.classifier.parameters())
    found = both.classifier.shortcut.weight.clone()
    fit_shortcut(both, states, labelled.labels, draw.labelled)
    torch.testing.assert_close(both.classifier.shortcut.weight, found)
    fit_shortcut(both, states, labelled.labels, draw.train)
    assert not torch.allclose(both.classifier.shortcut.weight, found)


def test_a_discriminant_of_one_window_a_class_is_left_out(states, labelled, draw):
    first = [draw.train[labelled.labels[draw.train] == label] for label in range(3)]
    single = np.array([next(star for star in stars if len(states.windows_of(star)) == 1) for stars in first])
    model = build_classifier(CONFIG, CLASSES, 0, **HEADS["beside a discriminant"])
    fit_shortcut(model, states, labelled.labels, np.sort(single))
    assert not model.classifier.shortcut.weight.any()
    assert not model.classifier.shortcut.bias.any()


def test_the_temperature_is_of_validation_stars_that_the_discriminant_was_not_fitted_to(states, labelled, draw):
    shuffled = labelled.labels.copy()  # nothing can be told of them, but of those that it was fitted to
    shuffled[draw.labelled] = np.random.default_rng(0).permutation(shuffled[draw.labelled])
    model = build_classifier(CONFIG, CLASSES, 0, **HEADS["beside a discriminant"])
    train_head(model, states, shuffled, draw, RECIPE, 0)
    classify = classify_states(model, states, shuffled, draw.validation)
    assert model.config.classifier_temperature > 1.2 * fit_temperature(classify, shuffled[draw.validation])


def test_a_head_that_reads_observations_needs_them_and_the_last_block_alone(states, labelled, draw):
    for missing, fields in ((replace(states, observations=None), {}), (states, {"use_weighted_layer_sum": True})):
        model = build_classifier(CONFIG, CLASSES, 0, classifier_head="lstm", **fields)
        with pytest.raises(ValueError, match=r"with_observations=True.*use_weighted_layer_sum"):
            train_head(model, missing, labelled.labels, draw, RECIPE, 0)


# --- Methods on features of objects ---


@pytest.mark.parametrize("learn", [fit_linear_probe, fit_linear_discriminant, fit_nearest_neighbors])
def test_a_probe_tells_classes_apart_by_the_embeddings_of_the_draw_alone(learn, embeddings, labelled, draw):
    assert np.isnan(embeddings).any()
    assert macro_f1(labelled, draw, learn(embeddings, labelled.labels, draw, 0)) > 0.7


@pytest.mark.parametrize("learn", [fit_linear_probe, fit_linear_discriminant, fit_nearest_neighbors])
def test_a_probe_learns_from_two_samples_of_each_class(learn, embeddings, labelled, draw):
    first = np.array([np.flatnonzero(labelled.labels[draw.train] == label)[0] for label in range(3)])
    last = np.array([np.flatnonzero(labelled.labels[draw.validation] == label)[0] for label in range(3)])
    least = Draw(np.sort(draw.train[first]), np.sort(draw.validation[last]), draw.test)
    assert learn(embeddings, labelled.labels, least, 0).probabilities.shape == (60, 3)


def test_an_estimator_that_stops_by_itself_learns_from_all_labelled_samples(embeddings, labelled, draw):
    labels = labelled.labels.copy()
    labels[draw.validation] = 0
    outcome = fit_and_predict(DummyClassifier(strategy="prior"), embeddings, labels, draw)
    np.testing.assert_allclose(outcome.probabilities, np.broadcast_to([28 / 60, 16 / 60, 16 / 60], (60, 3)))
    assert outcome.history == []


# --- Methods on the windows themselves ---


def baseline() -> LightCurveLSTMForSequenceClassification:
    torch.manual_seed(0)
    return LightCurveLSTMForSequenceClassification(AstromerConfig(window_size=20, num_labels=3, classifier_lstm_sizes=[16]))


@pytest.mark.parametrize("build", [baseline, lambda: build_classifier(CONFIG, CLASSES, 0)], ids=["lstm", "encoder"])
def test_a_whole_classifier_learns_from_windows(build, labelled):
    model, draw = build(), draw_few_shot(labelled, 40, fold=0)
    outcome = train_on_windows(model, labelled, draw, replace(RECIPE, max_epochs=25, patience=8), seed=0)
    assert macro_f1(labelled, draw, outcome) > 0.7
    expected = classify_light_curves(model, *as_lists(labelled.curves.select(draw.test))).values
    np.testing.assert_allclose(outcome.probabilities, expected, atol=1e-5)


def test_no_method_sees_the_labels_of_the_test_set(states, embeddings, labelled, draw):
    hidden = replace(labelled, labels=labelled.labels.copy())
    hidden.labels[draw.test] = 0
    recipe = replace(RECIPE, max_epochs=2)

    def outcomes(labelled: LabelledCurves) -> list[np.ndarray]:
        return [
            train_head(build_classifier(CONFIG, CLASSES, 0), states, labelled.labels, draw, recipe, 0).probabilities,
            train_on_windows(build_classifier(CONFIG, CLASSES, 0), labelled, draw, recipe, 0).probabilities,
            fit_linear_probe(embeddings, labelled.labels, draw, 0).probabilities,
            fit_linear_discriminant(embeddings, labelled.labels, draw, 0).probabilities,
            fit_nearest_neighbors(embeddings, labelled.labels, draw, 0).probabilities,
        ]

    for seen, unseen in zip(outcomes(labelled), outcomes(hidden), strict=True):
        np.testing.assert_array_equal(seen, unseen)


def test_an_encoder_that_is_adapted_reconstructs_better(labelled, draw):
    torch.manual_seed(0)
    model = AstromerForMaskedReconstruction(CONFIG)
    collator = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(CONFIG.window_size), windows="sequential", seed=9)
    batch = collator(InMemoryLightCurves(labelled.curves.select(draw.test)).__getitems__(range(len(draw.test))))

    def loss() -> float:
        with torch.inference_mode():
            return model.eval()(**batch).loss.item()

    before = loss()
    recipe = replace(RECIPE, max_epochs=6)
    adapt_encoder(model, labelled.curves.select(draw.train), labelled.curves.select(draw.validation), recipe, seed=0)
    assert loss() < 0.9 * before


def test_a_new_classifier_knows_its_classes_and_keeps_the_encoder_it_was_built_for():
    model = build_classifier(CONFIG, CLASSES, 0, classifier_head="lstm", classifier_dropout=0.3)
    assert model.config.id2label == dict(enumerate(CLASSES))
    assert model.config.label2id == {name: i for i, name in enumerate(CLASSES)}
    assert model.config.num_labels == model.num_labels == 3
    assert model.config.problem_type == "single_label_classification"
    assert (model.config.classifier_head, model.config.classifier_dropout) == ("lstm", 0.3)
    assert CONFIG.classifier_head == "mlp"
    assert all(getattr(model.config, name) == value for name, value in TINY_EXTENDED.items())


def test_a_seed_makes_the_same_head():
    first, again, other = (build_classifier(CONFIG, CLASSES, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.head.layers.1.weight"], other["classifier.head.layers.1.weight"])
