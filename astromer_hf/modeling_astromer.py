# Copyright 2026 The astromer_hf developers. MIT licence.
# ruff: noqa: RUF012 - transformers reads these class attributes as they stand
"""ASTROMER (Donoso-Oliva et al. 2023, A&A 670, A54): the encoder and its two heads.

Reads top to bottom as the paper's Sect. 3: time encoding + magnitude embedding, self-attention blocks, then the
reconstruction of hidden magnitudes and the classification of windows. Before it stands `feature_extraction_astromer.py`,
which makes the tensors; after it `embedding.py`, which turns window outputs into one embedding an object.

Shapes: B windows, L observations a window, D = `hidden_size`, H heads. Polarity of every mask is stated where it enters.
"""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import torch
from torch import nn
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, can_return_tuple
from transformers.utils.generic import maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_astromer import AstromerConfig
from .folding_astromer import (
    AstromerFolding,
    AstromerSeparationBias,
    FoldedTimes,
    relative_precisions,
    visible_center_and_scale,
)


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


class AstromerTimeEncoding(nn.Module):
    """Sinusoidal encoding of the observation times (paper, Eq. 2): PE_j(t) = sin(ω_j t) for even j, cos(ω_j t) for odd j.

    ω_j = base^(-2j/D) for every j in [0, D), as the released code has it, and not the same ω for each sine-cosine pair:
    the frequencies fall from 1 rad/day to base^-2, where 2 is `time_encoding_exponent`. Angles are computed in float32
    whatever the model's dtype, since bfloat16 cannot tell two nights apart.
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
    """The input of the first block (paper, Sect. 3.2): linear embedding of the magnitude plus encoding of the time.

    Options that the paper does not have add the folded phases, the scale of the window's variation and the bands.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.magnitude_embedding = nn.Linear(1, config.hidden_size)
        self.time_encoding = AstromerTimeEncoding(config)
        self.mask_token = nn.Parameter(torch.empty(())) if config.use_mask_token else None
        self.folding = AstromerFolding(config) if config.num_folding_periods else None
        self.scale_embedding = nn.Linear(2, config.hidden_size) if config.normalize_amplitude else None
        num_bands = len(config.bands or [])
        self.band_embedding = nn.Embedding(num_bands, config.hidden_size) if config.use_band_embedding else None
        self.error_embedding = nn.Linear(2, config.hidden_size) if config.use_magnitude_errors else None

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
        dtype = self.magnitude_embedding.weight.dtype
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
    """Multi-head self-attention over the observations of a window (paper, Eqs. 3-5) and its output projection."""

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

        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
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
    """One block: attention, dropout, layer norm, feed-forward, dropout, layer norm; the paper's has no residuals.

    Each sublayer's input may be added to its output before the layer norm, as it is or through a learned linear layer.
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


def _checksum(header: dict[str, Any], file: BinaryIO) -> str:
    """Of the tensors of a safetensors file: their names, types and shapes, and, from where `file` stands on, their numbers."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    while block := file.read(2**20):
        found.update(block)
    return found.hexdigest()


def _read_header(file: BinaryIO) -> dict[str, Any]:
    """The JSON header of a safetensors file, behind which `file` stands afterwards."""
    return dict(json.loads(file.read(int.from_bytes(file.read(8), "little"))))


