"""In which ways kinds of executors differ that are all a ``concurrent.futures.Executor``."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from cloaca_core.features.executors.foreign import Foreign, is_one_of


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
