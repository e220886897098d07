"""A Dask cluster says when a call begins, which may have to wait there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from tables import each_row
from unit.core.features.executors.foreign_classes import foreign
from unit.core.features.executors.hand_dask import HandDask

from cloaca_core.features.executors.dask_starts import DaskStarts, Start, starts_of
from cloaca_core.features.executors.kinds import OnStart


class Scene:
    """Starts on an executor by hand; ``told`` has the seconds that calls had run."""

    def __init__(self) -> None:
        self.dask = HandDask({})
        starts = starts_of(self.dask)
        assert starts is not None
        self.starts: DaskStarts = starts
        self.told: list[float] = []

    def submit(self) -> Start:
        """Submit a call; what reports it."""
        self.starts.submit(OnStart(self.told.append, 0.5), pow, 2, 3, pure=False)
        function, (*args, start) = self.dask.calls[-1]
        assert (function, args) == (pow, [2, 3])
        assert isinstance(start, Start)
        return start

    def report(self, start: Start, seconds: float) -> None:
        self.dask.client.topics[start.topic]((0.0, (start.name, seconds)))


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.starts.close()


class TestRunner:
    def test_the_report_of_a_call_is_told(self, scene: Scene) -> None:
        other = scene.submit()
        start = scene.submit()
        scene.report(start, 0.25)

        assert start.name != other.name
        assert scene.told == [0.25]

    def test_that_of_a_call_that_dask_runs_again_is_told_again(self, scene: Scene) -> None:
        start = scene.submit()
        for seconds in (0.25, 0.5):
            scene.report(start, seconds)

        assert scene.told == [0.25, 0.5]

    def test_one_that_comes_after_the_answer_is_not(self, scene: Scene) -> None:
        start = scene.submit()
        scene.dask.futures[0].set_result(8)
        scene.report(start, 0.25)

        assert scene.told == []

    def test_a_call_that_is_refused_is_forgotten(self, scene: Scene) -> None:
        scene.dask.is_away = True
        with pytest.raises(RuntimeError, match="closed"):
            scene.starts.submit(OnStart(scene.told.append, 0.5), pow, 2, 3, pure=False)
        assert scene.starts._waiting == {}

    def test_it_subscribes_once_until_its_scheduler_is_lost(self, scene: Scene) -> None:
        """Dask cancels the calls then, and the next scheduler knows no subscription."""
        topics, futures = scene.dask.client.topics, scene.dask.futures
        scene.submit()
        topics.clear()
        scene.submit()
        assert topics == {}
        futures[0].cancel()
        start = scene.submit()
        assert list(topics) == [start.topic]

    def test_one_that_was_lost_while_there_were_no_calls_is_made_again(self, scene: Scene) -> None:
        """Then there is none that could be cancelled."""
        scene.submit()
        scene.dask.futures[0].set_result(8)
        scene.dask.client.topics.clear()
        start = scene.submit()

        assert list(scene.dask.client.topics) == [start.topic]

    def test_it_ends_its_subscription(self, scene: Scene) -> None:
        scene.starts.close()  # there is none
        scene.submit()
        scene.starts.close()
        assert scene.dask.client.topics == {}

    def test_schedulers_keep_topics_so_they_are_used_again(self, scene: Scene) -> None:
        first, second = Scene(), Scene()  # a client has one handler for a topic
        before = {each.submit().topic for each in (scene, first, second)}
        second.starts.close()
        third = Scene()
        topic = third.submit().topic
        for each in (first, third):
            each.starts.close()

        assert len(before) == 3
        assert topic in before

    def test_a_client_that_is_gone_does_not_hinder_that(self, scene: Scene) -> None:
        scene.submit()
        scene.dask.client.topics.clear()
        scene.starts.close()

    @each_row(
        "executor",
        [
            Executor(),
            foreign("distributed.cfexecutor", "ClientExecutor", Executor)(),  # another version
        ],
    )
    def test_other_executors_have_none(self, executor: Executor) -> None:
        assert starts_of(executor) is None


class HandWorker:
    """Keeps the events that it is given."""

    def __init__(self) -> None:
        self.events: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def log_event(self, topic: str, msg: Any) -> None:
        self.events.put((topic, msg))


def test_a_worker_reports_by_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = HandWorker()
    distributed = SimpleNamespace(get_worker=lambda: worker)
    monkeypatch.setitem(sys.modules, "distributed", distributed)
    reported = Start("topic", "name", 0.01).reported()
    monkeypatch.delitem(sys.modules, "distributed")  # another thread may not ask for its worker
    with reported:
        topic, (name, seconds) = worker.events.get(timeout=60)

    assert (topic, name) == ("topic", "name")
    assert seconds >= 0.01
