"""A Dask cluster says when a call begins that had to wait there, once it has run for a moment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from types import SimpleNamespace
from typing import Any

import pytest
from unit.core.executors.foreign_classes import foreign
from unit.core.executors.hand_dask import HandDask

from cloaca_core.executors import dask_starts
from cloaca_core.executors.dask_starts import REPORT_AFTER, DaskStarts, reported, starts_of


class Scene:
    """Starts on an executor by hand; ``told`` has the seconds that calls had run."""

    def __init__(self) -> None:
        self.dask = HandDask({})
        starts = starts_of(self.dask)
        assert starts is not None
        self.starts: DaskStarts = starts
        self.told: list[float] = []

    def submit(self) -> tuple[str, str]:
        """The topic and the name under which a call is reported."""
        self.starts.submit(self.told.append, pow, 2, 3, pure=False)
        _, (topic, name, *_) = self.dask.calls[-1]
        return topic, name

    def report(self, topic: str, name: str, seconds: float) -> None:
        self.dask.client.topics[topic]((0.0, (name, seconds)))


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.starts.close()


class TestRunner:
    def test_the_report_of_a_call_is_told(self, scene: Scene) -> None:
        _, other = scene.submit()
        topic, name = scene.submit()
        scene.report(topic, name, 0.25)

        assert name != other
        assert scene.told == [0.25]

    def test_one_that_comes_after_the_answer_is_not(self, scene: Scene) -> None:
        topic, name = scene.submit()
        scene.dask.futures[0].set_result(8)
        scene.report(topic, name, 0.25)

        assert scene.told == []

    def test_a_call_that_is_refused_is_forgotten(self, scene: Scene) -> None:
        scene.dask.is_away = True
        with pytest.raises(RuntimeError, match="closed"):
            scene.starts.submit(scene.told.append, pow, 2, 3, pure=False)
        assert scene.starts._waiting == {}

    def test_it_subscribes_once_until_its_scheduler_is_lost(self, scene: Scene) -> None:
        """Dask cancels the calls then, and the next scheduler knows no subscription."""
        topics, futures = scene.dask.client.topics, scene.dask.futures
        scene.submit()
        topics.clear()
        scene.submit()
        assert topics == {}
        futures[0].cancel()
        topic, _ = scene.submit()
        assert list(topics) == [topic]

    def test_it_ends_its_subscription(self, scene: Scene) -> None:
        scene.starts.close()  # there is none
        scene.submit()
        scene.starts.close()
        assert scene.dask.client.topics == {}

    def test_schedulers_keep_topics_so_they_are_used_again(self, scene: Scene) -> None:
        first, second = Scene(), Scene()  # a client has one handler for a topic
        before = {each.submit()[0] for each in (scene, first, second)}
        second.starts.close()
        third = Scene()
        topic, _ = third.submit()
        for each in (first, third):
            each.starts.close()

        assert len(before) == 3
        assert topic in before

    def test_a_client_that_is_gone_does_not_hinder_that(self, scene: Scene) -> None:
        scene.submit()
        scene.dask.client.topics.clear()
        scene.starts.close()

    @pytest.mark.parametrize(
        "executor",
        [
            Executor(),
            foreign("distributed.cfexecutor", "ClientExecutor", Executor)(),  # another version
        ],
    )
    def test_other_executors_have_none(self, executor: Executor) -> None:
        assert starts_of(executor) is None


class HandWorker:
    """A worker whose loop the test turns."""

    def __init__(self) -> None:
        self.loop = self
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.events: list[tuple[str, Any]] = []

    def add_callback(self, callback: Callable[..., object], *args: Any) -> None:
        callback(*args)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.timers.append((delay, callback))

    def log_event(self, topic: str, msg: Any) -> None:
        self.events.append((topic, msg))


class TestWorker:
    @pytest.fixture
    def worker(self, monkeypatch: pytest.MonkeyPatch) -> HandWorker:
        worker, times = HandWorker(), iter([10.0, 10.5])
        distributed = SimpleNamespace(get_worker=lambda: worker)
        monkeypatch.setitem(sys.modules, "distributed", distributed)
        monkeypatch.setattr(dask_starts, "time", SimpleNamespace(monotonic=lambda: next(times)))
        return worker

    def test_a_call_that_takes_its_time_is_reported(self, worker: HandWorker) -> None:
        def lasting() -> str:
            ((delay, report),) = worker.timers
            assert delay == REPORT_AFTER
            report()
            return "done"

        assert reported("topic", "name", lasting) == "done"
        assert worker.events == [("topic", ("name", 0.5))]

    def test_a_short_one_is_not(self, worker: HandWorker) -> None:
        assert reported("topic", "name", pow, 2, 3) == 8
        with pytest.raises(ZeroDivisionError):
            reported("topic", "name", divmod, 1, 0)
        for _, report in worker.timers:
            report()

        assert len(worker.timers) == 2
        assert worker.events == []
