"""The options of a harness and of the runs that it submits, and the settings of its engine."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.submission import StartNames
from cloaca_core.errors import ConfigError
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.option_names import FailedPolicyName, SingletonPolicyName

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

EvictName: TypeAlias = Literal["always"]

LEASE_SECONDS: Final = 10**8
"""There is no other runner, so the lease of an engine need not be renewed in a test."""


class SubmitOptions(StartNames, total=False):
    """The options of ``Client.submit``."""

    idempotency_key: str | None
    failed_policy: FailedPolicyName
    singleton: str | None
    singleton_policy: SingletonPolicyName
    tags: Mapping[str, str] | None
    time_limit: Duration | NoLimit | None
    send: tuple[str, object] | None


class HarnessOptions(TypedDict, total=False):
    """The arguments of ``harness``."""

    registry: Registry | None
    evict: EvictName | None
    url: str | os.PathLike[str] | None
    autoskip: bool
    now: datetime | str | None
    config: DefaultRunnerConfig | None


def settings_of(config: DefaultRunnerConfig | None, evict: EvictName | None) -> DefaultRunnerConfig:
    """A copy, for an engine that is alone and whose test does not wait."""
    if evict not in (None, "always"):
        raise ConfigError(f"evict must be 'always' or None, got {evict!r:.80}", field="evict")
    if config is None:
        made = DefaultRunnerConfig()
    else:
        refuse_other_types("config", config, DefaultRunnerConfig, "a DefaultRunnerConfig or None")
        made = copy.copy(config)
    made.lease_seconds = LEASE_SECONDS
    made.shutdown_grace_seconds = 0
    if evict is not None:
        made.evict_after_seconds = 0
    return made
