"""The gradient of a batch, in parts where the model allows it, and on all of a CPU's threads."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from ...components.rating_model import RatingModel
from ...components.rows import Held
from ...store.threads import map_on_threads, n_workers
from ..device import Precision
from ..elbo import KlCost, elbo


class BatchGradient:
    """Adds the gradient of a batch to the weights of a model."""

    def __init__(self, model: RatingModel, precision: Precision) -> None:
        self._model = model
        self._precision = precision

    def backward(self, rows: Tensor, kl_cost: KlCost) -> Tensor:
        """The loss of a batch, scaled by the loss scaling, differentiated by all weights.

        The floor of the free bits applies to each part.

        Args:
            rows: (B,) of the train ratings.

        Returns:
            (3,) loss, KL and clamped KL of the batch.
        """
        model = self._model
        with self._precision.autocast():
            shared = model.encode_store()
        n_pairs, size = len(rows), model.pairs_at_once
        # Sorted, so that each part reads few users, which are near in memory.
        parts = [rows] if size is None else list(rows.sort().values.split(size))
        device = model.store.device
        n_threads = n_workers(device, len(parts))
        held = [Held(shared) for _ in range(n_threads)]
        if n_threads == 1:
            values = self._add(model, parts, held[0].shared, kl_cost, n_pairs)
        else:
            twins = [_twin(model) for _ in held]

            def add(i: int) -> Tensor:
                return self._add(twins[i], parts[i::n_threads], held[i].shared, kl_cost, n_pairs)

            values = sum(map_on_threads(add, range(n_threads), device), torch.zeros(3))
            _add_gradients(model, twins)
        Held.backward(held)
        return values

    def _add(
        self,
        model: RatingModel,
        parts: Iterable[Tensor],
        shared: object,
        kl_cost: KlCost,
        n_pairs: int,
    ) -> Tensor:
        """Add the gradient of parts of a batch. Returns: (3,) their share of the values."""
        store, total = model.store, torch.zeros(3, device=model.store.device)
        for rows in parts:
            pairs, share = store.pairs(rows), len(rows) / n_pairs
            with self._precision.autocast():
                output = model(pairs, shared)
            values = elbo(model.likelihood, output, pairs, store.rating[rows], kl_cost)
            self._precision.scaler.scale(share * values.loss).backward()
            total += share * torch.stack([values.loss, values.kl, values.kl_clamped]).detach()
        return total


def _twin(model: RatingModel) -> RatingModel:
    """The same model, with gradients and random draws of its own."""
    twin = _share(model)
    assert isinstance(twin, RatingModel)
    seed = int(torch.randint(2**62, ()))
    twin.generator = torch.Generator(model.store.device).manual_seed(seed)
    return twin


def _share(module: nn.Module) -> nn.Module:
    twin = copy.copy(module)
    twin.__dict__ = dict(module.__dict__)
    twin._parameters = {
        name: None if weight is None else nn.Parameter(weight.detach(), weight.requires_grad)
        for name, weight in module._parameters.items()
    }
    twin._modules = {
        name: None if child is None else _share(child) for name, child in module._modules.items()
    }
    return twin


def _add_gradients(model: nn.Module, twins: Sequence[nn.Module]) -> None:
    for weight, *theirs in zip(
        model.parameters(), *(twin.parameters() for twin in twins), strict=True
    ):
        for gradient in (each.grad for each in theirs if each.grad is not None):
            weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
