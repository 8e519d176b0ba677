# Copyright 2026 The astromer_hf developers. MIT licence.
"""Every picture shows all of its data under the right names, saves, and refuses arrays that do not belong together."""

import io
import sys
from collections.abc import Callable

import numpy as np
import pytest
from conftest import TINY
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from astromer_hf import AstromerConfig, AstromerFeatureExtractor, AstromerModel
from astromer_hf.light_curves.simulation import simulate_light_curves
from astromer_hf.plots import figures as plots
from astromer_hf.plots.style import journal_size, wrap

NUM_POINTS = 20
CURVE = simulate_light_curves(1, seed=5)[0]
MJD, MAG, MAGERR = CURVE.mjd[:NUM_POINTS], CURVE.mag[:NUM_POINTS], CURVE.magerr[:NUM_POINTS]
HIDDEN = np.arange(NUM_POINTS) % 3 == 0
RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.normal(size=(30, 6))
LABELS = ["RRab"] * 15 + ["Cepheid"] * 10 + ["LPV"] * 5

PICTURES: dict[str, Callable[[], Figure]] = {
    "light curve": lambda: plots.plot_light_curve(MJD, MAG),
    "reconstruction": lambda: plots.plot_light_curve(MJD, MAG, MAGERR, hidden=HIDDEN, reconstruction=MAG + 0.1),
    "folded": lambda: plots.plot_folded_light_curve(MJD, MAG, CURVE.period_days, MAGERR),
    "time encoding": lambda: plots.plot_time_encoding(MJD, np.sin(MJD[:, None] * [1, 0.1, 0.01])),
    "projection": lambda: plots.plot_magnitude_projection(RNG.normal(size=(16, 1)), RNG.normal(size=16)),
    "attention": lambda: plots.plot_attention(MJD, MAG, np.full((2, NUM_POINTS, NUM_POINTS), 1 / NUM_POINTS), 3),
    "learning curves": lambda: plots.plot_learning_curves({"loss": ([1, 2, 3], [3, 2, 1]), "eval_loss": ([2], [2.5])}),
    "few-shot": lambda: plots.plot_few_shot({"ASTROMER": {20: [0.5, 0.6], 100: [0.7, 0.7]}, "LSTM": {20: [0.4, 0.4]}}),
    "confusion matrix": lambda: plots.plot_confusion_matrix(LABELS, LABELS[::-1]),
    "reliability": lambda: plots.plot_reliability(
        {"before": ([0.4, 0.9], [0.2, 0.9], [10, 30]), "after": ([0.5], [0.5], [40])}
    ),
    "light curves": lambda: plots.plot_light_curves([("query", MJD, MAG), *[(f"no. {i}", MJD, MAG) for i in range(4)]]),
    "embedding map": lambda: plots.plot_embedding_map(EMBEDDINGS, LABELS),
    "survey summary": lambda: plots.plot_survey_summary(
        {"MACHO": {"num_points": [200, 900], "mag": MAG, "gaps": np.diff(MJD)}}
    ),
}


def points(axes: Axes) -> list[np.ndarray]:
    """Coordinates of every group of points, (n, 2) each."""
    return [np.asarray(group.get_offsets()) for group in axes.collections if isinstance(group, PathCollection)]


def not_drawn(axes: Axes) -> list[Text]:
    """Labels of ticks outside the limits of their axis, and everything of axes that are switched off."""
    if not axes.axison:
        return axes.findobj(Text)
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                labels += [tick.label1, tick.label2]
    return labels


def legend(axes: Axes) -> list[str]:
    drawn = axes.get_legend()
    return [] if drawn is None else [text.get_text() for text in drawn.get_texts()]


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_saves_as_png_with_something_drawn_and_as_pdf(name: str):
    png, pdf = io.BytesIO(), io.BytesIO()
    figure = PICTURES[name]()
    figure.savefig(png, dpi=50)
    figure.savefig(pdf, format="pdf")
    png.seek(0)
    assert np.ptp(imread(png)[..., :3]) > 0.5
    assert pdf.getvalue().startswith(b"%PDF")


