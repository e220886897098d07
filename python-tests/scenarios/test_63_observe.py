"""63: what is seen of runs, as data: filters, trees, timelines, graphs, changes, statistics; and
``watch``, which gives another snapshot each time that something has changed.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca import Observer
from cloaca_tools.views import RunTree

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def observer(runner: cloaca.DefaultRunner) -> Observer:
    return Observer(runner)


def order() -> None:
    """The workflow ``order``: charge, then send, which fails if the context says so."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def charge(context: cloaca.Context) -> dict[str, Any]:
            return {"paid": context["amount"], "state": {"step": "charged"}}

        @cloaca.task(dependencies=[charge], retry_attempts=1)
        def send(context: cloaca.Context) -> dict[str, Any]:
            if context.get("lost"):
                raise TimeoutError('no answer from "post"')
            return {"state": {"step": "sent"}}


@pytest.fixture
def runs(runner: cloaca.DefaultRunner) -> list[str]:
    """The ids of three orders, oldest first: of ann, of bob, and one of ann that failed."""
    order()
    handles = [
        runner.submit("order", {"amount": 1}, tags={"who": "ann"}),
        runner.submit("order", {"amount": 2}, tags={"who": "bob", "a b": "x,y"}),
        runner.submit("order", {"amount": 3, "lost": True}, tags={"who": "ann"}),
    ]
    for handle in handles:
        handle.wait(WAIT)
    return [handle.id for handle in handles]


@pytest.mark.each_backend
@each_row(
    ("terms", "expected"),
    [
        ((), [2, 1, 0]),
        (("status:failed",), [2]),
        (("status:FAILED,completed",), [2, 1, 0]),
        (("-status:failed",), [1, 0]),
        (("workflow:order status:completed",), [1, 0]),
        (("workflow:other",), []),
        (("tag.who:ann",), [2, 0]),
        (("tag.who:ann", "-status:failed"), [0]),
        (("tag.who:ann,bob",), [2, 1, 0]),
        (("-tag.who:ann",), [1]),
        (('tag."a b":"x,y"',), [1]),
        (("error:no answer", "tag.who:ann"), [2]),
        (('error:"\\"POST\\""',), [2]),
        (("error:nothing",), []),
        (("task:send",), [2, 1, 0]),
        (("task:remind",), []),
        (("since:1h",), [2, 1, 0]),
        (("until:1h",), []),
        (("by:nobody",), []),
    ],
)
def test_a_filter_selects_runs(
    observer: Observer, runs: list[str], terms: tuple[str, ...], expected: list[int]
) -> None:
    page = observer.runs(*terms).wait()
    assert [runs.index(run.id) for run in page.runs] == expected
    assert page.next is None
    assert observer.count(*terms).wait() == len(expected)


def test_a_page_goes_on_where_the_one_before_it_ended(observer: Observer, runs: list[str]) -> None:
    first = observer.runs(limit=2).wait()
    assert [run.id for run in first.runs] == [runs[2], runs[1]]
    assert first.next == runs[1]
    last = observer.runs(limit=2, before=first.next).wait()
    assert ([run.id for run in last.runs], last.next) == ([runs[0]], None)


@pytest.mark.each_backend
def test_who_has_acted_on_a_run_is_a_filter(
    observer: Observer, runner: cloaca.DefaultRunner, runs: list[str]
) -> None:
    runner.retry(runs[2], by="ann@desk").wait(WAIT)
    for term in ("by:ann", "by:ann@desk", "by:bob,ann"):
        assert [run.id for run in observer.runs(term).wait().runs] == [runs[2]]
    assert [run.id for run in observer.runs("-by:ann").wait().runs] == [runs[1], runs[0]]
    made = runner.submit("order", {"amount": 4}, by="eve")
    assert [run.id for run in observer.runs("by:eve").wait().runs] == [made.id]


def test_all_runs_of_a_filter_are_steered(
    observer: Observer, runner: cloaca.DefaultRunner, runs: list[str]
) -> None:
    counted = observer.steer("retry", "tag.who:ann", dry_run=True).wait()
    assert (counted.matched, counted.changed, counted.refused) == (1, 1, 0)
    assert observer.run(runs[2]).wait().status == "Failed"
    several = observer.steer("retry", "tag.who:ann", "status:completed,failed").wait()
    assert (several.matched, several.changed, several.refused) == (2, 1, 1)
    runner.get_run(runs[2]).wait(WAIT)
    assert [each.round for each in observer.rounds(runs[2]).wait()] == [1, 2]
    with pytest.raises(cloaca.ConfigError):
        observer.steer("cancel")


