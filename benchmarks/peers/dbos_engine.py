"""DBOS: calls a workflow of one step, which returns when both are recorded."""

from __future__ import annotations

import sys

from dbos import DBOS

from benchmarks.peers.timing import measure


@DBOS.step()
def step() -> int:
    """Do nothing."""
    return 1


@DBOS.workflow()
def one() -> int:
    """Run one step."""
    return step()


def main(url: str) -> None:
    """Launch DBOS and call the workflow."""
    DBOS(config={"name": "one", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    measure(one)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1])
