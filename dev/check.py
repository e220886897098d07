"""Checks that read the code without running it. All of them run; then the failures are listed."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dev.console import TaskFailed, run, say, step
from dev.docs import proof, site
from dev.environments import audit, lock
from dev.environments.sandbox import Sandbox
from dev.packaging import rendering
from dev.packaging.artefacts import package
from dev.project import COMMANDS, CORE, DISTRIBUTIONS, DOOR, ROOT, TESTING, TOOLS

PUBLIC = (DOOR.package, f"{CORE.package}.store", TOOLS.package, TESTING.package)
"""What others import: of the core only what authors of backends implement, since the door has all
that programs use.
"""
TYPED_FOLDERS = ("dev", "python-tests", "benchmarks", "examples")


def check(*, quick: bool = False) -> None:
    """Run every check, or those that need no built wheels; fails with the list of failures."""
    chosen = {name: one for name, one in CHECKS.items() if not (quick and name in SLOW)}
    failures = [problem for name, one in chosen.items() if (problem := _run_one(name, one))]
    if failures:
        raise TaskFailed("\n".join(failures))
    say(f"{len(chosen)} checks passed")


def _run_one(name: str, one: Callable[[], None]) -> str:
    step(name)
    started = time.monotonic()
    try:
        one()
    except TaskFailed as failure:
        say(str(failure))
        return f"{name} failed"
    say(f"  ok in {time.monotonic() - started:.1f} s")
    return ""


def _ruff_check() -> None:
    _tool("ruff", "check", ".")


def _ruff_format() -> None:
    _tool("ruff", "format", "--check", ".")


def _mypy() -> None:
    sources = [each.folder / "src" for each in DISTRIBUTIONS]
    others = [ROOT / name for name in TYPED_FOLDERS if (ROOT / name).is_dir()]
    _tool("mypy", "tasks.py", *map(str, [*sources, *others]))


def _import_linter() -> None:
    """Check import directions in the sources, which are not installed in ``.venv``."""
    paths = os.pathsep.join(str(each.folder / "src") for each in DISTRIBUTIONS)
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", lint, "--no-cache"]
    run(command, cwd=ROOT, env={"PYTHONPATH": paths}, quiet=True)


def _codespell() -> None:
    _tool("codespell_lib")


def _verify_types() -> None:
    """Require a type for every public name, as a user's checker sees it: in the wheels."""
    package()
    with tempfile.TemporaryDirectory(prefix="cloaca-types-") as name:
        box = Sandbox(Path(name) / "environment").create()
        box.install_for("sqlite", testing=True, beside=COMMANDS["ui"])
        # Pyright takes the first Python on PATH here and ignores --pythonpath. It runs outside of
        # the checkout, whose folder cloaca/ would be taken for the package.
        path = os.pathsep.join([str(box.python.parent), os.environ["PATH"]])
        for each in PUBLIC:
            # --ignoreexternal: gaps in the standard library's stubs are not ours.
            command = [sys.executable, "-m", "pyright", "--ignoreexternal", "--verifytypes"]
            run([*command, each], cwd=box.folder, env={"PATH": path}, quiet=True)


def _tool(module: str, *arguments: str) -> None:
    run([sys.executable, "-m", module, *arguments], cwd=ROOT, quiet=True)


CHECKS: dict[str, Callable[[], None]] = {
    "generate --check": rendering.check,
    "lock": lock.check,
    "ruff check": _ruff_check,
    "ruff format --check": _ruff_format,
    "mypy --strict": _mypy,
    "import-linter": _import_linter,
    "codespell": _codespell,
    "docs links": site.check_links,
    "docs.promises": proof.check,
    "vulnerabilities of the lock": audit.check,
    "pyright --verifytypes": _verify_types,
}

SLOW = frozenset({"pyright --verifytypes", "vulnerabilities of the lock"})
"""Checks that build and install the wheels first, or ask a server."""
