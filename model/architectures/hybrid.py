"""The reference: id embeddings, an MLP encoder to the latent, and the mirrored decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..components.bias_head import BiasHead
from ..components.dropout import Dropout
from ..components.output import Posterior
from ..components.vae import RatingVAE
from ..config import HybridConfig
from ..store.train_store import Pairs, TrainStore

N_DRAWS = 8  # of z for an expected rating: in mirrored pairs, within 0.002 RMSE of very many


class HybridVAE(RatingVAE):
    """[user | film] embeddings -> MLP -> mu, logvar -> z -> mirrored MLP -> one rating.

    With `skip`, the decoder's input is [z | embeddings]. Without biases, a sigmoid puts the output
    onto the rating scale; with them, the prediction is the biases plus the decoder's output.
    Shapes: F factors, H hidden units, K latent dimensions.
    """

    draws: Tensor

    def __init__(self, config: HybridConfig, store: TrainStore) -> None:
        super().__init__(store)
        self.config = config
        self.user = nn.Embedding(store.n_users, config.n_factors)
        self.film = nn.Embedding(store.n_films, config.n_factors)
        nn.init.normal_(self.user.weight, std=0.05)
        nn.init.normal_(self.film.weight, std=0.05)
        widths = [2 * config.n_factors, *config.hidden_dims]
        self.encoder = _mlp(widths, config.dropout, batch_norm=True)
        self.mu = nn.Linear(widths[-1], config.latent_dim)
        self.logvar = nn.Linear(widths[-1], config.latent_dim)
        past_latent = 2 * config.n_factors if config.skip else 0
        mirrored = [config.latent_dim + past_latent, *reversed(config.hidden_dims)]
        self.decoder = _mlp(mirrored, config.dropout / 2, batch_norm=False)
        self.rating = nn.Linear(mirrored[-1], 1)
        # The same draws for every pair, so that a prediction depends on its pair alone.
        half = torch.randn(
            N_DRAWS // 2, config.latent_dim, generator=torch.Generator().manual_seed(0)
        )
        self.register_buffer("draws", torch.cat([half, -half]), persistent=False)
        if config.bias:
            self.heads.append(BiasHead(store))

    def posteriors(self, pairs: Pairs, shared: object) -> dict[str, Posterior]:
        hidden = self.encoder(self._embed(pairs))  # (B, H)
        # In float32 under autocast too: exp(logvar) overflows in half precision.
        return {"latent": Posterior(self.mu(hidden).float(), self.logvar(hidden).float())}

    def decode_mean(self, pairs: Pairs, posteriors: Mapping[str, Posterior]) -> Tensor:
        mu, logvar = posteriors["latent"]
        spread = (0.5 * logvar).exp()
        ratings = [self.decode(pairs, {"latent": mu + spread * draw}) for draw in self.draws]
        return torch.stack(ratings).mean(0)

    def decode(self, pairs: Pairs, z: Mapping[str, Tensor]) -> Tensor:
        seen = torch.cat([z["latent"], self._embed(pairs)], 1) if self.config.skip else z["latent"]
        output = self.rating(self.decoder(seen)).squeeze(1).float()  # (B,)
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
