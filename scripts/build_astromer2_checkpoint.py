# Copyright 2026 The astromer_hf developers. MIT licence.
"""Build small checkpoints in the layout of Astromer 2 with TensorFlow, and their outputs, to verify the conversion.

The weights are random. Names, shapes, order of operations and files follow the published training code of Astromer 2. A
conversion that reads these checkpoints and computes the same numbers therefore handles the layout correctly.

TensorFlow is not a dependency of this package. It needs its own environment with Python 3.9 to 3.11:

    python3.11 -m venv tensorflow && tensorflow/bin/pip install tensorflow-cpu==2.15.1

Example:
    tensorflow/bin/python scripts/build_astromer2_checkpoint.py runs/astromer2_layout
    python scripts/convert_tf_checkpoint.py runs/astromer2_layout/leak runs/astromer2_converted
    ASTROMER_TENSORFLOW_PYTHON=tensorflow/bin/python pytest tests/hub/test_conversion.py
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
try:
    import tensorflow as tf
except ImportError as error:
    raise SystemExit("error: this script needs: pip install tensorflow-cpu==2.15.1, in an environment of its own") from error

layers = tf.keras.layers
Tensors = dict[str, Any]

# The keys of config.toml that describe a model, and two that do not.
PAPER: dict[str, Any] = {
    "arch": "base",
    "num_layers": 6,
    "num_heads": 4,
    "head_dim": 4,
    "pe_dim": 16,
    "pe_base": 10000,
    "pe_exp": 2,
    "mixer": 12,
    "dropout": 0.0,
    "window_size": 50,
    "m_alpha": -1000000000.0,
    "mask_format": "K",
    "use_leak": False,
    "no_msk_token": False,
    "temperature": 0.0,
    "loss_format": "rmse",
    "correct_loss": True,
    "probed": 0.5,
    "lr": 1e-5,
}
# Checkpoint -> where its config.toml differs, and as "build" what the file does not say: see `build_model`.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "leak": {"use_leak": True},
    "no_token": {"no_msk_token": True, "use_leak": True},
    "lost_token": {"use_leak": True, "build": {"loses_token": True}},
    "temperature": {"temperature": 2.5},
    "ineffective_time_encoding": {"pe_base": 1000, "pe_exp": 1},
    "written_time_encoding": {"pe_base": 1000, "pe_exp": 1, "build": {"obeys_time_encoding": True}},
    "additive": {"mask_format": "QK", "m_alpha": 1.0, "no_msk_token": True},
}


class MaskToken(tf.keras.layers.Layer):
    """A learned magnitude that replaces hidden observations and padding."""

    def build(self, _: Any) -> None:
        """Called by Keras before the first `call`."""
        self.msk_token = self.add_weight("msk_token", (1, 1))

    def call(self, inputs: Tensors) -> Tensors:
        """The three inputs, each (B, L, 1), with `input` replaced."""
        hidden = inputs["mask_in"]
        return {**inputs, "input": (1 - hidden) * inputs["input"] + hidden * self.msk_token}


class Attention(tf.keras.layers.Layer):
    """Multi-head attention. `m_alpha` is added to the logits where a key, or a query or key, is masked."""

    def __init__(self, config: Tensors):
        super().__init__()
        self.num_heads, self.head_dim = config["num_heads"], config["head_dim"]
        self.mask_format, self.m_alpha = config["mask_format"], config["m_alpha"]
        self.temperature = config["temperature"] or 1.0
        width = self.num_heads * self.head_dim
        self.wq, self.wk, self.wv = (layers.Dense(width, name=name) for name in ("WQ", "WK", "WV"))
        self.dense = layers.Dense(width, name="attmerge")

    def split(self, x: Any) -> Any:
        """(B, L, D) to (B, H, L, D/H)."""
        heads = tf.reshape(x, (-1, x.shape[1], self.num_heads, self.head_dim))
        return tf.transpose(heads, (0, 2, 1, 3))

    def call(self, x: Any, masked: Any) -> Any:
        """(B, L, D) to (B, L, D); `masked` is (B, L, 1)."""
        query, key, value = self.split(self.wq(x)), self.split(self.wk(x)), self.split(self.wv(x))
        logits = tf.matmul(query, key, transpose_b=True) / tf.sqrt(float(self.head_dim)) / self.temperature
        keys = masked[:, None, None, :, 0]
        raised = keys if self.mask_format == "K" else tf.minimum(1.0, keys + masked[:, None, :, :])
        mixed = tf.matmul(tf.nn.softmax(logits + self.m_alpha * raised), value)
        return self.dense(tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), tf.shape(x)))


class Block(tf.keras.layers.Layer):
    """Attention and feed-forward layer, each followed by a layer norm; with "leaks" each input is projected and added."""

    def __init__(self, config: Tensors, **options: Any):
        super().__init__(**options)
        width = config["num_heads"] * config["head_dim"]
        self.mha = Attention(config)
        self.ffn = tf.keras.Sequential([layers.Dense(config["mixer"], activation="tanh"), layers.Dense(width)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.use_leak = config["use_leak"]
        if self.use_leak:
            self.reshape_leak_1, self.reshape_leak_2 = layers.Dense(width), layers.Dense(width)

    def call(self, x: Any, masked: Any) -> Any:
        """(B, L, D) to (B, L, D); `masked` is (B, L, 1)."""
        mixed = self.mha(x, masked)
        x = self.layernorm1(self.reshape_leak_1(x) + mixed if self.use_leak else mixed)
        transformed = self.ffn(x)
        return self.layernorm2(self.reshape_leak_2(x) + transformed if self.use_leak else transformed)


class Encoder(tf.keras.Model):
    """Embeddings of magnitudes and times, and the blocks."""

    def __init__(self, config: Tensors, base: float, exponent: float, **options: Any):
        super().__init__(**options)
        self.base, self.exponent, self.width = base, exponent, config["pe_dim"]
        self.inp_transform = layers.Dense(config["pe_dim"], name="inp_transform")
        self.enc_layers = [Block(config, name=f"att_layer_{i}") for i in range(config["num_layers"])]

    def call(self, inputs: Tensors) -> Any:
        """The three inputs, each (B, L, 1), to (B, L, D)."""
        j = tf.range(self.width, dtype=tf.float32)
        angles = inputs["times"] * tf.math.reciprocal(tf.pow(self.base, self.exponent * j / self.width))
        x = self.inp_transform(inputs["input"]) + tf.where(j % 2 == 0, tf.sin(angles), tf.cos(angles))
        for block in self.enc_layers:
            x = block(x, inputs["mask_in"])
        return x


class Regression(tf.keras.layers.Layer):
    """The decoder: layer norm and one linear unit."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.reg_layer = layers.Dense(1, name="reconstruction")
        self.bn_0 = layers.LayerNormalization(epsilon=1e-6)

    def call(self, x: Any) -> Any:
        """(B, L, D) to (B, L, 1)."""
        return self.reg_layer(self.bn_0(x))


