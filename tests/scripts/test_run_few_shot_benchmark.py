# Copyright 2026 The astromer_hf developers. MIT licence.
"""The benchmark fills its table, does nothing twice, and mixes no runs that do not belong together."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import run_few_shot_benchmark as benchmark
import torch
from safetensors.torch import load_file, save_file
from test_few_shot import CLASSES, CONFIG, write_prepared

from astromer_hf import AstromerForMaskedReconstruction
from astromer_hf.training.few_shot import Draw, Outcome

QUICK = r"^features, random|: linear probe|: nearest|: MLP$"
draw_pictures = benchmark.draw_pictures


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    for name in ("north", "south"):
        write_prepared(folder / name, per_class={"train": 12, "validation": 3, "test": 3})
    return folder


def save_model(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    AstromerForMaskedReconstruction(CONFIG).save_pretrained(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "models" / "tiny")


@pytest.fixture(autouse=True)
def unpictured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, unless a test looks at pictures."""
    monkeypatch.setattr(benchmark, "draw_pictures", lambda *_: iter(()))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Replace every method by a guess; the runs that were asked for: method, samples a class, seed."""
    runs: list[tuple[str, int, int]] = []
    list_methods = benchmark.list_methods

    def guessing(method: benchmark.Method) -> benchmark.Method:
        def run(survey: benchmark.Survey, draw: Draw, seed: int) -> Outcome:
            runs.append((method.name, len(draw.labelled) // len(CLASSES), seed))
            history = [{"epoch": 1, "loss": 1.0, "eval_loss": 1.0}] if "MLP" in method.name else []
            return Outcome(np.random.default_rng(len(runs)).random((len(draw.test), len(CLASSES))), history)

        return benchmark.Method(method.name, run, method.weights)

    monkeypatch.setattr(benchmark, "list_methods", lambda args: [guessing(method) for method in list_methods(args)])
    return runs


def run(data: Path, models: Sequence[Path], output: Path, *options: str) -> pd.DataFrame:
    """Run the script; the runs of the first survey afterwards."""
    argv = [str(data), "--models", *map(str, models), "--surveys", "north", "-o", str(output), "--samples", "4", "8"]
    argv += [
        "--folds",
        "2",
        "--test-per-class",
        "5",
        "--min-train",
        "12",
        "--max-epochs",
        "2",
        "--max-steps",
        "2",
        "--methods",
        QUICK,
        *options,
    ]
    benchmark.main(benchmark.parse_args(argv))
    return pd.read_parquet(output / "north.parquet")


def test_every_method_runs_on_every_draw_and_stands_in_the_table(data, model, tmp_path, capsys, monkeypatch):
    pytest.importorskip("light_curve")
    monkeypatch.setattr(benchmark, "NUM_TREES", 50)
    monkeypatch.setattr(benchmark, "draw_pictures", draw_pictures)
    other = save_model(tmp_path / "models" / "other", seed=1)
    output = tmp_path / "results"
    runs = run(data, [model, other], output, "--methods", "", "--samples", "4", "--folds", "1")
    table = (output / "scores.md").read_text()
    methods = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert methods == [
        "features, random forest",
        "features and brightness, random forest",
        "features, linear discriminant",
        *(
            f"{name}: {method}"
            for name in ("tiny", "other")
            for method in (
                "linear probe",
                "linear discriminant",
                "nearest neighbours",
                "support vectors and extra trees, all blocks",
                "MLP",
                "MLP, layer-skip",
                "MLP, means and deviations",
                "small MLP, standardised",
                "small MLP, thinned copies",
                "small MLP, thinned copies, all blocks",
                "small MLP and linear discriminant",
            )
        ),
        "tiny: embedding and features, random forest",
        "tiny: small MLP and linear discriminant, averaged with the features' forest",
        "random encoder: MLP",
        "random encoder: linear discriminant",
        "random encoder: linear probe",
        "random encoder: nearest neighbours",
        "light curve, LSTM",
        "tiny: LSTM",
        "other: LSTM",
        "tiny: MLP, encoder tuned on the samples (a)",
        "tiny: MLP, and trained along (b)",
        "tiny: MLP, tuned on the survey, trained along (c)",
    ]
    assert sorted(runs["method"]) == sorted(methods)
    assert f"3 classes: {', '.join(CLASSES)}." in table
    assert "4 a class" in table
    assert not re.search(r"\bnan\b", table)
    assert table in capsys.readouterr().out

    assert set(runs["num_train"]) == {9}
    assert set(runs["num_validation"]) == {3}
    assert set(runs["num_test"]) == {15}
    for row in runs.itertuples():
        confusion = np.reshape(row.confusion, (3, 3))
        assert confusion.sum(1).tolist() == [5, 5, 5]
        assert row.accuracy == pytest.approx(np.trace(confusion) / 15)
    iterates = runs["method"].str.contains("MLP|LSTM")
    assert runs["best_epoch"].notna().tolist() == iterates.tolist()
    assert runs.loc[runs["method"].str.contains("features"), "macro_f1"].min() > 0.5  # 0.33 by chance

    scores = pd.read_csv(output / "scores.csv")
    assert scores["method"].tolist() == runs["method"].tolist()
    np.testing.assert_allclose(scores["macro_f1"], runs["macro_f1"], atol=1e-4)
    for picture in ("scores", "confusion", "learning_curves"):
        assert (output / f"north_{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_repeatable_and_folds_differ(data, model, tmp_path):
    options = ("--methods", "^tiny: MLP$", "--samples", "4")
    first, again = (run(data, [model], tmp_path / name, *options) for name in ("first", "again"))
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), again.drop(columns="seconds"))
    assert first["history"].nunique() == 2


def test_what_is_done_is_not_done_again_and_more_is_added(data, model, tmp_path, ran):
    run(data, [model], tmp_path / "results")
    assert sorted(ran) == sorted(
        (name, samples, fold)
        for name in (
            "features, random forest",
            *(f"tiny: {method}" for method in ("linear probe", "nearest neighbours", "MLP")),
            *(f"random encoder: {method}" for method in ("linear probe", "nearest neighbours", "MLP")),
        )
        for samples in (4, 8)
        for fold in (0, 1)
    )
    ran.clear()
    before = (tmp_path / "results" / "north.parquet").read_bytes()
    run(data, [model], tmp_path / "results")
    assert ran == []
    assert (tmp_path / "results" / "north.parquet").read_bytes() == before
    runs = run(data, [model], tmp_path / "results", "--methods", "light curve|linear probe", "--samples", "8", "12")
    assert ran == [
        *(("tiny: linear probe", 12, fold) for fold in (0, 1)),
        *(("random encoder: linear probe", 12, fold) for fold in (0, 1)),
        *(("light curve, LSTM", samples, fold) for samples in (8, 12) for fold in (0, 1)),
    ]
    assert len(runs) == 28 + 8
    assert not runs.duplicated(list(benchmark.KEY)).any()


def test_an_interrupted_benchmark_goes_on_where_it_was(data, model, tmp_path, ran, monkeypatch):
    describe, described = benchmark.describe, []

    def interrupted(*args):
        if len(described) == 7:
            raise KeyboardInterrupt
        described.append(describe(*args))
        return described[-1]

    monkeypatch.setattr(benchmark, "describe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(data, [model], tmp_path / "results")
    monkeypatch.setattr(benchmark, "describe", describe)
    kept = pd.read_parquet(tmp_path / "results" / "north.parquet")
    assert kept["macro_f1"].tolist() == [row["macro_f1"] for row in described]
    asked = ran[7]
    ran.clear()
    runs = run(data, [model], tmp_path / "results")
    assert ran[0] == asked
    assert len(ran) == 28 - 7
    pd.testing.assert_frame_equal(runs.iloc[:7].drop(columns="best_epoch"), kept.drop(columns="best_epoch"))


def test_another_version_of_a_model_recomputes_its_runs_alone_and_leaves_the_table(data, model, tmp_path, ran):
    other = save_model(tmp_path / "models" / "other", seed=1)
    output = tmp_path / "results"
    before = run(data, [model, other], output)
    save_model(model, seed=2)
    ran.clear()
    runs = run(data, [model, other], output, "--methods", "linear probe")
    assert {name for name, *_ in ran} == {"tiny: linear probe"}
    assert len(runs) == len(before)
    table = (output / "scores.md").read_text()
    assert "tiny: linear probe" in table
    assert "tiny: MLP" not in table  # it is of the old weights
    assert "other: MLP" in table
    ran.clear()
    runs = run(data, [model, other], output)
    assert {name for name, *_ in ran} == {"tiny: MLP", "tiny: nearest neighbours"}
    assert len(runs) == len(before)
    assert not runs.duplicated(["method", "samples_per_class", "fold"]).any()


def test_another_architecture_recomputes_the_random_encoder(data, model, tmp_path, ran):
    run(data, [model], tmp_path / "results", "--methods", "random")
    file = model / "config.json"
    file.write_text(file.read_text().replace('"max_frequency": 10.0', '"max_frequency": 5.0'))
    ran.clear()
    run(data, [model], tmp_path / "results", "--methods", "random")
    assert {name for name, *_ in ran} == {
        f"random encoder: {method}" for method in ("MLP", "linear discriminant", "linear probe", "nearest neighbours")
    }


@pytest.mark.parametrize("option", ["--seed", "--test-per-class", "--min-train"])
def test_runs_of_other_settings_are_not_mixed(data, model, tmp_path, ran, option):
    run(data, [model], tmp_path / "results", "--methods", "linear probe")
    with pytest.raises(SystemExit, match=r"runs of other settings .* name another --output"):
        run(data, [model], tmp_path / "results", option, "4")


def test_a_table_is_made_of_what_is_there_without_models(data, model, tmp_path, ran):
    output = tmp_path / "results"
    run(data, [model], output, "--surveys", "north", "south", "--samples", "4", "--folds", "1")
    ran.clear()
    (output / "scores.md").unlink()
    run(data, [], output, "--table-only", "--samples", "4", "--folds", "1")
    assert ran == []
    table = (output / "scores.md").read_text()
    assert [line for line in table.splitlines() if line.startswith("#")] == ["## north", "## south"]
    assert table.count("| tiny: linear probe | 0.") == 2
    with pytest.raises(SystemExit, match="there are no runs"):
        run(data, [], tmp_path / "empty", "--table-only")


def test_a_score_is_the_mean_and_the_deviation_over_folds(data, model, tmp_path, ran):
    runs = run(data, [model], tmp_path / "results", "--methods", "linear probe")
    cells = [
        f"{part['macro_f1'].mean():.3f} ± {part['macro_f1'].std():.3f}"
        for _, part in sorted(
            runs[runs["method"] == "tiny: linear probe"].groupby("samples_per_class"), key=lambda item: item[0]
        )
    ]
    assert f"| tiny: linear probe | {' | '.join(cells)} |" in (tmp_path / "results" / "scores.md").read_text()


def test_models_of_one_name_are_refused(data, model, tmp_path):
    twin = shutil.copytree(model, tmp_path / "elsewhere" / model.name)
    with pytest.raises(SystemExit, match="give each its own"):
        run(data, [model, twin], tmp_path / "results")


def test_a_model_whose_weights_do_not_fit_is_refused(data, model, tmp_path):
    weights = load_file(model / "model.safetensors")
    del weights[next(name for name in weights if name.startswith("model.layers"))]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="missing: layers"):
        run(data, [model], tmp_path / "results", "--methods", "linear probe")


def test_the_states_of_an_encoder_are_computed_once_for_all_draws_and_heads(data, model, tmp_path, monkeypatch):
    computed = []
    compute = benchmark.FrozenStates.compute

    def counted(encoder, labelled, objects, **options):
        computed.append(options)
        return compute(encoder, labelled, objects, **options)

    monkeypatch.setattr(benchmark.FrozenStates, "compute", counted)
    options = ("--methods", "^tiny: (linear|MLP$|MLP, layer|LSTM)", "--samples", "4")
    run(data, [model], tmp_path / "results", *options)
    assert computed == [{"with_observations": False}, {"with_observations": True}]


def test_the_encoder_is_tuned_on_a_draw_once_for_both_scenarios_that_begin_with_it(data, model, tmp_path, monkeypatch):
    tuned = []
    adapt_encoder = benchmark.adapt_encoder

    def watched(model, curves, *others):
        tuned.append(len(curves))
        adapt_encoder(model, curves, *others)

    monkeypatch.setattr(benchmark, "adapt_encoder", watched)
    runs = run(data, [model], tmp_path / "both", "--methods", r"\((a|b)\)", "--folds", "1")
    assert len(runs) == 2 * 2
    assert tuned == [9, 18]  # a draw of either size

    alone = run(data, [model], tmp_path / "alone", "--methods", r"\(b\)", "--folds", "1", "--samples", "4")
    together = runs[runs["method"].str.endswith("(b)") & (runs["samples_per_class"] == 4)]
    assert alone["history"].tolist() == together["history"].tolist()


def test_tuning_on_the_survey_uses_its_training_split_alone(data, model, tmp_path, monkeypatch):
    read = []
    load_split = benchmark.load_split
    monkeypatch.setattr(
        benchmark, "load_split", lambda folder, split, **options: read.append(split) or load_split(folder, split, **options)
    )
    run(data, [model], tmp_path / "results", "--methods", r"\(c\)", "--samples", "4")
    assert read == ["train"]  # and once for both folds
