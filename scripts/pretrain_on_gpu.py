# Copyright 2026 The astromer_hf developers. MIT licence.
"""Pre-train ASTROMER on one GPU in some minutes: data on the device, views and masks drawn there, bf16, compiled.

Examples:
    python scripts/pretrain_on_gpu.py runs/pack/light_curves.npz -o runs/gpu --seconds 400
    python scripts/pretrain_on_gpu.py runs/pack/light_curves.npz -o runs/gpu --throughput \\
        --runs '[{"name": "all"}, {"name": "without_asas", "exclude": ["asas_acvs"]}]'
    python scripts/pretrain_on_gpu.py runs/pack/light_curves.npz -o runs/gpu --held-out 0 \\
        --runs '[{"name": "on", "start": "model_cards/astromer-surveys-small", "learning_rate": 8e-4}]'

It needs torch, transformers 5, numpy and scikit-learn only, since a GPU lent for minutes has no time to install anything. It
learns against the clock: the learning rate falls by a cosine of the time that has passed. `scripts/run_pretraining.py` trains
the same model on the same views with transformers' Trainer. Before it stands `scripts/pack_light_curves.py`.

Each run leaves a folder with a checkpoint of encoder and decoder, and one of the whole in `pretraining/`. Another run may start
from either: the first kind gets a new projector. The log has the scores of a linear probe and of nearest neighbours on held-out
stars of the training split, unless `--held-out 0` trains on all of them.
`--runs` names several, a list of `{"name": ..., "seconds": ..., "start": folder, "exclude": [surveys], "model": {...},
"views": {...}, "learning_rate": ..., "stars": ...}`. Only the name is required; `model` and `views` change those of the recipe.
"""

import argparse
import contextlib
import importlib
import json
import math
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

LEAST_OF_CLASS = 40  # of them, for a class to be scored
STEPS_PER_LOG = 50
NUM_TREES = 300  # of the forest on hand-crafted features
SECONDS_MEASURED = 1.0  # for each throughput
# Of the integers in a pack. Errors are LOWEST_ERROR · ERROR_RATIO^k, k from 1 to 255; 0 is unknown.
DAYS_PER_UNIT, MAGNITUDES_PER_UNIT = 1e-5, 5e-4
LOWEST_ERROR, ERROR_RATIO = 5e-4, 1.035


def import_model() -> dict[str, Any]:
    """The model's classes and the views, without the rest of the package and what that needs."""
    root = Path(__file__).parents[1] / "astromer_hf"
    # Packages of another name and without their `__init__`, which would register these classes with transformers.
    for name, folder in (("astromer_model", root), ("astromer_model.model", root / "model")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    names: dict[str, Any] = {}
    for module in ("model.configuration_astromer", "model.modeling_astromer", "model.pretraining_astromer", "training.views"):
        names |= vars(importlib.import_module(f"astromer_model.{module}"))
    return names


def count(text: str) -> int:
    """A number of things: whole, and at least 1."""
    if not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"must be between 1 and a billion, got {text}")
    return int(text)


def seed(text: str) -> int:
    """What a generator of random numbers starts from."""
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"must be between 0 and {2**32 - 1}, got {text}")
    return int(text)


def not_negative(text: str) -> float:
    """A number from 0."""
    return float(text) if float(text) == 0 else positive(text)


