"""Exit codes, errors in one line, and help."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import typer
from recsys_search import cli as program
from recsys_search.search.launch import run_study

COMMANDS = [
    (),
    ("start",),
    ("worker",),
    ("stop",),
    ("studies",),
    ("status",),
    ("trials",),
    ("trials", "rm"),
    ("show",),
    ("compare",),
    ("best",),
    ("confirm",),
    ("train",),
    ("evaluate",),
    ("predict",),
    ("ensemble",),
    ("importance",),
    ("report",),
    ("dashboard",),
    ("doctor",),
    ("presets",),
    ("data",),
    ("data", "info"),
]


def one_line(outcome, code=1):
    """The one line on stderr of a command that ended with the code."""
    assert outcome.code == code, outcome
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    return line


# Help.


def test_these_are_all_commands():
    commands = typer.main.get_command(program.app).commands
    assert set(commands) == {name for name, *_ in filter(None, COMMANDS)}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "all")
def test_help_ends_with_an_example_command(cli, command):
    outcome = cli(*command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    last = outcome.out.rstrip().splitlines()[-1].strip()
    assert last.startswith(" ".join(["recsys-search", *command]))


@pytest.mark.parametrize("command", [(), ("data",)], ids=["all", "data"])
def test_no_summary_of_a_command_is_cut_in_80_columns(cli, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    _, _, summaries = cli(*command, "--help").out.partition("\nCommands:\n")
    assert summaries
    assert "..." not in summaries
    assert max(map(len, summaries.splitlines())) <= 80


def test_help_imports_nothing_heavy():
    script = """
import sys
from recsys_search.cli import main
try:
    main(["--help"])
finally:
    sys.stderr.write(" ".join({"torch", "optuna", "pandas", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout


def test_no_arguments_show_the_help():
    done = subprocess.run(
        [sys.executable, "-c", "from recsys_search.cli import main; main()"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Usage: " in done.stdout + done.stderr


# Exit codes.


@pytest.mark.parametrize(
    "args",
    [
        ("strat",),
        ("start",),
        ("start", "--study", "demo", "--trials", "0"),
        ("start", "--study", "demo", "--trials", "many"),
        ("start", "--study", "demo", "--detached"),
        ("trials", "--state", "finished"),
        ("evaluate", "runs/a", "--split", "train"),
        ("confirm", "--seeds", "1"),
        ("confirm", "--top", "0"),
        ("predict", "runs/a", "pairs.csv"),
        ("dashboard", "--port", "70000"),
    ],
)
def test_wrong_usage_is_2(cli, args):
    outcome = cli(*args)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Error: " in outcome.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("start", "--study", "smal"),
            "error: no built-in study and no file named 'smal'; choose from breakthrough, demo, "
            "or give the path of a YAML file",
        ),
        (
            ("start", "--study", "small.yaml", "--dataset", "ml-2m"),
            "error: no dataset named 'ml-2m'; choose from ml-latest-small, ml-100k, ml-1m, ml-10m, "
            "ml-20m, ml-25m, ml-32m, demo, or name a folder with ratings.csv, ratings.parquet, "
            "ratings.dat or u.data, or a file of ratings",
        ),
        (
            ("start", "--study", "small.yaml", "--dataset", "demo:lots"),
            "error: 'demo:lots' is not a valid size; write a whole number of ratings up to 1000M, "
            "such as demo:250k, demo:1.5M or demo:32000000",
        ),
        (
            ("start", "--study", "small.yaml", "--storage", "mine.db"),
            "error: storage 'mine.db' is not a database URL; write sqlite:///mine.db",
        ),
        (
            ("train", "--architecture", "hybird", "--dataset", "demo"),
            "error: no architecture named 'hybird'; choose from two_tower, hybrid, mf, biases",
        ),
        (
            ("train", "--config", "none.yaml"),
            "error: no config at none.yaml; write one with: recsys-search best --export none.yaml",
        ),
        (
            ("evaluate", "runs/none"),
            "error: no run at runs/none; make one with: recsys-search train "
            "--architecture two_tower --dataset demo --out runs/first",
        ),
        (
            ("data", "info", "ml-2m"),
            "error: no dataset named 'ml-2m'; choose from ml-latest-small, ml-100k, ml-1m, ml-10m, "
            "ml-20m, ml-25m, ml-32m, demo, or name a folder with ratings.csv, ratings.parquet, "
            "ratings.dat or u.data, or a file of ratings",
        ),
    ],
)
def test_an_error_is_1_and_one_line_with_the_remedy(cli, args, message):
    assert one_line(cli(*args)) == message


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("train", "--dataset", "demo"),
            "error: name one of --config FILE and --architecture NAME",
        ),
        (
            ("train", "--architecture", "hybrid"),
            "error: --architecture hybrid needs --dataset, such as demo",
        ),
        (
            ("train", "--architecture", "hybrid", "--dataset", "demo", "--split", "80/20"),
            "error: split must look like 80/10/10, temporal:80/10/10, leave-last-1, u1, ",
        ),
        (
            ("best", "--trial", "0", "--top", "1"),
            "error: --top shows the best trials and --trial a certain one; leave out one",
        ),
        (
            ("start", "--study", "small.yaml", "--timeout", "10"),
            "error: '10' is not a duration; write 2h, 10m, 90s, 1d12h, 1h30m or 01:30:00",
        ),
        (
            ("start", "--study", "small.yaml", "--device", "gpu"),
            "error: no device named 'gpu'; choose auto, cpu, cuda or cuda:0",
        ),
    ],
)
def test_an_invalid_option_value_is_2(cli, args, message):
    assert one_line(cli(*args), code=2).startswith(message)


