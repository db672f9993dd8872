"""The named datasets: where each comes from, and its size. A new dataset is an entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..demo.generator import demo_ratings
from ..demo.sizes import SIZE_PREFIX, canonical_demo_name, demo_of_size
from ..ratings import Ratings

LICENCE = "for research, with credit; no commercial use without GroupLens' permission"

_BASE_URL = "https://files.grouplens.org/datasets/movielens"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A published dataset.

    Attributes:
        url: of the zip.
        md5: of the zip, in hex.
        folder: the folder in the zip that contains the ratings.
        file: the ratings file in that folder; its name determines its format
            (`ratings_files.FORMATS`).
        readme: URL of a page with the full licence and how to cite the data.
        ratings, users, films: numbers of each; unrated films are not counted.
        licence: a one-line summary.
    """

    url: str
    md5: str
    folder: str
    file: str
    readme: str
    ratings: int
    users: int
    films: int
    licence: str = LICENCE


# Either a source to download, or a function that generates the ratings.
DATASETS: dict[str, Source | Callable[[], Ratings]] = {
    "ml-latest-small": Source(
        url=f"{_BASE_URL}/ml-latest-small.zip",
        md5="31a303aabbc519bd33d025e44d6c2570",
        folder="ml-latest-small",
        file="ratings.csv",
        readme=f"{_BASE_URL}/ml-latest-small-README.html",
        ratings=100_836,
        users=610,
        films=9_724,
    ),
    "ml-100k": Source(
        url=f"{_BASE_URL}/ml-100k.zip",
        md5="0e33842e24a9c977be4e0107933c0723",
        folder="ml-100k",
        file="u.data",
        readme=f"{_BASE_URL}/ml-100k-README.txt",
        ratings=100_000,
        users=943,
        films=1_682,
    ),
    "ml-1m": Source(
        url=f"{_BASE_URL}/ml-1m.zip",
        md5="c4d9eecfca2ab87c1945afe126590906",
        folder="ml-1m",
        file="ratings.dat",
        readme=f"{_BASE_URL}/ml-1m-README.txt",
        ratings=1_000_209,
        users=6_040,
        films=3_706,
    ),
    "ml-10m": Source(
        url=f"{_BASE_URL}/ml-10m.zip",
        md5="ce571fd55effeba0271552578f2648bd",
        folder="ml-10M100K",
        file="ratings.dat",
        readme=f"{_BASE_URL}/ml-10m-README.html",
        ratings=10_000_054,
        users=69_878,
        films=10_677,
    ),
    "ml-20m": Source(
        url=f"{_BASE_URL}/ml-20m.zip",
        md5="cd245b17a1ae2cc31bb14903e1204af3",
        folder="ml-20m",
        file="ratings.csv",
        readme=f"{_BASE_URL}/ml-20m-README.html",
        ratings=20_000_263,
        users=138_493,
        films=26_744,
    ),
    "ml-25m": Source(
        url=f"{_BASE_URL}/ml-25m.zip",
        md5="6b51fb2759a8657d3bfcbfc42b592ada",
        folder="ml-25m",
        file="ratings.csv",
        readme=f"{_BASE_URL}/ml-25m-README.html",
        ratings=25_000_095,
        users=162_541,
        films=59_047,
    ),
    "ml-32m": Source(
        url=f"{_BASE_URL}/ml-32m.zip",
        md5="d472be332d4daa821edc399621853b57",
        folder="ml-32m",
        file="ratings.csv",
        readme=f"{_BASE_URL}/ml-32m-README.html",
        ratings=32_000_204,
        users=200_948,
        films=84_432,
    ),
    "demo": demo_ratings,
}


def find_dataset(name: str) -> Source | Callable[[], Ratings] | None:
    """The source or generator of a named dataset, or of `demo:SIZE`; None for an unknown name."""
    return partial(demo_of_size, name) if name.startswith(SIZE_PREFIX) else DATASETS.get(name)


def canonical_name(name: str) -> str | None:
    """The dataset's unique name, `demo:1M` for `demo:1000k`; None for an unknown name.

    Raises:
        DataError: the size in `demo:SIZE` is invalid.
    """
    if name.startswith(SIZE_PREFIX):
        return canonical_demo_name(name)
    return name if name in DATASETS else None