def test_every_public_function_has_a_picture_here():
    functions = {name for name in vars(plots) if name.startswith("plot_")}
    drawn = {name for make in PICTURES.values() for name in make.__code__.co_names if name.startswith("plot_")}
    assert drawn == functions


def test_pictures_leave_pyplot_alone():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    for make in PICTURES.values():
        make()
    assert pyplot.get_fignums() == before


def test_colours_and_markers_of_the_first_eight_groups_all_differ():
    assert len(set(plots.COLORS)) == len(plots.COLORS) == len(set(plots.MARKERS)) == 8


def test_a_light_curve_is_drawn_bright_above_with_every_observation_where_it_is():
    (axes,) = PICTURES["light curve"]().axes
    assert axes.yaxis_inverted()
    np.testing.assert_allclose(points(axes)[0], np.column_stack((MJD, MAG)))
    assert legend(axes) == []


def test_seen_hidden_and_reconstructed_observations_are_told_apart():
    axes, _ = PICTURES["reconstruction"]().axes
    seen, hidden, reconstructed = points(axes)
    np.testing.assert_allclose(seen, np.column_stack((MJD, MAG))[~HIDDEN])
    np.testing.assert_allclose(hidden, np.column_stack((MJD, MAG))[HIDDEN])
    np.testing.assert_allclose(reconstructed, np.column_stack((MJD, MAG + 0.1))[HIDDEN])
    assert legend(axes) == ["seen", "hidden", "reconstructed"]


def test_a_light_curve_may_be_drawn_against_phase():
    mjd, mag = np.array([0.0, 1.0, 2.5, 4.0]), np.array([15.0, 14.0, 15.5, 15.2])
    axes = plots.plot_light_curve(mjd, mag, period_days=2.0).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), np.column_stack(([0.5, 0, 0.75, 0.5], mag)))
    assert "phase (period 2 d)" in axes.get_xlabel()


@pytest.mark.parametrize(
    ("system", "first", "label"),
    [
        ("MJD", 53000.0, "MJD [d]"),
        ("MJD", 0.0, "time [d]"),  # days since something, whatever the column is called
        ("HJD", 2453000.5, "HJD − 2450000 [d]"),
        ("HJD", 3000.5, "HJD minus a constant [d]"),
        ("BTJD", 1325.0, "BTJD [d]"),
        (None, 53000.0, "time [d]"),
    ],
)
def test_the_axis_of_times_has_the_name_of_their_system(system: str | None, first: float, label: str):
    days = first + np.arange(5.0)
    for figure in (
        plots.plot_light_curve(days, np.ones(5), time_system=system, band="V"),
        plots.plot_light_curves([("a", days, np.ones(5))], time_system=system, band="V"),
        plots.plot_attention(days, np.ones(5), np.full((1, 5, 5), 0.2), 2, time_system=system, band="V"),
    ):
        assert figure.axes[0].get_xlabel() == label
        assert "V magnitude [mag]" in (figure.axes[0].get_ylabel(), figure.get_supylabel())


def test_julian_dates_are_written_without_their_first_digits_and_drawn_where_they_are():
    (axes,) = plots.plot_light_curve([2453000.5, 2453010.5], [15.0, 15.1], time_system="HJD").axes
    np.testing.assert_allclose(points(axes)[0][:, 0], [2453000.5, 2453010.5])
    assert axes.xaxis.get_major_formatter()(2453010.5) == "3010.5"


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("name", PICTURES)
def test_at_the_width_of_a_journal_all_text_is_readable_and_inside(name: str, width: str):
    with journal_size(width):
        figure = PICTURES[name]()
        figure.draw_without_rendering()  # places all text
        assert figure.get_figwidth() * 25.4 == pytest.approx({"column": 88, "page": 180}[width])
        hidden = {label for axes in figure.axes for label in not_drawn(axes)}
        shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip() and text not in hidden]
        assert len(shown) > 5
        assert [text.get_text() for text in shown if text.get_fontsize() < 5.5] == []
        page = figure.bbox.padded(2)
        boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
        assert [label for label, box in boxes if not (page.contains(*box.min) and page.contains(*box.max))] == []


