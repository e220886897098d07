"""Where the bodies run: on threads of the program, or with ``CARS_ON=dask`` on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager

from .steps import ON

WORKERS = 3


@contextmanager
def executors() -> Iterator[Mapping[str, Executor]]:
    """The executors for the runner. The cluster is of this machine, and ends with the block."""
    if ON is None:
        yield {}
        return
    if ON != "dask":
        raise SystemExit(f"CARS_ON={ON}: the bodies run on 'dask', or without CARS_ON on threads")
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        message = "CARS_ON=dask needs Dask, which cloaca's extra dask brings"
        raise SystemExit(f"{message}: {error}") from error
    with (
        LocalCluster(WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield {"dask": client.get_executor()}
