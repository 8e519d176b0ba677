# Copyright 2026 The astromer_hf developers. MIT licence.
"""The demo page in a browser without a screen: files of users, columns, folds, tables, bad files, and two users at once."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo_app
import numpy as np
import pandas as pd
import pytest
from demo_page.examples import write_examples

from astromer_hf.light_curves.simulation import simulate_light_curve

pytestmark = pytest.mark.slow
ARTEFACTS = Path(__file__).resolve().parents[2] / "runs" / "test-artefacts"
DESKTOP, PHONE = (1280, 1000), (390, 844)
PATIENCE = 120  # seconds


class Browser:
    """Chromium without a screen, looking at the page.

    Args:
        driver: of selenium.
        address: of the page.
    """

    def __init__(self, driver: Any, address: str):
        self.driver, self.address = driver, address

    def text(self, name: str) -> str:
        return self.driver.find_element("id", name).text

    def wait(self, name: str, text: str) -> None:
        """Until an element holds a text."""
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=(Exception,))
        waiting.until(lambda _: text in self.text(name), f"{text!r} does not appear in {name}")

    def wait_for(self, selector: str) -> None:
        """Until an element is there."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, PATIENCE).until(lambda _: self.driver.find_elements("css selector", selector), selector)

    def open(self, theme: str = "light") -> None:
        self.driver.get(f"{self.address}?__theme={theme}")
        self.wait("message", "root-mean-square error")
        self.wait_for("#reconstruction .js-plotly-plot")

    def upload(self, file: Path, account: str) -> None:
        """In place of the file before."""
        if self.driver.find_elements("css selector", "#upload button[aria-label=Clear], #upload button[aria-label=Remove]"):
            self.click("#upload button[aria-label=Clear], #upload button[aria-label=Remove]")
        self.wait_for("#upload input[type=file]")
        self.driver.find_element("css selector", "#upload input[type=file]").send_keys(str(file))
        self.wait("account", account)

    def click(self, selector: str) -> None:
        element = self.driver.find_element("css selector", selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def choose(self, name: str, value: str) -> None:
        """A value of a dropdown; its list is drawn anew while it opens, and the one before may still close."""
        from selenium.webdriver.support.ui import WebDriverWait

        def pick(_: Any) -> bool:
            options = self.driver.find_elements("css selector", "ul[role=listbox] li")
            next(option for option in options if option.text.strip().endswith(value)).click()
            return True

        waiting = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=(Exception,))
        self.click(f"#{name} input")
        waiting.until(pick)
        chosen = f"return document.querySelector('#{name} input').value"
        waiting.until(lambda _: self.driver.execute_script(chosen) == value, f"{name} does not become {value}")

    @property
    def period(self) -> float:
        return float(self.driver.find_element("css selector", "#period input").get_attribute("value") or "nan")

    def wait_for_period(self, days: float) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, PATIENCE).until(lambda _: abs(self.period / days - 1) < 1e-6)

    def picture(self, name: str) -> None:
        """Of the whole page, to be looked at."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(ARTEFACTS / f"demo_page_{name}.png"))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a page that runs in a process of its own."""
    pytest.importorskip("gradio", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    pytest.importorskip("plotly", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SERVER_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, demo_app.__file__, "--simulated", "21"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            # An open port is not enough: a page that is opened before all has started waits for ever.
            assert any("Running on local URL" in line for line in server.stdout), "the page has stopped"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def start(address: str, size: tuple[int, int]) -> Browser:
    """A browser of its own, with a window of this size."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install -e '.[dev]' brings selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its driver is here: make browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(argument)
    if size == PHONE:
        metrics = {"width": size[0], "height": size[1], "pixelRatio": 2.0}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    return Browser(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)), address)


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    started = start(address, DESKTOP)
    yield started
    started.driver.quit()


def test_the_page_shows_a_star_and_refolds_it(browser: Browser):
    browser.open()
    assert "RRab" in browser.text("classes")
    assert "false-alarm probability" in browser.text("period-words")
    for place in ("map", *(f"neighbor-{number}" for number in range(5))):
        browser.wait_for(f"#{place} .js-plotly-plot")
    found = browser.period
    browser.click("#double")
    browser.wait_for_period(2 * found)
    browser.wait("reconstruction", f"phase (period {2 * found:.6g} d)")
    browser.click("#half")
    browser.click("#half")
    browser.wait_for_period(found / 2)
    browser.click("#as-found")
    browser.wait_for_period(found)
    browser.picture("desktop")


def test_files_of_surveys_a_file_of_ones_own_and_a_bad_file(browser: Browser, tmp_path: Path):
    asassn, ztf, six = write_examples(tmp_path)
    browser.open()
    browser.upload(asassn, "read as ASAS-SN")
    assert "upper limit" in browser.text("account")
    browser.wait("message", "one_star_asassn, V")
    browser.wait("reconstruction", "V magnitude")
    browser.upload(ztf, "flagged")
    browser.wait("message", "700000000000001")

    curve = simulate_light_curve("RRab", np.random.default_rng(7))
    mine = tmp_path / "mine.csv"
    pd.DataFrame({"night": curve.mjd, "brightness": curve.mag, "sigma": curve.magerr}).to_csv(mine, index=False)
    browser.upload(mine, "choose it below")
    browser.choose("column-time", "night")
    browser.choose("column-value", "brightness")
    browser.click("#read-again")
    browser.wait("account", f"{len(curve.mjd)} of {len(curve.mjd)} points used")
    browser.wait("message", "mine")
    assert browser.period == pytest.approx(curve.period_days, rel=1e-3)
    browser.picture("own_file")

    rubbish = tmp_path / "rubbish.parquet"
    rubbish.write_bytes(b"no table at all")
    browser.upload(rubbish, "rubbish.parquet")
    assert str(tmp_path) not in browser.text("account")
    assert "/" not in browser.text("account")
    assert not browser.driver.find_elements("css selector", "#reconstruction .js-plotly-plot")
    browser.picture("rubbish")

    browser.upload(six, "6 stars")
    browser.click("#classify-all")
    browser.wait("table", "star-6")
    browser.wait_for("#download-table")
    browser.picture("six_stars")


def test_two_users_at_once_do_not_see_each_other(browser: Browser, address: str, tmp_path: Path):
    asassn, ztf, _ = write_examples(tmp_path)
    other = start(address, PHONE)
    try:
        for user in (browser, other):
            user.open()
        browser.upload(asassn, "ASAS-SN")
        other.upload(ztf, "ZTF")
        browser.wait("message", "one_star_asassn, V")
        other.wait("message", "700000000000001")
        own, theirs = browser.period, other.period
        assert own != theirs
        other.click("#double")
        other.wait_for_period(2 * theirs)
        browser.click("#double")
        browser.wait_for_period(2 * own)
        assert other.period == pytest.approx(2 * theirs)
        assert "ASAS-SN" in browser.text("account")
        assert "ZTF" in other.text("account")
        # Nothing of a phone's page is wider than the phone.
        assert other.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
        other.picture("phone")
    finally:
        other.driver.quit()
