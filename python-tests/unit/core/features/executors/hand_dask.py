"""A Dask executor and its client, by hand: it keeps calls and subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeAlias

from unit.core.features.executors.foreign_classes import foreign

Handler: TypeAlias = Callable[[Any], None]


class HandClient:
    """Knows the threads of its workers, or fails to ask; ``topics`` has what is subscribed to."""

    def __init__(self, threads: dict[str, int] | OSError) -> None:
        self.topics: dict[str, Handler] = {}
        self._threads = threads

    def nthreads(self) -> dict[str, int]:
        if isinstance(self._threads, OSError):
            raise self._threads
        return self._threads

    def subscribe_topic(self, topic: str, handler: Handler) -> None:
        self.topics[topic] = handler

    def unsubscribe_topic(self, topic: str) -> None:
        del self.topics[topic]


class HandDask(foreign("distributed.cfexecutor", "ClientExecutor", Executor)):  # type: ignore[misc]  # made there
    """As ``distributed.cfexecutor.ClientExecutor``, whose client has no public name."""

    __module__ = "distributed.cfexecutor"

    def __init__(self, threads: dict[str, int] | OSError) -> None:
        self.client = self._client = HandClient(threads)
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.futures: list[Future[Any]] = []
        self.is_away = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, pure: bool) -> Future[Any]:
        assert not pure
        if self.is_away:
            raise RuntimeError("closed")
        self.calls.append((fn, args))
        self.futures.append(Future())
        return self.futures[-1]

    def shutdown(self, wait: bool = True) -> None:
        assert not wait
