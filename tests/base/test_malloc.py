"""glibc's malloc keeps what a step frees."""

import os
import platform

import pytest
from recsys_search.base.malloc import _VARIABLES

STEPS = """
import resource
import sys
import torch
from recsys_search.base.malloc import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def step():
    return [torch.ones(3_000_000) for _ in range(8)]  # blocks of 12 MB, alive at once
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone"
)


def faults(start_python, mode, **variables):
    inherited = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    process = start_python(STEPS, mode, env=inherited | variables)
    return int(process.communicate()[0])


def test_steps_reuse_memory_instead_of_asking_for_new_pages(start_python):
    assert faults(start_python, "keep") < faults(start_python, "default") / 10


def test_a_users_own_setting_stays(start_python):
    own = {"MALLOC_MMAP_THRESHOLD_": "65536"}
    kept = faults(start_python, "keep", **own)
    assert kept > faults(start_python, "default", **own) / 2
    assert kept > 10 * faults(start_python, "keep")
