"""The migration that gives messages an address: decisions on their way reach whoever waits."""

from __future__ import annotations

from own_database import OwnDatabases

from cloaca_core.store.migrate import load_migrations

ROWS = """
INSERT INTO cloaca_wait (
    run_id, task_id, item, kind, name, number, attempt, input_hash, opened_at, detail, timed_out
) VALUES
    ('a', 'each', 7, 'approval', 'sign', 1, 1, '', 1, '{}', 0),
    ('a', 'each', 2, 'approval', 'sign', 1, 1, '', 1, '{}', 1),
    ('a', 'each', 3, 'approval', 'sign', 1, 1, '', 1, '{}', 0),
    ('b', 'sign', -1, 'approval', 'sign', 0, 1, '', 1, '{}', 0),
    ('b', 'paid', -1, 'event', 'paid', 0, 1, '', 1, '{}', 0);
INSERT INTO cloaca_message (run_id, id, number, kind, name, payload, sent_at, taken_by) VALUES
    ('a', 'm', 1, 'approval', 'sign', '{}', 1, 'each'),
    ('a', 'n', 3, 'approval', 'sign', '{}', 1, NULL),
    ('a', 'o', 2, 'approval', 'sign', '{}', 1, NULL),
    ('b', 'm', 1, 'event', 'paid', '{}', 1, NULL),
    ('b', 'n', 2, 'approval', 'sign', '{}', 1, NULL),
    ('b', 'o', 3, 'approval', 'other', '{}', 1, NULL);
"""


def test_decisions_that_nobody_has_read_are_for_the_first_waits_of_their_names(
    own_databases: OwnDatabases, backend_name: str
) -> None:
    *before, migration = [each.sql for each in load_migrations(f"cloaca_{backend_name}")[:5]]
    url = own_databases.new_empty()

    own_databases.load(url, "\n".join([*before, ROWS, migration]))

    found = own_databases.query(
        url, "SELECT run_id, id, for_task, for_item FROM cloaca_message ORDER BY run_id, id"
    )
    assert found == [
        ("a", "m", None, -1),
        ("a", "n", "each", 7),
        ("a", "o", "each", 3),
        ("b", "m", None, -1),
        ("b", "n", "sign", -1),
        ("b", "o", None, -1),
    ]
