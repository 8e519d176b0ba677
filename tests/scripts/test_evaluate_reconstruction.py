# Copyright 2026 The astromer_hf developers. MIT licence.
"""The table of reconstruction scores: every method on the same windows, nothing hidden leaks, and a broken run goes on."""

import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction
from astromer_hf.baselines.reconstruction_baselines import BASELINES, predict_mean
from astromer_hf.evaluation.reconstruction_metrics import score_windows
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "evaluate_reconstruction.py"))
SIZE, OBJECTS, SUBSET = 30, 4, 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six light curves of 45 observations in each of two bands, as two shards."""
    folder = tmp_path_factory.mktemp("prepared")
    table = to_table(simulate_light_curves(12, classes=["RRab"]))
    short = {name: pa.array([values[:45] for values in table[name].to_pylist()]) for name in ("mjd", "mag", "magerr")}
    table = pa.table({"band": ["R", "B"] * 6, **short})
    (folder / "toy").mkdir()
    pq.write_table(table.slice(0, 7), folder / "toy" / "test-00000-of-00002.parquet")
    pq.write_table(table.slice(7), folder / "toy" / "test-00001-of-00002.parquet")
    return folder


def save_model(folder: Path, **options) -> Path:
    AstromerForMaskedReconstruction(AstromerConfig(**TINY, **options)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [save_model(folder / "ours"), save_model(folder / "released", masking_scheme="additive")]


@pytest.fixture
def without_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which any other methods do as well."""
    monkeypatch.delitem(BASELINES, "periodic_gaussian_process")


@pytest.fixture
def parse(data, models, tmp_path):
    """Parse the arguments of a small evaluation, and others."""

    def parse(*others: str):
        sizes = ["--objects", str(OBJECTS), "--subset", str(SUBSET), "--window-size", str(SIZE), "--jobs", "1"]
        output = str(tmp_path / "results" / "table.csv")
        small = [str(data), "--surveys", "toy:R", "toy", "-o", output, *sizes, "--models", *map(str, models)]
        return SCRIPT["parse_args"]([*small, *others])

    return parse


def test_every_method_has_its_rows_and_the_tables_show_them(parse, capsys):
    args = parse()
    SCRIPT["main"](args)
    results = pd.read_csv(args.output)
    methods = [*BASELINES, "ours", "released (additive)", "released (hidden)"]
    slow = list(BASELINES)[2:]
    assert list(dict.fromkeys(results["method"])) == methods
    for survey in ("toy:R", "toy"):
        of_survey = results[results["survey"] == survey]
        assert set(of_survey["method"][of_survey["windows"] == "subset"]) == set(methods)
        assert set(of_survey["method"][of_survey["windows"] == "all"]) == set(methods) - set(slow)
    assert set(results["num_windows"][results["windows"] == "all"]) == {2 * OBJECTS}
    assert set(results["num_windows"][results["windows"] == "subset"]) == {SUBSET}
    assert np.isfinite(results[["masked_rmse", "r2", "median_r2", "seconds"]]).all(axis=None)

    tables = args.output.with_suffix(".md").read_text()
    assert tables.count("|  | toy:R (") == 2
    for row in results.itertuples():
        assert f"| {row.method} | " in tables
        assert f"{row.masked_rmse:.3f} / {row.r2:.2f} / {row.median_r2:.2f}" in tables
    assert capsys.readouterr().out.count("\n") == 2 * len(methods) + 1


