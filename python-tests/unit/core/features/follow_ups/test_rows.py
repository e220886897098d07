"""The rows of what follows an end: for the end that is sent, and for a cancel not known yet."""

from __future__ import annotations

from itertools import count

from model.runs import active_run, graph_of
from tables import each_row

from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.features.follow_ups.rows import follow_up_rows
from cloaca_core.values.definition_rows import WhenEndedRow
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.rows import run_end

RULES = tuple(
    [
        WhenEndedRow("w", "v", place, status, submits, f'{{"n":{place}}}')
        for place, (status, submits) in enumerate(
            [("Failed", "alert"), ("Completed", "next"), ("Cancelled", "alert"), ("Failed", "log")]
        )
    ]
)
RUN = active_run(graph_of(t={})._replace(when_ended=RULES))


@each_row(
    ("status", "places"),
    [
        (RunStatus.COMPLETED, [1, 2]),
        (RunStatus.FAILED, [0, 2, 3]),
        (RunStatus.CANCELLED, [2]),
    ],
)
def test_they_are_those_of_the_end_and_of_a_cancel(status: str, places: list[int]) -> None:
    ids = map(str, count())

    rows = follow_up_rows(ids.__next__, RUN, run_end("r", status=status))[FOLLOW_UPS]

    assert [row.place for row in rows] == places
    assert [row.id for row in rows] == [str(number) for number in range(len(places))]


def test_a_row_says_which_run_it_follows() -> None:
    rows = follow_up_rows(lambda: "new", RUN, run_end("r", status=RunStatus.FAILED))
    row, _, _ = rows[FOLLOW_UPS]

    assert row == NewFollowUp("new", "r", 0, "Failed", "alert", '{"n":0}')
