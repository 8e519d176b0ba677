# Copyright 2026 The astromer_hf developers. MIT licence.
"""The page: its components, and what happens at a click. All that belongs to a user is in `gr.State`, one a browser tab.

Before this file stand the other parts of `demo_page`; after it `scripts/demo_app.py`, which starts it.
"""

from typing import Any

import gradio as gr

from .downloads import Downloads
from .examples import write_examples
from .pictures import draw_light_curve, draw_map, draw_neighbor
from .stars import MAX_PERIODS, NEIGHBORS, Demo, Look
from .uploads import FLUXES, MAGNITUDES, NO_COLUMN, Columns, LightCurve, Upload, read_upload
from .words import say_classes, say_neighbor, say_period, say_star

PHASE, TIME = "phase", "time"
HIDDEN_FRACTION = 0.5  # before the user chooses
LONGEST_PERIOD = 1e9  # days
# Plotly's texts take the colour of the theme, light or dark, and wide things do not widen a phone's page.
STYLE = """
.js-plotly-plot .xtick text, .js-plotly-plot .ytick text, .js-plotly-plot .legendtext,
.js-plotly-plot .xtitle, .js-plotly-plot .ytitle { fill: var(--body-text-color) !important; }
.js-plotly-plot .legend .bg { fill-opacity: 0 !important; }
#neighbors .modebar-container { display: none; }  /* it would cover so small a picture */
@media (max-width: 640px) { .js-plotly-plot .modebar-container { display: none; } }
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; }
"""
HEAD = """# What is this star?
Upload light curves as your survey gave them (CSV, FITS, VOTable, JSON, parquet and others), or take an example. You get class,
period, look-alikes, and the magnitudes that were hidden from the model,
[ASTROMER](https://doi.org/10.1051/0004-6361/202243928) for Hugging Face Transformers."""
COLUMN_LABELS = {
    "object_id": "star",
    "time": "time",
    "value": "magnitude or flux",
    "error": "its error",
    "band": "band",
}


