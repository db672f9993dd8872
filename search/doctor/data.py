"""Checks of the ratings: whether they exist, or can be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...base.files import check_writable, free_bytes, nearest_folder
from ...data.data_folder import data_folder
from ...data.formats.ratings_files import check_ratings
from ...data.sets.download import check_server, required_disk_bytes
from ...data.sets.loading import dataset_reference
from ...data.sets.registry import find_dataset
from ...data.sets.summaries import list_datasets
from ...errors import DataError

if TYPE_CHECKING:
    from .examination import Plan


def check_dataset(plan: Plan) -> str:
    """Where the plan's ratings are or come from; without a dataset, which named ones exist."""
    data_dir = data_folder(plan.data_dir)
    rows = {row["name"]: row for row in list_datasets(data_dir)}
    if plan.dataset is None:
        there = ", ".join(name for name, row in rows.items() if row["downloaded"])
        return f"{there}; start downloads the others to {data_dir}"
    reference = dataset_reference(plan.dataset)
    if (row := rows.get(reference)) is None:
        if find_dataset(reference) is not None:  # such as demo:1M
            return f"{reference} is generated"
        return check_ratings(Path(reference), plan.read_options)
    if row["downloaded"]:
        return row["folder"] or f"{plan.dataset} is generated"
    check_server(plan.dataset, data_dir)
    return f"{plan.dataset} is not in {data_dir} yet; start downloads it"


def check_data_room(plan: Plan) -> str:
    """The space left in the data folder, and whether the plan's dataset still fits."""
    data_dir = data_folder(plan.data_dir)
    free = free_bytes(data_dir)
    detail = f"{free / 1e9:.1f} GB left in {data_dir}"
    absent = [row["name"] for row in list_datasets(data_dir) if not row["downloaded"]]
    if plan.dataset is None or plan.dataset not in absent:
        return detail
    needed = required_disk_bytes(plan.dataset)
    detail += f", and {plan.dataset} takes {needed / 1e9:.1f} GB"
    if free < needed:
        raise DataError(f"{detail}; free some space, or choose another folder with --data-dir")
    check_writable(nearest_folder(data_dir))
    return detail
