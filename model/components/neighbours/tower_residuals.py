"""Residuals of a model whose prediction is base + x_u · y_i, with x and y sums over ratings.

Every sum leaves out what would leak: a neighbour's prediction is without its own rating on both
sides, and without that of the pair. Nothing of size (train ratings, K) is stored: the vector of a
film without one rater is the film's vector minus that rater's part.

Shapes: B pairs, M neighbours, n train ratings, K latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ...store.threads import map_on_threads
from ...store.time_order import Window
from ...store.train_store import Pairs, TrainStore
from ..side import Tables

PASS = 2**14  # train ratings at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class TowerResiduals:
    """Residuals as of one moment, without gradient.

    With c the rating minus the mean, a rating adds c·rated[film] + seen[film] to its user's sum,
    and c·raters[user] + viewers[user] to its film's. A sum over n ratings is scaled by n^-power.

    Attributes:
        rated, seen: W and V of the user tower, (n_films, K).
        raters, viewers: W and V of the film tower, (n_users, K).
        scale: (n_films,) of a film's sum without one of its ratings.
        films: (n_films, K) y with this scale, before the part of the rating that is left out is
            subtracted.
        whole_films: (n_films, K) y with all ratings.
        base_error: (n,) rating minus base, and minus the part of the product that is the user's
            side features.
        product: (n,) the user's sum without the rating, unscaled, times y without it.
    """

    store: TrainStore
    power: float
    rated: Tensor
    seen: Tensor
    raters: Tensor
    viewers: Tensor
    scale: Tensor
    films: Tensor
    whole_films: Tensor
    base_error: Tensor
    product: Tensor

    @classmethod
    @torch.no_grad()
    def build(
        cls,
        store: TrainStore,
        power: float,
        user_sums: Tensor,
        film_sums: Tensor,
        films: Tables,
        users: Tables,
        base: Callable[[Pairs], Tensor],
    ) -> TowerResiduals:
        """Residuals of a model as it is.

        Args:
            user_sums, film_sums: (n_users, K) and (n_films, K) over all train ratings, unscaled.
            films, users: W and V, and what is added to the vectors.
            base: maps pairs to their stars (B,) without the product.
        """
        n_raters = store.by_film.counts
        scale = (n_raters - 1).clamp(min=1).pow(-power)
        added = torch.zeros((), device=store.device) if films.side is None else films.side
        vectors = scale.unsqueeze(1) * film_sums + added
        nothing = torch.empty(0, device=store.device)
        residuals = cls(
            store=store,
            power=power,
            rated=films.rated.detach().clone(),
            seen=films.seen.detach().clone(),
            raters=users.rated.detach().clone(),
            viewers=users.seen.detach().clone(),
            scale=scale,
            films=vectors,
            whole_films=n_raters.clamp(min=1).pow(-power).unsqueeze(1) * film_sums + added,
            base_error=nothing,
            product=nothing,
        )
        # Filled in place: a list of their parts would leave the heap in pieces, of which a process
        # with 25 million ratings needs several gigabytes more.
        base_error, product = torch.empty_like(store.rating), torch.empty_like(store.rating)

        def fill(rows: Tensor) -> None:
            pairs = store.pairs(rows)
            own, film = residuals._parts(pairs)
            error = store.rating[rows] - base(pairs)
            if users.side is not None:
                error = error - (users.side[pairs.user] * film).sum(1)
            base_error[rows] = error
            product[rows] = ((user_sums[pairs.user] - own) * film).sum(1)

        parts = torch.arange(len(store), device=store.device).split(PASS)
        for _ in map_on_threads(fill, parts, store.device):
            pass
        return replace(residuals, base_error=base_error, product=product)

    @property
    def state(self) -> dict[str, Tensor]:
        return {
            field.name: value.cpu()
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }

    def of_targets(self, pairs: Pairs) -> Tensor:
        """(B,) residuals of train ratings, each predicted without itself."""
        scale = self._user_scale(pairs.user, 1)
        return self.base_error[pairs.row] - scale * self.product[pairs.row]

    @cached_property
    def _by_row(self) -> Tensor:
        """(n, 3) what `of_neighbours` reads of a neighbour, in one place of the memory."""
        centred = self.store.rating - self.store.mean
        return torch.stack([centred, self.base_error, self.product], 1)

    @cached_property
    def _by_film(self) -> Tensor:
        """(n_films, 2) `scale`, and the squared norms of `films`."""
        return torch.stack([self.scale, self.films.square().sum(1)], 1)

    def _user_scale(self, user: Tensor, n_left_out: Tensor | int) -> Tensor:
        """(B,) of the users' sums without so many of their ratings."""
        n_others = self.store.by_user.counts[user] - n_left_out
        return n_others.clamp(min=1).pow(-self.power)

    def _parts(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """(B, K) what the pair's own rating adds to its user's sum, and y without that rating."""
        is_own = (pairs.row >= 0).unsqueeze(1)
        centred = self._centred(pairs.row.clamp(min=0)).unsqueeze(1)
        own = centred * self.rated[pairs.film] + self.seen[pairs.film]
        part = centred * self.raters[pairs.user] + self.viewers[pairs.user]
        without = self.films[pairs.film] - self.scale[pairs.film].unsqueeze(1) * part
        return own * is_own, torch.where(is_own, without, self.whole_films[pairs.film])

    def _centred(self, rows: Tensor) -> Tensor:
        return self.store.rating[rows] - self.store.mean

    @torch.no_grad()
    def of_neighbours(self, pairs: Pairs, window: Window) -> tuple[Tensor, Tensor]:
        """Residuals and cosines (B, M) of the neighbours of pairs."""
        own, target = self._parts(pairs)
        is_own = (pairs.row >= 0).long()
        raters, viewers = self.raters[pairs.user], self.viewers[pairs.user]
        target = target / target.norm(dim=1, keepdim=True).clamp(min=1e-6)
        film = self.store.film.take(window.rows)  # (B, M)
        centred, base_error, product = F.embedding(window.rows, self._by_row).unbind(2)
        scale, square = F.embedding(film, self._by_film).unbind(2)
        # y of neighbour j is films[j] - scale_j (c_j raters + viewers). Its products with four
        # vectors of the pair are enough, so that only one (B, M, K) is ever made.
        vectors = torch.stack([own, target, raters, viewers], 1)  # (B, 4, K)
        with_films = torch.bmm(vectors, F.embedding(film, self.films).transpose(1, 2))  # (B, 4, M)
        with_user = torch.bmm(vectors, vectors[:, 2:].transpose(1, 2))  # (B, 4, 2)
        products = with_films - scale.unsqueeze(1) * (
            centred.unsqueeze(1) * with_user[..., :1] + with_user[..., 1:]
        )
        both = with_films[:, 2:] + products[:, 2:]
        # |y|² = |f|² - (f - y)·(f + y), with f films[j] and f - y scale_j (c_j raters + viewers).
        squared = square - scale * (centred * both[:, 0] + both[:, 1])
        without_own = product - products[:, 0]
        user_scale = self._user_scale(pairs.user, 1 + is_own).unsqueeze(1)
        residual = base_error - user_scale * without_own
        cosine = products[:, 1] * squared.clamp(min=1e-12).rsqrt()
        return residual * window.present, cosine * window.present
