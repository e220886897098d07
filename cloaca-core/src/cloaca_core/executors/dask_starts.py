"""Tells when calls begin that wait within a Dask cluster until a thread is free.

A worker reports a call that has run for a moment; a shorter one costs no message. Reports are
events of Dask, which a client and the workers have in public.
"""

from __future__ import annotations

import importlib
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from cloaca_core.executors.foreign import Foreign, is_one_of

_T = TypeVar("_T")

REPORT_AFTER: Final = 0.1
"""Seconds that a call runs before its worker reports it."""

Begun: TypeAlias = Callable[[float], None]
"""Is told that a call runs, and for how many seconds. Must not wait: Dask's loop calls it."""


_TOPICS_IN_USE: Final[set[str]] = set()
_CHOOSING: Final = threading.Lock()


class DaskStarts:
    """Submits calls to one executor of a Dask client whose beginning is told. Any thread."""

    def __init__(self, executor: Executor, client: _Client) -> None:
        self.executor: Executor = executor
        self._client = client
        self._topic = _free_topic()
        self._waiting: dict[str, Begun] = {}
        self._is_subscribed = False

    def submit(
        self, begun: Begun, function: Callable[..., _T], *args: object, **options: bool
    ) -> Future[_T]:
        """Submit a call, with options of the executor; raises what that raises. ``begun`` is called
        once if the call takes its time, at the latest when it is done.
        """
        submit: Callable[..., Future[_T]] = self.executor.submit  # it takes options
        self._subscribe()
        name = uuid.uuid4().hex
        self._waiting[name] = begun
        try:
            call = submit(reported, self._topic, name, function, *args, **options)
        except BaseException:
            del self._waiting[name]
            raise
        call.add_done_callback(partial(self._over, name))
        return call

    def close(self) -> None:
        """Take no more reports."""
        if self._is_subscribed:
            with suppress(Exception):  # the client may be closed, or have lost its scheduler
                self._client.unsubscribe_topic(self._topic)
        _TOPICS_IN_USE.discard(self._topic)

    def _subscribe(self) -> None:
        if not self._is_subscribed:
            self._client.subscribe_topic(self._topic, self._reported)
            self._is_subscribed = True

    def _reported(self, event: tuple[float, tuple[str, float]]) -> None:
        _, (name, seconds) = event
        if (begun := self._waiting.get(name)) is not None:
            begun(seconds)

    def _over(self, name: str, call: Future[Any]) -> None:
        del self._waiting[name]
        if call.cancelled():  # a scheduler that has been started again knows no subscription
            self._is_subscribed = False


def _free_topic() -> str:
    """A topic that is this process's alone to use, on its clients: a client has one handler for
    each. Other processes use it as well, as a scheduler keeps each topic for ever.
    """
    with _CHOOSING:
        topic = next(
            name for number in count() if (name := f"cloaca-starts-{number}") not in _TOPICS_IN_USE
        )
        _TOPICS_IN_USE.add(topic)
    return topic


def starts_of(executor: Executor) -> DaskStarts | None:
    """The starts of this executor; None if it is not Dask's. Its client has no public name."""
    client: _Client | None = getattr(executor, "_client", None)
    if client is None or not is_one_of(executor, Foreign("distributed", "ClientExecutor")):
        return None
    return DaskStarts(executor, client)


# -- in a worker -----------------------------------------------------------------------------


def reported(topic: str, name: str, function: Callable[..., _T], *args: object) -> _T:
    """Call the function, and have the worker report it if it takes its time. Called by Dask, so it
    must stay importable by this name.
    """
    start = _Start(topic, name, importlib.import_module("distributed").get_worker())
    try:
        return function(*args)
    finally:
        start.is_over = True


class _Start:
    """Waits on the loop of the worker, so that the thread of the call pays one hop and no more."""

    def __init__(self, topic: str, name: str, worker: _Worker) -> None:
        self.is_over: bool = False
        self._topic = topic
        self._name = name
        self._worker = worker
        self._at = time.monotonic()
        worker.loop.add_callback(worker.loop.call_later, REPORT_AFTER, self._report)

    def _report(self) -> None:
        if not self.is_over:
            self._worker.log_event(self._topic, (self._name, time.monotonic() - self._at))


class _Client(Protocol):
    """The part of ``distributed.Client`` that is used."""

    def subscribe_topic(self, topic: str, handler: Callable[[Any], None]) -> None: ...

    def unsubscribe_topic(self, topic: str) -> None: ...


class _Loop(Protocol):
    """The part of a worker's loop that is used."""

    def add_callback(self, callback: Callable[..., object], *args: object) -> None: ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> object: ...


class _Worker(Protocol):
    """The part of ``distributed.Worker`` that is used."""

    @property
    def loop(self) -> _Loop: ...

    def log_event(self, topic: str, msg: object) -> None: ...
