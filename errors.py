"""Every error that its reader can mend, as one map. Each is told in one line.

RecsysSearchError
├── DataError         ratings that cannot be read, or are not the expected ones
├── ConfigError       a config, a study file or a space that does not hold together
│   └── OptionError   a value on the command line that cannot be meant (exit code 2)
├── StudyError        a study that is not there, or is another than the one asked for
│   └── NothingYet    a study without a completed trial (exit code 3)
├── RunError          a run folder that is missing, incomplete or in the way
└── OutputError       a file that cannot be written
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class RecsysSearchError(Exception):
    """Names the culprit, its value and what would work."""


class DataError(RecsysSearchError):
    pass


class ConfigError(RecsysSearchError):
    """Its `at` leads to the culprit in a config, by keys and places in lists, where it is known."""

    def __init__(self, message: str, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.at = at


class OptionError(ConfigError):
    pass


class StudyError(RecsysSearchError):
    pass


class NothingYet(StudyError):  # noqa: N818 - a state of the study, no fault of anyone's
    pass


class RunError(RecsysSearchError):
    pass


class OutputError(RecsysSearchError):
    pass
