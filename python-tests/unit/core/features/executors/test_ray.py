"""The executor over Ray, with a stand-in for Ray; ``executors/test_ray.py`` has a real one."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from typing import Any, cast

import pytest
from tables import each_row
from unit.core.features.executors.foreign_classes import foreign, foreign_error

from cloaca_core.errors import ConfigError, ConfigTypeError, WorkerLost
from cloaca_core.features.executors.ray import RayExecutor, ray
from cloaca_core.features.executors.supply import Supply
from cloaca_core.features.executors.traits import size_of


class Reference:
    def __init__(self, call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> None:
        self.call = call
        self.answer: Future[Any] = Future()

    def future(self) -> Future[Any]:
        return self.answer


class FakeRay:
    """Answers when the test says so."""

    def __init__(self, *, cpus: float = 4, connected: bool = True) -> None:
        self.cpus = cpus
        self.connected = connected
        self.dead_nodes: list[str] = []
        self.live_nodes = [socket.gethostname()]
        self.address: str | None = None
        self.options: dict[str, float] = {}
        self.sent: list[Reference] = []
        self.killed: list[Reference] = []
        self.ended = threading.Event()

    def is_initialized(self) -> bool:
        return self.connected

    def init(self, *, address: str | None, ignore_reinit_error: bool) -> None:
        assert ignore_reinit_error
        self.address, self.connected = address, True

    def shutdown(self) -> None:
        self.connected = False
        self.ended.set()

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus, "memory": 7.0}

    def nodes(self) -> list[dict[str, Any]]:
        assert self.connected
        nodes = [
            *((name, False) for name in self.dead_nodes),
            *((name, True) for name in self.live_nodes),
        ]
        return [{"NodeManagerHostname": name, "Alive": is_alive} for name, is_alive in nodes]

    def cancel(self, reference: Reference, *, force: bool) -> None:
        assert force
        self.killed.append(reference)

    def remote(self, **options: float) -> Callable[[Callable[..., Any]], FakeRay.Task]:
        self.options = options
        return lambda function: FakeRay.Task(self, function)

    class Task:
        def __init__(self, library: FakeRay, function: Callable[..., Any]) -> None:
            self.library, self.function = library, function

        def remote(self, *call: Any) -> Reference:
            reference = Reference(cast("Any", (self.function, *call)))
            self.library.sent.append(reference)
            return reference

    def run(self, reference: Reference) -> None:
        """Run a call, as a worker does."""
        called, *arguments = cast("Any", reference.call)
        reference.answer.set_result(called(*arguments))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    return _installed(monkeypatch, FakeRay())


def _installed(monkeypatch: pytest.MonkeyPatch, library: FakeRay) -> FakeRay:
    monkeypatch.setitem(sys.modules, "ray", cast("Any", library))
    return library


# -- making one ----------------------------------------------------------------------------------


def test_a_connected_program_keeps_its_cluster(library: FakeRay) -> None:
    executor = ray(address="ray://elsewhere")()

    executor.shutdown()

    assert library.address is None
    assert library.connected


def test_otherwise_it_connects_and_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    library = _installed(monkeypatch, FakeRay(connected=False))

    executor = ray(address="ray://head:10001")()

    assert library.address == "ray://head:10001"
    executor.shutdown()
    assert not library.connected


def test_ray_runs_no_call_again_by_itself(library: FakeRay) -> None:
    ray(num_cpus=2)()

    assert library.options == {"num_cpus": 2, "max_retries": 0}


@pytest.mark.parametrize(
    ("num_cpus", "size"),
    [
        (1, 4),
        (2, 2),
        (3, 1),  # a fourth CPU stays idle
        (0.5, 8),
        (16, 1),  # waits until the cluster has grown
    ],
)
def test_its_size_is_that_of_the_cluster(library: FakeRay, num_cpus: float, size: int) -> None:
    assert size_of(ray(num_cpus=num_cpus)()) == size


HERE = socket.gethostname()


@pytest.mark.parametrize(
    ("live", "dead", "expected"),
    [
        ([HERE], [], True),
        ([HERE], [HERE, "other"], True),  # the cluster had further ones
        ([HERE, "other"], [], False),
        (["other"], [], False),  # as to a client of Ray
        ([], [HERE], False),
    ],
)
def test_its_calls_are_known_to_run_here_if_that_is_the_one_node(
    library: FakeRay, live: list[str], dead: list[str], expected: bool
) -> None:
    library.live_nodes, library.dead_nodes = live, dead
    supply = Supply("cpu", ray())
    supply.open()

    assert supply.is_local is expected


def test_they_are_not_once_ray_has_been_shut_down(library: FakeRay) -> None:
    """It would not answer; a runner opens all the same, and puts its bodies off."""
    executor = RayExecutor()
    library.connected = False

    assert not executor.is_local


@each_row("num_cpus", [0, -1, float("nan"), float("inf")])
def test_a_number_of_cpus_must_be_positive(num_cpus: float) -> None:
    with pytest.raises(ConfigError, match="num_cpus must be above 0"):
        ray(num_cpus=num_cpus)


def test_a_number_of_cpus_must_be_a_number() -> None:
    with pytest.raises(ConfigTypeError, match="num_cpus must be a number, not bool"):
        ray(num_cpus=True)


def test_without_ray_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # an import of it fails

    with pytest.raises(ConfigError, match="pip install ray cloudpickle"):
        ray()()


def test_its_text_shows_its_arguments() -> None:
    assert repr(ray(num_cpus=2, address="auto")) == "ray(num_cpus=2, address='auto')"


# -- calls ---------------------------------------------------------------------------------------


def test_a_call_gives_its_result(library: FakeRay) -> None:
    call = RayExecutor().submit(divmod, 7, 2)

    library.run(library.sent[0])

    assert call.result(0) == (3, 1)


def test_keyword_arguments_travel(library: FakeRay) -> None:
    call = RayExecutor().submit(dict, one=1)

    library.run(library.sent[0])

    assert call.result(0) == {"one": 1}


def test_an_error_of_a_call_is_raised_as_it_was(library: FakeRay) -> None:
    call = RayExecutor().submit(int, "x")
    task_error = foreign("ray.exceptions", "RayTaskError", Exception)("int() raised")
    task_error.cause = ValueError("no int")

    library.sent[0].answer.set_exception(task_error)

    with pytest.raises(ValueError, match="no int"):
        call.result(0)


def test_another_error_of_ray_is_passed_on(library: FakeRay) -> None:
    call = RayExecutor().submit(int)
    library.sent[0].answer.set_exception(foreign_error("ray.exceptions", "ObjectLostError"))

    assert type(call.exception(0)).__name__ == "ObjectLostError"


def test_a_dead_worker_is_a_lost_one(library: FakeRay) -> None:
    call = RayExecutor().submit(int)
    crashed = foreign_error("ray.exceptions", "WorkerCrashedError")

    library.sent[0].answer.set_exception(crashed)

    with pytest.raises(WorkerLost, match="WorkerCrashedError: it happened") as caught:
        call.result(0)
    assert caught.value.__cause__ is crashed


# -- cancelling ----------------------------------------------------------------------------------


def test_cancelling_kills_the_worker(library: FakeRay) -> None:
    call = RayExecutor().submit(int)

    assert call.cancel()

    assert library.killed == library.sent
    with pytest.raises(CancelledError):
        call.result(0)


def test_those_who_wait_for_a_cancelled_call_are_told_when_ray_has_ended_it(
    library: FakeRay,
) -> None:
    call = RayExecutor().submit(int)
    call.cancel()
    assert wait([call], 0).not_done

    library.sent[0].answer.set_exception(foreign_error("ray.exceptions", "TaskCancelledError"))

    assert wait([call], 0).done


def test_a_late_result_of_a_cancelled_call_is_dropped(library: FakeRay) -> None:
    call = RayExecutor().submit(int)
    call.cancel()

    library.run(library.sent[0])

    assert call.cancelled()


def test_a_call_that_is_done_cannot_be_cancelled(library: FakeRay) -> None:
    call = RayExecutor().submit(int)
    library.run(library.sent[0])

    assert not call.cancel()
    assert library.killed == []


def test_a_call_that_others_cancelled_is_cancelled(library: FakeRay) -> None:
    call = RayExecutor().submit(int)

    library.sent[0].answer.set_exception(foreign_error("ray.exceptions", "TaskCancelledError"))

    assert call.cancelled()


def test_ray_is_not_started_again_by_a_late_cancel(library: FakeRay) -> None:
    call = RayExecutor().submit(int)
    library.connected = False

    assert call.cancel()
    assert library.killed == []


# -- its end -------------------------------------------------------------------------------------


def test_it_takes_no_call_after_its_end(library: FakeRay) -> None:
    executor = RayExecutor()
    executor.shutdown()

    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


def test_it_takes_no_call_after_rays_end(library: FakeRay) -> None:
    executor = RayExecutor()
    library.connected = False

    with pytest.raises(RuntimeError, match="Ray has been shut down"):
        executor.submit(int)


def test_its_end_cancels_calls_if_asked_to(library: FakeRay) -> None:
    executor = RayExecutor()
    call = executor.submit(int)

    executor.shutdown(wait=False, cancel_futures=True)

    assert call.cancelled()


def test_a_ray_of_its_own_ends_after_the_last_call(monkeypatch: pytest.MonkeyPatch) -> None:
    library = _installed(monkeypatch, FakeRay(connected=False))
    executor = RayExecutor()
    call = executor.submit(int)
    executor.shutdown(wait=False)
    assert library.connected

    library.run(library.sent[0])

    assert library.ended.wait(60)
    assert call.result(0) == 0


def test_its_end_may_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    library = _installed(monkeypatch, FakeRay(connected=False))
    executor = RayExecutor()
    executor.shutdown()
    library.connected = True  # somebody else has started one

    executor.shutdown()

    assert library.connected
