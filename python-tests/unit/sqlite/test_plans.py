"""However many runs have ended, wait or are held, a claim and an act execute a handful of steps.

SQLite counts the steps of its virtual machine; each row that it looks at costs some.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from every_statement import every_statement
from tables import each_row

from cloaca_core.store.migrate import load_migrations
from cloaca_sqlite.driver import WORDING
from cloaca_sqlite.migrator import split_statements

MANY = 20_000
LIMIT = 10
MOST = 15
"""Thousands of steps that a statement may execute; a look at each of ``MANY`` rows costs more."""

_FILL = (
    """CREATE TEMP TABLE n AS
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :many)
        SELECT n, printf('%08d', n) AS id, 'w' || (n % 3) AS workflow FROM n""",
    """INSERT INTO cloaca_runner (id, boot_id, pid_namespace, pid, process_start, beat, lease_until,
            fenced, started_at, protocol)
        VALUES ('mine', '', '', 1, 1, 1, 1, 0, 1, 4), ('dead', '', '', 2, 1, 1, 1, 1, 1, 4)""",
    # ended ones, of which one parent in ten was cancelled with its children
    """INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, started_at,
            ended_at, tags, input, parent_id, steer_reason)
        SELECT 'e' || id, workflow, 'v', 'Cancelled', iif(n % 2, 'mine', 'dead'), 1, n, n, n, '{}',
            '{}', iif(n > 100, 'parent', NULL), 'why'
        FROM n""",
    # claimable ones
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, claimable_at,
            overdue_at, priority, tags, input)
        SELECT 'c' || id, workflow, 'v', 'Pending', 0, n, n, n, n % 5, '{}', '{}' FROM n""",
    # held ones: behind another run, paused without and with an end, due later
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, behind,
            schedule_id, paused_at, paused_until, due_at, tags, input)
        SELECT 'h' || id, workflow, 'v', 'Pending', 0, n,
            iif(n % 4 = 0, 'e' || id, NULL), iif(n % 4 = 0, 's' || (n % 100), NULL),
            iif(n % 4 IN (1, 2), n, NULL), iif(n % 4 = 1, n, NULL), iif(n % 4 = 3, n, NULL),
            '{}', '{}'
        FROM n""",
    # owned ones, of which a few are to be cancelled or paused
    """INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, started_at,
            cancel_at, paused_at, children_at, tags, input)
        SELECT 'o' || id, workflow, 'v', 'Running', iif(n % 2, 'mine', 'dead'), 1, n, n,
            iif(n <= 10, n, NULL), iif(n BETWEEN 11 AND 20, n, NULL), iif(n <= 10, n, NULL),
            '{}', '{}'
        FROM n""",
    # parked ones
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, due_at, tags,
            input, claimable_at)
        SELECT 'p' || id, workflow, 'v', 'Waiting', 0, n, 100000 + n, '{}', '{}', n FROM n""",
    # children under way, and children of runs that are over
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, parent_id, tags,
            input, due_at)
        SELECT 'k' || id, workflow, 'v', 'Pending', 0, n, CASE
                WHEN n <= 9 THEN 'few' WHEN n % 2 THEN 'parent' ELSE 'e' || printf('%08d', n % 100)
            END, '{}', '{}', n
        FROM n""",
    """UPDATE cloaca_run SET children_at = 5 WHERE id BETWEEN 'e00000001' AND 'e00000100'""",
    """UPDATE cloaca_run SET pause_follows = 1, pause_id = 'x'
        WHERE id BETWEEN 'e00000201' AND 'e00000210'""",
    """INSERT INTO cloaca_act
        SELECT 'a' || id, 'e' || id, workflow, 1, 'cancel', 'ann', NULL, 1, n FROM n""",
    # the newest acts are submissions
    """INSERT INTO cloaca_act
        SELECT run_id, run_id, workflow, 1, 'submit', 'ann', NULL, 1,
            created_at + (SELECT max(n) FROM n)
        FROM cloaca_act""",
    # a workflow that was paused many times
    """INSERT INTO cloaca_act
        SELECT 'p' || id, '', 'often', 0, 'pause', 'ann', NULL, 1, n FROM n""",
    # a person and a kind whose acts are older than those of others, and on older runs
    """INSERT INTO cloaca_act
        SELECT 'b' || id, 'b' || id, 'w', 1, 'retry', 'bob', NULL, 1, 1 FROM n""",
    "INSERT INTO cloaca_paused_workflow (workflow, paused_at) SELECT 'often', max(n) FROM n",
    # of many workflows, runs that follow those that have ended
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, ended_at, tags,
            input, follows, follows_round, follows_place)
        SELECT 'f' || id, workflow, 'v', 'Completed', 0, n, n, '{}', '{}', 'e' || id, 1, 0
        FROM n""",
    # a tree of many ended children, of which one has children under way
    """UPDATE cloaca_run SET parent_id = 'c00000001', root_id = 'c00000001' WHERE follows > ''""",
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            parent_id, root_id)
        SELECT 'l' || id, workflow, 'v', 'Pending', 0, n, '{}', '{}', 'f00000007', 'c00000001'
        FROM n WHERE n <= 9""",
    """INSERT INTO cloaca_workflow (workflow, version, name, short_name)
        SELECT 'w' || n, 'v', 'w', 'w' FROM n""",
    # left: many by other runners, a few by this one
    """INSERT INTO cloaca_unserved SELECT 'other' || n, 'c' || id, '["gone"]' FROM n""",
    """INSERT INTO cloaca_unserved SELECT 'mine', 'c' || id, '["gone"]' FROM n WHERE n <= 9""",
    """INSERT INTO cloaca_when_ended SELECT 'w' || n, 'v', 0, 'Cancelled', 'w1', '{}' FROM n""",
    # one waits for an event, in ten thousands; many for a message and for no instant
    """INSERT INTO cloaca_wait
        SELECT 'c' || id, 'task1', 'event', 'paid', 0, 1, '', n, NULL, '{}', 0, -1
        FROM n""",
    """INSERT INTO cloaca_wait
        SELECT 'c' || id, 'sign', 'approval', 'sign', 0, 1, '', n, NULL, '{}', 0, -1 FROM n
        WHERE n <= 9""",
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, started_at, due_at,
            tags, input, claimable_at)
        SELECT 'v' || id, workflow, 'v', 'Waiting', 0, n, n, 4611686018427387904, '{}', '{}',
            2 * :many
        FROM n""",
    # messages to one run, most of which were read
    """INSERT INTO cloaca_message
        SELECT 'c00000001', 'm' || n, n, 'event', 'paid', '1', 'k' || n, NULL, n,
            iif(n < 20000 - 2, 'task1', NULL), -1, NULL, -1
        FROM n""",
    """INSERT INTO cloaca_message (run_id, id, kind, name, payload, sent_at)
        SELECT 'c00000001', 'u' || n, 'event', 'paid', '1', n FROM n WHERE n <= 9""",
    """UPDATE cloaca_run SET messages = 20000 WHERE id = 'c00000001'""",
    """UPDATE cloaca_run SET messages = 2 WHERE id BETWEEN 'o00000031' AND 'o00000040'""",
    # many that have failed, one of them of late
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, ended_at, tags,
            input)
        SELECT 'x' || id, workflow, 'v', 'Failed', 0, n, n, '{}', '{}' FROM n""",
    """INSERT INTO cloaca_run_tag SELECT 'x' || id, 'team', 'x' FROM n""",
    "DROP TABLE n",
)
_FLOWS = ["w0", "w1", "none"]
_QUEUES = ["default"]
_CLAIM = {
    "runner_id": "mine",
    "workflows": _FLOWS,
    "limit": LIMIT,
    "now": 1,
    "store_now": 1,
    "all_queues": 1,
}
_OWNED = [f"o{n:08}" for n in range(21, 21 + LIMIT)]
_HELD = [f"h{n:08}" for n in range(1, LIMIT + 1)]
_ENDED = [f"e{n:08}" for n in range(1, LIMIT + 1)]
_ACT = {"id": "new", "now": 1, "asked_by": "ann", "reason": None, "because": "why"}
_ACTS = {"at": 2**63 - 1, "act_id": "", "run_id": "", "limit": LIMIT}
_CANCEL = {
    "ids": _OWNED + _HELD + _ENDED,
    **_ACT,
    "deadline": 9,
    "children": 1,
    "parent_id": None,
    "until": 9,
    "over": None,
    "replaced": 1,
}
_LEVEL = {**_CANCEL, "parent_id": "few"}
_LEFT = {"ids": _OWNED, "runner_id": "mine", "fence": 1, "tasks": "[]", "has_begun": 0}
_SENT: dict[str, object] = {
    "run_id": "c00000001",
    "id": "new",
    "kind": "event",
    "name": "paid",
    "dedupe_key": "new",
    "for_task": None,
    "for_item": -1,
}
_MAIL: dict[str, object] = {"ids": ["c00000001", *_OWNED], "now": 1}
_PAGE: dict[str, object] = {"before": "y", "after": "", "most": LIMIT}
_FAMILY: dict[str, object] = {"run_id": "parent", "depth": 3, "most": LIMIT}
_CONDITIONS = [
    json.dumps(each)
    for each in (
        ["status", 1, "", ["Completed"]],
        ["workflow", 0, "", ["w0", "w1", "w2"]],
        ["parent", 1, "", ["few"]],
        ["id", 0, "", ["e", "x"]],
        ["error", 1, "", ["broke"]],
        ["queue", 1, "", ["gpu"]],
        ["act", 1, "", ["act1"]],
        ["tag", 1, "team", ["y"]],
        ["task", 1, "", ["load"]],
        ["by", 1, "", ["bob"]],
    )
]
_VALUES: dict[str, dict[str, object]] = {
    "newest_ids": _PAGE,
    "ended_ids": _PAGE | {"value": "Completed", "after": "x"},
    "workflow_ids": _PAGE | {"value": "none"},
    "child_ids": _PAGE | {"value": "few"},
    "top_ids": _PAGE,
    "list_family": _FAMILY,
    "list_links": {"ids": ["parent", "few"], "most": LIMIT},
    "list_children_of_family": _FAMILY | {"counted": LIMIT, "above": "~"},
    "tagged_ids": _PAGE | {"key": "team", "value": "none"},
    "acted_ids": _PAGE | {"value": "bob"},
    "list_actors": {"names": ["ann", "bob"]},
    "match_runs": {
        "ids": _ENDED,
        "conditions": _CONDITIONS,
        "since": None,
        "until": None,
        "ended_since": None,
    },
    "count_newest": {"value": "w1", "most": LIMIT},
    "count_made": {"value": "w1", "spans": [" " * 13 + "~" * 13], "most": LIMIT},
    "count_owned": {"value": "mine", "most": LIMIT},
    "failed_ids": {"since": MANY - LIMIT, "most": LIMIT},
    "list_failures": {"since": MANY - LIMIT, "most": LIMIT},
    "longest_claimable": {},
    "insert_message": _SENT | {"payload": "1", "sent_by": None, "sent_at": 1, "most": LIMIT},
    "wake_waiting": _MAIL,
    "count_messages": _MAIL,
    "message_sent": _SENT,
    "number_messages": _MAIL,
    "drop_repeated": _MAIL,
    "list_unnumbered": {"limit": LIMIT},
    "drop_waits_of_cancelled": {"runner_id": "dead"},
    "drop_waits": _CANCEL,
    "list_waits": _MAIL,
    "list_unread": _MAIL | {"after": 0},
    "list_open_approvals": {"workflow": None, "limit": LIMIT},
    "claim": _CLAIM | {"queues": _QUEUES, "aged": 0},
    "has_claimable": _CLAIM | {"queues": _QUEUES},
    "first_overdue": _CLAIM | {"queues": ["gpu"]},
    "note_unserved": _LEFT,
    "forget_ended": {"runner_id": "mine"},
    "leave_run": _LEFT,
    "list_left": _LEFT,
    "forget_unserved": {"runner_id": "mine", "workflows": _FLOWS},
    "forget_runner": {"runner_id": "gone"},
    "set_planned_version": {"ids": _ENDED, "id": "a00000001", "version": "w"},
    "serve_again": {"ids": [*_ENDED, "c00000001"], "id": "a00000001"},
    "runners_without_tasks": {"run_id": "c00000001"},
    "next_due_run": {"workflows": _FLOWS},
    "make_due_claimable": _CLAIM | {"now": MANY},
    "make_claimable_after_set_back": _CLAIM | {"now": MANY - LIMIT},
    "list_waiting": {"runner_id": "mine", "most": LIMIT, "gone": ["dead"]},
    "run_as_it_stands": {"run_id": "h00000004"},
    "pause_of_workflow": {"run_id": "c00010000"},
    "list_pauses": {},
    "claimable_ahead": {"run_id": "c00010000", "most": LIMIT},
    "outline_attempts": {"run_id": "c00010000"},
    "restarts_of_run": {"run_id": "c00010000"},
    "unended_children": {"run_id": "few", "most": LIMIT},
    "runner_loads": {"run_id": "c00010000", "most": LIMIT},
    "lock_schedules_of": _CANCEL,
    "lock_steered": _CANCEL,
    "note_cancel": _CANCEL,
    "cancel_unowned": _CANCEL,
    "cancel_owned": _CANCEL,
    "start_next": _CANCEL,
    "note_expiry": _CANCEL,
    "expire_runs": _CANCEL,
    "note_pause": _CANCEL,
    "pause_runs": _CANCEL,
    "note_resume": _CANCEL,
    "resume_runs": _CANCEL,
    "conclude_act": _CANCEL,
    "acted": _CANCEL,
    "list_stop_requests": {"runner_id": "mine"},
    "next_steered": {},
    "list_not_begun": {"now": MANY, "limit": LIMIT},
    "list_pauses_over": {"now": MANY, "limit": LIMIT},
    "parents_to_follow": {"limit": LIMIT},
    "children_out_of_step": {"ids": ["few", "parent"], "limit": LIMIT},
    "pause_new_children": {"ids": _HELD, "runner_id": "mine"},
    "note_pause_of_children": _LEVEL,
    "pause_children": _LEVEL,
    "note_resume_of_children": _LEVEL,
    "forget_pauses": {"ids": [*_ENDED, "c00000001"]},
    "children_under_way": {"ids": ["parent"], "limit": LIMIT},
    "list_children": {"ids": ["few", "none"]},
    "descendants_under_way": {"ids": ["c00000001"], "limit": LIMIT},
    "descendants_out_of_step": {"ids": ["c00000001"], "limit": LIMIT},
    "list_stopped_with_parents": {"ids": [*_OWNED, "l00000001"]},
    "list_paused_with_parents": {"ids": [*_OWNED, "l00000001"]},
    "forget_children": {"ids": [*_ENDED, "c00000001"]},
    "list_acts": _ACTS,
    "list_asked_acts": _ACTS,
    "list_acts_of_kind": _ACTS | {"kind": "retry"},
    "list_acts_of_person": _ACTS | {"asked_by": "ann", "kind": "retry"},
    "search_acts_of_run": _ACTS | {"of_run": "e00000001", "asked_by": None, "kinds": ["retry"]},
    "kinds_of_person": {"asked_by": "ann"},
    "list_acts_of_run": {"run_id": "e00000001", "limit": LIMIT},
    "lock_owned": {"runner_id": "dead"},
    "mark_cancelled": {"runner_id": "dead", "held": [], "fenced": 1},
    "start_after_cancelled": {"runner_id": "dead"},
    "end_cancelled": {"runner_id": "dead", "now": 1},
    "follow_ends": _CANCEL | {"reason_code": "cancelled"},
    "follow_cancelled": {"runner_id": "dead", "now": 1},
    "list_follow_ups": {"ids": [*_ENDED, "f00000001"]},
    "count_crashes": {"runner_id": "dead", "limit": LIMIT, "suspect_after": 2},
    "take_over_runs": {"runner_id": "dead", "limit": LIMIT},
}


@pytest.fixture(scope="module")
def filled() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for migration in load_migrations("cloaca_sqlite"):
            for statement in split_statements(migration.sql):
                raw.execute(statement)
        for text in _FILL:
            raw.execute(text, {"many": MANY} if ":many" in text else {})
        yield raw


def _thousands_of_steps(raw: sqlite3.Connection, name: str, values: dict[str, object]) -> int:
    """How many thousand steps the statement executes; nothing stays changed."""
    statement = every_statement("cloaca_sqlite", WORDING)[name]
    known = {
        key: json.dumps(value) if isinstance(value, list) else value
        for key, value in values.items()
    }
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    raw.execute("SAVEPOINT before")
    raw.set_progress_handler(step, 1000)
    try:
        raw.execute(statement.sql, [known[each] for each in statement.parameters]).fetchall()
    finally:
        raw.set_progress_handler(None, 0)
        raw.execute("ROLLBACK TO before")
        raw.execute("RELEASE before")
    return count


@each_row("name", _VALUES)
def test_a_statement_executes_a_handful_of_steps(filled: sqlite3.Connection, name: str) -> None:
    assert _thousands_of_steps(filled, name, _VALUES[name]) <= MOST


def test_aged_places_cost_no_more_with_many_that_wait(filled: sqlite3.Connection) -> None:
    values = _CLAIM | {"queues": _QUEUES, "aged": LIMIT // 2}

    assert _thousands_of_steps(filled, "claim", values) <= MOST


def test_a_claim_passes_over_the_runs_of_another_queue(filled: sqlite3.Connection) -> None:
    """However many of them wait."""
    claim = every_statement("cloaca_sqlite", WORDING)["claim"]
    values = _CLAIM | {
        "workflows": json.dumps(_FLOWS),
        "queues": json.dumps(["gpu"]),
        "aged": LIMIT // 2,
    }

    filled.execute("BEGIN")
    found = filled.execute(claim.sql, [values[each] for each in claim.parameters]).fetchall()
    filled.execute("ROLLBACK")

    assert found == []
    assert (
        _thousands_of_steps(filled, "claim", values | {"queues": ["gpu"], "workflows": _FLOWS}) <= 1
    )


@each_row(
    ("index", "name"),
    [
        ("run_claimable", "claim"),
        ("run_owned", "take_over_runs"),
        ("run_due", "make_due_claimable"),
        ("run_parked", "make_claimable_after_set_back"),
        ("run_steered", "list_stop_requests"),
        ("run_paused_until", "list_pauses_over"),
        ("run_start_by", "list_not_begun"),
        ("run_overdue", "first_overdue"),
        ("run_children_due", "parents_to_follow"),
        ("run_pause_follows", "parents_to_follow"),
        ("run_child", "children_under_way"),
        ("run_of_root", "descendants_under_way"),
        ("run_of_parent", "list_children"),
        ("run_follows", "list_follow_ups"),
        ("wait_approval", "list_open_approvals"),
        ("message_unread", "list_unread"),
        ("message_unnumbered", "list_unnumbered"),
        ("message_key", "message_sent"),
        ("act_by", "acted_ids"),
        ("act_of_kind", "list_acts_of_kind"),
        ("act_of_person", "list_acts_of_person"),
        ("run_of_workflow", "workflow_ids"),
        ("run_of_status", "ended_ids"),
        ("run_tag_content", "tagged_ids"),
    ],
)
def test_every_index_is_missed_when_it_is_not_there(
    filled: sqlite3.Connection, index: str, name: str
) -> None:
    """Else one would be kept up to date for nothing, and the test above could not fail.

    An index that is made again is the last one, which the planner prefers among equals.
    """
    filled.execute("BEGIN")
    try:
        filled.execute(f"DROP INDEX cloaca_{index}")
        assert _thousands_of_steps(filled, name, _VALUES[name]) > 2 * MOST
    finally:
        filled.execute("ROLLBACK")
