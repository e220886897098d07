"""Windows of the lines of a run: the newest, those before a line, those from a line on."""

from __future__ import annotations

import json

from tables import each_row

from cloaca_core.features.task_logs.records import LogChunk
from cloaca_core.features.task_logs.views import LogLine
from cloaca_tools.views.run.log_window import (
    LogSearch,
    LogWindow,
    Read,
    joined,
    window,
    window_of_lines,
)


def message(line: LogLine) -> str:
    return line.message


def chunk(last: int, *said: str, task: str = "a", number: int | None = None) -> LogChunk:
    """Lines up to a position; each is a level and a text."""
    lines = [[0, *each.split(" ", 1)[:1], "log", each.split(" ", 1)[1]] for each in said]
    size = len(said)
    first = last - size + 1 if number is None else number
    return LogChunk("r", last, task, 1, first, size, json.dumps(lines))


CHUNKS = [
    chunk(2, "INFO one", "DEBUG two"),
    chunk(4, "ERROR three", "INFO four"),
    chunk(5, "WARNING Five"),
]


def shown(found: LogWindow) -> list[int]:
    return [each.line.position for each in found.lines]


def test_the_newest_lines_end_the_window() -> None:
    found = window(Read(LogSearch(), CHUNKS, is_first=True, is_last=True), message, 3)

    assert (shown(found), found.older, found.newer, found.end) == ([3, 4, 5], 3, None, 5)


def test_a_window_with_all_lines_has_nothing_beyond_it() -> None:
    found = window(Read(LogSearch(), CHUNKS, is_first=True, is_last=True), message)

    assert (shown(found), found.older, found.newer) == ([1, 2, 3, 4, 5], None, None)


def test_lines_before_a_position_leave_out_the_rest_of_its_chunk() -> None:
    search = LogSearch(before=4)
    found = window(Read(search, CHUNKS[:2], is_first=False, is_last=False), message)

    assert (shown(found), found.older, found.newer) == ([1, 2, 3], 1, 4)


def test_lines_from_a_position_on_begin_with_it() -> None:
    search = LogSearch(start=2)
    found = window(Read(search, CHUNKS, is_first=False, is_last=True), message, 2)

    assert (shown(found), found.older, found.newer, found.end) == ([2, 3], 2, 4, 3)
    rest = window(Read(LogSearch(start=4), CHUNKS[1:], is_first=False, is_last=True), message, 2)
    assert (shown(rest), rest.newer) == ([4, 5], None)


@each_row(
    ("search", "positions"),
    [
        (LogSearch(level="info"), [1, 3, 4, 5]),
        (LogSearch(level="warning"), [3, 5]),
        (LogSearch(level="error"), [3]),
        (LogSearch(text="f"), [4, 5]),
        (LogSearch(text="FIVE", level="warning"), [5]),
        (LogSearch(text="none"), []),
    ],
)
def test_lines_are_chosen_by_level_and_text(search: LogSearch, positions: list[int]) -> None:
    found = window(Read(search, CHUNKS, is_first=True, is_last=True), message)

    assert shown(found) == positions


def test_what_is_hidden_is_not_found() -> None:
    search = LogSearch(text="three")
    read = Read(search, CHUNKS, is_first=True, is_last=True)

    assert shown(window(read, lambda line: line.message.replace("three", "***"))) == []


def test_an_attempt_that_counts_anew_is_told_also_if_its_first_line_is_left_out() -> None:
    chunks = [chunk(2, "INFO one", "INFO two"), chunk(4, "INFO one", "INFO two", number=1)]
    found = window(Read(LogSearch(), chunks, is_first=True, is_last=True), message)

    assert [each.again for each in found.lines] == [False, False, True, False]


def test_a_window_goes_on_with_what_a_further_read_has_found() -> None:
    search = LogSearch()
    newest = window(Read(search, CHUNKS[2:], is_first=False, is_last=True), message, 4)
    assert search.beyond(newest) == LogSearch(before=5)
    older = window(Read(LogSearch(before=5), CHUNKS[:2], is_first=True, is_last=False), message, 4)
    both = joined(newest, older, search, 4)

    assert (shown(both), both.older, both.newer, both.end) == ([2, 3, 4, 5], 2, None, 5)
    assert joined(newest, older, search, 9).older is None


def test_a_window_from_a_line_on_goes_on_forwards() -> None:
    search = LogSearch(start=1)
    first = window(Read(search, CHUNKS[:1], is_first=True, is_last=False), message, 4)
    assert search.beyond(first) == LogSearch(start=3)
    more = window(Read(LogSearch(start=3), CHUNKS[1:], is_first=False, is_last=True), message, 4)

    assert (shown(joined(first, more, search, 4)), joined(first, more, search, 4).newer) == (
        [1, 2, 3, 4],
        5,
    )
    assert joined(first, more, search, 9).newer is None


@each_row("search", [LogSearch(), LogSearch(before=3), LogSearch(start=3)])
def test_a_run_without_lines_has_an_empty_window(search: LogSearch) -> None:
    found = window(Read(search, [], is_first=True, is_last=True), message)

    assert (found.lines, found.older, search.beyond(found)) == ((), None, None)


def test_further_lines_say_where_to_go_on() -> None:
    lines = [each.line for each in window(Read(LogSearch(), CHUNKS, True, True), message).lines]

    found = window_of_lines(lines, LogSearch(level="error"), 0, message)

    assert (shown(found), found.end) == ([3], 5)
    assert window_of_lines([], LogSearch(), 7, message).end == 7
