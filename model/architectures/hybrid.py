"""The reference model: id embeddings, an MLP encoder to the latent, and the mirrored decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, StrictBool
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ...base.strict import NonNegative, Positive
from ..components.bias_head import BiasHead
from ..components.dropout import Dropout
from ..components.neighbours.fitted_residuals import FittedResiduals
from ..components.output import Posterior
from ..components.rating_model import EVAL_BATCH_SIZE
from ..components.vae import RatingVAE
from ..config import STRICT, DropoutRate, VaeConfig, Width
from ..store.train_store import Pairs, TrainStore
from .memory import DataSizes, MemoryNeed, descent_need, vae_extras
from .table import Architecture

N_DRAWS = 8  # of z per expected rating, in mirrored pairs: within 0.002 RMSE of the exact mean


@dataclass(frozen=True, kw_only=True, config=STRICT)
class HybridConfig(VaeConfig):
    """User and film embeddings, an MLP encoder to the latent, and the mirrored decoder."""

    seed_noise: ClassVar[float] = 0.006

    architecture: Literal["hybrid"] = "hybrid"
    learning_rate: Positive = 3e-4
    lr_warmup_epochs: NonNegative = 1.0
    weight_decay: NonNegative = 1e-4
    kl_weight: NonNegative = 0.008
    kl_warmup_epochs: NonNegative = 20.0
    free_bits: NonNegative = 2.0
    n_factors: Width = 200  # columns of each embedding
    hidden_dims: Annotated[tuple[Width, ...], Field(min_length=1)] = (1024, 512, 256, 128)
    latent_dim: Width = 128
    dropout: DropoutRate = 0.4  # of the encoder; the decoder has half of it
    skip: StrictBool = False  # feed the embeddings to the decoder too, past the latent
    bias: StrictBool = False  # predict the biases plus the decoder's output, not the output alone


class HybridVAE(RatingVAE):
    """[user | film] embeddings -> MLP -> mu, logvar -> z -> mirrored MLP -> one rating.

    With `skip`, the decoder's input is [z | embeddings]. Without `bias`, a sigmoid maps the output
    to the rating scale; with it, the prediction is the biases plus the decoder's output.
    Shapes: F factors, H hidden units, K latent dimensions.
    """

    draws: Tensor

    def __init__(self, config: HybridConfig, store: TrainStore) -> None:
        super().__init__(store, config.likelihood)
        self.config = config
        self.user = nn.Embedding(store.n_users, config.n_factors, sparse=True)
        self.film = nn.Embedding(store.n_films, config.n_factors, sparse=True)
        nn.init.normal_(self.user.weight, std=0.05)
        nn.init.normal_(self.film.weight, std=0.05)
        widths = [2 * config.n_factors, *config.hidden_dims]
        self.encoder = _mlp(widths, config.dropout, batch_norm=True)
        self.mu = nn.Linear(widths[-1], config.latent_dim)
        self.logvar = nn.Linear(widths[-1], config.latent_dim)
        skip_width = 2 * config.n_factors if config.skip else 0
        mirrored = [config.latent_dim + skip_width, *reversed(config.hidden_dims)]
        self.decoder = _mlp(mirrored, config.dropout / 2, batch_norm=False)
        self.rating = nn.Linear(mirrored[-1], 1)
        # Every pair uses the same draws, so that a prediction depends only on its pair.
        half = torch.randn(
            N_DRAWS // 2, config.latent_dim, generator=torch.Generator().manual_seed(0)
        )
        self.register_buffer("draws", torch.cat([half, -half]), persistent=False)
        if config.bias:
            self.heads.append(BiasHead(store))
        self.add_neighbours(config.neighbours)
        self.repeats_steps = self.neighbours is None  # whose residuals are replaced each epoch

    def residuals(self) -> FittedResiduals:
        rows = torch.arange(len(self.store), device=self.store.device)
        batches = map(self.store.pairs, rows.split(EVAL_BATCH_SIZE[self.store.device.type]))
        predictions = (
            self.decode_mean(pairs, self.posteriors(pairs, None)).float() + self.offsets(pairs)
            for pairs in batches
        )
        return FittedResiduals.build(self.store, predictions, self.film.weight)

    def restored_residuals(self, state: Mapping[str, Tensor]) -> FittedResiduals:
        return FittedResiduals(store=self.store, **state)

    def posteriors(self, pairs: Pairs, shared: object) -> dict[str, Posterior]:
        hidden = self.encoder(self._embed(pairs))  # (B, H)
        # In float32 even under autocast: exp(logvar) overflows in half precision.
        return {"latent": Posterior(self.mu(hidden).float(), self.logvar(hidden).float())}

    def decode_mean(self, pairs: Pairs, posteriors: Mapping[str, Posterior]) -> Tensor:
        mu, logvar = posteriors["latent"]
        spread = (0.5 * logvar).exp()
        ratings = [self.decode(pairs, {"latent": mu + spread * draw}) for draw in self.draws]
        return torch.stack(ratings).mean(0)

    def decode(self, pairs: Pairs, z: Mapping[str, Tensor]) -> Tensor:
        latent = z["latent"]
        inputs = torch.cat([latent, self._embed(pairs)], 1) if self.config.skip else latent
        output = self.rating(self.decoder(inputs)).squeeze(1).float()  # (B,)
        if self.config.bias:
            return output
        low, high = self.store.scale
        return low + (high - low) * torch.sigmoid(output)

    def _embed(self, pairs: Pairs) -> Tensor:
        return torch.cat([self.user(pairs.user), self.film(pairs.film)], dim=1)  # (B, 2F)


def _mlp(widths: Sequence[int], dropout: float, *, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers.append(nn.Linear(n_in, n_out))
        if batch_norm:
            layers.append(nn.BatchNorm1d(n_out))
        layers += [nn.LayerNorm(n_out), nn.GELU(), Dropout(dropout)]
    return nn.Sequential(*layers)


def memory(config: HybridConfig, sizes: DataSizes) -> MemoryNeed:
    """What training takes; see `memory.py`."""
    inputs, latent, hidden = 2 * config.n_factors, config.latent_dim, config.hidden_dims
    widths = [inputs, *hidden, latent]
    in_layers = 2 * sum(n_in * n_out + 4 * n_out for n_in, n_out in pairwise(widths))
    n_weights = (sizes.n_users + sizes.n_films) * config.n_factors + in_layers
    n_weights += latent * hidden[-1] + config.skip * inputs * hidden[-1]
    # A hidden unit keeps its value before each norm, the GELU, the dropout and the next layer.
    pair_floats = 11 * sum(hidden) + 2 * max(hidden) + (3 + config.skip) * inputs + 8 * latent + 32
    evaluated = 2 * inputs + 3 * max(hidden) + (N_DRAWS + 4) * latent
    own = descent_need(sizes, n_weights, pair_floats, evaluated)
    extra = vae_extras(config, sizes, config.n_factors)
    return MemoryNeed(own.fixed + extra.fixed, own.per_pair + extra.per_pair)


ARCHITECTURE = Architecture(
    config=HybridConfig,
    model=HybridVAE,
    memory=memory,
    default_space={
        "kl_weight": {"float": [1e-3, 0.03], "log": True},
        "learning_rate": {"float": [1e-4, 2e-3], "log": True},
        "batch_size": {"choice": [1024, 1536, 2048, 3072]},  # RMSE suffers far from 2048
        "n_factors": {"int": [50, 250], "step": 50},
        "latent_dim": {"int": [32, 160], "step": 32},
        "hidden_dims": {
            "choice": [
                [2048, 1024, 512, 256],
                [256, 128],
                [512, 256, 128],
                [1024, 512, 256],
                [1024, 512, 256, 128],
            ]
        },
        "dropout": {"float": [0.2, 0.5]},
        "bias": {"choice": [False, True]},
        "free_bits": {"float": [0, 4]},
        "kl_warmup_epochs": {"int": [0, 40]},
    },
)
