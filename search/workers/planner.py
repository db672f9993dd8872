"""What a worker learns from all trials of its study: whether to go on, and with what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from ...base.folders import Folder
from ...base.messages import format_error
from ...model.evaluation.weighted import find_metric
from ..definition.study_file import StudySpec
from ..prospects.look_ahead import find_thaw, look_ahead
from ..prospects.outcomes import outcomes
from ..prospects.outlook import OUTLOOK, VERDICT, Outlook
from ..prospects.prior import Prior, read_prior
from ..running.checkpoint_folders import list_checkpoints
from ..samplers.build import trial_sampler
from ..storage.studies import SEED_NOISE
from ..storage.trials import count_trials


class Planner:
    """Plans the trials of one version of a study."""

    def __init__(
        self,
        spec: StudySpec,
        study: Study,
        storage: RDBStorage,
        star: float,
        notify: Callable[[str], None],
    ) -> None:
        """Args: star: what a star is worth in the ratings' units: `Scale.star`."""
        self._spec = spec
        self._study = study
        self._storage = storage
        self._star = star
        self._notify = notify
        self._metric = find_metric(spec.objective.metric)
        self._prior: Prior | None = None
        if spec.warm_start:
            self._prior = read_prior(spec.space, self._attrs(), spec.warm_start.trust)

    @property
    def learned_noise(self) -> float | None:
        """What another seed may change, in stars, if the study has confirmed trials."""
        noise: float | None = self._attrs().get(SEED_NOISE)
        return noise

    def sampler(self, number: int) -> BaseSampler:
        """The sampler of the trial with this number."""
        return trial_sampler(self._spec, number, self._star, self._prior)

    def why_finished(self) -> str | None:
        """Why the trials left are not worth their time; None if they are."""
        outlook, finish = Outlook.of(self._attrs()), self._spec.finish
        if outlook is None or finish is None or not outlook.ends(finish, self._spec.trials):
            return None
        return outlook.describe_end(finish, self._metric, self._star)

    def look_ahead(self) -> None:
        """Store what the trials left are expected to bring."""
        trials = self._study.get_trials(deepcopy=False)
        before = Outlook.of(self._attrs())
        try:
            self._judge_prior(trials)
            outlook = look_ahead(
                self._spec,
                trials,
                count_trials(trials),
                before,
                self._star,
                self._prior,
                self.learned_noise,
            )
        except (ValueError, ArithmeticError) as error:  # a study is worth more than its forecast
            self._notify(f"what the trials left would bring is unknown: {format_error(error)}")
            return
        if outlook is not None:
            self._set(OUTLOOK, outlook.to_json())

    def choose_thaw(self, checkpoints: Folder) -> int | None:
        """Number of a stopped trial that is worth going on with rather than trying a new config.

        Args:
            checkpoints: the folder of the trials' checkpoints.
        """
        if not self._spec.thaw:
            return None
        try:
            folders = list_checkpoints(self._study, checkpoints)
        except OSError:
            return None  # which `tidy_checkpoints` has reported
        kept = {each.trial.number for each in folders if each.trial and each.is_frozen}
        trials = self._study.get_trials(deepcopy=False)
        thaw = find_thaw(self._spec, trials, self._star, kept, self._prior) if kept else None
        return thaw.number if thaw else None

    def _judge_prior(self, trials: Sequence[FrozenTrial]) -> None:
        """Store whether the ranking of earlier studies holds here, and report when it does not."""
        if self._prior is None or self._spec.warm_start is None:
            return
        verdict = self._prior.verdict(outcomes(trials, self._metric, self._star))
        was_dropped = (self._attrs().get(VERDICT) or {}).get("dropped")
        self._set(VERDICT, verdict)
        if verdict["dropped"] and not was_dropped:
            self._notify(
                f"the ranking of configs in {', '.join(self._spec.warm_start.studies)} does not "
                f"hold here (rank correlation {verdict['rank_correlation']:.2f} over "
                f"{verdict['trials']} trials): the search goes on without it"
            )

    def _attrs(self) -> dict[str, Any]:
        attrs: dict[str, Any] = self._storage.get_study_system_attrs(self._study._study_id)
        return attrs

    def _set(self, key: str, value: dict[str, Any]) -> None:
        self._storage.set_study_system_attr(self._study._study_id, key, value)
