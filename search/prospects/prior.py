"""What earlier studies say about a space: a prior for the surrogate.

Levels on other ratings cannot be compared, but ranks can: each earlier outcome becomes the normal
score of its rank within its study, and a Gaussian process over these scores is the prior mean.

Source: Salinas et al. 2020, "A quantile-based approach for hyperparameter transfer learning".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import norm, rankdata, spearmanr

from ...errors import ConfigError
from ...model.evaluation.metrics import Metric
from ..definition.space import Space
from ..definition.study_file import StudySpec
from ..storage.trials import CONFIG
from .encoding import Doubles, Encoding
from .outcomes import Outcome, outcomes
from .processes import fit_process

PRIOR = "recsys_search:prior"  # with the earlier study's name: its `Earlier` configs
MIN_EARLIER = 8  # configs of an earlier study that are in the space
MAX_EARLIER = 200
ALIKE = 0.15  # of each range: configs that differ by no more are alike

MIN_AGREEMENT_TRIALS = 8  # before a prior may be dropped
MIN_AGREEMENT = 0.2  # rank correlation; clearly below it, the earlier ranking does not hold
# How much of the earlier ranking holds, before any trial says so.
EXPECTED_TRUST, TRUST_SD = 0.7, 0.4


@dataclass(frozen=True)
class Earlier:
    """A config of an earlier study.

    Attributes:
        number: of its trial there.
        params: as this study's axes have them.
        score: normal score of its rank among the others, lower is better.
    """

    number: int
    params: dict[str, Any]
    score: float

    def to_json(self) -> dict[str, Any]:
        """For the storage."""
        return asdict(self)


def earlier_configs(
    spec: StudySpec, trials: Sequence[FrozenTrial], metric: Metric, star: float = 1.0
) -> list[Earlier]:
    """The configs of another study that are in this one's space, best first; the best if many.

    Pruned trials count with the forecast of their end.

    Args:
        spec: this study.
        trials, metric, star: the other study's.
    """
    found = []
    for outcome in outcomes(trials, metric, star):
        config = trials[outcome.number].system_attrs.get(CONFIG, {})
        if config.get("architecture") not in spec.architectures:
            continue
        try:
            found.append((outcome, spec.space.params_of(config)))
        except (ConfigError, KeyError):  # off an axis, or an architecture without these fields
            continue
    if not found:
        return []
    ranks = rankdata([outcome.level for outcome, _ in found])
    scores = norm.ppf((ranks - 0.5) / len(found))
    earlier = [
        Earlier(outcome.number, params, float(score))
        for (outcome, params), score in zip(found, scores, strict=True)
    ]
    return sorted(earlier, key=lambda each: (each.score, each.number))[:MAX_EARLIER]


def most_different(space: Space, earlier: Sequence[Earlier], n: int) -> list[Earlier]:
    """The best configs that differ from each other: a search's best trials are often alike.

    Args:
        earlier: best first.
        n: how many; fewer if all others are alike.
    """
    points = Encoding(space).encode_params([each.params for each in earlier])
    chosen: list[int] = []
    for at, point in enumerate(points):
        if len(chosen) < n and all(np.abs(point - points[c]).max() > ALIKE for c in chosen):
            chosen.append(at)
    return [earlier[at] for at in chosen]


class Prior:
    """The earlier ranking as a function of the config, in normal scores."""

    def __init__(
        self, space: Space, earlier: Sequence[Earlier], trust: float | Literal["auto"] = "auto"
    ) -> None:
        """Args: earlier: at least `MIN_EARLIER` of them."""
        self.trust = trust
        self._encoding = Encoding(space)
        points = self._encoding.encode_params([each.params for each in earlier])
        self._process = fit_process(points, np.array([each.score for each in earlier]))

    def predict(self, points: Doubles) -> Doubles:
        """(n,) expected scores of points."""
        scores: Doubles = self._process.predict(points)
        return scores

    def agreement(self, known: Sequence[Outcome]) -> float | None:
        """Rank correlation of the earlier ranking with this study's outcomes.

        None while there are too few to say, or all have the same level.
        """
        healthy = [outcome for outcome in known if not outcome.is_sick]
        levels = [outcome.level for outcome in healthy]
        if len(healthy) < MIN_AGREEMENT_TRIALS or len(set(levels)) == 1:
            return None
        points = self._encoding.encode_params([outcome.params for outcome in healthy])
        expected = self.predict(points)
        if np.ptp(expected) == 0:
            return None
        return float(spearmanr(expected, levels).statistic)

    def verdict(self, known: Sequence[Outcome]) -> dict[str, Any]:
        """Whether the earlier ranking holds here, as `status --json` prints it."""
        agreement = self.agreement(known)
        return {
            "rank_correlation": None if agreement is None else round(agreement, 3),
            "trials": sum(not outcome.is_sick for outcome in known),
            "dropped": self.is_dropped(known),
        }

    def is_dropped(self, known: Sequence[Outcome]) -> bool:
        """Whether the earlier ranking does not hold here.

        A few trials give a correlation by chance, and those that the ranking itself has chosen
        differ little: it must be clearly below the limit.
        """
        agreement = self.agreement(known) if self.trust == "auto" else None
        if agreement is None or abs(agreement) == 1:
            return agreement == -1
        n = sum(not outcome.is_sick for outcome in known)
        # Fisher's transformation is normal with this standard deviation.
        upper = math.tanh(math.atanh(agreement) + 1 / math.sqrt(n - 3))
        return upper < MIN_AGREEMENT

    def weight(self, scores: Doubles, values: Doubles) -> float:
        """How much of the prior to take over, from the outcomes themselves.

        Args:
            scores: (n,) of the outcomes, by the prior.
            values: (n,) of the outcomes, of mean 0 and variance 1 or so.
        """
        if self.trust != "auto":
            return self.trust
        # The slope of values against scores, whose prior has the weight of a few outcomes.
        precision = TRUST_SD**-2
        slope = (precision * EXPECTED_TRUST + scores @ values) / (precision + scores @ scores)
        return float(np.clip(slope, 0.0, 1.0))


def read_prior(
    space: Space, attrs: Mapping[str, Any], trust: float | Literal["auto"]
) -> Prior | None:
    """The prior from the earlier configs that a study stores; None without enough of them.

    Args:
        attrs: the study's system attributes.
    """
    earlier = [
        Earlier(**each)
        for key, configs in sorted(attrs.items())
        if key.startswith(f"{PRIOR}:") and len(configs) >= MIN_EARLIER
        for each in configs
    ]
    return Prior(space, earlier, trust) if earlier else None


def unless_contradicted(prior: Prior | None, known: Sequence[Outcome]) -> Prior | None:
    """The prior if the outcomes do not contradict it."""
    return None if prior is None or prior.is_dropped(known) else prior
