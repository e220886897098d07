"""The pictures of the web page in the documentation, of a shop at a fixed time.

``drawing`` does it in a process of its own, which imports the sources and the tests' shop.
"""

from __future__ import annotations

import os
import subprocess
import sys

from dev.console import TaskFailed, environment, say, step
from dev.docs.drawing import FOLDER, PICTURES
from dev.environments import browser
from dev.project import DISTRIBUTIONS, ROOT, TESTS


def draw() -> None:
    """Draw all of them again. A second time changes only those whose page has changed."""
    browser.program()
    step(f"drawing {len(PICTURES)} pictures of the web page")
    sources = [each.folder / "src" for each in DISTRIBUTIONS]
    paths = os.pathsep.join(map(str, [*sources, TESTS, ROOT]))
    done = subprocess.run(
        [sys.executable, "-m", "dev.docs.drawing"],
        cwd=ROOT,
        env=environment({"PYTHONPATH": paths}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TaskFailed(done.stderr)
    for picture in PICTURES:
        path = FOLDER / picture.file
        say(f"  {path.relative_to(ROOT).as_posix()}  {path.stat().st_size:,} bytes")
