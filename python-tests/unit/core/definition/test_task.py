"""``@task``: what it accepts, what it refuses and when, and what it leaves alone."""

# ruff: noqa: ARG002 - signatures of task functions are the subject here, not their bodies

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from tables import each_row

from cloaca_core.definition.limits.limit import Limit, LimitUse
from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.definition.task import DeclaredTask, Task, current_collector, task
from cloaca_core.definition.written_rules import (
    always,
    task_success,
)
from cloaca_core.errors import CloacaError, DefinitionError, DefinitionTypeError
from cloaca_core.values.times.no_limit import NO_LIMIT


class Collected(list[DeclaredTask]):
    """A block that takes everything."""

    def declare(self, declared: DeclaredTask) -> None:
        self.append(declared)

    def only(self) -> Task:
        """The one task that was declared, its references taken as they are."""
        [declared] = self
        return declared.resolved((), declared.options.rule)


@pytest.fixture
def block() -> Iterator[Collected]:
    collected = Collected()
    token = current_collector.set(collected)
    yield collected
    current_collector.reset(token)


def noop(context: object) -> None:
    """A task's function."""


class TestDecorating:
    def test_the_function_stays_the_plain_callable(self, block: Collected) -> None:
        assert task(id="a")(noop) is noop

    def test_it_works_bare(self, block: Collected) -> None:
        assert task(noop) is noop
        assert block.only().id == "noop"

    def test_the_id_defaults_to_the_name_of_the_function(self, block: Collected) -> None:
        task()(noop)
        assert block.only().id == "noop"

    def test_all_options_have_their_defaults(self, block: Collected) -> None:
        task(noop)
        assert block.only() == Task(
            id="noop",
            function=noop,
            dependencies=(),
            retry=RetryPolicy.default(),
            timeout_seconds=None,
            rule=None,
            on_success=None,
            on_failure=None,
            on_cancel=None,
            is_async=False,
            wants_handle=False,
        )

    def test_none_means_the_default(self, block: Collected) -> None:
        names = (
            "id dependencies retry retry_attempts retry_backoff retry_delay_ms retry_max_delay_ms "
            "retry_condition retry_jitter on_success on_failure invokes post_invocation "
            "trigger_rules timeout_seconds"
        )
        options: dict[str, Any] = dict.fromkeys(names.split())
        task(noop)
        task(**options)(noop)
        assert block[0] == block[1]

    def test_outside_a_block_it_is_refused(self) -> None:
        with pytest.raises(
            ValueError,
            match=r"^No workflow context available\. Tasks must be defined within a "
            r"WorkflowBuilder context manager\.$",
        ):
            task(id="a")(noop)

    def test_arguments_are_checked_before_there_is_a_block(self) -> None:
        with pytest.raises(DefinitionError, match="timeout_seconds"):
            task(timeout_seconds=-1)

    def test_a_thread_has_a_block_of_its_own(self, block: Collected) -> None:
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(current_collector.get()))
        thread.start()
        thread.join()
        assert seen == [None]

    def test_an_asyncio_task_has_a_block_of_its_own(self) -> None:
        async def inside() -> None:
            current_collector.set(Collected())
            await asyncio.sleep(0)

        async def main() -> object:
            await asyncio.gather(inside(), inside())
            return current_collector.get()

        assert asyncio.run(main()) is None

    def test_limits_are_objects_or_names(self, block: Collected) -> None:
        api = Limit("openai", total=20)
        task(limits=["gpu", api.key("customer")])(noop)
        assert block.only().limits == (LimitUse("gpu"), LimitUse("openai", ("customer",)))
        assert task(id="plain")(noop) is noop
        assert block[-1].options.limits == ()
        with pytest.raises(
            DefinitionTypeError, match=r"^task\(limits=...\) must be a list of limits"
        ):
            task(limits="gpu")

    def test_a_queue_is_named(self, block: Collected) -> None:
        task(queue="gpu")(noop)
        assert block.only().queue == "gpu"
        with pytest.raises(DefinitionError, match=r"^task\(queue=...\) must be 1 to 100 printable"):
            task(queue="a,b")

    def test_a_transactional_task_has_a_handle_and_runs_here(self, block: Collected) -> None:
        def booking(_: object, handle: object) -> None:
            pass

        task(transactional=True)(booking)
        assert block.only().transactional
        with pytest.raises(DefinitionError, match=r"has no executor=.*'cpu'"):
            task(transactional=True, executor="cpu")
        with pytest.raises(DefinitionError, match=r"has no map="):
            task(transactional=True, map="items")
        with pytest.raises(DefinitionError, match="'noop' takes no handle"):
            task(transactional=True)(noop)
        with pytest.raises(DefinitionTypeError, match="transactional must be a bool"):
            task(transactional=1)  # type: ignore[call-overload] # it is refused

    def test_an_executor_is_named(self, block: Collected) -> None:
        task(executor="cpu")(noop)
        assert block.only().executor == "cpu"
        with pytest.raises(DefinitionError, match=r"^task\(executor=...\) "):
            task(executor="")


