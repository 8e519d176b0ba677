# Copyright 2026 The astromer_hf developers. MIT licence.
"""Masks have the paper's counts, are uniform, repeat from the seed, hide what they should; tables and rows give the same."""

import re
import runpy
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import accelerate
import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import chisquare
from torch.utils.data import DataLoader

from astromer_hf import AstromerFeatureExtractor, RaggedLightCurves
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves, draw_masks

SIZE = 40
Batch = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Light curves of 5 to 64 observations."""
    curves = to_table(simulate_light_curves(60))
    short = {
        name: pa.array([values[: 5 + i] for i, values in enumerate(curves[name].to_pylist())])
        for name in ("mjd", "mag", "magerr")
    }
    return pa.table({"object_id": curves["object_id"].combine_chunks(), **short})


@pytest.fixture(scope="module")
def dataset(table: pa.Table) -> InMemoryLightCurves:
    return InMemoryLightCurves.from_table(table)


def make_collator(**settings) -> DataCollatorForMaskedLightCurves:
    return DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(SIZE), **settings)


def collate(dataset: InMemoryLightCurves, indices=None, **settings) -> Batch:
    return make_collator(**settings)(dataset.__getitems__(range(len(dataset)) if indices is None else indices))


def same(first: Batch, second: Batch) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name].nan_to_num(-1), second[name].nan_to_num(-1)) for name in first
    )


def linear_curves(lengths) -> InMemoryLightCurves:
    """Light curves whose magnitude is a thousandth of the observation's number."""
    ramps = [np.arange(length) for length in lengths]
    return InMemoryLightCurves(RaggedLightCurves.from_arrays(ramps, [ramp / 1000 for ramp in ramps]))


# --- The masks themselves ---


