"""Every error that a user can fix, as one map. Each is shown in one line.

RecsysSearchError
├── DataError         ratings that cannot be read, or are not the expected ones
├── ConfigError       an invalid config, study file or search space
│   └── OptionError   an invalid value on the command line (exit code 2)
├── StudyError        a study that does not exist, or was created with other settings
│   ├── NothingYet    nothing to show yet: no study, or no completed trial (exit code 3)
│   └── StorageError  a database that cannot be opened, read or written
├── RunError          a run folder that is missing, incomplete or already used
└── OutputError       a file that cannot be written
"""

from __future__ import annotations


class RecsysSearchError(Exception):
    """Its message names what is wrong, the value, and what to do."""


class DataError(RecsysSearchError):
    pass


class ConfigError(RecsysSearchError):
    """`at` is the path to the wrong value in a config: keys and list positions, if known."""

    def __init__(self, message: str, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.at = at


class OptionError(ConfigError):
    pass


class StudyError(RecsysSearchError):
    pass


class NothingYet(StudyError):  # noqa: N818 - a state of the study, not a mistake
    pass


class StorageError(StudyError):
    pass


class RunError(RecsysSearchError):
    pass


class OutputError(RecsysSearchError):
    pass
