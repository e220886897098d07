"""The registry: how a workflow is found, what is ambiguous, who hears of a change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import (
    Registry,
    default_registry,
    get_workflow,
    list_workflows,
    register_workflow_constructor,
)
from cloaca_core.definition.task import task
from cloaca_core.definition.trigger import trigger
from cloaca_core.definition.workflow import Workflow
from cloaca_core.errors import (
    AmbiguousWorkflowError,
    CloacaError,
    DefinitionError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def default() -> Iterator[Registry]:
    default_registry().clear()
    yield default_registry()
    default_registry().clear()


def noop(context: object) -> None:
    """A task's function."""


def new_workflow(
    name: str,
    tenant: str = "public",
    workflow: str | None = None,
    tasks: Sequence[str] = ("noop",),
) -> Workflow:
    with WorkflowBuilder(name, tenant=tenant, workflow=workflow, registry=Registry()) as builder:
        for task_id in tasks:
            task(id=task_id)(noop)
    return builder.workflow


class TestFinding:
    def test_a_workflow_is_found_by_its_short_and_by_its_full_name(
        self, registry: Registry
    ) -> None:
        made = new_workflow("w")
        registry.register(made)
        assert registry.find("w") is registry.find("public::embedded::w") is made

    def test_it_is_found_by_the_name_of_its_builder_and_by_its_id(self, registry: Registry) -> None:
        made = new_workflow("Daily sums", workflow="sums")
        registry.register(made)
        assert registry.find("Daily sums") is registry.find("sums") is made

    def test_an_unknown_name_is_refused(self, registry: Registry) -> None:
        for kind in (ValueError, KeyError, WorkflowExecutionError, CloacaError):
            with pytest.raises(kind, match=r"^Workflow not found in registry: nothing; none is"):
                registry.find("nothing")
        with pytest.raises(WorkflowNotFoundError) as caught:
            registry.find("t::p::nothing")
        assert caught.value.name == "t::p::nothing"

    def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
        self, registry: Registry
    ) -> None:
        registry.register(new_workflow("daily_sums"))
        with pytest.raises(
            ValueError, match=r"registry: dayly_sums \(did you mean 'daily_sums'\?\)"
        ):
            registry.find("dayly_sums")

    def test_a_short_name_of_several_is_refused_with_the_candidates(
        self, registry: Registry
    ) -> None:
        for tenant in ("b", "a"):
            registry.register(new_workflow("w", tenant))
        with pytest.raises(ValueError, match="ambiguous") as caught:
            registry.find("w")
        assert isinstance(caught.value, AmbiguousWorkflowError)
        assert caught.value.name == "w"
        assert caught.value.candidates == ("b::embedded::w", "a::embedded::w")
        assert all(candidate in str(caught.value) for candidate in caught.value.candidates)

    def test_the_full_name_is_never_ambiguous(self, registry: Registry) -> None:
        one, other = new_workflow("w", "a"), new_workflow("w", "b")
        registry.register(one)
        registry.register(other)
        assert registry.find("a::embedded::w") is one
        assert registry.find("b::embedded::w") is other

    def test_a_name_of_another_type_is_a_type_error(self, registry: Registry) -> None:
        with pytest.raises(TypeError, match="workflow_name must be a str, got int"):
            registry.find(3)  # type: ignore[arg-type] # the point of the test

    def test_get_takes_exactly_the_full_name(self, registry: Registry) -> None:
        made = new_workflow("w")
        registry.register(made)
        assert registry.get("public::embedded::w") is made
        assert registry.get("w") is None

    @each_row(
        ("name", "namespace"),
        [
            ("w", "a::embedded::w"),
            ("a::embedded::w", "a::embedded::w"),
            # Registered in another program only.
            ("other", "public::embedded::other"),
            ("t::p::other", "t::p::other"),
        ],
    )
    def test_every_name_has_a_full_one(self, registry: Registry, name: str, namespace: str) -> None:
        registry.register(new_workflow("w", "a"))
        assert registry.full_name(name) == namespace

    @each_row("name", ["", "a::b", "a::b::c::d", "a\0", "x" * 770])
    def test_what_no_workflow_can_be_called_has_no_full_name(
        self, registry: Registry, name: str
    ) -> None:
        with pytest.raises(ValueError, match=r"^workflow_name "):
            registry.full_name(name)

    def test_namespaces_come_in_the_order_of_registration(self, registry: Registry) -> None:
        for name in ("b", "a", "b"):
            registry.register(new_workflow(name))
        assert registry.namespaces() == ["public::embedded::b", "public::embedded::a"]


