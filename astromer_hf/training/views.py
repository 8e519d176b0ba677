# Copyright 2026 The astromer_hf developers. MIT licence.
"""Views of stars for self-distillation: parts of their light curves, drawn on any device.

Before it stand clean light curves, grouped by star; after it `AstromerForPreTraining`, which pulls a star's views together.
It imports torch and numpy alone, so that it also runs where the data live on a GPU.

A view is what another telescope might have seen of the star: fewer observations, a part of the time span, more noise, another
band; or the star's variation at the times and with the noise of a star of another survey. What all views share is the star.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

Batch = dict[str, torch.Tensor]

SIGNAL_TO_NOISE = 0.7  # the least rms of a variation, in units of the noise of the star whose times it is seen at
LARGEST_ERROR = 0.5  # mag, of which noise is made
HOSTS_TRIED = 8  # stars whose noise may be small enough
LONGEST_SHIFT = 1e4  # days, of a variation in time


@dataclass(frozen=True)
class PackedLightCurves:
    """Light curves of many stars, one after the other, on one device.

    Args:
        times (`torch.DoubleTensor` of shape `(P,)`): days, rising within a light curve.
        magnitudes (`torch.FloatTensor` of shape `(P,)`): mag.
        errors (`torch.FloatTensor` of shape `(P,)`): photometric errors in mag, NaN where unknown.
        offsets (`torch.LongTensor` of shape `(C + 1,)`): where each light curve begins; those of a star follow each other.
        star_offsets (`torch.LongTensor` of shape `(S + 1,)`): the first light curve of each star.
        surveys (`torch.LongTensor` of shape `(S,)`): the number of each star's survey.
    """

    times: torch.Tensor
    magnitudes: torch.Tensor
    errors: torch.Tensor
    offsets: torch.Tensor
    star_offsets: torch.Tensor
    surveys: torch.Tensor

    @classmethod
    def from_numpy(
        cls,
        times: np.ndarray,
        magnitudes: np.ndarray,
        errors: np.ndarray | None,
        offsets: np.ndarray,
        star_offsets: np.ndarray | None = None,
        surveys: np.ndarray | None = None,
    ) -> "PackedLightCurves":
        """Of arrays; every light curve is a star of survey 0 where nothing else is said."""
        star_offsets = np.arange(len(offsets)) if star_offsets is None else star_offsets
        surveys = np.zeros(len(star_offsets) - 1) if surveys is None else surveys
        errors = np.full(len(times), np.nan) if errors is None else errors
        arrays = (times.astype(np.float64), magnitudes.astype(np.float32), errors.astype(np.float32))
        numbers = (array.astype(np.int64) for array in (offsets, star_offsets, surveys))
        return cls(*(torch.from_numpy(array) for array in (*arrays, *numbers)))

    def __len__(self) -> int:
        """Number of stars."""
        return len(self.surveys)

    def to(self, device: torch.device | str) -> "PackedLightCurves":
        """A copy on that device."""
        return PackedLightCurves(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def choose_curves(self, stars: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A light curve of each of these stars, in any of its bands; both of shape `(B,)`."""
        first = self.star_offsets[stars]
        count = self.star_offsets[stars + 1] - first
        return first + (torch.rand(len(stars), generator=generator, device=stars.device) * count).long()


