"""Several processes retry and fork one run at the same moment, also while it is pruned, and die at
it: one round is begun, results that are kept stay as they are, and an act is whole or was not.

Each process has looked at the run and planned when it stops, with all its threads, before its
commit. Then all go on at once.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from process import trees
from process.fleet import Fleet, Worker

ANSWERS = {"retry": "retried", "fork": "forked"}
KEPT = ("a", "k")
"""The tasks of the workflow "mended" that succeed in its first round."""
COPIED = (
    "task_id, attempt, status, change, started_at, ended_at, replacements, retry_at, error_type,"
    " error_message, skip_reason"
)
KEPT_OF_TREE = (*KEPT, "sound", "kept", "begin", "items", "l")
RACES = 4
TABLES = {
    "sqlite": (
        "SELECT t.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c"
        " WHERE t.type = 'table' AND c.name = 'run_id' ORDER BY 1"
    ),
    "postgres": (
        "SELECT t.table_name FROM information_schema.tables AS t"
        " JOIN information_schema.columns AS c USING (table_schema, table_name)"
        " WHERE t.table_type = 'BASE TABLE' AND c.column_name = 'run_id'"
        " AND t.table_schema = current_schema() ORDER BY 1"
    ),
}
Rows = list[tuple[Any, ...]]


@pytest.fixture
def tables(fleet: Fleet, backend_name: str) -> list[str]:
    """All tables whose rows belong to a run."""
    fleet.start().end()  # it has migrated the database
    found = [name for (name,) in fleet.query(TABLES[backend_name])]
    assert {"cloaca_attempt", "cloaca_restart", "cloaca_round", "cloaca_fork"} <= set(found)
    return found


def failed(fleet: Fleet, worker: Worker, name: str = "mended") -> tuple[str, Rows]:
    """A run that has failed in its first round, and the rows of its results."""
    run_id = worker.submit(name)
    assert worker.result(run_id)[0] == "Failed"
    return run_id, results(fleet, run_id)


def results(fleet: Fleet, run_id: str) -> Rows:
    """The rows of the tasks that succeed in the first round; a copy has all that is in them."""
    rows = fleet.query(
        f"SELECT {COPIED} FROM cloaca_attempt WHERE run_id = ? ORDER BY 1, 2", run_id
    )
    return [row for row in rows if row[0] in KEPT]


def everything(fleet: Fleet, tables: Sequence[str]) -> dict[str, Rows]:
    """All rows of runs."""
    names = ["cloaca_run", *tables]
    return {name: sorted(fleet.query(f"SELECT * FROM {name}"), key=repr) for name in names}


def leftovers(fleet: Fleet, tables: Sequence[str], run_id: str) -> dict[str, int]:
    """The number of rows in each table that has any of this run."""
    counts = {
        name: fleet.query(f"SELECT count(*) FROM {name} WHERE run_id = ?", run_id)[0][0]
        for name in tables
    }
    return {name: count for name, count in counts.items() if count}


def bring_to(worker: Worker, point: str, *command: object) -> None:
    """Have a process come to a point of what it is told to do, and stop there."""
    worker.tell("halt", point if ":" in point else f"{point}:1")
    worker.hear("halting")
    worker.tell(*command)
    worker.await_stop()


def go_on(*workers: Worker) -> None:
    for worker in workers:
        worker.signal(signal.SIGCONT)


def was_mended(fleet: Fleet, run_id: str, kept: Rows, workers: Sequence[Worker]) -> None:
    """One more round has run to its end, with one execution of each task that was to run again."""
    answers = [worker.result(run_id) for worker in workers]
    assert answers == [answers[0]] * len(workers)
    status, context = answers[0]
    assert (status, sorted(context)) == ("Completed", ["a", "b", "c", "k"])
    assert context["b"].endswith("attempt 2")
    assert results(fleet, run_id) == kept
    assert fleet.executions(run_id) == {"a": 1, "k": 1, "b": 2, "c": 1}
    rounds = fleet.query("SELECT round, status FROM cloaca_round WHERE run_id = ?", run_id)
    assert rounds == [(1, "Failed")]
    assert fleet.query("SELECT round FROM cloaca_run WHERE id = ?", run_id) == [(2,)]
    restarts = "SELECT task_id, round FROM cloaca_restart WHERE run_id = ? ORDER BY 1"
    assert fleet.query(restarts, run_id) == [("b", 2), ("c", 2)]


def was_forked(fleet: Fleet, run_id: str, kept: Rows, worker: Worker) -> None:
    """A run that was made of another has its results, and has run what was left."""
    status, context = worker.result(run_id)
    assert (status, sorted(context)) == ("Completed", ["a", "b", "c", "k", "mended"])
    assert results(fleet, run_id) == kept
    assert fleet.executions(run_id) == {"b": 1, "c": 1}


def changes(fleet: Fleet, run_id: str, kind: str) -> Counter[int]:
    """How often acts of this kind have changed a run, and have not."""
    rows = fleet.query("SELECT changed FROM cloaca_act WHERE run_id = ? AND kind = ?", run_id, kind)
    return Counter(changed for (changed,) in rows)


# -- at the same moment ----------------------------------------------------------------------------


def test_of_many_retries_at_once_one_begins_the_round(fleet: Fleet) -> None:
    workers = [fleet.launch() for _ in range(4)]
    for worker in workers:
        worker.hear("ready")
    for _ in range(RACES):
        run_id, kept = failed(fleet, workers[0])
        for worker in workers:
            bring_to(worker, "retry.before_commit", "retry", run_id)
        go_on(*workers)

        assert [worker.hear("retried") for worker in workers] == [[run_id]] * 4
        was_mended(fleet, run_id, kept, workers)
        assert changes(fleet, run_id, "retry") == {1: 1, 0: 3}


@pytest.mark.parametrize("first", ["retry", "fork", "neither"])
def test_a_retry_and_a_fork_at_once_keep_the_same_results(fleet: Fleet, first: str) -> None:
    retrying, forking = fleet.start(), fleet.start()
    for _ in range(RACES if first == "neither" else 1):
        run_id, kept = failed(fleet, retrying)
        bring_to(retrying, "retry.before_commit", "retry", run_id)
        bring_to(forking, "fork.before_commit", "fork", run_id, "b")
        if first == "retry":
            go_on(retrying)
            was_mended(fleet, run_id, kept, [retrying])
        elif first == "fork":
            go_on(forking)
            was_forked(fleet, forking.hear("forked")[0], kept, forking)
        go_on(retrying, forking)

        assert retrying.hear("retried") == [run_id]
        was_mended(fleet, run_id, kept, [retrying, forking])
        if first != "fork":
            made, created = forking.hear("forked")
            assert created == "True"
            was_forked(fleet, made, kept, retrying)


def test_a_fork_does_not_mix_the_results_of_two_rounds(fleet: Fleet) -> None:
    """It has planned to keep "a" and "k", which a retry runs again, and "a" is under way."""
    forking, retrying = fleet.start(), fleet.start(hold=["a"])
    run_id, _ = failed(fleet, forking)
    bring_to(forking, "fork.before_commit", "fork", run_id, "b")
    retrying.tell("retry", run_id, "a")
    retrying.hear("holding")
    again = "SELECT 1 FROM cloaca_attempt WHERE run_id = ? AND task_id = 'a' AND attempt = 2"
    fleet.await_row(retrying, again, run_id)
    go_on(forking)
    made, _ = forking.hear("forked")
    retrying.tell("release")

    assert forking.result(made)[0] == "Completed"
    assert fleet.executions(made) == {"a": 1, "k": 1, "b": 1, "c": 1}
    assert retrying.result(run_id)[0] == "Completed"
    assert fleet.executions(run_id) == {"a": 2, "k": 2, "b": 2, "c": 1}


def test_of_two_forks_with_one_key_at_once_one_makes_the_run(fleet: Fleet) -> None:
    workers = [fleet.start(), fleet.start()]
    for number in range(RACES):
        run_id, kept = failed(fleet, workers[0])
        for worker in workers:
            bring_to(worker, "fork.before_commit", "fork", run_id, "b", f"key-{number}")
        go_on(*workers)
        (one, made), (other, found) = [worker.hear("forked") for worker in workers]

        assert one == other
        assert {made, found} == {"True", "False"}
        was_forked(fleet, one, kept, workers[1])
        assert changes(fleet, run_id, "fork") == {1: 1}


# -- during a prune --------------------------------------------------------------------------------


def just_after(fleet: Fleet, run_id: str) -> str:
    """An instant by which this run had just ended."""
    ((ended_at,),) = fleet.query("SELECT ended_at FROM cloaca_run WHERE id = ?", run_id)
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ended_at + 1)
    return instant.isoformat()


@pytest.mark.parametrize("act", ["retry", "fork"])
@pytest.mark.parametrize("order", ["act first", "hidden first", "deleted first", "at once"])
def test_a_run_that_is_pruned_meanwhile_is_whole_or_gone(
    fleet: Fleet, tables: Sequence[str], act: str, order: str
) -> None:
    other, pruner = fleet.start(), fleet.start()
    for number in range(RACES if order == "at once" else 1):
        run_id, kept = failed(fleet, other)
        from_task = ["b", f"key-{number}"] if act == "fork" else []
        bring_to(other, f"{act}.before_commit", act, run_id, *from_task)
        point = "after_hide" if order == "hidden first" else "before_hide"
        bring_to(pruner, f"prune.{point}", "prune", just_after(fleet, run_id))
        if order == "deleted first":
            go_on(pruner)
            pruner.hear("pruned")
            go_on(other)
        elif order == "at once":
            go_on(*[(other, pruner), (pruner, other)][number % 2])
        else:
            go_on(other)
        (answer, *_) = other.hear(ANSWERS[act])
        go_on(pruner)
        if order != "deleted first":
            pruner.hear("pruned")

        if order != "at once":
            assert (answer == "RunNotFoundError") is (order != "act first")
        if answer == "RunNotFoundError":
            assert leftovers(fleet, tables, run_id) == {}
            assert fleet.query("SELECT id FROM cloaca_run") == []
        elif act == "retry":
            was_mended(fleet, run_id, kept, [other, pruner])
        else:
            assert leftovers(fleet, tables, run_id) == {}  # the new run alone was under way
            was_forked(fleet, answer, kept, pruner)
        assert fleet.query("SELECT root_id FROM cloaca_tombstone") == []


# -- with children ---------------------------------------------------------------------------------


MEETINGS = {"at the children": ("1", "1"), "at both": ("1,2", "1,2"), "one at each": ("1", "2")}
"""At which of its commits each of two processes stops."""


@pytest.mark.parametrize("meeting", MEETINGS)
def test_children_are_begun_again_once_with_their_parent(fleet: Fleet, meeting: str) -> None:
    """Children are begun in a transaction of their own, before their parent."""
    workers = [fleet.start(), fleet.start()]
    for _ in range(2):
        run_id, children = failed_with_children(fleet, workers[0])
        kept = {child: results(fleet, child) for child in children}
        for worker, places in zip(workers, MEETINGS[meeting], strict=True):
            bring_to(worker, f"retry.before_commit:{places}", "retry", run_id)
        go_on(*workers)
        if meeting == "at both":
            for worker in workers:
                worker.await_stop()
            go_on(*workers)

        assert [worker.hear("retried") for worker in workers] == [[run_id]] * 2
        is_mended_with_children(fleet, run_id, kept, workers)


def failed_with_children(fleet: Fleet, worker: Worker) -> tuple[str, list[str]]:
    """A run that has failed because its children have, and those."""
    run_id = worker.submit("caring")
    assert worker.result(run_id)[0] == "Failed"
    children = fleet.query("SELECT id FROM cloaca_run WHERE parent_id = ? ORDER BY id", run_id)
    assert len(children) == 2
    return run_id, [child for (child,) in children]


def is_mended_with_children(
    fleet: Fleet, run_id: str, kept: dict[str, Rows], workers: Sequence[Worker]
) -> None:
    """The parent has found the next rounds of its children, and each has run one more round."""
    expected = ("Completed", {"children": ["Completed"] * 2})
    assert [worker.result(run_id) for worker in workers] == [expected] * len(workers)
    assert fleet.executions(run_id) == {"p": 2}
    assert fleet.query("SELECT round FROM cloaca_round WHERE run_id = ?", run_id) == [(1,)]
    of_parent = "SELECT id FROM cloaca_run WHERE parent_id = ? ORDER BY id"
    assert fleet.query(of_parent, run_id) == [(child,) for child in kept]
    for child, rows in kept.items():
        was_mended(fleet, child, rows, workers)


def failed_tree(fleet: Fleet, worker: Worker) -> tuple[str, Rows]:
    """A tree of nodes that has failed because items and children have, and its kept results."""
    root = worker.submit("mended-tree")
    assert worker.result(root)[0] == "Failed"
    return root, kept_of_tree(fleet, root)


def kept_of_tree(fleet: Fleet, root: str) -> Rows:
    """The recorded successes of the first round of items and of children's tasks."""
    rows = fleet.query(
        f"{trees.OF_TREE}SELECT run_id, item, {COPIED} FROM cloaca_attempt JOIN tree ON run_id = id"
        " WHERE status = 'Completed' AND attempt = 1 ORDER BY 1, 3, 2",
        root,
    )
    return [row for row in rows if row[2] in KEPT_OF_TREE and row[1] not in trees.FAILING]


