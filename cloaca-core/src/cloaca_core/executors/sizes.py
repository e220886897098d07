"""How many calls an executor runs at once, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor


def size_of(executor: Executor) -> int | None:
    """The number of calls that run at once; None if it is not known, or not at least one.

    Read from ``workers`` (our own executors), ``_max_workers`` (the standard library, loky) or the
    workers that Dask's client knows now. The latter asks the scheduler, which may raise.
    """
    for name in ("workers", "_max_workers"):
        if (size := _positive(getattr(executor, name, None))) is not None:
            return size
    return _threads_of(getattr(executor, "_client", None))


def _threads_of(client: object) -> int | None:
    """The threads of all workers of a Dask client. Its executor shows it under a private name only,
    which has not changed since 2017.
    """
    if not callable(ask := getattr(client, "nthreads", None)):
        return None
    threads = ask()
    return _positive(sum(threads.values())) if isinstance(threads, Mapping) else None


def _positive(size: object) -> int | None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        return None
    return size
