"""The page in a browser, from a file and without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from recsys_search.search.report.comparison import html_comparison
from recsys_search.search.report.page import FIGURES, html_report

pytestmark = pytest.mark.browser

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=10000"),
    *("--enable-logging=stderr", "--v=0", "--dump-dom"),
)


@pytest.fixture
def opened(tmp_path):
    """Opens a page: the text of its elements once it is drawn, and what its console says."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        pytest.skip("Chromium is not installed")

    def open_page(text):
        path = tmp_path / "report.html"
        path.write_text(text)
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [chromium, *FLAGS, profile, path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        # The driver that stands in for a GPU comments on its own speed.
        console = [line for line in said if "GL Driver Message" not in line]
        return done.stdout, console

    return open_page


def plots(dom):
    """Figure -> what is in its place."""
    parts = re.split(r'id="figure-(\w+)"', dom)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_figure_is_drawn_and_every_row_can_be_copied(opened, study):
    dom, console = opened(html_report(study))
    assert console == []
    assert re.search(r'<html[^>]* data-drawn="yes"', dom)
    drawn = plots(dom)
    assert list(drawn) == list(FIGURES)
    for name, content in drawn.items():
        assert "main-svg" in content or "no WebGL" in content, name
    numbers = re.findall(r'class="copy" data-number="(\d+)"', dom)
    assert numbers == [str(trial.number) for trial in study.trials]
    assert f"{len(study.trials)} of {len(study.trials)} trials" in dom


def test_text_of_a_study_does_not_run(opened, study):
    text = "</script><!--<script><img src=x onerror=console.error(1)>"
    trials = [
        replace(each, record={**each.record, "reason": text}, worker=(text, 1))
        for each in study.trials
    ]
    dom, console = opened(html_report(replace(study, trials=trials)))
    assert console == []
    assert 'data-drawn="yes"' in dom


def test_a_comparison_is_drawn(opened, study):
    dom, console = opened(html_comparison(study, study))
    assert console == []
    assert 'data-drawn="yes"' in dom
    assert "main-svg" in plots(dom)["progress"]
