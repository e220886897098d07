"""Replaced keys are newer than what was written by tasks that did not see them."""

from __future__ import annotations

from cloaca_core.run.merge import UNTOUCHED, Change, Flow, changed, merged, view
from cloaca_core.run.replacements import Replacements

A, B, C, D = range(4)
ANCESTORS = [0, 0, 0, 0b111]
"""A, B and C begin the run, D depends on all of them."""


def seen(flow: Flow) -> dict[str, object]:
    return dict(view({"x": "input", "y": "input"}, flow))


def wrote(flow: Flow, task: int, **keys: str) -> Flow:
    return changed(flow, Change(keys, []), task)


def test_a_replacement_is_newer_than_the_input_and_leaves_the_other_keys() -> None:
    replaced = Replacements(ANCESTORS)
    replaced.add({"x": "replaced"})

    flow = replaced.start(A, 1, UNTOUCHED)

    assert seen(flow) == {"x": "replaced", "y": "input"}
    assert (replaced.seen_by(A), replaced.seen_by(B), len(replaced)) == (1, 0, 1)


def test_what_a_task_wrote_that_had_started_before_is_older() -> None:
    replaced = Replacements(ANCESTORS)
    a = wrote(replaced.start(A, 0, UNTOUCHED), A, x="a", y="a")
    replaced.add({"x": "replaced"})

    flow = replaced.start(D, 1, merged([a, UNTOUCHED], replaced.ancestors))

    assert seen(flow) == {"x": "replaced", "y": "a"}


def test_what_a_task_wrote_that_started_after_is_newer_even_beside_older_ones() -> None:
    replaced = Replacements(ANCESTORS)
    a = wrote(replaced.start(A, 0, UNTOUCHED), A, x="a")
    replaced.add({"x": "replaced"})
    b = wrote(replaced.start(B, 1, UNTOUCHED), B, x="b")
    c = replaced.start(C, 1, UNTOUCHED)

    for flows in ([a, b, c], [b, c, a], [c, b, a]):
        assert seen(replaced.start(D, 1, merged(flows, replaced.ancestors)))["x"] == "b"


def test_of_two_replacements_the_later_one_counts_key_by_key() -> None:
    replaced = Replacements(ANCESTORS)
    replaced.add({"x": "first", "y": "first"})
    a = wrote(replaced.start(A, 1, UNTOUCHED), A, x="a", y="a")
    replaced.add({"x": "second"})

    assert seen(replaced.start(B, 2, UNTOUCHED)) == {"x": "second", "y": "first"}
    assert seen(replaced.start(D, 2, a)) == {"x": "second", "y": "a"}


def test_a_flow_that_has_seen_a_replacement_is_handed_on_as_it_is() -> None:
    replaced = Replacements(ANCESTORS)
    replaced.add({"x": "replaced"})
    flow = replaced.start(A, 1, UNTOUCHED)

    assert replaced.start(D, 1, flow) is flow
    assert replaced.start(B, 1, UNTOUCHED) is replaced.start(C, 1, UNTOUCHED)


def test_a_task_that_starts_again_sees_what_was_replaced_meanwhile() -> None:
    replaced = Replacements(ANCESTORS)
    replaced.add({"x": "first"})
    replaced.start(A, 1, UNTOUCHED)
    replaced.add({"x": "second"})

    a = replaced.start(A, 2, UNTOUCHED)

    assert (seen(a)["x"], replaced.seen_by(A)) == ("second", 2)
    assert seen(replaced.start(D, 2, wrote(a, A, x="a")))["x"] == "a"


def test_it_does_not_matter_whether_it_was_added_before_or_after_older_tasks_are_told_of() -> None:
    """A new owner knows of all replacements before it reads what the tasks wrote."""
    replaced = Replacements(ANCESTORS)
    replaced.add({"x": "replaced"})
    a = wrote(replaced.start(A, 0, UNTOUCHED), A, x="a")

    assert seen(a)["x"] == "a"
    assert seen(replaced.start(D, 1, a))["x"] == "replaced"
