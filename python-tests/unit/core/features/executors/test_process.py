"""Calls in worker processes: answers, losses, cancels, and what the executor refuses."""

from __future__ import annotations

import gc
import multiprocessing
import os
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest
from tables import each_row
from unit import calls_for_workers as calls

from cloaca_core.errors import (
    BodyCancelled,
    ConfigError,
    ConfigTypeError,
    RunnerUsageError,
    WorkerLost,
)
from cloaca_core.features.executors._process import member
from cloaca_core.features.executors._process.call import Call
from cloaca_core.features.executors.process import ProcessExecutor, process

WAIT = 60


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessExecutor]:
    """Two workers; a test that has one killed has it replaced by the next that needs it."""
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[[str], Path]:
    """Makes named pipes."""

    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


class Waiting:
    """A call that runs until the test lets it go on."""

    def __init__(self, executor: ProcessExecutor, pipe: Callable[[str], Path], name: str) -> None:
        told, self._go_on = pipe(f"{name}-pid"), pipe(f"{name}-go")
        self.future: Future[int] = executor.submit(calls.telling_pid_and_waiting, told, self._go_on)
        self.pid = int(told.read_text())

    def go_on(self) -> int:
        # For reading as well, so that this waits for no worker that has died.
        pipe = os.open(self._go_on, os.O_RDWR)
        try:
            os.write(pipe, b".")
            return self.future.result(WAIT)
        finally:
            os.close(pipe)


def ends(handle: int) -> bool:
    """Whether the process of this handle ends."""
    return bool(select.select([handle], [], [], WAIT)[0])


# -- answers -------------------------------------------------------------------------------------


def test_a_call_runs_in_another_process(executor: ProcessExecutor) -> None:
    assert executor.submit(calls.doubled, number=21).result(WAIT) == 42
    assert executor.submit(calls.pid).result(WAIT) != os.getpid()


def test_calls_and_answers_may_be_larger_than_a_pipe(executor: ProcessExecutor) -> None:
    large = b"x" * 3_000_000

    assert list(executor.map(bytes, [large] * 5, timeout=WAIT)) == [large] * 5


def test_map_keeps_the_order_of_its_items(executor: ProcessExecutor) -> None:
    assert list(executor.map(calls.doubled, range(20), timeout=WAIT)) == list(range(0, 40, 2))


def test_an_error_comes_with_the_traceback_of_the_worker(executor: ProcessExecutor) -> None:
    error = executor.submit(calls.failing).exception(WAIT)

    assert repr(error) == "KeyError('a key')"
    assert error is not None
    assert "in failing" in str(error.__cause__)


def test_an_exit_in_a_call_is_an_error_of_the_call(executor: ProcessExecutor) -> None:
    assert repr(executor.submit(calls.leaving).exception(WAIT)) == "SystemExit(3)"


def test_an_error_that_cannot_be_unpickled_is_told_in_words(executor: ProcessExecutor) -> None:
    error = executor.submit(calls.failing_oddly).exception(WAIT)

    assert isinstance(error, RuntimeError)
    assert "OddError: 1 and 2" in str(error)


@each_row(
    ("function", "error"),
    [
        (lambda: None, "PicklingError"),  # here
        (calls.Unreadable(), "LookupError"),  # by the worker, when it comes
        (calls.unreadable, "LookupError"),  # here, when the result comes
    ],
)
def test_what_cannot_be_sent_fails_its_own_call_and_no_process(
    executor: ProcessExecutor, function: Callable[[], object], error: str
) -> None:
    before = set(multiprocessing.active_children())

    assert error in repr(executor.submit(function).exception(WAIT))
    assert before <= set(multiprocessing.active_children())


# -- losses --------------------------------------------------------------------------------------


