"""A model card of a trial, in Markdown: only what the storage has, nothing that a person must add.

The sections are those of Hugging Face's template that a study can answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...base.markdown import two_columns
from ...base.messages import format_seconds
from ...base.yaml_file import dump_yaml
from ...data.sets.registry import Source, find_dataset
from ...model.architectures.table import find_architecture
from ...model.config import config_to_mapping
from ...model.evaluation.metrics import Metric
from ...model.runs.experiment import Experiment
from ...model.runs.heading import training_command
from ...model.training.reports import EpochReport, best_report
from .reader import StudyReader
from .sentences import format_bounds

SPLITS = {
    "random": "at random",
    "temporal": "by time: the newest ratings are held out",
    "leave-last-k": "by time: each user's last {k} ratings are held out",
}


def model_card(reader: StudyReader, number: int, config: str) -> str:
    """The card of a trial that has started.

    Args:
        config: the config's file, quoted for the shell, in the command that trains it.

    Raises:
        StudyError: no such trial, or it never started.
    """
    experiment = reader.experiment(number)
    trial, status = reader.candidate(number), reader.progress()
    reports = reader.reports(number)
    study = reader.spec.name
    sections = {
        f"{trial['architecture']}, trial {number} of study {study}": _model(experiment, trial),
        "Intended use and limits": _limits(experiment, trial),
        "Data": _data(experiment),
        "Evaluation": _evaluation(experiment, trial, status, reader.metric),
        "Health": _health(best_report(reports, reader.metric), trial),
        "Training": _training(experiment, trial, status, config),
    }
    (title, first), *others = sections.items()
    parts = [f"# {title}\n\n{first}", *(f"## {name}\n\n{text}" for name, text in others)]
    return "\n\n".join(parts) + "\n"


def _model(experiment: Experiment, trial: Mapping[str, Any]) -> str:
    described = find_architecture(trial["architecture"]).config.__doc__ or ""
    weights = "" if trial.get("params") is None else f" It has {trial['params']:,} weights."
    return (
        f"Predicts the rating of a film by a user. {described.splitlines()[0]}{weights} Its "
        "hyperparameters were found by recsys-search."
    )


def _limits(experiment: Experiment, trial: Mapping[str, Any]) -> str:
    config = experiment.config.for_split(is_random=experiment.split.is_random)
    lines = [
        "It predicts ratings by the users and of the films in its dataset. Without train ratings "
        "of both, the prediction is the bias baseline's, or rests on side features alone.",
    ]
    neighbours = getattr(config, "neighbours", None)
    if neighbours == "both":
        lines.append(
            "`neighbours: both`: a prediction uses the same user's ratings before and after it in "
            "time, so its figures are those of missing ratings among known ones, not of forecasts."
        )
    elif neighbours == "past":
        lines.append("`neighbours: past`: a prediction uses only ratings of earlier seconds.")
    if isinstance(source := find_dataset(experiment.dataset), Source):
        lines.append(f"The licence of its data: {source.licence}.")
    if trial["confirmed"] is None:
        lines.append("Not confirmed: its figures are those of one training, on one split.")
    return _bullets(lines)


def _data(experiment: Experiment) -> str:
    source = find_dataset(experiment.dataset)
    if isinstance(source, Source):
        licence = f"{source.licence}; full text and citation: {source.readme}"
    elif source is not None:
        licence = "none needed: the ratings are generated"
    else:
        licence = "not recorded: the ratings were given as a path; see what came with them"
    split = experiment.split
    shares = f"{split} (train/validation/test)" if split.train is not None else str(split)
    how = SPLITS.get(split.method, "a fold of the dataset's own").format(k=split.k)
    return two_columns(
        {
            "dataset": f"`{experiment.dataset}`",
            "fingerprint": f"`{experiment.fingerprint}`",
            "licence": licence,
            "split": f"{shares}, {how}" + (f", seed {split.seed}" if split.is_random else ""),
        }
    )


def _evaluation(
    experiment: Experiment, trial: Mapping[str, Any], status: Mapping[str, Any], metric: Metric
) -> str:
    figures = {
        "validation RMSE": trial["val_rmse"],
        "validation MSE": trial["val_mse"],
        "validation RMSE of the bias baseline": status["bias_val_rmse"],
        **({} if metric.name in ("val_rmse", "val_mse") else {metric.name: trial["value"]}),
    }
    rows = {name: f"{value:.4f}" for name, value in figures.items() if value is not None}
    confirmed = trial["confirmed"]
    if confirmed:
        over = "seeds and splits" if confirmed["splits"] > 1 else "seeds, on the search's split"
        rows[f"{metric.name}, mean over {confirmed['seeds']} {over}"] = (
            f"{metric.format(confirmed['mean'])}, 95% interval {format_bounds(confirmed, metric)}"
        )
    chosen = (
        f"Validation figures are those of the best of {trial['epochs']} epochs, by {metric.name}, "
        f"in a study of {status['done']} trials; a trial that is picked for its value on a split "
        "looks better there than on other ratings."
    )
    sealed = "The search did not open the test ratings, so there is no figure on them here."
    return f"{two_columns(rows)}\n\n{chosen} {sealed}"


def _health(report: EpochReport | None, trial: Mapping[str, Any]) -> str:
    ended = f"The trial ended {trial['state']}: {trial['reason']}."
    if trial["warning"]:
        ended += f" Warning: {trial['warning']}."
    if report is None:
        return ended
    rows = {}
    active = ", ".join(f"{tower} {n}" for tower, n in report.active_units.items())
    if active:
        rows["active latent units"] = active
        rows["KL, nats per rating"] = f"{report.kl:.1f}"
    rows["train RMSE (validation minus train)"] = (
        f"{report.train_rmse:.4f} ({report.train_gap:+.4f})"
    )
    return f"{ended} In the best epoch, {report.epoch}:\n\n{two_columns(rows)}"


def _training(
    experiment: Experiment, trial: Mapping[str, Any], status: Mapping[str, Any], config: str
) -> str:
    environment = {name: value for name, value in experiment.environment.items() if value}
    price = "" if status["cost_usd"] is None else f", {status['cost_usd']:.2f} USD"
    rows = {
        **environment,
        "training": "-" if trial["train_s"] is None else format_seconds(trial["train_s"]),
        "the whole study": f"{format_seconds(status['elapsed_s'])}, {status['epochs']:,} epochs"
        + price,
    }
    command = training_command(experiment, config)
    values = dump_yaml(config_to_mapping(experiment.config))
    return (
        f"{two_columns(rows)}\n\nThe config:\n\n```yaml\n{values}```\n\n"
        f"The command that trains it again:\n\n    {command}"
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
