"""Studies on a Ray cluster of two nodes, which are processes of this machine."""

from __future__ import annotations

import os
import signal
import sys

import optuna
import pytest
import yaml
from recsys_search.errors import OptionError, StorageError
from recsys_search.search.launch import ray_member
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.running.events import EpochEnded, Notice, TrialEnded
from recsys_search.search.storage.database import readable_storage
from recsys_search.search.storage.trials import WORKER

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed")

# In each process that Ray starts: a checkpoint after each epoch, and a host name of its node's, so
# that no process can see whether one on the other node is alive.
ON_EACH_NODE = """
import os, sys
from importlib.abc import MetaPathFinder
from types import SimpleNamespace

def missing(*args):
    raise FileNotFoundError

class Patch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "recsys_search.search.workers.worker":
            sys.meta_path.remove(self)
            from recsys_search.model.training import checkpoints
            from recsys_search.search.storage import worker
            checkpoints.SAVE_EVERY_S = 0
            host = f"node-{os.environ['RAY_RAYLET_PID']}"
            worker.socket = SimpleNamespace(gethostname=lambda: host)
        return None

if "RAY_RAYLET_PID" in os.environ:
    sys.meta_path.insert(0, Patch())
"""
STUDY = {
    "dataset": "demo:5k",
    "base": {"architecture": "two_tower", "amp": "off", "max_epochs": 30, "patience": 30},
    "space": {"learning_rate": {"float": [1e-3, 1e-2], "log": True}},
    "pruners": [],
    "trials": 4,
}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A head with one core. Its `address` is that of `start --cluster`."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(ON_EACH_NODE)
    paths = [str(hooks), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield cluster
    cluster.shutdown()


@pytest.fixture
def occupied_cluster(cluster):
    """A cluster whose only core an actor has taken."""

    class Occupant:  # pickled by value, as no node can import the tests
        def ready(self):
            pass

    ray = cluster_utils.ray
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        occupant = ray.remote(Occupant).options(num_cpus=1).remote()
        ray.get(occupant.ready.remote(), timeout=60)
        yield cluster
    finally:
        ray.shutdown()


@pytest.fixture
def study(tmp_path):
    """`study(**changes)` writes a study file, with its artifacts in a folder of the test."""

    def study(**changes):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({**STUDY, **changes}))
        return path

    return study


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def messages_of(events):
    return [event.message for event in events if isinstance(event, Notice)]


def workers_of(storage, name="study"):
    study = optuna.load_study(study_name=name, storage=readable_storage(storage))
    return {
        trial.number: trial.system_attrs[WORKER]
        for trial in study.get_trials(deepcopy=False)
        if WORKER in trial.system_attrs
    }


def test_the_trials_of_a_node_that_dies_go_on_elsewhere(
    cluster, study, postgres, tmp_path, monkeypatch
):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    events, epochs, lost = [], {}, {}

    def listen(event):
        events.append(event)
        if isinstance(event, EpochEnded) and not lost:
            epochs[event.number] = event.report.epoch
            if len(epochs) == 2 and min(epochs.values()) >= 5:
                lost.update(epochs)
                cluster.remove_node(node, allow_graceful=False)

    run_study(study(), postgres, cluster=cluster.address, workers=None, listener=listen)
    reader = StudyReader(postgres, "study")
    status, trials = reader.status(), reader.trials()
    assert (status["done"], status["complete"], status["failed"]) == (4, 4, 0)
    assert (status["running"], status["waiting"], status["interrupted"]) == (0, 0, 1)
    [again] = [trial for trial in trials if trial["retry_of"] is not None]
    assert again["state"] == "complete"
    assert again["resumed_from_epoch"] >= lost[again["retry_of"]] - 1
    reports = reader.reports(again["number"])
    assert [report.epoch for report in reports] == list(range(1, 31))
    assert len({worker["host"] for worker in workers_of(postgres).values()}) == 2
    assert [each for each in messages_of(events) if "was lost on" in each]
    ended = [event.record["number"] for event in events if isinstance(event, TrialEnded)]
    assert len(set(ended)) == len(ended)


