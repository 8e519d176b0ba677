# Copyright 2026 The astromer_hf developers. MIT licence.
"""Transformers' `pipeline` gives what the package's own functions give, for light curves of every kind, one result each."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, TINY_EXTENDED
from test_embedding import CURVES, IDS, LENGTHS, WINDOW
from test_source import LAYOUTS
from transformers import AutoProcessor, Pipeline, pipeline

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    AstromerModel,
    default_classifier_folder,
    default_model_folder,
)
from astromer_hf.inference.classification import classify_light_curves
from astromer_hf.inference.embedding import embed_light_curves
from astromer_hf.light_curves.simulation import to_table
from astromer_hf.model.pipelines_astromer import TASKS, hide

MJD, MAG = [curve.mjd for curve in CURVES], [curve.mag for curve in CURVES]
DICTS = [{"mjd": curve.mjd, "mag": curve.mag, "magerr": curve.magerr, "object_id": curve.object_id} for curve in CURVES]
CONFIGS = {
    "paper": TINY,
    "extended": TINY_EXTENDED,
    "as upstream": TINY | {"masking_scheme": "additive_padding"},
}
LABELS = {"id2label": {0: "RRab", 1: "Cepheid", 2: "LPV"}, "label2id": {"RRab": 0, "Cepheid": 1, "LPV": 2}}


@pytest.fixture(scope="module", params=CONFIGS)
def fields(request: pytest.FixtureRequest) -> dict[str, Any]:
    return CONFIGS[request.param]


@pytest.fixture(scope="module")
def folder(fields: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained checkpoint."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    AstromerForMaskedReconstruction(AstromerConfig(**fields)).save_pretrained(folder)
    AstromerFeatureExtractor(window_size=WINDOW).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def embed(folder: Path) -> Pipeline:
    return pipeline("light-curve-embedding", model=str(folder), device="cpu")


@pytest.fixture(scope="module")
def reconstruct(folder: Path) -> Pipeline:
    return pipeline("light-curve-reconstruction", model=str(folder), device="cpu")


def build_classifier(**fields: Any) -> AstromerForSequenceClassification:
    torch.manual_seed(0)
    return AstromerForSequenceClassification(AstromerConfig(**TINY, classifier_hidden_sizes=[8], **fields)).eval()


def embeddings(results: list[dict[str, Any]]) -> np.ndarray:
    return np.array([result["embedding"] for result in results])


# --- Embedding ---


@pytest.mark.parametrize("batch_size", [None, 1, 2, 100])
def test_embeddings_are_those_of_embed_light_curves_whatever_the_batch(embed, batch_size):
    expected = embed_light_curves(embed.model, MJD, MAG)
    results = embed(DICTS, batch_size=batch_size)
    np.testing.assert_allclose(embeddings(results), expected.object_embeddings, rtol=0, atol=1e-5)
    assert [result["num_windows"] for result in results] == [-(-length // WINDOW) for length in LENGTHS]
    assert [result["num_points"] for result in results] == LENGTHS
    assert [result["object_id"] for result in results] == IDS


def test_one_light_curve_has_one_result_and_a_list_of_one_a_list(embed):
    single, (listed,) = embed(DICTS[3]), embed(DICTS[3:4])
    assert single == listed
    assert single["num_windows"] == 4


def test_results_are_pythons_own_numbers_unless_numpy_is_asked_for(embed, reconstruct):
    json.dumps([embed(DICTS[0]), reconstruct(DICTS[0])])
    assert isinstance(embed(DICTS[0], return_numpy=True)["embedding"], np.ndarray)
    assert reconstruct(DICTS[0], return_numpy=True)["hidden"].dtype == bool


@pytest.mark.parametrize("as_table", [lambda table: table, pa.Table.to_pandas], ids=["pyarrow", "pandas"])
def test_a_table_in_memory_has_a_result_an_object_by_its_id(embed, as_table: Callable):
    results = embed(as_table(to_table(CURVES)))
    assert [result["object_id"] for result in results] == IDS
    np.testing.assert_allclose(embeddings(results), embeddings(embed(DICTS)), rtol=0, atol=1e-5)


def test_a_table_of_polars_is_read_too(embed):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    results = embed(polars.from_arrow(to_table(CURVES)))
    assert [result["object_id"] for result in results] == IDS


def test_a_table_of_measurements_is_grouped_by_object_and_columns_may_be_named(embed, tmp_path):
    rows = pd.read_csv(LAYOUTS["interleaved.csv"](tmp_path, to_table(CURVES)), dtype={"object_id": str})
    rows = rows.rename(columns={"object_id": "star", "mag": "brightness"})
    results = embed(rows, columns={"object_id": "star", "mag": "brightness"})
    assert [result["object_id"] for result in results] == IDS
    np.testing.assert_allclose(embeddings(results), embeddings(embed(DICTS)), rtol=0, atol=1e-5)


def as_time_series(curve: dict[str, Any]) -> Any:
    from astropy import units
    from astropy.time import Time
    from astropy.timeseries import TimeSeries

    return TimeSeries({"mag": curve["mag"] * units.mag}, time=Time(curve["mjd"], format="mjd"))


@pytest.mark.parametrize(
    "as_object",
    [
        as_time_series,
        lambda curve: pd.DataFrame({"time": curve["mjd"], "mag": curve["mag"]}),
        lambda curve: {"time": curve["mjd"], "flux": 10 ** (-0.4 * curve["mag"])},
    ],
    ids=["TimeSeries", "DataFrame", "flux"],
)
def test_objects_of_other_packages_are_light_curves_alone_and_in_lists(embed, as_object: Callable):
    expected = embed(DICTS[:2])
    for result in (embed(as_object(DICTS[0])), embed([as_object(DICTS[0]), DICTS[1]])[0]):
        np.testing.assert_allclose(result["embedding"], expected[0]["embedding"], rtol=0, atol=1e-5)
    assert "object_id" not in result


def test_columns_of_a_single_light_curve_may_be_named(embed):
    curve = pd.DataFrame({"day": DICTS[0]["mjd"], "brightness": DICTS[0]["mag"]})
    result = embed(curve, columns={"mjd": "day", "mag": "brightness"})
    np.testing.assert_allclose(result["embedding"], embed(DICTS[0])["embedding"], rtol=0, atol=1e-6)


def test_a_generator_is_read_batch_by_batch_as_results_are_asked_for(embed):
    read = []

    def stream():
        for curve in DICTS:
            read.append(curve["object_id"])
            yield curve

    results = embed(stream(), batch_size=2)
    first = next(results)
    assert first["object_id"] == IDS[0]
    assert len(read) <= 3  # transformers looks at the first
    assert [first["object_id"], *(result["object_id"] for result in results)] == IDS


def test_datasets_of_both_kinds_are_read(embed):
    rows = datasets.Dataset.from_list([{name: curve[name] for name in ("mjd", "mag", "object_id")} for curve in DICTS])
    expected = embeddings(embed(DICTS))
    np.testing.assert_allclose(embeddings(list(embed(rows))), expected, rtol=0, atol=1e-5)
    subset = torch.utils.data.Subset(DICTS, range(4))
    np.testing.assert_allclose(embeddings(list(embed(subset))), expected[:4], rtol=0, atol=1e-5)


def test_a_path_is_a_table_and_a_list_of_paths_the_light_curves_of_all(embed, tmp_path):
    table = to_table(CURVES)
    pq.write_table(table, tmp_path / "all.parquet")
    paths = []
    for number, curve in enumerate(CURVES):
        paths.append(tmp_path / f"star-{number}.csv")
        pd.DataFrame({"mjd": curve.mjd, "mag": curve.mag, "magerr": curve.magerr}).to_csv(paths[-1], index=False)
    expected = embeddings(embed(DICTS))
    for path in (tmp_path / "all.parquet", str(tmp_path / "all.parquet")):
        results = embed(path)
        assert [result["object_id"] for result in results] == IDS
        np.testing.assert_allclose(embeddings(results), expected, rtol=0, atol=1e-5)
    names = [f"star-{number}" for number in range(len(CURVES))]
    for several in (paths, tuple(map(str, paths)), (path for path in paths)):
        results = list(embed(several))
        assert [result["object_id"] for result in results] == names
        np.testing.assert_allclose(embeddings(results), expected, rtol=0, atol=1e-5)
    mixed = embed([paths[0], DICTS[1], table.slice(2, 2), table.slice(4, 1).to_pandas()])
    np.testing.assert_allclose(embeddings(mixed), expected[:5], rtol=0, atol=1e-5)
    assert len(embed(paths[0])) == 1  # a table of one star is a list of one result


def test_the_bands_of_a_star_are_told_apart_in_the_results(embed, tmp_path):
    curve = CURVES[0]
    rows = pd.DataFrame({"mjd": curve.mjd, "mag": curve.mag, "band": np.where(np.arange(len(curve.mjd)) % 2, "g", "r")})
    rows.to_csv(tmp_path / "star.csv", index=False)
    for source in (rows, tmp_path / "star.csv", [rows], [tmp_path / "star.csv"]):
        results = embed(source)
        assert sorted(result["band"] for result in results) == ["g", "r"]
        assert sum(result["num_points"] for result in results) == len(rows)


def test_a_dataset_of_several_splits_needs_one_and_is_streamed(embed):
    rows = datasets.Dataset.from_list([{name: curve[name] for name in ("mjd", "mag", "object_id")} for curve in DICTS])
    splits = datasets.DatasetDict({"train": rows, "test": rows.select([1])})
    (result,) = embed(splits, split="test")
    assert result["object_id"] == IDS[1]
    with pytest.raises(ValueError, match="several splits, train, test"):
        embed(splits)
    for other in (DICTS[0], DICTS[:2], tuple(DICTS[:2]), to_table(CURVES)):
        with pytest.raises(ValueError, match="leave the split out"):
            embed(other, split="test")
    stream = embed(rows.to_iterable_dataset())
    assert next(stream)["object_id"] == IDS[0]
    assert [result["object_id"] for result in stream] == IDS[1:]


def test_without_the_package_a_path_is_refused_clearly(embed, monkeypatch, tmp_path):
    """The file is uploaded with the weights, and runs where the package is not installed."""
    for name in ("source", "in_memory"):
        monkeypatch.setitem(sys.modules, f"astromer_hf.light_curves.{name}", None)  # an import of it fails
    with pytest.raises(TypeError, match="Reading files needs the package astromer-hf, which is not installed"):
        embed("curves.parquet")
    with pytest.raises(TypeError, match="Reading tables needs the package astromer-hf"):
        embed([pd.DataFrame({"mjd": [1.0], "mag": [2.0]})])
    assert len(embed(DICTS[0])["embedding"]) == 16
    rows = datasets.Dataset.from_list([{"mjd": curve["mjd"], "mag": curve["mag"]} for curve in DICTS[:2]])
    assert len(list(embed(rows))) == 2


def test_a_light_curve_without_a_usable_observation_has_no_result_and_the_others_keep_theirs(embed, reconstruct):
    empty = {"mjd": [1.0, 2.0], "mag": [np.nan, 99.9]}
    none, one = embed([empty, DICTS[0]])
    assert none == {"embedding": None, "num_points": 0, "dropped_points": 2, "num_windows": 0}
    np.testing.assert_allclose(one["embedding"], embed(DICTS[0])["embedding"], rtol=0, atol=1e-5)
    assert reconstruct(empty)["reconstruction"] == []
    assert embed([]) == []


def test_a_model_and_an_extractor_may_be_given_instead_of_a_folder(fields):
    torch.manual_seed(0)
    model = AstromerModel(AstromerConfig(**fields))
    found = pipeline("light-curve-embedding", model=model, device="cpu")(DICTS[:2])
    np.testing.assert_allclose(embeddings(found), embed_light_curves(model, MJD[:2], MAG[:2]).object_embeddings, atol=1e-5)


# --- Reconstruction ---


def test_a_hidden_magnitude_changes_no_reconstruction_whatever_the_masking_scheme(reconstruct):
    changed = []
    for curve in DICTS:
        hidden = hide(len(curve["mag"]), 0.5, seed=3)
        changed.append(curve | {"mag": curve["mag"] + np.where(hidden, 1.5, 0)})
    for before, after in zip(reconstruct(DICTS, seed=3), reconstruct(changed, seed=3), strict=True):
        np.testing.assert_allclose(after["reconstruction"], before["reconstruction"], rtol=0, atol=2e-5)
        assert before["hidden"] == after["hidden"]
        assert sum(before["hidden"]) == len(before["mag"]) // 2


def test_a_visible_magnitude_does(reconstruct):
    curve = DICTS[3]
    visible = ~hide(len(curve["mag"]), 0.5, seed=0)
    before, after = (reconstruct(curve | {"mag": curve["mag"] + shift * visible})["reconstruction"] for shift in (0, 1.0))
    np.testing.assert_allclose(np.array(after) - before, 1.0, atol=1e-4)  # its zero point is the model's too


def test_seeds_hide_other_observations_and_fractions_other_numbers(reconstruct):
    first, other = (reconstruct(DICTS[3], seed=seed)["hidden"] for seed in (0, 1))
    assert first != other
    assert first == reconstruct(DICTS, seed=0, batch_size=2)[3]["hidden"]
    assert sum(reconstruct(DICTS[3], hidden_fraction=0.2)["hidden"]) == LENGTHS[3] // 5


def test_where_nothing_is_hidden_the_reconstruction_is_the_models_own(reconstruct):
    curve = DICTS[2]  # of one window
    windows = AstromerFeatureExtractor(window_size=WINDOW)(curve["mjd"], curve["mag"], return_tensors="pt")
    with torch.inference_mode():
        expected = reconstruct.model(**windows).reconstruction[0].numpy() + windows.magnitude_means[0]
    found = reconstruct(curve, hidden_fraction=0)
    np.testing.assert_allclose(found["reconstruction"], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found["mjd"], curve["mjd"])
    np.testing.assert_array_equal(found["magerr"], curve["magerr"])


def test_every_usable_observation_is_reconstructed_once_in_order_of_time(reconstruct):
    curve = DICTS[0]
    shuffled = np.random.default_rng(0).permutation(LENGTHS[0])
    mag = curve["mag"].copy()
    mag[5] = np.nan
    found = reconstruct({"mjd": curve["mjd"][shuffled], "mag": mag[shuffled]}, return_numpy=True)
    np.testing.assert_array_equal(found["mjd"], np.delete(curve["mjd"], 5))
    assert np.isfinite(found["reconstruction"]).all()
    assert found["dropped_points"] == 1


# --- Classification ---


def test_classes_are_those_of_classify_light_curves(tmp_path):
    classifier = build_classifier(**LABELS, classifier_temperature=2.0)
    classifier.save_pretrained(tmp_path)
    classify = pipeline("light-curve-classification", model=str(tmp_path), device="cpu")
    results = classify(DICTS, batch_size=4)
    found = np.array([[result["probabilities"][name] for name in LABELS["label2id"]] for result in results])
    np.testing.assert_allclose(found, classify_light_curves(classifier, MJD, MAG).values, rtol=0, atol=1e-5)
    for result in results:
        assert result["probabilities"][result["label"]] == result["score"] == max(result["probabilities"].values())
    assert classify({"mjd": [], "mag": []})["label"] is None


def test_a_regression_has_values_and_several_labels_at_a_time_have_probabilities_by_name():
    regressor = build_classifier(id2label={0: "period"}, label2id={"period": 0}, problem_type="regression")
    result = pipeline("light-curve-classification", model=regressor, device="cpu")(DICTS[0])
    expected = classify_light_curves(regressor, MJD[0], MAG[0]).values[0, 0]
    assert result["values"] == {"period": pytest.approx(expected, abs=1e-5)}
    tagger = build_classifier(**LABELS, problem_type="multi_label_classification")
    result = pipeline("light-curve-classification", model=tagger, device="cpu")(DICTS[0])
    assert list(result["probabilities"]) == ["RRab", "Cepheid", "LPV"]
    assert sum(result["probabilities"].values()) != pytest.approx(1, abs=1e-3)


# --- What goes wrong ---


def test_a_checkpoint_without_the_head_is_refused_instead_of_answering_at_random(folder):
    with pytest.raises(ValueError, match=r"no weights of the head of AstromerForSequenceClassification.*AstromerForMasked"):
        pipeline("light-curve-classification", model=str(folder), device="cpu")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ({"mjd": [1.0], "colour": [2.0]}, ValueError, "no column that looks like a magnitude or flux; there are: mjd, colour"),
        ("curves.parquet", FileNotFoundError, r"There is no file curves\.parquet"),
        (["curves.parquet"], FileNotFoundError, r"There is no file curves\.parquet"),
        ([{"mjd": [1.0, 2.0], "mag": [15.0]}], ValueError, "Light curve 0 cannot be read: .*2 values in `mjd` and 1 in `mag`"),
        ({"mjd": [[1.0], [2.0]], "mag": [[15.0], [15.0]]}, ValueError, "holds 2 light curves"),
    ],
)
def test_what_is_no_light_curve_is_refused_in_one_line(embed, source, error, message):
    with pytest.raises(error, match=message):
        embed(source)


def test_an_option_that_there_is_not_is_refused(embed, reconstruct):
    with pytest.raises(TypeError, match="no option 'top_k'"):
        embed(DICTS[0], top_k=3)
    with pytest.raises(ValueError, match=r"`hidden_fraction` must lie in \[0, 1\), got 1.0"):
        reconstruct(DICTS[0], hidden_fraction=1.0)


def test_a_pipeline_that_is_saved_loads_again(embed, tmp_path):
    embed.save_pretrained(tmp_path)
    again = pipeline("light-curve-embedding", model=str(tmp_path), device="cpu")
    assert again(DICTS[0]) == embed(DICTS[0])


def test_every_task_is_known_to_transformers():
    from transformers.pipelines import get_supported_tasks

    assert set(TASKS) <= set(get_supported_tasks())


# --- Without a model, and with tasks of transformers ---


def test_without_a_model_the_packages_own_embeds_and_reconstructs():
    for task in ("light-curve-embedding", "light-curve-reconstruction"):
        pipe, named = pipeline(task), pipeline(task, model=str(default_model_folder()))
        assert pipe.model.config.name_or_path == str(default_model_folder())
        assert pipe(DICTS[0]) == named(DICTS[0])


def test_without_a_model_the_packages_own_classifies_as_the_command_does(tmp_path: Path):
    classify = pipeline("light-curve-classification")
    assert classify.model.config.name_or_path == str(default_classifier_folder())
    constant = {**DICTS[0], "mag": np.full(len(MAG[0]), 15.0)}
    short = {name: DICTS[0][name][:5] for name in ("mjd", "mag", "magerr")}
    found = classify([DICTS[0], constant, short])
    result = classify_light_curves(classify.model, MJD[0], MAG[0], DICTS[0]["magerr"])
    names = classify.model.config.id2label
    assert found[0]["probabilities"] == pytest.approx({names[i]: value for i, value in enumerate(result.values[0])}, abs=1e-6)
    assert found[0]["label"] == names[int(result.values[0].argmax())]
    assert found[0]["is_uncertain"] == (found[0]["score"] < classify.model.config.uncertain_below)
    assert found[0]["remark"] is None
    for one, reason in zip(found[1:], ("all magnitudes are equal", "fewer than 10 observations"), strict=True):
        assert one["remark"] == reason.replace("10", str(classify.model.config.fewest_points))
        assert (one["label"], one["score"], one["probabilities"]) == (None, None, None)


def test_a_saved_pipeline_names_no_path_of_this_machine(tmp_path: Path):
    pipeline("light-curve-embedding").save_pretrained(tmp_path)
    assert str(default_model_folder().parent) not in (tmp_path / "config.json").read_text(encoding="utf-8")


def test_a_task_of_transformers_is_refused_with_the_right_one(folder: Path):
    with pytest.raises(ValueError, match=r"in place of the task feature-extraction take light-curve-embedding"):
        pipeline("feature-extraction", model=str(folder))
    assert isinstance(AutoProcessor.from_pretrained(folder), AstromerFeatureExtractor)