READING = [
    ["studies"],
    ["status"],
    ["trials"],
    ["show", "--trial", "0"],
    ["compare", "0", "1"],
    ["best"],
    ["confirm"],
    ["importance"],
    ["dashboard"],
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_missing_or_empty_storage_is_3_and_is_not_created(cli, folder, command, is_empty):
    if is_empty:
        (folder / "studies.db").touch()
    assert one_line(cli(*command), code=3) == (
        "error: no studies in sqlite:///studies.db; run one with: recsys-search start --study demo"
    )
    assert (folder / "studies.db").exists() == is_empty
    assert not (folder / "studies.artifacts").exists()


@pytest.mark.parametrize("command", [*READING, ["start", "--study", "t"]], ids=" ".join)
def test_a_damaged_storage_is_1_with_its_cause(cli, folder, command):
    (folder / "studies.db").write_bytes(b"no database at all" * 100)
    assert one_line(cli(*command)) == (
        "error: storage sqlite:///studies.db cannot be opened: file is not a database; restore the "
        "file from a copy, or name another with --storage"
    )


def test_nothing_to_show_yet_is_3(cli, folder):
    study = folder / "small.yaml"
    study.write_text(study.read_text().replace("learning_rate: 0.01", "learning_rate: 1000000.0"))
    outcome = cli("start", "--study", "small.yaml", "--trials", "1", "--device", "cpu")
    assert outcome.code == 0
    assert "recsys-search best" not in outcome.out
    assert json.loads(cli("status", "--json").out)["best"] is None
    for command in (["best"], ["best", "--json"], ["best", "--export", "config.yaml"]):
        assert one_line(cli(*command), code=3) == (
            "error: small has no completed trial yet; continue with: recsys-search start "
            "--study small"
        )
    assert not (folder / "config.yaml").exists()
    outcome = cli("best", "--trial", "0")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == (
        "trial 0 is not the best (no trial has completed): pruned, diverged"
    )


def test_a_study_is_chosen_by_its_name(done):
    assert json.loads(done("status", "--study", "small", "--json").out)["study"] == "small"
    assert one_line(done("status", "--study", "big")) == (
        "error: no study named 'big' in sqlite:///studies.db; it holds: small"
    )


@pytest.mark.parametrize("command", ["show", "best"])
def test_an_unknown_trial_is_1(done, command):
    line = one_line(done(command, "--trial", "7"))
    assert line == "error: no trial 7 in small; it has trials 0 to 2"


def test_an_existing_run_is_not_overwritten(job, done):
    before = (job[0] / "runs" / "a" / "config.yaml").read_bytes()
    assert one_line(done("train", "--config", "config.yaml", "--out", "runs/a")) == (
        "error: runs/a already exists; choose another --out, or remove it"
    )
    assert (job[0] / "runs" / "a" / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("userId,movieId\n1,2\n1,two\n", "pairs.csv line 3: movieId 'two' "),
        ("userId,movieId\n", "pairs.csv has no pairs; add a line such as 1,296"),
        ("userId\n1\n", "pairs.csv"),
    ],
)
def test_a_bad_file_of_pairs_is_1_with_its_line(done, tmp_path, text, message):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(text)
    line = one_line(done("predict", "runs/a", pairs, "--out", tmp_path / "out.csv"))
    assert line.startswith(f"error: {tmp_path}/{message}")
    assert not (tmp_path / "out.csv").exists()


