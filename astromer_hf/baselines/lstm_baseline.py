# Copyright 2026 The astromer_hf developers. MIT licence.
"""The paper's baseline (Sect. 7, Fig. 10): its LSTM classifier on the light curve itself, without an encoder.

Inputs and outputs are those of `AstromerForSequenceClassification`, so scripts can use either. Only `classifier_lstm_sizes`,
`classifier_dropout` and the labels of the config are used.
"""

import torch
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from ..model.configuration_astromer import AstromerConfig
from ..model.heads_astromer import AstromerLSTMHead
from ..model.losses_astromer import sequence_classification_loss
from ..model.modeling_astromer import AstromerPreTrainedModel, resolve_masks


class LightCurveLSTMForSequenceClassification(AstromerPreTrainedModel):
    """Two LSTM layers over the magnitudes and time differences of a window's observations.

    Time differences range from minutes to months, so the LSTM reads log(1 + Δt/d), which is 0 at the first observation.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.classifier = AstromerLSTMHead(config, input_size=2)
        self.loss_function = sequence_classification_loss
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutput:
        r"""Classify windows; arguments and returns as of `AstromerForSequenceClassification`."""
        observed, _ = resolve_masks(magnitudes, times, attention_mask, None)
        gaps = torch.diff(times, dim=1, prepend=times[:, :1]).float().clamp(min=0)
        observations = torch.stack((magnitudes.float(), gaps.log1p()), dim=-1).to(self.dtype)
        logits = self.classifier(observations, observed)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(loss=loss, logits=logits)
