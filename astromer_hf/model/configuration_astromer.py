# Copyright 2026 The astromer_hf developers. MIT licence.
"""`AstromerConfig`: the hyperparameters of ASTROMER and its options.

All files of this folder are uploaded to the Hub with the weights, so they import only torch, numpy, transformers,
huggingface_hub and each other.
"""

import math
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN

from .sharing_astromer import with_code

# Far beyond any use. A damaged or malicious config.json is rejected before memory is allocated.
_LARGEST = {
    "hidden_size": 2**14,
    "num_hidden_layers": 2**10,
    "intermediate_size": 2**16,
    "window_size": 2**20,
    "num_frequencies": 2**22,
    "folding_harmonics": 2**6,
    "folding_period_multiple": 2**6,
    "classifier_hidden_sizes": 2**16,
    "classifier_lstm_sizes": 2**14,
    "novelty_references": 2**16,
    "novelty_directions": 2**14,
}
RECONSTRUCTION_COVERAGES = (0.68, 0.90)
# What was fitted to the classes or the weights of a model and is not of another head, and what it is without.
DECISIONS: dict[str, Any] = {
    "classifier_temperature": 1.0,
    "label_parents": None,
    "uncertain_below": None,
    "likely_set_thresholds": None,
    "fewest_points": 0,
    "novelty_references": 0,
    "unlike_above": None,
    "reconstruction_quantiles": None,
}
LIKELY_SET_COVERAGES = tuple(percent / 100 for percent in range(50, 100))