def sound(fleet: Fleet, run_id: str) -> Rows:
    """The rows of the two maps that succeed in the first round, with those of their items."""
    asked = f"SELECT item, {COPIED} FROM cloaca_attempt WHERE run_id = ? ORDER BY 2, 1"
    maps = "SELECT task_id, items, digest, decision FROM cloaca_map WHERE run_id = ? ORDER BY 1"
    return [
        *[row for row in fleet.query(asked, run_id) if row[1] in ("sound", "kept")],
        *[row for row in fleet.query(maps, run_id) if row[0] in ("sound", "kept")],
    ]


def children_of(fleet: Fleet, run_id: str, workflow: str) -> list[tuple[str, int]]:
    """Id and round of the children that run this workflow."""
    asked = "SELECT id, round FROM cloaca_run WHERE parent_id = ? AND workflow LIKE ?"
    return fleet.query(asked, run_id, f"%::{workflow}")


def tree_was_mended(fleet: Fleet, root: str, kept: Rows, workers: Sequence[Worker]) -> None:
    """One more round has run: failed items and the failed tasks of children, which are the same
    runs as before, once more, and nothing else.
    """
    for worker in workers:
        assert worker.result(root)[0] == "Completed"
    assert kept_of_tree(fleet, root) == kept
    numbers = range(trees.MENDED)
    items = {f"i{item}": 1 + (item in trees.FAILING) for item in numbers}
    once = {"begin": 1, **{f"s{item}": 1 for item in numbers}}
    ran = fleet.executions(root)
    assert ran.pop("calls") >= 2  # its body runs again from its top when its child has ended
    assert ran == {**items, **once}
    assert [number for _, number in children_of(fleet, root, "leaf")] == [1, 1]
    mended = children_of(fleet, root, "mended")
    assert [number for _, number in mended] == [2] * (trees.FAILED_UNITS + 1)
    for child, _ in mended:
        assert fleet.executions(child) == {"a": 1, "k": 1, "b": 2, "c": 1}
    assert fleet.query("SELECT round FROM cloaca_round WHERE run_id = ?", root) == [(1,)]


