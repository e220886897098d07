"""A body's edits of its context become a change; its result or exception becomes an outcome."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from model.runs import active_run, attempt_of, cancel, graph_of
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.execute.outcome import CutOff, Outcome, Raised, Succeeded, Suspended
from cloaca_core.engine.execute.returned import change_of
from cloaca_core.engine.execute.work import Stage, Work
from cloaca_core.errors import BodySuspended, ContextTypeError
from cloaca_core.run.merge import Change
from cloaca_core.values.payloads.json_values import JsonValue

GIVEN: dict[str, JsonValue] = {"n": 1, "list": [1, 2], "none": None}


class Point(NamedTuple):
    """A record."""

    x: int


def change_by(body: Callable[[Context], Any]) -> Change:
    """The change of a body that is given ``GIVEN``."""
    context = Context._view(GIVEN)
    return change_of("t", GIVEN, context, body(context))


class TestChanges:
    def test_nothing_done_is_no_change(self) -> None:
        assert change_by(lambda _: None) == Change({}, [])

    def test_what_was_set_and_removed(self) -> None:
        def body(context: Context) -> None:
            context["new"] = 5
            context["n"] = 2
            del context["list"]

        change = change_by(body)

        assert change.set == {"new": 5, "n": 2}
        assert change.removed == ["list"]

    @each_row(("key", "value"), [("n", 1), ("list", [1, 2]), ("none", None)])
    def test_setting_a_key_to_what_it_was_is_no_change(self, key: str, value: Any) -> None:
        assert change_by(lambda context: context.set(key, value)) == Change({}, [])

    @each_row("value", [True, 1.0])
    def test_another_type_is_a_change(self, value: Any) -> None:
        assert change_by(lambda context: context.set("n", value)).set == {"n": value}

    def test_a_key_that_came_and_went_is_no_change(self) -> None:
        def body(context: Context) -> None:
            context["new"] = 1
            context.remove("new")

        assert change_by(body) == Change({}, [])

    def test_mutating_what_was_read_changes_nothing(self) -> None:
        assert change_by(lambda context: context["list"].append(3)) == Change({}, [])

    def test_a_returned_mapping_updates(self) -> None:
        assert change_by(lambda _: {"n": 1, "x": 2}) == Change({"x": 2}, [])

    def test_a_returned_context_is_the_whole_output(self) -> None:
        change = change_by(lambda _: Context({"n": 1, "x": 2}))

        assert change.set == {"x": 2}
        assert sorted(change.removed) == ["list", "none"]

    def test_returning_the_own_context_is_like_returning_nothing(self) -> None:
        def body(context: Context) -> Context:
            context["x"] = 1
            return context

        assert change_by(body) == Change({"x": 1}, [])

    @each_row("value", [0, "text", [1], object()])
    def test_anything_else_is_refused_with_its_type(self, value: object) -> None:
        message = f"task 't' returned {type(value).__name__}; accepted: a Context, a mapping"
        with pytest.raises(ContextTypeError, match=message):
            change_by(lambda _: value)

    def test_a_record_is_refused_with_how_to_make_a_mapping_of_it(self) -> None:
        point: Any = Point(1)
        with pytest.raises(ContextTypeError, match=r"or None; return value\._asdict\(\)$"):
            change_by(lambda _: point)

    def test_a_coroutine_is_closed_and_refused_with_what_to_write(self) -> None:
        async def nobody_awaits(context: Context) -> None:
            context["x"] = 1

        made: list[Coroutine[Any, Any, None]] = []

        def body(context: Context) -> object:
            made.append(nobody_awaits(context))
            return made[0]

        with pytest.raises(ContextTypeError, match=r"returned coroutine; .* with async def and"):
            change_by(body)
        assert inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED


def attempt_with(body: Callable[..., Any], *, max_bytes: int = 1 << 20) -> Attempt:
    """An attempt of a task with this body, given ``GIVEN``."""
    run = active_run(graph_of(t={"body": body, "retry_attempts": 1}))
    return attempt_of(run, given=GIVEN, max_bytes=max_bytes)


def outcome_of(body: Callable[..., Any], *, max_bytes: int = 1 << 20) -> Outcome:
    attempt = attempt_with(body, max_bytes=max_bytes)
    attempt.run()
    assert attempt.outcome is not None
    return attempt.outcome


class Broken(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[str]:
        raise self._error

    def __len__(self) -> int:
        return 1


class TestOutcomes:
    def test_success_carries_the_change_as_it_is_stored(self) -> None:
        def body(context: Context) -> None:
            context["x"] = 1

        assert outcome_of(body) == Succeeded(Change({"x": 1}, []), '{"set":{"x":1},"removed":[]}')

    @each_row("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
    def test_whatever_it_raises_fails_the_attempt(self, error: type[BaseException]) -> None:
        def body(context: Context) -> None:
            raise error("bad")

        outcome = outcome_of(body)

        assert isinstance(outcome, Raised)
        assert str(outcome) == f"{error.__name__}: bad"

    def test_the_traceback_begins_in_the_body(self) -> None:
        def body(context: Context) -> None:
            raise ValueError("bad")

        outcome = outcome_of(body)

        assert isinstance(outcome, Raised)
        lines = outcome.traceback.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].endswith(", in body")

    @each_row("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
    def test_a_mapping_that_cannot_be_read_fails_the_attempt_and_no_thread(
        self, error: type[BaseException]
    ) -> None:
        outcome = outcome_of(lambda context: Broken(error("no keys today")))

        assert isinstance(outcome, Raised)
        assert str(outcome) == f"{error.__name__}: no keys today"

    def test_what_comes_out_all_the_same_fails_the_attempt_for_good(self) -> None:
        attempt = attempt_with(lambda context: None)
        attempt.broke(SystemExit(3))

        assert isinstance(attempt.outcome, Raised)
        assert (str(attempt.outcome), attempt.outcome.again) == ("SystemExit: 3", False)

    def test_what_becomes_of_one_that_was_given_up_is_ignored(self) -> None:
        attempt = attempt_with(lambda context: None)
        attempt.abandoned = True
        attempt.run()
        attempt.broke(SystemExit(3))

        assert attempt.outcome is None

    async def test_so_it_is_of_an_async_one(self) -> None:
        async def body(context: Context) -> None:
            attempt.abandoned = True

        attempt = attempt_with(body)
        await attempt.run_async()

        assert attempt.outcome is None

    def test_too_large_a_context_is_refused_with_its_size(self) -> None:
        def body(context: Context) -> None:
            context["x"] = "ü" * 100

        outcome = outcome_of(body, max_bytes=200)

        assert isinstance(outcome, Raised)
        assert outcome.message == (
            "task 't' would hand on 239 bytes of context, of which it was given 32; "
            "max_context_bytes is 200"
        )

    def test_what_is_replaced_does_not_count(self) -> None:
        def body(context: Context) -> Context:
            return Context({"x": "y" * 150})

        assert isinstance(outcome_of(body, max_bytes=200), Succeeded)


class TestLeaving:
    """A body that was asked to leave must let the signal pass."""

    def outcome(self, body: Callable[..., Any], *, cancelled: bool = False) -> Outcome:
        attempt = attempt_with(body)
        attempt.is_suspending = True
        if cancelled:
            cancel(attempt.owner)
        if attempt.is_async:
            asyncio.run(attempt.run_async())
        else:
            attempt.run()
        assert attempt.outcome is not None
        return attempt.outcome

    def test_then_it_has_left(self) -> None:
        assert self.outcome(raising(BodySuspended("leave"))) == Suspended()

    def test_so_has_one_of_which_a_group_of_tasks_hands_it_on(self) -> None:
        async def body(context: Context) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())
                raise BodySuspended("leave")

        assert self.outcome(body) == Suspended()

    @each_row(
        ("error", "how"),
        [
            (ValueError("x"), "raised ValueError"),
            (BaseExceptionGroup("g", [BodySuspended("leave"), ValueError("x")]), "raised BaseE"),
        ],
    )
    def test_one_that_raises_something_else_fails_by_its_name(
        self, error: BaseException, how: str
    ) -> None:
        outcome = self.outcome(raising(error))

        assert isinstance(outcome, Raised)
        assert outcome.type == "BodySuspended"
        assert f"the body {how}" in outcome.message

    @each_row("value", [None, {"x": 1}])
    def test_so_does_one_that_returns(self, value: object) -> None:
        outcome = self.outcome(lambda context: value)

        assert isinstance(outcome, Raised)
        assert (outcome.type, outcome.again) == ("BodySuspended", False)
        assert "the body returned instead of letting BodySuspended pass" in outcome.message

    def test_a_coroutine_that_is_cut_off_meanwhile_has_not_swallowed_it(self) -> None:
        async def body(context: Context) -> None:
            raise asyncio.CancelledError

        assert self.outcome(body, cancelled=True) == CutOff()

    def test_it_keeps_the_instant_at_which_it_had_begun(self) -> None:
        run = active_run(graph_of(t={}))
        first, again = attempt_of(run), attempt_of(run, begun_at=7)
        again.begin()

        assert (first.was_suspended, again.was_suspended, again.started_at) == (False, True, 7)


def raising(error: BaseException) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        raise error

    return body


class TestSurroundings:
    def test_a_body_knows_which_attempt_it_is_and_nobody_else_does(self) -> None:
        found: list[Work | None] = []
        attempt = attempt_with(lambda context: found.append(CURRENT_WORK.get()))

        attempt.run()

        assert found == [attempt]
        assert CURRENT_WORK.get() is None

    def test_a_second_parameter_named_handle_gets_one(self) -> None:
        found: list[TaskHandle] = []

        def body(context: Context, handle: TaskHandle) -> None:
            found.append(handle)

        attempt = attempt_with(body)
        attempt.run()

        (handle,) = found
        assert (handle.run_id, handle.task_id, handle.attempt, handle.epoch) == ("r", "t", 1, 1)
        assert handle.idempotency_key == "r:t"

    async def test_an_async_body_is_awaited(self) -> None:
        async def body(context: Context) -> None:
            context["x"] = 1

        attempt = attempt_with(body)
        await attempt.run_async()

        assert attempt.is_async
        assert isinstance(attempt.outcome, Succeeded)

    def test_its_clock_stands_before_and_after(self) -> None:
        attempt = attempt_with(lambda context: None)
        assert attempt.clock.spent() == 0.0
        attempt.begin()
        assert attempt.started_at is not None
        attempt.run()

        assert attempt.clock.spent() == attempt.clock.spent()

    def test_a_new_attempt_has_not_been_sent(self) -> None:
        assert attempt_with(lambda context: None).stage is Stage.HELD
