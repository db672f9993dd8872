"""Whole searches of `breakthrough`, on curves fitted to recorded ones: 100 studies of each policy.

    python -m benchmarks.search.policies --out benchmarks/results

A study takes seconds, because nothing is trained (`simulated_study.py`). Each study is kept as it
ends, so an interrupted run goes on, with the policies and the number of studies that are asked for.
No study knows a good config at the start, unless the policy says so: `breakthrough`'s own known
config is near the optimum of these ratings, because it came from earlier searches on them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from recsys_search.search.definition.finish import Finish
from recsys_search.search.definition.sampler import Sampler
from recsys_search.search.definition.study_file import StudySpec
from recsys_search.search.prospects.look_ahead import look_ahead
from recsys_search.search.prospects.outlook import Outlook
from recsys_search.search.pruners.collapse import Collapse
from recsys_search.search.pruners.divergence import Divergence
from recsys_search.search.pruners.hopeless import Hopeless
from recsys_search.search.pruners.optuna_pruners import Median
from recsys_search.search.pruners.overfit_gap import OverfitGap
from recsys_search.search.pruners.resources import GpuMemory
from recsys_search.search.pruners.trial_pruner import TrialPruner
from recsys_search.search.samplers.build import trial_sampler
from recsys_search.search.storage.trials import count_trials

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from benchmarks.search.curves import FOLDER, append
from benchmarks.search.landscape import fit_error, landscapes, recorded
from benchmarks.search.policy_figures import table
from benchmarks.search.simulated_study import Ended, Policy, SimulatedStudy, simulated_spec

MAX_LOOKS = 70  # trials after which the outlook is computed
RAW = FOLDER.parent / "studies"  # one file a policy, one study a line


def project_sampler(name: str) -> Any:
    """The project's sampler of that name, for each trial."""

    def sampler(spec: StudySpec, seed: int, number: int) -> BaseSampler:
        chosen = Sampler.model_validate({name: {"seed": seed}})
        return trial_sampler(spec.model_copy(update={"sampler": chosen}), number)

    return sampler


def rules(spec: StudySpec) -> BasePruner:
    """The study's pruners, without GPU memory, which the curves do not have."""
    return TrialPruner([each for each in spec.pruners if not isinstance(each, GpuMemory)])


def strict_rules(spec: StudySpec) -> BasePruner:
    """The rules, with `hopeless` at a chance of 20%: thawing makes up for its errors."""
    kept = [each for each in spec.pruners if not isinstance(each, GpuMemory | Hopeless)]
    return TrialPruner([*kept, Hopeless(chance=0.2)])


def median_of_rules(spec: StudySpec) -> BasePruner:
    """The rules with Optuna's median in place of `hopeless` and `plateau`."""
    kept = [each for each in spec.pruners if isinstance(each, Divergence | Collapse | OverfitGap)]
    return TrialPruner([*kept, Median(startup_trials=5, warmup_epochs=0)])


