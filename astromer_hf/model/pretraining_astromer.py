# Copyright 2026 The astromer_hf developers. MIT licence.
"""`AstromerForPreTraining`: reconstruction of hidden magnitudes and self-distillation over views of a star, together.

Before it stands `training/views.py`, which draws the views; after it the encoder and decoder alone are kept. Reconstruction
(paper, Sect. 4) asks about single observations, and hardly anything asks the embedding to say what kind of star this is. So the
embeddings of several views of a star are pulled together, and kept from collapsing by SIGReg (Balestriero & LeCun 2025, LeJEPA,
arXiv:2511.08544): along random directions their projections must look like samples of a normal distribution.

Shapes: N stars, V views of each, L observations a view, D = `hidden_size`, P = `projection_size`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.nn.functional import all_reduce
from transformers import initialization as init
from transformers.utils import can_return_tuple
from transformers.utils.generic import maybe_autocast

from .configuration_astromer import AstromerConfig
from .modeling_astromer import AstromerForMaskedReconstruction
from .outputs_astromer import AstromerForPreTrainingOutput


class AstromerProjector(nn.Module):
    """From an embedding to where views are compared: linear, batch norm, GELU, linear. It is not kept after the training."""

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.hidden_size, config.projection_hidden_size),
            nn.BatchNorm1d(config.projection_hidden_size),
            nn.GELU(),
            nn.Linear(config.projection_hidden_size, config.projection_size),
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(N, V, D) to (N, V, P)."""
        return self.layers(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2])


class SketchedIsotropicGaussianLoss(nn.Module):
    """SIGReg: how far embeddings are from samples of an isotropic normal distribution (LeJEPA, Sect. 4).

    Each step draws 256 directions. Along each the Epps-Pulley statistic N·∫|φ_N(t) - exp(-t²/2)|²·exp(-t²/2) dt compares the
    empirical characteristic function φ_N of the N stars with the normal one, by trapezoids at 17 points in [0, 5]. The
    integrand is even in t, so this is [-5, 5].

    Over several processes φ_N is averaged over all of them, and N is their total: the statistic and its gradient are those of
    one process with all stars. Every process draws the same directions, from a counter that checkpoints keep and that only
    training advances. Under gradient accumulation it is of each micro-batch: a mean of statistics, not the statistic of all.
    """

    num_directions = 256
    num_points = 17
    limit = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.num_draws = nn.Buffer(torch.zeros((), dtype=torch.long))

    def forward(self, projections: torch.Tensor) -> torch.Tensor:
        """The mean statistic of the views of `projections` (N, V, P), in float32 whatever the model computes in."""
        with maybe_autocast(device_type=projections.device.type, enabled=False):
            return self._statistic(projections.float())

    def _statistic(self, projections: torch.Tensor) -> torch.Tensor:
        num_stars, _, size = projections.shape
        generator = torch.Generator(projections.device).manual_seed(int(self.num_draws))
        if self.training:
            self.num_draws.add_(1)
        directions = torch.randn(size, self.num_directions, generator=generator, device=projections.device)
        directions = directions / directions.norm(dim=0)
        points = torch.linspace(0, self.limit, self.num_points, device=projections.device)
        normal = torch.exp(-points.square() / 2)
        weights = 2 * self.limit / (self.num_points - 1) * normal
        weights[0], weights[-1] = weights[0] / 2, weights[-1] / 2
        angles = (projections @ directions)[..., None] * points  # (N, V, directions, points)
        function = torch.stack((angles.cos().mean(0), angles.sin().mean(0)))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            world = torch.distributed.get_world_size()
            function, num_stars = all_reduce(function) / world, num_stars * world
        return num_stars * (((function[0] - normal).square() + function[1].square()) @ weights).mean()