def test_workers_wait_for_room_and_leave_when_the_study_is_done(cluster, study, storage):
    events = []
    run_study(
        study(base={**STUDY["base"], "max_epochs": 2}, trials=2),
        storage,
        cluster=cluster.address,
        workers=3,
        listener=events.append,
    )
    assert "the cluster has room for 1 of 3 workers" in " ".join(messages_of(events))
    assert StudyReader(storage).status()["complete"] == 2
    assert len({worker["run"] for worker in workers_of(storage).values()}) == 1


def test_a_worker_that_is_killed_is_replaced(cluster, study, storage):
    events, killed = [], []

    def listen(event):
        events.append(event)
        if isinstance(event, EpochEnded) and event.report.epoch == 5 and not killed:
            killed.append(workers_of(storage)[event.number]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    run_study(study(trials=1), storage, cluster=cluster.address, workers=1, listener=listen)
    first, second = StudyReader(storage).trials()
    assert (first["state"], second["state"], second["retry_of"]) == ("interrupted", "complete", 0)
    assert second["resumed_from_epoch"] >= 4
    assert "another takes its place" in " ".join(messages_of(events))


def test_a_signal_saves_the_trials_of_the_cluster(cluster, study, storage):
    def listen(event):
        if isinstance(event, EpochEnded) and event.report.epoch == 5:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as left:
        run_study(study(trials=1), storage, cluster=cluster.address, workers=1, listener=listen)
    assert left.value.code == 143
    status, [trial] = StudyReader(storage).status(), StudyReader(storage).trials()
    assert (status["waiting"], trial["state"]) == (1, "interrupted")
    assert trial["reason"].startswith("SIGTERM")
    run_study(study(trials=1), storage, cluster=cluster.address, workers=1)
    assert StudyReader(storage).trials()[1]["resumed_from_epoch"] >= 5


def test_a_second_signal_queues_the_trials_of_killed_workers_again_at_once(
    cluster, study, storage, monkeypatch
):
    monkeypatch.setattr(ray_member, "END_S", 0.0)  # no time to save anything

    def listen(event):
        if isinstance(event, EpochEnded) and event.report.epoch == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_study(study(trials=1), storage, cluster=cluster.address, workers=1, listener=listen)
    status = StudyReader(storage).status()
    assert (status["running"], status["waiting"], status["interrupted"]) == (0, 1, 1)


def test_a_timeout_ends_workers_that_wait_for_room(occupied_cluster, study, storage):
    events = []
    run_study(
        study(),
        storage,
        cluster=occupied_cluster.address,
        workers=1,
        timeout="1s",
        listener=events.append,
    )
    assert messages_of(events)[-1] == "out of time (1s)"
    assert StudyReader(storage).status()["done"] == 0


def test_a_node_without_the_folder_of_the_others_is_refused(cluster, study, storage, tmp_path):
    hook = tmp_path / "hooks" / "sitecustomize.py"
    line = "checkpoints.SAVE_EVERY_S = 0"
    empty = "from recsys_search.base import folders; folders.LocalFolder.read = missing"
    assert line in ON_EACH_NODE
    hook.write_text(ON_EACH_NODE.replace(line, empty))
    refusal = r"studies.artifacts is not the folder that the other nodes share; .* \(on node"
    with pytest.raises(StorageError, match=refusal):
        run_study(study(), storage, cluster=cluster.address)
    assert not list((tmp_path / "studies.artifacts").glob(".cluster-*"))


def test_more_gpus_than_a_node_has_are_refused_before_anything_is_created(
    cluster, study, storage, tmp_path
):
    with pytest.raises(OptionError, match="no node has more than 0 GPUs"):
        run_study(study(), storage, cluster=cluster.address, gpus_per_trial=0.5)
    assert not list(tmp_path.glob("studies*"))


def test_the_command_runs_a_study_on_a_cluster(cluster, study, storage, start_python):
    code = "import sys; from recsys_search.cli import main; main(sys.argv[1:])"
    file = study(base={**STUDY["base"], "max_epochs": 2}, trials=1)
    options = ["--study", file, "--storage", storage, "--cluster", cluster.address, "--json"]
    process = start_python(code, "start", *options, stderr=sys.stderr)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert yaml.safe_load(output)["complete"] == 1
