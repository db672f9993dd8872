"""An architecture from outside of the package is trained and searched like a built-in one."""

from __future__ import annotations

from typing import Literal

import pytest
import yaml
from pydantic.dataclasses import dataclass
from recsys_search.base.strict import NonNegative
from recsys_search.errors import ConfigError
from recsys_search.model.architectures import table
from recsys_search.model.architectures.configs import build_config, config_from_mapping
from recsys_search.model.architectures.hybrid import HybridConfig
from recsys_search.model.architectures.table import Architecture, register_architecture
from recsys_search.model.components.bias_head import BiasHead
from recsys_search.model.components.output import Output
from recsys_search.model.components.rating_model import RatingModel
from recsys_search.model.config import STRICT, DescentConfig, config_to_mapping
from recsys_search.model.training.training import Training
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.results.reader import StudyReader


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ToyConfig(DescentConfig):
    architecture: Literal["toy"] = "toy"
    max_epochs: int = 1
    l2: NonNegative = 0.1


class ToyModel(RatingModel):
    """prediction = mean + b_u + b_i, trained by gradient descent."""

    def __init__(self, config, store):
        super().__init__(store)
        self.bias, self.l2 = BiasHead(store), config.l2

    def forward(self, pairs, shared):
        penalty = self.l2 * self.bias.film(pairs.film).square().mean()
        return Output(self.bias(pairs), {}, penalty)


TOY = Architecture(
    config=ToyConfig,
    model=ToyModel,
    default_space={"l2": {"float": [0.01, 1], "log": True}},
)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(table, "REGISTERED", {})
    register_architecture(TOY)


def test_it_is_trained(split):
    with Training(build_config("toy", learning_rate=0.01), split, "cpu") as run:
        [report] = run
    assert run.n_parameters == split.train.n_users + split.train.n_films
    assert report.val_rmse == run.best.report.val_rmse < 1.5


def test_a_study_searches_its_default_space(demo, tmp_path):
    write_ratings(demo, tmp_path)
    study = {"dataset": str(tmp_path), "base": {"architecture": "toy"}, "trials": 2}
    (tmp_path / "toys.yaml").write_text(yaml.safe_dump(study))
    storage = f"sqlite:///{tmp_path}/studies.db"
    run_study(str(tmp_path / "toys.yaml"), storage, device="cpu")
    reader = StudyReader(storage)
    assert list(reader.spec.space.axes) == ["l2"]
    assert [trial["state"] for trial in reader.trials()] == ["complete", "complete"]
    l2 = [reader.show(number)["config"]["l2"] for number in (0, 1)]
    assert l2[0] != l2[1]


def write_ratings(ratings, folder):
    columns = (ratings.user, ratings.film, ratings.rating, ratings.timestamp)
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    text = "\n".join(["userId,movieId,rating,timestamp", *lines])
    (folder / "ratings.csv").write_text(text + "\n", encoding="utf-8")


def test_its_config_survives_yaml():
    config = build_config("toy", l2=0.5)
    text = yaml.safe_dump(config_to_mapping(config))
    assert config_from_mapping(yaml.safe_load(text)) == config


def test_an_unknown_name_is_refused_with_the_registered_ones():
    with pytest.raises(ConfigError) as caught:
        build_config("toys")
    choices = "two_tower, hybrid, mf, biases, toy"
    assert str(caught.value) == f"no architecture named 'toys'; choose from {choices}"


def test_the_name_of_a_built_in_architecture_is_taken():
    with pytest.raises(
        ValueError, match=r"^hybrid is a built-in architecture; choose another name"
    ):
        register_architecture(Architecture(config=HybridConfig, model=ToyModel))
