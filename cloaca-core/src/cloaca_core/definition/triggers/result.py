"""``TriggerResult``: the answer of a trigger's function, and the reading of its return value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from cloaca_core.definition.context import Context
from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import text, wrong_type
from cloaca_core.values.payloads.json_values import mapping_hint
from cloaca_core.values.text import is_storable

LONGEST_KEY = 255


@final
@dataclass(frozen=True, slots=True, repr=False)
class TriggerResult:
    """Tells a runner to run a workflow or not. Made by ``fire`` and ``skip``.

    ``context`` is the run's input. Of all results of one trigger with the same
    ``idempotency_key``, only one ever makes a run.
    """

    fires: bool
    context: Context | None
    idempotency_key: str | None

    @classmethod
    def fire(
        cls,
        context: Context | Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> TriggerResult:
        """Run the workflow.

        ``context`` may be a mapping as well; None is an empty one. ``idempotency_key``, 1 to 255
        characters, names the event: when the trigger finds it again, in any process, no other run
        is made. A value that cannot be stored is a ``ContextError``.
        """
        return cls(True, _copied(context), _checked_key(idempotency_key))

    @classmethod
    def skip(cls) -> TriggerResult:
        """Run nothing."""
        return _SKIP

    def is_fire_result(self) -> bool:
        """True when the workflow is to run."""
        return self.fires

    def is_skip_result(self) -> bool:
        """True when it is not."""
        return not self.fires

    def __repr__(self) -> str:
        if not self.fires:
            return "TriggerResult.Skip"
        return f"TriggerResult.Fire({'None' if self.context is None else '<context>'})"


_SKIP = TriggerResult(False, None, None)


def read_results(returned: object) -> tuple[TriggerResult, ...]:
    """Read a trigger function's return value: one result, a bool for one, or a list of results.

    DefinitionTypeError names any other type, None included: a function without its ``return``
    would otherwise never fire, without any error.
    """
    if isinstance(returned, list | tuple):
        return tuple([_read_one(each) for each in returned])
    return (_read_one(returned),)


def _read_one(returned: object) -> TriggerResult:
    match returned:
        case TriggerResult():
            return returned
        case True:
            return TriggerResult.fire()
        case False:
            return _SKIP
        case _:
            accepted = "a TriggerResult, a bool or a list of them"
            raise wrong_type("what a trigger's function returns", accepted, returned)


def _copied(context: object) -> Context | None:
    """Copy the context: its caller may change it later."""
    if context is None:
        return None
    if isinstance(context, Context):
        return context.copy()
    if isinstance(context, Mapping):
        return Context(context)
    raise wrong_type("context", "a Context, a mapping or None", context, mapping_hint(context))


def _checked_key(key: object) -> str | None:
    if key is None:
        return None
    key = text("idempotency_key", key)
    if not 1 <= len(key) <= LONGEST_KEY or not is_storable(key):
        raise DefinitionError(
            f"idempotency_key must have 1 to {LONGEST_KEY} characters, no NUL and no lone "
            f"surrogate, got {key!r:.80}"
        )
    return str.__str__(key)
