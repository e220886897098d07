"""However much history a table holds, a claim and a listing read a handful of its rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from every_statement import every_statement
from psycopg import sql
from tables import each_row

from cloaca_core.engine.submit.request import owned_row
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.queries import Statement
from cloaca_postgres.claim_marks import ClaimMarks, Line, Look
from cloaca_postgres.opening import open_dialect
from cloaca_postgres.sessions.session import _numbered
from cloaca_postgres.statements import STATEMENTS, WORDING
from cloaca_postgres.store import columns_of
from cloaca_postgres.url import parse as parse_url
from cloaca_testing.conformance.rows import new_run
from dev.databases.urls import for_libpq

FINISHED = 10_000
GROWN = 2_000
WAITING = 500
LIMIT = 10
MOST = 20 * LIMIT
"""Rows that a statement may look at: far below what any of the tables holds."""

_FILL = (
    """INSERT INTO cloaca_runner VALUES
        ('mine', '', '', 1, 1, 1, 1, 0, 1, 4, NULL), ('dead', '', '', 2, 1, 1, 1, 1, 1, 4, NULL)""",
    """INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, started_at,
            ended_at, idempotency_key, tags, input, parent_id, root_id)
        SELECT 'r' || lpad(n::text, 8, '0'),
            CASE WHEN n <= 5 THEN 'rare' ELSE 'w' || mod(n, 3) END, 'v',
            CASE WHEN mod(n, 50) = 0 THEN 'Failed' ELSE 'Completed' END,
            CASE WHEN mod(n, 2) = 0 THEN 'mine' ELSE 'dead' END, 1, n, n, n, 'k' || n, '{}', '{}',
            CASE WHEN n > 100 THEN 'parent' END,
            CASE WHEN n > 100 THEN 'parent' WHEN n BETWEEN 2 AND 10 THEN 'r00000001' END
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, tags, input,
            priority, claimable_at)
        SELECT 's' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Pending',
            CASE mod(n, 5) WHEN 0 THEN 'mine' WHEN 1 THEN 'dead' END, 0, n, '{}', '{}',
            mod(n, 7), n
        FROM generate_series(1, %(waiting)s) AS n""",
    # claimable
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            priority, claimable_at, overdue_at)
        SELECT 'c' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Pending', 0, n, '{}', '{}',
            mod(n, 5), n, n
        FROM generate_series(1, %(finished)s) AS n""",
    # paused without and with an end, due; children under way
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            paused_at, paused_until, due_at, start_by, parent_id)
        SELECT 'h' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Paused', 0, n, '{}', '{}',
            CASE WHEN mod(n, 3) < 2 THEN n END, CASE WHEN mod(n, 3) = 1 THEN n END,
            CASE WHEN mod(n, 3) = 2 OR mod(n, 4) = 0 THEN n END, n,
            CASE WHEN n <= 9 THEN 'few' END
        FROM generate_series(1, %(finished)s) AS n""",
    # owned, most by a third runner; a few are to be cancelled or paused
    """INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, tags, input,
            cancel_at, paused_at, children_at)
        SELECT 'o' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Running',
            CASE WHEN n <= 40 THEN 'dead' ELSE 'third' END, 1, n, '{}', '{}',
            CASE WHEN n <= 10 OR n BETWEEN 41 AND 50 THEN n END,
            CASE WHEN n BETWEEN 11 AND 20 OR n BETWEEN 51 AND 60 THEN n END,
            CASE WHEN n <= 10 THEN n END
        FROM generate_series(1, %(finished)s) AS n""",
    # parked
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            due_at, claimable_at)
        SELECT 'p' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Waiting', 0, n, '{}', '{}',
            100000 + n, n
        FROM generate_series(1, %(finished)s) AS n""",
    """UPDATE cloaca_run SET children_at = 5 WHERE id BETWEEN 'r00000001' AND 'r00000050'""",
    """UPDATE cloaca_run SET pause_follows = 1, pause_id = 'x'
        WHERE id BETWEEN 'r00000051' AND 'r00000060'""",
    """INSERT INTO cloaca_tombstone VALUES ('r00000001', 1)""",
    """UPDATE cloaca_upkeep SET holder = 'mine'""",
    """INSERT INTO cloaca_act
        SELECT 'a1', 'r' || lpad(n::text, 8, '0'), 'w', 1, 'cancel', 'ann', NULL, 1, n
        FROM generate_series(1, %(finished)s) AS n""",
    # the newest acts are submissions
    """INSERT INTO cloaca_act
        SELECT run_id, run_id, 'w', 1, 'submit', 'ann', NULL, 1, created_at + %(finished)s
        FROM cloaca_act""",
    # a workflow that was paused many times
    """INSERT INTO cloaca_act
        SELECT 'p' || lpad(n::text, 8, '0'), '', 'often', 0, 'pause', 'ann', NULL, 1, n
        FROM generate_series(1, %(finished)s) AS n""",
    # a person and a kind whose acts are older than those of others, and on older runs
    """INSERT INTO cloaca_act
        SELECT 'b' || n, 'b' || n, 'w', 1, 'retry', 'bob', NULL, 1, 1
        FROM generate_series(1, %(finished)s) AS n""",
    "INSERT INTO cloaca_paused_workflow (workflow, paused_at) VALUES ('often', %(finished)s)",
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            schedule_id, behind)
        SELECT 'q' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Pending', 0, n, '{}', '{}',
            's' || lpad(mod(n, 100)::text, 8, '0'), 'r' || lpad(n::text, 8, '0')
        FROM generate_series(1, %(waiting)s) AS n""",
    """INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, crashes)
        SELECT id, 'task' || n, 1, epoch, CASE WHEN ended_at IS NULL THEN 'Running' ELSE status END,
            0
        FROM cloaca_run, generate_series(1, 2) AS n""",
    """INSERT INTO cloaca_attempt (run_id, task_id, item, attempt, epoch, status, crashes)
        SELECT id, 'task1', n, 1, epoch, 'Completed', 0
        FROM cloaca_run, generate_series(0, 1) AS n WHERE id BETWEEN 'r00000500' AND 'r00001500'""",
    """INSERT INTO cloaca_map SELECT id, 'task1', 1, epoch, 'v', 2, 'd', 1 FROM cloaca_run""",
    """INSERT INTO cloaca_memo
        SELECT id, 'task1', 'step', 'call', n, 'h', 1, '1', 0, n
        FROM cloaca_run, generate_series(1, 2) AS n""",
    # waits, few of which are approvals; messages, most of which were read
    """INSERT INTO cloaca_wait
        SELECT id, 'task1', 'event', 'paid', 0, 1, '', created_at, NULL, '{}', 0 FROM cloaca_run""",
    """INSERT INTO cloaca_wait
        SELECT id, 'sign', 'approval', 'sign', 0, 1, '', created_at, NULL, '{}', 0 FROM cloaca_run
        WHERE id BETWEEN 'c00000001' AND 'c00000009'""",
    """INSERT INTO cloaca_message
        SELECT id, 'm' || n, n, 'event', 'paid', '1', 'k' || n, NULL, n, 'task1'
        FROM cloaca_run, generate_series(1, 2) AS n""",
    """INSERT INTO cloaca_message
        SELECT 'c00000001', 'n' || n, 2 + n, 'event', 'paid', '1', 'n' || n, NULL, n,
            CASE WHEN n < %(finished)s - 2 THEN 'task1' END
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_message
        SELECT 'c00000001', 'u' || n, NULL, 'event', 'paid', '1', 'u' || n, NULL, n
        FROM generate_series(1, 9) AS n""",
    """UPDATE cloaca_run SET messages = %(finished)s + 2 WHERE id = 'c00000001'""",
    """UPDATE cloaca_run SET messages = 2 WHERE id BETWEEN 'o00000061' AND 'o00000070'""",
    """INSERT INTO cloaca_run_tag SELECT id, 'all', 'x' FROM cloaca_run""",
    """INSERT INTO cloaca_run_tag SELECT id, 'some', workflow FROM cloaca_run""",
    """INSERT INTO cloaca_schedule
        SELECT 's' || lpad(n::text, 8, '0'), 'name' || n, 'w' || mod(n, 3), '* * * * *', 'UTC', 1,
            'skip', 'allow', 0, NULL, NULL, '{}', n, n, n, NULL, 0, n, n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_tick SELECT 's', n, 'r' || n, 'Fired', n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_lost SELECT 's', n, 1, n FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_trigger
        SELECT 's' || lpad(n::text, 8, '0'), 'name' || n, 'w' || mod(n, 3), 5000, NULL, NULL, 0, 1,
            NULL, n, 0, n, n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_event
        SELECT 'e' || lpad(n::text, 8, '0'), 's' || lpad(mod(n, 9)::text, 8, '0'), 'k' || n, 'h',
            'r' || lpad(n::text, 8, '0'), n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            schedule_id, context_hash, parent_id)
        SELECT 't' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Pending', 0, n, '{}', '{}',
            's00000200', 'h' || n, 'parent'
        FROM generate_series(1, %(waiting)s) AS n""",
    """INSERT INTO cloaca_event
        SELECT 'f' || lpad(n::text, 8, '0'), 's00000200', NULL, 'h' || n,
            't' || lpad(n::text, 8, '0'), n
        FROM generate_series(1, %(waiting)s) AS n""",
    """INSERT INTO cloaca_definition SELECT 'w' || mod(n, 3), 'v' || n, 'w', '{}', n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_workflow SELECT 'full' || n, 'v', 'name' || n, 'short' || n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, ended_at, tags,
            input, follows, follows_round, follows_place)
        SELECT 'u' || lpad(n::text, 8, '0'), 'w' || mod(n, 3), 'v', 'Completed', 0, n, n, '{}',
            '{}', 'r' || lpad(n::text, 8, '0'), 1, 0
        FROM generate_series(1, %(finished)s) AS n""",
    # a tree of many ended children, of which one has children under way
    """UPDATE cloaca_run SET parent_id = 'c00000001', root_id = 'c00000001' WHERE follows > ''""",
    """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,
            parent_id, root_id)
        SELECT 'l' || lpad(n::text, 8, '0'), 'w1', 'v', 'Pending', 0, n, '{}', '{}', 'u00000007',
            'c00000001'
        FROM generate_series(1, 9) AS n""",
    # ends of which parents are to hear; children that are cancelled with their runner
    """UPDATE cloaca_run SET child_kind = 'node' WHERE id BETWEEN 'r00000101' AND 'r00000110'""",
    """UPDATE cloaca_run SET child_kind = 'node', parent_id = 'few', status = 'Cancelled'
        WHERE id BETWEEN 'o00000001' AND 'o00000010'""",
    # left: many by other runners, a few by this one
    """INSERT INTO cloaca_unserved SELECT 'other' || n, 'c' || lpad(n::text, 8, '0'), '["gone"]'
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_unserved SELECT 'mine', 'c' || lpad(n::text, 8, '0'), '["gone"]'
        FROM generate_series(1, 9) AS n""",
    # limits: keys of one with places and without, and a long line of one key
    """INSERT INTO cloaca_limit SELECT 'n' || n, '{}', '{}', 'n' || n, n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_limit_line
        SELECT '["n1", "' || n || '"]', 'n1', n::text, 1, 0, 1,
            CASE WHEN mod(n, 2) = 0 THEN 0 ELSE n END, 0, n, n, 0, NULL, NULL, NULL, 0
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_limit_waiter
        SELECT 'w' || n, 'load', -1, '["n1", "1"]', CASE WHEN n <= 9 THEN 'mine' ELSE 'other' END,
            0, n, 1, '[]'
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_limit_grant
        SELECT 'g' || n, 'n1', n, 'r' || n, 'load', -1,
            CASE WHEN n <= 9 THEN 'mine' ELSE 'other' END, '[]', n
        FROM generate_series(1, %(finished)s) AS n""",
    """INSERT INTO cloaca_limit_grant SELECT 'u' || n, 'n1', n, 'u' || n, '', -1, NULL, '[]', n
        FROM generate_series(1, 9) AS n""",
    """INSERT INTO cloaca_when_ended SELECT 'full' || n, 'v', 0, 'Cancelled', 'full1', '{}'
        FROM generate_series(1, %(finished)s) AS n""",
)
_MINE = [f"s{n:08}" for n in range(5, 5 * (LIMIT + 1), 5)]
_ENDED = [f"r{n:08}" for n in range(1, LIMIT + 1)]
_ACTS: dict[str, object] = {"at": 2**63 - 1, "act_id": "", "run_id": "", "limit": LIMIT}
_LISTING: dict[str, object] = {
    "before": "\U0010ffff",
    "after": "",
    "limit": LIMIT,
    "since": None,
    "until": None,
    "error": None,
}
_ANY: dict[str, object] = {"status": None, "workflow": None, "parent_id": None}
_EVENT: dict[str, object] = {
    "id": "new",
    "trigger_id": "s00000200",
    "generation": None,
    "event_key": "new",
    "context_hash": "another",
    "workflow": "rare",
    "allow_concurrent": 0,
    "run_id": "new",
    "created_at": 1,
}
_MEMOS: dict[str, object] = {
    "run_id": _MINE,
    "task_id": ["task1"] * len(_MINE),
    "kind": ["step"] * len(_MINE),
    "name": ["call"] * len(_MINE),
    "number": [1] * len(_MINE),
    "item": [-1] * len(_MINE),
    "input_hash": ["other"] * len(_MINE),
    "attempt": [1] * len(_MINE),
    "value": ["2"] * len(_MINE),
    "calls": [0] * len(_MINE),
    "created_at": [1] * len(_MINE),
    "runner_id": ["mine"] * len(_MINE),
    "fence": [1] * len(_MINE),
}
_WAITS: dict[str, object] = {
    "run_id": _MINE,
    "task_id": ["task1"] * len(_MINE),
    "kind": ["event"] * len(_MINE),
    "name": ["paid"] * len(_MINE),
    "number": [0] * len(_MINE),
    "item": [-1] * len(_MINE),
    "runner_id": ["mine"] * len(_MINE),
    "fence": [0] * len(_MINE),
}
_NEW_WAITS: dict[str, object] = {
    "attempt": [1] * len(_MINE),
    "input_hash": [""] * len(_MINE),
    "opened_at": [1] * len(_MINE),
    "due_at": [1] * len(_MINE),
    "detail": ["{}"] * len(_MINE),
    "timed_out": [0] * len(_MINE),
}
_MAPS: dict[str, object] = {
    "run_id": _MINE,
    "task_id": ["task1"] * len(_MINE),
    "attempt": [1] * len(_MINE),
    "epoch": [1] * len(_MINE),
    "version": ["v"] * len(_MINE),
    "items": [3] * len(_MINE),
    "digest": ["d"] * len(_MINE),
    "decision": [1] * len(_MINE),
    "labels": [None] * len(_MINE),
    "again": [None] * len(_MINE),
    "runner_id": ["mine"] * len(_MINE),
    "fence": [0] * len(_MINE),
}
_ITEMS: dict[str, object] = {"run_id": "r00000600", "task_id": "task1", "first": 0, "last": 9}
_FIRST: dict[str, object] = {
    "run_id": _MINE,
    "id": ["new"] * len(_MINE),
    "kind": ["event"] * len(_MINE),
    "name": ["paid"] * len(_MINE),
    "payload": ["1"] * len(_MINE),
    "dedupe_key": ["new"] * len(_MINE),
    "sent_by": ["ann"] * len(_MINE),
    "sent_at": [1] * len(_MINE),
}
_NODE_CHILDREN: dict[str, object] = {
    "run_id": _MINE,
    "id": [f"n{n:08}" for n in range(len(_MINE))],
    "workflow": ["w1"] * len(_MINE),
    "version": ["v"] * len(_MINE),
    "input": ["{}"] * len(_MINE),
    "tags": ["{}"] * len(_MINE),
    "idempotency_key": [f"{run_id}::n::i-1.0@1" for run_id in _MINE],
    "created_at": [1] * len(_MINE),
    "priority": [0] * len(_MINE),
    "time_limit": [None] * len(_MINE),
    "deadline_at": [None] * len(_MINE),
    "queue": ["default"] * len(_MINE),
    "asked_queue": ["gpu"] * len(_MINE),
    "trace": [None] * len(_MINE),
    "owner": ["mine"] * len(_MINE),
    "replacements": [0] * len(_MINE),
    "runner_id": ["mine"] * len(_MINE),
    "fence": [0] * len(_MINE),
}
_OPENED_NODES: dict[str, object] = {
    "run_id": _MINE,
    "task_id": ["n"] * len(_MINE),
    "attempt": [1] * len(_MINE),
    "opened_at": [1] * len(_MINE),
    "child_id": _NODE_CHILDREN["id"],
    "runner_id": ["mine"] * len(_MINE),
    "fence": [0] * len(_MINE),
}
_SENT: dict[str, object] = {
    "run_id": "c00000001",
    "id": "new",
    "kind": "event",
    "name": "paid",
    "dedupe_key": "new",
    "for_task": None,
    "for_item": -1,
}
_MAIL: dict[str, object] = {"ids": ["c00000001", *_MINE]}
_FLOWS = ["w0", "w1", "none"]
_RANGES: dict[str, object] = {
    "workflow": ["w0", "w1", "w2"],
    "queue": [None] * 3,
    "lowest": [-(2**63)] * 3,
    "highest": [2**63 - 1] * 3,
    "since": [-(2**63)] * 3,
    "after": [""] * 3,
    "runner_id": "mine",
}
_CLAIM: dict[str, object] = {**_RANGES, "limit": LIMIT}
_STEERED: dict[str, object] = {"ids": _MINE + _ENDED + [f"h{n:08}" for n in range(1, LIMIT)]}
_ACT = {"id": "new", "now": 1, "asked_by": "ann", "reason": None}
_WISHED: dict[str, object] = {"id": "a1", "now": 1, "because": ""}
_LEFT: dict[str, object] = {"ids": _MINE, "runner_id": "mine", "fence": 0, "tasks": "[]"}
_GIVEN_UP: dict[str, object] = {"runner_id": "dead", "held": []}
_VALUES: dict[str, dict[str, object]] = {
    "claim": {**_CLAIM, "now": 1, "aged": 2, "store_now": 1},
    "next_due_run": {"workflows": _FLOWS},
    "make_due_claimable": {"workflows": _FLOWS, "limit": LIMIT, "now": FINISHED},
    "make_claimable_after_set_back": {
        "workflows": _FLOWS,
        "limit": LIMIT,
        "now": FINISHED - LIMIT,
    },
    "set_ran_version": {"runner_id": "mine", "ids": _MINE, "version": "v"},
    "run_as_it_stands": {"run_id": "q00000001"},
    "pause_of_workflow": {"run_id": "c00010000"},
    "list_pauses": {},
    "claimable_ahead": {"run_id": "c00010000", "most": LIMIT},
    "outline_attempts": {"run_id": "c00010000"},
    "restarts_of_run": {"run_id": "c00010000"},
    "unended_children": {"run_id": "few", "most": LIMIT},
    "runner_loads": {"run_id": "c00010000", "most": LIMIT},
    "lock_schedules_of": _STEERED,
    "lock_steered": _STEERED,
    "note_cancel": _STEERED | _ACT | {"parent_id": "parent"},
    "list_ended_parents": {"ids": ["parent", *_ENDED]},
    "cancel_unowned": _STEERED | _WISHED | {"deadline": 1, "children": 1},
    "cancel_owned": {**_STEERED, "id": "a1", "because": "", "deadline": 1, "children": 1},
    "pause_runs": _STEERED | _WISHED | {"until": 1, "children": 1},
    "pause_new_children": {**_STEERED, "runner_id": "mine"},
    "note_pause_of_children": _STEERED | _ACT | {"parent_id": "few"},
    "pause_children": _STEERED | _WISHED | {"parent_id": "few"},
    "note_resume_of_children": _STEERED | _ACT | {"parent_id": "few"},
    "children_out_of_step": {"ids": ["few"], "limit": LIMIT},
    "descendants_under_way": {"ids": ["c00000001"], "limit": LIMIT},
    "descendants_out_of_step": {"ids": ["c00000001"], "limit": LIMIT},
    "forget_pauses": {"ids": [*_ENDED, "c00000001"]},
    "resume_runs": _STEERED | {"id": "a1", "now": 1, "replaced": 1},
    "note_retry": _STEERED | _ACT | {"round": 1, "parent_id": "parent", "parent_epoch": 1},
    "keep_round": _STEERED | {"id": "a1"},
    "reopen_run": _STEERED | {"id": "a1", "now": 1, "time_limit": None},
    "acted": _STEERED | {"id": "a1"},
    "conclude_act": _STEERED | {"id": "a1"},
    "list_stop_requests": {"runner_id": "third"},
    "next_steered": {},
    "list_not_begun": {"now": FINISHED, "limit": LIMIT},
    "note_expiry": _STEERED | _ACT,
    "expire_runs": _STEERED | _WISHED,
    "list_pauses_over": {"now": FINISHED, "limit": LIMIT},
    "parents_to_follow": {"limit": LIMIT},
    "children_under_way": {"ids": ["parent"], "limit": LIMIT},
    "list_children": {"ids": ["few", "none"]},
    "list_stopped_with_parents": {"ids": [*_MINE, "l00000001"]},
    "list_paused_with_parents": {"ids": [*_MINE, "l00000001"]},
    "forget_children": {"ids": [*_ENDED, "c00000001"]},
    "list_acts": _ACTS,
    "list_asked_acts": _ACTS,
    "list_acts_of_kind": _ACTS | {"kind": "retry"},
    "list_acts_of_person": _ACTS | {"asked_by": "ann", "kind": "retry"},
    "search_acts_of_run": _ACTS | {"of_run": "r00000001", "asked_by": None, "kinds": ["retry"]},
    "kinds_of_person": {"asked_by": "ann"},
    "list_acts_of_run": {"run_id": "r00000001", "limit": LIMIT},
    "lock_schedules_of_owned": _GIVEN_UP,
    "lock_owned": {**_GIVEN_UP, "limit": LIMIT},
    "mark_cancelled": {**_GIVEN_UP, "fenced": 1},
    "start_after_cancelled": {"runner_id": "dead"},
    "end_cancelled": {"runner_id": "dead", "now": 1},
    "has_claimable": _RANGES,
    "first_overdue": {"workflows": _FLOWS, "queues": ["gpu"], "limit": LIMIT},
    "note_unserved": _LEFT,
    "forget_ended": {"runner_id": "mine"},
    "leave_run": {name: value for name, value in _LEFT.items() if name != "tasks"}
    | {"has_begun": 0},
    "list_left": {"ids": _MINE, "runner_id": "mine"},
    "forget_unserved": {"runner_id": "mine", "workflows": _FLOWS},
    "forget_runner": {"runner_id": "gone"},
    "set_planned_version": {"ids": _ENDED, "id": "a1", "version": "w"},
    "serve_again": {"ids": [*_ENDED, "c00000001"], "id": "a1"},
    "runners_without_tasks": {"run_id": "c00000001"},
    "load_attempts": {"ids": _MINE},
    "list_outcomes": {"ids": _MINE},
    "load_memos": {"run_id": "r00000001", "task_id": "task1", "item": -1},
    "record_map": _MAPS,
    "load_maps": {"ids": _MINE},
    "load_items": _ITEMS,
    "load_items_without_results": _ITEMS,
    "copy_maps": {
        "id": "r00000002",
        "source_id": "r00000001",
        "kept": ["task1"],
        "opened_for": None,
    },
    "list_restarted_items": {"ids": _MINE},
    "choose_items": {"run_id": _MINE, "task_id": ["task1"] * len(_MINE), "item": [0] * len(_MINE)},
    "copy_memos": {"source_id": "r00000001", "id": "r00000002", "memos_of": ["task1"]},
    "record_memo": _MEMOS,
    "record_wait": _WAITS | _NEW_WAITS,
    "time_out_wait": _WAITS | {"seen": [9] * len(_MINE)},
    "list_timed_out": {"ids": _MINE},
    "drop_waits_of_cancelled": {"runner_id": "dead"},
    "drop_waits": {"ids": [*_MINE, *_ENDED]},
    "take_message": {
        name: _WAITS[name] for name in ("run_id", "task_id", "item", "runner_id", "fence")
    }
    | {"message": ["m1"] * len(_MINE)},
    "close_wait": _WAITS,
    "tell_parents": {"ids": [f"r{n:08}" for n in range(101, 101 + LIMIT)]},
    "tell_of_cancelled": {"runner_id": "dead", "now": 1},
    "mark_failed_parents": {"ids": [f"r{n:08}" for n in range(50, 1000, 50)], "runner_id": "mine"},
    "insert_node_child": _NODE_CHILDREN,
    "list_node_children": {"ids": _NODE_CHILDREN["id"], "runner_id": "mine"},
    "mark_opened_node": _OPENED_NODES | {"replacements": [0] * len(_MINE)},
    "record_wait_of_opened_node": _OPENED_NODES | {"detail": ["{}"] * len(_MINE)},
    "runs_above": {"run_id": "l00000001", "most": LIMIT},
    "insert_first_message": _FIRST,
    "count_first_message": {"run_id": _MINE, "id": ["m1"] * len(_MINE)},
    "insert_message": _SENT | {"payload": "1", "sent_by": None, "sent_at": 1, "most": LIMIT},
    "wake_waiting": _MAIL | {"now": 1},
    "count_messages": _MAIL,
    "message_sent": _SENT,
    "number_messages": _MAIL,
    "drop_repeated": _MAIL,
    "list_unnumbered": {"limit": LIMIT},
    "list_waits": {"ids": ["c00000001", *_MINE]},
    "list_unread": {"ids": ["c00000001", *_MINE], "after": 0},
    "list_sent": {"run_id": "r00000001", "limit": LIMIT},
    "list_open_approvals": {"workflow": None, "limit": LIMIT},
    "forget_waits": {"ids": _ENDED, "id": "a1"},
    "copy_messages": {"id": "r00000002", "source_id": "r00000001", "kept": ["task1"]},
    "fence_runs": {"ids": _MINE, "runner_id": "mine"},
    "owned_runs": {"ids": _MINE, "runner_id": "mine"},
    "find_keys": {"keys": ['["rare", "k1"]', '["w0", "k6"]']},
    "release": {"held": _MINE, "runner_id": "none"},
    "count_crashes": {"runner_id": "dead", "limit": LIMIT, "suspect_after": 2},
    "take_over_runs": {"runner_id": "dead", "limit": LIMIT},
    "remove_emptied_runner": {"runner_id": "dead"},
    "get_run": {"id": "r00000001"},
    "ended_runs": {"ids": _ENDED},
    "next_due": {"workflows": ["w0", "w1", "none"]},
    "due_schedules": {"workflows": ["w0", "w1", "none"], "now": LIMIT, "limit": LIMIT},
    "schedules_ahead": {"workflows": ["w0", "w1", "none"], "now": 1, "edge": LIMIT, "limit": LIMIT},
    "get_schedule": {"id": "s00000001"},
    "get_schedule_named": {"name": "name1"},
    "list_schedules": {"enabled_only": 1, "limit": LIMIT, "offset": 0},
    "list_ticks": {"schedule_id": "s", "limit": LIMIT, "offset": 0},
    "find_ticks": {"schedule_id": "s", "ticks": list(range(1, LIMIT + 1))},
    "count_ticks": {"since": FINISHED - LIMIT},
    "lock_runs": {"ids": _ENDED, "runner_id": "mine"},
    "start_next": {"ids": _ENDED},
    "list_under_way": {"schedule_ids": ["s00000001", "s00000002"]},
    "lock_schedules": {"ids": ["s00000001", "s00000002"]},
    "lock_triggers": {"ids": ["s00000001", "s00000002"]},
    "insert_event": _EVENT,
    "triggers_named": {"names": ["name1", "name2"]},
    "list_triggers": {"enabled_only": 1, "limit": LIMIT, "offset": 0},
    "known_events": {"trigger_id": "s00000001", "keys": ["k1", "k2"]},
    "list_events": {"trigger_id": "s00000001", "limit": LIMIT, "offset": 0},
    "newest_definitions": {"workflows": ["full1", "full2"]},
    "definitions_named": {"name": "name1"},
    "get_definition": {"workflow": "w1", "version": "v1"},
    "list_waiting": {"runner_id": "mine", "most": LIMIT, "gone": ["dead"]},
    "follow_ends": {"ids": _ENDED, "now": 1, "reason_code": "cancelled"},
    "follow_cancelled": {"runner_id": "dead", "now": 1},
    "list_follow_ups": {"ids": [*_ENDED[:5], "u00000001", "none"]},
    "list_runs": _LISTING,
    "list_active_runs": {**_LISTING, **_ANY, "status": "Running"},
    "count_active_runs": {
        **{name: value for name, value in _LISTING.items() if name != "limit"},
        **_ANY,
        "status": "Cancelling",
    },
    "list_ended_runs": {**_LISTING, "status": "Failed", "workflow": None},
    "list_runs_of_workflow": {**_LISTING, "workflow": "rare", "status": None},
    "list_runs_of_parent": {**_LISTING, **_ANY, "parent_id": "parent"},
    "list_runs_of_tag": {**_LISTING, **_ANY, "tag": "some", "content": "rare", "others": []},
}


_ROOTS = [f"r{n:08}" for n in range(20, 20 + LIMIT)]
_TREE: dict[str, object] = {"ids": [f"r{n:08}" for n in range(1, 1 + LIMIT)], "holder": "mine"}
_TICKS: dict[str, object] = {"schedule_id": "s", "before": 500, "limit": LIMIT, "holder": "mine"}
_VALUES |= {
    "find_parents": {"ids": _ROOTS},
    "lock_roots": {"ids": _ROOTS},
    "free_key": {"workflow": "w1", "idempotency_key": "k7"},
    "list_expired": {
        "workflow": "w1",
        "before": 10**9,
        "after": "r",
        "newest": "r00000060",
        "limit": LIMIT,
    },
    "lock_expired": {"ids": _ROOTS},
    "hide_trees": {"ids": _ROOTS, "before": 10**9, "now": 1, "holder": "mine"},
    "weigh_trees": {"ids": ["r00000001", "r00000020"]},
    "list_doomed": {"limit": LIMIT, "most": LIMIT},
    "lock_ticked_schedules": {"ids": _ROOTS},
    "raise_marks": _TREE,
    "erase_ticks_of": _TREE,
    "erase_events_of": _TREE,
    "erase_attempts": _TREE,
    "erase_tags": _TREE,
    "erase_acts": _TREE,
    "erase_rounds": _TREE,
    "erase_restarts": _TREE,
    "erase_forks": _TREE,
    "erase_replacements": _TREE,
    "erase_unserved": _TREE,
    "erase_memos": _TREE,
    "erase_waits": _TREE,
    "erase_messages": _TREE,
    "erase_runs": _TREE,
    "erase_tombstones": _TREE,
    "trim_attempts": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "trim_acts": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "trim_restarts": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "trim_replacements": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "trim_memos": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "trim_waits": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "trim_messages": {"run_id": "r00000001", "limit": LIMIT, "holder": "mine"},
    "raise_mark": _TICKS,
    "erase_ticks": _TICKS,
    "erase_lost": _TICKS,
}

_LINES: dict[str, object] = {"ids": ['["n1", "1"]']}
_FIRST_WAITERS = _LINES | {"name": "n1", "since": 0, "most": LIMIT, "depth": LIMIT}
_VALUES |= {
    "lock_limits": {"names": ["n1", "n2"]},
    "read_lines": _LINES,
    "open_lines": {"names": ["n1"], "after": 0, "now": 2 * LIMIT},
    "next_opening": {"names": ["n1"], "now": 2 * LIMIT},
    "first_waiters": _FIRST_WAITERS | {"rank": 0},
    "oldest_waiters": _FIRST_WAITERS,
    "leave_waiters": {"runner_id": "mine"},
    "list_waiting_needs": {"runner_id": "mine"},
    "remove_waiters": {"run_id": ["w1"], "task_id": ["load"], "item": [-1]},
    "give_back": {"ids": ["g1"], "runner_id": "mine"},
    "give_back_all": {"runner_id": "mine"},
    "list_grants": {"runner_id": "mine", "name": "n1", "after": 0},
    "adopt_grants": {"ids": ["r1"], "runner_id": "mine"},
    "list_waiting_of": {"ids": ["w1"]},
    "held_above": {"ids": ["few"]},
    "find_unclaimed": {"ids": ["u1"]},
    "list_unclaimed": {"limit": LIMIT},
    "wake_granted": {"ids": ["few"], "now": 1},
    "leave_ended": {"ids": ["w1"]},
}

_PAGE: dict[str, object] = {"before": "\U0010ffff", "after": "", "most": LIMIT}
_CONDITIONS = [
    json.dumps(each)
    for each in (
        ["status", 1, "", ["Running"]],
        ["workflow", 0, "", ["w0", "w1", "w2", "rare"]],
        ["parent", 1, "", ["few"]],
        ["id", 0, "", ["r"]],
        ["error", 1, "", ["broke"]],
        ["queue", 1, "", ["gpu"]],
        ["act", 1, "", ["act1"]],
        ["tag", 1, "some", ["y"]],
        ["task", 0, "", ["task1"]],
        ["by", 1, "", ["bob"]],
    )
]
_FAMILY: dict[str, object] = {"run_id": "parent", "depth": 3, "most": LIMIT}
_SEARCHED: dict[str, dict[str, object]] = {
    "newest_ids": _PAGE,
    "active_ids": _PAGE | {"value": "Paused"},
    "ended_ids": _PAGE | {"value": "Failed"},
    "workflow_ids": _PAGE | {"value": "rare"},
    "child_ids": _PAGE | {"value": "few"},
    "top_ids": _PAGE | {"before": "i"},  # the runs below others are newer
    "list_family": _FAMILY,
    "list_links": {"ids": ["parent", "few"], "most": LIMIT},
    "list_children_of_family": _FAMILY | {"counted": LIMIT, "above": "~"},
    "tagged_ids": _PAGE | {"key": "some", "value": "rare"},
    "acted_ids": _PAGE | {"value": "bob"},
    "list_actors": {"names": ["ann", "bob"]},
    "match_runs": {
        "ids": _ENDED,
        "conditions": _CONDITIONS,
        "since": None,
        "until": None,
        "ended_since": None,
    },
    "count_newest": {"value": "rare", "most": LIMIT},
    "count_active": {"value": "Paused", "most": LIMIT},
    "count_made": {"value": "rare", "spans": [" " * 13 + "~" * 13], "most": LIMIT},
    "count_owned": {"value": "third", "most": LIMIT},
    "failed_ids": {"since": FINISHED - 500, "most": LIMIT},
    "list_failures": {"since": FINISHED - 500, "most": LIMIT},
    "longest_claimable": {},
}
_VALUES |= _SEARCHED

# Sessions that read plan for the values that are given, those that write once and for all.
_READ = frozenset(
    (
        *(
            "count_active_runs",
            "get_run",
            "ended_runs",
            "load_attempts",
            "list_outcomes",
            "load_memos",
            "load_maps",
            "load_items",
            "load_items_without_results",
            "has_claimable",
            "first_overdue",
            "next_due",
            "due_schedules",
            "list_grants",
            "list_waiting_of",
            "held_above",
            "list_unclaimed",
        ),
        *("get_schedule", "get_schedule_named", "list_schedules", "list_ticks", "count_ticks"),
        *("list_under_way", "find_ticks", "schedules_ahead", "list_waiting"),
        *("triggers_named", "list_triggers", "known_events", "list_events"),
        *("newest_definitions", "definitions_named", "get_definition"),
        *(
            "next_due_run",
            "list_stopped_with_parents",
            "list_stop_requests",
            "next_steered",
            "list_pauses_over",
        ),
        *("list_not_begun", "list_paused_with_parents"),
        *(
            "parents_to_follow",
            "children_under_way",
            "list_acts",
            "list_asked_acts",
            "list_acts_of_kind",
            "list_acts_of_person",
            "kinds_of_person",
            "list_acts_of_run",
            "search_acts_of_run",
        ),
        *("list_children", "children_out_of_step", "list_follow_ups", "run_as_it_stands"),
        *("descendants_under_way", "descendants_out_of_step", "runs_above"),
        *("pause_of_workflow", "list_pauses", "claimable_ahead", "outline_attempts"),
        "restarts_of_run",
        *("unended_children", "runner_loads", "runners_without_tasks", "list_left"),
        *("list_expired", "weigh_trees", "list_doomed"),
        *("list_unnumbered", "list_waits", "list_unread", "list_sent", "list_open_approvals"),
        *_SEARCHED,
    )
)


def _plans(name: str) -> str:
    is_read = name in _READ or name.startswith("list_runs")
    return "force_custom_plan" if is_read else "force_generic_plan"


_WRITTEN = [name for name in _VALUES if _plans(name) == "force_generic_plan"]


def _statement(name: str) -> Statement:
    return every_statement("cloaca_postgres", WORDING)[name]


@pytest.fixture(scope="module")
def filled(postgres_database: str) -> Iterator[psycopg.Connection]:
    """A session as the store uses it, in a schema with much history."""
    with _connected(postgres_database, "plans") as connection:
        _fill(connection, FINISHED)
        connection.execute("ANALYZE")
        yield connection


@pytest.fixture(scope="module")
def grown(postgres_database: str) -> Iterator[psycopg.Connection]:
    """A session that has planned all that it writes before there was anything in the tables.

    It makes its plans anew, of full tables without statistics, when other sessions of the server
    change so many tables that it cannot follow. These plans must be good too.
    """
    with _connected(postgres_database, "grown") as connection:
        connection.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")
        for name in _WRITTEN:
            statement = _statement(name)
            prepare = sql.SQL("PREPARE {} AS ").format(sql.Identifier(name)).as_string()
            connection.execute(prepare.encode() + _numbered(statement).sql)
            _explain(connection, name, name)
        _fill(connection, GROWN)
        yield connection


@contextmanager
def _connected(database: str, schema: str) -> Iterator[psycopg.Connection]:
    async def migrated() -> None:
        options = StoreOptions(schema=schema)
        await (await open_dialect(parse_url(database), options)).close()

    asyncio.run(migrated())
    with psycopg.connect(for_libpq(database)) as connection:
        enter = STATEMENTS.enter_session
        settings = {"schema": schema, "statement_timeout": "60s", "plan_cache_mode": "auto"}
        values = enter.bind(**settings, durable=1, pid=connection.info.backend_pid)
        connection.execute(enter.sql.encode(), values)
        yield connection


def _fill(connection: psycopg.Connection, finished: int) -> None:
    for statement in _FILL:
        connection.execute(statement.encode(), {"finished": finished, "waiting": WAITING})


def _rows_read(connection: psycopg.Connection, name: str) -> int:
    """How many rows of our tables the statement looks at, by the plan that the store gets."""
    return sum(map(_read_by, _store_plan(connection, name)))


def _store_plan(connection: psycopg.Connection, name: str) -> list[dict[str, Any]]:
    """The nodes of the plan that the store gets for a statement, which is executed."""
    text = _numbered(_statement(name)).sql
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('plan_cache_mode', %s, true)", [_plans(name)])
        connection.execute(b"PREPARE plan AS " + text)
        try:
            return _plan(connection, name, "plan")
        finally:
            connection.execute("DEALLOCATE plan")


def _explain(connection: psycopg.Connection, name: str, prepared: str) -> int:
    """How many rows the statement looks at that was prepared under this name."""
    return sum(map(_read_by, _plan(connection, name, prepared)))


def _plan(connection: psycopg.Connection, name: str, prepared: str) -> list[dict[str, Any]]:
    return list(_nodes(_executed(connection, name, prepared, _VALUES[name])))


def _executed(
    connection: psycopg.Connection, name: str, prepared: str, given_values: dict[str, object]
) -> dict[str, Any]:
    """The plan of a prepared statement, which is executed and undone."""
    statement = _statement(name)
    indexes = _numbered(statement).indexes
    bound = statement.bind(**given_values)
    values = sql.SQL(", ").join([sql.Literal(bound[index]) for index in indexes])
    given = sql.SQL("({})").format(values) if indexes else sql.SQL("")
    explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {} {}")
    with connection.transaction(force_rollback=True):
        query = explain.format(sql.Identifier(prepared), given)
        (((plan,),),) = connection.execute(query).fetchall()
    outermost: dict[str, Any] = plan["Plan"]
    return outermost


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _read_by(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"] or not node.get("Relation Name", "").startswith("cloaca_"):
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return int((rows + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"])


@each_row("name", _VALUES)
def test_a_statement_reads_a_handful_of_rows(filled: psycopg.Connection, name: str) -> None:
    assert _rows_read(filled, name) <= MOST


def test_gauges_look_at_no_run_that_has_ended(filled: psycopg.Connection) -> None:
    """They count all others, so most of those that the table has here are put away for this."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {_statement('read_gauges').sql}"
    with filled.transaction(force_rollback=True):
        filled.execute("DELETE FROM cloaca_run WHERE ended_at IS NULL AND NOT starts_with(id, 's')")
        filled.execute("ANALYZE cloaca_run")
        (((plan,),),) = filled.execute(explain.encode()).fetchall()

    assert sum(map(_read_by, _nodes(plan["Plan"]))) <= 2 * WAITING + MOST


