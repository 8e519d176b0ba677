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

from astromer_hf.light_curves.simulation import simulate_light_curves, to_table

ARTEFACTS = Path(__file__).resolve().parents[2] / "runs" / "test-artefacts"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.parquet"
    pq.write_table(to_table(simulate_light_curves(3, seed=5)), path)
    return path


def test_an_uploaded_table_gives_its_light_curves(table: Path):
    light_curves = demo_app.read_upload(table)
    expected = simulate_light_curves(3, seed=5)
    assert [one["object_id"] for one in light_curves] == [curve.object_id for curve in expected]
    np.testing.assert_array_equal(light_curves[2]["mag"], expected[2].mag)


def test_a_file_of_one_light_curve_needs_no_object_id(tmp_path: Path):
    path = tmp_path / "star.csv"
    pd.DataFrame({"time": [1.0, 2.0, 3.0], "mag": [15.0, 15.1, 15.2]}).to_csv(path, index=False)
    (light_curve,) = demo_app.read_upload(path)
    assert light_curve["object_id"] == "star"
    assert light_curve["mjd"].tolist() == [1.0, 2.0, 3.0]


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
