"""The kernel runs and recovers runs without any feature, and loads none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend("sqlite", reason="the kernel's SQL is the same on both")

PROGRAM = Path(__file__).with_name("featureless.py")
IMPORTS = """
import json, sys
from importlib import import_module
from pkgutil import walk_packages
import cloaca_core
KERNEL = ("values", "definition", "run", "store", "engine")
for folder in KERNEL:
    found = import_module(f"cloaca_core.{folder}")
    for each in walk_packages(found.__path__, f"{found.__name__}."):
        import_module(each.name)
above = ("features", "assembly", "operations", "views", "client")
names = [f"cloaca_core.{each}" for each in above]
print(json.dumps([each for each in sys.modules if each.startswith(tuple(names))]))
"""
WAIT = 60.0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT,
    )


def test_a_run_is_recovered_and_another_comes_to_its_end(tmp_path: Path) -> None:
    path = str(tmp_path / "kernel.db")

    died = run(str(PROGRAM), path, "dies")
    done = run(str(PROGRAM), path, "runs")

    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "")
    assert done.returncode == 0, done.stderr
    recovered, own = json.loads(done.stdout)
    completed = [[name, "Completed"] for name in ("first", "second", "third")]
    assert recovered == ["Completed", 1, completed, False]
    assert own == ["Completed", 0, completed, True]


def test_its_modules_load_nothing_of_what_stands_on_it() -> None:
    done = run("-c", IMPORTS)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
