"""How kinds of executors are used."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from tables import each_row
from unit.core.features.executors.foreign_classes import foreign

from cloaca_core.features.executors.traits import (
    Foreign,
    Traits,
    is_one_of,
    shares_workers,
    size_of,
    traits_of,
)

ENDED = {"wait": False, "cancel_futures": True}


def test_those_of_the_standard_library_are_used_as_documented() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert traits_of(pool) == Traits(
            submit={}, shutdown=ENDED, cancels=True, is_local=True, is_in_process=True
        )


def test_dask_runs_each_call_and_is_not_asked_to_cancel_one() -> None:
    dask = foreign("distributed.cfexecutor", "ClientExecutor", Executor)()

    assert traits_of(dask) == Traits(
        submit={"pure": False}, shutdown={"wait": False}, cancels=False
    )


def test_loky_cancels_no_futures_at_its_end() -> None:
    base = foreign("loky.process_executor", "ProcessPoolExecutor", Executor)
    reusable = foreign("loky.reusable_executor", "_ReusablePoolExecutor", base)()

    assert traits_of(reusable) == Traits(
        submit={}, shutdown={"wait": False}, cancels=True, is_local=True
    )


def test_so_are_its_processes() -> None:
    with ProcessPoolExecutor(1) as pool:
        assert traits_of(pool) == Traits(
            submit={}, shutdown=ENDED, cancels=True, is_local=True, looks_early=True
        )


def test_others_may_run_anywhere() -> None:
    assert traits_of(Executor()) == Traits(submit={}, shutdown=ENDED, cancels=True, is_local=False)


def test_pools_of_the_standard_library_tell_their_size() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert size_of(pool) == 3
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert size_of(pool) == 2


def test_our_own_executors_have_workers() -> None:
    assert size_of(_WithWorkers(5)) == 5


def test_dask_has_the_threads_of_all_its_workers() -> None:
    assert size_of(_Dask({"tcp://one": 2, "tcp://two": 4})) == 6


def test_a_worker_of_dask_with_several_threads_is_shared_by_calls() -> None:
    assert shares_workers(_Dask({"tcp://one": 1, "tcp://two": 2}))
    assert not shares_workers(_Dask({"tcp://one": 1, "tcp://two": 1}))
    assert not shares_workers(_Dask({}))
    assert not shares_workers(_WithWorkers(2))


def test_a_cluster_without_workers_has_no_size_yet() -> None:
    assert size_of(_Dask({})) is None


def test_an_error_of_the_cluster_is_passed_on() -> None:
    with pytest.raises(OSError, match="no scheduler"):
        size_of(_Dask(OSError("no scheduler")))


def test_other_executors_have_none() -> None:
    assert size_of(Executor()) is None


@each_row("size", [0, -1, True, 2.0, "4", None])
def test_what_is_no_size_is_none(size: object) -> None:
    assert size_of(_WithWorkers(size)) is None


class _WithWorkers(Executor):
    def __init__(self, workers: object) -> None:
        self.workers = workers


class _Dask(Executor):
    """As ``distributed.cfexecutor.ClientExecutor``: its only trace of a size is its client."""

    def __init__(self, threads: dict[str, int] | OSError) -> None:
        self._client = _DaskClient(threads)


class _DaskClient:
    def __init__(self, threads: dict[str, int] | OSError) -> None:
        self._threads = threads

    def nthreads(self) -> dict[str, int]:
        if isinstance(self._threads, OSError):
            raise self._threads
        return self._threads


KILLED = Foreign("distributed", "KilledWorker")


def test_an_instance_is_recognised_by_package_and_name() -> None:
    assert is_one_of(foreign("distributed.scheduler", "KilledWorker")(), KILLED)


def test_an_instance_of_a_derived_class_is_recognised() -> None:
    killed = foreign("distributed.scheduler", "KilledWorker")

    assert is_one_of(foreign("mine", "Mine", killed)(), KILLED)


def test_the_same_name_elsewhere_is_another_class() -> None:
    assert not is_one_of(foreign("distributed_things", "KilledWorker")(), KILLED)
    assert not is_one_of(foreign("distributed", "Worker")(), KILLED)
