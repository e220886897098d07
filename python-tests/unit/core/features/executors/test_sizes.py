"""Sizes of executors, by their kind."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from tables import each_row

from cloaca_core.features.executors.sizes import shares_workers, size_of


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
