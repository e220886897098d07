"""What signals raise is told from what a body raises by itself, and their handlers stay."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tables import each_row

from cloaca_core.errors import BodyCancelled
from cloaca_core.features.executors.remote.interrupts import SIGNALS, Interrupts


@pytest.fixture(autouse=True)
def _python_handles_sigint() -> Iterator[None]:
    """As it does in a worker; the tests may have been started with it ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_one_that_comes_is_noted_and_handled_as_before() -> None:
    interrupts = Interrupts()

    with pytest.raises(KeyboardInterrupt) as caught, interrupts:
        signal.raise_signal(signal.SIGINT)

    assert interrupts.raised(caught.value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(len(SIGNALS) < 2, reason="Windows has no such signal")
def test_a_call_that_its_executor_tells_to_end_is_known() -> None:
    def tell(*_: object) -> None:
        raise BodyCancelled("told")

    signal.signal(signal.SIGUSR1, tell)
    interrupts = Interrupts()
    with pytest.raises(BodyCancelled) as caught, interrupts:
        signal.raise_signal(signal.SIGUSR1)

    assert interrupts.raised(caught.value)
    assert signal.getsignal(signal.SIGUSR1) is tell


def test_one_that_is_raised_by_hand_has_not_come() -> None:
    interrupts = Interrupts()

    with pytest.raises(KeyboardInterrupt) as caught, interrupts:
        raise KeyboardInterrupt

    assert not interrupts.raised(caught.value)


def test_one_by_hand_after_one_that_was_caught_is_the_body_s_own() -> None:
    interrupts = Interrupts()
    with interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not interrupts.raised(KeyboardInterrupt("by hand"))


def test_one_that_led_to_another_counts() -> None:
    def body() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("cleaned up") from None

    interrupts = Interrupts()
    with pytest.raises(RuntimeError) as caught, interrupts:
        body()
    error = caught.value

    assert interrupts.raised(error)
    error.__context__ = error.__cause__ = error  # user code can do so
    assert not interrupts.raised(error)


def test_a_handler_that_raises_nothing_interrupts_nothing() -> None:
    signal.signal(signal.SIGINT, lambda *_: None)
    interrupts = Interrupts()
    with interrupts:
        signal.raise_signal(signal.SIGINT)

    assert not interrupts.raised(KeyboardInterrupt("by hand"))


def test_a_handler_that_the_body_sets_stays() -> None:
    came: list[int] = []
    with Interrupts():
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    signal.raise_signal(signal.SIGINT)

    assert came == [signal.SIGINT]


@each_row("kept", [signal.SIG_IGN, signal.SIG_DFL])
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
