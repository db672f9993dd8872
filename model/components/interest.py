"""How likely a user is to rate a film at all, which ratings alone do not say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..store.train_store import Pairs, TrainStore
from .kept_ratings import KeptRatings
from .rows import rows_of


class Interest(nn.Module):
    """log P(u rates i), up to a constant per user, from the films that the user has rated:

        interest = log(n_i) + c_i + n_u^-p · (Σ_j V_j) · Q_i   over the user's train films except i

    The sum is FISM's (Kabbur, Ning & Karypis 2013, https://doi.org/10.1145/2487575.2487589). It is
    trained to tell the pairs of a batch from the same users with the same films in another order.
    Popularity cannot help in that, so log(n_i), of the film's number of ratings, is not part of the
    trained logit and is added afterwards.
    """

    log_counts: Tensor

    def __init__(self, store: TrainStore, width: int, power: float, init_std: float) -> None:
        super().__init__()
        self.store = store
        self.power = power
        self.seen = nn.Embedding(store.n_films, width)  # V
        self.film = nn.Embedding(store.n_films, width, sparse=True)  # Q
        self.bias = nn.Embedding(store.n_films, 1, sparse=True)  # c
        for table in (self.seen, self.film):
            nn.init.normal_(table.weight, std=init_std)
        nn.init.zeros_(self.bias.weight)
        log_counts = store.by_film.counts.clamp(min=0.5).log()
        self.register_buffer("log_counts", log_counts, persistent=False)

    def sums(self, ratings: KeptRatings) -> Tensor:
        """(n_users, K) Σ V_j over all kept ratings, the target included."""
        return ratings.matrix.sums_by_user(None, self.seen.weight)

    def logits(self, pairs: Pairs, sums: Tensor, ratings: KeptRatings) -> Tensor:
        """(B,) without log(n_i). A pair that is a train rating is left out of its own sum."""
        own_kept = (ratings.kept[pairs.row] * (pairs.row >= 0)).unsqueeze(1)  # (B, 1)
        others = rows_of(sums, pairs.user) - own_kept * rows_of(self.seen.weight, pairs.film)
        scale = ratings.scale(ratings.user_counts[pairs.user], own_kept, self.power)
        product = (others * scale * self.film(pairs.film)).sum(1)
        return product + self.bias(pairs.film).squeeze(1)

    def loss(
        self,
        pairs: Pairs,
        sums: Tensor,
        ratings: KeptRatings,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """() the logistic loss of train pairs, and of their users with their films shuffled.

        A shuffled pair may be a train rating too. Its own sum is then without it, like that of any
        train rating; else the logit would learn to look for it there.
        """
        order = torch.randperm(len(pairs), device=pairs.film.device, generator=generator)
        film = pairs.film[order]
        row = self.store.rows_of(pairs.user, film)
        shuffled = Pairs(pairs.user, film, None, row)
        rated = F.softplus(-self.logits(pairs, sums, ratings)).mean()
        return rated + F.softplus(self.logits(shuffled, sums, ratings)).mean()

    @torch.no_grad()
    def add_to(
        self,
        scores: Iterable[Tensor],
        users: Tensor,
        sums: Tensor,
        ratings: KeptRatings,
        weight: float,
    ) -> Iterator[Tensor]:
        """Scores of every film, as `RatingModel.score_catalogue` gives them, plus the interest.

        Args:
            users: (n,) indices; -1, who has rated nothing, is interested in popular films.
            weight: stars per unit of interest.
        """
        start = 0
        for batch_scores in scores:
            user = users[start : start + len(batch_scores)]
            start += len(batch_scores)
            none_left_out = torch.zeros(len(user), 1, device=user.device)
            scale = ratings.scale(ratings.user_counts[user], none_left_out, self.power)
            vector = sums[user] * scale * (user >= 0).unsqueeze(1)
            interest = vector @ self.film.weight.T + self.bias.weight.T + self.log_counts
            yield batch_scores + weight * interest
