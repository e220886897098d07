"""What a run was started with, as a start for another one."""

from __future__ import annotations

from model.facts_by_hand import run_row

from cloaca_core.features.schedules.tick_context import TICK_KEYS, tick_items
from cloaca_core.features.schedules.timing.catch_up import DueTick
from cloaca_core.values.payloads.json_values import encode
from cloaca_testing.conformance.rows import NOW
from cloaca_tools.views.run.starts import start_of, start_or_none


def test_what_a_tick_has_put_into_a_context_is_left_out() -> None:
    tick = tick_items("s", "@daily", "UTC", DueTick(NOW, recovered=True))
    row = run_row()._replace(input=encode({"n": 1, **tick}), tags='{"a":"b"}', priority=3)

    found = start_of(row)

    assert (found.context, found.tags, found.priority) == ({"n": 1}, {"a": "b"}, 3)
    assert tuple(tick) == TICK_KEYS


def test_the_own_keys_of_a_program_stay() -> None:
    row = run_row()._replace(input='{"schedule_id":1}')

    assert start_of(row).context == {"schedule_id": 1}
    assert start_or_none(None) is None
