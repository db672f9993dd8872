"""The two-tower VAE: a user is represented by the rated films, a film by its raters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, StrictBool
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ...base.strict import Count, NonNegative, Number, Positive
from ..components.bias_head import BiasHead, product_scores
from ..components.interest import Interest
from ..components.kept_ratings import KeptRatings
from ..components.neighbours.tower_residuals import TowerResiduals
from ..components.output import Output, Posterior
from ..components.rows import LeftOut, sums_without
from ..components.side import Side, Tables, with_side
from ..components.vae import PENALTY_WEIGHT, RatingVAE
from ..config import STRICT, BatchSize, DropoutRate, VaeConfig, Width
from ..store.side_features import side_features
from ..store.train_store import Pairs, TrainStore, both_in
from .memory import FLOAT_BYTES, DataSizes, MemoryNeed, descent_need, vae_extras
from .table import Architecture

INITIAL_LOGVAR = -4.0  # little noise at first, so that it does not drown early gradients
# On a CPU what is made of them should stay in the cache (docs/speed.md); a GPU needs many.
PAIRS_AT_ONCE = {"cpu": 4096, "cuda": 2**17}
KEPT_BYTES = 60  # of a train rating, in both `KeptRatings`
SHARED_TABLES = 12  # vectors of each user and film, apart from the weights


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TwoTowerConfig(VaeConfig):
    """A user is the sum over the films they rated, a film the sum over its raters."""

    seed_noise: ClassVar[float] = 0.002

    architecture: Literal["two_tower"] = "two_tower"
    max_epochs: Count = 15
    batch_size: BatchSize = 4096
    learning_rate: Positive = 3e-3
    weight_decay: NonNegative = 0.1
    kl_weight: NonNegative = 1e-3
    latent_dim: Width = 64
    norm_power: Annotated[Number, Field(ge=0, le=1)] = 0.6  # a sum over n ratings is scaled by n^-p
    rating_dropout: DropoutRate = 0.3  # share of the train ratings left out of an epoch's sums
    init_std: Positive = 0.02
    # Steps per epoch at most: each sums over all train ratings, so batches grow with their number.
    max_steps: Count = 32
    side: StrictBool = True  # use what else is known of films and users, where the dataset has any
    neighbours: Literal["auto", "off", "past", "both"] = "auto"
    # Rank the catalogue by the expected rating plus so many stars per unit of log P(rates it).
    rank_weight: NonNegative = 0.0


class Shared(NamedTuple):
    """The computation that all pairs of a step share.

    Attributes:
        user, film: sums over all kept ratings including the target, (n_users, K), (n_films, K).
        films, users: W and V of the user tower and of the film tower.
        interest: sums of the interest, (n_users, K), or None.
    """

    user: Tensor
    film: Tensor
    films: Tables
    users: Tables
    interest: Tensor | None


class TwoTowerVAE(RatingVAE):
    """x_u = n_u^-p · Σ_j [(r_uj − mean)·W_j + V_j] over the user's train films except the
    target; the film's x_i likewise over its raters; z = x + noise; prediction = biases + z_u · z_i.

    Koren 2008's asymmetric SVD on both sides, as a VAE: x is mu, and logvar is linear in x. There
    are no id embeddings.
    """

    leaves_one_out = True
    scores_by_product = True

    def __init__(self, config: TwoTowerConfig, store: TrainStore) -> None:
        super().__init__(store, config.likelihood)
        self.config = config
        width = config.latent_dim
        self.film_rated = nn.Embedding(store.n_films, width)  # W of the user tower
        self.film_seen = nn.Embedding(store.n_films, width)  # V of the user tower
        self.user_rated = nn.Embedding(store.n_users, width)  # W of the film tower
        self.user_seen = nn.Embedding(store.n_users, width)  # V of the film tower
        for table in (self.film_rated, self.film_seen, self.user_rated, self.user_seen):
            nn.init.normal_(table.weight, std=config.init_std)
        self.user_logvar = nn.Linear(width, width)
        self.film_logvar = nn.Linear(width, width)
        for linear in (self.user_logvar, self.film_logvar):
            nn.init.zeros_(linear.weight)
            nn.init.constant_(linear.bias, INITIAL_LOGVAR)
        columns = side_features(store.genres, store.year)
        self.side = Side(columns, width, "film") if config.side and columns.shape[1] else None
        columns = side_features(store.groups, store.age)
        self.user_side = Side(columns, width, "user") if config.side and columns.shape[1] else None
        self.heads.append(BiasHead(store))
        self.add_neighbours(config.neighbours)
        self.interest = None
        if config.rank_weight:
            self.interest = Interest(store, width, config.norm_power, config.init_std)
        self._all_ratings = KeptRatings(store)
        self._epoch_ratings = self._all_ratings

    @property
    def pairs_at_once(self) -> int:
        return PAIRS_AT_ONCE[self.store.device.type]

    def residuals(self) -> TowerResiduals:
        shared = self.encode_store()
        return TowerResiduals.build(
            self.store,
            self.config.norm_power,
            user_sums=shared.user,
            film_sums=shared.film,
            films=shared.films,
            users=shared.users,
            base=self.offsets,
        )

    def restored_residuals(self, state: Mapping[str, Tensor]) -> TowerResiduals:
        return TowerResiduals(store=self.store, power=self.config.norm_power, **state)

    def refresh(self) -> None:
        """Draw the ratings that this epoch's sums include, and renew the residuals."""
        super().refresh()
        dropout = self.config.rating_dropout
        kept = torch.rand_like(self.store.rating) >= dropout
        self._epoch_ratings = KeptRatings(self.store, kept, dropout)

    def encode_store(self) -> Shared:
        ratings = self._epoch_ratings if self.training else self._all_ratings
        films = with_side(self.film_rated.weight, self.film_seen.weight, self.side)
        users = with_side(self.user_rated.weight, self.user_seen.weight, self.user_side)
        user_sums = ratings.matrix.sums_by_user(films.rated, films.seen)
        if self.user_side is not None and not self.training:
            none_left_out, power = torch.zeros(()), self.config.norm_power
            sums = user_sums * ratings.scale(ratings.user_counts, none_left_out, power)
            users = self.user_side.with_expected(users, sums, self.store.have_ratings[0])
        return Shared(
            user_sums,
            ratings.matrix.sums_by_film(users.rated, users.seen),
            films,
            users,
            None if self.interest is None else self.interest.sums(ratings),
        )

    def posteriors(self, pairs: Pairs, shared: object) -> dict[str, Posterior]:
        assert isinstance(shared, Shared)
        ratings = self._epoch_ratings if self.training else self._all_ratings
        is_train_row = pairs.row >= 0
        own_kept = (ratings.kept[pairs.row] * is_train_row).unsqueeze(1)  # (B, 1)
        own_centred = (ratings.centred[pairs.row] * is_train_row).unsqueeze(1)

        def mu(
            sums: Tensor, counts: Tensor, own: Tables, at: Tensor, others: Tables, other: Tensor
        ) -> Tensor:
            """(B, K) vectors of a tower: its sums over the rows of the other side's tables."""
            left_out = (
                LeftOut(others.rated, other, own_centred),
                LeftOut(others.seen, other, own_kept),
            )
            scale = ratings.scale(counts[at], own_kept, self.config.norm_power)
            return sums_without(sums, at, left_out, scale, own.side)

        user, film, users, films = pairs.user, pairs.film, shared.users, shared.films
        user_mu = mu(shared.user, ratings.user_counts, users, user, films, film)
        film_mu = mu(shared.film, ratings.film_counts, films, film, users, user)
        return {
            "user": Posterior(user_mu, self.user_logvar(user_mu).float()),
            "film": Posterior(film_mu, self.film_logvar(film_mu).float()),
        }

    def forward(self, pairs: Pairs, shared: object) -> Output:
        output = super().forward(pairs, shared)
        assert isinstance(shared, Shared)
        if not self.training or self.interest is None or shared.interest is None:
            return output
        loss = self.interest.loss(pairs, shared.interest, self._epoch_ratings, self.generator)
        return output._replace(penalty=output.penalty + PENALTY_WEIGHT * loss)

    def can_predict(self, pairs: Pairs) -> Tensor:
        return both_in(self._have_vectors(), pairs)

    def decode(self, pairs: Pairs, z: Mapping[str, Tensor]) -> Tensor:
        return (z["user"] * z["film"]).sum(1)

    @torch.no_grad()
    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """See the base class; a matrix product of the towers' vectors, plus the interest."""
        store, shared = self.store, self.encode_for_eval()
        assert isinstance(shared, Shared)
        film = torch.arange(store.n_films, device=store.device)
        none = torch.full_like(film, -1)
        # With no own rating to leave out, a tower depends only on its own side of the pair.
        every_film = Pairs(torch.zeros_like(film), film, None, none)
        film_mu = self.posteriors(every_film, shared)["film"].mu  # (n_films, K)

        def user_mu(user: Tensor) -> Tensor:
            pairs = Pairs(user, torch.zeros_like(user), None, torch.full_like(user, -1))
            return self.posteriors(pairs, shared)["user"].mu

        (bias,) = self.heads
        assert isinstance(bias, BiasHead)
        known = self._have_vectors()
        scores = product_scores(store, bias, user_mu, film_mu, users, cells, known)
        if self.interest is None or shared.interest is None:
            return scores
        weight = self.config.rank_weight
        return self.interest.add_to(scores, users, shared.interest, self._all_ratings, weight)

    def _have_vectors(self) -> tuple[Tensor, Tensor]:
        """Users with train ratings or a known side feature; films likewise, or all of them."""
        users, films = self.store.have_ratings
        if self.user_side is not None:
            users = users | self.user_side.are_described
        return users, films | (self.side is not None)


