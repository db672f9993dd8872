"""A study that waits for workers."""

from __future__ import annotations

import pytest
from recsys_search.search.launch.run_study import run_study


@pytest.fixture
def detach(workplace):
    """Queues a study, and runs none of its trials."""

    def detach(name="small", **changes):
        study = workplace.write_study(name, **changes)
        return run_study(study, workplace.storage, device="cpu", detach=True)

    return detach
