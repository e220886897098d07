"""``cloaca runs``: the list of its commands."""

from __future__ import annotations

import click

from cloaca_tools.cli.lazy import LazyGroup, Part

_LOOK = "cloaca_tools.cli.runs.look_at_runs"
_STEER = "cloaca_tools.cli.runs.steer_runs"
_TELL = "cloaca_tools.cli.runs.answer_runs"
_AGAIN = "cloaca_tools.cli.runs.begin_again"

COMMANDS = {
    "list": Part(_LOOK, "list_", "List runs, newest first."),
    "show": Part(_LOOK, "show", "Show a run with its tasks and the runs below it."),
    "tree": Part(_LOOK, "tree", "Draw the runs below a run."),
    "watch": Part("cloaca_tools.cli.runs.watch", "command", "Watch a run to its end."),
    "tail": Part(_LOOK, "tail", "Write a line for each new event of a run."),
    "logs": Part(
        "cloaca_tools.cli.runs.task_logs", "command", "Write what bodies of a run have logged."
    ),
    "items": Part("cloaca_tools.cli.runs.items", "command", "List the items of a map."),
    "attempts": Part(_LOOK, "attempts", "List the attempts of a run's tasks."),
    "graph": Part(_LOOK, "graph", "Draw a run's tasks as a Mermaid flowchart."),
    "explain": Part(_LOOK, "explain", "Say why a run and its tasks are as they are."),
    "export": Part(_LOOK, "export", "Write a run as a file, for a test to load."),
    "wait": Part(_LOOK, "wait", "Wait for the end of a run."),
    "cancel": Part(_STEER, "cancel", "End runs as Cancelled."),
    "pause": Part(_STEER, "pause", "Start no more tasks of runs."),
    "resume": Part(_STEER, "resume", "Let paused runs go on."),
    "retry": Part(_AGAIN, "retry", "Begin failed or cancelled runs again."),
    "fork": Part(_AGAIN, "fork", "Make a new run of a run, from a task on."),
    "send": Part(_TELL, "send", "Send an event to a run."),
    "approve": Part(_TELL, "approve", "Decide an approval of a run."),
}


@click.group("runs", cls=LazyGroup, parts=COMMANDS)
def command() -> None:
    """List, watch and explain runs; cancel, pause, retry, fork them.

    RUN is an id, the beginning of one that no other run shares, @ for the newest run or @~1 for
    the one before it. TERM is [-]key:value[,value]; keys are status, workflow, tag.KEY, since,
    until, task, error, parent, by and id. All terms must be met, of several values one.
    """
