# Copyright 2026 The astromer_hf developers. MIT licence.
"""The classifier of variable stars that comes with the package, on light curves that it did not see in training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from astromer_hf import AstromerConfig, default_classifier_folder, load_model
from astromer_hf.cli.main import main
from astromer_hf.inference.classification import LightCurveClassifier
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.taxonomy import LEAF_NAMES, PARENT_OF
from astromer_hf.model.configuration_astromer import DECISIONS
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves
from astromer_hf.training.few_shot import build_classifier
from astromer_hf.training.novelty import make_unlike

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
    return to_table(simulate_light_curves(35, seed=11)).to_pandas()


@pytest.fixture(scope="module")
def classified(simulated: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the command says of them."""
    return classify(simulated, tmp_path_factory.mktemp("classified"), "--coverage", "0.9")


def test_it_is_of_the_taxonomy_and_calibrated():
    config = AstromerConfig.from_pretrained(default_classifier_folder())
    assert tuple(config.id2label.values()) == LEAF_NAMES
    assert config.label_parents == PARENT_OF
    assert 0.5 < config.uncertain_below < 1
    assert config.unlike_above > 0
    assert config.likely_set_thresholds == sorted(config.likely_set_thresholds, reverse=True)


def test_simulated_stars_get_their_classes_without_a_model_being_named(classified: pd.DataFrame):
    found = classified
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


def test_dwarf_novae_are_called_unlike_the_training_set_more_often_than_simulated_stars(
    simulated: pd.DataFrame, classified: pd.DataFrame, tmp_path: Path
):
    curves = RaggedLightCurves.from_arrays(*(list(simulated[name]) for name in ("mjd", "mag", "magerr"))).clean()[0]
    novae = make_unlike(curves, "dwarf nova", np.random.default_rng(0))
    of_novae = simulated.assign(
        mag=np.split(novae.magnitudes, novae.offsets[1:-1]), mjd=np.split(novae.times, novae.offsets[1:-1])
    )
    marked = [table["is_unlike_training"].mean() for table in (classified, classify(of_novae, tmp_path))]
    assert marked[0] < 0.25 < marked[1]


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


# --- A classifier that is trained further, or gets other classes ---


OWN = {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}}


@pytest.mark.parametrize(
    "classes", [OWN, {"num_labels": 2}, {"num_labels": 2, "label_parents": None}, {**OWN, "num_labels": 2}]
)
def test_a_new_head_has_none_of_the_thresholds_of_the_old_one(classes: dict[str, object], tmp_path: Path):
    model = AutoModelForSequenceClassification.from_pretrained(
        default_classifier_folder(), ignore_mismatched_sizes=True, **classes
    )
    assert model.head_is_new
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert list(again.config.id2label.values()) == (["a", "b"] if "id2label" in classes else ["LABEL_0", "LABEL_1"])
    assert again.novelty is None
    for name, default in DECISIONS.items():
        assert getattr(again.config, name) == default, name


def test_a_configuration_of_other_classes_leaves_the_thresholds_at_loading():
    config = AstromerConfig.from_pretrained(default_classifier_folder())
    config.label_parents, config.id2label, config.label2id = None, OWN["id2label"], OWN["label2id"]
    model = AutoModelForSequenceClassification.from_pretrained(
        default_classifier_folder(), config=config, ignore_mismatched_sizes=True
    )
    assert model.config.uncertain_below is None
    assert model.config.unlike_above is None


@pytest.mark.parametrize("from_the_start", [False, True])
def test_further_training_forgets_what_was_fitted_to_the_weights_and_keeps_the_classes(from_the_start: bool, tmp_path: Path):
    if from_the_start:  # a model is in training mode when it is made
        model = AutoModelForSequenceClassification.from_config(AstromerConfig.from_pretrained(default_classifier_folder()))
        torch.nn.init.zeros_(model.novelty.directions), torch.nn.init.zeros_(model.novelty.references)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(default_classifier_folder())
        assert model.config.uncertain_below is not None
        model.train()
    model.save_pretrained(tmp_path)
    config = AstromerConfig.from_pretrained(tmp_path)
    for name in ("uncertain_below", "likely_set_thresholds", "unlike_above", "reconstruction_quantiles"):
        assert getattr(config, name) is None, name
    assert config.label_parents == PARENT_OF | config.label_parents
    assert config.fewest_points == 20
