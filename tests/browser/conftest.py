"""A dashboard in a process of its own, and headless Chromium that shows its pages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.search.launch.run_study import run_study

WAIT_S = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)
STUDY = {
    "dataset": "ratings.csv",
    "base": {"architecture": "two_tower", "amp": "off", "max_epochs": 3, "batch_size": 1000},
    "space": {
        "learning_rate": {"float": [1e-3, 1e6], "log": True},
        "kl_weight": {"float": [1e-4, 1e-2], "log": True},
    },
    "known": [
        {"name": "wild", "learning_rate": 1e6},  # diverges
        *(
            {"name": f"tower_{n}", "learning_rate": n * 1e-3, "kl_weight": n * 1e-4}
            for n in range(1, 9)
        ),
    ],
    "trials": 9,
}


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory):
    """A folder with a finished study of nine trials, of which trial 0 diverged."""
    folder = tmp_path_factory.mktemp("study")
    ratings = demo_ratings(2000, n_users=60, n_films=80)
    columns = (ratings.user, ratings.film, ratings.rating, ratings.timestamp)
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    text = "\n".join(["userId,movieId,rating,timestamp", *lines])
    (folder / "ratings.csv").write_text(text + "\n")
    study = {**STUDY, "dataset": str(folder / "ratings.csv")}
    (folder / "small.yaml").write_text(yaml.safe_dump(study))
    run_study(str(folder / "small.yaml"), f"sqlite:///{folder}/studies.db", device="cpu")
    return folder


class Dashboard:
    """A dashboard that runs, and the lines that it prints."""

    def __init__(self, process):
        self._process = process
        self.address = re.search(r"http://\S+", self.line())[0].removesuffix("/dashboard/")

    def line(self):
        """The next line."""
        return self._process.stderr.readline()


@pytest.fixture
def dashboard(study_folder, start_python):
    """Starts a dashboard on the study with some options."""
    code = "from recsys_search.cli import main; main()"

    def start(*options):
        process = start_python(
            code, "dashboard", "--port", 0, *options, cwd=study_folder, stderr=subprocess.PIPE
        )
        return Dashboard(process)

    return start


class Browser:
    """Chromium, and how a test waits for what a page shows."""

    def __init__(self, driver):
        self.driver = driver

    def show(self, address, text):
        """Load a page, and wait for a text on it."""
        self.driver.get(address)
        self.wait_for(text)

    def wait_for(self, text):
        """Wait for a text on the page, and return the page's text."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        def shown(driver):
            found = driver.find_element(By.TAG_NAME, "body").text
            return text in found and found

        return WebDriverWait(self.driver, WAIT_S).until(shown, f"the page never shows {text!r}")

    def find(self, selector):
        """The first element of a CSS selector, once there is one."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, WAIT_S)
        return wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector))

    def click(self, selector):
        self.driver.execute_script("arguments[0].click()", self.find(selector))

    def click_button(self, text):
        """Click a button that reads so."""
        script = (
            "return [...document.querySelectorAll('button')].find(b => b.textContent === "
            "arguments[0])"
        )
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, WAIT_S)
        wait.until(lambda driver: driver.execute_script(script, text)).click()

    def errors(self):
        """What the page has complained about, such as what its security policy forbids."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=str(Path(driver)))
    with webdriver.Chrome(options=options, service=service) as running:
        yield running


@pytest.fixture
def browser(chromium):
    chromium.delete_all_cookies()
    chromium.get_log("browser")
    return Browser(chromium)