def add_checksum(path: Path) -> None:
    """Write the SHA-256 of its tensors into the metadata of a safetensors file, which so appears complete or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with path.open("rb") as file:
        header = _read_header(file)
        start = file.tell()
        metadata = header.pop("__metadata__", {})
        header["__metadata__"] = metadata | {"sha256": _checksum(header, file)}
        encoded = json.dumps(header).encode()
        encoded += b" " * (-len(encoded) % 8)  # the numbers are aligned
        file.seek(start)
        with unfinished.open("wb") as written:
            written.write(len(encoded).to_bytes(8, "little") + encoded)
            shutil.copyfileobj(file, written)
    unfinished.chmod(path.stat().st_mode)
    os.replace(unfinished, path)


def verify_checksum(path: Path) -> None:
    """Compare a safetensors file with the checksum in its metadata, if it has one.

    Raises:
        ValueError: they differ, or the file is none.
    """
    problem = "is cut short"
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if 8 + size <= path.stat().st_size:
            file.seek(0)
            try:
                header = _read_header(file)
                expected = header.pop("__metadata__", {}).get("sha256")
                if any(entry.keys() != {"dtype", "shape", "data_offsets"} for entry in header.values()):
                    raise ValueError("an entry is no tensor")
                is_sound = expected is None or expected == _checksum(header, file)
                problem = "" if is_sound else "does not have the checksum that it was saved with"
            except (ValueError, AttributeError, TypeError):
                problem = "has a damaged header"
    if problem:
        raise ValueError(f"{path} {problem}: download it again, or save it anew.")


class AstromerPreTrainedModel(PreTrainedModel):
    """Weight initialisation, saving and loading for every ASTROMER model."""

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
    head_is_new = False  # whether `from_pretrained` found nothing of the head, whose weights are then random

    def post_init(self) -> None:
        """transformers' own; and heads that this model does not have are left behind in a checkpoint without a word."""
        super().post_init()
        absent = (head for head in ("decoder", "classifier", "projector", "regularizer", "feature_head") if not hasattr(self, head))
        self._keys_to_ignore_on_load_unexpected = {rf"^{head}" for head in absent}

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        use_safetensors: bool | None = True,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Self:
        """transformers' `from_pretrained`, in which a damaged checkpoint is an error and not filled up with random numbers.

        Files of weights in a folder must have the checksum that `save_pretrained` left in them, if they have one. Every weight
        of the encoder, and of a head that the checkpoint has, must be the checkpoint's own. A head of which it has nothing is a
        new one. `use_safetensors` is on, since a pickle can run code.

        Raises:
            ValueError: weights are missing, unexpected, misshapen (unless `ignore_mismatched_sizes`) or not finite.
        """
        if (folder := Path(str(pretrained_model_name_or_path))).is_dir():  # the Hub's own cache names files by their hashes
            for file in sorted(folder.glob("model*.safetensors")):
                verify_checksum(file)
        model, loading = cast(
            Any,
            super().from_pretrained(
                pretrained_model_name_or_path,
                *args,
                use_safetensors=use_safetensors,
                ignore_mismatched_sizes=True,  # refused below, with their names
                output_loading_info=True,
                **kwargs,
            ),
        )
        children = [] if model.base_model is model else [name for name, _ in model.named_children()]
        head = tuple(f"{name}." for name in children if name != cls.base_model_prefix)
        head_is_new = {name for name in model.state_dict() if name.startswith(head)} <= set(loading["missing_keys"])
        faults = {
            kind: [name for name in loading[f"{kind}_keys"] if not (head_is_new and name.startswith(head))]
            for kind in ("missing", "unexpected")
        }
        if not ignore_mismatched_sizes:
            faults["misshapen"] = [f"{name} {tuple(found)} for {tuple(own)}" for name, found, own in loading["mismatched_keys"]]
        loaded = [(name, weights) for name, weights in model.named_parameters() if not weights.is_meta]
        faults["not finite"] = [name for name, weights in loaded if not weights.isfinite().all()]
        for kind, names in faults.items():
            if names:
                raise ValueError(
                    f"The weights of {pretrained_model_name_or_path} are damaged, or its config.json is another model's; "
                    f"{kind}: {', '.join(sorted(names)[:3])}{' ...' * (len(names) > 3)}. Download it again, or save it anew."
                )
        model.head_is_new = bool(head) and head_is_new
        return (model, loading) if output_loading_info else model  # type: ignore[return-value]  # as transformers does

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """transformers' `save_pretrained`; each file of weights gets the checksum that `from_pretrained` verifies."""
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            for file in Path(save_directory).glob("model*.safetensors"):
                add_checksum(file)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, AstromerHeadLinear) and module.initializer_range is not None:
            init.normal_(module.weight, std=module.initializer_range)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)  # Keras' default, hence the paper's
        elif isinstance(module, AstromerTimeEncoding):  # not in the checkpoint, so loading leaves it unset
            init.copy_(module.angular_frequencies, module.compute_angular_frequencies())
        elif isinstance(module, AstromerClassificationHead) and module.layer_weights is not None:
            init.zeros_(module.layer_weights)
        elif isinstance(module, AstromerEmbeddings) and module.mask_token is not None:
            init.zeros_(module.mask_token)
        elif isinstance(module, AstromerFolding):
            init.constant_(module.gate_slope, 0.35)
            init.constant_(module.gate_offset, 8.0)


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
            times (`torch.FloatTensor` of shape `(B, L)`): days, float32 or float64, centred to zero mean in each window.
                Keep them out of half precision: one bfloat16 step at 1000 d is 8 d.
            attention_mask (`torch.Tensor` of shape `(B, L)`, *optional*): 1 for observations, 0 for padding. All
                observations when absent.
            masked_positions (`torch.BoolTensor` of shape `(B, L)`, *optional*): True for observations whose magnitude is
                hidden from the encoder, in the way `config.masking_scheme` says. None are when absent.
            band_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): the band of every observation, a number in
                `config.bands`; used where `config.use_band_embedding` is set.
            magnitude_errors (`torch.FloatTensor` of shape `(B, L)`, *optional*): photometric errors in magnitudes; used where
                `config.use_magnitude_errors` is set. NaN, 0 and absence mean unknown.

        Returns:
            `BaseModelOutputWithPooling`: `last_hidden_state` (B, L, D) and `pooler_output` (B, D), its mean over
            observations (paper, Sect. 4.4). Rows of `last_hidden_state` at padding have no meaning.

        Raises:
            ValueError: shapes differ.
        """
        observed, masked = resolve_masks(magnitudes, times, attention_mask, masked_positions)
        visible = observed & ~masked if self.config.masking_scheme == "hidden" else observed
        # Selected, not multiplied: what stands in padding or at a hidden observation may be anything, NaN included.
        magnitudes = torch.where(visible, magnitudes, torch.zeros_like(magnitudes))
        times = torch.where(observed, times, torch.zeros_like(times))

        scale_features = error_features = weights = None
        if self.config.normalize_amplitude or self.config.use_magnitude_errors:
            center, scale = visible_center_and_scale(magnitudes, visible)
        if self.config.use_magnitude_errors:
            weights, error_features = relative_precisions(magnitude_errors, observed, scale)
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
        mask = self._attention_mask(hidden_states, observed, masked, visible)
        if self.separation_bias is not None:
            mask = add_to_mask(mask, self.separation_bias(times, folded, gates).to(hidden_states.dtype))
        for layer in self.layers:  # by position, since reentrant checkpointing drops the gradients of keywords
            hidden_states = layer(hidden_states, mask, **kwargs)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states, pooler_output=mean_over_observed(hidden_states, observed)
        )

    def _attention_mask(
        self, hidden_states: torch.Tensor, observed: torch.Tensor, masked: torch.Tensor, visible: torch.Tensor
    ) -> torch.Tensor | None:
        """The mask that `config.masking_scheme` asks for, broadcastable to (B, H, L, L), or None where all attend to all."""
        scheme = self.config.masking_scheme
        mask = None
        if scheme != "additive_padding":
            # Where nothing is visible, attend evenly to what is observed (all of magnitude 0): softmax needs a key.
            attended = torch.where(visible.any(1, keepdim=True), visible, observed)
            # A tensor, since flex attention and its block masks are not supported.
            mask = cast("torch.Tensor | None", create_bidirectional_mask(self.config, hidden_states, attended))
        if scheme == "hidden":
            return mask
        raised = masked if scheme == "additive" else masked | ~observed
        return add_to_mask(mask, (raised[:, None, :, None] | raised[:, None, None, :]).to(hidden_states.dtype))


class AstromerForMaskedReconstruction(AstromerPreTrainedModel):
    """ASTROMER with the decoder of its pre-training task: layer norm and one linear unit (paper, Sect. 3.4)."""

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
            magnitudes, times, attention_mask, masked_positions: as for `AstromerModel`. Probed observations that are shown
                another one's magnitude carry it in `magnitudes`.
            loss_mask (`torch.BoolTensor` of shape `(B, L)`, *optional*): True for scored observations (the probed half).
                `masked_positions` when absent; every observation when that is absent too.
            labels (`torch.FloatTensor` of shape `(B, L)`, *optional*): the true centred magnitudes.
            magnitude_errors (`torch.FloatTensor` of shape `(B, L)`, *optional*): photometric errors in magnitudes, which weigh
                the loss where `config.weight_loss_by_errors` is set, and which the encoder sees where
                `config.use_magnitude_errors` is.

        Returns:
            `AstromerForMaskedReconstructionOutput`
        """
        kwargs["magnitude_errors"] = magnitude_errors  # type: ignore[typeddict-unknown-key]
        outputs = self.model(magnitudes, times, attention_mask, masked_positions, return_dict=True, **kwargs)
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
            weights = None
            if self.config.weight_loss_by_errors and magnitude_errors is not None:
                weights = inverse_error_weights(magnitude_errors, observed)
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


