"""The table of architectures."""

from __future__ import annotations

import subprocess
import sys

import pytest
from recsys_search.model.architectures.table import architecture_names, find_architecture


@pytest.mark.parametrize("name", architecture_names())
def test_an_architecture_has_the_name_it_is_found_by(name):
    assert find_architecture(name).name == name


def test_only_a_look_up_imports_torch():
    script = """
import sys
from recsys_search.model.architectures import configs, table
table.architecture_names()
print("torch" in sys.modules)
table.find_architecture("biases")
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_the_seed_noise_of_each_architecture():
    noise = {name: find_architecture(name).config.seed_noise for name in architecture_names()}
    assert noise == {"two_tower": 0.002, "hybrid": 0.006, "mf": 0.002, "biases": 0.0}
