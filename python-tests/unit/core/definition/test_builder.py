"""The builder: what its block collects, when it registers, and what it refuses."""

# ruff: noqa: PT012 - what a block refuses at its end needs tasks inside it

from __future__ import annotations

import asyncio
import threading

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.limits.limit import Limit, LimitUse
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.definition.written_rules import (
    all_of,
    any_of,
    parse_rule,
    task_failed,
    task_success,
)
from cloaca_core.errors import CloacaError, DefinitionError


@pytest.fixture
def registry() -> Registry:
    return Registry()


def noop(context: object) -> None:
    """A task's function."""


def define(registry: Registry, *task_ids: str, name: str = "w") -> Workflow:
    with WorkflowBuilder(name, registry=registry) as builder:
        for task_id in task_ids:
            task(id=task_id)(noop)
    return builder.workflow


class TestNames:
    def test_the_namespace_has_defaults(self, registry: Registry) -> None:
        assert define(registry, "a").namespace == "public::embedded::w"

    def test_each_part_of_it_can_be_given(self, registry: Registry) -> None:
        with WorkflowBuilder(
            "w", tenant="t", package="p", workflow="id", registry=registry
        ) as builder:
            task(noop)
        assert builder.workflow.namespace == "t::p::id"
        assert builder.workflow.name == "w"
        assert builder.workflow.get_roots() == ["t::p::id::noop"]

    @each_row("part", ["name", "tenant", "package", "workflow"])
    @each_row("value", ["", "a::b", "x" * 256, "a\nb"])
    def test_what_is_no_name_is_a_value_error(self, part: str, value: str) -> None:
        with pytest.raises(ValueError, match=rf"WorkflowBuilder\({part}=\.\.\.\)"):
            WorkflowBuilder(**{"name": "w", part: value})  # type: ignore[arg-type] # names only

    def test_a_name_of_another_type_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match=r"WorkflowBuilder\(name=\.\.\.\)"):
            WorkflowBuilder(3)  # type: ignore[arg-type] # the point of the test

    def test_a_registry_of_another_type_is_a_type_error_before_the_block(self) -> None:
        with pytest.raises(TypeError, match="registry must be a Registry or None, got int"):
            WorkflowBuilder("w", registry=3)  # type: ignore[arg-type] # the point of the test

    def test_only_the_name_is_positional(self) -> None:
        with pytest.raises(TypeError, match="positional"):
            WorkflowBuilder("w", "t")  # type: ignore[call-arg] # the point of the test


