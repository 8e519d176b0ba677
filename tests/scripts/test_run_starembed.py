# Copyright 2026 The astromer_hf developers. MIT licence.
"""The benchmark StarEmbed in one command, on a small invented dataset of its layout on the loopback Hub."""

import json
from pathlib import Path
from typing import Any

import datasets
import hub_client
import numpy as np
import pyarrow.parquet as pq
import pytest
import run_starembed
from hub_client import HubClient
from invented_datasets import starembed_rows, to_parquet
from run_starembed import SCORED, Split, main, parse_args
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

STARS = {"train": 28, "validation": 9, "test": 14, "anom": 7}
WITHOUT_R = {"train": 4, "validation": 1, "test": 2, "anom": 1}  # every seventh star
REPO = "organisation/benchmark"


@pytest.fixture(scope="module")
def published(client: HubClient) -> str:
    files = {
        f"data/{split}-00000-of-00001.parquet": to_parquet(starembed_rows(count, seed=i, bands="gr"))
        for i, (split, count) in enumerate(STARS.items())
    }
    client(hub_client.commit, REPO, files, "hf_ada", repo_type="dataset")
    return REPO


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The same dataset in a folder."""
    splits = {
        split: datasets.Dataset.from_list(starembed_rows(count, seed=i, bands="gr"))
        for i, (split, count) in enumerate(STARS.items())
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def scores_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "scores.json").read_text())


def test_the_benchmark_is_one_command(client, published, tiny_folder, tmp_path):
    output = tmp_path / "out"
    words = (f"hf://datasets/{published}", "-o", output, "--model", tiny_folder, "--skip-search", "--device", "cpu")
    out, message = client(hub_client.script, "run_starembed", *words)
    assert message == ""
    assert "3 classes (EW, LPV, RRab), embeddings of 32 numbers" in out
    for split, count in STARS.items():
        assert f"{split}: {count - WITHOUT_R[split]} of {count} stars have the bands g, r" in out
        assert f"{split}: read as StarEmbed benchmark; {count} stars; bands g, r" in out
    for name in ("k-NN, k = 5: macro-F1 0.", "linear probe: macro-F1 0.", "random forest: macro-F1 0."):
        assert name in out
    assert f"measured on hf://datasets/{published}" in out

    written = datasets.load_from_disk(str(output / "dataset"))
    assert set(written) == set(STARS)
    rows = starembed_rows(STARS["train"], bands="gr")
    assert written["train"]["sourceid"] == [row["sourceid"] for row in rows if row["bands_data"]["r"] is not None]
    assert {"bands_data", "class_str", "embeddings_g", "embeddings_r", "combined_embedding"} <= set(
        written["test"].column_names
    )

    # It goes on where it was stopped: with what is not there.
    before = scores_in(output)
    (output / "embeddings" / "validation.parquet").unlink()
    out, message = client(hub_client.script, "run_starembed", *words)
    assert message == ""
    assert [line.endswith("skipped") for line in out.splitlines()[:4]] == [True, False, True, True]
    assert scores_in(output) == before


def test_the_dataset_is_what_the_scripts_of_the_benchmark_read(saved, tiny_folder, tmp_path):
    """Each of them takes a mean over the times of a band in its own way; all must come out at the same vector."""
    output = tmp_path / "out"
    main(parse_args([str(saved), "-o", str(output), "--model", str(tiny_folder), "--skip-search", "--device", "cpu"]))
    rows = datasets.load_from_disk(str(output / "dataset"))["test"]
    embedded = {
        (row["object_id"], row["band"]): row for row in pq.read_table(output / "embeddings" / "test.parquet").to_pylist()
    }
    for row in rows:
        by_band = []
        for band in "gr":
            expected = np.array(embedded[row["sourceid"], band]["embedding"], dtype=np.float32)
            nested = np.array(row[f"embeddings_{band}"], dtype=np.float32)
            assert nested.shape == (1, 1, 16)
            np.testing.assert_array_equal(np.squeeze(nested), expected)
            np.testing.assert_array_equal(nested.squeeze(0).mean(axis=0), expected)
            np.testing.assert_array_equal(nested[None][:, 0].mean(axis=1)[0], expected)
            np.testing.assert_array_equal(row[f"avg_embedding_{band}"], expected)
            by_band.append(expected)
        np.testing.assert_array_equal(np.array(row["combined_embedding"], dtype=np.float32), np.concatenate(by_band))
        assert isinstance(row["class_str"], str)


def test_scores_are_those_of_the_protocol(saved, tiny_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        run_starembed, "FOREST_GRID", {"n_estimators": [5, 20], "max_depth": [None, 2], "min_samples_split": [2]}
    )
    output = tmp_path / "out"
    words = [str(saved), "-o", str(output), "--model", str(tiny_folder), "--seed", "3", "--device", "cpu"]
    main(parse_args(words))
    scores = scores_in(output)
    rows = datasets.load_from_disk(str(output / "dataset"))
    vectors = {split: np.array(rows[split]["combined_embedding"], dtype=np.float32) for split in SCORED}
    classes = {split: np.array(rows[split]["class_str"]) for split in SCORED}
    scaler = StandardScaler().fit(np.concatenate((vectors["train"], vectors["validation"])))
    train = scaler.transform(np.concatenate((vectors["train"], vectors["validation"])))
    known = np.concatenate((classes["train"], classes["validation"]))
    for name, classifier in (
        ("k-NN, k = 5", KNeighborsClassifier(5)),
        ("linear probe", LogisticRegression(max_iter=5000, class_weight="balanced", random_state=3)),
    ):
        predicted = classifier.fit(train, known).predict(scaler.transform(vectors["test"]))
        assert scores[name]["macro_f1"] == pytest.approx(f1_score(classes["test"], predicted, average="macro"))
    assert [run["seed"] for run in scores["random forest"]] == [3, 61, 161]
    assert len(scores["search"]) == 4
    best = max(scores["search"].values())
    settings = scores["random forest"][0]["settings"]
    assert scores["search"][json.dumps(settings, sort_keys=True)] == best
    assert f"over 3 seeds, searched: {settings}" in capsys.readouterr().out

    # A search that was stopped computes only the settings that are not there.
    (removed,) = (key for key in list(scores["search"])[:1])
    del scores["search"][removed], scores["random forest"]
    (output / "scores.json").write_text(json.dumps(scores))
    fits: list[Any] = []
    score = Split.score
    monkeypatch.setattr(Split, "score", lambda self, classifier: fits.append(classifier) or score(self, classifier))
    main(parse_args(words))
    assert len(fits) == 1 + 3

    # Other bands are another benchmark.
    main(parse_args([*words, "--bands", "g"]))
    assert "bands g\n" in capsys.readouterr().out
    assert len(datasets.load_from_disk(str(output / "dataset"))["test"]) == STARS["test"]


def test_what_is_missing_is_said(saved, tiny_folder, tmp_path):
    splits = datasets.load_from_disk(str(saved))
    words = ["-o", str(tmp_path / "out"), "--model", str(tiny_folder), "--skip-search", "--device", "cpu"]
    for change, message in (
        ({name: splits[name] for name in ("train", "test")}, "has no split validation; it has train, test"),
        ({**splits, "train": splits["train"].remove_columns("class_str")}, "has no column class_str"),
        ({**splits, "test": splits["test"].map(lambda row: {"class_str": "new"})}, "'new' has no star in train"),
        ({**splits, "train": splits["train"].select([0, 0])}, "1 ids of the dataset occur more than once"),
    ):
        folder = tmp_path / f"changed-{len(message)}"
        datasets.DatasetDict(change).save_to_disk(folder)
        with pytest.raises(SystemExit, match=message):
            main(parse_args([str(folder), *words]))
    with pytest.raises(SystemExit, match="There is no folder"):
        main(parse_args([str(tmp_path / "nowhere"), *words]))
