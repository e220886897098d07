"""cloaca: this one, and 0.12 of the project whose API it speaks; the same program runs on both."""

from __future__ import annotations

import sys

import cloaca
from benchmarks.peers.timing import measure

with cloaca.WorkflowBuilder("one") as builder:
    builder.description("One step that does nothing")

    @cloaca.task(id="step")
    def step(context: cloaca.Context) -> cloaca.Context:
        """Do nothing."""
        return context


def main(url: str) -> None:
    """Execute a run and wait for it."""
    runner = cloaca.DefaultRunner(url)
    measure(lambda: _completed(runner))
    runner.shutdown()


def _completed(runner: cloaca.DefaultRunner) -> None:
    status = runner.execute("one", cloaca.Context({})).status
    if status != "Completed":
        raise SystemExit(f"a run ended as {status}")


if __name__ == "__main__":
    main(sys.argv[1])
