# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every raw layout gives the same clean light curves, counts add up, no star is in two splits, and folders load as datasets."""

import json
import re
import runpy
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import scipy.stats

from astromer_hf.light_curves import preparation as dataset_preparation
from astromer_hf.light_curves.cleaning import Cleaning, CleaningReport, VariabilityFilter, iter_clean_tables, load_light_curves
from astromer_hf.light_curves.columns import PREPARED_SCHEMA, TableError
from astromer_hf.light_curves.preparation import PREPARATION_FILE, SplitRule, prepare_datasets, read_splits
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource
from astromer_hf.light_curves.splits import SPLITS, assign_splits, split_of
from astromer_hf.light_curves.surveys import SURVEYS, Survey
from astromer_hf.model.feature_extraction_astromer import RaggedLightCurves

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "prepare_dataset.py"
SURVEY = Survey("simulated")
LISTS = pa.schema({"id": pa.string(), "time": pa.list_(pa.float64()), "mag": pa.list_(pa.float64())})
STARS = [f"star-{number}" for number in range(5000)]


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


@pytest.fixture(scope="module")
def simulated() -> pa.Table:
    return to_table(simulate_light_curves(60, survey="catalina_like")).drop_columns("period_days")


def read(path: Path, survey: Survey = SURVEY, cleaning: Cleaning | None = None, **options: int) -> pa.Table:
    return pa.concat_tables(table for table, _ in iter_clean_tables(path, survey, cleaning, **options))


# --- Raw layouts ---


def measurements(table: pa.Table) -> pa.Table:
    """One row an object to one row a measurement."""
    lists = [name for name in table.column_names if pa.types.is_list(table.schema.field(name).type)]
    return pa.Table.from_pandas(table.to_pandas().explode(lists, ignore_index=True).astype(dict.fromkeys(lists, float)))


def write_files(table: pa.Table, folder: Path, suffix: str = ".dat", *, separator: str = ",", header: bool = True) -> Path:
    """One row an object to a metadata table and one file an object, as ASTROMER's authors publish them."""
    (folder / "LCs").mkdir(parents=True)
    rows = []
    for row in table.to_pylist():
        curve = pd.DataFrame({name: row[name] for name in ("mjd", "mag", "magerr")})
        path = f"LCs/{row['object_id']}{suffix}"
        curve.to_csv(folder / path, sep=separator, header=["mjd", "mag", "errmag"] if header else False, index=False)
        rows.append({"ID": row["object_id"], "Path": path, "N": len(curve), "Band": row["band"], "Class": row["label"]})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return folder / "metadata.csv"


def write_layout(table: pa.Table, layout: str, folder: Path) -> Path:
    if layout == "lists":
        pq.write_table(table, path := folder / "lists.parquet")
    elif layout == "folder of shards":
        (path := folder / "shards").mkdir()
        for number in range(3):
            pq.write_table(table.slice(20 * number, 20), path / f"{number}.parquet")
    elif layout == "measurements":
        pq.write_table(measurements(table), path := folder / "measurements.parquet")
    elif layout == "csv":
        pa.csv.write_csv(measurements(table), path := folder / "measurements.csv")
    elif layout == "files":
        path = write_files(table, folder)
    else:
        path = write_files(table, folder, ".mjd", separator=" ", header=False)
    return path


