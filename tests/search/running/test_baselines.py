"""Baselines in a study, together with VAEs and alone."""

from __future__ import annotations

from recsys_search.model.runs.train_run import train_run

RULES = ["collapse", "divergence", "overfit_gap", "plateau", "hopeless", "gpu_memory"]


def test_matrix_factorisation_is_searched_together_with_a_vae(workplace, tmp_path):
    """With every rule; both have the axis `learning_rate`, one has `l2`."""
    study = workplace.write_study(
        base={"amp": "off", "max_epochs": 8, "batch_size": 400, "two_tower.latent_dim": 2},
        space={
            "architecture": {"choice": ["two_tower", "mf"]},
            "learning_rate": {"float": [1e-3, 1e-2], "log": True},
            "mf.l2": {"float": [0.01, 1], "log": True},
        },
        known=[
            {"name": "tower", "architecture": "two_tower"},
            {"name": "mf", "architecture": "mf"},
        ],
        pruners=[{name: {}} for name in RULES],
        trials=5,
    )
    reader = workplace.start(study)
    tower, factorised, *_ = reader.trials()
    assert (tower["architecture"], factorised["architecture"]) == ("two_tower", "mf")
    assert all(trial["state"] in ("complete", "pruned") for trial in reader.trials())
    shown = reader.show(1)
    assert shown["config"]["l2"] == 0.1 and "kl_weight" not in shown["config"]
    assert shown["reports"][0].active_units == {}
    result = train_run(reader.experiment(1), tmp_path / "run", device="cpu")
    assert result["val_rmse"] == factorised["val_rmse"]


def test_a_study_can_search_biases_alone(workplace):
    study = workplace.write_study(
        base={"architecture": "biases"},
        space={"user_shrinkage": {"float": [1, 50], "log": True}},
        pruners=[{name: {}} for name in RULES],
        trials=3,
    )
    reader = workplace.start(study)
    assert [trial["state"] for trial in reader.trials()] == ["complete"] * 3
    assert {trial["epochs"] for trial in reader.trials()} == {1}
    assert len({trial["val_rmse"] for trial in reader.trials()}) == 3
