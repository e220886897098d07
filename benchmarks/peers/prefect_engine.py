"""Prefect: a flow of one task, called; its server is the one that it starts by itself.

Which database that server writes to is said in the environment, before anything is imported.
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
    """The URL with the drivers that Prefect asks for."""
    scheme, _, rest = url.partition("://")
    driver = "sqlite+aiosqlite" if scheme == "sqlite" else "postgresql+asyncpg"
    return f"{driver}://{rest}"


if __name__ == "__main__":
    main(sys.argv[1])
