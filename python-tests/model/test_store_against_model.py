"""Any sequence of operations gives the same answers from a backend as from the model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from model.memory_store import MemoryStore
from own_database import OwnDatabases

from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.store import Store
from cloaca_core.features.child_runs.records import (
    NODE_CHILDREN,
    OPENED_NODES,
    TOLD_ENDS,
    NodeChild,
    OpenedNode,
    ToldEnd,
)
from cloaca_core.features.follow_ups.records import FollowUpRow, NewFollowUp
from cloaca_core.features.inputs.records import FILLED_INPUTS, FilledInput
from cloaca_core.features.maps.records import MAPS, MapRow
from cloaca_core.features.queues.records import IN_QUEUES, Backlog, InQueue, QueueLoad
from cloaca_core.features.schedules.records import NewTick, ScheduleRow
from cloaca_core.features.search.records import Claimable, Condition, RunSearch
from cloaca_core.features.steering.records import Act, ActMark, ActSearch, Reopening
from cloaca_core.features.waits.records import ClosedWait, WaitTimeout
from cloaca_core.run.rows import NewRun, Park, RoundRow, RunFilter, RunRow, Unserved, WaitingRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.backends import backend_for
from cloaca_core.store.batch import Batch, Rows, Waiting
from cloaca_core.store.messages import MessageRow, NewMessage
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.runner_rows import LostRunner
from cloaca_core.values.definition_rows import DefinitionRow, WhenEndedRow
from cloaca_core.values.queue_names import DEFAULT_QUEUE, PlannedQueue
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_core.values.waits import APPROVAL, EVENT, NEVER
from cloaca_testing.conformance.commits import batch_with
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    attempt,
    firing,
    memo,
    message,
    new_fork,
    new_run,
    new_tick,
    noted,
    run_end,
    runner,
    schedule,
    wait,
)

T = TypeVar("T")

# Small alphabets, so that operations meet: on the same run, key, runner and epoch.
RUNNERS = st.sampled_from(["r1", "r2", "r3"])
RUNS = st.sampled_from(["a", "b", "c", "d", "e"])
WORKFLOWS = st.sampled_from([WORKFLOW, "public::embedded::other"])
OFFSETS = st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1])
ENDS = st.sampled_from([(), (), ("a",), ("b",), ("c", "a")])
LIMITS = st.integers(0, 3)
GPU = "gpu"
QUEUES = st.sampled_from([DEFAULT_QUEUE, DEFAULT_QUEUE, GPU])
SERVED = st.sampled_from([None, None, (DEFAULT_QUEUE,), (GPU,), (GPU, DEFAULT_QUEUE)])
PLANNED = st.none() | st.builds(PlannedQueue, st.none() | QUEUES, st.sampled_from(["cpu", GPU]))
ITEMS = st.sampled_from([-1, -1, -1, 0, 1])
CHOSEN = st.sampled_from([{}, {}, {"load": (0,)}, {"load": (1, 0)}])
"""Items of maps that a retry chooses."""
TAGS = st.sampled_from([("team", "x"), ("team", "y"), ("tier", "1")])
ERRORS = ["BROKE", "ann", "it_b", "%"]
NO_KEY = st.just("")  # a condition on a tag alone has one
CONDITIONS = st.one_of(
    st.builds(
        Condition,
        st.just("status"),
        st.lists(st.sampled_from([str(each) for each in RunStatus]), min_size=1).map(tuple),
        st.booleans(),
        NO_KEY,
    ),
    st.builds(
        Condition,
        st.just("workflow"),
        WORKFLOWS.map(lambda name: (name,)),
        st.booleans(),
        NO_KEY,
    ),
    st.builds(
        Condition,
        st.just("tag"),
        st.sampled_from([("x",), ("x", "y"), ("1",)]),
        st.booleans(),
        st.sampled_from(["team", "tier"]),
    ),
    st.builds(
        Condition,
        st.sampled_from(["task", "error", "by", "parent", "id"]),
        st.sampled_from([("a",), ("b", "load"), ("ann",), ("BROKE", "it_b"), ("save",)]),
        st.booleans(),
        NO_KEY,
    ),
)
"""Conditions of searches."""
RUN_STATES = st.sampled_from(list(RunStatus))
NEW_RUNS = st.lists(
    st.builds(
        new_run,
        RUNS,
        owner=st.sampled_from(["r1"] * 4 + [None]),
        workflow=WORKFLOWS,
        key=st.sampled_from([None, None, "k1", "k2"]),
        tags=st.sampled_from(["{}", '{"team":"x"}', '{"team":"y","tier":"1"}']),
        parent=st.sampled_from([None, "a", "b"]),
        priority=st.sampled_from([0, 0, 1, -1]),
        created_at=st.sampled_from([NOW, NOW, NOW + 1]),
        due_at=st.sampled_from([None, None, None, NOW + 2]),
        detached=st.sampled_from([False, False, True]),
        queue=QUEUES,
        asked_queue=st.sampled_from([None, None, GPU]),
    ),
    min_size=1,
    max_size=4,
)
TASKS = st.sampled_from(["load", "load", "save"])
TASK_STATES = st.sampled_from(
    [TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED]
)
SCHEDULES = st.sampled_from(["s", "t", "u"])
NAMES = st.sampled_from([None, None, "n", "m"])
INSTANTS = st.sampled_from([NOW, NOW + 1, NOW + 2, LATER])
"""Of ticks, of when they are due, and of who asks."""
DUE = st.sampled_from([NOW, NOW, NOW + 1, LATER, None])
FINAL = st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])
REASONS = st.sampled_from([None, "task_failed", "upstream_failed"])
DEADLINES = st.sampled_from([None, 1, 3600])
PARKS = st.sampled_from(
    [
        *((), (), (("a", NOW + 1),), (("b", None),), (("a", LATER), ("c", None))),
        *((("a", NEVER), ("b", NEVER)), (("c", NEVER),)),
    ]
)
MOVES = st.sampled_from([(None, None), (None, None), (GPU, None), (GPU, NOW + 1), (None, LATER)])
"""The queue to which a run moves, and when its time limit passes."""
OPENINGS = st.lists(
    st.sampled_from([("load", None, None), ("load", '["x","y"]', '{"0":2}'), ("save", None, None)]),
    max_size=2,
)
SEEN = st.integers(0, 3)
RESTS = st.integers(0, 1)
WAITS = st.builds(
    wait,
    st.sampled_from("abc"),
    st.sampled_from(["load", "save"]),
    kind=st.sampled_from([EVENT, APPROVAL]),
    number=st.integers(0, 1),
    attempt=st.integers(1, 2),
    due_at=st.sampled_from([None, NOW]),
)
MESSAGES = st.builds(
    message,
    st.sampled_from("mnopqrstuvw"),
    RUNS,
    st.sampled_from(["load", "save"]),
    kind=st.sampled_from([EVENT, EVENT, APPROVAL]),
    key=st.sampled_from([None, None, "k", "l"]),
    sent_at=INSTANTS,
).map(lambda made: made._replace(for_task=made.name) if made.kind == APPROVAL else made)
MEMOS = st.builds(
    memo,
    st.sampled_from("abc"),
    number=st.integers(1, 2),
    attempt=st.integers(1, 2),
    input_hash=st.sampled_from("gh"),
    value=st.sampled_from("12"),
)
ACTS = st.integers(0, 5)
"""Few, so that acts are sent again."""
SOME_RUNS = st.sets(RUNS, min_size=1, max_size=3)
TODAY = NOW + 10**12
"""Between the instants of the tests and that of the clock by which a store ends runs."""


ALERTS = "public::embedded::alerts"
"""Follows runs that fail or are cancelled. The store makes ids of such runs: they are looked at by
themselves, and never claimed.
"""
WHEN_ENDED = [
    WhenEndedRow(WORKFLOW, "1", place, status, ALERTS, f'{{"place":{place}}}')
    for place, status in ((0, "Failed"), (0, "Cancelled"), (1, "Cancelled"))
]
FIRST = "a"
"""No id that a store makes is as great."""


async def contents(store: Store) -> list[object]:
    """All that a store holds, asked for at once: nearly all the time goes into these questions."""
    runs = [run.id for run in await store.list_runs(any_run(after=FIRST))]
    return await asyncio.gather(
        store.list_runs(any_run(after=FIRST)),
        follow_ups(store, runs),
        *map(store.get_run, runs),
        store.load_attempts(runs),
        store.outcomes(runs),
        store.ended(runs),
        store.runners(),
        lost_runners(store),
        store.acts(None, 99),
        store.restarts(runs),
        *map(store.rounds, runs),
        *(store.memos(each, "load") for each in ("a", "b", "c")),
        store.waits(["a", "b", "c"]),
        store.messages(runs),
        *(store.sent(each, 9) for each in "abcde"),
        store.open_approvals(9),
        store.maps(runs),
        store.restarted_items(runs),
        store.items("a", "load", 0, 9),
        store.first_overdue([WORKFLOW], [], 9),
        store.queue_loads(9),
        store.backlogs(9),
        store.children(["a", "b"]),
        store.paused_workflows(),
        store.pauses(),
        *(store.news(each, [WORKFLOW], 9) for each in ("r1", "r2", "r3")),
        store.children_under_way(["a", "b"], 9),
        store.pauses_over(LATER, 9),
        *map(store.get_schedule_named, ("n", "m")),
        *map(store.get_schedule, ("s", "t", "u")),
        *(store.find_ticks(each, [NOW, NOW + 1, NOW + 2, LATER]) for each in ("s", "t", "u")),
        store.count_ticks(NOW),
    )


async def follow_ups(store: Store, runs: list[str]) -> list[object]:
    """The runs that follow others, and their rows."""
    found = await store.follow_ups(runs)
    inputs = [(each, await store.get_run(each.id)) for each in found]
    texts = [(each.follows, each.round, "" if row is None else row.input) for each, row in inputs]
    return [sorted(map(comparable, found)), sorted(texts)]


async def lost_runners(store: Store) -> list[LostRunner]:
    """The runners that were lost, without the instant of each store's own clock."""
    return sorted([each._replace(lost_at=0) for each in await store.lost_runners(0, 99)])