def test_a_run_is_named_by_the_beginning_of_its_id_or_its_place(
    observer: Observer, runs: list[str]
) -> None:
    assert observer.resolve("@").wait() == runs[2]
    assert observer.resolve("@~2").wait() == runs[0]
    assert observer.resolve(runs[1].upper()).wait() == runs[1]
    assert observer.run(runs[1]).wait().id == runs[1]
    with pytest.raises(cloaca.AmbiguousRunError) as several:
        observer.resolve("0").wait()
    assert several.value.candidates == (runs[2], runs[1], runs[0])
    for none in ("ffff", "@~3", "no id"):
        with pytest.raises(cloaca.RunNotFoundError):
            observer.resolve(none).wait()


def test_a_wrong_term_is_refused_at_once_with_the_nearest_key(observer: Observer) -> None:
    with pytest.raises(cloaca.FilterError, match="did you mean status"):
        observer.runs("statsu:failed")
    with pytest.raises(cloaca.FilterError, match="did you mean Failed"):
        observer.runs("status:faild")
    with pytest.raises(ValueError, match="2h"):
        observer.runs("since:yesterday")


def test_what_a_task_changed_is_a_diff(observer: Observer, runs: list[str]) -> None:
    seen = observer.changes(runs[0], "send").wait()
    assert seen.input == {"amount": 1, "paid": 1, "state": {"step": "charged"}}
    assert seen.result == {"state": {"step": "sent"}}
    (change,) = seen.changes
    assert (change.key, change.kind) == ("state", "changed")
    assert change.diff == (" {", '-  "step": "charged"', '+  "step": "sent"', " }")
    failed = observer.changes(runs[2], "send").wait()
    assert (failed.status, failed.changes) == ("Failed", ())
    assert failed.error == 'TimeoutError: no answer from "post"'
    assert failed.input == {
        "amount": 3,
        "lost": True,
        "paid": 3,
        "state": {"step": "charged"},
    }
    with pytest.raises(cloaca.TaskNotFoundError):
        observer.changes(runs[0], "remind").wait()


def test_a_graph_has_the_states_of_its_run(observer: Observer, runs: list[str]) -> None:
    graph = observer.graph(runs[2]).wait()
    assert [(node.task, node.status, node.layer) for node in graph.nodes] == [
        ("charge", "Completed", 0),
        ("send", "Failed", 1),
    ]
    assert [(edge.source, edge.target) for edge in graph.edges] == [("charge", "send")]
    assert 'n1["send<br/>Failed"]:::Failed' in graph.mermaid()
    alone = observer.workflow_graph("order").wait()
    assert [node.status for node in alone.nodes] == [None, None]
    with pytest.raises(cloaca.WorkflowNotFoundError):
        observer.workflow_graph("none_of_this_name").wait()


