"""AdamW on the rows that a step reads."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from pytest import approx
from recsys_search.model.training.descent.row_adamw import RowAdamW, choose_gradients, merge_rows
from torch import nn

CPU = torch.device("cpu")
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
N_ROWS, WIDTH = 30, 3

# Rows that steps read: some several times in a step, some in each step, and row 29 never.
BATCHES = [
    [0, 0, 0, 5],
    [0, 7, 5, 7],
    [0, 28, 28, 28],
    [0, 1, 2, 3],
    [5, 0, 5, 0],
    *([0, 9, 0, 1] for _ in range(40)),
    [5, 7, 28, 0],
]


def rate(step):
    return 0.02 / math.sqrt(step)


@pytest.fixture
def table():
    torch.manual_seed(0)
    return nn.Embedding(N_ROWS, WIDTH, sparse=True)


@pytest.fixture
def targets():
    torch.manual_seed(1)
    return torch.randn(N_ROWS, WIDTH)


def descend(table, targets, batches, *, weight_decay=0.1, optimizer=None, first=1, rate=rate):
    """Take steps towards the targets; the optimiser."""
    optimizer = optimizer or RowAdamW(table.parameters(), CPU, weight_decay=weight_decay)
    for step, batch in enumerate(batches, first):
        index = torch.tensor(batch)
        optimizer.zero_grad(set_to_none=True)
        ((table(index) - targets[index]) ** 2).sum().backward()
        optimizer.clip_gradients(math.inf)
        optimizer.prepare(step, rate(step))
        optimizer.step()
    return optimizer


def reference(weight, targets, batches, weight_decay=0.1):
    """Row by row, in double precision, with every missed step taken when the row is read again."""
    weight = weight.double()
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    last = [0] * N_ROWS
    for step, batch in enumerate(batches, 1):
        for row in set(batch):
            gradient = batch.count(row) * 2 * (weight[row] - targets[row].double())
            missed = step - 1 - last[row]
            weight[row] *= (1 - rate(step) * weight_decay) ** missed
            for now in range(last[row] + 1, step + 1):
                mean[row] *= BETA1
                square[row] *= BETA2
                if now == step:
                    mean[row] += (1 - BETA1) * gradient
                    square[row] += (1 - BETA2) * gradient.square()
                    weight[row] *= 1 - rate(step) * weight_decay
                corrected = square[row] / (1 - BETA2**step)
                weight[row] -= rate(step) * mean[row] / (1 - BETA1**step) / (corrected.sqrt() + EPS)
            last[row] = step
    return weight


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rows_move_as_if_they_had_taken_the_steps_they_missed(table, targets, weight_decay):
    before = table.weight.detach().clone()
    expected = reference(before, targets, BATCHES, weight_decay)
    descend(table, targets, BATCHES, weight_decay=weight_decay)
    assert torch.allclose(table.weight.detach().double(), expected, atol=2e-6)
    assert torch.equal(table.weight[29], before[29])
    assert (table.weight[28] - before[28]).abs().min() > 0.01


def test_rows_that_every_step_reads_are_updated_as_by_torch_to_the_bit(table, targets):
    dense = nn.Embedding(N_ROWS, WIDTH)
    dense.load_state_dict(table.state_dict())
    every_row = list(range(N_ROWS))
    theirs = torch.optim.AdamW(
        dense.parameters(), lr=torch.tensor(0.02), weight_decay=0.1, fused=True
    )
    for _ in range(5):
        theirs.zero_grad()
        ((dense(torch.tensor(every_row)) - targets) ** 2).sum().backward()
        theirs.step()
    descend(table, targets, [every_row] * 5, rate=lambda step: 0.02)
    assert torch.equal(table.weight, dense.weight)


def test_it_follows_dense_adamw_where_rows_are_rarely_read(table, targets):
    """Rows are read in one step of ten on average; a lazy Adam would move a third as far."""
    generator = torch.Generator().manual_seed(2)
    batches = [torch.randint(N_ROWS, (3,), generator=generator).tolist() for _ in range(200)]
    dense = nn.Embedding(N_ROWS, WIDTH)
    dense.load_state_dict(table.state_dict())
    before = table.weight.detach().clone()
    theirs = torch.optim.AdamW(dense.parameters(), lr=1e-3, weight_decay=0.1)
    for batch in batches:
        theirs.zero_grad()
        ((dense(torch.tensor(batch)) - targets[batch]) ** 2).sum().backward()
        theirs.step()
    descend(table, targets, batches, rate=lambda step: 1e-3)
    ours, theirs = table.weight.detach() - before, dense.weight.detach() - before
    assert float((ours - theirs).norm()) < 0.12 * float(theirs.norm())
    assert float(ours.norm()) == approx(float(theirs.norm()), rel=0.05)


def test_other_rows_and_their_moments_are_left_alone(table, targets):
    optimizer = descend(table, targets, [[3, 4, 3], [4, 4, 4]])
    state = optimizer.state[table.weight]
    assert state["last_step"].flatten().nonzero().flatten().tolist() == [3, 4]
    assert state["last_step"][[3, 4]].flatten().tolist() == [1, 2]
    assert (state["exp_avg_sq"].sum(1) > 0).nonzero().flatten().tolist() == [3, 4]


def test_the_norm_counts_a_row_once_and_the_clip_scales_all(table, targets):
    net = nn.Linear(WIDTH, 1)
    index = torch.tensor([2, 5, 2, 2, 8])
    parameters = [*table.parameters(), *net.parameters()]
    optimizer = RowAdamW(parameters, CPU, weight_decay=0.0)
    (net(table(index)).sum() * 3).backward()
    dense = [parameter.grad.to_dense().clone() for parameter in parameters]
    norm = torch.stack([gradient.square().sum() for gradient in dense]).sum().sqrt()
    assert float(optimizer.clip_gradients(0.5)) == approx(float(norm))
    for parameter, gradient in zip(parameters, dense, strict=True):
        expected = gradient * 0.5 / norm
        assert torch.allclose(parameter.grad.to_dense(), expected, rtol=1e-4)


def test_merging_keeps_the_gradient_and_its_number_of_entries():
    rows = torch.tensor([[4, 1, 4, 0, 1, 4]])
    values = torch.arange(12.0).view(6, 2)
    gradient = torch.sparse_coo_tensor(rows, values, (6, 2), check_invariants=True)
    merged = merge_rows(gradient)
    assert merged._indices().tolist() == [[0, 1, 1, 4, 4, 4]]
    assert merged._values().tolist() == [[6, 7], [10, 12], [0, 0], [14, 17], [0, 0], [0, 0]]


def test_only_declared_tables_that_are_large_next_to_a_batch_are_updated_by_row():
    large, small, whole = tables = nn.ModuleList(
        [
            nn.Embedding(121, 2, sparse=True),
            nn.Embedding(120, 2, sparse=True),
            nn.Embedding(1000, 2),
        ]
    )
    choose_gradients(tables, 10)
    assert (large.sparse, small.sparse, whole.sparse) == (True, False, False)


def test_a_learning_rate_beyond_reason_is_no_error(table, targets):
    descend(table, targets, [[0, 1], [1, 2]], weight_decay=0.1, rate=lambda step: 1e6)
    assert table.weight.abs().max() > 1e3


def test_it_resumes_from_its_state_to_the_bit(table, targets):
    other = nn.Embedding(N_ROWS, WIDTH, sparse=True)
    first = descend(table, targets, BATCHES[:20])
    other.load_state_dict(table.state_dict())
    second = RowAdamW(other.parameters(), CPU, weight_decay=0.1)
    second.load_state_dict(deepcopy(first.state_dict()))
    descend(table, targets, BATCHES[20:], optimizer=first, first=21)
    descend(other, targets, BATCHES[20:], optimizer=second, first=21)
    assert torch.equal(other.weight, table.weight)


def test_a_step_that_a_grad_scaler_skips_leaves_the_moments(table, targets):
    optimizer = descend(table, targets, [[1, 2]])
    before = optimizer.state[table.weight]["exp_avg"].clone()
    optimizer.grad_scale, optimizer.found_inf = None, torch.ones(())
    descend(table, targets, [[1, 2]], optimizer=optimizer, first=2)
    assert torch.equal(optimizer.state[table.weight]["exp_avg"], before)
    assert float(optimizer.state[table.weight]["step"]) == 1