class TestRegistering:
    def test_the_same_namespace_again_takes_the_place_of_the_first(
        self, registry: Registry
    ) -> None:
        one, other = new_workflow("w"), new_workflow("w")
        registry.register(one)
        registry.register(other)
        assert registry.find("w") is other

    def test_a_name_that_the_new_definition_dropped_finds_nothing(self, registry: Registry) -> None:
        registry.register(new_workflow("old", workflow="w"))
        registry.register(new_workflow("new", workflow="w"))
        assert registry.find("new") is registry.find("w")
        with pytest.raises(WorkflowNotFoundError, match=r"^Workflow not found in registry: old$"):
            registry.find("old")

    def test_a_name_that_was_dropped_is_no_answer_to_another(self, registry: Registry) -> None:
        for name in ("daily sum", "nightly"):
            registry.register(new_workflow(name, workflow="w"))
        with pytest.raises(WorkflowNotFoundError, match=r"registry: daily sums$"):
            registry.find("daily sums")

    def test_the_tasks_of_replaced_workflows_are_remembered(self, registry: Registry) -> None:
        for ids in (["a", "b"], ["c"], ["d"]):
            registry.register(new_workflow("w", tasks=ids))
        namespace = "public::embedded::w"
        had = [task_id for task_id in "abcde" if registry.had_task(namespace, task_id)]
        assert had == ["a", "b", "c", "d"]
        assert not registry.had_task("public::embedded::v", "a")
        registry.clear()
        assert not registry.had_task(namespace, "a")

    def test_the_oldest_of_very_many_are_not(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cloaca_core.definition.registry.REMEMBERED", 3)
        for ids in (["a", "b"], ["b", "c"], ["d"], ["e"]):
            registry.register(new_workflow("w", tasks=ids))
        had = [one for one in "abcde" if registry.had_task("public::embedded::w", one)]
        assert had == ["b", "c", "d", "e"]

    def test_what_is_no_workflow_is_a_type_error(self, registry: Registry) -> None:
        with pytest.raises(TypeError, match="workflow must be a Workflow, got str"):
            registry.register("w")  # type: ignore[arg-type] # the point of the test

    def test_what_is_no_trigger_is_a_type_error(self, registry: Registry) -> None:
        with pytest.raises(TypeError, match="trigger must be a Trigger, got str"):
            registry.register_trigger("t")  # type: ignore[arg-type] # the point of the test

    def test_clear_forgets_all(self, registry: Registry) -> None:
        registry.register_constructor("alias", lambda: new_workflow("w"))
        registry.clear()
        assert registry.namespaces() == []
        for name in ("w", "alias"):
            with pytest.raises(WorkflowNotFoundError):
                registry.find(name)

    def test_threads_lose_nothing(self, registry: Registry) -> None:
        made = [new_workflow(f"w{number}") for number in range(40)]
        start = threading.Barrier(4)

        def register(mine: list[Workflow]) -> None:
            start.wait(timeout=60)
            for workflow in mine:
                registry.register(workflow)
                assert registry.find(workflow.name) is workflow

        threads = [threading.Thread(target=register, args=(made[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(registry.namespaces()) == sorted(workflow.namespace for workflow in made)


class TestChanges:
    def test_every_change_is_announced_after_it_happened(self, registry: Registry) -> None:
        seen: list[list[str]] = []
        registry.on_change(lambda: seen.append(registry.namespaces()))
        registry.register(new_workflow("a"))
        registry.register_constructor("alias", lambda: new_workflow("b"))
        registry.clear()
        a, b = "public::embedded::a", "public::embedded::b"
        assert seen == [[a], [a, b], []]

    def test_nobody_is_called_after_the_end_of_his_subscription(self, registry: Registry) -> None:
        seen: list[str] = []
        unsubscribe = registry.on_change(lambda: seen.append("one"))
        registry.on_change(lambda: seen.append("other"))
        unsubscribe()
        unsubscribe()
        registry.register(new_workflow("a"))
        assert seen == ["other"]

    def test_one_callback_may_be_subscribed_twice(self, registry: Registry) -> None:
        seen: list[str] = []

        def callback() -> None:
            seen.append("called")

        unsubscribe = registry.on_change(callback)
        registry.on_change(callback)
        registry.clear()
        unsubscribe()
        registry.clear()
        assert len(seen) == 3

    def test_a_callback_that_fails_is_logged_and_hinders_nobody(
        self, registry: Registry, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail() -> None:
            raise RuntimeError("no")

        seen: list[str] = []
        registry.on_change(fail)
        registry.on_change(lambda: seen.append("called"))
        with caplog.at_level(logging.ERROR, "cloaca.registry"):
            registry.register(new_workflow("a"))
        assert seen == ["called"]
        assert registry.namespaces() == ["public::embedded::a"]
        assert [record.name for record in caplog.records] == ["cloaca.registry"]


class TestConstructors:
    def test_it_is_called_at_once_and_its_workflow_registered_under_both_names(
        self, registry: Registry
    ) -> None:
        registry.register_constructor("alias", lambda: new_workflow("w"))
        assert registry.find("alias") is registry.find("w")
        assert registry.namespaces() == ["public::embedded::w"]

    def test_a_block_in_it_registers_and_the_result_takes_its_place(
        self, default: Registry
    ) -> None:
        def make() -> Workflow:
            with WorkflowBuilder("w") as builder:
                task(noop)
                return builder.build()

        register_workflow_constructor("w", make)
        register_workflow_constructor("alias", make)
        assert default.find("w") is default.find("alias")
        assert default.namespaces() == ["public::embedded::w"]

    def test_an_alias_that_is_another_workflows_name_is_refused(self, registry: Registry) -> None:
        registry.register(new_workflow("taken"))
        with pytest.raises(
            ValueError, match="'taken' cannot also name public::embedded::w, it is the name of"
        ):
            registry.register_constructor("taken", lambda: new_workflow("w"))
        assert registry.namespaces() == ["public::embedded::taken"]

    def test_an_alias_of_another_workflow_is_refused(self, registry: Registry) -> None:
        registry.register_constructor("alias", lambda: new_workflow("a"))
        with pytest.raises(DefinitionError, match="it is the name of public::embedded::a"):
            registry.register_constructor("alias", lambda: new_workflow("b"))

    def test_an_alias_follows_its_workflow_when_that_is_defined_anew(
        self, registry: Registry
    ) -> None:
        registry.register_constructor("alias", lambda: new_workflow("w"))
        anew = new_workflow("w")
        registry.register(anew)
        assert registry.find("alias") is anew

    def test_a_workflow_named_like_an_alias_makes_the_name_ambiguous(
        self, registry: Registry
    ) -> None:
        registry.register_constructor("alias", lambda: new_workflow("w"))
        registry.register(new_workflow("alias"))
        with pytest.raises(AmbiguousWorkflowError):
            registry.find("alias")

    def test_its_error_is_wrapped(self, registry: Registry) -> None:
        def fail() -> Workflow:
            raise KeyError("x")

        with pytest.raises(
            ValueError, match=r"^Failed to call workflow constructor: KeyError: 'x'$"
        ) as caught:
            registry.register_constructor("alias", fail)
        assert isinstance(caught.value.__cause__, KeyError)

    @pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
    def test_an_interruption_passes_through(
        self, registry: Registry, signal: type[BaseException]
    ) -> None:
        def interrupted() -> Workflow:
            raise signal

        with pytest.raises(signal):
            registry.register_constructor("alias", interrupted)

    @each_row("result", [None, 3, WorkflowBuilder("w", registry=Registry())])
    def test_another_result_than_a_workflow_is_refused(
        self, registry: Registry, result: object
    ) -> None:
        constructor: Callable[[], Workflow] = lambda: result  # type: ignore[assignment,return-value] # noqa: E731
        with pytest.raises(ValueError, match=r"^Failed to call workflow constructor: it returned"):
            registry.register_constructor("alias", constructor)

    def test_what_cannot_be_called_is_a_type_error(self, registry: Registry) -> None:
        with pytest.raises(TypeError, match="constructor must be callable, got Workflow"):
            registry.register_constructor("alias", new_workflow("w"))  # type: ignore[arg-type] # as said

    @each_row("name", ["", "a::b"])
    def test_what_is_no_name_is_refused_before_the_call(
        self, registry: Registry, name: str
    ) -> None:
        with pytest.raises(ValueError, match=r"register_workflow_constructor\(name=\.\.\.\)"):
            registry.register_constructor(name, pytest.fail)


class TestDefaultRegistry:
    def test_there_is_one(self) -> None:
        assert default_registry() is default_registry()

    def test_its_workflows_are_listed_and_found(self, default: Registry) -> None:
        made = [new_workflow(name) for name in ("b", "a")]
        for workflow in made:
            default.register(workflow)
        assert list_workflows() == made
        assert get_workflow("a") is made[1]
        with pytest.raises(WorkflowNotFoundError, match="Workflow not found in registry: x"):
            get_workflow("x")


class Meddling(Workflow):
    """Does something once, in the middle of being registered."""

    meddle: Callable[[], object] | None = None

    @property
    def namespace(self) -> str:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().namespace


def meddling(name: str, meddle: Callable[[], object]) -> Workflow:
    plain = new_workflow(name)
    made = Meddling(namespace=plain.namespace, name=name, tasks=plain.tasks)
    made.meddle = meddle
    return made


class TestInterruptions:
    """A signal handler may close a runner, whose own threads use the registry as well."""

    def test_another_thread_reads_and_unsubscribes_in_the_middle_of_a_change(
        self, registry: Registry
    ) -> None:
        registry.register(new_workflow("a"))
        namespace = "public::embedded::a"
        unsubscribe = registry.on_change(lambda: None)
        seen: list[object] = []

        def use() -> None:
            found = [registry.find("a"), registry.get(namespace), *registry.workflows()]
            seen.extend(workflow.namespace for workflow in found if workflow is not None)
            seen.extend((registry.namespaces(), registry.triggers()))
            unsubscribe()
            registry.on_change(lambda: None)()
            seen.append("unsubscribed")

        def interrupt() -> None:
            thread = threading.Thread(target=use, daemon=True)
            thread.start()
            thread.join(timeout=60)

        registry.register(meddling("b", interrupt))
        assert seen == [*[namespace] * 3, [namespace], [], "unsubscribed"]
        assert registry.namespaces() == [namespace, "public::embedded::b"]

    def test_a_change_in_the_middle_of_another_is_not_lost(self, registry: Registry) -> None:
        meanwhile = new_workflow("meanwhile")
        registry.register(meddling("b", lambda: registry.register(meanwhile)))
        assert registry.find("meanwhile") is meanwhile
        assert registry.namespaces() == ["public::embedded::meanwhile", "public::embedded::b"]


# -- triggers ------------------------------------------------------------------------------------


def test_a_trigger_that_is_defined_anew_replaces_the_earlier_one() -> None:
    registry = Registry()
    heard: list[str] = []
    registry.on_change(lambda: heard.append("changed"))

    for on in ("a", "b"):
        trigger(name="t", on=on, registry=registry)(bool)
    trigger(name="u", registry=registry)(bool)

    assert [(each.name, each.workflow) for each in registry.triggers()] == [("t", "b"), ("u", None)]
    assert heard == ["changed"] * 3


def test_clear_forgets_triggers() -> None:
    registry = Registry()
    trigger(name="t", registry=registry)(bool)

    registry.clear()

    assert registry.triggers() == []
