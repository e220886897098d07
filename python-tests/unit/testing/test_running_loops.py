"""One loop may run while another one does, and neither notices."""

from __future__ import annotations

import asyncio

from cloaca_testing.running_loops import as_if_running, beside_running_loop


async def test_another_loop_runs_within_the_block() -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    other = asyncio.new_event_loop()
    with beside_running_loop():
        assert other.run_until_complete(asyncio.sleep(0, "value")) == "value"
        assert asyncio._get_running_loop() is None
    other.close()

    assert asyncio.get_running_loop() is loop
    assert asyncio.current_task() is task
    await asyncio.sleep(0)


def test_without_a_running_loop_nothing_changes() -> None:
    with beside_running_loop():
        assert asyncio._get_running_loop() is None
    assert asyncio._get_running_loop() is None


async def test_a_loop_that_stands_still_counts_as_the_running_one() -> None:
    loop = asyncio.get_running_loop()
    other = asyncio.new_event_loop()
    with as_if_running(other):
        assert asyncio.get_running_loop() is other
    other.close()

    assert asyncio.get_running_loop() is loop
