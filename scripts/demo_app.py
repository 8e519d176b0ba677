# Copyright 2026 The astromer_hf developers. MIT licence.
"""A web page to try the models: class, period, reconstruction and look-alikes of light curves.

    python scripts/demo_app.py                                   # http://127.0.0.1:7860
    python scripts/demo_app.py --classifier my-classifier        # one that astromer-hf fit made
    python scripts/demo_app.py --gallery my-stars.parquet        # look-alikes among labelled stars of yours
    python scripts/demo_app.py --space runs/space --space-id ORG/NAME   # the folder of a Hugging Face Space, ready to push

The gallery is simulated unless you name one: the surveys' light curves that this project uses may not be passed on. The
variables GRADIO_SERVER_NAME and GRADIO_SERVER_PORT tell host and port too, as in a Space. The parts are in `demo_page/`.
"""

import argparse
import os
from pathlib import Path

from demo_page.stars import Demo
from transformers.utils import logging

from astromer_hf.cli.numbers import count, whole
from astromer_hf.hub.load import default_classifier_folder, default_model_folder


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or id of a pre-trained model; the packaged one when absent")
    parser.add_argument("--classifier", help="folder or id of a classifier; the packaged one when absent")
    parser.add_argument("--gallery", metavar="TABLE", help="light curves with labels among which look-alikes are searched")
    parser.add_argument("--simulated", type=count, default=140, help="stars of the gallery where none is named (%(default)s)")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=whole(0, 65535), default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--space", type=Path, metavar="FOLDER", help="write a Space into this new folder, and stop")
    parser.add_argument("--space-id", metavar="ORG/NAME", help="of that Space on the Hub")
    parser.add_argument("--space-models", nargs="*", default=[], metavar="ID", help="models on the Hub that its card links")
    args = parser.parse_args(argv)
    if args.space and not args.space_id:
        parser.error("--space needs --space-id ORG/NAME, where the Space will be.")
    return args


def main(args: argparse.Namespace) -> None:
    if args.space:
        from demo_page.space import write_space

        write_space(args.space, args.space_id, tuple(args.space_models))
        print(f"A Space -> {args.space}; hf upload {args.space_id} {args.space} --repo-type space shares it.")
        return
    from demo_page.page import STYLE, build_page

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print("Loading the models and embedding the gallery, half a minute ...", flush=True)
    model, classifier = args.model or str(default_model_folder()), args.classifier or str(default_classifier_folder())
    demo = Demo(model, classifier, args.gallery, args.simulated)
    page = build_page(demo).queue(max_size=32)
    page.launch(
        server_name=args.host,
        server_port=args.port,
        share=False,
        css=STYLE,
        max_file_size="50mb",
        footer_links=["gradio", "settings"],
        run_history=False,  # users see nothing of each other
    )


if __name__ == "__main__":
    main(parse_args())
