# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the models of reconstruction and pre-training return; the others return outputs of transformers.

`modeling_astromer.py` and `pretraining_astromer.py` fill them.

Shapes: B windows, L observations a window, D = `hidden_size`, H heads; N stars, V views of each, P = `projection_size`.
"""

from dataclasses import dataclass

import torch
from transformers.utils import ModelOutput


@dataclass
class AstromerForMaskedReconstructionOutput(ModelOutput):
    r"""What `AstromerForMaskedReconstruction` returns.

    Args:
        loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with `labels`): root of the mean over windows of
            each window's mean squared error over scored observations, in magnitudes.
        reconstruction (`torch.FloatTensor` of shape `(B, L)`): centred magnitude predicted at every observation.
        last_hidden_state (`torch.FloatTensor` of shape `(B, L, D)`): embedding of every observation.
        pooler_output (`torch.FloatTensor` of shape `(B, D)`): their mean over the observations of each window.
        hidden_states (`tuple`, *optional*): embeddings before the first block and after every block, each `(B, L, D)`.
        attentions (`tuple`, *optional*): attention weights of every block, each `(B, H, L, L)`; eager attention only.
    """

    loss: torch.Tensor | None = None
    reconstruction: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


@dataclass
class AstromerForPreTrainingOutput(ModelOutput):
    r"""What `AstromerForPreTraining` returns.

    Args:
        loss (`torch.FloatTensor` of shape `(1,)`): reconstruction + distillation + features, by their weights in the config.
        reconstruction_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with `labels`): of the hidden magnitudes.
        invariance_loss (`torch.FloatTensor` of shape `(1,)`): mean squared distance of the views from their star's centre.
        regularization_loss (`torch.FloatTensor` of shape `(1,)`): SIGReg's statistic.
        feature_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with `target_features`): mean squared error of
            the predicted features.
        projections (`torch.FloatTensor` of shape `(N, V, P)`): of all views, the global ones first.
        pooler_output (`torch.FloatTensor` of shape `(N, V, D)`): embeddings of the global views.
        reconstruction (`torch.FloatTensor` of shape `(N, V, L)`): of the global views.
        hidden_states, attentions (`tuple`, *optional*): of the global views, as of `AstromerForMaskedReconstruction`, with
            B = N · V rows.
    """

    loss: torch.Tensor | None = None
    reconstruction_loss: torch.Tensor | None = None
    invariance_loss: torch.Tensor | None = None
    regularization_loss: torch.Tensor | None = None
    feature_loss: torch.Tensor | None = None
    projections: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    reconstruction: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


__all__ = ["AstromerForMaskedReconstructionOutput", "AstromerForPreTrainingOutput"]