def test_scores_are_those_of_the_windows(parse):
    args = parse()
    windows = SCRIPT["load_windows"](args, "toy")
    method = next(method for method in SCRIPT["list_methods"](args) if method.name == "mean")
    subset = np.array([1, 4, 6])
    all_, part = SCRIPT["score"](method, windows, subset)
    visible = windows["attention_mask"].bool() & ~windows["loss_mask"]
    means = ((windows["magnitudes"] * visible).sum(1) / visible.sum(1))[:, None].expand(-1, SIZE)
    arrays = (means, windows["labels"], windows["loss_mask"])
    for rows, scores in ((slice(None), all_), (subset, part)):
        expected = score_windows(*(array[rows] for array in arrays)).summarize()
        assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_half_of_every_window_is_scored_and_all_of_it_hidden(parse):
    args = parse()
    windows = SCRIPT["load_windows"](args, "toy")
    assert windows["labels"].shape == (2 * OBJECTS, SIZE)
    assert torch.equal(windows["loss_mask"], windows["masked_positions"])
    assert (windows["loss_mask"].sum(1) == SIZE // 2).all()
    again = SCRIPT["load_windows"](args, "toy")
    assert all(torch.equal(windows[name], again[name]) for name in windows)


def test_a_band_selects_its_light_curves(parse):
    args = parse("--objects", "100")
    assert [len(SCRIPT["load_windows"](args, survey)["labels"]) for survey in ("toy", "toy:R", "toy:B")] == [24, 12, 12]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("scheme", ["hidden", "additive"])
def test_no_model_sees_what_is_hidden(parse, models, number, scheme):
    windows = SCRIPT["load_windows"](parse(), "toy")
    reconstruct = partial(SCRIPT["reconstruct_by_model"], models[number], scheme)
    changed = {**windows, "magnitudes": windows["magnitudes"] + 5 * windows["masked_positions"]}
    assert not torch.equal(changed["magnitudes"], windows["magnitudes"])
    assert np.array_equal(reconstruct(changed), reconstruct(windows))


def test_a_baseline_that_reads_what_is_hidden_gives_nan(parse):
    windows = SCRIPT["load_windows"](parse(), "toy")
    honest = SCRIPT["reconstruct_by_baseline"](predict_mean, 1, windows)
    peeping = SCRIPT["reconstruct_by_baseline"](lambda times, magnitudes, visible: magnitudes, 1, windows)
    assert np.isfinite(honest).all()
    assert np.array_equal(np.isnan(peeping), windows["masked_positions"].numpy())


@pytest.mark.slow
def test_several_processes_give_the_same(parse):
    windows = SCRIPT["load_windows"](parse(), "toy")
    alone, together = (SCRIPT["reconstruct_by_baseline"](BASELINES["linear"], jobs, windows) for jobs in (1, 2))
    assert np.array_equal(alone, together)


def test_a_broken_run_goes_on_where_it_was(parse, monkeypatch):
    args = parse()

    def break_off(times, magnitudes, visible):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(BASELINES, "lomb_scargle", break_off)
        with pytest.raises(KeyboardInterrupt):
            SCRIPT["main"](args)
    before = pd.read_csv(args.output)
    assert list(dict.fromkeys(before["method"])) == ["mean", "linear", "gaussian_process"]
    SCRIPT["main"](args)
    after = pd.read_csv(args.output)
    assert after.iloc[: len(before)].equals(before.astype(after.dtypes))  # seconds and all: nothing was run twice
    assert len(after) == 2 * (5 * 2 + 3)
    assert [path.name for path in sorted(args.output.parent.iterdir())] == ["table.csv", "table.md"]


@pytest.mark.usefixtures("without_the_slowest")
def test_a_model_with_new_weights_is_scored_anew_and_replaces_the_old(parse, models, tmp_path):
    folder = save_model(tmp_path / "model")
    args = parse("--surveys", "toy", "--models", str(folder))
    SCRIPT["main"](args)
    before = pd.read_csv(args.output)
    torch.manual_seed(1)
    save_model(folder)
    SCRIPT["main"](args)
    after = pd.read_csv(args.output)
    others = before["method"] != "model"
    assert after[: others.sum()].equals(before[others])
    assert after["method"].tolist() == before["method"].tolist()
    assert (after["r2"][~others] != before["r2"][~others]).all()


@pytest.mark.usefixtures("without_the_slowest")
def test_results_of_other_settings_are_not_mixed_in(parse):
    args = parse("--surveys", "toy", "--models")
    SCRIPT["main"](args)
    content = args.output.read_bytes()
    with pytest.raises(SystemExit, match=r"holds results of other settings .*'seed': 1.*name another --output"):
        SCRIPT["main"](parse("--surveys", "toy", "--models", "--seed", "1"))
    assert args.output.read_bytes() == content


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (("--surveys", "absent"), r"expected .*absent/test-\*\.parquet; scripts/prepare_dataset\.py writes it"),
        (("--models", "absent"), r"expected a model folder with model\.safetensors, got absent"),
    ],
)
def test_what_is_missing_is_named(parse, others, message):
    with pytest.raises(SystemExit, match=message):
        SCRIPT["main"](parse(*others))


def test_a_model_sees_the_errors_of_the_table_where_its_configuration_says_so(parse, tmp_path):
    windows = SCRIPT["load_windows"](parse(), "toy")
    assert (windows["magnitude_errors"] > 0).all()
    without = {name: tensor for name, tensor in windows.items() if name != "magnitude_errors"}
    nothing = {"masked_positions": torch.zeros_like(windows["masked_positions"])}  # hidden
    for sees_errors in (False, True):
        folder = save_model(tmp_path / str(sees_errors), use_magnitude_errors=sees_errors)
        reconstruct = partial(SCRIPT["reconstruct_by_model"], folder, "hidden")
        assert np.array_equal(reconstruct(windows), reconstruct(without))  # the errors would tell hidden magnitudes
        assert np.array_equal(reconstruct(windows | nothing), reconstruct(without | nothing)) is not sees_errors
