"""Example commands for messages: lines that work when pasted into a shell."""

from __future__ import annotations

import os
import shlex

DEFAULT_STORAGE = "sqlite:///studies.db"
STORAGE_VARIABLE = "RECSYS_SEARCH_STORAGE"
ARTIFACTS_VARIABLE = "RECSYS_SEARCH_ARTIFACTS"


class ShellVariable(str):
    """The name of a variable, which the shell expands when the line is pasted."""

    __slots__ = ()


def example(*words: object) -> str:
    """`recsys-search` with these words, quoted for the shell."""
    return " ".join(["recsys-search", *map(_quoted, words)])


def storage_option(storage: str) -> list[str]:
    """The `--storage` of an example command; empty where the default is the same storage.

    A URL with a password is never printed: the option then names RECSYS_SEARCH_STORAGE.
    """
    from .urls import has_password  # imports SQLAlchemy, which `--help` does not need

    default_url = os.environ.get(STORAGE_VARIABLE, DEFAULT_STORAGE)
    if storage == default_url:
        return []
    return ["--storage", ShellVariable(STORAGE_VARIABLE) if has_password(storage) else storage]


def storage_and_artifacts(storage: str) -> list[str]:
    """Both options of an example command that takes both, such as `start` and `dashboard`."""
    return [*storage_option(storage), *artifacts_option()]


def artifacts_option() -> list[str]:
    """The `--artifacts` of an example command that takes it; empty for the default."""
    from ...base.folders import has_secret

    place = os.environ.get(ARTIFACTS_VARIABLE)
    if not place:
        return []
    return ["--artifacts", ShellVariable(ARTIFACTS_VARIABLE) if has_secret(place) else place]


def _quoted(word: object) -> str:
    return f'"${word}"' if isinstance(word, ShellVariable) else shlex.quote(str(word))
