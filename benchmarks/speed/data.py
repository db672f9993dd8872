"""Time and memory to generate, prepare, open and split ratings.

    python -m benchmarks.speed.data 1000000 4000000 32000000 --out benchmarks/results

Each step runs in its own process, and its peak memory is reported (including Python and its
libraries, some 200 MB). The generated ratings are first written as MovieLens CSV and read from it.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pandas as pd
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

OPENINGS = 5  # the slowest counts
LIMITS = {"prepare_s": 60, "prepare_gb": 4, "open_s": 0.2, "generate_s": 90, "generate_gb": 6}
"""Upper limits for 32 million ratings on two cores."""


def generate(folder: Path, n: int) -> dict[str, float]:
    """Write ratings.csv and movies.csv; only the generator is timed."""
    started_at = perf_counter()
    ratings = demo_ratings(n)
    figures = {"generate_s": perf_counter() - started_at, "generate_gb": peak_gb()}
    films = ratings.films
    names = pd.Series(films.genre_names)
    movies = {
        "movieId": films.ids,
        "title": films.titles,
        "genres": ["|".join(names[row]) for row in films.genres],
    }
    pd.DataFrame(movies).to_csv(folder / "movies.csv", index=False)
    step = 1_000_000
    for start in range(0, n, step):
        rows = slice(start, start + step)
        columns = {
            "userId": ratings.user_ids[ratings.user[rows]],
            "movieId": films.ids[ratings.film[rows]],
            "rating": ratings.rating[rows],
            "timestamp": ratings.timestamp[rows] if ratings.timestamp is not None else 0,
        }
        mode = "w" if start == 0 else "a"
        table = pd.DataFrame(columns)
        table.to_csv(folder / "ratings.csv", index=False, header=start == 0, mode=mode)
    figures["users"], figures["films"] = ratings.n_users, ratings.n_films
    figures["csv_mb"] = (folder / "ratings.csv").stat().st_size / 1e6
    return figures


def prepare(folder: Path, n: int) -> dict[str, float]:
    started_at = perf_counter()
    ratings = load_ratings(str(folder), folder / "cache")
    assert len(ratings) == n
    return {"prepare_s": perf_counter() - started_at, "prepare_gb": peak_gb()}


def reopen(folder: Path, n: int) -> dict[str, float]:
    """The slowest of several openings, including the fingerprint but not the imports."""
    times = []
    for _ in range(OPENINGS):
        started_at = perf_counter()
        ratings = load_ratings(str(folder), folder / "cache")
        assert len(ratings) == n and ratings.fingerprint
        times.append(perf_counter() - started_at)
    return {"open_s": max(times), "open_gb": peak_gb()}


def split(folder: Path, n: int) -> dict[str, float]:
    ratings = load_ratings(str(folder), folder / "cache")
    started_at = perf_counter()
    parts = split_ratings(ratings, SplitSpec())
    assert len(parts.train) == round(0.8 * n)
    return {"split_s": perf_counter() - started_at, "split_gb": peak_gb()}


def peak_gb() -> float:
    """Peak memory of this process since it started."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def in_fresh_process(step: Callable[..., dict[str, float]], folder: Path, n: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(step, folder, n).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ratings", type=int, nargs="+")
    add_out(parser)
    args = parser.parse_args()
    rows = []
    for n in args.ratings:
        row: dict[str, Any] = {"ratings": n}
        with TemporaryDirectory() as folder:
            for step in (generate, prepare, reopen, split):
                row |= in_fresh_process(step, Path(folder), n)
        rows.append({name: round(value, 3) for name, value in row.items()})
        if len(rows) == 1:
            print("  ".join(name.rjust(9) for name in row))
        values = rows[-1].items()
        print(
            "  ".join(f"{value:g}".rjust(max(9, len(name))) for name, value in values), flush=True
        )
    for name, limit in LIMITS.items():
        print(f"{name}: {rows[-1][name]:g}, limit {limit:g} at 32M")
    keep(args.out, "data", {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
