"""The dashboard's pages in Chromium."""

from __future__ import annotations

import pytest
from recsys_search.search.dashboard.writes import READ_ONLY

pytestmark = pytest.mark.browser


def edit_note(browser, text):
    """Write a note on the page that shows one, and save it."""
    browser.click('button:has([data-testid="EditIcon"])')
    area = browser.find("textarea:not([aria-hidden])")
    area.send_keys(text)
    browser.click_button("Save")


def test_the_study_page_shows_its_figures_and_that_it_is_read_only(browser, dashboard):
    browser.show(f"{dashboard().address}/dashboard/studies/1", "Curves of trials")
    for title in ("Best so far", "KL weight", "Active units and KL", "What mattered"):
        text = browser.wait_for(title)
    assert "Read-only. To edit notes, start it with --writable." in text
    assert "diverged" in text  # in the legends
    assert browser.errors() == []


def test_the_studys_note_says_what_to_type_next(browser, dashboard):
    browser.show(f"{dashboard().address}/dashboard/studies/1/note", "Next commands")
    text = browser.wait_for("9 of 9 trials: 8 complete, 1 pruned")
    assert "recsys-search best --export config.yaml --study small" in text


def test_the_table_of_trials_says_why_each_ended(browser, dashboard):
    address = dashboard().address
    browser.show(f"{address}/dashboard/studies/1/smartSelection", "Parallel Coordinate")
    text = browser.wait_for("ran all 3 epochs")
    assert "diverged" in text
    assert browser.errors() == []


def test_a_trial_shows_its_note_and_its_epochs(browser, dashboard):
    address = dashboard().address
    browser.show(f"{address}/dashboard/studies/1/trials?numbers=1", "Trial 1: complete")
    text = browser.wait_for("reports.jsonl")
    assert "architecture: two_tower" in text
    browser.click('[aria-label="show artifact table"]')
    text = browser.wait_for("val_rmse")
    assert "active_units" in browser.wait_for("grad_norm")
    assert browser.errors() == []


def test_a_note_cannot_be_saved_read_only_and_the_page_says_why(browser, dashboard):
    shown = dashboard()
    browser.show(f"{shown.address}/dashboard/studies/1/note", "Next commands")
    edit_note(browser, "my own")
    browser.wait_for(f"Failed: {READ_ONLY}")
    assert shown.line() == f"PUT /api/studies/1/note refused: {READ_ONLY}\n"


def test_a_note_can_be_saved_where_it_is_writable(browser, dashboard):
    address = dashboard("--writable").address
    page = f"{address}/dashboard/studies/1/trials?numbers=2"
    browser.show(page, "Trial 2: complete")
    edit_note(browser, "tried it again by hand")
    browser.wait_for("Success to save the note")
    browser.show(page, "tried it again by hand")
    assert "Notes can be edited here, and nothing else." in browser.wait_for("Notes can")


def test_beyond_this_machine_the_token_is_left_out_of_the_address(browser, dashboard):
    shown = dashboard("--host", "0.0.0.0")
    address = shown.line().removeprefix("or at ").strip()
    page, _, token = address.partition("?token=")
    browser.show(page, "this dashboard needs its token")
    # From a page of another site, as from a chat in the browser.
    browser.driver.get(f'data:text/html,<a href="{address}">here</a>')
    browser.click("a")
    browser.wait_for("small")
    assert browser.driver.current_url.partition("?")[0] == page
    assert token not in browser.driver.current_url
    assert token not in browser.driver.page_source
