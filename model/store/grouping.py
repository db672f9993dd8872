"""Train rows by user or by film."""

from __future__ import annotations

import warnings
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ...data.ratings import Int

# torch warns at the first CSR tensor of a process. Only construction and products are used here,
# and both are stable.
warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)


class Grouping(NamedTuple):
    """Train rows by user or by film, each group sorted by time.

    Attributes:
        offsets: (n_groups + 1,) start of each group in `rows`; the last is the number of rows.
        rows: (n,) train row numbers.
        others: (n,) the film of each row if grouped by user, its user if grouped by film.
    """

    offsets: Tensor
    rows: Tensor
    others: Tensor

    @classmethod
    def build(cls, rows: Int, key: Int, other: Int, n_groups: int, device: torch.device) -> Self:
        """Args:
        rows: (n,) row numbers in the order of the groups.
        key, other: (n,) in the order of the ratings: of the group, and of the other side.
        """
        offsets = np.zeros(n_groups + 1, dtype=np.int64)
        np.cumsum(np.bincount(key, minlength=n_groups), out=offsets[1:])
        parts = offsets, rows, other[rows]
        return cls(*(torch.from_numpy(part).to(device) for part in parts))

    @property
    def counts(self) -> Tensor:
        """(n_groups,) rows in each group."""
        return self.offsets.diff()

    @property
    def group(self) -> Tensor:
        """(n,) the group of each row, in the order of `rows`."""
        groups = torch.arange(len(self.counts), device=self.offsets.device)
        return groups.repeat_interleave(self.counts, output_size=len(self.rows))

    def matrix(self, values: Tensor, n_others: int) -> Tensor:
        """(n_groups, n_others) sparse matrix. Args: values: (n,) in the order of `rows`."""
        return torch.sparse_csr_tensor(
            self.offsets.int(),  # with int64, a product on a CPU converts all indices each time
            self.others.int(),
            values,
            (len(self.counts), n_others),
            # Columns are in order of time, which the check would refuse; products need no order.
            check_invariants=False,
        )