LAYOUTS = ["lists", "folder of shards", "measurements", "csv", "files", "files without header"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_raw_layout_gives_the_same_clean_light_curves(simulated, tmp_path, layout):
    table = read(write_layout(simulated, layout, tmp_path))
    assert table.schema == PREPARED_SCHEMA
    for name in ("object_id", "band", "label", "mjd", "mag", "magerr"):
        assert table[name].equals(simulated[name].cast(PREPARED_SCHEMA.field(name).type)), name
    assert table["identity"].equals(table["object_id"])
    assert set(table["survey"].to_pylist()) == {"simulated"}


def test_files_are_read_a_chunk_at_a_time_and_found_in_the_folder_lcs(simulated, tmp_path):
    path = write_files(simulated, tmp_path)
    metadata = pd.read_csv(path)
    metadata["Path_R"] = "./elsewhere/R/" + metadata.pop("Path").str.removeprefix("LCs/")
    metadata.to_csv(path, index=False)
    survey = replace(SURVEYS["alcock"], name="simulated")
    tables = [table for table, _ in iter_clean_tables(path, survey, objects_per_chunk=25)]
    assert [len(table) for table in tables] == [25, 25, 10]
    assert pa.concat_tables(tables)["mag"].equals(simulated["mag"])


def test_a_file_without_errors_or_points_is_read_and_one_without_numbers_refused(tmp_path):
    for name, content in {"a": "1 10\n2 11\n", "b": "", "c": "mjd,mag,err\n", "d": "# mjd mag\n3 12\n"}.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "table.csv").write_text("id,path\n" + "".join(f"{name},{name}\n" for name in "abcd"))
    table = read(tmp_path / "table.csv", cleaning=Cleaning(min_points=0))
    assert table["mag"].to_pylist() == [[10, 11], [], [], [12]]
    assert np.isnan(table["magerr"].combine_chunks().flatten().to_numpy()).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 10\nx y\n", "is not a light curve"),
        ("1\n2\n", "needs columns of times and magnitudes"),
        (None, "no light curve 'c'; looked for .*LCs/c"),
    ],
    ids=["words", "one column", "no file"],
)
def test_a_file_of_a_catalogue_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path, content, message):
    (tmp_path / "a").write_text("1 10\n2 11\n")
    if content is not None:
        (tmp_path / "c").write_text(content)
    (tmp_path / "table.csv").write_text("id,path\na,a\nc,c\n")
    assert read(tmp_path / "table.csv", cleaning=Cleaning(min_points=0))["mag"].to_pylist() == [[10, 11], []]
    source = LightCurveSource.open(tmp_path / "table.csv")
    assert [len(chunk) for chunk in source.chunks()] == [2]
    assert list(source.ledger.unreadable) == ["c"]
    assert re.search(message, source.ledger.unreadable["c"])


def test_the_record_groups_labels_and_names_the_identity(tmp_path):
    raw = pa.table(
        {
            "id": ["1.1", "1.2", "1.3"],
            "ogle_id": ["CEP-1", None, ""],
            "label": ["LPV WoodA", "std", None],
            "time": [[float(day) for day in range(9)]] * 3,
            "mag": [[15.0] * 9] * 3,
        }
    )
    pq.write_table(raw, tmp_path / "raw.parquet")
    survey = replace(SURVEYS["alcock"], columns={"identity": "ogle_id"})
    table = read(tmp_path / "raw.parquet", survey)
    assert table["identity"].to_pylist() == ["CEP-1", "1.2", "1.3"]
    assert table["label"].to_pylist() == ["LPV", None, None]
    assert table["band"].null_count == 3


def test_an_object_without_an_id_is_refused(simulated, tmp_path):
    ids = pa.array([None, *simulated["object_id"].to_pylist()[1:]])
    pq.write_table(simulated.set_column(0, "object_id", ids), tmp_path / "raw.parquet")
    with pytest.raises(TableError, match="has objects without an id"):
        read(tmp_path / "raw.parquet")


def test_reading_holds_a_chunk_of_light_curves_not_the_table(simulated, tmp_path):
    table = pa.concat_tables([simulated] * 60)
    pq.write_table(table, tmp_path / "raw.parquet", row_group_size=60)
    before = pa.total_allocated_bytes()
    held = [
        pa.total_allocated_bytes() - before for _ in iter_clean_tables(tmp_path / "raw.parquet", SURVEY, objects_per_chunk=60)
    ]
    assert len(held) == 60
    assert max(held) < table.nbytes / 8


# --- Cleaning ---


def curves_of(*curves: tuple[list[float], list[float], list[float]]) -> RaggedLightCurves:
    return RaggedLightCurves.from_arrays(*(list(column) for column in zip(*curves, strict=True)))