def fraction(text: str) -> float:
    """A part of a whole, less than all of it."""
    if not 0 <= float(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, got {text}")
    return float(text)


def positive(text: str) -> float:
    """A number above 0."""
    if not 0 < float(text) <= 1e9:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1e9, got {text}")
    return float(text)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="what scripts/pack_light_curves.py wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a folder for the runs")
    parser.add_argument("--seconds", type=positive, default=400, help="of a run that names none (%(default)s)")
    parser.add_argument("--runs", type=json.loads, default=[{"name": "run"}], help="JSON, see above")
    parser.add_argument(
        "--deadline", type=not_negative, default=math.inf, help="seconds after which a run is cut short and saved"
    )
    parser.add_argument("--stars", type=count, default=512, help="of a step (%(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=1e-3, help="the highest (%(default)s)")
    parser.add_argument(
        "--held-out",
        type=fraction,
        default=0.15,
        help="of the stars, which score the runs and train none (%(default)s)",
    )
    parser.add_argument("--throughput", action="store_true", help="first a table of windows a second")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    parser.add_argument("--seed", type=seed, default=0)
    args = parser.parse_args(argv)
    args.start = time.perf_counter()
    return args


class Log:
    """Lines to the screen and to a file at once."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a")

    def __call__(self, *values: Any) -> None:
        """Print a line."""
        print(*values, flush=True)
        print(*values, file=self.file, flush=True)


def unpack(path: Path, names: dict[str, Any]) -> tuple[Any, dict[str, np.ndarray]]:
    """The light curves of a pack, and its other arrays."""
    packed = dict(np.load(path, allow_pickle=False))
    lengths = packed["lengths"]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    units = packed["times"].T.copy().view(np.uint32).ravel().astype(np.int64).cumsum()
    times = (units - np.repeat(units[offsets[:-1]], lengths)) * DAYS_PER_UNIT
    errors = np.where(packed["errors"] > 0, LOWEST_ERROR * ERROR_RATIO ** packed["errors"].astype(float), np.nan)
    star_offsets = np.concatenate(([0], np.cumsum(packed["curves_of_star"])))
    curves = names["PackedLightCurves"].from_numpy(
        times, packed["magnitudes"] * MAGNITUDES_PER_UNIT, errors, offsets, star_offsets, packed["surveys"]
    )
    return curves, packed


def unpack_variations(packed: dict[str, np.ndarray], names: dict[str, Any]) -> Any:
    """The variations of the stars of a pack, None where it has none."""
    if "variation_rms" not in packed:
        return None
    arrays = {name: packed[f"variation_{name}"] for name in names["Variations"].__dataclass_fields__}
    arrays["coefficients"] = arrays["coefficients"].astype(np.float32).view(np.complex64)
    return names["Variations"](**{name: torch.from_numpy(array) for name, array in arrays.items()})


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def autocast(device: torch.device) -> Any:
    return torch.autocast(device.type, torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()


# --- Scores on held-out stars ---


@torch.no_grad()
def embed_stars(encoder: Any, curves: Any, stars: torch.Tensor, length: int, points: int, names: dict[str, Any]) -> np.ndarray:
    """`pooler_output` (N, D) of the first light curve of each star, of so many random observations of it at the most."""
    recipe = names["ViewRecipe"](
        min(length, points), kept_fraction=(1.0, 1.0), run_probability=0, noise_probability=0, hide_errors_probability=0
    )
    generator = torch.Generator(stars.device).manual_seed(0)
    rows = []
    for part in stars.split(256):
        batch = names["draw_views"](curves, curves.star_offsets[part], recipe, generator)
        with autocast(part.device):
            rows.append(encoder(**batch).pooler_output.float().cpu())
    return torch.cat(rows).numpy()


def probe(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Macro-F1 of a linear probe and of nearest neighbours, by five folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    models = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
        "neighbors": make_pipeline(StandardScaler(), KNeighborsClassifier(10)),
    }
    return {
        name: f1_score(labels, cross_val_predict(model, embeddings, labels, cv=folds, n_jobs=5), average="macro")
        for name, model in models.items()
    }


def labelled_stars(packed: dict[str, np.ndarray], held_out: np.ndarray) -> dict[str, np.ndarray]:
    """Held-out stars of the three surveys of the benchmark, of classes with forty of them."""
    found = {}
    for number, name in enumerate(packed["survey_names"]):
        if name not in ("asas_acvs", "crts_css", "sss_catalina_south"):
            continue
        stars = np.flatnonzero(held_out & (packed["surveys"] == number) & (packed["labels"] != ""))
        stars = stars[packed["labels"][stars] != "Close Binary Eclipsing Systems"]
        classes, counts = np.unique(packed["labels"][stars], return_counts=True)
        rng = np.random.default_rng(0)
        of_class = [np.flatnonzero(packed["labels"][stars] == name) for name in classes[counts >= LEAST_OF_CLASS]]
        if len(of_class) > 1:
            found[str(name)] = stars[np.concatenate([rng.permutation(members)[:150] for members in of_class])]
    return found


def score(
    model: Any, curves: Any, packed: dict[str, np.ndarray], held_out: np.ndarray, names: dict[str, Any], log: Log
) -> None:
    device = curves.times.device
    encoder = names["AstromerModel"](model.config).to(device).eval()
    encoder.load_state_dict(model.model.state_dict())
    for survey, stars in labelled_stars(packed, held_out).items():
        chosen = torch.from_numpy(stars).to(device)
        cells = []
        for points in (model.config.window_size, 50):
            embeddings = embed_stars(encoder, curves, chosen, model.config.window_size, points, names)
            scores = probe(embeddings, packed["labels"][stars])
            cells.append(f"{points} points: " + " ".join(f"{name} {value:.3f}" for name, value in scores.items()))
        log(f"  probe {survey} ({len(stars)} stars): {'; '.join(cells)}")


def score_features(packed: dict[str, np.ndarray], held_out: np.ndarray, log: Log) -> None:
    """A forest on the hand-crafted features of the same stars."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    for survey, stars in labelled_stars(packed, held_out).items():
        labels = packed["labels"][stars]
        features = np.nan_to_num(packed["features"][stars].astype(np.float32), nan=-9)
        forest = RandomForestClassifier(NUM_TREES, class_weight="balanced_subsample", random_state=0, n_jobs=-1)
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        predicted = cross_val_predict(forest, features, labels, cv=folds)
        log(f"  features, forest, {survey}: {f1_score(labels, predicted, average='macro'):.3f}")


# --- Throughput ---


def measure(device: torch.device, run: Any) -> float:
    """Calls a second, after two to warm up."""
    for _ in range(2):
        run()
    synchronize(device)
    start, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - start < SECONDS_MEASURED:
        run()
        synchronize(device)
        calls += 1
    return calls / (time.perf_counter() - start)


def throughput(fields: dict[str, Any], device: torch.device, names: dict[str, Any], log: Log, sizes: tuple[int, ...]) -> None:
    """Windows of 200 a second, embedding and a training step, of the paper's model and of ours, at several batch sizes."""
    size = 8192 if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    rate = measure(device, lambda: left @ right) * 2 * size**3
    log(f"matrix product {size}, bf16: {rate / 1e12:.3f} TFLOP/s")
    for title, own in (("paper", {}), ("ours", fields)):
        model = names["AstromerForMaskedReconstruction"](names["AstromerConfig"](**own)).to(device)
        optimizer = torch.optim.Adam(model.parameters(), 1e-4)
        width, inner = model.config.hidden_size, model.config.intermediate_size
        operations = 2 * 200 * (2 * (4 * width**2 + 2 * width * inner) + 2 * 2 * 200 * width)
        for windows in sizes:
            times = (torch.rand(windows, 200, device=device) * 2000).sort(1).values - 1000
            batch = {"magnitudes": torch.randn(windows, 200, device=device), "times": times}
            hidden = torch.rand(windows, 200, device=device) < 0.5

            @torch.inference_mode()
            def embed(model: Any = model, batch: Any = batch) -> None:
                with autocast(device):
                    model.model(**batch)

            def train(model: Any = model, batch: Any = batch, hidden: Any = hidden, optimizer: Any = optimizer) -> None:
                with autocast(device):
                    loss = model(**batch, masked_positions=hidden, labels=batch["magnitudes"]).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

            speeds = [measure(device, model.eval() and embed) * windows, measure(device, model.train() and train) * windows]
            embedding, training = speeds[0] * operations / rate, speeds[1] * 3 * operations / rate
            log(
                f"{title}, {windows} windows of 200: embedding {speeds[0]:.0f} windows/s ({embedding:.1%} of the product's "
                f"rate), training {speeds[1]:.0f} windows/s ({training:.1%})"
            )


# --- Training ---


def learning_rate(progress: float, highest: float) -> float:
    """A linear rise over 4 %, then a cosine to nothing."""
    return highest * min(progress / 0.04, 1) * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))