@each_row("name", _WRITTEN)
def test_a_plan_that_is_as_old_as_the_tables_is_good_when_they_are_full(
    grown: psycopg.Connection, name: str
) -> None:
    assert _explain(grown, name, name) <= MOST


def test_every_index_is_missed_when_it_is_not_there(filled: psycopg.Connection) -> None:
    """Else one would be kept up to date for nothing, and the test above could not fail."""
    found = filled.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'plans' AND NOT indexname ~ '_pkey$' "
        # the whole primary key is read then, uncounted
        "AND indexname NOT IN ('cloaca_unserved_run', 'cloaca_wait_approval')"
    ).fetchall()
    assert found

    read_by = {
        name: {node.get("Index Name") for node in _store_plan(filled, name)} for name in _VALUES
    }
    for (index,) in found:
        # First those that read it: most likely one of them misses it, and then no other is asked.
        names = sorted(_VALUES, key=lambda name: index not in read_by[name])
        with filled.transaction(force_rollback=True):
            filled.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
            assert any(_rows_read(filled, name) > MOST for name in names), index


@each_row("name", ["claim", "has_claimable"])
def test_a_claim_after_its_mark_passes_over_what_was_claimed_since_a_snapshot(
    postgres_database: str, name: str
) -> None:
    """The index keeps an entry of each run that was claimed while the snapshot is open."""
    claimed = 3 * FINISHED
    values = _RANGES | (
        {"limit": LIMIT, "now": 1, "aged": 1, "store_now": 1} if name == "claim" else {}
    )
    marks = ClaimMarks(lambda: 10**15, lambda: 0.0)
    lines = [Line("w", None)]
    first = marks.claim("mine", lines)
    with _connected(postgres_database, f"dead_{name}") as connection, ExitStack() as after:
        connection.execute(_FILL[0].encode())
        connection.execute(
            """INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags,
                    input, claimable_at)
                SELECT 'd' || lpad(n::text, 8, '0'), 'w', 'v', 'Pending', 0, n, '{}', '{}', n
                FROM generate_series(1, %s) AS n""",
            [claimed],
        )
        connection.commit()
        snapshot = after.enter_context(psycopg.connect(for_libpq(postgres_database)))
        snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        snapshot.execute("SELECT count(*) FROM pg_class")
        connection.execute("UPDATE cloaca_run SET owner = 'mine'")
        connection.commit()
        connection.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', false)")
        connection.execute(b"PREPARE plan AS " + _numbered(_statement(name)).sql)

        def blocks(look: Look) -> int:
            plan = _executed(connection, name, "plan", values | columns_of(look))
            return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

        from_oldest = blocks(first)
        last = owned_row(new_run(f"d{claimed:08}", workflow="w"))
        marks.claimed(first, [last._replace(claimable_at=claimed)])

        assert from_oldest > 500
        assert blocks(marks.claim("mine", lines)) <= 50
        marks.glanced(marks.glance("mine", lines), found=False)
        assert blocks(marks.glance("mine", lines)) <= 50


