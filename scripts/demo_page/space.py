# Copyright 2026 The astromer_hf developers. MIT licence.
"""The folder of a Hugging Face Space with the page: all that it needs is in it, pinned to what is installed here.

A Space installs `requirements.txt` before its other files are there: it cannot name a wheel beside it. The package is on no
index. Therefore the folder holds a copy of the package with its models, and the requirements are the dependencies alone.
"""

import re
import shutil
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import astromer_hf
from astromer_hf.hub.load import default_classifier_folder, default_model_folder
from astromer_hf.light_curves.simulation import simulate_light_curve
from astromer_hf.plots.figures import plot_folded_light_curve

SCRIPTS = Path(__file__).resolve().parents[1]
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "model_cards")
CPU_INDEX = "--extra-index-url https://download.pytorch.org/whl/cpu"  # the wheels of the other index bring 2 GB of CUDA
CARD = """---
title: What is this star? ASTROMER light curves
emoji: ✨
colorFrom: indigo
colorTo: blue
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: app.py
license: mit
short_description: Class, period and look-alikes of variable stars
thumbnail: https://huggingface.co/spaces/{space_id}/resolve/main/thumbnail.png
tags:
  - astronomy
  - light-curves
  - variable-stars
  - time-series
{models}---

Upload light curves of any survey: class, period, look-alikes, and magnitudes in gaps, with
[ASTROMER](https://doi.org/10.1051/0004-6361/202243928) for Hugging Face Transformers. The folder `astromer_hf` is a copy of the
package, version {version}, with the weights of its models.
"""


def write_space(folder: Path, space_id: str, models: tuple[str, ...] = ()) -> None:
    """Everything that a Space of the page needs.

    Args:
        folder: new or empty.
        space_id: `organisation/name` on the Hub, where the picture of its card will be.
        models: ids on the Hub of the models that it shows, which link to it then.

    Raises:
        FileExistsError: the folder is not empty.
        ValueError: the id is none.
        ImportError: something that the page needs is not installed here.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", space_id):
        raise ValueError(f"The id of a Space is ORGANISATION/NAME, got {space_id!r}.")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists already: name a new or empty folder.")
    requirements = pinned_requirements()  # before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    package = Path(astromer_hf.__file__).parent
    shutil.copytree(package, folder / "astromer_hf", ignore=IGNORED)
    for model in (default_model_folder(), default_classifier_folder()):
        shutil.copytree(model, folder / "astromer_hf" / "model_cards" / model.name)
    shutil.copytree(SCRIPTS / "demo_page", folder / "demo_page", ignore=IGNORED)
    shutil.copyfile(SCRIPTS / "demo_app.py", folder / "app.py")
    listed = "".join(f"  - {model}\n" for model in models)
    card = CARD.format(
        gradio=version("gradio"),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        space_id=space_id,
        models=f"models:\n{listed}" if models else "",
        version=astromer_hf.__version__,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join([CPU_INDEX, *requirements, ""]), encoding="utf-8")
    draw_thumbnail(folder / "thumbnail.png")


def pinned_requirements() -> list[str]:
    """The dependencies of the package and of the page, each in the version that is installed here.

    Raises:
        ImportError: one is not installed.
    """
    project = tomllib.loads((SCRIPTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    names = [re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in needed]
    try:
        # Without a local version such as "+cpu", so that another index may serve it.
        return [f"{name}=={version(name).partition('+')[0]}" for name in names]
    except PackageNotFoundError as error:
        raise ImportError(f"A Space pins {error.name}, which is not installed: pip install -e .[demo]") from error


def draw_thumbnail(picture: Path) -> None:
    """A folded light curve of a simulated star."""
    import numpy as np

    star = simulate_light_curve("RRab", np.random.default_rng(3), "ztf_like")
    figure = plot_folded_light_curve(star.mjd, star.mag, star.period_days, star.magerr, title="What is this star?")
    figure.savefig(picture, dpi=150)
