"""The schema: searched by index, readable by people, its names its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from every_statement import every_statement
from tables import each_row

from cloaca_core.store.migrate import load_before_base, load_migrations
from cloaca_core.store.sql.queries import Statement, counting
from cloaca_sqlite.driver import WORDING
from cloaca_sqlite.migrator import split_statements


def _statements() -> list[Statement]:
    return list(every_statement("cloaca_sqlite", WORDING).values())


@pytest.fixture(scope="module")
def migrated() -> bytes:
    """A database with every migration and no row."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for migration in load_migrations("cloaca_sqlite"):
            for statement in split_statements(migration.sql):
                raw.execute(statement)
        return raw.serialize()


@pytest.fixture
def raw(migrated: bytes) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        raw.deserialize(migrated)
        yield raw


def _plan(raw: sqlite3.Connection, statement: Statement) -> list[str]:
    nothing = [None] * len(statement.parameters)
    rows = raw.execute(f"EXPLAIN QUERY PLAN {statement.sql}", nothing)
    return [str(row[3]) for row in rows]


_SMALL_IN = {
    "insert_plain_run": {"new"},  # the rows that are written
    "record_attempt": {"new"},  # as above
    "record_lines": {"new"},  # as above
    "list_waiting": {"runner", "waiting", "planned", "counted"},  # for each workflow at most 1,000
    "claimable_ahead": {"runner", "counted"},  # at most as many as are to be counted
    "runner_loads": {"runner", "counted"},  # as above
    "parents_to_follow": {"cancelled", "marked"},  # as many as are asked for
    "insert_node_child": {"begins"},  # two rows
    "first_overdue": {"line"},  # as below
    "has_claimable": {"asked", "each", "line"},  # a row for each workflow and queue
    "claim": {"asked", "served", "line", "levels", "longest", "foremost"},  # as many as are claimed
    "list_definitions": {"cloaca_workflow"},  # for a name that is unknown, to find a similar one
    "list_kept_workflows": {"run_of", "ticking", "used"},  # a row for each workflow
    "list_deleted_schedules": {"known"},  # a row for each schedule that has ticks
    "note_gone": {"cloaca_runner_name"},  # a row for each runner; once an hour
    "erase_names": {"cloaca_runner_name"},  # as above
    "note_lost": {"cloaca_lost_runner", "freed"},  # the rows of a day; runs of a takeover
    "list_lost": {"cloaca_lost_runner"},  # the rows of a day
    "failing_triggers": {"cloaca_trigger"},  # all triggers are few
    "erase_lost_runners": {"cloaca_lost_runner"},  # as above
    "weigh_trees": {"tree"},  # the runs that were asked for
    "list_links": {"own"},  # the children of one run, at most as many as are to be counted
    "list_family": {"below", "near"},  # a run and its children, up to a limit
    "list_children_of_family": {"below", "near"},  # as above
    "list_doomed": {"gone", "doomed", "parts", "roots", "counted"},  # what is hidden, up to a limit
    "insert_message": {"counted"},  # at most as many as a run may have unread
    "number_messages": {"numbered"},  # as many as get numbers
    "list_unnumbered": {"cloaca_message"},  # by the index of those without a number
    "list_open_approvals": {"asked"},  # by the index of these, up to a limit
    "list_active_runs": {"cloaca_run"},  # as far as it may be claimed; see below
    "count_active_runs": {"cloaca_run"},  # as above
    "active_ids": {"cloaca_run"},  # as above
    "read_gauges": {
        "cloaca_run",
        "pages",
    },  # by the indexes of those that have not ended; see below
    "match_runs": {"term", "given"},  # for each run that was asked for
    "list_actors": {"asked", "actor"},  # a row for each person
    "count_newest": {"newest"},  # at most as many as are to be counted
    "count_active": {"cloaca_run"},  # those that may be claimed, up to as many as are counted
    "count_made": {"span", "made"},  # as above
    "count_owned": {"owned"},  # as above
    "kinds_of_person": {"known"},  # a row for each kind of act
    "queue_loads": {"waiting", "lines", "counted", "first"},  # for each line at most as many
    "list_limits": {"cloaca_limit"},  # a row for each limit
    "list_unclaimed": {"place"},  # by the index of the places of runs
    "list_holders": {"cloaca_limit_grant"},  # a row for each body under way that has limits
    "limit_waiting": {"counted", "own", "open_lines", "full_lines"},  # as far as it is counted
    "awaited_lines": {"open_lines", "full_lines", "own"},  # lines that wait longest
    "waiting_in_lines": {"counted"},  # as far as it is counted
    "limit_holders": {"cloaca_limit_grant"},  # as list_holders
    "first_waiters": {"line"},  # the lines that were chosen by index
    "oldest_waiters": {"line"},  # as above
    "longest_claimable": {"waiting", "lines", "levels"},  # a row for each workflow, queue, priority
}