def tree_was_forked(fleet: Fleet, made: str, root: str, worker: Worker) -> None:
    """The new run has the results of the maps before its task, and other children below it."""
    assert worker.result(made)[0] == "Completed"
    assert sound(fleet, made) == sound(fleet, root)
    ran = fleet.executions(made)
    assert ran.pop("calls") >= 1
    assert ran == {"begin": 1, **{f"i{item}": 1 for item in range(trees.MENDED)}}
    assert children_of(fleet, made, "leaf") == []
    mended = children_of(fleet, made, "mended")
    assert [number for _, number in mended] == [1] * (trees.FAILED_UNITS + 1)
    for child, _ in mended:
        assert fleet.executions(child) == {"a": 1, "k": 1, "b": 1, "c": 1}


def test_a_tree_is_retried_twice_and_forked_at_once(fleet: Fleet) -> None:
    workers = [fleet.start() for _ in range(3)]
    *retrying, forking = workers
    root, kept = failed_tree(fleet, forking)
    for worker in retrying:
        bring_to(worker, "retry.before_commit", "retry", root)
    bring_to(forking, "fork.before_commit", "fork", root, "begin")
    go_on(*workers)

    assert [worker.hear("retried") for worker in retrying] == [[root]] * 2
    tree_was_mended(fleet, root, kept, workers)
    made, _ = forking.hear("forked")
    tree_was_forked(fleet, made, root, retrying[0])