def test_a_claim_passes_over_the_runs_of_another_queue(filled: psycopg.Connection) -> None:
    """However many of them wait."""
    values = _VALUES["claim"] | {"queue": ["gpu"] * 3}
    move = (
        "UPDATE cloaca_run SET queue = 'gpu' WHERE id = (SELECT id FROM cloaca_run"
        " WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL"
        " AND due_at IS NULL AND workflow = ANY(%s) ORDER BY claimable_at DESC, id DESC LIMIT 1)"
    )
    with filled.transaction(force_rollback=True):
        filled.execute(b"PREPARE other_queue AS " + _numbered(_statement("claim")).sql)
        assert filled.execute(move, [_FLOWS]).rowcount == 1
        plan = _executed(filled, "claim", "other_queue", values)

    assert plan["Actual Rows"] == 1
    assert sum(map(_read_by, _nodes(plan))) <= MOST


def test_views_show_no_run_of_a_tree_that_is_being_deleted(filled: psycopg.Connection) -> None:
    runs = "SELECT count(*) FROM cloaca_run_readable WHERE id <= 'r00000011' AND id >= 'r'"
    attempts = (
        "SELECT count(*) FROM cloaca_attempt_readable WHERE run_id IN ('r00000002', 'r00000011')"
    )

    assert filled.execute(runs).fetchall() == [(1,)]
    assert filled.execute(attempts).fetchall() == [(2,)]