def test_a_width_that_no_journal_has_is_refused_and_the_screen_is_back_after_a_failure():
    with pytest.raises(ValueError, match="one of column, page, got 'wide'"), journal_size("wide"):
        pass
    before = plots.plot_light_curve(MJD, MAG).get_figwidth()
    with pytest.raises(ZeroDivisionError), journal_size("column"):
        raise ZeroDivisionError
    assert plots.plot_light_curve(MJD, MAG).get_figwidth() == before


def test_residuals_are_observed_minus_reconstructed_and_inverted_like_the_magnitudes():
    _, residuals = PICTURES["reconstruction"]().axes
    np.testing.assert_allclose(points(residuals)[0][:, 1], -0.1, atol=1e-12)
    assert residuals.yaxis_inverted()


def test_without_hidden_observations_all_are_compared_with_their_reconstruction():
    axes, residuals = plots.plot_light_curve(MJD, MAG, reconstruction=MAG).axes
    assert [len(group) for group in points(axes)] == [NUM_POINTS, NUM_POINTS]
    assert len(points(residuals)[0]) == NUM_POINTS


def test_unknown_errors_draw_no_bar_and_hide_no_observation():
    (axes,) = plots.plot_light_curve(MJD, MAG, np.full(NUM_POINTS, np.nan)).axes
    (bars,) = axes.containers[0].lines[2]
    assert all(np.ptp(segment[:, 1]) == 0 for segment in bars.get_segments())
    assert len(points(axes)[0]) == NUM_POINTS


def test_a_folded_curve_is_shown_twice_a_cycle_apart_from_its_brightest_observation():
    (axes,) = PICTURES["folded"]().axes
    first, second = points(axes)
    np.testing.assert_allclose(second, first + np.array([1, 0]))
    assert first[np.argmin(MAG), 0] == 0
    turns = (MJD - MJD[np.argmin(MAG)]) / CURVE.period_days - first[:, 0]
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    assert axes.yaxis_inverted()


def test_the_time_encoding_of_the_model_is_drawn_value_by_value():
    model = AstromerModel(AstromerConfig(**TINY)).eval()
    windows = AstromerFeatureExtractor(window_size=NUM_POINTS)(MJD, MAG, return_tensors="pt")
    encoding = model.embeddings.time_encoding(windows["times"])[0].numpy()
    axes = plots.plot_time_encoding(windows["times"][0].numpy(), encoding).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), encoding.T)


def test_the_magnitude_projection_of_the_model_is_a_line_a_magnitude():
    layer = AstromerModel(AstromerConfig(**TINY)).embeddings.magnitude_embedding
    weight, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    axes, change = plots.plot_magnitude_projection(weight, bias, magnitudes=(-1, 2)).axes
    order = np.argsort(weight[:, 0])
    slope, offset = weight[order, 0], bias[order]
    np.testing.assert_allclose(change.lines[0].get_ydata(), slope)
    np.testing.assert_allclose([line.get_ydata() for line in axes.lines], [offset - slope, offset + 2 * slope])
    assert "sorted" in change.get_xlabel()
    assert legend(axes) == ["-1 mag", "+2 mag"]


def test_the_attention_of_an_observation_colours_all_others_head_by_head():
    model = AstromerModel._from_config(AstromerConfig(**TINY), attn_implementation="eager").eval()
    windows = AstromerFeatureExtractor(window_size=NUM_POINTS)(MJD, MAG, return_tensors="pt")
    attention = model(**windows, output_attentions=True).attentions[0][0].detach().numpy()
    panels = plots.plot_attention(MJD, MAG, attention, observation=7).axes[: TINY["num_attention_heads"]]
    for head, axes in enumerate(panels):
        assert axes.get_title() == f"head {head}"
        assert axes.yaxis_inverted()
        rising = np.argsort(attention[head, 7])  # the strongest are drawn last
        np.testing.assert_array_equal(axes.collections[0].get_array(), attention[head, 7][rising])
        np.testing.assert_array_equal(points(axes)[0], np.column_stack((MJD, MAG))[rising])
        assert np.argmax(axes.collections[0].get_sizes()) == NUM_POINTS - 1
        np.testing.assert_allclose(axes.lines[0].get_xydata(), [[MJD[7], MAG[7]]])


