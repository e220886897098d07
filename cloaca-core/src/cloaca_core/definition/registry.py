"""Registry of workflows, found by short name, alias or full namespace, of triggers and of limits.

One default registry serves a program; separate registries keep tests and tenants apart. A
registry holds definitions only: runs are in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.errors import (
    AmbiguousWorkflowError,
    ConfigError,
    DefinitionError,
    DefinitionTypeError,
    WorkflowNotFoundError,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.values.arguments import nearest_name, wrong_type
from cloaca_core.values.namespace import SEPARATOR, check_name, short_name

if TYPE_CHECKING:
    from cloaca_core.definition.limits.limit import Limit
    from cloaca_core.definition.triggers.definition import Trigger
    from cloaca_core.definition.workflow import Workflow

REMEMBERED: Final = 1000
"""Number of removed tasks of a workflow whose ids are kept, for error messages."""

_log = SafeLogger("cloaca.registry")


class Unregistered(NamedTuple):
    """A name under which no workflow is registered in this program; perhaps a runner has recorded
    one. ``refusal`` is the beginning of the error if there is none.
    """

    name: str
    refusal: str

    @property
    def input(self) -> None:
        """Its record is not found yet, which may have the schema of its input."""


class Registry:
    """Workflows by their full namespace, triggers and limits by name. Every method may be called
    from any thread and from a signal handler, also one that interrupts another call of this object.
    """

    def __init__(self) -> None:
        # Read without the lock: a signal handler that interrupted a change may wait for another
        # thread's read, and the change continues only after the handler.
        self._known = _Known()
        self._changing = threading.RLock()
        # Each use is one atomic operation.
        self._callbacks: dict[object, Callable[[], object]] = {}

    # -- change ----------------------------------------------------------------------------------

    def register(self, workflow: Workflow) -> None:
        """Add a workflow, and the limits that it defines; it replaces one of the same namespace.
        Refuses a limit that is defined in another way.
        """
        if not _is_workflow(workflow):
            raise wrong_type("workflow", "a Workflow", workflow)
        self._change(lambda known: known.with_workflow(workflow))
        _warn_of(workflow)

    def register_constructor(self, name: str, constructor: Callable[[], Workflow]) -> None:
        """Call ``constructor`` and register what it returns, under ``name`` as well.

        ``name`` becomes an alias; a name of another workflow is refused. The constructor may be
        called again later.
        """
        check_name(name, "register_workflow_constructor(name=...)")
        workflow = _construct(constructor)
        self._change(lambda known: known.with_alias(name, workflow))
        _warn_of(workflow)

    def register_trigger(self, trigger: Trigger) -> None:
        """Add a trigger; it replaces one of the same name."""
        # Imported here: most programs have no trigger.
        from cloaca_core.definition.triggers.definition import Trigger

        if not isinstance(trigger, Trigger):
            raise wrong_type("trigger", "a Trigger", trigger)
        self._change(lambda known: known.with_trigger(trigger))

    def register_limit(self, limit: Limit) -> None:
        """Add a limit, so that tasks and workflows may use it by its name. Refuses a limit that is
        defined in another way.
        """
        from cloaca_core.definition.limits.limit import Limit  # few programs have limits

        if not isinstance(limit, Limit):
            raise wrong_type("limit", "a Limit", limit)
        self._change(lambda known: known.with_limit(limit))

    def clear(self) -> None:
        """Forget every workflow, alias, trigger and limit. Runs keep their definitions."""
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

        It is called in the thread that made the change and must not block.
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
            except Exception:  # noqa: BLE001 - a listener's fault must not fail the change
                _log.exception("a listener to changes of the registry failed")

    # -- look-up ---------------------------------------------------------------------------------

    def find(self, name: str) -> Workflow:
        """Return the one workflow of this short name, alias or full namespace.

        ``WorkflowNotFoundError`` when there is none, ``AmbiguousWorkflowError`` with the
        candidates when there are several.
        """
        if not isinstance(name, str):
            raise wrong_type("workflow_name", "a str", name)
        return self._known.find(name)

    def full_name(self, name: str) -> str:
        """Return the full namespace of a name; the workflow need not be registered here.

        ``ConfigError`` or ``DefinitionError`` for an impossible name, else errors as ``find``.
        """
        try:
            return self.find(name).namespace
        except WorkflowNotFoundError:
            return _full_name(name)

    def get(self, namespace: str) -> Workflow | None:
        """The workflow of exactly this full namespace, or None."""
        return self._known.workflows.get(namespace)

    def has_name(self, name: str) -> bool:
        """Whether a workflow, or several, can be found by this name."""
        return bool(self._known.candidates(name))

    def had_task(self, namespace: str, task_id: str) -> bool:
        """Whether this workflow, or a workflow that it replaced, has or had this task. The ids of
        the last thousand tasks of replaced workflows are remembered.
        """
        known = self._known
        workflow = known.workflows.get(namespace)
        current = () if workflow is None else (task.id for task in workflow.tasks)
        return task_id in (*current, *known.earlier.get(namespace, ()))

    def namespaces(self) -> list[str]:
        """The full namespaces of all workflows, first registered first."""
        return list(self._known.workflows)

    def names(self) -> list[str]:
        """All names by which a workflow can be found."""
        return self._known.names()

    def workflows(self) -> list[Workflow]:
        """All workflows, first registered first."""
        return list(self._known.workflows.values())

    def triggers(self) -> list[Trigger]:
        """All triggers, first registered first."""
        return list(self._known.triggers.values())

    def limits(self) -> list[Limit]:
        """All limits: those that were registered by themselves, then those of workflows."""
        known = self._known
        found = dict(known.limits)
        for workflow in known.workflows.values():
            found.update(workflow.defined_limits)
        return list(found.values())


def _full_name(workflow_name: str) -> str:
    """The full namespace of a workflow that is not registered here; raises for no valid name."""
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
    """The registered definitions at one moment. A change makes a new object."""

    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The namespaces of each short name, in order."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """The limits that were registered by themselves."""
    earlier: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The ids of the tasks that the replaced workflows of a namespace had, latest first."""

    def with_workflow(self, workflow: Workflow) -> _Known:
        namespace = workflow.namespace
        self._check_limits(f"workflow {namespace}", workflow.defined_limits, but=namespace)
        replaced = self.workflows.get(namespace)
        before = self if replaced is None else self._giving_way(namespace, replaced)
        named = dict(before.named)
        for name in _short_names(workflow):
            named[name] = (*named.get(name, ()), namespace)
        return replace(before, workflows={**self.workflows, namespace: workflow}, named=named)

    def _giving_way(self, namespace: str, replaced: Workflow) -> _Known:
        """Remove the names of a replaced workflow, but remember its tasks."""
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

    def with_limit(self, limit: Limit) -> _Known:
        self._check_limits("register_limit", {limit.name: limit})
        return replace(self, limits={**self.limits, limit.name: limit})

    def _check_limits(self, owner: str, limits: Mapping[str, Limit], but: str = "") -> None:
        """Refuse limits that are defined in another way, but for those of the workflow ``but``."""
        if not limits:
            return
        from cloaca_core.definition.limits.known import check_alike  # few programs have limits

        of_workflows = [
            (f"workflow {name}", workflow.defined_limits)
            for name, workflow in self.workflows.items()
            if name != but
        ]
        check_alike(owner, limits, [("register_limit", self.limits), *of_workflows])

    def find(self, name: str) -> Workflow:
        match self.candidates(name):
            case [namespace]:
                return self.workflows[namespace]
            case []:
                raise WorkflowNotFoundError(self._not_found(name), name=name)
            case candidates:
                raise ambiguous(name, tuple(candidates))

    def candidates(self, name: str) -> list[str]:
        """The namespaces that match a short name, an alias or a namespace."""
        if SEPARATOR in name:
            return [name] if name in self.workflows else []
        aliased = [self.aliases[name]] if name in self.aliases else []
        return list(dict.fromkeys((*self.named.get(name, ()), *aliased)))

    def names(self) -> list[str]:
        """All names by which a workflow can be found."""
        return [*self.workflows, *self.named, *self.aliases]

    def _not_found(self, name: str) -> str:
        known = self.names()
        near = nearest_name(name, dict.fromkeys(known))
        hint = f" (did you mean {near!r}?)" if near else ""
        if not known:
            hint = "; none is defined here yet: import the modules that define them"
        return f"Workflow not found in registry: {name}{hint}"


