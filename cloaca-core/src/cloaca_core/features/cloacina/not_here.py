"""Names of 0.12 that are kept so that an import of them works, and that say why they do nothing."""

from __future__ import annotations

from typing import NoReturn

from cloaca_core.errors import NotHereError


def constructor(
    id: str,  # noqa: A002 - the public name of the parameter
    from_: str,
    constructor: str,  # noqa: ARG001 - only its name counts
    config: object = None,  # noqa: ARG001
    grants: object = None,  # noqa: ARG001
    dependencies: object = None,  # noqa: ARG001
    runtime: object = None,  # noqa: ARG001
) -> NoReturn:
    """Raises ``NotHereError``: tasks of packaged providers are not here. Write a ``@task``."""
    raise NotHereError(
        f"cloaca.constructor({id!r}, {from_!r}, ...): WASM and native providers, and the signed "
        "packages that hold them, are not here; call the same code in a @cloaca.task"
    )


class _OfDecorator:
    """A type of 0.12's decorators: it could never be instantiated, and no object has it here."""

    def __new__(cls, *_: object, **__: object) -> NoReturn:
        function = _DECORATORS[cls.__name__]
        raise NotHereError(
            f"{cls.__name__} is the type of a decorator of 0.12, which made no instances of it "
            f"either: use cloaca.{function}"
        )


class TaskDecorator(_OfDecorator):
    """Kept for imports; use ``cloaca.task``."""


class TriggerDecorator(_OfDecorator):
    """Kept for imports; use ``cloaca.trigger``."""


class WorkflowParamsDecorator(_OfDecorator):
    """Kept for imports; use ``cloaca.workflow_params``."""


class WorkflowSecretsDecorator(_OfDecorator):
    """Kept for imports; use ``cloaca.workflow_secrets``."""


_DECORATORS = {
    "TaskDecorator": "task",
    "TriggerDecorator": "trigger",
    "WorkflowParamsDecorator": "workflow_params",
    "WorkflowSecretsDecorator": "workflow_secrets",
}
