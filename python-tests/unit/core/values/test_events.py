"""Events have one vocabulary, in ``run.events()`` and in log records."""

from __future__ import annotations

from tables import each_row

from cloaca_core.engine.order import PAST
from cloaca_core.values import events


@each_row(
    ("kind", "name"),
    [
        ("started", "cloaca.run.started"),
        ("cancel_requested", "cloaca.run.cancel_requested"),
        ("task_started", "cloaca.task.started"),
        ("task_skipped", "cloaca.task.skipped"),
    ],
)
def test_a_name_says_whether_a_run_or_a_task_is_meant(
    kind: events.RunEventKind | events.TaskEventKind, name: str
) -> None:
    assert events.name_of(kind) == name


def test_names_are_as_different_as_kinds() -> None:
    assert len({events.name_of(kind) for kind in events.KINDS}) == len(events.KINDS)  # type: ignore[arg-type]  # the set's members are all there are


def test_each_order_has_an_event() -> None:
    assert PAST.keys() <= events.OF_ACTS.keys()
    assert set(events.OF_ACTS.values()) <= events.KINDS