async def longest_claimable(store: Store) -> Claimable | None:
    """That run; of one that follows another only its workflow, as stores make its id."""
    found = await store.longest_claimable()
    row = None if found is None else await store.get_run(found.run_id)
    if found is None or row is None or row.workflow != ALERTS:
        return found
    return found._replace(run_id=row.workflow)


def comparable(answer: object) -> Any:
    """An answer in which instants of the store's own clock are the same, and ids that it makes."""
    if isinstance(answer, RunRow) and answer.ended_at is not None and answer.ended_at > TODAY:
        return answer._replace(ended_at=TODAY)
    if isinstance(answer, RoundRow) and answer.ended_at > TODAY:
        return answer._replace(ended_at=TODAY)
    if isinstance(answer, MessageRow):
        return answer._replace(sent_at=min(answer.sent_at, TODAY))
    if isinstance(answer, WaitingRow) and answer.workflow == ALERTS:
        return answer._replace(first_run="", due_at=min(answer.due_at, TODAY))
    if isinstance(answer, Waiting):
        return answer._replace(rows=list(map(comparable, answer.rows)))
    if isinstance(answer, Backlog):
        return answer._replace(oldest=min(answer.oldest, TODAY))
    if isinstance(answer, Claimable):
        return answer._replace(since=min(answer.since, TODAY))
    if isinstance(answer, QueueLoad) and answer.oldest is not None:
        return answer._replace(oldest=min(answer.oldest, TODAY))
    if isinstance(answer, FollowUpRow):
        return answer._replace(id="", created_at=min(answer.created_at, TODAY))
    return list(map(comparable, answer)) if isinstance(answer, list) else answer


