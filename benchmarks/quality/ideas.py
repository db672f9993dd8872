"""What other ideas are worth to `two_tower`: sessions, attention, a learned prior.

    python -m benchmarks.quality.ideas ml-latest-small demo --seeds 42 43 --out benchmarks/results

Each is a variant of the architecture, trained like it. None is part of the product, because none
gains more than chance on both datasets beyond what neighbours in time gain; docs/models.md has the
figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.table import Architecture, register_architecture
from recsys_search.model.architectures.two_tower import (
    INITIAL_LOGVAR,
    Shared,
    TwoTowerConfig,
    TwoTowerVAE,
)
from recsys_search.model.components.neighbours.features import UNIT, WINDOW
from recsys_search.model.components.neighbours.head import NeighbourHead
from recsys_search.model.components.neighbours.tower_residuals import TowerResiduals
from recsys_search.model.components.output import Output, Posterior
from recsys_search.model.config import STRICT
from recsys_search.model.store.grouping import Grouping
from recsys_search.model.store.sparse import Csr, _Sums
from recsys_search.model.store.time_order import Window
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.training import Training
from torch import Tensor, nn

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

SESSION_GAP_S = 3600  # between the ratings of two sessions


class SessionVAE(TwoTowerVAE):
    """A hierarchical VAE: each session of a user has a latent of its own in addition to the user's.

    Its posterior comes from the session's other ratings, as the user's from all of them:
    prediction = biases + (z_user + z_session) · z_film.
    """

    pairs_at_once = None  # the sessions' sums are no part of what the parts of a batch share

    def __init__(self, config: TwoTowerConfig, store: TrainStore) -> None:
        super().__init__(config, store)
        assert store.timestamp is not None
        assert config.neighbours == "off", "the residuals know nothing of sessions"
        self.session_rated = nn.Embedding(store.n_films, config.latent_dim)
        self.session_seen = nn.Embedding(store.n_films, config.latent_dim)
        for table in (self.session_rated, self.session_seen):
            nn.init.zeros_(table.weight)
        self.session_logvar = nn.Linear(config.latent_dim, config.latent_dim)
        nn.init.zeros_(self.session_logvar.weight)
        nn.init.constant_(self.session_logvar.bias, INITIAL_LOGVAR)
        rows = store.by_user.rows
        user, time = store.user[rows], store.timestamp[rows]
        starts = F.pad((user.diff() != 0) | (time.diff() > SESSION_GAP_S), (1, 0), value=True)
        session = starts.cumsum(0) - 1  # of each place in the order by user and time
        self._session = torch.empty_like(session)
        self._session[rows] = session
        offsets = F.pad(starts.nonzero().squeeze(1), (0, 1), value=len(rows))
        self._by_session = Grouping(offsets, rows, store.by_user.others)
        of_film = store.by_film
        self._by_film = Grouping(of_film.offsets, of_film.rows, self._session[of_film.rows])
        self._span = int(time.max()) + 1
        self._keys = user * self._span + time
        self._places = rows

    def session(self, pairs: Pairs) -> Tensor:
        """(B,) the session that a pair belongs to, or -1."""
        own = self._session[pairs.row.clamp(min=0)]
        assert pairs.timestamp is not None
        at = torch.searchsorted(self._keys, pairs.user * self._span + pairs.timestamp)
        found = torch.full_like(own, -1)
        for place in (at - 1, at):
            row = self._places[place.clamp(0, len(self._places) - 1)]
            near = (self.store.timestamp[row] - pairs.timestamp).abs() <= SESSION_GAP_S
            near &= self.store.user[row] == pairs.user
            found = torch.where(near, self._session[row], found)
        return torch.where(pairs.row >= 0, own, found)

    def encode_store(self) -> Shared:
        shared = super().encode_store()
        ratings = self._epoch_ratings if self.training else self._all_ratings
        matrix, transpose = (
            Csr.build(grouping, ratings.kept > 0, ratings.centred)
            for grouping in (self._by_session, self._by_film)
        )
        tables = self.session_rated.weight, self.session_seen.weight
        self._sums = _Sums.apply(*tables, matrix, transpose)
        self._counts = torch.bincount(self._session, ratings.kept, len(self._by_session.counts))
        return shared

    def posteriors(self, pairs: Pairs, shared: object) -> dict[str, Posterior]:
        posteriors = super().posteriors(pairs, shared)
        ratings = self._epoch_ratings if self.training else self._all_ratings
        session = self.session(pairs)
        known, at = (session >= 0).unsqueeze(1), session.clamp(min=0)
        is_train_row = pairs.row >= 0
        kept = (ratings.kept[pairs.row] * is_train_row).unsqueeze(1)
        centred = (ratings.centred[pairs.row] * is_train_row).unsqueeze(1)
        own = centred * self.session_rated(pairs.film) + kept * self.session_seen(pairs.film)
        scale = ratings.scale(self._counts[at], kept, self.config.norm_power)
        mu = (self._sums[at] - own) * scale * known
        return {**posteriors, "session": Posterior(mu, self.session_logvar(mu).float())}

    def decode(self, pairs: Pairs, z: Mapping[str, Tensor]) -> Tensor:
        return ((z["user"] + z["session"]) * z["film"]).sum(1)


class AttentionHead(NeighbourHead):
    """The neighbours' residuals, also averaged by attention that is learned.

    Queries and keys are linear in the films' vectors, with a bias that is linear in the logarithm
    of the time between; a key of zeros with a residual of 0 shrinks the average.
    """

    HEADS, WIDTH = 8, 16

    def __init__(self, store: TrainStore, *, past: bool, width: int) -> None:
        super().__init__(store, past=past)
        self.query = nn.Linear(width, self.HEADS * self.WIDTH, bias=False)
        self.key = nn.Linear(width, self.HEADS * self.WIDTH, bias=False)
        self.fading = nn.Parameter(torch.linspace(0, 1, self.HEADS))
        self.level = nn.Parameter(torch.zeros(self.HEADS))
        first = self.net[0]
        assert isinstance(first, nn.Linear)
        self.net[0] = nn.Linear(first.in_features + self.HEADS, first.out_features)

    def forward(self, pairs: Pairs) -> Tensor:
        residuals = self.residuals
        if pairs.timestamp is None or not isinstance(residuals, TowerResiduals):
            return torch.zeros(len(pairs))
        around = self.scalars.by_user(pairs)
        window = self._features._order.window(around, pairs.timestamp, WINDOW)
        inputs = [
            self._features(pairs, around, residuals),
            self.scalars(pairs, around),
            self.attended(pairs, window, residuals),
        ]
        return self.net(torch.cat(inputs, 1)).squeeze(1)

    def attended(self, pairs: Pairs, window: Window, residuals: TowerResiduals) -> Tensor:
        """(B, HEADS) averages of residuals, in `UNIT`s."""
        with torch.no_grad():
            values, _ = residuals.of_neighbours(pairs, window)
            _, target = residuals._parts(pairs)
        film = residuals.store.film[window.rows]
        keys = F.embedding(film, self.key(residuals.films)).unflatten(2, (self.HEADS, self.WIDTH))
        query = self.query(target).unflatten(1, (self.HEADS, self.WIDTH))
        logits = torch.einsum("bmhw,bhw->bhm", keys, query) + self.level.view(1, -1, 1)
        logits = logits - self.fading.view(1, -1, 1) * window.gap.log1p().unsqueeze(1)
        logits = logits.masked_fill(~window.present.unsqueeze(1), -1e9)
        weights = F.pad(logits, (1, 0)).softmax(2)[..., 1:]
        return torch.einsum("bhm,bm->bh", weights, values) / UNIT


class AttentionVAE(TwoTowerVAE):
    """`two_tower` with an `AttentionHead` in place of its neighbour head."""

    def __init__(self, config: TwoTowerConfig, store: TrainStore) -> None:
        super().__init__(config, store)
        past = config.neighbours == "past"
        self.neighbours = AttentionHead(store, past=past, width=config.latent_dim)


class MixturePriorVAE(TwoTowerVAE):
    """A learned prior for each tower: a mixture of Gaussians, a relative of the VampPrior.

    The loss has the KL to N(0, 1). The difference to that of the learned prior, E_q[log N(z) - log
    prior(z)], is added, estimated with one sample of z and weighted by `kl_weight` throughout
    (Tomczak & Welling 2018, arXiv:1705.07120).
    """

    COMPONENTS = 20

    def __init__(self, config: TwoTowerConfig, store: TrainStore) -> None:
        super().__init__(config, store)
        size = (2, self.COMPONENTS, config.latent_dim)
        self.means = nn.Parameter(0.1 * torch.randn(size))
        self.logvars = nn.Parameter(torch.zeros(size))
        self.logits = nn.Parameter(torch.zeros(size[:2]))

    def forward(self, pairs: Pairs, shared: object) -> Output:
        output = super().forward(pairs, shared)
        if not self.training:
            return output
        extra = sum(
            self.log_ratio(q.sample(), side)
            for side, q in enumerate((output.posteriors["user"], output.posteriors["film"]))
        )
        return output._replace(penalty=output.penalty + self.config.kl_weight * extra)

    def log_ratio(self, z: Tensor, side: int) -> Tensor:
        """() mean log density of N(0, 1) minus that of the mixture, in nats."""
        z = z.unsqueeze(1)
        error = (z - self.means[side]).square() * (-self.logvars[side]).exp()
        components = -0.5 * (error + self.logvars[side]).sum(2) + self.logits[side].log_softmax(0)
        return (-0.5 * z.square().sum((1, 2)) - components.logsumexp(1)).mean()


def register(name: str, model: type[TwoTowerVAE]) -> None:
    """Make a variant of `two_tower` available under a name."""
    body = {"architecture": name, "__annotations__": {"architecture": Literal[name]}}
    config = type("VariantConfig", (TwoTowerConfig,), {**body, "__module__": __name__})
    decorated = dataclass(frozen=True, kw_only=True, config=STRICT)(config)
    register_architecture(Architecture(config=decorated, model=model))


VARIANTS: dict[str, type[TwoTowerVAE]] = {
    "sessions": SessionVAE,
    "attention": AttentionVAE,
    "mixture": MixturePriorVAE,
}
# Name of the row: architecture, and the fields that differ from the defaults.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "off": ("two_tower", {"neighbours": "off"}),
    "off, sessions": ("sessions", {"neighbours": "off"}),
    "both": ("two_tower", {}),
    "both, attention": ("attention", {}),
    "both, mixture": ("mixture", {}),
    "both, KL weight 0.003": ("two_tower", {"kl_weight": 3e-3}),
    "both, mixture, KL weight 0.003": ("mixture", {"kl_weight": 3e-3}),
}


def validation_rmse(architecture: str, fields: dict[str, Any], split: Split) -> float:
    """Of the best epoch."""
    with Training(build_config(architecture, **fields), split, "cpu") as run:
        for _ in run:
            pass
        assert run.best is not None
        return run.best.report.val_rmse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--split-seed", type=int, default=42)
    add_out(parser)
    args = parser.parse_args()
    for name, model in VARIANTS.items():
        register(name, model)
    rows = []
    print("| dataset | variant | " + " | ".join(f"seed {seed}" for seed in args.seeds) + " |")
    print("|---|---|" + "---|" * len(args.seeds))
    for dataset in args.datasets:
        split = split_ratings(load_ratings(dataset), SplitSpec(seed=args.split_seed))
        for row in args.rows:
            architecture, fields = ROWS[row]
            values = [
                round(validation_rmse(architecture, {**fields, "seed": seed}, split), 4)
                for seed in args.seeds
            ]
            rows.append({"dataset": Path(dataset).name, "row": row, "val_rmse": values})
            print(f"| {dataset} | {row} | " + " | ".join(map(str, values)) + " |", flush=True)
    about = {"machine": machine(), "split_seed": args.split_seed, "seeds": args.seeds}
    keep(args.out, "ideas", {**about, "rows": rows})


if __name__ == "__main__":
    main()
