# Copyright 2026 The astromer_hf developers. MIT licence.
"""The picture of four panels holds every observation twice, the interval where it was given, and every star's probabilities."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from astromer_hf.plots.overview import Folded, Reconstructed, plot_overview

PHASES = np.linspace(0, 0.95, 20)
CURVE = Folded("a star", PHASES, 15 + np.sin(2 * np.pi * PHASES))
HIDDEN = np.arange(20) % 2 == 0
PROBABILITIES = {"first": {"A": 0.9, "B": 0.1, "C": 0.0}, "second": {"A": 0.25, "B": 0.75, "C": 0.0}}
EMBEDDINGS = np.random.default_rng(0).normal(size=(12, 5))


def draw(reconstructed: Reconstructed | None = None, curve: Folded = CURVE, **options: object) -> Figure:
    found = reconstructed or Reconstructed(HIDDEN, curve.magnitudes + 0.1)
    labels = ["A", "B"] * 6
    return plot_overview(curve, found, EMBEDDINGS, labels, [curve] * 4, PROBABILITIES, **options)  # type: ignore[arg-type]


def test_each_observation_stands_in_two_cycles_as_seen_or_as_hidden_and_reconstructed():
    axes = draw().axes[0]
    seen, hidden, crosses = (points.get_offsets() for points in axes.collections)
    np.testing.assert_allclose(seen[:, 0], [*PHASES[~HIDDEN], *PHASES[~HIDDEN] + 1])
    np.testing.assert_allclose(hidden[:, 1], [*CURVE.magnitudes[HIDDEN]] * 2)
    np.testing.assert_allclose(crosses[:, 1], hidden[:, 1] + 0.1)
    low, high = axes.get_ylim()
    assert low > high  # bright is up


def test_an_interval_is_drawn_only_where_there_is_one():
    assert not any(isinstance(drawn, LineCollection) for drawn in draw().axes[0].collections)
    lower, upper = CURVE.magnitudes - 0.2, CURVE.magnitudes + 0.3
    figure = draw(Reconstructed(HIDDEN, CURVE.magnitudes, lower, upper, "90 % interval"))
    (bars,) = (drawn for drawn in figure.axes[0].collections if isinstance(drawn, LineCollection))
    heights = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, [*np.column_stack([lower, upper])[HIDDEN]] * 2)


def test_observations_outside_of_the_panel_are_counted_in_its_title():
    magnitudes = np.append(np.tile(CURVE.magnitudes, 10), 30.0)
    curve = Folded("a star", np.append(np.tile(PHASES, 10), 0.5), magnitudes)
    hidden = np.arange(201) % 2 == 0
    assert draw(Reconstructed(hidden, magnitudes), curve).axes[0].get_title() == "a star; outside: 1 of 201 observations"
    assert draw().axes[0].get_title() == "a star"


def test_the_probabilities_are_those_of_every_star_without_classes_that_no_star_is_of():
    axes = draw().axes[-1]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["A", "B"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["first", "second"]
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.10", "0.25", "0.75"]


def test_the_caption_says_what_the_stars_are():
    assert draw(caption="Simulated stars").get_supxlabel() == "Simulated stars"


def test_labels_that_do_not_fit_the_embeddings_are_refused():
    with pytest.raises(ValueError, match="12 embeddings and 1 labels"):
        plot_overview(CURVE, Reconstructed(HIDDEN, CURVE.magnitudes), EMBEDDINGS, ["A"], [CURVE], PROBABILITIES)
