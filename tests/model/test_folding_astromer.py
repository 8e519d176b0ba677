# Copyright 2026 The astromer_hf developers. MIT licence.
"""Periods are found in the visible magnitudes, judged by Fourier series, and trusted as far as the evidence goes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from tiny_models import INPUTS, SUMMED, Batch, assert_same_outputs, build, centred_curves, masked_batch, outputs_of

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, AstromerModel
from astromer_hf.model.folding_astromer import (
    AstromerPeriodogram,
    AstromerSeparationBias,
    FoldedTimes,
    fourier_equations,
    relative_precisions,
    solve_positive_definite,
    visible_center_and_scale,
)

NAN = float("nan")


def periodogram(num_periods: int, **fields: Any) -> AstromerPeriodogram:
    return AstromerPeriodogram(AstromerConfig(**{"num_folding_periods": num_periods, "num_candidate_periods": 16, **fields}))


def arguments(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a periodogram takes: magnitudes, times and what is visible."""
    visible = batch["attention_mask"].bool()
    if "masked_positions" in batch:
        visible = visible & ~batch["masked_positions"]
    return batch["magnitudes"], batch["times"], visible


def wrapped(cycles: Any) -> Any:
    """Distance from the nearest whole cycle, in [0, 0.5]."""
    return abs(cycles - cycles.round())


def waves_of(phases: np.ndarray, harmonics: int) -> np.ndarray:
    """A constant, cosines and sines in `phases` (L,), cycles, as columns `(L, 1 + 2·harmonics)`."""
    angles = 2 * np.pi * np.arange(1, harmonics + 1) * phases[:, None]
    return np.concatenate((np.ones((len(phases), 1)), np.cos(angles), np.sin(angles)), axis=1)


def penalty_of(total: float, count: int, harmonics: int, period_multiple: int = 1) -> np.ndarray:
    """What the least-squares problem adds to the diagonal of its normal equations."""
    orders = np.array([0, *range(1, harmonics + 1), *range(1, harmonics + 1)])
    no_harmonic = (50 / count) ** 2 * (orders % period_multiple != 0)
    return total * (1e-3 + 0.01 * (orders / period_multiple) ** 2 + no_harmonic)