@strict
class AstromerConfig(PreTrainedConfig):
    r"""Configuration of an ASTROMER encoder and its heads. The defaults give the paper's encoder, with truly hidden magnitudes.

    Args:
        hidden_size (`int`, defaults to 256): Width of every observation's embedding (`d_pe` and `d_k * heads` upstream).
        num_hidden_layers (`int`, defaults to 2): Number of self-attention blocks.
        num_attention_heads (`int`, defaults to 4): Heads of each block.
        intermediate_size (`int`, defaults to 128): Width of the feed-forward layer inside a block.
        hidden_act (`str`, defaults to `"tanh"`): Activation of the feed-forward layer.
        hidden_dropout_prob (`float`, defaults to 0.1): Dropout after the attention projection and after the feed-forward
            layer. (Upstream's training never enabled it.)
        layer_norm_eps (`float`, defaults to 1e-6): Epsilon of every layer norm.
        window_size (`int`, defaults to 200): Observations in a window. The model takes any length; the feature extractor
            and the data collator cut windows of this size.
        time_encoding_base (`float`, defaults to 10000): Base of the geometric series of angular frequencies, in rad/day.
            The paper prints 1000 (Eq. 4); the released weights were trained with 10000.
        time_encoding_exponent (`float`, defaults to 2): Octaves of that base which the frequencies span: the lowest is
            `time_encoding_base` to the power of minus this, but for one step (`pe_exp` of Astromer 2).
        masking_scheme (`"hidden"`, `"additive"` or `"additive_padding"`, defaults to `"hidden"`): How the encoder
            treats a masked observation.

            - `"hidden"`: the paper's intent. Its magnitude never enters the encoder and nothing attends to it; its time
              does enter, and it attends to the visible observations. Padding is excluded.
            - `"additive"`: the mask of the released weights. The magnitude stays in the input, and 1 is added
              to every attention logit whose query or key is masked: the encoder sees what it must predict.
              Padding is excluded.
            - `"additive_padding"`: bit-equal to upstream. As `"additive"`, and padding takes part in attention as if it
              were a masked observation of magnitude 0 at time 0. For parity checks and migration only.
        attention_temperature (`float`, defaults to 1.0): Divides the scaled products of queries and keys before a mask or
            bias is added; values above 1 make attention more even (`temperature` of Astromer 2).
        time_bias_scales (`list[float]`, *optional*): Scales in days, one for each head that does not fold, of a preference
            for observations near in time, see `AstromerSeparationBias`. `None` (the paper's model) turns it off.
        num_folding_periods (`int`, defaults to 0): Periods to find in each window's visible magnitudes, see
            `AstromerPeriodogram`. Each adds phase features to the embeddings, and gives one of the last heads a preference for
            observations near in phase. 0 (the paper's model) turns folding off.
        num_candidate_periods (`int`, *optional*): Peaks of the periodogram at which Fourier series compete for the folding
            periods. Needed where periods are found: a checkpoint that lacks it was trained with an older periodogram.
        num_frequencies (`int`, defaults to 16384): Frequencies of the periodogram, a multiple of 128.
        max_frequency (`float`, defaults to 10): Highest frequency of the periodogram, cycles a day; less for windows of few
            observations or of long span, see `AstromerPeriodogram`.
        folding_harmonics (`int`, defaults to 3): Harmonics of the phase in the embeddings, and of the Fourier series that is
            fitted to the visible magnitudes.
        folding_period_multiple (`int`, defaults to 1): Fold on so many times each period, whose harmonics then include its
            fractions. An eclipsing binary's periodogram peaks at half of its period.
        unambiguous_folding (`bool`, defaults to `False`): Give no trust to candidate periods that repeat a better one, and
            count the phases of a multiple of the period from its faintest minimum. Off in checkpoints trained before it.
        phase_bias_scale (`float`, defaults to 0.05): Scale in cycles of the preference for observations near in phase.
        phase_bias_strength (`float`, defaults to 4.0): Its exponent, for a fully trusted period.
        use_mask_token (`bool`, defaults to `False`): Give hidden observations a learned magnitude instead of 0, the visible
            ones' mean (Astromer 2).
        normalize_amplitude (`bool`, defaults to `False`): Divide each window's magnitudes by the scatter of the visible
            ones, pass that scale to the encoder as a feature, and multiply the reconstruction by it.
        use_residual (`bool`, defaults to `False`): Add each sublayer's input to its output before the layer norm. The
            paper's blocks have no residual connections.
        use_residual_projection (`bool`, defaults to `False`): With `use_residual`, apply a learned linear layer to the added
            input: LN(W x + sublayer(x)) (`use_leak` of Astromer 2).
        reconstruction_loss (`"rmse"` or `"relative"`, defaults to `"rmse"`): The paper's root-mean-square error (Eq. 5), or the
            squared error of each window relative to its variance.
        reconstruction_quantiles (`list[float]`, *optional*): Quantiles at 68 % and 90 % of the residuals of hidden magnitudes,
            each divided by its scale, see `intervals_astromer.py`; fitted to held-out stars (split conformal prediction).
            Training the model forgets them.
        weight_loss_by_errors (`bool`, defaults to `False`): Weight every scored observation by its inverse photometric error,
            scaled to [0.001, 1.001] within its window, see `inverse_error_weights` (Astromer 2).
        use_magnitude_errors (`bool`, defaults to `False`): Pass the photometric errors, where known, to the encoder: they
            weight the periodogram and the Fourier series, and each is embedded with its observation. Not in the paper.
        reconstruction_weight (`float`, defaults to 1): Weight of the reconstruction in the loss of `AstromerForPreTraining`.
        distillation_weight (`float`, defaults to 1): Weight of the self-distillation over views in that loss.
        regularization_fraction (`float`, defaults to 0.05): Share of SIGReg in the self-distillation, λ of LeJEPA.
        projection_hidden_size (`int`, defaults to 512): Width of the projector's hidden layer.
        projection_size (`int`, defaults to 64): Width of the projector's output, in which views are compared.
        num_target_features (`int`, defaults to 0): Hand-crafted features that each view's embedding predicts by a linear layer.
        feature_weight (`float`, defaults to 1): Weight of that prediction in the loss.
        classifier_head (`"mlp"`, `"linear"` or `"lstm"`, defaults to `"mlp"`): The head: a multilayer
            perceptron or one linear layer on its pooled embeddings, or an LSTM on the embeddings of its observations (paper,
            Sect. 7 and Fig. 10).
        classifier_pooling (`"mean"` or `"mean_std"`, defaults to `"mean"`): How the embeddings of a window's observations are
            pooled for the perceptron and the linear layer: their mean, as in the paper, or mean and standard deviation.
        classifier_batch_norm (`bool`, defaults to `False`): Standardise each pooled feature by its mean and variance over the
            training windows before the perceptron or the linear layer, as is usual on frozen features (He et al. 2022, MAE).
        classifier_hidden_sizes (`list[int]`, defaults to `[1024, 512, 256]`): Widths of the perceptron's hidden layers.
        classifier_shortcut (`bool`, defaults to `False`): Add to the head's logits those of a linear layer on the mean of
            the last block's output, `pooler_output`. `astromer-hf fit` sets it by linear discriminant analysis.
        classifier_initializer_range (`float`, *optional*): Standard deviation of the normal distribution of the initial
            weights of the perceptron and the linear layer; 0.02 is usual in transformers and better with few labels. `None`:
            the uniform distribution of Glorot and Bengio (2010), as in the paper.
        classifier_lstm_sizes (`list[int]`, defaults to `[256, 256]`): Widths of the LSTM's layers.
        classifier_dropout (`float`, defaults to 0.0): Dropout after each hidden layer of the head; 0.3 in the paper's LSTM.
        classifier_temperature (`float`, defaults to 1.0): Divides the logits of a classifier, so that their softmax is
            calibrated (Guo et al. 2017, ICML); fitted after the training, see `uncertainty.py`. Always 1 for a regression.
        label_parents (`dict[str, str]`, *optional*): Each class of a classifier -> the wider class that it belongs to, whose
            probability is the sum of its classes'.
        uncertain_below (`float`, *optional*): Probability of the predicted class below which it is called uncertain.
        likely_set_thresholds (`list[float]`, *optional*): For coverages of 50 %, 51 %, ... 99 %: the classes with at least this
            probability hold the true one so often on light curves like the validation ones (split conformal prediction,
            Sadinle et al. 2019, JASA 114, 223).
        fewest_points (`int`, defaults to 0): Tables of classes give no class to light curves with fewer observations, nor,
            where it is positive, to those whose magnitudes are all equal.
        novelty_references (`int`, defaults to 0): States of the training set that a classifier keeps, from the nearest of which
            novelty is measured, see `AstromerNovelty`. 0 turns it off.
        novelty_directions (`int`, defaults to 8): Directions in which it is measured.
        unlike_above (`float`, *optional*): Novelty above which an object is called unlike the training set.
        use_weighted_layer_sum (`bool`, defaults to `False`): Classify from a learned mixture of the input embedding and every
            block's output (layer-skip pooling) instead of the last block's output.
        concatenate_layers (`bool`, defaults to `False`): Classify from the input embedding and every block's output, pooled
            and concatenated, instead of the last block's output; not for an LSTM.
        bands (`list[str]`, *optional*): Bands of an object whose light curves are combined, in this order. A classifier that
            concatenates them has separate weights for each.
        band_combination (`"mean"` or `"concat"`, *optional*): How a classifier combines the light curves of an object in
            several bands, see `light_curves/bands.py`: the mean of their probabilities, or one classification of their
            concatenated embeddings. `None` classifies every light curve by itself.
        use_band_embedding (`bool`, defaults to `False`): Add a learned vector for the band, a number in `bands`, to every
            observation's embedding, for windows of several bands. An experiment, see `scripts/compare_band_encodings.py`.

    Raises:
        huggingface_hub.errors.StrictDataclassError: a field has the wrong type or the fields contradict each other.
    """

    model_type = "astromer"

    hidden_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 128
    hidden_act: str = "tanh"
    hidden_dropout_prob: float | int = 0.1
    layer_norm_eps: float | int = 1e-6
    window_size: int = 200
    time_encoding_base: float | int = 10000.0
    time_encoding_exponent: float | int = 2.0
    masking_scheme: Literal["hidden", "additive", "additive_padding"] = "hidden"
    attention_temperature: float | int = 1.0
    time_bias_scales: list[float | int] | None = None
    num_folding_periods: int = 0
    num_candidate_periods: int | None = None
    num_frequencies: int = 16384
    max_frequency: float | int = 10.0
    folding_harmonics: int = 3
    folding_period_multiple: int = 1
    unambiguous_folding: bool = False
    phase_bias_scale: float | int = 0.05
    phase_bias_strength: float | int = 4.0
    use_mask_token: bool = False
    normalize_amplitude: bool = False
    use_residual: bool = False
    use_residual_projection: bool = False
    reconstruction_loss: Literal["rmse", "relative"] = "rmse"
    reconstruction_quantiles: list[float | int] | None = None
    weight_loss_by_errors: bool = False
    use_magnitude_errors: bool = False
    reconstruction_weight: float | int = 1.0
    distillation_weight: float | int = 1.0
    regularization_fraction: float | int = 0.05
    projection_hidden_size: int = 512
    projection_size: int = 64
    num_target_features: int = 0
    feature_weight: float | int = 1.0
    classifier_head: Literal["mlp", "linear", "lstm"] = "mlp"
    classifier_pooling: Literal["mean", "mean_std"] = "mean"
    classifier_batch_norm: bool = False
    classifier_hidden_sizes: list[int] | tuple[int, ...] = (1024, 512, 256)
    classifier_shortcut: bool = False
    classifier_initializer_range: float | int | None = None
    classifier_lstm_sizes: list[int] | tuple[int, ...] = (256, 256)
    classifier_dropout: float | int = 0.0
    classifier_temperature: float | int = 1.0
    label_parents: dict[str, str] | None = None
    uncertain_below: float | int | None = None
    likely_set_thresholds: list[float | int] | None = None
    fewest_points: int = 0
    novelty_references: int = 0
    novelty_directions: int = 8
    unlike_above: float | int | None = None
    use_weighted_layer_sum: bool = False
    concatenate_layers: bool = False
    bands: list[str] | None = None
    band_combination: Literal["mean", "concat"] | None = None
    use_band_embedding: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Leave out what points to the pipelines of a repository: the installed package has its own, without trust."""
        if not __name__.startswith("transformers_modules"):
            kwargs.pop("custom_pipelines", None)
        super().__post_init__(**kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """transformers' `from_dict`. Where other classes than the checkpoint's are asked for, its `DECISIONS` do not hold."""
        names = list((config_dict.get("id2label") or {}).values())
        is_other_number = kwargs.get("num_labels", len(names)) != len(names)
        if is_other_number or list((kwargs.get("id2label") or {}).values() or names) != names:
            config_dict = {**config_dict, **DECISIONS}
            if is_other_number:  # the names are of the classes, too
                config_dict = {name: value for name, value in config_dict.items() if name not in ("id2label", "label2id")}
        return super().from_dict(config_dict, **kwargs)

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> None:
        """transformers' `save_pretrained`. Where the configuration points to code, the code files go along."""
        with with_code(self, save_directory):
            super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def validate_architecture(self) -> None:
        """Refuse sizes that contradict each other (called at construction and when saving)."""
        sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "window_size")
        for name in (*sizes, "folding_harmonics", "folding_period_multiple"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        for name in ("classifier_hidden_sizes", "classifier_lstm_sizes"):
            if any(size < 1 for size in getattr(self, name)):
                raise ValueError(f"`{name}` must each be at least 1, got {getattr(self, name)}.")
        for name, largest in _LARGEST.items():
            sizes_of = getattr(self, name)
            if max(sizes_of if isinstance(sizes_of, (list, tuple)) else [sizes_of], default=0) > largest:
                raise ValueError(f"`{name}` must be at most {largest}, got {sizes_of}.")
        if not self.classifier_lstm_sizes:
            raise ValueError("`classifier_lstm_sizes` needs the width of at least one layer, got none.")
        if self.hidden_size % 2:
            raise ValueError(f"`hidden_size` must be even (sine and cosine pairs), got {self.hidden_size}.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"`hidden_size` ({self.hidden_size}) must be a multiple of `num_attention_heads` ({self.num_attention_heads})."
            )
        for name in ("time_encoding_base", "max_frequency", "phase_bias_scale", "phase_bias_strength", "time_bias_scales"):
            values = getattr(self, name)
            if not all(map(math.isfinite, values if isinstance(values, (list, tuple)) else [values or 0])):
                raise ValueError(f"`{name}` must be finite, got {values}.")
        if self.time_encoding_base <= 1:
            raise ValueError(f"`time_encoding_base` must be greater than 1, got {self.time_encoding_base}.")
        for name in ("reconstruction_weight", "distillation_weight", "feature_weight", "num_target_features"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must not be negative, got {getattr(self, name)}.")
        if not 0 <= self.regularization_fraction <= 1:
            raise ValueError(f"`regularization_fraction` must lie in [0, 1], got {self.regularization_fraction}.")
        for name in ("projection_hidden_size", "projection_size"):
            if not 1 <= getattr(self, name) <= 2**16:
                raise ValueError(f"`{name}` must lie between 1 and {2**16}, got {getattr(self, name)}.")
        if not 0 < self.layer_norm_eps <= 1:
            raise ValueError(f"`layer_norm_eps` must lie in (0, 1], got {self.layer_norm_eps}.")
        if self.hidden_act not in ACT2FN:
            raise ValueError(f"`hidden_act` must be one of {', '.join(sorted(ACT2FN))}, got {self.hidden_act!r}.")
        for name in ("hidden_dropout_prob", "classifier_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must lie in [0, 1), got {getattr(self, name)}.")
        scales = ("time_encoding_exponent", "attention_temperature", "classifier_temperature", "classifier_initializer_range")
        for name in scales:
            if (scale := getattr(self, name)) is not None and not 0 < scale < float("inf"):
                raise ValueError(f"`{name}` must be positive and finite, got {scale}.")
        if self.label_parents is not None and (missing := set((self.id2label or {}).values()) ^ set(self.label_parents)):
            raise ValueError(
                f"`label_parents` must name the parent of every class, and differs in {', '.join(sorted(missing))}. Pass "
                "`label_parents=None` for other classes."
            )
        for probability in (self.uncertain_below or 0, *(self.likely_set_thresholds or ())):
            if not 0 <= probability <= 1:
                raise ValueError(
                    f"`uncertain_below` and `likely_set_thresholds` must be probabilities from 0 to 1, got {probability}."
                )
        if self.likely_set_thresholds is not None and len(self.likely_set_thresholds) != len(LIKELY_SET_COVERAGES):
            raise ValueError(
                f"`likely_set_thresholds` needs a number for each of {len(LIKELY_SET_COVERAGES)} coverages, got "
                f"{len(self.likely_set_thresholds)}."
            )
        for name in ("fewest_points", "novelty_references"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative, got {getattr(self, name)}.")
        if self.novelty_directions < 1:
            raise ValueError(f"`novelty_directions` must be at least 1, got {self.novelty_directions}.")
        if self.unlike_above is not None and not (self.novelty_references and 0 <= self.unlike_above < float("inf")):
            raise ValueError(
                "`unlike_above` must be a distance from 0 on, and needs `novelty_references`, from which it is measured, got "
                f"{self.unlike_above} and {self.novelty_references}."
            )
        if self.novelty_references and self.band_combination == "concat":
            raise ValueError("Novelty is of windows in one band: leave `novelty_references` at 0 where bands are concatenated.")
        quantiles = self.reconstruction_quantiles
        if quantiles is not None and (
            len(quantiles) != len(RECONSTRUCTION_COVERAGES) or not 0 < quantiles[0] <= quantiles[1] < float("inf")
        ):
            raise ValueError(
                f"`reconstruction_quantiles` must be a positive number for each of the coverages {RECONSTRUCTION_COVERAGES}, "
                f"the second at least the first, got {quantiles}."
            )
        if self.use_residual_projection and not self.use_residual:
            raise ValueError("`use_residual_projection` projects what `use_residual` adds: set `use_residual=True` as well.")
        if self.problem_type == "regression" and self.classifier_temperature != 1:
            raise ValueError(
                f"A regression has no probabilities to calibrate: leave `classifier_temperature` at 1, got "
                f"{self.classifier_temperature}."
            )
        if self.phase_bias_scale <= 0:
            raise ValueError(f"`phase_bias_scale` must be positive, in cycles, got {self.phase_bias_scale}.")
        if self.max_frequency <= 0:
            raise ValueError(f"`max_frequency` must be positive, in cycles a day, got {self.max_frequency}.")
        num_time_heads = self.num_attention_heads - self.num_folding_periods
        if not 0 <= self.num_folding_periods <= self.num_attention_heads:
            raise ValueError(
                f"`num_folding_periods` must lie between 0 and `num_attention_heads` ({self.num_attention_heads}), one head "
                f"each, got {self.num_folding_periods}."
            )
        if self.num_folding_periods and self.num_candidate_periods is None:
            raise ValueError(
                "`num_folding_periods` is set and `num_candidate_periods` is missing. A checkpoint without it was trained with "
                "the periodogram of astromer_hf 0.1: use that version. For a new model set it, for example to 16."
            )
        candidates = max(self.num_candidate_periods or 0, 1)
        if self.num_folding_periods and candidates < self.num_folding_periods:
            raise ValueError(
                f"`num_candidate_periods` must be at least `num_folding_periods` ({self.num_folding_periods}), got "
                f"{self.num_candidate_periods}."
            )
        if self.num_frequencies < 128 or self.num_frequencies % 128 or self.num_frequencies < 128 * candidates:
            raise ValueError(
                "`num_frequencies` must be a multiple of 128, and at least 128 for each of the candidate periods, got "
                f"{self.num_frequencies}."
            )
        if self.time_bias_scales is not None and (
            len(self.time_bias_scales) != num_time_heads or any(scale <= 0 for scale in self.time_bias_scales)
        ):
            raise ValueError(
                f"`time_bias_scales` needs one positive scale in days for each of the {num_time_heads} heads that do not "
                f"fold, got {self.time_bias_scales}."
            )
        if self.concatenate_layers and self.use_weighted_layer_sum:
            raise ValueError("`concatenate_layers` and `use_weighted_layer_sum` are two ways to read all blocks: choose one.")
        if self.concatenate_layers and self.classifier_head == "lstm":
            raise ValueError(
                "`classifier_head='lstm'` reads observations, and `concatenate_layers` is of what they are pooled to: choose "
                "'mlp' or 'linear', or `use_weighted_layer_sum=True`."
            )
        if self.classifier_shortcut and self.classifier_head == "lstm":
            raise ValueError(
                "`classifier_shortcut=True` goes beside a perceptron or a linear layer, not `classifier_head='lstm'`: set it "
                "to False."
            )
        if self.bands is not None and not (0 < len(self.bands) == len(set(self.bands)) <= 1024 and all(self.bands)):
            raise ValueError(f"`bands` must be up to 1024 unlike names that are not empty, got {self.bands}.")
        if self.band_combination == "concat" and not self.bands:
            raise ValueError("`band_combination='concat'` needs the order of the bands, `bands=['g', 'r']`, got none.")
        if self.use_band_embedding and not self.bands:
            raise ValueError(
                "`use_band_embedding=True` needs the bands in the order of their numbers, `bands=['g', 'r']`, got none."
            )
        if self.band_combination == "concat" and self.use_band_embedding:
            raise ValueError("`band_combination='concat'` keeps bands apart already: leave `use_band_embedding` off.")
        if self.band_combination == "concat" and self.classifier_head == "lstm":
            raise ValueError(
                "`classifier_head='lstm'` reads the observations of one light curve, and bands are concatenated after pooling: "
                "choose 'mlp' or 'linear', or `band_combination='mean'`."
            )

    @property
    def pooled_size(self) -> int:
        """Numbers that a state is pooled to: of one window, or of one in each band that is concatenated."""
        return self.hidden_size * (2 if self.classifier_pooling == "mean_std" else 1) * self.num_concatenated_bands

    @property
    def num_concatenated_bands(self) -> int:
        """Bands whose embeddings a classifier reads side by side; 1 if it reads one at a time."""
        return len(self.bands or []) if self.band_combination == "concat" else 1

    @property
    def head_input_size(self) -> int:
        """Numbers that the perceptron or the linear layer reads."""
        return self.pooled_size * (self.num_hidden_layers + 1 if self.concatenate_layers else 1)

    @property
    def reads_all_layers(self) -> bool:
        """Whether a classifier sees more than the last block's output."""
        return self.use_weighted_layer_sum or self.concatenate_layers

    @property
    def uses_separations(self) -> bool:
        """Whether attention depends on the separations of observations, in time or in phase."""
        return bool(self.time_bias_scales) or self.num_folding_periods > 0


__all__ = ["AstromerConfig"]