@pytest.mark.parametrize("order", ["act first", "hidden first", "at once"])
def test_a_tree_that_is_pruned_while_it_is_retried_is_whole_or_gone(
    fleet: Fleet, tables: Sequence[str], order: str
) -> None:
    other, pruner = fleet.start(), fleet.start()
    root, kept = failed_tree(fleet, other)
    bring_to(other, "retry.before_commit", "retry", root)
    point = "after_hide" if order == "hidden first" else "before_hide"
    bring_to(pruner, f"prune.{point}", "prune", just_after(fleet, root))
    if order == "at once":
        go_on(pruner)
    go_on(other)
    (answer,) = other.hear("retried")
    go_on(pruner)
    pruner.hear("pruned")

    if order != "at once":
        assert (answer == "RunNotFoundError") is (order == "hidden first")
    if answer == "RunNotFoundError":
        for table in tables:
            assert fleet.query(f"SELECT run_id FROM {table} WHERE run_id <> ''") == []
        assert fleet.query("SELECT id FROM cloaca_run") == []
    else:
        tree_was_mended(fleet, root, kept, [other, pruner])
    assert fleet.query("SELECT root_id FROM cloaca_tombstone") == []


# -- under another version -------------------------------------------------------------------------


@pytest.fixture(params=["continue", "fail"])
def renewed(request: pytest.FixtureRequest) -> str:
    """A workflow with a policy for runs that began under another version."""
    return f"renewed-{request.param}"


