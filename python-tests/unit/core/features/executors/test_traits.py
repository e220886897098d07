"""How kinds of executors are used."""

from __future__ import annotations

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

from unit.core.features.executors.foreign_classes import foreign

from cloaca_core.features.executors.traits import Traits, traits_of

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
