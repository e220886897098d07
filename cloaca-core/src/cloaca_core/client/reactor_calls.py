"""The calls of 0.12's runner about reactors, which no engine answers here."""

from __future__ import annotations

from typing import NoReturn

from cloaca_core.errors import NotHereError


class ReactorCalls:
    """Methods that exist, so that a program which names them says at the call why they fail."""

    def subscribe_workflow_to_reactor(self, *_: object, **__: object) -> NoReturn:
        """Raises ``NotHereError``: no reactor runs here."""
        _refuse("subscribe_workflow_to_reactor")

    def unsubscribe_workflow_from_reactor(self, *_: object, **__: object) -> NoReturn:
        """Raises ``NotHereError``: no reactor runs here."""
        _refuse("unsubscribe_workflow_from_reactor")

    def list_reactor_subscriptions(self, *_: object, **__: object) -> NoReturn:
        """Raises ``NotHereError``: no reactor runs here."""
        _refuse("list_reactor_subscriptions")


def _refuse(call: str) -> NoReturn:
    raise NotHereError(
        f"{call}: reactors are declarations here, and nothing fires them; start the workflow by an "
        "event with @cloaca.trigger, or with runner.submit() where the event arrives"
    )
