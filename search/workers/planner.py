"""What a worker learns from all trials of its study: whether to go on, and with what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

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
from ..storage.claims import study_transaction
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
        self._read: Prior | None = None

    def learned_noise(self, architecture: str) -> float | None:
        """What another seed may change, in stars; None before trials have been confirmed."""
        noise: dict[str, float] = self._attrs().get(SEED_NOISE, {})
        return noise.get(architecture)

    def sampler(self, number: int) -> BaseSampler:
        """The sampler of the trial with this number."""
        return trial_sampler(self._spec, number, self._star, self._prior())

    def why_finished(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Why the remaining trials are not worth their time; None if they are, or some wait."""
        outlook, finish = Outlook.of(self._attrs()), self._spec.finish
        if outlook is None or finish is None or not outlook.ends(finish, self._spec.trials):
            return None
        if any(trial.state == TrialState.WAITING for trial in trials):
            return None
        return outlook.describe_end(finish, self._metric, self._star)

    def look_ahead(self) -> None:
        """Store what the remaining trials are expected to bring."""
        trials = self._study.get_trials(deepcopy=False)
        try:
            self._judge_prior(trials)
            outlook = look_ahead(
                self._spec,
                trials,
                count_trials(trials),
                star=self._star,
                prior=self._prior(),
                learned_noise=self.learned_noise,
            )
        except (ValueError, ArithmeticError) as error:  # a study is worth more than its forecast
            self._notify(f"what the remaining trials would bring is unknown: {format_error(error)}")
            return
        if outlook is None:
            return
        with study_transaction(self._storage, self._study._study_id) as transaction:
            stored = Outlook.of({OUTLOOK: transaction.study_attr(OUTLOOK)})
            if stored is None or stored.done <= outlook.done:  # else another worker's is later
                transaction.set_study_attr(OUTLOOK, outlook.following(stored).to_json())

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
        if not kept:
            return None
        trials = self._study.get_trials(deepcopy=False)
        try:
            thaw = find_thaw(self._spec, trials, self._star, kept, self._prior())
        except (ValueError, ArithmeticError) as error:
            self._notify(f"no stopped trial goes on: their forecast failed: {format_error(error)}")
            return None
        return thaw.number if thaw else None

    def _prior(self) -> Prior | None:
        """What earlier studies expect, unless their ranking has been dropped.

        Another process may store it after this one has begun.
        """
        if self._spec.warm_start is None:
            return None
        attrs = self._attrs()
        if (attrs.get(VERDICT) or {}).get("dropped"):
            return None
        if self._read is None:
            self._read = read_prior(self._spec.space, attrs, self._spec.warm_start.trust)
        return self._read

    def _judge_prior(self, trials: Sequence[FrozenTrial]) -> None:
        """Store whether the ranking of earlier studies holds here, and report when it does not."""
        prior = self._prior()
        if prior is None or self._spec.warm_start is None:
            return
        verdict = prior.verdict(outcomes(trials, self._metric, self._star))
        self._set(VERDICT, verdict)
        if verdict["dropped"]:
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
