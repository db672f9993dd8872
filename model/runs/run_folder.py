"""Creates a run's folder: completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file
from torch import Tensor

from ...base.files import free_bytes
from ...base.messages import printable
from ...errors import RunError
from ..training.reports import EpochReport, write_reports
from ..training.training import Training
from .experiment import Experiment, write_experiment
from .run import CONFIG, REPORTS, WEIGHTS

PROBE_BYTES = 2**16  # more than config and reports of most runs


def checkpoint_folder(out: Path) -> Path:
    """The folder, next to a run's, of the checkpoints of its training while that has not ended."""
    place = out.absolute()
    return place.parent / f".{place.name[:200]}.checkpoints"


def check_creatable(out: Path) -> None:
    """Create the folder with a file in it and remove both, so that no training is lost at its end.

    Raises:
        RunError: it cannot be created, or it exists and is not a run to go on with.
    """
    if out.is_dir() and checkpoint_folder(out).is_dir():
        return
    if os.path.lexists(out):
        exists = "already exists" if out.exists() else "is a link that leads nowhere"
        raise RunError(f"{printable(out, 200)} {exists}; choose another --out, or remove it")
    created: list[Path] = []
    try:
        for folder in (*reversed(out.parents), out):
            if not folder.exists():
                folder.mkdir()
                created.append(folder)
        with TemporaryDirectory(dir=out, prefix=".probe-") as probe:
            Path(probe, CONFIG).write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        raise _refusal(out, _reason(error)) from None
    finally:
        for folder in reversed(created):
            with suppress(OSError):  # another program has put something in it
                folder.rmdir()


def check_space(out: Path, training: Training) -> None:
    """Check that the disk has space for the weights.

    Raises:
        RunError: it has not.
    """
    needed, free = 4 * training.n_parameters, free_bytes(out.absolute().parent)
    if needed > free:
        raise _refusal(
            out, f"its weights take {needed / 2**20:.1f} MiB, and {free / 2**20:.1f} MiB are free"
        )


def save_run(
    out: Path, experiment: Experiment, training: Training, *, replace: bool = False
) -> Path:
    """Save a training that has a best epoch; the folder gets its name when it is complete.

    Args:
        replace: the run of the same training, as far as it had come.

    Returns:
        The folder: `out`, or with a number if another program has created that meanwhile.

    Raises:
        RunError: it cannot be saved.
    """
    assert training.best is not None
    return save_folder(out, experiment, training.reports, training.best.weights, replace=replace)


def save_folder(
    out: Path,
    experiment: Experiment,
    reports: Sequence[EpochReport],
    weights: Mapping[str, Tensor],
    *,
    replace: bool = False,
) -> Path:
    """Save a run from its parts, like `save_run`. Args: reports: empty for an ensemble."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".run-") as folder:
            partial = Path(folder, "run")
            partial.mkdir()
            write_experiment(partial / CONFIG, experiment)
            write_reports(partial / REPORTS, reports)
            save_file(dict(weights), partial / WEIGHTS)
            # safetensors lets only the owner read its file.
            (partial / WEIGHTS).chmod((partial / CONFIG).stat().st_mode)
            if replace and out.is_dir():
                out.rename(Path(folder, "earlier"))
            free = _first_free(out)
            partial.rename(free)
    except OSError as error:
        raise _refusal(out, _reason(error)) from None
    return free


def _first_free(out: Path) -> Path:
    number, free = 1, out
    while os.path.lexists(free):
        number += 1
        free = out.with_name(f"{out.name}-{number}")
    return free


def _reason(error: OSError) -> str:
    """The system's reason, with the path that it concerns."""
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if isinstance(error, FileExistsError | NotADirectoryError) and place:
        culprit = next((each for each in (place, *place.parents) if os.path.lexists(each)), place)
        what = "is a link that leads nowhere" if culprit.is_symlink() else "is not a folder"
        return f"{printable(culprit, 200)} {what}"
    return error.strerror or str(error)


def _refusal(out: Path, reason: str) -> RunError:
    return RunError(f"{printable(out, 200)} cannot be created: {reason}; choose another --out")
