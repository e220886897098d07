"""A thin executor over a Ray cluster, local or remote.

Ray is imported by the first executor, not with this module. Placing calls, starting workers and
moving data is all Ray's.
"""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, wait as all_done
from math import isfinite
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from cloaca_core.errors import ConfigError, ConfigTypeError, WorkerLost
from cloaca_core.features.executors.losses import is_worker_lost
from cloaca_core.features.executors.traits import Foreign, is_one_of

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ray:  # noqa: N801 - users call it as they call a function, as ``functools.partial``
    """Make a ``RayExecutor`` each time it is called; a value for ``executors=``.

    ``num_cpus`` is what Ray reserves for a call, by default one CPU; it may be a fraction.
    ``address`` is that of a cluster, as for ``ray.init``. Without it a local Ray is started, with
    the executor's end as its own. Both only if the program has not called ``ray.init`` itself.
    An unacceptable ``num_cpus`` is a ``ConfigError``.
    """

    def __init__(self, *, num_cpus: float = 1, address: str | None = None) -> None:
        self._num_cpus = _checked(num_cpus)
        self._address = address

    def __call__(self) -> RayExecutor:
        """Make an executor. ``ConfigError`` if Ray is not installed; Ray's errors if its cluster
        cannot be reached.
        """
        return RayExecutor(num_cpus=self._num_cpus, address=self._address)

    def __repr__(self) -> str:
        return f"ray(num_cpus={self._num_cpus}, address={self._address!r})"


class RayExecutor(Executor):
    """Runs calls as tasks of Ray, each once: Ray does not run one again by itself.

    A call whose worker or node dies fails with ``WorkerLost``. ``cancel()`` ends the worker of a
    running call. Errors of a call are raised as they were, not as ``RayTaskError``. While Ray is
    being shut down by others, calls that run get no answer: shut this down first.
    """

    def __init__(self, *, num_cpus: float = 1, address: str | None = None) -> None:
        self._ray = _imported()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            self._ray.init(address=address, ignore_reinit_error=True)
        options = self._ray.remote(num_cpus=_checked(num_cpus), max_retries=0)
        self._task = options(_called)
        self._num_cpus = num_cpus
        self._calls: set[_Call[Any]] = set()
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """How many calls the cluster's CPUs of this moment run at once, at least one."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 0) / self._num_cpus))

    @property
    def is_local(self) -> bool:
        """Whether the cluster has one node at this moment, and that is this host: a client of Ray
        (``ray://``) is on none.
        """
        if not self._ray.is_initialized():
            return False
        hosts = [each["NodeManagerHostname"] for each in self._ray.nodes() if each["Alive"]]
        return hosts == [socket.gethostname()]

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run ``fn(*args, **kwargs)`` on the cluster, as soon as CPUs are free. Any thread may call
        this. ``RuntimeError`` after ``shutdown``, and once Ray has been shut down.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not self._ray.is_initialized():  # Ray would start a new one at the next call
                raise RuntimeError("Ray has been shut down")
            call: _Call[_T] = _Call(self._ray, self._task.remote(fn, args, kwargs))
            self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        call.follow()
        return call

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; the local Ray that this started ends after the last one.

        ``cancel_futures`` also ends calls that run, for Ray does not tell which ones do. ``wait``
        returns when all have ended.
        """
        with self._lock:
            is_first, self._is_closed = not self._is_closed, True
            calls = list(self._calls)
        if cancel_futures:
            for call in calls:
                call.cancel()
        if wait:
            self._end(calls, is_first)
        elif is_first:
            threading.Thread(target=self._end, args=(calls, True), daemon=True).start()

    def _end(self, calls: list[_Call[Any]], is_first: bool) -> None:
        all_done(calls)
        if is_first and self._is_ours:
            self._ray.shutdown()


class _Call(Future[_T]):
    """A call that Ray has. Pending until it is done: Ray does not tell when it starts."""

    def __init__(self, library: _Ray, reference: _Reference) -> None:
        super().__init__()
        self._ray = library
        self._reference = reference

    def follow(self) -> None:
        """Be done when Ray's own future is."""
        self._reference.future().add_done_callback(self._settle)

    def cancel(self) -> bool:
        """Cancel the call; the worker that runs it is killed. False if it is done."""
        if not super().cancel():
            return False
        if self._ray.is_initialized():
            self._ray.cancel(self._reference, force=True)
        return True

    def _settle(self, answered: Future[_T]) -> None:
        error = _error(answered)
        if isinstance(error, CancelledError):
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(answered.result())
        else:
            self.set_exception(error)


def _called(function: Callable[..., _T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _T:
    """The one function that Ray knows of, so that it registers no other for each call."""
    return function(*args, **kwargs)


def _error(answered: Future[Any]) -> BaseException | None:
    """The error of a call: ``CancelledError`` if cancelled, ``WorkerLost`` if its worker died."""
    if answered.cancelled():
        return CancelledError()
    error = answered.exception()
    if error is None:
        return None
    if is_one_of(error, Foreign("ray", "TaskCancelledError")):
        return CancelledError()
    if is_worker_lost(error):
        return _lost(error)
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else error


def _lost(error: BaseException) -> WorkerLost:
    lost = WorkerLost(f"{type(error).__name__}: {error}")
    lost.__cause__ = error
    return lost


def _checked(num_cpus: object) -> float:
    if isinstance(num_cpus, bool) or not isinstance(num_cpus, int | float):
        given = type(num_cpus).__name__
        raise ConfigTypeError(f"num_cpus must be a number, not {given}", field="num_cpus")
    if not isfinite(num_cpus) or num_cpus <= 0:
        raise ConfigError(f"num_cpus must be above 0, got {num_cpus}", field="num_cpus")
    return num_cpus


# -- the parts of Ray that are used --------------------------------------------------------------


class _Reference(Protocol):
    def future(self) -> Future[Any]: ...


class _Task(Protocol):
    def remote(self, *args: object) -> _Reference: ...


class _Ray(Protocol):
    def is_initialized(self) -> bool: ...

    def init(self, *, address: str | None, ignore_reinit_error: bool) -> object: ...

    def shutdown(self) -> None: ...

    def cluster_resources(self) -> dict[str, float]: ...

    def nodes(self) -> list[dict[str, Any]]: ...

    def cancel(self, reference: _Reference, *, force: bool) -> None: ...

    def remote(
        self, *, num_cpus: float, max_retries: int
    ) -> Callable[[Callable[..., Any]], _Task]: ...


def _imported() -> _Ray:
    try:
        return cast("_Ray", importlib.import_module("ray"))
    except ImportError as error:
        raise ConfigError(
            "executors: ray(...) needs Ray, which cannot be imported: pip install ray cloudpickle",
            field="executors",
        ) from error
