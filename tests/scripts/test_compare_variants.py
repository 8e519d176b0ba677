# Copyright 2026 The astromer_hf developers. MIT licence.
"""Variants are one change of a configuration away, and one command pre-trains, scores and tabulates them."""

from pathlib import Path

import compare_variants
import pandas as pd
import pytest
import yaml
from conftest import ROOT, TINY
from test_few_shot import write_prepared

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction


def test_variants_differ_from_the_base_in_the_stated_fields():
    base = yaml.safe_load((ROOT / "configs" / "astromer_surveys_small.yaml").read_text())["model"]
    two, six = (compare_variants.fields_of(f"surveys-{count}-blocks", base) for count in (2, 6))
    assert AstromerConfig(**two).to_dict() == AstromerConfig(**base).to_dict()
    assert {**two, "num_hidden_layers": 6} == six
    config = AstromerConfig(**compare_variants.fields_of("astromer2-6-blocks", base))
    assert (config.num_hidden_layers, config.masking_scheme, config.num_folding_periods) == (6, "hidden", 0)
    assert config.use_mask_token
    assert config.weight_loss_by_errors


@pytest.mark.parametrize("variant", list(compare_variants.VARIANTS))
def test_every_variant_is_a_model(variant: str):
    config = AstromerConfig(**{**compare_variants.fields_of(variant, TINY), **TINY, "num_hidden_layers": 3})
    assert len(AstromerForMaskedReconstruction(config).model.layers) == 3


def test_the_published_recipe_of_astromer_2_is_the_variant():
    recipe = yaml.safe_load((ROOT / "configs" / "astromer2_macho.yaml").read_text())
    published = AstromerConfig(**recipe["model"])
    variant = AstromerConfig(**compare_variants.fields_of("astromer2-6-blocks", {}))
    assert published.to_dict() == variant.to_dict()
    assert (recipe["adam_beta2"], recipe["adam_epsilon"], recipe["early_stopping_patience"]) == (0.98, 1e-9, 20)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of a comparison of tiny models on a simulated survey."""
    write_prepared(tmp_path / "data" / "north", per_class={"train": 12, "validation": 3, "test": 3})
    config = {
        "datasets": [str(tmp_path / "data" / "north")],
        "model": {**TINY, "use_mask_token": True},
        "per_device_train_batch_size": 4,
        "report_to": "none",
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    few_shot = "--surveys north --samples 4 --folds 1 --test-per-class 5 --min-train 12 --max-epochs 2"
    reconstruction = "--surveys north --window-size 20 --objects 3 --subset 2 --jobs 1"
    options = ["--variants", "surveys-2-blocks", "surveys-6-blocks", "--max-steps", "2", "--few-shot", few_shot]
    folders = ["-o", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
    return [str(tmp_path / "config.yaml"), str(tmp_path / "data"), *folders, *options, "--reconstruction", reconstruction]


@pytest.mark.slow
def test_one_command_trains_scores_and_tabulates_and_does_nothing_twice(arguments: list[str], tmp_path: Path, capfd):
    args = compare_variants.parse_args(arguments)
    compare_variants.main(args)
    table = pd.read_csv(tmp_path / "results" / "variants.csv", index_col=0)
    assert list(table.columns) == ["surveys-2-blocks", "surveys-6-blocks"]
    assert list(table.loc["steps"]) == [2, 2]
    assert table.loc["MB", "surveys-6-blocks"] >= table.loc["MB", "surveys-2-blocks"]
    assert {"north RMSE", "north R²", *(f"{head}, north, 4" for head in compare_variants.HEADS)} <= set(table.index)
    assert table.notna().all(axis=None)
    markdown = (tmp_path / "results" / "variants.md").read_text()
    assert markdown.startswith("|  | surveys-2-blocks | surveys-6-blocks |")

    weights = tmp_path / "runs" / "surveys-6-blocks" / "model.safetensors"
    changed = weights.stat().st_mtime_ns
    capfd.readouterr()
    compare_variants.main(args)
    assert weights.stat().st_mtime_ns == changed
    printed = capfd.readouterr().out  # a line for every classifier and every reconstruction that is done
    assert ", fold " not in printed
    assert "(subset)" not in printed
    assert (tmp_path / "results" / "variants.md").read_text() == markdown
