"""The operations of a runner are in rooms, each made once."""

from __future__ import annotations

import pytest

from cloaca_core.runner.calls.operations import Operations
from cloaca_core.runner.host import EngineHost


@pytest.mark.parametrize("room", ["runs", "claiming", "schedules", "backfill", "triggers"])
def test_a_room_is_made_once_and_asks_this_runner(host: EngineHost, room: str) -> None:
    operations = Operations(host)

    made = getattr(operations, room)

    assert made is getattr(operations, room)
    assert made._host is host