class AstromerHeadLinear(nn.Linear):
    """A linear layer of a head, whose weights may start otherwise than those of the encoder."""

    def __init__(self, in_features: int, out_features: int, config: AstromerConfig):
        super().__init__(in_features, out_features)
        self.initializer_range = config.classifier_initializer_range


class AstromerMLPHead(nn.Module):
    """Multilayer perceptron on what the observations of a window are pooled to (paper, Sect. 4.4)."""

    def __init__(self, config: AstromerConfig):
        super().__init__()
        hidden_sizes = [] if config.classifier_head == "linear" else config.classifier_hidden_sizes
        self.batch_norm = nn.BatchNorm1d(config.head_input_size, affine=False) if config.classifier_batch_norm else None
        widths = [config.head_input_size, *hidden_sizes]
        blocks = [
            nn.Sequential(AstromerHeadLinear(wide, narrow, config), nn.ReLU(), nn.Dropout(config.classifier_dropout))
            for wide, narrow in itertools.pairwise(widths)
        ]
        self.layers = nn.Sequential(*blocks, AstromerHeadLinear(widths[-1], cast(int, config.num_labels), config))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_labels) for `pooled` (B, `config.head_input_size`)."""
        if (norm := self.batch_norm) is not None:
            by_batch = self.training and len(pooled) > 1  # a single window has no variance of its own
            pooled = nn.functional.batch_norm(pooled, norm.running_mean, norm.running_var, training=by_batch, eps=norm.eps)
        return self.layers(pooled)


class AstromerLSTMHead(nn.Module):
    """LSTM layers with a layer norm on each output, and a linear layer on the last observation's (paper, Sect. 4.4)."""

    def __init__(self, config: AstromerConfig, input_size: int | None = None):
        super().__init__()
        widths = [input_size or config.hidden_size, *config.classifier_lstm_sizes]
        self.lstms = nn.ModuleList(nn.LSTM(wide, narrow, batch_first=True) for wide, narrow in itertools.pairwise(widths))
        self.layer_norms = nn.ModuleList(nn.LayerNorm(width, eps=config.layer_norm_eps) for width in widths[1:])
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.output = nn.Linear(widths[-1], cast(int, config.num_labels))

    def forward(self, hidden_states: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_labels) for `hidden_states` (B, L, D), of which the `observed` (B, L) are read, in their order."""
        # Observations first, wherever padding stands: what comes after the last of them is computed and not used.
        order = (~observed).long().argsort(dim=1, stable=True)[..., None]
        states = hidden_states.take_along_dim(order, dim=1) * observed.take_along_dim(order[..., 0], dim=1)[..., None]
        for lstm, layer_norm in zip(self.lstms, self.layer_norms, strict=True):
            states = self.dropout(layer_norm(lstm(states)[0]))
        last = (observed.sum(1, keepdim=True) - 1).clamp(min=0)[..., None]
        return self.output(states.take_along_dim(last, dim=1).squeeze(1))


class AstromerClassificationHead(nn.Module):
    """From the encoder's hidden states to logits: the last block's, all of them or their mixture, pooled, then the head.

    The mixture (layer-skip pooling) weighs the input embedding and every block's output by a softmax.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__()
        self.pooling = config.classifier_pooling
        self.concatenates, self.pooled_size = config.band_combination == "concat", config.pooled_size
        self.concatenates_layers = config.concatenate_layers
        num_states = config.num_hidden_layers + 1
        self.layer_weights = nn.Parameter(torch.empty(num_states)) if config.use_weighted_layer_sum else None
        self.reads_observations = config.classifier_head == "lstm"
        self.head = AstromerLSTMHead(config) if self.reads_observations else AstromerMLPHead(config)

    def forward(self, hidden_states: tuple[torch.Tensor, ...], observed: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_labels) for the embeddings and every block's output, each (B, L, D).

        Of K bands that are concatenated, B · K windows give B rows: those of an object follow each other, in the order of the
        bands, and one without an observation counts as zeros.
        """
        if self.reads_observations:
            return self.head(self.mix(hidden_states), observed)
        pooled = tuple(pool_observed(state, observed, self.pooling) for state in hidden_states)
        if self.concatenates:
            is_there = observed.any(1, keepdim=True)
            pooled = tuple(torch.where(is_there, state, 0.0).reshape(-1, self.pooled_size) for state in pooled)
        return self.classify_pooled(pooled)

    def classify_pooled(self, pooled: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Logits for the states as `pool_observed` gives them, each (B, P)."""
        return self.head(self.mix(pooled))

    def mix(self, states: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """What the head reads of all states: one in the shape of each, or all side by side."""
        if self.concatenates_layers:
            return torch.cat(states, dim=-1)
        if self.layer_weights is None:
            return states[-1]
        weights = self.layer_weights.softmax(dim=0)
        return torch.stack([weight * state for weight, state in zip(weights, states, strict=True)]).sum(0)


class AstromerForSequenceClassification(AstromerPreTrainedModel):
    """ASTROMER with a head that classifies windows, or predicts numbers of them (`problem_type="regression"`).

    `config.classifier_head` chooses the head. The class of a light curve of several windows is that of the mean of their
    probabilities, see `classification.py`. With `config.band_combination="concat"` it classifies objects by a window in each
    of the K `config.bands`, which the encoder reads one by one.
    """

    def __init__(self, config: AstromerConfig):
        super().__init__(config)
        if not config.num_labels:
            raise ValueError(f"`num_labels` must be at least 1, got {config.num_labels}.")
        self.num_labels = config.num_labels
        self.model = AstromerModel(config)
        self.classifier = AstromerClassificationHead(config)
        self.encoder_is_frozen = False
        self.post_init()

    def freeze_encoder(self) -> None:
        """Train the head alone: the encoder's parameters take no gradient, and its dropout stays off."""
        self.model.requires_grad_(False)
        self.encoder_is_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> "AstromerForSequenceClassification":
        """Switch to training mode, of which a frozen encoder takes no part."""
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
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutput:
        r"""Classify windows.

        Args:
            magnitudes, times, attention_mask, masked_positions: as for `AstromerModel`; each of shape `(B, K, L)` where K bands
                are concatenated, of which one that an object lacks is padding, `attention_mask` 0, throughout.
            labels (`torch.Tensor`, *optional*): class ids `(B,)`, int64; 0/1 indicators `(B, num_labels)` for
                `problem_type="multi_label_classification"`; targets `(B,)` or `(B, num_labels)` for `"regression"`.

        Returns:
            `SequenceClassifierOutput`: `logits` of shape `(B, num_labels)`, divided by `config.classifier_temperature`. Hidden
            states and attentions are those of `B · K` windows where bands are concatenated.
        """
        wants_states = kwargs.pop("output_hidden_states", None)
        wants_states = self.config.output_hidden_states if wants_states is None else wants_states
        if self.config.band_combination == "concat":
            magnitudes, times, attention_mask, masked_positions = flatten_bands(
                self.config.bands or [], magnitudes, times, attention_mask, masked_positions
            )
        outputs = self.model(
            magnitudes,
            times,
            attention_mask,
            masked_positions,
            output_hidden_states=wants_states or self.config.reads_all_layers,
            return_dict=True,
            **kwargs,
        )
        observed, _ = resolve_masks(magnitudes, times, attention_mask, masked_positions)
        states = outputs.hidden_states if self.config.reads_all_layers else (outputs.last_hidden_state,)
        logits = self.classifier(states, observed) / self.config.classifier_temperature

        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states if wants_states else None,
            attentions=outputs.attentions,
        )


