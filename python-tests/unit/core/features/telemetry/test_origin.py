"""A row names the span of a submission; ids of spans are the same in every process."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.telemetry.origin import (
    Origin,
    origin_of,
    run_span_id,
    task_span_id,
    trace_id_of,
    wait_span_id,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


@each_row(
    ("text", "origin"),
    [
        (TRACEPARENT, Origin(TRACE, SPAN, 1, is_within=True)),
        (f"link {TRACEPARENT}", Origin(TRACE, SPAN, 1, is_within=False)),
    ],
)
def test_a_row_is_read_as_it_was_written(text: str, origin: Origin) -> None:
    assert origin_of(text) == origin
    assert origin.text() == text


@each_row(
    "text",
    [
        None,
        "",
        "what a later version writes",
        TRACEPARENT.replace("00-4", "01-4"),  # another version of the format
        f"00-{'0' * 32}-00f067aa0ba902b7-01",  # no trace
        f"00-{'4' * 32}-{'0' * 16}-01",  # no span
        TRACEPARENT + "\n",
    ],
)
def test_what_cannot_be_read_is_nothing(text: str | None) -> None:
    assert origin_of(text) is None


def test_ids_are_the_same_in_every_process_and_version() -> None:
    assert trace_id_of("run", 1) == 0x4EFA65AA0A830DDE3A24A52F2E140450
    assert run_span_id("run", 1) == 0x85AF933B763AD027
    assert task_span_id("run", "t", 1) == 0x554424D6FEE2A1DB


def test_ids_differ_where_their_spans_do() -> None:
    spans = [
        *(run_span_id("run", number) for number in range(3)),
        run_span_id("other", 1),
        task_span_id("run", "t", 1),
        task_span_id("run", "t", 2),
        task_span_id("run", "t\x1f", 1),
        wait_span_id("run", "t", 1, "event", "paid", 0),
        wait_span_id("run", "t", 1, "event", "paid", 1),
    ]
    assert len(set(spans)) == len(spans)
    assert trace_id_of("run", 1) != trace_id_of("run", 2)