class TestId:
    @pytest.mark.parametrize("name", ["a", "x" * 255, "Zahlen prüfen", "a:b", "<lambda>"])
    def test_it_may_be_any_name(self, block: Collected, name: str) -> None:
        task(id=name)(noop)
        assert block.only().id == name

    @each_row("name", ["", "x" * 256, "a::b", "a\nb", "a\0b"])
    def test_what_is_no_name_is_a_value_error(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"task\(id=\.\.\.\)"):
            task(id=name)

    def test_another_type_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match=r"task\(id=\.\.\.\)"):
            task(id=3)  # type: ignore[call-overload] # the point of the test

    def test_a_function_without_a_name_needs_one(self, block: Collected) -> None:
        body = functools.partial(noop)
        with pytest.raises(DefinitionError, match=r"task\(id=\.\.\.\) is required for a partial"):
            task(body)
        task(id="a")(body)
        assert block.only().function is body


class TestDependencies:
    def test_they_are_ids_or_functions_in_declared_order(self, block: Collected) -> None:
        task(dependencies=["b", noop, "a"])(noop)
        assert block[0].options.dependencies == ("b", noop, "a")

    @each_row("given", ["extract", noop, {"a"}, 3, {"a": 1}])
    def test_what_is_no_list_is_a_type_error(self, given: object) -> None:
        with pytest.raises(TypeError, match="dependencies must be a list"):
            task(dependencies=given)  # type: ignore[call-overload] # the point of the test

    def test_a_bare_string_is_answered_with_the_form_to_use(self) -> None:
        with pytest.raises(TypeError, match=r"one dependency is written \['extract'\]"):
            task(dependencies="extract")

    @each_row("wrong", [3, None, functools.partial(noop)])
    def test_another_item_is_refused_by_its_position(self, wrong: object) -> None:
        message = (
            "^Dependency 1 must be either a string or a function object with __name__ attribute"
        )
        for kind in (TypeError, ValueError, CloacaError):  # ValueError: what 0.x raised
            with pytest.raises(kind, match=message):
                task(dependencies=["a", wrong])  # type: ignore[list-item] # the point of the test


class TestRetry:
    def test_the_arguments_make_a_policy(self, block: Collected) -> None:
        task(retry_attempts=5, retry_delay_ms=20, retry_jitter=False)(noop)
        policy = block.only().retry
        assert (policy.max_attempts, policy.initial_delay, policy.with_jitter) == (5, 0.02, False)

    def test_a_policy_is_taken_whole(self, block: Collected) -> None:
        policy = RetryPolicy.builder().max_attempts(7).build()
        task(retry=policy)(noop)
        assert block.only().retry is policy

    def test_a_policy_excludes_the_arguments(self) -> None:
        with pytest.raises(ValueError, match=r"retry_attempts.*not both\."):
            task(retry=RetryPolicy.default(), retry_attempts=2)

    def test_an_unknown_word_is_refused(self) -> None:
        with pytest.raises(ValueError, match='unknown retry_backoff "zzz": expected one of'):
            task(retry_backoff="zzz")  # type: ignore[call-overload] # the point of the test


class TestTimeout:
    @pytest.mark.parametrize("seconds", [1, 0.5, 86_400])
    def test_it_is_a_number_of_seconds(self, block: Collected, seconds: float) -> None:
        task(timeout_seconds=seconds)(noop)
        assert block.only().timeout_seconds == seconds

    def test_it_may_be_none_at_all(self, block: Collected) -> None:
        task(timeout_seconds=NO_LIMIT)(noop)
        assert block.only().timeout_seconds is NO_LIMIT

    @each_row("seconds", [0, -1, float("inf"), float("nan")])
    def test_what_is_no_span_of_time_is_a_value_error(self, seconds: float) -> None:
        with pytest.raises(ValueError, match=r"greater than 0 and finite or cloaca\.NO_LIMIT, got"):
            task(timeout_seconds=seconds)

    @each_row("seconds", ["1", True])
    def test_another_type_is_a_type_error(self, seconds: object) -> None:
        with pytest.raises(TypeError, match="timeout_seconds must be"):
            task(timeout_seconds=seconds)  # type: ignore[call-overload] # the point of the test


