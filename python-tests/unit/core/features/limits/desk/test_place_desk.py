"""What a runner says of places, and in which order, to a database that answers at once."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from model.quiet import quiet
from model.virtual_time import VirtualClock, the_loop

from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.limits.desk.place_desk import MOST_REQUESTS, PlaceDesk
from cloaca_core.features.limits.records import Given, Grant, Unclaimed, Waiter
from cloaca_core.run.rows import THE_TASK

pytestmark = pytest.mark.virtual_time

UNIT = ("r", "t", THE_TASK)
NEEDS = (("gpu", ""),)
WAITER = Waiter(*UNIT, "me", 0, 1, 1, NEEDS)
EARLIER = Grant("gpu", 3, *UNIT, "me", NEEDS, 1)


class Desk:
    """A desk that works in the background for one waiter. ``found`` is what a look finds."""

    def __init__(self) -> None:
        self.found: list[Grant] = []
        self.store: Any = AsyncMock()
        self.store.tend_places.return_value = Unclaimed()
        self.store.list_limits.return_value = []
        self.store.list_grants.side_effect = self._look
        self.store.ask_places.return_value = Given()
        self.waiting: Any = Mock()
        self.waiting.waiter.return_value = WAITER
        self.waiting.names.return_value = {"gpu"}
        self.waiting.known.return_value = set()
        self.waiting.are_coming.return_value = False
        self.subjects = Subjects()
        me, clock, record = RunnerId("me"), VirtualClock(the_loop()), AsyncMock()
        names = frozenset({"gpu"})
        self.desk = PlaceDesk(
            self.store, self.waiting, me, clock, self.subjects, record, lambda: names
        )

    async def _look(self, _: str, __: object) -> list[Grant]:
        return self.found

    async def work(self) -> None:
        """Let it say all that there is to say."""
        turn = asyncio.create_task(self.desk.turn())
        await quiet()
        turn.cancel()

    @property
    def accepted(self) -> list[Grant]:
        return [call.args[0] for call in self.waiting.accept.call_args_list]


async def test_a_look_leaves_places_alone_that_are_about_to_go_back() -> None:
    """They are those of an earlier claim of the run, which waits anew for the same."""
    it = Desk()
    it.desk.ask(UNIT, ["gpu"])
    await it.work()
    later = EARLIER._replace(number=4)
    it.found = [EARLIER, later]

    it.desk.give_back(EARLIER)
    it.subjects.claimable.publish()
    await it.work()

    assert it.accepted == [later]
    assert it.store.ask_places.call_args.kwargs["back"] == [EARLIER]


async def test_one_transaction_returns_only_so_many_places_and_waiters() -> None:
    """A waiter that leaves and asks anew does both in one: what leaves later is not the new one."""
    it = Desk()
    others = [("r", "t", each) for each in range(MOST_REQUESTS)]
    for each in (*others, UNIT):
        it.desk.leave(each)
    for number in range(MOST_REQUESTS + 1):
        it.desk.give_back(EARLIER._replace(number=number))
    it.desk.ask(UNIT, ["gpu"])
    await it.work()

    first, second = it.store.ask_places.call_args_list
    assert [len(first.kwargs[each]) for each in ("back", "left")] == [MOST_REQUESTS] * 2
    assert UNIT in first.kwargs["left"]
    assert first.args[1] == [WAITER]
    assert [len(second.kwargs[each]) for each in ("back", "left")] == [1, 1]