@each_row("statement", _statements(), ids=[each.name for each in _statements()])
def test_no_statement_reads_a_whole_table(raw: sqlite3.Connection, statement: Statement) -> None:
    # These may be read whole: lists in parameters, single rows, few runners and paused workflows.
    small = {"json_each", "wanted", "other", "CONSTANT", "one", "kept", "cloaca_runner"}
    # Runs of the trees that are asked about, as far as they are under way.
    small |= {"paused", "cloaca_paused_workflow", "lineage"}
    scans = [line for line in _plan(raw, statement) if line.startswith("SCAN")]
    small |= _SMALL_IN.get(statement.name, set())
    if statement.name == "parents_to_follow":
        scans.remove("SCAN run USING INDEX cloaca_run_pause_follows")  # those that are marked

    assert [
        line for line in scans if line.split()[1] not in small and "(subquery" not in line
    ] == []


@each_row(
    "name",
    [
        "list_runs",
        "list_ended_runs",
        "list_runs_of_workflow",
        "list_runs_of_parent",
        "list_runs_of_tag",
        "newest_ids",
        "ended_ids",
        "workflow_ids",
        "child_ids",
        "tagged_ids",
        "acted_ids",
        "failed_ids",
        "list_failures",
    ],
)
def test_a_listing_is_cut_by_its_index_without_sorting(raw: sqlite3.Connection, name: str) -> None:
    (statement,) = [statement for statement in _statements() if statement.name == name]

    assert "ORDER BY" not in " ".join(_plan(raw, counting(statement)))
    assert "ORDER BY" not in " ".join(_plan(raw, statement))


@pytest.mark.parametrize("name", ["list_active_runs", "count_active_runs", "active_ids"])
def test_active_runs_are_found_by_their_status_beside_those_that_may_be_claimed(
    raw: sqlite3.Connection, name: str
) -> None:
    """Neither is there a look at those that have ended, nor at all that wait for something."""
    (statement,) = [each for each in _statements() if each.name == name]

    looks = [line for line in _plan(raw, statement) if " USING INDEX cloaca_run_" in line]
    assert looks == [
        "SEARCH cloaca_run USING INDEX cloaca_run_owned (owner>?)",
        "SEARCH cloaca_run USING INDEX cloaca_run_held (status=? AND id>? AND id<?)",
        "SEARCH cloaca_run USING INDEX cloaca_run_woken (status=? AND id>? AND id<?)",
        "SCAN cloaca_run USING INDEX cloaca_run_claimable",
    ]


def test_gauges_look_at_nothing_but_the_indexes_of_runs_that_have_not_ended(
    raw: sqlite3.Connection,
) -> None:
    (statement,) = [each for each in _statements() if each.name == "read_gauges"]

    assert [line for line in _plan(raw, statement) if " cloaca_run " in line] == [
        "SEARCH cloaca_run USING INDEX cloaca_run_owned (owner>?)",
        "SCAN cloaca_run USING INDEX cloaca_run_held",
        "SCAN cloaca_run USING INDEX cloaca_run_claimable",
        "SEARCH cloaca_run USING INDEX cloaca_run_claimable",
        "SCAN cloaca_run USING INDEX cloaca_run_claimable",
    ]


def test_whether_anything_can_be_claimed_is_one_look_for_each_workflow(
    raw: sqlite3.Connection,
) -> None:
    """Not one for each run that waits: those of workflows that others serve may be many."""
    (statement,) = [each for each in _statements() if each.name == "has_claimable"]

    assert [line for line in _plan(raw, statement) if "cloaca_run" in line] == [
        "SEARCH waiting USING INDEX cloaca_run_claimable (workflow=? AND queue=?)"
    ]


def test_a_claim_finds_the_runs_that_it_updates_by_id(raw: sqlite3.Connection) -> None:
    (claim,) = [statement for statement in _statements() if statement.name == "claim"]

    assert _plan(raw, claim)[0].endswith("(id=?)")


def test_whether_a_context_has_an_active_run_is_one_look(raw: sqlite3.Connection) -> None:
    """Not one for each active run of the trigger: ten thousand files may have arrived."""
    (insert,) = [statement for statement in _statements() if statement.name == "insert_event"]

    assert [line for line in _plan(raw, insert) if "cloaca_run" in line] == [
        "SEARCH cloaca_run USING INDEX cloaca_run_of_context (schedule_id=? AND context_hash=?)"
    ]


def test_active_runs_of_triggers_keep_their_contexts_when_a_database_is_upgraded() -> None:
    *before, last = load_before_base("cloaca_sqlite").migrations[:6]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for migration in before:
            raw.executescript(migration.sql)
        raw.execute("INSERT INTO cloaca_event VALUES ('e', 't', NULL, 'h', 'a', 1)")
        raw.execute(
            "INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,"
            " schedule_id) VALUES ('a', 'w', 'v', 'Pending', 0, 1, '{}', '{}', 't'),"
            " ('b', 'w', 'v', 'Pending', 0, 1, '{}', '{}', 's')"
        )

        raw.executescript(last.sql)

        found = raw.execute("SELECT id, context_hash FROM cloaca_run ORDER BY id").fetchall()
        assert found == [("a", "h"), ("b", None)]


