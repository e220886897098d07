"""Runs every example as a reader would: from the built wheels, on each backend.

The tests compare the output of a program; here it is printed, and the program must succeed. The
variables in its source show where an example can keep its work: ``DATABASE_URL`` means on either
backend, ``ADMIN_DATABASE_URL`` on PostgreSQL, neither of them in a file or in memory.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.console import TaskFailed, environment, say, step
from dev.databases import maintenance, sources
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.project import BACKENDS, POSTGRES, ROOT, SQLITE
from examples.from_wheels.demo import DATA

FOLDER = ROOT / "examples"
REQUIREMENTS = FOLDER / "requirements.txt"
EITHER = '"DATABASE_URL"'
SERVER = '"ADMIN_DATABASE_URL"'
WORK = "WORK"
"""The word in a command for a folder that is new and removed afterwards."""
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Example:
    """One program: its arguments of ``python``, and the backends it runs on."""

    command: tuple[str, ...]
    backends: tuple[str, ...] = (SQLITE.backend, POSTGRES.backend)

    @property
    def name(self) -> str:
        """The command that a reader types."""
        return " ".join(word for word in self.command if word != WORK)


PROGRAMS = (
    Example(("-m", "cars", "run", WORK)),
    Example(("-m", "service.visit")),
    Example(("-m", "nightly", WORK, "--try")),
)
"""Examples of more than one file."""


def run_all() -> None:
    """Run each example on each of its backends; fails with the list of failed examples.

    After a failure the others still run.
    """
    package()
    failed = [problem for each in BACKENDS for problem in _on(each.backend)]
    if failed:
        raise TaskFailed("these examples failed: " + ", ".join(failed))
    say("every example ended well")


def _on(backend: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="cloaca-examples-") as name, _server(backend) as server:
        folder = Path(name)
        step(f"making an environment with {backend} and the packages of the examples")
        python = install(Sandbox(folder / "environment"), backend)
        chosen = [each for each in examples() if backend in each.backends]
        return [
            f"{each.name} on {backend}"
            for number, each in enumerate(chosen)
            if not _ended_well(each, python, folder / str(number), backend, server)
        ]


def examples() -> list[Example]:
    """The tutorials in their order, then the programs."""
    tutorials = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
    found = [
        Example((path.name,), backends_of(path.read_text(encoding="utf-8"))) for path in tutorials
    ]
    return [*found, *PROGRAMS]


def backends_of(source: str) -> tuple[str, ...]:
    """The backends on which a program of one file can keep its work."""
    if SERVER in source:
        return (POSTGRES.backend,)
    if EITHER in source:
        return (SQLITE.backend, POSTGRES.backend)
    return (SQLITE.backend,)


def install(sandbox: Sandbox, backend: str) -> Path:
    """Install the wheels and the packages of the examples; the environment's Python."""
    sandbox.create()
    sandbox.install_for(backend)
    sandbox.install_third_party("--requirement", str(REQUIREMENTS))
    sandbox.install_third_party(DATA, alone=True)
    return sandbox.python


@contextmanager
def _server(backend: str) -> Iterator[str | None]:
    if backend != POSTGRES.backend:
        yield None
        return
    with sources.server() as url:
        yield url


def _ended_well(
    example: Example, python: Path, folder: Path, backend: str, server: str | None
) -> bool:
    step(f"{example.name} on {backend}")
    started = time.monotonic()
    with _database(server) as url:
        done = run(example, python, folder, url)
    say(done.stdout.rstrip())
    if done.returncode:
        say(f"{done.stderr.rstrip()}\nexit code {done.returncode}")
        return False
    say(f"  ok in {time.monotonic() - started:.1f} s")
    return True


@contextmanager
def _database(server: str | None) -> Iterator[str | None]:
    """Create an empty database for a program that needs a server; its URL."""
    if server is None:
        yield None
        return
    with maintenance.temporary(server, f"cloaca_example_{secrets.token_hex(8)}") as url:
        yield url


def run(
    example: Example, python: Path, folder: Path, url: str | None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with a new folder for its files; the caller reads its output.

    With a ``url`` its work is kept there.
    """
    folder.mkdir()
    words = [str(folder) if word == WORK else word for word in example.command]
    variables = {} if url is None else {"DATABASE_URL": url, "ADMIN_DATABASE_URL": url}
    return subprocess.run(
        [python, "-X", "utf8", "-W", "error", *words],
        cwd=FOLDER,
        # Bytecode goes to a folder outside of the sources, which the next program uses too.
        env=environment({"PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"), **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
