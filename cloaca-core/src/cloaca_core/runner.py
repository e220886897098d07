"""``DefaultRunner`` and ``AsyncRunner``: two façades of one engine.

A method here turns its arguments into a call of the engine and waits in its own way; what the two
would have to repeat is in the engine's own modules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from cloaca_core._engine.calls import (
    awaited,
    checked_timeout,
    current_job,
    refuse_blocking_call,
    wait_for,
)
from cloaca_core._engine.conductor import PIPELINE_TIMEOUT
from cloaca_core._engine.engine import Engine
from cloaca_core._engine.host import EngineHost
from cloaca_core._engine.requests import ContextLike, checked_run_id
from cloaca_core._engine.waiters import Ended
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.errors import CloacaError, PipelineTimeoutError, StoreError, StoreOpenError
from cloaca_core.handle import AsyncRunHandle, RunHandle
from cloaca_core.registry import Registry
from cloaca_core.results import PipelineResult, RunInfo, run_info


def _result(ended: Ended) -> PipelineResult:
    """The result for ``execute``, which raises when the run has passed its deadline."""
    message = ended.row.error_message
    if message is not None and message.startswith(PIPELINE_TIMEOUT):
        limit = float(message.removeprefix(PIPELINE_TIMEOUT).removesuffix("s"))
        raise PipelineTimeoutError(message, run_id=ended.row.id, timeout=limit)
    return PipelineResult(*ended)


class DefaultRunner:
    """Runs workflows in this process and keeps every finished step in a database.

    Opens at construction; a database that cannot be opened raises at once. All methods may be
    called from any thread, task bodies included (async ones use an ``AsyncRunner``). Use it as a
    context manager, or call ``shutdown()``.
    """

    def __init__(
        self,
        database_url: str,
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        registry: Registry | None = None,
    ) -> None:
        self._host = EngineHost(database_url, config, schema, registry)
        try:
            wait_for(self._host.open())
        except BaseException:
            self._host.end_thread()
            raise

    @classmethod
    def with_config(cls, database_url: str, config: DefaultRunnerConfig) -> Self:
        """The same as ``DefaultRunner(database_url, config=config)``."""
        return cls(database_url, config=config)

    @classmethod
    def with_schema(cls, database_url: str, schema: str) -> Self:
        """A runner in a schema of its own, which only PostgreSQL has; ValueError elsewhere."""
        try:
            return cls(database_url, schema=schema)
        except StoreError as error:
            raise StoreOpenError(f"Failed to create DefaultRunner with schema: {error}") from error

    # -- run ---------------------------------------------------------------------------------

    def execute(
        self, workflow_name: str, context: ContextLike = None, *, timeout: float | None = None
    ) -> PipelineResult:
        """Run a workflow and wait for its end; the result also of a run that failed.

        ``timeout`` in seconds ends only the wait (``PipelineTimeoutError``), the run goes on. A
        run that passes ``pipeline_timeout_seconds`` becomes Failed and raises
        ``PipelineTimeoutError`` here. An unknown name is ``WorkflowNotFoundError``, a ValueError.
        """
        refuse_blocking_call()
        seconds = checked_timeout(timeout)
        request = self._host.open_requests.request(workflow_name, [context], numbered=True)
        run: list[str] = []
        future = self._host.send(Engine.execute, request, current_job(), run.append)
        return _result(wait_for(future, seconds, run))

    def submit(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunHandle:
        """Accept a run and go on; it is durable when this returns.

        The same ``idempotency_key`` for the same workflow gives the run that has it already.
        """
        refuse_blocking_call()
        request = self._host.open_requests.request(
            workflow_name, [context], tags=tags, idempotency_key=idempotency_key, numbered=True
        )
        (run_id,) = wait_for(self._host.send(Engine.submit, request))
        return RunHandle(self._host, run_id)

    def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
    ) -> list[RunHandle]:
        """Accept many runs of one workflow, up to 10,000 in one commit.

        A list is checked as a whole before anything is submitted. A generator is read as it goes,
        so that no more than that are held at a time; what it gave before a context that is
        refused stays accepted: the error's ``accepted`` holds those handles.
        """
        refuse_blocking_call()
        handles: list[RunHandle] = []
        try:
            for request in self._host.open_requests.many(workflow_name, contexts, tags):
                run_ids = wait_for(self._host.send(Engine.submit, request))
                handles += [RunHandle(self._host, run_id) for run_id in run_ids]
        except CloacaError as error:
            error.accepted = handles
            raise
        return handles

    # -- observe -----------------------------------------------------------------------------

    def get_run(self, run_id: str) -> RunHandle:
        """The handle of a run in this database; ``RunNotFoundError`` (a KeyError) for no run."""
        refuse_blocking_call()
        return RunHandle(
            self._host, wait_for(self._host.send(Engine.get_run, checked_run_id(run_id))).id
        )

    def list_runs(
        self,
        *,
        status: str | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, newest first. All ``tags`` must match; ``before`` is a run id to page from."""
        refuse_blocking_call()
        wanted = self._host.open_requests.run_filter(status, workflow_name, tags, limit, before)
        return [run_info(row) for row in wait_for(self._host.send(Engine.list_runs, wanted))]

    def health(self) -> dict[str, Any]:
        """What the runner is doing: its runs, bodies and each loop's last success."""
        refuse_blocking_call()
        return wait_for(self._host.send(Engine.health))

    # -- start and stop ----------------------------------------------------------------------

    def start(self) -> None:
        """Claim runs again after ``stop()``."""
        wait_for(self._host.send(Engine.resume))

    def stop(self) -> None:
        """Claim no further runs; those of this runner go on, new ones wait in the table."""
        wait_for(self._host.send(Engine.pause))

    def shutdown(self) -> None:
        """Let running bodies end, release the other runs for recovery, close. Idempotent.

        Ctrl-C ends the grace period.
        """
        try:
            self._host.close().result()
        except KeyboardInterrupt:
            self._host.hurry()
            raise
        self._host.end_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"DefaultRunner({self._host})"


