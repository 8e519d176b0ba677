# Copyright 2026 The astromer_hf developers. MIT licence.
"""Light curves become centred, padded windows, no observation is lost or mixed up, and what cannot be one is refused."""

import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from conftest import TINY
from transformers import AutoFeatureExtractor, BatchFeature, DataCollatorWithPadding

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForSequenceClassification,
    AstromerModel,
    LightCurveWindows,
    RaggedLightCurves,
)
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.model.feature_extraction_astromer import WINDOW_KINDS, center_window, cut_windows

NAN = float("nan")
Columns = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


def curves_of(lengths: Sequence[int], seed: int = 0) -> Columns:
    """Times, magnitudes and errors of curves of these lengths, at the times and magnitudes of a survey."""
    rng = np.random.default_rng(seed)
    times = [58000 + np.sort(rng.uniform(0, 2000, length)) for length in lengths]
    return times, [rng.normal(18, 1, length) for length in lengths], [rng.uniform(0.01, 0.2, length) for length in lengths]


def one_window(**options: Any) -> LightCurveWindows:
    times, magnitudes, errors = curves_of([50])
    return AstromerFeatureExtractor()(times, magnitudes, errors, **options)


# --- Cutting ---


def windows_by_hand(length: int, size: int, kind: str) -> list[tuple[int, int]]:
    """(start, length) of the windows of one curve."""
    if length <= size:
        return [(0, length)] if length else []
    if kind == "sequential":
        starts = list(range(0, length - size, size))
        return [(start, size) for start in (*starts, length - size)]
    return [(0 if kind == "first" else length - size, size)]


@pytest.mark.parametrize("kind", ["sequential", "first", "last"])
def test_windows_are_cut_where_their_name_says(kind: str):
    lengths = np.array([1, 199, 200, 201, 0, 400, 450, 1000])
    object_index, start, length = cut_windows(lengths, 200, kind)
    expected = [(i, *window) for i, n in enumerate(lengths) for window in windows_by_hand(n, 200, kind)]
    assert list(zip(object_index, start, length, strict=True)) == expected


def test_random_windows_lie_anywhere_in_their_curve_one_for_each():
    lengths = np.repeat([5, 10, 13], 3000)
    object_index, start, length = cut_windows(lengths, 10, "random", np.random.default_rng(0))
    np.testing.assert_array_equal(object_index, np.arange(9000))
    np.testing.assert_array_equal(length, np.minimum(lengths, 10))
    assert not start[lengths <= 10].any()
    places = np.bincount(start[lengths == 13])
    assert len(places) == 4
    assert (np.abs(places - 750) < 100).all()


