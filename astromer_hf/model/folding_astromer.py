# Copyright 2026 The astromer_hf developers. MIT licence.
"""Periods of a window and what they tell of its observations: an option that the paper does not have.

The periodogram finds candidate periods in the visible magnitudes, the folding adds what they tell to every observation's
embedding, and the separation bias lets attention prefer near observations. Before this file stands the configuration; after it
`modeling_astromer.py`, whose embeddings and encoder use all three.

Shapes: B windows, L observations a window, D = `hidden_size`, H heads, K periods.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast

from .configuration_astromer import AstromerConfig


@dataclass
class FoldedTimes:
    """A window's times folded on K candidate periods.

    Args:
        frequencies (`torch.FloatTensor` of shape `(B, K)`): cycles a day.
        powers (`torch.FloatTensor` of shape `(B, K)`): fraction of the visible magnitudes' variance that a sinusoid of that
            frequency explains, in [0, 1).
        significances (`torch.FloatTensor` of shape `(B, K)`): -ln(probability that noise gives this power at one frequency).
        phases (`torch.FloatTensor` of shape `(B, K, L)`): in cycles of `folding_period_multiple` periods, in [-0.5, 0.5], at
            visible and hidden observations alike.
        coefficients (`torch.FloatTensor` of shape `(B, K, 2, folding_harmonics)`): cosines and sines of the Fourier series in
            that phase which fits the visible magnitudes.
        fits (`torch.FloatTensor` of shape `(B, K, L)`): the series at every observation.
    """

    frequencies: torch.Tensor
    powers: torch.Tensor
    significances: torch.Tensor
    phases: torch.Tensor
    coefficients: torch.Tensor
    fits: torch.Tensor


class AstromerPeriodogram(nn.Module):
    """Find the K strongest periods of each window in its visible magnitudes and fold its times on them. Not in the paper.

    The Schuster periodogram |Σ_j m_j exp(2πi f t_j)|² on a uniform grid of F frequencies f = n·δ. With n = M·a + b the
    exponential is a product, exp(2πi M·a·δ·t)·exp(2πi b·δ·t), so that the sum over observations is one batched matrix product
    and only F/M + M sines and cosines are taken for an observation. At each of the K periods a Fourier series is fitted, as an
    astronomer would. It has no parameters and passes no gradient.

    The step δ is 1/(2·span), half of the resolution, unless fewer than F such steps reach `max_frequency`.
    """

    steps_per_band = 128  # M
    oversampling = 2.0
    refinements = 9
    roughness_penalty = 0.01  # of the series, keeps high harmonics from overshooting where no phase is observed

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.num_periods = config.num_folding_periods
        self.period_multiple = config.folding_period_multiple
        self.harmonics = config.folding_harmonics
        self.num_bands = config.num_frequencies // self.steps_per_band
        self.max_frequency = float(config.max_frequency)

    @torch.no_grad()
    def forward(self, magnitudes: torch.Tensor, times: torch.Tensor, visible: torch.Tensor) -> FoldedTimes:
        """Fold windows (B, L): `magnitudes`, which count where `visible`, and `times` in days."""
        with maybe_autocast(device_type=times.device.type, enabled=False):
            times = times.float()
            center, _ = visible_center_and_scale(magnitudes, visible)
            magnitudes = torch.where(visible, magnitudes.float() - center, torch.zeros_like(center))
            seen_times = torch.where(visible, times, torch.zeros_like(times))
            span = (seen_times.amax(1) - seen_times.amin(1)).clamp(min=1.0)
            highest = self.max_frequency / (self.num_bands * self.steps_per_band)
            step = (1 / (self.oversampling * span)).clamp(max=highest)[:, None]

            coarse = self._peaks_of_bands(magnitudes, times * step)
            offsets = torch.linspace(-1, 1, self.refinements, device=times.device)
            candidates = (coarse[..., None] + offsets).clamp(min=0.5) * step[..., None]  # (B, K, refinements)
            angles = 2 * math.pi * fractional(candidates[..., None] * times[:, None, None])
            sums = torch.stack((angles.cos(), angles.sin())).mul(magnitudes[:, None, None]).sum(-1)
            power, best = sums.square().sum(0).max(-1)
            frequencies = candidates.gather(-1, best[..., None]).squeeze(-1)

            count = visible.sum(1, keepdim=True)
            variance = magnitudes.square().sum(1, keepdim=True).clamp(min=1e-12)
            powers = (2 * power / (count * variance).clamp(min=1e-12)).clamp(max=0.999)
            significances = -torch.log1p(-powers) * (count - 3).clamp(min=0) / 2
            phases = fractional(frequencies[..., None] / self.period_multiple * times[:, None])
            coefficients, fits = self._fit_series(magnitudes, visible, phases)
        return FoldedTimes(frequencies, powers, significances, phases, coefficients, fits)

    def _fit_series(
        self, magnitudes: torch.Tensor, visible: torch.Tensor, phases: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Penalised least squares in the phases (B, K, L): `coefficients` and `fits` of `FoldedTimes`."""
        orders = torch.arange(self.harmonics + 1, device=phases.device, dtype=phases.dtype)
        angles = 2 * math.pi * orders[:, None] * phases[:, :, None]  # (B, K, 1 + harmonics, L)
        waves = torch.cat((angles.cos(), angles[:, :, 1:].sin()), dim=2)
        if waves.device.type != "mps":  # which has no float64: so that batch and padding do not show in the solution
            waves, magnitudes = waves.double(), magnitudes.double()
        seen = waves * visible[:, None, None]
        penalties = 1e-3 + self.roughness_penalty * (torch.cat((orders, orders[1:])) / self.period_multiple).square()
        count = visible.sum(1).clamp(min=1)[:, None, None, None]
        # Sums and not matrix products, whose rounding depends on the windows beside.
        normal = (seen[:, :, :, None] * waves[:, :, None]).sum(-1) + count * penalties.diag()
        solved = torch.linalg.solve(normal, (seen * magnitudes[:, None, None]).sum(-1))  # (B, K, 1 + 2·harmonics)
        fits = (solved[..., None] * waves).sum(2)
        return solved[:, :, 1:].unflatten(2, (2, self.harmonics)).float(), fits.float()

    def _peaks_of_bands(self, magnitudes: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """The grid numbers n (B, K) of the highest peaks of the K strongest bands; `steps` (B, L) is δ·t."""
        grid = torch.arange(max(self.num_bands, self.steps_per_band), device=steps.device, dtype=steps.dtype)
        band_starts, within = grid[: self.num_bands] * self.steps_per_band, grid[: self.steps_per_band] + 1
        coarse = 2 * math.pi * fractional(band_starts[:, None] * steps[:, None])
        fine = 2 * math.pi * fractional(within[:, None] * steps[:, None])
        coarse = torch.cat((coarse.cos(), coarse.sin()), dim=1) * magnitudes[:, None]  # (B, 2·bands, L)
        fine = torch.cat((fine.cos(), fine.sin()), dim=1)  # (B, 2·M, L)
        cos_cos, cos_sin, sin_cos, sin_sin = (
            part for half in torch.matmul(coarse, fine.transpose(1, 2)).chunk(2, dim=1) for part in half.chunk(2, dim=2)
        )
        power = (cos_cos - sin_sin).square() + (sin_cos + cos_sin).square()  # (B, bands, M)
        peak, place = power.max(dim=2)
        bands = peak.topk(self.num_periods, dim=1).indices
        return (bands * self.steps_per_band + place.gather(1, bands) + 1).to(steps.dtype)


class AstromerFolding(nn.Module):
    """What the candidate periods tell of every observation, as an addition to its embedding. Not in the paper.

    Of each period, for every observation: sines and cosines of the phase and its harmonics, and the fitted Fourier series,
    weighted by a learned gate that opens with the period's significance. For the whole window: the gate, power, significance
    and log frequency, and the shape of the series, which no shift of the times changes: the amplitude of every harmonic, and
    of the period's overtones also the phase relative to its fundamental (Simon & Lee 1981, ApJ 248, 291).
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.harmonics = config.folding_harmonics
        self.period_multiple = config.folding_period_multiple
        self.periodogram = AstromerPeriodogram(config)
        self.gate_slope = nn.Parameter(torch.empty(()))
        self.gate_offset = nn.Parameter(torch.empty(()))
        num_overtones = max(self.harmonics // self.period_multiple - 1, 0)
        num_features = (2 * self.harmonics + 1) + 4 + self.harmonics + 2 * num_overtones
        self.projection = nn.Linear(config.num_folding_periods * num_features, config.hidden_size)

    def gates(self, folded: FoldedTimes) -> torch.Tensor:
        """How far each period is trusted, (B, K) in (0, 1)."""
        return torch.sigmoid(self.gate_slope.float() * folded.significances.clamp(max=60) + self.gate_offset.float())

    def shapes(self, folded: FoldedTimes) -> torch.Tensor:
        """The Fourier series without its epoch, (B, K, harmonics + 2·overtones)."""
        cosines, sines = folded.coefficients.unbind(2)
        amplitudes, epochs = torch.hypot(cosines, sines), torch.atan2(sines, cosines)
        fundamental = self.period_multiple - 1  # the index of the period's own harmonic
        overtones = slice(fundamental + self.period_multiple, None, self.period_multiple)
        numbers = torch.arange(2, self.harmonics // self.period_multiple + 1, device=epochs.device)
        relative = epochs[..., overtones] - numbers * epochs[..., fundamental : fundamental + 1]
        return torch.cat(
            (amplitudes, amplitudes[..., overtones] * relative.cos(), amplitudes[..., overtones] * relative.sin()), dim=-1
        )

    def forward(self, folded: FoldedTimes, gates: torch.Tensor) -> torch.Tensor:
        """Features of every observation, (B, L, D)."""
        harmonics = torch.arange(1, self.harmonics + 1, device=gates.device)
        angles = 2 * math.pi * harmonics[:, None] * folded.phases[:, :, None]  # (B, K, harmonics, L)
        of_observation = torch.cat((angles.sin(), angles.cos(), folded.fits[:, :, None]), dim=2) * gates[:, :, None, None]
        of_period = torch.stack(
            (gates, folded.powers, torch.tanh(folded.significances / 20), folded.frequencies.log10().clamp(-4, 2)), dim=2
        )
        of_window = torch.cat((of_period, self.shapes(folded)), dim=2)
        of_window = of_window[..., None].expand(-1, -1, -1, angles.shape[-1])
        features = torch.cat((of_observation, of_window), dim=2).flatten(1, 2).transpose(1, 2)
        return self.projection(features.to(self.projection.weight.dtype))


class AstromerSeparationBias(nn.Module):
    """Preference of each head for near observations, -g·log(1 + d/s) on the logits, the same in every block. Not in the paper.

    exp(bias) = (1 + d/s)^-g is a heavy-tailed kernel, so that attention starts out as a kernel regression, which honest hiding
    needs to leave the plateau of predicting the mean. A time head measures d in days; each of the last K heads measures it in
    cycles of one candidate period, and as far as that period is trusted. Nothing of it is learned: learned scales and strengths
    hardly move from where they start, and a mask that passes no gradient lets training use fused attention.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        num_time_heads = config.num_attention_heads - config.num_folding_periods
        self.time_scales = [float(scale) for scale in config.time_bias_scales or ()]
        self.num_unbiased = num_time_heads - len(self.time_scales)  # all time heads or none
        self.phase_scale = float(config.phase_bias_scale)
        self.phase_strength = float(config.phase_bias_strength)
        self.period_multiple = config.folding_period_multiple

    @torch.no_grad()
    def forward(self, times: torch.Tensor, folded: FoldedTimes | None, gates: torch.Tensor | None) -> torch.Tensor:
        """Bias (B, H, L, L), float32, for `times` (B, L), phases (B, K, L) and how far they are trusted, `gates` (B, K)."""
        times = times.float()
        days = (times[:, :, None] - times[:, None, :]).abs()
        heads = [torch.zeros_like(days)] * self.num_unbiased
        heads += [-torch.log1p(days / scale) for scale in self.time_scales]
        if folded is not None and gates is not None:
            cycles = fractional(self.period_multiple * (folded.phases[..., :, None] - folded.phases[..., None, :])).abs()
            heads += (-self.phase_strength * gates[..., None, None] * torch.log1p(cycles / self.phase_scale)).unbind(1)
        return torch.stack(heads, dim=1)


def visible_center_and_scale(magnitudes: torch.Tensor, visible: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of each window's visible magnitudes and their scatter plus 0.02 mag, both (B, 1) float32."""
    magnitudes = torch.where(visible, magnitudes, torch.zeros_like(magnitudes)).float()
    counts = visible.sum(1, keepdim=True).clamp(min=1)
    center = magnitudes.sum(1, keepdim=True) / counts
    variance = ((magnitudes - center).square() * visible).sum(1, keepdim=True) / counts
    return center, variance.sqrt() + 0.02


def fractional(cycles: torch.Tensor) -> torch.Tensor:
    """Cycles beyond the nearest whole one, in [-0.5, 0.5]."""
    return cycles - cycles.round()
