"""Checks the singleton key of a run, and how it meets a run under way that has it."""

from __future__ import annotations

from typing import Final, cast, get_args

from cloaca_core.engine.calls.orders import checked_order
from cloaca_core.engine.submit.request import Singleton
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.values.option_names import SingletonPolicyName
from cloaca_core.values.text import checked_text

POLICIES: Final[tuple[str, ...]] = get_args(SingletonPolicyName)


def checked_singleton(key: object, policy: object, by: str | None, grace: float) -> Singleton:
    """The key and its policy as the engine takes them. ``grace`` is for bodies of runs that the
    run replaces.
    """
    if not isinstance(policy, str):
        kind = type(policy).__name__
        raise ConfigTypeError(
            f"singleton_policy must be a str, not {kind}", field="singleton_policy"
        )
    if policy not in POLICIES:
        shown = ", ".join(f'"{each}"' for each in POLICIES)
        raise ConfigError(
            f"singleton_policy must be one of {shown}, got {policy!r:.80}", field="singleton_policy"
        )
    if key is None:
        raise ConfigError(
            "singleton_policy is for a run with a singleton key: give singleton=",
            field="singleton_policy",
        )
    order = None
    if policy == "cancel_old":
        order = checked_order("cancel", "another run took its place, by its singleton key", by)
    text = checked_text("singleton", cast("str", key))
    return Singleton(text, cast("SingletonPolicyName", policy), order, grace)
