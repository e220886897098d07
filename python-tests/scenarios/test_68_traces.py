"""67: traces by OpenTelemetry, checked with the exporter of its SDK that keeps spans in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

import cloaca

WAIT = 60.0


class Traced:
    """A provider, and the spans that have ended."""

    def __init__(self, **options: object) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)  # type: ignore[arg-type]  # as the SDK takes them
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("program")

    def spans(self) -> dict[str, list[ReadableSpan]]:
        """The spans by their names, in the order of their ends."""
        found: dict[str, list[ReadableSpan]] = {}
        for span in self.exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.spans()[name]
        return span


@pytest.fixture
def traced() -> Traced:
    return Traced()


@pytest.fixture
def runner(database_url: str, traced: Traced) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(database_url) as runner:
        cloaca.otel.instrument(runner, tracer_provider=traced.provider)
        yield runner


def context_of(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


def is_below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    above = span.parent
    return above is not None and (above.trace_id, above.span_id) == (
        context_of(parent).trace_id,
        context_of(parent).span_id,
    )


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def key(span: ReadableSpan) -> tuple[int, int]:
    return context_of(span).trace_id, context_of(span).span_id


def micros(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time // 1000, span.end_time // 1000


def define_order(fails: list[bool]) -> None:
    def charge(context: cloaca.Context) -> dict[str, int]:
        if fails:
            fails.pop()
            raise ConnectionError("card no. 4711 was refused")
        return {"paid": 1}

    with cloaca.WorkflowBuilder("order"):
        cloaca.task(id="charge", retry_attempts=2, retry_delay_ms=1)(charge)
        cloaca.task(id="send", dependencies=["charge"])(lambda context: None)


# -- a run and its tasks -------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_run_has_a_span_of_its_own_trace_that_links_to_its_submission(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    define_order([])
    with traced.tracer.start_as_current_span("request") as request:
        run = runner.submit("order", {"card": 4711})
    run.result(WAIT)

    submitted, ran = traced.one("submit order"), traced.one("run order")
    assert (submitted.kind, ran.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert submitted.parent is not None
    assert submitted.parent.span_id == request.get_span_context().span_id
    assert attribute(submitted, "cloaca.run.id") == run.id
    assert ran.parent is None
    assert context_of(ran).trace_id != context_of(submitted).trace_id
    assert links(ran) == [key(submitted)]
    assert attribute(ran, "cloaca.run.id") == run.id
    assert attribute(ran, "cloaca.run.status") == "Completed"
    assert attribute(ran, "error.type") is None
    for name in ("task order.charge", "task order.send"):
        assert is_below(traced.one(name), ran)
    row = run.info()
    assert [round(t) for t in micros(ran)] == [at(row.started_at), at(row.ended_at)]


def at(text: str | None) -> int:
    from datetime import UTC, datetime

    assert text is not None
    moment = datetime.fromisoformat(text)
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def test_each_attempt_has_a_span_with_a_stable_type_of_its_error(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    define_order([True])
    run = runner.submit("order")
    run.result(WAIT)

    first, second = traced.spans()["task order.charge"]
    assert [attribute(each, "cloaca.task.attempt") for each in (first, second)] == [1, 2]
    assert attribute(first, "error.type") == "ConnectionError"
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET
    info = [each for each in run.attempts() if each.task_id == "charge"]
    assert [micros(each) for each in (first, second)] == [
        (at(each.started_at), at(each.ended_at)) for each in info
    ]


def test_neither_payloads_nor_messages_of_errors_are_in_a_span(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    define_order([True, True])
    runner.submit("order", {"card": "no. 4711"}).result(WAIT)

    assert traced.one("run order").status.status_code is StatusCode.ERROR
    assert attribute(traced.one("run order"), "error.type") == "task_failed"
    spans = traced.exporter.get_finished_spans()
    assert "no. 4711" not in "".join(span.to_json() for span in spans)


def test_spans_of_the_body_are_below_that_of_its_attempt(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        with traced.tracer.start_as_current_span("in a thread"):
            handle.step("fetch", lambda: None)

    async def save(context: cloaca.Context) -> None:
        with traced.tracer.start_as_current_span("in a coroutine"):
            pass

    def told(task_id: str, context: cloaca.Context) -> None:
        with traced.tracer.start_as_current_span("in a callback"):
            pass

    with cloaca.WorkflowBuilder("nested"):
        cloaca.task(id="load", on_success=told)(load)
        cloaca.task(id="save")(save)
    runner.submit("nested").result(WAIT)

    loaded, saved = traced.one("task nested.load"), traced.one("task nested.save")
    assert is_below(traced.one("in a thread"), loaded)
    assert is_below(traced.one("in a callback"), loaded)
    assert is_below(traced.one("in a coroutine"), saved)
    assert is_below(traced.one("step fetch"), traced.one("in a thread"))
    assert attribute(traced.one("step fetch"), "cloaca.step.name") == "fetch"


def test_items_of_a_map_are_below_their_map(runner: cloaca.DefaultRunner, traced: Traced) -> None:
    """So are the spans of a body below that of its item."""

    def convert(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> None:
        with traced.tracer.start_as_current_span(f"converts {item}"):
            handle.sleep(0.001)

    with cloaca.WorkflowBuilder("order"):
        cloaca.task(map=["a", "b"])(convert)
    runner.execute("order", {}, timeout=WAIT)

    task, items = traced.one("task order.convert"), traced.spans()["item order.convert"]
    items.sort(key=lambda span: str(attribute(span, "cloaca.item.index")))
    assert [attribute(span, "cloaca.item.index") for span in items] == [0, 1]
    assert all(is_below(span, task) for span in items)
    for name, item in zip("ab", items, strict=True):
        assert is_below(traced.one(f"converts {name}"), item)
    waits = traced.spans()["wait sleep"]
    assert {attribute(span, "cloaca.item.index") for span in waits} == {0, 1}
    assert all(any(is_below(wait, item) for item in items) for wait in waits)


def test_a_step_that_fails_says_by_what(runner: cloaca.DefaultRunner, traced: Traced) -> None:
    async def load(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
        async def fetch() -> None:
            raise OSError("host no. 4711 is down")

        await handle.step("fetch", fetch)

    with cloaca.WorkflowBuilder("failing"):
        cloaca.task(id="load", retry_attempts=1)(load)
    runner.submit("failing").result(WAIT)

    span = traced.one("step fetch")
    assert attribute(span, "error.type") == "OSError"
    assert "no. 4711" not in span.to_json()
    assert is_below(span, traced.one("task failing.load"))


def test_waits_are_below_the_attempts_that_wait(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    def pack(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        handle.wait_for("paid")

    with cloaca.WorkflowBuilder("waits"):
        cloaca.sleep("rest", seconds=0.01)
        cloaca.wait_for("sign", "signed", dependencies=["rest"])
        cloaca.task(id="pack", dependencies=["sign"])(pack)
    run = runner.submit("waits", send=("paid", {"card": "4711"}))
    run.send("signed")
    run.result(WAIT)

    for name, task, ended_by in (
        ("wait sleep", "task waits.rest", "time"),
        ("wait signed", "task waits.sign", "message"),
        ("wait paid", "task waits.pack", "message"),
    ):
        assert is_below(traced.one(name), traced.one(task))
        assert attribute(traced.one(name), "cloaca.wait.ended_by") == ended_by
    assert micros(traced.one("wait sleep")) == micros(traced.one("task waits.rest"))


# -- who belongs to which trace ------------------------------------------------------------------


def test_an_executed_run_belongs_to_the_trace_of_its_caller(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    define_order([])
    with traced.tracer.start_as_current_span("request") as request:
        runner.execute("order", timeout=WAIT)

    submitted, ran = traced.one("submit order"), traced.one("run order")
    assert is_below(ran, submitted)
    assert context_of(ran).trace_id == request.get_span_context().trace_id
    assert links(ran) == []


def test_children_share_the_trace_unless_they_are_detached(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    def start(context: cloaca.Context) -> None:
        runner.execute("executed", timeout=WAIT)
        runner.submit("attached").result(WAIT)
        runner.submit("detached", detached=True).result(WAIT)

    for name in ("executed", "attached", "detached"):
        with cloaca.WorkflowBuilder(name):
            cloaca.task(id="t")(lambda context: None)
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="start")(start)
    run = runner.submit("parent")
    run.result(WAIT)

    started = traced.one("task parent.start")
    for name in ("executed", "attached"):
        assert is_below(traced.one(f"submit {name}"), started)
        assert is_below(traced.one(f"run {name}"), traced.one(f"submit {name}"))
        assert attribute(traced.one(f"run {name}"), "cloaca.run.parent_id") == run.id
    assert is_below(traced.one("submit detached"), started)
    assert traced.one("run detached").parent is None
    assert links(traced.one("run detached")) == [key(traced.one("submit detached"))]


@pytest.mark.each_backend
def test_the_runs_of_nodes_are_below_their_nodes(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    with cloaca.WorkflowBuilder("add"):
        cloaca.task(id="t")(lambda context: {"n": context.get("n", 0) + 1})
    with cloaca.WorkflowBuilder("parent"):
        once = cloaca.child("once", "add", context={})
        until = cloaca.context_value("n", ">", 1)
        cloaca.loop("again", "add", until=until, max_iterations=2, context={}, dependencies=[once])

    assert runner.submit("parent").result(WAIT).status == "Completed"

    nodes = [traced.one(f"task parent.{name}") for name in ("once", "again")]
    runs = traced.spans()["run add"]
    above = [[is_below(span, node) for node in nodes] for span in runs]
    assert sorted(above) == [[False, True], [False, True], [True, False]]


def test_many_runs_link_to_one_submission(runner: cloaca.DefaultRunner, traced: Traced) -> None:
    define_order([])
    for run in runner.submit_many("order", [{"n": 1}, {"n": 2}]):
        run.result(WAIT)

    submitted = traced.one("submit order")
    assert attribute(submitted, "cloaca.run.count") == 2
    assert [links(each) for each in traced.spans()["run order"]] == [[key(submitted)]] * 2


def test_a_retry_has_a_trace_that_links_to_the_round_before(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    define_order([True, True])
    with traced.tracer.start_as_current_span("request"):
        result = runner.execute("order", timeout=WAIT)
    assert result.status == "Failed"
    run = runner.get_run(result.execution_id)
    run.retry()
    assert run.result(WAIT).status == "Completed"

    first, second = traced.spans()["run order"]
    assert [attribute(each, "cloaca.run.round") for each in (first, second)] == [1, 2]
    assert second.parent is None
    assert context_of(second).trace_id != context_of(first).trace_id
    assert links(second) == [key(first)]
    assert is_below(traced.one("task order.send"), second)


def test_a_fork_links_to_the_call_that_made_it(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    define_order([])
    run = runner.submit("order")
    run.result(WAIT)
    with traced.tracer.start_as_current_span("request"):
        fork = run.fork(from_task="send")
    fork.result(WAIT)

    _, forked = traced.spans()["run order"]
    assert attribute(forked, "cloaca.run.id") == fork.id
    assert attribute(traced.one("fork"), "cloaca.run.id") == fork.id
    assert links(forked) == [key(traced.one("fork"))]
    assert len(traced.spans()["task order.charge"]) == 1  # the fork has its result


def test_a_cancelled_run_ends_its_span_without_an_error(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    inside = threading.Event()

    def hold(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        inside.set()
        handle.wait_for("never")

    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="hold")(hold)
    run = runner.submit("held")
    assert inside.wait(WAIT)
    run.cancel(reason="no use")
    run.result(WAIT)

    ran, held = traced.one("run held"), traced.one("task held.hold")
    for span in (ran, held):
        assert span.status.status_code is StatusCode.UNSET
        assert attribute(span, "error.type") is None
    assert attribute(ran, "cloaca.run.status") == "Cancelled"
    assert attribute(held, "cloaca.task.status") == "Cancelled"


class Ends(SimpleSpanProcessor):
    """Says when a span of this name has ended."""

    def __init__(self, name: str) -> None:
        super().__init__(InMemorySpanExporter())
        self.seen = threading.Event()
        self._name = name

    def on_end(self, span: ReadableSpan) -> None:
        if span.name == self._name:
            self.seen.set()


def test_the_run_of_a_schedule_links_to_its_tick(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    with cloaca.WorkflowBuilder("tick"):
        cloaca.task(id="t")(lambda context: None)
    traced.provider.add_span_processor(ends := Ends("run tick"))
    schedule_id = runner.register_cron_workflow("tick", "* * * * * *", "UTC")
    assert ends.seen.wait(WAIT)

    ticked, ran = traced.spans()["submit tick"][0], traced.spans()["run tick"][0]
    assert ticked.kind is SpanKind.PRODUCER
    assert attribute(ticked, "cloaca.schedule.id") == schedule_id
    assert links(ran) == [key(ticked)]
    assert micros(ticked)[0] <= micros(ran)[0]


def test_the_run_of_a_trigger_links_to_its_event(database_url: str, traced: Traced) -> None:
    registry, found = cloaca.Registry(), [True]
    with cloaca.WorkflowBuilder("arrived", registry=registry):
        cloaca.task(id="t")(lambda context: None)

    @cloaca.trigger(on="arrived", poll_interval="20ms", registry=registry)
    def files() -> cloaca.TriggerResult:
        return cloaca.TriggerResult.fire() if found and found.pop() else cloaca.TriggerResult.skip()

    traced.provider.add_span_processor(ends := Ends("run arrived"))
    with cloaca.DefaultRunner(database_url, registry=registry) as runner:
        cloaca.otel.instrument(runner, tracer_provider=traced.provider)
        assert ends.seen.wait(WAIT)

    assert links(traced.one("run arrived")) == [key(traced.one("submit arrived"))]


# -- with and without ----------------------------------------------------------------------------


def test_what_is_not_sampled_is_not_sampled_below(database_url: str) -> None:
    traced = Traced(sampler=ParentBased(ALWAYS_OFF))
    seen: list[bool] = []

    def look(context: cloaca.Context) -> None:
        seen.append(trace.get_current_span().get_span_context().trace_flags.sampled)

    with cloaca.WorkflowBuilder("off"):
        cloaca.task(id="t")(look)
    with cloaca.DefaultRunner(database_url) as runner:
        cloaca.otel.instrument(runner, tracer_provider=traced.provider)
        runner.execute("off", timeout=WAIT)
        runner.submit("off").result(WAIT)

    assert seen == [False, False]
    assert traced.spans() == {}


def test_a_client_and_a_runner_elsewhere_make_one_trace(database_url: str) -> None:
    here, there = Traced(), Traced()
    define_order([])
    with (
        cloaca.Client(database_url) as client,
        cloaca.DefaultRunner(database_url) as runner,
    ):
        cloaca.otel.instrument(client, tracer_provider=here.provider)
        cloaca.otel.instrument(runner, tracer_provider=there.provider)
        client.execute("order", timeout=WAIT)

    assert list(here.spans()) == ["submit order"]
    assert is_below(there.one("run order"), here.one("submit order"))


async def test_an_async_runner_traces_as_well(database_url: str, traced: Traced) -> None:
    define_order([])
    async with cloaca.AsyncRunner(database_url) as runner:
        cloaca.otel.instrument(runner, tracer_provider=traced.provider)
        with traced.tracer.start_as_current_span("request") as request:
            await runner.execute("order", timeout=WAIT)

    assert context_of(traced.one("run order")).trace_id == request.get_span_context().trace_id


def test_a_submission_that_is_refused_says_by_what(
    runner: cloaca.DefaultRunner, traced: Traced
) -> None:
    with pytest.raises(cloaca.RunNotFoundError):
        runner.fork("0197c0de-0000-7000-8000-000000000000", from_task="t")

    span = traced.one("fork")
    assert attribute(span, "error.type") == "RunNotFoundError"
    assert span.status.status_code is StatusCode.ERROR


def test_a_run_that_is_written_by_its_submitter_names_the_span(
    runner: cloaca.DefaultRunner, traced: Traced, database_url: str
) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("one database is enough: the row is the same")
    define_order([])
    with closing(sqlite3.connect(database_url.removeprefix("sqlite://"))) as connection:
        with traced.tracer.start_as_current_span("request"):
            run = runner.submit("order", connection=connection)
        connection.commit()
    run.result(WAIT)

    assert links(traced.one("run order")) == [key(traced.one("submit order"))]


def test_without_an_sdk_nothing_is_made_and_nothing_is_stored(database_url: str) -> None:
    define_order([])
    with cloaca.DefaultRunner(database_url) as runner:
        cloaca.otel.instrument(runner)
        cloaca.otel.instrument(runner)  # once more changes nothing
        assert runner.execute("order", timeout=WAIT).status == "Completed"
