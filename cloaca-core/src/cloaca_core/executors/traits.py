"""In which ways kinds of executors differ that are all a ``concurrent.futures.Executor``."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from cloaca_core.executors.foreign import Foreign, is_one_of


@dataclass(frozen=True, slots=True)
class Traits:
    """How to use a kind of executor.

    ``submit`` and ``shutdown`` are keyword arguments for these methods. ``cancels`` is False where
    ``Future.cancel()`` claims to have ended a call that goes on: then it is better not called.
    ``depth`` is how many calls it is handed by default for each that it runs at once.
    """

    submit: Mapping[str, bool] = field(default_factory=dict)
    shutdown: Mapping[str, bool] = field(
        default_factory=lambda: {"wait": False, "cancel_futures": True}
    )
    cancels: bool = True
    depth: int = 1


_DASK: Final = Traits(
    # Otherwise Dask answers a call with the result or the error of an earlier one like it.
    submit={"pure": False},
    # Cancels all calls.
    shutdown={"wait": False},
    # It forgets the call, and the thread of its worker is busy until the body ends.
    cancels=False,
    # One runs, one follows, and one is on its way there or back: else the thread idles for the way,
    # which is longer than a short body. Dask keeps the third until a worker has room for it.
    depth=3,
)
_LOKY: Final = Traits(shutdown={"wait": False})
_OTHERS: Final = Traits()


def traits_of(executor: Executor) -> Traits:
    """The traits of this executor's kind."""
    if is_one_of(executor, Foreign("distributed", "ClientExecutor")):
        return _DASK
    if is_one_of(executor, Foreign("loky", "ProcessPoolExecutor")):
        return _LOKY
    return _OTHERS
