"""Finds faults of a file's settings and its place, by facts that were read before. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from cloaca_core.features.transfer.examination import Finding

MEBIBYTE: Final = 2**20
LARGE_LOG: Final = 64 * MEBIBYTE
"""SQLite begins its log anew at about 4 MiB, unless a reader keeps it from that."""
LEAST_FREE: Final = 200 * MEBIBYTE
"""So much should be free, or a tenth of the file, whichever is more."""
_WAL: Final = "wal"
_NEVER: Final = 0


class FileFacts(NamedTuple):
    """Sizes in bytes. ``auto_vacuum`` is the number that the pragma answers; ``synchronous`` is
    what the URL asks for; ``free`` is the space that is left on the disk of the file.
    """

    path: str
    journal_mode: str
    auto_vacuum: int
    synchronous: str
    size: int
    log: int
    free: int


def findings_of(facts: FileFacts) -> list[Finding]:
    """The findings, the worst first."""
    return [*_of_journal(facts), *_of_space(facts), *_of_durability(facts), *_of_pages(facts)]


def _of_journal(facts: FileFacts) -> Iterator[Finding]:
    if facts.journal_mode != _WAL:
        yield Finding(
            "no_write_ahead_log",
            "error",
            f"{facts.path} has the journal mode {facts.journal_mode!r}: readers stop every writer",
            "open it once with a runner, which sets WAL; keep it on a local disk",
        )
    elif facts.log > LARGE_LOG:
        yield Finding(
            "large_log",
            "warning",
            f"the log beside {facts.path} has {_mebibytes(facts.log)}: some program reads for long",
            "end the program that has read from it for long; the log then begins anew",
        )


def _of_space(facts: FileFacts) -> Iterator[Finding]:
    if facts.free < max(LEAST_FREE, facts.size // 10):
        yield Finding(
            "disk_nearly_full",
            "warning",
            f"{_mebibytes(facts.free)} are free on the disk of {facts.path}, "
            f"which has {_mebibytes(facts.size)}",
            "make room, or prune old runs: cloaca db prune",
        )


def _of_durability(facts: FileFacts) -> Iterator[Finding]:
    if facts.synchronous == "NORMAL":
        yield Finding(
            "commits_not_durable",
            "warning",
            "the URL says _synchronous=NORMAL: a power cut may undo work that was done",
            "leave _synchronous out of the URL",
        )


def _of_pages(facts: FileFacts) -> Iterator[Finding]:
    if facts.auto_vacuum == _NEVER:
        yield Finding(
            "file_never_shrinks",
            "notice",
            f"{facts.path} was made without incremental vacuum: it keeps its size after a prune",
            "stop all runners, then: sqlite3 FILE 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'",
        )


def _mebibytes(size: int) -> str:
    return f"{size / MEBIBYTE:,.0f} MiB"
