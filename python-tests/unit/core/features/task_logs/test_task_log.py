"""The log of an attempt keeps its first and its last lines, and numbers all."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable

import pytest

from cloaca_core.features.task_logs import task_log
from cloaca_core.features.task_logs.task_log import PART_BYTES, PART_LINES, TaskLog, Told
from cloaca_core.values.payloads.redaction import Redaction


class Desk:
    """A log whose clock goes on by one with each line; ``listed`` counts how often it was told that
    lines wait.
    """

    def __init__(self, least: int = logging.INFO) -> None:
        self.listed = 0
        self.redaction = Redaction()
        clock = itertools.count(1).__next__
        self.log = _Log(self, least, clock)

    def put(self, message: str, level: str = "INFO", number: int = 20) -> None:
        self.log.log(message, level, number, {})

    def numbers(self) -> tuple[list[int], list[int]]:
        number, first, last, _ = self.log.waiting()
        return list(range(number, number + len(first))), [number for number, _ in last]


class _Log(TaskLog):
    def __init__(self, desk: Desk, least: int, clock: Callable[[], int]) -> None:
        super().__init__(least, clock, desk.redaction)
        self.desk = desk

    def waits(self) -> None:
        self.desk.listed += 1


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("app", 20, "f.py", 1, message, (), None)


def test_lines_and_records_are_numbered_together() -> None:
    desk = Desk()
    desk.put("a")
    desk.log.take(record("b"))

    number, first, last, told = desk.log.waiting()

    assert (number, first) == (1, ['[1,"INFO","handle","a"]', '[2,"INFO","app","b"]'])
    assert (last, told) == ([], None)


def test_the_consumer_is_told_once_for_the_lines_that_wait() -> None:
    desk = Desk()
    for _ in range(3):
        desk.put("a")
    assert desk.listed == 1

    assert desk.numbers() == ([1, 2, 3], [])
    desk.put("b")

    assert desk.listed == 2
    assert desk.numbers() == ([4], [])


def test_a_line_below_the_least_level_is_not_kept() -> None:
    desk = Desk(logging.WARNING)
    desk.put("a")
    desk.put("b", "ERROR", 40)

    assert desk.numbers() == ([1], [])


def test_a_closed_log_takes_nothing_more() -> None:
    desk = Desk()
    desk.put("a")
    desk.log.closed = True
    desk.put("b")
    desk.log.take(record("c"))
    desk.log.tell(1, None, None)
    desk.log.put_sent((7, '[1,"INFO","app","d"]'))

    _, first, last, told = desk.log.waiting()

    assert (first, last, told) == (['[1,"INFO","handle","a"]'], [], None)


def test_of_progress_the_last_one_counts() -> None:
    desk = Desk()
    desk.log.tell(1, 3, None)
    desk.log.tell(2, None, "x" * 300 + "\0")

    assert desk.listed == 1
    assert desk.log.waiting()[3] == Told(2, None, "x" * 255, 2)
    assert desk.log.waiting()[3] is None


def test_secrets_are_hidden_in_lines_and_progress() -> None:
    desk = Desk()
    desk.redaction.add("s3cret")
    desk.put("a s3cret")
    desk.log.take(record("b s3cret"))
    desk.log.put_sent((3, '[1,"INFO","app","c s3cret"]'))
    desk.log.tell(1, 2, "d s3cret")

    lines = desk.log.waiting()
    assert "s3cret" not in str(lines)
    assert lines[3] == Told(1, 2, "d ***", 3)


def test_a_secret_is_hidden_in_progress_of_another_process_before_the_text_is_cut() -> None:
    desk = Desk()
    desk.redaction.add("s3cret")

    desk.log.put_told(Told(1, None, "x" * 252 + "s3cret" * 9, 7))

    assert desk.log.waiting()[3] == Told(1, None, "x" * 252 + "***", 7)


class TestBounds:
    def test_the_first_and_the_last_lines_are_kept(self) -> None:
        desk = Desk()
        for _ in range(2 * PART_LINES + 100):
            desk.put("a")

        first, last = desk.numbers()

        assert first == list(range(1, PART_LINES + 1))
        assert last == list(range(PART_LINES + 101, 2 * PART_LINES + 101))

    def test_so_it_is_with_bytes(self) -> None:
        desk = Desk()
        long = "x" * 60_000
        for _ in range(40):
            desk.put(long)

        first, last = desk.numbers()

        assert first == list(range(1, 1 + len(first)))
        assert last[-1] == 40
        assert len(first) * 60_000 <= PART_BYTES + 60_000
        assert len(last) * 60_000 <= PART_BYTES

    def test_the_first_part_has_no_gap(self) -> None:
        """A short line that would still fit comes to the last part, as those before it."""
        desk = Desk()
        for _ in range(9):
            desk.put("x" * 60_000)
        desk.put("short")

        first, last = desk.numbers()

        assert [*first, *last] == list(range(1, 11))
        assert 10 in last

    def test_the_first_part_stays_full_when_it_was_taken(self) -> None:
        desk = Desk()
        for _ in range(PART_LINES):
            desk.put("a")
        desk.numbers()
        desk.put("b")

        assert desk.numbers() == ([], [PART_LINES + 1])

    def test_lines_of_a_flood_are_dropped_before_they_are_taken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(task_log, "PART_LINES", 2)
        desk = Desk()
        for _ in range(9):
            desk.put("a")

        assert desk.numbers() == ([1, 2], [8, 9])


def test_threads_of_a_body_lose_no_line() -> None:
    desk = Desk()

    def put() -> None:
        for _ in range(200):
            desk.put("a")

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert desk.numbers() == (list(range(1, 801)), [])
