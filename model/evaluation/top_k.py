"""The first k places of a ranking, and precision, recall and NDCG of them.

Hand-written: on the device, in batches, with masked candidates, fixed tie-breaking and expected
hits of a random order, which metric libraries do not offer together.

Shapes: U users, k places.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..store.train_store import TrainStore


def top_films(
    scores: Tensor, k: int, tie: Tensor, *, masked: tuple[Tensor, Tensor], films: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The best k films of each user, or fewer: (user's row, film, place from 0), (n,) each.

    Args:
        scores: (U, n_films), finite.
        tie: (n_films,) the lowest goes first among equal scores.
        masked: rows and films that are not candidates.
        films: (n_films,) bool, which films can be candidates.
    """
    scores = torch.where(films, scores, -torch.inf)
    scores[masked] = -torch.inf
    floor = scores.topk(min(k, scores.shape[1]), dim=1).values[:, -1:]
    # All films that tie for the last place, of which `topk` would pick any; never a masked one.
    row, film = (scores >= floor.clamp(min=torch.finfo(scores.dtype).min)).nonzero(as_tuple=True)
    place = places(row, scores[row, film], tie[film], len(scores))
    kept = place < k
    return row[kept], film[kept], place[kept]


def places(group: Tensor, score: Tensor, tie: Tensor, n_groups: int) -> Tensor:
    """(n,) place of each row in its group: 0 for the highest score, ties by ascending `tie`."""
    order = tie.argsort()
    for key, descending in ((score, True), (group, False)):
        order = order[key[order].argsort(stable=True, descending=descending)]
    counts = group.bincount(minlength=n_groups)
    first = counts.cumsum(0) - counts
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device) - first[group[order]]
    return place


def neutral_order(store: TrainStore) -> Tensor:
    """(n_films,) a fixed permutation that breaks ties.

    Ids would not be neutral: MovieLens' lowest ids are its best-known films.
    """
    shuffled = np.random.default_rng(0).permutation(store.n_films)
    return torch.from_numpy(shuffled).to(store.device)


def metrics_at_k(hits: Tensor, n_relevant: Tensor, n_candidates: Tensor) -> dict[str, float | None]:
    """Precision, recall and NDCG at k, averaged over users; None without users.

    With fewer than k candidates, precision divides by their number. NDCG has binary relevance and
    the discount 1 / log2(place + 1) from place 1; 1.0 is the best order of the relevant films
    (Järvelin & Kekäläinen 2002, https://doi.org/10.1145/582415.582418).

    Args:
        hits: (U, k) 1 if the film in that place is relevant, or the probability that it is.
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
    """(U, k) probability that a random order of the candidates has a relevant one there."""
    occupied = torch.arange(k, device=n_candidates.device) < n_candidates.unsqueeze(1)
    return occupied * (n_relevant.double() / n_candidates).unsqueeze(1)
