# Copyright 2026 The astromer_hf developers. MIT licence.
"""Wider classes, uncertainty, sets of likely classes, and objects that get no class."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerForSequenceClassification
from astromer_hf.inference.classification import classify_table
from astromer_hf.inference.decisions import decide, find_remarks, likely_set_threshold, remarks_of_objects, usable_bands
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves

NAMES = ["RRab", "RRc", "EA"]
FIELDS = {
    "id2label": dict(enumerate(NAMES)),
    "label2id": {name: i for i, name in enumerate(NAMES)},
    "label_parents": {"RRab": "pulsating", "RRc": "pulsating", "EA": "eclipsing"},
    "uncertain_below": 0.5,
    "likely_set_thresholds": [0.6 - 0.01 * i for i in range(50)],
    "fewest_points": 20,
}
CONFIG = AstromerConfig(**TINY, **FIELDS)
PROBABILITIES = np.array([[0.35, 0.25, 0.4], [0.9, 0.05, 0.05], [0.2, 0.3, 0.5]], dtype=np.float32)


def test_the_probability_of_a_wider_class_is_the_sum_of_its_classes():
    columns = decide(PROBABILITIES, np.zeros(3, bool), CONFIG)
    assert columns["parent_label"].to_pylist() == ["pulsating", "pulsating", "pulsating"]
    np.testing.assert_allclose(columns["parent_probability"].to_numpy(), [0.6, 0.95, 0.5], rtol=1e-6)
    assert columns["is_uncertain"].to_pylist() == [True, False, False]


def test_the_set_of_likely_classes_grows_with_the_coverage_and_is_never_empty():
    def likely(coverage: float) -> list[list[str]]:
        return decide(PROBABILITIES, np.zeros(3, bool), CONFIG, coverage)["likely_labels"].to_pylist()

    assert likely(0.5) == [["EA"], ["RRab"], ["EA"]]  # none but one reaches 0.6
    assert likely(0.8) == [["EA", "RRab"], ["RRab"], ["EA", "RRc"]]  # 0.3
    assert likely(0.99) == [["EA", "RRab", "RRc"], ["RRab"], ["EA", "RRc", "RRab"]]  # 0.11


def test_objects_without_a_class_get_nulls():
    columns = decide(PROBABILITIES, np.array([True, False, True]), CONFIG, 0.9)
    assert all(column.null_count == 2 for column in columns.values())


@pytest.mark.parametrize("coverage", [0.4, 0.995, -1.0, float("nan")])
def test_a_coverage_out_of_range_is_refused(coverage: float):
    with pytest.raises(ValueError, match=r"between 0\.5 and 0\.99"):
        likely_set_threshold(CONFIG, coverage)


def test_a_classifier_without_the_numbers_adds_no_column_and_refuses_sets():
    plain = AstromerConfig(**TINY, num_labels=3)
    assert decide(PROBABILITIES, np.zeros(3, bool), plain) == {}
    with pytest.raises(ValueError, match="not calibrated for sets"):
        decide(PROBABILITIES, np.zeros(3, bool), plain, 0.9)


def test_few_observations_and_constant_magnitudes_are_remarked():
    curves = RaggedLightCurves.from_arrays(
        [np.arange(30.0)] * 2 + [np.arange(5.0), []], [np.arange(30.0), np.ones(30), np.ones(5), []]
    )
    few = "fewer than 20 observations"
    assert find_remarks(curves, CONFIG).tolist() == [None, "all magnitudes are equal", few, few]
    assert find_remarks(curves, AstromerConfig(**TINY)) is None


def test_an_object_in_several_bands_has_a_remark_where_all_of_them_have():
    remarks = np.array(["few", None, "few", "equal", None], dtype=object)
    objects = np.array([0, 0, 1, 1, 3])
    assert usable_bands(remarks, objects, 5).tolist() == [False, True, True, True, True]
    assert remarks_of_objects(remarks, objects, 4).tolist() == [None, "few", "no light curve in these bands", None]
    assert usable_bands(None, objects, 5).all()


def test_a_band_of_few_points_does_not_count_where_another_has_enough(tmp_path: Path):
    rng = np.random.default_rng(1)
    rows = [
        (star, band, t, 15 + rng.normal()) for star, band, n in (("a", "g", 40), ("a", "r", 5), ("b", "g", 5)) for t in range(n)
    ]
    table = pd.DataFrame(rows, columns=["object_id", "band", "mjd", "mag"])
    model = AstromerForSequenceClassification(AstromerConfig(**TINY, **FIELDS, classifier_dropout=0.3)).eval()

    def probabilities(own: pd.DataFrame, **options: object) -> pd.DataFrame:
        own.to_parquet(tmp_path / "curves.parquet", index=False)
        classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", model, **options)
        return pq.read_table(tmp_path / "classes.parquet").to_pandas().set_index("object_id")

    both = probabilities(table, combine_bands="mean")
    spread = probabilities(table, combine_bands="mean", dropout_passes=2)
    assert spread["spread_RRab"].isna().to_dict() == {"a": False, "b": True}
    alone = probabilities(table[(table["object_id"] == "a") & (table["band"] == "g")])
    assert both.loc["a", "probability_RRab"] == pytest.approx(alone.loc["a", "probability_RRab"], rel=1e-5)
    assert both["remark"].fillna("").to_dict() == {"a": "", "b": "fewer than 20 observations"}
    assert pd.isna(both.loc["b", "predicted_label"])


@pytest.mark.parametrize("periods", [False, True])
def test_an_object_without_a_light_curve_in_the_chosen_bands_has_a_remark(tmp_path: Path, periods: bool):
    """Among others, and at the end, and as a star whose only light curve in the band has no usable observation."""
    rng = np.random.default_rng(1)
    sizes = (("a", "g", 40), ("a", "r", 40), ("b", "r", 40), ("c", "g", 40), ("d", "g", 3), ("d", "r", 40), ("e", "r", 40))
    rows = [(star, band, t + rng.random(), 15 + rng.normal()) for star, band, n in sizes for t in range(n)]
    table = pd.DataFrame(rows, columns=["object_id", "band", "mjd", "mag"])
    table.loc[(table["object_id"] == "d") & (table["band"] == "g"), "mag"] = np.nan
    table.to_parquet(tmp_path / "curves.parquet", index=False)
    model = AstromerForSequenceClassification(AstromerConfig(**TINY, **FIELDS)).eval()
    options = {"combine_bands": "mean", "bands": ["g"], "periods": periods}
    classify_table(tmp_path / "curves.parquet", tmp_path / "classes.parquet", model, **options)
    found = pq.read_table(tmp_path / "classes.parquet").to_pandas().set_index("object_id")
    none, few = "no light curve in these bands", "fewer than 20 observations"
    assert found["remark"].fillna("").to_dict() == {"a": "", "b": none, "c": "", "d": few, "e": none}
    assert found["predicted_label"].isna().tolist() == (found["remark"].fillna("") != "").tolist()
    if periods:
        assert found.loc[["b", "e"], "period_problem"].tolist() == [none, none]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("label_parents", {"RRab": "pulsating"}, "parent of every class, and differs in EA, RRc"),
        ("uncertain_below", 1.5, r"probabilities from 0 to 1, got 1\.5"),
        ("likely_set_thresholds", [0.5], "a number for each of 50 coverages, got 1"),
        ("fewest_points", -1, "must not be negative, got -1"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(field: str, value: object, message: str):
    with pytest.raises(Exception, match=message):
        AstromerConfig(**TINY, **{**FIELDS, field: value})


def test_a_table_of_classes_states_why_an_object_has_none(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = [
        (name, t, 15 + scatter * rng.normal())
        for name, n, scatter in (("good", 40, 0.2), ("short", 6, 0.2), ("flat", 40, 0))
        for t in range(n)
    ]
    table = (
        pd.DataFrame(rows, columns=["object_id", "mjd", "mag"])
        .sample(frac=1, random_state=0)
        .sort_values("object_id", kind="stable")
    )
    table.to_csv(tmp_path / "curves.csv", index=False)
    model = AstromerForSequenceClassification(CONFIG).eval()
    classify_table(tmp_path / "curves.csv", tmp_path / "classes.parquet", model, coverage=0.9)
    found = pq.read_table(tmp_path / "classes.parquet").to_pandas().set_index("object_id")
    assert found["remark"].fillna("").to_dict() == {
        "good": "",
        "short": "fewer than 20 observations",
        "flat": "all magnitudes are equal",
    }
    assert found.loc["good", "predicted_label"] == found.loc["good", "likely_labels"][0]
    assert found.loc["good", "parent_label"] in ("pulsating", "eclipsing")
    for column in ("predicted_label", "probability", "parent_label", "is_uncertain", "likely_labels"):
        assert found[column].isna().to_dict() == {"good": False, "short": True, "flat": True}, column
