import optuna
import pytest
from optuna.trial import FixedTrial
from recsys_search.errors import ConfigError
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.config import config_to_mapping
from recsys_search.search.definition.axes import read_axis
from recsys_search.search.definition.space import Space

BOTH = {"choice": ["two_tower", "hybrid"]}


def space(**axes):
    """Double underscores stand for dots: hybrid__dropout is hybrid.dropout."""
    return Space.model_validate({name.replace("__", "."): form for name, form in axes.items()})


def test_a_plain_name_applies_to_every_architecture_that_has_the_field():
    both = space(architecture=BOTH, free_bits={"float": [0, 4]}, dropout={"float": [0, 0.5]})
    hybrid = FixedTrial({"architecture": "hybrid", "free_bits": 1.0, "dropout": 0.2})
    assert both.suggest(hybrid) == {"architecture": "hybrid", "free_bits": 1.0, "dropout": 0.2}
    two_tower = FixedTrial({"architecture": "two_tower", "free_bits": 1.0})
    assert both.suggest(two_tower) == {"architecture": "two_tower", "free_bits": 1.0}


def test_a_dotted_name_applies_only_to_its_architecture():
    both = space(architecture=BOTH, two_tower__learning_rate={"float": [1e-3, 1e-2], "log": True})
    assert both.suggest(FixedTrial({"architecture": "hybrid"})) == {"architecture": "hybrid"}
    drawn = both.suggest(FixedTrial({"architecture": "two_tower", "two_tower.learning_rate": 2e-3}))
    assert drawn == {"architecture": "two_tower", "learning_rate": 2e-3}


def test_the_architecture_is_drawn_first_at_any_position():
    both = space(hybrid__dropout={"float": [0.2, 0.5]}, architecture=BOTH)
    assert list(both.axes) == ["architecture", "hybrid.dropout"]


def test_an_axis_applies_only_if_its_conditions_are_met():
    conditional = space(
        hybrid__bias={"choice": [False, True]},
        hybrid__dropout={"float": [0.2, 0.5], "when": {"hybrid.bias": True}},
    )
    params = {"hybrid.bias": True, "hybrid.dropout": 0.3}
    assert conditional.suggest(FixedTrial(params)) == {"bias": True, "dropout": 0.3}
    assert conditional.suggest(FixedTrial({"hybrid.bias": False})) == {"bias": False}


def test_a_condition_may_be_a_list_of_values_that_are_lists():
    sizes = [[64], [64, 32], [64, 32, 16]]
    conditional = space(
        hybrid__hidden_dims={"choice": sizes},
        hybrid__dropout={"float": [0.2, 0.5], "when": {"hybrid.hidden_dims": sizes[1:]}},
        hybrid__free_bits={"float": [0, 4], "when": {"hybrid.hidden_dims": [64]}},
    )
    deep = {"hybrid.hidden_dims": "64-32", "hybrid.dropout": 0.3}
    assert conditional.suggest(FixedTrial(deep)) == {"hidden_dims": (64, 32), "dropout": 0.3}
    shallow = {"hybrid.hidden_dims": "64", "hybrid.free_bits": 1.0}
    assert conditional.suggest(FixedTrial(shallow)) == {"hidden_dims": (64,), "free_bits": 1.0}


def test_an_axis_whose_condition_was_not_drawn_does_not_apply():
    chained = space(
        architecture=BOTH,
        hybrid__bias={"choice": [False, True]},
        free_bits={"float": [0, 4], "when": {"hybrid.bias": True}},
    )
    assert chained.suggest(FixedTrial({"architecture": "two_tower"})) == {
        "architecture": "two_tower"
    }


def test_optuna_stores_list_choices_as_text_and_reads_them_back():
    lists = space(hybrid__hidden_dims={"choice": [[512, 256, 128], [1024, 512]]})
    study = optuna.create_study()
    trial = study.ask()
    drawn = lists.suggest(trial)
    assert trial.params["hybrid.hidden_dims"] in ("512-256-128", "1024-512")
    assert lists.values_of(trial.params) == drawn


