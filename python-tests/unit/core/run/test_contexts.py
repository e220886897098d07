"""Tasks see what flows into them, and hand on what they were given and have changed."""

from __future__ import annotations

from model.runs import graph_of

from cloaca_core.run.contexts import Contexts
from cloaca_core.run.merge import Change

A, B, C, D = range(4)
GRAPH = graph_of(a={}, b={"dependencies": ["a"]}, c={"dependencies": ["a"]}, d={})


def made(contexts: Contexts, task: int, **keys: str) -> None:
    """The task starts and writes these keys."""
    contexts.enter(task)
    contexts.leave(task, Change(keys, []))


def test_a_task_sees_the_input_and_what_it_depends_on_has_written() -> None:
    contexts = Contexts(GRAPH, {"x": "input", "y": "input"})
    made(contexts, A, x="a")
    contexts.enter(B)
    contexts.enter(D)

    assert contexts.given(B) == {"x": "a", "y": "input"}
    assert contexts.given(D) == {"x": "input", "y": "input"}


def test_one_that_has_not_completed_hands_on_what_it_was_given() -> None:
    contexts = Contexts(GRAPH, {})
    made(contexts, A, x="a")
    contexts.enter(B)
    contexts.leave(B, None)

    assert contexts.final() == {"x": "a"}


def test_tasks_that_see_the_same_share_it() -> None:
    contexts = Contexts(GRAPH, {})
    made(contexts, A, x="a")
    contexts.enter(B)
    contexts.enter(C)

    assert contexts.given(B) is contexts.given(C)


def test_a_patch_is_written_just_before_its_task() -> None:
    contexts = Contexts(GRAPH, {"x": "input"}, {B: Change({"x": "patched"}, [])})
    made(contexts, A, x="a")
    contexts.enter(B)
    contexts.enter(C)

    assert (contexts.given(B), contexts.given(C)) == ({"x": "patched"}, {"x": "a"})


class TestReplacements:
    def test_tasks_that_entered_before_do_not_see_them_until_they_enter_again(self) -> None:
        contexts = Contexts(GRAPH, {"x": "input"})
        contexts.enter(A)
        contexts.replace([{"x": "replaced"}])
        contexts.enter(D)
        assert (contexts.given(A), contexts.given(D)) == ({"x": "input"}, {"x": "replaced"})
        assert (contexts.seen_by(A), contexts.seen_by(D)) == (0, 1)
        assert contexts.outdated([A, D]) == [A]

        contexts.enter(A)

        assert contexts.given(A) == {"x": "replaced"}
        assert contexts.outdated([A, D]) == []

    def test_those_that_are_known_do_not_count_twice(self) -> None:
        contexts = Contexts(GRAPH, {}, replacements=[{"x": "first"}])
        contexts.replace([{"x": "first"}, {"x": "second"}])

        assert contexts.replacements == 2

    def test_a_task_that_has_begun_elsewhere_has_seen_as_many_as_its_owner_recorded(self) -> None:
        contexts = Contexts(GRAPH, {}, replacements=[{"x": "first"}, {"x": "second"}])
        contexts.enter(A, 1)

        assert (contexts.given(A), contexts.seen_by(A)) == ({"x": "first"}, 1)

    def test_without_any_nothing_is_outdated(self) -> None:
        contexts = Contexts(GRAPH, {})
        contexts.enter(A)

        assert (contexts.outdated([A]), contexts.seen_by(A), contexts.replacements) == ([], 0, 0)


class TestFinalContext:
    def test_it_is_that_of_the_leaves(self) -> None:
        contexts = Contexts(GRAPH, {"y": "input"})
        for task, name in ((A, "a"), (B, "b"), (C, "c"), (D, "d")):
            made(contexts, task, **{"x": "a"} if task == A else {name: name})

        assert contexts.final() == {"b": "b", "c": "c", "d": "d", "x": "a", "y": "input"}

    def test_one_that_no_task_has_changed_is_the_input_itself(self) -> None:
        contexts = Contexts(GRAPH, {"x": "input"})
        for task in (A, B, C, D):
            made(contexts, task)

        assert contexts.final() is contexts.input

    def test_it_is_the_input_when_no_leaf_has_ended(self) -> None:
        contexts = Contexts(GRAPH, {"x": "input"})
        made(contexts, A, x="a")

        assert contexts.final() == {"x": "input"}

    def test_it_is_the_input_when_no_task_completed(self) -> None:
        contexts = Contexts(GRAPH, {"x": "input"}, replacements=[{"x": "replaced"}])
        contexts.enter(D)
        contexts.leave(D, None)

        assert contexts.final() == {"x": "input"}
