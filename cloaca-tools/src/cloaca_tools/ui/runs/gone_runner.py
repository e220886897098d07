"""A run whose runner is gone: its bodies went with that, and count no longer. Pure."""

from __future__ import annotations

from dataclasses import replace

from cloaca_tools.ui.words.clock import seconds_between
from cloaca_tools.views import Bar, Inspection


def stopped(seen: Inspection) -> Inspection:
    """The run with the bodies that run ended when its runner was lost; as it is for one that has
    its runner.
    """
    if not seen.tree.run.runner_gone or seen.tree.run.ended_at is not None:
        return seen
    lost = min(seen.timeline.at, seen.lease_until or seen.timeline.at)
    bars = tuple([_bar(bar, lost) for bar in seen.timeline.bars])
    took = {bar.task: bar.seconds for bar in bars if bar.status == "Running"}
    tasks = tuple(
        [replace(node, seconds=took.get(node.task_id, node.seconds)) for node in seen.tree.tasks]
    )
    return replace(
        seen,
        tree=replace(seen.tree, tasks=tasks),
        timeline=replace(seen.timeline, bars=bars),
    )


def _bar(bar: Bar, lost: str) -> Bar:
    if bar.status != "Running" or bar.started_at is None or bar.ended_at is not None:
        return bar
    ended = max(lost, bar.started_at)
    return replace(bar, ended_at=ended, seconds=seconds_between(bar.started_at, ended))