class TestFacts:
    def test_description_and_tags_may_be_given_before_and_inside_the_block(
        self, registry: Registry
    ) -> None:
        builder = WorkflowBuilder("w", registry=registry).description("Old.").tag("a", "1")
        with builder:
            builder.description("Sums.").tag("b", "2").tag("a", "3")
            task(noop)
        assert builder.workflow.description == "Sums."
        assert builder.workflow.tags == {"a": "3", "b": "2"}

    def test_the_methods_return_the_builder(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(noop)
            for returned in (
                builder.description("x"),
                builder.tag("a", "b"),
                builder.time_limit(5),
                builder.version_policy("fail"),
                builder.when_ended("Failed", "alert"),
                builder.add_task(noop),
            ):
                assert returned is builder

    def test_other_types_are_type_errors(self, registry: Registry) -> None:
        builder = WorkflowBuilder("w", registry=registry)
        with pytest.raises(TypeError, match="description must be a str, got int"):
            builder.description(3)  # type: ignore[arg-type] # the point of the test
        with pytest.raises(TypeError, match="value must be a str, got int"):
            builder.tag("a", 3)  # type: ignore[arg-type] # the point of the test

    def test_what_follows_the_ends_of_runs_is_kept_in_order(self, registry: Registry) -> None:
        builder = WorkflowBuilder("w", tenant="t", registry=registry)
        builder.when_ended("Failed", "alert", {"n": 1}).when_ended(["Completed"], submit="next")
        with builder:
            task(noop)

        found = [(each.statuses, each.submit) for each in builder.workflow.when_ended]

        assert found == [
            (("Failed",), "t::embedded::alert"),
            (("Completed",), "t::embedded::next"),
        ]
        assert builder.workflow.when_ended[0].context == {"n": 1}
        assert define(registry, "a").when_ended == ()

    def test_limits_of_runs_are_collected(self, registry: Registry) -> None:
        api, nightly = Limit("openai", total=20), Limit("nightly", total=1)
        with WorkflowBuilder("flow", registry=registry):
            task(noop)
        builder = WorkflowBuilder("flow", registry=registry).limits(nightly).add_task("noop")
        built = builder.limits("gpu", api.key("customer")).build()
        uses = (LimitUse("gpu"), LimitUse("nightly"), LimitUse("openai", ("customer",)))
        assert built.limits == uses
        registry.register(built)
        assert registry.limits() == [nightly, api]
        with pytest.raises(DefinitionError, match=r"^limits has limit 'nightly' twice"):
            builder.limits(nightly.key("customer"))

    def test_a_task_of_the_registered_workflow_keeps_its_limits(self, registry: Registry) -> None:
        api = Limit("openai", total=20)
        with WorkflowBuilder("flow", registry=registry):
            task(id="ship", limits=[api])(noop)
        again = WorkflowBuilder("flow", registry=registry).add_task("ship").build()
        assert again.tasks[0].limits == (LimitUse("openai"),)
        assert again.defined_limits == {"openai": api}


class TestEndOfBlock:
    def test_it_registers_the_workflow(self, registry: Registry) -> None:
        made = define(registry, "a", "b")
        assert registry.find("w") is made
        assert [one.id for one in made.tasks] == ["a", "b"]

    def test_nothing_is_registered_before(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry):
            task(noop)
            assert registry.namespaces() == []

    def test_without_a_registry_it_is_the_default_one(self) -> None:
        try:
            with WorkflowBuilder("of this test") as builder:
                task(noop)
            assert default_registry().find("of this test") is builder.workflow
        finally:
            default_registry().clear()

    @pytest.mark.parametrize("raised", [KeyError("x"), KeyboardInterrupt(), SystemExit(1)])
    def test_a_body_that_raised_registers_nothing_and_its_exception_passes(
        self, registry: Registry, raised: BaseException
    ) -> None:
        with pytest.raises(type(raised)) as caught, WorkflowBuilder("w", registry=registry):
            task(noop)
            raise raised
        assert caught.value is raised
        assert registry.namespaces() == []

    def test_it_registers_after_a_return_out_of_the_block(self, registry: Registry) -> None:
        def make() -> Workflow:
            with WorkflowBuilder("w", registry=registry) as builder:
                task(noop)
                return builder.build()

        assert make().version == registry.find("w").version

    def test_the_workflow_is_there_once_the_block_has_ended(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(noop)
            with pytest.raises(DefinitionError, match="once its block has ended"):
                builder.workflow  # noqa: B018 - reading it is what is tested
        assert builder.workflow.name == "w"

    def test_entering_a_name_again_defines_it_anew(self, registry: Registry) -> None:
        old, new = define(registry, "a", "b"), define(registry, "c")
        assert [one.id for one in new.tasks] == ["c"]
        assert registry.find("w") is new
        assert [one.id for one in old.tasks] == ["a", "b"]

    def test_entering_a_builder_again_defines_it_anew(self, registry: Registry) -> None:
        builder = WorkflowBuilder("w", registry=registry)
        for task_id in ("a", "b"):
            with builder:
                task(id=task_id)(noop)
        assert [one.id for one in builder.workflow.tasks] == ["b"]

    def test_a_block_that_fails_leaves_the_earlier_definition(self, registry: Registry) -> None:
        old = define(registry, "a")
        with pytest.raises(DefinitionError):
            define(registry)
        assert registry.find("w") is old

    def test_an_open_builder_cannot_be_entered_again(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(noop)
            with pytest.raises(DefinitionError, match="already open"), builder:
                pass
            task(id="still mine")(noop)
        assert len(builder.workflow.tasks) == 2


class TestCurrentBuilder:
    def test_the_innermost_block_collects(self, registry: Registry) -> None:
        with WorkflowBuilder("outer", registry=registry) as outer:
            task(id="a")(noop)
            with WorkflowBuilder("inner", registry=registry) as inner:
                task(id="b")(noop)
            task(id="c")(noop)
        assert [one.id for one in outer.workflow.tasks] == ["a", "c"]
        assert [one.id for one in inner.workflow.tasks] == ["b"]

    def test_the_outer_block_is_back_after_an_error_in_the_inner(self, registry: Registry) -> None:
        with WorkflowBuilder("outer", registry=registry) as outer:
            with pytest.raises(KeyError), WorkflowBuilder("inner", registry=registry):
                raise KeyError
            with pytest.raises(DefinitionError), WorkflowBuilder("empty", registry=registry):
                pass
            task(noop)
        assert len(outer.workflow.tasks) == 1
        assert registry.namespaces() == ["public::embedded::outer"]

    def test_there_is_none_after_the_block(self, registry: Registry) -> None:
        define(registry, "a")
        with pytest.raises(ValueError, match="No workflow context available"):
            task(noop)

    def test_threads_do_not_collect_for_each_other(self, registry: Registry) -> None:
        meeting = threading.Barrier(4)

        def make(name: str) -> None:
            with WorkflowBuilder(name, registry=registry):
                for number in range(20):
                    meeting.wait(timeout=60)
                    task(id=f"{name}{number}")(noop)

        threads = [threading.Thread(target=make, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in "abcd":
            found = [one.id for one in registry.find(name).tasks]
            assert found == [f"{name}{number}" for number in range(20)]

    def test_a_thread_that_inherits_an_open_block_is_not_inside_it(
        self, registry: Registry
    ) -> None:
        async def main() -> None:
            with WorkflowBuilder("w", registry=registry) as builder:
                task(id="mine")(noop)
                with pytest.raises(DefinitionError, match="No workflow context available"):
                    await asyncio.to_thread(task(id="its"), noop)
            assert [each.id for each in builder.workflow.tasks] == ["mine"]

        asyncio.run(main())

    def test_an_asyncio_task_that_inherits_a_block_is_not_inside_it(
        self, registry: Registry
    ) -> None:
        async def declare(gate: asyncio.Event) -> None:
            await gate.wait()
            task(id="its")(noop)

        async def main() -> None:
            gate = asyncio.Event()
            with WorkflowBuilder("w", registry=registry) as builder:
                task(id="mine")(noop)
                late = asyncio.create_task(declare(gate))
                already_open = asyncio.Event()
                already_open.set()
                with pytest.raises(DefinitionError, match="No workflow context available"):
                    await asyncio.create_task(declare(already_open))
            gate.set()
            with pytest.raises(DefinitionError, match="No workflow context available"):
                await late
            assert [each.id for each in builder.workflow.tasks] == ["mine"]

        asyncio.run(main())

    def test_asyncio_tasks_do_not_collect_for_each_other(self, registry: Registry) -> None:
        async def make(name: str) -> None:
            with WorkflowBuilder(name, registry=registry):
                for number in range(3):
                    await asyncio.sleep(0)
                    task(id=f"{name}{number}")(noop)

        async def main() -> None:
            await asyncio.gather(*map(make, "abc"))

        asyncio.run(main())
        for name in "abc":
            assert [one.id for one in registry.find(name).tasks] == [name + n for n in "012"]


class TestAddTask:
    def test_naming_a_task_that_the_block_has_is_no_error_the_first_time(
        self, registry: Registry
    ) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(id="a")(noop)
            task(id="b")(print)
            builder.add_task("a").add_task(print)
        assert [one.id for one in builder.workflow.tasks] == ["a", "b"]

    @pytest.mark.parametrize(("first", "second"), [("a", "a"), (noop, "a"), ("a", noop)])
    def test_the_second_time_it_is_a_duplicate(
        self, registry: Registry, first: object, second: object
    ) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(id="a")(noop)
            builder.add_task(first)  # type: ignore[arg-type] # ids and functions
            with pytest.raises(
                ValueError, match=r"^Failed to add task: Duplicate task: public::embedded::w::a"
            ):
                builder.add_task(second)  # type: ignore[arg-type] # ids and functions

    @each_row(("given", "name"), [("x", "x"), (print, "print")])
    def test_an_unknown_task_is_refused(self, registry: Registry, given: object, name: str) -> None:
        define(registry, "x", name="another")
        with pytest.raises(
            ValueError,
            match=rf"^Task '{name}' not found in registry\. "
            r"Make sure it was decorated with @task\.$",
        ):
            WorkflowBuilder("w", registry=registry).add_task(given)  # type: ignore[arg-type] # both

    def test_a_builder_without_a_block_takes_tasks_of_the_registered_workflow_of_its_name(
        self, registry: Registry
    ) -> None:
        with WorkflowBuilder("w", registry=registry) as first:
            task(id="a", retry_attempts=7)(noop)
            task(id="b", dependencies=["a"])(print)
            task(id="left out")(len)
        second = WorkflowBuilder("w", registry=registry).add_task(noop).add_task("b")
        built = second.build()
        assert built.tasks == first.workflow.tasks[:2]
        assert registry.get("public::embedded::w") is first.workflow

    def test_a_block_takes_an_earlier_task_only_when_it_is_named(self, registry: Registry) -> None:
        define(registry, "a", "b")
        with WorkflowBuilder("w", registry=registry) as builder:
            builder.add_task("a")
            task(id="c", dependencies=["a"])(noop)
        assert [one.id for one in builder.workflow.tasks] == ["a", "c"]

    @pytest.mark.parametrize("again", ["a", noop])
    def test_an_earlier_task_that_is_named_twice_is_a_duplicate(
        self, registry: Registry, again: object
    ) -> None:
        define(registry, "a")
        builder = WorkflowBuilder("w", registry=registry).add_task("a")
        with pytest.raises(ValueError, match=r"^Failed to add task: Duplicate task: public::"):
            builder.add_task(again)  # type: ignore[arg-type] # ids and functions

    @each_row("given", [3, None, ["a"]])
    def test_another_type_is_refused(self, registry: Registry, given: object) -> None:
        message = (
            "^Task must be either a string task ID or a function object with __name__ attribute"
        )
        for kind in (ValueError, TypeError, CloacaError):
            with pytest.raises(kind, match=message):
                WorkflowBuilder("w", registry=registry).add_task(given)  # type: ignore[arg-type] # as said


class TestBuild:
    def test_it_gives_the_tasks_so_far_and_registers_nothing(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(id="a")(noop)
            assert [one.id for one in builder.build().tasks] == ["a"]
            task(id="b")(noop)
            assert [one.id for one in builder.build().tasks] == ["a", "b"]
            assert registry.namespaces() == []

    def test_it_works_after_the_block(self, registry: Registry) -> None:
        builder = WorkflowBuilder("w", registry=registry)
        with builder:
            task(noop)
        assert builder.build().version == builder.workflow.version

    def test_without_tasks_it_is_a_value_error(self, registry: Registry) -> None:
        with pytest.raises(
            ValueError, match=r"^Failed to build workflow: Workflow cannot be empty$"
        ):
            WorkflowBuilder("w", registry=registry).build()

    def test_an_error_of_it_in_the_block_registers_nothing(self, registry: Registry) -> None:
        with (
            pytest.raises(ValueError, match=r"^Failed to build workflow: Missing dependency"),
            WorkflowBuilder("w", registry=registry) as builder,
        ):
            task(dependencies=["x"])(noop)
            builder.build()
        assert registry.namespaces() == []


class TestValidation:
    def test_an_empty_block_is_refused(self, registry: Registry) -> None:
        with pytest.raises(
            ValueError, match=r"^Workflow validation failed: Workflow cannot be empty$"
        ):
            define(registry)

    def test_a_missing_dependency_is_refused(self, registry: Registry) -> None:
        with (
            pytest.raises(
                ValueError,
                match=r"^Workflow validation failed: Missing dependency: task "
                r"'public::embedded::w::noop' depends on 'public::embedded::w::x' which is not "
                r"registered$",
            ),
            WorkflowBuilder("w", registry=registry),
        ):
            task(dependencies=["x"])(noop)

    def test_one_that_an_earlier_block_of_the_name_had_says_so(self, registry: Registry) -> None:
        define(registry, "x")
        with (
            pytest.raises(
                ValueError, match=r"which is not registered; an earlier block of this name had 'x'"
            ),
            WorkflowBuilder("w", registry=registry),
        ):
            task(dependencies=["x"])(noop)

    def test_one_that_a_block_before_the_last_had_says_so_too(self, registry: Registry) -> None:
        for task_id in ("x", "y", "z"):
            define(registry, task_id)
        with (
            pytest.raises(ValueError, match=r"an earlier block of this name had 'x'"),
            WorkflowBuilder("w", registry=registry),
        ):
            task(dependencies=["x"])(noop)

    def test_a_function_that_is_no_task_here_is_a_missing_dependency(
        self, registry: Registry
    ) -> None:
        with (
            pytest.raises(ValueError, match=r"depends on 'public::embedded::w::print' which"),
            WorkflowBuilder("w", registry=registry),
        ):
            task(dependencies=[print])(noop)

    def test_a_circle_is_refused(self, registry: Registry) -> None:
        with (
            pytest.raises(
                ValueError,
                match=r"^Workflow validation failed: Circular dependency detected: \[.*\]$",
            ),
            WorkflowBuilder("w", registry=registry),
        ):
            task(id="a", dependencies=["b"])(noop)
            task(id="b", dependencies=["a"])(print)

    def test_a_function_that_means_two_tasks_is_refused(self, registry: Registry) -> None:
        with (
            pytest.raises(ValueError, match=r"^Workflow validation failed: Function 'noop' stands"),
            WorkflowBuilder("w", registry=registry),
        ):
            task(id="a")(noop)
            task(id="b")(noop)
            task(id="c", dependencies=[noop])(print)

    def test_a_rule_about_a_task_out_of_reach_is_refused(self, registry: Registry) -> None:
        with (
            pytest.raises(
                ValueError, match=r"^Workflow validation failed: .*invalid trigger rule: .*'.*::a'"
            ),
            WorkflowBuilder("w", registry=registry),
        ):
            task(id="a")(noop)
            task(id="b", trigger_rules=task_success("a"))(print)

    def test_a_function_in_a_rule_is_found_as_in_dependencies(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            rule = any_of(task_failed(noop), all_of(task_success(noop)))
            task(id="b", dependencies=[noop], trigger_rules=rule)(print)
            task(id="a")(noop)
        assert builder.workflow.task("b").rule == parse_rule(
            any_of(task_failed("a"), all_of(task_success("a")))
        )

    def test_a_function_in_a_rule_that_is_no_task_is_named(self, registry: Registry) -> None:
        told = "'public::embedded::w::b' names '.*::noop', which is no task of the workflow$"
        with (
            pytest.raises(ValueError, match=told),
            WorkflowBuilder("w", registry=registry),
        ):
            task(id="b", trigger_rules=task_success(noop))(print)

    def test_an_id_that_is_taken_is_refused_where_it_is_used(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(id="a")(noop)
            with pytest.raises(ValueError, match="Duplicate task"):
                task(id="a")(print)
        assert builder.workflow.task("a").function is noop

    def test_a_function_that_is_defined_later_can_be_a_dependency(self, registry: Registry) -> None:
        with WorkflowBuilder("w", registry=registry) as builder:
            task(id="a", dependencies=[noop])(print)
            task(id="b")(noop)
        assert builder.workflow.task("a").dependencies == ("b",)
