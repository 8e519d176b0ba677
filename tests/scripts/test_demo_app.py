# Copyright 2026 The astromer_hf developers. MIT licence.
"""The demo page: what it makes of uploads, the folder of its Space, and the page itself in a browser without a screen."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo_app
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from conftest import TINY

from astromer_hf import (
    AstromerConfig,
    AstromerFeatureExtractor,
    AstromerForMaskedReconstruction,
    AstromerForSequenceClassification,
)
from astromer_hf.light_curves.simulation import simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource

ARTEFACTS = Path(__file__).resolve().parents[2] / "runs" / "test-artefacts"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.parquet"
    pq.write_table(to_table(simulate_light_curves(3, seed=5)), path)
    return path


def test_an_uploaded_table_gives_its_light_curves(table: Path):
    light_curves, account = demo_app.read_upload(table)
    expected = simulate_light_curves(3, seed=5)
    assert [one["object_id"] for one in light_curves.values()] == [curve.object_id for curve in expected]
    np.testing.assert_array_equal([*light_curves.values()][2]["mag"], expected[2].mag)
    assert account == LightCurveSource.open(table).name + account[account.index(":") :]
    assert "3 stars" in account
    assert str(table.parent) not in account


def test_a_file_of_one_light_curve_needs_no_object_id(tmp_path: Path):
    path = tmp_path / "star.csv"
    pd.DataFrame({"time": [1.0, 2.0, 3.0], "mag": [15.0, 15.1, 15.2]}).to_csv(path, index=False)
    ((name, light_curve),) = demo_app.read_upload(path)[0].items()
    assert name == light_curve["object_id"] == "star"
    assert light_curve["mjd"].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("ending", ["csv", "parquet", "ecsv", "vot", "fits", "json"])
def test_a_table_of_six_stars_is_six_stars(tmp_path: Path, ending: str):
    rows = pd.DataFrame(
        {
            "star": np.repeat([f"S{i}" for i in range(6)], 5),
            "mjd": np.tile(np.arange(5.0), 6) + 58000,
            "mag": 15 + np.arange(30) / 30,
        }
    )
    path = tmp_path / f"six.{ending}"
    if ending in ("ecsv", "vot", "fits"):
        Table.from_pandas(rows).write(path, **({"format": "votable"} if ending == "vot" else {}))
    else:
        getattr(rows, f"to_{ending}")(path, **({"orient": "records"} if ending == "json" else {"index": False}))
    light_curves, account = demo_app.read_upload(path)
    assert [*light_curves] == [f"S{i}" for i in range(6)]
    assert [len(one["mjd"]) for one in light_curves.values()] == [5] * 6
    assert "6 stars; 30 of 30 points used" in account


def test_the_bands_of_a_star_are_light_curves_of_their_own(tmp_path: Path):
    path = tmp_path / "star.csv"
    pd.DataFrame({"mjd": range(8), "mag": [15.0] * 8, "band": ["g", "r"] * 4}).to_csv(path, index=False)
    assert [*demo_app.read_upload(path)[0]] == ["star, g", "star, r"]


def test_of_a_large_table_the_first_light_curves_are_offered_and_that_is_said(tmp_path: Path):
    path = tmp_path / "many.parquet"
    pq.write_table(to_table(simulate_light_curves(demo_app.MAX_UPLOADED + 5, seed=5, classes=["Constant"])), path)
    light_curves, account = demo_app.read_upload(path)
    assert len(light_curves) == demo_app.MAX_UPLOADED
    assert account.startswith(f"The first {demo_app.MAX_UPLOADED} light curves. ")


def test_what_the_page_does_with_an_upload_needs_no_browser(tmp_path: Path):
    pytest.importorskip("gradio", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    AstromerForMaskedReconstruction(AstromerConfig(**TINY)).save_pretrained(tmp_path / "model")
    AstromerForSequenceClassification(AstromerConfig(**TINY)).save_pretrained(tmp_path / "classifier")
    AstromerFeatureExtractor(window_size=TINY["window_size"]).save_pretrained(tmp_path / "classifier")
    demo = demo_app.Demo(str(tmp_path / "model"), str(tmp_path / "classifier"), gallery_size=7)
    page = demo_app.build_page(demo)
    take = next(function.fn for function in page.fns.values() if function.name == "take")
    path = tmp_path / "star.csv"
    curve = simulate_light_curves(1, seed=5)[0]
    bands = np.where(np.arange(len(curve.mjd)) % 2, "g", "r")
    pd.DataFrame({"mjd": curve.mjd, "mag": curve.mag, "band": bands}).to_csv(path, index=False)
    uploaded, _, message, reconstruction, classes, neighbors = take(str(path), 0.5, 0)
    assert [*uploaded] == ["uploaded: star, r", "uploaded: star, g"]
    assert message.startswith("star.csv: read as ")
    assert "root-mean-square error" in message
    assert sum(classes.values()) == pytest.approx(1, abs=1e-3)
    assert reconstruction is not None
    assert neighbors is not None

    path.write_bytes(b"")
    uploaded, _, message, *nothing = take(str(path), 0.5, 0)
    assert uploaded == {}
    assert "This file cannot be read" in message
    assert str(tmp_path) not in message
    assert nothing == [None, None, None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rubbish.csv", b"\x00\x01\x02 not a table"),
        ("rubbish.parquet", b"PAR1 not really"),
        ("words.csv", b"a,b\nx,y\n"),
        ("empty.csv", b""),
        ("picture.png", b"\x89PNG"),
    ],
)
def test_a_bad_upload_is_one_clear_error(tmp_path: Path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError)) as caught:
        demo_app.read_upload(path)
    assert str(caught.value)


def test_the_space_has_its_card_its_requirements_and_the_page(tmp_path: Path):
    pytest.importorskip("gradio", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    demo_app.main(demo_app.parse_args(["--space", str(tmp_path / "space")]))
    assert sorted(path.name for path in (tmp_path / "space").iterdir()) == ["README.md", "app.py", "requirements.txt"]
    assert "sdk: gradio" in (tmp_path / "space" / "README.md").read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match="new or empty"):
        demo_app.write_space(tmp_path / "space", "x")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install -e '.[demo]' brings selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its driver is here: make browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1500"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as started:
        yield started


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """The address of a page that runs in a process of its own."""
    pytest.importorskip("gradio", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, demo_app.__file__, "--port", str(port), "--gallery", "14"]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "OMP_NUM_THREADS": "2"}
    with subprocess.Popen(command, env=environment) as server:
        try:
            for _ in range(600):
                assert server.poll() is None, "the page has stopped"
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.mark.slow
def test_the_page_shows_a_light_curve_takes_a_table_and_explains_a_bad_file(
    browser: Any, page: str, table: Path, tmp_path: Path
):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def message() -> str:
        return browser.find_element(By.ID, "message").text

    def wait_for(text: str) -> None:
        WebDriverWait(browser, 120, ignored_exceptions=(Exception,)).until(lambda _: text in message())

    def upload(file: Path) -> None:
        browser.find_element(By.CSS_SELECTOR, "#upload input[type=file]").send_keys(str(file))

    def remove() -> None:
        browser.find_element(By.CSS_SELECTOR, "#upload button[aria-label=Clear], #upload button[aria-label=Remove]").click()
        WebDriverWait(browser, 120).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#upload input[type=file]"))

    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    browser.get(page)
    wait_for("root-mean-square error")
    assert "macho_like-2-000000" in message()
    WebDriverWait(browser, 60).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#reconstruction img"))
    assert browser.find_elements(By.CSS_SELECTOR, "#neighbors img")
    assert "RRab" in browser.find_element(By.ID, "classes").text
    browser.save_screenshot(str(ARTEFACTS / "demo_page.png"))

    upload(table)
    wait_for("macho_like-5-000000")
    assert browser.find_elements(By.CSS_SELECTOR, "#reconstruction img")
    browser.save_screenshot(str(ARTEFACTS / "demo_page_upload.png"))

    remove()
    wait_for("macho_like-2-000000")
    rubbish = tmp_path / "rubbish.parquet"
    rubbish.write_bytes(b"no table at all")
    upload(rubbish)
    wait_for("This file cannot be read")
    assert "rubbish.parquet" in message()
    assert "/" not in message()
    assert not browser.find_elements(By.CSS_SELECTOR, "#reconstruction img")
    browser.save_screenshot(str(ARTEFACTS / "demo_page_rubbish.png"))
