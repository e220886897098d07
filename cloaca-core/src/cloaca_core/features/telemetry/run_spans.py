"""The spans of runs. They are made from durable rows, when an attempt or a run has ended, with its
true times.

So a run has one span although several processes executed it. An attempt that a crash cut off has no
span: the attempt that is run again has the same id. Payloads and messages of errors are in no span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from opentelemetry import context as contexts, trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from cloaca_core.features.telemetry.chosen_ids import Tracers, within
from cloaca_core.features.telemetry.origin import (
    Origin,
    origin_of,
    run_span_id,
    task_span_id,
    trace_id_of,
    wait_span_id,
)
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.namespace import short_name
from cloaca_core.values.states import RunStatus, TaskStatus

if TYPE_CHECKING:
    from cloaca_core.run.rows import AttemptRow, RunEnd, RunRow
    from cloaca_core.run.watcher import DecidedTick, EndedWait, Recorded, WatchedRun

_ENDS: Final = frozenset((TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED))
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class RunTracing:
    """A ``Watcher`` that makes the spans of a runner's runs."""

    def __init__(self, tracers: Tracers) -> None:
        self._tracers = tracers

    def adopted(self, run: WatchedRun) -> None:
        """Let the bodies of the run find its spans."""
        run.spans = RunSpans(self._tracers, run.row)

    def recorded(self, recorded: Recorded) -> None:
        """Make the spans of what has ended."""
        spans = recorded.run.spans
        if not isinstance(spans, RunSpans):
            return
        for wait in recorded.waits:
            spans.emit_wait(wait)
        for row in recorded.attempts:
            if row.status in _ENDS and row.attempt > 0:
                if row.item == THE_TASK:
                    spans.emit_task(row)
                else:
                    spans.emit_item(row, recorded.run.attempt_of(row.task_id))
        if recorded.end is not None:
            spans.emit_run(recorded.end)

    def ticked(self, ticks: Sequence[DecidedTick], now: int) -> None:
        """Make none: the run of a tick has its span."""

    def committed(self, seconds: float) -> None:
        """Make none."""


