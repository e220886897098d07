"""Calls about triggers reach the table that answers them, while the engine is open."""

from __future__ import annotations

from typing import Any

import pytest
from model.operations import Do, wrong
from tables import each_row

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.trigger import trigger
from cloaca_core.errors import RunnerClosedError
from cloaca_core.features.triggers import operations as module
from cloaca_core.features.triggers.operations import (
    EnableTrigger,
    GetTrigger,
    ListTriggers,
    TriggerHistory,
)
from cloaca_core.features.triggers.trigger_table import TriggerTable

WAIT = 60


@pytest.fixture(autouse=True)
def one_trigger(host: EngineHost, own_registry: Registry) -> None:
    """The trigger ``t``, registered after the runner has opened."""
    trigger(name="t", on="flow", poll_interval="1h", registry=own_registry)(bool)


async def test_what_was_registered_just_now_is_answered(do: Do, caller: Caller) -> None:
    (listed,) = do(ListTriggers())

    assert (listed["trigger_name"], listed["workflow_name"]) == ("t", "flow")
    assert (await GetTrigger("t").call(caller)) is not None
    assert do(GetTrigger("other")) is None
    assert await TriggerHistory("t", 10, 0).call(caller) == []


async def test_a_trigger_is_switched_off(do: Do, caller: Caller) -> None:
    do(EnableTrigger("t", False))

    assert await ListTriggers(True).call(caller) == []
    (listed,) = await ListTriggers(False).call(caller)
    assert listed["enabled"] is False


def test_the_loop_that_polls_hears_of_a_change(host: EngineHost) -> None:
    """Others wake it as well, so it cannot be seen from its being awake."""

    async def table_of(engine: Engine) -> TriggerTable:
        return module._table(engine, "ann")

    table = host.send(table_of).result(WAIT)

    assert table._changed == host.engine.subjects.triggers.publish


@each_row(
    "operation",
    [
        wrong(ListTriggers, 7, 7, 7),
        wrong(GetTrigger, 7),
        wrong(EnableTrigger, "t", 7),
        wrong(TriggerHistory, "t", -1),
    ],
)
def test_an_engine_that_shuts_down_refuses_a_call_before_it_looks_at_arguments(
    caller: Caller, host: EngineHost, operation: Operation[Any]
) -> None:
    """It was sent when the host was open still."""
    engine = host.engine
    engine._lifecycle.closing = True
    try:
        with pytest.raises(RunnerClosedError):
            operation.call(caller).wait()
    finally:
        engine._lifecycle.closing = False