def test_a_killed_worker_fails_its_own_call_alone(
    executor: ProcessExecutor, pipe: Callable[[str], Path]
) -> None:
    lost, other = Waiting(executor, pipe, "lost"), Waiting(executor, pipe, "other")
    os.kill(lost.pid, signal.SIGKILL)
    error = lost.future.exception(WAIT)

    assert isinstance(error, WorkerLost)
    assert error.exit_code == -signal.SIGKILL
    assert str(error) == "the worker process died (signal 9) while it ran this call"
    assert other.go_on() == other.pid
    assert executor.submit(calls.doubled, 1).result(WAIT) == 2


def test_a_worker_that_ends_itself_is_lost_with_its_exit_code(executor: ProcessExecutor) -> None:
    error = executor.submit(calls.exiting, 3).exception(WAIT)

    assert isinstance(error, WorkerLost)
    assert error.exit_code == 3
    assert str(error) == "the worker process ended (exit code 3) while it ran this call"


def test_a_worker_that_dies_in_the_middle_of_its_answer_is_lost(
    executor: ProcessExecutor,
) -> None:
    assert isinstance(executor.submit(calls.dying_in_its_answer).exception(WAIT), WorkerLost)


def test_a_worker_that_closes_its_pipe_is_lost(executor: ProcessExecutor) -> None:
    error = executor.submit(calls.closing_its_pipes).exception(WAIT)

    assert isinstance(error, WorkerLost)
    assert error.exit_code == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only a handle tells of such a death")
def test_a_worker_is_lost_though_a_process_that_it_forked_lives(
    executor: ProcessExecutor, pipe: Callable[[str], Path]
) -> None:
    told = pipe("told")
    future = executor.submit(calls.leaving_a_child, told)
    child = int(told.read_text())
    try:
        assert isinstance(future.exception(WAIT), WorkerLost)
    finally:
        os.kill(child, signal.SIGKILL)


def test_handlers_that_a_call_has_set_are_gone_before_the_next() -> None:
    with ProcessExecutor(1) as executor:
        before = executor.submit(calls.handlers).result(WAIT)
        executor.submit(calls.ignoring).result(WAIT)

        assert executor.submit(calls.handlers).result(WAIT) == before


def test_a_worker_that_does_not_come_up_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with ProcessExecutor(1) as executor:
        monkeypatch.setattr(member, "START_SECONDS", 0)
        with pytest.raises(WorkerLost, match="while it started"):
            executor.submit(calls.pid).result(WAIT)
        monkeypatch.undo()

        executor.submit(calls.pid).result(WAIT)


def test_a_worker_that_died_idle_costs_no_call() -> None:
    with ProcessExecutor(1) as executor:
        pid = executor.submit(calls.pid).result(WAIT)
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert ends(handle)
        os.close(handle)

        assert executor.submit(calls.pid).result(WAIT) != pid


# -- cancels -------------------------------------------------------------------------------------


def test_cancel_of_a_running_call_ends_its_process(
    executor: ProcessExecutor, pipe: Callable[[str], Path]
) -> None:
    call, other = Waiting(executor, pipe, "call"), Waiting(executor, pipe, "other")
    handle = os.pidfd_open(call.pid)

    assert call.future.running()
    assert call.future.cancel()
    assert call.future.cancel()
    with pytest.raises(CancelledError):
        call.future.result(WAIT)
    assert ends(handle)
    os.close(handle)
    assert other.go_on() == other.pid


def test_cancel_of_a_call_that_waits_leaves_the_one_that_runs(
    pipe: Callable[[str], Path],
) -> None:
    with ProcessExecutor(1) as executor:
        runs = Waiting(executor, pipe, "runs")
        waits, last = executor.submit(calls.pid), executor.submit(calls.pid)

        assert not waits.running()
        assert waits.cancel()
        assert runs.go_on() == runs.pid == last.result(WAIT)
        assert waits.cancelled()
        assert not last.cancel()