def test_random_windows_repeat_from_their_generator():
    times, magnitudes, _ = curves_of([300] * 20)

    def starts(seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return AstromerFeatureExtractor()(times, magnitudes, windows="random", generator=generator).window_start

    np.testing.assert_array_equal(starts(1), starts(1))
    assert (starts(1) != starts(2)).any()


@pytest.mark.parametrize(
    ("size", "kind", "message"), [(0, "first", "`window_size`.*got 0"), (5, "middle", "one of sequential")]
)
def test_impossible_windows_are_refused(size: int, kind: str, message: str):
    with pytest.raises(ValueError, match=message):
        cut_windows(np.array([7]), size, kind)


# --- Windows hold what the curves held ---


@pytest.mark.parametrize("kind", WINDOW_KINDS)
@pytest.mark.parametrize("padding", ["longest", "max_length"])
def test_a_window_holds_the_observations_that_its_bookkeeping_names(kind: str, padding: str):
    times, magnitudes, errors = curves_of([3, 45, 20, 1, 20])
    windows = AstromerFeatureExtractor(window_size=20)(times, magnitudes, errors, windows=kind, padding=padding)
    assert windows["magnitudes"].shape == (7 if kind == "sequential" else 5, 20)
    assert {name: values.dtype.name for name, values in windows.items()} == {
        "magnitudes": "float32",
        "times": "float32",
        "attention_mask": "int64",
        "magnitude_errors": "float32",
    }
    for row in range(len(windows["times"])):
        i, start, length = (getattr(windows, name)[row] for name in ("object_index", "window_start", "window_length"))
        observed = slice(start, start + length)
        for name, column, mean in (("times", times, "time_means"), ("magnitudes", magnitudes, "magnitude_means")):
            part = column[i][observed]
            np.testing.assert_allclose(windows[name][row, :length], part - part.mean(), atol=1e-4)
            assert getattr(windows, mean)[row] == pytest.approx(part.mean(), abs=1e-9)
        np.testing.assert_array_equal(windows["magnitude_errors"][row, :length], errors[i][observed].astype(np.float32))
        np.testing.assert_array_equal(windows["attention_mask"][row], np.arange(20) < length)
        assert not any(windows[name][row, length:].any() for name in windows)


@pytest.mark.parametrize("tensors", [None, "np", "pt"])
def test_per_observation_and_restore_magnitudes_undo_cutting_and_centring(tensors: str | None):
    times, magnitudes, _ = curves_of([3, 45, 20, 1, 41])
    extractor = AstromerFeatureExtractor(window_size=20)
    windows = extractor(times, magnitudes, return_tensors=tensors)
    assert isinstance(windows["magnitudes"], torch.Tensor if tensors == "pt" else np.ndarray)
    restored = windows.per_observation(extractor.restore_magnitudes(windows["magnitudes"], windows))
    assert len(restored) == len(magnitudes)
    for found, expected in zip(restored, magnitudes, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_per_observation_takes_tensors_with_further_axes_and_the_later_window_of_two():
    times, magnitudes, _ = curves_of([25, 7])
    windows = AstromerFeatureExtractor(window_size=20)(times, magnitudes)
    values = torch.arange(3.0)[:, None, None].expand(3, 20, 4).to(torch.bfloat16).requires_grad_()
    first, second = windows.per_observation(values)
    np.testing.assert_array_equal(first, np.repeat([0.0, 1.0], [5, 20])[:, None] * np.ones(4))
    np.testing.assert_array_equal(second, np.full((7, 4), 2.0))


def test_observations_that_no_window_holds_are_nan():
    times, magnitudes, _ = curves_of([25])
    windows = AstromerFeatureExtractor(window_size=20)(times, magnitudes, windows="last")
    (values,) = windows.per_observation(np.ones((1, 20)))
    np.testing.assert_array_equal(np.isnan(values), np.arange(25) < 5)


def test_windows_keep_their_bookkeeping_when_pickled_and_moved():
    windows = pickle.loads(pickle.dumps(one_window(return_tensors="pt"))).to("cpu")
    assert windows.window_length.tolist() == windows.num_points.tolist() == [50]
    assert windows["times"].shape == (1, 50)


def test_gaps_of_seconds_survive_at_a_modern_mjd():
    mjd = 58000 + np.array([0.0, 1e-4, 2e-4, 1.0])
    centred = AstromerFeatureExtractor()(mjd, np.zeros(4))["times"][0]
    np.testing.assert_allclose(np.diff(centred), np.diff(mjd), atol=1e-7)
    assert np.diff(mjd.astype(np.float32))[0] == 0  # what centring in float32 would leave


def test_centring_a_shifted_window_changes_its_mean_alone():
    values = np.round(np.random.default_rng(0).normal(size=(3, 200)) * 1024) / 1024  # exact in float64 after the shift too
    valid = np.arange(200) < np.array([200, 123, 1])[:, None]
    shift = 2.0**40
    centred, means = center_window(np.where(valid, values, 99.0), valid)
    shifted, shifted_means = center_window(np.where(valid, values + shift, 77.0), valid)
    np.testing.assert_array_equal(shifted, centred)
    np.testing.assert_allclose(shifted_means - shift, means, rtol=0, atol=1e-3)
    np.testing.assert_allclose(centred.sum(1), 0, atol=1e-4)
    assert not centred[~valid].any()


def test_ragged_curves_in_one_call_are_as_one_by_one_and_much_faster():
    lengths = np.random.default_rng(1).integers(1, 500, 5000)
    columns = curves_of(lengths)
    extractor = AstromerFeatureExtractor()

    started = time.process_time()
    together = extractor(*columns, padding="max_length")
    seconds_together = time.process_time() - started
    started = time.process_time()
    alone = [extractor(*curve, padding="max_length") for curve in zip(*columns, strict=True)]
    seconds_alone = time.process_time() - started

    for name in together:
        np.testing.assert_array_equal(together[name], np.concatenate([windows[name] for windows in alone]))
    np.testing.assert_array_equal(together.object_index, np.repeat(np.arange(5000), [len(w["times"]) for w in alone]))
    np.testing.assert_array_equal(together.num_points, lengths)
    assert seconds_together < seconds_alone / 2


# --- Cleaning ---


def test_unusable_observations_are_dropped_and_counted():
    mjd = [[1.0, NAN, 3.0, 4.0, np.inf, 6.0, 7.0, 8.0], [1.0, 2.0]]
    mag = [[18.0, 18.1, NAN, 99.999, 18.4, -np.inf, -99.0, 18.7], [17.0, 17.5]]
    windows = AstromerFeatureExtractor()(mjd, mag)
    assert windows.dropped_points.tolist() == [6, 0]
    assert windows.num_points.tolist() == [2, 2]
    np.testing.assert_allclose(windows["times"][:, :2], [[-3.5, 3.5], [-0.5, 0.5]])
    np.testing.assert_allclose(windows["magnitudes"][:, :2], [[-0.35, 0.35], [-0.25, 0.25]], atol=1e-6)


def test_observations_are_sorted_by_time_with_their_magnitudes_and_errors():
    times, magnitudes, errors = curves_of([40, 30])
    shuffled = [np.random.default_rng(2).permutation(len(curve)) for curve in times]
    mixed = [[curve[order] for curve, order in zip(column, shuffled, strict=True)] for column in (times, magnitudes, errors)]
    sorted_windows, windows = (AstromerFeatureExtractor()(*columns) for columns in ((times, magnitudes, errors), mixed))
    for name in sorted_windows:
        np.testing.assert_allclose(windows[name], sorted_windows[name], rtol=0, atol=1e-6)


def test_repeated_times_stay_in_their_order():
    windows = AstromerFeatureExtractor()([5.0, 2.0, 5.0, 2.0], [1.0, 2.0, 3.0, 4.0])
    assert windows.num_points.tolist() == [4]
    np.testing.assert_allclose(windows["magnitudes"][0], np.array([2.0, 4.0, 1.0, 3.0]) - 2.5)


@pytest.mark.parametrize("mag", [[18.0], [18.0] * 7])
def test_a_single_point_and_a_constant_curve_are_centred_on_zero(mag: list[float]):
    windows = AstromerFeatureExtractor()(58000.5 + np.arange(len(mag)), mag)
    assert not windows["magnitudes"].any()
    assert windows.magnitude_means.tolist() == [18.0]
    assert windows["times"].sum() == 0


@pytest.mark.parametrize("errors", [[0.1, 0.0, -1.0, NAN, np.inf, None], np.ma.array([0.1] * 6, mask=[0] + [1] * 5)])
def test_unknown_errors_become_nan_and_drop_nothing(errors: Any):
    windows = AstromerFeatureExtractor()(np.arange(6), np.arange(6), errors)
    np.testing.assert_array_equal(windows["magnitude_errors"], np.float32([[0.1] + [NAN] * 5]))
    assert windows.num_points.tolist() == [6]


def test_curves_without_errors_may_stand_beside_curves_with_them():
    times, magnitudes, errors = curves_of([4, 6, 3])
    windows = AstromerFeatureExtractor()(times, magnitudes, [None, errors[1], None])
    assert np.isfinite(windows["magnitude_errors"]).sum(1).tolist() == [2, 6, 3]  # padding counts: it is 0
    np.testing.assert_array_equal(windows["magnitude_errors"][1], errors[1].astype(np.float32))
    assert "magnitude_errors" not in AstromerFeatureExtractor()(times, magnitudes)


def test_cleaning_keeps_clean_curves_as_they_are():
    curves = RaggedLightCurves.from_arrays(*curves_of([5, 0, 8]))
    clean, dropped = curves.clean()
    assert not dropped.any()
    for name in ("times", "magnitudes", "magnitude_errors", "offsets"):
        np.testing.assert_array_equal(getattr(clean, name), getattr(curves, name))


# --- Forms of input ---

ROWS = [[1.0, 2.0, 4.0], [5.0, 7.0]]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        tuple(np.array(row) for row in ROWS),
        [np.array(row, dtype=">f4") for row in ROWS],
        [torch.tensor(row) for row in ROWS],
        [pd.Series(row, index=range(7, 7 + len(row))) for row in ROWS],
        pd.Series(ROWS, index=[3, 9]),
        pd.Series([np.array(row) for row in ROWS], index=[3, 9]),
        pa.array(ROWS),
        pa.chunked_array([pa.array(ROWS)]),
        list(pa.array(ROWS)),
        [[1, 2, 4], [5, 7]],
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_several_curves_come_in_any_form(rows: Any):
    curves = RaggedLightCurves.from_arrays(rows, rows, rows)
    assert curves.offsets.tolist() == [0, 3, 5]
    for name in ("times", "magnitudes", "magnitude_errors"):
        assert getattr(curves, name).tolist() == [1.0, 2.0, 4.0, 5.0, 7.0]
        assert getattr(curves, name).dtype == np.dtype("=f8")


@pytest.mark.parametrize(
    "row",
    [
        [None, 2.0, 4.0],
        np.array([NAN, 2.0, 4.0]),
        np.ma.array([1, 2, 4], mask=[1, 0, 0]),
        torch.tensor([NAN, 2.0, 4.0]),
        pd.Series([None, 2.0, 4.0], index=[8, 9, 10]),
        pd.Series([None, 2.0, 4.0], dtype="Float64"),
        pa.array([None, 2.0, 4.0]),
        np.array([None, 2.0, 4.0], dtype=object),
    ],
    ids=lambda row: type(row).__name__,
)
def test_one_curve_comes_in_any_form_and_its_missing_values_are_nan(row: Any):
    curves = RaggedLightCurves.from_arrays(row, row)
    np.testing.assert_array_equal(curves.magnitudes, [NAN, 2.0, 4.0])
    assert curves.offsets.tolist() == [0, 3]


def test_a_matrix_is_a_curve_a_row():
    assert RaggedLightCurves.from_arrays(np.ones((3, 4)), torch.ones(3, 4)).lengths.tolist() == [4, 4, 4]


def test_curves_are_selected_and_joined_by_number():
    times, magnitudes, errors = curves_of([3, 0, 5])
    curves = RaggedLightCurves.from_arrays(times, magnitudes, errors)
    picked = curves.select(np.array([2, 1, 0, 2]))
    assert picked.lengths.tolist() == [5, 0, 3, 5]
    np.testing.assert_array_equal(picked.magnitudes, np.concatenate([magnitudes[i] for i in (2, 0, 2)]))
    assert curves.object_index.tolist() == [0] * 3 + [2] * 5
    joined = RaggedLightCurves.concatenate([curves, RaggedLightCurves.from_arrays(times[0], magnitudes[0])])
    assert joined.lengths.tolist() == [3, 0, 5, 3]
    np.testing.assert_array_equal(joined.magnitude_errors, np.concatenate([*errors, [NAN] * 3]))


# --- Bad input ---


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1.0, 2.0], [18.0]), "Light curve 0 has 2 values in `mjd` and 1 in `mag`"),
        (([[1.0], [1.0, 2.0]], [[18.0], [18.0]]), "Light curve 1 has 2 values in `mjd` and 1 in `mag`"),
        (([1.0, 2.0], [18.0, 18.1], [0.1]), "2 values in `mjd` and 1 in `magerr`"),
        (([[1.0], [2.0]], [[18.0]]), "`mjd` holds 2 light curves and `mag` 1"),
        ((["a", "b"], [18.0, 18.1]), "`mjd` of light curve 0 must be numbers.*'a'"),
        (("mjd", "mag"), "`mjd` must be one light curve.*got 0-d str"),
        (({"mjd": [1.0]}, [18.0]), "`mjd` must be one light curve.*got 0-d dict"),
        ((1.0, 18.0), "`mjd` must be one light curve.*got 0-d float"),
        (([1.0, 2.0], [18.0, 18.1], 0.1), "`magerr` must be one light curve.*got 0-d float"),
        ((np.zeros((2, 2, 2)), np.zeros((2, 2, 2))), "`mjd` must be one light curve.*got 3-d ndarray"),
        (([[1.0, 2.0], 3.0], [[18.0, 18.1], 18.2]), "`mjd` of light curve 1 must be 1-d"),
        (([[1.0], None], [[18.0], [18.1]]), "`mjd` of light curve 1 must be 1-d"),
        (([], []), "1 of 1 light curves have no finite observation"),
        (([[1.0], [2.0]], [[18.0], [NAN]]), "1 of 2 light curves have no finite observation, the first is number 1"),
        ((1.5e9 + np.arange(3), [18.0] * 3), "Times must be days.*1.5e\\+09.*divide them by 86400"),
        (([[1.0], [0.0, 3e7]], [[18.0], [18.0, 18.1]]), "light curve 1 runs from 0 to 3e\\+07"),
    ],
)
def test_what_is_no_light_curve_is_refused_with_what_was_expected_and_what_came(columns: tuple[Any, ...], message: str):
    with pytest.raises(ValueError, match=message):
        AstromerFeatureExtractor()(*columns)


