"""Keys that are merged by a rule: against the plain model, by laws, and what errors say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import given, settings, strategies as st
from model.plain_plan import PlainTask
from model.plain_rules import RuledRun
from tables import each_row

from cloaca_core.run.contexts import Contexts
from cloaca_core.run.graph import NodeGraph, plan_graph
from cloaca_core.run.merge import Change

RULES = ["append", "last", "sum", "min", "max"]
KEYS = ["x", "y"]
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, 1.0, 2**63])
LISTS = st.lists(st.sampled_from([1, 2, True, 1.0, "a"]), max_size=4)
ODD = st.sampled_from([None, True, "text", {"a": 1}, 2**64 - 1, 1.7e308])
VALUES = st.one_of(NUMBERS, LISTS, NUMBERS, LISTS, ODD)


@st.composite
def graphs(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> list[PlainTask]:
    """Up to eight tasks, most of which complete, write and remove."""
    tasks: list[PlainTask] = []
    for place in range(draw(st.integers(1, 8))):
        earlier = [task.id for task in tasks]
        needed = draw(st.permutations(earlier)) if earlier else []
        needed = needed[: draw(st.integers(min(1, len(needed)), min(3, len(needed))))]
        new = draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=2))
        removed = draw(st.sampled_from([[], [], [], *[[key] for key in KEYS if key not in new]]))
        fails = draw(st.sampled_from([False] * 5 + [True]))
        tasks.append(PlainTask(f"t{place}", needed, new, removed, fails, "always"))
    return tasks


RULED = st.fixed_dictionaries({"x": st.sampled_from(RULES), "y": st.sampled_from(RULES)})
INPUTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2)
REPLACED = st.lists(
    st.tuples(st.integers(0, 8), st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1)),
    max_size=2,
).map(lambda found: sorted(found, key=lambda each: each[0]))


class Flat(NamedTuple):
    """As much of a task as contexts need."""

    id: str
    dependencies: tuple[str, ...]


class FlatWorkflow(NamedTuple):
    """The same of a workflow."""

    tasks: tuple[Flat, ...]
    merges: Mapping[str, Any]


def graph(tasks: Sequence[PlainTask], rules: Mapping[str, Any]) -> NodeGraph[Flat]:
    flat = [Flat(task.id, tuple(task.dependencies)) for task in tasks]
    return plan_graph(FlatWorkflow(tuple(flat), rules))


def flat(rule: Any, **tasks: str) -> NodeGraph[Flat]:
    """Tasks with the names of those that they depend on; ``k`` is merged by the rule."""
    made = [PlainTask(name, needed.split()) for name, needed in tasks.items()]
    return graph(made, {"k": rule})


def ordered(tasks: Sequence[PlainTask], priorities: Sequence[int]) -> list[int]:
    """The tasks, each after those that it depends on, otherwise by their priorities."""
    order: list[int] = []
    while len(order) < len(tasks):
        done = {tasks[place].id for place in order}
        free = [
            place
            for place, task in enumerate(tasks)
            if task.id not in done and done.issuperset(task.dependencies)
        ]
        order.append(min(free, key=lambda place: priorities[place]))
    return order


class TestAgainstThePlainModel:
    @settings(max_examples=60)
    @given(graphs(), INPUTS, RULED, st.permutations(range(8)))
    def test_each_task_and_the_end_see_the_same_in_every_order(
        self,
        tasks: list[PlainTask],
        run_input: dict[str, Any],
        rules: dict[str, Any],
        priorities: list[int],
    ) -> None:
        model = RuledRun(tasks, run_input, rules)
        contexts = Contexts(graph(tasks, rules), run_input)

        for place in ordered(tasks, priorities):
            entered(contexts, place, tasks[place], model)

        assert repr(contexts.final()) == repr(in_order(contexts.final(), model.final()))
        told = contexts.unmerged_at_end() if "Completed" in model.status.values() else None
        assert (told.key if told else None) == min(model.unfit(None), default=None)

    @settings(max_examples=40)
    @given(graphs(), INPUTS, RULED, REPLACED)
    def test_replaced_keys_are_bases_too(
        self,
        tasks: list[PlainTask],
        run_input: dict[str, Any],
        rules: dict[str, Any],
        replaced: list[tuple[int, dict[str, Any]]],
    ) -> None:
        keys = [keys for _, keys in replaced]
        seen = {task.id: sum(at <= i for at, _ in replaced) for i, task in enumerate(tasks)}
        model = RuledRun(tasks, run_input, rules, keys, seen)
        contexts = Contexts(graph(tasks, rules), run_input)

        for place, task in enumerate(tasks):
            contexts.replace(keys[: seen[task.id]])
            entered(contexts, place, task, model)

        assert contexts.final() == model.final()


def entered(contexts: Contexts, place: int, task: PlainTask, model: RuledRun) -> None:
    """The task begins and ends as in the model."""
    contexts.enter(place)
    seen = contexts.given(place)
    assert repr(seen) == repr(in_order(seen, model.given(task.id)))
    told = contexts.unmerged(place)
    assert (told.key if told else None) == min(model.unfit(task.id), default=None)
    contexts.leave(place, None if task.fails else Change(task.set, task.removed))


def in_order(keys: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the order of these keys: a context has no order of its own."""
    return {key: values[key] for key in keys} | dict(values)