def test_params_of_a_config_are_those_of_the_axes_that_apply():
    both = space(
        architecture=BOTH,
        kl_weight={"float": [1e-4, 1e-2]},
        hybrid__hidden_dims={"choice": [[64, 32], [128]]},
        hybrid__kl_warmup_epochs={"int": [0, 20], "step": 5},
        two_tower__norm_power={"float": [0.3, 0.6]},
    )
    config = build_config("hybrid", kl_weight=0.01, hidden_dims=[64, 32], kl_warmup_epochs=10)
    params = both.params_of(config_to_mapping(config))
    assert params == {
        "architecture": "hybrid",
        "kl_weight": 0.01,
        "hybrid.hidden_dims": "64-32",
        "hybrid.kl_warmup_epochs": 10,
    }
    assert isinstance(params["hybrid.kl_warmup_epochs"], int)
    assert both.suggest(FixedTrial(params)) == both.values_of(params)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_every_suggestion_builds_a_config_and_is_restored_from_its_params():
    both = space(
        architecture=BOTH,
        kl_weight={"float": [1e-4, 1e-2], "log": True},
        two_tower__batch_size={"int": [1024, 16384], "log": True},
        hybrid__bias={"choice": [False, True]},
        hybrid__dropout={"float": [0.1, 0.5], "when": {"hybrid.bias": [True]}},
        hybrid__hidden_dims={"choice": [[64, 32], [128]]},
        hybrid__latent_dim={"int": [8, 32], "step": 8},
    )
    sampler = optuna.samplers.TPESampler(constant_liar=True, seed=0, n_startup_trials=5)
    study = optuna.create_study(sampler=sampler)
    seen = set()
    for number in range(30):
        trial = study.ask()
        values = both.suggest(trial)
        assert both.values_of(trial.params) == values
        config = build_config(**values)
        assert both.params_of(config_to_mapping(config)) == trial.params
        study.tell(trial, 1 / (number + 1))
        seen.add((config.architecture, "hybrid.dropout" in trial.params))
    assert seen == {("two_tower", False), ("hybrid", False), ("hybrid", True)}


@pytest.mark.parametrize(
    ("axis", "value", "message"),
    [
        ({"float": [0.001, 0.015]}, 0.02, "0.02 is not on its axis: 0.001 to 0.015"),
        ({"float": [0.001, 0.015]}, 0.0001, "0.0001 is not on its axis: 0.001 to 0.015"),
        ({"choice": [0.1, 0.2]}, 0.3, "0.3 is not on its axis: one of 0.1, 0.2"),
    ],
)
def test_a_value_off_its_axis_is_refused(axis, value, message):
    values = config_to_mapping(build_config("hybrid", kl_weight=value))
    with pytest.raises(ConfigError, match=f"^hybrid.kl_weight {message}$"):
        space(hybrid__kl_weight=axis).params_of(values)


def test_a_value_between_two_steps_is_refused():
    values = config_to_mapping(build_config("hybrid", latent_dim=48))
    with pytest.raises(ConfigError, match=r"latent_dim 48 is .*: 32 to 128 in steps of 32$"):
        space(hybrid__latent_dim={"int": [32, 128], "step": 32}).params_of(values)


def test_a_list_that_is_not_a_choice_is_refused():
    values = config_to_mapping(build_config("hybrid", hidden_dims=[99]))
    with pytest.raises(ConfigError, match=r"hidden_dims 99 is .*: one of 64-32, 128$"):
        space(hybrid__hidden_dims={"choice": [[64, 32], [128]]}).params_of(values)


