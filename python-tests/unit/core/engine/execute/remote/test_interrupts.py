"""What SIGINT raises is told from what a body raises by itself, and its handler stays."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloaca_core._engine.execute.remote.interrupts import Interrupts


@pytest.fixture(autouse=True)
def _python_handles_sigint() -> Iterator[None]:
    """As it does in a worker; whoever started the tests may have had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_one_that_comes_is_noted_and_handled_as_before() -> None:
    interrupts = Interrupts()

    with pytest.raises(KeyboardInterrupt), interrupts:
        signal.raise_signal(signal.SIGINT)

    assert interrupts.came
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_is_raised_by_hand_has_not_come() -> None:
    interrupts = Interrupts()

    with pytest.raises(KeyboardInterrupt), interrupts:
        raise KeyboardInterrupt

    assert not interrupts.came


def test_a_handler_that_the_body_sets_stays() -> None:
    came: list[int] = []
    with Interrupts():
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    signal.raise_signal(signal.SIGINT)

    assert came == [signal.SIGINT]


@pytest.mark.parametrize("kept", [signal.SIG_IGN, signal.SIG_DFL])
def test_one_that_the_system_handles_is_left_to_it(kept: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, kept)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is kept


def test_on_another_thread_there_are_none() -> None:
    def body() -> object:
        with Interrupts():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(body).result() is signal.default_int_handler
