"""Calls about triggers reach the table that answers them, while the engine is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

from cloaca_core._engine.engine import Engine
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.trigger import trigger
from cloaca_core.errors import RunnerClosedError
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.firing import triggers as module
from cloaca_core.runner.calls.firing.trigger_table import TriggerTable
from cloaca_core.runner.calls.firing.triggers import TriggerCalls
from cloaca_core.runner.host import EngineHost

WAIT = 20


@pytest.fixture
def triggers(host: EngineHost, own_registry: Registry) -> TriggerCalls:
    trigger(name="t", on="flow", poll_interval="1h", registry=own_registry)(bool)
    return TriggerCalls(host)


async def test_what_was_registered_just_now_is_answered(triggers: TriggerCalls) -> None:
    (listed,) = triggers.page(None, None, None).wait()

    assert (listed["trigger_name"], listed["workflow_name"]) == ("t", "flow")
    assert (await triggers.get("t")) is not None
    assert triggers.get("other").wait() is None
    assert await triggers.history("t", 10, 0) == []


async def test_a_trigger_is_switched_off(triggers: TriggerCalls) -> None:
    triggers.set_enabled("t", False).wait()

    assert await triggers.page(True, None, None) == []
    (listed,) = await triggers.page(False, None, None)
    assert listed["enabled"] is False


def test_the_loop_that_polls_hears_of_a_change(host: EngineHost) -> None:
    """Others wake it as well, so it cannot be seen from its being awake."""

    async def table_of(engine: Engine) -> TriggerTable:
        return module._table(engine, "ann")

    table = host.send(table_of).result(WAIT)

    assert table._changed == host.engine.trigger_changed


@each_row(
    "make",
    [
        lambda calls: calls.page(7, 7, 7),
        lambda calls: calls.get(7),
        lambda calls: calls.set_enabled("t", 7),
        lambda calls: calls.history("t", -1, None),
    ],
)
def test_an_engine_that_shuts_down_refuses_a_call_before_it_looks_at_arguments(
    triggers: TriggerCalls, host: EngineHost, make: Callable[[TriggerCalls], Call[Any]]
) -> None:
    """It was sent when the host was open still."""
    engine = host.engine
    engine._lifecycle.closing = True
    try:
        with pytest.raises(RunnerClosedError):
            make(triggers).wait()
    finally:
        engine._lifecycle.closing = False
