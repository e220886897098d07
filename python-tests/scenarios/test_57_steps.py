"""57: a step of a body is called once, however often the body runs."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from tables import each_row

import cloaca

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
WAIT = 60

Handle = cloaca.TaskHandle
AsyncHandle = cloaca.AsyncTaskHandle
Context = cloaca.Context


@dataclasses.dataclass
class Item:
    """A part of a quote."""

    name: str
    price: float


@dataclasses.dataclass
class Quote:
    """What an expensive call returns."""

    customer: str
    items: list[Item]
    note: str | None = None


class Model:
    """Like a model of pydantic's."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]  # two of them may be equal

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"value": self.value, "mode": mode}

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        assert value["mode"] == "json"
        return cls(value["value"])


class Calls:
    """Counts calls. ``price`` is an expensive one."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def note(self, value: Any) -> Any:
        self.made.append(value)
        return value

    def price(self, amount: int, *, factor: int = 1) -> dict[str, Any]:
        self.made.append(amount)
        return {"price": amount * factor, "parts": (1, 2)}

    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return self.note(value)


def define(body: Callable[..., Any], name: str = "stepped", **options: Any) -> None:
    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="t", **QUICK, **options)(body)


def failing_once(handle: Handle | AsyncHandle) -> None:
    if handle.attempt == 1:
        raise ValueError("the first attempt")


# -- what is kept --------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_the_next_attempt_gets_the_values_and_calls_nothing(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        priced = handle.step("price", calls.price, 21, factor=2)
        noted = [handle.step("note", calls.note, n) for n in range(3)]
        failing_once(handle)
        return {"priced": priced, "noted": noted}

    define(body)
    result = runner.execute("stepped")

    assert calls.made == [21, 0, 1, 2]
    assert result.final_context["priced"] == {"price": 42, "parts": [1, 2]}
    assert result.final_context["noted"] == [0, 1, 2]


def test_the_first_call_returns_what_later_calls_return(runner: cloaca.DefaultRunner) -> None:
    seen: list[Any] = []

    def body(context: Context, handle: Handle) -> None:
        seen.append(handle.step("pair", lambda: (1, {"a": (2,)})))
        seen.append(handle.step("no annotation", lambda: None))
        failing_once(handle)

    define(body)
    runner.execute("stepped").raise_for_status()

    assert seen == [[1, {"a": [2]}], None] * 2


def test_async_bodies_await_their_steps(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
        assert isinstance(handle, cloaca.AsyncTaskHandle)
        first = await handle.step("later", calls.later, "a")
        pair = await asyncio.gather(
            handle.step("left", calls.later, "l"), handle.step("right", calls.later, "r")
        )
        failing_once(handle)
        return {"first": first, "pair": pair}

    define(body)
    result = runner.execute("stepped")

    assert sorted(calls.made) == ["a", "l", "r"]
    assert result.final_context.to_dict() == {"first": "a", "pair": ["l", "r"]}


async def test_steps_are_the_same_under_an_async_runner(
    new_database_url: Callable[[], str],
) -> None:
    calls = Calls()

    async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
        value = await handle.step("later", calls.later, 1)
        failing_once(handle)
        return {"value": value}

    define(body)
    async with cloaca.AsyncRunner(new_database_url()) as runner:
        result = await runner.execute("stepped")

    assert result.final_context.to_dict() == {"value": 1}
    assert calls.made == [1]


def test_what_raises_is_not_kept(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    def flaky() -> str:
        calls.note("flaky")
        if len(calls.made) == 1:
            raise ConnectionError("busy")
        return "fine"

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        return {"value": handle.step("flaky", flaky)}

    define(body)
    result = runner.execute("stepped")

    assert result.final_context["value"] == "fine"
    assert result.task_results["t"].attempts == 2


def test_a_body_with_another_input_calls_again(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    def body(context: Context, handle: Handle) -> None:
        handle.step("price", calls.price, context["amount"])
        raise ValueError("no stock")

    define(body, retry_attempts=1)
    handle = runner.submit("stepped", {"amount": 1})
    assert handle.result(WAIT).status == "Failed"
    fork = handle.fork("t", context={"amount": 2})
    fork.result(WAIT)
    runner.retry(handle.id).result(WAIT)

    assert calls.made == [1, 2]


def test_a_fork_forgets_the_steps_of_its_first_task_and_keeps_those_beside_it(
    runner: cloaca.DefaultRunner,
) -> None:
    calls = Calls()
    with cloaca.WorkflowBuilder("forked"):

        @cloaca.task(retry_attempts=1)
        def load(context: Context, handle: Handle) -> None:
            handle.step("price", calls.note, "load")

        @cloaca.task(retry_attempts=1)
        def beside(context: Context, handle: Handle) -> None:
            handle.step("price", calls.note, "beside")
            raise ValueError("no")

    handle = runner.submit("forked")
    handle.result(WAIT)
    handle.fork("load").result(WAIT)

    assert sorted(calls.made) == ["beside", "load", "load"]


def test_values_are_made_again_as_their_types_say(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()
    seen: list[Any] = []

    def quote(customer: str) -> Quote:
        calls.note(customer)
        return Quote(customer, [Item("bolt", 1.5)])

    def several() -> dict[str, list[Model]]:
        return {"a": [Model(1)], "b": []}

    def nothing() -> Quote | None:
        return None

    def body(context: Context, handle: Handle) -> None:
        seen.append(handle.step("quote", quote, "Ann"))
        seen.append(handle.step("several", several))
        seen.append(handle.step("nothing", nothing))
        with_type = handle.with_options(returns=Item)
        seen.append(with_type.step("item", lambda: Item("nut", 2.0)))
        failing_once(handle)

    define(body)
    runner.execute("stepped").raise_for_status()

    expected = [Quote("Ann", [Item("bolt", 1.5)]), {"a": [Model(1)], "b": []}, None]
    assert seen == [*expected, Item("nut", 2.0)] * 2
    assert calls.made == ["Ann"]


def test_runs_submitted_within_a_step_keep_their_places(runner: cloaca.DefaultRunner) -> None:
    """The body that skips the step finds the child that it submitted after it, not that within."""
    define(lambda context: {"was": context["name"]}, "child")
    seen: list[Any] = []

    def order(name: str) -> Any:
        return runner.execute("child", {"name": name}).final_context["was"]

    def body(context: Context, handle: Handle) -> None:
        seen.append([handle.step("order", order, "inside"), order("after")])
        failing_once(handle)

    define(body, "parent")
    runner.execute("parent").raise_for_status()

    assert seen == [["inside", "after"]] * 2
    assert runner.count_runs(workflow_name="child") == 2


def test_a_step_has_the_context_variables_of_its_body(runner: cloaca.DefaultRunner) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[Any] = []

    def body(context: Context, handle: Handle) -> None:
        variable.set("set")
        thread = threading.get_ident()
        seen.append(handle.step("look", lambda: [variable.get(), thread == threading.get_ident()]))

    define(body)
    runner.execute("stepped").raise_for_status()

    assert seen == [["set", True]]


# -- what is refused -----------------------------------------------------------------------------


def refused(runner: cloaca.DefaultRunner, body: Callable[..., Any]) -> str:
    """The error of a body with one attempt."""
    define(body, "refused", retry_attempts=1)
    result = runner.execute("refused")
    assert result.status == "Failed"
    error = result.task_results["t"].error
    assert error is not None
    return error


def test_a_step_within_a_step_is_refused(runner: cloaca.DefaultRunner) -> None:
    def body(context: Context, handle: Handle) -> None:
        handle.step("outer", lambda: handle.step("inner", lambda: 1))

    error = refused(runner, body)

    assert error == "StepInUseError: step 'inner' is called within another step"


def test_steps_of_one_name_may_overlap_and_find_their_values_again(
    runner: cloaca.DefaultRunner,
) -> None:
    """Each takes its number when it begins."""
    calls = Calls()

    async def body(context: Context, handle: cloaca.AsyncTaskHandle) -> dict[str, Any]:
        last_begun = asyncio.Event()

        async def page(number: int) -> Any:
            if number == 3:
                last_begun.set()
            await last_begun.wait()
            return calls.note(number)

        found = await asyncio.gather(*[handle.step("page", page, n) for n in (1, 2, 3)])
        failing_once(handle)
        return {"found": found}

    define(body)
    result = runner.execute("stepped")

    assert result.final_context["found"] == [1, 2, 3]
    assert sorted(calls.made) == [1, 2, 3]


@dataclasses.dataclass
class Said:
    """A part of the answer of a language model."""

    content: str
    part_kind: Literal["text"] = "text"


@dataclasses.dataclass
class Asked:
    """Another part of it."""

    tool: str
    args: str | dict[str, Any] | None = None
    part_kind: Literal["tool-call"] = "tool-call"


@dataclasses.dataclass
class Response:
    """An answer of a language model, as libraries of agents have it."""

    parts: list[Said | Asked]
    kind: Literal["response"] = "response"


def test_a_union_of_dataclasses_is_made_again(runner: cloaca.DefaultRunner) -> None:
    answer = Response([Said("let me look"), Asked("search", {"word": "steps"})])

    def ask() -> Response:
        return answer

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        found = handle.step("ask", ask)
        failing_once(handle)
        return {"same": found == answer, "is_it": found is answer}

    define(body)
    assert runner.execute("stepped").final_context.to_dict() == {"same": True, "is_it": False}


@each_row("name", ["", "x" * 256, "a\0b", "\ud800", 7])
def test_a_name_is_a_text_that_can_be_stored(runner: cloaca.DefaultRunner, name: Any) -> None:
    calls = Calls()

    def body(context: Context, handle: Handle) -> None:
        handle.step(name, calls.note, 1)

    error = refused(runner, body)

    assert error.startswith(("DefinitionError: the name of a step", "DefinitionTypeError: name"))
    assert calls.made == []


def test_a_value_without_a_json_form_is_refused_and_not_kept(
    runner: cloaca.DefaultRunner,
) -> None:
    error = refused(runner, lambda context, handle: handle.step("set", lambda: {1, 2}))

    assert error.startswith("ContextTypeError: the value of step 'set' cannot be kept: set has no")


def test_a_value_that_is_too_large_is_refused(new_database_url: Callable[[], str]) -> None:
    config = cloaca.DefaultRunnerConfig(max_context_bytes=100)
    with cloaca.DefaultRunner(new_database_url(), config=config) as runner:
        error = refused(runner, lambda context, handle: handle.step("long", lambda: "é" * 60))

    assert error == (
        "ContextValueError: the value of step 'long' is 122 bytes long; max_context_bytes is 100"
    )


def test_a_type_that_cannot_be_kept_is_refused_before_the_call(
    runner: cloaca.DefaultRunner,
) -> None:
    calls = Calls()

    def opened() -> Path:
        return calls.note(Path())  # type: ignore[no-any-return]  # it is not called

    error = refused(runner, lambda context, handle: handle.step("opened", opened))

    assert error.startswith("DefinitionTypeError: a value of type Path cannot be kept")
    assert calls.made == []


def test_a_step_takes_a_function_of_the_kind_of_its_body(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    def sync_body(context: Context, handle: Handle) -> None:
        handle.step("later", calls.later, 1)  # type: ignore[unused-coroutine]  # it is refused

    async def async_body(context: Context, handle: AsyncHandle) -> None:
        await handle.step("now", calls.note, 1)

    assert "make the body async def" in refused(runner, sync_body)
    assert calls.made == []
    assert "takes an async function" in refused(runner, async_body)


def test_a_body_that_has_ended_takes_no_step(runner: cloaca.DefaultRunner) -> None:
    handles: list[Handle] = []

    def body(context: Context, handle: Handle) -> None:
        handles.append(handle)

    define(body)
    runner.execute("stepped").raise_for_status()

    with pytest.raises(cloaca.RunnerUsageError, match="its body has ended"):
        handles[0].step("late", lambda: 1)


def test_a_timed_out_body_takes_no_step(runner: cloaca.DefaultRunner) -> None:
    calls, ended = Calls(), threading.Event()

    def body(context: Context, handle: Handle) -> None:
        if handle.attempt > 1:
            return
        try:
            while not handle.cancelled:
                ended.wait(0.01)
            handle.step("late", calls.note, 1)
        except cloaca.BodyCancelled:
            calls.note("cut off")
            ended.set()

    define(body, timeout_seconds=0.1)
    runner.execute("stepped").raise_for_status()

    assert ended.wait(WAIT)
    assert calls.made == ["cut off"]


# -- cancel --------------------------------------------------------------------------------------


def test_a_step_of_a_cancelled_run_is_refused_and_what_was_obtained_stays(
    runner: cloaca.DefaultRunner,
) -> None:
    calls, begun, cancelled = Calls(), threading.Event(), threading.Event()

    def slow() -> str:
        calls.note("slow")
        begun.set()
        cancelled.wait(WAIT)
        return "paid"

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        paid = handle.step("slow", slow)
        handle.step("next", calls.note, "next")
        return {"paid": paid}

    define(body)
    handle = runner.submit("stepped")
    begun.wait(WAIT)
    handle.cancel()
    cancelled.set()
    assert handle.result(WAIT).status == "Cancelled"
    assert calls.made == ["slow"]

    again = runner.retry(handle.id).result(WAIT)

    assert again.final_context["paid"] == "paid"
    assert calls.made == ["slow", "next"]


def test_a_cancelled_coroutine_leaves_its_step(runner: cloaca.DefaultRunner) -> None:
    calls, begun = Calls(), threading.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(WAIT)

    async def body(context: Context, handle: AsyncHandle) -> None:
        try:
            await handle.step("slow", slow)
        except asyncio.CancelledError:
            calls.note("cut off")
            with pytest.raises(asyncio.CancelledError):
                await handle.step("another", calls.later, "never")
            raise

    define(body)
    handle = runner.submit("stepped")
    begun.wait(WAIT)
    handle.cancel()

    assert handle.result(WAIT).status == "Cancelled"
    assert calls.made == ["cut off"]


# -- calls that are tried again ------------------------------------------------------------------

POLICY = cloaca.RetryPolicy(
    max_attempts=3, initial_delay=0.001, with_jitter=False, condition=(ConnectionError,)
)


def test_a_call_is_tried_again_within_the_body(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    def flaky() -> int:
        calls.note("call")
        if len(calls.made) < 3:
            raise ConnectionError("busy")
        return 7

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        return {"value": handle.with_options(retry=POLICY).step("flaky", flaky)}

    define(body)
    result = runner.execute("stepped")

    assert result.final_context["value"] == 7
    assert result.task_results["t"].attempts == 1
    assert len(calls.made) == 3


def test_an_error_that_the_policy_does_not_retry_is_the_bodys(
    runner: cloaca.DefaultRunner,
) -> None:
    calls = Calls()

    def broken() -> None:
        calls.note("call")
        raise KeyError("no")

    error = refused(
        runner,
        lambda context, handle: handle.with_options(retry=POLICY).step("broken", broken),
    )

    assert error == "KeyError: 'no'"
    assert calls.made == ["call"]


def test_async_calls_are_tried_again_too(runner: cloaca.DefaultRunner) -> None:
    calls = Calls()

    async def flaky() -> Item:
        calls.note("call")
        if len(calls.made) < 3:
            raise cloaca.RetryAfter(0.001)
        return Item("bolt", 1.0)

    async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
        steps = handle.with_options(retry=POLICY, returns=Item)
        return {"name": (await steps.step("flaky", flaky)).name}

    define(body)

    assert runner.execute("stepped").final_context["name"] == "bolt"
    assert len(calls.made) == 3


def test_options_are_checked_at_the_call(runner: cloaca.DefaultRunner) -> None:
    wrong: Any = 3
    error = refused(runner, lambda context, handle: handle.with_options(retry=wrong))
    assert error.startswith("DefinitionTypeError: retry must be a RetryPolicy or None")
    error = refused(runner, lambda context, handle: handle.with_options(returns=Path))
    assert error.startswith("DefinitionTypeError: a value of type Path cannot be kept")
