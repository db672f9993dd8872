"""Size of a study's report and the time that it takes to make, against the number of its trials.

    python -m benchmarks.studies.report 100 1000 5000 --out benchmarks/results

The trials are synthetic: `breakthrough`'s space, 20 epochs, a mix of completed and pruned ones.
Each has its epoch reports.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import optuna
from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from optuna.artifacts import ArtifactMeta
from optuna.storages._rdb.models import TrialSystemAttributeModel
from recsys_search.model.training.reports import write_reports
from recsys_search.search.report.markdown import markdown_report
from recsys_search.search.report.page import html_report
from recsys_search.search.results.study_data import StudyData
from recsys_search.search.storage.artifacts import REPORTS_FILE, artifact_store
from recsys_search.search.storage.database import writable_storage
from sqlalchemy.orm import Session
from benchmarks.studies.synthetic_study import healthy_reports, store_study, study_spec

MB = 1_000_000
LIMIT_MB = 6  # at 1,000 trials


def measure(folder: Path, n_trials: int) -> dict[str, Any]:
    url = f"sqlite:///{folder}/studies.db"
    store_study(url, n_trials)
    store_reports(url, folder)
    began = perf_counter()
    study = StudyData.read(url)
    read = perf_counter()
    page = html_report(study)
    drawn = perf_counter()
    return {
        "trials": n_trials,
        "html_mb": len(page.encode()) / MB,
        "markdown_kb": len(markdown_report(study).encode()) / 1000,
        "read_s": read - began,
        "draw_s": drawn - read,
    }


def store_reports(url: str, folder: Path) -> None:
    """Give each trial as many epoch reports as it has values."""
    rng = np.random.default_rng(0)
    store, path = artifact_store(url, make=True), folder / REPORTS_FILE
    with writable_storage(url) as storage, Session(storage.engine) as session:
        study = optuna.load_study(study_name=study_spec().name, storage=storage)
        for trial in study.get_trials(deepcopy=False):
            reports = healthy_reports(trial.user_attrs["val_rmse"], rng)
            write_reports(path, reports[: len(trial.intermediate_values)])
            name = str(trial.number)
            store.write(name, BytesIO(path.read_bytes()))
            # Optuna changes no trial that has ended.
            meta = ArtifactMeta(name, REPORTS_FILE, "application/octet-stream", None)
            session.add(
                TrialSystemAttributeModel(
                    trial_id=trial._trial_id,
                    key=f"artifacts:{name}",
                    value_json=json.dumps(json.dumps(asdict(meta))),
                )
            )
        session.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trials", type=int, nargs="+")
    add_out(parser)
    arguments = parser.parse_args()
    rows = []
    print("trials  html MB  markdown kB  read s  draw s")
    for n_trials in arguments.trials:
        with TemporaryDirectory() as folder:
            row = measure(Path(folder), n_trials)
        rows.append(row)
        print(
            f"{row['trials']:6}  {row['html_mb']:7.2f}  {row['markdown_kb']:11.1f}  "
            f"{row['read_s']:6.1f}  {row['draw_s']:6.1f}",
            flush=True,
        )
    keep(arguments.out, "report", {"machine": machine(), "limit_mb": LIMIT_MB, "rows": rows})


if __name__ == "__main__":
    main()
