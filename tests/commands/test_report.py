"""`report`: a study as one page, as Markdown, and next to another."""

from __future__ import annotations

import pytest
import yaml
from recsys_search.search.report import audit


def title(text):
    return text.split("<h1>")[1].split("</h1>")[0]


def test_the_page_is_written_to_report_html(done, job):
    outcome = done("report")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.splitlines() == ["wrote report.html"]
    page = (job[0] / "report.html").read_text()
    assert title(page) == "Study small"
    assert page.rstrip().endswith("</html>")


def test_markdown_goes_to_report_md(done, job):
    assert done("report", "--format", "md").err.splitlines() == ["wrote report.md"]
    assert (job[0] / "report.md").read_text().startswith("## Study small\n")


def test_an_existing_file_is_replaced(done, job):
    path = job[0] / "a page.html"
    path.write_text("before")
    assert done("report", "--study", "small", "--out", path).code == 0
    assert title(path.read_text()) == "Study small"


def test_on_stdout_there_is_only_the_report(done):
    outcome = done("report", "--format", "md", "--out", "-")
    assert outcome.out.startswith("## Study small\n")
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("place", ["file", "missing/report.html"])
def test_a_place_that_cannot_be_written_is_an_error(place, done, tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "file").chmod(0o444)
    outcome = done("report", "--out", tmp_path / place)
    assert outcome.code == 1
    assert outcome.err.startswith("error: ") and str(tmp_path / place) in outcome.err
    assert (tmp_path / "file").read_text() == "kept"


def test_a_storage_without_studies_is_nothing_to_show_yet(cli, folder):
    outcome = cli("report")
    assert outcome.code == 3
    assert "no studies in sqlite:///studies.db" in outcome.err
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("options", [["--study", "large"], ["--compare", "large"]])
def test_an_unknown_study_is_an_error(options, done):
    outcome = done("report", *options, "--out", "-")
    assert (outcome.code, outcome.out) == (1, "")
    assert "large" in outcome.err and "small" in outcome.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--audit", "1", "--compare", "x"], "--audit trains trials of one study"),
        (["--dataset", "ratings"], "--dataset has no effect without --audit"),
        (
            ["--audit", "0"],
            "Invalid value for '--audit': Input should be greater than or equal to 1",
        ),
        (["--format", "pdf"], "'pdf' is not one of 'html', 'md'"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(options, message, done):
    outcome = done("report", *options)
    assert outcome.code == 2
    assert message in " ".join(outcome.err.replace("│", " ").split())


def test_a_study_is_not_compared_with_itself(done):
    outcome = done("report", "--compare", "small")
    assert outcome.code == 2
    assert "--compare small names the study itself" in outcome.err


@pytest.fixture
def stopped(cli, folder):
    """Calls a command where a study has a diverged trial, the only one that a rule stopped."""
    study = yaml.safe_load((folder / "small.yaml").read_text())
    study |= {"known": study["known"][::2], "trials": 2}
    (folder / "small.yaml").write_text(yaml.safe_dump(study))
    outcome = cli("start", "--study", "small.yaml", "--device", "cpu", "--quiet")
    assert outcome.code == 0, outcome.err
    return cli


def test_an_audit_is_in_the_report(stopped, folder):
    before = stopped("report", "--format", "md", "--out", "-").out
    outcome = stopped(
        *("report", "--audit", "5", "--device", "cpu", "--format", "md", "--out", "audited.md")
    )
    assert outcome.code == 0, outcome.err
    assert "training 1 of 1 stopped trials to their end" in outcome.err
    sentence = "0 of 1 stopped trials, drawn at random from 1 and trained to their end, would have"
    assert sentence in (folder / "audited.md").read_text() and sentence not in before


def test_ctrl_c_is_130_and_prints_how_to_continue(stopped, press_ctrl_c):
    press_ctrl_c(audit, "audit")
    outcome = stopped("report", "--study", "small", "--audit", "5", "--out", "r.html", "--quiet")
    assert outcome.code == 130
    assert outcome.err.splitlines() == [
        "interrupted; continue with: recsys-search report --audit 5 --out r.html --study small"
    ]


def test_an_audit_does_not_begin_without_a_folder_for_its_report(stopped):
    outcome = stopped("report", "--audit", "5", "--out", "missing/report.html")
    assert outcome.code == 1
    assert "missing" in outcome.err and "training" not in outcome.err


def test_two_studies_are_compared(cli, folder):
    for name in ("one", "two"):
        study = {**yaml.safe_load((folder / "small.yaml").read_text()), "name": name, "trials": 1}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(study))
        outcome = cli("start", "--study", f"{name}.yaml", "--device", "cpu", "--quiet")
        assert outcome.code == 0, outcome.err
    assert cli("report", "--study", "one", "--compare", "two").code == 0
    assert title((folder / "report.html").read_text()) == "one and two"
    out = cli("report", "--study", "one", "--compare", "two", "--format", "md", "--out", "-").out
    assert out.startswith("## one and two\n\nBoth have found validation RMSE ")
