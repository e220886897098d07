"""Tries the built wheels in empty environments, as in a new user's first minute.

One environment per kind of installation. ``python-tests/dispatcher`` tests the messages in detail;
here each must only work, or print the right error.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.console import TaskFailed, say, step
from dev.databases import maintenance, sources
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.packaging.foreign_wheel import backend_wheel
from dev.project import ALL, CORE, DOOR, SQLITE, version

GREETING = """
import os
import cloaca

with cloaca.WorkflowBuilder("greeting") as builder:
    builder.description("Says hello in two steps")

    @cloaca.task(id="name")
    def name(context):
        context.set("name", context.get("who", "world"))
        return context

    @cloaca.task(id="greet", dependencies=["name"])
    def greet(context):
        context.set("greeting", f"Hello, {context.get('name')}!")
        return context
"""
FIRST_WORKFLOW = f"""{GREETING}
with cloaca.DefaultRunner(os.environ["SMOKE_URL"]) as runner:
    result = runner.execute("greeting", cloaca.Context({{"who": "smoke"}}))
print(result.status, result.final_context.get("greeting"))
"""
FIRST_TEST = f"""{GREETING}
from cloaca.testing import harness
with harness() as h:
    run = h.run("greeting", {{"who": "smoke"}})
    print(run.status, run.context["greeting"])
"""
COMMAND = """
import subprocess, sys
from pathlib import Path
done = subprocess.run([Path(sys.executable).with_name("cloaca"), "--version"],
                      capture_output=True, text=True)
print(done.stdout, done.stderr)
"""
SQLITE_URL = "sqlite://smoke.db"
ASK = """
import cloaca
try:
    print(cloaca.get_backend())
except cloaca.BackendError as error:
    print(type(error).__name__, error)
"""


@dataclass(frozen=True, slots=True)
class Situation:
    """An installation, a program to run in it, and its expected output, for some ``backends``.

    With ``server`` the program gets a database on PostgreSQL, else a file.
    """

    name: str
    install: Callable[[Sandbox], None]
    code: str
    expected: str
    backends: tuple[str, ...]
    server: bool = False


def smoke(backend: str | None = None) -> None:
    """Try all situations, or those of one backend; fails if one went wrong."""
    package()
    chosen = [each for each in situations() if backend is None or backend in each.backends]
    if not chosen:
        raise TaskFailed(f"no situation is about the backend {backend!r}")
    step(f"trying {len(chosen)} installations in empty environments")
    with _database_for(chosen) as url, ThreadPoolExecutor(max_workers=2) as pool:
        tried = pool.map(_try, chosen, [url if each.server else SQLITE_URL for each in chosen])
        problems = [problem for problem in tried if problem]
    if problems:
        raise TaskFailed("\n".join(problems))
    say(f"{len(chosen)} installations work as they should")


@contextmanager
def _database_for(chosen: Sequence[Situation]) -> Iterator[str]:
    """An empty database on PostgreSQL, if one of these needs it."""
    if not any(each.server for each in chosen):
        yield ""
        return
    with (
        sources.server() as server,
        maintenance.temporary(server, f"cloaca_smoke_{secrets.token_hex(8)}") as url,
    ):
        yield url


def situations() -> Sequence[Situation]:
    """All kinds of installations that a user can have."""
    here = version()
    return (
        Situation(
            "sqlite alone runs a workflow",
            lambda box: box.install_for("sqlite"),
            FIRST_WORKFLOW,
            "Completed Hello, smoke!",
            ("sqlite",),
        ),
        Situation(
            "sqlite alone brings the command line",
            lambda box: box.install_for("sqlite"),
            COMMAND,
            f"cloaca, version {here}",
            ("sqlite",),
        ),
        Situation(
            "sqlite without its extra runs a workflow",
            _install_bare,
            FIRST_WORKFLOW,
            "Completed Hello, smoke!",
            ("sqlite",),
        ),
        Situation(
            "sqlite without its extra: the command says what to install",
            _install_bare,
            COMMAND,
            f'pip install "cloaca[cli]=={here}"',
            ("sqlite",),
        ),
        Situation(
            "sqlite with the test kit tests a workflow",
            lambda box: box.install_for("sqlite", testing=True),
            FIRST_TEST,
            "Completed Hello, smoke!",
            ("sqlite",),
        ),
        Situation(
            "postgres alone runs a workflow",
            lambda box: box.install_for("postgres"),
            FIRST_WORKFLOW,
            "Completed Hello, smoke!",
            ("postgres",),
            server=True,
        ),
        Situation(
            "no backend: import works, the error says what to install",
            lambda box: box.install(f"{DOOR.name}=={here}", third_party=CORE.third_party),
            ASK,
            f'pip install "cloaca[sqlite]=={here}"',
            ("sqlite", "postgres"),
        ),
        Situation(
            "both backends: none is preferred",
            lambda box: box.install_for(ALL),
            ASK,
            "AmbiguousBackendError Multiple backends installed: postgres, sqlite",
            ("sqlite", "postgres"),
        ),
        Situation(
            "both backends: the URL of a file means SQLite",
            lambda box: box.install_for(ALL),
            FIRST_WORKFLOW,
            "Completed Hello, smoke!",
            ("sqlite",),
        ),
        Situation(
            "both backends: the URL of a server means PostgreSQL",
            lambda box: box.install_for(ALL),
            FIRST_WORKFLOW,
            "Completed Hello, smoke!",
            ("postgres",),
            server=True,
        ),
        Situation(
            "a backend of another version is named as such",
            _install_mismatch,
            ASK,
            "BackendVersionError Version mismatch detected!",
            ("sqlite",),
        ),
    )


def _install_bare(box: Sandbox) -> None:
    pins = [f"{each.name}=={version()}" for each in (DOOR, SQLITE)]
    box.install(*pins, third_party=[*CORE.third_party, *SQLITE.third_party])


def _install_mismatch(box: Sandbox) -> None:
    box.install(f"{DOOR.name}=={version()}", third_party=CORE.third_party)
    other = backend_wheel("sqlite", wheel_version="0.0.1").write(box.folder / "other")
    box.install(f"{SQLITE.name}==0.0.1", folder=other.parent)


def _try(situation: Situation, url: str) -> str:
    """Try a situation; empty on success, else the wrong output."""
    with tempfile.TemporaryDirectory(prefix="cloaca-smoke-") as name:
        box = Sandbox(Path(name) / "environment").create()
        situation.install(box)
        done = box.run(situation.code, SMOKE_URL=url)
    if done.returncode == 0 and situation.expected in done.stdout:
        say(f"  ok: {situation.name}")
        return ""
    return (
        f"{situation.name}: expected {situation.expected!r}, got exit code {done.returncode} and\n"
        f"{done.stdout}{done.stderr}"
    )
