"""Limits: so many bodies at once, in all and with the same key, and so many in a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

import pytest
from scenarios.steering import until
from tables import each_row

import cloaca
from cloaca.testing import crash_at_every_point, harness

OpenRunner = Callable[..., cloaca.DefaultRunner]


class Together:
    """Counts how many bodies are under way at once, in all and by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[object] = Counter()
        self.most: Counter[object] = Counter()
        self.begun: list[object] = []

    @contextmanager
    def body(self, key: object) -> Iterator[None]:
        with self._lock:
            self.begun.append(key)
            for each in ("all", key):
                self._now[each] += 1
                self.most[each] = max(self.most[each], self._now[each])
        try:
            yield
        finally:
            with self._lock:
                for each in ("all", key):
                    self._now[each] -= 1


@pytest.mark.each_backend
def test_no_more_bodies_than_a_limit_allows_are_under_way(open_runner: OpenRunner) -> None:
    together, two = Together(), threading.Barrier(2)
    api = cloaca.Limit("api", total=2, per_key=1)
    with cloaca.WorkflowBuilder("calls"):

        @cloaca.task(limits=[api.key("customer")])
        def call(context: cloaca.Context) -> None:
            with together.body(context["customer"]):
                two.wait(10)  # each runs beside one of another customer

    runner = open_runner(max_concurrent_tasks=8)
    customers = ["ann", "ann", "bob", "bob"]
    runs = runner.submit_many("calls", [{"customer": each} for each in customers])
    results = [run.result(30) for run in runs]

    assert [each.status for each in results] == ["Completed"] * 4
    assert together.most == {"all": 2, "ann": 1, "bob": 1}


@pytest.mark.each_backend
def test_a_limit_that_nobody_defines_is_refused_when_a_runner_opens(
    open_runner: OpenRunner,
) -> None:
    with cloaca.WorkflowBuilder("calls"):

        @cloaca.task(limits=["opneai"])
        def call(context: cloaca.Context) -> None: ...

    cloaca.register_limit(cloaca.Limit("openai", total=20))
    with pytest.raises(cloaca.DefinitionError, match="did you mean 'openai'"):
        open_runner()

    cloaca.register_limit(cloaca.Limit("opneai", total=1))
    assert open_runner().execute("calls").status == "Completed"


def test_a_program_may_use_a_limit_that_another_one_has_defined(
    open_runner: OpenRunner, database_url: str
) -> None:
    cloaca.register_limit(cloaca.Limit("openai", total=20))
    open_runner().shutdown()
    other = cloaca.Registry()
    with cloaca.WorkflowBuilder("calls", registry=other):

        @cloaca.task(limits=["openai"])
        def call(context: cloaca.Context) -> None: ...

    with cloaca.DefaultRunner(database_url, registry=other) as runner:
        assert runner.execute("calls").status == "Completed"


@pytest.mark.each_backend
def test_a_body_that_executes_a_run_holds_no_place_meanwhile(open_runner: OpenRunner) -> None:
    one = cloaca.Limit("one", total=1)
    with cloaca.WorkflowBuilder("inner"):

        @cloaca.task(limits=[one])
        def work(context: cloaca.Context) -> dict[str, int]:
            return {"n": 7}

    with cloaca.WorkflowBuilder("outer"):

        @cloaca.task(limits=[one])
        def ask(context: cloaca.Context) -> dict[str, int]:
            return {"found": runner.execute("inner").final_context["n"]}

    runner = open_runner()

    assert runner.execute("outer").final_context["found"] == 7


@pytest.mark.each_backend
def test_explain_names_the_limit_its_key_and_who_holds_the_place(open_runner: OpenRunner) -> None:
    begun, done = threading.Event(), threading.Event()
    api = cloaca.Limit("api", per_key=1)
    with cloaca.WorkflowBuilder("calls"):

        @cloaca.task(limits=[api.key("customer")])
        def call(context: cloaca.Context) -> None:
            begun.set()
            done.wait(20)

    runner = open_runner()
    first = runner.submit("calls", {"customer": "ann"})
    begun.wait(20)
    second = runner.submit("calls", {"customer": "ann"})
    until(lambda: second.explain().tasks[0].waits_for == cloaca.Wait("limit", "api"))

    explained = second.explain().tasks[0]
    done.set()

    assert explained.code == "limit"
    assert explained.why == (
        f'waits for a place of limit api with key "ann", which call of run {first.id} holds'
    )
    assert second.result(20).status == "Completed"


@pytest.mark.backend("sqlite", reason="what is said of a limit, not what the database does")
def test_a_limit_that_is_full_is_said_with_all_holders_also_where_people_look(
    open_runner: OpenRunner,
) -> None:
    begun, done = threading.Event(), threading.Event()
    api = cloaca.Limit("api", total=1, per_key=1)
    with cloaca.WorkflowBuilder("calls"):

        @cloaca.task(limits=[api.key("customer")])
        def call(context: cloaca.Context) -> None:
            begun.set()
            done.wait(20)

    runner = open_runner()
    first = runner.submit("calls", {"customer": "ann"})
    begun.wait(20)
    second = runner.submit("calls", {"customer": "bob"})
    until(lambda: second.explain().tasks[0].waits_for == cloaca.Wait("limit", "api"))

    explained = second.explain()
    seen = cloaca.Observer(runner).inspect(second.id).wait().explanation
    done.set()

    why = f"waits for a place of limit api, which call of run {first.id} holds"
    assert explained.tasks[0].why == why
    assert explained.why.startswith("tasks that wait for places of limits: call")
    assert [each.why for each in seen.tasks] == [why]


def define_limited(registry: cloaca.Registry) -> None:
    one = cloaca.Limit("one", total=1)
    with cloaca.WorkflowBuilder("work", registry=registry):

        @cloaca.task(limits=[one], retry_attempts=2, retry_delay_ms=60_000, retry_jitter=False)
        def first(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
            handle.sleep(timedelta(hours=1))
            return {"first": 1}

        @cloaca.task(dependencies=[first], map=[1, 2, 3], limits=[one.key("item")])
        def each(context: cloaca.Context, item: int) -> int:
            return item


@each_row("evict", ["always", None])
@pytest.mark.backend("sqlite", reason="a database in memory")
def test_the_test_kit_gives_places(evict: Literal["always"] | None) -> None:
    registry = cloaca.Registry()
    define_limited(registry)
    with harness(registry, evict=evict) as h:
        runs = [h.run("work", {}) for _ in range(3)]
        h.clock.advance(hours=4)

        assert [each.status for each in runs] == ["Completed"] * 3


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_a_crash_at_every_point_loses_no_place() -> None:
    registry = cloaca.Registry()
    define_limited(registry)

    report = crash_at_every_point("work", {}, registry=registry)

    assert report.status == "Completed"
    assert report.different == ()
