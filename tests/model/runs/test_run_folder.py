"""Where a run can be saved."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import RunError
from recsys_search.model.runs import run_folder
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.run_folder import check_creatable
from recsys_search.model.runs.train_run import train_run


@pytest.fixture
def experiment(small_config, monkeypatch, demo):
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)
    return Experiment(config=small_config("mf", max_epochs=1), dataset="demo", split=SplitSpec())


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A working folder with a file, a folder and two useless links."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("folder", "folder already exists; choose another --out, or remove it"),
        ("file/", "file already exists; choose another --out, or remove it"),
        (".", ". already exists; choose another --out, or remove it"),
        ("dangling", "dangling is a link that leads nowhere; choose another --out, or remove it"),
        ("loop", "loop is a link that leads nowhere; choose another --out, or remove it"),
        ("file/a", "file/a cannot be created: file is not a folder; choose another --out"),
        ("file/a/b", "file/a/b cannot be created: file is not a folder; choose another --out"),
        (
            "dangling/a",
            "dangling/a cannot be created: dangling is a link that leads nowhere; choose another "
            "--out",
        ),
        (
            "loop/a",
            "loop/a cannot be created: loop is a link that leads nowhere; choose another --out",
        ),
        (
            f"new/{300 * 'x'}",
            f"new/{193 * 'x'}... cannot be created: File name too long; choose another --out",
        ),
    ],
)
def test_an_impossible_place_is_refused_before_training(out, message, experiment, places):
    before = sorted(places.rglob("*"))
    with pytest.raises(RunError) as caught:
        train_run(experiment, Path(out), device="cpu", on_epoch=pytest.fail)
    assert str(caught.value) == message
    assert sorted(places.rglob("*")) == before


@pytest.mark.parametrize("name", ["write_bytes", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_place_is_refused_with_the_systems_reason(monkeypatch, name, number):
    def fail(path, *args, **kwargs):
        raise OSError(number, "the system's reason", str(path))

    monkeypatch.setattr(Path, name, fail)
    with pytest.raises(RunError) as caught:
        check_creatable(Path("a"))
    assert str(caught.value) == ("a cannot be created: the system's reason; choose another --out")
    assert not Path("a").exists()


def test_a_possible_place_is_left_as_it_was(places):
    before = sorted(places.rglob("*"))
    check_creatable(Path("new/deep/a"))
    assert sorted(places.rglob("*")) == before


def test_a_disk_without_space_for_the_weights_is_refused_before_training(experiment, monkeypatch):
    monkeypatch.setattr(run_folder, "free_bytes", lambda path: 1000)
    with pytest.raises(RunError, match=r"^a cannot be created: its weights take 0\.0 MiB, and "):
        train_run(experiment, Path("a"), device="cpu", on_epoch=pytest.fail)


def test_the_longest_possible_name_can_be_used(experiment):
    out = Path(255 * "x")
    assert train_run(experiment, out, device="cpu")["run"] == str(out)
    assert sorted(path.name for path in out.iterdir())[0] == "config.yaml"


def test_a_run_whose_name_is_taken_meanwhile_is_saved_with_a_number(experiment):
    """Two trainings that were started together lose nothing."""
    notices = []

    def take_the_name(run, report):
        for name in ("a", "a-2"):
            Path(name).mkdir()

    result = train_run(
        experiment, Path("a"), device="cpu", on_epoch=take_the_name, notify=notices.append
    )
    assert result["run"] == "a-3"
    assert Path("a-3", "weights.safetensors").is_file()
    assert not list(Path("a").iterdir())
    assert notices == ["a was created meanwhile by another program; saved the run in a-3"]


def test_a_run_that_cannot_be_saved_is_an_error_in_one_line(experiment, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folder, "save_file", fail)
    with pytest.raises(RunError) as caught:
        train_run(experiment, Path("new/a"), device="cpu")
    assert str(caught.value) == (
        "new/a cannot be created: No space left on device; choose another --out"
    )
    assert not list(Path("new").iterdir())