def _short_names(workflow: Workflow) -> set[str]:
    """The id in the namespace, and the builder's name, which differs when both were given."""
    return {short_name(workflow.namespace), workflow.name}


def ambiguous(name: str, candidates: tuple[str, ...]) -> AmbiguousWorkflowError:
    """Make the error for a name of several workflows; the caller raises it."""
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
    if not _is_workflow(workflow):
        raise DefinitionTypeError(
            f"Failed to call workflow constructor: it returned {type(workflow).__name__}, "
            "expected the Workflow that build() returns"
        )
    return workflow


def _warn_of(workflow: Workflow) -> None:
    for told in workflow.warnings():
        _log.warning("workflow %s: %s", workflow.namespace, told)


def _is_workflow(value: object) -> bool:
    from cloaca_core.definition.workflow import Workflow  # programs that only look have none

    return isinstance(value, Workflow)


# -- the default registry ------------------------------------------------------------------------

_DEFAULT = Registry()


def default_registry() -> Registry:
    """Return the registry that builders and runners use by default."""
    return _DEFAULT


def register_workflow_constructor(name: str, constructor: Callable[[], Workflow]) -> None:
    """Call ``constructor`` and register its workflow in the default registry, as ``name`` too."""
    _DEFAULT.register_constructor(name, constructor)


def register_limit(limit: Limit) -> None:
    """Add a limit to the default registry; see ``Registry.register_limit``."""
    _DEFAULT.register_limit(limit)


def list_workflows() -> list[Workflow]:
    """The workflows of the default registry, first registered first."""
    return _DEFAULT.workflows()


def get_workflow(name: str) -> Workflow:
    """Return the workflow ``name`` of the default registry; see ``Registry.find``."""
    return _DEFAULT.find(name)