class AstromerForPreTraining(AstromerForMaskedReconstruction):
    """ASTROMER with a decoder for hidden magnitudes and a projector for self-distillation over views."""

    def __init__(self, config: AstromerConfig):
        super().__init__(config)
        self.projector = AstromerProjector(config)
        self.regularizer = SketchedIsotropicGaussianLoss()
        self.feature_head = nn.Linear(config.hidden_size, config.num_target_features) if config.num_target_features else None
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SketchedIsotropicGaussianLoss):
            init.zeros_(module.num_draws)

    @classmethod
    def with_new_projector(cls, folder: str, config: AstromerConfig) -> "AstromerForPreTraining":
        """Encoder and decoder of a checkpoint, which is checked as by `from_pretrained`; projector and feature head are new."""
        model = cls(config)
        kept = AstromerForMaskedReconstruction.from_pretrained(folder, config=config)
        model.load_state_dict(kept.state_dict(), strict=False)
        return model

    def without_projector(self) -> AstromerForMaskedReconstruction:
        """Encoder and decoder, which are what a checkpoint needs; they share their weights with this model."""
        kept = AstromerForMaskedReconstruction(self.config)
        kept.model, kept.decoder_layer_norm, kept.decoder = self.model, self.decoder_layer_norm, self.decoder
        return kept

    @can_return_tuple
    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        masked_positions: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        magnitude_errors: torch.Tensor | None = None,
        local_views: Mapping[str, torch.Tensor] | None = None,
        target_features: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> AstromerForPreTrainingOutput:
        r"""Compare the views of stars, and reconstruct what is hidden in them.

        Args:
            magnitudes, times, attention_mask, masked_positions, labels, magnitude_errors: as for
                `AstromerForMaskedReconstruction`, of shape `(N, V, L)`: global views. Hidden observations are scored.
            local_views: the same arguments of shape `(N, V', L')` without labels: shorter views, which are pulled to the centre
                of their star's global ones.
            target_features (`torch.FloatTensor` of shape `(N, F)`, *optional*): numbers to predict from every view's embedding
                by a linear layer, NaN where unknown.

        Returns:
            `AstromerForPreTrainingOutput`

        Raises:
            ValueError: shapes differ, or there is nothing to compare.
        """
        shape = magnitudes.shape
        if magnitudes.ndim != 3 or (self.training and magnitudes.shape[0] * magnitudes.shape[1] < 2):
            raise ValueError(
                "`magnitudes` must have the shape (stars, views, length), with two views or more in training, got "
                f"{tuple(shape)}."
            )
        tensors = (magnitudes, times, attention_mask, masked_positions, labels, magnitude_errors)
        flat = (None if tensor is None else tensor.flatten(0, 1) for tensor in tensors)
        names = ("magnitudes", "times", "attention_mask", "masked_positions", "labels", "magnitude_errors")
        whole = super().forward(**dict(zip(names, flat, strict=True)), return_dict=True, **kwargs)
        pooled = whole.pooler_output.unflatten(0, shape[:2])
        embeddings = pooled
        if local_views is not None:
            local = {name: tensor.flatten(0, 1) for name, tensor in local_views.items()}
            of_local = self.model(**local, return_dict=True, **kwargs).pooler_output
            embeddings = torch.cat((pooled, of_local.unflatten(0, local_views["magnitudes"].shape[:2])), dim=1)

        projections = self.projector(embeddings).float()
        center = projections[:, : shape[1]].mean(1, keepdim=True)
        invariance = (projections - center).square().mean()
        regularization = self.regularizer(projections)
        share = self.config.regularization_fraction
        loss = self.config.distillation_weight * ((1 - share) * invariance + share * regularization)
        if whole.loss is not None:
            loss = loss + self.config.reconstruction_weight * whole.loss
        feature_loss = None
        if self.feature_head is not None and target_features is not None:
            known = target_features.isfinite()[:, None]
            difference = self.feature_head(embeddings).float() - target_features.nan_to_num()[:, None]
            feature_loss = (difference.square() * known).sum() / (known.sum() * embeddings.shape[1]).clamp(min=1)
            loss = loss + self.config.feature_weight * feature_loss
        return AstromerForPreTrainingOutput(
            loss=loss,
            reconstruction_loss=whole.loss,
            invariance_loss=invariance,
            regularization_loss=regularization,
            feature_loss=feature_loss,
            projections=projections,
            pooler_output=pooled,
            reconstruction=whole.reconstruction.unflatten(0, shape[:2]),
            hidden_states=whole.hidden_states,
            attentions=whole.attentions,
        )


__all__ = ["AstromerForPreTraining", "AstromerForPreTrainingOutput"]
