"""A study as its file defines it: dataset, split, objective, space, pruners, known configs.

spec = load_study("breakthrough")
config = spec.config(spec.space.suggest(trial))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import Field, StrictBool, ValidationError, ValidationInfo, model_validator

from ...base.files import can_be_read, is_descriptor
from ...base.messages import format_detail, printable, quoted
from ...base.strict import Count, Name, Strict, Text, error_at, refuse_unknown
from ...base.yaml_file import YamlFile
from ...data.sets.registry import find_dataset
from ...data.splits.spec import SplitSpec
from ...data.tables.columns import ColumnNames, Duplicates, ReadOptions
from ...errors import ConfigError, StudyError
from ...model.architectures.configs import build_config, config_fields
from ...model.architectures.table import architecture_names, find_architecture
from ...model.config import TrainingConfig, config_to_mapping
from ..notifications.endpoints import Endpoints
from ..pruners.table import Pruner
from ..trackers.table import Trackers
from .budget import Budget
from .contingency import Contingency
from .durations import Duration
from .finish import MaybeFinish
from .grid import grid_problem
from .limits import Limits
from .objective import Objective
from .sampler import AutoSettings, Sampler
from .sizes import Size
from .space import STORED, Problem, Space, accepted_value, field_of, owners
from .warm_start import WarmStart


@dataclass(frozen=True)
class KnownTrial:
    """A known config as a trial: Optuna's parameters, and the fields that no axis sets."""

    name: str
    params: dict[str, Any]
    fixed: dict[str, Any]


