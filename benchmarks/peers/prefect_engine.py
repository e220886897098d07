"""Prefect: calls a flow of one task, with the server that Prefect starts by itself.

The environment names that server's database, so it is set before the import.
"""

from __future__ import annotations

import os
import sys

from benchmarks.peers.timing import measure


def main(url: str) -> None:
    """Call the flow."""
    os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = driven(url)
    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"
    from prefect import flow, task

    @task
    def step() -> int:
        return 1

    @flow
    def one() -> int:
        return step()

    measure(one)


def driven(url: str) -> str:
    """The URL with the drivers that Prefect requires."""
    scheme, _, rest = url.partition("://")
    driver = "sqlite+aiosqlite" if scheme == "sqlite" else "postgresql+asyncpg"
    return f"{driver}://{rest}"


if __name__ == "__main__":
    main(sys.argv[1])
