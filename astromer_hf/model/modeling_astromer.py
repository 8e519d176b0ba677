# Copyright 2026 The astromer_hf developers. MIT licence.
# ruff: noqa: RUF012 - transformers reads these class attributes as they stand
"""ASTROMER (Donoso-Oliva et al. 2023, A&A 670, A54): the encoder and its two heads.

The order is that of the paper: time encoding (Sect. 3.2), magnitude embedding (Sect. 4.2), self-attention blocks (Sects. 3.1
and 4.2), reconstruction of hidden magnitudes (Sects. 4.3 and 4.4) and classification (Sect. 7). Masks, heads, losses and
outputs have files of their own; `folding_astromer.py` holds what the paper does not have. The input comes from
`feature_extraction_astromer.py`.

Shapes: B windows, L observations a window, D = `hidden_size`, H heads. The polarity of a mask is stated where it enters.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple
from transformers.utils.generic import maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .attention_astromer import choose_attention
from .configuration_astromer import AstromerConfig
from .folding_astromer import (
    AstromerFolding,
    AstromerSeparationBias,
    FoldedTimes,
    relative_precisions,
    visible_center_and_scale,
)
from .heads_astromer import (
    AstromerClassificationHead,
    AstromerHeadLinear,
    AstromerNovelty,
    flatten_bands,
    mean_over_observed,
    select_states,
)
from .losses_astromer import RECONSTRUCTION_LOSSES, inverse_error_weights, sequence_classification_loss
from .masks_astromer import add_to_mask, attention_mask_of, center_times, resolve_masks
from .outputs_astromer import AstromerForMaskedReconstructionOutput
from .quantization_astromer import AstromerMeasurementLinear, input_dtype
from .weights_astromer import StrictPreTrainedModel


class AstromerTimeEncoding(nn.Module):
    """Sinusoidal encoding of the observation times (paper, Eqs. 3-4): PE_j(t) = sin(ω_j t) for even j, cos(ω_j t) for odd j.

    ω_j = base^(-2j/D) for every j in [0, D), as in the released code; a sine and a cosine do not share one ω. The frequencies
    fall from 1 rad/day to base^-2, where 2 is `time_encoding_exponent`. Angles are always computed in float32, because bfloat16
    cannot tell two nights apart.
    """

    angular_frequencies: torch.Tensor

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.hidden_size = config.hidden_size
        self.base = float(config.time_encoding_base)
        self.exponent = float(config.time_encoding_exponent)
        self.angular_frequencies = nn.Buffer(self.compute_angular_frequencies(), persistent=False)

    def compute_angular_frequencies(self) -> torch.Tensor:
        """ω_j in rad/day, float32, shape `(D,)`."""
        exponents = [self.exponent * j / self.hidden_size for j in range(self.hidden_size)]
        return torch.tensor([self.base**-exponent for exponent in exponents], dtype=torch.float32)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "AstromerTimeEncoding":
        frequencies = self.angular_frequencies
        super()._apply(fn, recurse)
        if self.angular_frequencies.dtype != torch.float32:  # `.to(bfloat16)` moves the buffer but must not round it
            self.angular_frequencies = frequencies.to(self.angular_frequencies.device)
        return self

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """Encode `times` (B, L), days, into (B, L, D), float32."""
        with maybe_autocast(device_type=times.device.type, enabled=False):
            angles = times.float()[..., None] * self.angular_frequencies
            return torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1).flatten(-2)


class AstromerEmbeddings(nn.Module):
    """The input of the first block (paper, Sect. 4.2, App. A): linear embedding of the magnitude plus encoding of the time.

    Options beyond the paper add folded phases, the scale of the window's variation, bands and photometric errors.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.magnitude_embedding = AstromerMeasurementLinear(1, config.hidden_size)
        self.time_encoding = AstromerTimeEncoding(config)
        self.mask_token = nn.Parameter(torch.empty(())) if config.use_mask_token else None
        self.folding = AstromerFolding(config) if config.num_folding_periods else None
        self.scale_embedding = AstromerMeasurementLinear(2, config.hidden_size) if config.normalize_amplitude else None
        num_bands = len(config.bands or [])
        self.band_embedding = nn.Embedding(num_bands, config.hidden_size) if config.use_band_embedding else None
        self.error_embedding = AstromerMeasurementLinear(2, config.hidden_size) if config.use_magnitude_errors else None

    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        scale_features: torch.Tensor | None = None,
        folded: FoldedTimes | None = None,
        gates: torch.Tensor | None = None,
        band_ids: torch.Tensor | None = None,
        error_features: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Embed `magnitudes` and `times`, both (B, L), into (B, L, D)."""
        dtype = input_dtype(self.magnitude_embedding)
        embedded = self.magnitude_embedding(magnitudes[..., None].to(dtype))
        embedded = embedded + self.time_encoding(times).to(embedded.dtype)
        if self.scale_embedding is not None:
            assert scale_features is not None
            embedded = embedded + self.scale_embedding(scale_features.to(dtype))
        if self.folding is not None:
            embedded = embedded + self.folding(folded, gates)
        if self.band_embedding is not None:
            if band_ids is None:
                raise ValueError("`use_band_embedding` is set: give `band_ids`, the number in `bands` of every observation.")
            embedded = embedded + self.band_embedding(band_ids)
        if self.error_embedding is not None:
            assert error_features is not None
            embedded = embedded + self.error_embedding(error_features.to(dtype))
        return embedded


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax(QKᵀ·scaling + mask) V, keeping the weights; query, key, value are (B, H, L, D/H)."""
    logits = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        logits = logits + attention_mask
    weights = nn.functional.softmax(logits, dim=-1, dtype=torch.float32).to(value.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class AstromerAttention(nn.Module):
    """Multi-head self-attention over the observations of a window (paper, Eqs. 1-2) and its output projection."""

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5 / config.attention_temperature
        self.is_causal = False
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        batch_and_length = hidden_states.shape[:-1]
        heads = (*batch_and_length, -1, self.head_dim)
        query = self.q_proj(hidden_states).view(heads).transpose(1, 2)
        key = self.k_proj(hidden_states).view(heads).transpose(1, 2)
        value = self.v_proj(hidden_states).view(heads).transpose(1, 2)

        name = self.config._attn_implementation
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(name, eager_attention_forward)  # transformers looks for this call here
        attend = choose_attention(name, query, attend)
        mixed, weights = attend(self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling, **kwargs)
        return self.o_proj(mixed.reshape(*batch_and_length, -1).contiguous()), weights


class AstromerMLP(nn.Module):
    """The feed-forward layer of a block: D -> `intermediate_size` (tanh) -> D."""

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.activation(self.fc1(hidden_states)))