@pytest.mark.parametrize(
    ("probed", "random", "same_"),
    [
        ("0.5", "0.2", "0.2"),
        ("0.29", "0.1", "0.35"),
        ("1", "0.2", "0.2"),
        ("0.5", "0", "0"),
        ("0.5", "1", "0"),
        ("0", "0", "0"),
    ],
)
def test_the_counts_are_exact_for_every_length(probed, random, same_):
    lengths = np.arange(1, 251)
    masks = draw_masks(lengths, 250, np.random.default_rng(0), float(probed), float(random), float(same_))
    randomised = np.bincount(masks.randomised // 250, minlength=250)
    for i, length in enumerate(lengths.tolist()):
        num_probed = floor(length * Fraction(probed))
        num_same = ceil(num_probed * Fraction(same_))
        num_random = ceil((num_probed - num_same) * Fraction(random))
        drawn = (masks.loss_mask[i].sum(), randomised[i], masks.masked_positions[i].sum())
        assert drawn == (num_probed, num_random, num_probed - num_same - num_random)


def test_hidden_observations_are_scored_and_scored_ones_observed():
    lengths = np.arange(1, 251)
    masks = draw_masks(lengths, 260, np.random.default_rng(0))
    assert not (masks.masked_positions & ~masks.loss_mask).any()
    assert not (masks.loss_mask & (np.arange(260) >= lengths[:, None])).any()
    assert masks.loss_mask.flat[masks.randomised].all()
    assert not masks.masked_positions.flat[masks.randomised].any()


@pytest.mark.parametrize(("length", "width", "windows"), [(12, 12, 40_000), (12, 20, 40_000), (12, 5000, 400)])
def test_every_observation_is_as_likely_to_play_each_part(length, width, windows):
    """The third case draws wide keys."""
    masks = draw_masks(np.full(windows, length), width, np.random.default_rng(1))
    position, donor = masks.randomised % width, masks.donors % width
    parts = {
        "probed": masks.loss_mask[:, :length].sum(0),
        "hidden": masks.masked_positions[:, :length].sum(0),
        "randomised": np.bincount(position, minlength=length),
        "distance to the donor": np.bincount((donor - position) % length, minlength=length)[1:],
    }
    for part, counts in parts.items():
        assert counts.sum() >= windows, part
        assert chisquare(counts).pvalue > 1e-3, part


def test_any_two_observations_are_as_likely_to_be_probed_together():
    probed = draw_masks(np.full(100_000, 6), 6, np.random.default_rng(2)).loss_mask.astype(int)
    together = (probed.T @ probed)[np.triu_indices(6, 1)]
    assert chisquare(together).pvalue > 1e-3


def test_randomised_observations_are_shown_with_another_one_of_their_window():
    masks = draw_masks(np.arange(2, 202), 201, np.random.default_rng(0))
    assert len(masks.randomised) > 1000
    assert (masks.randomised != masks.donors).all()
    assert (masks.randomised // 201 == masks.donors // 201).all()
    assert (masks.donors % 201 < np.arange(2, 202)[masks.donors // 201]).all()
    numbers = np.arange(200 * 201).reshape(200, 201)
    shown = masks.shown(numbers)
    assert np.array_equal(np.flatnonzero(shown != numbers), masks.randomised)
    assert np.array_equal(shown.flat[masks.randomised], masks.donors)


# --- Batches ---


def test_a_batch_has_the_tensors_of_the_model_in_its_types(dataset):
    batch = collate(dataset)
    assert {name: tensor.dtype for name, tensor in batch.items()} == {
        "magnitudes": torch.float32,
        "times": torch.float32,
        "attention_mask": torch.int64,
        "magnitude_errors": torch.float32,
        "labels": torch.float32,
        "masked_positions": torch.bool,
        "loss_mask": torch.bool,
    }
    assert {tensor.shape for tensor in batch.values()} == {(len(dataset), SIZE)}
    padding = batch["attention_mask"] == 0
    assert padding.any()
    assert not any(tensor[padding].any() for tensor in batch.values())


def test_only_randomised_observations_are_shown_with_another_magnitude(dataset):
    batch = collate(dataset)
    other = batch["magnitudes"] != batch["labels"]
    assert (batch["loss_mask"] & ~batch["masked_positions"])[other].all()
    assert 0.07 < other.sum() / batch["attention_mask"].sum() < 0.11  # of 0.5, 0.8 * 0.2
    none_randomised = collate(dataset, random_fraction=0)
    assert torch.equal(none_randomised["magnitudes"], none_randomised["labels"])


def test_magnitudes_are_relative_to_the_mean_that_the_encoder_sees(dataset):
    batch = collate(dataset)
    visible = batch["attention_mask"].bool() & ~batch["masked_positions"]
    assert torch.allclose((batch["magnitudes"] * visible).sum(1), torch.zeros(len(dataset)), atol=1e-4)
    true = [dataset.curves.magnitudes[start:stop] for start, stop in zip(*_bounds(dataset), strict=True)]
    for i, magnitudes in enumerate(true[:30]):  # those that fit into one window
        labels = batch["labels"][i, : len(magnitudes)].double().numpy()
        assert np.allclose(np.diff(labels), np.diff(magnitudes), atol=1e-5)


def _bounds(dataset: InMemoryLightCurves) -> tuple[np.ndarray, np.ndarray]:
    return dataset.curves.offsets[:-1], dataset.curves.offsets[1:]


def test_what_the_encoder_gets_does_not_depend_on_hidden_magnitudes(dataset):
    """Not even through the mean that was subtracted. (Without donors, which may be hidden observations.)"""
    settings = {"windows": "first", "random_fraction": 0}
    before = collate(dataset, **settings)
    hidden = before["masked_positions"].clone()
    hidden[:, 0] = False  # the seed of the masks is taken from the first observation
    magnitudes = dataset.curves.magnitudes.copy()
    for i, start in enumerate(_bounds(dataset)[0]):
        magnitudes[start + np.flatnonzero(hidden[i])] += 7
    changed = InMemoryLightCurves(
        RaggedLightCurves(dataset.curves.times, magnitudes, dataset.curves.magnitude_errors, dataset.curves.offsets)
    )
    after = collate(changed, **settings)
    assert torch.equal(before["masked_positions"], after["masked_positions"])
    shown = ~before["masked_positions"]
    assert torch.allclose(before["magnitudes"][shown], after["magnitudes"][shown], atol=2e-6)
    assert torch.allclose((after["labels"] - before["labels"])[hidden], torch.tensor(7.0), atol=1e-5)


@pytest.mark.parametrize("padding", ["longest", "max_length"])
def test_padding_and_window_size_set_the_width(dataset, padding):
    short = collate(dataset, range(5), padding=padding)
    assert short["labels"].shape == (5, 9 if padding == "longest" else SIZE)
    assert collate(dataset, padding=padding, window_size=13)["labels"].shape == (len(dataset), 13)


# --- Windows ---


def numbers_of(batch: Batch) -> list[np.ndarray]:
    """The observations in each window of `linear_curves`, from times that are the numbers less their mean."""
    observed = batch["attention_mask"].bool()
    return [(times[mask] - times[mask][0]).numpy() for times, mask in zip(batch["times"], observed, strict=True)]


def test_random_windows_are_one_a_light_curve_anywhere_in_it():
    """The steps between the squares in a window tell its place."""
    length, size, draws = 12, 5, 4000
    ramp = np.arange(length)
    curves = RaggedLightCurves.from_arrays([ramp] * draws, [ramp**2 / 100] * draws)
    batch = make_collator(window_size=size)(InMemoryLightCurves(curves).__getitems__(range(draws)))
    steps = torch.diff(batch["labels"], dim=1)  # (2k + 1) / 100 from observation k on
    starts = torch.round((100 * steps[:, 0] - 1) / 2).long()
    assert len(starts) == draws
    assert chisquare(torch.bincount(starts)).pvalue > 1e-3
    assert set(starts.tolist()) == set(range(length - size + 1))


def test_sequential_windows_cover_every_observation(dataset):
    lengths = [1, 39, 40, 41, 80, 113]
    batch = collate(linear_curves(lengths), windows="sequential")
    assert len(batch["labels"]) == sum(-(-length // SIZE) for length in lengths)
    assert [len(numbers) for numbers in numbers_of(batch)] == [1, 39] + [40] * 8


# --- Repeating ---


@pytest.mark.parametrize("windows", ["random", "sequential"])
def test_dataloader_workers_do_not_change_a_batch(dataset, windows):
    def load(num_workers: int) -> list[Batch]:
        shuffle = torch.Generator().manual_seed(3)
        loader = DataLoader(
            dataset, 8, shuffle=True, generator=shuffle, collate_fn=make_collator(windows=windows), num_workers=num_workers
        )
        return list(loader)

    alone = load(0)
    assert len(alone) == 8
    for num_workers in (1, 2):
        assert all(map(same, alone, load(num_workers)))


def test_a_resumed_epoch_goes_on_with_the_same_batches(dataset):
    def loader() -> DataLoader:
        return DataLoader(dataset, 8, shuffle=True, generator=torch.Generator().manual_seed(3), collate_fn=make_collator())

    rest = list(accelerate.skip_first_batches(loader(), 3))
    assert len(rest) == 5
    assert all(map(same, list(loader())[3:], rest))


def test_every_evaluation_has_the_same_masks_and_another_seed_others(dataset):
    first, second, other = (collate(dataset, windows="sequential", seed=seed) for seed in (0, 0, 1))
    assert same(first, second)
    assert torch.equal(first["times"], other["times"])
    long = first["loss_mask"].sum(1) > 10
    assert (first["loss_mask"] != other["loss_mask"]).any(1)[long].all()


@pytest.mark.parametrize("batch_size", [8, 1000])
def test_every_epoch_of_a_shuffled_training_set_has_new_masks(dataset, batch_size):
    """A batch of 1000 holds the whole training set, in another order each epoch."""
    loader = DataLoader(dataset, batch_size, shuffle=True, collate_fn=make_collator(windows="first", padding="max_length"))
    epochs = []
    for _ in range(2):
        batches = list(loader)
        times, masks = (torch.cat([batch[name] for batch in batches]) for name in ("times", "loss_mask"))
        epochs.append(masks[times[:, 0].argsort()])
    long = epochs[0].sum(1) > 10
    assert long.sum() > 20
    assert (epochs[0] != epochs[1]).any(1)[long].all()


# --- Ways in ---


@pytest.mark.parametrize("form", [{}, {"type": "numpy", "dtype": np.float64}, {"type": "torch", "dtype": torch.float64}])
def test_rows_of_a_dataset_give_the_same_batch_as_light_curves_in_memory(table, dataset, form):
    rows = datasets.Dataset(table).with_format(**form)
    indices = [7, 3, 58, 20]
    assert same(make_collator()(rows.__getitems__(indices)), collate(dataset, indices))


@pytest.mark.parametrize("form", ["numpy", "torch"])
def test_times_that_datasets_rounded_to_float32_are_refused(table, form):
    with pytest.raises(ValueError, match=r"5\.6 minutes.*with_format\(None\)"):
        make_collator()(datasets.Dataset(table).with_format(form).__getitems__([0, 1]))


def _with_nulls(table: pa.Table) -> pa.Table:
    """An observation without a magnitude, which is dropped, before each light curve's first."""
    rows = table.to_pylist()
    return pa.table(
        {name: [[None if name == "mag" else 50000.0, *row[name]] for row in rows] for name in ("mjd", "mag", "magerr")}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda table: pa.concat_tables([table.slice(0, 13), table.slice(13)]),
        lambda table: pa.concat_tables([table.slice(50), table]).slice(10),
        lambda table: table.cast(
            pa.schema([("object_id", pa.string()), *((name, pa.large_list(pa.float64())) for name in ("mjd", "mag", "magerr"))])
        ),
        _with_nulls,
        datasets.Dataset,
        lambda table: datasets.Dataset(table).select(range(59, -1, -1)).select(range(59, -1, -1)),
        lambda table: datasets.Dataset(table).with_format("torch"),
    ],
    ids=["chunks", "slice", "large lists", "nulls", "dataset", "indices", "formatted dataset"],
)
def test_every_form_of_a_table_gives_the_same_light_curves(table, dataset, change):
    assert same(collate(InMemoryLightCurves.from_table(change(table))), collate(dataset))


def test_a_table_of_one_chunk_is_not_copied():
    table = to_table(simulate_light_curves(20)).combine_chunks()
    times = InMemoryLightCurves.from_table(table).curves.times
    assert np.shares_memory(times, table["mjd"].chunk(0).values.to_numpy())


def test_errors_are_optional_and_may_be_unknown_for_some_rows(table, dataset):
    rows = table.select(["mjd", "mag"]).slice(0, 3).to_pylist()
    assert "magnitude_errors" not in make_collator()(rows)
    assert "magnitude_errors" not in make_collator()([{**row, "magerr": None} for row in rows])
    batch = make_collator(windows="first")([{**row, "magerr": None} for row in rows[:2]] + table.slice(2, 1).to_pylist())
    assert batch["magnitude_errors"][:2, :5].isnan().all()
    assert np.allclose(batch["magnitude_errors"][2, :7], table["magerr"][2].as_py())
    assert "magnitude_errors" not in collate(InMemoryLightCurves.from_table(table.drop_columns("magerr")))


# --- Refusals ---


@pytest.mark.parametrize("name", ["probed_fraction", "random_fraction", "same_fraction"])
@pytest.mark.parametrize("fraction", [-0.1, 1.5, float("nan")])
def test_a_fraction_outside_0_and_1_is_refused(name, fraction):
    with pytest.raises(ValueError, match=rf"`{name}` must lie in \[0, 1\], got {fraction}"):
        make_collator(**{name: fraction})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"magnitudes": [1.0]}], r"\['mjd', 'mag'\] is missing; there are \['magnitudes'\].*remove_unused_columns=False"),
        ([{"mjd": [1.0, 2.0], "mag": [1.0]}], "Light curve 0 has 2 values in `mjd` and 1 in `mag`"),
        ([{"mjd": [1.0], "mag": [1.0]}, {"mjd": [2.0], "mag": [float("nan")]}], "1 light curves of this batch have no usable"),
    ],
)
def test_rows_that_are_no_light_curves_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        make_collator()(rows)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": [[1.0]], "mag": [[1.0]]}, r"list columns `mjd` and `mag`; there are \['time', 'mag'\]"),
        ({"mjd": [[1.0], [1.0, 2.0]], "mag": [[1.0], [3.0]]}, "Row 1 has 2 values in `mjd` and 1 in `mag`"),
        (
            {"mjd": [[1.0]], "mag": [[1.0]], "magerr": pa.array([None], pa.list_(pa.float64()))},
            "Row 0 has 1 values in `mjd` and 0 in `magerr`",
        ),
        ({"mjd": [[1.0], [2.0]], "mag": [[1.0], [99.999]]}, "1 of 2 light curves have no usable observation"),
    ],
)
def test_tables_that_are_no_light_curves_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        InMemoryLightCurves.from_table(pa.table(columns))


