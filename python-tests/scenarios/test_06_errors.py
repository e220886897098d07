"""06: when a task fails, the run says which, why and where, and the rest goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

import pytest
from tables import each_row

import cloaca

WAIT = 60


class OutOfStockError(Exception):
    """An error of the user's own."""


def failing(error: BaseException) -> str:
    """A workflow of one task that raises this."""

    def body(context: cloaca.Context) -> None:
        raise error

    with cloaca.WorkflowBuilder("failing"):
        cloaca.task(id="broken", retry_attempts=1)(body)
    return "failing"


@pytest.mark.each_backend
def test_a_failed_run_is_returned_and_not_raised(runner: cloaca.DefaultRunner) -> None:
    result = runner.execute(failing(OutOfStockError("no tea")))
    assert result.status == "Failed"
    assert result.error_message == (
        "1 task(s) failed, 0 completed, 0 skipped; first error: broken: OutOfStockError: no tea"
    )
    assert result.error == result.error_message


def test_raise_for_status_raises_what_the_run_says(runner: cloaca.DefaultRunner) -> None:
    result = runner.execute(failing(OutOfStockError("no tea")))
    with pytest.raises(cloaca.RunFailedError, match="broken: OutOfStockError: no tea") as caught:
        result.raise_for_status()
    assert isinstance(caught.value, RuntimeError)
    assert (caught.value.run_id, caught.value.status) == (result.execution_id, "Failed")


