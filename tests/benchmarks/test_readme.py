"""The list of benchmarks is complete."""

import re
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_each_script_is_listed_once_and_says_how_it_is_run():
    listed = re.findall(r"^\| `([a-z_.]+)` \|", (BENCHMARKS / "README.md").read_text(), re.M)
    scripts = {
        ".".join(path.relative_to(BENCHMARKS).with_suffix("").parts): path.read_text()
        for path in BENCHMARKS.rglob("*.py")
        if 'if __name__ == "__main__"' in path.read_text()
    }
    assert sorted(listed) == sorted(scripts)
    for name, text in scripts.items():
        assert f"    python -m benchmarks.{name}" in text, name
