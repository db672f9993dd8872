"""The report as a page and as Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import yaml
from jinja2 import UndefinedError
from recsys_search.data.splits.ledger import Ledger
from recsys_search.data.splits.split import fingerprint_of_split
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.model.runs.experiment import read_experiment
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.report.facts import commands, facts_of
from recsys_search.search.report.markdown import markdown_report
from recsys_search.search.report.page import FIGURES, html_report
from recsys_search.search.report.templates import environment

HOSTILE = "</script><!--<script><img src=x onerror=alert(1)>\"'|`](http://x)\n# y"


class Page(HTMLParser):
    """What a browser would make of a page: elements, attributes, scripts and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.headings, self.text = [], [], [], [], ""
        self._open = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self._open = (tag, dict(attributes))
        if tag == "script":
            self.scripts.append((dict(attributes), ""))
        if tag == "h2":
            self.headings.append("")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        tag = self._open and self._open[0]
        if tag == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif tag == "h2":
            self.headings[-1] += data
        else:
            self.text += data


def rows_of_tables(markdown):
    """Each table of a Markdown text, as the numbers of cells in its rows."""
    tables, current = [], []
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("|"):
            current.append(line.count("|") - 1)
        elif current:
            tables.append(current)
            current = []
    return tables


@pytest.fixture(scope="module")
def page(study):
    return html_report(study)


def test_the_ten_sections_are_in_order(page):
    assert Page(page).headings == [
        "1. Verdict",
        "2. Best so far",
        "3. Curves",
        "4. Trials",
        "5. Importance",
        "6. Parallel coordinates",
        "7. Slices and contours",
        "8. Workers",
        "9. Audit of the pruners",
        "10. Health and provenance",
    ]


def test_nothing_is_loaded_from_elsewhere(page):
    parsed = Page(page)
    links = [value for name, value in parsed.attributes if name in ("src", "href", "data-src")]
    assert links and all(link.startswith("#") for link in links)
    assert {"link", "iframe", "img", "object", "embed"}.isdisjoint(parsed.tags)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    assert "@import" not in style and "url(" not in style
    policy = dict(parsed.attributes)["http-equiv"], "default-src 'none'" in page
    assert policy == ("Content-Security-Policy", True)


def test_plotly_is_in_the_page_once_and_each_figure_is_json(page):
    scripts = Page(page).scripts
    plotly = [text for _, text in scripts if len(text) > 1_000_000]
    assert len(plotly) == 1
    figures = {
        attributes["data-figure"]: json.loads(text)
        for attributes, text in scripts
        if "data-figure" in attributes
    }
    assert list(figures) == [f"figure-{name}" for name in FIGURES]
    assert all(figure["data"] for figure in figures.values())


def test_the_table_has_each_trial_with_its_reason(page, study):
    text = Page(page).text
    for trial in study.trials:
        assert trial.record["reason"] is None or trial.record["reason"] in text
    assert page.count("<tr><td>") + page.count('<tr class="best"><td>') >= len(study.trials)
    assert f'<tr class="best"><td>{study.best.number}*' in page


def test_the_page_is_written_for_any_study(unusual_study):
    headings = Page(html_report(unusual_study)).headings
    assert len(headings) == 10


def test_markdown_is_written_for_any_study(unusual_study):
    text = markdown_report(unusual_study)
    assert text.startswith("## Study small\n")
    assert all(len(set(cells)) == 1 for cells in rows_of_tables(text))
    assert ("To train the winner again" in text) == (unusual_study.best is not None)


def test_markdown_tables_have_rows_of_equal_length(study):
    tables = rows_of_tables(markdown_report(study))
    assert len(tables) == 3  # best trials, what was stopped, importance
    assert all(len(set(cells)) == 1 for cells in tables)
    n_completed = len(study.completed)
    assert len(tables[0]) == 2 + min(5, n_completed)


# Text that a study brings along.


@pytest.fixture(scope="module")
def hostile(study, make_trial):
    name = HOSTILE.replace("\n", " ")  # a study is named on one line
    known = ({**study.spec.known[0], "name": HOSTILE},)
    spec = study.spec.model_copy(update={"name": name, "dataset": HOSTILE, "known": known})
    trials = [
        replace(each, record={**each.record, "reason": HOSTILE, "known_config": HOSTILE})
        for each in study.trials
    ]
    failed = make_trial(12, 0, 1, state="failed", reason=HOSTILE, warning=HOSTILE, value=None)
    worker = (HOSTILE, 1)
    trials = [replace(each, worker=worker) for each in (*trials, failed)]
    return replace(study, spec=spec, trials=trials)


def test_a_studys_text_is_no_html(hostile, page):
    parsed = Page(html_report(hostile))
    assert "img" not in parsed.tags
    assert "onerror" not in dict(parsed.attributes)
    assert parsed.tags.count("script") == Page(page).tags.count("script")
    assert len(parsed.headings) == 10
    assert HOSTILE in parsed.text


def test_a_script_in_a_label_ends_no_script(hostile):
    """The name of the machine is a label of the timeline."""
    scripts = {
        attributes["data-figure"]: text
        for attributes, text in Page(html_report(hostile)).scripts
        if "data-figure" in attributes
    }
    timeline = scripts["figure-timeline"]
    assert "<" not in timeline
    assert HOSTILE in json.loads(timeline)["data"][0]["y"][0]