def test_a_report_counts_every_reason_and_adds_up():
    nan, days = float("nan"), [5.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0]
    curves = curves_of(
        (days, [nan, 10, 99.999, 11, 12, 13, 14], [0.1] * 7),
        (days, [10.0] * 7, [1.5, 0.1, nan, 0.0, 2.0, 0.3, 0.9]),
        (days[:4], [10.0] * 4, [0.1] * 4),
        (days[:3], [10.0] * 3, [3.0] * 3),
    )
    cleaned, stays, report = Cleaning()(curves)
    assert stays.tolist() == [True, True, False, False]
    assert cleaned.lengths.tolist() == [5, 5, 4, 0]
    assert (np.diff(cleaned.times[:5]) > 0).all()
    assert (report.objects_read, report.objects_kept, report.points_read, report.points_kept) == (4, 2, 21, 10)
    assert report.objects_dropped == {"fewer than 5 points": 2}
    assert report.points_dropped == {"no finite time and magnitude": 2, "error over 1 mag": 5, "object dropped": 4}

    total = report + report + CleaningReport()
    for name in ("objects", "points"):
        read_, kept, dropped = (getattr(total, f"{name}_{what}") for what in ("read", "kept", "dropped"))
        assert read_ == kept + sum(dropped.values()) == 2 * getattr(report, f"{name}_read")


def test_unknown_errors_pass_any_maximum_and_infinity_is_none():
    curves = curves_of((list(range(6)), [10.0] * 6, [np.nan] * 6), (list(range(6)), [10.0] * 6, [50.0] * 6))
    assert Cleaning(max_error=1e-6)(curves)[1].tolist() == [True, False]
    assert Cleaning(max_error=np.inf)(curves)[1].tolist() == [True, True]


@pytest.fixture(scope="module")
def ragged() -> RaggedLightCurves:
    """Smooth, outlier-ruled, faint-outlier and constant curves, and an empty one."""
    rng = np.random.default_rng(0)
    spikes = [np.where(np.arange(300) % 100 == 7, size, 0.01 * rng.standard_normal(300)) for size in (3.0, 0.5)]
    magnitudes = [rng.standard_normal(200), np.sin(np.arange(50.0)), *spikes, np.full(20, 15.0), np.empty(0)]
    return RaggedLightCurves.from_arrays([np.arange(float(len(curve))) for curve in magnitudes], magnitudes)


def test_the_moments_are_those_of_scipy(ragged):
    filled = [ragged.magnitudes[low:high] for low, high in zip(ragged.offsets[:4], ragged.offsets[1:5], strict=True)]
    moments = {
        "max_kurtosis": [abs(scipy.stats.kurtosis(curve)) for curve in filled],
        "max_skewness": [abs(scipy.stats.skew(curve)) for curve in filled],
        "max_std": [np.std(curve) for curve in filled],
    }
    for name, values in moments.items():
        for factor, discarded in ((1 - 1e-9, True), (1 + 1e-9, False)):
            for number, value in enumerate(values):
                thresholds = dict.fromkeys(moments, -1.0) | {name: factor * value}
                assert VariabilityFilter(**thresholds).discards(ragged)[number] == discarded


def test_the_papers_filter_discards_what_outliers_rule_and_nothing_else(ragged):
    assert VariabilityFilter().discards(ragged).tolist() == [False, False, True, False, False, False]
    _, stays, report = Cleaning(min_points=0, variability=VariabilityFilter())(ragged)
    assert stays.tolist() == [True, True, False, True, True, True]
    assert report.objects_dropped["moments over the thresholds"] == 1
    assert Cleaning(min_points=0)(ragged)[1].all()  # off by default


# --- Splits ---


def test_the_split_of_a_star_depends_on_the_seed_and_its_identity_alone():
    splits = assign_splits(STARS, seed=3)
    shuffled = np.random.default_rng(0).permutation(len(STARS))
    assert (assign_splits([STARS[number] for number in shuffled], seed=3) == splits[shuffled]).all()
    assert (assign_splits(STARS[:10] * 3, seed=3) == np.tile(splits[:10], 3)).all()
    assert [split_of(star, seed=3) for star in STARS[:50]] == splits[:50].tolist()