def memory(config: TwoTowerConfig, sizes: DataSizes) -> MemoryNeed:
    """What training takes; see `memory.py`."""
    width, n_rows, ranks = config.latent_dim, sizes.n_users + sizes.n_films, config.rank_weight > 0
    n_weights = 2 * n_rows * width + 2 * width**2 + ranks * 2 * sizes.n_films * (width + 1)
    own = descent_need(sizes, n_weights, (20 + 12 * ranks) * width + 32, 14 * width + 32)
    extra = vae_extras(config, sizes, width)
    # The kept ratings, twice, and what the pairs of a step share: tables, sums, their gradients.
    shared = sizes.n_ratings * KEPT_BYTES + SHARED_TABLES * n_rows * width * FLOAT_BYTES
    per_pair = own.per_pair + extra.per_pair
    smallest = sizes.n_ratings / config.max_steps
    return MemoryNeed(own.fixed + extra.fixed + shared, per_pair, smallest, PAIRS_AT_ONCE["cuda"])


ARCHITECTURE = Architecture(
    config=TwoTowerConfig,
    model=TwoTowerVAE,
    memory=memory,
    default_space={
        "neighbours": {"choice": ["off", "auto"]},
        "kl_weight": {"float": [1e-4, 3e-3], "log": True},
        "learning_rate": {"float": [1e-3, 1e-2], "log": True},
        "batch_size": {"choice": [4096, 8192, 16384, 32768, 65536]},
        "latent_dim": {"int": [16, 128], "step": 16},
        "rating_dropout": {"float": [0.15, 0.5]},
        "norm_power": {"float": [0.3, 0.7]},
        "weight_decay": {"float": [0.01, 1], "log": True},
        "free_bits": {"float": [0, 4]},
        "kl_warmup_epochs": {"int": [0, 20]},
    },
)
