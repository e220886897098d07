"""The long form of the promises: the storms of the process tests, and then worlds of real processes
that meet faults (``python-tests/chaos``), one after the other with other seeds.

All of it runs straight from the tree, in the tools' environment, on each backend in turn.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dev.console import TaskFailed, environment, say, step
from dev.databases import sources
from dev.databases.programs import VARIABLE
from dev.docs import proof
from dev.project import BACKENDS, DISTRIBUTIONS, ROOT, backend_named
from dev.testing.unit import command, variables

FILES = (
    "process/test_storms.py",
    "process/test_limit_storms.py",
    "process/test_thread_races.py",
    "unit/core/test_odd_texts.py",
)
SEED = "CLOACA_TEST_SEED"
"""The variable from which the tests have their seed."""
SHORTEST: Final = 6.0
"""Seconds of faults in a world, at least."""


def chaos(
    minutes: float, seed: int | None = None, backend: str | None = None, *, keep: bool = False
) -> None:
    """Run storms once and worlds for so long, on each backend; fails at the first that fails, and
    says with which seed. ``keep``: the result is the one that the page of promises shows.
    """
    names = (
        [each.backend for each in BACKENDS] if backend is None else [backend_named(backend).backend]
    )
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    seconds = max(SHORTEST, minutes * 60 / len(names))
    with sources.server() as url:
        for name in names:
            began = time.monotonic()
            _storm(name, seed, url)
            found = _worlds(name, seed, max(SHORTEST, seconds - (time.monotonic() - began)))
            if keep:
                proof.keep(f"chaos-{name}", found)


def _storm(backend: str, seed: int, url: str) -> None:
    step(f"storms on {backend}, seed {seed}")
    variable = {**variables(backend), VARIABLE: url, SEED: str(seed)}
    for file in FILES:
        # pytest has printed the reason
        if subprocess.run(command(file, None), cwd=ROOT, env=variable, check=False).returncode:
            _fail(backend, seed)


def _worlds(backend: str, seed: int, seconds: float) -> dict[str, Any]:
    """Let faults come to worlds for so long; the result of all of them."""
    step(f"worlds on {backend}, from seed {seed}, {seconds:.0f} s")
    folder = Path(tempfile.mkdtemp(prefix="cloaca-chaos-"))
    words = [sys.executable, "-P", "-m", "chaos.storm", backend, str(seed), str(seconds)]
    last = ""
    with subprocess.Popen(
        [*words, str(folder)], cwd=ROOT, env=_variables(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                last = line
            else:
                say(line.rstrip("\n"))
    if process.returncode or not last:
        _fail(backend, seed)
    return dict(json.loads(last))


def _variables() -> dict[str, str]:
    sources_ = [each.folder / "src" for each in DISTRIBUTIONS]
    paths: Sequence[Path] = [*sources_, ROOT / "python-tests", ROOT]
    return dict(environment({"PYTHONPATH": os.pathsep.join(map(str, paths))}))


def _fail(backend: str, seed: int) -> None:
    say(f"again: invoke chaos --minutes 0 --seed {seed} --backend {backend}")
    raise TaskFailed(f"a storm or a world with the seed {seed} has failed on {backend}")