def build_model(run: dict[str, Any], packed: dict[str, np.ndarray], names: dict[str, Any]) -> Any:
    """The model of a run: new, or what it starts from; a checkpoint that is shared gets a new projector and feature head.

    Raises:
        SystemExit: the model predicts features and the pack has none.
        RuntimeError, ValueError: the weights are of another architecture, or damaged.
    """
    kind, changed = names["AstromerForPreTraining"], run.get("model", {})
    if "start" in run:
        config = names["AstromerConfig"].from_pretrained(run["start"], **changed)
    else:
        config = names["AstromerConfig"](**json.loads(str(packed["model"])) | changed)
    is_whole = config.architectures == [kind.__name__]
    if config.num_target_features and "features" not in packed:
        raise SystemExit("error: the model predicts features and the pack has none; pack with a recipe that names `features`")
    if not is_whole and "num_target_features" not in changed and config.feature_weight and "features" in packed:
        config.num_target_features = packed["features"].shape[1]
    if "start" not in run:
        return kind(config)
    return kind.from_pretrained(run["start"], config=config) if is_whole else kind.with_new_projector(run["start"], config)


def train(
    run: dict[str, Any],
    curves: Any,
    packed: dict[str, np.ndarray],
    held_out: np.ndarray,
    args: argparse.Namespace,
    names: dict[str, Any],
    log: Log,
) -> None:
    """One run: train for its seconds on the stars that are not `held_out` (S,), score, save."""
    device = curves.times.device
    torch.manual_seed(args.seed)
    stars_of_step = run.get("stars", args.stars)
    seconds = min(run.get("seconds", args.seconds), args.deadline - (time.perf_counter() - args.start))
    if seconds <= 0:
        log(f"run {run['name']}: no time is left")
        return
    model = build_model(run, packed, names)
    if "start" in run and held_out.any():
        log("  (the weights that this run starts from may have seen the stars that score it)")
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=device.type == "cuda")
    recipe = names["MultiViewRecipe"](**json.loads(str(packed.get("views", "{}"))) | run.get("views", {}))
    if not args.no_compile:  # what makes a thousand small steps without a gradient gains most, and compiles in seconds
        torch._dynamo.config.suppress_errors = True
        model.model.embeddings.folding.periodogram.compile(dynamic=False)
        model.model.separation_bias.compile(dynamic=False)

    surveys = packed["surveys"]
    excluded = np.isin(packed["survey_names"][surveys], run.get("exclude", []))
    counts = np.bincount(surveys)
    weights = torch.from_numpy(np.where(held_out | excluded, 0, counts[surveys] ** -0.5)).to(device)
    variations = unpack_variations(packed, names)
    if variations is not None:
        variations.errors[held_out | excluded] = torch.inf  # no star is seen at their times either
        variations = variations.to(device)
    features = None
    if model.config.num_target_features:
        features = torch.from_numpy(packed["features"].astype(np.float32)).to(device)
    generator = torch.Generator(device).manual_seed(args.seed)
    start = last = time.perf_counter()
    step = 0
    log(f"run {run['name']}: {json.dumps(run)}, {int((weights > 0).sum())} stars")
    while (elapsed := time.perf_counter() - start) < seconds:
        rate = learning_rate(elapsed / seconds, run.get("learning_rate", args.learning_rate))
        for group in optimizer.param_groups:
            group["lr"] = rate
        stars = torch.multinomial(weights, stars_of_step, replacement=True, generator=generator)
        batch = recipe.draw(curves, stars, generator, variations)
        if features is not None:
            batch["target_features"] = features[stars]
        with autocast(device):
            outputs = model(**batch)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step == 1:
            synchronize(device)
            log(f"  first step after {time.perf_counter() - start:.1f} s")
            start = last = time.perf_counter()  # compilation does not count
            seconds = max(min(seconds, args.deadline - (start - args.start)), 1e-3)
        elif step % STEPS_PER_LOG == 0:
            losses = {name: f"{float(value.detach()):.4f}" for name, value in outputs.items() if name.endswith("loss")}
            now = time.perf_counter()
            views = STEPS_PER_LOG * stars_of_step * recipe.num_views / (now - last)
            last = now
            if step % (STEPS_PER_LOG * 4) == 0 or step <= 2 * STEPS_PER_LOG:
                log(f"  step {step}, {now - start:.0f} s, {views:.0f} views/s, lr {rate:.1e}, {losses}")
    log(f"  {step} steps, {step * stars_of_step * recipe.num_views} views")
    model.eval()
    model.save_pretrained(args.output / run["name"] / "pretraining")
    model.without_projector().save_pretrained(args.output / run["name"])
    if held_out.any():
        score(model, curves, packed, held_out, names, log)


def main(args: argparse.Namespace) -> None:
    names = import_model()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    log = Log(args.output / "log.txt")
    log(f"{torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}, torch {torch.__version__}")
    curves, packed = unpack(args.data, names)
    curves = curves.to(device)
    held_out = np.random.default_rng(args.seed).random(len(curves)) < args.held_out
    if "features" in packed and held_out.any():
        score_features(packed, held_out, log)
    if args.throughput:
        sizes = (256, 1024, 4096) if device.type == "cuda" else (2, 4)
        throughput(json.loads(str(packed["model"])), device, names, log, sizes)
    for run in args.runs:
        train(run, curves, packed, held_out, args, names, log)


if __name__ == "__main__":
    main(parse_args())