def problem_type_of(config: Any) -> str:
    """The problem of a classifier: what its config says, or else what transformers would take `num_labels` for."""
    return config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")


def activate(logits: torch.Tensor, config: Any) -> torch.Tensor:
    """Probabilities, or for a regression the numbers themselves, of logits (B, C); float32."""
    problem = problem_type_of(config)
    if problem == "regression":
        return logits.float()
    return logits.float().softmax(-1) if problem == "single_label_classification" else logits.float().sigmoid()


def flatten_bands(
    bands: Sequence[str], magnitudes: torch.Tensor, *others: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Times, magnitudes and masks of windows in K bands, (B, K, L), as (B · K, L)."""
    if magnitudes.ndim != 3 or magnitudes.shape[1] != len(bands):
        raise ValueError(
            f"This classifier concatenates the bands {', '.join(bands)}: `magnitudes` must have the shape (objects, "
            f"{len(bands)}, length), got {tuple(magnitudes.shape)}. `astromer-hf classify` classifies tables, and "
            "`classify_multiband_light_curves` light curves in memory."
        )
    tensors = (magnitudes, *others)
    return cast(Any, tuple(None if tensor is None else tensor.flatten(0, -2) for tensor in tensors))


def resolve_masks(
    magnitudes: torch.Tensor,
    times: torch.Tensor,
    attention_mask: torch.Tensor | None,
    masked_positions: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boolean (observed, masked), both (B, L), with the defaults filled in and masked ⊆ observed."""
    for name, tensor in (("times", times), ("attention_mask", attention_mask), ("masked_positions", masked_positions)):
        if (tensor is not None and tensor.shape != magnitudes.shape) or magnitudes.ndim != 2:
            raise ValueError(
                f"`magnitudes` and `{name}` must both have the shape (windows, length), got {tuple(magnitudes.shape)} and "
                f"{None if tensor is None else tuple(tensor.shape)}. `AstromerFeatureExtractor` makes such tensors."
            )
    observed = torch.ones_like(magnitudes, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    masked = torch.zeros_like(observed) if masked_positions is None else masked_positions.bool() & observed
    return observed, masked


def add_to_mask(attention_mask: torch.Tensor | None, bias: torch.Tensor) -> torch.Tensor:
    """Add a bias to an attention mask, which is None, boolean (True attends) or additive."""
    if attention_mask is None:
        return bias
    if attention_mask.dtype == torch.bool:
        return torch.where(attention_mask, bias, torch.finfo(bias.dtype).min)
    return attention_mask + bias


def mean_over_observed(hidden_states: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Mean of (B, L, D) over the observations of each window, summed in float32; zeros where a window has none."""
    weights = observed[..., None].float()
    total = (hidden_states.float() * weights).sum(1)
    return (total / weights.sum(1).clamp(min=1)).to(hidden_states.dtype)


def pool_observed(hidden_states: torch.Tensor, observed: torch.Tensor, pooling: str) -> torch.Tensor:
    """Mean of (B, L, D) over observations, `"mean"`: (B, D); with their standard deviation beside it, `"mean_std"`: (B, 2D)."""
    mean = mean_over_observed(hidden_states, observed)
    if pooling == "mean":
        return mean
    variance = mean_over_observed((hidden_states - mean[:, None]).square(), observed)
    return torch.cat((mean, (variance + 1e-6).sqrt()), dim=-1)


def inverse_error_weights(magnitude_errors: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Weights (B, L) of observations: 1/error, scaled to [0, 1] over the `observed` of each window, plus 0.001 (Astromer 2).

    An error that is unknown (NaN, 0) weighs as the window's largest. Where all errors of a window are unknown or the same, all
    weigh 1; the original's formula would give 0.001 there.
    """
    known = observed & magnitude_errors.isfinite() & (magnitude_errors > 0)
    precisions = torch.where(known, 1 / torch.where(known, magnitude_errors, 1.0), torch.inf).float()
    lowest = precisions.amin(1, keepdim=True)
    precisions = torch.where(known, precisions, lowest)
    spread = precisions.amax(1, keepdim=True) - lowest
    weights = (precisions - lowest) / spread + 1e-3
    return torch.where(spread > 0, weights, 1.0)  # the spread of a window without errors is NaN, and so not above 0


def masked_mean_squared_errors(
    reconstruction: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, weights: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of every window's (weighted) squared errors over its scored observations, and whether it has any; both (B,)."""
    squares = torch.where(loss_mask, reconstruction.float() - labels.float(), 0.0).square()
    counts = loss_mask.sum(1)
    total = (squares if weights is None else squares * weights).sum(1)
    return total / counts.clamp(min=1), counts > 0


def masked_rmse(
    reconstruction: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Root of the mean over windows of each window's mean squared error over scored observations (paper, Eq. 7).

    Windows without a scored observation do not count. A tiny floor keeps the root's gradient finite at a perfect fit.
    """
    errors, scored = masked_mean_squared_errors(reconstruction, labels, loss_mask, weights)
    return (errors.sum() / scored.sum().clamp(min=1)).clamp(min=1e-12).sqrt()


def relative_squared_error(
    reconstruction: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over windows of each window's mean squared error over its mean squared magnitude. Not in the paper.

    Windows weigh the same whatever their amplitude: a Mira of 5 mag does not drown a hundred Cepheids. 0.003 mag² (0.055 mag)
    is added to the denominator, about the photometric noise, below which there is nothing to reconstruct. Being a mean over
    windows, it adds up over devices and accumulation steps of equal size. Weights count in both means.
    """
    errors, scored = masked_mean_squared_errors(reconstruction, labels, loss_mask, weights)
    powers, _ = masked_mean_squared_errors(torch.zeros_like(labels), labels, loss_mask, weights)
    return (errors / (powers + 0.003)).sum() / scored.sum().clamp(min=1)


RECONSTRUCTION_LOSSES = {"rmse": masked_rmse, "relative": relative_squared_error}

__all__ = [
    "AstromerForMaskedReconstruction",
    "AstromerForMaskedReconstructionOutput",
    "AstromerForSequenceClassification",
    "AstromerModel",
    "AstromerPreTrainedModel",
]
