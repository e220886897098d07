"""Runs one test file straight from the tree, in the tools' environment, without a build.

For quick runs between two changes. ``test`` uses the built wheels; tests of these alone (01, the
suite ``packaging``) may fail here.
"""

from __future__ import annotations

import os
import subprocess
import sys

from dev.console import TaskFailed, environment
from dev.project import DISTRIBUTIONS, ROOT, backend_named
from dev.testing.jobs import BACKEND_VARIABLE, test_file


def unit(file: str, expression: str | None = None, backend: str | None = None) -> None:
    """Run a file or folder of the tests; fails when a test fails, or when there is none."""
    if backend is not None:
        backend_named(backend)
    done = subprocess.run(
        command(file, expression),
        cwd=ROOT,
        env=variables(backend),
        check=False,  # pytest has printed the reason
    )
    if done.returncode:
        raise TaskFailed(f"pytest ended with exit code {done.returncode}")


def command(file: str, expression: str | None) -> list[str]:
    """The command to run; it can read the keyboard, for a debugger."""
    pytest = [sys.executable, "-P", "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
    return [*pytest, str(test_file(file)), *(["-k", expression] if expression else [])]


def variables(backend: str | None) -> dict[str, str]:
    """The variables by which it imports the sources, on this backend or on none."""
    sources = os.pathsep.join(str(each.folder / "src") for each in DISTRIBUTIONS)
    found = environment({"PYTHONPATH": sources, BACKEND_VARIABLE: backend or ""})
    return {name: text for name, text in found.items() if text or name != BACKEND_VARIABLE}