def test_splits_of_seed_0_are_the_same_in_every_release():
    stars = ["OGLE-LMC-CEP-0001", "OGLE-LMC-CEP-0002", "10.3188.14", "149389", "3019021001365", "1001004003261"]
    assert [split_of(star) for star in stars] == ["train", "train", "train", "train", "train", "test"]


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.8, 0.2, 0.0), (1.0, 0.0, 0.0)])
def test_splits_have_the_wanted_fractions(fractions):
    counts = Counter(assign_splits(STARS, fractions=fractions).tolist())
    for split, fraction in zip(SPLITS, fractions, strict=True):
        assert counts[split] == pytest.approx(fraction * len(STARS), abs=4 * np.sqrt(len(STARS) * fraction * (1 - fraction)))


def test_splits_of_different_seeds_are_independent():
    table = pd.crosstab(assign_splits(STARS, seed=0), assign_splits(STARS, seed=1))
    assert scipy.stats.chi2_contingency(table).pvalue > 1e-3


def labels_of(sizes: dict[str | None, int]) -> list[str | None]:
    return [label for label, size in sizes.items() for _ in range(size)]


def test_stratified_splits_cut_every_class_at_the_fractions():
    labels = labels_of({"RRab": 1000, "EC": 55, "rare": 3, None: 100})
    splits = assign_splits(STARS[: len(labels)], labels=labels)
    table = pd.crosstab(pd.Series(labels).fillna("none"), splits)
    assert table.loc["RRab", list(SPLITS)].tolist() == [600, 200, 200]
    assert table.loc["EC", list(SPLITS)].tolist() == [33, 11, 11]
    assert table.loc["rare", list(SPLITS)].tolist() == [1, 1, 1]
    assert table.loc["none", list(SPLITS)].tolist() == [60, 20, 20]
    shuffled = np.random.default_rng(1).permutation(len(labels))
    again = assign_splits([STARS[number] for number in shuffled], labels=[labels[number] for number in shuffled])
    assert (again == splits[shuffled]).all()


def test_a_maximum_limits_the_test_split_of_each_class():
    labels = labels_of({"RRab": 2000, "EC": 300})
    splits = assign_splits(STARS[:2300], labels=labels, max_test_per_class=100)
    assert Counter(zip(labels, splits.tolist(), strict=True)) == {
        ("RRab", "train"): 1425,
        ("RRab", "validation"): 475,
        ("RRab", "test"): 100,
        ("EC", "train"): 180,
        ("EC", "validation"): 60,
        ("EC", "test"): 60,
    }


def test_a_star_with_two_labels_is_in_one_split():
    stars, labels = STARS[:200] * 2, ["F"] * 200 + ["1O"] * 100 + [None] * 100
    splits = assign_splits(stars, labels=labels)
    assert (splits[:200] == splits[200:]).all()
    assert Counter(splits[:100].tolist()) == Counter(splits[100:200].tolist()) == {"train": 60, "validation": 20, "test": 20}


@pytest.mark.parametrize("labels", [None, ["a", "b"] * 50])
def test_assigned_stars_keep_their_split_and_leave_those_of_the_others_even(labels):
    assigned = dict.fromkeys(STARS[:20], "validation") | {"not here": "test"}
    splits = assign_splits(STARS[:100], labels=labels, assigned=assigned)
    assert set(splits[:20]) == {"validation"}
    if labels is None:
        assert (splits[20:] == assign_splits(STARS[20:100])).all()
    else:
        assert Counter(splits[20:].tolist()) == {"train": 48, "validation": 16, "test": 16}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": (0.6, 0.2)}, "three numbers"),
        ({"fractions": (0.6, 0.6, -0.2)}, "at least 0"),
        ({"fractions": (0.6, 0.2, 0.3)}, "sum to 1"),
        ({"max_test_per_class": 100}, "needs `labels`"),
    ],
)
def test_splits_that_contradict_themselves_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        assign_splits(STARS[:3], **options)


def test_no_star_at_all_is_split_into_nothing():
    assert assign_splits([]).tolist() == assign_splits([], labels=[]).tolist() == []


# --- Prepared folders ---


