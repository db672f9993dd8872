"""The training loop that most projects have, which ours is compared to, with the model of `hybrid`.

A loader with worker processes feeds rows one by one, embeddings have dense gradients, torch's own
AdamW updates whole tables, and the host reads the loss of each step. On a GPU it uses fp16 autocast
and loss scaling.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from recsys_search.model.architectures.hybrid import HybridConfig, HybridVAE
from recsys_search.model.components.dropout import Dropout
from recsys_search.model.store.train_store import Pairs, TrainStore
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class ReferenceLoop:
    """Epochs of the model, by the loop of the module's docstring."""

    def __init__(
        self, config: HybridConfig, store: TrainStore, *, amp: bool, loader_workers: int
    ) -> None:
        """Args: amp: fp16 autocast and loss scaling, which need a GPU."""
        self._config, self._amp, self._device = config, amp, store.device
        self._model = HybridVAE(config, store).to(store.device)
        for module in self._model.modules():
            if isinstance(module, nn.Embedding):
                module.sparse = False
            if isinstance(module, Dropout):
                module.forward = nn.Dropout(module.p).forward  # type: ignore[method-assign]
        on_gpu = store.device.type == "cuda"
        columns = (column.cpu() for column in (store.user, store.film, store.rating))
        self._loader = DataLoader(
            TensorDataset(*columns),
            batch_size=config.batch_size,
            shuffle=True,
            num_workers=loader_workers,
            pin_memory=on_gpu,
            persistent_workers=loader_workers > 0,
        )
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self._scaler = torch.amp.GradScaler(store.device.type, enabled=amp)

    def losses(self) -> Iterator[float]:
        """Of each step of an epoch, taken when it is asked for."""
        self._model.train()
        for user, film, rating in self._loader:
            yield self.step(*(column.to(self._device) for column in (user, film, rating)))

    def step(self, user: Tensor, film: Tensor, rating: Tensor) -> float:
        pairs = Pairs(user, film, None, torch.full_like(user, -1))
        self._optimizer.zero_grad()
        with torch.autocast(self._device.type, torch.float16, enabled=self._amp):
            output = self._model(pairs, None)
        mu, logvar = output.posteriors["latent"]
        kl = 0.5 * (logvar.exp() + mu.square() - 1 - logvar).sum(1).mean()
        error = F.mse_loss(output.prediction, rating)
        loss = error + self._config.kl_weight * kl.clamp(min=self._config.free_bits)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._model.parameters(), self._config.grad_clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.item()
