"""Tells when calls begin that a Dask cluster has: they may wait there until a thread is free.

Reports of workers are events of Dask, which a client and the workers have in public.
"""

from __future__ import annotations

import importlib
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from cloaca_core.features.executors.kinds import Begun, OnStart
from cloaca_core.features.executors.traits import Foreign, is_one_of
from cloaca_core.features.executors.watch import this_watch

_T = TypeVar("_T")


_TOPICS_IN_USE: Final[set[str]] = set()
_CHOOSING: Final = threading.Lock()


class DaskStarts:
    """Submits calls to one executor of a Dask client and reports when they begin. Any thread may
    call it.
    """

    def __init__(self, executor: Executor, client: _Client) -> None:
        self.executor: Executor = executor
        self._client = client
        self._topic = _free_topic()
        self._waiting: dict[str, Begun] = {}
        self._is_subscribed = False

    def submit(
        self, on_start: OnStart, function: Callable[..., _T], *args: object, **options: bool
    ) -> Future[_T]:
        """Submit a call of ``function(*args, start)``, with options of the executor. Raises the
        errors of the submit. ``on_start`` is called when the call enters the block
        ``start.reported()``, and again if Dask runs the call again.
        """
        submit: Callable[..., Future[_T]] = self.executor.submit  # it takes options
        self._subscribe()
        name = uuid.uuid4().hex
        self._waiting[name] = on_start.begun
        try:
            call = submit(function, *args, Start(self._topic, name, on_start.within), **options)
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
        """A restarted scheduler knows no subscription. Calls that waited for the earlier one have
        been cancelled; if there were none, nothing has reported the restart.
        """
        if not (self._is_subscribed and self._waiting):
            self._client.subscribe_topic(self._topic, self._reported)
            self._is_subscribed = True

    def _reported(self, event: tuple[float, tuple[str, float]]) -> None:
        _, (name, seconds) = event
        if (begun := self._waiting.get(name)) is not None:
            begun(seconds)

    def _over(self, name: str, call: Future[Any]) -> None:
        del self._waiting[name]
        if call.cancelled():  # perhaps with its scheduler
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


class Start(NamedTuple):
    """The start of one call, in a worker. A call that is shorter than ``after`` seconds costs no
    message.
    """

    topic: str
    name: str
    after: float

    def reported(self) -> AbstractContextManager[None]:
        """A block whose beginning is reported. Asked for on the call's thread, in its context."""
        worker: _Worker = importlib.import_module("distributed").get_worker()

        def report(seconds: float) -> None:
            worker.log_event(self.topic, (self.name, seconds))

        return this_watch().over(self.after, report)


class _Client(Protocol):
    """The part of ``distributed.Client`` that is used."""

    def subscribe_topic(self, topic: str, handler: Callable[[Any], None]) -> None: ...

    def unsubscribe_topic(self, topic: str) -> None: ...


class _Worker(Protocol):
    """The part of ``distributed.Worker`` that is used. Any thread may call it."""

    def log_event(self, topic: str, msg: object) -> None: ...
