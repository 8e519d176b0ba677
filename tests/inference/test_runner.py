# Copyright 2026 The astromer_hf developers. MIT licence.
"""Batches of like length, and one core a batch."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerModel
from astromer_hf.inference.runner import MAX_SHORT_WINDOWS, WindowRunner, map_on_cores
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def light_curves(lengths: list[int]) -> RaggedLightCurves:
    generator = np.random.default_rng(0)
    total = sum(lengths)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    times = np.concatenate([np.sort(generator.uniform(0, 500, length)) for length in lengths])
    return RaggedLightCurves(times, generator.normal(15, 1, total), None, offsets)


@pytest.mark.usefixtures("three_threads")
def test_results_come_in_order_whichever_thread_is_first() -> None:
    def work(item: int) -> tuple[int, int, str]:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item, torch.get_num_threads(), threading.current_thread().name

    results = list(map_on_cores(work, range(20)))
    assert [item for item, _, _ in results] == list(range(20))
    assert {threads for _, threads, _ in results} == {1}
    assert len({name for _, _, name in results}) > 1


@pytest.mark.usefixtures("three_threads")
def test_torch_has_its_threads_back_after_success_failure_and_a_caller_that_stops() -> None:
    def fail(item: int) -> int:
        raise ArithmeticError(f"item {item}")

    assert sum(map_on_cores(abs, range(5))) == 10
    assert torch.get_num_threads() == 3
    with pytest.raises(ArithmeticError, match="item 0"):
        list(map_on_cores(fail, range(5)))
    assert torch.get_num_threads() == 3
    results = map_on_cores(abs, range(1000))
    next(results)
    results.close()
    assert torch.get_num_threads() == 3
    seen_by_new_thread: list[int] = []
    thread = threading.Thread(target=lambda: seen_by_new_thread.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen_by_new_thread == [3]


@pytest.mark.usefixtures("three_threads")
def test_no_more_is_under_way_than_two_items_a_thread() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    for done, _ in enumerate(map_on_cores(abs, items()), start=1):
        assert len(taken) <= done + 2 * 3


@pytest.mark.parametrize(("window_size", "batch_size"), [(200, 8), (400, 4), (5000, 1)])
def test_a_batch_of_a_cpu_has_as_many_observations_whatever_the_window(window_size: int, batch_size: int) -> None:
    model = AstromerModel(AstromerConfig(**{**TINY, "window_size": window_size}))
    assert WindowRunner(model).batch_size == batch_size
    assert WindowRunner(model.to("meta")).batch_size == 256


def test_a_batch_holds_no_more_observations_than_its_full_windows_would(tiny_config: AstromerConfig) -> None:
    size = tiny_config.window_size
    runner = WindowRunner(AstromerModel(tiny_config), batch_size=4)
    length = np.random.default_rng(0).integers(1, size + 1, 300)
    batches = list(runner._batches(length))
    assert sorted(np.concatenate(batches)) == list(range(300))
    for batch in batches:
        assert len(batch) * length[batch].max() <= 4 * size
        assert len(batch) <= 4 * MAX_SHORT_WINDOWS
    longest = [length[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_any_number_of_threads_gives_the_same_numbers(tiny_config: AstromerConfig) -> None:
    curves = light_curves([5, 40, 17, 90, 3, 61, 28] * 2)
    runner = WindowRunner(AstromerModel(tiny_config), batch_size=2)
    windows = runner.cut(curves)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            pooled = np.empty((len(windows[0]), tiny_config.hidden_size), dtype=np.float32)
            for batch, outputs in runner.iter_outputs(curves, windows, output_hidden_states=True):
                pooled[batch] = outputs.pooler_output.numpy()
                assert len(outputs.hidden_states) == tiny_config.num_hidden_layers + 1
            results.append(pooled)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)
    np.testing.assert_array_equal(results[2], results[1])


def test_outputs_carry_no_gradient(tiny_config: AstromerConfig) -> None:
    curves = light_curves([30, 20])
    runner = WindowRunner(AstromerModel(tiny_config))
    for _, outputs in runner.iter_outputs(curves, runner.cut(curves)):
        assert not outputs.last_hidden_state.requires_grad


def test_dropout_that_is_switched_on_repeats_with_its_seed_on_any_number_of_threads(tiny_config: AstromerConfig) -> None:
    curves = light_curves([30, 20, 25, 40, 10, 33, 28, 39] * 2)
    model = AstromerModel(tiny_config)
    runner = WindowRunner(model, batch_size=1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
            module.train()
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (4, 4, 1):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            outputs = runner.iter_outputs(curves, runner.cut(curves))
            results.append(np.concatenate([batch_outputs.pooler_output.numpy() for _, batch_outputs in outputs]))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0], results[2], atol=1e-5)


def test_progress_moves_with_every_batch_and_ends_at_1():
    seen: list[float] = []
    model = AstromerModel(AstromerConfig(**TINY)).eval()
    runner = WindowRunner(model, batch_size=1, on_progress=seen.append)
    curves = light_curves([50, 13, 20, 7])
    for _ in runner.iter_outputs(curves, runner.cut(curves)):
        pass
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1] == 1