class StudySpec(Strict):
    """A study file, validated."""

    name: Name
    dataset: Text  # `demo`, the name of a MovieLens set, or a folder or file
    columns: ColumnNames = Field(default_factory=dict)  # user, item, rating, timestamp -> column
    duplicates: Duplicates = "error"
    split: SplitSpec = SplitSpec()
    objective: Objective = Objective()
    base: dict[str, Any] = Field(default_factory=dict)  # config fields that no axis sets
    space: Space
    pruners: tuple[Pruner, ...] = ()  # asked in this order
    limits: Limits | None = None  # configs beyond them are not trained
    contingency: Contingency | None = None
    sampler: Sampler = Sampler(auto=AutoSettings())
    known: tuple[dict[str, Any], ...] = ()  # configs that are tried first
    trials: Count  # in total
    budget: Budget | None = None  # of all starts together
    timeout: Duration | None = None  # of one start
    warm_start: WarmStart | None = None  # earlier studies to learn from
    finish: MaybeFinish = None  # when the study may end before its total
    thaw: StrictBool = False  # whether a trial that a comparison stopped may go on later
    keep_checkpoints: Size = "2GB"  # of trials that stopped early and could go on
    notify: Endpoints = ()  # where messages go; the variables in them are not expanded
    trackers: Trackers = ()  # that record each trial as a run

    @property
    def read_options(self) -> ReadOptions:
        """How to read the dataset."""
        return ReadOptions(self.columns, self.duplicates)

    @property
    def architectures(self) -> tuple[str, ...]:
        return self.space.architectures or (self.base["architecture"],)

    def config(
        self, values: Mapping[str, Any], fixed: Mapping[str, Any] | None = None
    ) -> TrainingConfig:
        """The config of a trial: `values` override `fixed`, which overrides the base.

        Args:
            values: field -> value, as `space.suggest` gives them.
            fixed: field -> value, of a known config.

        Raises:
            ConfigError: a field or a value that the architecture does not accept.
        """
        given = {**(fixed or {}), **values}
        architecture = given.pop("architecture", self.base.get("architecture"))
        return build_config(architecture, **{**self.base_of(architecture), **given})

    def base_of(self, architecture: str) -> dict[str, Any]:
        """The base's fields for one architecture; a dotted name overrides a plain one."""
        prefix = f"{architecture}."
        known = config_fields(architecture) - {"architecture"}
        shared = {name: value for name, value in self.base.items() if name in known}
        own = {
            field_of(name): value for name, value in self.base.items() if name.startswith(prefix)
        }
        return shared | own

    def known_trials(self) -> list[KnownTrial]:
        """The known configs in file order, each field on its axis or fixed."""
        return [self._known_trial(entry) for entry in self.known]

    @model_validator(mode="before")
    @classmethod
    def _default_space(cls, data: Any, info: ValidationInfo) -> Any:
        """A study without a space searches the default axes of its architecture."""
        if not isinstance(data, Mapping) or "space" in data or info.context == STORED:
            return data
        refuse_unknown(data, cls.model_fields)
        base = data.get("base", {})
        if not isinstance(base, Mapping):
            return data
        if "architecture" not in base:
            raise error_at("space is missing; add it, or name the architecture in base")
        try:
            axes = find_architecture(base["architecture"]).default_space
        except ConfigError as error:
            raise error_at(str(error), "base", "architecture") from None
        set_in_base = {field_of(str(name)) for name in base}
        return {**data, "space": {f: axis for f, axis in axes.items() if f not in set_in_base}}

    @model_validator(mode="after")
    def _is_consistent(self, info: ValidationInfo) -> Self:
        if info.context == STORED:
            return self
        for at, message in self._problems():
            raise error_at(message, *at)
        return self

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        architecture, known = self.base.get("architecture"), architecture_names()
        if self.space.architectures is None:
            if architecture is None:
                yield (
                    ("base",),
                    f"architecture is missing; name one here ({', '.join(known)}), "
                    "or make it an axis of the space",
                )
            elif architecture not in known:
                message = f"no architecture named {quoted(architecture)}; choose from"
                yield ("base", "architecture"), f"{message} {', '.join(known)}"
        elif architecture is not None:
            yield ("base", "architecture"), "the space has an axis for it; keep one of the two"
        for at, message in self.space.problems(self.architectures, is_random=self.split.is_random):
            yield ("space", *at), message
        for at, message in self._base_problems():
            yield ("base", *at), message
        names: list[str] = []
        for place, entry in enumerate(self.known):
            for at, message in self._known_problems(entry):
                yield ("known", place, *at), message
            if entry["name"] in names:
                message = f"two configs are named {printable(entry['name'])}; rename one"
                yield ("known", place, "name"), message
            names.append(entry["name"])
        if (grid := self.sampler.grid) and (problem := grid_problem(self.space, grid.points)):
            yield ("sampler", "grid"), problem

    def _base_problems(self) -> Iterator[Problem]:
        for name, value in self.base.items():
            if name == "architecture":
                continue
            field = field_of(name)
            try:
                trained = owners(name, self.architectures)
                for owner in trained:
                    accepted_value(owner, field, value, is_random=self.split.is_random)
            except ConfigError as error:
                yield (name,), str(error)
                continue
            if all(self.space.always_sets(owner, field) for owner in trained):
                yield (name,), "the space has an axis for it; keep one of the two"

    def _known_problems(self, entry: Mapping[str, Any]) -> Iterator[Problem]:
        given = dict(entry)
        name = given.pop("name", None)
        if not isinstance(name, str) or not name:
            example = "{name: experiment_2, kl_weight: 0.01}"
            yield (), f"a known config must have a name, such as {example}"
        architecture = given.pop("architecture", self.base.get("architecture"))
        if architecture not in self.architectures:
            at = ("architecture",) if "architecture" in entry else ()
            yield (
                at,
                f"{printable(name)}: architecture must be one of {', '.join(self.architectures)}"
                + (f", got {quoted(architecture)}" if at else ""),
            )
        for field, value in given.items():
            try:
                accepted_value(architecture, field, value, is_random=self.split.is_random)
            except ConfigError as error:
                yield (field,), str(error)
        for field, message in self.space.off_axis(self._known_values(entry)).items():
            if field in entry:
                yield (field,), f"{message}; choose a value on the axis, or widen it"
            else:
                remedy = f"(the default of {field}; give one, or widen the axis)"
                yield (), f"{printable(name)}: {message} {remedy}"

    def _known_values(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Every field of a known config, with the types of the config class."""
        given = {field: value for field, value in entry.items() if field != "name"}
        return config_to_mapping(self.config(given))

    def _known_trial(self, entry: Mapping[str, Any]) -> KnownTrial:
        values = self._known_values(entry)
        params = self.space.params_of(values)
        not_fixed = {"name", "architecture", *map(field_of, params)}
        fixed = {field: values[field] for field in entry if field not in not_fixed}
        return KnownTrial(entry["name"], params, fixed)


def builtin_studies() -> dict[str, Path]:
    """The study files that ship with the package, by name."""
    folder = Path(str(files(__package__.rpartition(".")[0]) / "studies"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_study(name_or_path: str) -> StudySpec:
    """A built-in study by name, or the study of a YAML file.

    Raises:
        StudyError: neither exists.
        ConfigError: the file is invalid; the message names the line.
    """
    spec, _ = read_study(name_or_path)
    return spec


def read_study(name_or_path: str) -> tuple[StudySpec, YamlFile]:
    """The study as `load_study` returns it, and its file for errors that name a line.

    The file is read once, so it may be a pipe.
    """
    builtin = builtin_studies()
    path = builtin.get(name_or_path, Path(name_or_path))
    if not can_be_read(path):
        raise StudyError(
            f"no built-in study and no file named {quoted(name_or_path)}; "
            f"choose from {', '.join(builtin)}, or give the path of a YAML file"
        )
    file = YamlFile(path, verbatim=("notify",))  # they hold secrets, which are not stored
    if "name" not in file.data and is_descriptor(path):
        message = "name is missing, and a pipe has no file name to take instead"
        raise file.refusal_at((), f"{message}; add a line such as `name: my_study`")
    data = {"name": path.stem, **file.data}
    if isinstance(dataset := data.get("dataset"), str) and not is_descriptor(path):
        data["dataset"] = _from_folder(path.parent, dataset)
    try:
        return StudySpec.model_validate(data), file
    except ValidationError as error:
        raise file.refusal(error) from None


def _from_folder(folder: Path, dataset: str) -> str:
    """The dataset with a relative path taken from the study file's folder."""
    if not dataset or find_dataset(dataset) or dataset.startswith("~"):
        return dataset
    return str(folder / dataset)


def spec_to_json(spec: StudySpec) -> str:
    """The whole study on one line, for the storage."""
    return spec.model_dump_json(by_alias=True)


def spec_from_json(text: str) -> StudySpec:
    """The study that `spec_to_json` wrote; its configs are not checked again.

    Raises:
        ConfigError: this version cannot read it.
    """
    try:
        return StudySpec.model_validate_json(text, context=STORED)
    except ValidationError as error:
        raise ConfigError(f"the stored study: {format_detail(error.errors()[0])}") from None