def test_a_call_that_waits_runs_after_the_cancel_of_the_one_before(
    pipe: Callable[[str], Path],
) -> None:
    with ProcessExecutor(1) as executor:
        runs = Waiting(executor, pipe, "runs")
        waits = executor.submit(calls.pid)
        runs.future.cancel()

        assert waits.result(WAIT) != runs.pid


# -- signals, shutdown ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_ignore_signals_to_all_processes(
    executor: ProcessExecutor, pipe: Callable[[str], Path], number: signal.Signals
) -> None:
    """Those of Ctrl-C and of service managers."""
    kept = Waiting(executor, pipe, "kept")
    os.kill(kept.pid, number)

    assert kept.go_on() == kept.pid


@pytest.mark.parametrize("ending", [calls.ending_a_program, calls.ending_a_fork])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_processes_that_a_call_starts_can_be_ended(
    executor: ProcessExecutor, ending: Callable[[int], int], number: signal.Signals
) -> None:
    assert executor.submit(ending, number).result(WAIT) == -number


def test_a_call_that_is_told_to_end_may_clean_up_and_its_worker_goes_on(
    executor: ProcessExecutor, pipe: Callable[[str], Path]
) -> None:
    told, kept = Waiting(executor, pipe, "told"), Waiting(executor, pipe, "kept")
    assert isinstance(told.future, Call)
    told.future.interrupt()

    assert isinstance(told.future.exception(WAIT), BodyCancelled)
    told.future.interrupt()  # it has ended
    assert executor.submit(calls.pid).result(WAIT) == told.pid
    assert kept.go_on() == kept.pid


def test_shutdown_waits_for_calls_and_leaves_no_process() -> None:
    before = set(multiprocessing.active_children())
    executor = ProcessExecutor(2)
    futures = [executor.submit(calls.doubled, number) for number in range(5)]
    executor.shutdown()

    assert [future.result(0) for future in futures] == [0, 2, 4, 6, 8]
    assert set(multiprocessing.active_children()) <= before
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(calls.pid)


def test_shutdown_without_waiting_and_a_cancel_end_at_once(pipe: Callable[[str], Path]) -> None:
    executor = ProcessExecutor(1)
    runs = Waiting(executor, pipe, "runs")
    waits = executor.submit(calls.pid)
    executor.shutdown(wait=False, cancel_futures=True)

    assert waits.cancelled()
    assert not runs.future.done()
    assert runs.future.cancel()
    executor.shutdown()


def test_a_worker_of_an_executor_that_is_dropped_ends_though_its_future_is_kept() -> None:
    executor = ProcessExecutor(1)
    future = executor.submit(calls.pid)
    handle = os.pidfd_open(future.result(WAIT))
    del executor
    gc.collect()

    assert ends(handle)
    os.close(handle)
    assert not future.cancel()


# -- arguments, refusals -------------------------------------------------------------------------


@each_row(("workers", "error"), [(0, ConfigError), (True, ConfigTypeError), ("2", ConfigTypeError)])
@each_row("kind", [process, ProcessExecutor])
def test_workers_is_an_int_of_at_least_1(
    kind: Callable[[object], object], workers: object, error: type[ConfigError]
) -> None:
    with pytest.raises(error, match="workers must be") as caught:
        kind(workers)
    assert caught.value.field == "workers"


def test_the_maker_makes_an_executor_at_each_call() -> None:
    maker = process(workers=3)
    one, other = maker(), maker()

    assert repr(maker) == "process(workers=3)"
    assert one is not other
    assert one.workers == 3


def test_by_default_there_is_a_worker_for_each_cpu_that_this_process_may_use() -> None:
    assert process()().workers == ProcessExecutor().workers == len(os.sched_getaffinity(0))


def test_an_executor_of_another_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ProcessExecutor(1)
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)

    for use in (
        lambda: executor.submit(calls.pid),
        lambda: executor.map(calls.doubled, [1]),
        executor.shutdown,
    ):
        with pytest.raises(RunnerUsageError, match="one of its own"):
            use()
