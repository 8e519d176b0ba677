# Copyright 2026 The astromer_hf developers. MIT licence.
"""A dataset of the Hub is read as a file is: the same light curves, a split that was named, and one line for what fails."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import hub_client
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_client import HubClient, list_light_curves, run_fresh
from invented_datasets import Rows, multi_survey_rows, multimodal_universe_rows, starembed_rows, to_parquet

from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.formats.hub import Address, choose_split, find_address
from astromer_hf.light_curves.source import LightCurveSource

LAYOUTS: dict[str, Callable[..., Rows]] = {
    "starembed": starembed_rows,
    "multi_survey": multi_survey_rows,
    "multimodal_universe": multimodal_universe_rows,
}
PATHS = os.pathsep.join(str(Path(__file__).parents[i]) for i in (1, 2))  # of a process of its own
SPLITS = {"train": 5, "test": 3, "anom": 2}  # split -> stars


@pytest.fixture(scope="module")
def published(client: HubClient) -> dict[str, str]:
    """Layout -> id of a dataset on the Hub that has it, with several splits, the first in two shards."""
    ids = {}
    for layout, rows_of in LAYOUTS.items():
        files = {f"data/{split}-00000-of-00001.parquet": to_parquet(rows_of(n, seed=n)) for split, n in SPLITS.items()}
        train = rows_of(5, seed=5)
        del files["data/train-00000-of-00001.parquet"]
        files["data/train-00000-of-00002.parquet"] = to_parquet(train[:2])
        files["data/train-00001-of-00002.parquet"] = to_parquet(train[2:], row_group_size=1)
        ids[layout] = f"organisation/{layout}"
        client(hub_client.commit, ids[layout], files, "hf_ada", repo_type="dataset")
    return ids


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_split_on_the_hub_gives_the_light_curves_of_the_same_rows_in_a_file_and_in_memory(
    layout, split, client, published, tmp_path
):
    rows = LAYOUTS[layout](SPLITS[split], seed=SPLITS[split])
    (tmp_path / "local.parquet").write_bytes(to_parquet(rows))
    local = LightCurveSource.open(tmp_path / "local.parquet")
    expected = list_light_curves(local.chunks())
    assert len(expected) > len(rows)  # several bands

    found, ledger = client(hub_client.read_light_curves, f"hf://datasets/{published[layout]}", split=split)
    assert repr(found) == repr(expected)  # NaN where a point is not used
    assert ledger["dropped"] == local.ledger.to_dict()["dropped"]
    assert ledger["points_read"] == local.ledger.points_read
    assert split in ledger["name"]
    assert client(hub_client.read_light_curves, published[layout], split=split)[0].__repr__() == repr(expected)

    dataset = datasets.Dataset.from_list(rows)
    for held in (dataset, dataset.to_iterable_dataset(), dataset.with_format("torch"), pa.Table.from_pylist(rows)):
        assert repr(list_light_curves(LightCurveSource.open(held).chunks())) == repr(expected)
    split_of = datasets.DatasetDict({"other": dataset.select([0]), split: dataset})
    assert repr(list_light_curves(LightCurveSource.open(split_of, split=split).chunks())) == repr(expected)
    split_of.save_to_disk(tmp_path / "saved")
    assert repr(list_light_curves(LightCurveSource.open(tmp_path / "saved", split=split).chunks())) == repr(expected)


def test_every_point_of_the_layouts_is_used_or_counted():
    counts = {}
    for layout, rows_of in LAYOUTS.items():
        source = LightCurveSource.open(datasets.Dataset.from_list(rows_of(3)))
        curves = list_light_curves(source.chunks())
        counts[layout] = (source.ledger.points_read, dict(source.ledger.dropped), {band for _, band, *_ in curves})
    assert counts["starembed"] == (40 + 37 + 34 + 2 * (40 + 34), {}, {"g", "i", "r"})
    assert counts["multi_survey"][1:] == ({}, {"clear_CSS", "g_ZTF", "r_ZTF"})
    assert counts["multimodal_universe"] == (3 * 24, {"padding": 12, "not positive flux": 3}, {"g", "r"})


def test_fluxes_of_the_multimodal_universe_become_the_magnitudes_that_they_were_made_of():
    rows = multimodal_universe_rows(1)
    ((_, band, label, mjd, mag, _), _) = list_light_curves(LightCurveSource.open(datasets.Dataset.from_list(rows)).chunks())
    assert (band, label) == ("g", "RRL")
    times = rows[0]["lightcurve"]["time"]
    simulated = dict(zip(times, rows[0]["lightcurve"]["flux"], strict=True))
    used = [(t, m) for t, m in zip(mjd, mag, strict=True) if m == m]
    assert len(used) == 9  # ten points in g, of which the first is negative
    for t, m in used:
        assert 10 ** (0.4 * (27.5 - m)) == pytest.approx(simulated[t])


def test_padding_of_magnitudes_is_no_observation():
    lists = {"band": ["V", "V", "B"], "time": [53000.0, 53001.0, 0.0], "mag": [15.0, 15.1, 0.0], "mag_err": [0.1, 0.1, 0.0]}
    source = LightCurveSource.open(pa.Table.from_pylist([{"object_id": "a", "lightcurve": lists, "obj_type": "SN Ia"}]))
    curves = list_light_curves(source.chunks())
    assert [curve[1] for curve in curves] == ["V", "B"]
    assert source.ledger.dropped == {"padding": 1}
    assert source.ledger.points_used == 2


def test_a_band_that_no_star_has_and_fields_of_some_bands_alone_hide_no_other_band():
    rows = starembed_rows(3)
    for row in rows:
        row["bands_data"]["i"] = None  # of type null then, not a struct
        row["bands_data"]["r"]["seeing"] = [1.0] * 34
        row["bands_data"]["g"]["target"] = [round(value) for value in row["bands_data"]["g"]["target"]]  # integers
    table = pa.Table.from_pylist(rows)
    assert pa.types.is_null(table.schema.field("bands_data").type.field("i").type)
    curves = list_light_curves(LightCurveSource.open(table).chunks())
    assert [(star, band, len(mjd)) for star, band, _, mjd, *_ in curves] == [
        (row["sourceid"], band, count) for row in rows for band, count in (("g", 40), ("r", 34))
    ]
    assert curves[1][4] == rows[0]["bands_data"]["r"]["target"]


def test_lists_of_other_lengths_than_the_times_do_not_matter_where_they_are_not_read():
    rows = starembed_rows(4)
    for row in rows:
        for band in filter(None, row["bands_data"].values()):
            band["feat_dynamic_real"] = band["feat_dynamic_real"][1:]
    found = list_light_curves(LightCurveSource.open(pa.Table.from_pylist(rows)).chunks())
    assert found == list_light_curves(LightCurveSource.open(pa.Table.from_pylist(starembed_rows(4))).chunks())


def test_light_curves_in_several_columns_are_asked_about():
    lists = {"mjd": [1.0, 2.0], "flux": [3.0, 4.0]}
    table = pa.Table.from_pylist([{"id": "a", "g": lists, "r": lists}])
    with pytest.raises(TableError, match=r"several columns, g, r: .* --mjd-column r\.mjd --flux-column r\.flux"):
        LightCurveSource.open(table)
    chosen = LightCurveSource.open(table, columns={"mjd": "r.mjd", "flux": "r.flux"})
    assert [len(curve[3]) for curve in list_light_curves(chosen.chunks())] == [2]


# --- Splits, subsets and addresses ---


def test_no_split_is_taken_from_several_without_a_word(client, published):
    kind, message = client(hub_client.error_of, published["starembed"])
    assert kind == "TableError"
    assert "several splits" in message
    assert all(split in message for split in SPLITS)
    kind, message = client(hub_client.error_of, published["starembed"], split="tset")
    assert kind == "TableError"
    assert "has no split 'tset'" in message
    assert all(split in message for split in SPLITS)


def test_the_only_split_needs_no_name(client):
    rows = starembed_rows(2)
    client(hub_client.commit, "organisation/single", {"one.parquet": to_parquet(rows)}, "hf_ada", repo_type="dataset")
    found, ledger = client(hub_client.read_light_curves, "organisation/single")
    assert {star for star, *_ in found} == {row["sourceid"] for row in rows}
    assert ledger["name"] == "organisation/single (train)"


def test_a_subset_is_asked_for_where_there_are_several(client):
    card = {
        "configs": [
            {"config_name": name, "data_files": [{"split": "test", "path": f"{name}/*.parquet"}]} for name in ("north", "south")
        ]
    }
    files = {
        "README.md": f"---\n{json.dumps(card)}\n---\n".encode(),
        "north/a.parquet": to_parquet(starembed_rows(2, seed=1)),
        "south/a.parquet": to_parquet(starembed_rows(2, seed=2)),
    }
    client(hub_client.commit, "organisation/subsets", files, "hf_ada", repo_type="dataset")
    kind, message = client(hub_client.error_of, "organisation/subsets", split="test")
    assert kind == "TableError"
    assert "several subsets, north, south" in message
    assert "--subset" in message
    assert "no subset 'west'" in client(hub_client.error_of, "organisation/subsets", split="test", subset="west")[1]
    for subset, first in (("north", "10000"), ("south", "20000")):
        found, ledger = client(hub_client.read_light_curves, "organisation/subsets", subset=subset)
        assert found[0][0] == first
        assert ledger["name"] == f"organisation/subsets ({subset}, test)"


def test_a_file_of_a_dataset_and_a_revision_are_addresses_too(client, hub):
    repo, token = "organisation/revised", "hf_ada"
    first = client(hub_client.commit, repo, {"a.parquet": to_parquet(starembed_rows(1, seed=1))}, token, repo_type="dataset")
    client(hub_client.commit, repo, {"a.parquet": to_parquet(starembed_rows(1, seed=2))}, token, repo_type="dataset")
    read = hub_client.read_light_curves
    assert client(read, f"hf://datasets/{repo}")[0][0][0] == "20000"
    assert client(read, f"hf://datasets/{repo}@{first}")[0][0][0] == "10000"
    assert client(read, f"hf://datasets/{repo}@{first}/a.parquet")[0][0][0] == "10000"
    assert client(read, f"https://huggingface.co/datasets/{repo}")[0][0][0] == "20000"
    assert "no revision 'v9'" in client(hub_client.error_of, f"hf://datasets/{repo}@v9")[1]
    assert "has no file b.parquet" in client(hub_client.error_of, f"hf://datasets/{repo}/b.parquet")[1]


def test_a_path_that_exists_wins_over_a_dataset_of_the_same_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_address("organisation/curves") == Address("organisation/curves", is_guess=True)
    Path("organisation").mkdir()
    assert find_address("organisation/curves") is None  # a folder of that name is here: a file in it is missing
    assert find_address("organisation/curves", "test") == Address("organisation/curves", is_guess=True)
    Path("organisation/curves").write_text("mjd,mag\n1,2\n2,3\n3,4\n")
    assert find_address("organisation/curves") is None
    assert LightCurveSource.open("organisation/curves").path == Path("organisation/curves")
    with pytest.raises(TableError, match="leave it out"):
        LightCurveSource.open("organisation/curves", split="test")


@pytest.mark.parametrize(
    "path", ["curves.csv", "missing/curves.csv", "missing/curves.tar.gz", "/missing/curves", "a/b/c", "./a"]
)
def test_the_path_of_a_missing_file_is_not_asked_for_on_the_hub(path):
    assert find_address(path) is None
    with pytest.raises(FileNotFoundError, match="There is no file"):
        LightCurveSource.open(path)


def test_an_address_survives_being_a_path():
    assert find_address(Path("hf://datasets/organisation/name")) == Address("organisation/name")


@pytest.mark.parametrize(
    "address", ["hf://organisation/model", "hf://spaces/organisation/page", "hf://datasets/", "https://a.org/b"]
)
def test_an_address_of_no_dataset_is_refused(address):
    with pytest.raises(TableError, match="hf://datasets/ORGANISATION/NAME"):
        LightCurveSource.open(address)


def test_the_split_of_a_single_table_is_refused():
    dataset = datasets.Dataset.from_list(starembed_rows(1))
    with pytest.raises(TableError, match="leave the split out"):
        LightCurveSource.open(dataset, split="test")
    with pytest.raises(TableError, match="leave the split out"):
        LightCurveSource.open(dataset.to_pandas(), split="test")


def test_a_folder_of_a_dataset_has_splits_too(tmp_path):
    (tmp_path / "data").mkdir()
    for split, count in SPLITS.items():
        (tmp_path / "data" / f"{split}-00000-of-00001.parquet").write_bytes(to_parquet(starembed_rows(count, seed=count)))
    source = LightCurveSource.open(tmp_path, split="test")
    assert {star for star, *_ in list_light_curves(source.chunks())} == {"30000", "30001", "30002"}
    assert source.format == "parquet"
    assert source.ledger.name == f"{tmp_path.name} (test)"
    with pytest.raises(TableError, match="has no split 'tset'"):
        LightCurveSource.open(tmp_path, split="tset")
    assert len({star for star, *_ in list_light_curves(LightCurveSource.open(tmp_path).chunks())}) == sum(SPLITS.values())


def test_files_of_a_split_that_differ_are_said_in_one_line(tmp_path):
    first, second = starembed_rows(2, seed=1), starembed_rows(2, seed=2)
    for row in first:
        row["bands_data"]["i"] = None
    (tmp_path / "train-00000-of-00002.parquet").write_bytes(to_parquet(first))
    (tmp_path / "train-00001-of-00002.parquet").write_bytes(to_parquet(second))
    with pytest.raises(TableError, match="its files may differ in their columns") as caught:
        list(LightCurveSource.open(tmp_path, split="train").chunks())
    assert "\n" not in str(caught.value)
    curves = list_light_curves(LightCurveSource.open(tmp_path).chunks())  # read file by file
    assert [band for _, band, *_ in curves] == ["g", "r", "g", "r", "g", "i", "r", "g", "r"]


def test_choose_split_takes_the_only_one():
    assert choose_split(["test"], None, "x") == "test"


def test_labels_of_a_class_label_are_their_names():
    dataset = datasets.Dataset.from_list(
        [{"object_id": str(i), "mjd": [1.0, 2.0], "mag": [15.0, 15.1], "label": label} for i, label in enumerate((1, 0, -1))]
    ).cast_column("label", datasets.ClassLabel(names=["EA", "RRab"]))
    curves = list_light_curves(LightCurveSource.open(dataset).chunks())
    assert [curve[2] for curve in curves] == ["RRab", "EA", None]


# --- Memory ---


def test_a_dataset_is_read_a_batch_at_a_time():
    dataset = datasets.Dataset.from_list(starembed_rows(9))
    sizes = [len(chunk) for chunk in LightCurveSource.open(dataset).chunks(2)]
    assert len(sizes) == 5
    assert max(sizes) <= 6  # three bands of two stars

    rows, passes = starembed_rows(40, num_points=12), []

    def generate() -> Iterator[dict[str, Any]]:
        passes.append(0)
        for row in rows:
            passes[-1] += 1
            yield row

    source = LightCurveSource.open(datasets.IterableDataset.from_generator(generate))
    chunks = source.chunks(4)
    read = [(next(chunks), passes[-1])[1] for _ in range(3)]
    assert read[0] < 12  # what is next is asked for when it is wanted
    assert read == sorted(read)
    assert read[-1] < 20


# --- What goes wrong ---


def test_a_dataset_that_is_not_there_is_one_line_that_says_what_to_do(client):
    kind, message = client(hub_client.error_of, "hf://datasets/organisation/nothing", split="test")
    assert kind == "FileNotFoundError"
    assert "There is no dataset organisation/nothing on the Hub" in message
    assert "hf auth login" in message
    kind, message = client(hub_client.error_of, "nowhere/nothing")
    assert kind == "FileNotFoundError"
    assert "There is no file nowhere/nothing" in message
    assert "no dataset nowhere/nothing on the Hub" in message


def test_a_private_dataset_is_read_by_its_owner_alone(client, hub):
    files = {"a.parquet": to_parquet(starembed_rows(1))}
    client(hub_client.commit, "ada/hidden", files, "hf_ada", repo_type="dataset")
    hub.repo("ada/hidden", "datasets").private = True
    assert client(hub_client.error_of, "ada/hidden", token="hf_ada") == ("", "")
    kind, message = client(hub_client.error_of, "ada/hidden", token="hf_bob")
    assert kind == "FileNotFoundError"
    assert "you may not see it" in message


def test_a_gated_dataset_says_where_to_ask_for_access(client, hub):
    client(hub_client.commit, "organisation/gated", {"a.parquet": to_parquet(starembed_rows(1))}, "hf_ada", repo_type="dataset")
    hub.repo("organisation/gated", "datasets").gated = True
    for token in (None, "hf_bob"):
        kind, message = client(hub_client.error_of, "organisation/gated", token=token)
        assert kind == "TableError"
        assert "organisation/gated is gated: ask for access at " in message
        assert "/datasets/organisation/gated" in message


def test_a_dataset_without_tables_is_refused(client):
    client(hub_client.commit, "organisation/empty", {"notes.md": b"nothing"}, "hf_ada", repo_type="dataset")
    kind, message = client(hub_client.error_of, "organisation/empty")
    assert kind == "TableError"
    assert "no files of a format that can be read" in message


def test_offline_is_said_and_not_mistaken_for_absence(hub, tmp_path):
    script = "from hub_client import error_of; answer = error_of('organisation/curves', split='test')"
    kind, message = run_fresh(hub.url, tmp_path, script, HF_HUB_OFFLINE="1", PYTHONPATH=PATHS)
    assert kind == "TableError"
    assert "HF_HUB_OFFLINE" in message
    assert "organisation/curves" in message
    assert "name the folder" in message


def test_offline_a_dataset_that_was_downloaded_before_is_read(client, hub, published, tmp_path):
    download = f"import datasets; answer = len(datasets.load_dataset({published['starembed']!r})['test'])"
    assert run_fresh(hub.url, tmp_path, download) == SPLITS["test"]
    read = f"from hub_client import read_light_curves; answer = read_light_curves({published['starembed']!r}, split='test')[0]"
    found = run_fresh(hub.url, tmp_path, read, HF_HUB_OFFLINE="1", PYTHONPATH=PATHS)
    expected = client(hub_client.read_light_curves, published["starembed"], split="test")[0]
    assert [tuple(curve) for curve in found] == expected


@pytest.mark.slow  # the client tries again for half a minute
def test_a_hub_that_does_not_answer_is_said(tmp_path):
    script = "from hub_client import error_of; answer = error_of('organisation/curves', split='test')"
    kind, message = run_fresh("http://127.0.0.1:9", tmp_path, script, PYTHONPATH=PATHS)
    assert kind == "TableError"
    assert "cannot be reached" in message
    assert "name the folder" in message


# --- The command ---


def test_every_verb_takes_a_dataset_of_the_hub(client, published, tiny_folder, tmp_path):
    rows = starembed_rows(3, seed=3)
    (tmp_path / "local.parquet").write_bytes(to_parquet(rows))
    model = ("--model", tiny_folder, "--quiet")
    assert client(hub_client.command, "embed", tmp_path / "local.parquet", "-o", tmp_path / "a.parquet", *model)[0] == 0
    expected = pq.read_table(tmp_path / "a.parquet")
    for number, source in enumerate((published["starembed"], f"hf://datasets/{published['starembed']}")):
        output = tmp_path / f"{number}.parquet"
        status, out, err = client(hub_client.command, "embed", source, "--split", "test", "-o", output, *model)
        assert status == 0, err
        assert "organisation/starembed (test): read as StarEmbed benchmark; 3 stars" in out
        assert pq.read_table(output).equals(expected)
    status, out, err = client(hub_client.command, "embed", source, "--split", "test", "-o", tmp_path / "shards", *model)
    assert status == 0, err
    assert pq.read_table(tmp_path / "shards").equals(expected)
    status, out, err = client(hub_client.command, "embed", source, "--split", "test", "-o", tmp_path / "shards", *model)
    assert "0 shards written, 1 were there" in out
    status, out, err = client(hub_client.command, "inspect", source, "--split", "test")
    assert status == 0, err
    assert f"astromer-hf embed {source} --split test -o embeddings.parquet" in out
    status, out, err = client(hub_client.command, "embed", source, "-o", tmp_path / "b.parquet", *model)
    assert status == 1
    assert "several splits" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "b.parquet").exists()
    status, out, err = client(
        hub_client.command, "plot", "light-curve", source, "--split", "test", "--object", "30000", "--band", "g", "-o",
        tmp_path / "curve.png",
    )  # fmt: skip
    assert status == 0, err
    picture = ("--curves", source, "--split", "test", "--picture", tmp_path / "near.png")
    status, out, err = client(hub_client.command, "neighbors", output, "--object", "30000", "--band", "g", "-k", "3", *picture)
    assert status == 0, err


def test_a_classifier_is_trained_and_used_on_a_dataset_of_the_hub(client, tiny_folder, tmp_path):
    files = {
        f"data/{name}-0.parquet": to_parquet(starembed_rows(n, seed=n, bands="g")) for name, n in (("fit", 60), ("new", 4))
    }
    client(hub_client.commit, "organisation/labelled", files, "hf_ada", repo_type="dataset")
    source, classifier = "organisation/labelled", tmp_path / "classifier"
    words = ("--model", tiny_folder, "--quiet", "--min-per-class", "5", "--max-epochs", "2", "--augment", "0")
    status, out, err = client(hub_client.command, "fit", f"hf://datasets/{source}/data/fit-0.parquet", "-o", classifier, *words)
    assert status == 0, err
    assert f"{source} (data/fit-0.parquet): read as StarEmbed benchmark; 60 stars" in out
    status, out, err = client(
        hub_client.command, "classify", f"hf://datasets/{source}/data/new-0.parquet", "-o", tmp_path / "classes.parquet",
        "--model", classifier, "--quiet",
    )  # fmt: skip
    assert status == 0, err
    rows = pq.read_table(tmp_path / "classes.parquet").to_pylist()
    assert [row["object_id"] for row in rows] == ["40000", "40001", "40002", "40003"]
    assert {row["predicted_label"] for row in rows} <= {"EW", "RRab", "LPV"}


def test_embed_table_and_classify_table_take_a_split(tmp_path):
    from astromer_hf import AstromerConfig, AstromerForSequenceClassification
    from astromer_hf.inference.classification import classify_table
    from astromer_hf.inference.embedding import embed_table

    model = AstromerForSequenceClassification(
        AstromerConfig(hidden_size=16, num_attention_heads=4, intermediate_size=8, num_hidden_layers=1, window_size=20)
    )
    splits = datasets.DatasetDict({name: datasets.Dataset.from_list(starembed_rows(n, seed=n)) for name, n in SPLITS.items()})
    for write in (embed_table, classify_table):
        write(splits, tmp_path / "out.parquet", model, split="anom", show_progress=False)
        assert set(pq.read_table(tmp_path / "out.parquet")["object_id"].to_pylist()) == {"20000", "20001"}
        with pytest.raises(TableError, match="several splits"):
            write(splits, tmp_path / "out.parquet", model, show_progress=False)
        opened = LightCurveSource.open(splits, split="test")
        write(opened, tmp_path / "out.parquet", model, split="test", show_progress=False)
        with pytest.raises(TableError, match="is open already"):
            write(opened, tmp_path / "out.parquet", model, split="anom", show_progress=False)
    embed_table(splits, tmp_path / "out.parquet", model, split="anom", combine_bands="concat", bands=["g", "r"])
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["object_id"], row["bands"], len(row["embedding"])) for row in rows] == [
        ("20000", ["g", "r"], 32),
        ("20001", ["g", "r"], 32),
    ]
