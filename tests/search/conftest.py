"""A study on a few generated ratings whose trials take a fraction of a second."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from optuna.storages._rdb.models import TrialHeartbeatModel
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.model.evaluation.metrics import METRICS, Metric
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.results.study_data import StudyData
from recsys_search.search.running import events
from recsys_search.search.running.opening import Overrides
from recsys_search.search.storage.claims import study_transaction
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.worker import worker_identity
from sqlalchemy.orm import Session

SMALL = {
    "dataset": "ratings",
    "base": {
        "architecture": "two_tower",
        "amp": "off",
        "max_epochs": 2,
        "batch_size": 1000,
        "latent_dim": 2,
    },
    "space": {"learning_rate": {"float": [1e-4, 1e-2], "log": True}},
    "sampler": {"random": {"seed": 42}},
    "trials": 2,
}


class Workplace:
    """A folder with ratings, study files and a storage, and the commands on them."""

    base = SMALL["base"]

    def __init__(self, folder, write_ratings):
        self.folder = folder
        self.storage = f"sqlite:///{folder}/studies.db"
        self._write_ratings = write_ratings
        self.write_ratings()

    def write_ratings(self, seed=0):
        ratings = demo_ratings(2000, n_users=60, n_films=80, seed=seed)
        self._write_ratings(self.folder / "ratings", ratings)

    def write_study(self, name="small", **changes):
        """The path of a study file: SMALL with other tables where `changes` has them."""
        study = {**SMALL, "dataset": str(self.folder / "ratings"), **changes}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(study, sort_keys=False))
        return str(path)

    def start(
        self, study, listener=events.ignore, timeout=None, storage_patience=None, **overrides
    ):
        """Run the study, and return a reader of it."""
        name = run_study(
            study,
            self.storage,
            overrides=Overrides(**overrides),
            timeout=timeout,
            storage_patience=storage_patience,
            device="cpu",
            listener=listener,
        )
        return self.read(name)

    def read(self, name=None):
        return StudyReader(self.storage, name)

    def claim_elsewhere(self, study="small", *, silent_s=0):
        """The number of a trial that a process on another machine has claimed.

        Args: silent_s: seconds since its last heartbeat.
        """
        with writable_storage(self.storage) as storage, worker_identity() as worker:
            study_id = storage.get_study_id_from_name(study)
            with study_transaction(storage, study_id) as transaction:
                trial_id, number = transaction.claim(None, {**worker, "host": "elsewhere"})
            with Session(storage.engine) as session, session.begin():
                beat = session.query(TrialHeartbeatModel).filter_by(trial_id=trial_id).one()
                beat.heartbeat -= timedelta(seconds=silent_s)
        return number


class Recorder:
    """A listener that keeps what it receives; calls `at_epoch(number, report)` after each epoch."""

    def __init__(self, at_epoch=lambda number, report: None):
        self.started, self.ended, self.notices, self.trouble = [], [], [], []
        self._at_epoch = at_epoch

    def __call__(self, event):
        match event:
            case events.TrialStarted():
                self.started.append(event)
            case events.EpochEnded():
                self._at_epoch(event.number, event.report)
            case events.TrialEnded():
                self.ended.append(event.record)
            case events.Notice(message):
                self.notices.append(message)
                if isinstance(event, events.Trouble):
                    self.trouble.append(event)


def share_within_half_a_star(predictions):
    return float(((predictions.predicted - predictions.rating).abs() <= 0.5).float().mean())


@pytest.fixture
def val_close(monkeypatch):
    """A metric to maximise: the share of ratings that are predicted within half a star."""
    metric = Metric(
        name="val_close",
        label="share within half a star",
        direction="maximize",
        compute=share_within_half_a_star,
        digits=3,
    )
    monkeypatch.setitem(METRICS, metric.name, metric)
    return metric


@pytest.fixture
def reached(val_close):
    """An objective whose target any trial reaches; the bias baseline has no figure to compare."""
    return {"metric": val_close.name, "target": {"metric": val_close.name, "above": 0.01}}


@pytest.fixture
def workplace(tmp_path, write_ratings):
    return Workplace(tmp_path, write_ratings)


@pytest.fixture
def recorder():
    return Recorder


@pytest.fixture(scope="session")
def studied(tmp_path_factory, write_ratings):
    """A workplace whose one study is done: both architectures, and the four ways to end.

    Trial 0 is a two_tower and trial 2 a hybrid that run to their last epoch, trial 1 ends on a
    plateau far from the best, trial 3 diverges, trial 4 is above the median.
    """
    workplace = Workplace(tmp_path_factory.mktemp("studied"), write_ratings)
    learned = {"learning_rate": 1e-2, "max_epochs": 3}
    path = workplace.write_study(
        base={
            "amp": "off",
            "batch_size": 400,
            "two_tower.latent_dim": 2,
            "hybrid.latent_dim": 3,
            "hybrid.n_factors": 4,
            "hybrid.hidden_dims": [8, 6],
            "hybrid.kl_warmup_epochs": 0,
        },
        space={
            "architecture": {"choice": ["two_tower", "hybrid"]},
            "learning_rate": {"float": [1e-9, 1e6], "log": True},
        },
        known=[
            {"name": "tower", "architecture": "two_tower", **learned},
            {
                "name": "flat",
                "architecture": "hybrid",
                "learning_rate": 1e-2,
                "max_epochs": 20,
                "patience": 1,
            },
            {"name": "net", "architecture": "hybrid", **learned},
            {"name": "wild", "architecture": "two_tower", "learning_rate": 1e6, "max_epochs": 3},
            {"name": "slow", "architecture": "hybrid", "learning_rate": 1e-9, "max_epochs": 3},
        ],
        pruners=[{"median": {"startup_trials": 2, "warmup_epochs": 1}}],
        trials=5,
    )
    workplace.start(path)
    return workplace


class Inbox:
    """A local server that keeps what it is sent.

    Attributes:
        url: as `notify` takes it.
        status: of its answers.
    """

    def __init__(self):
        self.messages, self.status = [], 200
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.messages.append(json.loads(content))
                self.send_response(inbox.status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("localhost", 0), Handler)
        self.url = f"json://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def titles(self):
        return [message["title"] for message in self.messages]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def inbox():
    pytest.importorskip("apprise", reason="apprise, of the extra notify, is not installed")
    with closing(Inbox()) as inbox:
        yield inbox


@pytest.fixture
def unused_port():
    """A port on which nothing listens."""
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="session")
def explored(tmp_path_factory, write_ratings):
    """A workplace whose one study has 12 trials over three axes; the median pruner stopped some.

    Its machine costs 36 USD an hour, a cent a second. Trial 0 is the known config `plain`.
    """
    workplace = Workplace(tmp_path_factory.mktemp("explored"), write_ratings)
    path = workplace.write_study(
        base={"architecture": "two_tower", "amp": "off", "max_epochs": 3, "batch_size": 1000},
        space={
            "learning_rate": {"float": [1e-4, 1e-1], "log": True},
            "latent_dim": {"int": [1, 4]},
            "neighbours": {"choice": ["off", "auto"]},
        },
        known=[{"name": "plain", "learning_rate": 1e-3, "latent_dim": 2, "neighbours": "off"}],
        pruners=[{"median": {"startup_trials": 3, "warmup_epochs": 1}}],
        budget={"usd_per_hour": 36},
        trials=12,
    )
    workplace.start(path)
    return workplace


@pytest.fixture(scope="session")
def study(explored):
    """The explored study as its figures and its report read it."""
    return StudyData.read(explored.storage)


FEW = {"amp": "off", "max_epochs": 1, "batch_size": 1000, "latent_dim": 2}
TOWER = {**FEW, "architecture": "two_tower"}
UNUSUAL = {
    "one trial": {"base": TOWER, "trials": 1},
    "all diverged": {
        "base": TOWER,
        "space": {"learning_rate": {"float": [1e5, 1e6], "log": True}},
        "trials": 2,
    },
    "no latents": {
        "base": {"architecture": "biases"},
        "space": {"user_shrinkage": {"float": [1, 50]}, "film_shrinkage": {"float": [5, 5]}},
        "trials": 8,
    },
    "maximised": {"base": TOWER, "objective": {"metric": "val_ndcg"}, "trials": 8},
    "weighted": {"base": TOWER, "objective": {"metric": "val_rmse - 0.5 * val_ndcg"}, "trials": 2},
    # No trial has the conditional axis.
    "conditional": {
        "base": {**FEW, "hybrid.n_factors": 3, "hybrid.hidden_dims": [6, 4]},
        "space": {
            "architecture": {"choice": ["two_tower", "hybrid"]},
            "learning_rate": {"float": [1e-4, 1e-1], "log": True},
            "two_tower.neighbours": {"choice": ["off", "auto"]},
            "two_tower.rating_dropout": {
                "float": [0.1, 0.5],
                "when": {"two_tower.neighbours": "auto"},
            },
        },
        "known": [
            *(
                {
                    "name": f"tower {place}",
                    "architecture": "two_tower",
                    "learning_rate": 1e-3 * (place + 1),
                    "neighbours": "off",
                }
                for place in range(8)
            ),
            {"name": "net", "architecture": "hybrid", "learning_rate": 1e-3},
        ],
        "trials": 9,
    },
}


@pytest.fixture(scope="session", params=UNUSUAL)
def unusual_study(request, tmp_path_factory, write_ratings):
    """A study that lacks something which figures and reports may expect."""
    workplace = Workplace(tmp_path_factory.mktemp("unusual"), write_ratings)
    workplace.start(workplace.write_study(**UNUSUAL[request.param]))
    return StudyData.read(workplace.storage)


@pytest.fixture(scope="session")
def make_trial(study):
    """Makes a trial by hand: `make_trial(7, 0, 10, state="pruned", stop_reason="plateau")`."""
    some = study.trials[0]

    def make(number, started_at=0.0, ended_at=1.0, **changes):
        known = ("curve", "reports", "config", "params", "worker", "trained_epochs", "environment")
        fields = {name: changes.pop(name) for name in known if name in changes}
        record = {**some.record, "number": number, "known_config": None, "epochs": 3, **changes}
        defaults = {"worker": ("machine", 1), "reports": [], "trained_epochs": record["epochs"]}
        times = {"started_at": started_at, "ended_at": ended_at}
        return replace(some, record=record, **times, **{**defaults, **fields})

    return make
