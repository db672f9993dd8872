"""The sampler that the command line names in place of the study file's."""

from __future__ import annotations

import pytest
from recsys_search.errors import ConfigError, StudyError
from recsys_search.search.running.opening import Overrides, resolve_spec


def test_a_new_study_has_the_sampler_of_the_command_line_and_keeps_it(workplace):
    file = workplace.write_study(sampler={"tpe": {"seed": 7, "startup_trials": 1}}, trials=1)
    assert workplace.start(file, sampler="gp").spec.sampler.gp.seed == 7
    for study in ("small", file):  # continued by name, and by file
        assert workplace.start(study, sampler="gp", trials=2).spec.sampler.name == "gp"
    assert workplace.start("small", trials=2).spec.sampler.name == "gp"
    with pytest.raises(StudyError, match=r"sampler: \{gp: .*\} -> \{tpe: "):
        workplace.start(file)
    for study in ("small", file):
        with pytest.raises(StudyError) as caught:
            workplace.start(study, sampler="cmaes")
        assert str(caught.value) == (
            "study small was created with the sampler gp, not with cmaes; leave out --sampler, or "
            "start a new study"
        )


def test_an_unknown_sampler_is_refused(workplace):
    with pytest.raises(ConfigError, match=r"^sampler.anneal: unknown key; choose from tpe"):
        resolve_spec(workplace.write_study(), workplace.storage, Overrides(sampler="anneal"))
