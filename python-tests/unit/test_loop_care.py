"""Loops that were broken by others are noticed, and put away without a word."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core._engine import loop_care
from cloaca_core._engine.loop_care import LookUp, has_closed, reason


def test_a_loop_that_looks_up_is_woken_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_care, "LOOKS_UP", 0.001)
    loop = asyncio.new_event_loop()
    seen: list[float | None] = []
    real = loop._selector.select  # type: ignore[attr-defined]  # there is no other way to see it

    def select(timeout: float | None) -> object:
        seen.append(timeout)
        if len(seen) == 5:
            loop.stop()
        return real(timeout)

    monkeypatch.setattr(loop._selector, "select", select)  # type: ignore[attr-defined]
    with LookUp(loop):
        loop.run_forever()
    loop.close()

    assert None not in seen


async def test_one_that_has_ended_wakes_nothing() -> None:
    loop = asyncio.get_running_loop()
    with LookUp(loop) as _:
        pass

    assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]


def test_a_loop_that_has_ended_is_closed() -> None:
    loop = asyncio.new_event_loop()
    assert has_closed(loop)
    assert loop.is_closed()


def test_one_whose_descriptors_somebody_has_closed_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def close() -> None:
        raise OSError(9, "Bad file descriptor")

    loop = asyncio.new_event_loop()
    with monkeypatch.context() as patch:
        patch.setattr(loop, "close", close)
        assert not has_closed(loop)
    loop.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SystemExit(3), "the runner has broken down: its thread ended with SystemExit(3)"),
        (
            OSError(9, "Bad file descriptor"),
            (
                "the runner has broken down: its thread ended with OSError(9, 'Bad file "
                "descriptor'); did a task body close files or sockets that are not its own?"
            ),
        ),
    ],
)
def test_the_reason_is_what_a_person_needs(error: BaseException, expected: str) -> None:
    assert reason("thread", error) == expected
