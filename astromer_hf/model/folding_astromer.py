# Copyright 2026 The astromer_hf developers. MIT licence.
"""Periods of a window, found in its visible magnitudes, and features of them for the encoder. Not in the paper; off by default.

`modeling_astromer.py` calls it where `config.num_folding_periods` is set.

Astronomers recognise a variable star by its folded light curve. The paper's encoder must learn to fold from sinusoids of the
absolute time, which it hardly does when hidden magnitudes are really hidden. Here a periodogram proposes periods and a Fourier
series with a floating mean judges them. The encoder also learns how certain each period is.

Shapes: B windows, L observations, D = `hidden_size`, C candidate periods, K chosen ones.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast

from .configuration_astromer import AstromerConfig
from .quantization_astromer import input_dtype


@dataclass
class FoldedTimes:
    """A window's times folded on K candidate periods.

    Args:
        frequencies (`torch.FloatTensor` of shape `(B, K)`): cycles a day, the best first.
        powers (`torch.FloatTensor` of shape `(B, K)`): fraction of the visible magnitudes' variance that a Fourier series of
            `AstromerPeriodogram.search_harmonics` at that frequency explains, in [0, 1).
        evidence (`torch.FloatTensor` of shape `(B, C)`): log likelihood ratio of the series at every candidate against a
            constant, -(n - 7)/2 · ln(1 - power). The first K are the chosen ones. With `unambiguous_folding` a candidate that
            lies within a resolution of a better one has none.
        phases (`torch.FloatTensor` of shape `(B, K, L)`): in cycles of `folding_period_multiple` periods, in [-0.5, 0.5], at
            visible and hidden observations alike; 0 where the period's own sinusoid is faintest, and with
            `unambiguous_folding` at the faintest of these places.
        coefficients (`torch.FloatTensor` of shape `(B, K, 2, folding_harmonics)`): cosines and sines of the Fourier series in
            that phase which fits the visible magnitudes.
        fits (`torch.FloatTensor` of shape `(B, K, L)`): the series at every observation.
    """

    frequencies: torch.Tensor
    powers: torch.Tensor
    evidence: torch.Tensor
    phases: torch.Tensor
    coefficients: torch.Tensor
    fits: torch.Tensor


class AstromerPeriodogram(nn.Module):
    """Find the K best periods of each window in its visible magnitudes and fold its times on them.

    1. Propose. The Schuster periodogram |Σ_j w_j m_j exp(2πi f t_j)|² is computed on a grid of F frequencies f = n·δ, in F/M
       bands of M. With n = c ± d, c in the middle of a band, the exponential is a product, exp(2πi c·δ·t)·exp(±2πi d·δ·t).
       The sums over observations are therefore batched matrix products of F/M + M/2 waves, which both signs share. The C bands
       with the highest peaks give one candidate each.
    2. Judge. Around each peak a Fourier series of 3 harmonics with a floating mean is fitted by penalised least squares at 9
       frequencies, and the best is kept. The floating mean and the harmonics separate most aliases from periods.
    3. Fold on the K candidates that explain most, at least a resolution apart, and fit a series of `folding_harmonics` to each.

    The module has no parameters and passes no gradient. The step δ is 1/(2·span), half of the resolution. It is smaller where F
    such steps would exceed the highest frequency: `max_frequency`, or a fifth of the number of visible observations where that
    is less (but at least 8 cycles a day), because few observations cannot separate many frequencies. The grid of a window of
    long span ends at F/(2·span).
    """

    steps_per_band = 128  # M
    oversampling = 2.0
    refinements = 9
    search_harmonics = 3
    roughness_penalty = 0.01  # of the series, keeps high harmonics from overshooting where no phase is observed
    subharmonic_penalty = 50.0  # over the number of observations, squared: waves longer than the period need many of them

    def __init__(self, config: AstromerConfig):
        super().__init__()
        assert config.num_candidate_periods is not None
        self.num_periods = config.num_folding_periods
        self.num_candidates = config.num_candidate_periods
        self.period_multiple = config.folding_period_multiple
        self.harmonics = config.folding_harmonics
        self.num_bands = config.num_frequencies // self.steps_per_band
        self.max_frequency = float(config.max_frequency)
        self.is_unambiguous = config.unambiguous_folding

    @torch.no_grad()
    def forward(
        self, magnitudes: torch.Tensor, times: torch.Tensor, visible: torch.Tensor, weights: torch.Tensor | None = None
    ) -> FoldedTimes:
        """Fold windows (B, L). `magnitudes` count where `visible`, with their `weights` if given; `times` are in days."""
        with maybe_autocast(device_type=times.device.type, enabled=False):
            times = times.float()
            weights = visible.float() if weights is None else weights.float() * visible
            total_weight = weights.sum(1, keepdim=True).clamp(min=1e-12)
            magnitudes = torch.where(visible, magnitudes.float(), torch.zeros_like(times))
            magnitudes = (magnitudes - (weights * magnitudes).sum(1, keepdim=True) / total_weight) * visible
            seen_times = torch.where(visible, times, torch.zeros_like(times))
            span = (seen_times.amax(1) - seen_times.amin(1)).clamp(min=1.0)[:, None]
            count = visible.sum(1, keepdim=True)
            highest = (count / 5).clamp(min=8.0).clamp(max=self.max_frequency)
            step = torch.minimum(1 / (self.oversampling * span), highest / (self.num_bands * self.steps_per_band))

            peaks = self._peaks_of_bands(weights * magnitudes, times * step)
            offsets = torch.linspace(-1, 1, self.refinements, device=times.device)
            frequencies = (peaks[..., None] + offsets).clamp(min=0.5) * step[..., None]  # (B, C, refinements)
            powers, best = self._explained(magnitudes, times, weights, frequencies).max(-1)
            frequencies = frequencies.gather(-1, best[..., None]).squeeze(-1)
            order = self._order(frequencies, powers, 1 / span)
            frequencies, powers = frequencies.gather(1, order), powers.gather(1, order)

            evidence = -torch.log1p(-powers) * (count - (2 * self.search_harmonics + 1)).clamp(min=0) / 2
            if self.is_unambiguous:
                evidence = evidence.masked_fill(self._repeats_better(frequencies, powers, 1 / span), 0.0)
            frequencies, powers = frequencies[:, : self.num_periods], powers[:, : self.num_periods]
            phases = fractional(frequencies[..., None] / self.period_multiple * times[:, None])
            phases, coefficients, fits = self._fit_series(magnitudes, phases, weights)
        return FoldedTimes(frequencies, powers, evidence, phases, coefficients, fits)

    def _peaks_of_bands(self, magnitudes: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """The grid numbers n (B, C) of the highest peaks of the C strongest bands; `steps` (B, L) is δ·t."""

        def waves(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            angles = 2 * math.pi * fractional(numbers[:, None] * steps[:, None])  # (B, numbers, L)
            return angles.cos(), angles.sin()

        grid = torch.arange(max(self.num_bands, self.steps_per_band), device=steps.device, dtype=steps.dtype)
        middle = (self.steps_per_band + 1) / 2  # of the numbers 1 to M
        # Waves in the middle of the bands, by angle addition: band a = i·columns + j.
        columns = next(number for number in range(math.isqrt(self.num_bands), 0, -1) if self.num_bands % number == 0)
        rows = grid[: self.num_bands // columns] * (columns * self.steps_per_band)
        row_cosines, row_sines = ((wave * magnitudes[:, None])[:, :, None] for wave in waves(rows))
        column_cosines, column_sines = (wave[:, None] for wave in waves(grid[:columns] * self.steps_per_band + middle))
        cosines = (row_cosines * column_cosines - row_sines * column_sines).flatten(1, 2)  # (B, bands, L)
        sines = (row_sines * column_cosines + row_cosines * column_sines).flatten(1, 2)
        # The frequencies at equal distances below and above the middle share their products.
        fine = torch.cat(waves(grid[: self.steps_per_band // 2] + 0.5), 1).transpose(1, 2)  # (B, L, M)
        cosines_cosines, cosines_sines = (cosines @ fine).chunk(2, dim=2)  # (B, bands, M/2)
        sines_cosines, sines_sines = (sines @ fine).chunk(2, dim=2)
        below = ((cosines_cosines + sines_sines).square() + (sines_cosines - cosines_sines).square()).max(dim=2)
        above = ((cosines_cosines - sines_sines).square() + (sines_cosines + cosines_sines).square()).max(dim=2)
        bands = torch.maximum(below.values, above.values).topk(self.num_candidates, dim=1).indices
        from_middle = torch.where(above.values >= below.values, above.indices + 0.5, -(below.indices + 0.5))
        return bands * self.steps_per_band + middle + from_middle.gather(1, bands)

    def _explained(
        self, magnitudes: torch.Tensor, times: torch.Tensor, weights: torch.Tensor, frequencies: torch.Tensor
    ) -> torch.Tensor:
        """Fraction of the variance that a penalised series explains at every frequency (B, C, R), in [0, 1)."""
        angles = 2 * math.pi * fractional(frequencies[..., None] * times[:, None, None])
        normal, right = fourier_equations(angles, weights[:, None, None], magnitudes[:, None, None], self.search_harmonics)
        normal = normal + self._penalties(self.search_harmonics, 1, weights)[:, None, None]
        explained = (right * solve_positive_definite(normal, right)).sum(-1)
        total = (weights * magnitudes.square()).sum(1).clamp(min=1e-12)
        return (explained / total[:, None, None]).clamp(0.0, 0.9999)

    def _penalties(self, harmonics: int, period_multiple: int, weights: torch.Tensor) -> torch.Tensor:
        """Ridge of the normal equations, (B, n, n). It grows with the square of a wave's number in the period."""
        orders = torch.arange(harmonics + 1, device=weights.device)
        orders = torch.cat((orders, orders[1:]))
        ridge = 1e-3 + self.roughness_penalty * (orders.to(weights.dtype) / period_multiple).square()
        total = weights.sum(1, keepdim=True).clamp(min=1)
        count = (weights > 0).sum(1, keepdim=True).clamp(min=1)
        no_harmonic = (self.subharmonic_penalty / count).square() * (orders % period_multiple != 0)
        return (total * (ridge + no_harmonic)).diag_embed()

    def _order(self, frequencies: torch.Tensor, powers: torch.Tensor, resolution: torch.Tensor) -> torch.Tensor:
        """Indices of the candidates (B, C), the K chosen first: each explains most among those a resolution from the others."""
        chosen, left = [], powers
        for _ in range(self.num_periods):
            chosen.append(left.argmax(1, keepdim=True))
            near = (frequencies - frequencies.gather(1, chosen[-1])).abs() < resolution
            left = torch.where(near, left - 2, left)  # ranks after all others
        others = powers.scatter(1, torch.cat(chosen, 1), -1.0).argsort(1, descending=True)[:, : -self.num_periods or None]
        return torch.cat((*chosen, others), 1)

    @staticmethod
    def _repeats_better(frequencies: torch.Tensor, powers: torch.Tensor, resolution: torch.Tensor) -> torch.Tensor:
        """Candidates (B, C) that lie within a resolution of a better one, such as a peak on the edge of two bands."""
        near = (frequencies[:, :, None] - frequencies[:, None]).abs() < resolution[..., None]
        rank = torch.arange(frequencies.shape[1], device=frequencies.device)
        better = (powers[:, None] > powers[:, :, None]) | ((powers[:, None] == powers[:, :, None]) & (rank < rank[:, None]))
        return (near & better).any(2)

    def _fit_series(
        self, magnitudes: torch.Tensor, phases: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Penalised least squares in the phases (B, K, L): `phases`, `coefficients` and `fits` of `FoldedTimes`."""
        if phases.device.type != "mps":  # float64 (which mps lacks) makes the solution independent of batch and padding
            phases, magnitudes, weights = phases.double(), magnitudes.double(), weights.double()
        angles = 2 * math.pi * phases
        normal, right = fourier_equations(angles, weights[:, None], magnitudes[:, None], self.harmonics)
        normal = normal + self._penalties(self.harmonics, self.period_multiple, weights)[:, None]
        solved = solve_positive_definite(normal, right)  # (B, K, 1 + 2·harmonics)
        cosines, sines = solved[..., 1 : self.harmonics + 1], solved[..., self.harmonics + 1 :]
        orders = torch.arange(1, self.harmonics + 1, device=angles.device, dtype=angles.dtype)

        # Count phases from where the period's own sinusoid is faintest. A multiple of the period has several such places:
        # without `unambiguous_folding` the day the window is centred on decides between them. (`shapes` is the same for all.)
        own = self.period_multiple - 1
        epoch = torch.atan2(sines[..., own], cosines[..., own])[..., None] / self.period_multiple
        if self.is_unambiguous and self.period_multiple > 1:
            places = torch.arange(self.period_multiple, device=angles.device) * (2 * math.pi / self.period_multiple)
            waves = orders[:, None] * (epoch + places)[..., None, :]  # (B, K, harmonics, multiple)
            there = (cosines[..., None] * waves.cos() + sines[..., None] * waves.sin()).sum(2)
            epoch = epoch + places[there.argmax(-1, keepdim=True)]
        shift_cosines, shift_sines = (orders * epoch).cos(), (orders * epoch).sin()
        cosines, sines = cosines * shift_cosines + sines * shift_sines, sines * shift_cosines - cosines * shift_sines
        phases = fractional(phases - epoch / (2 * math.pi))
        waves = 2 * math.pi * orders[:, None] * phases[:, :, None]  # (B, K, harmonics, L)
        fits = solved[..., :1] + (cosines[..., None] * waves.cos() + sines[..., None] * waves.sin()).sum(2)
        return phases.float(), torch.stack((cosines, sines), dim=2).float(), fits.float()


class AstromerFolding(nn.Module):
    """Features of the candidate periods for every observation, added to its embedding.

    Per period and observation: sines and cosines of the phase and its harmonics, and the fitted Fourier series, both scaled by
    the trust in the period. Per period and window: that trust, power, evidence, log frequency, and the shape of the series. The
    shape does not depend on the zero point of time: it is the amplitude of every harmonic, and for the period's overtones also
    the phase relative to the fundamental (Simon & Lee 1981, ApJ 248, 291).
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
        """Probability that each period is right, (B, K). All candidates and "none of them" share 1 according to their evidence.

        softmax(slope · evidence, offset). The slope tempers the likelihood, since the model of the light curve is never exact.
        The initial values of both were fitted to periods of half-hidden windows of seven surveys
        (`scripts/calibrate_periods.py`); training adjusts them.
        """
        logits = self.gate_slope.float() * folded.evidence
        none = self.gate_offset.float().expand(logits.shape[0], 1)  # `len` would fix the batch size of an export
        return torch.cat((logits, none), 1).softmax(1)[:, : folded.powers.shape[1]]

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
        num_periods = folded.powers.shape[1]
        harmonics = torch.arange(1, self.harmonics + 1, device=gates.device)
        angles = 2 * math.pi * harmonics[:, None] * folded.phases[:, :, None]  # (B, K, harmonics, L)
        of_observation = torch.cat((angles.sin(), angles.cos(), folded.fits[:, :, None]), dim=2) * gates[:, :, None, None]
        evidence = torch.tanh(folded.evidence[:, :num_periods] / 40)
        of_period = torch.stack((gates, folded.powers, evidence, folded.frequencies.log10().clamp(-4, 2)), dim=2)
        of_window = torch.cat((of_period, self.shapes(folded)), dim=2)
        of_window = of_window[..., None].expand(-1, -1, -1, angles.shape[-1])
        features = torch.cat((of_observation, of_window), dim=2).flatten(1, 2).transpose(1, 2)
        return self.projection(features.to(input_dtype(self.projection)))


class AstromerSeparationBias(nn.Module):
    """Preference of each head for near observations, -g·log(1 + d/s) added to the logits, the same in every block.

    exp(bias) = (1 + d/s)^-g is a heavy-tailed kernel, so attention starts as a kernel regression. Training with truly hidden
    magnitudes needs this to leave the plateau of predicting the mean. A time head measures d in days. Each of the last K heads
    measures d in cycles of one candidate period, scaled by the trust in that period. Nothing here is learned: learned scales
    and strengths hardly change in training, and a mask without a gradient allows fused attention.
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
        """Bias (B, H, L, L), float32, for `times` (B, L), phases (B, K, L) and the trust in them, `gates` (B, K)."""
        times = times.float()
        days = (times[:, :, None] - times[:, None, :]).abs()
        heads = [torch.zeros_like(days)] * self.num_unbiased
        heads += [-torch.log1p(days / scale) for scale in self.time_scales]
        if folded is not None and gates is not None:
            cycles = fractional(self.period_multiple * (folded.phases[..., :, None] - folded.phases[..., None, :])).abs()
            heads += (-self.phase_strength * gates[..., None, None] * torch.log1p(cycles / self.phase_scale)).unbind(1)
        return torch.stack(heads, dim=1)


def fourier_equations(
    angles: torch.Tensor, weights: torch.Tensor, magnitudes: torch.Tensor, harmonics: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal equations of a Fourier series in `angles` (..., L), radians: (..., n, n) and (..., n), n = 1 + 2·harmonics.

    The waves are a constant, the cosines and the sines. Products of waves are waves of the sums and differences of their
    numbers, so the sums of 2·`harmonics` cosines and sines give all entries. Higher waves follow from the first by recurrence.
    `weights` and `magnitudes` broadcast against `angles`.
    """
    cosine, sine = angles.cos(), angles.sin()
    weighted, twice = weights * magnitudes, 2 * cosine
    shape = angles.shape[:-1]
    of_cosines, of_sines = [weights.sum(-1).expand(shape)], [torch.zeros_like(cosine[..., 0])]
    right_cosines, right_sines = [weighted.sum(-1).expand(shape)], []
    cosines, sines = (torch.ones_like(cosine), cosine), (torch.zeros_like(sine), sine)
    for order in range(1, 2 * harmonics + 1):
        if order > 1:
            cosines = (cosines[1], twice * cosines[1] - cosines[0])
            sines = (sines[1], twice * sines[1] - sines[0])
        of_cosines.append((weights * cosines[1]).sum(-1))
        of_sines.append((weights * sines[1]).sum(-1))
        if order <= harmonics:
            right_cosines.append((weighted * cosines[1]).sum(-1))
            right_sines.append((weighted * sines[1]).sum(-1))
    even, odd = torch.stack(of_cosines, -1), torch.stack(of_sines, -1)  # (..., 1 + 2·harmonics)
    orders = torch.arange(harmonics + 1, device=angles.device)
    sums, differences = orders[:, None] + orders, orders[:, None] - orders
    sign = differences.sign().to(odd.dtype)
    of_sums, of_differences = even[..., sums], even[..., differences.abs()]
    mixed = (odd[..., sums] - sign * odd[..., differences.abs()])[..., 1:] / 2  # cosine (row) times sine (column)
    upper = torch.cat(((of_sums + of_differences) / 2, mixed), -1)
    lower = torch.cat((mixed.transpose(-1, -2), (of_differences - of_sums)[..., 1:, 1:] / 2), -1)
    return torch.cat((upper, lower), -2), torch.stack((*right_cosines, *right_sines), -1)


def solve_positive_definite(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve `matrix` (..., n, n) x = `right` (..., n) by Gauss-Jordan elimination, unrolled over n.

    There is no pivoting, so the matrices must be symmetric positive definite, such as penalised normal equations. Thousands of
    small systems are solved at once with sums and products only, which every back-end has. (ONNX has no linear solver.)
    """
    size = matrix.shape[-1]
    system = torch.cat((matrix, right[..., None]), dim=-1)  # (..., n, n + 1)
    units = torch.eye(size, dtype=matrix.dtype, device=matrix.device)[..., None].unbind()
    for k, unit in enumerate(units):
        row = system[..., k : k + 1, :]
        row = row / row[..., k : k + 1]
        system = system - (system[..., k : k + 1] - unit) * row  # leaves `row` itself in row k
    return system[..., -1]


def relative_precisions(
    magnitude_errors: torch.Tensor | None, told: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (B, L) of observations with these errors, and features of each error for the encoder, (B, L, 2).

    A weight is 1/(σ² + σ̄²), relative to the mean over the window, where σ̄ is the window's root-mean-square error: no
    observation has more than twice the weight of one with the error σ̄, because stars scatter by themselves too. Unknown errors
    (absent, not finite, not positive, or outside `told`) count as σ̄. The features are log10(error / `scale`), and whether the
    error is known.
    """
    if magnitude_errors is None:
        return torch.ones_like(scale.expand(told.shape)), scale.new_zeros(*told.shape, 2)
    known = told & magnitude_errors.isfinite() & (magnitude_errors > 0)
    errors = torch.where(known, magnitude_errors, torch.zeros_like(magnitude_errors)).float().clamp(max=10.0)
    # In hundredths of a magnitude, so that the floor is not too small a number: ONNX's optimizer takes 1e-8 for 0.
    squares = (100 * errors).square()
    mean_square = squares.sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
    squares = torch.where(known, squares, mean_square)
    weights = (2 * mean_square + 1e-4) / (squares + mean_square + 1e-4)
    count = told.sum(1, keepdim=True)
    mean_weight = torch.where(count > 0, (weights * told).sum(1, keepdim=True) / count.clamp(min=1), 1.0)
    logarithms = ((errors + 1e-3) / scale).log10() * known
    return weights / mean_weight, torch.stack((logarithms, known.float()), dim=-1)


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