class TestRules:
    def test_a_rule_is_parsed(self, block: Collected) -> None:
        task(trigger_rules=always())(noop)
        assert block.only().rule is not None

    def test_a_wrong_rule_is_refused_when_task_is_called(self) -> None:
        with pytest.raises(
            ValueError, match=r"^@cloaca\.task\(trigger_rules=\.\.\.\): invalid trigger rule:"
        ):
            task(trigger_rules={"type": "Sometimes"})

    def test_a_rule_may_name_tasks_that_are_not_known_yet(self, block: Collected) -> None:
        task(trigger_rules=task_success("later"))(noop)
        assert len(block) == 1


class Told:
    """Callbacks of other kinds."""

    def by_method(self, task_id: str, context: object) -> None: ...

    async def __call__(self, task_id: str, context: object) -> None: ...


class SyncCallable:
    def __call__(self, context: object) -> None: ...


class TestCallbacks:
    def test_they_are_kept(self, block: Collected) -> None:
        def on_success(task_id: str, context: object) -> None: ...
        async def on_failure(task_id: str, error: str, context: object) -> None: ...

        task(on_success=on_success, on_failure=on_failure)(noop)
        made = block.only()
        assert (made.on_success, made.on_failure) == (on_success, on_failure)

    @each_row("parameter", ["on_success", "on_failure"])
    def test_what_cannot_be_called_is_a_type_error(self, parameter: str) -> None:
        with pytest.raises(TypeError, match=f"{parameter} must be callable, got str"):
            task(**{parameter: "x"})  # type: ignore[call-overload] # the point of the test

    @each_row(
        ("parameter", "callback", "message"),
        [
            (
                "on_success",
                lambda context: None,
                r"^on_success is called as on_success\(task_id, context\), .*\(context\) cannot",
            ),
            ("on_success", lambda: None, r"<lambda>\(\) cannot be called so"),
            ("on_success", lambda a, b, c: None, "missing a required argument: 'c'"),
            ("on_success", lambda a, b, *, c: None, "missing a required argument: 'c'"),
            (
                "on_failure",
                lambda task_id, context: None,
                r"^on_failure is called as on_failure\(task_id, error, context\), and ",
            ),
            ("on_failure", functools.partial(lambda a, b, c: None, 1), "too many positional"),
            ("on_failure", SyncCallable, "too many positional"),  # the class, not an instance
        ],
    )
    def test_one_that_cannot_take_its_arguments_is_refused_when_task_is_called(
        self, parameter: str, callback: Callable[..., None], message: str
    ) -> None:
        options: dict[str, Any] = {parameter: callback}
        with pytest.raises(TypeError, match=message):
            task(**options)

    @pytest.mark.parametrize(
        "callback",
        [
            lambda *anything: None,
            lambda task_id, context, more=1: None,
            max,  # written in C: it does not say
            functools.partial(lambda a, b, c: None, 1),
            functools.lru_cache(lambda task_id, context: None),
            Told().by_method,
            Told(),
            mock.Mock(),
        ],
    )
    def test_one_that_can_or_does_not_say_is_accepted(
        self, block: Collected, callback: Callable[..., None]
    ) -> None:
        task(on_success=callback)(noop)
        assert block.only().on_success is callback


class AsyncCallable:
    async def __call__(self, context: object) -> None: ...


async def coroutine(context: object) -> None: ...