class StoreAgainstModel(RuleBasedStateMachine):
    """Every rule asks both and compares; the invariant compares what they then hold."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model: Store = MemoryStore()
        self.store: Store = self.run(open_store(backend_for(url), url, StoreOptions()))
        self.sent: dict[str, NewRun] = {}
        self.firsts = {"d": message("first", "d", "load")}
        self.asked: dict[str, Act] = {}
        self.ticks = 0
        for name in ("r1", "r2"):
            self.register(runner_id=name)
        definition = DefinitionRow(WORKFLOW, "1", "orders", "{}", NOW, None, "cpu", ("cpu", GPU))
        self.same(
            self.model.record_definitions([definition], WHEN_ENDED),
            self.store.record_definitions([definition], WHEN_ENDED),
        )
        # Without a beginning most stories end before there is a run to tell of.
        runs = [new_run("a"), new_run("b", tags='{"team":"x"}'), new_run("c", owner=None)]
        self.submit(runner_id="r1", new_runs=runs)
        for row in (schedule("s", name="n"), schedule("t")):
            self.same(self.model.put_schedule(row), self.store.put_schedule(row))

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()

    def run(self, question: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(question)

    def same(self, expected: Coroutine[Any, Any, T], given: Coroutine[Any, Any, T]) -> None:
        assert comparable(self.run(expected)) == comparable(self.run(given))

    @rule(runner_id=RUNNERS, new_runs=NEW_RUNS)
    def submit(self, runner_id: str, new_runs: list[NewRun]) -> None:
        # A run id names one run for ever: what was sent first is what is sent again.
        runs = [self.sent.setdefault(run.id, run) for run in new_runs]
        # An owner is the runner that submits the run.
        owned = [run if run.owner is None else run._replace(owner=runner_id) for run in runs]
        # A run begins once the run above it is durable: no batch has both.
        sent = {run.id for run in owned}
        known = list(dict.fromkeys([run for run in owned if run.parent_id not in sent]))
        messages = [self.firsts[run.id] for run in known if run.id in self.firsts]
        batch = batch_with(runner_id, known, [], [], {}, messages=messages)
        self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(data=st.data(), count=st.integers(1, 4), again=st.booleans())
    def record(self, data: st.DataObject, count: int, again: bool) -> None:
        for _ in range(count):
            batch = self._records(data)
            self.same(self.model.commit(batch), self.store.commit(batch))
            if again:
                self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(runner_id=RUNNERS, workflows=st.sets(WORKFLOWS), limit=LIMITS, aged=LIMITS, queues=SERVED)
    def claim(
        self,
        runner_id: str,
        workflows: set[str],
        limit: int,
        aged: int,
        queues: tuple[str, ...] | None,
    ) -> None:
        self.same(
            self.model.has_claimable(runner_id, workflows, queues),
            self.store.has_claimable(runner_id, workflows, queues),
        )
        arguments = (runner_id, workflows, limit, 7, aged, queues)
        self.same(self.model.claim(*arguments), self.store.claim(*arguments))

    @rule(runner_id=RUNNERS, run_ids=SOME_RUNS, offset=OFFSETS, has_begun=st.integers(0, 1))
    def release_unserved(
        self, runner_id: str, run_ids: set[str], offset: int, has_begun: int
    ) -> None:
        runs = []
        for run_id in run_ids:
            run = self.run(self.model.get_run(run_id))
            epoch = offset + (1 if run is None else run.epoch)
            runs.append(Unserved(run_id, epoch, '["gone"]', has_begun))
        self.same(
            self.model.release_unserved(runner_id, runs),
            self.store.release_unserved(runner_id, runs),
        )

    @rule(runner_id=RUNNERS, workflows=st.sets(WORKFLOWS))
    def forget_unserved(self, runner_id: str, workflows: set[str]) -> None:
        self.same(
            self.model.forget_unserved(runner_id, workflows),
            self.store.forget_unserved(runner_id, workflows),
        )

    @rule(runner_id=RUNNERS, held=st.sets(RUNS))
    def release(self, runner_id: str, held: set[str]) -> None:
        self.same(self.model.release(runner_id, held), self.store.release(runner_id, held))

    @rule(runner_id=RUNNERS)
    def register(self, runner_id: str) -> None:
        row = runner(runner_id)
        self.same(self.model.register(row), self.store.register(row))

    @rule(runner_id=RUNNERS, really=st.sampled_from([False, False, True]))
    def unregister(self, runner_id: str, really: bool) -> None:
        # Runners that live long make longer stories; the fenced ones may always come back.
        fenced = {row.id for row in self.run(self.model.runners()) if row.fenced}
        if runner_id not in fenced and not really:
            return
        self.same(self.model.unregister(runner_id), self.store.unregister(runner_id))

    @rule(
        runner_id=RUNNERS,
        lease_until=st.integers(0, 2**62),
        idle_since=st.none() | st.integers(0, 2**62),
        sharing=st.none() | st.just("{}"),
    )
    def beat(
        self, runner_id: str, lease_until: int, idle_since: int | None, sharing: str | None
    ) -> None:
        beat = (runner_id, lease_until, idle_since, sharing)
        self.same(self.model.beat(*beat), self.store.beat(*beat))

    @rule(runner_id=RUNNERS, offset=st.sampled_from([-1, 1, 0]))
    def fence(self, runner_id: str, offset: int) -> None:
        beats = {row.id: row.beat for row in self.run(self.model.runners())}
        seen_beat = beats.get(runner_id, 0) + offset
        self.same(self.model.fence(runner_id, seen_beat), self.store.fence(runner_id, seen_beat))

    @rule(runner_id=RUNNERS, limit=LIMITS)
    def take_over(self, runner_id: str, limit: int) -> None:
        self.same(self.model.take_over(runner_id, limit), self.store.take_over(runner_id, limit))

    @rule(
        statuses=st.lists(RUN_STATES, max_size=3, unique=True),
        workflow=st.none() | WORKFLOWS,
        tags=st.lists(TAGS, max_size=2, unique_by=lambda tag: tag[0]).map(tuple),
        before=st.none() | RUNS,
        limit=LIMITS,
        since=st.none() | INSTANTS,
        until=st.none() | INSTANTS,
        parent_id=st.sampled_from([None, None, "a", "b"]),
        error=st.sampled_from([None, None, *ERRORS]),
    )
    def list_runs(
        self, statuses: list[str], tags: tuple[tuple[str, str], ...], limit: int, **others: Any
    ) -> None:
        wanted = RunFilter(tuple(statuses), tags=tags, after=FIRST, **others)
        self.same(self.model.count_runs(wanted), self.store.count_runs(wanted))
        page = wanted._replace(limit=limit)
        self.same(self.model.list_runs(page), self.store.list_runs(page))

    @rule(
        conditions=st.lists(CONDITIONS, max_size=3).map(tuple),
        before=st.none() | RUNS,
        since=st.none() | INSTANTS,
        until=st.none() | INSTANTS,
        look_at=st.integers(1, 9),
    )
    def search(self, conditions: tuple[Condition, ...], look_at: int, **bounds: Any) -> None:
        async def all_found(store: Store) -> list[RunRow]:
            wanted, runs = RunSearch(conditions, look_at=look_at, **bounds), list[RunRow]()
            while True:
                found = await store.search(wanted)
                # The ids of runs that follow others are made by the store.
                runs += [row for row in found.rows if row.workflow != ALERTS]
                if found.reached is None:
                    return runs
                wanted = wanted._replace(before=found.reached)

        self.same(all_found(self.model), all_found(self.store))

    @rule(most=LIMITS, since=INSTANTS)
    def count_what_is_seen(self, most: int, since: int) -> None:
        model, store, names = self.model, self.store, ["ann", "bob@home", "cloaca"]
        self.same(model.count_under_way(most + 1), store.count_under_way(most + 1))
        self.same(model.failed_since(since, most), store.failed_since(since, most))
        self.same(model.actors(names), store.actors(names))
        self.same(longest_claimable(model), longest_claimable(store))
        workflows, runners = [WORKFLOW, "none"], ["r1", "r2"]
        self.same(
            model.count_of_workflows(workflows, most + 1),
            store.count_of_workflows(workflows, most + 1),
        )
        self.same(model.count_owned(runners, most), store.count_owned(runners, most))
        edges = ["0" * 13, "f" * 13]
        self.same(
            model.count_made(workflows, edges, most + 1),
            store.count_made(workflows, edges, most + 1),
        )

    @rule(runner_id=RUNNERS, most=LIMITS, gone=st.lists(RUNNERS, max_size=2))
    def list_waiting(self, runner_id: str, most: int, gone: list[str]) -> None:
        async def sorted_in(store: Store) -> Waiting:
            waiting = await store.list_waiting(runner_id, most, gone)
            return waiting._replace(rows=sorted(waiting.rows))

        self.same(sorted_in(self.model), sorted_in(self.store))

    # -- messages ----------------------------------------------------------------------------

    @rule(messages=st.lists(MESSAGES, min_size=1, max_size=3), most=st.sampled_from([3, 9]))
    def send(self, messages: list[NewMessage], most: int) -> None:
        for each in messages:
            self.same(self.model.send(each, most), self.store.send(each, most))

    @rule(
        run_id=st.sampled_from("aab"),
        kind=st.sampled_from([EVENT, EVENT, APPROVAL]),
        steps=st.lists(
            st.sampled_from(["wait", "send", "send", "close", "time out", "pause", "park"]),
            min_size=2,
            max_size=6,
        ),
        seen=SEEN,
        taken=st.none() | st.integers(0, 1),
        to=st.sampled_from([None, ("load", -1), ("load", 2), ("load", 2), ("other", 2)]),
        item=st.sampled_from([-1, 2]),
    )
    def wait_for(
        self,
        run_id: str,
        kind: str,
        steps: list[str],
        seen: int,
        taken: int | None,
        to: tuple[str, int] | None,
        item: int,
    ) -> None:
        """A story of one wait, told by the owner of its run, so that all of it counts."""
        known, sent = wait(run_id, "load", kind=kind)._replace(item=item), ["", ""]
        for step in steps:
            self.ticks += 1
            run = self.run(self.model.get_run(run_id))
            if step == "send":
                new = message(f"s{self.ticks}", run_id, "load", kind=kind)
                if to is not None:
                    new = new._replace(for_task=to[0], for_item=to[1])
                sent = [*sent[1:], new.id]
                self.same(self.model.send(new, 9), self.store.send(new, 9))
            elif step == "pause":
                asked = act(f"p{self.ticks}")
                self.same(
                    self.model.pause([run_id], asked, None, children=False),
                    self.store.pause([run_id], asked, None, children=False),
                )
            elif run is not None and run.owner is not None:
                task = f"load {self.ticks % 2}"
                message_id = None if taken is None else sent[taken]
                ended = ClosedWait(*known[:5], message=message_id, item=item)
                batch = batch_with(
                    run.owner,
                    [],
                    [],
                    [],
                    {run_id: run.epoch},
                    waits=[known] if step == "wait" else [],
                    closed=[ended._replace(task_id=task)] if step == "close" else [],
                    timeouts=[WaitTimeout(*known[:5], seen=seen, item=item)]
                    if step == "time out"
                    else [],
                    parks=[Park(run_id, NEVER, NOW, seen)] if step == "park" else [],
                )
                self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(run_ids=SOME_RUNS, limit=LIMITS, workflow=st.none() | WORKFLOWS)
    def look_for_messages(self, run_ids: set[str], limit: int, workflow: str | None) -> None:
        self.same(self.model.waits(run_ids), self.store.waits(run_ids))
        self.same(self.model.messages(run_ids), self.store.messages(run_ids))
        self.same(
            self.model.open_approvals(limit, workflow), self.store.open_approvals(limit, workflow)
        )

    # -- steering ----------------------------------------------------------------------------

    @rule(run_ids=SOME_RUNS, number=ACTS, deadline=INSTANTS, children=st.booleans())
    def cancel(self, run_ids: set[str], number: int, deadline: int, children: bool) -> None:
        asked = self._act("cancel", number)
        self.same(
            self.model.cancel(run_ids, asked, deadline, children=children),
            self.store.cancel(run_ids, asked, deadline, children=children),
        )

    @rule(run_ids=SOME_RUNS, number=ACTS, until=st.none() | INSTANTS, children=st.booleans())
    def pause(self, run_ids: set[str], number: int, until: int | None, children: bool) -> None:
        arguments = (run_ids, self._act("pause", number), until)
        self.same(
            self.model.pause(*arguments, children=children),
            self.store.pause(*arguments, children=children),
        )

    @rule(run_ids=SOME_RUNS, number=ACTS, content=st.none() | st.sampled_from(["{}", '{"x":1}']))
    def resume(self, run_ids: set[str], number: int, content: str | None) -> None:
        arguments = (run_ids, self._act("resume", number), content)
        self.same(self.model.resume(*arguments), self.store.resume(*arguments))
        self.same(self.model.replacements(run_ids), self.store.replacements(run_ids))

    @rule(
        first=st.dictionaries(
            RUNS, st.dictionaries(TASKS, st.integers(1, 3), max_size=2), max_size=3
        ),
        number=ACTS,
        offset=OFFSETS,
        children=st.booleans(),
        time_limit=st.none() | st.integers(1, 3),
        version=st.sampled_from([None, "1", "2"]),
        items=CHOSEN,
        queue=PLANNED,
    )
    def retry(
        self,
        first: dict[str, dict[str, int]],
        number: int,
        offset: int,
        version: str | None,
        items: dict[str, tuple[int, ...]],
        queue: PlannedQueue | None,
        **options: Any,
    ) -> None:
        rounds = []
        for run_id, attempts in first.items():
            run = self.run(self.model.get_run(run_id))
            seen = offset + (1 if run is None else run.round)
            chosen = {task: items[task] for task in items if task in attempts}
            later = [task for task in attempts if seen == 1 and task > min(attempts)]
            rounds.append(Reopening(run_id, seen, attempts, version, chosen, queue, later))
        asked = self._act("retry", number)
        self.same(
            self.model.retry(rounds, asked, **options),
            self.store.retry(rounds, asked, **options),
        )

    @rule(
        source=RUNS,
        key=st.sampled_from([None, None, "k1"]),
        kept=st.sampled_from([(), ("load",), ("save",)]),
        items=st.none() | st.sampled_from([(0,), (0, 1)]),
        queue=PLANNED,
        offset=OFFSETS,
    )
    def fork(
        self,
        source: str,
        key: str | None,
        kept: tuple[str, ...],
        items: tuple[int, ...] | None,
        queue: PlannedQueue | None,
        offset: int,
    ) -> None:
        """A run that is made so is looked at, and nothing happens to it that needs its id."""
        run = self.run(self.model.get_run(source))
        self.ticks += 1
        from_task = "save" if kept == ("load",) else "load"
        new = new_fork(f"f{self.ticks}", source, from_task=from_task, key=key, kept=kept)._replace(
            items=items, queue=queue, round=offset + (1 if run is None else run.round)
        )
        asked = act(f"fork {self.ticks}")
        self.same(self.model.fork(new, asked), self.store.fork(new, asked))

    @rule(run_ids=SOME_RUNS, queue=QUEUES, now=INSTANTS, served=SERVED, limit=LIMITS)
    def bring_overdue(
        self,
        run_ids: set[str],
        queue: str,
        now: int,
        served: tuple[str, ...] | None,
        limit: int,
    ) -> None:
        wanted = ([WORKFLOW], served or (), limit)
        self.same(self.model.first_overdue(*wanted), self.store.first_overdue(*wanted))
        self.same(
            self.model.bring_overdue(run_ids, queue, now),
            self.store.bring_overdue(run_ids, queue, now),
        )

    @rule(workflow=WORKFLOWS, number=ACTS, until=st.none() | INSTANTS)
    def pause_workflow(self, workflow: str, number: int, until: int | None) -> None:
        arguments = (workflow, self._act(f"pause {workflow}", number), until)
        self.same(self.model.pause_workflow(*arguments), self.store.pause_workflow(*arguments))

    @rule(workflow=WORKFLOWS, number=ACTS)
    def resume_workflow(self, workflow: str, number: int) -> None:
        arguments = (workflow, self._act(f"resume {workflow}", number))
        self.same(self.model.resume_workflow(*arguments), self.store.resume_workflow(*arguments))

    @rule(workflows=st.sets(WORKFLOWS), now=INSTANTS, limit=LIMITS)
    def let_time_pass(self, workflows: set[str], now: int, limit: int) -> None:
        self.same(self.model.next_due_run(workflows), self.store.next_due_run(workflows))
        arguments = (workflows, now, limit)
        self.same(
            self.model.make_due_claimable(*arguments), self.store.make_due_claimable(*arguments)
        )
        self.same(
            self.model.make_claimable_after_set_back(*arguments),
            self.store.make_claimable_after_set_back(*arguments),
        )
        self.same(self.model.pauses_over(now, limit), self.store.pauses_over(now, limit))

    @rule(runner_id=RUNNERS, limit=LIMITS, parents=SOME_RUNS)
    def follow(self, runner_id: str, limit: int, parents: set[str]) -> None:
        self.same(
            self.model.children_under_way(parents, limit),
            self.store.children_under_way(parents, limit),
        )
        self.same(self.model.news(runner_id, [], limit), self.store.news(runner_id, [], limit))
        self.same(
            self.model.children_out_of_step(parents, limit),
            self.store.children_out_of_step(parents, limit),
        )
        self.same(self.model.paused_with_parents(parents), self.store.paused_with_parents(parents))
        self.same(self.model.forget_children(parents), self.store.forget_children(parents))

    @rule(parent=RUNS, children=SOME_RUNS, number=ACTS)
    def bring_into_step(self, parent: str, children: set[str], number: int) -> None:
        arguments = (parent, children, self._act("follow", number))
        self.same(self.model.bring_into_step(*arguments), self.store.bring_into_step(*arguments))

    @rule(run_id=RUNS, limit=LIMITS)
    def list_acts(self, run_id: str, limit: int) -> None:
        for wanted in (run_id, None):
            self.same(self.model.acts(wanted, limit), self.store.acts(wanted, limit))

    @rule(
        by=st.sampled_from([None, "ann", "", "nobody"]),
        kinds=st.none() | st.sets(st.sampled_from(["cancel", "pause", "submit", "no such"])),
        before=st.none() | st.builds(ActMark, INSTANTS, st.sampled_from(["", "1", "3"]), RUNS),
        submissions=st.booleans(),
        run_id=st.none() | RUNS,
        limit=LIMITS,
    )
    def search_acts(
        self,
        by: str | None,
        kinds: set[str] | None,
        before: ActMark | None,
        submissions: bool,
        run_id: str | None,
        limit: int,
    ) -> None:
        search = ActSearch(by, kinds, before, submissions, run_id)
        self.same(self.model.search_acts(search, limit), self.store.search_acts(search, limit))

    # -- schedules ---------------------------------------------------------------------------

    @rule(
        schedule_id=SCHEDULES,
        name=NAMES,
        workflow=WORKFLOWS,
        due_at=DUE,
        expression=st.sampled_from(["* * * * *", "* * * * *", "@daily"]),
        end=st.none() | INSTANTS,
        enabled=st.sampled_from([True, True, False]),
        queue=st.sampled_from([None, None, GPU]),
        number=st.none() | ACTS,
    )
    def put_schedule(
        self,
        schedule_id: str,
        name: str | None,
        workflow: str,
        due_at: int | None,
        expression: str,
        end: int | None,
        enabled: bool,
        queue: str | None,
        number: int | None,
    ) -> None:
        # An id is made for one schedule: it comes again only for one that has a name.
        if schedule_id in self.run(self._schedules()):
            return
        row = schedule(schedule_id, name=name, workflow=workflow, due_at=due_at)._replace(
            cron_expression=expression, end_date=end, enabled=enabled, queue=queue
        )
        asked = self._noted("put", number)
        self.same(self.model.put_schedule(row, asked), self.store.put_schedule(row, asked))

    @rule(
        schedule_id=SCHEDULES,
        offset=OFFSETS,
        enabled=st.booleans(),
        due_at=DUE,
        until=INSTANTS,
        workflow=WORKFLOWS,
        queue=st.sampled_from([None, None, GPU]),
        number=st.none() | ACTS,
    )
    def change_schedule(
        self,
        schedule_id: str,
        offset: int,
        enabled: bool,
        due_at: int | None,
        until: int,
        workflow: str,
        queue: str | None,
        number: int | None,
    ) -> None:
        row = self.run(self._schedules()).get(schedule_id, schedule(schedule_id))
        wanted = row._replace(
            generation=row.generation + offset,
            enabled=enabled,
            timezone="Asia/Tokyo",
            workflow=workflow,
            queue=queue,
            next_tick=due_at,
            due_at=due_at,
            decided_until=until,
        )
        asked = self._noted("retime", number)
        self.same(
            self.model.change_schedule(wanted, asked), self.store.change_schedule(wanted, asked)
        )

    @rule(schedule_id=SCHEDULES, really=st.sampled_from([False, False, True]), number=ACTS)
    def delete_schedule(self, schedule_id: str, really: bool, number: int) -> None:
        if really:
            arguments = (schedule_id, self._noted("delete", number))
            self.same(
                self.model.delete_schedule(*arguments), self.store.delete_schedule(*arguments)
            )

    @rule(
        data=st.data(),
        runner_id=RUNNERS,
        ticks=st.sets(INSTANTS, max_size=2),
        lost=st.sampled_from([0, 0, 3]),
        again=st.booleans(),
    )
    def fire(
        self, data: st.DataObject, runner_id: str, ticks: set[int], lost: int, again: bool
    ) -> None:
        """The deciding runner has read the schedule as it is, or as it was before a change."""
        schedule_id = data.draw(SCHEDULES)
        known = self.run(self._schedules())
        generation = known[schedule_id].generation if schedule_id in known else 0
        generation = max(0, generation + data.draw(OFFSETS))
        decided = firing(schedule_id, generation=generation, lost=lost)._replace(
            decided_until=data.draw(INSTANTS), due_at=data.draw(DUE)
        )
        made = [self._tick(schedule_id, tick, generation) for tick in sorted(ticks)]
        batch = batch_with(runner_id, [], [], [], {}, [decided], made)
        for _ in range(1 + again):
            self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(runner_id=RUNNERS, schedule_id=SCHEDULES, ticks=st.sets(INSTANTS, min_size=1))
    def back_fill(self, runner_id: str, schedule_id: str, ticks: set[int]) -> None:
        filled = [self._tick(schedule_id, tick, None) for tick in sorted(ticks)]
        batch = batch_with(runner_id, [], [], [], {}, (), filled)
        self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(workflows=st.sets(WORKFLOWS), now=INSTANTS, limit=LIMITS)
    def look_for_due(self, workflows: set[str], now: int, limit: int) -> None:
        self.same(self.model.next_due(workflows), self.store.next_due(workflows))
        arguments = (workflows, now, limit)
        self.same(self.model.due_schedules(*arguments), self.store.due_schedules(*arguments))
        ahead = (workflows, now, now, limit)
        self.same(self.model.schedules_ahead(*ahead), self.store.schedules_ahead(*ahead))

    @rule(schedule_id=SCHEDULES, limit=LIMITS, offset=LIMITS, enabled_only=st.booleans())
    def page(self, schedule_id: str, limit: int, offset: int, enabled_only: bool) -> None:
        self.same(
            self.model.list_ticks(schedule_id, limit=limit, offset=offset),
            self.store.list_ticks(schedule_id, limit=limit, offset=offset),
        )
        self.same(
            self.model.list_schedules(enabled_only=enabled_only, limit=limit, offset=offset),
            self.store.list_schedules(enabled_only=enabled_only, limit=limit, offset=offset),
        )

    @invariant()
    def they_hold_the_same(self) -> None:
        self.same(contents(self.model), contents(self.store))

    def _act(self, kind: str, number: int) -> Act:
        """An act of this number: always the same, at an instant of its own."""
        act_id = f"{kind} {number}"
        given = act(act_id, because=act_id, now=NOW + number)
        return self.asked.setdefault(act_id, given)

    def _noted(self, kind: str, number: int | None) -> ActRow | None:
        """An act on a schedule, as it is noted."""
        if number is None:
            return None
        return noted(f"{kind} {number}", f"{kind}_schedule", at=NOW + number)

    async def _schedules(self) -> dict[str, ScheduleRow]:
        rows = await self.model.list_schedules(enabled_only=False, limit=9, offset=0)
        return {row.id: row for row in rows}

    def _tick(self, schedule_id: str, tick: int, generation: int | None) -> NewTick:
        """A tick with the id of a new run."""
        self.ticks += 1
        row = new_tick(schedule_id, f"tick-{self.ticks}", tick=tick)
        asked = GPU if self.ticks % 3 == 0 else None
        return row._replace(generation=generation, queue=asked, asked_queue=asked)

    def _records(self, data: st.DataObject) -> Batch:
        """Attempts and ends, mostly by the owner under its epoch, sometimes stale or foreign."""
        runs = self.run(self.model.list_runs(any_run(after=FIRST)))
        owners = [run.owner for run in runs if run.owner is not None] or ["r1"]
        runner_id = data.draw(st.sampled_from(owners) | st.sampled_from(owners) | RUNNERS)
        epochs = {run.id: max(0, run.epoch + data.draw(OFFSETS)) for run in runs} or {"a": 1}
        some = st.lists(st.sampled_from(sorted(epochs)), min_size=1, max_size=4)
        of_nodes = [run.id for run in runs if run.child_kind is not None]
        children = st.lists(st.sampled_from(of_nodes), max_size=2) if of_nodes else st.just([])
        attempts = [
            attempt(
                run,
                data.draw(TASKS),
                1,
                epoch=epochs[run],
                status=status,
                reason=data.draw(REASONS) if status == TaskStatus.SKIPPED else None,
            )._replace(item=data.draw(ITEMS))
            for run in data.draw(some)
            for status in [data.draw(TASK_STATES)]
        ]
        ends = [
            run_end(
                run,
                epoch=epochs[run],
                status=data.draw(FINAL),
                reason=data.draw(REASONS),
                limit=data.draw(DEADLINES),
            )
            for run in (*data.draw(ENDS), *data.draw(children))
            if run in epochs
        ]
        parks = [
            Park(run, due_at, NOW, data.draw(SEEN), data.draw(RESTS), data.draw(RESTS))._replace(
                begun=data.draw(RESTS), queue=queue, overdue_at=overdue_at
            )
            for run, due_at in data.draw(PARKS)
            for queue, overdue_at in [data.draw(MOVES)]
            if run in epochs
        ]
        follow_ups = [self._follow_up(end.id, place) for end in ends for place in (0, 1)]
        drawn = data.draw(st.lists(MEMOS, max_size=2, unique_by=lambda row: row[:5]))
        memos = [row for row in drawn if row.run_id in epochs]
        waits = [
            row
            for row in data.draw(st.lists(WAITS, max_size=3, unique_by=lambda row: row[:5]))
            if row.run_id in epochs
        ]
        over = [row for row in data.draw(st.lists(WAITS, max_size=3)) if row.run_id in epochs]
        ids = st.none() | st.sampled_from("mnopqrstuvw")
        batch = batch_with(
            runner_id,
            [],
            attempts,
            ends,
            epochs,
            parks=parks,
            follow_ups=follow_ups,
            memos=memos,
            waits=waits,
            timeouts=[WaitTimeout(*row[:5], seen=data.draw(SEEN)) for row in over[1:]],
            closed=[ClosedWait(*row[:5], message=data.draw(ids)) for row in over[:1]],
        )
        grown = self._grown(data, sorted(epochs))
        told = TOLD_ENDS.rows([ToldEnd(end.id) for end in ends])
        return batch._replace(rows={**batch.rows, **told, **grown})

    def _grown(self, data: st.DataObject, known: list[str]) -> Rows:
        """Maps that are opened, children of nodes, and runs that are put into queues."""
        runs = st.lists(st.sampled_from(known), max_size=2)
        maps = {
            (run, task): MapRow(run, task, data.draw(SEEN), 1, "v", 2, "d", 1, labels, again)
            for run in data.draw(runs)
            for task, labels, again in data.draw(OPENINGS)
        }
        children = [self._child(data, run) for run in data.draw(runs)]
        return {
            **MAPS.rows(list(maps.values())),
            **NODE_CHILDREN.rows(children),
            **OPENED_NODES.rows(
                [
                    OpenedNode(each.run_id, "load", 9, NOW, each.id, "{}", each.replacements)
                    for each in children
                    if each.replacements is not None
                ]
            ),
            **IN_QUEUES.rows(
                [InQueue(run, data.draw(QUEUES), data.draw(DUE)) for run in data.draw(runs)]
            ),
            **FILLED_INPUTS.rows(
                [FilledInput(run, f'{{"n":{self.ticks}}}', NOW) for run in data.draw(runs)]
            ),
        }

    def _child(self, data: st.DataObject, parent: str) -> NodeChild:
        """A child of one of two nodes of a run: each has a new id, and its node one key."""
        self.ticks += 1
        key = f"{parent}::load::{data.draw(RESTS)}"
        asked = data.draw(st.sampled_from([None, None, GPU]))
        limits = (data.draw(SEEN), data.draw(DEADLINES), data.draw(DUE))
        made = (WORKFLOW, "1", "{}", data.draw(st.sampled_from(["{}", '{"team":"x"}'])), key, NOW)
        child = NodeChild(parent, f"n{self.ticks}", *made, *limits, data.draw(QUEUES), asked)
        return child._replace(replacements=data.draw(st.sampled_from([None, 0, 1])))

    def _follow_up(self, run_id: str, place: int) -> NewFollowUp:
        """What the owner of a run asks for, with the id of a new run."""
        self.ticks += 1
        status, content = ("Failed", "Cancelled")[place], f'{{"owner":{place}}}'
        return NewFollowUp(f"9-{self.ticks}", run_id, place, status, ALERTS, content)


# A server answers each of a thousand statements of a story over a socket.
EXAMPLES = {"sqlite": 100, "postgres": 25}


@pytest.mark.timeout(900)
def test_a_backend_answers_as_the_model_does(
    own_databases: OwnDatabases, backend_name: str
) -> None:
    class OnThisBackend(StoreAgainstModel):
        def __init__(self) -> None:
            super().__init__(own_databases.new_for_one_store())

    run_state_machine_as_test(
        OnThisBackend,
        settings=settings(
            max_examples=EXAMPLES[backend_name],
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
