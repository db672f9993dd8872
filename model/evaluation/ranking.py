"""Precision, recall and NDCG at ten of held-out ratings, beside random and popularity.

Two protocols, which differ in what a user's ranking is made of, the candidates:

held_out_rated   the films that the user rated in the evaluated split
full_catalogue   all films with train ratings, except those that the user has in train

A candidate is relevant if the user rated it in the evaluated split with at least 80% of the scale's
highest rating: 4 of 5 stars. Users without a relevant candidate are left out, and counted.
Shapes: U users, k places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.ratings import Ratings, Scale
from ..components.rating_model import RatingModel
from ..store.train_store import TrainStore

K = 10
RELEVANT_SHARE = 0.8  # of the scale's highest rating, from which on a film is relevant

# A net that is run on each pair scores some thousand pairs a second on a CPU.
MOST_USERS = 2_000
MOST_PAIRS_ON_CPU = 1_000_000


def relevant_from(scale: Scale) -> float:
    """Stars from which on a film is relevant: 4 on a scale to 5, 8 on one to 10."""
    return RELEVANT_SHARE * scale.high


def held_out_rated(store: TrainStore, part: Ratings, score: Tensor, k: int = K) -> dict[str, Any]:
    """How well the films that each user rated in `part` are put in order.

    Args:
        part: none of its ratings is in the store.
        score: (n,) of the part's rows; the higher, the better.
    """
    user, film, relevant = _columns(store, part)
    n_candidates = user.bincount(minlength=store.n_users)
    n_relevant = user[relevant].bincount(minlength=store.n_users)
    popularity = store.by_film.counts[film]
    tie = neutral_order(store)[film]
    hits = {}
    for name, values in (("model", score), ("popularity", popularity)):
        place = places(user, values, tie, store.n_users)
        hit = relevant & (place < k)
        hits[name] = torch.zeros(store.n_users, k, device=store.device)
        hits[name][user[hit], place[hit]] = 1.0
    kept = n_relevant > 0
    return {
        **_figures(
            {name: values[kept] for name, values in hits.items()},
            n_relevant[kept],
            n_candidates[kept],
        ),
        "users_left_out": int(((n_candidates > 0) & ~kept).sum()),
        "protocol": "ranks the films that a user rated in this split; relevant: "
        f"{relevant_from(store.scale):g} stars and more",
    }


def full_catalogue(model: RatingModel, part: Ratings, k: int = K) -> dict[str, Any]:
    """How well each user's relevant films in `part` are found among all films not seen in train.

    A model whose scores are no matrix product is asked for a sample of the users, the same each
    time; random and popularity are then those of the same users.
    """
    store = model.store
    in_train = store.by_film.counts > 0
    user, film, relevant = _columns(store, part)
    found = relevant & in_train[film]
    user, film, rated = user[found], film[found], user
    everyone = user.unique()
    users = _sample(model, everyone)
    member = torch.isin(user, users)
    position, film = torch.searchsorted(users, user[member]), film[member]

    popularity = store.by_film.counts.float()
    tie = neutral_order(store)
    names = ("model", "popularity")
    hits = {name: torch.zeros(len(users), k, device=store.device) for name in names}
    start = 0
    for scores in model.score_catalogue(users):
        end = start + len(scores)
        seen = _train_films(store, users[start:end])
        mine = (position >= start) & (position < end)
        wanted = torch.zeros_like(scores, dtype=torch.bool)
        wanted[position[mine] - start, film[mine]] = True
        for name, values in (("model", scores), ("popularity", popularity.expand_as(scores))):
            at, best, place = top(values, k, tie, masked=seen, films=in_train)
            hit = wanted[at, best]
            hits[name][start + at[hit], place[hit]] = 1.0
        start = end
    n_candidates = int(in_train.sum()) - store.by_user.counts[users]
    n_relevant = position.bincount(minlength=len(users))
    stars = f"{relevant_from(store.scale):g} stars"
    return {
        **_figures(hits, n_relevant, n_candidates),
        "users_left_out": len(rated.unique()) - len(everyone),
        "users_sampled": len(users) if len(users) < len(everyone) else None,
        "relevant_without_train_ratings": int((relevant & ~found).sum()),
        "protocol": "ranks all films that have train ratings, except those the user has in train; "
        f"relevant: rated in this split with {stars} and more",
    }


def top(
    scores: Tensor, k: int, tie: Tensor, *, masked: tuple[Tensor, Tensor], films: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The at most k best films of each user, as (user's row, film, place from 0), (n,) each.

    Args:
        scores: (U, n_films), finite.
        tie: (n_films,) among equal scores, the lowest goes first.
        masked: rows and films that are no candidates.
        films: (n_films,) bool, which are candidates at all.
    """
    scores = torch.where(films, scores, -torch.inf)
    scores[masked] = -torch.inf
    floor = scores.topk(min(k, scores.shape[1]), dim=1).values[:, -1:]
    # All that tie for the last place; `topk` alone would pick any of them. Never a masked one.
    row, film = (scores >= floor.clamp(min=torch.finfo(scores.dtype).min)).nonzero(as_tuple=True)
    place = places(row, scores[row, film], tie[film], len(scores))
    kept = place < k
    return row[kept], film[kept], place[kept]


