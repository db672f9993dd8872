"""Commands that read a study start fast: they import nothing that only training needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["alembic", "pandas", "plotly", "pyarrow", "ray", "requests", "scipy", "sklearn", "torch"]
SCRIPT = f"""
import json, sys
from recsys_search.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command",
    [["status"], ["trials"], ["trials", "--reasons"], ["best"], ["show", "--trial", "0"]],
    ids=" ".join,
)
def test_a_command_that_reads_a_study_imports_nothing_heavy(job, command):
    options = ["--storage", f"sqlite:///{job[0] / 'studies.db'}"]
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command, *options], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stderr.splitlines()[-1]) == []
