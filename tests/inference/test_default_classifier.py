# Copyright 2026 The astromer_hf developers. MIT licence.
"""The classifier of variable stars that comes with the package, on light curves that it did not see in training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from transformers import AutoModelForSequenceClassification

from astromer_hf import AstromerConfig, default_classifier_folder, load_model
from astromer_hf.cli.main import main
from astromer_hf.inference.classification import LightCurveClassifier
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.taxonomy import LEAF_NAMES, PARENT_OF
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.few_shot import build_classifier

# What a simulated class is in the taxonomy.
EXPECTED = {
    "RRab": {"RRab"},
    "RRc": {"RRc", "CEP_1O"},  # sinusoids of similar periods
    "Cepheid": {"CEP_F", "CEP_1O"},
    "EclipsingBinary": {"EA", "EW_EB"},
    "LPV": {"LPV"},
    "DSCT": {"DSCT"},
    "Constant": {"NOT_VARIABLE"},
}


def classify(table: pd.DataFrame, folder: Path, *options: str) -> pd.DataFrame:
    table.to_parquet(folder / "curves.parquet", index=False)
    assert main(["classify", str(folder / "curves.parquet"), "-o", str(folder / "classes.parquet"), "--quiet", *options]) == 0
    return pd.read_parquet(folder / "classes.parquet")


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return to_table(simulate_light_curves(56, seed=11)).to_pandas()


def test_it_is_of_the_taxonomy_and_calibrated():
    config = AstromerConfig.from_pretrained(default_classifier_folder())
    assert tuple(config.id2label.values()) == LEAF_NAMES
    assert config.label_parents == PARENT_OF
    assert 0.5 < config.uncertain_below < 1
    assert config.likely_set_thresholds == sorted(config.likely_set_thresholds, reverse=True)


def test_simulated_stars_get_their_classes_without_a_model_being_named(simulated: pd.DataFrame, tmp_path: Path):
    found = classify(simulated, tmp_path, "--coverage", "0.9")
    right = [label in EXPECTED[true] for true, label in zip(found["label"], found["predicted_label"], strict=True)]
    assert np.mean(right) > 0.85
    sure = ~found["is_uncertain"].to_numpy(bool)
    assert np.mean(np.array(right)[sure]) > 0.9
    assert found["likely_labels"].map(len).mean() < 4
    wider = {true: {PARENT_OF[leaf] for leaf in leaves} for true, leaves in EXPECTED.items()}
    assert np.mean([p in wider[true] for true, p in zip(found["label"], found["parent_label"], strict=True)]) > 0.85


def test_light_curves_without_order_in_time_are_not_variable(simulated: pd.DataFrame, tmp_path: Path):
    rng = np.random.default_rng(0)
    shuffled = simulated.copy()
    orders = [rng.permutation(len(mag)) for mag in shuffled["mag"]]
    for name in ("mag", "magerr"):
        shuffled[name] = [values[order] for values, order in zip(shuffled[name], orders, strict=True)]
    found = classify(shuffled, tmp_path)
    assert (found["predicted_label"] == "NOT_VARIABLE").mean() > 0.9


def test_rr_lyrae_of_macho_where_it_only_saw_cepheids_are_recognised(shared_data: Path, tmp_path: Path):
    table = pd.read_parquet(shared_data / "macho_with_err.parquet")
    found = classify(table[table["label"] == "RRab"], tmp_path)
    assert len(found) == 12
    assert (found["predicted_label"] == "RRab").mean() > 0.9


def test_a_new_head_on_it_states_nothing_that_was_fitted_to_the_old_one():
    config = AstromerConfig.from_pretrained(default_classifier_folder())
    own = build_classifier(config, ["a", "b"], 0).config
    assert (own.label_parents, own.uncertain_below, own.likely_set_thresholds, own.fewest_points) == (None, None, None, 0)
    assert (own.novelty_references, own.unlike_above) == (0, None)
    assert own.classifier_temperature == 1.0


def test_a_new_calibration_ends_what_was_fitted_to_the_old_one(simulated: pd.DataFrame):
    model, extractor = load_model(str(default_classifier_folder()), AutoModelForSequenceClassification)
    curves = RaggedLightCurves.from_arrays(list(simulated["mjd"][:4]), list(simulated["mag"][:4]))
    LightCurveClassifier(model, extractor).calibrate(curves, np.arange(4))
    assert model.config.uncertain_below is None
    assert model.config.likely_set_thresholds is None
