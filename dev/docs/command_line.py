"""The reference of the command line: the commands make the page from its mark on."""

from __future__ import annotations

import os
import subprocess
import sys

from dev.console import TaskFailed, environment, say, step
from dev.files import write_atomically
from dev.project import DISTRIBUTIONS, ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"


def write() -> None:
    """Write that part again. Runs the sources, which are not installed beside the tasks."""
    step("making the reference of the command line")
    paths = os.pathsep.join(str(each.folder / "src") for each in DISTRIBUTIONS)
    done = subprocess.run(
        [sys.executable, "-m", "cloaca_tools.cli.reference"],
        cwd=ROOT,
        env=environment({"PYTHONPATH": paths}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise TaskFailed(done.stderr.decode(errors="replace"))
    made = done.stdout.decode()
    head = PAGE.read_text(encoding="utf-8").partition(made.partition("\n")[0])[0]
    write_atomically(PAGE, (head + made).encode())
    say(f"  wrote {PAGE.relative_to(ROOT).as_posix()}")