def test_a_studys_text_is_no_markdown(hostile):
    text = markdown_report(hostile)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert "<img" not in prose and "<script" not in prose and "](http" not in prose
    assert "\n# y" not in prose
    assert all(len(set(cells)) == 1 for cells in rows_of_tables(prose))


def test_a_template_without_its_value_is_an_error():
    with pytest.raises(UndefinedError):
        environment().from_string("{{ missing }}").render()


# What repeats the study.


def test_the_config_on_the_page_is_the_winners(study, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(facts_of(study)["config"])
    experiment = read_experiment(path)
    assert experiment.config == config_from_mapping(study.best.config)
    assert experiment.fingerprint == study.fingerprint
    assert (experiment.dataset, experiment.split) == (study.spec.dataset, study.spec.split)
    assert experiment.metric == "val_rmse"


def test_the_config_names_how_the_ratings_are_read_and_the_metric(study, tmp_path):
    reading = {"columns": {"user": "off", "item": "no"}, "duplicates": "newest"}
    spec = study.spec.model_copy(update=reading)
    path = tmp_path / "config.yaml"
    other = replace(study, spec=spec, metric=METRICS["val_ndcg"])
    status = {**study.status, "best": {**study.status["best"], "val_ndcg": 0.5}}
    path.write_text(facts_of(replace(other, status=status))["config"])
    experiment = read_experiment(path)
    assert dict(experiment.read_options.columns) == reading["columns"]
    assert experiment.read_options.duplicates == "newest"
    assert experiment.metric == "val_ndcg"


def test_the_study_file_on_the_page_is_the_study(unusual_study, study, tmp_path):
    for each in (unusual_study, study):
        path = tmp_path / "study.yaml"
        path.write_text(facts_of(each)["study_file"])
        assert load_study(str(path)) == each.spec


def test_off_stays_text_in_the_study_file(study):
    text = facts_of(study)["study_file"]
    assert yaml.safe_load(text)["base"]["amp"] == "off"
    assert yaml.safe_load(text)["space"]["neighbours"]["choice"] == ["off", "auto"]


def test_the_search_is_run_again_in_another_storage(study):
    assert commands(study)["search"] == (
        f"recsys-search start --study study.yaml --dataset {study.spec.dataset} "
        "--storage sqlite:///again.db"
    )


def test_a_password_is_in_neither_report(study):
    url = "postgresql+psycopg://ann:s3cret@db.example/studies"
    for write in (html_report, markdown_report):
        text = write(replace(study, url=url))
        assert "s3cret" not in text
        assert "RECSYS_SEARCH_STORAGE" in text
    assert "ann:***@db.example" in html_report(replace(study, url=url))


# Health and provenance.


def test_versions_are_counted_where_trials_differ(study, make_trial):
    trials = [
        make_trial(at, environment={"torch": torch}) for at, torch in enumerate(["2", "2", "1"])
    ]
    status = {**study.status, "best": None}
    found = facts_of(replace(study, trials=trials, status=status))["provenance"]
    assert found["torch"] == "2 (2 of 3 trials), 1 (1 of 3 trials)"


def test_who_opened_the_test_split_is_listed(study, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", str(tmp_path))
    assert facts_of(study)["provenance"]["test split"] == "never opened on this machine"
    fingerprint = fingerprint_of_split(study.fingerprint, study.spec.split)
    Ledger().record_opening(
        fingerprint,
        config=study.best.config,
        dataset="ratings",
        split=study.spec.split,
        command="evaluate",
    )
    found = facts_of(study)["provenance"]["test split"]
    assert re.fullmatch(r"opened once on this machine: 2\S+ by evaluate \(two_tower\)", found)


def test_warnings_limits_second_chances_and_failures_are_listed(study, make_trial):
    trials = [
        make_trial(0, state="complete", warning="few ratings"),
        make_trial(1, state="pruned", stop_reason="known-limit", epochs=0),
        make_trial(2, state="complete", second_chance="half the batch"),
        make_trial(3, state="failed", reason="it broke"),
    ]
    facts = facts_of(replace(study, trials=trials, status={**study.status, "best": None}))
    health = facts["health"]
    assert (health["n_warnings"], health["warnings"]) == (1, ["trial 0: few ratings"])
    assert health["beyond_limits"] == 1
    assert health["second_chances"] == ["trial 2: half the batch"]
    assert facts["workers"]["failures"] == ["trial 3 failed: it broke"]


def test_seeds_that_disagree_with_the_search_are_listed(study):
    first, *others = (each.number for each in study.completed if each is not study.best)
    row = {**dict.fromkeys(("mean", "low", "high", "value"), 0.9), "architecture": "two_tower"}
    row |= {"diverged_with_seed": None, "tie": False, "behind": None}
    behind = {"mean": 0.001, "low": -0.01, "high": 0.01}
    rows = [
        {**row, "number": first},
        {**row, "number": study.best.number, "tie": True, "behind": behind},
        {**row, "number": others[0], "mean": None, "diverged_with_seed": 1001},
    ]
    facts = facts_of(replace(study, confirmation=rows))
    assert facts["health"]["disagreements"] == [
        f"trial {others[0]} diverged with seed 1001",
        f"the search's best was trial {study.best.number}; with other seeds trial {first} leads",
        f"with other seeds, tied with the leader: trial {study.best.number}",
    ]
    table = rows_of_tables(markdown_report(replace(study, confirmation=rows)))[0]
    assert table == [5] * 5
