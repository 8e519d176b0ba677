# Copyright 2026 The astromer_hf developers. MIT licence.
"""The same seed gives the same masks, splits, embeddings and training; batches and workers change no embedding.

The digests are made in processes of their own, whose strings hash differently, so that no order of a set decides anything.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from zygote import PYTHONPATH

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerModel, RaggedLightCurves
from astromer_hf.inference.embedding import embed_light_curves, embed_table
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.light_curves.splits import split_of
from astromer_hf.training.data_collator import DataCollatorForMaskedLightCurves, InMemoryLightCurves

SURVEY = replace(SIMULATED_SURVEYS["ztf_like"], min_points=5, max_points=70)
CURVES = simulate_light_curves(48, seed=3, survey=SURVEY)
MJD, MAG = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]


def digest(*arrays: np.ndarray) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def extended_model() -> AstromerModel:
    torch.manual_seed(0)
    return AstromerModel(AstromerConfig(**TINY_EXTENDED)).eval()


def batches(num_workers: int = 0, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    dataset = InMemoryLightCurves(RaggedLightCurves.from_arrays(MJD, MAG))
    collator = DataCollatorForMaskedLightCurves(AstromerFeatureExtractor(window_size=20), seed=seed)
    return list(torch.utils.data.DataLoader(dataset, batch_size=8, collate_fn=collator, num_workers=num_workers))


def same(first: list[dict[str, torch.Tensor]], second: list[dict[str, torch.Tensor]]) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(first, second, strict=True)
    )


def digest_of_masks() -> str:
    return digest(*(batch[name].numpy() for batch in batches() for name in ("masked_positions", "loss_mask", "magnitudes")))


def digest_of_embeddings() -> str:
    return digest(embed_light_curves(extended_model(), MJD, MAG).object_embeddings)


def digest_of_splits() -> str:
    return digest(np.array([split_of(f"star {i}") for i in range(500)]).astype("S12"))


def digest_of_training() -> str:
    import tempfile

    import run_pretraining
    from safetensors.torch import load_file
    from test_trainer import write_config

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "simulated").mkdir()
        for seed, (split, count) in enumerate({"train": 32, "validation": 8}.items()):
            table = to_table(simulate_light_curves(count, seed=seed, survey=replace(SURVEY, min_points=30)))
            pq.write_table(table, folder / "simulated" / f"{split}-00000-of-00001.parquet")
        fields = {"model": {**TINY_EXTENDED, "hidden_dropout_prob": 0.1}, "max_steps": 6, "per_device_train_batch_size": 8}
        config = write_config(folder / "run.yaml", folder / "simulated", folder / "run", **fields)
        run_pretraining.main(*run_pretraining.parse_args([str(config)]))
        weights = load_file(folder / "run" / "model.safetensors")
    return digest(*(weights[name].numpy() for name in sorted(weights)))


DIGESTS: dict[str, Callable[[], str]] = {
    "masks": digest_of_masks,
    "splits": digest_of_splits,
    "embeddings": digest_of_embeddings,
    "training": digest_of_training,
}


@pytest.mark.slow
def test_masks_splits_embeddings_and_a_training_repeat_from_their_seed_in_any_process():
    code = "import test_determinism as t\nfor name, make in t.DIGESTS.items(): print('DIGEST', name, make())"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": PYTHONPATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    found = []
    for process in processes:
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
        found.append([line for line in out.splitlines() if line.startswith("DIGEST")])
    assert len(found[0]) == len(DIGESTS)
    assert found[0] == found[1]


def test_another_seed_draws_other_masks():
    assert same(batches(), batches())
    assert not same(batches(), batches(seed=1))


def test_the_number_of_workers_changes_no_batch():
    assert same(batches(), batches(num_workers=2))


@pytest.mark.parametrize("fields", [TINY, TINY_EXTENDED], ids=["paper", "extended"])
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_the_batch_size_changes_no_embedding_by_more_than_1e_5(fields: dict, batch_size: int):
    torch.manual_seed(0)
    model = AstromerModel(AstromerConfig(**fields)).eval()
    expected = embed_light_curves(model, MJD, MAG, batch_size=32).object_embeddings
    found = embed_light_curves(model, MJD, MAG, batch_size=batch_size).object_embeddings
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_embedding_by_more_than_1e_5(threads: int):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = embed_light_curves(extended_model(), MJD, MAG).object_embeddings
        torch.set_num_threads(3 - threads)
        expected = embed_light_curves(extended_model(), MJD, MAG).object_embeddings
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_table_is_embedded_to_the_same_bytes_twice(tmp_path: Path):
    source = tmp_path / "curves.parquet"
    pq.write_table(to_table(CURVES), source)
    for name in ("first", "second"):
        embed_table(source, tmp_path / f"{name}.parquet", extended_model(), show_progress=False)
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()
