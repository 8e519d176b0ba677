# Copyright 2026 The astromer_hf developers. MIT licence.
"""An experiment: does one joint encoding reconstruct a light curve in two bands better than one encoding per band?

Windows hold the observations of an object in all of its bands, in the order of their times. Each band is centred on its own
visible mean. Half of the observations are probed. Three models see the same windows and masks. They start from one pre-trained
checkpoint and train for the same number of steps:

- `each band alone`: every window is split into its bands, as ASTROMER reads light curves;
- `joint`: the window is not split, and the band of an observation is unknown;
- `joint, band embedding`: a learned vector of the band is added to the embedding of every magnitude.

The hidden magnitudes of held-out objects are scored for each band.

Example:
    python scripts/compare_band_encodings.py data/prepared/macho_lmc_cepheids_noerr --bands R B -o results/bands.csv
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import Trainer, TrainingArguments, set_seed

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerForMaskedReconstruction
from astromer_hf.cli.numbers import count, positive, seed
from astromer_hf.evaluation.reconstruction_metrics import WindowScores, score_windows
from astromer_hf.inference.output_files import complete_or_absent
from astromer_hf.light_curves.source import iter_split
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves, mean_of_visible

ENCODINGS = ("each band alone", "joint", "joint, band embedding")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="folder that scripts/prepare_dataset.py wrote")
    parser.add_argument("--bands", nargs="+", required=True, help="that an object must have, in the order of their numbers")
    parser.add_argument("--model", default="model_cards/astromer-surveys-small", help="folder to start from (%(default)s)")
    parser.add_argument("--max-steps", type=count, default=300, help="of each training (%(default)s)")
    parser.add_argument("--batch-size", type=count, default=32, help="windows (%(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=3e-4, help="at its peak (%(default)s)")
    parser.add_argument("--objects", type=count, default=200, help="held-out objects at the most (%(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="of windows, masks and training (%(default)s)")
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/bands.csv"), help="table to write")
    return parser.parse_args(argv)


def load_joint(dataset: Path, split: str, bands: Sequence[str]) -> RaggedLightCurves:
    """The objects of a split that have all `bands`, one light curve each. Their errors hold 1 + the number of the band."""
    curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for chunk in iter_split(dataset, split):
        clean, _ = chunk.curves.clean()
        for i, (name, band) in enumerate(zip(chunk.object_ids.to_pylist(), chunk.annotations["band"].to_pylist(), strict=True)):
            part = slice(clean.offsets[i], clean.offsets[i + 1])
            curves.setdefault(name, {})[band] = clean.times[part], clean.magnitudes[part]
    complete = [of_object for of_object in curves.values() if set(bands) <= of_object.keys()]
    if not complete:
        raise SystemExit(f"error: no object of {dataset}, {split}, has all of the bands {', '.join(bands)}")
    times, magnitudes = ([np.concatenate([curve[band][part] for band in bands]) for curve in complete] for part in (0, 1))
    numbers = [np.concatenate([np.full(len(curve[band][0]), 1.0 + i) for i, band in enumerate(bands)]) for curve in complete]
    return RaggedLightCurves.from_arrays(times, magnitudes, numbers).clean()[0]


@dataclass
class JointCollator:
    """Mask windows of several bands. If `splits` is set, split them into their bands."""

    collator: DataCollatorForMaskedLightCurves
    num_bands: int
    splits: bool

    def __call__(self, features: Any) -> dict[str, torch.Tensor]:
        """As `DataCollatorForMaskedLightCurves`, with `band_ids`; each band is centred on its own visible mean."""
        batch = self.collator(features)
        observed = batch["attention_mask"] == 1
        bands = torch.where(observed, batch.pop("magnitude_errors").long() - 1, 0)
        for band in range(self.num_bands):
            of_band = observed & (bands == band)
            visible = of_band & ~batch["masked_positions"]
            mean = torch.from_numpy(mean_of_visible(batch["magnitudes"].numpy(), visible.numpy()))
            for name in ("magnitudes", "labels"):
                batch[name] = torch.where(of_band, batch[name] - mean, batch[name])
        if not self.splits:
            return {**batch, "band_ids": bands}
        parts = [self.select({**batch, "band_ids": bands}, observed & (bands == band)) for band in range(self.num_bands)]
        return {name: torch.nn.utils.rnn.pad_sequence([row for part in parts for row in part[name]], True) for name in parts[0]}

    @staticmethod
    def select(batch: dict[str, torch.Tensor], chosen: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        """The `chosen` observations (B, L) of every window that has any, as a new window."""
        rows = [row for row in range(len(chosen)) if chosen[row].any()]
        return {name: [tensor[row][chosen[row]] for row in rows] for name, tensor in batch.items()}


def build_model(args: argparse.Namespace, encoding: str) -> AstromerForMaskedReconstruction:
    """The checkpoint; if `encoding` asks for a band embedding, with one that is zero at first."""
    pretrained = AstromerForMaskedReconstruction.from_pretrained(args.model)
    if encoding != "joint, band embedding":
        return pretrained
    config = AstromerConfig.from_pretrained(args.model, bands=list(args.bands), use_band_embedding=True)
    model = AstromerForMaskedReconstruction(config)
    missing = model.load_state_dict(pretrained.state_dict(), strict=False).missing_keys
    assert missing == ["model.embeddings.band_embedding.weight"]
    torch.nn.init.zeros_(model.get_parameter(missing[0]))
    return model


@torch.inference_mode()
def score(model: AstromerForMaskedReconstruction, batches: Sequence[dict[str, torch.Tensor]]) -> dict[int, WindowScores]:
    """Scores of the hidden magnitudes in every band."""
    model.eval()
    found: dict[int, list[WindowScores]] = {}
    for batch in batches:
        reconstruction = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).reconstruction
        for band in batch["band_ids"].unique().tolist():
            scored = batch["masked_positions"] & (batch["band_ids"] == band) & (batch["attention_mask"] == 1)
            found.setdefault(band, []).append(score_windows(reconstruction, batch["labels"], scored))
    return {band: WindowScores.concatenate(parts) for band, parts in found.items()}


def main(args: argparse.Namespace) -> pd.DataFrame:
    training = InMemoryLightCurves(load_joint(args.dataset, "train", args.bands))
    held_out = load_joint(args.dataset, "test", args.bands)
    chosen = np.random.default_rng(args.seed).permutation(len(held_out))[: args.objects]
    test = InMemoryLightCurves(held_out.select(np.sort(chosen)))
    extractor = AstromerFeatureExtractor()
    rows = []
    for encoding in ENCODINGS:
        set_seed(args.seed)
        model = build_model(args, encoding)
        splits = encoding == "each band alone"
        collator = JointCollator(DataCollatorForMaskedLightCurves(extractor, seed=args.seed), len(args.bands), splits)
        options = TrainingArguments(
            output_dir=str(args.output.with_suffix("")),
            max_steps=args.max_steps,
            per_device_train_batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=args.max_steps // 10,
            bf16=args.bf16,
            use_cpu=not torch.accelerator.is_available(),
            save_strategy="no",
            report_to="none",
            logging_steps=50,
            remove_unused_columns=False,
            seed=args.seed,
        )
        Trainer(model, options, data_collator=collator, train_dataset=training).train()
        hide = DataCollatorForMaskedLightCurves(extractor, "sequential", random_fraction=0, same_fraction=0, seed=args.seed)
        collator = JointCollator(hide, len(args.bands), splits)
        batches = [collator(test.__getitems__(range(i, min(i + 16, len(test))))) for i in range(0, len(test), 16)]
        for band, scores in sorted(score(model, batches).items()):
            row = {"encoding": encoding, "band": args.bands[band], "windows": len(scores.counts), **scores.summarize()}
            rows.append(row)
            print(" ".join(f"{name}={value}" for name, value in row.items()), flush=True)
    table = pd.DataFrame(rows)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with complete_or_absent(args.output) as partial:
        table.to_csv(partial, index=False, float_format="%.4f")
    return table


if __name__ == "__main__":
    main(parse_args())