@pytest.mark.parametrize("zero_point", [0.0, 2400000.5, -20000.0])
def test_any_zero_point_of_the_times_is_accepted(zero_point: float):
    windows = AstromerFeatureExtractor()(zero_point + 58000.0 + np.arange(3), [18.0] * 3)
    assert windows["times"].tolist() == [[-1.0, 0.0, 1.0]]


# --- Transformers' contracts ---


def test_a_saved_extractor_keeps_its_window_size(tmp_path: Path):
    AstromerFeatureExtractor(window_size=33).save_pretrained(tmp_path)
    assert AstromerFeatureExtractor.from_pretrained(tmp_path).window_size == 33
    AstromerConfig(**TINY).save_pretrained(tmp_path)
    loaded = AutoFeatureExtractor.from_pretrained(tmp_path)
    assert type(loaded) is AstromerFeatureExtractor
    assert loaded.window_size == 33


def test_a_window_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`window_size` must be at least 1, got 0"):
        AstromerFeatureExtractor(window_size=0)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Windows of 4 and 9 observations, as a dataset would hold them."""
    times, magnitudes, _ = curves_of([4, 9])
    windows = [AstromerFeatureExtractor()(*curve) for curve in zip(times, magnitudes, strict=True)]
    return [{name: window[name][0].tolist() for name in ("magnitudes", "times")} for window in windows]


@pytest.mark.parametrize(
    ("labels", "num_labels", "dtype"),
    [([0, 2], 3, torch.int64), ([0.5, -1.0], 1, torch.float32), ([[1.0, 0, 1], [0, 0, 1.0]], 3, torch.float32)],
)
def test_the_default_collator_of_trainer_pads_windows_for_a_classifier(
    rows: list[dict[str, Any]], labels: list[Any], num_labels: int, dtype: torch.dtype
):
    collator = DataCollatorWithPadding(AstromerFeatureExtractor())
    batch = collator([{**row, "label": label} for row, label in zip(rows, labels, strict=True)])
    assert {name: tuple(batch[name].shape) for name in ("magnitudes", "times", "attention_mask")} == {
        "magnitudes": (2, 9),
        "times": (2, 9),
        "attention_mask": (2, 9),
    }
    assert batch["attention_mask"].sum(1).tolist() == [4, 9]
    assert batch["magnitudes"].dtype == batch["times"].dtype == torch.float32
    torch.testing.assert_close(batch["times"][0], torch.tensor(rows[0]["times"] + [0.0] * 5))
    assert batch["labels"].dtype == dtype
    assert batch["labels"].tolist() == labels
    model = AstromerForSequenceClassification(AstromerConfig(**TINY, num_labels=num_labels))
    model(**batch).loss.backward()


def test_windows_are_padded_to_a_length_or_a_multiple(rows: list[dict[str, Any]]):
    extractor = AstromerFeatureExtractor()
    assert extractor.pad(rows, padding="max_length", max_length=12)["times"].shape == (2, 12)
    assert extractor.pad(rows, pad_to_multiple_of=8)["times"].shape == (2, 16)
    given = [{**row, "attention_mask": [0] * len(row["times"])} for row in rows]
    assert not extractor.pad(given)["attention_mask"].any()


def test_padding_keeps_the_contract_of_its_base_class(rows: list[dict[str, Any]]):
    extractor = AstromerFeatureExtractor(padding_value=-9.0)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    tensors = {name: [torch.tensor(row[name], requires_grad=True) for row in rows] for name in rows[0]}
    expected = extractor.pad(rows)
    for form in (columns, BatchFeature(columns), tuple(BatchFeature(row) for row in rows), tensors):
        found = extractor.pad(form, return_tensors="np")
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
    assert extractor.pad(tensors)["times"].dtype == torch.float32
    assert columns["times"] == [row["times"] for row in rows]  # the input stays as it is
    assert (expected["magnitudes"][0, 4:] == -9).all()
    assert (expected["times"][0, 4:] == -9).all()
    assert expected["attention_mask"].tolist() == [[1] * 4 + [0] * 5, [1] * 9]

    ragged = extractor.pad(rows, padding=False)
    assert [len(window) for window in ragged["times"]] == [len(mask) for mask in ragged["attention_mask"]] == [4, 9]
    cut = extractor.pad(rows, padding="max_length", max_length=5, truncation=True)
    assert cut["times"].shape == cut["attention_mask"].shape == (2, 5)
    assert cut["times"][1].tolist() == pytest.approx(rows[1]["times"][:5])
    wider = extractor.pad(rows, padding="max_length", max_length=5, truncation=True, pad_to_multiple_of=4)
    assert wider["times"].shape == (2, 8)
    assert "attention_mask" not in extractor.pad(
        [{**row, "attention_mask": [1] * len(row["times"])} for row in rows], return_attention_mask=False
    )
    longer = extractor.pad(rows, padding="max_length", max_length=5)
    assert [len(window) for window in longer["times"]] == [5, 9]
    extractor.padding_side = "left"
    assert extractor.pad(rows)["attention_mask"].tolist() == [[0] * 5 + [1] * 4, [1] * 9]
    with pytest.raises(ValueError, match="`padding_side` is 'left'"):
        extractor([1.0, 2.0], [3.0, 4.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "max_length"}, "max_length"),
        ({"padding": "max_length", "max_length": 0}, "`max_length` must be at least 1, got 0"),
        ({"truncation": True}, "`truncation=True` needs `max_length`"),
        ({"padding": False, "pad_to_multiple_of": 8}, "`pad_to_multiple_of` needs padding"),
        ({"pad_to_multiple_of": 0}, "`pad_to_multiple_of` must be at least 1, got 0"),
        ({"padding": False, "return_tensors": "pt"}, "Windows of 4 to 9 observations are no tensor"),
        ({"padding": "max_length", "max_length": 5, "return_tensors": "pt"}, "longer than `max_length` \\(5\\)"),
    ],
)
def test_options_of_padding_that_cannot_be_followed_are_refused(
    rows: list[dict[str, Any]], options: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        AstromerFeatureExtractor().pad(rows, **options)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"magnitudes": []}, "at least one window"),
        ({"magnitudes": [1.0, 2.0]}, "each 1-d"),
        ({"times": [[1.0]]}, r"need `magnitudes`, got \['times'\]"),
        ({"magnitudes": [[1.0]], "times": [[1.0], [2.0]]}, "There are 1 windows, and `times` has 2 entries"),
        ({"magnitudes": [[1.0, 2.0]], "times": [[1.0]]}, "`magnitudes` and `times` must have one value"),
        ([{"magnitudes": [1.0]}, {"times": [1.0]}], "need the same entries"),
    ],
)
def test_what_is_no_batch_of_windows_is_not_padded(batch: Any, message: str):
    with pytest.raises(ValueError, match=message):
        AstromerFeatureExtractor().pad(batch)


def test_labels_of_classes_are_not_padded_and_those_of_observations_are(rows: list[dict[str, Any]]):
    extractor = AstromerFeatureExtractor()
    batch = extractor.pad([{**row, "labels": [0.0, 1.0, 1.0, 0.0]} for row in rows])  # as many as the first has observations
    assert batch["labels"].tolist() == [[0, 1, 1, 0]] * 2
    batch = extractor.pad([{**row, "labels": row["magnitudes"]} for row in rows])
    np.testing.assert_array_equal(batch["labels"], batch["magnitudes"])


@pytest.mark.parametrize(
    ("fields", "name"), [({"feature_size": 2}, "feature_size"), ({"return_attention_mask": False}, "mask")]
)
def test_fields_of_the_base_class_that_light_curves_cannot_have_are_refused(fields: dict[str, Any], name: str):
    with pytest.raises(ValueError, match=name):
        AstromerFeatureExtractor(**fields)


def test_the_padding_value_stands_in_padding_and_changes_no_embedding():
    times, magnitudes, errors = curves_of([4, 9])
    model = AstromerModel(AstromerConfig(**TINY)).eval()
    plain, other = (
        AstromerFeatureExtractor(padding_value=value)(times, magnitudes, errors, return_tensors="pt") for value in (0.0, 7.0)
    )
    for name in ("magnitudes", "times", "magnitude_errors"):
        assert (other[name][0, 4:] == 7).all()
    torch.testing.assert_close(model(**other).pooler_output, model(**plain).pooler_output, rtol=0, atol=0)


def test_simulated_curves_of_a_survey_fill_whole_windows():
    curves = simulate_light_curves(10)
    windows = AstromerFeatureExtractor()([curve.mjd for curve in curves], [curve.mag for curve in curves])
    assert (windows.window_length == 200).all()
    assert windows.num_points.tolist() == [len(curve.mjd) for curve in curves]
    assert np.bincount(windows.object_index).tolist() == [-(-len(curve.mjd) // 200) for curve in curves]
