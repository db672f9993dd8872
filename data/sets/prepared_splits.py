"""A cache of the splits of large ratings, with their columns in each order that models need.

Kept with the prepared ratings: PREPARED/split-FINGERPRINT/train_user.npy, ... All trainings on a
split share the pages that the memory maps read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from time import time
from typing import Any

from filelock import FileLock

from ...base.code_version import code_version
from .. import ratings as ratings_module
from ..ratings import Ratings
from ..splits import methods
from ..splits.spec import SplitSpec
from ..splits.split import Split, split_fingerprint, split_ratings
from .atomic_folders import temporary_folder
from .column_files import Column, check_lengths, open_columns, save_columns

MIN_RATINGS = 2_000_000  # to cut and sort fewer takes less than a second
N_KEPT = 2  # splits of the same ratings: those that were opened last
IN_USE_S = 3 * 86_400  # a split is kept for as long after it was opened: a study may map it

_COLUMNS = ("user", "film", "rating", "timestamp", "expected")
_ORDERS = ("rows_by_user", "rows_by_film")  # cached properties of `Ratings`


def open_split(ratings: Ratings, spec: SplitSpec) -> Split:
    """The train and validation parts of `ratings`, from the cache if possible.

    If the cache cannot be written (no permission, no space), the ratings are split each time.

    Raises:
        DataError: as for `split_ratings`.
    """
    prepared = ratings.prepared
    if prepared is None or len(ratings) < MIN_RATINGS:
        return split_ratings(ratings, spec)
    target = prepared / f"split-{split_fingerprint(ratings, spec)}"
    if (stored := _try_open(target, ratings, spec)) is not None:
        _mark_as_used(target)
        return stored
    split = split_ratings(ratings, spec)
    if not prepared.is_dir():  # removed since it was opened
        return split
    try:
        with FileLock(prepared / "splits.lock"):
            if (stored := _try_open(target, ratings, spec)) is not None:
                return stored  # of another worker, which others may have opened
            _make_room(prepared, target)
            with temporary_folder(prepared, "split") as temporary:
                _save(split, temporary / "columns")
                (temporary / "columns").replace(target)
    except OSError:
        return split
    return _try_open(target, ratings, spec) or split


def _save(split: Split, folder: Path) -> None:
    columns: dict[str, Column | None] = {}
    for part, ratings in (("train", split.train), ("validation", split.validation)):
        columns |= {f"{part}_{name}": getattr(ratings, name) for name in _COLUMNS}
    columns |= {f"train_{name}": getattr(split.train, name) for name in _ORDERS}
    meta = {
        "version": _version(),
        "fingerprint": split.fingerprint,
        "n_users_kept_in_train": split.n_users_kept_in_train,
        "cut_notes": list(split.cut_notes),
    }
    save_columns(folder, columns, meta)


def _try_open(folder: Path, ratings: Ratings, spec: SplitSpec) -> Split | None:
    """The stored split, or None if the folder is missing, damaged or of another version."""
    try:
        columns, meta = open_columns(folder)
        if meta["version"] != _version():
            return None
        parts = {}
        for part in ("train", "validation"):
            own: dict[str, Any] = {name: columns.get(f"{part}_{name}") for name in _COLUMNS}
            check_lengths(folder, *own.values())
            parts[part] = replace(ratings, **own, prepared=None)
        # Set the `cached_property`s, because computing them would sort all train ratings.
        orders = {name: columns[f"train_{name}"] for name in _ORDERS}
        check_lengths(folder, parts["train"].user, *orders.values())
        parts["train"].__dict__.update(orders)
        return Split(
            **parts,
            spec=spec,
            fingerprint=meta["fingerprint"],
            n_users_kept_in_train=meta["n_users_kept_in_train"],
            cut_notes=tuple(meta["cut_notes"]),
        )
    except Exception:  # numpy raises many kinds of errors on a damaged header
        return None


def _version() -> str:
    """Text that changes whenever the same ratings and spec may have another split."""
    sources = Path(methods.__file__).parent.glob("*.py")
    return code_version([Path(__file__), Path(ratings_module.__file__), *sources])


def _mark_as_used(folder: Path) -> None:
    with suppress(OSError):  # another user's folder
        os.utime(folder)


def _make_room(prepared: Path, target: Path) -> None:
    """Remove an unusable `target`, and splits that were not opened for long."""
    others = sorted(set(prepared.glob("split-*")) - {target}, key=_last_used, reverse=True)
    unused = [split for split in others[N_KEPT - 1 :] if time() - _last_used(split) > IN_USE_S]
    for earlier in (target, *unused):
        rmtree(earlier, ignore_errors=True)


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0
