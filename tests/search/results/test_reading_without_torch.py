"""The commands that only read a storage start in a fraction of the time that torch takes."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from recsys_search.search.results.overview import list_studies
from recsys_search.search.results.reader import StudyReader
list_studies(sys.argv[1])
reader = StudyReader(sys.argv[1])
reader.status(), reader.trials(), reader.best(3), reader.show(0), reader.confirmation()
print("torch" in sys.modules)
reader.experiment()
print("torch" in sys.modules)
"""


def test_only_an_export_imports_torch(studied):
    command = [sys.executable, "-c", SCRIPT, studied.storage]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
