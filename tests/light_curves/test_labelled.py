# Copyright 2026 The astromer_hf developers. MIT licence.
"""Labelled light curves come out of prepared folders and of tables, by star, and nothing is left out without a count."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.labelled import load_labelled
from astromer_hf.light_curves.splits import SPLITS


def write(file: Path, labels: list[Any], points: int = 5, **columns: Any) -> Path:
    """A table of stars, a row each, with these labels."""
    rng = np.random.default_rng(0)
    lists = {name: list(rng.uniform(10, 20, (len(labels), points))) for name in ("mjd", "mag")}
    frame = pd.DataFrame({"object_id": [f"star{i}" for i in range(len(labels))], **lists, **columns})
    frame["label"] = pd.Series(labels, dtype=object)
    frame.to_parquet(file, index=False)
    return file


def test_a_table_is_split_evenly_within_every_class_and_the_same_again(tmp_path: Path):
    source = write(tmp_path / "stars.parquet", ["a"] * 50 + ["b"] * 20)
    labelled = load_labelled(source)
    assert labelled.count_classes().to_numpy().tolist() == [[30, 10, 10], [12, 4, 4]]
    assert list(load_labelled(source).splits) == list(labelled.splits)
    assert list(load_labelled(source, seed=1).splits) != list(labelled.splits)
    halves = load_labelled(source, fractions=(0.5, 0.25, 0.25)).count_classes()
    assert halves.loc["b"].tolist() == [10, 5, 5]


def test_light_curves_of_one_star_are_in_one_split(tmp_path: Path):
    stars = [f"s{i // 3}" for i in range(90)]
    labelled = load_labelled(
        write(tmp_path / "x.parquet", ["a", "a", "a"] * 30, identity=stars), columns={"identity": "identity"}
    )
    split_of = dict(zip(labelled.stars, labelled.splits, strict=True))
    assert set(split_of) == set(stars)
    assert [split_of[star] for star in labelled.stars] == list(labelled.splits)
    twice = write(tmp_path / "bands.parquet", ["a"] * 40, band=["g", "r"] * 20)
    frame = pd.read_parquet(twice).assign(object_id=[f"star{i // 2}" for i in range(40)])
    frame.to_parquet(twice)
    splits = load_labelled(twice).splits
    assert (splits[::2] == splits[1::2]).all()


def test_without_strata_the_splits_are_as_even_in_all(tmp_path: Path):
    labelled = load_labelled(write(tmp_path / "x.parquet", [str(i / 7) for i in range(50)]), stratify=False)
    assert [len(labelled.members(split)) for split in SPLITS] == [30, 10, 10]


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  ", "NaN", "nan", "None", "null", "<NA>"])
def test_a_light_curve_without_a_label_is_left_out_and_counted(tmp_path: Path, missing):
    labelled = load_labelled(write(tmp_path / "x.parquet", ["a", missing, " b ", "a"]))
    assert labelled.labels.tolist() == ["a", "b", "a"]
    assert labelled.left_out["without a label"] == 1


def test_a_short_light_curve_is_left_out_and_counted(tmp_path: Path):
    source = write(tmp_path / "x.parquet", ["a"] * 4)
    frame = pd.read_parquet(source)
    frame.at[1, "mag"] = np.array([12.0, np.nan, 12.0, 12.0, 12.0])
    frame.to_parquet(source)
    labelled = load_labelled(source, min_points=5)
    assert labelled.stars.tolist() == ["star0", "star2", "star3"]
    assert labelled.left_out == {"with fewer than 5 observations": 1}
    assert labelled.curves.lengths.tolist() == [5, 5, 5]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared folder in which class c has too few light curves and class d teaches nothing."""
    for split, labels in {"train": "aaaabbbbc", "validation": "abc", "test": "abcd"}.items():
        write(tmp_path / f"{split}-00000-of-00001.parquet", list(labels))
    return tmp_path


def test_a_prepared_dataset_keeps_its_splits(prepared: Path):
    labelled = load_labelled(prepared)
    assert ["".join(labelled.labels[labelled.members(split)]) for split in SPLITS] == ["aaaabbbbc", "abc", "abcd"]


def test_a_class_with_too_few_light_curves_is_refused_by_name_or_left_out(prepared: Path):
    labelled = load_labelled(prepared)
    with pytest.raises(TableError, match=r"needs 4 light curves to train on.*'c' has 1 \+ 1 \+ 1\. .*lower --min-per-class"):
        labelled.keep_classes(4)
    kept = labelled.keep_classes(4, drop_rare_classes=True)
    assert sorted(set(kept.labels)) == ["a", "b"]
    assert kept.left_out["of class c, which is rare"] == 3
    assert len(kept) == 12
    assert "".join(kept.labels[kept.members("test")]) == "ab"


def test_a_label_that_training_lacks_is_left_out_and_counted(prepared: Path):
    kept = load_labelled(prepared).keep_classes(1)
    assert sorted(set(kept.labels)) == ["a", "b", "c"]
    assert kept.left_out["of class d, which no training light curve has"] == 1


def test_a_class_that_cannot_be_tested_is_refused(tmp_path: Path):
    for split, labels in {"train": "aabb", "validation": "ab", "test": "a"}.items():
        write(tmp_path / f"{split}-00000-of-00001.parquet", list(labels))
    with pytest.raises(TableError, match=r"1 to validate and 1 to test: 'b' has 2 \+ 1 \+ 0"):
        load_labelled(tmp_path).keep_classes(2)


def test_two_classes_are_needed(tmp_path: Path):
    with pytest.raises(TableError, match=r"At least two classes.*found a among \{'a': 10\}"):
        load_labelled(write(tmp_path / "x.parquet", ["a"] * 10)).keep_classes(1)


def test_labels_are_numbers_on_request(tmp_path: Path):
    labelled = load_labelled(write(tmp_path / "x.parquet", [0.1, 2, None, 1e300]), unlabelled={""})
    assert labelled.to_numbers().tolist() == [0.1, 2.0, 1e300]
    with pytest.raises(TableError, match=r"1 of 2 are none, such as 'RRab' of object 'star1'.*--label-column"):
        load_labelled(write(tmp_path / "y.parquet", ["0.5", "RRab"])).to_numbers()


def test_tables_that_teach_nothing_say_why(tmp_path: Path):
    source = write(tmp_path / "x.parquet", ["a", None])
    with pytest.raises(TableError, match="left of this table: 1 without a label, 1 with fewer than 9 observations"):
        load_labelled(source, min_points=9)
    pq.write_table(pq.read_table(source).drop_columns("label"), tmp_path / "y.parquet")
    with pytest.raises(TableError, match=r"no column of labels.*--label-column"):
        load_labelled(tmp_path / "y.parquet")
    frame = pd.read_parquet(source)
    frame.loc[0, "object_id"] = None
    frame.to_parquet(source)
    with pytest.raises(TableError, match="light curves without an id"):
        load_labelled(source)
    with pytest.raises(TableError, match="'kind' for label"):
        load_labelled(source, columns={"label": "kind"})
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere"):
        load_labelled(tmp_path / "nowhere")