@dataclass(frozen=True)
class Variations:
    """The periodic variation of S stars, and the noise of their light curves, on one device; `transplants.py` measures both.

    Args:
        frequencies (`torch.DoubleTensor` of shape `(S, 2)`): cycles a day, of one period or two.
        coefficients (`torch.ComplexFloatTensor` of shape `(S, 2, H)`): harmonics c_h, in mag, of Re Σ c_h exp(−2πi·h·phase);
            zeros where there is no period.
        rms (`torch.FloatTensor` of shape `(S,)`): mag, of the first series; 0 for a star without a clear period.
        errors (`torch.FloatTensor` of shape `(S,)`): mag, the typical photometric error. Infinite: its times are not used.
        ratios (`torch.FloatTensor` of shape `(S,)`): of the scatter about the variation and the errors.
    """

    frequencies: torch.Tensor
    coefficients: torch.Tensor
    rms: torch.Tensor
    errors: torch.Tensor
    ratios: torch.Tensor

    def to(self, device: torch.device | str) -> "Variations":
        """A copy on that device."""
        return Variations(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def at(self, stars: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Magnitudes about the mean, of stars `(B,)` at times `(B, L)`: `(B, L)`, float32."""
        phases = (self.frequencies[stars][..., None] * days[:, None]) % 1  # (B, 2, L)
        wave = torch.polar(torch.ones_like(phases), -2 * torch.pi * phases).to(self.coefficients.dtype)
        power, total = torch.ones_like(wave), torch.zeros_like(days, dtype=torch.float32)
        for harmonic in range(self.coefficients.shape[2]):
            power = power * wave
            total = total + (self.coefficients[stars, :, harmonic, None] * power).real.sum(1)
        return total


@dataclass(frozen=True)
class ViewRecipe:
    """What part of a light curve a view shows.

    Args:
        length (`int`): columns, and observations at the most.
        kept_fraction (`tuple[float, float]`): of the observations; drawn evenly between the two.
        min_points (`int`): observations at the least, where the light curve has them.
        run_probability (`float`): that the observations come from a part of the time span, of at least `least_run` of them.
        least_run (`float`): fraction of the observations.
        noise_probability (`float`): that noise is added, of a standard deviation up to the median error (0.01 mag if unknown).
        hide_errors_probability (`float`): that the view has no errors.
        hidden_fraction (`float`): of the observations, whose magnitudes are hidden and to be reconstructed.
    """

    length: int = 256
    kept_fraction: tuple[float, float] = (0.4, 1.0)
    min_points: int = 20
    run_probability: float = 0.3
    least_run: float = 0.4
    noise_probability: float = 0.5
    hide_errors_probability: float = 0.2
    hidden_fraction: float = 0.0


def draw_views(curves: PackedLightCurves, chosen: torch.Tensor, recipe: ViewRecipe, generator: torch.Generator) -> Batch:
    """Draw a view of each chosen light curve.

    Args:
        curves: with at least one observation in each light curve.
        chosen (`torch.LongTensor` of shape `(B,)`): their numbers, on the device of `curves`.
        recipe: see `ViewRecipe`.
        generator: of that device.

    Returns:
        Tensors of shape `(B, recipe.length)`: `magnitudes` and `times` (float32, days), relative to their means over what is
        visible and observed; `attention_mask` (int64), `magnitude_errors` (float32, NaN where unknown), and where
        `recipe.hidden_fraction` is positive `masked_positions` (bool) and `labels` (the true magnitudes).
    """
    device, size = chosen.device, len(chosen)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    begin = curves.offsets[chosen]
    total = curves.offsets[chosen + 1] - begin
    part = recipe.least_run + (1 - recipe.least_run) * draw(size)
    part = torch.where(draw(size) < recipe.run_probability, part, torch.ones_like(part))
    run = torch.maximum((part * total).ceil().long(), total.clamp(max=recipe.min_points))
    start = begin + (draw(size) * (total - run + 1)).long().clamp(max=(total - run))
    low, high = recipe.kept_fraction
    kept = ((low + (high - low) * draw(size)) * run).round().long()
    kept = torch.minimum(kept.clamp(min=recipe.min_points, max=recipe.length), run)

    # The `kept` smallest of a random number for each observation of the run, in the order of time.
    longest = int((curves.offsets[1:] - curves.offsets[:-1]).amax()) if len(curves.offsets) > 1 else 1
    column = torch.arange(max(longest, recipe.length), device=device)
    keys = draw(size, len(column)).masked_fill(column >= run[:, None], 2.0)
    picked = keys.topk(recipe.length, dim=1, largest=False).indices
    observed = column[: recipe.length] < kept[:, None]
    picked = picked.masked_fill(~observed, len(column)).sort(1).values
    index = (start[:, None] + picked).where(observed, start[:, None])

    times, magnitudes, errors = curves.times[index], curves.magnitudes[index], curves.errors[index]
    count = kept[:, None]
    times = (times - (times * observed).sum(1, keepdim=True) / count) * observed
    errors = errors.masked_fill(~observed, torch.nan)
    labels = magnitudes = (magnitudes - (magnitudes * observed).sum(1, keepdim=True) / count) * observed

    usual = errors.nanmedian(1, keepdim=True).values.nan_to_num(0.01)
    noise = usual * draw(size, 1) * (draw(size, 1) < recipe.noise_probability)
    magnitudes = magnitudes + noise * observed * torch.randn(magnitudes.shape, generator=generator, device=device)
    errors = torch.hypot(errors, noise.expand_as(errors))
    errors = errors.masked_fill(draw(size, 1) < recipe.hide_errors_probability, torch.nan)

    batch = {"times": times.float(), "attention_mask": observed.long(), "magnitude_errors": errors}
    if recipe.hidden_fraction:
        keys = draw(*observed.shape).masked_fill(~observed, 2.0)
        rank = keys.argsort(1).argsort(1)
        hidden = observed & (rank < (recipe.hidden_fraction * count).floor())
        visible = observed & ~hidden
        mean = (magnitudes * visible).sum(1, keepdim=True) / visible.sum(1, keepdim=True).clamp(min=1)
        batch |= {"masked_positions": hidden, "labels": (labels - mean) * observed}
        magnitudes = (magnitudes - mean) * visible
    return batch | {"magnitudes": magnitudes}


def draw_hosts(
    curves: PackedLightCurves, variations: Variations, stars: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """A star of another survey for each star `(B,)`, whose noise is small enough for the variation to be seen.

    Surveys are equally likely, and so are the stars of a survey. `HOSTS_TRIED` are tried; the star itself stands where none
    will do. Returns numbers of stars, `(B,)`.
    """
    device = stars.device
    sizes = torch.bincount(curves.surveys)
    order, first = curves.surveys.argsort(), sizes.cumsum(0) - sizes
    shape = (len(stars), HOSTS_TRIED)
    other = (torch.rand(shape, generator=generator, device=device) * (len(sizes) - 1)).long()
    other = (other + (other >= curves.surveys[stars][:, None])) % len(sizes)
    within = (torch.rand(shape, generator=generator, device=device) * sizes[other]).long()
    tried = order[(first[other] + within).clamp(max=len(order) - 1)]
    noise = (variations.errors * variations.ratios)[tried]
    is_seen = (noise * SIGNAL_TO_NOISE < variations.rms[stars][:, None]) & (
        curves.surveys[tried] != curves.surveys[stars][:, None]
    )
    return torch.where(is_seen.any(1), tried.gather(1, is_seen.byte().argmax(1, keepdim=True))[:, 0], stars)


def draw_transplanted_views(
    curves: PackedLightCurves, variations: Variations, stars: torch.Tensor, recipe: ViewRecipe, generator: torch.Generator
) -> Batch:
    """A view of each star `(B,)` as another survey would have seen it; where none could see its variation, one of its own.

    It has the times and errors of a view of a star of another survey, the star's variation at a random epoch, and noise of
    these errors times the ratio of scatter and errors of the other star. Nothing is hidden. Returns what `draw_views` returns.
    """
    assert not recipe.hidden_fraction
    hosts = draw_hosts(curves, variations, stars, generator)
    view = draw_views(curves, curves.choose_curves(hosts, generator), recipe, generator)
    shift = LONGEST_SHIFT * torch.rand(len(stars), 1, generator=generator, device=stars.device, dtype=torch.float64)
    observed, typical = view["attention_mask"].bool(), variations.errors[hosts, None]
    noise = view["magnitude_errors"].nan_to_num(0).clamp(max=LARGEST_ERROR)
    noise = torch.where(noise > 0, noise, typical) * variations.ratios[hosts, None]
    random = torch.randn(noise.shape, generator=generator, device=stars.device)
    magnitudes = (variations.at(stars, view["times"] + shift) + noise * random) * observed
    mean = magnitudes.sum(1, keepdim=True) / observed.sum(1, keepdim=True).clamp(min=1)
    is_other = (hosts != stars)[:, None]
    return view | {"magnitudes": torch.where(is_other, (magnitudes - mean) * observed, view["magnitudes"])}


def hide_nothing(view: Batch) -> Batch:
    """The view with the fields of one whose observations may be hidden; no label counts."""
    nothing = torch.zeros_like(view["attention_mask"], dtype=torch.bool)
    return view | {"masked_positions": nothing, "labels": torch.zeros_like(view["magnitudes"])}


def draw_star_views(
    curves: PackedLightCurves, stars: torch.Tensor, recipes: Sequence[ViewRecipe], generator: torch.Generator
) -> Batch:
    """A view of each star by each recipe, all of one length, in any of its bands: tensors of shape `(B, V, length)`.

    Views that hide nothing have no hidden position, and no label counts.
    """
    parts = []
    for recipe in recipes:
        part = draw_views(curves, curves.choose_curves(stars, generator), recipe, generator)
        if any(other.hidden_fraction for other in recipes) and not recipe.hidden_fraction:
            part = hide_nothing(part)
        parts.append(part)
    return {name: torch.stack([part[name] for part in parts], dim=1) for name in parts[0]}


@dataclass(frozen=True)
class MultiViewRecipe:
    """The views of a star in a training step.

    Args:
        length, local_length (`int`): columns of a global and of a local view.
        num_global_views, num_local_views (`int`): how many of each.
        num_masked_views (`int`): of the global views, which have half of their magnitudes hidden, to be reconstructed.
        num_transplanted_views (`int`): global views as other surveys would have seen the star; beside the others.

    Raises:
        ValueError: none or more than all of the global views are masked.
    """

    length: int = 320
    local_length: int = 64
    num_global_views: int = 2
    num_masked_views: int = 1
    num_local_views: int = 2
    num_transplanted_views: int = 0

    def __post_init__(self) -> None:
        most, masked = self.num_global_views, self.num_masked_views
        if not 1 <= masked <= most:
            raise ValueError(f"`num_masked_views` must be between 1 and `num_global_views`, which is {most}, got {masked}.")

    @property
    def num_views(self) -> int:
        """All views of a star."""
        return self.num_global_views + self.num_transplanted_views + self.num_local_views

    def recipes(self) -> tuple[list[ViewRecipe], list[ViewRecipe]]:
        """Those of the global views and those of the local ones."""
        whole = ViewRecipe(self.length)
        masked = replace(whole, noise_probability=0.0, hidden_fraction=0.5)
        local = ViewRecipe(self.local_length, kept_fraction=(0.1, 0.5), run_probability=0.5, least_run=0.2)
        shown = [whole] * (self.num_global_views - self.num_masked_views)
        return [masked] * self.num_masked_views + shown, [local] * self.num_local_views

    def draw(
        self,
        curves: PackedLightCurves,
        stars: torch.Tensor,
        generator: torch.Generator,
        variations: Variations | None = None,
    ) -> dict[str, object]:
        """The forward arguments of `AstromerForPreTraining` for these stars `(B,)`.

        Raises:
            ValueError: `num_transplanted_views` without `variations`.
        """
        whole, local = self.recipes()
        views = draw_star_views(curves, stars, whole, generator)
        for _ in range(self.num_transplanted_views):
            if variations is None:
                raise ValueError(
                    "`num_transplanted_views` needs the periods of stars: name a folder of `features` in the recipe."
                )
            view = hide_nothing(draw_transplanted_views(curves, variations, stars, ViewRecipe(self.length), generator))
            views = {name: torch.cat((tensor, view[name][:, None]), dim=1) for name, tensor in views.items()}
        batch: dict[str, object] = dict(views)
        if local:
            batch["local_views"] = draw_star_views(curves, stars, local, generator)
        return batch
