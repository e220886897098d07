"""Which workflows there are, found by short name, alias or full namespace, and which triggers.

One default registry serves a program; a registry of one's own keeps tests and tenants apart.
It holds definitions only: what ran, and where, is in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.workflow import Workflow
from cloaca_core.errors import (
    AmbiguousWorkflowError,
    ConfigError,
    DefinitionError,
    DefinitionTypeError,
    WorkflowNotFoundError,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.values.arguments import text, wrong_type
from cloaca_core.values.namespace import SEPARATOR, check_name, short_name
from cloaca_core.values.nearest import nearest_name

if TYPE_CHECKING:
    from cloaca_core.definition.triggers.definition import Trigger

REMEMBERED: Final = 1000
"""How many ids of tasks that a workflow does not have any more are kept, for error messages."""

_log = SafeLogger("cloaca.registry")


class Registry:
    """Workflows by their full namespace, triggers by name. Every method may be called from any
    thread, and from a signal handler whatever that interrupted.
    """

    def __init__(self) -> None:
        # Read without the lock: a signal handler may wait for another thread that reads, while the
        # change that it interrupted goes on only after it.
        self._known = _Known()
        self._changing = threading.RLock()
        # Each use of it is one operation that no other thread sees half done.
        self._callbacks: dict[object, Callable[[], object]] = {}

    # -- change ----------------------------------------------------------------------------------

    def register(self, workflow: Workflow) -> None:
        """Add a workflow; one that has the same namespace gives way to it."""
        if not isinstance(workflow, Workflow):
            raise wrong_type("workflow", "a Workflow", workflow)
        self._change(lambda known: known.with_workflow(workflow))

    def register_constructor(self, name: str, constructor: Callable[[], Workflow]) -> None:
        """Call ``constructor`` and register what it returns, under ``name`` as well.

        ``name`` becomes an alias; one that means another workflow already is refused. The
        constructor may be called again later.
        """
        check_name(name, "register_workflow_constructor(name=...)")
        workflow = _construct(constructor)
        self._change(lambda known: known.with_alias(name, workflow))

    def register_trigger(self, trigger: Trigger) -> None:
        """Add a trigger; one that has the same name gives way to it."""
        # Here: most programs have none.
        from cloaca_core.definition.triggers.definition import Trigger

        if not isinstance(trigger, Trigger):
            raise wrong_type("trigger", "a Trigger", trigger)
        self._change(lambda known: known.with_trigger(trigger))

    def clear(self) -> None:
        """Forget every workflow, alias and trigger. Runs in flight keep their definitions."""
        self._change(lambda _: _Known())

    def _change(self, changed: Callable[[_Known], _Known]) -> None:
        with self._changing:
            while True:
                before = self._known
                after = changed(before)
                if self._known is before:  # no signal handler made a change in between
                    self._known = after
                    break
        self._announce()

    def on_change(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call ``callback`` after each change until the returned function is called.

        It is called in the thread that made the change and must not block it.
        """
        key = object()
        self._callbacks[key] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(key, None)

        return unsubscribe

    def _announce(self) -> None:
        for callback in list(self._callbacks.values()):
            try:
                callback()
            except Exception:  # noqa: BLE001 - the change has happened, its maker is not to blame
                _log.exception("a listener to changes of the registry failed")

    # -- look-up ---------------------------------------------------------------------------------

    def find(self, name: str) -> Workflow:
        """The one workflow of this short name or alias, or of this full namespace.

        ``WorkflowNotFoundError`` when there is none, ``AmbiguousWorkflowError`` with the
        candidates when there are several.
        """
        return self._known.find(text("workflow_name", name))

    def full_name(self, name: str) -> str:
        """The full namespace that a name means; the workflow need not be registered here.

        ``ConfigError`` or ``DefinitionError`` for what can be no name, else as ``find``.
        """
        try:
            return self.find(name).namespace
        except WorkflowNotFoundError:
            return _full_name(name)

    def get(self, namespace: str) -> Workflow | None:
        """The workflow of exactly this full namespace, or None."""
        return self._known.workflows.get(namespace)

    def had_task(self, namespace: str, task_id: str) -> bool:
        """Whether the workflow of this full namespace has this task, or one that it replaced had.

        The ids of the last thousand tasks of replaced workflows are remembered.
        """
        known = self._known
        workflow = known.workflows.get(namespace)
        current = () if workflow is None else (task.id for task in workflow.tasks)
        return task_id in (*current, *known.earlier.get(namespace, ()))

    def namespaces(self) -> list[str]:
        """The full namespaces of all workflows, first registered first."""
        return list(self._known.workflows)

    def workflows(self) -> list[Workflow]:
        """All workflows, first registered first."""
        return list(self._known.workflows.values())

    def triggers(self) -> list[Trigger]:
        """All triggers, first registered first."""
        return list(self._known.triggers.values())


