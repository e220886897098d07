"""Finds faults of a server's settings and its state, by facts that were read before. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from cloaca_core.features.transfer.examination import Finding

OLDEST_MAINTAINED: Final = 14
"""The oldest major version of PostgreSQL that gets fixes."""
MOST_USED: Final = 0.9
"""The share of the server's connections that may be taken."""
LONGEST_TRANSACTION: Final = 3600
"""Seconds. As long as a transaction is open, no row that was deleted since is cleaned up."""


class ServerFacts(NamedTuple):
    """``connections`` counts the connections to all databases of the server; ``oldest_transaction``
    is in seconds. ``pooler`` is what the URL says, ``is_direct`` what was found. ``heard`` tells
    whether a notification came back; None if that was not tried.
    """

    place: str
    version: int
    fsync: str
    full_page_writes: str
    autovacuum: str
    track_counts: str
    max_connections: int
    connections: int
    oldest_transaction: int
    tables_without_vacuum: Sequence[str]
    invalid_indexes: Sequence[str]
    pooler: bool
    is_direct: bool
    heard: bool | None


def findings_of(facts: ServerFacts) -> list[Finding]:
    """The findings, the worst first."""
    return [
        *_of_durability(facts),
        *_of_notifications(facts),
        *_of_indexes(facts),
        *_of_vacuum(facts),
        *_of_connections(facts),
        *_of_version(facts),
    ]


def _of_durability(facts: ServerFacts) -> Iterator[Finding]:
    for name, value in (("fsync", facts.fsync), ("full_page_writes", facts.full_page_writes)):
        if value == "off":
            yield Finding(
                "commits_not_durable",
                "error",
                f"{facts.place} has {name} = off: a power cut may destroy the database",
                f"ALTER SYSTEM SET {name} = on; then restart the server",
            )


def _of_notifications(facts: ServerFacts) -> Iterator[Finding]:
    if facts.pooler and facts.is_direct:
        yield Finding(
            "pooler_needless",
            "warning",
            f"the URL says pooler=true, but nothing stands before {facts.place}: runners poll it",
            "leave pooler=true out of the URL",
        )
    if facts.heard is False:
        yield Finding(
            "no_notifications",
            "error",
            f"a notification sent to {facts.place} does not come back: wake-ups take 30 s",
            "connect to the server itself, or add pooler=true to the URL",
        )


def _of_indexes(facts: ServerFacts) -> Iterator[Finding]:
    for index in facts.invalid_indexes:
        yield Finding(
            "invalid_index",
            "error",
            f"the server does not use the index {index}, as a build of it was broken off",
            f"REINDEX INDEX CONCURRENTLY {index}",
        )


def _of_vacuum(facts: ServerFacts) -> Iterator[Finding]:
    for name, value in (("autovacuum", facts.autovacuum), ("track_counts", facts.track_counts)):
        if value == "off":
            yield Finding(
                "no_vacuum",
                "warning",
                f"{facts.place} has {name} = off: tables grow, and get slower",
                f"ALTER SYSTEM SET {name} = on; then SELECT pg_reload_conf()",
            )
    for table in facts.tables_without_vacuum:
        yield Finding(
            "no_vacuum",
            "warning",
            f"autovacuum is switched off for {table}: it grows, and gets slower",
            f"ALTER TABLE {table} RESET (autovacuum_enabled)",
        )
    if facts.oldest_transaction > LONGEST_TRANSACTION:
        yield Finding(
            "old_transaction",
            "warning",
            f"a transaction has been open for {facts.oldest_transaction // 60} minutes: rows that "
            "were deleted since cannot be cleaned up",
            "find it in pg_stat_activity by its xact_start, and end its program",
        )


def _of_connections(facts: ServerFacts) -> Iterator[Finding]:
    if facts.connections > MOST_USED * facts.max_connections:
        yield Finding(
            "connections_short",
            "warning",
            f"{facts.connections} of {facts.max_connections} connections of {facts.place} are in "
            "use",
            "raise max_connections, lower db_pool_size, or put PgBouncer before the server",
        )


def _of_version(facts: ServerFacts) -> Iterator[Finding]:
    major = facts.version // 10_000
    if major < OLDEST_MAINTAINED:
        yield Finding(
            "server_old",
            "warning",
            f"{facts.place} is PostgreSQL {major}, which gets no fixes any more",
            f"upgrade the server to PostgreSQL {OLDEST_MAINTAINED} or newer",
        )