def build_model(config: Tensors, loses_token: bool = False, obeys_time_encoding: bool = False) -> Any:
    """The Keras model of `config`.

    Args:
        config: content of config.toml.
        loses_token: pass the outputs of the mask token's layer to Keras as the inputs of the model, as the published code does.
            The model then starts after that layer, and its token is neither trained nor saved.
        obeys_time_encoding: use the time encoding of config.toml instead of 10000 and 2.
    """
    inputs = {name: layers.Input((config["window_size"], 1), name=name) for name in ("input", "times", "mask_in")}
    embedded = inputs if config["no_msk_token"] else MaskToken(name="msk_token")(inputs)
    base, exponent = (config["pe_base"], config["pe_exp"]) if obeys_time_encoding else (10000, 2)
    encoded = Encoder(config, float(base), float(exponent), name="encoder")(embedded)
    model = tf.keras.Model(embedded if loses_token else inputs, Regression(name="regression")(encoded))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        is_matrix, is_gamma = variable.shape.rank == 2, "gamma" in variable.name
        variable.assign(rng.normal(float(is_gamma), variable.shape[0] ** -0.5 if is_matrix else 0.2, variable.shape))
    return model


def draw_windows(length: int) -> dict[str, np.ndarray]:
    """Four windows (4, L): half hidden, half hidden with padding, nothing hidden, nothing hidden with padding."""
    rng = np.random.default_rng(1)
    observed = np.arange(length) < np.array([length, 0.6 * length, length, 0.3 * length])[:, None]
    masked = observed & (rng.random(observed.shape) < 0.5) & np.array([True, True, False, False])[:, None]
    magnitudes = np.where(observed, rng.normal(0, 0.3, observed.shape), 0)
    times = np.where(observed, np.sort(rng.uniform(-500, 500, observed.shape)), 0)
    return {
        "magnitudes": magnitudes.astype(np.float32),
        "times": times.astype(np.float32),
        "observed": observed,
        "masked": masked,
    }


def compute(model: Any, windows: dict[str, np.ndarray], magnitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The model's reconstruction of the windows with these magnitudes, (4, L), and the encoder's output, (4, L, D)."""
    masked = (windows["masked"] | ~windows["observed"]).astype(np.float32)  # one word for hidden and padding
    arrays = {"input": magnitudes, "times": windows["times"], "mask_in": masked}
    inputs = {name: tf.constant(array[..., None]) for name, array in arrays.items()}
    names = [layer.name for layer in model.layers]
    embedded = model.get_layer("msk_token")(inputs) if "msk_token" in names else inputs
    return model(inputs).numpy()[..., 0], model.get_layer("encoder")(embedded).numpy()


def write_checkpoint(folder: Path, name: str) -> None:
    """Write the variant's config.toml, weights and golden.npz.

    The arrays are those of `draw_windows` and the model's outputs: `reconstruction` and `states`. `reconstruction_of_zeroed`
    and `states_of_zeroed` are the outputs with hidden magnitudes set to 0, which differ without a mask token.
    """
    variant = dict(VARIANTS[name])
    build = variant.pop("build", {})
    config = PAPER | variant
    model = build_model(config, **build)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in config.items()]
    (folder / "config.toml").write_text("\n".join(lines).replace("'", '"') + "\n")
    model.save_weights(folder / "weights", save_format="tf")

    windows = draw_windows(config["window_size"])
    reconstruction, states = compute(model, windows, windows["magnitudes"])
    zeroed = np.where(windows["masked"], np.float32(0), windows["magnitudes"])
    reconstruction_of_zeroed, states_of_zeroed = compute(model, windows, zeroed)
    golden: dict[str, Any] = windows | {
        "reconstruction": reconstruction,
        "states": states,
        "reconstruction_of_zeroed": reconstruction_of_zeroed,
        "states_of_zeroed": states_of_zeroed,
    }
    np.savez(folder / "golden.npz", **golden)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder to write, a folder in it for each checkpoint")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="which checkpoints (all)")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    for name in args.variants:
        write_checkpoint(args.output / name, name)
        print(f"{args.output / name}")


if __name__ == "__main__":
    main(parse_args())