def places(group: Tensor, score: Tensor, tie: Tensor, n_groups: int) -> Tensor:
    """(n,) each row's place in its group: 0 for the highest score, equals by ascending `tie`."""
    order = tie.argsort()
    for key, descending in ((score, True), (group, False)):
        order = order[key[order].argsort(stable=True, descending=descending)]
    counts = group.bincount(minlength=n_groups)
    first = counts.cumsum(0) - counts
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device) - first[group[order]]
    return place


def neutral_order(store: TrainStore) -> Tensor:
    """(n_films,) a shuffle, always the same, that settles ties.

    Ids would not be neutral: MovieLens' lowest are its best-known films.
    """
    shuffled = np.random.default_rng(0).permutation(store.n_films)
    return torch.from_numpy(shuffled).to(store.device)


def at_k(hits: Tensor, n_relevant: Tensor, n_candidates: Tensor) -> dict[str, float | None]:
    """Precision, recall and NDCG at k, means over users; None without a user.

    Fewer than k candidates: precision divides by what there is. NDCG is binary, its discount
    1 / log2(place + 1) from place 1, and 1.0 is the best order of the relevant films
    (Järvelin & Kekäläinen 2002, https://doi.org/10.1145/582415.582418).

    Args:
        hits: (U, k) 1 where the film in that place is relevant, or the chance that it is.
        n_relevant, n_candidates: (U,), at least 1.
    """
    k = hits.shape[1]
    hits = hits.double()
    discount = 1 / torch.arange(2, k + 2, dtype=torch.float64, device=hits.device).log2()
    ideal = discount.cumsum(0)[n_relevant.clamp(max=k) - 1]
    values = {
        "precision": hits.sum(1) / n_candidates.clamp(max=k),
        "recall": hits.sum(1) / n_relevant,
        "ndcg": (hits * discount).sum(1) / ideal,
    }
    return {name: float(value.mean()) if len(value) else None for name, value in values.items()}


def random_hits(n_relevant: Tensor, n_candidates: Tensor, k: int) -> Tensor:
    """(U, k) chance that a shuffle of the candidates has a relevant one in that place."""
    there = torch.arange(k, device=n_candidates.device) < n_candidates.unsqueeze(1)
    return there * (n_relevant.double() / n_candidates).unsqueeze(1)


def _figures(hits: dict[str, Tensor], n_relevant: Tensor, n_candidates: Tensor) -> dict[str, Any]:
    k = hits["model"].shape[1]
    return {
        "k": k,
        **at_k(hits["model"], n_relevant, n_candidates),
        "random": at_k(random_hits(n_relevant, n_candidates, k), n_relevant, n_candidates),
        "popularity": at_k(hits["popularity"], n_relevant, n_candidates),
        "users": len(n_relevant),
        "users_with_fewer_than_k": int((n_candidates < k).sum()),
    }


def _columns(store: TrainStore, part: Ratings) -> tuple[Tensor, Tensor, Tensor]:
    """User, film and whether it is relevant, of each row."""
    columns = part.user, part.film, part.rating >= relevant_from(part.scale)
    user, film, relevant = (torch.from_numpy(column).to(store.device) for column in columns)
    return user, film, relevant


def _sample(model: RatingModel, users: Tensor) -> Tensor:
    """The users, or as many of them as can be scored in minutes; ascending."""
    most = MOST_USERS
    if users.device.type == "cpu":
        most = min(most, max(1, MOST_PAIRS_ON_CPU // model.store.n_films))
    if model.scores_by_product or len(users) <= most:
        return users
    drawn = np.random.default_rng(0).choice(len(users), most, replace=False)
    return users[torch.from_numpy(np.sort(drawn)).to(users.device)]


def _train_films(store: TrainStore, users: Tensor) -> tuple[Tensor, Tensor]:
    """Places in `users` and films of all their train ratings."""
    counts = store.by_user.counts[users]
    row = torch.arange(len(users), device=users.device).repeat_interleave(counts)
    within = torch.arange(len(row), device=users.device) - (counts.cumsum(0) - counts)[row]
    return row, store.by_user.others[store.by_user.offsets[users][row] + within]