def write_raw(path: Path, object_ids: list[str], *, labels: list[str] | None = None, **columns: list[str]) -> Path:
    """A raw table of short light curves."""
    rng = np.random.default_rng(len(object_ids))
    times = np.sort(rng.uniform(0, 1000, (len(object_ids), 20)))
    table = {
        "id": object_ids,
        "label": labels or [None] * len(object_ids),
        "band": ["R"] * len(object_ids),
        "time": list(times),
        **columns,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**table, "mag": list(15 + rng.standard_normal(times.shape))}), path)
    return path


@pytest.fixture
def three_surveys(tmp_path) -> list[tuple[Path, Survey]]:
    """OGLE twice a star, MACHO in two bands with OGLE's names for most, and a few MACHO stars held out under MACHO's names."""
    ogle = [f"OGLE-{number}" for number in range(300)]
    macho = [f"1.{number}" for number in range(200)]
    names = [f"OGLE-{number}" if number % 5 else None for number in range(200)]
    raw = tmp_path / "raw"
    return [
        (write_raw(raw / "ogle.parquet", ogle * 2, labels=["F", "1O", "F"] * 200), Survey("ogle")),
        (write_raw(raw / "macho.parquet", macho * 2, names=names * 2), Survey("macho", columns={"identity": "names"})),
        (write_raw(raw / "held.parquet", macho[:30]), Survey("held", held_out=True)),
    ]


def split_table(output: Path) -> pd.DataFrame:
    """Every prepared light curve with its split."""
    files = sorted(output.glob("*/*.parquet"))
    return pd.concat([pq.read_table(file).to_pandas().assign(split=file.name.split("-")[0]) for file in files])


