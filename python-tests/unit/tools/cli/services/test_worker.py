"""What a worker does when several want it to drain."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from tables import each_row

from cloaca_tools.cli.services.worker import COLLECT_AFTER, Signals, seldom_collecting


def test_a_change_of_the_code_alone_lets_a_worker_begin_anew() -> None:
    signals = Signals()
    assert not signals.begins_anew

    signals.changed("shop.py")

    assert (signals.wait(), signals.draining, signals.begins_anew) == (-2, True, True)


def test_a_worker_that_is_asked_to_leave_meanwhile_does_not_begin_anew() -> None:
    signals = Signals()
    signals.changed("shop.py")

    signals.asked()

    assert not signals.begins_anew


def test_a_signal_meanwhile_ends_it_after_the_drain_and_the_next_at_once() -> None:
    signals = Signals()
    with signals.caught():
        signals.changed("shop.py")
        signal.raise_signal(signal.SIGTERM)
        assert not signals.begins_anew

        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_comes_just_before_the_wait_is_not_missed() -> None:
    signals = Signals()
    with signals.caught():
        fd = signal.set_wakeup_fd(-1)  # where the interpreter notes a signal at once
        signal.set_wakeup_fd(fd)

        assert fd != -1
        signal.raise_signal(signal.SIGTERM)
        assert signals.wait() == signal.SIGTERM


class TestGarbage:
    @pytest.fixture(autouse=True)
    def usual(self) -> Iterator[tuple[int, int, int]]:
        before = gc.get_threshold()
        yield before
        gc.set_threshold(*before)

    def test_a_worker_looks_for_it_less_often_while_it_works(
        self, usual: tuple[int, int, int]
    ) -> None:
        with seldom_collecting():
            assert gc.get_threshold() == (COLLECT_AFTER, *usual[1:])
        assert gc.get_threshold() == usual

    @each_row("own", [(0, 0, 0), (100, 5, 5)])
    def test_a_program_that_decides_itself_how_often_is_left_alone(
        self, own: tuple[int, int, int]
    ) -> None:
        gc.set_threshold(*own)
        with seldom_collecting():
            assert gc.get_threshold() == own