def optunas_random(spec: StudySpec, seed: int, number: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def optunas_tpe(spec: StudySpec, seed: int, number: int) -> BaseSampler:
    return TPESampler(seed=seed)


def no_pruner(spec: StudySpec) -> BasePruner:
    return NopPruner()


POLICIES = [
    Policy("random", optunas_random, no_pruner, shares_sampler=True),
    Policy("Optuna TPE", optunas_tpe, no_pruner, shares_sampler=True),
    Policy("Optuna TPE, median", optunas_tpe, lambda spec: MedianPruner(), shares_sampler=True),
    Policy(
        "Optuna TPE, hyperband",
        optunas_tpe,
        lambda spec: HyperbandPruner(max_resource=30),
        shares_sampler=True,
    ),
    Policy("random, ASHA", optunas_random, no_pruner, shares_sampler=True, pauses=True),
    Policy("Optuna TPE, ASHA", optunas_tpe, no_pruner, shares_sampler=True, pauses=True),
    Policy("auto, ASHA", project_sampler("auto"), no_pruner, pauses=True),
    Policy("tpe, rules", project_sampler("tpe"), rules),
    Policy("gp, rules", project_sampler("gp"), rules),
    Policy("cmaes, rules", project_sampler("cmaes"), rules),
    Policy("auto, rules", project_sampler("auto"), rules),
    Policy("auto, rules, thaw", project_sampler("auto"), rules, thaw=True, looks_ahead=True),
    Policy("auto, strict rules", project_sampler("auto"), strict_rules),
    Policy(
        "auto, strict rules, thaw",
        project_sampler("auto"),
        strict_rules,
        thaw=True,
        looks_ahead=True,
    ),
    Policy("auto, median", project_sampler("auto"), median_of_rules),
    Policy("auto, median, thaw", project_sampler("auto"), median_of_rules, thaw=True),
    Policy(
        "auto, rules, thaw, known configs",
        project_sampler("auto"),
        rules,
        known=True,
        thaw=True,
        looks_ahead=True,
    ),
]


@cache
def study_and_landscapes() -> tuple[StudySpec, Any]:
    """The study and its landscapes, once a process."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec = simulated_spec()
    return spec, landscapes(spec)


def simulate(policy_name: str, seed: int) -> dict[str, Any]:
    """One study, to its total, with the trial after which it would have ended by itself."""
    spec, fitted = study_and_landscapes()
    policy = next(each for each in POLICIES if each.name == policy_name)
    study = SimulatedStudy(spec, fitted, policy, seed)
    finish = spec.finish or Finish()
    outlook: Outlook | None = None
    ended: list[Ended] = []
    highs: dict[int, float] = {}
    finished_at: int | None = None
    for each in study.run():
        ended.append(each)
        if policy.looks_ahead and len(ended) <= MAX_LOOKS:
            trials = study.trials
            outlook = look_ahead(spec, trials, count_trials(trials), outlook)
            if outlook:
                highs[len(ended)] = round(outlook.high, 6)
            if outlook and finished_at is None and outlook.ends(finish, spec.trials):
                finished_at = len(ended)
    return {
        "seed": seed,
        "epochs": [each.epochs for each in ended],
        "values": [each.value and round(each.value, 6) for each in ended],
        "true_values": [round(each.true_value, 6) for each in ended],
        "continues": {each.number: each.continues for each in ended if each.continues is not None},
        "highs": highs,
        "finished_at": finished_at,
    }


def kept_studies(policy: str) -> list[dict[str, Any]]:
    """The policy's studies so far, by seed."""
    path = path_of(policy)
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted((json.loads(line) for line in lines), key=lambda study: study["seed"])


def path_of(policy: str) -> Path:
    return RAW / f"{policy.replace(', ', '-').replace(' ', '_')}.jsonl"


def run(policies: Sequence[str], n_studies: int, n_processes: int) -> None:
    """Simulate the studies that are missing."""
    RAW.mkdir(exist_ok=True)
    done = {name: {study["seed"] for study in kept_studies(name)} for name in policies}
    missing = [
        (name, seed) for seed in range(n_studies) for name in policies if seed not in done[name]
    ]
    with ProcessPoolExecutor(n_processes) as pool:
        names = {pool.submit(simulate, name, seed): name for name, seed in missing}
        for task in as_completed(names):
            append(path_of(names[task]), json.dumps(task.result(), separators=(",", ":")))


def main() -> None:
    names = [policy.name for policy in POLICIES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", nargs="+", default=names, choices=names)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    add_out(parser)
    args = parser.parse_args()
    run(args.policies, args.studies, args.processes)
    spec = simulated_spec()
    errors = {
        name: str(fit_error(spec.space, recorded(spec.space, name))) for name in spec.architectures
    }
    for name, error in errors.items():
        print(f"{name}: {error}")
    studies = {name: kept_studies(name) for name in args.policies}
    figures, text = table({name: rows for name, rows in studies.items() if rows})
    print(text)
    keep(args.out, "search", {"machine": machine(), "landscapes": errors, "policies": figures})


if __name__ == "__main__":
    main()
