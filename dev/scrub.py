"""Removes files that tasks leave behind, and database servers whose keeper is gone.

Never changes ``.backups``: a person wrote the files in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dev import scratch
from dev.console import say, step
from dev.databases import cluster, services
from dev.docs.site import SITE
from dev.environments.bootstrap import VENV
from dev.files import write_atomically
from dev.packaging import rendering
from dev.project import DIST, REPORTS, ROOT

_CACHES = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "*.egg-info")


def scrub(*, deep: bool = False, placeholders: bool = False) -> None:
    """Remove environments, artefacts and caches; put generated files back, or stubs in place."""
    step("removing environments, artefacts and caches")
    for place in scratch.folders():
        for path in cluster.sweep(place):
            say(f"  stopped a server whose keeper was gone: {path.name}")
    if deep:
        services.down(volumes=True)
    for path in [*_leftovers(), *(_deep_leftovers() if deep else ())]:
        _remove(path)
    if placeholders:
        rendering.placeholders()
    else:
        rendering.generate()
    _remove_tools_environment()
    _keep_the_commit_hook_working()


def _leftovers() -> Iterator[Path]:
    yield from (DIST, REPORTS, ROOT / ".demo", ROOT / ".tox", *ROOT.glob("debug-env-*"))
    yield from (SITE, ROOT / ".cache")
    for pattern in _CACHES:
        yield from (path for path in ROOT.rglob(pattern) if VENV not in path.parents)


def _deep_leftovers() -> Iterator[Path]:
    yield from (ROOT / ".hypothesis", ROOT / ".import_linter_cache", ROOT / ".services")


def _remove_tools_environment() -> None:
    """Remove ``.venv``, last, since this task may run in it; impossible then on Windows."""
    if os.name == "nt" and Path(sys.prefix).resolve() == VENV.resolve():
        say(f"  kept {VENV.name}, which this task runs in: remove it yourself")
        return
    _remove(VENV)


def _keep_the_commit_hook_working() -> None:
    """Replace a hook that ``pre-commit install`` wrote by ours: without ``.venv`` it would fail and
    stop every commit.
    """
    hook = _commit_hook()
    if hook is None or str(VENV) not in hook.read_text(encoding="utf-8", errors="replace"):
        return
    write_atomically(hook, (ROOT / "dev" / "hooks" / "pre-commit").read_bytes())
    say(f"  the commit hook no longer needs {VENV.name}")


def _commit_hook() -> Path | None:
    """The file of git's pre-commit hook here, if there is one."""
    question = ["git", "rev-parse", "--git-path", "hooks/pre-commit"]
    try:
        done = subprocess.run(question, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or not a git checkout
        return None
    hook = ROOT / done.stdout.strip()
    return hook if hook.is_file() else None


def _remove(path: Path) -> None:
    if not path.exists():
        return
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    say(f"  removed {path.relative_to(ROOT)}")
