"""What ages, genders and occupations are worth to `two_tower`, where they determine taste.

    python -m benchmarks.quality.user_features --out benchmarks/results

Generates ratings in MovieLens 1M's format whose tastes depend on the users' groups by a given
share, and trains with and without users.dat: once with a tenth of the ratings held out, and once
with all ratings of a tenth of the users, whom the model then knows from their groups alone. Half of
these can be removed from users.dat, too.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.ratings import Ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split
from recsys_search.model.architectures.two_tower import TwoTowerConfig
from recsys_search.model.training.training import Training

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

RANK = 4
AGES = (1, 18, 25, 35, 45, 50, 56)  # MovieLens 1M's codes
N_OCCUPATIONS = 21
TASTE_SD, BIAS_SD, NOISE_SD = 0.7, 0.35, 0.75  # stars
HELD_OUT = 0.1

Doubles = NDArray[np.float64]


def write_ratings(
    folder: Path, *, n_users: int, n_films: int, per_user: int, share: float, seed: int
) -> None:
    """ratings.dat, movies.dat and users.dat in a folder.

    A rating is mean + user bias + film bias + user taste · film taste + noise, rounded to 1 to 5.

    Args:
        per_user: ratings of each user, of films at random.
        share: of the variance of taste that the user's age, gender and occupation determine.
    """
    rng = np.random.default_rng(seed)
    gender = rng.integers(2, size=n_users)
    age = rng.integers(len(AGES), size=n_users)
    occupation = rng.integers(N_OCCUPATIONS, size=n_users)
    effects = [rng.normal(size=(size, RANK)) for size in (2, len(AGES), N_OCCUPATIONS)]
    of_groups = sum(
        effect[group] for effect, group in zip(effects, (gender, age, occupation), strict=True)
    ) / np.sqrt(len(effects))
    own = rng.normal(size=(n_users, RANK))
    taste = TASTE_SD * (np.sqrt(share) * of_groups + np.sqrt(1 - share) * own)
    film_taste = rng.normal(size=(n_films, RANK)) / np.sqrt(RANK)
    user = np.repeat(np.arange(n_users), per_user)
    film = np.concatenate(
        [np.sort(rng.choice(n_films, per_user, replace=False)) for _ in range(n_users)]
    )
    stars = 3.4 + rng.normal(0, BIAS_SD, n_users)[user] + rng.normal(0, BIAS_SD, n_films)[film]
    stars += (taste[user] * film_taste[film]).sum(1) + rng.normal(0, NOISE_SD, len(user))
    rating = stars.round().clip(1, 5).astype(int)
    _write(folder / "ratings.dat", zip(user + 1, film + 1, rating, strict=True))
    _write(folder / "movies.dat", ((i + 1, f"Film {i + 1}", "Drama") for i in range(n_films)))
    codes = zip(np.array(["F", "M"])[gender], np.array(AGES)[age], occupation, strict=True)
    _write(folder / "users.dat", ((i + 1, *code, "00000") for i, code in enumerate(codes)))


def _write(path: Path, rows: Any) -> None:
    path.write_text("".join("::".join(map(str, row)) + "\n" for row in rows), encoding="latin-1")


def held_out_ratings(ratings: Ratings, seed: int) -> Split:
    """A tenth of the ratings at random to validate on."""
    chosen = np.random.default_rng(seed).permutation(len(ratings)) < HELD_OUT * len(ratings)
    return _split(ratings, chosen)


def held_out_users(ratings: Ratings, seed: int) -> Split:
    """All ratings of a tenth of the users to validate on."""
    users = np.random.default_rng(seed).permutation(ratings.n_users) < HELD_OUT * ratings.n_users
    return _split(ratings, users[ratings.user])


def _split(ratings: Ratings, chosen: NDArray[np.bool_]) -> Split:
    return Split(
        train=ratings.take(np.flatnonzero(~chosen)),
        validation=ratings.take(np.flatnonzero(chosen)),
        spec=SplitSpec(),
        fingerprint=ratings.fingerprint,
    )


def with_half_described(ratings: Ratings) -> Ratings:
    """Every other user is missing from users.dat."""
    assert ratings.users is not None
    age, groups = ratings.users.age.copy(), ratings.users.groups.copy()
    age[::2], groups[::2] = 0, False
    return replace(ratings, users=replace(ratings.users, age=age, groups=groups))


def validation_rmse(config: TwoTowerConfig, split: Split) -> tuple[float, float]:
    """Of the bias baseline, and of the best epoch."""
    with Training(config, split, "cpu") as run:
        for _ in run:
            pass
        assert run.best is not None
        return run.bias_val_rmse, run.best.report.val_rmse


def compare(split: Split, *, max_epochs: int, seed: int) -> dict[str, float]:
    """Validation RMSE of the biases, and without and with the users' features."""
    config = TwoTowerConfig(max_epochs=max_epochs, batch_size=2048, latent_dim=16, seed=seed)
    biases, with_users = validation_rmse(config, split)
    _, without = validation_rmse(config, replace(split, train=replace(split.train, users=None)))
    return {"biases": biases, "without": without, "with": with_users}


CUTS = {
    "ratings": held_out_ratings,
    "users": held_out_users,
    "users, half described": lambda ratings, seed: held_out_users(
        with_half_described(ratings), seed
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--films", type=int, default=300)
    parser.add_argument("--per-user", type=int, nargs="+", default=[5, 20, 60])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.2, 0.7])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=20)
    add_out(parser)
    args = parser.parse_args()
    rows = []
    print("| held out | ratings of a user | share of taste | biases | without | with |")
    print("|---|---|---|---|---|---|")
    for per_user in args.per_user:
        for share in args.shares:
            measured: dict[str, list[dict[str, float]]] = {name: [] for name in CUTS}
            for seed in args.seeds:
                with TemporaryDirectory() as folder:
                    sizes = {"n_users": args.users, "n_films": args.films, "per_user": per_user}
                    write_ratings(Path(folder), **sizes, share=share, seed=seed)
                    ratings = read_ratings(Path(folder))
                for name, cut in CUTS.items():
                    split = cut(ratings, seed)
                    measured[name].append(compare(split, max_epochs=args.epochs, seed=seed))
            for name, figures in measured.items():
                means = {key: round(mean(each[key] for each in figures), 4) for key in figures[0]}
                rows.append({"held_out": name, "per_user": per_user, "share": share, **means})
                print("| " + " | ".join(map(str, rows[-1].values())) + " |", flush=True)
    about = {"machine": machine(), "users": args.users, "films": args.films, "seeds": args.seeds}
    keep(args.out, "user-features", {**about, "epochs": args.epochs, "rows": rows})


if __name__ == "__main__":
    main()