def test_all_names_begin_with_ours(raw: sqlite3.Connection) -> None:
    names = [row[0] for row in raw.execute("SELECT tbl_name FROM sqlite_master")]

    assert [name for name in names if not name.startswith("cloaca_")] == []


def test_the_views_show_instants_to_people(raw: sqlite3.Connection) -> None:
    raw.execute(
        "INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, started_at,"
        " ended_at, tags, input) VALUES ('a', 'w', 'v', 'Completed', 1, 1700000000000001,"
        " 1700000000500000, 1700000002000000, '{}', ?)",
        (json.dumps({"a": 1}),),
    )
    raw.execute(
        "INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, started_at, crashes)"
        " VALUES ('a', 't', 1, 1, 'Running', 1700000000000000, 0)"
    )

    assert raw.execute(
        "SELECT created_at, started_at, ended_at, seconds, input FROM cloaca_run_readable"
    ).fetchall() == [
        (
            "2023-11-14T22:13:20.000001Z",
            "2023-11-14T22:13:20.500000Z",
            "2023-11-14T22:13:22.000000Z",
            1.5,
            '{"a": 1}',
        )
    ]
    assert raw.execute(
        "SELECT started_at, ended_at, seconds FROM cloaca_attempt_readable"
    ).fetchall() == [("2023-11-14T22:13:20.000000Z", None, None)]


def test_the_views_name_the_version_that_ran_and_the_runner_of_an_attempt(
    raw: sqlite3.Connection,
) -> None:
    raw.execute(
        "INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, started_at,"
        " tags, input, ran_version) VALUES ('a', 'w', 'v1', 'Running', 1, 1, 2, '{}', '{}', 'v2'),"
        " ('b', 'w', 'v1', 'Running', 1, 1, 2, '{}', '{}', NULL),"
        " ('c', 'w', 'v1', 'Pending', 0, 1, NULL, '{}', '{}', NULL)"
    )
    raw.execute("INSERT INTO cloaca_runner_name VALUES (7, 'r1', 'web-1', 17, NULL)")
    raw.execute(
        "INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, crashes, runner)"
        " VALUES ('a', 't', 1, 1, 'Running', 0, 7), ('a', 'u', 1, 1, 'Running', 0, NULL),"
        " ('a', 'x', 0, 1, 'Skipped', 0, 7)"
    )

    versions = raw.execute("SELECT version, ran_version FROM cloaca_run_readable ORDER BY id")
    assert versions.fetchall() == [("v1", "v2"), ("v1", "v1"), ("v1", None)]
    assert raw.execute(
        "SELECT task_id, runner, process, host FROM cloaca_attempt_readable ORDER BY task_id"
    ).fetchall() == [("t", "r1", 17, "web-1"), ("u", None, None, None), ("x", None, None, None)]


@each_row(
    ("script", "expected"),
    [
        ("", []),
        ("A;\nB;\n", ["A;\n", "B;\n"]),
        ("A\n;\n-- it; said\nB;", ["A\n;\n", "-- it; said\nB;"]),
        ("A ';\n';\nB;", ["A ';\n';\n", "B;"]),
        ("A", ["A"]),  # executing it will say what is missing
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\nDELETE FROM b;\nEND;\nB;",
            ["CREATE TRIGGER t AFTER INSERT ON a BEGIN\nDELETE FROM b;\nEND;\n", "B;"],
        ),
    ],
)
def test_a_script_is_split_at_its_statements(script: str, expected: list[str]) -> None:
    assert list(split_statements(script)) == expected


def test_views_show_no_run_of_a_tree_that_is_being_deleted(raw: sqlite3.Connection) -> None:
    columns = "id, workflow, version, status, epoch, created_at, tags, input, root_id"
    for run_id, root_id in (("a", None), ("b", "a"), ("c", None)):
        row = (run_id, "w", "v", "Completed", 1, 1, "{}", "{}", root_id)
        raw.execute(f"INSERT INTO cloaca_run ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        attempt = "run_id, task_id, attempt, epoch, status, crashes"
        values = (run_id, "t", 1, 1, "Completed", 0)
        raw.execute(f"INSERT INTO cloaca_attempt ({attempt}) VALUES (?, ?, ?, ?, ?, ?)", values)
    raw.execute("INSERT INTO cloaca_tombstone VALUES ('a', 1)")

    assert raw.execute("SELECT id FROM cloaca_run_readable").fetchall() == [("c",)]
    assert raw.execute("SELECT run_id FROM cloaca_attempt_readable").fetchall() == [("c",)]
