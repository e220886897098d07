"""The planner against a plain model of the contract, and its words on how a run ended."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import given, settings, strategies as st
from model.plain_plan import PlainRun, PlainTask
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task as task_decorator
from cloaca_core.definition.waits.kinds import Approval, WaitFor
from cloaca_core.definition.written_rules import (
    all_of,
    always,
    any_of,
    chosen,
    context_value,
    none_failed,
    none_of,
    task_skipped,
    task_success,
)
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.merge import UNCHANGED, Change
from cloaca_core.run.planner import (
    Completed,
    DefaultRule,
    Failed,
    Known,
    RunOver,
    RunPlan,
    Skipped,
    Step,
    choice_of,
)
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import RunStatus, TaskStatus

KEYS = ["x", "y", "z"]
PAY = Approval("Pay?", ("approve", "reject"))
VALUES = st.one_of(
    st.integers(0, 3),
    st.lists(st.integers(0, 3), max_size=3, unique=True),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | st.just([1]), max_size=2),
)


@st.composite
def plain_graphs(draw: st.DrawFn) -> list[PlainTask]:
    """Up to seven tasks that write, remove, fail and have rules, and approvals among them."""
    tasks: list[PlainTask] = []
    for number in range(draw(st.integers(1, 7))):
        earlier = [task.id for task in tasks]
        needed = draw(st.permutations(earlier)) if earlier else []
        needed = needed[: draw(st.integers(0, len(needed)))]
        new = draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2))
        removed = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=1))
        choice = draw(st.sampled_from([None, None, None, "approve", "reject"]))
        rules = ["default", "default", "always", "any failed", "any approved"]
        rules.append("none failed, one skipped")
        tasks.append(
            PlainTask(
                f"t{number}",
                list(needed),
                new,
                [key for key in removed if key not in new],
                fails=draw(st.sampled_from([False, False, False, True])),
                runs_when=draw(st.sampled_from(rules)) if needed else "default",
                choice=choice,
            )
        )
    return tasks


def graph_of(tasks: Sequence[PlainTask]) -> PlanGraph:
    """The same tasks as a workflow."""
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        for each in tasks:
            _declare(each, {task.id for task in tasks if task.choice is not None})
    assert builder.workflow is not None
    return plan_graph(builder.workflow)


def _declare(plain: PlainTask, approvals: Collection[str]) -> None:
    rules: dict[str, Any] | None = None
    if plain.runs_when == "always":
        rules = {"type": "Always"}
    elif plain.runs_when == "any failed":
        failed = [{"type": "TaskFailed", "task_name": name} for name in plain.dependencies]
        rules = {"type": "Any", "conditions": failed}
    elif plain.runs_when == "any approved":
        rules = any_of(*[chosen(n, "approve") for n in plain.dependencies if n in approvals])
    elif plain.runs_when == "none failed, one skipped":
        rules = all_of(none_failed(), any_of(*map(task_skipped, plain.dependencies)))
    if plain.choice is not None:
        approval(plain.id, "ok?", dependencies=plain.dependencies, trigger_rules=rules)
        return

    @task_decorator(id=plain.id, dependencies=plain.dependencies, trigger_rules=rules)
    def body(context: object) -> None:
        pass


class Driver:
    """Executes a plan: takes ready tasks in any order and tells what comes of them."""

    def __init__(
        self,
        tasks: Sequence[PlainTask],
        seed: int,
        replaced: Sequence[tuple[int, dict[str, Any]]] = (),
    ) -> None:
        """Before the task at each place of ``replaced`` starts, these keys are replaced."""
        self.tasks = tasks
        self.replaced = list(replaced)
        self.started = 0
        self.seen: dict[str, int] = {}
        self.graph = graph_of(tasks)
        self.random = random.Random(seed)  # noqa: S311 - an order that can be repeated
        self.given: dict[str, dict[str, Any]] = {}
        self.facts: dict[int, Known] = {}
        self.over: RunOver | None = None

    def run(self, plan: RunPlan, steps: int = 1000) -> None:
        step = plan.begin()
        ready = list(step.ready)
        while True:
            for index, reason in step.skipped:
                self.facts[index] = Skipped(reason, plan.contexts.seen_by(index))
            self.over = step.over
            if not ready or not steps:
                return
            steps -= 1
            if (replaced := self._replace(plan, ready)) is not None:
                step, ready = replaced, replaced.ready
                continue
            index = ready.pop(self.random.randrange(len(ready)))
            step = self._execute(plan, index)
            ready += step.ready

    def _replace(self, plan: RunPlan, ready: list[int]) -> Step | None:
        """Replace the keys whose time has come; none of the ready tasks has started."""
        due = [keys for place, keys in self.replaced if place <= self.started]
        if len(due) <= plan.contexts.replacements:
            return None
        plan.contexts.replace(due)
        return plan.again(ready)

    def _execute(self, plan: RunPlan, index: int) -> Any:
        plain = self.tasks[index]
        self.started += 1
        self.given[plain.id] = plan.contexts.given(index)
        self.seen[plain.id] = plan.contexts.seen_by(index)
        if plain.fails:
            self.facts[index] = Failed("ValueError: no", plan.contexts.seen_by(index))
            return plan.failed(index, "ValueError: no")
        change = Change(plain.set, plain.removed)
        self.facts[index] = Completed(change, plan.contexts.seen_by(index))
        return plan.completed(index, change)


SEEDS = st.integers(0, 1000)
REPLACED = st.lists(
    st.tuples(
        st.integers(0, 7), st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=2)
    ),
    max_size=3,
).map(lambda found: sorted(found, key=lambda each: each[0]))
INPUTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)


class TestAgainstThePlainModel:
    @settings(max_examples=300)
    @given(plain_graphs(), INPUTS, SEEDS)
    def test_the_end_is_the_models_in_every_order(
        self, tasks: list[PlainTask], run_input: dict[str, Any], seed: int
    ) -> None:
        driver, model = Driver(tasks, seed), PlainRun(tasks, run_input)
        plan = RunPlan(driver.graph, run_input)

        driver.run(plan)

        assert dict(zip(model.order, map(str, plan.statuses), strict=True)) == model.status
        assert driver.given == {name: model.given(name) for name in driver.given}
        assert plan.contexts.final() == model.final()
        assert driver.over is not None
        failed = "Failed" in model.status.values()
        assert driver.over.status is (RunStatus.FAILED if failed else RunStatus.COMPLETED)

    @settings(max_examples=200)
    @given(plain_graphs(), INPUTS, SEEDS, st.integers(0, 6))
    def test_a_new_owner_ends_where_the_old_one_would_have(
        self, tasks: list[PlainTask], run_input: dict[str, Any], seed: int, steps: int
    ) -> None:
        first, model = Driver(tasks, seed), PlainRun(tasks, run_input)
        first.run(RunPlan(first.graph, run_input), steps)

        second = Driver(tasks, seed + 1)
        plan = RunPlan(second.graph, run_input, known=first.facts)
        second.run(plan)

        done = {tasks[i].id for i, fact in first.facts.items() if not isinstance(fact, Skipped)}
        assert done.isdisjoint(second.given)
        assert dict(zip(model.order, map(str, plan.statuses), strict=True)) == model.status
        assert plan.contexts.final() == model.final()

    @settings(max_examples=150)
    @given(plain_graphs(), INPUTS, SEEDS, REPLACED, st.integers(0, 6))
    def test_keys_that_were_replaced_are_what_later_tasks_see(
        self,
        tasks: list[PlainTask],
        run_input: dict[str, Any],
        seed: int,
        replaced: list[tuple[int, dict[str, Any]]],
        steps: int,
    ) -> None:
        """Whether one owner takes the run to its end or (after some steps) another one."""
        first = Driver(tasks, seed, replaced)
        before = RunPlan(first.graph, run_input)
        first.run(before, steps)
        known = [keys for place, keys in replaced[: before.contexts.replacements]]
        second = Driver(tasks, seed + 1, replaced)
        second.started = first.started
        plan = RunPlan(second.graph, run_input, known=first.facts, replacements=known)
        second.run(plan)

        seen = first.seen | second.seen
        model = PlainRun(tasks, run_input, [keys for _, keys in replaced], seen)
        for name, given_context in (first.given | second.given).items():
            assert given_context == model.given(name)
        skipped = {tasks[i].id for i, s in enumerate(plan.statuses) if s is TaskStatus.SKIPPED}
        model.seen |= {name: plan.contexts.seen_by(model.order.index(name)) for name in skipped}
        assert plan.contexts.final() == model.final()


def ended(*tasks: PlainTask) -> RunOver:
    driver = Driver(tasks, 0)
    driver.run(RunPlan(driver.graph, {}))
    assert driver.over is not None
    return driver.over


class TestTheVerdict:
    def test_a_run_whose_tasks_all_completed_has_no_error(self) -> None:
        assert ended(PlainTask("a", [])) == RunOver(RunStatus.COMPLETED, None)

    def test_a_failed_run_counts_and_names_the_first_in_definition_order(self) -> None:
        over = ended(
            PlainTask("ok", []),
            PlainTask("a", [], fails=True),
            PlainTask("b", [], fails=True),
            PlainTask("c", ["a"]),
        )

        assert over.reason == Reason(
            "task_failed",
            "2 task(s) failed, 1 completed, 1 skipped; first error: a: ValueError: no",
        )

    def test_skipped_tasks_alone_fail_no_run(self) -> None:
        over = ended(PlainTask("a", []), PlainTask("b", ["a"], runs_when="any failed"))

        assert over.status is RunStatus.COMPLETED


class TestFailures:
    def test_a_failed_task_hands_on_what_it_was_given(self) -> None:
        tasks = [
            PlainTask("a", [], {"x": 1}),
            PlainTask("b", ["a"], fails=True),
            PlainTask("c", ["b"], runs_when="always"),
        ]
        driver = Driver(tasks, 0)

        driver.run(RunPlan(driver.graph, {}))

        assert driver.given["c"] == {"x": 1}


class TestReasons:
    def skipped(self, *tasks: PlainTask) -> dict[str, Reason]:
        driver = Driver(tasks, 0)
        driver.run(RunPlan(driver.graph, {}))
        facts = driver.facts.items()
        return {tasks[i].id: fact.reason for i, fact in facts if isinstance(fact, Skipped)}

    def test_the_default_rule_names_who_failed_and_is_handed_on(self) -> None:
        reasons = self.skipped(
            PlainTask("a", [], fails=True), PlainTask("b", ["a"]), PlainTask("c", ["b"])
        )

        assert reasons == {
            "b": Reason("upstream_failed", "upstream failed: a"),
            "c": Reason("upstream_failed", "upstream failed: b"),
        }

    def test_a_rejection_skips_what_follows_by_the_default_rule_and_is_handed_down(self) -> None:
        reasons = self.skipped(
            PlainTask("ok", [], choice="reject"),
            PlainTask("a", ["ok"]),
            PlainTask("b", ["a"]),
            PlainTask("after", ["b"], runs_when="always"),
        )

        assert reasons == dict.fromkeys(["a", "b"], Reason("rejected", "rejected: ok"))

    def test_only_the_choice_named_reject_rejects(self) -> None:
        assert self.skipped(PlainTask("ok", [], choice="approve"), PlainTask("a", ["ok"])) == {}

    def test_a_rejection_fails_no_run(self) -> None:
        over = ended(PlainTask("ok", [], choice="reject"), PlainTask("a", ["ok"]))

        assert over == RunOver(RunStatus.COMPLETED, None)

    def test_the_first_dependency_that_counts_as_failed_is_named(self) -> None:
        ok, a = PlainTask("ok", [], choice="reject"), PlainTask("a", [], fails=True)

        assert self.skipped(ok, a, PlainTask("b", ["ok", "a"])) == {
            "b": Reason("rejected", "rejected: ok")
        }
        assert self.skipped(ok, a, PlainTask("b", ["a", "ok"])) == {
            "b": Reason("upstream_failed", "upstream failed: a")
        }

    def test_always_as_the_default_rule_goes_on_after_a_rejection(self) -> None:
        tasks = [PlainTask("ok", [], choice="reject"), PlainTask("a", ["ok"])]
        driver = Driver(tasks, 0)
        plan = RunPlan(driver.graph, {}, default_rule="always")

        driver.run(plan)

        assert plan.statuses == [TaskStatus.COMPLETED, TaskStatus.COMPLETED]

    def test_a_rule_of_its_own_judges_a_rejection(self) -> None:
        """The node is Completed with either choice."""
        builder = WorkflowBuilder("w", registry=Registry())
        with builder:
            ok = approval("ok", "may it go on?")
            for name, rule in (
                ("success", task_success(ok)),
                ("approved", chosen(ok, "approve")),
                ("rejected", chosen(ok, "reject")),
            ):
                task_decorator(id=name, dependencies=[ok], trigger_rules=rule)(lambda context: None)
        plan = RunPlan(plan_graph(builder.workflow), {})
        plan.begin()

        step = plan.completed(0, Change({"ok": {"choice": "reject"}}, []))

        assert step.ready == [1, 3]
        assert step.skipped == [(2, Reason("trigger_rule", "Trigger rules not satisfied"))]

    def test_a_new_owner_knows_of_a_rejection_by_the_record_of_the_node(self) -> None:
        graph = graph_of([PlainTask("ok", [], choice="reject"), PlainTask("a", ["ok"])])
        known: dict[int, Known] = {0: Completed(Change({"ok": {"choice": "reject"}}, []))}

        step = RunPlan(graph, {}, known=known).begin()

        assert step.skipped == [(1, Reason("rejected", "rejected: ok"))]

    def test_a_new_owner_hands_a_rejection_down(self) -> None:
        tasks = [
            PlainTask("ok", [], choice="reject"),
            PlainTask("a", ["ok"]),
            PlainTask("b", ["a"]),
        ]
        known: dict[int, Known] = {
            0: Completed(Change({"ok": {"choice": "reject"}}, [])),
            1: Skipped(Reason("rejected", "rejected: ok")),
        }

        step = RunPlan(graph_of(tasks), {}, known=known).begin()

        assert step.skipped == [(2, Reason("rejected", "rejected: ok"))]

    def test_a_rule_of_its_own_that_is_false(self) -> None:
        reasons = self.skipped(PlainTask("a", []), PlainTask("b", ["a"], runs_when="any failed"))

        assert reasons == {"b": Reason("trigger_rule", "Trigger rules not satisfied")}

    @each_row(
        ("code", "text", "expected"),
        [
            ("upstream_failed", "upstream failed: a", [(3, "upstream failed: b")]),
            # The code counts, not the text.
            ("upstream_failed", "in other words", [(3, "upstream failed: b")]),
            ("trigger_rule", "upstream failed: a", []),
            # A newer version may have others.
            ("some_day", "upstream failed: a", []),
        ],
    )
    def test_it_is_handed_on_by_a_new_owner_by_its_code(
        self, code: str, text: str, expected: list[tuple[int, str]]
    ) -> None:
        tasks = [
            PlainTask("a", [], fails=True),
            PlainTask("b", ["a"]),
            PlainTask("slow", []),
            PlainTask("c", ["b", "slow"]),
        ]
        known: dict[int, Known] = {
            0: Failed("ValueError: no"),
            1: Skipped(Reason(code, text)),
        }
        plan = RunPlan(graph_of(tasks), {}, known=known)
        assert plan.begin().ready == [2]

        step = plan.completed(2, UNCHANGED)

        assert [(task, reason.text) for task, reason in step.skipped] == expected
        assert step.ready == ([] if expected else [3])

    def test_a_rule_that_asks_for_no_failure_hands_one_down_as_the_default_rule_does(self) -> None:
        """Also where its other conditions do not hold: what follows must not run either."""
        abroad = context_value("abroad", "Equals", True)
        builder = WorkflowBuilder("w", registry=Registry())
        with builder:
            task_decorator(id="charge")(print)
            rule = all_of(none_failed(), abroad)
            task_decorator(id="ship", dependencies=["charge"], trigger_rules=rule)(print)
            task_decorator(id="thank", dependencies=["ship"])(print)
            rule = all_of(task_success("charge"), abroad)
            task_decorator(id="other", dependencies=["charge"], trigger_rules=rule)(print)
            task_decorator(id="after other", dependencies=["other"])(print)
        plan = RunPlan(plan_graph(builder.workflow), {"abroad": False})
        plan.begin()

        step = plan.failed(0, "ValueError: no")

        assert step.skipped == [
            (1, Reason("upstream_failed", "upstream failed: charge")),
            (3, Reason("trigger_rule", "Trigger rules not satisfied")),
            (2, Reason("upstream_failed", "upstream failed: ship")),
        ]
        assert step.ready == [4]

    def test_without_a_failure_such_a_rule_skips_by_itself(self) -> None:
        builder = WorkflowBuilder("w", registry=Registry())
        with builder:
            task_decorator(id="charge")(print)
            for name, rule in (
                ("abroad", all_of(none_failed(), context_value("abroad", "Exists", None))),
                ("help", none_of(none_failed())),
            ):
                task_decorator(id=name, dependencies=["charge"], trigger_rules=rule)(print)
            task_decorator(id="thank", dependencies=["abroad", "help"])(print)
        plan = RunPlan(plan_graph(builder.workflow), {})
        plan.begin()

        step = plan.completed(0, UNCHANGED)

        by_rule = Reason("trigger_rule", "Trigger rules not satisfied")
        assert step.skipped == [(1, by_rule), (2, by_rule)]
        assert step.ready == [3]

    def test_it_asks_for_no_failure_also_where_the_default_rule_is_always(self) -> None:
        builder = WorkflowBuilder("w", registry=Registry())
        with builder:
            task_decorator(id="charge")(print)
            rule = none_failed()
            task_decorator(id="ship", dependencies=["charge"], trigger_rules=rule)(print)
            task_decorator(id="plain", dependencies=["ship"])(print)
            task_decorator(id="asks", dependencies=["ship"], trigger_rules=rule)(print)
        plan = RunPlan(plan_graph(builder.workflow), {}, default_rule="always")
        plan.begin()

        step = plan.failed(0, "ValueError: no")

        assert [task for task, _ in step.skipped] == [1, 3]
        assert step.ready == [2]

    def test_a_node_behind_tasks_that_rules_have_skipped_is_skipped_by_rule(self) -> None:
        builder = WorkflowBuilder("w", registry=Registry())
        with builder:
            for name in ("big", "foreign"):
                rule = context_value(name, "Exists", None)
                task_decorator(id=name, trigger_rules=rule)(print)
            approval("ok", "Pay?", dependencies=["big", "foreign"])
            approval("anyway", "Pay?", dependencies=["big", "foreign"], trigger_rules=always())
            approval("first", "Pay?")
            task_decorator(id="pay", dependencies=["ok"])(print)

        defaults: tuple[DefaultRule, ...] = ("none_failed", "always")
        for default in defaults:
            graph = plan_graph(builder.workflow)
            step = RunPlan(graph, {}, default_rule=default).begin()
            assert (2, Reason("trigger_rule", "all that it depends on was skipped by rule")) in (
                step.skipped
            )
            # One with a rule is judged by that; one without dependencies begins.
            assert [graph.tasks[index].id for index in step.ready] == ["first", "anyway", "pay"]
            step = RunPlan(graph, {"big": 1}, default_rule=default).begin()
            assert [graph.tasks[index].id for index in step.ready] == ["big", "first"]

    def test_a_rule_is_asked_about_what_the_task_is_given(self) -> None:
        builder = WorkflowBuilder("w", registry=Registry())
        with builder:
            task_decorator(id="a")(lambda context: None)
            rule = context_value("x", "Equals", 1)
            task_decorator(id="b", dependencies=["a"], trigger_rules=rule)(lambda context: None)
        assert builder.workflow is not None
        plan = RunPlan(plan_graph(builder.workflow), {"x": 0})
        plan.begin()

        assert plan.completed(0, Change({"x": 1}, [])).ready == [1]

    def test_always_as_the_default_rule(self) -> None:
        tasks = [PlainTask("a", [], fails=True), PlainTask("b", ["a"])]
        driver = Driver(tasks, 0)
        plan = RunPlan(driver.graph, {}, default_rule="always")

        driver.run(plan)

        assert plan.statuses == [TaskStatus.FAILED, TaskStatus.COMPLETED]


def test_a_wide_graph_is_decided_once_per_task() -> None:
    wide = [PlainTask(f"w{n}", ["a"], {"x": n}) for n in range(2_000)]
    tasks = [PlainTask("a", []), *wide, PlainTask("z", [each.id for each in wide])]
    driver = Driver(tasks, 0)
    plan = RunPlan(driver.graph, {})

    driver.run(plan, steps=10_000)

    assert driver.given["z"] == {"x": 1_999}


class TestTheChoice:
    def test_it_is_read_from_the_change(self) -> None:
        change = Change({"ok": {"choice": "approve", "by": "ann"}}, [])

        assert choice_of(PAY, "ok", change) == "approve"

    @each_row("written", [{}, {"ok": 1}, {"ok": {}}, {"ok": {"choice": 1}}])
    def test_the_record_of_a_body_in_its_place_has_none(self, written: dict[str, Any]) -> None:
        assert choice_of(PAY, "ok", Change(written, [])) is None

    def test_a_node_of_another_kind_has_none(self) -> None:
        assert choice_of(WaitFor("ok"), "ok", Change({"ok": {"choice": "reject"}}, [])) is None
