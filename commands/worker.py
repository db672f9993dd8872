"""`worker` and `stop`: processes that run a study, also on other machines."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (
    DEFAULT_STORAGE,
    Artifacts,
    DataDir,
    Device,
    MovedDataset,
    Notify,
    Quiet,
    Storage,
    StoragePatience,
    StudyName,
    Trackers,
    parse_trials_per_gpu,
)
from .terminal.output import interruptible, notify

app = typer.Typer()


@app.command(epilog="recsys-search worker --study demo")
def worker(
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            help="A stored study. [default: each one that has trials to run]",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Leave after this time, such as 2h or 10m.")
    ] = None,
    storage_patience: StoragePatience = "10m",
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    device: Device = "auto",
    trials_per_gpu: Annotated[
        str | None,
        typer.Option(
            "--trials-per-gpu",
            help="Share the GPU with other workers that have this option: begin a trial while "
            "fewer than this number train on it, or, with auto, when it fits its memory.",
        ),
    ] = None,
    notify: Notify = None,
    tracker: Trackers = None,
    quiet: Quiet = False,
) -> None:
    """Run trials of a stored study, next to other workers."""
    from ..search.listeners.attach import Outlets
    from ..search.workers.run_worker import run_worker
    from .terminal.live.view import study_view

    last_line = "interrupted; the trial goes on in any worker"
    with interruptible(lambda: last_line), study_view(quiet=quiet) as view:
        run_worker(
            study,
            storage,
            dataset=dataset,
            timeout=timeout,
            storage_patience=storage_patience,
            device=device,
            trials_per_gpu=parse_trials_per_gpu(trials_per_gpu),
            outlets=Outlets(notify or (), tracker or ()),
            listener=view,
        )


@app.command(epilog="recsys-search stop --study demo")
def stop(
    study: StudyName = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until no trial is running.")
    ] = True,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Let all workers of a study save a checkpoint and leave."""
    from ..search.results.reader import StudyReader
    from ..search.storage.examples import example, storage_and_artifacts
    from ..search.workers.stop import stop_study

    name = StudyReader(storage, study).spec.name
    with interruptible(lambda: f"study {name} is stopped; its trials are still ending"):
        running = stop_study(storage, name, wait=wait, notify=notify)
    again = example("start", "--study", name, *storage_and_artifacts(storage))
    ending = f", {running} of its trials are still ending" if running else ""
    notify(f"study {name} is stopped{ending}; continue with: {again}")