# --- Real light curves, speed ---


def test_real_light_curves_are_masked_by_the_same_counts(shared_data):
    columns = pq.read_table(shared_data / "macho_with_err.parquet").rename_columns({"time": "mjd", "err": "magerr"})
    batch = collate(InMemoryLightCurves.from_table(columns), windows="sequential")
    lengths = batch["attention_mask"].sum(1)
    assert len(lengths) > 500
    assert torch.equal(batch["loss_mask"].sum(1), lengths // 2)
    assert torch.isfinite(batch["magnitudes"]).all()


def test_the_benchmark_prints_windows_a_second(capsys):
    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "benchmark_collator.py"))
    script["main"](script["parse_args"](["--objects", "20", "--batch-sizes", "8", "--seconds", "0.1"]))
    assert re.search(r"batch +8: +[\d,]+ windows of 200 a second", capsys.readouterr().out)


def test_rows_are_padded_to_full_windows_where_the_batches_of_several_processes_are_joined(monkeypatch: pytest.MonkeyPatch):
    collator = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(20))
    short = [{"mjd": [1.0, 2.0, 4.0], "mag": [15.0, 15.5, 15.2], "magerr": None}]
    curves = InMemoryLightCurves(RaggedLightCurves.from_arrays([1.0, 2.0, 4.0], [15.0, 15.5, 15.2]))
    assert collator(short)["times"].shape == (1, 3)
    assert "magnitude_errors" not in collator(short)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert collator(short)["times"].shape == (1, 20)
    assert collator(short)["magnitude_errors"][0, :3].isnan().all()
    assert collator(curves[0])["times"].shape == (1, 3)  # each process has its own batches of these
    collator.padding = "longest"
    assert collator(short)["times"].shape == (1, 3)
