"""Calls about triggers, and the form of their answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tables import each_row
from unit.triggering import SECOND, Part, Store

from cloaca_core.errors import DefinitionError, DefinitionTypeError, ScheduleError
from cloaca_core.features.triggers import trigger_table
from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.store.acts import ActRow

pytestmark = pytest.mark.asyncio


@pytest.fixture
def store() -> Store:
    return Store()


@pytest_asyncio.fixture
async def part(store: Store) -> AsyncIterator[Part]:
    opened = Part(store)
    opened.define(lambda: True, poll_interval="5s")
    yield opened
    await opened.close()


async def test_what_is_registered_is_listed_at_once(store: Store, part: Part) -> None:
    (listed,) = await part.calls.page(None, None, None)

    (row,) = store.triggers.values()
    assert listed == {
        "id": row.id,
        "trigger_name": "t",
        "workflow_name": "orders",
        "poll_interval_ms": 5_000,
        "allow_concurrent": False,
        "enabled": True,
        "last_poll_at": None,
        "created_at": "2026-03-10T12:00:00+00:00",
        "last_error": None,
        "failing_since": None,
        "failed_polls": 0,
        "updated_at": "2026-03-10T12:00:00+00:00",
    }
    assert await part.calls.get("t") == listed


async def test_a_declaration_and_a_cron_trigger_leave_out_what_they_have_not(part: Part) -> None:
    part.define(bool, name="declared", on=None)
    part.define(bool, name="cron", cron="@daily")

    found = {each["trigger_name"]: each for each in await part.calls.page(None, None, None)}

    assert found["declared"]["workflow_name"] is None
    assert found["cron"]["poll_interval_ms"] is None
    assert list(found) == ["cron", "declared", "t"]


async def test_pages_and_enabled_ones(part: Part) -> None:
    for name in ("a", "b"):
        part.define(bool, name=name)
    await part.calls.set_enabled("a", False)

    async def names(*page: Any) -> list[str]:
        return [each["trigger_name"] for each in await part.calls.page(*page)]

    assert await names(False, None, None) == ["a", "b", "t"]
    assert await names(True, None, None) == ["b", "t"]
    assert await names(None, 1, 1) == ["b"]
    assert await names(None, 0, None) == []


async def test_the_history_names_runs_and_when_they_ended(store: Store, part: Part) -> None:
    await part.poll()
    store.time += 5 * SECOND
    await part.poll()
    (run_id,) = store.runs
    (row,) = store.triggers.values()
    (fired,) = await part.calls.history("t", None, None)

    assert fired == {
        "id": fired["id"],
        "schedule_id": row.id,
        "context_hash": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "workflow_execution_id": run_id,
        "started_at": "2026-03-10T12:00:05+00:00",
        "completed_at": None,
        "created_at": "2026-03-10T12:00:05+00:00",
        "updated_at": "2026-03-10T12:00:05+00:00",
    }

    store.time += SECOND
    await store.end_all()

    (ended,) = await part.calls.history("t", None, None)
    assert ended == fired | {
        "completed_at": "2026-03-10T12:00:06+00:00",
        "updated_at": "2026-03-10T12:00:06+00:00",
    }
    polled = await part.calls.get("t")
    assert polled is not None
    assert polled["last_poll_at"] == "2026-03-10T12:00:05+00:00"
    assert await part.calls.history("t", 0, None) == []
    assert await part.calls.history("t", None, 1) == []


@each_row("name", ["none", "", "a\0b", "\ud800"])
async def test_an_unknown_name_is_no_error(part: Part, name: str) -> None:
    assert await part.calls.get(name) is None
    assert await part.calls.history(name, None, None) == []
    await part.calls.set_enabled(name, True)


async def test_enabling_begins_a_new_interval_and_wakes_the_loop(store: Store, part: Part) -> None:
    await part.calls.set_enabled("t", False)
    store.time += 60 * SECOND
    part.loop._wakeup._woken.clear()

    await part.calls.set_enabled("t", True)

    assert part.loop._wakeup._woken.is_set()
    assert await part.poll() == 5


async def test_a_change_that_polls_get_in_the_way_of_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Busy(Store):
        busy = 1

        async def change_trigger(self, trigger: TriggerRow, act: ActRow | None = None) -> bool:
            if self.busy:
                self.busy -= 1
                await self.take_polls(list(self.triggers.values()))
            return await super().change_trigger(trigger, act)

    store = Busy()
    part = Part(store)
    part.define(lambda: True)

    await part.calls.set_enabled("t", False)

    found = await part.calls.get("t")
    assert found is not None
    assert not found["enabled"]
    monkeypatch.setattr(trigger_table, "CHANGE_TRIES", 0)
    with pytest.raises(ScheduleError, match="trigger 't' is changed by others all the time"):
        await part.calls.set_enabled("t", True)
    await part.close()


@each_row(
    ("call", "arguments", "message"),
    [
        ("page", (1, None, None), "enabled_only must be a bool"),
        ("page", (None, "1", None), "limit must be an int"),
        ("page", (None, None, 1.0), "offset must be an int"),
        ("history", ("t", True, None), "limit must be an int"),
        ("history", (1, None, None), "trigger_name must be a str"),
        ("get", (None,), "trigger_name must be a str"),
        ("set_enabled", ("t", 1), "enabled must be a bool"),
        ("set_enabled", (3, True), "trigger_name must be a str"),
    ],
)
async def test_wrong_types_are_refused_by_name(
    part: Part, call: str, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(DefinitionTypeError, match=message):
        await getattr(part.calls, call)(*arguments)


async def test_a_page_is_not_negative(part: Part) -> None:
    with pytest.raises(DefinitionError, match="limit must be at least 0, got -1"):
        await part.calls.page(None, -1, None)
    with pytest.raises(DefinitionError, match="offset must be at least 0, got -1"):
        await part.calls.history("t", None, -1)


async def test_a_switch_is_noted_with_who_asked_if_it_changes_anything(
    store: Store, part: Part
) -> None:
    await part.calls.set_enabled("t", False)
    await part.calls.set_enabled("t", False)
    await part.calls.set_enabled("none", False)
    await part.calls.set_enabled("t", True)

    noted = [(act.kind, act.reason, act.workflow, act.asked_by) for act in store.noted.values()]
    assert noted == [
        ("disable_trigger", "t", "public::embedded::orders", "ann"),
        ("enable_trigger", "t", "public::embedded::orders", "ann"),
    ]
