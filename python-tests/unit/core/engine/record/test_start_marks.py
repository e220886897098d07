"""A running attempt is marked once, and no other attempt is."""

from __future__ import annotations

import pytest
from model.orchestration import (
    PAIR,
    Scene,
)
from model.runs import graph_of


@pytest.fixture
async def scene() -> Scene:
    return Scene()


class TestMarks:
    async def test_a_body_that_runs_is_marked_once(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        scene.executor.begin()

        assert [(row.task_id, row.status) for row in scene.start_marks.take()] == [("a", "Running")]
        assert scene.start_marks.take() == []
        assert scene.journal.marks_wanted == 2

    async def test_one_that_is_about_to_begin_will_be(self, scene: Scene) -> None:
        """A slot became free: what queued for it may begin when the commit is long over."""
        scene.adopt(PAIR)
        scene.begin()
        scene.executor.is_starting = True

        assert scene.start_marks.are_coming

    async def test_one_that_waits_or_was_given_up_is_not(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        first, second = scene.begin(), scene.begin()
        scene.waiting_bodies.release_slot(first)
        scene.executor.abandon(second)

        assert scene.start_marks.take() == []

    async def test_one_that_goes_on_is_marked_again(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        attempt = scene.begin()
        scene.start_marks.take()
        scene.waiting_bodies.release_slot(attempt)
        wanted = scene.journal.marks_wanted
        await scene.waiting_bodies.reacquire_slot(attempt)

        assert scene.journal.marks_wanted == wanted + 1
        assert [row.task_id for row in scene.start_marks.take()] == ["a"]

    async def test_callbacks_have_none(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        scene.executor.run()
        scene.executor.begin()

        assert scene.start_marks.running() == []
        assert scene.start_marks.take() == []
