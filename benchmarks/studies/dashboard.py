"""What the dashboard costs: its page of a study, and the notes and figures that workers store.

    python -m benchmarks.studies.dashboard 100 2000 5000 --out benchmarks/results

The studies are synthetic, without epoch reports. The times are those of the CPU. `plain` is
optuna-dashboard without the layers of this program; `plain_all_notes_s` is its page if the storage
held a note for each trial.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import optuna
from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudySystemAttributeModel
from optuna_dashboard import wsgi
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.search.dashboard.enrichment import BEST, LATEST, Enrichment
from recsys_search.search.dashboard.pages import READ_ONLY_BANNER, secured
from recsys_search.search.dashboard.serve import dashboard_app
from recsys_search.search.storage.database import readable_storage, writable_storage
from benchmarks.studies.synthetic_study import store_study

REPEATS = 3


def measure(url: str, n_trials: int) -> dict[str, Any]:
    store_study(url, n_trials)
    plain = median(page_s(wsgi(readable_storage(url)))[0] for _ in range(REPEATS))
    with writable_storage(url) as storage:
        stored = enrich(storage, url)
    app = secured(dashboard_app(url, writable=False), READ_ONLY_BANNER)
    first_s, _ = page_s(app)
    again = [page_s(app) for _ in range(REPEATS)]
    enriched = median(page_s(wsgi(readable_storage(url)))[0] for _ in range(REPEATS))
    row = {
        "trials": n_trials,
        **stored,
        "first_page_s": first_s,
        "page_s": median(seconds for seconds, _ in again),
        "page_mb": again[0][1] / 1e6,
        "plain_page_s": plain,
        "plain_enriched_s": enriched,
    }
    with writable_storage(url) as storage:
        store_all_notes(storage, n_trials)
    return {**row, "plain_all_notes_s": page_s(wsgi(readable_storage(url)))[0]}


def enrich(storage: RDBStorage, url: str) -> dict[str, Any]:
    """What a worker takes for the notes and figures, and what they leave in the storage."""
    [study] = storage.get_all_studies()
    name, study_id = study.study_name, study._study_id
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    enrichment = Enrichment(storage, study_id, name, url)
    note_s = seconds(lambda: enrichment._update_note(now=True))
    enrichment._update_figures(now=True)  # imports plotly
    figures_s = seconds(lambda: enrichment._update_figures(now=True))
    trial_s = [
        seconds(lambda number=number: enrichment.trial_ended(trials, number, VAL_RMSE, 0.87))
        for number in range(len(trials))[-2 * (LATEST + BEST) :]
    ]
    attrs = storage.get_study_system_attrs(study_id)
    return {
        "trial_note_ms": 1000 * median(trial_s),
        "study_note_s": note_s,
        "figures_s": figures_s,
        "attributes": len(attrs),
        "kb": sum(len(json.dumps(value)) for value in attrs.values()) / 1000,
    }


def store_all_notes(storage: RDBStorage, n_trials: int) -> None:
    rows = [
        {"study_id": 1, "key": f"dashboard:{trial_id}:note_{key}", "value_json": json.dumps(value)}
        for trial_id in range(1, n_trials + 1)
        for key, value in (("ver", 1), ("str:0", "x" * 1000))
    ]
    with storage.scoped_session() as session, session.begin():
        query = session.query(StudySystemAttributeModel)
        query.filter(StudySystemAttributeModel.key.like("dashboard:%:note%")).delete()
        session.bulk_insert_mappings(StudySystemAttributeModel, rows)


def page_s(app: Any) -> tuple[float, int]:
    """Seconds and bytes of the answer from which the page of a study is drawn."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies/1",
        "QUERY_STRING": "after=0",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    started_at = process_time()
    body = b"".join(app(environ, lambda *started: None))
    return process_time() - started_at, len(body)


def seconds(action: Callable[[], object]) -> float:
    started_at = process_time()
    action()
    return process_time() - started_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", type=int, nargs="+")
    add_out(parser)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for n in args.trials:
        with TemporaryDirectory() as folder:
            row = measure(f"sqlite:///{Path(folder)}/studies.db", n)
        rows.append({name: round(value, 3) for name, value in row.items()})
        if len(rows) == 1:
            print("  ".join(row))
        print(
            "  ".join(f"{value:g}".rjust(len(name)) for name, value in rows[-1].items()),
            flush=True,
        )
    keep(args.out, "dashboard", {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
