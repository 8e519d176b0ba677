# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every verb of `astromer-hf plot` draws what it says of what it is given, and what goes wrong is one line."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY_EXTENDED
from matplotlib.figure import Figure
from transformers import pipeline

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
    cli,
)
from astromer_hf.cli.main import main
from astromer_hf.evaluation.periods import find_period
from astromer_hf.light_curves.simulation import SIMULATED_SURVEYS, simulate_light_curves, to_table
from astromer_hf.plots import figures as plots

SURVEY = replace(SIMULATED_SURVEYS["macho_like"], min_points=30, max_points=70)
CURVES = simulate_light_curves(12, seed=2, survey=SURVEY)
CURVE = CURVES[4]
CLASSES = sorted({curve.label for curve in CURVES})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of light curves, in one of several bands, and a model."""
    place = tmp_path_factory.mktemp("pictures")
    pq.write_table(to_table(CURVES), place / "curves.parquet")
    pq.write_table(to_table([CURVE, replace(CURVE, band="z")]), place / "bands.parquet")
    torch.manual_seed(0)
    AstromerForMaskedReconstruction(AstromerConfig(**TINY_EXTENDED)).save_pretrained(place / "tiny")
    AstromerFeatureExtractor(TINY_EXTENDED["window_size"]).save_pretrained(place / "tiny")
    names = dict(enumerate(CLASSES))
    config = AstromerConfig(**TINY_EXTENDED, id2label=names, label2id={name: i for i, name in names.items()})
    AstromerForSequenceClassification(config).save_pretrained(place / "classifier")
    return place


@pytest.fixture
def draw(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Figure]:
    """Run a verb in that folder; the figure that it saved."""
    monkeypatch.chdir(place)

    def run(*arguments: object) -> Figure:
        saved: list[Figure] = []
        write = Figure.savefig

        def keep(figure: Figure, *args: object, **options: object) -> None:
            saved.append(figure)
            write(figure, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Figure, "savefig", keep)
            assert main(["plot", *(str(argument) for argument in arguments), "-o", "picture.png", "--dpi", "40"]) == 0
        assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
        return saved[0]

    return run


def offsets(figure: Figure, panel: int = 0, group: int = 0) -> np.ndarray:
    return np.asarray(figure.axes[panel].collections[group].get_offsets())


def observations() -> np.ndarray:
    order = np.argsort(CURVE.mjd, kind="stable")
    return np.column_stack((CURVE.mjd, CURVE.mag))[order]


def test_a_light_curve_is_drawn_by_its_id(draw):
    figure = draw("light-curve", "curves.parquet", "--object", CURVE.object_id, "--period", "none")
    np.testing.assert_allclose(offsets(figure, group=1), observations())  # after the error bars
    assert figure.axes[0].get_title() == f"{CURVE.object_id}, {CURVE.label}, {CURVE.band}"


def test_a_light_curve_is_folded_on_its_period_if_that_is_significant_and_the_title_says_so(draw):
    star = simulate_light_curves(1, classes=["RRab"])[0]
    star = replace(star, mag=np.where(np.arange(len(star.mag)) == 5, star.mag.min() - 0.2, star.mag))  # bright, but no maximum
    shuffled = replace(star, object_id="shuffled", mag=np.random.default_rng(0).permutation(star.mag))
    constant = replace(star, object_id="constant", mag=np.full(len(star.mag), 15.0))
    pq.write_table(to_table([star, shuffled, constant]), "periods.parquet")
    folded = draw("light-curve", "periods.parquet", "--object", star.object_id).axes[0]
    period = find_period(star.mjd, star.mag, star.magerr)
    assert f"P = {period.period:.6g} d (false alarm 1e-" in folded.get_title().replace("\n", " ")
    assert "phase" in folded.get_xlabel()
    phase, magnitude = offsets(folded.figure, group=1).T
    expected = (star.mjd - period.epoch_of_maximum) / period.period % 1
    by_magnitude = np.argsort(magnitude), np.argsort(star.mag)
    difference = phase[by_magnitude[0]] - expected[by_magnitude[1]]
    np.testing.assert_allclose((difference + 0.5) % 1 - 0.5, 0, atol=1e-6)
    for name, said in (("shuffled", "no significant period"), ("constant", "no period")):
        axes = draw("light-curve", "periods.parquet", "--object", name).axes[0]
        assert axes.get_title().endswith(f", {said}")
        assert "phase" not in axes.get_xlabel()


def test_the_title_has_the_class_that_the_packages_own_classifier_gives(draw):
    star = replace(simulate_light_curves(1, survey="asas_like", classes=["RRab"])[0], label=None)
    short = replace(star, object_id="short", mjd=star.mjd[:6], mag=star.mag[:6], magerr=star.magerr[:6])
    pq.write_table(to_table([star, short]), "classes_of.parquet")
    title = draw("light-curve", "classes_of.parquet", "--object", star.object_id, "--classify").axes[0].get_title()
    found = pipeline("light-curve-classification")({"mjd": star.mjd, "mag": star.mag, "magerr": star.magerr})
    assert f"{found['label']} with probability {found['score']:.2f}" in title.replace("\n", " ")
    title = draw("light-curve", "classes_of.parquet", "--object", "short", "--classify").axes[0].get_title()
    assert "no class: fewer than" in title.replace("\n", " ")


def test_a_light_curve_is_folded_on_a_period(draw):
    figure = draw("light-curve", "curves.parquet", "--object", CURVE.object_id, "--period", 2.5)
    assert "period 2.5 d" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize("options", [["--reconstruct"], ["--period", "2.5"]])
def test_a_light_curve_is_drawn_with_the_reconstruction_of_its_hidden_part(draw, options):
    object_options = ["--object", CURVE.object_id, "--model", "tiny", "--hidden-fraction", 0.25]
    main_panel, residuals = draw("light-curve", "curves.parquet", *object_options, *options).axes
    shown = dict(zip(*reversed(main_panel.get_legend_handles_labels()), strict=True))
    assert set(shown) == {"seen", "hidden", "reconstructed"}
    num_hidden = len(CURVE.mag) // 4
    assert len(shown["hidden"].get_offsets()) == len(shown["reconstructed"].get_offsets()) == num_hidden
    assert residuals.get_ylabel() == "residual [mag]"


def test_a_reconstruction_has_error_bars_of_passes_with_dropout(draw):
    options = ["--object", CURVE.object_id, "--model", "tiny", "--dropout-passes", 3]
    (without, _), (bars, _) = (draw("light-curve", "curves.parquet", *chosen).axes for chosen in (options[:-2], options))
    assert len(bars.containers) == len(without.containers) + 1
    lengths = [np.ptp(segment[:, 1]) for segment in bars.containers[-1].lines[2][0].get_segments()]
    assert min(lengths) > 0


def test_a_reconstruction_has_bars_of_its_intervals_if_the_model_was_given_their_quantiles(draw, place):
    calibrated = AstromerForMaskedReconstruction.from_pretrained(place / "tiny")
    calibrated.config.reconstruction_quantiles = [1.0, 2.0]
    calibrated.save_pretrained(place / "calibrated")
    panel, _ = draw("light-curve", "curves.parquet", "--object", CURVE.object_id, "--model", "calibrated").axes
    shown = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    assert set(shown) == {"seen", "hidden", "reconstructed", "68 % interval", "90 % interval"}
    narrow, wide = (
        np.array([np.ptp(segment[:, 1]) for segment in shown[f"{name} % interval"].get_segments()]) for name in ("68", "90")
    )
    assert len(narrow) == len(CURVE.mag) // 2
    np.testing.assert_allclose(wide, 2 * narrow, rtol=1e-6)


def test_an_object_of_several_bands_needs_its_band(draw, capsys):
    assert main(["plot", "light-curve", "bands.parquet", "--object", CURVE.object_id, "-o", "picture.png"]) == 1
    assert f"in the bands {CURVE.band}, z: name one of them by --band" in capsys.readouterr().err
    figure = draw("light-curve", "bands.parquet", "--object", CURVE.object_id, "--band", "z", "--period", "none")
    assert figure.axes[0].get_title().endswith(", z")


@pytest.mark.parametrize("observation", [0, 25, None])
def test_attention_marks_the_observation_in_the_window_that_holds_it(draw, observation):
    chosen = [] if observation is None else ["--observation", observation]
    figure = draw("attention", "curves.parquet", "--object", CURVE.object_id, "--model", "tiny", "--block", 0, *chosen)
    panels = [axes for axes in figure.axes if axes.get_title().startswith("head")]
    assert len(panels) == TINY_EXTENDED["num_attention_heads"]
    number = len(CURVE.mag) // 2 if observation is None else observation
    for axes in panels:
        np.testing.assert_allclose(axes.lines[0].get_xydata()[0], observations()[number], atol=1e-4)
        assert axes.collections[0].get_array().sum() == pytest.approx(1, abs=1e-4)  # a head's attention to the whole window


def test_the_time_encoding_is_a_column_an_observation(draw):
    figure = draw("time-encoding", "curves.parquet", "--object", CURVE.object_id, "--model", "tiny")
    assert figure.axes[0].images[0].get_array().shape == (TINY_EXTENDED["hidden_size"], TINY_EXTENDED["window_size"])


def test_the_magnitude_embedding_is_that_of_the_model(draw, place):
    layer = AstromerForMaskedReconstruction.from_pretrained(place / "tiny").model.embeddings.magnitude_embedding
    _, change = draw("magnitude-embedding", "--model", "tiny").axes
    np.testing.assert_allclose(change.lines[0].get_ydata(), np.sort(layer.weight.detach().numpy()[:, 0]))


def test_what_embed_writes_is_drawn_as_a_map_of_its_classes(draw):
    assert main(["embed", "curves.parquet", "-o", "embeddings.parquet", "--model", "tiny", "--quiet"]) == 0
    figure = draw("embeddings", "embeddings.parquet")
    names = {text.get_text().split(" (")[0] for text in figure.axes[0].get_legend().get_texts()}
    assert names == set(CLASSES)
    by_band = draw("embeddings", "embeddings.parquet", "--label-column", "band")
    assert [text.get_text() for text in by_band.axes[0].get_legend().get_texts()] == [f"{CURVE.band} (12)"]
    assert main(["embed", "curves.parquet", "-o", "shards", "--objects-per-shard", "5", "--model", "tiny", "--quiet"]) == 0
    of_folder = draw("embeddings", "shards")
    points = [np.concatenate([group.get_offsets() for group in drawn.axes[0].collections]) for drawn in (figure, of_folder)]
    np.testing.assert_allclose(points[0], points[1], atol=1e-4)


def test_surveys_are_summarised_side_by_side(draw):
    figure = draw("survey", "curves.parquet", "bands.parquet")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["curves", "bands"]
    assert [len(axes.patches) for axes in figure.axes] == [2, 2, 2]


def test_what_classify_writes_is_drawn_as_confusion_and_reliability(draw):
    assert main(["classify", "curves.parquet", "-o", "classes.parquet", "--model", "classifier", "--quiet"]) == 0
    table = pq.read_table("classes.parquet").to_pandas()
    matrix = draw("confusion", "classes.parquet").axes[0].images[0].get_array()
    accuracy = (table["label"] == table["predicted_label"]).groupby(table["label"]).mean()
    seen = sorted(set(table["label"]) | set(table["predicted_label"]))
    np.testing.assert_allclose(np.diag(matrix)[np.isin(seen, accuracy.index)], accuracy)
    curve = draw("reliability", "classes.parquet").axes[0]
    Path("parts").mkdir()
    for number, (low, high) in enumerate([(0, 5), (5, 12)]):
        pq.write_table(pq.read_table("classes.parquet")[low:high], f"parts/part-{number}.parquet")
    np.testing.assert_array_equal(draw("confusion", "parts").axes[0].images[0].get_array(), matrix)
    right = (table["label"] == table["predicted_label"]).mean()
    points = np.asarray(curve.collections[0].get_offsets())
    assert points[:, 1].min() <= right <= points[:, 1].max()


def test_learning_curves_are_read_from_the_newest_state_of_a_run(draw, place):
    (place / "run" / "checkpoint-2").mkdir(parents=True)
    history = [{"step": 1, "epoch": 1, "loss": 2.0}, {"step": 2, "epoch": 2, "loss": 1.0, "eval_loss": 1.5}]
    (place / "run" / "checkpoint-2" / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    figure = draw("learning-curves", "run")
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), [[1, 2], [2, 1]])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["loss", "eval_loss"]


def test_few_shot_scores_are_those_of_the_survey_and_methods_asked_for(draw, place):
    rows = [(survey, method, n, n / 1000) for survey in ("a", "b") for method in ("MLP", "LSTM") for n in (20, 100)]
    pd.DataFrame(rows, columns=["survey", "method", "samples_per_class", "macro_f1"]).to_csv(place / "scores.csv")
    figure = draw("few-shot", "scores.csv", "--survey", "b", "--methods", "LSTM")
    (line,) = figure.axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[20, 0.02], [100, 0.1]])


def test_the_best_method_of_each_kind_is_drawn_five_at_most_and_the_title_says_so(draw, place):
    means = {
        "a: x": 0.9,
        "a: y averaged with b": 0.95,
        "b, z": 0.5,
        "b and w, z": 0.3,
        "c": 0.6,
        "d": 0.7,
        "a: v": 0.8,
        "f": 0.4,
    }
    rows = [("s", method, n, mean) for method, mean in means.items() for n in (20, 100)]
    pd.DataFrame(rows, columns=["survey", "method", "samples_per_class", "macro_f1"]).to_csv(place / "many.csv")
    figure = draw("few-shot", "many.csv")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a: y averaged with b", "a: x", "d", "c", "b, z"]
    assert figure.axes[0].get_title() == "s: 5 of 8 methods, the best of each kind"


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_a_picture_has_the_width_of_a_journal_and_the_format_of_its_suffix(place, monkeypatch, suffix):
    monkeypatch.chdir(place)
    options = ["--object", CURVE.object_id, "--width", "column", "-o", f"column.{suffix}"]
    assert main(["plot", "light-curve", "curves.parquet", *options]) == 0
    text = Path(f"column.{suffix}").read_bytes().decode("latin-1")
    points = 88 / 25.4 * 72
    found = re.search(r"/MediaBox \[ 0 0 ([\d.]+)" if suffix == "pdf" else r'width="([\d.]+)pt"', text)
    assert float(found[1]) == pytest.approx(points, abs=0.1)


def test_axes_have_the_system_of_the_times_and_the_band(draw, place):
    table = pd.DataFrame({"hjd": 2453000.5 + np.arange(30), "mag": np.linspace(15, 16, 30), "id": "a", "filter": "V"})
    table.to_csv(place / "hjd.csv", index=False)
    axes = draw("light-curve", "hjd.csv", "--object", "a", "--period", "none").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("HJD − 2450000 [d]", "V magnitude [mag]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["light-curve", "curves.parquet", "--object", "nobody"],
            "There is no object 'nobody' in curves.parquet; the first are",
        ),
        (["light-curve", "nothing.parquet", "--object", "a"], "There is no file nothing.parquet"),
        (
            ["attention", "curves.parquet", "--object", CURVE.object_id, "--model", "tiny", "--observation", "900"],
            "between 0 and",
        ),
        (["attention", "curves.parquet", "--object", CURVE.object_id, "--model", "tiny", "--block", "2"], "between 0 and 1"),
        (["embeddings", "curves.parquet"], "has no column embedding"),
        (["confusion", "curves.parquet"], "has no column 'predicted_label': astromer-hf classify writes it"),
        (["learning-curves", "tiny"], "There is no trainer_state.json in tiny"),
        (["few-shot", "scores.csv"], "Name one of the surveys of scores.csv by --survey: a, b"),
        (["few-shot", "scores.csv", "--survey", "a", "--methods", "KNN"], "There is no KNN; there are: LSTM, MLP"),
    ],
)
def test_what_goes_wrong_is_one_line_and_no_picture(place, monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(place)
    rows = [(survey, method, 20, 0.5) for survey in ("a", "b") for method in ("MLP", "LSTM")]
    pd.DataFrame(rows, columns=["survey", "method", "samples_per_class", "macro_f1"]).to_csv(place / "scores.csv")
    assert main(["plot", *arguments, "-o", str(tmp_path / "picture.png")]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
    assert not (tmp_path / "picture.png").exists()


def test_a_picture_needs_a_folder_and_a_format_that_there_is(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    arguments = ["plot", "survey", "curves.parquet", "-o"]
    assert main([*arguments, "nowhere/picture.png"]) == 1
    assert "There is no folder nowhere for the picture" in capsys.readouterr().err
    assert main([*arguments, "picture.xyz"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_every_picture_of_arrays_has_a_verb():
    source = "".join(path.read_text() for path in Path(cli.__file__).parent.glob("*.py"))
    missing = [name for name in vars(plots) if name.startswith("plot_") and f"{name}(" not in source]
    assert missing == []


def test_an_unlabelled_table_of_classes_cannot_be_compared(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    columns = {"object_id": ["a"], "label": [None], "predicted_label": ["RRab"], "probability_RRab": [0.9]}
    pq.write_table(pa.table(columns), "unlabelled.parquet")
    assert main(["plot", "reliability", "unlabelled.parquet", "-o", "picture.png"]) == 1
    assert "No true class in the column 'label' is one of RRab" in capsys.readouterr().err