def test_predictions_into_a_missing_folder_are_1(done, tmp_path):
    (tmp_path / "pairs.csv").write_text("userId,movieId\n1,2\n")
    out = tmp_path / "none" / "out.csv"
    line = one_line(done("predict", "runs/a", tmp_path / "pairs.csv", "--out", out))
    assert line.startswith(f"error: {out} cannot be written: ")
    assert not line.endswith("None")


CONFIG = "config:\n  architecture: two_tower\n  seed: 7\ndata: {dataset: ratings}\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "seed: -7", " line 3: config: seed must be at least 0, got -7"),
        ("seed: 7", "sede: 7", " line 3: config: two_tower has no field named 'sede'; did you me"),
        ("seed: 7", "seed: &a [*a]", " line 3: contains an alias of itself; write the value out"),
        ("seed: 7", "seed: 7\n  seed: 8", " line 4: seed is already on line 3; keep one of"),
        (
            "{dataset: ratings}",
            "{dataset: ratings",
            " line 5: not valid YAML: while parsing a flow",
        ),
        ("two_tower", "!!python/name:os.system", " line 2: !!python/name:os.system is a tag, and"),
        ("two_tower", "\udcff", " line 2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("data: {dataset: ratings}\n", "", ": data is missing; add it"),
        (CONFIG, "", ": the file is empty; write `key: value` lines"),
    ],
)
def test_a_damaged_config_is_1_and_leaves_nothing_behind(cli, folder, old, new, message):
    damaged = CONFIG.replace(old, new).encode(errors="surrogateescape")
    (folder / "config.yaml").write_bytes(damaged)
    before = everything_in(folder)
    line = one_line(cli("train", "--config", "config.yaml"))
    assert line.startswith(f"error: config.yaml{message}")
    assert everything_in(folder) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials: 3", "trials: 0", "trials must be at least 1, got 0"),
        ("trials: 3", "trails: 3", "trails: unknown key; did you mean trials?"),
        ("trials: 3", "trials: 3\ntrials: 4", "trials is already on line "),
        ("trials: 3", "trials: [", "not valid YAML: while parsing a flow node"),
        ("- 1000000.0", "- .inf", "space learning_rate: float must be a finite number, got inf"),
        (
            "learning_rate: 0.01",
            "learning_rate: 1e-9",
            "known learning_rate: learning_rate 1e-09 is not",
        ),
    ],
)
def test_a_damaged_study_is_1_and_leaves_nothing_behind(cli, folder, old, new, message):
    path = folder / "small.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    before = everything_in(folder)
    line = one_line(cli("start", "--study", "small.yaml"))
    assert re.match(rf"error: small\.yaml line [1-9][0-9]*: {re.escape(message)}", line), line
    assert everything_in(folder) == before


def test_a_name_too_long_for_a_file_is_reported_like_any_other(cli):
    name = 300 * "x"
    begin = f"error: no built-in study and no file named '{76 * 'x'}...; choose from breakthrough"
    assert one_line(cli("start", "--study", name)).startswith(begin)
    assert "cannot be read: File name too long; name a" in one_line(cli("train", "--config", name))
    assert one_line(cli("evaluate", name)).startswith(f"error: no run at {name}; make one with: ")


def everything_in(folder):
    return {
        path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")
    }