def penalised_fit(waves: np.ndarray, magnitudes: np.ndarray, weights: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Coefficients that minimise Σ w (m - waves·c)² + Σ penalty·c², by a solver that does not form normal equations."""
    rows = np.concatenate((np.sqrt(weights)[:, None] * waves, np.diag(np.sqrt(penalty))))
    return np.linalg.lstsq(rows, np.concatenate((np.sqrt(weights) * magnitudes, np.zeros(len(penalty)))), rcond=None)[0]


# --- Finding periods ---


@pytest.mark.parametrize("name", ["RRab", "Cepheid"])
def test_the_periodogram_finds_the_true_period(name: str):
    batch, true = centred_curves(name, 40)
    folded = periodogram(4)(*arguments(batch))
    span = np.ptp(batch["times"].numpy(), axis=1)[:, None]
    found = np.abs(folded.frequencies.numpy() - true[:, None]) < 0.25 / span
    assert found[:, 0].mean() >= 0.9
    assert found.any(1).mean() >= 0.95


def test_periods_are_found_as_well_where_half_of_the_magnitudes_is_hidden():
    batch, true = centred_curves("RRab", 40)
    hidden = torch.rand(40, 200, generator=torch.Generator().manual_seed(0)) < 0.5
    folded = periodogram(1)(*arguments(batch | {"masked_positions": hidden}))
    span = np.ptp(batch["times"].numpy(), axis=1)
    assert (np.abs(folded.frequencies[:, 0].numpy() - true) < 0.25 / span).mean() >= 0.9


def test_the_best_series_explains_as_much_as_that_of_a_lomb_scargle_periodogram_of_three_harmonics():
    timeseries = pytest.importorskip("astropy.timeseries", reason="needs the extra `baselines`: astropy")
    batch, _ = centred_curves("Cepheid", 6)
    folded = periodogram(1, num_frequencies=4096)(*arguments(batch))
    times, magnitudes = batch["times"].double().numpy(), batch["magnitudes"].double().numpy()
    for i, (t, m) in enumerate(zip(times, magnitudes, strict=True)):
        step = 1 / (2 * np.ptp(t))
        reference = timeseries.LombScargle(t, m, nterms=3, fit_mean=True, center_data=True)
        own = float(folded.frequencies[i, 0])
        # The penalty lowers the power a little; only rounding can raise it above that of plain least squares.
        assert -0.05 < float(folded.powers[i, 0]) - reference.power(own, method="chi2") < 1e-4
        near = own + np.linspace(-2, 2, 161) * step
        assert abs(own - near[reference.power(near, method="chi2").argmax()]) < step / 4


def test_powers_and_evidence_are_those_of_penalised_series_of_three_harmonics():
    batch, _ = centred_curves("RRab", 5)
    folded = periodogram(3)(*arguments(batch))
    assert folded.powers.shape == (5, 3)
    assert folded.evidence.shape == (5, 16)
    assert ((folded.powers >= 0) & (folded.powers < 1)).all()
    np.testing.assert_allclose(folded.evidence[:, :3], -np.log1p(-folded.powers.numpy()) * (200 - 7) / 2, rtol=1e-5)
    times, magnitudes = batch["times"].double().numpy(), batch["magnitudes"].double().numpy()
    for i in range(5):
        centred = magnitudes[i] - magnitudes[i].mean()
        for frequency, power in zip(folded.frequencies[i].double().numpy(), folded.powers[i], strict=True):
            waves = waves_of(frequency * times[i], 3)
            solved = penalised_fit(waves, centred, np.ones(200), penalty_of(200, 200, 3))
            assert float(power) == pytest.approx(centred @ waves @ solved / (centred @ centred), abs=2e-3)


def test_the_chosen_periods_explain_most_a_resolution_apart_and_the_other_candidates_follow():
    batch, _ = centred_curves("Cepheid", 8)
    folded = periodogram(4)(*arguments(batch))
    assert (folded.powers.diff(dim=1) <= 0).all()
    assert (folded.evidence[:, 4:].diff(dim=1) <= 1e-4).all()
    resolution = 1 / torch.from_numpy(np.ptp(batch["times"].numpy(), axis=1))
    distances = (folded.frequencies[:, :, None] - folded.frequencies[:, None]).abs() + torch.eye(4)
    assert (distances >= resolution[:, None, None] * (1 - 1e-4)).all()


def test_few_observations_are_searched_for_low_frequencies_only():
    batch, _ = centred_curves("Constant", 8)
    for count, highest in ((30, 8.0), (100, 20.0), (200, 24.0)):
        visible = torch.arange(200).expand(8, -1) < count
        # Densely sampled, so that a step of half the resolution would reach beyond 100 cycles a day.
        times = torch.linspace(0, 60, 200).expand(8, -1)
        folded = periodogram(4, max_frequency=24)(batch["magnitudes"], times, visible)
        assert folded.frequencies.max() <= highest * (1 + 2 / 16384)
        assert folded.frequencies.max() > highest / 4


@pytest.mark.parametrize("num_bands", [1, 4, 7, 24])
def test_candidates_are_the_highest_peaks_of_the_schuster_periodogram(num_bands: int):
    generator = torch.Generator().manual_seed(num_bands)
    times = (torch.rand(3, 60, generator=generator) - 0.5) * 800
    magnitudes = torch.sin(2 * torch.pi * times / 3.3) + torch.randn(3, 60, generator=generator)
    steps = times / 1600
    num_candidates = min(num_bands, 5)
    found = periodogram(1, num_candidate_periods=num_candidates, num_frequencies=128 * num_bands)._peaks_of_bands(
        magnitudes, steps
    )

    numbers = torch.arange(1, 128 * num_bands + 1, dtype=torch.float64)
    waves = torch.exp(2j * torch.pi * numbers[:, None] * steps.double()[:, None])  # (windows, F, observations)
    powers = (waves * magnitudes.double()[:, None]).sum(-1).abs().square().view(3, num_bands, 128)
    peak, place = powers.max(-1)
    strongest = peak.topk(num_candidates, dim=1).indices
    expected = strongest * 128 + place.gather(1, strongest) + 1
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=0)


def test_an_observation_of_a_large_error_does_not_lead_the_periodogram_astray():
    batch, true = centred_curves("RRab", 10)
    magnitudes, times, visible = arguments(batch)
    outliers = torch.zeros(10, 200, dtype=torch.bool)
    outliers[:, ::25] = True
    disturbed = magnitudes + 4.0 * outliers
    errors = torch.where(outliers, 2.0, 0.02)
    weights, _ = relative_precisions(errors, visible, torch.ones(10, 1))
    span = torch.from_numpy(np.ptp(times.numpy(), axis=1))

    def found(weights: torch.Tensor | None) -> int:
        frequencies = periodogram(1)(disturbed, times, visible, weights).frequencies[:, 0]
        return int(((frequencies - torch.from_numpy(true)).abs() < 0.25 / span).sum())

    assert found(weights) >= 9
    assert found(None) <= 5


def test_hidden_magnitudes_and_padding_change_nothing_that_is_found():
    batch = masked_batch((60, 33))
    finder = periodogram(2, num_frequencies=2048, folding_harmonics=4, folding_period_multiple=2)
    magnitudes, times, visible = arguments(batch)
    before = finder(magnitudes, times, visible)
    after = finder(torch.where(visible, magnitudes, 1e30), times, visible)
    assert_same_outputs(vars(before), vars(after), rtol=0, atol=0)
    pad = torch.nn.functional.pad
    longer = vars(finder(pad(magnitudes, (0, 9)), pad(times, (0, 9)), pad(visible, (0, 9))))
    longer |= {name: longer[name][..., :60] for name in ("phases", "fits")}
    assert_same_outputs(longer, vars(before), rtol=1e-4, atol=1e-4)


# --- Folding ---


def test_phases_are_times_folded_on_the_periods():
    batch, _ = centred_curves("RRab", 5)
    folded = periodogram(3)(*arguments(batch))
    assert folded.phases.shape == (5, 3, 200)
    assert folded.phases.abs().max() <= 0.5
    cycles = folded.frequencies.double()[..., None] * batch["times"].double()[:, None]
    epochs = folded.phases - cycles  # the same at every observation, but for whole cycles
    assert wrapped(epochs - epochs[..., :1]).max() < 1e-3  # cycles, of the thousands that float32 has counted


@pytest.mark.parametrize("multiple", [1, 2])
def test_phases_are_counted_from_the_faintest_point_of_the_periods_own_sinusoid(multiple: int):
    batch, _ = centred_curves("RRab", 5)
    folded = periodogram(2, folding_harmonics=4, folding_period_multiple=multiple)(*arguments(batch))
    cosines, sines = folded.coefficients[..., multiple - 1].unbind(-1)
    assert (cosines > 0).all()  # faint is a large magnitude
    assert (sines.abs() < 1e-5 * cosines).all()


@pytest.mark.parametrize("days", [0.27, -341.9])
def test_a_shift_of_the_times_changes_neither_phases_nor_series(days: float):
    batch, _ = centred_curves("RRab", 5)
    magnitudes, times, visible = arguments(batch)
    finder = periodogram(1, folding_harmonics=3)
    before, after = finder(magnitudes, times, visible), finder(magnitudes, times + days, visible)
    torch.testing.assert_close(after.coefficients, before.coefficients, rtol=0, atol=2e-3)
    torch.testing.assert_close(after.fits, before.fits, rtol=0, atol=5e-3)
    assert wrapped(after.phases - before.phases).max() < 5e-3


@pytest.mark.parametrize("days", [0.27, -341.9])
def test_phases_of_two_periods_are_counted_from_the_deeper_minimum_wherever_the_window_is_centred(days: float):
    times = torch.rand(4, 200).double().sort(1).values * 900
    periods, epochs = torch.tensor([0.37, 0.81, 1.63, 2.9]).double(), torch.tensor([0.0, 0.2, 0.6, 0.9]).double()
    phases = (times / periods[:, None] - epochs[:, None]).remainder(1.0)  # an eclipse of 0.6 mag at 0 and one of 0.4 mag at 0.5
    depths = sum(depth * torch.exp(-0.5 * (wrapped(phases - at) / 0.08) ** 2) for depth, at in ((0.6, 0.0), (0.4, 0.5)))
    magnitudes, visible = depths.float() - depths.mean(1, keepdim=True).float(), torch.ones(4, 200, dtype=torch.bool)
    finder = periodogram(1, folding_harmonics=6, folding_period_multiple=2, unambiguous_folding=True)
    folded = finder(magnitudes, (times + days).float(), visible)
    torch.testing.assert_close(folded.frequencies[:, 0].double(), 2 / periods, rtol=1e-3, atol=0)
    assert wrapped(folded.phases[:, 0].double() - phases).max() < 0.05


def test_a_period_on_the_edge_of_two_bands_is_trusted_once():
    times = torch.linspace(0, 400, 200)[None] + 0.9 * torch.rand(1, 200)
    times[0, 0], times[0, -1] = 0.0, 401.0
    visible = torch.ones(1, 200, dtype=torch.bool)
    edge = (5 * 128 + 0.5) * 10 / 16384  # between the last frequency of a band and the first of the next
    magnitudes = 0.3 * (2 * math.pi * edge * times).cos() + 0.05 * torch.randn(1, 200)
    fields = {**TINY, "num_folding_periods": 1, "num_candidate_periods": 16}
    trusts = []
    for is_unambiguous in (False, True):
        folding = AstromerModel(AstromerConfig(**fields, unambiguous_folding=is_unambiguous)).embeddings.folding
        folded = folding.periodogram(magnitudes, times, visible)
        assert folded.frequencies.item() == pytest.approx(edge, rel=1e-3)
        trusts.append(folding.gates(folded).item())
    assert trusts[0] < 0.6
    assert trusts[1] > 0.95


def test_phases_count_multiples_of_the_period():
    batch, _ = centred_curves("RRab", 3)
    once, twice = periodogram(1)(*arguments(batch)), periodogram(1, folding_period_multiple=2)(*arguments(batch))
    torch.testing.assert_close(once.frequencies, twice.frequencies)
    steps_once, steps_twice = (folded.phases - folded.phases[..., :1] for folded in (once, twice))
    assert wrapped(2 * steps_twice - steps_once).max() < 1e-3


@pytest.mark.parametrize("multiple", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_series_is_the_penalised_least_squares_fit_of_the_visible_magnitudes(multiple: int, weighted: bool):
    batch, _ = centred_curves("RRab", 3)
    visible = batch["attention_mask"].bool() & (torch.rand(3, 200) < 0.5)
    weights = torch.rand(3, 200) + 0.5 if weighted else torch.ones(3, 200)
    finder = periodogram(2, folding_harmonics=4, folding_period_multiple=multiple)
    folded = finder(batch["magnitudes"], batch["times"], visible, weights if weighted else None)
    for i in range(3):
        seen = visible[i].numpy()
        own = weights[i].double().numpy()[seen]
        magnitudes = batch["magnitudes"][i].double().numpy()
        magnitudes = magnitudes - np.average(magnitudes[seen], weights=own)
        penalty = penalty_of(own.sum(), seen.sum(), 4, multiple)
        for k in range(2):
            waves = waves_of(folded.phases[i, k].double().numpy(), 4)
            expected = penalised_fit(waves[seen], magnitudes[seen], own, penalty)
            np.testing.assert_allclose(folded.coefficients[i, k].flatten(), expected[1:], atol=1e-4)
            np.testing.assert_allclose(folded.fits[i, k], waves @ expected, atol=1e-4)


# --- Trust, and what the encoder is told ---


def folded_by(phases: torch.Tensor, harmonics: int = 3, **fields: torch.Tensor) -> FoldedTimes:
    """Times folded to these phases (B, K, L). Frequency, power and evidence are 1, and there is no series."""
    shape = phases.shape[:2]
    values = {name: torch.ones(shape) for name in ("frequencies", "powers", "evidence")}
    series = {"coefficients": torch.zeros(*shape, 2, harmonics), "fits": torch.zeros_like(phases)}
    return FoldedTimes(phases=phases, **{**values, **series, **fields})


def test_gates_share_probability_among_all_candidates_and_none_of_them():
    config = AstromerConfig(**TINY, num_folding_periods=2, num_candidate_periods=4)
    folding = AstromerModel(config).embeddings.folding
    assert (folding.gate_slope.item(), folding.gate_offset.item()) == (pytest.approx(0.35), 8.0)
    evidence = torch.tensor([[40.0, 30.0, 35.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    gates = folding.gates(folded_by(torch.zeros(2, 2, 5), evidence=evidence))
    odds = np.exp(0.35 * evidence.numpy())
    expected = odds[:, :2] / (odds.sum(1, keepdims=True) + np.exp(8.0))
    np.testing.assert_allclose(gates.detach(), expected, rtol=1e-5)


def test_the_period_of_a_pulsation_is_trusted_and_that_of_noise_is_not():
    folding = AstromerModel(AstromerConfig(num_folding_periods=1, num_candidate_periods=16)).embeddings.folding
    pulsation, noise = (
        folding.gates(folding.periodogram(*arguments(centred_curves(name, 10)[0]))) for name in ("RRab", "Constant")
    )
    assert pulsation.min() > 0.9
    assert noise.max() < 0.1


def test_folding_tells_phases_and_series_as_far_as_their_period_is_trusted():
    config = AstromerConfig(**TINY, num_folding_periods=1, num_candidate_periods=2, folding_harmonics=2)
    folding = AstromerModel(config).embeddings.folding
    phases, fits = torch.tensor([0.25, -0.1, 0.5]), torch.tensor([0.3, 0.0, -0.2])
    known = {"frequencies": torch.tensor([[0.1]]), "powers": torch.tensor([[0.5]]), "evidence": torch.tensor([[20.0, 10.0]])}
    coefficients = torch.tensor([[[[0.3, 0.0], [0.4, 0.2]]]])
    folded = folded_by(phases[None, None], 2, coefficients=coefficients, fits=fits[None, None], **known)
    gates = folding.gates(folded)
    angles = 2 * torch.pi * phases[:, None] * torch.tensor([1.0, 2.0])
    gate = gates.item()
    relative = math.pi / 2 - 2 * math.atan2(0.4, 0.3)
    shape = [0.5, 0.2, 0.2 * math.cos(relative), 0.2 * math.sin(relative)]
    of_window = torch.tensor([[gate, 0.5, math.tanh(20 / 40), -1.0, *shape]]).expand(3, -1)
    features = torch.cat((gate * angles.sin(), gate * angles.cos(), gate * fits[:, None], of_window), dim=1)
    torch.testing.assert_close(folding(folded, gates), folding.projection(features[None]))


def test_a_shift_of_the_times_changes_no_shape():
    config = AstromerConfig(
        **TINY, num_folding_periods=1, num_candidate_periods=16, folding_harmonics=6, folding_period_multiple=2
    )
    folding = AstromerModel(config).embeddings.folding
    batch, _ = centred_curves("RRab", 8)
    magnitudes, times, visible = arguments(batch)
    shapes = [folding.shapes(folding.periodogram(magnitudes, times + days, visible)) for days in (0.0, 0.27)]
    assert shapes[0].shape == (8, 1, 6 + 2 * 2)
    torch.testing.assert_close(*shapes, rtol=0, atol=2e-3)


def test_near_observations_are_preferred_by_the_stated_kernel():
    config = AstromerConfig(**TINY_EXTENDED)
    times, phases, gates = torch.rand(2, 5) * 100, torch.rand(2, 2, 5) - 0.5, torch.tensor([[0.2, 0.9], [0.0, 0.5]])
    biases = AstromerSeparationBias(config)(times, folded_by(phases), gates)
    days = (times[:, :, None] - times[:, None, :]).abs()
    cycles = wrapped(config.folding_period_multiple * (phases[..., :, None] - phases[..., None, :]))
    heads = [torch.log(1 + days / scale) for scale in config.time_bias_scales]
    heads += [4 * gates[:, k, None, None] * torch.log(1 + cycles[:, k] / 0.05) for k in range(2)]
    torch.testing.assert_close(biases, -torch.stack(heads, dim=1))


def test_time_heads_without_a_scale_prefer_nothing():
    bias = AstromerSeparationBias(AstromerConfig(**(TINY_EXTENDED | {"time_bias_scales": None})))
    biases = bias(torch.rand(1, 5), folded_by(torch.rand(1, 2, 5) - 0.5), torch.ones(1, 2))
    assert not biases[:, :2].any()
    assert (biases[:, 2:] <= 0).all()
    assert biases[:, 2:].any()


# --- Least squares ---


@pytest.mark.parametrize("harmonics", [1, 3, 6])
def test_fourier_equations_are_the_explicit_normal_equations(harmonics: int):
    generator = torch.Generator().manual_seed(harmonics)
    phases, weights, magnitudes = (torch.rand(2, 3, 50, dtype=torch.float64, generator=generator) for _ in range(3))
    matrix, right = fourier_equations(2 * torch.pi * phases, weights, magnitudes, harmonics)
    for window in np.ndindex(2, 3):
        waves = waves_of(phases[window].numpy(), harmonics)
        weighted = weights[window].numpy()[:, None] * waves
        np.testing.assert_allclose(matrix[window], waves.T @ weighted, atol=1e-10)
        np.testing.assert_allclose(right[window], weighted.T @ magnitudes[window].numpy(), atol=1e-10)


def test_fourier_equations_broadcast_weights_and_magnitudes_over_frequencies():
    angles, weights, magnitudes = torch.rand(2, 3, 4, 9) * 6, torch.rand(2, 9), torch.rand(2, 9)
    found = fourier_equations(angles, weights[:, None, None], magnitudes[:, None, None], 2)
    spread = [tensor[:, None, None].expand(2, 3, 4, 9) for tensor in (weights, magnitudes)]
    torch.testing.assert_close(found, fourier_equations(angles, *spread, 2))


@pytest.mark.parametrize("size", [1, 3, 13])
def test_elimination_solves_positive_definite_systems_as_torch_does(size: int):
    generator = torch.Generator().manual_seed(size)
    factor = torch.randn(5, 2, size, 40, dtype=torch.float64, generator=generator)
    matrix = factor @ factor.transpose(-1, -2) + 1e-3 * torch.eye(size, dtype=torch.float64)
    right = torch.randn(5, 2, size, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(solve_positive_definite(matrix, right), torch.linalg.solve(matrix, right), rtol=1e-9, atol=1e-12)


def test_elimination_solves_the_equations_of_badly_sampled_phases():
    """All observations are at nearly one phase. Only the penalty keeps the system definite."""
    finder = periodogram(2, folding_harmonics=6, folding_period_multiple=2)
    generator = torch.Generator().manual_seed(0)
    phases = 0.1 + 1e-4 * torch.randn(4, 2, 20, generator=generator)
    magnitudes, weights = torch.randn(4, 20, generator=generator), torch.ones(4, 20)
    angles = 2 * torch.pi * phases.double()
    matrix, right = fourier_equations(angles, weights.double()[:, None], magnitudes.double()[:, None], 6)
    matrix = matrix + finder._penalties(6, 2, weights.double())[:, None]
    expected = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(solve_positive_definite(matrix, right), expected, rtol=1e-6, atol=1e-9)


# --- Photometric errors ---


def test_a_weight_falls_with_the_error_and_is_never_above_twice_the_usual():
    errors = torch.tensor([[1e-9, 0.01, 0.03, 0.1, 0.5, 3.0, 0.02, 0.02]])
    observed = torch.ones(1, 8, dtype=torch.bool)
    weights, _ = relative_precisions(errors, observed, torch.ones(1, 1))
    mean_square = errors.square().mean()
    unnormalised = 1 / (errors.square() + mean_square)
    torch.testing.assert_close(weights, unnormalised / unnormalised.mean(), rtol=1e-4, atol=1e-6)
    assert weights.mean().item() == pytest.approx(1, rel=1e-5)
    usual, _ = relative_precisions(
        torch.cat((errors, mean_square.sqrt()[None, None]), 1), torch.ones(1, 9).bool(), torch.ones(1, 1)
    )
    assert usual.max() <= 2 * usual[0, -1] * (1 + 1e-4)


def test_an_unknown_error_counts_as_the_usual_one_and_is_told_as_unknown():
    unknown = [NAN, 0.0, -0.1, float("inf")]
    errors = torch.tensor([[0.1, 0.2, *unknown, 9.0]])
    observed = torch.tensor([[True] * 6 + [False]])
    scale = torch.tensor([[0.5]])
    weights, features = relative_precisions(errors, observed, scale)
    usual = math.sqrt((0.1**2 + 0.2**2) / 2)
    filled, _ = relative_precisions(torch.tensor([[0.1, 0.2, *[usual] * 4, 9.0]]), observed, scale)
    torch.testing.assert_close(weights[:, :6], filled[:, :6], rtol=1e-5, atol=1e-6)
    assert features[0, :, 1].tolist() == [1, 1, 0, 0, 0, 0, 0]
    expected = [math.log10(0.101 / 0.5), math.log10(0.201 / 0.5), 0, 0, 0, 0, 0]
    torch.testing.assert_close(features[0, :, 0], torch.tensor(expected))


def test_errors_that_are_all_unknown_or_absent_weigh_evenly():
    observed = torch.tensor([[True, True, False]])
    for errors in (None, torch.full((1, 3), NAN), torch.zeros(1, 3)):
        weights, features = relative_precisions(errors, observed, torch.ones(1, 1))
        assert weights[observed].tolist() == [1, 1]
        assert not features.any()


@pytest.fixture(params=[{}, {"normalize_amplitude": True}, TINY_EXTENDED], ids=["paper", "normalised", "extended"])
def sees_errors(request: pytest.FixtureRequest) -> AstromerForMaskedReconstruction:
    """A model that sees photometric errors."""
    return build(AstromerForMaskedReconstruction, AstromerConfig(**{**TINY, **request.param}), use_magnitude_errors=True)


@pytest.mark.parametrize("value", [NAN, 0.0, -1.0, float("inf")])
def test_absent_errors_are_unknown_errors(sees_errors: AstromerForMaskedReconstruction, value: float):
    inputs = {name: value for name, value in masked_batch().items() if name in INPUTS}
    errors = inputs.pop("magnitude_errors")
    without = outputs_of(sees_errors, inputs)
    assert_same_outputs(outputs_of(sees_errors, inputs | {"magnitude_errors": torch.full_like(errors, value)}), without)
    del inputs["masked_positions"]
    with_errors, without = outputs_of(sees_errors, inputs | {"magnitude_errors": errors}), outputs_of(sees_errors, inputs)
    assert (with_errors["pooler_output"] - without["pooler_output"]).abs().max() > 1e-3


def test_no_error_tells_a_hidden_magnitude(sees_errors: AstromerForMaskedReconstruction):
    inputs = {name: value for name, value in masked_batch().items() if name in INPUTS}
    without = {name: value for name, value in inputs.items() if name != "magnitude_errors"}
    hidden = inputs["masked_positions"].any(1)
    assert hidden.all()
    assert_same_outputs(outputs_of(sees_errors, inputs), outputs_of(sees_errors, without))


def test_errors_change_nothing_in_a_window_in_which_something_is_hidden(sees_errors: AstromerForMaskedReconstruction):
    """The error of an observation grows with its magnitude, and would tell a hidden one."""
    inputs = {name: value for name, value in masked_batch().items() if name in INPUTS}
    inputs["masked_positions"][1] = False
    before, after = (
        outputs_of(sees_errors, inputs | {"magnitude_errors": errors})["last_hidden_state"]
        for errors in (inputs["magnitude_errors"], 3 * inputs["magnitude_errors"])
    )
    differs = (before - after).abs().amax((1, 2)) > 1e-3
    assert differs.tolist() == [False, True, False, False]


def test_errors_that_stand_in_padding_change_nothing(sees_errors: AstromerForMaskedReconstruction):
    inputs = {name: value for name, value in masked_batch().items() if name in INPUTS}
    del inputs["masked_positions"]
    padding = inputs["attention_mask"] == 0
    before = outputs_of(sees_errors, inputs)
    observed = inputs["attention_mask"].bool()
    for value in (7.0, NAN):
        after = outputs_of(sees_errors, inputs | {"magnitude_errors": inputs["magnitude_errors"].masked_fill(padding, value)})
        torch.testing.assert_close(after["pooler_output"], before["pooler_output"], **SUMMED)
        torch.testing.assert_close(after["last_hidden_state"][observed], before["last_hidden_state"][observed], **SUMMED)


def test_amplitudes_are_normalised_by_the_visible_magnitudes():
    magnitudes = torch.tensor([[1.0, 3.0, 100.0], [5.0, NAN, NAN]])
    visible = torch.tensor([[True, True, False], [False, False, False]])
    center, scale = visible_center_and_scale(magnitudes, visible)
    torch.testing.assert_close(center, torch.tensor([[2.0], [0.0]]))
    torch.testing.assert_close(scale, torch.tensor([[1.02], [0.02]]))
