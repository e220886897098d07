"""Lines as users see them: each once, in order, with the gaps between them."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.task_logs.records import LogChunk, ProgressRow
from cloaca_core.features.task_logs.views import LineReader, LogLine
from cloaca_core.views.task_results import Progress, latest_progress


def chunk(position: int, number: int, *messages: str, attempt: int = 1) -> LogChunk:
    """Lines of one attempt."""
    items = ",".join(f'[1000000,"INFO","app","{message}"]' for message in messages)
    return LogChunk("r", position, "load", attempt, number, len(messages), f"[{items}]")


def seen(reader: LineReader, *chunks: LogChunk) -> list[tuple[int, int, str, int]]:
    lines = reader.lines(chunks)
    return [(line.position, line.number, line.message, line.dropped) for line in lines]


def test_a_line_tells_what_was_stored() -> None:
    text = '[[1000000,"ERROR","app","a",{"rows":1}]]'

    (line,) = LineReader().lines([LogChunk("r", 7, "load", 2, 3, 1, text)])

    assert line == LogLine(
        run_id="r",
        task_id="load",
        attempt=2,
        number=3,
        at="1970-01-01T00:00:01.000000+00:00",
        level="ERROR",
        logger="app",
        message="a",
        fields={"rows": 1},
        position=7,
        dropped=2,
    )


def test_positions_and_numbers_count_up_to_those_of_the_chunk() -> None:
    assert seen(LineReader(), chunk(12, 1, "a", "b", "c")) == [
        (10, 1, "a", 0),
        (11, 2, "b", 0),
        (12, 3, "c", 0),
    ]


def test_lines_that_were_read_are_passed_over() -> None:
    reader = LineReader(after=11)

    assert seen(reader, chunk(12, 1, "a", "b", "c")) == [(12, 3, "c", 0)]
    assert reader.after == 12


def test_a_reader_goes_on_from_answer_to_answer() -> None:
    reader = LineReader()

    assert seen(reader, chunk(2, 1, "a", "b")) == [(1, 1, "a", 0), (2, 2, "b", 0)]
    assert seen(reader, chunk(3, 3, "c")) == [(3, 3, "c", 0)]


def test_a_damaged_instant_hides_its_chunk_alone() -> None:
    damaged = LogChunk("r", 1, "load", 1, 1, 1, '[[null,"INFO","app","a"]]')

    assert seen(LineReader(), damaged, chunk(2, 2, "b")) == [(2, 2, "b", 1)]


def test_lines_that_are_missing_are_counted_in_their_attempt() -> None:
    chunks = [chunk(1, 1, "a"), chunk(2, 1, "x", attempt=2), chunk(3, 9, "b")]

    assert [(message, dropped) for _, _, message, dropped in seen(LineReader(), *chunks)] == [
        ("a", 0),
        ("x", 0),
        ("b", 7),
    ]


def test_an_attempt_that_runs_again_counts_anew() -> None:
    """In another owner of its run, whose chunks have other positions."""
    chunks = [chunk(10**9, 1, "a", "b"), chunk(2 * 10**9, 1, "a"), chunk(2 * 10**9 + 1, 2, "b")]

    assert [dropped for *_, dropped in seen(LineReader(), *chunks)] == [0, 0, 0, 0]


def test_of_an_answer_that_begins_later_nothing_is_said_of_what_was_before() -> None:
    assert seen(LineReader(after=5), chunk(9, 4, "d")) == [(9, 4, "d", 0)]


def test_a_damaged_chunk_hides_no_other() -> None:
    damaged = chunk(2, 1, "a", "b")._replace(lines="[[")

    assert seen(LineReader(), damaged, chunk(3, 3, "c")) == [(3, 3, "c", 2)]


@each_row("text", ["[[", '[[1000000,"INFO","app","a"]]'], ids=["all", "the last"])
def test_a_follower_does_not_ask_for_a_damaged_chunk_again(text: str) -> None:
    reader = LineReader()

    seen(reader, chunk(2, 1, "a", "b")._replace(lines=text))

    assert reader.after == 2


def test_progress_is_told_in_words() -> None:
    rows = [
        ProgressRow("r", "load", 1, 3.0, 10.0, "loading", 1_000_000),
        ProgressRow("r", "load", 2, 0.5, None, None, 1_000_000),
        ProgressRow("r", "save", 1, 12_345.0, 20_000.0, None, 1_000_000),
    ]

    told = latest_progress(rows)

    at = "1970-01-01T00:00:01.000000+00:00"
    assert told["load", 1] == Progress(3.0, 10.0, "loading", at)
    assert list(map(str, told.values())) == ["3 of 10: loading", "0.5", "12,345 of 20,000"]