def test_an_internal_error_is_1_and_names_the_command_for_a_traceback(cli, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(run_study, "run_study", broken)
    line = one_line(cli("start", "--study", "demo", "--quiet"))
    assert line.startswith("error: ZeroDivisionError: by zero (traceback: recsys-search --debug ")


def test_a_password_is_never_printed(cli, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("by zero")

    url = "postgresql+psycopg://me:sesame@127.0.0.1:1/db"
    outcomes = [cli("start", "--study", "demo", "--storage", url), cli("studies", "--storage", url)]
    monkeypatch.setattr(run_study, "run_study", broken)
    outcomes.append(cli("start", "--study", "demo", "--storage", url))
    for outcome in outcomes:
        assert outcome.code == 1
        assert "sesame" not in outcome.out + outcome.err


def test_ctrl_c_is_130(cli, press_ctrl_c):
    press_ctrl_c(run_study, "run_study")
    outcome = cli("start", "--study", "small.yaml", "--quiet")
    assert outcome.code == 130
    assert outcome.err.splitlines() == [
        "interrupted; continue with: recsys-search start --study small.yaml"
    ]


def test_debug_shows_the_traceback(folder):
    command = "from recsys_search.cli import main; main()"
    plain, debug = (
        subprocess.run(
            [sys.executable, "-c", command, *flag, "data", "info", "none"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        for flag in ([], ["--debug"])
    )
    assert (plain.returncode, debug.returncode) == (1, 1)
    assert len(plain.stderr.splitlines()) == 1
    assert debug.stderr.startswith("Traceback (most recent call last):")
    assert "no dataset named 'none'" in debug.stderr.splitlines()[-1]


# Where things are.


def test_the_storage_may_be_named_in_the_environment(done, monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_STORAGE", "sqlite:///elsewhere.db")
    assert "no studies in sqlite:///elsewhere.db" in one_line(done("status"), code=3)


def test_example_commands_name_a_storage_that_is_not_the_default(cli):
    storage = ["--storage", "sqlite:///mine.db"]
    outcome = cli("start", "--study", "small.yaml", "--trials", "1", "--device", "cpu", *storage)
    lines = outcome.out.splitlines()
    assert lines[lines.index("next:") + 2] == (
        "  recsys-search best --export config.yaml --study small --storage sqlite:///mine.db"
    )


def test_an_example_in_an_error_reaches_the_same_storage(cli, folder):
    """A line to paste names the storage, and in place of a password its variable."""
    url = "sqlite:///mine.db"
    cli("start", "--study", "small.yaml", "--trials", "1", "--device", "cpu", "--storage", url)
    study = folder / "small.yaml"
    study.write_text(study.read_text().replace("- 1000000.0", "- 2000000.0"))
    again = f"recsys-search start --study small --storage {url}"
    assert f": {again}; " in one_line(cli("start", "--study", "small.yaml", "--storage", url))
    none = one_line(cli("studies", "--storage", "sqlite:///none.db"), code=3)
    assert none.endswith(": recsys-search start --study demo --storage sqlite:///none.db")


def test_a_storage_without_studies_is_3(cli, folder):
    from recsys_search.search.storage.database import writable_storage

    with writable_storage(f"sqlite:///{folder}/studies.db"):
        pass
    assert one_line(cli("studies"), code=3) == (
        "error: no studies in sqlite:///studies.db; run one with: recsys-search start --study demo"
    )
    assert json.loads(cli("studies", "--json").out) == []


def test_artifacts_may_be_elsewhere(cli, folder):
    elsewhere = folder / "elsewhere"
    started = cli("start", "--study", "small.yaml", "--device", "cpu", "--artifacts", elsewhere)
    assert f"recsys-search dashboard --artifacts {elsewhere}" in started.out + started.err
    assert len([path for path in elsewhere.iterdir() if path.is_file()]) == 3
    assert [path.suffix for path in (folder / "studies.artifacts").iterdir()] == [".lock"]
    reports = json.loads(cli("show", "--trial", "0", "--artifacts", elsewhere, "--json").out)
    assert len(reports["reports"]) == 2


def test_status_shows_what_is_kept(cli, folder):
    cli("start", "--study", "small.yaml", "--device", "cpu", "--keep-checkpoints", "1.5MB")
    expected = {"trials": 0, "bytes": 0, "limit_bytes": 1_500_000}
    assert json.loads(cli("status", "--json").out)["kept_checkpoints"] == expected
    assert "0 trials, 0 bytes of 1.5 MB" in cli("status").out


def test_a_wrong_size_is_wrong_usage(cli, folder):
    outcome = cli("start", "--study", "small.yaml", "--keep-checkpoints", "2G")
    message = "error: '2G' is not a size; write 500MB, 2GB, 1.5TB or 0"
    assert one_line(outcome, code=2) == message
