"""Which workflows there are, found by short name, alias or full namespace, and which triggers.

One default registry serves a program; a registry of one's own keeps tests and tenants apart.
It holds definitions only: what ran, and where, is in the database.
"""

from __future__ import annotations

import difflib
import logging
import threading
from collections.abc import Callable

from cloaca_core.arguments import text, wrong_type
from cloaca_core.errors import (
    AmbiguousWorkflowError,
    DefinitionError,
    DefinitionTypeError,
    WorkflowNotFoundError,
)
from cloaca_core.namespace import SEPARATOR, check_name
from cloaca_core.triggers.definition import Trigger
from cloaca_core.workflow import Workflow

_log = logging.getLogger("cloaca.registry")


class Registry:
    """Workflows by their full namespace, triggers by name. Every method may be called from any
    thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workflows: dict[str, Workflow] = {}
        self._named: dict[str, dict[str, None]] = {}  # short name -> namespaces, in order
        self._aliases: dict[str, str] = {}
        self._triggers: dict[str, Trigger] = {}
        self._callbacks: dict[object, Callable[[], object]] = {}

    # -- change ----------------------------------------------------------------------------------

    def register(self, workflow: Workflow) -> None:
        """Add a workflow; one that has the same namespace gives way to it."""
        if not isinstance(workflow, Workflow):
            raise wrong_type("workflow", "a Workflow", workflow)
        with self._lock:
            self._put(workflow)
        self._announce()

    def register_constructor(self, name: str, constructor: Callable[[], Workflow]) -> None:
        """Call ``constructor`` and register what it returns, under ``name`` as well.

        ``name`` becomes an alias; one that means another workflow already is refused. The
        constructor may be called again later.
        """
        check_name(name, "register_workflow_constructor(name=...)")
        workflow = _construct(constructor)
        with self._lock:
            self._refuse_clash(name, workflow.namespace)
            self._put(workflow)
            self._aliases[name] = workflow.namespace
        self._announce()

    def register_trigger(self, trigger: Trigger) -> None:
        """Add a trigger; one that has the same name gives way to it."""
        if not isinstance(trigger, Trigger):
            raise wrong_type("trigger", "a Trigger", trigger)
        with self._lock:
            self._triggers[trigger.name] = trigger
        self._announce()

    def clear(self) -> None:
        """Forget every workflow, alias and trigger. Runs in flight keep their definitions."""
        with self._lock:
            self._triggers.clear()
            self._workflows.clear()
            self._named.clear()
            self._aliases.clear()
        self._announce()

    def on_change(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call ``callback`` after each change until the returned function is called.

        It is called in the thread that made the change and must not block it.
        """
        key = object()
        with self._lock:
            self._callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return unsubscribe

    def _announce(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
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
        text("workflow_name", name)
        with self._lock:
            match self._candidates(name):
                case [namespace]:
                    return self._workflows[namespace]
                case []:
                    raise WorkflowNotFoundError(self._not_found(name), name=name)
                case candidates:
                    raise _ambiguous(name, tuple(candidates))

    def get(self, namespace: str) -> Workflow | None:
        """The workflow of exactly this full namespace, or None."""
        with self._lock:
            return self._workflows.get(namespace)

    def namespaces(self) -> list[str]:
        """The full namespaces of all workflows, first registered first."""
        with self._lock:
            return list(self._workflows)

    def workflows(self) -> list[Workflow]:
        """All workflows, first registered first."""
        with self._lock:
            return list(self._workflows.values())

    def triggers(self) -> list[Trigger]:
        """All triggers, first registered first."""
        with self._lock:
            return list(self._triggers.values())

    def _candidates(self, name: str) -> list[str]:
        if SEPARATOR in name:
            return [name] if name in self._workflows else []
        aliased = [self._aliases[name]] if name in self._aliases else []
        return list(dict.fromkeys((*self._named.get(name, ()), *aliased)))

    def _put(self, workflow: Workflow) -> None:
        namespace = workflow.namespace
        if namespace in self._workflows:
            for name in _short_names(self._workflows[namespace]):
                del self._named[name][namespace]
                if not self._named[name]:
                    del self._named[name]
        self._workflows[namespace] = workflow
        for name in _short_names(workflow):
            self._named.setdefault(name, {})[namespace] = None

    def _refuse_clash(self, alias: str, namespace: str) -> None:
        others = [found for found in self._candidates(alias) if found != namespace]
        if others:
            raise DefinitionError(
                f"register_workflow_constructor: '{alias}' cannot also name {namespace}, "
                f"it is the name of {', '.join(others)}"
            )

    def _not_found(self, name: str) -> str:
        known = [*self._workflows, *self._named, *self._aliases]
        near = difflib.get_close_matches(name, dict.fromkeys(known), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"Workflow not found in registry: {name}{hint}"


def _short_names(workflow: Workflow) -> set[str]:
    """The id in the namespace, and the builder's name, which differs when both were given."""
    return {workflow.namespace.rpartition(SEPARATOR)[2], workflow.name}


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
