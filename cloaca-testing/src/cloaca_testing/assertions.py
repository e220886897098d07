"""Compares runs with what a test expects, and says in full how they differ. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple


class Submitted(NamedTuple):
    """A run that was submitted: its workflow, state and input."""

    workflow: str
    status: str
    input: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.workflow} {dict(self.input)!r} ({self.status})"


def matching(runs: Sequence[Submitted], context: Mapping[str, Any] | None) -> list[Submitted]:
    """The runs whose input has all these items."""
    wanted = {} if context is None else context
    return [run for run in runs if all(_has(run.input, *item) for item in wanted.items())]


def _has(given: Mapping[str, Any], key: str, value: object) -> bool:
    return key in given and bool(given[key] == value)


def wrong_count(
    workflow: str,
    context: Mapping[str, Any] | None,
    wanted: int | None,
    found: int,
    all_runs: Sequence[Submitted],
) -> str | None:
    """The reason if another number of runs was submitted; ``wanted`` None is at least one."""
    if found == wanted or (wanted is None and found):
        return None
    with_context = "" if context is None else f" with {dict(context)!r}"
    number = "at least one run" if wanted is None else f"{wanted} run{'s' if wanted != 1 else ''}"
    head = f"expected {number} of {workflow!r}{with_context}, found {found}"
    if not all_runs:
        return f"{head}; no run was submitted at all"
    return "\n  ".join([f"{head}; these were submitted:", *map(str, all_runs)])


class Path(NamedTuple):
    """The way of a run: tasks whose body was called, in order, and tasks that were skipped, each
    with its reason. ``nodes`` are the nodes of its workflow, which have no body.
    """

    ran: Sequence[str]
    skipped: Mapping[str, str]
    nodes: Collection[str] = ()


def wrong_path(path: Path, ran: Sequence[str], skipped: Collection[str] | None) -> str | None:
    """The reason if a run took another way; ``skipped`` None leaves that open."""
    reasons = []
    if list(path.ran) != list(ran):
        reasons.append(f"expected these bodies: {_listed(ran)}; called: {_listed(path.ran)}")
        if without := [task for task in ran if task in path.nodes]:
            reasons.append(f"without a body, as they only wait: {_listed(without)}")
    if skipped is not None and set(skipped) != set(path.skipped):
        shown = [f"{task} ({reason})" for task, reason in path.skipped.items()]
        reasons.append(f"expected to be skipped: {_listed(skipped)}; skipped: {_listed(shown)}")
    return "\n  ".join(reasons) if reasons else None


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
