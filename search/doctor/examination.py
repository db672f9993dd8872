"""Checks whether this machine can run a study, and says what is missing.

for check in examine("sqlite:///studies.db"):
    print(check.check, check.ok, check.detail, check.remedy)

A check is a function that returns what it found, or raises. The modules with checks are imported
when they run, because what they import may be what is broken.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple

from ...base.messages import format_error
from ...errors import RecsysSearchError

if TYPE_CHECKING:
    from ...data.tables.columns import ReadOptions

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        ok: whether the check passed.
        detail: what was found, in one line.
        remedy: what to do; None if it passed.
        required: whether a study cannot run unless it passes.
    """

    check: str
    ok: bool
    detail: str
    remedy: str | None
    required: bool

    @property
    def blocking(self) -> bool:
        return self.required and not self.ok


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options that a study would be started with."""

    storage_url: str
    data_dir: Path | None
    dataset: str | None
    read_options: ReadOptions | None
    device: str


def examine(
    storage_url: str,
    *,
    data_dir: Path | None = None,
    dataset: str | None = None,
    read_options: ReadOptions | None = None,
    device: str = "auto",
) -> list[Check]:
    """Run every check, whatever the others find, and leave nothing behind.

    Args:
        data_dir: holds the named datasets. [default: `data_folder()`]
        dataset: a folder or file, or the name of a dataset that exists or can be downloaded.
        read_options: how to read it.
        device: auto, cpu, cuda or cuda:N.
    """
    plan = Plan(
        storage_url=storage_url,
        data_dir=data_dir,
        dataset=dataset,
        read_options=read_options,
        device=device,
    )
    done: dict[str, Check] = {}
    for name, row in CHECKS.items():
        done[name] = _make(name, row, plan, done)
    return list(done.values())


def always(plan: Plan) -> bool:
    return True


def never(plan: Plan) -> bool:
    return False


def if_named(plan: Plan) -> bool:
    """Whether the plan names a dataset."""
    return plan.dataset is not None


class Row(NamedTuple):
    """A check to run.

    Attributes:
        look: returns the detail if the check passes, and raises an error otherwise.
        remedy: what to do if that error does not say.
        needs: a check that must pass for this one to mean anything.
        required: whether a study cannot run unless it passes.
    """

    look: Callable[[Plan], str]
    remedy: str
    needs: str | None = None
    required: Callable[[Plan], bool] = always


def _make(name: str, row: Row, plan: Plan, done: dict[str, Check]) -> Check:
    ok, detail, remedy = False, "", row.remedy
    if row.needs and not done[row.needs].ok:
        # Only the cause blocks a study.
        detail = f"not checked without {row.needs}"
        return Check(name, False, detail, f"see {row.needs}", required=False)
    try:
        ok, detail = True, row.look(plan)
    except RecsysSearchError as error:
        detail, remedy = _split_message(str(error), row.remedy)
    except Exception as error:
        detail = format_error(error)
        remedy = _INSTALL if isinstance(error, ImportError) else remedy
    return Check(name, ok, detail, None if ok else remedy, row.required(plan))


def _split_message(message: str, default: str) -> tuple[str, str]:
    """Detail and remedy of one of our errors: `what is wrong; what to do`."""
    detail, _, remedy = message.rpartition("; ")
    return (detail, remedy) if detail else (message, default)


def _python(plan: Plan) -> str:
    found = platform.python_version()
    if tuple(map(int, found.split(".")[:2])) < OLDEST_PYTHON:
        raise RecsysSearchError(f"{found} is too old; install Python 3.11 or newer")
    return found


def _package(distribution: str, module: str, plan: Plan) -> str:
    import_module(module)
    return version(distribution)


def _later(name: str) -> Callable[[Plan], str]:
    """`module:function` of this folder, imported when the check runs."""
    return lambda plan: resolve_name(f"{__package__}.{name}")(plan)


_INSTALL = (
    "install again: pip install -c constraints.txt -e . "
    "(and torch as https://pytorch.org/get-started says for this machine)"
)
_TRAIN = "use --device cpu, or install torch as https://pytorch.org/get-started says for this GPU"
_STORE = "name another storage with --storage, such as sqlite:///studies.db"

# In the order in which they run and are shown.
CHECKS: dict[str, Row] = {
    "python": Row(_python, "install Python 3.11 or newer"),
    "numpy": Row(partial(_package, "numpy", "numpy"), _INSTALL),
    "torch": Row(partial(_package, "torch", "torch"), _INSTALL),
    "optuna": Row(partial(_package, "optuna", "optuna"), _INSTALL),
    "dashboard": Row(
        partial(_package, "optuna-dashboard", "optuna_dashboard"), _INSTALL, required=never
    ),
    "cuda": Row(_later("machine:check_cuda"), _TRAIN, needs="torch", required=never),
    "device": Row(_later("machine:check_device"), _TRAIN, needs="torch"),
    "gpu_memory": Row(_later("machine:check_gpu_memory"), _TRAIN, needs="device", required=never),
    "gpu_sharing": Row(_later("machine:check_gpu_sharing"), _TRAIN, needs="device", required=never),
    "amp": Row(_later("machine:check_amp"), _TRAIN, needs="device"),
    "threads": Row(
        _later("machine:check_threads"),
        "set OMP_NUM_THREADS",
        needs="torch",
        required=never,
    ),
    "storage": Row(_later("storage:check_storage"), _STORE, needs="optuna"),
    "storage_room": Row(_later("storage:check_storage_room"), _STORE, needs="optuna"),
    "file_system": Row(
        _later("storage:check_file_system"), _STORE, needs="storage", required=never
    ),
    "dataset": Row(
        _later("data:check_dataset"), "try --study demo", needs="numpy", required=if_named
    ),
    "data_room": Row(
        _later("data:check_data_room"),
        "choose another folder with --data-dir",
        needs="numpy",
        required=if_named,
    ),
}
