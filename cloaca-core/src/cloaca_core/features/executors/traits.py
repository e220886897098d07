"""In which ways kinds of executors differ that are all a ``concurrent.futures.Executor``, and how
many calls they run at once. Classes of other packages are recognised by their names, so that those
need not be installed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class Foreign(NamedTuple):
    """A class by its package and its name."""

    package: str
    name: str


def is_one_of(value: object, *classes: Foreign) -> bool:
    """Whether this is an instance of one of these classes, or of a class derived from one."""
    return any(
        (each.__module__.partition(".")[0], each.__name__) in classes for each in type(value).mro()
    )


@dataclass(frozen=True, slots=True)
class Traits:
    """How to use a kind of executor.

    ``submit`` and ``shutdown`` are keyword arguments for these methods. ``cancels`` is False where
    ``Future.cancel()`` claims to have ended a call that goes on: then it is better not called.
    Where it ``is_local``, calls run in this process or in others of this host and this user, where
    it ``is_in_process``, in this one. One that ``looks_early`` has to be woken after a call: see
    ``new_workers``.
    """

    submit: Mapping[str, bool] = field(default_factory=dict)
    shutdown: Mapping[str, bool] = field(
        default_factory=lambda: {"wait": False, "cancel_futures": True}
    )
    cancels: bool = True
    is_local: bool = False
    is_in_process: bool = False
    looks_early: bool = False


_DASK: Final = Traits(
    # Otherwise Dask answers a call with the result or the error of an earlier one like it.
    submit={"pure": False},
    # Cancels all calls.
    shutdown={"wait": False},
    # It forgets the call, and the thread of its worker is busy until the body ends.
    cancels=False,
)
_LOKY: Final = Traits(shutdown={"wait": False}, is_local=True)
_PROCESSES: Final = Traits(is_local=True, looks_early=True)
_THREADS: Final = Traits(is_local=True, is_in_process=True)
_OTHERS: Final = Traits()


def traits_of(executor: Executor) -> Traits:
    """The traits of this executor's kind, known by name: the module of processes takes long to
    import.
    """
    if is_one_of(executor, Foreign("distributed", "ClientExecutor")):
        return _DASK
    if is_one_of(executor, Foreign("loky", "ProcessPoolExecutor")):
        return _LOKY
    if is_one_of(executor, Foreign("concurrent", "ProcessPoolExecutor")):
        return _PROCESSES
    if is_one_of(executor, Foreign("concurrent", "ThreadPoolExecutor")):
        return _THREADS
    return _OTHERS


def size_of(executor: Executor) -> int | None:
    """The number of calls that run at once; None if it is not known, or not at least one.

    Read from ``workers`` (our own executors), ``_max_workers`` (the standard library, loky) or the
    workers that Dask's client knows now. The latter asks the scheduler, which may raise.
    """
    for name in ("workers", "_max_workers"):
        if (size := _positive(getattr(executor, name, None))) is not None:
            return size
    return _positive(sum(_threads_of(executor)))


def shares_workers(executor: Executor | None) -> bool:
    """Whether an existing worker runs several calls at once, as far as is known: on Dask, a worker
    with several threads. Calls the scheduler, which may raise.
    """
    return max(_threads_of(executor), default=1) > 1


def _threads_of(executor: Executor | None) -> Collection[int]:
    """How many threads each worker of a Dask client has. Its executor shows the client under a
    private name only, which has not changed since 2017.
    """
    if not callable(ask := getattr(getattr(executor, "_client", None), "nthreads", None)):
        return ()
    threads = ask()
    return threads.values() if isinstance(threads, Mapping) else ()


def _positive(size: object) -> int | None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        return None
    return size
