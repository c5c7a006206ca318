"""Every script of bench/ runs from any directory, and changes nothing where it is imported."""

from pathlib import Path

import pytest

from doubles.command import command

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "bench").glob("*.py"))
MODULES = ["bench.harness.crowd", *(f"bench.{script.stem}" for script in SCRIPTS)]

# In a process of its own: a module that another test has imported would not run again.
IMPORTS = """
import sys
from importlib import import_module

sys.path[:0] = sys.argv[1:3]
before = [*sys.path]
for name in sys.argv[3:]:
    import_module(name)
    if sys.path != before:
        print(name)
        sys.path[:] = before
"""


def test_to_import_a_script_leaves_the_path_of_modules_alone() -> None:
    folders = [str(ROOT / "tests"), str(ROOT)]
    with command(["-c", IMPORTS, *folders, *MODULES]) as process:
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_tells_its_flags_from_another_directory(script: Path, tmp_path: Path) -> None:
    with command([str(script), "--help"], cwd=tmp_path) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output.startswith(f"usage: {script.name} ")