def test_a_task_that_this_version_lacks_is_refused_before_anything_is_written(
    fleet: Fleet, tables: Sequence[str], renewed: str
) -> None:
    old = fleet.start()
    run_id, _ = failed(fleet, old, renewed)
    old.tell("stop")
    old.hear("stopped")
    new = fleet.start(hold=["renewal"])
    before = everything(fleet, tables)

    new.tell("retry", run_id, "old")
    assert new.hear("retried") == ["TaskNotFoundError"]
    new.tell("fork", run_id, "old")
    assert new.hear("forked")[0] == "TaskNotFoundError"
    assert everything(fleet, tables) == before


@pytest.mark.parametrize("first", ["old", "new"])
def test_of_two_versions_at_once_one_begins_the_round(
    fleet: Fleet, renewed: str, first: str
) -> None:
    """It is planned, and then executed, by the version that has begun it."""
    old = fleet.start()
    run_id, _ = failed(fleet, old, renewed)
    workers = {"old": old, "new": fleet.start(hold=["renewal"])}
    for worker in workers.values():
        worker.tell("stop")
        worker.hear("stopped")
        bring_to(worker, "retry.before_commit", "retry", run_id)
    winner, loser = workers.pop(first), *workers.values()
    go_on(winner)
    assert winner.hear("retried") == [run_id]
    go_on(loser)
    assert loser.hear("retried") == [run_id]
    winner.tell("start")

    status, context = winner.result(run_id)
    assert (status, sorted(context)) == ("Completed", sorted(["a", "c", first]))
    assert loser.result(run_id) == (status, context)
    bodies = {"old": {"old": 2}, "new": {"old": 1, "new": 1}}[first]
    assert fleet.executions(run_id) == {"a": 1, "c": 1, **bodies}
    assert fleet.query("SELECT round FROM cloaca_round WHERE run_id = ?", run_id) == [(1,)]
    restarted = fleet.query("SELECT task_id FROM cloaca_restart WHERE run_id = ?", run_id)
    assert ("old",) in restarted if first == "old" else ("old",) not in restarted