@st.composite
def adding(draw: st.DrawFn) -> tuple[list[PlainTask], dict[str, int]]:
    """A graph, and what some of its tasks add to a number that they see."""
    tasks = draw(graphs(st.none()))
    return tasks, {task.id: draw(st.integers(0, 5)) for task in tasks}


class TestLaws:
    """No number is counted twice or not at all, however diamonds stand in diamonds."""

    @settings(max_examples=40)
    @given(adding(), st.integers(-5, 5))
    def test_a_sum_is_all_that_was_added_above(
        self, drawn: tuple[list[PlainTask], dict[str, int]], first: int
    ) -> None:
        tasks, adds = drawn
        model = RuledRun(tasks, {}, {})  # for the ancestors alone
        contexts = Contexts(graph(tasks, {"x": "sum", "y": "append"}), {"x": first, "y": ["in"]})

        for place, task in enumerate(tasks):
            contexts.enter(place)
            seen: Any = contexts.given(place)
            above = model.ancestors(task.id)
            assert seen["x"] == first + sum(adds[each] for each in above)
            items = ["in", *[each for each in above for _ in range(adds[each])]]
            assert sorted(seen["y"]) == sorted(items)
            mine = [task.id] * adds[task.id]
            new = {"x": seen["x"] + adds[task.id], "y": [*seen["y"], *mine]} if mine else {}
            contexts.leave(place, Change(new, []))

    def test_a_thousand_diamonds_in_a_row_are_read_at_once(self) -> None:
        """As a new owner does, who asks for no context on the way."""
        tasks, order = dict[str, str](), []
        for i in range(1000):
            join = f"j{i - 1}" if i else ""
            tasks |= {f"a{i}": join, f"b{i}": join, f"j{i}": f"a{i} b{i}"}
            order += [2 * i + 1, 2 * i + 1, None]
        contexts = Contexts(flat("sum", **tasks), {"k": 0})

        for place, value in enumerate(order):
            contexts.enter(place)
            contexts.leave(place, Change({} if value is None else {"k": value}, []))

        assert contexts.final() == {"k": 2000}


A, B, C, D = range(4)


def met(rule: Any, *values: Any, run_input: Any = None) -> Contexts:
    """A join of tasks that each wrote one of these values; None as the value is a removal."""
    names = "abcd"[: len(values)]
    made = flat(rule, **dict.fromkeys(names, ""), join=" ".join(names))
    contexts = Contexts(made, {} if run_input is None else {"k": run_input})
    for place, value in enumerate(values):
        contexts.enter(place)
        contexts.leave(place, Change({}, ["k"]) if value is None else Change({"k": value}, []))
    contexts.enter(len(values))
    return contexts


