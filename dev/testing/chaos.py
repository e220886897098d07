"""Runs the storms of the process tests again and again with other seeds: the long form of promises
whose short form is among the tests.

It runs straight from the tree, in the tools' environment, on each backend in turn.
"""

from __future__ import annotations

import secrets
import subprocess
import time

from dev.console import TaskFailed, say, step
from dev.databases import sources
from dev.databases.programs import VARIABLE
from dev.project import BACKENDS, ROOT, backend_named
from dev.testing.unit import command, variables

FILES = ("process/test_storms.py", "process/test_limit_storms.py", "process/test_thread_races.py")
SEED = "CLOACA_TEST_SEED"
"""The variable from which the tests have their seed."""


def chaos(minutes: float, seed: int | None = None, backend: str | None = None) -> None:
    """Run storms for so long, at least once on each backend; fails at the first that fails, and
    says with which seed.
    """
    names = (
        [each.backend for each in BACKENDS] if backend is None else [backend_named(backend).backend]
    )
    until = time.monotonic() + minutes * 60
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    with sources.server() as url:
        while True:
            for name in names:
                _storm(name, seed, url)
            if time.monotonic() >= until:
                return
            seed += 1


def _storm(backend: str, seed: int, url: str) -> None:
    step(f"storms on {backend}, seed {seed}")
    variable = {**variables(backend), VARIABLE: url, SEED: str(seed)}
    for file in FILES:
        # pytest has printed the reason
        if subprocess.run(command(file, None), cwd=ROOT, env=variable, check=False).returncode:
            say(f"again: invoke chaos --minutes 0 --seed {seed} --backend {backend}")
            raise TaskFailed(f"a storm with the seed {seed} has failed on {backend}")