class AstromerLayer(GradientCheckpointingLayer):
    """One block: attention, dropout, layer norm, feed-forward, dropout, layer norm. The paper's block has no residuals.

    `use_residual` adds each sublayer's input to its output before the layer norm, directly or through a learned linear layer.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.use_residual = config.use_residual
        self.attention = AstromerAttention(config)
        self.attention_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = AstromerMLP(config)
        self.output_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        projects = config.use_residual_projection
        self.attention_residual = nn.Linear(config.hidden_size, config.hidden_size) if projects else nn.Identity()
        self.mlp_residual = nn.Linear(config.hidden_size, config.hidden_size) if projects else nn.Identity()

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        mixed, _ = self.attention(hidden_states, attention_mask, **kwargs)
        mixed = self.dropout(mixed)
        if self.use_residual:
            mixed = self.attention_residual(hidden_states) + mixed
        hidden_states = self.attention_layer_norm(mixed)
        transformed = self.dropout(self.mlp(hidden_states))
        if self.use_residual:
            transformed = self.mlp_residual(hidden_states) + transformed
        return self.output_layer_norm(transformed)


class AstromerPreTrainedModel(StrictPreTrainedModel):
    """Weight initialisation for every ASTROMER model."""

    config: AstromerConfig
    base_model_prefix = "model"
    main_input_name = "magnitudes"
    input_modalities = "time"
    _input_embed_layer = "magnitude_embedding"
    _no_split_modules = ["AstromerEmbeddings", "AstromerLayer"]
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": AstromerLayer, "attentions": AstromerAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, AstromerHeadLinear) and module.initializer_range is not None:
            init.normal_(module.weight, std=module.initializer_range)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)  # the default of Keras, and the paper's (Sect. 6.1)
        elif isinstance(module, AstromerTimeEncoding):  # not in the checkpoint, so loading does not set it
            init.copy_(module.angular_frequencies, module.compute_angular_frequencies())
        elif isinstance(module, AstromerClassificationHead) and module.layer_weights is not None:
            init.zeros_(module.layer_weights)
        elif isinstance(module, AstromerEmbeddings) and module.mask_token is not None:
            init.zeros_(module.mask_token)
        elif isinstance(module, AstromerFolding):
            init.constant_(module.gate_slope, 0.35)
            init.constant_(module.gate_offset, 8.0)
        elif isinstance(module, AstromerNovelty):
            init.constant_(module.directions, torch.nan)
            init.constant_(module.references, torch.nan)


class AstromerModel(AstromerPreTrainedModel):
    """The ASTROMER encoder: embeddings of every observation (`last_hidden_state`) and of the window (`pooler_output`)."""

    def __init__(self, config: AstromerConfig):
        super().__init__(config)
        self.embeddings = AstromerEmbeddings(config)
        self.separation_bias = AstromerSeparationBias(config) if config.uses_separations else None
        self.layers = nn.ModuleList([AstromerLayer(config) for _ in range(config.num_hidden_layers)])
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        masked_positions: torch.Tensor | None = None,
        band_ids: torch.Tensor | None = None,
        magnitude_errors: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling:
        r"""Encode windows of light curves.

        Args:
            magnitudes (`torch.FloatTensor` of shape `(B, L)`): magnitudes centred to zero mean in each window.
            times (`torch.FloatTensor` of shape `(B, L)`): days, float32 or float64. Times that are not centred to zero mean in
                each window are centred here (`center_times`); those of float32 have lost minutes by then, as half precision
                has lost days: one bfloat16 step at 1000 d is 8 d.
            attention_mask (`torch.Tensor` of shape `(B, L)`, *optional*): 1 for observations, 0 for padding. All
                observations when absent.
            masked_positions (`torch.BoolTensor` of shape `(B, L)`, *optional*): True for observations whose magnitude is
                hidden from the encoder, as `config.masking_scheme` defines it; none when absent.
            band_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): the band of every observation, a number in
                `config.bands`; used where `config.use_band_embedding` is set.
            magnitude_errors (`torch.FloatTensor` of shape `(B, L)`, *optional*): photometric errors, mag; NaN and 0 are
                unknown. Used where `config.use_magnitude_errors` is set, and not in windows with masked positions.

        Returns:
            `BaseModelOutputWithPooling`: `last_hidden_state` (B, L, D) and `pooler_output` (B, D), its mean over
            observations (paper, Sect. 7), which is 0 for a window without observations. Rows of `last_hidden_state` at padding
            have no meaning.

        Raises:
            ValueError: shapes differ, or there is no window or no column.
        """
        observed, masked = resolve_masks(magnitudes, times, attention_mask, masked_positions)
        visible = observed & ~masked if self.config.masking_scheme == "hidden" else observed
        # Selected, not multiplied: padding and hidden observations may hold any value, NaN included.
        magnitudes = torch.where(visible, magnitudes, torch.zeros_like(magnitudes))
        times = center_times(times, observed)

        scale_features = error_features = weights = None
        if self.config.normalize_amplitude or self.config.use_magnitude_errors:
            center, scale = visible_center_and_scale(magnitudes, visible)
        if self.config.use_magnitude_errors:
            told = observed & ~masked.any(1, keepdim=True)  # the error of a hidden observation would tell its magnitude
            weights, error_features = relative_precisions(magnitude_errors, told, scale)
        if self.config.normalize_amplitude:
            magnitudes = torch.where(visible, (magnitudes - center) / scale, torch.zeros_like(magnitudes))
            counts = visible.sum(1, keepdim=True).clamp(min=1).float()
            scale_features = torch.stack((scale.log10() + 1, counts.log10() - 2), dim=-1)
        folded = gates = None
        if (folding := self.embeddings.folding) is not None:
            folded = folding.periodogram(magnitudes, times, visible, weights)
            gates = folding.gates(folded)
        if (token := self.embeddings.mask_token) is not None:
            magnitudes = torch.where(masked, token.to(magnitudes.dtype), magnitudes)
        hidden_states = self.embeddings(magnitudes, times, scale_features, folded, gates, band_ids, error_features)
        hidden = None if masked_positions is None else masked
        mask = attention_mask_of(self.config, hidden_states, observed, hidden, visible)
        if self.separation_bias is not None:
            mask = add_to_mask(mask, self.separation_bias(times, folded, gates).to(hidden_states.dtype))
        for layer in self.layers:  # by position, since reentrant checkpointing drops the gradients of keywords
            hidden_states = layer(hidden_states, mask, **kwargs)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states, pooler_output=mean_over_observed(hidden_states, observed)
        )


class AstromerForMaskedReconstruction(AstromerPreTrainedModel):
    """ASTROMER with the decoder of its pre-training task: layer norm and one linear unit (paper, Sect. 4.4)."""

    accepts_loss_kwargs = False  # the loss is a root of means: Trainer must not rescale it by a count of items

    def __init__(self, config: AstromerConfig):
        super().__init__(config)
        self.model = AstromerModel(config)
        self.decoder_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, 1)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        masked_positions: torch.Tensor | None = None,
        loss_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        magnitude_errors: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AstromerForMaskedReconstructionOutput:
        r"""Reconstruct the magnitudes of windows.

        Args:
            magnitudes, times, attention_mask, masked_positions: as for `AstromerModel`. A probed observation that is shown
                with the magnitude of another one has that magnitude in `magnitudes`.
            loss_mask (`torch.BoolTensor` of shape `(B, L)`, *optional*): True for scored observations (the probed half).
                Defaults to `masked_positions`, and to every observation where that is absent too.
            labels (`torch.FloatTensor` of shape `(B, L)`, *optional*): the true centred magnitudes.
            magnitude_errors (`torch.FloatTensor` of shape `(B, L)`, *optional*): photometric errors, mag, which
                weight the loss (`config.weight_loss_by_errors`); see `AstromerModel` for when the encoder sees them.
        """
        options: dict[str, Any] = {"magnitude_errors": magnitude_errors, "return_dict": True, **kwargs}
        outputs = self.model(magnitudes, times, attention_mask, masked_positions, **options)
        reconstruction = self.decoder(self.decoder_layer_norm(outputs.last_hidden_state)).squeeze(-1)
        observed, masked = resolve_masks(magnitudes, times, attention_mask, masked_positions)
        if self.config.normalize_amplitude:
            visible = observed & ~masked if self.config.masking_scheme == "hidden" else observed
            center, scale = visible_center_and_scale(magnitudes, visible)
            reconstruction = reconstruction * scale.to(reconstruction.dtype) + center.to(reconstruction.dtype)

        loss = None
        if labels is not None:
            if loss_mask is None:
                loss_mask = masked if masked_positions is not None else observed
            errors = magnitude_errors if self.config.weight_loss_by_errors else None
            weights = None if errors is None else inverse_error_weights(errors, observed)
            loss_function = RECONSTRUCTION_LOSSES[self.config.reconstruction_loss]
            loss = loss_function(reconstruction, labels, loss_mask.bool() & observed, weights)
        return AstromerForMaskedReconstructionOutput(
            loss=loss,
            reconstruction=reconstruction,
            last_hidden_state=outputs.last_hidden_state,
            pooler_output=outputs.pooler_output,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class AstromerForSequenceClassification(AstromerPreTrainedModel):
    """ASTROMER with a head that classifies windows, or predicts numbers of them (`problem_type="regression"`).

    `config.classifier_head` selects the head. `inference/classification.py` averages the probabilities of the windows of a
    light curve. With `config.band_combination="concat"` the input is one window in each of the K `config.bands`; the encoder
    reads them one by one, and the head reads their pooled states together.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__(config)
        if not config.num_labels:
            raise ValueError(f"`num_labels` must be at least 1, got {config.num_labels}.")
        self.num_labels = config.num_labels
        self.model = AstromerModel(config)
        self.classifier = AstromerClassificationHead(config)
        self.novelty = AstromerNovelty(config) if config.novelty_references else None  # not part of `forward`
        self.loss_function = sequence_classification_loss
        self.encoder_is_frozen = False
        self.post_init()

    def freeze_encoder(self) -> None:
        """Train only the head: the encoder's parameters get no gradient, and its dropout stays off."""
        self.model.requires_grad_(False)
        self.encoder_is_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> "AstromerForSequenceClassification":
        """Switch to training mode. A frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.encoder_is_frozen:
            self.model.eval()
        return self

    @can_return_tuple
    def forward(
        self,
        magnitudes: torch.Tensor,
        times: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        masked_positions: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        magnitude_errors: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutput:
        r"""Classify windows.

        Args:
            magnitudes, times, attention_mask, masked_positions, magnitude_errors: as for `AstromerModel`. Where K bands are
                concatenated, each has the shape `(B, K, L)`, and a band that an object lacks is all padding.
            labels (`torch.Tensor`, *optional*): class ids `(B,)`, int64; 0/1 indicators `(B, num_labels)` for
                `problem_type="multi_label_classification"`; targets `(B,)` or `(B, num_labels)` for `"regression"`. See
                `sequence_classification_loss`.

        Returns:
            `SequenceClassifierOutput`: `logits` of shape `(B, num_labels)`, divided by `config.classifier_temperature`. Where
            bands are concatenated, hidden states and attentions have `B · K` rows.
        """
        if (wants_states := kwargs.pop("output_hidden_states", None)) is None:
            wants_states = self.config.output_hidden_states
        if self.config.band_combination == "concat":
            magnitudes, times, attention_mask, masked_positions, magnitude_errors = flatten_bands(
                self.config.bands or [], magnitudes, times, attention_mask, masked_positions, magnitude_errors
            )
        options: dict[str, Any] = {"magnitude_errors": magnitude_errors, "return_dict": True, **kwargs}
        # A list selects layers; where the head reads all of them, all are computed and the others left out below.
        options["output_hidden_states"] = self.config.reads_all_layers or wants_states
        outputs = self.model(magnitudes, times, attention_mask, masked_positions, **options)
        observed, _ = resolve_masks(magnitudes, times, attention_mask, masked_positions)
        states = outputs.hidden_states if self.config.reads_all_layers else (outputs.last_hidden_state,)
        logits = self.classifier(states, observed) / self.config.classifier_temperature

        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=select_states(outputs.hidden_states, wants_states),
            attentions=outputs.attentions,
        )


__all__ = [
    "AstromerForMaskedReconstruction",
    "AstromerForMaskedReconstructionOutput",
    "AstromerForSequenceClassification",
    "AstromerModel",
    "AstromerPreTrainedModel",
]
