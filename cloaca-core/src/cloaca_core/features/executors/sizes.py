"""How many calls an executor runs at once, by its kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Executor


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
    """Whether a worker that is there now runs several calls at once, as far as is known: on Dask,
    one with several threads. Asks the scheduler, which may raise.
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
