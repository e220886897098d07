"""DBOS: a workflow of one step, called; it returns when both are recorded."""

from __future__ import annotations

import sys

from dbos import DBOS

from benchmarks.peers.timing import measure


@DBOS.step()
def step() -> int:
    """Nothing."""
    return 1


@DBOS.workflow()
def one() -> int:
    """One step."""
    return step()


def main(url: str) -> None:
    """Launch it and call the workflow."""
    DBOS(config={"name": "one", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    measure(one)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1])