def _full_name(workflow_name: str) -> str:
    """The namespace that a name of no workflow here stands for, if it can be one at all."""
    parts = workflow_name.split(SEPARATOR)
    if len(parts) not in (1, 3):
        raise ConfigError(
            "workflow_name must be a workflow's name or tenant::package::workflow, "
            f"got {workflow_name!r:.100}",
            field="workflow_name",
        )
    for part in parts:
        check_name(part, "workflow_name")
    return SEPARATOR.join(["public", "embedded", *parts][-3:])


@dataclass(frozen=True, slots=True)
class _Known:
    """What is registered at one moment. A change makes another one and leaves this as it is."""

    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The namespaces that a short name means, in order."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    earlier: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The ids of the tasks that the replaced workflows of a namespace had, latest first."""

    def with_workflow(self, workflow: Workflow) -> _Known:
        namespace = workflow.namespace
        replaced = self.workflows.get(namespace)
        before = self if replaced is None else self._giving_way(namespace, replaced)
        named = dict(before.named)
        for name in _short_names(workflow):
            named[name] = (*named.get(name, ()), namespace)
        return replace(before, workflows={**self.workflows, namespace: workflow}, named=named)

    def _giving_way(self, namespace: str, replaced: Workflow) -> _Known:
        """Without the names of a workflow in whose place another one is put, but with its tasks."""
        named = dict(self.named)
        for name in _short_names(replaced):
            named[name] = tuple(each for each in named[name] if each != namespace)
            if not named[name]:
                del named[name]
        ids = (*(task.id for task in replaced.tasks), *self.earlier.get(namespace, ()))
        latest = tuple(islice(dict.fromkeys(ids), REMEMBERED))
        return replace(self, named=named, earlier={**self.earlier, namespace: latest})

    def with_alias(self, alias: str, workflow: Workflow) -> _Known:
        namespace = workflow.namespace
        others = [found for found in self.candidates(alias) if found != namespace]
        if others:
            raise DefinitionError(
                f"register_workflow_constructor: '{alias}' cannot also name {namespace}, "
                f"it is the name of {', '.join(others)}"
            )
        return replace(self.with_workflow(workflow), aliases={**self.aliases, alias: namespace})

    def with_trigger(self, trigger: Trigger) -> _Known:
        return replace(self, triggers={**self.triggers, trigger.name: trigger})

    def find(self, name: str) -> Workflow:
        match self.candidates(name):
            case [namespace]:
                return self.workflows[namespace]
            case []:
                raise WorkflowNotFoundError(self._not_found(name), name=name)
            case candidates:
                raise _ambiguous(name, tuple(candidates))

    def candidates(self, name: str) -> list[str]:
        """The namespaces that a short name, an alias or a namespace may mean."""
        if SEPARATOR in name:
            return [name] if name in self.workflows else []
        aliased = [self.aliases[name]] if name in self.aliases else []
        return list(dict.fromkeys((*self.named.get(name, ()), *aliased)))

    def _not_found(self, name: str) -> str:
        known = [*self.workflows, *self.named, *self.aliases]
        near = nearest_name(name, dict.fromkeys(known))
        hint = f" (did you mean {near!r}?)" if near else ""
        if not known:
            hint = "; none is defined here yet: import the modules that define them"
        return f"Workflow not found in registry: {name}{hint}"


def _short_names(workflow: Workflow) -> set[str]:
    """The id in the namespace, and the builder's name, which differs when both were given."""
    return {short_name(workflow.namespace), workflow.name}


def _ambiguous(name: str, candidates: tuple[str, ...]) -> AmbiguousWorkflowError:
    return AmbiguousWorkflowError(
        f"Workflow name {name!r} is ambiguous: it may be {' or '.join(candidates)}; "
        "use the full tenant::package::workflow",
        name=name,
        candidates=candidates,
    )


def _construct(constructor: Callable[[], Workflow]) -> Workflow:
    if not callable(constructor):
        raise wrong_type("constructor", "callable", constructor)
    try:
        workflow = constructor()
    except Exception as error:
        raise DefinitionError(
            f"Failed to call workflow constructor: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(workflow, Workflow):
        raise DefinitionTypeError(
            f"Failed to call workflow constructor: it returned {type(workflow).__name__}, "
            "expected the Workflow that build() returns"
        )
    return workflow


# -- the default registry ------------------------------------------------------------------------

_DEFAULT = Registry()


def default_registry() -> Registry:
    """The registry of builders and runners that are given no other."""
    return _DEFAULT


def register_workflow_constructor(name: str, constructor: Callable[[], Workflow]) -> None:
    """Call ``constructor`` and register its workflow in the default registry, as ``name`` too."""
    _DEFAULT.register_constructor(name, constructor)


def list_workflows() -> list[Workflow]:
    """The workflows of the default registry, first registered first."""
    return _DEFAULT.workflows()


def get_workflow(name: str) -> Workflow:
    """The workflow of the default registry that ``name`` means, as ``Registry.find`` says."""
    return _DEFAULT.find(name)