def test_a_timeline_tells_waiting_for_a_place_from_running(
    open_runner: OpenRunner,
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    with cloaca.WorkflowBuilder("two"):

        @cloaca.task
        def first(context: cloaca.Context) -> None: ...

        @cloaca.task(dependencies=[first])
        def second(context: cloaca.Context) -> None: ...

    run = runner.submit("two")
    run.wait(WAIT)
    found = Observer(runner).timeline(run.id).wait()
    assert [(bar.task, bar.status, bar.attempt) for bar in found.bars] == [
        ("first", "Completed", 1),
        ("second", "Completed", 1),
    ]
    one, two = found.bars
    assert two.queued_at == one.ended_at
    assert found.begins <= str(one.queued_at) <= str(one.started_at) <= str(one.ended_at)
    assert str(two.ended_at) <= found.ends
    json.dumps(found.to_dict())


def test_a_tree_has_child_runs_under_the_task_that_started_them(
    observer: Observer, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("inner"):

        @cloaca.task
        def leaf(context: cloaca.Context) -> None: ...

    with cloaca.WorkflowBuilder("outer"):

        @cloaca.task
        def split(context: cloaca.Context) -> None:
            runner.execute("inner")
            runner.execute("inner")

    run = runner.submit("outer")
    run.wait(WAIT)
    tree = observer.tree(run.id).wait()
    (split_node,) = tree.tasks
    assert [child.run.workflow_name for child in split_node.children] == ["inner", "inner"]
    assert [child.tasks[0].status for child in split_node.children] == ["Completed"] * 2
    assert (tree.children, tree.hidden) == ((), 0)
    flat = observer.tree(run.id, depth=0).wait()
    assert (flat.tasks[0].children, flat.hidden) == ((), 2)
    assert json.loads(json.dumps(tree.to_dict()))["run"]["id"] == run.id


def test_statistics_and_overview_count(observer: Observer, runs: list[str]) -> None:
    found = observer.statistics("order").wait()
    assert found.counts == {"Completed": 2, "Failed": 1}
    assert [run.id for run in found.failures] == [runs[2]]
    assert [(each.task, each.completed, each.failed) for each in found.tasks] == [
        ("charge", 3, 0),
        ("send", 2, 1),
    ]
    assert [row.statuses for row in found.grid] == [
        ("Completed", "Failed"),
        ("Completed", "Completed"),
        ("Completed", "Completed"),
    ]
    assert found.p50 is not None
    assert found.p95 is not None
    assert 0 <= found.p50 <= found.p95
    (line,) = [each for each in observer.workflows().wait() if each.workflow_name == "order"]
    assert (line.counts, line.tasks) == ({"Completed": 2, "Failed": 1}, 2)
    assert line.last_run is not None
    assert line.last_run.id == runs[2]
    overview = observer.overview().wait()
    assert (overview.counts, overview.failed) == ({}, 1)
    assert [run.id for run in overview.failures] == [runs[2]]
    assert [runner.is_here for runner in overview.runners] == [True]
    json.dumps(overview.to_dict())


class Gates:
    """Bodies that each wait for their gate."""

    def __init__(self) -> None:
        self.gates = {name: threading.Event() for name in ("one", "two")}

    def pass_through(self, name: str) -> None:
        assert self.gates[name].wait(WAIT)


@pytest.fixture
def gates() -> Iterator[Gates]:
    """The bodies of the workflow ``steps``; they go on at the end of the test at the latest."""
    gates = Gates()
    with cloaca.WorkflowBuilder("steps"):

        @cloaca.task
        def one(context: cloaca.Context) -> None:
            gates.pass_through("one")

        @cloaca.task(dependencies=[one])
        def two(context: cloaca.Context) -> None:
            gates.pass_through("two")

    yield gates
    for gate in gates.gates.values():
        gate.set()


def follow(snapshots: Iterator[cloaca.RunSnapshot], gates: Gates) -> list[tuple[str, str]]:
    """The pairs of states that were seen; each gate is opened when its task is seen to run."""
    seen: list[tuple[str, str]] = []
    for snapshot in snapshots:
        pair = (snapshot.tasks["one"].status, snapshot.tasks["two"].status)
        seen += [] if seen and seen[-1] == pair else [pair]
        for name, task in snapshot.tasks.items():
            if task.status == "Running":
                gates.gates[name].set()
    assert snapshot.run.status == "Completed"
    return seen


IN_ORDER = [
    ("NotStarted", "NotStarted"),
    ("Running", "NotStarted"),
    ("Completed", "NotStarted"),
    ("Completed", "Running"),
    ("Completed", "Completed"),
]


def test_a_run_is_watched_to_its_end(runner: cloaca.DefaultRunner, gates: Gates) -> None:
    seen = follow(runner.submit("steps").watch(), gates)
    assert [pair for pair in IN_ORDER if pair in seen] == seen
    assert ("Completed", "Running") in seen
    assert seen[-1] == ("Completed", "Completed")


@pytest.mark.each_backend
def test_a_run_of_another_program_is_watched_step_by_step(
    runner: cloaca.DefaultRunner, database_url: str, gates: Gates
) -> None:
    run = runner.submit("steps")
    with cloaca.Client(database_url) as client:
        seen = follow(client.get_run(run.id).watch(), gates)
    assert ("Completed", "Running") in seen
    assert seen[-1] == ("Completed", "Completed")


async def test_a_loop_watches_and_observes_too(
    runner: cloaca.DefaultRunner, database_url: str, gates: Gates
) -> None:
    run = runner.submit("steps")
    trees: list[RunTree] = []
    async with cloaca.AsyncClient(database_url) as client:
        observer = Observer(client)
        async with asyncio.timeout(WAIT):
            async for tree in observer.watch(run.id):
                trees.append(tree)
                for task in tree.tasks:
                    if task.status == "Running":
                        gates.gates[task.task_id].set()
            async for snapshot in (await client.get_run(run.id)).watch():
                assert snapshot.run.status == "Completed"
        assert (await observer.runs("status:completed")).runs[0].id == run.id
    assert trees[-1].run.status == "Completed"


def test_a_watch_ends_with_its_client(database_url: str, runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("waiting"):
        cloaca.wait_for("never", "never")
    run = runner.submit("waiting")
    client = cloaca.Client(database_url)
    snapshots = client.get_run(run.id).watch()
    next(snapshots)
    closing = threading.Timer(0, client.shutdown)
    closing.start()
    with pytest.raises(cloaca.RunnerClosedError):
        list(snapshots)
    closing.join()


class TestSnapshots:
    """A snapshot that is known is given back as long as nothing in it can have changed."""

    def test_of_a_run_that_has_ended_it_stays(self, observer: Observer, runs: list[str]) -> None:
        known = observer.snapshot(runs[0]).wait()

        assert known.inspection.tree == observer.inspect(runs[0]).wait().tree
        assert observer.snapshot(runs[0], known).wait() is known

    def test_of_another_run_it_says_nothing(self, observer: Observer, runs: list[str]) -> None:
        known = observer.snapshot(runs[0]).wait()

        assert observer.snapshot(runs[1], known).wait().inspection.tree.run.id == runs[1]

    def test_after_a_retry_it_is_another(
        self, observer: Observer, runner: cloaca.DefaultRunner, runs: list[str]
    ) -> None:
        known = observer.snapshot(runs[2]).wait()
        runner.retry(runs[2]).wait(WAIT)

        assert observer.snapshot(runs[2], known).wait().inspection.tree.run.round == 2

    def test_of_a_run_that_goes_on_it_is_always_another(
        self, observer: Observer, runner: cloaca.DefaultRunner
    ) -> None:
        with cloaca.WorkflowBuilder("waiting"):
            cloaca.wait_for("paid", "paid")
        run = runner.submit("waiting")
        known = observer.snapshot(run.id).wait()

        assert observer.snapshot(run.id, known).wait() is not known

    def test_after_a_retry_of_a_run_below_it_is_another(
        self, observer: Observer, runner: cloaca.DefaultRunner
    ) -> None:
        order()
        with cloaca.WorkflowBuilder("day"):

            @cloaca.task
            def sell(context: cloaca.Context) -> None:
                runner.execute("order", {"amount": 1, "lost": True})

        top = runner.submit("day")
        top.wait(WAIT)
        known = observer.snapshot(top.id).wait()
        (below,) = known.inspection.tree.tasks[0].children

        runner.retry(below.run.id).wait(WAIT)

        seen = observer.snapshot(top.id, known).wait().inspection
        assert seen.tree.tasks[0].children[0].run.round == 2


def schedule_of(client: cloaca.Client) -> str:
    """The id of the only schedule."""
    (found,) = client.list_cron_schedules()
    return str(found["id"])


class TestNotices:
    """Who listens hears of all that this program does itself, also of runs that nobody executes."""

    @pytest.mark.parametrize(
        "act",
        [
            lambda client, run: client.pause(run),
            lambda client, run: client.cancel(run),
            lambda client, _: client.pause_workflow("order"),
            lambda client, _: client.resume_workflow("order"),
            lambda client, _: client.schedule("at two", "order", "0 2 * * *", "UTC"),
            lambda client, _: client.set_cron_schedule_enabled(schedule_of(client), False),
            lambda client, _: client.delete_cron_schedule(schedule_of(client)),
            lambda client, _: client.set_trigger_enabled("no such trigger", False),
            lambda client, _: client.prune(before="2020-01-01T00:00:00+00:00"),
        ],
        ids=[
            "pause",
            "cancel",
            "pause a workflow",
            "resume a workflow",
            "add a schedule",
            "switch a schedule",
            "delete a schedule",
            "switch a trigger",
            "prune",
        ],
    )
    async def test_an_act_is_heard(
        self, database_url: str, act: Callable[[cloaca.Client, str], object]
    ) -> None:
        order()
        with cloaca.Client(database_url) as client:
            run = client.submit("order", {"amount": 1})
            client.schedule("at one", "order", "0 1 * * *", "UTC")
            async with Observer(client).notices() as notices:
                heard = asyncio.ensure_future(anext(aiter(notices)))
                await asyncio.to_thread(act, client, run.id)
                await asyncio.wait_for(heard, WAIT)
