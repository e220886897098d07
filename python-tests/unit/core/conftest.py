"""An engine that is open, for calls to be made of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from model.operations import Do

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task

WAIT = 60


@pytest.fixture
def own_registry() -> Registry:
    """With one workflow, "flow", of two tasks."""
    registry = Registry()
    with WorkflowBuilder("flow", registry=registry):

        @task(id="first")
        def first(context: Context) -> dict[str, int]:
            return {"a": 1}

        @task(id="second", dependencies=["first"])
        def second(context: Context) -> None: ...

    return registry


@pytest.fixture
def host(own_registry: Registry) -> Iterator[EngineHost]:
    config = DefaultRunnerConfig(shutdown_grace_seconds=0, max_context_bytes=1024)
    host = EngineHost(":memory:", config, None, own_registry)
    host.open().result(WAIT)
    host.begin()
    yield host
    host.close().result(WAIT)
    host.end_thread()


@pytest.fixture
def caller(host: EngineHost) -> Caller:
    return Caller(host)


@pytest.fixture
def do(caller: Caller) -> Do:
    return Do(caller)