def test_the_first_error_is_the_first_in_definition_order(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("several"):

        @cloaca.task(dependencies=["good"], retry_attempts=1)
        def late(context: cloaca.Context) -> None:
            raise ValueError("defined first, fails last")

        cloaca.task(id="good")(lambda context: None)

        @cloaca.task(retry_attempts=1)
        def early(context: cloaca.Context) -> None:
            raise KeyError("fails first")

        cloaca.task(id="after_early", dependencies=["early"])(lambda context: None)
        cloaca.task(id="other_branch", dependencies=["good"])(lambda context: {"done": True})

    result = runner.execute("several")
    assert result.error_message == (
        "2 task(s) failed, 2 completed, 1 skipped; "
        "first error: late: ValueError: defined first, fails last"
    )
    assert {name: task.status for name, task in result.task_results.items()} == {
        "late": "Failed",
        "good": "Completed",
        "early": "Failed",
        "after_early": "Skipped",
        "other_branch": "Completed",
    }
    assert result.final_context["done"] is True
    assert result.task_results["after_early"].skip_reason == "upstream failed: early"


def test_the_traceback_shows_the_users_lines(runner: cloaca.DefaultRunner) -> None:
    def find_the_fault() -> None:
        raise OutOfStockError("no tea")

    def body(context: cloaca.Context) -> None:
        try:
            find_the_fault()
        except OutOfStockError as error:
            raise RuntimeError("shop closed") from error

    with cloaca.WorkflowBuilder("traced"):
        cloaca.task(id="broken", retry_attempts=1)(body)
    task = runner.execute("traced").task_results["broken"]
    assert (task.error_type, task.error) == ("RuntimeError", "RuntimeError: shop closed")
    assert task.traceback is not None
    for shown in (__file__, "in find_the_fault", "in body", "OutOfStockError: no tea"):
        assert shown in task.traceback
    assert task.traceback.rstrip().endswith("RuntimeError: shop closed")
    assert "cloaca_core" not in task.traceback


def test_the_error_is_there_for_the_next_program(database_url: str) -> None:
    with cloaca.DefaultRunner(database_url) as first:
        done = first.execute(failing(OutOfStockError("no tea")))
    with cloaca.DefaultRunner(database_url) as second:
        found = second.get_run(done.execution_id).result()
    assert found.error_message == done.error_message
    assert found.task_results["broken"].traceback == done.task_results["broken"].traceback


@each_row(
    ("error", "text"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (AssertionError(), "AssertionError: "),
        (KeyError("name"), "KeyError: 'name'"),
        (StopIteration(1), "StopIteration: 1"),
        (
            ExceptionGroup("both", [ValueError("a"), TypeError("b")]),
            "ExceptionGroup: both (2 sub-exceptions)",
        ),
    ],
)
def test_whatever_is_raised_fails_the_task_and_nothing_else(
    runner: cloaca.DefaultRunner, error: BaseException, text: str
) -> None:
    assert runner.execute(failing(error)).task_results["broken"].error == text


class Nameless(type):
    """Classes that exit when they are asked for their names."""

    def __getattribute__(cls, name: str) -> object:
        if name == "__name__":
            sys.exit(3)
        return super().__getattribute__(name)


class OddText(str):
    """A text that exits when it is worked on."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> NoReturn:
        sys.exit(3)


class UnspeakableError(Exception):
    """An error that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@each_row(
    "error",
    [UnspeakableError(), ValueError("\0 \udc80 \x1b[31m"), ValueError("x" * 10_000_000)],
    ids=["its text raises", "its text is not storable", "its text is endless"],
)
def test_an_error_that_cannot_be_stored_as_it_is_still_fails_only_its_task(
    runner: cloaca.DefaultRunner, error: BaseException
) -> None:
    result = runner.execute(failing(error))
    assert result.status == "Failed"
    task = result.task_results["broken"]
    assert task.error_type == type(error).__name__
    assert task.error is not None
    assert len(task.error) < 1_000_000
    assert "\0" not in task.error


class Exits(Mapping[str, int]):
    """A mapping that ends the program when it is read."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        sys.exit(3)


class NamelessError(Exception, metaclass=Nameless):
    """An error whose class does not tell its name."""


class OddlyWordedError(Exception):
    """An error with a text that is more than a text."""

    def __str__(self) -> str:
        return OddText("bad")


def raises(error: Exception) -> NoReturn:
    raise error


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("act", "shown"),
    [
        (Exits, "SystemExit: 3"),
        (lambda: raises(NamelessError("bad")), "NamelessError: bad"),
        (lambda: raises(OddlyWordedError()), "OddlyWordedError: bad"),
    ],
    ids=["returns what exits", "raises what exits when named", "raises what exits when cleaned"],
)
def test_what_ends_the_program_when_it_is_looked_at_fails_its_task_and_nothing_else(
    open_runner: Callable[..., cloaca.DefaultRunner],
    act: Callable[[], object],
    shown: str,
    is_async: bool,
) -> None:
    async def async_body(context: cloaca.Context) -> object:
        return act()

    with cloaca.WorkflowBuilder("looked_at"):
        cloaca.task(id="broken", retry_attempts=1)(async_body if is_async else lambda _: act())
    runner = open_runner(max_concurrent_tasks=1, max_concurrent_async_tasks=1)
    for _ in range(2):
        result = runner.execute("looked_at", timeout=WAIT)
        assert result.task_results["broken"].error == shown


def test_endless_recursion_fails_the_task(runner: cloaca.DefaultRunner) -> None:
    def deeper(context: cloaca.Context) -> None:
        deeper(context)

    with cloaca.WorkflowBuilder("recursion"):
        cloaca.task(id="broken", retry_attempts=1)(deeper)
    limit = sys.getrecursionlimit()
    assert runner.execute("recursion").task_results["broken"].error_type == "RecursionError"
    assert sys.getrecursionlimit() == limit


def test_the_runner_works_on_after_failures(runner: cloaca.DefaultRunner) -> None:
    for _ in range(20):
        assert runner.execute(failing(SystemExit(1))).status == "Failed"
    with cloaca.WorkflowBuilder("fine"):
        cloaca.task(id="only")(lambda context: {"ok": True})
    assert runner.execute("fine").status == "Completed"


def test_a_body_that_changes_its_context_before_it_fails_changed_nothing(
    runner: cloaca.DefaultRunner,
) -> None:
    def body(context: cloaca.Context) -> None:
        context["half"] = "done"
        raise OutOfStockError

    with cloaca.WorkflowBuilder("half"):
        cloaca.task(id="broken", retry_attempts=1)(body)
    assert runner.execute("half", {"given": 1}).final_context.to_dict() == {"given": 1}