def test_learning_curves_are_named_and_complete():
    (axes,) = PICTURES["learning curves"]().axes
    assert legend(axes) == ["loss", "eval_loss"]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 3], [2, 2], [3, 1]])


def test_few_shot_scores_are_means_of_seeds_within_one_standard_deviation():
    figure = PICTURES["few-shot"]()
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[20, 0.55], [100, 0.7]])
    band = axes.collections[0].get_paths()[0].vertices
    assert set(np.round(band[band[:, 0] == 20, 1], 9)) == {0.5, 0.6}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ASTROMER", "LSTM"]
    assert axes.lines[0].get_marker() != axes.lines[1].get_marker()


@pytest.mark.parametrize("width", [None, "column", "page"])
@pytest.mark.parametrize("num_methods", [5, 29])
def test_the_legend_of_many_methods_with_long_names_is_inside_the_picture(width: str | None, num_methods: int):
    scores = {f"a checkpoint: a head on the states of all of its blocks, thinned {i}": {20: [0.5]} for i in range(num_methods)}
    with journal_size(width):
        figure = plots.plot_few_shot(scores)
        figure.draw_without_rendering()  # places all text
        box = figure.legends[0].get_window_extent()
        page = figure.bbox.padded(2)
        assert len(figure.legends[0].get_texts()) == num_methods
        assert page.contains(*box.min)
        assert page.contains(*box.max)
        assert figure.axes[0].get_window_extent().height > 0.9 * 100