class AsyncRunner:
    """The same runner for programs with a loop: ``async with``, and every call is awaited.

    The engine runs on a loop thread of its own here too, so a program that blocks its loop stops
    no heartbeat.
    """

    def __init__(
        self,
        database_url: str,
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        registry: Registry | None = None,
    ) -> None:
        self._host = EngineHost(database_url, config, schema, registry)

    async def __aenter__(self) -> Self:
        try:
            await awaited(self._host.open())
        except BaseException:
            self._host.end_thread()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.shutdown()

    # -- run ---------------------------------------------------------------------------------

    async def execute(
        self, workflow_name: str, context: ContextLike = None, *, timeout: float | None = None
    ) -> PipelineResult:
        """Run a workflow and wait for its end; see ``DefaultRunner.execute``."""
        seconds = checked_timeout(timeout)
        request = self._host.open_requests.request(workflow_name, [context], numbered=True)
        run: list[str] = []
        future = self._host.send(Engine.execute, request, current_job(), run.append)
        return _result(await awaited(future, seconds, run))

    async def submit(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AsyncRunHandle:
        """Accept a run and go on; see ``DefaultRunner.submit``."""
        request = self._host.open_requests.request(
            workflow_name, [context], tags=tags, idempotency_key=idempotency_key, numbered=True
        )
        (run_id,) = await awaited(self._host.send(Engine.submit, request))
        return AsyncRunHandle(self._host, run_id)

    async def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
    ) -> list[AsyncRunHandle]:
        """Accept many runs of one workflow, up to 10,000 in one commit."""
        handles: list[AsyncRunHandle] = []
        try:
            for request in self._host.open_requests.many(workflow_name, contexts, tags):
                run_ids = await awaited(self._host.send(Engine.submit, request))
                handles += [AsyncRunHandle(self._host, run_id) for run_id in run_ids]
        except CloacaError as error:
            error.accepted = handles
            raise
        return handles

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> AsyncRunHandle:
        """The handle of a run in this database; ``RunNotFoundError`` (a KeyError) for no run."""
        return AsyncRunHandle(
            self._host, (await awaited(self._host.send(Engine.get_run, checked_run_id(run_id)))).id
        )

    async def list_runs(
        self,
        *,
        status: str | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, newest first; see ``DefaultRunner.list_runs``."""
        wanted = self._host.open_requests.run_filter(status, workflow_name, tags, limit, before)
        return [run_info(row) for row in await awaited(self._host.send(Engine.list_runs, wanted))]

    async def health(self) -> dict[str, Any]:
        """What the runner is doing: its runs, bodies and each loop's last success."""
        return await awaited(self._host.send(Engine.health))

    # -- start and stop ----------------------------------------------------------------------

    async def start(self) -> None:
        """Claim runs again after ``stop()``."""
        await awaited(self._host.send(Engine.resume))

    async def stop(self) -> None:
        """Claim no further runs; those of this runner go on, new ones wait in the table."""
        await awaited(self._host.send(Engine.pause))

    async def shutdown(self) -> None:
        """Let running bodies end, release the other runs for recovery, close. Idempotent.

        Cancelling the call ends the grace period.
        """
        closing = asyncio.wrap_future(self._host.close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            self._host.hurry()
            raise
        self._host.end_thread()

    def __repr__(self) -> str:
        return f"AsyncRunner({self._host})"
