"""Runs that are trained on one device and used on another, and ensembles of them."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.data.formats.pairs import UserFilmPairs
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.ensembles.combine import combine_runs
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run
from safetensors.torch import load_file

pytestmark = pytest.mark.gpu

ARCHITECTURES = ["two_tower", "hybrid", "mf", "biases"]


@pytest.fixture
def train_folder(tmp_path, ratings_folder, config, device):
    """Trains a config on the device, and saves it as a run."""

    def build(architecture, **values):
        experiment = Experiment(
            config=config(architecture, **values), dataset=str(ratings_folder), split=SplitSpec()
        )
        out = tmp_path / architecture
        return out, train_run(experiment, out, device=device)

    return build


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_has_the_same_figures_on_both_devices(train_folder, device, architecture):
    values = {} if architecture == "biases" else {"amp": "auto", "max_epochs": 2}
    folder, trained = train_folder(architecture, **values)
    there, here = Run.load(folder, device), Run.load(folder, "cpu")
    assert there.experiment.environment["device"] == device
    ours, others = here.evaluate("validation"), there.evaluate("validation")
    # Training evaluates in float32, like this, whatever precision it trains in.
    assert others["rmse"] == pytest.approx(trained["val_rmse"], abs=1e-5)
    for name in ("rmse", "mae", "bias_rmse"):
        assert others[name] == pytest.approx(ours[name], abs=1e-3)
    for protocol in ("held_out_rated", "full_catalogue"):
        ranked = others["ranking"][protocol]
        assert ranked["ndcg"] == pytest.approx(ours["ranking"][protocol]["ndcg"], abs=0.01)
    asked = UserFilmPairs(
        user_id=np.array([1, 2, 10**6]), film_id=np.array([1, 3, 2]), timestamp=None
    )
    mine, theirs = here.predict(asked), there.predict(asked)
    np.testing.assert_allclose(theirs.rating, mine.rating, atol=1e-3)
    np.testing.assert_array_equal(theirs.known, mine.known)


def test_an_ensemble_has_the_same_figures_on_both_devices(train_folder, device, tmp_path):
    folders = [train_folder(name, max_epochs=2)[0] for name in ("two_tower", "hybrid", "mf")]
    figures = combine_runs(folders, tmp_path / "all", weighting="equal", device=device)
    assert figures["n"] > 100
    ours, others = (
        Run.load(tmp_path / "all", name).evaluate("validation") for name in ("cpu", device)
    )
    assert others["rmse"] == pytest.approx(figures["equal_val_rmse"], abs=1e-4)
    assert others["rmse"] == pytest.approx(ours["rmse"], abs=1e-3)
    ranked = others["ranking"]["full_catalogue"]
    assert ranked["ndcg"] == pytest.approx(ours["ranking"]["full_catalogue"]["ndcg"], abs=0.01)


def test_the_weights_are_saved_for_any_machine(train_folder):
    folder, _ = train_folder("mf", max_epochs=1)
    weights = load_file(folder / "weights.safetensors").values()
    assert {each.device.type for each in weights} == {"cpu"}