def test_rows_of_a_confusion_matrix_are_shares_of_the_true_class():
    axes = plots.plot_confusion_matrix(["a", "a", "a", "a", "b"], ["a", "a", "a", "b", "b"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [text.get_text() for text in axes.texts] == ["75%\n3", "25%\n1", "0%\n0", "100%\n1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


def test_a_reliability_diagram_has_a_point_a_bin_and_names_the_calibration_error():
    axes, counts = PICTURES["reliability"]().axes
    np.testing.assert_allclose(points(axes)[0], [[0.4, 0.2], [0.9, 0.9]])
    assert len(axes.lines) == 1 + 2 * 2  # the diagonal, and the caps of two groups of error bars; no line joins the bins
    assert [bar.get_height() for bar in counts.patches] == [10, 30, 40]
    assert (counts.get_xlabel(), counts.get_ylabel()) == ("probability of the likeliest class", "objects")
    assert legend(axes) == ["perfect", "before (calibration error 0.050)", "after (calibration error 0.000)"]


def test_the_error_bars_of_a_reliability_diagram_are_wider_for_fewer_objects_and_stay_between_0_and_1():
    axes = plots.plot_reliability({"stars": ([0.5, 0.6, 0.95], [0.5, 0.5, 1.0], [4, 400, 1])}).axes[0]
    (bars,) = axes.containers[0].lines[2]
    low, high = np.array([segment[:, 1] for segment in bars.get_segments()]).T
    np.testing.assert_allclose((high - low)[:2], [0.447, 0.05], atol=1e-3)  # Wilson: z / sqrt(n + z²) at one half, z = 1
    assert low[2] == pytest.approx(0.5, abs=1e-5)  # n / (n + z²) of one star that is right
    assert high.max() <= 1


def test_light_curves_side_by_side_are_titled_and_inverted_and_the_query_differs():
    curves = [("query", MJD, MAG), ("first", MJD, MAG + 1)]
    query, first = plots.plot_light_curves(curves, highlight_first=True).axes
    assert [query.get_title(), first.get_title()] == ["query", "first"]
    assert query.yaxis_inverted()
    assert first.yaxis_inverted()
    np.testing.assert_allclose(points(first)[0], np.column_stack((MJD, MAG + 1)))
    assert query.collections[0].get_facecolor().tolist() != first.collections[0].get_facecolor().tolist()


def test_places_of_the_grid_without_a_light_curve_are_empty():
    shown = [axes.axison for axes in PICTURES["light curves"]().axes]
    assert shown == [True] * 5 + [False]


def test_no_two_of_many_classes_look_alike():
    classes = [f"class {i:02}" for i in range(30)]
    (axes,) = plots.plot_embedding_map(EMBEDDINGS, classes, max_classes=30).axes
    looks = {
        (tuple(group.get_facecolor()[0]), group.get_paths()[0].vertices.tobytes())
        for group in axes.collections
        if isinstance(group, PathCollection)
    }
    assert len(looks) == 30


def test_the_smallest_of_too_many_classes_are_drawn_as_one():
    classes = [f"class {i:02}" for i in range(20)] + ["large"] * 10
    (axes,) = plots.plot_embedding_map(EMBEDDINGS, classes, max_classes=4).axes
    assert legend(axes) == ["large (10)", "class 00 (1)", "class 01 (1)", "18 smaller classes (18)"]


@pytest.mark.slow
def test_a_umap_keeps_groups_apart():
    pytest.importorskip("umap", reason="umap-learn, an optional extra, is not installed")
    groups = np.concatenate([RNG.normal(size=(40, 6)), RNG.normal(size=(40, 6)) + 12])
    (axes,) = plots.plot_embedding_map(groups, ["a"] * 40 + ["b"] * 40, method="umap").axes
    first, second = points(axes)
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > first.std(0).max() + second.std(0).max()


def test_a_umap_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install 'umap-learn"):
        plots.plot_embedding_map(EMBEDDINGS, method="umap")


@pytest.mark.parametrize("kind", [list, np.array])
def test_an_embedding_map_shows_every_object_under_its_class(kind: Callable):
    (axes,) = plots.plot_embedding_map(EMBEDDINGS, kind(LABELS)).axes
    assert legend(axes) == ["RRab (15)", "Cepheid (10)", "LPV (5)"]
    assert [len(group) for group in points(axes)] == [15, 10, 5]


def test_classes_of_equal_size_keep_their_colours_from_run_to_run():
    classes = list("hgfedcba")
    (axes,) = plots.plot_embedding_map(EMBEDDINGS[:8], classes).axes
    assert legend(axes) == [f"{name} (1)" for name in sorted(classes)]


def test_an_embedding_map_keeps_the_distances_of_points_that_lie_in_a_plane():
    plane = RNG.normal(size=(30, 2))
    lifted = np.column_stack((plane, plane[:, 0], plane[:, 1]))
    (axes,) = plots.plot_embedding_map(lifted).axes
    drawn, scaled = points(axes)[0], plane / plane.std(0)
    distances = [np.linalg.norm(group[:, None] - group, axis=-1) for group in (drawn, scaled)]
    np.testing.assert_allclose(distances[0], np.sqrt(2) * distances[1], atol=1e-9)


def test_two_dimensional_points_are_drawn_as_they_are():
    (axes,) = plots.plot_embedding_map(EMBEDDINGS[:, :2]).axes
    np.testing.assert_array_equal(points(axes)[0], EMBEDDINGS[:, :2])


def test_objects_without_an_embedding_are_left_off_the_map_and_those_without_a_label_named_so():
    embeddings = EMBEDDINGS.copy()
    embeddings[0] = np.nan
    (axes,) = plots.plot_embedding_map(embeddings, [*LABELS[:-1], None]).axes
    assert legend(axes) == ["RRab (14)", "Cepheid (10)", "LPV (4)", "unlabelled (1)"]


def test_a_survey_summary_has_a_panel_for_points_magnitudes_and_gaps():
    panels = PICTURES["survey summary"]().axes
    assert [axes.get_xlabel() for axes in panels] == ["observations a light curve", "magnitude [mag]", "Δt [d]"]
    assert [axes.get_xscale() for axes in panels] == ["log", "linear", "log"]
    (shown,) = PICTURES["survey summary"]().legends
    assert [text.get_text() for text in shown.get_texts()] == ["MACHO"]


def test_bars_of_a_survey_summary_are_fractions_of_all():
    columns = {"num_points": RNG.integers(5, 500, 50), "mag": RNG.normal(size=200), "gaps": RNG.exponential(size=150)}
    for axes in plots.plot_survey_summary({"MACHO": columns}).axes:
        outline = axes.patches[0].get_xy()
        heights = outline[1:-1:2, 1]
        assert heights.sum() == pytest.approx(1)


def test_surveys_share_their_bins_so_that_their_heights_compare():
    bright = {"num_points": RNG.integers(5, 50, 50), "mag": RNG.normal(12, 1, 200), "gaps": RNG.exponential(1, 150)}
    faint = {"num_points": RNG.integers(200, 900, 50), "mag": RNG.normal(18, 1, 200), "gaps": RNG.exponential(9, 150)}
    for axes, column in zip(plots.plot_survey_summary({"a": bright, "b": faint}).axes, bright, strict=True):
        first, second = (np.unique(patch.get_xy()[:, 0]) for patch in axes.patches)
        np.testing.assert_array_equal(first, second)
        both = np.concatenate([bright[column], faint[column]])
        assert first.min() <= both.min()
        assert both.max() <= first.max()


def test_a_survey_without_a_finite_value_has_an_empty_panel_beside_the_others():
    columns = {"num_points": [20, 30], "mag": [np.nan], "gaps": [1.0, 2.0]}
    panels = plots.plot_survey_summary({"no magnitudes": columns}).axes
    assert [axes.patches[0].get_xy()[:, 1].max() > 0 for axes in panels] == [True, False, True]


def test_a_survey_whose_light_curves_are_all_of_one_length_has_a_summary():
    columns = {"num_points": np.full(5, 200), "mag": np.full(5, 15.0), "gaps": np.full(5, 3.0)}
    for axes in plots.plot_survey_summary({"MACHO": columns}).axes:
        assert len(axes.patches) == 1


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.plot_light_curve(MJD, MAG[:-1]), r"`mjd` \(20,\), `mag` \(19,\)"),
        (lambda: plots.plot_light_curve(MJD[:, None], MAG[:, None]), "1-d columns"),
        (lambda: plots.plot_light_curve(MJD, MAG, MAGERR[:5]), r"`magerr` \(5,\)"),
        (lambda: plots.plot_light_curve(MJD, MAG, hidden=HIDDEN[:5]), r"`hidden` \(5,\)"),
        (lambda: plots.plot_light_curve(MJD, MAG, reconstruction=MAG[:5]), r"`reconstruction` \(5,\)"),
        (lambda: plots.plot_folded_light_curve(MJD, MAG, 0.0), "must be positive, got 0.0"),
        (lambda: plots.plot_folded_light_curve(MJD, MAG, float("nan")), "must be positive, got nan"),
        (lambda: plots.plot_folded_light_curve(MJD, MAG, 1.0, MAGERR[:5]), r"`magerr` \(5,\)"),
        (lambda: plots.plot_time_encoding(MJD, np.zeros((5, 4))), r"\(n, D\) with n = 20, got \(5, 4\)"),
        (lambda: plots.plot_magnitude_projection(np.zeros((4, 1)), np.zeros(1)), r"`weight` \(4,\), `bias` \(1,\)"),
        (lambda: plots.plot_attention(MJD, MAG, np.zeros((20, 20)), 0), r"\(heads, 20, 20\), got \(20, 20\)"),
        (lambda: plots.plot_embedding_map(EMBEDDINGS[:, 0]), r"\(N, D\) with D of 2 or more, got \(30,\)"),
        (lambda: plots.plot_light_curves([]), "at least one light curve"),
        (lambda: plots.plot_embedding_map(EMBEDDINGS, method="tsne"), 'must be "pca" or "umap", got \'tsne\''),
        (lambda: plots.plot_embedding_map(EMBEDDINGS, LABELS[:3]), "30 embeddings and 3 labels"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused_by_name(draw: Callable[[], Figure], message: str):
    with pytest.raises(ValueError, match=message):
        draw()


def test_a_long_title_is_wrapped_between_words_and_not_within_a_value():
    title = ", ".join(["a star of a long name-with-hyphens"] * 2 + ["P = 0.634511 d (false alarm 1e-942)"] * 2)
    shown = plots.plot_light_curve(MJD, MAG, title=title).axes[0].get_title()
    assert shown.replace("\n", " ") == title
    assert max(map(len, shown.split("\n"))) <= 76
    for characters in range(20, 60):
        lines = wrap(title, characters).split("\n")
        assert not any(line.endswith(("P", "=", "0.634511", "name-")) for line in lines)
