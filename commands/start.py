"""`start`: run a study."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import OptionError
from .options import (
    DEFAULT_STORAGE,
    Artifacts,
    AsJson,
    Columns,
    DataDir,
    Dataset,
    Device,
    Duplicates,
    Notify,
    Quiet,
    SamplerChoice,
    Storage,
    StoragePatience,
    Trackers,
    parse_reading,
    parse_trials_per_gpu,
    parse_workers,
)
from .presets import complete_preset
from .terminal.output import interruptible, print_json

app = typer.Typer()


@app.command(epilog="recsys-search start --study demo")
def start(
    study: Annotated[
        str, typer.Option("--study", help="A built-in or stored study, or a YAML file.")
    ],
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Trials in total. [default: the study file's number]"),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Stop after this time, such as 10m, 2h or 1d.")
    ] = None,
    storage_patience: StoragePatience = "10m",
    workers: Annotated[
        str | None,
        typer.Option(
            "--workers",
            help="Number of processes that run trials, or auto: as many as give the most trials "
            "an hour on this machine, by a measurement, or as fit on the cluster. [default: 1, or "
            "auto with --cluster]",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            help="Run the trials on this Ray cluster: host:port of its head, or auto for the one "
            "that this machine belongs to.",
        ),
    ] = None,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-trial",
            min=0,
            max=1,
            help="GPUs of the cluster for each trial, such as 0.25. [default: 1, or 0 if it has "
            "none or with --device cpu]",
        ),
    ] = None,
    trials_per_gpu: Annotated[
        str | None,
        typer.Option(
            "--trials-per-gpu",
            help="Trials at a time on each GPU, each in a process of its own: a number, or "
            "auto for as many as fit its memory. [default: 1, or as --workers says]",
        ),
    ] = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Only store the study; workers elsewhere run its trials."),
    ] = False,
    dataset: Dataset = None,
    columns: Columns = None,
    duplicates: Duplicates = None,
    data_dir: DataDir = None,
    target_rmse: Annotated[
        float | None,
        typer.Option("--target-rmse", help="End the study once a validation RMSE is below this."),
    ] = None,
    sampler: Annotated[
        SamplerChoice | None,
        typer.Option(
            "--sampler",
            help="Sampler of a new study, with its default settings and the study file's seed. "
            "[default: the study file's]",
            show_default=False,
        ),
    ] = None,
    explore: Annotated[
        bool,
        typer.Option("--explore", help="Lift the study file's limits for the rest of the study."),
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="Fit batch sizes, precision and price to a GPU: a name that the command presets "
            "shows, or auto, this machine's. --usd-per-hour, --workers and --trials-per-gpu "
            "replace its values.",
            autocompletion=complete_preset,
        ),
    ] = None,
    usd_per_hour: Annotated[
        float | None, typer.Option("--usd-per-hour", help="Price of this machine per hour.")
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", help="End the study when this much is spent.")
    ] = None,
    keep_checkpoints: Annotated[
        str | None,
        typer.Option(
            "--keep-checkpoints",
            help="Space for the checkpoints of trials that stopped early, such as 2GB; 0 keeps "
            "none. [default: the study file's]",
        ),
    ] = None,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(
            "--warm-start",
            help="Learn from this earlier study in the same storage; may be given several times.",
        ),
    ] = None,
    no_finish: Annotated[
        bool,
        typer.Option(
            "--no-finish",
            help="Run all trials, even if the remaining ones are unlikely to improve the best, for "
            "the rest of the study.",
        ),
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    device: Device = "auto",
    notify: Notify = None,
    tracker: Trackers = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a study, or continue it."""
    from ..search.launch.run_study import run_study as run
    from ..search.listeners.attach import Outlets
    from ..search.presets.machine import choose_preset
    from ..search.results.reader import StudyReader
    from ..search.running.opening import Overrides
    from ..search.storage.examples import example, storage_and_artifacts
    from .terminal.live.view import study_view
    from .terminal.outcome import print_outcome

    machine = None if preset is None else choose_preset(preset, device)
    overrides = Overrides(
        trials=trials,
        dataset=dataset,
        **parse_reading(columns, duplicates),
        target_rmse=target_rmse,
        explore=explore,
        usd_per_hour=usd_per_hour,
        budget_usd=budget_usd,
        keep_checkpoints=keep_checkpoints,
        warm_start=tuple(warm_start or ()),
        no_finish=no_finish,
        sampler=sampler and sampler.value,
        preset=machine,
    )
    per_gpu = parse_trials_per_gpu(trials_per_gpu)
    if workers is not None and per_gpu is not None and not cluster:
        raise OptionError(
            f"--workers {workers} and --trials-per-gpu {per_gpu} both set the number of trials at "
            "a time; leave one out"
        )
    if workers is None and machine and not cluster:
        workers = str(machine.trials_per_gpu)

    def last_line() -> str:
        # By its name once it is stored, with all that this command has changed in its file.
        again = view.study or study
        command = example("start", "--study", again, *storage_and_artifacts(storage))
        return f"interrupted; continue with: {command}"

    with interruptible(last_line), study_view(quiet=quiet) as view:
        name = run(
            study,
            storage,
            overrides=overrides,
            timeout=timeout,
            storage_patience=storage_patience,
            device=device,
            workers=parse_workers(workers, cluster),
            cluster=cluster,
            gpus_per_trial=gpus_per_trial,
            trials_per_gpu=per_gpu,
            detach=detach,
            outlets=Outlets(notify or (), tracker or ()),
            listener=view,
        )
    if detach and not as_json:
        return
    reader = StudyReader(storage, name)
    if as_json:
        print_json(reader.status())
        return
    print_outcome(reader.status(), reader.trials(), storage, reader.curves())
