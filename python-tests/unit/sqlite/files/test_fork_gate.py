"""A fork and the statements of other threads keep out of each other's way."""

from __future__ import annotations

import threading

import pytest

from cloaca_sqlite.files import fork_gate
from cloaca_sqlite.files.fork_gate import ForkGate


def test_several_threads_work_at_once() -> None:
    gate = ForkGate()

    with gate, gate:
        pass


def test_a_fork_waits_until_nothing_works() -> None:
    gate = ForkGate()
    order: list[str] = []

    def fork() -> None:
        gate.before_fork()
        order.append("fork")
        gate.after_fork()

    forker = threading.Thread(target=fork)
    with gate:
        forker.start()
        order.append("work")
    forker.join()

    assert order == ["work", "fork"]


def test_work_begins_only_after_the_fork() -> None:
    gate = ForkGate()
    order: list[str] = []

    def work() -> None:
        with gate:
            order.append("work")

    worker = threading.Thread(target=work)
    gate.before_fork()
    worker.start()
    order.append("fork")
    gate.after_fork()
    worker.join()

    assert order == ["fork", "work"]


def test_a_statement_without_end_does_not_keep_a_fork_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_gate, "PATIENCE_S", 0.0)
    gate = ForkGate()

    with gate:
        gate.before_fork()
        gate.after_fork()


def test_the_child_begins_with_an_open_gate() -> None:
    """Its parent's threads, which held forks back, are not there."""
    gate = ForkGate()
    gate.before_fork()
    gate.reset()

    with gate:
        pass
