"""Tells many seeded stories of faults (``cloaca.testing.simulate``) of the project's own workflows,
and shows in which story each engine that is broken on purpose is noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from dev.console import TaskFailed, environment, say, step
from dev.project import DISTRIBUTIONS, ROOT
from dev.testing import mutant_lists, mutants

BROKEN: Final = "broken_engines.toml"
"""The list of engines that are broken on purpose."""
MOST: Final = 600.0
"""Seconds for the stories of one."""


def simulate(seeds: int, first: int) -> dict[str, Any]:
    """Tell so many stories of each workflow, from this seed on; fails at the first that fails.
    Returns what was told, for the page of promises.
    """
    step(f"seeds {first} to {first + seeds - 1}")
    done = subprocess.run(
        _command(first, seeds),
        cwd=ROOT,
        env=_variables(ROOT),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    say(done.stdout.rstrip("\n"))
    if done.returncode:
        raise TaskFailed("a promise was broken; the seed is above")
    stories = int(done.stdout.split(" stories", 1)[0].split()[-1])
    return {"first": first, "last": first + seeds - 1, "stories": stories}


def simulate_broken(seeds: int, first: int) -> dict[str, Any]:
    """Break one engine after the other in a copy of the tree, and print the story that notices;
    fails if none of so many does. Returns what noticed each, for the page of promises.
    """
    engines: dict[str, str] = {}
    chosen = mutant_lists.chosen(mutant_lists.read(ROOT), BROKEN)
    missed = []
    with tempfile.TemporaryDirectory(prefix="cloaca-broken-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "tree"
        shutil.copytree(ROOT, folder, symlinks=True, ignore=mutants.left_out)
        tree = mutants.Tree(folder, {}, mutants.Processes())
        for each in chosen:
            with tree.broken(each):
                command = [*_command(first, seeds), "--brief"]
                ran = tree.processes.run(command, folder, _variables(folder), MOST)
            if ran.code != 1:
                missed.append(each.name)
            lines = ran.output.strip().splitlines() or ["no answer"]
            say(f"  {each.name}\n      {lines[-1]}")
            engines[each.name] = lines[-1]
    if missed:
        raise TaskFailed("not noticed:\n  " + "\n  ".join(missed))
    say(f"all {len(chosen)} were noticed")
    return {"engines": engines}


def _command(first: int, seeds: int) -> list[str]:
    return [sys.executable, "-P", "-m", "simulation.tell", str(first), str(seeds)]


def _variables(root: Path) -> dict[str, str]:
    sources = [root / each.folder.relative_to(ROOT) / "src" for each in DISTRIBUTIONS]
    paths = os.pathsep.join(map(str, [*sources, root / "python-tests"]))
    return dict(environment({"PYTHONPATH": paths}))
