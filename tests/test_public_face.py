"""The names that `recsys_search` offers, and the pages whose code uses them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import recsys_search

ROOT = Path(recsys_search.__file__).parent


def code_of(page):
    """The Python blocks of a page, in order, as one script."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))


def test_every_public_name_can_be_imported():
    assert [name for name in recsys_search.__all__ if not hasattr(recsys_search, name)] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Trainig'"):
        _ = recsys_search.Trainig


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import recsys_search, sys; "
        "print({'torch', 'optuna', 'pandas', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_type_checkers_see_the_names_that_are_imported_lazily():
    text = (ROOT / "__init__.py").read_text()
    declared = re.findall(r"import (\w+) as \1\n", text)
    assert sorted(declared) == sorted(set(recsys_search.__all__) - {"__version__"})


@pytest.mark.parametrize("page", ["docs/python.md", "docs/contributing.md"])
def test_the_code_of_a_page_runs(page, tmp_path, data_dir):
    done = subprocess.run(
        [sys.executable, "-c", code_of(page)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert code_of(page).strip()
