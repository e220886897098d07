"""What is wrong with a server, by facts alone."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_postgres.administration.server_facts import (
    LONGEST_TRANSACTION,
    ServerFacts,
    findings_of,
)

SOUND = ServerFacts(
    place="PostgreSQL database work on db",
    version=150_000,
    fsync="on",
    full_page_writes="on",
    autovacuum="on",
    track_counts="on",
    max_connections=100,
    connections=90,
    oldest_transaction=LONGEST_TRANSACTION,
    tables_without_vacuum=[],
    invalid_indexes=[],
    pooler=False,
    is_direct=True,
    heard=True,
)


def test_a_sound_server_has_no_findings() -> None:
    assert findings_of(SOUND) == []
    assert findings_of(SOUND._replace(pooler=True, is_direct=False, heard=None)) == []


@each_row(
    ("change", "code"),
    [
        ({"fsync": "off"}, "commits_not_durable"),
        ({"full_page_writes": "off"}, "commits_not_durable"),
        ({"pooler": True, "heard": None}, "pooler_needless"),
        ({"heard": False}, "no_notifications"),
        ({"invalid_indexes": ["cloaca_run_key"]}, "invalid_index"),
        ({"autovacuum": "off"}, "no_vacuum"),
        ({"track_counts": "off"}, "no_vacuum"),
        ({"tables_without_vacuum": ["cloaca_run"]}, "no_vacuum"),
        ({"oldest_transaction": LONGEST_TRANSACTION + 1}, "old_transaction"),
        ({"connections": 91}, "connections_short"),
        ({"version": 130_022}, "server_old"),
    ],
)
def test_each_fact_has_its_finding(change: dict[str, Any], code: str) -> None:
    (finding,) = findings_of(SOUND._replace(**change))

    assert finding.code == code
    assert finding.cure