@pytest.mark.parametrize(
    "rule", [SplitRule(), SplitRule(seed=5, stratify=True, max_test_per_class=10)], ids=["hash", "stratified"]
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_no_star_is_in_two_splits_in_whatever_order_surveys_come(three_surveys, tmp_path, rule, order):
    prepare_datasets([three_surveys[number] for number in order], tmp_path / "prepared", rule=rule)
    rows = split_table(tmp_path / "prepared")
    assert Counter(rows["survey"]) == {"ogle": 600, "macho": 400, "held": 30}
    assert set(rows["split"]) == set(SPLITS)
    for name in ("object_id", "identity"):
        assert (rows.groupby(name)["split"].nunique() == 1).all()
    held = rows[rows["survey"] == "held"]
    assert set(held["split"]) == {"test"}
    assert set(held["identity"]) == {f"OGLE-{number}" if number % 5 else f"1.{number}" for number in range(30)}
    assert set(rows["split"][rows["identity"].isin(held["identity"])]) == {"test"}
    if not rule.stratify:
        free = rows[~rows["identity"].isin(held["identity"])]
        assert (free["split"] == assign_splits(free["identity"])).all()


def test_splits_from_before_are_kept_or_the_conflict_is_named(three_surveys, tmp_path):
    ogle, macho, held = three_surveys
    prepare_datasets([ogle], tmp_path / "before", rule=SplitRule(seed=1))
    before = read_splits(tmp_path / "before" / "ogle")
    assert len(before) == 300
    prepare_datasets([macho], tmp_path / "after", keep_splits_of=[tmp_path / "before" / "ogle"])
    shared = split_table(tmp_path / "after").query("identity.str.startswith('OGLE')")
    assert (shared["split"] == shared["identity"].map(before)).all()
    with pytest.raises(TableError, match=r"ogle puts the star 'OGLE-\d+' into .*in test already: prepare the surveys"):
        prepare_datasets([macho, held], tmp_path / "other", keep_splits_of=[tmp_path / "before" / "ogle"])
    with pytest.raises(TableError, match="is no prepared dataset; give a folder"):
        prepare_datasets([macho], tmp_path / "other", keep_splits_of=[tmp_path])


@pytest.mark.parametrize(
    ("identities", "message"),
    [(["b", "c", "c"], r"Object 'a' has two identities, 'b' and 'c'"), (["b", "b", "a"], r"in a circle: a -> b -> a")],
)
def test_names_that_contradict_each_other_are_refused(tmp_path, identities, message):
    raw = write_raw(tmp_path / "raw.parquet", ["a", "a", "b"], names=identities)
    with pytest.raises(TableError, match=message):
        prepare_datasets([(raw, Survey("raw", columns={"identity": "names"}))], tmp_path / "prepared")


def test_a_prepared_folder_loads_as_a_dataset_and_as_a_stream_with_every_number_of_the_table(simulated, tmp_path):
    pq.write_table(simulated, tmp_path / "raw.parquet")
    prepare_datasets([(tmp_path / "raw.parquet", SURVEY)], tmp_path / "prepared", rows_per_shard=10)
    folder = tmp_path / "prepared" / "simulated"
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    streamed = datasets.load_dataset(str(folder), streaming=True)
    assert list(loaded) == list(streamed) == list(SPLITS)
    expected = read(tmp_path / "raw.parquet")
    splits = assign_splits(expected["identity"].to_pylist())
    for split in SPLITS:
        rows = expected.filter(pa.array(splits == split)).to_pylist()
        assert list(loaded[split]) == list(streamed[split]) == rows
        shards = sorted(file.name for file in folder.glob(f"{split}-*"))
        total = -(-len(rows) // 10)
        assert shards == [f"{split}-{number:05d}-of-{total:05d}.parquet" for number in range(total)]
        assert max(pq.ParquetFile(folder / shard).metadata.num_rows for shard in shards) == min(10, len(rows))
        assert streamed[split].num_shards == total
    assert total > 1
    assert loaded.class_encode_column("label")["train"].features["label"].num_classes == len(
        set(simulated["label"].to_pylist())
    )


def test_preparation_and_card_say_what_was_done(tmp_path):
    raw = write_raw(tmp_path / "crts_css.parquet", STARS[:100] * 2, labels=["EA", "RRab"] * 100)
    returned = prepare_datasets([(raw, SURVEYS["crts_css"])], tmp_path, command="python scripts/prepare_dataset.py")
    preparation = json.loads((tmp_path / "crts_css" / PREPARATION_FILE).read_text())
    assert {"crts_css": preparation} == json.loads(json.dumps(returned))
    assert (
        preparation["report"]["objects_kept"] == sum(split["light_curves"] for split in preparation["splits"].values()) == 200
    )
    assert sum(split["stars"] for split in preparation["splits"].values()) == 100
    assert sum(split["points"] for split in preparation["splits"].values()) == 4000
    assert sum(split["classes"]["EA"] for split in preparation["splits"].values()) == 100
    assert preparation["split_rule"] == {
        "seed": 0,
        "fractions": [0.6, 0.2, 0.2],
        "stratify": False,
        "max_test_per_class": None,
        "held_out": False,
    }
    card = (tmp_path / "crts_css" / "README.md").read_text()
    assert "Drake et al. 2014, ApJS 213, 9" in card
    train = preparation["splits"]["train"]
    assert f"| train | {train['light_curves']} | {train['stars']} | {train['points']} |" in card
    assert re.search(rf"\| EA \| eclipsing binary, detached \| {train['classes']['EA']} \|", card)


def test_unlabelled_light_curves_without_bands_or_record_are_prepared_too(tmp_path):
    pq.write_table(pa.table({"id": ["a", "b"], "time": [[1.0] * 6] * 2, "mag": [[9.0] * 6] * 2}), tmp_path / "raw.parquet")
    prepare_datasets([(tmp_path / "raw.parquet", SURVEY)], tmp_path, rule=SplitRule(fractions=(1.0, 0.0, 0.0)))
    loaded = datasets.load_dataset(str(tmp_path / "simulated"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert loaded["train"]["label"][:] == loaded["train"]["band"][:] == [None, None]
    assert np.isnan(loaded["train"]["magerr"][0]).all()


def test_a_run_that_breaks_off_leaves_the_older_folders_and_nothing_half_made(three_surveys, tmp_path):
    output = tmp_path / "prepared"
    prepare_datasets(three_surveys[:1], output)
    before = {file: file.read_bytes() for file in output.rglob("*.*")}
    (tmp_path / "raw" / "bad.parquet").write_bytes(b"PAR1 but not more")
    with pytest.raises(TableError, match="is not a complete parquet file"):
        prepare_datasets([three_surveys[0], (tmp_path / "raw" / "bad.parquet", Survey("bad"))], output)
    assert {file: file.read_bytes() for file in output.rglob("*.*")} == before
    prepare_datasets(three_surveys[:1], output)  # repeated, it replaces the folder by the same
    assert {file: file.read_bytes() for file in output.rglob("*.*")} == before


def test_a_folder_that_is_no_prepared_dataset_is_not_replaced(three_surveys, tmp_path):
    (tmp_path / "ogle").mkdir()
    (tmp_path / "ogle" / "thesis.tex").touch()
    with pytest.raises(TableError, match="exists and is no prepared dataset"):
        prepare_datasets(three_surveys, tmp_path)
    assert (tmp_path / "ogle" / "thesis.tex").exists()


def test_two_tables_of_one_survey_and_tables_without_light_curves_are_refused(three_surveys, tmp_path):
    with pytest.raises(TableError, match="several tables of ogle"):
        prepare_datasets([three_surveys[0]] * 2, tmp_path)
    with pytest.raises(TableError, match="no light curve left after cleaning"):
        prepare_datasets(three_surveys[:1], tmp_path, cleaning=Cleaning(min_points=21))


def test_the_memory_of_preparing_does_not_grow_with_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_preparation, "_ROWS_PER_BATCH", 20)
    write_table, held = pq.ParquetWriter.write_table, []

    def spy(self: pq.ParquetWriter, table: pa.Table) -> None:
        held.append(pa.total_allocated_bytes())
        write_table(self, table)

    rng = np.random.default_rng(0)
    lists = [rng.uniform(0, 15, 1000) for _ in range(20)]
    peaks = []
    for copies in (4, 32):
        with pq.ParquetWriter(tmp_path / "raw.parquet", LISTS) as writer:
            for copy in range(copies):
                writer.write_table(pa.table({"id": [f"{copy}-{n}" for n in range(20)], "time": lists, "mag": lists}, LISTS))
        before = pa.total_allocated_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(pq.ParquetWriter, "write_table", spy)
            prepare_datasets([(tmp_path / "raw.parquet", SURVEY)], tmp_path / "prepared")
        assert len(held) > 2 * copies
        peaks.append(max(held) - before)
        held.clear()
    assert peaks[1] < 1.2 * peaks[0]


# --- Raw tables as datasets ---


def test_a_raw_table_loads_clean_into_memory_mapped_arrow_or_as_a_stream(simulated, tmp_path):
    path = write_layout(simulated, "files", tmp_path)
    expected = read(path).to_pylist()
    loaded = load_light_curves(path, SURVEY, cache_dir=str(tmp_path / "cache"))
    streamed = load_light_curves(path, SURVEY, streaming=True)
    assert loaded.cache_files
    assert loaded.features == streamed.features == datasets.Features.from_arrow_schema(PREPARED_SCHEMA)
    assert list(loaded) == list(streamed) == expected


def test_the_cache_knows_a_changed_table_and_another_cleaning(simulated, tmp_path):
    path, options = tmp_path / "raw.parquet", {"cache_dir": str(tmp_path / "cache")}
    pq.write_table(simulated, path)
    assert len(load_light_curves(path, SURVEY, **options)) == 60
    assert len(load_light_curves(path, SURVEY, Cleaning(min_points=230), **options)) < 60
    pq.write_table(simulated.slice(0, 7), path)
    assert len(load_light_curves(path, SURVEY, **options)) == 7


# --- The script ---


def run_script(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_the_script_prepares_several_tables_and_prints_the_counts(three_surveys, tmp_path, monkeypatch, capsys):
    paths = [path for path, _ in three_surveys[:2]]
    run_script(monkeypatch, *paths, "-o", tmp_path / "prepared", "--identity-column", "id", "--stratify", "--seed", 4)
    printed = capsys.readouterr().out
    assert "ogle: 600 of 600 light curves, 12000 of 12000 points; train " in printed
    assert re.search(r"macho: 400 of 400 .*-> .*prepared/macho\n", printed)
    lines = printed.splitlines()[-2:]  # one a file, of what was read
    assert [line.partition(": ")[0] for line in lines] == [path.name for path in paths]
    assert all(" stars; " in line and " points used" in line for line in lines)
    preparation = json.loads((tmp_path / "prepared" / "macho" / PREPARATION_FILE).read_text())
    assert preparation["split_rule"]["seed"] == 4
    assert preparation["command"].endswith("--stratify --seed 4")
    assert preparation["ledger"]["line"] == lines[1]
    assert preparation["ledger"]["points_read"] == preparation["report"]["points_read"]


def test_the_script_takes_records_by_name_and_can_put_all_into_test(three_surveys, tmp_path, monkeypatch):
    options = ["--all-test", "--variability-filter", "--max-error", "0.5", "--min-points", "3"]
    run_script(monkeypatch, three_surveys[2][0], "-o", tmp_path, "--survey", "crts_css", *options)
    preparation = json.loads((tmp_path / "crts_css" / PREPARATION_FILE).read_text())
    assert list(preparation["splits"]) == ["test"]
    variability = {"max_kurtosis": 10.0, "max_skewness": 1.0, "max_std": 0.1}
    assert preparation["cleaning"] == {"max_error": 0.5, "min_points": 3, "variability": variability}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--survey", "lsst"], "error: There is no survey 'lsst'; there are: macho"),
        (["--survey", "atlas", "alcock"], "error: --survey needs one name for each of the 1 tables, got 2"),
        (["--fractions", "0.5", "0.2", "0.2"], "error: `fractions` must be three numbers"),
        (["--max-test-per-class", "100"], "error: `max_test_per_class` needs `labels`"),
        (["--mjd-column", "bjd"], "error: There is no column 'bjd' for mjd"),
    ],
)
def test_the_script_ends_with_a_clear_message(three_surveys, tmp_path, monkeypatch, options, message):
    with pytest.raises(SystemExit, match=re.escape(message)):
        run_script(monkeypatch, three_surveys[0][0], "-o", tmp_path / "prepared", *options)
    assert not list((tmp_path / "prepared").glob("*"))


# --- Real light curves ---


def test_real_macho_and_ogle_cepheids_share_no_star_between_splits(shared_data, tmp_path):
    names = ["macho_lmc_cepheids_noerr", "ogle_lmc_cepheids_I", "macho_with_err"]
    (raw := tmp_path / "raw").mkdir()
    counts = {}
    for name in names:  # a few measurements of each star are enough to see who is where
        table = pq.read_table(shared_data / f"{name}.parquet")
        for column in ("time", "mag"):
            short = pa.compute.list_slice(table[column], 0, 8)
            table = table.drop_columns(column).append_column(column, short)
        pq.write_table(table.drop_columns("err"), raw / f"{name}.parquet")
        counts[name] = len(table)
    prepare_datasets([(raw / f"{name}.parquet", SURVEYS[name]) for name in names], tmp_path / "prepared")
    rows = split_table(tmp_path / "prepared")
    assert Counter(rows["survey"]) == counts
    assert (rows.groupby("identity")["split"].nunique() == 1).all()
    assert (rows.groupby("object_id")["split"].nunique() == 1).all()
    assert (rows.groupby("identity")["survey"].nunique() == 2).sum() > 1300  # stars that both surveys saw
    assert set(rows["split"][rows["survey"] == "macho_with_err"]) == {"test"}


def test_real_light_curves_with_errors_are_all_for_testing_and_lose_only_absurd_errors(shared_data, tmp_path):
    table = (shared_data / "macho_with_err.parquet", SURVEYS["macho_with_err"])
    preparation = prepare_datasets([table], tmp_path)["macho_with_err"]
    assert list(preparation["splits"]) == ["test"]
    assert preparation["splits"]["test"]["light_curves"] == 49
    assert preparation["report"]["points_dropped"] == {"error over 1 mag": 229}