@each_row(
    ("rule", "run_input", "values", "result"),
    [
        ("sum", 10, [13, 13], 16),
        ("sum", None, [3, 3], 6),  # nothing counts as 0
        ("sum", 10, [13, None], 13),  # a write beats a removal
        ("sum", 10, [13, None, 13], 16),
        ("sum", 1, [1.5, 2], 2.5),
        ("sum", 2**63, [2**64 - 1, 2], 2**63 + 1),  # only the result has to fit
        ("min", 0, [3, 2, 2.0], 2),  # the base is no side; of equal ones the first
        ("max", 9, [3, 2, 3.0], 3),
        ("last", [0], [[1], [2]], [2]),
        ("last", 0, [1, None], 1),
        ("append", [1], [[1, 3], [1, 3]], [1, 3, 3]),
        ("append", None, [[3], [3]], [3, 3]),
        ("append", [1, 2], [[2], [1, 2, 3]], [2, 3]),  # what one side removed is removed
        ("append", [1, 2], [[1, 2, 3], [2]], [2, 3]),
        ("append", [1], [[1, True], [1.0, 2]], [1, True, 2]),  # JSON equality
        ("append", [1, 2], [[2, 1, 3], [1, 2, 4]], [2, 1, 3, 4]),  # in another order
        ("sum", "text", ["other", None], "other"),  # one writer needs no rule
    ],
)
def test_the_rules(rule: str, run_input: Any, values: list[Any], result: Any) -> None:
    contexts = met(rule, *values, run_input=run_input)

    assert repr(contexts.given(len(values))) == repr({"k": result})
    assert contexts.unmerged(len(values)) is None


@each_row(
    ("rule", "run_input", "values", "text"),
    [
        ("sum", 0, [1, "x"], "merges numbers, and task 'b' wrote a text"),
        ("sum", 0, [True, 1], "merges numbers, and task 'a' wrote a boolean"),
        ("sum", [], [1, 2], "merges numbers, and the value before was a list"),
        ("sum", 0, [2**64 - 1, 1], "merges numbers, and the result is out of range"),
        ("sum", 0, [1.7e308, 1.7e308], "merges numbers, and the result is out of range"),
        ("min", 0, [1, [1]], "merges numbers, and task 'b' wrote a list"),
        ("max", 0, [{}, 1], "merges numbers, and task 'a' wrote an object"),
        ("append", [], [[1], 1], "merges lists, and task 'b' wrote a number"),
        ("append", {}, [[1], [2]], "merges lists, and the value before was an object"),
    ],
)
def test_values_that_a_rule_cannot_treat(
    rule: str, run_input: Any, values: list[Any], text: str
) -> None:
    found = met(rule, *values, run_input=run_input).unmerged(len(values))

    assert found is not None
    assert (found.key, found.rule) == ("k", rule)
    assert found.text == f"the rule {rule} of key 'k' {text}"


def test_null_is_no_number() -> None:
    contexts = Contexts(flat("sum", a="", b="", join="a b"), {})
    for place, value in ((A, None), (B, 1)):
        contexts.enter(place)
        contexts.leave(place, Change({"k": value}, []))
    contexts.enter(C)

    assert (found := contexts.unmerged(C)) is not None
    assert found.text.endswith("and task 'a' wrote null")


def test_values_that_have_met_above_do_not_meet_again() -> None:
    """A task that cleans up after the one that has failed can run."""
    contexts = Contexts(flat("sum", a="", b="", join="a b", after="join"), {})
    for place, value in ((A, "text"), (B, 1)):
        contexts.enter(place)
        contexts.leave(place, Change({"k": value}, []))
    contexts.enter(C)
    contexts.leave(C, None)
    contexts.enter(D)

    assert contexts.unmerged(D) is None
    assert contexts.given(D) == {"k": 1}  # as without the rule
    assert contexts.unmerged_at_end() is None


def test_last_tasks_may_meet_at_the_end_alone() -> None:
    contexts = Contexts(flat("max", a="", b=""), {})
    for place, value in ((A, 2), (B, "text")):
        contexts.enter(place)
        contexts.leave(place, Change({"k": value}, []))

    assert (found := contexts.unmerged_at_end()) is not None
    assert found.text == "the rule max of key 'k' merges numbers, and task 'b' wrote a text"


def test_a_patch_is_a_base() -> None:
    """As in a fork that begins at its task with other keys."""
    contexts = Contexts(
        flat("sum", a="", b="a", c="a", d="b c"), {"k": 1}, {A: Change({"k": 10}, [])}
    )
    for place, value in ((A, None), (B, 11), (C, 12)):
        contexts.enter(place)
        contexts.leave(place, Change({} if value is None else {"k": value}, []))
    contexts.enter(D)

    assert contexts.given(D) == {"k": 13}


def test_a_replacement_of_keys_is_a_base() -> None:
    contexts = Contexts(flat("sum", a="", b="a", c="a", d="b c"), {"k": 1}, None, [{"k": 10}])
    for place, value in ((A, None), (B, 11), (C, 12)):
        contexts.enter(place)
        contexts.leave(place, Change({} if value is None else {"k": value}, []))
    contexts.enter(D)

    assert contexts.given(D) == {"k": 13}