class TestFunctions:
    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            (noop, False),
            (coroutine, True),
            (functools.partial(coroutine), True),
            (functools.partial(functools.partial(noop)), False),
            (AsyncCallable(), True),
            (AsyncCallable().__call__, True),
            (functools.partial(AsyncCallable()), True),
            (SyncCallable(), False),
        ],
    )
    def test_sync_and_async_are_told_apart(
        self, block: Collected, function: Callable[..., object], expected: bool
    ) -> None:
        task(id="a")(function)
        assert block.only().is_async is expected

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            (lambda context, handle: None, True),
            (lambda context, task_handle: None, True),
            (lambda context, handle=None: None, True),
            (lambda context, /, handle, other=1: None, True),
            # Not the second, or not positional:
            (lambda handle: None, False),
            (lambda context, other=None, handle=None: None, False),
            (lambda context, *, handle=None: None, False),
            (lambda context, *handle: None, False),
            (lambda context, other=None: None, False),
        ],
    )
    def test_a_second_positional_parameter_of_that_name_receives_the_handle(
        self, block: Collected, function: Callable[..., object], expected: bool
    ) -> None:
        task(id="a")(function)
        assert block.only().wants_handle is expected

    def test_the_self_of_a_method_does_not_count(self, block: Collected) -> None:
        class Steps:
            def run(self, context: object, handle: object) -> None: ...

        task(Steps().run)
        assert block.only().wants_handle

    @pytest.mark.parametrize(
        ("expected", "wrapper"),
        [
            # Passes on what it is given, so the names of what it wraps count:
            (True, lambda *args: None),
            (True, lambda *args, **more: None),
            (True, lambda context, /, *args: None),
            (True, lambda context, second: None),
            # Has no place for a handle, and gives one of its own perhaps:
            (False, lambda context: None),
            (False, lambda context, *, handle=None: None),
        ],
    )
    def test_a_wrapper_of_what_wants_a_handle_gets_it_if_it_can_take_it(
        self, block: Collected, expected: bool, wrapper: Callable[..., object]
    ) -> None:
        def body(context: object, handle: object) -> None: ...

        task(functools.wraps(body)(wrapper))
        assert block.only().wants_handle is expected

    def test_a_wrapper_gets_the_handle_that_it_names_itself(self, block: Collected) -> None:
        @functools.wraps(noop)
        def wrapper(context: object, handle: object) -> None: ...

        task(wrapper)
        assert block.only().wants_handle

    @pytest.mark.parametrize("wrapper", [lambda context: None, lambda *args, **more: None])
    def test_a_wrapper_may_supply_arguments(
        self, block: Collected, wrapper: Callable[..., object]
    ) -> None:
        def body(context: object, rows: object, *, limit: int) -> None: ...

        task(functools.wraps(body)(wrapper))
        assert block.only().wants_handle is False

    def test_a_patched_function_is_called_without_its_mock(self, block: Collected) -> None:
        @task
        @mock.patch("os.getcwd")
        def look(context: object, getcwd: object) -> None: ...

        @task
        @mock.patch("os.getcwd")
        def ask(context: object, handle: object, getcwd: object) -> None: ...

        assert [each.wants_handle for each in block] == [False, True]

    def test_a_wrapper_that_cannot_be_called_with_a_context_is_refused(
        self, block: Collected
    ) -> None:
        @functools.wraps(noop)
        def wrapper() -> None: ...

        with pytest.raises(TypeError, match="A task function is called with its context"):
            task(wrapper)
        assert block == []

    def test_a_cache_is_called_like_what_it_caches(self, block: Collected) -> None:
        task(functools.lru_cache(lambda context, handle: None))
        assert block.only().wants_handle
        with pytest.raises(TypeError, match="A task function is called with its context"):
            task(functools.lru_cache(lambda context, rows: None))

    @each_row("function", [lambda: None, lambda context, rows: None, lambda *, context: None])
    def test_what_cannot_be_called_with_a_context_is_refused(
        self, block: Collected, function: Callable[..., object]
    ) -> None:
        with pytest.raises(TypeError, match="A task function is called with its context"):
            task(id="a")(function)
        assert block == []

    def test_a_function_without_a_signature_is_taken(self, block: Collected) -> None:
        with pytest.raises(ValueError, match="no signature"):
            inspect.signature(max)
        task(id="a")(max)
        assert block.only().wants_handle is False

    def test_a_generator_is_refused(self, block: Collected) -> None:
        def rows(context: object) -> Iterator[int]:
            yield 1

        with pytest.raises(TypeError, match="must not yield"):
            task(rows)

    def test_what_is_no_function_is_refused(self, block: Collected) -> None:
        with pytest.raises(DefinitionTypeError, match=r"got list; its options are keywords"):
            task(["extract"])  # type: ignore[call-overload] # the point of the test

    def test_a_text_in_the_functions_place_is_answered_with_the_form_to_use(self) -> None:
        message = r"^task\(\) takes keyword arguments only: @task\(id='extract'\)$"
        with pytest.raises(DefinitionTypeError, match=message):
            task("extract")  # type: ignore[call-overload] # the point of the test