# -- killed ----------------------------------------------------------------------------------------


@pytest.fixture(params=["before_commit", "after_commit"])
def place(request: pytest.FixtureRequest) -> str:
    """Where the process dies that carries out the act."""
    return str(request.param)


def idle(fleet: Fleet) -> Worker:
    """A worker that claims nothing until it is told to."""
    worker = fleet.start()
    worker.tell("stop")
    worker.hear("stopped")
    return worker


def dies_at(fleet: Fleet, point: str, *command: object) -> None:
    """A process carries out an act, and dies there."""
    victim = idle(fleet)
    bring_to(victim, point, *command)
    assert victim.kill() == -signal.SIGKILL


def test_a_retry_that_is_killed_is_whole_or_was_not(
    fleet: Fleet, tables: Sequence[str], place: str
) -> None:
    first = fleet.start()
    run_id, kept = failed(fleet, first)
    assert first.end() == (0, "")
    before = everything(fleet, tables)
    dies_at(fleet, f"retry.{place}", "retry", run_id)
    assert (everything(fleet, tables) == before) is (place == "before_commit")

    other = idle(fleet)
    other.tell("retry", run_id)
    # One that has begun is to fail before it can be retried.
    assert other.hear("retried") == [run_id if place == "before_commit" else "RunStateError"]
    other.tell("start")
    was_mended(fleet, run_id, kept, [other])


@pytest.mark.parametrize("level", [1, 2])
def test_a_retry_that_is_killed_at_a_level_of_its_tree_can_be_sent_again(
    fleet: Fleet, place: str, level: int
) -> None:
    """A tree is begun level by level, the children first."""
    first = fleet.start()
    run_id, children = failed_with_children(fleet, first)
    assert first.end() == (0, "")
    kept = {child: results(fleet, child) for child in children}
    dies_at(fleet, f"retry.{place}:{level}", "retry", run_id)
    committed = level if place == "after_commit" else level - 1
    rounds = "SELECT round FROM cloaca_run WHERE id = ?"
    assert [fleet.query(rounds, each)[0][0] for each in (*children, run_id)] == {
        0: [1, 1, 1],
        1: [2, 2, 1],
        2: [2, 2, 2],
    }[committed]

    other = idle(fleet)
    other.tell("retry", run_id)
    assert other.hear("retried") == [run_id if committed < 2 else "RunStateError"]
    other.tell("start")
    is_mended_with_children(fleet, run_id, kept, [other])


def test_a_fork_that_is_killed_is_whole_or_was_not(
    fleet: Fleet, tables: Sequence[str], place: str
) -> None:
    first = fleet.start()
    run_id, kept = failed(fleet, first)
    assert first.end() == (0, "")
    before = everything(fleet, tables)
    dies_at(fleet, f"fork.{place}", "fork", run_id, "b", "key")
    assert (everything(fleet, tables) == before) is (place == "before_commit")

    other = fleet.start()
    other.tell("fork", run_id, "b", "key")
    made, created = other.hear("forked")
    assert created == str(place == "before_commit")
    was_forked(fleet, made, kept, other)
    assert fleet.query("SELECT count(*) FROM cloaca_run") == [(2,)]
