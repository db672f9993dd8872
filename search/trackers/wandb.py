"""Weights & Biases: a run for each trial, grouped by study; online, or in files to sync later."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from ...base.strict import Name, Text
from ...errors import ConfigError
from .tracker import RunEnd, RunStart, TrackedRun, TrackedStudy, Tracker

# Its exit codes: anything but 0 is shown as a failed run.
_EXIT_CODES = {"complete": 0, "pruned": 0}
INIT_TIMEOUT_S = 30.0


class Wandb(Tracker):
    package: ClassVar[str] = "wandb"
    extra: ClassVar[str] = "wandb"

    project: Name = "recsys-search"
    entity: Name | None = None  # [default: the user's own]
    mode: Literal["online", "offline"] | None = None  # [default: WANDB_MODE, or online]
    folder: Text | None = None  # [default: WANDB_DIR, or the working folder]

    def check(self) -> None:
        super().check()
        mode = self.mode or os.environ.get("WANDB_MODE") or "online"
        if mode in ("online", "shared") and not _has_credentials():
            raise ConfigError(
                "tracker wandb has no API key; run `wandb login`, set WANDB_API_KEY, or write "
                "{wandb: {mode: offline}}"
            )

    def connect(self, study: str) -> TrackedStudy:
        import wandb

        wandb.setup(wandb.Settings(silent=True))  # stderr belongs to the command
        return _Study(self)


def _has_credentials() -> bool:
    import wandb
    from requests.utils import get_netrc_auth

    settings = wandb.setup(wandb.Settings(silent=True)).settings
    given = settings.api_key or settings.identity_token_file
    return bool(given or get_netrc_auth(settings.base_url))


class _Study(TrackedStudy):
    def __init__(self, settings: Wandb) -> None:
        self._settings = settings

    def start(self, start: RunStart) -> TrackedRun:
        import wandb

        continues = start.tags.get("continues")
        run = wandb.init(
            entity=self._settings.entity,
            project=self._settings.project,
            group=start.study,
            job_type="trial",
            name=start.name,
            notes=f"goes on from {continues}" if continues else None,
            config={**start.config, **start.tags},
            tags=[start.config["architecture"]],
            mode=self._settings.mode,
            dir=self._settings.folder,
            # Several trials run at a time, so no run may become the process's only one.
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",  # stdout belongs to the command
                disable_code=True,
                x_disable_meta=True,  # it would store the command line, which may hold a secret
                init_timeout=INIT_TIMEOUT_S,
            ),
        )
        return _Run(run)


class _Run(TrackedRun):
    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        self._run.log({"epoch": epoch, **figures}, step=epoch)

    def end(self, end: RunEnd) -> None:
        self._run.summary.update({**end.figures, **end.tags, "reason": end.reason})
        self._run.tags = (*(self._run.tags or ()), *dict.fromkeys(end.tags.values()))
        self._run.finish(exit_code=_EXIT_CODES.get(end.state, 1))