class RunSpans:
    """The spans of one run, in one of its rounds."""

    def __init__(self, tracers: Tracers, row: RunRow) -> None:
        self._tracers = tracers
        self._row = row
        self._workflow = short_name(row.workflow)
        self._origin = origin_of(row.trace)

    # -- bodies ------------------------------------------------------------------------------

    def enter(self, task_id: str, attempt: int, item: int) -> None:
        """Make the span of an attempt the current one."""
        span = trace.NonRecordingSpan(self._of_task(task_id, attempt, item))
        contexts.attach(trace.set_span_in_context(span))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A span for the function of a step."""
        attributes = {"cloaca.run.id": self._row.id, "cloaca.step.name": name}
        with self._tracers.tracer.start_as_current_span(
            f"step {name}",
            attributes=attributes,
            record_exception=False,  # it has the message of the error
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def trace_of(self, task_id: str, attempt: int, item: int) -> str:
        """The trace text for the row of a run that a node begins, or an item of a map."""
        node = self._of_task(task_id, attempt, item)
        return Origin(node.trace_id, node.span_id, node.trace_flags, is_within=True).text()

    # -- ends --------------------------------------------------------------------------------

    def emit_task(self, row: AttemptRow) -> None:
        """The span of an attempt of a task that has ended."""
        self._emit_attempt("task", row, self._context, {})

    def emit_item(self, row: AttemptRow, map_attempt: int) -> None:
        """The span of an attempt of an item that has ended, below the span of its map."""
        above = self._of_task(row.task_id, map_attempt)
        self._emit_attempt("item", row, above, {"cloaca.item.index": row.item})

    def _emit_attempt(
        self, kind: str, row: AttemptRow, above: SpanContext, about: Mapping[str, str | int]
    ) -> None:
        ended_at = row.ended_at or 0
        self._emit(
            f"{kind} {self._workflow}.{row.task_id}",
            above,
            self._of_task(row.task_id, row.attempt, row.item),
            (ended_at if row.started_at is None else row.started_at, ended_at),
            {
                "cloaca.task.id": row.task_id,
                "cloaca.task.attempt": row.attempt,
                "cloaca.task.status": str(row.status),
                **about,
                **({"cloaca.task.crashes": row.crashes} if row.crashes else {}),
            },
            error=row.error_type if row.status == TaskStatus.FAILED else None,
        )

    def emit_wait(self, wait: EndedWait) -> None:
        """The span of an ended wait, below the span of its attempt."""
        item = () if wait.item == THE_TASK else (wait.item,)
        key = (wait.task_id, wait.attempt, wait.kind, wait.name, wait.number, *item)
        self._emit(
            f"wait {wait.name or wait.kind}",
            self._of_task(wait.task_id, wait.attempt, wait.item),
            self._span(wait_span_id(self._row.id, *key)),
            (wait.opened_at, wait.ended_at),
            {
                "cloaca.task.id": wait.task_id,
                "cloaca.task.attempt": wait.attempt,
                **({} if wait.item == THE_TASK else {"cloaca.item.index": wait.item}),
                "cloaca.wait.kind": wait.kind,
                "cloaca.wait.ended_by": "message" if wait.by_message else "time",
            },
        )

    def emit_run(self, end: RunEnd) -> None:
        """The span of the run, which has ended."""
        row = self._row
        if row.schedule_id is not None and row.round == 1:
            self._emit_tick()
        failed = end.status == RunStatus.FAILED
        self._emit(
            f"run {self._workflow}",
            self._parent,
            self._context,
            (end.ended_at if row.started_at is None else row.started_at, end.ended_at),
            self._of_run | {"cloaca.run.status": str(end.status)},
            kind=SpanKind.CONSUMER,
            links=self._links,
            error=(end.reason_code or "failed") if failed else None,
        )

    def _emit_tick(self) -> None:
        """The span of the schedule's tick, or of the trigger's event, that has made the run. It is
        made here and not where the tick was decided: only here it is known to have counted.
        """
        row = self._row
        self._emit(
            f"submit {self._workflow}",
            None,
            self._tick,
            (row.created_at, row.created_at),
            {"cloaca.schedule.id": str(row.schedule_id)},
            kind=SpanKind.PRODUCER,
        )

    def _emit(
        self,
        name: str,
        parent: SpanContext | None,
        own: SpanContext,
        times: tuple[int, int],
        attributes: Mapping[str, str | int],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        error: str | None = None,
    ) -> None:
        """Make a span that has ended; times in µs."""
        started_at, ended_at = times
        if parent is None and not self._tracers.chooses:
            parent = own  # so that it is at least in the same trace as the spans below it
        about = {"cloaca.workflow.name": self._workflow, "cloaca.run.id": self._row.id}
        with self._tracers.choosing(own.trace_id, own.span_id):
            span = self._tracers.tracer.start_span(
                name,
                within(parent),
                kind,
                about | dict(attributes) | ({"error.type": error} if error is not None else {}),
                links,
                started_at * 1000,
            )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(max(started_at, ended_at) * 1000)

    # -- contexts ----------------------------------------------------------------------------

    @property
    def _of_run(self) -> dict[str, str | int]:
        row = self._row
        found: dict[str, str | int] = {
            "cloaca.workflow.version": row.runs_by,
            "cloaca.run.round": row.round,
            "cloaca.run.recoveries": row.recoveries,
        }
        if row.owner is not None:
            found["cloaca.runner.id"] = row.owner
        if row.parent_id is not None:
            found["cloaca.run.parent_id"] = row.parent_id
        return found

    @property
    def _is_within(self) -> bool:
        """Whether this round belongs to the trace of its submission."""
        return self._origin is not None and self._origin.is_within and self._row.round == 1

    @property
    def _parent(self) -> SpanContext | None:
        origin = self._origin
        return _context_of(origin) if origin is not None and self._is_within else None

    @cached_property
    def _links(self) -> list[Link]:
        """Links to the submission, or to the round before."""
        row, origin = self._row, self._origin
        if row.round > 1:
            return [Link(self._round(row.round - 1))]
        if row.schedule_id is not None:
            return [Link(self._tick)]
        return [Link(_context_of(origin))] if origin is not None and not self._is_within else []

    @property
    def _tick(self) -> SpanContext:
        trace_id, span_id = trace_id_of(self._row.id, 0), run_span_id(self._row.id, 0)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)

    def _round(self, number: int) -> SpanContext:
        """The span of the run in a round."""
        trace_id, origin = trace_id_of(self._row.id, number), self._origin
        if number == 1 and origin is not None and origin.is_within:
            trace_id = origin.trace_id
        span_id = run_span_id(self._row.id, number)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)

    @cached_property
    def _context(self) -> SpanContext:
        """The span of the run in this round. Whether it is sampled is asked before it is made: its
        tasks end first, and follow it in that.
        """
        own = self._round(self._row.round)
        flags, state = self._tracers.sampled(
            self._parent,
            own.trace_id,
            f"run {self._workflow}",
            SpanKind.CONSUMER,
            {"cloaca.workflow.name": self._workflow, "cloaca.run.id": self._row.id, **self._of_run},
            self._links,
        )
        return SpanContext(own.trace_id, own.span_id, False, flags, state)

    def _span(self, span_id: int) -> SpanContext:
        """A span below the span of the run."""
        run = self._context
        return SpanContext(run.trace_id, span_id, False, run.trace_flags, run.trace_state)

    def _of_task(self, task_id: str, attempt: int, item: int = THE_TASK) -> SpanContext:
        return self._span(task_span_id(self._row.id, task_id, attempt, item))


def _context_of(origin: Origin) -> SpanContext:
    flags = TraceFlags(origin.flags)
    return SpanContext(origin.trace_id, origin.span_id, is_remote=True, trace_flags=flags)