def test_stored_params_of_another_space_are_refused():
    one = space(hybrid__latent_dim={"int": [32, 128]})
    with pytest.raises(ConfigError, match=r"no axis named 'dropout'; .* hybrid\.latent_dim"):
        one.values_of({"dropout": 0.3})
    with pytest.raises(ConfigError, match=r"hybrid\.latent_dim 256 is not"):
        one.values_of({"hybrid.latent_dim": 256})


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"hybrid.droput": {"float": [0, 0.5]}}, "hybrid has no field .*; did you mean dropout?"),
        (
            {"droput": {"float": [0, 0.5]}},
            "mf, biases have no field named 'droput'; did you mean dropout?",
        ),
        ({"hybird.dropout": {"float": [0, 0.5]}}, "no architecture named 'hybird'; choose from"),
        ({"hybrid.architecture": BOTH}, "hybrid has no field named 'architecture'"),
        (
            {"architecture": {"choice": ["two_tower"]}, "hybrid.dropout": {"float": [0, 0.5]}},
            "hybrid is not trained here; choose from two_tower",
        ),
        (
            {"architecture": {"choice": ["two_tower"]}, "dropout": {"float": [0, 0.5]}},
            "two_tower has no field named 'dropout'; did you mean rating_dropout?",
        ),
        (
            {"kl_weight": {"float": [0, 1]}, "hybrid.kl_weight": {"float": [0, 1]}},
            "kl_weight also sets kl_weight of hybrid; keep one of the two",
        ),
        ({"architecture": {"choice": ["gan"]}}, "no architecture named 'gan'; choose from two"),
        ({"architecture": {"int": [0, 1]}}, "must be a choice, such as"),
        ({"dropout": {"float": [0, 1.5]}}, "dropout must be less than 1, got 1.5"),
        ({"free_bits": {"float": [-1, 1]}}, "free_bits must be at least 0, got -1.0"),
        ({"batch_size": {"choice": [2048, 1]}}, "batch_size must be at least 2, got 1"),
        ({"bias": {"choice": ["no", "yes"]}}, "bias must be true or false, got 'no'"),
        ({"seed": {"choice": ["7"]}}, "seed reads '7' as 7; write 7"),
        ({"batch_size": {"float": [64, 128]}}, "batch_size must be a whole number, got 87.5"),
        (
            {"hybrid.dropout": {"float": [0, 0.5], "when": {"hybrid.bias": True}}},
            "no axis named 'hybrid.bias' is listed before this one",
        ),
        (
            {
                "free_bits": {"float": [0, 4]},
                "kl_weight": {"float": [0, 1], "when": {"freebits": 1}},
            },
            "no axis named 'freebits' is listed before this one; did you mean free_bits?",
        ),
        (
            {
                "free_bits": {"float": [0, 4]},
                "kl_weight": {"float": [0, 1], "when": {"free_bits": 1}},
            },
            "free_bits must be an int or a choice: a float hardly ever",
        ),
        (
            {"seed": {"int": [0, 9]}, "kl_weight": {"float": [0, 1], "when": {"seed": [9, 10]}}},
            "seed must be 0 to 9; it is never 10",
        ),
    ],
)
def test_an_inconsistent_space_is_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        Space.model_validate(axes)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"float": [0.5, 0.2]}, "low 0.5 is above high 0.2"),
        ({"int": [5, 2]}, "low 5 is above high 2"),
        ({"float": [0, 1], "log": True}, "a log axis must start above 0, got 0"),
        ({"int": [0, 8], "log": True}, "a log axis must start above 0, got 0"),
        ({"int": [1, 9], "log": True, "step": 2}, "step and log exclude each other"),
        ({"int": [32, 150], "step": 32}, "150 is not a whole number .* above 32; end at 128"),
        ({"float": [0.2]}, r"must be two numbers, \[low, high\], got \[0.2\]"),
        ({"float": [0, float("inf")]}, "finite"),
        ({"choice": []}, "at least 1"),
        ({"choice": [None]}, "must be text, a number, true or false, or a list of these, got None"),
        ({"choice": [[1, [2]]]}, r"or a list of these, got \[1, \[2\]\]"),
        ({"choice": [[]]}, r"or a list of these, got \[\]"),
        ({"float": [False, True]}, "valid number"),
        ({"choice": [1, 2, 1]}, "1 is listed twice"),
        ({"choice": [[64, 32], "64-32"]}, "64-32 is listed twice"),
        ({"float": [0, 1], "lgo": True}, "unknown key; did you mean log?"),
        ({"float": [0, 1], "step": 1}, "unknown key; choose from when, float, log"),
        ({"float": [0, 1], "choice": [1]}, "an axis must be one of float, int and choice"),
        (0.3, "an axis must be one of float, int and choice, .* got 0.3"),
    ],
)
def test_an_invalid_axis_is_refused(form, message):
    with pytest.raises(ValueError, match=message):
        read_axis(form)
