"""Run time of both ranking protocols, by the number of ratings.

    python -m benchmarks.speed.ranking 1000000 20000000 --out benchmarks/results

The model is an untrained `two_tower`: scoring costs the same as after training.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import open_test, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.models import build_model
from recsys_search.model.evaluation.ranking import full_catalogue, held_out_rated
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.device import resolve_device

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine


def measure(n: int, device: torch.device) -> dict[str, Any]:
    ratings = demo_ratings(n)
    store = TrainStore.build(split_ratings(ratings, SplitSpec()).train, device)
    part = open_test(ratings, SplitSpec())
    model = build_model(build_config("two_tower"), store).eval()
    score = model.score(store.held_out(part))
    started_at = perf_counter()
    held_out_rated(store, part, score)
    held_out_s = perf_counter() - started_at
    started_at = perf_counter()
    users = full_catalogue(model, part)["users"]
    return {
        "ratings": n,
        "users_ranked": users,
        "films": store.n_films,
        "held_out_rated_s": round(held_out_s, 1),
        "full_catalogue_s": round(perf_counter() - started_at, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ratings", type=int, nargs="+")
    parser.add_argument("--device", default="auto")
    add_out(parser)
    args = parser.parse_args()
    device = resolve_device(args.device)
    rows = []
    for n in args.ratings:
        rows.append(measure(n, device))
        if len(rows) == 1:
            print("  ".join(rows[0]))
        values = rows[-1].items()
        print("  ".join(str(value).rjust(len(name)) for name, value in values), flush=True)
    about = {"machine": machine(str(device)), "threads": torch.get_num_threads()}
    keep(args.out, f"ranking-{device.type}", {**about, "rows": rows})


if __name__ == "__main__":
    main()
