"""AdamW whose step on an embedding costs what the rows of the batch cost, not the table.

A table of users or films is read by row, so its gradient is zero almost everywhere. Dense AdamW
still reads and writes the table, its gradient and both moments in each step: at 200,000 users that
is most of a step. A model declares a table that is only read by row with
`nn.Embedding(..., sparse=True)`; the gradient of a large one then has the rows of the batch alone.

Lazy variants of Adam (`torch.optim.SparseAdam`) skip the other rows altogether. That is another
optimiser: dense AdamW goes on moving a row by its momentum after the step that read it, about ten
times as far in total as in that step, and its squared gradients fade in the steps between. `hybrid`
learns more slowly without (docs/speed.md). So a row that is read again first makes up for the steps
that it missed, in closed form. What differs from dense AdamW is that it does so after it has been
read, and with the present learning rate.

Shapes do not depend on which rows a batch has, and nothing is read from the device, so that a CUDA
graph can capture a step. N lookups of a table in a step, K columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETA1, BETA2 = 0.9, 0.999  # torch's defaults
SHRINK = BETA1 / math.sqrt(BETA2)  # of a step without gradient, next to the one before
# Rows of a table, for each that a step reads, above which updates by row take less time on a CPU.
ROWS_PER_LOOKUP = 12


def choose_gradients(model: nn.Module, batch_size: int) -> None:
    """Make the gradients of tables dense again that are small next to a batch."""
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.sparse:
            module.sparse = module.num_embeddings > ROWS_PER_LOOKUP * batch_size


class _Touched(NamedTuple):
    """The rows of a table that a step has read: copies, to be written back.

    Attributes:
        rows: (N,) in ascending order, repeated where the step has read a row several times.
        weight, mean, square: (N, K) of the rows; the moments are exponential moving averages.
        gradient: (N, K) of the rows; the same wherever a row is repeated.
    """

    rows: Tensor
    weight: Tensor
    mean: Tensor
    square: Tensor
    gradient: Tensor


class RowAdamW(torch.optim.AdamW):
    """AdamW in one fused kernel. Of a parameter with a sparse gradient, only the rows in the
    gradient are updated.

    The numbers that change from step to step are tensors on the device, which `prepare` sets: a
    CUDA graph would repeat a number as it was when captured.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], device: torch.device, *, weight_decay: float
    ) -> None:
        self._learning_rate = torch.zeros((), device=device)
        self._step = torch.zeros((), device=device)  # of the training, from 1
        self._drift = torch.zeros((), device=device)  # of endless missed steps, in last steps
        # Logarithms of what a missed step multiplies: its own length, the moments, the weights.
        factors = [SHRINK, BETA1, BETA2, 1.0]
        self._log_factors = torch.tensor(factors, dtype=torch.float64).log().float().to(device)
        super().__init__(
            parameters,
            lr=self._learning_rate,
            betas=(BETA1, BETA2),
            weight_decay=weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )

    def prepare(self, step: int, learning_rate: float) -> None:
        """Set the numbers of the next step, on the host. Args: step: of the training, from 1."""
        self._step.fill_(step)
        self._learning_rate.fill_(learning_rate)
        bias_correction = math.sqrt(1 - BETA2**step) / (1 - BETA1**step)
        self._drift.fill_(learning_rate * bias_correction * SHRINK / (1 - SHRINK))
        # A learning rate that makes the training diverge has no logarithm.
        kept = max(1 - learning_rate * self.defaults["weight_decay"], 1e-30)
        self._log_factors[3].fill_(math.log(kept))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["lr"] = self._learning_rate

    @torch.no_grad()
    def clip_gradients(self, max_norm: float) -> Tensor:
        """Scale all gradients so that their global norm is at most this; the norm before, ().

        The gradients of a row that is read several times are added up first, so the norm is that
        of the table's gradient.
        """
        gradients = []
        for parameter in self._with_gradient():
            assert parameter.grad is not None
            if parameter.grad.is_sparse:
                parameter.grad = merge_rows(parameter.grad)
                gradients.append(parameter.grad._values())
            else:
                gradients.append(parameter.grad)
        norm = nn.utils.get_total_norm(gradients)
        torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
        return norm

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the weights. Call `prepare` and `clip_gradients` before."""
        (group,) = self.param_groups
        parameters = self._with_gradient()
        states = [self._state_of(parameter) for parameter in parameters]
        weights, means, squares, gradients = [], [], [], []
        touched = {}
        for parameter, state in zip(parameters, states, strict=True):
            gradient = parameter.grad
            assert gradient is not None
            weight, mean, square = parameter.detach(), state["exp_avg"], state["exp_avg_sq"]
            if gradient.is_sparse:
                rows = self._touch(parameter, state)
                self._catch_up(rows, state["last_step"])
                _, weight, mean, square, gradient = touched[parameter] = rows
            weights.append(weight)
            means.append(mean)
            squares.append(square)
            gradients.append(gradient)
        adamw(
            weights,
            gradients,
            means,
            squares,
            [],
            [state["step"] for state in states],
            fused=True,
            capturable=group["capturable"],
            grad_scale=getattr(self, "grad_scale", None),  # set by a GradScaler
            found_inf=getattr(self, "found_inf", None),
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        for parameter, copy in touched.items():
            self._write_back(parameter, copy)

    def _touch(self, parameter: nn.Parameter, state: dict[str, Tensor]) -> _Touched:
        assert parameter.grad is not None
        rows = parameter.grad._indices()[0]
        first = torch.searchsorted(rows, rows)
        return _Touched(
            rows,
            parameter.detach().index_select(0, rows),
            state["exp_avg"].index_select(0, rows),
            state["exp_avg_sq"].index_select(0, rows),
            parameter.grad._values().index_select(0, first),
        )

    def _catch_up(self, touched: _Touched, last_step: Tensor) -> None:
        """Do what dense AdamW would have done to the rows since they were last read.

        In a step without gradient the moments shrink by beta1 and beta2, so the step itself by
        beta1 / sqrt(beta2): the steps missed are a geometric series.
        """
        group = self.param_groups[0]
        rows, weight, mean, square, _ = touched
        missed = self._step - 1 - last_step.index_select(0, rows)  # (N, 1)
        of_step, of_mean, of_square, of_weight = (missed * self._log_factors).exp().split(1, 1)
        if group["weight_decay"]:
            weight.mul_(of_weight)
        # With epsilon under the root, a CPU takes a fifth of the time for rows that are still 0.
        direction = square.add(group["eps"] ** 2).rsqrt_().mul_(mean)
        weight.addcmul_(direction, (of_step - 1) * self._drift)
        mean.mul_(of_mean)
        square.mul_(of_square)

    def _write_back(self, parameter: nn.Parameter, touched: _Touched) -> None:
        """A row that was read several times is written as often, with the same values."""
        state, rows = self.state[parameter], touched.rows
        parameter.detach()[rows] = touched.weight
        state["exp_avg"][rows] = touched.mean
        state["exp_avg_sq"][rows] = touched.square
        state["last_step"][rows] = self._step

    def _with_gradient(self) -> list[nn.Parameter]:
        (group,) = self.param_groups
        return [parameter for parameter in group["params"] if parameter.grad is not None]

    def _state_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            assert parameter.grad is not None
            if parameter.grad.is_sparse:  # the step that last read each row; 0 if none has
                state["last_step"] = parameter.new_zeros(len(parameter), 1)
        return state


def merge_rows(gradient: Tensor) -> Tensor:
    """A sparse gradient with its N rows in ascending order and each row's values added up.

    The first occurrence of a row has the sum and the others are zero, so that the shape does not
    depend on the rows. Sums are always in the same order.
    """
    rows, order = gradient._indices()[0].sort(stable=True)
    place = torch.arange(len(rows), device=rows.device)
    # The bag of a first occurrence reaches from there to the next row; the others' are empty.
    is_first = torch.searchsorted(rows, rows) == place
    bags = torch.where(is_first, place, torch.searchsorted(rows, rows, right=True))
    sums = F.embedding_bag(order, gradient._values(), bags, mode="sum")
    return torch.sparse_coo_tensor(rows.unsqueeze(0), sums, gradient.shape, check_invariants=False)
