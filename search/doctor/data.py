"""Whether there are ratings to train on, or room to download them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...base.files import check_writable, free_bytes, nearest_folder
from ...data.folder import data_folder
from ...data.formats.readers import ratings_table
from ...data.sets.datasets import dataset_reference, list_datasets
from ...data.sets.download import check_server, download_bytes
from ...data.sets.registry import find_dataset
from ...errors import DataError

if TYPE_CHECKING:
    from .examination import Plan


def check_dataset(plan: Plan) -> str:
    """Where the plan's ratings are or come from; without one, which named datasets are there."""
    data_dir = data_folder(plan.data_dir)
    rows = {row["name"]: row for row in list_datasets(data_dir)}
    if plan.dataset is None:
        there = ", ".join(name for name, row in rows.items() if row["there"])
        return f"{there}; start downloads the others to {data_dir}"
    reference = dataset_reference(plan.dataset)
    if (row := rows.get(reference)) is None:
        if find_dataset(reference) is not None:  # demo:1M and its like
            return f"{reference} is generated"
        return str(ratings_table(Path(reference)).path)
    if row["there"]:
        return row["folder"] or f"{plan.dataset} is generated"
    check_server(plan.dataset, data_dir)
    return f"{plan.dataset} is not in {data_dir} yet; start downloads it"


def check_data_room(plan: Plan) -> str:
    """The room in the data folder, for the plan's dataset if it is still to come."""
    data_dir = data_folder(plan.data_dir)
    free = free_bytes(data_dir)
    told = f"{free / 1e9:.1f} GB left in {data_dir}"
    absent = [row["name"] for row in list_datasets(data_dir) if not row["there"]]
    if plan.dataset is None or plan.dataset not in absent:
        return told
    needed = download_bytes(plan.dataset)
    told += f", and {plan.dataset} takes {needed / 1e9:.1f} GB"
    if free < needed:
        raise DataError(f"{told}; make room, or choose another folder with --data-dir")
    check_writable(nearest_folder(data_dir))
    return told