def build_page(demo: Demo, downloads: Downloads | None = None) -> gr.Blocks:
    """The Gradio page of a demo."""
    downloads = downloads or Downloads()
    gallery = dict(zip(demo.gallery.names, demo.gallery.curves, strict=True))
    first = next(iter(gallery))
    examples = write_examples(downloads.examples)
    disabled = [gr.update(value=None, interactive=False)] * 4
    nothing: list[Any] = [None, "", None, "", None, "", *[None, ""] * NEIGHBORS, None]

    def show(look: Look, axis: str) -> list[Any]:
        """Values of `star_parts`."""
        folds = look.period is not None and axis == PHASE
        period = rounded(look)
        shown: list[Any] = [look, say_star(look), period, say_period(look), draw_light_curve(look, period if folds else None)]
        shown.append(say_classes(look))
        for number in range(NEIGHBORS):
            neighbor = look.neighbors[number] if number < len(look.neighbors) else None
            shown += [None, ""] if neighbor is None else [draw_neighbor(neighbor), say_neighbor(neighbor)]
        return [*shown, draw_map(demo.gallery, look)]

    def look_at(name: str, upload: Upload | None, hidden_fraction: float, axis: str) -> list[Any]:
        """Values of `star_parts` and of the class bars and buttons."""
        uploaded = {} if upload is None else upload.light_curves
        light_curve: LightCurve | None = uploaded.get(name, gallery.get(name))
        if light_curve is None:
            return [*nothing, None, *disabled]
        try:
            system = None if upload is None or name not in uploaded else upload.time_system
            look = demo.look(light_curve, hidden_fraction, name=name, time_system=system)
        except ValueError as error:
            return [None, f"⚠️ {error}", *nothing[2:], None, *disabled]
        return [*show(look, axis), dict(look.classes.probabilities) or None, *disabled]

    def offer(upload: Upload, hidden_fraction: float, axis: str) -> list[Any]:
        """An upload's account, its choosers and its first star."""
        names = list(upload.light_curves)
        usable = bool(names)
        name = names[0] if usable else None
        columns = upload.columns
        choices = [NO_COLUMN, *upload.available]
        chosen = {
            role: gr.update(choices=list(dict.fromkeys([*choices, getattr(columns, role)])), value=getattr(columns, role))
            for role in COLUMN_LABELS
        }
        return [
            upload,
            upload.account,
            gr.update(visible=bool(upload.available), open=not usable),
            *chosen.values(),
            columns.kind,
            gr.update(choices=[*names, *gallery], value=name),
            gr.update(visible=usable, value=f"Classify all {len(names)} light curves of this file"),
            gr.update(value=None, visible=False),
            gr.update(value=None, visible=False),
            *look_at(name or "", upload, hidden_fraction, axis),
        ]

    def take(file: str | None, hidden_fraction: float, axis: str) -> list[Any]:
        if file is not None:
            return offer(read_upload(file), hidden_fraction, axis)
        hidden, unchanged = gr.update(visible=False), gr.update()
        choosers = [unchanged] * (len(COLUMN_LABELS) + 1)
        names = gr.update(choices=list(gallery), value=first)
        return [None, "", hidden, *choosers, names, *[hidden] * 3, *look_at(first, None, hidden_fraction, axis)]

    def read_again(upload: Upload | None, kind: str, hidden_fraction: float, axis: str, *chosen: str) -> list[Any]:
        if upload is None:
            raise gr.Error("Upload a file first.")
        columns = Columns(kind=kind, **dict(zip(COLUMN_LABELS, [one or NO_COLUMN for one in chosen], strict=True)))
        return offer(read_upload(upload.path, columns, before=upload), hidden_fraction, axis)

    def fold(look: Look | None, period: float | None, axis: str) -> list[Any]:
        """The picture, and buttons that wait for its files."""
        if look is None:
            return [None, *disabled]
        if axis == PHASE and period is not None and not 0 < period < LONGEST_PERIOD:
            raise gr.Error("A period is a positive number of days.")
        return [draw_light_curve(look, period if axis == PHASE and period else None), *disabled]

    def found(look: Look | None, axis: str) -> list[Any]:
        period = rounded(look)
        return [period, *fold(look, period, axis)]

    def prepare(look: Look | None, period: float | None, axis: str) -> list[Any]:
        if look is None:
            return disabled
        files = downloads.of_star(look, period if axis == PHASE and period and 0 < period < LONGEST_PERIOD else None)
        return [gr.update(value=file, interactive=True) for file in files]

    def classify(upload: Upload | None, progress: Any = gr.Progress()) -> tuple[Any, Any]:  # noqa: B008  # as Gradio asks for
        if upload is None or not upload.light_curves:
            raise gr.Error("Upload a file first.")
        progress(0.1, desc=f"{len(upload.light_curves)} light curves")
        table = demo.classify_all(upload.light_curves)
        shown = table[[name for name in table if not str(name).startswith("probability_")]].copy()
        if "false_alarm_probability" in shown:
            shown["false_alarm_probability"] = shown["false_alarm_probability"].map("{:.1e}".format, na_action="ignore")
        shown = shown.round(4)
        file = downloads.of_table(table, upload.path.stem)
        return gr.update(value=shown, visible=True), gr.update(value=file, visible=True)

    # The first star is part of the page: it is there even where the events of a busy or restarted server are late.
    look_shown, message_shown, period_shown, period_said, picture_shown, classes_said, *others = look_at(
        first, None, HIDDEN_FRACTION, PHASE
    )
    neighbors_shown, place_shown, bars_shown = others[: 2 * NEIGHBORS], others[2 * NEIGHBORS], others[2 * NEIGHBORS + 1]

    with gr.Blocks(title="What is this star? ASTROMER light curves", delete_cache=(3600, 3600)) as page:
        gr.Markdown(HEAD)
        upload, look = gr.State(None), gr.State(look_shown)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                file = gr.File(label="your file", file_types=None, elem_id="upload", height=140)
            with gr.Column(scale=1, min_width=300):
                gr.Examples(
                    [[str(path)] for path in examples],
                    file,
                    example_labels=[path.name for path in examples],
                    label="files to try",
                )
                name = gr.Dropdown(list(gallery), value=first, label="light curve", elem_id="light-curve")
        account = gr.Markdown(elem_id="account")
        with gr.Accordion("Columns: which is what?", open=False, visible=False, elem_id="columns") as chooser:
            with gr.Row():
                choosers = [
                    gr.Dropdown([NO_COLUMN], value=NO_COLUMN, label=label, elem_id=f"column-{role}", min_width=130)
                    for role, label in COLUMN_LABELS.items()
                ]
                kind = gr.Radio(
                    [MAGNITUDES, FLUXES], value=MAGNITUDES, label="the values are", elem_id="column-kind", min_width=200
                )
            again = gr.Button("Read with these columns", elem_id="read-again", variant="primary")
        message = gr.Markdown(message_shown, elem_id="message")
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                picture = gr.Plot(picture_shown, show_label=False, elem_id="reconstruction")
                period_words = gr.Markdown(period_said, elem_id="period-words")
                with gr.Row():
                    axis = gr.Radio([PHASE, TIME], value=PHASE, label="against", elem_id="axis", min_width=150)
                    period = gr.Number(period_shown, label="period [d]", elem_id="period", min_width=130, precision=None)
                    fraction = gr.Slider(
                        0,
                        0.9,
                        value=HIDDEN_FRACTION,
                        step=0.05,
                        label="hidden fraction",
                        elem_id="hidden-fraction",
                        min_width=160,
                    )
                with gr.Row():
                    half = gr.Button("period × 1/2", elem_id="half", size="sm", min_width=90)
                    double = gr.Button("period × 2", elem_id="double", size="sm", min_width=90)
                    reset = gr.Button("as found", elem_id="as-found", size="sm", min_width=90)
            with gr.Column(scale=2, min_width=280):
                class_words = gr.Markdown(classes_said, elem_id="class-words")
                bars = gr.Label(bars_shown, num_top_classes=6, show_heading=False, label="probabilities", elem_id="classes")
        with gr.Row():
            buttons = [
                gr.DownloadButton(label, interactive=False, size="sm", min_width=120, elem_id=f"download-{ending}")
                for ending, label in (
                    ("csv", "Reconstruction, CSV"),
                    ("json", "Classes, JSON"),
                    ("png", "Picture, PNG"),
                    ("pdf", "Picture, PDF"),
                )
            ]
        gr.Markdown(f"### Look-alikes\nThe nearest of {len(demo.gallery)} by their embeddings. {demo.gallery.about}")
        neighbors: list[Any] = []
        with gr.Row(elem_id="neighbors"):
            for number in range(NEIGHBORS):
                with gr.Column(min_width=215):
                    words = gr.Markdown(neighbors_shown[2 * number + 1], elem_id=f"neighbor-words-{number}")
                    curve = gr.Plot(neighbors_shown[2 * number], show_label=False, elem_id=f"neighbor-{number}")
                    neighbors += [curve, words]
        gr.Markdown("### You are here\nThe gallery in the first two principal components of its embeddings.")
        place = gr.Plot(place_shown, show_label=False, elem_id="map")
        gr.Markdown(
            f"### A table of stars\nUpload a file of many stars above. Up to {MAX_PERIODS} light curves get their periods too."
        )
        classify_all = gr.Button(
            "Classify all light curves of this file", visible=False, elem_id="classify-all", variant="primary"
        )
        table = gr.Dataframe(visible=False, elem_id="table", interactive=False, pinned_columns=1, max_height=420)
        table_file = gr.DownloadButton("Table of classes, CSV", visible=False, elem_id="download-table")

        star_parts = [look, message, period, period_words, picture, class_words, *neighbors, place]
        seen = [*star_parts, bars, *buttons]
        of_file = [upload, account, chooser, *choosers, kind, name, classify_all, table, table_file]
        given = [name, upload, fraction, axis]
        files: dict[str, Any] = {"fn": prepare, "inputs": [look, period, axis], "outputs": buttons, "concurrency_limit": 1}
        files |= {"show_progress": "hidden", "concurrency_id": "matplotlib"}  # whose settings of a size hold for the process
        refold: dict[str, Any] = {"fn": fold, "inputs": [look, period, axis], "outputs": [picture, *buttons]}
        page.load(**files)
        for event in (
            name.input(look_at, given, seen),
            fraction.release(look_at, given, seen),
            file.change(take, [file, fraction, axis], [*of_file, *seen]),
            again.click(read_again, [upload, kind, fraction, axis, *choosers], [*of_file, *seen]),
            axis.input(**refold),
            period.submit(**refold),
            # In the browser and at once: of two quick clicks the server would take one. The last of the pictures is drawn.
            *(
                button.click(None, period, period, js=f"(period) => period ? period * {factor} : period").then(
                    **refold, trigger_mode="always_last"
                )
                for button, factor in ((half, 0.5), (double, 2.0))
            ),
            reset.click(found, [look, axis], [period, picture, *buttons]),
        ):
            event.then(**files)
        classify_all.click(classify, upload, [table, table_file])
    return page


def rounded(look: Look | None) -> float | None:
    """The period found, to the digits that a person reads."""
    return None if look is None or look.period is None else float(f"{look.period.period:.9g}")
