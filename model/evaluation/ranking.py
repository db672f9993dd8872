"""Precision, recall and NDCG at ten on held-out ratings, with random and popularity as baselines.

Two protocols, which differ in the candidates of a user's ranking:

held_out_rated   the films that the user rated in the evaluated split
full_catalogue   all films with train ratings, except those that the user rated in train

A candidate is relevant if the user rated it in the evaluated split with at least 4 of 5 stars, or
the equivalent on another scale: 80 of 100. Users without a relevant candidate are left out, and
counted. Shapes: U users, k places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.ratings import Ratings, Scale
from ..components.rating_model import RatingModel
from ..store.train_store import TrainStore
from .top_k import metrics_at_k, neutral_order, places, random_hits, top_films

K = 10
# A relevant film has at least 80% of the highest rating: 4 of 5 stars, whether they start at 0, 0.5
# or 1. A scale that starts below 0, or above a fifth of its highest rating, is not a multiple of
# such a scale: there, the minimum is at the share of the span where 4 is on 0.5 to 5.
RELEVANT_SHARE = 0.8
RELEVANT_SHARE_OF_SPAN = 3.5 / 4.5
ROUNDING = 1e-6  # share of the span, so that a 0.8 in single precision stays relevant

# A network that runs on each pair scores a few thousand pairs per second on a CPU.
MAX_USERS = 2_000
MAX_PAIRS_ON_CPU = 1_000_000


def min_relevant_rating(scale: Scale) -> float:
    """The lowest rating of a relevant film: 4 of 5 stars, 80 of 100, 7 from -7 to 11."""
    if scale.low >= 0 and (scale.star == 1 or scale.low <= scale.high / 5):
        return RELEVANT_SHARE * scale.high
    return scale.low + RELEVANT_SHARE_OF_SPAN * scale.span


def describe_relevant(scale: Scale) -> str:
    """The ratings of relevant films, for a protocol."""
    unit = " stars" if scale.star == 1 else ""
    return f"{min_relevant_rating(scale):g}{unit} and more"


def held_out_rated(store: TrainStore, part: Ratings, score: Tensor, k: int = K) -> dict[str, Any]:
    """How well a model orders the films that each user rated in `part`.

    Args:
        part: ratings none of which is in the store.
        score: (n,) of the part's rows; higher is better.
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
        f"{describe_relevant(store.scale)}",
    }


def full_catalogue(
    model: RatingModel, part: Ratings, k: int = K, *, max_users: int | None = None
) -> dict[str, Any]:
    """How well a model finds each user's relevant films in `part` among all films unseen in train.

    A model whose scores are not a matrix product is evaluated on a fixed sample of the users; the
    baselines then use the same users.

    Args:
        max_users: of any model; None for all users.
    """
    store = model.store
    in_train = store.by_film.counts > 0
    user, film, relevant = _columns(store, part)
    n_part_users = len(user.unique())
    findable = relevant & in_train[film]
    user, film = user[findable], film[findable]
    all_users = user.unique()
    users = _sample(model, all_users, max_users)
    member = torch.isin(user, users)
    position, film = torch.searchsorted(users, user[member]), film[member]

    popularity = store.by_film.counts.float()
    tie = neutral_order(store)
    names = ("model", "popularity")
    hits = {name: torch.zeros(len(users), k, device=store.device) for name in names}
    start = 0
    for scores in model.score_catalogue(users):
        end = start + len(scores)
        masked = _train_films(store, users[start:end])
        in_batch = (position >= start) & (position < end)
        is_relevant = torch.zeros_like(scores, dtype=torch.bool)
        is_relevant[position[in_batch] - start, film[in_batch]] = True
        for name, values in (("model", scores), ("popularity", popularity.expand_as(scores))):
            row, best, place = top_films(values, k, tie, masked=masked, films=in_train)
            hit = is_relevant[row, best]
            hits[name][start + row[hit], place[hit]] = 1.0
        start = end
    n_candidates = int(in_train.sum()) - store.by_user.counts[users]
    n_relevant = position.bincount(minlength=len(users))
    return {
        **_figures(hits, n_relevant, n_candidates),
        "users_left_out": n_part_users - len(all_users),
        "users_sampled": len(users) if len(users) < len(all_users) else None,
        "relevant_without_train_ratings": int((relevant & ~findable).sum()),
        "protocol": "ranks all films that have train ratings, except those the user has in train; "
        f"relevant: rated in this split with {describe_relevant(store.scale)}",
    }


def _figures(hits: dict[str, Tensor], n_relevant: Tensor, n_candidates: Tensor) -> dict[str, Any]:
    k = hits["model"].shape[1]
    return {
        "k": k,
        **metrics_at_k(hits["model"], n_relevant, n_candidates),
        "random": metrics_at_k(random_hits(n_relevant, n_candidates, k), n_relevant, n_candidates),
        "popularity": metrics_at_k(hits["popularity"], n_relevant, n_candidates),
        "users": len(n_relevant),
        "users_with_fewer_than_k": int((n_candidates < k).sum()),
    }


def _columns(store: TrainStore, part: Ratings) -> tuple[Tensor, Tensor, Tensor]:
    """User, film and relevance of each row."""
    lowest = min_relevant_rating(part.scale) - ROUNDING * part.scale.span
    columns = part.user, part.film, part.rating >= lowest
    user, film, relevant = (torch.from_numpy(column).to(store.device) for column in columns)
    return user, film, relevant


def _sample(model: RatingModel, users: Tensor, max_users: int | None) -> Tensor:
    """The users, ascending; a sample of them if scoring all would take more than minutes."""
    max_users = len(users) if max_users is None else max_users
    if not model.scores_by_product:
        max_users = min(max_users, MAX_USERS)
        if users.device.type == "cpu":
            max_users = min(max_users, max(1, MAX_PAIRS_ON_CPU // model.store.n_films))
    if len(users) <= max_users:
        return users
    drawn = np.random.default_rng(0).choice(len(users), max_users, replace=False)
    return users[torch.from_numpy(np.sort(drawn)).to(users.device)]


def _train_films(store: TrainStore, users: Tensor) -> tuple[Tensor, Tensor]:
    """For all train ratings of the users: the place in `users`, and the film."""
    counts = store.by_user.counts[users]
    row = torch.arange(len(users), device=users.device).repeat_interleave(counts)
    within = torch.arange(len(row), device=users.device) - (counts.cumsum(0) - counts)[row]
    return row, store.by_user.others[store.by_user.offsets[users][row] + within]
